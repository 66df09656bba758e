// Package paymentfiles writes instructions into files that banks take: ISO 20022
// pain.001.001.09 (customer credit transfer initiation) and CSV. A file's bytes follow
// from its record and its instructions alone, and it comes into its folder whole or not
// at all.
package paymentfiles

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/sepa"
)

// What a SEPA credit transfer holds (EPC132-08).
const (
	maxName        = 70
	maxText        = 140
	maxID          = 35
	maxAmountMinor = 999_999_999_99
)

// SEPAServiceLevel is the service level of a SEPA credit transfer.
const SEPAServiceLevel = "SEPA"

// ServiceLevels are those that a debtor's account may be paid by.
var ServiceLevels = []string{SEPAServiceLevel, "URGP", "NURG"}

// Check says why an instruction can be no payment of a pain.001 by the debtor's
// account; nil: it can. Debits can't: to collect money takes a mandate of the account's
// owner and another message (pain.008), and the bank of a card needs neither to take
// back on its own account what it gave. What goes to a card, by cheque or to a wallet
// has no account number to transfer to.
func Check(i *rules.Instruction, serviceLevel string) error {
	switch {
	case i.Direction != rules.Credit:
		return errors.New("it is a debit: the bank takes it from its own account, by Kafka or CSV")
	case i.Method != rules.ByTransfer:
		return fmt.Errorf("it is paid by %s: it goes by Kafka or CSV", methodName(i.Method))
	case i.IBAN == "" && i.Name == "":
		return errors.New("ClickHouse has no IBAN and name of it: its account was erased, or it was booked by a version before migration 00016")
	case serviceLevel == SEPAServiceLevel && i.Currency != money.Currency{'E', 'U', 'R'}:
		return fmt.Errorf("it is in %s: SEPA pays EUR alone", i.Currency)
	case i.AmountMinor < 1 || i.AmountMinor > maxAmountMinor:
		return fmt.Errorf("its amount of %s isn't within 0.01 and 999,999,999.99", money.FormatMinor(i.AmountMinor, i.Currency))
	case !soundID(i.ID):
		return fmt.Errorf("its id isn't 1 to %d letters of SEPA, without a slash at either end or two together", maxID)
	case payee(i.Name) == "":
		return errors.New("its payee's name has no letter that SEPA takes")
	}
	if err := sepa.CheckIBAN(i.IBAN); err != nil {
		return fmt.Errorf("the payee's account number: %w", err)
	}
	return nil
}

func methodName(m rules.PayMethod) string {
	if m == 0 {
		m = rules.ByCard
	}
	return m.String()
}

// payee is a name in the letters of SEPA, cut to what a payment holds.
func payee(name string) string { return cut(sepa.Letters(strings.TrimSpace(name)), maxName) }

func cut(text string, most int) string {
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most])
	}
	return strings.TrimSpace(text)
}

// soundID reports whether an id can stand in a payment.
func soundID(id string) bool {
	return id != "" && len(id) <= maxID && sepa.Letters(id) == id && !strings.HasPrefix(id, "/") && !strings.HasSuffix(id, "/") && !strings.Contains(id, "//")
}

// CheckDebtor tells what is wrong with whose account pays, by the key of its part.
func CheckDebtor(d *rules.Debtor, fault func(key string, err error)) {
	if name := payee(d.Name); name == "" || name != strings.TrimSpace(sepa.Letters(d.Name)) {
		fault("name", fmt.Errorf("%q: 1 to %d letters", d.Name, maxName))
	}
	if err := sepa.CheckIBAN(d.IBAN); err != nil {
		fault("iban", err)
	}
	if d.BIC != "" {
		if err := sepa.CheckBIC(d.BIC); err != nil {
			fault("bic", err)
		}
	}
}

// Name is what a file is called.
func Name(f *rules.PaymentFile) string {
	if f.Format == rules.Pain001 {
		return fmt.Sprintf("pain.001-%s-%s-%s.xml", f.ExecutionDate, f.Debtor.ServiceLevel, f.ID)
	}
	return fmt.Sprintf("instructions-%s.csv", f.ID)
}

// Render writes the file's bytes. Its instructions are those of f, in their order. What
// a bank would refuse is an error.
func Render(f *rules.PaymentFile, instructions []rules.Instruction) ([]byte, error) {
	if len(instructions) != len(f.InstructionIDs) || len(instructions) == 0 {
		return nil, fmt.Errorf("file %s is of %d instructions, and there are %d", f.ID, len(f.InstructionIDs), len(instructions))
	}
	for i := range instructions {
		if instructions[i].ID != f.InstructionIDs[i] {
			return nil, fmt.Errorf("file %s has instruction %s in place %d, and not %s", f.ID, f.InstructionIDs[i], i+1, instructions[i].ID)
		}
	}
	if f.Format == rules.PaymentCSV {
		return renderCSV(instructions)
	}
	content, err := renderPain001(f, instructions)
	if err != nil {
		return nil, err
	}
	return content, verify(f, instructions, content)
}

// Write puts a file into its folder, whole: it is written beside, synced, and renamed,
// and the folder is synced. A file of the name that is there already with the same
// bytes is left; with others it is refused.
func Write(folder, name string, content []byte) (err error) {
	path := filepath.Join(folder, name)
	if there, err := os.ReadFile(path); err == nil {
		if bytes.Equal(there, content) {
			return nil
		}
		return fmt.Errorf("%s is there with other content: move it away, and find out who wrote it", path)
	}
	temporary, err := os.CreateTemp(folder, "."+name+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), ignoreClosed(temporary.Close()), ignoreGone(os.Remove(temporary.Name())))
		}
	}()
	if _, err := temporary.Write(content); err != nil {
		return err
	}
	// Who takes it to the bank may be another user of the same group, nobody else.
	if err := temporary.Chmod(0o640); err != nil {
		return err
	}
	if err := temporary.Sync(); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// syncFolder makes a new name outlive a power cut.
func syncFolder(folder string) error {
	of, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(of.Sync(), of.Close())
}
