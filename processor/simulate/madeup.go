package simulate

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
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/explain"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
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
		return paid{}, OptionError{fmt.Errorf("%s %q is no amount: write it such as \"84.50 EUR\"", flag, text)}
	}
	currency, known := money.ParseCurrency(m[2])
	if !known {
		return paid{}, OptionError{fmt.Errorf("%s: %s is no currency: write its ISO 4217 code, such as EUR", flag, m[2])}
	}
	minor, err := money.ParseMinor(m[1], currency)
	if err != nil {
		return paid{}, OptionError{fmt.Errorf("%s: %w", flag, err)}
	}
	return paid{minor, currency}, nil
}

// MadeUp is a purchase as a person writes it. Only Purchase is needed; what isn't
// stated is unknown.
type MadeUp struct {
	Purchase    string   // what is paid, such as "84.50 EUR"
	At          string   // on the store's clock, such as 2026-11-25T17:30; empty: now
	Store       string   // its id, or PARTNER/STORE for a programme's offer; empty: the first that has the offer
	Channel     string   // in_store, online or other
	MCC         string   // ISO 18245, four digits
	Country     string   // ISO 3166-1 alpha-2
	Billed      string   // what it is on the statement, in another currency
	CardProduct string   // in the bank's own words
	Level       string   // of the member
	Segments    []string // that the member is in
	Enrolled    string   // date; empty: a year before
	Items       string   // articles by category: "bread 4.00 EUR, cheese 6.00 EUR"
	Before      []string // earlier purchases there: "60 EUR on 2026-11-02"
	Activated   bool     // the member has activated the offer
	Account     string   // whose purchase it is; empty: one that is held out of nothing
}

// OptionError is a field of MadeUp that can't be read or doesn't fit. Its text
// begins with the field's name.
type OptionError struct{ error }

func (e OptionError) Unwrap() error { return e.error }

// Told is what is told of a made-up purchase.
type Told struct {
	Offer   string   `json:"offer"`   // PARTNER/OFFER
	Amount  string   `json:"amount"`  // of the purchase
	Assumed []string `json:"assumed"` // who buys, and what isn't known of it
	*explain.Explanation
}

// Explain works out by the rules that decide real purchases what this one would
// earn by an offer.
func (o *MadeUp) Explain(loaded *catalog.Loaded, ref offer.OfferRef, now time.Time) (*Told, error) {
	made, err := makePurchase(loaded, ref, o, now)
	if err != nil {
		return nil, err
	}
	explanation, err := made.explain(loaded.Snapshot)
	if err != nil {
		return nil, err
	}
	return &Told{Offer: ref.String(), Amount: made.amount.String(), Assumed: made.assumed, Explanation: explanation}, nil
}

// madePurchase is a purchase that is made up, with the member who makes it.
type madePurchase struct {
	options   *MadeUp
	ref       offer.OfferRef
	programme *offer.Programme
	partner   *offer.Partner // nil: at no partner's store
	store     *offer.Store
	offer     *offer.Offer
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

func makePurchase(loaded *catalog.Loaded, ref offer.OfferRef, o *MadeUp, now time.Time) (*madePurchase, error) {
	p := &madePurchase{options: o, ref: ref}
	var err error
	if p.amount, err = parsePaid("purchase", o.Purchase); err != nil {
		return nil, err
	}
	if o.Billed != "" {
		billed, err := parsePaid("billed", o.Billed)
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
	if p.items, err = parseItems(o.Items, p.amount.currency); err != nil {
		return nil, err
	}
	p.assume()
	return p, nil
}

// place finds where and when the purchase is made, and what is in force then.
func (p *madePurchase) place(c *offer.Catalogue, now rules.Instant) error {
	partnerID, storeID := p.ref.Partner, p.options.Store
	if partner, store, both := strings.Cut(storeID, "/"); both {
		partnerID, storeID = partner, store
		if p.ref.Partner != "" && p.ref.Partner != partner {
			return OptionError{fmt.Errorf("store %s: offer %s is of another partner", p.options.Store, p.ref.String())}
		}
	} else if storeID != "" && partnerID == "" {
		return OptionError{fmt.Errorf("store %s: write PARTNER/STORE for an offer of the programme's own", storeID)}
	}
	// Days are those of the store's zone, which only a version tells: the
	// programme's is near enough to find it.
	at := now
	if p.options.At != "" {
		var err error
		if at, err = p.moment("at", p.options.At, c.Programmes[len(c.Programmes)-1].Zone); err != nil {
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
	if p.options.At == "" {
		return nil
	}
	var err error
	p.at, err = p.moment("at", p.options.At, p.zone())
	return err
}

func (p *madePurchase) moment(flag, text string, zone *time.Location) (rules.Instant, error) {
	at, err := ParseMoment(text, zone, 12)
	if err != nil {
		return at, OptionError{fmt.Errorf("%s: %w", flag, err)}
	}
	return at, nil
}

func (p *madePurchase) zone() *time.Location {
	if p.store != nil {
		return p.store.Zone
	}
	return p.programme.Zone
}

func (p *madePurchase) atStore(c *offer.Catalogue, partnerID, storeID string, at rules.Instant) error {
	p.partner = offer.InForceAt(c.Partners, partnerID, at)
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

func storeNames(stores []offer.Store) string {
	names := make([]string, 0, mostNamed)
	for i := range stores[:min(len(stores), mostNamed)] {
		names = append(names, stores[i].ID)
	}
	if len(stores) > mostNamed {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

func offerIn(offers []offer.Offer, id string) *offer.Offer {
	for i := range offers {
		if offers[i].ID == id {
			return &offers[i]
		}
	}
	return nil
}

func (p *madePurchase) inProgramme(c *offer.Catalogue, at rules.Instant) error {
	for i := range c.Programmes {
		id := c.Programmes[i].ID
		if p.partner != nil && p.partner.Programme != id {
			continue
		}
		in := offer.InForceAt(c.Programmes, id, at)
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
	for _, text := range p.options.Before {
		m := onForm.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			return OptionError{fmt.Errorf("before %q: write what was paid and when, such as \"60 EUR on 2026-11-02\"", text)}
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
			return OptionError{fmt.Errorf("before %q is not before the purchase at %s", text, p.at)}
		}
		p.before = append(p.before, madeBefore{amount, at})
		if at.Before(first) {
			first = at
		}
	}
	p.enrolled = first.AddDays(-365)
	if p.options.Enrolled == "" {
		return nil
	}
	at, err := ParseMoment(p.options.Enrolled, p.programme.Zone, 0)
	switch {
	case err != nil:
		return OptionError{fmt.Errorf("enrolled: %w", err)}
	case at.After(p.at):
		return OptionError{fmt.Errorf("enrolled %s is after the purchase at %s", p.options.Enrolled, p.at)}
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
			return nil, OptionError{fmt.Errorf("items %q: write each article's category and amount, such as \"bread 4.00 %s\"", strings.TrimSpace(part), currency)}
		}
		minor, err := money.ParseMinor(m[2], currency)
		if err != nil {
			return nil, OptionError{fmt.Errorf("items: %w", err)}
		}
		item := map[string]any{"amount_minor": minor}
		if m[1] != "" {
			item["category"] = m[1]
		}
		items = append(items, item)
	}
	return items, nil
}

// byName reports that the member enrols: in a programme that takes everyone they
// do only where something asks for it.
func (p *madePurchase) byName() bool {
	return p.programme.Enrolment == offer.EnrolmentExplicit || p.options.Enrolled != "" || !p.offer.Sponsor.None()
}

// assume says what the person didn't.
func (p *madePurchase) assume() {
	o := p.options
	say := func(format string, args ...any) { p.assumed = append(p.assumed, fmt.Sprintf(format, args...)) }
	enrolled := p.enrolled.Time().In(p.programme.Zone).Format(time.DateOnly)
	member := "by a member"
	switch {
	case o.Enrolled != "":
		member += " enrolled on " + enrolled
	case p.byName():
		member += " taken to have enrolled on " + enrolled + " (say another day with --enrolled)"
	default:
		member += " whom the programme takes in by itself"
	}
	if o.Level != "" {
		member += ", of level " + o.Level
	}
	if len(o.Segments) > 0 {
		member += ", of segment " + strings.Join(o.Segments, " and ")
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
		{len(p.offer.Channels) > 0, o.Channel, "--channel", "how it was bought"},
		{len(p.offer.MCCs)+len(p.offer.NotMCCs) > 0, o.MCC, "--mcc", "the merchant's category"},
		{len(p.offer.Countries) > 0, o.Country, "--country", "the merchant's country"},
		{p.amount.currency != p.offer.Currency, o.Billed, "--billed", "what it is in " + p.offer.Currency.String()},
		{len(p.offer.Audience.CardProducts) > 0, o.CardProduct, "--card-product", "the card product"},
		{len(p.offer.Audience.Levels) > 0, o.Level, "--level", "the member's level"},
		{len(p.offer.Audience.Segments) > 0, strings.Join(o.Segments, ","), "--segment", "the member's segments"},
		{p.offer.Reward.Form == offer.CategoryReward, o.Items, "--items", "the articles"},
	} {
		if f.asked && f.given == "" {
			unknown = append(unknown, f.inOtherWords+" ("+f.flag+")")
		}
	}
	if len(unknown) > 0 {
		say("not stated, though the offer asks for it: %s", strings.Join(unknown, ", "))
	}
}

// mostNamed is how many stores a message names.
const mostNamed = 5

// mostTried is how many made-up members are looked at for one who is held out of
// nothing.
const mostTried = 200

// explain lets the rules work the purchase out. Where nobody says whose it is, it
// is that of a member who is held out of nothing, or of as little as can be.
func (p *madePurchase) explain(snapshot *engine.Snapshot) (*explain.Explanation, error) {
	p.account = cmp.Or(p.options.Account, madeAccount)
	x, err := p.explainOnce(snapshot)
	if err != nil {
		return nil, err
	}
	under, held := holdoutsIn(x)
	switch {
	case p.options.Account != "":
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
func holdoutsIn(x *explain.Explanation) (under, held int) {
	for i := range x.Confirmed.Offers {
		o := &x.Confirmed.Offers[i]
		for _, c := range o.Conditions {
			if c.Code == reason.HoldoutCode {
				under++
				held += count01(!c.Holds)
			}
		}
		for _, r := range o.Raises {
			if r.Holdout {
				under++
				held += count01(slices.Contains(r.Why, reason.HoldoutCode))
			}
		}
	}
	return under, held
}

// takeNotToBeHeld says of a made-up account that it is taken not to be held out,
// rather than what it draws.
func takeNotToBeHeld(x *explain.Explanation) {
	for _, w := range []*explain.ExplainedWorld{x.Confirmed, x.Expected} {
		for i := range w.Offers {
			for n := range w.Offers[i].Conditions {
				if c := &w.Offers[i].Conditions[n]; c.Code == reason.HoldoutCode && c.Holds {
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

func (p *madePurchase) explainOnce(snapshot *engine.Snapshot) (*explain.Explanation, error) {
	world := NewWorld(snapshot, false)
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
		return nil, OptionError{refused}
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

func apply(take func(key, value []byte, at Place) error, topic string, i int, record map[string]any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return take(nil, value, Place{Topic: topic, Offset: int64(i), RecordedAt: -1})
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
	if p.options.Level != "" {
		add("level_changed", "level", p.options.Level)
	}
	for _, segment := range p.options.Segments {
		add("segment_added", "segment", segment)
	}
	if p.options.Activated {
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
	if p.options.Channel != "" {
		event["channel"] = p.options.Channel
	}
	if p.options.CardProduct != "" {
		event["card_product"] = p.options.CardProduct
	}
	return event
}

// merchant names the store as a card message would.
func (p *madePurchase) merchant(at rules.Instant) map[string]any {
	merchant := map[string]any{"id": madeMerchant}
	if p.options.MCC != "" {
		merchant["mcc"] = p.options.MCC
	}
	if p.options.Country != "" {
		merchant["country"] = p.options.Country
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

// wallClocks are how people write a moment on a store's clock.
var wallClocks = []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"}

// ParseMoment reads a date, at the hour given for days alone, or a date and a
// time, of the zone; or with an offset.
func ParseMoment(text string, zone *time.Location, hour int) (rules.Instant, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return rules.InstantOf(t), nil
	}
	for i, layout := range wallClocks {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if i > 0 {
			hour = t.Hour()
		}
		wall := offer.LocalTime{Year: t.Year(), Month: t.Month(), Day: t.Day(), Hour: hour, Min: t.Minute(), Sec: t.Second()}
		return wall.In(zone), nil
	}
	return rules.Instant{}, fmt.Errorf("%q is no date: write 2026-11-25, 2026-11-25T17:30 on the store's clock, or 2026-11-25T17:30:00+01:00", text)
}
