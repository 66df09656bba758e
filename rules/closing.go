package rules

// ClosingOf is the fact that closes a cycle for an account.
func ClosingOf(programme, cycle, accountID string, asOf Instant) Fact {
	return Fact{
		ID: CycleFactID(programme, cycle, accountID), Type: CycleClosed, AccountID: accountID, At: asOf,
		Programme: programme, Cycle: cycle, AsOf: asOf.String(),
	}
}
