package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/catalog/changes"
	"ristourne/processor/catalog/published"
	"ristourne/processor/sourcefile"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// offersDeps opens what a published catalogue lies in. Whoever opens one closes
// it.
type offersDeps struct {
	// Redis also gives the prefix of the keys there.
	Redis   func(ctx context.Context, configPath string) (client redis.UniversalClient, prefix string, err error)
	Archive func(ctx context.Context, configPath string) (catalogueArchive, error)
}

// catalogueArchive keeps every version of the catalogue.
type catalogueArchive interface {
	published.Archive
	io.Closer
	// Bodies are those of all versions that were ever put, in any order.
	Bodies(ctx context.Context) ([][]byte, error)
}

func newOffersCommand(deps offersDeps) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "offers",
		Short: "Check, publish and look up the catalogue of partners and offers",
	}
	cmd.AddCommand(
		newOffersValidateCommand(),
		newOffersTestCommand(),
		newOffersExplainCommand(deps),
		newOffersDiffCommand(deps),
		newOffersSchemaCommand(),
		newOffersPublishCommand(deps),
		newOffersListCommand(deps),
		newOffersShowCommand(deps),
		newOffersHistoryCommand(deps),
		newOffersRestoreCommand(deps),
	)
	return cmd
}

func newOffersValidateCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "validate DIR",
		Short: "Find every fault in a folder of offer files",
		Long: `Find every fault in a folder of offer files, and warn of what is surely not
meant. Each is told as file:line:column: what is wrong, and what to do.

Exit code 0: no fault, perhaps warnings. 1: faults.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return validateOffers(cmd.OutOrStdout(), cmd.ErrOrStderr(), given[0], output)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// validateOffers prints faults to stdout: they are what was asked for.
func validateOffers(stdout, stderr io.Writer, dir, output string) error {
	loaded, err := catalog.Load(dir)
	var faults *sourcefile.Faults
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	switch {
	case output == "json":
		err = printVerdict(stdout, loaded, faults)
	case faults != nil:
		fmt.Fprintf(stderr, "%s in %s\n", offer.Counted(len(faults.List), "fault"), dir)
		err = faults.Render(stdout)
	default:
		warnings := loaded.Warnings()
		if err = printWarnings(stdout, warnings); err == nil {
			_, err = fmt.Fprintf(stdout, "%s is sound: %s; %s\n", dir, summary(loaded), offer.Counted(len(warnings), "warning"))
		}
	}
	if err == nil && faults != nil {
		return errReported
	}
	return err
}

// printVerdict is --output json.
func printVerdict(stdout io.Writer, loaded *catalog.Loaded, faults *sourcefile.Faults) error {
	verdict := struct {
		Faults   []sourcefile.Fault `json:"faults"`
		Warnings []sourcefile.Fault `json:"warnings"`
	}{[]sourcefile.Fault{}, []sourcefile.Fault{}}
	if faults != nil {
		verdict.Faults = faults.List
	} else {
		verdict.Warnings = append(verdict.Warnings, loaded.Warnings()...)
	}
	return json.NewEncoder(stdout).Encode(verdict)
}

func printWarnings(w io.Writer, warnings []sourcefile.Fault) error {
	for _, warning := range warnings {
		warning.Message = "warning: " + warning.Message
		if err := warning.Render(w); err != nil {
			return err
		}
	}
	return nil
}

// maxPublishWarnings bounds what stands before the answer to a publication: each of
// ten thousand partners may give a warning.
const maxPublishWarnings = 20

func printSomeWarnings(stderr io.Writer, warnings []sourcefile.Fault, dir string) error {
	shown := min(len(warnings), maxPublishWarnings)
	if err := printWarnings(stderr, warnings[:shown]); err != nil || shown == len(warnings) {
		return err
	}
	_, err := fmt.Fprintf(stderr, "and %s more: ristourne offers validate %s tells them all\n", offer.Counted(len(warnings)-shown, "warning"), dir)
	return err
}

func summary(loaded *catalog.Loaded) string {
	partners := map[string]bool{}
	var stores, offers int
	for _, p := range loaded.Catalogue.Partners {
		partners[p.ID] = true
		stores, offers = stores+len(p.Stores), offers+len(p.Offers)
	}
	return fmt.Sprintf("%s in %s with %s and %s", offer.Counted(len(partners), "partner"),
		offer.Counted(len(loaded.Catalogue.Partners), "version"), offer.Counted(stores, "store"), offer.Counted(offers, "offer"))
}

func newOffersPublishCommand(deps offersDeps) *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use:   "publish DIR",
		Short: "Make a folder of offer files the catalogue that processors decide by",
		Long: `Make a folder of offer files the catalogue that processors decide by.

The folder is all that is to hold. A file that says what is published already
changes nothing. A new or edited one comes into force at its effective_from,
which lies at least 6 minutes ahead, or some six minutes from now where it has
none: longer than a card terminal's clock may be ahead, so that no purchase ever
waits for the catalogue. A programme that for the first time takes every account
as a member begins at least 11 minutes ahead. What was in force can't be changed. The very first publication may begin
in the past, and holds from ever where a file has no effective_from.

A campaign that was stopped (ristourne campaigns stop) and that the folder still
has is a mistake: --resume ID takes it up again where it is none.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return publishOffers(cmd, deps, given[0], o)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().BoolVar(&o.removeMissing, "remove-missing", false, "end partners and campaigns, and withdraw versions, that the folder doesn't have")
	cmd.Flags().StringArrayVar(&o.resume, "resume", nil, "a campaign that was stopped and is to go on; again for each")
	return cmd
}

type publishOptions struct {
	config        string
	removeMissing bool
	resume        []string
}

func publishOffers(cmd *cobra.Command, deps offersDeps, dir string, o publishOptions) (err error) {
	loaded, err := catalog.Load(dir)
	if err != nil {
		return printFaults(cmd.ErrOrStderr(), err)
	}
	if err := printSomeWarnings(cmd.ErrOrStderr(), loaded.Warnings(), dir); err != nil {
		return err
	}
	ctx := cmd.Context()
	client, prefix, err := deps.Redis(ctx, o.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	archive, err := deps.Archive(ctx, o.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	if err := refuseSecondHistory(ctx, client, prefix, archive); err != nil {
		return err
	}
	options := published.PublishOptions{Prefix: prefix, RemoveMissing: o.removeMissing, Archive: archive}
	if err := refuseStopped(ctx, client, loaded, options, o.resume); err != nil {
		return printFaults(cmd.ErrOrStderr(), err)
	}
	published, err := published.Publish(ctx, client, loaded, options)
	if err != nil {
		return printFaults(cmd.ErrOrStderr(), err)
	}
	return printPublished(cmd.OutOrStdout(), published)
}

// refuseSecondHistory keeps a catalogue that Redis lost from being begun anew:
// purchases of the past were decided by the one in the archive.
func refuseSecondHistory(ctx context.Context, client redis.UniversalClient, prefix string, archive catalogueArchive) error {
	_, err := published.History(ctx, client, prefix)
	if !errors.Is(err, published.ErrEmpty) {
		return err
	}
	bodies, err := archive.Bodies(ctx)
	if err != nil {
		return err
	}
	if len(bodies) > 0 {
		return fmt.Errorf("there is no catalogue in Redis, but ClickHouse has archived %s: bring it back first (ristourne offers restore)", offer.Counted(len(bodies), "version"))
	}
	return nil
}

// refuseStopped keeps a folder that still has a campaign from undoing its stop:
// whoever publishes it next may know nothing of it.
func refuseStopped(ctx context.Context, client redis.UniversalClient, loaded *catalog.Loaded, options published.PublishOptions, resume []string) error {
	preview, err := published.PreviewOf(ctx, client, loaded, options)
	if err != nil || preview.Before == nil {
		return err
	}
	for _, s := range changes.Campaigns(preview.Before.Catalogue, preview.Now) {
		if s.State != changes.Stopped && s.State != changes.Stops || slices.Contains(resume, s.ID) {
			continue
		}
		for _, c := range preview.Changes {
			if c.Subject == (catalog.Subject{Kind: catalog.KindCampaign, ID: s.ID}) && c.Kind == published.Added {
				return fmt.Errorf("campaign %s was stopped (from %s on), and the folder would bring it back: remove %s, or publish with --resume %s if that is meant", s.ID, s.Since, c.File, s.ID)
			}
		}
	}
	return nil
}

// printFaults shows faults with their lines, and leaves other errors alone.
func printFaults(stderr io.Writer, err error) error {
	var faults *sourcefile.Faults
	if !errors.As(err, &faults) {
		return err
	}
	if err := faults.Render(stderr); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s: nothing is published\n", offer.Counted(len(faults.List), "fault"))
	return errReported
}

func printPublished(stdout io.Writer, published published.Result) error {
	if len(published.Changes) == 0 {
		_, err := fmt.Fprintf(stdout, "nothing new: the folder says what catalogue version %d has\n", published.Number)
		return err
	}
	fmt.Fprintf(stdout, "published catalogue version %d (%.12s)\n", published.Number, published.Hash)
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, c := range published.Changes {
		fmt.Fprintf(table, "  %s\t%s\t%s\tfrom %s\n", c.Kind, c.Subject, c.Version, instantText(c.From, "ever"))
	}
	return table.Flush()
}

// instantText is an instant for people, or the given word for one before all
// time.
func instantText(at rules.Instant, ever string) string {
	if at == rules.MinInstant {
		return ever
	}
	return at.Time().Format(time.RFC3339)
}

// changesText is what a version changed, in one line.
func changesText(changes []published.Change) string {
	const most = 3
	var parts []string
	for i, c := range changes {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(changes)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s", c.Kind, c.Subject))
	}
	return strings.Join(parts, ", ")
}
