package offer

import (
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/reason"
)

// This file says the model in words that a shop owner understands: what an
// explanation tells of an offer, and what a comparison of two catalogues does.

// Wording is how the amounts of one offer are written.
type Wording struct {
	Currency money.Currency // of basis, minimum and goal
	Unit     string         // of awards: the currency's code, or that of the points
	Decimals int            // of points
}

// WordingOf is how the amounts of an offer are written where the programme
// gives these points.
func WordingOf(o *Offer, points PointsUnit) Wording {
	return Wording{Currency: o.Currency, Unit: o.UnitOf(points.Code), Decimals: points.Decimals}
}

// Money writes an amount in the offer's currency: "12.50 EUR".
func (w Wording) Money(minor int64) string { return money.FormatMinor(minor, w.Currency) }

// Units writes an award: "12.50 EUR", or "120 MILES".
func (w Wording) Units(units int64) string { return FormatUnits(units, w.Unit, w.Decimals) }

// FormatUnits writes an amount in a unit of lines. decimals are those of points.
func FormatUnits(units int64, unit string, decimals int) string {
	if c, ok := money.ParseCurrency(unit); ok {
		return money.FormatMinor(units, c)
	}
	return decimal.New(units, -int32(decimals)).String() + " " + unit
}

// PreciseRate writes a rate in 10^-12 units for each minor unit of the basis: "3%", or
// "2 MILES per EUR".
func (w Wording) PreciseRate(trillionths int64) string {
	if w.Unit == w.Currency.String() {
		return decimal.New(trillionths, -10).String() + "%"
	}
	exponent, _ := w.Currency.Exponent()
	return decimal.New(trillionths, int32(exponent-w.Decimals)-12).String() + " " + w.Unit + " per " + w.Currency.String()
}

// Rate writes a rate in millionths.
func (w Wording) Rate(millionths int64) string { return w.PreciseRate(millionths * money.One) }

// Reward says what an offer gives: "3% of the purchase".
func (w Wording) Reward(r *Reward) string {
	return w.reward(r) + payment(r)
}

func (w Wording) reward(r *Reward) string {
	switch r.Form {
	case RateReward:
		return w.Rate(r.RateMillionths) + w.ofPurchase()
	case FixedReward:
		return w.Units(r.FixedMinor) + " for the purchase"
	case PerFullReward:
		return w.Units(r.FixedMinor) + " for every full " + w.Money(r.PerMinor)
	case TieredReward:
		tiers := make([]string, len(r.Tiers))
		for i, t := range r.Tiers {
			tiers[i] = fmt.Sprintf("%s from %s", w.Rate(t.RateMillionths), w.Money(t.FromMinor))
		}
		if r.Marginal {
			return Joined(tiers, "and") + ", each on the part above"
		}
		return Joined(tiers, "and") + ", on the whole purchase"
	case CategoryReward:
		rates := make([]string, len(r.Categories), len(r.Categories)+1)
		for i, c := range r.Categories {
			rates[i] = w.Rate(c.RateMillionths) + " on " + c.Category
		}
		if r.RestMillionths > 0 {
			rates = append(rates, w.Rate(r.RestMillionths)+" on the rest")
		}
		return Joined(rates, "and")
	}
	return "nothing to the member"
}

func (w Wording) ofPurchase() string {
	if w.Unit == w.Currency.String() {
		return " of the purchase"
	}
	return ""
}

// payment says as what a reward is given, where it isn't cash or points.
func payment(r *Reward) string {
	switch r.Kind {
	case rules.Wallet:
		text := ", into the wallet"
		if d := r.Wallet.UsableAfterDays; d > 0 {
			text += ", usable after " + days(d)
		}
		if d := r.Wallet.ExpiresAfterDays; d > 0 {
			text += ", lost after " + days(d)
		}
		return text
	case rules.Voucher:
		if r.VoucherFor == "" {
			return ", as a voucher"
		}
		return ", as a voucher for " + r.VoucherFor
	}
	return ""
}

func days(n int) string { return Counted(int64(n), "day") }

// Counted is "1 day", "2 days".
func Counted[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Joined is "a, b and c".
func Joined(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

// Window says from when to when something holds; empty: always.
func Window(from, until LocalTime) string {
	switch {
	case from.IsZero() && until.IsZero():
		return ""
	case until.IsZero():
		return "from " + from.String() + " on"
	case from.IsZero():
		return "until " + lastOf(until)
	}
	return "from " + from.String() + " until " + lastOf(until)
}

// String is the date, and the time where it isn't midnight.
func (l LocalTime) String() string {
	date := fmt.Sprintf("%04d-%02d-%02d", l.Year, l.Month, l.Day)
	if l.Hour == 0 && l.Min == 0 && l.Sec == 0 {
		return date
	}
	return date + " " + timeOfDay(int32(l.Hour*3600+l.Min*60+l.Sec))
}

// lastOf says an end that is no part of what it ends: of whole days the last
// one that is.
func lastOf(until LocalTime) string {
	if until.Hour+until.Min+until.Sec > 0 {
		return until.String()
	}
	last := time.Date(until.Year, until.Month, until.Day-1, 0, 0, 0, 0, time.UTC)
	return "the end of " + last.Format(time.DateOnly)
}

func timeOfDay(seconds int32) string {
	text := fmt.Sprintf("%02d:%02d", seconds/3600, seconds/60%60)
	if s := seconds % 60; s > 0 {
		text += fmt.Sprintf(":%02d", s)
	}
	return text
}

// String says at which times: "on Wednesdays from 16:00 to 19:00"; empty: always.
func (w *When) String() string {
	var parts []string
	if w.Weekdays != 0 {
		text := w.Weekdays.String()
		if !strings.Contains(text, " to ") {
			text = "on " + text
		}
		parts = append(parts, text)
	}
	if len(w.Hours) > 0 {
		hours := make([]string, len(w.Hours))
		for i, h := range w.Hours {
			hours[i] = "from " + timeOfDay(h.FromSec) + " to " + timeOfDay(h.UntilSec)
		}
		parts = append(parts, Joined(hours, "or"))
	}
	if len(w.Dates) > 0 {
		dates := make([]string, len(w.Dates))
		for i, d := range w.Dates {
			dates[i] = d.String()
		}
		parts = append(parts, Joined(dates, "or"))
	}
	return strings.Join(parts, " ")
}

// String says the days: "Wednesdays and Fridays", "Monday to Friday".
func (w Weekdays) String() string {
	var names []string
	for i := range 7 {
		if day := time.Weekday((i + 1) % 7); w.Has(day) { // from Monday on
			names = append(names, day.String()+"s")
		}
	}
	first, last := strings.TrimSuffix(names[0], "s"), strings.TrimSuffix(names[len(names)-1], "s")
	if len(names) > 2 && w.inARow() {
		return first + " to " + last
	}
	return Joined(names, "and")
}

// inARow reports that from the first to the last no day of the week is missing.
func (w Weekdays) inARow() bool {
	changes := 0
	for i := range 7 {
		before := i > 0 && w.Has(time.Weekday(i))
		if now := w.Has(time.Weekday((i + 1) % 7)); now != before {
			changes++
		}
	}
	return changes <= 2
}

// String says the days: "from 2026-11-27 until the end of 2026-11-30", or
// "on 2026-12-24".
func (d Dates) String() string {
	next := time.Date(d.From.Year, d.From.Month, d.From.Day+1, d.From.Hour, d.From.Min, d.From.Sec, 0, time.UTC)
	if !d.From.IsZero() && d.Until == localTimeOf(next) && d.From.Hour+d.From.Min+d.From.Sec == 0 {
		return "on " + d.From.String()
	}
	return Window(d.From, d.Until)
}

func localTimeOf(t time.Time) LocalTime {
	return LocalTime{t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second()}
}

// ConditionText is one thing that an offer asks. Two versions of an offer ask
// the same kind of thing where their codes are the same.
type ConditionText struct{ Code, Text string }

// Conditions says what an offer asks, one by one, beside its window.
func (w Wording) Conditions(c *Conditions) []ConditionText {
	var all []ConditionText
	for _, asked := range w.Requirements(c) {
		code := asked.Why.Names()[0]
		switch {
		case asked.Why == reason.Enrolled: // three kinds share it
			code = strings.Join(strings.Fields(asked.Text)[:2], "_")
		case len(asked.Only.NotMCCs) > 0:
			code = "except_" + code
		}
		all = append(all, ConditionText{code, asked.Text})
	}
	return all
}

// Requirement is one condition by itself: the code for which an offer doesn't apply
// without it, in words, and as the conditions of an offer that asks nothing else.
type Requirement struct {
	Why  reason.Set
	Text string
	Only Conditions
}

func (w Wording) Requirements(c *Conditions) []Requirement {
	var all []Requirement
	add := func(is bool, why reason.Set, only Conditions, format string, args ...any) {
		if is {
			all = append(all, Requirement{why, fmt.Sprintf(format, args...), only})
		}
	}
	when := c.When.String()
	add(when != "", reason.Hours, Conditions{When: c.When}, "%s", when)
	add(c.MinSpendMinor > 0, reason.Minimum, Conditions{MinSpendMinor: c.MinSpendMinor}, "a purchase of at least %s", w.Money(c.MinSpendMinor))
	add(c.MaxSpendMinor > 0, reason.Maximum, Conditions{MaxSpendMinor: c.MaxSpendMinor}, "a purchase of at most %s", w.Money(c.MaxSpendMinor))
	add(len(c.Channels) > 0, reason.Channel, Conditions{Channels: c.Channels}, "bought %s", channelsText(c.Channels))
	add(len(c.MCCs) > 0, reason.MCC, Conditions{MCCs: c.MCCs}, "at a merchant of category %s", rangesText(c.MCCs))
	add(len(c.NotMCCs) > 0, reason.MCC, Conditions{NotMCCs: c.NotMCCs}, "at a merchant of another category than %s", rangesText(c.NotMCCs))
	add(len(c.Countries) > 0, reason.Country, Conditions{Countries: c.Countries}, "at a merchant in %s", Joined(c.Countries, "or"))
	add(len(c.PaidIn) > 0, reason.PaidIn, Conditions{PaidIn: c.PaidIn}, "paid in %s", currenciesText(c.PaidIn))
	all = append(all, audienceRequirements(&c.Audience)...)
	add(c.FirstPurchase, reason.First, Conditions{FirstPurchase: true}, "the first purchase there")
	add(c.LapsedDays > 0, reason.Lapsed, Conditions{LapsedDays: c.LapsedDays}, "bought there before, but not for %s", days(c.LapsedDays))
	add(c.Every.N > 0, reason.Visit, Conditions{Every: c.Every}, "every %s visit%s%s", Ordinal(c.Every.N), within(c.Every.Per), ifSo(c.Every.OnceADay, ", at most one a day"))
	add(c.Goal.AmountMinor > 0, reason.Goal, Conditions{Goal: c.Goal}, "the visit with which %s are spent%s%s", w.Money(c.Goal.AmountMinor),
		strings.Replace(within(c.Goal.Per), "of", "in", 1), ifSo(c.Goal.Again, ", and each further "+w.Money(c.Goal.AmountMinor)))
	return all
}

// String says for whom: "members of level loyal"; empty: all.
func (a *Audience) String() string {
	var parts []string
	for _, asked := range audienceRequirements(a) {
		parts = append(parts, asked.Text)
	}
	return strings.Join(parts, ", ")
}

func audienceRequirements(a *Audience) []Requirement {
	var all []Requirement
	add := func(is bool, why reason.Set, only Audience, format string, args ...any) {
		if is {
			all = append(all, Requirement{why, fmt.Sprintf(format, args...), Conditions{Audience: only}})
		}
	}
	add(len(a.Levels) > 0, reason.Level, Audience{Levels: a.Levels}, "members of level %s", Joined(a.Levels, "or"))
	add(len(a.Segments) > 0, reason.Segment, Audience{Segments: a.Segments}, "members of segment %s", Joined(a.Segments, "or"))
	add(len(a.CardProducts) > 0, reason.CardProduct, Audience{CardProducts: a.CardProducts}, "paid with card %s", Joined(a.CardProducts, "or"))
	add(a.Activated, reason.Activation, Audience{Activated: true}, "the member has activated it")
	add(!a.EnrolledSince.IsZero(), reason.Enrolled, Audience{EnrolledSince: a.EnrolledSince}, "enrolled on %s or later", a.EnrolledSince)
	add(a.EnrolledForDays > 0, reason.Enrolled, Audience{EnrolledForDays: a.EnrolledForDays}, "enrolled at least %s ago", days(a.EnrolledForDays))
	add(a.EnrolledWithinDays > 0, reason.Enrolled, Audience{EnrolledWithinDays: a.EnrolledWithinDays}, "enrolled less than %s ago", days(a.EnrolledWithinDays))
	return all
}

var ChannelTexts = [...]string{rules.ChannelUnknown: "nobody knows where", rules.InStore: "in a store", rules.Online: "online", rules.OtherChannel: "in another way"}

func channelsText(channels []rules.Channel) string {
	var texts []string
	for _, c := range channels {
		texts = append(texts, ChannelTexts[c])
	}
	return Joined(texts, "or")
}

func currenciesText(currencies []money.Currency) string {
	var codes []string
	for _, c := range currencies {
		codes = append(codes, c.String())
	}
	return Joined(codes, "or")
}

func rangesText(ranges []MCCRange) string {
	var texts []string
	for _, r := range ranges {
		text := fmt.Sprintf("%04d", r.From)
		if r.To != r.From {
			text += fmt.Sprintf("-%04d", r.To)
		}
		texts = append(texts, text)
	}
	return Joined(texts, "or")
}

func Ordinal(n int) string {
	suffix := "th"
	if tens := n / 10 % 10; tens != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

// within says the period of a visit or a goal.
func within(per CapPeriod) string {
	if per == PerLife {
		return ""
	}
	return " of a " + per.String()
}

// Boost says what a boost does, to which rate, when and for whom.
func (w Wording) Boost(b *Boost) string {
	parts := []string{w.boostOp(b)}
	if text := b.When.String(); text != "" {
		parts = append(parts, text)
	}
	if text := Window(b.From, b.Until); text != "" {
		parts = append(parts, text)
	}
	text := strings.Join(parts, " ")
	if audience := b.Audience.String(); audience != "" {
		text += ", for " + audience
	}
	return text
}

func (w Wording) boostOp(b *Boost) string {
	switch b.Op {
	case SetRate:
		return w.Rate(b.RateMillionths)
	case AddRate:
		return w.Rate(b.RateMillionths) + " more"
	}
	return decimal.New(b.FactorMillionths, -6).String() + " times as much"
}

// Cap says a limit: "at most 15.00 EUR per purchase".
func (w Wording) Cap(c *Cap) string {
	most := Counted(c.Count, "award")
	if c.Count == 0 {
		most = w.Units(c.AmountMinor)
	}
	return "at most " + most + " " + perPeriod(c.Per, c.Days)
}

func perPeriod(per CapPeriod, nDays int) string {
	switch per {
	case PerRolling:
		return "in " + days(nDays)
	case PerLife:
		return "ever"
	}
	return "per " + per.String()
}

// Budget says what all members together get.
func (w Wording) Budget(b *Budget) string {
	text := "at most " + w.Units(b.AmountMinor) + " to all members together"
	if b.PerStoreAndDay {
		text += ", at each store on each day"
	}
	if b.Whole {
		text += ", the last award whole or not at all"
	}
	return text
}

// Commission says what the partner owes for a purchase.
func (w Wording) Commission(c *Commission) string {
	var text string
	switch {
	case c.Form == CostPlusCommission:
		return money.FormatPercent(c.CostMillionths) + " of what the rewards cost"
	case c.Form == TieredCommission:
		tiers := make([]string, len(c.Tiers))
		for i, t := range c.Tiers {
			tiers[i] = w.owed(t.RateMillionths, t.FixedMinor) + " from " + w.Money(t.FromMinor)
		}
		text = Joined(tiers, "and")
	case c.None():
		return "nothing per sale"
	default:
		text = w.owed(c.RateMillionths, c.FixedMinor)
	}
	if c.On == OnSale {
		text += ", for every member's purchase"
	}
	return text
}

func (w Wording) owed(rateMillionths, fixedMinor int64) string {
	switch {
	case fixedMinor == 0:
		return money.FormatPercent(rateMillionths) + " of the purchase"
	case rateMillionths == 0:
		return w.Money(fixedMinor) + " per purchase"
	}
	return money.FormatPercent(rateMillionths) + " of the purchase plus " + w.Money(fixedMinor)
}

// Sponsor says what the sponsor of a referred member gets.
func (w Wording) Sponsor(s *Sponsor) string {
	text := money.FormatPercent(s.RateMillionths) + " of the purchase"
	if s.RateMillionths == 0 {
		text = w.Money(s.FixedMinor)
	}
	if s.FirstPurchases > 0 {
		text += " on the first " + Counted(int64(s.FirstPurchases), "purchase")
	}
	if s.WithinDays > 0 {
		text += " within " + days(s.WithinDays) + " of the enrolment"
	}
	cash := Wording{Currency: w.Currency, Unit: w.Currency.String()}
	for i := range s.Caps {
		text += ", " + cash.Cap(&s.Caps[i])
	}
	return text
}

// ifSo is the text where is holds, and empty elsewhere.
func ifSo(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

// CapReasons is the reason of a cap's period.
var CapReasons = [...]reason.Set{
	PerPurchase: reason.CapPurchase, PerDay: reason.CapDay, PerWeek: reason.CapWeek, PerMonth: reason.CapMonth, PerQuarter: reason.CapQuarter,
	PerYear: reason.CapYear, PerRolling: reason.CapRolling, PerLife: reason.CapLife,
}
