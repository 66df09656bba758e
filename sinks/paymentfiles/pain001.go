package paymentfiles

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/sepa"
)

const pain001Space = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"

// document is a pain.001.001.09: one block of one debtor's account, day and service
// level. The fields are in the order of the schema.
type document struct {
	XMLName xml.Name `xml:"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09 Document"`
	Header  struct {
		MessageID string `xml:"MsgId"`
		Created   string `xml:"CreDtTm"`
		Number    int    `xml:"NbOfTxs"`
		Sum       string `xml:"CtrlSum"`
		Initiator string `xml:"InitgPty>Nm"`
	} `xml:"CstmrCdtTrfInitn>GrpHdr"`
	Block struct {
		ID           string        `xml:"PmtInfId"`
		Method       string        `xml:"PmtMtd"`
		Batch        bool          `xml:"BtchBookg"`
		Number       int           `xml:"NbOfTxs"`
		Sum          string        `xml:"CtrlSum"`
		ServiceLevel string        `xml:"PmtTpInf>SvcLvl>Cd"`
		Execution    string        `xml:"ReqdExctnDt>Dt"`
		Debtor       party         `xml:"Dbtr"`
		Account      string        `xml:"DbtrAcct>Id>IBAN"`
		Agent        agent         `xml:"DbtrAgt>FinInstnId"`
		Charges      string        `xml:"ChrgBr"`
		Transactions []transaction `xml:"CdtTrfTxInf"`
	} `xml:"CstmrCdtTrfInitn>PmtInf"`
}

type party struct {
	Name    string   `xml:"Nm"`
	Address *address `xml:"PstlAdr"`
}

type address struct {
	Street   string `xml:"StrtNm,omitempty"`
	Building string `xml:"BldgNb,omitempty"`
	Postcode string `xml:"PstCd,omitempty"`
	Town     string `xml:"TwnNm,omitempty"`
	Country  string `xml:"Ctry,omitempty"`
}

type agent struct {
	BIC   string `xml:"BICFI,omitempty"`
	Other *other `xml:"Othr"`
}

type other struct {
	ID string `xml:"Id"`
}

type transaction struct {
	InstructionID string `xml:"PmtId>InstrId"`
	EndToEndID    string `xml:"PmtId>EndToEndId"`
	Amount        sum    `xml:"Amt>InstdAmt"`
	Payee         string `xml:"Cdtr>Nm"`
	IBAN          string `xml:"CdtrAcct>Id>IBAN"`
	Remittance    *text  `xml:"RmtInf"`
}

type sum struct {
	Currency string `xml:"Ccy,attr"`
	Amount   string `xml:",chardata"`
}

type text struct {
	Unstructured string `xml:"Ustrd"`
}

// noBIC stands where the debtor's bank is known by the account number alone.
const noBIC = "NOTPROVIDED"

func renderPain001(f *rules.PaymentFile, instructions []rules.Instruction) ([]byte, error) {
	for i := range instructions {
		if err := Check(&instructions[i], f.Debtor.ServiceLevel); err != nil {
			return nil, fmt.Errorf("instruction %s: %w", instructions[i].ID, err)
		}
	}
	var d document
	h, b := &d.Header, &d.Block
	h.MessageID, h.Created = f.ID, time.UnixMilli(f.CreatedAt).UTC().Format("2006-01-02T15:04:05Z")
	h.Number, h.Sum = len(instructions), plainAmount(f.SumMinor, f.Currency)
	h.Initiator = payee(f.Debtor.Name)
	b.ID, b.Method, b.Batch, b.Number, b.Sum = f.ID, "TRF", true, h.Number, h.Sum
	b.ServiceLevel, b.Execution, b.Charges = f.Debtor.ServiceLevel, f.ExecutionDate, "SLEV"
	b.Debtor, b.Account, b.Agent = partyOf(&f.Debtor), f.Debtor.IBAN, agent{BIC: f.Debtor.BIC}
	if f.Debtor.BIC == "" {
		b.Agent.Other = &other{noBIC}
	}
	for i := range instructions {
		in := &instructions[i]
		x := transaction{
			InstructionID: in.ID, EndToEndID: in.ID, Amount: sum{in.Currency.String(), plainAmount(in.AmountMinor, in.Currency)},
			Payee: payee(in.Name), IBAN: in.IBAN,
		}
		if said := cut(sepa.Letters(in.StatementText), maxText); said != "" {
			x.Remittance = &text{said}
		}
		b.Transactions = append(b.Transactions, x)
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	encoder := xml.NewEncoder(&out)
	encoder.Indent("", "  ")
	if err := encoder.Encode(&d); err != nil {
		return nil, fmt.Errorf("write pain.001: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func partyOf(d *rules.Debtor) party {
	p := party{Name: payee(d.Name)}
	if d.Address != (rules.Address{}) {
		a := &d.Address
		p.Address = &address{letters(a.Street, maxName), letters(a.Building, 16), letters(a.Postcode, 16), letters(a.Town, maxID), a.Country}
	}
	return p
}

func letters(s string, most int) string { return cut(sepa.Letters(s), most) }

// plainAmount is an amount in digits alone, with the decimals of its currency.
func plainAmount(minor int64, c money.Currency) string {
	amount, _, _ := strings.Cut(money.FormatMinor(minor, c), " ")
	return amount
}

// verify reads the bytes back and holds them to what they must say: the counts and sums
// of header and block, and each payment's id, amount and account.
func verify(f *rules.PaymentFile, instructions []rules.Instruction, content []byte) error {
	var d document
	if err := xml.Unmarshal(content, &d); err != nil {
		return fmt.Errorf("file %s can't be read back: %w", f.ID, err)
	}
	wrong := func(what string) error {
		return fmt.Errorf("file %s would say another %s than it must: a fault of the program, and nothing is written", f.ID, what)
	}
	total := int64(0)
	for i := range d.Block.Transactions {
		x, in := &d.Block.Transactions[i], &instructions[i]
		minor, err := money.ParseMinor(x.Amount.Amount, in.Currency)
		if err != nil || minor != in.AmountMinor || x.Amount.Currency != in.Currency.String() || in.Currency != f.Currency {
			return wrong("amount of " + in.ID)
		}
		if x.EndToEndID != in.ID || x.InstructionID != in.ID || x.IBAN != in.IBAN {
			return wrong("payment " + in.ID)
		}
		if total, err = money.Add(total, minor); err != nil {
			return err
		}
	}
	for _, sum := range []string{d.Header.Sum, d.Block.Sum} {
		if minor, err := money.ParseMinor(sum, f.Currency); err != nil || minor != total || minor != f.SumMinor {
			return wrong("control sum")
		}
	}
	if n := len(instructions); d.Header.Number != n || d.Block.Number != n || len(d.Block.Transactions) != n {
		return wrong("number of payments")
	}
	if d.Header.MessageID != f.ID || d.Block.ID != f.ID || !soundID(f.ID) {
		return wrong("id")
	}
	if d.XMLName.Space != pain001Space {
		return wrong("message")
	}
	return nil
}
