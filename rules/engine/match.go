package engine

import (
	"math/bits"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// Match is the store at which an event's merchant was found, in force at the
// event's own purchase time.
type Match struct {
	PartnerID string
	StoreID   string
}

// Match finds the store whose merchant key the event names, or where there is
// none, whether an offer of a programme's own is for such a merchant: then the
// Match is empty. Most events of a bank are at no partner, so that answer is
// made to be the fastest.
func (s *Snapshot) Match(ev *rules.Event) (Match, bool) {
	m, ok := s.matchStore(ev)
	return m, ok || s.matchesOwn(ev)
}

// matchesOwn reports whether some programme in force at the event's own
// purchase time has an offer of its own for every merchant, or for those of
// the event's category.
func (s *Snapshot) matchesOwn(ev *rules.Event) bool {
	if !s.own {
		return false
	}
	for i := range s.programmes {
		v := s.programmeAt(int32(i), ev.PurchaseTime())
		if v == nil {
			continue
		}
		if v.everywhere {
			return true
		}
		for _, asked := range v.categories {
			if asked.TakesMCC(ev.Merchant.MCC) {
				return true
			}
		}
	}
	return false
}

// matchStore finds the store by rank: network merchant id, MID with
// sub-merchant, MID with terminal, MID with acquirer, MID alone; the first rank
// with a key valid at the event's own purchase time decides.
func (s *Snapshot) matchStore(ev *rules.Event) (Match, bool) {
	m, k := &ev.Merchant, &s.keys
	if m.NetworkMerchantID != "" && len(k.network) > 0 {
		if place := find(k.network[m.NetworkMerchantID], m.Network, ev.PurchaseTime()); place != nil {
			return place.Match, true
		}
	}
	if m.SubMerchantID != "" {
		// Behind an aggregator's MID are many shops: without its sub-merchant
		// the MID alone says nothing.
		if len(k.sub) == 0 {
			return Match{}, false
		}
		if place := find(k.sub[midPart{m.ID, m.SubMerchantID}], m.AcquirerID, ev.PurchaseTime()); place != nil {
			return place.Match, true
		}
		return Match{}, false
	}
	places, known := k.mids.find(m.ID)
	if !known {
		return Match{}, false
	}
	if m.TerminalID != "" && len(k.terminals) > 0 {
		if place := find(k.terminals[midPart{m.ID, m.TerminalID}], m.AcquirerID, ev.PurchaseTime()); place != nil {
			return place.Match, true
		}
	}
	if place := find(places, m.AcquirerID, ev.PurchaseTime()); place != nil {
		return place.Match, true
	}
	return Match{}, false
}

// keyIndex finds the places behind a merchant key.
type keyIndex struct {
	network   map[string][]keyedStore
	sub       map[midPart][]keyedStore
	terminals map[midPart][]keyedStore
	mids      midTable // of all MIDs that decide here: those of terminals too
}

// midPart is a sub-merchant or a terminal of a MID.
type midPart struct{ mid, part string }

// keyedStore is one store under one key for as long as both the key and the
// version of the partner that states it are in force: [from, until).
type keyedStore struct {
	qualifier   string // the network or acquirer that the key needs; empty: any
	from, until rules.Instant
	Match
}

// find is the place in force at t: one whose qualifier is the event's, else
// one that takes any.
func find(places []keyedStore, qualifier string, t rules.Instant) *keyedStore {
	var anyQualifier *keyedStore
	for i := range places {
		p := &places[i]
		if t.Before(p.from) || !t.Before(p.until) {
			continue
		}
		if p.qualifier == "" {
			anyQualifier = p
		} else if p.qualifier == qualifier {
			return p
		}
	}
	return anyQualifier
}

// midTable is an open-addressing table from MIDs to their places, behind a
// filter of bits that fits in the processor's cache and turns most events away
// with one load.
type midTable struct {
	long   map[string][]keyedStore // of more bytes than are packed
	filter []uint64
	slots  []midSlot
	places []keyedStore
}

type midSlot struct {
	lo, hi     uint64 // the packed MID; 0, 0: free
	start, end uint32 // in places
}

// maxPackedMID is how many bytes ISO 8583 has in field 42. What issuer processors
// put there may be longer.
const maxPackedMID = 15

// packMID makes a MID of at most 15 bytes two words: its bytes, then its
// length in the last one.
func packMID(mid string) (lo, hi uint64) {
	n := len(mid)
	if n >= 8 {
		return load8(mid), load8(mid[n-8:])>>(8*(16-n)) | uint64(n)<<56
	}
	for i := n - 1; i >= 0; i-- {
		lo = lo<<8 | uint64(mid[i])
	}
	return lo, uint64(n) << 56
}

func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func hashMID(lo, hi uint64) uint64 {
	a, b := bits.Mul64(lo^0x9e3779b97f4a7c15, hi^0xd1b54a32d192ed03)
	return (a ^ b) * 0x9fb21c651e98df25
}

// find gives the places of a MID, and whether it is in the table. Filter and
// slots have sizes of a power of two; a table without keys has neither.
func (t *midTable) find(mid string) (places []keyedStore, known bool) {
	if len(mid) > maxPackedMID {
		places, known = t.long[mid]
		return places, known
	}
	if len(t.filter) == 0 {
		return nil, false
	}
	lo, hi := packMID(mid)
	h := hashMID(lo, hi)
	if t.filter[h>>38&uint64(len(t.filter)-1)]&(1<<(h>>32&63)) == 0 {
		return nil, false
	}
	for i := h; ; i++ {
		slot := &t.slots[i&uint64(len(t.slots)-1)]
		if slot.lo == lo && slot.hi == hi {
			if hi == 0 {
				return nil, false
			}
			return t.places[slot.start:slot.end], true
		}
		if slot.hi == 0 {
			return nil, false
		}
	}
}

func newMIDTable(byMID map[string][]keyedStore) midTable {
	if len(byMID) == 0 {
		return midTable{}
	}
	slots := 1 << bits.Len(uint(len(byMID))*2-1)
	t := midTable{filter: make([]uint64, max(1, slots/8)), slots: make([]midSlot, slots)}
	for mid, places := range byMID {
		if len(mid) > maxPackedMID {
			if t.long == nil {
				t.long = map[string][]keyedStore{}
			}
			t.long[mid] = places
			continue
		}
		lo, hi := packMID(mid)
		h := hashMID(lo, hi)
		t.filter[h>>38&uint64(len(t.filter)-1)] |= 1 << (h >> 32 & 63)
		i := h
		for t.slots[i&uint64(slots-1)].hi != 0 {
			i++
		}
		t.slots[i&uint64(slots-1)] = midSlot{lo, hi, uint32(len(t.places)), uint32(len(t.places) + len(places))}
		t.places = append(t.places, places...)
	}
	return t
}

// compileKeys builds the index. No two stores have one key at one time: the checks
// of the catalogue refuse that.
func compileKeys(s *Snapshot, c *offer.Catalogue) keyIndex {
	network, mids := map[string][]keyedStore{}, map[string][]keyedStore{}
	sub, terminals := map[midPart][]keyedStore{}, map[midPart][]keyedStore{}
	for i := range c.Partners {
		p := &c.Partners[i]
		if p.Version.Ended {
			continue
		}
		v := s.partnerAt(p.ID, p.Version.From)
		for n := range p.Stores {
			for m := range p.Stores[n].Keys {
				k := &p.Stores[n].Keys[m]
				stated := keyedStore{Match: Match{PartnerID: p.ID, StoreID: p.Stores[n].ID}}
				stated.from, stated.until = rules.Later(k.From, v.from), rules.Earlier(k.Until, v.until)
				if !stated.from.Before(stated.until) {
					continue
				}
				mid := strings.TrimRight(k.MID, " ")
				switch {
				case k.NetworkMerchantID != "":
					stated.qualifier = k.Network
					network[k.NetworkMerchantID] = append(network[k.NetworkMerchantID], stated)
				case k.SubMerchantID != "":
					stated.qualifier = k.AcquirerID
					sub[midPart{mid, k.SubMerchantID}] = append(sub[midPart{mid, k.SubMerchantID}], stated)
				case k.TerminalID != "":
					stated.qualifier = k.AcquirerID
					terminals[midPart{mid, k.TerminalID}] = append(terminals[midPart{mid, k.TerminalID}], stated)
					if _, known := mids[mid]; !known {
						mids[mid] = nil // the table must know of it
					}
				default:
					stated.qualifier = k.AcquirerID
					mids[mid] = append(mids[mid], stated)
				}
			}
		}
	}
	return keyIndex{
		network: byBeginning(network), sub: byBeginning(sub), terminals: byBeginning(terminals), mids: newMIDTable(byBeginning(mids)),
	}
}

// byBeginning puts the stores of each key in order.
func byBeginning[K comparable](keys map[K][]keyedStore) map[K][]keyedStore {
	for _, stores := range keys {
		slices.SortStableFunc(stores, func(a, b keyedStore) int { return a.from.Compare(b.from) })
	}
	return keys
}
