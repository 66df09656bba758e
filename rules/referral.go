package rules

// ApplyReferral takes what another account's purchase gives this one, its
// buyer's sponsor, and books the difference; as ApplyFact. Duplicate: the
// number is known with the same content; NoChange also where a higher one is.
func (e *Engine) ApplyReferral(a *Account, r *Referral, c Cause, out *Output) (Verdict, error) {
	panic("not built yet")
}

// AppendBinary appends the set's own form of the referral: all of it but the
// sponsor's account id and the cause.
func (r *Referral) AppendBinary(dst []byte) []byte { panic("not built yet") }

// UnmarshalBinary reads what AppendBinary wrote. SponsorAccountID and Cause
// stay empty; strings point into src, which must not be changed afterwards.
func (r *Referral) UnmarshalBinary(src []byte) error { panic("not built yet") }

// AdoptGrants takes the grants that the ledger's store holds for the account's
// own, before Repair. While an account is replayed no budget is asked.
func (a *Account) AdoptGrants(grants []Grant) { panic("not built yet") }

// AdoptTold takes the referrals that the ledger's store holds for those that
// the account believes to have told, before Repair.
func (a *Account) AdoptTold(told []Referral) { panic("not built yet") }
