package audit

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// Store is a ledger as it is stored.
type Store interface {
	Shards(ctx context.Context) (int, error)
	// Marker is the newest of a shard: what is behind it is being booked. False:
	// none is.
	Marker(ctx context.Context, shard int32) (rules.Marker, bool, error)
	// Rows streams the accounts of the marker's shard with every row of theirs.
	Rows(ctx context.Context, upTo *rules.Marker, each func(*rules.AccountHistory) error) error
	Actions(ctx context.Context) ([]rules.OperatorAction, error)
	// Conflicts are ids that have two contents.
	Conflicts(ctx context.Context) ([]rules.Conflict, error)
	// BudgetsGiven streams what each budget has given, up to the markers.
	BudgetsGiven(ctx context.Context, upTo []rules.Marker, each func(key rules.BudgetKey, unit string, givenMinor int64) error) error
	// LedgerSums and InstructedSums are worked out by the store, up to the markers.
	LedgerSums(ctx context.Context, upTo []rules.Marker) ([]rules.LedgerSum, error)
	InstructedSums(ctx context.Context, upTo []rules.Marker) ([]rules.InstructedSum, error)
}

// Proof works every account of a ledger out anew from the records that the ledger
// has of it, and holds what comes of it against what is booked, row by row.
//
// The engine that decided can't see its own faults. So what must hold whatever the
// rules say is worked out apart, by plain sums of rows (identities.go): that no more
// was instructed than was confirmed, which word of the bank counts, that commission
// pays for rewards, what budgets and kitties gave.
//
// It holds one account at a time, and as many differences as are listed.
type Proof struct {
	Store     Store
	Snapshot  *engine.Snapshot
	Catalogue *offer.Catalogue
	Programme string // whose rows are looked at; empty: all
	// AsOf is up to which Kafka timestamp records are looked at, milliseconds since
	// 1970: an account's up to the first one that is later. 0: all that is booked.
	AsOf int64
	// Limit is how many differences are listed under each line of the sheet.
	Limit int
	// Progress is told after each account; nil: nobody is.
	Progress func()
}

// Sheet is the balance sheet of a ledger.
type Sheet struct {
	Shards      int             `json:"shards"`
	Compared    Compared        `json:"compared"`
	Balances    []Balance       `json:"balances"` // by programme and currency
	Partners    []Partner       `json:"partners"` // by partner and currency, of what is confirmed
	Budgets     []Budget        `json:"budgets"`  // of campaigns, and of offers over all days
	Checks      []Check         `json:"checks"`
	Notices     []Difference    `json:"notices"` // what a person should see, and is right
	NoticeCount int64           `json:"notice_count"`
	ByClass     map[Class]int64 `json:"by_class"`
}

// Check is a line of it.
type Check struct {
	What        string       `json:"what"`
	Detail      string       `json:"detail"`
	Differences []Difference `json:"differences"` // so many as are listed
	Count       int64        `json:"count"`       // of all
}

// Differing is how many differences there are, but for those of classes that were
// accepted.
func (s *Sheet) Differing(accepted []Class) (n int64) {
	for class, count := range s.ByClass {
		if !slices.Contains(accepted, class) {
			n += count
		}
	}
	return n
}

// Compared is how much was looked at.
type Compared struct {
	Accounts     int64 `json:"accounts"`
	Erased       int64 `json:"erased"`   // of them: sums alone, as their ids are gone
	Repaired     int64 `json:"repaired"` // of them: by their sums, as a repair has changed them, whose rows follow from no record
	Records      int64 `json:"records"`
	Lines        int64 `json:"lines"`
	Instructions int64 `json:"instructions"`
	Results      int64 `json:"results"`
	Grants       int64 `json:"grants"`
	Referrals    int64 `json:"referrals"`
	InFlight     int64 `json:"in_flight"` // records that are being booked, or later than AsOf: not looked at
}

// Balance is what was confirmed and instructed of a programme's cash in a currency,
// in minor units.
type Balance struct {
	Programme       string `json:"programme"`
	Currency        string `json:"currency"`
	ConfirmedMinor  int64  `json:"confirmed_minor"`
	InstructedMinor int64  `json:"instructed_minor"` // credits less debits, without the rejected
	RejectedMinor   int64  `json:"rejected_minor"`   // credits less debits that came back
	ShadowMinor     int64  `json:"shadow_minor"`     // of what is instructed: paid elsewhere
	CarriedMinor    int64  `json:"carried_minor"`    // confirmed and not instructed, over the accounts where it is more
	DebtMinor       int64  `json:"debt_minor"`       // instructed and not confirmed, over the accounts where it is
}

// Partner is what a partner owes and gave, confirmed, in minor units.
type Partner struct {
	PartnerID       string `json:"partner_id"`
	Currency        string `json:"currency"`
	CommissionMinor int64  `json:"commission_minor"`
	CostMinor       int64  `json:"cost_minor"`   // of the rewards, of whatever kind
	MarginMinor     int64  `json:"margin_minor"` // what they leave of the commission
}

// Budget is what one has given of what was agreed, in its unit's smallest part.
type Budget struct {
	Key         rules.BudgetKey `json:"key"`
	Unit        string          `json:"unit"`
	GivenMinor  int64           `json:"given_minor"`
	AgreedMinor int64           `json:"agreed_minor"`
}

// proving is the work of one Proof.
type proving struct {
	*Proof
	agreed     agreed
	engine     *engine.Engine
	found      *findings
	notices    []Difference
	noticed    int64
	compared   Compared
	repairs    map[int32]bool  // by shard: it was repaired
	payFrom    map[string]bool // programmes that don't look at all that was earned
	balances   map[balanceKey]*Balance
	sums       map[rules.LedgerSum]*rules.LedgerSum         // by their names
	instructed map[rules.InstructedSum]*rules.InstructedSum // by theirs
	markers    []rules.Marker
}

// Run reads the whole ledger.
func (p *Proof) Run(ctx context.Context) (*Sheet, error) {
	w := &proving{
		Proof: p, agreed: readAgreed(p.Catalogue), engine: engine.New(p.Snapshot), found: newFindings(p.Limit),
		repairs: map[int32]bool{}, payFrom: map[string]bool{}, balances: map[balanceKey]*Balance{},
		sums: map[rules.LedgerSum]*rules.LedgerSum{}, instructed: map[rules.InstructedSum]*rules.InstructedSum{},
	}
	for i := range p.Catalogue.Programmes {
		v := &p.Catalogue.Programmes[i]
		w.payFrom[v.ID] = w.payFrom[v.ID] || v.Payout.PayFrom != rules.Instant{}
	}
	actions, err := p.Store.Actions(ctx)
	if err != nil {
		return nil, err
	}
	for i := range actions {
		if strings.HasPrefix(actions[i].Action, "repair") {
			w.repairs[actions[i].Shard] = true
		}
	}
	shards, err := p.Store.Shards(ctx)
	if err != nil {
		return nil, err
	}
	for shard := range int32(shards) {
		if err := w.shard(ctx, shard); err != nil {
			return nil, fmt.Errorf("audit shard %d: %w", shard, err)
		}
	}
	budgets, err := w.wholeTables(ctx)
	if err != nil {
		return nil, err
	}
	return w.sheet(shards, budgets), nil
}

func (w *proving) shard(ctx context.Context, shard int32) error {
	marker, found, err := w.Store.Marker(ctx, shard)
	if err != nil || !found {
		return err
	}
	w.markers = append(w.markers, marker)
	return w.Store.Rows(ctx, &marker, func(h *rules.AccountHistory) error {
		w.account(&marker, h)
		if w.Progress != nil {
			w.Progress()
		}
		return ctx.Err()
	})
}

// wholeTables asks the store for what goes over all accounts.
func (w *proving) wholeTables(ctx context.Context) ([]Budget, error) {
	conflicts, err := w.Store.Conflicts(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range conflicts {
		w.found.add(Difference{Class: IDTwice, What: fmt.Sprintf("%s %s says %s", c.Table, c.ID, strings.Join(c.Contents, " and "))})
	}
	budgets, err := w.budgets(ctx)
	if err != nil || w.AsOf != 0 {
		return budgets, err
	}
	return budgets, w.totals(ctx)
}

// budgets holds what each budget gave against what was agreed, whatever the time.
func (w *proving) budgets(ctx context.Context) (all []Budget, err error) {
	err = w.Store.BudgetsGiven(ctx, w.markers, func(key rules.BudgetKey, unit string, givenMinor int64) error {
		most := w.agreed.limitOf(key, unit)
		if givenMinor < 0 || givenMinor > most {
			w.found.add(Difference{Class: BudgetExceeded, Budget: string(key), What: fmt.Sprintf("budget %s gave %s of %s", key, inUnit(givenMinor, unit), inUnit(most, unit))})
		}
		if !strings.HasPrefix(string(key), "day/") { // those are many
			all = append(all, Budget{key, unit, givenMinor, most})
		}
		return nil
	})
	return all, err
}

// totals holds the sums that the store works out against those of the accounts: a row
// that no account has shows so.
func (w *proving) totals(ctx context.Context) error {
	lines, err := w.Store.LedgerSums(ctx, w.markers)
	if err != nil {
		return err
	}
	seen := map[rules.LedgerSum]bool{}
	for i := range lines {
		s := &lines[i]
		seen[nameOf(s)] = true
		mine := w.sums[nameOf(s)]
		if mine == nil {
			mine = &rules.LedgerSum{}
		}
		if w.concerns(s.Programme) && *mine != *s {
			w.totalWrong(s, s, mine)
		}
	}
	for name, mine := range w.sums {
		if !seen[name] {
			w.totalWrong(&name, &rules.LedgerSum{}, mine)
		}
	}
	instructed, err := w.Store.InstructedSums(ctx, w.markers)
	if err != nil {
		return err
	}
	for i := range instructed {
		s := &instructed[i]
		mine := w.instructed[rules.InstructedSum{Programme: s.Programme, Currency: s.Currency, Direction: s.Direction}]
		if mine == nil {
			mine = &rules.InstructedSum{}
		}
		if w.concerns(s.Programme) && *mine != *s {
			w.found.add(Difference{Class: TotalWrong, What: fmt.Sprintf("%ss of programme %s: ClickHouse sums up %d of %s, the accounts have %d of %s",
				s.Direction, s.Programme, s.Instructions, inUnit(s.AmountMinor, s.Currency), mine.Instructions, inUnit(mine.AmountMinor, s.Currency))})
		}
	}
	return nil
}

func (w *proving) totalWrong(of, stored, accounts *rules.LedgerSum) {
	told := func(s *rules.LedgerSum) string {
		return fmt.Sprintf("%d lines, reward %s, commission %s, cost %s", s.Lines,
			inUnit(s.RewardMinor, of.Currency), inUnit(s.CommissionMinor, of.Currency), inUnit(s.CostMinor, of.Currency))
	}
	w.found.add(Difference{Class: TotalWrong, PartnerID: of.PartnerID, What: fmt.Sprintf("%s %s of programme %s, partner %q: ClickHouse sums up %s; the accounts have %s",
		of.Stage, of.Role, of.Programme, of.PartnerID, told(stored), told(accounts))})
}

// concerns reports whether rows of a programme are looked at.
func (w *proving) concerns(programme string) bool {
	return w.Programme == "" || programme == w.Programme
}

// nameOf is what a sum is of.
func nameOf(s *rules.LedgerSum) rules.LedgerSum {
	return rules.LedgerSum{Programme: s.Programme, PartnerID: s.PartnerID, Currency: s.Currency, Stage: s.Stage, Role: s.Role}
}

// inUnit writes an amount of money; of points, whose decimals are the programme's to
// say, their smallest parts.
func inUnit(minor int64, unit string) string { return offer.FormatUnits(minor, unit, 0) }

func (w *proving) sheet(shards int, budgets []Budget) *Sheet {
	// Lists that are empty are so in JSON too.
	s := &Sheet{
		Shards: shards, Compared: w.compared, Balances: []Balance{}, Partners: append([]Partner{}, w.partners()...), Budgets: append([]Budget{}, budgets...),
		Notices: append([]Difference{}, w.notices...), NoticeCount: w.noticed, ByClass: w.found.byClass,
	}
	for key := range w.balances {
		s.Balances = append(s.Balances, *w.balances[key])
	}
	slices.SortFunc(s.Balances, func(x, y Balance) int {
		return cmp.Or(cmp.Compare(x.Programme, y.Programme), cmp.Compare(x.Currency, y.Currency))
	})
	details := w.details(s)
	for h := range numHeadings {
		listed := append([]Difference{}, w.found.listed[h]...)
		s.Checks = append(s.Checks, Check{What: headings[h], Detail: details[h], Differences: listed, Count: w.found.counts[h]})
	}
	return s
}

// details say of each line how much was looked at, and how.
func (w *proving) details(s *Sheet) (details [numHeadings]string) {
	c := &w.compared
	details[ofRecords] = fmt.Sprintf("accounts: %s, records: %s", Grouped(c.Accounts), Grouped(c.Records))
	details[ofLines] = "id by id; lines: " + Grouped(c.Lines)
	if c.Repaired > 0 {
		details[ofLines] += fmt.Sprintf("; accounts that were repaired, by their sums: %s", Grouped(c.Repaired))
	}
	if c.Erased > 0 {
		details[ofLines] += fmt.Sprintf("; accounts that were erased, of which nothing can be worked out: %s", Grouped(c.Erased))
	}
	var commission, cost int64
	currencies := map[string]bool{}
	for i := range s.Partners {
		commission += s.Partners[i].CommissionMinor
		cost += s.Partners[i].CostMinor
		currencies[s.Partners[i].Currency] = true
	}
	details[ofCommission] = fmt.Sprintf("of %s, purchase by purchase", offer.Counted(len(s.Partners), "partner"))
	if len(currencies) == 1 {
		currency := s.Partners[0].Currency
		details[ofCommission] += fmt.Sprintf(": %s = %s + %s", inUnit(commission, currency), inUnit(cost, currency), inUnit(commission-cost, currency))
	}
	details[ofMoney] = "account by account, after each credit"
	for i := range s.Balances {
		b := &s.Balances[i]
		details[ofMoney] += fmt.Sprintf("; %s: %s = %s + %s", b.Programme, inUnit(b.ConfirmedMinor, b.Currency),
			inUnit(b.InstructedMinor, b.Currency), inUnit(b.ConfirmedMinor-b.InstructedMinor, b.Currency))
	}
	details[ofInstructions] = "id by id; instructions: " + Grouped(c.Instructions)
	details[ofResults] = "results: " + Grouped(c.Results)
	details[ofBudgets] = "who is served first is not worked out anew; grants: " + Grouped(c.Grants)
	details[ofSponsors] = "referrals: " + Grouped(c.Referrals)
	details[ofKitties] = "account by account"
	details[ofIDs] = "lines, instructions, events, facts, referrals, grants"
	details[ofTotals] = "what ClickHouse sums up = what the accounts sum up to"
	if w.AsOf != 0 {
		details[ofTotals] = "not compared: ClickHouse sums up what is there now"
	}
	return details
}

func (w *proving) partners() (all []Partner) {
	by := map[[2]string]*Partner{}
	for _, s := range w.sums {
		if s.PartnerID == "" || s.Stage != rules.Confirmed {
			continue
		}
		key := [2]string{s.PartnerID, s.Currency}
		if by[key] == nil {
			by[key] = &Partner{PartnerID: s.PartnerID, Currency: s.Currency}
		}
		by[key].CommissionMinor += s.CommissionMinor
		by[key].CostMinor += s.CostMinor
		by[key].MarginMinor += s.CommissionMinor - s.CostMinor
	}
	for _, p := range by {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(x, y Partner) int {
		return cmp.Or(cmp.Compare(x.PartnerID, y.PartnerID), cmp.Compare(x.Currency, y.Currency))
	})
	return all
}

// latest is up to which Kafka timestamp records count.
func (p *Proof) latest() int64 {
	if p.AsOf == 0 {
		return math.MaxInt64
	}
	return p.AsOf
}

// Finding is the whole sheet as one line of another.
func (s *Sheet) Finding() Finding {
	c := &s.Compared
	f := Finding{
		What:   "the ledger follows from its own records, id by id",
		Detail: fmt.Sprintf("%s lines and %s instructions of %s records", Grouped(c.Lines), Grouped(c.Instructions), Grouped(c.Records)),
	}
	for i := range s.Checks {
		check := &s.Checks[i]
		for n := range check.Differences {
			d := &check.Differences[n]
			f.Differences = append(f.Differences, fmt.Sprintf("%s: account %s: %s", d.Class, d.account(), d.What))
		}
		if more := check.Count - int64(len(check.Differences)); more > 0 {
			f.Differences = append(f.Differences, fmt.Sprintf("%s: %s more", check.What, Grouped(more)))
		}
	}
	return f
}
