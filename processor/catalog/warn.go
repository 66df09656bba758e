package catalog

import (
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// What is legal but surely not meant. Only the newest version of a subject is
// looked at: nobody can change the older ones.

// newest reports whether no later version of its subject is known.
func (c *checker) newest(d *Document) bool {
	versions := c.versions[d.Subject]
	return len(versions) > 0 && versions[len(versions)-1] == d
}

// usualReturnDays is for how long shops take goods back at most, Christmas
// included.
const usualReturnDays = 120

func (c *checker) warnOfProgramme(d *Document, p *offer.Programme) {
	if !c.newest(d) {
		return
	}
	if p.UnlinkedRefundDays > usualReturnDays {
		c.warn(d, path{"unlinked_refunds"}, "a refund without a link is matched to purchases of up to %d days before, but shops take goods back within some weeks: the longer, the more often another purchase is charged; write 30 to %d days",
			p.UnlinkedRefundDays, usualReturnDays)
	}
	w := warner{checker: c, doc: d, zones: []*time.Location{p.Zone}, points: p.Points}
	w.holdout(path{"holdout"}, "programme "+p.ID, p.Holdout)
	c.warnOfPayout(d, p)
	c.warnOfBilling(d, p)
	for i := range p.Offers {
		w.offer(path{"offers", i}, &p.Offers[i])
	}
}

func (c *checker) warnOfPartner(d *Document, p *offer.Partner, in *offer.Programme) {
	if !c.newest(d) {
		return
	}
	if len(p.Stores) == 0 {
		c.warn(d, path{"stores"}, "partner %s has no store, so none of its offers can ever apply: write its stores", p.ID)
	}
	c.warnOfCurrency(d, in)
	c.warnOfBilled(d, p, in)
	w := warner{checker: c, doc: d, zones: zonesOf(p), points: in.Points, partner: p}
	for i := range p.Offers {
		w.offer(path{"offers", i}, &p.Offers[i])
	}
}

// warnOfCurrency warns of terms that state no currency under a programme that
// gets another one: they are read in the one that holds when this version begins.
func (c *checker) warnOfCurrency(d *Document, in *offer.Programme) {
	at := path{"currency"}
	if d.partner.currency != (money.Currency{}) {
		i := slices.IndexFunc(d.partner.offers, func(o offerDoc) bool { return o.currency == (money.Currency{}) })
		if i < 0 {
			return
		}
		at = path{"offers", i}
	}
	for _, next := range c.programmes[in.ID] {
		begins := next.Version.From
		if next.programme == nil || !begins.After(d.Version.From) || next.programme.currency == in.Currency {
			continue
		}
		c.warn(d, at, "this states no currency and stays with %s, though programme %s has %s from %s on: write the currency, or publish this file once more with an effective_from of then",
			in.Currency, in.ID, next.programme.currency, begins.Time().In(in.Zone).Format("2006-01-02 15:04"))
		return
	}
}

func (c *checker) warnOfCampaign(d *Document, campaign *offer.Campaign, in *offer.Programme) {
	if !c.newest(d) {
		return
	}
	w := warner{checker: c, doc: d, zones: []*time.Location{in.Zone}, points: in.Points}
	times := span{campaign.From, campaign.Until}
	w.times(path{}, "campaign "+d.Subject.ID, times, &campaign.When)
	w.audience(path{"for"}, "campaign "+d.Subject.ID, times, &campaign.Audience)
	w.holdout(path{"holdout"}, "campaign "+d.Subject.ID, campaign.Holdout)
	boosts := make([]offer.Boost, len(campaign.Boosts))
	for i := range campaign.Boosts {
		boosts[i] = campaign.Boosts[i].Boost
	}
	w.boosts(path{"boosts"}, boosts, times, func(higher, lower int) bool {
		return covers(campaign.Boosts[higher].Offers, campaign.Boosts[lower].Offers)
	})
}

// covers reports whether one list of offers, where none is all, has what the
// other has.
func covers(wide, narrow []offer.OfferRef) bool {
	if len(wide) == 0 {
		return true
	}
	has := map[offer.OfferRef]bool{}
	for _, ref := range wide {
		has[ref] = true
	}
	for _, ref := range narrow {
		if !has[ref] && !has[offer.OfferRef{Partner: ref.Partner}] {
			return false
		}
	}
	return len(narrow) > 0
}

func zonesOf(p *offer.Partner) []*time.Location {
	seen := map[string]bool{}
	var zones []*time.Location
	for _, s := range p.Stores {
		if !seen[s.Zone.String()] {
			seen[s.Zone.String()] = true
			zones = append(zones, s.Zone)
		}
	}
	return zones
}

// warner warns of one file.
type warner struct {
	*checker
	doc     *Document
	zones   []*time.Location // on whose clocks its times are
	points  offer.PointsUnit // of the programme
	partner *offer.Partner   // whose offers they are; nil: the programme's own
}

func (w *warner) warn(at path, format string, args ...any) {
	w.checker.warn(w.doc, at, format, args...)
}

// span is a window on the store's clock, [from, until); zero: open.
type span struct{ From, Until offer.LocalTime }

func (s span) meets(o span) bool {
	before := func(until, from offer.LocalTime) bool {
		return !until.IsZero() && !from.IsZero() && compareLocal(until, from) <= 0
	}
	return !before(s.Until, o.From) && !before(o.Until, s.From)
}

// has reports whether all of o is in s.
func (s span) has(o span) bool {
	begins := s.From.IsZero() || !o.From.IsZero() && compareLocal(s.From, o.From) <= 0
	return begins && (s.Until.IsZero() || !o.Until.IsZero() && compareLocal(s.Until, o.Until) >= 0)
}

// endOf is when the last clock reaches the end of a window.
func (w *warner) endOf(until offer.LocalTime) rules.Instant {
	end := rules.MinInstant
	for _, zone := range w.zones {
		end = rules.Later(end, until.In(zone))
	}
	return end
}

// times warns of windows that are over, and of dates that never come.
func (w *warner) times(at path, what string, times span, when *offer.When) {
	if !times.Until.IsZero() && len(w.zones) > 0 {
		switch end := w.endOf(times.Until); {
		case !end.After(w.doc.Version.From):
			w.warn(at.to("until"), "%s ends before this version comes into force, so it never applies: correct until, or remove it", what)
			return
		case !end.After(w.now):
			w.warn(at.to("until"), "the window of %s is over already: correct until, or remove it", what)
			return
		}
	}
	w.dates(at.to("when", "dates"), what, times, when)
}

func (w *warner) dates(at path, what string, times span, when *offer.When) {
	over := 0
	for i, dates := range when.Dates {
		switch {
		case !times.meets(span(dates)):
			w.warn(at.to(i), "these dates lie outside from and until of %s, so it never applies on them: correct one of them", what)
		case noSuchDay(dates, when):
			w.warn(at.to(i), "none of these dates is one of the weekdays of %s, so it never applies on them: correct one of them", what)
		}
		if len(w.zones) > 0 && !w.endOf(dates.Until).After(w.now) {
			over++
		}
	}
	if over > 0 && over == len(when.Dates) {
		w.warn(at, "all dates of %s are over already: correct them, or remove it", what)
	}
}

// noSuchDay reports whether no day of the dates is one of the weekdays. Hours
// over midnight belong to the weekday before.
func noSuchDay(dates offer.Dates, when *offer.When) bool {
	for _, h := range when.Hours {
		if h.UntilSec <= h.FromSec {
			return false
		}
	}
	if when.Weekdays == 0 {
		return false
	}
	day, end := dayOf(dates.From), dayOf(dates.Until)
	for range 7 {
		if !day.Before(end) {
			return true
		}
		if when.Weekdays.Has(day.Weekday()) {
			return false
		}
		day = day.AddDate(0, 0, 1)
	}
	return false
}

func dayOf(l offer.LocalTime) time.Time {
	return time.Date(l.Year, l.Month, l.Day, 0, 0, 0, 0, time.UTC)
}

// audience warns of members that nobody can be.
func (w *warner) audience(at path, what string, times span, a *offer.Audience) {
	if a.EnrolledWithinDays > 0 && a.EnrolledForDays >= a.EnrolledWithinDays {
		w.warn(at.to("enrolled_within"), "nobody enrolled less than %d days and at least %d days ago, so %s never applies: correct one of them", a.EnrolledWithinDays, a.EnrolledForDays, what)
	}
	if !times.Until.IsZero() && !a.EnrolledSince.IsZero() && compareLocal(times.Until, a.EnrolledSince) <= 0 {
		w.warn(at.to("enrolled_since"), "%s ends before anybody enrols whom it is for, so it never applies: correct one of them", what)
	}
}
