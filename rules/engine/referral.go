package engine

import (
	"cmp"
	"fmt"
	"slices"

	"ristourne/rules"
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
		return Verdict{}, fmt.Errorf("referral: %w", errForeign)
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
	e.noteBalances(a, r.At)
	a.volume += more
	a.takeReferral(i, r)
	booked, err := e.decide(a, decision{cause: c, at: r.At, referrals: true, event: noEvent}, out)
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
