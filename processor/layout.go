package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// ErrLayout says that Redis and the ledger don't agree on the number of shards over
// which accounts are laid out. No waiting mends it.
var ErrLayout = errors.New("it is not known over how many shards accounts are laid out")

// RedisLayout is where Redis keeps the number of shards.
type RedisLayout interface {
	// Shards is what is held; 0: nothing.
	Shards(ctx context.Context) (int, error)
	// HoldShards holds the number from the first call on, and refuses another.
	HoldShards(ctx context.Context, shards int) error
}

// LedgerLayout is where the ledger keeps it.
type LedgerLayout interface {
	Layouts(ctx context.Context) (shards []int, err error)
	BeginLayout(ctx context.Context, shards int) error
}

// HoldLayout gives the number of shards over which accounts are laid out: as many as
// the topics had partitions at the first start. It is for good, and stands in the
// ledger too: from a Redis that was emptied after partitions had been added, accounts
// would else be looked for in other shards than those where their states and their
// history are. partitions 0: the topics differ, so that they can't be the first; the
// answer is 0 where nothing is held.
func HoldLayout(ctx context.Context, store RedisLayout, ledger LedgerLayout, partitions int) (shards int, err error) {
	known, inLedger, err := knownLayout(ctx, store, ledger)
	if shards = cmp.Or(known, partitions); err != nil || shards == 0 {
		return 0, err
	}
	if err := store.HoldShards(ctx, shards); err != nil {
		return 0, err
	}
	if !inLedger {
		return shards, ledger.BeginLayout(ctx, shards)
	}
	return shards, nil
}

// KnownLayout is HoldLayout for who only reads; 0: nothing is held.
func KnownLayout(ctx context.Context, store RedisLayout, ledger LedgerLayout) (shards int, err error) {
	shards, _, err = knownLayout(ctx, store, ledger)
	return shards, err
}

func knownLayout(ctx context.Context, store RedisLayout, ledger LedgerLayout) (shards int, inLedger bool, err error) {
	booked, err := ledger.Layouts(ctx)
	if err != nil {
		return 0, false, err
	}
	held, err := store.Shards(ctx)
	if err != nil {
		return 0, false, err
	}
	switch {
	case len(booked) > 1:
		return 0, false, fmt.Errorf("%w: the ledger has %d numbers of them, %d and %d among them: two processors have started first at once, while partitions were added. "+
			"Delete from layout_log the one that Redis does not hold, %d", ErrLayout, len(booked), booked[0], booked[1], held)
	case len(booked) == 1 && held != 0 && held != booked[0]:
		return 0, false, fmt.Errorf("%w: over %d as the ledger has it, over %d as Redis holds it: were they restored from two systems?", ErrLayout, booked[0], held)
	case len(booked) == 1:
		return booked[0], true, nil
	}
	return held, false, nil
}
