package ledgertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ristourne/rules"
)

// Difference says in which sums, fates, instructions and referrals got differs
// from want, and what can't be of the grants; it is empty where they agree.
// What there is of each record is compared where both have it.
func Difference(want, got Result) string {
	var b strings.Builder
	for _, k := range sortedKeys(want.Sums, got.Sums) {
		if want.Sums[k] != got.Sums[k] {
			fmt.Fprintf(&b, "%s: want %+v, got %+v\n", printKey(k), want.Sums[k], got.Sums[k])
		}
	}
	for i := range min(len(want.Fates), len(got.Fates)) {
		if want.Fates[i] != got.Fates[i] {
			fmt.Fprintf(&b, "record %d: want %s, got %s\n", i, want.Fates[i], got.Fates[i])
		}
	}
	for i := range min(len(want.Steps), len(got.Steps)) {
		if !maps.Equal(want.Steps[i], got.Steps[i]) {
			fmt.Fprintf(&b, "record %d instructs: want %v, got %v\n", i, want.Steps[i], got.Steps[i])
		}
	}
	for i := range min(len(want.Tells), len(got.Tells)) {
		if !maps.Equal(want.Tells[i], got.Tells[i]) {
			fmt.Fprintf(&b, "record %d tells sponsors: want %+v, got %+v\n", i, want.Tells[i], got.Tells[i])
		}
	}
	for _, fault := range slices.Concat(want.Faults, got.Faults) {
		fmt.Fprintf(&b, "budgets: %s\n", fault)
	}
	if !maps.Equal(want.Instructed, got.Instructed) {
		fmt.Fprintf(&b, "instructed: want %v, got %v\n", want.Instructed, got.Instructed)
	}
	return b.String()
}

func sortedKeys(maps ...map[Key]Sums) []Key {
	var keys []Key
	for _, m := range maps {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(x, y Key) int { return strings.Compare(printKey(x), printKey(y)) })
	return slices.Compact(keys)
}

func printKey(k Key) string {
	return fmt.Sprintf("%s/%s %s@%s/%s offer %q@%s for %s (%s) %s %s %s", k.AccountID, k.TransactionID, k.PartnerID,
		k.OfferVersion, k.StoreID, k.OfferID, k.OfferVersion, k.BeneficiaryID, k.Role, k.Kind, k.Unit, k.Stage)
}

// Shrink takes out of records whatever can go while differs stays true: first
// large parts, then one after the other, until none can go. It calls differs
// often; differs must keep nothing.
func Shrink(records []Record, differs func([]Record) bool) []Record {
	for size := max(1, len(records)/2); ; size = max(1, size/2) {
		removed := false
		for from := 0; from < len(records); {
			to := min(from+size, len(records))
			without := slices.Concat(records[:from], records[to:])
			if differs(without) {
				records, removed = without, true
			} else {
				from = to
			}
		}
		if size == 1 && !removed {
			return records
		}
	}
}

// ShrinkCatalogue takes out of a catalogue the versions, stores, keys, offers
// and caps that can go while differs stays true.
func ShrinkCatalogue(cat *rules.Catalogue, differs func(*rules.Catalogue) bool) *rules.Catalogue {
	for {
		smaller := slices.IndexFunc(smallerCatalogues(cat), differs)
		if smaller < 0 {
			return cat
		}
		cat = smallerCatalogues(cat)[smaller]
	}
}

// smallerCatalogues are all that lack one thing.
func smallerCatalogues(cat *rules.Catalogue) []*rules.Catalogue {
	var all []*rules.Catalogue
	for i := range cat.Programmes {
		if len(cat.Programmes) > 1 && cat.Programmes[i].Version.From != rules.MinInstant {
			all = append(all, &rules.Catalogue{Programmes: without(cat.Programmes, i), Partners: cat.Partners})
		}
	}
	for i := range cat.Partners {
		all = append(all, &rules.Catalogue{Programmes: cat.Programmes, Partners: without(cat.Partners, i)})
		for _, p := range smallerPartners(cat.Partners[i]) {
			partners := slices.Clone(cat.Partners)
			partners[i] = p
			all = append(all, &rules.Catalogue{Programmes: cat.Programmes, Partners: partners})
		}
	}
	return all
}

func smallerPartners(p rules.Partner) []rules.Partner {
	var all []rules.Partner
	for i := range p.Stores {
		for k := range p.Stores[i].Keys {
			smaller := p
			smaller.Stores = slices.Clone(p.Stores)
			smaller.Stores[i].Keys = without(p.Stores[i].Keys, k)
			all = append(all, smaller)
		}
	}
	for i := range p.Offers {
		smaller := p
		smaller.Offers = without(p.Offers, i)
		all = append(all, smaller)
		for _, o := range smallerOffers(p.Offers[i]) {
			smaller.Offers = slices.Clone(p.Offers)
			smaller.Offers[i] = o
			all = append(all, smaller)
		}
	}
	return all
}

func smallerOffers(o rules.Offer) []rules.Offer {
	var all []rules.Offer
	for i := range o.Caps {
		smaller := o
		smaller.Caps = without(o.Caps, i)
		all = append(all, smaller)
	}
	if !o.From.IsZero() || !o.Until.IsZero() || o.MinSpendMinor != 0 || len(o.Stores) > 0 {
		smaller := o
		smaller.From, smaller.Until = rules.LocalTime{}, rules.LocalTime{}
		smaller.MinSpendMinor, smaller.Stores = 0, nil
		all = append(all, smaller)
	}
	return all
}

func without[T any](all []T, i int) []T { return slices.Concat(all[:i], all[i+1:]) }

// Print writes a case so that a person can read it, and a test can be made of
// it: the catalogue as Go has it, the records as lines of JSON.
func Print(cat *rules.Catalogue, records []Record) string {
	var b strings.Builder
	for _, p := range cat.Programmes {
		fmt.Fprintf(&b, "programme %s from %s: %s zone %s rounding %d enrolment %d all cards %t H %d ceiling %d\n",
			p.Version.ID, printInstant(p.Version.From), p.Currency, p.Zone, p.Rounding, p.Enrolment, p.AllCards,
			p.HorizonDays, p.CeilingMillionths)
	}
	for _, p := range cat.Partners {
		fmt.Fprintf(&b, "partner %s from %s ended %t: %s commission %+v\n",
			p.Version.ID, printInstant(p.Version.From), p.Version.Ended, p.Currency, p.Commission)
		for _, s := range p.Stores {
			for _, k := range s.Keys {
				fmt.Fprintf(&b, "  store %s zone %s key network %q %q mid %q sub %q acquirer %q from %s until %s\n", s.ID, s.Zone,
					k.Network, k.NetworkMerchantID, k.MID, k.SubMerchantID, k.AcquirerID, printInstant(k.From), printInstant(k.Until))
			}
		}
		for _, o := range p.Offers {
			fmt.Fprintf(&b, "  offer %s %s %+v from %s until %s stores %v min %d caps %+v group %s priority %d funded %d\n", o.ID,
				o.Currency, o.Reward, printLocal(o.From), printLocal(o.Until), o.Stores, o.MinSpendMinor, o.Caps, o.Group, o.Priority, o.FundedBy)
		}
	}
	for i, r := range records {
		fmt.Fprintf(&b, "%d %s\n", i, r.JSON())
	}
	return b.String()
}

func printInstant(t rules.Instant) string {
	switch t {
	case rules.MinInstant:
		return "ever"
	case rules.MaxInstant:
		return "never"
	}
	return t.String()
}

func printLocal(l rules.LocalTime) string {
	if l.IsZero() {
		return "open"
	}
	return wallClock(l).Format("2006-01-02T15:04:05")
}
