package rules

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
