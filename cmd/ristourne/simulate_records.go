package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ristourne/processor/simulate"
	"ristourne/rules/offer"
)

// recordJSON is a line of a file of records: one record as it stood in Kafka.
type recordJSON struct {
	Topic     string          `json:"topic"`
	Timestamp string          `json:"timestamp"` // empty: the latest instant in the value
	Value     json.RawMessage `json:"value"`
}

// recordTopics are those that a file of records may name. Referrals are the
// program's own.
var recordTopics = map[string]func(*simulate.World, []byte, simulate.Place) error{
	"card.transactions": func(w *simulate.World, value []byte, at simulate.Place) error { return w.Event(nil, value, at) },
	"programme.facts":   func(w *simulate.World, value []byte, at simulate.Place) error { return w.Fact(nil, value, at) },
	"credit.results":    func(w *simulate.World, value []byte, at simulate.Place) error { return w.Result(nil, value, at) },
}

// lineFault is what is wrong with a line itself, whatever the record in it.
type lineFault struct {
	column int
	what   string
}

// takeRecords applies a file of records in the order of its lines. Lines that
// can't be read are told, one by one, and the others are taken all the same: the
// error in the end says that what was printed is not all.
func takeRecords(stdin io.Reader, stderr io.Writer, world *simulate.World, name string) error {
	unread := 0
	err := eachLine(stdin, name, func(_, line []byte, at simulate.Place) error {
		record, fault := parseRecord(line)
		if fault != nil {
			unread++
			_, err := fmt.Fprintf(stderr, "%s:%d:%d: %s\n", name, at.Offset+1, fault.column, fault.what)
			return err
		}
		at.RecordedAt, at.AnyDate = record.millis(), true
		return recordTopics[record.Topic](world, record.Value, at)
	})
	if err == nil && unread > 0 {
		err = fmt.Errorf("%s of %s can't be read: correct them as said above", offer.Counted(unread, "line"), name)
	}
	return err
}

func parseRecord(line []byte) (record recordJSON, fault *lineFault) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&record); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return record, &lineFault{len(line) + 1, "the record has no end: write one object a line, and all of it on that line"}
		}
		return record, &lineFault{columnOf(err, decoder), "this is no record: " + strings.TrimPrefix(err.Error(), "json: ") + `: write {"topic": ..., "timestamp": ..., "value": {...}}`}
	}
	if decoder.More() {
		return record, &lineFault{int(decoder.InputOffset()) + 1, "something stands behind the record: write one object a line"}
	}
	at := func(text string) int { return max(0, bytes.Index(line, []byte(text))) + 1 }
	switch _, known := recordTopics[record.Topic]; {
	case !known:
		return record, &lineFault{at(`"` + record.Topic + `"`), fmt.Sprintf("%q is no topic of records: write card.transactions, programme.facts or credit.results", printable(record.Topic))}
	case len(record.Value) == 0 || bytes.Equal(record.Value, []byte("null")):
		return record, &lineFault{1, `the record has no value: write it as "value": {...}`}
	}
	if _, err := time.Parse(time.RFC3339Nano, record.Timestamp); record.Timestamp != "" && err != nil {
		return record, &lineFault{at(`"` + record.Timestamp + `"`), fmt.Sprintf("%q is no instant: write it as 2006-01-02T15:04:05.999Z, or leave it out", printable(record.Timestamp))}
	}
	return record, nil
}

// columnOf is where on its line a decoder met an error.
func columnOf(err error, decoder *json.Decoder) int {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return int(max(1, syntax.Offset))
	case errors.As(err, &typed):
		return int(max(1, typed.Offset))
	}
	return int(decoder.InputOffset()) + 1
}

// millis is the record's Kafka timestamp; -1 where neither the line nor the
// value states an instant.
func (r *recordJSON) millis() int64 {
	if at, err := time.Parse(time.RFC3339Nano, r.Timestamp); err == nil {
		return at.UnixMilli()
	}
	var stated struct {
		OccurredAt  string `json:"occurred_at"`
		PurchasedAt string `json:"purchased_at"`
		At          string `json:"at"`
	}
	// A value that can't be read is a dead letter, whatever its timestamp.
	_ = json.Unmarshal(r.Value, &stated)
	latest := int64(-1)
	for _, text := range [...]string{stated.OccurredAt, stated.PurchasedAt, stated.At} {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			latest = max(latest, at.UnixMilli())
		}
	}
	return latest
}
