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
//	worth.go                               what it is worth, step by step:
//	  conditions.go, holdout.go              which offers apply
//	  reward.go, boosts.go                   what each gives
//	  caps.go, rolling.go, grants.go         what bounds it
//	  commission.go, sponsor.go              who owes, who else gets
//	decide.go                              what a change reaches, in order of purchase time
//	book.go, due.go                        the difference, and what is due by it
//	referral.go                            the sponsor's side: what others' purchases give
//	adopted.go                             what the ledger says is booked, after a loss
//	explain*.go                            why this cent
//	codec_account.go                       the state of an account in bytes
package engine
