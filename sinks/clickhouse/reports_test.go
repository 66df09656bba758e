package clickhouse_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/clickhouse/reports"
)

// sales books a little history whose sums a person can check by hand, every
// batch twice. 3 % reward, 5 % commission by terms; all rewards carry campaign
// "spring".
//
//	bakery-1: T1 100.00 on 10 March, T2 200.00 on 11 March at 23:30 UTC (12 March in Paris)
//	          T1 refunded by 40.00, booked in April
//	cinema-1: T3 50.00 on 10 March; T4 80.00 authorised, expected alone, on 1 April
//	          T5 50.00 on 20 March: 500 points that cost 0.25, and 0.50 for the sponsor
//	bakery-1: T6 100.00 on 21 March, of which a late event takes 1.00, and with it the campaign
//
// Of the budget of the campaign T1 had 1.00 and gave 0.40 back, T3 has 0.20; of
// the offer's own T2 gave all back. Each purchase would have 0.05 more.
//
// Two refunds at the bakery name no purchase: Alice's of 30.00, under T2, waited and was
// matched to T1, Dave's of 7.00 waits. Bob's of 9.00 at the cinema was matched,
// until its own purchase was known.
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
		{"carol", "T5", "cinema", 5_000, rules.Confirmed, "2026-03-20T12:00:00Z", "2026-03-20T12:00:01Z"},
		{"dave", "T6", "bakery", 10_000, rules.Confirmed, "2026-03-21T12:00:00Z", "2026-03-22T12:00:00Z"},
		{"dave", "T6", "bakery", 0, rules.Confirmed, "2026-03-21T12:00:00Z", "2026-03-23T12:00:00Z"},
	} {
		d := decision(uint64(n+1), sale.account, sale.transaction, sale.partner, 1)
		d.Set[0].Cause.RecordedAt = at(sale.recorded).Sec * 1000
		d.Accruals = purchase(sale.account, sale.transaction, sale.partner, sale.basisMinor, at(sale.purchased), sale.stage, d.Set[0].Cause)
		row := &d.Set[0]
		row.AmountMinor, row.OccurredAt, row.Holdouts = sale.basisMinor, at(sale.purchased), drawsOf(sale.account, sale.partner)
		if sale.basisMinor < 0 {
			row.Type, row.AmountMinor = "refund", -sale.basisMinor
		}
		member := &d.Accruals[0]
		refund := func(minor int64, is rules.RefundState, to string) {
			d.Set[0].Type, d.Set[0].AmountMinor, d.Set[0].OccurredAt = "refund", minor, at("2026-03-25T10:00:00Z")
			d.Set[0].Refunds = []rules.RefundChange{{EventID: d.Set[0].Cause.ID, Is: is, MatchedTo: to, AmountMinor: minor, Currency: eur}}
		}
		switch d.Batch {
		case 1:
			d.Grants = []rules.Grant{grant(d, "campaign/spring", 100, 100)}
		case 2:
			d.Grants = []rules.Grant{grant(d, "offer/bakery/x", 30, 30), grant(d, "offer/bakery/x", 0, -30)}
			refund(3_000, rules.RefundWaiting, "")
		case 3:
			d.Grants = []rules.Grant{grant(d, "campaign/spring", 20, 20)}
			refund(900, rules.RefundMatched, "T9")
		case 4:
			d.Grants = []rules.Grant{grant(d, "campaign/spring", 60, -40)}
			d.Set[0].Refunds = []rules.RefundChange{{EventID: "e2", Was: rules.RefundWaiting, Is: rules.RefundMatched, MatchedTo: "T1", AmountMinor: 3_000, Currency: eur}}
		case 5:
			d.Set[0].Refunds = []rules.RefundChange{{EventID: "e3", Was: rules.RefundMatched, Is: rules.RefundLinked, AmountMinor: 900, Currency: eur}}
		case 7:
			refund(700, rules.RefundWaiting, "")
		case 6:
			sponsor := *member
			sponsor.Role, sponsor.BeneficiaryID, sponsor.BeneficiaryRef, sponsor.CampaignIDs = rules.RoleSponsor, "alice", refOf("alice"), nil
			sponsor.RewardMinor, sponsor.CostMinor = 50, 50
			identify(&sponsor)
			member.Kind, member.Unit, member.RewardMinor, member.CostMinor = rules.Points, "PTS", 500, 25
			identify(member)
			d.Accruals = append(d.Accruals, sponsor)
		case 8:
			member.RewardMinor, member.CostMinor, member.CampaignIDs = -100, -100, nil
			d.Accruals = d.Accruals[:1]
		}
		w.book(t, d)
		w.book(t, d)
	}
}

// drawsOf are the holdouts of a purchase: of the partner's offer, which holds
// Dave and Carol out, and of the campaign, which holds out Carol.
func drawsOf(account, partner string) []rules.HoldoutDraw {
	return []rules.HoldoutDraw{
		{ID: partner + "/" + partner + "-offer", Held: account == "dave" || account == "carol"},
		{ID: "spring", Held: account == "carol"},
	}
}

func TestEachReportAnswersItsQuestion(t *testing.T) {
	t.Parallel()
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
			2026-03-20 EUR 1 50 250 75 175 0
			2026-03-21 EUR 1 200 500 200 300 0
			2026-04-01 EUR 0 0 0 0 0 160`}},
		"by_partner": {{march, `
			partner_id currency purchases members rewards commission cost margin margin_percent
			bakery EUR 3 2 980 1800 980 820 45.6
			cinema EUR 2 2 200 500 225 275 55`}},
		"by_store": {{map[string]string{"partner": "bak%"}, `
			partner_id store_id currency purchases rewards commission cost margin
			bakery bakery-1 EUR 3 980 1800 980 820`}},
		"by_offer": {{paris, `
			partner_id offer_id currency purchases turnover rewards commission cost margin
			bakery bakery-offer EUR 3 36000 980 1800 980 820
			cinema cinema-offer EUR 2 10000 200 500 225 275`}},
		"by_campaign": {{paris, `
			campaign currency purchases members rewards commission cost margin
			spring EUR 4 3 930 1800 955 845`}},
		"budgets": {
			{nil, `
			budget unit granted given_back refused purchases members
			campaign/spring EUR 80 40 10 2 2
			offer/bakery/x EUR 0 30 5 0 0`},
			{map[string]string{"budget": "campaign/%"}, `
			budget unit granted given_back refused purchases members
			campaign/spring EUR 80 40 10 2 2`},
		},
		"expected_against_confirmed": {{paris, `
			month currency rewards_confirmed rewards_expected commission_confirmed commission_expected margin_confirmed margin_expected
			2026-03-01 EUR 1180 0 2300 0 1095 0
			2026-04-01 EUR 0 240 0 400 0 160`}},
		"holdouts": {{march, `
			holdout currency held_members other_members held_percent held_purchases other_purchases held_turnover other_turnover
			bakery/bakery-offer EUR 1 1 50 1 2 -700 3000
			cinema/cinema-offer EUR 1 1 50 1 1 5000 -900
			spring EUR 1 3 25 1 4 5000 1400`}},
		"unlinked_refunds": {{march, `
			partner_id currency waiting_refunds waiting oldest matched_refunds matched linked dropped
			bakery EUR 1 700 2026-03-25T10:00:00Z 1 3000 0 0
			cinema EUR 0 0 1970-01-01T00:00:00Z 0 0 900 0`}},
		"owed_this_month": {
			{map[string]string{"month": "2026-03-15"}, `
			partner_id currency purchases owed booked taken_back expected
			bakery EUR 3 2000 2000 0 0
			cinema EUR 2 500 500 0 0`},
			{map[string]string{"month": "2026-04-01", "zone": "Europe/Paris"}, `
			partner_id currency purchases owed booked taken_back expected
			bakery EUR 1 -200 0 -200 0
			cinema EUR 0 0 0 0 400`},
		},
	}
	all, err := reports.All()
	if err != nil {
		t.Fatal(err)
	}
	reader := openReports(t, w.options)
	for _, r := range all {
		if len(answers[r.Name]) == 0 {
			t.Errorf("report %s has no answer here: a report that nobody ran may be wrong", r.Name)
		}
		for _, answer := range answers[r.Name] {
			table, err := reader.Run(t.Context(), r, answer.with)
			if err != nil {
				t.Error(err)
				continue
			}
			got := []string{strings.Join(table.Columns, " ")}
			if r.Name == "by_partner" {
				wantShownInReadme(t, table.Columns)
			}
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

func openReports(t *testing.T, o clickhouse.Options) *reports.Reader {
	t.Helper()
	reader, err := reports.Open(reports.Options{Addresses: o.Addresses, Database: o.Database, User: o.User, Password: o.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	return reader
}

// wantShownInReadme holds the table that the README shows to a report's columns.
func wantShownInReadme(t *testing.T, columns []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const command = "curl -s \"http://127.0.0.1:29512/?database=ristourne&user=ristourne&password=ristourne&default_format=PrettyCompactMonoBlock\\"
	_, after, found := strings.Cut(string(text), "$ "+command+"\n")
	_, header, drawn := strings.Cut(after, "┌─")
	header, _, closed := strings.Cut(header, "┐")
	if !found || !drawn || !closed {
		t.Fatalf("README.md shows no table after %q", command)
	}
	var shown []string
	for cell := range strings.SplitSeq(header, "┬") {
		shown = append(shown, strings.Trim(cell, "─"))
	}
	if !slices.Equal(shown, columns) {
		t.Errorf("README.md shows the columns %v, the report has %v", shown, columns)
	}
}

func TestReportWithoutANeededParameterSaysWhichAndWhatItMeans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all, err := reports.All()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(r reports.Report) bool { return r.Name == "owed_this_month" })
	_, err = openReports(t, w.options).Run(t.Context(), all[i], nil)
	if err == nil || !strings.Contains(err.Error(), "month: any day of the month") {
		t.Errorf("got %v", err)
	}
}
