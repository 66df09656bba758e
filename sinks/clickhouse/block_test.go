package clickhouse

import (
	"fmt"
	"testing"

	"ristourne/rules"
)

// BenchmarkBlocks appends a batch of 500 purchases to the blocks of a group, as
// booking does before anything is sent.
func BenchmarkBlocks(b *testing.B) {
	d := &rules.Decision{Shard: 3, Batch: 7}
	for i := range 500 {
		ref := rules.AccountRef{byte(i), byte(i >> 8)}
		transaction := fmt.Sprintf("txn-%08d", i)
		cause := rules.Cause{Kind: rules.CauseEvent, ID: fmt.Sprintf("evt-%08d", i), Partition: 3, Offset: int64(i), RecordedAt: 1_773_144_000_000 + int64(i)}
		at, eur := rules.Instant{Sec: 1_773_144_000 + int64(i)}, [3]byte{'E', 'U', 'R'}
		partner := fmt.Sprintf("partner-%03d", i%200)
		d.Set = append(d.Set, rules.SetRow{
			Seq: uint64(i), AccountRef: ref, Cause: cause, Fate: rules.Booked, Type: "clearing", TransactionID: transaction, AmountMinor: 4_200,
			Currency: eur, OccurredAt: at, MerchantID: "MID-" + partner, MCC: "5812", PartnerID: partner, StoreID: partner + "-1", Payload: make([]byte, 140),
		})
		for role := rules.RoleMember; role <= rules.RolePartner; role += 2 {
			d.Accruals = append(d.Accruals, rules.Accrual{
				ID: rules.AccrualID{byte(i), byte(i >> 8), byte(role)}, Programme: "city", AccountRef: ref, Role: role, TransactionID: transaction,
				PartnerID: partner, StoreID: partner + "-1", OfferID: partner + "-offer", OfferVersion: "v1", CampaignIDs: []string{"spring"},
				Stage: rules.Confirmed, Kind: rules.Cash, Unit: "EUR", BasisMinor: 4_200, RewardMinor: 126, CostMinor: 126, Currency: eur,
				PurchasedAt: at, Cause: cause, Level: "gold", Channel: rules.InStore, MCC: "5812", Reasons: []string{"percent", "cap:month"},
			})
		}
		d.Instructions = append(d.Instructions, rules.Instruction{
			ID: fmt.Sprintf("I%d", i), Direction: rules.Credit, AccountRef: ref, AmountMinor: 126, Currency: eur,
			StatementText: "Cashback " + partner, Programme: "city", Reason: "due", CreatedAt: cause.RecordedAt, Cause: cause,
		})
	}
	blocks, digest := newBlocks(), new(digester)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			blocks.reset()
			blocks.append(d)
		}
	})
	b.Run("digest", func(b *testing.B) {
		sums := tally{}
		b.ReportAllocs()
		for b.Loop() {
			digest.tally(sums, d)
		}
	})
}
