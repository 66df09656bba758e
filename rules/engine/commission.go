package engine

import (
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// commissionsOf is rules/README.md, "Commission": what the partner owes by its terms,
// and by offers that add a commission of their own. It comes before the cuts, which need it,
// and is lowered by none of them; what is agreed as cost-plus gets its amount
// after them.
func (v *valuer) commissionsOf(w world, a *Account, p *purchase) error {
	if v.terms.partner == nil {
		return nil
	}
	awarded := false
	awards := v.in[w].awards
	for i := range awards {
		o := awards[i].offer
		awarded = awarded || (awards[i].won && o.partner != "" && o.Reward.Form != 0)
	}
	deal := &v.terms.partner.Commission
	owed := awarded || deal.On == offer.OnSale && deal.Form != offer.CostPlusCommission
	if err := v.owe(w, a, p, nil, deal, v.terms.partner.Currency, owed); err != nil {
		return err
	}
	for i := range awards {
		o := awards[i].offer
		if !o.addsCommission() {
			continue
		}
		if err := v.owe(w, a, p, o, &o.Commission, o.Currency, awards[i].won); err != nil {
			return err
		}
	}
	return nil
}

// addsCommission reports that the partner owes more where the offer applies.
func (o *compiledOffer) addsCommission() bool { return o.partner != "" && !o.Commission.None() }

// owe appends one commission.
func (v *valuer) owe(w world, a *Account, p *purchase, o *compiledOffer, deal *offer.Commission, currency money.Currency, owed bool) error {
	b := v.basisOf(currency, a, p)
	c := commission{offer: o, currency: currency, basisMinor: b.minor[w]}
	switch {
	case deal.None():
	case !b.stated[w]:
		c.why = reason.Currency
	case c.basisMinor == 0:
		c.why = reason.NoBasis
	default:
		c.owed = owed
	}
	var err error
	if c.owed {
		c.minor, err = deal.Of(c.basisMinor, v.terms.programme.Rounding)
	}
	v.in[w].commissions = append(v.in[w].commissions, c)
	return err
}
