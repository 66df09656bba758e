package rules_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

var (
	eur = money.Currency([]byte("EUR"))
	usd = money.Currency([]byte("USD"))
	jpy = money.Currency([]byte("JPY"))
)

func paris(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// cafe is a programme with one partner: 3 % for an 8 % commission.
func cafe(t testing.TB, change ...func(*rules.Catalogue)) *rules.Catalogue {
	zone := paris(t)
	c := &rules.Catalogue{
		Programmes: []rules.Programme{{
			ID: "ristourne", Version: rules.Version{ID: "r1", From: rules.MinInstant}, Name: "Ristourne", Currency: eur, Zone: zone,
			HorizonDays: 400, CeilingMillionths: money.One,
		}},
		Partners: []rules.Partner{{
			ID: "cafe", Version: rules.Version{ID: "c1", From: rules.MinInstant}, Programme: "ristourne", Name: "Café du Coin",
			Currency: eur, Commission: rules.Commission{RateMillionths: 80_000},
			Stores: []rules.Store{{ID: "bastille", Zone: zone, Keys: []rules.Key{mid("CAFE1")}}, {ID: "nation", Zone: zone, Keys: []rules.Key{mid("CAFE2")}}},
			Offers: []rules.Offer{percentOffer("everyday", 30_000)},
		}},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func mid(id string) rules.Key {
	return rules.Key{MID: id, From: rules.MinInstant, Until: rules.MaxInstant}
}

func percentOffer(id string, rate int64, change ...func(*rules.Offer)) rules.Offer {
	o := rules.Offer{ID: id, Currency: eur, Reward: rules.Reward{Form: rules.RateReward, RateMillionths: rate}}
	for _, f := range change {
		f(&o)
	}
	return o
}

func fixedOffer(id string, minor int64, change ...func(*rules.Offer)) rules.Offer {
	o := percentOffer(id, 0, change...)
	o.Reward = rules.Reward{Form: rules.FixedReward, FixedMinor: minor}
	return o
}

func capped(per rules.CapPeriod, minor int64) func(*rules.Offer) {
	return func(o *rules.Offer) { o.Caps = append(o.Caps, rules.Cap{Per: per, AmountMinor: minor}) }
}

func inGroup(group string) func(*rules.Offer) { return func(o *rules.Offer) { o.Group = group } }
func priority(p int) func(*rules.Offer)       { return func(o *rules.Offer) { o.Priority = p } }
func minimum(minor int64) func(*rules.Offer)  { return func(o *rules.Offer) { o.MinSpendMinor = minor } }
func in(c money.Currency) func(*rules.Offer)  { return func(o *rules.Offer) { o.Currency = c } }
func byProgramme(o *rules.Offer)              { o.FundedBy = rules.FundedByProgramme }

func offers(all ...rules.Offer) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) { c.Partners[0].Offers = all }
}

func programme(f func(*rules.Programme)) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) { f(&c.Programmes[0]) }
}

func partner(f func(*rules.Partner)) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) { f(&c.Partners[0]) }
}

// secondVersion adds a version of the partner from a day on.
func secondVersion(from string, f func(*rules.Partner)) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) {
		p := c.Partners[0]
		p.Version = rules.Version{ID: "c2", From: when(from)}
		p.Offers = slices.Clone(p.Offers)
		p.Stores = slices.Clone(p.Stores)
		f(&p)
		c.Partners = append(c.Partners, p)
	}
}

var dayZero = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// when reads "d3", "d3+5s" or RFC 3339.
func when(s string) rules.Instant {
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
		return rules.InstantOf(dayZero.AddDate(0, 0, n).Add(more))
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return rules.InstantOf(at)
}

// miles gives the programme points and the partner terms that pay for them.
func miles(decimals int, valueMillionths int64) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) {
		c.Programmes[0].Points = rules.PointsUnit{Code: "MILES", Decimals: decimals, ValueMillionths: valueMillionths}
		c.Partners[0].Commission = rules.Commission{Form: rules.CostPlusCommission, CostMillionths: money.One}
	}
}

// repeating gives points for each full target, again and again.
func repeating(rate, target int64, changes ...func(*rules.Offer)) rules.Offer {
	o := pointsOffer(rate)
	o.Goal = rules.Goal{AmountMinor: target, Per: rules.PerLife, Again: true}
	for _, f := range changes {
		f(&o)
	}
	return o
}

func pointsOffer(rate int64) rules.Offer {
	return percentOffer("a", rate, func(o *rules.Offer) { o.Reward.Kind = rules.Points })
}

const percent = money.One / 100
