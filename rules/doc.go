// Package rules is the vocabulary of Ristourne: the records that a bank sends,
// the lines of the ledger, what is paid, and where in the topics each of them
// stands. It decides nothing; what uses a word from here imports none of those
// who give it a meaning.
//
// The rooms below it, each of which imports only those above:
//
//	money             amounts in minor units, rates, rounding
//	reason            codes that say why an award is what it is
//	offer             what was agreed: programmes, partners, offers, campaigns; is it sound, how does it read
//	explain           why this cent, as a value and in words
//	engine            the decision: account, purchase, worth, caps, budgets, booking
//	ledgertest        an independent, slow engine, held against the other
//	internal/codec    binary forms of records and account states
//
// All of it is pure: no clock, no I/O, no goroutine, no random number; the tz
// database is embedded. The same account, catalogue and records give the same
// lines on every machine, which is what lets a crashed processor, a rebuild and
// an auditor arrive at one ledger.
package rules
