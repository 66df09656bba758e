package rules

// Installation says which Redis, ledger and secret belong together.
type Installation struct {
	ID             string // made when the first process of it started
	KeyFingerprint string // of the secret under which account references are derived
}
