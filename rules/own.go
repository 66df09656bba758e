package rules

import (
	"slices"
	"strings"
)

// Own makes the record's texts its own: they share no memory with the buffer of the
// batch that it came in, so that an account, and what is decided of it, may keep
// them. They lie together in one piece of memory, which lives as long as one of
// them does.
func (r Record) Own() {
	switch {
	case r.Event != nil:
		r.Event.own()
	case r.Fact != nil:
		r.Fact.own()
	case r.Referral != nil:
		r.Referral.own()
	case r.Result != nil:
		r.Result.Own()
	}
}

// ID is the record's own id, within its account.
func (r Record) ID() string {
	switch {
	case r.Event != nil:
		return r.Event.ID
	case r.Fact != nil:
		return r.Fact.ID
	case r.Result != nil:
		return r.Result.CauseID()
	}
	return r.Referral.ID
}

// AccountID is whose record it is.
func (r Record) AccountID() string {
	switch {
	case r.Event != nil:
		return r.Event.AccountID
	case r.Fact != nil:
		return r.Fact.AccountID
	case r.Result != nil:
		return r.Result.AccountID
	}
	return r.Referral.SponsorAccountID
}

// Own is as Record.Own.
func (r *Result) Own() { own([]*string{&r.InstructionID, &r.AccountID, &r.Reason}) }

func (e *Event) own() {
	m := e.Merchant.fields()
	texts := [6 + len(m)]*string{&e.ID, &e.TransactionID, &e.OriginalTransactionID, &e.AccountID, &e.CardToken, &e.CardProduct}
	copy(texts[6:], m[:])
	own(texts[:])
	for i := range e.Items {
		x := &e.Items[i]
		own([]*string{&x.Quantity, &x.SKU, &x.Category})
	}
}

func (f *Fact) own() {
	texts := f.texts()
	own(texts[:])
	f.CardTokens, f.Segments = slices.Clone(f.CardTokens), slices.Clone(f.Segments)
	for i := range f.CardTokens {
		f.CardTokens[i] = strings.Clone(f.CardTokens[i])
	}
	for i := range f.Segments {
		f.Segments[i] = strings.Clone(f.Segments[i])
	}
}

func (r *Referral) own() {
	own([]*string{
		&r.ID, &r.SponsorAccountID, &r.BuyerAccountID, &r.TransactionID, &r.PartnerID, &r.StoreID, &r.OfferID, &r.OfferVersion,
		&r.Programme, &r.MCC, &r.Cause.ID,
	})
}

// own copies texts into one piece of memory.
func own(texts []*string) {
	n := 0
	for _, s := range texts {
		n += len(*s)
	}
	var b strings.Builder
	b.Grow(n)
	for _, s := range texts {
		b.WriteString(*s)
	}
	all := b.String()
	for _, s := range texts {
		*s, all = all[:len(*s)], all[len(*s):]
	}
}
