package wire

import (
	"fmt"
	"strings"

	"ristourne/rules"
	"ristourne/rules/money"
)

// The fields of a transaction event, in the order in which they are judged.
const (
	eventID = iota + 1
	eventType
	eventTransactionID
	eventOriginalID
	eventAccountID
	eventCardToken
	eventAmount
	eventCurrency
	eventBillingAmount
	eventBillingCurrency
	eventOccurredAt
	eventPurchasedAt
	eventApproved
	eventMerchant
	eventChannel
	eventCardProduct
	eventItems
)

const (
	merchantID = iota + 1
	merchantAcquirerID
	merchantNetwork
	merchantNetworkID
	merchantSubID
	merchantTerminalID
	merchantName
	merchantMCC
	merchantCountry
)

const (
	itemAmount = iota + 1
	itemQuantity
	itemSKU
	itemCategory
)

func newEventRecord() *record {
	event := newRecord("", []field{
		eventID:              {name: "event_id", needed: true, max: maxID, holds: ids},
		eventType:            {name: "type", needed: true},
		eventTransactionID:   {name: "transaction_id", needed: true, max: maxID, holds: ids},
		eventOriginalID:      {name: "original_transaction_id", max: maxText, holds: ids},
		eventAccountID:       {name: "account_id", needed: true, max: maxID, holds: ids},
		eventCardToken:       {name: "card_token", needed: true, max: maxID, holds: cardTokens},
		eventAmount:          {name: "amount_minor", needed: true, max: maxAmountMinor},
		eventCurrency:        {name: "currency", needed: true},
		eventBillingAmount:   {name: "billing_amount_minor", max: maxAmountMinor},
		eventBillingCurrency: {name: "billing_currency"},
		eventOccurredAt:      {name: "occurred_at", needed: true},
		eventPurchasedAt:     {name: "purchased_at"},
		eventApproved:        {name: "approved"},
		eventMerchant:        {name: "merchant", needed: true},
		eventChannel:         {name: "channel"},
		eventCardProduct:     {name: "card_product", max: maxText, holds: freeText},
		eventItems:           {name: "items", max: maxItems},
	})
	event.inner[eventMerchant] = newRecord("merchant", []field{
		merchantID:         {name: "id", needed: true, max: maxMerchantID, holds: ids},
		merchantAcquirerID: {name: "acquirer_id", max: maxText, holds: ids},
		merchantNetwork:    {name: "network", max: maxText, holds: names},
		merchantNetworkID:  {name: "network_merchant_id", max: maxText, holds: ids},
		merchantSubID:      {name: "sub_merchant_id", max: maxText, holds: ids},
		merchantTerminalID: {name: "terminal_id", max: maxText, holds: ids},
		merchantName:       {name: "name", max: maxText, holds: freeText, cut: true},
		merchantMCC:        {name: "mcc"},
		merchantCountry:    {name: "country"},
	})
	items := newRecord("items", []field{
		itemAmount:   {name: "amount_minor", needed: true, min: -maxAmountMinor, max: maxAmountMinor},
		itemQuantity: {name: "quantity"},
		itemSKU:      {name: "sku", max: maxText, holds: freeText, cut: true},
		itemCategory: {name: "category", max: maxText, holds: freeText},
	})
	items.isList, items.tokens = true, nil
	event.inner[eventItems] = items
	return event
}

// Event decodes a transaction event that came under key at Kafka time
// kafkaMillis (negative: unknown, then no instant is refused for being ahead).
// It returns nil and fills ev, or the fault; ev is then not to be used.
//
// The texts of ev point into value or into the decoder: they hold until Reset.
// ContentHash is left 0; Seal works it out where it is needed.
func (d *Decoder) Event(value, key []byte, kafkaMillis int64, ev *rules.Event) *Fault {
	*ev = rules.Event{}
	r := d.event
	if !d.read(value, kafkaMillis, r) {
		return &d.fault
	}
	ev.ID = d.text(r, eventID)
	ev.Type = d.eventType(r)
	ev.TransactionID = d.text(r, eventTransactionID)
	ev.OriginalTransactionID = d.text(r, eventOriginalID)
	ev.AccountID = d.account(r, eventAccountID, key)
	ev.CardToken = d.text(r, eventCardToken)
	ev.AmountMinor = d.integer(r, eventAmount)
	ev.Currency = d.currency(r, eventCurrency)
	ev.BillingAmountMinor, ev.BillingCurrency = d.billing(r)
	ev.OccurredAt, _ = d.instant(r, eventOccurredAt)
	ev.PurchasedAt, ev.HasPurchasedAt = d.instant(r, eventPurchasedAt)
	ev.Declined = d.has(r, eventApproved, boolean) && !r.token(eventApproved).odd
	if d.has(r, eventMerchant, object) {
		d.merchant(r.inner[eventMerchant], &ev.Merchant)
	}
	ev.Channel = d.channel(r, eventChannel)
	ev.CardProduct = d.text(r, eventCardProduct)
	if d.has(r, eventItems, list) {
		ev.Items = d.itemList(r)
	}
	return d.verdict()
}

func (d *Decoder) eventType(r *record) rules.EventType {
	s, ok := d.word(r, eventType)
	if !ok {
		return 0
	}
	t, ok := rules.ParseEventType(s)
	if !ok {
		d.refuse(r, eventType, ReasonEnum, oneOf(rules.Authorization, rules.NumEventTypes-1))
	}
	return t
}

func (d *Decoder) channel(r *record, f uint8) rules.Channel {
	s, ok := d.word(r, f)
	if !ok {
		return rules.ChannelUnknown
	}
	c, ok := rules.ParseChannel(s)
	if !ok {
		d.refuse(r, f, ReasonEnum, oneOf(rules.InStore, rules.OtherChannel))
	}
	return c
}

// billing is the amount in the cardholder's currency: both fields or none.
func (d *Decoder) billing(r *record) (int64, money.Currency) {
	amountMinor, currency := d.integer(r, eventBillingAmount), d.currency(r, eventBillingCurrency)
	hasAmount, hasCurrency := r.token(eventBillingAmount).kind > null, r.token(eventBillingCurrency).kind > null
	if hasAmount && !hasCurrency {
		d.refuse(r, eventBillingCurrency, ReasonMissing, "billing_amount_minor needs it: send both or none")
	}
	if hasCurrency && !hasAmount {
		d.refuse(r, eventBillingAmount, ReasonMissing, "billing_currency needs it: send both or none")
	}
	return amountMinor, currency
}

func (d *Decoder) merchant(r *record, m *rules.Merchant) {
	m.ID = d.acceptorID(r)
	m.AcquirerID = d.text(r, merchantAcquirerID)
	m.Network = d.text(r, merchantNetwork)
	m.NetworkMerchantID = d.text(r, merchantNetworkID)
	m.SubMerchantID = d.text(r, merchantSubID)
	m.TerminalID = d.text(r, merchantTerminalID)
	m.Name = d.text(r, merchantName)
	m.MCC = d.mcc(r, merchantMCC)
	m.Country = d.country(r)
}

// acceptorID drops the spaces that pad a fixed-length field 42.
func (d *Decoder) acceptorID(r *record) string {
	s, ok := d.word(r, merchantID)
	if !ok {
		return ""
	}
	if s = strings.TrimRight(s, " "); s == "" {
		r.token(merchantID).kind = null
		d.lacks(r, merchantID, text)
	}
	d.mayHold(r, merchantID, s)
	return d.limitLength(r, merchantID, s)
}

func (d *Decoder) mcc(r *record, f uint8) string {
	s, ok := d.word(r, f)
	if ok && (len(s) != 4 || skipDigits([]byte(s), 0) != 4) {
		d.refuse(r, f, ReasonFormat, "it must be a merchant category code of 4 digits")
	}
	return s
}

func (d *Decoder) country(r *record) string {
	s, ok := d.word(r, merchantCountry)
	if ok && !rules.KnownCountry(s) {
		d.refuse(r, merchantCountry, ReasonFormat, "it must be an alpha-2 code of ISO 3166-1 in upper case")
	}
	return s
}

func (d *Decoder) itemList(event *record) []rules.Item {
	r, first := event.inner[eventItems], len(d.items)
	if r.rows() > maxItems {
		d.refuse(event, eventItems, ReasonLength, fmt.Sprintf("it must have at most %d elements", maxItems))
		return nil
	}
	for r.row = 0; r.row < len(r.tokens); r.row += len(r.fields) {
		if element := r.token(unknown).kind; element != object {
			d.refuseAt(fmt.Sprintf("%s[%d]", r.path, r.row/len(r.fields)), ReasonType, mustBe(object, element))
			continue
		}
		d.items = append(d.items, rules.Item{
			AmountMinor: d.integer(r, itemAmount),
			Quantity:    d.quantity(r),
			SKU:         d.text(r, itemSKU),
			Category:    d.text(r, itemCategory),
		})
	}
	if first == len(d.items) {
		return nil
	}
	return d.items[first:len(d.items):len(d.items)]
}

// quantity is a number as written.
func (d *Decoder) quantity(r *record) string {
	if !d.has(r, itemQuantity, number) {
		return ""
	}
	t := r.token(itemQuantity)
	s := view(d.src[t.start:t.end])
	q, ok := parseDecimal(s)
	if !ok {
		d.refuse(r, itemQuantity, ReasonRange,
			"it must be a number of at most 32 characters with an exponent from -999 to 999")
	} else if q.isCardNumber() {
		d.refuse(r, itemQuantity, ReasonCardNumber, cardNumberDetail(&r.fields[itemQuantity]))
	}
	return s
}
