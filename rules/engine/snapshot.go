package engine

import (
	"slices"
	"sort"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
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
	own            bool  // some programme has offers of its own
	ownOrdered     bool  // some of them depend on all purchases before
	ordered        bool  // some partner's do
	reachDays      int   // how far back purchases can share a calendar period; forLife: without end
	groups         int32 // how many group names there are
	// historyCurrencies are those of offers that ask for the purchases before.
	historyCurrencies []money.Currency
	counterNames      []counterName // by id
	counterIDs        map[counterName]int32
	meaning           uint64 // of counters and histories, for what was folded under other snapshots
	// unlinkedRefunds: some version of some programme matches refunds that name
	// no purchase.
	unlinkedRefunds bool
	pointsExpire    bool // some programme's points are lost once
	walletsExpire   bool // some offer's money in a wallet is
	paysFrom        bool // some programme doesn't look at all that was earned
	// holdouts: somebody may be held out of something.
	holdouts bool
}

// Automatic reports that some version of some programme takes every account as
// a member: the events of unknown accounts must then be looked at too.
func (s *Snapshot) Automatic() bool { return s.automatic }

// programme is one programme with its versions in order of From.
type programme struct {
	id       string
	paysFrom bool // some version doesn't look at all that was earned
	versions []programmeVersion
}

// programmeVersion is one version of a programme, in force in [from, until).
type programmeVersion struct {
	from, until rules.Instant
	ended       bool
	*offer.Programme
	offerTerms // of its own offers
	// candidates are its own offers by the zone in which a purchase is made.
	candidates map[string][]candidate
	everywhere bool                // some offer of its own asks for no MCC
	categories []*offer.Conditions // of its own offers, for the MCCs that they ask for
	holdout    *holdout            // nil: none
}

// partner is one partner with its versions in order of From.
type partner struct {
	id       string
	ordered  bool // some offer of some version depends on all purchases before
	versions []partnerVersion
}

// partnerVersion is one version of a partner's terms, in force in [from, until).
type partnerVersion struct {
	from, until   rules.Instant
	ended         bool
	ordered       bool // as partner.ordered
	programme     int32
	stores        map[string]*store
	unit          string // of its terms' currency
	statementText string
	offerTerms
	*offer.Partner
}

// offerTerms are the compiled offers of one document.
type offerTerms struct {
	// offers in order of strength: higher priority, then smaller id, first.
	// Groups break ties in this order, cuts go through it backwards.
	offers []compiledOffer
	capped bool // some offer has a counter
	// byLine finds the offer of this version behind a booked line, where there
	// are many.
	byLine map[offerUnit]*compiledOffer
}

// offerUnit names the offer behind a booked line.
type offerUnit struct{ offerID, unit string }

// store is one store of one partner version with the offers it takes part in.
type store struct {
	*offer.Store
	programme int32 // of its partner
	offersOf
}

// offersOf are the offers that a store has, and others like it share.
type offersOf struct {
	candidates []candidate
	// byZone are the candidates of a store without a zone of its own, by that of
	// its programme, which may change while the version holds.
	byZone map[string][]candidate
}

// zoneAt is by whose wall clock the store is at t.
func (s *Snapshot) zoneAt(st *store, t rules.Instant) *time.Location {
	if st.OfProgramme {
		if v := s.programmeAt(st.programme, t); v != nil {
			return v.Zone
		}
	}
	return st.Zone
}

// candidatesIn are the store's offers as they are bound to a zone.
func (o *offersOf) candidatesIn(zone *time.Location) []candidate {
	if o.byZone != nil {
		return o.byZone[zone.String()]
	}
	return o.candidates
}

// candidate is an offer at a store, its times turned into those of the store's
// zone.
type candidate struct {
	offer *compiledOffer
	span
	when   *boundWhen
	boosts []boundBoost
}

// boundBoost is a boost in force at a place: in the window of its campaign's
// version, of the campaign and of itself.
type boundBoost struct {
	*boost
	span
	campaignWhen, when *boundWhen
}

// boost is one boost with its campaign; nil: the offer's own.
type boost struct {
	*offer.Boost
	campaign *offer.Campaign
	span     // of the campaign's version
	budget   rules.BudgetKey
	stopped  rules.Instant // from when the budget pays no more
	holdout  *holdout      // of the campaign; nil: none
}

// HasProgramme reports whether the catalogue has a programme of that id, at
// whatever time.
func (s *Snapshot) HasProgramme(id string) bool {
	_, known := s.programmeIndex[id]
	return known
}

// programmeAt is the version of programme i in force at t, or nil.
func (s *Snapshot) programmeAt(i int32, t rules.Instant) *programmeVersion {
	versions := s.programmes[i].versions
	n := sort.Search(len(versions), func(n int) bool { return versions[n].from.After(t) })
	if n == 0 || versions[n-1].ended {
		return nil
	}
	return &versions[n-1]
}

// partnerAt is the version of the partner in force at t, or nil.
func (s *Snapshot) partnerAt(id string, t rules.Instant) *partnerVersion {
	i, ok := s.partnerIndex[id]
	if !ok {
		return nil
	}
	return s.partners[i].at(t)
}

func (p *partner) at(t rules.Instant) *partnerVersion {
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
func (s *Snapshot) automaticAt(t rules.Instant) *programmeVersion {
	if !s.automatic {
		return nil
	}
	for i := range s.programmes {
		if v := s.programmeAt(int32(i), t); v != nil && v.Enrolment == offer.EnrolmentAutomatic {
			return v
		}
	}
	return nil
}

// wasAutomatic is the programme that took every account as a member last before
// t, as it is at t; nil: none did, or it is no more.
func (s *Snapshot) wasAutomatic(t rules.Instant) *programmeVersion {
	if !s.automatic {
		return nil
	}
	of, until := -1, rules.MinInstant
	for i := range s.programmes {
		versions := s.programmes[i].versions
		for n := range versions {
			v := &versions[n]
			if v.Enrolment == offer.EnrolmentAutomatic && !v.ended && !v.until.After(t) && v.until.After(until) {
				of, until = i, v.until
			}
		}
	}
	if of < 0 {
		return nil
	}
	return s.programmeAt(int32(of), t)
}

// Compile checks a catalogue and makes its snapshot. The error is a Faults
// with everything that is wrong, not only the first of it.
func Compile(c *offer.Catalogue) (*Snapshot, error) {
	if faults := offer.Check(c); len(faults) > 0 {
		return nil, faults
	}
	s := &Snapshot{programmeIndex: map[string]int32{}, partnerIndex: map[string]int32{}}
	s.orderProgrammes(c)
	s.orderPartners(c)
	newCompiler(s, c).compile()
	s.keys = compileKeys(s, c)
	return s, nil
}

func (s *Snapshot) orderProgrammes(c *offer.Catalogue) {
	for i := range c.Programmes {
		p := &c.Programmes[i]
		n, ok := s.programmeIndex[p.ID]
		if !ok {
			n = int32(len(s.programmes))
			s.programmeIndex[p.ID] = n
			s.programmes = append(s.programmes, programme{id: p.ID})
		}
		s.programmes[n].versions = append(s.programmes[n].versions, programmeVersion{
			from: p.Version.From, until: rules.MaxInstant, ended: p.Version.Ended, Programme: p,
		})
		s.automatic = s.automatic || (p.Enrolment == offer.EnrolmentAutomatic && !p.Version.Ended)
		s.unlinkedRefunds = s.unlinkedRefunds || p.UnlinkedRefundDays > 0
		s.pointsExpire = s.pointsExpire || p.Points.ExpiresAfterDays > 0
		s.walletsExpire = s.walletsExpire || walletsExpire(p.Offers)
		if p.Payout.PayFrom != (rules.Instant{}) {
			s.paysFrom, s.programmes[n].paysFrom = true, true
		}
	}
	for i := range s.programmes {
		versions := s.programmes[i].versions
		slices.SortFunc(versions, func(a, b programmeVersion) int { return a.from.Compare(b.from) })
		for n := range versions[:len(versions)-1] {
			versions[n].until = versions[n+1].from
		}
	}
}

// expires reports that something that isn't spent is lost once.
func (s *Snapshot) expires() bool { return s.pointsExpire || s.walletsExpire }

// walletsExpire reports that what one of the offers puts in a wallet is lost once.
func walletsExpire(offers []offer.Offer) bool {
	return slices.ContainsFunc(offers, func(o offer.Offer) bool { return o.Reward.Wallet.ExpiresAfterDays > 0 })
}

func (s *Snapshot) orderPartners(c *offer.Catalogue) {
	for i := range c.Partners {
		p := &c.Partners[i]
		n, ok := s.partnerIndex[p.ID]
		if !ok {
			n = int32(len(s.partners))
			s.partnerIndex[p.ID] = n
			s.partners = append(s.partners, partner{id: p.ID})
		}
		s.walletsExpire = s.walletsExpire || walletsExpire(p.Offers)
		s.partners[n].versions = append(s.partners[n].versions, partnerVersion{
			from: p.Version.From, until: rules.MaxInstant, ended: p.Version.Ended, Partner: p,
		})
	}
	for i := range s.partners {
		versions := s.partners[i].versions
		slices.SortFunc(versions, func(a, b partnerVersion) int { return a.from.Compare(b.from) })
		for n := range versions[:len(versions)-1] {
			versions[n].until = versions[n+1].from
		}
	}
}

// programmeName is what a statement calls the programme at t.
func (s *Snapshot) programmeName(i int32, t rules.Instant) string {
	if v := s.programmeAt(i, t); v != nil && v.Name != "" {
		return v.Name
	}
	return defaultProgrammeName
}
