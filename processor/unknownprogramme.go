package processor

import (
	"time"

	"ristourne/rules"
	"ristourne/rules/engine"
)

// strangers are enrolments of a window in a programme that the catalogue doesn't
// have. They are kept, since it may be published later; until then their members
// earn nothing, and nobody would notice but them.
type strangers struct {
	enrolments int
	programme  string // of the last
}

// unknownProgrammePause is how long a shard says no more of such enrolments: a
// wrong import has a million of them.
const unknownProgrammePause = time.Minute

// look counts an enrolment that joins its account's set.
func (u *strangers) look(snapshot *engine.Snapshot, f *rules.Fact) {
	if f.Type == rules.Enrolled && !snapshot.HasProgramme(f.Programme) {
		u.enrolments++
		u.programme = f.Programme
	}
}

// warnOfStrangers tells of those of a saved window.
func (s *Shard) warnOfStrangers(u strangers) {
	if u.enrolments == 0 {
		return
	}
	s.metrics.unknownProgrammes.Add(float64(u.enrolments))
	s.unsaid += u.enrolments
	now := s.ports.Now()
	if now.Sub(s.saidAt) < unknownProgrammePause {
		return
	}
	s.log.Warn("members were enrolled in a programme that the catalogue doesn't have: they earn nothing until it is published, or they are enrolled anew",
		"programme", u.programme, "enrolments", s.unsaid)
	s.saidAt, s.unsaid = now, 0
}
