package compare

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ristourne/processor/ledgerjson"
	"ristourne/processor/replay"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/explain"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// Store is a ledger as it is stored.
type Store interface {
	Shards(ctx context.Context) (int, error)
	Marker(ctx context.Context, shard int32) (rules.Marker, bool, error)
	Rows(ctx context.Context, upTo *rules.Marker, each func(*rules.AccountHistory) error) error
}

// Comparison holds a file against the ledger. It holds the file, one account at a
// time, and as many differences as are listed.
type Comparison struct {
	Store     Store
	Snapshot  *engine.Snapshot
	File      *File
	Programme string
	Zone      *time.Location // of the file's dates
	Limit     int            // of the differences that are listed, with why they are
	Progress  func()         // told after each account; nil: nobody is
}

// Kind says in which way the two systems differ.
type Kind string

// The kinds.
const (
	OnlyThey    Kind = "only_they" // the other system paid, and nothing is due here
	OnlyWe      Kind = "only_we"   // it is due here, and the other system didn't pay
	TheyPayMore Kind = "they_pay_more"
	WePayMore   Kind = "we_pay_more"
	Unknown     Kind = "unknown_account" // nothing was ever taken of the account here
)

// Difference is one payout, or sum of payouts, that the systems don't have alike.
type Difference struct {
	Kind        Kind   `json:"kind"`
	AccountID   string `json:"account_id"`
	Transaction string `json:"transaction_id,omitempty"`
	Cycle       string `json:"cycle,omitempty"`
	Currency    string `json:"currency"`
	TheirsMinor int64  `json:"theirs_minor"`
	OursMinor   int64  `json:"ours_minor"`
	FileLines   []int  `json:"file_lines"` // at most 10
	// Why says what ours follows from, for a person; Lines and Trace for programs.
	Why   []string             `json:"why"`
	Lines []ledgerjson.Accrual `json:"lines,omitempty"`
	Trace *explain.Explanation `json:"trace,omitempty"` // of a purchase
}

// Summary is what the comparison comes to in one currency.
type Summary struct {
	Currency    string         `json:"currency"`
	Same        int64          `json:"same"`      // payouts that both have alike
	Differing   map[Kind]int64 `json:"differing"` // by kind
	TheirsMinor int64          `json:"theirs_minor"`
	OursMinor   int64          `json:"ours_minor"`
}

// Found is what the comparison comes to.
type Found struct {
	By          By           `json:"by"`
	Rows        int          `json:"rows"`
	Accounts    int64        `json:"accounts"` // looked at here
	Summaries   []Summary    `json:"summaries"`
	Differences []Difference `json:"differences"` // so many as are listed
	Differing   int64        `json:"differing"`   // all
}

// key is what is compared: a currency, and the purchase or cycle.
type key struct {
	of       string
	currency money.Currency
}

type comparing struct {
	*Comparison
	found  Found
	sums   map[money.Currency]*Summary
	cycles map[string]bool // that the file has
	from   rules.Instant
	until  rules.Instant
	seen   map[string]bool // accounts of the file
}

// Run reads the whole ledger.
func (c *Comparison) Run(ctx context.Context) (*Found, error) {
	w := &comparing{
		Comparison: c, found: Found{By: c.File.By, Rows: c.File.Rows, Summaries: []Summary{}, Differences: []Difference{}},
		sums: map[money.Currency]*Summary{}, cycles: map[string]bool{}, from: rules.MinInstant, until: rules.MaxInstant, seen: map[string]bool{},
	}
	for _, payouts := range c.File.Accounts {
		for i := range payouts {
			w.cycles[payouts[i].Of] = true
		}
	}
	if !c.File.From.IsZero() {
		w.from, w.until = localMidnight(c.File.From, c.Zone), localMidnight(c.File.Until, c.Zone)
	}
	shards, err := c.Store.Shards(ctx)
	if err != nil {
		return nil, err
	}
	for shard := range int32(shards) {
		marker, found, err := c.Store.Marker(ctx, shard)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		if err := c.Store.Rows(ctx, &marker, w.account); err != nil {
			return nil, fmt.Errorf("compare with shard %d: %w", shard, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.File.Accounts)) {
		if !w.seen[id] {
			w.unknown(id)
		}
	}
	for _, currency := range slices.SortedFunc(maps.Keys(w.sums), func(x, y money.Currency) int { return cmp.Compare(x.String(), y.String()) }) {
		w.found.Summaries = append(w.found.Summaries, *w.sums[currency])
	}
	return &w.found, nil
}

func localMidnight(day time.Time, zone *time.Location) rules.Instant {
	return rules.InstantOf(time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone))
}

// theirs are the file's sums of an account.
func (w *comparing) theirs(id string) (sums map[key]int64, lines map[key][]int) {
	sums, lines = map[key]int64{}, map[key][]int{}
	for _, p := range w.File.Accounts[id] {
		k := key{p.Of, p.Currency}
		sums[k] += p.AmountMinor
		if len(lines[k]) < 10 {
			lines[k] = append(lines[k], p.Line)
		}
	}
	return sums, lines
}

// unknown tells of an account that is in the file alone.
func (w *comparing) unknown(id string) {
	sums, lines := w.theirs(id)
	for _, k := range sorted(sums) {
		d := w.difference(id, k, sums[k], 0, lines[k])
		d.Kind, d.Why = Unknown, []string{"nothing was ever taken of this account: is it enrolled, under this id?"}
		w.add(d)
	}
}

func sorted(sums map[key]int64) []key {
	return slices.SortedFunc(maps.Keys(sums), func(x, y key) int {
		return cmp.Or(cmp.Compare(x.of, y.of), cmp.Compare(x.currency.String(), y.currency.String()))
	})
}

func (w *comparing) difference(id string, k key, theirs, ours int64, lines []int) Difference {
	d := Difference{AccountID: id, Currency: k.currency.String(), TheirsMinor: theirs, OursMinor: ours, FileLines: append([]int{}, lines...)}
	switch w.File.By {
	case ByPurchase:
		d.Transaction = k.of
	case ByCycle:
		d.Cycle = k.of
	case ByAccount:
	}
	switch {
	case ours == 0:
		d.Kind = OnlyThey
	case len(lines) == 0:
		d.Kind = OnlyWe
	case theirs > ours:
		d.Kind = TheyPayMore
	default:
		d.Kind = WePayMore
	}
	return d
}

// sum is that of a currency.
func (w *comparing) sum(c money.Currency) *Summary {
	s := w.sums[c]
	if s == nil {
		s = &Summary{Currency: c.String(), Differing: map[Kind]int64{}}
		w.sums[c] = s
	}
	return s
}

func (w *comparing) add(d Difference) {
	c, _ := money.ParseCurrency(d.Currency) // of the file or the ledger: known
	s := w.sum(c)
	s.Differing[d.Kind]++
	s.TheirsMinor, s.OursMinor = s.TheirsMinor+d.TheirsMinor, s.OursMinor+d.OursMinor
	w.found.Differing++
	if len(w.found.Differences) < w.Limit {
		w.found.Differences = append(w.found.Differences, d)
	}
}

// account compares one account.
func (w *comparing) account(h *rules.AccountHistory) error {
	if h.AccountID == "" {
		return nil // erased: nobody can say whose it was
	}
	w.found.Accounts++
	w.seen[h.AccountID] = len(h.Set) > 0
	if len(h.Set) == 0 {
		return nil
	}
	theirs, lines := w.theirs(h.AccountID)
	ours := w.ours(h)
	all := maps.Clone(theirs)
	maps.Copy(all, ours)
	for _, k := range sorted(all) {
		if theirs[k] == ours[k] {
			s := w.sum(k.currency)
			s.Same++
			s.TheirsMinor, s.OursMinor = s.TheirsMinor+theirs[k], s.OursMinor+ours[k]
			continue
		}
		d := w.difference(h.AccountID, k, theirs[k], ours[k], lines[k])
		if len(w.found.Differences) < w.Limit {
			if err := w.explain(&d, h); err != nil {
				return err
			}
		}
		w.add(d)
	}
	if w.Progress != nil {
		w.Progress()
	}
	return nil
}

// ours is what is confirmed or instructed here of what the file is of; sums of 0 are
// none.
func (w *comparing) ours(h *rules.AccountHistory) map[key]int64 {
	sums := map[key]int64{}
	if w.File.By == ByPurchase {
		for i := range h.Lines {
			if l := &h.Lines[i]; w.isCash(l) && l.TransactionID != "" && w.covers(l.PurchasedAt) {
				sums[key{l.TransactionID, l.Currency}] += l.RewardMinor
			}
		}
	} else {
		dates := datesOf(h)
		for i := range h.Instructed {
			x := &h.Instructed[i]
			switch {
			case w.Programme != "" && x.Programme != w.Programme:
			case w.File.By == ByCycle && w.cycles[x.Cycle]:
				sums[key{x.Cycle, x.Currency}] += x.SignedMinor()
			case w.File.By == ByAccount && w.covers(dates[replay.KeyOf(&x.Cause)]):
				sums[key{"", x.Currency}] += x.SignedMinor()
			}
		}
	}
	maps.DeleteFunc(sums, func(_ key, minor int64) bool { return minor == 0 })
	return sums
}

func (w *comparing) isCash(l *rules.Accrual) bool {
	return l.Kind == rules.Cash && l.Stage == rules.Confirmed && l.Role != rules.RolePartner && (w.Programme == "" || l.Programme == w.Programme)
}

func (w *comparing) covers(at rules.Instant) bool { return !at.Before(w.from) && at.Before(w.until) }

// datesOf are what the records of an account are dated: of a cycle, its end.
func datesOf(h *rules.AccountHistory) map[replay.CauseKey]rules.Instant {
	dates := make(map[replay.CauseKey]rules.Instant, len(h.Set))
	for i := range h.Set {
		dates[replay.KeyOf(&h.Set[i].Cause)] = h.Set[i].OccurredAt
	}
	return dates
}

const (
	maxWhy   = 12  // sentences of one difference
	maxLines = 200 // of the ledger, with one difference
)

// explain says what ours follows from.
func (w *comparing) explain(d *Difference, h *rules.AccountHistory) error {
	if d.Transaction != "" {
		return w.explainPurchase(d, h)
	}
	confirmed, instructed := int64(0), int64(0)
	for i := range h.Lines {
		if l := &h.Lines[i]; w.isCash(l) && l.Currency.String() == d.Currency {
			confirmed += l.RewardMinor
			if len(d.Lines) < maxLines {
				d.Lines = append(d.Lines, ledgerjson.Of(l))
			}
		}
	}
	for i := range h.Instructed {
		x := &h.Instructed[i]
		if x.Currency.String() != d.Currency || w.Programme != "" && x.Programme != w.Programme {
			continue
		}
		instructed += x.SignedMinor()
		cycle := "at once"
		if x.Cycle != "" {
			cycle = "in cycle " + x.Cycle
		}
		if d.Cycle == "" || x.Cycle == d.Cycle {
			d.why("instructed %s: a %s of %s (%s)", cycle, x.Direction, money.FormatMinor(x.AmountMinor, x.Currency), x.ID)
		}
	}
	c, _ := money.ParseCurrency(d.Currency)
	d.why("over all time %s are confirmed and %s instructed: the rest is not mature, less than is paid, or a debt", money.FormatMinor(confirmed, c), money.FormatMinor(instructed, c))
	return nil
}

func (d *Difference) why(format string, args ...any) {
	if len(d.Why) < maxWhy {
		d.Why = append(d.Why, fmt.Sprintf(format, args...))
	}
}

// explainPurchase tells of the purchase what each offer gave, and why no more.
func (w *comparing) explainPurchase(d *Difference, h *rules.AccountHistory) error {
	told, err := replay.Explain(w.Snapshot, h.AccountID, &replay.History{Set: h.Set, Grants: h.Grants, Accruals: h.Lines, Instructions: h.Instructed}, []string{d.Transaction})
	if err != nil {
		return fmt.Errorf("explain purchase %s of account %s: %w", d.Transaction, h.AccountID, err)
	}
	for i := range told {
		x := &told[i]
		d.Trace, d.Lines = x.Explanation, x.Lines
		switch x.Outcome {
		case "unknown":
			d.why("nothing is known of the purchase: its events were declined, at no partner, too late, or of a time before the account was enrolled")
		case "waiting":
			d.why("its events wait for one that opens the purchase")
		case "earns nothing":
			d.why("it earns nothing: %s", strings.Join(x.Why, ", "))
		case "referral":
			d.why("another made it, whom the account referred")
		}
		if x.Confirmed == nil {
			continue
		}
		for n := range x.Confirmed.Offers {
			d.Why = append(d.Why, offerText(&x.Confirmed.Offers[n]))
		}
	}
	if more := len(d.Why) - maxWhy; more > 0 {
		d.Why = append(d.Why[:maxWhy], fmt.Sprintf("and %d more", more))
	}
	return nil
}

// offerText says what an offer gave, and the codes of why no more.
func offerText(o *explain.ExplainedOffer) string {
	name := o.OfferID
	if o.PartnerID != "" {
		name = o.PartnerID + "/" + name
	}
	text := "offer " + name + " gives nothing"
	if o.AwardMinor != 0 {
		text = fmt.Sprintf("offer %s gives %s of %s", name, offer.FormatUnits(o.AwardMinor, o.Unit, o.UnitDecimals), offer.FormatUnits(o.BasisMinor, o.Currency, 0))
	}
	if len(o.Why) > 0 {
		text += ": " + strings.Join(o.Why, ", ")
	}
	return text
}
