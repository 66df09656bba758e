package main

import (
	"errors"
	"sync/atomic"
	"time"

	"ristourne/processor"
)

// health answers the probes, before there is a processor too.
type health struct {
	stallAfter time.Duration
	processor  atomic.Pointer[processor.Processor]
	stopping   atomic.Bool
}

func (h *health) watch(p *processor.Processor) { h.processor.Store(p) }

// stop says that the process was told to end, and drains.
func (h *health) stop() { h.stopping.Store(true) }

// live: a process that still waits for its parts is alive.
func (h *health) live() error {
	if p := h.processor.Load(); p != nil {
		return p.Live(h.stallAfter)
	}
	return nil
}

func (h *health) ready() error {
	if h.stopping.Load() {
		return errors.New("stopping")
	}
	if p := h.processor.Load(); p != nil {
		return p.Ready()
	}
	return errors.New("waiting for ClickHouse and for a first catalogue in Redis")
}
