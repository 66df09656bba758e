package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/catalog/published"
	"ristourne/processor/sourcefile"
	"ristourne/rules/offer"
)

// catalogueSource is where a command that works offline or on what is published
// finds the catalogue: exactly one of the two is given.
type catalogueSource struct{ folder, config string }

func (s *catalogueSource) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.folder, "catalog", "", "folder of the offer files")
	cmd.Flags().StringVar(&s.config, "config", "", "configuration file: take what is published in its Redis instead of a folder")
}

func (s *catalogueSource) validate() error {
	if (s.folder == "") == (s.config == "") {
		return errors.New("say where the offers are: --catalog DIR for a folder, or --config FILE for what is published")
	}
	return nil
}

func (s *catalogueSource) load(ctx context.Context, deps offersDeps) (loaded *catalog.Loaded, err error) {
	if s.folder != "" {
		return loadFolder(s.folder)
	}
	client, prefix, err := deps.Redis(ctx, s.config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	loaded, _, err = published.Read(ctx, client, prefix)
	return loaded, explainEmpty(err)
}

// loadFolder reads a folder of offer files without a fault.
func loadFolder(dir string) (*catalog.Loaded, error) {
	loaded, err := catalog.Load(dir)
	var faults *sourcefile.Faults
	if errors.As(err, &faults) {
		return nil, fmt.Errorf("%s in %s:\n%w", offer.Counted(len(faults.List), "fault"), dir, err)
	}
	return loaded, err
}
