package offer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Fault is one thing wrong with a catalogue. Subject, Index and Path say where:
// a reader of files puts its file:line:column before the message.
type Fault struct {
	Subject Subject
	Index   int    // in Catalogue.Programmes, Partners or Campaigns
	ID      string // of the programme, partner or campaign
	Path    string // within it, such as "stores[0].keys[1]" or "offers[2].caps[0]"; empty: the whole
	Message string // what is wrong, and what to do
}

// Subject is what a fault is about.
type Subject uint8

// The subjects of a catalogue.
const (
	SubjectProgramme Subject = iota
	SubjectPartner
	SubjectCampaign
)

func (s Subject) String() string { return [...]string{"programme", "partner", "campaign"}[s] }

func (f Fault) Error() string {
	where := f.Subject.String() + " " + f.ID
	if f.Path != "" {
		where += " " + f.Path
	}
	return where + ": " + f.Message
}

// Faults is everything wrong with a catalogue.
type Faults []Fault

// MaxFaults bounds what is told of one catalogue: a broken export of 100,000
// stores must not become a gigabyte of messages.
const MaxFaults = 1000

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find single faults.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i := range f {
		errs[i] = f[i]
	}
	return errs
}

// Add takes one more, as far as MaxFaults allows.
func (f *Faults) Add(fault Fault) {
	if len(*f) < MaxFaults {
		*f = append(*f, fault)
	}
}

// checker collects the faults of one subject.
type checker struct {
	faults *Faults
	at     Fault // Subject, Index and ID of what is checked
}

func (c checker) fault(path, format string, args ...any) {
	fault := c.at
	fault.Path, fault.Message = path, fmt.Sprintf(format, args...)
	c.faults.Add(fault)
}

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

// Check is what Compile refuses of single settings, without compiling: all but
// two stores that have one key at one time, and two programmes that both enrol
// every account.
func Check(c *Catalogue) Faults {
	var faults Faults
	checkProgrammes(c, &faults)
	checkPartners(c, &faults)
	checkCampaigns(c, &faults)
	return faults
}

// idSeparators are in no id: they join ids in the names of budgets and in lists
// of campaigns.
const idSeparators = "/,"

type versionName struct {
	id   string
	from rules.Instant
}

func checkProgrammes(c *Catalogue, faults *Faults) {
	seen := map[versionName]bool{}
	scales := map[string]int{}
	boosts := newBoostIndex(c)
	for i := range c.Programmes {
		p := &c.Programmes[i]
		check := checker{faults, Fault{Subject: SubjectProgramme, Index: i, ID: p.ID}}
		check.identity(p.ID, p.Version, seen)
		if p.Version.Ended {
			continue
		}
		if _, ok := p.Currency.Exponent(); !ok {
			check.fault("currency", "%q is no ISO 4217 currency; write one such as EUR", p.Currency)
		}
		if p.Zone == nil {
			check.fault("zone", "no time zone; write one such as Europe/Paris")
		}
		if p.Rounding > money.Up {
			check.fault("rounding", "unknown rounding; write half_even, half_up, down or up")
		}
		if p.HorizonDays < 1 || p.HorizonDays > maxHorizonDays {
			check.fault("horizon_days", "%d is not within 1 to %d days", p.HorizonDays, maxHorizonDays)
		}
		if p.UnlinkedRefundDays < 0 || p.UnlinkedRefundDays > p.HorizonDays {
			check.fault("unlinked_refunds", "%d is not within 0 days and the horizon of %d", p.UnlinkedRefundDays, p.HorizonDays)
		}
		if p.CeilingMillionths < 1 || p.CeilingMillionths > maxCeilingMillionths {
			check.fault("ceiling", "%s is not over 0%% and up to %s of the basis", money.FormatPercent(p.CeilingMillionths), money.FormatPercent(maxCeilingMillionths))
		}
		check.holdout("holdout", p.Holdout)
		check.points(p, scales)
		check.payout(&p.Payout)
		check.offers(p.Offers, &agreed{own: true, programme: p.ID, programmes: []*Programme{p}, boosts: boosts})
	}
	checkOnePoints(c, faults)
}

// points checks what the programme's points are. scales holds the decimals of
// every code: one code can't mean two units.
func (c checker) points(p *Programme, scales map[string]int) {
	u := p.Points
	if u == (PointsUnit{}) {
		return
	}
	if _, isCurrency := money.ParseCurrency(u.Code); isCurrency || !isPointsCode(u.Code) {
		c.fault("points.code", "%q is no code of points; write 2 to 12 of A-Z 0-9 _ that are no currency", u.Code)
	}
	if u.Decimals < 0 || u.Decimals > maxPointsDecimals {
		c.fault("points.decimals", "%d is not within 0 to %d", u.Decimals, maxPointsDecimals)
	}
	if u.ValueMillionths < 0 || u.ValueMillionths > maxPointValueMillionths {
		c.fault("points.value", "a point is worth 0 to %d minor units", int64(maxPointValueMillionths/money.One))
	}
	if u.ExpiresAfterDays < 0 || u.ExpiresAfterDays > maxOfferDays {
		c.fault("points.expires_after", "%d is not within 0 to %d days", u.ExpiresAfterDays, maxOfferDays)
	}
	if decimals, known := scales[u.Code]; known && decimals != u.Decimals {
		c.fault("points.decimals", "%s has %d decimals elsewhere, and balances in both would be added up; write the same, or give the points another code", u.Code, decimals)
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
			checker{faults, Fault{Subject: SubjectProgramme, Index: i, ID: p.ID}}.fault("points.code",
				"the programme's points are %s in another version; what members have of them can't be renamed", code)
		}
		codes[p.ID] = p.Points.Code
	}
}

func (c checker) identity(id string, version Version, seen map[versionName]bool) {
	if id == "" || len(id) > maxIDLength {
		c.fault("id", "an id has 1 to %d bytes", maxIDLength)
	}
	if strings.ContainsAny(id, idSeparators) {
		c.fault("id", "%q has one of %s, which separate ids where they are joined; leave it out", id, idSeparators)
	}
	if version.ID == "" || len(version.ID) > maxIDLength {
		c.fault("version", "a version has a name of 1 to %d bytes", maxIDLength)
	}
	name := versionName{id, version.From}
	if seen[name] {
		c.fault("effective_from", "two versions come into force at %s; give one of them another date", version.From)
	}
	seen[name] = true
}

func checkPartners(c *Catalogue, faults *Faults) {
	timeline := newTimeline(c)
	boosts := newBoostIndex(c)
	seen := map[versionName]bool{}
	for i := range c.Partners {
		p := &c.Partners[i]
		check := checker{faults, Fault{Subject: SubjectPartner, Index: i, ID: p.ID}}
		check.identity(p.ID, p.Version, seen)
		if p.Version.Ended {
			continue
		}
		if timeline.programmes[p.Programme] == nil {
			check.fault("programme", "unknown programme %q; name one of the catalogue", p.Programme)
		}
		if _, ok := p.Currency.Exponent(); !ok {
			check.fault("currency", "%q is no ISO 4217 currency; write one such as EUR", p.Currency)
		}
		check.commission("commission", &p.Commission)
		check.stores(p)
		check.offers(p.Offers, &agreed{
			partner: p, programme: p.Programme, programmes: timeline.during(p), boosts: boosts,
		})
	}
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

// during are the versions of the partner's programme that are in force at some
// time while this version of the partner is.
func (t *timeline) during(p *Partner) []*Programme {
	versions := t.programmes[p.Programme]
	var during []*Programme
	for i, v := range versions {
		until := rules.MaxInstant
		if i+1 < len(versions) {
			until = versions[i+1].Version.From
		}
		if !v.Version.Ended && v.Version.From.Before(t.until[p]) && p.Version.From.Before(until) {
			during = append(during, v)
		}
	}
	return during
}

func (c checker) share(path string, rateMillionths, fixedMinor int64) {
	if rateMillionths < 0 || rateMillionths > money.One {
		c.fault(path, "%s is not within 0%% to 100%%", money.FormatPercent(rateMillionths))
	}
	if fixedMinor < 0 || fixedMinor > maxFixedMinor {
		c.fault(path, "a fixed amount of %d is not within 0 to %d minor units", fixedMinor, int64(maxFixedMinor))
	}
}

func (c checker) stores(p *Partner) {
	if len(p.Stores) > maxStoresPerPartner {
		c.fault("stores", "more than %d stores", maxStoresPerPartner)
		return
	}
	ids := make(map[string]bool, len(p.Stores))
	for i := range p.Stores {
		st := &p.Stores[i]
		path := fmt.Sprintf("stores[%d]", i)
		if st.ID == "" || len(st.ID) > maxIDLength {
			c.fault(path, "a store's id has 1 to %d bytes", maxIDLength)
		}
		if ids[st.ID] {
			c.fault(path, "two stores have the id %q; give one of them another", st.ID)
		}
		ids[st.ID] = true
		if st.Zone == nil {
			c.fault(path+".zone", "no time zone; write one such as Europe/Paris")
		}
		for n := range st.Keys {
			c.key(fmt.Sprintf("%s.keys[%d]", path, n), &st.Keys[n])
		}
	}
}

func (c checker) key(path string, k *Key) {
	switch {
	case k.MID == "" && k.NetworkMerchantID == "":
		c.fault(path, "a key names a mid or a network merchant id")
	case k.MID != "" && k.NetworkMerchantID != "":
		c.fault(path, "a key names a mid or a network merchant id, not both; write two keys")
	case k.NetworkMerchantID != "" && (k.SubMerchantID != "" || k.TerminalID != "" || k.AcquirerID != ""):
		c.fault(path, "a network merchant id goes with a network alone; drop acquirer, terminal and sub-merchant")
	case k.SubMerchantID != "" && k.TerminalID != "":
		c.fault(path, "a key names a sub-merchant or a terminal of its mid, not both; write two keys")
	case k.MID != "" && k.Network != "":
		c.fault(path, "a network goes with a network merchant id, not with a mid")
	case utf8.RuneCountInString(strings.TrimRight(k.MID, " ")) > maxMerchantID:
		c.fault(path, "mid %q is longer than %d characters", k.MID, maxMerchantID)
	case strings.ContainsRune(k.MID, 0) || (k.MID != "" && strings.TrimRight(k.MID, " ") == ""):
		c.fault(path, "mid %q names nothing", k.MID)
	}
	if !k.From.Before(k.Until) {
		c.fault(path, "it ends before it begins; from is inclusive, until is not")
	}
}

// before compares wall clocks.
func (l LocalTime) before(o LocalTime) bool {
	a := [...]int{l.Year, int(l.Month), l.Day, l.Hour, l.Min, l.Sec}
	b := [...]int{o.Year, int(o.Month), o.Day, o.Hour, o.Min, o.Sec}
	return slices.Compare(a[:], b[:]) < 0
}
