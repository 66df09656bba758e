// Package audit holds what came in against what came out: the records of the
// input topics, put through the pure rules once more, against the ledger, the
// instructions and the dead letters. Whoever uses it reads both sides into Books.
// And it holds a ledger against the records that it has of its own: Proof.
package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"ristourne/processor/simulate"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// Books are both sides of the balance sheet: what was sent, and worked out anew
// from it by the pure engine alone; and what the processor has made of it.
type Books struct {
	// What was sent, as Kafka has it.
	RecordsIn [rules.NumTopics]int64

	// What the pure engine makes of it.
	World      *simulate.World
	Worked     [rules.NumFates]int64
	Deserved   Sums
	Purchases  map[PurchaseID]bool
	RefundsDue map[string]UnlinkedRefund // those without a link, by event id
	Granted    map[string]bool           // accounts that were granted something of a budget
	Ungranted  []string                  // purchases that deserve another share of a budget than they have

	// What the processors have made of it.
	Fates     [rules.NumFates]int64     // counted in Redis
	Ledger    Sums                      // of the accruals in ClickHouse
	Totals    []Total                   // in ClickHouse, as a person is shown them
	Conflicts []rules.Conflict          // in ClickHouse
	Grants    []rules.Grant             // what each purchase has of each budget now; ChangeMinor is all it got, less all it gave back
	Refunds   map[string]UnlinkedRefund // as RefundsDue, in ClickHouse
	Held      []HeldOut                 // in ClickHouse
	Paid      []rules.Instruction       // every record of the topic, repeats too
	Told      []rules.Referral          // of programme.referrals: the newest of each purchase and offer
	Letters   []rules.DeadLetter        // each once
	Leaks     []string                  // dead letters with a card number in them

	agreed
	holdouts map[string]offer.Holdout // by id
}

// agreed is what of a catalogue the books are held against.
type agreed struct {
	Names  map[string]string     // of partners
	funded map[OfferVersion]bool // offers that may cost the programme more than they bring
	// limits of budgets, by what they are of: "campaign/ID", "offer/PARTNER/OFFER",
	// "day/PARTNER/OFFER"; @PROGRAMME stands for the partner of an offer of its own.
	limits map[limitOf]int64
}

// limitOf names a limit. Cents and points of one offer have a budget each.
type limitOf struct{ budget, unit string }

// PurchaseID names a purchase: transaction ids are unique within an account.
type PurchaseID struct{ Account, Transaction string }

// Sums are the sums of lines by their key; 0 all over: left out.
type Sums map[rules.LineKey]rules.Sums

func (l Sums) add(a *rules.Accrual) {
	key := a.Key()
	if sum := l[key].Plus(a); sum != (rules.Sums{}) {
		l[key] = sum
	} else {
		delete(l, key)
	}
}

// Total is what a person is shown of one offer, or of a partner's own terms.
type Total struct {
	PartnerID, OfferID string // empty offer: the partner's own terms, or adjustments
	Stage              rules.Stage
	Currency           string
	Lines              uint64
	RewardMinor        int64 // rewards in money
	CommissionMinor    int64
	CostMinor          int64
}

// MarginMinor is what the rewards leave of the commission.
func (t Total) MarginMinor() int64 { return t.CommissionMinor - t.CostMinor }

// OfferVersion names an offer as lines do; the partner of the programme's own is
// empty.
type OfferVersion struct{ PartnerID, OfferID, Version string }

// New are empty books, held against what is agreed.
func New(c *offer.Catalogue, snapshot *engine.Snapshot) *Books {
	b := &Books{
		Deserved: Sums{}, Purchases: map[PurchaseID]bool{}, Refunds: map[string]UnlinkedRefund{},
		RefundsDue: map[string]UnlinkedRefund{}, Granted: map[string]bool{},
	}
	b.agreed = readAgreed(c)
	b.readAgreedHoldouts(c)
	b.World = simulate.NewWorld(snapshot, true)
	b.World.Lines = b.Decided
	return b
}

// readAgreed takes from the catalogue what the books are held against.
func readAgreed(c *offer.Catalogue) agreed {
	b := agreed{map[string]string{}, map[OfferVersion]bool{}, map[limitOf]int64{}}
	bound := func(key string, minor int64, unit string) {
		b.limits[limitOf{key, unit}] = max(minor, b.limits[limitOf{key, unit}]) // of several versions the most
	}
	offersOf := func(partner, budgetsOf, version string, offers []offer.Offer, points string) {
		for i := range offers {
			o := &offers[i]
			b.funded[OfferVersion{partner, o.ID, version}] = o.FundedBy == offer.FundedByProgramme
			unit := o.Currency.String()
			if o.Reward.Kind == rules.Points {
				unit = points
			}
			for _, budget := range o.Budgets {
				of := "offer/"
				if budget.PerStoreAndDay {
					of = "day/"
				}
				bound(of+budgetsOf+"/"+o.ID, budget.AmountMinor, unit)
			}
		}
	}
	points := map[string]string{} // by programme
	for i := range c.Programmes {
		p := &c.Programmes[i]
		b.Names[""] = cmp.Or(b.Names[""], p.Name+" itself")
		points[p.ID] = cmp.Or(p.Points.Code, points[p.ID])
		offersOf("", "@"+p.ID, p.Version.ID, p.Offers, p.Points.Code)
	}
	for i := range c.Partners {
		p := &c.Partners[i]
		b.Names[p.ID] = p.Name
		offersOf(p.ID, p.ID, p.Version.ID, p.Offers, points[p.Programme])
	}
	for i := range c.Campaigns {
		bound("campaign/"+c.Campaigns[i].ID, c.Campaigns[i].Budget.AmountMinor, c.Campaigns[i].Unit)
	}
	return b
}

// Decided takes in what the pure engine made of a record.
func (b *Books) Decided(out *rules.Output) {
	for i := range out.Accruals {
		a := &out.Accruals[i]
		b.Deserved.add(a)
		if a.TransactionID != "" {
			b.Purchases[PurchaseID{a.AccountID, a.TransactionID}] = true
		}
	}
	for i := range out.Grants {
		b.Granted[out.Grants[i].AccountID] = true
	}
	b.seeRefunds(out.Refunds)
}

// Referrals is what processors told each other through programme.referrals.
// The pure engine tells sponsors' accounts itself: these records are only
// counted, and kept to be compared.
type Referrals struct {
	decoder *wire.Decoder
	Fates   [rules.NumFates]int64
	List    []rules.Referral
	place   map[referralTarget]int // in list
}

// NewReferrals are none yet.
func NewReferrals() *Referrals {
	return &Referrals{decoder: wire.NewDecoder(wire.Options{}), place: map[referralTarget]int{}}
}

// referralTarget is what a referral is about.
type referralTarget struct{ buyer, transaction, partner, offer string }

func targetOf(r *rules.Referral) referralTarget {
	return referralTarget{r.BuyerAccountID, r.TransactionID, r.PartnerID, r.OfferID}
}

// Read takes one record of programme.referrals.
func (t *Referrals) Read(key, value []byte, at simulate.Place) error {
	var r rules.Referral
	if fault := t.decoder.Referral(value, key, at.RecordedAt, &r); fault != nil {
		t.Fates[rules.DeadLettered]++
		return nil
	}
	n, known := t.place[targetOf(&r)]
	switch {
	case !known:
		t.place[targetOf(&r)], t.List = len(t.List), append(t.List, r)
	case t.List[n].Number >= r.Number:
		t.Fates[rules.Duplicate]++
		return nil
	default:
		t.List[n] = r
	}
	t.Fates[rules.NoChange]++ // or booked: taken together below
	return nil
}

// AdoptGrants works out what everybody deserves with the grants of the books in
// place of the pure engine's own.
func (b *Books) AdoptGrants() error {
	byAccount := map[string][]rules.Grant{}
	for account := range b.Granted {
		byAccount[account] = nil // having none is a word too
	}
	for i := range b.Grants {
		byAccount[b.Grants[i].AccountID] = append(byAccount[b.Grants[i].AccountID], b.Grants[i])
	}
	b.World.Lines = func(out *rules.Output) {
		b.Decided(out)
		for i := range out.Grants {
			g := &out.Grants[i]
			b.Ungranted = append(b.Ungranted, fmt.Sprintf("purchase %s of account %s deserves %s %s of %s", g.TransactionID, g.AccountID, Cents(g.TargetMinor), g.Unit, g.Budget))
		}
	}
	for _, account := range slices.Sorted(maps.Keys(byAccount)) {
		if err := b.World.AdoptGrants(account, byAccount[account]); err != nil {
			return err
		}
	}
	return nil
}
