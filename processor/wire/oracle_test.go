package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ristourne/rules"
	"ristourne/rules/money"
)

// slow reads records that are known to be sound, by encoding/json alone.
type slow map[string]any

func slowly(t fataler, value []byte) slow {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var s slow
	if err := decoder.Decode(&s); err != nil {
		t.Fatalf("encoding/json refuses what was accepted: %v", err)
	}
	return s
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func (s slow) text(name string) string {
	text, _ := s[name].(string)
	return text
}

func (s slow) texts(name string) (texts []string) {
	list, _ := s[name].([]any)
	for _, element := range list {
		if text, _ := element.(string); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// described is a text of at most 256 characters.
func (s slow) described(name string) string {
	runes := []rune(s.text(name))
	return string(runes[:min(len(runes), 256)])
}

func (s slow) integer(name string) int64 {
	n, _ := s[name].(json.Number)
	whole, _ := n.Int64()
	return whole
}

func (s slow) currency(name string) (c money.Currency) {
	copy(c[:], s.text(name))
	return c
}

func (s slow) instant(t fataler, name string) (at rules.Instant, ok bool) {
	text := s.text(name)
	if text == "" {
		return at, false
	}
	parsed, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text))
	if err != nil {
		t.Fatalf("time.Parse refuses what was accepted: %v", err)
	}
	return rules.InstantOf(parsed), true
}

func slowEvent(t fataler, value []byte) rules.Event {
	s := slowly(t, value)
	ev := rules.Event{
		ID: s.text("event_id"), TransactionID: s.text("transaction_id"),
		OriginalTransactionID: s.text("original_transaction_id"), AccountID: s.text("account_id"),
		CardToken: s.text("card_token"), AmountMinor: s.integer("amount_minor"), Currency: s.currency("currency"),
		BillingAmountMinor: s.integer("billing_amount_minor"), BillingCurrency: s.currency("billing_currency"),
		Declined: s["approved"] == false, CardProduct: s.text("card_product"),
	}
	ev.Type, _ = rules.ParseEventType(s.text("type"))
	ev.Channel, _ = rules.ParseChannel(s.text("channel"))
	ev.OccurredAt, _ = s.instant(t, "occurred_at")
	ev.PurchasedAt, ev.HasPurchasedAt = s.instant(t, "purchased_at")
	m := slow(s["merchant"].(map[string]any))
	ev.Merchant = rules.Merchant{
		ID: strings.TrimRight(m.text("id"), " "), AcquirerID: m.text("acquirer_id"), Network: m.text("network"),
		NetworkMerchantID: m.text("network_merchant_id"), SubMerchantID: m.text("sub_merchant_id"),
		TerminalID: m.text("terminal_id"), Name: m.described("name"), MCC: m.text("mcc"), Country: m.text("country"),
	}
	list, _ := s["items"].([]any)
	for _, element := range list {
		item := slow(element.(map[string]any))
		quantity, _ := item["quantity"].(json.Number)
		ev.Items = append(ev.Items, rules.Item{
			AmountMinor: item.integer("amount_minor"), Quantity: quantity.String(), SKU: item.described("sku"), Category: item.text("category"),
		})
	}
	return ev
}

// slowFact reads the fields of every type; those of other types are for the
// caller to leave out.
func slowFact(t fataler, value []byte) rules.Fact {
	s := slowly(t, value)
	f := rules.Fact{ID: s.text("fact_id"), AccountID: s.text("account_id")}
	f.Type, _ = rules.ParseFactType(s.text("type"))
	f.At, _ = s.instant(t, "at")
	switch f.Type {
	case rules.Enrolled:
		f.MemberID, f.Programme, f.Level = s.text("member_id"), s.text("programme"), s.text("level")
		f.CardTokens, f.Segments, f.SponsorAccountID = s.texts("card_tokens"), s.texts("segments"), s.text("sponsor_account_id")
	case rules.CardLinked, rules.CardUnlinked:
		f.CardToken = s.text("card_token")
	case rules.LevelChanged:
		f.Level = s.text("level")
	case rules.OfferActivated, rules.OfferDeactivated:
		f.OfferID = s.text("offer_id")
	case rules.SegmentAdded, rules.SegmentRemoved:
		f.Segment = s.text("segment")
	case rules.AuthorizationExpired:
		f.TransactionID = s.text("transaction_id")
	case rules.CycleClosed:
		f.Programme, f.Cycle = s.text("programme"), s.text("cycle")
		asOf, _ := s.instant(t, "as_of")
		f.AsOf = asOf.String()
	case rules.PointsSpent, rules.WalletSpent:
		f.AmountMinor, f.Unit = s.integer("amount_minor"), s.text("unit")
	case rules.Adjustment:
		f.AmountMinor, f.Currency = s.integer("amount_minor"), s.currency("currency")
		f.Reason, f.ApprovedBy = s.described("reason"), s.described("approved_by")
		f.Programme = s.text("programme")
	case rules.PayoutMethod:
		f.Method, _ = rules.ParsePayMethod(s.text("method"))
		if f.Method == rules.ByTransfer {
			f.IBAN = s.text("iban")
		}
		if f.Method == rules.ByTransfer || f.Method == rules.ByCheque {
			f.Name = s.described("name")
		}
		if f.Method == rules.ByEWallet {
			f.Handle = s.text("handle")
		}
	case rules.PayoutReleased:
		f.Programme = s.text("programme")
	case rules.VoucherRedeemed:
		f.VoucherID = s.text("voucher_id")
	}
	return f
}

func slowResult(t fataler, value []byte) rules.Result {
	s := slowly(t, value)
	r := rules.Result{InstructionID: s.text("instruction_id"), AccountID: s.text("account_id"), Reason: s.described("reason")}
	r.Status, _ = rules.ParseResultStatus(s.text("status"))
	r.At, _ = s.instant(t, "at")
	return r
}

func slowReferral(t fataler, value []byte) rules.Referral {
	s := slowly(t, value)
	f := rules.Referral{
		ID: s.text("fact_id"), Number: s.integer("number"), SponsorAccountID: s.text("account_id"), BuyerAccountID: s.text("buyer_account_id"),
		TransactionID: s.text("transaction_id"), PartnerID: s.text("partner_id"), StoreID: s.text("store_id"), OfferID: s.text("offer_id"),
		OfferVersion: s.text("offer_version"), Programme: s.text("programme"), Currency: s.currency("currency"), MCC: s.text("mcc"),
		ConfirmedBasisMinor: s.integer("confirmed_basis_minor"), ConfirmedRewardMinor: s.integer("confirmed_reward_minor"),
		ExpectedBasisMinor: s.integer("expected_basis_minor"), ExpectedRewardMinor: s.integer("expected_reward_minor"),
		LateConfirmedRewardMinor: s.integer("late_confirmed_reward_minor"), LateExpectedRewardMinor: s.integer("late_expected_reward_minor"),
	}
	f.At, _ = s.instant(t, "at")
	f.PurchasedAt, _ = s.instant(t, "purchased_at")
	f.Channel, _ = rules.ParseChannel(s.text("channel"))
	f.MatchedRefund, _ = s["matched_refund"].(bool)
	return f
}

// writer writes JSON in the many ways in which senders do. Its form comes from
// a seed: to draw each escape by itself would take minutes.
type writer struct {
	t    *rapid.T
	form *rand.Rand
	b    []byte
}

func newWriter(t *rapid.T) *writer {
	return &writer{t: t, form: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "form"), 0))}
}

func (w *writer) chance(percent int) bool { return w.form.IntN(100) < percent }

func (w *writer) space() {
	for w.chance(15) {
		w.b = append(w.b, " \t\r\n"[w.form.IntN(4)])
	}
}

func (w *writer) text(s string) {
	w.b = append(w.b, '"')
	for _, r := range s {
		switch {
		case w.chance(5) && r <= 0xFFFF:
			w.b = fmt.Appendf(w.b, `\u%04x`, r)
		case w.chance(5) && r > 0xFFFF:
			w.b = fmt.Appendf(w.b, `\u%04X\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
		case r == '"' || r == '\\' || r == '/' && w.chance(50):
			w.b = append(w.b, '\\', byte(r))
		case r < ' ':
			w.b = fmt.Appendf(w.b, `\u%04x`, r)
		default:
			w.b = utf8.AppendRune(w.b, r)
		}
	}
	w.b = append(w.b, '"')
}

// entry is one field of an object: what writes its value.
type entry struct {
	name  string
	write func(w *writer)
}

func (w *writer) object(entries []entry) {
	if w.chance(30) {
		w.form.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	}
	w.b = append(w.b, '{')
	w.space()
	for i, e := range entries {
		if i > 0 {
			w.b = append(w.b, ',')
			w.space()
		}
		w.text(e.name)
		w.space()
		w.b = append(w.b, ':')
		w.space()
		e.write(w)
		w.space()
	}
	w.b = append(w.b, '}')
}

func textEntry(name, value string) entry { return entry{name, func(w *writer) { w.text(value) }} }

func rawEntry(name, raw string) entry {
	return entry{name, func(w *writer) { w.b = append(w.b, raw...) }}
}

// maybe is a field that is there, null, or absent.
func (w *writer) maybe(entries *[]entry, e entry) {
	switch choice := rapid.IntRange(0, 9).Draw(w.t, e.name+" is there"); {
	case choice == 0:
		*entries = append(*entries, rawEntry(e.name, "null"))
	case choice < 6:
		*entries = append(*entries, e)
	}
}

func (w *writer) unknown(entries *[]entry) {
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`u[a-z"\\é]{0,5}`), 0, 3, rapid.ID).Draw(w.t, "unknown names")
	for i, name := range names {
		raw := []string{
			`1.5e3`, `"a\"b"`, `[ [ ], {"u":[true , null]}, "é\ud83c\udf70" ]`, `{"a":{"a":1},"b":-0}`, `""`,
		}[rapid.IntRange(0, 4).Draw(w.t, "unknown value")]
		*entries = append(*entries, rawEntry(name+strconv.Itoa(i), raw))
	}
}

// letters has no digits, so that nothing looks like a card number by chance.
func drawText(t *rapid.T, name string, most int) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ -_/\"\\é€🍰\u0000\n\u2028")), 1, most, -1).Draw(t, name)
}

func drawInstant(t *rapid.T, name string) string {
	at := time.Unix(rapid.Int64Range(-2_000_000_000, 3_000_000_000).Draw(t, name), 0).
		In(time.FixedZone("", 60*rapid.IntRange(-1439, 1439).Draw(t, "offset minutes")))
	s := at.Format("2006-01-02T15:04:05")
	if digits := rapid.StringMatching(`[0-9]{0,9}`).Draw(t, "fraction"); digits != "" {
		s += "." + digits
	}
	zone := at.Format("-07:00")
	if zone == "+00:00" && rapid.Bool().Draw(t, "Z") {
		zone = "Z"
	}
	if rapid.IntRange(0, 9).Draw(t, "lower") == 0 {
		return strings.ToLower(s + zone)
	}
	return s + zone
}

func drawEvent(t *rapid.T) []byte {
	w := newWriter(t)
	number := func(name string, low int64) entry {
		return rawEntry(name, strconv.FormatInt(rapid.Int64Range(low, maxAmountMinor).Draw(t, name), 10))
	}
	oneOf := func(name string, values ...string) entry {
		return textEntry(name, rapid.SampledFrom(values).Draw(t, name))
	}
	item := func(w *writer) {
		fields := []entry{number("amount_minor", -maxAmountMinor)}
		w.maybe(&fields, rawEntry("quantity", rapid.StringMatching(`-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "quantity")))
		w.maybe(&fields, textEntry("sku", drawText(t, "sku", 256)))
		w.maybe(&fields, textEntry("category", drawText(t, "category", 9)))
		w.unknown(&fields)
		w.object(fields)
	}
	merchant := []entry{textEntry("id", rapid.StringMatching(`[A-Z é]{0,14}[A-Z] {0,4}`).Draw(t, "id"))}
	for _, name := range []string{"acquirer_id", "network", "network_merchant_id", "sub_merchant_id", "terminal_id", "name"} {
		w.maybe(&merchant, textEntry(name, drawText(t, name, 12)))
	}
	w.maybe(&merchant, textEntry("mcc", rapid.StringMatching(`[0-9]{4}`).Draw(t, "mcc")))
	w.maybe(&merchant, oneOf("country", "FR", "BE", "JP"))
	w.unknown(&merchant)
	fields := []entry{
		textEntry("event_id", drawText(t, "event_id", 64)),
		oneOf("type", "authorization", "authorization_update", "reversal", "clearing", "refund", "chargeback", "chargeback_reversal",
			"authorization_increment"),
		textEntry("transaction_id", drawText(t, "transaction_id", 64)),
		textEntry("account_id", drawText(t, "account_id", 64)),
		textEntry("card_token", drawText(t, "card_token", 64)),
		number("amount_minor", 0),
		oneOf("currency", "EUR", "JPY", "TND"),
		textEntry("occurred_at", drawInstant(t, "occurred_at")),
		{"merchant", func(w *writer) { w.object(merchant) }},
	}
	w.maybe(&fields, textEntry("original_transaction_id", drawText(t, "original_transaction_id", 64)))
	w.maybe(&fields, textEntry("purchased_at", drawInstant(t, "purchased_at")))
	w.maybe(&fields, rawEntry("approved", strconv.FormatBool(rapid.Bool().Draw(t, "approved"))))
	w.maybe(&fields, oneOf("channel", "in_store", "online", "other"))
	w.maybe(&fields, textEntry("card_product", drawText(t, "card_product", 30)))
	if rapid.Bool().Draw(t, "billing") {
		fields = append(fields, number("billing_amount_minor", 0), oneOf("billing_currency", "USD", "CLF"))
	}
	w.maybe(&fields, entry{"items", func(w *writer) {
		w.b = append(w.b, '[')
		for i := range rapid.IntRange(0, 5).Draw(t, "items") {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.space()
			item(w)
			w.space()
		}
		w.b = append(w.b, ']')
	}})
	w.unknown(&fields)
	w.space()
	w.object(fields)
	w.space()
	return w.b
}

// TestEventsAgainstEncodingJSON writes sound events in every way, several for
// one decoder, so that what it remembers of one meets the next.
func TestEventsAgainstEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := NewDecoder(Options{NoKeys: true})
		var values [][]byte
		events := make([]rules.Event, rapid.IntRange(1, 4).Draw(t, "events"))
		for i := range events {
			values = append(values, drawEvent(t))
			if fault := d.Event(values[i], nil, -1, &events[i]); fault != nil {
				t.Fatalf("%s: %s", fault, values[i])
			}
		}
		for i := range events {
			if want := slowEvent(t, values[i]); !sameEvent(events[i], want) {
				t.Fatalf("%s\ngot  %+v\nwant %+v", values[i], events[i], want)
			}
		}
	})
}

func sameEvent(a, b rules.Event) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

// TestFactsAgainstEncodingJSON writes the samples of each type in every way.
func TestFactsAgainstEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := NewDecoder(Options{NoKeys: true})
		for range 3 {
			factType := rules.FactType(rapid.IntRange(int(rules.Enrolled), int(rules.NumFactTypes-1)).Draw(t, "type"))
			w := newWriter(t)
			fields := []entry{
				textEntry("fact_id", drawText(t, "fact_id", 64)), textEntry("type", factType.String()),
				textEntry("account_id", drawText(t, "account_id", 64)), textEntry("at", drawInstant(t, "at")),
			}
			own := slowly(t, []byte("{"+factSamples[factType.String()]+"}"))
			for _, name := range []string{
				"member_id", "programme", "card_tokens", "level", "segments", "sponsor_account_id", "card_token", "offer_id",
				"segment", "transaction_id", "cycle", "as_of", "amount_minor", "unit", "currency", "reason", "approved_by",
				"method", "iban", "name", "handle", "voucher_id",
			} {
				if name == "programme" && factType == rules.Adjustment {
					w.maybe(&fields, textEntry(name, "lyon"))
				} else if own[name] == nil {
					w.maybe(&fields, rawEntry(name, `{"of":["another type"]}`))
				} else if raw, err := json.Marshal(own[name]); err == nil {
					fields = append(fields, rawEntry(name, string(raw)))
				}
			}
			w.unknown(&fields)
			w.object(fields)
			var got rules.Fact
			if fault := d.Fact(w.b, nil, -1, &got); fault != nil {
				t.Fatalf("%s: %s", fault, w.b)
			}
			want := slowFact(t, w.b)
			want.ContentHash = hashFact(&want)
			if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
				t.Fatalf("%s\ngot  %+v\nwant %+v", w.b, got, want)
			}
		}
	})
}

// slowHoldsCardNumber tries every pair of ends of groups of digits.
func slowHoldsCardNumber(s string) bool {
	isDigit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for start := range s {
		if !isDigit(start) || isDigit(start-1) {
			continue
		}
		for end := start + minCardDigits; end <= len(s); end++ {
			if !isDigit(end-1) || isDigit(end) {
				continue
			}
			var digits []byte
			apart := true
			for _, r := range s[start:end] {
				if r >= '0' && r <= '9' {
					digits = append(digits, byte(r-'0'))
				} else if !separates(r) {
					apart = false
				}
			}
			if apart && len(digits) <= maxCardDigits && isCardNumber(digits) && !inRandomHex(s, start, end) {
				return true
			}
		}
	}
	return false
}

func TestCardNumbersAgainstEveryWindow(t *testing.T) {
	t.Parallel()
	pieces := rapid.SampledFrom([]string{
		visa, "4111", "1111", "4222222222222", "378282246310005", "5", "12", "0", " ", "-", "\u00a0", "–", "/", "a", "f", "é", "cafe",
	})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(pieces, 0, 14).Draw(t, "pieces"), "")
		if got, want := holdsCardNumber(s), slowHoldsCardNumber(s); got != want {
			t.Fatalf("%q: %v, want %v", s, got, want)
		}
	})
}
