// Package accounts keeps the account states of the shards in Redis, with what
// must change together with them: epoch, positions, counts of fates, the outbox
// and the filters. It is a cache of the ledger, not the ledger: what Redis
// loses is rebuilt from there.
//
// Everything of a shard stands under one hash tag, and changes by one script a
// step. So the shard is on one server of a cluster, and a failover that loses
// writes loses the last ones, the positions among them.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"

	"ristourne/processor"
	"ristourne/rules"
)

// Limits. A script holds up all of Redis while it runs.
const (
	// maxSaveAccounts and maxSaveBytes bound one Save.
	maxSaveAccounts = 4_000
	maxSaveBytes    = 64 << 20
	// callTimeout bounds one call with all its retries.
	callTimeout = 15 * time.Second
	// loadAccounts is how many values one MGET asks for.
	loadAccounts = 500
	// restoreAccounts and restoreBytes are what one script of Restore writes.
	restoreAccounts = 500
	restoreBytes    = 4 << 20
	restoreHashes   = 1 << 16
)

// DefaultPrefix begins every key.
const DefaultPrefix = "rst"

// Store is processor.Accounts in Redis. It may be used by many goroutines.
type Store struct {
	client  redis.UniversalClient
	cluster bool
	prefix  string
	group   string // see SetOwner
	process string
	sweeps  *sweeps

	mu     sync.Mutex
	shards map[int32]*shard
	count  int // how many shards there are; 0: not asked yet, see shardCount
}

var _ processor.Accounts = (*Store)(nil)

// shard is what the store remembers of a shard.
type shard struct {
	keys
	number int32
	// generation of the account states that this process has acquired or begun
	// to rebuild; empty: none. The scripts refuse one that is not Redis' own.
	generation string
}

// New makes a store whose keys begin with prefix, DefaultPrefix where it is
// empty. Processors that share a prefix share the shards.
func New(client redis.UniversalClient, prefix string) (*Store, error) {
	setDefault(&prefix, DefaultPrefix)
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	_, cluster := client.(*redis.ClusterClient)
	return &Store{client: client, cluster: cluster, prefix: prefix, sweeps: newSweeps(), shards: make(map[int32]*shard)}, nil
}

// SetOwner says who acquires shards here, so that whoever is shut out knows by whom.
// It comes before the first acquisition.
func (s *Store) SetOwner(group, process string) { s.group, s.process = group, process }

// of gives a copy: the generation may change while a call is under way.
func (s *Store) of(number int32) shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[number]
	if sh == nil {
		sh = &shard{keys: keysOf(s.prefix, number), number: number}
		s.shards[number] = sh
	}
	return *sh
}

func (s *Store) setGeneration(number int32, generation string) {
	s.of(number)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[number].generation = generation
}

// Acquire raises the epoch of the shard, which shuts every other owner out, and
// reads what the last one left.
func (s *Store) Acquire(ctx context.Context, number int32) (processor.Acquired, error) {
	return s.AcquireLeased(ctx, number, "", 0)
}

// AcquireLeased acquires the shard for a command: nobody else can acquire it for as long
// as the lease lasts, or is renewed.
func (s *Store) AcquireLeased(ctx context.Context, number int32, by string, lease time.Duration) (processor.Acquired, error) {
	acquired, err := s.acquire(ctx, number, by, lease)
	if err != nil {
		return processor.Acquired{}, fmt.Errorf("acquire shard %d in Redis: %w", number, err)
	}
	return acquired, nil
}

// RenewLease makes the lease last for so long from now on; 0 gives it up.
func (s *Store) RenewLease(ctx context.Context, number int32, epoch int64, lease time.Duration) error {
	sh := s.of(number)
	c := newCall(leaseScript, sh.owner)
	c.endKeys()
	c.add(epoch, lease.Microseconds())
	answer, err := s.run(ctx, leaseScript, c)
	if err == nil {
		err = s.refusal(answer, epoch)
	}
	if err != nil {
		return fmt.Errorf("renew the lease on shard %d in Redis: %w", number, err)
	}
	return nil
}

// leasedBy is the error of an acquisition that a lease refuses.
func leasedBy(answer []string) error {
	since, err1 := strconv.ParseInt(answer[2], 10, 64)
	until, err2 := strconv.ParseInt(answer[3], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	return &processor.LeasedError{By: answer[1], Since: time.UnixMicro(since), Until: time.UnixMicro(until)}
}

func (s *Store) acquire(ctx context.Context, number int32, by string, lease time.Duration) (acquired processor.Acquired, err error) {
	sh := s.of(number)
	c := newCall(acquireScript, sh.owner, sh.head)
	c.endKeys()
	c.add(lease.Microseconds(), by, s.group, s.process)
	answer, err := s.run(ctx, acquireScript, c)
	if err != nil {
		return acquired, err
	}
	if answer[0] == "leased" && len(answer) == 4 {
		return acquired, leasedBy(answer)
	}
	if len(answer) != 6 {
		return acquired, fmt.Errorf("script gave %q", answer)
	}
	if acquired.Epoch, err = strconv.ParseInt(answer[0], 10, 64); err != nil {
		return acquired, fmt.Errorf("epoch: %w", err)
	}
	if acquired.Positions, acquired.Batch, acquired.LastSeq, err = parseHead(answer[2], answer[3], answer[4]); err != nil {
		return acquired, err
	}
	s.setGeneration(number, answer[1])
	if answer[5] != "" {
		s.sweeps.add(number)
	}
	acquired.Outbox, err = s.outbox(ctx, sh.keys)
	return acquired, err
}

// outbox gives the blobs in the order of their batches.
func (s *Store) outbox(ctx context.Context, k keys) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	blobs, err := s.client.HGetAll(ctx, k.outbox).Result()
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	batches := make([]uint64, 0, len(blobs))
	for name := range blobs {
		batch, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("outbox %s holds %q, which is no batch: %w", k.outbox, name, err)
		}
		batches = append(batches, batch)
	}
	slices.Sort(batches)
	var ordered [][]byte
	for _, batch := range batches {
		ordered = append(ordered, []byte(blobs[strconv.FormatUint(batch, 10)]))
	}
	return ordered, nil
}

// Load appends one value for each id to values, nil for an account that has no
// state. The values are not to be changed.
func (s *Store) Load(ctx context.Context, number int32, ids []string, values [][]byte) ([][]byte, error) {
	sh := s.of(number)
	if sh.generation == "" {
		return values, fmt.Errorf("load accounts of shard %d: it was not acquired", number)
	}
	for part := range slices.Chunk(ids, loadAccounts) {
		found, err := s.load(ctx, &sh, part)
		if err != nil {
			return values, fmt.Errorf("load %d accounts of shard %d from Redis: %w", len(part), number, err)
		}
		for _, text := range found {
			values = append(values, bytesOf(text))
		}
	}
	return values, nil
}

// load takes the replies as strings: one allocation a value, where MGet's own
// type makes two. No state is empty, so that an empty string is none.
func (s *Store) load(ctx context.Context, sh *shard, ids []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c := calls.Get().(*call)
	defer c.release()
	c.nameAccounts(&sh.keys, sh.generation, len(ids), func(i int) string { return ids[i] })
	c.args = append(c.args, "mget")
	for i := range c.keys {
		if s.cluster {
			c.args = append(c.args, c.keys[i]) // its router wants the keys by value
		} else {
			c.args = append(c.args, &c.keys[i])
		}
	}
	cmd := redis.NewStringSliceCmd(ctx, c.args...)
	if err := s.client.Process(ctx, cmd); err != nil {
		return nil, err
	}
	if found := cmd.Val(); len(found) == len(ids) {
		return found, nil
	}
	return nil, fmt.Errorf("asked for %d values, got %d", len(ids), len(cmd.Val()))
}

// LoadPages gives what is put away of an account, page by page. Whether all are there
// is for its state to say.
func (s *Store) LoadPages(ctx context.Context, number int32, id string) ([][]byte, error) {
	sh := s.of(number)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := s.client.HGetAll(ctx, sh.pages(sh.generation, id)).Result()
	if err != nil {
		return nil, fmt.Errorf("load the pages of an account of shard %d from Redis: %w", number, err)
	}
	return pagesInOrder(found), nil
}

func pagesInOrder(found map[string]string) (pages [][]byte) {
	for n := range len(found) {
		if page, there := found[strconv.Itoa(n)]; there {
			pages = append(pages, []byte(page))
		}
	}
	return pages
}

// bytesOf gives the memory of a reply, which nobody else holds; nil for none.
func bytesOf(text string) []byte {
	if text == "" {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(text), len(text))
}

// Save runs the batch's one script. A batch with an outbox is numbered one
// more than the batch before, one without has its number. The positions must move, or
// there must be an outbox: by them a repeat of what already succeeded is told,
// and is a success.
//
// Errors: ErrFenced, ErrStateBehindLedger, a batch over the limits or out of its
// turn; any other means that it is unknown what came of the save: repeat it.
func (s *Store) Save(ctx context.Context, save *processor.Save) error {
	if err := s.save(ctx, save); err != nil {
		return fmt.Errorf("save batch %d of shard %d in Redis: %w", save.Batch, save.Shard, err)
	}
	return nil
}

func (s *Store) save(ctx context.Context, save *processor.Save) error {
	if err := checkSave(save); err != nil {
		return err
	}
	sh := s.of(save.Shard)
	c := newCall(saveScript, sh.owner, sh.head, sh.fates, sh.outbox, sh.members, sh.known)
	c.nameAccounts(&sh.keys, sh.generation, len(save.Accounts), func(i int) string { return save.Accounts[i].ID })
	c.namePages(&sh, save.Accounts)
	for i := range save.Spent {
		c.keys = append(c.keys, sh.shardAllocation(save.Spent[i].Budget))
	}
	c.endKeys()
	previous := save.Batch
	if save.Outbox != nil {
		previous--
	}
	c.add(save.Epoch, sh.generation, formatPositions(save.Before), previous, formatPositions(save.After), save.Batch, save.LastSeq, save.Outbox)
	c.addHashes(save.Members, save.Known)
	addFates(c, &save.Fates)
	c.add(int64(budgetLife/time.Second), len(save.Spent))
	for i := range save.Spent {
		c.add(save.Spent[i].Minor)
	}
	c.addPages(save.Accounts)
	c.addValues(len(save.Accounts), func(i int) []byte { return save.Accounts[i].Value })
	answer, err := s.run(ctx, saveScript, c)
	if err != nil {
		return err
	}
	switch answer[0] {
	case "done":
		return nil
	case "behind":
		return fmt.Errorf("%w: positions in Redis are %s after batch %s, this save goes on from %s: rebuild the shard",
			processor.ErrStateBehindLedger, answer[1], answer[2], formatPositions(save.Before))
	case "unreserved":
		return fmt.Errorf("%w: budget %s: Redis has %s reserved by the shard, which would have spent more: it has lost the reservation",
			processor.ErrStateBehindLedger, answer[1], answer[2])
	case "gap":
		return fmt.Errorf("it does not follow batch %s, at which Redis is with the same positions %s", answer[2], answer[1])
	}
	return s.refusal(answer, save.Epoch)
}

func checkSave(save *processor.Save) error {
	bytes := len(save.Outbox) + 8*len(save.Members) + 8*len(save.Known)
	for i := range save.Accounts {
		if len(save.Accounts[i].Value) == 0 {
			return errors.New("the state of an account is empty, which would mean that it has none")
		}
		bytes += save.Accounts[i].Bytes()
	}
	switch {
	case len(save.Accounts) > maxSaveAccounts:
		return fmt.Errorf("it has %d accounts, over the limit of %d: make smaller batches", len(save.Accounts), maxSaveAccounts)
	case bytes > maxSaveBytes:
		return fmt.Errorf("it has %d bytes, over the limit of %d: make smaller batches", bytes, maxSaveBytes)
	case save.After == save.Before && save.Outbox == nil:
		return errors.New("it moves no position and has no outbox: a repeat could not be told")
	case save.Outbox != nil && len(save.Outbox) == 0:
		return errors.New("its outbox is empty: one without outbox is nil")
	case save.Outbox != nil && save.Batch == 0:
		return errors.New("batches are numbered from 1")
	}
	return nil
}

func addFates(c *call, fates *[rules.NumFates]int64) {
	at := len(c.args)
	c.add(0)
	for fate, n := range fates {
		if n != 0 {
			c.add(rules.Fate(fate).String(), n)
		}
	}
	c.args[at] = (len(c.args) - at - 1) / 2
}

// Clear deletes the outbox up to and with the batch: it is booked, paid and
// committed.
func (s *Store) Clear(ctx context.Context, number int32, epoch int64, upToBatch uint64) error {
	sh := s.of(number)
	c := newCall(clearScript, sh.owner, sh.outbox)
	c.endKeys()
	c.add(epoch, upToBatch)
	answer, err := s.run(ctx, clearScript, c)
	if err == nil {
		err = s.refusal(answer, epoch)
	}
	if err != nil {
		return fmt.Errorf("clear outbox of shard %d up to batch %d in Redis: %w", number, upToBatch, err)
	}
	return nil
}

// StillDecided makes sure that the shard is this owner's and that the outbox has the
// batch: what was decided and lost by Redis must not be booked or paid, as it
// will be decided anew.
func (s *Store) StillDecided(ctx context.Context, number int32, epoch int64, batch uint64) error {
	sh := s.of(number)
	c := newCall(stillDecidedScript, sh.owner, sh.outbox)
	c.endKeys()
	c.add(epoch, batch)
	answer, err := s.run(ctx, stillDecidedScript, c)
	if err == nil && answer[0] == "gone" {
		err = processor.ErrStateBehindLedger
	} else if err == nil {
		err = s.refusal(answer, epoch)
	}
	if err != nil {
		return fmt.Errorf("look for batch %d of shard %d in Redis: %w", batch, number, err)
	}
	return nil
}

// Intact makes sure that the shard is this owner's and is as it was left: positions and
// batch are those of the last save. A Redis that was emptied or set back is told by
// it although no record comes.
func (s *Store) Intact(ctx context.Context, number int32, epoch int64, positions rules.Positions, batch uint64) error {
	sh := s.of(number)
	c := newCall(intactScript, sh.owner, sh.head)
	c.endKeys()
	c.add(epoch, sh.generation, formatPositions(positions), batch)
	answer, err := s.run(ctx, intactScript, c)
	if err == nil && answer[0] == "gone" {
		err = processor.ErrStateBehindLedger
	} else if err == nil {
		err = s.refusal(answer, epoch)
	}
	if err != nil {
		return fmt.Errorf("look at shard %d in Redis: %w", number, err)
	}
	return nil
}

// refusal is the error of an answer that says no; nil where it says yes.
func (s *Store) refusal(answer []string, epoch int64) error {
	switch {
	case answer[0] == "done":
		return nil
	case answer[0] == "fenced" && len(answer) == 4:
		return &processor.FencedError{
			Group: answer[2], Process: answer[3], Foreign: answer[2] != "" && s.group != "" && answer[2] != s.group, Epoch: answer[1], Own: epoch,
		}
	case answer[0] == "idle":
		return errors.New("no rebuild of this owner is under way: begin it anew")
	}
	return fmt.Errorf("script gave %q", answer)
}

func formatPositions(h rules.Positions) string {
	text := make([]byte, 0, 48)
	for i, offset := range h {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, offset, 10)
	}
	return string(text)
}

// parseHead reads the fields of the head; an empty one is a shard without state.
func parseHead(positions, batch, seq string) (h rules.Positions, b, q uint64, err error) {
	h = rules.NoPositions
	if positions == "" {
		return h, 0, 0, nil
	}
	parts := strings.Split(positions, ",")
	if len(parts) != len(h) {
		return h, 0, 0, fmt.Errorf("positions %q: want %d numbers", positions, len(h))
	}
	for i, part := range parts {
		if h[i], err = strconv.ParseInt(part, 10, 64); err != nil {
			return h, 0, 0, fmt.Errorf("positions %q: %w", positions, err)
		}
	}
	if b, err = strconv.ParseUint(batch, 10, 64); err != nil {
		return h, 0, 0, fmt.Errorf("batch %q: %w", batch, err)
	}
	if q, err = strconv.ParseUint(seq, 10, 64); err != nil {
		return h, 0, 0, fmt.Errorf("seq %q: %w", seq, err)
	}
	return h, b, q, nil
}
