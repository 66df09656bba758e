package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

func newCheckCommand() *cobra.Command {
	var configPath, output string
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Find what the ledger in ClickHouse has lost",
		Long: `Find what the ledger in ClickHouse has lost: tables, months and rows that are
gone, were changed or come from elsewhere, and batches that ClickHouse doesn't have
though they were booked, as Redis or the consumer group's commits know.

Each shard's marker counts what was booked, by table and month, with a sum of the
rows' SHA-256. This reads every row and compares. It changes nothing, and may run
beside processors; rows that are being booked meanwhile are left out.

Exit code 0: whole. 1: holes, each told with its table, shard and month.`,
		Example: `  ristourne check --config ristourne.yaml
  ristourne check --config ristourne.yaml --output json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(configPath)
			if err != nil {
				return err
			}
			return checkLedger(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), c, output, warnings(cmd))
		},
	}
	configFlag(cmd, &configPath)
	outputFlag(cmd, &output)
	return cmd
}

// checkedJSON is what --output json prints.
type checkedJSON struct {
	Shards     int          `json:"shards"`
	NotCounted []int32      `json:"not_counted,omitempty"` // shards of which no marker counts anything yet
	Holes      []rules.Hole `json:"holes"`
}

func checkLedger(ctx context.Context, stdout, stderr io.Writer, c *config.Config, output string, log *slog.Logger) error {
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	store, closeStore, err := c.Redis.Accounts()
	if err != nil {
		return err
	}
	defer closeStore()
	known, err := committedOf(ctx, c, store, ledger, log)
	if err != nil {
		return err
	}
	shards := len(known)
	found := checkedJSON{Shards: shards, Holes: []rules.Hole{}}
	began := time.Now()
	for shard := range int32(shards) {
		holes, counted, err := checkShard(ctx, store, ledger, shard, &known[shard])
		if err != nil {
			return fmt.Errorf("check shard %d: %w", shard, err)
		}
		found.Holes = append(found.Holes, holes...)
		if !counted {
			found.NotCounted = append(found.NotCounted, shard)
		}
		fmt.Fprintf(stderr, "shard %d of %d: %s (%s)\n", shard, shards, offer.Counted(len(holes), "hole"), time.Since(began).Round(time.Second))
	}
	return tellChecked(stdout, &found, output)
}

// committedOf is what the group has committed of each shard, before anything is read
// that must be as new. Shards may be those of Redis, which may be emptied, of the
// ledger, which may be another, or of the topics.
func committedOf(ctx context.Context, c *config.Config, store *accounts.Store, ledger *clickhouse.Ledger, log *slog.Logger) ([]feed.Commits, error) {
	feedConfig, err := c.Kafka.Feed(log)
	if err != nil {
		return nil, err
	}
	feedConfig.HoldShards = knownLayout(store, ledger)
	inTopics, err := feed.Shards(ctx, feedConfig)
	if err != nil {
		return nil, err
	}
	inLedger, err := ledger.Shards(ctx)
	if err != nil {
		return nil, err
	}
	known := make([]feed.Commits, max(inTopics, inLedger))
	for shard := range known[:inTopics] {
		if known[shard], err = feed.CommittedBy(ctx, feedConfig, int32(shard)); err != nil {
			return nil, err
		}
	}
	return known, nil
}

func checkShard(ctx context.Context, store *accounts.Store, ledger *clickhouse.Ledger, shard int32, commits *feed.Commits) (holes []rules.Hole, counted bool, err error) {
	// Redis first: what it says is booked must be in the ledger by then.
	head, err := store.Head(ctx, shard)
	if err != nil {
		return nil, false, err
	}
	if holes, counted, err = ledger.CheckShard(ctx, shard); err != nil {
		return nil, counted, err
	}
	marker, _, err := ledger.Marker(ctx, shard)
	return append(holes, holeBehind(shard, &head, commits, &marker)...), counted, err
}

// holeBehind is what Redis, or the group's commits, say was booked and the marker
// doesn't have.
func holeBehind(shard int32, head *accounts.Head, commits *feed.Commits, marker *rules.Marker) []rules.Hole {
	booked := head.Batch - min(head.Batch, uint64(head.Outbox))
	who := "Redis knows"
	if committed := commits.Batch(); committed > head.Batch {
		booked, who = committed, "the consumer group's commits tell"
	}
	if booked <= marker.Batch {
		return nil
	}
	return []rules.Hole{{
		Table: rules.MarkersTable, Shard: shard, WantRows: booked, HaveRows: marker.Batch,
		What: fmt.Sprintf("batches %d to %d are missing: %s that they were booked. ClickHouse was restored from a backup, or this replica lags", marker.Batch+1, booked, who),
	}}
}

func tellChecked(w io.Writer, found *checkedJSON, output string) error {
	if output == "json" {
		if err := json.NewEncoder(w).Encode(found); err != nil {
			return err
		}
	} else {
		for i := range found.Holes {
			fmt.Fprintln(w, found.Holes[i])
		}
		for _, shard := range found.NotCounted {
			fmt.Fprintf(w, "shard %d is not counted yet: its next owner begins to, with what stands there by then\n", shard)
		}
	}
	if len(found.Holes) > 0 {
		return fmt.Errorf("%w: %s in %s. Restore the rows from a backup or a replica; shards with holes stand still until then, or until `ristourne repair --approve --accept-holes`",
			processor.ErrIncomplete, offer.Counted(len(found.Holes), "hole"), offer.Counted(found.Shards, "shard"))
	}
	if output == "json" {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s: the ledger is whole\n", offer.Counted(found.Shards, "shard"))
	return err
}
