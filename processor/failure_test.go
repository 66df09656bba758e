package processor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"ristourne/processor/feed"
	"ristourne/processor/outbox"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// Every kind of failure has a reason of its own, and says what to do.
func TestFailuresAreToldApart(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"fenced":              fmt.Errorf("save: %w", ErrFenced),
		"behind_ledger":       fmt.Errorf("save: %w", ErrStateBehindLedger),
		"offset_out_of_range": fmt.Errorf("read: %w", &feed.OffsetOutOfRangeError{Topic: "t"}),
		"outbox_version":      fmt.Errorf("deliver: %w", outbox.ErrVersion),
		"invariant":           fmt.Errorf("%w: credits", errInvariant),
		"ledger_hole":         fmt.Errorf("%w: %w", rules.ErrNeedsPerson, errNoHistory),
		"needs_person":        fmt.Errorf("histories: %w", rules.ErrNeedsPerson),
		"other":               errors.New("what nobody thought of"),
	} {
		if f := failureOf(err); f.reason != want || f.remedy == "" {
			t.Errorf("%v is %+v, want %s", err, f, want)
		}
	}
	if f := failureOf(guarded(func() error { panic("index out of range") })()); f.reason != "invariant" {
		t.Errorf("a panic is %+v", f)
	}
}

func TestPausesBetweenFailuresGrowAndBeginAnew(t *testing.T) {
	t.Parallel()
	var r rests
	for _, want := range []time.Duration{3, 6, 12, 24, 48, 60, 60} {
		if got := r.after(time.Second); got != want*time.Second {
			t.Errorf("rests for %s, want %d s", got, want)
		}
	}
	if got := r.after(time.Hour); got != firstRest {
		t.Errorf("after an hour of sound life it rests for %s", got)
	}
}

// panicking panics where a shard is acquired, as a fault of the program might anywhere.
type panicking struct{ Accounts }

func (panicking) Acquire(context.Context, int32) (Acquired, error) { panic("a fault of the program") }

// One shard's trouble is one shard's: the process goes on, the failure is
// counted, said with what to do, and the shard tells it until it is acquired.
func TestAPanicStopsOneShardAlone(t *testing.T) {
	t.Parallel()
	ports := purePorts(t, aTown())
	ports.Accounts = panicking{}
	p := newTestProcessor(t, ports)
	var log bytes.Buffer
	p.log = slog.New(slog.NewTextHandler(&log, nil))
	p.joined(true)
	ctx, cancel := context.WithCancel(t.Context())
	owned := make(chan error, 1)
	go func() { owned <- p.own(ctx, shardZero{}) }()
	until(t, func() bool { return valueOf(t, p.metrics.shardFailures.WithLabelValues("0", "invariant")) == 1 })
	if err := p.Ready(time.Hour); err == nil || !strings.Contains(err.Error(), "shard 0: stopped") || !strings.Contains(err.Error(), "a fault of the program") {
		t.Errorf("it is ready: %v", err)
	}
	cancel()
	if err := <-owned; err != nil {
		t.Errorf("own ended with %v", err)
	}
	for _, part := range []string{"shard stopped, the others go on", "reason=invariant", "what_to_do=", "acquired_anew_in=3s"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %q: %s", part, log.String())
		}
	}
}

// refusing refuses what it is asked to pay until the test mends it, and counts
// how often it is asked whether the batch holds.
type refusing struct {
	bareAccounts
	paidAndTold
	tries, asked int
	fenced       bool
}

func (r *refusing) WriteInstructions(context.Context, []rules.Instruction) error {
	if r.tries++; r.tries < 4 {
		return fmt.Errorf("%w: no right to write", rules.ErrNeedsPerson)
	}
	return nil
}

func (r *refusing) StillDecided(context.Context, int32, int64, uint64) error {
	if r.asked++; r.fenced && r.tries > 0 {
		return ErrFenced
	}
	return nil
}

func (r *refusing) Clear(context.Context, int32, int64, uint64) error { return nil }

type committing struct{ shardZero }

func (committing) Commit(context.Context, rules.Positions, uint64) error { return nil }

// A batch that a sink refuses for good is tried again, told as a failure once,
// and carried when it is mended. Before each try Redis is asked anew: it may have
// been hours.
func TestARefusedBatchIsToldAndCarriedOnceItIsMended(t *testing.T) {
	t.Parallel()
	s := newSaleShard(t, 10_000)
	if err := s.take(t, enrolment("a"), purchase("a", "p1")); err != nil {
		t.Fatal(err)
	}
	batch := <-s.saved
	r := &refusing{}
	s.source, s.ports.Accounts, s.ports.Ledger, s.ports.Instructions, s.ports.Referrals = committing{}, r, &bareLedger{}, r, r
	s.options.RetryMax = time.Millisecond
	if err := s.Deliver(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if failures := valueOf(t, s.metrics.shardFailures.WithLabelValues("0", "undeliverable")); r.tries != 4 || r.asked < 5 || failures != 1 {
		t.Errorf("%d tries, Redis was asked %d times, %v failures are counted", r.tries, r.asked, failures)
	}
	if err := s.pulse.ails(s.ports.Now().Add(time.Hour), time.Minute); err == nil || strings.Contains(err.Error(), "pay fails") {
		t.Errorf("what is mended still fails: %v", err)
	}

	r.tries, r.fenced = 0, true // another owner comes while it is refused
	if err := s.Deliver(t.Context(), batch); !errors.Is(err, ErrFenced) || r.tries != 1 {
		t.Errorf("after another owner has come it is tried %d times: %v", r.tries, err)
	}
}

// What an older or newer program has decided waits for it: rebuilding would
// decide it anew.
func TestAnOutboxOfAnotherVersionIsNotRebuilt(t *testing.T) {
	t.Parallel()
	s := newSaleShard(t, 10_000)
	blob := outbox.Encode(nil, &rules.Decision{Batch: 1})
	for _, format := range []byte{4, blob[0] + 1} { // 5 is read
		body := append([]byte{format}, blob[1:len(blob)-crc32.Size]...)
		other := binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		err := s.deliverFound(t.Context(), [][]byte{other})
		if !errors.Is(err, outbox.ErrVersion) || errors.Is(err, ErrStateBehindLedger) || !strings.Contains(err.Error(), fmt.Sprintf("format %d,", format)) {
			t.Errorf("an outbox of format %d gives %v", format, err)
		}
	}
	if err := s.deliverFound(t.Context(), [][]byte{blob[:len(blob)-1]}); !errors.Is(err, ErrStateBehindLedger) {
		t.Errorf("a damaged outbox gives %v", err)
	}
}

// historyLedger has accounts' histories by reference.
type historyLedger struct {
	bareLedger
	histories map[rules.AccountRef]*rules.AccountHistory
	asked     int
}

func (l *historyLedger) HistoriesOf(_ context.Context, _ int32, refs []rules.AccountRef, each func(*rules.AccountHistory) error) error {
	l.asked++
	for _, ref := range refs {
		if h := l.histories[ref]; h != nil {
			if err := each(h); err != nil {
				return err
			}
		}
	}
	return nil
}

// A state of another format, or a damaged one, is made anew from the ledger; its
// neighbours go on, and what is decided is what would have been.
func TestAStateThatCannotBeReadIsMadeAnewFromTheLedger(t *testing.T) {
	t.Parallel()
	newest := engine.NewAccount("a").AppendBinary(nil)
	for name, value := range map[string][]byte{
		"of the next format":         append([]byte{newest[0] + 1}, newest[1:]...),
		"of a format of long before": append([]byte{2}, newest[1:]...),
		"damaged":                    newest[:len(newest)-1],
		"empty":                      {},
	} {
		t.Run(name, func(t *testing.T) {
			clean := newSaleShard(t, 100)
			past := decided(t, clean, enrolment("a"), purchase("a", "p1"))
			s := newSaleShard(t, 100)
			ledger := &historyLedger{histories: map[rules.AccountRef]*rules.AccountHistory{
				s.refs.ref("a"): {Ref: s.refs.ref("a"), AccountID: "a", Set: past.Set, Booked: past.Accruals, Grants: past.Grants, Instructed: past.Instructions},
			}}
			accounts := &restored{states: map[string][]byte{"a": value}}
			s.ports.Ledger, s.ports.Accounts, s.lastSeq = ledger, accounts, past.LastSeq
			s.members.add(memberHash("a"))
			refund := purchase("a", "p1")
			refund.Value = bytes.Replace(bytes.Replace(refund.Value, []byte(`"event_id":"p1"`), []byte(`"event_id":"r1"`), 1), []byte(`"clearing"`), []byte(`"refund"`), 1)
			d := decided(t, s, enrolment("b"), refund)
			if rewardMinor(d.Accruals) != -400 || len(d.Grants) != 1 || d.Grants[0].ChangeMinor != -100 || len(d.Instructions) != 1 || d.Instructions[0].AmountMinor != 400 {
				t.Errorf("the refund gives %d, grants %+v, instructions %+v", rewardMinor(d.Accruals), d.Grants, d.Instructions)
			}
			if got := valueOf(t, s.metrics.restored); got != 1 || ledger.asked != 1 {
				t.Errorf("%v accounts are restored, the ledger was asked %d times", got, ledger.asked)
			}
		})
	}
}

// A record that changes nothing still saves the restored state, and one of which
// the ledger knows nothing is never taken for new.
func TestARestoredStateIsSavedAndAHoleIsNoNewAccount(t *testing.T) {
	t.Parallel()
	clean := newSaleShard(t, 100)
	past := decided(t, clean, enrolment("a"), purchase("a", "p1"))
	s := newSaleShard(t, 100)
	s.options.RetryMax = time.Millisecond
	ledger := &historyLedger{histories: map[rules.AccountRef]*rules.AccountHistory{
		s.refs.ref("a"): {Ref: s.refs.ref("a"), AccountID: "a", Set: past.Set, Booked: past.Accruals, Grants: past.Grants, Instructed: past.Instructions},
	}}
	accounts := &restored{states: map[string][]byte{"a": {99}}}
	s.ports.Ledger, s.ports.Accounts, s.lastSeq, s.latest = ledger, accounts, past.LastSeq, math.MaxInt64
	s.members.add(memberHash("a"))
	if err := s.take(t, purchase("a", "p1")); err != nil { // a duplicate
		t.Fatal(err)
	}
	if last := accounts.saves[len(accounts.saves)-1]; len(last.Accounts) != 1 || last.Outbox != nil || last.Fates[rules.Duplicate] != 1 {
		t.Errorf("a duplicate saves %d states, fates %v", len(last.Accounts), last.Fates)
	}

	clear(ledger.histories)
	<-s.saved
	s.backlog.delivers(1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for valueOf(t, s.metrics.retries.WithLabelValues("restore accounts")) < 2 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	if _, err := s.match(ctx, &s.window, []feed.Record{purchase("a", "p2")}, windowLimits{1 << 30, 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if err := s.decideWindow(ctx, &s.window, s.saved); err == nil {
		t.Error("an account without its history is taken for a new one")
	}
	if failures := valueOf(t, s.metrics.shardFailures.WithLabelValues("0", "ledger_hole")); failures != 1 {
		t.Errorf("the hole is counted %v times", failures)
	}
}

// choosy refuses one instruction for good, and keeps what it is given.
type choosy struct {
	bareAccounts
	paidAndTold
	letters  []rules.DeadLetter
	acquired Acquired
	refuses  string
	cleared  uint64
	givenUp  bool // the lease
}

func (c *choosy) AcquireLeased(context.Context, int32, string, time.Duration) (Acquired, error) {
	return c.acquired, nil
}

func (c *choosy) RenewLease(_ context.Context, _ int32, _ int64, lease time.Duration) error {
	c.givenUp = c.givenUp || lease == 0
	return nil
}

func (c *choosy) WriteInstructions(ctx context.Context, all []rules.Instruction) error {
	for i := range all {
		if all[i].ID == c.refuses {
			return fmt.Errorf("%w: it breaks the contract", rules.ErrNeedsPerson)
		}
	}
	return c.paidAndTold.WriteInstructions(ctx, all)
}

func (c *choosy) Clear(_ context.Context, _ int32, _ int64, upTo uint64) error {
	c.cleared = upTo
	return nil
}

func (c *choosy) Write(_ context.Context, letters []rules.DeadLetter) error {
	c.letters = append(c.letters, letters...)
	return nil
}

// The way out of a batch that no version can write: what is refused is kept
// whole, all else is carried out. Asked without being sure, it only says so.
func TestWhatIsRefusedForGoodIsSetAsideWhole(t *testing.T) {
	t.Parallel()
	s := newSaleShard(t, 10_000)
	if err := s.take(t, enrolment("a"), purchase("a", "p1"), enrolment("b"), purchase("b", "p1")); err != nil {
		t.Fatal(err)
	}
	batch := <-s.saved
	d := new(rules.Decision)
	if err := outbox.Decode(batch.decided.outbox, d); err != nil || len(d.Instructions) != 2 {
		t.Fatalf("%d instructions, %v", len(d.Instructions), err)
	}
	bad := d.Instructions[0]
	c := &choosy{acquired: Acquired{Epoch: 1, Batch: batch.batch, Outbox: [][]byte{batch.decided.outbox}}, refuses: bad.ID}
	ledger := &bareLedger{}
	s.ports.Accounts, s.ports.Ledger, s.ports.Instructions, s.ports.Referrals, s.ports.DeadLetters = c, ledger, c, c, c
	for _, sure := range []bool{false, true} {
		refused, err := s.SetAside(t.Context(), sure)
		if err != nil || len(refused) != 1 || refused[0].ID != bad.ID || refused[0].Batch != batch.batch {
			t.Fatalf("refused is %+v, %v", refused, err)
		}
		if done := c.cleared == batch.batch && len(c.letters) == 1; done != sure {
			t.Errorf("sure %v: cleared up to batch %d, letters %v", sure, c.cleared, c.letters)
		}
	}
	if !c.givenUp {
		t.Error("the shard's owner waits until the lease has run out")
	}
	if len(ledger.booked) == 0 || len(c.paid) != 2 || c.paid[1].ID != d.Instructions[1].ID {
		t.Errorf("booked %d, paid %+v", len(ledger.booked), c.paid)
	}
	l := c.letters[0]
	for _, part := range []string{bad.ID, `"account_id":"a"`, fmt.Sprintf(`"amount_minor":%d`, bad.AmountMinor), `"direction":"credit"`} {
		if !strings.Contains(string(l.Value), part) {
			t.Errorf("the letter lacks %s: %s", part, l.Value)
		}
	}
	if l.Reason != "refused" || l.Offset != bad.Cause.Offset || l.Size != len(l.Value) {
		t.Errorf("the letter is %+v", l)
	}
}
