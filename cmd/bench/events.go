package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// writeCatalogue makes a folder of offer files: storesOf stores a partner.
func writeCatalogue(dir string, stores int) error {
	programme := `programme: bench
name: Bench
currency: EUR
zone: Europe/Paris
`
	if err := os.WriteFile(filepath.Join(dir, "programme.yaml"), []byte(programme), 0o600); err != nil {
		return err
	}
	const storesOf = 500
	for partner := 0; partner*storesOf < stores; partner++ {
		var b strings.Builder
		fmt.Fprintf(&b, "partner: p%d\nname: Partner %d\ncommission: 8%%\nstores:\n", partner, partner)
		for s := partner * storesOf; s < min(stores, (partner+1)*storesOf); s++ {
			fmt.Fprintf(&b, "  - {id: s%d, zone: Europe/Paris, keys: [{mid: %q}]}\n", s, partnerMID(s))
		}
		b.WriteString(`offers:
  - {id: everyday, from: 2020-01-01, reward: 3%, caps: [{per: purchase, amount: 15 EUR}, {per: month, amount: 400 EUR}]}
  - {id: big, from: 2020-01-01, reward: 2 EUR, min_spend: 60 EUR}
`)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%d.yaml", partner)), []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func partnerMID(store int) string { return fmt.Sprintf("%010d", 7_000_000+store) }

// traffic makes card events of about 450 bytes. The same seed makes the same.
type traffic struct {
	rng     *rand.Rand
	share   int
	members int
	stores  int
	start   time.Time
	n       int
	open    []purchase // authorised, to be cleared
}

type purchase struct {
	id, account, store, amount int
	at                         time.Time
}

func account(n int) string { return fmt.Sprintf("acc-%09d", n) }

func (t *traffic) next() (key, value []byte) {
	t.n++
	if len(t.open) > 1000 && t.n%2 == 0 {
		p := t.open[0]
		t.open = t.open[1:]
		return t.event("clearing", p, p.at.Add(36*time.Hour))
	}
	p := purchase{
		id: t.n, account: t.rng.IntN(t.members), store: -1, amount: 300 + t.rng.IntN(12_000),
		at: t.start.Add(time.Duration(t.n) * 20 * time.Millisecond),
	}
	if t.rng.IntN(100) < t.share {
		p.store = t.rng.IntN(t.stores)
	}
	t.open = append(t.open, p)
	return t.event("authorization", p, p.at)
}

func (t *traffic) event(kind string, p purchase, at time.Time) (key, value []byte) {
	mid := fmt.Sprintf("%010d", 1_000_000_000+p.id%3_000_000)
	if p.store >= 0 {
		mid = partnerMID(p.store)
	}
	id := account(p.account)
	return []byte(id), fmt.Appendf(nil,
		`{"event_id":"%s-%010d","type":%q,"transaction_id":"txn-%010d","account_id":%q,"card_token":"tok-%09d","amount_minor":%d,"currency":"EUR","occurred_at":%q,"approved":true,"merchant":{"id":%q,"acquirer_id":"30004","network":"visa","terminal_id":"T%07d","name":"BOULANGERIE DU MARCHE %04d","mcc":"5462","country":"FR"},"channel":"in_store","card_product":"gold debit"}`,
		kind[:2], t.n, kind, p.id, id, p.account, p.amount, at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), mid, p.id%10_000_000, p.id%10_000)
}

// firstEvent is when the traffic begins; members are enrolled a day before.
func firstEvent() time.Time { return time.Now().Add(-40 * 24 * time.Hour) }

func produceEnrolments(ctx context.Context, brokers []string, topic string, o options) error {
	enrolledAt := firstEvent().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	return write(ctx, brokers, topic, o.members, func(n int) (key, value []byte) {
		id := account(n)
		return []byte(id), fmt.Appendf(nil,
			`{"fact_id":"enrol-%d","type":"enrolled","account_id":%q,"at":%q,"member_id":"m-%09d","programme":"bench","card_tokens":["tok-%09d"]}`,
			n, id, enrolledAt, n, n)
	})
}

func produceEvents(ctx context.Context, brokers []string, topic string, o options, share int) error {
	t := &traffic{rng: rand.New(rand.NewPCG(1, uint64(share))), share: share, members: o.members, stores: o.stores, start: firstEvent()}
	return write(ctx, brokers, topic, o.events, func(int) (key, value []byte) { return t.next() })
}

func write(ctx context.Context, brokers []string, topic string, n int, record func(int) (key, value []byte)) error {
	transport := new(kafka.Transport) // of its own: a former one doesn't know the new topics yet
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Transport: transport, Addr: kafka.TCP(brokers...), Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		Compression: kafka.Lz4, BatchSize: 10_000, BatchBytes: 900_000, BatchTimeout: 5 * time.Millisecond,
	}
	defer writer.Close()
	const slice = 20_000
	messages := make([]kafka.Message, 0, slice)
	for i := range n {
		key, value := record(i)
		messages = append(messages, kafka.Message{Topic: topic, Key: key, Value: value})
		if len(messages) == slice || i == n-1 {
			if err := writer.WriteMessages(ctx, messages...); err != nil {
				return fmt.Errorf("write to %s: %w", topic, err)
			}
			messages = messages[:0]
		}
	}
	return nil
}
