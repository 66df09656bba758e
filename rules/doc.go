// Package rules is the pure heart of Ristourne: what a purchase is, which
// offers it meets, what each is worth to the cent, and what is still due.
//
// It reads no clock, does no I/O, starts no goroutine and draws no random
// number; the tz database is embedded. The same account, catalogue and
// records give the same lines on every machine, which is what lets a crashed
// processor, a rebuild and an auditor arrive at one ledger.
package rules
