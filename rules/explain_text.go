package rules

import (
	"fmt"
	"strings"

	"ristourne/rules/money"
)

// Text tells the explanation in words, a line a fact, for a terminal.
func (x *Explanation) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "purchase %s of account %s: %s%s\n", x.TransactionID, x.AccountID, x.Outcome, because(x.Why))
	switch x.Outcome {
	case "unknown":
		b.WriteString("  nothing is kept of it: it was at no partner's store, declined, too late, or before the account's enrolment\n")
		return b.String()
	case "waiting":
		b.WriteString("  no event that opens the purchase at a partner's store has come yet\n")
	}
	if len(x.Events) > 0 {
		b.WriteString("events\n")
	}
	for i := range x.Events {
		x.Events[i].text(&b)
	}
	if p := x.Purchase; p != nil {
		fmt.Fprintf(&b, "made at %s (by event %s) at store %s of %s", p.PurchasedAt, p.GivenBy, p.StoreID, p.PartnerID)
		fmt.Fprintf(&b, ", terms %s, programme %s %s\n", orNone(p.PartnerVersion), orNone(p.Programme), p.ProgrammeVersion)
	}
	if m := x.Member; m != nil {
		fmt.Fprintf(&b, "member %s: enrolled %s in %s, card linked %s, level %s\n",
			orNone(m.MemberID), yes(m.Enrolled), orNone(m.Programme), yes(m.CardLinked), orNone(m.Level))
	}
	x.Confirmed.text(&b, "confirmed (what is cleared)")
	x.Expected.text(&b, "expected (once all is cleared)")
	if len(x.Booked) > 0 {
		b.WriteString("booked\n")
	}
	for _, l := range x.Booked {
		fmt.Fprintf(&b, "  %s %s %s", l.Stage, l.Role, l.Kind)
		if l.OfferID != "" {
			fmt.Fprintf(&b, " of offer %s (%s)", l.OfferID, l.OfferVersion)
		}
		fmt.Fprintf(&b, ": reward %s, commission %s, on %s\n",
			inUnit(l.RewardMinor, l.Unit), inUnit(l.CommissionMinor, l.Unit), inUnit(l.BasisMinor, l.Unit))
	}
	return b.String()
}

func (e *ExplainedEvent) text(b *strings.Builder) {
	fmt.Fprintf(b, "  %s %s %s: %s", e.OccurredAt, e.Type, e.EventID, inUnit(e.AmountMinor, e.Currency))
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
}

func (w *ExplainedWorld) text(b *strings.Builder, title string) {
	if w == nil {
		return
	}
	b.WriteString(title + "\n")
	for _, s := range w.Bases {
		fmt.Fprintf(b, "  basis %s", inUnit(s.BasisMinor, s.Currency))
		if s.HeldMinor > 0 {
			fmt.Fprintf(b, " (held at 0: %s more was given back than paid)", inUnit(s.HeldMinor, s.Currency))
		}
		if !s.Stated {
			b.WriteString(" (not every amount is stated in this currency)")
		}
		b.WriteByte('\n')
	}
	for i := range w.Offers {
		w.Offers[i].text(b)
	}
	c := &w.Commission
	if c.Currency != "" {
		fmt.Fprintf(b, "  commission %s%s\n", inUnit(c.Minor, c.Currency), because(c.Why))
	}
	for _, c := range w.OfferCommissions {
		fmt.Fprintf(b, "  commission of offer %s %s%s\n", c.OfferID, inUnit(c.Minor, c.Currency), because(c.Why))
	}
}

func (o *ExplainedOffer) text(b *strings.Builder) {
	fmt.Fprintf(b, "  offer %s (%s): ", o.OfferID, o.OfferVersion)
	if !o.Applies {
		fmt.Fprintf(b, "does not apply%s\n", because(o.Why))
		return
	}
	switch o.Form {
	case "percent":
		fmt.Fprintf(b, "%s of %s", o.Rate, inUnit(o.BasisMinor, o.Currency))
	case "fixed":
		fmt.Fprintf(b, "fixed %s", inUnit(o.FixedMinor, o.Unit))
	default:
		fmt.Fprintf(b, "%s on %s", o.Form, inUnit(o.BasisMinor, o.Currency))
	}
	if len(o.Boosts) > 0 {
		fmt.Fprintf(b, ", raised by %s", strings.Join(o.Boosts, ", "))
	}
	if o.Exact != "" {
		fmt.Fprintf(b, " = %s minor units", o.Exact)
	}
	fmt.Fprintf(b, ", rounded %s, after caps %s", inUnit(o.RoundedMinor, o.Unit), inUnit(o.CappedMinor, o.Unit))
	o.capsText(b)
	if !o.WonGroup {
		fmt.Fprintf(b, ", loses in group %s: award 0", o.Group)
	} else {
		fmt.Fprintf(b, ", best of group %s, award %s", o.Group, inUnit(o.AwardMinor, o.Unit))
	}
	fmt.Fprintf(b, "%s\n", because(o.Why))
}

func (o *ExplainedOffer) capsText(b *strings.Builder) {
	var texts []string
	inAmount := false
	for _, c := range o.Caps {
		per := c.Per
		if c.Days > 0 {
			per = fmt.Sprintf("%d days", c.Days)
		}
		most := fmt.Sprintf("%d times", c.Count)
		if c.Count == 0 {
			most, inAmount = inUnit(c.Minor, o.Unit), true
		}
		texts = append(texts, fmt.Sprintf("at most %s per %s", most, per))
	}
	if inAmount {
		texts = append(texts, "room "+inUnit(o.RoomMinor, o.Unit))
	}
	if len(texts) > 0 {
		fmt.Fprintf(b, " (%s)", strings.Join(texts, ", "))
	}
}

func because(why []string) string {
	if len(why) == 0 {
		return ""
	}
	return " [" + strings.Join(why, ", ") + "]"
}

func inUnit(minor int64, unit string) string {
	if c, ok := money.ParseCurrency(unit); ok {
		return money.FormatMinor(minor, c)
	}
	return fmt.Sprintf("%d %s", minor, unit)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
