package catalog

import (
	"slices"
	"strings"

	"ristourne/rules/offer"
)

// checkLevels holds the files of levels to one each programme, and every level
// that a file names to those that exist. What was published, or in force before,
// stays as it is, whatever levels there are today.
func (c *checker) checkLevels(documents []*Document) {
	known := map[string][]string{} // by programme, over all versions
	by := map[string]*Document{}
	for _, d := range documents {
		if d.levels == nil {
			continue
		}
		programme := c.programmeIDOf(d)
		if len(c.programmes) > 0 && c.programmes[programme] == nil && !c.broken {
			c.fault(d, path{"programme"}, "%s", c.noProgramme(programme))
		}
		if first := by[programme]; first != nil && first.Subject != d.Subject {
			c.fault(d, path{}, "%s says already which levels programme %s has: write `programme: %s` in both files if they are versions of one, or remove one", first.File, programme, programme)
		}
		by[programme] = d
		c.checkLevelIDs(d)
		for _, l := range d.levels.levels {
			if !slices.Contains(known[programme], l.id) {
				known[programme] = append(known[programme], l.id)
			}
		}
	}
	for _, d := range documents {
		if d.Stamped || c.superseded(d) || !c.whole {
			continue
		}
		programme := d.Subject.ID
		if d.programme == nil {
			programme = c.programmeIDOf(d)
		}
		if levels := known[programme]; len(levels) > 0 {
			c.checkLevelsNamed(d, levels)
		} else {
			c.hintAtLevels(d)
		}
	}
}

// superseded reports whether a later version of the subject is in force.
func (c *checker) superseded(d *Document) bool {
	versions := c.versions[d.Subject]
	return len(versions) > 0 && !d.Version.From.After(c.now) && inForce(versions, c.now) != d
}

func (c *checker) checkLevelIDs(d *Document) {
	first := map[string]int{}
	for i, l := range d.levels.levels {
		if n, twice := first[l.id]; twice && l.id != "" {
			c.fault(d, path{"levels", i}, "level %q is here twice, first as number %d of the list: keep one", l.id, n+1)
			continue
		}
		first[l.id] = i
	}
}

func (c *checker) checkLevelsNamed(d *Document, levels []string) {
	d.eachAudience(func(at path, a *offer.Audience) {
		for i, level := range a.Levels {
			if level != "" && !slices.Contains(levels, level) {
				c.fault(d, at.to("levels", i), "there is no level %q: known are %s%s", level, strings.Join(levels, ", "), didYouMean(level, levels))
			}
		}
	})
}

// hintAtLevels says once a file that nobody checks the levels it names.
func (c *checker) hintAtLevels(d *Document) {
	said := !c.newest(d)
	d.eachAudience(func(at path, a *offer.Audience) {
		if len(a.Levels) > 0 && !said {
			said = true
			c.warn(d, at.to("levels"), "levels are named here, and no file says which there are, so a slip of the pen stays unseen: add one such as `levels: [usual, loyal]`")
		}
	})
}

// eachAudience gives every audience that a file names, with its place.
func (d *Document) eachAudience(each func(at path, a *offer.Audience)) {
	switch {
	case d.programme != nil:
		eachOfferAudience(d.programme.offers, each)
	case d.partner != nil:
		eachOfferAudience(d.partner.offers, each)
	case d.campaign != nil:
		each(path{"for"}, &d.campaign.audience)
		eachBoostAudience(path{"boosts"}, d.campaign.boosts, each)
	}
}

func eachOfferAudience(offers []offerDoc, each func(at path, a *offer.Audience)) {
	for i := range offers {
		each(path{"offers", i, "for"}, &offers[i].audience)
		eachBoostAudience(path{"offers", i, "boosts"}, offers[i].boosts, each)
	}
}

func eachBoostAudience(at path, boosts []boostDoc, each func(at path, a *offer.Audience)) {
	for i := range boosts {
		each(at.to(i, "for"), &boosts[i].audience)
	}
}
