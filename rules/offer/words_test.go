package offer_test

import (
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/internal/sample"
	"ristourne/rules/offer"
)

func weekdays(days ...time.Weekday) (all offer.Weekdays) {
	for _, d := range days {
		all |= 1 << d
	}
	return all
}

func TestTimesInWords(t *testing.T) {
	t.Parallel()
	day := func(year int, month time.Month, day int) offer.LocalTime {
		return offer.LocalTime{Year: year, Month: month, Day: day}
	}
	for _, c := range []struct {
		when offer.When
		want string
	}{
		{offer.When{}, ""},
		{offer.When{Weekdays: weekdays(time.Wednesday)}, "on Wednesdays"},
		{offer.When{Weekdays: weekdays(time.Saturday, time.Sunday)}, "on Saturdays and Sundays"},
		{offer.When{Weekdays: weekdays(time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday)}, "Monday to Friday"},
		{offer.When{Weekdays: weekdays(time.Friday, time.Saturday, time.Sunday)}, "Friday to Sunday"},
		{offer.When{Weekdays: weekdays(time.Monday, time.Wednesday, time.Friday)}, "on Mondays, Wednesdays and Fridays"},
		{offer.When{Weekdays: weekdays(time.Monday, time.Tuesday, time.Sunday)}, "on Mondays, Tuesdays and Sundays"},
		{offer.When{Hours: []offer.Hours{{FromSec: 16 * 3600, UntilSec: 19 * 3600}}}, "from 16:00 to 19:00"},
		{
			offer.When{Weekdays: weekdays(time.Friday), Hours: []offer.Hours{{FromSec: 22 * 3600, UntilSec: 2 * 3600}, {FromSec: 30, UntilSec: 86_400}}},
			"on Fridays from 22:00 to 02:00 or from 00:00:30 to 24:00",
		},
		{offer.When{Dates: []offer.Dates{{From: day(2026, 12, 24), Until: day(2026, 12, 25)}}}, "on 2026-12-24"},
		{offer.When{Dates: []offer.Dates{{From: day(2028, 2, 28), Until: day(2028, 3, 1)}}}, "from 2028-02-28 until the end of 2028-02-29"},
	} {
		if got := c.when.String(); got != c.want {
			t.Errorf("%+v is %q, want %q", c.when, got, c.want)
		}
	}
	until := offer.LocalTime{Year: 2026, Month: 3, Day: 1, Hour: 16}
	for _, c := range []struct {
		from, until offer.LocalTime
		want        string
	}{
		{offer.LocalTime{}, offer.LocalTime{}, ""},
		{day(2026, 1, 1), offer.LocalTime{}, "from 2026-01-01 on"},
		{offer.LocalTime{}, day(2026, 3, 1), "until the end of 2026-02-28"},
		{day(2026, 1, 1), until, "from 2026-01-01 until 2026-03-01 16:00"},
	} {
		if got := offer.Window(c.from, c.until); got != c.want {
			t.Errorf("%v to %v is %q, want %q", c.from, c.until, got, c.want)
		}
	}
}

func TestAmountsInWords(t *testing.T) {
	t.Parallel()
	miles := offer.PointsUnit{Code: "MILES", Decimals: 1}
	cash := func(r offer.Reward) offer.Reward { r.Kind = rules.Cash; return r }
	points := func(r offer.Reward) offer.Reward { r.Kind = rules.Points; return r }
	for _, c := range []struct {
		reward offer.Reward
		want   string
	}{
		{cash(offer.Reward{Form: offer.RateReward, RateMillionths: 30_050}), "3.005% of the purchase"},
		// 20 tenths of a point for each 100 cents.
		{points(offer.Reward{Form: offer.RateReward, RateMillionths: 200_000}), "2 MILES per EUR"},
		{points(offer.Reward{Form: offer.FixedReward, FixedMinor: 1_005}), "100.5 MILES for the purchase"},
		{cash(offer.Reward{Form: offer.PerFullReward, FixedMinor: 100, PerMinor: 2_000}), "1.00 EUR for every full 20.00 EUR"},
		{
			offer.Reward{Form: offer.FixedReward, FixedMinor: 200, Kind: rules.Wallet, Wallet: offer.WalletTerms{UsableAfterDays: 1, ExpiresAfterDays: 365}},
			"2.00 EUR for the purchase, into the wallet, usable after 1 day, lost after 365 days",
		},
		{offer.Reward{Form: offer.FixedReward, FixedMinor: 200, Kind: rules.Voucher, VoucherFor: "a free coffee"}, "2.00 EUR for the purchase, as a voucher for a free coffee"},
	} {
		o := offer.Offer{Currency: sample.EUR, Reward: c.reward}
		if got := offer.WordingOf(&o, miles).Reward(&c.reward); got != c.want {
			t.Errorf("%+v is %q, want %q", c.reward, got, c.want)
		}
	}
	w := offer.Wording{Currency: sample.EUR, Unit: "EUR"}
	for _, c := range []struct {
		every offer.Every
		want  string
	}{
		{offer.Every{N: 2, Per: offer.PerMonth}, "every 2nd visit of a month"},
		{offer.Every{N: 3, Per: offer.PerLife}, "every 3rd visit"},
		{offer.Every{N: 11, Per: offer.PerLife}, "every 11th visit"},
		{offer.Every{N: 21, Per: offer.PerYear}, "every 21st visit of a year"},
		{offer.Every{N: 112, Per: offer.PerLife}, "every 112th visit"},
	} {
		if got := w.Conditions(&offer.Conditions{Every: c.every}); len(got) != 1 || got[0].Text != c.want {
			t.Errorf("%+v is %v, want %q", c.every, got, c.want)
		}
	}
}
