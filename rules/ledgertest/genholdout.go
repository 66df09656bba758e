package ledgertest

import (
	"math/rand/v2"

	"ristourne/rules/offer"
)

// holdOut lets some of a catalogue hold accounts out. It has a source of its own,
// so that a seed's catalogue and records are otherwise what they are without.
func holdOut(rng *rand.Rand, language Language, cat *offer.Catalogue) {
	chance := func(percent int) bool { return rng.IntN(100) < percent }
	if language == BasicLanguage || (language == MixedLanguage && !chance(50)) {
		return
	}
	agree := func(percent int) offer.Holdout {
		if !chance(percent) {
			return offer.Holdout{}
		}
		return offer.Holdout{
			Millionths: pick[int64](rng, 1, 100_000, 300_000, 500_000, 500_000, 700_000, 999_999, 1_000_000),
			Salt:       pick(rng, "", "", "", "autumn", "été 2024"),
		}
	}
	offers := func(all []offer.Offer) {
		for i := range all {
			all[i].Holdout = agree(25)
			all[i].NotOfProgrammes = all[i].Holdout == offer.Holdout{} && chance(25)
		}
	}
	for i := range cat.Programmes {
		cat.Programmes[i].Holdout = agree(25)
		offers(cat.Programmes[i].Offers)
	}
	for i := range cat.Partners {
		offers(cat.Partners[i].Offers)
	}
	for i := range cat.Campaigns {
		if !cat.Campaigns[i].Version.Ended {
			cat.Campaigns[i].Holdout = agree(30)
		}
	}
}
