package engine

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules"
)

// What the index says must be what going through the facts says: an account would
// earn otherwise from its seventeenth fact on.
func TestTheIndexSaysWhatTheFactsSay(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]string{"a", "b", "c"})
	words := rapid.SliceOfN(word, 0, 3)
	types := rapid.SampledFrom([]rules.FactType{
		rules.Enrolled, rules.Left, rules.CardLinked, rules.CardUnlinked, rules.LevelChanged, rules.OfferActivated, rules.OfferDeactivated, rules.SegmentAdded, rules.SegmentRemoved,
		rules.Adjustment,
	})
	rapid.Check(t, func(t *rapid.T) {
		a := NewAccount("acc")
		for i := range rapid.IntRange(0, 40).Draw(t, "facts") {
			f := rules.Fact{ID: fmt.Sprintf("f%d", i), Type: types.Draw(t, "type"), At: rules.Instant{Sec: rapid.Int64Range(0, 20).Draw(t, "at")}}
			switch f.Type {
			case rules.Enrolled:
				f.Programme, f.MemberID, f.Level = word.Draw(t, "programme"), word.Draw(t, "member"), word.Draw(t, "level")
				f.CardTokens, f.Segments = words.Draw(t, "cards"), words.Draw(t, "segments")
			case rules.OfferActivated, rules.OfferDeactivated:
				f.OfferID = rapid.SampledFrom([]string{"a", "b", "a/b", "b/a", "programme/a", "programme/b"}).Draw(t, "offer")
			default:
				f.CardToken, f.Segment, f.Level = word.Draw(t, "card"), word.Draw(t, "segment"), word.Draw(t, "level")
			}
			a.insertFact(&f)
		}
		x := indexFacts(a.id, a.facts)
		for sec := int64(-1); sec <= 21; sec++ {
			at := rules.Instant{Sec: sec}
			known := a.factsUntil(at)
			n := len(known)
			if got, want := x.standing(a.id, n), foldStanding(a.id, known); got != want {
				t.Fatalf("after %d facts the standing is %+v, not %+v", n, got, want)
			}
			for _, s := range [...]string{"a", "b", "c"} {
				if got, want := x.cardLinked(s, n), cardLinkedIn(known, s); got != want {
					t.Fatalf("after %d facts card %s linked: %v, not %v", n, s, got, want)
				}
				if got, want := x.inSegment(s, n), inSegmentOf(known, s); got != want {
					t.Fatalf("after %d facts in segment %s: %v, not %v", n, s, got, want)
				}
				for _, partner := range [...]string{"", "a", "b"} {
					if got, want := x.activated(partner, s, n), activatedIn(known, partner, s); got != want {
						t.Fatalf("after %d facts %s/%s activated: %v, not %v", n, partner, s, got, want)
					}
				}
			}
		}
	})
}
