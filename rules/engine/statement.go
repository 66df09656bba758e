package engine

import (
	"cmp"
	"unicode/utf8"

	"ristourne/rules"
	"ristourne/rules/sepa"
)

// This file is what a cardholder reads of an instruction: its length, and the
// letters that a bank takes.

const maxStatementRunes = 140

// cutStatement cuts a text to what a statement holds. A name is never refused
// for being long: the money is due all the same.
func cutStatement(text string) string {
	if len(text) <= maxStatementRunes || utf8.RuneCountInString(text) <= maxStatementRunes {
		return text
	}
	return string([]rune(text)[:maxStatementRunes])
}

// statedAt is of what time the programme is that says how a statement is written.
func (d *decision) statedAt() rules.Instant {
	if d.repair > 0 {
		return rules.InstantOfMillis(d.cause.RecordedAt)
	}
	return d.at
}

// inLettersOf is the text in the letters that the programme allows at t.
func (s *Snapshot) inLettersOf(programmeID string, t rules.Instant, text string) string {
	if i, ok := s.programmeIndex[programmeID]; ok {
		if v := s.programmeAt(i, t); v != nil && v.SEPAStatements {
			return cmp.Or(sepa.Letters(text), defaultProgrammeName)
		}
	}
	return text
}
