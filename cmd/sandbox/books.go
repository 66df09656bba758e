package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"ristourne/cmd/sandbox/traffic"
	"ristourne/processor/accounts"
	"ristourne/processor/feed"
	"ristourne/processor/simulate"
	"ristourne/rules"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/credits"
	"ristourne/sinks/deadletters"
)

// books are both sides of the balance sheet: what was sent, and worked out anew
// from it by the pure engine alone; and what the processor has made of it.
type books struct {
	recordsIn map[string]int64      // by input topic, counted in Kafka
	engine    [rules.NumFates]int64 // the pure engine's fates of these records
	deserved  ledgerSums            // the pure engine's accruals
	fates     [rules.NumFates]int64 // as the processors counted them, in Redis
	booked    ledgerSums            // accruals in ClickHouse
	conflicts []clickhouse.Conflict // ids with two contents, in ClickHouse
	totals    []clickhouse.Total    // as a person is shown them
	paid      []rules.Instruction   // every record of the topic, repeats too
	letters   []rules.DeadLetter    // each once
	leaks     []string              // dead letters with a card number in them
	funded    map[string]bool       // partners of whom some offer may cost the programme money
	names     map[string]string     // of partners
}

// ledgerSums are the sums of lines by their key; 0 all over: left out.
type ledgerSums map[rules.LineKey]rules.Sums

func (l ledgerSums) add(a *rules.Accrual) {
	key := a.Key()
	if sum := l[key].Plus(a); sum != (rules.Sums{}) {
		l[key] = sum
	} else {
		delete(l, key)
	}
}

// readBooks reads everything once the processors have come to rest.
func (s *sandbox) readBooks(ctx context.Context) (*books, error) {
	b := &books{recordsIn: map[string]int64{}, deserved: ledgerSums{}, funded: map[string]bool{}, names: map[string]string{}}
	for i := range s.loaded.Catalogue.Partners {
		p := &s.loaded.Catalogue.Partners[i]
		b.names[p.ID] = p.Name
		if slices.ContainsFunc(p.Offers, func(o rules.Offer) bool { return o.FundedBy == rules.FundedByProgramme }) {
			b.funded[p.ID] = true
		}
	}
	for _, read := range []func(context.Context, *books) error{
		s.readInput, s.readFates, s.readLedger, s.readInstructions, s.readDeadLetters,
	} {
		if err := read(ctx, b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// readInput puts Kafka's own records through the pure engine: of each
// partition the facts first, then the transactions. How the processor saw them
// interleaved doesn't change what an account deserves in the end.
func (s *sandbox) readInput(ctx context.Context, b *books) error {
	world := simulate.NewWorld(s.loaded.Snapshot, true)
	world.Lines = func(out *rules.Output) {
		for i := range out.Accruals {
			b.deserved.add(&out.Accruals[i])
		}
	}
	apply := map[string]func(key, value []byte, at simulate.Place) error{
		topicFacts: world.Fact, topicResults: world.Result, topicTransactions: world.Event,
		topicReferrals: func([]byte, []byte, simulate.Place) error { // only processors may write it, and they do not yet
			world.Fates[rules.DeadLettered]++
			return nil
		},
	}
	for partition := range int32(s.partitions) {
		for _, topic := range s.feed.Topics {
			err := feed.ReadRange(ctx, s.feed, topic, partition, -1, -1, func(r feed.Record) error {
				b.recordsIn[topic]++
				at := simulate.Place{Topic: topic, Partition: partition, Offset: r.Offset, RecordedAt: r.Time}
				return apply[topic](bytes.Clone(r.Key), bytes.Clone(r.Value), at)
			})
			if err != nil {
				return fmt.Errorf("read %s: %w", topic, err)
			}
		}
	}
	b.engine = world.Fates
	return nil
}

// readFates adds up what the processors counted in Redis.
func (s *sandbox) readFates(ctx context.Context, b *books) error {
	client := accounts.Connect(accounts.Options{Addrs: []string{s.redis.Addr}})
	defer client.Close()
	store, err := accounts.New(client, redisPrefix)
	if err != nil {
		return err
	}
	for shard := range int32(s.partitions) {
		fates, err := store.Fates(ctx, shard)
		if err != nil {
			return err
		}
		for fate, n := range fates {
			b.fates[fate] += n
		}
	}
	return nil
}

func (s *sandbox) readLedger(ctx context.Context, b *books) (err error) {
	if b.conflicts, err = s.ledger.Conflicts(ctx); err != nil {
		return err
	}
	if b.totals, err = s.ledger.TotalsByOffer(ctx); err != nil {
		return err
	}
	b.booked, err = s.readAccruals(ctx)
	return err
}

// readAccruals reads the view that the bank's analysts read.
func (s *sandbox) readAccruals(ctx context.Context) (sums ledgerSums, err error) {
	conn, err := ch.Open(&ch.Options{
		Addr: []string{s.clickhouse.Addr}, Auth: ch.Auth{Database: database, Username: s.clickhouse.User, Password: s.clickhouse.Password},
		ReadTimeout: time.Minute,
	})
	if err != nil {
		return nil, fmt.Errorf("read accruals: %w", err)
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, `
		SELECT account_id, transaction_id, partner_id, store_id, offer_id, offer_version, beneficiary_id,
			toString(role), toString(kind), unit, toString(stage),
			sum(reward_minor) AS reward, sum(commission_minor) AS commission, sum(cost_minor) AS cost
		FROM accruals GROUP BY ALL HAVING reward != 0 OR commission != 0 OR cost != 0`)
	if err != nil {
		return nil, fmt.Errorf("read accruals: %w", err)
	}
	defer rows.Close()
	sums = ledgerSums{}
	for rows.Next() {
		var k rules.LineKey
		var sum rules.Sums
		var role, kind, stage string
		if err := rows.Scan(&k.AccountID, &k.TransactionID, &k.PartnerID, &k.StoreID, &k.OfferID, &k.OfferVersion, &k.BeneficiaryID,
			&role, &kind, &k.Unit, &stage, &sum.RewardMinor, &sum.CommissionMinor, &sum.CostMinor); err != nil {
			return nil, fmt.Errorf("read accruals: %w", err)
		}
		var known [3]bool
		k.Role, known[0] = rules.ParseRole(role)
		k.Kind, known[1] = rules.ParseKind(kind)
		k.Stage, known[2] = rules.ParseStage(stage)
		if known != [3]bool{true, true, true} {
			return nil, fmt.Errorf("read accruals: role %q, kind %q or stage %q is unknown", role, kind, stage)
		}
		sums[k] = sum
	}
	return sums, rows.Err()
}

func (s *sandbox) readInstructions(ctx context.Context, b *books) error {
	return feed.ReadTopic(ctx, s.feed, topicInstructions, func(_ int32, r feed.Record) error {
		i, err := credits.Decode(bytes.Clone(r.Value))
		if err != nil {
			return err
		}
		if string(r.Key) != i.AccountID {
			return fmt.Errorf("instruction %s has the key %q, not its account's", i.ID, r.Key)
		}
		b.paid = append(b.paid, i)
		return nil
	})
}

func (s *sandbox) readDeadLetters(ctx context.Context, b *books) error {
	seen := map[string]bool{} // one may have been written twice
	return feed.ReadTopic(ctx, s.feed, topicDeadLetters, func(_ int32, r feed.Record) error {
		l, err := deadletters.Decode(bytes.Clone(r.Value))
		if err != nil {
			return err
		}
		id := deadletters.ID(&l)
		if bytes.Contains(r.Value, []byte(traffic.TestCardNumber)) || bytes.Contains(l.Value, []byte(traffic.TestCardNumber)) {
			b.leaks = append(b.leaks, "dead letter "+id+" holds the card number")
		}
		if !seen[id] {
			seen[id] = true
			b.letters = append(b.letters, l)
		}
		return nil
	})
}

// uncommitted is how many records the consumer group has not committed.
func (s *sandbox) uncommitted(ctx context.Context) (left int64, err error) {
	ends, err := s.ends(ctx, s.feed.Topics[:]...)
	if err != nil {
		return 0, err
	}
	for shard := range int32(s.partitions) {
		committed, err := feed.Committed(ctx, s.feed, shard)
		if err != nil {
			return 0, err
		}
		for i, topic := range s.feed.Topics {
			if ahead := committed[i] - ends[topic][shard]; ahead > 0 {
				return 0, errors.New("more is committed of " + topic + " than it holds: has somebody else used this Kafka?")
			}
			left += ends[topic][shard] - max(0, committed[i])
		}
	}
	return left, nil
}
