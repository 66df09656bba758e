package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// keysOfPartner is how many store keys a partner has.
const keysOfPartner = 10

// term is what one partner has agreed on: a rate, more of it in a happy hour, a
// least spend and a most for each purchase.
type term struct {
	partner                         int
	rateMillionths, boostMillionths int64
	minSpendMinor, perPurchaseMinor int64
	firstStore, lastStore           int // [first, last)
	commissionMillionths            int64
}

// terms makes the same agreement for all who are measured.
func terms(stores int) []term {
	rng := rand.New(rand.NewPCG(1, 42))
	var all []term
	for first := 0; first < stores; first += keysOfPartner {
		rate := int64(1+rng.IntN(10)) * 5_000 // 0.5 % to 5 %
		all = append(all, term{
			partner: len(all), rateMillionths: rate, boostMillionths: int64(1+rng.IntN(4)) * 10_000,
			minSpendMinor: int64(rng.IntN(4)) * 500, perPurchaseMinor: int64(2+rng.IntN(9)) * 100,
			firstStore: first, lastStore: min(first+keysOfPartner, stores),
			commissionMillionths: rate * 5 / 4,
		})
	}
	return all
}

// merchantID is the card acceptor id of a merchant (ISO 8583 field 42). Stores
// come first, then who is no partner. Twelve digits never look like a card number.
func merchantID(i int) string {
	return fmt.Sprintf("FRM%012d", (int64(i)*7_368_787+1_234_577)%999_999_999_989)
}

func percent(millionths int64) string { return fmt.Sprintf("%g%%", float64(millionths)/1e4) }

func euros(minor int64) string { return fmt.Sprintf("%d.%02d EUR", minor/100, minor%100) }

// writeCatalogue writes the agreement as a folder of offer files, many partners
// to a folder.
func writeCatalogue(dir string, all []term) error {
	programme := "programme: bench\nname: Bench\ncurrency: EUR\nzone: Europe/Paris\n"
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "bench.yaml"), []byte(programme), 0o600)); err != nil {
		return err
	}
	for _, t := range all {
		var b strings.Builder
		fmt.Fprintf(&b, "partner: partner-%05d\nname: Partner %d\ncommission: %s\nstores:\n", t.partner, t.partner, percent(t.commissionMillionths))
		for s := t.firstStore; s < t.lastStore; s++ {
			fmt.Fprintf(&b, "  - {id: s%d, zone: Europe/Paris, keys: [{mid: %s}]}\n", s, merchantID(s))
		}
		fmt.Fprintf(&b, "offers:\n  - id: everyday\n    from: 2020-01-01\n    reward: %s\n    funded_by: programme\n", percent(t.rateMillionths))
		if t.minSpendMinor > 0 {
			fmt.Fprintf(&b, "    min_spend: %s\n", euros(t.minSpendMinor))
		}
		fmt.Fprintf(&b, "    boosts: [{id: happy-hour, when: {hours: 17:00-19:00}, add: %s}]\n", percent(t.boostMillionths))
		fmt.Fprintf(&b, "    caps: [{per: purchase, amount: %s}]\n", euros(t.perPurchaseMinor))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("partner-%05d.yaml", t.partner)), []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writePeerOffers writes the same agreement as the Java peers read it.
func writePeerOffers(path string, all []term) error {
	type happyHour struct {
		From            string `json:"from"`
		Until           string `json:"until"`
		BoostMillionths int64  `json:"boost_millionths"`
	}
	type peerOffer struct {
		OfferID              string    `json:"offer_id"`
		OfferVersion         int       `json:"offer_version"`
		PartnerID            string    `json:"partner_id"`
		Currency             string    `json:"currency"`
		TimeZone             string    `json:"time_zone"`
		RateMillionths       int64     `json:"rate_millionths"`
		CommissionMillionths int64     `json:"commission_millionths"`
		MinSpendMinor        int64     `json:"min_spend_minor"`
		CapMinor             int64     `json:"cap_minor"`
		HappyHour            happyHour `json:"happy_hour"`
		StatementText        string    `json:"statement_text"`
		MerchantIDs          []string  `json:"merchant_ids"`
	}
	offers := make([]peerOffer, 0, len(all))
	for _, t := range all {
		o := peerOffer{
			OfferID: fmt.Sprintf("offer-%05d", t.partner), OfferVersion: 1, PartnerID: fmt.Sprintf("partner-%05d", t.partner),
			Currency: "EUR", TimeZone: "Europe/Paris", RateMillionths: t.rateMillionths, CommissionMillionths: t.commissionMillionths,
			MinSpendMinor: t.minSpendMinor, CapMinor: t.perPurchaseMinor,
			HappyHour:     happyHour{"17:00", "19:00", t.boostMillionths},
			StatementText: fmt.Sprintf("Cashback partner-%05d", t.partner),
		}
		for s := t.firstStore; s < t.lastStore; s++ {
			o.MerchantIDs = append(o.MerchantIDs, merchantID(s))
		}
		offers = append(offers, o)
	}
	text, err := json.Marshal(offers)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
