package engine

import (
	"cmp"
	"slices"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
)

// Bounds of one account. They are far beyond what a cardholder does in a
// lifetime and keep every sum within int64: awards are within 128 times the
// volume (the highest rate of points; eight times with money), commissions
// within the volume and a fixed amount a purchase. They keep all of an
// account, with what is put away, within what one script can save.
const (
	maxAccountVolumeMinor = codec.MaxAmountMinor
	maxAccountEventBytes  = 40 << 20 // of events: some 300,000
	maxDroppedEvents      = 1 << 14
	maxAccountItems       = 1 << 16 // categories of all events' items
	maxItemLists          = 1 << 8  // events of one purchase that list items: they are added up as fractions
	maxAccountFacts       = 1 << 12
	maxAccountFactBytes   = 4 << 20 // of their texts
	// WaitingDays and WaitingLimit bound what waits for its purchase.
	WaitingDays  = 90
	WaitingLimit = 200
)

// Account is the set of one account's events and facts, and what is booked of
// it: all that its ledger follows from. The strings of records that are
// applied to it are kept as they are: they must live as long as the account.
// The zero value is not ready; use NewAccount or Reset.
type Account struct {
	id    string
	facts []rules.Fact // in order of (At, ID)
	// factIndex is of all of facts, where they are many and were asked for.
	factIndex *factIndex
	// purchases, the known ones first, in the order in which things fill up:
	// (purchase time, purchase id). Then those that only waiting events name,
	// in order of id.
	purchases []purchase
	events    []setEvent // of all purchases, chained by next
	removed   int        // how many of events are no longer in a chain
	matched   int        // how many of events are refunds that are matched to their purchase
	dropped   []droppedEvent
	lines     []line // booked, of all purchases, chained by next
	free      int32  // first unused line, chained by next; -1: none

	enrolments int           // how many enrolled facts
	expiries   int           // how many authorization_expired facts
	links      int           // how many events name an original transaction other than their own
	newest     rules.Instant // the latest OccurredAt of the set
	eventBytes int           // about what all events take in its state, those that are put away too
	volume     int64         // the sum of all amounts ever stated, in whatever currency
	items      int           // how many sums of categories all events have

	grants    []grantState        // of all purchases, chained by next
	published []publishedReferral // to sponsors, of all purchases, chained by next
	standings []standing          // at the times of purchases
	referrals []referralState     // what this account gets as a sponsor, in the order in which its caps fill

	factLines int32 // booked of facts alone: the head of a chain
	balances  []balance
	payments  payments
	// needsFullRun says that booked sums may differ from what is due
	// anywhere: they came from elsewhere.
	needsFullRun bool
	hasDemands   bool      // some purchase has demands of a decision before
	snapshot     *Snapshot // that terms of purchases were looked up in
	arena        []string  // behind the card tokens and segments of decoded facts
	codec        *codec.Dictionary
	fold         *fold // nil: the account is whole
	unfolded     bool  // pages that were stored of it are no more, once it is stored
	needsAll     bool  // a record may have touched what is put away
	draws        draws // under snapshot
}

// setEvent is what the ledger needs of one event of the set.
type setEvent struct {
	id            string
	transactionID string
	originalID    string // empty: none
	hash          uint64
	occurredAt    rules.Instant
	purchasedAt   rules.Instant // its own purchase time
	amountMinor   int64
	billingMinor  int64
	currency      money.Currency
	billing       money.Currency
	typ           rules.EventType
	channel       rules.Channel
	late          bool // dated more than H days after its purchase
	listsItems    bool
	matched       bool      // a refund that names another purchase, which is unknown, or none
	counted       bool      // it was part of a purchase, matched or not, when a record was decided, and may be no more
	moves         bool      // while refunds are matched
	items         []itemSum // by category; of all events but authorizations that match nothing
	// Only of events that open a purchase at a merchant that matches, and of
	// refunds at stores match and card:
	match       Match
	card        string
	matchesOwn  bool // an offer of a programme's own
	mcc         string
	country     string
	cardProduct string
	next        int32
}

// itemSum is what an event's line items of one category come to, in the
// event's currency; negative where discounts are more.
type itemSum struct {
	Category    string
	AmountMinor int64
}

// opens reports whether the event can give its purchase time and place.
func (e *setEvent) opens() bool { return e.typ.Opens() && (e.atStore() || e.matchesOwn) }

func (e *setEvent) atStore() bool { return e.match.PartnerID != "" }

// byDate orders events by when they happened.
func (e *setEvent) byDate(o *setEvent) int {
	return cmp.Or(e.occurredAt.Compare(o.occurredAt), cmp.Compare(e.id, o.id))
}

// purchase is the set of its events. It is known once one of them opens it.
type purchase struct {
	id        string
	at        rules.Instant // purchase time, where known
	anchor    int32         // the event that gave it; -1: unknown
	events    int32         // head of the chain
	lines     int32         // head of the chain
	grants    int32         // head of the chain
	published int32         // head of the chain
	expired   bool          // by a fact
	late      bool          // some events are late
	dirty     bool          // to be valued anew
	// What spares valuing a purchase anew when room before it changes: the
	// most room an award of it asked for, and whether it got less than that.
	wantedMinor int64
	bound       bool

	// termsFound says that the rest was looked up in the account's snapshot and
	// facts.
	termsFound  bool
	standing    int32             // in Account.standings
	programme   *programmeVersion // the member's at purchase time; nil: in none
	terms       *partnerVersion   // of the store, if it is of that programme
	periods     periods           // in the programme's zone
	demandSpans                   // of the decision at hand
	// Of a purchase with late events: what its awards were without them, in
	// history.recorded.
	awardsFrom, awardsTo int32
}

// unknownPurchase is one of which no event is known.
func unknownPurchase(id string) purchase {
	return purchase{id: id, anchor: -1, events: -1, lines: -1, grants: -1, published: -1}
}

func (p *purchase) known() bool { return p.anchor >= 0 }

// inFillingOrder orders known purchases by time, then id; unknown ones last.
func inFillingOrder(p, o *purchase) int {
	switch {
	case p.known() != o.known():
		if p.known() {
			return -1
		}
		return 1
	case p.known():
		return cmp.Or(p.at.Compare(o.at), cmp.Compare(p.id, o.id))
	}
	return cmp.Compare(p.id, o.id)
}

// line is the booked sum of one key of the ledger.
type line struct {
	lineKey
	sums
	programme string // says where it was booked; no part of the key
	campaigns string // that were in it when it was booked last, joined by commas
	next      int32
}

// lineKey is what the difference is booked by, within a purchase of an
// account. The beneficiary follows from the role: the account, or the partner.
type lineKey struct {
	partner string
	store   string
	offer   string // empty: the partner's terms, or a fact
	version string
	unit    string
	role    rules.Role
	kind    rules.Kind
	stage   rules.Stage
}

// sums are the amounts of a line, in minor units.
type sums struct{ basisMinor, rewardMinor, commissionMinor, costMinor int64 }

func (s sums) minus(o sums) sums {
	return sums{s.basisMinor - o.basisMinor, s.rewardMinor - o.rewardMinor, s.commissionMinor - o.commissionMinor, s.costMinor - o.costMinor}
}

func (s sums) plus(o sums) sums {
	return sums{s.basisMinor + o.basisMinor, s.rewardMinor + o.rewardMinor, s.commissionMinor + o.commissionMinor, s.costMinor + o.costMinor}
}

// NewAccount is an account of which nothing is known.
func NewAccount(id string) *Account {
	a := new(Account)
	a.Reset(id)
	return a
}

// Reset makes a the account id, of which nothing is known, and keeps its memory.
func (a *Account) Reset(id string) {
	*a = Account{
		id: id, facts: a.facts[:0], purchases: a.purchases[:0], events: a.events[:0], lines: a.lines[:0],
		dropped: a.dropped[:0], grants: a.grants[:0], published: a.published[:0], standings: a.standings[:0], referrals: a.referrals[:0],
		balances: a.balances[:0], payments: payments{list: a.payments.list[:0]}, arena: a.arena[:0], draws: a.draws, codec: a.codec, free: -1, factLines: -1, newest: rules.MinInstant,
	}
	a.draws.reset()
}

// ID is the account's id.
func (a *Account) ID() string { return a.id }

// IsMember reports that an enrolment of the account is known, of whatever date.
func (a *Account) IsMember() bool { return a.enrolments > 0 }

// IsEmpty reports that nothing of the account is known: it need not be stored.
func (a *Account) IsEmpty() bool {
	return len(a.facts)+len(a.purchases)+len(a.balances)+len(a.referrals)+len(a.dropped) == 0 && a.factLines < 0
}

// MemberID is the member id of the latest enrolment; empty where none is known.
func (a *Account) MemberID() string {
	for i := len(a.facts) - 1; i >= 0; i-- {
		if a.facts[i].Type == rules.Enrolled {
			return a.facts[i].MemberID
		}
	}
	return ""
}

// Knows reports whether the account has a purchase of this id, or something
// that waits for it.
func (a *Account) Knows(purchaseID string) bool { return a.find(purchaseID) >= 0 }

// Purchases is how many purchases are known, and Events how many events are in
// the set: the size of the state, for limits and metrics.
func (a *Account) Purchases() int {
	n := len(a.purchases)
	for n > 0 && !a.purchases[n-1].known() {
		n--
	}
	return n
}

// Events is how many events are in the set, those that wait included.
func (a *Account) Events() int {
	n := 0
	for i := range a.purchases {
		for e := a.purchases[i].events; e >= 0; e = a.events[e].next {
			n++
		}
	}
	return n
}

// find is the index of the purchase, or -1.
func (a *Account) find(id string) int {
	for i := range a.purchases {
		if a.purchases[i].id == id {
			return i
		}
	}
	return -1
}

// factBefore orders facts as they apply.
func factBefore(f, o *rules.Fact) bool {
	return cmp.Or(f.At.Compare(o.At), cmp.Compare(f.ID, o.ID)) < 0
}

func (a *Account) insertFact(f *rules.Fact) {
	i := len(a.facts)
	for i > 0 && factBefore(f, &a.facts[i-1]) {
		i--
	}
	a.facts, a.factIndex = slices.Insert(a.facts, i, *f), nil
	a.countFact(f)
}

func (a *Account) countFact(f *rules.Fact) {
	switch f.Type {
	case rules.Enrolled:
		a.enrolments++
	case rules.AuthorizationExpired:
		a.expiries++
	}
}

func (a *Account) factBytes() int {
	n := 0
	for i := range a.facts {
		n += a.facts[i].Bytes()
	}
	return n
}
