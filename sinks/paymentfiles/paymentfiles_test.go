package paymentfiles

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/sepa"
)

var update = flag.Bool("update", false, "rewrite testdata/pain.001.xml")

var eur = money.Currency{'E', 'U', 'R'}

const (
	debtorIBAN = "FR1420041010050500013M02606"
	payeeIBAN  = "DE89370400440532013000"
)

func transfer(n int) rules.Instruction {
	return rules.Instruction{
		ID: fmt.Sprintf("RI-6EKUUKO46VYV5ZWWZAVY3GV2%02d", n), Direction: rules.Credit, AccountID: "acc-1", AmountMinor: int64(100 + n), Currency: eur,
		StatementText: "Cashback Lyon: Le Bouchon de la Mère Jeanne", Programme: "lyon", Method: rules.ByTransfer, IBAN: payeeIBAN, Name: "Zoë Müller & Søn", CreatedAt: 1_772_431_200_000,
	}
}

func fileOf(instructions []rules.Instruction) *rules.PaymentFile {
	f := &rules.PaymentFile{
		ID: "RF-7U47SU4DMBSCSCG4P4BGBPENMM", Format: rules.Pain001, ExecutionDate: "2026-03-03", Currency: eur, CreatedAt: 1_772_431_200_123, By: "ada",
		Debtor: rules.Debtor{
			Name: "Banque du Rhône", IBAN: debtorIBAN, BIC: "AGRIFRPP", ServiceLevel: SEPAServiceLevel,
			Address: rules.Address{Street: "Rue de la République", Building: "1", Postcode: "69001", Town: "Lyon", Country: "FR"},
		},
	}
	for i := range instructions {
		f.SumMinor, f.InstructionIDs = f.SumMinor+instructions[i].SignedMinor(), append(f.InstructionIDs, instructions[i].ID)
	}
	return f
}

// TestTheOfficialSchemasTakeIt: ISO's own, and the stricter one of German banks; and
// they refuse what they must, so that their word means something.
func TestTheOfficialSchemasTakeIt(t *testing.T) {
	t.Parallel()
	instructions := []rules.Instruction{transfer(1), transfer(2)}
	instructions[1].Name, instructions[1].StatementText = strings.Repeat("Ø", 90), ""
	instructions[1].AmountMinor = maxAmountMinor
	plain := fileOf(instructions[:1])
	plain.Debtor.BIC, plain.Debtor.Address = "", rules.Address{}
	for _, f := range []*rules.PaymentFile{fileOf(instructions), plain} {
		content, err := Render(f, instructions[:len(f.InstructionIDs)])
		if err != nil {
			t.Fatal(err)
		}
		for _, schema := range []string{"pain.001.001.09", "pain.001.001.09_GBIC_5"} {
			localserverstest.WantSchema(t, schema, content)
			localserverstest.WantNoSchema(t, schema, bytes.Replace(content, []byte("<EndToEndId>"), []byte("<EndToEndId>longer than thirty-five characters "), 1))
			localserverstest.WantNoSchema(t, schema, bytes.Replace(content, []byte("<ChrgBr>SLEV</ChrgBr>"), nil, 1)[:len(content)/2])
		}
	}
}

// TestGolden holds the bytes that a bank gets: a repeat after a crash writes the same.
func TestGolden(t *testing.T) {
	t.Parallel()
	content, err := Render(fileOf([]rules.Instruction{transfer(1)}), []rules.Instruction{transfer(1)})
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/pain.001.xml"
	if *update {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(content, want) {
		t.Errorf("%v: it is\n%s\nwant\n%s", err, content, want)
	}
}

// TestWhateverANameIs: any text comes out in the letters of SEPA, and by both schemas.
func TestWhateverANameIs(t *testing.T) {
	t.Parallel()
	checked := 0
	rapid.Check(t, func(rt *rapid.T) {
		in := transfer(1)
		in.Name, in.StatementText = rapid.String().Draw(rt, "name"), rapid.String().Draw(rt, "text")
		in.AmountMinor = rapid.Int64Range(1, maxAmountMinor).Draw(rt, "amount")
		if Check(&in, SEPAServiceLevel) != nil {
			return
		}
		content, err := Render(fileOf([]rules.Instruction{in}), []rules.Instruction{in})
		if err != nil {
			rt.Fatal(err)
		}
		if checked++; checked > 20 { // xmllint is a process each
			return
		}
		localserverstest.WantSchema(t, "pain.001.001.09_GBIC_5", content)
	})
}

// TestWhatIsNoPayment: each rule beyond the schema, with both sides of its bound.
func TestWhatIsNoPayment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*rules.Instruction)
		want   string // empty: it is one
	}{
		"as it is":            {func(*rules.Instruction) {}, ""},
		"a debit":             {func(i *rules.Instruction) { i.Direction = rules.Debit }, "it is a debit"},
		"to a card":           {func(i *rules.Instruction) { i.Method = 0 }, "it is paid by card"},
		"by cheque":           {func(i *rules.Instruction) { i.Method = rules.ByCheque }, "it is paid by cheque"},
		"erased":              {func(i *rules.Instruction) { i.IBAN, i.Name = "", "" }, "was erased"},
		"in another currency": {func(i *rules.Instruction) { i.Currency = money.Currency{'C', 'H', 'F'} }, "SEPA pays EUR alone"},
		"a cent":              {func(i *rules.Instruction) { i.AmountMinor = 1 }, ""},
		"nothing":             {func(i *rules.Instruction) { i.AmountMinor = 0 }, "isn't within 0.01 and"},
		"the most":            {func(i *rules.Instruction) { i.AmountMinor = 99_999_999_999 }, ""},
		"a cent more":         {func(i *rules.Instruction) { i.AmountMinor = 100_000_000_000 }, "isn't within 0.01 and"},
		"a wrong digit":       {func(i *rules.Instruction) { i.IBAN = "DE88370400440532013000" }, "check digits"},
		"an id of 35":         {func(i *rules.Instruction) { i.ID = strings.Repeat("a", 35) }, ""},
		"an id of 36":         {func(i *rules.Instruction) { i.ID = strings.Repeat("a", 36) }, "its id"},
		"a slash inside":      {func(i *rules.Instruction) { i.ID = "a/b" }, ""},
		"a slash first":       {func(i *rules.Instruction) { i.ID = "/ab" }, "its id"},
		"a slash last":        {func(i *rules.Instruction) { i.ID = "ab/" }, "its id"},
		"two slashes":         {func(i *rules.Instruction) { i.ID = "a//b" }, "its id"},
		"an id with an é":     {func(i *rules.Instruction) { i.ID = "é" }, "its id"},
		"no name":             {func(i *rules.Instruction) { i.Name = " \u0301 " }, "has no letter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := transfer(1)
			c.change(&in)
			err := Check(&in, SEPAServiceLevel)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, rendered := Render(fileOf([]rules.Instruction{in}), []rules.Instruction{in}); (rendered == nil) != (err == nil) {
				t.Errorf("the file: %v", rendered)
			}
		})
	}
	chf := transfer(1)
	chf.Currency = money.Currency{'C', 'H', 'F'}
	if err := Check(&chf, "NURG"); err != nil {
		t.Error(err)
	}
}

// TestAFileThatSaysAnotherSumIsNotWritten: what it says is read back.
func TestAFileThatSaysAnotherSumIsNotWritten(t *testing.T) {
	t.Parallel()
	instructions := []rules.Instruction{transfer(1), transfer(2)}
	for name, change := range map[string]func(*rules.PaymentFile){
		"sum":      func(f *rules.PaymentFile) { f.SumMinor++ },
		"currency": func(f *rules.PaymentFile) { f.Currency = money.Currency{'C', 'H', 'F'} },
		"order": func(f *rules.PaymentFile) {
			f.InstructionIDs[0], f.InstructionIDs[1] = f.InstructionIDs[1], f.InstructionIDs[0]
		},
		"number": func(f *rules.PaymentFile) { f.InstructionIDs = f.InstructionIDs[:1] },
		"id":     func(f *rules.PaymentFile) { f.ID = "/" + f.ID },
	} {
		f := fileOf(instructions)
		change(f)
		if _, err := Render(f, instructions); err == nil {
			t.Errorf("another %s is written", name)
		}
	}
}

func TestCSVHasEveryInstruction(t *testing.T) {
	t.Parallel()
	debit := rules.Instruction{ID: "RI-2", Direction: rules.Debit, AccountID: `a,"1`, AmountMinor: 500, Currency: money.Currency{'J', 'P', 'Y'}, Programme: "lyon", Cycle: "2026-02", CreatedAt: 1_772_431_200_000}
	f := fileOf([]rules.Instruction{transfer(1), debit})
	f.Format = rules.PaymentCSV
	content, err := Render(f, []rules.Instruction{transfer(1), debit})
	want := `instruction_id,direction,account_id,amount,currency,method,name,iban,handle,statement_text,programme,cycle,created_at
RI-6EKUUKO46VYV5ZWWZAVY3GV201,credit,acc-1,1.01,EUR,transfer,Zoë Müller & Søn,DE89370400440532013000,,Cashback Lyon: Le Bouchon de la Mère Jeanne,lyon,,2026-03-02T06:00:00Z
RI-2,debit,"a,""1",500,JPY,card,,,,,lyon,2026-02,2026-03-02T06:00:00Z
`
	if err != nil || string(content) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, content, want)
	}
}

// TestAFileIsWrittenWhole: over nothing else, and again without harm.
func TestAFileIsWrittenWhole(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for range 2 {
		if err := Write(folder, "f.xml", []byte("content")); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(folder, "f.xml", []byte("other")); err == nil || !strings.Contains(err.Error(), "is there with other content") {
		t.Error(err)
	}
	if err := Write(filepath.Join(folder, "none"), "f.xml", []byte("content")); err == nil {
		t.Error("a folder that isn't there is written into")
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestDebtors(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*rules.Debtor){
		"":     func(*rules.Debtor) {},
		"name": func(d *rules.Debtor) { d.Name = strings.Repeat("x", 71) },
		"iban": func(d *rules.Debtor) { d.IBAN = payeeIBAN + "1" },
		"bic":  func(d *rules.Debtor) { d.BIC = "AGRI" },
	} {
		f := fileOf(nil)
		change(&f.Debtor)
		var told string
		CheckDebtor(&f.Debtor, func(key string, _ error) { told += key })
		if told != want {
			t.Errorf("%q: %q", want, told)
		}
	}
	if sepa.CheckIBAN(debtorIBAN) != nil {
		t.Error("the test's own account is none")
	}
}
