package engine

import (
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/reason"
)

// history is what the valuer keeps of the purchases of a run that it has valued
// before: for offers that ask for no purchase before, or for none lately, and for
// purchases that are valued once more with their late events.
type history struct {
	pasts       []pastPurchases
	pastNumbers numbering[pastKey]
	recorded    []awardWithoutLate
}

// reset forgets all before a run.
func (h *history) reset() {
	h.pasts, h.recorded = h.pasts[:0], h.recorded[:0]
	h.pastNumbers.reset()
}

// pastKey is whose purchases before the one at hand are meant: those made at one
// partner as a member of whichever programme (programme ""), or as a member of one
// programme anywhere (partner ""), as an offer in one currency sees them.
type pastKey struct {
	programme, partner string
	currency           money.Currency
}

// pastPurchases is what is known of them, in each world.
type pastPurchases struct {
	any  [numWorlds]bool
	last [numWorlds]rules.Instant // the latest of them, where there is any
}

// past is valid until the next call.
func (h *history) past(programmeID, partnerID string, c money.Currency) *pastPurchases {
	i, known := h.pastNumbers.of(pastKey{programmeID, partnerID, c})
	if !known {
		h.pasts = append(h.pasts, pastPurchases{})
	}
	return &h.pasts[i]
}

// noteHistory notes that the purchase valued last was made, where it is a member's
// and something of it is left: for its partner and for anywhere, in each currency
// in which an offer asks.
func (v *valuer) noteHistory(a *Account) {
	if !v.terms.member {
		return
	}
	p := v.terms.purchase
	programme := v.terms.programme.ID
	for _, c := range v.snapshot.historyCurrencies {
		left := v.leftOf(a, p, c)
		for w := range numWorlds {
			if !left[w] {
				continue
			}
			anywhere := v.past(programme, "", c)
			anywhere.any[w], anywhere.last[w] = true, p.at
			if v.terms.anyStore != nil { // perhaps a partner of another programme than the member's
				there := v.past("", v.terms.anchor.match.PartnerID, c)
				there.any[w], there.last[w] = true, p.at
			}
		}
	}
}

// leftOf reports whether the purchase has a basis, as an offer in this currency
// sees it. Where not all that counts is stated in the currency, any other says
// so in which it is; where there is none, something is left if it is in one of
// them. A customer who paid abroad is no new one because the bank said no rate.
func (v *valuer) leftOf(a *Account, p *purchase, c money.Currency) (left [numWorlds]bool) {
	b := *v.basisOf(c, a, p)
	if b.stated == [numWorlds]bool{true, true} {
		return [numWorlds]bool{b.minor[confirmedWorld] > 0, b.minor[expectedWorld] > 0}
	}
	var stated, inPart [numWorlds]bool
	look := func(c money.Currency) {
		b := *v.basisOf(c, a, p)
		for w := range numWorlds {
			stated[w] = stated[w] || b.stated[w]
			left[w] = left[w] || (b.stated[w] && b.minor[w] > 0)
			inPart[w] = inPart[w] || b.minor[w] > 0
		}
	}
	for i := p.events; i >= 0; i = a.events[i].next {
		if look(a.events[i].currency); a.events[i].billing != (money.Currency{}) {
			look(a.events[i].billing)
		}
	}
	for w := range numWorlds {
		switch {
		case b.stated[w]:
			left[w] = b.minor[w] > 0
		case !stated[w]:
			left[w] = inPart[w]
		}
	}
	return left
}

// awardWithoutLate is what an award of a purchase with late events was without
// them.
type awardWithoutLate struct {
	offer     *compiledOffer
	world     world
	minor     int64
	visit     bool
	goals     int64
	sponsored bool
	// sponsorMinor is what it gave the buyer's sponsor, before their caps.
	sponsorMinor int64
	why          reason.Set
}

// awardOf is what an offer was for p without its late events; nil: nothing,
// since nothing else opens the purchase.
func (h *history) awardOf(w world, p *purchase, o *compiledOffer) *awardWithoutLate {
	for i := p.awardsFrom; i < p.awardsTo; i++ {
		if r := &h.recorded[i]; r.world == w && r.offer == o {
			return r
		}
	}
	return nil
}

// record keeps what a purchase with late events is without them.
func (h *history) record(x *worth) {
	p := x.terms.purchase
	p.awardsFrom = int32(len(h.recorded))
	for w := range numWorlds {
		for i := range x.in[w].awards {
			aw := &x.in[w].awards[i]
			h.recorded = append(h.recorded, awardWithoutLate{
				offer: aw.offer, world: w, minor: aw.finalMinor, visit: aw.visit, goals: aw.goals,
				sponsored: aw.sponsored, sponsorMinor: aw.sponsorMinor, why: aw.why,
			})
		}
	}
	p.awardsTo = int32(len(h.recorded))
}
