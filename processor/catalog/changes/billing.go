package changes

import (
	"strings"

	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// billing says what is new of how a programme bills its partners.
func (s *says) billing(old, now *offer.Billing) {
	s.instead("partners are billed by", partyText(&old.Seller), partyText(&now.Seller))
	s.instead("invoice numbers begin with", old.Series, now.Series)
	s.instead("partners owe a VAT of", vatText(old.VAT), vatText(now.VAT))
	s.instead("invoices are due after", daysText(old.PaymentDays), daysText(now.PaymentDays))
	s.instead("language of invoices", old.Language, now.Language)
	s.instead("partners pay to", old.IBAN, now.IBAN)
	s.list("each invoice says", notesTexts(old.Notes), notesTexts(now.Notes))
}

// billed says what is new of how a partner is billed.
func (s *says) billed(old, now *offer.BillingTerms) {
	s.instead("billed is", partyText(&old.Buyer), partyText(&now.Buyer))
	s.instead("it owes a VAT of", vatText(old.VAT), vatText(now.VAT))
	s.instead("its invoices are due after", daysText(old.PaymentDays), daysText(now.PaymentDays))
	s.instead("language of its invoices", old.Language, now.Language)
}

func notesTexts(notes []offer.Note) (texts []string) {
	for _, n := range notes {
		texts = append(texts, strings.TrimSpace(n.Code+" "+n.Text))
	}
	return texts
}

func partyText(p *offer.Party) string {
	var parts []string
	for _, part := range []struct{ name, value string }{
		{"", p.Name},
		{"", p.Street},
		{"", strings.TrimSpace(p.PostCode + " " + p.City)},
		{"", p.Country},
		{"SIREN ", p.SIREN},
		{"SIRET ", p.SIRET},
		{"VAT id ", p.VATID},
	} {
		if part.value != "" {
			parts = append(parts, part.name+part.value)
		}
	}
	return strings.Join(parts, ", ")
}

func vatText(v offer.VAT) string {
	switch {
	case v.ReverseCharge:
		return "none: reverse charge"
	case v.Stated():
		return money.FormatPercent(v.RateMillionths)
	}
	return ""
}

func daysText(days int) string {
	if days == 0 {
		return ""
	}
	return offer.Counted(days, "day")
}
