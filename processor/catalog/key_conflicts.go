package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"ristourne/processor/lookalike"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// keyUse is one store's right to a key for a time: that of the key and that of
// the partner's version which says so.
type keyUse struct {
	key         offer.Key // From and Until: the time in which both hold
	doc         *Document
	store, at   int // positions in the document
	partner, id string
	zone        *time.Location
}

// keyConflicts refuses a key that two stores have for the same time, over the whole
// catalogue and all its versions: a purchase there would belong to either.
func (c *checker) keyConflicts(documents []*Document, catalogue *offer.Catalogue) {
	all := c.allClaims(documents, catalogue)
	slices.SortFunc(all, func(a, b keyUse) int {
		return cmp.Or(compareNames(&a.key, &b.key), a.key.From.Compare(b.key.From),
			strings.Compare(a.doc.File, b.doc.File), cmp.Compare(a.store, b.store), cmp.Compare(a.at, b.at))
	})
	// Of the uses of one name that began already, open holds the one that ends
	// last, for each of the narrower names (network, acquirer) it may have.
	var open []keyUse
	for i, next := range all {
		if i > 0 && compareNames(&all[i-1].key, &next.key) != 0 {
			open = open[:0]
		}
		c.refuseOverlap(open, next)
		open = extend(open, next)
	}
	c.warnOfLookAlikes(all)
}

// warnOfLookAlikes warns of two stores whose keys are easily taken for each
// other: typed once too often without its zeros, one store's purchases are
// nobody's, or the other's. A store that has both has said that both are meant.
func (c *checker) warnOfLookAlikes(all []keyUse) {
	if !slices.ContainsFunc(all, func(a keyUse) bool { return !a.doc.Stamped }) {
		return
	}
	alike := make(map[string][]keyUse, len(all))
	for _, a := range all {
		name := lookalike.Skeleton(a.key.NetworkMerchantID+a.key.MID) + "\x00" + lookalike.Skeleton(a.key.SubMerchantID)
		alike[name] = append(alike[name], a)
	}
	for _, name := range names(alike) {
		uses := alike[name]
		for i := range uses {
			if other := lookAlikeOf(uses[i], uses[:i]); other != nil && c.newest(uses[i].doc) {
				c.warnOfLookAlike(uses[i], other)
			}
		}
	}
}

// lookAlikeOf is the first use of a key by another store, at some common time, whose
// key differs from that of a by what is hardly seen.
func lookAlikeOf(a keyUse, others []keyUse) *keyUse {
	const most = 100 // one chain may have a thousand that look alike: each is told once
	for i := range others[:min(len(others), most)] {
		b := &others[i]
		sameStore := a.partner == b.partner && a.id == b.id
		sameKind := (a.key.MID == "") == (b.key.MID == "")
		narrow := func(x, y string) bool { return x == "" || y == "" || lookalike.Skeleton(x) == lookalike.Skeleton(y) }
		meet := narrow(a.key.AcquirerID, b.key.AcquirerID) && narrow(a.key.Network, b.key.Network)
		together := a.key.From.Before(b.key.Until) && b.key.From.Before(a.key.Until)
		if !sameStore && sameKind && meet && together && lookAlikeParts(&a.key, &b.key) != "" {
			return b
		}
	}
	return nil
}

// lookAlikeParts says how two keys differ; empty: in nothing but what narrows
// them.
func lookAlikeParts(a, b *offer.Key) string {
	for _, pair := range [...][2]string{{a.MID, b.MID}, {a.NetworkMerchantID, b.NetworkMerchantID}, {a.SubMerchantID, b.SubMerchantID}} {
		if pair[0] != pair[1] {
			return lookalike.Difference(pair[0], pair[1])
		}
	}
	return ""
}

func (c *checker) warnOfLookAlike(a keyUse, other *keyUse) {
	c.warn(a.doc, path{"stores", a.store, "keys", a.at},
		"%s, of store %q of partner %s, and %s, of store %q of partner %s in %s, differ by %s alone: are they two stores? If one is mistyped, correct it; if both name one store, write both keys there",
		describeKey(&a.key), a.id, a.partner, describeKey(&other.key), other.id, other.partner, other.place(c.trees), lookAlikeParts(&a.key, &other.key))
}

func (c *checker) allClaims(documents []*Document, catalogue *offer.Catalogue) []keyUse {
	until := map[*Document]rules.Instant{}
	for _, versions := range c.versions {
		for i, d := range versions {
			until[d] = rules.MaxInstant
			if i+1 < len(versions) {
				until[d] = versions[i+1].Version.From
			}
		}
	}
	var all []keyUse
	partners := documents[len(catalogue.Programmes):][:len(catalogue.Partners)]
	for i, d := range partners {
		if _, inForce := until[d]; !inForce { // of two versions at one time, and said so
			continue
		}
		for j, s := range catalogue.Partners[i].Stores {
			for k, key := range s.Keys {
				key.From, key.Until = later(key.From, d.Version.From), rules.Earlier(key.Until, until[d])
				if key.From.Before(key.Until) && (key.MID != "" || key.NetworkMerchantID != "") {
					all = append(all, keyUse{key, d, j, k, d.Subject.ID, s.ID, s.Zone})
				}
			}
		}
	}
	return all
}

func later(a, b rules.Instant) rules.Instant {
	if a.After(b) {
		return a
	}
	return b
}

// compareNames orders keys by the name a card message can carry, without what
// only some keys narrow it by. The acquirer makes a rank of its own where there
// is neither sub-merchant nor terminal, so a MID with one and without are two
// names.
func compareNames(a, b *offer.Key) int {
	return cmp.Or(strings.Compare(a.NetworkMerchantID, b.NetworkMerchantID), strings.Compare(a.MID, b.MID),
		strings.Compare(a.SubMerchantID, b.SubMerchantID), strings.Compare(a.TerminalID, b.TerminalID), strings.Compare(ownRank(a), ownRank(b)))
}

func ownRank(k *offer.Key) string {
	if k.SubMerchantID != "" || k.TerminalID != "" {
		return ""
	}
	return k.AcquirerID
}

// narrower is what may tell two keys of one name apart: one that has none meets
// all.
func narrower(k *offer.Key) string {
	if k.NetworkMerchantID != "" {
		return k.Network
	}
	if k.SubMerchantID != "" || k.TerminalID != "" {
		return k.AcquirerID
	}
	return ""
}

func (c *checker) refuseOverlap(open []keyUse, next keyUse) {
	for _, o := range open {
		a, b := narrower(&o.key), narrower(&next.key)
		meet := a == b || a == "" || b == ""
		sameStore := o.partner == next.partner && o.id == next.id
		if meet && !sameStore && next.key.From.Before(o.key.Until) {
			c.fault(next.doc, path{"stores", next.store, "keys", next.at},
				"%s names two stores %s: %q of partner %s here, and %q of partner %s in %s; end one before the other begins (until, from), or correct the key",
				describeKey(&next.key), describeTime(next.key.From, rules.Earlier(next.key.Until, o.key.Until), next.zone), next.id, next.partner, o.id, o.partner, o.place(c.trees))
			return
		}
	}
}

// place says where the other use is written.
func (c *keyUse) place(trees trees) string {
	return fmt.Sprintf("%s:%d", c.doc.ShownAs, trees.find(c.doc, path{"stores", c.store, "keys", c.at}).Line)
}

// extend keeps, for each narrower name, the use of those so far that ends
// last. A store's own uses may overlap each other.
func extend(open []keyUse, next keyUse) []keyUse {
	for i := range open {
		if narrower(&open[i].key) == narrower(&next.key) {
			if open[i].key.Until.Before(next.key.Until) {
				open[i] = next
			}
			return open
		}
	}
	return append(open, next)
}

func describeKey(k *offer.Key) string {
	var parts []string
	for _, part := range [...]struct{ name, value string }{
		{"network", k.Network},
		{"network_merchant_id", k.NetworkMerchantID},
		{"mid", k.MID},
		{"acquirer", k.AcquirerID},
		{"sub_merchant", k.SubMerchantID},
		{"terminal", k.TerminalID},
	} {
		if part.value != "" {
			parts = append(parts, part.name+" "+part.value)
		}
	}
	return strings.Join(parts, ", ")
}

// describeTime says [from, until) on the clock of the store.
func describeTime(from, until rules.Instant, zone *time.Location) string {
	switch {
	case from == rules.MinInstant && until == rules.MaxInstant:
		return "for ever"
	case until == rules.MaxInstant:
		return "from " + onClock(from, zone) + " on"
	case from == rules.MinInstant:
		return "until " + onClock(until, zone)
	}
	return "from " + onClock(from, zone) + " until " + onClock(until, zone)
}

// onClock is the date, and the time where it isn't midnight.
func onClock(at rules.Instant, zone *time.Location) string {
	t := at.Time().In(zone)
	if h, m, s := t.Clock(); h+m+s == 0 {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339)
}
