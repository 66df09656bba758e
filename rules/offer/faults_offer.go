package offer

import (
	"cmp"
	"math/big"
	"slices"
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
	own        bool           // the offers are the programme's
	partner    *Partner       // otherwise
	programme  string         // whose members they are for
	programmes []*Programme   // its versions in force while the document is
	currency   money.Currency // of the partner's terms, or of the programme
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
		c.fault("offers", FaultTooMany, maxOffersPerPartner, "offers")
		return
	}
	stores := map[string]bool{}
	if !in.own {
		for i := range in.partner.Stores {
			stores[in.partner.Stores[i].ID] = true
		}
	}
	seen, weights := make(map[string]int, len(offers)), map[string]int64{}
	for i := range offers {
		o, path := &offers[i], element("offers", i)
		c.id(path+".id", o.ID)
		c.separator(path+".id", o.ID)
		if first, twice := seen[o.ID]; twice {
			c.twice("offers", first, i, ".id", FaultOfferTwice, o.ID)
		} else {
			seen[o.ID] = i
		}
		c.storesOf(path+".stores", o.Stores, stores)
		c.offer(path, o, in)
		group := cmp.Or(o.Group, DefaultGroup)
		weights[group] = max(weights[group], c.peaks(path, o, in))
	}
	sum := int64(0)
	for _, weight := range weights {
		sum += weight
	}
	if sum > maxWeight {
		c.add(Fault{Path: "offers", Code: FaultGroups, Args: []any{maxWeight / money.One}, Of: []string{"offers"}})
	}
}

// storesOf holds an offer to stores of its partner, each named once.
func (c checker) storesOf(path string, named []string, stores map[string]bool) {
	for i, id := range named {
		switch at := element(path, i); {
		case !stores[id]:
			c.add(Fault{Path: at, Code: FaultUnknownStore, Args: []any{id}, Of: []string{"stores"}})
		case slices.Contains(named[:i], id):
			c.fault(at, FaultStoreNamedTwice, id)
		}
	}
}

func (c checker) offer(path string, o *Offer, in *agreed) {
	if !in.toldOfProgramme(o.Currency) && o.Currency != in.currency {
		c.currency(path+".currency", o.Currency)
	}
	c.window(path+".until", o.From, o.Until)
	if o.Reward.Form != 0 || o.Sponsor.None() {
		c.reward(path, o, in)
	}
	c.conditions(path, &o.Conditions)
	c.ownBoosts(path, o)
	c.caps(path+".caps", o.Caps)
	c.budgets(path+".budgets", o.Budgets)
	c.funding(path, o, in)
	c.commission(path+".commission", &o.Commission)
	if o.Commission.Form == CostPlusCommission || in.own && !o.Commission.None() {
		c.fault(path+".commission", FaultOfferCommission)
	}
	c.sponsor(path+".sponsor", &o.Sponsor)
	c.holdout(path+".holdout", o.Holdout)
	if o.NotOfProgrammes && o.Holdout != (Holdout{}) {
		c.fault(path+".holdout", FaultHoldoutAndNone)
	}
}

// holdout checks a share of accounts and its salt. A zero byte ends the salt in
// what is hashed, so none is in it.
func (c checker) holdout(path string, h Holdout) {
	if h.Millionths < 0 || h.Millionths > money.One {
		c.fault(path+".percent", FaultHoldout, money.FormatPercent(h.Millionths))
	}
	if len(h.Salt) > maxSaltLength || strings.ContainsRune(h.Salt, 0) {
		c.fault(path+".salt", FaultSalt)
	}
}

func (c checker) window(until string, from, to LocalTime) {
	if !from.IsZero() && !to.IsZero() && !from.before(to) {
		c.fault(until, FaultWindow)
	}
}

// reward checks what an offer gives. What points of no programme come to can't be
// told.
func (c checker) reward(path string, o *Offer, in *agreed) {
	r, at := &o.Reward, path+".reward"
	if r.Kind > rules.Voucher {
		c.fault(at, FaultRewardKind)
	}
	if r.Kind != rules.Points || c.pointsOffer(path, o, in) {
		c.given(path, r)
	}
	c.kind(path, r)
}

func (c checker) given(path string, r *Reward) {
	at, nothing := path+".reward", false
	c.fixed(at, r.FixedMinor)
	switch r.Form {
	case RateReward:
		c.rate(at, r.RateMillionths, r.Kind)
		nothing = r.RateMillionths == 0
		if r.FixedMinor != 0 {
			c.fault(at, FaultRewardBoth)
		}
	case FixedReward:
		nothing = r.FixedMinor == 0
		if r.RateMillionths != 0 {
			c.fault(at, FaultRewardBoth)
		}
	case PerFullReward:
		nothing = r.FixedMinor == 0
		if r.PerMinor < 1 || r.PerMinor > money.MaxAmountMinor {
			c.fault(at, FaultPerFull)
		}
	case TieredReward:
		nothing = c.tiers(at, r)
	case CategoryReward:
		nothing = c.categories(at, r)
	default:
		c.add(Fault{Path: at, Code: FaultRewardForm, Of: []string{at, path + ".sponsor"}})
	}
	if nothing {
		c.add(Fault{Path: at, Code: FaultRewardNothing, Of: []string{at}})
	}
}

// kind checks as what a reward is paid.
func (c checker) kind(path string, r *Reward) {
	w, pays := r.Wallet, []string{path + ".pays", path + ".reward"}
	c.days(path+".wallet.usable_after", w.UsableAfterDays)
	c.days(path+".wallet.expires_after", w.ExpiresAfterDays)
	if w != (WalletTerms{}) && r.Kind != rules.Wallet {
		c.add(Fault{Path: path + ".wallet", Code: FaultWalletKind, Of: pays})
	}
	if w.ExpiresAfterDays != 0 && w.ExpiresAfterDays <= w.UsableAfterDays {
		c.fault(path+".wallet.expires_after", FaultWalletExpiry, w.UsableAfterDays)
	}
	if r.VoucherFor != "" && r.Kind != rules.Voucher {
		c.add(Fault{Path: path + ".voucher_for", Code: FaultVoucherKind, Of: pays})
	}
}

// rate bounds one rate: of money by the purchase, of points by what keeps sums
// inside 64 bits.
func (c checker) rate(path string, rateMillionths int64, kind rules.Kind) {
	switch {
	case kind != rules.Points && (rateMillionths < 0 || rateMillionths > money.One):
		c.fault(path, FaultRate, money.FormatPercent(rateMillionths))
	case rateMillionths < 0 || rateMillionths > maxPointsRateMillionths:
		c.fault(path, FaultPointsRate)
	}
}

func (c checker) fixed(path string, fixedMinor int64) {
	if fixedMinor < 0 || fixedMinor > maxFixedMinor {
		c.fault(path, FaultFixedAmount, fixedMinor)
	}
}

func (c checker) amount(path string, minor int64) {
	if minor < 0 || minor > money.MaxAmountMinor {
		c.fault(path, FaultAmount, minor)
	}
}

func (c checker) days(path string, days int) {
	if days < 0 || days > maxOfferDays {
		c.fault(path, FaultDays, days)
	}
}

func (c checker) tooMany(path string, are, most int, what string) {
	if are > most {
		c.fault(path, FaultTooMany, most, what)
	}
}

// tiers reports whether none of them gives anything.
func (c checker) tiers(path string, r *Reward) (nothing bool) {
	list := path + ".tiers"
	if !c.tierCount(list, len(r.Tiers)) {
		return false
	}
	nothing = true
	for i, t := range r.Tiers {
		c.rate(element(list, i)+".give", t.RateMillionths, r.Kind)
		c.rising(list, i, t.FromMinor, r.Tiers[max(i-1, 0)].FromMinor)
		nothing = nothing && t.RateMillionths == 0
	}
	return nothing
}

func (c checker) tierCount(list string, n int) bool {
	if n == 0 || n > maxTiers {
		c.fault(list, FaultTierCount, n)
		return false
	}
	return true
}

func (c checker) rising(list string, i int, fromMinor, beforeMinor int64) {
	c.amount(element(list, i)+".from", fromMinor)
	if i > 0 && fromMinor >= 0 && fromMinor <= beforeMinor {
		c.twice(list, i-1, i, ".from", FaultTierOrder)
	}
}

// categories reports whether none of them gives anything, nor what is in none.
func (c checker) categories(path string, r *Reward) (nothing bool) {
	list := path + ".categories"
	if len(r.Categories) == 0 || len(r.Categories) > maxCategories {
		c.fault(list, FaultCategoryCount, len(r.Categories))
		return false
	}
	nothing = r.RestMillionths == 0
	c.rate(path+".rest", r.RestMillionths, r.Kind)
	seen := map[string]bool{}
	for i, category := range r.Categories {
		at := element(list, i)
		c.rate(at, category.RateMillionths, r.Kind)
		if name := category.Category; name == "" || len(name) > maxCategoryBytes || seen[name] {
			c.fault(at, FaultCategory)
		}
		seen[category.Category] = true
		nothing = nothing && category.RateMillionths == 0
	}
	return nothing
}

// pointsOffer holds an offer to points that its programme gives, in the
// programme's currency, at every time. It reports whether there are points.
func (c checker) pointsOffer(path string, o *Offer, in *agreed) bool {
	for _, p := range in.programmes {
		switch {
		case p.Points.Code == "":
			c.fault(path+".reward", FaultNoPoints, p.ID, p.Version.ID)
			return false
		case o.Currency != p.Currency && isCurrency(o.Currency) && isCurrency(p.Currency):
			c.add(Fault{
				Path: path + ".reward", Code: FaultPointsCurrency, Args: []any{p.Currency, p.ID, o.Currency}, Of: []string{path + ".currency"},
			})
			return true
		}
	}
	return true
}

func (c checker) conditions(path string, k *Conditions) {
	c.amount(path+".min_spend", k.MinSpendMinor)
	c.amount(path+".max_spend", k.MaxSpendMinor)
	c.when(path+".when", &k.When)
	c.audience(path+".for", &k.Audience)
	for i, channel := range k.Channels {
		if channel == rules.ChannelUnknown || channel > rules.OtherChannel {
			c.fault(element(path+".channels", i), FaultChannel)
		}
	}
	c.categoryCodes(path+".mcc", k.MCCs)
	c.categoryCodes(path+".except_mcc", k.NotMCCs)
	c.places(path, k)
	c.days(path+".lapsed", k.LapsedDays)
	if e := k.Every; e != (Every{}) {
		if e.N < 2 || e.N > maxTimes {
			c.fault(path+".every.visit", FaultTimes, e.N, 2, maxTimes)
		}
		c.counts(path+".every.per", e.Per)
		if e.OnceADay && e.Per == PerDay {
			c.add(Fault{Path: path + ".every.once_a", Code: FaultOnceADay, Of: []string{path + ".every.per"}})
		}
	}
	if g := k.Goal; g != (Goal{}) {
		if g.AmountMinor < 1 || g.AmountMinor > money.MaxAmountMinor {
			c.fault(path+".goal.spend", FaultGoal)
		}
		c.counts(path+".goal.per", g.Per)
		if k.Every != (Every{}) {
			c.fault(path+".every", FaultEveryAndGoal)
		}
	}
}

// counts holds a period to those over which visits and goals can count.
func (c checker) counts(path string, p CapPeriod) {
	if p < PerDay || p > PerYear && p != PerLife {
		c.fault(path, FaultPeriod)
	}
}

func (c checker) categoryCodes(path string, ranges []MCCRange) {
	c.tooMany(path, len(ranges), maxMCCs, "merchant categories")
	for i, r := range ranges {
		if r.From > r.To || r.To > maxMCC {
			c.fault(element(path, i), FaultMCC, r.From, r.To)
		}
	}
}

// places checks where a merchant may be, and in what it may be paid.
func (c checker) places(path string, k *Conditions) {
	c.tooMany(path+".countries", len(k.Countries), maxCountries, "countries")
	for i, country := range k.Countries {
		if !rules.KnownCountry(country) {
			c.fault(element(path+".countries", i), FaultCountry, country)
		}
	}
	c.tooMany(path+".paid_in", len(k.PaidIn), maxCurrencies, "currencies")
	for i, currency := range k.PaidIn {
		c.currency(element(path+".paid_in", i), currency)
	}
}

func (c checker) when(path string, w *When) {
	if w.Weekdays > 1<<7-1 {
		c.fault(path+".weekdays", FaultWeekday)
	}
	c.tooMany(path+".hours", len(w.Hours), maxHours, "times of day")
	c.tooMany(path+".dates", len(w.Dates), maxDates, "dates")
	for i, h := range w.Hours {
		if h.FromSec < 0 || h.FromSec >= daySeconds || h.UntilSec < 1 || h.UntilSec > daySeconds {
			c.fault(element(path+".hours", i), FaultHours)
		}
	}
	for i, d := range w.Dates {
		c.window(element(path+".dates", i), d.From, d.Until)
	}
}

func (c checker) audience(path string, a *Audience) {
	c.tooMany(path+".levels", len(a.Levels), maxWords, "levels")
	c.tooMany(path+".segments", len(a.Segments), maxWords, "segments")
	c.tooMany(path+".card_products", len(a.CardProducts), maxWords, "card products")
	c.days(path+".enrolled_for", a.EnrolledForDays)
	c.days(path+".enrolled_within", a.EnrolledWithinDays)
}

// everyMember checks an audience of what no member activates.
func (c checker) everyMember(path string, a *Audience) {
	c.audience(path, a)
	if a.Activated {
		c.fault(path+".activated", FaultActivated)
	}
}

func (c checker) caps(path string, caps []Cap) {
	if len(caps) > maxCaps {
		c.fault(path, FaultTooMany, maxCaps, "caps")
		return
	}
	type kind struct {
		per     CapPeriod
		days    int
		byCount bool
	}
	seen := map[kind]int{}
	for i, limit := range caps {
		at := element(path, i)
		c.amount(at+".amount", limit.AmountMinor)
		switch {
		case limit.Per < PerPurchase || limit.Per > PerLife:
			c.fault(at+".per", FaultCapPeriod)
		case (limit.Per == PerRolling) != (limit.Days != 0) || limit.Days < 0 || limit.Days > maxOfferDays:
			c.fault(at+".per", FaultCapDays)
		}
		switch {
		case limit.AmountMinor != 0 && limit.Count != 0:
			c.add(Fault{Path: at, Code: FaultCapAndCount, Of: []string{at}})
		case limit.AmountMinor == 0 && limit.Count == 0:
			c.add(Fault{Path: at + ".amount", Code: FaultCapNothing, Of: []string{at + ".count"}})
		case limit.Count < 0 || limit.Count > maxTimes:
			c.fault(at+".count", FaultTimes, limit.Count, 1, maxTimes)
		case limit.Count != 0 && limit.Per == PerPurchase:
			c.add(Fault{Path: at + ".count", Code: FaultCountByPurchase, Of: []string{at + ".per"}})
		}
		name := kind{limit.Per, limit.Days, limit.Count != 0}
		if first, twice := seen[name]; twice {
			c.twice(path, first, i, "", FaultCapTwice)
			continue
		}
		seen[name] = i
	}
}

func (c checker) budgets(path string, budgets []Budget) {
	for i := range budgets {
		b := &budgets[i]
		c.budget(element(path, i), b)
		first := slices.IndexFunc(budgets, func(o Budget) bool { return o.PerStoreAndDay == b.PerStoreAndDay })
		if first < i {
			c.twice(path, first, i, "", FaultBudgetTwice)
		}
	}
}

func (c checker) budget(path string, b *Budget) {
	c.amount(path+".amount", b.AmountMinor)
	if b.AmountMinor == 0 {
		c.fault(path+".amount", FaultBudgetNothing)
	}
}

// commission checks what a partner owes by its terms, or by one offer.
func (c checker) commission(path string, owed *Commission) {
	if owed.On > OnSale {
		c.fault(path+".on", FaultCommissionOn)
	}
	switch owed.Form {
	case ShareCommission:
		c.share(path+".percent", owed.RateMillionths, path+".fixed", owed.FixedMinor)
	case TieredCommission:
		list := path + ".tiers"
		if !c.tierCount(list, len(owed.Tiers)) {
			return
		}
		for i, t := range owed.Tiers {
			at := element(list, i)
			c.share(at+".percent", t.RateMillionths, at+".fixed", t.FixedMinor)
			c.rising(list, i, t.FromMinor, owed.Tiers[max(i-1, 0)].FromMinor)
		}
	case CostPlusCommission:
		if owed.CostMillionths < money.One || owed.CostMillionths > maxCostMillionths {
			c.fault(path+".cost_plus", FaultCostPlus, money.FormatPercent(owed.CostMillionths))
		}
	default:
		c.fault(path, FaultCommissionForm)
	}
}

// funding holds offers to what keeps the programme's margin from going
// negative unsaid.
func (c checker) funding(path string, o *Offer, in *agreed) {
	if o.FundedBy == FundedByProgramme || o.Reward.Form == 0 {
		return
	}
	fault := Fault{Path: path + ".funded_by", Of: []string{path + ".reward"}}
	also := func(paths ...string) { fault.Of = append(fault.Of, paths...) }
	switch {
	case o.FundedBy > FundedByProgramme:
		fault.Code = FaultFunding
	case in.own:
		fault.Code = FaultFundingOwn
	case in.partner.Commission.None() && o.Commission.None():
		fault.Code = FaultFundingNone
		also("commission", path+".commission")
	case o.Reward.Kind == rules.Points && in.partner.Commission.Form != CostPlusCommission:
		fault.Code = FaultFundingPoints
		also("commission")
	case o.Currency != in.partner.Currency && isCurrency(o.Currency) && isCurrency(in.partner.Currency):
		fault.Code, fault.Args = FaultFundingCurrency, []any{o.Currency, in.partner.Currency}
		also("currency", path+".currency")
	default:
		return
	}
	c.add(fault)
}

func (c checker) sponsor(path string, s *Sponsor) {
	c.share(path+".reward", s.RateMillionths, path+".reward", s.FixedMinor)
	if s.RateMillionths != 0 && s.FixedMinor != 0 {
		c.fault(path+".reward", FaultSponsorBoth)
	}
	if s.FirstPurchases < 0 || s.FirstPurchases > maxTimes {
		c.fault(path+".first_purchases", FaultTimes, s.FirstPurchases, 0, maxTimes)
	}
	c.days(path+".within", s.WithinDays)
	c.caps(path+".caps", s.Caps)
}

// peaks holds an offer, with all boosts that can come together on it, to what
// keeps every award inside 64 bits and below eight times the purchase. It gives
// the most that the offer weighs.
func (c checker) peaks(path string, o *Offer, in *agreed) int64 {
	weight := int64(0)
	for _, p := range in.boosts.peaksOf(o, in) {
		if code, bounds := p.tooMuch(o, in.programmes); code != 0 {
			c.add(Fault{Path: path + ".reward", Code: code, Args: append([]any{p.together()}, bounds...), Of: []string{path}})
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

// tooMuch is which bound of the offer a peak breaks, and the bound; 0: none.
func (p *peak) tooMuch(o *Offer, programmes []*Programme) (Code, []any) {
	points, most := o.Reward.Kind == rules.Points, int64(maxMoneyRateMillionths)
	if points {
		most = maxPointsRateMillionths
	}
	rate, fixed, per := p.rate(o.Reward.highestRate()), o.Reward.FixedMinor, o.Reward.PerMinor
	switch {
	case o.Reward.highestRate() > most || o.Reward.Form == PerFullReward && per < 1: // told already
		return 0, nil
	case rate > most && points:
		return FaultTogetherPoints, []any{most / money.One}
	case rate > most:
		return FaultTogetherRate, []any{money.FormatPercent(rate), money.FormatPercent(most)}
	case o.Reward.Form == PerFullReward && over([]int64{fixed, p.factorMillionths}, []int64{most, per}):
		return FaultTogetherPerFull, []any{most / money.One}
	case !points:
		return 0, nil
	}
	for _, in := range programmes {
		if p.worthTooMuch(o, in.Points) {
			return FaultTogetherWorth, []any{money.FormatPercent(maxMoneyRateMillionths)}
		}
		if o.Goal.Again && p.repeatsTooMuch(o, &in.Points) {
			return FaultTogetherAgain, []any{int64(repeatsWithin)}
		}
	}
	return 0, nil
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
