// Package engine decides: which store an event is from, which purchase it
// belongs to, which offers that meets, what each is worth to the cent, and what
// of it isn't booked yet.
//
// A caller needs Compile for a Snapshot of the catalogue, New for an Engine, and
// Apply for each record; Replay, Repair and the Adopt methods are for states that
// are made anew from the ledger, Explain is for people. One engine serves one
// goroutine.
//
// It reads in the order in which a purchase meets it:
//
//	snapshot.go, compile.go, match.go      what holds at a time; which store an event's merchant is
//	engine.go, apply.go                    one record against one account: its fate
//	set.go, account.go, member.go          which events belong to which purchase; who was a member
//	purchase.go, unlinked.go               what a purchase comes to, in two worlds; refunds that name none
//	run.go, reach.go                       which purchases are valued, in which order, and how often
//	fold.go, fold_counters.go              which are put away, and what they leave for those after them
//	fold_payments.go                       and which payments
//
// What prices, and books nothing:
//
//	valuer.go, terms.go                    what one purchase is worth, step by step; under which terms
//	conditions.go, holdout.go, history.go  which offers apply
//	reward.go, boosts.go                   what each gives
//	caps.go, counters.go, rolling.go       what bounds it, and what fills up
//	ceilings.go                            what budgets leave of it
//	commission.go, sponsor.go              who owes, who else gets
//	sponsored.go                           what others' purchases give their buyers' sponsor
//
// What books, and prices nothing:
//
//	demands.go                             what is asked of budgets
//	entitle.go                             from a worth to the lines that are due
//	book.go, due.go, publish.go            the difference, what is to be paid by it, and what sponsors are told
//	referral.go, adopted.go                records from other accounts; what the ledger says after a loss
//
// explain*.go says why this cent, and codec_account.go and codec_fold.go are the
// state of an account in bytes.
package engine
