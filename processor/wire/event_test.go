package wire

import (
	"testing"

	"ristourne/rules"
	"ristourne/rules/money"
)

func eur() money.Currency { return money.Currency{'E', 'U', 'R'} }

func TestEventCanonical(t *testing.T) {
	d := NewDecoder(Options{})
	var ev rules.Event
	if fault := d.Event([]byte(canonicalEvent), []byte(canonicalKey), millisOfCanonical, &ev); fault != nil {
		t.Fatal(fault)
	}
	want := rules.Event{
		ID: "evt-7f3a91c2-000001", Type: rules.Authorization, TransactionID: "txn-7f3a91c2-0000",
		AccountID: "acc-00482913", CardToken: "tok_9fKq27XbLm3R", AmountMinor: 4785, Currency: eur(),
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
