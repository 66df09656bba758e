// Package changes says in words what a change of the offers means to members, to
// partners and to the programme, and how a campaign stands.
package changes

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"ristourne/processor/catalog"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// Change is what differs of one subject in one time.
type Change struct {
	Kind     catalog.Kind `json:"kind"`
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	From     string       `json:"from,omitempty"`  // RFC 3339; none: from when it is published, or from ever
	Until    string       `json:"until,omitempty"` // none: for good
	Sections []Section    `json:"sections"`
}

// Section is what differs of one part of a subject: an offer, a store, or what
// holds for all of it.
type Section struct {
	About  string   `json:"about"` // "offer everyday"; empty: the subject itself
	Change string   `json:"change"`
	Says   []string `json:"says"`
}

// The changes of a section.
const (
	begins  = "begins"
	ends    = "ends"
	changes = "changes"
)

// Compare says what differs, subject by subject, each in the order of
// time.
func Compare(before, after *offer.Catalogue) []Change {
	d := differ{before, after}
	zone := time.UTC
	if n := len(after.Programmes); n > 0 && after.Programmes[n-1].Zone != nil {
		zone = after.Programmes[n-1].Zone
	}
	all := compareSubjects(zone, catalog.KindProgramme, before.Programmes, after.Programmes, d.programme)
	all = append(all, compareSubjects(zone, catalog.KindPartner, before.Partners, after.Partners, d.partner)...)
	return append(all, compareSubjects(zone, catalog.KindCampaign, before.Campaigns, after.Campaigns, d.campaign)...)
}

// differ compares versions; their programmes are looked up in the catalogues.
type differ struct{ before, after *offer.Catalogue }

// compareSubjects compares what holds of each subject from each instant on at
// which one of the two catalogues changes it.
func compareSubjects[V offer.Versioned](zone *time.Location, kind catalog.Kind, before, after []V, compare func(old, now *V, at rules.Instant) []Section) []Change {
	times := map[string][]rules.Instant{}
	for _, all := range [][]V{before, after} {
		for i := range all {
			id, version := offer.VersionOf(&all[i])
			times[id] = append(times[id], version.From)
		}
	}
	var found []Change
	for _, id := range slices.Sorted(maps.Keys(times)) {
		slices.SortFunc(times[id], rules.Instant.Compare)
		var last *Change // that still goes on
		for _, at := range slices.Compact(times[id]) {
			old, now := offer.InForceAt(before, id, at), offer.InForceAt(after, id, at)
			sections := compare(old, now, at)
			if last != nil && slices.EqualFunc(last.Sections, sections, Section.equal) {
				continue
			}
			if last != nil {
				last.Until = onClock(at, zone)
				last = nil
			}
			if len(sections) > 0 {
				found = append(found, Change{Kind: kind, ID: id, Name: nameOf(old, now), From: onClock(at, zone), Sections: sections})
				last = &found[len(found)-1]
			}
		}
	}
	return found
}

func (s Section) equal(o Section) bool {
	return s.About == o.About && s.Change == o.Change && slices.Equal(s.Says, o.Says)
}

// onClock is an instant as the clock of the programme's zone shows it; empty:
// from ever.
func onClock(at rules.Instant, zone *time.Location) string {
	if at == rules.MinInstant {
		return ""
	}
	return at.Time().In(zone).Format(time.RFC3339)
}

// shortened leaves of a midnight the day alone: that is how files say it.
func shortened(instant string) string {
	if date, midnight, ok := strings.Cut(instant, "T00:00:00"); ok && midnight != "" {
		return date
	}
	return instant
}

func nameOf[V offer.Versioned](old, now *V) string {
	v := now
	if v == nil {
		v = old
	}
	switch v := any(v).(type) {
	case *offer.Programme:
		return v.Name
	case *offer.Partner:
		return v.Name
	case *offer.Campaign:
		return v.Name
	}
	return ""
}

// Print writes all of them for a person.
func Print(w io.Writer, all []Change) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "Nothing changes: both say the same to members and partners.")
		return err
	}
	var b strings.Builder
	for i := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		all[i].text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *Change) text(b *strings.Builder) {
	title := string(c.Kind) + " " + c.ID
	if c.Name != "" && c.Name != c.ID {
		title = c.Name + " (" + title + ")"
	}
	when := "as soon as it is published"
	if c.From != "" {
		when = "from " + shortened(c.From) + " on"
	}
	if c.Until != "" {
		when += ", until " + shortened(c.Until)
	}
	fmt.Fprintf(b, "%s, %s\n", title, when)
	for _, s := range c.Sections {
		switch {
		case s.About == "" && s.Change == changes:
		case s.About == "":
			fmt.Fprintf(b, "  It %s\n", s.Change)
		default:
			fmt.Fprintf(b, "  %s %s\n", capital(s.About), s.Change)
		}
		for _, line := range s.Says {
			fmt.Fprintf(b, "    %s\n", line)
		}
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// says collects what differs.
type says []string

func (s *says) say(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

// instead says that one text is another; an empty one says that there is none.
func (s *says) instead(what, old, now string) {
	switch {
	case old == now:
	case old == "":
		s.say("%s: %s (new)", what, now)
	case now == "":
		s.say("%s: %s no longer", what, old)
	default:
		s.say("%s: %s instead of %s", what, now, old)
	}
}

// each compares two lists by name: what only the new one has, only the old one,
// or both.
func each[T any](old, now []T, name func(*T) string, visit func(name string, old, now *T)) {
	names := map[string]bool{}
	find := func(list []T, wanted string) *T {
		for i := range list {
			if name(&list[i]) == wanted {
				return &list[i]
			}
		}
		return nil
	}
	for _, list := range [][]T{old, now} {
		for i := range list {
			names[name(&list[i])] = true
		}
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		visit(n, find(old, n), find(now, n))
	}
}

// changeOf is what became of something that was, or is, there.
func changeOf[T any](old, now *T) string {
	switch {
	case old == nil:
		return begins
	case now == nil:
		return ends
	}
	return changes
}

// orZero is what a pointer points to, or nothing at all.
func orZero[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

// list writes what was added to a list and what was dropped.
func (s *says) list(what string, old, now []string) {
	var added, dropped []string
	for _, x := range now {
		if !slices.Contains(old, x) {
			added = append(added, x)
		}
	}
	for _, x := range old {
		if !slices.Contains(now, x) {
			dropped = append(dropped, x)
		}
	}
	if len(added) > 0 {
		s.say("%s: %s (new)", what, strings.Join(added, ", "))
	}
	if len(dropped) > 0 {
		s.say("%s: %s no longer", what, strings.Join(dropped, ", "))
	}
}

// programmeAt is the programme of then, in the new catalogue where it is there.
func (d differ) programmeAt(c *offer.Catalogue, id string, at rules.Instant) *offer.Programme {
	p := offer.InForceAt(c.Programmes, id, at)
	if p == nil && len(c.Programmes) > 0 { // it begins later: its first version says how
		for i := range c.Programmes {
			if c.Programmes[i].ID == id {
				return &c.Programmes[i]
			}
		}
	}
	return cmp.Or(p, &offer.Programme{})
}
