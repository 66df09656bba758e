package engine_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// A scene is an account's life in a few words a record:
//
//	authorization P1 10000 d3            an event of purchase P1 over 100.00 on day 3
//	refund P1 2000 d5 id=r1 orig=P9 mid=OTHER cur=USD bill=1800EUR at=2026-03-31T23:59:59+02:00 purchased=d1 card=c2
//	enrolled d0 cards=card               a fact
//
// Day 0 is 2026-03-01T12:00:00Z.

type record struct {
	event *rules.Event
	fact  *rules.Fact
}

func parseRecord(text string, n int) record {
	words := strings.Fields(text)
	options := map[string]string{}
	for len(words) > 0 {
		name, value, ok := strings.Cut(words[len(words)-1], "=")
		if !ok {
			break
		}
		options[name] = value
		words = words[:len(words)-1]
	}
	if typ, ok := rules.ParseEventType(words[0]); ok {
		return record{event: parseEvent(typ, words[1:], options, n)}
	}
	typ, ok := rules.ParseFactType(words[0])
	if !ok {
		panic("bad record " + text)
	}
	return record{fact: parseFact(typ, words[1:], options, n)}
}

func parseEvent(typ rules.EventType, words []string, options map[string]string, n int) *rules.Event {
	ev := &rules.Event{
		ID: fmt.Sprintf("e%03d", n), Type: typ, TransactionID: words[0], AccountID: "acc", CardToken: "card", Currency: sample.EUR,
		AmountMinor: number(words[1]), OccurredAt: sample.At(words[2]), Merchant: rules.Merchant{ID: "CAFE1", MCC: "5814"},
	}
	for name, value := range options {
		switch name {
		case "id":
			ev.ID = value
		case "orig":
			ev.OriginalTransactionID = value
		case "mid":
			ev.Merchant.ID = value
		case "card":
			ev.CardToken = value
		case "cur":
			ev.Currency = money.Currency([]byte(value))
		case "bill":
			ev.BillingAmountMinor, ev.BillingCurrency = number(value[:len(value)-3]), money.Currency([]byte(value[len(value)-3:]))
		case "purchased":
			ev.PurchasedAt, ev.HasPurchasedAt = sample.At(value), true
		case "declined":
			ev.Declined = true
		default:
			panic("bad option " + name)
		}
	}
	ev.ContentHash = hashOf(fmt.Sprintf("%+v", *ev))
	return ev
}

func parseFact(typ rules.FactType, words []string, options map[string]string, n int) *rules.Fact {
	f := &rules.Fact{ID: fmt.Sprintf("f%03d", n), Type: typ, AccountID: "acc", At: sample.At(words[0])}
	switch typ {
	case rules.Enrolled:
		f.MemberID, f.Programme = "m1", "ristourne"
	case rules.Adjustment:
		f.Currency = sample.EUR
	}
	for name, value := range options {
		switch name {
		case "id":
			f.ID = value
		case "cards":
			f.CardTokens = strings.Split(value, ",")
		case "card":
			f.CardToken = value
		case "programme":
			f.Programme = value
		case "level":
			f.Level = value
		case "tx":
			f.TransactionID = value
		case "amount":
			f.AmountMinor = number(value)
		case "unit":
			f.Unit = value
		case "cycle":
			f.Cycle = value
		default:
			panic("bad option " + name)
		}
	}
	f.ContentHash = hashOf(fmt.Sprintf("%+v", *f))
	return f
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func hashOf(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// scene plays records against one account, whose state is written and read
// between them.
type scene struct {
	t       testing.TB
	engine  *engine.Engine
	account *engine.Account
	out     rules.Output // all of it
	fates   []string
	n       int
}

func newScene(t testing.TB, c *offer.Catalogue) *scene {
	t.Helper()
	s, err := engine.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return &scene{t: t, engine: engine.New(s), account: engine.NewAccount("acc")}
}

func (s *scene) play(records string) *scene {
	s.t.Helper()
	for text := range strings.Lines(records) {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		s.n++
		r := parseRecord(text, s.n)
		v, err := s.apply(r)
		if err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
		s.fates = append(s.fates, v.Fate.String())
		state := s.account.AppendBinary(nil)
		s.account = engine.NewAccount("acc")
		if err := s.account.UnmarshalBinary(state); err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
	}
	return s
}

func (s *scene) apply(r record) (engine.Verdict, error) {
	if r.event != nil {
		c := rules.Cause{Kind: rules.CauseEvent, ID: r.event.ID, Offset: int64(s.n), RecordedAt: 1_772_000_000_000 + int64(s.n)}
		return s.engine.ApplyEvent(s.account, r.event, c, &s.out)
	}
	c := rules.Cause{Kind: rules.CauseFact, ID: r.fact.ID, Offset: int64(s.n), RecordedAt: 1_772_000_000_000 + int64(s.n)}
	return s.engine.ApplyFact(s.account, r.fact, c, &s.out)
}

// sums tells all that is not 0, a line a key, sorted: purchase, offer ("-" for
// none), role, stage, and the reward or the commission; the unit where it is
// not EUR, store and version where they are not the usual ones.
func (s *scene) sums() string {
	sums := map[rules.LineKey]rules.Sums{}
	for i := range s.out.Accruals {
		x := &s.out.Accruals[i]
		sums[x.Key()] = sums[x.Key()].Plus(x)
	}
	var lines []string
	for k, sum := range sums {
		if sum == (rules.Sums{}) {
			continue
		}
		line := fmt.Sprintf("%s %s %s %s %d", orDash(k.TransactionID), orDash(k.OfferID), k.Role, k.Stage, sum.RewardMinor+sum.CommissionMinor)
		if k.Kind != rules.Cash && k.Kind != rules.CommissionKind {
			line += " " + k.Kind.String()
		}
		if k.Unit != "EUR" {
			line += " " + k.Unit
		}
		if k.StoreID != "bastille" && k.StoreID != "" {
			line += " at " + k.StoreID
		}
		if k.OfferVersion != "c1" && k.OfferVersion != "" {
			line += " by " + k.OfferVersion
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// member are the sums of rewards alone, on one line.
func (s *scene) member() string {
	var lines []string
	for line := range strings.SplitSeq(s.sums(), "\n") {
		if strings.Contains(line, " member ") {
			lines = append(lines, strings.Replace(line, " member", "", 1))
		}
	}
	return strings.Join(lines, "; ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (s *scene) instructions() string {
	var told []string
	for _, x := range s.out.Instructions {
		told = append(told, fmt.Sprintf("%s %d %s", x.Direction, x.AmountMinor, x.Currency))
	}
	return strings.Join(told, "; ")
}
