package engine

// FoldEagerly makes the engine put away whatever can be, as soon as it can.
func (e *Engine) FoldEagerly() {
	e.folding = foldLimits{kept: 1, atOnce: 1, openDays: 2, answerDays: 3}
}

// PutAway is how many purchases and payments of an account are put away.
func (a *Account) PutAway() (purchases, payments int) {
	if a.fold == nil {
		return 0, 0
	}
	return a.fold.purchases, a.fold.payments.count
}

// AskedBudgets reports that budgets were asked for purchases that are put away, and that
// they refused some.
func (a *Account) AskedBudgets() (asked, refused bool) { return a.foldIsGranted(), a.foldIsRefused() }
