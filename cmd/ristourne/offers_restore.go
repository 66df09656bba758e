package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog/published"
)

func newOffersRestoreCommand(deps offersDeps) *cobra.Command {
	var config, tip string
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Bring a catalogue that Redis lost back from ClickHouse",
		Long: `Bring a catalogue that Redis lost back from ClickHouse, version by version.
Processors that wait for it go on by themselves. A catalogue that is there is
never written over.

ClickHouse may also hold a version that never got into Redis, since another
publication was faster. Where it isn't clear which one was the newest, --tip
says so: each processor logs the hash of what it decides by.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return restoreOffers(cmd, deps, config, tip) },
	}
	configFlag(cmd, &config)
	cmd.Flags().StringVar(&tip, "tip", "", "beginning of the newest version's hash, where there is doubt")
	return cmd
}

func restoreOffers(cmd *cobra.Command, deps offersDeps, config, tip string) (err error) {
	ctx := cmd.Context()
	client, prefix, err := deps.Redis(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	archive, err := deps.Archive(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	bodies, err := archive.Bodies(ctx)
	if err != nil {
		return err
	}
	_, _, empty := published.Entries(ctx, client, prefix)
	version, err := published.Restore(ctx, client, prefix, bodies, tip)
	if err != nil {
		return err
	}
	if empty == nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "nothing was lost: catalogue version %d (%.12s) is in Redis already\n", version.Number, version.Hash)
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "catalogue version %d (%.12s) is back in Redis\n", version.Number, version.Hash)
	return err
}
