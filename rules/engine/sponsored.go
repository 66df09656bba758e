package engine

import (
	"ristourne/rules"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// This file is what others' purchases give an account that is their buyers' sponsor,
// within the caps that it keeps.

// referralValuer works out what referrals give a sponsor. It books nothing.
type referralValuer struct {
	*termsFinder
	counters *counters
	awards   []sponsoredAward
}

// value works out what all referrals give the account, in their order: first each
// as if the late events of its purchase had not come, in the order in which the
// caps fill; then those that have some once more, in the room that all others
// leave. So a late event of one buyer takes nothing from what another's purchase
// gives. The awards hold until the next call.
func (v *referralValuer) value(a *Account) []sponsoredAward {
	v.awards, v.counters.lateTimes = v.awards[:0], v.counters.lateTimes[:0]
	for i := range a.referrals {
		r := &a.referrals[i].Referral
		v.awards = append(v.awards, v.referralTerms(a, r))
		v.valueReferral(r, &v.awards[i])
		if r.IsLate() {
			v.counters.lateTimes = append(v.counters.lateTimes, r.PurchasedAt)
		}
	}
	for i := range a.referrals {
		if r := &a.referrals[i].Referral; r.IsLate() {
			v.valueLateReferral(r, &v.awards[i])
		}
	}
	return v.awards
}

// sponsoredAward is what one referral comes to within the sponsor's caps.
type sponsoredAward struct {
	offer      *compiledOffer    // in force at purchase time; nil: none
	programme  *programmeVersion // nil: the sponsor is no member of it
	standing   int32             // in Account.standings
	purchase   purchase          // its time and periods alone
	recorded   [numWorlds]int64  // without the late events of its purchase
	finalMinor [numWorlds]int64
	why        [numWorlds]reason.Set
}

// referralTerms finds the terms under which a referral is looked at.
func (v *referralValuer) referralTerms(a *Account, r *rules.Referral) sponsoredAward {
	if last := &v.lastTerms; !last.contains(r.PurchasedAt) || last.partnerID != "" {
		v.findTermsAt(a, r.PurchasedAt, "")
	}
	s := sponsoredAward{standing: v.lastTerms.standing}
	programme := v.lastTerms.programme
	if programme == nil || programme.ID != r.Programme {
		return s
	}
	s.programme, s.offer = programme, v.snapshot.sponsoringOffer(r, programme)
	s.purchase = purchase{at: r.PurchasedAt, periods: v.clock.periodsAt(r.PurchasedAt, programme.Zone)}
	return s
}

// inWorlds are what a referral tells: the awards and how much of them is by
// late events.
func inWorlds(r *rules.Referral) (basisMinor, rewardMinor, lateMinor [numWorlds]int64) {
	return [numWorlds]int64{confirmedWorld: r.ConfirmedBasisMinor, expectedWorld: r.ExpectedBasisMinor},
		[numWorlds]int64{confirmedWorld: r.ConfirmedRewardMinor, expectedWorld: r.ExpectedRewardMinor},
		[numWorlds]int64{confirmedWorld: r.LateConfirmedRewardMinor, expectedWorld: r.LateExpectedRewardMinor}
}

// valueReferral is what one referral gives without late events, and fills the
// caps with it.
func (v *referralValuer) valueReferral(r *rules.Referral, s *sponsoredAward) {
	if s.programme == nil {
		return
	}
	_, reward, late := inWorlds(r)
	for w := range numWorlds {
		units := max(0, reward[w]-late[w])
		if s.offer != nil && s.offer.sponsorship != nil {
			units, s.why[w] = v.sponsorsCaps(w, s, units, false)
			v.counters.useAwards(w, &s.purchase, s.offer.sponsorship.fills, units, oneIf(units > 0))
		}
		s.recorded[w], s.finalMinor[w] = units, units
	}
}

// valueLateReferral is what one gives with them. Room that they free is given to
// no other purchase.
func (v *referralValuer) valueLateReferral(r *rules.Referral, s *sponsoredAward) {
	if s.programme == nil {
		return
	}
	_, reward, late := inWorlds(r)
	for w := range numWorlds {
		if late[w] == 0 {
			continue
		}
		units := reward[w]
		if s.offer != nil && s.offer.sponsorship != nil {
			units, s.why[w] = v.sponsorsCaps(w, s, units, true)
			if more := units - s.recorded[w]; more > 0 {
				v.counters.useAwards(w, &s.purchase, s.offer.sponsorship.fills, more, oneIf(s.recorded[w] == 0))
			}
		}
		s.finalMinor[w] = units
	}
}

// sponsorsCaps is what the caps per sponsor leave of an award. With late events
// it has the room that all others leave, younger ones too, and what it had
// without them is not taken from it.
func (v *referralValuer) sponsorsCaps(w world, of *sponsoredAward, units int64, withLate bool) (int64, reason.Set) {
	var why reason.Set
	s := of.offer.sponsorship
	if s.purchaseCapMinor > 0 && units > s.purchaseCapMinor {
		units, why = s.purchaseCapMinor, reason.CapPurchase
	}
	for i := range s.limits {
		l := &s.limits[i]
		used, recorded := int64(0), int64(0)
		if withLate {
			recorded = of.recorded[w]
			used = v.counters.usedByAll(w, &of.purchase, &l.counter)
		} else {
			used = v.counters.used(w, &of.purchase, &l.counter)
		}
		switch room := max(0, recorded, l.most-(used-recorded)); {
		case l.measure == sponsorAwards && recorded == 0 && used >= l.most:
			units, why = 0, why|reason.CapCount
		case l.measure == sponsorUnits && units > room:
			units, why = room, why|offer.CapReasons[l.per]
		}
	}
	return units, why
}

// sponsoringOffer is the offer of a referral in the version in force at
// purchase time; nil: there is none any more.
func (s *Snapshot) sponsoringOffer(r *rules.Referral, v *programmeVersion) *compiledOffer {
	offers := v.offers
	if r.PartnerID != "" {
		p := s.partnerAt(r.PartnerID, r.PurchasedAt)
		if p == nil {
			return nil
		}
		offers = p.offers
	}
	return offerNamed(offers, r.OfferID)
}
