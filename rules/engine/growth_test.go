package engine_test

import (
	"encoding/base32"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/offer"
)

// An operation on an account ten times as large may cost ten times as much and what
// caches make of it, never its square: the records of one account must not
// hold the thousands of others of its shard up.
const (
	smallAccount = 100
	timesLarger  = 10
	// mostTimes is between the 10 of a line and the 100 of a square. What sorts, and
	// leaves the caches of the processor behind, takes up to 25 under the race
	// detector, more where other programs want the same caches.
	mostTimes = 45
	// rounds is how often one that seems to grow faster is looked at: the least of
	// them counts, so that a busy machine needs only one quiet moment.
	rounds = 48
	// unnoticed is what no shard notices, whatever it is many times of: so little is
	// mostly what caches and the race detector make of it.
	unnoticed = time.Millisecond
)

// shape is a kind of account that grows, and under what it is decided. Its records
// are applied under a plain catalogue, which is quick.
type shape struct {
	name      string
	catalogue func(t testing.TB, n int) *offer.Catalogue
	grow      func(x *growing, n int)
}

// growing applies records of one account without looking at what they give.
type growing struct {
	t       testing.TB
	engine  *engine.Engine
	account *engine.Account
	out     rules.Output
	n       int
	plain   bool // what is booked is thrown away
}

func (x *growing) cause(kind rules.CauseKind, id string) rules.Cause {
	x.n++
	return rules.Cause{Kind: kind, ID: id, Offset: int64(x.n), RecordedAt: 1_772_000_000_000 + int64(x.n)}
}

func (x *growing) event(typ rules.EventType, tx string, minor int64, at rules.Instant, change ...func(*rules.Event)) {
	x.t.Helper()
	ev := rules.Event{
		ID: fmt.Sprintf("e%d", x.n), Type: typ, TransactionID: tx, CardToken: "card", Currency: sample.EUR, AmountMinor: minor,
		OccurredAt: at, Merchant: rules.Merchant{ID: "CAFE1", MCC: "5814"},
	}
	for _, f := range change {
		f(&ev)
	}
	ev.ContentHash = hashOf(fmt.Sprintf("%+v", ev))
	_, err := x.engine.ApplyEvent(x.account, &ev, x.cause(rules.CauseEvent, ev.ID), &x.out)
	x.done(err)
}

func (x *growing) fact(f rules.Fact) {
	x.t.Helper()
	f.ID = fmt.Sprintf("f%d", x.n)
	f.ContentHash = hashOf(fmt.Sprintf("%+v", f))
	_, err := x.engine.ApplyFact(x.account, &f, x.cause(rules.CauseFact, f.ID), &x.out)
	x.done(err)
}

func (x *growing) referral(buyer int, number, lateMinor int64) {
	x.t.Helper()
	r := rules.Referral{
		ID: fmt.Sprintf("r%d", x.n), Number: number, BuyerAccountID: fmt.Sprintf("b%d", buyer), TransactionID: "T", PartnerID: "cafe",
		StoreID: "bastille", OfferID: "everyday", OfferVersion: "c1", Programme: "ristourne", Currency: sample.EUR,
		PurchasedAt: after(buyer), At: after(buyer), ConfirmedBasisMinor: 1000, ConfirmedRewardMinor: 20 + lateMinor,
		ExpectedBasisMinor: 1000, ExpectedRewardMinor: 20 + lateMinor,
		LateConfirmedRewardMinor: lateMinor, LateExpectedRewardMinor: lateMinor,
	}
	_, err := x.engine.ApplyReferral(x.account, &r, x.cause(rules.CauseReferral, r.ID), &x.out)
	x.done(err)
}

func (x *growing) done(err error) {
	x.t.Helper()
	if err != nil && !errors.Is(err, engine.ErrLimit) {
		x.t.Fatal(err)
	}
	if x.plain {
		x.out.Reset()
	}
}

// after is the time of the n-th purchase: five a day.
func after(n int) rules.Instant { return sample.At("d1").AddSeconds(int64(n) * 17_280) }

func purchaseID(n int) string { return fmt.Sprintf("P%06d", n) }

// purchases are n of 10.00, each cleared.
func purchases(x *growing, n int) {
	for i := range n {
		x.event(rules.Clearing, purchaseID(i), 1000, after(i))
	}
}

func ofStore(partner int) func(*rules.Event) {
	return func(ev *rules.Event) { ev.Merchant.ID = fmt.Sprintf("SHOP%06d", partner) }
}

// rollingCap is one that a late event looks at from all sides.
func rollingCap(c *offer.Catalogue) {
	c.Partners[0].Offers[0].Caps = []offer.Cap{{Per: offer.PerRolling, Days: 3000, AmountMinor: 1 << 40}, {Per: offer.PerRolling, Days: 3000, Count: 1_000_000}}
}

func withOffers(change ...func(*offer.Catalogue)) func(testing.TB, int) *offer.Catalogue {
	return func(t testing.TB, _ int) *offer.Catalogue { return sample.Cafe(t, change...) }
}

// manyPartners are n, whose offers ask for what came before, are capped, and hold
// somebody out.
func manyPartners(t testing.TB, n int) *offer.Catalogue {
	return sample.Cafe(t, func(c *offer.Catalogue) {
		for i := range n {
			p := c.Partners[0]
			p.ID = fmt.Sprintf("partner%d", i)
			p.Stores = []offer.Store{{ID: "store", Zone: sample.Paris(t), Keys: []offer.Key{sample.Mid(fmt.Sprintf("SHOP%06d", i))}}}
			p.Offers = []offer.Offer{sample.PercentOffer("hello", 30_000, func(o *offer.Offer) {
				o.FirstPurchase = true
				o.Holdout = offer.Holdout{Millionths: 1}
				o.Caps = []offer.Cap{{Per: offer.PerRolling, Days: 30, AmountMinor: 5000}}
			})}
			c.Partners = append(c.Partners, p)
		}
	})
}

// shapes are the ways in which an account can be large.
var shapes = []shape{
	{name: "purchases", catalogue: withOffers(), grow: purchases},
	{name: "purchases under caps", catalogue: withOffers(sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerMonth, 500), sample.Capped(offer.PerLife, 1<<40)))), grow: purchases},
	{name: "purchases under a rolling cap", catalogue: withOffers(rollingCap), grow: purchases},
	{name: "purchases that count", catalogue: withOffers(sample.Offers(
		sample.PercentOffer("tenth", 30_000, sample.InGroup("a"), func(o *offer.Offer) { o.Every = offer.Every{N: 10, Per: offer.PerLife, OnceADay: true} }),
		sample.PercentOffer("goal", 30_000, sample.InGroup("b"), func(o *offer.Offer) { o.Goal = offer.Goal{AmountMinor: 5000, Per: offer.PerMonth, Again: true} }),
		sample.PercentOffer("back", 30_000, sample.InGroup("c"), func(o *offer.Offer) { o.LapsedDays = 20 }),
	)), grow: purchases},
	{name: "purchases at as many partners", catalogue: manyPartners, grow: func(x *growing, n int) {
		for i := range n {
			x.event(rules.Clearing, purchaseID(i), 1000, after(i), ofStore(i))
		}
	}},
	{name: "late purchases under a rolling cap", catalogue: withOffers(rollingCap), grow: func(x *growing, n int) {
		for i := range n {
			x.event(rules.Clearing, purchaseID(i), 1000, after(i))
		}
		for i := range n {
			x.event(rules.Clearing, purchaseID(i), 500, after(i).AddDays(500))
		}
	}},
	{name: "purchases under budgets", catalogue: withOffers(sample.Offers(sample.PercentOffer("everyday", 30_000, func(o *offer.Offer) {
		o.Budgets = []offer.Budget{{AmountMinor: 1 << 40}, {AmountMinor: 1000, PerStoreAndDay: true}}
	}))), grow: purchases},
	{name: "expired purchases", catalogue: withOffers(), grow: func(x *growing, n int) {
		for i := range n {
			x.event(rules.Authorization, purchaseID(i), 1000, after(i))
			x.fact(rules.Fact{Type: rules.AuthorizationExpired, At: after(i).AddDays(30), TransactionID: purchaseID(i)})
		}
	}},
	{name: "refunds with ids of their own", catalogue: withOffers(), grow: func(x *growing, n int) {
		for i := range n {
			x.event(rules.Clearing, purchaseID(i), 1000, after(i))
			x.event(rules.Refund, "R"+purchaseID(i), 400, after(i).AddDays(3), func(ev *rules.Event) { ev.OriginalTransactionID = purchaseID(i) })
		}
	}},
	{
		name: "refunds that name nothing", catalogue: withOffers(sample.Programme(func(p *offer.Programme) { p.UnlinkedRefundDays = 365 })),
		grow: func(x *growing, n int) {
			for i := range n {
				x.event(rules.Clearing, purchaseID(i), 1000, after(i))
				x.event(rules.Refund, "R"+purchaseID(i), 400+int64(i%7), after(i).AddDays(3))
			}
		},
	},
	{name: "one purchase in many steps", catalogue: withOffers(), grow: func(x *growing, n int) {
		x.event(rules.Authorization, purchaseID(0), 1000, after(0))
		for i := range n {
			x.event(rules.AuthorizationIncrement, purchaseID(0), 100, after(0).AddSeconds(int64(i)))
		}
	}},
	{name: "facts", catalogue: withOffers(sample.Offers(sample.PercentOffer("everyday", 30_000, func(o *offer.Offer) {
		o.Audience = offer.Audience{Levels: []string{"gold", "silver"}, Segments: []string{"s1", "s2"}, Activated: true}
	}))), grow: func(x *growing, n int) {
		for i := range n {
			at := after(i)
			switch i % 6 {
			case 0:
				x.fact(rules.Fact{Type: rules.LevelChanged, At: at, Level: [...]string{"gold", "silver"}[i/6%2]})
			case 1:
				x.fact(rules.Fact{Type: [...]rules.FactType{rules.SegmentAdded, rules.SegmentRemoved}[i/6%2], At: at, Segment: "s1"})
			case 2:
				x.fact(rules.Fact{Type: [...]rules.FactType{rules.OfferActivated, rules.OfferDeactivated}[i/6%2], At: at, OfferID: "everyday"})
			case 3:
				x.fact(rules.Fact{Type: [...]rules.FactType{rules.CardUnlinked, rules.CardLinked}[i/6%2], At: at, CardToken: "card"})
			case 4:
				x.fact(rules.Fact{Type: rules.Enrolled, At: at, Programme: "ristourne", MemberID: "m", CardTokens: []string{"card"}, Segments: []string{"s2"}})
			case 5:
				x.fact(rules.Fact{Type: rules.Adjustment, At: at, AmountMinor: 10, Currency: sample.EUR})
			}
			x.event(rules.Clearing, purchaseID(i), 1000, at.AddSeconds(5))
		}
	}},
	{name: "facts of as many units", catalogue: withOffers(), grow: func(x *growing, n int) {
		for i := range n {
			x.fact(rules.Fact{Type: rules.PointsSpent, At: after(i), AmountMinor: 10, Unit: fmt.Sprintf("U%06d", i)})
		}
	}},
	{name: "referrals under a rolling cap", catalogue: sponsored, grow: func(x *growing, n int) {
		for i := range n {
			x.referral(i, 1, 0)
		}
	}},
	{name: "late referrals under a rolling cap", catalogue: sponsored, grow: func(x *growing, n int) {
		for i := range n {
			x.referral(i, 1, 5)
		}
	}},
}

func sponsored(t testing.TB, _ int) *offer.Catalogue {
	return sample.Cafe(t, sample.Offers(sample.PercentOffer("everyday", 30_000, func(o *offer.Offer) {
		o.Sponsor = offer.Sponsor{RateMillionths: 20_000, Caps: []offer.Cap{{Per: offer.PerRolling, Days: 3000, AmountMinor: 1 << 40}, {Per: offer.PerRolling, Days: 3000, Count: 1_000_000}}}
	})))
}

// operations are all that is done to an account. n is how many purchases it has.
var operations = []struct {
	name string
	do   func(x *growing, n int)
}{
	{"a purchase, the newest", func(x *growing, n int) { x.event(rules.Authorization, "new", 1000, after(n+1)) }},
	{"a purchase, the oldest", func(x *growing, n int) { x.event(rules.Clearing, "new", 1000, sample.At("d0+1h")) }},
	{"an amount that is changed", func(x *growing, n int) { x.event(rules.Authorization, purchaseID(n/2), 2000, after(n/2).AddSeconds(1)) }},
	{"an increment", func(x *growing, n int) {
		x.event(rules.AuthorizationIncrement, purchaseID(n/2), 50, after(n/2).AddSeconds(1))
	}},
	{"a clearing", func(x *growing, n int) { x.event(rules.Clearing, purchaseID(n/2), 500, after(n/2).AddSeconds(1)) }},
	{"a late clearing", func(x *growing, n int) { x.event(rules.Clearing, purchaseID(n/2), 500, after(n/2).AddDays(450)) }},
	{"a refund", func(x *growing, n int) { x.event(rules.Refund, purchaseID(n/2), 500, after(n)) }},
	{"a refund with an id of its own", func(x *growing, n int) {
		x.event(rules.Refund, "own", 500, after(n), func(ev *rules.Event) { ev.OriginalTransactionID = purchaseID(n / 2) })
	}},
	{"a refund that names nothing", func(x *growing, n int) { x.event(rules.Refund, "nothing", 500, after(n)) }},
	{"a link from one purchase to another", func(x *growing, n int) {
		x.event(rules.Clearing, purchaseID(n/2), 500, after(n/2), func(ev *rules.Event) { ev.OriginalTransactionID = purchaseID(n / 3) })
	}},
	{"a reversal", func(x *growing, n int) { x.event(rules.Reversal, purchaseID(n/2), 500, after(n/2).AddSeconds(1)) }},
	{"an event again", func(x *growing, n int) {
		x.event(rules.Clearing, "again", 500, after(n+1), func(ev *rules.Event) { ev.ID = "again" })
		x.event(rules.Clearing, "again", 500, after(n+1), func(ev *rules.Event) { ev.ID = "again" })
	}},
	{"an enrolment", func(x *growing, n int) {
		x.fact(rules.Fact{Type: rules.Enrolled, At: sample.At("d0+2h"), Programme: "ristourne", MemberID: "m2", CardTokens: []string{"card", "card2"}})
	}},
	{"a member who left", func(x *growing, n int) { x.fact(rules.Fact{Type: rules.Left, At: after(n / 2)}) }},
	{"a card that is unlinked", func(x *growing, n int) {
		x.fact(rules.Fact{Type: rules.CardUnlinked, At: sample.At("d0+2h"), CardToken: "card"})
	}},
	{"a level", func(x *growing, n int) {
		x.fact(rules.Fact{Type: rules.LevelChanged, At: sample.At("d0+2h"), Level: "gold"})
	}},
	{"a segment", func(x *growing, n int) {
		x.fact(rules.Fact{Type: rules.SegmentAdded, At: sample.At("d0+2h"), Segment: "s1"})
	}},
	{"an activation", func(x *growing, n int) {
		x.fact(rules.Fact{Type: rules.OfferActivated, At: sample.At("d0+2h"), OfferID: "everyday"})
	}},
	{"an expiry", func(x *growing, n int) {
		x.fact(rules.Fact{Type: rules.AuthorizationExpired, At: after(n), TransactionID: purchaseID(n / 2)})
	}},
	{"an adjustment", func(x *growing, n int) {
		x.fact(rules.Fact{Type: rules.Adjustment, At: after(n / 2), AmountMinor: 5, Currency: sample.EUR})
	}},
	{"points that are spent", func(x *growing, n int) {
		x.fact(rules.Fact{Type: rules.PointsSpent, At: after(n), AmountMinor: 5, Unit: "PTS"})
	}},
	{"a referral", func(x *growing, n int) { x.referral(n+1, 1, 0) }},
	{"a late referral", func(x *growing, n int) { x.referral(n/2, 2, 7) }},
	{"what is written of it", func(x *growing, _ int) { x.account.AppendBinary(nil) }},
	{"what is read of it", func(x *growing, _ int) {
		state := x.account.AppendBinary(nil)
		if err := engine.NewAccount("acc").UnmarshalBinary(state); err != nil {
			x.t.Fatal(err)
		}
	}},
	{"an explanation", func(x *growing, n int) {
		if _, err := x.engine.Explain(x.account, purchaseID(n/2)); err != nil {
			x.t.Fatal(err)
		}
	}},
	{"a repair", func(x *growing, _ int) {
		x.done(x.engine.Repair(x.account, x.cause(rules.CauseEvent, "newest"), 1, &x.out))
	}},
	{"what the ledger says", func(x *growing, n int) {
		booked := x.account.Booked()
		told, grants := make([]rules.Referral, n), make([]rules.Grant, n)
		for i := range n {
			told[i] = rules.Referral{SponsorAccountID: "s", TransactionID: purchaseID(i), PartnerID: "cafe", OfferID: "everyday", Currency: sample.EUR, Number: 1}
			grants[i] = rules.Grant{Budget: "campaign/x", TransactionID: purchaseID(i), Unit: "EUR", TargetMinor: 5, GrantedMinor: 5}
		}
		lost := engine.NewAccount("acc") // of which only the ledger's rows are left
		for _, a := range [...]*engine.Account{x.account, lost} {
			a.AdoptBooked(booked)
			a.AdoptGrants(grants)
			a.AdoptPublished(told)
			given := make([]rules.Instruction, n)
			for i := range given {
				id := "RI-" + base32.HexEncoding.EncodeToString(fmt.Appendf(nil, "%016d", i))[:26]
				given[i] = rules.Instruction{ID: id, Direction: rules.Credit, AmountMinor: 5, Currency: sample.EUR}
			}
			x.done(a.AdoptInstructed(given))
		}
	}},
}

// It runs by itself, as it measures what each operation takes of the processor.
func TestAnOperationGrowsNoFasterThanItsAccount(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			small, large := accountOf(t, shape, smallAccount), accountOf(t, shape, timesLarger*smallAccount)
			for i, op := range operations {
				if times := small.growth(large, i); times > mostTimes {
					t.Errorf("%s: an account %d times as large costs %.0f times as much", op.name, timesLarger, times)
				}
			}
		})
	}
}

// sized is an account of a shape, as it is stored, and who decides on it.
type sized struct {
	t      testing.TB
	n      int
	engine *engine.Engine
	state  []byte
}

func accountOf(t testing.TB, s shape, n int) *sized {
	compile := func(c *offer.Catalogue) *engine.Snapshot {
		snapshot, err := engine.Compile(c)
		if err != nil {
			t.Fatal(err)
		}
		return snapshot
	}
	// Offers cost nothing while the account grows; stores must match.
	plain := s.catalogue(t, n)
	for i := range plain.Partners {
		plain.Partners[i].Offers = nil
	}
	x := &growing{t: t, engine: engine.New(compile(plain)), account: engine.NewAccount("acc"), plain: true}
	x.fact(rules.Fact{Type: rules.Enrolled, At: sample.At("d0"), Programme: "ristourne", MemberID: "m", CardTokens: []string{"card"}})
	s.grow(x, n)
	x.engine.Use(compile(s.catalogue(t, n)))
	x.engine.SetBudgets(pot{})
	x.done(x.engine.Repair(x.account, x.cause(rules.CauseEvent, "newest"), 1, &x.out))
	return &sized{t: t, n: n, engine: x.engine, state: x.account.AppendBinary(nil)}
}

// growth is how many times what the operation costs on the account it costs on the
// larger one. What else runs on the machine can only make either dearer: the least
// of several is what it costs.
func (s *sized) growth(larger *sized, operation int) float64 {
	least := func(best time.Duration, of *sized) time.Duration { return min(best, of.cost(operation)) }
	small, large := time.Hour, time.Hour
	for range rounds {
		small, large = least(least(small, s), s), least(large, larger)
		if large < unnoticed || float64(large) <= mostTimes*float64(small) {
			return 0
		}
	}
	return float64(large) / float64(small)
}

// cost is the processor time of one operation on the account as it is stored.
func (s *sized) cost(operation int) time.Duration {
	a := engine.NewAccount("acc")
	if err := a.UnmarshalBinary(s.state); err != nil {
		s.t.Fatal(err)
	}
	x := &growing{t: s.t, engine: s.engine, account: a, plain: true, n: 1 << 20}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime(s.t)
	operations[operation].do(x, s.n)
	return threadTime(s.t) - before
}

// threadTime is the processor time of this thread: what waits costs nothing.
func threadTime(t testing.TB) time.Duration {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at); err != nil {
		t.Fatal(err)
	}
	return time.Duration(at.Nano())
}
