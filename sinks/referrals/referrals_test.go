package referrals

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/sinks/internal/topictest"
)

var eur = money.Currency{'E', 'U', 'R'}

func friend() rules.Referral {
	return rules.Referral{
		ID: "RF-7b1c", Number: 3, SponsorAccountID: "acc-sponsor", BuyerAccountID: "acc-buyer", BuyerRef: rules.AccountRef{1},
		TransactionID: "tx-1", PartnerID: "cafe", StoreID: "bastille", OfferID: "friends", OfferVersion: "2025-01-01-abcdef",
		Programme: "lyon", Currency: eur, PurchasedAt: rules.Instant{Sec: 1_750_000_000, Nsec: 500_000_000}, At: rules.Instant{Sec: 1_750_086_400},
		Channel: rules.InStore, MCC: "5812", ConfirmedBasisMinor: 1250, ConfirmedRewardMinor: 63, ExpectedBasisMinor: 5000, ExpectedRewardMinor: 250,
		Cause: rules.Cause{ID: "event-1", Offset: 7},
	}
}

// edge is an offer of the programme's own, no longer deserved, with every
// character that JSON must escape.
func edge() rules.Referral {
	r := friend()
	r.ID, r.Number, r.SponsorAccountID, r.BuyerAccountID = strings.Repeat("Z", 64), maxAmountMinor, `a"b\c`+"\n\x1f{é}\u2028😀", "</script>"
	r.PartnerID, r.StoreID, r.Channel, r.MCC = "", "", 0, ""
	r.PurchasedAt, r.At = rules.Instant{Sec: minSecond, Nsec: 1}, rules.Instant{Sec: maxSecond, Nsec: 999_999_999}
	r.ConfirmedBasisMinor, r.ConfirmedRewardMinor, r.ExpectedBasisMinor, r.ExpectedRewardMinor = 0, 0, maxAmountMinor, 0
	return r
}

// late is one of a purchase whose late events took all back.
func late() rules.Referral {
	r := friend()
	r.ConfirmedRewardMinor, r.LateConfirmedRewardMinor, r.LateExpectedRewardMinor = 0, -63, 250
	r.MatchedRefund = true
	return r
}

// TestGolden holds the bytes that processors of another version parse: change
// them only by adding.
func TestGolden(t *testing.T) {
	t.Parallel()
	var lines []byte
	for _, r := range []rules.Referral{friend(), edge(), late()} {
		lines = append(appendValue(lines, &r), '\n')
	}
	want, err := os.ReadFile("testdata/referrals.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if string(lines) != string(want) {
		t.Fatalf("values are\n%swant\n%s", lines, want)
	}
}

// decode reads a value in the plainest way; null stands for what is left out.
func decode(t interface{ Fatal(...any) }, value []byte) rules.Referral {
	var v struct {
		FactID               string    `json:"fact_id"`
		Type                 string    `json:"type"`
		AccountID            string    `json:"account_id"`
		At                   time.Time `json:"at"`
		Number               int64     `json:"number"`
		BuyerAccountID       string    `json:"buyer_account_id"`
		TransactionID        string    `json:"transaction_id"`
		PartnerID            *string   `json:"partner_id"`
		StoreID              *string   `json:"store_id"`
		OfferID              string    `json:"offer_id"`
		OfferVersion         string    `json:"offer_version"`
		Programme            string    `json:"programme"`
		Currency             string    `json:"currency"`
		PurchasedAt          time.Time `json:"purchased_at"`
		Channel              *string   `json:"channel"`
		MCC                  *string   `json:"mcc"`
		ConfirmedBasisMinor  int64     `json:"confirmed_basis_minor"`
		ConfirmedRewardMinor int64     `json:"confirmed_reward_minor"`
		ExpectedBasisMinor   int64     `json:"expected_basis_minor"`
		ExpectedRewardMinor  int64     `json:"expected_reward_minor"`
		LateConfirmed        *int64    `json:"late_confirmed_reward_minor"`
		LateExpected         *int64    `json:"late_expected_reward_minor"`
		MatchedRefund        *bool     `json:"matched_refund"`
	}
	d := json.NewDecoder(strings.NewReader(string(value)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.Type != "referral" {
		t.Fatal("type ", v.Type)
	}
	text := func(s *string) string {
		switch {
		case s == nil:
			return ""
		case *s == "":
			t.Fatal("an empty text is written, not left out")
		}
		return *s
	}
	minor := func(late *int64) int64 {
		switch {
		case late == nil:
			return 0
		case *late == 0:
			t.Fatal("a 0 is written, not left out")
		}
		return *late
	}
	r := rules.Referral{
		ID: v.FactID, Number: v.Number, SponsorAccountID: v.AccountID, BuyerAccountID: v.BuyerAccountID, TransactionID: v.TransactionID,
		PartnerID: text(v.PartnerID), StoreID: text(v.StoreID), OfferID: v.OfferID, OfferVersion: v.OfferVersion, Programme: v.Programme,
		PurchasedAt: rules.InstantOf(v.PurchasedAt), At: rules.InstantOf(v.At), MCC: text(v.MCC),
		ConfirmedBasisMinor: v.ConfirmedBasisMinor, ConfirmedRewardMinor: v.ConfirmedRewardMinor,
		ExpectedBasisMinor: v.ExpectedBasisMinor, ExpectedRewardMinor: v.ExpectedRewardMinor,
		LateConfirmedRewardMinor: minor(v.LateConfirmed), LateExpectedRewardMinor: minor(v.LateExpected),
		MatchedRefund: v.MatchedRefund != nil,
	}
	if v.MatchedRefund != nil && !*v.MatchedRefund {
		t.Fatal("false is written, not left out")
	}
	copy(r.Currency[:], v.Currency)
	if channel := text(v.Channel); channel != "" {
		for r.Channel = 1; r.Channel.String() != channel; r.Channel++ {
		}
	}
	return r
}

// TestEveryFieldCrosses draws any referral that may be told.
func TestEveryFieldCrosses(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.StringMatching(`[a-z]{1,9}`), rapid.SampledFrom([]string{"\x00", `"\`, "😀", "\u2028"}))
	maybe := rapid.OneOf(text, rapid.Just(""))
	amount := rapid.Int64Range(0, maxAmountMinor)
	rapid.Check(t, func(t *rapid.T) {
		instant := func() rules.Instant {
			return rules.Instant{Sec: rapid.Int64Range(minSecond, maxSecond).Draw(t, "sec"), Nsec: rapid.Int32Range(0, 999_999_999).Draw(t, "nsec")}
		}
		want := rules.Referral{
			ID: text.Draw(t, "id"), Number: 1 + amount.Draw(t, "number")/2, SponsorAccountID: "s" + text.Draw(t, "sponsor"), BuyerAccountID: "b" + text.Draw(t, "buyer"),
			TransactionID: text.Draw(t, "transaction"), PartnerID: maybe.Draw(t, "partner"), StoreID: maybe.Draw(t, "store"),
			OfferID: text.Draw(t, "offer"), OfferVersion: text.Draw(t, "version"), Programme: text.Draw(t, "programme"), Currency: eur,
			PurchasedAt: instant(), At: instant(), Channel: rules.Channel(rapid.IntRange(0, 3).Draw(t, "channel")), MCC: maybe.Draw(t, "mcc"),
			ConfirmedBasisMinor: amount.Draw(t, "confirmed basis"), ConfirmedRewardMinor: amount.Draw(t, "confirmed reward"),
			ExpectedBasisMinor: amount.Draw(t, "expected basis"), ExpectedRewardMinor: amount.Draw(t, "expected reward"),
		}
		want.MatchedRefund = rapid.Bool().Draw(t, "matched")
		late := rapid.Int64Range(-maxAmountMinor, 0)
		if rapid.Bool().Draw(t, "late") {
			want.LateConfirmedRewardMinor = max(want.ConfirmedRewardMinor-maxAmountMinor, late.Draw(t, "late confirmed"))
			want.LateExpectedRewardMinor = want.ExpectedRewardMinor
		}
		messages, err := form.Messages([]rules.Referral{want})
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, messages[0].Value); got != want || string(messages[0].Key) != want.SponsorAccountID {
			t.Fatalf("key %s, value %s\nwant %+v", messages[0].Key, messages[0].Value, want)
		}
	})
}

// TestRefused: none of a call is told when one of its referrals is broken.
func TestRefused(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*rules.Referral){
		"id":          func(r *rules.Referral) { r.ID = "" },
		"number 0":    func(r *rules.Referral) { r.Number = 0 },
		"both":        func(r *rules.Referral) { r.SponsorAccountID = "" },
		"buyer":       func(r *rules.Referral) { r.BuyerAccountID = "" },
		"one account": func(r *rules.Referral) { r.BuyerAccountID = r.SponsorAccountID },
		"offer":       func(r *rules.Referral) { r.OfferID = "" },
		"currency":    func(r *rules.Referral) { r.Currency = money.Currency{} },
		"years":       func(r *rules.Referral) { r.At = rules.MaxInstant },
		"instants":    func(r *rules.Referral) { r.PurchasedAt = rules.MinInstant },
		"channel":     func(r *rules.Referral) { r.Channel = 9 },
		"under 0":     func(r *rules.Referral) { r.ExpectedRewardMinor = -1 },
		"too large":   func(r *rules.Referral) { r.LateConfirmedRewardMinor = r.ConfirmedRewardMinor + 1 },
		"large":       func(r *rules.Referral) { r.ConfirmedBasisMinor = maxAmountMinor + 1 },
	} {
		broken := friend()
		spoil(&broken)
		w := New(Options{Brokers: []string{"127.0.0.1:1"}, Topic: defaultTopic})
		err := w.Publish(t.Context(), []rules.Referral{friend(), broken})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "held back") {
			t.Errorf("error %v, want one that tells %q", err, want)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTell reads back from the partition that the sponsor's shard reads.
func TestTell(t *testing.T) {
	t.Parallel()
	const partitions = 5
	server, topic := localserverstest.Kafka(t), localserverstest.Unique(t, defaultTopic)
	if err := server.CreateTopics(t.Context(), partitions, topic); err != nil {
		t.Fatal(err)
	}
	w := New(Options{Brokers: server.Brokers, Topic: topic})
	var told []rules.Referral
	for n := range 300 {
		r := friend()
		r.BuyerRef, r.Cause = rules.AccountRef{}, rules.Cause{} // which don't cross the border
		r.ID, r.SponsorAccountID, r.Number = fmt.Sprint("RF-", n), fmt.Sprint("acc-", n%7), int64(n+1)
		told = append(told, r)
	}
	if err := w.Publish(t.Context(), told); err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	last, count := map[string]int64{}, 0
	for p := range partitions {
		for _, m := range topictest.Partition(t, server.Brokers, topic, p) {
			r := decode(t, m.Value)
			if !reflect.DeepEqual(r, told[r.Number-1]) {
				t.Fatalf("%s, want %+v", m.Value, told[r.Number-1])
			}
			if string(m.Key) != r.SponsorAccountID || r.Number <= last[r.SponsorAccountID] {
				t.Fatalf("%s has key %s and comes after %d", m.Value, m.Key, last[r.SponsorAccountID])
			}
			if want := (kafka.Murmur2Balancer{}).Balance(m, 0, 1, 2, 3, 4); want != p {
				t.Fatalf("key %s is in partition %d, want %d", m.Key, p, want)
			}
			last[r.SponsorAccountID] = r.Number
			count++
		}
	}
	if count != len(told) {
		t.Fatalf("%d referrals came, %d were told", count, len(told))
	}
}
