package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ristourne/rules/offer"
)

// billingDoc is how a programme bills its partners, as it is written; no series: it
// doesn't.
type billingDoc struct {
	seller      offer.Party
	series      string
	vat         offer.VAT
	paymentDays int // 0: not written
	language    string
	iban        string
	notes       []offer.Note
}

// billedDoc is how a partner is billed, as it is written.
type billedDoc struct {
	buyer       offer.Party
	vat         offer.VAT
	paymentDays int
	language    string
}

// defaultPaymentDays is when an invoice is due where nobody has agreed otherwise: as
// the law has it, in France too (Code de commerce, L. 441-10).
const defaultPaymentDays = 30

const (
	maxSeriesBytes = 12
	maxNotes       = 10
)

var (
	seriesForm = regexp.MustCompile(`^[A-Z0-9]{1,12}$`)
	noteForm   = regexp.MustCompile(`^[A-Z]{3}$`)
	sirenForm  = regexp.MustCompile(`^\d{3} ?\d{3} ?\d{3}$`)
	siretForm  = regexp.MustCompile(`^\d{3} ?\d{3} ?\d{3} ?\d{5}$`)
	vatIDForm  = regexp.MustCompile(`^[A-Z]{2} ?[A-Z0-9+* ]{2,16}$`)
	// frenchVATID is one whose key is made of the SIREN. Newer keys have letters.
	frenchVATID = regexp.MustCompile(`^FR(\d\d)(\d{9})$`)
	ibanForm    = regexp.MustCompile(`^[A-Z]{2}\d{2}[A-Z0-9 ]{11,40}$`)
	vatForm     = regexp.MustCompile(`^(?:\d+(?:\.\d+)? ?%|reverse charge)$`)

	noteCode     = scalar[string]{form: "three letters of UNTDID 4451, such as PMD", pattern: noteForm, parse: parseNoteCode}
	seriesText   = scalar[string]{form: "1 to 12 of A-Z and 0-9, such as CL", pattern: seriesForm, parse: parseSeries, digits: &[2]int64{0, 999_999_999_999}}
	sirenText    = scalar[string]{form: "a SIREN of 9 digits", pattern: sirenForm, parse: parseSIREN, digits: &[2]int64{100_000_000, 999_999_999}}
	siretText    = scalar[string]{form: "a SIRET of 14 digits", pattern: siretForm, parse: parseSIRET, digits: &[2]int64{10_000_000_000_000, 99_999_999_999_999}}
	vatIDText    = scalar[string]{form: "a VAT id such as FR32123456789", pattern: vatIDForm, parse: parseVATID}
	ibanText     = scalar[string]{form: "an IBAN", pattern: ibanForm, parse: parseIBAN}
	vatTreatment = scalar[offer.VAT]{form: "a rate such as 20%, or reverse charge", pattern: vatForm, parse: parseVAT}
	languages    = oneOf(map[string]string{"en": "en", "fr": "fr"}, "en", "fr")
)

var partyKeys = mapping[offer.Party]{what: "a party of an invoice", fields: []field[offer.Party]{
	key("name", plainText, func(p *offer.Party) *string { return &p.Name }, "the company's registered name").must(),
	key("street", plainText, func(p *offer.Party) *string { return &p.Street }, "street and number").must(),
	key("post_code", plainText, func(p *offer.Party) *string { return &p.PostCode }, "the post code, such as \"69002\""),
	key("city", plainText, func(p *offer.Party) *string { return &p.City }, "the town").must(),
	key("country", aCountry, func(p *offer.Party) *string { return &p.Country }, "the country's ISO 3166 code, such as FR").must(),
	key("siren", sirenText, func(p *offer.Party) *string { return &p.SIREN }, "of a French company, its 9 digits"),
	key("siret", siretText, func(p *offer.Party) *string { return &p.SIRET }, "of the establishment, its 14 digits"),
	key("vat_id", vatIDText, func(p *offer.Party) *string { return &p.VATID }, "the VAT identification number, such as FR32123456789"),
}}

var noteKeys = mapping[offer.Note]{what: "a note", fields: []field[offer.Note]{
	key("code", noteCode, func(n *offer.Note) *string { return &n.Code }, "what it is of, by UNTDID 4451, such as PMD for late payment").must(),
	key("text", plainText, func(n *offer.Note) *string { return &n.Text }, "what is printed").must(),
}}

var aNote = either[offer.Note]{scalar[offer.Note]{
	form: "a text, or {code: PMD, text: ...}", pattern: textForm, bare: true,
	parse: func(text string) (offer.Note, error) {
		_, err := parseText(text)
		return offer.Note{Text: text}, err
	},
}, noteKeys}

var billingKeys = mapping[billingDoc]{what: "billing", fields: []field[billingDoc]{
	key("seller", partyKeys, func(b *billingDoc) *offer.Party { return &b.seller }, "the company that bills the partners, such as {name: Banque de Lyon SA, street: 1 rue de la République, city: Lyon, country: FR}").must(),
	key("series", seriesText, func(b *billingDoc) *string { return &b.series }, "what invoice numbers begin with, such as CL: CL-2026-00001 is the first of its year").must(),
	key("vat", vatTreatment, func(b *billingDoc) *offer.VAT { return &b.vat }, "the VAT that partners owe on what they are billed, such as 20%").must(),
	key("payment_term", someDays, func(b *billingDoc) *int { return &b.paymentDays }, "how long after its date an invoice is due; 30 days where none is written"),
	key("language", languages, func(b *billingDoc) *string { return &b.language }, "of the documents, en or fr; en where none is written"),
	key("iban", ibanText, func(b *billingDoc) *string { return &b.iban }, "the account to which partners pay"),
	key("notes", list[offer.Note]{what: "a list of notes", max: maxNotes, of: aNote}, func(b *billingDoc) *[]offer.Note { return &b.notes }, "what the law wants said on each invoice, such as of late payment"),
}}

var billedKeys = mapping[billedDoc]{what: "a partner's billing", fields: []field[billedDoc]{
	key("buyer", partyKeys, func(b *billedDoc) *offer.Party { return &b.buyer }, "the company that is billed, such as {name: Café du Coin SARL, street: 2 place du Marché, city: Lyon, country: FR}").must(),
	key("vat", vatTreatment, func(b *billedDoc) *offer.VAT { return &b.vat }, "the VAT that it owes, such as 20%, or reverse charge; as the programme says where none is written"),
	key("payment_term", someDays, func(b *billedDoc) *int { return &b.paymentDays }, "how long after its date an invoice is due; as the programme says where none is written"),
	key("language", languages, func(b *billedDoc) *string { return &b.language }, "of the documents, en or fr; as the programme says where none is written"),
}}

// parseVAT reads `20%` or `reverse charge`.
func parseVAT(text string) (offer.VAT, error) {
	if text == "reverse charge" {
		return offer.VAT{ReverseCharge: true}, nil
	}
	rate, err := parseRate(text)
	switch {
	case err != nil:
		return offer.VAT{}, fmt.Errorf("%w; or write reverse charge, where the buyer owes the tax", err)
	case rate == 0:
		return offer.VAT{}, fmt.Errorf("a VAT of %s is none: write the rate, or reverse charge where the buyer owes the tax", clip(text))
	case rate > wholeMillionths:
		return offer.VAT{}, fmt.Errorf("a VAT of %s is more than the price itself: write at most 100%%", clip(text))
	}
	return offer.VAT{RateMillionths: rate}, nil
}

func parseSeries(text string) (string, error) {
	if !seriesForm.MatchString(text) {
		return "", fmt.Errorf("%q can't begin invoice numbers: write 1 to %d of A-Z and 0-9, such as CL", clip(text), maxSeriesBytes)
	}
	return text, nil
}

func parseNoteCode(text string) (string, error) {
	if !noteForm.MatchString(text) {
		return "", fmt.Errorf("%q is no code of a note: write three letters of UNTDID 4451, such as PMD for late payment", clip(text))
	}
	return text, nil
}

// spaceless drops the spaces that people write into long numbers.
func spaceless(text string) string { return strings.ReplaceAll(text, " ", "") }

func parseSIREN(text string) (string, error) {
	digits := spaceless(text)
	switch {
	case !sirenForm.MatchString(text):
		return "", fmt.Errorf("%q is no SIREN: write its 9 digits", clip(text))
	case luhn(digits) != 0:
		return "", fmt.Errorf("%q is no SIREN: its last digit is not what the others make it; look for a digit that is wrong or in another's place", text)
	}
	return digits, nil
}

// sirenOfPost is the one company with more establishments than such numbers have
// room for: of its SIRET the sum of digits is a multiple of 5.
const sirenOfPost = "356000000"

func parseSIRET(text string) (string, error) {
	digits := spaceless(text)
	if !siretForm.MatchString(text) {
		return "", fmt.Errorf("%q is no SIRET: write its 14 digits", clip(text))
	}
	sound := luhn(digits) == 0
	if !sound && strings.HasPrefix(digits, sirenOfPost) {
		sum := 0
		for _, c := range digits {
			sum += int(c - '0')
		}
		sound = sum%5 == 0
	}
	if !sound {
		return "", fmt.Errorf("%q is no SIRET: its last digit is not what the others make it; look for a digit that is wrong or in another's place", text)
	}
	return digits, nil
}

// luhn is the check sum of ISO/IEC 7812-1: 0 where the last digit is right.
func luhn(digits string) int {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum % 10
}

func parseVATID(text string) (string, error) {
	id := spaceless(text)
	if !vatIDForm.MatchString(text) || len(id) < 4 || len(id) > 14 {
		return "", fmt.Errorf("%q is no VAT id: write the country and 2 to 12 letters and digits, such as FR32123456789", clip(text))
	}
	if country, _ := vatCountry(id); !knownCountry(country) {
		return "", fmt.Errorf("%q is no VAT id: %q is no country", id, id[:2])
	}
	if m := frenchVATID.FindStringSubmatch(id); m != nil {
		key, _ := strconv.Atoi(m[1])
		siren, _ := strconv.Atoi(m[2])
		if key != (12+3*(siren%97))%97 {
			return "", fmt.Errorf("%q is no VAT id: its key, %s, is not what the SIREN makes it; look for a digit that is wrong", id, m[1])
		}
	}
	return id, nil
}

// vatCountry is the country of a VAT id as ISO 3166 has it: Greece is EL there,
// Northern Ireland XI.
func vatCountry(id string) (country string, stated bool) {
	if len(id) < 2 {
		return "", false
	}
	switch prefix := id[:2]; prefix {
	case "EL":
		return "GR", true
	case "XI":
		return "GB", true
	default:
		return prefix, true
	}
}

func knownCountry(code string) bool {
	_, err := parseCountry(code)
	return err == nil
}

func parseIBAN(text string) (string, error) {
	iban := spaceless(text)
	if !ibanForm.MatchString(text) || len(iban) < 15 || len(iban) > 34 {
		return "", fmt.Errorf("%q is no IBAN: write 15 to 34 letters and digits, the country first", clip(text))
	}
	rest := 0
	for _, c := range iban[4:] + iban[:4] {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	if rest != 1 {
		return "", fmt.Errorf("%q is no IBAN: its check digits are not what the rest makes them; look for one that is wrong", text)
	}
	return iban, nil
}

func (b *billingDoc) toRules() offer.Billing {
	if b.series == "" {
		return offer.Billing{}
	}
	agreed := offer.Billing{
		Seller: b.seller, Series: b.series, VAT: b.vat, PaymentDays: defaultPaymentDays, Language: "en", IBAN: b.iban, Notes: b.notes,
	}
	if b.paymentDays > 0 {
		agreed.PaymentDays = b.paymentDays
	}
	if b.language != "" {
		agreed.Language = b.language
	}
	return agreed
}

func (b *billedDoc) toRules() offer.BillingTerms {
	return offer.BillingTerms{Buyer: b.buyer, VAT: b.vat, PaymentDays: b.paymentDays, Language: b.language}
}

// checkBilling holds the seller to what an invoice must say, and its series to one
// seller.
func (c *checker) checkBilling(d *Document) {
	doc := &d.programme.billing
	if doc.series == "" {
		return
	}
	at := path{"billing"}
	c.checkParty(d, at.to("seller"), &doc.seller)
	if doc.seller.VATID == "" && !d.unreadIn(at.to("seller")) {
		c.fault(d, at.to("seller"), "who charges VAT needs a VAT id on each invoice: write vat_id")
	}
	for _, id := range names(c.programmes) {
		for _, other := range c.programmes[id] {
			if other == d || other.programme == nil || other.programme.billing.series != doc.series {
				continue
			}
			if is := &other.programme.billing.seller; id < d.Subject.ID && is.Name != doc.seller.Name && is.VATID != doc.seller.VATID {
				c.fault(d, at.to("series"), "invoices of programme %s begin with %s too, and %s bills them: each seller counts alone, so give one of them another series", id, doc.series, is.Name)
				return
			}
		}
	}
}

// checkBilled holds a partner's billing to the programme's.
func (c *checker) checkBilled(d *Document, p *offer.Partner, in *offer.Programme) {
	doc, at := d.partner.billing, path{"billing"}
	if doc == nil || doc.buyer.Name == "" {
		return
	}
	c.checkParty(d, at.to("buyer"), &doc.buyer)
	if !in.Billing.Stated() && c.saysOfNoSeller(d) {
		c.fault(d, at, "programme %s says of no seller who bills its partners: write `billing:` there, or drop it here", in.ID)
		return
	}
	vat := doc.vat
	if !vat.Stated() {
		vat = in.Billing.VAT
	}
	if vat.ReverseCharge && doc.buyer.VATID == "" && !d.unreadIn(at) {
		c.fault(d, at.to("buyer"), "%s owes the VAT itself, for which its VAT id must be on each invoice: write vat_id, or a rate as `vat`", p.ID)
	}
}

// saysOfNoSeller reports that the programme of a partner is known, and has no billing.
func (c *checker) saysOfNoSeller(d *Document) bool {
	versions := c.programmes[c.programmeIDOf(d)]
	if len(versions) == 0 {
		return false
	}
	in := inForce(versions, d.Version.From)
	return in.programme != nil && !in.unreadIn(path{"billing"}) && in.programme.billing.series == ""
}

// france is the country whose numbers are known here.
const france = "FR"

// checkParty holds what a party says of itself together.
func (c *checker) checkParty(d *Document, at path, p *offer.Party) {
	if p.SIREN != "" && p.SIRET != "" && !strings.HasPrefix(p.SIRET, p.SIREN) {
		c.fault(d, at.to("siret"), "the SIRET is of company %s, and the SIREN is %s: correct one of them", p.SIRET[:len(sirenOfPost)], p.SIREN)
	}
	country, stated := vatCountry(p.VATID)
	if siren := sirenOf(p); stated && country == france && siren != "" && !strings.HasSuffix(p.VATID, siren) {
		c.fault(d, at.to("vat_id"), "a French VAT id ends with the company's SIREN, %s: correct one of them", siren)
	}
}

// sirenOf is the company's, which its establishment's number begins with.
func sirenOf(p *offer.Party) string {
	if p.SIREN == "" && len(p.SIRET) > len(sirenOfPost) {
		return p.SIRET[:len(sirenOfPost)]
	}
	return p.SIREN
}

// frenchNotes are what French platforms refuse an invoice without: of late payment, of the
// cost of recovery, of early payment.
var frenchNotes = []string{"PMD", "PMT", "AAB"}

// warnOfBilling warns of a French seller whose electronic invoices no platform would take.
func (c *checker) warnOfBilling(d *Document, p *offer.Programme) {
	if p.Billing.Seller.Country != france || d.unreadIn(path{"billing"}) {
		return
	}
	var missing []string
	for _, code := range frenchNotes {
		if !slices.ContainsFunc(p.Billing.Notes, func(n offer.Note) bool { return n.Code == code }) {
			missing = append(missing, code)
		}
	}
	if len(missing) > 0 {
		c.warn(d, path{"billing", "notes"}, "French platforms refuse an electronic invoice without notes of code PMD (late payment), PMT (cost of recovery) and AAB (early payment): add %s", offer.Joined(missing, "and"))
	}
	c.warnOfParty(d, path{"billing", "seller"}, &p.Billing.Seller)
}

// warnOfParty warns of a French company that electronic invoices can't name.
func (c *checker) warnOfParty(d *Document, at path, p *offer.Party) {
	if p.Country == france && sirenOf(p) == "" && !d.unreadIn(at) {
		c.warn(d, at, "French platforms know companies by their SIREN, and none is written here: write siren")
	}
}

// warnOfBilled warns of a partner that owes something and can't be billed.
func (c *checker) warnOfBilled(d *Document, p *offer.Partner, in *offer.Programme) {
	c.warnOfParty(d, path{"billing", "buyer"}, &p.Billing.Buyer)
	if in.Billing.Stated() && !p.Billing.Stated() && !d.unreadIn(path{"billing"}) {
		c.warn(d, path{"billing"}, "programme %s bills its partners, and this one says of no company that is billed, so that no month in which it owes something can be closed: write `billing: {buyer: {...}}`", in.ID)
	}
}
