package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/shopspring/decimal"
)

// MaxAmountMinor is the most minor units one record or one setting may state:
// what a JSON number holds exactly everywhere.
const MaxAmountMinor = 1<<53 - 1

// One is the rate of 100 %, in millionths.
const One = 1_000_000

// errOverflow is a sum or product that leaves int64. No number is given then:
// a wrong amount must never come out of here.
var errOverflow = errors.New("amount overflows 64 bits")

// Share is exactly rateMillionths of amountMinor plus fixedMinor, rounded
// once. All three must not be negative; ErrOverflow otherwise, and where the
// result leaves int64.
func Share(amountMinor, rateMillionths, fixedMinor int64, rounding Rounding) (int64, error) {
	if amountMinor < 0 || rateMillionths < 0 || fixedMinor < 0 {
		return 0, errOverflow
	}
	hi, lo := bits.Mul64(uint64(amountMinor), uint64(rateMillionths))
	if hi >= One {
		return 0, errOverflow
	}
	quotient, remainder := bits.Div64(hi, lo, One)
	// The fixed part is whole minor units, so it moves the quotient only; it
	// must be in before rounding, because half_even looks at the last digit.
	quotient, carry := bits.Add64(quotient, uint64(fixedMinor), 0)
	if carry != 0 {
		return 0, errOverflow
	}
	if rounding.roundsUp(quotient, remainder, One) {
		quotient++
	}
	if quotient > math.MaxInt64 {
		return 0, errOverflow
	}
	return int64(quotient), nil
}

// Add is a + b, or ErrOverflow.
func Add(a, b int64) (int64, error) {
	sum := a + b
	if (a > 0 && b > 0 && sum < 0) || (a < 0 && b < 0 && sum >= 0) {
		return 0, errOverflow
	}
	return sum, nil
}

// CompareShares orders a/ofA against b/ofB exactly: which of two awards is
// worth more of the same purchase, stated in two currencies. Nothing may be
// negative, and ofA and ofB must be over 0.
func CompareShares(a, ofA, b, ofB int64) int {
	hiA, loA := bits.Mul64(uint64(a), uint64(ofB))
	hiB, loB := bits.Mul64(uint64(b), uint64(ofA))
	switch {
	case hiA != hiB && hiA < hiB, hiA == hiB && loA < loB:
		return -1
	case hiA == hiB && loA == loB:
		return 0
	}
	return 1
}

// ParseMinor reads an amount as people write it ("12.50") into minor units of
// c. More digits than c has are refused, not rounded: nobody agreed to that.
// The amount must be within ±MaxAmountMinor.
func ParseMinor(amount string, c Currency) (int64, error) {
	exponent, ok := c.Exponent()
	if !ok {
		return 0, fmt.Errorf("unknown currency %q", c)
	}
	minor, err := parseScaled(amount, exponent)
	if err != nil {
		return 0, fmt.Errorf("amount %q in %s (%d decimals): %w", amount, c, exponent, err)
	}
	return minor, nil
}

// ParsePercent reads the number before a percent sign ("3.005") into
// millionths of the whole. Finer rates than a millionth are refused.
func ParsePercent(percent string) (int64, error) {
	rate, err := parseScaled(percent, 4)
	if err != nil {
		return 0, fmt.Errorf("percentage %q (4 decimals at most): %w", percent, err)
	}
	return rate, nil
}

// maxNumberLength bounds what is handed to the decimal parser: a number such
// as 1e999999 would cost it memory.
const maxNumberLength = 40

func parseScaled(s string, digits int) (int64, error) {
	if len(s) > maxNumberLength || strings.ContainsAny(s, "eE") {
		return 0, errors.New("write it in plain digits")
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return 0, errors.New("write it in plain digits")
	}
	scaled := d.Shift(int32(digits))
	if !scaled.IsInteger() {
		return 0, errors.New("too many decimals")
	}
	if scaled.Abs().GreaterThan(decimal.NewFromInt(MaxAmountMinor)) {
		return 0, errors.New("too large")
	}
	return scaled.IntPart(), nil
}

// FormatMinor writes minor units of c as people do, with the code: "12.50 EUR".
func FormatMinor(minor int64, c Currency) string {
	exponent, _ := c.Exponent()
	return decimal.New(minor, -int32(exponent)).StringFixed(int32(exponent)) + " " + c.String()
}

// FormatPercent writes a rate in millionths with its percent sign: "3.005%".
func FormatPercent(rateMillionths int64) string {
	return decimal.New(rateMillionths, -4).String() + "%"
}

// Times is a x b, neither negative, or ErrOverflow.
func Times(a, b int64) (int64, error) {
	if a < 0 || b < 0 {
		return 0, errOverflow
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, errOverflow
	}
	return int64(lo), nil
}
