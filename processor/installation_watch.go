package processor

import (
	"context"
	"log/slog"
	"time"

	"ristourne/rules"
)

// RedisWatched is what is looked at in Redis while a processor runs.
type RedisWatched interface {
	RedisInstallation
	RedisLayout
	// HeldInstallation is cheap; an empty ID: Redis has none.
	HeldInstallation(ctx context.Context) (rules.Installation, error)
}

// installationInterval is how often Redis is asked to which installation it belongs.
const installationInterval = 10 * time.Second

// WatchInstallation makes sure, until ctx ends, that Redis is still the one of this
// installation: it may be emptied, restored, or fail over to another. What an emptied
// one must hold, so that the next start knows it, is written again; the shards notice
// by themselves and are rebuilt. Another installation's is ErrOtherInstallation.
func WatchInstallation(ctx context.Context, store RedisWatched, ledger LedgerLayout, of rules.Installation, log *slog.Logger) error {
	tick := time.NewTicker(installationInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		held, err := store.HeldInstallation(ctx)
		switch {
		case err != nil: // Redis is away: steps and probes tell of it
		case held.ID == "":
			log.Error("Redis has forgotten to which installation it belongs: it was emptied, or another server has taken its place",
				"what_to_do", "the shards are rebuilt from ClickHouse by themselves; bring the catalogue back with `ristourne offers restore`, and find out what emptied Redis")
			if err := holdAgain(ctx, store, ledger, of); err != nil {
				log.Warn("it could not be written again, will retry", "error", err)
			}
		default:
			if err := agree(held, of); err != nil {
				return err
			}
		}
	}
}

func holdAgain(ctx context.Context, store RedisWatched, ledger LedgerLayout, of rules.Installation) error {
	if _, err := store.HoldInstallation(ctx, of, true); err != nil {
		return err
	}
	_, err := HoldLayout(ctx, store, ledger, 0)
	return err
}
