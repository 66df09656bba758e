package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/segmentio/kafka-go"

	"ristourne/cmd/sandbox/traffic"
	"ristourne/processor/accounts"
	"ristourne/processor/audit"
	"ristourne/processor/feed"
	"ristourne/processor/simulate"
	"ristourne/rules"
	"ristourne/sinks/credits"
	"ristourne/sinks/deadletters"
)

// shownBooks are the books with what each mechanism of the catalogue gave.
type shownBooks struct {
	*audit.Books
	mechanisms *mechanisms
}

// readBooks reads everything once the processors have come to rest.
func (s *sandbox) readBooks(ctx context.Context) (*shownBooks, error) {
	b := audit.New(s.loaded.Catalogue, s.loaded.Snapshot)
	for _, read := range []func(context.Context, *audit.Books) error{
		s.readInput, s.readGrants, s.readRefunds, s.readHoldouts, s.readFates, s.readLedger, s.readInstructions, s.readDeadLetters,
	} {
		if err := read(ctx, b); err != nil {
			return nil, err
		}
	}
	m, err := readMechanisms(b, s.loaded.Catalogue)
	return &shownBooks{b, m}, err
}

// prove works the ledger out anew from what ClickHouse has alone, as `ristourne audit`
// does.
func (s *sandbox) prove(ctx context.Context) (*audit.Sheet, error) {
	const listed = 20 // of each line; a few are shown
	p := audit.Proof{Store: s.ledger, Snapshot: s.loaded.Snapshot, Catalogue: s.loaded.Catalogue, Limit: listed}
	return p.Run(ctx)
}

// readInput puts Kafka's own records through the pure engine: of each
// partition the facts first, then the transactions. How the processor saw them
// interleaved doesn't change what an account deserves in the end.
func (s *sandbox) readInput(ctx context.Context, b *audit.Books) error {
	told := audit.NewReferrals()
	apply := map[string]func(key, value []byte, at simulate.Place) error{
		topicFacts: b.World.Fact, topicResults: b.World.Result, topicTransactions: b.World.Event, topicReferrals: told.Read,
	}
	for partition := range int32(s.partitions) {
		for i, topic := range s.feed.Topics {
			err := feed.ReadRange(ctx, s.feed, topic, partition, -1, -1, func(r feed.Record) error {
				b.RecordsIn[i]++
				at := simulate.Place{Topic: topic, Partition: partition, Offset: r.Offset, RecordedAt: r.Time}
				return apply[topic](bytes.Clone(r.Key), bytes.Clone(r.Value), at)
			})
			if err != nil {
				return fmt.Errorf("read %s: %w", topic, err)
			}
		}
	}
	b.Worked = b.World.Fates
	for fate, n := range told.Fates {
		b.Worked[fate] += n
	}
	b.Told = told.List
	return nil
}

// readGrants reads what purchases have of budgets. Who is served first depends
// on who came first, which is the processors' to say: the pure engine takes
// their word for it, and only for it.
func (s *sandbox) readGrants(ctx context.Context, b *audit.Books) error {
	conn, err := s.openClickHouse()
	if err != nil {
		return fmt.Errorf("read grants: %w", err)
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, `
		SELECT a.account_id, g.budget, g.transaction_id, any(g.unit), argMax(g.target_minor, (g.seq, g.batch, g.place)),
			argMax(g.granted_minor, (g.seq, g.batch, g.place)), sum(g.change_minor)
		FROM grants AS g INNER JOIN accounts AS a ON a.account_ref = g.account_ref
		GROUP BY a.account_id, g.budget, g.transaction_id ORDER BY ALL`)
	if err != nil {
		return fmt.Errorf("read grants: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var g rules.Grant
		var budget string
		if err := rows.Scan(&g.AccountID, &budget, &g.TransactionID, &g.Unit, &g.TargetMinor, &g.GrantedMinor, &g.ChangeMinor); err != nil {
			return fmt.Errorf("read grants: %w", err)
		}
		g.Budget = rules.BudgetKey(budget)
		b.Grants = append(b.Grants, g)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read grants: %w", err)
	}
	return b.AdoptGrants()
}

// readFates adds up what the processors counted in Redis.
func (s *sandbox) readFates(ctx context.Context, b *audit.Books) error {
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
			b.Fates[fate] += n
		}
	}
	return nil
}

func (s *sandbox) readLedger(ctx context.Context, b *audit.Books) (err error) {
	conflicts, err := s.ledger.Conflicts(ctx)
	if err != nil {
		return err
	}
	b.Conflicts = conflicts
	totals, err := s.ledger.TotalsByOffer(ctx)
	if err != nil {
		return err
	}
	for _, t := range totals {
		b.Totals = append(b.Totals, audit.Total(t))
	}
	b.Ledger, err = s.readAccruals(ctx)
	return err
}

func (s *sandbox) openClickHouse() (ch.Conn, error) {
	return ch.Open(&ch.Options{
		Addr: []string{s.clickhouse.Addr}, Auth: ch.Auth{Database: database, Username: s.clickhouse.User, Password: s.clickhouse.Password},
		ReadTimeout: time.Minute,
	})
}

// readAccruals reads the view that the bank's analysts read.
func (s *sandbox) readAccruals(ctx context.Context) (sums audit.Sums, err error) {
	conn, err := s.openClickHouse()
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
	sums = audit.Sums{}
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

func (s *sandbox) readInstructions(ctx context.Context, b *audit.Books) error {
	return feed.ReadTopic(ctx, s.feed, topicInstructions, func(_ int32, r feed.Record) error {
		i, err := credits.Decode(bytes.Clone(r.Value))
		if err != nil {
			return err
		}
		if string(r.Key) != i.AccountID {
			return fmt.Errorf("instruction %s has the key %q, not its account's", i.ID, r.Key)
		}
		b.Paid = append(b.Paid, i)
		return nil
	})
}

func (s *sandbox) readDeadLetters(ctx context.Context, b *audit.Books) error {
	seen := map[string]bool{} // one may have been written twice
	return feed.ReadTopic(ctx, s.feed, topicDeadLetters, func(_ int32, r feed.Record) error {
		headers, err := r.Headers()
		if err != nil {
			return err
		}
		l, err := deadletters.Decode(kafka.Message{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Headers: headers})
		if err != nil {
			return err
		}
		id := deadletters.ID(&l)
		if bytes.Contains(slices.Concat(r.Key, r.Value, []byte(l.Field), []byte(l.Detail)), []byte(traffic.TestCardNumber)) {
			b.Leaks = append(b.Leaks, "dead letter "+id+" holds the card number")
		}
		if !seen[id] {
			seen[id] = true
			b.Letters = append(b.Letters, l)
		}
		return nil
	})
}

// uncommitted is how many records the consumer group has not committed.
func (s *sandbox) uncommitted(ctx context.Context) (left int64, err error) {
	// In this order: what is committed has told its sponsors' accounts already,
	// so these records count among the ends.
	committed := make([][rules.NumTopics]int64, s.partitions)
	for shard := range int32(s.partitions) {
		if committed[shard], err = feed.Committed(ctx, s.feed, shard); err != nil {
			return 0, err
		}
	}
	ends, err := s.ends(ctx, s.feed.Topics[:]...)
	if err != nil {
		return 0, err
	}
	for shard, committed := range committed {
		for i, topic := range s.feed.Topics {
			if ahead := committed[i] - ends[topic][shard]; ahead > 0 {
				return 0, errors.New("more is committed of " + topic + " than it holds: has somebody else used this Kafka?")
			}
			left += ends[topic][shard] - max(0, committed[i])
		}
	}
	return left, nil
}
