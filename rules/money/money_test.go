package money

import (
	"errors"
	"math"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

func TestExponents(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{"EUR": 2, "JPY": 0, "TND": 3, "CLF": 4, "UYW": 4, "XOF": 0, "BHD": 3, "USD": 2} {
		c, ok := ParseCurrency(code)
		if !ok {
			t.Errorf("ParseCurrency(%s) refused", code)
			continue
		}
		if got, _ := c.Exponent(); got != want {
			t.Errorf("exponent of %s = %d, want %d", code, got, want)
		}
	}
	for _, code := range []string{"", "EU", "EURO", "eur", "XXX", "XAU", "E\x00R", "ZZZ"} {
		if _, ok := ParseCurrency(code); ok {
			t.Errorf("ParseCurrency(%q) accepted", code)
		}
	}
}

func TestShareAgainstDecimal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, 1<<62).Draw(t, "amount")
		if rapid.Bool().Draw(t, "small") {
			amount %= 100_000
		}
		rate := rapid.SampledFrom([]int64{0, 1, 50, 30_000, 30_050, 333_333, 500_000, 999_999, One}).Draw(t, "rate")
		fixed := rapid.SampledFrom([]int64{0, 1, 2, 99, MaxAmountMinor}).Draw(t, "fixed")
		rounding := Rounding(rapid.IntRange(0, 3).Draw(t, "rounding"))
		got, err := Share(amount, rate, fixed, rounding)
		if err != nil {
			t.Fatal(err)
		}
		exact := decimal.NewFromInt(amount).Mul(decimal.NewFromInt(rate)).Shift(-6).Add(decimal.NewFromInt(fixed))
		if want := roundDecimal(exact, rounding); !decimal.NewFromInt(got).Equal(want) {
			t.Fatalf("Share(%d, %d, %d, %s) = %d, want %s", amount, rate, fixed, rounding, got, want)
		}
	})
}

func roundDecimal(d decimal.Decimal, r Rounding) decimal.Decimal {
	switch r {
	case HalfEven:
		return d.RoundBank(0)
	case HalfUp:
		return d.Round(0)
	case Down:
		return d.RoundDown(0)
	default:
		return d.RoundUp(0)
	}
}

func TestShareAtHalves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount, rate, fixed, want int64
		rounding                  Rounding
	}{
		{50, 30_000, 0, 2, HalfEven},  // 1.5
		{150, 30_000, 0, 4, HalfEven}, // 4.5
		{150, 30_000, 1, 6, HalfEven}, // 5.5: the fixed part decides what is even
		{150, 30_000, 0, 5, HalfUp},
		{150, 30_000, 0, 4, Down},
		{101, 30_000, 0, 4, Up}, // 3.03
		{100, 30_000, 0, 3, Up}, // exact
		{100_000, 30_050, 0, 3005, Down},
	} {
		if got, err := Share(c.amount, c.rate, c.fixed, c.rounding); err != nil || got != c.want {
			t.Errorf("Share(%d, %d, %d, %s) = %d, %v, want %d", c.amount, c.rate, c.fixed, c.rounding, got, err, c.want)
		}
	}
}

func TestOverflowIsAnError(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]int64{{math.MaxInt64, One, 1}, {math.MaxInt64, math.MaxInt64, 0}, {-1, 1, 0}, {1, -1, 0}, {1, 1, -1}} {
		if got, err := Share(c[0], c[1], c[2], HalfEven); !errors.Is(err, errOverflow) {
			t.Errorf("Share(%v) = %d, %v, want ErrOverflow", c, got, err)
		}
	}
	if _, err := Add(math.MaxInt64, 1); !errors.Is(err, errOverflow) {
		t.Error("Add over the top must fail")
	}
	if _, err := Add(math.MinInt64, -1); !errors.Is(err, errOverflow) {
		t.Error("Add under the bottom must fail")
	}
	if sum, err := Add(math.MaxInt64, math.MinInt64); err != nil || sum != -1 {
		t.Errorf("Add(max, min) = %d, %v", sum, err)
	}
}

func TestParseAndFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, code string
		want       int64
		ok         bool
	}{
		{"12.50", "EUR", 1250, true},
		{"12.5", "EUR", 1250, true},
		{"12.505", "EUR", 0, false},
		{"12.500", "EUR", 1250, true},
		{"12", "JPY", 12, true},
		{"12.1", "JPY", 0, false},
		{"0.001", "TND", 1, true},
		{"0.0001", "CLF", 1, true},
		{"1e3", "EUR", 0, false},
		{"", "EUR", 0, false},
		{"90071992547409.91", "EUR", MaxAmountMinor, true},
		{"90071992547409.92", "EUR", 0, false},
	} {
		currency, _ := ParseCurrency(c.code)
		got, err := ParseMinor(c.text, currency)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("ParseMinor(%s %s) = %d, %v", c.text, c.code, got, err)
		}
	}
	if rate, err := ParsePercent("3.005"); err != nil || rate != 30_050 {
		t.Errorf("ParsePercent(3.005) = %d, %v", rate, err)
	}
	if _, err := ParsePercent("3.00501"); err == nil {
		t.Error("a rate finer than a millionth must be refused")
	}
	eur, _ := ParseCurrency("EUR")
	if got := FormatMinor(-1250, eur); got != "-12.50 EUR" {
		t.Errorf("FormatMinor = %s", got)
	}
	if got := FormatPercent(30_050); got != "3.005%" {
		t.Errorf("FormatPercent = %s", got)
	}
}

func TestCompareShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, least int64) int64 { return rapid.Int64Range(least, 1<<62).Draw(t, name) }
		a, ofA, b, ofB := draw("a", 0), draw("ofA", 1), draw("b", 0), draw("ofB", 1)
		want := decimal.NewFromInt(a).Mul(decimal.NewFromInt(ofB)).Cmp(decimal.NewFromInt(b).Mul(decimal.NewFromInt(ofA)))
		if got := CompareShares(a, ofA, b, ofB); got != want {
			t.Fatalf("CompareShares = %d, want %d", got, want)
		}
	})
}
