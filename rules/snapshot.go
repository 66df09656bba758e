package rules

import (
	"cmp"
	"slices"
	"sort"

	"ristourne/rules/money"
)

// A Snapshot is a catalogue compiled for matching and deciding: immutable,
// free of I/O, shared by all goroutines. It points into the catalogue it was
// compiled from, which must not be changed afterwards.
type Snapshot struct {
	programmes     []programme
	programmeIndex map[string]int32
	partners       []partner
	partnerIndex   map[string]int32
	keys           keyIndex
	automatic      bool
	counters       int32 // how many cap counters the offers of all versions name
}

// Automatic reports that some version of some programme takes every account as
// a member: the events of unknown accounts must then be looked at too.
func (s *Snapshot) Automatic() bool { return s.automatic }

// programme is one programme with its versions in order of From.
type programme struct {
	id       string
	versions []programmeVersion
}

type programmeVersion struct {
	from  Instant
	ended bool
	*Programme
}

// partner is one partner with its versions in order of From.
type partner struct {
	id       string
	versions []partnerVersion
}

// partnerVersion is one version of a partner's terms, in force in [from, until).
type partnerVersion struct {
	from, until Instant
	ended       bool
	programme   int32
	stores      map[string]*store
	// offers in order of strength: higher priority, then smaller id, first.
	// Groups break ties in this order, cuts go through it backwards.
	offers        []offer
	groups        int  // how many groups the offers name
	capped        bool // some offer has a counter
	counters      map[offerUnit]int32
	unit          string // of its terms' currency
	statementText string
	*Partner
}

// offerUnit names the offer behind a booked line.
type offerUnit struct{ offerID, unit string }

// store is one store of one partner version with the offers it takes part in.
type store struct {
	*Store
	candidates []candidate
}

// candidate is an offer at a store, its window turned into instants of the
// store's zone.
type candidate struct {
	offer       *offer
	from, until Instant
}

// offer is one version of an offer, its settings where the engine needs them.
type offer struct {
	*Offer
	unit             string // its currency, as a line says it
	version          string
	group            int   // index of its group within the partner's version
	counter          int32 // of what it gives in a period, over all its versions; -1: none of them limits it
	purchaseCapMinor int64 // 0: none
	monthCapMinor    int64 // 0: none
}

// programmeAt is the version of programme i in force at t, or nil.
func (s *Snapshot) programmeAt(i int32, t Instant) *programmeVersion {
	versions := s.programmes[i].versions
	n := sort.Search(len(versions), func(n int) bool { return versions[n].from.After(t) })
	if n == 0 || versions[n-1].ended {
		return nil
	}
	return &versions[n-1]
}

// partnerAt is the version of the partner in force at t, or nil.
func (s *Snapshot) partnerAt(id string, t Instant) *partnerVersion {
	i, ok := s.partnerIndex[id]
	if !ok {
		return nil
	}
	return s.partners[i].at(t)
}

func (p *partner) at(t Instant) *partnerVersion {
	n := len(p.versions) - 1
	for n >= 0 && p.versions[n].from.After(t) {
		n--
	}
	if n < 0 || p.versions[n].ended {
		return nil
	}
	return &p.versions[n]
}

// automaticAt is the programme that takes every account as a member at t; the
// catalogue is refused where there are two.
func (s *Snapshot) automaticAt(t Instant) *programmeVersion {
	if !s.automatic {
		return nil
	}
	for i := range s.programmes {
		if v := s.programmeAt(int32(i), t); v != nil && v.Enrolment == EnrolmentAutomatic {
			return v
		}
	}
	return nil
}

// Compile checks a catalogue and makes its snapshot. The error is a Faults
// with everything that is wrong, not only the first of it.
func Compile(c *Catalogue) (*Snapshot, error) {
	var faults Faults
	checkProgrammes(c, &faults)
	checkPartners(c, &faults)
	if len(faults) > 0 {
		return nil, faults
	}
	s := &Snapshot{programmeIndex: map[string]int32{}, partnerIndex: map[string]int32{}}
	s.compileProgrammes(c)
	checkAutomatic(s, c, &faults)
	s.compilePartners(c)
	s.keys = compileKeys(s, c, &faults)
	if len(faults) > 0 {
		return nil, faults
	}
	return s, nil
}

func (s *Snapshot) compileProgrammes(c *Catalogue) {
	for i := range c.Programmes {
		p := &c.Programmes[i]
		n, ok := s.programmeIndex[p.ID]
		if !ok {
			n = int32(len(s.programmes))
			s.programmeIndex[p.ID] = n
			s.programmes = append(s.programmes, programme{id: p.ID})
		}
		s.programmes[n].versions = append(s.programmes[n].versions, programmeVersion{p.Version.From, p.Version.Ended, p})
		s.automatic = s.automatic || (p.Enrolment == EnrolmentAutomatic && !p.Version.Ended)
	}
	for i := range s.programmes {
		slices.SortFunc(s.programmes[i].versions, func(a, b programmeVersion) int { return a.from.Compare(b.from) })
	}
}

func (s *Snapshot) compilePartners(c *Catalogue) {
	counters := countersOf(c)
	for i := range c.Partners {
		p := &c.Partners[i]
		n, ok := s.partnerIndex[p.ID]
		if !ok {
			n = int32(len(s.partners))
			s.partnerIndex[p.ID] = n
			s.partners = append(s.partners, partner{id: p.ID})
		}
		s.partners[n].versions = append(s.partners[n].versions, s.compileVersion(p, counters))
	}
	for i := range s.partners {
		versions := s.partners[i].versions
		slices.SortFunc(versions, func(a, b partnerVersion) int { return a.from.Compare(b.from) })
		for n := range versions[:len(versions)-1] {
			versions[n].until = versions[n+1].from
		}
	}
	s.counters = int32(len(counters))
}

// counterName is what fills up together: an offer over all its versions. An
// offer that changes its currency starts anew, since the two don't add up.
type counterName struct {
	partner, offer string
	currency       money.Currency
}

// countersOf numbers the offers that have a cap over more than one purchase in
// any of their versions: awards under the others use its room too.
func countersOf(c *Catalogue) map[counterName]int32 {
	counters := map[counterName]int32{}
	for i := range c.Partners {
		for n := range c.Partners[i].Offers {
			o := &c.Partners[i].Offers[n]
			name := counterName{c.Partners[i].ID, o.ID, o.Currency}
			_, ok := counters[name]
			if !ok && slices.ContainsFunc(o.Caps, func(limit Cap) bool { return limit.Per != PerPurchase }) {
				counters[name] = int32(len(counters))
			}
		}
	}
	return counters
}

func (s *Snapshot) compileVersion(p *Partner, counters map[counterName]int32) partnerVersion {
	v := partnerVersion{
		from: p.Version.From, until: MaxInstant, ended: p.Version.Ended, Partner: p,
		stores: make(map[string]*store, len(p.Stores)), unit: p.Currency.String(),
	}
	if v.ended {
		return v
	}
	v.programme = s.programmeIndex[p.Programme]
	v.statementText = statementText(s.programmeName(v.programme, v.from), p.Name)
	v.offers = compileOffers(p, counters)
	groups := map[string]int{}
	v.counters = map[offerUnit]int32{}
	for i := range v.offers {
		o := &v.offers[i]
		name := cmp.Or(o.Group, DefaultGroup)
		if _, ok := groups[name]; !ok {
			groups[name] = len(groups)
		}
		o.group = groups[name]
		if o.counter >= 0 {
			v.capped = true
			v.counters[offerUnit{o.ID, o.unit}] = o.counter
		}
	}
	v.groups = len(groups)
	compileStores(&v)
	return v
}

func compileOffers(p *Partner, counters map[counterName]int32) []offer {
	offers := make([]offer, 0, len(p.Offers))
	for i := range p.Offers {
		o := offer{Offer: &p.Offers[i], unit: p.Offers[i].Currency.String(), version: p.Version.ID, counter: -1}
		if counter, ok := counters[counterName{p.ID, o.ID, o.Currency}]; ok {
			o.counter = counter
		}
		for _, limit := range o.Caps {
			switch limit.Per {
			case PerPurchase:
				o.purchaseCapMinor = least(o.purchaseCapMinor, limit.AmountMinor)
			case PerMonth:
				o.monthCapMinor = least(o.monthCapMinor, limit.AmountMinor)
			}
		}
		offers = append(offers, o)
	}
	slices.SortFunc(offers, func(a, b offer) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.ID, b.ID))
	})
	return offers
}

// least is the smaller of two limits, where 0 is none.
func least(limit, other int64) int64 {
	if limit == 0 {
		return other
	}
	return min(limit, other)
}

// compileStores gives each store its candidates. Stores of one zone share them
// where no offer is for some stores only: a chain of a thousand stores must
// not cost a thousand lists.
func compileStores(v *partnerVersion) {
	everywhere := !slices.ContainsFunc(v.offers, func(o offer) bool { return len(o.Stores) > 0 })
	shared := map[string][]candidate{}
	for i := range v.Stores {
		st := &v.Stores[i]
		candidates, ok := shared[st.Zone.String()]
		if !ok || !everywhere {
			candidates = candidatesOf(v, st)
			shared[st.Zone.String()] = candidates
		}
		v.stores[st.ID] = &store{Store: st, candidates: candidates}
	}
}

func candidatesOf(v *partnerVersion, st *Store) []candidate {
	var candidates []candidate
	for i := range v.offers {
		o := &v.offers[i]
		if len(o.Stores) > 0 && !slices.Contains(o.Stores, st.ID) {
			continue
		}
		c := candidate{offer: o, from: MinInstant, until: MaxInstant}
		if !o.From.IsZero() {
			c.from = o.From.In(st.Zone)
		}
		if !o.Until.IsZero() {
			c.until = o.Until.In(st.Zone)
		}
		candidates = append(candidates, c)
	}
	return candidates
}

// programmeName is what a statement calls the programme at t.
func (s *Snapshot) programmeName(i int32, t Instant) string {
	if v := s.programmeAt(i, t); v != nil && v.Name != "" {
		return v.Name
	}
	return defaultProgrammeName
}
