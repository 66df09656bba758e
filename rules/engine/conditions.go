package engine

import (
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// offered is one offer of the place of a purchase, as far as it is the same in
// both worlds.
type offered struct {
	offer     *compiledOffer
	candidate *candidate
	boosts    []activeBoost
	why       reason.Set // why it does not apply; 0: nothing known against it yet
}

// findOffers is step 2 as far as it is the same in both worlds: the offers of
// the store and the programme's own, in order of strength.
func (e *Engine) findOffers(a *Account, p *purchase) {
	e.offered, e.active = e.offered[:0], e.active[:0]
	var atStore, own []candidate
	if e.terms.store != nil {
		atStore = e.terms.store.candidatesIn(e.storeZone())
	}
	if e.terms.programme.candidates != nil {
		own = e.terms.programme.candidates[e.storeZone().String()]
	}
	for len(atStore)+len(own) > 0 {
		list := &atStore
		if len(atStore) == 0 || (len(own) > 0 && strongerThan(own[0].offer, atStore[0].offer)) {
			list = &own
		}
		e.lookAt(a, p, &(*list)[0])
		*list = (*list)[1:]
	}
}

// storeZone is by whose wall clock the purchase is looked at: the store's,
// whosever it is, else the programme's.
func (e *Engine) storeZone() *time.Location {
	if e.terms.anyStore != nil {
		return e.snapshot.zoneAt(e.terms.anyStore, e.terms.purchase.at)
	}
	return e.terms.programme.Zone
}

func strongerThan(o, than *compiledOffer) bool {
	if o.Priority != than.Priority {
		return o.Priority > than.Priority
	}
	return o.ID < than.ID
}

// lookAt notes an offer with why it doesn't apply, or what raises it.
func (e *Engine) lookAt(a *Account, p *purchase, c *candidate) {
	x := offered{offer: c.offer, candidate: c, why: e.whyNot(a, p, c)}
	if x.why == 0 {
		x.why = e.whyHeldOut(a, c.offer)
	}
	if x.why == 0 && len(c.boosts) > 0 {
		from := len(e.active)
		e.findBoosts(a, p, c)
		x.boosts = e.active[from:len(e.active):len(e.active)]
	}
	e.offered = append(e.offered, x)
}

// whyNot is the first condition that doesn't hold. A condition on something
// unknown doesn't.
func (e *Engine) whyNot(a *Account, p *purchase, c *candidate) reason.Set {
	asked, anchor := &c.offer.Conditions, e.terms.anchor
	switch {
	case !c.contains(p.at):
		return reason.Window
	case !c.when.contains(p.at, &e.clock):
		return reason.Hours
	case len(asked.Channels) > 0 && !slices.Contains(asked.Channels, anchor.channel):
		return reason.Channel
	case !asked.TakesMCC(anchor.mcc):
		return reason.MCC
	case len(asked.Countries) > 0 && !slices.Contains(asked.Countries, anchor.country):
		return reason.Country
	case len(asked.PaidIn) > 0 && !slices.Contains(asked.PaidIn, anchor.currency):
		return reason.PaidIn
	case c.offer.kind == rules.Points && (e.terms.programme.Points.Code != c.offer.unit || e.terms.programme.Currency != c.offer.Currency):
		return reason.Currency
	case asked.Audience.Activated && !a.activatedAt(p.at, c.offer.partner, c.offer.ID):
		return reason.Activation
	}
	return e.whyNotFor(a, p, &asked.Audience)
}

// whyNotFor is why the member, as of purchase time, is not of the audience.
func (e *Engine) whyNotFor(a *Account, p *purchase, asked *offer.Audience) reason.Set {
	s := e.terms.standing
	switch {
	case len(asked.Levels) > 0 && (s.level == "" || !slices.Contains(asked.Levels, s.level)):
		return reason.Level
	case len(asked.Segments) > 0 && !a.inSegmentAt(p.at, asked.Segments):
		return reason.Segment
	case len(asked.CardProducts) > 0 && !slices.Contains(asked.CardProducts, e.terms.anchor.cardProduct):
		return reason.CardProduct
	}
	if asked.EnrolledSince.IsZero() && asked.EnrolledForDays == 0 && asked.EnrolledWithinDays == 0 {
		return 0
	}
	switch at := s.enrolledAt; {
	case !s.enrolled, // taken in automatically: nobody knows when
		!asked.EnrolledSince.IsZero() && at.Before(asked.EnrolledSince.In(e.terms.programme.Zone)),
		asked.EnrolledForDays > 0 && p.at.Before(at.AddDays(asked.EnrolledForDays)),
		asked.EnrolledWithinDays > 0 && !p.at.Before(at.AddDays(asked.EnrolledWithinDays)):
		return reason.Enrolled
	}
	return 0
}

// rank is the rest of step 2: the conditions that depend on the purchases
// before. Events more than H days after the purchase leave them as they were
// without them.
func (e *Engine) rank(w world, a *Account, p *purchase) {
	for i := range e.worth[w].awards {
		aw := &e.worth[w].awards[i]
		o := aw.offer
		if e.terms.tally.withLate {
			e.rankAsRecorded(w, p, aw)
			continue
		}
		if o.FirstPurchase || o.LapsedDays > 0 {
			aw.why |= e.whyNotByHistory(w, a, p, o)
		}
		if len(o.visits)+len(o.goalsReached) == 0 || aw.why&reason.NoAward != 0 {
			continue
		}
		aw.visit = o.once < 0 || e.counters.used(w, p, &o.visits[o.once]) == 0
		if !aw.visit {
			aw.why |= reason.Visit
			continue
		}
		if o.every >= 0 && (e.counters.used(w, p, &o.visits[o.every])+1)%int64(o.Every.N) != 0 {
			aw.why |= reason.Visit
		}
		if o.goal < 0 {
			continue
		}
		goal := &o.goals[o.goal]
		aw.goals = o.Goal.ReachedWith(e.counters.used(w, p, &goal.sum), aw.basisMinor)
		if !o.Goal.Again && e.counters.used(w, p, &goal.reached) > 0 {
			aw.goals = 0
		}
		if aw.goals == 0 {
			aw.why |= reason.Goal
		}
	}
}

func (e *Engine) rankAsRecorded(w world, p *purchase, aw *award) {
	o := aw.offer
	if o.every < 0 && o.goal < 0 && !o.FirstPurchase && o.LapsedDays == 0 {
		return
	}
	r := e.recordedOf(w, p, o)
	switch {
	case r == nil:
		aw.why |= reason.Ranked & o.asksRank()
	case !r.visit && (o.every >= 0 || o.goal >= 0):
		aw.why |= reason.Ranked & (o.asksRank() &^ (reason.First | reason.Lapsed))
		fallthrough
	default:
		aw.why |= r.why & reason.Ranked
		aw.goals = r.goals
	}
}

// asksRank are the reasons that the offer can give for a purchase's rank.
func (o *compiledOffer) asksRank() reason.Set {
	var asks reason.Set
	if o.every >= 0 {
		asks |= reason.Visit
	}
	if o.goal >= 0 {
		asks |= reason.Goal
	}
	if o.FirstPurchase {
		asks |= reason.First
	}
	if o.LapsedDays > 0 {
		asks |= reason.Lapsed
	}
	return asks
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

// whyNotByHistory asks for no purchase before, or for none lately.
func (e *Engine) whyNotByHistory(w world, a *Account, p *purchase, o *compiledOffer) reason.Set {
	var why reason.Set
	programme := ""
	if o.partner == "" {
		programme = e.terms.programme.ID
	}
	past := e.past(programme, o.partner, o.Currency)
	if o.FirstPurchase && past.any[w] {
		why |= reason.First
	}
	if o.LapsedDays > 0 && (!past.any[w] || p.at.Before(past.last[w].AddDays(o.LapsedDays))) {
		why |= reason.Lapsed
	}
	return why
}

// past is valid until the next call.
func (e *Engine) past(programmeID, partnerID string, c money.Currency) *pastPurchases {
	i, known := e.pastNumbers.of(pastKey{programmeID, partnerID, c})
	if !known {
		e.pasts = append(e.pasts, pastPurchases{})
	}
	return &e.pasts[i]
}

// noteHistory notes that a purchase of a member was made, where something of it
// is left: for its partner and for anywhere, in each currency in which an offer
// asks.
func (e *Engine) noteHistory(a *Account, p *purchase) {
	if !e.terms.member {
		return
	}
	programme := e.terms.programme.ID
	for _, c := range e.snapshot.historyCurrencies {
		left := e.leftOf(a, p, c)
		for w := range numWorlds {
			if !left[w] {
				continue
			}
			anywhere := e.past(programme, "", c)
			anywhere.any[w], anywhere.last[w] = true, p.at
			if e.terms.anyStore != nil { // perhaps a partner of another programme than the member's
				there := e.past("", e.terms.anchor.match.PartnerID, c)
				there.any[w], there.last[w] = true, p.at
			}
		}
	}
}

// leftOf reports whether the purchase has a basis, as an offer in this currency
// sees it. Where not all that counts is stated in the currency, any other says
// so in which it is; where there is none, something is left if it is in one of
// them. A customer who paid abroad is no new one because the bank said no rate.
func (e *Engine) leftOf(a *Account, p *purchase, c money.Currency) (left [numWorlds]bool) {
	b := *e.basisOf(c, a, p)
	if b.stated == [numWorlds]bool{true, true} {
		return [numWorlds]bool{b.minor[confirmedWorld] > 0, b.minor[expectedWorld] > 0}
	}
	var stated, inPart [numWorlds]bool
	look := func(c money.Currency) {
		b := *e.basisOf(c, a, p)
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
