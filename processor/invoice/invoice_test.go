package invoice

import (
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

var (
	eur   = money.Currency{'E', 'U', 'R'}
	party = offer.Party{Name: "A", Street: "1 rue", City: "Lyon", Country: "FR", VATID: "FR83404833048"}
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// TestMonthsMeetWhereTheyAreClosed: a month begins and ends by the programme's clock, and
// after a change of the zone where the one before has ended, so that no instant is in two
// months or in none.
func TestMonthsMeetWhereTheyAreClosed(t *testing.T) {
	t.Parallel()
	moved := rules.InstantOf(at(t, "2026-04-10T00:00:00Z"))
	c := &offer.Catalogue{Programmes: []offer.Programme{
		{ID: "city", Version: offer.Version{From: rules.MinInstant}, Zone: zone(t, "Europe/Paris")},
		{ID: "city", Version: offer.Version{From: moved}, Zone: zone(t, "Europe/Lisbon")},
	}}
	h := &history{spans: map[Month]span{}}
	for _, want := range []struct {
		month       Month
		from, until string
	}{
		{Month{2026, time.February}, "2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00"},
		{Month{2026, time.March}, "2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00"}, // the clock went forward
		{Month{2026, time.April}, "2026-04-01T00:00:00+02:00", "2026-05-01T00:00:00+01:00"}, // an hour longer: the bank moved
		{Month{2026, time.May}, "2026-05-01T00:00:00+01:00", "2026-06-01T00:00:00+01:00"},
	} {
		s, err := h.spanOf(want.month, c, "city")
		if err != nil || s.from != at(t, want.from).UnixMilli() || s.until != at(t, want.until).UnixMilli() {
			t.Errorf("%s is [%s, %s): %v", want.month, time.UnixMilli(s.from).UTC(), time.UnixMilli(s.until).UTC(), err)
		}
		h.months, h.spans[want.month] = append(h.months, want.month), s
	}
}

// TestNumbersHaveNoGap, in a series and year; a gap that is there, or a clock that went
// back, is told.
func TestNumbersHaveNoGap(t *testing.T) {
	t.Parallel()
	row := func(number, issued string) rules.InvoiceRow {
		return rules.InvoiceRow{Number: number, IssuedOn: issued}
	}
	h := &history{invoices: []rules.InvoiceRow{row("CL-2025-00001", "2025-12-31"), row("CL-2026-00001", "2026-02-01"), row("XX-2026-00001", "2026-09-09"), row("CL-2026-00002", "2026-03-01")}}
	for _, c := range []struct{ series, today, want, fails string }{
		{"CL", "2026-03-01T12:00:00Z", "CL-2026-00003", ""},
		{"CL", "2027-01-02T12:00:00Z", "CL-2027-00001", ""},
		{"YY", "2026-01-01T12:00:00Z", "YY-2026-00001", ""},
		{"CL", "2026-02-28T12:00:00Z", "", "set the clock"},
		{"XX", "2026-09-01T12:00:00Z", "", "set the clock"},
	} {
		n, err := h.numbering(c.series, at(t, c.today))
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s on %s: %v", c.series, c.today, err)
			}
		case err != nil || n.next() != c.want:
			t.Errorf("%s on %s: %+v, %v", c.series, c.today, n, err)
		}
	}
	h.invoices = append(h.invoices, row("CL-2026-00004", "2026-03-01"))
	if _, err := h.numbering("CL", at(t, "2026-03-02T12:00:00Z")); err == nil || !strings.Contains(err.Error(), "3 invoices up to number 4") {
		t.Errorf("a gap: %v", err)
	}
}

// TestTaxIsRoundedHalfAwayFromZero, of credit notes too, and once for a document.
func TestTaxIsRoundedHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ ownMinor, rate, net, vat int64 }{
		{250, 200_000, 250, 50},
		{5, 100_000, 5, 1}, // 0.5 cents
		{-5, 100_000, 5, 1},
		{4, 100_000, 4, 0},
		{-15, 100_000, 15, 2}, // 1.5 cents; half to even would be 2 as well
		{-25, 100_000, 25, 3}, // 2.5 cents; half to even would be 2
		{999_999_999, 196_000, 999_999_999, 196_000_000},
	} {
		b := billOf(t, offer.VAT{RateMillionths: c.rate})
		documents, err := b.make(books{sold: []rules.SalesSum{{
			PartnerID: "cafe", Currency: eur, Sales: rules.Purchases{Count: 1, CommissionMinor: max(0, c.ownMinor)}, Returns: rules.Purchases{Count: 1, CommissionMinor: min(0, c.ownMinor)},
		}}}, func(string) bool { return false })
		if err != nil || len(documents) != 1 {
			t.Fatal(documents, err)
		}
		d := &documents[0]
		if wantType := map[bool]int{true: CreditNote, false: Invoice}[c.ownMinor < 0]; d.NetMinor != c.net || d.VATMinor != c.vat || d.GrossMinor != c.net+c.vat || d.Type != wantType {
			t.Errorf("%d at %d: %+v", c.ownMinor, c.rate, d)
		}
	}
}

func billOf(t *testing.T, vat offer.VAT) *bill {
	t.Helper()
	m := Month{2026, time.February}
	c := &offer.Catalogue{
		Programmes: []offer.Programme{{
			ID: "city", Version: offer.Version{From: rules.MinInstant}, Currency: eur, Zone: time.UTC,
			Billing: offer.Billing{Seller: party, Series: "CL", VAT: vat, PaymentDays: 30, Language: "en"},
		}},
		Partners: []offer.Partner{{
			ID: "cafe", Version: offer.Version{From: rules.MinInstant}, Programme: "city", Currency: eur,
			Billing: offer.BillingTerms{Buyer: party, PaymentDays: 10},
		}},
	}
	h := &history{spans: map[Month]span{}}
	s, err := h.spanOf(m, c, "city")
	if err != nil {
		t.Fatal(err)
	}
	return &bill{
		catalogue: c, programme: &c.Programmes[0], history: h, month: m, span: s,
		issued: at(t, "2026-03-02T08:00:00Z"), numbers: &numbering{series: "CL", year: 2026},
	}
}

// TestAFeeThatComesToNothingIsBilled: what was given back against it is billed with it, and
// not once more as a correction.
func TestAFeeThatComesToNothingIsBilled(t *testing.T) {
	t.Parallel()
	b := billOf(t, offer.VAT{RateMillionths: 200_000})
	b.catalogue.Partners[0].MonthlyFeeMinor = 4_900
	returned := books{sold: []rules.SalesSum{{PartnerID: "cafe", Currency: eur, Returns: rules.Purchases{Count: 1, SpendMinor: -61_250, CommissionMinor: -4_900}}}}
	documents, err := b.make(returned, func(string) bool { return false })
	if err != nil || len(documents) != 1 || documents[0].NetMinor != 0 || documents[0].commissionMinor() != -4_900 {
		t.Fatal(documents, err)
	}
	closed, err := seal(b.history, Order{Programme: "city", Month: b.month}, b.span, at(t, "2026-03-02T08:00:00Z"), returned, documents)
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHistory("city", []rules.Closing{closed.Closing}, closed.Invoices)
	if err != nil {
		t.Fatal(err)
	}
	b.history, b.month, b.documents, b.catalogue.Partners[0].MonthlyFeeMinor = h, b.month.Next(), nil, 0
	if b.span, err = h.spanOf(b.month, b.catalogue, "city"); err != nil {
		t.Fatal(err)
	}
	documents, err = b.make(books{booked: []rules.CommissionSum{{PartnerID: "cafe", Currency: eur, CommissionMinor: -4_900}}}, func(string) bool { return false })
	if err != nil || len(documents) != 0 {
		t.Error("it is billed once more:", documents, err)
	}
}

// TestWhatPartnersAgreedGoesBeforeTheProgramme, and what the month's end has before what
// was.
func TestWhatPartnersAgreedGoesBeforeTheProgramme(t *testing.T) {
	t.Parallel()
	b := billOf(t, offer.VAT{RateMillionths: 200_000})
	later := b.catalogue.Partners[0]
	later.Version.From = rules.InstantOf(at(t, "2026-02-28T23:59:59Z"))
	later.MonthlyFeeMinor, later.Billing.VAT, later.Billing.Language = 4_900, offer.VAT{ReverseCharge: true}, "fr"
	tooLate := later
	tooLate.Version.From, tooLate.MonthlyFeeMinor = rules.InstantOf(at(t, "2026-03-01T00:00:00Z")), 9_900
	b.catalogue.Partners = append(b.catalogue.Partners, later, tooLate)
	documents, err := b.make(books{}, func(string) bool { return false })
	if err != nil || len(documents) != 1 {
		t.Fatal(documents, err)
	}
	d := &documents[0]
	if d.NetMinor != 4_900 || d.VATMinor != 0 || d.VAT.Category != ReverseCharge || d.DueOn != "2026-03-12" || d.Language != "fr" || d.Number != "CL-2026-00001" {
		t.Errorf("%+v", d)
	}
}
