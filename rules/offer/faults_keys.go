package offer

import (
	"cmp"
	"slices"
	"strings"

	"ristourne/rules"
)

// KeyUse is one store's right to a key for a time: that of the key and that of
// the partner's version which says so.
type KeyUse struct {
	Key           // its MID without filling; From and Until: the time in which both hold
	Partner   int // in Catalogue.Partners
	Store, At int // in its Stores, in their Keys
}

// KeyUses are those of all stores, of all versions.
func KeyUses(c *Catalogue) []KeyUse {
	t := newTimeline(c)
	return t.keyUses(c)
}

func (t *timeline) keyUses(c *Catalogue) []KeyUse {
	var all []KeyUse
	for i := range c.Partners {
		p := &c.Partners[i]
		if p.Version.Ended {
			continue
		}
		for j := range p.Stores {
			for n, key := range p.Stores[j].Keys {
				key.MID = strings.TrimRight(key.MID, " ")
				key.From, key.Until = rules.Later(key.From, p.Version.From), rules.Earlier(key.Until, t.until[p])
				if key.From.Before(key.Until) && (key.MID != "" || key.NetworkMerchantID != "") {
					all = append(all, KeyUse{key, i, j, n})
				}
			}
		}
	}
	return all
}

// checkKeys refuses a key that two stores have for the same time, over the whole
// catalogue and all its versions: a purchase there would belong to either.
func checkKeys(c *Catalogue, t timeline, faults *Faults) {
	all := t.keyUses(c)
	slices.SortFunc(all, func(a, b KeyUse) int {
		return cmp.Or(compareNames(&a.Key, &b.Key), a.From.Compare(b.From),
			cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Store, b.Store), cmp.Compare(a.At, b.At))
	})
	// Of the uses of one name that began already, open holds the one that ends
	// last, for each of the narrower names (network, acquirer) it may have.
	var open []KeyUse
	for i, next := range all {
		if i > 0 && compareNames(&all[i-1].Key, &next.Key) != 0 {
			open = open[:0]
		}
		refuseOverlap(c, open, &next, faults)
		open = extend(open, next)
	}
}

// compareNames orders keys by the name a card message can carry, without what
// only some keys narrow it by. The acquirer makes a rank of its own where there
// is neither sub-merchant nor terminal, so a MID with one and without are two
// names.
func compareNames(a, b *Key) int {
	return cmp.Or(strings.Compare(a.NetworkMerchantID, b.NetworkMerchantID), strings.Compare(a.MID, b.MID),
		strings.Compare(a.SubMerchantID, b.SubMerchantID), strings.Compare(a.TerminalID, b.TerminalID), strings.Compare(ownRank(a), ownRank(b)))
}

func ownRank(k *Key) string {
	if k.SubMerchantID != "" || k.TerminalID != "" {
		return ""
	}
	return k.AcquirerID
}

// narrower is what may tell two keys of one name apart: one that has none meets
// all.
func narrower(k *Key) string {
	if k.NetworkMerchantID != "" {
		return k.Network
	}
	if k.SubMerchantID != "" || k.TerminalID != "" {
		return k.AcquirerID
	}
	return ""
}

func refuseOverlap(c *Catalogue, open []KeyUse, next *KeyUse, faults *Faults) {
	p := &c.Partners[next.Partner]
	for i := range open {
		o := &open[i]
		a, b := narrower(&o.Key), narrower(&next.Key)
		meet := a == b || a == "" || b == ""
		other := &c.Partners[o.Partner]
		sameStore := other.ID == p.ID && other.Stores[o.Store].ID == p.Stores[next.Store].ID
		if meet && !sameStore && next.From.Before(o.Until) {
			faults.add(Fault{
				Subject: SubjectPartner, Index: next.Partner, ID: p.ID, Path: next.path(), Code: FaultSameKey,
				Args:  []any{other.Stores[o.Store].ID, other.ID, next.From, rules.Earlier(next.Until, o.Until)},
				Other: Other{o.Partner, o.path()}, Of: []string{next.path()},
			})
			return
		}
	}
}

func (u *KeyUse) path() string { return element(element("stores", u.Store)+".keys", u.At) }

// extend keeps, for each narrower name, the use of those so far that ends
// last. A store's own uses may overlap each other.
func extend(open []KeyUse, next KeyUse) []KeyUse {
	for i := range open {
		if narrower(&open[i].Key) == narrower(&next.Key) {
			if open[i].Until.Before(next.Until) {
				open[i] = next
			}
			return open
		}
	}
	return append(open, next)
}
