package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ristourne/processor/sourcefile"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// Loaded is a catalogue that was read without a fault.
type Loaded struct {
	Catalogue *offer.Catalogue
	Snapshot  *engine.Snapshot
	Documents []*Document // in the order of subject and version

	warnings       []Finding
	placedWarnings []sourcefile.Fault // that know their lines
}

// Warnings are about what is legal but surely not meant. Their lines are looked for
// here: a processor, which shows none, would read every file once more for them.
func (l *Loaded) Warnings() []sourcefile.Fault {
	warnings := append(trees{}.locate(l.warnings), l.placedWarnings...)
	sourcefile.Sort(warnings)
	return warnings
}

// Bounds on a folder.
const (
	maxFiles       = 100_000
	MaxFolderBytes = 512 << 20
)

// Load reads a folder of offer files. A version without effective_from holds
// from ever. The error is a *sourcefile.Faults that joins everything that is wrong with
// the files, or says why the folder can't be read.
func Load(dir string) (*Loaded, error) {
	documents, faults, err := readFolder(dir)
	if err != nil {
		return nil, err
	}
	return Assemble(dir, documents, faults, time.Now())
}

// readFolder reads every offer file under dir.
func readFolder(dir string) ([]*Document, []sourcefile.Fault, error) {
	files, err := listFiles(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read the catalogue folder: %w", err)
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("no .yaml file in %s: is this the folder of the catalogue?", dir)
	}
	documents := make([]*Document, len(files))
	faults := make([][]sourcefile.Fault, len(files))
	errs := make([]error, len(files))
	var readers errgroup.Group
	readers.SetLimit(runtime.GOMAXPROCS(0))
	for i := range files {
		readers.Go(func() error {
			shownAs := filepath.Join(dir, files[i])
			var text []byte
			if text, errs[i] = readBounded(shownAs); errs[i] == nil {
				documents[i], faults[i] = ReadDocument(filepath.ToSlash(files[i]), shownAs, text)
			}
			return errs[i]
		})
	}
	if readers.Wait() != nil { // all that can't be read, not the first of it
		return nil, nil, errors.Join(errs...)
	}
	documents = slices.DeleteFunc(documents, func(d *Document) bool { return d == nil })
	return documents, slices.Concat(faults...), nil
}

// listFiles are the offer files under dir, in order, without hidden ones (a
// mounted ConfigMap keeps its older self in a hidden folder).
func listFiles(dir string) ([]string, error) {
	var files []string
	var bytes int64
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != dir && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if ext := strings.ToLower(filepath.Ext(name)); entry.IsDir() || (ext != ".yaml" && ext != ".yml") {
			return nil
		}
		info, err := os.Stat(name) // follows the links of a mounted ConfigMap
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file: remove it from the catalogue", name)
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files, bytes = append(files, relative), bytes+info.Size()
		if len(files) > maxFiles || bytes > MaxFolderBytes {
			return fmt.Errorf("%s holds more than %d files or %d MiB: is this the folder of the catalogue?", dir, maxFiles, MaxFolderBytes>>20)
		}
		return nil
	})
	return files, err
}

// readBounded reads a file, but not more of it than what shows that it is too
// large.
func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFileBytes+1))
}

// Assemble makes one catalogue of documents: puts the versions of each subject
// in order, states them in the terms of the rules, and checks what no document
// can know alone. now decides only what is worth a warning.
func Assemble(dir string, documents []*Document, faults []sourcefile.Fault, now time.Time) (*Loaded, error) {
	return newChecker(documents, faults, now).assemble(dir, documents, faults)
}

func (c *checker) assemble(dir string, documents []*Document, faults []sourcefile.Fault) (*Loaded, error) {
	c.date(documents)
	SortDocuments(documents)
	c.group(documents)
	if len(c.programmes) == 0 && !c.broken {
		faults = append(faults, sourcefile.Fault{
			File: dir, Line: 1, Column: 1,
			Message: "there is no programme here: add a file that begins with `programme: ID` and says its currency and zone",
		})
	}
	loaded := &Loaded{Catalogue: c.catalogue(documents), Documents: documents}
	c.warnOfLookAlikes(documents, loaded.Catalogue)
	for _, d := range documents {
		c.cardNumbers(d)
	}
	faults = append(faults, c.placed...)
	if len(faults)+len(c.faults) > 0 {
		c.tell(documents, loaded.Catalogue, offer.Check(loaded.Catalogue))
	} else {
		loaded.Snapshot = c.compile(documents, loaded.Catalogue)
	}
	if faults = append(faults, c.trees.locate(c.faults)...); len(faults) > 0 {
		sourcefile.Sort(faults)
		return nil, &sourcefile.Faults{List: faults}
	}
	loaded.warnings, loaded.placedWarnings = c.warnings, c.placedWarnings
	return loaded, nil
}

// SortDocuments puts them in the order of subjects, each by version.
func SortDocuments(documents []*Document) {
	slices.SortStableFunc(documents, func(a, b *Document) int {
		return cmp.Or(CompareSubjects(a.Subject, b.Subject), a.Version.From.Compare(b.Version.From))
	})
}

// compile makes the snapshot. What the rules refuse is told in terms of the
// files.
func (c *checker) compile(documents []*Document, catalogue *offer.Catalogue) *engine.Snapshot {
	snapshot, err := engine.Compile(catalogue)
	var refused offer.Faults
	if errors.As(err, &refused) {
		c.tell(documents, catalogue, refused)
	}
	if err != nil && len(c.faults) == 0 {
		c.fault(documents[0], path{}, "the catalogue can't be compiled: %v", err)
	}
	return snapshot
}

// checker states documents in the terms of the rules and collects what is wrong
// with them.
type checker struct {
	// whole: every file could be read, so that what isn't there is missing. broken:
	// of some file not even what it is about.
	whole, broken    bool
	now              rules.Instant
	versions         map[Subject][]*Document // in order
	programmes       map[string][]*Document  // versions in order, by id
	faults, warnings []Finding
	trees            trees
	// placed are faults, and warnings, that know their lines.
	placed, placedWarnings []sourcefile.Fault
	// doubted are the values that couldn't be read, or that are wrong in a way
	// that only the file shows: no fault that follows from them is told.
	doubted map[*Document][]path
	// pieces are the keys as written of those that followZones adds.
	pieces map[*storeDoc][]int
}

func newChecker(documents []*Document, faults []sourcefile.Fault, now time.Time) *checker {
	c := &checker{
		now: rules.InstantOf(now), whole: len(faults) == 0, trees: trees{},
		doubted: map[*Document][]path{}, pieces: map[*storeDoc][]int{},
	}
	known := map[string]bool{}
	for _, d := range documents {
		if len(d.unread) > 0 {
			c.doubted[d] = slices.Clip(d.unread)
		}
		known[d.ShownAs] = d.Subject.ID != ""
	}
	c.broken = slices.ContainsFunc(faults, func(f sourcefile.Fault) bool { return !known[f.File] })
	return c
}

// fault tells what only the files show, unless it follows from what couldn't be
// read.
func (c *checker) fault(d *Document, at path, format string, args ...any) {
	if !d.cannotRead(at) {
		c.faults = append(c.faults, Finding{doc: d, path: at, message: fmt.Sprintf(format, args...)})
		c.doubted[d] = append(c.doubted[d], at)
	}
}

// cannotRead reports whether the value, or what it is in, couldn't be read.
func (d *Document) cannotRead(at path) bool { return slices.ContainsFunc(d.unread, at.within) }

// unreadIn reports whether something in the value couldn't be read.
func (d *Document) unreadIn(at path) bool {
	return slices.ContainsFunc(d.unread, func(p path) bool { return p.within(at) })
}

func (c *checker) warn(d *Document, at path, format string, args ...any) {
	c.warnings = append(c.warnings, Finding{doc: d, path: at, message: fmt.Sprintf(format, args...)})
}

// date works out when each document comes into force, programmes first: the
// dates of partners are midnights of their programme's zone.
func (c *checker) date(documents []*Document) {
	var programmes []*Document
	for _, d := range documents {
		if d.programme != nil {
			d.setVersion(d.ownZone())
			programmes = append(programmes, d)
		}
	}
	slices.SortStableFunc(programmes, func(a, b *Document) int { return a.Version.From.Compare(b.Version.From) })
	for _, d := range documents {
		if d.programme == nil && !d.Version.Ended {
			d.setVersion(zoneAt(programmes, d))
		}
	}
}

// zoneAt is the zone of the programme that a document belongs to, as it is when
// the document comes into force. UTC stands for that of no programme, which is a
// fault.
func zoneAt(programmes []*Document, d *Document) *time.Location {
	zone := time.UTC
	for i, p := range programmes {
		named := d.named() == "" || d.named() == p.Subject.ID
		if named && (i == 0 || !d.effective().at(p.ownZone()).Before(p.Version.From)) {
			zone = p.ownZone()
		}
	}
	return zone
}

// ownZone is the programme's zone as its document says it.
func (d *Document) ownZone() *time.Location {
	if d.programme == nil || d.programme.zone == nil {
		return time.UTC
	}
	return d.programme.zone
}

func (d *Document) setVersion(zone *time.Location) {
	d.zone = zone
	if d.Stamped {
		return
	}
	from := d.effective().at(zone)
	d.Version = offer.Version{ID: versionID(from, zone, d.Meaning), From: from}
}

// group collects the versions of each subject; documents are in order. Of those
// that come into force together the first counts.
func (c *checker) group(documents []*Document) {
	c.versions, c.programmes = map[Subject][]*Document{}, map[string][]*Document{}
	for _, d := range documents {
		if d.Subject.ID == "" { // broken, and said so
			continue
		}
		older := c.versions[d.Subject]
		if len(older) > 0 && older[len(older)-1].Version.From == d.Version.From {
			if d.levels != nil { // which the rules don't know
				c.fault(d, path{"effective_from"}, "%s", together(older[len(older)-1], d))
			}
			continue
		}
		c.versions[d.Subject] = append(older, d)
		if d.Subject.Kind == KindProgramme {
			c.programmes[d.Subject.ID] = c.versions[d.Subject]
		}
	}
}

// together says what two files are that give one subject from one time on.
func together(first, d *Document) string {
	stores := func(d *Document) string { return strings.Join(storeNames(d), ", ") }
	switch {
	case first.Meaning == d.Meaning:
		return fmt.Sprintf("%s says of %s what %s says: remove one of the two files", d.File, d.Subject, first.File)
	case d.Subject.Kind == KindPartner && first.partner != nil && d.partner != nil && !shareStores(first.partner, d.partner):
		return fmt.Sprintf("two partners are called %q: this one, %s, has the stores %s, and %s, of %s, has %s; give one of them an id of its own (or, if it is the same partner from a later day on, an effective_from)",
			d.Subject.ID, cmp.Or(d.partner.name, d.File), stores(d), cmp.Or(first.partner.name, first.File), first.File, stores(first))
	}
	return fmt.Sprintf("%s of %s comes into force together with %s: give one of them another effective_from, or remove it", d.Subject, d.File, first.File)
}

// shareStores reports whether two files name a store, or a key, in common: then
// they are of one partner.
func shareStores(a, b *partnerDoc) bool {
	known := map[any]bool{}
	for i := range a.stores {
		known[a.stores[i].id] = true
		for j := range a.stores[i].keys {
			k := a.stores[i].keys[j]
			k.from, k.until = offer.LocalTime{}, offer.LocalTime{}
			known[k] = true
		}
	}
	for i := range b.stores {
		shared := known[b.stores[i].id] && (a.name == b.name || a.name == "" || b.name == "")
		for j := range b.stores[i].keys {
			k := b.stores[i].keys[j]
			k.from, k.until = offer.LocalTime{}, offer.LocalTime{}
			shared = shared || known[k]
		}
		if shared {
			return true
		}
	}
	return len(a.stores) == 0 || len(b.stores) == 0
}

// maxNamedStores is how many stores a message names.
const maxNamedStores = 3

func storeNames(d *Document) []string {
	var names []string
	for i := range d.partner.stores {
		if s := &d.partner.stores[i]; i < maxNamedStores {
			names = append(names, fmt.Sprintf("%q", cmp.Or(s.name, s.id)))
		}
	}
	if more := len(d.partner.stores) - maxNamedStores; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return names
}

// inForce is the version that holds at an instant: the last that began, or the
// first where none has.
func inForce(versions []*Document, at rules.Instant) *Document {
	found := versions[0]
	for _, d := range versions[1:] {
		if !d.Version.From.After(at) {
			found = d
		}
	}
	return found
}

// catalogue states every document in the terms of the rules, checking it on the
// way.
func (c *checker) catalogue(documents []*Document) *offer.Catalogue {
	catalogue := &offer.Catalogue{}
	for _, d := range documents {
		switch d.Subject.Kind {
		case KindProgramme:
			catalogue.Programmes = append(catalogue.Programmes, c.programme(d))
		case KindPartner:
			catalogue.Partners = append(catalogue.Partners, c.partner(d))
		case KindCampaign:
			catalogue.Campaigns = append(catalogue.Campaigns, c.campaign(d))
		}
	}
	c.checkLevels(documents)
	c.checkActivations(documents, catalogue)
	c.warnOfSalts(documents, catalogue)
	return catalogue
}

func (c *checker) programme(d *Document) offer.Programme {
	p := offer.Programme{
		ID: d.Subject.ID, Version: d.Version, Zone: time.UTC, HorizonDays: offer.DefaultHorizonDays, CeilingMillionths: wholeMillionths,
	}
	doc := d.programme
	if doc == nil {
		return p
	}
	p.Name, p.Currency, p.Zone, p.Rounding = cmp.Or(doc.name, doc.id), doc.currency, d.ownZone(), doc.rounding
	p.Enrolment, p.AllCards, p.CardTokenRanges = doc.enrolment, doc.allCards, doc.cardTokenRanges
	p.HorizonDays = cmp.Or(doc.horizonDays, offer.DefaultHorizonDays)
	p.UnlinkedRefundDays = doc.unlinkedRefunds
	p.CeilingMillionths = cmp.Or(doc.ceiling, wholeMillionths)
	p.Points, p.Holdout, p.SEPAStatements = doc.points.toRules(), doc.holdout.toRules(), doc.sepa
	p.Payout, p.Billing = doc.payout.toRules(p.Zone), doc.billing.toRules()
	p.Offers = offersToRules(doc.offers, &p)
	c.checkProgramme(d, &p)
	c.warnOfProgramme(d, &p)
	return p
}

func (c *checker) partner(d *Document) offer.Partner {
	p := offer.Partner{ID: d.Subject.ID, Version: d.Version}
	doc := d.partner
	if doc == nil {
		return p
	}
	programme := c.programmeOf(d)
	p.Name, p.Programme = cmp.Or(doc.name, doc.id), programme.ID
	p.Currency = cmp.Or(doc.currency, programme.Currency)
	p.Commission, p.MonthlyFeeMinor = doc.commission.toRules(), doc.commission.subscription.minor
	if doc.billing != nil {
		p.Billing = doc.billing.toRules()
	}
	p.Stores = make([]offer.Store, len(doc.stores))
	for i := range doc.stores {
		p.Stores[i] = doc.stores[i].toRules(programme.Zone)
		c.followZones(&doc.stores[i], &p.Stores[i], p.Programme)
	}
	p.Offers = offersToRules(doc.offers, &programme)
	c.checkPartner(d, &p, &programme)
	c.warnOfPartner(d, &p, &programme)
	return p
}

func offersToRules(docs []offerDoc, in *offer.Programme) []offer.Offer {
	offers := make([]offer.Offer, len(docs))
	for i := range docs {
		offers[i] = docs[i].toRules(in)
	}
	return offers
}

func (c *checker) campaign(d *Document) offer.Campaign {
	campaign := offer.Campaign{}
	if doc := d.campaign; doc != nil {
		programme := c.programmeOf(d)
		campaign = doc.toRules(&programme)
		c.checkCampaign(d, &programme)
		c.warnOfCampaign(d, &campaign, &programme)
	}
	campaign.ID, campaign.Version = d.Subject.ID, d.Version
	if d.Version.Ended {
		campaign.StoppedAt = d.Published
	}
	return campaign
}

// programmeOf is the programme a document belongs to, as it is when that version
// comes into force. Its zero value with UTC stands for one that is unknown.
func (c *checker) programmeOf(d *Document) offer.Programme {
	id := c.programmeIDOf(d)
	if versions := c.programmes[id]; len(versions) > 0 {
		if in := inForce(versions, d.Version.From); in.programme != nil {
			return offer.Programme{ID: id, Currency: in.programme.currency, Zone: in.ownZone(), Points: in.programme.points.toRules(), Billing: in.programme.billing.toRules()}
		}
	}
	return offer.Programme{ID: id, Zone: time.UTC}
}

// programmeIDOf is the programme that a document names, or else the only one.
func (c *checker) programmeIDOf(d *Document) string {
	if id := d.named(); id != "" || len(c.programmes) != 1 {
		return id
	}
	return names(c.programmes)[0]
}

func names[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// followZones states the dates of a store's keys by the clocks of all versions of
// its programme, where the store has no zone of its own and they differ: each
// holds for purchases made while it is in force. What more there is of a key than
// one piece stands after the keys as they are written.
func (c *checker) followZones(doc *storeDoc, store *offer.Store, programmeID string) {
	versions := c.programmes[programmeID]
	moved := slices.ContainsFunc(versions, func(d *Document) bool { return d.programme != nil && d.ownZone().String() != store.Zone.String() })
	if !store.OfProgramme || !moved {
		return
	}
	for i := range doc.keys {
		dates := &doc.keys[i]
		if dates.from.IsZero() && dates.until.IsZero() {
			continue
		}
		var pieces []offer.Key
		for n, d := range versions {
			zone, key := store.Zone, store.Keys[i]
			if d.programme != nil {
				zone = d.ownZone()
			}
			key.From, key.Until = dates.in(zone)
			if n > 0 {
				key.From = rules.Later(key.From, d.Version.From)
			}
			if n+1 < len(versions) {
				key.Until = rules.Earlier(key.Until, versions[n+1].Version.From)
			}
			if key.From.Before(key.Until) {
				pieces = append(pieces, key)
			}
		}
		if len(pieces) > 0 {
			store.Keys[i] = pieces[0]
			for _, piece := range pieces[1:] {
				store.Keys = append(store.Keys, piece)
				c.pieces[doc] = append(c.pieces[doc], i)
			}
		}
	}
}

func (s *storeDoc) toRules(zone *time.Location) offer.Store {
	if s.zone != nil {
		zone = s.zone
	}
	store := offer.Store{ID: s.id, Name: cmp.Or(s.name, s.id), Zone: zone, OfProgramme: s.zone == nil, Keys: make([]offer.Key, len(s.keys))}
	for i := range s.keys {
		k := &s.keys[i]
		key := offer.Key{
			MID: k.mid, AcquirerID: k.acquirer, SubMerchantID: k.subMerchant, TerminalID: k.terminal,
			Network: k.network, NetworkMerchantID: k.networkMerchantID,
		}
		key.From, key.Until = k.in(zone)
		store.Keys[i] = key
	}
	return store
}

// in is when the key holds, by the clock of a zone.
func (k *keyDoc) in(zone *time.Location) (from, until rules.Instant) {
	from, until = rules.MinInstant, rules.MaxInstant
	if !k.from.IsZero() {
		from = k.from.In(zone)
	}
	if !k.until.IsZero() {
		until = k.until.In(zone)
	}
	return from, until
}
