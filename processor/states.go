package processor

import "ristourne/rules/engine"

// states are the accounts that a shard has decided lately, decoded: what Redis holds
// of them, byte for byte. Whoever decides takes an account out and puts it back when
// it is saved; so what is not saved, for whatever reason, is forgotten, and read from
// Redis the next time. A shard has one owner at a time, so nobody else writes what
// is remembered here; an owner that was shut out decides on what it remembers, and
// is refused when it saves.
//
// What was used longest ago goes first.
type states struct {
	mostBytes int
	bytes     int
	byID      map[string]*rememberedState
	ends      rememberedState // of a ring, between the newest and the oldest: older than it is the newest
	spare     []*engine.Account
}

type rememberedState struct {
	account      *engine.Account
	bytes        int
	newer, older *rememberedState
}

// mostSpare bounds the accounts whose memory waits to be used again.
const mostSpare = 64

func newStates(mostBytes int) *states {
	m := &states{mostBytes: mostBytes, byID: make(map[string]*rememberedState)}
	m.ends.newer, m.ends.older = &m.ends, &m.ends
	return m
}

// takeOut gives an account as it was saved last; nil: it isn't remembered.
func (m *states) takeOut(id string) *engine.Account {
	r := m.byID[id]
	if r == nil {
		return nil
	}
	m.forget(r)
	return r.account
}

func (m *states) forget(r *rememberedState) {
	r.newer.older, r.older.newer = r.older, r.newer
	delete(m.byID, r.account.ID())
	m.bytes -= r.bytes
}

// shareOut bounds the memory to this shard's part of what the process has for all.
func (m *states) shareOut(bytes, shards int) {
	m.mostBytes = bytes / max(1, shards)
	m.shrink()
}

// putBack remembers an account as it was saved.
func (m *states) putBack(a *engine.Account) {
	r := &rememberedState{account: a, bytes: a.MemoryBytes(), newer: &m.ends, older: m.ends.older}
	r.older.newer, m.ends.older = r, r
	m.byID[a.ID()] = r
	m.bytes += r.bytes
	m.shrink()
}

func (m *states) shrink() {
	for m.bytes > m.mostBytes {
		oldest := m.ends.newer
		m.forget(oldest)
		m.giveBack(oldest.account)
	}
}

// blank is an account of which nothing is known; its memory may have been another's.
func (m *states) blank(id string) *engine.Account {
	if n := len(m.spare); n > 0 {
		a := m.spare[n-1]
		m.spare = m.spare[:n-1]
		a.Reset(id)
		return a
	}
	return engine.NewAccount(id)
}

// giveBack is for an account that is not needed any more.
func (m *states) giveBack(a *engine.Account) {
	if len(m.spare) < mostSpare {
		m.spare = append(m.spare, a)
	}
}

// unbind makes the accounts forget the snapshot that they were decided by.
func (m *states) unbind() {
	for r := m.ends.newer; r != &m.ends; r = r.newer {
		r.account.Unbind()
	}
}
