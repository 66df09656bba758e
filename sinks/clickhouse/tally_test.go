package clickhouse

import (
	"fmt"
	"strings"
	"testing"

	"ristourne/rules"
)

// TestDigestsNeverChange holds what markers in ledgers out there were summed up
// from: with another digest every one of them would call its rows changed.
func TestDigestsNeverChange(t *testing.T) {
	t.Parallel()
	cause := rules.Cause{Kind: rules.CauseReferral, ID: "cause", Partition: 3, Offset: 1 << 40, RecordedAt: 1_773_144_000_123}
	ref, other := rules.AccountRef{1, 15: 2}, rules.AccountRef{3, 15: 4}
	d := &rules.Decision{
		Shard: 3, Batch: 7, LastSeq: 9,
		Set: []rules.SetRow{{Seq: 9, AccountRef: ref, Cause: cause, Fate: rules.Waiting, Type: "refund", Payload: []byte("pay\x00load")}},
		Accruals: []rules.Accrual{{
			ID: rules.AccrualID{5, 15: 0xab}, Programme: "city", AccountRef: ref, BeneficiaryRef: other, Role: rules.RoleSponsor,
			TransactionID: "t", PartnerID: "p", StoreID: "s", OfferID: "o", OfferVersion: "v", Stage: rules.Confirmed, Kind: rules.Points, Unit: "PTS",
			BasisMinor: 100, RewardMinor: -2, CommissionMinor: 3, CostMinor: 4, Currency: [3]byte{'E', 'U', 'R'},
			PurchasedAt: rules.Instant{Sec: 1_773_144_000, Nsec: 5}, Cause: cause, Level: "gold", MCC: "5812",
		}, {
			ID: rules.AccrualID{6}, Programme: "city", AccountRef: ref, Role: rules.RoleMember, Stage: rules.Expected, Kind: rules.Cash, Cause: cause,
		}},
		Instructions: []rules.Instruction{{
			ID: "I", Direction: rules.Debit, AccountRef: ref, AmountMinor: 5, Currency: [3]byte{'E', 'U', 'R'}, Programme: "city", Cycle: "c",
			CreatedAt: 1_773_144_000_123, Cause: cause,
		}},
		Referrals: []rules.Referral{{
			ID: "F", Number: 2, SponsorAccountID: "sponsor", BuyerRef: ref, TransactionID: "t", PartnerID: "p", OfferID: "o",
			ConfirmedBasisMinor: 1, ConfirmedRewardMinor: 2, ExpectedBasisMinor: 3, ExpectedRewardMinor: 4, Cause: cause,
		}},
		Grants: []rules.Grant{{
			Budget: "campaign/spring", AccountRef: ref, TransactionID: "t", Unit: "EUR", TargetMinor: 5, GrantedMinor: 4, ChangeMinor: -1, Cause: cause,
		}},
	}
	got := tally{}
	new(digester).tally(got, d)
	var lines []string
	for _, key := range got.sortedKeys() {
		lines = append(lines, fmt.Sprintf("%s %d %d %x", key.table, key.month, got[key].rows, got[key].sum))
	}
	const want = `accruals_log 197001 1 [32205f24b76c7d c01b64846cea82c4 8a2d535d28cd043d df94e123759c740]
accruals_log 202603 1 [b5bfa123adb85315 7fa9608068f177d8 b6f5b89a9d51c934 a24ed4a8696cd400]
grants_log 202603 1 [211a88178f7a429a 15dd53703fa7ba9e e9486e6cab06d97f cf9ac9402298c559]
instructions_log 202603 1 [4e9a756c654bf6c9 cf3e53070875ae43 89268fe67fdd9125 a6aada6cfc12f95e]
referrals_told_log 202603 1 [943cd22553c40c93 ad87fb6281205db8 4b7fb758a3c2073d d0a77e750d83c84c]
set_log 202603 1 [7baebd35c777cfa1 7225b2c8baaebd43 49030328de5f5254 b5a91a06801625e1]`
	if text := strings.Join(lines, "\n"); text != want {
		t.Errorf("digests are\n%s\nand were\n%s", text, want)
	}
}
