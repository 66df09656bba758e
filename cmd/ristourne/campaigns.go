package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/catalog/changes"
	"ristourne/processor/catalog/published"
)

func newCampaignsCommand(deps offersDeps) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "campaigns",
		Short: "List the campaigns that are published, and stop one",
	}
	cmd.AddCommand(newCampaignsListCommand(deps), newCampaignsShowCommand(deps), newCampaignsStopCommand(deps))
	return cmd
}

func newCampaignsListCommand(deps offersDeps) *cobra.Command {
	cmd := newLookupCommand(deps, "list", "List the campaigns that are published, and how each of them stands", cobra.NoArgs, listCampaigns)
	cmd.Example = "  ristourne campaigns list --config ristourne.yaml"
	return cmd
}

func listCampaigns(ctx context.Context, stdout io.Writer, p publishedCatalogue, _ []string) error {
	loaded, now, err := published.Read(ctx, p.client, p.prefix)
	if err != nil {
		return explainEmpty(err)
	}
	all := changes.Campaigns(loaded.Catalogue, now)
	if p.asJSON {
		lines := json.NewEncoder(stdout)
		for i := range all {
			if err := lines.Encode(all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(stdout, "no campaign was ever published")
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CAMPAIGN\tNAME\tSTATE\tTIMES\tBUDGET")
	for i := range all {
		s := &all[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.ID, orDash(s.Name), s.StateText(), orDash(s.Times), orDash(strings.TrimSuffix(s.Budget, " to all members together")))
	}
	return table.Flush()
}

func newCampaignsShowCommand(deps offersDeps) *cobra.Command {
	cmd := newLookupCommand(deps, "show ID", "Show all versions of a campaign as they were published", cobra.ExactArgs(1), showCampaign)
	cmd.Example = "  ristourne campaigns show black-friday --config ristourne.yaml"
	return cmd
}

func showCampaign(ctx context.Context, stdout io.Writer, p publishedCatalogue, given []string) error {
	entries, now, err := published.Entries(ctx, p.client, p.prefix)
	if err != nil {
		return explainEmpty(err)
	}
	found := false
	for _, e := range entries {
		if e.Kind != catalog.KindCampaign || e.ID != given[0] {
			continue
		}
		found = true
		if err := showEntry(stdout, e, now, p.asJSON); err != nil {
			return err
		}
	}
	if !found {
		return noCampaign(given[0])
	}
	return nil
}

func noCampaign(id string) error {
	return fmt.Errorf("campaign %q was never published: ristourne campaigns list names those that were", id)
}

func newCampaignsStopCommand(deps offersDeps) *cobra.Command {
	var config string
	var sure bool
	cmd := &cobra.Command{
		Use:   "stop ID",
		Short: "Stop a campaign: its budget within seconds, all of it six minutes later",
		Long: `Stop a campaign. Its budget pays for no purchase made from now on, as soon as the
processors hear of it: within seconds. That the campaign has ended is published with
a lead of 6 minutes by Redis' clock, as everything is; purchases made from then on
are not boosted by it any more, whether it has a budget or not. What was earned
before stays: a purchase made before is boosted even if it is cleared or refunded
later, and the budget pays for it. What was to come of the campaign is withdrawn.

Remove its file from the folder of offers too: publishing a folder that still has
it is refused, unless it is told to take the campaign up again.`,
		Example: `  ristourne campaigns stop black-friday --config ristourne.yaml
  ristourne campaigns stop black-friday --config ristourne.yaml --yes`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return stopCampaign(cmd, deps, given[0], config, sure) },
	}
	configFlag(cmd, &config)
	cmd.Flags().BoolVar(&sure, "yes", false, "don't ask whether it is meant")
	return cmd
}

func stopCampaign(cmd *cobra.Command, deps offersDeps, id, config string, sure bool) (err error) {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	client, prefix, err := deps.Redis(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	loaded, now, err := published.Read(ctx, client, prefix)
	if err != nil {
		return explainEmpty(err)
	}
	all := changes.Campaigns(loaded.Catalogue, now)
	at := slices.IndexFunc(all, func(s changes.Campaign) bool { return s.ID == id })
	switch {
	case at < 0:
		return noCampaign(id)
	case all[at].State == changes.Stopped || all[at].State == changes.Stops || all[at].State == changes.Gone:
		_, err := fmt.Fprintf(out, "nothing to do: campaign %s is %s already\n", id, strings.TrimSpace(all[at].State+" "+all[at].Since))
		return err
	}
	if !sure {
		fmt.Fprintf(out, "Campaign %s (%s): %s.\nStop it for all members? What was earned stays. [y/N] ", id, all[at].Name, all[at].StateText())
		if !saidYes(cmd.InOrStdin()) {
			return errors.New("not stopped: answer y, or call it with --yes")
		}
	}
	archive, err := deps.Archive(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	published, err := published.End(ctx, client, catalog.Subject{Kind: catalog.KindCampaign, ID: id}, published.PublishOptions{Prefix: prefix, Archive: archive})
	if err != nil {
		return err
	}
	return printStopped(out, id, published, changes.ZoneOf(loaded.Catalogue, all[at].Agreed.Programme, now))
}

func saidYes(in io.Reader) bool {
	answer, _ := bufio.NewReader(io.LimitReader(in, 64)).ReadString('\n') // no answer is no
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

func printStopped(out io.Writer, id string, said published.Result, zone *time.Location) error {
	for _, c := range said.Changes {
		if c.Kind == published.Ended {
			fmt.Fprintf(out, "Campaign %s is stopped: purchases made from %s on are not boosted by it,\nand its budget, if it has one, pays for none made from now on. What was earned before stays.\n",
				id, c.From.Time().In(zone).Format(time.RFC3339))
		} else {
			fmt.Fprintf(out, "Version %s of campaign %s, which was to come, is withdrawn.\n", c.Version, id)
		}
	}
	var files []string
	for _, c := range said.Changes {
		if c.File != "" && !slices.Contains(files, c.File) {
			files = append(files, c.File)
		}
	}
	_, err := fmt.Fprintf(out, "Now remove %s from the folder of offers: it would bring the campaign back.\n", strings.Join(files, ", "))
	return err
}
