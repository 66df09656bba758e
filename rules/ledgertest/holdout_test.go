package ledgertest

import (
	"fmt"
	"testing"

	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// What an auditor gets with a shell alone, from salt and account id:
//
//	printf 'autumn\000acc-17' | sha256sum | cut -c1-16
//
// read as a hexadecimal number, modulo 1,000,000.
var drawn = []struct {
	salt, account string
	millionths    int64
}{
	{"autumn", "acc-17", 675964},
	{"cafe/everyday", "acc-17", 564068},
	{"programme/everywhere", "acc-17", 379233},
	{"cashback", "acc-17", 894141},
	{"cashback", "acc-18", 158449},
	{"été 2024", "Zoë", 351055},
	{"a", "bc", 237297},
	{"ab", "c", 305165},
}

func TestDrawsAreThoseOfAnAuditor(t *testing.T) {
	t.Parallel()
	for _, d := range drawn {
		if got := engine.Draw(d.salt, d.account); got != d.millionths {
			t.Errorf("the engine draws %d under %q for %q, want %d", got, d.salt, d.account, d.millionths)
		}
		for _, bound := range []int64{d.millionths, d.millionths + 1} {
			held := drawsUnder(offer.Holdout{Millionths: bound, Salt: d.salt}, "other", d.account)
			if held != (bound > d.millionths) {
				t.Errorf("the oracle holds %q out under %q at %d: %t", d.account, d.salt, bound, held)
			}
		}
	}
}

// Of many accounts about the share is held out that was agreed, and two salts
// draw apart.
func TestDrawsAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	const accounts = 20_000
	one, both := 0, 0
	for i := range accounts {
		id := fmt.Sprintf("account-%d", i)
		if engine.Draw("cafe/everyday", id) < 100_000 {
			one++
			if engine.Draw("cafe/bonus", id) < 100_000 {
				both++
			}
		}
	}
	// Five standard deviations of the binomial: 42 for each, 14 for both.
	if one < 2000-212 || one > 2000+212 || both < 200-70 || both > 200+70 {
		t.Errorf("of %d accounts %d are held out of 10 %%, %d of two offers; want about 2000 and 200", accounts, one, both)
	}
}
