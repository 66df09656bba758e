package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"ristourne/rules"
)

// Book writes decisions, their marker last. What many shards ask for at once is
// gathered into one group of inserts: while one group is under way the next
// collects. Booking a decision again changes nothing that a reader sees.
//
// An error means "unknown": rows may be there, without their marker. Book it
// again. Errors that wrap [ErrPermanent] go away only when somebody acts.
//
// The decisions are read until Book returns, whether ctx ends or not.
func (l *Ledger) Book(ctx context.Context, decisions ...*rules.Decision) error {
	for _, d := range decisions {
		if err := check(d); err != nil {
			return fmt.Errorf("book batch %d of shard %d: %w", d.Batch, d.Shard, err)
		}
	}
	for len(decisions) > 0 {
		first, n := decisions[0], fitting(decisions, l.options.MaxGroupRows)
		b := &booking{decisions: decisions[:n]}
		if err := l.booker.submit(ctx, b); err != nil {
			return fmt.Errorf("book batch %d of shard %d: %w", first.Batch, first.Shard, err)
		}
		for _, m := range b.marks {
			l.marks.put(m)
		}
		decisions = decisions[n:]
	}
	return nil
}

// fitting is how many of the decisions go into one group: at least one, as a
// decision is never split.
func fitting(decisions []*rules.Decision, maxRows int) int {
	rows := 0
	for i, d := range decisions {
		rows += rowsOf(d)
		if rows > maxRows && i > 0 {
			return i
		}
	}
	return len(decisions)
}

// rowsOf counts the rows of a decision, its marker included.
func rowsOf(d *rules.Decision) int {
	return len(d.Accounts) + len(d.Set) + len(d.Accruals) + len(d.Instructions) + len(d.Results) + len(d.Referrals) + len(d.Grants) + 1
}

// check refuses what a table would take and no query could read again: a number
// that is no value of its enum. And a line that doesn't say whose money it is:
// the account that it is kept with could not be rebuilt.
func check(d *rules.Decision) error {
	for i := range d.Set {
		if column, value := unnamedInSetRow(&d.Set[i]); column != "" {
			return unnamed(fmt.Sprintf("set row %d", d.Set[i].Seq), column, value)
		}
	}
	for i := range d.Accruals {
		a := &d.Accruals[i]
		if column, value := unnamedInAccrual(a); column != "" {
			return unnamed(fmt.Sprintf("accrual %x", a.ID), column, value)
		} else if badBeneficiary(a) {
			return fmt.Errorf("%w: accrual %x of role %s and account %x names %x as its beneficiary: a fault of the program",
				ErrPermanent, a.ID, a.Role, a.AccountRef, a.BeneficiaryRef)
		}
	}
	for i := range d.Instructions {
		if column, value := unnamedInInstruction(&d.Instructions[i]); column != "" {
			return unnamed("instruction "+d.Instructions[i].ID, column, value)
		}
	}
	for i := range d.Results {
		if column, value := unnamedInResultRow(&d.Results[i]); column != "" {
			return unnamed("result on instruction "+d.Results[i].Result.InstructionID, column, value)
		}
	}
	for i := range d.Referrals {
		if column, value := unnamedInReferral(&d.Referrals[i]); column != "" {
			return unnamed("referral "+d.Referrals[i].ID, column, value)
		}
	}
	for i := range d.Grants {
		if column, value := unnamedInGrant(&d.Grants[i]); column != "" {
			return unnamed("grant of budget "+string(d.Grants[i].Budget), column, value)
		}
	}
	return nil
}

func unnamed(row, column string, value uint8) error {
	return fmt.Errorf("%w: %s has %s %d, which does not exist: a fault of the program", ErrPermanent, row, column, value)
}

// badBeneficiary: a sponsor's line must name them; a member's names the account
// itself, or leaves it to the role.
func badBeneficiary(a *rules.Accrual) bool {
	var none rules.AccountRef
	switch a.Role {
	case rules.RoleSponsor:
		return a.BeneficiaryRef == none
	case rules.RoleMember:
		return a.BeneficiaryRef != none && a.BeneficiaryRef != a.AccountRef
	default:
		return a.BeneficiaryRef != none
	}
}

// booker inserts one group of decisions at a time.
type booker struct {
	writer writer
	rows   int           // bound of a group
	pause  time.Duration // from the start of one group to the next
	limit  time.Duration // of one group

	mu     sync.Mutex
	queue  []*booking
	closed bool

	wake   chan struct{} // holds a token when the queue may not be empty
	cancel context.CancelFunc
	ended  chan struct{}
}

// booking is one caller's decisions on their way.
type booking struct {
	decisions []*rules.Decision
	unmarked  bool   // the rows alone
	marks     []mark // to be written behind the rows; those of the decisions are worked out
	rows      int
	group     *group // nil while it is in the queue
	done      chan error
}

// group is what is inserted together. When every caller has given up, it is
// cancelled.
type group struct {
	callers int
	cancel  context.CancelFunc
}

func newBooker(ctx context.Context, o Options, next nextMarks) *booker {
	ctx, cancel := context.WithCancel(ctx)
	b := &booker{
		writer: writer{options: o, blocks: newBlocks(), next: next},
		rows:   o.MaxGroupRows, pause: o.GroupInterval, limit: o.BookTimeout,
		wake: make(chan struct{}, 1), cancel: cancel, ended: make(chan struct{}),
	}
	go b.run(ctx)
	return b
}

// submit waits until the booking is booked or has failed. It does not return
// while its decisions are being read.
func (b *booker) submit(ctx context.Context, w *booking) error {
	w.done, w.rows = make(chan error, 1), len(w.marks)
	for _, d := range w.decisions {
		w.rows += rowsOf(d)
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return ErrClosed
	}
	b.queue = append(b.queue, w)
	b.mu.Unlock()
	b.wakeUp()

	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		if b.giveUp(w) {
			return ctx.Err()
		}
		return <-w.done
	}
}

func (b *booker) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// giveUp takes w out of the queue, or says false if it is under way already; it
// then ends soon if no other caller waits for the same group.
func (b *booker) giveUp(w *booking) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.group == nil {
		b.queue = slices.DeleteFunc(b.queue, func(o *booking) bool { return o == w })
		return true
	}
	if w.group.callers--; w.group.callers == 0 {
		w.group.cancel()
	}
	return false
}

func (b *booker) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	<-b.ended
}

// run books group after group until the booker is closed.
func (b *booker) run(ctx context.Context) {
	defer close(b.ended)
	defer b.writer.disconnect()
	for {
		select {
		case <-ctx.Done():
			b.failAll()
			return
		case <-b.wake:
		}
		started := time.Now()
		b.bookNext(ctx)
		sleep(ctx, b.pause-time.Since(started))
	}
}

// bookNext inserts the next group and tells its callers.
func (b *booker) bookNext(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	bookings := b.take(&group{cancel: cancel})
	if len(bookings) == 0 {
		return
	}
	err := b.writer.write(ctx, bookings)
	for _, w := range bookings {
		w.done <- err
	}
}

// take moves what fits from the queue into the group, at least one booking.
func (b *booker) take(g *group) []*booking {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, rows := 0, 0
	for n < len(b.queue) && (n == 0 || rows+b.queue[n].rows <= b.rows) {
		rows += b.queue[n].rows
		b.queue[n].group = g
		n++
	}
	taken := slices.Clone(b.queue[:n])
	b.queue = slices.Delete(b.queue, 0, n)
	g.callers = n
	if len(b.queue) > 0 {
		b.wakeUp()
	}
	return taken
}

func (b *booker) failAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.queue {
		w.group = &group{callers: 1, cancel: func() {}}
		w.done <- ErrClosed
	}
	b.queue = nil
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// writer owns the one connection that books, and the memory of its blocks.
type writer struct {
	options Options
	blocks  *blocks
	next    nextMarks
	digest  digester
	conn    *chgo.Client // nil: not connected
}

// nextMarks are the marks of decisions whose rows are booked.
type nextMarks func(ctx context.Context, group []mark, decisions []*rules.Decision, digest *digester) ([]mark, error)

// write inserts a group, table by table, and the markers when all its rows are
// acknowledged. Each table's rows are one block, which ClickHouse takes whole for
// each table partition it touches.
func (w *writer) write(ctx context.Context, bookings []*booking) error {
	w.blocks.reset()
	for _, booking := range bookings {
		for _, d := range booking.decisions {
			w.blocks.append(d)
		}
	}
	if err := w.connect(ctx); err != nil {
		return err
	}
	for _, b := range w.blocks.inOrder() {
		if err := w.insert(ctx, b); err != nil {
			return err
		}
	}
	if err := w.mark(ctx, bookings); err != nil {
		return err
	}
	return w.insert(ctx, &w.blocks.markers.block)
}

// mark works the markers of the group out.
func (w *writer) mark(ctx context.Context, bookings []*booking) error {
	var group []mark
	for _, booking := range bookings {
		if len(booking.decisions) > 0 && !booking.unmarked {
			marks, err := w.next(ctx, group, booking.decisions, &w.digest)
			if err != nil {
				return err
			}
			booking.marks = marks
		}
		group = append(group, booking.marks...)
	}
	for i := range group {
		w.blocks.markers.append(&group[i])
	}
	return nil
}

func (w *writer) insert(ctx context.Context, b *block) error {
	if b.rows() == 0 {
		return nil
	}
	if err := w.conn.Do(ctx, chgo.Query{Body: b.insert, Input: b.input}); err != nil {
		// Whatever of the answer is still on its way would be taken for the
		// next one's.
		w.disconnect()
		return fmt.Errorf("insert %d rows into %s: %w", b.rows(), b.table, explain(err))
	}
	return nil
}

// connect takes the first address that answers.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil && !w.conn.IsClosed() {
		return nil
	}
	var faults []error
	for _, address := range w.options.Addresses {
		conn, err := chgo.Dial(ctx, w.options.writer(address))
		if err == nil {
			w.conn = conn
			return nil
		}
		faults = append(faults, fmt.Errorf("connect to ClickHouse at %s: %w", address, explain(err)))
	}
	return errors.Join(faults...)
}

func (w *writer) disconnect() {
	if w.conn != nil {
		// The answer says nothing that the caller has not seen fail already.
		_ = w.conn.Close()
		w.conn = nil
	}
}

var _ proto.Inferable = (*column)(nil)
