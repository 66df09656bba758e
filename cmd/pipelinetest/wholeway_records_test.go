package pipelinetest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ristourne/rules"
)

// madeRecord is one record as it is produced.
type madeRecord struct {
	topic      rules.Topic
	key, value []byte
	stamp      time.Time
}

// person is an account of a round: what its records name.
type person struct {
	id        string
	programme string
	cards     []string
	purchases []string // transaction ids
	sent      []madeRecord
	large     bool // amounts and dates at their ends
	serial    int
}

// recordMaker makes up records of every kind, up to what each field takes and
// beyond.
type recordMaker struct {
	chancer
	now    time.Time
	offers *offerFiles
	people []*person
	// instructions are those that the bank was given and has not answered.
	instructions []givenInstruction
}

type givenInstruction struct{ id, accountID string }

func newRecordMaker(c chancer, now time.Time, offers *offerFiles) *recordMaker {
	m := &recordMaker{chancer: c, now: now, offers: offers}
	for n := range 10 {
		p := &person{id: fmt.Sprintf("%s%d", m.text(62), n), large: n%4 == 3, programme: pickOf(c, offers.programmes...)}
		if n < 3 {
			p.id = fmt.Sprintf("acc-%d", n)
		}
		for range m.between(1, 3) {
			p.cards = append(p.cards, "tok"+m.text(61))
		}
		m.people = append(m.people, p)
	}
	return m
}

// fields are those of a JSON object, in order.
type fields []string

func (f *fields) add(name, value string) { *f = append(*f, strconv.Quote(name)+":"+value) }

func (f fields) object() string { return "{" + strings.Join(f, ",") + "}" }

// first are the records with which the accounts begin.
func (m *recordMaker) first() []madeRecord {
	var records []madeRecord
	for n, p := range m.people {
		if n == len(m.people)-1 {
			break // one is a stranger
		}
		records = append(records, m.enrolled(p, m.now.AddDate(0, 0, -500)))
	}
	return records
}

// records are n more.
func (m *recordMaker) records(n int) []madeRecord {
	records := make([]madeRecord, 0, n)
	for len(records) < n {
		p := pickOf(m.chancer, m.people...)
		switch k := m.IntN(100); {
		case k < 62:
			records = append(records, m.event(p))
		case k < 86:
			records = append(records, m.fact(p))
		case k < 90:
			records = append(records, m.result(p))
		case k < 95 && len(p.sent) > 0:
			again := pickOf(m.chancer, p.sent...)
			again.stamp = m.stamp()
			records = append(records, again)
		default:
			records = append(records, m.broken(p))
		}
	}
	return records
}

// stamp is a Kafka timestamp: now, or that of a producer whose clock is wrong.
func (m *recordMaker) stamp() time.Time {
	switch m.IntN(40) {
	case 0:
		return time.UnixMilli(1)
	case 1:
		return m.now.Add(-time.Duration(m.IntN(100)) * time.Hour)
	case 2:
		return m.now.Add(4 * time.Minute)
	case 3:
		return m.now.AddDate(80, 0, 0)
	}
	return m.now
}

// fastSeconds is how far ahead clocks are, more than is allowed among it.
const fastSeconds = 320

// date is when something happened: mostly in the last weeks, now and then at
// the ends of what can be written, or as far ahead as is allowed.
func (m *recordMaker) date(p *person) time.Time {
	k := m.IntN(100)
	if !p.large && k < 6 {
		k = 50
	}
	switch {
	case k == 0:
		return time.Date(1, 1, 1, 0, 0, 0, m.IntN(2), time.UTC)
	case k == 1:
		return time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	case k == 2:
		return time.Unix(0, 0)
	case k < 6:
		return m.now.AddDate(0, 0, -m.IntN(4000))
	case k < 12: // a clock that is fast
		return m.now.Add(time.Duration(m.IntN(fastSeconds)) * time.Second)
	case k < 20: // a day's or month's first and last instants
		day := time.Date(m.now.Year(), m.now.Month(), 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -m.IntN(60))
		return day.Add(time.Duration(m.IntN(3)-1) * time.Nanosecond)
	}
	return m.now.Add(-time.Duration(m.Int64N(int64(60 * 24 * time.Hour))))
}

func (m *recordMaker) amount(p *person) string {
	if p.large && m.in(30) || m.in(1) {
		return strconv.FormatInt(pickOf[int64](m.chancer, 0, 1, 1<<53-1, 1<<52, 1_000_000_000_000, 1<<31), 10)
	}
	return strconv.FormatInt(pickOf[int64](m.chancer, 0, 1, 10, 100, 999, 1000, 2500, 5000, 10_000, m.Int64N(100_000)), 10)
}

func (m *recordMaker) currency() string {
	if m.in(80) {
		return m.offers.currency
	}
	return pickOf(m.chancer, wholeWayCurrencies...)
}

// send gives a record its key and remembers it.
func (m *recordMaker) send(p *person, topic rules.Topic, value fields) madeRecord {
	if m.in(5) { // unknown fields are ignored
		value.add(pickOf(m.chancer, "x", "amount", "Event_ID", m.plainName()), pickOf(m.chancer, "null", "1e400", `[[[{}]]]`, m.quoted(m.text(2000))))
	}
	r := madeRecord{topic: topic, key: []byte(p.id), value: []byte(value.object()), stamp: m.stamp()}
	p.sent = append(p.sent, r)
	return r
}

// plainName is one that needs no escapes in JSON.
func (m *recordMaker) plainName() string { return fmt.Sprintf("name-%d", m.IntN(1000)) }

// id is new, and as long as an id can be now and then.
func (m *recordMaker) id(p *person, prefix string) string {
	p.serial++
	id := fmt.Sprintf("%s%d-", prefix, p.serial)
	if m.in(30) {
		id += m.text(64 - len(id))
	}
	return id
}

func (m *recordMaker) event(p *person) madeRecord {
	kind := pickOf(m.chancer, "authorization", "authorization", "clearing", "clearing", "clearing", "authorization_update", "authorization_increment",
		"reversal", "refund", "refund", "chargeback", "chargeback_reversal")
	transaction, at := "", m.date(p)
	if len(p.purchases) > 0 && m.in(60) {
		transaction = pickOf(m.chancer, p.purchases...)
	} else {
		transaction = m.id(p, "t")
		p.purchases = append(p.purchases, transaction)
	}
	var f fields
	f.add("event_id", m.quoted(m.id(p, "e")))
	f.add("type", strconv.Quote(kind))
	f.add("transaction_id", m.quoted(transaction))
	if m.in(15) {
		f.add("original_transaction_id", pickOf(m.chancer, m.quoted(pickOf(m.chancer, p.purchases...)), m.quoted(m.text(64)), "null", `""`))
	}
	f.add("account_id", m.quoted(p.id))
	f.add("card_token", m.quoted(pickOf(m.chancer, p.cards...)))
	f.add("amount_minor", m.amount(p))
	f.add("currency", strconv.Quote(m.currency()))
	if m.in(20) {
		f.add("billing_amount_minor", m.amount(p))
		f.add("billing_currency", strconv.Quote(m.offers.currency))
	}
	f.add("occurred_at", strconv.Quote(m.instant(at)))
	if m.in(15) {
		f.add("purchased_at", strconv.Quote(m.instant(m.date(p))))
	}
	if m.in(5) {
		f.add("approved", pickOf(m.chancer, "true", "false", "null"))
	}
	f.add("merchant", m.merchant())
	m.describe(&f)
	return m.send(p, rules.TopicTransactions, f)
}

func (m *recordMaker) merchant() string {
	k := storeKey{mid: m.text(15)}
	if len(m.offers.keys) > 0 && m.in(90) {
		k = pickOf(m.chancer, m.offers.keys...)
	}
	if k.mid == "" {
		k.mid = "anywhere"
	}
	var f fields
	f.add("id", m.quoted(k.mid+strings.Repeat(" ", m.IntN(2))))
	for _, part := range []struct{ name, value string }{
		{"acquirer_id", k.acquirer}, {"sub_merchant_id", k.subMerchant}, {"network", k.network}, {"network_merchant_id", k.networkMerchantID},
	} {
		if part.value != "" {
			f.add(part.name, m.quoted(part.value))
		}
	}
	if m.in(30) {
		f.add("name", m.quoted(m.text(256)))
		f.add("terminal_id", m.quoted(m.text(256)))
	}
	if m.in(50) {
		f.add("mcc", pickOf(m.chancer, `"5411"`, `"5812"`, `"0001"`, `"9999"`))
		f.add("country", pickOf(m.chancer, `"FR"`, `"JP"`))
	}
	return f.object()
}

// describe adds what describes a purchase.
func (m *recordMaker) describe(f *fields) {
	if m.in(40) {
		f.add("channel", pickOf(m.chancer, `"in_store"`, `"online"`, `"other"`))
	}
	if m.in(20) {
		f.add("card_product", m.quoted(pickOf(m.chancer, "gold", m.text(256))))
	}
	if !m.in(20) {
		return
	}
	var items []string
	for range pickOf(m.chancer, 1, 2, 3, 200) {
		var item fields
		item.add("amount_minor", pickOf(m.chancer, "100", "-100", "0", strconv.Itoa(1<<53-1), strconv.Itoa(-(1<<53-1)), "2500"))
		if m.in(20) {
			item.add("quantity", pickOf(m.chancer, "1", "-0.001", "1e-999", "9.9999999999999999999999999999e999"))
		}
		if m.in(50) {
			item.add("category", m.quoted(pickOf(m.chancer, "bread", m.text(30))))
		}
		if m.in(10) {
			item.add("sku", m.quoted(m.text(40)))
		}
		items = append(items, item.object())
	}
	f.add("items", "["+strings.Join(items, ",")+"]")
}

func (m *recordMaker) factHead(p *person, kind string, at time.Time) fields {
	var f fields
	f.add("fact_id", m.quoted(m.id(p, "f")))
	f.add("type", strconv.Quote(kind))
	f.add("account_id", m.quoted(p.id))
	f.add("at", strconv.Quote(m.instant(at)))
	return f
}

func (m *recordMaker) enrolled(p *person, at time.Time) madeRecord {
	f := m.factHead(p, "enrolled", at)
	f.add("member_id", m.quoted(m.text(256)))
	programme := p.programme
	if m.in(3) {
		programme = m.text(256) // one that nobody knows
	}
	f.add("programme", m.quoted(programme))
	tokens := []string{m.quoted("tok-of-all")}
	for _, card := range p.cards {
		tokens = append(tokens, m.quoted(card))
	}
	for m.in(3) && len(tokens) < 1000 {
		tokens = append(tokens, m.quoted(m.plainName()))
	}
	f.add("card_tokens", "["+strings.Join(tokens, ",")+"]")
	if m.in(50) {
		f.add("level", m.quoted(pickOf(m.chancer, m.offers.levels...)))
	}
	if m.in(30) {
		f.add("segments", pickOf(m.chancer, `["student"]`, "["+m.quoted(m.text(256))+"]"))
	}
	if m.in(70) {
		f.add("sponsor_account_id", m.quoted(pickOf(m.chancer, m.people...).id))
	}
	return m.send(p, rules.TopicFacts, f)
}

func (m *recordMaker) fact(p *person) madeRecord {
	kind := pickOf(m.chancer, "enrolled", "left", "card_linked", "card_unlinked", "level_changed", "offer_activated", "offer_deactivated", "segment_added",
		"segment_removed", "authorization_expired", "cycle_closed", "points_spent", "wallet_spent", "adjustment", "erased")
	at := m.date(p)
	if kind == "enrolled" || kind == "left" && m.in(50) {
		return m.enrolled(p, at)
	}
	f := m.factHead(p, kind, at)
	switch kind {
	case "card_linked", "card_unlinked":
		f.add("card_token", m.quoted(pickOf(m.chancer, pickOf(m.chancer, p.cards...), m.text(64))))
	case "level_changed":
		f.add("level", m.quoted(pickOf(m.chancer, "gold", m.text(256))))
	case "offer_activated", "offer_deactivated":
		f.add("offer_id", m.quoted(pickOf(m.chancer, append([]string{m.text(256)}, m.offers.offerIDs...)...)))
	case "segment_added", "segment_removed":
		f.add("segment", m.quoted(pickOf(m.chancer, "student", m.text(256))))
	case "authorization_expired":
		f.add("transaction_id", m.quoted(pickOf(m.chancer, append([]string{m.text(64)}, p.purchases...)...)))
	case "cycle_closed":
		f.add("programme", m.quoted(pickOf(m.chancer, p.programme, p.programme, m.text(256))))
		f.add("cycle", m.quoted(pickOf(m.chancer, m.plainName(), m.text(256))))
		f.add("as_of", strconv.Quote(m.instant(at)))
	case "points_spent", "wallet_spent":
		f.add("amount_minor", pickOf(m.chancer, "1", "100", strconv.Itoa(1<<53-1)))
		f.add("unit", m.quoted(pickOf(m.chancer, "MILES", m.offers.currency, m.text(256))))
	case "adjustment":
		f.add("amount_minor", pickOf(m.chancer, "1", "-1", "100", strconv.Itoa(1<<53-1), strconv.Itoa(-(1<<53-1))))
		f.add("currency", strconv.Quote(m.currency()))
		f.add("reason", m.quoted(m.text(256)))
		f.add("approved_by", m.quoted(m.text(256)))
	}
	return m.send(p, rules.TopicFacts, f)
}

// result is the bank's word on an instruction, or on one that never was.
func (m *recordMaker) result(p *person) madeRecord {
	id, accountID := strings.Repeat("a-Z0", 8), p.id
	if len(m.instructions) > 0 && m.in(80) {
		given := pickOf(m.chancer, m.instructions...)
		id, accountID = given.id, given.accountID
	}
	var f fields
	f.add("instruction_id", strconv.Quote(id))
	f.add("account_id", m.quoted(accountID))
	f.add("status", pickOf(m.chancer, `"accepted"`, `"settled"`, `"rejected"`))
	if m.in(50) {
		f.add("reason", m.quoted(pickOf(m.chancer, "AM05", "AC04", "MD07", m.text(256))))
	}
	f.add("at", strconv.Quote(m.instant(m.date(p))))
	r := madeRecord{topic: rules.TopicResults, key: []byte(accountID), value: []byte(f.object()), stamp: m.stamp()}
	return r
}

// broken is what a wrong serialiser, a wrong key or a torn message makes of a
// record.
func (m *recordMaker) broken(p *person) madeRecord {
	r := madeRecord{topic: pickOf(m.chancer, rules.TopicFacts, rules.TopicReferrals, rules.TopicResults, rules.TopicTransactions), key: []byte(p.id), stamp: m.stamp()}
	if len(p.sent) > 0 {
		r.value = append([]byte(nil), pickOf(m.chancer, p.sent...).value...)
	}
	switch m.IntN(12) {
	case 0:
		r.value = nil
	case 1:
		r.value = []byte(strings.Repeat("[", 70_000))
	case 2:
		r.key = nil
	case 3:
		r.key = []byte{0xff, 0xfe, 0x00}
	case 4:
		r.value = append([]byte("\ufeff"), r.value...)
	case 5:
		r.value = append([]byte{0, 0, 0, 0, 7}, r.value...)
	case 6:
		r.value = []byte(strconv.Quote(string(r.value)))
	case 7:
		r.value = []byte("{\"event_id\":\"\xff\xfe\xc0\xaf\"}")
	case 8:
		r.value = r.value[:m.IntN(len(r.value)+1)]
	case 9:
		r.key = []byte("4111111111111111")
	case 10:
		r.value = []byte(`{"event_id":"e","event_id":"e"}`)
	default:
		if len(r.value) > 0 {
			r.value[m.IntN(len(r.value))] ^= byte(1 << m.IntN(8))
		}
	}
	return r
}
