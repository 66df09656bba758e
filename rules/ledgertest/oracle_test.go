package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

func instantAt(s string) rules.Instant {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return rules.InstantOf(t)
}

func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

// bakery is a programme in EUR and Paris with one partner: key M1, 5 %
// commission, an offer of 3 %.
func bakery(change ...func(*offer.Programme, *offer.Partner)) *offer.Catalogue {
	programme := offer.Programme{
		ID: "ristourne", Version: offer.Version{ID: "r1", From: rules.MinInstant}, Currency: currency("EUR"),
		Zone: zoneOf("Europe/Paris"), HorizonDays: 400, CeilingMillionths: 1_000_000,
	}
	partner := offer.Partner{
		ID: "bakery", Version: offer.Version{ID: "v1", From: rules.MinInstant}, Programme: "ristourne",
		Currency: currency("EUR"), Commission: offer.Commission{RateMillionths: 50_000},
		Stores: []offer.Store{{ID: "s1", Zone: zoneOf("Europe/Paris"), Keys: []offer.Key{
			{MID: "M1", From: rules.MinInstant, Until: rules.MaxInstant},
		}}},
		Offers: []offer.Offer{percent("three", 30_000)},
	}
	for _, c := range change {
		c(&programme, &partner)
	}
	return &offer.Catalogue{Programmes: []offer.Programme{programme}, Partners: []offer.Partner{partner}}
}

func percent(id string, rateMillionths int64) offer.Offer {
	return offer.Offer{
		ID: id, Currency: currency("EUR"), Group: offer.DefaultGroup,
		Reward: offer.Reward{Form: offer.RateReward, RateMillionths: rateMillionths},
	}
}

func monthly(id string, rateMillionths, capMinor int64) offer.Offer {
	o := percent(id, rateMillionths)
	o.Caps = []offer.Cap{{Per: offer.PerMonth, AmountMinor: capMinor}}
	return o
}

func offers(o ...offer.Offer) func(*offer.Programme, *offer.Partner) {
	return func(_ *offer.Programme, p *offer.Partner) { p.Offers = o }
}

// ev is an event at M1 in EUR; day 1 is 2024-03-01, at noon UTC.
func ev(id string, t rules.EventType, purchase string, minor int64, day int, change ...func(*rules.Event)) Record {
	e := rules.Event{
		ID: id, Type: t, TransactionID: purchase, AccountID: "a", CardToken: "c", AmountMinor: minor,
		Currency: currency("EUR"), OccurredAt: instantAt("2024-02-29T12:00:00Z").AddDays(day),
		Merchant: rules.Merchant{ID: "M1"},
	}
	for _, c := range change {
		c(&e)
	}
	return sealed(Record{Event: &e})
}

func elsewhere(e *rules.Event) { e.Merchant.ID = "ELSEWHERE" }

func original(id string) func(*rules.Event) {
	return func(e *rules.Event) { e.OriginalTransactionID = id }
}

func at(s string) func(*rules.Event) {
	return func(e *rules.Event) { e.OccurredAt = instantAt(s) }
}

func inCurrency(code string, billing string, billingMinor int64) func(*rules.Event) {
	return func(e *rules.Event) {
		e.Currency = currency(code)
		if billing != "" {
			e.BillingCurrency, e.BillingAmountMinor = currency(billing), billingMinor
		}
	}
}

func fact(id string, t rules.FactType, day int, change ...func(*rules.Fact)) Record {
	f := rules.Fact{ID: id, Type: t, AccountID: "a", At: instantAt("2024-02-29T12:00:00Z").AddDays(day)}
	for _, c := range change {
		c(&f)
	}
	return sealed(Record{Fact: &f})
}

func enrolled(day int) Record {
	return fact(fmt.Sprintf("enrolled%d", day), rules.Enrolled, day, func(f *rules.Fact) {
		f.MemberID, f.Programme, f.CardTokens = "m", "ristourne", []string{"c"}
	})
}

// tell prints sums as "purchase offer stage reward" and "purchase commission
// stage owed", with what is not usual: whose it is where it is a sponsor's, the
// unit and the cost where it is no cash.
func tell(r Result) string {
	var lines []string
	for k, s := range r.Sums {
		l := fmt.Sprintf("%s %s %s %d", k.TransactionID, k.OfferID, k.Stage, s.Reward)
		switch {
		case k.Role == rules.RolePartner && k.OfferID == "":
			l = fmt.Sprintf("%s commission %s %d", k.TransactionID, k.Stage, s.Commission)
		case k.Role == rules.RolePartner:
			l = fmt.Sprintf("%s commission of %s %s %d", k.TransactionID, k.OfferID, k.Stage, s.Commission)
		case k.Role == rules.RoleSponsor:
			l = fmt.Sprintf("%s for %s", l, k.BeneficiaryID)
		case k.TransactionID != "" && k.Kind != rules.Cash:
			l = fmt.Sprintf("%s %s %s cost %d", l, k.Kind, k.Unit, s.Cost)
		}
		lines = append(lines, l)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func tellFates(r Result) string {
	var names []string
	for _, f := range r.Fates {
		names = append(names, f.String())
	}
	return strings.Join(names, " ")
}

func TestOracleByHand(t *testing.T) {
	t.Parallel()
	const (
		auth   = rules.Authorization
		update = rules.AuthorizationUpdate
		clear  = rules.Clearing
		refund = rules.Refund
	)
	cases := []struct {
		name    string
		cat     *offer.Catalogue
		records []Record
		want    string
		fates   string
	}{
		{
			"an authorised purchase is expected, a cleared one confirmed", bakery(),
			[]Record{enrolled(0), ev("e1", auth, "t1", 1000, 1), ev("e2", auth, "t2", 2000, 1), ev("e3", clear, "t2", 2000, 2)},
			"t1 commission expected 50\nt1 three expected 30\nt2 commission confirmed 100\nt2 three confirmed 60",
			"no_change booked booked booked",
		},
		{
			"fuel: one cent authorised, eighty euros cleared", bakery(),
			[]Record{enrolled(0), ev("e1", auth, "t1", 1, 1), ev("e2", clear, "t1", 8000, 2)},
			"t1 commission confirmed 400\nt1 three confirmed 240", "no_change no_change booked",
		},
		{
			"once something cleared, the rest is no longer expected", bakery(),
			[]Record{enrolled(0), ev("e1", auth, "t1", 1000, 1), ev("e2", clear, "t1", 400, 2)},
			"t1 commission confirmed 20\nt1 three confirmed 12", "no_change booked booked",
		},
		{
			"the latest update states the total; reversals not before it count", bakery(),
			[]Record{
				enrolled(0), ev("e1", auth, "t1", 1000, 1), ev("e2", rules.Reversal, "t1", 300, 2),
				ev("e3", update, "t1", 2000, 3), ev("e4", rules.Reversal, "t1", 500, 3),
			},
			"t1 commission expected 75\nt1 three expected 45", "no_change booked booked booked booked",
		},
		{
			"increments and reversals not before the latest total count on top of it", bakery(),
			[]Record{
				enrolled(0), ev("e1", auth, "t1", 1000, 1), ev("e2", rules.AuthorizationIncrement, "t1", 300, 2),
				ev("e3", update, "t1", 2000, 3), ev("e4", rules.AuthorizationIncrement, "t1", 500, 3),
				ev("e5", rules.Reversal, "t1", 900, 4),
			},
			"t1 commission expected 80\nt1 three expected 48", "no_change booked booked booked booked booked",
		},
		{
			"without a total, all increments and reversals count", bakery(),
			[]Record{
				enrolled(0), ev("e1", rules.AuthorizationIncrement, "t1", 1000, 2), ev("e2", rules.Reversal, "t1", 400, 1),
				ev("e3", rules.AuthorizationIncrement, "t1", 200, 3),
			},
			"t1 commission expected 40\nt1 three expected 24", "no_change booked booked booked",
		},
		{
			"a full refund brings every sum to nothing", bakery(),
			[]Record{enrolled(0), ev("e1", clear, "t1", 1000, 1), ev("e2", refund, "t1", 1000, 2)},
			"", "no_change booked booked",
		},
		{
			"a chargeback is not given back twice", bakery(),
			[]Record{
				enrolled(0), ev("e1", clear, "t1", 1000, 1), ev("e2", rules.Chargeback, "t1", 400, 2),
				ev("e3", rules.ChargebackReversal, "t1", 900, 3),
			},
			"t1 commission confirmed 50\nt1 three confirmed 30", "no_change booked booked booked",
		},
		{
			"a refund before its purchase waits, over two links, from another merchant", bakery(),
			[]Record{
				enrolled(0), ev("e1", rules.Chargeback, "t3", 100, 3, original("t2"), elsewhere),
				ev("e2", refund, "t2", 400, 2, original("t1"), elsewhere), ev("e3", clear, "t1", 1000, 1),
			},
			"t1 commission confirmed 25\nt1 three confirmed 15", "no_change waiting waiting booked",
		},
		{
			"an expired authorization is worth nothing, for good", bakery(),
			[]Record{
				enrolled(0), ev("e1", auth, "t1", 1000, 1),
				fact("f1", rules.AuthorizationExpired, 9, func(f *rules.Fact) { f.TransactionID = "t1" }),
				ev("e2", update, "t1", 1000, 10),
			},
			"", "no_change booked booked no_change",
		},
		{
			"a refund under the minimum takes all back", bakery(offers(func() offer.Offer {
				o := percent("three", 30_000)
				o.MinSpendMinor = 1000
				return o
			}())),
			[]Record{enrolled(0), ev("e1", clear, "t1", 1000, 1), ev("e2", clear, "t2", 1000, 1), ev("e3", refund, "t2", 1, 2)},
			"t1 commission confirmed 50\nt1 three confirmed 30", "no_change booked booked booked",
		},
		{
			"a cap fills in order of purchase time, in each world by itself", bakery(offers(monthly("three", 30_000, 50))),
			[]Record{
				enrolled(0), ev("e1", clear, "t2", 1000, 2), ev("e2", clear, "t3", 1000, 3), ev("e3", auth, "t1", 1000, 1),
			},
			"t1 commission expected 50\nt1 three expected 30\nt2 commission confirmed 50\nt2 three confirmed 30\n" +
				"t2 three expected -10\nt3 commission confirmed 50\nt3 three confirmed 20\nt3 three expected -20",
			"no_change booked booked booked",
		},
		{
			"room that a refund frees goes to the next", bakery(offers(monthly("three", 30_000, 50))),
			[]Record{
				enrolled(0), ev("e1", clear, "t1", 1000, 1), ev("e2", clear, "t2", 1000, 2), ev("e3", clear, "t3", 1000, 3),
				ev("e4", refund, "t1", 1000, 4),
			},
			"t2 commission confirmed 50\nt2 three confirmed 30\nt3 commission confirmed 50\nt3 three confirmed 20",
			"no_change booked booked booked booked",
		},
		{
			"a month is the programme's: 23:30 UTC on the 31st is April in Paris", bakery(offers(monthly("three", 30_000, 40))),
			[]Record{
				enrolled(0), ev("e1", clear, "t1", 1000, 1, at("2024-03-31T12:00:00Z")),
				ev("e2", clear, "t2", 1000, 1, at("2024-03-31T21:59:59Z")), ev("e3", clear, "t3", 1000, 1, at("2024-03-31T22:00:00Z")),
			},
			"t1 commission confirmed 50\nt1 three confirmed 30\nt2 commission confirmed 50\nt2 three confirmed 10\n" +
				"t3 commission confirmed 50\nt3 three confirmed 30",
			"no_change booked booked booked",
		},
		{
			"the best of a group wins, groups add up, the commission bounds those that it funds",
			bakery(func(_ *offer.Programme, p *offer.Partner) {
				bonus, own := percent("bonus", 30_000), percent("own", 40_000)
				bonus.Group, bonus.Priority = "bonus", 1
				own.Group, own.FundedBy = "own", offer.FundedByProgramme
				p.Offers = []offer.Offer{percent("three", 30_000), percent("two", 20_000), bonus, own}
			}),
			[]Record{enrolled(0), ev("e1", clear, "t1", 1000, 1)},
			// 30 + 30 are funded by a commission of 50: the lower priority gives 10.
			"t1 bonus confirmed 30\nt1 commission confirmed 50\nt1 own confirmed 40\nt1 three confirmed 20",
			"no_change booked",
		},
		{
			"in a group of two currencies the purchase's own rate decides", bakery(func(_ *offer.Programme, p *offer.Partner) {
				yen := percent("yen", 0)
				yen.Currency, yen.FundedBy = currency("JPY"), offer.FundedByProgramme
				yen.Reward = offer.Reward{Form: offer.FixedReward, FixedMinor: 250}
				p.Offers = append(p.Offers, yen)
			}),
			[]Record{
				enrolled(0), ev("e1", clear, "t1", 8_400, 1, inCurrency("JPY", "EUR", 5000)),
				ev("e2", clear, "t2", 8_300, 1, inCurrency("JPY", "EUR", 5000)),
			},
			// 3 % of 8,400 yen are 252, of 8,300 yen 249.
			"t1 commission confirmed 250\nt1 three confirmed 150\nt2 commission confirmed 250\nt2 yen confirmed 250",
			"no_change booked booked",
		},
		{
			"rewards stay within the basis", bakery(func(_ *offer.Programme, p *offer.Partner) {
				p.Offers[0].Reward = offer.Reward{Form: offer.FixedReward, FixedMinor: 500}
				p.Offers[0].FundedBy = offer.FundedByProgramme
			}),
			[]Record{enrolled(0), ev("e1", clear, "t1", 120, 1)},
			"t1 commission confirmed 6\nt1 three confirmed 120", "no_change booked",
		},
		{
			"half even: 2.5 and 3.5 cents", bakery(offers(percent("three", 25_000))),
			[]Record{enrolled(0), ev("e1", clear, "t1", 100, 1), ev("e2", clear, "t2", 140, 1)},
			"t1 commission confirmed 5\nt1 three confirmed 2\nt2 commission confirmed 7\nt2 three confirmed 4",
			"no_change booked booked",
		},
		{
			"abroad by what was billed; where that can't be stated, nothing", bakery(),
			[]Record{
				enrolled(0), ev("e1", clear, "t1", 9_000, 1, inCurrency("JPY", "EUR", 5000)),
				ev("e2", clear, "t2", 9_000, 1, inCurrency("JPY", "", 0)),
			},
			"t1 commission confirmed 250\nt1 three confirmed 150", "no_change booked no_change",
		},
		{
			"the version in force at purchase time decides, and an unlinked card earns nothing",
			func() *offer.Catalogue {
				cat := bakery()
				next := bakery(offers(percent("three", 10_000))).Partners[0]
				next.Version = offer.Version{ID: "v2", From: instantAt("2024-03-03T00:00:00Z")}
				cat.Partners = append(cat.Partners, next)
				return cat
			}(),
			[]Record{
				enrolled(0), ev("e1", auth, "t1", 1000, 1), ev("e2", clear, "t1", 1000, 5), ev("e3", clear, "t2", 1000, 4),
				ev("e4", clear, "t3", 1000, 4, func(e *rules.Event) { e.CardToken = "other" }),
			},
			"t1 commission confirmed 50\nt1 three confirmed 30\nt2 commission confirmed 50\nt2 three confirmed 10",
			"no_change booked booked booked no_change",
		},
		{
			"a purchase moves when an earlier authorization comes in", bakery(),
			[]Record{
				enrolled(2), ev("e1", auth, "t1", 1000, 3), ev("e2", update, "t1", 1000, 4, func(e *rules.Event) {
					e.PurchasedAt, e.HasPurchasedAt = instantAt("2024-03-01T00:00:00Z"), true
				}),
			},
			"", "no_change booked booked",
		},
		{
			"fates", bakery(),
			[]Record{
				ev("e1", auth, "t1", 1000, 1), enrolled(0), ev("e2", auth, "t1", 1000, 1, elsewhere),
				ev("e3", auth, "t1", 1000, 1, func(e *rules.Event) { e.Declined = true }), ev("e1", auth, "t1", 1000, 1),
				ev("e1", auth, "t1", 1000, 1), ev("e1", auth, "t1", 1001, 1), ev("e4", clear, "t1", 1000, 500, elsewhere),
				ev("e5", auth, "t0", 1000, 99), ev("e6", auth, "t9", 1000, 100), ev("e7", refund, "t8", 1, 409),
				ev("e8", refund, "t8", 1, 410), fact("f", rules.Left, 99), fact("f", rules.Left, 100), fact("f", rules.Left, 100),
				fact("f", rules.Left, 101),
			},
			"t1 commission confirmed 50\nt1 three confirmed 30", // t9 is of the instant from which they have left
			"no_member no_change unmatched declined booked duplicate dead_letter booked too_late booked too_late waiting " +
				"too_late booked duplicate dead_letter",
		},
		{
			"a late event changes only its purchase, within the room that all others leave",
			bakery(offers(monthly("three", 30_000, 50))),
			[]Record{
				enrolled(0), ev("e1", clear, "t1", 1000, 1), ev("e2", clear, "t2", 500, 2), ev("e3", clear, "t3", 1000, 3),
				ev("e4", clear, "t2", 5000, 403), ev("e5", refund, "t1", 1000, 403),
			},
			// t3 keeps the 5 that were left for it; t1 gives its 30 to no one.
			"t2 commission confirmed 275\nt2 three confirmed 15\nt3 commission confirmed 50\nt3 three confirmed 5",
			"no_change booked booked booked booked booked",
		},
		{
			"money that facts move", bakery(),
			[]Record{
				fact("f1", rules.Adjustment, 1, func(f *rules.Fact) { f.AmountMinor, f.Currency = -70, currency("EUR") }), enrolled(0),
				fact("f2", rules.PointsSpent, 2, func(f *rules.Fact) { f.AmountMinor, f.Unit = 10, "PTS" }),
			},
			"  confirmed -10\n  confirmed -70", "no_change booked booked",
		},
		{
			"commission on every sale, and on none that has no member", bakery(func(_ *offer.Programme, p *offer.Partner) {
				p.Commission = offer.Commission{FixedMinor: 25, On: offer.OnSale}
				p.Offers[0].MinSpendMinor = 5000
			}),
			[]Record{
				enrolled(2), ev("e1", clear, "t1", 1000, 1), ev("e2", clear, "t2", 1000, 3),
				ev("e3", clear, "t3", 1000, 3), ev("e4", refund, "t3", 1000, 4),
			},
			"t2 commission confirmed 25", "no_change no_change booked booked booked",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Oracle(c.cat, c.records)
			if tell(got) != c.want {
				t.Errorf("sums:\n%s\nwant:\n%s", tell(got), c.want)
			}
			if tellFates(got) != c.fates {
				t.Errorf("fates: %s\nwant:  %s", tellFates(got), c.fates)
			}
		})
	}
}

func TestOracleInstructs(t *testing.T) {
	t.Parallel()
	got := Oracle(bakery(), []Record{
		enrolled(0), ev("e1", rules.Clearing, "t1", 1000, 1), ev("e2", rules.Refund, "t1", 500, 2), ev("e3", rules.Authorization, "t2", 500, 2),
	})
	eur := Payee{"a", currency("EUR")}
	for i, want := range []int64{0, 30, -15, 0} {
		if got.Steps[i][eur] != want {
			t.Errorf("record %d instructs %d, want %d", i, got.Steps[i][eur], want)
		}
	}
	if got.Instructed[eur] != 15 {
		t.Errorf("instructed %d, want 15", got.Instructed[eur])
	}
}

func TestOracleDropsTheOldestBeyondTheLimit(t *testing.T) {
	t.Parallel()
	records := []Record{enrolled(0)}
	for i := range waitingLimit + 1 {
		records = append(records, ev(fmt.Sprintf("e%03d", i), rules.Refund, "t1", 1, 1))
	}
	records = append(records, ev("opener", rules.Clearing, "t1", 10_200, 1), records[1])
	got := Oracle(bakery(), records)
	// 200 of 201 refunds were kept; the first is new when it comes again.
	if want := "t1 commission confirmed 500\nt1 three confirmed 300"; tell(got) != want {
		t.Errorf("sums:\n%s\nwant:\n%s", tell(got), want)
	}
	if f := got.Fates[len(got.Fates)-1]; f != rules.Booked {
		t.Errorf("a dropped record that comes again is %s, though it lowers the basis by a cent", f)
	}
}

func TestOracleMatchesByRank(t *testing.T) {
	t.Parallel()
	key := func(k offer.Key) []offer.Key {
		k.From, k.Until = cmpInstant(k.From, rules.MinInstant), cmpInstant(k.Until, rules.MaxInstant)
		return []offer.Key{k}
	}
	cat := bakery(func(_ *offer.Programme, p *offer.Partner) {
		p.Stores = []offer.Store{
			{ID: "mid", Keys: key(offer.Key{MID: "M"})},
			{ID: "acquirer", Keys: key(offer.Key{MID: "M", AcquirerID: "A"})},
			{ID: "sub", Keys: key(offer.Key{MID: "M", SubMerchantID: "S"})},
			{ID: "network", Keys: key(offer.Key{NetworkMerchantID: "N", Network: "VISA", Until: instantAt("2024-03-10T00:00:00Z")})},
		}
	})
	for _, c := range []struct {
		merchant rules.Merchant
		want     string
	}{
		{rules.Merchant{ID: "M"}, "mid"},
		{rules.Merchant{ID: "M", AcquirerID: "B"}, "mid"},
		{rules.Merchant{ID: "M", AcquirerID: "A"}, "acquirer"},
		{rules.Merchant{ID: "M", AcquirerID: "A", SubMerchantID: "S"}, "sub"},
		{rules.Merchant{ID: "M", AcquirerID: "A", SubMerchantID: "T"}, ""},
		{rules.Merchant{ID: "X", NetworkMerchantID: "N", Network: "VISA"}, "network"},
		{rules.Merchant{ID: "M", NetworkMerchantID: "N", Network: "MC"}, "mid"},
		{rules.Merchant{ID: "m"}, ""},
	} {
		e := ev("e", rules.Clearing, "t", 1, 1, func(e *rules.Event) { e.Merchant = c.merchant }).Event
		got := ""
		if p, ok := newOracle(cat).match(e); ok {
			got = p.store.ID
		}
		if got != c.want {
			t.Errorf("%+v matches %q, want %q", c.merchant, got, c.want)
		}
	}
	e := ev("e", rules.Clearing, "t", 1, 9, at("2024-03-10T00:00:00Z"), func(e *rules.Event) {
		e.Merchant = rules.Merchant{ID: "M", AcquirerID: "A", NetworkMerchantID: "N", Network: "VISA"}
	}).Event
	if p, _ := newOracle(cat).match(e); p.store == nil || p.store.ID != "acquirer" {
		t.Errorf("a key that is over still decides: %+v", p.store)
	}
}

func cmpInstant(i, otherwise rules.Instant) rules.Instant {
	if i == (rules.Instant{}) {
		return otherwise
	}
	return i
}

func TestWallClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, local, want string }{
		{"Europe/Paris", "2024-03-31T02:30:00", "2024-03-31T01:00:00Z"}, // never shown: after the gap
		{"Europe/Paris", "2024-10-27T02:30:00", "2024-10-27T00:30:00Z"}, // shown twice: the first
		{"Australia/Lord_Howe", "2024-04-07T01:45:00", "2024-04-06T14:45:00Z"},
		{"America/New_York", "2024-03-10T02:00:00", "2024-03-10T07:00:00Z"},
		{"UTC", "2024-03-10T02:00:00", "2024-03-10T02:00:00Z"},
	} {
		l, err := time.Parse("2006-01-02T15:04:05", c.local)
		if err != nil {
			t.Fatal(err)
		}
		got := reached(offer.LocalTime{Year: l.Year(), Month: l.Month(), Day: l.Day(), Hour: l.Hour(), Min: l.Minute(), Sec: l.Second()}, zoneOf(c.zone))
		if got.UTC().Format(time.RFC3339) != c.want {
			t.Errorf("%s in %s is reached at %s, want %s", c.local, c.zone, got.UTC(), c.want)
		}
	}
}

func TestRounding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor, millionths               int64
		halfEven, halfUp, down, upwards int64
	}{
		{5, 500_000, 2, 3, 2, 3},
		{7, 500_000, 4, 4, 3, 4},
		{1, 499_999, 0, 0, 0, 1},
		{1, 500_001, 1, 1, 0, 1},
		{4, 500_000, 2, 2, 2, 2},
	} {
		exact := share(c.minor, c.millionths)
		got := [4]int64{round(exact, money.HalfEven), round(exact, money.HalfUp), round(exact, money.Down), round(exact, money.Up)}
		if want := [4]int64{c.halfEven, c.halfUp, c.down, c.upwards}; got != want {
			t.Errorf("%d x %d: %v, want %v", c.minor, c.millionths, got, want)
		}
	}
}
