package traffic

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"ristourne/rules/offer"
)

// Options say whose traffic is made.
type Options struct {
	Seed uint64
	// Run is part of every id, so that two runs on the same data don't meet. At
	// most 16 letters and digits.
	Run      string
	Members  int     // enrolled accounts, 1 to 10,000,000
	HitShare float64 // of purchases at partner shops, 0 to 1
	// Catalogue is whose shops are the partners'. The members enrol in its
	// first programme.
	Catalogue *offer.Catalogue
	// Begin is when members are all enrolled and the first purchase may happen.
	Begin time.Time
	// Live is when the calendar has caught up with the clock. What takes the
	// bank days takes it seconds from then on (a day: 43 s), or nobody who
	// looks on would see it. Zero: never.
	Live time.Time
}

// Validate names the first fault.
func (o Options) Validate() error {
	switch {
	case o.Members < 1 || o.Members > 10_000_000:
		return fmt.Errorf("%d members: 1 to 10,000,000 are possible", o.Members)
	case o.HitShare < 0 || o.HitShare > 1:
		return fmt.Errorf("a share of %g at partner shops: 0 to 1 is possible", o.HitShare)
	case len(o.Run) == 0 || len(o.Run) > 16:
		return fmt.Errorf("run %q: 1 to 16 letters and digits are needed", o.Run)
	case o.Catalogue == nil || len(o.Catalogue.Programmes) == 0:
		return fmt.Errorf("the catalogue has no programme to enrol in")
	}
	return nil
}

// Record is one Kafka record.
type Record struct {
	Fact  bool // of programme.facts; else of card.transactions
	Key   []byte
	Value []byte
	Kind  Kind
	Hit   bool // at a partner's shop
}

// liveFactor shortens days once the calendar has caught up.
const liveFactor = 1.0 / 2000

// How often something beside plain purchases happens: every so many records.
const (
	brokenEvery = 250
	factEvery   = 300
	// Every so many purchases of a member take the next story in turn, so that
	// a short run sees them all.
	storyEvery      = 5
	otherStoryEvery = 15 // at shops that are no partners
	maxLeft         = 50 // one member in so many may leave
)

// Generator makes records. It is not safe for concurrent use.
type Generator struct {
	options   Options
	rng       *rand.Rand
	zone      *time.Location
	programme string
	partners  [][]partnerShop // by partner
	activated []activation
	others    [][]shop // by trade
	shares    int      // the sum of the trades' shares

	members  []member
	left     int
	last     time.Time // of the last call of Next
	step     time.Duration
	queue    queue
	pushed   uint64
	records  uint64
	ids      uint64
	hits     int // purchases of members at partner shops
	misses   int
	stories  int // next story at a partner's shop
	broken   int // next kind of broken record
	facts    int // next kind of fact
	sentCard bool
}

// member is what of a member changes.
type member struct {
	unlinked bool // its second card
	linked   bool // a third card
	left     bool
	student  bool // since it enrolled
	level    uint8
}

// New makes a generator.
func New(o Options) (*Generator, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("make traffic: %w", err)
	}
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return nil, fmt.Errorf("make traffic: %w", err)
	}
	g := &Generator{
		options: o, rng: rand.New(rand.NewPCG(o.Seed, 0x5a9d)), zone: zone, programme: o.Catalogue.Programmes[0].ID,
		members: make([]member, o.Members), last: o.Begin,
	}
	for n := range g.members {
		g.members[n].level = levelOf(n)
	}
	g.partners, g.activated = partnerShops(g.rng, o.Catalogue, o.Members)
	taken := map[string]bool{}
	for _, chain := range g.partners {
		for i := range chain {
			taken[chain[i].merchant.ID] = true
		}
	}
	g.others = otherShops(g.rng, taken)
	for i := range trades {
		g.shares += trades[i].share
	}
	return g, nil
}

// Next gives the record that is sent at now, a time of the calendar: what has
// fallen due, the oldest first, else a new purchase. now must not go back.
// Nothing that is said in a record is dated after now.
func (g *Generator) Next(now time.Time) Record {
	if now.After(g.last) {
		g.step, g.last = now.Sub(g.last), now
	}
	g.records++
	switch {
	case g.records%brokenEvery == 0:
		return g.brokenRecord(now)
	case g.records%factEvery == 0:
		if record, ok := g.fact(now); ok {
			return record
		}
	}
	// A purchase whose first event is held up somewhere has nothing to send yet.
	for len(g.queue) == 0 || g.queue[0].due.After(now) {
		// Anywhere since the last call: a slow caller must not make all the
		// purchases of an hour in one instant.
		back := time.Duration(0)
		if g.step > 0 {
			back = time.Duration(g.rng.Int64N(int64(g.step)))
		}
		g.purchase(g.last.Add(-back).Truncate(time.Millisecond))
	}
	return g.render(heap.Pop(&g.queue).(planned))
}

// Pending is how many records wait for their time: clearings, for the most.
func (g *Generator) Pending() int { return len(g.queue) }

// account of a member; from the number of members on, of somebody who is none
// in any run, with however many members.
func (g *Generator) account(n int) string {
	if n >= len(g.members) {
		return fmt.Sprintf("lyo-x%06d", n-len(g.members))
	}
	return fmt.Sprintf("lyo-%07d", n)
}

// card is the token of an account's nth card. It has no digits, so that no
// token looks like a card number.
func (g *Generator) card(account, nth int) string {
	const letters = "bcdfghjkmnpqrstvwxz"
	h := rand.NewPCG(uint64(account), uint64(nth)+1)
	var token strings.Builder
	token.WriteString("tok_")
	for range 16 {
		token.WriteByte(letters[h.Uint64()%uint64(len(letters))])
	}
	return token.String()
}

// cardOf is a card that the account's holder pays with.
func (g *Generator) cardOf(account int) string {
	nth := 0
	if account%3 == 0 { // has a second card
		nth = g.rng.IntN(2)
	}
	if account < len(g.members) && g.members[account].linked && g.rng.IntN(2) == 0 {
		nth = 2
	}
	return g.card(account, nth)
}

func (g *Generator) id(prefix string) string {
	g.ids++
	return fmt.Sprintf("%s-%s-%06d", prefix, g.options.Run, g.ids)
}

// stamp writes an instant as a bank in Lyon would.
func (g *Generator) stamp(t time.Time) string {
	return t.In(g.zone).Format("2006-01-02T15:04:05.000Z07:00")
}

// planned is an event that is sent later.
type planned struct {
	due   time.Time
	seq   uint64 // orders what is due at once
	kind  Kind
	hit   bool
	again []byte // the value of a duplicate
	event event
	fact  fact // sent in place of event where its type is not empty
}

func (g *Generator) plan(p planned) {
	g.pushed++
	p.seq = g.pushed
	heap.Push(&g.queue, p)
}

// queue is a heap in the order in which records fall due.
type queue []planned

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(planned)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = planned{}
	*q = (*q)[:last]
	return p
}
