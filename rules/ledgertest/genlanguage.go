package ledgertest

import (
	"fmt"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// Language is how much of what an offer can say a generated catalogue says.
type Language uint8

// The languages.
const (
	BasicLanguage Language = iota // rates and amounts, minimum, caps by purchase and month
	MixedLanguage                 // each feature in some catalogues
	WholeLanguage                 // each feature in every catalogue
)

// feature is one thing that offers can say, or catalogues hold.
type feature uint8

const (
	perFull feature = iota
	tiered
	byCategory
	points
	wallet
	voucher
	maxSpend
	byWhen
	byChannel
	byMCC
	byCountry
	byPaidIn
	byLevel
	bySegment
	byCardProduct
	byActivation
	byEnrolment
	firstPurchase
	lapsed
	everyVisit
	goals
	withBoosts
	campaigns
	moreCaps
	rollingCaps
	countCaps
	moreCommissions
	costPlus
	ownCommission
	ownOffers
	sponsors
	sponsorsAlone
	otherProgramme
	unitChanges
	zonesOfProgramme
	byTerminal
	numFeatures
)

// otherProgrammeID is a second programme, of a few members and perhaps a
// partner.
const otherProgrammeID = "otherclub"

// choose decides which features the case has.
func (g *Generator) choose() {
	for f := range numFeatures {
		g.features[f] = g.o.Language == WholeLanguage || (g.o.Language == MixedLanguage && g.chance(35))
	}
}

// says reports whether an offer is to have the feature; percent is how many of
// the offers do in a case that has it.
func (g *Generator) says(f feature, percent int) bool { return g.features[f] && g.chance(percent) }

// pointsUnit is that of one version of a programme.
func (g *Generator) pointsUnit(decimals int) offer.PointsUnit {
	if !g.features[points] {
		return offer.PointsUnit{}
	}
	return offer.PointsUnit{
		Code: "MILES", Decimals: decimals, ValueMillionths: pick[int64](g.rng, 0, 500_000, 1_000_000, 1_333_333),
	}
}

// makeOther adds a second programme in the same currency and with the same
// points.
func (g *Generator) makeOther(cat *offer.Catalogue) {
	p := cat.Programmes[0]
	p.ID, p.Version, p.Name, p.Zone = otherProgrammeID, offer.Version{ID: "o1", From: rules.MinInstant}, "Other", g.zone()
	p.Enrolment, p.Offers = offer.EnrolmentExplicit, nil
	if g.chance(50) {
		p.Offers = []offer.Offer{g.ownOffer("otherown1", p.Currency)}
	}
	cat.Programmes = append(cat.Programmes, p)
}

// makeOwnOffers gives the programme's versions offers of their own.
func (g *Generator) makeOwnOffers(cat *offer.Catalogue) {
	number := 1 + g.rng.IntN(2)
	for i := range cat.Programmes {
		for n := range number {
			if i == 0 || !g.chance(15) {
				cat.Programmes[i].Offers = append(cat.Programmes[i].Offers, g.ownOffer(fmt.Sprintf("own%d", n+1), cat.Programmes[i].Currency))
			}
		}
		lighten(cat.Programmes[i].Offers)
	}
}

func (g *Generator) ownOffer(id string, c money.Currency) offer.Offer {
	if g.chance(10) {
		c = currency(pick(g.rng, currencyCodes...))
	}
	o := g.offer(id, c, &offer.Partner{})
	g.enrich(&o, nil)
	if g.chance(60) && len(o.MCCs) == 0 { // not every shop of the world
		o.MCCs = []offer.MCCRange{pick(g.rng, mccRanges...)}
	}
	o.FundedBy = offer.FundedByProgramme
	return o
}

// terms are what a partner owes, in more forms than a share.
func (g *Generator) terms() offer.Commission {
	switch {
	case g.says(costPlus, 20):
		return offer.Commission{Form: offer.CostPlusCommission, CostMillionths: pick[int64](g.rng, 1_000_000, 1_250_000, 1_333_333)}
	case g.says(moreCommissions, 30):
		c := g.tieredCommission()
		c.On = pick(g.rng, offer.OnAward, offer.OnSale)
		return c
	}
	return g.commission()
}

func (g *Generator) tieredCommission() offer.Commission {
	c := offer.Commission{Form: offer.TieredCommission}
	for _, from := range g.rising(0, 1, 1000, 2500, 5000) {
		c.Tiers = append(c.Tiers, offer.CommissionTier{
			FromMinor: from, RateMillionths: pick[int64](g.rng, 20_000, 50_000, 75_000, 100_000), FixedMinor: pick[int64](g.rng, 0, 0, 7),
		})
	}
	return c
}

// rising are some of the values, one at least, in their order.
func (g *Generator) rising(of ...int64) []int64 {
	some := slices.Clone(of)
	for len(some) > 1 && g.chance(60) {
		some = without(some, g.rng.IntN(len(some)))
	}
	return some
}

// enrich lets a plain offer say more. p is its partner; nil: it is the
// programme's own.
func (g *Generator) enrich(o *offer.Offer, p *offer.Partner) {
	if g.o.Language == BasicLanguage {
		return
	}
	o.Reward = g.reward(o, o.Currency == g.base)
	if g.says(sponsors, 35) {
		o.Sponsor = g.sponsor()
	}
	g.conditions(&o.Conditions)
	if g.says(sponsors, 60) && g.says(sponsorsAlone, 20) {
		o.Reward, o.Caps = offer.Reward{}, nil
		if o.Sponsor.None() {
			o.Sponsor = g.sponsor()
		}
	} else {
		g.extras(o, p)
	}
	switch {
	case p == nil, o.Currency != p.Currency:
		o.FundedBy = offer.FundedByProgramme
	case o.Reward.Kind == rules.Points && p.Commission.Form != offer.CostPlusCommission:
		o.FundedBy = offer.FundedByProgramme
	case p.Commission.None() && o.Commission.None():
		o.FundedBy = offer.FundedByProgramme
	default:
		o.FundedBy = pick(g.rng, offer.FundedByCommission, offer.FundedByCommission, offer.FundedByProgramme)
	}
}

// extras are what only offers with a reward have.
func (g *Generator) extras(o *offer.Offer, p *offer.Partner) {
	if p != nil && g.says(ownCommission, 20) {
		o.Commission = pick(g.rng, offer.Commission{RateMillionths: 20_000}, offer.Commission{RateMillionths: 10_000, FixedMinor: 3}, g.tieredCommission())
	}
	for g.says(withBoosts, 40) {
		o.Boosts = append(o.Boosts, g.boost(fmt.Sprintf("boost%d", len(o.Boosts)+1), o))
	}
	o.Caps = append(o.Caps, g.caps(o.Caps)...)
	if !g.o.Budgets {
		return
	}
	if g.chance(25) {
		o.Budgets = append(o.Budgets, g.budget())
	}
	if g.chance(20) {
		b := g.budget()
		b.PerStoreAndDay = true
		o.Budgets = append(o.Budgets, b)
	}
}

func (g *Generator) budget() offer.Budget {
	return offer.Budget{AmountMinor: pick[int64](g.rng, 1, 25, 60, 150, 400, 1000, 1_000_000, 1_000_000, 1_000_000), Whole: g.chance(30)}
}

// reward is of any form and kind; points only where they are allowed.
func (g *Generator) reward(o *offer.Offer, pointsAllowed bool) offer.Reward {
	r := o.Reward
	rates := []int64{10_000, 25_000, 30_000, 50_000, 100_000, 33_333}
	switch {
	case g.says(perFull, 20):
		r = offer.Reward{Form: offer.PerFullReward, FixedMinor: pick[int64](g.rng, 1, 20, 100), PerMinor: pick[int64](g.rng, 100, 700, 1000, 2000)}
	case g.says(tiered, 25):
		r = offer.Reward{Form: offer.TieredReward, Marginal: g.chance(50)}
		for i, from := range g.rising(0, 500, 1000, 2500, 5000) {
			r.Tiers = append(r.Tiers, offer.Tier{FromMinor: from, RateMillionths: 5_000 + 25_000*int64(i) + g.rng.Int64N(20_000)})
		}
	case g.says(byCategory, 25):
		r = offer.Reward{Form: offer.CategoryReward, RestMillionths: pick[int64](g.rng, 0, 10_000)}
		for _, category := range categoryNames[:1+g.rng.IntN(3)] {
			r.Categories = append(r.Categories, offer.CategoryRate{Category: category, RateMillionths: pick(g.rng, rates...)})
		}
		if len(r.Categories) > 1 && g.chance(20) {
			r.Categories[1].RateMillionths = 0
		}
	}
	switch {
	case pointsAllowed && g.says(points, 30):
		r.Kind = rules.Points
		if r.Form == offer.RateReward && g.chance(50) {
			r.RateMillionths = pick[int64](g.rng, 200_000, 333_333, 12_345)
		}
	case g.says(wallet, 20):
		r.Kind = rules.Wallet
		r.Wallet = pick(g.rng, offer.WalletTerms{}, offer.WalletTerms{UsableAfterDays: 14}, offer.WalletTerms{UsableAfterDays: 1, ExpiresAfterDays: 365})
	case g.says(voucher, 20):
		r.Kind, r.VoucherFor = rules.Voucher, "a free coffee"
	case g.chance(50):
		r.Kind = rules.Cash
	}
	return r
}

var categoryNames = []string{"bread", "cheese", "wine"}

var mccRanges = []offer.MCCRange{{From: 5411, To: 5411}, {From: 5400, To: 5499}, {From: 5812, To: 5814}, {From: 1, To: 9999}}

var calendarPeriods = []offer.CapPeriod{offer.PerDay, offer.PerWeek, offer.PerMonth, offer.PerQuarter, offer.PerYear, offer.PerLife}

func (g *Generator) conditions(c *offer.Conditions) {
	if g.says(maxSpend, 20) {
		c.MaxSpendMinor = c.MinSpendMinor + pick[int64](g.rng, 1, 1000, 3000, 8000)
	}
	if g.says(byWhen, 20) {
		c.When = g.when()
	}
	if g.says(byChannel, 15) {
		c.Channels = pick(g.rng, []rules.Channel{rules.InStore}, []rules.Channel{rules.Online, rules.OtherChannel})
	}
	if g.says(byMCC, 15) {
		c.MCCs = []offer.MCCRange{pick(g.rng, mccRanges...)}
	}
	if g.says(byMCC, 10) {
		c.NotMCCs = []offer.MCCRange{pick(g.rng, mccRanges[:3]...)}
	}
	if g.says(byCountry, 12) {
		c.Countries = pick(g.rng, []string{"FR"}, []string{"FR", "BE"})
	}
	if g.says(byPaidIn, 12) {
		c.PaidIn = pick(g.rng, []money.Currency{g.base}, []money.Currency{currency("CHF"), currency("USD")})
	}
	c.Audience = g.audience()
	c.Audience.Activated = g.says(byActivation, 15)
	switch {
	case g.says(firstPurchase, 15):
		c.FirstPurchase = true
	case g.says(lapsed, 15):
		c.LapsedDays = g.days()
	}
	switch {
	case g.says(everyVisit, 20):
		c.Every = offer.Every{N: 2 + g.rng.IntN(2), Per: pick(g.rng, calendarPeriods...)}
		c.Every.OnceADay = c.Every.Per != offer.PerDay && g.chance(35)
	case g.says(goals, 20):
		c.Goal = offer.Goal{AmountMinor: pick[int64](g.rng, 500, 2000, 5000, 12_000), Per: pick(g.rng, calendarPeriods...), Again: g.chance(40)}
	}
}

func (g *Generator) days() int { return pick(g.rng, 1, 2, 3, 7, 30) }

func (g *Generator) audience() offer.Audience {
	var a offer.Audience
	if g.says(byLevel, 15) {
		a.Levels = pick(g.rng, []string{"gold"}, []string{"usual", "gold"})
	}
	if g.says(bySegment, 12) {
		a.Segments = pick(g.rng, []string{"student"}, []string{"student", "staff"})
	}
	if g.says(byCardProduct, 12) {
		a.CardProducts = pick(g.rng, []string{"classic"}, []string{"classic", "black"})
	}
	switch {
	case g.says(byEnrolment, 8):
		a.EnrolledSince = g.localTime()
	case g.says(byEnrolment, 8):
		a.EnrolledForDays = g.days()
	case g.says(byEnrolment, 8):
		a.EnrolledWithinDays = g.days() + 3
	}
	return a
}

// when has hours whose bounds purchases are made at.
func (g *Generator) when() offer.When {
	var w offer.When
	if g.chance(60) {
		w.Weekdays = offer.Weekdays(1 + g.rng.IntN(127))
	}
	for range g.rng.IntN(3) {
		w.Hours = append(w.Hours, pick(
			g.rng, offer.Hours{FromSec: 16 * 3600, UntilSec: 19 * 3600}, offer.Hours{FromSec: 22 * 3600, UntilSec: 2 * 3600},
			offer.Hours{FromSec: 0, UntilSec: 86_400}, offer.Hours{FromSec: 2 * 3600, UntilSec: 3*3600 - 1800},
			offer.Hours{FromSec: 6*3600 + 1, UntilSec: 6 * 3600},
		))
	}
	if g.chance(30) {
		d := offer.Dates{From: g.localTime()}
		u := wallClock(d.From).AddDate(0, 0, 1+g.rng.IntN(20))
		d.Until = offer.LocalTime{Year: u.Year(), Month: u.Month(), Day: u.Day()}
		if g.chance(20) {
			d.From = offer.LocalTime{}
		}
		w.Dates = append(w.Dates, d)
	}
	return w
}

// boost is one that the offer may have; nil: a campaign's on many offers.
func (g *Generator) boost(id string, o *offer.Offer) offer.Boost {
	b := offer.Boost{ID: id, Op: pick(g.rng, offer.SetRate, offer.MultiplyRate, offer.AddRate)}
	if o != nil && (o.Reward.Form == offer.FixedReward || o.Reward.Form == offer.PerFullReward) {
		b.Op = offer.MultiplyRate
	}
	switch b.Op {
	case offer.MultiplyRate:
		b.FactorMillionths = pick[int64](g.rng, 1_500_000, 2_000_000, 2_000_000, 3_000_000)
	case offer.SetRate:
		b.RateMillionths = pick[int64](g.rng, 20_000, 60_000, 150_000)
	case offer.AddRate:
		b.RateMillionths = pick[int64](g.rng, 1, 10_000, 20_000, 30_000)
	}
	if b.Op != offer.MultiplyRate {
		b.OfPoints = g.says(points, 35)
		if o != nil {
			b.OfPoints = o.Reward.Kind == rules.Points
		}
	}
	if g.chance(25) {
		b.When = g.when()
	}
	if g.chance(30) {
		b.Audience = g.audience()
	}
	if g.chance(20) {
		b.From = g.localTime()
	}
	return b
}

// caps are some more, over other periods than those that are there.
func (g *Generator) caps(have []offer.Cap) []offer.Cap {
	var caps []offer.Cap
	has := map[offer.CapPeriod]bool{}
	for _, c := range have {
		has[c.Per] = true
	}
	add := func(c offer.Cap) {
		if !has[c.Per] {
			has[c.Per] = true
			caps = append(caps, c)
		}
	}
	if g.says(moreCaps, 30) {
		add(offer.Cap{Per: pick(g.rng, calendarPeriods...), AmountMinor: pick[int64](g.rng, 1, 60, 150, 400, 1000)})
	}
	if g.says(rollingCaps, 25) {
		add(offer.Cap{Per: offer.PerRolling, Days: g.days(), AmountMinor: pick[int64](g.rng, 60, 150, 400)})
	}
	if g.says(countCaps, 25) {
		if g.chance(30) {
			add(offer.Cap{Per: offer.PerRolling, Days: g.days(), Count: 1 + g.rng.Int64N(2)})
		} else {
			add(offer.Cap{Per: pick(g.rng, calendarPeriods...), Count: 1 + g.rng.Int64N(3)})
		}
	}
	return caps
}

func (g *Generator) sponsor() offer.Sponsor {
	s := offer.Sponsor{RateMillionths: pick[int64](g.rng, 10_000, 50_000)}
	if g.chance(40) {
		s = offer.Sponsor{FixedMinor: pick[int64](g.rng, 5, 100)}
	}
	if g.chance(50) {
		s.FirstPurchases = 1 + g.rng.IntN(3)
	}
	if g.chance(40) {
		s.WithinDays = pick(g.rng, 5, 30, 90)
	}
	if g.chance(40) {
		s.Caps = append(s.Caps, offer.Cap{Per: offer.PerPurchase, AmountMinor: pick[int64](g.rng, 7, 60)})
	}
	if g.chance(40) {
		s.Caps = append(s.Caps, offer.Cap{Per: pick(g.rng, calendarPeriods...), AmountMinor: pick[int64](g.rng, 50, 200)})
	}
	if g.chance(25) {
		s.Caps = append(s.Caps, offer.Cap{Per: offer.PerRolling, Days: g.days(), Count: 1 + g.rng.Int64N(2)})
	}
	return s
}

// makeCampaigns bundles boosts over what the catalogue has.
func (g *Generator) makeCampaigns(cat *offer.Catalogue) {
	for n := range 1 + g.rng.IntN(3) {
		id := fmt.Sprintf("campaign%d", n+1)
		unit := g.base.String()
		if g.says(points, 25) {
			unit = "MILES"
		}
		budgeted := g.o.Budgets && g.chance(70)
		for i, from := range g.versions(3) {
			c := offer.Campaign{ID: id, Version: offer.Version{ID: fmt.Sprintf("c%dv%d", n+1, i+1), From: from}, Programme: programmeID, Name: id}
			if i > 0 && g.chance(25) { // stopped
				c.Version.Ended = true
				cat.Campaigns = append(cat.Campaigns, c)
				continue
			}
			if g.chance(20) {
				c.From = g.localTime()
			}
			if g.chance(20) {
				c.When = g.when()
			}
			if g.chance(20) {
				c.Audience = g.audience()
			}
			if budgeted {
				c.Budget, c.Unit = g.budget(), unit
			}
			for b := range 1 + g.rng.IntN(2) {
				boost := offer.CampaignBoost{Boost: g.boost(fmt.Sprintf("boost%d", b+1), nil)}
				boost.OfPoints = boost.Op != offer.MultiplyRate && ((budgeted && unit == "MILES") || (!budgeted && boost.OfPoints))
				boost.Offers = g.named(cat, &c, &boost.Boost)
				c.Boosts = append(c.Boosts, boost)
			}
			cat.Campaigns = append(cat.Campaigns, c)
		}
	}
}

// named are the offers that a campaign's boost is for: all, all of somebody, or
// one that it can touch.
func (g *Generator) named(cat *offer.Catalogue, c *offer.Campaign, b *offer.Boost) []offer.OfferRef {
	can := touchable(cat, c, b)
	switch g.rng.IntN(5) {
	case 0: // all of somebody
		if len(can) > 0 {
			return []offer.OfferRef{{Partner: pick(g.rng, can...).Partner}}
		}
	case 1, 2:
		var refs []offer.OfferRef
		for _, ref := range can {
			if g.chance(50) {
				refs = append(refs, ref)
			}
		}
		return refs
	}
	return nil
}

// touchable are the offers that the boost can change in each of their versions.
func touchable(cat *offer.Catalogue, c *offer.Campaign, b *offer.Boost) []offer.OfferRef {
	can := map[offer.OfferRef]bool{}
	var order []offer.OfferRef
	look := func(partner string, offers []offer.Offer) {
		for i := range offers {
			o := &offers[i]
			ref := offer.OfferRef{Partner: partner, Offer: o.ID}
			fits := o.Reward.Form != 0
			if b.Op != offer.MultiplyRate {
				isFixed := o.Reward.Form == offer.FixedReward || o.Reward.Form == offer.PerFullReward
				fits = fits && !isFixed && b.OfPoints == (o.Reward.Kind == rules.Points)
			}
			if c.Unit != "" {
				unit := o.Currency.String()
				if o.Reward.Kind == rules.Points {
					unit = "MILES"
				}
				fits = fits && unit == c.Unit
			}
			before, seen := can[ref]
			if !seen {
				order = append(order, ref)
			}
			can[ref] = fits && (before || !seen)
		}
	}
	for i := range cat.Programmes {
		if cat.Programmes[i].ID == c.Programme {
			look("", cat.Programmes[i].Offers)
		}
	}
	for i := range cat.Partners {
		if cat.Partners[i].Programme == c.Programme {
			look(cat.Partners[i].ID, cat.Partners[i].Offers)
		}
	}
	return slices.DeleteFunc(order, func(r offer.OfferRef) bool { return !can[r] })
}

// numbersOf are the amounts and days of N x 24 h at which something changes.
func numbersOf(cat *offer.Catalogue) (minors []int64, days []int) {
	look := func(offers []offer.Offer) {
		for i := range offers {
			o := &offers[i]
			minors = append(minors, o.MinSpendMinor, o.MaxSpendMinor, o.Goal.AmountMinor, o.Goal.AmountMinor/2, o.Reward.PerMinor)
			for _, t := range o.Reward.Tiers {
				minors = append(minors, t.FromMinor)
			}
			days = append(days, o.LapsedDays, o.Audience.EnrolledForDays, o.Audience.EnrolledWithinDays, o.Sponsor.WithinDays)
			for _, c := range slices.Concat(o.Caps, o.Sponsor.Caps) {
				days = append(days, c.Days)
			}
		}
	}
	for i := range cat.Programmes {
		look(cat.Programmes[i].Offers)
	}
	for i := range cat.Partners {
		look(cat.Partners[i].Offers)
		for _, t := range cat.Partners[i].Commission.Tiers {
			minors = append(minors, t.FromMinor)
		}
	}
	minors = slices.DeleteFunc(minors, func(n int64) bool { return n == 0 })
	return minors, slices.DeleteFunc(days, func(n int) bool { return n == 0 })
}

// clockEdges are instants at which a When opens or closes, in one zone, and
// those at which a day of the programme begins.
func (g *Generator) clockEdges(w offer.When, zone *time.Location) []rules.Instant {
	var at []rules.Instant
	for _, d := range w.Dates {
		for _, l := range []offer.LocalTime{d.From, d.Until} {
			if !l.IsZero() {
				at = append(at, rules.InstantOf(reached(l, zone)))
			}
		}
	}
	for _, h := range w.Hours {
		for range 2 {
			for _, sec := range []int32{h.FromSec, h.UntilSec} {
				on := g.instant().Time()
				wall := time.Date(on.Year(), on.Month(), on.Day(), 0, 0, int(sec), 0, time.UTC)
				at = append(at, rules.InstantOf(reached(localOf(wall), zone)))
			}
		}
	}
	return at
}

func localOf(t time.Time) offer.LocalTime {
	return offer.LocalTime{Year: t.Year(), Month: t.Month(), Day: t.Day(), Hour: t.Hour(), Min: t.Minute(), Sec: t.Second()}
}
