package invoice

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// history is what was closed of a programme.
type history struct {
	all      []rules.Closing // of all programmes, in order
	months   []Month         // in order, without a hole
	spans    map[Month]span
	closed   map[Month]map[string]bool // partners that were closed by themselves
	whole    map[Month]bool            // closed for all others too
	invoices []rules.InvoiceRow        // of all programmes, without their documents
	// Of the programme:
	billed map[billedKey]int64             // the commission that was billed
	own    map[billedKey]*rules.InvoiceRow // by which a month itself was billed
	last   map[account]*rules.InvoiceRow   // the last that was not a credit note
	// elsewhere is what had been booked before the first month when that was closed: it
	// is billed elsewhere.
	elsewhere map[account]int64
}

// billedKey is a booking month of an account.
type billedKey struct {
	account
	month string
}

// closingDocument is what is stored of a closing.
type closingDocument struct {
	Previous  string         `json:"previous"` // SHA-256 of the closing before; empty: this is the first
	Position  uint64         `json:"position"`
	Programme string         `json:"programme"`
	Partner   string         `json:"partner,omitempty"`
	Month     string         `json:"month"`
	From      string         `json:"from"`
	Until     string         `json:"until"`
	ClosedAt  string         `json:"closed_at"`
	By        string         `json:"by"`
	Reason    string         `json:"reason"`
	Invoices  []closedNumber `json:"invoices"`
	// Elsewhere, of the first closing of a programme, is what was booked before its month.
	Elsewhere []elsewhere `json:"elsewhere,omitempty"`
}

// elsewhere is commission of an account that is billed elsewhere.
type elsewhere struct {
	Partner         string `json:"partner"`
	Currency        string `json:"currency"`
	CommissionMinor int64  `json:"commission_minor"`
}

type closedNumber struct {
	Number string `json:"number"`
	SHA256 string `json:"sha256"`
}

// newHistory reads what was closed. Closings name one another, so that none can be
// put between two, and their invoices, so that none can be gone.
func newHistory(programme string, closings []rules.Closing, invoices []rules.InvoiceRow) (*history, error) {
	// What was closed while the closings were read is not of them.
	invoices = slices.DeleteFunc(invoices, func(r rules.InvoiceRow) bool { return r.Position > uint64(len(closings)) })
	h := &history{all: closings, invoices: invoices, spans: map[Month]span{}, closed: map[Month]map[string]bool{}, whole: map[Month]bool{}, elsewhere: map[account]int64{}}
	numbers := map[string]string{}
	for i := range invoices {
		numbers[invoices[i].Number] = hex.EncodeToString(invoices[i].SHA256[:])
	}
	named, previous := 0, ""
	for i := range closings {
		c := &closings[i]
		var d closingDocument
		if err := json.Unmarshal(c.Document, &d); err != nil {
			return nil, fmt.Errorf("read the closing of %s of programme %s: %w", c.Month, c.Programme, err)
		}
		if d.Previous != previous {
			return nil, fmt.Errorf("%w: the closing of %s of programme %s doesn't follow on the one before it: restore invoices_log from a backup",
				rules.ErrNeedsPerson, c.Month, c.Programme)
		}
		previous = hex.EncodeToString(c.SHA256[:])
		for _, n := range d.Invoices {
			if numbers[n.Number] != n.SHA256 {
				return nil, fmt.Errorf("%w: invoice %s, closed with %s of programme %s, is gone or was changed: restore invoices_log from a backup",
					rules.ErrNeedsPerson, n.Number, c.Month, c.Programme)
			}
		}
		named += len(d.Invoices)
		if c.Programme == programme {
			if err := h.add(c, &d); err != nil {
				return nil, err
			}
		}
	}
	if named != len(invoices) {
		return nil, fmt.Errorf("%w: %d invoices are stored, and closings name %d: restore invoices_log from a backup",
			rules.ErrNeedsPerson, len(invoices), named)
	}
	slices.SortFunc(h.months, func(a, b Month) int { return a.begin().Compare(b.begin()) })
	h.index(programme)
	return h, nil
}

// index finds the invoices of the programme by what they are for.
func (h *history) index(programme string) {
	h.billed, h.own, h.last = map[billedKey]int64{}, map[billedKey]*rules.InvoiceRow{}, map[account]*rules.InvoiceRow{}
	for i := range h.invoices {
		r := &h.invoices[i]
		if r.Programme != programme {
			continue
		}
		of := billedKey{account{r.PartnerID, r.Currency}, r.Month}
		h.billed[of] += r.CommissionMinor
		if r.Month == r.ClosedIn {
			h.own[of] = r
		}
		if r.Type == Invoice {
			h.last[of.account] = r
		}
	}
}

func (h *history) add(c *rules.Closing, d *closingDocument) error {
	m, err := ParseMonth(c.Month)
	if err != nil {
		return err
	}
	for _, e := range d.Elsewhere {
		currency, _ := money.ParseCurrency(e.Currency)
		h.elsewhere[account{e.Partner, currency}] = e.CommissionMinor
	}
	if h.closed[m] == nil {
		h.closed[m] = map[string]bool{}
		h.months = append(h.months, m)
		h.spans[m] = span{c.From, c.Until}
	}
	if c.PartnerID == "" {
		h.whole[m] = true
	} else {
		h.closed[m][c.PartnerID] = true
	}
	return nil
}

// isClosed reports whether a month is closed for a partner; empty: for all.
func (h *history) isClosed(m Month, partner string) bool {
	return h.whole[m] || partner != "" && h.closed[m][partner]
}

// previousHash is that of the last closing.
func (h *history) previousHash() string {
	if len(h.all) == 0 {
		return ""
	}
	return hex.EncodeToString(h.all[len(h.all)-1].SHA256[:])
}

// spanOf is when a month begins and ends. It begins where the one before has ended,
// whatever the programme's zone is by now, so that no instant is in two or in none.
func (h *history) spanOf(m Month, c *offer.Catalogue, programme string) (span, error) {
	if s, known := h.spans[m]; known {
		return s, nil
	}
	// The zone of the version that holds when the month ends, nearly: it says when
	// that is.
	p := programmeAt(c, programme, rules.InstantOf(m.Next().begin()))
	if p == nil || p.Zone == nil {
		return span{}, fmt.Errorf("programme %q: there is none of that id in the catalogue up to the end of %s", programme, m)
	}
	s := span{millisOf(m.from(p.Zone)), millisOf(m.Next().from(p.Zone))}
	if n := len(h.months); n > 0 && h.months[n-1].Next() == m {
		s.from = h.spans[h.months[n-1]].until
	}
	return s, nil
}

// programmeAt is the programme as it is at an instant, or was when it ended.
func programmeAt(c *offer.Catalogue, id string, at rules.Instant) (last *offer.Programme) {
	for i := range c.Programmes {
		p := &c.Programmes[i]
		if p.ID == id && !p.Version.Ended && !p.Version.From.After(at) && (last == nil || last.Version.From.Before(p.Version.From)) {
			last = p
		}
	}
	return last
}

// numbering gives numbers without a gap: SERIES-YEAR-00001 and on.
type numbering struct {
	series string
	year   int
	last   int
}

const numberForm = "%s-%d-%05d"

// numbering goes on where a series of a year ended. Dates of a series never go back.
func (h *history) numbering(series string, issued time.Time) (*numbering, error) {
	n := &numbering{series: series, year: issued.Year()}
	prefix := fmt.Sprintf("%s-%d-", series, n.year)
	count := 0
	for i := range h.invoices {
		r := &h.invoices[i]
		if of, _, _ := strings.Cut(r.Number, "-"); of == series && r.IssuedOn > issued.Format(time.DateOnly) {
			return nil, fmt.Errorf("invoice %s is of %s, and today is %s: numbers must follow the dates, so set the clock",
				r.Number, r.IssuedOn, issued.Format(time.DateOnly))
		}
		text, is := strings.CutPrefix(r.Number, prefix)
		if !is {
			continue
		}
		number, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is no invoice number", rules.ErrNeedsPerson, r.Number)
		}
		n.last, count = max(n.last, number), count+1
	}
	if count != n.last {
		return nil, fmt.Errorf("%w: series %s of %d has %d invoices up to number %d: restore invoices_log from a backup",
			rules.ErrNeedsPerson, series, n.year, count, n.last)
	}
	return n, nil
}

func (n *numbering) next() string {
	n.last++
	return fmt.Sprintf(numberForm, n.series, n.year, n.last)
}
