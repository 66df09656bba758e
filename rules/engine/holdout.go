package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// This file is the draw of who is held out of an offer, a campaign or a whole
// programme. It follows from the salt and the account id alone, so that an
// auditor can draw again and no order of records changes it.

// Draw is what an account draws under a salt, in millionths: it is held out
// where that is under the holdout's share of all accounts.
func Draw(salt, accountID string) int64 {
	draw, _ := appendDraw(nil, salt, accountID)
	return draw
}

// appendDraw draws, with b as memory to hash from.
func appendDraw(b []byte, salt, accountID string) (millionths int64, buf []byte) {
	b = append(append(append(b, salt...), 0), accountID...)
	sum := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(sum[:8]) % uint64(money.One)), b
}

// holdout is one that holds somebody out, as the engine needs it.
type holdout struct {
	id         string // as in HoldoutDraw
	salt       string
	number     int32 // of the salt, in its snapshot
	millionths int64
}

// holdout is nil where nobody is held out.
func (k *compiler) holdout(id string, agreed offer.Holdout) *holdout {
	if agreed.Millionths == 0 {
		return nil
	}
	h := &holdout{id: id, salt: agreed.Salt, millionths: agreed.Millionths}
	if h.salt == "" {
		h.salt = id
	}
	number, known := k.salts[h.salt]
	if !known {
		number = int32(len(k.salts))
		k.salts[h.salt] = number
	}
	h.number, k.s.holdouts = number, true
	return h
}

// draws are what an account has drawn under the salts of its snapshot that were
// looked at.
type draws struct {
	salts      numbering[int32]
	millionths []int32
}

func (d *draws) reset() {
	d.salts.reset()
	d.millionths = d.millionths[:0]
}

// drawOf draws once for each account and salt: a hash costs more than all other
// conditions of an offer together.
func (v *valuer) drawOf(a *Account, h *holdout) int64 {
	i, known := a.draws.salts.of(h.number)
	if !known {
		var millionths int64
		millionths, v.buf = appendDraw(v.buf[:0], h.salt, a.id)
		a.draws.millionths = append(a.draws.millionths, int32(millionths))
	}
	return int64(a.draws.millionths[i])
}

func (v *valuer) holdsOut(a *Account, h *holdout) bool { return v.drawOf(a, h) < h.millionths }

// whyHeldOut is the last condition of an offer: the account is not held out of
// it, by its own holdout or by the programme's.
func (v *valuer) whyHeldOut(a *Account, o *compiledOffer) reason.Set {
	programmes := v.terms.programme.holdout
	switch {
	case o.holdout != nil && v.holdsOut(a, o.holdout),
		programmes != nil && !o.NotOfProgrammes && v.holdsOut(a, programmes):
		return reason.Holdout
	}
	return 0
}

// isEligible reports whether nothing but a holdout keeps the offer away, as far
// as can be said without what the offer itself may have moved the member to: how
// much they buy, how often, and whether they have activated it, which an app offers
// to nobody who is held out. So those who are held out and those who aren't are
// counted alike.
func (v *valuer) isEligible(a *Account, p *purchase, x *offered) bool {
	if x.why == reason.Activation {
		return v.whyNotFor(a, p, &x.offer.Audience) == 0
	}
	return x.why&^reason.Holdout == 0
}

// holdouts are those that the purchase valued last is under, in order of id, each
// once. They hold until the next call.
func (v *valuer) holdouts(a *Account) []rules.HoldoutDraw {
	v.draws = v.draws[:0]
	for i := range v.offered {
		if x := &v.offered[i]; v.isEligible(a, v.terms.purchase, x) {
			v.addHoldoutsOf(a, x)
		}
	}
	slices.SortFunc(v.draws, func(x, y rules.HoldoutDraw) int { return strings.Compare(x.ID, y.ID) })
	v.draws = slices.Compact(v.draws)
	return v.draws
}

func (v *valuer) addHoldoutsOf(a *Account, x *offered) {
	add := func(h *holdout) {
		if h != nil {
			v.draws = append(v.draws, rules.HoldoutDraw{ID: h.id, Held: v.holdsOut(a, h)})
		}
	}
	add(x.offer.holdout)
	if !x.offer.NotOfProgrammes {
		add(v.terms.programme.holdout)
	}
	for i := range x.candidate.boosts {
		if b := &x.candidate.boosts[i]; b.holdout != nil && v.whyNoBoost(a, v.terms.purchase, b) == 0 {
			add(b.holdout)
		}
	}
}
