package processor

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"unsafe"

	"ristourne/rules"
)

// accountRefs gives accounts their references: an HMAC-SHA256 of the account id
// under a secret of the bank, cut to 128 bits. Whoever has only the ledger
// can't enumerate account ids against it.
type accountRefs struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

func newAccountRefs(secret []byte) *accountRefs {
	return &accountRefs{mac: hmac.New(sha256.New, secret)}
}

// lengths say how much of an output there was before a record was applied.
type lengths struct{ accruals, instructions, referrals, grants, refunds, holdouts int }

func lengthsOf(out *rules.Output) lengths {
	return lengths{len(out.Accruals), len(out.Instructions), len(out.Referrals), len(out.Grants), len(out.Refunds), len(out.Holdouts)}
}

// fill fills in the references of what was decided for an account since from.
// A sponsor's line is of another account's purchase.
func (r *accountRefs) fill(out *rules.Output, from lengths, accountID string, ref rules.AccountRef) {
	of := func(id string) rules.AccountRef {
		if id == accountID {
			return ref
		}
		return r.ref(id)
	}
	for i := range out.Accruals[from.accruals:] {
		line := &out.Accruals[from.accruals+i]
		line.AccountRef = of(line.AccountID)
		if line.Role != rules.RolePartner {
			line.BeneficiaryRef = of(line.BeneficiaryID)
		}
	}
	for i := range out.Instructions[from.instructions:] {
		out.Instructions[from.instructions+i].AccountRef = ref
	}
	for i := range out.Referrals[from.referrals:] {
		out.Referrals[from.referrals+i].BuyerRef = ref
	}
	for i := range out.Grants[from.grants:] {
		out.Grants[from.grants+i].AccountRef = ref
	}
}

func (r *accountRefs) ref(accountID string) rules.AccountRef {
	r.mac.Reset()
	// Write keeps nothing and changes nothing of its argument.
	r.mac.Write(unsafe.Slice(unsafe.StringData(accountID), len(accountID)))
	return rules.AccountRef(r.mac.Sum(r.sum[:0])[:16])
}
