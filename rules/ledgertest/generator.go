package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// GenOptions shape what a generator makes up. The zero value is good for
// comparing two implementations of the ledger.
type GenOptions struct {
	Accounts int       // 3 where 0
	Partners int       // 3 where 0
	Start    time.Time // of the accounts' lives; near a change of clocks where zero
	// Span is how long they go on: from weeks to years where 0.
	Span time.Duration
	// Partnered is the percentage of purchases made where a partner's key is
	// named; 80 where 0.
	Partnered int
	// Orderless leaves out whatever depends on the order of arrival: each
	// account's enrolments come first, everything that would open a purchase
	// matches, no id has two contents, nothing comes too late, and little
	// waits. What Shuffle and Duplicate then make of the records has the same
	// sums. Span is at most 90 days then.
	Orderless bool
	// Language is how much the offers say: rates and amounts where 0.
	Language Language
	// Budgets gives offers and campaigns budgets, where the language is more
	// than basic. The ledger then depends on the order of decisions.
	Budgets bool
	// Payouts lets programmes pay in cycles, hold, write off and the like. What is
	// paid then depends on the order of arrival.
	Payouts bool
	// Expiries lets wallet money and points expire, once cycles close.
	Expiries bool
	// Catalogue is used instead of one that is made up. It needs a programme;
	// members are enrolled in its first.
	Catalogue *offer.Catalogue
}

// Generator makes up a catalogue and the records of some accounts' lives. The
// same seed, options and calls give the same.
type Generator struct {
	rng     *rand.Rand
	o       GenOptions
	horizon int
	// plain cases have little that keeps a purchase from earning, so that
	// awards meet one another in caps, groups and cuts.
	plain    bool
	unlinked bool // refunds that name no purchase
	features [numFeatures]bool
	base     money.Currency
	cat      *offer.Catalogue
	oracle   oracle
	keys     []offer.Key
	edges    []rules.Instant
	minima   []int64
	spans    []int // days of N x 24 h
	ids      []string
	lives    []*life
}

// NewGenerator starts a generator from a seed.
func NewGenerator(seed uint64, o GenOptions) *Generator {
	g := &Generator{rng: rand.New(rand.NewPCG(seed, 0x5eed)), o: o}
	g.horizon = pick(g.rng, 20, 45, offer.DefaultHorizonDays)
	if g.o.Accounts == 0 {
		g.o.Accounts = 3
	}
	if g.o.Partners == 0 {
		g.o.Partners = 3
	}
	if g.o.Start.IsZero() {
		g.o.Start = pick(
			g.rng, time.Date(2024, 3, 18, 0, 0, 0, 0, time.UTC), time.Date(2024, 10, 14, 0, 0, 0, 0, time.UTC),
			time.Date(2024, 2, 20, 0, 0, 0, 0, time.UTC), time.Date(2023, 12, 15, 0, 0, 0, 0, time.UTC),
		)
	}
	if g.o.Span == 0 {
		g.o.Span = time.Duration(pick(g.rng, 15, 40, 3*g.horizon, 900)) * 24 * time.Hour
	}
	g.plain = g.chance(40)
	g.unlinked = g.chance(60)
	if o.Payouts { // much to pay
		g.plain = g.plain || g.chance(60)
	}
	if g.o.Partnered == 0 {
		g.o.Partnered = 80
		if g.plain {
			g.o.Partnered = 95
		}
	}
	if o.Catalogue != nil {
		g.horizon = o.Catalogue.Programmes[0].HorizonDays
	}
	if most := time.Duration(min(g.horizon, waitingDays)) * 24 * time.Hour; o.Orderless && g.o.Span > most {
		g.o.Span = most
	}
	g.cat = o.Catalogue
	if g.cat == nil {
		g.cat = g.makeCatalogue()
		holdOut(rand.New(rand.NewPCG(seed, 0x401d)), g.o.Language, g.cat)
		if o.Payouts {
			g.payOut(g.cat)
			g.expire(g.cat)
		}
	}
	g.oracle = newOracle(g.cat)
	g.edges = g.boundaries(g.cat)
	g.minima, g.spans = numbersOf(g.cat)
	for _, p := range g.cat.Partners {
		for _, s := range p.Stores {
			g.keys = append(g.keys, s.Keys...)
		}
		for _, o := range p.Offers {
			g.ids = append(g.ids, o.ID)
		}
	}
	for _, p := range g.cat.Programmes {
		for _, o := range p.Offers {
			g.ids = append(g.ids, o.ID)
		}
	}
	for i := range g.o.Accounts {
		g.lives = append(g.lives, g.born(i))
	}
	return g
}

// Catalogue is what the generator's records are to be judged by. It is not to
// be changed.
func (g *Generator) Catalogue() *offer.Catalogue { return g.cat }

// Records are the first n records to arrive of the accounts' lives. Each call
// makes up the lives of new accounts.
func (g *Generator) Records(n int) []Record {
	var arrivals []arrival
	for _, l := range g.lives {
		g.memberLife(l)
	}
	// An orderless purchase that matches nowhere gives no record: a catalogue
	// without keys must not keep us here for ever.
	for i := 0; g.arrived() < n && i < 1000+20*n; i++ {
		g.purchase(g.lives[i%len(g.lives)])
	}
	for i, l := range g.lives {
		g.factsOfPurchases(l)
		arrivals = append(arrivals, l.arrivals...)
		g.lives[i] = g.born(l.number + len(g.lives))
	}
	if !g.o.Orderless {
		arrivals = append(arrivals, g.conflicts(arrivals)...)
	}
	arrivals = append(arrivals, g.repeats(arrivals)...)
	slices.SortStableFunc(arrivals, func(x, y arrival) int { return x.at.Compare(y.at) })
	records := make([]Record, 0, len(arrivals))
	for _, a := range arrivals {
		records = append(records, a.Record)
	}
	if g.o.Orderless {
		records = enrolmentsFirst(records)
	}
	return records[:min(n, len(records))]
}

func (g *Generator) arrived() int {
	total := 0
	for _, l := range g.lives {
		total += len(l.arrivals)
	}
	return total
}

// Shuffle permutes records in a way that keeps the sums: those of an orderless
// generator freely but for the enrolments, which stay first.
func Shuffle(rng *rand.Rand, records []Record) []Record {
	shuffled := slices.Clone(records)
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	return enrolmentsFirst(shuffled)
}

// Interleave permutes records of any generator in a way that keeps sums and
// fates: each account's own records stay in their order.
func Interleave(rng *rand.Rand, records []Record) []Record {
	queues := map[string][]Record{}
	var turns []string
	for _, r := range records {
		queues[r.AccountID()] = append(queues[r.AccountID()], r)
		turns = append(turns, r.AccountID())
	}
	rng.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	mixed := make([]Record, 0, len(records))
	for _, id := range turns {
		mixed = append(mixed, queues[id][0])
		queues[id] = queues[id][1:]
	}
	return mixed
}

// Duplicate sends about percent of the records of an orderless generator once
// more, at any place. The sums stay.
func Duplicate(rng *rand.Rand, records []Record, percent int) []Record {
	twice := slices.Clone(records)
	for _, r := range records {
		if rng.IntN(100) < percent {
			twice = slices.Insert(twice, rng.IntN(len(twice)+1), r)
		}
	}
	return enrolmentsFirst(twice)
}

func enrolmentsFirst(records []Record) []Record {
	var first, rest []Record
	for _, r := range records {
		if r.Fact != nil && r.Fact.Type == rules.Enrolled {
			first = append(first, r)
		} else {
			rest = append(rest, r)
		}
	}
	return append(first, rest...)
}

// Timestamps are Kafka timestamps for records, in milliseconds since 1970: they
// never fall, and no record is ahead of its own.
func Timestamps(records []Record) []int64 {
	stamps := make([]int64, 0, len(records))
	newest := int64(0)
	for _, r := range records {
		dates := []rules.Instant{}
		if r.Event == nil {
			dates = append(dates, dateOf(r))
		} else {
			dates = append(dates, r.Event.OccurredAt, r.Event.PurchaseTime())
		}
		for _, d := range dates {
			newest = max(newest, d.Sec*1000+int64(d.Nsec)/1_000_000+1)
		}
		stamps = append(stamps, newest)
	}
	return stamps
}

// arrival is a record and when it comes in.
type arrival struct {
	Record
	at rules.Instant
}

// life is what the generator keeps of one account.
type life struct {
	number    int
	id        string
	cards     []string
	arrivals  []arrival
	sequence  int
	cycles    int             // that are closed
	followUps int             // records that may have to wait
	times     []rules.Instant // purchase times so far, for ties
	ids       []string        // purchases so far
	authOnly  []string        // purchases that nothing clears
	unlinked  []string        // transactions that refunds name and no purchase has
}

func (g *Generator) born(number int) *life {
	l := &life{number: number, id: fmt.Sprintf("account-%d", number+1)}
	for i := range 1 + g.rng.IntN(3) {
		l.cards = append(l.cards, fmt.Sprintf("card-%d-%c", number+1, 'a'+i))
	}
	return l
}

// name is an id whose order says nothing about time.
func (g *Generator) name(l *life, prefix string) string {
	l.sequence++
	return fmt.Sprintf("%s%c%d", prefix, 'a'+g.rng.IntN(26), l.sequence)
}

// delay is how long a record takes to arrive.
func (g *Generator) delay() time.Duration {
	day := 24 * time.Hour
	switch n := g.rng.IntN(100); {
	case n < 60:
		return time.Duration(g.rng.Int64N(int64(time.Minute)))
	case n < 85:
		return time.Duration(g.rng.Int64N(int64(5 * day)))
	case n < 95:
		return time.Duration(g.rng.Int64N(int64(40 * day)))
	default:
		return time.Duration(g.rng.Int64N(int64(time.Duration(2*g.horizon+60) * day)))
	}
}

func (g *Generator) sendEvent(l *life, e rules.Event) {
	if !e.Type.Opens() {
		l.followUps++
	}
	if g.o.Orderless {
		if _, matches := g.oracle.match(&e); e.Type.Opens() && !matches && !e.Declined {
			return
		}
		if l.followUps > waitingLimit/2 && !e.Type.Opens() {
			return
		}
		e.OccurredAt = g.within(e.OccurredAt)
	}
	if e.ID == "" {
		e.ID = g.name(l, "e")
	}
	at := rules.InstantOf(e.OccurredAt.Time().Add(g.delay()))
	l.arrivals = append(l.arrivals, arrival{sealed(Record{Event: &e}), at})
}

func (g *Generator) sendFact(l *life, f rules.Fact) {
	if g.o.Orderless {
		f.At = g.within(f.At)
	}
	f.AccountID = l.id
	if f.ID == "" {
		f.ID = g.name(l, "f")
	}
	if f.Type == rules.CycleClosed {
		f.AsOf = f.At.String()
	}
	at := rules.InstantOf(f.At.Time().Add(g.delay() - time.Minute))
	l.arrivals = append(l.arrivals, arrival{sealed(Record{Fact: &f}), at})
}

func (g *Generator) end() rules.Instant { return rules.InstantOf(g.o.Start.Add(g.o.Span)) }

// within moves a date into the span, in which nothing is too late.
func (g *Generator) within(at rules.Instant) rules.Instant {
	if start := rules.InstantOf(g.o.Start); at.Before(start) {
		return start
	}
	if at.After(g.end()) {
		return g.end()
	}
	return at
}

// conflicts are other contents under ids that were used.
func (g *Generator) conflicts(arrivals []arrival) []arrival {
	var others []arrival
	for _, a := range arrivals {
		if !g.chance(2) {
			continue
		}
		other := arrival{at: rules.InstantOf(a.at.Time().Add(g.delay() - time.Minute))}
		if a.Event != nil {
			e := *a.Event
			e.AmountMinor += 100
			other.Record = sealed(Record{Event: &e})
		} else {
			f := *a.Fact
			f.At = f.At.AddDays(-1)
			if f.Type == rules.CycleClosed {
				f.AsOf = f.At.String()
			}
			other.Record = sealed(Record{Fact: &f})
		}
		others = append(others, other)
	}
	return others
}

// repeats are records that arrive once more.
func (g *Generator) repeats(arrivals []arrival) []arrival {
	var again []arrival
	for _, a := range arrivals {
		if g.chance(4) {
			again = append(again, arrival{a.Record, rules.InstantOf(a.at.Time().Add(g.delay()))})
		}
	}
	return again
}

// memberLife is what is told of the member as such.
func (g *Generator) memberLife(l *life) {
	start := rules.InstantOf(g.o.Start)
	never := !g.plain && g.chance(4)
	if !never {
		at := start
		if !g.plain && g.chance(30) {
			at = g.early()
		}
		g.sendEnrolled(l, at)
		if g.plain || g.chance(80) { // most accounts are known before their first purchase
			l.arrivals[len(l.arrivals)-1].at = start.AddDays(-1)
		}
	}
	if g.chance(30) && !(g.plain && g.chance(80)) {
		left := g.instant()
		g.sendFact(l, rules.Fact{Type: rules.Left, At: left})
		if g.chance(60) {
			back := g.instant()
			if back.Before(left) {
				back = rules.InstantOf(left.Time().Add(time.Duration(g.rng.IntN(100)) * time.Hour))
			}
			g.sendEnrolled(l, back)
		}
	}
	for range g.rng.IntN(4) {
		f := rules.Fact{
			Type: pick(g.rng, rules.CardLinked, rules.CardLinked, rules.CardUnlinked), At: g.instant(), CardToken: pick(g.rng, l.cards...),
		}
		g.sendFact(l, f)
	}
	most := 4
	if g.o.Language != BasicLanguage {
		most = 10
	}
	for range g.rng.IntN(most) {
		g.sendFact(l, g.quietFact())
	}
	for range g.rng.IntN(3) {
		g.sendFact(l, g.moneyFact())
	}
	if g.o.Payouts {
		g.payoutFacts(l)
	}
}

// early is an instant in the first quarter of the span.
func (g *Generator) early() rules.Instant {
	return rules.InstantOf(g.o.Start.Add(time.Duration(g.rng.Int64N(int64(g.o.Span / 4)))))
}

func (g *Generator) sendEnrolled(l *life, at rules.Instant) {
	f := rules.Fact{
		Type: rules.Enrolled, At: at, MemberID: "member-" + l.id, Programme: g.cat.Programmes[0].ID,
		Level: pick(g.rng, "", "usual", "gold"),
	}
	if g.says(otherProgramme, 15) {
		f.Programme = otherProgrammeID
	}
	if g.says(sponsors, 70) {
		f.SponsorAccountID = pick(g.rng, g.lives...).id
	}
	for _, card := range l.cards {
		if g.chance(75) {
			f.CardTokens = append(f.CardTokens, card)
		}
	}
	if g.chance(30) {
		f.Segments = []string{pick(g.rng, "student", "staff")}
	}
	g.sendFact(l, f)
}

// quietFact is one that moves no money by itself.
func (g *Generator) quietFact() rules.Fact {
	offer := "offer1"
	if len(g.ids) > 0 {
		offer = pick(g.rng, g.ids...)
	}
	if g.says(byActivation, 50) { // of one partner alone
		offer = fmt.Sprintf("%s/%s", pick(g.rng, "partner1", "partner1", "partner2", "programme"), offer)
	}
	f := pick(
		g.rng,
		rules.Fact{Type: rules.LevelChanged, Level: pick(g.rng, "usual", "gold")},
		rules.Fact{Type: rules.OfferActivated, OfferID: offer},
		rules.Fact{Type: rules.OfferActivated, OfferID: offer},
		rules.Fact{Type: rules.OfferDeactivated, OfferID: offer},
		rules.Fact{Type: rules.SegmentAdded, Segment: "student"},
		rules.Fact{Type: rules.SegmentRemoved, Segment: "student"},
		rules.Fact{Type: rules.VoucherRedeemed, VoucherID: "V1"},
		rules.Fact{Type: rules.Erased},
	)
	f.At = g.instant()
	return f
}

func (g *Generator) moneyFact() rules.Fact {
	amount := g.rng.Int64N(500) + 1
	f := pick(
		g.rng,
		rules.Fact{Type: rules.PointsSpent, AmountMinor: amount, Unit: "PTS"},
		rules.Fact{Type: rules.WalletSpent, AmountMinor: amount, Unit: "EUR"},
		rules.Fact{
			Type: rules.Adjustment, AmountMinor: pick(g.rng, amount, -amount), Currency: g.cat.Programmes[0].Currency,
			Reason: "goodwill", ApprovedBy: "support",
		},
	)
	if g.o.Payouts {
		g.ofPayouts(&f)
	}
	f.At = g.instant()
	return f
}

// factsOfPurchases are facts whose dates or contents come from what was bought.
func (g *Generator) factsOfPurchases(l *life) {
	if g.o.Payouts {
		g.maturities(l)
	}
	for _, id := range l.authOnly {
		if g.chance(60) {
			g.sendFact(l, rules.Fact{Type: rules.AuthorizationExpired, At: g.instant(), TransactionID: id})
		}
	}
	if len(l.times) == 0 {
		return
	}
	if g.chance(20) { // to the instant of a purchase
		at := pick(g.rng, l.times...)
		if g.o.Orderless {
			at = g.instant()
		}
		f := pick(g.rng, rules.Fact{Type: rules.Left}, rules.Fact{Type: rules.CardUnlinked, CardToken: l.cards[0]})
		f.At = at
		g.sendFact(l, f)
	}
	if g.chance(10) { // one that a purchase of many events meets: most of what it says is nothing
		id := pick(g.rng, l.ids...)
		g.sendFact(l, rules.Fact{Type: rules.AuthorizationExpired, At: g.instant(), TransactionID: id})
	}
}

// amount is small, and often at a bound of the catalogue.
func (g *Generator) amount() int64 {
	switch g.rng.IntN(5) {
	case 0:
		if len(g.minima) > 0 {
			return max(0, pick(g.rng, g.minima...)+g.rng.Int64N(3)-1)
		}
		return 10
	case 1:
		return g.rng.Int64N(120)
	case 2:
		return pick[int64](g.rng, 10, 20, 50, 100, 1000, 3000)
	case 3:
		return g.rng.Int64N(40_000)
	default:
		return g.rng.Int64N(6000)
	}
}

// merchantAt is one that mostly matches at t.
func (g *Generator) merchantAt(t rules.Instant) rules.Merchant {
	m := g.merchant()
	for range 4 {
		e := rules.Event{OccurredAt: t, Merchant: m}
		if _, matches := g.oracle.match(&e); matches || m.Name == elsewhereName {
			return m
		}
		m = g.merchant()
	}
	return m
}

const elsewhereName = "Elsewhere"

// merchant names a partner's key, often with more than the key needs.
func (g *Generator) merchant() rules.Merchant {
	m := rules.Merchant{ID: fmt.Sprintf("SHOP%04d", g.rng.IntN(10_000)), Name: elsewhereName, MCC: pick(g.rng, "5812", "5411", "5411", ""), Country: "FR"}
	if g.features[byCountry] {
		m.Country = pick(g.rng, "FR", "FR", "BE", "US", "")
	}
	if len(g.keys) == 0 || !g.chance(g.o.Partnered) {
		return m
	}
	k := pick(g.rng, g.keys...)
	m.Name = "Boulangerie"
	if k.MID != "" {
		m.ID = k.MID
	}
	m.AcquirerID, m.SubMerchantID = k.AcquirerID, k.SubMerchantID
	m.NetworkMerchantID, m.Network = k.NetworkMerchantID, k.Network
	if m.TerminalID = k.TerminalID; g.features[byTerminal] && g.chance(40) {
		m.TerminalID = pick(g.rng, "T1", "T2", "T9", "")
	}
	if !g.plain && g.chance(30) {
		other := pick(g.rng, g.keys...)
		switch g.rng.IntN(4) {
		case 0:
			m.AcquirerID = pick(g.rng, "ACQ1", "ACQ2", "ACQ9")
		case 1:
			m.SubMerchantID = pick(g.rng, "SUB1", "SUB9")
		case 2:
			m.NetworkMerchantID, m.Network = other.NetworkMerchantID, pick(g.rng, other.Network, "VISA", "")
		case 3:
			if other.MID != "" {
				m.ID = other.MID
			}
		}
	}
	return m
}

// state puts an amount on an event, in the currency of its purchase.
func (b *basket) state(e *rules.Event, minor int64) {
	e.AmountMinor, e.Currency = minor, b.currency
	if b.billing != (money.Currency{}) && b.settled && e.Type != rules.Authorization && e.Type != rules.AuthorizationUpdate {
		e.AmountMinor, e.Currency = minor*b.rate/100, b.billing
		return
	}
	if b.billing != (money.Currency{}) {
		e.BillingCurrency, e.BillingAmountMinor = b.billing, minor*b.rate/100
	}
}
