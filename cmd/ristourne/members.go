package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/catalog/published"
	"ristourne/processor/feed"
	"ristourne/processor/wire"
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
	config, programme, at string
	check                 bool
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
			if err := o.validate(); err != nil {
				return usageError{err}
			}
			return importMembers(cmd.Context(), cmd.ErrOrStderr(), given[0], o)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.programme, "programme", "", "programme in which they are enrolled (needed)")
	cmd.Flags().StringVar(&o.at, "at", "", "enrolment of lines that state none, RFC 3339 with offset")
	cmd.Flags().BoolVar(&o.check, "check", false, "check the file and send nothing")
	if err := cmd.MarkFlagRequired("programme"); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

// validate tells what would be wrong with every line.
func (o *importOptions) validate() error {
	probe := enrolled([]string{"account_id", "member_id", "enrolled_at"}, []string{"a", "m", "2000-01-01T00:00:00Z"}, *o)
	if err := newMemberChecker(nil).check("a", probe); err != nil {
		return fmt.Errorf("--programme %q: %w", o.programme, err)
	}
	if o.at == "" {
		return nil
	}
	probe = enrolled([]string{"account_id", "member_id"}, []string{"a", "m"}, *o)
	if err := newMemberChecker(nil).check("a", probe); err != nil {
		return fmt.Errorf("--at %q: %w", o.at, err)
	}
	return nil
}

const (
	maxImportFaults = 100
	importBatch     = 10_000 // facts of one write
	// importBatchBytes keeps a batch under the 1,048,588 bytes that a topic takes
	// by default, also where compression gains nothing.
	importBatchBytes = 900_000
	catalogueGlance  = 5 * time.Second
)

func importMembers(ctx context.Context, stderr io.Writer, file string, o importOptions) error {
	c, err := loadConfig(o.config)
	if err != nil {
		return err
	}
	ranges, err := knownProgramme(ctx, stderr, c, o.programme)
	if err != nil {
		return err
	}
	register := newMemberRegister(func(warning string) { fmt.Fprintln(stderr, warning) })
	members, err := checkMembers(file, o, newMemberChecker(ranges), register)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s: %s, no faults\n", file, offer.Counted(members, "member"))
	if o.check || members == 0 {
		return nil
	}
	if err := c.Kafka.look(ctx, c.Kafka.Topics.Facts); err != nil {
		return err
	}
	transport, err := c.Kafka.transport()
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
func placing(ctx context.Context, stderr io.Writer, c *config) kafka.Balancer {
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
func heldShards(ctx context.Context, c *config) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	store, closeStore, err := c.Redis.accounts()
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
func knownProgramme(ctx context.Context, stderr io.Writer, c *config, programme string) ([]rules.TokenRange, error) {
	ctx, cancel := context.WithTimeout(ctx, catalogueGlance)
	defer cancel()
	client, err := c.Redis.connect()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	entries, _, err := published.Entries(ctx, client, c.Redis.Prefix)
	var snapshot *engine.Snapshot
	if err == nil {
		snapshot, err = catalogueNow(ctx, c, slog.New(slog.DiscardHandler))
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
	err := eachMember(file, o, func(_ int, fact *enrolledJSON, err error) error {
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

// memberChecker puts facts through the decoder of the stream.
type memberChecker struct{ decoder *wire.Decoder }

func newMemberChecker(ranges []rules.TokenRange) *memberChecker {
	return &memberChecker{wire.NewDecoder(wire.Options{CardTokenRanges: ranges})}
}

func (m *memberChecker) check(accountID string, fact *enrolledJSON) error {
	value, err := json.Marshal(fact)
	if err != nil {
		return err
	}
	var f rules.Fact
	fault := m.decoder.Fact(value, []byte(accountID), time.Now().UnixMilli(), &f)
	m.decoder.Reset()
	switch {
	case fault == nil:
		return nil
	case fault.Field == "at" && fact.At == "":
		return errors.New("enrolled_at: missing: give it in the file, or --at for all lines")
	case fault.Field == "at" && fault.Reason == wire.ReasonAhead:
		return errors.New("enrolled_at: it is in the future: the stream takes no date more than 5 minutes ahead; import the line when it has come")
	case fault.Field == "at":
		return fmt.Errorf("enrolled_at: %s", fault.Detail)
	}
	return fmt.Errorf("%s: %s", fault.Field, fault.Detail)
}

// checkMembers looks at every line of the file.
func checkMembers(file string, o importOptions, checker *memberChecker, register *memberRegister) (members int, err error) {
	var faults []error
	err = eachMember(file, o, func(line int, fact *enrolledJSON, err error) error {
		members++
		if err == nil {
			if err = checker.check(fact.AccountID, fact); err != nil {
				err = fmt.Errorf("%s:%d: %w", file, line, err)
			}
			err = errors.Join(register.check(file, line, fact), err)
		}
		if err != nil {
			if faults = append(faults, err); len(faults) == maxImportFaults {
				return fmt.Errorf("these are the first %d faults; the rest of the file was not looked at", maxImportFaults)
			}
		}
		return nil
	})
	if err == nil {
		err = register.atEnd(file)
	}
	if err = errors.Join(append(faults, err)...); err != nil {
		return members, fmt.Errorf("nothing is sent:\n%w", err)
	}
	return members, nil
}

type enrolledJSON struct {
	FactID           string   `json:"fact_id"`
	Type             string   `json:"type"`
	AccountID        string   `json:"account_id"`
	At               string   `json:"at"`
	MemberID         string   `json:"member_id"`
	Programme        string   `json:"programme"`
	CardTokens       []string `json:"card_tokens,omitempty"`
	Level            string   `json:"level,omitempty"`
	Segments         []string `json:"segments,omitempty"`
	SponsorAccountID string   `json:"sponsor_account_id,omitempty"`
}

var memberColumns = []string{"account_id", "member_id", "card_tokens", "level", "segments", "sponsor_account_id", "enrolled_at"}

// eachMember turns the lines of the file into facts. A line that is no CSV is
// handed over as its error; fact is valid until each returns.
func eachMember(file string, o importOptions, each func(line int, fact *enrolledJSON, err error) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	reader := csv.NewReader(bufio.NewReaderSize(in, 1<<16))
	reader.ReuseRecord = true
	columns, err := memberHeader(file, reader)
	if err != nil {
		return err
	}
	for {
		row, err := reader.Read()
		var malformed *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &malformed):
			err = each(malformed.Line, nil, fmt.Errorf("%s:%d:%d: %w", file, malformed.Line, malformed.Column, malformed.Err))
		case err != nil:
			return fmt.Errorf("read %s: %w", file, err)
		default:
			line, _ := reader.FieldPos(0)
			if i := slices.IndexFunc(row, func(cell string) bool { return !utf8.ValidString(cell) }); i >= 0 {
				err = each(line, nil, fmt.Errorf("%s:%d: %s: not UTF-8: save the file in that encoding", file, line, columns[i]))
				break
			}
			err = each(line, enrolled(columns, row, o), nil)
		}
		if err != nil {
			return err
		}
	}
}

// memberHeader reads the first line, which names the columns.
func memberHeader(file string, reader *csv.Reader) ([]string, error) {
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:1: no header line: the first line names the columns %s", file, strings.Join(memberColumns, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read the header line of %s: %w", file, err)
	}
	columns := slices.Clone(header)
	columns[0] = strings.TrimPrefix(columns[0], "\ufeff") // as spreadsheets begin a file
	if len(columns) == 1 && strings.ContainsAny(columns[0], ";\t") {
		return nil, fmt.Errorf("%s:1: the columns must be separated by commas", file)
	}
	var faults []error
	for i, name := range columns {
		switch {
		case !slices.Contains(memberColumns, name):
			faults = append(faults, fmt.Errorf("%s:1: column %d is %q: known are %s", file, i+1, name, strings.Join(memberColumns, ", ")))
		case slices.Contains(columns[:i], name):
			faults = append(faults, fmt.Errorf("%s:1: column %q comes twice", file, name))
		}
	}
	for _, needed := range []string{"account_id", "member_id"} {
		if !slices.Contains(columns, needed) {
			faults = append(faults, fmt.Errorf("%s:1: column %s is missing: it is needed", file, needed))
		}
	}
	return columns, errors.Join(faults...)
}

// enrolled is the fact of one line. Its id is derived from what it says, so
// that the same line, imported twice, is one fact.
func enrolled(columns, row []string, o importOptions) *enrolledJSON {
	f := &enrolledJSON{Type: rules.Enrolled.String(), Programme: o.programme, At: o.at}
	for i, value := range row {
		switch columns[i] {
		case "account_id":
			f.AccountID = value
		case "member_id":
			f.MemberID = value
		case "card_tokens":
			f.CardTokens = strings.Fields(value)
		case "level":
			f.Level = value
		case "segments":
			f.Segments = strings.Fields(value)
		case "sponsor_account_id":
			f.SponsorAccountID = value
		case "enrolled_at":
			if value != "" {
				f.At = value
			}
		}
	}
	content, _ := json.Marshal(f) // of strings alone: can't fail
	sum := sha256.Sum256(content)
	f.FactID = "import-" + hex.EncodeToString(sum[:12])
	return f
}
