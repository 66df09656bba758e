package traffic

import (
	"bytes"
	"strings"
	"time"
)

// TestCardNumber is one of those that card schemes publish for tests.
const TestCardNumber = "4111 1111 1111 1111"

// tooLargeBytes is over the 64 KiB that a record may have.
const tooLargeBytes = 70_000

// brokenRecord makes an event of a member that breaks a rule: of each in turn.
func (g *Generator) brokenRecord(now time.Time) Record {
	kind := BrokenJSON + Kind(g.broken)%(NumKinds-BrokenJSON)
	g.broken++
	if kind == CardNumber && g.sentCard {
		kind = BrokenJSON
		g.broken++
	}
	e := g.loneAuthorization(now)
	key := e.AccountID
	switch kind {
	case NegativeAmount:
		e.AmountMinor = -e.AmountMinor
	case UnknownCurrency:
		e.Currency = "EUX"
	case TimeWithoutOffset:
		e.OccurredAt = e.OccurredAt[:len("2006-01-02T15:04:05")]
	case WrongKey:
		key = g.account(g.rng.IntN(len(g.members))) + "x"
	case TooLarge:
		e.CardProduct = strings.Repeat("carte or ", tooLargeBytes/len("carte or "))
	case CardNumber:
		g.sentCard = true
		e.CardToken = TestCardNumber
	}
	value := encode(e)
	switch kind {
	case BrokenJSON:
		value = value[:len(value)*2/3]
	case MissingField:
		value = bytes.Replace(value, []byte(`"transaction_id"`), []byte(`"transaktion_id"`), 1)
	case WrongType:
		value = bytes.Replace(value, []byte(`"amount_minor":`), []byte(`"amount_minor":"12,50","was":`), 1)
	}
	return Record{Key: []byte(key), Value: value, Kind: kind}
}

// loneAuthorization is of a purchase that nothing else is told of.
func (g *Generator) loneAuthorization(now time.Time) event {
	s := g.otherShop(now)
	account := g.rng.IntN(len(g.members))
	return event{
		EventID: g.id("ev"), Type: "authorization", TransactionID: g.id("tx"), AccountID: g.account(account),
		CardToken: g.card(account, 0), AmountMinor: g.basket(s.trade), Currency: "EUR", OccurredAt: g.stamp(now.Truncate(time.Millisecond)),
		Merchant: s.merchant, Channel: "in_store", CardProduct: "debit",
	}
}
