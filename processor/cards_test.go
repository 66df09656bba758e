package processor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"ristourne/processor/feed"
	"ristourne/rules"
)

// plantedCard is a number that the schemes give out for tests, in the forms in
// which feeds leak one.
var plantedCard = []string{
	`"4111111111111111"`, `4111111111111111`, `4.111111111111111E15`, `"4111 1111-1111 1111"`, `"\u0034111111111111111"`,
	`{"pan":["paid by 4111111111111111 12/27"]}`, `["4111111111111111"]`, `{"4111111111111111":1}`,
}

// wholeRecords have every field that a record of their topic can have.
var wholeRecords = map[rules.Topic][]string{
	rules.TopicTransactions: {`{"event_id":"e","type":"clearing","transaction_id":"t","original_transaction_id":"o","account_id":"a","card_token":"tok",
		"amount_minor":100,"currency":"EUR","billing_amount_minor":100,"billing_currency":"EUR","occurred_at":"2026-10-05T12:34:56Z",
		"purchased_at":"2026-10-05T12:34:56Z","approved":true,"channel":"online","card_product":"gold","items":[],
		"merchant":{"id":"0000000007","acquirer_id":"1","network":"visa","network_merchant_id":"n","sub_merchant_id":"s","terminal_id":"T","name":"CAFE","mcc":"5812","country":"FR"}}`},
	rules.TopicFacts: {
		`{"fact_id":"f","type":"enrolled","account_id":"a","at":"2026-01-01T00:00:00Z","member_id":"m","programme":"town","card_tokens":["tok"],"level":"gold","segments":["s"],"sponsor_account_id":"b"}`,
		`{"fact_id":"f2","type":"card_linked","account_id":"a","at":"2026-01-01T00:00:00Z","card_token":"tok"}`,
		`{"fact_id":"f3","type":"level_changed","account_id":"a","at":"2026-01-01T00:00:00Z","level":"gold"}`,
		`{"fact_id":"f4","type":"offer_activated","account_id":"a","at":"2026-01-01T00:00:00Z","offer_id":"everyday"}`,
		`{"fact_id":"f5","type":"segment_added","account_id":"a","at":"2026-01-01T00:00:00Z","segment":"s"}`,
		`{"fact_id":"f6","type":"authorization_expired","account_id":"a","at":"2026-01-01T00:00:00Z","transaction_id":"t"}`,
		`{"fact_id":"f7","type":"cycle_closed","account_id":"a","at":"2026-01-01T00:00:00Z","programme":"town","cycle":"2025-12","as_of":"2026-01-01T00:00:00Z"}`,
		`{"fact_id":"f8","type":"points_spent","account_id":"a","at":"2026-01-01T00:00:00Z","amount_minor":5,"unit":"PTS"}`,
		`{"fact_id":"f9","type":"adjustment","account_id":"a","at":"2026-01-01T00:00:00Z","amount_minor":5,"currency":"EUR","reason":"late","approved_by":"u7"}`,
	},
	rules.TopicResults: {`{"instruction_id":"RI-1","account_id":"a","status":"rejected","reason":"AC04","at":"2026-01-01T00:00:00Z"}`},
	rules.TopicReferrals: {`{"fact_id":"rf","type":"referral","account_id":"a","at":"2026-01-01T00:00:00Z","number":1,"buyer_account_id":"b","transaction_id":"t",
		"partner_id":"bakery","store_id":"s7","offer_id":"everyday","offer_version":"1","programme":"town","currency":"EUR","purchased_at":"2026-01-01T00:00:00Z",
		"channel":"online","mcc":"5812","confirmed_basis_minor":1,"confirmed_reward_minor":1,"expected_basis_minor":1,"expected_reward_minor":1}`},
}

// everyLetter keeps dead letters whole, as text.
type everyLetter struct{ text bytes.Buffer }

func (b *everyLetter) Write(_ context.Context, letters []rules.DeadLetter) error {
	for _, l := range letters {
		fmt.Fprintf(&b.text, "%s %d %d %d %s %s %s %d\nkey %s\nvalue %s\n", l.Topic, l.Partition, l.Offset, l.Timestamp, l.Reason, l.Field, l.Detail, l.Size, l.Key, l.Value)
	}
	return nil
}

// TestACardNumberComesOutNowhere plants one in each field of each record, in an
// unknown one, in a name and in the key, in all its forms, once in a record that
// is sound otherwise and once beside another fault, and looks into everything
// that tells of a record: dead letters, log and errors.
func TestACardNumberComesOutNowhere(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	letters := &everyLetter{}
	planted := 0
	shard := newSaleShard(t, 1_000)
	shard.ports.DeadLetters, shard.log = letters, slog.New(slog.NewTextHandler(&log, nil))
	take := func(topic rules.Topic, what, key, value string) {
		t.Helper()
		planted++
		letters.text.Reset()
		log.Reset()
		r := feed.Record{Topic: topic, Time: 1_800_000_000_000, Offset: int64(planted), Value: []byte(value)}
		if key != "" {
			r.Key = []byte(key)
		}
		told := ""
		if _, err := shard.match(t.Context(), &shard.window, []feed.Record{r}, windowLimits{1 << 30, 1 << 30}); err != nil {
			told = err.Error()
		} else if err := shard.decideWindow(t.Context(), &shard.window, shard.saved); err != nil {
			told = err.Error()
			shard.window.reset(progress{positions: shard.positions})
		} else {
			<-shard.saved
		}
		told += letters.text.String() + log.String()
		if digits := strings.NewReplacer(`\u0034`, "4", " ", "", "-", "", ".", "").Replace(told); strings.Contains(digits, "4111111111111111") {
			t.Errorf("%s of a record of %s comes out with its card number:\n%s", what, topic, told)
		}
	}
	for topic, values := range wholeRecords {
		for _, value := range values {
			var record map[string]json.RawMessage
			if err := json.Unmarshal([]byte(value), &record); err != nil {
				t.Fatal(err)
			}
			for _, card := range plantedCard {
				for _, spoilt := range spoiltRecords(t, record, card) {
					take(topic, spoilt.what+"="+card, "a", spoilt.value)
				}
			}
			for _, key := range []string{"4111111111111111", "4111-1111 1111 1111", `"4111111111111111"`, `{"pan":4111111111111111}`, "a 4111111111111111", "\x00\x00\x00\x00\x014111111111111111"} {
				take(topic, "key "+key, key, value)
				take(topic, "key "+key+" of no JSON", key, value[1:])
				take(topic, "key "+key+" beside another fault", key, strings.Replace(value, "2026-", "year-", 1))
				both := strings.Replace(value, `"account_id":"a"`, `"account_id":"4111111111111111"`, 1)
				take(topic, "key "+key+" of such an account", key, both)
				take(topic, "key "+key+" of such an account beside another fault", key, strings.Replace(both, "2026-", "year-", 1))
			}
			take(topic, "a value that is no object", "a", "4111111111111111")
			take(topic, "a value that is cut off", "a", value[:len(value)/2]+`4111111111111111`)
		}
	}
	if planted < 1000 {
		t.Errorf("only %d records were planted", planted)
	}
}

type spoilt struct{ what, value string }

// spoiltRecords hold the card in one field each, and an unknown one, with and
// without another fault.
func spoiltRecords(t *testing.T, record map[string]json.RawMessage, card string) (all []spoilt) {
	t.Helper()
	write := func(what string, r map[string]json.RawMessage) {
		value, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, spoilt{what, string(value)})
		faulty := maps.Clone(r)
		for _, at := range []string{"at", "occurred_at"} {
			if r[at] != nil {
				faulty[at] = json.RawMessage(`"yesterday"`)
			}
		}
		if value, err = json.Marshal(faulty); err != nil {
			t.Fatal(err)
		}
		all = append(all, spoilt{what + " beside another fault", string(value)})
	}
	with := func(r map[string]json.RawMessage, name, raw string) map[string]json.RawMessage {
		r = maps.Clone(r)
		r[name] = json.RawMessage(raw)
		return r
	}
	for _, name := range append(slices.Sorted(maps.Keys(record)), "unknown", "4111111111111111") {
		write(name, with(record, name, card))
	}
	if record["merchant"] == nil {
		return all
	}
	var merchant map[string]json.RawMessage
	if err := json.Unmarshal(record["merchant"], &merchant); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(slices.Sorted(maps.Keys(merchant)), "unknown") {
		inner, err := json.Marshal(with(merchant, name, card))
		if err != nil {
			t.Fatal(err)
		}
		write("merchant."+name, with(record, "merchant", string(inner)))
	}
	for _, name := range []string{"amount_minor", "quantity", "sku", "category", "unknown"} {
		write("items[0]."+name, with(record, "items", fmt.Sprintf(`[{"amount_minor":1,%q:%s}]`, name, card)))
	}
	return all
}
