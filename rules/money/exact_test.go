package money_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules/money"
)

// What is held in 128 bits must be what big numbers give.
func TestExactIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var x money.Exact
		sum := new(big.Int)
		for range rapid.IntRange(1, 4).Draw(t, "terms") {
			amount := rapid.Int64Range(0, 1<<55).Draw(t, "amount")
			rate := rapid.Int64Range(0, 32_000_000_000_000).Draw(t, "rate")
			var err error
			if x, err = x.Plus(amount, rate); err != nil {
				t.Fatal(err)
			}
			sum.Add(sum, new(big.Int).Mul(big.NewInt(amount), big.NewInt(rate)))
		}
		if x.Big().Cmp(sum) != 0 || x.IsZero() != (sum.Sign() == 0) {
			t.Fatalf("holds %s, want %s", x.Big(), sum)
		}
		ratio := new(big.Rat).SetFrac(sum, big.NewInt(1_000_000_000_000))
		for _, r := range []money.Rounding{money.HalfEven, money.HalfUp, money.Down, money.Up} {
			got, err := x.Round(r)
			want, wantErr := money.RoundRatio(ratio, r)
			if got != want || (err == nil) != (wantErr == nil) {
				t.Fatalf("%s of %s: %d (%v), want %d (%v)", r, x, got, err, want, wantErr)
			}
			// Away from the fraction by less than one, on the side that the word says.
			d := new(big.Rat).Sub(new(big.Rat).SetInt64(want), ratio)
			off := new(big.Rat).Abs(d)
			if err == nil && (off.Cmp(big.NewRat(1, 1)) >= 0 || r == money.Down && d.Sign() > 0 || r == money.Up && d.Sign() < 0) {
				t.Fatalf("%s of %s gives %d", r, ratio.FloatString(12), want)
			}
			if err == nil && (r == money.HalfEven || r == money.HalfUp) && off.Cmp(big.NewRat(1, 2)) > 0 {
				t.Fatalf("%s of %s gives %d", r, ratio.FloatString(12), want)
			}
		}
	})
}

func TestExactOverflowsWithAnError(t *testing.T) {
	t.Parallel()
	x := money.Exact{}
	var err error
	for range 40 {
		if x, err = x.Plus(1<<62, 1<<62); err != nil {
			return
		}
	}
	t.Error("40 times 2^124 fit in 128 bits")
}
