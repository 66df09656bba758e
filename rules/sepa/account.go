package sepa

import (
	"errors"
	"fmt"
	"regexp"
)

var (
	ibanForm = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$`)
	bicForm  = regexp.MustCompile(`^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$`)
)

// CheckIBAN refuses an account number whose form or check digits are wrong (ISO 13616;
// the digits are those of ISO/IEC 7064, MOD 97-10). Whether there is such an account is
// for its bank to say. The number is no part of the error.
func CheckIBAN(iban string) error {
	if !ibanForm.MatchString(iban) {
		return errors.New("it is no IBAN: two letters, two check digits and 11 to 30 of A-Z 0-9, without spaces")
	}
	rest := 0
	for _, c := range []byte(iban[4:] + iban[:4]) {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	if rest != 1 {
		return errors.New("its check digits don't fit: is a digit wrong, or are two swapped?")
	}
	return nil
}

// CheckBIC refuses what is no business identifier code (ISO 9362).
func CheckBIC(bic string) error {
	if !bicForm.MatchString(bic) {
		return fmt.Errorf("%q is no BIC: 8 or 11 of A-Z 0-9, such as AGRIFRPP", bic)
	}
	return nil
}
