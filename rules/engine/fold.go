package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"ristourne/rules"
)

// An account lives for years, and a record concerns its newest purchases. So its
// oldest ones are put away, in pages that are read where something may touch them,
// and what they leave for the purchases after them stays: the fold. All that fills
// up does so in order of (purchase time, id), so the fold is what counters and
// history are after the last one put away.
//
// What may touch a purchase that is put away unfolds its account before it is
// decided: MustUnfold says so, on any doubt. Nothing is decided of a part, so where
// the fold ends is a matter of cost, and changes no cent.

// foldLimits say how much of an account stays in memory. No cent depends on them.
type foldLimits struct {
	kept     int // the newest purchases, and payments, which stay
	atOnce   int // how many are put away at a time, at the least
	openDays int // how long a purchase that nothing has cleared yet stays
	// answerDays is how long a payment that the bank has said nothing of stays.
	answerDays int
}

var usualFold = foldLimits{kept: 8, atOnce: 8, openDays: 30, answerDays: 10}

// mostPagePurchases is how many purchases lie in one page at most.
const mostPagePurchases = 32

// ErrFolded says that a record may touch purchases that are put away, and that its
// account must be whole to decide it. The account and the output may be half changed.
var ErrFolded = errors.New("the account's purchases that are put away are needed")

// fold is what the purchases and payments that are put away leave for those after them.
type fold struct {
	// What comes stands after the last of them, and after the refunds that are
	// matched to them.
	at          rules.Instant
	id          string
	pages       int
	sum         uint32 // of the pages' checksums
	purchases   int
	links       int // events that name an original other than their own
	newest      rules.Instant
	volumeMinor int64
	bytes       int    // of the events, as Account.eventBytes
	meaning     uint64 // of the counters and histories that the snapshot keeps
	foldedCounters
	pasts    []foldedPast
	payments foldedPayments
	earned   foldedEarned
}

// foldedCounter is how far a counter has filled up.
type foldedCounter struct {
	counterName
	id     int32         // in the account's snapshot
	period int32         // of a calendar period
	at     rules.Instant // of a rolling one: when the units were used
	units  [numWorlds]int64
}

// foldedPast is what is known of purchases before.
type foldedPast struct {
	pastKey
	pastPurchases
}

// Seen says which ids of a record the shard has seen before in records of its
// account: perhaps where it hasn't, never the other way round.
type Seen struct {
	Event, Transaction, Original bool
	// An event that is put away links the transaction, or the original, elsewhere.
	TransactionLink, OriginalLink bool
}

// IsFolded reports that some of the account's purchases are put away.
func (a *Account) IsFolded() bool { return a.fold != nil }

// MustUnfold reports that the account must be whole for the record to be decided.
func (e *Engine) MustUnfold(a *Account, r rules.Record, seen Seen) bool {
	switch {
	case a.fold == nil:
		return false
	case a.fold.meaning != e.snapshot.meaning, e.snapshot.asksAllLines(a):
		return true
	case r.Event != nil:
		return e.eventUnfolds(a, r.Event, seen)
	case r.Fact != nil:
		return a.factUnfolds(r.Fact, seen)
	}
	return false // a referral touches no purchase, and a result finds out by itself
}

func (e *Engine) eventUnfolds(a *Account, ev *rules.Event, seen Seen) bool {
	if _, known := a.hashByID(ev.ID); known || ev.Declined {
		return false
	}
	named, target := seen.Transaction, ev.TransactionID
	if ev.OriginalTransactionID != "" {
		target = a.resolve(ev.TransactionID, ev.OriginalTransactionID, link{})
		named = seen.Original || target != ev.OriginalTransactionID
	}
	at := a.find(target)
	isLink := linkOf(ev).from != ""
	switch {
	case seen.Event, ev.OriginalTransactionID != "" && seen.OriginalLink, at < 0 && named:
		return true
	case isLink && (seen.Transaction || seen.TransactionLink || a.fold.links > 0 && a.expiries > 0):
		return true
	case ev.Type.Opens():
		return !ev.PurchaseTime().After(a.fold.at)
	case ev.Type == rules.Refund && e.snapshot.unlinkedRefunds && (at < 0 || !a.purchases[at].known()):
		return !e.refundReach(a, ev.OccurredAt).After(a.fold.at)
	}
	return false
}

// refundReach is from when on an unlinked refund of this date may be matched to
// purchases.
func (e *Engine) refundReach(a *Account, date rules.Instant) rules.Instant {
	days := e.snapshot.refundDays(a, a.standingAt(date).programme, date)
	if days == 0 {
		return rules.MaxInstant
	}
	return date.AddDays(-days)
}

func (a *Account) factUnfolds(f *rules.Fact, seen Seen) bool {
	if slices.ContainsFunc(a.facts, func(known rules.Fact) bool { return known.ID == f.ID }) {
		return false
	}
	switch f.Type {
	case rules.Left, rules.CardLinked, rules.CardUnlinked, rules.LevelChanged, rules.OfferActivated, rules.OfferDeactivated, rules.SegmentAdded, rules.SegmentRemoved:
		return !f.At.After(a.fold.at)
	case rules.AuthorizationExpired:
		target := a.resolve("", f.TransactionID, link{})
		return seen.TransactionLink || a.find(target) < 0 && (seen.Transaction || target != f.TransactionID)
	case rules.CycleClosed, rules.PayoutReleased, rules.PayoutMethod, rules.VoucherRedeemed, rules.Erased,
		rules.Adjustment, rules.PointsSpent, rules.WalletSpent:
		return false // they look at sums
	}
	return true // seldom: it may look at all purchases
}

// Fold puts purchases and payments away where the account has enough that nothing will
// touch, as far as one can tell. It gives the pages to be stored beside what AppendBinary
// writes, the first of which is numbered first, and the transactions that their
// events link elsewhere. fresh: the pages that were stored before are no more.
func (e *Engine) Fold(a *Account) (pages [][]byte, first int, links []string, fresh bool, err error) {
	fresh, a.unfolded = a.unfolded, false
	k := e.foldable(a)
	if k < e.folding.atOnce {
		return nil, 0, nil, fresh, nil
	}
	e.bindSnapshot(a)
	k, left, err := e.valueAgain(a, k)
	if err != nil || k < e.folding.atOnce {
		return nil, 0, nil, fresh, err
	}
	paid, err := a.foldablePayments(&e.folding)
	if err != nil {
		return nil, 0, nil, fresh, err
	}
	f := a.fold
	if f == nil {
		f = &fold{at: rules.MinInstant, newest: rules.MinInstant, earned: foldedEarned{known: true, cleared: rules.MinInstant}}
	}
	first = f.pages
	last := &a.purchases[k-1]
	next := fold{
		at: rules.Later(f.at, last.at), id: last.id, pages: f.pages, sum: f.sum, purchases: f.purchases + k, links: f.links,
		newest: f.newest, volumeMinor: f.volumeMinor, bytes: f.bytes, meaning: e.snapshot.meaning,
		foldedCounters: left, pasts: e.foldPasts(), payments: f.payments, earned: f.earned,
	}
	next.earned.cashMinor = slices.Clone(f.earned.cashMinor)
	for p, x := 0, 0; p < k || x < paid; p, x = min(k, p+mostPagePurchases), min(paid, x+mostPagePayments) {
		page := a.page(a.purchases[p:min(k, p+mostPagePurchases)], a.payments.list[x:min(paid, x+mostPagePayments)])
		pages = append(pages, page)
		next.pages++
		next.sum += checksum(page)
	}
	links = a.putAway(k, &next)
	a.foldPayments(&next.payments, paid)
	a.fold = &next
	return pages, first, links, fresh, nil
}

// foldable is how many of the first purchases nothing will touch, as far as one can
// tell without valuing them.
func (e *Engine) foldable(a *Account) int {
	known := a.Purchases()
	if a.needsFullRun || e.snapshot.asksAllLines(a) || known < e.folding.kept+e.folding.atOnce || a.linkWaits(known) {
		return 0
	}
	k := 0
	for k < known-e.folding.kept && a.isQuiet(&a.purchases[k], e.folding.openDays) && !e.snapshot.mayExpire(a, &a.purchases[k]) {
		k++
	}
	if a.matched > 0 || e.refundsWait(a) {
		k = e.beforeRefunds(a, k)
	}
	if a.links > 0 {
		k = a.beforeLinks(k)
	}
	return k
}

// beforeLinks is how many of the first k purchases have no event that says where an
// event of those that stay belongs.
func (a *Account) beforeLinks(k int) int {
	named := map[string]bool{} // as originals, by what stays
	for from, to := k, len(a.purchases); from < to; from, to = k, from {
		for i := from; i < to; i++ {
			for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
				named[a.events[n].originalID] = true
			}
		}
		for i := range k {
			for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
				if x := &a.events[n]; x.isLink() && named[x.transactionID] {
					k = min(k, i)
				}
			}
		}
	}
	return k
}

// linkWaits reports that an event that waits for its purchase links a transaction
// elsewhere: where it is dropped, others move.
func (a *Account) linkWaits(known int) bool {
	if a.links == 0 {
		return false
	}
	for i := known; i < len(a.purchases); i++ {
		for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
			if a.events[n].isLink() {
				return true
			}
		}
	}
	return false
}

// isQuiet reports that nothing of a purchase is open: no event is late, and what was
// authorised is cleared, expired or old.
func (a *Account) isQuiet(p *purchase, openDays int) bool {
	if p.late {
		return false
	}
	cleared := p.expired || olderThan(p.at, openDays, a.newest)
	for i := p.events; i >= 0; i = a.events[i].next {
		cleared = cleared || a.events[i].typ == rules.Clearing
	}
	return cleared
}

// beforeRefunds is how many of the first k purchases refunds without a purchase of
// their own leave alone: those that stay don't reach back to them, and those that go
// with them reach no purchase that stays.
func (e *Engine) beforeRefunds(a *Account, k int) int {
	for again := true; again; {
		again = false
		for i := range a.purchases {
			known := a.purchases[i].known()
			for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
				x := &a.events[n]
				switch {
				case !x.matched && (known || !x.isStoreRefund()):
				case i < k:
					if !x.occurredAt.Before(a.purchases[k].at) {
						k, again = i, true
					}
				default:
					for reach := e.refundReach(a, x.occurredAt); k > 0 && !a.purchases[k-1].at.Before(reach); again = true {
						k--
					}
				}
			}
		}
	}
	return k
}

// valueAgain values the first k purchases once more, from what those before them have
// left, and gives what counters are with them. It gives how many of them are booked,
// and asked of budgets, as they should be: one that isn't, since a ledger that has
// lost lines was restored, stays in sight.
func (e *Engine) valueAgain(a *Account, k int) (n int, left foldedCounters, err error) {
	for n = k; n > 0; n = k {
		e.begin(a)
		if k, err = e.valueFirst(a, n, nil); err != nil {
			return 0, left, err
		}
		last, settled := &a.purchases[n-1], e.demands.settled(a, n)
		left = foldedCounters{counters: e.foldCounters(last), granted: e.demands.any() || a.foldIsGranted(), refused: e.refused(a)}
		if left.granted {
			e.restart(a, true)
			held, err := e.valueFirst(a, n, &e.demands)
			if err != nil {
				return 0, left, err
			}
			left.keepHeld(e.foldCounters(last))
			if k = min(k, held); left.refused {
				k = held
			}
		}
		if k = min(k, settled); k == n {
			return n, left, nil
		}
	}
	return 0, left, nil
}

// valueFirst values the first n purchases as a run of a decision does, and gives how
// many of them are booked so.
func (e *Engine) valueFirst(a *Account, n int, held *demands) (booked int, err error) {
	var out rules.Output
	b := &e.booking
	b.begin(e.snapshot, a, decision{event: noEvent}, &out)
	for i := range n {
		p := &a.purchases[i]
		wanted, bound := p.wantedMinor, p.bound
		x, err := e.valuer.value(a, p, false, held)
		if err != nil {
			return 0, err
		}
		p.wantedMinor, p.bound = wanted, bound
		b.restart()
		b.entitle(i, x)
		if booked == i && b.isBooked(p) {
			booked++
		}
		e.valuer.noteHistory(a)
		e.counters.add(x)
		if held == nil {
			e.demands.add(a, i, x)
		}
	}
	return booked, nil
}

// isAfterFold reports that all purchases stand after those that are put away.
func (a *Account) isAfterFold(known int) bool {
	if a.fold == nil || known == 0 {
		return true
	}
	p := &a.purchases[0]
	return cmp.Or(p.at.Compare(a.fold.at), cmp.Compare(p.id, a.fold.id)) > 0
}

// putAway takes the first k purchases out of the account, and gives the transactions
// that their events link elsewhere.
func (a *Account) putAway(k int, f *fold) (links []string) {
	for i := range k {
		p := &a.purchases[i]
		a.foldEarned(&f.earned, p)
		for n := p.events; n >= 0; n = a.events[n].next {
			x := &a.events[n]
			f.newest = rules.Later(f.newest, x.occurredAt)
			f.bytes += x.bytes()
			f.volumeMinor += max(x.amountMinor, x.billingMinor)
			a.items -= len(x.items)
			if x.matched {
				a.matched--
				f.at = rules.Later(f.at, x.occurredAt) // a purchase made before it could be its
			}
			if x.isLink() {
				links = append(links, x.transactionID)
				a.links--
			}
			a.removed++
		}
		for p.lines >= 0 {
			next := a.lines[p.lines].next
			a.freeLine(p.lines)
			p.lines = next
		}
	}
	f.links += len(links)
	a.purchases = slices.Delete(a.purchases, 0, k)
	a.keepEvents()
	a.keepPublished()
	a.keepGrants()
	return links
}

// keepPublished forgets what is published by no purchase of the account's.
func (a *Account) keepPublished() {
	if len(a.published) == 0 {
		return
	}
	kept := make([]publishedReferral, 0, len(a.published)) // its elements stay where they are
	for i := range a.purchases {
		for at := &a.purchases[i].published; *at >= 0; at = &kept[len(kept)-1].next {
			kept = append(kept, a.published[*at])
			*at = int32(len(kept) - 1)
		}
	}
	a.published = kept
}

// keepGrants forgets what budgets gave no purchase of the account's.
func (a *Account) keepGrants() {
	if len(a.grants) == 0 {
		return
	}
	kept := make([]grantState, 0, len(a.grants)) // its elements stay where they are
	for i := range a.purchases {
		for at := &a.purchases[i].grants; *at >= 0; at = &kept[len(kept)-1].next {
			kept = append(kept, a.grants[*at])
			*at = int32(len(kept) - 1)
		}
	}
	a.grants = kept
}

// Unfold makes the account whole again: pages are all that were stored of it.
func (a *Account) Unfold(pages [][]byte) error {
	f := a.fold
	if f == nil {
		return nil
	}
	var sum uint32
	for _, page := range pages {
		sum += checksum(page)
	}
	if len(pages) != f.pages || sum != f.sum {
		return fmt.Errorf("account state with %d pages, of which %d are there, or others", f.pages, len(pages))
	}
	a.volume, a.eventBytes = a.volume-f.volumeMinor, a.eventBytes-f.bytes
	live := len(a.purchases)
	var away []payment
	for _, page := range pages {
		if err := a.readPage(page, &away); err != nil {
			return err
		}
	}
	if err := a.unfoldPayments(away); err != nil {
		return err
	}
	if got := len(a.purchases) - live; got != f.purchases {
		return fmt.Errorf("pages of an account with %d purchases in place of %d", got, f.purchases)
	}
	slices.SortFunc(a.purchases, func(p, o purchase) int { return inFillingOrder(&p, &o) })
	a.fold, a.unfolded, a.snapshot = nil, true, nil
	return nil
}
