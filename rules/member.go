package rules

import "slices"

// standing is what an account's dated facts say of it at one instant.
type standing struct {
	enrolled  bool   // and not left
	left      bool   // left, and not enrolled again
	programme string // of the latest enrolment
	memberID  string
	level     string
}

// standingAt works the facts out up to t, inclusive: facts count from their
// date on, those of one instant in order of id.
func (a *Account) standingAt(t Instant) standing {
	var s standing
	for i := range a.facts {
		f := &a.facts[i]
		if f.At.After(t) {
			break
		}
		switch f.Type {
		case Enrolled:
			s = standing{enrolled: true, programme: f.Programme, memberID: f.MemberID, level: f.Level}
		case Left:
			s.enrolled, s.left = false, true
		case LevelChanged:
			s.level = f.Level
		}
	}
	return s
}

// cardLinkedAt reports whether the card was linked at t. Links outlast
// enrolments: only card_unlinked ends one.
func (a *Account) cardLinkedAt(t Instant, card string) bool {
	linked := false
	for i := range a.facts {
		f := &a.facts[i]
		if f.At.After(t) {
			break
		}
		switch f.Type {
		case Enrolled:
			linked = linked || slices.Contains(f.CardTokens, card)
		case CardLinked:
			linked = linked || f.CardToken == card
		case CardUnlinked:
			linked = linked && f.CardToken != card
		}
	}
	return linked
}

// horizonDays is H at t: that of the version in force then, of the programme
// of the latest enrolment up to t, else of the first enrolment, else of the
// programme that takes everyone.
func (s *Snapshot) horizonDays(a *Account, t Instant) int {
	name := ""
	for i := range a.facts {
		if f := &a.facts[i]; f.Type == Enrolled && (name == "" || !f.At.After(t)) {
			name = f.Programme
		}
	}
	version := s.automaticAt(t)
	if name != "" {
		version = nil
		if i, ok := s.programmeIndex[name]; ok {
			version = s.programmeAt(i, t)
		}
	}
	if version == nil {
		return DefaultHorizonDays
	}
	return version.HorizonDays
}

// takesEvents reports whether events of the account made at t are kept: an
// enrolment is known, whatever its date, or all accounts are members at t.
func (s *Snapshot) takesEvents(a *Account, t Instant) bool {
	return a.IsMember() || s.automaticAt(t) != nil
}

// memberOf reports whether the account, with the card, was a member of the
// programme at t. why is 0 or the reason why not.
func (a *Account) memberOf(v *programmeVersion, t Instant, card string) (s standing, why reasons) {
	s = a.standingAt(t)
	automatic := v.Enrolment == EnrolmentAutomatic
	switch {
	case s.left, s.enrolled && s.programme != v.ID, !s.enrolled && !automatic:
		return s, whyNotMember
	case !automatic && !v.AllCards && !a.cardLinkedAt(t, card):
		return s, whyCard
	}
	return s, 0
}
