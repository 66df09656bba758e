package published

import (
	"cmp"
	"context"

	"github.com/redis/go-redis/v9"

	"ristourne/processor/catalog"
	"ristourne/rules"
)

// What people ask of a published catalogue.

// History is every publication, oldest first, without bodies. ErrEmpty: nothing
// was ever published.
func History(ctx context.Context, client redis.UniversalClient, prefix string) ([]Version, error) {
	k := keysOf(prefix)
	newest, err := readHead(ctx, client, k)
	if err != nil {
		return nil, err
	}
	if newest.number == 0 {
		return nil, ErrEmpty
	}
	var versions []Version
	err = readVersions(ctx, client, k, 0, newest.number, func(_ *publication, v Version) error {
		v.Body = nil
		versions = append(versions, v)
		return nil
	})
	return versions, err
}

// Entry is one version of a subject, as it was published.
type Entry struct {
	catalog.Subject
	Name    string
	Version string
	From    rules.Instant
	Ended   bool
	InForce bool // now
	Stores  int
	Offers  int
	Boosts  int // of a campaign
	Levels  int
	Text    string // of the file; empty where the subject ended
}

// Entries are all versions of all subjects in the order of subject and time,
// and Redis' time now. ErrEmpty: nothing was ever published.
func Entries(ctx context.Context, client redis.UniversalClient, prefix string) (entries []Entry, now rules.Instant, err error) {
	k := keysOf(prefix)
	newest, err := readHead(ctx, client, k)
	if err != nil {
		return nil, now, err
	}
	published := newHistory()
	if err := published.catchUp(ctx, client, k, newest); err != nil {
		return nil, now, err
	}
	documents := published.documents()
	catalog.SortDocuments(documents)
	for _, d := range documents {
		entries = append(entries, entryOf(d, at(published.subjects[d.Subject], newest.now) == d))
	}
	return entries, newest.now, nil
}

func entryOf(d *catalog.Document, inForce bool) Entry {
	e := Entry{
		Subject: d.Subject, Name: d.Subject.ID, Version: d.Version.ID, From: d.Version.From,
		Ended: d.Version.Ended, InForce: inForce, Text: string(d.Text),
	}
	e.Name = cmp.Or(d.Name(), e.Name)
	e.Stores, e.Offers, e.Boosts, e.Levels = d.Holds()
	return e
}
