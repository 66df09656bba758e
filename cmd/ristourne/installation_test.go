package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

// variant is the bank's configuration with one thing changed.
func (b *bank) variant(t *testing.T, old, with string) string {
	t.Helper()
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("the configuration has no %q", old)
	}
	path := b.config + "-" + fmt.Sprint(len(with)) + ".yaml"
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, with)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantRefused runs a command that must refuse to work and say so.
func wantRefused(t *testing.T, says string, arguments ...string) {
	t.Helper()
	_, stderr, code := command(t, "", arguments...)
	if code != exitFailed || !strings.Contains(stderr, says) {
		t.Errorf("ristourne %s exits %d and says %q, want exit 1 and %q", strings.Join(arguments, " "), code, stderr, says)
	}
}

func TestPartsThatDoNotBelongTogetherAreRefused(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newBank(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	b.start(t)
	waitUntil(t, "the processor has its shards", func() bool { _, status := b.get(t, "/readyz"); return status == 200 })
	b.waitForTaken(t, b.sendFile(t, rules.TopicFacts, simulateDir+"/facts.jsonl"))
	b.stop()
	if err := <-b.stopped; err != nil {
		t.Fatal(err)
	}

	commands := [][]string{
		{"run"},
		{"rebuild", "--shard", "0"},
		{"why", "--account", "acc-1"},
		{"offers", "restore"},
		{"offers", "publish", lyonCatalogue},
	}
	refused := func(says, config string) {
		t.Helper()
		for _, arguments := range commands {
			wantRefused(t, says, append(arguments, "--config", config)...)
		}
	}
	t.Run("another secret", func(t *testing.T) {
		refused("account_ref_key is not the key that this installation began with", b.variant(t, "GOOD_SECRET", "OTHER_SECRET"))
	})
	t.Run("another ClickHouse database", func(t *testing.T) {
		config := b.variant(t, "database: "+b.c.ClickHouse.Database, "database: "+b.c.ClickHouse.Database+"_other")
		// One that was never used has no tables: what only reads doesn't make any.
		commands = append(commands[:2], commands[3:]...)
		refused("the ClickHouse database has never heard of it", config)
	})
	t.Run("the Redis of another installation", func(t *testing.T) {
		other := b.variant(t, "prefix: bank", "prefix: rival")
		// It begins with a database of its own.
		path := other + ".own.yaml"
		text, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		own := strings.ReplaceAll(string(text), "database: "+b.c.ClickHouse.Database, "database: "+b.c.ClickHouse.Database+"_rival")
		if err := os.WriteFile(path, []byte(own), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, stderr, code := command(t, "", "offers", "publish", lyonCatalogue, "--config", path); code != 0 {
			t.Fatalf("a second installation can't begin: %s", stderr)
		}
		refused("the ClickHouse database to", other)
	})
	t.Run("an emptied Redis is the same installation", func(t *testing.T) {
		ctx := t.Context()
		client, err := b.c.Redis.Connect()
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		before, err := b.store.Installation(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		b.run(t, "offers", "restore")
		after, err := b.store.Installation(ctx)
		if err != nil || after.Installation != before.Installation || !after.Confirmed {
			t.Errorf("after Redis was emptied the installation is %+v, before %+v, %v", after, before, err)
		}
	})
}

// Any number of processes may start at once for the first time; of two
// installations on one database, one at most begins.
func TestWhoComesFirstMakesTheInstallation(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	ctx := t.Context()
	o, err := b.c.ClickHouse.Options()
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := clickhouse.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	if err := ledger.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	client, err := b.c.Redis.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	hold := func(prefix string) (rules.Installation, error) {
		store, err := accounts.New(client, prefix)
		if err != nil {
			return rules.Installation{}, err
		}
		return processor.HoldInstallation(ctx, store, ledger, []byte(strings.Repeat("k", 32)))
	}
	const starts = 6
	var group sync.WaitGroup
	var ids [starts]rules.Installation
	var errs [starts]error
	for i := range starts {
		group.Go(func() { ids[i], errs[i] = hold("race") })
	}
	group.Wait()
	for i := range starts {
		if errs[i] != nil || ids[i] != ids[0] || ids[i].ID == "" {
			t.Errorf("start %d holds %+v, %v; the first %+v", i, ids[i], errs[i], ids[0])
		}
	}
	// All that came to a second Redis on the same database are refused.
	for i := range 2 {
		if other, err := hold(fmt.Sprint("second-", i)); err != nil || other != ids[0] {
			// An empty Redis goes with the ledger that it is given.
			t.Errorf("an empty Redis beside the ledger holds %+v, %v", other, err)
		}
	}
	if _, err := ledger.Installations(ctx); err != nil {
		t.Error(err)
	}
	racing(ctx, t, ledger, hold)
}

// racing lets two that are new to each other begin on one database.
func racing(ctx context.Context, t *testing.T, ledger *clickhouse.Ledger, hold func(prefix string) (rules.Installation, error)) {
	t.Helper()
	began, err := ledger.Installations(ctx)
	if err != nil || len(began) != 1 {
		t.Fatalf("%d installations, %v", len(began), err)
	}
	if err := ledger.WithdrawInstallation(ctx, began[0]); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var ids [2]rules.Installation
	var errs [2]error
	for i := range 2 {
		group.Go(func() { ids[i], errs[i] = hold(fmt.Sprint("rival-", i)) })
	}
	group.Wait()
	for i := range 2 {
		if errs[i] != nil && !errors.Is(errs[i], processor.ErrOtherInstallation) {
			t.Error(errs[i])
		}
	}
	if errs[0] == nil && errs[1] == nil && ids[0] != ids[1] {
		t.Errorf("two installations have begun on one database: %+v, %+v", ids[0], ids[1])
	}
	if left, err := ledger.Installations(ctx); err != nil || len(left) > 1 {
		t.Errorf("%d installations are left, %v", len(left), err)
	}
}
