package catalog

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ristourne/rules/offer"
)

// payoutDoc is a programme's payout as it is written.
type payoutDoc struct {
	cycle    offer.Cycle
	holdDays int
	from     amount
	negative negativeDoc
	writeOff *writeOffDoc
	attempts int
	shadow   bool
	fourEyes *amount
	payFrom  effective
}

type negativeDoc struct {
	negative  offer.Negative
	afterDays int
}

type writeOffDoc struct {
	upTo      amount
	afterDays int
}

const maxAttempts = 1000

var (
	cycleForm    = regexp.MustCompile(`^(?:at once|daily|weekly on [a-z]+|monthly on \d{1,2}|by hand)$`)
	negativeForm = regexp.MustCompile(`^(?:net|debit|debit after (?:0|[1-9]\d{0,3}) days?)$`)
	daysOrNone   = regexp.MustCompile(`^(?:0|[1-9]\d{0,3}) ?days?$`)

	aCycle     = scalar[offer.Cycle]{form: "when it is paid, such as monthly on 1", pattern: cycleForm, parse: parseCycle}
	aNegative  = scalar[negativeDoc]{form: "net, debit, or debit after 30 days", pattern: negativeForm, parse: parseNegative}
	noneOrDays = scalar[int]{form: "a number of days such as 30 days", pattern: daysOrNone, parse: parseNoneOrDays}
	leaving    = oneOf(map[string]bool{"instructions": false, "shadow": true}, "instructions", "shadow")
)

var writeOffKeys = mapping[writeOffDoc]{what: "what is given up", fields: []field[writeOffDoc]{
	key("up_to", anAmount, func(w *writeOffDoc) *amount { return &w.upTo }, "the largest debt that is given up, such as 5 EUR").must(),
	key("after", noneOrDays, func(w *writeOffDoc) *int { return &w.afterDays }, "how long it must have lasted, such as 180 days").must(),
}}

var payoutKeys = mapping[payoutDoc]{what: "a payout", fields: []field[payoutDoc]{
	key("cycle", aCycle, func(p *payoutDoc) *offer.Cycle { return &p.cycle }, "when it is paid: at once, daily, weekly on friday, monthly on 1 (to 28), or by hand"),
	key("hold", noneOrDays, func(p *payoutDoc) *int { return &p.holdDays }, "how long after its latest clearing a purchase's rewards are held, such as 30 days"),
	key("from", anAmount, func(p *payoutDoc) *amount { return &p.from }, "the least that a cycle pays, such as 10 EUR; less is carried over"),
	key("negative", aNegative, func(p *payoutDoc) *negativeDoc { return &p.negative }, "what becomes of a debt: net (coming rewards first), debit, or debit after 30 days"),
	key("write_off", ifWritten[writeOffDoc]{writeOffKeys}, func(p *payoutDoc) **writeOffDoc { return &p.writeOff }, "which debts are given up, such as {up_to: 5 EUR, after: 180 days}"),
	key("attempts", number(1, maxAttempts), func(p *payoutDoc) *int { return &p.attempts }, "after how many rejected instructions in a row a person must look; 3 where none is written"),
	key("four_eyes_over", ifWritten[amount]{anAmount}, func(p *payoutDoc) **amount { return &p.fourEyes }, "adjustments of more than this, either way, need a second person; 0 EUR: all do"),
	key("pay", leaving, func(p *payoutDoc) *bool { return &p.shadow }, "instructions, or shadow: all is worked out, and nothing leaves the house"),
	key("pay_from", effectiveAt, func(p *payoutDoc) *effective { return &p.payFrom }, "the day before which nothing is paid that was earned, such as 2026-01-31"),
}}

// parseCycle reads `monthly on 1`.
func parseCycle(text string) (offer.Cycle, error) {
	kind, on, _ := strings.Cut(text, " on ")
	day, err := strconv.Atoi(on)
	weekday, known := weekdayNamed(on)
	switch {
	case text == "at once":
		return offer.Cycle{Kind: offer.AtOnce}, nil
	case text == "daily":
		return offer.Cycle{Kind: offer.DailyCycle}, nil
	case text == "by hand":
		return offer.Cycle{Kind: offer.ByHand}, nil
	case kind == "weekly" && known:
		return offer.Cycle{Kind: offer.WeeklyCycle, Weekday: weekday}, nil
	case kind == "weekly":
		return offer.Cycle{}, fmt.Errorf("%q names no day of the week: write such as weekly on friday", clip(text))
	case kind == "monthly" && err == nil && day >= 1 && day <= 28 && on[0] != '0':
		return offer.Cycle{Kind: offer.MonthlyCycle, Day: day}, nil
	case kind == "monthly":
		return offer.Cycle{}, fmt.Errorf("%q names no day that every month has: write monthly on 1, up to 28", clip(text))
	}
	words := []string{"at once", "daily", "weekly on friday", "monthly on 1", "by hand"}
	return offer.Cycle{}, fmt.Errorf("%q is not known here: write one of %s%s", clip(text), strings.Join(words, ", "), didYouMean(text, words))
}

func weekdayNamed(name string) (time.Weekday, bool) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if long := strings.ToLower(day.String()); long == name || long[:3] == name {
			return day, true
		}
	}
	return 0, false
}

// parseNegative reads `debit after 30 days`.
func parseNegative(text string) (negativeDoc, error) {
	after, isAfter := strings.CutPrefix(text, "debit after ")
	switch {
	case text == "net":
		return negativeDoc{negative: offer.NegativeNet}, nil
	case text == "debit":
		return negativeDoc{negative: offer.NegativeDebit}, nil
	case isAfter:
		days, err := parseNoneOrDays(after)
		return negativeDoc{offer.NegativeDebit, days}, err
	}
	return negativeDoc{}, fmt.Errorf("%q is not known here: write net, debit, or debit after 30 days", clip(text))
}

// parseNoneOrDays reads `30 days`, or `0 days`.
func parseNoneOrDays(text string) (int, error) {
	if number, _, _ := strings.Cut(text, "day"); strings.TrimSpace(number) == "0" && daysOrNone.MatchString(text) {
		return 0, nil
	}
	return parseDays(text)
}

func (p *payoutDoc) toRules(zone *time.Location) offer.Payout {
	agreed := offer.Payout{
		Cycle: p.cycle, HoldDays: p.holdDays, FromMinor: p.from.minor, Negative: p.negative.negative, DebitAfterDays: p.negative.afterDays,
		Attempts: cmp.Or(p.attempts, offer.DefaultAttempts), Shadow: p.shadow,
	}
	if p.writeOff != nil {
		agreed.WriteOff = offer.WriteOff{UpToMinor: p.writeOff.upTo.minor, AfterDays: p.writeOff.afterDays}
	}
	if p.fourEyes != nil {
		agreed.FourEyes, agreed.FourEyesOverMinor = true, p.fourEyes.minor
	}
	if p.payFrom.text != "" {
		agreed.PayFrom = p.payFrom.at(zone)
	}
	return agreed
}

// checkPayout holds its amounts to the currency of the programme: in another
// nothing is too little to pay, and nothing is written off.
func (c *checker) checkPayout(d *Document, p *offer.Programme) {
	doc := &d.programme.payout
	amounts := []placedAmount{{doc.from, path{"payout", "from"}}}
	if w := doc.writeOff; w != nil {
		amounts = append(amounts, placedAmount{w.upTo, path{"payout", "write_off", "up_to"}})
		if w.upTo.minor == 0 && !isNone(w.upTo.currency) {
			c.fault(d, path{"payout", "write_off", "up_to"}, "no debt is so small: write more than %s, or drop write_off", w.upTo)
		}
	}
	if doc.fourEyes != nil {
		amounts = append(amounts, placedAmount{*doc.fourEyes, path{"payout", "four_eyes_over"}})
	}
	for _, a := range amounts {
		if !isNone(a.currency) && !isNone(p.Currency) && a.currency != p.Currency {
			c.fault(d, a.at, "the amount is in %s, but the programme counts in %s: write it in %s", a.currency, p.Currency, p.Currency)
		}
	}
}

// warnOfPayout warns of what never happens.
func (c *checker) warnOfPayout(d *Document, p *offer.Programme) {
	if p.Payout.DebitedFirst() {
		c.warn(d, path{"payout", "write_off"}, "a debt is debited as soon as it is met, so that nothing is ever given up: write `negative: net`, or `negative: debit after %s`, or drop write_off", offer.Counted(p.Payout.WriteOff.AfterDays, "day"))
	}
}
