package money

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/shopspring/decimal"
)

// trillionths is how many units of a rate make the whole: a rate in
// millionths, multiplied by a factor in millionths, is exact in them.
const trillionths = One * One

// Exact is an amount before it is rounded, not negative, in 10^-12 of a unit.
// The zero value is 0.
type Exact struct{ hi, lo uint64 }

// Plus is x + amount x rateTrillionths, exactly. Neither may be negative;
// ErrOverflow otherwise, and where the sum leaves 128 bits.
func (x Exact) Plus(amount, rateTrillionths int64) (Exact, error) {
	if amount < 0 || rateTrillionths < 0 {
		return Exact{}, errOverflow
	}
	hi, lo := bits.Mul64(uint64(amount), uint64(rateTrillionths))
	var carry uint64
	x.lo, carry = bits.Add64(x.lo, lo, 0)
	x.hi, carry = bits.Add64(x.hi, hi, carry)
	if carry != 0 {
		return Exact{}, errOverflow
	}
	return x, nil
}

// IsZero reports that nothing is left before rounding.
func (x Exact) IsZero() bool { return x == Exact{} }

// Round gives whole units, or ErrOverflow where they leave int64.
func (x Exact) Round(rounding Rounding) (int64, error) {
	if x.hi >= trillionths {
		return 0, errOverflow
	}
	quotient, remainder := bits.Div64(x.hi, x.lo, trillionths)
	if rounding.roundsUp(quotient, remainder, trillionths) {
		quotient++
	}
	if quotient > math.MaxInt64 {
		return 0, errOverflow
	}
	return int64(quotient), nil
}

// Big is x as a number of 10^-12 units.
func (x Exact) Big() *big.Int {
	b := new(big.Int).SetUint64(x.hi)
	return b.Lsh(b, 64).Or(b, new(big.Int).SetUint64(x.lo))
}

// String writes x in whole units and their exact decimals: "37.5".
func (x Exact) String() string { return decimal.NewFromBigInt(x.Big(), -12).String() }

// RoundRatio rounds an exact fraction that is not negative to whole units, or
// ErrOverflow where they leave int64. It is for what Exact can't hold.
func RoundRatio(r *big.Rat, rounding Rounding) (int64, error) {
	if r.Sign() < 0 {
		return 0, errOverflow
	}
	quotient, remainder := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	up := false
	switch half := new(big.Int).Lsh(remainder, 1).Cmp(r.Denom()); rounding {
	case HalfEven:
		up = half > 0 || half == 0 && quotient.Bit(0) == 1
	case HalfUp:
		up = half >= 0
	case Up:
		up = remainder.Sign() > 0
	case Down:
	}
	if up {
		quotient.Add(quotient, big.NewInt(1))
	}
	if !quotient.IsInt64() {
		return 0, errOverflow
	}
	return quotient.Int64(), nil
}
