package scenario

import (
	"strings"

	"github.com/shopspring/decimal"

	"ristourne/rules"
	"ristourne/rules/explain"
	"ristourne/rules/money"
)

// A table says what it shows by its columns. These lists are all there are; a
// new kind of line needs at most one more entry here.

// quantity is an amount in its unit.
type quantity struct {
	minor    int64
	unit     string // a currency, or the points' code; empty: none
	decimals int    // of points
}

// String is the quantity as a cell has it. 0 is 0 in every unit.
func (q quantity) String() string {
	if q.minor == 0 {
		return "0"
	}
	if c, ok := money.ParseCurrency(q.unit); ok {
		return money.FormatMinor(q.minor, c)
	}
	return decimal.New(q.minor, int32(-q.decimals)).StringFixed(int32(q.decimals)) + " " + q.unit
}

// ledgerLine is a line of the ledger, and by what it is shown.
type ledgerLine struct {
	rules.Accrual
	settings *settings
}

func (l *ledgerLine) quantity(minor int64) quantity { return l.settings.quantity(minor, l.Unit) }

// clock shows an instant as a record would be written that happens then.
func (l *ledgerLine) clock(at rules.Instant) string {
	if at == (rules.Instant{}) {
		return ""
	}
	wall := at.Time().In(l.settings.zone)
	if at.Sec%60 == 0 && at.Nsec == 0 {
		return wall.Format("2006-01-02 15:04")
	}
	return wall.Format("2006-01-02 15:04:05.999999999")
}

// grant is what a purchase has of a budget, and by what it is shown.
type grant struct {
	rules.Grant
	settings *settings
}

func (g *grant) quantity(minor int64) quantity { return g.settings.quantity(minor, g.Unit) }

// column is one column of a kind of table: a text by which rows are told apart,
// or an amount.
type column[R any] struct {
	name   string
	text   func(*R) string
	amount func(*R) quantity
}

// lineColumns are those of the ledger's lines.
var lineColumns = []column[ledgerLine]{
	{name: "account", text: func(a *ledgerLine) string { return a.AccountID }},
	{name: "member", text: func(a *ledgerLine) string { return a.MemberID }},
	{name: "programme", text: func(a *ledgerLine) string { return a.Programme }},
	{name: "purchase", text: func(a *ledgerLine) string { return a.TransactionID }},
	{name: "purchased", text: func(a *ledgerLine) string { return a.clock(a.PurchasedAt) }},
	{name: "usable_from", text: func(a *ledgerLine) string { return a.clock(a.UsableFrom) }},
	{name: "expires_at", text: func(a *ledgerLine) string { return a.clock(a.ExpiresAt) }},
	{name: "partner", text: func(a *ledgerLine) string { return a.PartnerID }},
	{name: "store", text: func(a *ledgerLine) string { return a.StoreID }},
	{name: "offer", text: func(a *ledgerLine) string { return a.OfferID }},
	{name: "version", text: func(a *ledgerLine) string { return versionDate(a.OfferVersion) }},
	{name: "campaigns", text: func(a *ledgerLine) string { return strings.Join(a.CampaignIDs, ", ") }},
	{name: "role", text: func(a *ledgerLine) string { return a.Role.String() }},
	{name: "beneficiary", text: func(a *ledgerLine) string { return a.BeneficiaryID }},
	{name: "stage", text: func(a *ledgerLine) string { return a.Stage.String() }},
	{name: "kind", text: func(a *ledgerLine) string { return a.Kind.String() }},
	{name: "unit", text: func(a *ledgerLine) string { return a.Unit }},
	{name: "level", text: func(a *ledgerLine) string { return a.Level }},
	{name: "channel", text: func(a *ledgerLine) string { return a.Channel.String() }},
	{name: "mcc", text: func(a *ledgerLine) string { return a.MCC }},
	{name: "cause", text: func(a *ledgerLine) string { return a.Cause.ID }},
	{name: "because", text: func(a *ledgerLine) string { return strings.Join(a.Reasons, ", ") }},
	{name: "basis", amount: func(a *ledgerLine) quantity { return inMoney(a, a.BasisMinor) }},
	{name: "reward", amount: func(a *ledgerLine) quantity { return a.quantity(a.RewardMinor) }},
	{name: "commission", amount: func(a *ledgerLine) quantity { return inMoney(a, a.CommissionMinor) }},
	{name: "cost", amount: func(a *ledgerLine) quantity { return inMoney(a, a.CostMinor) }},
	{name: "margin", amount: func(a *ledgerLine) quantity { return inMoney(a, a.CommissionMinor-a.CostMinor) }},
}

// inMoney is an amount that is money whatever the line is paid in.
func inMoney(a *ledgerLine, minor int64) quantity {
	if a.Currency == (money.Currency{}) {
		return a.quantity(minor)
	}
	return quantity{minor: minor, unit: a.Currency.String()}
}

// versionDate is the part of a version's id that a person can foretell: the
// date from which it holds, or "initial".
func versionDate(id string) string {
	date, _, _ := strings.Cut(id, ".")
	return date
}

// instructionColumns are those of credit instructions.
var instructionColumns = []column[rules.Instruction]{
	{name: "account", text: func(x *rules.Instruction) string { return x.AccountID }},
	{name: "programme", text: func(x *rules.Instruction) string { return x.Programme }},
	{name: "direction", text: func(x *rules.Instruction) string { return x.Direction.String() }},
	{name: "cycle", text: func(x *rules.Instruction) string { return x.Cycle }},
	{name: "because", text: func(x *rules.Instruction) string { return x.Reason }},
	{name: "statement", text: func(x *rules.Instruction) string { return x.StatementText }},
	{name: "cause", text: func(x *rules.Instruction) string { return x.Cause.ID }},
	{name: "method", text: func(x *rules.Instruction) string { return x.Method.String() }},
	{name: "to", text: func(x *rules.Instruction) string { return strings.TrimSpace(x.IBAN + " " + x.Name + x.Handle) }},
	{name: "amount", amount: func(x *rules.Instruction) quantity { return quantity{minor: x.AmountMinor, unit: x.Currency.String()} }},
}

// budgetColumns are those of what purchases have of budgets: asked is what they
// would have if budgets had no end.
var budgetColumns = []column[grant]{
	{name: "budget", text: func(g *grant) string { return string(g.Budget) }},
	{name: "account", text: func(g *grant) string { return g.AccountID }},
	{name: "purchase", text: func(g *grant) string { return g.TransactionID }},
	{name: "asked", amount: func(g *grant) quantity { return g.quantity(g.TargetMinor) }},
	{name: "granted", amount: func(g *grant) quantity { return g.quantity(g.GrantedMinor) }},
	{name: "refused", amount: func(g *grant) quantity { return g.quantity(g.TargetMinor - g.GrantedMinor) }},
}

// explained is one offer of one purchase in one world; of a purchase that earns
// nothing as a whole, the purchase alone.
type explained struct {
	purchase *explain.Explanation
	world    string
	offer    *explain.ExplainedOffer // nil: the purchase alone
	settings *settings
}

func ofOffer(text func(*explain.ExplainedOffer) string) func(*explained) string {
	return func(x *explained) string {
		if x.offer == nil {
			return ""
		}
		return text(x.offer)
	}
}

// amountOfOffer is an amount in units of the award: money or points.
func amountOfOffer(minor func(*explain.ExplainedOffer) int64) func(*explained) quantity {
	return func(x *explained) quantity {
		if x.offer == nil {
			return quantity{}
		}
		return x.settings.quantity(minor(x.offer), x.offer.Unit)
	}
}

func basisOfOffer(x *explained) quantity {
	if x.offer == nil {
		return quantity{}
	}
	return quantity{minor: x.offer.BasisMinor, unit: x.offer.Currency}
}

// whyColumns are those of explanations. Each row is told apart by all of its
// columns: there is nothing to add up.
var whyColumns = []column[explained]{
	{name: "account", text: func(x *explained) string { return x.purchase.AccountID }},
	{name: "purchase", text: func(x *explained) string { return x.purchase.TransactionID }},
	{name: "outcome", text: func(x *explained) string { return x.purchase.Outcome }},
	{name: "world", text: func(x *explained) string { return x.world }},
	{name: "offer", text: ofOffer(func(o *explain.ExplainedOffer) string { return o.OfferID })},
	{name: "version", text: ofOffer(func(o *explain.ExplainedOffer) string { return versionDate(o.OfferVersion) })},
	{name: "group", text: ofOffer(func(o *explain.ExplainedOffer) string { return o.Group })},
	{name: "rate", text: ofOffer(func(o *explain.ExplainedOffer) string { return o.Rate })},
	{name: "exact", text: ofOffer(func(o *explain.ExplainedOffer) string { return o.Exact })},
	{name: "boosts", text: ofOffer(func(o *explain.ExplainedOffer) string { return strings.Join(o.Boosts, ", ") })},
	{name: "because", text: func(x *explained) string {
		if x.offer == nil {
			return strings.Join(x.purchase.Why, ", ")
		}
		return strings.Join(x.offer.Why, ", ")
	}},
	{name: "basis", amount: basisOfOffer},
	{name: "rounded", amount: amountOfOffer(func(o *explain.ExplainedOffer) int64 { return o.RoundedMinor })},
	{name: "room", amount: amountOfOffer(func(o *explain.ExplainedOffer) int64 { return o.RoomMinor })},
	{name: "capped", amount: amountOfOffer(func(o *explain.ExplainedOffer) int64 { return o.CappedMinor })},
	{name: "award", amount: amountOfOffer(func(o *explain.ExplainedOffer) int64 { return o.AwardMinor })},
}

// columnNames are those a table of the kind can have, and which of them are
// amounts.
func columnNames[R any](all []column[R]) (names []string, amounts map[string]bool) {
	amounts = map[string]bool{}
	for _, c := range all {
		names = append(names, c.name)
		amounts[c.name] = c.amount != nil
	}
	return names, amounts
}

// condition narrows a table to the rows that have a value.
type condition struct{ column, value string }

// row is one row of a table, a text for each column that was asked for.
type row []string

// project makes the rows of a table: those that meet the conditions, added up
// by the text columns that are asked for, and by unit. Rows that are 0 in all
// their amounts are left out, where amounts are asked for.
func project[R any](all []column[R], records []R, asked []string, where []condition) []row {
	by := map[string]*column[R]{}
	for i := range all {
		by[all[i].name] = &all[i]
	}
	type sums struct {
		row     row
		amounts []quantity
	}
	var order []*sums
	found := map[string]*sums{}
	for i := range records {
		if !meets(by, &records[i], where) {
			continue
		}
		texts, amounts := make(row, len(asked)), make([]quantity, len(asked))
		key := ""
		for n, name := range asked {
			if c := by[name]; c.text != nil {
				texts[n] = orDash(c.text(&records[i]))
				key += texts[n] + "\x00"
			} else {
				amounts[n] = c.amount(&records[i])
				key += amounts[n].unit + "\x00"
			}
		}
		s, ok := found[key]
		if !ok {
			s = &sums{texts, make([]quantity, len(asked))}
			found[key], order = s, append(order, s)
		}
		for n := range amounts {
			s.amounts[n].minor += amounts[n].minor
			s.amounts[n].unit, s.amounts[n].decimals = amounts[n].unit, amounts[n].decimals
		}
	}
	var rows []row
	for _, s := range order {
		counts, zero := false, true
		for n, name := range asked {
			if by[name].amount != nil {
				counts, zero = true, zero && s.amounts[n].minor == 0
				s.row[n] = s.amounts[n].String()
			}
		}
		if !counts || !zero {
			rows = append(rows, s.row)
		}
	}
	return rows
}

func meets[R any](by map[string]*column[R], r *R, where []condition) bool {
	for _, c := range where {
		if orDash(by[c.column].text(r)) != c.value {
			return false
		}
	}
	return true
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
