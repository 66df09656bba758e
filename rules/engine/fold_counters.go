package engine

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"

	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// This file is what a fold keeps of counters and histories.

// foldedCounters are how far what fills up has filled: as if budgets had no end, and
// with what they gave, where that is not the same.
type foldedCounters struct {
	counters []foldedCounter
	held     []foldedCounter
	apart    bool // held are others than counters
	granted  bool // budgets were asked for some purchase
	refused  bool // and gave less
}

// keepHeld keeps the counters with what budgets gave.
func (f *foldedCounters) keepHeld(held []foldedCounter) {
	if f.apart = !slices.Equal(f.counters, held); f.apart {
		f.held = held
	}
}

// of are the counters for a run that is held to what budgets gave, or for one that
// isn't.
func (f *foldedCounters) of(held bool) []foldedCounter {
	if held && f.apart {
		return f.held
	}
	return f.counters
}

// foldIsGranted reports that budgets were asked for purchases that are put away.
func (a *Account) foldIsGranted() bool { return a.fold != nil && a.fold.granted }

// foldIsRefused reports that they gave less for one of them.
func (a *Account) foldIsRefused() bool { return a.fold != nil && a.fold.refused }

// foldCounters are the counters as they stand, as far as a purchase after the last one
// may meet them.
func (e *Engine) foldCounters(last *purchase) (folded []foldedCounter) {
	s := e.snapshot
	for i := range e.counters.fills.slots {
		slot := &e.counters.fills.slots[i]
		if slot.turn != e.counters.fills.turn || slot.now == [numWorlds]int64{} {
			continue
		}
		c := foldedCounter{id: int32(slot.key >> 32), period: int32(uint32(slot.key)), units: slot.now}
		c.counterName = s.counterNames[c.id]
		// In another zone an instant may lie in another period than here.
		if c.per != offer.PerLife && last.programme != nil && c.period < last.periods.of(c.per)-2 {
			continue
		}
		folded = append(folded, c)
	}
	e.counters.rollingNumbers.each(func(id int32, number int) {
		r := &e.counters.rollings[number]
		var before fill
		for _, entry := range r.entries {
			c := foldedCounter{id: id, counterName: s.counterNames[id], at: entry.at}
			for w := range numWorlds {
				c.units[w] = entry.now[w] - before.now[w]
			}
			if before = entry.fill; entry.at.After(last.at.AddDays(-r.days)) && c.units != [numWorlds]int64{} {
				folded = append(folded, c)
			}
		}
	})
	slices.SortFunc(folded, func(x, y foldedCounter) int {
		return cmp.Or(x.counterName.compare(&y.counterName), x.at.Compare(y.at), cmp.Compare(x.period, y.period))
	})
	return folded
}

func (n *counterName) compare(o *counterName) int {
	return cmp.Or(cmp.Compare(n.partner, o.partner), cmp.Compare(n.offer, o.offer), cmp.Compare(n.unit, o.unit),
		cmp.Compare(n.measure, o.measure), cmp.Compare(n.per, o.per), cmp.Compare(n.days, o.days))
}

func (e *Engine) foldPasts() (folded []foldedPast) {
	h := &e.valuer.history
	h.pastNumbers.each(func(k pastKey, number int) {
		if h.pasts[number].any != [numWorlds]bool{} {
			folded = append(folded, foldedPast{k, h.pasts[number]})
		}
	})
	slices.SortFunc(folded, func(x, y foldedPast) int {
		return cmp.Or(cmp.Compare(x.programme, y.programme), cmp.Compare(x.partner, y.partner), cmp.Compare(x.currency.String(), y.currency.String()))
	})
	return folded
}

// unfoldCounters begins a run where the purchases that are put away have ended.
func (e *Engine) unfoldCounters(a *Account, held bool) {
	if a.fold == nil {
		return
	}
	counters := a.fold.of(held)
	for i := range counters {
		c := &counters[i]
		for w := range numWorlds {
			switch {
			case c.units[w] == 0:
			case c.per == offer.PerRolling:
				e.counters.rolling(&counter{c.id, c.measure, c.per, c.days}).add(w, c.at, c.units[w], c.units[w])
			default:
				e.counters.fills.add(fillKey(c.id, c.period), w, c.units[w], c.units[w])
			}
		}
	}
	for i := range a.fold.pasts {
		p := &a.fold.pasts[i]
		*e.valuer.past(p.programme, p.partner, p.currency) = p.pastPurchases
	}
}

// bindFold finds the counters of the fold in another snapshot.
func (a *Account) bindFold(s *Snapshot) {
	if a.fold == nil || a.fold.meaning != s.meaning {
		return
	}
	for _, counters := range [...][]foldedCounter{a.fold.counters, a.fold.held} {
		for i := range counters {
			counters[i].id = s.counterIDs[counters[i].counterName]
		}
	}
}

// meaningOf is a fingerprint of all that the snapshot counts over purchases, and of
// which histories it keeps: a fold that was made under another may lack something.
func (s *Snapshot) meaningOf() uint64 {
	names := slices.Clone(s.counterNames)
	slices.SortFunc(names, func(x, y counterName) int { return x.compare(&y) })
	h := fnv.New64a()
	for i := range names {
		n := &names[i]
		fmt.Fprintf(h, "%q %q %q %d %d %d\n", n.partner, n.offer, n.unit, n.measure, n.per, n.days)
	}
	currencies := slices.Clone(s.historyCurrencies)
	slices.SortFunc(currencies, func(x, y money.Currency) int { return cmp.Compare(x.String(), y.String()) })
	for _, c := range currencies {
		fmt.Fprintln(h, c)
	}
	return h.Sum64()
}
