package processor

import (
	"context"
	"errors"

	"ristourne/processor/feed"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// windowLimits bound a window.
type windowLimits struct {
	accounts int
	work     int // records that need their account
}

// match reads records until the window is full and keeps those that need their
// account. Most events stop here: no I/O, no allocation. It returns how many
// records it took; it takes none that must wait for its catalogue as long as the
// window holds anything that can be saved before (see progress.waits).
func (s *Shard) match(ctx context.Context, w *window, records []feed.Record, most windowLimits) (int, error) {
	for i := range records {
		if len(w.accounts) >= most.accounts || len(w.work) >= most.work {
			return i, nil
		}
		r := &records[i]
		s.decoder.ReadAgain(s.from+i < s.readUpTo)
		s.readUpTo = max(s.readUpTo, s.from+i+1)
		if w.oldest == 0 {
			w.oldest = s.stamps.believed(r)
			s.backlog.reads(w.oldest)
		}
		fault, err := s.takeRecord(ctx, w, r)
		if errors.Is(err, errHold) {
			w.waits = true
			return i, nil
		}
		if err != nil {
			return i, err
		}
		if fault != nil {
			w.deadLetter(s.options.Topics[r.Topic], s.source.Shard(), r, fault)
		}
		w.positions[r.Topic] = r.Offset + 1
	}
	return len(records), nil
}

// takeRecord reads one record into the window. An error says that its catalogue could
// not be waited for, or that what the window holds must be saved before (errHold).
func (s *Shard) takeRecord(ctx context.Context, w *window, r *feed.Record) (*wire.Fault, error) {
	switch r.Topic {
	case rules.TopicFacts:
		return s.takeFact(w, r), nil
	case rules.TopicReferrals:
		return s.takeReferral(ctx, w, r)
	case rules.TopicResults:
		return s.takeResult(w, r), nil
	default:
		return s.takeEvent(ctx, w, r)
	}
}

func (s *Shard) takeEvent(ctx context.Context, w *window, r *feed.Record) (*wire.Fault, error) {
	ev := w.events.take()
	keep := false
	defer func() {
		if !keep {
			w.events.giveBack()
		}
	}()
	if fault := s.checkShard(r, s.decoder.Event(r.Value, r.Key, s.stamps.of(s.decoder, r), ev)); fault != nil {
		return fault, nil
	}
	if ev.Declined {
		w.fates[rules.Declined]++
		return nil, nil
	}
	member := memberHash(ev.AccountID)
	enrolled := s.members.has(member)
	if err := s.awaitCatalogue(ctx, w, r, ev.TermsTime(), enrolled); err != nil {
		return nil, err
	}
	if !enrolled && !s.snapshot.Automatic() {
		w.fates[rules.NoMember]++
		return nil, nil
	}
	found := s.matchEvent(ev)
	if !s.concerns(member, ev, &found) {
		w.fates[rules.Unmatched]++
		return nil, nil
	}
	keep = true
	ev.ContentHash = wire.HashEvent(ev)
	seen := s.seenOf(member, ev)
	s.addKnown(member, ev)
	w.work = append(w.work, work{
		seen: seen, slot: s.slot(w, ev.AccountID, member), record: rules.Record{Event: ev}, read: *r, match: found,
		cause: s.cause(rules.CauseEvent, ev.ID, r),
	})
	return nil, nil
}

// matchEvent asks where the event's merchant is found: once, as the answer goes with
// the event.
func (s *Shard) matchEvent(ev *rules.Event) match {
	where, found := s.snapshot.Match(ev)
	return match{where, found, s.snapshot}
}

// concerns reports whether an event of a member may belong to a purchase: it
// matches, it may wait for its purchase, or one of its ids may be known.
func (s *Shard) concerns(member uint64, ev *rules.Event, m *match) bool {
	return !ev.Type.Opens() || m.found || s.known.has(knownHash(member, ev.TransactionID)) ||
		s.known.has(knownHash(member, ev.ID)) ||
		ev.OriginalTransactionID != "" && s.known.has(knownHash(member, ev.OriginalTransactionID))
}

// seenOf says which of the event's ids came before.
func (s *Shard) seenOf(member uint64, ev *rules.Event) engine.Seen {
	seen := engine.Seen{
		Event: s.known.has(knownHash(member, ev.ID)), Transaction: s.known.has(knownHash(member, ev.TransactionID)),
		TransactionLink: s.known.has(linkHash(member, ev.TransactionID)),
	}
	if ev.OriginalTransactionID != "" {
		seen.Original = s.known.has(knownHash(member, ev.OriginalTransactionID))
		seen.OriginalLink = s.known.has(linkHash(member, ev.OriginalTransactionID))
	}
	return seen
}

// addKnown makes the event's ids known to later events of this window and of
// those that follow. What turns out to be no part of the set stays in the
// filter until the next acquisition; it costs a look.
func (s *Shard) addKnown(member uint64, ev *rules.Event) {
	var hashes [3]uint64
	for _, hash := range appendKnown(hashes[:0], member, ev) {
		s.known.add(hash)
	}
}

func (s *Shard) takeFact(w *window, r *feed.Record) *wire.Fault {
	f := w.facts.take()
	if fault := s.checkShard(r, s.decoder.Fact(r.Value, r.Key, s.stamps.of(s.decoder, r), f)); fault != nil {
		w.facts.giveBack()
		return fault
	}
	member := memberHash(f.AccountID)
	if f.Type == rules.Enrolled {
		s.members.add(member)
	}
	item := work{
		slot: s.slot(w, f.AccountID, member), record: rules.Record{Fact: f}, read: *r,
		cause: s.cause(rules.CauseFact, f.ID, r),
	}
	if f.TransactionID != "" {
		item.seen.Transaction = s.known.has(knownHash(member, f.TransactionID))
		item.seen.TransactionLink = s.known.has(linkHash(member, f.TransactionID))
	}
	w.work = append(w.work, item)
	return nil
}

// takeReferral takes what another shard has published. It need not be a member's:
// the enrolment may come later. Its instants were held against the clock when
// the bank's record came in; here only this machine's own clock bounds them, so
// that no skew between the processors makes a dead letter of a sponsor's award.
func (s *Shard) takeReferral(ctx context.Context, w *window, r *feed.Record) (*wire.Fault, error) {
	f := w.referrals.take()
	fault := s.checkShard(r, s.decoder.Referral(r.Value, r.Key, s.latest, f))
	var err error
	if fault == nil {
		err = s.awaitCatalogue(ctx, w, r, f.PurchasedAt, true)
	}
	if fault != nil || err != nil {
		w.referrals.giveBack()
		return fault, err
	}
	f.BuyerRef = s.refs.ref(f.BuyerAccountID)
	w.work = append(w.work, work{
		slot: s.slot(w, f.SponsorAccountID, memberHash(f.SponsorAccountID)), record: rules.Record{Referral: f}, read: *r,
		cause: s.cause(rules.CauseReferral, f.ID, r),
	})
	return nil, nil
}

func (s *Shard) takeResult(w *window, r *feed.Record) *wire.Fault {
	result := new(rules.Result)
	if fault := s.checkShard(r, s.decoder.Result(r.Value, r.Key, s.stamps.of(s.decoder, r), result)); fault != nil {
		return fault
	}
	result.Own()
	w.decision.Results = append(w.decision.Results, rules.ResultRow{
		Result: *result, AccountRef: s.refs.ref(result.AccountID),
		Cause: s.cause(rules.CauseResult, result.InstructionID, r),
	})
	w.work = append(w.work, work{
		slot: s.slot(w, result.AccountID, memberHash(result.AccountID)), record: rules.Record{Result: result}, read: *r, own: true,
		cause: s.cause(rules.CauseResult, result.CauseID(), r),
	})
	return nil
}

// checkShard finds the fault of a sound record that belongs to another shard: its
// account's state isn't here, so that the account would be split in two. The key
// is the account's id by now.
func (s *Shard) checkShard(r *feed.Record, fault *wire.Fault) *wire.Fault {
	if fault != nil || !s.layout.Known() {
		return fault
	}
	if home := s.layout.Shard(r.Key); home != s.source.Shard() {
		return wire.Misplaced(home, s.decoder.MayKeep(r.Value))
	}
	return nil
}

func (s *Shard) cause(kind rules.CauseKind, id string, r *feed.Record) rules.Cause {
	return rules.Cause{Kind: kind, ID: id, Partition: s.source.Shard(), Offset: r.Offset, RecordedAt: r.Time}
}
