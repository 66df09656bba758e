package engine

import (
	"ristourne/rules/money"
)

// This file is the buyer's side of a referral: what a purchase gives the buyer's
// sponsor, before the caps that the sponsor's account keeps.

// isSponsored reports whether an award is one for which the buyer's sponsor
// gets something: within the days after the enrolment, and one of the first.
// Late events leave that as it was.
func (v *valuer) isSponsored(w world, p *purchase, aw *award) bool {
	o, s := aw.offer, v.terms.standing
	switch {
	case o.sponsorship == nil, !aw.won, !s.enrolled, s.sponsor == "", s.sponsor == s.account:
		return false
	case o.Sponsor.WithinDays > 0 && !p.at.Before(s.enrolledAt.AddDays(o.Sponsor.WithinDays)):
		return false
	case o.Sponsor.FirstPurchases == 0:
		return true
	case v.terms.tally.withLate:
		return aw.withoutLate != nil && aw.withoutLate.sponsored
	}
	for i := range o.sponsored {
		if v.counters.used(w, p, &o.sponsored[i]) >= int64(o.Sponsor.FirstPurchases) {
			return false
		}
	}
	return true
}

// sponsor is what each award gives the buyer's sponsor, before their caps.
func (v *valuer) sponsor(w world, p *purchase) error {
	for i := range v.in[w].awards {
		aw := &v.in[w].awards[i]
		if aw.sponsored = v.isSponsored(w, p, aw); !aw.sponsored {
			continue
		}
		s := &aw.offer.Sponsor
		var err error
		if aw.sponsorMinor, err = money.Share(aw.basisMinor, s.RateMillionths, s.FixedMinor, v.terms.programme.Rounding); err != nil {
			return err
		}
	}
	return nil
}
