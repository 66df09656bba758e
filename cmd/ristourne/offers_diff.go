package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/rules"
)

type diffOptions struct {
	config, output string
	exitCode       bool
	removeMissing  bool
}

func newOffersDiffCommand(deps offersDeps) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff OLD NEW | diff --config FILE NEW",
		Short: "Say in words what a change of the offers means to members and partners",
		Long: `Say in words what a change of the offers means to members, to partners and to the
programme: offers that begin or end, rates, caps, conditions, times, boosts,
campaigns, budgets, commissions, stores and their keys; and from when.

OLD and NEW are folders of offer files. With --config, NEW is compared with what
is published, as if it were published now: nothing is published by it.

Exit code 0, whether or not something differs; with --exit-code 1 if it does.`,
		Example: `  ristourne offers diff main/offers branch/offers
  ristourne offers diff --config ristourne.yaml offers/`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if (len(given) == 1) != (o.config != "") {
				return usageError{errors.New("name two folders, or one folder and with --config what it is compared with")}
			}
			return o.diff(cmd, deps, given)
		},
	}
	cmd.Flags().StringVar(&o.config, "config", "", "configuration file: compare with what is published in its Redis")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit 1 if something differs")
	cmd.Flags().BoolVar(&o.removeMissing, "remove-missing", false, "with --config: what is published and the folder doesn't have would end")
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *diffOptions) diff(cmd *cobra.Command, deps offersDeps, given []string) error {
	before, after, err := o.catalogues(cmd.Context(), deps, given)
	if err != nil {
		var faults *catalog.Faults
		if errors.As(err, &faults) {
			return printFaults(cmd.ErrOrStderr(), err)
		}
		return err
	}
	changes := compareCatalogues(before, after)
	if o.output == "json" {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
			Changes []subjectChange `json:"changes"`
		}{changes})
	} else {
		err = printChanges(cmd.OutOrStdout(), changes)
	}
	if err == nil && o.exitCode && len(changes) > 0 {
		return errReported
	}
	return err
}

func (o *diffOptions) catalogues(ctx context.Context, deps offersDeps, given []string) (before, after *rules.Catalogue, err error) {
	loaded, err := catalog.Load(given[len(given)-1])
	if err != nil {
		return nil, nil, err
	}
	if o.config == "" {
		old, err := catalog.Load(given[0])
		if err != nil {
			return nil, nil, err
		}
		return old.Catalogue, loaded.Catalogue, nil
	}
	client, prefix, err := deps.Redis(ctx, o.config)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	preview, err := catalog.PreviewOf(ctx, client, loaded, catalog.PublishOptions{Prefix: prefix, RemoveMissing: o.removeMissing})
	if err != nil {
		return nil, nil, err
	}
	before = &rules.Catalogue{}
	if preview.Before != nil {
		before = preview.Before.Catalogue
	}
	return before, preview.After.Catalogue, nil
}

// subjectChange is what differs of one subject in one time.
type subjectChange struct {
	Kind     catalog.Kind `json:"kind"`
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	From     string       `json:"from,omitempty"`  // RFC 3339; none: from when it is published, or from ever
	Until    string       `json:"until,omitempty"` // none: for good
	Sections []section    `json:"sections"`
}

// section is what differs of one part of a subject: an offer, a store, or what
// holds for all of it.
type section struct {
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

// compareCatalogues says what differs, subject by subject, each in the order of
// time.
func compareCatalogues(before, after *rules.Catalogue) []subjectChange {
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
type differ struct{ before, after *rules.Catalogue }

// compareSubjects compares what holds of each subject from each instant on at
// which one of the two catalogues changes it.
func compareSubjects[V versioned](zone *time.Location, kind catalog.Kind, before, after []V, compare func(old, now *V, at rules.Instant) []section) []subjectChange {
	times := map[string][]rules.Instant{}
	for _, all := range [][]V{before, after} {
		for i := range all {
			id, version := versionOf(&all[i])
			times[id] = append(times[id], version.From)
		}
	}
	var found []subjectChange
	for _, id := range sortedKeys(times) {
		slices.SortFunc(times[id], rules.Instant.Compare)
		var last *subjectChange // that still goes on
		for _, at := range slices.Compact(times[id]) {
			old, now := inForceAt(before, id, at), inForceAt(after, id, at)
			sections := compare(old, now, at)
			if last != nil && slices.EqualFunc(last.Sections, sections, section.equal) {
				continue
			}
			if last != nil {
				last.Until = onClock(at, zone)
				last = nil
			}
			if len(sections) > 0 {
				found = append(found, subjectChange{Kind: kind, ID: id, Name: nameOf(old, now), From: onClock(at, zone), Sections: sections})
				last = &found[len(found)-1]
			}
		}
	}
	return found
}

func (s section) equal(o section) bool {
	return s.About == o.About && s.Change == o.Change && slices.Equal(s.Says, o.Says)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
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

func nameOf[V versioned](old, now *V) string {
	v := now
	if v == nil {
		v = old
	}
	switch v := any(v).(type) {
	case *rules.Programme:
		return v.Name
	case *rules.Partner:
		return v.Name
	case *rules.Campaign:
		return v.Name
	}
	return ""
}

func printChanges(w io.Writer, all []subjectChange) error {
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

func (c *subjectChange) text(b *strings.Builder) {
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
	for _, n := range sortedKeys(names) {
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
func (d differ) programmeAt(c *rules.Catalogue, id string, at rules.Instant) *rules.Programme {
	p := inForceAt(c.Programmes, id, at)
	if p == nil && len(c.Programmes) > 0 { // it begins later: its first version says how
		for i := range c.Programmes {
			if c.Programmes[i].ID == id {
				return &c.Programmes[i]
			}
		}
	}
	return cmp.Or(p, &rules.Programme{})
}
