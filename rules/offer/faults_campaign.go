package offer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Bounds of campaigns.
const (
	maxCampaignBoosts = 200
	maxBoostOffers    = 10_000
)

// ownBoosts checks what raises an offer, by the offer itself.
func (c checker) ownBoosts(path string, o *Offer) {
	list := path + ".boosts"
	if len(o.Boosts) > maxBoosts {
		c.fault(list, FaultTooMany, maxBoosts, "boosts")
		return
	}
	seen := map[string]int{}
	for i := range o.Boosts {
		b := &o.Boosts[i]
		c.boost(list, i, b, seen)
		if o.Reward.Form != 0 && b.Op != 0 && !b.fits(o) {
			c.add(Fault{Path: element(list, i) + "." + b.Op.String(), Code: FaultBoostFit, Of: []string{path + ".reward"}})
		}
	}
}

// fits reports whether the boost can touch the offer.
func (b *Boost) fits(o *Offer) bool {
	if b.Op == MultiplyRate {
		return true
	}
	rated := o.Reward.Form == RateReward || o.Reward.Form == TieredReward || o.Reward.Form == CategoryReward
	return rated && b.OfPoints == (o.Reward.Kind == rules.Points)
}

func (o BoostOp) String() string { return [...]string{"", "set", "multiply", "add"}[o] }

func (c checker) boost(list string, i int, b *Boost, seen map[string]int) {
	path := element(list, i)
	c.id(path+".id", b.ID)
	if first, twice := seen[b.ID]; twice {
		c.twice(list, first, i, ".id", FaultBoostTwice, b.ID)
	} else {
		seen[b.ID] = i
	}
	c.window(path+".until", b.From, b.Until)
	c.when(path+".when", &b.When)
	c.everyMember(path+".for", &b.Audience)
	kind := rules.Cash
	if b.OfPoints {
		kind = rules.Points
	}
	switch b.Op {
	case SetRate, AddRate:
		c.rate(path+"."+b.Op.String(), b.RateMillionths, kind)
	case MultiplyRate:
		if b.FactorMillionths < money.One || b.FactorMillionths > maxFactorMillionths {
			c.fault(path+".multiply", FaultFactor)
		}
	default:
		c.add(Fault{Path: path, Code: FaultBoostOp, Of: []string{path}})
	}
}

func checkCampaigns(c *Catalogue, timeline timeline, faults *Faults) {
	if len(c.Campaigns) == 0 {
		return
	}
	offers := newOfferIndex(c, timeline)
	seen := map[versionName]int{}
	for i := range c.Campaigns {
		campaign := &c.Campaigns[i]
		check := checker{faults, Fault{Subject: SubjectCampaign, Index: i, ID: campaign.ID}}
		check.identity(campaign.ID, campaign.Version, seen)
		if !campaign.Version.Ended {
			check.campaign(campaign, offers)
		}
	}
}

func (c checker) campaign(campaign *Campaign, offers *offerIndex) {
	known := offers.timeline.programmes[campaign.Programme] != nil
	if !known {
		c.fault("programme", FaultUnknownProgramme, campaign.Programme)
	}
	c.window("until", campaign.From, campaign.Until)
	c.when("when", &campaign.When)
	c.everyMember("for", &campaign.Audience)
	var begins *Programme // as it is when the campaign begins, or when it does
	if during := offers.timeline.during(campaign.Programme, campaign.Version.From, rules.MaxInstant); len(during) > 0 {
		begins = during[0]
	}
	c.campaignBudget(campaign, begins)
	c.holdout("holdout", campaign.Holdout)
	if len(campaign.Boosts) > maxCampaignBoosts {
		c.fault("boosts", FaultTooMany, maxCampaignBoosts, "boosts")
		return
	}
	seen := map[string]int{}
	for i := range campaign.Boosts {
		b, path := &campaign.Boosts[i], element("boosts", i)
		c.boost("boosts", i, &b.Boost, seen)
		if b.OfPoints && begins != nil && begins.Points.Code == "" {
			c.fault(path+"."+b.Op.String(), FaultNoPoints, begins.ID, begins.Version.ID)
		} else if known {
			c.references(path+".offers", campaign, b, offers)
		}
	}
}

// references holds a campaign's boost to offers that some version has, each named
// once: a campaign may come before the offers it raises.
func (c checker) references(path string, campaign *Campaign, b *CampaignBoost, offers *offerIndex) {
	if len(b.Offers) > maxBoostOffers {
		c.fault(path, FaultTooMany, maxBoostOffers, "offers")
		return
	}
	seen := map[OfferRef]bool{}
	for n, ref := range b.Offers {
		at := element(path, n)
		if code, args := offers.refuses(campaign, b, ref); code != 0 {
			c.fault(at, code, args...)
		} else if seen[ref] {
			c.fault(at, FaultOfferNamedTwice, ref)
		}
		seen[ref] = true
	}
}

// campaignBudget checks a budget, with the programme as the campaign finds it.
func (c checker) campaignBudget(campaign *Campaign, in *Programme) {
	b := campaign.Budget
	if b == (Budget{}) && campaign.Unit == "" {
		return
	}
	c.budget("budget", &b)
	if b.PerStoreAndDay {
		c.fault("budget", FaultCampaignBudget)
	}
	if _, isCurrency := money.ParseCurrency(campaign.Unit); !isCurrency && in != nil && (campaign.Unit == "" || campaign.Unit != in.Points.Code) {
		c.add(Fault{Path: "budget", Code: FaultCampaignUnit, Args: []any{campaign.Unit}, Of: []string{"budget"}})
	}
}

// offerIndex finds the offers of all versions by what a campaign calls them.
type offerIndex struct {
	timeline timeline
	named    map[namedOffer][]offerKind
}

// namedOffer is a name within a programme.
type namedOffer struct {
	programme string
	OfferRef
}

// offerKind is one version of an offer with its unit.
type offerKind struct {
	*Offer
	unit string
}

func newOfferIndex(c *Catalogue, timeline timeline) *offerIndex {
	x := &offerIndex{timeline: timeline, named: map[namedOffer][]offerKind{}}
	codes := map[string]string{}
	for i := range c.Programmes {
		if p := &c.Programmes[i]; p.Points.Code != "" {
			codes[p.ID] = p.Points.Code
		}
	}
	for i := range c.Programmes {
		p := &c.Programmes[i]
		x.add(p.ID, "", codes[p.ID], p.Offers)
	}
	for i := range c.Partners {
		p := &c.Partners[i]
		x.add(p.Programme, p.ID, codes[p.Programme], p.Offers)
	}
	return x
}

func (x *offerIndex) add(programme, partner, points string, offers []Offer) {
	for i := range offers {
		o := &offers[i]
		kind := offerKind{o, o.Currency.String()}
		if o.Reward.Kind == rules.Points {
			kind.unit = points
		}
		for _, id := range [...]string{o.ID, ""} {
			name := namedOffer{programme, OfferRef{partner, id}}
			x.named[name] = append(x.named[name], kind)
		}
	}
}

// refuses says why a campaign's boost can't touch the offers it names; 0: it can
// touch some version of them.
func (x *offerIndex) refuses(campaign *Campaign, b *CampaignBoost, ref OfferRef) (Code, []any) {
	offers := x.named[namedOffer{campaign.Programme, ref}]
	switch {
	case len(offers) == 0:
		return FaultUnknownOffer, []any{campaign.Programme}
	case b.Op != 0 && !slices.ContainsFunc(offers, func(o offerKind) bool { return b.fits(o.Offer) }):
		return FaultOfferFit, nil
	case campaign.Budget.AmountMinor > 0 && !slices.ContainsFunc(offers, func(o offerKind) bool { return o.unit == campaign.Unit }):
		return FaultOfferUnit, []any{offers[0].unit, campaign.Unit}
	}
	return 0, nil
}

// boostIndex finds the boosts of campaigns that can touch an offer, and what
// they make of it together.
type boostIndex struct {
	boosts  []timedBoost
	byOffer map[namedOffer][]int // positions in boosts, by what the campaign names; an empty ref: every offer
	known   map[string][]peak
}

// timedBoost is a boost with the time in which it may be in force somewhere on
// earth.
type timedBoost struct {
	*Boost
	campaign    *Campaign // nil: the offer's own
	from, until rules.Instant
}

// peak is the most that boosts in force together do to a rate or an amount.
type peak struct {
	setMillionths, factorMillionths, addMillionths int64
	boosted                                        bool // some boost is in it
	campaigns                                      []string
}

func newBoostIndex(c *Catalogue) *boostIndex {
	x := &boostIndex{byOffer: map[namedOffer][]int{}, known: map[string][]peak{}}
	for i := range c.Campaigns {
		campaign := &c.Campaigns[i]
		if campaign.Version.Ended {
			continue
		}
		from, until := campaign.Version.From, rules.MaxInstant
		for n := range c.Campaigns { // the version that follows
			next := &c.Campaigns[n]
			if next.ID == campaign.ID && next.Version.From.After(from) && next.Version.From.Before(until) {
				until = next.Version.From
			}
		}
		for n := range campaign.Boosts {
			b := &campaign.Boosts[n]
			x.boosts = append(x.boosts, timedBoost{&b.Boost, campaign, from, until}.
				within(campaign.From, campaign.Until).within(b.From, b.Until))
			refs := b.Offers
			if len(refs) == 0 {
				refs = []OfferRef{{}}
			}
			for _, ref := range refs {
				name := namedOffer{campaign.Programme, ref}
				if len(b.Offers) == 0 {
					name.Offer = everyOffer
				}
				x.byOffer[name] = append(x.byOffer[name], len(x.boosts)-1)
			}
		}
	}
	return x
}

// everyOffer stands for all offers of a programme and its partners; no id can be
// it.
const everyOffer = "\x00"

// within narrows the time to a window, as wide as it is over all zones.
func (b timedBoost) within(from, until LocalTime) timedBoost {
	const zones = 15 * 60 * 60 // no zone is further from UTC
	if !from.IsZero() {
		if at := from.In(time.UTC).AddSeconds(-zones); at.After(b.from) {
			b.from = at
		}
	}
	if !until.IsZero() {
		if at := until.In(time.UTC).AddSeconds(zones); at.Before(b.until) {
			b.until = at
		}
	}
	return b
}

// peaksOf is what boosts can do together to an offer, at each time one begins.
func (x *boostIndex) peaksOf(o *Offer, in *agreed) []peak {
	var touching []timedBoost
	unit := o.unitIn(in)
	var positions []string
	for _, name := range [...]namedOffer{
		{in.programme, OfferRef{"", everyOffer}},
		{in.programme, OfferRef{in.partnerID(), ""}},
		{in.programme, OfferRef{in.partnerID(), o.ID}},
	} {
		for _, at := range x.byOffer[name] {
			b := x.boosts[at]
			if b.fits(o) && (b.campaign.Budget.AmountMinor == 0 || b.campaign.Unit == unit) {
				touching = append(touching, b)
				positions = append(positions, fmt.Sprint(at))
			}
		}
	}
	if len(o.Boosts) == 0 { // then all offers with the same boosts have the same peaks
		which := strings.Join(positions, " ")
		if _, done := x.known[which]; !done {
			x.known[which] = peaks(touching)
		}
		return x.known[which]
	}
	for i := range o.Boosts {
		b := &o.Boosts[i]
		touching = append(touching, timedBoost{b, nil, rules.MinInstant, rules.MaxInstant}.within(b.From, b.Until))
	}
	return peaks(touching)
}

// unitIn is what the offer's awards are counted in.
func (o *Offer) unitIn(in *agreed) string {
	if o.Reward.Kind == rules.Points && len(in.programmes) > 0 {
		return in.programmes[0].Points.Code
	}
	return o.Currency.String()
}

// peaks looks at the boosts at each time where one of them begins: between two
// such times there are never more.
func peaks(boosts []timedBoost) []peak {
	all := []peak{{factorMillionths: money.One}}
	for i, first := range boosts {
		if slices.ContainsFunc(boosts[:i], func(b timedBoost) bool { return b.from == first.from }) {
			continue
		}
		p := peak{factorMillionths: money.One}
		for _, b := range boosts {
			if !b.from.After(first.from) && first.from.Before(b.until) {
				p.add(b)
			}
		}
		all = append(all, p)
	}
	return all
}

func (p *peak) add(b timedBoost) {
	p.boosted = true
	switch b.Op {
	case SetRate:
		p.setMillionths = max(p.setMillionths, b.RateMillionths)
	case MultiplyRate:
		p.factorMillionths = max(p.factorMillionths, b.FactorMillionths)
	case AddRate:
		p.addMillionths += b.RateMillionths
	}
	if b.campaign != nil && !slices.Contains(p.campaigns, b.campaign.ID) {
		p.campaigns = append(p.campaigns, b.campaign.ID)
	}
}

// rate is what the peak makes of a rate: set, then multiplied, then added to.
func (p *peak) rate(millionths int64) int64 {
	if millionths == 0 {
		return 0
	}
	boosted := max(millionths, p.setMillionths)
	factor := min(p.factorMillionths, maxFactorMillionths)
	return (min(boosted, maxPointsRateMillionths)*factor+money.One-1)/money.One + p.addMillionths
}

// together is which boosts take part in the peak.
func (p *peak) together() together { return together{p.boosted, p.campaigns} }

// together is which boosts come together on an offer.
type together struct {
	boosted   bool
	campaigns []string // those that take part, beside the offer's own
}
