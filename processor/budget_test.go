package processor_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/rules"
	"ristourne/rules/engine"
)

const theBudget rules.BudgetKey = "campaign/black-friday"

// Whatever dies, sleeps or is forgotten between any two steps of whichever
// shard, and however late the ledger is: what is granted in the end, by batches
// that are booked or can still be, is never above the limit.
func TestNoBudgetIsEverExceeded(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rapid.Check(t, func(t *rapid.T) {
		b := newBudgetWorld(t, server)
		defer b.end()
		for range rapid.IntRange(50, 250).Draw(t, "steps") {
			b.act(t)
			if granted := b.granted(t); granted > b.limitMinor {
				t.Fatalf("%d granted of %d: booked %v\n%s", granted, b.limitMinor, b.ledger.granted(), strings.Join(b.story, "\n"))
			}
		}
	})
}

// budgetWorld is some shards that share a budget, in one goroutine each of which
// one at a time goes on, from one command to Redis to the next.
type budgetWorld struct {
	limitMinor int64
	shards     int
	redis      *redis.Client // the test's own
	ledger     *budgetLedger
	owners     []*budgetOwner // the newest of each shard
	zombies    []*budgetOwner
	server     *miniredis.Miniredis
	history    []map[string]map[string]string // Redis as it was before each step
	story      []string
}

func newBudgetWorld(t *rapid.T, server *miniredis.Miniredis) *budgetWorld {
	server.FlushAll()
	b := &budgetWorld{
		limitMinor: rapid.Int64Range(20, 3000).Draw(t, "limit"), shards: rapid.IntRange(2, 3).Draw(t, "shards"),
		server: server, ledger: &budgetLedger{booked: make(map[string]bool), byShard: make(map[int32]*bookedShard)},
	}
	b.redis = redis.NewClient(&redis.Options{Addr: server.Addr()})
	b.owners = make([]*budgetOwner, b.shards)
	for shard := range b.owners {
		b.acquire(t, shard)
	}
	return b
}

func (b *budgetWorld) end() {
	for _, o := range append(b.zombies, b.owners...) {
		for o.running {
			o.step(dieBefore)
		}
		_ = o.client.Close()
	}
	_ = b.redis.Close()
}

func (b *budgetWorld) act(t *rapid.T) {
	shard := rapid.IntRange(0, b.shards-1).Draw(t, "shard")
	o := b.owners[shard]
	action := rapid.IntRange(0, 99).Draw(t, "action")
	b.history = append(b.history, keepRedis(b.server))
	switch {
	case action < 6:
		b.lose(t, shard)
	case action < 9 && len(b.zombies) > 0:
		z := b.zombies[rapid.IntRange(0, len(b.zombies)-1).Draw(t, "zombie")]
		if z.running {
			b.tell("a zombie of shard %d goes on", z.shard)
			z.step(goOn)
		}
	case action < 11:
		b.tell("shard %d is acquired anew, its owner sleeps", shard)
		b.zombies = append(b.zombies, o)
		b.acquire(t, shard)
	case o.dead && !o.running:
		b.acquire(t, shard)
	case action < 30:
		b.book(t, o)
	case !o.running:
		o.begin(b.windowOf(t, o), b.limitMinor, b.ledger)
		b.tell("shard %d begins a window", shard)
	case action < 32:
		how := rapid.SampledFrom([]verdict{dieBefore, dieAfter}).Draw(t, "how")
		b.tell("shard %d dies at %s (%d)", shard, o.at, how)
		o.step(how)
	default:
		at := o.at
		o.step(goOn)
		b.tell("shard %d: %s; granted %d, error %v", shard, at, o.stateMinor, o.err)
	}
}

func (b *budgetWorld) tell(format string, args ...any) {
	b.story = append(b.story, fmt.Sprintf(format, args...))
}

// windowOf is what purchases ask for, and negative what they give back.
func (b *budgetWorld) windowOf(t *rapid.T, o *budgetOwner) []int64 {
	return rapid.SliceOfN(rapid.Int64Range(-b.limitMinor/2, b.limitMinor), 1, 3).Draw(t, "asks")
}

// lose sets Redis back by some steps: all of it, or one server of a cluster.
func (b *budgetWorld) lose(t *rapid.T, shard int) {
	what := rapid.SampledFrom([]string{"", fmt.Sprintf(":{%d}:", shard), accounts.DefaultPrefix + ":budget:"}).Draw(t, "lost")
	steps := rapid.IntRange(1, min(len(b.history), 20)).Draw(t, "steps back")
	b.tell("the keys with %q fall back by %d steps", what, steps)
	for key := range keepRedis(b.server) {
		if strings.Contains(key, what) {
			b.server.Del(key)
		}
	}
	for key, fields := range b.history[len(b.history)-steps] {
		if !strings.Contains(key, what) {
			continue
		}
		for field, value := range fields {
			if field == "" {
				b.must(t, b.server.Set(key, value))
			} else {
				b.server.HSet(key, field, value)
			}
		}
	}
	b.history = nil // what came after can't come back
}

// keepRedis is a copy of all keys: the fields of hashes, and of a text the empty
// field.
func keepRedis(server *miniredis.Miniredis) map[string]map[string]string {
	all := make(map[string]map[string]string)
	for _, key := range server.Keys() {
		fields := make(map[string]string)
		if server.Type(key) == "hash" {
			names, _ := server.HKeys(key)
			for _, name := range names {
				fields[name] = server.HGet(key, name)
			}
		} else {
			fields[""], _ = server.Get(key)
		}
		all[key] = fields
	}
	return all
}

func (b *budgetWorld) must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(b.story, "\n"))
	}
}

// granted is what is booked, and what lies in an outbox to be booked.
func (b *budgetWorld) granted(t *rapid.T) (sum int64) {
	for _, minor := range b.ledger.granted() {
		sum += minor
	}
	for shard := range b.shards {
		outbox := fmt.Sprintf("%s:{%d}:outbox", accounts.DefaultPrefix, shard)
		batches, _ := b.server.HKeys(outbox) // none where there is no outbox
		for _, batch := range batches {
			if blob := b.server.HGet(outbox, batch); !b.ledger.booked[blob] {
				sum += changeOf(t, blob)
			}
		}
	}
	return sum
}

// acquire makes a new owner, which delivers what it finds and rebuilds what is
// behind the ledger.
func (b *budgetWorld) acquire(t *rapid.T, shard int) {
	o := newBudgetOwner(t, b, int32(shard))
	b.owners[shard] = o
	ctx := context.Background()
	o.free = true
	acquired, err := o.store.Acquire(ctx, o.shard)
	b.must(t, err)
	o.epoch, o.positions, o.batch = acquired.Epoch, acquired.Positions, acquired.Batch
	for _, blob := range acquired.Outbox {
		b.ledger.book(t, o.shard, string(blob))
	}
	b.must(t, o.store.Clear(ctx, o.shard, o.epoch, 1<<40))
	booked := b.ledger.of(o.shard)
	if o.positions.Before(booked.positions) {
		b.tell("shard %d is rebuilt", shard)
		b.must(t, o.store.BeginRebuild(ctx, o.shard, o.epoch))
		b.must(t, o.store.FinishRebuild(ctx, o.shard, o.epoch, rules.Marker{Positions: booked.positions, Batch: booked.batch}))
		o.positions, o.batch, o.stateMinor = booked.positions, booked.batch, booked.grantedMinor
	} else {
		values, err := o.store.Load(ctx, o.shard, []string{"a"}, nil)
		b.must(t, err)
		if values[0] != nil {
			o.stateMinor, err = strconv.ParseInt(string(values[0]), 10, 64)
			b.must(t, err)
		}
	}
	o.free = false
	b.tell("shard %d is acquired: it has granted %d", shard, o.stateMinor)
}

// book books the oldest batch that the owner has not.
func (b *budgetWorld) book(t *rapid.T, o *budgetOwner) {
	if len(o.saved) == 0 {
		return
	}
	oldest := o.saved[0]
	o.saved = o.saved[1:]
	if err := o.quiet.StillDecided(context.Background(), o.shard, o.epoch, batchOf(t, oldest)); err != nil {
		b.tell("shard %d may not book: %v", o.shard, err)
		o.saved, o.dead = nil, true
		return
	}
	b.tell("shard %d books %s", o.shard, oldest)
	b.ledger.book(t, o.shard, oldest)
}

// budgetLedger is ClickHouse.
type budgetLedger struct {
	booked  map[string]bool // blobs
	byShard map[int32]*bookedShard
}

type bookedShard struct {
	positions    rules.Positions
	batch        uint64
	grantedMinor int64
}

func (l *budgetLedger) of(shard int32) *bookedShard {
	if l.byShard[shard] == nil {
		l.byShard[shard] = &bookedShard{positions: rules.NoPositions}
	}
	return l.byShard[shard]
}

func (l *budgetLedger) book(t *rapid.T, shard int32, blob string) {
	if l.booked[blob] {
		return
	}
	l.booked[blob] = true
	of, batch := l.of(shard), batchOf(t, blob)
	of.grantedMinor += changeOf(t, blob)
	if batch > of.batch {
		of.batch, of.positions = batch, positionsOf(batch)
	}
}

func (l *budgetLedger) granted() map[int32]int64 {
	granted := make(map[int32]int64)
	for shard, of := range l.byShard {
		granted[shard] = of.grantedMinor
	}
	return granted
}

// A blob is "batch change epoch": no two batches have the same.
func blobOf(batch uint64, changeMinor, epoch int64) string {
	return fmt.Sprintf("%d %d %d", batch, changeMinor, epoch)
}

func batchOf(t *rapid.T, blob string) (batch uint64) {
	var rest int64
	if _, err := fmt.Sscan(blob, &batch, &rest); err != nil {
		t.Fatal(err)
	}
	return batch
}

func changeOf(t *rapid.T, blob string) (changeMinor int64) {
	var batch uint64
	if _, err := fmt.Sscan(blob, &batch, &changeMinor); err != nil {
		t.Fatal(err)
	}
	return changeMinor
}

func positionsOf(batch uint64) rules.Positions { return rules.Positions{-1, -1, -1, int64(batch)} }

// verdict is what becomes of an owner at its next command to Redis.
type verdict int

const (
	goOn verdict = iota
	dieBefore
	dieAfter
)

var errDead = errors.New("died, says the test")

// budgetOwner is one owner of a shard, with its leases.
type budgetOwner struct {
	shard     int32
	client    *redis.Client
	store     *accounts.Store // stops at each command
	quiet     *accounts.Store // the test's own
	leases    processor.BudgetLeases
	epoch     int64
	positions rules.Positions
	batch     uint64

	stateMinor int64    // what the account of the shard has, as saved
	saved      []string // blobs that it has not booked

	free     bool // its commands run as they come
	running  bool
	dead     bool
	err      error
	at       string // the command at which it waits
	verdicts chan verdict
	waits    chan struct{} // it waits, or has ended
}

func newBudgetOwner(t *rapid.T, b *budgetWorld, shard int32) *budgetOwner {
	o := &budgetOwner{shard: shard, leases: processor.NewBudgetLeases(), verdicts: make(chan verdict), waits: make(chan struct{})}
	o.client = redis.NewClient(&redis.Options{Addr: b.server.Addr(), MaxRetries: -1})
	o.client.AddHook(o)
	for of, client := range map[**accounts.Store]*redis.Client{&o.store: o.client, &o.quiet: b.redis} {
		store, err := accounts.New(client, "")
		b.must(t, err)
		o.free = true
		b.must(t, store.HoldShards(context.Background(), b.shards))
		*of = store
	}
	return o
}

// begin starts a window that waits at its first command.
func (o *budgetOwner) begin(asks []int64, limitMinor int64, ledger *budgetLedger) {
	o.running = true
	go func() {
		o.err = o.window(asks, limitMinor, ledger)
		o.dead = o.dead || o.err != nil
		o.running = false
		o.waits <- struct{}{}
	}()
	<-o.waits
}

// step lets the owner go on to its next command, or its end.
func (o *budgetOwner) step(v verdict) {
	o.verdicts <- v
	<-o.waits
}

func (o *budgetOwner) window(asks []int64, limitMinor int64, ledger *budgetLedger) error {
	ctx := context.Background()
	var stateMinor int64
	totals, err := o.leases.Decide(func(budgets engine.Budgets) {
		stateMinor = o.stateMinor
		for _, ask := range asks {
			if ask > 0 {
				stateMinor += budgets.Take(theBudget, limitMinor, ask)
			} else if back := min(-ask, stateMinor); back > 0 {
				budgets.GiveBack(theBudget, back)
				stateMinor -= back
			}
		}
	}, func(d processor.Reservation) (processor.Reserved, error) {
		d.Shard, d.Epoch = o.shard, o.epoch
		return o.store.Reserve(ctx, d, func(context.Context) (map[int32]int64, error) { return maps.Clone(ledger.granted()), nil })
	})
	if err != nil {
		return err
	}
	blob := blobOf(o.batch+1, stateMinor-o.stateMinor, o.epoch)
	if err := o.store.Save(ctx, &processor.Save{
		Shard: o.shard, Epoch: o.epoch, Before: o.positions, Batch: o.batch + 1, After: positionsOf(o.batch + 1), Spent: totals,
		Accounts: []processor.AccountState{{ID: "a", Value: strconv.AppendInt(nil, stateMinor, 10)}}, Outbox: []byte(blob),
	}); err != nil {
		return err
	}
	o.leases.Saved()
	o.batch++
	o.positions, o.stateMinor = positionsOf(o.batch), stateMinor
	o.saved = append(o.saved, blob)
	return nil
}

// The hook is where an owner waits for its verdict.

func (o *budgetOwner) DialHook(next redis.DialHook) redis.DialHook { return next }

func (o *budgetOwner) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return o.call(cmd.Name(), func() error { return next(ctx, cmd) }, cmd.SetErr)
	}
}

func (o *budgetOwner) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return o.call("pipeline", func() error { return next(ctx, cmds) }, cmds[0].SetErr)
	}
}

func (o *budgetOwner) call(name string, do func() error, fail func(error)) error {
	if o.free || name == "hello" || name == "client" {
		return do()
	}
	if o.dead {
		fail(errDead)
		return errDead
	}
	o.at = name
	o.waits <- struct{}{}
	v := <-o.verdicts
	if o.dead = v != goOn; v == dieBefore {
		fail(errDead)
		return errDead
	}
	if err := do(); err != nil || !o.dead {
		return err
	}
	fail(errDead)
	return errDead
}
