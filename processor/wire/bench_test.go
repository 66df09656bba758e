package wire

import (
	"encoding/json"
	"testing"
	"time"

	"ristourne/rules"
)

// canonicalEvent is what most records look like: 17 fields, some 450 bytes.
const canonicalEvent = `{"event_id":"evt-7f3a91c2-000001","type":"authorization","transaction_id":"txn-7f3a91c2-0000",` +
	`"account_id":"acc-00482913","card_token":"tok_9fKq27XbLm3R","amount_minor":4785,"currency":"EUR",` +
	`"occurred_at":"2025-11-22T09:31:20.125+01:00","merchant":{"id":"FR0000482913","acquirer_id":"30004",` +
	`"network":"CB","terminal_id":"T0000123","name":"BOULANGERIE DU MARCHE","mcc":"5462","country":"FR"},` +
	`"channel":"in_store","card_product":"Visa Classic"}`

const canonicalKey = "acc-00482913"

// millisOfCanonical is a second after the event happened.
const millisOfCanonical = 1763800281125

type jsonEvent struct {
	ID        string `json:"event_id"`
	Type      string `json:"type"`
	TxID      string `json:"transaction_id"`
	AccountID string `json:"account_id"`
	CardToken string `json:"card_token"`
	Amount    int64  `json:"amount_minor"`
	Currency  string `json:"currency"`
	Occurred  string `json:"occurred_at"`
	Merchant  struct {
		ID         string `json:"id"`
		AcquirerID string `json:"acquirer_id"`
		Network    string `json:"network"`
		TerminalID string `json:"terminal_id"`
		Name       string `json:"name"`
		MCC        string `json:"mcc"`
		Country    string `json:"country"`
	} `json:"merchant"`
	Channel     string `json:"channel"`
	CardProduct string `json:"card_product"`
}

// BenchmarkEvent reports what an event costs, and how much more encoding/json
// takes in the same run, which only parses and checks nothing.
func BenchmarkEvent(b *testing.B) {
	value, key := []byte(canonicalEvent), []byte(canonicalKey)
	const slowRounds = 20_000
	start := time.Now()
	for range slowRounds {
		var ev jsonEvent
		if err := json.Unmarshal(value, &ev); err != nil {
			b.Fatal(err)
		}
	}
	slowNanos := float64(time.Since(start).Nanoseconds()) / slowRounds
	d := NewDecoder(Options{})
	var ev rules.Event
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if fault := d.Event(value, key, millisOfCanonical, &ev); fault != nil {
			b.Fatal(fault)
		}
	}
	b.ReportMetric(slowNanos*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "x-encoding/json")
}

func BenchmarkSeal(b *testing.B) {
	d := NewDecoder(Options{})
	var ev rules.Event
	if fault := d.Event([]byte(canonicalEvent), []byte(canonicalKey), millisOfCanonical, &ev); fault != nil {
		b.Fatal(fault)
	}
	b.ReportAllocs()
	for b.Loop() {
		Seal(&ev)
	}
}

func BenchmarkFact(b *testing.B) {
	value := []byte(`{"fact_id":"enrol-00482913","type":"enrolled","account_id":"acc-00482913","at":"2025-01-01T00:00:00Z",` +
		`"member_id":"m-00482913","programme":"lyon","card_tokens":["tok_9fKq27XbLm3R"],"level":"silver"}`)
	d := NewDecoder(Options{})
	var f rules.Fact
	b.ReportAllocs()
	for b.Loop() {
		d.Reset()
		if fault := d.Fact(value, []byte(canonicalKey), millisOfCanonical, &f); fault != nil {
			b.Fatal(fault)
		}
	}
}
