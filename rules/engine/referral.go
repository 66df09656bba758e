package engine

import (
	"cmp"
	"fmt"
	"slices"

	"ristourne/rules"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// This file is the sponsor's side of a referral: targets that other accounts'
// purchases have published, within the caps that this account keeps.

// What one account may be sponsor of: an ambassador who brings hundreds of members
// reaches tens of thousands of purchases. The state is read and written whole with
// each and must fit into one script, so that the texts are bounded too.
const (
	maxAccountReferrals     = 1 << 17
	maxAccountReferralBytes = 24 << 20
)

func (a *Account) referralBytes() int {
	n := 0
	for i := range a.referrals {
		n += a.referrals[i].Bytes()
	}
	return n
}

// referralState is the newest of what one purchase of a referred member gives
// this account by one offer.
type referralState struct {
	rules.Referral
	lines int32 // booked: the head of a chain
}

// sponsorsOrder is the order in which a sponsor's caps fill.
func sponsorsOrder(r, o *referralState) int {
	return cmp.Or(
		r.PurchasedAt.Compare(o.PurchasedAt), cmp.Compare(r.TransactionID, o.TransactionID),
		cmp.Compare(r.BuyerAccountID, o.BuyerAccountID), cmp.Compare(r.PartnerID, o.PartnerID), cmp.Compare(r.OfferID, o.OfferID),
	)
}

// ApplyReferral takes what another account's purchase gives this one, its
// buyer's sponsor, and books the difference; as ApplyFact. It is never too
// late, and the account need not be a member yet. Duplicate: this number or a
// higher one is known.
func (e *Engine) ApplyReferral(a *Account, r *rules.Referral, c rules.Cause, out *rules.Output) (Verdict, error) {
	if r.SponsorAccountID != "" && r.SponsorAccountID != a.id {
		return Verdict{}, fmt.Errorf("referral: %w", ErrForeign)
	}
	i := slices.IndexFunc(a.referrals, func(known referralState) bool { return known.SameTarget(r) })
	switch {
	case i >= 0 && a.referrals[i].Number >= r.Number:
		return Verdict{Fate: rules.Duplicate}, nil
	case i < 0 && (len(a.referrals) >= maxAccountReferrals || a.referralBytes()+r.Bytes() > maxAccountReferralBytes):
		return Verdict{}, fmt.Errorf("referral %s: %w", r.ID, ErrLimit)
	}
	more := r.Volume()
	if i >= 0 {
		more -= a.referrals[i].Volume()
	}
	if more > maxAccountVolumeMinor-a.volume {
		return Verdict{}, fmt.Errorf("referral %s: %w", r.ID, ErrLimit)
	}
	e.bindSnapshot(a)
	a.volume += more
	a.takeReferral(i, r)
	booked, err := e.decide(a, decision{cause: c, at: r.At, referrals: true}, out)
	if booked {
		return Verdict{Fate: rules.Booked}, err
	}
	return Verdict{Fate: rules.NoChange}, err
}

// takeReferral puts r in the place of the older one at i (-1: none) and where
// it belongs in order: the purchase may have got another time.
func (a *Account) takeReferral(i int, r *rules.Referral) {
	state := referralState{*r, -1}
	if i >= 0 {
		state.lines = a.referrals[i].lines
		a.referrals = slices.Delete(a.referrals, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(a.referrals, &state, func(x referralState, s *referralState) int { return sponsorsOrder(&x, s) })
	a.referrals = slices.Insert(a.referrals, at, state)
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

// bookReferrals works out what all referrals give the account and books the
// differences: first each as if the late events of its purchase had not come, in
// the order in which the caps fill; then those that have some once more, in the
// room that all others leave. So a late event of one buyer takes nothing from
// what another's purchase gives.
func (e *Engine) bookReferrals(a *Account, d decision, out *rules.Output) {
	e.sponsored, e.counters.lateTimes = e.sponsored[:0], e.counters.lateTimes[:0]
	for i := range a.referrals {
		r := &a.referrals[i].Referral
		e.sponsored = append(e.sponsored, e.referralTerms(a, r))
		e.valueReferral(r, &e.sponsored[i])
		if r.IsLate() {
			e.counters.lateTimes = append(e.counters.lateTimes, r.PurchasedAt)
		}
	}
	for i := range a.referrals {
		if r := &a.referrals[i].Referral; r.IsLate() {
			e.valueLateReferral(r, &e.sponsored[i])
		}
	}
	for i := range a.referrals {
		r, s := &a.referrals[i], &e.sponsored[i]
		standing := &a.standings[s.standing]
		e.entitlements = e.entitlements[:0]
		worked := valuedPurchase{memberID: standing.memberID, level: standing.level, why: whyOf(&r.Referral)}
		if s.programme != nil {
			worked.statement = e.snapshot.programmeTitle(s.programme.ID, r.PurchasedAt)
			e.entitleToReferral(r, s)
		}
		about := rules.Accrual{
			AccountID: r.BuyerAccountID, TransactionID: r.TransactionID, PurchasedAt: r.PurchasedAt,
			MemberID: standing.memberID, Level: standing.level, Channel: r.Channel, MCC: r.MCC,
		}
		e.bookChain(a, &r.lines, e.entitlements, &about, &worked, d, out)
	}
}

// whyOf is what a referral itself has to do with its lines being as they are.
func whyOf(r *rules.Referral) reason.Set {
	if r.MatchedRefund {
		return reason.Referral | reason.MatchedRefund
	}
	return reason.Referral
}

// referralTerms finds the terms under which a referral is looked at.
func (e *Engine) referralTerms(a *Account, r *rules.Referral) sponsoredAward {
	if last := &e.lastTerms; !last.contains(r.PurchasedAt) || last.partnerID != "" {
		e.findTermsAt(a, r.PurchasedAt, "")
	}
	s := sponsoredAward{standing: e.lastTerms.standing}
	v := e.lastTerms.programme
	if v == nil || v.ID != r.Programme {
		return s
	}
	s.programme, s.offer = v, e.snapshot.sponsoringOffer(r, v)
	s.purchase = purchase{at: r.PurchasedAt, periods: e.clock.periodsAt(r.PurchasedAt, v.Zone)}
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
func (e *Engine) valueReferral(r *rules.Referral, s *sponsoredAward) {
	if s.programme == nil {
		return
	}
	_, reward, late := inWorlds(r)
	for w := range numWorlds {
		units := max(0, reward[w]-late[w])
		if s.offer != nil && s.offer.sponsorship != nil {
			units, s.why[w] = e.sponsorsCaps(w, s, units, false)
			e.counters.useAwards(w, &s.purchase, s.offer.sponsorship.fills, units, oneIf(units > 0))
		}
		s.recorded[w], s.finalMinor[w] = units, units
	}
}

// valueLateReferral is what one gives with them. Room that they free is given to
// no other purchase.
func (e *Engine) valueLateReferral(r *rules.Referral, s *sponsoredAward) {
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
			units, s.why[w] = e.sponsorsCaps(w, s, units, true)
			if more := units - s.recorded[w]; more > 0 {
				e.counters.useAwards(w, &s.purchase, s.offer.sponsorship.fills, more, oneIf(s.recorded[w] == 0))
			}
		}
		s.finalMinor[w] = units
	}
}

// entitleToReferral is what one referral's lines should sum up to.
func (e *Engine) entitleToReferral(r *referralState, s *sponsoredAward) {
	basis, _, _ := inWorlds(&r.Referral)
	var final [numWorlds]sums
	for w := range numWorlds {
		if units := s.finalMinor[w]; units > 0 {
			final[w] = sums{basisMinor: basis[w], rewardMinor: units, costMinor: units}
		}
	}
	key := lineKey{
		partner: r.PartnerID, store: r.StoreID, offer: r.OfferID, version: r.OfferVersion, unit: r.Currency.String(),
		role: rules.RoleSponsor, kind: rules.Cash,
	}
	why := whyOf(&r.Referral) | s.why[confirmedWorld] | s.why[expectedWorld]
	if r.IsLate() {
		why |= reason.Late
	}
	stages := [...]sums{rules.Expected: final[expectedWorld].minus(final[confirmedWorld]), rules.Confirmed: final[confirmedWorld]}
	for _, stage := range [...]rules.Stage{rules.Confirmed, rules.Expected} {
		if s := stages[stage]; s != (sums{}) {
			key.stage = stage
			e.entitlements = append(e.entitlements, entitlement{lineKey: key, sums: s, programme: r.Programme, why: why})
		}
	}
}

// sponsorsCaps is what the caps per sponsor leave of an award. With late events
// it has the room that all others leave, younger ones too, and what it had
// without them is not taken from it.
func (e *Engine) sponsorsCaps(w world, of *sponsoredAward, units int64, withLate bool) (int64, reason.Set) {
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
			used = e.counters.usedByAll(w, &of.purchase, &l.counter)
		} else {
			used = e.counters.used(w, &of.purchase, &l.counter)
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
