package compare

import (
	"fmt"
	"strings"
	"testing"
)

func TestFilesAreReadInAnyOrderOfColumns(t *testing.T) {
	t.Parallel()
	f, err := Read(strings.NewReader("\ufeffCurrency, account ,date,amount\nEUR,acc-1,2026-02-28, 12.50\nJPY,acc-2,2026-02-01,-3\nEUR,acc-1,2026-02-03,0.01\n"), "old.csv")
	if err != nil {
		t.Fatal(err)
	}
	if f.By != ByAccount || f.Rows != 3 || f.From.Format("2006-01-02") != "2026-02-01" || f.Until.Format("2006-01-02") != "2026-03-01" {
		t.Errorf("%+v", f)
	}
	if got, want := fmt.Sprint(f.Accounts["acc-1"], f.Accounts["acc-2"]), "[{1250 EUR  2} {1 EUR  4}] [{-3 JPY  3}]"; got != want {
		t.Errorf("payouts %s, want %s", got, want)
	}
	for text, by := range map[string]By{"account,amount,currency,transaction,date\n": ByPurchase, "account,amount,currency,cycle\n": ByCycle} {
		if f, err := Read(strings.NewReader(text), "old.csv"); err != nil || f.By != by || f.Rows != 0 {
			t.Errorf("%q: %+v, %v", text, f, err)
		}
	}
}

// Whatever is wrong with a file is told with its line, and what to write.
func TestFaultsOfAFileAreToldByLine(t *testing.T) {
	t.Parallel()
	const head = "account,amount,currency,transaction\n"
	for text, want := range map[string]string{
		"":                                   "old.csv:1: the file is empty",
		"account,amount\n":                   `old.csv:1: column "currency" is missing`,
		"account,amount,currency\n":          `one of the columns "transaction", "cycle" and "date" is needed`,
		"account,amount,currency,iban\n":     `column "iban" is none of account, amount`,
		"account,account,amount\n":           `column "account" stands twice`,
		head[:35] + ",cycle\n":               "name transactions or cycles, not both",
		"account;amount;currency;cycle\n":    `column "account;amount;currency;cycle" is none of`,
		head + "a,1.00,EUR,t\na,1.001,EUR,t": `old.csv:3: amount "1.001" in EUR (2 decimals)`,
		head + "a,\"3,69\",EUR,t":            `old.csv:2: amount "3,69"`,
		head + "a,1,EURO,t":                  `old.csv:2: currency "EURO"`,
		head + ",1,EUR,t":                    `old.csv:2: account "": 1 to 64 bytes`,
		head + "a,1,EUR,":                    `old.csv:2: transaction "": 1 to 64 bytes`,
		head + "a,1,EUR\n":                   "old.csv:2: wrong number of fields",
		head + "a,1,EUR,\"t\n":               "old.csv:",
		"account,amount,currency,date\na,1,EUR,28.02.2026": `old.csv:2: date "28.02.2026": write it such as`,
	} {
		if _, err := Read(strings.NewReader(text), "old.csv"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := Read(strings.NewReader(head+strings.Repeat("a,x,EUR,t\n", 1000)), "old.csv"); err == nil || strings.Count(err.Error(), "\n") != maxTold-1 {
		t.Errorf("of a thousand faults %v", err)
	}
}
