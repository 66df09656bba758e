package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/catalog/changes"
	"ristourne/processor/catalog/published"
	"ristourne/processor/sourcefile"
	"ristourne/rules/offer"
)

type diffOptions struct {
	config, output string
	exitCode       bool
	removeMissing  bool
}

func newOffersDiffCommand(deps offersDeps) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff OLD NEW | diff --config FILE NEW",
		Short: "Say in words what a change of the offers means to members and partners",
		Long: `Say in words what a change of the offers means to members, to partners and to the
programme: offers that begin or end, rates, caps, conditions, times, boosts,
campaigns, budgets, commissions, stores and their keys; and from when.

OLD and NEW are folders of offer files. With --config, NEW is compared with what
is published, as if it were published now: nothing is published by it.

Exit code 0, whether or not something differs; with --exit-code 1 if it does.`,
		Example: `  ristourne offers diff main/offers branch/offers
  ristourne offers diff --config ristourne.yaml offers/`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if (len(given) == 1) != (o.config != "") {
				return usageError{errors.New("name two folders, or one folder and with --config what it is compared with")}
			}
			return o.diff(cmd, deps, given)
		},
	}
	cmd.Flags().StringVar(&o.config, "config", "", "configuration file: compare with what is published in its Redis")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit 1 if something differs")
	cmd.Flags().BoolVar(&o.removeMissing, "remove-missing", false, "with --config: what is published and the folder doesn't have would end")
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *diffOptions) diff(cmd *cobra.Command, deps offersDeps, given []string) error {
	before, after, err := o.catalogues(cmd.Context(), deps, given)
	if err != nil {
		var faults *sourcefile.Faults
		if errors.As(err, &faults) {
			return printFaults(cmd.ErrOrStderr(), err)
		}
		return err
	}
	differences := changes.Compare(before, after)
	if o.output == "json" {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
			Changes []changes.Change `json:"changes"`
		}{differences})
	} else {
		err = changes.Print(cmd.OutOrStdout(), differences)
	}
	if err == nil && o.exitCode && len(differences) > 0 {
		return errReported
	}
	return err
}

func (o *diffOptions) catalogues(ctx context.Context, deps offersDeps, given []string) (before, after *offer.Catalogue, err error) {
	loaded, err := catalog.Load(given[len(given)-1])
	if err != nil {
		return nil, nil, err
	}
	if o.config == "" {
		old, err := catalog.Load(given[0])
		if err != nil {
			return nil, nil, err
		}
		return old.Catalogue, loaded.Catalogue, nil
	}
	client, prefix, err := deps.Redis(ctx, o.config)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	preview, err := published.PreviewOf(ctx, client, loaded, published.PublishOptions{Prefix: prefix, RemoveMissing: o.removeMissing})
	if err != nil {
		return nil, nil, err
	}
	before = &offer.Catalogue{}
	if preview.Before != nil {
		before = preview.Before.Catalogue
	}
	return before, preview.After.Catalogue, nil
}
