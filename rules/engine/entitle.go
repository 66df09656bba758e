package engine

import (
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/reason"
)

// valuedPurchase is a purchase that was valued: what it entitles to, and what
// its lines say of the member.
type valuedPurchase struct {
	index      int32  // in Account.purchases
	start, end int32  // in booking.entitlements
	referrals  span32 // in booking.referralsDue
	unawarded  span32 // in booking.unawarded
	memberID   string
	level      string
	statement  string
	why        reason.Set // why it earns nothing at all
}

// unawarded is why an offer gives a purchase nothing, or its partner owes
// nothing: for the lines of it that are taken back.
type unawarded struct {
	role  rules.Role
	offer string
	why   reason.Set
}

// span32 is a part of a slice.
type span32 struct{ from, to int32 }

// entitlement is what one key of the ledger should sum up to.
type entitlement struct {
	lineKey
	sums
	programme string
	campaigns string         // ids, joined by commas
	currency  money.Currency // zero: to be found
	why       reason.Set
	found     bool // a booked line of this key was met
}

// entitle turns the worth of purchase i into the lines that are due by it: confirmed
// what the confirmed world gives, expected what the expected one gives beyond.
func (b *booking) entitle(i int, x *worth) {
	t := &x.terms
	v := valuedPurchase{
		index: int32(i), start: int32(len(b.entitlements)), memberID: t.standing.memberID, level: t.standing.level, why: t.why,
		referrals: span32{int32(len(b.referralsDue)), 0}, unawarded: span32{int32(len(b.unawarded)), 0},
	}
	if t.why == 0 {
		if t.partner != nil {
			v.statement = t.partner.statementText
		}
		b.entitleToAwards(x)
		b.entitleToCommissions(x)
		b.entitleToReferrals(x)
	}
	v.end = int32(len(b.entitlements))
	v.referrals.to, v.unawarded.to = int32(len(b.referralsDue)), int32(len(b.unawarded))
	b.valued = append(b.valued, v)
}

func (b *booking) entitleToAwards(x *worth) {
	booked := x.terms.purchase.lines >= 0 // something may be taken back
	confirmed, expected := x.in[confirmedWorld].awards, x.in[expectedWorld].awards
	for n := range confirmed {
		c, e := &confirmed[n], &expected[n]
		if booked && (c.finalMinor == 0 || e.finalMinor == c.finalMinor) {
			b.unawarded = append(b.unawarded, unawarded{rules.RoleMember, c.offer.ID, c.why | e.why | x.terms.tally.why()})
		}
		if c.finalMinor == 0 && e.finalMinor == 0 {
			continue
		}
		key := x.terms.keyOf(rules.RoleMember, c.offer.kind, c.offer.partner, c.offer.ID, c.offer.version, c.offer.unit)
		b.entitleTo(&x.terms, entitlement{lineKey: key, campaigns: b.campaignsOf(c, e), currency: c.offer.Currency}, awardSums(c), awardSums(e), c.why, e.why)
	}
}

// campaignsOf are the ids of the campaigns in an award, joined by commas.
func (b *booking) campaignsOf(confirmed, expected *award) string {
	if len(confirmed.boosts) == 0 {
		return ""
	}
	from := len(b.campaigns)
	for _, aw := range [...]*award{confirmed, expected} {
		if aw.finalMinor == 0 {
			continue
		}
		b.campaigns = campaignsIn(b.campaigns, aw.boosts[:unbudgeted(aw.boosts)], aw.offer.Reward.RateMillionths)
		for i := range aw.parts {
			if aw.parts[i].givenMinor > 0 {
				b.campaigns = append(b.campaigns, aw.parts[i].campaign)
			}
		}
	}
	ids := b.campaigns[from:]
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), campaignSeparator)
}

// campaignSeparator is in no id.
const campaignSeparator = ","

func (b *booking) entitleToCommissions(x *worth) {
	t := &x.terms
	booked := t.purchase.lines >= 0
	confirmed, expected := x.in[confirmedWorld].commissions, x.in[expectedWorld].commissions
	for i := range confirmed {
		c, e := &confirmed[i], &expected[i]
		offerID := ""
		if c.offer != nil {
			offerID = c.offer.ID
		}
		if booked && (c.minor == 0 || e.minor == c.minor) {
			b.unawarded = append(b.unawarded, unawarded{rules.RolePartner, offerID, c.why | e.why | t.tally.why()})
		}
		unit := t.partner.unit
		if c.offer != nil {
			unit = c.currency.String()
		}
		key := t.keyOf(rules.RolePartner, rules.CommissionKind, t.partner.ID, offerID, t.partner.Version.ID, unit)
		b.entitleTo(t, entitlement{lineKey: key, currency: c.currency}, commissionSums(c), commissionSums(e), c.why, e.why)
	}
}

// keyOf is the key of a line. Lines of the programme's own offers name no
// store: they are given wherever the purchase was made.
func (t *purchaseTerms) keyOf(role rules.Role, kind rules.Kind, partnerID, offerID, version, unit string) lineKey {
	key := lineKey{partner: partnerID, offer: offerID, version: version, unit: unit, role: role, kind: kind}
	if partnerID != "" {
		key.store = t.store.ID
	}
	return key
}

func awardSums(aw *award) sums {
	if aw.finalMinor == 0 {
		return sums{}
	}
	return sums{basisMinor: aw.basisMinor, rewardMinor: aw.finalMinor, costMinor: aw.costMinor}
}

func commissionSums(c *commission) sums {
	if c.minor == 0 {
		return sums{}
	}
	return sums{basisMinor: c.basisMinor, commissionMinor: c.minor}
}

// entitleTo notes up to two lines, alike but for their stage, sums and reasons.
func (b *booking) entitleTo(t *purchaseTerms, l entitlement, confirmed, expected sums, whyConfirmed, whyExpected reason.Set) {
	l.programme = t.programme.ID
	common := t.tally.why()
	if confirmed != (sums{}) {
		l.stage, l.sums, l.why = rules.Confirmed, confirmed, whyConfirmed|common
		b.entitlements = append(b.entitlements, l)
	}
	if beyond := expected.minus(confirmed); beyond != (sums{}) {
		l.stage, l.sums, l.why = rules.Expected, beyond, whyExpected|common
		b.entitlements = append(b.entitlements, l)
	}
}

// why is what the purchase's events have to do with its lines being as they are.
func (t tally) why() reason.Set {
	var why reason.Set
	if t.lowered {
		why |= reason.Refund
	}
	if t.matched {
		why |= reason.MatchedRefund
	}
	if t.late {
		why |= reason.Late
	}
	if t.expired && !t.cleared {
		why |= reason.Expired
	}
	return why
}

// entitleToReferrals notes what the purchase gives the buyer's sponsor.
func (b *booking) entitleToReferrals(x *worth) {
	t, p := &x.terms, x.terms.purchase
	confirmed, expected := x.in[confirmedWorld].awards, x.in[expectedWorld].awards
	for i := range confirmed {
		o := confirmed[i].offer
		if o.sponsorship == nil {
			continue
		}
		want := publishedReferral{
			sponsor: t.standing.sponsor, partner: o.partner, offer: o.ID, version: o.version,
			programme: t.programme.ID, currency: o.Currency,
			mcc: t.anchor.mcc, channel: t.anchor.channel, at: p.at,
		}
		if o.partner != "" {
			want.store = t.store.ID
		}
		for w, aw := range [...]*award{confirmedWorld: &confirmed[i], expectedWorld: &expected[i]} {
			if aw.sponsorMinor > 0 {
				want.basisMinor[w], want.rewardMinor[w] = aw.basisMinor, aw.sponsorMinor
			}
			if t.tally.withLate {
				want.lateMinor[w] = aw.sponsorMinor
				if aw.withoutLate != nil {
					want.lateMinor[w] -= aw.withoutLate.sponsorMinor
				}
			}
		}
		if !want.isNothing() {
			b.referralsDue = append(b.referralsDue, want)
		}
	}
}

// entitleToReferral is what one referral's lines should sum up to.
func (b *booking) entitleToReferral(r *referralState, s *sponsoredAward) {
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
			b.entitlements = append(b.entitlements, entitlement{lineKey: key, sums: s, programme: r.Programme, why: why})
		}
	}
}

// isBooked reports that the lines of a purchase, and what it has published, are what
// was noted to be due by it.
func (b *booking) isBooked(p *purchase) bool {
	a, n := b.account, 0
	for i := p.lines; i >= 0; i = a.lines[i].next {
		l := &a.lines[i]
		due := slices.IndexFunc(b.entitlements, func(d entitlement) bool {
			return d.lineKey == l.lineKey && d.programme == l.programme && d.sums == l.sums
		})
		if due < 0 {
			return false
		}
		n++
	}
	if n != len(b.entitlements) {
		return false
	}
	for i := p.published; i >= 0; i = a.published[i].next {
		t := &a.published[i]
		if !t.isNothing() && !isAmong(t, b.referralsDue) {
			return false
		}
	}
	return !slices.ContainsFunc(b.referralsDue, func(want publishedReferral) bool {
		want.clearedAt = a.cleared(p, &want)
		for i := p.published; i >= 0; i = a.published[i].next {
			if t := &a.published[i]; t.sameSponsorship(&want) && t.sameContent(&want) {
				return false
			}
		}
		return true
	})
}
