package engine

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// compiledOffer is one version of an offer, its settings where the engine needs them.
type compiledOffer struct {
	*offer.Offer
	partner string // empty: the programme's own
	kind    rules.Kind
	unit    string // of its awards, as a line says it
	version string
	group   int32
	// fills are the counters over purchases that its awards use: all that any
	// version of the offer has a cap by. limits are this version's own.
	fills            []counter
	limits           []limit
	purchaseCapMinor int64 // 0: none
	visits           []counter
	goals            []goalCounter
	goalsReached     []counter // of goals over whatever period and in whatever currency
	every, goal      int       // which of visits and goals this version asks; -1: none
	once             int       // which of visits counts those of a day, where it asks for one a day; -1: it doesn't
	budgets          []offerBudget
	sponsorship      *sponsorship
	sponsored        []counter // how many purchases it awarded, for a sponsor's first ones
	holdout          *holdout  // its own; nil: none
	counted          bool      // something of it counts over purchases
}

// counter counts something of an offer over the purchases of one account: over
// all versions of the offer, and for each period anew.
type counter struct {
	id      int32
	measure measure
	per     offer.CapPeriod
	days    int // PerRolling
}

// limit is one cap of an offer over purchases.
type limit struct {
	counter
	most int64 // units, or awards
}

// goalCounter counts towards a goal: bases, and whether it was reached.
type goalCounter struct{ sum, reached counter }

// offerBudget is one budget of an offer.
type offerBudget struct {
	*offer.Budget
	key rules.BudgetKey // whole; of a budget per store and day the part before them
	own bool            // of an offer of the programme's own: stores need their partner's name
}

// sponsorship is what an offer gives sponsors.
type sponsorship struct {
	fills            []counter
	limits           []limit
	purchaseCapMinor int64
}

// measure is what a counter counts.
type measure uint8

const (
	unitsGiven measure = iota
	awardsGiven
	visitsMade
	basesSummed
	goalsReached
	sponsoredPurchases // on the buyer's side
	sponsorUnits       // on the sponsor's side
	sponsorAwards
)

// ofAwards reports that a cap by this measure is in number, not in units.
func (m measure) ofAwards() bool { return m == awardsGiven || m == sponsorAwards }

// counterName is what counts together: an offer over all its versions. Amounts
// of an offer that changes its unit start anew, since the two don't add up; what
// is counted by number goes on: its unit is empty.
type counterName struct {
	partner, offer, unit string
	measure              measure
	per                  offer.CapPeriod
	days                 int
}

// counterSet names the counters of one offer in one unit.
type counterSet struct{ partner, offer, unit string }

// compiler is what is needed once to make a snapshot.
type compiler struct {
	s      *Snapshot
	ids    map[counterName]int32
	names  map[counterSet][]counterName // awards and sponsors
	groups map[string]int32
	zones  map[string]*time.Location // in which stores are, and programmes, by name

	boosts       map[offer.OfferRef][]*boost // by what they name
	toEverything []*boost
	budgetUnits  map[rules.BudgetKey]string
	salts        map[string]int32
	budgeted     bool // a candidate made since this was last set has a budget's boost
}

func newCompiler(s *Snapshot, c *offer.Catalogue) *compiler {
	k := &compiler{
		s: s, ids: map[counterName]int32{}, names: map[counterSet][]counterName{}, groups: map[string]int32{},
		zones: map[string]*time.Location{}, boosts: map[offer.OfferRef][]*boost{},
		budgetUnits: map[rules.BudgetKey]string{}, salts: map[string]int32{},
	}
	for i := range c.Programmes {
		p := &c.Programmes[i]
		k.addZone(p.Zone)
		for n := range p.Offers {
			k.nameCounters(ownScope(p.ID), &p.Offers[n], p.Offers[n].UnitOf(p.Points.Code))
		}
	}
	for i := range c.Partners {
		p := &c.Partners[i]
		for n := range p.Stores {
			k.addZone(p.Stores[n].Zone)
		}
		for n := range p.Offers {
			k.nameCounters(p.ID, &p.Offers[n], p.Offers[n].UnitOf(s.pointsCode(p)))
		}
	}
	k.addCampaigns(c)
	return k
}

func (k *compiler) addZone(zone *time.Location) {
	if zone != nil {
		k.zones[zone.String()] = zone
	}
}

// pointsCode is the unit of the points that a partner's version gives: that of
// its programme when the version begins, or where the programme is none then,
// when it begins anew.
func (s *Snapshot) pointsCode(p *offer.Partner) string {
	i, ok := s.programmeIndex[p.Programme]
	if !ok {
		return ""
	}
	for n := range s.programmes[i].versions {
		if v := &s.programmes[i].versions[n]; !v.ended && v.until.After(p.Version.From) {
			return v.Points.Code
		}
	}
	return ""
}

// nameCounters notes what one version of an offer counts.
func (k *compiler) nameCounters(partnerID string, o *offer.Offer, unit string) {
	add := func(unit string, m measure, per offer.CapPeriod, days int) {
		name := counterName{partnerID, o.ID, unit, m, per, days}
		if _, ok := k.ids[name]; ok {
			return
		}
		k.ids[name] = int32(len(k.ids))
		k.s.counterNames = append(k.s.counterNames, name)
		set := counterSet{partnerID, o.ID, unit}
		k.names[set] = append(k.names[set], name)
	}
	addCaps := func(caps []offer.Cap, unit string, units, awards measure) {
		for _, limit := range caps {
			switch {
			case limit.Per == offer.PerPurchase:
			case limit.Count > 0:
				add("", awards, limit.Per, limit.Days)
			default:
				add(unit, units, limit.Per, limit.Days)
			}
		}
	}
	addCaps(o.Caps, unit, unitsGiven, awardsGiven)
	addCaps(o.Sponsor.Caps, o.Currency.String(), sponsorUnits, sponsorAwards)
	if o.Sponsor.FirstPurchases > 0 {
		add("", sponsoredPurchases, offer.PerLife, 0)
	}
	if o.Every.N > 0 {
		add("", visitsMade, o.Every.Per, 0)
		if o.Every.OnceADay {
			add("", visitsMade, offer.PerDay, 0)
		}
	}
	if o.Goal.AmountMinor > 0 {
		add(o.Currency.String(), basesSummed, o.Goal.Per, 0)
		add("", goalsReached, o.Goal.Per, 0)
	}
}

// counters are those of one offer in one unit that measure one of these.
func (k *compiler) counters(partnerID, offerID, unit string, measures ...measure) []counter {
	var counters []counter
	for _, name := range k.names[counterSet{partnerID, offerID, unit}] {
		if slices.Contains(measures, name.measure) {
			counters = append(counters, counter{k.ids[name], name.measure, name.per, name.days})
		}
	}
	return counters
}

func (k *compiler) counter(partnerID, offerID, unit string, m measure, per offer.CapPeriod) counter {
	return counter{id: k.ids[counterName{partnerID, offerID, unit, m, per, 0}], measure: m, per: per}
}

// addCampaigns notes which boosts of campaigns name what, in order of campaign,
// version and boost.
func (k *compiler) addCampaigns(c *offer.Catalogue) {
	campaigns := make([]*offer.Campaign, len(c.Campaigns))
	for i := range c.Campaigns {
		campaigns[i] = &c.Campaigns[i]
	}
	slices.SortFunc(campaigns, func(a, b *offer.Campaign) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), a.Version.From.Compare(b.Version.From))
	})
	for i, campaign := range campaigns {
		if campaign.Version.Ended {
			continue
		}
		version := span{campaign.Version.From, rules.MaxInstant}
		stopped := rules.MaxInstant
		if i+1 < len(campaigns) && campaigns[i+1].ID == campaign.ID {
			next := campaigns[i+1]
			version.until = next.Version.From
			if next.Version.Ended && next.StoppedAt != (rules.Instant{}) {
				stopped = next.StoppedAt
			}
		}
		holdout := k.holdout(campaign.ID, campaign.Holdout)
		for n := range campaign.Boosts {
			b := &boost{Boost: &campaign.Boosts[n].Boost, campaign: campaign, span: version, stopped: stopped, holdout: holdout}
			if campaign.Budget.AmountMinor > 0 {
				b.budget = rules.BudgetKey("campaign/" + campaign.ID)
			}
			for _, ref := range campaign.Boosts[n].Offers {
				k.boosts[ref] = append(k.boosts[ref], b)
			}
			if len(campaign.Boosts[n].Offers) == 0 {
				k.toEverything = append(k.toEverything, b)
			}
		}
	}
}

// boostsOf are all boosts that can touch an offer while its version holds: its
// own, then those of campaigns in order of id.
func (k *compiler) boostsOf(o *compiledOffer, programmeID string, version span) []*boost {
	var boosts []*boost
	for _, list := range [...][]*boost{
		k.boosts[offer.OfferRef{Partner: o.partner, Offer: o.ID}], k.boosts[offer.OfferRef{Partner: o.partner}], k.toEverything,
	} {
		for _, b := range list {
			inForce := b.within(version)
			switch {
			case b.campaign.Programme != programmeID, !inForce.from.Before(inForce.until):
			case b.budget != "" && b.campaign.Unit != o.unit:
			case b.Op != offer.MultiplyRate && !o.takesRate(b.Boost):
			case slices.Contains(boosts, b):
			default:
				boosts = append(boosts, b)
			}
		}
	}
	slices.SortStableFunc(boosts, func(a, b *boost) int { return cmp.Compare(a.campaign.ID, b.campaign.ID) })
	var own []*boost
	for i := range o.Boosts {
		own = append(own, &boost{Boost: &o.Boosts[i], span: version})
	}
	return append(own, boosts...)
}

// takesRate reports whether a boost that sets or adds a rate can touch the
// offer's.
func (o *compiledOffer) takesRate(b *offer.Boost) bool {
	switch o.Reward.Form {
	case offer.RateReward, offer.TieredReward, offer.CategoryReward:
		return b.OfPoints == (o.kind == rules.Points)
	}
	return false
}

func (k *compiler) compile() {
	for i := range k.s.programmes {
		for n := range k.s.programmes[i].versions {
			k.programmeVersion(&k.s.programmes[i].versions[n])
		}
	}
	for i := range k.s.partners {
		p := &k.s.partners[i]
		k.budgeted = false
		for n := range p.versions {
			k.partnerVersion(&p.versions[n])
			p.ordered = p.ordered || slices.ContainsFunc(p.versions[n].offers, func(o compiledOffer) bool { return o.ordered() })
		}
		p.ordered = p.ordered || k.budgeted
		k.s.ordered = k.s.ordered || p.ordered
		for n := range p.versions {
			p.versions[n].ordered = p.ordered
		}
	}
	k.s.groups = int32(len(k.groups))
	k.s.counterIDs, k.s.meaning = k.ids, k.s.meaningOf()
	for name := range k.ids {
		k.s.reachDays = max(k.s.reachDays, reachDays[name.per], name.days+1)
	}
}

func (k *compiler) programmeVersion(v *programmeVersion) {
	if v.ended {
		return
	}
	v.holdout = k.holdout(v.ID, v.Programme.Holdout)
	if len(v.Offers) == 0 {
		return
	}
	k.s.own, k.budgeted = true, false
	v.offerTerms = k.offerTerms("", ownScope(v.ID), v.Offers, v.Version, v.Points.Code)
	v.candidates = make(map[string][]candidate, len(k.zones))
	for name, zone := range k.zones {
		v.candidates[name] = k.candidates(v.offers, v.ID, span{v.from, v.until}, zone, "")
	}
	for i := range v.offers {
		o := &v.offers[i]
		k.s.ownOrdered = k.s.ownOrdered || o.ordered()
		v.everywhere = v.everywhere || !o.AsksMCC()
		v.categories = append(v.categories, &o.Conditions)
	}
	k.s.ownOrdered = k.s.ownOrdered || k.budgeted
}

func (k *compiler) partnerVersion(v *partnerVersion) {
	v.unit = v.Currency.String()
	v.stores = make(map[string]*store, len(v.Stores))
	if v.ended {
		return
	}
	v.programme = k.s.programmeIndex[v.Partner.Programme]
	v.statementText = statementText(k.s.programmeName(v.programme, v.from), v.Name)
	v.offerTerms = k.offerTerms(v.ID, v.ID, v.Offers, v.Version, k.s.pointsCode(v.Partner))
	k.stores(v)
}

func (k *compiler) offerTerms(partnerID, scope string, offers []offer.Offer, version offer.Version, pointsCode string) offerTerms {
	t := offerTerms{offers: make([]compiledOffer, 0, len(offers))}
	for i := range offers {
		t.offers = append(t.offers, k.offer(partnerID, scope, &offers[i], version.ID, pointsCode))
	}
	slices.SortFunc(t.offers, func(a, b compiledOffer) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.ID, b.ID))
	})
	if len(offers) > fewOffers {
		t.byLine = make(map[offerUnit]*compiledOffer, len(offers))
	}
	for i := range t.offers {
		o := &t.offers[i]
		t.capped = t.capped || len(o.fills) > 0
		if t.byLine != nil {
			t.byLine[offerUnit{o.ID, o.unit}] = o
		}
	}
	return t
}

// ownScope names what offers of a programme's own count and spend, where a
// partner's id stands for those of a partner: "@" begins no id of a file.
func ownScope(programmeID string) string { return "@" + programmeID }

func (k *compiler) offer(partnerID, scope string, stated *offer.Offer, version, pointsCode string) compiledOffer {
	o := compiledOffer{
		Offer: stated, partner: partnerID, kind: cmp.Or(stated.Reward.Kind, rules.Cash), unit: stated.UnitOf(pointsCode), version: version,
		group: k.group(cmp.Or(stated.Group, offer.DefaultGroup)), every: -1, goal: -1, once: -1,
	}
	o.holdout = k.holdout(offer.HoldoutID(partnerID, o.ID), stated.Holdout)
	currency := o.Currency.String()
	o.fills = slices.Concat(k.counters(scope, o.ID, o.unit, unitsGiven), k.counters(scope, o.ID, "", awardsGiven))
	o.limits, o.purchaseCapMinor = limitsOf(o.Caps, o.fills)
	o.visits = k.counters(scope, o.ID, "", visitsMade)
	for i, c := range o.visits {
		if o.Every.N > 0 && c.per == o.Every.Per {
			o.every = i
		}
		if o.Every.OnceADay && c.per == offer.PerDay {
			o.once = i
		}
	}
	for i, c := range k.counters(scope, o.ID, currency, basesSummed) {
		o.goals = append(o.goals, goalCounter{c, k.counter(scope, o.ID, "", goalsReached, c.per)})
		if o.Goal.AmountMinor > 0 && c.per == o.Goal.Per {
			o.goal = i
		}
	}
	o.goalsReached = k.counters(scope, o.ID, "", goalsReached)
	for i := range o.Budgets {
		name := "offer/"
		if o.Budgets[i].PerStoreAndDay {
			name = "day/"
		}
		key := k.budgetKey(rules.BudgetKey(name+scope+"/"+o.ID), o.unit)
		o.budgets = append(o.budgets, offerBudget{&o.Budgets[i], key, partnerID == ""})
	}
	if !o.Sponsor.None() {
		o.sponsorship = k.sponsorship(&o, scope, currency)
	}
	o.sponsored = k.counters(scope, o.ID, "", sponsoredPurchases)
	if (o.FirstPurchase || o.LapsedDays > 0) && !slices.Contains(k.s.historyCurrencies, o.Currency) {
		k.s.historyCurrencies = append(k.s.historyCurrencies, o.Currency)
	}
	o.counted = len(o.fills)+len(o.visits)+len(o.goalsReached)+len(o.budgets)+len(o.sponsored) > 0
	return o
}

// budgetKey is key for the unit in which the offer's first version with such a
// budget gives, and one of its own for any other: cents and points of one offer
// must not be paid from one amount.
func (k *compiler) budgetKey(key rules.BudgetKey, unit string) rules.BudgetKey {
	if first, ok := k.budgetUnits[key]; ok && first != unit {
		return key + rules.BudgetKey("/"+unit)
	}
	k.budgetUnits[key] = unit
	return key
}

func (k *compiler) sponsorship(o *compiledOffer, scope, currency string) *sponsorship {
	s := &sponsorship{fills: slices.Concat(k.counters(scope, o.ID, currency, sponsorUnits), k.counters(scope, o.ID, "", sponsorAwards))}
	s.limits, s.purchaseCapMinor = limitsOf(o.Sponsor.Caps, s.fills)
	return s
}

// limitsOf finds the counter of each cap.
func limitsOf(caps []offer.Cap, counters []counter) (limits []limit, purchaseCapMinor int64) {
	for _, c := range caps {
		if c.Per == offer.PerPurchase {
			purchaseCapMinor = least(purchaseCapMinor, c.AmountMinor)
			continue
		}
		for _, counter := range counters {
			if counter.per == c.Per && counter.days == c.Days && counter.measure.ofAwards() == (c.Count > 0) {
				limits = append(limits, limit{counter, max(c.AmountMinor, c.Count)})
			}
		}
	}
	return limits, purchaseCapMinor
}

func (k *compiler) group(name string) int32 {
	i, ok := k.groups[name]
	if !ok {
		i = int32(len(k.groups))
		k.groups[name] = i
	}
	return i
}

// ordered reports that what the offer gives for a purchase depends on more of
// the purchases before than what they were given: they must be looked at too.
func (o *compiledOffer) ordered() bool {
	budgeted := len(o.budgets) > 0
	return len(o.visits)+len(o.goalsReached) > 0 || o.FirstPurchase || o.LapsedDays > 0 || budgeted || len(o.sponsored) > 0
}

// forLife is longer than any account lives.
const forLife = 1 << 30

// reachDays is longer than each period, in any two zones; what rolls has its
// own number of days.
var reachDays = [...]int{offer.PerDay: 3, offer.PerWeek: 9, offer.PerMonth: 33, offer.PerQuarter: 94, offer.PerYear: 368, offer.PerRolling: 0, offer.PerLife: forLife}

// least is the smaller of two limits, where 0 is none.
func least(limit, other int64) int64 {
	if limit == 0 {
		return other
	}
	return min(limit, other)
}

// stores gives each store its candidates. Stores of one zone share them where
// no offer is for some stores only: a chain of a thousand stores must not cost
// a thousand lists.
func (k *compiler) stores(v *partnerVersion) {
	everywhere := !slices.ContainsFunc(v.offers, func(o compiledOffer) bool { return len(o.Stores) > 0 })
	shared := map[string]offersOf{}
	stores := make([]store, len(v.Stores))
	for i := range v.Stores {
		st := &v.Stores[i]
		name := st.Zone.String() + " " + strconv.FormatBool(st.OfProgramme)
		offers, ok := shared[name]
		if !ok || !everywhere {
			offers = k.offersOf(v, st)
			shared[name] = offers
		}
		stores[i] = store{Store: st, programme: v.programme, offersOf: offers}
		v.stores[st.ID] = &stores[i]
	}
}

func (k *compiler) offersOf(v *partnerVersion, st *offer.Store) (of offersOf) {
	in := func(zone *time.Location) []candidate {
		return k.candidates(v.offers, v.Partner.Programme, span{v.from, v.until}, zone, st.ID)
	}
	if !st.OfProgramme {
		of.candidates = in(st.Zone)
		return of
	}
	of.byZone = map[string][]candidate{}
	for _, zone := range append(k.s.programmeZones(v), st.Zone) {
		if _, known := of.byZone[zone.String()]; !known {
			of.byZone[zone.String()] = in(zone)
		}
	}
	return of
}

// programmeZones are those of the partner's programme while the partner's
// version holds.
func (s *Snapshot) programmeZones(v *partnerVersion) []*time.Location {
	var zones []*time.Location
	if _, ok := s.programmeIndex[v.Partner.Programme]; !ok {
		return nil
	}
	for i := range s.programmes[v.programme].versions {
		of := &s.programmes[v.programme].versions[i]
		if holds := (span{of.from, of.until}).within(span{v.from, v.until}); !of.ended && holds.from.Before(holds.until) {
			zones = append(zones, of.Zone)
		}
	}
	return zones
}

func (k *compiler) candidates(offers []compiledOffer, programmeID string, version span, zone *time.Location, storeID string) []candidate {
	var candidates []candidate
	for i := range offers {
		o := &offers[i]
		if len(o.Stores) > 0 && !slices.Contains(o.Stores, storeID) {
			continue
		}
		c := candidate{offer: o, span: spanIn(o.From, o.Until, zone), when: bind(&o.When, zone)}
		for _, b := range k.boostsOf(o, programmeID, version) {
			c.boosts = append(c.boosts, b.bind(zone))
			k.budgeted = k.budgeted || b.budget != ""
		}
		candidates = append(candidates, c)
	}
	return candidates
}

func (b *boost) bind(zone *time.Location) boundBoost {
	bound := boundBoost{boost: b, span: b.span.within(spanIn(b.From, b.Until, zone)), when: bind(&b.When, zone)}
	if b.campaign != nil {
		bound.span = bound.within(spanIn(b.campaign.From, b.campaign.Until, zone))
		bound.campaignWhen = bind(&b.campaign.When, zone)
	}
	return bound
}
