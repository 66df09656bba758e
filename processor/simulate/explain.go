package simulate

import (
	"ristourne/rules/engine"
	"ristourne/rules/explain"
)

// Explain tells why a purchase of the world earned what it earned, or nothing.
func (w *World) Explain(accountID, transactionID string) (*explain.Explanation, error) {
	account := w.accounts[accountID]
	if account == nil {
		account = engine.NewAccount(accountID) // unknown, and so is the purchase
	}
	return w.engine.Explain(account, transactionID)
}
