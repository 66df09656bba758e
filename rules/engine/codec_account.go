package engine

import (
	"encoding/binary"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
)

// accountFormat is the version byte of an account's state: one that this engine
// doesn't know is an error, and the stream makes the account anew from the ledger
// (processor/restore.go).
const accountFormat = 6

// accountFormatWithoutFoldedPayments is of states that kept all instructions in sight.
const accountFormatWithoutFoldedPayments = 5

// accountFormatWithoutFold is of states of which nothing was put away.
const accountFormatWithoutFold = 4

// accountFormatWithoutPayments is of states that knew sums of what was instructed
// alone. Such a one is read where nothing was; else the bank's word on an
// instruction would find none, and the account is made anew from the ledger.
const accountFormatWithoutPayments = 3

// stateEncoder writes the parts of an account's state.
type stateEncoder struct{ codec.Encoder }

// stateDecoder reads them.
type stateDecoder struct {
	codec.Decoder
	format byte
}

// AppendBinary appends the account's state: its version byte, then facts,
// purchases with their events and booked lines, and totals. The account id is
// not in it: it is the name under which the state is kept.
func (a *Account) AppendBinary(dst []byte) []byte {
	w := stateEncoder{codec.Encoder{Bytes: append(dst, accountFormat), Dictionary: a.emptyDictionary()}}
	w.Byte(mark(a.needsFullRun))
	w.Count(len(a.facts))
	for i := range a.facts {
		a.facts[i].Encode(&w.Encoder)
	}
	w.Count(len(a.purchases))
	for i := range a.purchases {
		w.purchase(a, &a.purchases[i])
	}
	w.Count(len(a.referrals))
	for i := range a.referrals {
		r := &a.referrals[i]
		r.Encode(&w.Encoder)
		w.lines(a, r.lines, Match{r.PartnerID, r.StoreID})
	}
	w.lines(a, a.factLines, Match{})
	w.Count(len(a.balances))
	for i := range a.balances {
		p := &a.balances[i]
		w.String(p.programme)
		w.Currency(p.currency)
		w.Int(p.confirmedMinor)
		w.Int(p.instructedMinor)
		w.Byte(mark(p.rejected))
	}
	w.Count(len(a.dropped))
	for i := range a.dropped {
		w.Unique(a.dropped[i].id)
		w.Hash(a.dropped[i].hash)
	}
	w.fold(a.fold)
	w.payments(&a.payments)
	return w.Bytes
}

const paymentsLength = 4 // bytes of the length of all payments, little-endian

// payments come last: as they are, while nobody has asked for them.
func (e *stateEncoder) payments(p *payments) {
	if e.Count(p.count()); p.count() == 0 {
		return
	}
	e.Bytes = append(e.Bytes, make([]byte, paymentsLength)...)
	start := len(e.Bytes)
	e.Bytes = append(e.Bytes, p.encoded...)
	for i := range p.list {
		e.Bytes = appendPayment(e.Bytes, &p.list[i])
	}
	binary.LittleEndian.PutUint32(e.Bytes[start-paymentsLength:], uint32(len(e.Bytes)-start))
}

// emptyDictionary is for one value, or one page.
func (a *Account) emptyDictionary() *codec.Dictionary {
	if a.codec == nil {
		a.codec = new(codec.Dictionary)
	}
	a.codec.Reset()
	return a.codec
}

const (
	purchaseExpired = 1 << iota
	purchaseBound
)

func (e *stateEncoder) purchase(a *Account, p *purchase) {
	e.Unique(p.id)
	var flags byte
	if p.expired {
		flags |= purchaseExpired
	}
	if p.bound {
		flags |= purchaseBound
	}
	e.Byte(flags)
	e.Amount(p.wantedMinor)
	n := 0
	for i := p.events; i >= 0; i = a.events[i].next {
		n++
	}
	e.Count(n)
	for i := p.events; i >= 0; i = a.events[i].next {
		e.setEvent(&a.events[i], p.id)
	}
	place := Match{}
	if p.known() {
		place = a.events[p.anchor].match
	}
	e.lines(a, p.lines, place)
	e.grants(a, p)
	e.published(a, p)
}

func (e *stateEncoder) grants(a *Account, p *purchase) {
	n := 0
	for i := p.grants; i >= 0; i = a.grants[i].next {
		n++
	}
	e.Count(n)
	for i := p.grants; i >= 0; i = a.grants[i].next {
		g := &a.grants[i]
		e.String(string(g.budget))
		e.String(g.unit)
		e.Int(g.targetMinor)
		e.Int(g.grantedMinor)
	}
}

func (e *stateEncoder) published(a *Account, p *purchase) {
	n := 0
	for i := p.published; i >= 0; i = a.published[i].next {
		n++
	}
	e.Count(n)
	for i := p.published; i >= 0; i = a.published[i].next {
		t := &a.published[i]
		for _, s := range [...]string{t.sponsor, t.partner, t.store, t.offer, t.version, t.programme, t.mcc} {
			e.String(s)
		}
		e.Byte(byte(t.channel))
		e.Instant(t.at.Parts())
		e.Uint(uint64(t.number))
		e.Currency(t.currency)
		e.Instant(t.clearedAt.Parts())
		for w := range numWorlds {
			e.Int(t.basisMinor[w])
			e.Int(t.rewardMinor[w])
			e.Int(t.lateMinor[w])
		}
	}
}

// The first two bytes of an event: its type, and which fields follow.
const (
	eventTypeMask    = 1<<4 - 1
	eventOwnID       = 1 << 4 // its transaction is not the purchase
	eventOriginal    = 1 << 5 // it names an original transaction
	eventOriginalID  = 1 << 6 // which is not the purchase
	eventPurchasedAt = 1 << 7 // its own purchase time is not when it happened

	eventLate         = 1 << 0
	eventBilling      = 1 << 1
	eventChannelShift = 2
	eventChannelMask  = 3
	eventOwn          = 1 << 4 // it matches an offer of a programme's own
	eventStore        = 1 << 5 // it matches a store
	eventItems        = 1 << 6 // it lists items
	eventUnlinked     = 1 << 7 // a third byte follows

	eventMatched = 1 << 0
	eventCounted = 1 << 1
)

func (e *stateEncoder) setEvent(x *setEvent, purchaseID string) {
	first, second := byte(x.typ), byte(x.channel)<<eventChannelShift
	set := func(flags *byte, flag byte, is bool) {
		if is {
			*flags |= flag
		}
	}
	set(&first, eventOwnID, x.transactionID != purchaseID)
	set(&first, eventOriginal, x.originalID != "")
	set(&first, eventOriginalID, x.originalID != "" && x.originalID != purchaseID)
	set(&first, eventPurchasedAt, x.purchasedAt != x.occurredAt)
	set(&second, eventLate, x.late)
	set(&second, eventBilling, x.billing != [3]byte{})
	set(&second, eventOwn, x.matchesOwn)
	set(&second, eventStore, x.atStore())
	set(&second, eventItems, x.listsItems)
	set(&second, eventUnlinked, x.matched || x.counted)
	e.Byte(first)
	e.Byte(second)
	if second&eventUnlinked != 0 {
		e.Byte(mark(x.matched)*eventMatched | mark(x.counted)*eventCounted)
	}
	e.Unique(x.id)
	e.Hash(x.hash)
	if first&eventOwnID != 0 {
		e.Unique(x.transactionID)
	}
	if first&eventOriginalID != 0 {
		e.Unique(x.originalID)
	}
	e.Instant(x.occurredAt.Parts())
	if first&eventPurchasedAt != 0 {
		e.Instant(x.purchasedAt.Parts())
	}
	e.Amount(x.amountMinor)
	e.Currency(x.currency)
	if second&eventBilling != 0 {
		e.Amount(x.billingMinor)
		e.Currency(x.billing)
	}
	if second&eventStore != 0 {
		e.String(x.match.PartnerID)
		e.String(x.match.StoreID)
	}
	switch {
	case x.opens():
		e.String(x.card)
		e.String(x.mcc)
		e.String(x.country)
		e.String(x.cardProduct)
	case x.isStoreRefund():
		e.String(x.card)
	}
	if x.listsItems {
		e.Count(len(x.items))
		for i := range x.items {
			e.String(x.items[i].Category)
			e.Int(x.items[i].AmountMinor)
		}
	}
}

// The first byte of a line has its role, kind and stage; the second which
// fields follow.
const (
	lineElsewhere  = 1 << iota // not at the purchase's own store
	lineBasis                  // its basis is not that of the line before
	lineReward                 // not 0
	lineCommission             // not 0
	lineCost                   // its cost is not its reward
	lineCampaigns              // it names campaigns
)

func (e *stateEncoder) lines(a *Account, head int32, place Match) {
	n := 0
	for i := head; i >= 0; i = a.lines[i].next {
		n++
	}
	e.Count(n)
	basisMinor := int64(0)
	for i := head; i >= 0; i = a.lines[i].next {
		e.line(&a.lines[i], place, basisMinor)
		basisMinor = a.lines[i].basisMinor
	}
}

func (e *stateEncoder) line(l *line, place Match, basisMinor int64) {
	var flags byte
	set := func(flag byte, is bool) {
		if is {
			flags |= flag
		}
	}
	set(lineElsewhere, place != Match{l.partner, l.store})
	set(lineBasis, l.basisMinor != basisMinor)
	set(lineReward, l.rewardMinor != 0)
	set(lineCommission, l.commissionMinor != 0)
	set(lineCost, l.costMinor != l.rewardMinor)
	set(lineCampaigns, l.campaigns != "")
	e.Byte(byte(l.role)<<5 | byte(l.kind)<<2 | byte(l.stage))
	e.Byte(flags)
	if flags&lineElsewhere != 0 {
		e.String(l.partner)
		e.String(l.store)
	}
	e.String(l.programme)
	e.String(l.offer)
	e.String(l.version)
	e.String(l.unit)
	if flags&lineCampaigns != 0 {
		e.String(l.campaigns)
	}
	for _, field := range [...]struct {
		flag  byte
		minor int64
	}{{lineBasis, l.basisMinor}, {lineReward, l.rewardMinor}, {lineCommission, l.commissionMinor}, {lineCost, l.costMinor}} {
		if flags&field.flag != 0 {
			e.Int(field.minor)
		}
	}
}

// UnmarshalBinary reads what AppendBinary wrote into a, whose id stays. Its
// strings point into src, which must not be changed as long as the account is
// used. An error leaves the account empty.
func (a *Account) UnmarshalBinary(src []byte) error {
	a.Reset(a.id)
	r := stateDecoder{Decoder: codec.Decoder{Rest: src, Dictionary: a.emptyDictionary()}}
	r.format = r.Byte()
	if r.format < accountFormatWithoutPayments || r.format > accountFormat {
		r.Fail("account state of an unknown format")
	}
	a.needsFullRun = r.Byte() != 0
	r.facts(a)
	r.purchases(a)
	r.referrals(a)
	a.factLines = r.lines(a, Match{})
	r.balances(a)
	for range r.Count(minDroppedBytes) {
		a.dropped = append(a.dropped, droppedEvent{r.Unique(), r.Hash()})
	}
	if r.format > accountFormatWithoutFold {
		r.fold(a)
	}
	r.payments(a)
	err := r.Done()
	if err != nil {
		a.Reset(a.id)
	}
	return err
}

// Least sizes of what is counted, for decoder.count.
const (
	minFactBytes     = 11
	minPurchaseBytes = 7
	minGrantBytes    = 4
	minToldBytes     = 17
	minReferralBytes = 21
	minEventBytes    = 14
	minDroppedBytes  = 9
	minLineBytes     = 6
	minBalanceBytes  = 3 // in the older format
)

func (d *stateDecoder) facts(a *Account) {
	for i := range d.Count(minFactBytes) {
		f := rules.DecodeFact(&d.Decoder, &a.arena)
		if i > 0 && !factBefore(&a.facts[i-1], &f) {
			d.Fail("facts out of order")
		}
		if d.Err != nil {
			return
		}
		a.facts = append(a.facts, f)
		a.countFact(&f)
		d.volume(a, max(f.AmountMinor, -f.AmountMinor))
	}
}

func (d *stateDecoder) balances(a *Account) {
	n := d.Count(minBalanceBytes)
	if n > 0 && d.format == accountFormatWithoutPayments {
		d.Fail("account state of a format that knows no instructions")
		return
	}
	for range n {
		p := balance{programme: d.String(), currency: d.Currency(), confirmedMinor: d.Int(), instructedMinor: d.Int()}
		p.rejected = d.Enum(d.Byte(), 0, 1, "bad flag") == 1
		a.balances = append(a.balances, p)
	}
}

// payments keeps the bytes: they are decoded once somebody asks.
func (d *stateDecoder) payments(a *Account) {
	if d.format == accountFormatWithoutPayments {
		return
	}
	n := d.Count(minPaymentBytes)
	if d.Err != nil || n == 0 {
		return
	}
	if len(d.Rest) < paymentsLength || int(binary.LittleEndian.Uint32(d.Rest)) != len(d.Rest)-paymentsLength {
		d.Fail("bad length of instructions")
		return
	}
	d.Rest = d.Rest[paymentsLength:]
	a.payments.encoded, a.payments.hidden, d.Rest = d.Rest, n, nil
}

func (d *stateDecoder) volume(a *Account, minor int64) {
	if minor > maxAccountVolumeMinor-a.volume {
		d.Fail("amounts beyond the account's limit")
		return
	}
	a.volume += minor
}

func (d *stateDecoder) purchases(a *Account) {
	for i := range d.Count(minPurchaseBytes) {
		p := unknownPurchase(d.Unique())
		flags := d.Byte()
		p.expired, p.bound = flags&purchaseExpired != 0, flags&purchaseBound != 0
		if p.wantedMinor = d.Int(); p.wantedMinor < 0 { // in units of an award: points may be more than the volume
			d.Fail("bad amount")
		}
		d.events(a, &p)
		if d.Err != nil {
			return
		}
		a.chooseAnchor(&p)
		place := Match{}
		if p.known() {
			place = a.events[p.anchor].match
		}
		p.lines = d.lines(a, place)
		d.grants(a, &p)
		d.published(a, &p)
		if n := len(a.purchases); i > 0 && inFillingOrder(&a.purchases[n-1], &p) >= 0 {
			d.Fail("purchases out of order")
		}
		if d.Err != nil {
			return
		}
		a.purchases = append(a.purchases, p)
	}
}

func (d *stateDecoder) grants(a *Account, p *purchase) {
	tail := &p.grants
	for range d.Count(minGrantBytes) {
		g := grantState{budget: rules.BudgetKey(d.String()), unit: d.String(), targetMinor: d.Int(), grantedMinor: d.Int(), next: -1}
		if g.grantedMinor < 0 || g.grantedMinor > g.targetMinor {
			d.Fail("bad grant")
		}
		*tail = int32(len(a.grants))
		a.grants = append(a.grants, g)
		tail = &a.grants[len(a.grants)-1].next
	}
}

func (d *stateDecoder) published(a *Account, p *purchase) {
	tail := &p.published
	for range d.Count(minToldBytes) {
		t := publishedReferral{next: -1}
		for _, s := range [...]*string{&t.sponsor, &t.partner, &t.store, &t.offer, &t.version, &t.programme, &t.mcc} {
			*s = d.String()
		}
		t.channel, t.at = rules.Channel(d.Enum(d.Byte(), 0, byte(rules.OtherChannel), "bad channel")), rules.InstantAt(d.Instant())
		t.number, t.currency = int64(d.Uint()), d.Currency()
		if d.format != accountFormatWithoutPayments {
			t.clearedAt = rules.InstantAt(d.Instant())
		} else {
			t.clearedAt = a.cleared(p, &t)
		}
		for w := range numWorlds {
			t.basisMinor[w], t.rewardMinor[w], t.lateMinor[w] = d.Int(), d.Int(), d.Int()
		}
		*tail = int32(len(a.published))
		a.published = append(a.published, t)
		tail = &a.published[len(a.published)-1].next
	}
}

func (d *stateDecoder) referrals(a *Account) {
	for i := range d.Count(minReferralBytes) {
		r := referralState{Referral: rules.DecodeReferral(&d.Decoder, d.format == accountFormatWithoutPayments)}
		d.volume(a, r.Volume())
		r.lines = d.lines(a, Match{r.PartnerID, r.StoreID})
		if i > 0 && sponsorsOrder(&a.referrals[i-1], &r) >= 0 {
			d.Fail("referrals out of order")
		}
		if d.Err != nil {
			return
		}
		a.referrals = append(a.referrals, r)
	}
}

func (d *stateDecoder) events(a *Account, p *purchase) {
	tail := &p.events
	for range d.Count(minEventBytes) {
		x := d.setEvent(p.id)
		if x.isLink() {
			a.links++
		}
		if x.matched {
			a.matched++
		}
		a.newest = rules.Later(a.newest, x.occurredAt)
		a.items += len(x.items)
		a.eventBytes += x.bytes()
		d.volume(a, max(x.amountMinor, x.billingMinor))
		if d.Err != nil {
			return
		}
		*tail = int32(len(a.events))
		a.events = append(a.events, x)
		tail = &a.events[len(a.events)-1].next
	}
}

func (d *stateDecoder) setEvent(purchaseID string) setEvent {
	first, second := d.Byte(), d.Byte()
	x := setEvent{
		typ:     rules.EventType(d.Enum(first&eventTypeMask, byte(rules.Authorization), byte(rules.NumEventTypes-1), "bad event type")),
		channel: rules.Channel(second >> eventChannelShift & eventChannelMask),
		late:    second&eventLate != 0, transactionID: purchaseID, next: -1,
	}
	if second&eventUnlinked != 0 {
		third := d.Byte()
		x.matched, x.counted = third&eventMatched != 0, third&eventCounted != 0
	}
	x.id, x.hash = d.Unique(), d.Hash()
	if first&eventOwnID != 0 {
		x.transactionID = d.Unique()
	}
	if first&eventOriginal != 0 {
		x.originalID = purchaseID
	}
	if first&eventOriginalID != 0 {
		x.originalID = d.Unique()
	}
	x.occurredAt = rules.InstantAt(d.Instant())
	x.purchasedAt = x.occurredAt
	if first&eventPurchasedAt != 0 {
		x.purchasedAt = rules.InstantAt(d.Instant())
	}
	x.amountMinor, x.currency = d.Amount(), d.Currency()
	if second&eventBilling != 0 {
		x.billingMinor, x.billing = d.Amount(), d.Currency()
	}
	x.matchesOwn = second&eventOwn != 0
	if second&eventStore != 0 {
		x.match = Match{d.String(), d.String()}
	}
	switch {
	case x.opens():
		x.card, x.mcc, x.country, x.cardProduct = d.String(), d.String(), d.String(), d.String()
	case x.isStoreRefund():
		x.card = d.String()
	case x.atStore(), x.matchesOwn, x.matched:
		d.Fail("bad match")
	}
	if x.atStore() != (second&eventStore != 0) {
		d.Fail("bad match")
	}
	if second&eventItems != 0 {
		x.listsItems = true
		for range d.Count(2) {
			x.items = append(x.items, itemSum{d.String(), d.Int()})
		}
	}
	return x
}

// lines reads a chain of booked lines and gives its head.
func (d *stateDecoder) lines(a *Account, place Match) int32 {
	head := int32(-1)
	tail := &head
	basisMinor := int64(0)
	for range d.Count(minLineBytes) {
		l := d.line(place, basisMinor)
		if d.Err != nil {
			return -1
		}
		basisMinor = l.basisMinor
		*tail = int32(len(a.lines))
		a.lines = append(a.lines, l)
		tail = &a.lines[len(a.lines)-1].next
	}
	return head
}

func (d *stateDecoder) line(place Match, basisMinor int64) line {
	l := line{next: -1}
	b, flags := d.Byte(), d.Byte()
	l.role = rules.Role(d.Enum(b>>5, byte(rules.RoleMember), byte(rules.NumRoles-1), "bad role"))
	l.kind = rules.Kind(d.Enum(b>>2&7, byte(rules.Cash), byte(rules.CommissionKind), "bad kind"))
	l.stage = rules.Stage(d.Enum(b&3, byte(rules.Expected), byte(rules.Confirmed), "bad stage"))
	l.partner, l.store = place.PartnerID, place.StoreID
	if flags&lineElsewhere != 0 {
		l.partner, l.store = d.String(), d.String()
	}
	l.programme, l.offer, l.version, l.unit = d.String(), d.String(), d.String(), d.String()
	if flags&lineCampaigns != 0 {
		l.campaigns = d.String()
	}
	l.basisMinor = basisMinor
	if flags&lineBasis != 0 {
		l.basisMinor = d.Int()
	}
	if flags&lineReward != 0 {
		l.rewardMinor = d.Int()
	}
	if flags&lineCommission != 0 {
		l.commissionMinor = d.Int()
	}
	l.costMinor = l.rewardMinor
	if flags&lineCost != 0 {
		l.costMinor = d.Int()
	}
	return l
}
