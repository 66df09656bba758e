package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"ristourne/rules"
	"ristourne/rules/explain"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// offerExplainer takes down one award of the purchase. It asks the valuer's own
// functions, condition by condition and line by line: what is told is what decides.
type offerExplainer struct {
	*purchaseExplainer
	world world
	award *award
}

func (x *offerExplainer) wording() offer.Wording {
	o := x.award.offer
	return offer.Wording{Currency: o.Currency, Unit: o.unit, Decimals: x.terms.programme.Points.Decimals}
}

func (x *offerExplainer) explain() explain.ExplainedOffer {
	aw, o, w := x.award, x.award.offer, x.wording()
	told := explain.ExplainedOffer{
		PartnerID: o.partner, OfferID: o.ID, Name: o.Name, OfferVersion: o.version, Group: cmp.Or(o.Group, offer.DefaultGroup),
		Kind: o.kind.String(), Unit: o.unit, Currency: o.Currency.String(), FundedBy: fundingNames[o.FundedBy],
		Applies: aw.why&(reason.NoAward|reason.CapCount) == 0, Conditions: x.conditions(),
		Reward: w.Reward(&o.Reward), Form: offer.RewardFormNames[o.Reward.Form], FixedMinor: o.Reward.FixedMinor,
		BasisMinor: aw.basisMinor, MinSpend: o.MinSpendMinor, RoundedMinor: aw.roundedMinor,
		PurchaseCap: o.purchaseCapMinor, Caps: x.caps(), RoomMinor: max(0, aw.roomMinor), Budgets: x.budgets(),
		CappedMinor: aw.cappedMinor, WonGroup: aw.won, CeilingMinor: aw.ceilingMinor, MarginMinor: aw.marginMinor,
		AwardMinor: aw.finalMinor,
		CostMinor:  aw.costMinor, Why: aw.why.Names(),
	}
	if o.kind == rules.Points {
		told.UnitDecimals = w.Decimals
	}
	if aw.finalMinor == 0 {
		told.CostMinor = 0 // an award that lost its group keeps what it was compared by
	}
	if o.Reward.RateMillionths > 0 {
		told.Rate = w.Rate(o.Reward.RateMillionths)
	}
	told.Raises = x.raises()
	for _, b := range aw.boosts {
		told.Boosts = append(told.Boosts, boostName(b.boost))
	}
	if told.Applies {
		x.explainRate(&told)
	}
	if aw.qualifies && !aw.won {
		told.LostTo = x.lostTo()
	}
	if o.sponsorship != nil {
		told.Sponsor = x.sponsor()
	}
	told.WhyNotMore = append(told.Limits(), x.nextTier()...)
	return told
}

var fundingNames = [...]string{offer.FundedByCommission: "commission", offer.FundedByProgramme: "programme"}

func boostName(b *boost) string {
	if b.campaign != nil {
		return b.campaign.ID + "/" + b.ID
	}
	return b.ID
}

func (x *offerExplainer) explainRate(told *explain.ExplainedOffer) {
	aw, reward := x.award, &x.award.offer.Reward
	if !aw.exact.IsZero() {
		told.Exact = aw.exact.String()
	}
	if aw.goals > 1 {
		if once, _, err := x.valuer.rewardOnce(x.account, x.purchase, aw, aw.boosts); err == nil && once > 0 {
			told.Times = aw.goals
			if aw.roundedMinor < beyondMoney {
				told.Times = aw.roundedMinor / once
			}
		}
	}
	if len(aw.boosts) > 0 && reward.Form == offer.RateReward {
		told.BoostedRate = x.wording().PreciseRate(raiseOf(aw.boosts).rate(reward.RateMillionths))
	}
	if r := raiseOf(aw.boosts); len(aw.boosts) > 0 {
		told.Raised = raisedText(x.wording(), r, reward.RateMillionths)
	}
	switch reward.Form {
	case offer.TieredReward:
		for i := range reward.Tiers {
			x.line(told, &reward.Tiers[i].RateMillionths, "from "+x.wording().Money(reward.Tiers[i].FromMinor))
		}
	case offer.CategoryReward:
		for i := range reward.Categories {
			x.line(told, &reward.Categories[i].RateMillionths, reward.Categories[i].Category)
		}
		x.line(told, &reward.RestMillionths, "the rest")
	}
}

// raisedText says what boosts do together: "set to 6%, times 2, plus 1%".
func raisedText(w offer.Wording, r raise, baseMillionths int64) string {
	var parts []string
	if r.setMillionths > baseMillionths {
		parts = append(parts, "set to "+w.Rate(r.setMillionths))
	}
	if r.factorMillionths > one {
		parts = append(parts, "times "+decimal.New(r.factorMillionths, -6).String())
	}
	if r.addMillionths > 0 {
		parts = append(parts, "plus "+w.Rate(r.addMillionths))
	}
	return strings.Join(parts, ", ")
}

// line tells of one tier or category, whose rate is given. What is in it is
// what the offer would give were that rate 100 % and all others nothing.
func (x *offerExplainer) line(told *explain.ExplainedOffer, rate *int64, of string) {
	whole := x.alone(rate, one, nil)
	if whole.IsZero() {
		return
	}
	inIt, err := whole.Round(money.HalfEven)
	if err != nil {
		return
	}
	r := raiseOf(x.award.boosts)
	line := explain.ExplainedLine{Of: of, BasisMinor: inIt, Rate: x.wording().PreciseRate(r.rate(*rate))}
	if gives := x.alone(rate, *rate, x.award.boosts); !gives.IsZero() {
		line.Exact = gives.String()
	}
	told.Lines = append(told.Lines, line)
}

// alone is what the offer would give, exactly, if only one of its tiers or
// categories had a rate.
func (x *offerExplainer) alone(rate *int64, millionths int64, boosts []activeBoost) money.Exact {
	stated := *x.award.offer.Offer
	reward := &stated.Reward
	only := func(r *int64) int64 {
		if r == rate {
			return millionths
		}
		return 0
	}
	rest := only(&x.award.offer.Reward.RestMillionths)
	reward.Tiers, reward.Categories = slices.Clone(reward.Tiers), slices.Clone(reward.Categories)
	for i := range reward.Tiers {
		reward.Tiers[i].RateMillionths = only(&x.award.offer.Reward.Tiers[i].RateMillionths)
	}
	for i := range reward.Categories {
		reward.Categories[i].RateMillionths = only(&x.award.offer.Reward.Categories[i].RateMillionths)
	}
	reward.RestMillionths = rest
	o := *x.award.offer
	o.Offer = &stated
	aw := award{offer: &o, basisMinor: x.award.basisMinor}
	units, _, err := x.valuer.rewardOf(x.account, x.purchase, &aw, boosts)
	if err != nil {
		return money.Exact{}
	}
	if aw.exact.IsZero() { // worked out in parts of minor units
		exact, err := money.Exact{}.Plus(units, one*one)
		if err != nil {
			return money.Exact{}
		}
		return exact
	}
	return aw.exact
}

// candidate is the offer as it is bound to the place of the purchase.
func (x *offerExplainer) candidate() *candidate {
	lists := [][]candidate{x.terms.programme.candidates[x.valuer.storeZone().String()]}
	if x.terms.store != nil {
		lists = append(lists, x.terms.store.candidatesIn(x.valuer.storeZone()))
	}
	for _, list := range lists {
		for i := range list {
			if list[i].offer == x.award.offer {
				return &list[i]
			}
		}
	}
	return nil
}

// conditions tells of each thing that the offer asks whether it holds.
func (x *offerExplainer) conditions() []explain.ExplainedCondition {
	aw, o, c := x.award, x.award.offer, x.candidate()
	var all []explain.ExplainedCondition
	add := func(why reason.Set, asks, found string, holds bool) {
		all = append(all, explain.ExplainedCondition{Code: why.Names()[0], Asks: asks, Found: found, Holds: holds})
	}
	if aw.why&reason.NoBasis != 0 {
		add(reason.NoBasis, "something is paid", "nothing of the purchase is left", false)
	}
	if aw.why&reason.Currency != 0 {
		add(reason.Currency, "all amounts in "+o.Currency.String(), "some are stated in other currencies alone", false)
	}
	if text := offer.Window(o.From, o.Until); text != "" {
		add(reason.Window, text, "it was "+x.localTime(x.purchase.at, time.DateOnly+" 15:04:05"), c.contains(x.purchase.at))
	}
	for _, asked := range x.wording().Requirements(&o.Conditions) {
		ranked := asked.Why&(reason.Visit|reason.Goal) != 0
		if ranked && !aw.visit && !x.terms.tally.withLate && !x.notFirstToday() {
			all = append(all, explain.ExplainedCondition{
				Code: asked.Why.Names()[0], Asks: asked.Text, Found: "this is no visit, since something else doesn't hold", Skipped: true,
			})
			continue
		}
		holds := x.holds(&asked, c)
		add(asked.Why, asked.Text, x.found(asked.Why, holds), holds)
	}
	for _, h := range x.holdouts() {
		draw := x.valuer.drawOf(x.account, h)
		add(reason.Holdout, "not among the "+money.FormatPercent(h.millionths)+" of accounts who are held out ("+h.id+")",
			fmt.Sprintf("account %s draws %s under salt %q", x.account.id, money.FormatPercent(draw), h.salt), draw >= h.millionths)
	}
	return all
}

// holdouts are those that the offer is under.
func (x *offerExplainer) holdouts() []*holdout {
	var all []*holdout
	if h := x.award.offer.holdout; h != nil {
		all = append(all, h)
	}
	if h := x.terms.programme.holdout; h != nil && !x.award.offer.NotOfProgrammes {
		all = append(all, h)
	}
	return all
}

// holds reports whether one condition does, as if the offer asked no other.
func (x *offerExplainer) holds(asked *offer.Requirement, c *candidate) bool {
	aw := x.award
	switch asked.Why {
	case reason.Minimum:
		return aw.basisMinor >= aw.offer.MinSpendMinor
	case reason.Maximum:
		return aw.basisMinor <= aw.offer.MaxSpendMinor
	case reason.First, reason.Lapsed, reason.Visit, reason.Goal:
		return aw.why&asked.Why == 0
	}
	stated, o := *aw.offer.Offer, *aw.offer
	stated.Conditions = asked.Only
	o.Offer, o.kind = &stated, rules.Cash // what points need beside is told by itself
	only := candidate{offer: &o, span: span{rules.MinInstant, rules.MaxInstant}}
	if asked.Why == reason.Hours {
		only.when = c.when
	}
	return x.valuer.whyNot(x.account, x.purchase, &only) == 0
}

// found says what there was of what a condition asks for.
func (x *offerExplainer) found(why reason.Set, holds bool) string {
	anchor, standing, aw := x.terms.anchor, x.terms.standing, x.award
	switch why {
	case reason.Hours:
		return "it was " + x.localTime(x.purchase.at, "Monday "+time.DateOnly+" 15:04:05")
	case reason.Minimum, reason.Maximum:
		return "it is " + x.wording().Money(aw.basisMinor)
	case reason.Channel:
		return known(anchor.channel != rules.ChannelUnknown, "it was bought "+offer.ChannelTexts[anchor.channel], "the bank doesn't say how it was bought")
	case reason.MCC:
		return known(anchor.mcc != "", "the category is "+anchor.mcc, "the bank doesn't say the category")
	case reason.Country:
		return known(anchor.country != "", "it was in "+anchor.country, "the bank doesn't say the country")
	case reason.PaidIn:
		return "it was paid in " + anchor.currency.String()
	case reason.CardProduct:
		return known(anchor.cardProduct != "", "it was paid with card "+anchor.cardProduct, "the bank doesn't say which card it was")
	case reason.Level:
		return known(standing.level != "", "the member's level is "+standing.level, "the member has no level")
	case reason.Enrolled:
		return known(standing.enrolled, "the member enrolled on "+x.localTime(standing.enrolledAt, time.DateOnly+" 15:04:05"), "it is not known when")
	case reason.Visit:
		if x.notFirstToday() {
			return "there was one on the same day before"
		}
		visit := x.valuer.counters.used(x.world, x.purchase, &aw.offer.visits[aw.offer.every])
		return "it is the " + offer.Ordinal(int(visit)) + " visit"
	case reason.Goal:
		return x.foundGoal()
	case reason.First:
		return known(holds, "there was none before", "there was one before")
	case reason.Lapsed:
		return known(holds, "so it was", "the last one was later, or there was none")
	}
	return known(holds, "so it is", "it isn't so")
}

func known(is bool, what, otherwise string) string {
	if is {
		return what
	}
	return otherwise
}

func (x *offerExplainer) foundGoal() string {
	goal := &x.award.offer.goals[x.award.offer.goal]
	spent := x.wording().Money(x.valuer.counters.used(x.world, x.purchase, &goal.sum))
	switch n := x.award.goals; {
	case n == 0 && !x.award.offer.Goal.Again && x.valuer.counters.used(x.world, x.purchase, &goal.reached) > 0:
		return spent + " are spent with this one, but it was reached before"
	case n > 1:
		return spent + " are spent with this one, so it is reached " + offer.Counted(n, "time")
	}
	return spent + " are spent with this one"
}

// notFirstToday reports that the purchase is no visit since there was one on
// its day.
func (x *offerExplainer) notFirstToday() bool {
	o := x.award.offer
	return o.once >= 0 && !x.award.visit && x.award.why&reason.NoAward == reason.Visit
}

// raises tells of all boosts that name the offer.
func (x *offerExplainer) raises() []explain.ExplainedBoost {
	c := x.candidate()
	counts := countingBoosts(x.award.boosts, x.award.offer.Reward.RateMillionths)
	var all []explain.ExplainedBoost
	for i := range c.boosts {
		b := &c.boosts[i]
		why := x.valuer.whyNoBoost(x.account, x.purchase, b)
		if b.holdout != nil && x.valuer.holdsOut(x.account, b.holdout) {
			why |= reason.Holdout
		}
		told := explain.ExplainedBoost{
			ID: b.ID, Does: x.boostWords(b.boost), InForce: why == 0, Why: why.Names(), Counts: counts[b.boost],
		}
		if b.campaign != nil {
			told.Campaign, told.Holdout = b.campaign.ID, b.holdout != nil
		}
		all = append(all, told)
	}
	return all
}

// boostWords says what a boost does, with what its campaign asks.
func (x *offerExplainer) boostWords(b *boost) string {
	text := x.wording().Boost(b.Boost)
	if b.campaign == nil {
		return text
	}
	for _, more := range [...]string{b.campaign.When.String(), offer.Window(b.campaign.From, b.campaign.Until)} {
		if more != "" {
			text += ", " + more
		}
	}
	if audience := b.campaign.Audience.String(); audience != "" {
		text += ", for " + audience
	}
	if b.holdout != nil {
		text += ", but for the " + money.FormatPercent(b.holdout.millionths) + " of accounts who are held out"
	}
	return text
}

// countingBoosts are the boosts that make the rate: of those that set or
// multiply the first that does so highest, and all that add.
func countingBoosts(boosts []activeBoost, baseMillionths int64) map[*boost]bool {
	r, counts := raiseOf(boosts), map[*boost]bool{}
	set, factor := r.setMillionths <= baseMillionths, r.factorMillionths <= one
	for _, b := range boosts {
		switch {
		case b.Op == offer.AddRate:
			counts[b.boost] = true
		case b.Op == offer.SetRate && !set && b.RateMillionths == r.setMillionths:
			counts[b.boost], set = true, true
		case b.Op == offer.MultiplyRate && !factor && b.FactorMillionths == r.factorMillionths:
			counts[b.boost], factor = true, true
		}
	}
	return counts
}

// caps tells of each cap what of it was used before the purchase.
func (x *offerExplainer) caps() []explain.ExplainedCap {
	aw, o, w := x.award, x.award.offer, x.wording()
	var all []explain.ExplainedCap
	for i := range o.limits {
		l := &o.limits[i]
		// The purchase itself is counted already.
		told := explain.ExplainedCap{Per: l.per.String(), Days: l.days, Minor: l.most, UsedMinor: x.valuer.counters.used(x.world, x.purchase, &l.counter) - aw.finalMinor}
		if l.measure == awardsGiven {
			told.Minor, told.Count, told.UsedMinor = 0, l.most, told.UsedMinor+aw.finalMinor-oneIf(aw.finalMinor > 0)
		}
		told.UsedMinor = max(0, told.UsedMinor)
		told.Text = w.Cap(&offer.Cap{Per: l.per, Days: l.days, AmountMinor: told.Minor, Count: told.Count})
		all = append(all, told)
	}
	return all
}

// budgets tells what was asked of campaigns' budgets and of the offer's own,
// and what they gave.
func (x *offerExplainer) budgets() []explain.ExplainedBudget {
	aw, w := x.award, x.wording()
	var all []explain.ExplainedBudget
	for i := range aw.parts {
		s := &aw.parts[i]
		all = append(all, explain.ExplainedBudget{
			Budget: string(s.budget), AskedMinor: s.extraMinor, GivenMinor: s.givenMinor,
			Text: "campaign " + s.campaign + ", " + w.Budget(&aw.paidBy(s).campaign.Budget),
		})
	}
	for i := range aw.offer.budgets {
		b := &aw.offer.budgets[i]
		key := x.terms.budgetKey(b)
		grant := x.account.grantOf(x.purchase, key)
		if grant < 0 {
			continue
		}
		g := &x.account.grants[grant]
		all = append(all, explain.ExplainedBudget{
			Budget: string(key), AskedMinor: g.targetMinor, GivenMinor: g.grantedMinor, Text: "this offer, " + w.Budget(b.Budget),
		})
	}
	return all
}

// lostTo names the offer that won the group.
func (x *offerExplainer) lostTo() string {
	for i := range x.in[x.world].awards {
		if aw := &x.in[x.world].awards[i]; aw.won && aw.offer.group == x.award.offer.group && aw.offer.Reward.Form != 0 {
			return cmp.Or(aw.offer.partner, "programme") + "/" + aw.offer.ID
		}
	}
	return ""
}

func (x *offerExplainer) sponsor() *explain.ExplainedSponsor {
	o := x.award.offer
	told := &explain.ExplainedSponsor{Reward: x.wording().Sponsor(&o.Sponsor), SponsorAccountID: x.terms.standing.sponsor}
	told.RewardMinor = x.award.sponsorMinor
	return told
}

// nextTier says what a larger purchase would give.
func (x *offerExplainer) nextTier() []string {
	for _, t := range x.award.offer.Reward.Tiers {
		if x.award.basisMinor < t.FromMinor {
			return []string{"from " + x.wording().Money(t.FromMinor) + " on it gives " + x.wording().Rate(t.RateMillionths)}
		}
	}
	return nil
}
