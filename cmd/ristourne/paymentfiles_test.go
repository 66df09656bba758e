package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

const payeeIBAN = "DE89370400440532013000"

// newFilingBank is a bank that pays by files when somebody says so: acc-1 and acc-2 are
// paid by transfer.
func newFilingBank(t *testing.T) *bank {
	t.Helper()
	b := newPayoutBank(t, "{cycle: by hand}")
	b.config = writeConfig(t, b.text+`
payout:
  debtors:
    - {programmes: [cashback-lyon], name: Banque du Rhône, iban: FR1420041010050500013M02606, bic: AGRIFRPP}
`)
	before, _ := b.taken(t)
	for _, account := range []string{"acc-1", "acc-2"} {
		b.send(t, rules.TopicFacts, account, fmt.Sprintf(
			`{"fact_id":"way-%[1]s","type":"payout_method","account_id":%[1]q,"at":"2026-03-01T00:00:00Z","method":"transfer","iban":%[2]q,"name":"Zoë Müller"}`, account, payeeIBAN))
	}
	b.run(t, "adjust", "acc-2", "5.00", "EUR", "--by", "ada", "--reason", "ticket 4711")
	b.settled(t, before, 3)
	return b
}

// settle closes a cycle that ends now.
func (b *bank) settle(t *testing.T, cycle string) {
	t.Helper()
	before, _ := b.taken(t)
	b.run(t, "settle", "--cycle", cycle, "--as-of", time.Now().Format(time.RFC3339Nano), "--by", "ada", "--reason", "test")
	waitUntil(t, "the cycle's facts are taken", func() bool { now, _ := b.taken(t); return now >= before+2 })
	b.waitDelivered(t)
}

// theFile is the one file of a folder.
func theFile(t *testing.T, folder string) (name string, content []byte) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	content, err = os.ReadFile(filepath.Join(folder, entries[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	return entries[0].Name(), content
}

// TestToTheBankByFilesAndBack: a cycle is settled and exported; the bank rejects one of
// its payments, whose money is due again, and is paid with the next cycle. The other
// isn't paid twice.
func TestToTheBankByFilesAndBack(t *testing.T) {
	t.Parallel()
	b := newFilingBank(t)
	b.settle(t, "c1")
	first := b.instructed(t)
	if len(first) != 2 {
		t.Fatalf("the first cycle pays %v", first)
	}
	folder := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	volatile := []string{`pain\.001-\S+xml`, `\d{4}-\d\d-\d\dT[0-9:]+Z`, `[0-9a-f]{12,64}`, anySpace, `RI-[A-Z2-7.]+`}
	export := []string{"instructions", "export", "--out", folder, "--cycle", "c1"}
	tried := b.run(t, append(export, "--dry-run")...)
	b.wantShown(t, "ristourne instructions export --config bank.yaml --out out --cycle c1 --dry-run", tried, volatile...)
	if n := b.number(t, "SELECT count() FROM payment_files"); n != 0 {
		t.Errorf("a dry run records %d files", n)
	}
	b.wantShown(t, `ristourne instructions export --config bank.yaml --out out --cycle c1 --by ada --reason "monthly run"`,
		b.run(t, append(export, "--by", "ada", "--reason", "monthly run")...), volatile...)
	name, content := theFile(t, folder)
	for _, schema := range []string{"pain.001.001.09", "pain.001.001.09_GBIC_5"} {
		localserverstest.WantSchema(t, schema, content)
	}
	id1, id2 := creditOf(t, first, "acc-1"), creditOf(t, first, "acc-2")
	wantText(t, string(content), "<EndToEndId>"+id1+"<", "<EndToEndId>"+id2+"<", "<IBAN>"+payeeIBAN+"<", "<Nm>Zoe Muller<", "<NbOfTxs>2<")
	wantText(t, b.run(t, append(export, "--by", "ada", "--reason", "again")...), "nothing to export")
	b.wantShown(t, "ristourne instructions files --config bank.yaml", b.run(t, "instructions", "files"), volatile...)
	b.wantAnsweredOnce(t, name, id1, id2, volatile)

	b.settle(t, "c2")
	second := slices.DeleteFunc(b.instructed(t), func(line string) bool { return slices.Contains(first, line) })
	if len(second) != 1 || creditOf(t, second, "acc-1") == id1 {
		t.Fatalf("the second cycle pays %v, the first paid %v", second, first)
	}
	again := filepath.Join(t.TempDir(), "again")
	if err := os.Mkdir(again, 0o750); err != nil {
		t.Fatal(err)
	}
	b.run(t, "instructions", "export", "--out", again, "--all", "--by", "ada", "--reason", "second run")
	_, content = theFile(t, again)
	if strings.Contains(string(content), id1) || strings.Contains(string(content), id2) || !strings.Contains(string(content), creditOf(t, second, "acc-1")) {
		t.Errorf("the second file is\n%s", content)
	}
	b.wantPayeesGo(t)
}

// wantAnsweredOnce imports the bank's answer on a file, twice: id1 is rejected, and all
// others settled, as its counts say.
func (b *bank) wantAnsweredOnce(t *testing.T, file, id1, id2 string, volatile []string) {
	t.Helper()
	message := regexp.MustCompile(`RF-[A-Z2-7]+`).FindString(file)
	report := writeFile(t, "psr.xml", `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>
<GrpHdr><MsgId>BANK-17</MsgId><CreDtTm>%s</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>%[2]s</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><OrgnlNbOfTxs>2</OrgnlNbOfTxs><GrpSts>PART</GrpSts>
<NbOfTxsPerSts><DtldNbOfTxs>1</DtldNbOfTxs><DtldSts>RJCT</DtldSts></NbOfTxsPerSts>
<NbOfTxsPerSts><DtldNbOfTxs>1</DtldNbOfTxs><DtldSts>ACSC</DtldSts></NbOfTxsPerSts></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>%[2]s</OrgnlPmtInfId>
<TxInfAndSts><OrgnlEndToEndId>%[3]s</OrgnlEndToEndId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC01</Cd></Rsn></StsRsnInf></TxInfAndSts>
</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>`, time.Now().UTC().Format("2006-01-02T15:04:05Z"), message, id1)
	content, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	localserverstest.WantSchema(t, "pain.002.001.10", content)
	before, _ := b.taken(t)
	b.wantShown(t, "ristourne results import psr.xml --config bank.yaml --dry-run", b.run(t, "results", "import", report, "--dry-run"), volatile...)
	b.wantShown(t, `ristourne results import psr.xml --config bank.yaml --by ada --reason "daily file"`,
		b.run(t, "results", "import", report, "--by", "ada", "--reason", "daily file"), volatile...)
	b.settled(t, before, 2)
	wantText(t, b.run(t, "instructions", "list", "--status", "settled"), id2)
	wantText(t, b.run(t, "instructions", "list", "--status", "rejected"), id1, "AC01")

	wantText(t, b.run(t, "results", "import", report, "--by", "bob", "--reason", "again"), "it was imported before", "by ada")
	b.settled(t, before, 4)
	if _, fates := b.taken(t); fates[rules.Duplicate] < 2 {
		t.Errorf("what is imported again is no duplicate: %v", fates)
	}
	cut := writeFile(t, "cut.xml", "%s", content[:len(content)/2])
	_, stderr := b.fails(t, exitFailed, "results", "import", report, cut, "--by", "ada", "--reason", "half of it")
	wantText(t, stderr, "1 file refused, and nothing of any was posted", "cut.xml:", "the file is cut off")
	if now, _ := b.taken(t); now != before+4 {
		t.Errorf("%d records came of files that were refused", now-before-4)
	}
}

// wantPayeesGo: whoever is erased leaves no account number behind.
func (b *bank) wantPayeesGo(t *testing.T) {
	t.Helper()
	if n := b.number(t, "SELECT count() FROM payees_log WHERE iban = '"+payeeIBAN+"'"); n != 3 {
		t.Errorf("%d account numbers are known, not 3", n)
	}
	b.execute(t, "DELETE FROM payees_log WHERE account_ref IN (SELECT account_ref FROM accounts_log WHERE account_id = 'acc-1')")
	if n := b.number(t, "SELECT count() FROM payees_log"); n != 1 {
		t.Errorf("%d account numbers are left, not 1", n)
	}
}

// TestWhatCantBePaidByAFileIsLeftOut: it is listed with its cause, the rest is written,
// and the command fails; by CSV everything goes.
func TestWhatCantBePaidByAFileIsLeftOut(t *testing.T) {
	t.Parallel()
	b := newFilingBank(t)
	before, _ := b.taken(t)
	b.send(t, rules.TopicFacts, "acc-1", `{"fact_id":"wrong","type":"payout_method","account_id":"acc-1","at":"2026-04-01T00:00:00Z","method":"transfer","iban":"DE88370400440532013000","name":"Zoë"}`)
	b.settled(t, before, 1)
	b.settle(t, "c1")
	folder, csv := t.TempDir(), t.TempDir()
	stdout, stderr := b.fails(t, exitFailed, "instructions", "export", "--out", folder, "--all", "--by", "ada", "--reason", "run")
	wantText(t, stdout+stderr, "left out: ", "of account acc-1: the payee's account number: its check digits don't fit", "1 instruction left out")
	_, content := theFile(t, folder)
	wantText(t, string(content), "<NbOfTxs>1<", "<CtrlSum>9.90<")
	b.run(t, "instructions", "export", "--format", "csv", "--out", csv, "--all", "--by", "ada", "--reason", "the rest")
	_, content = theFile(t, csv)
	wantText(t, string(content), ",credit,acc-1,", "DE88370400440532013000")
	if strings.Contains(string(content), "acc-2") {
		t.Errorf("an instruction is in two files:\n%s", content)
	}
}
