package ledgertest

import (
	"cmp"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// world is one of the two in which awards are worked out.
type world int

const (
	confirmedWorld world = iota
	expectedWorld
)

var worlds = [...]world{confirmedWorld, expectedWorld}

// result is what became of one purchase in one world. Both are nil where it was
// no member's.
type result struct {
	purchase purchase
	recorded *outcome // without its late events; nil too where nothing is left without them
	final    *outcome
}

// run works out all purchases of an account in one world: first each without
// its late events, in order; then those that have late events once more, each
// within the room that all others leave. granted is nil as long as budgets have
// no end.
func (o oracle) run(w world, a *account, purchases []purchase, granted *ceilings) []result {
	results := make([]result, 0, len(purchases))
	for _, p := range purchases {
		results = append(results, result{purchase: p})
	}
	for _, i := range inTime(results) {
		r := &results[i]
		h := history{before: recordedBefore(results, r.purchase.id, *r.purchase.recorded)}
		r.recorded = o.worth(w, a, r.purchase.id, *r.purchase.recorded, h, granted.recorded(r.purchase.id))
		r.final = r.recorded
	}
	for i := range results {
		r := &results[i]
		if !r.purchase.late {
			continue
		}
		v := r.purchase.whole
		h := history{before: recordedBefore(results, r.purchase.id, v), late: true, own: r.recorded}
		for n := range results {
			if n != i {
				h.others = append(h.others, results[n])
			}
		}
		r.final = o.worth(w, a, r.purchase.id, v, h, granted.final(r.purchase.id))
	}
	return results
}

// inTime are the indices of those results that something is left of without
// late events, in the order in which things fill up.
func inTime(results []result) []int {
	var order []int
	for i := range results {
		if results[i].purchase.recorded != nil {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		x, y := results[i].purchase, results[j].purchase
		return cmp.Or(x.recorded.time.Compare(y.recorded.time), cmp.Compare(x.id, y.id))
	})
	return order
}

// recordedBefore is what was worked out, without late events, of the purchases
// before this one.
func recordedBefore(results []result, id string, v view) []*outcome {
	var before []*outcome
	for _, r := range results {
		if r.recorded != nil && cmp.Or(r.recorded.view.time.Compare(v.time), cmp.Compare(r.recorded.id, id)) < 0 {
			before = append(before, r.recorded)
		}
	}
	slices.SortFunc(before, func(x, y *outcome) int {
		return cmp.Or(x.view.time.Compare(y.view.time), cmp.Compare(x.id, y.id))
	})
	return before
}

// history is what one purchase has to know of the others.
type history struct {
	before []*outcome // without late events
	late   bool       // it has late events of its own
	own    *outcome   // then: what it was without them
	others others     // then: all other purchases
}

// visits are those of the offer that came before, in the same period.
func (h history) visits(s sale, key offerKey, per offer.CapPeriod) []visit {
	var visits []visit
	for _, x := range h.before {
		if !samePeriod(offer.Cap{Per: per}, x, s.at, s) {
			continue
		}
		for _, v := range x.visits {
			if v.key == key {
				visits = append(visits, v)
			}
		}
	}
	return visits
}

// samePeriod reports whether x fills the period of the cap that holds at t, or
// for a rolling one that ends at t.
func samePeriod(c offer.Cap, x *outcome, t rules.Instant, s sale) bool {
	if c.Per == offer.PerRolling {
		return x.view.time.After(t.AddDays(-c.Days)) && !x.view.time.After(t)
	}
	return periodOf(c.Per, x.view.time, x.member.programme.Zone) == periodOf(c.Per, t, s.member.programme.Zone)
}

// customerBefore are the times at which the member has bought before: at the
// partner, in whichever programme they were then, or with an offer of the programme's
// own anywhere as its member.
func (h history) customerBefore(s sale, partnerID string, c money.Currency) []rules.Instant {
	var times []rules.Instant
	for _, x := range h.before {
		if !x.view.isPurchase(x.world, c) {
			continue
		}
		at := x.view.at.partner
		if partnerID == "" && x.member.programme.ID == s.member.programme.ID || partnerID != "" && at != nil && at.ID == partnerID {
			times = append(times, x.view.time)
		}
	}
	return times
}

// ranks reports whether this visit is the nth, 2nth, ... of its period.
func (h history) ranks(s sale, key offerKey, every offer.Every) bool {
	if every.N == 0 {
		return true
	}
	if h.late {
		v, ok := h.own.visit(key)
		return ok && v.ranked
	}
	return (len(h.visits(s, key, every.Per))+1)%every.N == 0
}

// firstOfDay reports whether no visit was made on the day of the programme
// before. A purchase with late events is what it was without them.
func (h history) firstOfDay(s sale, key offerKey) bool {
	if h.late {
		_, ok := h.own.visit(key)
		return ok
	}
	return len(h.visits(s, key, offer.PerDay)) == 0
}

// reaches is how often the goal is reached with this visit; where there is none,
// it is as if it were reached once.
func (h history) reaches(s sale, v visit, goal offer.Goal) int64 {
	if goal.AmountMinor == 0 {
		return 1
	}
	if h.late {
		if own, ok := h.own.visit(v.key); ok && own.reached {
			return own.times
		}
		return 0
	}
	before := int64(0)
	for _, x := range h.visits(s, v.key, goal.Per) {
		if x.reached && !goal.Again {
			return 0
		}
		if x.currency == v.currency {
			before += x.basis
		}
	}
	if goal.Again { // each full multiple that wasn't full before
		return (before+v.basis)/goal.AmountMinor - before/goal.AmountMinor
	}
	if before+v.basis >= goal.AmountMinor {
		return 1
	}
	return 0
}

// atCountLimit reports whether a cap by count leaves no award here. What there
// was without late events stays.
func (h history) atCountLimit(s sale, aw *award) bool {
	if h.late && h.own.awarded(aw.key) > 0 {
		return false
	}
	return slices.ContainsFunc(aw.offer.Caps, func(c offer.Cap) bool {
		return c.Count > 0 && h.used(s, c, func(x *outcome) int64 { return x.awarded(aw.key) }) >= c.Count
	})
}

// room is the most that the caps by amount leave for the award.
func (h history) room(s sale, aw *award) (most int64, capped bool) {
	for _, c := range aw.offer.Caps {
		if c.AmountMinor == 0 {
			continue
		}
		left := c.AmountMinor
		if c.Per != offer.PerPurchase {
			left = max(0, h.left(s, aw, c))
		}
		if !capped || left < most {
			most, capped = left, true
		}
	}
	return most, capped
}

func (h history) left(s sale, aw *award, c offer.Cap) int64 {
	gave := func(x *outcome) int64 { return x.gave(aw.key, aw.unit) }
	return max(gave(h.own), c.AmountMinor-h.used(s, c, gave))
}

// used is what other purchases use of the cap's period: those before, or for a
// purchase that has late events, all of them. Of rolling periods, which end with
// a purchase, it is the fullest.
func (h history) used(s sale, c offer.Cap, of func(*outcome) int64) int64 {
	if !h.late {
		sum := int64(0)
		for _, x := range h.before {
			if samePeriod(c, x, s.at, s) {
				sum += of(x)
			}
		}
		return sum
	}
	most := h.others.use(s, c, s.at, of)
	if c.Per != offer.PerRolling {
		return most
	}
	for _, other := range h.others {
		x := other.any()
		if x != nil && x.view.time.After(s.at) && s.at.After(x.view.time.AddDays(-c.Days)) {
			most = max(most, h.others.use(s, c, x.view.time, of))
		}
	}
	return most
}

// others are purchases with what they had without late events, and have now.
type others []result

// use is what the others use of the cap in the period of t: the greater of what
// each had and has.
func (all others) use(s sale, c offer.Cap, t rules.Instant, of func(*outcome) int64) int64 {
	sum := int64(0)
	for _, r := range all {
		if x := r.any(); x != nil && samePeriod(c, x, t, s) {
			sum += max(of(r.recorded), of(r.final))
		}
	}
	return sum
}

func (r result) any() *outcome { return cmp.Or(r.final, r.recorded) }
