package rules

import (
	"fmt"
	"slices"
	"strings"

	"ristourne/rules/money"
)

// Fault is one thing wrong with a catalogue. Subject, Index and Path say where:
// a reader of files puts its file:line:column before the message.
type Fault struct {
	Subject Subject
	Index   int    // in Catalogue.Programmes or Catalogue.Partners
	ID      string // of the programme or partner
	Path    string // within it, such as "stores[0].keys[1]" or "offers[2].caps[0]"; empty: the whole
	Message string // what is wrong, and what to do
}

// Subject is what a fault is about.
type Subject uint8

// The subjects of a catalogue.
const (
	SubjectProgramme Subject = iota
	SubjectPartner
)

func (s Subject) String() string { return [...]string{"programme", "partner"}[s] }

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

func (f *Faults) add(fault Fault) {
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
	c.faults.add(fault)
}

// Bounds of the catalogue's settings. With them no sum over an account within
// maxAccountVolumeMinor can leave int64.
const (
	maxFixedMinor        = 1_000_000_000_000 // of a fixed reward or commission
	maxCeilingMillionths = 8 * money.One
	maxHorizonDays       = 3660
	maxMerchantID        = 15
	maxIDLength          = 64
	maxStoresPerPartner  = 1_000_000
	maxOffersPerPartner  = 10_000
)

type versionName struct {
	id   string
	from Instant
}

func checkProgrammes(c *Catalogue, faults *Faults) {
	seen := map[versionName]bool{}
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
		if p.CeilingMillionths < 1 || p.CeilingMillionths > maxCeilingMillionths {
			check.fault("ceiling", "%s is not over 0%% and up to %s of the basis", money.FormatPercent(p.CeilingMillionths), money.FormatPercent(maxCeilingMillionths))
		}
	}
}

func (c checker) identity(id string, version Version, seen map[versionName]bool) {
	if id == "" || len(id) > maxIDLength {
		c.fault("id", "an id has 1 to %d bytes", maxIDLength)
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

// checkAutomatic refuses two programmes that take every account at one time:
// an account is in one programme at a time.
func checkAutomatic(s *Snapshot, c *Catalogue, faults *Faults) {
	for i := range c.Programmes {
		p := &c.Programmes[i]
		if p.Version.Ended || p.Enrolment != EnrolmentAutomatic {
			continue
		}
		for n := range s.programmes {
			other := s.programmeAt(int32(n), p.Version.From)
			if other != nil && other.ID != p.ID && other.Enrolment == EnrolmentAutomatic {
				faults.add(Fault{
					Subject: SubjectProgramme, Index: i, ID: p.ID, Path: "enrolment",
					Message: fmt.Sprintf("programme %s enrols every account at that time too; only one can", other.ID),
				})
			}
		}
	}
}

func checkPartners(c *Catalogue, faults *Faults) {
	programmes := map[string]bool{}
	for i := range c.Programmes {
		programmes[c.Programmes[i].ID] = true
	}
	seen := map[versionName]bool{}
	for i := range c.Partners {
		p := &c.Partners[i]
		check := checker{faults, Fault{Subject: SubjectPartner, Index: i, ID: p.ID}}
		check.identity(p.ID, p.Version, seen)
		if p.Version.Ended {
			continue
		}
		if !programmes[p.Programme] {
			check.fault("programme", "unknown programme %q; name one of the catalogue", p.Programme)
		}
		if _, ok := p.Currency.Exponent(); !ok {
			check.fault("currency", "%q is no ISO 4217 currency; write one such as EUR", p.Currency)
		}
		check.share("commission", p.Commission.RateMillionths, p.Commission.FixedMinor)
		if p.Commission.On > OnSale {
			check.fault("commission.on", "unknown; write award or sale")
		}
		check.stores(p)
		check.offers(p)
	}
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
	case k.NetworkMerchantID != "" && (k.SubMerchantID != "" || k.AcquirerID != ""):
		c.fault(path, "a network merchant id goes with a network alone; drop acquirer and sub-merchant")
	case k.MID != "" && k.Network != "":
		c.fault(path, "a network goes with a network merchant id, not with a mid")
	case len(strings.TrimRight(k.MID, " ")) > maxMerchantID:
		c.fault(path, "mid %q is longer than %d bytes", k.MID, maxMerchantID)
	case strings.ContainsRune(k.MID, 0) || (k.MID != "" && strings.TrimRight(k.MID, " ") == ""):
		c.fault(path, "mid %q names nothing", k.MID)
	}
	if !k.From.Before(k.Until) {
		c.fault(path, "it ends before it begins; from is inclusive, until is not")
	}
}

func (c checker) offers(p *Partner) {
	if len(p.Offers) > maxOffersPerPartner {
		c.fault("offers", "more than %d offers", maxOffersPerPartner)
		return
	}
	stores := make(map[string]bool, len(p.Stores))
	for i := range p.Stores {
		stores[p.Stores[i].ID] = true
	}
	ids := map[string]bool{}
	for i := range p.Offers {
		o := &p.Offers[i]
		path := fmt.Sprintf("offers[%d]", i)
		if o.ID == "" || len(o.ID) > maxIDLength {
			c.fault(path, "an offer's id has 1 to %d bytes", maxIDLength)
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
		c.worth(path, o)
		c.funding(path, p, o)
	}
}

func (c checker) worth(path string, o *Offer) {
	if _, ok := o.Currency.Exponent(); !ok {
		c.fault(path+".currency", "%q is no ISO 4217 currency; write one such as EUR", o.Currency)
	}
	c.share(path+".reward", o.Reward.RateMillionths, o.Reward.FixedMinor)
	switch o.Reward.Form {
	case RateReward:
		if o.Reward.RateMillionths == 0 || o.Reward.FixedMinor != 0 {
			c.fault(path+".reward", "a percent reward has a rate over 0%% and no fixed amount")
		}
	case FixedReward:
		if o.Reward.FixedMinor == 0 || o.Reward.RateMillionths != 0 {
			c.fault(path+".reward", "a fixed reward has an amount over 0 and no rate")
		}
	default:
		c.fault(path+".reward", "no reward; write a percentage or an amount")
	}
	if o.MinSpendMinor < 0 || o.MinSpendMinor > money.MaxAmountMinor {
		c.fault(path+".min_spend", "%d is not within 0 to 2^53-1 minor units", o.MinSpendMinor)
	}
	for i, limit := range o.Caps {
		at := fmt.Sprintf("%s.caps[%d]", path, i)
		if limit.Per != PerPurchase && limit.Per != PerMonth {
			c.fault(at, "unknown period")
			continue
		}
		if limit.AmountMinor < 1 || limit.AmountMinor > money.MaxAmountMinor {
			c.fault(at, "%d is not within 1 to 2^53-1 minor units", limit.AmountMinor)
		}
	}
	if !o.From.IsZero() && !o.Until.IsZero() && !o.From.before(o.Until) {
		c.fault(path, "it ends before it begins; from is inclusive, until is not")
	}
}

// funding holds offers to what keeps the programme's margin from going
// negative unsaid.
func (c checker) funding(path string, p *Partner, o *Offer) {
	switch {
	case o.FundedBy > FundedByProgramme:
		c.fault(path+".funded_by", "unknown; write commission or programme")
	case o.FundedBy == FundedByProgramme:
	case p.Commission.None():
		c.fault(path+".funded_by", "the partner owes no commission per sale that could fund it; write funded_by: programme, or agree on a commission")
	case o.Currency != p.Currency:
		c.fault(path+".funded_by", "its currency %s is not that of the partner's commission, %s; write funded_by: programme, or use one currency", o.Currency, p.Currency)
	}
}

// before compares wall clocks.
func (l LocalTime) before(o LocalTime) bool {
	a := [...]int{l.Year, int(l.Month), l.Day, l.Hour, l.Min, l.Sec}
	b := [...]int{o.Year, int(o.Month), o.Day, o.Hour, o.Min, o.Sec}
	return slices.Compare(a[:], b[:]) < 0
}
