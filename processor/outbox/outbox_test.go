package outbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules"
	"ristourne/rules/money"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawDecision(t)
		prefix := []byte("what stood there before")
		blob := Encode(bytes.Clone(prefix), want)
		if !bytes.HasPrefix(blob, prefix) {
			t.Fatal("Encode changed what it appends to")
		}
		blob = blob[len(prefix):]
		// What an earlier use left in the decision must not shine through.
		got := *drawDecision(t)
		if err := Decode(blob, &got); err != nil {
			t.Fatal(err)
		}
		if !equal(want, &got) {
			t.Fatalf("decoded\n%+v\nwant\n%+v", got, *want)
		}
		if again := Encode(nil, &got); !bytes.Equal(blob, again) {
			t.Fatalf("what was decoded encodes to other bytes")
		}
	})
}

// TestEveryField fills every field there is by reflection: a field that is
// added to a decision and forgotten here would be lost in a crash.
func TestEveryField(t *testing.T) {
	t.Parallel()
	var want, got rules.Decision
	fill(reflect.ValueOf(&want).Elem())
	if err := Decode(Encode(nil, &want), &got); err != nil {
		t.Fatal(err)
	}
	if !equal(&want, &got) {
		t.Fatalf("decoded\n%+v\nwant\n%+v", got, want)
	}
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.String:
		v.SetString("text of " + v.Type().Name())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1)
	default:
		panic("no value is known for a " + v.Kind().String())
	}
}

// TestMeetingWords lets more words than the encoder remembers meet in its slots.
func TestMeetingWords(t *testing.T) {
	t.Parallel()
	var want rules.Decision
	for i := range 3 * dictionarySlots {
		want.Accounts = append(want.Accounts, rules.AccountRow{
			AccountID: fmt.Sprint("account ", i), MemberID: fmt.Sprint("account ", i/2),
		})
	}
	var got rules.Decision
	if err := Decode(Encode(nil, &want), &got); err != nil {
		t.Fatal(err)
	}
	if !equal(&want, &got) {
		t.Fatal("words were mixed up")
	}
}

// TestDamage takes every byte away or turns one of its bits: each must be seen.
func TestDamage(t *testing.T) {
	t.Parallel()
	blob := Encode(nil, sample(3))
	var d rules.Decision
	for i := range blob {
		if err := Decode(blob[:i], &d); !errors.Is(err, errCorrupt) {
			t.Fatalf("cut at %d of %d: error %v, want ErrCorrupt", i, len(blob), err)
		}
		damaged := bytes.Clone(blob)
		damaged[i] ^= 1 << (i % 8)
		if err := Decode(damaged, &d); err == nil {
			t.Fatalf("one bit of byte %d of %d was turned, and nobody saw it", i, len(blob))
		}
	}
}

// TestHostile hands in blobs whose checksum is right and whose content is not.
func TestHostile(t *testing.T) {
	t.Parallel()
	head := func(counts ...byte) []byte {
		b := []byte{format, 0, 0, 0, 0, 0, 0, 0} // shard, batch, heads, last seq
		return append(b, counts...)
	}
	for name, body := range map[string][]byte{
		"nothing":           {format},
		"more behind":       head(0, 0, 0, 0, 0, 0, 0, 7),
		"a count too high":  append(head(), binary.AppendUvarint(nil, math.MaxUint64)...),
		"rows without room": head(2, 0, 0, 0, 0, 0, 0),
		"word unknown":      head(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 0),
		"shard too large":   append([]byte{format}, binary.AppendVarint(nil, math.MaxInt32+1)...),
		"fate unknown": append(head(0, 1, 0, 1, 0, 1, 0, 0, 0, byte(rules.NumFates)),
			make([]byte, 40)...),
	} {
		t.Run(name, func(t *testing.T) {
			var d rules.Decision
			if err := Decode(seal(body), &d); !errors.Is(err, errCorrupt) {
				t.Fatalf("error %v, want ErrCorrupt", err)
			}
		})
	}
	t.Run("version", func(t *testing.T) {
		var d rules.Decision
		if err := Decode(seal([]byte{format + 1}), &d); err == nil || errors.Is(err, errCorrupt) {
			t.Fatalf("error %v, want one that tells of the version", err)
		}
	})
}

// TestUnknownValues encodes values that have no name beside the last ones that
// do: the first must be refused, or a panic waits where the name is asked for.
func TestUnknownValues(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(beyond int) rules.Decision{
		"cause": func(beyond int) rules.Decision {
			return rules.Decision{Grants: []rules.Grant{{Cause: rules.Cause{Kind: rules.CauseReferral + rules.CauseKind(beyond)}}}}
		},
		"channel": func(beyond int) rules.Decision {
			return rules.Decision{Referrals: []rules.Referral{{Channel: rules.OtherChannel + rules.Channel(beyond)}}}
		},
		"role": func(beyond int) rules.Decision {
			return rules.Decision{Accruals: []rules.Accrual{{Role: rules.RoleExpiry + rules.Role(beyond)}}}
		},
		"kind": func(beyond int) rules.Decision {
			return rules.Decision{Accruals: []rules.Accrual{{Kind: rules.CommissionKind + rules.Kind(beyond)}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got rules.Decision
			last, beyond := with(0), with(1)
			if err := Decode(Encode(nil, &last), &got); err != nil {
				t.Fatalf("the last one: %v", err)
			}
			if err := Decode(Encode(nil, &beyond), &got); !errors.Is(err, errCorrupt) {
				t.Fatalf("one beyond: error %v, want ErrCorrupt", err)
			}
		})
	}
}

// FuzzDecode seals whatever comes, so that the fuzzer gets past the checksum:
// no bytes may panic, and what can be read must survive another round.
func FuzzDecode(f *testing.F) {
	for n := range 3 {
		blob := Encode(nil, sample(n))
		f.Add(blob[:len(blob)-crcBytes])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var d, again rules.Decision
		if len(body) == 0 || Decode(seal(body), &d) != nil {
			return
		}
		if err := Decode(Encode(nil, &d), &again); err != nil || !equal(&d, &again) {
			t.Fatalf("second round: %v\n%+v\n%+v", err, d, again)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	d := sample(500)
	buf := Encode(nil, d)
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64(len(buf))/500, "bytes/account")
	b.ReportAllocs()
	for b.Loop() {
		buf = Encode(buf[:0], d)
	}
}

func BenchmarkDecode(b *testing.B) {
	buf := Encode(nil, sample(500))
	var d rules.Decision
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(buf, &d); err != nil {
			b.Fatal(err)
		}
	}
}

func seal(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))
}

// equal compares decisions, where no row and no rows are the same.
func equal(a, b *rules.Decision) bool {
	x, y := *a, *b
	for _, d := range []*rules.Decision{&x, &y} {
		d.Accounts = append([]rules.AccountRow{}, d.Accounts...)
		d.Set = append([]rules.SetRow{}, d.Set...)
		d.Results = append([]rules.ResultRow{}, d.Results...)
		d.Accruals = append([]rules.Accrual{}, d.Accruals...)
		d.Instructions = append([]rules.Instruction{}, d.Instructions...)
		d.Referrals = append([]rules.Referral{}, d.Referrals...)
		d.Grants = append([]rules.Grant{}, d.Grants...)
	}
	return reflect.DeepEqual(x, y)
}

// sample is a decision of the usual kind: each account bought once.
func sample(accounts int) *rules.Decision {
	eur := money.Currency{'E', 'U', 'R'}
	d := &rules.Decision{Shard: 12, Batch: 7, Positions: rules.Positions{1, -1, 0, 1 << 40}, LastSeq: uint64(accounts)}
	for i := range accounts {
		ref := rules.AccountRef{byte(i), byte(i >> 8), 9}
		id, event := fmt.Sprintf("account-%06d", i), fmt.Sprintf("event-%08d", i)
		purchased := rules.Instant{Sec: 1_750_000_000 + int64(i), Nsec: int32(i)}
		cause := rules.Cause{Kind: rules.CauseEvent, ID: event, Partition: 12, Offset: 1_000_000 + int64(3*i), RecordedAt: 1_750_000_000_123 + int64(i)}
		d.Set = append(d.Set, rules.SetRow{
			Seq: uint64(i + 1), AccountRef: ref, Cause: cause, Fate: rules.Booked, Type: "clearing", TransactionID: "T" + event,
			AmountMinor: 4_990, Currency: eur, OccurredAt: purchased, MerchantID: "MID0000123", MCC: "5411",
			PartnerID: "bakery", StoreID: "bakery-1", Payload: bytes.Repeat([]byte{byte(i)}, 90),
		})
		for _, role := range []rules.Role{rules.RoleMember, rules.RolePartner} {
			beneficiary := ref
			if role == rules.RolePartner {
				beneficiary = rules.AccountRef{}
			}
			d.Accruals = append(d.Accruals, rules.Accrual{
				ID: rules.AccrualID{byte(i), byte(i >> 8), byte(role)}, Programme: "city", AccountID: id, AccountRef: ref,
				MemberID: "member" + id, BeneficiaryID: id, BeneficiaryRef: beneficiary, Role: role, TransactionID: "T" + event,
				PartnerID: "bakery", StoreID: "bakery-1", OfferID: "bakery-5-percent", OfferVersion: "c0ffee",
				CampaignIDs: []string{"spring"}, Stage: rules.Confirmed, Kind: rules.Cash, Unit: "EUR", BasisMinor: 4_990,
				RewardMinor: 250, CommissionMinor: 300, CostMinor: 250, Currency: eur, PurchasedAt: purchased, Cause: cause,
				Level: "gold", Channel: rules.InStore, MCC: "5411", Reasons: []string{"cap:month", "margin"},
			})
		}
		d.Instructions = append(d.Instructions, rules.Instruction{
			ID: fmt.Sprintf("R%032d", i), Direction: rules.Credit, AccountID: id, AccountRef: ref, AmountMinor: 250,
			Currency: eur, StatementText: "Cashback Bakery", Programme: "city", Reason: "cashback", CreatedAt: cause.RecordedAt, Cause: cause,
		})
		if i%10 == 0 { // few are referred, few campaigns have a budget
			d.Referrals = append(d.Referrals, rules.Referral{
				ID: fmt.Sprintf("F%032d", i), Number: 1, SponsorAccountID: "sponsor" + id, BuyerAccountID: id, BuyerRef: ref,
				TransactionID: "T" + event, PartnerID: "bakery", StoreID: "bakery-1", OfferID: "bakery-5-percent", OfferVersion: "c0ffee",
				Programme: "city", Currency: eur, PurchasedAt: purchased, At: purchased, Channel: rules.InStore, MCC: "5411",
				ConfirmedBasisMinor: 4_990, ConfirmedRewardMinor: 50, ExpectedBasisMinor: 4_990, ExpectedRewardMinor: 50, Cause: cause,
			})
			d.Grants = append(d.Grants, rules.Grant{
				Budget: "campaign/spring", AccountID: id, AccountRef: ref, TransactionID: "T" + event, Unit: "EUR",
				TargetMinor: 100, GrantedMinor: 60, ChangeMinor: 60, Cause: cause,
			})
		}
	}
	return d
}

// drawDecision draws any decision at all, with its rows' lists nil where they
// are empty.
func drawDecision(t *rapid.T) *rules.Decision {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "bakery", "été {12} \x00\xff"}), rapid.String())
	number := rapid.OneOf(rapid.SampledFrom([]int64{0, 1, -1, math.MinInt64, math.MaxInt64}), rapid.Int64())
	list := rapid.Custom(func(t *rapid.T) []string {
		if l := rapid.SliceOfN(text, 0, 3).Draw(t, "list"); len(l) > 0 {
			return l
		}
		return nil
	})
	payload := rapid.Custom(func(t *rapid.T) []byte {
		if p := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "payload"); len(p) > 0 {
			return p
		}
		return nil
	})
	str := func() string { return text.Draw(t, "text") }
	num := func() int64 { return number.Draw(t, "number") }
	enum := func(most int) byte { return byte(rapid.IntRange(0, most).Draw(t, "enum")) }
	i32 := func() int32 { return rapid.Int32().Draw(t, "int32") }
	currency := func() money.Currency {
		return rapid.SampledFrom([]money.Currency{{}, {'E', 'U', 'R'}, {0xff, 0, 1}}).Draw(t, "currency")
	}
	ref := func() (ref rules.AccountRef) {
		ref[0], ref[15] = enum(2), enum(1)
		return ref
	}
	instant := func() rules.Instant { return rules.Instant{Sec: num(), Nsec: i32()} }
	rare := func() (i rules.Instant) {
		if rapid.Bool().Draw(t, "stated") {
			i = instant()
		}
		return i
	}
	cause := func() rules.Cause {
		return rules.Cause{Kind: rules.CauseKind(enum(int(rules.CauseReferral))), ID: str(), Partition: i32(), Offset: num(), RecordedAt: num()}
	}
	some := func(each func()) {
		for range rapid.IntRange(0, 3).Draw(t, "rows") {
			each()
		}
	}

	d := &rules.Decision{Shard: i32(), Batch: uint64(num()), Positions: rules.Positions{num(), num(), num(), num()}, LastSeq: uint64(num())}
	some(func() {
		d.Accounts = append(d.Accounts, rules.AccountRow{Ref: ref(), AccountID: str(), MemberID: str(), RecordedAt: num()})
	})
	some(func() {
		var refunds []rules.RefundChange
		some(func() {
			refunds = append(refunds, rules.RefundChange{
				EventID: str(), Was: rules.RefundState(enum(int(rules.NumRefundStates) - 1)), Is: rules.RefundState(enum(int(rules.NumRefundStates) - 1)),
				MatchedTo: str(), AmountMinor: num(), Currency: currency(),
			})
		})
		var holdouts []rules.HoldoutDraw
		some(func() { holdouts = append(holdouts, rules.HoldoutDraw{ID: str(), Held: enum(1) == 1}) })
		d.Set = append(d.Set, rules.SetRow{
			Seq: uint64(num()), AccountRef: ref(), Cause: cause(), Fate: rules.Fate(enum(int(rules.NumFates) - 1)), Type: str(),
			TransactionID: str(), AmountMinor: num(), Currency: currency(), OccurredAt: instant(), MerchantID: str(), MCC: str(),
			PartnerID: str(), StoreID: str(), Refunds: refunds, Holdouts: holdouts, Payload: payload.Draw(t, "payload"),
		})
	})
	some(func() {
		d.Results = append(d.Results, rules.ResultRow{
			Result:     rules.Result{InstructionID: str(), AccountID: str(), Status: rules.ResultStatus(enum(3)), Reason: str(), At: instant()},
			AccountRef: ref(), Cause: cause(),
		})
	})
	some(func() {
		d.Accruals = append(d.Accruals, rules.Accrual{
			ID: rules.AccrualID{enum(255), 15: enum(255)}, Programme: str(), AccountID: str(), AccountRef: ref(), MemberID: str(),
			BeneficiaryID: str(), BeneficiaryRef: ref(), Role: rules.Role(enum(3)), TransactionID: str(), PartnerID: str(), StoreID: str(), OfferID: str(),
			OfferVersion: str(), CampaignIDs: list.Draw(t, "campaigns"), Stage: rules.Stage(enum(2)), Kind: rules.Kind(enum(5)),
			Unit: str(), BasisMinor: num(), RewardMinor: num(), CommissionMinor: num(), CostMinor: num(), Currency: currency(),
			PurchasedAt: instant(), UsableFrom: rare(), ExpiresAt: rare(), Cause: cause(), Level: str(), Channel: rules.Channel(enum(3)), MCC: str(), Reasons: list.Draw(t, "reasons"),
		})
	})
	some(func() {
		d.Instructions = append(d.Instructions, rules.Instruction{
			ID: str(), Direction: rules.Direction(enum(2)), AccountID: str(), AccountRef: ref(), AmountMinor: num(), Currency: currency(),
			StatementText: str(), Programme: str(), Cycle: str(), Reason: str(), CreatedAt: num(), Cause: cause(),
		})
	})
	some(func() {
		d.Referrals = append(d.Referrals, rules.Referral{
			ID: str(), Number: num(), SponsorAccountID: str(), BuyerAccountID: str(), BuyerRef: ref(), TransactionID: str(),
			PartnerID: str(), StoreID: str(), OfferID: str(), OfferVersion: str(), Programme: str(), Currency: currency(),
			PurchasedAt: instant(), At: instant(), Channel: rules.Channel(enum(3)), MCC: str(), ConfirmedBasisMinor: num(),
			ConfirmedRewardMinor: num(), ExpectedBasisMinor: num(), ExpectedRewardMinor: num(),
			LateConfirmedRewardMinor: num(), LateExpectedRewardMinor: num(), MatchedRefund: enum(1) == 1, Cause: cause(),
		})
	})
	some(func() {
		d.Grants = append(d.Grants, rules.Grant{
			Budget: rules.BudgetKey(str()), AccountID: str(), AccountRef: ref(), TransactionID: str(), Unit: str(),
			TargetMinor: num(), GrantedMinor: num(), ChangeMinor: num(), Cause: cause(),
		})
	})
	return d
}
