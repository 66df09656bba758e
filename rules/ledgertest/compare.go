package ledgertest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
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
	for i := range min(len(want.Instructions), len(got.Instructions)) {
		if !slices.Equal(want.Instructions[i], got.Instructions[i]) {
			fmt.Fprintf(&b, "record %d makes due: want %+v, got %+v\n", i, want.Instructions[i], got.Instructions[i])
		}
	}
	for i := range min(len(want.Tells), len(got.Tells)) {
		if !maps.Equal(want.Tells[i], got.Tells[i]) {
			fmt.Fprintf(&b, "record %d tells sponsors: want %+v, got %+v\n", i, want.Tells[i], got.Tells[i])
		}
	}
	for i := range min(len(want.Draws), len(got.Draws)) {
		if !maps.Equal(want.Draws[i], got.Draws[i]) {
			fmt.Fprintf(&b, "record %d is under holdouts: want %v, got %v\n", i, want.Draws[i], got.Draws[i])
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

// ShrinkCatalogue takes out of a catalogue the versions, stores, keys, offers,
// campaigns and whatever offers say that can go while differs stays true.
// differs has to be false for a catalogue that the rules refuse, unless that is
// the difference.
func ShrinkCatalogue(cat *offer.Catalogue, differs func(*offer.Catalogue) bool) *offer.Catalogue {
	for removed := true; removed; {
		removed = false
		for i := 0; ; {
			all := smallerCatalogues(cat)
			if i >= len(all) {
				break
			}
			if differs(all[i]) {
				cat, removed = all[i], true
			} else {
				i++
			}
		}
	}
	return cat
}

// smallerCatalogues are all that lack one thing.
func smallerCatalogues(cat *offer.Catalogue) []*offer.Catalogue {
	var all []*offer.Catalogue
	with := func(change func(*offer.Catalogue)) {
		smaller := *cat
		change(&smaller)
		all = append(all, &smaller)
	}
	for i := range cat.Campaigns {
		with(func(c *offer.Catalogue) { c.Campaigns = without(cat.Campaigns, i) })
	}
	for i := range cat.Partners {
		with(func(c *offer.Catalogue) { c.Partners = without(cat.Partners, i) })
	}
	for i, p := range cat.Programmes {
		if len(cat.Programmes) > 1 && (p.Version.From != rules.MinInstant || p.ID != cat.Programmes[0].ID) {
			with(func(c *offer.Catalogue) { c.Programmes = without(cat.Programmes, i) })
		}
	}
	for i := range cat.Programmes {
		for _, offers := range smallerOfferLists(cat.Programmes[i].Offers) {
			with(func(c *offer.Catalogue) {
				c.Programmes = slices.Clone(c.Programmes)
				c.Programmes[i].Offers = offers
			})
		}
	}
	for i := range cat.Programmes {
		if cat.Programmes[i].Holdout != (offer.Holdout{}) {
			with(func(c *offer.Catalogue) {
				c.Programmes = slices.Clone(c.Programmes)
				c.Programmes[i].Holdout = offer.Holdout{}
			})
		}
	}
	for i := range cat.Partners {
		for _, p := range smallerPartners(cat.Partners[i]) {
			with(func(c *offer.Catalogue) {
				c.Partners = slices.Clone(c.Partners)
				c.Partners[i] = p
			})
		}
	}
	for i := range cat.Campaigns {
		for _, p := range smallerCampaigns(cat.Campaigns[i]) {
			with(func(c *offer.Catalogue) {
				c.Campaigns = slices.Clone(c.Campaigns)
				c.Campaigns[i] = p
			})
		}
	}
	return all
}

func smallerPartners(p offer.Partner) []offer.Partner {
	var all []offer.Partner
	for i := range p.Stores {
		for k := range p.Stores[i].Keys {
			smaller := p
			smaller.Stores = slices.Clone(p.Stores)
			smaller.Stores[i].Keys = without(p.Stores[i].Keys, k)
			all = append(all, smaller)
		}
	}
	for _, offers := range smallerOfferLists(p.Offers) {
		smaller := p
		smaller.Offers = offers
		all = append(all, smaller)
	}
	return all
}

func smallerCampaigns(c offer.Campaign) []offer.Campaign {
	var all []offer.Campaign
	for i := range c.Boosts {
		smaller := c
		smaller.Boosts = without(c.Boosts, i)
		all = append(all, smaller)
		for _, change := range []func(*offer.CampaignBoost){
			func(b *offer.CampaignBoost) { b.Offers = nil },
			func(b *offer.CampaignBoost) {
				b.When, b.From, b.Until = offer.When{}, offer.LocalTime{}, offer.LocalTime{}
			},
			func(b *offer.CampaignBoost) { b.Audience = offer.Audience{} },
		} {
			smaller := c
			smaller.Boosts = slices.Clone(c.Boosts)
			change(&smaller.Boosts[i])
			if !reflect.DeepEqual(smaller, c) {
				all = append(all, smaller)
			}
		}
	}
	for _, change := range []func(*offer.Campaign){
		func(c *offer.Campaign) { c.Budget, c.Unit = offer.Budget{}, "" },
		func(c *offer.Campaign) { c.When = offer.When{} },
		func(c *offer.Campaign) { c.Holdout = offer.Holdout{} },
		func(c *offer.Campaign) { c.Audience = offer.Audience{} },
		func(c *offer.Campaign) { c.From, c.Until = offer.LocalTime{}, offer.LocalTime{} },
	} {
		smaller := c
		if change(&smaller); !reflect.DeepEqual(smaller, c) {
			all = append(all, smaller)
		}
	}
	return all
}

func smallerOfferLists(offers []offer.Offer) [][]offer.Offer {
	var all [][]offer.Offer
	for i := range offers {
		all = append(all, without(offers, i))
		for _, o := range smallerOffers(offers[i]) {
			smaller := slices.Clone(offers)
			smaller[i] = o
			all = append(all, smaller)
		}
	}
	return all
}

// smallerOffers say one thing less.
func smallerOffers(o offer.Offer) []offer.Offer {
	var all []offer.Offer
	for _, change := range []func(*offer.Offer){
		func(o *offer.Offer) { o.From, o.Until = offer.LocalTime{}, offer.LocalTime{} },
		func(o *offer.Offer) { o.Stores = nil },
		func(o *offer.Offer) { o.MinSpendMinor = 0 },
		func(o *offer.Offer) { o.MaxSpendMinor = 0 },
		func(o *offer.Offer) { o.When = offer.When{} },
		func(o *offer.Offer) { o.Channels = nil },
		func(o *offer.Offer) { o.MCCs = nil },
		func(o *offer.Offer) { o.Audience = offer.Audience{} },
		func(o *offer.Offer) { o.FirstPurchase, o.LapsedDays = false, 0 },
		func(o *offer.Offer) { o.Every, o.Goal = offer.Every{}, offer.Goal{} },
		func(o *offer.Offer) { o.Holdout, o.NotOfProgrammes = offer.Holdout{}, false },
		func(o *offer.Offer) { o.Boosts = nil },
		func(o *offer.Offer) { o.Budgets = nil },
		func(o *offer.Offer) { o.Commission = offer.Commission{} },
		func(o *offer.Offer) { o.Sponsor = offer.Sponsor{} },
		func(o *offer.Offer) { o.Sponsor.Caps = nil },
		func(o *offer.Offer) {
			o.Reward.Kind, o.Reward.Wallet, o.Reward.VoucherFor = rules.Cash, offer.WalletTerms{}, ""
		},
		func(o *offer.Offer) {
			o.Reward = offer.Reward{Form: offer.RateReward, Kind: rules.Cash, RateMillionths: 50_000}
		},
	} {
		smaller := o
		if change(&smaller); !reflect.DeepEqual(smaller, o) {
			all = append(all, smaller)
		}
	}
	for i := range o.Caps {
		smaller := o
		smaller.Caps = without(o.Caps, i)
		all = append(all, smaller)
	}
	for i := range o.Boosts {
		smaller := o
		smaller.Boosts = without(o.Boosts, i)
		all = append(all, smaller)
	}
	for i := range o.Budgets {
		smaller := o
		smaller.Budgets = without(o.Budgets, i)
		all = append(all, smaller)
	}
	return all
}

func without[T any](all []T, i int) []T { return slices.Concat(all[:i], all[i+1:]) }

// Print writes a case so that a person can read it, and a test can be made of
// it: what the catalogue says, and the records as lines of JSON.
func Print(cat *offer.Catalogue, records []Record) string {
	var b strings.Builder
	offers := func(all []offer.Offer) {
		for _, o := range all {
			fmt.Fprintf(&b, "  offer %s\n", printed(reflect.ValueOf(o)))
		}
	}
	for _, p := range cat.Programmes {
		own := p.Offers
		p.Offers = nil
		fmt.Fprintf(&b, "programme %s\n", printed(reflect.ValueOf(p)))
		offers(own)
	}
	for _, p := range cat.Partners {
		stores, all := p.Stores, p.Offers
		p.Stores, p.Offers = nil, nil
		fmt.Fprintf(&b, "partner %s\n", printed(reflect.ValueOf(p)))
		for _, s := range stores {
			if len(s.Keys) > 0 {
				fmt.Fprintf(&b, "  store %s\n", printed(reflect.ValueOf(s)))
			}
		}
		offers(all)
	}
	for _, c := range cat.Campaigns {
		fmt.Fprintf(&b, "campaign %s\n", printed(reflect.ValueOf(c)))
	}
	for i, r := range records {
		fmt.Fprintf(&b, "%d %s\n", i, JSON(r))
	}
	return b.String()
}

// printed is what is not zero.
func printed(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case rules.Instant:
		return printInstant(x)
	case offer.LocalTime:
		return wallClock(x).Format("2006-01-02T15:04:05")
	case *time.Location:
		return x.String()
	case fmt.Stringer:
		return x.String()
	}
	var parts []string
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				parts = append(parts, v.Type().Field(i).Name+": "+printed(v.Field(i)))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, printed(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprintf("%v", v)
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
