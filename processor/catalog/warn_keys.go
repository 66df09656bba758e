package catalog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ristourne/processor/lookalike"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// keyUse is one store's right to a key for a time, and where it is written.
type keyUse struct {
	offer.KeyUse
	doc         *Document
	partner, id string
}

// warnOfLookAlikes warns of two stores whose keys are easily taken for each
// other: typed once too often without its zeros, one store's purchases are
// nobody's, or the other's. A store that has both has said that both are meant.
func (c *checker) warnOfLookAlikes(documents []*Document, catalogue *offer.Catalogue) {
	if !slices.ContainsFunc(documents, func(d *Document) bool { return !d.Stamped }) {
		return
	}
	alike := map[string][]keyUse{}
	for _, u := range offer.KeyUses(catalogue) {
		p := &catalogue.Partners[u.Partner]
		use := keyUse{u, documents[len(catalogue.Programmes)+u.Partner], p.ID, p.Stores[u.Store].ID}
		name := lookalike.Skeleton(u.NetworkMerchantID+u.MID) + "\x00" + lookalike.Skeleton(u.SubMerchantID)
		alike[name] = append(alike[name], use)
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
		sameKind := (a.MID == "") == (b.MID == "")
		narrow := func(x, y string) bool { return x == "" || y == "" || lookalike.Skeleton(x) == lookalike.Skeleton(y) }
		meet := narrow(a.AcquirerID, b.AcquirerID) && narrow(a.Network, b.Network)
		together := a.From.Before(b.Until) && b.From.Before(a.Until)
		if !sameStore && sameKind && meet && together && lookAlikeParts(&a.Key, &b.Key) != "" {
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
	c.warn(a.doc, c.keyPlace(a.doc, a.Store, a.At),
		"%s, of store %q of partner %s, and %s, of store %q of partner %s in %s, differ by %s alone: are they two stores? If one is mistyped, correct it; if both name one store, write both keys there",
		describeKey(&a.Key), a.id, a.partner, describeKey(&other.Key), other.id, other.partner, c.writtenAt(other.doc, c.keyPlace(other.doc, other.Store, other.At)), lookAlikeParts(&a.Key, &other.Key))
}

// keyPlace is where a key of the catalogue is written.
func (c *checker) keyPlace(d *Document, store, at int) path {
	s := &d.partner.stores[store]
	if beyond := at - len(s.keys); beyond >= 0 {
		at = c.pieces[s][beyond]
	}
	return path{"stores", store, "keys", at}
}

// writtenAt says where something is written, as one says it in a sentence.
func (c *checker) writtenAt(d *Document, at path) string {
	return fmt.Sprintf("%s:%d", d.ShownAs, c.trees.find(d, at).Line)
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
