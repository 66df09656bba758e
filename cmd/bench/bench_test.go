package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ristourne/processor/catalog"
)

// TestOneAgreementForAll: the catalogue of Ristourne and the offers of the peer
// say the same of every store.
func TestOneAgreementForAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := terms(105)
	folder, file := filepath.Join(dir, "catalogue"), filepath.Join(dir, "offers.json")
	if err := writeCatalogue(folder, all); err != nil {
		t.Fatal(err)
	}
	if err := writePeerOffers(file, all); err != nil {
		t.Fatal(err)
	}
	loaded, err := catalog.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var offers []struct {
		RateMillionths int64    `json:"rate_millionths"`
		MinSpendMinor  int64    `json:"min_spend_minor"`
		CapMinor       int64    `json:"cap_minor"`
		MerchantIDs    []string `json:"merchant_ids"`
	}
	if err := json.Unmarshal(text, &offers); err != nil {
		t.Fatal(err)
	}
	partners := loaded.Catalogue.Partners
	if len(partners) != 11 || len(offers) != len(partners) {
		t.Fatalf("%d partners here, %d there, not 11", len(partners), len(offers))
	}
	for i := range partners {
		ours, theirs := &partners[i].Offers[0], offers[i]
		if ours.Reward.RateMillionths != theirs.RateMillionths || ours.Conditions.MinSpendMinor != theirs.MinSpendMinor || ours.Caps[0].AmountMinor != theirs.CapMinor {
			t.Errorf("partner %d: %+v here, %+v there", i, ours, theirs)
		}
		for n, store := range partners[i].Stores {
			if store.Keys[0].MID != theirs.MerchantIDs[n] {
				t.Errorf("partner %d, store %d: %s here, %s there", i, n, store.Keys[0].MID, theirs.MerchantIDs[n])
			}
		}
	}
}

// TestTrafficIsTheSameEachTime: what two processes are compared on is one
// stream, with the shares that are asked for.
func TestTrafficIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	const events = 5_000
	l := load{events: events, members: 100, stores: 1000, share: 20}
	start := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	one, other := newTraffic(l, start, time.Second), newTraffic(l, start, time.Second)
	kinds, again, size, ids := map[string]int{}, 0, 0, map[string]bool{}
	for range events {
		made := one.next()
		if again := other.next(); !bytes.Equal(made.value, again.value) || !bytes.Equal(made.key, again.key) {
			t.Fatalf("%s\nand then\n%s", made.value, again.value)
		}
		var event struct {
			EventID string `json:"event_id"`
			Type    string `json:"type"`
		}
		if err := json.Unmarshal(made.value, &event); err != nil {
			t.Fatal(err)
		}
		if ids[event.EventID] {
			again++
		}
		ids[event.EventID] = true
		kinds[event.Type]++
		size += len(made.value)
	}
	for kind, share := range map[string]float64{"authorization": 0.45, "clearing": 0.5, "refund": 0.04, "reversal": 0.01} {
		if got := float64(kinds[kind]) / events; got < share*0.7 || got > share*1.3 {
			t.Errorf("%.3f of the events are a %s, not about %.2f", got, kind, share)
		}
	}
	if again == 0 || again > events/500 {
		t.Errorf("%d of %d events came again", again, events)
	}
	if mean := size / events; mean < 400 || mean > 500 {
		t.Errorf("an event has %d bytes, not about 450", mean)
	}
	l.after = events
	if later := newTraffic(l, start, time.Second).next(); ids[strings.Split(string(later.value), `"`)[3]] {
		t.Errorf("a load after another has its ids: %s", later.value)
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	t.Parallel()
	spin := func() (sum int) {
		for i := range 300_000_000 {
			sum += i * i
		}
		return sum
	}
	before := usageOf(os.Getpid())
	if spin() == 1 {
		t.Log("the loop isn't left out")
	}
	after := usageOf(os.Getpid())
	if after.cpuMicros <= before.cpuMicros || after.peakBytes < after.residentBytes || after.residentBytes < 1<<20 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if none := usageOf(0); none != (usage{}) {
		t.Errorf("no process has used %+v", none)
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	later := buckets{bounds: []float64{1, 2, 4, 8}, counts: []float64{10, 60, 109, 110}}
	b := later.less(buckets{bounds: later.bounds, counts: []float64{10, 10, 10, 10}})
	for q, want := range map[float64]float64{0.5: 2, 0.99: 4, 1: 8} {
		if got := b.quantile(q); got != want {
			t.Errorf("the quantile %g is %g, not %g", q, got, want)
		}
	}
	if got := (buckets{}).quantile(0.5); got != 0 {
		t.Errorf("of nothing it is %g", got)
	}
}

func TestWhatCantBeMeasuredIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--events", "5"}, {"--shares", "101"}, {"--purchases", "0"}, {"--profile"}, {"--laps", "0"}} {
		cmd := newCommand()
		cmd.SetArgs(args)
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), args[0]) && args[0] != "--profile" {
			t.Errorf("%v: %v", args, err)
		}
	}
}
