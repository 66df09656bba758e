package ledgertest

import (
	"cmp"
	"math/big"
	"slices"

	"ristourne/rules"
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
		s.ConfirmedBasisMinor = 0
	}
	if s.ExpectedRewardMinor == 0 {
		s.ExpectedBasisMinor = 0
	}
	return s
}

// told is what one purchase gives its buyer's sponsor, in one world.
type told struct {
	offer         candidate
	basis, reward int64
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
		x.told[key] = told{c, basis, round(exact, x.member.programme.Rounding)}
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
			for offer, t := range r.final.told {
				if t.reward == 0 {
					continue
				}
				key := ReferralKey{a.id, r.final.id, offer.partner, offer.offer, r.final.member.sponsor}
				ref := all[key]
				if ref == (rules.Referral{}) {
					ref = r.final.referral(a, t.offer)
				}
				if world(w) == confirmedWorld {
					ref.ConfirmedBasisMinor, ref.ConfirmedRewardMinor = t.basis, t.reward
				} else {
					ref.ExpectedBasisMinor, ref.ExpectedRewardMinor = t.basis, t.reward
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
	basis, minor int64
	zone         member
}

// sponsorLines are what an account gets for the members it referred, in one
// world.
func (o oracle) sponsorLines(w world, a *account) []line {
	var all []*sponsored
	for _, r := range a.referrals {
		s := &sponsored{Referral: r, basis: r.ConfirmedBasisMinor, minor: r.ConfirmedRewardMinor, zone: o.memberAt(a, r.PurchasedAt)}
		if w == expectedWorld {
			s.basis, s.minor = r.ExpectedBasisMinor, r.ExpectedRewardMinor
		}
		if s.minor > 0 && s.zone.in && s.zone.programme.ID == r.Programme {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(x, y *sponsored) int {
		return cmp.Or(x.PurchasedAt.Compare(y.PurchasedAt), cmp.Compare(x.TransactionID, y.TransactionID),
			cmp.Compare(x.BuyerAccountID, y.BuyerAccountID))
	})
	var lines []line
	for i, s := range all {
		if offer, ok := offerOfVersion(o.cat, s.PartnerID, s.Programme, s.OfferVersion, s.OfferID); ok {
			for _, c := range offer.Sponsor.Caps {
				s.minor = min(s.minor, s.room(c, all[:i]))
			}
		}
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

// room is what the cap leaves after the sponsored purchases before.
func (s *sponsored) room(c rules.Cap, before []*sponsored) int64 {
	count, minor := int64(0), int64(0)
	for _, x := range before {
		sameOffer := x.PartnerID == s.PartnerID && x.OfferID == s.OfferID
		if c.Per == rules.PerPurchase || !sameOffer || x.minor == 0 {
			continue
		}
		in := c.Per == rules.PerRolling && x.PurchasedAt.After(s.PurchasedAt.AddDays(-c.Days))
		if c.Per != rules.PerRolling {
			in = periodOf(c.Per, x.PurchasedAt, x.zone.programme.Zone) == periodOf(c.Per, s.PurchasedAt, s.zone.programme.Zone)
		}
		if in {
			count++
		}
		if in && x.Currency == s.Currency {
			minor += x.minor
		}
	}
	if c.Count == 0 {
		return max(0, c.AmountMinor-minor)
	}
	if count >= c.Count {
		return 0
	}
	return s.minor
}
