package engine

import (
	"slices"
	"time"

	"ristourne/rules"
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

// findOffers is rules/README.md, "Which offers apply", as far as it is the same in
// both worlds: the offers of the store and the programme's own, in order of strength.
func (v *valuer) findOffers(a *Account, p *purchase) {
	v.offered, v.active = v.offered[:0], v.active[:0]
	var atStore, own []candidate
	if v.terms.store != nil {
		atStore = v.terms.store.candidatesIn(v.storeZone())
	}
	if v.terms.programme.candidates != nil {
		own = v.terms.programme.candidates[v.storeZone().String()]
	}
	for len(atStore)+len(own) > 0 {
		list := &atStore
		if len(atStore) == 0 || (len(own) > 0 && strongerThan(own[0].offer, atStore[0].offer)) {
			list = &own
		}
		v.lookAt(a, p, &(*list)[0])
		*list = (*list)[1:]
	}
}

// storeZone is by whose wall clock the purchase is looked at: the store's,
// whosever it is, else the programme's.
func (v *valuer) storeZone() *time.Location {
	if v.terms.anyStore != nil {
		return v.snapshot.zoneAt(v.terms.anyStore, v.terms.purchase.at)
	}
	return v.terms.programme.Zone
}

func strongerThan(o, than *compiledOffer) bool {
	if o.Priority != than.Priority {
		return o.Priority > than.Priority
	}
	return o.ID < than.ID
}

// lookAt notes an offer with why it doesn't apply, or what raises it.
func (v *valuer) lookAt(a *Account, p *purchase, c *candidate) {
	x := offered{offer: c.offer, candidate: c, why: v.whyNot(a, p, c)}
	if x.why == 0 {
		x.why = v.whyHeldOut(a, c.offer)
	}
	if x.why == 0 && len(c.boosts) > 0 {
		from := len(v.active)
		v.findBoosts(a, p, c)
		x.boosts = v.active[from:len(v.active):len(v.active)]
	}
	v.offered = append(v.offered, x)
}

// whyNot is the first condition that doesn't hold. A condition on something
// unknown doesn't.
func (v *valuer) whyNot(a *Account, p *purchase, c *candidate) reason.Set {
	asked, anchor := &c.offer.Conditions, v.terms.anchor
	switch {
	case !c.contains(p.at):
		return reason.Window
	case !c.when.contains(p.at, &v.clock):
		return reason.Hours
	case len(asked.Channels) > 0 && !slices.Contains(asked.Channels, anchor.channel):
		return reason.Channel
	case !asked.TakesMCC(anchor.mcc):
		return reason.MCC
	case len(asked.Countries) > 0 && !slices.Contains(asked.Countries, anchor.country):
		return reason.Country
	case len(asked.PaidIn) > 0 && !slices.Contains(asked.PaidIn, anchor.currency):
		return reason.PaidIn
	case c.offer.kind == rules.Points && (v.terms.programme.Points.Code != c.offer.unit || v.terms.programme.Currency != c.offer.Currency):
		return reason.Currency
	case asked.Audience.Activated && !a.activatedAt(p.at, c.offer.partner, c.offer.ID):
		return reason.Activation
	}
	return v.whyNotFor(a, p, &asked.Audience)
}

// whyNotFor is why the member, as of purchase time, is not of the audience.
func (v *valuer) whyNotFor(a *Account, p *purchase, asked *offer.Audience) reason.Set {
	s := v.terms.standing
	switch {
	case len(asked.Levels) > 0 && (s.level == "" || !slices.Contains(asked.Levels, s.level)):
		return reason.Level
	case len(asked.Segments) > 0 && !a.inSegmentAt(p.at, asked.Segments):
		return reason.Segment
	case len(asked.CardProducts) > 0 && !slices.Contains(asked.CardProducts, v.terms.anchor.cardProduct):
		return reason.CardProduct
	}
	if asked.EnrolledSince.IsZero() && asked.EnrolledForDays == 0 && asked.EnrolledWithinDays == 0 {
		return 0
	}
	switch at := s.enrolledAt; {
	case !s.enrolled, // taken in automatically: nobody knows when
		!asked.EnrolledSince.IsZero() && at.Before(asked.EnrolledSince.In(v.terms.programme.Zone)),
		asked.EnrolledForDays > 0 && p.at.Before(at.AddDays(asked.EnrolledForDays)),
		asked.EnrolledWithinDays > 0 && !p.at.Before(at.AddDays(asked.EnrolledWithinDays)):
		return reason.Enrolled
	}
	return 0
}

// rank is the rest of it: the conditions that depend on the purchases before. Events more than H days after the purchase leave them as they were
// without them.
func (v *valuer) rank(w world, a *Account, p *purchase) {
	for i := range v.in[w].awards {
		aw := &v.in[w].awards[i]
		o := aw.offer
		if v.terms.tally.withLate {
			rankAsRecorded(aw)
			continue
		}
		if o.FirstPurchase || o.LapsedDays > 0 {
			aw.why |= v.whyNotByHistory(w, a, p, o)
		}
		if len(o.visits)+len(o.goalsReached) == 0 || aw.why&reason.NoAward != 0 {
			continue
		}
		aw.visit = o.once < 0 || v.counters.used(w, p, &o.visits[o.once]) == 0
		if !aw.visit {
			aw.why |= reason.Visit
			continue
		}
		if o.every >= 0 && (v.counters.used(w, p, &o.visits[o.every])+1)%int64(o.Every.N) != 0 {
			aw.why |= reason.Visit
		}
		if o.goal < 0 {
			continue
		}
		goal := &o.goals[o.goal]
		aw.goals = o.Goal.ReachedWith(v.counters.used(w, p, &goal.sum), aw.basisMinor)
		if !o.Goal.Again && v.counters.used(w, p, &goal.reached) > 0 {
			aw.goals = 0
		}
		if aw.goals == 0 {
			aw.why |= reason.Goal
		}
	}
}

func rankAsRecorded(aw *award) {
	o := aw.offer
	if o.every < 0 && o.goal < 0 && !o.FirstPurchase && o.LapsedDays == 0 {
		return
	}
	switch r := aw.withoutLate; {
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

// whyNotByHistory asks for no purchase before, or for none lately.
func (v *valuer) whyNotByHistory(w world, a *Account, p *purchase, o *compiledOffer) reason.Set {
	var why reason.Set
	programme := ""
	if o.partner == "" {
		programme = v.terms.programme.ID
	}
	past := v.past(programme, o.partner, o.Currency)
	if o.FirstPurchase && past.any[w] {
		why |= reason.First
	}
	if o.LapsedDays > 0 && (!past.any[w] || p.at.Before(past.last[w].AddDays(o.LapsedDays))) {
		why |= reason.Lapsed
	}
	return why
}
