package engine

import (
	"crypto/sha256"
	"encoding/binary"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
)

// This file is the buyer's side of a referral: what their purchases give their
// sponsor is worked out beside their awards and published to the sponsor's account.

const referralPrefix = "RF-"

// publishedReferral is what a purchase has published to a sponsor by one offer.
type publishedReferral struct {
	sponsor, partner, store, offer, version, programme string
	mcc                                                string
	channel                                            rules.Channel
	at                                                 rules.Instant // purchase time: the sponsor's caps fill in its order
	number                                             int64
	currency                                           money.Currency
	basisMinor, rewardMinor                            [numWorlds]int64
	lateMinor                                          [numWorlds]int64 // of rewardMinor, by late events; negative: less
	next                                               int32
}

// sameSponsorship reports that two are about one target.
func (t *publishedReferral) sameSponsorship(o *publishedReferral) bool {
	return t.sponsor == o.sponsor && t.partner == o.partner && t.offer == o.offer
}

// sameContent reports that the sponsor's account knows all of o that changes
// what it books.
func (t *publishedReferral) sameContent(o *publishedReferral) bool {
	return t.store == o.store && t.version == o.version && t.programme == o.programme && t.currency == o.currency &&
		t.at == o.at &&
		t.basisMinor == o.basisMinor && t.rewardMinor == o.rewardMinor && t.lateMinor == o.lateMinor
}

// isNothing reports that the sponsor's account need not know of it: what late
// events took away still fills their caps.
func (t *publishedReferral) isNothing() bool {
	return t.rewardMinor == [numWorlds]int64{} && t.lateMinor == [numWorlds]int64{}
}

// isSponsored reports whether an award is one for which the buyer's sponsor
// gets something: within the days after the enrolment, and one of the first.
// Late events leave that as it was.
func (e *Engine) isSponsored(w world, p *purchase, aw *award) bool {
	o, s := aw.offer, e.terms.standing
	switch {
	case o.sponsorship == nil, !aw.won, !s.enrolled, s.sponsor == "", s.sponsor == s.account:
		return false
	case o.Sponsor.WithinDays > 0 && !p.at.Before(s.enrolledAt.AddDays(o.Sponsor.WithinDays)):
		return false
	case o.Sponsor.FirstPurchases == 0:
		return true
	case e.terms.tally.withLate:
		r := e.recordedOf(w, p, o)
		return r != nil && r.sponsored
	}
	for i := range o.sponsored {
		// The purchase at hand is counted already: fillWorked comes first.
		if e.counters.used(w, p, &o.sponsored[i])-1 >= int64(o.Sponsor.FirstPurchases) {
			return false
		}
	}
	return true
}

// dueReferrals works out what the purchase gives the buyer's sponsor.
func (e *Engine) dueReferrals() error {
	p := e.terms.purchase
	confirmed, expected := e.worth[confirmedWorld].awards, e.worth[expectedWorld].awards
	for i := range confirmed {
		o := confirmed[i].offer
		if o.sponsorship == nil {
			continue
		}
		want := publishedReferral{
			sponsor: e.terms.standing.sponsor, partner: o.partner, offer: o.ID, version: o.version,
			programme: e.terms.programme.ID, currency: o.Currency,
			mcc: e.terms.anchor.mcc, channel: e.terms.anchor.channel, at: p.at,
		}
		if o.partner != "" {
			want.store = e.terms.store.ID
		}
		for w, aw := range [...]*award{confirmedWorld: &confirmed[i], expectedWorld: &expected[i]} {
			rewardMinor, err := e.sponsorReward(world(w), p, aw)
			if err != nil {
				return err
			}
			if rewardMinor > 0 {
				want.basisMinor[w], want.rewardMinor[w] = aw.basisMinor, rewardMinor
			}
			if e.terms.tally.withLate {
				want.lateMinor[w] = rewardMinor
				if r := e.recordedOf(world(w), p, o); r != nil {
					want.lateMinor[w] -= r.sponsorMinor
				}
			}
		}
		if !want.isNothing() {
			e.referralsDue = append(e.referralsDue, want)
		}
	}
	return nil
}

// sponsorReward is what an award gives the buyer's sponsor, before their caps.
func (e *Engine) sponsorReward(w world, p *purchase, aw *award) (int64, error) {
	if !e.isSponsored(w, p, aw) {
		return 0, nil
	}
	s := &aw.offer.Sponsor
	return money.Share(aw.basisMinor, s.RateMillionths, s.FixedMinor, e.terms.programme.Rounding)
}

// publishReferrals makes what a purchase has published to its sponsors what is due: targets,
// each with the next number of its kind.
func (e *Engine) publishReferrals(a *Account, p *purchase, wanted []publishedReferral, d decision, out *rules.Output) {
	for i := range wanted {
		known := int32(-1)
		for n := p.published; n >= 0; n = a.published[n].next {
			if a.published[n].sameSponsorship(&wanted[i]) {
				known = n
			}
		}
		if known < 0 {
			a.published = append(a.published, publishedReferral{sponsor: wanted[i].sponsor, partner: wanted[i].partner, offer: wanted[i].offer, next: p.published})
			known = int32(len(a.published) - 1)
			p.published = known
		}
		if t := &a.published[known]; !t.sameContent(&wanted[i]) {
			e.publishReferral(a, p, t, wanted[i], d, out)
		}
	}
	for n := p.published; n >= 0; n = a.published[n].next {
		t := &a.published[n]
		if t.isNothing() || isAmong(t, wanted) {
			continue
		}
		nothing := *t
		nothing.basisMinor, nothing.rewardMinor, nothing.lateMinor = [numWorlds]int64{}, [numWorlds]int64{}, [numWorlds]int64{}
		e.publishReferral(a, p, t, nothing, d, out)
	}
}

func isAmong(t *publishedReferral, wanted []publishedReferral) bool {
	for i := range wanted {
		if t.sameSponsorship(&wanted[i]) {
			return true
		}
	}
	return false
}

func (e *Engine) publishReferral(a *Account, p *purchase, t *publishedReferral, now publishedReferral, d decision, out *rules.Output) {
	now.number, now.next = t.number+1, t.next
	*t = now
	r := rules.Referral{
		Number: t.number, SponsorAccountID: t.sponsor, BuyerAccountID: a.id, TransactionID: p.id, PartnerID: t.partner,
		StoreID: t.store, OfferID: t.offer, OfferVersion: t.version, Programme: t.programme, Currency: t.currency,
		PurchasedAt: t.at, Channel: t.channel, MCC: t.mcc, At: d.at, Cause: d.cause,
		ConfirmedBasisMinor: t.basisMinor[confirmedWorld], ConfirmedRewardMinor: t.rewardMinor[confirmedWorld],
		ExpectedBasisMinor: t.basisMinor[expectedWorld], ExpectedRewardMinor: t.rewardMinor[expectedWorld],
		LateConfirmedRewardMinor: t.lateMinor[confirmedWorld], LateExpectedRewardMinor: t.lateMinor[expectedWorld],
		MatchedRefund: a.matched > 0 && a.tallyOf(p, true).matched,
	}
	r.ID = e.referralID(&r)
	out.Referrals = append(out.Referrals, r)
}

// referralID follows from the target's key and number: published again after a
// crash, it is the same fact.
func (e *Engine) referralID(r *rules.Referral) string {
	b := e.buf[:0]
	for _, s := range [...]string{r.BuyerAccountID, r.SponsorAccountID, r.TransactionID, r.PartnerID, r.OfferID} {
		b = codec.AppendString(b, s)
	}
	b = binary.AppendVarint(b, r.Number)
	e.buf = b
	sum := sha256.Sum256(b)
	var id [len(referralPrefix) + 26]byte
	copy(id[:], referralPrefix)
	instructionEncoding.Encode(id[len(referralPrefix):], sum[:16])
	return string(id[:])
}
