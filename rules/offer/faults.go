package offer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Fault is one thing wrong with a catalogue. Subject, Index and Path say where:
// a reader of files puts its file:line:column before the words for Code.
type Fault struct {
	Subject Subject
	Index   int    // in Catalogue.Programmes, Partners or Campaigns
	ID      string // of the programme, partner or campaign
	// Path is within it, named as in an offer file, such as "stores[0].keys[1]"
	// or "offers[2].caps[0].amount"; empty: the whole.
	Path string
	Code Code
	Args []any // as the code says
	// Other is the first of two that don't go together, where the code says so.
	Other Other
	// Of is what else of the subject the fault follows from: paths of values with
	// all that is in them. Where one of them isn't known, the fault isn't either.
	Of []string
}

// Other is a place in a subject of the fault's kind.
type Other struct {
	Index int
	Path  string
}

// Subject is what a fault is about.
type Subject uint8

// The subjects of a catalogue.
const (
	SubjectProgramme Subject = iota
	SubjectPartner
	SubjectCampaign
)

// Faults is everything wrong with a catalogue.
type Faults []Fault

// maxFaults bounds what is told of one catalogue: a broken export of 100,000
// stores must not become a gigabyte of messages.
const maxFaults = 1000

// Unwrap lets errors.As find single faults.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i := range f {
		errs[i] = f[i]
	}
	return errs
}

// add takes one more, as far as maxFaults allows.
func (f *Faults) add(fault Fault) {
	if len(*f) < maxFaults {
		*f = append(*f, fault)
	}
}

// checker collects the faults of one subject.
type checker struct {
	faults *Faults
	at     Fault // Subject, Index and ID of what is checked
}

func (c checker) fault(path string, code Code, args ...any) {
	c.add(Fault{Path: path, Code: code, Args: args})
}

// twice tells the second of two that don't go together: at of its list, the
// first being at position first, by the key that they have alike.
func (c checker) twice(list string, first, at int, key string, code Code, args ...any) {
	c.add(Fault{
		Path: element(list, at) + key, Code: code, Args: args, Other: Other{c.at.Index, element(list, first)},
		Of: []string{element(list, first) + key, element(list, at) + key},
	})
}

func (c checker) add(fault Fault) {
	fault.Subject, fault.Index, fault.ID = c.at.Subject, c.at.Index, c.at.ID
	c.faults.add(fault)
}

func element(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// Bounds of the catalogue's settings. With them no sum over an account within
// maxAccountVolumeMinor can leave int64.
const (
	maxFixedMinor        = 1_000_000_000_000 // of a fixed reward or commission
	maxCeilingMillionths = 8 * money.One
	maxHorizonDays       = 3660
	maxMerchantID        = 64 // characters
	maxIDLength          = 64
	maxStoresPerPartner  = 1_000_000
	maxOffersPerPartner  = 10_000
	maxSaltLength        = 256
)

// Check is everything that is wrong with a catalogue.
func Check(c *Catalogue) Faults {
	var faults Faults
	timeline, boosts := newTimeline(c), newBoostIndex(c)
	checkProgrammes(c, timeline, boosts, &faults)
	checkPartners(c, timeline, boosts, &faults)
	checkCampaigns(c, timeline, &faults)
	checkKeys(c, timeline, &faults)
	return faults
}

// idSeparators are in no id: they join ids in the names of budgets and in lists
// of campaigns.
const idSeparators = "/,"

type versionName struct {
	id   string
	from rules.Instant
}

func checkProgrammes(c *Catalogue, timeline timeline, boosts *boostIndex, faults *Faults) {
	seen := map[versionName]int{}
	scales := map[string]int{}
	for i := range c.Programmes {
		p := &c.Programmes[i]
		check := checker{faults, Fault{Subject: SubjectProgramme, Index: i, ID: p.ID}}
		check.identity(p.ID, p.Version, seen)
		if p.Version.Ended {
			continue
		}
		check.currency("currency", p.Currency)
		check.zone("zone", p.Zone)
		check.settings(p)
		check.automatic(p, timeline)
		check.points(p, scales)
		check.payout(&p.Payout)
		check.offers(p.Offers, &agreed{own: true, programme: p.ID, programmes: []*Programme{p}, currency: p.Currency, boosts: boosts})
	}
	checkOnePoints(c, faults)
}

func (c checker) settings(p *Programme) {
	if p.Rounding > money.Up {
		c.fault("rounding", FaultRounding)
	}
	if p.HorizonDays < 1 || p.HorizonDays > maxHorizonDays {
		c.fault("horizon_days", FaultHorizon, p.HorizonDays)
	}
	if p.UnlinkedRefundDays < 0 || p.UnlinkedRefundDays > p.HorizonDays {
		c.add(Fault{Path: "unlinked_refunds", Code: FaultUnlinkedRefunds, Args: []any{p.UnlinkedRefundDays, p.HorizonDays}, Of: []string{"horizon_days"}})
	}
	if p.CeilingMillionths < 1 || p.CeilingMillionths > maxCeilingMillionths {
		c.fault("ceiling", FaultCeiling, money.FormatPercent(p.CeilingMillionths))
	}
	for i, r := range p.CardTokenRanges {
		if r.Length < len(r.Prefix) {
			at := element("card_token_ranges", i)
			c.add(Fault{Path: at + ".length", Code: FaultTokenRange, Args: []any{r.Length, len(r.Prefix)}, Of: []string{at}})
		}
	}
	c.holdout("holdout", p.Holdout)
}

// automatic refuses two programmes that take every account at one time: an
// account is in one programme at a time.
func (c checker) automatic(p *Programme, timeline timeline) {
	if p.Enrolment != EnrolmentAutomatic {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(timeline.programmes)) {
		if other := timeline.at(id, p.Version.From); id != p.ID && other != nil && other.Enrolment == EnrolmentAutomatic {
			c.fault("enrolment", FaultTwoAutomatic, id)
		}
	}
}

func (c checker) currency(path string, currency money.Currency) {
	if !isCurrency(currency) {
		c.fault(path, FaultCurrency, currency.String())
	}
}

func isCurrency(currency money.Currency) bool {
	_, ok := currency.Exponent()
	return ok
}

func (c checker) zone(path string, zone *time.Location) {
	if zone == nil {
		c.fault(path, FaultZone)
	}
}

// points checks what the programme's points are. scales holds the decimals of
// every code: one code can't mean two units.
func (c checker) points(p *Programme, scales map[string]int) {
	u := p.Points
	if u == (PointsUnit{}) {
		return
	}
	if _, isCurrency := money.ParseCurrency(u.Code); isCurrency || !isPointsCode(u.Code) {
		c.fault("points.code", FaultPointsCode, u.Code)
	}
	if u.Decimals < 0 || u.Decimals > maxPointsDecimals {
		c.fault("points.decimals", FaultPointsDecimals, u.Decimals)
	}
	if u.ValueMillionths < 0 || u.ValueMillionths > maxPointValueMillionths {
		c.fault("points.value", FaultPointsValue)
	}
	c.days("points.expires_after", u.ExpiresAfterDays)
	if decimals, known := scales[u.Code]; known && decimals != u.Decimals {
		c.add(Fault{Path: "points.decimals", Code: FaultPointsRescaled, Args: []any{u.Code, decimals}, Of: []string{"points.code"}})
		return
	}
	scales[u.Code] = u.Decimals
}

func isPointsCode(code string) bool {
	foreign := strings.ContainsFunc(code, func(c rune) bool {
		return (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_'
	})
	return len(code) >= 2 && len(code) <= 12 && !foreign
}

// checkOnePoints holds all versions of a programme to one code of points: what
// members have saved must not become something else.
func checkOnePoints(c *Catalogue, faults *Faults) {
	codes := map[string]string{}
	for i := range c.Programmes {
		p := &c.Programmes[i]
		if p.Points.Code == "" {
			continue
		}
		if code, known := codes[p.ID]; known && code != p.Points.Code {
			checker{faults, Fault{Subject: SubjectProgramme, Index: i, ID: p.ID}}.fault("points.code", FaultPointsRenamed, code)
		}
		codes[p.ID] = p.Points.Code
	}
}

func (c checker) identity(id string, version Version, seen map[versionName]int) {
	c.id("id", id)
	c.separator("id", id)
	if version.ID == "" || len(version.ID) > maxIDLength {
		c.fault("version", FaultVersionName)
	}
	name := versionName{id, version.From}
	if first, twice := seen[name]; twice {
		c.add(Fault{Path: "effective_from", Code: FaultVersionTwice, Args: []any{version.From}, Other: Other{first, "effective_from"}, Of: []string{"id"}})
		return
	}
	seen[name] = c.at.Index
}

func (c checker) id(path, id string) {
	if id == "" || len(id) > maxIDLength {
		c.fault(path, FaultID)
	}
}

func (c checker) separator(path, id string) {
	if strings.ContainsAny(id, idSeparators) {
		c.fault(path, FaultIDSeparator, id)
	}
}

func checkPartners(c *Catalogue, timeline timeline, boosts *boostIndex, faults *Faults) {
	seen := map[versionName]int{}
	for i := range c.Partners {
		p := &c.Partners[i]
		check := checker{faults, Fault{Subject: SubjectPartner, Index: i, ID: p.ID}}
		check.identity(p.ID, p.Version, seen)
		if p.Version.Ended {
			continue
		}
		if p.ID == rules.ProgrammeWord {
			check.fault("id", FaultReservedID)
		}
		in := agreed{
			partner: p, programme: p.Programme, programmes: timeline.during(p.Programme, p.Version.From, timeline.until[p]),
			currency: p.Currency, boosts: boosts,
		}
		if timeline.programmes[p.Programme] == nil {
			check.fault("programme", FaultUnknownProgramme, p.Programme)
		} else if !in.toldOfProgramme(p.Currency) {
			check.currency("currency", p.Currency)
		}
		check.commission("commission", &p.Commission)
		check.stores(p)
		check.offers(p.Offers, &in)
	}
}

// toldOfProgramme reports that a currency is none because the programme has none:
// that is told once, of the programme.
func (t *agreed) toldOfProgramme(currency money.Currency) bool {
	return len(t.programmes) > 0 && currency == t.programmes[0].Currency
}

// timeline is when the versions of programmes and partners are in force.
type timeline struct {
	programmes map[string][]*Programme // by From
	until      map[*Partner]rules.Instant
}

func newTimeline(c *Catalogue) timeline {
	t := timeline{programmes: map[string][]*Programme{}, until: map[*Partner]rules.Instant{}}
	for i := range c.Programmes {
		p := &c.Programmes[i]
		t.programmes[p.ID] = append(t.programmes[p.ID], p)
	}
	for _, versions := range t.programmes {
		slices.SortFunc(versions, func(a, b *Programme) int { return a.Version.From.Compare(b.Version.From) })
	}
	partners := make([]*Partner, len(c.Partners))
	for i := range c.Partners {
		partners[i] = &c.Partners[i]
	}
	slices.SortFunc(partners, func(a, b *Partner) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), a.Version.From.Compare(b.Version.From))
	})
	for i, p := range partners {
		t.until[p] = rules.MaxInstant
		if i+1 < len(partners) && partners[i+1].ID == p.ID {
			t.until[p] = partners[i+1].Version.From
		}
	}
	return t
}

// at is the version of a programme that is in force at an instant; nil: none.
func (t *timeline) at(programme string, at rules.Instant) *Programme {
	var found *Programme
	for _, v := range t.programmes[programme] {
		if !v.Version.From.After(at) {
			found = v
		}
	}
	if found == nil || found.Version.Ended {
		return nil
	}
	return found
}

// during are the versions of a programme that are in force at some time from from
// on and before until.
func (t *timeline) during(programme string, from, until rules.Instant) []*Programme {
	versions := t.programmes[programme]
	var during []*Programme
	for i, v := range versions {
		ends := rules.MaxInstant
		if i+1 < len(versions) {
			ends = versions[i+1].Version.From
		}
		if !v.Version.Ended && v.Version.From.Before(until) && from.Before(ends) {
			during = append(during, v)
		}
	}
	return during
}

// share checks a share, and an amount beside it.
func (c checker) share(ratePath string, rateMillionths int64, fixedPath string, fixedMinor int64) {
	c.rate(ratePath, rateMillionths, rules.Cash)
	c.fixed(fixedPath, fixedMinor)
}

func (c checker) stores(p *Partner) {
	if len(p.Stores) > maxStoresPerPartner {
		c.fault("stores", FaultTooMany, maxStoresPerPartner, "stores")
		return
	}
	seen := make(map[string]int, len(p.Stores))
	for i := range p.Stores {
		st := &p.Stores[i]
		path := element("stores", i)
		c.id(path+".id", st.ID)
		if first, twice := seen[st.ID]; twice {
			c.twice("stores", first, i, ".id", FaultStoreTwice, st.ID)
		} else {
			seen[st.ID] = i
		}
		c.zone(path+".zone", st.Zone)
		for n := range st.Keys {
			c.key(element(path+".keys", n), &st.Keys[n])
		}
	}
}

// key holds a key to exactly one of the ways in which a card message can name a
// store.
func (c checker) key(path string, k *Key) {
	if code := k.wrong(); code != 0 {
		c.add(Fault{Path: path, Code: code, Of: []string{path}})
	}
	switch mid := strings.TrimRight(k.MID, " "); {
	case utf8.RuneCountInString(mid) > maxMerchantID:
		c.fault(path+".mid", FaultKeyLong, k.MID)
	case strings.ContainsRune(mid, 0) || k.MID != "" && mid == "":
		c.fault(path+".mid", FaultKeyBlank, k.MID)
	}
	if !k.From.Before(k.Until) {
		c.fault(path+".until", FaultWindow)
	}
}

// wrong is what is wrong with the parts that a key has together; 0: nothing.
func (k *Key) wrong() Code {
	byNetwork := k.Network != "" || k.NetworkMerchantID != ""
	byMID := k.MID != "" || k.AcquirerID != "" || k.SubMerchantID != "" || k.TerminalID != ""
	switch {
	case byNetwork && byMID:
		return FaultKeyTwoWays
	case byNetwork && k.NetworkMerchantID == "":
		return FaultKeyNetworkAlone
	case byMID && k.MID == "":
		return FaultKeyNoMID
	case k.SubMerchantID != "" && k.TerminalID != "":
		return FaultKeyPartTwice
	case !byMID && !byNetwork:
		return FaultKeyNothing
	}
	return 0
}

// before compares wall clocks.
func (l LocalTime) before(o LocalTime) bool {
	a := [...]int{l.Year, int(l.Month), l.Day, l.Hour, l.Min, l.Sec}
	b := [...]int{o.Year, int(o.Month), o.Day, o.Hour, o.Min, o.Sec}
	return slices.Compare(a[:], b[:]) < 0
}
