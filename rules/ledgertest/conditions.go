package ledgertest

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// sale is what conditions ask about: one purchase of a member, as the event
// tells that gives its time.
type sale struct {
	at     rules.Instant
	zone   *time.Location // of the store, or of the programme
	place  place
	opener *rules.Event
	member member
	// account is its id.
	account string
}

// offerRuns reports whether the offer is for this store at this time.
func (s sale) offerRuns(offer *offer.Offer) bool {
	if len(offer.Stores) > 0 && !slices.Contains(offer.Stores, s.place.store.ID) {
		return false
	}
	return s.within(offer.From, offer.Until)
}

// within reports whether the wall clock stands in [from, until).
func (s sale) within(from, until offer.LocalTime) bool {
	t := s.at.Time()
	if !from.IsZero() && t.Before(reached(from, s.zone)) {
		return false
	}
	return until.IsZero() || t.Before(reached(until, s.zone))
}

// holds looks at those conditions that need no other purchase.
func (s sale) holds(c offer.Conditions, basis int64, key offerKey) bool {
	switch {
	case c.MinSpendMinor > 0 && basis < c.MinSpendMinor:
	case c.MaxSpendMinor > 0 && basis > c.MaxSpendMinor:
	case !s.when(c.When):
	case len(c.Channels) > 0 && (s.opener.Channel == rules.ChannelUnknown || !slices.Contains(c.Channels, s.opener.Channel)):
	case !ofCategory(c, s.opener.Merchant.MCC):
	case len(c.Countries) > 0 && (s.opener.Merchant.Country == "" || !slices.Contains(c.Countries, s.opener.Merchant.Country)):
	case len(c.PaidIn) > 0 && !slices.Contains(c.PaidIn, s.opener.Currency):
	case !s.audience(c.Audience):
	case c.Audience.Activated && !s.member.hasActivated(key):
	default:
		return true
	}
	return false
}

// ofCategory reports whether a merchant of this category can earn by the
// offer: it is one that is named, where some are, and none that is excluded.
func ofCategory(c offer.Conditions, mcc string) bool {
	if len(c.MCCs) > 0 && !inMCCs(c.MCCs, mcc) {
		return false
	}
	return len(c.NotMCCs) == 0 || (mcc != "" && !inMCCs(c.NotMCCs, mcc))
}

func inMCCs(ranges []offer.MCCRange, mcc string) bool {
	n, err := strconv.Atoi(mcc)
	return err == nil && slices.ContainsFunc(ranges, func(r offer.MCCRange) bool { return int(r.From) <= n && n <= int(r.To) })
}

// when reads the clock on the store's wall.
func (s sale) when(w offer.When) bool {
	if len(w.Dates) > 0 && !slices.ContainsFunc(w.Dates, func(d offer.Dates) bool { return s.within(d.From, d.Until) }) {
		return false
	}
	wall := s.at.Time().In(s.zone)
	today := wall.Weekday()
	yesterday := (today + 6) % 7
	onDay := func(d time.Weekday) bool { return w.Weekdays == 0 || w.Weekdays.Has(d) }
	if len(w.Hours) == 0 {
		return onDay(today)
	}
	second := int32(wall.Hour()*3600 + wall.Minute()*60 + wall.Second())
	return slices.ContainsFunc(w.Hours, func(h offer.Hours) bool {
		if h.FromSec < h.UntilSec {
			return onDay(today) && h.FromSec <= second && second < h.UntilSec
		}
		return (onDay(today) && h.FromSec <= second) || (onDay(yesterday) && second < h.UntilSec)
	})
}

// audience looks at everything but activation.
func (s sale) audience(a offer.Audience) bool {
	m := s.member
	if len(a.Levels) > 0 && (m.level == "" || !slices.Contains(a.Levels, m.level)) {
		return false
	}
	if len(a.Segments) > 0 && !slices.ContainsFunc(a.Segments, func(id string) bool { return m.segments[id] }) {
		return false
	}
	if len(a.CardProducts) > 0 && (s.opener.CardProduct == "" || !slices.Contains(a.CardProducts, s.opener.CardProduct)) {
		return false
	}
	if a.EnrolledSince.IsZero() && a.EnrolledForDays == 0 && a.EnrolledWithinDays == 0 {
		return true
	}
	if !m.enrolled {
		return false
	}
	if !a.EnrolledSince.IsZero() && m.enrolledAt.Time().Before(reached(a.EnrolledSince, m.programme.Zone)) {
		return false
	}
	if a.EnrolledForDays > 0 && s.at.Before(m.enrolledAt.AddDays(a.EnrolledForDays)) {
		return false
	}
	return a.EnrolledWithinDays == 0 || s.at.Before(m.enrolledAt.AddDays(a.EnrolledWithinDays))
}

// periodOf names the period of the kind in which t lies, by the calendar of a
// zone. Two instants are in one period where the names are equal.
func periodOf(per offer.CapPeriod, t rules.Instant, zone *time.Location) string {
	wall := t.Time().In(zone)
	switch per {
	case offer.PerDay:
		return wall.Format("2006-01-02")
	case offer.PerWeek:
		year, week := wall.ISOWeek()
		return strconv.Itoa(year) + "-W" + strconv.Itoa(week)
	case offer.PerMonth:
		return wall.Format("2006-01")
	case offer.PerQuarter:
		return wall.Format("2006") + "-Q" + strconv.Itoa((int(wall.Month())+2)/3)
	case offer.PerYear:
		return wall.Format("2006")
	case offer.PerLife:
		return ""
	}
	panic("ledgertest: no calendar period: " + per.String())
}

// stronger orders offers: higher priority, smaller id, partner's before the
// programme's own.
func stronger(x, y *offer.Offer, xOwn, yOwn bool) int {
	byOwner := 0
	if xOwn != yOwn {
		byOwner = -1
		if xOwn {
			byOwner = 1
		}
	}
	return cmp.Or(cmp.Compare(y.Priority, x.Priority), cmp.Compare(x.ID, y.ID), byOwner)
}
