package catalog

import (
	"fmt"
	"slices"

	"ristourne/rules/offer"
)

// boosts warns of those that never hold, or that another one always hides.
// times are those of the offer or campaign around them; sameOffers tells whether
// one boost touches all that another does.
func (w *warner) boosts(at path, boosts []offer.Boost, times span, sameOffers func(wide, narrow int) bool) {
	for i := range boosts {
		b, at := &boosts[i], at.to(i)
		what, own := fmt.Sprintf("boost %q", b.ID), span{b.From, b.Until}
		if !times.meets(own) {
			w.warn(at, "%s lies outside the time of what it raises, so it never holds: correct its from and until", what)
			continue
		}
		w.times(at, what, own, &b.When)
		w.audience(at.to("for"), what, own, &b.Audience)
		if b.Op == offer.MultiplyRate && b.FactorMillionths == wholeMillionths || b.Op != offer.MultiplyRate && b.RateMillionths == 0 {
			w.warn(at, "%s changes nothing: write a higher one, or remove it", what)
			continue
		}
		for j := range boosts {
			if i != j && hides(&boosts[j], b, j < i) && sameOffers(j, i) {
				w.warn(at, "%s never counts: whenever it holds, boost %q does too and gives as much or more; narrow that one, or remove this one", what, boosts[j].ID)
				break
			}
		}
	}
}

// hides reports whether the lower of two boosts never counts beside the higher.
// Of two that are the same the first hides the second.
func hides(higher, lower *offer.Boost, first bool) bool {
	if higher.Op != lower.Op || higher.OfPoints != lower.OfPoints || higher.Op == offer.AddRate {
		return false
	}
	if higher.RateMillionths < lower.RateMillionths || higher.FactorMillionths < lower.FactorMillionths {
		return false
	}
	wider := holdsWith(higher, lower)
	equal := higher.RateMillionths == lower.RateMillionths && higher.FactorMillionths == lower.FactorMillionths
	return wider && (first || !equal || !holdsWith(lower, higher))
}

// holdsWith reports whether the wide one holds whenever the narrow one does, as
// far as can be seen.
func holdsWith(wide, narrow *offer.Boost) bool {
	return span{wide.From, wide.Until}.has(span{narrow.From, narrow.Until}) &&
		whenHas(&wide.When, &narrow.When) && audienceHas(&wide.Audience, &narrow.Audience)
}

func whenHas(wide, narrow *offer.When) bool {
	days := wide.Weekdays == 0 || narrow.Weekdays != 0 && narrow.Weekdays&^wide.Weekdays == 0
	hours := eachIn(wide.Hours, narrow.Hours, func(w, n offer.Hours) bool {
		straight := w.FromSec < w.UntilSec && n.FromSec < n.UntilSec
		return w == n || straight && w.FromSec <= n.FromSec && n.UntilSec <= w.UntilSec
	})
	dates := eachIn(wide.Dates, narrow.Dates, func(w, n offer.Dates) bool { return span(w).has(span(n)) })
	return days && hours && dates
}

func audienceHas(wide, narrow *offer.Audience) bool {
	same := func(w, n string) bool { return w == n }
	since := wide.EnrolledSince.IsZero() || !narrow.EnrolledSince.IsZero() && compareLocal(wide.EnrolledSince, narrow.EnrolledSince) <= 0
	within := wide.EnrolledWithinDays == 0 || narrow.EnrolledWithinDays > 0 && narrow.EnrolledWithinDays <= wide.EnrolledWithinDays
	return eachIn(wide.Levels, narrow.Levels, same) && eachIn(wide.Segments, narrow.Segments, same) &&
		eachIn(wide.CardProducts, narrow.CardProducts, same) && since && within && narrow.EnrolledForDays >= wide.EnrolledForDays
}

// eachIn reports whether each of narrow is in one of wide, where none is all.
func eachIn[V any](wide, narrow []V, in func(w, n V) bool) bool {
	if len(wide) == 0 {
		return true
	}
	for _, n := range narrow {
		if !slices.ContainsFunc(wide, func(w V) bool { return in(w, n) }) {
			return false
		}
	}
	return len(narrow) > 0
}

// idleBoosts warns of boosts that set a rate which the offer gives anyway.
func (w *warner) idleBoosts(at path, o *offer.Offer) {
	lowest := lowestRate(&o.Reward)
	for i := range o.Boosts {
		b := &o.Boosts[i]
		if b.Op == offer.SetRate && b.RateMillionths > 0 && b.RateMillionths <= lowest {
			w.warn(at.to(i, "set"), "boost %q sets no more than the offer gives anyway: write a higher rate, or remove it", b.ID)
		}
	}
}

// lowestRate is the lowest rate of a reward that gives something, 0 where it has
// none.
func lowestRate(r *offer.Reward) int64 {
	rates := []int64{r.RateMillionths, r.RestMillionths}
	for _, t := range r.Tiers {
		rates = append(rates, t.RateMillionths)
	}
	for _, category := range r.Categories {
		rates = append(rates, category.RateMillionths)
	}
	rates = slices.DeleteFunc(rates, func(rate int64) bool { return rate == 0 })
	if len(rates) == 0 {
		return 0
	}
	return slices.Min(rates)
}
