package processor

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"ristourne/processor/feed"
	"ristourne/processor/outbox"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/ledgertest"
)

// What a shard remembers of accounts, and what it hands over to be delivered, is
// what it has saved, byte for byte: also where it forgets at random, decides windows
// anew, and the buffer of the feed has other records by then. A shard that
// remembers nothing saves the same.
func TestWhatIsRememberedIsWhatIsSaved(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		generator := ledgertest.NewGenerator(seed, ledgertest.GenOptions{
			Accounts: 2, Language: ledgertest.WholeLanguage, Budgets: seed%2 == 0, Span: 300 * 24 * time.Hour,
		})
		records := ledgertest.Duplicate(rand.New(rand.NewPCG(seed, 1)), generator.Records(300), 10)
		var saved []*rememberingShard
		for _, memory := range []int{0, 5_000, 1 << 30} {
			s := newRememberingShard(t, generator, memory)
			s.takeAll(records, seed)
			saved = append(saved, s)
		}
		for _, s := range saved[1:] {
			if !maps.EqualFunc(saved[0].redis.states, s.redis.states, bytes.Equal) ||
				!maps.EqualFunc(saved[0].redis.pages, s.redis.pages, func(x, y [][]byte) bool { return slices.EqualFunc(x, y, bytes.Equal) }) {
				t.Fatalf("seed %d: with %d bytes of memory, Redis holds other states", seed, s.states.mostBytes)
			}
			if !slices.EqualFunc(saved[0].outboxes, s.outboxes, bytes.Equal) {
				t.Fatalf("seed %d: with %d bytes of memory, other batches are decided", seed, s.states.mostBytes)
			}
		}
		if saved[0].reused == 0 {
			t.Fatalf("seed %d: no window was decided in the memory of another", seed)
		}
		if last := saved[2]; last.fromMemory == 0 || saved[0].fromMemory > 0 {
			t.Fatalf("seed %d: %d accounts were remembered where there is room, %d where there is none", seed, last.fromMemory, saved[0].fromMemory)
		}
	}
}

// rememberingShard decides records of which the feed's buffer is overwritten as soon
// as their window is saved.
type rememberingShard struct {
	*saleShard
	t          *testing.T
	redis      *memoryRedis
	outboxes   [][]byte
	delivered  []SavedBatch
	buffer     []byte
	fromMemory int
	reused     int // batches in whose memory others were decided
}

func newRememberingShard(t *testing.T, generator *ledgertest.Generator, memoryBytes int) *rememberingShard {
	s := &rememberingShard{saleShard: newShardOf(t, generator.Catalogue()), t: t, buffer: make([]byte, 0, 1<<20)}
	s.redis, _ = s.on(newRowLedger())
	s.states = newStates(memoryBytes)
	return s
}

// takeAll decides the records in windows of a few.
func (s *rememberingShard) takeAll(records []ledgertest.Record, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	for offset := 0; len(records) > 0; {
		n := min(len(records), 1+rng.IntN(6))
		s.buffer = s.buffer[:0]
		for _, r := range records[:n] {
			s.put(r, int64(offset))
			offset++
		}
		records = records[n:]
		if rng.IntN(10) == 0 { // a window that is given up, and matched once more
			s.loseWindow()
			continue
		}
		if err := s.decideWindow(s.t.Context(), &s.window, s.saved); err != nil {
			s.t.Fatal(err)
		}
		for i := range s.buffer {
			s.buffer[i] = '#'
		}
		s.check()
	}
}

// loseWindow decides a window and saves nothing of it. Nobody decides its records
// again here: what is checked is that nothing of it is remembered.
func (s *rememberingShard) loseWindow() {
	before, seq := progress{positions: s.positions}, s.lastSeq
	if err := s.load(s.t.Context(), &s.window); err != nil {
		s.t.Fatal(err)
	}
	if err := s.workOut(s.t.Context(), &s.window); err != nil {
		s.t.Fatal(err)
	}
	s.window.reset(before)
	s.lastSeq = seq
	s.leases.forget()
}

func (s *rememberingShard) put(r ledgertest.Record, offset int64) {
	record := rules.Record{}
	cause := rules.Cause{Kind: rules.CauseEvent, Offset: offset, RecordedAt: 1_700_000_000_000 + offset}
	if r.Event != nil {
		ev := *r.Event
		ev.Items = slices.Clone(ev.Items)
		record.Event = &ev
	} else {
		f := *r.Fact
		f.CardTokens, f.Segments = slices.Clone(f.CardTokens), slices.Clone(f.Segments)
		record.Fact, cause.Kind = &f, rules.CauseFact
	}
	s.buffered(reflect.ValueOf(&record))
	cause.ID = record.ID()
	id := record.AccountID()
	slot := s.slot(&s.window, id, memberHash(id))
	if s.window.accounts[slot].state != nil {
		s.fromMemory++
	}
	item := work{slot: slot, cause: cause, record: record}
	if record.Event != nil {
		item.match, item.seen = s.matchEvent(record.Event), s.seenOf(memberHash(id), record.Event)
		s.addKnown(memberHash(id), record.Event)
	}
	s.window.work = append(s.window.work, item)
}

// buffered moves a record's texts into the buffer of the feed.
func (s *rememberingShard) buffered(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			s.buffered(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			s.buffered(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.buffered(v.Index(i))
		}
	case reflect.String:
		from := len(s.buffer)
		if s.buffer = append(s.buffer, v.String()...); len(s.buffer) > from {
			v.SetString(unsafe.String(&s.buffer[from], len(s.buffer)-from))
		}
	}
}

// check holds what is remembered to Redis, and all that was handed over to what was
// saved of it.
func (s *rememberingShard) check() {
	s.t.Helper()
	batch := <-s.saved
	var saved []byte
	if b := batch.decided; b != nil {
		s.redis.ledger.insert(&b.decision, wholeBatch)
		saved = bytes.Clone(b.outbox)
	}
	s.outboxes, s.delivered = append(s.outboxes, saved), append(s.delivered, batch)
	for id, r := range s.states.byID {
		if !bytes.Equal(r.account.AppendBinary(nil), s.redis.states[id]) {
			s.t.Fatalf("of account %s something else is remembered than was saved", id)
		}
	}
	const underway = 10
	if last := len(s.delivered) - underway; last >= 0 { // the next windows are decided in its memory
		s.window.giveBack(s.delivered[last].decided)
		s.reused += len(s.window.free)
	}
	for _, d := range s.delivered[max(0, len(s.delivered)-underway+1):] {
		if b := d.decided; b != nil && !bytes.Equal(outbox.Encode(nil, &b.decision), b.outbox) {
			s.t.Fatalf("of batch %d something else is delivered than was saved", d.batch)
		}
	}
}

// A purchase of years ago is put away, and found again by whatever names it: the
// account costs as little as a new one until then, and decides as if it were whole.
func TestWhatIsPutAwayIsFoundAgain(t *testing.T) {
	t.Parallel()
	for _, memory := range []int{0, 1 << 30} {
		town := aTown()
		town.Programmes[0].AllCards = true
		s := newShardOf(t, town)
		redis, _ := s.on(newRowLedger())
		s.states = newStates(memory)
		take := func(records ...feed.Record) *rules.Decision {
			t.Helper()
			if err := s.take(t, records...); err != nil {
				t.Fatal(err)
			}
			if b := (<-s.saved).decided; b != nil {
				return &b.decision
			}
			return nil
		}
		at := func(id, typ, transaction, original string, day, amountMinor int) feed.Record {
			return feed.Record{Topic: rules.TopicTransactions, Time: 1_800_000_000_000, Key: []byte("a"), Value: fmt.Appendf(nil,
				`{"event_id":%q,"type":%q,"transaction_id":%q,"original_transaction_id":%q,"account_id":"a","card_token":"t","amount_minor":%d,"currency":"EUR","occurred_at":%q,"merchant":{"id":"0000000007"}}`,
				id, typ, transaction, original, amountMinor, time.Date(2026, 2, day, 12, 0, 0, 0, time.UTC).Format(time.RFC3339))}
		}
		take(enrolment("a"))
		size := 0
		for day := range 100 {
			id := fmt.Sprint("p", day)
			take(at("a"+id, "authorization", id, "", day, 10_000))
			take(at("c"+id, "clearing", "own-"+id, id, day+1, 10_000))
			if day == 20 {
				size = len(redis.states["a"])
			}
		}
		if len(redis.pages["a"]) < 10 || 2*len(redis.states["a"]) > 3*size {
			t.Errorf("%d pages, and a state of %d bytes, where it had %d once", len(redis.pages["a"]), len(redis.states["a"]), size)
		}
		for _, again := range []feed.Record{at("ap3", "authorization", "p3", "", 3, 10_000), at("cp3", "clearing", "own-p3", "p3", 4, 10_000)} {
			take(again)
		}
		if save := redis.saves[len(redis.saves)-1]; save.Fates[rules.Duplicate] != 1 || len(save.Accounts) != 0 {
			t.Errorf("an event that comes again is %v, and saves %d accounts", save.Fates, len(save.Accounts))
		}
		for what, refund := range map[string]feed.Record{
			"under its own id": at("r1", "refund", "p5", "", 101, 10_000), "by a link": at("r2", "refund", "own-r2", "p6", 101, 10_000),
			"by a link to a link": at("r3", "refund", "own-r3", "own-p7", 101, 10_000),
		} {
			d := take(refund)
			if d == nil || len(d.Accruals) != 2 || len(d.Instructions) != 1 || d.Instructions[0].AmountMinor != 300 {
				t.Errorf("a refund %s decides %+v", what, d)
			}
		}
		if unfolded := valueOf(t, s.metrics.unfolded); unfolded != 5 {
			t.Errorf("the account was made whole %v times, want once for each record that names what is put away", unfolded)
		}
	}
}

// The oldest goes where there is no room.
func TestMemoryOfStatesIsBounded(t *testing.T) {
	t.Parallel()
	account := engine.NewAccount("a0")
	m := newStates(3 * account.MemoryBytes())
	for _, id := range []string{"a0", "a1", "a2", "a3"} {
		m.putBack(m.blank(id))
	}
	if m.takeOut("a0") != nil || m.takeOut("a1") == nil || len(m.byID) != 2 || m.bytes != 2*account.MemoryBytes() {
		t.Errorf("%d accounts of %d bytes are remembered", len(m.byID), m.bytes)
	}
	if reused := m.blank("a4"); len(m.spare) != 0 || !reused.IsEmpty() {
		t.Errorf("%d spare accounts, %v", len(m.spare), reused)
	}
}
