package ledgertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// The bakery gives 3 %: 1000 cleared are 30. Day 1 is 2024-03-01, at noon.
func paying(p offer.Payout, change ...func(*offer.Programme, *offer.Partner)) *offer.Catalogue {
	return bakery(append(change, func(programme *offer.Programme, _ *offer.Partner) { programme.Payout = p })...)
}

func inCycles(p offer.Payout) offer.Payout {
	p.Cycle.Kind = offer.DailyCycle
	return p
}

func closed(n, day int, change ...func(*rules.Fact)) Record {
	return fact(fmt.Sprintf("cycle%d", n), rules.CycleClosed, day, append([]func(*rules.Fact){func(f *rules.Fact) {
		f.Programme, f.Cycle = "ristourne", fmt.Sprintf("c%d", n)
	}}, append(change, func(f *rules.Fact) { f.AsOf = f.At.String() })...)...)
}

func to(account string) func(*rules.Fact) { return func(f *rules.Fact) { f.AccountID = account } }

// plus moves a fact by nanoseconds.
func plus(nanoseconds time.Duration) func(*rules.Fact) {
	return func(f *rules.Fact) { f.At = rules.InstantOf(f.At.Time().Add(nanoseconds)) }
}

func released(day int) Record {
	return fact(fmt.Sprintf("released%d", day), rules.PayoutReleased, day, func(f *rules.Fact) { f.Programme = "ristourne" })
}

func adjust(id string, minor int64, day int, change ...func(*rules.Fact)) Record {
	return fact(id, rules.Adjustment, day, append([]func(*rules.Fact){func(f *rules.Fact) {
		f.AmountMinor, f.Currency, f.Reason, f.ApprovedBy = minor, currency("EUR"), "goodwill", "support"
	}}, change...)...)
}

// bankSays is a result on the instruction of the nth record, in EUR.
func bankSays(record int, status rules.ResultStatus, reason string, day int) Record {
	return Record{Result: &rules.Result{
		InstructionID: fmt.Sprintf("a-ristourne-EUR-%d", record), AccountID: "a", Status: status, Reason: reason,
		At: instantAt("2024-02-29T12:00:00Z").AddDays(day),
	}}
}

func rejected(record, day int) Record { return bankSays(record, rules.Rejected, "AG01", day) }

func back(id, purchase string, minor int64, day int) Record {
	return ev(id, rules.Refund, purchase, minor, day)
}

// tellInstructions prints them as "record:amount", with cycle, method and mark where
// there are any.
func tellInstructions(r Result) string {
	var words []string
	for i, all := range r.Instructions {
		for _, x := range all {
			w := fmt.Sprintf("%d:%+d", i, x.Minor)
			if x.Currency != currency("EUR") {
				w += " " + x.Currency.String()
			}
			if x.AccountID != "a" {
				w += " to " + x.AccountID
			}
			if x.Cycle != "" {
				w += " " + x.Cycle
			}
			if x.Method.Method != rules.ByCard {
				w += fmt.Sprintf(" by %s to %s", x.Method.Method, x.Method.Name)
			}
			if x.Shadow {
				w += " shadow"
			}
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

type payoutCase struct {
	name    string
	cat     *offer.Catalogue
	records []Record
	want    string
	fates   string // where they matter
}

func (c payoutCase) run(t *testing.T) {
	t.Helper()
	got := Oracle(c.cat, c.records)
	if s := tellInstructions(got); s != c.want {
		t.Errorf("%s: %s, want %s", c.name, s, c.want)
	}
	if f := tellFates(got); c.fates != "" && f != c.fates {
		t.Errorf("%s: fates %s, want %s", c.name, f, c.fates)
	}
	engines, err := byHand(c.cat, c.records)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	if s := tellInstructions(engines); s != c.want {
		t.Errorf("%s: the engine says %s, want %s", c.name, s, c.want)
	}
	if f := tellFates(engines); c.fates != "" && f != c.fates {
		t.Errorf("%s: the engine's fates %s, want %s", c.name, f, c.fates)
	}
}

// byHand is the engine's answer to records whose results name instructions as the
// oracle numbers them, with the referrals directly after what caused them.
func byHand(cat *offer.Catalogue, records []Record) (Result, error) {
	snapshot, err := engine.Compile(cat)
	if err != nil {
		return Result{}, err
	}
	b := openBooks(cat, snapshot, 1, how{})
	ids := map[string]string{}
	var all Result
	for i, r := range records {
		if r.Result != nil {
			result := *r.Result
			result.InstructionID = cmp.Or(ids[result.InstructionID], result.InstructionID)
			r.Result = &result
		}
		from := len(b.records)
		if err := b.apply(r, true); err != nil {
			return Result{}, err
		}
		if err := b.deliver(100, 0); err != nil {
			return Result{}, err
		}
		for n, orders := range b.Instructions[from:] {
			for k, x := range orders {
				ids[numbered(i, x)] = b.ids[from+n][k].ID
			}
		}
		all.Fates = append(all.Fates, b.Fates[from])
		all.Instructions = append(all.Instructions, slices.Concat(b.Instructions[from:]...))
	}
	all.Sums = b.Sums
	return all, nil
}

func TestPayoutsAtOnce(t *testing.T) {
	t.Parallel()
	byDefault := paying(offer.Payout{})
	net := paying(offer.Payout{Negative: offer.NegativeNet})
	for _, c := range []payoutCase{
		{
			"each change is instructed by itself", byDefault,
			[]Record{enrolled(0), buy("t1", day(1)), back("r1", "t1", 400, 2), ev("e2", rules.Authorization, "t2", 1000, 3)},
			"1:+30, 2:-12", "no_change booked booked booked",
		},
		{
			"a debt waits for what comes", net,
			[]Record{enrolled(0), buy("t1", day(1)), back("r1", "t1", 1000, 2), buy("t2", day(3)), buy("t3", day(4))},
			"1:+30, 4:+30", "",
		},
		{
			"a debt lessens what comes", net,
			[]Record{enrolled(0), buy("t1", day(1)), back("r1", "t1", 400, 2), buy("t2", day(3))},
			"1:+30, 3:+18", "",
		},
		{
			"a rejection is instructed anew, until three in a row", byDefault,
			[]Record{enrolled(0), buy("t1", day(1)), rejected(1, 2), rejected(2, 3), rejected(3, 4), buy("t2", day(5))},
			"1:+30, 2:+30, 3:+30", "no_change booked booked booked booked booked",
		},
		{
			"a release pays what is due", byDefault,
			[]Record{enrolled(0), buy("t1", day(1)), bankSays(1, rules.Rejected, "AC04", 2), buy("t2", day(3)), released(4), buy("t3", day(5))},
			"1:+30, 4:+60, 5:+30", "no_change booked booked booked booked booked",
		},
		{
			"a rejection dated as the release counts still", byDefault,
			[]Record{enrolled(0), buy("t1", day(1)), bankSays(1, rules.Rejected, "MD07", 2), released(2), buy("t2", day(3))},
			"1:+30", "",
		},
		{
			"AM05 was paid, and ends the row", paying(offer.Payout{Attempts: 2}),
			[]Record{enrolled(0), buy("t1", day(1)), rejected(1, 2), bankSays(2, rules.Rejected, "AM05", 3), buy("t2", day(4)), rejected(4, 5)},
			"1:+30, 2:+30, 4:+30, 5:+30", "",
		},
		{
			"no result is passed over; settled ends the row", paying(offer.Payout{Attempts: 2}),
			[]Record{
				enrolled(0), buy("t1", day(1)), buy("t2", day(2)), buy("t3", day(3)), // 1 2 3
				rejected(1, 4), rejected(3, 4), // 4 anew; then 1, 3 in a row
				buy("t4", day(5)), bankSays(2, rules.Settled, "", 6), buy("t5", day(7)),
			},
			"1:+30, 2:+30, 3:+30, 4:+30, 8:+30", "",
		},
		{
			"a return after settled is a rejection; the latest date counts, whatever came first", byDefault,
			[]Record{
				enrolled(0), buy("t1", day(1)), bankSays(1, rules.Settled, "", 5), rejected(1, 3), rejected(1, 5),
				bankSays(1, rules.Settled, "", 5), bankSays(1, rules.Accepted, "", 5), bankSays(1, rules.Settled, "", 9),
			},
			"1:+30, 4:+30", "no_change booked booked no_change booked duplicate no_change booked",
		},
		{
			"a result on nothing", byDefault,
			[]Record{enrolled(0), rejected(7, 1), rejected(7, 1)},
			"", "no_change unmatched unmatched",
		},
		{
			"a rejected debit is a debt, which a cycle takes", byDefault,
			[]Record{enrolled(0), buy("t1", day(1)), back("r1", "t1", 400, 2), rejected(2, 3), closed(1, 4)},
			"1:+30, 2:-12, 4:-12", "no_change booked booked booked booked",
		},
		{
			"a rejection pays no more than is due", byDefault,
			[]Record{enrolled(0), buy("t1", day(1)), buy("t2", day(2)), back("r1", "t1", 1000, 3), rejected(2, 4)},
			"1:+30, 2:+30, 3:-30, 4:+30", "",
		},
		{
			"debits get stuck by themselves", paying(offer.Payout{Attempts: 1}),
			[]Record{
				enrolled(0), buy("t1", day(1)), back("r1", "t1", 400, 2), rejected(2, 3), back("r2", "t1", 300, 4), closed(1, 5), buy("t2", day(6)),
				buy("t3", day(7)),
			},
			"1:+30, 2:-12, 6:+9, 7:+30", "",
		},
		{
			"a rejection before the release is passed over", paying(offer.Payout{Attempts: 1}),
			[]Record{enrolled(0), buy("t1", day(1)), buy("t2", day(2)), rejected(2, 3), released(4), rejected(1, 5), buy("t3", day(6))},
			"1:+30, 2:+30, 4:+30", "",
		},
		{
			"what was not paid is not taken", byDefault,
			[]Record{enrolled(0), buy("t1", day(1)), bankSays(1, rules.Rejected, "AC06", 2), back("r1", "t1", 400, 3)},
			"1:+30", "",
		},
		{
			"a change takes no older debt", withVersion(paying(offer.Payout{Negative: offer.NegativeNet}), 3, func(p *offer.Programme) { p.Payout = offer.Payout{} }),
			[]Record{enrolled(0), buy("t1", day(1)), back("r1", "t1", 400, 2), back("r2", "t1", 300, 3)},
			"1:+30, 3:-9", "",
		},
		{
			"from a day on", paying(offer.Payout{PayFrom: instantAt(day(3))}),
			[]Record{
				enrolled(0), buy("t1", "2024-03-03T11:59:59.999999999Z"), buy("t2", day(3)), ev("e3", rules.Clearing, "t1", 500, 4),
				back("r2", "t2", 400, 5), adjust("x1", -300, 2),
			},
			"2:+30, 4:-12", "",
		},
		{
			"a cycle pays what came after it too", withVersion(paying(offer.Payout{}), 10, func(p *offer.Programme) { p.Payout = inCycles(offer.Payout{}) }),
			[]Record{enrolled(0), buy("t1", day(11)), closed(1, 7)},
			"2:+30", "",
		},
		{
			"adjustments are paid and taken", byDefault,
			[]Record{enrolled(0), adjust("x1", 500, 1), adjust("x2", -200, 2)},
			"1:+500, 2:-200", "",
		},
		{
			"an adjustment follows an enrolment that comes late", inTwoProgrammes(),
			[]Record{
				enrolled(0), adjust("x1", 500, 5), adjust("x2", 70, 5, func(f *rules.Fact) { f.Programme = "ristourne" }),
				fact("moved", rules.Enrolled, 3, func(f *rules.Fact) { f.MemberID, f.Programme = "m", "club" }),
			},
			"1:+500, 2:+70, 3:+500, 3:-500", "",
		},
		{
			"a cycle pays what a change to at once left", withVersion(paying(inCycles(offer.Payout{})), 5, func(p *offer.Programme) { p.Payout = offer.Payout{} }),
			[]Record{enrolled(0), buy("t1", day(1)), buy("t2", day(6)), closed(1, 7), closed(2, 7)},
			"2:+30, 3:+30", "no_change booked booked booked no_change",
		},
	} {
		c.run(t)
	}
}

// withVersion adds a version of the programme from noon of the day on.
func withVersion(cat *offer.Catalogue, day int, change func(*offer.Programme)) *offer.Catalogue {
	p := cat.Programmes[len(cat.Programmes)-1]
	p.Version = offer.Version{ID: fmt.Sprintf("r%d", len(cat.Programmes)+1), From: instantAt("2024-02-29T12:00:00Z").AddDays(day)}
	change(&p)
	cat.Programmes = append(cat.Programmes, p)
	return cat
}

func TestPayoutsInCycles(t *testing.T) {
	t.Parallel()
	daily := paying(inCycles(offer.Payout{}))
	for _, c := range []payoutCase{
		{
			"a cycle pays once", daily,
			[]Record{enrolled(0), buy("t1", day(1)), buy("t2", day(1)), closed(1, 2), closed(1, 2), closed(2, 2), closed(3, 1), buy("t3", day(1)), closed(4, 3)},
			"3:+60 c1, 8:+30 c4", "no_change booked booked booked duplicate no_change no_change booked booked",
		},
		{
			"what is mature at T", paying(inCycles(offer.Payout{HoldDays: 14})),
			[]Record{enrolled(0), buy("t1", day(1)), closed(1, 15, plus(-1)), closed(2, 15)},
			"3:+30 c2", "",
		},
		{
			"a refund matures nothing later", paying(inCycles(offer.Payout{HoldDays: 14})),
			[]Record{enrolled(0), buy("t1", day(1)), back("r1", "t1", 400, 3), closed(1, 15)},
			"3:+18 c1", "",
		},
		{
			"what will be taken is not paid", daily,
			[]Record{enrolled(0), buy("t1", day(1)), adjust("x1", -10, 9), closed(1, 8)},
			"3:+20 c1", "",
		},
		{
			"a sponsor's is mature with the buyer's purchase", paying(inCycles(offer.Payout{HoldDays: 14}), offers(offerWith("three", rate(30_000), func(o *offer.Offer) {
				o.Sponsor = offer.Sponsor{FixedMinor: 7}
			}))),
			[]Record{
				enrolledAs("s", -1), enrolledAs("a", 0, sponsoredBy("s")), buy("t1", day(1)), ev("e2", rules.Clearing, "t1", 100, 3),
				closed(1, 15, to("s")), closed(2, 17, plus(-1), to("s")), closed(3, 17, to("s")),
			},
			"6:+7 to s c3", "",
		},
		{
			"the latest clearing", paying(inCycles(offer.Payout{HoldDays: 14})),
			[]Record{enrolled(0), buy("t1", day(1)), ev("e2", rules.Clearing, "t1", 100, 3), closed(1, 15), closed(2, 17, plus(-1)), closed(3, 17)},
			"5:+33 c3", "",
		},
		{
			"immature again holds back, and is no debt", paying(inCycles(offer.Payout{HoldDays: 2, Negative: offer.NegativeDebit})),
			[]Record{
				enrolled(0), buy("t1", day(1)), buy("t2", day(2), of("a")), closed(1, 3), // t1
				ev("e2", rules.Clearing, "t1", 1000, 4), closed(2, 5), closed(3, 6),
			},
			"3:+30 c1, 6:+60 c3", "",
		},
		{
			"an adjustment has no hold, and is dated", paying(inCycles(offer.Payout{HoldDays: 14})),
			[]Record{enrolled(0), adjust("x1", 500, 3), closed(1, 3, plus(-1)), closed(2, 3), adjust("x2", -200, 9), buy("t1", day(1)), closed(3, 8), closed(4, 15)},
			"3:+500 c2", "",
		},
		{
			"what is too little is carried over", paying(inCycles(offer.Payout{FromMinor: 60})),
			[]Record{enrolled(0), buy("t1", day(1)), adjust("x1", 29, 1), closed(1, 2), adjust("x2", 1, 3), closed(2, 3)},
			"5:+60 c2", "",
		},
		{
			"but not for who has left", paying(inCycles(offer.Payout{FromMinor: 60})),
			[]Record{enrolled(0), buy("t1", day(1)), fact("left", rules.Left, 5), closed(1, 5, plus(-1)), closed(2, 5)},
			"4:+30 c2", "",
		},
		{
			"nor in another currency", paying(inCycles(offer.Payout{FromMinor: 6000})),
			[]Record{enrolled(0), adjust("x1", 29, 1, func(f *rules.Fact) { f.Currency = currency("USD") }), closed(1, 2)},
			"2:+29 USD c1", "",
		},
		{
			"a debt is netted", daily,
			[]Record{enrolled(0), buy("t1", day(1)), closed(1, 2), back("r1", "t1", 400, 3), closed(2, 4), buy("t2", day(5)), closed(3, 6)},
			"2:+30 c1, 6:+18 c3", "",
		},
		{
			"a debt is taken", paying(inCycles(offer.Payout{Negative: offer.NegativeDebit, FromMinor: 20})),
			[]Record{enrolled(0), buy("t1", day(1)), closed(1, 2), back("r1", "t1", 400, 3), closed(2, 4)},
			"2:+30 c1, 4:-12 c2", "",
		},
		{
			"a debt is taken after some days, from the first cycle that saw it", paying(inCycles(offer.Payout{Negative: offer.NegativeDebit, DebitAfterDays: 7})),
			[]Record{enrolled(0), buy("t1", day(1)), closed(1, 2), back("r1", "t1", 400, 3), closed(2, 4), closed(3, 11, plus(-1)), closed(4, 11)},
			"2:+30 c1, 6:-12 c4", "",
		},
		{
			"a row ends where there is no debt", paying(inCycles(offer.Payout{Negative: offer.NegativeDebit, DebitAfterDays: 7})),
			[]Record{
				enrolled(0), buy("t1", day(1)), closed(1, 2), back("r1", "t1", 400, 3), closed(2, 4), adjust("x1", 12, 5), closed(3, 6), adjust("x2", -12, 7),
				closed(4, 8), closed(5, 11), closed(6, 15),
			},
			"2:+30 c1, 10:-12 c6", "",
		},
		{
			"a small debt that lasts is given up, for good", paying(inCycles(offer.Payout{
				Negative: offer.NegativeDebit, DebitAfterDays: 30, WriteOff: offer.WriteOff{UpToMinor: 12, AfterDays: 7},
			})),
			[]Record{
				enrolled(0), buy("t1", day(1)), closed(1, 2), back("r1", "t1", 400, 3), closed(2, 4), closed(3, 11, plus(-1)), closed(4, 11),
				buy("t2", day(12)), closed(5, 13),
				buy("t3", day(14)), closed(6, 60),
			},
			"2:+30 c1, 8:+30 c5, 10:+30 c6", "",
		},
		{
			"a larger one isn't", paying(inCycles(offer.Payout{
				Negative: offer.NegativeDebit, DebitAfterDays: 30, WriteOff: offer.WriteOff{UpToMinor: 11, AfterDays: 7},
			})),
			[]Record{enrolled(0), buy("t1", day(1)), closed(1, 2), back("r1", "t1", 400, 3), closed(2, 4), closed(3, 20), closed(4, 34)},
			"2:+30 c1, 6:-12 c4", "",
		},
		{
			"rejected is due again in the next cycle, until stuck", paying(inCycles(offer.Payout{Attempts: 2})),
			[]Record{
				enrolled(0), buy("t1", day(1)), closed(1, 2), rejected(2, 3), closed(2, 4), rejected(4, 5), closed(3, 6), released(7), closed(4, 8),
			},
			"2:+30 c1, 4:+30 c2, 8:+30 c4", "",
		},
		{
			"in shadow", withVersion(paying(inCycles(offer.Payout{Shadow: true})), 4, func(p *offer.Programme) { p.Payout.Shadow = false }),
			[]Record{enrolled(0), buy("t1", day(1)), closed(1, 2), rejected(2, 3), buy("t2", day(3)), closed(2, 4)},
			"2:+30 c1 shadow, 5:+30 c2", "no_change booked booked unmatched booked booked",
		},
		{
			"from a day on", withVersion(paying(inCycles(offer.Payout{})), 4, func(p *offer.Programme) { p.Payout.PayFrom = instantAt(day(3)) }),
			[]Record{
				enrolled(0), buy("t1", "2024-03-03T11:59:59.999999999Z"), buy("t2", day(3)), adjust("x1", 500, 2), closed(1, 2), back("r1", "t1", 400, 4),
				buy("t3", day(6)), closed(2, 5),
			},
			"4:+500 c1, 7:+30 c2", "",
		},
		{
			"by the method at T", daily,
			[]Record{enrolled(0), buy("t1", day(1)), method("m1", rules.ByTransfer, 2), method("m2", rules.ByCheque, 3), closed(1, 3, plus(-1)), buy("t2", day(3)), closed(2, 3)},
			"4:+30 c1 by transfer to A. Member, 6:+30 c2 by cheque to A. Member", "no_change booked booked booked booked booked booked",
		},
	} {
		c.run(t)
	}
}

func method(id string, m rules.PayMethod, day int) Record {
	return fact(id, rules.PayoutMethod, day, func(f *rules.Fact) { f.Method, f.Name = m, "A. Member" })
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	inWallet := func(usable, expires int) *offer.Catalogue {
		return generous(offerWith("kitty", walletOf(usable, expires)))
	}
	spent := func(id string, minor int64, day int) Record {
		return fact(id, rules.WalletSpent, day, func(f *rules.Fact) { f.AmountMinor, f.Unit = minor, "EUR" })
	}
	for _, c := range []struct {
		name    string
		cat     *offer.Catalogue
		records []Record
		want    string // what expired
	}{
		{"nothing before a cycle", inWallet(0, 10), []Record{enrolled(0), buy("t1", day(1))}, ""},
		{"nor with one before its end", inWallet(0, 10), []Record{enrolled(0), buy("t1", day(1)), closed(1, 11, plus(-1))}, ""},
		{"at its end", inWallet(0, 10), []Record{enrolled(0), buy("t1", day(1)), closed(1, 11)}, "t1 -100 cost -100"},
		{"a cycle that comes first", inWallet(0, 10), []Record{enrolled(0), closed(1, 11), buy("t1", day(1))}, "t1 -100 cost -100"},
		{"a refund lessens the rest", inWallet(0, 10), []Record{enrolled(0), buy("t1", day(1)), closed(1, 11), back("r1", "t1", 400, 12)}, "t1 -60 cost -60"},
		{"what was spent is not gone", inWallet(0, 10), []Record{enrolled(0), buy("t1", day(1)), spent("s", 30, 11), spent("s2", 70, 10), closed(1, 11)}, "t1 -30 cost -30"},
		{
			"the first to expire is spent first", inWallet(0, 10),
			[]Record{enrolled(0), buy("t2", day(2)), buy("t1", day(1)), spent("s", 130, 3), closed(1, 30)},
			"t2 -70 cost -70",
		},
		{
			"what is owed is taken as they become usable", inWallet(3, 10),
			[]Record{enrolled(0), buy("t1", day(1)), spent("s", 130, 3), buy("t2", day(2)), closed(1, 30)},
			"t2 -70 cost -70",
		},
		{
			"by the next to become usable, not to expire", generous(
				offerWith("a", walletOf(10, 12), group("a", 1)), offerWith("b", walletOf(5, 30), group("b", 2)),
			),
			[]Record{enrolled(0), buy("t1", day(1)), spent("s", 150, 3), closed(1, 20)},
			"t1 -50 cost -50",
		},
		{
			"of one end the earlier purchase", generous(offerWith("a", walletOf(0, 10), minimum(1500)), offerWith("b", walletOf(0, 9), maximum(1499))),
			[]Record{enrolled(0), buy("t1", day(2)), ev("e", rules.Clearing, "t2", 1500, 1), spent("s", 160, 3), closed(1, 20)},
			"t1 -90 cost -90",
		},
		{
			"of one time the smaller id", inWallet(0, 10),
			[]Record{enrolled(0), buy("t2", day(1)), buy("t1", day(1)), spent("s", 130, 3), closed(1, 20)},
			"t2 -70 cost -70",
		},
		{
			"spent at the instant at which it can be", inWallet(3, 10),
			[]Record{enrolled(0), buy("t1", day(1)), spent("s", 30, 4), closed(1, 30)},
			"t1 -70 cost -70",
		},
		{
			"points, at what they are worth, rounded once", expiring(withPoints(generous(offerWith("p", offer.Reward{
				Form: offer.RateReward, RateMillionths: 3_000, Kind: rules.Points,
			}, func(o *offer.Offer) { o.FundedBy = offer.FundedByProgramme })), 0, 500_000), 10),
			[]Record{enrolled(0), buy("t1", day(1)), closed(1, 11)},
			"t1 -3 cost -2",
		},
	} {
		if s := tellExpired(Oracle(c.cat, c.records)); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
		engines, err := byHand(c.cat, c.records)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if s := tellExpired(engines); s != c.want {
			t.Errorf("%s: the engine says %s, want %s", c.name, s, c.want)
		}
	}
}

func tellExpired(r Result) string {
	var all []string
	for k, s := range r.Sums {
		if k.Role == rules.RoleExpiry {
			all = append(all, fmt.Sprintf("%s %d cost %d", k.TransactionID, s.Reward, s.Cost))
		}
	}
	return strings.Join(all, ", ")
}

func expiring(cat *offer.Catalogue, days int) *offer.Catalogue {
	cat.Programmes[0].Points.ExpiresAfterDays = days
	return cat
}

func walletOf(usable, expires int) offer.Reward {
	return offer.Reward{
		Form: offer.RateReward, RateMillionths: 100_000, Kind: rules.Wallet, Wallet: offer.WalletTerms{UsableAfterDays: usable, ExpiresAfterDays: expires},
	}
}

func minimum(minor int64) func(*offer.Offer) { return func(o *offer.Offer) { o.MinSpendMinor = minor } }

func maximum(minor int64) func(*offer.Offer) { return func(o *offer.Offer) { o.MaxSpendMinor = minor } }

// inTwoProgrammes is the bakery with a second programme, "club".
func inTwoProgrammes() *offer.Catalogue {
	cat := bakery()
	club := cat.Programmes[0]
	club.ID, club.Version.ID = "club", "c1"
	cat.Programmes = append(cat.Programmes, club)
	return cat
}
