package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ristourne/deploy/localservers"
	"ristourne/deploy/localservers/localserverstest"
)

// TestMain lets this binary be the process in which the group Reader is measured.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "read" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestEveryCaseIsMeasured: each case comes to its end and counts what it is there
// to count.
func TestEveryCaseIsMeasured(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "ristourne")
	if out, err := exec.Command("go", "build", "-o", binary, "ristourne/cmd/ristourne").CombinedOutput(); err != nil {
		t.Fatalf("build the processor: %v\n%s", err, out)
	}
	const events = 10_000
	o := options{
		events: events, members: 300, stores: 100, partitions: 2, shares: []int{100},
		rates: []int{200}, rateShare: 50, rateSeconds: 5, parts: string(localserverstest.Options(t).Kind), ristourne: binary,
		keep: filepath.Join(t.TempDir(), "kept"), json: true, trial: true,
	}
	want := "kafka-go's group Reader; Ristourne, 100 %; Ristourne, 50 %, 200 events/s"
	if o.parts == string(localservers.Real) { // each case takes its seconds
		o.shares, o.zipf, o.purchases = []int{5, 100}, true, []int{10}
		want = "kafka-go's group Reader; Ristourne, 5 %; Ristourne, 100 %; Ristourne, 100 %, Zipf; Ristourne, 10 purchases an account; Ristourne, 50 %, 200 events/s"
	}
	var out, log bytes.Buffer
	if err := run(t.Context(), &out, &log, o); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	var measures []measure
	if err := json.Unmarshal(out.Bytes(), &measures); err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(measures))
	for i := range measures {
		m := &measures[i]
		names[i] = m.Name
		if m.Events <= 0 || m.Events > events || m.Seconds <= 0 || m.Mallocs <= 0 || m.ResidentBytes < 1<<20 {
			t.Errorf("%+v", m)
		}
	}
	if got := strings.Join(names, "; "); got != want {
		t.Errorf("measured is %s", got)
	}
	paced := &measures[len(measures)-1]
	if paced.Events != 200*5 || paced.LedgerRows == 0 || paced.BookedP50 <= 0 || paced.BookedP99 < paced.BookedP50 {
		t.Errorf("at a rate: %+v", paced)
	}
	for _, kept := range []string{"s100.run.log", "r200.enrol.log"} {
		if files, err := filepath.Glob(filepath.Join(o.keep, kept)); err != nil || len(files) != 1 {
			t.Errorf("no %s is kept", kept)
		}
	}
}
