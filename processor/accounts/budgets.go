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

// A budget is shared by all shards. Its allocations hold what each has ever
// reserved; beside its account states, each shard's own allocation holds that too,
// and what it has spent of it. A batch spends by its own save script, no more than
// its allocation has reserved.
//
// Redis may lose its last writes, in a cluster those of one server alone. So the
// budget's allocations, those of the shards and the ledger are held against one
// another, and the most that any of them tells of a shard counts:
//
//   - Allocations of the budget that fell back are made up for by those of the
//     shards; what is lost of both, with the states of the batches that spent it,
//     was booked before, and then is in the ledger, or was not, and is decided anew.
//   - A shard's allocation is written before it is used, and after that all are read
//     once more: of two shards that reserve the same room from allocations that fell
//     back in between, one at least sees the other and steps back.
//   - A shard's allocation that fell back refuses the batch that counts on it.
//
// What stays is the time between StillDecided and the end of the booking, its retries
// included: a Redis that loses the batch just then gives its room to whoever
// reserves before the booked rows are seen.
//
// Two words of the protocol are older than this text and stand in Redis for good:
// in a shard's allocation, "drawn" is reserved and "granted" is spent.

const (
	// budgetLife is how long the allocations of a budget that nobody spends of
	// are kept, such as those of a store's day. The ledger makes up
	// for what is forgotten.
	budgetLife = 60 * 24 * time.Hour
	// chunksOfShard is how many chunks a budget has for each shard. Up to one
	// may stay unspent with each.
	chunksOfShard = 16
	// reserveTries bounds how often a reservation steps back.
	reserveTries = 8
	// maxBudgetMinor is up to where Redis counts exactly.
	maxBudgetMinor = 1<<53 - 1
)

// errCrowded says that a reservation stepped back again and again.
var errCrowded = errors.New("other shards have reserved the same room: try again")

// Reserve raises what the shard may spend of a budget: what is wanted, or a chunk
// where that is more, as far as the limit leaves it. Only the one goroutine
// that saves the shard's batches may reserve for it.
//
// Errors: ErrFenced, ErrStateBehindLedger; any other: reserve again.
func (s *Store) Reserve(ctx context.Context, r processor.Reservation, booked func(context.Context) (map[int32]int64, error)) (processor.Reserved, error) {
	r.LimitMinor, r.WantMinor = min(r.LimitMinor, maxBudgetMinor), min(r.WantMinor, maxBudgetMinor)
	known := make(map[int32]int64)
	for range reserveTries {
		reserved, sure, err := s.reserve(ctx, &r, known, booked)
		if err != nil {
			return processor.Reserved{}, fmt.Errorf("reserve of budget %s for shard %d: %w", r.Budget, r.Shard, err)
		}
		if sure {
			return reserved, nil
		}
	}
	return processor.Reserved{}, fmt.Errorf("reserve of budget %s for shard %d: %w", r.Budget, r.Shard, errCrowded)
}

// reserve reports whether it is sure that nobody else has reserved the same. known is
// what the ledger said before; it takes what it says now.
func (s *Store) reserve(ctx context.Context, r *processor.Reservation, known map[int32]int64, booked func(context.Context) (map[int32]int64, error)) (reserved processor.Reserved, sure bool, err error) {
	found, err := s.readAllocations(ctx, r)
	if err != nil {
		return reserved, false, err
	}
	if reserved.SpentMinor = found.mine.spentMinor; found.mine.generation != s.of(r.Shard).generation {
		// Nothing was spent since the states were made from the ledger.
		if err := ask(ctx, booked, known); err != nil {
			return reserved, false, err
		}
		reserved.SpentMinor = known[r.Shard]
	}
	found.take(known)
	if reserved.ReservedMinor, reserved.OthersMinor, err = s.allocate(ctx, r, reserved.SpentMinor, found); err != nil {
		return reserved, false, err
	}
	if err := s.writeShardAllocation(ctx, r, &reserved); err != nil {
		return reserved, false, err
	}
	if r.WantMinor <= 0 || reserved.ReservedMinor == reserved.SpentMinor {
		reserved.ReservedMinor = reserved.SpentMinor // of which nobody needs to be sure
		return reserved, true, nil
	}
	if found, err = s.readAllocations(ctx, r); err != nil {
		return reserved, false, err
	}
	// The ledger comes after Redis: what Redis has lost by now was booked before,
	// if ever.
	if err := ask(ctx, booked, known); err != nil {
		return reserved, false, err
	}
	found.take(known)
	return reserved, found.sum() <= r.LimitMinor, nil
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

// allocations are what each shard is known to have reserved of a budget.
type allocations struct {
	minor map[int32]int64
	mine  shardAllocation
}

// shardAllocation is what Redis has of a shard's own.
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

// readAllocations reads the budget's allocations and those of all shards.
func (s *Store) readAllocations(ctx context.Context, r *processor.Reservation) (*allocations, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	shards, err := s.shardCount(ctx)
	if err != nil {
		return nil, err
	}
	var allocated *redis.MapStringStringCmd
	own := make([]*redis.SliceCmd, shards)
	if _, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		allocated = p.HGetAll(ctx, s.allocationsKey(r.Budget))
		for shard := range own {
			k := s.of(int32(shard)).keys
			own[shard] = p.HMGet(ctx, k.shardAllocation(r.Budget), "drawn", "granted", "generation")
		}
		return nil
	}); err != nil {
		return nil, err
	}
	found := &allocations{minor: make(map[int32]int64, shards)}
	for name, text := range allocated.Val() {
		shard, err1 := strconv.ParseInt(name, 10, 32)
		minor, err2 := strconv.ParseInt(text, 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("allocations: %w", err)
		}
		found.minor[int32(shard)] = minor
	}
	for shard, cmd := range own {
		p, err := parseShardAllocation(texts(cmd.Val()))
		if err != nil {
			return nil, fmt.Errorf("allocation of shard %d: %w", shard, err)
		}
		if int32(shard) == r.Shard {
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

func (s *Store) allocate(ctx context.Context, r *processor.Reservation, spentMinor int64, known *allocations) (reservedMinor, othersMinor int64, err error) {
	shards, err := s.shardCount(ctx)
	if err != nil {
		return 0, 0, err
	}
	limitMinor := r.LimitMinor
	if r.WantMinor <= 0 {
		limitMinor = maxBudgetMinor // nothing is asked: what was reserved stays
	}
	c := newCall(allocateScript, s.allocationsKey(r.Budget))
	c.endKeys()
	c.add(r.Shard, spentMinor, max(0, r.WantMinor), limitMinor, limitMinor/int64(chunksOfShard*shards), shards, int64(budgetLife/time.Second))
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
	reservedMinor, err1 := strconv.ParseInt(answer[1], 10, 64)
	othersMinor, err2 := strconv.ParseInt(answer[2], 10, 64)
	return reservedMinor, othersMinor, errors.Join(err1, err2)
}

// writeShardAllocation makes the shard's allocation what it has reserved, so that a
// batch can spend of it.
func (s *Store) writeShardAllocation(ctx context.Context, r *processor.Reservation, reserved *processor.Reserved) error {
	sh := s.of(r.Shard)
	c := newCall(reserveScript, sh.owner, sh.shardAllocation(r.Budget))
	c.endKeys()
	c.add(r.Epoch, sh.generation, reserved.ReservedMinor, reserved.SpentMinor, int64(budgetLife/time.Second))
	answer, err := s.run(ctx, reserveScript, c)
	if err != nil {
		return err
	}
	if answer[0] == "behind" {
		return fmt.Errorf("%w: the shard has been rebuilt, or is being", processor.ErrStateBehindLedger)
	}
	return s.refusal(answer, r.Epoch)
}

// allocationsKey is on whichever server its name leads to.
func (s *Store) allocationsKey(budget rules.BudgetKey) string {
	return s.prefix + ":budget:" + string(budget)
}

// shardAllocation is under the shard's tag: it changes with its account states.
func (k *keys) shardAllocation(budget rules.BudgetKey) string { return k.budgets + string(budget) }

// shardCount is over how many shards budgets are shared: the number that Redis
// holds, whoever has put it there, so that it can't be another than by which the
// shards' allocations were written.
func (s *Store) shardCount(ctx context.Context) (int, error) {
	s.mu.Lock()
	count := s.count
	s.mu.Unlock()
	if count > 0 {
		return count, nil // it is for good
	}
	count, err := s.Shards(ctx)
	if err != nil {
		return 0, err
	}
	if count == 0 {
		return 0, errors.New("no number of shards is held in Redis: it was emptied, or nobody has run `ristourne run` yet")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = count
	return count, nil
}
