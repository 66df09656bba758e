package main

import (
	"bytes"
	"strings"
	"testing"

	"ristourne/processor/audit"
)

func TestABalanceSheetThatDoesNotAddUpSaysSo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		finding audit.Finding
		adds    bool
		says    string
	}{
		{audit.Finding{What: "margin", Detail: "3 - 2 = 1"}, true, "✓ margin"},
		{audit.Finding{What: "margin", Differences: []string{"one", "two", "three", "four", "five", "six"}}, false, "and 1 more"},
	} {
		var printed bytes.Buffer
		s := &sandbox{out: newScreen(&printed, false)}
		if s.printBalance([]audit.Finding{c.finding}) != c.adds || !strings.Contains(printed.String(), c.says) {
			t.Errorf("%+v is printed as\n%s", c.finding, &printed)
		}
	}
}
