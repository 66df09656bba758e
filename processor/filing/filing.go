// Package filing puts instructions into files for the bank, each into one: what a file
// holds is recorded in the ledger before it is written, and follows from the record
// alone, so that whoever comes after a crash writes the same bytes.
//
// Two exports may run at once, on two machines. Each records its file, and then looks
// for another that shares an instruction with it. Of two, the one that recorded later
// sees the other: at most one finds itself alone, and only who is alone goes on to
// write. Who isn't withdraws what it recorded, within giveUpAfter. A file that is older
// than TakeOverAfter and neither written nor withdrawn belongs to nobody any more: the
// next export looks whether it is alone, and writes it.
package filing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

const (
	// giveUpAfter is how long whoever records a file may take until it is sealed.
	giveUpAfter = time.Minute
	// TakeOverAfter is how old a file is that somebody else may end. It is longer by
	// more than two machines' clocks are apart.
	TakeOverAfter = 3 * time.Minute
	// maxPayments bounds a file: banks take some 100,000.
	maxPayments = 50_000
)

// Recorded is a file in the ledger.
type Recorded struct {
	rules.PaymentFile
	Sealed, Written bool // neither: it was recorded, and is nobody's promise yet
}

// Ledger keeps files and has the instructions.
type Ledger interface {
	// Unfiled streams instructions that are in no file that stands, the oldest first.
	Unfiled(ctx context.Context, each func(*rules.Instruction) error) error
	// InstructionsOf are those of the ids, in their order.
	InstructionsOf(ctx context.Context, ids []string) ([]rules.Instruction, error)
	Record(ctx context.Context, f *rules.PaymentFile) error
	// Unwritten are the files that are neither written nor withdrawn.
	Unwritten(ctx context.Context) ([]Recorded, error)
	// Answered is of how many of the instructions the bank has said anything.
	Answered(ctx context.Context, ids []string) (int, error)
	// Sharing are the files that are not withdrawn and have an instruction of the file
	// of this id, but for itself.
	Sharing(ctx context.Context, id string) ([]Recorded, error)
	Sealed(ctx context.Context, id string) error
	Written(ctx context.Context, id string) error
	Withdrawn(ctx context.Context, id string) error
}

// Writer makes files.
type Writer struct {
	// Check says why an instruction can't be in a file of the debtor's account.
	Check  func(i *rules.Instruction, d *rules.Debtor) error
	Name   func(f *rules.PaymentFile) string
	Render func(f *rules.PaymentFile, instructions []rules.Instruction) ([]byte, error)
	// Write puts a file into its folder whole, or not at all; again with the same bytes
	// it changes nothing.
	Write func(name string, content []byte) error
}

// Order is what is asked for.
type Order struct {
	Format rules.PaymentFormat
	// Debtor is whose account pays for a programme; nil: nobody's is known. Of CSV none
	// is needed.
	Debtor        func(programme string) *rules.Debtor
	ExecutionDate string // of pain.001
	By            string
	DryRun        bool
}

// LeftOut is an instruction that is in no file.
type LeftOut struct {
	Instruction rules.Instruction
	Why         error
}

// Exported is what became of an export.
type Exported struct {
	Files     []rules.PaymentFile // that were written, or would be
	Again     []rules.PaymentFile // that were sealed earlier, and are written now
	Waiting   []rules.PaymentFile // of another export, which may be at work
	Withdrawn []rules.PaymentFile // of this one: another export has instructions of them
	LeftOut   []LeftOut
}

// Export writes files.
type Export struct {
	Ledger Ledger
	Writer Writer
	Now    func() time.Time
}

// Run writes what was recorded and never written, then what is in no file yet.
func (e *Export) Run(ctx context.Context, o Order) (done Exported, err error) {
	if !o.DryRun {
		if err := e.takeOver(ctx, o.Format, &done); err != nil {
			return done, err
		}
	}
	files, err := e.plan(ctx, &o, &done)
	if err != nil {
		return done, err
	}
	for i := range files {
		f := &files[i]
		content, err := e.prepare(ctx, f)
		if err != nil {
			return done, err
		}
		if o.DryRun {
			done.Files = append(done.Files, *f)
			continue
		}
		written, err := e.file(ctx, f, content)
		if err != nil {
			return done, fmt.Errorf("%w; export again: a file that is recorded is written as it is recorded", err)
		}
		if written {
			done.Files = append(done.Files, *f)
		} else {
			done.Withdrawn = append(done.Withdrawn, *f)
		}
	}
	return done, nil
}

// file records a file, and where it is alone seals and writes it; false: another export
// has an instruction of it.
func (e *Export) file(ctx context.Context, f *rules.PaymentFile, content []byte) (bool, error) {
	alone, err := e.seal(ctx, f)
	if err != nil || !alone {
		return false, err
	}
	return true, e.write(ctx, f, content)
}

// prepare makes what is recorded of a file, and its content. Its age runs from here, and
// not from planning: those before it may have taken minutes.
func (e *Export) prepare(ctx context.Context, f *rules.PaymentFile) ([]byte, error) {
	instructions, err := e.Ledger.InstructionsOf(ctx, f.InstructionIDs)
	if err != nil {
		return nil, err
	}
	f.CreatedAt = e.Now().UnixMilli()
	f.ID = newFileID()
	f.Name = e.Writer.Name(f)
	content, err := e.Writer.Render(f, instructions)
	f.SHA256 = digest(content)
	return content, err
}

func (e *Export) age(f *rules.PaymentFile) time.Duration {
	return e.Now().Sub(time.UnixMilli(f.CreatedAt))
}

func (e *Export) seal(ctx context.Context, f *rules.PaymentFile) (alone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, giveUpAfter-e.age(f))
	defer cancel()
	if err := e.Ledger.Record(ctx, f); err != nil {
		return false, err
	}
	others, err := e.Ledger.Sharing(ctx, f.ID)
	if err != nil {
		return false, err
	}
	if len(others) > 0 {
		return false, e.Ledger.Withdrawn(ctx, f.ID)
	}
	if age := e.age(f); age >= giveUpAfter {
		return false, fmt.Errorf("file %s was recorded %s ago, and another export may take it over: it isn't written", f.ID, age.Round(time.Second))
	}
	return true, e.Ledger.Sealed(ctx, f.ID)
}

func (e *Export) write(ctx context.Context, f *rules.PaymentFile, content []byte) error {
	if err := e.Writer.Write(f.Name, content); err != nil {
		return err
	}
	return e.Ledger.Written(ctx, f.ID)
}

// takeOver ends the files of exports that have ended before they could; those of
// another format wait for an export that writes them where they belong.
func (e *Export) takeOver(ctx context.Context, format rules.PaymentFormat, done *Exported) error {
	files, err := e.Ledger.Unwritten(ctx)
	if err != nil {
		return err
	}
	for i := range files {
		f := &files[i]
		switch {
		case e.age(&f.PaymentFile) < TakeOverAfter || f.Format != format:
			done.Waiting = append(done.Waiting, f.PaymentFile)
		case !f.Sealed:
			err = e.Ledger.Withdrawn(ctx, f.ID)
		default:
			err = e.writeAgain(ctx, &f.PaymentFile, done)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Export) writeAgain(ctx context.Context, f *rules.PaymentFile, done *Exported) error {
	switch answered, err := e.Ledger.Answered(ctx, f.InstructionIDs); {
	case err != nil:
		return err
	case answered == len(f.InstructionIDs): // the bank had it: whoever wrote it died before saying so
		return e.Ledger.Written(ctx, f.ID)
	case answered > 0:
		return fmt.Errorf("file %s was sealed, nobody said that it was written, and %d of its %d instructions have a result: to write it now might pay them again. "+
			"Ask the bank whether it has the file; if not, withdraw it: ristourne instructions withdraw %s", f.ID, answered, len(f.InstructionIDs), f.ID)
	}
	content, err := e.render(ctx, f)
	if err != nil {
		return fmt.Errorf("file %s was sealed and never written: %w", f.ID, err)
	}
	if sum := digest(content); sum != f.SHA256 {
		return fmt.Errorf("file %s was sealed and never written, and its content would be another now (SHA-256 %s, recorded %s): was an account of it erased? "+
			"If no folder has it, withdraw it: ristourne instructions withdraw %s", f.ID, sum, f.SHA256, f.ID)
	}
	done.Again = append(done.Again, *f)
	return e.write(ctx, f, content)
}

func (e *Export) render(ctx context.Context, f *rules.PaymentFile) ([]byte, error) {
	instructions, err := e.Ledger.InstructionsOf(ctx, f.InstructionIDs)
	if err != nil {
		return nil, err
	}
	return e.Writer.Render(f, instructions)
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// plan shares the instructions out: a file for each debtor's account, day and service
// level, and for each currency.
func (e *Export) plan(ctx context.Context, o *Order, done *Exported) ([]rules.PaymentFile, error) {
	type account struct {
		debtor   rules.Debtor
		currency money.Currency
	}
	open := map[account]int{}
	var files []rules.PaymentFile
	err := e.Ledger.Unfiled(ctx, func(i *rules.Instruction) error {
		of := account{currency: i.Currency}
		if o.Format == rules.Pain001 {
			debtor, err := e.payer(o, i)
			if err != nil {
				done.LeftOut = append(done.LeftOut, LeftOut{*i, err})
				return nil
			}
			of.debtor = *debtor
		}
		n, begun := open[of]
		if !begun || len(files[n].InstructionIDs) == maxPayments {
			n = len(files)
			open[of] = n
			files = append(files, rules.PaymentFile{Format: o.Format, Debtor: of.debtor, Currency: of.currency, By: o.By})
			if o.Format == rules.Pain001 {
				files[n].ExecutionDate = o.ExecutionDate
			}
		}
		f := &files[n]
		sum, err := money.Add(f.SumMinor, i.SignedMinor())
		f.SumMinor, f.InstructionIDs = sum, append(f.InstructionIDs, i.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

var errNoDebtor = errors.New("no debtor's account pays for its programme: name one in the configuration (payout.debtors)")

// payer is whose account pays an instruction.
func (e *Export) payer(o *Order, i *rules.Instruction) (*rules.Debtor, error) {
	debtor := o.Debtor(i.Programme)
	if debtor == nil {
		return nil, errNoDebtor
	}
	return debtor, e.Writer.Check(i, debtor)
}

// newFileID is one that no other export has, on whatever machine: two files of one id
// would each take itself for alone.
func newFileID() string { return "RF-" + rand.Text() }
