package accounts

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"ristourne/processor"
)

// Filters streams the hashes in pieces of at most 1 MiB; a slice is good until
// the function returns. Fewer hashes than were ever appended is an error: a
// filter that says no wrongly loses events.
func (s *Store) Filters(ctx context.Context, number int32, members, known func([]uint64)) error {
	sh := s.of(number)
	for _, f := range []struct {
		kind, name string
		each       func([]uint64)
	}{{"members", sh.members, members}, {"known", sh.known, known}} {
		if err := s.filter(ctx, sh.keys, f.kind, f.name, f.each); err != nil {
			return fmt.Errorf("read filter %s of shard %d from Redis: %w", f.kind, number, err)
		}
	}
	return nil
}

func (s *Store) filter(ctx context.Context, k keys, kind, name string, each func([]uint64)) error {
	want, err := s.filterCount(ctx, k, kind)
	if err != nil {
		return err
	}
	var hashes []uint64
	got := 0
	for chunk := 0; ; chunk++ {
		text, err := s.filterChunk(ctx, k.chunk(name, chunk))
		if errors.Is(err, redis.Nil) {
			break
		}
		if err != nil {
			return err
		}
		hashes = hashes[:0]
		for b := bytesOf(text); len(b) >= 8; b = b[8:] {
			hashes = append(hashes, binary.LittleEndian.Uint64(b))
		}
		got += len(hashes)
		each(hashes)
	}
	if got < want {
		return fmt.Errorf("%w: %d of %d hashes are left: rebuild the shard", processor.ErrStateBehindLedger, got, want)
	}
	return nil
}

func (s *Store) filterCount(ctx context.Context, k keys, kind string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	text, err := s.client.HGet(ctx, k.head, kind).Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

func (s *Store) filterChunk(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.client.Get(ctx, name).Result()
}
