package pipelinetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sqlclient "github.com/ClickHouse/clickhouse-go/v2"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/invoice"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

// What partners are billed is held to their lines of the ledger, which are added up here
// one by one, by the calendar of Paris, in no way that the ledger's own sums are made.

var paris = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return zone
}()

var (
	euro  = money.Currency{'E', 'U', 'R'}
	franc = money.Currency{'C', 'H', 'F'}
)

// billed is a world of partners and what is booked of them.
type billed struct {
	t       *testing.T
	random  *rand.Rand
	options clickhouse.Options
	ledger  *clickhouse.Ledger
	lines   []rules.Accrual // of the programme, confirmed, as they were booked
	batch   uint64
	now     time.Time
}

func newBilled(t *testing.T, seed uint64) *billed {
	t.Helper()
	server, database := localserverstest.ClickHouse(t)
	o := clickhouse.DefaultOptions()
	o.Addresses, o.User, o.Password, o.Database, o.GroupInterval = []string{server.Addr}, server.User, server.Password, database, 0
	w := &billed{t: t, random: rand.New(rand.NewPCG(seed, 7)), options: o}
	w.ledger = w.open()
	if err := w.ledger.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// open is what another process has of the same ledger.
func (w *billed) open() *clickhouse.Ledger {
	w.t.Helper()
	ledger, err := clickhouse.Open(w.t.Context(), w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := ledger.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return ledger
}

const billedProgramme = "city"

// begins is the first instant of a month of 2026 in Paris.
func begins(month int) time.Time {
	return time.Date(2026, time.Month(month), 1, 0, 0, 0, 0, paris)
}

// partnersBilled have fees that begin, change and end, and two ways of VAT.
func partnersBilled() *offer.Catalogue {
	party := func(name string) offer.Party {
		return offer.Party{Name: name, Street: "1 rue", City: "Lyon", Country: "FR", VATID: "FR83404833048"}
	}
	version := func(id string, from time.Time, feeMinor int64, vat offer.VAT) offer.Partner {
		at := rules.MinInstant
		if !from.IsZero() {
			at = rules.InstantOf(from)
		}
		return offer.Partner{
			ID: id, Version: offer.Version{ID: "v" + fmt.Sprint(at), From: at}, Programme: billedProgramme, Currency: euro,
			MonthlyFeeMinor: feeMinor, Billing: offer.BillingTerms{Buyer: party(id), VAT: vat},
		}
	}
	ended := version("left", begins(3), 0, offer.VAT{})
	ended.Version.Ended = true
	return &offer.Catalogue{
		Programmes: []offer.Programme{{
			ID: billedProgramme, Version: offer.Version{From: rules.MinInstant}, Currency: euro, Zone: paris,
			Billing: offer.Billing{Seller: party("Bank"), Series: "CL", VAT: offer.VAT{RateMillionths: 200_000}, PaymentDays: 30, Language: "en"},
		}},
		Partners: []offer.Partner{
			version("plain", time.Time{}, 0, offer.VAT{}),
			version("fee", time.Time{}, 4_900, offer.VAT{ReverseCharge: true}),
			version("fee", begins(3), 5_900, offer.VAT{RateMillionths: 55_000}),
			version("left", time.Time{}, 1_000, offer.VAT{}), ended,
			version("quiet", time.Time{}, 0, offer.VAT{}),
		},
	}
}

// feesOf are the fees of the catalogue above by month, written out.
var feesOf = map[string]map[int]int64{
	"fee":  {1: 4_900, 2: 4_900, 3: 5_900, 4: 5_900},
	"left": {1: 1_000, 2: 1_000}, // gone when March ends, and before it begins
}

// book books lines with Kafka timestamps in a month, at its very bounds too; every batch
// twice, as after a crash.
func (w *billed) book(month, count int) {
	w.t.Helper()
	from, until := begins(month).UnixMilli(), begins(month+1).UnixMilli()
	w.batch++
	d := &rules.Decision{Batch: w.batch, Positions: rules.Positions{-1, -1, -1, int64(w.batch)}, LastSeq: w.batch}
	for n := range count {
		at := from + w.random.Int64N(until-from)
		switch w.random.IntN(8) {
		case 0:
			at = from
		case 1:
			at = until - 1
		}
		d.Accruals = append(d.Accruals, w.line(at, int64(n)))
	}
	for range 2 {
		if err := w.ledger.Book(w.t.Context(), d); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range d.Accruals {
		if a := &d.Accruals[i]; a.Stage == rules.Confirmed && a.Programme == billedProgramme {
			w.lines = append(w.lines, *a)
		}
	}
}

func (w *billed) line(recordedAt, offset int64) rules.Accrual {
	id := sha256.Sum256(fmt.Appendf(nil, "%d %d", w.batch, offset))
	a := rules.Accrual{
		ID: rules.AccrualID(id[:16]), Programme: billedProgramme, AccountRef: rules.AccountRef{byte(w.random.IntN(5)) + 1},
		Role: rules.RolePartner, Kind: rules.CommissionKind, TransactionID: fmt.Sprint("t", w.random.IntN(20)),
		PartnerID: []string{"plain", "plain", "fee", "left"}[w.random.IntN(4)], OfferVersion: "v", Stage: rules.Confirmed, Unit: "EUR", Currency: euro,
		CommissionMinor: w.random.Int64N(3_000) - 1_200, PurchasedAt: rules.InstantOf(begins(1 + w.random.IntN(4))),
		Cause: rules.Cause{Kind: rules.CauseEvent, ID: fmt.Sprint("e", w.batch, "-", offset), Partition: 0, Offset: int64(w.batch), RecordedAt: recordedAt},
	}
	a.BasisMinor = a.CommissionMinor * 10
	switch w.random.IntN(10) {
	case 0: // an offer's own, in another currency
		a.OfferID, a.Currency, a.Unit = "own", franc, "CHF"
	case 1:
		a.OfferID = "own"
	case 2:
		a.Stage = rules.Expected
	case 3: // a member's
		a.Role, a.Kind, a.OfferID, a.CommissionMinor, a.RewardMinor, a.BeneficiaryRef = rules.RoleMember, rules.Cash, "own", 0, 5, a.AccountRef
	case 4:
		a.Programme = "country"
	}
	return a
}

// closer is one process that closes.
func (w *billed) closer(ledger invoice.Ledger) *invoice.Closer {
	return &invoice.Closer{Ledger: ledger, Catalogue: partnersBilled(), Now: func() time.Time { return w.now }}
}

func order(month int, partner string) invoice.Order {
	return invoice.Order{Programme: billedProgramme, Partner: partner, Month: invoice.Month{Year: 2026, Month: time.Month(month)}, By: "ada", Reason: "monthly run"}
}

// race has several processes close one month at once, for all and for one partner.
func (w *billed) race(month int) {
	w.t.Helper()
	w.now = begins(month + 1).Add(26 * time.Hour)
	var all sync.WaitGroup
	for _, partner := range []string{"", "fee", ""} {
		ledger := w.open()
		all.Go(func() {
			o := order(month, partner)
			o.First = true
			if _, err := w.closer(ledger).Close(w.t.Context(), o); err != nil {
				w.t.Errorf("close month %d for %q: %v", month, partner, err)
			}
		})
	}
	all.Wait()
}

func (w *billed) stored() (rows []rules.InvoiceRow) {
	w.t.Helper()
	rows, err := w.ledger.Invoices(w.t.Context(), clickhouse.InvoiceFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// owing is what a partner owes in a currency.
type owing struct {
	partner  string
	currency money.Currency
}

// check holds all documents to the lines that were booked up to the end of the month, and
// to the fees.
func (w *billed) check(last int) {
	w.t.Helper()
	want, got := map[owing]int64{}, map[owing]int64{}
	byMonth := map[owing]map[string]int64{}
	for i := range w.lines {
		a := &w.lines[i]
		if a.Role != rules.RolePartner {
			continue
		}
		at := time.UnixMilli(a.Cause.RecordedAt).In(paris)
		o := owing{a.PartnerID, a.Currency}
		want[o] += a.CommissionMinor
		if byMonth[o] == nil {
			byMonth[o] = map[string]int64{}
		}
		byMonth[o][at.Format("2006-01")] += a.CommissionMinor
	}
	for partner, fees := range feesOf {
		for month := 1; month <= last; month++ {
			want[owing{partner, euro}] += fees[month]
		}
	}
	rows := w.stored()
	for i := range rows {
		r := &rows[i]
		o := owing{r.PartnerID, r.Currency}
		got[o] += r.NetMinor
		byMonth[o][r.Month] -= r.CommissionMinor
		if number := fmt.Sprintf("CL-2026-%05d", i+1); r.Number != number {
			w.t.Fatalf("invoice %s stands where %s is due", r.Number, number)
		}
		w.checkDocument(r, rows[:i])
	}
	for o, minor := range want {
		if got[o] != minor {
			w.t.Errorf("%s is billed %d %s, and owes %d", o.partner, got[o], o.currency, minor)
		}
		for month, rest := range byMonth[o] {
			if rest != 0 {
				w.t.Errorf("%s: of %s %d %s are not billed", o.partner, month, rest, o.currency)
			}
		}
	}
	for o := range got {
		if _, owes := want[o]; !owes {
			w.t.Errorf("%s is billed in %s and owes nothing", o.partner, o.currency)
		}
	}
}

// checkPurchases counts the purchases of a month that was just closed, one by one.
func (w *billed) checkPurchases(month int) {
	w.t.Helper()
	type purchase struct {
		owing
		ref         rules.AccountRef
		transaction string
	}
	type part struct { // of a purchase: the partner's terms, or an offer
		role  rules.Role
		offer string
	}
	bases, owed := map[purchase]map[part]int64{}, map[purchase]int64{}
	for i := range w.lines {
		a := &w.lines[i]
		if at := time.UnixMilli(a.Cause.RecordedAt).In(paris); int(at.Month()) != month {
			continue
		}
		p := purchase{owing{a.PartnerID, a.Currency}, a.AccountRef, a.TransactionID}
		if bases[p] == nil {
			bases[p] = map[part]int64{}
		}
		bases[p][part{a.Role, a.OfferID}] += a.BasisMinor
		owed[p] += a.CommissionMinor
	}
	sales, returns := map[owing]rules.Purchases{}, map[owing]rules.Purchases{}
	for p, parts := range bases {
		spend, byTerms := parts[part{rules.RolePartner, ""}]
		for _, basis := range parts {
			if !byTerms && max(basis, -basis) > max(spend, -spend) {
				spend = basis
			}
		}
		into := sales
		if owed[p] < 0 || owed[p] == 0 && spend < 0 {
			into = returns
		}
		if sum := into[p.owing]; owed[p] != 0 || spend != 0 {
			into[p.owing] = rules.Purchases{Count: sum.Count + 1, SpendMinor: sum.SpendMinor + spend, CommissionMinor: sum.CommissionMinor + owed[p]}
		}
	}
	for _, r := range w.stored() {
		if r.Month != r.ClosedIn || r.Month != fmt.Sprintf("2026-%02d", month) {
			continue
		}
		d, err := invoice.Read(&r)
		if o := (owing{r.PartnerID, r.Currency}); err != nil || d.Sales != sales[o] || d.Returns != returns[o] {
			w.t.Errorf("%s says of purchases of %s %+v and %+v, and they are %+v and %+v (%v)", r.Number, r.PartnerID, d.Sales, d.Returns, sales[o], returns[o], err)
		}
	}
}

// checkDocument adds one up, and looks whether it names what it corrects.
func (w *billed) checkDocument(r *rules.InvoiceRow, before []rules.InvoiceRow) {
	w.t.Helper()
	d, err := invoice.Read(r)
	if err != nil {
		w.t.Fatal(err)
	}
	net := int64(0)
	for _, l := range d.Lines {
		net += l.NetMinor
	}
	tax := new(big.Rat).SetFrac64(d.NetMinor*d.VAT.RateMillionths, 1_000_000)
	rounded, _ := new(big.Int).SetString(tax.FloatString(0), 10) // half away from zero
	if net != d.NetMinor || net < 0 || d.VATMinor != rounded.Int64() || d.GrossMinor != d.NetMinor+d.VATMinor || r.GrossMinor != d.Sign()*d.GrossMinor {
		w.t.Errorf("%s doesn't add up: %s", r.Number, r.Document)
	}
	own := r.Month == r.ClosedIn
	i := slices.IndexFunc(before, func(b rules.InvoiceRow) bool {
		return b.PartnerID == r.PartnerID && b.Currency == r.Currency && b.Month == r.Month && b.ClosedIn == r.Month
	})
	switch {
	case own && i >= 0:
		w.t.Errorf("%s bills %s of %s once more after %s", r.Number, r.Month, r.PartnerID, before[i].Number)
	case !own && i >= 0 && r.Corrects != before[i].Number:
		w.t.Errorf("%s corrects %q, and %s was billed by %s", r.Number, r.Corrects, r.Month, before[i].Number)
	case !own && i >= 0:
		was, err := invoice.Read(&before[i])
		if err != nil || was.VAT != d.VAT {
			w.t.Errorf("%s is taxed %v, and what it corrects %v (%v)", r.Number, d.VAT, was.VAT, err)
		}
	case !own && r.Corrects != "":
		w.t.Errorf("%s corrects %s, and nothing was billed of %s", r.Number, r.Corrects, r.Month)
	}
}

// TestInvoicesAddUpToTheLedger: whatever is booked late into closed months, and whoever
// closes at once, the documents of each partner come to his lines and fees.
func TestInvoicesAddUpToTheLedger(t *testing.T) {
	t.Parallel()
	for seed := range localserverstest.Cases(1, 12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newBilled(t, uint64(seed))
			w.book(0, 20) // before the first month: billed elsewhere
			w.lines = nil
			closed := 0
			for month := 1; month <= 4; month++ {
				w.book(month, 60)
				for late := 0; late < month && month > 1; late++ {
					w.book(late, 3+w.random.IntN(10)) // its Kafka timestamps are of a month that is closed
				}
				w.race(month)
				w.check(month)
				w.checkPurchases(month)
				before := len(w.stored())
				again, err := w.closer(w.ledger).Close(t.Context(), order(month, ""))
				if now := len(w.stored()); err != nil || !again.Again || now != before || now == closed {
					t.Errorf("month %d: %d documents, closed again %d, before it %d: %v", month, before, now, closed, err)
				}
				closed = before
			}
		})
	}
}

// dyingLedger dies at one step of a closing.
type dyingLedger struct {
	invoice.Ledger
	before, after bool // the closing is stored
	action        bool // before the audit trail has it
}

var errDies = errors.New("died")

func (d *dyingLedger) RecordAction(ctx context.Context, a *rules.OperatorAction) error {
	if d.action {
		return errDies
	}
	return d.Ledger.RecordAction(ctx, a)
}

func (d *dyingLedger) CloseMonth(ctx context.Context, c *rules.Closing, invoices []rules.InvoiceRow) (bool, error) {
	if d.before {
		return false, errDies
	}
	won, err := d.Ledger.CloseMonth(ctx, c, invoices)
	if d.after {
		err = errDies
	}
	return won, err
}

// TestAClosingThatDiesIsWholeOrNotThere, at every step; closing again completes it, and gives
// no number twice.
func TestAClosingThatDiesIsWholeOrNotThere(t *testing.T) {
	t.Parallel()
	w := newBilled(t, 3)
	w.book(1, 40)
	w.now = begins(2).Add(time.Hour)
	for _, dies := range []*dyingLedger{{action: true}, {before: true}, {after: true}} {
		dies.Ledger = w.ledger
		if _, err := w.closer(dies).Close(t.Context(), order(1, "")); dies.after == (len(w.stored()) == 0) || !errors.Is(err, errDies) {
			t.Fatalf("%+v: %d documents are stored: %v", dies, len(w.stored()), err)
		}
	}
	stored := w.stored()
	again, err := w.closer(w.ledger).Close(t.Context(), order(1, ""))
	if err != nil || !again.Again || len(w.stored()) != len(stored) {
		t.Fatalf("closed again: %+v, %v", again.Closing, err)
	}
	w.check(1)
	closings, err := w.ledger.Closings(t.Context())
	if err != nil || len(closings) != 1 || !strings.Contains(string(closings[0].Document), stored[0].Number) {
		t.Errorf("what is stored of the closing names no invoice: %v, %v", closings, err)
	}
	actions, err := w.ledger.Actions(t.Context())
	if err != nil || len(actions) == 0 || actions[0].By != "ada" {
		t.Errorf("the audit trail has %v (%v)", actions, err)
	}
}

// TestAMonthThatCantBeClosedIsRefused, and what is closed by the word that is missing.
func TestAMonthThatCantBeClosedIsRefused(t *testing.T) {
	t.Parallel()
	w := newBilled(t, 5)
	w.book(1, 20)
	w.book(2, 20)
	w.now = begins(3).Add(-time.Hour)
	refused := func(want string, o invoice.Order, change func(*invoice.Closer)) {
		t.Helper()
		c := w.closer(w.ledger)
		if change != nil {
			change(c)
		}
		if _, err := c.Close(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	early, first := order(2, ""), order(2, "")
	first.First = true
	first.Early, early.Early = true, true
	refused("still to come", order(2, ""), nil)
	refused("--first", early, nil)
	refused("records wait", first, func(c *invoice.Closer) {
		c.Whole = func(context.Context, int64) error { return errors.New("records wait") }
	})
	refused("nothing of billing", order(1, ""), func(c *invoice.Closer) { c.Catalogue.Programmes[0].Billing = offer.Billing{} })
	refused("no company that is billed", order(1, ""), func(c *invoice.Closer) { c.Catalogue.Partners[0].Billing = offer.BillingTerms{} })
	refused("no partner \"fees\"", order(1, "fees"), nil)
	refused("programme \"none\"", invoice.Order{Programme: "none", Month: order(1, "").Month}, nil)

	dry := order(1, "")
	dry.Dry = true
	tried, err := w.closer(w.ledger).Close(t.Context(), dry)
	if err != nil || len(tried.Invoices) == 0 || len(w.stored()) != 0 {
		t.Fatalf("a dry run: %d documents, %d stored: %v", len(tried.Invoices), len(w.stored()), err)
	}
	if _, err := w.closer(w.ledger).Close(t.Context(), order(1, "fee")); err != nil {
		t.Fatal(err)
	}
	refused("2026-01 isn't closed yet", early, nil)
	if _, err := w.closer(w.ledger).Close(t.Context(), order(1, "")); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.AddDate(0, -1, 0)
	refused("set the clock", early, nil)
}

// TestWhatWasClosedIsHeldToItsHashes: a document that somebody has changed, or taken away, is
// told, and no month is closed over it.
func TestWhatWasClosedIsHeldToItsHashes(t *testing.T) {
	t.Parallel()
	w := newBilled(t, 4)
	w.book(1, 30)
	w.race(1)
	w.exec("CREATE TABLE kept ENGINE = MergeTree ORDER BY (position, row) AS SELECT * FROM invoices_log")
	for name, change := range map[string]string{
		"another document": "* REPLACE (replaceOne(document, 'net_minor', 'net_minus') AS document) FROM kept",
		"one less":         "* FROM kept WHERE row != 1",
		"a closing less":   "* FROM kept WHERE row != 0",
		"one twice":        "* FROM kept UNION ALL SELECT * REPLACE ('another' AS attempt) FROM kept WHERE row = 1",
		"a closing twice":  "* FROM kept UNION ALL SELECT * REPLACE ('another' AS attempt) FROM kept WHERE row = 0",
		"nothing":          "* FROM kept",
	} {
		w.exec("TRUNCATE TABLE invoices_log")
		w.exec("INSERT INTO invoices_log SELECT " + change + " SETTINGS insert_deduplicate = 0")
		_, listed := w.ledger.Invoices(t.Context(), clickhouse.InvoiceFilter{})
		next := order(2, "")
		next.Dry = true
		w.now = begins(3).Add(time.Hour)
		_, closed := w.closer(w.ledger).Close(t.Context(), next)
		if told := listed != nil || closed != nil; told != (name != "nothing") {
			t.Errorf("%s: told is %v, %v", name, listed, closed)
		}
	}
}

func (w *billed) exec(statement string) {
	w.t.Helper()
	o := &w.options
	conn, err := sqlclient.Open(&sqlclient.Options{Addr: o.Addresses, Auth: sqlclient.Auth{Database: o.Database, Username: o.User, Password: o.Password}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(w.t.Context(), statement); err != nil {
		w.t.Fatal(err)
	}
}
