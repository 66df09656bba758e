package catalog

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/shopspring/decimal"

	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// How rewards are written: money, points, rates of either, and what is given
// for each full amount.

// quantity is what is given or bounded: money or points.
type quantity struct {
	amount         // no currency: points, or nothing was written
	inPoints bool  //
	points   int64 // ten-thousandths of a point
}

// pointsPerScale is how many parts of a point a file can name: its decimals are
// at most 4, whatever those of the programme.
const (
	pointsDecimals = 4
	pointsScale    = 10_000
)

func (q quantity) written() bool { return q.inPoints || !isNone(q.currency) }

func (q quantity) String() string {
	if !q.inPoints {
		return q.amount.String()
	}
	return pointsText(q.points)
}

func pointsText(tenThousandths int64) string {
	unit := " points"
	if tenThousandths == pointsScale {
		unit = " point"
	}
	return decimal.New(tenThousandths, -pointsDecimals).String() + unit
}

// units is the quantity in what its kind is counted in; false: it has more
// decimals than the programme's points.
func (q quantity) units(decimals int) (int64, bool) {
	if !q.inPoints {
		return q.minor, true
	}
	part := int64(1)
	for range pointsDecimals - decimals {
		part *= 10
	}
	return q.points / part, q.points%part == 0
}

// rate is what is given for each unit of money: per cent of it, or points.
type rate struct {
	percentMillionths int64
	points            int64  // ten-thousandths of a point for each per
	per               amount // no currency: the rate is in per cent
}

func (r rate) ofPoints() bool { return !isNone(r.per.currency) }

func (r rate) isZero() bool { return r.percentMillionths == 0 && r.points == 0 }

func (r rate) String() string {
	if !r.ofPoints() {
		return money.FormatPercent(r.percentMillionths)
	}
	per := r.per.String()
	if one, err := money.ParseMinor("1", r.per.currency); err == nil && r.per.minor == one {
		per = r.per.currency.String()
	}
	return pointsText(r.points) + " per " + per
}

// millionths is the rate as the rules have it: units for each minor unit, in
// millionths; false: it is no whole number of them, or too large for any rule.
func (r rate) millionths(decimals int) (int64, bool) {
	if !r.ofPoints() {
		return r.percentMillionths, true
	}
	units := new(big.Int).Mul(big.NewInt(r.points), big.NewInt(wholeMillionths))
	units.Mul(units, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil))
	each := new(big.Int).Mul(big.NewInt(r.per.minor), big.NewInt(pointsScale))
	quotient, rest := new(big.Int).QuoRem(units, each, new(big.Int))
	return quotient.Int64(), rest.Sign() == 0 && quotient.IsInt64()
}

const (
	numberText = `\d+(?:\.\d+)?`
	moneyText  = numberText + ` ?[A-Z]{3}`
	pointText  = numberText + ` ?points?`
	everyText  = ` (?:per|for every|for each) `
	shareText  = numberText + ` ?%`
	perOneText = pointText + everyText + `(?:` + numberText + ` ?)?[A-Z]{3}`
	perX       = `(?:` + moneyText + `|` + pointText + `)` + everyText + `full ` + moneyText
)

var (
	pointsForm       = regexp.MustCompile(`^(` + numberText + `) ?points?$`)
	everyFullForm    = regexp.MustCompile(`^(.+?)` + everyText + `full (.+)$`)
	everyForm        = regexp.MustCompile(`^(.+?)` + everyText + `(.+)$`)
	beginsWithNumber = regexp.MustCompile(`^-?\d`)

	currencyAlone = regexp.MustCompile(`^[A-Z]{3}$`)

	quantityForm = regexp.MustCompile(`^(?:` + moneyText + `|` + pointText + `)$`)
	givenForm    = regexp.MustCompile(`^(?:` + shareText + `|` + perOneText + `)$`)
	rewardForm   = regexp.MustCompile(`^(?:` + strings.Join([]string{shareText, moneyText, pointText, perOneText, perX}, "|") + `)$`)
	owedForm     = regexp.MustCompile(`^(?:` + shareText + `|` + moneyText + `)$`)
	factorForm   = regexp.MustCompile(`^x?(` + numberText + `)$`)
)

// parseDecimal reads plain digits into units of 10^-decimals.
func parseDecimal(text string, decimals int32) (int64, error) {
	const maxDigits = 40 // 1e999999 would cost memory; this costs none
	if len(text) > maxDigits || !bareNumber.MatchString(text) {
		return 0, errors.New("write it in plain digits")
	}
	d, err := decimal.NewFromString(text)
	if err != nil {
		return 0, errors.New("write it in plain digits")
	}
	switch d = d.Shift(decimals); {
	case !d.IsInteger():
		return 0, fmt.Errorf("at most %d decimals are allowed", decimals)
	case d.GreaterThan(decimal.NewFromInt(money.MaxAmountMinor)):
		return 0, errors.New("it is too large")
	}
	return d.IntPart(), nil
}

// parseQuantity reads `12.50 EUR` or `500 points`.
func parseQuantity(text string) (quantity, error) {
	if !strings.Contains(text, "point") {
		a, err := parseAmount(text)
		return quantity{amount: a}, err
	}
	m := pointsForm.FindStringSubmatch(text)
	if m == nil {
		return quantity{}, fmt.Errorf("%q is no number of points: write it such as 500 points", clip(text))
	}
	points, err := parseDecimal(m[1], pointsDecimals)
	if err != nil {
		return quantity{}, fmt.Errorf("%q is no number of points: %w", clip(text), err)
	}
	return quantity{inPoints: true, points: points}, nil
}

// parseGiven reads `3%` or `2 points per EUR`.
func parseGiven(text string) (rate, error) {
	if !strings.Contains(text, "point") {
		if everyForm.MatchString(text) {
			return rate{}, fmt.Errorf("%q is money for money: write it in per cent such as 3%%, or for full amounts such as 1 EUR per full 20 EUR", clip(text))
		}
		share, err := parseRate(text)
		return rate{percentMillionths: share}, err
	}
	m := everyForm.FindStringSubmatch(text)
	if m == nil {
		return rate{}, fmt.Errorf("%q doesn't say for how much money: write it such as 2 points per EUR", clip(text))
	}
	given, err := parseQuantity(m[1])
	if err != nil {
		return rate{}, err
	}
	if !given.inPoints {
		return rate{}, fmt.Errorf("%q is no rate: write it such as 3%% or 2 points per EUR", clip(text))
	}
	per := m[2]
	if currencyAlone.MatchString(per) {
		per = "1 " + per
	}
	each, err := parseAmount(per)
	switch {
	case err != nil:
		return rate{}, err
	case each.minor == 0:
		return rate{}, fmt.Errorf("points for each %s have no end: write it such as 2 points per EUR", each)
	}
	return rate{points: given.points, per: each}, nil
}

// parseReward reads a reward in one phrase: `3%`, `2 EUR`, `100 points`,
// `2 points per EUR`, `1 EUR per full 20 EUR`.
func parseReward(text string) (reward, error) {
	if bareNumber.MatchString(text) {
		return reward{}, fmt.Errorf("%q is neither rate nor amount: write %s%% or %s EUR", clip(text), clip(text), clip(text))
	}
	if m := everyFullForm.FindStringSubmatch(text); m != nil {
		return parsePerFull(m[1], m[2])
	}
	if strings.Contains(text, "%") || everyForm.MatchString(text) {
		given, err := parseGiven(text)
		return reward{form: offer.RateReward, rate: given}, err
	}
	if !beginsWithNumber.MatchString(text) {
		return reward{}, fmt.Errorf("%q is no reward: write it such as 3%%, 2 EUR, 1 EUR per full 20 EUR, 2 points per EUR or 100 points", clip(text))
	}
	fixed, err := parseQuantity(text)
	return reward{form: offer.FixedReward, fixed: fixed}, err
}

func parsePerFull(given, each string) (reward, error) {
	fixed, err := parseQuantity(given)
	if err != nil {
		return reward{}, err
	}
	per, err := parseAmount(each)
	switch {
	case err != nil:
		return reward{}, err
	case per.minor == 0:
		return reward{}, fmt.Errorf("there is no end of full %s in a purchase: write it such as 1 EUR per full 20 EUR", per)
	}
	return reward{form: offer.PerFullReward, fixed: fixed, per: per}, nil
}

// parseCommission reads `8%` or `0.30 EUR`.
func parseCommission(text string) (commission, error) {
	r, err := parseShareOrAmount(text)
	return commission{rateMillionths: r.percentMillionths, fixed: r.fixed}, err
}

// shareOrAmount is one of the two.
type shareOrAmount struct {
	percentMillionths int64
	fixed             amount
}

func parseShareOrAmount(text string) (shareOrAmount, error) {
	switch {
	case strings.Contains(text, "%"):
		share, err := parseRate(text)
		return shareOrAmount{percentMillionths: share}, err
	case bareNumber.MatchString(text):
		return shareOrAmount{}, fmt.Errorf("%q is neither rate nor amount: write %s%% or %s EUR", clip(text), clip(text), clip(text))
	}
	fixed, err := parseAmount(text)
	return shareOrAmount{fixed: fixed}, err
}

// parseFactor reads `2`, `x2` or `1.5` into millionths.
func parseFactor(text string) (int64, error) {
	m := factorForm.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is no factor: write a number such as 2 or 1.5", clip(text))
	}
	factor, err := parseDecimal(m[1], 6)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no factor: %w", clip(text), err)
	case factor < wholeMillionths:
		return 0, fmt.Errorf("a factor of %s would lower the reward, and a boost never does: write one from 1 to %d", clip(text), maxFactor)
	case factor > maxFactor*wholeMillionths:
		return 0, fmt.Errorf("a factor of %s is too large: write one from 1 to %d", clip(text), maxFactor)
	}
	return factor, nil
}

// pointValue is what one point costs, in millionths of a minor unit.
type pointValue struct {
	millionths int64
	currency   money.Currency
}

func parsePointValue(text string) (pointValue, error) {
	m := amountForm.FindStringSubmatch(text)
	if m == nil {
		return pointValue{}, fmt.Errorf("%q is no amount: write what one point costs, such as 0.005 EUR", clip(text))
	}
	currency, err := parseCurrency(m[2])
	if err != nil {
		return pointValue{}, err
	}
	exponent, _ := currency.Exponent()
	millionths, err := parseDecimal(m[1], int32(exponent)+6)
	switch {
	case err != nil:
		return pointValue{}, fmt.Errorf("%q is no value of a point: %w", clip(text), err)
	case millionths == 0:
		return pointValue{}, fmt.Errorf("a point worth %q costs nothing: write its value, or drop the key if none is known", clip(text))
	}
	return pointValue{millionths, currency}, nil
}

// parsePointsCode reads the unit of the points, as lines carry it.
func parsePointsCode(text string) (string, error) {
	if !pointsCodeForm.MatchString(text) {
		return "", fmt.Errorf("%q is no code of points: write 2 to 12 of A-Z 0-9 _, such as MILES", clip(text))
	}
	if _, isCurrency := money.ParseCurrency(text); isCurrency {
		return "", fmt.Errorf("%s is a currency, and points of that name would be taken for money: write another code, such as %s_POINTS", text, text)
	}
	return text, nil
}

var pointsCodeForm = regexp.MustCompile(`^[A-Z0-9_]{2,12}$`)
