package ledgertest

import (
	"encoding/json"
	"hash/fnv"

	"ristourne/rules"
)

type eventJSON struct {
	EventID               string       `json:"event_id"`
	Type                  string       `json:"type"`
	TransactionID         string       `json:"transaction_id"`
	OriginalTransactionID string       `json:"original_transaction_id,omitempty"`
	AccountID             string       `json:"account_id"`
	CardToken             string       `json:"card_token"`
	AmountMinor           int64        `json:"amount_minor"`
	Currency              string       `json:"currency"`
	BillingAmountMinor    *int64       `json:"billing_amount_minor,omitempty"`
	BillingCurrency       string       `json:"billing_currency,omitempty"`
	OccurredAt            string       `json:"occurred_at"`
	PurchasedAt           string       `json:"purchased_at,omitempty"`
	Approved              *bool        `json:"approved,omitempty"`
	Merchant              merchantJSON `json:"merchant"`
	Channel               string       `json:"channel,omitempty"`
	CardProduct           string       `json:"card_product,omitempty"`
	Items                 []itemJSON   `json:"items,omitempty"`
}

type merchantJSON struct {
	ID                string `json:"id"`
	AcquirerID        string `json:"acquirer_id,omitempty"`
	Network           string `json:"network,omitempty"`
	NetworkMerchantID string `json:"network_merchant_id,omitempty"`
	SubMerchantID     string `json:"sub_merchant_id,omitempty"`
	TerminalID        string `json:"terminal_id,omitempty"`
	Name              string `json:"name,omitempty"`
	MCC               string `json:"mcc,omitempty"`
	Country           string `json:"country,omitempty"`
}

type itemJSON struct {
	AmountMinor int64       `json:"amount_minor"`
	Quantity    json.Number `json:"quantity,omitempty"`
	SKU         string      `json:"sku,omitempty"`
	Category    string      `json:"category,omitempty"`
}

type factJSON struct {
	FactID           string   `json:"fact_id"`
	Type             string   `json:"type"`
	AccountID        string   `json:"account_id"`
	At               string   `json:"at"`
	MemberID         string   `json:"member_id,omitempty"`
	Programme        string   `json:"programme,omitempty"`
	CardTokens       []string `json:"card_tokens,omitempty"`
	Level            string   `json:"level,omitempty"`
	Segments         []string `json:"segments,omitempty"`
	SponsorAccountID string   `json:"sponsor_account_id,omitempty"`
	CardToken        string   `json:"card_token,omitempty"`
	OfferID          string   `json:"offer_id,omitempty"`
	Segment          string   `json:"segment,omitempty"`
	TransactionID    string   `json:"transaction_id,omitempty"`
	Cycle            string   `json:"cycle,omitempty"`
	AsOf             string   `json:"as_of,omitempty"`
	AmountMinor      int64    `json:"amount_minor,omitempty"`
	Unit             string   `json:"unit,omitempty"`
	Currency         string   `json:"currency,omitempty"`
	Reason           string   `json:"reason,omitempty"`
	ApprovedBy       string   `json:"approved_by,omitempty"`
	Method           string   `json:"method,omitempty"`
	IBAN             string   `json:"iban,omitempty"`
	Name             string   `json:"name,omitempty"`
	Handle           string   `json:"handle,omitempty"`
	VoucherID        string   `json:"voucher_id,omitempty"`
}

type resultJSON struct {
	InstructionID string `json:"instruction_id"`
	AccountID     string `json:"account_id"`
	Status        string `json:"status"`
	Reason        string `json:"reason,omitempty"`
	At            string `json:"at"`
}

// referralJSON is for people alone: the wire's own form is the processor's.
type referralJSON struct {
	Type string `json:"type"`
	rules.Referral
	Currency, PurchasedAt, At, ClearedAt string
	Cause                                *struct{} `json:",omitempty"`
}

func referralOf(r *rules.Referral) referralJSON {
	return referralJSON{Type: "referral", Referral: *r, Currency: r.Currency.String(), PurchasedAt: r.PurchasedAt.String(), At: r.At.String(), ClearedAt: r.ClearedAt.String()}
}

// JSON is the record as a bank would send it: one line, without its newline.
func JSON(r Record) []byte {
	var v any
	switch {
	case r.Event != nil:
		v = eventOf(r.Event)
	case r.Fact != nil:
		v = factOf(r.Fact)
	case r.Result != nil:
		x := r.Result
		v = resultJSON{x.InstructionID, x.AccountID, x.Status.String(), x.Reason, x.At.String()}
	default:
		v = referralOf(r.Referral)
	}
	line, err := json.Marshal(v)
	if err != nil {
		panic("ledgertest: print a record: " + err.Error())
	}
	return line
}

func eventOf(e *rules.Event) eventJSON {
	v := eventJSON{
		EventID: e.ID, Type: e.Type.String(), TransactionID: e.TransactionID,
		OriginalTransactionID: e.OriginalTransactionID, AccountID: e.AccountID, CardToken: e.CardToken,
		AmountMinor: e.AmountMinor, Currency: e.Currency.String(), BillingCurrency: e.BillingCurrency.String(),
		OccurredAt: e.OccurredAt.String(), Channel: e.Channel.String(), CardProduct: e.CardProduct,
		Merchant: merchantJSON(e.Merchant),
	}
	if v.BillingCurrency != "" {
		v.BillingAmountMinor = &e.BillingAmountMinor
	}
	if e.HasPurchasedAt {
		v.PurchasedAt = e.PurchasedAt.String()
	}
	if e.Declined {
		v.Approved = new(bool)
	}
	for _, item := range e.Items {
		v.Items = append(v.Items, itemJSON{item.AmountMinor, json.Number(item.Quantity), item.SKU, item.Category})
	}
	return v
}

func factOf(f *rules.Fact) factJSON {
	return factJSON{
		FactID: f.ID, Type: f.Type.String(), AccountID: f.AccountID, At: f.At.String(),
		MemberID: f.MemberID, Programme: f.Programme, CardTokens: f.CardTokens, Level: f.Level, Segments: f.Segments,
		SponsorAccountID: f.SponsorAccountID, CardToken: f.CardToken, OfferID: f.OfferID, Segment: f.Segment,
		TransactionID: f.TransactionID, Cycle: f.Cycle, AsOf: f.AsOf, AmountMinor: f.AmountMinor, Unit: f.Unit,
		Currency: f.Currency.String(), Reason: f.Reason, ApprovedBy: f.ApprovedBy,
		Method: f.Method.String(), IBAN: f.IBAN, Name: f.Name, Handle: f.Handle, VoucherID: f.VoucherID,
	}
}

// sealed sets the content hash: equal for equal content, and for nothing else
// that a generator makes.
func sealed(r Record) Record {
	h := fnv.New64a()
	h.Write(JSON(r))
	if r.Event != nil {
		r.Event.ContentHash = h.Sum64()
	} else {
		r.Fact.ContentHash = h.Sum64()
	}
	return r
}
