package rules

import (
	"cmp"
	"fmt"
	"slices"
)

// This file is the sponsor's side of a referral: targets that other accounts'
// purchases have told, within the caps that this account keeps.

// maxAccountReferrals bounds what one account is sponsor of.
const maxAccountReferrals = 1 << 14

// referralState is the newest of what one purchase of a referred member gives
// this account by one offer.
type referralState struct {
	Referral
	lines int32 // booked: the head of a chain
}

// sameTarget reports that two referrals are about one target: the higher
// number holds.
func (r *Referral) sameTarget(o *Referral) bool {
	return r.BuyerAccountID == o.BuyerAccountID && r.TransactionID == o.TransactionID &&
		r.PartnerID == o.PartnerID && r.OfferID == o.OfferID
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
func (e *Engine) ApplyReferral(a *Account, r *Referral, c Cause, out *Output) (Verdict, error) {
	if r.SponsorAccountID != "" && r.SponsorAccountID != a.id {
		return Verdict{}, fmt.Errorf("referral %s: %w", r.ID, ErrForeign)
	}
	i := slices.IndexFunc(a.referrals, func(known referralState) bool { return known.sameTarget(r) })
	switch {
	case i >= 0 && a.referrals[i].Number >= r.Number:
		return Verdict{Fate: Duplicate}, nil
	case i < 0 && len(a.referrals) >= maxAccountReferrals:
		return Verdict{}, fmt.Errorf("referral %s: %w", r.ID, ErrLimit)
	}
	more := max(r.ConfirmedRewardMinor, r.ExpectedRewardMinor)
	if i >= 0 {
		more -= a.referrals[i].volume()
	}
	if more > maxAccountVolumeMinor-a.volume {
		return Verdict{}, fmt.Errorf("referral %s: %w", r.ID, ErrLimit)
	}
	e.adopt(a)
	a.volume += more
	a.takeReferral(i, r)
	booked, err := e.decide(a, decision{cause: c, at: r.At, referrals: true}, out)
	if booked {
		return Verdict{Fate: Booked}, err
	}
	return Verdict{Fate: NoChange}, err
}

func (r *Referral) volume() int64 { return max(r.ConfirmedRewardMinor, r.ExpectedRewardMinor) }

// takeReferral puts r in the place of the older one at i (-1: none) and where
// it belongs in order: the purchase may have got another time.
func (a *Account) takeReferral(i int, r *Referral) {
	state := referralState{*r, -1}
	if i >= 0 {
		state.lines = a.referrals[i].lines
		a.referrals = slices.Delete(a.referrals, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(a.referrals, &state, func(x referralState, s *referralState) int { return sponsorsOrder(&x, s) })
	a.referrals = slices.Insert(a.referrals, at, state)
}

// bookReferrals works out what all referrals give the account, in the order in
// which its caps fill, and books the differences.
func (e *Engine) bookReferrals(a *Account, d decision, out *Output) {
	for i := range a.referrals {
		r := &a.referrals[i]
		e.deserved = e.deserved[:0]
		standing := a.standingAt(r.PurchasedAt)
		worked := workedPurchase{memberID: standing.memberID, level: standing.level, why: whyReferral}
		if v := e.snapshot.programmeFor(a, &standing, r.PurchasedAt); v != nil && v.ID == r.Programme {
			worked.statement = e.snapshot.programmeTitle(v.ID, r.PurchasedAt)
			e.deserveReferral(r, v)
		}
		about := Accrual{
			AccountID: r.BuyerAccountID, TransactionID: r.TransactionID, PurchasedAt: r.PurchasedAt,
			MemberID: standing.memberID, Level: standing.level, Channel: r.Channel, MCC: r.MCC,
		}
		e.bookChain(a, &r.lines, e.deserved, &about, &worked, d, out)
	}
}

// deserveReferral is what one referral gives within the sponsor's caps.
func (e *Engine) deserveReferral(r *referralState, v *programmeVersion) {
	p := &purchase{at: r.PurchasedAt, periods: e.clock.periodsAt(r.PurchasedAt, v.Zone)}
	told := [numWorlds]sums{
		confirmedWorld: {basisMinor: r.ConfirmedBasisMinor, rewardMinor: r.ConfirmedRewardMinor},
		expectedWorld:  {basisMinor: r.ExpectedBasisMinor, rewardMinor: r.ExpectedRewardMinor},
	}
	o := e.snapshot.sponsoringOffer(r, v)
	var final [numWorlds]sums
	var why [numWorlds]reasons
	for w := range numWorlds {
		units := told[w].rewardMinor
		if o != nil && o.sponsorship != nil {
			units, why[w] = e.sponsorsCaps(w, p, o.sponsorship, units)
		}
		if units > 0 {
			final[w] = sums{basisMinor: told[w].basisMinor, rewardMinor: units, costMinor: units}
		}
		if o != nil && o.sponsorship != nil {
			e.useAwards(w, p, o.sponsorship.fills, units, oneIf(units > 0))
		}
	}
	key := lineKey{
		partner: r.PartnerID, store: r.StoreID, offer: r.OfferID, version: r.OfferVersion, unit: r.Currency.String(),
		role: RoleSponsor, kind: Cash,
	}
	stages := [...]sums{Expected: final[expectedWorld].minus(final[confirmedWorld]), Confirmed: final[confirmedWorld]}
	for _, stage := range [...]Stage{Confirmed, Expected} {
		if s := stages[stage]; s != (sums{}) {
			key.stage = stage
			e.deserved = append(e.deserved, deservedLine{
				lineKey: key, sums: s, programme: r.Programme, why: whyReferral | why[confirmedWorld] | why[expectedWorld],
			})
		}
	}
}

// sponsorsCaps is what the caps per sponsor leave of an award.
func (e *Engine) sponsorsCaps(w world, p *purchase, s *sponsorship, units int64) (int64, reasons) {
	var why reasons
	if s.purchaseCapMinor > 0 && units > s.purchaseCapMinor {
		units, why = s.purchaseCapMinor, whyCapPurchase
	}
	for i := range s.limits {
		l := &s.limits[i]
		room := max(0, l.most-e.used(w, p, &l.counter))
		switch {
		case l.measure == sponsorAwards && room == 0:
			units, why = 0, why|whyCapCount
		case l.measure == sponsorUnits && units > room:
			units, why = room, why|whyCap[l.per]
		}
	}
	return units, why
}

// sponsoringOffer is the offer of a referral in the version in force at
// purchase time; nil: there is none any more.
func (s *Snapshot) sponsoringOffer(r *referralState, v *programmeVersion) *offer {
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

// AppendBinary appends the set's own form of the referral: all of it but the
// sponsor's account id and the cause.
func (r *Referral) AppendBinary(dst []byte) []byte {
	w := encoder{b: append(dst, referralFormat)}
	w.referral(r)
	w.b = append(w.b, r.BuyerRef[:]...)
	return w.b
}

// UnmarshalBinary reads what AppendBinary wrote. SponsorAccountID and Cause
// stay empty; strings point into src, which must not be changed afterwards.
func (r *Referral) UnmarshalBinary(src []byte) error {
	d := decoder{b: src}
	if d.byte() != referralFormat {
		d.fail("referral of an unknown format")
	}
	*r = d.referral()
	if r.Number < 1 {
		d.fail("bad number of a referral")
	}
	if len(d.b) < len(r.BuyerRef) {
		d.fail("too short")
		return d.done()
	}
	copy(r.BuyerRef[:], d.b)
	d.b = d.b[len(r.BuyerRef):]
	return d.done()
}

func (e *encoder) referral(r *Referral) {
	e.unique(r.ID)
	e.uint(uint64(r.Number))
	e.string(r.BuyerAccountID)
	e.unique(r.TransactionID)
	for _, s := range [...]string{r.PartnerID, r.StoreID, r.OfferID, r.OfferVersion, r.Programme, r.MCC} {
		e.string(s)
	}
	e.byte(byte(r.Channel))
	e.currency(r.Currency)
	e.instant(r.PurchasedAt)
	e.instant(r.At)
	for _, minor := range [...]int64{r.ConfirmedBasisMinor, r.ConfirmedRewardMinor, r.ExpectedBasisMinor, r.ExpectedRewardMinor} {
		e.amount(minor)
	}
}

func (d *decoder) referral() Referral {
	r := Referral{ID: d.unique(), Number: int64(d.uint()), BuyerAccountID: d.string(), TransactionID: d.unique()}
	for _, s := range [...]*string{&r.PartnerID, &r.StoreID, &r.OfferID, &r.OfferVersion, &r.Programme, &r.MCC} {
		*s = d.string()
	}
	r.Channel = Channel(d.enum(d.byte(), 0, byte(OtherChannel), "bad channel"))
	r.Currency, r.PurchasedAt, r.At = d.currency(), d.instant(), d.instant()
	for _, minor := range [...]*int64{&r.ConfirmedBasisMinor, &r.ConfirmedRewardMinor, &r.ExpectedBasisMinor, &r.ExpectedRewardMinor} {
		*minor = d.amount()
	}
	return r
}
