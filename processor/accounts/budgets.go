package accounts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"ristourne/processor"
	"ristourne/rules"
)

// A budget is shared by all shards. Its pool holds what each has ever drawn;
// beside its account states, each shard's part holds that too, and what it has
// granted of it. A batch grants by its own save script, no more than its part
// has drawn.
//
// Redis may lose its last writes, in a cluster those of one server alone. So
// the pool, the parts and the ledger are held against one another, and the most
// that any of them tells of a shard counts:
//
//   - A pool that fell back is made up for by the parts; what is lost of both,
//     with the states of the batches that granted it, was booked before, and then
//     is in the ledger, or was not, and is decided anew.
//   - Parts are written before they are used, and after that all are read once
//     more: of two shards that draw the same room from a pool that fell back in
//     between, one at least sees the other and steps back.
//   - A part that fell back refuses the batch that counts on it.
//
// What stays is the time between Holds and the end of the booking, its retries
// included: a Redis that loses the batch just then gives its room to whoever
// draws before the booked rows are seen.

const (
	// budgetLife is how long the pool and the parts of a budget that nobody
	// grants of are kept, such as those of a store's day. The ledger makes up
	// for what is forgotten.
	budgetLife = 60 * 24 * time.Hour
	// chunksOfShard is how many chunks a budget has for each shard. Up to one
	// may stay unspent with each.
	chunksOfShard = 16
	// reserveTries bounds how often a draw steps back.
	reserveTries = 8
	// maxBudgetMinor is up to where Redis counts exactly.
	maxBudgetMinor = 1<<53 - 1
)

// errCrowded says that a draw stepped back again and again.
var errCrowded = errors.New("other shards have drawn the same room: try again")

// Reserve raises what the shard may grant of a budget: what is wanted, or a chunk
// where that is more, as far as the limit leaves it. Only the one goroutine
// that saves the shard's batches may draw for it.
//
// Errors: ErrFenced, ErrStateBehindLedger; any other: draw again.
func (s *Store) Reserve(ctx context.Context, d processor.Reservation, booked func(context.Context) (map[int32]int64, error)) (processor.Reserved, error) {
	d.LimitMinor, d.WantMinor = min(d.LimitMinor, maxBudgetMinor), min(d.WantMinor, maxBudgetMinor)
	known := make(map[int32]int64)
	for range reserveTries {
		drawn, sure, err := s.reserve(ctx, &d, known, booked)
		if err != nil {
			return processor.Reserved{}, fmt.Errorf("draw on budget %s for shard %d: %w", d.Budget, d.Shard, err)
		}
		if sure {
			return drawn, nil
		}
	}
	return processor.Reserved{}, fmt.Errorf("draw on budget %s for shard %d: %w", d.Budget, d.Shard, errCrowded)
}

// reserve reports whether it is sure that nobody else has drawn the same. known is
// what the ledger said before; it takes what it says now.
func (s *Store) reserve(ctx context.Context, d *processor.Reservation, known map[int32]int64, booked func(context.Context) (map[int32]int64, error)) (drawn processor.Reserved, sure bool, err error) {
	found, err := s.readAllocations(ctx, d)
	if err != nil {
		return drawn, false, err
	}
	if drawn.SpentMinor = found.mine.spentMinor; found.mine.generation != s.of(d.Shard).generation {
		// Nothing was granted since the states were made from the ledger.
		if err := ask(ctx, booked, known); err != nil {
			return drawn, false, err
		}
		drawn.SpentMinor = known[d.Shard]
	}
	found.take(known)
	if drawn.ReservedMinor, drawn.OthersMinor, err = s.allocate(ctx, d, drawn.SpentMinor, found); err != nil {
		return drawn, false, err
	}
	if err := s.writeShardAllocation(ctx, d, &drawn); err != nil {
		return drawn, false, err
	}
	if d.WantMinor <= 0 || drawn.ReservedMinor == drawn.SpentMinor {
		drawn.ReservedMinor = drawn.SpentMinor // of which nobody needs to be sure
		return drawn, true, nil
	}
	if found, err = s.readAllocations(ctx, d); err != nil {
		return drawn, false, err
	}
	// The ledger comes after Redis: what Redis has lost by now was booked before,
	// if ever.
	if err := ask(ctx, booked, known); err != nil {
		return drawn, false, err
	}
	found.take(known)
	return drawn, found.sum() <= d.LimitMinor, nil
}

func ask(ctx context.Context, booked func(context.Context) (map[int32]int64, error), known map[int32]int64) error {
	byShard, err := booked(ctx)
	if err != nil {
		return fmt.Errorf("ask the ledger: %w", err)
	}
	clear(known)
	maps.Copy(known, byShard)
	return nil
}

// allocations are what each shard is known to have drawn of a budget.
type allocations struct {
	minor map[int32]int64
	mine  shardAllocation
}

// shardAllocation is what Redis has of a shard's part.
type shardAllocation struct {
	reservedMinor, spentMinor int64
	generation                string // of the account states that it goes with
}

func (d *allocations) take(more map[int32]int64) {
	for shard, minor := range more {
		d.minor[shard] = max(d.minor[shard], minor)
	}
}

func (d *allocations) sum() (sum int64) {
	for _, minor := range d.minor {
		sum += minor
	}
	return sum
}

// readAllocations reads the pool and all parts.
func (s *Store) readAllocations(ctx context.Context, d *processor.Reservation) (*allocations, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	shards := s.shardCount()
	if shards == 0 {
		return nil, errors.New("the number of shards is not held: call HoldShards first")
	}
	var pool *redis.MapStringStringCmd
	parts := make([]*redis.SliceCmd, shards)
	if _, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		pool = p.HGetAll(ctx, s.allocationsKey(d.Budget))
		for shard := range parts {
			k := s.of(int32(shard)).keys
			parts[shard] = p.HMGet(ctx, k.shardAllocation(d.Budget), "drawn", "granted", "generation")
		}
		return nil
	}); err != nil {
		return nil, err
	}
	found := &allocations{minor: make(map[int32]int64, shards)}
	for name, text := range pool.Val() {
		shard, err1 := strconv.ParseInt(name, 10, 32)
		minor, err2 := strconv.ParseInt(text, 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("pool: %w", err)
		}
		found.minor[int32(shard)] = minor
	}
	for shard, cmd := range parts {
		p, err := parseShardAllocation(texts(cmd.Val()))
		if err != nil {
			return nil, fmt.Errorf("part of shard %d: %w", shard, err)
		}
		if int32(shard) == d.Shard {
			found.mine = p
		}
		found.minor[int32(shard)] = max(found.minor[int32(shard)], p.reservedMinor)
	}
	return found, nil
}

func parseShardAllocation(fields []string) (p shardAllocation, err error) {
	p.generation = fields[2]
	if fields[0] == "" {
		return p, nil
	}
	if p.reservedMinor, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
		return p, err
	}
	p.spentMinor, err = strconv.ParseInt(fields[1], 10, 64)
	return p, err
}

func (s *Store) allocate(ctx context.Context, d *processor.Reservation, grantedMinor int64, known *allocations) (drawnMinor, othersMinor int64, err error) {
	shards := s.shardCount()
	limitMinor := d.LimitMinor
	if d.WantMinor <= 0 {
		limitMinor = maxBudgetMinor // nothing is asked: what was drawn stays
	}
	c := newCall(allocateScript, s.allocationsKey(d.Budget))
	c.endKeys()
	c.add(d.Shard, grantedMinor, max(0, d.WantMinor), limitMinor, limitMinor/int64(chunksOfShard*shards), shards, int64(budgetLife/time.Second))
	for shard, minor := range known.minor {
		c.add(shard, minor)
	}
	answer, err := s.run(ctx, allocateScript, c)
	if err != nil {
		return 0, 0, err
	}
	if answer[0] != "done" || len(answer) != 3 {
		return 0, 0, fmt.Errorf("script gave %q", answer)
	}
	drawnMinor, err1 := strconv.ParseInt(answer[1], 10, 64)
	othersMinor, err2 := strconv.ParseInt(answer[2], 10, 64)
	return drawnMinor, othersMinor, errors.Join(err1, err2)
}

// writeShardAllocation makes the shard's part what it has drawn, so that a batch can grant
// of it.
func (s *Store) writeShardAllocation(ctx context.Context, d *processor.Reservation, drawn *processor.Reserved) error {
	sh := s.of(d.Shard)
	c := newCall(reservedScript, sh.owner, sh.shardAllocation(d.Budget))
	c.endKeys()
	c.add(d.Epoch, sh.generation, drawn.ReservedMinor, drawn.SpentMinor, int64(budgetLife/time.Second))
	answer, err := s.run(ctx, reservedScript, c)
	if err != nil {
		return err
	}
	if answer[0] == "behind" {
		return fmt.Errorf("%w: the shard has been rebuilt, or is being", processor.ErrStateBehindLedger)
	}
	return s.refusal(answer, d.Epoch)
}

// allocationsKey is on whichever server its name leads to.
func (s *Store) allocationsKey(budget rules.BudgetKey) string {
	return s.prefix + ":budget:" + string(budget)
}

// shardAllocation is under the shard's tag: it changes with its account states.
func (k *keys) shardAllocation(budget rules.BudgetKey) string { return k.budgets + string(budget) }

func (s *Store) shardCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}
