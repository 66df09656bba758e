package engine

import (
	"hash/crc32"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/offer"
)

// pageFormat is the version byte of a page of what is put away: purchases, then
// payments.
const pageFormat = 2

// pageFormatWithoutPayments is of pages of purchases alone.
const pageFormatWithoutPayments = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(page []byte) uint32 { return crc32.Checksum(page, castagnoli) }

// page is purchases and payments of the account in bytes, by themselves.
func (a *Account) page(purchases []purchase, payments []payment) []byte {
	w := stateEncoder{codec.Encoder{Bytes: []byte{pageFormat}, Dictionary: a.emptyDictionary()}}
	w.Count(len(purchases))
	for i := range purchases {
		w.purchase(a, &purchases[i])
	}
	w.Count(len(payments))
	for i := range payments {
		w.Bytes = appendPayment(w.Bytes, &payments[i])
	}
	return w.Bytes
}

// readPage adds the purchases of a page to the account, and its payments to those
// of the pages before. Their strings point into page.
func (a *Account) readPage(page []byte, payments *[]payment) error {
	d := stateDecoder{Decoder: codec.Decoder{Rest: page, Dictionary: a.emptyDictionary()}, format: accountFormat}
	format := d.Byte()
	if format != pageFormat && format != pageFormatWithoutPayments {
		d.Fail("page of an account of an unknown format")
	}
	d.purchases(a)
	if format == pageFormatWithoutPayments {
		return d.Done()
	}
	for range d.Count(minPaymentBytes) {
		x, rest, err := decodePayment(d.Rest)
		if err != nil {
			return err
		}
		if d.Rest = rest; int(x.balance) >= len(a.balances) {
			d.Fail("instruction of an unknown balance")
		}
		*payments = append(*payments, x)
	}
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
	e.foldedCounters(f.counters)
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
	e.Byte(mark(f.earned.known)*foldKnowsEarned | mark(f.earned.points)*foldPoints | mark(f.earned.wallet)*foldWallet |
		mark(f.granted)*foldGranted | mark(f.refused)*foldRefused | mark(f.apart)*foldHeldApart)
	e.foldedPayments(&f.payments)
	if f.earned.known {
		e.foldedEarned(&f.earned)
	}
	if f.apart {
		e.foldedCounters(f.held)
	}
}

// The flags of a fold.
const (
	foldKnowsEarned = 1 << iota // what its purchases were confirmed in cash follows
	foldGranted
	foldRefused
	foldHeldApart // counters with what budgets gave follow
	foldPoints
	foldWallet
	foldFlags = 1<<iota - 1
)

func (e *stateEncoder) foldedCounters(counters []foldedCounter) {
	e.Count(len(counters))
	for i := range counters {
		c := &counters[i]
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
}

func (e *stateEncoder) foldedPayments(f *foldedPayments) {
	e.Count(f.count)
	e.Count(f.results)
	e.Count(len(f.rejections))
	for i := range f.rejections {
		r := &f.rejections[i]
		e.Count(int(r.balance))
		e.Byte(mark(r.debit)*rejectedDebit | mark(r.needsPerson)*rejectedForPerson)
		e.Instant(r.at.Parts())
	}
}

func (e *stateEncoder) foldedEarned(c *foldedEarned) {
	e.Count(len(c.cashMinor))
	for _, minor := range c.cashMinor {
		e.Int(minor)
	}
	if len(c.cashMinor) > 0 {
		e.Instant(c.cleared.Parts())
	}
}

const (
	rejectedDebit = 1 << iota
	rejectedForPerson
)

// Least sizes of what is counted.
const (
	minFoldedCounterBytes = 8
	minFoldedPastBytes    = 5
	minRejectionBytes     = 3
)

func (d *stateDecoder) fold(a *Account) {
	purchases := int(d.Uint())
	if purchases == 0 || d.Err != nil {
		return
	}
	f := &fold{purchases: purchases, id: d.Unique(), at: rules.InstantAt(d.Instant()), newest: rules.InstantAt(d.Instant())}
	f.pages, f.sum, f.links = int(d.Uint()), uint32(d.Uint()), int(d.Uint())
	f.volumeMinor, f.bytes, f.meaning = d.Int(), int(d.Uint()), d.Hash()
	f.counters = d.foldedCounters()
	for range d.Count(minFoldedPastBytes) {
		p := foldedPast{pastKey: pastKey{programme: d.String(), partner: d.String(), currency: d.Currency()}}
		for w := range numWorlds {
			if p.any[w] = d.Byte() != 0; p.any[w] {
				p.last[w] = rules.InstantAt(d.Instant())
			}
		}
		f.pasts = append(f.pasts, p)
	}
	if d.format > accountFormatWithoutFoldedPayments {
		flags := d.Byte()
		if flags&^byte(foldFlags) != 0 {
			d.Fail("fold of an unknown form")
		}
		d.foldedPayments(a, &f.payments)
		if f.earned.known = flags&foldKnowsEarned != 0; f.earned.known {
			d.foldedEarned(a, &f.earned)
		}
		f.earned.points, f.earned.wallet = flags&foldPoints != 0, flags&foldWallet != 0
		f.granted, f.refused = flags&foldGranted != 0, flags&foldRefused != 0
		if f.apart = flags&foldHeldApart != 0; f.apart {
			f.held = d.foldedCounters()
		}
	}
	if f.volumeMinor < 0 {
		d.Fail("bad volume")
	}
	d.volume(a, f.volumeMinor)
	a.newest, a.fold = rules.Later(a.newest, f.newest), f
	a.eventBytes += f.bytes
}

func (d *stateDecoder) foldedPayments(a *Account, f *foldedPayments) {
	f.count, f.results = int(d.Uint()), int(d.Uint())
	for range d.Count(minRejectionBytes) {
		balance, flags := d.Uint(), d.Byte()
		r := foldedRejection{
			balance: int32(balance), debit: flags&rejectedDebit != 0, needsPerson: flags&rejectedForPerson != 0, at: rules.InstantAt(d.Instant()),
		}
		if balance >= uint64(len(a.balances)) {
			d.Fail("rejection of an unknown balance")
		}
		f.rejections = append(f.rejections, r)
	}
}

func (d *stateDecoder) foldedEarned(a *Account, c *foldedEarned) {
	c.cleared = rules.MinInstant
	for range d.Count(1) {
		c.cashMinor = append(c.cashMinor, d.Int())
	}
	if len(c.cashMinor) > len(a.balances) {
		d.Fail("bad count")
	}
	if len(c.cashMinor) > 0 {
		c.cleared = rules.InstantAt(d.Instant())
	}
}

func (d *stateDecoder) foldedCounters() (counters []foldedCounter) {
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
		counters = append(counters, c)
	}
	return counters
}
