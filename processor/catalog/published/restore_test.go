package published

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestALostCatalogueComesBackFromTheArchive(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client, server := newClock(t)
	var bodies [][]byte
	options := PublishOptions{Archive: archive(func(v Version) error {
		bodies = append(bodies, v.Body)
		return nil
	})}
	first, second := folder(t, map[string]string{"a.yaml": shop("a", 3, "")}), folder(t, map[string]string{"a.yaml": shop("a", 4, "")})
	mustPublish(t, client, first, options)
	mustPublish(t, client, second, options)
	w, _ := watch(t, client, WatcherOptions{Poll: time.Millisecond})
	before := until(t, w, func(v *View) bool { return v.Number == 2 })

	if _, err := Restore(ctx, client, prefix, bodies[:1], ""); !errors.Is(err, errNotEmpty) {
		t.Fatalf("an older catalogue over a newer one: %v", err)
	}
	server.FlushAll()
	restored, err := Restore(ctx, client, prefix, bodies, "")
	if err != nil || restored.Hash != before.Hash {
		t.Fatalf("restored %.12s, want %.12s (%v)", restored.Hash, before.Hash, err)
	}
	if _, err := Restore(ctx, client, prefix, bodies, ""); err != nil {
		t.Errorf("restoring twice: %v", err)
	}
	wantChanges(t, mustPublish(t, client, second, options)) // the folder says what is there
	server.SetTime(noon.Add(time.Hour))
	until(t, w, func(v *View) bool { return v.CompleteUntil.After(before.CompleteUntil) }) // and the watcher goes on
}

func TestOnlyAWholeChainIsRestored(t *testing.T) {
	t.Parallel()
	seal := func(number uint64, previous, file string) Version {
		p := publication{Format: bodyFormat, Number: number, Previous: previous, Documents: []storedDocument{{File: file}}}
		v, err := p.seal()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	one := seal(1, "", "a")
	two, loser := seal(2, one.Hash, "b"), seal(2, one.Hash, "c")
	cases := []struct {
		name   string
		bodies [][]byte
		tip    string
		want   string // hash; empty: refused
	}{
		{"in any order", [][]byte{two.Body, one.Body}, "", two.Hash},
		{"two could be the newest", [][]byte{one.Body, two.Body, loser.Body}, "", ""},
		{"one of them is said", [][]byte{one.Body, two.Body, loser.Body}, two.Hash[:12], two.Hash},
		{"a link is missing", [][]byte{two.Body}, "", ""},
		{"nothing", nil, "", ""},
		{"garbage", [][]byte{[]byte("garbage")}, "", ""},
	}
	for _, c := range cases {
		chain, err := chainOf(c.bodies, c.tip)
		got := ""
		if err == nil {
			got = chain[len(chain)-1].Hash
		}
		if got != c.want {
			t.Errorf("%s: newest is %q, want %q (%v)", c.name, got, c.want, err)
		}
	}
}
