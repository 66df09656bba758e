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
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"ristourne/processor/wire"
	"ristourne/rules"
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
		Long: `Enrol the members of a CSV file. Its first line names the columns:

  account_id          needed
  member_id           needed
  card_tokens         separated by spaces
  level
  segments            separated by spaces
  sponsor_account_id
  enrolled_at         RFC 3339 with offset; --at where it is missing

The whole file is checked before anything is sent. Importing the same file
again changes nothing: the same line gives the same fact.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
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

const (
	maxImportFaults = 100
	importBatch     = 5_000 // facts of one write
)

func importMembers(ctx context.Context, stderr io.Writer, file string, o importOptions) error {
	c, err := loadConfig(o.config)
	if err != nil {
		return err
	}
	count, err := checkMembers(file, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s: %d members, no faults\n", file, count)
	if o.check {
		return nil
	}
	transport, err := c.Kafka.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Addr: kafka.TCP(c.Kafka.Brokers...), Topic: c.Kafka.Topics.Facts, Transport: transport,
		RequiredAcks: kafka.RequireAll, Balancer: kafka.Murmur2Balancer{}, Compression: kafka.Lz4,
		BatchSize: importBatch, BatchBytes: 900_000, BatchTimeout: 2 * time.Millisecond, MaxAttempts: 10,
	}
	bar := progressbar.NewOptions(count, progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription("enrolling"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(stderr) }))
	err = sendMembers(ctx, writer, file, o, bar)
	if err = errors.Join(err, writer.Close()); err != nil {
		return fmt.Errorf("%w; start the same import again: what was sent already changes nothing", err)
	}
	return bar.Finish()
}

// sendMembers writes the file's facts in batches. A batch that failed is told,
// not skipped: the same import can be started again.
func sendMembers(ctx context.Context, writer *kafka.Writer, file string, o importOptions, bar *progressbar.ProgressBar) error {
	batch := make([]kafka.Message, 0, importBatch)
	send := func() error {
		if err := writer.WriteMessages(ctx, batch...); err != nil {
			return fmt.Errorf("write facts: %w", err)
		}
		n := len(batch)
		batch = batch[:0]
		return bar.Add(n)
	}
	err := eachMember(file, o, func(_ int, accountID string, value []byte, err error) error {
		if err != nil {
			return err
		}
		if batch = append(batch, kafka.Message{Key: []byte(accountID), Value: value}); len(batch) < importBatch {
			return nil
		}
		return send()
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return send()
}

// checkMembers puts every line through the decoder of the stream.
func checkMembers(file string, o importOptions) (count int, err error) {
	decoder := wire.NewDecoder(wire.Options{})
	var faults []error
	err = eachMember(file, o, func(line int, accountID string, value []byte, err error) error {
		count++
		if err == nil {
			var f rules.Fact
			if fault := decoder.Fact(value, []byte(accountID), time.Now().UnixMilli(), &f); fault != nil {
				err = fmt.Errorf("%s:%d: %s: %s", file, line, fault.Field, fault.Detail)
			}
			decoder.Reset()
		}
		if err != nil {
			if faults = append(faults, err); len(faults) == maxImportFaults {
				return fmt.Errorf("more than %d faults; the rest of the file was not looked at", maxImportFaults)
			}
		}
		return nil
	})
	return count, errors.Join(errors.Join(faults...), err)
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

// eachMember turns the lines of the file into facts.
func eachMember(file string, o importOptions, each func(line int, accountID string, value []byte, err error) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	reader := csv.NewReader(bufio.NewReaderSize(in, 1<<16))
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil {
		return fmt.Errorf("%s:1: no header line: the first line names the columns %s", file, strings.Join(memberColumns, ", "))
	}
	columns := slices.Clone(header)
	for i, name := range columns {
		if !slices.Contains(memberColumns, name) {
			return fmt.Errorf("%s:1: column %d is %q: known are %s", file, i+1, name, strings.Join(memberColumns, ", "))
		}
	}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := reader.FieldPos(0)
		if err != nil {
			// The csv package's errors say the line and column themselves.
			if err := each(line, "", nil, fmt.Errorf("%s: %w", file, err)); err != nil {
				return err
			}
			continue
		}
		fact := enrolled(columns, row, o)
		value, err := json.Marshal(fact)
		if err := each(line, fact.AccountID, value, err); err != nil {
			return err
		}
	}
}

// enrolled is the fact of one line. Its id is derived from what it says, so
// that the same line, imported twice, is one fact.
func enrolled(columns, row []string, o importOptions) enrolledJSON {
	f := enrolledJSON{Type: rules.Enrolled.String(), Programme: o.programme, At: o.at}
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
