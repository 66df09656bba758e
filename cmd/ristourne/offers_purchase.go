package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"ristourne/processor/catalog"
	"ristourne/processor/simulate"
	"ristourne/rules"
	"ristourne/rules/money"
)

// paid is an amount of money.
type paid struct {
	minor    int64
	currency money.Currency
}

func (p paid) String() string { return money.FormatMinor(p.minor, p.currency) }

var (
	paidForm = regexp.MustCompile(`^(\d+(?:\.\d+)?) ?([A-Z]{3})$`)
	onForm   = regexp.MustCompile(`^(.+?) on (\S+(?: \S+)?)$`)
	itemForm = regexp.MustCompile(`^(?:(.*\S) +)?([+-]?\d+(?:\.\d+)?) ?([A-Z]{3})$`)
)

func parsePaid(flag, text string) (paid, error) {
	m := paidForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return paid{}, usageError{fmt.Errorf("--%s %q is no amount: write it such as \"84.50 EUR\"", flag, text)}
	}
	currency, known := money.ParseCurrency(m[2])
	if !known {
		return paid{}, usageError{fmt.Errorf("--%s: %s is no currency: write its ISO 4217 code, such as EUR", flag, m[2])}
	}
	minor, err := money.ParseMinor(m[1], currency)
	if err != nil {
		return paid{}, usageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	return paid{minor, currency}, nil
}

// madePurchase is a purchase that is made up, with the member who makes it.
type madePurchase struct {
	options   *explainOptions
	ref       rules.OfferRef
	programme *rules.Programme
	partner   *rules.Partner // nil: at no partner's store
	store     *rules.Store
	offer     *rules.Offer
	amount    paid
	billed    *paid // nil: not stated
	at        rules.Instant
	before    []madeBefore
	items     []map[string]any
	enrolled  rules.Instant
	account   string
	assumed   []string
}

type madeBefore struct {
	paid
	at rules.Instant
}

// The names of what is made up.
const (
	madeAccount  = "member"
	madeCard     = "card"
	madeSponsor  = "sponsor"
	madeMerchant = "elsewhere" // that no key names
)

func makePurchase(loaded *catalog.Loaded, ref rules.OfferRef, o *explainOptions, now time.Time) (*madePurchase, error) {
	p := &madePurchase{options: o, ref: ref}
	var err error
	if p.amount, err = parsePaid("purchase", o.purchase); err != nil {
		return nil, err
	}
	if o.billed != "" {
		billed, err := parsePaid("billed", o.billed)
		if err != nil {
			return nil, err
		}
		p.billed = &billed
	}
	if err := p.place(loaded.Catalogue, rules.InstantOf(now)); err != nil {
		return nil, err
	}
	if err := p.history(); err != nil {
		return nil, err
	}
	if p.items, err = parseItems(o.items, p.amount.currency); err != nil {
		return nil, err
	}
	p.assume()
	return p, nil
}

// place finds where and when the purchase is made, and what is in force then.
func (p *madePurchase) place(c *rules.Catalogue, now rules.Instant) error {
	partnerID, storeID := p.ref.Partner, p.options.store
	if partner, store, both := strings.Cut(storeID, "/"); both {
		partnerID, storeID = partner, store
		if p.ref.Partner != "" && p.ref.Partner != partner {
			return usageError{fmt.Errorf("--store %s: offer %s is of another partner", p.options.store, p.ref.String())}
		}
	} else if storeID != "" && partnerID == "" {
		return usageError{fmt.Errorf("--store %s: write PARTNER/STORE for an offer of the programme's own", storeID)}
	}
	// Days are those of the store's zone, which only a version tells: the
	// programme's is near enough to find it.
	at := now
	if p.options.at != "" {
		var err error
		if at, err = p.moment("at", p.options.at, c.Programmes[len(c.Programmes)-1].Zone); err != nil {
			return err
		}
	}
	if partnerID != "" {
		if err := p.atStore(c, partnerID, storeID, at); err != nil {
			return err
		}
	}
	if err := p.inProgramme(c, at); err != nil {
		return err
	}
	p.at = at
	if p.options.at == "" {
		return nil
	}
	var err error
	p.at, err = p.moment("at", p.options.at, p.zone())
	return err
}

func (p *madePurchase) moment(flag, text string, zone *time.Location) (rules.Instant, error) {
	at, err := parseMoment(text, zone, 12)
	if err != nil {
		return at, usageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	return at, nil
}

func (p *madePurchase) zone() *time.Location {
	if p.store != nil {
		return p.store.Zone
	}
	return p.programme.Zone
}

func (p *madePurchase) atStore(c *rules.Catalogue, partnerID, storeID string, at rules.Instant) error {
	p.partner = rules.InForceAt(c.Partners, partnerID, at)
	if p.partner == nil {
		return fmt.Errorf("partner %s has no terms in force at %s: say another moment with --at", partnerID, at)
	}
	var stores []string
	if p.ref.Partner != "" {
		if p.offer = offerIn(p.partner.Offers, p.ref.Offer); p.offer == nil {
			return fmt.Errorf("partner %s doesn't give offer %s at %s (version %s): say another moment with --at", partnerID, p.ref.Offer, at, p.partner.Version.ID)
		}
		stores = p.offer.Stores
	}
	for i := range p.partner.Stores {
		s := &p.partner.Stores[i]
		if storeID == s.ID || storeID == "" && (len(stores) == 0 || slices.Contains(stores, s.ID)) {
			p.store = s
			break
		}
	}
	switch {
	case p.store == nil:
		return fmt.Errorf("partner %s has no store %q: it has %s", partnerID, storeID, storeNames(p.partner.Stores))
	case len(stores) > 0 && !slices.Contains(stores, p.store.ID):
		return fmt.Errorf("offer %s is not given at store %s, only at %s", p.ref.Offer, p.store.ID, strings.Join(stores, ", "))
	}
	return nil
}

func storeNames(stores []rules.Store) string {
	names := make([]string, 0, mostNamed)
	for i := range stores[:min(len(stores), mostNamed)] {
		names = append(names, stores[i].ID)
	}
	if len(stores) > mostNamed {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

func offerIn(offers []rules.Offer, id string) *rules.Offer {
	for i := range offers {
		if offers[i].ID == id {
			return &offers[i]
		}
	}
	return nil
}

func (p *madePurchase) inProgramme(c *rules.Catalogue, at rules.Instant) error {
	for i := range c.Programmes {
		id := c.Programmes[i].ID
		if p.partner != nil && p.partner.Programme != id {
			continue
		}
		in := rules.InForceAt(c.Programmes, id, at)
		if in == nil || p.ref.Partner == "" && offerIn(in.Offers, p.ref.Offer) == nil {
			continue
		}
		if p.programme = in; p.ref.Partner == "" {
			p.offer = offerIn(in.Offers, p.ref.Offer)
		}
		return nil
	}
	return fmt.Errorf("no programme gives offer %s at %s: say another moment with --at", p.ref.String(), at)
}

// history reads the purchases before, and when the member enrolled.
func (p *madePurchase) history() error {
	first := p.at
	for _, text := range p.options.before {
		m := onForm.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			return usageError{fmt.Errorf("--before %q: write what was paid and when, such as \"60 EUR on 2026-11-02\"", text)}
		}
		amount, err := parsePaid("before", m[1])
		if err != nil {
			return err
		}
		at, err := p.moment("before", m[2], p.zone())
		if err != nil {
			return err
		}
		if !at.Before(p.at) {
			return usageError{fmt.Errorf("--before %q is not before the purchase at %s", text, p.at)}
		}
		p.before = append(p.before, madeBefore{amount, at})
		if at.Before(first) {
			first = at
		}
	}
	p.enrolled = first.AddDays(-365)
	if p.options.enrolled == "" {
		return nil
	}
	at, err := parseMoment(p.options.enrolled, p.programme.Zone, 0)
	switch {
	case err != nil:
		return usageError{fmt.Errorf("--enrolled: %w", err)}
	case at.After(p.at):
		return usageError{fmt.Errorf("--enrolled %s is after the purchase at %s", p.options.enrolled, p.at)}
	}
	p.enrolled = at
	return nil
}

func parseItems(text string, currency money.Currency) ([]map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	var items []map[string]any
	for part := range strings.SplitSeq(text, ",") {
		m := itemForm.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil || m[3] != currency.String() {
			return nil, usageError{fmt.Errorf("--items %q: write each article's category and amount, such as \"bread 4.00 %s\"", strings.TrimSpace(part), currency)}
		}
		minor, err := money.ParseMinor(m[2], currency)
		if err != nil {
			return nil, usageError{fmt.Errorf("--items: %w", err)}
		}
		item := map[string]any{"amount_minor": minor}
		if m[1] != "" {
			item["category"] = m[1]
		}
		items = append(items, item)
	}
	return items, nil
}

// byName reports that the member enrols: in a programme that takes everyone he
// does only where something asks for it.
func (p *madePurchase) byName() bool {
	return p.programme.Enrolment == rules.EnrolmentExplicit || p.options.enrolled != "" || !p.offer.Sponsor.None()
}

// assume says what the person didn't.
func (p *madePurchase) assume() {
	o := p.options
	say := func(format string, args ...any) { p.assumed = append(p.assumed, fmt.Sprintf(format, args...)) }
	enrolled := p.enrolled.Time().In(p.programme.Zone).Format(time.DateOnly)
	member := "by a member"
	switch {
	case o.enrolled != "":
		member += " enrolled on " + enrolled
	case p.byName():
		member += " taken to have enrolled on " + enrolled + " (say another day with --enrolled)"
	default:
		member += " whom the programme takes in by itself"
	}
	if o.level != "" {
		member += ", of level " + o.level
	}
	if len(o.segments) > 0 {
		member += ", of segment " + strings.Join(o.segments, " and ")
	}
	if !p.offer.Sponsor.None() {
		member += ", whom a sponsor referred"
	}
	say("%s", member)
	for _, b := range p.before {
		say("who paid %s there on %s", b.paid, b.at.Time().In(p.zone()).Format("2006-01-02 15:04"))
	}
	var unknown []string
	for _, f := range [...]struct {
		asked        bool
		given, flag  string
		inOtherWords string
	}{
		{len(p.offer.Channels) > 0, o.channel, "--channel", "how it was bought"},
		{len(p.offer.MCCs)+len(p.offer.NotMCCs) > 0, o.mcc, "--mcc", "the merchant's category"},
		{len(p.offer.Countries) > 0, o.country, "--country", "the merchant's country"},
		{p.amount.currency != p.offer.Currency, o.billed, "--billed", "what it is in " + p.offer.Currency.String()},
		{len(p.offer.Audience.CardProducts) > 0, o.cardProduct, "--card-product", "the card product"},
		{len(p.offer.Audience.Levels) > 0, o.level, "--level", "the member's level"},
		{len(p.offer.Audience.Segments) > 0, strings.Join(o.segments, ","), "--segment", "the member's segments"},
		{p.offer.Reward.Form == rules.CategoryReward, o.items, "--items", "the articles"},
	} {
		if f.asked && f.given == "" {
			unknown = append(unknown, f.inOtherWords+" ("+f.flag+")")
		}
	}
	if len(unknown) > 0 {
		say("not stated, though the offer asks for it: %s", strings.Join(unknown, ", "))
	}
}

// mostTried is how many made-up members are looked at for one who is held out of
// nothing.
const mostTried = 200

// explain lets the rules work the purchase out. Where nobody says whose it is, it
// is that of a member who is held out of nothing, or of as little as can be.
func (p *madePurchase) explain(snapshot *rules.Snapshot) (*rules.Explanation, error) {
	p.account = cmp.Or(p.options.account, madeAccount)
	x, err := p.explainOnce(snapshot)
	if err != nil {
		return nil, err
	}
	under, held := holdoutsIn(x)
	switch {
	case p.options.account != "":
		p.assumed = append(p.assumed, "of account "+p.account)
		return x, nil
	case under == 0:
		return x, nil
	}
	for n := 1; held > 0 && n < mostTried; n++ {
		p.account = fmt.Sprintf("%s-%d", madeAccount, n)
		other, err := p.explainOnce(snapshot)
		if err != nil {
			return nil, err
		}
		if _, fewer := holdoutsIn(other); fewer < held {
			x, held = other, fewer
		}
	}
	takeNotToBeHeld(x)
	if held == 0 {
		p.assumed = append(p.assumed, "who is taken to be held out of nothing (say whose purchase it is with --account)")
	}
	return x, nil
}

// holdoutsIn counts the holdouts that are told of, and those that hold the
// account out.
func holdoutsIn(x *rules.Explanation) (under, held int) {
	for i := range x.Confirmed.Offers {
		o := &x.Confirmed.Offers[i]
		for _, c := range o.Conditions {
			if c.Code == rules.HoldoutCode {
				under++
				held += count01(!c.Holds)
			}
		}
		for _, r := range o.Raises {
			if r.Holdout {
				under++
				held += count01(slices.Contains(r.Why, rules.HoldoutCode))
			}
		}
	}
	return under, held
}

// takeNotToBeHeld says of a made-up account that it is taken not to be held out,
// rather than what it draws.
func takeNotToBeHeld(x *rules.Explanation) {
	for _, w := range []*rules.ExplainedWorld{x.Confirmed, x.Expected} {
		for i := range w.Offers {
			for n := range w.Offers[i].Conditions {
				if c := &w.Offers[i].Conditions[n]; c.Code == rules.HoldoutCode && c.Holds {
					c.Found = "as it is taken to be"
				}
			}
		}
	}
}

// sponsor is another account than the buyer's.
func (p *madePurchase) sponsor() string {
	if p.account == madeSponsor {
		return madeSponsor + "-1"
	}
	return madeSponsor
}

func count01(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (p *madePurchase) explainOnce(snapshot *rules.Snapshot) (*rules.Explanation, error) {
	world := simulate.NewWorld(snapshot, false)
	var refused error
	world.DeadLetter = func(letter *rules.DeadLetter) {
		refused = errors.Join(refused, fmt.Errorf("this can be no purchase: %s: %s", letter.Field, letter.Detail))
	}
	for i, fact := range p.facts() {
		if err := apply(world.Fact, "facts", i, fact); err != nil {
			return nil, err
		}
	}
	for i, event := range p.events() {
		if err := apply(world.Event, "events", i, event); err != nil {
			return nil, err
		}
	}
	if refused != nil {
		return nil, usageError{refused}
	}
	x, err := world.Explain(p.account, "purchase")
	switch {
	case err != nil:
		return nil, err
	case x.Outcome == "unknown" && p.store != nil:
		return nil, fmt.Errorf("store %s has no merchant key that holds at %s: say another moment with --at", p.store.ID, p.at)
	case x.Outcome == "unknown":
		return nil, fmt.Errorf("nothing sees such a purchase: the programme's own offers are for other merchants; say which one with --mcc")
	case x.Confirmed == nil:
		return nil, fmt.Errorf("the purchase counts for nothing (%s)", strings.Join(x.Why, ", "))
	}
	return x, nil
}

func apply(take func(key, value []byte, at simulate.Place) error, topic string, i int, record map[string]any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return take(nil, value, simulate.Place{Topic: topic, Offset: int64(i), RecordedAt: -1})
}

func (p *madePurchase) facts() []map[string]any {
	var facts []map[string]any
	add := func(kind, field string, value any) map[string]any {
		fact := map[string]any{
			"fact_id": fmt.Sprintf("f%03d", len(facts)), "type": kind, "account_id": p.account, "at": p.enrolled.String(), field: value,
		}
		facts = append(facts, fact)
		return fact
	}
	if p.byName() {
		fact := add("enrolled", "member_id", madeAccount)
		fact["programme"], fact["card_tokens"] = p.programme.ID, []string{madeCard}
		if !p.offer.Sponsor.None() {
			fact["sponsor_account_id"] = p.sponsor()
		}
	}
	if p.options.level != "" {
		add("level_changed", "level", p.options.level)
	}
	for _, segment := range p.options.segments {
		add("segment_added", "segment", segment)
	}
	if p.options.activated {
		add("offer_activated", "offer_id", cmp.Or(p.ref.Partner, rules.ProgrammeWord)+"/"+p.ref.Offer)
	}
	return facts
}

func (p *madePurchase) events() []map[string]any {
	var events []map[string]any
	for i, b := range p.before {
		events = append(events, p.event(fmt.Sprintf("before-%d", i+1), b.paid, b.at))
	}
	event := p.event("purchase", p.amount, p.at)
	if p.items != nil {
		event["items"] = p.items
	}
	if p.billed != nil {
		event["billing_amount_minor"], event["billing_currency"] = p.billed.minor, p.billed.currency.String()
	}
	return append(events, event)
}

func (p *madePurchase) event(id string, amount paid, at rules.Instant) map[string]any {
	event := map[string]any{
		"event_id": id, "type": "clearing", "transaction_id": id, "account_id": p.account, "card_token": madeCard,
		"amount_minor": amount.minor, "currency": amount.currency.String(), "occurred_at": at.String(), "merchant": p.merchant(at),
	}
	if p.options.channel != "" {
		event["channel"] = p.options.channel
	}
	if p.options.cardProduct != "" {
		event["card_product"] = p.options.cardProduct
	}
	return event
}

// merchant names the store as a card message would.
func (p *madePurchase) merchant(at rules.Instant) map[string]any {
	merchant := map[string]any{"id": madeMerchant}
	if p.options.mcc != "" {
		merchant["mcc"] = p.options.mcc
	}
	if p.options.country != "" {
		merchant["country"] = p.options.country
	}
	if p.store == nil {
		return merchant
	}
	for i := range p.store.Keys {
		k := &p.store.Keys[i]
		if at.Before(k.From) || !at.Before(k.Until) {
			continue
		}
		for field, value := range map[string]string{
			"id": k.MID, "acquirer_id": k.AcquirerID, "network": k.Network,
			"network_merchant_id": k.NetworkMerchantID, "sub_merchant_id": k.SubMerchantID, "terminal_id": k.TerminalID,
		} {
			if value != "" {
				merchant[field] = value
			}
		}
		break
	}
	return merchant
}
