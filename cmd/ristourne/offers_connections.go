package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"ristourne/cmd/internal/config"
	"ristourne/processor/catalog/published"
	"ristourne/sinks/clickhouse"
)

// offersConnections opens what the configuration names.
func offersConnections() offersDeps {
	return offersDeps{
		Redis: func(_ context.Context, configPath string) (redis.UniversalClient, string, error) {
			c, err := config.Load(configPath)
			if err != nil {
				return nil, "", err
			}
			client, err := c.Redis.Connect()
			return client, c.Redis.Prefix, err
		},
		Archive: func(ctx context.Context, configPath string) (catalogueArchive, error) {
			c, err := config.Load(configPath)
			if err != nil {
				return nil, err
			}
			ledger, err := openLedger(ctx, c, slog.Default())
			if err != nil {
				return nil, err
			}
			if err := holdLedger(ctx, c, ledger); err != nil {
				return nil, errors.Join(err, ledger.Close())
			}
			return ledgerArchive{ledger}, nil
		},
	}
}

// holdLedger makes sure that the ledger is of the installation whose catalogue
// is written to both.
func holdLedger(ctx context.Context, c *config.Config, ledger *clickhouse.Ledger) error {
	store, closeStore, err := c.Redis.Accounts()
	if err != nil {
		return err
	}
	defer closeStore()
	_, err = holdInstallation(ctx, c, store, ledger, slog.Default())
	return err
}

// ledgerArchive keeps the catalogue beside the ledger that was decided by it.
type ledgerArchive struct{ *clickhouse.Ledger }

func (a ledgerArchive) PutCatalogueVersion(ctx context.Context, v published.Version) error {
	return a.Ledger.PutCatalogueVersion(ctx, clickhouse.CatalogueVersion{
		Hash: v.Hash, Previous: v.Previous, EffectiveFrom: v.EffectiveFrom(), PublishedAt: v.PublishedAt, Body: v.Body,
	})
}

func (a ledgerArchive) Bodies(ctx context.Context) ([][]byte, error) {
	versions, err := a.CatalogueVersions(ctx)
	bodies := make([][]byte, len(versions))
	for i := range versions {
		bodies[i] = versions[i].Body
	}
	return bodies, err
}
