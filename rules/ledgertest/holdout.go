package ledgertest

import (
	"crypto/sha256"
	"math/big"
	"slices"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// drawsUnder reports whether the account's draw under the salt is below the
// share: the first 8 bytes of SHA-256 over salt, one zero byte and account id,
// as a big-endian integer modulo a million.
func drawsUnder(h offer.Holdout, defaultSalt, accountID string) bool {
	salt := h.Salt
	if salt == "" {
		salt = defaultSalt
	}
	sum := sha256.Sum256([]byte(salt + "\x00" + accountID))
	draw := new(big.Int).SetBytes(sum[:8])
	draw.Mod(draw, big.NewInt(1_000_000))
	return draw.Cmp(big.NewInt(h.Millionths)) < 0
}

// saltOf is the offer's own: its partner's id or "programme", and its own.
func (c candidate) saltOf() string {
	if c.partner == nil {
		return "programme/" + c.offer.ID
	}
	return c.partner.ID + "/" + c.offer.ID
}

// heldOut reports whether the account gets nothing of the offer: it is held out
// of it, or by the programme of all offers but those that say none.
func (s sale) heldOut(c candidate) bool {
	if drawsUnder(c.offer.Holdout, c.saltOf(), s.account) {
		return true
	}
	p := s.member.programme
	return !c.offer.NotOfProgrammes && drawsUnder(p.Holdout, p.ID, s.account)
}

// draws are the holdouts that a purchase is under, and which of them hold the
// account out: those of the offers that are within its reach whatever is spent,
// how often, and whether the member has activated them; of the programme, and of
// the campaigns that raise them then.
func (o oracle) draws(a *account, v view) map[string]bool {
	m, ok := o.earns(a, v.time, v.opener.CardToken)
	if !ok {
		return nil
	}
	s := o.saleOf(a, v, m)
	draws := map[string]bool{}
	note := func(id string, h offer.Holdout) {
		if h.Millionths > 0 {
			draws[id] = drawsUnder(h, id, a.id)
		}
	}
	for _, c := range candidates(s) {
		asks := c.offer.Conditions
		asks.MinSpendMinor, asks.MaxSpendMinor, asks.Audience.Activated = 0, 0, false
		unit := or(c.offer.Currency, m.programme.Currency).String()
		if c.offer.Reward.Kind == rules.Points {
			if m.programme.Points.Code == "" || or(c.offer.Currency, m.programme.Currency) != m.programme.Currency {
				continue
			}
			unit = m.programme.Points.Code
		}
		if !s.offerRuns(c.offer) || !s.holds(asks, 0, c.key()) {
			continue
		}
		note(c.saltOf(), c.offer.Holdout)
		if !c.offer.NotOfProgrammes {
			note(m.programme.ID, m.programme.Holdout)
		}
		for _, its := range o.campaignBoosts(s, c.offer, c.key().partner, unit) {
			if slices.ContainsFunc(its, func(b boost) bool { return b.touches(&c.offer.Reward) }) {
				note(its[0].campaign.ID, its[0].campaign.Holdout)
			}
		}
	}
	return draws
}

// touches reports whether the boost can change the reward: a rate that is set or
// added changes no amount.
func (b boost) touches(r *offer.Reward) bool {
	isRate := r.Form == offer.RateReward || r.Form == offer.TieredReward || r.Form == offer.CategoryReward
	return b.Op == offer.MultiplyRate || isRate
}

// drawsOf are those of the purchase to which an event of the set belongs.
func (o oracle) drawsOf(a *account, purchases []purchase, e *rules.Event) map[string]bool {
	for _, p := range purchases {
		if slices.Contains(p.whole.events, e) {
			return o.draws(a, p.whole)
		}
	}
	return nil
}
