package published

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ristourne/processor/catalog"
	"ristourne/processor/sourcefile"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// leadSeconds is how far ahead of its publication a version comes into force: a
// snapshot that was read at Redis time t is complete up to t + leadSeconds.
const leadSeconds = int64(offer.PublicationLead / time.Second)

// Archive keeps every version for ever: what Redis loses is brought back from it.
type Archive interface {
	// PutCatalogueVersion stores a version; again changes nothing. A version may
	// be put that never gets into Redis, since another one was faster: the chain
	// of hashes tells which ones did.
	PutCatalogueVersion(ctx context.Context, v Version) error
}

// PublishOptions say how a folder is published.
type PublishOptions struct {
	Prefix string // of the keys in Redis, such as "ristourne"
	// RemoveMissing ends partners, campaigns and levels that the folder doesn't have, and withdraws
	// versions to come that it doesn't have. Without it they are an error: an
	// incomplete checkout must not end a programme.
	RemoveMissing bool
	Archive       Archive // nil: none
}

// Result is what came of it.
type Result struct {
	Number  uint64   // the newest version now
	Hash    string   // of that version
	Changes []Change // none: the folder says what was published already
}

// errLostRace says that another publication was faster.
var errLostRace = errors.New("somebody else published meanwhile: look at what they did (ristourne offers history), bring the folder up to date, and publish again")

// errTooLate says that the archive took longer than the time between now and
// when undated documents come into force.
var errTooLate = errors.New("the archive took too long")

// Publish makes the folder the state of the catalogue: what it changes comes
// into force at its effective_from, or some six minutes from now where a file
// says none.
// The first publication of all may lie in the past, or hold from ever. Nothing
// that was in force can be changed. The error is a *sourcefile.Faults where the files are
// to blame, errLostRace where another publication was faster; then nothing was
// published.
func Publish(ctx context.Context, client redis.UniversalClient, loaded *catalog.Loaded, options PublishOptions) (Result, error) {
	return publishChange(ctx, client, options, func(p *plan) error { return p.make(loaded.Documents) })
}

// publishChange publishes what a plan is made to change.
func publishChange(ctx context.Context, client redis.UniversalClient, options PublishOptions, change func(*plan) error) (Result, error) {
	const attempts = 4
	slackSeconds := int64(5)
	for range attempts {
		published, err := publishOnce(ctx, client, options, slackSeconds, change)
		if !errors.Is(err, errTooLate) {
			return published, err
		}
		slackSeconds *= 3
	}
	return Result{}, fmt.Errorf("publish the catalogue: %w, %d times: is ClickHouse overloaded?", errTooLate, attempts)
}

func publishOnce(ctx context.Context, client redis.UniversalClient, options PublishOptions, slackSeconds int64, change func(*plan) error) (Result, error) {
	k := keysOf(options.Prefix)
	p, err := newPlan(ctx, client, k, options.RemoveMissing, slackSeconds)
	if err != nil {
		return Result{}, err
	}
	if err := change(p); err != nil {
		return Result{}, err
	}
	if len(p.documents) == 0 {
		return Result{Number: p.before.number, Hash: p.before.hash}, nil
	}
	version, err := p.seal()
	if err != nil {
		return Result{}, fmt.Errorf("encode the catalogue: %w", err)
	}
	if options.Archive != nil {
		if err := options.Archive.PutCatalogueVersion(ctx, version); err != nil {
			return Result{}, fmt.Errorf("archive the catalogue before it is published (nothing is published): %w", err)
		}
	}
	if err := p.publish(ctx, client, k, version); err != nil {
		return Result{}, err
	}
	return Result{version.Number, version.Hash, version.Changes}, nil
}

// newPlan is a plan that changes nothing yet.
func newPlan(ctx context.Context, client redis.UniversalClient, k keys, removeMissing bool, slackSeconds int64) (*plan, error) {
	newest, err := readHead(ctx, client, k)
	if err != nil {
		return nil, err
	}
	before := newHistory()
	if err := before.catchUp(ctx, client, k, newest); err != nil && !errors.Is(err, ErrEmpty) {
		return nil, err
	}
	p := &plan{
		before: before, after: before.clone(), now: newest.now, earliest: newest.now.AddSeconds(leadSeconds),
		stamp: newest.now.AddSeconds(leadSeconds + slackSeconds), removeMissing: removeMissing,
	}
	switch {
	case before.number == 0: // nothing waits for the lead to pass
		p.stamp = newest.now
	case !before.stamp.Before(p.stamp): // stamps only go up, whatever the slack was
		p.stamp = before.stamp.AddSeconds(1)
	}
	return p, nil
}

// plan works out what a folder changes.
type plan struct {
	before, after *history
	now           rules.Instant // Redis' time
	earliest      rules.Instant // before which nothing may come into force any more
	stamp         rules.Instant // when what is undated comes into force
	removeMissing bool
	documents     []storedDocument
	refused       []catalog.Finding
	missing       []string
}

// make fills in documents and after, or says why it can't.
func (p *plan) make(folder []*catalog.Document) error {
	bySubject := map[catalog.Subject][]*catalog.Document{}
	for _, d := range folder { // in order of version
		bySubject[d.Subject] = append(bySubject[d.Subject], d)
	}
	var subjects []catalog.Subject
	for s := range bySubject {
		subjects = append(subjects, s)
	}
	for s := range p.before.subjects {
		if bySubject[s] == nil {
			subjects = append(subjects, s)
		}
	}
	slices.SortFunc(subjects, catalog.CompareSubjects)
	for _, s := range subjects {
		switch {
		case p.before.number == 0:
			p.addAll(bySubject[s])
		case bySubject[s] == nil:
			p.endMissing(s)
		default:
			p.change(bySubject[s])
		}
	}
	if len(p.refused) > 0 {
		return &sourcefile.Faults{List: catalog.Locate(p.refused)}
	}
	if len(p.missing) > 0 {
		return fmt.Errorf("the folder lacks what is published: %s; restore the files, or publish with --remove-missing to end them", strings.Join(p.missing, ", "))
	}
	return p.check()
}

// addAll takes the first publication as the files have it.
func (p *plan) addAll(files []*catalog.Document) {
	for _, d := range files {
		p.put(d, Added, d.Version.ID, d.Version.From)
	}
}

func (p *plan) put(d *catalog.Document, kind ChangeKind, version string, from rules.Instant) {
	stored := store(d, kind, version, from)
	p.documents = append(p.documents, stored)
	p.after.put(d.As(offer.Version{ID: version, From: from, Ended: kind == Ended}), kind)
}

func (p *plan) refuse(d *catalog.Document, format string, args ...any) {
	p.refused = append(p.refused, catalog.NewFinding(d, "effective_from", fmt.Sprintf(format, args...)))
}

// endMissing ends a subject that the folder doesn't have.
func (p *plan) endMissing(s catalog.Subject) {
	versions := p.before.subjects[s]
	inForce := at(versions, p.stamp)
	coming := slices.ContainsFunc(versions, func(d *catalog.Document) bool { return d.Version.From.After(p.stamp) })
	switch {
	case inForce == nil && !coming:
	case s.Kind == catalog.KindProgramme:
		p.missing = append(p.missing, s.String()+" (a programme can't be ended by leaving it out)")
	case !p.removeMissing:
		p.missing = append(p.missing, s.String())
	default:
		p.withdraw(s, nil)
		if inForce != nil {
			p.put(inForce, Ended, inForce.VersionAt(p.stamp), p.stamp)
		}
	}
}

// change brings one subject from what is published to what its files say.
func (p *plan) change(files []*catalog.Document) {
	subject := files[0].Subject
	current := at(files, p.stamp)
	for _, d := range files {
		if d.EffectiveText() != "" && d.Version.From.Before(p.earliest) {
			p.past(d)
		}
	}
	if first := files[0]; first.EffectiveText() == "" && first != current {
		p.overtaken(first, current)
	}
	p.withdraw(subject, files) // before what comes is compared with what is to come
	if current != nil && current.Version.From.Before(p.earliest) && !p.says(p.stamp, current) {
		p.bringBack(current)
	}
	for _, d := range files {
		if d.EffectiveText() != "" && !d.Version.From.Before(p.earliest) && !p.says(d.Version.From, d) {
			p.put(d, Added, d.Version.ID, d.Version.From)
		}
	}
}

// says reports whether the subject of d is what d says at t already.
func (p *plan) says(t rules.Instant, d *catalog.Document) bool {
	published := at(p.after.subjects[d.Subject], t)
	return published != nil && published.Meaning == d.Meaning
}

// past holds a file whose date has gone by to what was in force then.
func (p *plan) past(d *catalog.Document) {
	if p.says(d.Version.From, d) {
		return
	}
	for _, published := range p.before.subjects[d.Subject] {
		if published.Version.From == d.Version.From {
			p.refuse(d, "%s from %s on was published with other terms (%s), and purchases may be decided by them: put that file back, and write what changes as a new file whose effective_from lies at least %d seconds ahead",
				d.Subject, d.EffectiveText(), published.Version.ID, leadSeconds)
			return
		}
	}
	p.refuse(d, "%s from %s on would change the past (it is %s now): write an effective_from at least %d seconds ahead, or drop the key to publish it as from now",
		d.Subject, d.EffectiveText(), p.now, leadSeconds)
}

// overtaken refuses an edit of an undated file where a dated file of the folder
// has taken its place.
func (p *plan) overtaken(d, current *catalog.Document) {
	if !p.known(d) {
		p.refused = append(p.refused, catalog.NewFinding(d, "", fmt.Sprintf(
			"this change would never come into force: %s is what holds since %s; change that file, or give this one an effective_from at least %d seconds ahead",
			current.File, current.EffectiveText(), leadSeconds)))
	}
}

func (p *plan) known(d *catalog.Document) bool {
	return slices.ContainsFunc(p.before.subjects[d.Subject], func(v *catalog.Document) bool { return v.Meaning == d.Meaning })
}

// bringBack puts into force, from now, what the folder says holds already: an
// undated file that was edited, or an older file where the folder lacks the
// newer one that was published.
func (p *plan) bringBack(d *catalog.Document) {
	published := at(p.before.subjects[d.Subject], p.stamp)
	ended := published == nil
	edited := d.EffectiveText() == "" && (!p.known(d) || ended || published.EffectiveText() == "")
	switch {
	case ended || edited || p.removeMissing:
		p.put(d, Added, d.VersionAt(p.stamp), p.stamp)
	case p.known(d): // what isn't known was refused as an edit of the past
		p.missing = append(p.missing, fmt.Sprintf("%s from %s on (%s)", d.Subject, published.Version.From, published.Version.ID))
	}
}

// withdraw takes back versions to come that the folder doesn't have.
func (p *plan) withdraw(s catalog.Subject, files []*catalog.Document) {
	for _, published := range p.before.subjects[s] {
		from := published.Version.From
		if !from.After(p.stamp) {
			continue
		}
		wanted := at(files, from)
		switch {
		case wanted != nil && (wanted.Version.From == from || wanted.Meaning == published.Meaning):
		case !p.removeMissing:
			p.missing = append(p.missing, fmt.Sprintf("%s from %s on (%s)", s, from, published.Version.ID))
		default:
			p.put(published, Withdrawn, published.Version.ID, from)
		}
	}
}

// check refuses a catalogue that is sound in the folder but not together with
// the versions that were published before.
func (p *plan) check() error {
	if len(p.documents) == 0 {
		return nil
	}
	if p.checkAutomatic(); len(p.refused) > 0 {
		return &sourcefile.Faults{List: catalog.Locate(p.refused)}
	}
	_, err := catalog.Assemble("", p.after.documents(), nil, p.now.Time())
	return err
}

// checkAutomatic holds the first programme that takes every account as a member
// to its longer lead: until a processor hears of it, it drops the events of
// strangers without waiting for a catalogue that is complete up to them.
func (p *plan) checkAutomatic() {
	if p.before.number == 0 || p.takesEveryone() {
		return
	}
	earliest := p.now.AddSeconds(int64(offer.AutomaticLead / time.Second))
	for subject, versions := range p.after.subjects {
		for _, d := range versions {
			isNew := !slices.Contains(p.before.subjects[subject], d)
			if isNew && d.TakesEveryone() && d.Version.From.Before(earliest) {
				p.refused = append(p.refused, catalog.NewFinding(d, "enrolment", fmt.Sprintf(
					"a programme that takes every account as a member begins at least %d minutes after it is published, so that every processor knows it before the first event: write effective_from: %s or later",
					int(offer.AutomaticLead.Minutes()), earliest.AddSeconds(60).Time().In(d.Clock()).Format("2006-01-02 15:04"))))
			}
		}
	}
}

// takesEveryone reports whether some programme does already, so that whoever has
// a catalogue of the last minutes looks at every account's events.
func (p *plan) takesEveryone() bool {
	for _, versions := range p.before.subjects {
		for _, d := range versions {
			if d.TakesEveryone() && !d.Version.From.After(p.now) {
				return true
			}
		}
	}
	return false
}

func (p *plan) seal() (Version, error) {
	body := publication{
		Format: bodyFormat, Number: p.before.number + 1, Previous: p.before.hash,
		PublishedAt: p.now.Time(), Stamp: p.stamp.Time(), Documents: p.documents,
	}
	return body.seal()
}

// publishScript writes one version: only onto the one it was made for, and only
// as long as nothing in it comes into force within the lead. A client that
// doesn't know whether its first try succeeded tries again and is told so.
//
//go:embed scripts/publish.lua
var publishScript string

func (p *plan) publish(ctx context.Context, client redis.UniversalClient, k keys, v Version) error {
	earliest := v.EffectiveFrom()
	// Rounded down, so that the script is never less strict than the promise.
	earliestMillis := earliest.Sec*1000 + int64(earliest.Nsec/1_000_000)
	if earliest == rules.MinInstant {
		earliestMillis = 0
	}
	reply, err := client.Eval(ctx, publishScript, []string{k.head, k.versions, k.nudge},
		v.Number, v.Hash, p.before.number, p.before.hash, earliestMillis, offer.PublicationLead.Milliseconds(), v.Body).Text()
	switch {
	case err != nil:
		return fmt.Errorf("publish the catalogue to Redis: %w", err)
	case reply == "published":
		return nil
	case reply == "late":
		return errTooLate
	}
	return errLostRace
}
