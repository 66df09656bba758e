package catalog

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// offer warns of everything in one offer.
func (w *warner) offer(at path, o *offer.Offer) {
	what, times := fmt.Sprintf("offer %q", o.ID), span{o.From, o.Until}
	w.times(at, what, times, &o.When)
	w.audience(at.to("for"), what, times, &o.Audience)
	w.conditions(at, o)
	w.caps(at, o)
	w.tiers(at.to("reward", "tiers"), o)
	w.bounds(at, o)
	w.margin(at, o)
	w.boosts(at.to("boosts"), o.Boosts, times, func(int, int) bool { return true })
	w.idleBoosts(at.to("boosts"), o)
	w.holdout(at.to("holdout"), what, o.Holdout)
}

// conditions warns of those that no purchase fulfils together.
func (w *warner) conditions(at path, o *offer.Offer) {
	if o.MaxSpendMinor > 0 && o.MinSpendMinor > o.MaxSpendMinor {
		w.warn(at.to("max_spend"), "no purchase is at least %s and at most %s, so offer %q never applies: correct one of them", offerMoney(o, o.MinSpendMinor), offerMoney(o, o.MaxSpendMinor), o.ID)
	}
	if o.FirstPurchase && o.LapsedDays > 0 {
		w.warn(at.to("lapsed"), "who buys for the first time has not lapsed, so offer %q never applies: keep one of first_purchase and lapsed, or make two offers of it", o.ID)
	}
	w.categories(at, o)
	w.again(at, o)
	if o.Goal.AmountMinor > 0 && o.Goal.AmountMinor <= o.MinSpendMinor && !o.Goal.Again {
		w.warn(at.to("goal", "spend"), "the first purchase of at least %s reaches this goal, so it asks for nothing more: write a higher one, or drop it", offerMoney(o, o.MinSpendMinor))
	}
}

// categories warns of exclusions that leave nothing, or take nothing away.
func (w *warner) categories(at path, o *offer.Offer) {
	if len(o.NotMCCs) == 0 {
		return
	}
	named := o.MCCs
	if len(named) == 0 {
		named = []offer.MCCRange{{From: 0, To: 9999}}
	}
	left := false
	met := make([]bool, len(o.NotMCCs))
	for _, r := range named {
		for code := int(r.From); code <= int(r.To); code++ {
			excluded := false
			for i, not := range o.NotMCCs {
				if int(not.From) <= code && code <= int(not.To) {
					excluded, met[i] = true, true
				}
			}
			left = left || !excluded
		}
	}
	if !left {
		w.warn(at.to("except_mcc"), "every category of offer %q is excluded, so it never applies: correct one of mcc and except_mcc", o.ID)
		return
	}
	for i := range met {
		if !met[i] {
			w.warn(at.to("except_mcc", i), "offer %q isn't for this category anyway: drop it, or correct mcc", o.ID)
		}
	}
}

// again warns of a reward that grows with the purchase and is then given
// several times for it, and of one that gives all back.
func (w *warner) again(at path, o *offer.Offer) {
	if !o.Goal.Again {
		return
	}
	switch r := &o.Reward; {
	case r.Form != 0 && r.Form != offer.FixedReward:
		w.warn(at.to("goal", "again"), "a purchase of %s reaches this goal three times and is given the whole reward of offer %q three times: write an amount as its reward, or drop `again`", offerMoney(o, 3*o.Goal.AmountMinor), o.ID)
	case r.Form == offer.FixedReward && r.Kind != rules.Points && r.FixedMinor >= o.Goal.AmountMinor:
		w.warn(at.to("reward"), "offer %q gives %s for each %s, so all that is spent: write a smaller reward, or a higher goal", o.ID, offerMoney(o, r.FixedMinor), offerMoney(o, o.Goal.AmountMinor))
	}
}

// units says an amount of what the offer gives.
func (w *warner) units(o *offer.Offer, units int64) string {
	if o.Reward.Kind == rules.Points {
		return pointsText(decimal.New(units, int32(pointsDecimals-w.points.Decimals)).IntPart())
	}
	return offerMoney(o, units)
}

func offerMoney(o *offer.Offer, minor int64) string { return money.FormatMinor(minor, o.Currency) }

// nesting are the periods of which each lies wholly in those after it, but that
// weeks cross the ends of months.
var nesting = []offer.CapPeriod{
	offer.PerPurchase, offer.PerDay, offer.PerWeek, offer.PerMonth, offer.PerQuarter, offer.PerYear, offer.PerLife,
}

func nests(inner, outer offer.CapPeriod) bool {
	i, j := slices.Index(nesting, inner), slices.Index(nesting, outer)
	if inner == offer.PerPurchase && outer == offer.PerRolling {
		return true
	}
	return i >= 0 && j > i && (inner != offer.PerWeek || outer == offer.PerLife)
}

// caps warns of those that can't be reached, and that no award can.
func (w *warner) caps(at path, o *offer.Offer) {
	for i, inner := range o.Caps {
		for _, outer := range o.Caps {
			if inner.AmountMinor > 0 && outer.AmountMinor > 0 && nests(inner.Per, outer.Per) && inner.AmountMinor >= outer.AmountMinor {
				w.warn(at.to("caps", i), "the cap per %s, %s, can't be reached: the cap per %s is %s", inner.Per, w.units(o, inner.AmountMinor), periodOf(outer), w.units(o, outer.AmountMinor))
				break
			}
		}
	}
	fixed := o.Reward.FixedMinor
	if o.Reward.Form != offer.FixedReward {
		return
	}
	for _, limit := range o.Caps {
		if limit.AmountMinor > 0 && limit.AmountMinor < fixed {
			w.warn(at.to("reward"), "offer %q never gives its %s: its cap per %s is %s", o.ID, w.units(o, fixed), periodOf(limit), w.units(o, limit.AmountMinor))
		}
	}
	for _, b := range o.Budgets {
		if b.AmountMinor < fixed {
			w.warn(at.to("reward"), "offer %q never gives its %s: its budget is %s", o.ID, w.units(o, fixed), w.units(o, b.AmountMinor))
		}
	}
	if o.FundedBy == offer.FundedByProgramme && o.Reward.Kind != rules.Points && o.MinSpendMinor < fixed && o.Goal.AmountMinor == 0 {
		w.warn(at.to("reward"), "offer %q gives no more than the purchase, so less than %s on a small one: write a min_spend of at least %s", o.ID, offerMoney(o, fixed), offerMoney(o, fixed))
	}
}

func periodOf(limit offer.Cap) period { return period{limit.Per, limit.Days} }

// capOf is the offer's cap per period, 0 where it has none.
func capOf(o *offer.Offer, per offer.CapPeriod) int64 {
	for _, limit := range o.Caps {
		if limit.Per == per {
			return limit.AmountMinor
		}
	}
	return 0
}

// tiers warns of those that nobody wants to reach, or can.
func (w *warner) tiers(at path, o *offer.Offer) {
	limit := capOf(o, offer.PerPurchase)
	for i, t := range o.Reward.Tiers {
		if o.MaxSpendMinor > 0 && t.FromMinor > o.MaxSpendMinor {
			w.warn(at.to(i, "from"), "no purchase reaches this tier: the offer's max_spend is %s", offerMoney(o, o.MaxSpendMinor))
		}
		if i == 0 {
			continue
		}
		before := o.Reward.Tiers[i-1]
		switch {
		case t.FromMinor <= o.MinSpendMinor && !o.Reward.Marginal:
			w.warn(at.to(i-1), "no purchase stays in this tier: the offer's min_spend of %s reaches the next one", offerMoney(o, o.MinSpendMinor))
		case t.RateMillionths <= before.RateMillionths:
			w.warn(at.to(i, "give"), "this tier gives no higher rate than the one before: write a higher one, or remove it")
		case limit > 0 && !o.Reward.Marginal && !share(t.FromMinor, before.RateMillionths, 0).LessThan(decimal.NewFromInt(limit)):
			w.warn(at.to(i), "this tier gives nothing more: the one before reaches the cap per purchase of %s already", w.units(o, limit))
		}
	}
}

// bounds warns of what the bank pays without end.
func (w *warner) bounds(at path, o *offer.Offer) {
	if o.FundedBy == offer.FundedByProgramme && len(o.Budgets) == 0 && o.Reward.Form != 0 {
		example := "1000 " + o.Currency.String()
		if o.Reward.Kind == rules.Points {
			example = "100000 points"
		}
		w.warn(at.to("funded_by"), "the bank pays offer %q and nothing bounds what all members get together: write a budget, such as `budget: %s`", o.ID, example)
	}
	if s := &o.Sponsor; !s.None() && s.FirstPurchases == 0 && s.WithinDays == 0 && len(s.Caps) == 0 {
		w.warn(at.to("sponsor"), "the bank pays the sponsor of offer %q for every purchase, for ever: bound it by first_purchases, within or caps", o.ID)
	}
}

// margin tells where an offer promises more than the commission that pays it, so
// that the cut to the margin leaves the member with less than they were told.
func (w *warner) margin(at path, o *offer.Offer) {
	p := w.partner
	if p == nil || o.FundedBy == offer.FundedByProgramme || o.Currency != p.Currency || o.Reward.Kind == rules.Points ||
		o.Reward.Form == 0 || p.Commission.Form == offer.CostPlusCommission {
		return
	}
	basisMinor := worstBasis(o, &p.Commission)
	promised, owed := promise(o, basisMinor), owedBy(o, p, basisMinor)
	if !promised.GreaterThan(owed) {
		w.boostedMargin(at, o)
		return
	}
	simple := p.Commission.Form == offer.ShareCommission && o.Commission.None()
	if rate := p.Commission.RateMillionths; o.Reward.Form == offer.FixedReward && simple && rate > 0 {
		enough := promised.Sub(decimal.NewFromInt(p.Commission.FixedMinor)).Mul(million).Div(decimal.NewFromInt(rate)).Ceil()
		w.warn(at.to("reward"), "offer %q gives %s, and the partner's commission pays that only from a purchase of %s on: write it as min_spend, lower the reward, or say `funded_by: programme`",
			o.ID, offerMoney(o, promised.IntPart()), offerMoney(o, enough.IntPart()))
		return
	}
	w.warn(at.to("reward"), "offer %q promises more than the partner's commission pays: a purchase of %s would earn %s instead of %s; raise the commission, lower the reward, bound it (min_spend, caps), or say `funded_by: programme`",
		o.ID, offerMoney(o, basisMinor), offerMoney(o, owed.IntPart()), offerMoney(o, promised.IntPart()))
}

// boostedMargin tells the same of an offer as each of its boosts makes it.
func (w *warner) boostedMargin(at path, o *offer.Offer) {
	for i := range o.Boosts {
		raised := *o
		raised.Reward = boosted(o.Reward, &o.Boosts[i])
		basisMinor := worstBasis(&raised, &w.partner.Commission)
		promised, owed := promise(&raised, basisMinor), owedBy(o, w.partner, basisMinor)
		if promised.GreaterThan(owed) {
			w.warn(at.to("boosts", i), "boost %q promises more than the partner's commission pays: a purchase of %s would earn %s instead of %s; raise the commission, lower the boost, bound the offer (min_spend, caps), or say `funded_by: programme`",
				o.Boosts[i].ID, offerMoney(o, basisMinor), offerMoney(o, owed.IntPart()), offerMoney(o, promised.IntPart()))
		}
	}
}

// boosted is what one boost makes of a reward.
func boosted(r offer.Reward, b *offer.Boost) offer.Reward {
	rate := func(millionths int64) int64 {
		switch {
		case millionths == 0:
		case b.Op == offer.SetRate:
			return max(millionths, b.RateMillionths)
		case b.Op == offer.AddRate:
			return millionths + b.RateMillionths
		case b.Op == offer.MultiplyRate:
			return scaled(millionths, b.FactorMillionths)
		}
		return millionths
	}
	r.RateMillionths, r.RestMillionths = rate(r.RateMillionths), rate(r.RestMillionths)
	r.Tiers, r.Categories = slices.Clone(r.Tiers), slices.Clone(r.Categories)
	for i := range r.Tiers {
		r.Tiers[i].RateMillionths = rate(r.Tiers[i].RateMillionths)
	}
	for i := range r.Categories {
		r.Categories[i].RateMillionths = rate(r.Categories[i].RateMillionths)
	}
	if b.Op == offer.MultiplyRate {
		r.FixedMinor = scaled(r.FixedMinor, b.FactorMillionths)
	}
	return r
}

func scaled(n, millionths int64) int64 {
	return decimal.NewFromInt(n).Mul(decimal.NewFromInt(millionths)).Div(million).IntPart()
}

// exampleMinor is the purchase that a warning reckons with where any would do.
const exampleMinor = 10_000

// worstBasis is the purchase on which the commission falls shortest of the
// reward, or one on which it does fall short where there is no worst.
func worstBasis(o *offer.Offer, owed *offer.Commission) int64 {
	if owed.Form != offer.ShareCommission || !o.Commission.None() || o.Reward.Form != offer.RateReward && o.Reward.Form != offer.FixedReward {
		return worstOf(o, owed)
	}
	rate, limit := o.Reward.RateMillionths, capOf(o, offer.PerPurchase)
	switch {
	case o.Reward.Form == offer.FixedReward || rate <= owed.RateMillionths:
		return max(o.MinSpendMinor, 1) // the more is bought, the more is owed
	case limit > 0:
		// Up to the cap the reward grows faster than the commission, then not at all.
		full := decimal.NewFromInt(limit).Mul(million).Div(decimal.NewFromInt(rate)).Ceil()
		return max(o.MinSpendMinor, min(full.IntPart(), money.MaxAmountMinor))
	}
	even := decimal.NewFromInt(owed.FixedMinor).Mul(million).Div(decimal.NewFromInt(rate - owed.RateMillionths)).Ceil()
	return max(o.MinSpendMinor, exampleMinor, min(2*even.IntPart(), money.MaxAmountMinor))
}

// worstOf is the smallest purchase on which the commission falls short, of those
// at which something changes: tiers begin, full amounts are reached.
func worstOf(o *offer.Offer, owed *offer.Commission) int64 {
	lowest, highest := max(o.MinSpendMinor, 1), cmp.Or(o.MaxSpendMinor, money.MaxAmountMinor)
	bases := []int64{lowest, max(lowest, exampleMinor), max(lowest, o.Reward.PerMinor)}
	for _, t := range o.Reward.Tiers {
		bases = append(bases, t.FromMinor, 2*t.FromMinor, 20*t.FromMinor) // marginal ones go up slowly
	}
	for _, terms := range [...]*offer.Commission{owed, &o.Commission} {
		for _, t := range terms.Tiers {
			bases = append(bases, t.FromMinor-1, t.FromMinor, 2*t.FromMinor)
		}
	}
	slices.Sort(bases)
	for _, basis := range bases {
		basis = min(max(basis, lowest), highest)
		if promise(o, basis).GreaterThan(commissionOf(owed, basis).Add(commissionOf(&o.Commission, basis))) {
			return basis
		}
	}
	return lowest
}

var million = decimal.NewFromInt(wholeMillionths)

// promise is the award of a purchase, capped and not yet rounded. Of categories
// the best is promised.
func promise(o *offer.Offer, basisMinor int64) decimal.Decimal {
	award := share(basisMinor, o.Reward.RateMillionths, o.Reward.FixedMinor)
	switch r := &o.Reward; r.Form {
	case offer.PerFullReward:
		award = decimal.NewFromInt(r.FixedMinor).Mul(decimal.NewFromInt(basisMinor / r.PerMinor))
	case offer.TieredReward:
		award = tiered(r, basisMinor)
	case offer.CategoryReward:
		best := r.RestMillionths
		for _, category := range r.Categories {
			best = max(best, category.RateMillionths)
		}
		award = share(basisMinor, best, 0)
	}
	if limit := capOf(o, offer.PerPurchase); limit > 0 {
		award = decimal.Min(award, decimal.NewFromInt(limit))
	}
	return award
}

// tiered is what tiers give for a purchase.
func tiered(r *offer.Reward, basisMinor int64) decimal.Decimal {
	award := decimal.Zero
	for i, t := range r.Tiers {
		if basisMinor < t.FromMinor {
			break
		}
		if !r.Marginal {
			award = share(basisMinor, t.RateMillionths, 0)
			continue
		}
		end := basisMinor
		if i+1 < len(r.Tiers) {
			end = min(end, r.Tiers[i+1].FromMinor)
		}
		award = award.Add(share(end-t.FromMinor, t.RateMillionths, 0))
	}
	return award
}

// owedBy is the commission of a purchase on which the offer has an award: by the
// partner's terms and by the offer's own.
func owedBy(o *offer.Offer, p *offer.Partner, basisMinor int64) decimal.Decimal {
	return commissionOf(&p.Commission, basisMinor).Add(commissionOf(&o.Commission, basisMinor))
}

func commissionOf(owed *offer.Commission, basisMinor int64) decimal.Decimal {
	if owed.Form != offer.TieredCommission {
		return share(basisMinor, owed.RateMillionths, owed.FixedMinor)
	}
	sum := decimal.Zero
	for _, t := range owed.Tiers {
		if basisMinor >= t.FromMinor {
			sum = share(basisMinor, t.RateMillionths, t.FixedMinor)
		}
	}
	return sum
}

func share(basisMinor, rateMillionths, fixedMinor int64) decimal.Decimal {
	return decimal.NewFromInt(basisMinor).Mul(decimal.NewFromInt(rateMillionths)).Div(million).Add(decimal.NewFromInt(fixedMinor))
}
