package engine

import (
	"slices"
	"sort"
	"strings"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// standing is what an account's dated facts say of it at one instant.
type standing struct {
	enrolled  bool   // and not left
	left      bool   // left, and not enrolled again
	programme string // of the latest enrolment
	memberID  string
	level     string
	// Of the latest enrolment too:
	enrolledAt rules.Instant
	sponsor    string // account id; empty: none
	account    string // the account's own id
}

// factsUntil are the facts that count at t: those dated up to then, inclusive.
func (a *Account) factsUntil(t rules.Instant) []rules.Fact {
	return a.facts[:sort.Search(len(a.facts), func(i int) bool { return a.facts[i].At.After(t) })]
}

// standingAt works the facts out up to t, inclusive: facts count from their
// date on, those of one instant in order of id.
func (a *Account) standingAt(t rules.Instant) standing {
	known := a.factsUntil(t)
	if x := a.indexed(); x != nil {
		return x.standing(a.id, len(known))
	}
	return foldStanding(a.id, known)
}

func foldStanding(accountID string, facts []rules.Fact) standing {
	s := standing{account: accountID}
	for i := range facts {
		s.take(&facts[i])
	}
	return s
}

// take changes what a fact changes, if it does.
func (s *standing) take(f *rules.Fact) bool {
	switch f.Type {
	case rules.Enrolled:
		s.enrolled, s.left, s.programme, s.memberID, s.level = true, false, f.Programme, f.MemberID, f.Level
		s.enrolledAt, s.sponsor = f.At, f.SponsorAccountID
	case rules.Left:
		s.enrolled, s.left = false, true
	case rules.LevelChanged:
		s.level = f.Level
	default:
		return false
	}
	return true
}

// cardLinkedAt reports whether the card was linked at t. Links outlast
// enrolments: only card_unlinked ends one.
func (a *Account) cardLinkedAt(t rules.Instant, card string) bool {
	known := a.factsUntil(t)
	if x := a.indexed(); x != nil {
		return x.cardLinked(card, len(known))
	}
	return cardLinkedIn(known, card)
}

func cardLinkedIn(facts []rules.Fact, card string) bool {
	linked := false
	for i := range facts {
		f := &facts[i]
		switch f.Type {
		case rules.Enrolled:
			linked = linked || slices.Contains(f.CardTokens, card)
		case rules.CardLinked:
			linked = linked || f.CardToken == card
		case rules.CardUnlinked:
			linked = linked && f.CardToken != card
		}
	}
	return linked
}

// horizonDays is H at t: that of the settings in force then.
func (s *Snapshot) horizonDays(a *Account, t rules.Instant) int {
	if v := s.settingsAt(a, a.standingAt(t).programme, t); v != nil {
		return v.HorizonDays
	}
	return offer.DefaultHorizonDays
}

// settingsAt is the version in force at t of the programme whose settings hold for
// the account then, be it a member or not: that of its latest enrolment up to t,
// else the one that takes everyone, or took everyone last before t, else that of
// its first enrolment; nil: none.
func (s *Snapshot) settingsAt(a *Account, enrolledIn string, t rules.Instant) *programmeVersion {
	if enrolledIn == "" {
		if v := s.automaticAt(t); v != nil {
			return v
		}
		if v := s.wasAutomatic(t); v != nil {
			return v
		}
		enrolledIn = a.firstProgramme()
	}
	if i, ok := s.programmeIndex[enrolledIn]; ok {
		return s.programmeAt(i, t)
	}
	return nil
}

// refundDays is for how many days before t the programme looks for the purchase
// of an unlinked refund; 0: it doesn't.
func (s *Snapshot) refundDays(a *Account, enrolledIn string, t rules.Instant) int {
	if v := s.settingsAt(a, enrolledIn, t); v != nil {
		return v.UnlinkedRefundDays
	}
	return 0
}

// firstProgramme is that of the first enrolment; empty where none is known.
func (a *Account) firstProgramme() string {
	if x := a.indexed(); x != nil && len(x.enrolments) > 0 {
		return a.facts[x.enrolments[0]-1].Programme
	}
	if a.enrolments == 0 {
		return ""
	}
	for i := range a.facts {
		if a.facts[i].Type == rules.Enrolled {
			return a.facts[i].Programme
		}
	}
	return ""
}

// takesEvents reports whether events of the account made at t are kept: an
// enrolment is known, whatever its date, or all accounts are members at t.
func (s *Snapshot) takesEvents(a *Account, t rules.Instant) bool {
	return a.IsMember() || s.automaticAt(t) != nil
}

// programmeFor is the programme in which an account of this standing is at t:
// that of its enrolment, else the one that takes everyone; nil: none.
func (s *Snapshot) programmeFor(a *Account, at *standing, t rules.Instant) *programmeVersion {
	switch {
	case at.left:
		return nil
	case !at.enrolled:
		return s.automaticAt(t)
	}
	i, ok := s.programmeIndex[at.programme]
	if !ok {
		return nil
	}
	return s.programmeAt(i, t)
}

// cardCounts reports whether purchases with the card count for a member of the
// programme at t.
func (a *Account) cardCounts(v *programmeVersion, t rules.Instant, card string) bool {
	return v.Enrolment == offer.EnrolmentAutomatic || v.AllCards || a.cardLinkedAt(t, card)
}

// inSegmentAt reports whether the account was in one of the segments at t. An
// enrolment states them anew.
func (a *Account) inSegmentAt(t rules.Instant, segments []string) bool {
	known, x := a.factsUntil(t), a.indexed()
	return slices.ContainsFunc(segments, func(segment string) bool {
		if x != nil {
			return x.inSegment(segment, len(known))
		}
		return inSegmentOf(known, segment)
	})
}

func inSegmentOf(facts []rules.Fact, segment string) bool {
	in := false
	for i := range facts {
		f := &facts[i]
		switch f.Type {
		case rules.Enrolled:
			in = slices.Contains(f.Segments, segment)
		case rules.SegmentAdded:
			in = in || f.Segment == segment
		case rules.SegmentRemoved:
			in = in && f.Segment != segment
		}
	}
	return in
}

// namesOffer reports whether a fact that says so means the offer: by its id, or as
// partner/offer.
func namesOffer(said, partnerID, offerID string) bool {
	if said == offerID {
		return true
	}
	of, id, ok := strings.Cut(said, "/")
	return ok && id == offerID && (of == partnerID || partnerID == "" && of == rules.ProgrammeWord)
}

// activatedAt reports whether the member had activated the offer at t.
func (a *Account) activatedAt(t rules.Instant, partnerID, offerID string) bool {
	known := a.factsUntil(t)
	if x := a.indexed(); x != nil {
		return x.activated(partnerID, offerID, len(known))
	}
	return activatedIn(known, partnerID, offerID)
}

func activatedIn(facts []rules.Fact, partnerID, offerID string) bool {
	activated := false
	for i := range facts {
		f := &facts[i]
		if (f.Type == rules.OfferActivated || f.Type == rules.OfferDeactivated) && namesOffer(f.OfferID, partnerID, offerID) {
			activated = f.Type == rules.OfferActivated
		}
	}
	return activated
}
