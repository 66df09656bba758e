package rules

// accountFormat is the version byte of an account's state: one that this engine
// doesn't know is an error, and the stream makes the account anew from the ledger
// (processor/restore.go).
const accountFormat = 3

// stateEncoder writes the parts of an account's state.
type stateEncoder struct{ encoder }

// stateDecoder reads them.
type stateDecoder struct{ decoder }

// AppendBinary appends the account's state: its version byte, then facts,
// purchases with their events and booked lines, and totals. The account id is
// not in it: it is the name under which the state is kept.
func (a *Account) AppendBinary(dst []byte) []byte {
	if a.codec == nil {
		a.codec = new(dictionary)
	}
	a.codec.reset()
	w := stateEncoder{encoder{b: append(dst, accountFormat), dictionary: a.codec}}
	w.byte(mark(a.unsettled))
	w.count(len(a.facts))
	for i := range a.facts {
		a.facts[i].encode(&w.encoder)
	}
	w.count(len(a.purchases))
	for i := range a.purchases {
		w.purchase(a, &a.purchases[i])
	}
	w.count(len(a.referrals))
	for i := range a.referrals {
		r := &a.referrals[i]
		r.encode(&w.encoder)
		w.lines(a, r.lines, Match{r.PartnerID, r.StoreID})
	}
	w.lines(a, a.factLines, Match{})
	w.count(len(a.cash))
	for i := range a.cash {
		w.currency(a.cash[i].currency)
		w.int(a.cash[i].confirmedMinor)
		w.int(a.cash[i].instructedMinor)
	}
	w.count(len(a.dropped))
	for i := range a.dropped {
		w.unique(a.dropped[i].id)
		w.hash(a.dropped[i].hash)
	}
	return w.b
}

const (
	purchaseExpired = 1 << iota
	purchaseBound
)

func (e *stateEncoder) purchase(a *Account, p *purchase) {
	e.unique(p.id)
	var flags byte
	if p.expired {
		flags |= purchaseExpired
	}
	if p.bound {
		flags |= purchaseBound
	}
	e.byte(flags)
	e.amount(p.wantedMinor)
	n := 0
	for i := p.events; i >= 0; i = a.events[i].next {
		n++
	}
	e.count(n)
	for i := p.events; i >= 0; i = a.events[i].next {
		e.setEvent(&a.events[i], p.id)
	}
	place := Match{}
	if p.known() {
		place = a.events[p.giver].match
	}
	e.lines(a, p.lines, place)
	e.grants(a, p)
	e.told(a, p)
}

func (e *stateEncoder) grants(a *Account, p *purchase) {
	n := 0
	for i := p.grants; i >= 0; i = a.grants[i].next {
		n++
	}
	e.count(n)
	for i := p.grants; i >= 0; i = a.grants[i].next {
		g := &a.grants[i]
		e.string(string(g.budget))
		e.string(g.unit)
		e.int(g.targetMinor)
		e.int(g.grantedMinor)
	}
}

func (e *stateEncoder) told(a *Account, p *purchase) {
	n := 0
	for i := p.told; i >= 0; i = a.told[i].next {
		n++
	}
	e.count(n)
	for i := p.told; i >= 0; i = a.told[i].next {
		t := &a.told[i]
		for _, s := range [...]string{t.sponsor, t.partner, t.store, t.offer, t.version, t.programme, t.mcc} {
			e.string(s)
		}
		e.byte(byte(t.channel))
		e.instant(t.at.Parts())
		e.uint(uint64(t.number))
		e.currency(t.currency)
		for w := range numWorlds {
			e.int(t.basisMinor[w])
			e.int(t.rewardMinor[w])
			e.int(t.lateMinor[w])
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
	e.byte(first)
	e.byte(second)
	if second&eventUnlinked != 0 {
		e.byte(mark(x.matched)*eventMatched | mark(x.counted)*eventCounted)
	}
	e.unique(x.id)
	e.hash(x.hash)
	if first&eventOwnID != 0 {
		e.unique(x.transactionID)
	}
	if first&eventOriginalID != 0 {
		e.unique(x.originalID)
	}
	e.instant(x.occurredAt.Parts())
	if first&eventPurchasedAt != 0 {
		e.instant(x.purchasedAt.Parts())
	}
	e.amount(x.amountMinor)
	e.currency(x.currency)
	if second&eventBilling != 0 {
		e.amount(x.billingMinor)
		e.currency(x.billing)
	}
	if second&eventStore != 0 {
		e.string(x.match.PartnerID)
		e.string(x.match.StoreID)
	}
	switch {
	case x.opens():
		e.string(x.card)
		e.string(x.mcc)
		e.string(x.country)
		e.string(x.cardProduct)
	case x.isStoreRefund():
		e.string(x.card)
	}
	if x.listsItems {
		e.count(len(x.items))
		for i := range x.items {
			e.string(x.items[i].Category)
			e.int(x.items[i].AmountMinor)
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
	e.count(n)
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
	e.byte(byte(l.role)<<5 | byte(l.kind)<<2 | byte(l.stage))
	e.byte(flags)
	if flags&lineElsewhere != 0 {
		e.string(l.partner)
		e.string(l.store)
	}
	e.string(l.programme)
	e.string(l.offer)
	e.string(l.version)
	e.string(l.unit)
	if flags&lineCampaigns != 0 {
		e.string(l.campaigns)
	}
	for _, field := range [...]struct {
		flag  byte
		minor int64
	}{{lineBasis, l.basisMinor}, {lineReward, l.rewardMinor}, {lineCommission, l.commissionMinor}, {lineCost, l.costMinor}} {
		if flags&field.flag != 0 {
			e.int(field.minor)
		}
	}
}

// UnmarshalBinary reads what AppendBinary wrote into a, whose id stays. Its
// strings point into src, which must not be changed as long as the account is
// used. An error leaves the account empty.
func (a *Account) UnmarshalBinary(src []byte) error {
	a.Reset(a.id)
	if a.codec == nil {
		a.codec = new(dictionary)
	}
	a.codec.reset()
	r := stateDecoder{decoder{b: src, dictionary: a.codec}}
	if r.byte() != accountFormat {
		r.fail("account state of an unknown format")
	}
	a.unsettled = r.byte() != 0
	r.facts(a)
	r.purchases(a)
	r.referrals(a)
	a.factLines = r.lines(a, Match{})
	for range r.count(3) {
		a.cash = append(a.cash, cashTotal{currency: r.currency(), confirmedMinor: r.int(), instructedMinor: r.int()})
	}
	for range r.count(minDroppedBytes) {
		a.dropped = append(a.dropped, droppedEvent{r.unique(), r.hash()})
	}
	err := r.done()
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
)

func (d *stateDecoder) facts(a *Account) {
	for i := range d.count(minFactBytes) {
		f := decodeFact(&d.decoder, &a.arena)
		if i > 0 && !factBefore(&a.facts[i-1], &f) {
			d.fail("facts out of order")
		}
		if d.err != nil {
			return
		}
		a.facts = append(a.facts, f)
		a.countFact(&f)
		d.volume(a, max(f.AmountMinor, -f.AmountMinor))
	}
}

func (d *stateDecoder) volume(a *Account, minor int64) {
	if minor > maxAccountVolumeMinor-a.volume {
		d.fail("amounts beyond the account's limit")
		return
	}
	a.volume += minor
}

func (d *stateDecoder) purchases(a *Account) {
	for i := range d.count(minPurchaseBytes) {
		p := unknownPurchase(d.unique())
		flags := d.byte()
		p.expired, p.bound = flags&purchaseExpired != 0, flags&purchaseBound != 0
		if p.wantedMinor = d.int(); p.wantedMinor < 0 { // in units of an award: points may be more than the volume
			d.fail("bad amount")
		}
		d.events(a, &p)
		if d.err != nil {
			return
		}
		a.choose(&p)
		place := Match{}
		if p.known() {
			place = a.events[p.giver].match
		}
		p.lines = d.lines(a, place)
		d.grants(a, &p)
		d.told(a, &p)
		if i > 0 && inFillingOrder(&a.purchases[i-1], &p) >= 0 {
			d.fail("purchases out of order")
		}
		if d.err != nil {
			return
		}
		a.purchases = append(a.purchases, p)
	}
}

func (d *stateDecoder) grants(a *Account, p *purchase) {
	tail := &p.grants
	for range d.count(minGrantBytes) {
		g := grantState{budget: BudgetKey(d.string()), unit: d.string(), targetMinor: d.int(), grantedMinor: d.int(), next: -1}
		if g.grantedMinor < 0 || g.grantedMinor > g.targetMinor {
			d.fail("bad grant")
		}
		*tail = int32(len(a.grants))
		a.grants = append(a.grants, g)
		tail = &a.grants[len(a.grants)-1].next
	}
}

func (d *stateDecoder) told(a *Account, p *purchase) {
	tail := &p.told
	for range d.count(minToldBytes) {
		t := toldState{next: -1}
		for _, s := range [...]*string{&t.sponsor, &t.partner, &t.store, &t.offer, &t.version, &t.programme, &t.mcc} {
			*s = d.string()
		}
		t.channel, t.at = Channel(d.enum(d.byte(), 0, byte(OtherChannel), "bad channel")), InstantAt(d.instant())
		t.number, t.currency = int64(d.uint()), d.currency()
		for w := range numWorlds {
			t.basisMinor[w], t.rewardMinor[w], t.lateMinor[w] = d.int(), d.int(), d.int()
		}
		*tail = int32(len(a.told))
		a.told = append(a.told, t)
		tail = &a.told[len(a.told)-1].next
	}
}

func (d *stateDecoder) referrals(a *Account) {
	for i := range d.count(minReferralBytes) {
		r := referralState{Referral: decodeReferral(&d.decoder)}
		d.volume(a, r.volume())
		r.lines = d.lines(a, Match{r.PartnerID, r.StoreID})
		if i > 0 && sponsorsOrder(&a.referrals[i-1], &r) >= 0 {
			d.fail("referrals out of order")
		}
		if d.err != nil {
			return
		}
		a.referrals = append(a.referrals, r)
	}
}

func (d *stateDecoder) events(a *Account, p *purchase) {
	tail := &p.events
	for range d.count(minEventBytes) {
		x := d.setEvent(p.id)
		if x.isLink() {
			a.links++
		}
		if x.matched {
			a.matched++
		}
		a.newest = later(a.newest, x.occurredAt)
		a.items += len(x.items)
		d.volume(a, max(x.amountMinor, x.billingMinor))
		if d.err != nil {
			return
		}
		*tail = int32(len(a.events))
		a.events = append(a.events, x)
		tail = &a.events[len(a.events)-1].next
	}
}

func (d *stateDecoder) setEvent(purchaseID string) setEvent {
	first, second := d.byte(), d.byte()
	x := setEvent{
		typ:     EventType(d.enum(first&eventTypeMask, byte(Authorization), byte(NumEventTypes-1), "bad event type")),
		channel: Channel(second >> eventChannelShift & eventChannelMask),
		late:    second&eventLate != 0, transactionID: purchaseID, next: -1,
	}
	if second&eventUnlinked != 0 {
		third := d.byte()
		x.matched, x.counted = third&eventMatched != 0, third&eventCounted != 0
	}
	x.id, x.hash = d.unique(), d.hash()
	if first&eventOwnID != 0 {
		x.transactionID = d.unique()
	}
	if first&eventOriginal != 0 {
		x.originalID = purchaseID
	}
	if first&eventOriginalID != 0 {
		x.originalID = d.unique()
	}
	x.occurredAt = InstantAt(d.instant())
	x.purchasedAt = x.occurredAt
	if first&eventPurchasedAt != 0 {
		x.purchasedAt = InstantAt(d.instant())
	}
	x.amountMinor, x.currency = d.amount(), d.currency()
	if second&eventBilling != 0 {
		x.billingMinor, x.billing = d.amount(), d.currency()
	}
	x.matchesOwn = second&eventOwn != 0
	if second&eventStore != 0 {
		x.match = Match{d.string(), d.string()}
	}
	switch {
	case x.opens():
		x.card, x.mcc, x.country, x.cardProduct = d.string(), d.string(), d.string(), d.string()
	case x.isStoreRefund():
		x.card = d.string()
	case x.atStore(), x.matchesOwn, x.matched:
		d.fail("bad match")
	}
	if x.atStore() != (second&eventStore != 0) {
		d.fail("bad match")
	}
	if second&eventItems != 0 {
		x.listsItems = true
		for range d.count(2) {
			x.items = append(x.items, itemSum{d.string(), d.int()})
		}
	}
	return x
}

// lines reads a chain of booked lines and gives its head.
func (d *stateDecoder) lines(a *Account, place Match) int32 {
	head := int32(-1)
	tail := &head
	basisMinor := int64(0)
	for range d.count(minLineBytes) {
		l := d.line(place, basisMinor)
		if d.err != nil {
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
	b, flags := d.byte(), d.byte()
	l.role = Role(d.enum(b>>5, byte(RoleMember), byte(RolePartner), "bad role"))
	l.kind = Kind(d.enum(b>>2&7, byte(Cash), byte(CommissionKind), "bad kind"))
	l.stage = Stage(d.enum(b&3, byte(Expected), byte(Confirmed), "bad stage"))
	l.partner, l.store = place.PartnerID, place.StoreID
	if flags&lineElsewhere != 0 {
		l.partner, l.store = d.string(), d.string()
	}
	l.programme, l.offer, l.version, l.unit = d.string(), d.string(), d.string(), d.string()
	if flags&lineCampaigns != 0 {
		l.campaigns = d.string()
	}
	l.basisMinor = basisMinor
	if flags&lineBasis != 0 {
		l.basisMinor = d.int()
	}
	if flags&lineReward != 0 {
		l.rewardMinor = d.int()
	}
	if flags&lineCommission != 0 {
		l.commissionMinor = d.int()
	}
	l.costMinor = l.rewardMinor
	if flags&lineCost != 0 {
		l.costMinor = d.int()
	}
	return l
}
