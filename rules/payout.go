package rules

import (
	"crypto/sha256"
	"encoding/base32"

	"ristourne/rules/internal/codec"
)

// PayMethod is by which way money reaches a beneficiary.
type PayMethod uint8

// The methods. Card, to the account that the card is of, holds where no
// payout_method fact says another.
const (
	ByCard PayMethod = iota + 1
	ByTransfer
	ByCheque
	ByEWallet
)

var payMethodNames = [...]string{"", "card", "transfer", "cheque", "e_wallet"}

func (m PayMethod) String() string { return payMethodNames[m] }

// ParsePayMethod reads the name of the wire.
func ParsePayMethod(s string) (PayMethod, bool) { return ParseName[PayMethod](s, payMethodNames[:]) }

const cycleFactPrefix = "CY-"

// cycleFactID is the id of the fact that closes a programme's cycle for an account:
// whoever closes it, and however often, says the same.
func cycleFactID(programme, cycle, accountID string) string {
	var b []byte
	for _, s := range [...]string{programme, cycle, accountID} {
		b = codec.AppendString(b, s)
	}
	sum := sha256.Sum256(b)
	return cycleFactPrefix + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
}

// ClosingOf is the fact that closes a cycle for an account.
func ClosingOf(programme, cycle, accountID string, asOf Instant) Fact {
	return Fact{
		ID: cycleFactID(programme, cycle, accountID), Type: CycleClosed, AccountID: accountID, At: asOf,
		Programme: programme, Cycle: cycle, AsOf: asOf.String(),
	}
}
