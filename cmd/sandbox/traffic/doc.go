// Package traffic makes up the card events of a bank in Lyon, as believable as a
// few hundred lines can: shops with their hours and prices, authorizations that
// are cleared days later, tips, fuel, refunds, chargebacks, and what goes wrong
// on the way: repeats, disorder, records that are broken.
//
// A generator is deterministic: the same options and the same sequence of
// calls give the same bytes. It reads no clock.
package traffic
