package clickhouse_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	chdriver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/deploy/localservers"
	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/sinks/clickhouse"
)

var eur = money.Currency{'E', 'U', 'R'}

// base is 2026-03-10T12:00:00Z.
const base = 1_773_144_000

// world is a ledger in a database of the test's own, and a plain connection to
// look past it.
type world struct {
	ledger  *clickhouse.Ledger
	conn    driver.Conn
	options clickhouse.Options
}

func optionsFor(server *localservers.ClickHouse, database string) clickhouse.Options {
	o := clickhouse.DefaultOptions()
	o.Addresses, o.User, o.Password, o.Database = []string{server.Addr}, server.User, server.Password, database
	o.GroupInterval = 0
	return o
}

func newWorld(tb testing.TB) world {
	tb.Helper()
	server, database := localserverstest.ClickHouse(tb)
	return openWorld(tb, server, optionsFor(server, database))
}

func openWorld(tb testing.TB, server *localservers.ClickHouse, o clickhouse.Options) world {
	tb.Helper()
	w := world{ledger: open(tb, o), options: o}
	if err := w.ledger.Migrate(context.Background()); err != nil {
		tb.Fatal(err)
	}
	conn, err := chdriver.Open(&chdriver.Options{
		Addr: []string{server.Addr},
		Auth: chdriver.Auth{Database: o.Database, Username: server.User, Password: server.Password},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	w.conn = conn
	return w
}

func open(tb testing.TB, o clickhouse.Options) *clickhouse.Ledger {
	tb.Helper()
	l, err := clickhouse.Open(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	return l
}

func (w world) book(tb testing.TB, decisions ...*rules.Decision) {
	tb.Helper()
	if err := w.ledger.Book(tb.Context(), decisions...); err != nil {
		tb.Fatal(err)
	}
}

func (w world) exec(tb testing.TB, query string) {
	tb.Helper()
	if err := w.conn.Exec(tb.Context(), query); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
}

// number is the answer of a query with one row and one column.
func (w world) number(tb testing.TB, query string) int64 {
	tb.Helper()
	var n int64
	if err := w.conn.QueryRow(tb.Context(), "SELECT toInt64(("+query+"))").Scan(&n); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return n
}

func (w world) text(tb testing.TB, query string) string {
	tb.Helper()
	var s string
	if err := w.conn.QueryRow(tb.Context(), "SELECT toString(("+query+"))").Scan(&s); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return s
}

func want[T comparable](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func refOf(account string) rules.AccountRef {
	sum := sha256.Sum256([]byte("ref of " + account))
	return rules.AccountRef(sum[:16])
}

// purchase makes the lines of one purchase: what the member gets at 3 % and what
// the partner owes at 5 %.
func purchase(account, transaction, partner string, basisMinor int64, at rules.Instant, stage rules.Stage, cause rules.Cause) []rules.Accrual {
	line := rules.Accrual{
		Programme: "city", AccountID: account, AccountRef: refOf(account), MemberID: "member of " + account,
		BeneficiaryID: account, BeneficiaryRef: refOf(account), Role: rules.RoleMember, TransactionID: transaction,
		PartnerID: partner, StoreID: partner + "-1", OfferID: partner + "-offer", OfferVersion: "v1",
		CampaignIDs: []string{"spring"}, Stage: stage, Kind: rules.Cash, Unit: "EUR",
		BasisMinor: basisMinor, RewardMinor: basisMinor * 3 / 100, CostMinor: basisMinor * 3 / 100, Currency: eur,
		PurchasedAt: at, Cause: cause, Level: "gold", Channel: rules.InStore, MCC: "5812", Reasons: []string{"percent", "cap:month"},
	}
	commission := line
	commission.Role, commission.BeneficiaryID, commission.BeneficiaryRef = rules.RolePartner, partner, rules.AccountRef{}
	commission.Kind = rules.CommissionKind
	commission.OfferID, commission.CampaignIDs, commission.Reasons, commission.Level = "", nil, nil, ""
	commission.RewardMinor, commission.CostMinor, commission.CommissionMinor = 0, 0, basisMinor*5/100
	lines := []rules.Accrual{line, commission}
	for i := range lines {
		identify(&lines[i])
	}
	return lines
}

// sponsored is what the sponsor's account books when it is told of the purchase:
// a batch of shard 4 with a referral fact and the sponsor's line, 1 %.
func sponsored(batch uint64, sponsor, buyer, transaction, partner string, basisMinor int64) *rules.Decision {
	d := decision(batch, sponsor, transaction, partner, basisMinor)
	offset := int64(batch)
	cause := rules.Cause{Kind: rules.CauseReferral, ID: fmt.Sprintf("f%d", batch), Partition: 4, Offset: offset, RecordedAt: base*1000 + offset}
	d.Shard, d.Positions = 4, rules.Positions{-1, offset + 1, -1, -1}
	d.Set[0] = rules.SetRow{
		Seq: batch, AccountRef: refOf(sponsor), Cause: cause, Fate: rules.Booked, Type: "referral",
		TransactionID: transaction, OccurredAt: rules.Instant{Sec: base + offset}, Payload: fmt.Appendf(nil, "referral %d", batch),
	}
	line := purchase(buyer, transaction, partner, basisMinor, d.Accruals[0].PurchasedAt, rules.Confirmed, cause)[0]
	line.Role, line.BeneficiaryID, line.BeneficiaryRef, line.MemberID = rules.RoleSponsor, sponsor, refOf(sponsor), "member of "+sponsor
	line.CampaignIDs, line.Level = nil, "loyal"
	line.RewardMinor, line.CostMinor = basisMinor/100, basisMinor/100
	identify(&line)
	d.Accruals = []rules.Accrual{line}
	d.Instructions[0].Cause, d.Instructions[0].AmountMinor = cause, basisMinor/100
	return d
}

// referral is what the buyer's account tells of the purchase that a decision
// is about.
func referral(d *rules.Decision, sponsor string, number, rewardMinor int64) rules.Referral {
	line := &d.Accruals[0]
	return rules.Referral{
		ID: fmt.Sprintf("F-%s-%s-%s-%d", line.AccountID, line.TransactionID, sponsor, number), Number: number,
		SponsorAccountID: sponsor, BuyerAccountID: line.AccountID, BuyerRef: line.AccountRef, TransactionID: line.TransactionID,
		PartnerID: line.PartnerID, StoreID: line.StoreID, OfferID: line.OfferID, OfferVersion: line.OfferVersion, Programme: line.Programme,
		Currency: eur, PurchasedAt: line.PurchasedAt, At: rules.Instant{Sec: base, Nsec: 999_999_999}, Channel: line.Channel, MCC: line.MCC,
		ConfirmedBasisMinor: 100 * rewardMinor, ConfirmedRewardMinor: rewardMinor,
		ExpectedBasisMinor: 200 * rewardMinor, ExpectedRewardMinor: 2 * rewardMinor,
		LateConfirmedRewardMinor: -rewardMinor, LateExpectedRewardMinor: rewardMinor, MatchedRefund: true, Cause: line.Cause,
	}
}

// grant is what the purchase that a decision is about has of a budget.
func grant(d *rules.Decision, budget rules.BudgetKey, grantedMinor, changeMinor int64) rules.Grant {
	line := &d.Accruals[0]
	return rules.Grant{
		Budget: budget, AccountID: line.AccountID, AccountRef: line.AccountRef, TransactionID: line.TransactionID, Unit: "EUR",
		TargetMinor: grantedMinor + 5, GrantedMinor: grantedMinor, ChangeMinor: changeMinor, Cause: line.Cause,
	}
}

func identify(a *rules.Accrual) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%v %v %s", a.Key(), a.Cause.Kind, a.Cause.ID))
	a.ID = rules.AccrualID(sum[:16])
}

func eventCause(id string, offset int64) rules.Cause {
	return rules.Cause{Kind: rules.CauseEvent, ID: id, Partition: 3, Offset: offset, RecordedAt: base*1000 + offset}
}

// decision is a batch of shard 3 with one account, one event and its lines.
func decision(batch uint64, account, transaction, partner string, basisMinor int64) *rules.Decision {
	offset := int64(batch)
	cause := eventCause(fmt.Sprintf("e%d", batch), offset)
	at := rules.Instant{Sec: base + offset, Nsec: 123_456_789}
	d := &rules.Decision{
		Shard: 3, Batch: batch, Positions: rules.Positions{-1, -1, -1, offset + 1}, LastSeq: batch,
		Accounts: []rules.AccountRow{{Ref: refOf(account), AccountID: account, MemberID: "member of " + account, RecordedAt: cause.RecordedAt}},
		Set: []rules.SetRow{{
			Seq: batch, AccountRef: refOf(account), Cause: cause, Fate: rules.Booked, Type: "clearing",
			TransactionID: transaction, AmountMinor: basisMinor, Currency: eur, OccurredAt: at,
			MerchantID: "MID-" + partner, MCC: "5812", PartnerID: partner, StoreID: partner + "-1",
			Payload: fmt.Appendf(nil, "payload \x00\xff of %d", batch),
		}},
		Accruals: purchase(account, transaction, partner, basisMinor, at, rules.Confirmed, cause),
		Instructions: []rules.Instruction{{
			ID: fmt.Sprintf("I%d", batch), Direction: rules.Credit, AccountID: account, AccountRef: refOf(account),
			AmountMinor: basisMinor * 3 / 100, Currency: eur, StatementText: "Cashback " + partner,
			Programme: "city", Cycle: "", Reason: "due", CreatedAt: cause.RecordedAt, Cause: cause,
		}},
	}
	return d
}
