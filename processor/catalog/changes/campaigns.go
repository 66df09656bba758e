package changes

import (
	"maps"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// How a campaign stands.
const (
	Boosts  = "boosts"    // offers, at this moment or at others of its times
	ToCome  = "to come"   // it begins later
	Over    = "over"      // its window is over
	Stops   = "stopping"  // it is stopped from a moment on that is near
	Stopped = "stopped"   // it boosts no longer
	Gone    = "withdrawn" // nothing of it ever came into force
)

// Campaign is a campaign as it stands.
type Campaign struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Since   string `json:"since,omitempty"` // of stopped, stopping, to come
	Times   string `json:"times"`
	Budget  string `json:"budget,omitempty"`
	Boosts  int    `json:"boosts"`
	Version string `json:"version"`
	// Agreed is the version that holds, or the next; nil: gone.
	Agreed *offer.Campaign `json:"-"`
}

// Campaigns are all campaigns as they stand at now, by id.
func Campaigns(c *offer.Catalogue, now rules.Instant) []Campaign {
	versions := map[string][]*offer.Campaign{}
	for i := range c.Campaigns {
		id := c.Campaigns[i].ID
		versions[id] = append(versions[id], &c.Campaigns[i])
	}
	var all []Campaign
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		slices.SortFunc(versions[id], func(a, b *offer.Campaign) int { return a.Version.From.Compare(b.Version.From) })
		all = append(all, campaignAt(c, id, versions[id], now))
	}
	return all
}

func campaignAt(c *offer.Catalogue, id string, versions []*offer.Campaign, now rules.Instant) Campaign {
	shown := Campaign{ID: id}
	var last, next *offer.Campaign // in force, and what comes after it
	for _, v := range versions {
		switch {
		case !v.Version.From.After(now):
			if !v.Version.Ended {
				shown.Agreed = v
			}
			last = v
		case next == nil:
			next = v
		}
	}
	if shown.Agreed == nil && next != nil && !next.Version.Ended {
		shown.Agreed = next
	}
	shown.State = Gone
	if shown.Agreed == nil {
		return shown
	}
	shown.describe(c, now)
	zone := ZoneOf(c, shown.Agreed.Programme, now)
	switch {
	case last == nil:
		shown.State, shown.Since = ToCome, onClock(next.Version.From, zone)
	case last.Version.Ended:
		shown.State, shown.Since = Stopped, onClock(last.Version.From, zone)
	case next != nil && next.Version.Ended:
		shown.State, shown.Since = Stops, onClock(next.Version.From, zone)
	case !shown.Agreed.Until.IsZero() && !now.Before(shown.Agreed.Until.In(zone)):
		shown.State = Over
	case !shown.Agreed.From.IsZero() && now.Before(shown.Agreed.From.In(zone)):
		shown.State, shown.Since = ToCome, onClock(shown.Agreed.From.In(zone), zone)
	default:
		shown.State = Boosts
	}
	return shown
}

// ZoneOf is the zone of a programme as it is at an instant.
func ZoneOf(c *offer.Catalogue, programmeID string, at rules.Instant) *time.Location {
	if p := offer.InForceAt(c.Programmes, programmeID, at); p != nil && p.Zone != nil {
		return p.Zone
	}
	return time.UTC
}

func (s *Campaign) describe(c *offer.Catalogue, now rules.Instant) {
	programme := differ{c, c}.programmeAt(c, s.Agreed.Programme, now)
	s.Name, s.Version, s.Boosts = s.Agreed.Name, s.Agreed.Version.ID, len(s.Agreed.Boosts)
	s.Times = campaignTimes(s.Agreed)
	s.Budget = campaignBudget(campaignWording(programme, s.Agreed), s.Agreed)
}

// StateText says how the campaign stands, in a table.
func (s *Campaign) StateText() string {
	switch s.State {
	case Stops:
		return "stopped from " + s.Since + " on"
	case Stopped:
		return "stopped since " + s.Since
	case ToCome:
		return "to come, from " + shortened(s.Since) + " on"
	}
	return s.State
}
