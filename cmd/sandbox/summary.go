package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"ristourne/processor/audit"
	"ristourne/rules"
)

// printSummary prints what came out, for a person.
func (s *sandbox) printSummary(b *shownBooks) error {
	s.out.title("What became of the records")
	if err := s.table(func(w *tabwriter.Writer) { writeFates(w, &b.Fates) }); err != nil {
		return err
	}
	s.out.title("Accruals by partner and offer, in EUR")
	if err := s.table(func(w *tabwriter.Writer) { writeOffers(w, b) }); err != nil {
		return err
	}
	s.out.say("  Expected is authorised and not cleared yet. Commission, cost and margin are of what is confirmed.")
	s.out.title("What was given, by which mechanism")
	if err := s.table(func(w *tabwriter.Writer) { writeMechanisms(w, b.mechanisms) }); err != nil {
		return err
	}
	s.out.say("  Confirmed and still expected, in what it costs. One award is in several rows: it has a form, conditions, bounds.")
	if b.mechanisms.explained == maxExplained {
		s.out.say("  Of %s purchases, not of all.", audit.Grouped(maxExplained))
	}
	if instructions := b.DistinctInstructions(); len(instructions) > 0 {
		s.out.title("The latest credit instructions to the bank")
		if err := s.table(func(w *tabwriter.Writer) { writeInstructions(w, instructions) }); err != nil {
			return err
		}
	}
	if len(b.Letters) > 0 {
		s.out.title("Dead letters")
		if err := s.table(func(w *tabwriter.Writer) { writeLetters(w, b.Letters) }); err != nil {
			return err
		}
	}
	s.example = exampleOf(b)
	return nil
}

// table prints aligned columns, indented.
func (s *sandbox) table(write func(*tabwriter.Writer)) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.StripEscape)
	write(w)
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			line = "  " + line
		}
		s.out.say("%s", line)
	}
	return nil
}

// fateMeanings say what became of a record, in few words.
var fateMeanings = [rules.NumFates]string{
	rules.Booked:       "changed what somebody earns or owes",
	rules.NoChange:     "known from now on, and changes no sum",
	rules.Waiting:      "a refund or the like of a purchase that is not known: kept for 90 days",
	rules.Duplicate:    "the same came before",
	rules.Declined:     "the bank did not approve it",
	rules.NoMember:     "of a customer who is not enrolled",
	rules.Unmatched:    "of a member at a shop that is no partner",
	rules.TooLate:      "of a time for which the books are closed",
	rules.DeadLettered: "broke a rule, see below",
}

func writeFates(w *tabwriter.Writer, fates *[rules.NumFates]int64) {
	for fate := rules.Booked; fate < rules.NumFates; fate++ {
		if fates[fate] > 0 {
			fmt.Fprintf(w, "%12s\t%s\t%s\n", audit.Grouped(fates[fate]), audit.FateName(fate), fateMeanings[fate])
		}
	}
}

// amounts are the columns of the table of offers.
type amounts struct{ expected, confirmed, commission, cost int64 }

func (a *amounts) add(o amounts) {
	a.expected += o.expected
	a.confirmed += o.confirmed
	a.commission += o.commission
	a.cost += o.cost
}

func (a amounts) row(name string) string {
	return fmt.Sprintf("%s\t%12s\t%12s\t%12s\t%12s\t%12s\n", name, audit.Cents(a.expected), audit.Cents(a.confirmed), audit.Cents(a.commission), audit.Cents(a.cost), audit.Cents(a.commission-a.cost))
}

// writeOffers lists each partner with its terms' commission, and its offers
// below it.
func writeOffers(w *tabwriter.Writer, b *shownBooks) {
	partners := map[string]amounts{}
	offers := map[string]map[string]amounts{}
	var all amounts
	for _, t := range b.Totals {
		var a amounts
		if t.Stage == rules.Expected {
			a.expected = t.RewardMinor
		} else {
			a = amounts{confirmed: t.RewardMinor, commission: t.CommissionMinor, cost: t.CostMinor}
		}
		sum := partners[t.PartnerID]
		sum.add(a)
		partners[t.PartnerID] = sum
		all.add(a)
		if t.OfferID == "" {
			continue
		}
		if offers[t.PartnerID] == nil {
			offers[t.PartnerID] = map[string]amounts{}
		}
		sum = offers[t.PartnerID][t.OfferID]
		sum.add(a)
		offers[t.PartnerID][t.OfferID] = sum
	}
	fmt.Fprintf(w, "\t%12s\t%12s\t%12s\t%12s\t%12s\n", "expected", "confirmed", "commission", "cost", "margin")
	for _, id := range slices.Sorted(maps.Keys(partners)) {
		fmt.Fprint(w, partners[id].row(cmp.Or(b.Names[id], id)))
		for _, offer := range slices.Sorted(maps.Keys(offers[id])) {
			a := offers[id][offer]
			fmt.Fprintf(w, "  %s\t%12s\t%12s\t\t%12s\t\n", offer, audit.Cents(a.expected), audit.Cents(a.confirmed), audit.Cents(a.cost))
		}
	}
	fmt.Fprint(w, all.row("All"))
}

func writeInstructions(w *tabwriter.Writer, instructions []rules.Instruction) {
	const shown = 5
	slices.SortStableFunc(instructions, func(x, y rules.Instruction) int { return cmp.Compare(y.CreatedAt, x.CreatedAt) })
	fmt.Fprintln(w, "INSTRUCTION\tACCOUNT\tDIRECTION\tAMOUNT\tSTATEMENT")
	for _, i := range instructions[:min(shown, len(instructions))] {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s %s\t%s\n", i.ID, i.AccountID, i.Direction, audit.Cents(i.AmountMinor), i.Currency, i.StatementText)
	}
}

// writeLetters counts dead letters by reason and field, with what is to be done.
func writeLetters(w *tabwriter.Writer, letters []rules.DeadLetter) {
	const detailWidth = 90
	type fault struct{ reason, field string }
	counts, details := map[fault]int{}, map[fault]string{}
	for i := range letters {
		f := fault{letters[i].Reason, letters[i].Field}
		counts[f]++
		details[f] = letters[i].Detail
	}
	fmt.Fprintln(w, "COUNT\tREASON\tFIELD\tWHAT IS WRONG")
	for _, f := range slices.SortedFunc(maps.Keys(counts), func(x, y fault) int {
		return cmp.Or(cmp.Compare(counts[y], counts[x]), cmp.Compare(x.reason, y.reason), cmp.Compare(x.field, y.field))
	}) {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", counts[f], f.reason, cmp.Or(f.field, "-"), cut(details[f], detailWidth))
	}
}

// exampleOf is a purchase worth asking about: the one with the most lines, as
// it is in the ledger.
func exampleOf(b *shownBooks) string {
	lines := map[string]int{}
	for k := range b.Ledger {
		lines[k.TransactionID]++
	}
	best := ""
	for id, n := range lines {
		if best == "" || n > lines[best] || n == lines[best] && id < best {
			best = id
		}
	}
	return best
}

// printAddresses says where one can look further, and how.
func (s *sandbox) printAddresses() {
	binary, config := relative(s.binary), relative(s.config)
	purchase := cmp.Or(s.example, "TRANSACTION")
	s.out.title("Look further")
	s.out.item("Kafka", "%s: %s, %s, %s, %s", s.kafka.Brokers[0], topicTransactions, topicFacts, topicInstructions, topicDeadLetters)
	s.out.item("ClickHouse", "native %s, http://%s, database %s, user %s, password %s",
		s.clickhouse.Addr, s.clickhouse.HTTPAddr, database, s.clickhouse.User, s.clickhouse.Password)
	for _, p := range s.running {
		s.out.item("Metrics", "http://%s/metrics", p.metrics)
	}
	s.out.say("")
	s.out.say("  %s why %s --config %s", binary, purchase, config)
	s.out.say("  %s deadletters list --config %s", binary, config)
	s.out.say(`  curl -s 'http://%s/?database=%s&user=%s&password=%s' --data-binary \
    "SELECT partner_id, sum(commission_minor)/100 AS commission, sum(cost_minor)/100 AS cost FROM ledger
     WHERE stage = 'confirmed' GROUP BY partner_id ORDER BY commission DESC FORMAT PrettyCompact"`,
		s.clickhouse.HTTPAddr, database, s.clickhouse.User, s.clickhouse.Password)
}

// relative is a path as short as it can be typed here.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	short, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(short, "..") {
		return path
	}
	return short
}

// printBalance prints the balance sheet and tells whether it adds up.
func (s *sandbox) printBalance(findings []audit.Finding) bool {
	const shown, width = 5, 300
	balanced := true
	s.out.title("Balance sheet")
	for _, f := range findings {
		mark := "✓"
		if len(f.Differences) > 0 {
			mark, balanced = "✗", false
		}
		s.out.say("  %s %-66s %s", mark, f.What, f.Detail)
		for _, d := range f.Differences[:min(shown, len(f.Differences))] {
			s.out.say("      %s", cut(d, width))
		}
		if more := len(f.Differences) - shown; more > 0 {
			s.out.say("      and %s more", audit.Grouped(int64(more)))
		}
	}
	if balanced {
		s.out.say("\nEverything adds up.")
	} else {
		s.out.say("\nThis does not add up. Run it again with --seed %d and --data DIR to look into it.", s.seed)
	}
	return balanced
}
