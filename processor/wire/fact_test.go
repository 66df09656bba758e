package wire

import (
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/money"
)

// factSamples has a sound fact of each type, with the fields that belong to it.
var factSamples = map[string]string{
	"enrolled": `"member_id":"m1","programme":"lyon","card_tokens":["t1","t2"],"level":"gold","segments":["s1"],` +
		`"sponsor_account_id":"a9"`,
	"left":                  ``,
	"card_linked":           `"card_token":"t3"`,
	"card_unlinked":         `"card_token":"t3"`,
	"level_changed":         `"level":"silver"`,
	"offer_activated":       `"offer_id":"o1"`,
	"offer_deactivated":     `"offer_id":"o1"`,
	"segment_added":         `"segment":"students"`,
	"segment_removed":       `"segment":"students"`,
	"authorization_expired": `"transaction_id":"x1"`,
	"cycle_closed":          `"programme":"lyon","cycle":"2025-10","as_of":"2025-11-01T00:00:00+01:00"`,
	"points_spent":          `"amount_minor":5,"unit":"PTS"`,
	"wallet_spent":          `"amount_minor":5,"unit":"EUR"`,
	"adjustment":            `"amount_minor":-5,"currency":"EUR","reason":"a late train","approved_by":"u7"`,
	"erased":                ``,
	"payout_method":         `"method":"transfer","iban":"FR7630006000011234567890189","name":"Marie Curie"`,
	"payout_released":       `"programme":"lyon"`,
	"voucher_redeemed":      `"voucher_id":"v1"`,
}

func factOf(t testing.TB, kind string) sample {
	t.Helper()
	text := `{"fact_id":"f1","type":"` + kind + `","account_id":"a1","at":"2025-11-22T08:31:20Z",` + factSamples[kind]
	return parseObject(t, strings.TrimSuffix(text, ",")+"}")
}

func TestFactOfEachType(t *testing.T) {
	t.Parallel()
	head := rules.Fact{ID: "f1", AccountID: "a1", At: rules.Instant{Sec: 1763800280}}
	wants := map[rules.FactType]rules.Fact{
		rules.Enrolled: {
			MemberID: "m1", Programme: "lyon", CardTokens: []string{"t1", "t2"}, Level: "gold",
			Segments: []string{"s1"}, SponsorAccountID: "a9",
		},
		rules.Left:                 {},
		rules.CardLinked:           {CardToken: "t3"},
		rules.CardUnlinked:         {CardToken: "t3"},
		rules.LevelChanged:         {Level: "silver"},
		rules.OfferActivated:       {OfferID: "o1"},
		rules.OfferDeactivated:     {OfferID: "o1"},
		rules.SegmentAdded:         {Segment: "students"},
		rules.SegmentRemoved:       {Segment: "students"},
		rules.AuthorizationExpired: {TransactionID: "x1"},
		rules.CycleClosed:          {Programme: "lyon", Cycle: "2025-10", AsOf: "2025-10-31T23:00:00Z"},
		rules.PointsSpent:          {AmountMinor: 5, Unit: "PTS"},
		rules.WalletSpent:          {AmountMinor: 5, Unit: "EUR"},
		rules.Adjustment: {
			AmountMinor: -5, Currency: money.Currency{'E', 'U', 'R'}, Reason: "a late train", ApprovedBy: "u7",
		},
		rules.Erased:          {},
		rules.PayoutMethod:    {Method: rules.ByTransfer, IBAN: "FR7630006000011234567890189", Name: "Marie Curie"},
		rules.PayoutReleased:  {Programme: "lyon"},
		rules.VoucherRedeemed: {VoucherID: "v1"},
	}
	d := NewDecoder(Options{})
	for factType := rules.Enrolled; factType < rules.NumFactTypes; factType++ {
		want, known := wants[factType]
		if !known {
			t.Fatalf("no sample of %v", factType)
		}
		want.Type, want.ID, want.AccountID, want.At = factType, head.ID, head.AccountID, head.At
		want.ContentHash = hashFact(&want)
		var got rules.Fact
		if fault := d.Fact(factOf(t, factType.String()).bytes(), []byte("a1"), millisOfCanonical, &got); fault != nil {
			t.Errorf("%v: %s", factType, fault)
			continue
		}
		assertEqual(t, got, want)
	}
}

// TestFactIgnoresFieldsOfOtherTypes puts rubbish under every name that a type
// doesn't have; it is no part of the content either.
func TestFactIgnoresFieldsOfOtherTypes(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for kind := range factSamples {
		for name := range factOf(t, kind) {
			names[name] = true
		}
	}
	d := NewDecoder(Options{})
	for kind := range factSamples {
		plain := factOf(t, kind)
		littered := plain
		for name := range names {
			if _, own := plain[name]; !own && (kind != "adjustment" || name != "programme") {
				littered = littered.with(name, `{"rubbish":[1e9]}`)
			}
		}
		var got, want rules.Fact
		if fault := d.Fact(plain.bytes(), []byte("a1"), -1, &want); fault != nil {
			t.Fatal(fault)
		}
		if fault := d.Fact(littered.bytes(), []byte("a1"), -1, &got); fault != nil {
			t.Errorf("%s: %s", kind, fault)
		}
		assertEqual(t, got, want)
	}
}

// TestFactNeeds takes away each field of each type, and sets it to null.
func TestFactNeeds(t *testing.T) {
	t.Parallel()
	optional := map[string]bool{"card_tokens": true, "level": true, "segments": true, "sponsor_account_id": true}
	d := NewDecoder(Options{})
	for kind := range factSamples {
		for name := range factOf(t, kind) {
			for _, raw := range []string{"", "null"} {
				reason := ReasonMissing
				if kind == "enrolled" && optional[name] {
					reason = ""
				}
				var f rules.Fact
				fault := d.Fact(factOf(t, kind).with(name, raw).bytes(), []byte("a1"), -1, &f)
				assertFault(t, kind+" without "+name, fault, reason, name)
			}
		}
	}
}

func TestFactFields(t *testing.T) {
	t.Parallel()
	amounts := func(over, under string) []fieldCase {
		return []fieldCase{
			{"amount_minor", `1`, ""},
			{"amount_minor", `9007199254740991`, ""},
			{"amount_minor", `9007199254740992`, ReasonRange},
			{"amount_minor", `0`, ReasonRange},
			{"amount_minor", `-0`, ReasonRange},
			{"amount_minor", `-1`, over},
			{"amount_minor", `-9007199254740991`, over},
			{"amount_minor", `-9007199254740992`, under},
			{"amount_minor", `1.0`, ReasonType},
			{"amount_minor", `"1"`, ReasonType},
		}
	}
	const cut = -1 // shortened to 256 characters, and not refused
	texts := func(name string, max int) []fieldCase {
		tooLong := ReasonLength
		if max == cut {
			tooLong, max = "", 256
		}
		return []fieldCase{
			{name, chars(1), ""},
			{name, chars(max), ""},
			{name, chars(max + 1), tooLong},
			{name, `""`, ReasonMissing},
			{name, `1`, ReasonType},
		}
	}
	tokens := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"t",`, n), ",") + "]" }
	head := append(texts("fact_id", 64),
		fieldCase{"type", `"joined"`, ReasonEnum}, fieldCase{"type", `""`, ReasonMissing}, fieldCase{"type", `3`, ReasonType},
		fieldCase{"account_id", `"a2"`, ReasonKey}, fieldCase{"account_id", `1`, ReasonType},
		fieldCase{"at", `"2025-11-22"`, ReasonTime}, fieldCase{"at", `5`, ReasonType},
		fieldCase{"at", `"2025-11-22T08:36:21.125Z"`, ""}, fieldCase{"at", `"2025-11-22T08:36:21.126Z"`, ReasonAhead},
	)
	cases := map[string][]fieldCase{
		"left": head,
		"enrolled": append(append(texts("member_id", 256), texts("programme", 256)...), []fieldCase{
			{"sponsor_account_id", chars(64), ""},
			{"sponsor_account_id", chars(65), ReasonLength},
			{"sponsor_account_id", `""`, ""},
			{"sponsor_account_id", quoted(visa), ""}, // an id: counted
			{"programme", quoted(visa), ReasonCardNumber},
			{"level", quoted(visa), ReasonCardNumber},
			{"level", chars(256), ""},
			{"level", chars(257), ReasonLength},
			{"level", `""`, ""},
			{"level", `1`, ReasonType},
			{"card_tokens", `[]`, ""},
			{"card_tokens", ` [ "a" , "b" ] `, ""},
			{"card_tokens", `"a"`, ReasonType},
			{"card_tokens", `{}`, ReasonType},
			{"card_tokens[1]", `["a",1]`, ReasonType},
			{"card_tokens", `[null]`, ""},
			{"card_tokens[2]", `["",null,3]`, ReasonType},
			{"card_tokens[1]", `["a",{"b":["c"]},2]`, ReasonType},
			{"card_tokens", `["a","b",""]`, ""},
			{"card_tokens", `""`, ""},
			{"card_tokens[0]", `[` + chars(65) + `]`, ReasonLength},
			{"card_tokens", `[` + chars(64) + `]`, ""},
			{"card_tokens[1]", `["a","` + visa + `"]`, ReasonCardNumber},
			{"card_tokens", tokens(1000), ""},
			{"card_tokens", tokens(1001), ReasonLength},
			{"segments[0]", `["` + visa + `"]`, ReasonCardNumber},
			{"segments", `[""]`, ""},
			{"segments[0]", `[` + chars(257) + `]`, ReasonLength},
			{"segments[0]", `[false]`, ReasonType},
			{"segments", tokens(1001), ReasonLength},
		}...),
		"card_linked":           append(texts("card_token", 64), fieldCase{"card_token", quoted(visa), ReasonCardNumber}),
		"card_unlinked":         append(texts("card_token", 64), fieldCase{"card_token", quoted(visa), ReasonCardNumber}),
		"level_changed":         append(texts("level", 256), fieldCase{"level", quoted(visa), ReasonCardNumber}),
		"offer_activated":       append(texts("offer_id", 256), fieldCase{"offer_id", quoted(visa), ReasonCardNumber}),
		"offer_deactivated":     texts("offer_id", 256),
		"segment_added":         append(texts("segment", 256), fieldCase{"segment", quoted(visa), ReasonCardNumber}),
		"segment_removed":       texts("segment", 256),
		"authorization_expired": texts("transaction_id", 64),
		"cycle_closed": append(append(texts("programme", 256), texts("cycle", 256)...),
			fieldCase{"as_of", `"2025-11"`, ReasonTime}, fieldCase{"as_of", `""`, ReasonMissing}, fieldCase{"as_of", `202511`, ReasonType},
			fieldCase{"as_of", `"2025-11-22T08:36:21.125Z"`, ""}, fieldCase{"as_of", `"2025-11-22T08:36:21.126Z"`, ReasonAhead},
			fieldCase{"cycle", quoted(visa), ReasonCardNumber}, fieldCase{"programme", quoted(visa), ReasonCardNumber}),
		"points_spent": append(append(amounts(ReasonRange, ReasonRange), texts("unit", 256)...), fieldCase{"unit", quoted(visa), ReasonCardNumber}),
		"wallet_spent": append(amounts(ReasonRange, ReasonRange), texts("unit", 256)...),
		"adjustment": append(append(append(amounts("", ReasonRange), texts("reason", cut)...), texts("approved_by", cut)...),
			fieldCase{"approved_by", `"4111 1111 1111 1111"`, ReasonCardNumber},
			fieldCase{"currency", `"XYZ"`, ReasonCurrency}, fieldCase{"currency", `978`, ReasonType},
			fieldCase{"reason", `"for card 4111-1111-1111-1111"`, ReasonCardNumber}, fieldCase{"programme", `"lyon"`, ""},
			fieldCase{"programme", quoted(visa), ReasonCardNumber}),
		"payout_method": append(texts("name", cut), []fieldCase{
			{"method", `"cash"`, ReasonEnum},
			{"method", `""`, ReasonMissing},
			{"method", `1`, ReasonType},
			{"method", `"card"`, ""},
			{"method", `"cheque"`, ""},
			{"method", `"CARD"`, ReasonEnum},
			{"handle", `"@marie"`, ""},
			{"iban", `""`, ReasonMissing},
			{"iban", `"FR76 3000"`, ReasonFormat},
			{"iban", `"fr76"`, ReasonFormat},
			{"iban", `"` + strings.Repeat("A", 34) + `"`, ""},
			{"iban", `"` + strings.Repeat("A", 35) + `"`, ReasonLength},
			{"name", `"4111 1111 1111 1111"`, ReasonCardNumber},
		}...),
		"payout_released":  append(texts("programme", 256), fieldCase{"programme", quoted(visa), ReasonCardNumber}),
		"voucher_redeemed": texts("voucher_id", 64),
	}
	d := NewDecoder(Options{})
	for kind, cases := range cases {
		t.Run(kind, func(t *testing.T) {
			runFieldCases(t, cases, factOf(t, kind), func(value []byte) *Fault {
				var f rules.Fact
				return d.Fact(value, []byte("a1"), millisOfCanonical, &f)
			})
		})
	}
}

// TestPayoutMethodNeeds: each way of payment needs what it can't do without, and
// ignores what is of another.
func TestPayoutMethodNeeds(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{NoKeys: true})
	for _, c := range []struct{ fields, field, reason string }{
		{`"method":"card"`, "", ""},
		{`"method":"transfer","iban":"FR76","name":"M"`, "", ""},
		{`"method":"transfer","name":"M"`, "iban", ReasonMissing},
		{`"method":"transfer","iban":"FR76"`, "name", ReasonMissing},
		{`"method":"cheque","name":"M"`, "", ""},
		{`"method":"cheque","iban":"FR76"`, "name", ReasonMissing},
		{`"method":"e_wallet","handle":"@m"`, "", ""},
		{`"method":"e_wallet","name":"M"`, "handle", ReasonMissing},
	} {
		var f rules.Fact
		value := `{"fact_id":"f1","type":"payout_method","account_id":"a1","at":"2025-11-22T08:31:20Z",` + c.fields + `}`
		assertFault(t, c.fields, d.Fact([]byte(value), nil, -1, &f), c.reason, c.field)
	}
	var f rules.Fact
	value := `{"fact_id":"f1","type":"payout_method","account_id":"a1","at":"2025-11-22T08:31:20Z","method":"cheque","name":"M","iban":"FR76"}`
	if fault := d.Fact([]byte(value), nil, -1, &f); fault != nil || f.IBAN != "" {
		t.Errorf("a cheque has an IBAN: %q, %v", f.IBAN, fault)
	}
}

func TestFactAllowsTokenRanges(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{CardTokenRanges: []rules.TokenRange{{Prefix: "41", Length: 16}}})
	var f rules.Fact
	linked := factOf(t, "card_linked").with("card_token", quoted(visa)).bytes()
	assertFault(t, "card_linked", d.Fact(linked, []byte("a1"), -1, &f), "", "")
	enrolled := factOf(t, "enrolled").with("card_tokens", `["`+visa+`"]`).bytes()
	assertFault(t, "enrolled", d.Fact(enrolled, []byte("a1"), -1, &f), "", "")
}

func TestResult(t *testing.T) {
	t.Parallel()
	base := parseObject(t, `{"instruction_id":"Ab-9","account_id":"a1","status":"settled","reason":"AC04","at":"2025-11-22T08:31:20Z"}`)
	d := NewDecoder(Options{})
	var got rules.Result
	if fault := d.Result(base.bytes(), []byte("a1"), millisOfCanonical, &got); fault != nil {
		t.Fatal(fault)
	}
	assertEqual(t, got, rules.Result{
		InstructionID: "Ab-9", AccountID: "a1", Status: rules.Settled, Reason: "AC04", At: rules.Instant{Sec: 1763800280},
	})
	runFieldCases(t, []fieldCase{
		{"instruction_id", chars(1), ""},
		{"instruction_id", chars(35), ""},
		{"instruction_id", chars(36), ReasonLength},
		{"instruction_id", `""`, ReasonMissing},
		{"instruction_id", `"azAZ09-"`, ""},
		{"instruction_id", `"a_b"`, ReasonFormat},
		{"instruction_id", `"a b"`, ReasonFormat},
		{"instruction_id", `"@"`, ReasonFormat},
		{"instruction_id", `"["`, ReasonFormat},
		{"instruction_id", "\"`\"", ReasonFormat},
		{"instruction_id", `"{"`, ReasonFormat},
		{"instruction_id", `"/"`, ReasonFormat},
		{"instruction_id", `":"`, ReasonFormat},
		{"instruction_id", `"é"`, ReasonFormat},
		{"instruction_id", ``, ReasonMissing},
		{"instruction_id", `1`, ReasonType},
		{"account_id", `"a2"`, ReasonKey},
		{"account_id", `null`, ReasonMissing},
		{"status", `"accepted"`, ""},
		{"status", `"rejected"`, ""},
		{"status", `"returned"`, ReasonEnum},
		{"status", `null`, ReasonMissing},
		{"status", `1`, ReasonType},
		{"reason", ``, ""},
		{"reason", `null`, ""},
		{"reason", `""`, ""},
		{"reason", chars(256), ""},
		{"reason", chars(257), ""}, // cut
		{"reason", `4`, ReasonType},
		{"reason", `"card 4111 1111 1111 1111 closed"`, ReasonCardNumber},
		{"at", ``, ReasonMissing},
		{"at", `"yesterday"`, ReasonTime},
		{"at", `"2025-11-22T08:36:21.125Z"`, ""},
		{"at", `"2025-11-22T08:36:21.126Z"`, ReasonAhead},
		{"event_id", `{}`, ""},
	}, base, func(value []byte) *Fault {
		var r rules.Result
		return d.Result(value, []byte("a1"), millisOfCanonical, &r)
	})
}
