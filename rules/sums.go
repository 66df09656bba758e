package rules

// LineKey is what an account's booked difference is worked out by: lines of one key
// add up. See rules/README.md, "Lines and their key".
type LineKey struct {
	AccountID     string
	TransactionID string
	PartnerID     string
	StoreID       string
	OfferID       string
	OfferVersion  string
	BeneficiaryID string
	Role          Role
	Kind          Kind
	Unit          string
	Stage         Stage
}

// Key is the line's key.
func (a *Accrual) Key() LineKey {
	return LineKey{
		AccountID: a.AccountID, TransactionID: a.TransactionID, PartnerID: a.PartnerID, StoreID: a.StoreID,
		OfferID: a.OfferID, OfferVersion: a.OfferVersion, BeneficiaryID: a.BeneficiaryID,
		Role: a.Role, Kind: a.Kind, Unit: a.Unit, Stage: a.Stage,
	}
}

// Sums are the balances of one key, in minor units.
type Sums struct{ RewardMinor, CommissionMinor, CostMinor int64 }

// Plus adds a line. A balance is bounded by its purchase's amounts, which are
// bounded at the wire: the sum of a key's lines can't overflow.
func (s Sums) Plus(a *Accrual) Sums {
	return Sums{
		RewardMinor:     s.RewardMinor + a.RewardMinor,
		CommissionMinor: s.CommissionMinor + a.CommissionMinor,
		CostMinor:       s.CostMinor + a.CostMinor,
	}
}

// LedgerSum is the sum of many lines of one programme, partner, stage and role, in
// minor units of Currency.
type LedgerSum struct {
	Programme, PartnerID string // empty partner: offers of the programme's own, adjustments
	Currency             string
	Stage                Stage
	Role                 Role
	Lines                uint64
	RewardMinor          int64 // rewards in money; points are in CostMinor alone
	CommissionMinor      int64
	CostMinor            int64
}

// InstructedSum is the sum of many instructions, in minor units of Currency.
type InstructedSum struct {
	Programme, Currency string
	Direction           Direction
	Instructions        uint64
	AmountMinor         int64
}
