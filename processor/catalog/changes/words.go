package changes

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

func (d differ) programme(old, now *offer.Programme, at rules.Instant) []Section {
	if old == nil && now == nil {
		return nil
	}
	a, b := orZero(old), orZero(now)
	var s says
	if old != nil && now != nil {
		s.instead("name", a.Name, b.Name)
		s.instead("currency", a.Currency.String(), b.Currency.String())
		s.instead("zone, whose days and months count", zoneText(a), zoneText(b))
		s.instead("rounding", a.Rounding.String(), b.Rounding.String())
		s.instead("members", enrolmentText(a), enrolmentText(b))
		s.instead("purchases are too late", lateText(a), lateText(b))
		s.instead("refunds that name no purchase", unlinkedText(a), unlinkedText(b))
		s.instead("letters of what cardholders read", lettersText(a), lettersText(b))
		s.holdout(a.ID, a.Holdout, b.Holdout)
		s.instead("a purchase earns at most", money.FormatPercent(a.CeilingMillionths)+" of itself", money.FormatPercent(b.CeilingMillionths)+" of itself")
		s.instead("points", pointsText(a), pointsText(b))
		s.instead("what is earned is paid", payoutText(a), payoutText(b))
		s.billing(&a.Billing, &b.Billing)
		if !slices.Equal(a.CardTokenRanges, b.CardTokenRanges) {
			s.say("other card tokens are allowed: %s instead of %s", rangesText(b), rangesText(a))
		}
	}
	sections := sectionOf("", changeOf(old, now), s)
	return append(sections, d.offers(offersSide{a.Offers, a, nil}, offersSide{b.Offers, b, nil})...)
}

// sectionOf is a section, where there is anything to say.
func sectionOf(about, change string, s says) []Section {
	if change == changes && len(s) == 0 {
		return nil
	}
	return []Section{{About: about, Change: change, Says: append([]string{}, s...)}}
}

func zoneText(p *offer.Programme) string {
	if p.Zone == nil {
		return ""
	}
	return p.Zone.String()
}

func enrolmentText(p *offer.Programme) string {
	switch {
	case p.Enrolment == offer.EnrolmentAutomatic:
		return "every account is one, with all its cards"
	case p.AllCards:
		return "they enrol, and earn with all their cards"
	}
	return "they enrol, and earn with linked cards"
}

func lateText(p *offer.Programme) string {
	return "after " + offer.Counted(p.HorizonDays, "day")
}

func unlinkedText(p *offer.Programme) string {
	if p.UnlinkedRefundDays == 0 {
		return "they wait for theirs"
	}
	return "they are matched to one of the " + offer.Counted(p.UnlinkedRefundDays, "day") + " before"
}

func pointsText(p *offer.Programme) string {
	if p.Points.Code == "" {
		return ""
	}
	text := p.Points.Code
	if p.Points.Decimals > 0 {
		text += " with " + offer.Counted(p.Points.Decimals, "decimal")
	}
	if p.Points.ValueMillionths == 0 {
		text += ", of no stated value"
	} else {
		exponent, _ := p.Currency.Exponent()
		value := decimal.New(p.Points.ValueMillionths, -int32(exponent)-6)
		text += fmt.Sprintf(", each worth %s %s", value, p.Currency)
	}
	if p.Points.ExpiresAfterDays > 0 {
		text += ", lost after " + offer.Counted(p.Points.ExpiresAfterDays, "day")
	}
	return text
}

func rangesText(p *offer.Programme) string {
	var texts []string
	for _, r := range p.CardTokenRanges {
		texts = append(texts, fmt.Sprintf("%s... of %d digits", r.Prefix, r.Length))
	}
	return orWord(strings.Join(texts, ", "), "none")
}

func orWord(text, word string) string {
	if text == "" {
		return word
	}
	return text
}

func (d differ) partner(old, now *offer.Partner, at rules.Instant) []Section {
	if old == nil && now == nil {
		return nil
	}
	a, b := orZero(old), orZero(now)
	before, after := d.programmeAt(d.before, a.Programme, at), d.programmeAt(d.after, b.Programme, at)
	var s says
	oldTerms, newTerms := termsText(old), termsText(now)
	if old != nil && now != nil {
		s.instead("name", a.Name, b.Name)
		s.instead("programme", a.Programme, b.Programme)
		s.billed(&a.Billing, &b.Billing)
	}
	if now != nil {
		switch {
		case old == nil:
			s.say("the partner owes %s", newTerms)
		case oldTerms != newTerms:
			s.say("the partner owes%s %s instead of %s", direction(a.Commission.RateMillionths, b.Commission.RateMillionths, plainShare(a) && plainShare(b) && a.MonthlyFeeMinor == b.MonthlyFeeMinor), newTerms, oldTerms)
		}
	}
	sections := sectionOf("", changeOf(old, now), s)
	if now == nil { // all of it ends with it, its stores too
		return append(sections, d.offers(offersSide{a.Offers, before, old}, offersSide{})...)
	}
	sections = append(sections, d.offers(offersSide{a.Offers, before, old}, offersSide{b.Offers, after, now})...)
	each(a.Stores, b.Stores, func(s *offer.Store) string { return s.ID }, func(id string, old, now *offer.Store) {
		sections = append(sections, storeSection(id, old, now)...)
	})
	return sections
}

func termsText(p *offer.Partner) string {
	if p == nil {
		return ""
	}
	w := offer.Wording{Currency: p.Currency}
	switch {
	case p.MonthlyFeeMinor == 0:
		return w.Commission(&p.Commission)
	case p.Commission.None():
		return w.Money(p.MonthlyFeeMinor) + " a month"
	}
	return w.Commission(&p.Commission) + " and " + w.Money(p.MonthlyFeeMinor) + " a month"
}

func plainShare(p *offer.Partner) bool {
	return p.Commission.Form == offer.ShareCommission && p.Commission.FixedMinor == 0
}

// direction says whether one number is more than another, where they can be
// compared.
func direction(old, now int64, comparable bool) string {
	switch {
	case !comparable || old == now:
		return ""
	case now > old:
		return " more:"
	}
	return " less:"
}

func storeSection(id string, old, now *offer.Store) []Section {
	a, b := orZero(old), orZero(now)
	var s says
	if old != nil && now != nil {
		s.instead("name", a.Name, b.Name)
		s.instead("zone", a.Zone.String(), b.Zone.String())
	}
	if now != nil {
		s.list("card messages name it by", keyTexts(a), keyTexts(b))
	}
	return sectionOf("store "+id, changeOf(old, now), s)
}

func keyTexts(store *offer.Store) []string {
	var texts []string
	for i := range store.Keys {
		k := &store.Keys[i]
		var parts []string
		for _, part := range [...]struct{ name, value string }{
			{"network", k.Network},
			{"network merchant id", k.NetworkMerchantID},
			{"MID", k.MID},
			{"acquirer", k.AcquirerID},
			{"sub-merchant", k.SubMerchantID},
			{"terminal", k.TerminalID},
		} {
			if part.value != "" {
				parts = append(parts, part.name+" "+part.value)
			}
		}
		text := strings.Join(parts, " ")
		if k.From != rules.MinInstant {
			text += " from " + k.From.Time().In(store.Zone).Format("2006-01-02")
		}
		if k.Until != rules.MaxInstant {
			text += " until " + k.Until.Time().In(store.Zone).Format("2006-01-02")
		}
		texts = append(texts, text)
	}
	return texts
}

// offersSide is the offers of one of the two catalogues, with what they are in.
type offersSide struct {
	offers    []offer.Offer
	programme *offer.Programme
	partner   *offer.Partner // nil: the programme's own
}

func (d differ) offers(before, after offersSide) []Section {
	var sections []Section
	each(before.offers, after.offers, func(o *offer.Offer) string { return o.ID }, func(id string, old, now *offer.Offer) {
		var s says
		switch {
		case old == nil:
			s = after.describe(now)
		case now != nil:
			s = compareOffers(before, after, old, now)
		default:
			s.say("members no longer get %s", before.wording(old).Reward(&old.Reward))
		}
		sections = append(sections, sectionOf("offer "+id, changeOf(old, now), s)...)
	})
	return sections
}

func (side offersSide) wording(o *offer.Offer) offer.Wording {
	return offer.WordingOf(o, side.programme.Points)
}

// describe says all that a new offer is.
func (side offersSide) describe(o *offer.Offer) says {
	var s says
	w := side.wording(o)
	s.say("members get %s", w.Reward(&o.Reward))
	if text := offer.Window(o.From, o.Until); text != "" {
		s.say("it holds %s", text)
	}
	for _, c := range w.Conditions(&o.Conditions) {
		s.say("it asks: %s", c.Text)
	}
	s.holdout(side.holdoutID(o), offer.Holdout{}, o.Holdout)
	if o.NotOfProgrammes {
		s.say("the programme's holdout doesn't reach it")
	}
	if o.ActivationShared {
		s.say("members activate it: %s", activationText(o))
	}
	if len(o.Stores) > 0 {
		s.say("at store %s alone", strings.Join(o.Stores, ", "))
	}
	for i := range o.Boosts {
		s.say("boost %s: %s", o.Boosts[i].ID, w.Boost(&o.Boosts[i]))
	}
	for i := range o.Caps {
		s.say("a member gets %s", w.Cap(&o.Caps[i]))
	}
	for i := range o.Budgets {
		s.say("it gives %s", w.Budget(&o.Budgets[i]))
	}
	if !o.Sponsor.None() {
		s.say("a sponsor gets %s", w.Sponsor(&o.Sponsor))
	}
	if !o.Commission.None() {
		s.say("the partner owes %s more where it is given", w.Commission(&o.Commission))
	}
	if margin, known := side.margin(o); known {
		s.say("the programme's margin is %s of the purchase", money.FormatPercent(margin))
	}
	return s
}

// margin is what the programme keeps of a purchase, in millionths of it, where
// both the commission and the reward are a share of it. Boosts are not in it.
func (side offersSide) margin(o *offer.Offer) (millionths int64, known bool) {
	if o.Reward.Form != offer.RateReward || o.Reward.Kind == rules.Points {
		return 0, false
	}
	margin := -o.Reward.RateMillionths
	if p := side.partner; p != nil {
		own := &o.Commission
		if !plainShare(p) || own.Form != offer.ShareCommission || own.FixedMinor != 0 || p.Currency != o.Currency {
			return 0, false
		}
		margin += p.Commission.RateMillionths + own.RateMillionths
	}
	if o.FundedBy == offer.FundedByCommission {
		margin = max(0, margin) // the reward is cut to the commission
	}
	return margin, true
}

func compareOffers(before, after offersSide, old, now *offer.Offer) says {
	var s says
	v, w := before.wording(old), after.wording(now)
	s.instead("name", old.Name, now.Name)
	if a, b := v.Reward(&old.Reward), w.Reward(&now.Reward); a != b {
		plain := old.Reward.Form == now.Reward.Form && old.Reward.Form == offer.RateReward && old.Reward.Kind == now.Reward.Kind
		s.say("members get%s %s instead of %s", direction(old.Reward.RateMillionths, now.Reward.RateMillionths, plain), b, a)
	}
	s.instead("it holds", orWord(offer.Window(old.From, old.Until), "always"), orWord(offer.Window(now.From, now.Until), "always"))
	s.instead("where", storesText(old), storesText(now))
	s.conditions(v.Conditions(&old.Conditions), w.Conditions(&now.Conditions))
	if old.Audience.Activated && now.Audience.Activated {
		s.instead("members activate it", activationText(old), activationText(now))
	}
	s.holdout(after.holdoutID(now), old.Holdout, now.Holdout)
	s.instead("the programme's holdout", reachText(old), reachText(now))
	s.boosts(v, w, old.Boosts, now.Boosts)
	s.caps("a member gets", v, w, old.Caps, now.Caps)
	s.budgets(v, w, old.Budgets, now.Budgets)
	s.instead("a sponsor gets", sponsorText(v, old), sponsorText(w, now))
	s.instead("the partner owes, beside its terms", ownCommission(v, old), ownCommission(w, now))
	s.instead("paid by", payerText(old), payerText(now))
	s.instead("group, of which the best is given", old.Group, now.Group)
	if old.Priority != now.Priority {
		s.say("priority: %d instead of %d", now.Priority, old.Priority)
	}
	if old.Currency != now.Currency {
		s.say("it counts in %s instead of %s", now.Currency, old.Currency)
	}
	a, knownBefore := before.margin(old)
	b, knownAfter := after.margin(now)
	if knownBefore && knownAfter && a != b {
		verb := "falls"
		if b > a {
			verb = "rises"
		}
		s.say("the programme's margin %s from %s to %s of the purchase", verb, money.FormatPercent(a), money.FormatPercent(b))
	}
	return s
}

func storesText(o *offer.Offer) string {
	if len(o.Stores) == 0 {
		return "at all stores"
	}
	return "at " + strings.Join(o.Stores, ", ")
}

func sponsorText(w offer.Wording, o *offer.Offer) string {
	if o.Sponsor.None() {
		return ""
	}
	return w.Sponsor(&o.Sponsor)
}

func ownCommission(w offer.Wording, o *offer.Offer) string {
	if o.Commission.None() {
		return ""
	}
	return w.Commission(&o.Commission)
}

func payerText(o *offer.Offer) string {
	if o.FundedBy == offer.FundedByProgramme {
		return "the programme"
	}
	return "the partner's commission"
}

func lettersText(p *offer.Programme) string {
	if p.SEPAStatements {
		return "those that every bank of SEPA takes"
	}
	return "any"
}

func activationText(o *offer.Offer) string {
	if o.ActivationShared {
		return "with each offer of this id, by the id alone"
	}
	return "by itself"
}

func reachText(o *offer.Offer) string {
	if o.NotOfProgrammes {
		return "doesn't reach it"
	}
	return "reaches it"
}

func (side offersSide) holdoutID(o *offer.Offer) string {
	partnerID := ""
	if side.partner != nil {
		partnerID = side.partner.ID
	}
	return offer.HoldoutID(partnerID, o.ID)
}

// holdout says what a change of percent or salt does to who is held out. Draws
// under one salt stay: a higher percent adds accounts, a lower one lets some go.
func (s *says) holdout(id string, old, now offer.Holdout) {
	if old.Salt == "" {
		old.Salt = id
	}
	if now.Salt == "" {
		now.Salt = id
	}
	a, b := money.FormatPercent(old.Millionths), money.FormatPercent(now.Millionths)
	salted := func(h offer.Holdout) string {
		return fmt.Sprintf("%s of all accounts, drawn under the salt %q", money.FormatPercent(h.Millionths), h.Salt)
	}
	switch more := now.Millionths - old.Millionths; {
	case old.Millionths == 0 && now.Millionths == 0:
	case old.Millionths == 0:
		s.say("held out are %s (new)", salted(now))
	case now.Millionths == 0:
		s.say("nobody is held out any longer: it was %s", salted(old))
	case old.Salt != now.Salt:
		// Of those who were held out, the share now drawn stays so by chance.
		s.say("others are held out: %s, instead of %s; of those held out before %s stay so, by chance", salted(now), salted(old), b)
	case more > 0:
		s.say("more are held out: %s of all accounts instead of %s; who was stays so, and %s of all accounts come to them", b, a, money.FormatPercent(more))
	case more < 0:
		s.say("fewer are held out: %s of all accounts instead of %s; %s of all accounts are let in, the others stay held out", b, a, money.FormatPercent(-more))
	}
}

func (s *says) conditions(old, now []offer.ConditionText) {
	each(old, now, func(c *offer.ConditionText) string { return c.Code }, func(_ string, a, b *offer.ConditionText) {
		switch {
		case a == nil:
			s.say("it asks more: %s", b.Text)
		case b == nil:
			s.say("it asks no longer: %s", a.Text)
		default:
			s.instead("it asks", a.Text, b.Text)
		}
	})
}

func (s *says) boosts(v, w offer.Wording, old, now []offer.Boost) {
	each(old, now, func(b *offer.Boost) string { return b.ID }, func(id string, a, b *offer.Boost) {
		switch {
		case a == nil:
			s.say("boost %s begins: %s", id, w.Boost(b))
		case b == nil:
			s.say("boost %s ends: %s no longer", id, v.Boost(a))
		default:
			s.instead("boost "+id, v.Boost(a), w.Boost(b))
		}
	})
}

// caps compares limits of one period and kind.
func (s *says) caps(who string, v, w offer.Wording, old, now []offer.Cap) {
	period := func(c *offer.Cap) string { return fmt.Sprintf("%02d %04d %t", c.Per, c.Days, c.Count > 0) }
	each(old, now, period, func(_ string, a, b *offer.Cap) {
		switch {
		case a == nil:
			s.say("%s %s (a new limit)", who, w.Cap(b))
		case b == nil:
			s.say("no longer limited: %s %s", who, v.Cap(a))
		case *a != *b || v.Cap(a) != w.Cap(b):
			s.say("%s%s %s instead of %s", who, direction(a.AmountMinor+a.Count, b.AmountMinor+b.Count, v == w), w.Cap(b), v.Cap(a))
		}
	})
}

func (s *says) budgets(v, w offer.Wording, old, now []offer.Budget) {
	kind := func(b *offer.Budget) string { return fmt.Sprint(b.PerStoreAndDay) }
	each(old, now, kind, func(_ string, a, b *offer.Budget) {
		switch {
		case a == nil:
			s.say("it gives %s (a new budget)", w.Budget(b))
		case b == nil:
			s.say("no longer bounded: it gave %s", v.Budget(a))
		default:
			s.instead("it gives", v.Budget(a), w.Budget(b))
		}
	})
}

func (d differ) campaign(old, now *offer.Campaign, at rules.Instant) []Section {
	if old == nil && now == nil {
		return nil
	}
	if now == nil {
		return sectionOf("", ends, says{"its boosts are given no longer; what was earned by it stays"})
	}
	a := orZero(old)
	v, w := campaignWording(d.programmeAt(d.before, a.Programme, at), a), campaignWording(d.programmeAt(d.after, now.Programme, at), now)
	var s says
	if old != nil {
		s.instead("name", a.Name, now.Name)
	}
	s.instead("it holds", campaignTimes(old), campaignTimes(now))
	s.instead("for", a.Audience.String(), now.Audience.String())
	s.instead("budget", campaignBudget(v, a), campaignBudget(w, now))
	s.holdout(now.ID, a.Holdout, now.Holdout)
	each(a.Boosts, now.Boosts, func(b *offer.CampaignBoost) string { return b.ID }, func(id string, x, y *offer.CampaignBoost) {
		s.instead("boost "+id, campaignBoost(v, x), campaignBoost(w, y))
	})
	if len(s) == 0 && old != nil && !reflect.DeepEqual(a.Boosts, now.Boosts) {
		s.say("its boosts are in another order")
	}
	return sectionOf("", changeOf(old, now), s)
}

func campaignWording(p *offer.Programme, c *offer.Campaign) offer.Wording {
	w := offer.Wording{Currency: p.Currency, Unit: p.Currency.String(), Decimals: p.Points.Decimals}
	if c.Unit != "" {
		w.Unit = c.Unit
	}
	for i := range c.Boosts {
		if c.Boosts[i].OfPoints {
			w.Unit = p.Points.Code
		}
	}
	return w
}

func campaignTimes(c *offer.Campaign) string {
	if c == nil {
		return ""
	}
	text := strings.TrimSpace(offer.Window(c.From, c.Until) + " " + c.When.String())
	return orWord(text, "always")
}

func campaignBudget(w offer.Wording, c *offer.Campaign) string {
	if c.Budget.AmountMinor == 0 {
		return ""
	}
	return w.Budget(&c.Budget)
}

func campaignBoost(w offer.Wording, b *offer.CampaignBoost) string {
	if b == nil {
		return ""
	}
	offers := "every offer"
	if len(b.Offers) > 0 {
		var names []string
		for _, ref := range b.Offers {
			if ref.Offer == "" {
				ref.Offer = "*"
			}
			names = append(names, ref.String())
		}
		offers = strings.Join(names, ", ")
	}
	return w.Boost(&b.Boost) + ", on " + offers
}

// payoutText says when what is earned is paid, what is held, and what becomes of
// a debt.
func payoutText(p *offer.Programme) string {
	o := &p.Payout
	amount := func(minor int64) string { return money.FormatMinor(minor, p.Currency) }
	said := []string{o.Cycle.String()}
	if o.HoldDays > 0 {
		said = append(said, "held for "+offer.Counted(o.HoldDays, "day"))
	}
	if o.FromMinor > 0 {
		said = append(said, "from "+amount(o.FromMinor)+" on")
	}
	switch after, debits := o.Debits(); {
	case debits && after > 0:
		said = append(said, "debts are debited after "+offer.Counted(after, "day"))
	case debits:
		said = append(said, "debts are debited")
	default:
		said = append(said, "debts are netted")
	}
	if o.WriteOff.UpToMinor > 0 {
		said = append(said, fmt.Sprintf("debts of up to %s are given up after %s", amount(o.WriteOff.UpToMinor), offer.Counted(o.WriteOff.AfterDays, "day")))
	}
	said = append(said, offer.Counted(o.AttemptsAllowed(), "attempt"))
	if o.FourEyes {
		said = append(said, "adjustments over "+amount(o.FourEyesOverMinor)+" need a second person")
	}
	if o.Shadow {
		said = append(said, "as a shadow: nothing leaves the house")
	}
	if o.PayFrom != (rules.Instant{}) {
		said = append(said, "but for what is before "+shortened(onClock(o.PayFrom, p.Zone)))
	}
	return strings.Join(said, ", ")
}
