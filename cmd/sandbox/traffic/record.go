package traffic

import (
	"encoding/json"
	"time"
)

// event is a transaction event, as the wire has it.
type event struct {
	EventID               string   `json:"event_id"`
	Type                  string   `json:"type"`
	TransactionID         string   `json:"transaction_id"`
	OriginalTransactionID string   `json:"original_transaction_id,omitempty"`
	AccountID             string   `json:"account_id"`
	CardToken             string   `json:"card_token"`
	AmountMinor           int64    `json:"amount_minor"`
	Currency              string   `json:"currency"`
	BillingAmountMinor    int64    `json:"billing_amount_minor,omitempty"`
	BillingCurrency       string   `json:"billing_currency,omitempty"`
	OccurredAt            string   `json:"occurred_at"`
	PurchasedAt           string   `json:"purchased_at,omitempty"`
	Approved              *bool    `json:"approved,omitempty"`
	Merchant              merchant `json:"merchant"`
	Channel               string   `json:"channel,omitempty"`
	CardProduct           string   `json:"card_product,omitempty"`
	Items                 []item   `json:"items,omitempty"`
}

// item is a line of the receipt.
type item struct {
	AmountMinor int64  `json:"amount_minor"`
	Category    string `json:"category,omitempty"`
}

// fact is a fact about a member, as the wire has it.
type fact struct {
	FactID        string `json:"fact_id"`
	Type          string `json:"type"`
	AccountID     string `json:"account_id"`
	At            string `json:"at"`
	CardToken     string `json:"card_token,omitempty"`
	Level         string `json:"level,omitempty"`
	Segment       string `json:"segment,omitempty"`
	OfferID       string `json:"offer_id,omitempty"`
	TransactionID string `json:"transaction_id,omitempty"`
}

func (g *Generator) render(p planned) Record {
	if p.fact.Type != "" {
		return Record{Fact: true, Key: []byte(p.fact.AccountID), Value: encode(p.fact), Kind: p.kind, Hit: p.hit}
	}
	value := p.again
	if value == nil {
		value = encode(p.event)
	}
	return Record{Key: []byte(p.event.AccountID), Value: value, Kind: p.kind, Hit: p.hit}
}

func encode(v any) []byte {
	value, err := json.Marshal(v)
	if err != nil {
		panic(err) // structs of strings and numbers always marshal
	}
	return value
}

// fact makes the next kind of fact about a member; false where nobody is left
// of whom it could be true.
func (g *Generator) fact(now time.Time) (Record, bool) {
	kinds := [...]func(n int, m *member, f *fact) (Kind, bool){
		g.offerActivation, g.levelChange, g.cardLink, g.segmentChange, g.cardUnlink, g.leave,
	}
	tell := kinds[g.facts%len(kinds)]
	g.facts++
	const tries = 50
	for range tries {
		n := g.rng.IntN(len(g.members))
		f := fact{FactID: g.id("fact"), AccountID: g.account(n), At: g.stamp(now.Truncate(time.Millisecond))}
		if kind, ok := tell(n, &g.members[n], &f); ok {
			return g.render(planned{kind: kind, fact: f}), true
		}
	}
	return Record{}, false
}

// levels are those of the members, the usual first.
var levels = [...]string{"classique", "or", "platine"}

// levelOf is the level with which a member enrols: of ten two are better, and
// one is best.
func levelOf(n int) uint8 {
	switch n % 10 {
	case 7, 8:
		return 1
	case 9:
		return 2
	}
	return 0
}

// students is the segment that one member in four is in.
const students = "etudiants"

func (g *Generator) levelChange(_ int, m *member, f *fact) (Kind, bool) {
	m.level = (m.level + 1) % uint8(len(levels))
	f.Type, f.Level = "level_changed", levels[m.level]
	return LevelChange, !m.left
}

func (g *Generator) cardLink(n int, m *member, f *fact) (Kind, bool) {
	if m.linked || m.left {
		return 0, false
	}
	m.linked = true
	f.Type, f.CardToken = "card_linked", g.card(n, 2)
	return CardLink, true
}

func (g *Generator) segmentChange(n int, m *member, f *fact) (Kind, bool) {
	if m.student || m.left || isStudent(n) {
		return 0, false
	}
	m.student = true
	f.Type, f.Segment = "segment_added", students
	return SegmentChange, true
}

// offerActivation is of one who is seen in the shop, or it would never count.
func (g *Generator) offerActivation(_ int, _ *member, f *fact) (Kind, bool) {
	if len(g.activated) == 0 {
		return 0, false
	}
	a := pick(g.rng, g.activated)
	f.Type, f.OfferID, f.AccountID = "offer_activated", a.offer, g.account(pick(g.rng, a.regulars))
	return OfferActivation, true
}

// cardUnlink takes the second card away; its holder goes on using it.
func (g *Generator) cardUnlink(n int, m *member, f *fact) (Kind, bool) {
	if m.unlinked || m.left || n%3 != 0 {
		return 0, false
	}
	m.unlinked = true
	f.Type, f.CardToken = "card_unlinked", g.card(n, 1)
	return CardUnlink, true
}

func (g *Generator) leave(_ int, m *member, f *fact) (Kind, bool) {
	if m.left || g.left > len(g.members)/maxLeft {
		return 0, false
	}
	m.left = true
	g.left++
	f.Type = "left"
	return Leave, true
}

// Member is an account to be enrolled before the first record.
type Member struct {
	AccountID, MemberID string
	CardTokens          []string
	Level               string
	Segments            []string
	SponsorAccountID    string // who brought the member; empty: nobody
	EnrolledAt          time.Time
}

// Programme is the one that the members enrol in.
func (g *Generator) Programme() string { return g.programme }

// Member is the nth member, from 0.
func (g *Generator) Member(n int) Member {
	const monthsBefore = 6
	m := Member{
		AccountID: g.account(n), MemberID: "M" + g.account(n)[len("lyo-"):], CardTokens: []string{g.card(n, 0)}, Level: levels[levelOf(n)],
		// All before the first purchase, some of them long before.
		EnrolledAt: g.options.Begin.Add(-time.Hour * time.Duration(1+n*7919%(monthsBefore*30*24))).Truncate(time.Second),
	}
	if n%3 == 0 {
		m.CardTokens = append(m.CardTokens, g.card(n, 1))
	}
	if isStudent(n) {
		m.Segments = []string{students}
	}
	const broughtBySponsor = 8
	if n%2 == 1 {
		m.SponsorAccountID = g.account(n / (2 * broughtBySponsor))
	}
	return m
}

func isStudent(n int) bool { return n%4 == 2 }

// Members is how many there are.
func (g *Generator) Members() int { return len(g.members) }
