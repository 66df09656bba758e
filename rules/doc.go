// Package rules is the pure heart of Ristourne: what a purchase is, which
// offers it meets, what each is worth to the cent, and what is still due.
//
// It reads no clock, does no I/O, starts no goroutine and draws no random
// number; the tz database is embedded. The same account, catalogue and
// records give the same lines on every machine, which is what lets a crashed
// processor, a rebuild and an auditor arrive at one ledger.
//
// It reads in the order of the ledger itself:
//
//	catalogue.go, faults.go, snapshot.go   what was agreed, checked, compiled
//	match.go                               which store an event's merchant is
//	engine.go                              one record against one account: its fate
//	set.go, account.go, member.go          which events belong to which purchase; who was a member
//	purchase.go                            what a purchase comes to, in two worlds
//	worth.go, caps.go                      what it is worth, step by step
//	decide.go                              what a change reaches, in order of purchase time
//	book.go, due.go                        the difference, and what is due by it
//	explain.go                             why this cent
//	codec.go, codec_*.go                   the binary forms of accounts, events and facts
package rules
