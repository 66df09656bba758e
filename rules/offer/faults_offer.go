package offer

import (
	"cmp"
	"fmt"
	"math/big"
	"strings"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Bounds of one offer. Those on boosted rates keep every award far inside 64
// bits, whatever boosts come together on it.
const (
	maxMoneyRateMillionths  = 8 * money.One
	maxPointsRateMillionths = 128 * money.One
	maxFactorMillionths     = 100 * money.One
	maxCostMillionths       = 8 * money.One
	maxPointsDecimals       = 4
	maxPointValueMillionths = 1_000_000 * money.One
	maxOfferDays            = 3660
	maxTimes                = 1_000_000 // of visits, counts, first purchases
	maxTiers                = 20
	maxCategories           = 500
	maxCategoryBytes        = 256
	maxBoosts               = 50
	maxCaps                 = 20
	maxBudgets              = 2
	maxHours                = 20
	maxDates                = 400
	maxMCCs                 = 500
	maxCountries            = 300
	maxCurrencies           = 200
	maxWords                = 500
	maxMCC                  = 9999
	daySeconds              = 86_400
)

// agreed is what the offers of one document are checked against.
type agreed struct {
	own        bool         // the offers are the programme's
	partner    *Partner     // otherwise
	programme  string       // whose members they are for
	programmes []*Programme // its versions in force while the document is
	boosts     *boostIndex
}

func (t *agreed) partnerID() string {
	if t.own {
		return ""
	}
	return t.partner.ID
}

func (c checker) offers(offers []Offer, in *agreed) {
	if len(offers) > maxOffersPerPartner {
		c.fault("offers", "more than %d offers", maxOffersPerPartner)
		return
	}
	stores := map[string]bool{}
	if !in.own {
		for i := range in.partner.Stores {
			stores[in.partner.Stores[i].ID] = true
		}
	}
	ids, weights := map[string]bool{}, map[string]int64{}
	for i := range offers {
		o, path := &offers[i], fmt.Sprintf("offers[%d]", i)
		if o.ID == "" || len(o.ID) > maxIDLength {
			c.fault(path, "an offer's id has 1 to %d bytes", maxIDLength)
		}
		if strings.ContainsAny(o.ID, idSeparators) {
			c.fault(path, "%q has one of %s, which separate ids where they are joined; leave it out", o.ID, idSeparators)
		}
		if ids[o.ID] {
			c.fault(path, "two offers have the id %q; give one of them another", o.ID)
		}
		ids[o.ID] = true
		for _, id := range o.Stores {
			if !stores[id] {
				c.fault(path+".stores", "the partner has no store %q", id)
			}
		}
		c.offer(path, o, in)
		group := cmp.Or(o.Group, DefaultGroup)
		weights[group] = max(weights[group], c.peaks(path, o, in))
	}
	sum := int64(0)
	for _, weight := range weights {
		sum += weight
	}
	if sum > maxWeight {
		c.fault("offers", "its groups add up, and could give more than %d times a purchase together; put offers into one group, of which the best wins", maxWeight/money.One)
	}
}

func (c checker) offer(path string, o *Offer, in *agreed) {
	if _, ok := o.Currency.Exponent(); !ok {
		c.fault(path+".currency", "%q is no ISO 4217 currency; write one such as EUR", o.Currency)
	}
	c.window(path, o.From, o.Until)
	if o.Reward.Form != 0 || o.Sponsor.None() {
		c.reward(path+".reward", o, in)
	}
	c.conditions(path, &o.Conditions)
	c.ownBoosts(path+".boosts", o)
	c.caps(path+".caps", o.Caps)
	c.budgets(path, o.Budgets)
	c.funding(path, o, in)
	c.commission(path+".commission", &o.Commission)
	if o.Commission.Form == CostPlusCommission || in.own && !o.Commission.None() {
		c.fault(path+".commission", "an offer of a partner may add a share, an amount or tiers of both; drop it, or write one of these")
	}
	c.sponsor(path+".sponsor", &o.Sponsor)
	c.holdout(path+".holdout", o.Holdout)
	if o.NotOfProgrammes && o.Holdout != (Holdout{}) {
		c.fault(path+".holdout", "an offer has a holdout of its own or is outside of the programme's; keep one of them")
	}
}

// holdout checks a share of accounts and its salt. A zero byte ends the salt in
// what is hashed, so none is in it.
func (c checker) holdout(path string, h Holdout) {
	if h.Millionths < 0 || h.Millionths > money.One {
		c.fault(path, "%s is not within 0%% and 100%% of all accounts", money.FormatPercent(h.Millionths))
	}
	if len(h.Salt) > maxSaltLength || strings.ContainsRune(h.Salt, 0) {
		c.fault(path, "a salt is at most %d bytes without a zero byte", maxSaltLength)
	}
}

func (c checker) window(path string, from, until LocalTime) {
	if !from.IsZero() && !until.IsZero() && !from.before(until) {
		c.fault(path, "it ends before it begins; from is inclusive, until is not")
	}
}

func (c checker) reward(path string, o *Offer, in *agreed) {
	r := &o.Reward
	if r.Kind > rules.Voucher {
		c.fault(path, "unknown kind; write cash, points, wallet or voucher")
	}
	c.fixed(path, r.FixedMinor)
	switch r.Form {
	case RateReward:
		c.rate(path, r.RateMillionths, r.Kind)
		if r.RateMillionths == 0 || r.FixedMinor != 0 {
			c.fault(path, "a percent reward has a rate over 0%% and no fixed amount")
		}
	case FixedReward:
		if r.FixedMinor == 0 || r.RateMillionths != 0 {
			c.fault(path, "a fixed reward has an amount over 0 and no rate")
		}
	case PerFullReward:
		if r.FixedMinor == 0 || r.PerMinor < 1 || r.PerMinor > money.MaxAmountMinor {
			c.fault(path, "an amount per full amount has both over 0")
		}
	case TieredReward:
		c.tiers(path, r)
	case CategoryReward:
		c.categories(path, r)
	default:
		c.fault(path, "no reward; write a percentage or an amount")
	}
	if r.Kind == rules.Points {
		c.pointsOffer(path, o, in)
	}
	w := r.Wallet
	if w.UsableAfterDays < 0 || w.UsableAfterDays > maxOfferDays || w.ExpiresAfterDays < 0 || w.ExpiresAfterDays > maxOfferDays {
		c.fault(path, "days of a wallet are not within 0 to %d", maxOfferDays)
	}
	if w != (WalletTerms{}) && r.Kind != rules.Wallet || w.ExpiresAfterDays != 0 && w.ExpiresAfterDays <= w.UsableAfterDays {
		c.fault(path, "terms of a wallet go with rewards of its kind, and it expires after it can be used")
	}
}

// rate bounds one rate: of money by the purchase, of points by what keeps sums
// inside 64 bits.
func (c checker) rate(path string, rateMillionths int64, kind rules.Kind) {
	switch {
	case kind != rules.Points && (rateMillionths < 0 || rateMillionths > money.One):
		c.fault(path, "%s is not within 0%% to 100%%", money.FormatPercent(rateMillionths))
	case rateMillionths < 0 || rateMillionths > maxPointsRateMillionths:
		c.fault(path, "so many points for each minor unit are more than %d of their smallest part; write fewer, or points of fewer decimals", maxPointsRateMillionths/money.One)
	}
}

func (c checker) fixed(path string, fixedMinor int64) {
	if fixedMinor < 0 || fixedMinor > maxFixedMinor {
		c.fault(path, "a fixed amount of %d is not within 0 to %d minor units", fixedMinor, int64(maxFixedMinor))
	}
}

func (c checker) tiers(path string, r *Reward) {
	if len(r.Tiers) == 0 || len(r.Tiers) > maxTiers {
		c.fault(path, "%d tiers are not within 1 to %d", len(r.Tiers), maxTiers)
		return
	}
	highest := int64(0)
	for i, t := range r.Tiers {
		at := fmt.Sprintf("%s.tiers[%d]", path, i)
		c.rate(at, t.RateMillionths, r.Kind)
		c.rising(at, t.FromMinor, i > 0, r.Tiers[max(i-1, 0)].FromMinor)
		highest = max(highest, t.RateMillionths)
	}
	if highest == 0 {
		c.fault(path, "no tier gives anything; write a rate over 0")
	}
}

func (c checker) rising(path string, fromMinor int64, follows bool, before int64) {
	if fromMinor < 0 || fromMinor > money.MaxAmountMinor || follows && fromMinor <= before {
		c.fault(path, "tiers begin at 0 to 2^53-1 minor units, in rising order, each once")
	}
}

func (c checker) categories(path string, r *Reward) {
	if len(r.Categories) == 0 || len(r.Categories) > maxCategories {
		c.fault(path, "%d categories are not within 1 to %d", len(r.Categories), maxCategories)
		return
	}
	highest := r.RestMillionths
	c.rate(path+".rest", r.RestMillionths, r.Kind)
	seen := map[string]bool{}
	for i, category := range r.Categories {
		at := fmt.Sprintf("%s.categories[%d]", path, i)
		c.rate(at, category.RateMillionths, r.Kind)
		if name := category.Category; name == "" || len(name) > maxCategoryBytes || seen[name] {
			c.fault(at, "a category has a name of 1 to %d bytes, and one rate", maxCategoryBytes)
		}
		seen[category.Category] = true
		highest = max(highest, category.RateMillionths)
	}
	if highest == 0 {
		c.fault(path, "no category gives anything; write a rate over 0")
	}
}

// pointsOffer holds an offer to points that its programme gives, in the
// programme's currency, at every time.
func (c checker) pointsOffer(path string, o *Offer, in *agreed) {
	for _, p := range in.programmes {
		switch {
		case p.Points.Code == "":
			c.fault(path, "programme %s gives no points in version %s; write points there, or give money", p.ID, p.Version.ID)
			return
		case o.Currency != p.Currency:
			c.fault(path, "points are given for %s, the currency of programme %s, and the offer counts in %s; use one currency", p.Currency, p.ID, o.Currency)
			return
		}
	}
}

func (c checker) conditions(path string, k *Conditions) {
	if k.MinSpendMinor < 0 || k.MinSpendMinor > money.MaxAmountMinor {
		c.fault(path+".min_spend", "%d is not within 0 to 2^53-1 minor units", k.MinSpendMinor)
	}
	if k.MaxSpendMinor < 0 || k.MaxSpendMinor > money.MaxAmountMinor {
		c.fault(path+".max_spend", "%d is not within 0 to 2^53-1 minor units", k.MaxSpendMinor)
	}
	c.when(path+".when", &k.When)
	c.audience(path+".for", &k.Audience)
	for _, channel := range k.Channels {
		if channel == rules.ChannelUnknown || channel > rules.OtherChannel {
			c.fault(path+".channels", "unknown channel; write in_store, online or other")
		}
	}
	c.categoryCodes(path+".mcc", k.MCCs)
	c.categoryCodes(path+".except_mcc", k.NotMCCs)
	c.places(path, k)
	if k.LapsedDays < 0 || k.LapsedDays > maxOfferDays {
		c.fault(path+".lapsed", "%d is not within 0 to %d days", k.LapsedDays, maxOfferDays)
	}
	if k.Every != (Every{}) && (k.Every.N < 2 || k.Every.N > maxTimes || !k.Every.Per.counts()) {
		c.fault(path+".every", "every nth visit is from the 2nd to the %dth, per day to year or life", maxTimes)
	}
	if k.Goal != (Goal{}) && (k.Goal.AmountMinor < 1 || k.Goal.AmountMinor > money.MaxAmountMinor || !k.Goal.Per.counts()) {
		c.fault(path+".goal", "a goal is from 1 to 2^53-1 minor units, per day to year or life")
	}
	if k.Every.OnceADay && k.Every.Per == PerDay {
		c.fault(path+".every", "with one visit a day no day has a second one; count over a longer period")
	}
	if k.Every.N != 0 && k.Goal.AmountMinor != 0 {
		c.fault(path+".every", "an offer has either a goal or an nth visit; keep one")
	}
}

func (c checker) categoryCodes(path string, ranges []MCCRange) {
	if len(ranges) > maxMCCs {
		c.fault(path, "more than %d merchant categories", maxMCCs)
	}
	for _, r := range ranges {
		if r.From > r.To || r.To > maxMCC {
			c.fault(path, "%04d-%04d is no range of merchant category codes", r.From, r.To)
		}
	}
}

// places checks where a merchant may be, and in what it may be paid.
func (c checker) places(path string, k *Conditions) {
	if len(k.Countries) > maxCountries {
		c.fault(path+".countries", "more than %d countries", maxCountries)
	}
	for _, country := range k.Countries {
		if !rules.KnownCountry(country) {
			c.fault(path+".countries", "%q is no country of ISO 3166-1; write its two capital letters, such as FR", country)
		}
	}
	if len(k.PaidIn) > maxCurrencies {
		c.fault(path+".paid_in", "more than %d currencies", maxCurrencies)
	}
	for _, currency := range k.PaidIn {
		if _, ok := currency.Exponent(); !ok {
			c.fault(path+".paid_in", "%q is no ISO 4217 currency; write one such as EUR", currency)
		}
	}
}

// counts reports whether visits and goals can count over the period.
func (p CapPeriod) counts() bool { return p >= PerDay && p <= PerYear || p == PerLife }

func (c checker) when(path string, w *When) {
	if w.Weekdays > 1<<7-1 {
		c.fault(path+".weekdays", "unknown weekday")
	}
	if len(w.Hours) > maxHours || len(w.Dates) > maxDates {
		c.fault(path, "more than %d times of day or %d dates", maxHours, maxDates)
	}
	for _, h := range w.Hours {
		if h.FromSec < 0 || h.FromSec >= daySeconds || h.UntilSec < 1 || h.UntilSec > daySeconds {
			c.fault(path+".hours", "a time of day is not within 00:00 to 24:00")
		}
	}
	for _, d := range w.Dates {
		c.window(path+".dates", d.From, d.Until)
	}
}

func (c checker) audience(path string, a *Audience) {
	for _, words := range [...][]string{a.Levels, a.Segments, a.CardProducts} {
		if len(words) > maxWords {
			c.fault(path, "more than %d words", maxWords)
		}
	}
	for _, days := range [...]int{a.EnrolledForDays, a.EnrolledWithinDays} {
		if days < 0 || days > maxOfferDays {
			c.fault(path, "%d is not within 0 to %d days", days, maxOfferDays)
		}
	}
}

func (c checker) caps(path string, caps []Cap) {
	if len(caps) > maxCaps {
		c.fault(path, "more than %d caps", maxCaps)
		return
	}
	for i, limit := range caps {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case limit.Per < PerPurchase || limit.Per > PerLife:
			c.fault(at, "unknown period")
		case (limit.Per == PerRolling) != (limit.Days != 0) || limit.Days < 0 || limit.Days > maxOfferDays:
			c.fault(at, "a rolling period has 1 to %d days, and no other has any", maxOfferDays)
		case (limit.AmountMinor != 0) == (limit.Count != 0):
			c.fault(at, "a cap is an amount or a count over 0")
		case limit.AmountMinor < 0 || limit.AmountMinor > money.MaxAmountMinor:
			c.fault(at, "%d is not within 1 to 2^53-1 minor units", limit.AmountMinor)
		case limit.Count < 0 || limit.Count > maxTimes || limit.Count != 0 && limit.Per == PerPurchase:
			c.fault(at, "a count is within 1 to %d, over more than one purchase", maxTimes)
		}
	}
}

func (c checker) budgets(path string, budgets []Budget) {
	if len(budgets) > maxBudgets || len(budgets) == 2 && budgets[0].PerStoreAndDay == budgets[1].PerStoreAndDay {
		c.fault(path+".budgets", "an offer has one budget, and one per store and day")
	}
	for i, b := range budgets {
		if b.AmountMinor < 1 || b.AmountMinor > money.MaxAmountMinor {
			c.fault(fmt.Sprintf("%s.budgets[%d]", path, i), "%d is not within 1 to 2^53-1 minor units", b.AmountMinor)
		}
	}
}

// commission checks what a partner owes by its terms, or by one offer.
func (c checker) commission(path string, owed *Commission) {
	if owed.On > OnSale {
		c.fault(path+".on", "unknown; write award or sale")
	}
	switch owed.Form {
	case ShareCommission:
		c.share(path, owed.RateMillionths, owed.FixedMinor)
	case TieredCommission:
		if len(owed.Tiers) == 0 || len(owed.Tiers) > maxTiers {
			c.fault(path, "%d tiers are not within 1 to %d", len(owed.Tiers), maxTiers)
			return
		}
		for i, t := range owed.Tiers {
			at := fmt.Sprintf("%s.tiers[%d]", path, i)
			c.share(at, t.RateMillionths, t.FixedMinor)
			c.rising(at, t.FromMinor, i > 0, owed.Tiers[max(i-1, 0)].FromMinor)
		}
	case CostPlusCommission:
		if owed.CostMillionths < money.One || owed.CostMillionths > maxCostMillionths {
			c.fault(path+".cost_plus", "%s is not from 100%% to %s of the rewards' cost", money.FormatPercent(owed.CostMillionths), money.FormatPercent(maxCostMillionths))
		}
	default:
		c.fault(path, "unknown form of a commission")
	}
}

// funding holds offers to what keeps the programme's margin from going
// negative unsaid.
func (c checker) funding(path string, o *Offer, in *agreed) {
	at := path + ".funded_by"
	switch {
	case o.FundedBy > FundedByProgramme:
		c.fault(at, "unknown; write commission or programme")
	case o.FundedBy == FundedByProgramme || o.Reward.Form == 0:
	case in.own:
		c.fault(at, "no partner owes a commission for the programme's own offers; write funded_by: programme")
	case in.partner.Commission.None() && o.Commission.None():
		c.fault(at, "the partner owes no commission per sale that could fund it; write funded_by: programme, or agree on a commission")
	case o.Reward.Kind == rules.Points && in.partner.Commission.Form != CostPlusCommission:
		c.fault(at, "points are paid by no commission but cost_plus; write funded_by: programme, or agree on cost_plus")
	case o.Currency != in.partner.Currency:
		c.fault(at, "its currency %s is not that of the partner's commission, %s; write funded_by: programme, or use one currency", o.Currency, in.partner.Currency)
	}
}

func (c checker) sponsor(path string, s *Sponsor) {
	c.share(path+".reward", s.RateMillionths, s.FixedMinor)
	if s.RateMillionths != 0 && s.FixedMinor != 0 {
		c.fault(path+".reward", "a sponsor gets a rate or an amount, not both")
	}
	if s.FirstPurchases < 0 || s.FirstPurchases > maxTimes {
		c.fault(path+".first_purchases", "%d is not within 0 to %d", s.FirstPurchases, maxTimes)
	}
	if s.WithinDays < 0 || s.WithinDays > maxOfferDays {
		c.fault(path+".within", "%d is not within 0 to %d days", s.WithinDays, maxOfferDays)
	}
	c.caps(path+".caps", s.Caps)
}

// peaks holds an offer, with all boosts that can come together on it, to what
// keeps every award inside 64 bits and below eight times the purchase. It gives
// the most that the offer weighs.
func (c checker) peaks(path string, o *Offer, in *agreed) int64 {
	weight := int64(0)
	for _, p := range in.boosts.peaksOf(o, in) {
		if what := p.tooMuch(o, in.programmes); what != "" {
			c.fault(path+".reward", "%s%s; lower the reward, or what raises it", p.because(), what)
			return 0
		}
		weight = max(weight, p.weight(o, in.programmes))
	}
	return weight
}

// maxWeight is the most that the groups of one document weigh together: an
// account's volume times that is within 64 bits, and so is eight times the cost.
const maxWeight = 128 * money.One

// repeatedWeight is what points weigh that are given for each full target: half of
// all, whatever they are worth for once.
const repeatedWeight = maxWeight / 2

// weight is the most that the offer gives for each minor unit, in millionths of
// a unit, or eight times what that costs, whichever is more. Fixed amounts weigh
// nothing: they don't grow with the purchase.
func (p *peak) weight(o *Offer, programmes []*Programme) int64 {
	rate := big.NewInt(p.rate(o.Reward.highestRate()))
	if o.Reward.Form == PerFullReward {
		rate.Quo(Product([]int64{o.Reward.FixedMinor, p.factorMillionths}), big.NewInt(max(o.Reward.PerMinor, 1)))
	}
	weight := rate
	for _, in := range programmes {
		if o.Reward.Kind == rules.Points {
			cost := new(big.Int).Mul(rate, Product([]int64{8, in.Points.ValueMillionths}))
			cost.Quo(cost, Product([]int64{money.One, scaleOf(in.Points)}))
			if cost.Cmp(weight) > 0 {
				weight = cost
			}
		}
	}
	if !weight.IsInt64() {
		return maxWeight
	}
	if o.Goal.Again && o.Reward.Kind == rules.Points {
		return max(weight.Int64(), repeatedWeight)
	}
	return min(weight.Int64(), maxWeight)
}

// scaleOf is how many parts one point is counted in.
func scaleOf(u PointsUnit) int64 {
	scale := int64(1)
	for range min(u.Decimals, maxPointsDecimals) {
		scale *= 10
	}
	return scale
}

// tooMuch says what of the offer a peak takes over its bound; empty: nothing.
func (p *peak) tooMuch(o *Offer, programmes []*Programme) string {
	points, most := o.Reward.Kind == rules.Points, int64(maxMoneyRateMillionths)
	if points {
		most = maxPointsRateMillionths
	}
	rate, fixed, per := p.rate(o.Reward.highestRate()), o.Reward.FixedMinor, o.Reward.PerMinor
	if o.Reward.highestRate() > most { // told already
		return ""
	}
	if rate > most {
		if points {
			return fmt.Sprintf("it could give more than %d of the smallest part of a point for each minor unit", most/money.One)
		}
		return fmt.Sprintf("its rate could come to %s, over %s", money.FormatPercent(rate), money.FormatPercent(most))
	}
	if o.Reward.Form == PerFullReward && over([]int64{fixed, p.factorMillionths}, []int64{most, per}) {
		return fmt.Sprintf("it could give more than %d times the amount that has to be full", most/money.One)
	}
	for _, in := range programmes {
		if points && p.worthTooMuch(o, in.Points) {
			return fmt.Sprintf("its points could be worth more than %s of the purchase, or a fortune", money.FormatPercent(maxMoneyRateMillionths))
		}
		if points && o.Goal.Again && p.repeatsTooMuch(o, &in.Points) {
			return fmt.Sprintf("its points, given again and again, could leave all bounds with a purchase of %d minor units; cap their amount, or raise the goal", int64(repeatsWithin))
		}
	}
	return ""
}

// worthTooMuch compares what points cost with what money may.
func (p *peak) worthTooMuch(o *Offer, u PointsUnit) bool {
	scale := scaleOf(u)
	fixed := []int64{o.Reward.FixedMinor, p.factorMillionths, u.ValueMillionths}
	switch o.Reward.Form {
	case FixedReward:
		return over(fixed, []int64{100 * maxFixedMinor, money.One, money.One, scale})
	case PerFullReward:
		return over(fixed, []int64{maxMoneyRateMillionths, money.One, o.Reward.PerMinor, scale})
	}
	return over([]int64{p.rate(o.Reward.highestRate()), u.ValueMillionths}, []int64{maxMoneyRateMillionths, money.One, scale})
}

// repeatsTooMuch reports that points given for each full target could come to
// their bound with a purchase of repeatsWithin, unless a cap holds them. A fixed
// amount for each grows with what is bought, a rate with its square.
func (p *peak) repeatsTooMuch(o *Offer, u *PointsUnit) bool {
	most, target := MostRepeated(u, repeatsWithin), max(o.Goal.AmountMinor, 1)
	for _, limit := range o.Caps {
		if limit.AmountMinor > 0 && limit.AmountMinor <= most {
			return false
		}
	}
	times := repeatsWithin/target + 1
	switch o.Reward.Form {
	case FixedReward:
		return over([]int64{o.Reward.FixedMinor, p.factorMillionths, times}, []int64{most, money.One})
	case PerFullReward:
		return over([]int64{o.Reward.FixedMinor, p.factorMillionths, repeatsWithin, times}, []int64{most, money.One, max(o.Reward.PerMinor, 1)})
	}
	return over([]int64{p.rate(o.Reward.highestRate()), repeatsWithin, times}, []int64{most, money.One})
}

// over compares two products exactly.
func over(left, right []int64) bool { return Product(left).Cmp(Product(right)) > 0 }

func Product(factors []int64) *big.Int {
	p := big.NewInt(1)
	for _, f := range factors {
		p.Mul(p, big.NewInt(f))
	}
	return p
}

// highestRate is the highest of a reward's rates.
func (r *Reward) highestRate() int64 {
	highest := max(r.RateMillionths, r.RestMillionths)
	for _, t := range r.Tiers {
		highest = max(highest, t.RateMillionths)
	}
	for _, category := range r.Categories {
		highest = max(highest, category.RateMillionths)
	}
	return highest
}

// The most that an award of points comes to which is given for each full target,
// since at a rate it grows with the square of the purchase: units, and what they
// cost in minor units. What grows with the purchase alone, and not faster than by
// the second pair for each minor unit, has no bound. No offer passes that could
// come to one with less than repeatsWithin minor units. Two groups of those, on all
// purchases that an account can have, are within 64 bits, and so is eight times
// the cost.
const (
	maxRepeatedUnits = 1 << 45
	maxRepeatedCost  = 1 << 42
	maxUnitsEach     = 64
	maxCostEach      = 8
	repeatsWithin    = 10_000_000
)

// MostRepeated is the most that points given for each full target of the basis
// come to.
func MostRepeated(u *PointsUnit, basisMinor int64) int64 {
	least := func(units, cost int64) int64 {
		if u.ValueMillionths > 0 {
			affordable := Product([]int64{cost, money.One, scaleOf(*u)})
			if affordable.Quo(affordable, big.NewInt(u.ValueMillionths)); affordable.IsInt64() {
				return min(units, affordable.Int64())
			}
		}
		return units
	}
	return max(least(maxRepeatedUnits, maxRepeatedCost), least(basisMinor*maxUnitsEach, basisMinor*maxCostEach))
}
