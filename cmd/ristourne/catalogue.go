package main

import (
	"context"
	"time"

	"ristourne/processor/catalog/published"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// watchedCatalogue is the catalogue in Redis as the processor asks for it.
type watchedCatalogue struct{ watcher *published.Watcher }

func (c watchedCatalogue) Current() (*engine.Snapshot, rules.Instant) {
	view := c.watcher.Current()
	if view == nil {
		return nil, rules.MinInstant
	}
	return view.Snapshot, view.CompleteUntil
}

// Await asks again and again: the watcher polls every two seconds, and a
// purchase so far ahead of Redis' clock is rare.
func (c watchedCatalogue) Await(ctx context.Context, t rules.Instant) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, complete := c.Current(); t.Before(complete) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
