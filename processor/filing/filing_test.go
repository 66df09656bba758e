package filing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

var (
	eur     = money.Currency{'E', 'U', 'R'}
	errDied = errors.New("died")
)

// world is what exports share: the ledger, the folder of the bank, the clock. Each step
// of an export on it is one at a time, in an order that a seed decides; an export may
// die before or after any.
type world struct {
	now          time.Time
	instructions []rules.Instruction
	files        []kept
	folder       map[string][]byte
	faults       []string
	answered     map[string]bool
}

func newWorld(instructions int) *world {
	w := &world{now: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC), folder: map[string][]byte{}}
	for n := range instructions {
		w.instructions = append(w.instructions, rules.Instruction{
			ID: fmt.Sprintf("RI-%02d", n), Direction: rules.Credit, AmountMinor: 100, Currency: eur, Programme: fmt.Sprintf("p%d", n%2), CreatedAt: int64(n),
		})
	}
	return w
}

// kept is a file with all that was ever said of it.
type kept struct {
	Recorded
	withdrawn bool
}

// hand is one export at work in the world.
type hand struct {
	*world
	name string
	step func() error // waits for its turn; an error: it is dead
}

func (h *hand) do(what func()) error {
	if err := h.step(); err != nil {
		return err
	}
	what()
	return h.step() // it may die once it is done, too, and not hear of it
}

func (h *hand) Unfiled(_ context.Context, each func(*rules.Instruction) error) error {
	var found []rules.Instruction
	if err := h.do(func() {
		for _, i := range h.instructions {
			if !slices.ContainsFunc(h.files, func(f kept) bool { return f.stands() && slices.Contains(f.InstructionIDs, i.ID) }) {
				found = append(found, i)
			}
		}
	}); err != nil {
		return err
	}
	for i := range found {
		if err := each(&found[i]); err != nil {
			return err
		}
	}
	return nil
}

// stands: what was sealed stands over what was withdrawn.
func (f *kept) stands() bool { return f.Sealed || f.Written || !f.withdrawn }

func (h *hand) InstructionsOf(_ context.Context, ids []string) (all []rules.Instruction, err error) {
	for _, id := range ids {
		all = append(all, h.instructions[slices.IndexFunc(h.instructions, func(i rules.Instruction) bool { return i.ID == id })])
	}
	return all, nil
}

func (h *hand) Record(_ context.Context, f *rules.PaymentFile) error {
	return h.do(func() { h.files = append(h.files, kept{Recorded: Recorded{PaymentFile: *f}}) })
}

func (h *hand) Unwritten(context.Context) (found []Recorded, err error) {
	err = h.do(func() {
		for _, f := range h.files {
			if !f.Written && f.stands() {
				found = append(found, f.Recorded)
			}
		}
	})
	return found, err
}

func (h *hand) Sharing(_ context.Context, id string) (found []Recorded, err error) {
	err = h.do(func() {
		own := h.files[slices.IndexFunc(h.files, func(f kept) bool { return f.ID == id })]
		for _, f := range h.files {
			if f.ID != id && f.stands() && slices.ContainsFunc(f.InstructionIDs, func(i string) bool { return slices.Contains(own.InstructionIDs, i) }) {
				found = append(found, f.Recorded)
			}
		}
	})
	return found, err
}

func (h *hand) Answered(_ context.Context, ids []string) (n int, err error) {
	err = h.do(func() {
		for _, id := range ids {
			if h.answered[id] {
				n++
			}
		}
	})
	return n, err
}

func (h *hand) mark(id string, as func(*kept)) error {
	return h.do(func() { as(&h.files[slices.IndexFunc(h.files, func(f kept) bool { return f.ID == id })]) })
}

func (h *hand) Sealed(_ context.Context, id string) error {
	return h.mark(id, func(f *kept) { f.Sealed = true })
}

func (h *hand) Written(_ context.Context, id string) error {
	return h.mark(id, func(f *kept) { f.Written = true })
}

func (h *hand) Withdrawn(_ context.Context, id string) error {
	return h.mark(id, func(f *kept) { f.withdrawn = true })
}

func (h *hand) export() *Export {
	return &Export{Ledger: h, Now: func() time.Time { return h.now }, Writer: Writer{
		Check: func(i *rules.Instruction, _ *rules.Debtor) error {
			if i.AmountMinor == 13 {
				return errors.New("unlucky")
			}
			return nil
		},
		Name: func(f *rules.PaymentFile) string { return f.ID },
		Render: func(f *rules.PaymentFile, instructions []rules.Instruction) ([]byte, error) {
			text := f.ID + f.Debtor.IBAN + fmt.Sprint(f.CreatedAt)
			for i := range instructions {
				text += " " + instructions[i].ID
			}
			return []byte(text), nil
		},
		Write: func(name string, content []byte) error {
			return h.do(func() {
				if there, is := h.folder[name]; is && !bytes.Equal(there, content) {
					h.faults = append(h.faults, "a file was written with two contents: "+name)
				}
				h.folder[name] = content
			})
		},
	}}
}

func (h *hand) run(t *testing.T) (Exported, error) {
	return h.export().Run(t.Context(), Order{
		Format: rules.Pain001, ExecutionDate: "2026-03-03", By: h.name,
		Debtor: func(programme string) *rules.Debtor {
			return &rules.Debtor{IBAN: "FR" + programme, ServiceLevel: "SEPA"}
		},
	})
}

func alive() error { return nil }

// inFiles is in how many files of the folder an instruction is.
func (w *world) inFiles(id string) (n int) {
	for _, content := range w.folder {
		if slices.Contains(strings.Fields(string(content)), id) {
			n++
		}
	}
	return n
}

// TestNoInstructionIsInTwoFiles: however the steps of exports that run at once follow
// one another, and wherever one dies, in the end each instruction is in one file, and
// each file has one content.
func TestNoInstructionIsInTwoFiles(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		w := newWorld(4)
		rng := rand.New(rand.NewPCG(seed, 1))
		w.race(t, rng, 2+rng.IntN(2))
		w.finish(t)
		for _, i := range w.instructions {
			if n := w.inFiles(i.ID); n != 1 {
				t.Fatalf("seed %d: instruction %s is in %d files: %v", seed, i.ID, n, w.folder)
			}
		}
		if len(w.faults) > 0 {
			t.Fatalf("seed %d: %v", seed, w.faults)
		}
	}
}

// race lets exports take turns, and some of them die.
func (w *world) race(t *testing.T, rng *rand.Rand, exports int) {
	type racer struct{ turn, waits chan error }
	racers := make([]racer, exports)
	for n := range racers {
		r := racer{make(chan error), make(chan error)}
		racers[n] = r
		h := &hand{world: w, name: fmt.Sprint(n), step: func() error {
			r.waits <- nil
			return <-r.turn
		}}
		go func() {
			defer close(r.waits)
			_, _ = h.run(t) // what died gives errDied
		}()
	}
	// Each stands still before its next step, while one of them takes its own.
	for n := range racers {
		<-racers[n].waits
	}
	for len(racers) > 0 {
		n := rng.IntN(len(racers))
		fate := error(nil)
		if rng.IntN(24) == 0 {
			fate = errDied
		}
		for more := true; more; {
			racers[n].turn <- fate
			if _, more = <-racers[n].waits; more && fate == nil {
				break
			}
			if !more {
				racers = slices.Delete(racers, n, n+1)
			}
		}
	}
}

// finish is the next day's export, which nobody disturbs.
func (w *world) finish(t *testing.T) {
	w.now = w.now.Add(TakeOverAfter)
	h := &hand{world: w, name: "next day", step: alive}
	if done, err := h.run(t); err != nil || len(done.Waiting)+len(done.Withdrawn) > 0 {
		t.Fatal(err, done.Waiting, done.Withdrawn)
	}
}

// TestAFileForEachDebtor: by their accounts; what can't be in a file is left out, and a
// dry run changes nothing.
func TestAFileForEachDebtor(t *testing.T) {
	t.Parallel()
	w := newWorld(5)
	w.instructions[3].AmountMinor = 13
	h := &hand{world: w, name: "ada", step: alive}
	tried, err := h.export().Run(t.Context(), Order{Format: rules.Pain001, DryRun: true, Debtor: func(string) *rules.Debtor { return nil }})
	if err != nil || len(tried.LeftOut) != 5 || len(w.files) > 0 {
		t.Errorf("%+v, %v", tried, err)
	}
	done, err := h.run(t)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, f := range done.Files {
		told = append(told, fmt.Sprintf("%s %s %d %d", f.Debtor.IBAN, f.ExecutionDate, len(f.InstructionIDs), f.SumMinor))
	}
	slices.Sort(told)
	if want := []string{"FRp0 2026-03-03 3 300", "FRp1 2026-03-03 1 100"}; !slices.Equal(told, want) {
		t.Errorf("%v, want %v", told, want)
	}
	if len(done.LeftOut) != 1 || done.LeftOut[0].Instruction.ID != "RI-03" {
		t.Errorf("left out: %+v", done.LeftOut)
	}
	if again, err := h.run(t); err != nil || len(again.Files) > 0 {
		t.Errorf("once more: %+v, %v", again, err)
	}
}

// TestWhatWouldBeAnotherFileIsNotWritten: one that was recorded has one content.
func TestWhatWouldBeAnotherFileIsNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(2)
	steps := 0
	dies := &hand{world: w, name: "ada", step: func() error {
		if steps++; steps > 10 { // once it has sealed the first
			return errDied
		}
		return nil
	}}
	if _, err := dies.run(t); !errors.Is(err, errDied) || len(w.files) != 1 {
		t.Fatalf("%v, %d files", err, len(w.files))
	}
	w.files[0].SHA256 = "another"
	next := &hand{world: w, name: "bob", step: alive}
	done, err := next.run(t)
	if err != nil || len(done.Waiting) != 1 || len(w.folder) != 1 {
		t.Errorf("too early: %+v, %v", done, err)
	}
	w.now = w.now.Add(TakeOverAfter)
	if _, err := next.run(t); err == nil || !strings.Contains(err.Error(), "its content would be another now") {
		t.Error(err)
	}
}

// TestAFilesAgeRunsFromItsRecord: planning, and the files before it, may take minutes;
// and what is recorded and not sealed in time is nobody's to write.
func TestAFilesAgeRunsFromItsRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(4)
	slow := &hand{world: w, name: "ada", step: alive}
	e := slow.export()
	render := e.Writer.Render
	e.Writer.Render = func(f *rules.PaymentFile, instructions []rules.Instruction) ([]byte, error) {
		if age := w.now.Sub(time.UnixMilli(f.CreatedAt)); age != 0 {
			t.Errorf("file %s is %s old before it is recorded", f.ID, age)
		}
		return render(f, instructions)
	}
	write := e.Writer.Write
	e.Writer.Write = func(name string, content []byte) error {
		w.now = w.now.Add(2 * TakeOverAfter) // onto a folder far away
		return write(name, content)
	}
	order := Order{Format: rules.Pain001, Debtor: func(programme string) *rules.Debtor { return &rules.Debtor{IBAN: programme} }}
	if done, err := e.Run(t.Context(), order); err != nil || len(done.Files) != 2 {
		t.Fatalf("%+v, %v", done, err)
	}

	late := newWorld(2)
	steps := 0
	stuck := &hand{world: late, name: "bob", step: func() error {
		if steps++; len(late.files) == 1 && !late.files[0].Sealed {
			late.now = late.now.Add(giveUpAfter)
		}
		return nil
	}}
	if _, err := stuck.run(t); err == nil || len(late.folder) > 0 {
		t.Errorf("what took a minute to record is written: %v", err)
	}
}

// TestWhatWasAnsweredIsNotWrittenAgain: a file that was sealed by who died, and that the
// bank has answered, is at the bank; where it has answered some of it, a person must ask.
func TestWhatWasAnsweredIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answered map[string]bool
		written  int
		says     string
	}{
		"nothing":    {nil, 1, ""},
		"everything": {map[string]bool{"RI-00": true, "RI-02": true}, 0, ""},
		"some":       {map[string]bool{"RI-00": true}, 0, "1 of its 2 instructions have a result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(3)
			w.instructions = slices.Delete(w.instructions, 1, 2)
			dies := &hand{world: w, name: "ada", step: func() error {
				if len(w.files) > 0 && w.files[0].Sealed {
					return errDied
				}
				return nil
			}}
			if _, err := dies.run(t); !errors.Is(err, errDied) || len(w.folder) > 0 {
				t.Fatalf("%v, %v", err, w.folder)
			}
			w.answered = c.answered
			w.now = w.now.Add(TakeOverAfter)
			elsewhere := &hand{world: w, name: "carol", step: alive}
			if done, err := elsewhere.export().Run(t.Context(), Order{Format: rules.PaymentCSV}); err != nil || len(done.Waiting) != 1 || len(w.folder) > 0 {
				t.Errorf("an export of another format: %+v, %v", done, err)
			}
			_, err := (&hand{world: w, name: "bob", step: alive}).run(t)
			if told := fmt.Sprint(err); c.says == "" && err != nil || !strings.Contains(told, c.says) || len(w.folder) != c.written {
				t.Errorf("%v, in the folder %v", err, w.folder)
			}
		})
	}
}
