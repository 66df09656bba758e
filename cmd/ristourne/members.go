package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/catalog"
	"ristourne/processor/catalog/published"
	"ristourne/processor/feed"
	"ristourne/processor/members"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

func newMembersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members",
		Short: "Enrol members in bulk",
	}
	cmd.AddCommand(newMembersImportCommand())
	return cmd
}

type importOptions struct {
	config string
	check  bool
	terms  members.Terms
}

func newMembersImportCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Enrol the members of a file by writing facts to Kafka",
		Long: `Enrol the members of a CSV file by writing facts to Kafka. Its first line names
the columns, separated by commas:

  account_id          needed
  member_id           needed
  card_tokens         separated by spaces
  level
  segments            separated by spaces
  sponsor_account_id
  enrolled_at         RFC 3339 with offset; --at where it is missing

The whole file is checked before anything is sent; each fault is told as
FILE:LINE, also what a spreadsheet or an export has made of ids: 1.23457E+11,
decimals, apostrophes, spaces around them, characters that can't be seen, one
account under two member ids. Ids that look alike are warned of. Importing the
same file again, with the same --programme and --at, changes nothing: the same
line gives the same fact.`,
		Example: `  ristourne members import members.csv --config ristourne.yaml --programme cashback-lyon --at 2026-01-01T00:00:00+01:00
  ristourne members import members.csv --config ristourne.yaml --programme cashback-lyon --check`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := o.terms.Validate(); err != nil {
				return usageError{fmt.Errorf("--%w", err)}
			}
			return importMembers(cmd.Context(), cmd.ErrOrStderr(), given[0], o)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.terms.Programme, "programme", "", "programme in which they are enrolled (needed)")
	cmd.Flags().StringVar(&o.terms.At, "at", "", "enrolment of lines that state none, RFC 3339 with offset")
	cmd.Flags().BoolVar(&o.check, "check", false, "check the file and send nothing")
	if err := cmd.MarkFlagRequired("programme"); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

const (
	importBatch = 10_000 // facts of one write
	// importBatchBytes keeps a batch under the 1,048,588 bytes that a topic takes
	// by default, also where compression gains nothing.
	importBatchBytes = 900_000
	catalogueGlance  = 5 * time.Second
)

func importMembers(ctx context.Context, stderr io.Writer, file string, o importOptions) error {
	c, err := config.Load(o.config)
	if err != nil {
		return err
	}
	ranges, err := knownProgramme(ctx, stderr, c, o.terms.Programme)
	if err != nil {
		return err
	}
	members, err := members.Check(file, o.terms, ranges, func(warning string) { fmt.Fprintln(stderr, warning) })
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s: %s, no faults\n", file, offer.Counted(members, "member"))
	if o.check || members == 0 {
		return nil
	}
	if err := c.Kafka.Look(ctx, c.Kafka.Topics.Facts); err != nil {
		return err
	}
	transport, err := c.Kafka.Transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Addr: kafka.TCP(c.Kafka.Brokers...), Topic: c.Kafka.Topics.Facts, Transport: transport,
		RequiredAcks: kafka.RequireAll, Balancer: placing(ctx, stderr, c), Compression: kafka.Lz4,
		BatchSize: importBatch, BatchBytes: importBatchBytes, BatchTimeout: time.Millisecond,
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxAttempts: 10,
	}
	bar := progressbar.NewOptions(members, progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription("enrolling"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(stderr) }))
	err = sendMembers(ctx, writer, file, o, bar)
	if err = errors.Join(err, writer.Close()); err != nil {
		fmt.Fprintln(stderr)
		return fmt.Errorf("%w; start the same import again: what was sent already changes nothing", err)
	}
	return bar.Finish()
}

// placing puts each account into the shard where it lies, also where the topic was
// given more partitions later. Before there is a layout, murmur2 over all of them.
func placing(ctx context.Context, stderr io.Writer, c *config.Config) kafka.Balancer {
	shards, err := heldShards(ctx, c)
	if err != nil {
		fmt.Fprintf(stderr, "Redis doesn't tell over how many shards accounts are laid out: taking all partitions of the topic (%v)\n", err)
	}
	layout := feed.NewLayout(shards)
	if !layout.Known() {
		return kafka.Murmur2Balancer{}
	}
	return kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return int(layout.Shard(m.Key)) })
}

// heldShards is over how many shards accounts are laid out, as Redis has it; 0:
// nothing was decided yet.
func heldShards(ctx context.Context, c *config.Config) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, config.LookTimeout)
	defer cancel()
	store, closeStore, err := c.Redis.Accounts()
	if err != nil {
		return 0, err
	}
	defer closeStore()
	return store.Shards(ctx)
}

// knownProgramme refuses a programme that the catalogue doesn't have, as nobody
// would notice before the first purchase earns nothing. It gives the card tokens
// that look like card numbers and are allowed. Members may be enrolled before
// there is a catalogue; it says so.
func knownProgramme(ctx context.Context, stderr io.Writer, c *config.Config, programme string) ([]rules.TokenRange, error) {
	ctx, cancel := context.WithTimeout(ctx, catalogueGlance)
	defer cancel()
	client, err := c.Redis.Connect()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	entries, _, err := published.Entries(ctx, client, c.Redis.Prefix)
	var snapshot *engine.Snapshot
	if err == nil {
		snapshot, err = catalogueNow(ctx, c)
	}
	if err != nil {
		fmt.Fprintf(stderr, "there is no catalogue yet that could tell whether programme %q exists, or which card tokens may look like card numbers (%v)\n", programme, err)
		return nil, nil
	}
	var known []string
	for _, e := range entries {
		if e.Kind == catalog.KindProgramme && !slices.Contains(known, e.ID) {
			known = append(known, e.ID)
		}
	}
	if !slices.Contains(known, programme) {
		return nil, fmt.Errorf("--programme %q is not in the catalogue, which has %s", programme, strings.Join(known, ", "))
	}
	return snapshot.CardTokenRanges(), nil
}

// sendMembers writes the file's facts in batches. A batch that failed is told,
// not skipped: the same import can be started again.
func sendMembers(ctx context.Context, writer *kafka.Writer, file string, o importOptions, bar *progressbar.ProgressBar) error {
	batch := make([]kafka.Message, 0, importBatch)
	send := func() error {
		if err := writer.WriteMessages(ctx, batch...); err != nil {
			return fmt.Errorf("write facts: %w", firstOf(err))
		}
		n := len(batch)
		batch = batch[:0]
		return bar.Add(n)
	}
	err := members.Each(file, o.terms, func(_ int, fact *members.Enrolment, err error) error {
		if err != nil {
			return err
		}
		value, err := json.Marshal(fact)
		if err != nil {
			return err
		}
		if batch = append(batch, kafka.Message{Key: []byte(fact.AccountID), Value: value}); len(batch) < importBatch {
			return nil
		}
		return send()
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return send()
}

// firstOf is the first of the errors that kafka-go gives, one a message: their
// sum says only how many there are.
func firstOf(err error) error {
	var each kafka.WriteErrors
	if errors.As(err, &each) {
		for _, e := range each {
			if e != nil {
				return e
			}
		}
	}
	return err
}
