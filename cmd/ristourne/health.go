package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ristourne/processor"
)

// health answers the probes, before there is a processor too.
type health struct {
	stallAfter time.Duration
	processor  atomic.Pointer[processor.Processor]
	parts      atomic.Pointer[partsCheck]
	stopping   atomic.Bool
}

// hungAfter is how many times stall_after a call may stay away before the process
// is no longer alive: ten minutes by default. Every call has limits far below, and
// what fails comes back and is tried again; only what is stuck stays away, and
// only that is mended by another process.
const hungAfter = 5

func (h *health) watch(p *processor.Processor, parts *partsCheck) {
	h.parts.Store(parts)
	h.processor.Store(p)
}

// stop says that the process was told to end, and drains.
func (h *health) stop() { h.stopping.Store(true) }

// live: a process that still waits for its parts is alive.
func (h *health) live(context.Context) error {
	if p := h.processor.Load(); p != nil {
		return p.Live(hungAfter * h.stallAfter)
	}
	return nil
}

func (h *health) ready(ctx context.Context) error {
	if h.stopping.Load() {
		return errors.New("stopping")
	}
	if p := h.processor.Load(); p != nil {
		return errors.Join(p.Ready(h.stallAfter), h.parts.Load().answer(ctx))
	}
	return errors.New("waiting for ClickHouse and for a first catalogue in Redis")
}

// part is one of the servers that a processor needs.
type part struct {
	name string
	ask  func(context.Context) error
}

// partsCheck asks the servers whether they answer. Probes that come often get
// what was found last.
type partsCheck struct {
	parts []part
	now   func() time.Time

	mutex   sync.Mutex
	askedAt time.Time
	found   error
}

const (
	askEvery = 5 * time.Second
	askFor   = 2 * time.Second
)

func newPartsCheck(parts ...part) *partsCheck { return &partsCheck{parts: parts, now: time.Now} }

// answer joins what is wrong with each.
func (c *partsCheck) answer(ctx context.Context) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.askedAt.IsZero() && c.now().Sub(c.askedAt) < askEvery {
		return c.found
	}
	// Whoever asked may go away: what is found is for the others too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askFor)
	defer cancel()
	errs := make([]error, len(c.parts))
	var asking sync.WaitGroup
	for i, p := range c.parts {
		asking.Go(func() {
			if err := p.ask(ctx); err != nil {
				errs[i] = fmt.Errorf("%s does not answer: %w", p.name, err)
			}
		})
	}
	asking.Wait()
	c.askedAt, c.found = c.now(), errors.Join(errs...)
	return c.found
}
