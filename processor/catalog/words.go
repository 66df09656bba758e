package catalog

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones mean the same on every machine
	"unicode/utf8"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// How each kind of value is written, one function a kind. Their errors are read
// by whoever wrote the file: what is wrong, and what to write instead.

// amount is money as it is written: `12.50 EUR`. No currency: none was written.
type amount struct {
	minor    int64
	currency money.Currency
}

func (a amount) String() string { return money.FormatMinor(a.minor, a.currency) }

// wholeMillionths is 100 %.
const wholeMillionths = money.One

var (
	amountForm          = regexp.MustCompile(`^(\d+(?:\.\d+)?) ?([A-Z]{3})$`)
	rateForm            = regexp.MustCompile(`^(\d+(?:\.\d+)?) ?%$`)
	commaInside         = regexp.MustCompile(`^-?\d+,\d+`)
	shareOfAccountsForm = regexp.MustCompile(`^\d+(?:\.\d+)?(?: ?%)?$`)
	offersHoldoutForm   = regexp.MustCompile(`^(?:\d+(?:\.\d+)?(?: ?%)?|none)$`)
	bareNumber          = regexp.MustCompile(`^\d+(\.\d+)?$`)
	currencyForm        = regexp.MustCompile(`^[A-Z]{3}$`)
	idForm              = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
	textForm            = regexp.MustCompile(`\S`)
	keyPartForm         = regexp.MustCompile(`^.*\S`)
	zoneForm            = regexp.MustCompile(`^[A-Za-z0-9_+/-]+$`)
	dateForm            = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:[.,]0+)?)?)?$`)
	instantForm         = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(?:T\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:\d{2}))?$`)
)

func parseAmount(text string) (amount, error) {
	m := amountForm.FindStringSubmatch(text)
	switch {
	case m != nil:
	case strings.HasPrefix(text, "-"):
		return amount{}, fmt.Errorf("%q is below zero: amounts are written without sign", clip(text))
	case commaInside.MatchString(text):
		return amount{}, fmt.Errorf("%q has a comma: write the decimals after a point and no separators of thousands, such as 12.50 EUR", clip(text))
	case bareNumber.MatchString(text):
		return amount{}, fmt.Errorf("%q names no currency: write it behind the amount, such as %s EUR", clip(text), clip(text))
	default:
		return amount{}, fmt.Errorf("%q is no amount: write it such as 12.50 EUR", clip(text))
	}
	currency, err := parseCurrency(m[2])
	if err != nil {
		return amount{}, err
	}
	minor, err := money.ParseMinor(m[1], currency)
	if err != nil {
		return amount{}, fmt.Errorf("%w: write an amount that a card can be charged, such as %s", err, amount{1250, currency})
	}
	return amount{minor, currency}, nil
}

// parseRate reads a percentage into millionths.
func parseRate(text string) (int64, error) {
	m := rateForm.FindStringSubmatch(text)
	switch {
	case m != nil:
	case strings.HasPrefix(text, "-"):
		return 0, fmt.Errorf("%q is below zero: rates are written without sign", clip(text))
	case commaInside.MatchString(text):
		return 0, fmt.Errorf("%q has a comma: write the decimals after a point, such as 2.5%%", clip(text))
	case bareNumber.MatchString(text):
		return 0, fmt.Errorf("%q has no percent sign: write %s%% if per cent is meant", clip(text), clip(text))
	default:
		return 0, fmt.Errorf("%q is no rate: write it such as 3%% or 2.5%%", clip(text))
	}
	millionths, err := money.ParsePercent(m[1])
	if err != nil {
		return 0, fmt.Errorf("%w: write at most 4 decimals, such as 2.5125%%", err)
	}
	return millionths, nil
}

// parseCeiling reads a rate over 0 % that is at most the whole.
func parseCeiling(text string) (int64, error) {
	rate, err := parseRate(text)
	if err == nil && (rate == 0 || rate > wholeMillionths) {
		return 0, fmt.Errorf("a ceiling of %q is not over 0%% and up to 100%% of the purchase: write one that is, or drop the key", text)
	}
	return rate, err
}

// noHoldout is what an offer says that the programme's holdout doesn't reach.
const noHoldout = "none"

// parseShareOfAccounts reads `10%` or `10`.
func parseShareOfAccounts(text string) (int64, error) {
	switch {
	case bareNumber.MatchString(text):
		text += "%"
	case !rateForm.MatchString(text):
		return 0, fmt.Errorf("%q is no share of all accounts: write it such as 10%%", clip(text))
	}
	share, err := parseRate(text)
	if err == nil && share > wholeMillionths {
		return 0, fmt.Errorf("%s is more than all accounts: write 0%% to 100%%", text)
	}
	return share, err
}

func parseCurrency(text string) (money.Currency, error) {
	c, known := money.ParseCurrency(text)
	switch {
	case known:
		return c, nil
	case !currencyForm.MatchString(text):
		return c, fmt.Errorf("%q is no currency: write its ISO 4217 code in capitals, such as EUR", clip(text))
	}
	return c, fmt.Errorf("%q is no currency of ISO 4217 that cards are charged in: write one such as EUR", text)
}

func parseID(text string) (string, error) {
	if !idForm.MatchString(text) {
		return "", fmt.Errorf("%q is no id: 1 to 64 of a-z 0-9 - _ . are allowed", clip(text))
	}
	return text, nil
}

// maxTextBytes bounds free text such as a partner's name.
const maxTextBytes = 200

func parseText(text string) (string, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return "", errors.New("the text is empty: write it, or drop the key")
	case len(text) > maxTextBytes:
		return "", fmt.Errorf("the text has %d bytes: at most %d are allowed", len(text), maxTextBytes)
	case strings.ContainsFunc(text, isControl):
		return "", errors.New("the text holds a line break or another control character: write it on one line")
	}
	return text, nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// maxKeyPart bounds the parts of a key, in characters: as an event's.
const maxKeyPart = 64

// parseMID reads a card acceptor id: in ISO 8583 field 42 trailing spaces are
// filling, and events' are dropped too.
func parseMID(text string) (string, error) { return parseKeyText(strings.TrimRight(text, " ")) }

// parseKeyText reads another part of a key, such as a terminal id, exactly as
// events have it.
func parseKeyText(text string) (string, error) {
	if text == "" || utf8.RuneCountInString(text) > maxKeyPart || strings.ContainsFunc(text, isControl) {
		return "", fmt.Errorf("%q can't be in a card message: write 1 to %d characters, exactly as the acquirer states them", clip(text), maxKeyPart)
	}
	return text, nil
}

// zones holds each zone once: the same immutable 3 KB for every store in it.
// There are some 600 names, so it can't grow beyond that.
var zones sync.Map // name to *time.Location

func parseZone(text string) (*time.Location, error) {
	if zone, ok := zones.Load(text); ok {
		return zone.(*time.Location), nil
	}
	zone, err := loadZone(text)
	if err == nil {
		zones.Store(text, zone)
	}
	return zone, err
}

func loadZone(text string) (*time.Location, error) {
	// "Local" and "" would mean whatever machine reads the file.
	zone, err := time.LoadLocation(text)
	if err != nil || text == "" || text == "Local" {
		return nil, fmt.Errorf("%q is no time zone of the tz database: write one such as Europe/Paris", clip(text))
	}
	return zone, nil
}

var wallClockLayouts = []string{
	"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05",
}

// parseWallClock reads a date, or a date and a time, of the store's own clock.
func parseWallClock(text string) (offer.LocalTime, error) {
	for _, layout := range wallClockLayouts {
		t, err := time.Parse(layout, text)
		if err == nil && t.Nanosecond() == 0 && t.Year() > 0 {
			return offer.LocalTime{
				Year: t.Year(), Month: t.Month(), Day: t.Day(), Hour: t.Hour(), Min: t.Minute(), Sec: t.Second(),
			}, nil
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return offer.LocalTime{}, fmt.Errorf("%q names an offset, but this is read on the clock of the store: write 2026-01-31, or 2026-01-31 16:00", text)
	}
	return offer.LocalTime{}, fmt.Errorf("%q is no date: write 2026-01-31, or 2026-01-31 16:00", clip(text))
}

// effective is when a version comes into force, as it is written.
type effective struct {
	text    string // empty: not written
	date    offer.LocalTime
	instant rules.Instant // where date is zero
}

func parseEffective(text string) (effective, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil && t.Year() > 0 {
		return effective{text: text, date: offer.LocalTime{Year: t.Year(), Month: t.Month(), Day: t.Day()}}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return effective{text: text, instant: rules.InstantOf(t)}, nil
	}
	return effective{}, fmt.Errorf("%q is neither date nor instant: write 2026-01-31 (midnight in the programme's zone) or 2026-01-31T00:00:00+01:00", clip(text))
}

// at is the instant at which the version comes into force, its dates read in
// the programme's zone.
func (e effective) at(zone *time.Location) rules.Instant {
	switch {
	case e.text == "":
		return rules.MinInstant
	case e.date.IsZero():
		return e.instant
	}
	return e.date.In(zone)
}

// number makes the parser of a whole number from low to high.
func number(low, high int) scalar[int] {
	form := fmt.Sprintf("a whole number from %d to %d", low, high)
	parse := func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < low || n > high || !wholeForm.MatchString(text) {
			return 0, fmt.Errorf("%q is not allowed here: write %s", clip(text), form)
		}
		return n, nil
	}
	return scalar[int]{form: form, pattern: wholeForm, parse: parse, choice: schemaNode{
		"type": []string{"integer", "string"}, "minimum": low, "maximum": high, "pattern": wholeForm.String(),
	}}
}

var wholeForm = regexp.MustCompile(`^-?(?:0|[1-9]\d*)$`)

var prefixForm = regexp.MustCompile(`^\d{1,12}$`)

func parsePrefix(text string) (string, error) {
	if !prefixForm.MatchString(text) {
		return "", fmt.Errorf("%q is no beginning of a token: write 1 to 12 digits", clip(text))
	}
	return text, nil
}
