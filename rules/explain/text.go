package explain

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"github.com/shopspring/decimal"

	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// Text tells the explanation in words, for a terminal: what came of the purchase
// first, then why.
func (x *Explanation) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Purchase %s of account %s %s.\n", x.TransactionID, x.AccountID, x.verdict())
	switch x.Outcome {
	case "unknown":
		b.WriteString("  Nothing is kept of it: it was at no partner's store, declined, too late, or before the account's enrolment.\n")
		return b.String()
	case "waiting":
		b.WriteString("  No event that opens the purchase, at a store or for an offer of the programme's own, has come yet.\n")
	}
	x.Purchase.text(&b)
	x.Member.text(&b)
	if len(x.Events) > 0 {
		b.WriteString("\nWhat the bank told\n")
	}
	for i := range x.Events {
		x.Events[i].text(&b)
	}
	x.worldsText(&b)
	if len(x.Booked) > 0 {
		b.WriteString("\nBooked\n")
	}
	for i := range x.Booked {
		x.Booked[i].text(&b)
	}
	for i := range x.Referrals {
		x.Referrals[i].text(&b)
	}
	return b.String()
}

func (r *ExplainedReferral) text(b *strings.Builder) {
	from := "the programme's own"
	if r.PartnerID != "" {
		from = "of " + r.PartnerID
	}
	fmt.Fprintf(b, "  Account %s, whom this one referred, bought at %s. Offer %s, %s (version %s), gives its sponsor %s",
		r.BuyerAccountID, r.PurchasedAt, r.OfferID, from, r.OfferVersion, inUnit(r.ConfirmedMinor, r.Currency))
	if r.ExpectedMinor != r.ConfirmedMinor {
		fmt.Fprintf(b, ", and %s once it is cleared", inUnit(r.ExpectedMinor, r.Currency))
	}
	if len(r.Caps) > 0 {
		fmt.Fprintf(b, ", within their caps (%s)", offer.Joined(r.Caps, "and"))
	}
	b.WriteString(".\n")
	if len(r.Booked) == 0 {
		b.WriteString("  Nothing of it is booked: the account is no member of that programme then, or its caps are full.\n")
		return
	}
	b.WriteString("\nBooked to the sponsor\n")
	for i := range r.Booked {
		r.Booked[i].text(b)
	}
}

// verdict is what came of the purchase: "earns 2.00 EUR".
func (x *Explanation) verdict() string {
	switch x.Outcome {
	case "unknown":
		return "is unknown"
	case "waiting":
		return "is waiting"
	case "referral":
		return "was made by another"
	}
	confirmed, expected := x.Confirmed.Awards(), x.Expected.Awards()
	switch {
	case confirmed == "" && expected == "":
		return "earns nothing" + because(x.Why)
	case confirmed == expected:
		return "earns " + confirmed
	case confirmed == "":
		return "will earn " + expected + " once it is cleared; nothing is confirmed yet"
	}
	return "earns " + confirmed + "; expected are " + orNothing(expected)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// Awards is all that the member gets in the world: "2.00 EUR and 20 MILES"; empty:
// nothing.
func (w *ExplainedWorld) Awards() string {
	if w == nil {
		return ""
	}
	type unit struct {
		name     string
		decimals int
	}
	var order []unit
	sums := map[unit]int64{}
	for i := range w.Offers {
		o := &w.Offers[i]
		u := unit{o.Unit, o.UnitDecimals}
		if o.AwardMinor == 0 {
			continue
		}
		if sums[u] == 0 {
			order = append(order, u)
		}
		sums[u] += o.AwardMinor
	}
	var texts []string
	for _, u := range order {
		texts = append(texts, offer.FormatUnits(sums[u], u.name, u.decimals))
	}
	return offer.Joined(texts, "and")
}

func (p *ExplainedMatch) text(b *strings.Builder) {
	if p == nil {
		return
	}
	fmt.Fprintf(b, "  Made on %s", p.LocalTime)
	if p.PartnerID == "" {
		b.WriteString(" at no partner's store")
	} else {
		fmt.Fprintf(b, " at store %s of %s", p.StoreID, p.PartnerID)
	}
	fmt.Fprintf(b, ", as event %s says.\n", p.GivenBy)
	switch {
	case p.Programme == "":
		b.WriteString("  The member is in no programme then.\n")
	case p.PartnerVersion == "":
		fmt.Fprintf(b, "  The terms of then count: programme %s %s.\n", p.Programme, p.ProgrammeVersion)
	default:
		fmt.Fprintf(b, "  The terms of then count: partner %s %s, programme %s %s.\n", p.PartnerID, p.PartnerVersion, p.Programme, p.ProgrammeVersion)
	}
}

func (m *ExplainedMember) text(b *strings.Builder) {
	if m == nil {
		return
	}
	switch {
	case m.Left:
		fmt.Fprintf(b, "  Member %s has left the programme.\n", orNone(m.MemberID))
		return
	case !m.Enrolled && m.CardNeeded:
		b.WriteString("  The account is not enrolled then.\n")
		return
	case !m.Enrolled:
		fmt.Fprintf(b, "  The account was not enrolled by name; level %s.\n", orNone(m.Level))
		return
	case m.ProgrammeUnknown:
		fmt.Fprintf(b, "  Member %s, enrolled in programme %q since %s, which the catalogue doesn't know or which is not in force then: nothing earns in it. Publish it, or enrol the account in one that is known.\n",
			m.MemberID, m.Programme, m.EnrolledAt)
		return
	}
	card := "the card is linked"
	if !m.CardLinked {
		card = "the card is not linked"
	}
	fmt.Fprintf(b, "  Member %s, enrolled in %s since %s; level %s; %s.\n", m.MemberID, m.Programme, m.EnrolledAt, orNone(m.Level), card)
}

func (e *ExplainedEvent) text(b *strings.Builder) {
	fmt.Fprintf(b, "  %s  %s %s: %s", e.OccurredAt, e.Type, e.EventID, inUnit(e.AmountMinor, e.Currency))
	if e.BillingCurrency != "" {
		fmt.Fprintf(b, " (%s)", inUnit(e.BillingAmountMinor, e.BillingCurrency))
	}
	fmt.Fprintf(b, ", %s", e.Part)
	if e.Note != "" {
		fmt.Fprintf(b, " (%s)", e.Note)
	}
	if e.GivesPurchaseTime {
		b.WriteString(", gives time, store and card")
	}
	b.WriteByte('\n')
	e.Unlinked.text(b, e.Currency)
}

// worldsText tells both worlds, once where they are the same.
func (x *Explanation) worldsText(b *strings.Builder) {
	switch {
	case x.Confirmed == nil:
	case reflect.DeepEqual(x.Confirmed, x.Expected):
		x.Confirmed.text(b, "Cleared", x.rounding())
	default:
		if x.Confirmed.isEmpty() {
			b.WriteString("\nConfirmed: nothing, since nothing is cleared.\n")
		} else {
			x.Confirmed.text(b, "Confirmed (what is cleared)", x.rounding())
		}
		x.Expected.text(b, "Expected (once all is cleared)", x.rounding())
	}
}

func (x *Explanation) rounding() string {
	if x.Purchase == nil {
		return ""
	}
	return x.Purchase.Rounding
}

func (w *ExplainedWorld) isEmpty() bool {
	for _, s := range w.Bases {
		if s.BasisMinor > 0 || !s.Stated {
			return false
		}
	}
	return true
}

func (w *ExplainedWorld) text(b *strings.Builder, title, rounding string) {
	fmt.Fprintf(b, "\n%s", title)
	for i, s := range w.Bases {
		fmt.Fprintf(b, "%s %s", [...]string{":", ","}[min(i, 1)], inUnit(s.BasisMinor, s.Currency))
		if s.HeldMinor > 0 {
			fmt.Fprintf(b, " (held at 0: %s more was given back than paid)", inUnit(s.HeldMinor, s.Currency))
		}
		if !s.Stated {
			b.WriteString(" (not every amount is stated in this currency)")
		}
	}
	b.WriteByte('\n')
	for i := range w.Offers {
		o := &w.Offers[i]
		b.WriteString(indent(o.text(rounding, o.Applies), "  "))
	}
	b.WriteString(indent(w.MoneyText(), "  "))
}

// MoneyText tells what the partner owes, and what the programme keeps.
func (w *ExplainedWorld) MoneyText() string {
	var b strings.Builder
	if c := &w.Commission; c.Currency != "" {
		fmt.Fprintf(&b, "The partner owes %s", inUnit(c.Minor, c.Currency))
		c.text(&b)
	}
	for i := range w.OfferCommissions {
		c := &w.OfferCommissions[i]
		fmt.Fprintf(&b, "For offer %s it owes %s more", c.OfferID, inUnit(c.Minor, c.Currency))
		c.text(&b)
	}
	for _, m := range w.Margins {
		cost := "rewards of " + inUnit(m.CostMinor, m.Currency)
		if m.SponsorMinor > 0 {
			cost += " and the sponsor's " + inUnit(m.SponsorMinor, m.Currency)
		}
		if m.MarginMinor < 0 {
			fmt.Fprintf(&b, "The programme pays %s: %s, of which the commission covers %s.\n",
				inUnit(-m.MarginMinor, m.Currency), cost, inUnit(m.CommissionMinor, m.Currency))
			continue
		}
		fmt.Fprintf(&b, "The programme keeps %s: commission of %s less %s.\n",
			inUnit(m.MarginMinor, m.Currency), inUnit(m.CommissionMinor, m.Currency), cost)
	}
	return b.String()
}

func (c *ExplainedCommission) text(b *strings.Builder) {
	switch {
	case c.Owed:
		fmt.Fprintf(b, ": %s.\n", c.Terms)
	case len(c.Why) > 0:
		fmt.Fprintf(b, "%s.\n", because(c.Why))
	case c.Terms == offer.Wording{}.Commission(&offer.Commission{}):
		b.WriteString(": its terms ask nothing per sale.\n")
	default:
		b.WriteString(": no offer of its own has an award here.\n")
	}
}

// Text tells one offer step by step. rounding is the programme's.
func (o *ExplainedOffer) Text(rounding string) string { return o.text(rounding, true) }

// text tells all of an offer, or of one that doesn't apply only why.
func (o *ExplainedOffer) text(rounding string, whole bool) string {
	var b strings.Builder
	from := "the programme's own"
	if o.PartnerID != "" {
		from = "of " + o.PartnerID
	}
	fmt.Fprintf(&b, "Offer %s, %s (version %s): %s\n", o.OfferID, from, o.OfferVersion, o.verdict())
	t := &rows{b: &b}
	if whole {
		t.add("gives", "%s", o.Reward)
	}
	o.conditionRows(t, whole)
	if o.Applies {
		o.rateRows(t, rounding)
	}
	if whole {
		o.limitRows(t)
	}
	if o.Sponsor != nil && whole {
		t.add("sponsor", "%s", o.sponsorText())
	}
	return b.String()
}

// Headline tells in one line what the offer gives.
func (o *ExplainedOffer) Headline() string {
	id := o.OfferID
	if o.PartnerID != "" {
		id = o.PartnerID + "/" + id
	}
	return "offer " + id + ": " + o.verdict()
}

// Limits says what keeps the award from being more; empty: nothing does.
func (o *ExplainedOffer) Limits() []string {
	limits := []string{}
	for _, c := range o.Conditions {
		if !c.Holds && !c.Skipped {
			limits = append(limits, "it asks: "+c.Asks+"; but "+c.Found)
		}
	}
	for _, c := range o.Caps {
		if c.Count > 0 && c.UsedMinor >= c.Count {
			limits = append(limits, c.Text+": all are used")
		}
	}
	if !o.Applies {
		return limits
	}
	if o.PurchaseCap > 0 && o.RoundedMinor > o.PurchaseCap {
		limits = append(limits, "at most "+o.units(o.PurchaseCap)+" per purchase")
	}
	for _, c := range o.Caps {
		if left := max(0, c.Minor-c.UsedMinor); c.Count == 0 && o.RoundedMinor > left {
			limits = append(limits, c.Text+": "+o.units(left)+" were left")
		}
	}
	for _, g := range o.Budgets {
		if g.GivenMinor < g.AskedMinor {
			limits = append(limits, g.Text+": it gave "+o.units(g.GivenMinor)+" of "+o.units(g.AskedMinor))
		}
	}
	return append(limits, o.lateLimits()...)
}

// lateLimits are those of the other offers beside it, and of boosts.
func (o *ExplainedOffer) lateLimits() []string {
	var limits []string
	switch {
	case o.LostTo != "":
		limits = append(limits, "offer "+o.LostTo+" of the same group is worth more, and only the best is given")
	case o.CeilingMinor < o.CappedMinor:
		limits = append(limits, "all awards together stay within the programme's share of the purchase")
	case o.MarginMinor < o.CeilingMinor:
		limits = append(limits, "what the commission pays stays within the commission; the programme may pay more (funded_by: programme)")
	case o.AwardMinor < o.MarginMinor:
		limits = append(limits, "its budgets were asked for no more")
	}
	for _, r := range o.Raises {
		if !r.InForce {
			limits = append(limits, boostTitle(&r)+" ("+r.Does+") is not in force, "+notInForce(r.Why))
		}
	}
	return limits
}

// notInForce says why a boost isn't.
func notInForce(why []string) string {
	texts := map[string]string{
		reason.Window.Names()[0]: "it was not on those dates", reason.Hours.Names()[0]: "it was not at that time",
		reason.Level.Names()[0]: "the member's level is another", reason.Segment.Names()[0]: "the member is not of that segment",
		reason.CardProduct.Names()[0]: "it was paid with another card", reason.Enrolled.Names()[0]: "the member enrolled at another time",
		reason.Holdout.Names()[0]: "the account is held out of it",
	}
	var all []string
	for _, code := range why {
		all = append(all, texts[code])
	}
	return offer.Joined(all, "and")
}

func boostTitle(r *ExplainedBoost) string {
	if r.Campaign != "" {
		return "campaign " + r.Campaign + ", boost " + r.ID
	}
	return "boost " + r.ID
}

func (o *ExplainedOffer) verdict() string {
	switch {
	case !o.Applies:
		return "does not apply" + because(o.Why)
	case o.Form == offer.RewardFormNames[0]:
		return "applies, for the sponsor alone" + because(o.Why)
	case o.AwardMinor == 0:
		return "the member gets nothing" + because(o.Why)
	}
	return "the member gets " + o.units(o.AwardMinor) + because(o.Why)
}

// rows are lines with a label before the first of each kind.
type rows struct {
	b    *strings.Builder
	last string
}

func (r *rows) add(label, format string, args ...any) {
	shown := label
	if label == r.last {
		shown = ""
	}
	r.last = label
	fmt.Fprintf(r.b, "  %-9s %s\n", shown, fmt.Sprintf(format, args...))
}

func (o *ExplainedOffer) conditionRows(t *rows, whole bool) {
	for _, c := range o.Conditions {
		mark := "holds"
		switch {
		case c.Skipped:
			mark = "not looked at"
		case !c.Holds:
			mark = "DOES NOT HOLD"
		}
		if whole || !c.Holds {
			t.add("asks", "%s: %s, %s", c.Asks, mark, c.Found)
		}
	}
}

func (o *ExplainedOffer) rateRows(t *rows, rounding string) {
	for _, r := range o.Raises {
		state := "counts"
		switch {
		case !r.InForce:
			state = "not in force, " + notInForce(r.Why)
		case !r.Counts:
			state = "in force, but it adds nothing to what counts"
		}
		t.add("boosts", "%s (%s): %s", boostTitle(&r), r.Does, state)
	}
	switch {
	case o.BoostedRate != "" && o.Raised != "":
		t.add("rate", "%s, %s: %s", o.Rate, o.Raised, o.BoostedRate)
	case o.Raised != "":
		t.add("raised", "%s", o.Raised)
	}
	for _, l := range o.Lines {
		t.add("counts", "%s of %s (%s) = %s", l.Rate, inUnit(l.BasisMinor, o.Currency), l.Of, o.exact(l.Exact))
	}
	once := o.RoundedMinor / max(1, o.Times)
	switch {
	case o.Exact == "" && o.RoundedMinor == 0:
		return
	case o.Exact == "":
		t.add("is worth", "%s, rounded once%s", o.units(o.RoundedMinor), inBrackets(rounding))
	case o.Rate != "":
		of := "of"
		if _, isMoney := money.ParseCurrency(o.Unit); !isMoney {
			of = "on"
		}
		t.add("is worth", "%s %s %s = %s, rounded%s to %s", cmp.Or(o.BoostedRate, o.Rate), of, inUnit(o.BasisMinor, o.Currency), o.exact(o.Exact), inBrackets(rounding), o.units(once))
	default:
		t.add("is worth", "%s on %s, rounded%s to %s", o.exact(o.Exact), inUnit(o.BasisMinor, o.Currency), inBrackets(rounding), o.units(once))
	}
	if o.Times > 1 {
		t.add("given", "%s, as often as the goal is reached with it: %s", offer.Counted(o.Times, "time"), o.units(o.RoundedMinor))
	}
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func (o *ExplainedOffer) limitRows(t *rows) {
	if o.PurchaseCap > 0 {
		t.add("capped", "at most %s per purchase: %s", o.units(o.PurchaseCap), reached(o.RoundedMinor > o.PurchaseCap))
	}
	for _, c := range o.Caps {
		if c.Count > 0 {
			t.add("capped", "%s: %d used before, %d left", c.Text, c.UsedMinor, max(0, c.Count-c.UsedMinor))
			continue
		}
		t.add("capped", "%s: %s used before, %s left", c.Text, o.units(c.UsedMinor), o.units(max(0, c.Minor-c.UsedMinor)))
	}
	if !o.Applies {
		return
	}
	for _, g := range o.Budgets {
		if g.AskedMinor == 0 {
			continue // the caps left no room for what it would pay
		}
		t.add("budget", "%s: asked for %s, gave %s", g.Text, o.units(g.AskedMinor), o.units(g.GivenMinor))
	}
	if o.CappedMinor != o.RoundedMinor {
		t.add("leaves", "%s", o.units(o.CappedMinor))
	}
	switch {
	case o.LostTo != "":
		t.add("group", "%s: offer %s is worth more, and only the best of a group is given", o.Group, o.LostTo)
	case o.WonGroup:
		t.add("group", "%s: the best there", o.Group)
	}
	if o.WonGroup && o.CeilingMinor < o.CappedMinor {
		t.add("cut", "to %s: all awards together stay within the programme's share of the purchase", o.units(o.CeilingMinor))
	}
	if o.MarginMinor < o.CeilingMinor {
		t.add("cut", "to %s: what the commission pays stays within the commission", o.units(o.MarginMinor))
	}
	if o.AwardMinor < o.MarginMinor {
		t.add("cut", "to %s: its budgets were asked for no more, before other purchases made room", o.units(o.AwardMinor))
	}
	if o.AwardMinor > 0 {
		t.add("costs", "%s, paid by the %s", inUnit(o.CostMinor, o.Currency), o.FundedBy)
	}
}

func reached(is bool) string {
	if is {
		return "that is less, and counts"
	}
	return "not reached"
}

func (o *ExplainedOffer) sponsorText() string {
	text := o.Sponsor.Reward + ": "
	switch {
	case o.Sponsor.SponsorAccountID == "":
		return text + "nobody referred the member"
	case o.Sponsor.RewardMinor == 0:
		return text + "nothing for this purchase"
	}
	return text + inUnit(o.Sponsor.RewardMinor, o.Currency) + " to account " + o.Sponsor.SponsorAccountID + ", as far as that account's own caps leave room"
}

func (l *ExplainedAmount) text(b *strings.Builder) {
	fmt.Fprintf(b, "  %s %s %s", l.Stage, l.Role, l.Kind)
	if l.OfferID != "" {
		fmt.Fprintf(b, " of offer %s (%s)", l.OfferID, l.OfferVersion)
	}
	if len(l.CampaignIDs) > 0 {
		fmt.Fprintf(b, " with campaign %s", offer.Joined(l.CampaignIDs, "and"))
	}
	if l.CommissionMinor != 0 || l.RewardMinor == 0 {
		fmt.Fprintf(b, ": commission %s", inUnit(l.CommissionMinor, l.Currency))
	} else {
		fmt.Fprintf(b, ": reward %s, cost %s", offer.FormatUnits(l.RewardMinor, l.Unit, l.UnitDecimals), inUnit(l.CostMinor, l.Currency))
	}
	fmt.Fprintf(b, ", on %s\n", inUnit(l.BasisMinor, l.Currency))
}

func (o *ExplainedOffer) units(n int64) string { return offer.FormatUnits(n, o.Unit, o.UnitDecimals) }

// exact writes exact minor units as people do: "3.015 EUR".
func (o *ExplainedOffer) exact(minorUnits string) string {
	exact, err := decimal.NewFromString(minorUnits)
	if err != nil {
		return o.units(0)
	}
	decimals := o.UnitDecimals
	if c, ok := money.ParseCurrency(o.Unit); ok {
		decimals, _ = c.Exponent()
	}
	return exact.Shift(-int32(decimals)).String() + " " + o.Unit
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + line)
	}
	return b.String()
}

func because(why []string) string {
	if len(why) == 0 {
		return ""
	}
	return " [" + strings.Join(why, ", ") + "]"
}

func inUnit(minor int64, unit string) string { return offer.FormatUnits(minor, unit, 0) }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (u *ExplainedUnlinked) text(b *strings.Builder, currency string) {
	switch {
	case u == nil:
		return
	case u.WithinDays == 0:
		fmt.Fprintf(b, "    It names %s, of which nothing is known, and the programme matches no refunds to other purchases (unlinked_refunds).\n", u.NamedTransactionID)
		return
	case len(u.Options) == 0:
		fmt.Fprintf(b, "    It names %s, of which nothing is known. No purchase at %s in the %d days before it is cleared in %s with so much left of it.\n",
			u.NamedTransactionID, u.PartnerID, u.WithinDays, currency)
		return
	}
	chosen := u.Options[0]
	fmt.Fprintf(b, "    It names %s, of which nothing is known. Of what was bought at %s in the %d days before it, it is matched to %s: %s%s.\n",
		u.NamedTransactionID, u.PartnerID, u.WithinDays, chosen.TransactionID, chosen.nearness(currency), decided(u.DecidedBy))
	for _, o := range u.Options[1:] {
		fmt.Fprintf(b, "    It could have been %s of %s: %s.\n", o.TransactionID, o.PurchasedAt, o.nearness(currency))
	}
	if u.MoreOptions > 0 {
		fmt.Fprintf(b, "    It could have been %d more.\n", u.MoreOptions)
	}
}

func (o *ExplainedRefundOption) nearness(currency string) string {
	store, card, left := "another store ("+o.StoreID+")", "another card", inUnit(o.LeftMinor, currency)+" left"
	if o.SameStore {
		store = "the same store"
	}
	if o.SameCard {
		card = "the same card"
	}
	if o.ExactAmount {
		left = "exactly its amount left"
	}
	return store + ", " + card + ", " + left
}

// decided says by what the purchase goes before the next best.
func decided(by string) string {
	return map[string]string{
		"only": "; there was no other", "store": "; the store decided", "card": "; the card decided",
		"amount": "; the amount decided", "time": "; it was made last", "id": "; of one time, the larger id",
	}[by]
}
