package engine_test

import (
	"math/big"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules"
	"ristourne/rules/internal/sample"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// TestPointsGivenAgainAreGivenWhole works out what an offer that passes gives for
// each full target of a purchase: nothing of it is left out.
func TestPointsGivenAgainAreGivenWhole(t *testing.T) {
	t.Parallel()
	passed, large := 0, 0
	// With -short a check makes few cases: again until some have shown what is asked.
	for round := 0; round < 10 && large == 0; round++ {
		rapid.Check(t, func(r *rapid.T) {
			unit := rapid.SampledFrom([]int64{1, 9, 64, 5_000, 1_000_000}).Draw(r, "units")
			target := rapid.SampledFrom([]int64{1, 100, 3_333, 10_000, 1_000_000}).Draw(r, "target")
			value := rapid.SampledFrom([]int64{0, 1, 5_000, money.One, 8 * money.One}).Draw(r, "value")
			spent := rapid.Int64Range(1, 10_000_000).Draw(r, "spent")
			agreed := sample.Repeating(unit*money.One, target)
			each := unit * spent
			if rapid.Bool().Draw(r, "fixed") {
				agreed.Reward = offer.Reward{Form: offer.FixedReward, Kind: rules.Points, FixedMinor: unit}
				each = unit
			}
			c := sample.Cafe(t, sample.Miles(rapid.IntRange(0, 4).Draw(r, "decimals"), value), sample.Offers(agreed))
			if len(offer.Check(c)) > 0 {
				return
			}
			passed++
			want := new(big.Int).Mul(big.NewInt(each), big.NewInt(spent/target))
			s := newScene(t, c).play("enrolled d0 cards=card\nclearing P1 " + strconv.FormatInt(spent, 10) + " d1")
			got := int64(0)
			for _, line := range s.out.Accruals {
				got += line.RewardMinor
			}
			if want.Cmp(big.NewInt(got)) != 0 {
				r.Fatalf("%d units for each %d of %d are %s, not %d", each, target, spent, want, got)
			}
			if got > 128*spent {
				large++
			}
		})
	}
	if passed == 0 || large == 0 {
		t.Errorf("%d offers passed, %d of them gave much", passed, large)
	}
}
