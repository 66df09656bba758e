package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/catalog/published"
	"ristourne/rules"
)

// lookupOptions are those of every command that reads a published catalogue.
type lookupOptions struct{ config, output string }

// newLookupCommand makes such a command of the function that does its work.
func newLookupCommand(deps offersDeps, use, short string, check cobra.PositionalArgs,
	run func(ctx context.Context, w io.Writer, p publishedCatalogue, given []string) error,
) *cobra.Command {
	var o lookupOptions
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  args(check),
		RunE: func(cmd *cobra.Command, given []string) (err error) {
			client, prefix, err := deps.Redis(cmd.Context(), o.config)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, client.Close()) }()
			return run(cmd.Context(), cmd.OutOrStdout(), publishedCatalogue{client, prefix, o.output == "json"}, given)
		},
	}
	configFlag(cmd, &o.config)
	outputFlag(cmd, &o.output)
	return cmd
}

// publishedCatalogue is where to look and how to tell.
type publishedCatalogue struct {
	client redis.UniversalClient
	prefix string
	asJSON bool
}

func newOffersListCommand(deps offersDeps) *cobra.Command {
	return newLookupCommand(deps, "list", "List the versions of programme and partners that hold, or will", cobra.NoArgs, listOffers)
}

// shownEntry is an entry as --output json has it.
type shownEntry struct {
	Kind          catalog.Kind `json:"kind"`
	ID            string       `json:"id"`
	Name          string       `json:"name"`
	Version       string       `json:"version"`
	EffectiveFrom string       `json:"effective_from,omitempty"` // none: from ever
	InForce       bool         `json:"in_force"`
	Ended         bool         `json:"ended"`
	Stores        int          `json:"stores"`
	Offers        int          `json:"offers"`
	Text          string       `json:"text,omitempty"`
}

func shown(e published.Entry) shownEntry {
	return shownEntry{
		Kind: e.Kind, ID: e.ID, Name: e.Name, Version: e.Version, EffectiveFrom: instantText(e.From, ""),
		InForce: e.InForce, Ended: e.Ended, Stores: e.Stores, Offers: e.Offers,
	}
}

func listOffers(ctx context.Context, stdout io.Writer, p publishedCatalogue, _ []string) error {
	entries, now, err := published.Entries(ctx, p.client, p.prefix)
	if err != nil {
		return explainEmpty(err)
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	lines := json.NewEncoder(stdout)
	if !p.asJSON {
		fmt.Fprintln(table, "SUBJECT\tNAME\tVERSION\tFROM\tSTORES\tOFFERS\t")
	}
	for _, e := range entries {
		if !e.InForce && !e.From.After(now) { // the past is for show
			continue
		}
		if p.asJSON {
			if err := lines.Encode(shown(e)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", e.Subject, e.Name, e.Version,
			instantText(e.From, "ever"), e.Stores, e.Offers, state(e, now))
	}
	return table.Flush()
}

// state says what a version is at Redis' time.
func state(e published.Entry, now rules.Instant) string {
	switch coming := e.From.After(now); {
	case e.InForce:
		return "in force"
	case coming && e.Ended:
		return "will end"
	case e.Ended:
		return "ended"
	case coming:
		return "to come"
	}
	return "past"
}

// explainEmpty says what to do where nothing is published.
func explainEmpty(err error) error {
	if errors.Is(err, published.ErrEmpty) {
		return fmt.Errorf("%w: publish one (ristourne offers publish DIR), or bring back what Redis lost", err)
	}
	return err
}

func newOffersShowCommand(deps offersDeps) *cobra.Command {
	return newLookupCommand(deps, "show ID", "Show all versions of a partner, or of the programme, as they were published",
		cobra.ExactArgs(1), showOffers)
}

func showOffers(ctx context.Context, stdout io.Writer, p publishedCatalogue, given []string) error {
	entries, now, err := published.Entries(ctx, p.client, p.prefix)
	if err != nil {
		return explainEmpty(err)
	}
	found := false
	for _, e := range entries {
		if e.ID != given[0] {
			continue
		}
		found = true
		if err := showEntry(stdout, e, now, p.asJSON); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("neither partner nor programme %q was ever published: ristourne offers list names them", given[0])
	}
	return nil
}

func showEntry(stdout io.Writer, e published.Entry, now rules.Instant, asJSON bool) error {
	if asJSON {
		s := shown(e)
		s.Text = e.Text
		return json.NewEncoder(stdout).Encode(s)
	}
	_, err := fmt.Fprintf(stdout, "# %s, version %s, from %s (%s)\n%s\n",
		e.Subject, e.Version, instantText(e.From, "ever"), state(e, now), strings.TrimRight(e.Text, "\n"))
	return err
}

func newOffersHistoryCommand(deps offersDeps) *cobra.Command {
	return newLookupCommand(deps, "history", "List everything that was ever published", cobra.NoArgs, historyOfOffers)
}

// shownVersion is a publication as --output json has it.
type shownVersion struct {
	Number      uint64        `json:"number"`
	Hash        string        `json:"hash"`
	Previous    string        `json:"previous,omitempty"`
	PublishedAt string        `json:"published_at"`
	Changes     []shownChange `json:"changes"`
}

type shownChange struct {
	Change        published.ChangeKind `json:"change"`
	Kind          catalog.Kind         `json:"kind"`
	ID            string               `json:"id"`
	Version       string               `json:"version"`
	EffectiveFrom string               `json:"effective_from,omitempty"` // none: from ever
}

func historyOfOffers(ctx context.Context, stdout io.Writer, p publishedCatalogue, _ []string) error {
	versions, err := published.History(ctx, p.client, p.prefix)
	if err != nil {
		return explainEmpty(err)
	}
	if p.asJSON {
		lines := json.NewEncoder(stdout)
		for _, v := range versions {
			if err := lines.Encode(shownOf(v)); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tPUBLISHED\tHASH\tCHANGES")
	for _, v := range versions {
		fmt.Fprintf(table, "%d\t%s\t%.12s\t%s\n", v.Number, instantText(v.PublishedAt, ""), v.Hash, changesText(v.Changes))
	}
	return table.Flush()
}

func shownOf(v published.Version) shownVersion {
	s := shownVersion{Number: v.Number, Hash: v.Hash, Previous: v.Previous, PublishedAt: v.PublishedAt.String()}
	for _, c := range v.Changes {
		s.Changes = append(s.Changes, shownChange{c.Kind, c.Subject.Kind, c.ID, c.Version, instantText(c.From, "")})
	}
	return s
}
