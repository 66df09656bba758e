package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/segmentio/kafka-go"

	"ristourne/cmd/sandbox/traffic"
	"ristourne/processor/accounts"
	"ristourne/processor/feed"
	"ristourne/processor/simulate"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/offer"
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
	names     map[string]string     // of partners

	funded map[offerVersion]bool // offers that may cost the programme more than they bring
	// limits of budgets, by what they are of: "campaign/ID", "offer/PARTNER/OFFER",
	// "day/PARTNER/OFFER"; @PROGRAMME stands for the partner of an offer of its own.
	limits map[string]limit
	grants []rules.Grant    // in ClickHouse: what each purchase has of each budget now; ChangeMinor is all it got, less all it gave back
	told   []rules.Referral // what holds of programme.referrals: the newest of each purchase and offer

	holdouts map[string]offer.Holdout // that are agreed, by id
	held     []heldRow                // in ClickHouse

	world      *simulate.World // the pure engine, with all that was sent
	purchases  map[purchaseID]bool
	refunds    map[string]unlinkedRefund // without a link, by event id, in ClickHouse
	refundsDue map[string]unlinkedRefund // as the pure engine has them
	granted    map[string]bool           // accounts that the pure engine granted something of a budget
	ungranted  []string                  // purchases of which the pure engine says that they deserve another share of a budget
	mechanisms *mechanisms
}

type purchaseID struct{ account, transaction string }

// limit is the most that a budget gives.
type limit struct {
	minor int64
	unit  string
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
	b := &books{
		recordsIn: map[string]int64{}, deserved: ledgerSums{}, purchases: map[purchaseID]bool{}, refunds: map[string]unlinkedRefund{}, refundsDue: map[string]unlinkedRefund{}, granted: map[string]bool{},
	}
	b.readAgreed(s.loaded.Catalogue)
	b.readAgreedHoldouts(s.loaded.Catalogue)
	for _, read := range []func(context.Context, *books) error{
		s.readInput, s.readGrants, s.readRefunds, s.readHoldouts, s.readFates, s.readLedger, s.readInstructions, s.readDeadLetters,
	} {
		if err := read(ctx, b); err != nil {
			return nil, err
		}
	}
	var err error
	b.mechanisms, err = b.readMechanisms(s.loaded.Catalogue)
	return b, err
}

// readAgreed takes from the catalogue what the books are held against.
func (b *books) readAgreed(c *offer.Catalogue) {
	b.names, b.funded, b.limits = map[string]string{}, map[offerVersion]bool{}, map[string]limit{}
	bound := func(key string, minor int64, unit string) {
		if minor > b.limits[key].minor { // of several versions the most
			b.limits[key] = limit{minor, unit}
		}
	}
	agreed := func(partner, budgetsOf, version string, offers []offer.Offer, points string) {
		for i := range offers {
			o := &offers[i]
			b.funded[offerVersion{partner, o.ID, version}] = o.FundedBy == offer.FundedByProgramme
			unit := o.Currency.String()
			if o.Reward.Kind == rules.Points {
				unit = points
			}
			for _, budget := range o.Budgets {
				of := "offer/"
				if budget.PerStoreAndDay {
					of = "day/"
				}
				bound(of+budgetsOf+"/"+o.ID, budget.AmountMinor, unit)
			}
		}
	}
	points := map[string]string{} // by programme
	for i := range c.Programmes {
		p := &c.Programmes[i]
		b.names[""] = cmp.Or(b.names[""], p.Name+" itself")
		points[p.ID] = cmp.Or(p.Points.Code, points[p.ID])
		agreed("", "@"+p.ID, p.Version.ID, p.Offers, p.Points.Code)
	}
	for i := range c.Partners {
		p := &c.Partners[i]
		b.names[p.ID] = p.Name
		agreed(p.ID, p.ID, p.Version.ID, p.Offers, points[p.Programme])
	}
	for i := range c.Campaigns {
		bound("campaign/"+c.Campaigns[i].ID, c.Campaigns[i].Budget.AmountMinor, c.Campaigns[i].Unit)
	}
}

// readInput puts Kafka's own records through the pure engine: of each
// partition the facts first, then the transactions. How the processor saw them
// interleaved doesn't change what an account deserves in the end.
func (s *sandbox) readInput(ctx context.Context, b *books) error {
	b.world = simulate.NewWorld(s.loaded.Snapshot, true)
	b.world.Lines = b.decided
	told := &toldReferrals{decoder: wire.NewDecoder(wire.Options{}), place: map[referralTarget]int{}}
	apply := map[string]func(key, value []byte, at simulate.Place) error{
		topicFacts: b.world.Fact, topicResults: b.world.Result, topicTransactions: b.world.Event, topicReferrals: told.read,
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
	b.engine = b.world.Fates
	for fate, n := range told.fates {
		b.engine[fate] += n
	}
	b.told = told.list
	return nil
}

// decided takes in what the pure engine made of a record.
func (b *books) decided(out *rules.Output) {
	for i := range out.Accruals {
		a := &out.Accruals[i]
		b.deserved.add(a)
		if a.TransactionID != "" {
			b.purchases[purchaseID{a.AccountID, a.TransactionID}] = true
		}
	}
	for i := range out.Grants {
		b.granted[out.Grants[i].AccountID] = true
	}
	b.seeRefunds(out.Refunds)
}

// toldReferrals is what processors told each other through programme.referrals.
// The pure engine tells sponsors' accounts itself: these records are only
// counted, and kept to be compared.
type toldReferrals struct {
	decoder *wire.Decoder
	fates   [rules.NumFates]int64
	list    []rules.Referral
	place   map[referralTarget]int // in list
}

// referralTarget is what a referral is about.
type referralTarget struct{ buyer, transaction, partner, offer string }

func targetOf(r *rules.Referral) referralTarget {
	return referralTarget{r.BuyerAccountID, r.TransactionID, r.PartnerID, r.OfferID}
}

func (t *toldReferrals) read(key, value []byte, at simulate.Place) error {
	var r rules.Referral
	if fault := t.decoder.Referral(value, key, at.RecordedAt, &r); fault != nil {
		t.fates[rules.DeadLettered]++
		return nil
	}
	n, known := t.place[targetOf(&r)]
	switch {
	case !known:
		t.place[targetOf(&r)], t.list = len(t.list), append(t.list, r)
	case t.list[n].Number >= r.Number:
		t.fates[rules.Duplicate]++
		return nil
	default:
		t.list[n] = r
	}
	t.fates[rules.NoChange]++ // or booked: taken together below
	return nil
}

// readGrants reads what purchases have of budgets. Who is served first depends
// on who came first, which is the processors' to say: the pure engine takes
// their word for it, and only for it.
func (s *sandbox) readGrants(ctx context.Context, b *books) error {
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
		b.grants = append(b.grants, g)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read grants: %w", err)
	}
	return b.adoptGrants()
}

// adoptGrants works out what everybody deserves with the grants of the books in
// place of the pure engine's own.
func (b *books) adoptGrants() error {
	byAccount := map[string][]rules.Grant{}
	for account := range b.granted {
		byAccount[account] = nil // having none is a word too
	}
	for i := range b.grants {
		byAccount[b.grants[i].AccountID] = append(byAccount[b.grants[i].AccountID], b.grants[i])
	}
	b.world.Lines = func(out *rules.Output) {
		b.decided(out)
		for i := range out.Grants {
			g := &out.Grants[i]
			b.ungranted = append(b.ungranted, fmt.Sprintf("purchase %s of account %s deserves %s %s of %s", g.TransactionID, g.AccountID, cents(g.TargetMinor), g.Unit, g.Budget))
		}
	}
	for _, account := range slices.Sorted(maps.Keys(byAccount)) {
		if err := b.world.AdoptGrants(account, byAccount[account]); err != nil {
			return err
		}
	}
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

func (s *sandbox) openClickHouse() (ch.Conn, error) {
	return ch.Open(&ch.Options{
		Addr: []string{s.clickhouse.Addr}, Auth: ch.Auth{Database: database, Username: s.clickhouse.User, Password: s.clickhouse.Password},
		ReadTimeout: time.Minute,
	})
}

// readAccruals reads the view that the bank's analysts read.
func (s *sandbox) readAccruals(ctx context.Context) (sums ledgerSums, err error) {
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
