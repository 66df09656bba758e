package ledgertest

import (
	"fmt"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// payOut gives the programmes of a case terms of payout.
func (g *Generator) payOut(cat *offer.Catalogue) {
	g.sponsorMore(cat)
	atOnce := g.chance(40)
	for i := range cat.Programmes {
		p := &cat.Programmes[i]
		if g.chance(10) { // says nothing
			continue
		}
		if g.chance(15) {
			atOnce = !atOnce
		}
		p.Payout = g.payout(atOnce)
	}
}

// sponsorMore gives sponsors something by most offers in some cases: their money
// matures by the purchases of others.
func (g *Generator) sponsorMore(cat *offer.Catalogue) {
	if g.features[sponsors] = g.features[sponsors] || g.chance(30); !g.features[sponsors] || g.chance(40) {
		return
	}
	for i := range cat.Partners {
		for n := range cat.Partners[i].Offers {
			if o := &cat.Partners[i].Offers[n]; o.Sponsor.None() && g.chance(70) {
				o.Sponsor = g.sponsor()
			}
		}
	}
}

// expire lets what is put into wallets, and points, expire while cycles close.
func (g *Generator) expire(cat *offer.Catalogue) {
	all := [][]offer.Offer{}
	for i := range cat.Programmes {
		p := &cat.Programmes[i]
		all = append(all, p.Offers)
		if g.o.Expiries && p.Points.Code != "" && g.chance(70) {
			p.Points.ExpiresAfterDays = pick(g.rng, 1, 7, 20)
		}
	}
	for i := range cat.Partners {
		all = append(all, cat.Partners[i].Offers)
	}
	for _, offers := range all {
		for i := range offers {
			if r := &offers[i].Reward; r.Kind == rules.Wallet {
				r.Wallet = g.walletTerms()
			}
		}
	}
}

func (g *Generator) walletTerms() offer.WalletTerms {
	if !g.o.Expiries || g.chance(20) {
		return offer.WalletTerms{UsableAfterDays: pick(g.rng, 0, 7)}
	}
	return pick(
		g.rng, offer.WalletTerms{ExpiresAfterDays: 7}, offer.WalletTerms{UsableAfterDays: 1, ExpiresAfterDays: 3},
		offer.WalletTerms{UsableAfterDays: 7, ExpiresAfterDays: 20}, offer.WalletTerms{ExpiresAfterDays: 2},
	)
}

// payout is one version's terms.
func (g *Generator) payout(atOnce bool) offer.Payout {
	p := offer.Payout{Attempts: g.rng.IntN(4), Negative: pick(g.rng, offer.NegativeDefault, offer.NegativeNet, offer.NegativeDebit)}
	if !atOnce {
		p.Cycle = pick(g.rng, offer.Cycle{Kind: offer.DailyCycle}, offer.Cycle{Kind: offer.MonthlyCycle, Day: 1}, offer.Cycle{Kind: offer.ByHand})
		p.HoldDays = pick(g.rng, 0, 1, 7, 14)
		p.FromMinor = pick[int64](g.rng, 0, 0, 10, 100, 1000)
		if p.Negative == offer.NegativeDebit && g.chance(60) {
			p.DebitAfterDays = g.days()
		}
	}
	if g.chance(45) {
		p.WriteOff = offer.WriteOff{UpToMinor: pick[int64](g.rng, 1, 30, 500, 10_000), AfterDays: pick(g.rng, 0, 1, 7)}
	}
	p.Shadow = g.chance(12)
	if g.chance(25) {
		p.PayFrom = g.instant()
	}
	return p
}

// payoutFacts are cycles that close, and what is said of payouts.
func (g *Generator) payoutFacts(l *life) {
	for _, id := range programmesOf(g.cat) {
		at := g.early()
		for range g.rng.IntN(7) {
			g.sendCycle(l, id, at)
			days := pick(g.rng, slices.Concat(g.payoutDays(), []int{0, 5, 11, 30})...)
			at = rules.InstantOf(at.AddDays(days).Time().Add(pick[time.Duration](g.rng, 0, 0, 0, -1, 1, time.Hour)))
		}
		for range g.rng.IntN(3) {
			g.sendFact(l, rules.Fact{Type: rules.PayoutReleased, At: g.instant(), Programme: id})
		}
	}
	for range g.rng.IntN(3) {
		g.sendFact(l, g.methodFact())
	}
	for range g.rng.IntN(8) {
		f := g.moneyFact()
		if f.Type == rules.Adjustment && g.chance(50) {
			f.AmountMinor = pick(g.rng, g.payoutAmounts()...)
		}
		g.sendFact(l, f)
		if a := &l.arrivals[len(l.arrivals)-1]; g.chance(25) { // known before it holds
			a.at = rules.InstantOf(a.at.Time().Add(-g.delay()))
		}
	}
}

// payoutAmounts are all amounts that the payouts speak of, and what is taken back of
// such.
func (g *Generator) payoutAmounts() []int64 {
	amounts := []int64{60, -60}
	for i := range g.cat.Programmes {
		p := &g.cat.Programmes[i].Payout
		for _, minor := range []int64{p.FromMinor, p.WriteOff.UpToMinor} {
			if minor > 0 {
				amounts = append(amounts, minor, -minor, -minor, 1-minor, -1-minor)
			}
		}
	}
	return slices.DeleteFunc(amounts, func(minor int64) bool { return minor == 0 })
}

// payoutDays are all days of N x 24 h that the payouts speak of.
func (g *Generator) payoutDays() []int {
	var days []int
	for i := range g.cat.Programmes {
		p := &g.cat.Programmes[i].Payout
		days = append(days, p.HoldDays, p.WriteOff.AfterDays, p.DebitAfterDays)
	}
	return days
}

func programmesOf(cat *offer.Catalogue) []string {
	var ids []string
	for _, p := range cat.Programmes {
		if !slices.Contains(ids, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// sendCycle closes the account's next cycle of the programme: now and then late, or
// one that was closed before, with another end.
func (g *Generator) sendCycle(l *life, programme string, at rules.Instant) {
	l.cycles++
	if g.chance(3) && l.cycles > 1 {
		l.cycles--
	}
	cycle := fmt.Sprintf("cycle-%d", l.cycles)
	f := rules.Fact{
		ID: fmt.Sprintf("%s-%s-%s", programme, cycle, l.id), Type: rules.CycleClosed, At: at, Programme: programme, Cycle: cycle,
	}
	g.sendFact(l, f)
}

func (g *Generator) methodFact() rules.Fact {
	f := pick(
		g.rng, rules.Fact{Method: rules.ByCard}, rules.Fact{Method: rules.ByTransfer, IBAN: "FR7630006000011234567890189", Name: "A. Member"},
		rules.Fact{Method: rules.ByCheque, Name: "A. Member"}, rules.Fact{Method: rules.ByEWallet, Handle: "@member"},
	)
	f.Type, f.At = rules.PayoutMethod, g.instant()
	return f
}

// maturities are cycles that close just when a purchase's money is mature, or
// just before: of the account's own, or of one that it may be the sponsor of.
func (g *Generator) maturities(l *life) {
	for _, a := range slices.Concat(l.arrivals, pick(g.rng, g.lives...).arrivals) {
		if a.Event == nil || !isClearing(a.Event) || !g.chance(10) {
			continue
		}
		at := a.Event.OccurredAt.AddDays(pick(g.rng, g.payoutDays()...))
		at = rules.InstantOf(at.Time().Add(pick[time.Duration](g.rng, 0, -1, 1)))
		g.sendCycle(l, pick(g.rng, programmesOf(g.cat)...), at)
	}
}

// ofPayouts makes what is spent mostly something that was given, and an adjustment
// now and then of a programme that it names.
func (g *Generator) ofPayouts(f *rules.Fact) {
	switch f.Type {
	case rules.PointsSpent:
		f.Unit = pick(g.rng, "MILES", "MILES", f.Unit)
	case rules.WalletSpent:
		f.Unit = pick(g.rng, g.base.String(), g.base.String(), f.Unit)
	case rules.Adjustment:
		if g.chance(30) {
			f.Programme = pick(g.rng, programmesOf(g.cat)...)
		}
		if g.chance(15) {
			f.Currency = currency("USD")
		}
	}
}
