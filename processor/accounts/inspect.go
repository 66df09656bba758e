package accounts

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"ristourne/rules"
)

// The calls of this file only read. They need no acquisition and disturb no owner.

// Head is how far a shard has come.
type Head struct {
	Epoch     int64 // 0: nobody has ever acquired it
	Positions rules.Positions
	Batch     uint64
	LastSeq   uint64
	Members   int64 // hashes in the filter of members
	Known     int64 // hashes in the filter of known ids
	Outbox    int64 // batches that are saved and not cleared
	// Rebuilding: a rebuild is under way, or broke off.
	Rebuilding bool
}

// Head reads how far the shard has come.
func (s *Store) Head(ctx context.Context, number int32) (Head, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	k := s.of(number).keys
	// One transaction, so that the parts belong together.
	var owner, head *redis.SliceCmd
	var outbox *redis.IntCmd
	_, err := s.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		owner = tx.HMGet(ctx, k.owner, "epoch", "rebuilding")
		head = tx.HMGet(ctx, k.head, "heads", "batch", "seq", "members", "known")
		outbox = tx.HLen(ctx, k.outbox)
		return nil
	})
	if err != nil {
		return Head{}, fmt.Errorf("read head of shard %d from Redis: %w", number, err)
	}
	h, err := headOf(texts(owner.Val()), texts(head.Val()))
	if err != nil {
		return Head{}, fmt.Errorf("head of shard %d in Redis: %w", number, err)
	}
	h.Outbox = outbox.Val()
	return h, nil
}

func headOf(owner, head []string) (h Head, err error) {
	if h.Positions, h.Batch, h.LastSeq, err = parseHead(head[0], head[1], head[2]); err != nil {
		return h, err
	}
	h.Rebuilding = owner[1] != ""
	for _, field := range []struct {
		to   *int64
		text string
	}{{&h.Epoch, owner[0]}, {&h.Members, head[3]}, {&h.Known, head[4]}} {
		if field.text == "" {
			continue
		}
		if *field.to, err = strconv.ParseInt(field.text, 10, 64); err != nil {
			return h, err
		}
	}
	return h, nil
}

// texts gives the empty string for a field that is not there.
func texts(fields []any) []string {
	out := make([]string, len(fields))
	for i, field := range fields {
		out[i], _ = field.(string)
	}
	return out
}

// Fates reads how many records of the shard have come to each fate, ever.
func (s *Store) Fates(ctx context.Context, number int32) (fates [rules.NumFates]int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	fields, err := s.client.HGetAll(ctx, s.of(number).fates).Result()
	if err != nil {
		return fates, fmt.Errorf("read fates of shard %d from Redis: %w", number, err)
	}
	for fate := range fates {
		text, ok := fields[rules.Fate(fate).String()]
		if !ok {
			continue
		}
		if fates[fate], err = strconv.ParseInt(text, 10, 64); err != nil {
			return fates, fmt.Errorf("fates of shard %d in Redis: %w", number, err)
		}
	}
	return fates, nil
}

// State reads the state of one account and the pages of what is put away of it, as
// they stand together; false where it has none.
func (s *Store) State(ctx context.Context, number int32, accountID string) (state []byte, pages [][]byte, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	k := s.of(number).keys
	generation, err := s.client.HGet(ctx, k.owner, "generation").Result()
	if err == nil {
		var value *redis.StringCmd
		var putAway *redis.MapStringStringCmd
		_, err = s.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			value = tx.Get(ctx, string(k.appendAccount(nil, generation, accountID)))
			putAway = tx.HGetAll(ctx, k.pages(generation, accountID))
			return nil
		})
		if err == nil {
			state, err = value.Bytes()
			pages = pagesInOrder(putAway.Val())
		}
	}
	if errors.Is(err, redis.Nil) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, fmt.Errorf("read an account of shard %d from Redis: %w", number, err)
	}
	return state, pages, true, nil
}

// ErrAuth says that no waiting mends the connection.
var ErrAuth = errors.New("the user or the password is refused by Redis: correct redis.username and redis.password")

// Check refuses a Redis that would forget single keys when its memory is full:
// an account without its state would be taken for one that never bought
// anything, and no head would tell. A server that won't say how it is set up
// is let pass; one that refuses the password is ErrAuth.
func (s *Store) Check(ctx context.Context) error {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, server *redis.Client) error {
			return checkEviction(ctx, server)
		})
	}
	return checkEviction(ctx, s.client)
}

func checkEviction(ctx context.Context, server redis.Cmdable) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := server.Info(ctx, "memory").Result()
	for _, prefix := range []string{"WRONGPASS", "NOAUTH", "ERR AUTH", "ERR invalid password"} {
		if redis.HasErrorPrefix(err, prefix) {
			return fmt.Errorf("%w: it says %q", ErrAuth, err)
		}
	}
	var refused redis.Error
	if errors.As(err, &refused) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask Redis how it is set up: %w", err)
	}
	for line := range strings.Lines(info) {
		policy, found := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:")
		if found && strings.HasPrefix(policy, "allkeys-") {
			return fmt.Errorf("the server has maxmemory-policy %s and would forget account states when its memory is full: set it to noeviction", policy)
		}
	}
	return nil
}

// ErrShardsChanged says that accounts are laid out over another number of
// shards.
var ErrShardsChanged = errors.New("the number of shards is not the one that accounts are laid out by")

// Shards is the number that HoldShards keeps; 0: none yet.
func (s *Store) Shards(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	held, err := s.client.Get(ctx, s.shardsKey()).Int()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the number of shards from Redis: %w", err)
	}
	return held, nil
}

// HoldShards keeps how many shards there are from the first call on, and
// refuses another number: an account would be looked for in another shard than
// the one its state and its history are in.
func (s *Store) HoldShards(ctx context.Context, count int) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	key := s.shardsKey()
	if err := s.client.SetNX(ctx, key, count, 0).Err(); err != nil {
		return fmt.Errorf("hold the number of shards in Redis: %w", err)
	}
	held, err := s.client.Get(ctx, key).Int()
	if err != nil {
		return fmt.Errorf("read the number of shards from Redis: %w", err)
	}
	if held != count {
		return fmt.Errorf("%w: Redis holds %d, and was asked to hold %d", ErrShardsChanged, held, count)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = count
	return nil
}
