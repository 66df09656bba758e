package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// errHold says that a record must wait for its catalogue, and that the window
// holds something that can be saved before: what came earlier, of whatever
// account, does not wait with it.
var errHold = errors.New("the record waits for its catalogue")

// awaitTick is how often a waiting shard looks whether the catalogue comes
// nearer, and so whether the shard goes on.
const awaitTick = time.Second

// awaitToldEvery is how often a shard says that it waits; each wait is counted.
const awaitToldEvery = time.Minute

// completeFor is the instant before which the snapshot is complete for an
// account's purchases. A stranger's could only be of an automatic programme that
// is to come, which is published longer before.
func (s *Shard) completeFor(enrolled bool) rules.Instant {
	if enrolled || s.snapshot.Automatic() || s.complete == rules.MaxInstant {
		return s.complete
	}
	return s.complete.AddSeconds(int64((offer.AutomaticLead - offer.PublicationLead) / time.Second))
}

// awaitCatalogue holds a purchase back that is later than the snapshot is known
// to be complete: an offer that was published for its time may be on its way.
// The lead of publishing is longer than a sender's clock may be ahead, so that
// this happens only where Kafka's timestamps are ahead too, or Redis is away.
func (s *Shard) awaitCatalogue(ctx context.Context, w *window, r *feed.Record, purchase rules.Instant, enrolled bool) error {
	if purchase.Before(s.completeFor(enrolled)) {
		return nil
	}
	if s.useCatalogue(); purchase.Before(s.completeFor(enrolled)) {
		return nil
	}
	if w.positions != s.positions || w.mustSave() {
		return errHold
	}
	s.metrics.catalogueWaits.Inc()
	if now := s.ports.Now(); now.Sub(s.waitTold) >= awaitToldEvery {
		s.waitTold = now
		s.log.Warn("a purchase is dated later than the catalogue is complete: the shard waits until it is. Look at the clocks of the sender and of Kafka, and whether Redis answers",
			"topic", s.options.Topics[r.Topic], "offset", r.Offset, "purchased_at", purchase, "kafka_timestamp", rules.InstantOfMillis(r.Time), "complete_until", s.complete)
	}
	for !purchase.Before(s.completeFor(enrolled)) {
		if err := s.awaitOnce(ctx, purchase); err != nil {
			return fmt.Errorf("wait for a catalogue that is complete up to %s: %w", purchase, err)
		}
	}
	return nil
}

// awaitOnce waits a little. A catalogue that comes nearer is progress: the shard
// is not stalled. One that doesn't, as Redis is away, is not.
func (s *Shard) awaitOnce(ctx context.Context, purchase rules.Instant) error {
	began, before := s.ports.Now(), s.complete
	tick, cancel := context.WithTimeout(ctx, awaitTick)
	defer cancel()
	err := s.ports.Catalogue.Await(tick, purchase)
	s.useCatalogue()
	s.metrics.catalogueWaitSeconds.Add(max(0, s.ports.Now().Sub(began).Seconds()))
	if s.complete.After(before) {
		s.noteProgress()
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ctx.Err()
}
