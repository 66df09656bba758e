package ledgertest

import (
	"cmp"
	"math/big"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// offerKey is an offer over all its versions; a programme's own have no partner
// but name the programme.
type offerKey struct{ partner, offer, own string }

// visit is a purchase on which all of an offer's conditions hold, but perhaps
// for its turn and its goal.
type visit struct {
	key      offerKey
	currency money.Currency
	basis    int64
	ranked   bool // it is its turn
	reached  bool // the goal is reached with it
	times    int64
}

// award is one offer's, on its way through caps, groups and cuts.
type award struct {
	key      offerKey
	offer    *offer.Offer
	partner  *offer.Partner // nil: the programme's own
	version  string
	store    string
	currency money.Currency
	unit     string
	basis    int64
	// steps[i] is the award after its caps, with the boosts of the first i of
	// the campaigns that have a budget.
	steps     []int64
	campaigns []*offer.Campaign
	minor     int64 // what it comes to
	// Where budgets don't give all: what each campaign is let add, and what it pays.
	parts, shares []int64
	lost          bool // another of its group is worth more
}

// outcome is what one purchase of a member comes to in one world.
type outcome struct {
	id     string
	view   view
	member member
	world  world
	visits []visit
	awards []*award // in order of strength, those that lost with 0
	// referred are the offers that apply, by which the sponsor may get
	// something, and among them those purchases that are early enough.
	referred, early map[offerKey]bool
	told            map[offerKey]told
	lines           []line
	spare           map[rules.BudgetKey]int64 // of grants, beyond what was asked of them in this world
}

// line is one award, or the commission, in one world.
type line struct {
	key  Key
	sums Sums
}

func (x *outcome) visit(key offerKey) (visit, bool) {
	if x == nil {
		return visit{}, false
	}
	i := slices.IndexFunc(x.visits, func(v visit) bool { return v.key == key })
	if i < 0 {
		return visit{}, false
	}
	return x.visits[i], true
}

// award is the one of the offer.
func (x *outcome) award(key offerKey) (*award, bool) {
	if x == nil {
		return nil, false
	}
	i := slices.IndexFunc(x.awards, func(aw *award) bool { return aw.key == key })
	if i < 0 {
		return nil, false
	}
	return x.awards[i], true
}

// gave is what the offer gave in the unit.
func (x *outcome) gave(key offerKey, unit string) int64 {
	if aw, ok := x.award(key); ok && aw.unit == unit {
		return aw.minor
	}
	return 0
}

// awarded is 1 where the offer gave something, in whatever unit.
func (x *outcome) awarded(key offerKey) int64 {
	if aw, ok := x.award(key); ok && aw.minor > 0 {
		return 1
	}
	return 0
}

// worth is what one purchase is worth in one world, by rules/README.md, "What a purchase
// is worth"; nil where
// it is no member's.
func (o oracle) worth(w world, a *account, id string, v view, h history, limits ceiling) *outcome {
	m, ok := o.earns(a, v.time, v.opener.CardToken)
	if !ok {
		return nil
	}
	s := o.saleOf(a, v, m)
	x := &outcome{id: id, view: v, member: m, world: w, referred: map[offerKey]bool{}, early: map[offerKey]bool{}, told: map[offerKey]told{}}
	for _, c := range candidates(s) {
		o.try(w, x, s, c, h)
	}
	o.lower(limits, x)
	bestOfGroups(x.awards, m.programme)
	for _, aw := range x.awards {
		x.referred[aw.key] = x.referred[aw.key] || !aw.lost
	}
	owed := x.commissions(w, s)
	x.cut(owed)
	if limits.pays {
		o.hold(limits, x)
	}
	if line, ok := x.costPlus(w, s); ok {
		owed = append(owed, line)
	}
	x.tell(w, a, h, s)
	x.book(a, owed)
	return x
}

func (o oracle) saleOf(a *account, v view, m member) sale {
	s := sale{at: v.time, zone: m.programme.Zone, place: v.at, opener: v.opener, member: m, account: a.id}
	if v.at.store != nil {
		s.zone = o.zoneOf(v.at, v.time)
	}
	return s
}

// candidate is an offer within reach of a purchase.
type candidate struct {
	offer   *offer.Offer
	partner *offer.Partner // nil: the programme's own
	own     string         // that programme's id
}

func (c candidate) key() offerKey {
	if c.partner == nil {
		return offerKey{"", c.offer.ID, c.own}
	}
	return offerKey{c.partner.ID, c.offer.ID, ""}
}

// candidates are the offers of the store and of the programme, the strongest
// first.
func candidates(s sale) []candidate {
	var all []candidate
	if s.ofPartner() {
		for i := range s.place.partner.Offers {
			all = append(all, candidate{&s.place.partner.Offers[i], s.place.partner, ""})
		}
	}
	for i := range s.member.programme.Offers {
		all = append(all, candidate{&s.member.programme.Offers[i], nil, s.member.programme.ID})
	}
	slices.SortFunc(all, func(x, y candidate) int { return stronger(x.offer, y.offer, x.partner == nil, y.partner == nil) })
	return all
}

// ofPartner reports whether the store's partner is of the member's programme.
func (s sale) ofPartner() bool {
	return s.place.partner != nil && s.place.partner.Programme == s.member.programme.ID
}

// try adds what an offer gives, as far as it is seen without other offers.
func (o oracle) try(w world, x *outcome, s sale, c candidate, h history) {
	offer, programme, key := c.offer, s.member.programme, c.key()
	currency := or(offer.Currency, programme.Currency)
	basis, ok := x.view.basis(w, currency)
	if !ok || basis == 0 || !s.offerRuns(offer) || !s.holds(offer.Conditions, basis, key) || s.heldOut(c) {
		return
	}
	bought := h.customerBefore(s, key.partner, currency)
	if offer.FirstPurchase && len(bought) > 0 {
		return
	}
	if offer.LapsedDays > 0 && (len(bought) == 0 || bought[len(bought)-1].After(s.at.AddDays(-offer.LapsedDays))) {
		return
	}
	v := visit{key: key, currency: currency, basis: basis}
	if offer.Every.OnceADay && !h.firstOfDay(s, key) {
		return // no visit at all
	}
	v.ranked, v.times = h.ranks(s, key, offer.Every), h.reaches(s, v, offer.Goal)
	v.reached = v.times > 0 && offer.Goal.AmountMinor > 0
	x.visits = append(x.visits, v)
	if !v.ranked || v.times == 0 {
		return
	}
	if offer.Reward.Form == 0 {
		x.referred[key] = true
		return
	}
	aw := &award{key: key, offer: offer, partner: c.partner, version: programme.Version.ID, currency: currency, unit: currency.String(), basis: basis}
	if c.partner != nil {
		aw.version, aw.store = c.partner.Version.ID, s.place.store.ID
	}
	if offer.Reward.Kind == rules.Points {
		if aw.unit = programme.Points.Code; aw.unit == "" || currency != programme.Currency {
			return
		}
	}
	if h.atCountLimit(s, aw) {
		return
	}
	free, budgeted := o.boostsFor(s, offer, key.partner, aw.unit)
	for n := range len(budgeted) + 1 {
		boosts := free
		for _, more := range budgeted[:n] {
			boosts = slices.Concat(boosts, more)
		}
		exact := exactReward(&offer.Reward, boosts, basis, func() map[string]*big.Rat { return x.view.categories(basis, currency) })
		if exact.Sign() <= 0 {
			return
		}
		step := given(round(exact, programme.Rounding), v.times)
		if most, capped := h.room(s, aw); capped {
			step = min(step, most)
		}
		aw.steps = append(aw.steps, step)
		aw.minor = step
	}
	for _, its := range budgeted {
		aw.campaigns = append(aw.campaigns, its[0].campaign)
	}
	x.awards = append(x.awards, aw)
}

// given is one rounded award so many times, however much that is: no history of
// the generator's comes near to what 64 bits hold.
func given(one, n int64) int64 {
	all := new(big.Int).Mul(big.NewInt(one), big.NewInt(n))
	if !all.IsInt64() {
		panic("an award given again leaves 64 bits")
	}
	return all.Int64()
}

func or(c, otherwise money.Currency) money.Currency {
	if c == (money.Currency{}) {
		return otherwise
	}
	return c
}

// bestOfGroups leaves in each group the award worth most. The purchase itself
// tells what two currencies are worth: each award is taken as a share of it.
func bestOfGroups(awards []*award, p *offer.Programme) {
	best := map[string]*award{}
	for _, aw := range awards { // the strongest first: it wins ties
		group := cmp.Or(aw.offer.Group, offer.DefaultGroup)
		if other := best[group]; other == nil || aw.shareOfBasis(p).Cmp(other.shareOfBasis(p)) > 0 {
			best[group] = aw
		}
	}
	for _, aw := range awards {
		if best[cmp.Or(aw.offer.Group, offer.DefaultGroup)] != aw {
			aw.lost, aw.minor = true, 0
		}
	}
}

func (aw *award) shareOfBasis(p *offer.Programme) *big.Rat { return big.NewRat(aw.cost(p), aw.basis) }

// cost is the award in money.
func (aw *award) cost(p *offer.Programme) int64 {
	if aw.offer.Reward.Kind == rules.Points {
		return pointsCost(aw.minor, p)
	}
	return aw.minor
}

// lineKey is that of what the partner owes.
func (x *outcome) lineKey(s sale, offerID string, currency money.Currency) Key {
	partner := s.place.partner
	return Key{
		TransactionID: x.id, PartnerID: partner.ID, StoreID: s.place.store.ID, OfferID: offerID, OfferVersion: partner.Version.ID,
		BeneficiaryID: partner.ID, Role: rules.RolePartner, Kind: rules.CommissionKind, Unit: currency.String(),
	}
}

// commissions are what the partner owes, but for cost-plus terms.
func (x *outcome) commissions(w world, s sale) []line {
	if !s.ofPartner() {
		return nil
	}
	var owed []line
	add := func(c *offer.Commission, offerID string, currency money.Currency) {
		if basis, ok := x.view.basis(w, currency); ok && basis > 0 {
			minor := round(exactCommission(c, basis), s.member.programme.Rounding)
			owed = append(owed, line{x.lineKey(s, offerID, currency), Sums{Commission: minor, Basis: basis}})
		}
	}
	terms := &s.place.partner.Commission
	applied := false
	for _, aw := range x.awards {
		if aw.partner == nil || aw.lost {
			continue
		}
		applied = true
		add(&aw.offer.Commission, aw.offer.ID, aw.currency)
	}
	if terms.Form != offer.CostPlusCommission && (applied || terms.On == offer.OnSale) {
		add(terms, "", or(s.place.partner.Currency, s.member.programme.Currency))
	}
	return owed
}

// costPlus is what the partner owes of what its offers' rewards cost in the
// end.
func (x *outcome) costPlus(w world, s sale) (line, bool) {
	if !s.ofPartner() || s.place.partner.Commission.Form != offer.CostPlusCommission {
		return line{}, false
	}
	programme, currency := s.member.programme, or(s.place.partner.Currency, s.member.programme.Currency)
	cost := int64(0)
	for _, aw := range x.awards {
		if aw.partner != nil && aw.offer.FundedBy == offer.FundedByCommission && aw.currency == currency {
			cost += aw.cost(programme)
		}
	}
	basis, ok := x.view.basis(w, currency)
	if !ok || basis == 0 {
		return line{}, false
	}
	minor := round(share(cost, s.place.partner.Commission.CostMillionths), programme.Rounding)
	return line{x.lineKey(s, "", currency), Sums{Commission: minor, Basis: basis}}, true
}

// cut lowers the money awards until, in each currency, they are within the
// programme's share of the basis, and those that the commission funds are
// within the commission.
func (x *outcome) cut(owed []line) {
	weakestFirst := slices.Clone(x.awards)
	slices.Reverse(weakestFirst)
	bases := map[money.Currency]int64{}
	for _, aw := range weakestFirst {
		bases[aw.currency] = aw.basis
	}
	for currency, basis := range bases {
		var all, funded []*award
		costPlus := false
		for _, aw := range weakestFirst {
			if aw.currency != currency || aw.offer.Reward.Kind == rules.Points {
				continue
			}
			all = append(all, aw)
			if aw.offer.FundedBy == offer.FundedByCommission {
				funded = append(funded, aw)
				costPlus = costPlus || (aw.partner != nil && aw.partner.Commission.Form == offer.CostPlusCommission)
			}
		}
		lower(all, round(share(basis, x.member.programme.CeilingMillionths), money.Down))
		if costPlus {
			continue
		}
		commission := int64(0)
		for _, l := range owed {
			if l.key.Unit == currency.String() {
				commission += l.sums.Commission
			}
		}
		lower(funded, commission)
	}
}

// lower takes from the first award on until all together are within ceiling.
func lower(awards []*award, ceiling int64) {
	sum := int64(0)
	for _, aw := range awards {
		sum += aw.minor
	}
	for _, aw := range awards {
		less := min(aw.minor, max(0, sum-ceiling))
		aw.minor -= less
		sum -= less
	}
}

// book makes the lines of what is left.
func (x *outcome) book(a *account, owed []line) {
	for _, aw := range x.awards {
		if aw.minor == 0 {
			continue
		}
		k := Key{
			AccountID: a.id, TransactionID: x.id, PartnerID: aw.key.partner, StoreID: aw.store, OfferID: aw.offer.ID,
			OfferVersion: aw.version, BeneficiaryID: a.id, Role: rules.RoleMember, Kind: kindOf(aw.offer.Reward), Unit: aw.unit,
		}
		x.lines = append(x.lines, line{k, Sums{Reward: aw.minor, Cost: aw.cost(x.member.programme), Basis: aw.basis}})
	}
	for _, l := range owed {
		if l.sums.Commission != 0 {
			l.key.AccountID = a.id
			x.lines = append(x.lines, l)
		}
	}
}

func kindOf(r offer.Reward) rules.Kind { return cmp.Or(r.Kind, rules.Cash) }

// share is so many millionths of an amount, exactly.
func share(minor, rateMillionths int64) *big.Rat {
	return times(whole(minor), millionths(rateMillionths))
}

// round turns an exact amount that is not negative into minor units.
func round(exact *big.Rat, mode money.Rounding) int64 {
	whole, rest := new(big.Int).QuoRem(exact.Num(), exact.Denom(), new(big.Int))
	half := new(big.Int).Lsh(rest, 1).Cmp(exact.Denom())
	up := false
	switch mode {
	case money.HalfEven:
		up = half > 0 || (half == 0 && whole.Bit(0) == 1)
	case money.HalfUp:
		up = half >= 0
	case money.Up:
		up = rest.Sign() > 0
	}
	if up {
		whole.Add(whole, big.NewInt(1))
	}
	if !whole.IsInt64() {
		panic("ledgertest: an amount is beyond int64: generate smaller ones")
	}
	return whole.Int64()
}
