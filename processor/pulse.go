package processor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// pulse tells how one shard is, over all its lives in this process: whether its
// loops turn, whether its offsets move, and what fails. The shard's goroutines
// write it; probes and metrics read it.
type pulse struct {
	progressedAt atomic.Int64 // nanoseconds since 1970: when offsets were last committed, or there was nothing to do

	mutex   sync.Mutex
	calls   map[*call]struct{}  // under way
	failing map[string]*trouble // by step: the last try has failed
	stopped *trouble            // the shard rests before it is acquired anew
}

// call is one try of a step.
type call struct {
	step string
	// turned is when it began, or last showed that it goes on, in nanoseconds
	// since 1970; 0: it may take as long as it does.
	turned atomic.Int64
}

// trouble is what fails, for whoever must mend it.
type trouble struct {
	since time.Time
	tries int
	err   error
}

func newPulse(now time.Time) *pulse {
	p := &pulse{calls: make(map[*call]struct{}), failing: make(map[string]*trouble)}
	p.progressedAt.Store(now.UnixNano())
	return p
}

// begin notes that a step is under way until end is called.
func (p *pulse) begin(step string, now time.Time) *call {
	c := &call{step: step}
	c.turned.Store(now.UnixNano())
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.calls[c] = struct{}{}
	return c
}

func (p *pulse) end(c *call) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.calls, c)
}

// fails notes a failed try of a step, and gives how many there were in a row.
func (p *pulse) fails(step string, now time.Time, err error) int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	t := p.failing[step]
	if t == nil {
		t = &trouble{since: now}
		p.failing[step] = t
	}
	t.tries++
	t.err = err
	return t.tries
}

// works notes that a step has succeeded, or is given up.
func (p *pulse) works(step string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.failing, step)
}

// stops notes that the shard has failed and rests; nil: it is acquired again.
func (p *pulse) stops(now time.Time, err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	clear(p.failing)
	if p.stopped = nil; err != nil {
		p.stopped = &trouble{since: now, err: err}
	}
}

// still is for how long nothing has moved.
func (p *pulse) still(now time.Time) time.Duration {
	return max(0, now.Sub(time.Unix(0, p.progressedAt.Load())))
}

// hangs names a call that has not come back, or shown that it goes on, for longer
// than limit: each has limits of its own far below, so that something is stuck
// that only a new process mends.
func (p *pulse) hangs(now time.Time, limit time.Duration) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var errs []error
	for c := range p.calls {
		turned := c.turned.Load()
		if idle := now.Sub(time.Unix(0, turned)); turned != 0 && idle > limit {
			errs = append(errs, fmt.Errorf("%s has not come back for %s", c.step, idle.Round(time.Second)))
		}
	}
	return errors.Join(errs...)
}

// ails says what holds the shard up: it has failed and rests, or it has stood
// still for longer than stall.
func (p *pulse) ails(now time.Time, stall time.Duration) error {
	still := p.still(now)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if t := p.stopped; t != nil {
		return fmt.Errorf("stopped %s ago and is acquired anew: %w", now.Sub(t.since).Round(time.Second), t.err)
	}
	if still <= stall {
		return nil
	}
	var causes []string
	for step, t := range p.failing {
		causes = append(causes, fmt.Sprintf("%s fails since %s (%d tries): %s", step, t.since.UTC().Format(time.RFC3339), t.tries, t.err))
	}
	if len(causes) == 0 {
		for c := range p.calls {
			causes = append(causes, c.step+" is under way")
		}
	}
	slices.Sort(causes)
	if len(causes) == 0 {
		causes = []string{"records wait and none comes"}
	}
	return fmt.Errorf("has not moved for %s: %s", still.Round(time.Second), strings.Join(causes, "; "))
}
