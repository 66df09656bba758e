package accounts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A rebuild leaves the states of older generations, which nobody sees any more. They
// are deleted in the background, since that takes a look through all keys of the
// server: the shard goes on meanwhile. FinishRebuild marks in Redis that it is to be
// done, and the mark goes when it is, so that whoever acquires the shard after a crash
// takes it up again.

// sweeps are the shards that wait to be swept.
type sweeps struct {
	mu      sync.Mutex
	waiting []int32
	wake    chan struct{} // holds one: something waits
}

func newSweeps() *sweeps { return &sweeps{wake: make(chan struct{}, 1)} }

func (s *sweeps) add(shard int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.waiting, shard) {
		s.waiting = append(s.waiting, shard)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *sweeps) take() (shard int32, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return 0, false
	}
	shard, s.waiting = s.waiting[0], s.waiting[1:]
	return shard, true
}

const (
	// scanned is how many keys one SCAN looks at, unlinkedAtOnce how many one script
	// deletes, sweepRest how long the server is left alone in between.
	scanned        = 1_000
	unlinkedAtOnce = 500
	sweepRest      = 2 * time.Millisecond
	// sweepPause is the pause after a sweep that failed.
	sweepPause = 10 * time.Second
)

// Sweep deletes what rebuilds of this process, and those that it finds unfinished at
// an acquisition, have left, until ctx ends. It is for one goroutine.
func (s *Store) Sweep(ctx context.Context, log *slog.Logger) {
	for {
		shard, found := s.sweeps.take()
		if !found {
			select {
			case <-s.sweeps.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		gone, err := s.sweep(ctx, shard)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("states that a rebuild has left could not be deleted, will retry", "shard", shard, "in", sweepPause, "error", err)
			s.sweeps.add(shard)
			if pause(ctx, sweepPause) != nil {
				return
			}
		default:
			log.Info("states that a rebuild has left are deleted", "shard", shard, "accounts", gone)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sweep deletes account states of generations before the shard's. It looks
// through all keys of the server. A zombie's sweep does no harm.
func (s *Store) sweep(ctx context.Context, number int32) (gone int, err error) {
	sh := s.of(number)
	mark, err := s.sweepMark(ctx, &sh)
	if err != nil || mark == "" {
		return 0, err
	}
	server, err := s.serverOf(ctx, sh.owner)
	if err != nil {
		return 0, err
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		n, next, err := s.sweepSome(ctx, server, &sh, cursor)
		if gone += n; err != nil {
			return gone, fmt.Errorf("delete states of older generations: %w", err)
		}
		if cursor = next; cursor != 0 {
			if err := pause(ctx, sweepRest); err != nil {
				return gone, err
			}
		}
	}
	c := newCall(sweptScript, sh.owner)
	c.endKeys()
	c.add(mark)
	_, err = s.run(ctx, sweptScript, c)
	return gone, err
}

// sweepMark is the generation whose rebuild has left states; empty: none has.
func (s *Store) sweepMark(ctx context.Context, sh *shard) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	mark, err := s.client.HGet(ctx, sh.owner, "sweep").Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return mark, err
}

func (s *Store) sweepSome(ctx context.Context, server redis.Cmdable, sh *shard, cursor uint64) (gone int, next uint64, err error) {
	scanning, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	names, next, err := server.Scan(scanning, cursor, sh.accounts+"*", scanned).Result()
	if err != nil {
		return 0, 0, err
	}
	// What is current now need not be listed. Which of the others may go is for the
	// script to say.
	current := sh.accounts + s.of(sh.number).generation + ":"
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, current) })
	for some := range slices.Chunk(names, unlinkedAtOnce) {
		n, err := s.unlinkOld(ctx, sh, some)
		if gone += n; err != nil {
			return gone, 0, err
		}
	}
	return gone, next, nil
}

// unlinkOld deletes those of the states that are of generations before the shard's.
func (s *Store) unlinkOld(ctx context.Context, sh *shard, names []string) (gone int, err error) {
	c := newCall(sweepScript, sh.owner)
	var generations []any
	for _, name := range names {
		digits, _, _ := strings.Cut(strings.TrimPrefix(name, sh.accounts), ":")
		digits = strings.TrimSuffix(digits, pagesMark)
		if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
			continue // no state of ours
		}
		c.keys = append(c.keys, name)
		generations = append(generations, digits)
	}
	if len(generations) == 0 {
		c.release()
		return 0, nil
	}
	c.endKeys()
	c.add(generations...)
	answer, err := s.run(ctx, sweepScript, c)
	if err != nil {
		return 0, err
	}
	if len(answer) != 2 {
		return 0, fmt.Errorf("script gave %q", answer)
	}
	return strconv.Atoi(answer[1])
}

// serverOf is the server that holds the key: SCAN knows no slots.
func (s *Store) serverOf(ctx context.Context, key string) (redis.Cmdable, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.client, nil
	}
	return cluster.MasterForKey(ctx, key)
}
