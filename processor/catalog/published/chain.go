package published

import (
	"context"
	"crypto/sha256"
	_ "embed" // the script
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"ristourne/processor/catalog"
	"ristourne/processor/sourcefile"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// What is published lies in Redis as a chain of versions. Each holds the
// documents that it changes and the hash of the one before, so that whoever has
// read up to one of them either goes on from there or sees that history was
// rewritten.

// A Version is one publication: everything that changed in the catalogue at once.
type Version struct {
	Number      uint64 // from 1, without gaps
	Hash        string // hex SHA-256 of the body before compression
	Previous    string // hash of the version before; empty for the first
	PublishedAt rules.Instant
	Changes     []Change
	// Body is all of it: zstd of JSON, with the text of each document.
	Body []byte
}

// EffectiveFrom is when the first change comes into force; rules.MinInstant:
// from ever.
func (v *Version) EffectiveFrom() rules.Instant {
	first := rules.MaxInstant
	for _, c := range v.Changes {
		first = rules.Earlier(first, c.From)
	}
	return first
}

// ChangeKind is what a publication did to a subject.
type ChangeKind string

// The kinds of a change.
const (
	Added     ChangeKind = "added"     // a version that comes into force
	Ended     ChangeKind = "ended"     // the subject is no more
	Withdrawn ChangeKind = "withdrawn" // a version that was to come won't
)

// Change is what a publication did to one version of a subject.
type Change struct {
	catalog.Subject
	Kind    ChangeKind
	Version string
	From    rules.Instant // rules.MinInstant: from ever
	File    string
}

// Errors of the chain.
var (
	// ErrEmpty says that nothing was ever published, or that Redis lost it. It
	// never means that there are no offers.
	ErrEmpty = errors.New("no catalogue is published in Redis")
	// errFork says that Redis tells another history than the one that was read
	// before: deciding on would make two ledgers of one stream.
	errFork = errors.New("the catalogue in Redis has another history than the one read before")
	// errBroken says that a published version can't be read.
	errBroken = errors.New("a published version of the catalogue can't be read")
)

// publication is the body of a version.
type publication struct {
	Format      int              `json:"format"`
	Number      uint64           `json:"number"`
	Previous    string           `json:"previous,omitempty"`
	PublishedAt time.Time        `json:"published_at"` // by Redis' clock
	Stamp       time.Time        `json:"stamp"`        // when undated documents come into force
	Documents   []storedDocument `json:"documents"`
}

const bodyFormat = 1

// storedDocument is a document with what was decided when it was published.
type storedDocument struct {
	catalog.Subject
	Change  ChangeKind `json:"change"`
	File    string     `json:"file"`
	Version string     `json:"version"`
	From    *time.Time `json:"from,omitempty"` // none: from ever
	Text    string     `json:"text,omitempty"`
}

func (s *storedDocument) from() rules.Instant {
	if s.From == nil {
		return rules.MinInstant
	}
	return rules.InstantOf(*s.From)
}

func store(d *catalog.Document, kind ChangeKind, version string, from rules.Instant) storedDocument {
	s := storedDocument{Subject: d.Subject, Change: kind, File: d.File, Version: version}
	if from != rules.MinInstant {
		t := from.Time()
		s.From = &t
	}
	if kind == Added {
		s.Text = string(d.Text)
	}
	return s
}

// maxBodyBytes bounds a body before compression.
const maxBodyBytes = 2 * catalog.MaxFolderBytes

// seal makes a version of a publication.
func (p *publication) seal() (Version, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return Version{}, err
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return Version{}, err
	}
	defer encoder.Close()
	return p.version(text, encoder.EncodeAll(text, nil)), nil
}

func (p *publication) version(text, body []byte) Version {
	sum := sha256.Sum256(text)
	v := Version{
		Number: p.Number, Hash: hex.EncodeToString(sum[:]), Previous: p.Previous,
		PublishedAt: rules.InstantOf(p.PublishedAt), Body: body,
	}
	for i := range p.Documents {
		d := &p.Documents[i]
		v.Changes = append(v.Changes, Change{d.Subject, d.Change, d.Version, d.from(), d.File})
	}
	return v
}

// open reads the body of a version.
func open(body []byte) (*publication, Version, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBodyBytes))
	if err != nil {
		return nil, Version{}, err
	}
	defer decoder.Close()
	text, err := decoder.DecodeAll(body, nil)
	if err != nil {
		return nil, Version{}, fmt.Errorf("%w: %w", errBroken, err)
	}
	p := &publication{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, Version{}, fmt.Errorf("%w: %w", errBroken, err)
	}
	if p.Format != bodyFormat {
		return nil, Version{}, fmt.Errorf("%w: version %d has format %d and this program reads %d: use the program that published it, or a newer one", errBroken, p.Number, p.Format, bodyFormat)
	}
	return p, p.version(text, body), nil
}

// version names a version of the chain; number 0: that before the first.
type version struct {
	number uint64
	hash   string
}

// history is what was published up to one version: of each subject its versions
// in the order of their coming into force.
type history struct {
	version
	known    version // that it must come by: what was read before
	stamp    rules.Instant
	subjects map[catalog.Subject][]*catalog.Document
}

func newHistory() *history { return &history{subjects: map[catalog.Subject][]*catalog.Document{}} }

// add puts the next version on top.
func (h *history) add(p *publication, v Version) error {
	if p.Number != h.number+1 || p.Previous != h.hash {
		return fmt.Errorf("%w: version %d doesn't follow version %d", errFork, p.Number, h.number)
	}
	documents := make([]*catalog.Document, len(p.Documents))
	faults := make([][]sourcefile.Fault, len(p.Documents))
	var readers errgroup.Group
	readers.SetLimit(runtime.GOMAXPROCS(0))
	for i := range p.Documents {
		readers.Go(func() error {
			documents[i], faults[i] = p.Documents[i].read()
			return nil
		})
	}
	_ = readers.Wait() // none of them fails: faults say what is wrong
	if all := slices.Concat(faults...); len(all) > 0 {
		return fmt.Errorf("%w: version %d: %w", errBroken, p.Number, &sourcefile.Faults{List: all})
	}
	for i, d := range documents {
		d.Published = rules.InstantOf(p.PublishedAt)
		h.put(d, p.Documents[i].Change)
	}
	h.version, h.stamp = version{p.Number, v.Hash}, rules.InstantOf(p.Stamp)
	if h.number == h.known.number && h.hash != h.known.hash {
		return fmt.Errorf("%w: version %d is %.12s there and was %.12s here", errFork, h.number, h.hash, h.known.hash)
	}
	return nil
}

// read makes the document that was published.
func (s *storedDocument) read() (*catalog.Document, []sourcefile.Fault) {
	d, shownAs := &catalog.Document{Subject: s.Subject}, s.File+" (published as "+s.Version+")"
	if s.Change == Added {
		var faults []sourcefile.Fault
		if d, faults = catalog.ReadDocument(s.File, shownAs, []byte(s.Text)); len(faults) > 0 || d == nil {
			return nil, faults
		}
	}
	d.File, d.ShownAs, d.Stamped = s.File, shownAs, true
	d.Version = offer.Version{ID: s.Version, From: s.from(), Ended: s.Change == Ended}
	return d, nil
}

// put adds a version to its subject, in place of one of the same instant.
func (h *history) put(d *catalog.Document, kind ChangeKind) {
	versions := h.subjects[d.Subject]
	at, found := slices.BinarySearchFunc(versions, d, func(a, b *catalog.Document) int {
		return a.Version.From.Compare(b.Version.From)
	})
	switch {
	case found && kind == Withdrawn:
		versions = slices.Delete(slices.Clone(versions), at, at+1)
	case found:
		versions = slices.Clone(versions)
		versions[at] = d
	case kind != Withdrawn:
		versions = slices.Insert(slices.Clone(versions), at, d)
	}
	h.subjects[d.Subject] = versions
}

func (h *history) clone() *history {
	c := *h
	c.subjects = make(map[catalog.Subject][]*catalog.Document, len(h.subjects))
	for s, versions := range h.subjects { // lists are replaced, never written
		c.subjects[s] = versions
	}
	return &c
}

// documents are all versions of all subjects.
func (h *history) documents() []*catalog.Document {
	var all []*catalog.Document
	for _, versions := range h.subjects {
		all = append(all, versions...)
	}
	return all
}

// at is the version of a subject that holds at an instant, nil where none does
// or the subject had ended.
func at(versions []*catalog.Document, t rules.Instant) *catalog.Document {
	for _, d := range slices.Backward(versions) {
		if !d.Version.From.After(t) {
			if d.Version.Ended {
				return nil
			}
			return d
		}
	}
	return nil
}

// keys are where the catalogue lies: under one hash tag, so that one script may
// touch all of it in a cluster too.
type keys struct {
	head     string // hash: number, hash
	versions string // hash: number to body
	nudge    string // channel that is told each new number
}

// keysOf makes the keys under a prefix such as "ristourne".
func keysOf(prefix string) keys {
	tag := "{" + prefix + ":catalogue}"
	return keys{tag + ":head", tag + ":versions", tag + ":nudge"}
}

// headScript reads Redis' clock and the newest version in one step: nothing that
// is published later comes into force within rules.PublicationLead of that time.
//
//go:embed scripts/head.lua
var headScript string

// head is the newest version at Redis' time now.
type head struct {
	now    rules.Instant
	number uint64
	hash   string
}

func readHead(ctx context.Context, client redis.UniversalClient, k keys) (head, error) {
	reply, err := client.Eval(ctx, headScript, []string{k.head}).StringSlice()
	if err != nil {
		return head{}, fmt.Errorf("read the catalogue's head in Redis: %w", err)
	}
	if len(reply) != 4 {
		return head{}, fmt.Errorf("read the catalogue's head in Redis: %d values instead of 4", len(reply))
	}
	seconds, err1 := strconv.ParseInt(reply[0], 10, 64)
	micros, err2 := strconv.ParseInt(reply[1], 10, 32)
	number, err3 := strconv.ParseUint(reply[2], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return head{}, fmt.Errorf("read the catalogue's head in Redis: %w", err)
	}
	return head{rules.Instant{Sec: seconds, Nsec: int32(micros) * 1000}, number, reply[3]}, nil
}

// versionsPerRead bounds one reply of Redis.
const versionsPerRead = 16

// readVersions gives each the versions after `after` up to `upTo`, in order.
func readVersions(ctx context.Context, client redis.UniversalClient, k keys, after, upTo uint64, each func(*publication, Version) error) error {
	for after < upTo {
		var numbers []string
		for n := after + 1; n <= upTo && len(numbers) < versionsPerRead; n++ {
			numbers = append(numbers, strconv.FormatUint(n, 10))
		}
		bodies, err := client.HMGet(ctx, k.versions, numbers...).Result()
		if err != nil {
			return fmt.Errorf("read versions of the catalogue from Redis: %w", err)
		}
		for i, value := range bodies {
			body, there := value.(string)
			if !there {
				return fmt.Errorf("%w: version %s is missing in Redis", errBroken, numbers[i])
			}
			p, v, err := open([]byte(body))
			if err != nil {
				return err
			}
			if err := each(p, v); err != nil {
				return err
			}
		}
		after += uint64(len(numbers))
	}
	return nil
}

// catchUp reads what h lacks of the versions up to the head.
func (h *history) catchUp(ctx context.Context, client redis.UniversalClient, k keys, newest head) error {
	switch {
	case newest.number == 0 && h.number == 0:
		return ErrEmpty
	case newest.number < max(h.number, h.known.number):
		return fmt.Errorf("%w: it is at version %d and was at %d: Redis fell back; publish nothing, and bring its catalogue back from the archive",
			errFork, newest.number, max(h.number, h.known.number))
	}
	if err := readVersions(ctx, client, k, h.number, newest.number, h.add); err != nil {
		return err
	}
	if h.hash != newest.hash {
		return fmt.Errorf("%w: version %d is %.12s by its head and %.12s by its content", errFork, h.number, newest.hash, h.hash)
	}
	return nil
}
