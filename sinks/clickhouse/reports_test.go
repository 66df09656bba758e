package clickhouse_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

// sales books a little history whose sums a person can check by hand, every
// batch twice. 3 % reward, 5 % commission by terms; all rewards carry campaign
// "spring".
//
//	bakery-1: T1 100.00 on 10 March, T2 200.00 on 11 March at 23:30 UTC (12 March in Paris)
//	          T1 refunded by 40.00, booked in April
//	cinema-1: T3 50.00 on 10 March; T4 80.00 authorised, expected alone, on 1 April
func sales(t *testing.T, w world) {
	t.Helper()
	at := func(s string) rules.Instant {
		parsed, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return rules.InstantOf(parsed)
	}
	for n, sale := range []struct {
		account, transaction, partner string
		basisMinor                    int64
		stage                         rules.Stage
		purchased, recorded           string
	}{
		{"alice", "T1", "bakery", 10_000, rules.Confirmed, "2026-03-10T08:00:00Z", "2026-03-11T08:00:00Z"},
		{"alice", "T2", "bakery", 20_000, rules.Confirmed, "2026-03-11T23:30:00Z", "2026-03-12T08:00:00Z"},
		{"bob", "T3", "cinema", 5_000, rules.Confirmed, "2026-03-10T20:00:00Z", "2026-03-12T08:00:00Z"},
		{"alice", "T1", "bakery", -4_000, rules.Confirmed, "2026-03-10T08:00:00Z", "2026-04-02T08:00:00Z"},
		{"bob", "T4", "cinema", 8_000, rules.Expected, "2026-04-01T20:00:00Z", "2026-04-01T20:00:01Z"},
	} {
		d := decision(uint64(n+1), sale.account, sale.transaction, sale.partner, 1)
		d.Set[0].Cause.RecordedAt = at(sale.recorded).Sec * 1000
		d.Accruals = purchase(sale.account, sale.transaction, sale.partner, sale.basisMinor, at(sale.purchased), sale.stage, d.Set[0].Cause)
		w.book(t, d)
		w.book(t, d)
	}
}

func TestEachReportAnswersItsQuestion(t *testing.T) {
	w := newWorld(t)
	stopMerges(t, w)
	sales(t, w)
	paris := map[string]string{"zone": "Europe/Paris"}
	march := map[string]string{"zone": "Europe/Paris", "from": "2026-03-01", "until": "2026-04-01"}
	answers := map[string][]struct {
		with map[string]string
		want string
	}{
		"by_day": {{paris, `
			day currency purchases rewards commission cost margin expected_margin
			2026-03-10 EUR 2 330 550 330 220 0
			2026-03-12 EUR 1 600 1000 600 400 0
			2026-04-01 EUR 0 0 0 0 0 160`}},
		"by_partner": {{march, `
			partner_id currency purchases members rewards commission cost margin margin_percent
			bakery EUR 2 1 780 1300 780 520 40
			cinema EUR 1 1 150 250 150 100 40`}},
		"by_store": {{map[string]string{"partner": "bak%"}, `
			partner_id store_id currency purchases rewards commission cost margin
			bakery bakery-1 EUR 2 780 1300 780 520`}},
		"by_offer": {{paris, `
			partner_id offer_id currency purchases turnover rewards commission cost margin
			bakery bakery-offer EUR 2 26000 780 1300 780 520
			cinema cinema-offer EUR 1 5000 150 250 150 100`}},
		"by_campaign": {{paris, `
			campaign currency purchases members rewards commission cost margin
			spring EUR 3 2 930 1550 930 620`}},
		"expected_against_confirmed": {{paris, `
			month currency rewards_confirmed rewards_expected commission_confirmed commission_expected margin_confirmed margin_expected
			2026-03-01 EUR 930 0 1550 0 620 0
			2026-04-01 EUR 0 240 0 400 0 160`}},
		"owed_this_month": {
			{map[string]string{"month": "2026-03-15"}, `
			partner_id currency purchases owed booked taken_back expected
			bakery EUR 2 1500 1500 0 0
			cinema EUR 1 250 250 0 0`},
			{map[string]string{"month": "2026-04-01", "zone": "Europe/Paris"}, `
			partner_id currency purchases owed booked taken_back expected
			bakery EUR 1 -200 0 -200 0
			cinema EUR 0 0 0 0 400`},
		},
	}
	reports, err := clickhouse.Reports()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if len(answers[r.Name]) == 0 {
			t.Errorf("report %s has no answer here: a report that nobody ran may be wrong", r.Name)
		}
		for _, answer := range answers[r.Name] {
			table, err := w.ledger.RunReport(t.Context(), r, answer.with)
			if err != nil {
				t.Error(err)
				continue
			}
			got := []string{strings.Join(table.Columns, " ")}
			for _, row := range table.Rows {
				got = append(got, strings.Join(row, " "))
			}
			var wanted []string
			for line := range strings.Lines(strings.TrimSpace(answer.want)) {
				wanted = append(wanted, strings.TrimSpace(line))
			}
			if !slices.Equal(got, wanted) {
				t.Errorf("report %s with %v:\n got %s\nwant %s", r.Name, answer.with, strings.Join(got, "\n     "), strings.Join(wanted, "\n     "))
			}
		}
		delete(answers, r.Name)
	}
	for name := range answers {
		t.Errorf("report %s is gone", name)
	}
}

func TestReportWithoutANeededParameterSaysWhichAndWhatItMeans(t *testing.T) {
	w := newWorld(t)
	reports, err := clickhouse.Reports()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(reports, func(r clickhouse.Report) bool { return r.Name == "owed_this_month" })
	_, err = w.ledger.RunReport(t.Context(), reports[i], nil)
	if err == nil || !strings.Contains(err.Error(), "month: any day of the month") {
		t.Errorf("got %v", err)
	}
}
