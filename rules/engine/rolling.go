package engine

import (
	"sort"

	"ristourne/rules"
)

// rollingFill is one counter whose periods end with each purchase: first what
// each purchase used without late events, in order of time, then in windows what
// late events add.
type rollingFill struct {
	days    int
	entries []rollingEntry
	changed int // how many entries differ from what they were
	windows windows
}

// rollingEntry is what was used at all times up to one.
type rollingEntry struct {
	at rules.Instant
	fill
}

// rolling is the fill of a counter, made where there is none. It is valid until
// the next call.
func (k *counters) rolling(c *counter) *rollingFill {
	i, known := k.rollingNumbers.of(c.id)
	if !known {
		k.rollings = grown(k.rollings)
		r := &k.rollings[i]
		r.days, r.entries, r.changed = c.days, r.entries[:0], 0
		r.windows.at = r.windows.at[:0]
	}
	return &k.rollings[i]
}

// grown adds an element that keeps whatever memory its last use had.
func grown[T any](s []T) []T {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	var zero T
	return append(s, zero)
}

// add counts what is used at t. Until windows are looked at, t is never earlier
// than before.
func (r *rollingFill) add(w world, t rules.Instant, now, was int64) {
	if len(r.windows.at) > 0 {
		r.windows.add(w, t, r.days, now)
		return
	}
	n := len(r.entries)
	if n == 0 || r.entries[n-1].at != t {
		r.entries = append(r.entries, rollingEntry{t, r.upTo(t)})
		n++
	}
	before, last := r.lastChanged(), &r.entries[n-1]
	last.now[w] += now
	last.was[w] += was
	switch after := r.lastChanged(); {
	case after && !before:
		r.changed++
	case before && !after:
		r.changed--
	}
}

// lastChanged reports whether something else is used at the last entry than
// before.
func (r *rollingFill) lastChanged() bool {
	n := len(r.entries)
	var before fill
	if n > 1 {
		before = r.entries[n-2].fill
	}
	for w := range numWorlds {
		last := &r.entries[n-1]
		if last.now[w]-before.now[w] != last.was[w]-before.was[w] {
			return true
		}
	}
	return false
}

// endingAt is what was used in the period that ends with t, without late events.
func (r *rollingFill) endingAt(t rules.Instant) fill {
	end, start := r.upTo(t), r.upTo(t.AddDays(-r.days))
	for w := range numWorlds {
		end.now[w] -= start.now[w]
		end.was[w] -= start.was[w]
	}
	return end
}

func (r *rollingFill) upTo(t rules.Instant) fill {
	n := len(r.entries)
	if n > 0 && t.Before(r.entries[n-1].at) { // seldom: purchases come in order of time
		n = sort.Search(n, func(i int) bool { return r.entries[i].at.After(t) })
	}
	if n == 0 {
		return fill{}
	}
	return r.entries[n-1].fill
}

// mostAround is the most that was used, with late events, in one of the periods that
// end with a purchase and in which t lies. late are the times, in order, of all
// purchases that have late events, t among them.
func (r *rollingFill) mostAround(w world, t rules.Instant, late []rules.Instant) int64 {
	if len(r.windows.at) == 0 {
		r.windows.open(r, late)
	}
	return r.windows.most(w, t, r.days)
}

// windows are the periods of a rolling counter that end with a purchase, by
// their ends, as a tree over what is used in each. A late event adds to all those
// in which its purchase lies, and asks for the fullest of them: both in the
// logarithm of their number, since an account may have thousands of either.
type windows struct {
	at    []rules.Instant // in order
	nodes []window        // the root is 1, the halves of node i are 2i and 2i+1
}

// window is the most used in one of the periods below a node, less what is added
// to all periods of the nodes above it.
type window struct{ most, added [numWorlds]int64 }

// open makes the windows of what was counted so far, and of the late times, which
// may be counted yet. One that ends where nothing was used is never the fullest
// alone.
func (x *windows) open(r *rollingFill, late []rules.Instant) {
	for entries := r.entries; len(entries)+len(late) > 0; {
		var t rules.Instant
		if len(late) == 0 || len(entries) > 0 && entries[0].at.Before(late[0]) {
			t, entries = entries[0].at, entries[1:]
		} else {
			t, late = late[0], late[1:]
		}
		if n := len(x.at); n == 0 || x.at[n-1] != t {
			x.at = append(x.at, t)
		}
	}
	leaves := 1
	for leaves < len(x.at) {
		leaves *= 2
	}
	x.nodes = append(x.nodes[:0], make([]window, 2*leaves)...)
	for i, t := range x.at {
		x.nodes[leaves+i].most = r.endingAt(t).now
	}
	for i := leaves - 1; i > 0; i-- {
		x.sum(i)
	}
}

// sum makes node i what its halves are.
func (x *windows) sum(i int) {
	for w := range numWorlds {
		x.nodes[i].most[w] = max(x.nodes[2*i].most[w], x.nodes[2*i+1].most[w]) + x.nodes[i].added[w]
	}
}

// around are the windows in which t lies: those that end at t or later, but
// before it has fallen out of them.
func (x *windows) around(t rules.Instant, days int) (from, to int) {
	end := t.AddDays(days)
	from = sort.Search(len(x.at), func(i int) bool { return !x.at[i].Before(t) })
	to = from + sort.Search(len(x.at)-from, func(i int) bool { return !x.at[from+i].Before(end) })
	return from, to
}

func (x *windows) add(w world, t rules.Instant, days int, minor int64) {
	from, to := x.around(t, days)
	x.addBelow(w, 1, 0, len(x.nodes)/2, from, to, minor)
}

// addBelow adds to those of [from, to) that are among the node's [first, end).
func (x *windows) addBelow(w world, node, first, end, from, to int, minor int64) {
	switch {
	case from >= end || to <= first:
	case from <= first && end <= to:
		x.nodes[node].most[w] += minor
		x.nodes[node].added[w] += minor
	default:
		middle := (first + end) / 2
		x.addBelow(w, 2*node, first, middle, from, to, minor)
		x.addBelow(w, 2*node+1, middle, end, from, to, minor)
		x.sum(node)
	}
}

func (x *windows) most(w world, t rules.Instant, days int) int64 {
	from, to := x.around(t, days)
	return x.mostBelow(w, 1, 0, len(x.nodes)/2, from, to)
}

// mostBelow is the most among those of [from, to) that are among the node's
// [first, end); 0 where none are.
func (x *windows) mostBelow(w world, node, first, end, from, to int) int64 {
	switch {
	case from >= end || to <= first:
		return 0
	case from <= first && end <= to:
		return x.nodes[node].most[w]
	}
	middle := (first + end) / 2
	most := max(x.mostBelow(w, 2*node, first, middle, from, to), x.mostBelow(w, 2*node+1, middle, end, from, to))
	return most + x.nodes[node].added[w]
}
