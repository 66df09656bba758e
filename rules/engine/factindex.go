package engine

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"ristourne/rules"
)

// fewFacts is up to where going through all facts is faster than an index: most
// accounts have two or three. With thousands, each of thousands of purchases would
// go through them.
const fewFacts = 16

// factIndex answers what the facts up to one say. Positions in it are numbers of
// facts: what holds after the first n.
type factIndex struct {
	standings  []datedStanding // after each fact that changes it
	enrolments []int           // after which facts the account was enrolled anew
	cards      map[string]turns
	segments   map[string]turns
	offers     map[saidOffer]turns
}

type datedStanding struct {
	after int
	standing
}

// turns are when something was switched on or off, in order.
type turns []turn

type turn struct {
	after int
	on    bool
}

// saidOffer is an offer as facts name it: with its partner, or the word for the
// programme's own, or without.
type saidOffer struct{ partner, offer string }

func (t turns) until(n int) (last turn, any bool) {
	i := sort.Search(len(t), func(i int) bool { return t[i].after > n })
	if i == 0 {
		return turn{}, false
	}
	return t[i-1], true
}

// indexed is the index of the account's facts; nil: they are few.
func (a *Account) indexed() *factIndex {
	if len(a.facts) <= fewFacts {
		return nil
	}
	if a.factIndex == nil {
		a.factIndex = indexFacts(a.id, a.facts)
	}
	return a.factIndex
}

func indexFacts(accountID string, facts []rules.Fact) *factIndex {
	x := &factIndex{cards: map[string]turns{}, segments: map[string]turns{}, offers: map[saidOffer]turns{}}
	s := standing{account: accountID}
	for i := range facts {
		f, after := &facts[i], i+1
		if s.take(f) {
			x.standings = append(x.standings, datedStanding{after, s})
		}
		switch f.Type {
		case rules.Enrolled:
			x.enrolments = append(x.enrolments, after)
			for _, card := range f.CardTokens {
				x.cards[card] = append(x.cards[card], turn{after, true})
			}
			for _, segment := range f.Segments {
				x.segments[segment] = append(x.segments[segment], turn{after, true})
			}
		case rules.CardLinked, rules.CardUnlinked:
			x.cards[f.CardToken] = append(x.cards[f.CardToken], turn{after, f.Type == rules.CardLinked})
		case rules.SegmentAdded, rules.SegmentRemoved:
			x.segments[f.Segment] = append(x.segments[f.Segment], turn{after, f.Type == rules.SegmentAdded})
		case rules.OfferActivated, rules.OfferDeactivated:
			said := saidOffer{offer: f.OfferID}
			if partner, id, ok := strings.Cut(f.OfferID, "/"); ok {
				said = saidOffer{partner, id}
			}
			x.offers[said] = append(x.offers[said], turn{after, f.Type == rules.OfferActivated})
		default: // says nothing of the member
		}
	}
	return x
}

func (x *factIndex) standing(accountID string, n int) standing {
	i := sort.Search(len(x.standings), func(i int) bool { return x.standings[i].after > n })
	if i == 0 {
		return standing{account: accountID}
	}
	return x.standings[i-1].standing
}

func (x *factIndex) cardLinked(card string, n int) bool {
	last, any := x.cards[card].until(n)
	return any && last.on
}

// inSegment: an enrolment states the segments anew, those that it doesn't name too.
func (x *factIndex) inSegment(segment string, n int) bool {
	last, any := x.segments[segment].until(n)
	return any && last.on && last.after >= x.enrolledLast(n)
}

// enrolledLast is after which of the first n facts the account was enrolled last;
// 0: after none.
func (x *factIndex) enrolledLast(n int) int {
	i, _ := slices.BinarySearch(x.enrolments, n+1)
	if i == 0 {
		return 0
	}
	return x.enrolments[i-1]
}

func (x *factIndex) activated(partnerID, offerID string, n int) bool {
	var last turn
	for _, said := range [...]saidOffer{{offer: offerID}, {cmp.Or(partnerID, rules.ProgrammeWord), offerID}} {
		if t, any := x.offers[said].until(n); any && t.after > last.after {
			last = t
		}
	}
	return last.on
}
