package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/segmentio/kafka-go"
)

// load is one made-up stream of events. The same load has the same events.
type load struct {
	events, members, stores int
	share                   int  // per cent of purchases at partner shops
	zipf                    bool // few accounts have most of the purchases
	after                   int  // ids begin after those of so many events
}

// span is how long the purchases of a load take, by their own clocks.
const span = 24 * time.Hour

// merchants is how many merchants there are in all, partners among them.
const merchants = 400_000

// traffic makes 45 % authorizations, 50 % clearings, 4 % refunds, 1 % reversals
// and, among them, one in a thousand that is an earlier event once more.
type traffic struct {
	load
	rng           *rand.Rand
	skew          *rand.Zipf
	start         time.Time
	step          time.Duration
	n, purchases  int
	open, cleared []purchase // that a later event can be of
	recent        []message
}

// purchase is what later events of it repeat.
type purchase struct {
	id, account, card, merchant int
	amountMinor                 int64
	at                          time.Time
	online                      bool
}

type message struct{ key, value []byte }

const (
	poolSize   = 1 << 16
	recentSize = 4096
)

func newTraffic(l load, start time.Time, step time.Duration) *traffic {
	rng := rand.New(rand.NewPCG(1, uint64(l.share)))
	return &traffic{
		load: l, rng: rng, start: start, step: step, n: l.after, purchases: l.after,
		skew: rand.NewZipf(rng, 1.1, 10, uint64(l.members-1)),
	}
}

func account(n int) string { return fmt.Sprintf("acc-%07d", n) }

func (t *traffic) next() message {
	if len(t.recent) > 0 && t.rng.Float64() < 0.001 {
		return t.recent[t.rng.IntN(len(t.recent))]
	}
	t.n++
	at := t.start.Add(t.step * time.Duration(t.n-t.after))
	made := t.event(at)
	if t.rng.IntN(64) == 0 {
		if len(t.recent) < recentSize {
			t.recent = append(t.recent, made)
		} else {
			t.recent[t.rng.IntN(recentSize)] = made
		}
	}
	return made
}

func (t *traffic) event(at time.Time) message {
	switch draw := t.rng.Float64(); {
	case draw >= 0.45 && draw < 0.95:
		return t.clearing(at)
	case draw >= 0.95 && draw < 0.99 && len(t.cleared) > 0:
		p := t.take(&t.cleared)
		link := ""
		if t.rng.IntN(3) == 0 {
			p.amountMinor = 1 + p.amountMinor/2
		}
		if t.rng.IntN(2) == 0 {
			link = purchaseID(p.id)
			p.id = t.newID()
		}
		return t.message("refund", p, link, p.amountMinor, at)
	case draw >= 0.99 && len(t.open) > 0:
		p := t.take(&t.open)
		return t.message("reversal", p, "", p.amountMinor, at)
	}
	p := t.buy(at)
	t.keep(&t.open, p)
	return t.message("authorization", p, "", p.amountMinor, at)
}

func (t *traffic) clearing(at time.Time) message {
	var p purchase
	if len(t.open) > 0 && t.rng.Float64() < 0.85 {
		p = t.take(&t.open)
	} else {
		p = t.buy(at) // a single-message purchase
	}
	if t.rng.IntN(20) == 0 {
		p.amountMinor += p.amountMinor / 10 // a tip
	}
	t.keep(&t.cleared, p)
	return t.message("clearing", p, "", p.amountMinor, at)
}

func (t *traffic) newID() int {
	t.purchases++
	return t.purchases
}

func (t *traffic) buy(at time.Time) purchase {
	p := purchase{id: t.newID(), card: t.rng.IntN(2), at: at, online: t.rng.IntN(4) == 0}
	p.account = t.rng.IntN(t.members)
	if t.zipf {
		p.account = int(t.skew.Uint64())
	}
	p.merchant = t.stores + t.rng.IntN(max(merchants-t.stores, 1))
	if t.rng.IntN(100) < t.share {
		p.merchant = t.rng.IntN(t.stores)
	}
	p.amountMinor = int64(math.Exp(t.rng.NormFloat64()*0.9+7.9)) + 50 // the median is about 27.50
	return p
}

func (t *traffic) keep(pool *[]purchase, p purchase) {
	if len(*pool) < poolSize {
		*pool = append(*pool, p)
	} else {
		(*pool)[t.rng.IntN(poolSize)] = p
	}
}

func (t *traffic) take(pool *[]purchase) purchase {
	i, last := t.rng.IntN(len(*pool)), len(*pool)-1
	p := (*pool)[i]
	(*pool)[i] = (*pool)[last]
	*pool = (*pool)[:last]
	return p
}

var (
	networks = [...]string{"visa", "mastercard", "cb"}
	mccs     = [...]string{"5411", "5812", "5814", "5541", "5651", "5732", "5912", "7011", "4111", "5999"}
	trades   = [...]string{"BOULANGERIE", "SUPERMARCHE", "RESTAURANT", "STATION", "PHARMACIE", "LIBRAIRIE", "HOTEL"}
	towns    = [...]string{"PARIS", "LYON", "LILLE", "NANTES", "RENNES", "BORDEAUX", "MARSEILLE"}
)

func purchaseID(n int) string {
	return fmt.Sprintf("tx-%09d-%06x", n, uint32(n)*0x9e3779b9>>8)
}

const wireTime = "2006-01-02T15:04:05.000Z07:00"

func (t *traffic) message(kind string, p purchase, link string, amountMinor int64, at time.Time) message {
	id, m := account(p.account), p.merchant
	b := fmt.Appendf(make([]byte, 0, 512), `{"event_id":"ev-%09d-%08x","type":%q,"transaction_id":%q`,
		t.n, uint32(t.n)*0x85ebca6b, kind, purchaseID(p.id))
	if link != "" {
		b = fmt.Appendf(b, `,"original_transaction_id":%q`, link)
	}
	b = fmt.Appendf(b, `,"account_id":%q,"card_token":"tok_%07d_%d","amount_minor":%d,"currency":"EUR","occurred_at":%q`,
		id, p.account, p.card, amountMinor, at.UTC().Format(wireTime))
	switch {
	case kind == "clearing" && p.id%2 == 0:
		b = fmt.Appendf(b, `,"purchased_at":%q`, p.at.UTC().Format(wireTime))
	case kind == "authorization":
		b = append(b, `,"approved":true`...)
	}
	channel := "in_store"
	if p.online {
		channel = "online"
	}
	b = fmt.Appendf(b, `,"merchant":{"id":%q,"acquirer_id":"43%04d","network":%q,"terminal_id":"T%07d","name":"%s %05d %s","mcc":%q,"country":"FR"},"channel":%q}`,
		merchantID(m), m%97, networks[p.card%len(networks)], m*3%9_999_991, trades[m%len(trades)], m%99_991, towns[m/7%len(towns)], mccs[m%len(mccs)], channel)
	return message{[]byte(id), b}
}

// produce writes the events of a load, as fast as the broker takes them.
func produce(ctx context.Context, brokers []string, topic string, l load) error {
	t := newTraffic(l, time.Now().Add(-span), span/time.Duration(l.events))
	return write(ctx, brokers, topic, l.events, func(int) message { return t.next() })
}

// enrolledBefore is how long before their first purchase members are enrolled.
const enrolledBefore = 24 * time.Hour

func produceEnrolments(ctx context.Context, brokers []string, topic string, members int) error {
	at := time.Now().Add(-span - enrolledBefore).UTC().Format(time.RFC3339)
	return write(ctx, brokers, topic, members, func(n int) message {
		id := account(n)
		return message{[]byte(id), fmt.Appendf(nil,
			`{"fact_id":"enrol-%d","type":"enrolled","account_id":%q,"at":%q,"member_id":"m-%07d","programme":"bench","card_tokens":["tok_%07d_0","tok_%07d_1"]}`,
			n, id, at, n, n, n)}
	})
}

func newWriter(brokers []string, wait time.Duration) (*kafka.Writer, func()) {
	transport := new(kafka.Transport) // of its own: a former one doesn't know the new topics yet
	writer := &kafka.Writer{
		Transport: transport, Addr: kafka.TCP(brokers...), Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		Compression: kafka.Lz4, BatchSize: 10_000, BatchBytes: 64 << 10, BatchTimeout: wait,
	}
	return writer, func() { _ = writer.Close(); transport.CloseIdleConnections() }
}

func write(ctx context.Context, brokers []string, topic string, n int, record func(int) message) error {
	writer, closeWriter := newWriter(brokers, 5*time.Millisecond)
	defer closeWriter()
	const slice = 20_000
	messages := make([]kafka.Message, 0, slice)
	for i := range n {
		made := record(i)
		messages = append(messages, kafka.Message{Topic: topic, Key: made.key, Value: made.value})
		if len(messages) == slice || i == n-1 {
			if err := writer.WriteMessages(ctx, messages...); err != nil {
				return fmt.Errorf("write to %s: %w", topic, err)
			}
			messages = messages[:0]
		}
	}
	return nil
}

// pace writes so many events a second for so long, as terminals would: now.
func pace(ctx context.Context, brokers []string, topic string, l load, perSecond int, lasts time.Duration) error {
	const tick = 10 * time.Millisecond
	writer, closeWriter := newWriter(brokers, time.Millisecond)
	defer closeWriter()
	begin := time.Now()
	t := newTraffic(l, begin.Add(-time.Second), time.Second/time.Duration(perSecond))
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.C:
		}
		since := min(time.Since(begin), lasts)
		due := int(since.Seconds() * float64(perSecond))
		messages := make([]kafka.Message, 0, due-sent)
		for ; sent < due; sent++ {
			made := t.next()
			messages = append(messages, kafka.Message{Topic: topic, Key: made.key, Value: made.value})
		}
		if err := writer.WriteMessages(ctx, messages...); err != nil {
			return fmt.Errorf("write to %s: %w", topic, err)
		}
		if since == lasts {
			return nil
		}
	}
}
