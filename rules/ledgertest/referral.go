package ledgertest

import (
	"cmp"
	"maps"
	"math/big"
	"slices"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// ReferralKey is what a sponsor's account keeps the newest referral of.
type ReferralKey struct{ BuyerAccountID, TransactionID, PartnerID, OfferID, SponsorAccountID string }

// KeyOfReferral is the referral's key.
func KeyOfReferral(r *rules.Referral) ReferralKey {
	return ReferralKey{r.BuyerAccountID, r.TransactionID, r.PartnerID, r.OfferID, r.SponsorAccountID}
}

// Substance is what a referral says, without how and when it came to be said.
// Channel and category tell about a line, and are no reason for another; a basis
// counts for nothing where there is no reward.
func Substance(r *rules.Referral) rules.Referral {
	s := *r
	s.ID, s.Number, s.At, s.Cause, s.BuyerRef = "", 0, rules.Instant{}, rules.Cause{}, rules.AccountRef{}
	s.Channel, s.MCC = rules.ChannelUnknown, ""
	if s.ConfirmedRewardMinor == 0 {
		s.ConfirmedBasisMinor, s.ClearedAt = 0, rules.Instant{}
	}
	if s.ExpectedRewardMinor == 0 {
		s.ExpectedBasisMinor = 0
	}
	return s
}

// told is what one purchase gives its buyer's sponsor, in one world, and what it
// gave without its late events.
type told struct {
	offer                   candidate
	basis, reward, recorded int64
}

// told is what the purchase gives with and without its late events; where that is
// nothing either way it is left out.
func (r result) told() map[offerKey]told {
	all := map[offerKey]told{}
	if r.recorded != nil {
		for offer, t := range r.recorded.told {
			all[offer] = told{offer: t.offer, recorded: t.reward}
		}
	}
	for offer, t := range r.final.told {
		if t.recorded = all[offer].recorded; t.reward == 0 {
			t.basis = 0
		}
		all[offer] = t
	}
	maps.DeleteFunc(all, func(_ offerKey, t told) bool { return t.reward == 0 && t.recorded == 0 })
	return all
}

// tell works out what the purchase gives the sponsor.
func (x *outcome) tell(w world, a *account, h history, s sale) {
	for _, c := range candidates(s) {
		sponsor, key := c.offer.Sponsor, c.key()
		if sponsor.None() || !x.referred[key] {
			continue
		}
		x.early[key] = h.early(key, sponsor.FirstPurchases)
		known := x.member.enrolled && x.member.sponsor != "" && x.member.sponsor != a.id
		inTime := sponsor.WithinDays == 0 || s.at.Before(x.member.enrolledAt.AddDays(sponsor.WithinDays))
		if !x.early[key] || !known || !inTime {
			continue
		}
		basis, _ := x.view.basis(w, or(c.offer.Currency, x.member.programme.Currency))
		exact := new(big.Rat).Add(share(basis, sponsor.RateMillionths), whole(sponsor.FixedMinor))
		x.told[key] = told{offer: c, basis: basis, reward: round(exact, x.member.programme.Rounding)}
	}
}

// early reports whether this is one of the first purchases on which the offer
// applies.
func (h history) early(key offerKey, first int) bool {
	if first == 0 {
		return true
	}
	if h.late {
		return h.own != nil && h.own.early[key]
	}
	earlier := 0
	for _, x := range h.before {
		if x.referred[key] {
			earlier++
		}
	}
	return earlier < first
}

// referrals are all that the account's purchases tell, those of no reward left
// out.
func referrals(a *account, byWorld [2][]result) map[ReferralKey]rules.Referral {
	all := map[ReferralKey]rules.Referral{}
	for w, results := range byWorld {
		for _, r := range results {
			if r.final == nil {
				continue
			}
			for offer, t := range r.told() {
				key := ReferralKey{a.id, r.final.id, offer.partner, offer.offer, r.final.member.sponsor}
				ref := all[key]
				if ref == (rules.Referral{}) {
					ref = r.final.referral(a, t.offer)
				}
				if world(w) == confirmedWorld {
					ref.ConfirmedBasisMinor, ref.ConfirmedRewardMinor, ref.LateConfirmedRewardMinor = t.basis, t.reward, t.reward-t.recorded
					if t.reward != 0 {
						ref.ClearedAt = latestClearing(r.purchase.whole.events)
					}
				} else {
					ref.ExpectedBasisMinor, ref.ExpectedRewardMinor, ref.LateExpectedRewardMinor = t.basis, t.reward, t.reward-t.recorded
				}
				all[key] = ref
			}
		}
	}
	return all
}

func (x *outcome) referral(a *account, c candidate) rules.Referral {
	r := rules.Referral{
		SponsorAccountID: x.member.sponsor, BuyerAccountID: a.id, TransactionID: x.id, OfferID: c.offer.ID,
		OfferVersion: x.member.programme.Version.ID, Programme: x.member.programme.ID,
		Currency: or(c.offer.Currency, x.member.programme.Currency), PurchasedAt: x.view.time,
	}
	if c.partner != nil {
		r.PartnerID, r.StoreID, r.OfferVersion = c.partner.ID, x.view.at.store.ID, c.partner.Version.ID
	}
	return r
}

// sponsored is a referral on its way through the sponsor's caps.
type sponsored struct {
	*rules.Referral
	basis    int64
	reward   int64 // that the buyer's purchase gives, with its late events
	recorded int64 // and without; within the caps, once it has its turn
	minor    int64 // what it comes to
	zone     member
}

// sponsorLines are what an account gets for the members it referred, in one
// world. As with its own purchases, what late events of one bring comes after all
// others, and what they take away is given to none.
func (o oracle) sponsorLines(w world, a *account) []line {
	var lines []line
	for _, s := range o.sponsoredIn(w, a) {
		if s.minor > 0 {
			k := Key{
				AccountID: s.BuyerAccountID, TransactionID: s.TransactionID, PartnerID: s.PartnerID, StoreID: s.StoreID, OfferID: s.OfferID,
				OfferVersion: s.OfferVersion, BeneficiaryID: a.id, Role: rules.RoleSponsor, Kind: rules.Cash, Unit: s.Currency.String(),
			}
			lines = append(lines, line{k, Sums{Reward: s.minor, Cost: s.minor, Basis: s.basis}})
		}
	}
	return lines
}

// sponsoredIn are the purchases by which the account is a sponsor, and what each
// comes to.
func (o oracle) sponsoredIn(w world, a *account) []*sponsored {
	var all []*sponsored
	for _, r := range a.referrals {
		s := &sponsored{Referral: r, basis: r.ConfirmedBasisMinor, reward: r.ConfirmedRewardMinor, zone: o.memberAt(a, r.PurchasedAt)}
		s.recorded = s.reward - r.LateConfirmedRewardMinor
		if w == expectedWorld {
			s.basis, s.reward = r.ExpectedBasisMinor, r.ExpectedRewardMinor
			s.recorded = s.reward - r.LateExpectedRewardMinor
		}
		if s.zone.in && s.zone.programme.ID == r.Programme {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(x, y *sponsored) int {
		return cmp.Or(x.PurchasedAt.Compare(y.PurchasedAt), cmp.Compare(x.TransactionID, y.TransactionID),
			cmp.Compare(x.BuyerAccountID, y.BuyerAccountID))
	})
	late := make([]bool, len(all))
	for i, s := range all {
		late[i] = s.reward != s.recorded
		for _, c := range o.sponsorCaps(s) {
			s.recorded = min(s.recorded, s.room(c, all[:i]))
		}
		s.minor = s.recorded
	}
	for i, s := range all {
		if !late[i] {
			continue
		}
		others, minor := slices.Delete(slices.Clone(all), i, i+1), s.reward
		for _, c := range o.sponsorCaps(s) {
			minor = min(minor, s.lateRoom(c, others))
		}
		s.minor = minor
	}
	return all
}

func (o oracle) sponsorCaps(s *sponsored) []offer.Cap {
	if offer, ok := offerOfVersion(o.cat, s.PartnerID, s.Programme, s.OfferVersion, s.OfferID); ok {
		return offer.Sponsor.Caps
	}
	return nil
}

// room is what the cap leaves of the award after the sponsored purchases before.
func (s *sponsored) room(c offer.Cap, before []*sponsored) int64 {
	if c.Per == offer.PerPurchase {
		return c.AmountMinor
	}
	count, minor := s.used(c, s.PurchasedAt, before)
	switch {
	case c.Count == 0:
		return max(0, c.AmountMinor-minor)
	case count >= c.Count:
		return 0
	}
	return s.recorded
}

// lateRoom is what the cap leaves of the award with its late events, after all
// others; what it had without them it keeps. Of rolling periods the fullest counts.
func (s *sponsored) lateRoom(c offer.Cap, others []*sponsored) int64 {
	if c.Per == offer.PerPurchase {
		return c.AmountMinor
	}
	count, minor := s.used(c, s.PurchasedAt, others)
	for _, x := range others {
		within := c.Per == offer.PerRolling && x.PurchasedAt.After(s.PurchasedAt) && s.PurchasedAt.After(x.PurchasedAt.AddDays(-c.Days))
		if within {
			n, m := s.used(c, x.PurchasedAt, others)
			count, minor = max(count, n), max(minor, m)
		}
	}
	switch {
	case c.Count == 0:
		return max(0, s.recorded, c.AmountMinor-minor)
	case count >= c.Count && s.recorded == 0:
		return 0
	}
	return s.reward
}

// used is how often, and how much in the unit of the award, these use the period
// of the cap in which t lies, or that ends with it.
func (s *sponsored) used(c offer.Cap, t rules.Instant, these []*sponsored) (count, minor int64) {
	for _, x := range these {
		use := max(x.minor, x.recorded)
		if x.PartnerID != s.PartnerID || x.OfferID != s.OfferID || use == 0 {
			continue
		}
		in := c.Per == offer.PerRolling && x.PurchasedAt.After(t.AddDays(-c.Days)) && !x.PurchasedAt.After(t)
		if c.Per != offer.PerRolling {
			in = periodOf(c.Per, x.PurchasedAt, x.zone.programme.Zone) == periodOf(c.Per, t, s.zone.programme.Zone)
		}
		if in {
			count++
		}
		if in && x.Currency == s.Currency {
			minor += use
		}
	}
	return count, minor
}
