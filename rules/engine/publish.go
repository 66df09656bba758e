package engine

import (
	"crypto/sha256"
	"encoding/binary"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
)

// This file is what a purchase publishes to the accounts of its buyer's sponsors.

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
	clearedAt                                          rules.Instant    // last, where anything is confirmed; else zero
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
		t.at == o.at && t.clearedAt == o.clearedAt &&
		t.basisMinor == o.basisMinor && t.rewardMinor == o.rewardMinor && t.lateMinor == o.lateMinor
}

// cleared is when the purchase was cleared last, as its sponsor's account is told:
// until then, and the hold, what it gives them is not paid.
func (a *Account) cleared(p *purchase, t *publishedReferral) rules.Instant {
	if t.rewardMinor[confirmedWorld] == 0 {
		return rules.Instant{}
	}
	return a.latestClearing(p)
}

// isNothing reports that the sponsor's account need not know of it: what late
// events took away still fills their caps.
func (t *publishedReferral) isNothing() bool {
	return t.rewardMinor == [numWorlds]int64{} && t.lateMinor == [numWorlds]int64{}
}

// publishReferrals makes what a purchase has published to its sponsors what is due: targets,
// each with the next number of its kind.
func (b *booking) publishReferrals(p *purchase, wanted []publishedReferral) {
	a := b.account
	for i := range wanted {
		wanted[i].clearedAt = a.cleared(p, &wanted[i])
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
			b.publishReferral(p, t, wanted[i])
		}
	}
	for n := p.published; n >= 0; n = a.published[n].next {
		t := &a.published[n]
		if t.isNothing() || isAmong(t, wanted) {
			continue
		}
		nothing := *t
		nothing.basisMinor, nothing.rewardMinor, nothing.lateMinor = [numWorlds]int64{}, [numWorlds]int64{}, [numWorlds]int64{}
		nothing.clearedAt = rules.Instant{}
		b.publishReferral(p, t, nothing)
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

func (b *booking) publishReferral(p *purchase, t *publishedReferral, now publishedReferral) {
	a := b.account
	now.number, now.next = t.number+1, t.next
	*t = now
	r := rules.Referral{
		Number: t.number, SponsorAccountID: t.sponsor, BuyerAccountID: a.id, TransactionID: p.id, PartnerID: t.partner,
		StoreID: t.store, OfferID: t.offer, OfferVersion: t.version, Programme: t.programme, Currency: t.currency,
		PurchasedAt: t.at, Channel: t.channel, MCC: t.mcc, At: b.at, Cause: b.cause,
		ConfirmedBasisMinor: t.basisMinor[confirmedWorld], ConfirmedRewardMinor: t.rewardMinor[confirmedWorld],
		ExpectedBasisMinor: t.basisMinor[expectedWorld], ExpectedRewardMinor: t.rewardMinor[expectedWorld],
		LateConfirmedRewardMinor: t.lateMinor[confirmedWorld], LateExpectedRewardMinor: t.lateMinor[expectedWorld],
		ClearedAt:     t.clearedAt,
		MatchedRefund: a.matched > 0 && a.tallyOf(p, true).matched,
	}
	r.ID = b.referralID(&r)
	b.out.Referrals = append(b.out.Referrals, r)
}

// referralID follows from the target's key and number: published again after a
// crash, it is the same fact.
func (b *booking) referralID(r *rules.Referral) string {
	buf := b.buf[:0]
	for _, s := range [...]string{r.BuyerAccountID, r.SponsorAccountID, r.TransactionID, r.PartnerID, r.OfferID} {
		buf = codec.AppendString(buf, s)
	}
	buf = binary.AppendVarint(buf, r.Number)
	b.buf = buf
	sum := sha256.Sum256(buf)
	var id [len(referralPrefix) + 26]byte
	copy(id[:], referralPrefix)
	instructionEncoding.Encode(id[len(referralPrefix):], sum[:16])
	return string(id[:])
}
