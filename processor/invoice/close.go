package invoice

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// Ledger tells what was booked and closed, and keeps what is closed.
type Ledger interface {
	// CommissionBooked sums a programme's confirmed commission by partner, currency and
	// span of booking: [bounds[n], bounds[n+1]) in milliseconds since 1970, -1
	// before.
	CommissionBooked(ctx context.Context, programme string, bounds []int64) ([]rules.CommissionSum, error)
	// SalesBooked sums the purchases of which something was booked in [from, until).
	SalesBooked(ctx context.Context, programme string, from, until int64) ([]rules.SalesSum, error)
	Closings(ctx context.Context) ([]rules.Closing, error)
	// Billed lists all invoices, without their documents; Document reads one.
	Billed(ctx context.Context) ([]rules.InvoiceRow, error)
	Document(ctx context.Context, number string) (*rules.InvoiceRow, error)
	// CloseMonth stores a closing with its invoices, all or nothing; won is false
	// where another has taken its position.
	CloseMonth(ctx context.Context, c *rules.Closing, invoices []rules.InvoiceRow) (won bool, err error)
	RecordAction(ctx context.Context, a *rules.OperatorAction) error
}

// Closer closes months.
type Closer struct {
	Ledger    Ledger
	Catalogue *offer.Catalogue
	Now       func() time.Time
	// Whole gives an error where the ledger isn't known to have everything that was
	// recorded before an instant, in milliseconds since 1970; nil: nobody is asked.
	Whole func(ctx context.Context, until int64) error
}

// Order says what is closed, by whom and why.
type Order struct {
	Programme  string
	Partner    string // empty: all that are not closed yet
	Month      Month
	By, Reason string
	// First: nothing before the month is billed here, though something was booked.
	// Looked at where no month of the programme is closed yet.
	First bool
	// Early: the month may not be over. What is booked of it from then on is a
	// correction.
	Early bool
	// Dry: nothing is stored, and numbers are those that there would be.
	Dry bool
}

// Closed is a closed month.
type Closed struct {
	Closing  rules.Closing
	Invoices []rules.InvoiceRow
	// Again: it was closed before, and this changed nothing. Invoices are empty then.
	Again bool
}

// action is the name of a closing in the audit trail.
const action = "invoices close"

// maxTries bounds how often others may be first with some other closing.
const maxTries = 20

// Close closes a month for all partners, or for one. Closing again, at once or after a
// crash at any step, gives one set of invoices: a closing is stored whole or not at all,
// and each has a place of its own in the order of all.
func (c *Closer) Close(ctx context.Context, o Order) (Closed, error) {
	if c.Ledger == nil || c.Catalogue == nil {
		return Closed{}, fmt.Errorf("close %s: no ledger or no catalogue is given", o.Month)
	}
	for try := range maxTries {
		closed, err := c.plan(ctx, o)
		if err != nil {
			return Closed{}, fmt.Errorf("close %s of programme %s: %w", o.Month, o.Programme, err)
		}
		if closed.Again || o.Dry {
			return closed, nil
		}
		if try == 0 {
			if err := c.record(ctx, o, &closed); err != nil {
				return Closed{}, err
			}
		}
		won, err := c.Ledger.CloseMonth(ctx, &closed.Closing, closed.Invoices)
		if err != nil {
			return Closed{}, fmt.Errorf("%w; say it again: what is stored is there once", err)
		}
		if won {
			return closed, nil
		}
	}
	return Closed{}, fmt.Errorf("close %s of programme %s: others have closed something %d times meanwhile: say it again", o.Month, o.Programme, maxTries)
}

// plan makes the closing as it would be stored now.
func (c *Closer) plan(ctx context.Context, o Order) (Closed, error) {
	h, err := c.history(ctx, o.Programme)
	if err != nil {
		return Closed{}, err
	}
	if h.isClosed(o.Month, o.Partner) {
		return c.before(h, o), nil
	}
	now := c.Now()
	b, err := c.bill(ctx, h, o, now)
	if err != nil {
		return Closed{}, err
	}
	of, err := c.books(ctx, b, o)
	if err != nil {
		return Closed{}, err
	}
	documents, err := b.make(of, func(partner string) bool {
		return o.Partner != "" && partner != o.Partner || h.isClosed(o.Month, partner)
	})
	if err != nil {
		return Closed{}, err
	}
	return seal(h, o, b.span, now, of, documents)
}

func (c *Closer) history(ctx context.Context, programme string) (*history, error) {
	closings, err := c.Ledger.Closings(ctx)
	if err != nil {
		return nil, err
	}
	invoices, err := c.Ledger.Billed(ctx)
	if err != nil {
		return nil, err
	}
	return newHistory(programme, closings, invoices)
}

// before is the closing that an order finds done.
func (c *Closer) before(h *history, o Order) Closed {
	for i := range h.all {
		if x := &h.all[i]; x.Programme == o.Programme && x.Month == o.Month.String() && (x.PartnerID == "" || x.PartnerID == o.Partner) {
			return Closed{Closing: *x, Again: true}
		}
	}
	return Closed{Again: true}
}

// bill prepares the bills of a month that may be closed.
func (c *Closer) bill(ctx context.Context, h *history, o Order, now time.Time) (*bill, error) {
	s, err := h.spanOf(o.Month, c.Catalogue, o.Programme)
	if err != nil {
		return nil, err
	}
	programme := programmeAt(c.Catalogue, o.Programme, s.end())
	switch {
	case programme == nil:
		return nil, fmt.Errorf("there is no such programme up to the end of the month")
	case !programme.Billing.Stated():
		return nil, fmt.Errorf("its file says nothing of billing at the end of the month: write `billing:` into it (seller, series, vat) and publish it")
	case now.UnixMilli() < s.until && !o.Early:
		return nil, fmt.Errorf("the month ends at %s, which is still to come: what is booked until then would be a correction; say --early if it shall be so",
			rules.InstantOfMillis(s.until))
	}
	if err := c.inOrder(h, o); err != nil {
		return nil, err
	}
	if c.Whole != nil {
		if err := c.Whole(ctx, min(s.until, now.UnixMilli())); err != nil {
			return nil, err
		}
	}
	issued := now.In(programme.Zone)
	numbers, err := h.numbering(programme.Billing.Series, issued)
	if err != nil {
		return nil, err
	}
	b := &bill{
		catalogue: c.Catalogue, programme: programme, history: h, month: o.Month, span: s, issued: issued, numbers: numbers,
		stored: func(number string) (*Document, error) {
			row, err := c.Ledger.Document(ctx, number)
			if err != nil {
				return nil, err
			}
			return Read(row)
		},
	}
	if o.Partner != "" && b.lastOf(o.Partner) == nil {
		return nil, fmt.Errorf("the programme has no partner %q up to the end of the month: `ristourne offers list` has those that there are", o.Partner)
	}
	return b, nil
}

// inOrder refuses to close a month while one before it is open: what is booked late in
// that would have no document to correct.
func (c *Closer) inOrder(h *history, o Order) error {
	if len(h.months) == 0 {
		return nil // see books
	}
	if o.Month.Before(h.months[0]) {
		return fmt.Errorf("the first month that was closed is %s: what was booked before it is billed elsewhere", h.months[0])
	}
	for m := h.months[0]; m.Before(o.Month); m = m.Next() {
		if !h.isClosed(m, o.Partner) {
			return fmt.Errorf("%s isn't closed yet: close it first", m)
		}
	}
	return nil
}

// books asks the ledger.
func (c *Closer) books(ctx context.Context, b *bill, o Order) (of books, err error) {
	var bounds []int64
	for _, m := range b.history.months {
		if m.Before(o.Month) {
			bounds = append(bounds, b.history.spans[m].from)
		}
	}
	if of.booked, err = c.Ledger.CommissionBooked(ctx, o.Programme, append(bounds, b.span.from)); err != nil {
		return of, err
	}
	if len(b.history.months) == 0 && !o.First {
		if before := firstOf(of.booked); before != nil {
			return of, fmt.Errorf("commission of %s (partner %s) was booked before this month, and no month is closed yet: close the months from the first on, or say --first if they were billed elsewhere",
				money.FormatMinor(before.CommissionMinor, before.Currency), before.PartnerID)
		}
	}
	of.sold, err = c.Ledger.SalesBooked(ctx, o.Programme, b.span.from, b.span.until)
	return of, err
}

func firstOf(booked []rules.CommissionSum) *rules.CommissionSum {
	for i := range booked {
		if booked[i].CommissionMinor != 0 {
			return &booked[i]
		}
	}
	return nil
}

// seal makes the rows that are stored.
func seal(h *history, o Order, s span, now time.Time, of books, documents []Document) (Closed, error) {
	closed := Closed{Closing: rules.Closing{
		Position: uint64(len(h.all)) + 1, Programme: o.Programme, PartnerID: o.Partner, Month: o.Month.String(), From: s.from, Until: s.until,
		ClosedAt: now.UnixMilli(), By: o.By, Reason: o.Reason,
	}}
	says := closingDocument{
		Previous: h.previousHash(), Position: closed.Closing.Position, Programme: o.Programme, Partner: o.Partner, Month: o.Month.String(),
		From: rules.InstantOfMillis(s.from).String(), Until: rules.InstantOfMillis(s.until).String(),
		ClosedAt: rules.InstantOfMillis(now.UnixMilli()).String(), By: o.By, Reason: o.Reason, Invoices: []closedNumber{},
	}
	for i := range documents {
		row, err := rowOf(&documents[i])
		if err != nil {
			return Closed{}, err
		}
		row.Position = closed.Closing.Position
		closed.Invoices = append(closed.Invoices, row)
		says.Invoices = append(says.Invoices, closedNumber{row.Number, hex.EncodeToString(row.SHA256[:])})
	}
	for i := range of.booked {
		if b := &of.booked[i]; len(h.months) == 0 && b.CommissionMinor != 0 { // before the first month
			says.Elsewhere = append(says.Elsewhere, elsewhere{b.PartnerID, b.Currency.String(), b.CommissionMinor})
		}
	}
	text, err := json.Marshal(says)
	if err != nil {
		return Closed{}, err
	}
	closed.Closing.Document, closed.Closing.SHA256 = text, sha256.Sum256(text)
	return closed, nil
}

func rowOf(d *Document) (rules.InvoiceRow, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return rules.InvoiceRow{}, err
	}
	currency, _ := money.ParseCurrency(d.Currency)
	row := rules.InvoiceRow{
		Number: d.Number, Programme: d.Programme, PartnerID: d.Partner, Month: d.Month, ClosedIn: d.ClosedIn,
		Type: uint16(d.Type), IssuedOn: d.IssuedOn, Currency: currency,
		CommissionMinor: d.Sign() * d.commissionMinor(), NetMinor: d.Sign() * d.NetMinor, VATMinor: d.Sign() * d.VATMinor, GrossMinor: d.Sign() * d.GrossMinor,
		Document: text, SHA256: sha256.Sum256(text),
	}
	if d.Corrects != nil {
		row.Corrects = d.Corrects.Number
	}
	return row, nil
}

// record keeps who asked for what before it is done, so that no closing is without it.
func (c *Closer) record(ctx context.Context, o Order, closed *Closed) error {
	details, err := json.Marshal(map[string]any{
		"programme": o.Programme, "partner": o.Partner, "month": o.Month.String(), "invoices": len(closed.Invoices), "early": o.Early, "first": o.First,
	})
	if err != nil {
		return err
	}
	return c.Ledger.RecordAction(ctx, &rules.OperatorAction{At: closed.Closing.ClosedAt, Action: action, By: o.By, Reason: o.Reason, Details: string(details)})
}
