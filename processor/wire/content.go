package wire

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Content is hashed over an encoding in which no two contents look the same:
// per field that is there its number, then a length and the bytes, or a
// varint. The numbers are part of what is stored, so they never change, and
// new fields get new ones: an event keeps its hash over releases.

// Seal works out ev.ContentHash, which only events that count need.
func Seal(ev *rules.Event) { ev.ContentHash = HashEvent(ev) }

// SealFact works out f.ContentHash.
func SealFact(f *rules.Fact) { f.ContentHash = hashFact(f) }

// HashEvent is the hash of what an event says: all known fields, instants as
// instants, defaults as absent, quantities by their value.
func HashEvent(ev *rules.Event) uint64 {
	var room [1024]byte
	c := contentOf(append(room[:0], 'e', 1))
	c = c.text(1, ev.ID)
	c = c.text(2, ev.Type.String())
	c = c.text(3, ev.TransactionID)
	c = c.text(4, ev.OriginalTransactionID)
	c = c.text(5, ev.AccountID)
	c = c.text(6, ev.CardToken)
	c = c.number(7, ev.AmountMinor)
	c = c.currency(8, ev.Currency)
	if ev.BillingCurrency != (money.Currency{}) {
		c = c.number(9, ev.BillingAmountMinor)
		c = c.currency(10, ev.BillingCurrency)
	}
	c = c.instant(11, ev.OccurredAt)
	if ev.HasPurchasedAt {
		c = c.instant(12, ev.PurchasedAt)
	}
	if ev.Declined {
		c = c.number(13, 1)
	}
	m := &ev.Merchant
	c = c.text(14, m.ID)
	c = c.text(15, m.AcquirerID)
	c = c.text(16, m.Network)
	c = c.text(17, m.NetworkMerchantID)
	c = c.text(18, m.SubMerchantID)
	c = c.text(19, m.TerminalID)
	c = c.text(20, m.Name)
	c = c.text(21, m.MCC)
	c = c.text(22, m.Country)
	c = c.text(23, ev.Channel.String())
	c = c.text(24, ev.CardProduct)
	for i := range ev.Items {
		item := &ev.Items[i]
		c = c.number(25, item.AmountMinor) // begins an item
		c = c.quantity(26, item.Quantity)
		c = c.text(27, item.SKU)
		c = c.text(28, item.Category)
	}
	return xxhash.Sum64(c)
}

// IsAltered reports whether an event or a fact of an account's set says something
// else than when it was taken, by its hash: not a word that a forger could not
// write too. Results and referrals have no hash.
func IsAltered(r rules.Record) bool {
	switch {
	case r.Event != nil:
		return r.Event.ContentHash != HashEvent(r.Event)
	case r.Fact != nil:
		return r.Fact.ContentHash != hashFact(r.Fact)
	}
	return false
}

// hashFact is the hash of what a fact says: the fields of its type.
func hashFact(f *rules.Fact) uint64 {
	var room [512]byte
	c := contentOf(append(room[:0], 'f', 1))
	c = c.text(1, f.ID)
	c = c.text(2, f.Type.String())
	c = c.text(3, f.AccountID)
	c = c.instant(4, f.At)
	c = c.text(5, f.MemberID)
	c = c.text(6, f.Programme)
	for _, token := range f.CardTokens {
		c = c.text(7, token)
	}
	c = c.text(8, f.Level)
	for _, segment := range f.Segments {
		c = c.text(9, segment)
	}
	c = c.text(10, f.SponsorAccountID)
	c = c.text(11, f.CardToken)
	c = c.text(12, f.OfferID)
	c = c.text(13, f.Segment)
	c = c.text(14, f.TransactionID)
	c = c.text(15, f.Cycle)
	c = c.text(16, f.AsOf)
	if f.AmountMinor != 0 {
		c = c.number(17, f.AmountMinor)
	}
	c = c.text(18, f.Unit)
	c = c.currency(19, f.Currency)
	c = c.text(20, f.Reason)
	c = c.text(21, f.ApprovedBy)
	if f.Method != 0 {
		c = c.number(29, int64(f.Method))
	}
	c = c.text(30, f.IBAN)
	c = c.text(31, f.Name)
	c = c.text(32, f.Handle)
	c = c.text(33, f.VoucherID)
	return xxhash.Sum64(c)
}

type contentOf []byte

func (c contentOf) text(field byte, s string) contentOf {
	if s == "" {
		return c
	}
	c = binary.AppendUvarint(append(c, field), uint64(len(s)))
	return append(c, s...)
}

func (c contentOf) number(field byte, n int64) contentOf {
	return binary.AppendVarint(append(c, field), n)
}

func (c contentOf) currency(field byte, currency money.Currency) contentOf {
	if currency == (money.Currency{}) {
		return c
	}
	return append(append(c, field), currency[:]...)
}

func (c contentOf) instant(field byte, at rules.Instant) contentOf {
	return binary.AppendVarint(binary.AppendVarint(append(c, field), at.Sec), int64(at.Nsec))
}

func (c contentOf) quantity(field byte, s string) contentOf {
	if s == "" {
		return c
	}
	q, _ := parseDecimal(s)
	c = binary.AppendVarint(append(c, field), int64(q.exponent))
	if q.negative {
		c = append(c, '-')
	}
	c = binary.AppendUvarint(c, uint64(q.n))
	return append(c, q.digits[:q.n]...)
}

const (
	maxDecimalLength = 32 // characters
	maxExponent      = 999
)

// decimal is the value of a JSON number: digits x 10^exponent, without zeros
// at either end of the digits, so that equal values are equal decimals.
type decimal struct {
	negative bool
	exponent int
	digits   [maxDecimalLength]byte
	n        int
}

// isCardNumber reports a whole number whose digits are a card's, in whatever
// form it is written: 4.111111111111111E15 is what Java makes of one.
func (q *decimal) isCardNumber() bool {
	if q.exponent < 0 || q.n+q.exponent > maxCardDigits {
		return false
	}
	digits := [maxCardDigits]byte{}
	for i := range q.n {
		digits[i] = q.digits[i] - '0'
	}
	return isCardNumber(digits[:q.n+q.exponent])
}

// parseDecimal reads a number that is JSON; not ok where it is too long or its
// exponent too large.
func parseDecimal(s string) (q decimal, ok bool) {
	if len(s) > maxDecimalLength {
		return q, false
	}
	s, q.negative = strings.CutPrefix(s, "-")
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		exponent, err := strconv.Atoi(s[at+1:])
		if err != nil || exponent < -maxExponent || exponent > maxExponent {
			return q, false
		}
		s, q.exponent = s[:at], exponent
	}
	fraction := false
	for i := range len(s) {
		if s[i] == '.' {
			fraction = true
			continue
		}
		if fraction {
			q.exponent--
		}
		if q.n > 0 || s[i] != '0' {
			q.digits[q.n] = s[i]
			q.n++
		}
	}
	for q.n > 0 && q.digits[q.n-1] == '0' {
		q.n--
		q.digits[q.n] = 0
		q.exponent++
	}
	if q.n == 0 {
		return decimal{}, true
	}
	return q, true
}
