package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"ristourne/processor/audit"
	"ristourne/rules"
	"ristourne/rules/explain"
	"ristourne/rules/offer"
)

// What was given, by which mechanism: each purchase is explained by the pure
// engine, and what it says is counted. Amounts are what awards cost, in cents,
// confirmed and still expected together.

// maxExplained bounds the purchases that are explained; each is worked out anew.
const maxExplained = 20_000

// tally is how often a mechanism was at work, and what about.
type tally struct {
	times, others int
	minor         int64
}

// part is one table of mechanisms. A row that nothing has happened to is shown
// too: a stranger must see that it exists.
type part struct {
	title, times, minor, others string // of its columns; others may be empty
	rows                        []string
	tallies                     map[string]*tally
}

func newPart(title, times, minor, others string, rows ...string) *part {
	p := &part{title: title, times: times, minor: minor, others: others, tallies: map[string]*tally{}}
	for _, row := range rows {
		p.at(row)
	}
	return p
}

func (p *part) at(row string) *tally {
	if p.tallies[row] == nil {
		p.rows, p.tallies[row] = append(p.rows, row), &tally{}
	}
	return p.tallies[row]
}

func (p *part) count(row string, minor int64) {
	t := p.at(row)
	t.times++
	t.minor += minor
}

// mechanisms is what the sandbox has seen at work.
type mechanisms struct {
	forms, kinds, conditions, boosts, caps, budgets, together, payers, sponsors, refunds *part

	catalogue *offer.Catalogue
	offers    map[audit.OfferVersion]*offer.Offer
	terms     map[[2]string]*offer.Commission // by partner and version
	explained int
}

// How the parts of the language are called in the table.
var (
	formNames = map[offer.RewardForm]string{
		offer.RateReward: "a share of the purchase", offer.FixedReward: "a fixed amount", offer.PerFullReward: "an amount for each full amount",
		offer.TieredReward: "tiers, the highest for all", offer.CategoryReward: "by article",
	}
	marginalForm   = "tiers, each for its part"
	kindOrder      = [...]rules.Kind{rules.Cash, rules.Points, rules.Wallet, rules.Voucher}
	conditionNames = [...][2]string{
		{"min_spend", "a minimum spend"},
		{"max_spend", "a maximum spend"},
		{"window", "from a day on, or until one"},
		{"hours", "weekdays, hours, dates"},
		{"channel", "the channel"},
		{"mcc", "the merchant's category"},
		{"card_product", "the card"},
		{"level", "the member's level"},
		{"segment", "the member's segment"},
		{"activation", "switched on by the member"},
		{"enrolled", "enrolled since, for, within"},
		{"first_purchase", "the first purchase"},
		{"lapsed", "back after some time"},
		{"visit", "every nth visit"},
		{"goal", "a sum reached"},
		{"holdout", "not to be held out"},
	}
	boostNames = map[offer.BoostOp]string{offer.SetRate: "sets a rate", offer.MultiplyRate: "multiplies", offer.AddRate: "adds to the rate"}
	capNames   = [...][2]string{
		{"cap:purchase", "per purchase"},
		{"cap:day", "per day"},
		{"cap:week", "per week"},
		{"cap:month", "per month"},
		{"cap:quarter", "per quarter"},
		{"cap:year", "per year"},
		{"cap:rolling", "per so many days"},
		{"cap:life", "per life"},
		{"cap:count", "in number"},
	}
)

func newMechanisms(c *offer.Catalogue) *mechanisms {
	m := &mechanisms{
		catalogue: c, offers: map[audit.OfferVersion]*offer.Offer{}, terms: map[[2]string]*offer.Commission{},
		forms: newPart("The reward is", "awards", "EUR", "",
			formNames[offer.RateReward], formNames[offer.FixedReward], formNames[offer.PerFullReward], formNames[offer.TieredReward], marginalForm,
			formNames[offer.CategoryReward]),
		kinds:      newPart("It is paid as", "awards", "EUR", ""),
		conditions: newPart("It asks for", "awards", "EUR", "kept away"),
		boosts:     newPart("A boost raises it", "awards", "EUR in all", "", boostNames[offer.SetRate], boostNames[offer.MultiplyRate], boostNames[offer.AddRate], "of the offer itself"),
		caps:       newPart("A cap bounds it", "awards", "EUR kept back", ""),
		budgets:    newPart("A budget pays it", "purchases", "EUR given", "got less", "of an offer", "of a store and day", "of a campaign"),
		together:   newPart("Offers live together", "awards", "EUR not given", "", "another of the group is better", "the programme's ceiling", "no more than the commission"),
		payers: newPart("The partner owes", "purchases", "EUR", "",
			"a share", "a fixed amount", "a share and an amount", "by tiers", "what rewards cost, and more", "for every sale", "of an offer", "a fee by the month"),
		sponsors: newPart("The bank pays", "awards", "EUR", "", "for offers of partners", "for its own offers", "a share to sponsors", "an amount to sponsors"),
	}
	m.refunds = newPart("A refund names no purchase", "refunds", "EUR", "")
	for _, name := range refundReasons {
		m.refunds.at(name[1])
	}
	m.refunds.at(refundsWait)
	for _, kind := range kindOrder {
		m.kinds.at(kind.String())
	}
	for _, name := range conditionNames {
		m.conditions.at(name[1])
	}
	for _, name := range capNames {
		m.caps.at(name[1])
	}
	for i := range c.Campaigns {
		m.boosts.at("campaign " + c.Campaigns[i].ID)
	}
	for i := range c.Programmes {
		m.index("", c.Programmes[i].Version.ID, c.Programmes[i].Offers)
	}
	for i := range c.Partners {
		p := &c.Partners[i]
		m.index(p.ID, p.Version.ID, p.Offers)
		m.terms[[2]string{p.ID, p.Version.ID}] = &p.Commission
	}
	return m
}

func (m *mechanisms) index(partner, version string, offers []offer.Offer) {
	for i := range offers {
		m.offers[audit.OfferVersion{PartnerID: partner, OfferID: offers[i].ID, Version: version}] = &offers[i]
	}
}

func (m *mechanisms) parts() []*part {
	return []*part{m.forms, m.kinds, m.conditions, m.boosts, m.caps, m.budgets, m.together, m.payers, m.sponsors, m.refunds}
}

// see counts what is at work in one purchase, as it is known now.
func (m *mechanisms) see(x *explain.Explanation) {
	if x.Expected == nil || x.Purchase == nil {
		return
	}
	m.explained++
	earns := false
	for i := range x.Expected.Offers {
		o := &x.Expected.Offers[i]
		offer := m.offers[audit.OfferVersion{PartnerID: o.PartnerID, OfferID: o.OfferID, Version: o.OfferVersion}]
		if offer == nil {
			continue
		}
		earns = earns || o.PartnerID != "" && o.AwardMinor > 0
		m.seeAward(o, offer)
		m.seeBounds(o)
	}
	m.seeCommission(x, earns)
	m.seeRefunds(x)
}

func (m *mechanisms) seeAward(o *explain.ExplainedOffer, agreed *offer.Offer) {
	for _, c := range o.Conditions {
		if c.Skipped {
			continue
		}
		for _, name := range conditionNames {
			switch {
			case name[0] != c.Code:
			case !c.Holds:
				m.conditions.at(name[1]).others++
			case o.AwardMinor > 0:
				m.conditions.count(name[1], o.CostMinor)
			}
		}
	}
	if o.AwardMinor <= 0 {
		return
	}
	form := formNames[agreed.Reward.Form]
	if agreed.Reward.Marginal {
		form = marginalForm
	}
	m.forms.count(form, o.CostMinor)
	m.kinds.count(o.Kind, o.CostMinor)
	for _, raise := range o.Raises {
		if raise.Counts {
			m.seeBoost(raise, o, agreed)
		}
	}
	switch {
	case o.PartnerID == "":
		m.sponsors.count("for its own offers", o.CostMinor)
	case agreed.FundedBy == offer.FundedByProgramme:
		m.sponsors.count("for offers of partners", o.CostMinor)
	}
}

func (m *mechanisms) seeBoost(raise explain.ExplainedBoost, o *explain.ExplainedOffer, agreed *offer.Offer) {
	whose, boosts := "of the offer itself", agreed.Boosts
	if raise.Campaign != "" {
		whose, boosts = "campaign "+raise.Campaign, nil
		for i := range m.catalogue.Campaigns {
			if c := &m.catalogue.Campaigns[i]; c.ID == raise.Campaign {
				for n := range c.Boosts {
					boosts = append(boosts, c.Boosts[n].Boost)
				}
			}
		}
	}
	m.boosts.count(whose, o.CostMinor)
	if n := slices.IndexFunc(boosts, func(b offer.Boost) bool { return b.ID == raise.ID }); n >= 0 {
		m.boosts.count(boostNames[boosts[n].Op], o.CostMinor)
	}
}

// seeBounds counts what keeps an award lower than it would be. Points are left
// out of the amounts here: what they would cost is not told.
func (m *mechanisms) seeBounds(o *explain.ExplainedOffer) {
	held := func(minor int64) int64 {
		if o.Unit != o.Currency {
			return 0
		}
		return max(0, minor)
	}
	for _, name := range capNames {
		if slices.Contains(o.Why, name[0]) {
			m.caps.count(name[1], held(o.RoundedMinor-o.CappedMinor))
		}
	}
	if o.LostTo != "" {
		m.together.count("another of the group is better", held(o.CappedMinor))
		return
	}
	if slices.Contains(o.Why, "ceiling") {
		m.together.count("the programme's ceiling", held(o.CappedMinor-o.CeilingMinor))
	}
	if slices.Contains(o.Why, "margin") {
		m.together.count("no more than the commission", held(o.CeilingMinor-o.MarginMinor))
	}
}

func (m *mechanisms) seeCommission(x *explain.Explanation, earns bool) {
	terms := m.terms[[2]string{x.Purchase.PartnerID, x.Purchase.PartnerVersion}]
	owed := x.Expected.Commission.Minor
	switch {
	case terms == nil:
	case terms.None():
		if earns {
			m.payers.count("a fee by the month", 0)
		}
	case owed > 0:
		m.payers.count(termsName(terms), owed)
		if terms.On == offer.OnSale {
			m.payers.count("for every sale", owed)
		}
	}
	for _, c := range x.Expected.OfferCommissions {
		if c.Minor > 0 {
			m.payers.count("of an offer", c.Minor)
		}
	}
}

func termsName(c *offer.Commission) string {
	switch {
	case c.Form == offer.TieredCommission:
		return "by tiers"
	case c.Form == offer.CostPlusCommission:
		return "what rewards cost, and more"
	case c.FixedMinor == 0:
		return "a share"
	case c.RateMillionths == 0:
		return "a fixed amount"
	}
	return "a share and an amount"
}

// seeGrants counts what purchases have of budgets.
func (m *mechanisms) seeGrants(grants []rules.Grant) {
	names := map[string]string{"offer": "of an offer", "day": "of a store and day", "campaign": "of a campaign"}
	for i := range grants {
		g := &grants[i]
		kind, _, _ := strings.Cut(string(g.Budget), "/")
		t := m.budgets.at(names[kind])
		if g.GrantedMinor > 0 {
			t.times++
			if len(g.Unit) == len("EUR") {
				t.minor += g.GrantedMinor
			}
		}
		if g.GrantedMinor < g.TargetMinor {
			t.others++
		}
	}
}

// seeSponsors counts what members got for those whom they brought.
func (m *mechanisms) seeSponsors(booked audit.Sums) {
	type award struct{ account, transaction, partner, offer, version string }
	awards := map[award]int64{}
	for k, sum := range booked {
		if k.Role == rules.RoleSponsor {
			awards[award{k.AccountID, k.TransactionID, k.PartnerID, k.OfferID, k.OfferVersion}] += sum.RewardMinor
		}
	}
	for a, minor := range awards {
		offer := m.offers[audit.OfferVersion{PartnerID: a.partner, OfferID: a.offer, Version: a.version}]
		switch {
		case minor <= 0 || offer == nil:
		case offer.Sponsor.RateMillionths > 0:
			m.sponsors.count("a share to sponsors", minor)
		default:
			m.sponsors.count("an amount to sponsors", minor)
		}
	}
}

// readMechanisms explains the purchases of the books.
func readMechanisms(b *audit.Books, c *offer.Catalogue) (*mechanisms, error) {
	m := newMechanisms(c)
	purchases := slices.SortedFunc(maps.Keys(b.Purchases), func(x, y audit.PurchaseID) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Transaction, y.Transaction))
	})
	for _, p := range purchases[:min(maxExplained, len(purchases))] {
		x, err := b.World.Explain(p.Account, p.Transaction)
		if err != nil {
			return nil, fmt.Errorf("explain purchase %s: %w", p.Transaction, err)
		}
		m.see(x)
	}
	m.seeGrants(b.Grants)
	m.seeSponsors(b.Ledger)
	m.seeWaitingRefunds(b.RefundsDue)
	return m, nil
}

func writeMechanisms(w *tabwriter.Writer, m *mechanisms) {
	for i, p := range m.parts() {
		if i > 0 {
			fmt.Fprintln(w, "\t\t\t")
		}
		fmt.Fprintf(w, "%s\t%10s\t%14s\t%10s\n", p.title, p.times, p.minor, p.others)
		for _, row := range p.rows {
			t, others := p.tallies[row], ""
			if p.others != "" {
				others = orNone(t.others)
			}
			minor := "-"
			if t.minor != 0 {
				minor = audit.Cents(t.minor)
			}
			fmt.Fprintf(w, "  %s\t%10s\t%14s\t%10s\n", row, orNone(t.times), minor, others)
		}
	}
}

// orNone shows a dash for what did not happen.
func orNone(n int) string {
	if n == 0 {
		return "-"
	}
	return audit.Grouped(int64(n))
}
