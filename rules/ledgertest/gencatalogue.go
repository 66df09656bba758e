package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
	_ "time/tzdata" // a seed means the same case on every machine

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

const programmeID = "ristourne"

// Zones with daylight saving on both halves of the earth, with half an hour of
// it, without any, and far from Greenwich on both sides.
var zoneNames = []string{
	"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "Africa/Tunis", "Pacific/Kiritimati",
	"America/St_Johns", "UTC",
}

// Currencies of 2, 0, 3 and 4 digits.
var currencyCodes = []string{"EUR", "EUR", "EUR", "JPY", "TND", "CLF"}

func currency(code string) money.Currency { return money.Currency([]byte(code)) }

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func (g *Generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

func (g *Generator) zone() *time.Location {
	name := pick(g.rng, zoneNames...)
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic("ledgertest: the embedded tz database lacks " + name + ": " + err.Error())
	}
	return zone
}

// instant is a random one of the span, often on a round second.
func (g *Generator) instant() rules.Instant {
	d := time.Duration(g.rng.Int64N(int64(g.o.Span)))
	switch g.rng.IntN(3) {
	case 0:
		d = d.Truncate(time.Second)
	case 1:
		d = d.Truncate(24 * time.Hour)
	}
	return rules.InstantOf(g.o.Start.Add(d))
}

// versions are the dates from which the versions of a subject hold.
func (g *Generator) versions(most int) []rules.Instant {
	from := []rules.Instant{rules.MinInstant}
	for range g.rng.IntN(most) {
		if at := g.instant(); !slices.Contains(from, at) {
			from = append(from, at)
		}
	}
	slices.SortFunc(from, rules.Instant.Compare)
	return from
}

func (g *Generator) makeCatalogue() *offer.Catalogue {
	cat := &offer.Catalogue{}
	enrolment := offer.EnrolmentExplicit
	if g.chance(15) {
		enrolment = offer.EnrolmentAutomatic
	}
	base := currency(pick(g.rng, currencyCodes...))
	g.base = base
	g.choose()
	decimals := g.rng.IntN(3)
	rounding := pick(g.rng, money.HalfEven, money.HalfEven, money.HalfUp, money.Down, money.Up)
	for i, from := range g.versions(3) {
		p := offer.Programme{
			ID: programmeID, Version: offer.Version{ID: fmt.Sprintf("r%d", i+1), From: from}, Name: "Ristourne",
			Currency: base, Zone: g.zone(), Rounding: rounding, Enrolment: enrolment, AllCards: g.plain || g.chance(20),
			HorizonDays: g.horizon, CeilingMillionths: 1_000_000, Points: g.pointsUnit(decimals),
		}
		if g.chance(25) {
			p.CeilingMillionths = pick[int64](g.rng, 20_000, 100_000, 333_333, 1)
		}
		if g.unlinked && g.chance(85) {
			p.UnlinkedRefundDays = pick(g.rng, 1, 7, g.horizon, g.horizon/2, g.horizon-1)
		}
		if i > 0 && enrolment == offer.EnrolmentAutomatic && !g.o.Orderless && g.chance(40) { // it takes everyone no more
			p.Enrolment = offer.EnrolmentExplicit
		}
		if g.chance(30) {
			rounding = pick(g.rng, money.HalfEven, money.HalfUp, money.Down, money.Up)
		}
		cat.Programmes = append(cat.Programmes, p)
	}
	if g.features[ownOffers] {
		g.makeOwnOffers(cat)
	}
	if g.features[otherProgramme] {
		g.makeOther(cat)
	}
	keys := g.makeKeys()
	for i := range g.o.Partners {
		cat.Partners = append(cat.Partners, g.makePartner(i, base, keys[i])...)
	}
	if g.features[campaigns] {
		g.makeCampaigns(cat)
	}
	return cat
}

// makeKeys deals every merchant key to one store at a time: partner by
// partner, store by store. Some change hands in the middle of the span.
func (g *Generator) makeKeys() [][][]offer.Key {
	stores := make([][][]offer.Key, g.o.Partners)
	for i := range stores {
		stores[i] = make([][]offer.Key, 1+g.rng.IntN(3))
	}
	deal := func(k offer.Key) {
		p := g.rng.IntN(len(stores))
		s := g.rng.IntN(len(stores[p]))
		stores[p][s] = append(stores[p][s], k)
	}
	for _, k := range g.keyNames() {
		k.From, k.Until = rules.MinInstant, rules.MaxInstant
		change := g.rng.IntN(5)
		if g.plain {
			change = -1
		}
		switch change {
		case 0:
			k.From = g.instant()
			deal(k)
		case 1:
			k.Until = g.instant()
			deal(k)
		case 2: // changes hands
			next := k
			k.Until = g.instant()
			next.From = k.Until
			deal(k)
			deal(next)
		default:
			deal(k)
		}
	}
	return stores
}

// keyNames are few, so that one merchant's keys of different rank often name
// different stores. No two of one rank can fit one event.
func (g *Generator) keyNames() []offer.Key {
	var keys []offer.Key
	for i := range 3 + 2*g.o.Partners {
		mid := fmt.Sprintf("MID%03d", i+1)
		if g.chance(60) {
			keys = append(keys, offer.Key{MID: mid})
		}
		for _, acquirer := range []string{"ACQ1", "ACQ2"} {
			if g.chance(30) {
				keys = append(keys, offer.Key{MID: mid, AcquirerID: acquirer})
			}
		}
		for _, sub := range []string{"SUB1", "SUB2"} {
			if g.chance(25) {
				keys = append(keys, offer.Key{MID: mid, SubMerchantID: sub})
			}
		}
		for _, terminal := range []string{"T1", "T2"} {
			if !g.says(byTerminal, 30) {
				continue
			}
			if g.chance(50) {
				keys = append(keys, offer.Key{MID: mid, TerminalID: terminal})
				continue
			}
			for _, acquirer := range []string{"ACQ1", "ACQ2"} {
				if g.chance(60) {
					keys = append(keys, offer.Key{MID: mid, TerminalID: terminal, AcquirerID: acquirer})
				}
			}
		}
	}
	for i := range 1 + g.o.Partners {
		id := fmt.Sprintf("NET%03d", i+1)
		if g.chance(50) {
			keys = append(keys, offer.Key{NetworkMerchantID: id})
			continue
		}
		keys = append(keys, offer.Key{NetworkMerchantID: id, Network: "VISA"})
		if g.chance(50) {
			keys = append(keys, offer.Key{NetworkMerchantID: id, Network: "MC"})
		}
	}
	return keys
}

// makePartner is one partner in all its versions.
func (g *Generator) makePartner(n int, base money.Currency, keys [][]offer.Key) []offer.Partner {
	id, programme := fmt.Sprintf("partner%d", n+1), programmeID
	if n > 0 && g.says(otherProgramme, 30) {
		programme = otherProgrammeID
	}
	terms := base
	if g.chance(20) {
		terms = currency(pick(g.rng, currencyCodes...))
	}
	zones, ofProgramme := make([]*time.Location, len(keys)), make([]bool, len(keys))
	for i := range zones {
		zones[i], ofProgramme[i] = g.zone(), g.says(zonesOfProgramme, 50)
	}
	offerCurrency := make([]money.Currency, 1+g.rng.IntN(4))
	for i := range offerCurrency {
		offerCurrency[i] = terms
		if g.chance(10) {
			offerCurrency[i] = currency(pick(g.rng, currencyCodes...))
		}
	}
	var versions []offer.Partner
	for i, from := range g.versions(4) {
		version := offer.Version{ID: fmt.Sprintf("p%dv%d", n+1, i+1), From: from}
		if i > 0 && !g.plain && g.chance(8) {
			version.Ended = true
			versions = append(versions, offer.Partner{ID: id, Version: version, Programme: programme})
			continue
		}
		p := offer.Partner{
			ID: id, Version: version, Programme: programme, Name: "Partner " + id, Currency: terms,
			Commission: g.terms(),
		}
		for s := range keys {
			store := offer.Store{ID: fmt.Sprintf("%s-store%d", id, s+1), Name: "Store", Zone: zones[s], OfProgramme: ofProgramme[s]}
			for _, k := range keys[s] {
				if g.plain || !g.chance(6) {
					store.Keys = append(store.Keys, k)
				}
			}
			p.Stores = append(p.Stores, store)
		}
		for o, c := range offerCurrency {
			if i == 0 || !g.chance(10) {
				if g.says(unitChanges, 25) {
					c = currency(pick(g.rng, currencyCodes...))
				}
				made := g.offer(fmt.Sprintf("offer%d", o+1), c, &p)
				g.enrich(&made, &p)
				p.Offers = append(p.Offers, made)
			}
		}
		lighten(p.Offers)
		versions = append(versions, p)
	}
	return versions
}

// lighten puts what gives points into one group where an offer gives them again
// and again: two groups of those could give more than the compiler lets pass.
func lighten(offers []offer.Offer) {
	points := func(o offer.Offer) bool { return o.Reward.Kind == rules.Points }
	if !slices.ContainsFunc(offers, func(o offer.Offer) bool { return points(o) && o.Goal.Again }) {
		return
	}
	for i := range offers {
		if points(offers[i]) {
			offers[i].Group = offer.DefaultGroup
		}
	}
}

func (g *Generator) commission() offer.Commission {
	c := offer.Commission{On: pick(g.rng, offer.OnAward, offer.OnAward, offer.OnSale)}
	switch g.rng.IntN(6) {
	case 0: // none
	case 1:
		c.FixedMinor = g.rng.Int64N(200) + 1
	case 2:
		c.RateMillionths, c.FixedMinor = pick[int64](g.rng, 10_000, 33_333, 1), g.rng.Int64N(50)+1
	default:
		c.RateMillionths = pick[int64](g.rng, 10_000, 50_000, 75_000, 125_000, 33_333)
	}
	return c
}

func (g *Generator) offer(id string, c money.Currency, p *offer.Partner) offer.Offer {
	o := offer.Offer{
		ID: id, Name: "Offer " + id, Currency: c, Group: pick(g.rng, offer.DefaultGroup, "bonus", "club"),
		Priority: g.rng.IntN(3), Reward: offer.Reward{Form: offer.RateReward},
	}
	o.Reward.RateMillionths = pick[int64](g.rng, 10_000, 25_000, 30_000, 50_000, 100_000, 33_333, 5_000, 500_000)
	if g.chance(30) {
		o.Reward = offer.Reward{Form: offer.FixedReward, FixedMinor: pick[int64](g.rng, 1, 50, 100, 250, 1000)}
	}
	if g.chance(30) {
		o.MinSpendMinor = pick[int64](g.rng, 1, 1000, 2500, 5000)
	}
	if g.chance(30) {
		o.Caps = append(o.Caps, offer.Cap{Per: offer.PerPurchase, AmountMinor: pick[int64](g.rng, 1, 40, 100, 300)})
	}
	if g.chance(60) {
		o.Caps = append(o.Caps, offer.Cap{Per: offer.PerMonth, AmountMinor: pick[int64](g.rng, 1, 60, 150, 400, 1000)})
	}
	if !g.plain && g.chance(12) {
		o.From = g.localTime()
	}
	if !g.plain && g.chance(12) {
		o.Until = g.localTime()
	}
	if !o.From.IsZero() && !o.Until.IsZero() && wallClock(o.Until).Before(wallClock(o.From)) {
		o.From, o.Until = o.Until, o.From
	}
	if o.From == o.Until {
		o.Until = offer.LocalTime{}
	}
	if len(p.Stores) > 1 && g.chance(25) {
		o.Stores = []string{p.Stores[g.rng.IntN(len(p.Stores))].ID}
	}
	// An offer that the commission can't pay has to be the programme's.
	if c != p.Currency || p.Commission.None() || g.chance(25) {
		o.FundedBy = offer.FundedByProgramme
	}
	return o
}

// localTime is one of the span, often in an hour that a clock skips or repeats.
func (g *Generator) localTime() offer.LocalTime {
	t := g.instant().Time()
	if g.chance(40) {
		t = pick(
			g.rng,
			time.Date(t.Year(), 3, 31, 2, 30, 0, 0, time.UTC), time.Date(t.Year(), 10, 27, 2, 30, 0, 0, time.UTC),
			time.Date(t.Year(), 3, 10, 2, 0, 0, 0, time.UTC), time.Date(t.Year(), 4, 7, 1, 45, 0, 0, time.UTC),
			time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC),
		)
	}
	return offer.LocalTime{Year: t.Year(), Month: t.Month(), Day: t.Day(), Hour: t.Hour(), Min: t.Minute(), Sec: t.Second()}
}

func wallClock(l offer.LocalTime) time.Time {
	return time.Date(l.Year, l.Month, l.Day, l.Hour, l.Min, l.Sec, 0, time.UTC)
}

// boundaries are the instants at which something changes in the catalogue.
func (g *Generator) boundaries(cat *offer.Catalogue) []rules.Instant {
	var at []rules.Instant
	add := func(t rules.Instant) {
		if t != rules.MinInstant && t != rules.MaxInstant {
			at = append(at, t)
		}
	}
	addWindow := func(zone *time.Location, w offer.When, bounds ...offer.LocalTime) {
		for _, l := range bounds {
			if !l.IsZero() {
				add(rules.InstantOf(reached(l, zone)))
			}
		}
		at = append(at, g.clockEdges(w, zone)...)
	}
	addOffers := func(zone *time.Location, offers []offer.Offer) {
		for _, o := range offers {
			addWindow(zone, o.When, o.From, o.Until)
			for _, b := range o.Boosts {
				addWindow(zone, b.When, b.From, b.Until)
			}
		}
	}
	zone := cat.Programmes[0].Zone
	for _, p := range cat.Programmes {
		add(p.Version.From)
		if p.Payout.PayFrom != (rules.Instant{}) {
			add(p.Payout.PayFrom)
		}
		addOffers(p.Zone, p.Offers)
		if g.o.Language != BasicLanguage { // days, weeks and months of caps begin and end
			on := g.instant().Time()
			addWindow(p.Zone, offer.When{}, localOf(time.Date(on.Year(), on.Month(), on.Day(), 0, 0, 0, 0, time.UTC)),
				localOf(time.Date(on.Year(), on.Month(), 1, 0, 0, 0, 0, time.UTC)),
				localOf(time.Date(on.Year(), on.Month(), on.Day()-(int(on.Weekday())+6)%7, 0, 0, 0, 0, time.UTC)))
		}
	}
	for _, p := range cat.Partners {
		add(p.Version.From)
		for _, s := range p.Stores {
			zone = s.Zone
			for _, k := range s.Keys {
				add(k.From)
				add(k.Until)
			}
			addOffers(s.Zone, p.Offers)
		}
	}
	for _, c := range cat.Campaigns {
		add(c.Version.From)
		addWindow(zone, c.When, c.From, c.Until)
		for _, b := range c.Boosts {
			addWindow(zone, b.When, b.From, b.Until)
		}
	}
	return at
}
