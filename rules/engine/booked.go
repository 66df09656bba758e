package engine

import (
	"ristourne/rules"
)

// Booked gives what the account believes to be booked: one line a key, with
// the fields of the key and the amounts alone. A rebuild holds it against what
// the ledger's store knows.
func (a *Account) Booked() []rules.Accrual {
	var booked []rules.Accrual
	for i := range a.purchases {
		booked = a.appendBooked(booked, a.id, a.purchases[i].id, a.purchases[i].lines)
	}
	for i := range a.referrals {
		booked = a.appendBooked(booked, a.referrals[i].BuyerAccountID, a.referrals[i].TransactionID, a.referrals[i].lines)
	}
	return a.appendBooked(booked, a.id, "", a.factLines)
}

// Instructed are the instructions that the account believes to have given out, in
// their order, with what says which they are alone.
func (a *Account) Instructed() ([]rules.Instruction, error) {
	if err := a.allPayments(); err != nil {
		return nil, err
	}
	instructed := make([]rules.Instruction, 0, len(a.payments.list))
	for i := range a.payments.list {
		x := &a.payments.list[i]
		p := &a.balances[x.balance]
		given := rules.Instruction{
			ID: x.id.String(), Direction: rules.Credit, AmountMinor: x.minor, Currency: p.currency, AccountID: a.id, Programme: p.programme,
			CreatedAt: x.at.Sec * 1000,
		}
		if x.minor < 0 {
			given.Direction, given.AmountMinor = rules.Debit, -x.minor
		}
		if x.shadow {
			given.Reason = rules.ShadowReason
		}
		instructed = append(instructed, given)
	}
	return instructed, nil
}

func (a *Account) appendBooked(booked []rules.Accrual, accountID, transactionID string, head int32) []rules.Accrual {
	for i := head; i >= 0; i = a.lines[i].next {
		l := &a.lines[i]
		x := rules.Accrual{
			Programme: l.programme, AccountID: accountID, BeneficiaryID: a.id, TransactionID: transactionID,
			PartnerID: l.partner, StoreID: l.store, OfferID: l.offer, OfferVersion: l.version,
			Role: l.role, Kind: l.kind, Unit: l.unit, Stage: l.stage,
			BasisMinor: l.basisMinor, RewardMinor: l.rewardMinor, CommissionMinor: l.commissionMinor, CostMinor: l.costMinor,
		}
		if l.role == rules.RolePartner {
			x.BeneficiaryID = l.partner
		}
		booked = append(booked, x)
	}
	return booked
}

// CardTokenRanges are the card tokens that look like card numbers and that any
// version of any programme allows. Which version is in force can't be asked:
// the token is looked at before it is known whose it is.
func (s *Snapshot) CardTokenRanges() []rules.TokenRange {
	var ranges []rules.TokenRange
	for i := range s.programmes {
		for j := range s.programmes[i].versions {
			ranges = append(ranges, s.programmes[i].versions[j].CardTokenRanges...)
		}
	}
	return ranges
}
