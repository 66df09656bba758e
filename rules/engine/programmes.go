package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ristourne/rules"
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

// ProgrammeAt is the version of a programme that is in force at t; nil: none is.
func (s *Snapshot) ProgrammeAt(programme string, t rules.Instant) *offer.Programme {
	if i, known := s.programmeIndex[programme]; known {
		if v := s.programmeAt(i, t); v != nil {
			return v.Programme
		}
	}
	return nil
}

// CycleEnd is when the cycle of a name ends, by the version of its programme that is
// in force then.
func (s *Snapshot) CycleEnd(programme, name string) (rules.Instant, error) {
	i, known := s.programmeIndex[programme]
	if !known {
		return rules.Instant{}, fmt.Errorf("programme %q is not in the catalogue, which has %s", programme, strings.Join(s.Programmes(), ", "))
	}
	var unnamed, elsewhen error
	for n := range slices.Backward(s.programmes[i].versions) {
		v := s.programmes[i].versions[n].Programme
		end, err := v.Payout.Cycle.End(name, v.Zone)
		switch held := s.ProgrammeAt(programme, end); {
		case err != nil:
			unnamed = cmp.Or(unnamed, err)
		case held == nil:
			elsewhen = fmt.Errorf("cycle %s would end at %s, when no version of the programme is in force", name, end)
		case held != v:
			elsewhen = fmt.Errorf("cycle %s would end at %s, when the programme's cycles are %s", name, end, held.Payout.Cycle)
		default:
			return end, nil
		}
	}
	return rules.Instant{}, fmt.Errorf("programme %s: %w", programme, cmp.Or(elsewhen, unnamed))
}

// Lapses reports whether points of a programme, or what is in the wallets of its
// members, can expire, by any version.
func (s *Snapshot) Lapses(programme string) bool {
	expires := func(offers []offer.Offer) bool {
		return slices.ContainsFunc(offers, func(o offer.Offer) bool { return o.Reward.Wallet.ExpiresAfterDays > 0 })
	}
	if i, known := s.programmeIndex[programme]; known {
		for _, v := range s.programmes[i].versions {
			if v.Points.ExpiresAfterDays > 0 || expires(v.Programme.Offers) {
				return true
			}
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
