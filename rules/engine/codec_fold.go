package engine

import (
	"hash/crc32"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/offer"
)

// pageFormat is the version byte of a page of purchases that are put away.
const pageFormat = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(page []byte) uint32 { return crc32.Checksum(page, castagnoli) }

// page is purchases [from, to) in bytes, by themselves.
func (a *Account) page(from, to int) []byte {
	w := stateEncoder{codec.Encoder{Bytes: []byte{pageFormat}, Dictionary: a.emptyDictionary()}}
	w.Count(to - from)
	for i := from; i < to; i++ {
		w.purchase(a, &a.purchases[i])
	}
	return w.Bytes
}

// readPage adds the purchases of a page. Its strings point into page.
func (a *Account) readPage(page []byte) error {
	d := stateDecoder{Decoder: codec.Decoder{Rest: page, Dictionary: a.emptyDictionary()}, format: accountFormat}
	if d.Byte() != pageFormat {
		d.Fail("page of an account of an unknown format")
	}
	d.purchases(a)
	return d.Done()
}

func (e *stateEncoder) fold(f *fold) {
	if f == nil {
		e.Count(0)
		return
	}
	e.Count(f.purchases)
	e.Unique(f.id)
	e.Instant(f.at.Parts())
	e.Instant(f.newest.Parts())
	e.Count(f.pages)
	e.Uint(uint64(f.sum))
	e.Count(f.links)
	e.Int(f.volumeMinor)
	e.Count(f.bytes)
	e.Hash(f.meaning)
	e.Count(len(f.counters))
	for i := range f.counters {
		c := &f.counters[i]
		e.String(c.partner)
		e.String(c.offer)
		e.String(c.unit)
		e.Byte(byte(c.measure))
		e.Byte(byte(c.per))
		if c.per == offer.PerRolling {
			e.Count(c.days)
			e.Instant(c.at.Parts())
		} else {
			e.Int(int64(c.period))
		}
		for w := range numWorlds {
			e.Int(c.units[w])
		}
	}
	e.Count(len(f.pasts))
	for i := range f.pasts {
		p := &f.pasts[i]
		e.String(p.programme)
		e.String(p.partner)
		e.Currency(p.currency)
		for w := range numWorlds {
			if e.Byte(mark(p.any[w])); p.any[w] {
				e.Instant(p.last[w].Parts())
			}
		}
	}
}

// Least sizes of what is counted.
const (
	minFoldedCounterBytes = 8
	minFoldedPastBytes    = 5
)

func (d *stateDecoder) fold(a *Account) {
	purchases := int(d.Uint())
	if purchases == 0 || d.Err != nil {
		return
	}
	f := &fold{purchases: purchases, id: d.Unique(), at: rules.InstantAt(d.Instant()), newest: rules.InstantAt(d.Instant())}
	f.pages, f.sum, f.links = int(d.Uint()), uint32(d.Uint()), int(d.Uint())
	f.volumeMinor, f.bytes, f.meaning = d.Int(), int(d.Uint()), d.Hash()
	for range d.Count(minFoldedCounterBytes) {
		c := foldedCounter{counterName: counterName{partner: d.String(), offer: d.String(), unit: d.String()}}
		c.measure = measure(d.Enum(d.Byte(), 0, byte(sponsorAwards), "bad measure"))
		c.per = offer.CapPeriod(d.Enum(d.Byte(), byte(offer.PerPurchase), byte(offer.PerLife), "bad period"))
		if c.per == offer.PerRolling {
			c.days, c.at = int(d.Uint()), rules.InstantAt(d.Instant())
		} else {
			c.period = int32(d.Int())
		}
		for w := range numWorlds {
			c.units[w] = d.Int()
		}
		f.counters = append(f.counters, c)
	}
	for range d.Count(minFoldedPastBytes) {
		p := foldedPast{pastKey: pastKey{programme: d.String(), partner: d.String(), currency: d.Currency()}}
		for w := range numWorlds {
			if p.any[w] = d.Byte() != 0; p.any[w] {
				p.last[w] = rules.InstantAt(d.Instant())
			}
		}
		f.pasts = append(f.pasts, p)
	}
	if f.volumeMinor < 0 {
		d.Fail("bad volume")
	}
	d.volume(a, f.volumeMinor)
	a.newest, a.fold = rules.Later(a.newest, f.newest), f
	a.eventBytes += f.bytes
}
