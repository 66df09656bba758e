package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// errNotBalanced says that the balance sheet, which was printed, doesn't add up.
var errNotBalanced = errors.New("the balance sheet does not add up")

// drainLimit is how long the processor may go without taking a single record
// once the traffic has stopped.
const drainLimit = time.Minute

// run is the sandbox from its start to its balance sheet.
func run(stop *stopper, o options, out *screen) (err error) {
	s := &sandbox{options: o, out: out}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(stop.soft); err != nil {
		return err
	}
	s.printAddresses()
	if err := s.play(stop.soft); err != nil {
		return err
	}
	stop.endSoft() // from here on one Ctrl-C ends everything
	if err := s.drain(stop.hard); err != nil {
		return err
	}
	b, err := s.readBooks(stop.hard)
	if err != nil {
		return fmt.Errorf("draw up the balance sheet: %w", err)
	}
	proven, err := s.prove(stop.hard)
	if err != nil {
		return fmt.Errorf("prove the ledger: %w", err)
	}
	if err := s.printSummary(b); err != nil {
		return err
	}
	balanced := s.printBalance(append(b.Check(), proven.Finding()))
	if err := s.stayUp(stop); err != nil {
		return err
	}
	if !balanced {
		return errNotBalanced
	}
	return nil
}

// play sends traffic and shows what becomes of it, until the time is over, ctx
// ends or a processor dies.
func (s *sandbox) play(ctx context.Context) error {
	if s.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.produce(ctx) })
	group.Go(func() error { return s.watchProcessors(ctx) })
	group.Go(func() error { return s.showProgress(ctx) })
	return group.Wait()
}

// drain waits until the processors have committed everything that was sent.
func (s *sandbox) drain(ctx context.Context) error {
	s.out.freeze()
	s.out.say("\nThe traffic has stopped. Waiting until everything is committed.")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, watching := errgroup.WithContext(ctx)
	group.Go(func() error { return s.watchProcessors(watching) })
	group.Go(func() error {
		defer cancel()
		return s.awaitCommits(watching)
	})
	return group.Wait()
}

func (s *sandbox) awaitCommits(ctx context.Context) error {
	const look = 100 * time.Millisecond
	least, since := int64(-1), time.Now()
	for {
		left, err := s.uncommitted(ctx)
		if err != nil {
			return fmt.Errorf("wait for the processor: %w", err)
		}
		switch {
		case left == 0:
			return nil
		case least < 0 || left < least:
			least, since = left, time.Now()
		case time.Since(since) > drainLimit:
			return fmt.Errorf("%d records are not committed and nothing has moved for %s\n%s", left, drainLimit, s.logTails())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
	}
}

// stayUp leaves everything running for whoever wants to look around.
func (s *sandbox) stayUp(stop *stopper) error {
	if !s.stay || stop.hard.Err() != nil {
		return nil
	}
	s.printAddresses()
	s.out.say("\nKafka, Redis, ClickHouse and the processor stay up for you to look around. Ctrl-C ends them.")
	err := s.watchProcessors(stop.hard)
	s.out.say("")
	return err
}
