package catalog

import (
	"fmt"
	"slices"

	"ristourne/rules/offer"
)

// tell puts what the rules found wrong in the words of the files, at its place
// there, but for what only follows from a value that isn't known.
func (c *checker) tell(documents []*Document, catalogue *offer.Catalogue, faults offer.Faults) {
	t := teller{checker: c, documents: documents, catalogue: catalogue}
	t.undated = slices.ContainsFunc(documents, func(d *Document) bool {
		return c.unknown(d, path{"effective_from"}) || c.unknown(d, path{string(d.Subject.Kind)})
	})
	told := map[string]bool{}
	for i := range faults {
		f := t.found(&faults[i])
		name := fmt.Sprint(f.doc.ShownAs, f.at, f.Code) // pieces of one key are wrong alike
		if told[name] || t.follows(f) {
			continue
		}
		told[name] = true
		c.faults = append(c.faults, Finding{f.doc, f.at, f.say(), f.Code})
	}
}

// teller tells faults of one catalogue.
type teller struct {
	*checker
	documents []*Document
	catalogue *offer.Catalogue
	offers    shelf // once one is looked for
	undated   bool  // of some document it isn't known of what it is, or from when on
}

// found is a fault with where it is written.
type found struct {
	*teller
	*offer.Fault
	doc     *Document
	at      path
	other   *Document // of Other
	otherAt path
}

func (t *teller) found(f *offer.Fault) *found {
	first := 0
	if f.Subject != offer.SubjectProgramme {
		first += len(t.catalogue.Programmes)
	}
	if f.Subject == offer.SubjectCampaign { // levels, which the rules don't know, are before them
		first = len(t.documents) - len(t.catalogue.Campaigns)
	}
	d, other := t.documents[first+f.Index], t.documents[first+f.Other.Index]
	return &found{
		teller: t, Fault: f, doc: d, at: t.placeOf(d, f.Path), other: other, otherAt: t.placeOf(other, f.Other.Path),
	}
}

// placeOf is where the file has what the rules call so.
func (c *checker) placeOf(d *Document, text string) path {
	p := parsePath(text)
	if len(p) == 0 {
		return p
	}
	switch last := len(p) - 1; {
	case p[0] == "id":
		return path{string(d.Subject.Kind)}
	case p[0] == "stores" && len(p) > 3:
		return c.keyPlace(d, p[1].(int), p[3].(int)).to(p[4:]...)
	case p[0] != "offers" || len(p) < 4:
	case p[2] == "budgets" && d.offers()[p[1].(int)].budget != nil:
		if n := p[3].(int); n > 0 {
			return p[:3:3].to(n - 1).to(p[4:]...)
		}
		return p[:2:2].to("budget").to(p[4:]...)
	case p[last-1] == "categories":
		return p[:last:last].to(d.offers()[p[1].(int)].reward.categories[p[last].(int)].word)
	}
	return p
}

// offers are those that the document has.
func (d *Document) offers() []offerDoc {
	switch {
	case d.partner != nil:
		return d.partner.offers
	case d.programme != nil:
		return d.programme.offers
	}
	return nil
}

// follows reports whether the fault is there only because of a value that isn't
// known: then that was said.
func (t *teller) follows(f *found) bool {
	if slices.ContainsFunc(t.doubted[f.doc], f.at.within) {
		return true
	}
	for _, of := range f.Of {
		if t.unknown(f.doc, t.placeOf(f.doc, of)) {
			return true
		}
	}
	of := wordings[f.Code].of
	return of&allFiles != 0 && !t.whole ||
		of&someProgramme != 0 && (t.broken || len(t.programmes) == 0) ||
		of&dates != 0 && t.undated ||
		of&otherToo != 0 && t.unknown(f.other, f.otherAt) ||
		of&itsProgramme != 0 && slices.ContainsFunc(t.programmes[t.programmeIDOf(f.doc)], func(d *Document) bool {
			return t.unknown(d, path{"points"}) || t.unknown(d, path{"currency"})
		})
}

// unknown reports whether the value, what it is in or something in it isn't known.
func (c *checker) unknown(d *Document, of path) bool {
	return slices.ContainsFunc(c.doubted[d], func(p path) bool { return of.within(p) || p.within(of) })
}

// basis is what else than its own document a fault follows from.
type basis uint8

const (
	allFiles      basis = 1 << iota // whatever there is of other subjects
	someProgramme                   // that there are programmes
	itsProgramme                    // the currency and the points of its programme
	otherToo                        // what Other names
	dates                           // which versions come into force when
)
