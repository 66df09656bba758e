package engine_test

import (
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/internal/sample"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

type sceneCase struct {
	name    string
	change  []func(*offer.Catalogue)
	records string
	want    string // of scene.member
	fates   string // of the last records, where stated
}

func runScenes(t *testing.T, cases []sceneCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			records := c.records
			if !strings.Contains(records, "enrolled") {
				records = "enrolled d-300 cards=card\n" + records
			}
			s := newScene(t, sample.Cafe(t, c.change...)).play(records)
			if got := s.member(); got != c.want {
				t.Errorf("rewards\n got %s\nwant %s", got, c.want)
			}
			fates := strings.Join(s.fates, " ")
			if c.fates != "" && !strings.HasSuffix(fates, c.fates) {
				t.Errorf("fates %s, want them to end in %s", fates, c.fates)
			}
		})
	}
}

// What a purchase is: rules/README.md, "A purchase".
func TestPurchase(t *testing.T) {
	t.Parallel()
	runScenes(t, []sceneCase{
		{name: "an authorization is expected", records: "authorization P 10000 d1", want: "P everyday expected 300"},
		{name: "a clearing makes it confirmed", records: "authorization P 10000 d1\nclearing P 10000 d2", want: "P everyday confirmed 300"},
		{name: "the latest update states the new total", records: "authorization P 10000 d1\nauthorization_update P 15000 d2\nauthorization_update P 12000 d1+1h", want: "P everyday expected 450"},
		{name: "of one instant, the larger id is the latest", records: "authorization P 10000 d1 id=a\nauthorization_update P 12000 d1 id=b", want: "P everyday expected 360"},
		{name: "a reversal lowers what is authorised", records: "authorization P 10000 d1\nreversal P 4000 d1+1s", want: "P everyday expected 180"},
		{name: "a reversal of the same instant counts", records: "authorization P 10000 d1\nreversal P 4000 d1", want: "P everyday expected 180"},
		{name: "a reversal before the latest update is in its total", records: "authorization P 10000 d1\nreversal P 4000 d2\nauthorization_update P 8000 d2+1s", want: "P everyday expected 240"},
		{name: "more reversed than authorised is 0", records: "authorization P 10000 d1\nreversal P 40000 d2", want: ""},
		{name: "the floor is on the whole sum", records: "clearing P 10000 d1\nrefund P 15000 d2\nclearing P 10000 d3", want: "P everyday confirmed 150"},
		{name: "once cleared, the rest is not expected", records: "authorization P 10000 d1\nclearing P 4000 d2", want: "P everyday confirmed 120"},
		{name: "several clearings add up", records: "clearing P 4000 d2\nclearing P 7000 d3", want: "P everyday confirmed 330"},
		{name: "a clearing of 0 ends what is expected", records: "authorization P 10000 d1\nclearing P 0 d2", want: ""},
		{name: "a refund doesn't touch what is authorised", records: "authorization P 10000 d1\nrefund P 4000 d2", want: "P everyday expected 300"},
		{name: "a refund before its clearing counts", records: "authorization P 10000 d1\nrefund P 4000 d2\nclearing P 10000 d3", want: "P everyday confirmed 180"},
		{name: "a reversal doesn't touch what is cleared", records: "clearing P 10000 d1\nreversal P 4000 d2", want: "P everyday confirmed 300"},
		{name: "a chargeback takes back", records: "clearing P 10000 d1\nchargeback P 10000 d2", want: ""},
		{name: "and its reversal gives again", records: "clearing P 10000 d1\nchargeback P 10000 d2\nchargeback_reversal P 10000 d3", want: "P everyday confirmed 300"},
		{name: "chargebacks less their reversals are not under 0", records: "clearing P 10000 d1\nchargeback_reversal P 5000 d3", want: "P everyday confirmed 300"},
		{name: "expired for good", records: "authorization P 10000 d1\nauthorization_expired d9 tx=P\nauthorization_update P 20000 d10", want: ""},
		{name: "a clearing after the expiry counts", records: "authorization P 10000 d1\nauthorization_expired d9 tx=P\nclearing P 10000 d10", want: "P everyday confirmed 300"},
		{name: "the expiry may come first", records: "authorization_expired d9 tx=P\nauthorization P 10000 d1", want: "", fates: "no_change no_change"},
		{name: "declined is no part", records: "authorization P 10000 d1 declined=1", want: "", fates: "declined"},
	})
}

func TestPurchaseTimeDecides(t *testing.T) {
	t.Parallel()
	double := sample.SecondVersion("d10", func(p *offer.Partner) { p.Offers[0].Reward.RateMillionths = 60_000 })
	runScenes(t, []sceneCase{
		{name: "before the new version", change: []func(*offer.Catalogue){double}, records: "authorization P 10000 d9+86399s\nclearing P 10000 d12", want: "P everyday confirmed 300"},
		{name: "at the new version", change: []func(*offer.Catalogue){double}, records: "authorization P 10000 d10\nclearing P 10000 d12", want: "P everyday confirmed 600 by c2"},
		{name: "purchased_at goes before occurred_at", change: []func(*offer.Catalogue){double}, records: "authorization P 10000 d11 purchased=d9", want: "P everyday expected 300"},
		{name: "of the authorizations the earliest", change: []func(*offer.Catalogue){double}, records: "authorization P 10000 d11\nauthorization_update P 10000 d12 purchased=d9", want: "P everyday expected 300"},
		{name: "clearings give it where there is no authorization", change: []func(*offer.Catalogue){double}, records: "clearing P 10000 d11", want: "P everyday confirmed 600 by c2"},
		{name: "an authorization goes before an earlier clearing", change: []func(*offer.Catalogue){double}, records: "clearing P 10000 d9\nauthorization P 10000 d11", want: "P everyday confirmed 600 by c2"},
		{name: "an authorization elsewhere gives nothing", change: []func(*offer.Catalogue){double}, records: "clearing P 10000 d11\nauthorization P 10000 d9 mid=OTHER", want: "P everyday confirmed 600 by c2"},
		{name: "the store is that of the event that gives the time", records: "clearing P 10000 d11\nauthorization P 10000 d12 mid=CAFE2", want: "P everyday confirmed 300 at nation"},
		{name: "a member from at on, inclusive", records: "enrolled d1 cards=card\nauthorization P 10000 d1\nauthorization Q 10000 d0+86399s", want: "P everyday expected 300"},
		{name: "until left", records: "enrolled d1 cards=card\nleft d5\nauthorization P 10000 d4+86399s\nauthorization Q 10000 d5", want: "P everyday expected 300"},
		{name: "a refund after leaving takes back", records: "enrolled d1 cards=card\nclearing P 10000 d4\nleft d5\nrefund P 10000 d6", want: ""},
		{name: "facts of one instant apply in order of id", records: "enrolled d1 cards=card\nleft d5 id=a\nenrolled d5 id=b\nauthorization P 10000 d5", want: "P everyday expected 300"},
		{name: "links outlast an enrolment", records: "enrolled d1 cards=card\nleft d3\nenrolled d5\nauthorization P 10000 d6", want: "P everyday expected 300"},
		{name: "the card must be linked", records: "enrolled d1 cards=other\nauthorization P 10000 d2", want: ""},
		{name: "card linked from at on, until unlinked", records: "enrolled d1\ncard_linked d3 card=card\ncard_unlinked d5 card=card\nauthorization P 10000 d2\nauthorization Q 10000 d3\nauthorization R 10000 d5", want: "Q everyday expected 300"},
		{name: "unless the programme takes all cards", change: []func(*offer.Catalogue){sample.Programme(func(p *offer.Programme) { p.AllCards = true })}, records: "enrolled d1\nauthorization P 10000 d2", want: "P everyday expected 300"},
		{name: "a fact that arrives late heals", records: "enrolled d1\nauthorization P 10000 d4\ncard_linked d3 card=card", want: "P everyday expected 300"},
		{name: "automatic: a member from ever, with all cards", change: []func(*offer.Catalogue){sample.Programme(func(p *offer.Programme) { p.Enrolment = offer.EnrolmentAutomatic })}, records: "card_linked d90 card=enrolled\nauthorization P 10000 d2 card=any", want: "P everyday expected 300"},
		{name: "another programme's partner earns nothing", records: "enrolled d1 cards=card programme=other\nauthorization P 10000 d2", want: ""},
	})
}

func TestWhichEventsBelong(t *testing.T) {
	t.Parallel()
	runScenes(t, []sceneCase{
		{name: "an opener elsewhere is unmatched", records: "authorization P 10000 d1 mid=OTHER", fates: "unmatched"},
		{name: "no member", records: "card_linked d0 card=enrolled\nauthorization P 10000 d1", fates: "no_member"},
		{name: "later events of a known purchase belong, whatever the merchant", records: "authorization P 10000 d1\nclearing P 20000 d2 mid=OTHER", want: "P everyday confirmed 600"},
		{name: "a refund waits for its purchase", records: "refund P 4000 d3\nclearing P 10000 d1", want: "P everyday confirmed 180", fates: "waiting booked"},
		{name: "90 days it waits", records: "refund P 4000 d3\nclearing X 100 d93\nclearing P 10000 d1", want: "P everyday confirmed 180; X everyday confirmed 3"},
		{name: "and no longer", records: "refund P 4000 d3\nclearing X 100 d93+1s\nclearing P 10000 d1", want: "P everyday confirmed 300; X everyday confirmed 3"},
		{name: "what was dropped is looked at anew", records: "refund P 4000 d3 id=r\nclearing X 100 d93+1s\nclearing P 10000 d1\nrefund P 4000 d3 id=r", want: "P everyday confirmed 180; X everyday confirmed 3", fates: "booked"},
		{name: "a refund too old to wait is too late", records: "clearing X 100 d93+1s\nrefund P 4000 d3", want: "X everyday confirmed 3", fates: "too_late"},
		{name: "an opener 400 days before the newest counts", records: "enrolled d-900 cards=card\nclearing X 100 d400\nclearing P 10000 d0", want: "P everyday confirmed 300; X everyday confirmed 3"},
		{name: "one second more is too late", records: "enrolled d-900 cards=card\nclearing X 100 d400+1s\nclearing P 10000 d0", want: "X everyday confirmed 3", fates: "too_late"},
		{name: "so is a fact", records: "enrolled d-900 cards=card\nclearing X 100 d400+1s\nleft d0", want: "X everyday confirmed 3", fates: "too_late"},
		{name: "a known purchase takes what is old", records: "enrolled d-900 cards=card\nclearing P 10000 d0\nclearing X 100 d400+1s\nauthorization P 10000 d-1", want: "P everyday confirmed 300; X everyday confirmed 3", fates: "no_change"},
		{name: "the same id again", records: "clearing P 10000 d1 id=a\nclearing P 10000 d1 id=a", want: "P everyday confirmed 300", fates: "duplicate"},
		{name: "the same id with other content", records: "clearing P 10000 d1 id=a\nclearing P 10001 d1 id=a", want: "P everyday confirmed 300", fates: "dead_letter"},
		{name: "the same id while it waits", records: "refund P 10000 d1 id=a\nrefund P 10000 d1 id=a\nrefund P 10001 d1 id=a", fates: "waiting duplicate dead_letter"},
		{name: "the same fact again", records: "enrolled d0 cards=card id=f\nenrolled d0 cards=card id=f\nenrolled d1 cards=card id=f", fates: "no_change duplicate dead_letter"},
	})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	runScenes(t, []sceneCase{
		{name: "one link", records: "clearing P 10000 d1\nrefund R 4000 d2 orig=P", want: "P everyday confirmed 180"},
		{name: "two links", records: "authorization P 10000 d1\nclearing C 10000 d1 orig=P\nrefund R 4000 d2 orig=C", want: "P everyday confirmed 180"},
		{name: "two links, the middle one last", records: "authorization P 10000 d1\nrefund R 4000 d2 orig=C\nclearing C 10000 d1 orig=P", want: "P everyday confirmed 180", fates: "booked waiting booked"},
		{name: "two links, the purchase last", records: "refund R 4000 d2 orig=C\nclearing C 10000 d1 orig=P\nauthorization P 10000 d1", want: "P everyday confirmed 180"},
		{name: "three links are not followed", records: "authorization P 10000 d1\nclearing C 10000 d1 orig=P\nchargeback D 0 d2 orig=C\nrefund R 4000 d2 orig=D", want: "P everyday confirmed 300", fates: "waiting"},
		{name: "the earliest link decides", records: "clearing P 10000 d1\nclearing Q 10000 d1\nchargeback C 0 d3 orig=Q\nchargeback C 0 d2 orig=P\nrefund R 4000 d4 orig=C", want: "P everyday confirmed 180; Q everyday confirmed 300"},
		{name: "of one instant, that of the smaller id", records: "clearing P 10000 d1\nclearing Q 10000 d1\nchargeback C 0 d2 id=b orig=Q\nchargeback C 0 d2 id=a orig=P\nrefund R 4000 d4 orig=C", want: "P everyday confirmed 180; Q everyday confirmed 300"},
		{name: "an event that names itself is no link", records: "clearing P 10000 d1 orig=P\nrefund R 4000 d4 orig=P", want: "P everyday confirmed 180"},
		{name: "a link that comes late moves money", records: "clearing P 10000 d1\nclearing C 10000 d1\nrefund R 4000 d3 orig=C\nchargeback C 0 d2 orig=P", want: "C everyday confirmed 300; P everyday confirmed 180"},
	})
}

// What fills up fills in order of purchase time: sections 2.2 and 3.5.
func TestMonthCap(t *testing.T) {
	t.Parallel()
	cap500 := sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerMonth, 500)))
	runScenes(t, []sceneCase{
		{name: "the last one gets the rest", change: []func(*offer.Catalogue){cap500}, records: "clearing P 10000 d1\nclearing Q 10000 d2\nclearing R 10000 d3", want: "P everyday confirmed 300; Q everyday confirmed 200"},
		{name: "an older one that comes late goes first", change: []func(*offer.Catalogue){cap500}, records: "clearing P 10000 d2\nclearing Q 10000 d3\nclearing R 10000 d1", want: "P everyday confirmed 200; R everyday confirmed 300"},
		{name: "of one instant, the smaller transaction id goes first", change: []func(*offer.Catalogue){cap500}, records: "clearing B 10000 d2\nclearing A 10000 d2", want: "A everyday confirmed 300; B everyday confirmed 200"},
		{name: "room that a refund frees goes to the next", change: []func(*offer.Catalogue){cap500}, records: "clearing P 10000 d1\nclearing Q 10000 d2\nclearing R 10000 d3\nrefund P 10000 d4", want: "Q everyday confirmed 300; R everyday confirmed 200"},
		{name: "the month is the programme's", change: []func(*offer.Catalogue){cap500}, records: "clearing P 20000 2026-03-31T23:59:59+02:00\nclearing Q 20000 2026-03-31T22:00:00Z", want: "P everyday confirmed 500; Q everyday confirmed 500"},
		{name: "each world by itself", change: []func(*offer.Catalogue){cap500}, records: "authorization P 10000 d1\nclearing Q 15000 d2", want: "P everyday expected 300; Q everyday confirmed 450; Q everyday expected -250"},
		{name: "versions share the counter, the limit is that in force", change: []func(*offer.Catalogue){cap500, sample.SecondVersion("d10", func(p *offer.Partner) { p.Offers[0].Caps = []offer.Cap{{Per: offer.PerMonth, AmountMinor: 700}} })}, records: "clearing P 20000 d2\nclearing Q 20000 d12", want: "P everyday confirmed 500; Q everyday confirmed 200 by c2"},
		{name: "a version without the cap uses its room", change: []func(*offer.Catalogue){sample.Offers(sample.PercentOffer("everyday", 30_000)), sample.SecondVersion("d10", func(p *offer.Partner) { p.Offers[0].Caps = []offer.Cap{{Per: offer.PerMonth, AmountMinor: 500}} })}, records: "clearing P 10000 d2\nclearing Q 10000 d12", want: "P everyday confirmed 300; Q everyday confirmed 200 by c2"},
		{name: "only what is left after the group uses room", change: []func(*offer.Catalogue){sample.Offers(sample.PercentOffer("a", 30_000, sample.Capped(offer.PerMonth, 300)), sample.FixedOffer("b", 350, sample.Minimum(10_000)))}, records: "clearing P 10000 d1\nclearing Q 9000 d2", want: "P b confirmed 350; Q a confirmed 270"},
		{name: "only what is left after the cuts uses room", change: []func(*offer.Catalogue){sample.Offers(sample.PercentOffer("a", 100_000, sample.Capped(offer.PerMonth, 1000)))}, records: "clearing P 10000 d1\nclearing Q 10000 d2", want: "P a confirmed 800; Q a confirmed 200"},
	})
}

// An event more than H days after its purchase changes that one alone.
func TestLateEvents(t *testing.T) {
	t.Parallel()
	cap500 := sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerMonth, 500)))
	short := sample.Programme(func(p *offer.Programme) { p.HorizonDays = 5 })
	change := []func(*offer.Catalogue){cap500, short}
	runScenes(t, []sceneCase{
		{name: "H days after is in time", change: change, records: "clearing P 10000 d1\nclearing Q 10000 d2\nrefund P 10000 d6", want: "Q everyday confirmed 300"},
		{name: "a second more: the freed room is given to nobody", change: change, records: "clearing P 10000 d1\nclearing Q 10000 d2\nrefund P 10000 d6+1s", want: "Q everyday confirmed 200"},
		{name: "it can't raise beyond the room all others leave", change: change, records: "clearing P 5000 d1\nclearing Q 10000 d2\nclearing P 10000 d7", want: "P everyday confirmed 200; Q everyday confirmed 300"},
		{name: "it raises within that room", change: change, records: "clearing P 1000 d1\nclearing Q 10000 d2\nclearing P 4000 d7", want: "P everyday confirmed 150; Q everyday confirmed 300"},
		{name: "what it had is not taken by a limit that others used up", change: append(change, sample.SecondVersion("d3", func(p *offer.Partner) { p.Offers[0].Caps = []offer.Cap{{Per: offer.PerMonth, AmountMinor: 1000}} })), records: "clearing P 20000 d1\nclearing Q 20000 d4\nrefund P 10000 d6+1s", want: "P everyday confirmed 300; Q everyday confirmed 500 by c2"},
		{name: "room that one frees is not another's either", change: change, records: "clearing P 10000 d1\nclearing Q 10000 d2\nrefund P 10000 d6+1s\nclearing Q 5000 d8", want: "Q everyday confirmed 200"},
		{name: "it finds what nothing had cleared expired", change: change, records: "authorization P 10000 d1\nauthorization_update P 9000 d6+1s", want: ""},
		{name: "which is expected until then", change: change, records: "authorization P 10000 d1\nauthorization_update P 9000 d6", want: "P everyday expected 270"},
		{name: "its minimum is looked at anew", change: []func(*offer.Catalogue){short, sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Minimum(5000)))}, records: "clearing P 10000 d1\nrefund P 5001 d7", want: ""},
		{name: "a late opener of its own purchase", change: []func(*offer.Catalogue){short}, records: "clearing P 10000 d9 purchased=d1", want: "P everyday confirmed 300"},
	})
}

// Worth: rules/README.md, "What a purchase is worth".
func TestWorth(t *testing.T) {
	t.Parallel()
	all := func(o ...offer.Offer) []func(*offer.Catalogue) { return []func(*offer.Catalogue){sample.Offers(o...)} }
	rounding := func(r money.Rounding) func(*offer.Catalogue) {
		return sample.Programme(func(p *offer.Programme) { p.Rounding = r })
	}
	runScenes(t, []sceneCase{
		{name: "by amount if that is its currency", change: all(sample.PercentOffer("e", 30_000)), records: "clearing P 10000 d1 bill=9000USD", want: "P e confirmed 300"},
		{name: "else by billing amount", change: all(sample.PercentOffer("e", 30_000)), records: "clearing P 10000 d1 cur=USD bill=9000EUR", want: "P e confirmed 270"},
		{name: "else no award", change: all(sample.PercentOffer("e", 30_000)), records: "clearing P 10000 d1 cur=USD"},
		{name: "one event that counts is enough for that", change: all(sample.PercentOffer("e", 30_000)), records: "clearing P 10000 d1\nrefund P 100 d2 cur=USD"},
		{name: "one that doesn't count is not", change: all(sample.PercentOffer("e", 30_000)), records: "authorization P 10000 d1 cur=USD\nclearing P 10000 d2", want: "P e confirmed 300"},
		{name: "minimum, to the cent", change: all(sample.PercentOffer("e", 30_000, sample.Minimum(5000))), records: "clearing P 4999 d1\nclearing Q 5000 d1", want: "Q e confirmed 150"},
		{name: "fixed", change: all(sample.FixedOffer("e", 250)), records: "clearing P 10000 d1", want: "P e confirmed 250"},
		{name: "half to even", change: all(sample.PercentOffer("e", 30_000)), records: "clearing P 50 d1\nclearing Q 150 d1\nclearing R 250 d1", want: "P e confirmed 2; Q e confirmed 4; R e confirmed 8"},
		{name: "half up", change: append(all(sample.PercentOffer("e", 30_000)), rounding(money.HalfUp)), records: "clearing P 50 d1\nclearing Q 150 d1", want: "P e confirmed 2; Q e confirmed 5"},
		{name: "down", change: append(all(sample.PercentOffer("e", 30_000)), rounding(money.Down)), records: "clearing P 99 d1", want: "P e confirmed 2"},
		{name: "up", change: append(all(sample.PercentOffer("e", 30_000)), rounding(money.Up)), records: "clearing P 101 d1", want: "P e confirmed 4"},
		{name: "cap per purchase", change: all(sample.PercentOffer("e", 30_000, sample.Capped(offer.PerPurchase, 299))), records: "clearing P 9966 d1\nclearing Q 10000 d1", want: "P e confirmed 299; Q e confirmed 299"},
		{name: "best of the group", change: all(sample.PercentOffer("a", 30_000), sample.FixedOffer("b", 200)), records: "clearing P 10000 d1\nclearing Q 5000 d1", want: "P a confirmed 300; Q b confirmed 200"},
		{name: "by worth after caps", change: all(sample.PercentOffer("a", 50_000, sample.Capped(offer.PerPurchase, 100)), sample.FixedOffer("b", 101)), records: "clearing P 10000 d1", want: "P b confirmed 101"},
		{name: "tie: higher priority", change: all(sample.PercentOffer("a", 30_000), sample.PercentOffer("b", 30_000, sample.Priority(1))), records: "clearing P 10000 d1", want: "P b confirmed 300"},
		{name: "tie: then the smaller id", change: all(sample.PercentOffer("b", 30_000), sample.PercentOffer("a", 30_000)), records: "clearing P 10000 d1", want: "P a confirmed 300"},
		{name: "groups add up", change: all(sample.PercentOffer("a", 30_000), sample.PercentOffer("b", 20_000, sample.InGroup("bonus"))), records: "clearing P 10000 d1", want: "P a confirmed 300; P b confirmed 200"},
		{name: "not above the commission, lowest priority cut first", change: all(sample.PercentOffer("a", 60_000, sample.Priority(1)), sample.PercentOffer("b", 50_000, sample.InGroup("bonus"))), records: "clearing P 10000 d1", want: "P a confirmed 600; P b confirmed 200"},
		{name: "of equal priority the larger id is cut first", change: all(sample.PercentOffer("b", 50_000), sample.PercentOffer("a", 60_000, sample.InGroup("bonus"))), records: "clearing P 10000 d1", want: "P a confirmed 600; P b confirmed 200"},
		{name: "the programme's own are not cut to it", change: all(sample.PercentOffer("a", 60_000), sample.PercentOffer("b", 50_000, sample.InGroup("bonus"), sample.ByProgramme)), records: "clearing P 10000 d1", want: "P a confirmed 600; P b confirmed 500"},
		{name: "not above the basis", change: all(sample.FixedOffer("a", 250, sample.ByProgramme), sample.FixedOffer("b", 250, sample.InGroup("bonus"), sample.ByProgramme)), records: "clearing P 300 d1", want: "P a confirmed 250; P b confirmed 50"},
		{
			name: "nor above the ceiling, rounded down", records: "clearing P 333 d1", want: "P a confirmed 33",
			change: append(all(sample.FixedOffer("a", 250, sample.ByProgramme)), sample.Programme(func(p *offer.Programme) { p.CeilingMillionths = 100_000 })),
		},
		{name: "offers of some stores", change: all(sample.PercentOffer("a", 30_000, func(o *offer.Offer) { o.Stores = []string{"nation"} })), records: "clearing P 10000 d1\nclearing Q 10000 d1 mid=CAFE2", want: "Q a confirmed 300 at nation"},
		{
			name: "window by the store's clock", want: "Q a confirmed 300",
			change: all(sample.PercentOffer("a", 30_000, func(o *offer.Offer) {
				o.From = offer.LocalTime{Year: 2026, Month: 4, Day: 1}
				o.Until = offer.LocalTime{Year: 2026, Month: 4, Day: 2}
			})),
			records: "clearing P 10000 2026-03-31T21:59:59Z\nclearing Q 10000 2026-03-31T22:00:00Z\nclearing R 10000 2026-04-01T22:00:00Z",
		},
		{
			name: "across currencies a group compares shares of the purchase", want: "P b confirmed 280",
			// 300 of 10,000 yen is 3 %, 2.80 of 80 euros 3.5 %.
			change:  all(sample.PercentOffer("a", 30_000, sample.In(sample.JPY), sample.ByProgramme), sample.PercentOffer("b", 35_000)),
			records: "clearing P 10000 d1 cur=JPY bill=8000EUR",
		},
	})
}

func TestCommission(t *testing.T) {
	t.Parallel()
	partnerOwes := func(t *testing.T, records string, change ...func(*offer.Catalogue)) string {
		t.Helper()
		var lines []string
		for line := range strings.SplitSeq(newScene(t, sample.Cafe(t, change...)).play("enrolled d-300 cards=card\n"+records).sums(), "\n") {
			if strings.Contains(line, " partner ") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "; ")
	}
	onSale := sample.Partner(func(p *offer.Partner) { p.Commission.On = offer.OnSale })
	fixed := sample.Partner(func(p *offer.Partner) { p.Commission.FixedMinor = 30 })
	for _, c := range []struct {
		name, records, want string
		change              []func(*offer.Catalogue)
	}{
		{name: "percent of the basis", records: "clearing P 10000 d1", want: "P - partner confirmed 800"},
		{name: "and fixed a sale, rounded once", records: "clearing P 10005 d1", change: []func(*offer.Catalogue){fixed}, want: "P - partner confirmed 830"},
		{name: "none without an award", records: "clearing P 10000 d1", change: []func(*offer.Catalogue){sample.Offers(sample.PercentOffer("a", 30_000, sample.Minimum(10_001)))}},
		{name: "on sale without one", records: "clearing P 10000 d1", change: []func(*offer.Catalogue){sample.Offers(sample.PercentOffer("a", 30_000, sample.Minimum(10_001))), onSale}, want: "P - partner confirmed 800"},
		{name: "on sale only for members", records: "clearing P 10000 d1 card=other", change: []func(*offer.Catalogue){onSale}},
		{name: "owed where a cap left 0", records: "clearing P 10000 d1\nclearing Q 10000 d2", change: []func(*offer.Catalogue){sample.Offers(sample.PercentOffer("a", 30_000, sample.Capped(offer.PerMonth, 300)))}, want: "P - partner confirmed 800; Q - partner confirmed 800"},
		{name: "owed where rounding left 0", records: "clearing P 16 d1", change: []func(*offer.Catalogue){sample.Offers(sample.PercentOffer("a", 30_000))}, want: "P - partner confirmed 1"},
		{name: "nothing fixed for what was all refunded", records: "clearing P 10000 d1\nrefund P 10000 d2", change: []func(*offer.Catalogue){fixed, onSale}},
		{name: "expected", records: "authorization P 10000 d1", want: "P - partner expected 800"},
		{name: "not stated in its currency", records: "clearing P 10000 d1 cur=USD", change: []func(*offer.Catalogue){sample.Offers(sample.PercentOffer("a", 30_000, sample.In(sample.USD), sample.ByProgramme))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := partnerOwes(t, c.records, c.change...); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestFactsBookTheirLines(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t)).play(`
		adjustment d1 amount=500
		enrolled d0 cards=card
		adjustment d2 amount=-120
		points_spent d3 amount=40 unit=PTS
		wallet_spent d3 amount=7 unit=EUR
		erased d4
		cycle_closed d4 programme=ristourne cycle=2026-03`)
	want := "- - member confirmed -40 points PTS\n- - member confirmed -7 wallet\n- - member confirmed 380"
	if got := s.sums(); got != want {
		t.Errorf("sums\n%s\nwant\n%s", got, want)
	}
	if got := strings.Join(s.fates, " "); got != "no_change booked booked booked booked no_change booked" {
		t.Errorf("fates %s", got)
	}
	if got := s.instructions(); got != "credit 500 EUR; debit 120 EUR" {
		t.Errorf("instructions %s", got)
	}
	for i := range s.out.Accruals {
		x := &s.out.Accruals[i]
		if x.Kind == rules.Cash && x.CostMinor != x.RewardMinor || x.Kind != rules.Cash && x.CostMinor != 0 {
			t.Errorf("cost %d of a %s line over %d", x.CostMinor, x.Kind, x.RewardMinor)
		}
		if x.MemberID != "m1" || x.Programme != "ristourne" || x.Role != rules.RoleMember {
			t.Errorf("line %+v", x)
		}
	}
}

// Whatever name a programme or a partner has, what the cardholder reads fits in
// an instruction: one that the bank can't take would hold up its shard for ever.
func TestStatementsAreCut(t *testing.T) {
	t.Parallel()
	for _, name := range []string{strings.Repeat("x", 200), strings.Repeat("é", 168), strings.Repeat("店", 141)} {
		change := []func(*offer.Catalogue){sample.Programme(func(p *offer.Programme) { p.Name = name }), sample.Partner(func(p *offer.Partner) { p.Name = name })}
		s := newScene(t, sample.Cafe(t, change...)).play("enrolled d0 cards=card\nadjustment d1 amount=500\nclearing P 10000 d2\nrefund P 10000 d3\nadjustment d4 amount=-1")
		if len(s.out.Instructions) != 4 {
			t.Fatalf("%d instructions", len(s.out.Instructions))
		}
		for _, x := range s.out.Instructions {
			if got := []rune(x.StatementText); len(got) != 140 || !strings.HasPrefix(name, string(got[:139])) {
				t.Errorf("the statement of %s %d is %q", x.Direction, x.AmountMinor, x.StatementText)
			}
		}
	}
}

func TestLineSaysWhatItIs(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t)).play("enrolled d0 cards=card level=gold\nauthorization P 10000 d1\nclearing P 10000 d2\nrefund P 2500 d3")
	if got := s.instructions(); got != "credit 300 EUR; debit 75 EUR" {
		t.Errorf("instructions %s", got)
	}
	x := s.out.Instructions[0]
	if x.StatementText != "Ristourne: Café du Coin" || x.Programme != "ristourne" || x.CreatedAt != x.Cause.RecordedAt || len(x.ID) != 29 {
		t.Errorf("instruction %+v", x)
	}
	var last rules.Accrual
	for _, x := range s.out.Accruals {
		if x.Role == rules.RoleMember && x.Cause.ID == "e004" {
			last = x
		}
	}
	if last.BasisMinor != -2500 || last.RewardMinor != -75 || last.CostMinor != -75 || last.Level != "gold" || last.MCC != "5814" ||
		last.PurchasedAt != sample.At("d1") || strings.Join(last.Reasons, " ") != "refund" || last.BeneficiaryID != "acc" {
		t.Errorf("line of the refund: %+v", last)
	}
}

// A fixed reward stays while its basis changes: the basis is booked all the
// same, or its sum would depend on the order of arrival.
func TestBasisAloneIsBooked(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t, sample.Offers(sample.FixedOffer("a", 100, sample.ByProgramme)), sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{} })))
	s.play("enrolled d0 cards=card\nclearing P 10000 d1\nrefund P 4000 d2")
	if n := len(s.out.Accruals); n != 2 || s.out.Accruals[1].BasisMinor != -4000 || s.out.Accruals[1].RewardMinor != 0 {
		t.Errorf("lines %+v", s.out.Accruals)
	}
	if got := s.instructions(); got != "credit 100 EUR" {
		t.Errorf("instructions %s", got)
	}
}
