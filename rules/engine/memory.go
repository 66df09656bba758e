package engine

import "unsafe"

// This file is for accounts that stay in memory from one record to the next.

// textBytes is about what the texts of one event take, beside their headers.
const textBytes = 200

// MemoryBytes is about what the account takes in memory.
func (a *Account) MemoryBytes() int {
	return int(unsafe.Sizeof(*a)) + bytesOf(a.purchases) + bytesOf(a.events) + bytesOf(a.lines) + bytesOf(a.facts) + bytesOf(a.grants) +
		bytesOf(a.published) + bytesOf(a.standings) + bytesOf(a.referrals) + bytesOf(a.arena) + bytesOf(a.balances) +
		len(a.payments.encoded) + bytesOf(a.payments.list) + textBytes*len(a.events) + a.factBytes() + a.referralBytes()
}

func bytesOf[T any](s []T) int {
	var one T
	return cap(s) * int(unsafe.Sizeof(one))
}

// Unbind forgets what the account remembers of a snapshot that is replaced, so that
// an account which nothing touches any more keeps no old catalogue in memory.
func (a *Account) Unbind() {
	a.snapshot, a.standings = nil, a.standings[:0]
	a.draws.reset()
	for i := range a.purchases {
		p := &a.purchases[i]
		p.termsFound, p.programme, p.terms = false, nil, nil
	}
}
