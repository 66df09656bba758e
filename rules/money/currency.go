// Package money holds amounts as int64 minor units with their ISO 4217
// exponent, exact rates, and the roundings of the programme.
package money

// Currency is an ISO 4217 alphabetic code. The zero value is "none". It
// compares with ==.
type Currency [3]byte

func (c Currency) String() string {
	if c == (Currency{}) {
		return ""
	}
	return string(c[:])
}
