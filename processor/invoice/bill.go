package invoice

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// books are what the ledger says when a month is closed.
type books struct {
	// booked is the commission of each closed month as it stands now, by the place of
	// the month in history.months.
	booked []rules.CommissionSum
	sold   []rules.SalesSum // of the month that is closed
}

// account is what one partner owes in one currency.
type account struct {
	partner  string
	currency money.Currency
}

func (a account) compare(b account) int {
	return cmp.Or(cmp.Compare(a.partner, b.partner), cmp.Compare(a.currency.String(), b.currency.String()))
}

// bill makes the documents of one month.
type bill struct {
	catalogue *offer.Catalogue
	programme *offer.Programme // as it is at the month's end
	history   *history
	month     Month
	span      span
	issued    time.Time // in the programme's zone
	// stored reads an earlier document.
	stored func(number string) (*Document, error)

	numbers   *numbering
	documents []Document
	faults    []error
}

// owed is what is known of an account.
type owed struct {
	before int64          // booked before the first month
	booked []int64        // of each month of the history
	sold   rules.SalesSum // in the month that is closed
}

// make bills all accounts whose partner isn't skipped, one after the other.
func (b *bill) make(of books, skip func(partner string) bool) ([]Document, error) {
	accounts := map[account]*owed{}
	find := func(partner string, currency money.Currency) *owed {
		a := account{partner, currency}
		if accounts[a] == nil {
			accounts[a] = &owed{booked: make([]int64, len(b.history.months))}
		}
		return accounts[a]
	}
	for i := range of.booked {
		switch s := &of.booked[i]; {
		case s.Span < 0:
			find(s.PartnerID, s.Currency).before = s.CommissionMinor
		case s.Span < len(b.history.months):
			find(s.PartnerID, s.Currency).booked[s.Span] = s.CommissionMinor
		}
	}
	for _, s := range of.sold {
		find(s.PartnerID, s.Currency).sold = s
	}
	for id := range b.partners() {
		if p := b.inForce(id); p != nil && p.MonthlyFeeMinor > 0 {
			find(id, p.Currency)
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(accounts), account.compare) {
		if skip(a.partner) {
			continue
		}
		if err := b.account(a, accounts[a]); err != nil {
			b.faults = append(b.faults, err)
		}
	}
	return b.documents, errors.Join(b.faults...)
}

// partners are the ids of all that ever were.
func (b *bill) partners() map[string]bool {
	ids := map[string]bool{}
	for i := range b.catalogue.Partners {
		ids[b.catalogue.Partners[i].ID] = true
	}
	return ids
}

// inForce is a partner of the programme as it is at the month's end; nil: it is none.
func (b *bill) inForce(id string) *offer.Partner {
	if p := offer.InForceAt(b.catalogue.Partners, id, b.span.end()); p != nil && p.Programme == b.programme.ID {
		return p
	}
	return nil
}

// lastOf is the last version of a partner of the programme up to the month's end: by it
// are billed whom the programme has lost.
func (b *bill) lastOf(id string) (last *offer.Partner) {
	for i := range b.catalogue.Partners {
		p := &b.catalogue.Partners[i]
		if p.ID == id && p.Programme == b.programme.ID && !p.Version.Ended && !p.Version.From.After(b.span.end()) &&
			(last == nil || last.Version.From.Before(p.Version.From)) {
			last = p
		}
	}
	return last
}

// account makes the documents of one account: of the month itself, then one for each
// closed month of which something else is booked by now than was billed.
func (b *bill) account(a account, of *owed) error {
	own, err := b.own(a, &of.sold)
	if err != nil {
		return err
	}
	for _, d := range append(own, b.corrections(a, of)...) {
		if err := b.issue(a, d); err != nil {
			return err
		}
	}
	return nil
}

// own is the document of the month itself; none where nothing is owed. A fee that comes
// to nothing with what is given back has one all the same: without it the commission
// would look as if it had never been billed.
func (b *bill) own(a account, sold *rules.SalesSum) ([]Document, error) {
	d := Document{Month: b.month.String(), Sales: sold.Sales, Returns: sold.Returns}
	if sold.Sales.CommissionMinor != 0 {
		d.Lines = append(d.Lines, Line{Commission, sold.Sales.CommissionMinor})
	}
	if sold.Returns.CommissionMinor != 0 {
		d.Lines = append(d.Lines, Line{TakenBack, sold.Returns.CommissionMinor})
	}
	p := b.inForce(a.partner)
	fee := p != nil && p.MonthlyFeeMinor > 0 && p.Currency == a.currency
	if fee {
		d.Lines = append(d.Lines, Line{Fee, p.MonthlyFeeMinor})
	}
	if err := d.sum(); err != nil || d.NetMinor == 0 && !fee {
		return nil, err
	}
	if last := b.history.last[a]; d.NetMinor < 0 && last != nil {
		d.Corrects = &Reference{last.Number, last.IssuedOn}
	}
	return []Document{d}, nil
}

// corrections are of closed months, and of all that was before them: what is booked of
// that, once the first is closed, nobody has billed elsewhere. It goes under the month
// before the first.
func (b *bill) corrections(a account, of *owed) (all []Document) {
	h := b.history
	correct := func(m Month, bookedMinor int64) {
		key := billedKey{a, m.String()}
		change := bookedMinor - h.billed[key]
		if change == 0 {
			return
		}
		d := Document{Month: m.String(), Lines: []Line{{Correction, change}}, NetMinor: change}
		if was := h.own[key]; was != nil {
			d.Corrects = &Reference{was.Number, was.IssuedOn}
		}
		all = append(all, d)
	}
	if len(h.months) > 0 {
		correct(h.months[0].previous(), of.before-h.elsewhere[a])
	}
	for n, m := range h.months {
		if m.Before(b.month) {
			correct(m, of.booked[n])
		}
	}
	return all
}

// sum adds the lines up.
func (d *Document) sum() (err error) {
	d.NetMinor = 0
	for i := range d.Lines {
		if d.NetMinor, err = money.Add(d.NetMinor, d.Lines[i].NetMinor); err != nil {
			return err
		}
	}
	return nil
}

// issue completes a document and gives it its number. One that comes to less than
// nothing is a credit note, whose amounts are what is given back.
func (b *bill) issue(a account, d Document) error {
	p := cmp.Or(b.inForce(a.partner), b.lastOf(a.partner))
	switch {
	case p == nil:
		return fmt.Errorf("partner %s: programme %s has none of that id up to the end of %s, so nobody can be billed: publish its file",
			a.partner, b.programme.ID, b.month)
	case !p.Billing.Stated():
		return fmt.Errorf("partner %s: its file says of no company that is billed: write `billing: {buyer: {...}}` into it and publish it", a.partner)
	}
	d.Type = Invoice
	if d.NetMinor < 0 {
		d.Type, d.NetMinor = CreditNote, -d.NetMinor
		for i := range d.Lines {
			d.Lines[i].NetMinor = -d.Lines[i].NetMinor
		}
	}
	if err := b.tax(&d, p); err != nil {
		return fmt.Errorf("partner %s: %w", a.partner, err)
	}
	terms := &b.programme.Billing
	d.Programme, d.Partner, d.Currency, d.ClosedIn = b.programme.ID, a.partner, a.currency.String(), b.month.String()
	d.Seller, d.Buyer = terms.Seller, p.Billing.Buyer
	d.Language = cmp.Or(p.Billing.Language, terms.Language)
	d.IssuedOn = b.issued.Format(time.DateOnly)
	d.DueOn = b.issued.AddDate(0, 0, cmp.Or(p.Billing.PaymentDays, terms.PaymentDays)).Format(time.DateOnly)
	d.Notes = terms.Notes
	if d.Type == Invoice {
		d.IBAN = terms.IBAN
	}
	d.Number = b.numbers.next()
	b.documents = append(b.documents, d)
	return nil
}

// tax adds the VAT: of a correction by the terms of what it corrects, which alone may
// be given back. It is rounded once, half away from zero: amounts are over 0 here.
func (b *bill) tax(d *Document, p *offer.Partner) error {
	d.VAT = vatOf(cmp.Or(p.Billing.VAT, b.programme.Billing.VAT))
	if d.Corrects != nil && d.Month != b.month.String() {
		was, err := b.stored(d.Corrects.Number)
		if err != nil {
			return err
		}
		d.VAT = was.VAT
	}
	var err error
	if d.VATMinor, err = money.Share(d.NetMinor, d.VAT.RateMillionths, 0, money.HalfUp); err != nil {
		return err
	}
	d.GrossMinor, err = money.Add(d.NetMinor, d.VATMinor)
	return err
}

func vatOf(v offer.VAT) VAT {
	if v.ReverseCharge {
		return VAT{Category: ReverseCharge}
	}
	return VAT{Category: StandardRate, RateMillionths: v.RateMillionths}
}
