package processor

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"ristourne/processor/feed"
)

// Enrolments in a programme that nobody knows are kept, counted once each, and
// told of once a minute: their members earn nothing, and the sums don't show it.
func TestEnrolmentsInAnUnknownProgrammeAreToldOf(t *testing.T) {
	t.Parallel()
	s := newSaleShard(t, 1_000)
	clock, log := new(handClock), new(bytes.Buffer)
	clock.advance(time.Hour)
	s.ports.Now, s.log = clock.now, slog.New(slog.NewTextHandler(log, nil))
	enrol := func(account, programme string) feed.Record {
		r := enrolment(account)
		r.Value = bytes.Replace(r.Value, []byte(`"town"`), fmt.Appendf(nil, "%q", programme), 1)
		return r
	}
	// c's purchase finds the sale's budget short, and the window is decided twice.
	if err := s.take(t, enrolment("c"), enrol("a", "tovvn"), enrol("b", "tovvn"), purchase("c", "p"), enrol("b", "tovvn")); err != nil {
		t.Fatal(err)
	}
	if err := s.take(t, enrol("d", "T0WN")); err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, s.metrics.unknownProgrammes); got != 3 {
		t.Errorf("%v are counted, want 3", got)
	}
	if text := log.String(); strings.Count(text, "earn nothing") != 1 || !strings.Contains(text, "programme=tovvn enrolments=2") {
		t.Errorf("the log says\n%s", text)
	}
	clock.advance(unknownProgrammePause)
	if err := s.take(t, enrol("e", "T0WN")); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); strings.Count(text, "earn nothing") != 2 || !strings.Contains(text, "programme=T0WN enrolments=2") {
		t.Errorf("a minute later the log says\n%s", text)
	}
}
