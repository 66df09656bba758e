package engine

import (
	"slices"

	"ristourne/rules/offer"
)

// Programmes are the ids of all programmes, in order.
func (s *Snapshot) Programmes() []string {
	ids := make([]string, len(s.programmes))
	for i := range s.programmes {
		ids[i] = s.programmes[i].id
	}
	slices.Sort(ids)
	return ids
}

// VersionsOf are a programme's versions in the order in which they come into
// force; none: it isn't known.
func (s *Snapshot) VersionsOf(programme string) (versions []*offer.Programme) {
	i, known := s.programmeIndex[programme]
	if !known {
		return nil
	}
	for n := range s.programmes[i].versions {
		versions = append(versions, s.programmes[i].versions[n].Programme)
	}
	return versions
}

// Lapses reports whether points of a programme, or what is in the wallets of its
// members, can expire, by any version.
func (s *Snapshot) Lapses(programme string) bool {
	expires := func(offers []offer.Offer) bool {
		return slices.ContainsFunc(offers, func(o offer.Offer) bool { return o.Reward.Wallet.ExpiresAfterDays > 0 })
	}
	for _, v := range s.VersionsOf(programme) {
		if v.Points.ExpiresAfterDays > 0 || expires(v.Offers) {
			return true
		}
	}
	for i := range s.partners {
		for _, v := range s.partners[i].versions {
			if v.Partner.Programme == programme && expires(v.Offers) {
				return true
			}
		}
	}
	return false
}
