// Package processor is the stream: it feeds the bank's records, shard by
// shard, through the rules into the ledger. shard.go is the way of the data.
package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// The small interfaces below are all that the stream asks of the world.
// Whatever can fail, stall or lie stands behind one of them, so that a test
// can run the pipeline step by step and break any step it likes.

// Ports are the parts of the world that a shard touches.
type Ports struct {
	Accounts     Accounts
	Ledger       Ledger
	Instructions InstructionWriter
	Referrals    ReferralPublisher
	DeadLetters  DeadLetters
	Catalogue    Catalogue
	Now          func() time.Time
}

// ErrFenced says that another owner has acquired the shard: this one must stop
// at once and touch nothing more.
var ErrFenced = errors.New("shard was acquired by another owner")

// ErrStateBehindLedger says that the account states are older than the ledger:
// they must be rebuilt before anything more is decided.
var ErrStateBehindLedger = errors.New("account states are behind the ledger")

// errUndecided says that the group's offsets are beyond all that was decided: from
// there on records would be left out that nobody has ever looked at.
var errUndecided = errors.New("the group's committed offsets are beyond what was decided")

// FencedError is ErrFenced with the name of the owner, as far as it has said.
type FencedError struct {
	Group, Process string
	// Foreign: the owner belongs to another consumer group than this process. The
	// groups take each other's shards for as long as both run.
	Foreign bool
	Epoch   string
	Own     int64
}

func (e *FencedError) Error() string {
	who := ""
	if e.Group != "" {
		who = fmt.Sprintf(", %s of consumer group %s", e.Process, e.Group)
	}
	return fmt.Sprintf("%s%s: its epoch is %s, this one's is %d", ErrFenced, who, e.Epoch, e.Own)
}

// Unwrap makes errors.Is(err, ErrFenced) true.
func (e *FencedError) Unwrap() error { return ErrFenced }

// LeasedError says that a command works on the shard, for as long as it renews its
// lease.
type LeasedError struct {
	By    string
	Since time.Time
	Until time.Time // unless it is renewed
}

func (e *LeasedError) Error() string {
	return fmt.Sprintf("the shard is held by %s since %s: it is free when that has ended, or at %s if it has died",
		e.By, e.Since.UTC().Format(time.RFC3339), e.Until.UTC().Format(time.RFC3339))
}

// Source is one shard of the input topics during one generation of the group.
type Source interface {
	Shard() int32
	Committed() rules.Positions
	// SetElsewhere tells which of the committed offsets no processor has
	// committed: somebody has set them by other means.
	SetElsewhere(ctx context.Context) ([rules.NumTopics]bool, error)
	// CommittedBatch is the last batch that was delivered when offsets were committed,
	// whatever Redis and the ledger know of it; 0: none, or it wasn't said.
	CommittedBatch(ctx context.Context) (uint64, error)
	Seek(rules.Positions)
	Next(ctx context.Context, b *feed.Batch) error
	Commit(ctx context.Context, o rules.Positions, batch uint64) error
}

// lagMeter is a Source that knows how many records of each topic wait.
type lagMeter interface {
	Lag() [rules.NumTopics]int64
}

// endMeter is a Source that knows when it had last given out all there was.
type endMeter interface {
	ReadToEnd() [rules.NumTopics]time.Time
}

// Acquired is what an owner finds when it takes a shard.
type Acquired struct {
	Epoch     int64
	Positions rules.Positions // rules.NoHeads: the shard has no state
	Batch     uint64          // number of the last saved batch
	LastSeq   uint64
	Outbox    [][]byte // saved batches that were not cleared, oldest first
}

// AccountState is one account's state to be saved.
type AccountState struct {
	ID    string
	Value []byte
	// Pages are purchases that Value has put away, numbered from FirstPage on. Fresh:
	// what pages were stored before are no more.
	Pages     [][]byte
	FirstPage int
	Fresh     bool
}

// Bytes is what the state takes.
func (s *AccountState) Bytes() int {
	n := len(s.Value)
	for _, page := range s.Pages {
		n += len(page)
	}
	return n
}

// Save is what one script writes, all or nothing.
type Save struct {
	Shard    int32
	Epoch    int64
	Before   rules.Positions // what the positions must be now
	Batch    uint64
	After    rules.Positions
	LastSeq  uint64
	Accounts []AccountState
	Outbox   []byte // nil: the batch moves positions and counts alone
	Fates    [rules.NumFates]int64
	// Hashes to append to the shard's filters.
	Members, Known []uint64
	// Spent are the budgets of which the batch spent or gave back. None may be
	// over what the shard has reserved: ErrStateBehindLedger where Redis has lost
	// the reservation.
	Spent []BudgetSpent
}

// BudgetSpent is what a shard has spent of one budget, ever, less what was given
// back.
type BudgetSpent struct {
	Budget rules.BudgetKey
	Minor  int64
}

// Reservation asks for a part of a budget that the shard alone may spend of.
type Reservation struct {
	Shard      int32
	Epoch      int64
	Budget     rules.BudgetKey
	LimitMinor int64 // of the budget, over all shards and all time
	WantMinor  int64 // what the shard needs beyond what it has spent; 0: only to know
}

// Reserved is what a shard has of a budget.
type Reserved struct {
	SpentMinor int64 // saved, as in Save.Spent
	// ReservedMinor is up to which the shard may spend: at least SpentMinor.
	ReservedMinor int64
	OthersMinor   int64 // what all other shards may spend, as last seen
}

// Accounts keeps the account states of a shard: a cache of the ledger, in
// Redis. Every write carries the owner's epoch and is refused with ErrFenced
// when the shard has a newer one.
type Accounts interface {
	// Acquire raises the epoch of the shard. A *LeasedError: a command holds it.
	Acquire(ctx context.Context, shard int32) (Acquired, error)
	// AcquireLeased acquires for a command, which nobody disturbs for as long as it
	// renews its lease.
	AcquireLeased(ctx context.Context, shard int32, by string, lease time.Duration) (Acquired, error)
	// RenewLease makes the lease last for so long from now on; 0 gives it up.
	RenewLease(ctx context.Context, shard int32, epoch int64, lease time.Duration) error
	// Load appends to values one value an id, nil where there is none.
	Load(ctx context.Context, shard int32, ids []string, values [][]byte) ([][]byte, error)
	// LoadPages gives all pages of an account, in order.
	LoadPages(ctx context.Context, shard int32, id string) ([][]byte, error)
	// Save runs the batch's one script. A repeat of a save that already
	// succeeded is a success: it is known by the positions, or, where a batch moves
	// none, by its number. ErrStateBehindLedger: the positions are not Before.
	Save(ctx context.Context, s *Save) error
	// StillDecided makes sure, before something leaves for the world, that the shard is
	// still this owner's (ErrFenced) and that the batch is still decided: after
	// a Redis that lost its last writes it is not (ErrStateBehindLedger).
	StillDecided(ctx context.Context, shard int32, epoch int64, batch uint64) error
	// Intact makes sure, while nothing is saved, that the shard is still this
	// owner's (ErrFenced) and as it was saved last (ErrStateBehindLedger).
	Intact(ctx context.Context, shard int32, epoch int64, positions rules.Positions, batch uint64) error
	// Clear deletes the outbox up to and with the batch.
	Clear(ctx context.Context, shard int32, epoch int64, upToBatch uint64) error
	// Reserve raises what the shard may spend of a budget. booked tells what the
	// ledger has of it, by shard. Repeating one changes little: the shard has
	// then what it reserved before.
	Reserve(ctx context.Context, d Reservation, booked func(context.Context) (map[int32]int64, error)) (Reserved, error)
	// Filters streams the hashes that Save has appended.
	Filters(ctx context.Context, shard int32, members, known func([]uint64)) error
	// BeginRebuild forgets positions, outbox and filters (fates stay); states are
	// then written by Restore and the positions last, by FinishRebuild.
	BeginRebuild(ctx context.Context, shard int32, epoch int64) error
	Restore(ctx context.Context, shard int32, epoch int64, accounts []AccountState, members, known []uint64) error
	FinishRebuild(ctx context.Context, shard int32, epoch int64, m rules.Marker) error
}

// Ledger is ClickHouse: what was decided, for ever.
type Ledger interface {
	// Book writes decisions, their marker last. Booking one again changes
	// nothing that a reader sees. An error means "unknown": book it again.
	Book(ctx context.Context, d ...*rules.Decision) error
	// Marker is the newest marker of the shard; false where there is none.
	Marker(ctx context.Context, shard int32) (rules.Marker, bool, error)
	// LastSeq is the highest Seq of the shard's set rows, booked with or
	// without their batch's marker; 0: none.
	LastSeq(ctx context.Context, shard int32) (uint64, error)
	// Unmarked is what is booked of the accounts that have set rows behind
	// afterSeq: line by line what those rows decided.
	Unmarked(ctx context.Context, shard int32, afterSeq uint64) (map[rules.AccountRef]*rules.Unmarked, error)
	// Holes are the places where the ledger doesn't hold what the shard's marker
	// says was booked. thorough reads every row; otherwise they are counted.
	Holes(ctx context.Context, shard int32, thorough bool) ([]rules.Hole, error)
	// BeginCounting makes the marker of a shard that an older version has booked
	// say what there is by now; false where it says so already.
	BeginCounting(ctx context.Context, shard int32) (began bool, err error)
	// BookPart books some of what a rebuild found missing behind the marker, which
	// stays where it is until BookRest.
	BookPart(ctx context.Context, d *rules.Decision) error
	// BookRest books the rest of it as a batch after all that were booked there in
	// part, whose number it gives, and counts those with it. False: there was
	// nothing.
	BookRest(ctx context.Context, d *rules.Decision) (batch uint64, booked bool, err error)
	// CountAnew writes a marker that takes what stands there for whole.
	CountAnew(ctx context.Context, m rules.Marker) error
	// Histories streams every account of the shard.
	Histories(ctx context.Context, shard int32, each func(*rules.AccountHistory) error) error
	// HistoriesOf streams the named accounts of the shard alone.
	HistoriesOf(ctx context.Context, shard int32, refs []rules.AccountRef, each func(*rules.AccountHistory) error) error
	// Spent is what is booked as granted of a budget, less what was given
	// back, by shard.
	Spent(ctx context.Context, budget rules.BudgetKey) (map[int32]int64, error)
	// InstructionIDs are those of the shard's instructions to the accounts.
	InstructionIDs(ctx context.Context, shard int32, refs []rules.AccountRef) (map[string]bool, error)
	// RecordAction keeps what a person decided in the audit trail.
	RecordAction(ctx context.Context, a *rules.OperatorAction) error
	// InstructionsFrom streams the instructions whose cause stands at or
	// behind from in its topic: those that may not have been paid yet. An
	// erased account's have no AccountID.
	InstructionsFrom(ctx context.Context, shard int32, from rules.Positions, each func(rules.Instruction) error) error
	// ReferralsFrom streams the referrals likewise: those that may not have been
	// published yet. An erased buyer's have no BuyerAccountID.
	ReferralsFrom(ctx context.Context, shard int32, from rules.Positions, each func(rules.Referral) error) error
}

// InstructionWriter gives instructions to the bank. It returns when every one is
// acknowledged; an error means "unknown": write them again, the bank dedupes by id.
type InstructionWriter interface {
	WriteInstructions(ctx context.Context, instructions []rules.Instruction) error
}

// ReferralPublisher gives referrals to the shards of their sponsors. It returns when every
// one is acknowledged; an error means "unknown": publish again, a referral that
// comes twice is a duplicate.
type ReferralPublisher interface {
	Publish(ctx context.Context, referrals []rules.Referral) error
}

// DeadLetters keeps what broke a rule. It returns when every one is
// acknowledged.
type DeadLetters interface {
	Write(ctx context.Context, letters []rules.DeadLetter) error
}

// Catalogue is what is offered, as far as it is known.
type Catalogue interface {
	// Current is the newest snapshot, and the purchase time before which it is
	// complete: a purchase at or after it has to wait. Nil before the first.
	Current() (snapshot *engine.Snapshot, completeUntil rules.Instant)
	// Await returns when Current is complete for a purchase at t.
	Await(ctx context.Context, t rules.Instant) error
}
