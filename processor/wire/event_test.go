package wire

import (
	"fmt"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/money"
)

func TestEventCanonical(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{})
	var ev rules.Event
	if fault := d.Event([]byte(canonicalEvent), []byte(canonicalKey), millisOfCanonical, &ev); fault != nil {
		t.Fatal(fault)
	}
	want := rules.Event{
		ID: "evt-7f3a91c2-000001", Type: rules.Authorization, TransactionID: "txn-7f3a91c2-0000",
		AccountID: "acc-00482913", CardToken: "tok_9fKq27XbLm3R", AmountMinor: 4785, Currency: money.Currency{'E', 'U', 'R'},
		OccurredAt: rules.Instant{Sec: 1763800280, Nsec: 125_000_000},
		Merchant: rules.Merchant{
			ID: "FR0000482913", AcquirerID: "30004", Network: "CB", TerminalID: "T0000123",
			Name: "BOULANGERIE DU MARCHE", MCC: "5462", Country: "FR",
		},
		Channel: rules.InStore, CardProduct: "Visa Classic",
	}
	assertEqual(t, ev, want)
}

func TestEventAllocatesNothing(t *testing.T) {
	d := NewDecoder(Options{})
	value, key := []byte(canonicalEvent), []byte(canonicalKey)
	var ev rules.Event
	if n := testing.AllocsPerRun(100, func() {
		if fault := d.Event(value, key, millisOfCanonical, &ev); fault != nil {
			t.Fatal(fault)
		}
		Seal(&ev)
	}); n != 0 {
		t.Errorf("decoding the canonical event allocates %v times", n)
	}
}

// TestEventFields puts one value at a time into a sound event, on both sides
// of each bound. No reason: the event is accepted.
func TestEventFields(t *testing.T) {
	t.Parallel()
	const long = 256
	item := func(field, raw string) string { return `[{"amount_minor":1,"` + field + `":` + raw + `}]` }
	cases := []fieldCase{
		{"event_id", chars(1), ""},
		{"event_id", chars(64), ""},
		{"event_id", chars(65), ReasonLength},
		{"event_id", quoted(strings.Repeat("é", 64)), ""}, // 128 bytes, 64 characters
		{"event_id", quoted(strings.Repeat("é", 65)), ReasonLength},
		{"event_id", `""`, ReasonMissing},
		{"event_id", `null`, ReasonMissing},
		{"event_id", ``, ReasonMissing},
		{"event_id", `7`, ReasonType},
		{"event_id", `["a"]`, ReasonType},
		{"event_id", `{"a":1}`, ReasonType},
		{"event_id", `true`, ReasonType},
		{"event_id", quoted(visa), ""}, // looks like a card number: counted
		{"type", `"authorization"`, ""},
		{"type", `"authorization_update"`, ""},
		{"type", `"reversal"`, ""},
		{"type", `"clearing"`, ""},
		{"type", `"refund"`, ""},
		{"type", `"chargeback"`, ""},
		{"type", `"chargeback_reversal"`, ""},
		{"type", `"Clearing"`, ReasonEnum},
		{"type", `"enrolled"`, ReasonEnum},
		{"type", `""`, ReasonMissing},
		{"type", `null`, ReasonMissing},
		{"type", `1`, ReasonType},
		{"transaction_id", chars(64), ""},
		{"transaction_id", chars(65), ReasonLength},
		{"transaction_id", `""`, ReasonMissing},
		{"transaction_id", ``, ReasonMissing},
		{"original_transaction_id", ``, ""},
		{"original_transaction_id", `null`, ""},
		{"original_transaction_id", `""`, ""},
		{"original_transaction_id", chars(long), ""},
		{"original_transaction_id", chars(long + 1), ReasonLength},
		{"original_transaction_id", `5`, ReasonType},
		{"account_id", ``, ReasonMissing},
		{"account_id", `12`, ReasonType},
		{"account_id", `"another"`, ReasonKey},
		{"account_id", `"acc\u002d00482913"`, ""}, // the key, escaped
		{"card_token", chars(1), ""},
		{"card_token", chars(64), ""},
		{"card_token", chars(65), ReasonLength},
		{"card_token", `""`, ReasonMissing},
		{"card_token", ``, ReasonMissing},
		{"card_token", quoted(visa), ReasonCardNumber},
		{"card_token", `"4111-1111 1111-1111"`, ReasonCardNumber},
		{"card_token", `"\u0034111111111111111"`, ReasonCardNumber},
		{"card_token", `"4111111111111112"`, ""},
		{"amount_minor", `0`, ""},
		{"amount_minor", `-0`, ""},
		{"amount_minor", `9007199254740991`, ""},
		{"amount_minor", `9007199254740992`, ReasonRange},
		{"amount_minor", `-1`, ReasonRange},
		{"amount_minor", `99999999999999999999999999`, ReasonRange},
		{"amount_minor", `18446744073709551617`, ReasonRange}, // 1, if it wrapped round
		{"amount_minor", `10.0`, ReasonType},
		{"amount_minor", `1e3`, ReasonType},
		{"amount_minor", `"10"`, ReasonType},
		{"amount_minor", `true`, ReasonType},
		{"amount_minor", `null`, ReasonMissing},
		{"currency", `"JPY"`, ""},
		{"currency", `"eur"`, ReasonCurrency},
		{"currency", `"ABC"`, ReasonCurrency},
		{"currency", `"EURO"`, ReasonCurrency},
		{"currency", `""`, ReasonMissing},
		{"currency", `978`, ReasonType},
		{"currency", `null`, ReasonMissing},
		{"occurred_at", `"2025-11-22T08:31:20Z"`, ""},
		{"occurred_at", `"2025-11-22T08:31:20"`, ReasonTime},
		{"occurred_at", `""`, ReasonMissing},
		{"occurred_at", `1763800280`, ReasonType},
		{"occurred_at", `null`, ReasonMissing},
		{"occurred_at", `"2025-11-22T08:36:21.125Z"`, ""}, // 5 minutes ahead
		{"occurred_at", `"2025-11-22T08:36:21.125000001Z"`, ReasonAhead},
		{"purchased_at", `null`, ""},
		{"purchased_at", `"2025-11-22T08:36:21.125Z"`, ""},
		{"purchased_at", `"2025-11-22T08:36:21.125000001Z"`, ReasonAhead},
		{"purchased_at", `"2025-11-22"`, ReasonTime},
		{"purchased_at", `false`, ReasonType},
		{"approved", `true`, ""},
		{"approved", `false`, ""},
		{"approved", `null`, ""},
		{"approved", `"true"`, ReasonType},
		{"approved", `0`, ReasonType},
		{"merchant", `null`, ReasonMissing},
		{"merchant", ``, ReasonMissing},
		{"merchant", `[]`, ReasonType},
		{"merchant", `"M1"`, ReasonType},
		{"merchant.id", ``, ReasonMissing},
		{"merchant.id", `null`, ReasonMissing},
		{"merchant.id", `5`, ReasonType},
		{"merchant.id", `"X"`, ""},
		{"merchant.id", chars(64), ""},
		{"merchant.id", chars(65), ReasonLength},
		{"merchant.id", quoted(strings.Repeat("x", 64) + "    "), ""},
		{"merchant.id", quoted(strings.Repeat("x", 64) + "\\t"), ReasonLength},
		{"merchant.id", `"  "`, ReasonMissing},
		{"merchant.id", `""`, ReasonMissing},
		{"merchant.id", `"378282246310005"`, ""}, // an Amex number's look: counted
		{"merchant.acquirer_id", chars(long), ""},
		{"merchant.acquirer_id", chars(long + 1), ReasonLength},
		{"merchant.acquirer_id", `1`, ReasonType},
		{"merchant.network", `null`, ""},
		{"merchant.network", `{}`, ReasonType},
		{"merchant.network", quoted(visa), ReasonCardNumber},
		{"merchant.network", chars(long + 1), ReasonLength},
		{"merchant.network_merchant_id", `[]`, ReasonType},
		{"merchant.network_merchant_id", chars(long + 1), ReasonLength},
		{"merchant.sub_merchant_id", `1`, ReasonType},
		{"merchant.sub_merchant_id", chars(long + 1), ReasonLength},
		{"merchant.terminal_id", `1`, ReasonType},
		{"merchant.terminal_id", chars(long + 1), ReasonLength},
		{"merchant.terminal_id", quoted(visa), ""},
		{"merchant.name", chars(long), ""},
		{"merchant.name", quoted(strings.Repeat("é", long)), ""},
		{"merchant.name", chars(long + 1), ""}, // cut
		{"merchant.name", quoted(strings.Repeat("x", long) + visa), ReasonCardNumber},
		{"merchant.name", `"refund to 4111 1111 1111 1111 12/27"`, ReasonCardNumber},
		{"merchant.name", `1`, ReasonType},
		{"merchant.mcc", `"0742"`, ""},
		{"merchant.mcc", `null`, ""},
		{"merchant.mcc", `"742"`, ReasonFormat},
		{"merchant.mcc", `"07421"`, ReasonFormat},
		{"merchant.mcc", `"074a"`, ReasonFormat},
		{"merchant.mcc", `""`, ""},
		{"merchant.mcc", `5462`, ReasonType},
		{"merchant.country", `"ZW"`, ""},
		{"merchant.country", `"XK"`, ""},
		{"merchant.country", `null`, ""},
		{"merchant.country", `"XX"`, ReasonFormat},
		{"merchant.country", `"fr"`, ReasonFormat},
		{"merchant.country", `"FRA"`, ReasonFormat},
		{"merchant.country", `""`, ""},
		{"merchant.country", `250`, ReasonType},
		{"channel", `"in_store"`, ""},
		{"channel", `"online"`, ""},
		{"channel", `"other"`, ""},
		{"channel", `null`, ""},
		{"channel", `"ONLINE"`, ReasonEnum},
		{"channel", `""`, ""},
		{"channel", `1`, ReasonType},
		{"card_product", chars(long), ""},
		{"card_product", chars(long + 1), ReasonLength},
		{"card_product", `"Visa 4111111111111111"`, ReasonCardNumber},
		{"card_product", `[]`, ReasonType},
		{"items", `null`, ""},
		{"items", `[]`, ""},
		{"items", `{}`, ReasonType},
		{"items", itemList(200), ""},
		{"items", itemList(201), ReasonLength},
		{"items", itemList(2000), ReasonLength},
		{"items[0]", `[null]`, ReasonType},
		{"items[1]", `[{"amount_minor":1},7]`, ReasonType},
		{"items[0].amount_minor", `[{}]`, ReasonMissing},
		{"items[0].amount_minor", `[{"amount_minor":null}]`, ReasonMissing},
		{"items[0].amount_minor", `[{"amount_minor":-9007199254740991}]`, ""},
		{"items[0].amount_minor", `[{"amount_minor":-9007199254740992}]`, ReasonRange},
		{"items[0].amount_minor", `[{"amount_minor":9007199254740991}]`, ""},
		{"items[2].amount_minor", `[{"amount_minor":1},{"amount_minor":2},{"amount_minor":9007199254740992}]`, ReasonRange},
		{"items[0].amount_minor", `[{"amount_minor":1.5}]`, ReasonType},
		{"items[0].quantity", item("quantity", `1.50`), ""},
		{"items[0].quantity", item("quantity", `-2e-3`), ""},
		{"items[0].quantity", item("quantity", `null`), ""},
		{"items[0].quantity", item("quantity", `1e999`), ""},
		{"items[0].quantity", item("quantity", `1e1000`), ReasonRange},
		{"items[0].quantity", item("quantity", `1e-1000`), ReasonRange},
		{"items[0].quantity", item("quantity", strings.Repeat("1", 32)), ""},
		{"items[0].quantity", item("quantity", strings.Repeat("1", 33)), ReasonRange},
		{"items[0].quantity", item("quantity", `"1"`), ReasonType},
		{"items[0].quantity", item("quantity", visa), ReasonCardNumber},
		{"items[0].quantity", item("quantity", `4.111111111111111E15`), ReasonCardNumber},
		{"items[0].quantity", item("quantity", `4111111111111111.00`), ReasonCardNumber},
		{"items[0].quantity", item("quantity", `0.4111111111111111`), ""}, // a share, as floats have them
		{"items[0].quantity", item("quantity", `4111111111111111e1`), ""},
		{"items[0].sku", item("sku", `1`), ReasonType},
		{"items[0].sku", item("sku", chars(long)), ""},
		{"items[0].sku", item("sku", chars(long+1)), ""}, // cut,
		{"items[0].sku", item("sku", quoted(visa)), ReasonCardNumber},
		{"items[0].category", item("category", `{}`), ReasonType},
		{"items[0].category", item("category", chars(long+1)), ReasonLength},
		{"items[0].category", item("category", quoted(visa)), ReasonCardNumber},
		{"unknown_field", `{"a":[1,{"b":null}],"c":"d"}`, ""},
		{"merchant.unknown_field", `[1e5,true]`, ""},
	}
	d := NewDecoder(Options{})
	runFieldCases(t, cases, parseObject(t, canonicalEvent), func(value []byte) *Fault {
		var ev rules.Event
		return d.Event(value, []byte(canonicalKey), millisOfCanonical, &ev)
	})
}

func TestEventBillingIsBothOrNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ amount, currency, reason, field string }{
		{`100`, `"USD"`, "", ""},
		{`null`, `null`, "", ""},
		{``, ``, "", ""},
		{`100`, ``, ReasonMissing, "billing_currency"},
		{`100`, `null`, ReasonMissing, "billing_currency"},
		{``, `"USD"`, ReasonMissing, "billing_amount_minor"},
		{`null`, `"USD"`, ReasonMissing, "billing_amount_minor"},
		{`9007199254740991`, `"USD"`, "", ""},
		{`9007199254740992`, `"USD"`, ReasonRange, "billing_amount_minor"},
		{`-1`, `"USD"`, ReasonRange, "billing_amount_minor"},
		{`1.0`, `"USD"`, ReasonType, "billing_amount_minor"},
		{`100`, `"usd"`, ReasonCurrency, "billing_currency"},
		{`100`, `840`, ReasonType, "billing_currency"},
	} {
		value := parseObject(t, canonicalEvent).with("billing_amount_minor", c.amount).with("billing_currency", c.currency)
		var ev rules.Event
		fault := NewDecoder(Options{}).Event(value.bytes(), []byte(canonicalKey), -1, &ev)
		assertFault(t, fmt.Sprintf("%s %s", c.amount, c.currency), fault, c.reason, c.field)
	}
}

func TestEventValues(t *testing.T) {
	t.Parallel()
	value := parseObject(t, canonicalEvent).
		with("approved", `false`).with("purchased_at", `"2025-11-21t23:59:59.000000001-05:30"`).
		with("billing_amount_minor", `0`).with("billing_currency", `"CLF"`).
		with("merchant.id", `"FR 00  "`).with("merchant.name", `"Caf\u00e9 \ud83c\udf70 \"Lyon\"\/\\\b\f\n\r\t"`).
		with("original_transaction_id", `"o"`).with("channel", `"online"`).
		with("items", `[{"category":"food","amount_minor":-5,"quantity":1.50,"x":{}},{"sku":"b","amount_minor":7}]`)
	d := NewDecoder(Options{})
	var ev rules.Event
	if fault := d.Event(value.bytes(), []byte(canonicalKey), -1, &ev); fault != nil {
		t.Fatal(fault)
	}
	assertEqual(t, ev.Declined, true)
	assertEqual(t, ev.PurchasedAt.String(), "2025-11-22T05:29:59.000000001Z")
	assertEqual(t, ev.HasPurchasedAt, true)
	assertEqual(t, ev.BillingCurrency.String(), "CLF")
	assertEqual(t, ev.Merchant.ID, "FR 00")
	assertEqual(t, ev.Merchant.Name, "Café 🍰 \"Lyon\"/\\\b\f\n\r\t")
	assertEqual(t, ev.OriginalTransactionID, "o")
	assertEqual(t, ev.Channel, rules.Online)
	assertEqual(t, ev.Items, []rules.Item{
		{AmountMinor: -5, Quantity: "1.50", Category: "food"}, {AmountMinor: 7, SKU: "b"},
	})
}

// TestEventsLiveUntilReset decodes a batch whose texts have escapes, so that
// the scratch and the items grow, and looks at all of it afterwards.
func TestEventsLiveUntilReset(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{})
	for range 3 {
		d.Reset()
		events := make([]rules.Event, 500)
		for i := range events {
			value := parseObject(t, canonicalEvent).with("event_id", fmt.Sprintf(`"\u00e9vent %d"`, i)).
				with("items", fmt.Sprintf(`[{"amount_minor":%d,"sku":"\u0023%d"}]`, i, i))
			if fault := d.Event(value.bytes(), []byte(canonicalKey), -1, &events[i]); fault != nil {
				t.Fatal(fault)
			}
		}
		for i, ev := range events {
			assertEqual(t, ev.ID, fmt.Sprintf("évent %d", i))
			assertEqual(t, ev.Items, []rules.Item{{AmountMinor: int64(i), SKU: fmt.Sprintf("#%d", i)}})
		}
	}
}

// TestBatchesReuseTheScratch decodes escapes and items batch after batch: a
// stream runs for months.
func TestBatchesReuseTheScratch(t *testing.T) {
	value := parseObject(t, canonicalEvent).with("card_product", `"\u00e9"`).with("items", itemList(20)).bytes()
	d := NewDecoder(Options{})
	var ev rules.Event
	if n := testing.AllocsPerRun(100, func() {
		d.Reset()
		for range 20 {
			if fault := d.Event(value, []byte(canonicalKey), -1, &ev); fault != nil {
				t.Fatal(fault)
			}
		}
	}); n != 0 {
		t.Errorf("a batch after the first allocates %v times", n)
	}
}

// TestNothingStaysOfTheRecordBefore decodes a poor event after a rich one.
func TestNothingStaysOfTheRecordBefore(t *testing.T) {
	t.Parallel()
	rich := parseObject(t, canonicalEvent).with("approved", "false").with("items", `[{"amount_minor":1}]`).
		with("billing_amount_minor", "1").with("billing_currency", `"USD"`).with("purchased_at", `"2025-11-22T08:00:00Z"`)
	poor := []byte(`{"event_id":"e","type":"refund","transaction_id":"t","account_id":"a","card_token":"c","amount_minor":1,` +
		`"currency":"EUR","occurred_at":"2025-11-22T08:31:20Z","merchant":{"id":"m"}}`)
	d := NewDecoder(Options{})
	var ev, want rules.Event
	if fault := NewDecoder(Options{}).Event(poor, []byte("a"), -1, &want); fault != nil {
		t.Fatal(fault)
	}
	for _, before := range [][]byte{rich.bytes(), []byte(`{"merchant":{"mcc":"5462","country":"FR"},"items":[{"sku":"x"}]`)} {
		_ = d.Event(before, []byte(canonicalKey), -1, &ev)
		if fault := d.Event(poor, []byte("a"), -1, &ev); fault != nil {
			t.Fatal(fault)
		}
		assertEqual(t, ev, want)
	}
}

func TestRecordAsAWhole(t *testing.T) {
	t.Parallel()
	full := DefaultMaxBytes - len(canonicalEvent)
	for _, c := range []struct {
		name, value, reason string
		keep                bool
	}{
		{"empty", "", ReasonEmpty, false},
		{"64 KiB", canonicalEvent + strings.Repeat(" ", full), "", false},
		{"64 KiB and one", canonicalEvent + strings.Repeat(" ", full+1), ReasonTooLarge, false},
		{"white space around", "\n\t " + canonicalEvent + "\r\n", "", false},
		{"garbage behind", canonicalEvent + "x", ReasonJSON, false},
		{"two objects", canonicalEvent + canonicalEvent, ReasonJSON, false},
		{"list", "[" + canonicalEvent + "]", ReasonJSON, false},
		{"text", `"event"`, ReasonJSON, false},
		{"null", `null`, ReasonJSON, false},
		{"byte order mark", "\ufeff" + canonicalEvent, ReasonJSON, false},
		{"empty object", `{}`, ReasonMissing, true},
	} {
		var ev rules.Event
		fault := NewDecoder(Options{}).Event([]byte(c.value), []byte(canonicalKey), -1, &ev)
		field := ""
		if c.reason == ReasonMissing {
			field = "event_id"
		}
		assertFault(t, c.name, fault, c.reason, field)
		if fault != nil && fault.KeepBytes != c.keep {
			t.Errorf("%s: KeepBytes is %v", c.name, fault.KeepBytes)
		}
	}
}

func TestMaxBytesIsAnOption(t *testing.T) {
	t.Parallel()
	var ev rules.Event
	for _, c := range []struct {
		maxBytes int
		reason   string
	}{{len(canonicalEvent), ""}, {len(canonicalEvent) - 1, ReasonTooLarge}} {
		fault := NewDecoder(Options{MaxBytes: c.maxBytes}).Event([]byte(canonicalEvent), []byte(canonicalKey), -1, &ev)
		assertFault(t, fmt.Sprint(c.maxBytes), fault, c.reason, "")
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key    []byte
		noKeys bool
		reason string
	}{
		{[]byte(canonicalKey), false, ""},
		{nil, false, ReasonKey},
		{[]byte{}, false, ReasonKey},
		{[]byte(canonicalKey + " "), false, ReasonKey},
		{[]byte(strings.ToUpper(canonicalKey)), false, ReasonKey},
		{nil, true, ""},
	} {
		var ev rules.Event
		fault := NewDecoder(Options{NoKeys: c.noKeys}).Event([]byte(canonicalEvent), c.key, -1, &ev)
		assertFault(t, string(c.key), fault, c.reason, "account_id")
	}
}

func TestAheadNeedsAClock(t *testing.T) {
	t.Parallel()
	var ev rules.Event
	value := parseObject(t, canonicalEvent).with("occurred_at", `"9999-12-31T23:59:59Z"`).bytes()
	assertFault(t, "no clock", NewDecoder(Options{}).Event(value, []byte(canonicalKey), -1, &ev), "", "")
	assertFault(t, "clock", NewDecoder(Options{}).Event(value, []byte(canonicalKey), 0, &ev), ReasonAhead, "occurred_at")
}

// TestKeepBytes: bytes stay only of records that are whole JSON and in which
// nothing looks like a card number.
func TestKeepBytes(t *testing.T) {
	t.Parallel()
	broken := parseObject(t, canonicalEvent).with("currency", `"???"`)
	allowed := []rules.TokenRange{{Prefix: "4111", Length: 16}}
	for _, c := range []struct {
		name   string
		value  sample
		ranges []rules.TokenRange
		reason string
		keep   bool
	}{
		{"no card number", broken, nil, ReasonCurrency, true},
		{"in a token", broken.with("card_token", quoted(visa)), nil, ReasonCardNumber, false},
		{"in an allowed token", broken.with("card_token", quoted(visa)), allowed, ReasonCurrency, true},
		{"in an unknown field", broken.with("pan", quoted(visa)), nil, ReasonCurrency, false},
		{"as a number", broken.with("pan", visa), nil, ReasonCurrency, false},
		{"escaped", broken.with("pan", `"\u0034111111111111111"`), nil, ReasonCurrency, false},
		{"as a name", broken.with(visa, `1`), nil, ReasonCurrency, false},
		{"in an id", broken.with("event_id", quoted(visa)), nil, ReasonCurrency, false},
		{"deep inside", broken.with("x", `[{"y":["`+visa+`"]}]`), nil, ReasonCurrency, false},
		{"as Java writes a large number", broken.with("pan", `4.111111111111111E15`), nil, ReasonCurrency, false},
		{"in an ignored type", broken.with("channel", quoted(visa)), nil, ReasonCurrency, false},
	} {
		d := NewDecoder(Options{CardTokenRanges: c.ranges})
		var ev rules.Event
		fault := d.Event(c.value.bytes(), []byte(canonicalKey), -1, &ev)
		if fault == nil || fault.Reason != c.reason || fault.KeepBytes != c.keep {
			t.Errorf("%s: %+v", c.name, fault)
		}
		if fault != nil && strings.Contains(fault.String(), visa) {
			t.Errorf("%s: the fault shows the number: %s", c.name, fault)
		}
	}
}

func TestMayKeep(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{})
	if !d.MayKeep([]byte(canonicalEvent)) {
		t.Error("the canonical event may not be kept")
	}
	for _, value := range []string{`{"pan":"` + visa + `"}`, `{"pan":` + visa + `}`, `{"broken`, `{"broken":-`} {
		if d.MayKeep([]byte(value)) {
			t.Errorf("%s may be kept", value)
		}
	}
}

func TestCardTokenRanges(t *testing.T) {
	t.Parallel()
	value := parseObject(t, canonicalEvent).with("card_token", quoted(visa)).bytes()
	d := NewDecoder(Options{})
	var ev rules.Event
	for _, c := range []struct {
		ranges []rules.TokenRange
		reason string
	}{
		{nil, ReasonCardNumber},
		{[]rules.TokenRange{{Prefix: "4111", Length: 16}}, ""},
		{[]rules.TokenRange{{Prefix: "", Length: 16}}, ""},
		{[]rules.TokenRange{{Prefix: "4112", Length: 16}}, ReasonCardNumber},
		{[]rules.TokenRange{{Prefix: "4111", Length: 15}}, ReasonCardNumber},
		{[]rules.TokenRange{{Prefix: "5", Length: 16}, {Prefix: visa, Length: 16}}, ""},
	} {
		d.SetCardTokenRanges(c.ranges)
		fault := d.Event(value, []byte(canonicalKey), -1, &ev)
		assertFault(t, fmt.Sprint(c.ranges), fault, c.reason, "card_token")
	}
	// A range allows tokens, nothing else.
	named := parseObject(t, canonicalEvent).with("merchant.name", quoted(visa)).bytes()
	fault := d.Event(named, []byte(canonicalKey), -1, &ev)
	assertFault(t, "name", fault, ReasonCardNumber, "merchant.name")
	if fault != nil && fault.KeepBytes {
		t.Error("the bytes of a record with a card number are kept")
	}
}

func TestLookAlikesAreCounted(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{})
	var ev rules.Event
	value := parseObject(t, canonicalEvent).with("transaction_id", quoted(visa)).with("merchant.terminal_id", quoted(visa)).
		with("merchant.id", `"378282246310005"`).bytes()
	for range 2 {
		if fault := d.Event(value, []byte(canonicalKey), -1, &ev); fault != nil {
			t.Fatal(fault)
		}
	}
	counts := map[string]uint64{}
	drain := func(field string, n uint64) { counts[field] += n }
	d.DrainLookAlikes(drain)
	d.DrainLookAlikes(drain)
	assertEqual(t, counts, map[string]uint64{"transaction_id": 2, "merchant.terminal_id": 2, "merchant.id": 2})
}

// TestCardNumberHidesOtherFaults: who handles a leak must not have to look
// behind an unknown currency.
func TestCardNumberHidesOtherFaults(t *testing.T) {
	t.Parallel()
	value := parseObject(t, canonicalEvent).with("event_id", `1`).with("card_product", quoted(visa)).with("x", `1,"x":1`)
	var ev rules.Event
	fault := NewDecoder(Options{}).Event(value.bytes(), nil, -1, &ev)
	assertFault(t, "all at once", fault, ReasonCardNumber, "card_product")
}
