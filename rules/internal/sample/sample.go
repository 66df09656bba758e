package sample

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

var (
	EUR = money.Currency([]byte("EUR"))
	USD = money.Currency([]byte("USD"))
	JPY = money.Currency([]byte("JPY"))
)

func Paris(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// Cafe is a programme with one partner: 3 % for an 8 % commission.
func Cafe(t testing.TB, change ...func(*offer.Catalogue)) *offer.Catalogue {
	zone := Paris(t)
	c := &offer.Catalogue{
		Programmes: []offer.Programme{{
			ID: "ristourne", Version: offer.Version{ID: "r1", From: rules.MinInstant}, Name: "Ristourne", Currency: EUR, Zone: zone,
			HorizonDays: 400, CeilingMillionths: money.One,
		}},
		Partners: []offer.Partner{{
			ID: "cafe", Version: offer.Version{ID: "c1", From: rules.MinInstant}, Programme: "ristourne", Name: "Café du Coin",
			Currency: EUR, Commission: offer.Commission{RateMillionths: 80_000},
			Stores: []offer.Store{{ID: "bastille", Zone: zone, Keys: []offer.Key{Mid("CAFE1")}}, {ID: "nation", Zone: zone, Keys: []offer.Key{Mid("CAFE2")}}},
			Offers: []offer.Offer{PercentOffer("everyday", 30_000)},
		}},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func Mid(id string) offer.Key {
	return offer.Key{MID: id, From: rules.MinInstant, Until: rules.MaxInstant}
}

func PercentOffer(id string, rate int64, change ...func(*offer.Offer)) offer.Offer {
	o := offer.Offer{ID: id, Currency: EUR, Reward: offer.Reward{Form: offer.RateReward, RateMillionths: rate}}
	for _, f := range change {
		f(&o)
	}
	return o
}

func FixedOffer(id string, minor int64, change ...func(*offer.Offer)) offer.Offer {
	o := PercentOffer(id, 0, change...)
	o.Reward = offer.Reward{Form: offer.FixedReward, FixedMinor: minor}
	return o
}

func Capped(per offer.CapPeriod, minor int64) func(*offer.Offer) {
	return func(o *offer.Offer) { o.Caps = append(o.Caps, offer.Cap{Per: per, AmountMinor: minor}) }
}

func InGroup(group string) func(*offer.Offer) { return func(o *offer.Offer) { o.Group = group } }
func Priority(p int) func(*offer.Offer)       { return func(o *offer.Offer) { o.Priority = p } }
func Minimum(minor int64) func(*offer.Offer)  { return func(o *offer.Offer) { o.MinSpendMinor = minor } }
func In(c money.Currency) func(*offer.Offer)  { return func(o *offer.Offer) { o.Currency = c } }
func ByProgramme(o *offer.Offer)              { o.FundedBy = offer.FundedByProgramme }

func Offers(all ...offer.Offer) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) { c.Partners[0].Offers = all }
}

func Programme(f func(*offer.Programme)) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) { f(&c.Programmes[0]) }
}

func Partner(f func(*offer.Partner)) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) { f(&c.Partners[0]) }
}

// SecondVersion adds a version of the partner from a day on.
func SecondVersion(from string, f func(*offer.Partner)) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) {
		p := c.Partners[0]
		p.Version = offer.Version{ID: "c2", From: At(from)}
		p.Offers = slices.Clone(p.Offers)
		p.Stores = slices.Clone(p.Stores)
		f(&p)
		c.Partners = append(c.Partners, p)
	}
}

var DayZero = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// At reads "d3", "d3+5s" or RFC 3339.
func At(s string) rules.Instant {
	if day, ok := strings.CutPrefix(s, "d"); ok {
		day, offset, _ := strings.Cut(day, "+")
		n, err := strconv.Atoi(day)
		if err != nil {
			panic("bad day " + s)
		}
		more := time.Duration(0)
		if offset != "" {
			if more, err = time.ParseDuration(offset); err != nil {
				panic(err)
			}
		}
		return rules.InstantOf(DayZero.AddDate(0, 0, n).Add(more))
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return rules.InstantOf(at)
}

// Miles gives the programme points and the partner terms that pay for them.
func Miles(decimals int, valueMillionths int64) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) {
		c.Programmes[0].Points = offer.PointsUnit{Code: "MILES", Decimals: decimals, ValueMillionths: valueMillionths}
		c.Partners[0].Commission = offer.Commission{Form: offer.CostPlusCommission, CostMillionths: money.One}
	}
}

// Repeating gives points for each full target, again and again.
func Repeating(rate, target int64, changes ...func(*offer.Offer)) offer.Offer {
	o := PointsOffer(rate)
	o.Goal = offer.Goal{AmountMinor: target, Per: offer.PerLife, Again: true}
	for _, f := range changes {
		f(&o)
	}
	return o
}

func PointsOffer(rate int64) offer.Offer {
	return PercentOffer("a", rate, func(o *offer.Offer) { o.Reward.Kind = rules.Points })
}

const Percent = money.One / 100
