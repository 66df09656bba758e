package accounts

import (
	"context"
	"fmt"

	"ristourne/processor"
	"ristourne/rules"
)

// BeginRebuild forgets positions, outbox, filters and account states; the fates
// stay, for they count what came in. Until FinishRebuild the shard has no
// positions, so that a rebuild which breaks off begins anew with the next acquisition.
func (s *Store) BeginRebuild(ctx context.Context, number int32, epoch int64) error {
	sh := s.of(number)
	c := newCall(beginScript, sh.owner, sh.head, sh.outbox, sh.members, sh.known)
	c.endKeys()
	c.add(epoch)
	answer, err := s.run(ctx, beginScript, c)
	if err == nil {
		err = s.refusal(answer, epoch)
	}
	if err != nil {
		return fmt.Errorf("begin rebuild of shard %d in Redis: %w", number, err)
	}
	s.setGeneration(number, answer[1])
	return nil
}

// Restore writes states and filter hashes, by as many scripts as it takes. It
// may be repeated: hashes that are in a filter twice do no harm.
func (s *Store) Restore(ctx context.Context, number int32, epoch int64, states []processor.AccountState, members, known []uint64) error {
	for len(states)+len(members)+len(known) > 0 {
		var part restorePart
		part.states, states = cutStates(states)
		part.members, members = cutHashes(members)
		part.known, known = cutHashes(known)
		if err := s.restore(ctx, number, epoch, &part); err != nil {
			return fmt.Errorf("restore %d accounts of shard %d in Redis: %w", len(part.states), number, err)
		}
	}
	return nil
}

// restorePart is what one script writes.
type restorePart struct {
	states         []processor.AccountState
	members, known []uint64
}

func cutStates(states []processor.AccountState) (part, rest []processor.AccountState) {
	n, bytes := 0, 0
	for n < len(states) && n < restoreAccounts && bytes < restoreBytes {
		bytes += states[n].Bytes()
		n++
	}
	return states[:n], states[n:]
}

func cutHashes(hashes []uint64) (part, rest []uint64) {
	n := min(len(hashes), restoreHashes)
	return hashes[:n], hashes[n:]
}

func (s *Store) restore(ctx context.Context, number int32, epoch int64, part *restorePart) error {
	sh := s.of(number)
	c := newCall(restoreScript, sh.owner, sh.head, sh.members, sh.known)
	c.nameAccounts(&sh.keys, sh.generation, len(part.states), func(i int) string { return part.states[i].ID })
	c.namePages(&sh, part.states)
	c.endKeys()
	c.add(epoch, sh.generation)
	c.addHashes(part.members, part.known)
	c.addPages(part.states)
	c.addValues(len(part.states), func(i int) []byte { return part.states[i].Value })
	answer, err := s.run(ctx, restoreScript, c)
	if err != nil {
		return err
	}
	return s.refusal(answer, epoch)
}

// FinishRebuild gives the shard its positions. The states of older generations are
// deleted later, see Sweep.
func (s *Store) FinishRebuild(ctx context.Context, number int32, epoch int64, m rules.Marker) error {
	sh := s.of(number)
	c := newCall(finishScript, sh.owner, sh.head)
	c.endKeys()
	c.add(epoch, sh.generation, formatPositions(m.Positions), m.Batch, m.LastSeq)
	answer, err := s.run(ctx, finishScript, c)
	if err == nil {
		err = s.refusal(answer, epoch)
	}
	if err != nil {
		return fmt.Errorf("finish rebuild of shard %d in Redis: %w", number, err)
	}
	s.sweeps.add(number)
	return nil
}
