package rules

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"

	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
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

// Prefixes of the ids of facts that the system itself states.
const (
	cycleFactPrefix      = "CY-"
	releaseFactPrefix    = "PR-"
	adjustmentFactPrefix = "AD-"
)

// ownFactID is the id of a fact that follows from what it says: whoever states it, and
// however often, says the same.
func ownFactID(prefix string, of ...string) string {
	var b []byte
	for _, s := range of {
		b = codec.AppendString(b, s)
	}
	sum := sha256.Sum256(b)
	return prefix + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
}

// ClosingOf is the fact that closes a cycle for an account.
func ClosingOf(programme, cycle, accountID string, asOf Instant) Fact {
	return Fact{
		ID: ownFactID(cycleFactPrefix, programme, cycle, accountID), Type: CycleClosed, AccountID: accountID, At: asOf,
		Programme: programme, Cycle: cycle, AsOf: asOf.String(),
	}
}

// ReleaseOf is the fact by which a person lets payments go on that are stuck.
func ReleaseOf(programme, accountID string, at Instant) Fact {
	return Fact{
		ID: ownFactID(releaseFactPrefix, programme, accountID, at.String()), Type: PayoutReleased, AccountID: accountID, At: at, Programme: programme,
	}
}

// AdjustmentID is the id of an adjustment: of the same amount for the same reason
// there is one, whoever asks for it and however often. A second needs another reason.
func AdjustmentID(programme, accountID string, amountMinor int64, currency money.Currency, reason string) string {
	return ownFactID(adjustmentFactPrefix, programme, accountID, strconv.FormatInt(amountMinor, 10), currency.String(), reason)
}
