package bankresults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
	"ristourne/rules/money"
)

var (
	eur   = money.Currency{'E', 'U', 'R'}
	noon  = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	paris = func() *time.Location {
		zone, err := time.LoadLocation("Europe/Paris")
		if err != nil {
			panic(err)
		}
		return zone
	}()
)

// ledger has RI-1 to RI-5 of 1.00 to 5.00 EUR, all in file RF-1; RI-4 was rejected
// before, the account of RI-5 is erased, and RI-6 never left the house.
func ledger() Ledger {
	return Ledger{
		Known: func(_ context.Context, ids []string) (known []Known, err error) {
			for n := range 6 {
				of := Known{Instruction: rules.Instruction{
					ID: fmt.Sprintf("RI-%d", n+1), Direction: rules.Credit, AccountID: fmt.Sprintf("acc-%d", n+1), AmountMinor: int64(n+1) * 100, Currency: eur, Programme: "lyon",
				}}
				switch n + 1 {
				case 4:
					of.Said = rules.Result{Status: rules.Rejected, Reason: "AC04", At: rules.InstantAt(1_700_000_000, 0)}
				case 5:
					of.Instruction.AccountID = ""
				case 6:
					of.Instruction.Reason = rules.ShadowReason
				}
				if slices.Contains(ids, of.Instruction.ID) {
					known = append(known, of)
				}
			}
			return known, nil
		},
		Filed: func(_ context.Context, messageID string) ([]string, error) {
			if messageID == "RF-1" {
				return []string{"RI-1", "RI-2", "RI-3"}, nil
			}
			return nil, nil
		},
		Zone: func(string) *time.Location { return paris },
	}
}

// pain002 is a report of version 10 on file RF-1: what it says of the message, and of
// its block.
func pain002(group, block string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>
<GrpHdr><MsgId>BANK-1</MsgId><CreDtTm>2026-03-04T08:15:30</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>RF-1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>` + group + `</OrgnlGrpInfAndSts>
` + block + `
</CstmrPmtStsRpt></Document>`
}

func block(inside string) string {
	return "<OrgnlPmtInfAndSts><OrgnlPmtInfId>RF-1</OrgnlPmtInfId>" + inside + "</OrgnlPmtInfAndSts>"
}

func tx(id, status, reason string) string {
	text := "<TxInfAndSts><OrgnlInstrId>" + id + "</OrgnlInstrId><OrgnlEndToEndId>" + id + "</OrgnlEndToEndId><TxSts>" + status + "</TxSts>"
	if reason != "" {
		text += "<StsRsnInf><Rsn><Cd>" + reason + "</Cd></Rsn><AddtlInf>why</AddtlInf></StsRsnInf>"
	}
	return text + "</TxInfAndSts>"
}

func perStatuses(of ...any) (text string) {
	for i := 0; i < len(of); i += 2 {
		text += fmt.Sprintf("<NbOfTxsPerSts><DtldNbOfTxs>%d</DtldNbOfTxs><DtldSts>%s</DtldSts></NbOfTxsPerSts>", of[i+1], of[i])
	}
	return text
}

func camt054(version, entries string) string {
	return `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.` + version + `"><BkToCstmrDbtCdtNtfctn>
<GrpHdr><MsgId>CAMT-1</MsgId><CreDtTm>2026-03-04T09:00:00+01:00</CreDtTm></GrpHdr>
<Ntfctn><Id>N</Id><Acct><Id><IBAN>FR1420041010050500013M02606</IBAN></Id></Acct>` + entries + `</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>`
}

func returned(status, id, amount, indicator string) string {
	return `<Ntry><Amt Ccy="EUR">` + amount + `</Amt><CdtDbtInd>` + indicator + `</CdtDbtInd><Sts>` + status + `</Sts><BookgDt><Dt>2026-03-04</Dt></BookgDt>
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>RRTN</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls><Refs><EndToEndId>` + id + `</EndToEndId></Refs><RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf></TxDtls></NtryDtls></Ntry>`
}

// planned is what is posted of a file, and what is found in it.
func planned(t *testing.T, text string) (results, found []string) {
	t.Helper()
	f, err := readFrom("bank/file.xml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := ledger().Plan(t.Context(), f, noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range plan.Results {
		results = append(results, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.InstructionID, r.AccountID, r.Status, r.Reason)))
		if r.At.String() != "2026-03-04T07:15:30Z" && f.Form == "pain.002.001.10" {
			t.Errorf("%s is dated %s", r.InstructionID, r.At)
		}
	}
	for _, of := range plan.Findings {
		found = append(found, strings.TrimSpace(string(of.Kind)+" "+of.InstructionID))
	}
	return results, found
}

const all = "RI-1 acc-1 %[1]s, RI-2 acc-2 %[1]s, RI-3 acc-3 %[1]s"

// TestWhatAReportSays: of each payment, of a block, of a message; and of those that it
// doesn't list where its counts by status leave no doubt.
func TestWhatAReportSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, results, found string }{
		"all are settled":       {pain002("<GrpSts>ACSC</GrpSts>", ""), fmt.Sprintf(all, "settled"), ""},
		"all are accepted":      {pain002("<OrgnlNbOfTxs>3</OrgnlNbOfTxs><GrpSts>ACCP</GrpSts>", ""), fmt.Sprintf(all, "accepted"), ""},
		"all are rejected":      {pain002("<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Prtry>LIMIT</Prtry></Rsn></StsRsnInf>", ""), fmt.Sprintf(all, "rejected LIMIT"), ""},
		"a block is rejected":   {pain002("<GrpSts>PART</GrpSts>", block("<PmtInfSts>RJCT</PmtInfSts><StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf>")), fmt.Sprintf(all, "rejected AM04"), ""},
		"received, no more":     {pain002("<GrpSts>RCVD</GrpSts>", ""), "", "open"},
		"of another message":    {strings.Replace(pain002("<GrpSts>ACSC</GrpSts>", ""), "RF-1", "OTHER", 1), "", "no_word"},
		"of another number":     {pain002("<OrgnlNbOfTxs>4</OrgnlNbOfTxs><GrpSts>ACSC</GrpSts>", ""), "", "no_word"},
		"one is rejected alone": {pain002("", block(tx("RI-2", "RJCT", "AC04"))), "RI-2 acc-2 rejected AC04", ""},
		"one is rejected, the others counted": {
			pain002("<GrpSts>PART</GrpSts>"+perStatuses("RJCT", 1, "ACSC", 2), block(tx("RI-2", "RJCT", "AC04"))),
			"RI-2 acc-2 rejected AC04, RI-1 acc-1 settled, RI-3 acc-3 settled", "",
		},
		"counted in the block": {
			pain002("<GrpSts>PART</GrpSts>", block("<PmtInfSts>PART</PmtInfSts>"+perStatuses("RJCT", 1, "ACCP", 2)+tx("RI-2", "RJCT", "AC04"))),
			"RI-2 acc-2 rejected AC04, RI-1 acc-1 accepted, RI-3 acc-3 accepted", "",
		},
		"one is rejected, the others not counted": {pain002("<GrpSts>PART</GrpSts>", block(tx("RI-2", "RJCT", "AC04"))), "RI-2 acc-2 rejected AC04", "no_word"},
		"the others in two ways": {
			pain002("<GrpSts>PART</GrpSts>"+perStatuses("RJCT", 1, "ACSC", 1, "PDNG", 1), block(tx("RI-2", "RJCT", "AC04"))), "RI-2 acc-2 rejected AC04", "no_word",
		},
		"counts that don't add up": {
			pain002("<GrpSts>PART</GrpSts>"+perStatuses("RJCT", 1, "ACSC", 1), block(tx("RI-2", "RJCT", "AC04"))), "RI-2 acc-2 rejected AC04", "no_word",
		},
		"fewer rejected than are listed": {
			pain002("<GrpSts>PART</GrpSts>"+perStatuses("RJCT", 1, "ACSC", 1), block(tx("RI-2", "RJCT", "AC04")+tx("RI-3", "RJCT", "AC04"))),
			"RI-2 acc-2 rejected AC04, RI-3 acc-3 rejected AC04", "no_word",
		},
		"a status of its own stands over the block's": {
			pain002("<GrpSts>ACCP</GrpSts>", block("<PmtInfSts>ACSC</PmtInfSts>"+tx("RI-2", "RJCT", "AC04"))),
			"RI-2 acc-2 rejected AC04, RI-1 acc-1 settled, RI-3 acc-3 settled", "",
		},
		"the payee's check": {
			pain002("<GrpSts>RVCM</GrpSts>", block(tx("RI-2", "RVNM", "")+tx("RI-3", "RVMC", ""))), "", "payee_check, payee_check RI-2, payee_check RI-3",
		},
		"a status that nobody knows":          {pain002("", block(tx("RI-2", "XXXX", ""))), "", "open RI-2"},
		"an id that nobody knows":             {pain002("", block(tx("RI-9", "RJCT", "AC04"))), "", "unknown RI-9"},
		"one that never left the house":       {pain002("", block(tx("RI-6", "RJCT", "AC04"))), "", "unknown RI-6"},
		"of an account that is erased":        {pain002("", block(tx("RI-5", "RJCT", "AC04"))), "", "erased RI-5"},
		"the same twice":                      {pain002("", block(tx("RI-2", "RJCT", "AC04")+tx("RI-2", "RJCT", "AC04"))), "RI-2 acc-2 rejected AC04", ""},
		"two things of one":                   {pain002("", block(tx("RI-2", "RJCT", "AC04")+tx("RI-2", "ACSC", "")+tx("RI-1", "ACSC", ""))), "RI-1 acc-1 settled", "contradiction RI-2"},
		"settled though it was rejected":      {pain002("", block(tx("RI-4", "ACSC", ""))), "RI-4 acc-4 settled", "contradiction RI-4"},
		"of another amount":                   {pain002("", block(strings.Replace(tx("RI-2", "RJCT", "AC04"), "</TxInf", `<OrgnlTxRef><Amt><InstdAmt Ccy="EUR">2.01</InstdAmt></Amt></OrgnlTxRef></TxInf`, 1))), "", "contradiction RI-2"},
		"of the amount":                       {pain002("", block(strings.Replace(tx("RI-2", "RJCT", "AC04"), "</TxInf", `<OrgnlTxRef><Amt><InstdAmt Ccy="EUR">2</InstdAmt></Amt></OrgnlTxRef></TxInf`, 1))), "RI-2 acc-2 rejected AC04", ""},
		"version 03":                          {strings.Replace(pain002("", block(tx("RI-2", "RJCT", "AC04"))), "001.10", "001.03", 1), "RI-2 acc-2 rejected AC04", ""},
		"a return, version 02":                {camt054("02", returned("BOOK", "RI-2", "2.00", "CRDT")), "RI-2 acc-2 rejected AC04", ""},
		"a return, version 08":                {camt054("08", returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "CRDT")), "RI-2 acc-2 rejected AC04", ""},
		"a return that isn't booked":          {camt054("08", returned("<Cd>PDNG</Cd>", "RI-2", "2.00", "CRDT")), "", "open RI-2"},
		"a return of less":                    {camt054("08", returned("<Cd>BOOK</Cd>", "RI-2", "1.50", "CRDT")), "", "contradiction RI-2"},
		"a return the other way":              {camt054("08", returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "DBIT")), "", "contradiction RI-2"},
		"a return as the reversal of a debit": {camt054("08", strings.Replace(returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "CRDT"), "<Sts>", "<RvslInd>true</RvslInd><Sts>", 1)), "RI-2 acc-2 rejected AC04", ""},
		"a return that is taken back":         {camt054("08", strings.Replace(returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "DBIT"), "<Sts>", "<RvslInd>true</RvslInd><Sts>", 1)), "", "contradiction RI-2"},
		"returns booked together":             {camt054("08", regexp.MustCompile(`<NtryDtls>.*</NtryDtls>`).ReplaceAllString(returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "CRDT"), "")), "", "unknown"},
		"a file that the bank has seen":       {pain002("<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>DU01</Cd></Rsn></StsRsnInf>", ""), fmt.Sprintf(all, "rejected AM05"), "contradiction RI-1, contradiction RI-2, contradiction RI-3"},
		"a payment that the bank has seen": {
			pain002("", block(strings.Replace(tx("RI-2", "RJCT", "AC04"), "</TxInf", "<StsRsnInf><Rsn><Cd>DU04</Cd></Rsn></StsRsnInf></TxInf", 1))), "RI-2 acc-2 rejected AM05", "contradiction RI-2",
		},
		"two blocks, of which one is rejected": {
			pain002("<GrpSts>PART</GrpSts>", block("<PmtInfSts>ACSC</PmtInfSts>")+block("<PmtInfSts>RJCT</PmtInfSts>"+tx("RI-2", "RJCT", "AC04"))), "RI-2 acc-2 rejected AC04", "no_word",
		},
		"two blocks that are settled":                  {pain002("", block("<PmtInfSts>ACSC</PmtInfSts>")+block("<PmtInfSts>ACSC</PmtInfSts>")), fmt.Sprintf(all, "settled"), ""},
		"all are rejected, and its counts say another": {pain002("", block("<PmtInfSts>RJCT</PmtInfSts>"+perStatuses("RJCT", 1, "ACSC", 2)+tx("RI-2", "RJCT", "AC04"))), "RI-2 acc-2 rejected AC04", "no_word"},
		"the group's reason is that of one that is listed": {
			pain002("<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>AM05</Cd></Rsn></StsRsnInf>", block(strings.Replace(tx("RI-1", "RJCT", ""), "<TxSts>RJCT</TxSts>", "", 1))), fmt.Sprintf(all, "rejected AM05"), "",
		},
		"the block's reason is not that of one that stands otherwise": {
			pain002("", block("<PmtInfSts>RJCT</PmtInfSts><StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf>"+tx("RI-1", "ACSC", ""))), "RI-1 acc-1 settled, RI-2 acc-2 rejected AM04, RI-3 acc-3 rejected AM04", "",
		},
		"what is no return":                    {strings.NewReplacer("RtrInf", "RmtInf", "RRTN", "ESCT").Replace(camt054("08", returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "CRDT"))), "", ""},
		"a return by the booking's code alone": {strings.ReplaceAll(camt054("08", returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "CRDT")), "RtrInf", "RmtInf"), "RI-2 acc-2 rejected", ""},
		"CSV":                                  {"instruction_id,status,reason,at\nRI-1,settled,,2026-03-04T09:00:00+01:00\nRI-2,RJCT,AC04,2026-03-04T09:00:00Z\n", "RI-1 acc-1 settled, RI-2 acc-2 rejected AC04", ""},
		"CSV between semicolons, a mark":       {"\ufeffinstruction_id;status;at;amount;currency\nRI-1;settled;2026-03-04T09:00:00Z;1.00;EUR\nRI-2;settled;2026-03-04T09:00:00Z;9;EUR\n", "RI-1 acc-1 settled", "contradiction RI-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, found := planned(t, c.text)
			if got := strings.Join(results, ", "); got != c.results {
				t.Errorf("posts %s\nwant %s", got, c.results)
			}
			if got := strings.Join(found, ", "); got != c.found {
				t.Errorf("finds %s\nwant %s", got, c.found)
			}
			again, _ := planned(t, c.text)
			if !slices.Equal(again, results) {
				t.Errorf("once more it posts %s", again)
			}
		})
	}
}

// TestTheOfficialSchemasTakeTheSamples: what is read here is what banks write.
func TestTheOfficialSchemasTakeTheSamples(t *testing.T) {
	t.Parallel()
	report := pain002("<OrgnlNbOfTxs>3</OrgnlNbOfTxs><GrpSts>PART</GrpSts>"+perStatuses("RJCT", 1, "ACSC", 2), block(tx("RI-2", "RJCT", "AC04")))
	localserverstest.WantSchema(t, "pain.002.001.10", []byte(report))
	localserverstest.WantSchema(t, "pain.002.001.03", []byte(strings.Replace(report, "001.10", "001.03", 1)))
	localserverstest.WantSchema(t, "pain.002.001.10", []byte(pain002("<GrpSts>RVCM</GrpSts>", block(tx("RI-2", "RVNM", "")))))
	localserverstest.WantSchema(t, "camt.054.001.08", []byte(camt054("08", returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "CRDT"))))
}

// TestAFileIsRefusedWhole: with the place and the cause.
func TestAFileIsRefusedWhole(t *testing.T) {
	t.Parallel()
	good := pain002("", block(tx("RI-2", "RJCT", "AC04")))
	for name, c := range map[string]struct{ text, want string }{
		"nothing":            {"", "file.xml:1:1: it is empty"},
		"cut in half":        {good[:len(good)/2], "it ends in the middle: the file is cut off"},
		"cut at the end":     {good[:len(good)-3], "it ends in the middle: the file is cut off"},
		"another version":    {strings.Replace(good, "pain.002.001.10", "pain.002.001.14", 1), "file.xml:2:66: it is pain.002.001.14, a message or version that isn't known here"},
		"another message":    {strings.Replace(good, "CstmrPmtStsRpt>", "Other>", 2), "<Other> where one <CstmrPmtStsRpt> belongs"},
		"no message":         {"<html></html>", "which is no message of ISO 20022"},
		"entities":           {`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + strings.Replace(good, "RI-2", "&e;", 1), "it has a DTD"},
		"a bomb":             {`<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><b>&b;</b>`, "it has a DTD"},
		"an entity inside":   {strings.Replace(good, "RI-2", "&e;", 1), "it uses an entity"},
		"a DTD inside":       {strings.Replace(good, "<TxInfAndSts>", "<TxInfAndSts><!DOCTYPE x>", 1), "it has a DTD"},
		"too deep":           {strings.Replace(good, "<TxInfAndSts>", "<TxInfAndSts>"+strings.Repeat("<a>", 40)+strings.Repeat("</a>", 40), 1), "more than 32 deep"},
		"too long a text":    {strings.Replace(good, "RI-2", strings.Repeat("x", maxText+1), 1), "a text of 4097 bytes"},
		"two of them":        {good + good[len(`<?xml version="1.0" encoding="UTF-8"?>`):], "something follows the end"},
		"no header":          {strings.Replace(strings.Replace(good, "<GrpHdr>", "<X>", 1), "</GrpHdr>", "</X>", 1), "after GrpHdr, once"},
		"no date":            {strings.Replace(good, "2026-03-04T08:15:30", "yesterday", 1), `CreDtTm is "yesterday"`},
		"no id":              {strings.ReplaceAll(good, "RI-2", ""), "names no instruction"},
		"not well-formed":    {strings.Replace(good, "</TxSts>", "</TxST>", 1), "it is no well-formed XML"},
		"another encoding":   {strings.Replace(good, "UTF-8", "ISO-8859-1", 1), "it is written in ISO-8859-1"},
		"no amount":          {strings.Replace(good, "</TxInf", `<OrgnlTxRef><Amt><InstdAmt Ccy="EUR">2,00</InstdAmt></Amt></OrgnlTxRef></TxInf`, 1), "plain digits"},
		"no currency":        {strings.Replace(good, "</TxInf", `<OrgnlTxRef><Amt><InstdAmt Ccy="EURO">2</InstdAmt></Amt></OrgnlTxRef></TxInf`, 1), "no currency of ISO 4217"},
		"neither in nor out": {camt054("08", returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "BOTH")), `CdtDbtInd is "BOTH"`},

		"CSV without a header":       {"RI-1,settled,2026-03-04T09:00:00Z\n", `file.xml:1:1: column "RI-1" isn't known`},
		"CSV without a column":       {"instruction_id,status\n", `no column is called "at"`},
		"CSV cut off":                {"instruction_id,status,at\nRI-1,settled,2026-03-04T09:00:00Z\nRI-2,set", "file.xml:3:1: it has another number of fields"},
		"CSV with a local date":      {"instruction_id,status,at\nRI-1,settled,2026-03-04T09:00:00\n", "file.xml:2:14: at: write RFC 3339"},
		"CSV with another status":    {"instruction_id,status,at\nRI-1,paid,2026-03-04T09:00:00Z\n", `file.xml:2:6: status: "paid" isn't known`},
		"CSV with an amount alone":   {"instruction_id,status,at,amount,currency\nRI-1,settled,2026-03-04T09:00:00Z,1.00,\n", "an amount needs a currency"},
		"CSV with an open quote":     {"instruction_id,status,at\n\"RI-1,settled", "quote"},
		"CSV with a column twice":    {"instruction_id,status,at,status\n", "stands there twice"},
		"CSV without any status":     {"instruction_id,status,at\nRI-1,,2026-03-04T09:00:00Z\n", "status: it is empty"},
		"CSV with a long reason":     {"instruction_id,status,at,reason\nRI-1,rejected,2026-03-04T09:00:00Z," + strings.Repeat("x", 257) + "\n", "more than 256 bytes"},
		"CSV without an instruction": {"instruction_id,status,at\n,settled,2026-03-04T09:00:00Z\n", "instruction_id: it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := readFrom("bank/file.xml", strings.NewReader(c.text))
			if err == nil {
				t.Fatalf("it is taken: %+v", f)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "bank/file.xml:") {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}

// TestEveryCutIsFound: a report that ends anywhere before its end is refused.
func TestEveryCutIsFound(t *testing.T) {
	t.Parallel()
	for _, whole := range []string{pain002("<GrpSts>PART</GrpSts>", block(tx("RI-2", "RJCT", "AC04"))), camt054("08", returned("<Cd>BOOK</Cd>", "RI-2", "2.00", "CRDT"))} {
		for n := range len(whole) {
			if _, err := readFrom("file.xml", strings.NewReader(whole[:n])); err == nil {
				t.Fatalf("cut after %d of %d bytes it is taken:\n%s", n, len(whole), whole[:n])
			}
		}
	}
}

func TestAFileFromTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	f, err := readFrom("file.csv", strings.NewReader("instruction_id,status,at\nRI-1,settled,2026-03-04T12:05:01Z\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger().Plan(t.Context(), f, noon); err == nil || !strings.Contains(err.Error(), "line 2 is dated 2026-03-04T12:05:01Z, which is still to come") {
		t.Error(err)
	}
}

func TestAFileThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	r := &boundedReader{in: strings.NewReader("12345"), left: 4}
	if _, err := r.Read(make([]byte, 8)); err == nil || !strings.Contains(err.Error(), "larger than 256 MiB") {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "f.csv")
	if err := os.WriteFile(path, []byte("instruction_id,status,at\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(path)
	if err != nil || f.Name != "f.csv" || len(f.SHA256) != 64 {
		t.Errorf("%+v, %v", f, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(pain002("<GrpSts>PART</GrpSts>"+perStatuses("RJCT", 1, "ACSC", 2), block(tx("RI-2", "RJCT", "AC04"))))
	f.Add(camt054("02", returned("BOOK", "RI-2", "2.00", "CRDT")))
	f.Add("instruction_id;status;at\nRI-1;settled;2026-03-04T09:00:00Z\n")
	f.Fuzz(func(t *testing.T, text string) {
		read, err := readFrom("f", strings.NewReader(text))
		if err != nil {
			return
		}
		plan, err := ledger().Plan(t.Context(), read, noon)
		if err != nil {
			return
		}
		posted := map[string]bool{}
		for _, r := range plan.Results {
			if posted[r.InstructionID] || r.AccountID == "" || r.Status == 0 || len(r.Reason) > maxReason {
				t.Fatalf("posts %+v", plan.Results)
			}
			posted[r.InstructionID] = true
		}
	})
}
