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
	h := &history{all: closings, invoices: invoices, spans: map[Month]span{}, closed: map[Month]map[string]bool{}, whole: map[Month]bool{}}
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
			return nil, fmt.Errorf("%w: the closing of %s of programme %s doesn't follow on the one before it: restore invoices_log from a backup", rules.ErrNeedsPerson, c.Month, c.Programme)
		}
		previous = hex.EncodeToString(c.SHA256[:])
		for _, n := range d.Invoices {
			if numbers[n.Number] != n.SHA256 {
				return nil, fmt.Errorf("%w: invoice %s, closed with %s of programme %s, is gone or was changed: restore invoices_log from a backup", rules.ErrNeedsPerson, n.Number, c.Month, c.Programme)
			}
		}
		named += len(d.Invoices)
		if c.Programme == programme {
			if err := h.add(c); err != nil {
				return nil, err
			}
		}
	}
	if named != len(invoices) {
		return nil, fmt.Errorf("%w: %d invoices are stored, and closings name %d: restore invoices_log from a backup", rules.ErrNeedsPerson, len(invoices), named)
	}
	slices.SortFunc(h.months, func(a, b Month) int { return a.begin().Compare(b.begin()) })
	return h, nil
}

func (h *history) add(c *rules.Closing) error {
	m, err := ParseMonth(c.Month)
	if err != nil {
		return err
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
	p := offer.InForceAt(c.Programmes, programme, rules.InstantOf(m.Next().begin()))
	if p == nil || p.Zone == nil {
		return span{}, fmt.Errorf("programme %q: there is none of that id in the catalogue at the end of %s", programme, m)
	}
	s := span{millisOf(m.from(p.Zone)), millisOf(m.Next().from(p.Zone))}
	if n := len(h.months); n > 0 && h.months[n-1].Next() == m {
		s.from = h.spans[h.months[n-1]].until
	}
	return s, nil
}

// billed is the commission that was billed of a month.
func (h *history) billed(programme, partner string, currency money.Currency, m Month) (minor int64) {
	month := m.String()
	for i := range h.invoices {
		if r := &h.invoices[i]; r.Programme == programme && r.PartnerID == partner && r.Currency == currency && r.Month == month {
			minor += r.CommissionMinor
		}
	}
	return minor
}

// documentOf is the document by which a month itself was billed; nil: it came to
// nothing.
func (h *history) documentOf(programme, partner string, currency money.Currency, m Month) *rules.InvoiceRow {
	month := m.String()
	for i := range h.invoices {
		if r := &h.invoices[i]; r.Programme == programme && r.PartnerID == partner && r.Currency == currency && r.Month == month && r.ClosedIn == month {
			return r
		}
	}
	return nil
}

// lastInvoice is the last that was not a credit note; nil: there is none.
func (h *history) lastInvoice(programme, partner string, currency money.Currency) *rules.InvoiceRow {
	for i := len(h.invoices) - 1; i >= 0; i-- {
		if r := &h.invoices[i]; r.Programme == programme && r.PartnerID == partner && r.Currency == currency && r.Type == Invoice {
			return r
		}
	}
	return nil
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
			return nil, fmt.Errorf("invoice %s is of %s, and today is %s: numbers must follow the dates, so set the clock", r.Number, r.IssuedOn, issued.Format(time.DateOnly))
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
		return nil, fmt.Errorf("%w: series %s of %d has %d invoices up to number %d: restore invoices_log from a backup", rules.ErrNeedsPerson, series, n.year, count, n.last)
	}
	return n, nil
}

func (n *numbering) next() string {
	n.last++
	return fmt.Sprintf(numberForm, n.series, n.year, n.last)
}
