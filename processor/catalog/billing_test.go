package catalog

import (
	"reflect"
	"testing"

	"ristourne/rules/offer"
)

// TestBillingIsReadAsItIsWritten, with what stands where a file says nothing.
func TestBillingIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	const seller = "{name: Banque de Lyon SA, street: 12 rue de la République, post_code: \"69002\", city: Lyon, country: FR, siren: 732 829 320, siret: 732 829 320 00074, vat_id: FR44732829320}"
	party := offer.Party{Name: "Banque de Lyon SA", Street: "12 rue de la République", PostCode: "69002", City: "Lyon", Country: "FR", SIREN: "732829320", SIRET: "73282932000074", VATID: "FR44732829320"}
	programme := "programme: test\ncurrency: EUR\nzone: Europe/Paris\n"
	shop := "partner: shop\nstores: [{id: s, keys: [{mid: M}]}]\n"
	for _, c := range []struct {
		name, programme, shop string
		want                  offer.Billing
		wantShop              offer.BillingTerms
		wantFeeMinor          int64
	}{
		{
			"as little as there can be", "billing: {seller: " + seller + ", series: CL, vat: 20%}\n", "billing: {buyer: " + seller + "}\n",
			offer.Billing{Seller: party, Series: "CL", VAT: offer.VAT{RateMillionths: 200_000}, PaymentDays: 30, Language: "en"},
			offer.BillingTerms{Buyer: party},
			0,
		},
		{
			"all", "billing: {seller: " + seller + ", series: 7, vat: reverse charge, payment_term: 45 days, language: fr, iban: FR76 3000 6000 0112 3456 7890 189, notes: [a, {code: PMD, text: b}]}\n",
			"billing: {buyer: " + seller + ", vat: 5.5%, payment_term: 1 day, language: en}\ncommission: {subscription: 19.90 EUR, percent: 4%}\n",
			offer.Billing{Seller: party, Series: "7", VAT: offer.VAT{ReverseCharge: true}, PaymentDays: 45, Language: "fr", IBAN: "FR7630006000011234567890189", Notes: []offer.Note{{Text: "a"}, {Code: "PMD", Text: "b"}}},
			offer.BillingTerms{Buyer: party, VAT: offer.VAT{RateMillionths: 55_000}, PaymentDays: 1, Language: "en"},
			1_990,
		},
		{"none", "", "commission: {subscription: 49 EUR}\n", offer.Billing{}, offer.BillingTerms{}, 4_900},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			loaded := folder(t, map[string]string{"programme.yaml": programme + c.programme, "shop.yaml": shop + c.shop})
			partner := partnerVersion(t, loaded, "shop", 0)
			if got := loaded.Catalogue.Programmes[0].Billing; !reflect.DeepEqual(got, c.want) {
				t.Errorf("the programme means\n%+v\nwant\n%+v", got, c.want)
			}
			if partner.Billing != c.wantShop || partner.MonthlyFeeMinor != c.wantFeeMinor {
				t.Errorf("the partner means\n%+v and %d, want\n%+v and %d", partner.Billing, partner.MonthlyFeeMinor, c.wantShop, c.wantFeeMinor)
			}
		})
	}
}
