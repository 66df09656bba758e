package published

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/catalog"
	"ristourne/processor/sourcefile"
	"ristourne/rules"
)

const prefix = "test"

// newClient is a client of an empty Redis server.
func newClient(t *testing.T) redis.UniversalClient {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: localserverstest.Redis(t).Addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	return client
}

// newClock is a client of a Redis whose time the test sets: its start is noon.
func newClock(t *testing.T) (redis.UniversalClient, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	server.SetTime(noon)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { client.Close() })
	return client, server
}

// Shop is the file of a partner that gives percent.
func shop(id string, percent int, effectiveFrom string) string {
	if effectiveFrom != "" {
		effectiveFrom = "effective_from: " + effectiveFrom + "\n"
	}
	return fmt.Sprintf("partner: %s\n%scommission: 20%%\nstores: [{id: s, keys: [{mid: %q}]}]\noffers: [{id: o, reward: %d%%}]\n",
		id, effectiveFrom, "M-"+id, percent)
}

func publish(client redis.UniversalClient, loaded *catalog.Loaded, options PublishOptions) (Result, error) {
	options.Prefix = prefix
	return Publish(context.Background(), client, loaded, options)
}

func mustPublish(t *testing.T, client redis.UniversalClient, loaded *catalog.Loaded, options PublishOptions) []string {
	t.Helper()
	published, err := publish(client, loaded, options)
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	return changesOf(published)
}

// changesOf are changes in short: "added partner a 2026-05-01T12:06:05Z".
func changesOf(p Result) []string {
	short := []string{}
	for _, c := range p.Changes {
		from := "ever"
		if c.From != rules.MinInstant {
			from = c.From.String()
		}
		short = append(short, fmt.Sprintf("%s %s %s", c.Kind, c.Subject, from))
	}
	return short
}

func wantChanges(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("changes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func wantRefused(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("error is %v, want one that says %q", err, part)
	}
}

func TestFirstPublicationMayHoldFromEver(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	loaded := folder(t, map[string]string{"a.yaml": shop("a", 3, ""), "a2.yaml": shop("a", 4, "2020-01-01")})
	wantChanges(t, mustPublish(t, client, loaded, PublishOptions{}),
		"added programme test ever", "added partner a ever", "added partner a 2019-12-31T23:00:00Z")
	wantChanges(t, mustPublish(t, client, loaded, PublishOptions{})) // again: nothing new
}

func TestCommentsAndOrderMakeNoVersion(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	same := "# said in another order\noffers: [{reward: 3%, id: o}]\nstores:\n  - keys: [{mid: M-a}]\n    id: s\ncommission: 20%\npartner: a\n"
	wantChanges(t, mustPublish(t, client, folder(t, map[string]string{"other-name.yaml": same}), PublishOptions{}))
}

func TestChangesComeIntoForceSixMinutesAhead(t *testing.T) {
	t.Parallel()
	client, server := newClock(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, ""), "b.yaml": shop("b", 3, "")}), PublishOptions{})
	edited := folder(t, map[string]string{"a.yaml": shop("a", 4, ""), "b.yaml": shop("b", 3, "")})
	wantChanges(t, mustPublish(t, client, edited, PublishOptions{}), "added partner a 2026-05-01T12:06:05Z")
	server.SetTime(noon.Add(10 * time.Second))
	wantChanges(t, mustPublish(t, client, edited, PublishOptions{})) // not in force yet, and no second time
	entries, _, err := Entries(context.Background(), client, prefix)
	if err != nil {
		t.Fatal(err)
	}
	if got := entries[1]; !got.InForce || got.Version[:8] != "initial." || entries[2].InForce {
		t.Errorf("in force are %+v", entries)
	}
}

func TestThePastIsNotChanged(t *testing.T) {
	t.Parallel()
	client, server := newClock(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, ""), "a2.yaml": shop("a", 4, "2026-04-01")}), PublishOptions{})
	cases := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"edit what is in force", map[string]string{"a.yaml": shop("a", 3, ""), "a2.yaml": shop("a", 5, "2026-04-01")}, "was published with other terms"},
		{"backdate", map[string]string{"a.yaml": shop("a", 3, ""), "a2.yaml": shop("a", 4, "2026-04-01"), "a3.yaml": shop("a", 5, "2026-04-20")}, "would change the past"},
		{"359 seconds ahead", map[string]string{"a.yaml": shop("a", 3, ""), "a2.yaml": shop("a", 4, "2026-04-01"), "a3.yaml": shop("a", 5, "2026-05-01T12:05:59Z")}, "would change the past"},
		{"edit what a later file has replaced", map[string]string{"a.yaml": shop("a", 9, ""), "a2.yaml": shop("a", 4, "2026-04-01")}, "would never come into force"},
		{"backdate a new partner", map[string]string{"a.yaml": shop("a", 3, ""), "a2.yaml": shop("a", 4, "2026-04-01"), "b.yaml": shop("b", 5, "2026-04-01")}, "would change the past"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := publish(client, folder(t, c.files), PublishOptions{})
			wantRefused(t, err, c.want)
			var faults *sourcefile.Faults
			if !errors.As(err, &faults) || len(faults.List) != 1 || faults.List[0].Line == 0 {
				t.Errorf("the refusal doesn't say where: %v", err)
			}
		})
	}
	server.SetTime(noon.Add(time.Minute))
	published, err := History(context.Background(), client, prefix)
	if err != nil || len(published) != 1 {
		t.Errorf("after refusals there are %d versions, want 1 (%v)", len(published), err)
	}
}

// The first programme that takes every account must be known to every processor
// before the first event of a stranger that it could be of: they wait for none.
func TestTheFirstAutomaticProgrammeBeginsLater(t *testing.T) {
	t.Parallel()
	automatic := func(effectiveFrom string) map[string]string {
		if effectiveFrom != "" {
			effectiveFrom = "effective_from: " + effectiveFrom + "\n"
		}
		return map[string]string{"all.yaml": programmeText + "enrolment: automatic\n" + effectiveFrom, "a.yaml": shop("a", 3, "")}
	}
	client, server := newClock(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	for _, effectiveFrom := range []string{"", "2026-05-01T12:10:59Z"} {
		files := automatic(effectiveFrom)
		if effectiveFrom == "" {
			files["programme.yaml"], files["all.yaml"] = files["all.yaml"], ""
		}
		_, err := publish(client, folder(t, files), PublishOptions{})
		wantRefused(t, err, "begins at least 11 minutes after it is published")
		wantRefused(t, err, "2026-05-01 14:12 or later") // noon in Greenwich is 14:00 in Paris
	}
	mustPublish(t, client, folder(t, automatic("2026-05-01T12:11:00Z")), PublishOptions{})
	// It is to come, and what is published before it comes is no new one.
	server.SetTime(noon.Add(5 * time.Minute))
	files := automatic("2026-05-01T12:11:00Z")
	files["a.yaml"] = shop("a", 4, "")
	wantChanges(t, mustPublish(t, client, folder(t, files), PublishOptions{}), "added partner a 2026-05-01T12:11:05Z")
	// Once it is in force, its changes need the usual lead.
	server.SetTime(noon.Add(time.Hour))
	files["later.yaml"] = programmeText + "enrolment: automatic\nhorizon_days: 90\neffective_from: 2026-05-01T13:07:00Z\n"
	files["all.yaml"] = automatic("2026-05-01T12:11:00Z")["all.yaml"]
	wantChanges(t, mustPublish(t, client, folder(t, files), PublishOptions{}), "added programme test 2026-05-01T13:07:00Z")

	first, _ := newClock(t)
	mustPublish(t, first, folder(t, map[string]string{"programme.yaml": programmeText + "enrolment: automatic\n"}), PublishOptions{})
}

func TestWhatIsToComeCanBeChanged(t *testing.T) {
	t.Parallel()
	client, _ := newClock(t)
	a := shop("a", 3, "")
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": a}), PublishOptions{})
	june := folder(t, map[string]string{"a.yaml": a, "june.yaml": shop("a", 4, "2026-06-01")})
	wantChanges(t, mustPublish(t, client, june, PublishOptions{}), "added partner a 2026-05-31T22:00:00Z")
	wantChanges(t, mustPublish(t, client, june, PublishOptions{}))
	better := folder(t, map[string]string{"a.yaml": a, "june.yaml": shop("a", 5, "2026-06-01")})
	wantChanges(t, mustPublish(t, client, better, PublishOptions{}), "added partner a 2026-05-31T22:00:00Z")
	without := folder(t, map[string]string{"a.yaml": a})
	_, err := publish(client, without, PublishOptions{})
	wantRefused(t, err, "the folder lacks what is published: partner a from 2026-05-31T22:00:00Z on")
	wantChanges(t, mustPublish(t, client, without, PublishOptions{RemoveMissing: true}), "withdrawn partner a 2026-05-31T22:00:00Z")
}

// The folder is all that is to hold: without the newer file the older one does,
// but only if that is meant.
func TestAMissingFileBringsTheOlderOneBackOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]string{"undated": "", "dated": "2026-01-01"} {
		t.Run(name, func(t *testing.T) {
			client, _ := newClock(t)
			files := map[string]string{"a.yaml": shop("a", 3, old), "a2.yaml": shop("a", 4, "2026-04-01")}
			mustPublish(t, client, folder(t, files), PublishOptions{})
			files["a2.yaml"] = ""
			_, err := publish(client, folder(t, files), PublishOptions{})
			wantRefused(t, err, "the folder lacks what is published: partner a from 2026-03-31T22:00:00Z on")
			wantChanges(t, mustPublish(t, client, folder(t, files), PublishOptions{RemoveMissing: true}), "added partner a 2026-05-01T12:06:05Z")
		})
	}
}

func TestMissingPartnersEndOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	client, server := newClock(t)
	both := map[string]string{"a.yaml": shop("a", 3, ""), "b.yaml": shop("b", 3, "")}
	mustPublish(t, client, folder(t, both), PublishOptions{})
	one := map[string]string{"a.yaml": shop("a", 3, "")}
	_, err := publish(client, folder(t, one), PublishOptions{})
	wantRefused(t, err, "the folder lacks what is published: partner b")
	wantChanges(t, mustPublish(t, client, folder(t, one), PublishOptions{RemoveMissing: true}), "ended partner b 2026-05-01T12:06:05Z")
	server.SetTime(noon.Add(time.Hour))
	wantChanges(t, mustPublish(t, client, folder(t, one), PublishOptions{}))
	wantChanges(t, mustPublish(t, client, folder(t, both), PublishOptions{}), "added partner b 2026-05-01T13:06:05Z")
}

// A key may be taken over from a partner that ended, but not from one whose old
// versions still hold it.
func TestNewVersionsMustFitTheOldOnes(t *testing.T) {
	t.Parallel()
	client, _ := newClock(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	heir := strings.ReplaceAll(shop("heir", 3, ""), "M-heir", "M-a")
	wantChanges(t, mustPublish(t, client, folder(t, map[string]string{"heir.yaml": heir}), PublishOptions{RemoveMissing: true}),
		"ended partner a 2026-05-01T12:06:05Z", "added partner heir 2026-05-01T12:06:05Z")
	early := strings.ReplaceAll(shop("early", 3, "2026-05-01T12:06:01Z"), "M-early", "M-a")
	_, err := publish(client, folder(t, map[string]string{"early.yaml": early}), PublishOptions{RemoveMissing: true})
	wantRefused(t, err, "names two stores")
}

// archive is an Archive that runs a function on each version.
type archive func(v Version) error

func (a archive) PutCatalogueVersion(_ context.Context, v Version) error { return a(v) }

func TestArchiveComesFirst(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	loaded := folder(t, map[string]string{"a.yaml": shop("a", 3, "")})
	down := errors.New("archive is down")
	_, err := publish(client, loaded, PublishOptions{Archive: archive(func(Version) error { return down })})
	if !errors.Is(err, down) {
		t.Fatalf("error is %v, want the archive's", err)
	}
	if _, _, err := Entries(context.Background(), client, prefix); !errors.Is(err, ErrEmpty) {
		t.Fatalf("something was published before it was archived: %v", err)
	}
	var kept []Version
	published, err := publish(client, loaded, PublishOptions{Archive: archive(func(v Version) error {
		kept = append(kept, v)
		return nil
	})})
	if err != nil || len(kept) != 1 || kept[0].Hash != published.Hash {
		t.Fatalf("published %+v and archived %+v (%v)", published, kept, err)
	}
	if p, v, err := open(kept[0].Body); err != nil || v.Hash != kept[0].Hash || len(p.Documents) != 2 {
		t.Errorf("what was archived reads as %+v (%v)", v, err)
	}
}

func TestSlowArchiveGetsMoreTime(t *testing.T) {
	t.Parallel()
	client, server := newClock(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	now, calls := noon, 0
	slow := archive(func(Version) error {
		calls++
		now = now.Add(20 * time.Second)
		server.SetTime(now)
		return nil
	})
	changes := mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 4, "")}), PublishOptions{Archive: slow})
	// The third try begins at 12:00:40 and leaves 45 s for the archive.
	wantChanges(t, changes, "added partner a 2026-05-01T12:07:25Z")
	if calls != 3 {
		t.Errorf("the archive was asked %d times, want 3", calls)
	}
}

func TestLoserOfARaceIsTold(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	mustPublish(t, client, folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), PublishOptions{})
	other := folder(t, map[string]string{"a.yaml": shop("a", 5, "")})
	overtaken := archive(func(Version) error {
		_, err := publish(client, other, PublishOptions{})
		return err
	})
	_, err := publish(client, folder(t, map[string]string{"a.yaml": shop("a", 4, "")}), PublishOptions{Archive: overtaken})
	if !errors.Is(err, errLostRace) {
		t.Fatalf("error is %v, want ErrLostRace", err)
	}
}

func TestConcurrentPublishersMakeOneChain(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	const publishers = 6
	all := make([]*catalog.Loaded, publishers)
	for i := range all {
		all[i] = folder(t, map[string]string{"a.yaml": shop("a", i+1, "")})
	}
	mustPublish(t, client, all[0], PublishOptions{})
	var group sync.WaitGroup
	errs := make([]error, publishers)
	for i, loaded := range all[1:] {
		group.Go(func() { _, errs[i] = publish(client, loaded, PublishOptions{}) })
	}
	group.Wait()
	won := 0
	for _, err := range errs[:publishers-1] {
		if err == nil {
			won++
		} else if !errors.Is(err, errLostRace) {
			t.Errorf("a publisher failed with %v", err)
		}
	}
	versions, err := History(context.Background(), client, prefix)
	if err != nil || len(versions) != won+1 || won == 0 {
		t.Fatalf("%d publishers won and there are %d versions (%v)", won, len(versions), err)
	}
	for i, v := range versions[1:] {
		if v.Previous != versions[i].Hash {
			t.Errorf("version %d doesn't follow version %d", v.Number, versions[i].Number)
		}
	}
}

// A client whose connection broke sends its script again.
func TestPublishingTwiceIsPublishingOnce(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	p := &plan{before: newHistory(), after: newHistory()}
	p.make(folder(t, map[string]string{"a.yaml": shop("a", 3, "")}).Documents)
	version, err := p.seal()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.publish(context.Background(), client, keysOf(prefix), version); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHistoryUnderRandomEdits publishes random folders at random times and holds
// each publication to what publishing means: what held up to the lead from now
// goes on to have held, and from its stamp on, what holds is what the folder
// says.
func TestHistoryUnderRandomEdits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		published, now := newHistory(), rules.InstantOf(noon)
		for range rapid.IntRange(2, 8).Draw(t, "publications") {
			now = now.AddSeconds(rapid.SampledFrom([]int64{1, 30, 90, 86_400, 40 * 86_400}).Draw(t, "passed"))
			files := randomFolder(t)
			p := &plan{
				before: published, after: published.clone(), now: now, earliest: now.AddSeconds(leadSeconds),
				stamp: now.AddSeconds(leadSeconds + 5), removeMissing: rapid.Bool().Draw(t, "remove missing"),
			}
			first := published.number == 0
			if first {
				p.stamp = now
			} else if !published.stamp.Before(p.stamp) {
				p.stamp = published.stamp.AddSeconds(1)
			}
			if err := p.make(files); err != nil {
				continue
			}
			next := published.clone()
			if len(p.documents) > 0 {
				addSealed(t, next, p)
			}
			probes := []rules.Instant{rules.MinInstant, now, p.earliest, p.stamp, p.stamp.AddDays(400)}
			for month := range 24 {
				probes = append(probes, rules.InstantOf(noon.AddDate(0, month-6, -1)), rules.InstantOf(noon.AddDate(0, month-6, 15)))
			}
			for _, probe := range probes {
				if !first && probe.Before(p.earliest) && inForceMeanings(next, probe) != inForceMeanings(published, probe) {
					t.Fatalf("publishing at %s changed what held at %s", now, probe)
				}
				if !probe.Before(p.stamp) && inForceMeanings(next, probe) != folderMeanings(files, probe, next) {
					t.Fatalf("after publishing at %s, %s isn't what the folder says:\n%s\nfolder:\n%s", now, probe,
						inForceMeanings(next, probe), folderMeanings(files, probe, next))
				}
			}
			published = next
		}
	})
}

func addSealed(t *rapid.T, h *history, p *plan) {
	version, err := p.seal()
	if err != nil {
		t.Fatal(err)
	}
	body, opened, err := open(version.Body)
	if err != nil || opened.Hash != version.Hash {
		t.Fatalf("a sealed version opens as %.12s, want %.12s (%v)", opened.Hash, version.Hash, err)
	}
	if err := h.add(body, opened); err != nil {
		t.Fatal(err)
	}
}

func randomFolder(t *rapid.T) []*catalog.Document {
	read := func(text string) *catalog.Document {
		d, faults := catalog.ReadDocument("f.yaml", "f.yaml", []byte(text))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		return d
	}
	documents := []*catalog.Document{read(programmeText)}
	for _, id := range []string{"a", "b"} {
		for _, from := range []string{"", "2026-03-01", "2026-05-01", "2026-06-01", "2026-08-01"} {
			if rapid.IntRange(0, 2).Draw(t, id+" "+from) > 0 {
				documents = append(documents, read(shop(id, rapid.IntRange(1, 3).Draw(t, "percent"), from)))
			}
		}
	}
	loaded, err := catalog.Assemble("", documents, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Documents
}

func inForceMeanings(h *history, t rules.Instant) string {
	var said strings.Builder
	for _, id := range []string{"a", "b"} {
		if d := at(h.subjects[catalog.Subject{Kind: catalog.KindPartner, ID: id}], t); d != nil {
			fmt.Fprintln(&said, id, d.Meaning)
		}
	}
	return said.String()
}

// folderMeanings is what the folder says at t. Where it says nothing of a
// partner yet (its only file begins later), what was published goes on.
func folderMeanings(files []*catalog.Document, t rules.Instant, h *history) string {
	var said strings.Builder
	for _, id := range []string{"a", "b"} {
		var own []*catalog.Document
		for _, d := range files {
			if d.Subject == (catalog.Subject{Kind: catalog.KindPartner, ID: id}) {
				own = append(own, d)
			}
		}
		d := at(own, t)
		if d == nil && own != nil {
			d = at(h.subjects[catalog.Subject{Kind: catalog.KindPartner, ID: id}], t)
		}
		if d != nil {
			fmt.Fprintln(&said, id, d.Meaning)
		}
	}
	return said.String()
}
