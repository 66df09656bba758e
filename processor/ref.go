package processor

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"unsafe"

	"ristourne/rules"
)

// referrer gives accounts their references: an HMAC-SHA256 of the account id
// under a secret of the bank, cut to 128 bits. Whoever has only the ledger
// can't enumerate account ids against it.
type referrer struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

func newReferrer(secret []byte) *referrer {
	return &referrer{mac: hmac.New(sha256.New, secret)}
}

func (r *referrer) ref(accountID string) rules.AccountRef {
	r.mac.Reset()
	// Write keeps nothing and changes nothing of its argument.
	r.mac.Write(unsafe.Slice(unsafe.StringData(accountID), len(accountID)))
	return rules.AccountRef(r.mac.Sum(r.sum[:0])[:16])
}
