// Package money holds amounts as int64 minor units with their ISO 4217
// exponent, exact rates, and the roundings of the programme.
package money

import "strings"

// Currency is an ISO 4217 alphabetic code. The zero value is "none". It
// compares with ==.
type Currency [3]byte

func (c Currency) String() string {
	if c == (Currency{}) {
		return ""
	}
	return string(c[:])
}

// ParseCurrency reads an upper-case ISO 4217 code. It reports false for codes
// that are not in use, and for those without minor units (gold, SDR, testing):
// no card purchase is made in them.
func ParseCurrency(code string) (Currency, bool) {
	if len(code) != 3 {
		return Currency{}, false
	}
	c := Currency{code[0], code[1], code[2]}
	_, ok := c.Exponent()
	if !ok {
		return Currency{}, false
	}
	return c, true
}

// Exponent is how many decimal digits the minor unit has: 2 for EUR, 0 for
// JPY, 3 for TND, 4 for CLF. It reports false for what is no currency.
func (c Currency) Exponent() (int, bool) {
	i, ok := c.index()
	if !ok || exponents[i] == 0 {
		return 0, false
	}
	return int(exponents[i]) - 1, true
}

func (c Currency) index() (int, bool) {
	i := 0
	for _, letter := range c {
		if letter < 'A' || letter > 'Z' {
			return 0, false
		}
		i = i*26 + int(letter-'A')
	}
	return i, true
}

// exponents holds exponent + 1 by letters, so that one load answers for each
// event; 0 is "no currency". It is never written after init.
var exponents = buildExponents()

func buildExponents() (table [26 * 26 * 26]uint8) {
	for exponent, codes := range codesByExponent {
		for code := range strings.FieldsSeq(codes) {
			i, ok := Currency([]byte(code)).index()
			if !ok {
				panic("money: bad currency code in table: " + code)
			}
			table[i] = uint8(exponent) + 1
		}
	}
	return table
}

// codesByExponent is ISO 4217 list one, by number of digits. ANG and BGN were
// withdrawn in 2025 and 2026 and stay: refunds of older purchases name them.
var codesByExponent = [...]string{
	0: `BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF`,
	2: `AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
		CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
		GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL
		MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK
		PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
		TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG`,
	3: `BHD IQD JOD KWD LYD OMR TND`,
	4: `CLF UYW`,
}
