package traffic

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// habit is how people pay in one kind of shop.
type habit uint8

const (
	plain  habit = iota
	tipped       // now and then cleared above what was authorised
	pumped       // authorised before the amount is known
	staged       // hotels: authorised again as the bill grows
	remote       // online: shipped and cleared in parts
)

// trade is one kind of shop.
type trade struct {
	mcc                string
	sign               string // what its shops' names begin with
	minMinor, maxMinor int64  // of a basket, in euro cents
	opens, closes      int    // local hours, [opens, closes)
	share              int    // of all purchases, in parts
	shops              int    // how many the city has
	habit              habit
	aisles             bool   // receipts say what was bought
	keywords           string // by which a partner's shop is taken for one
}

// trades are in the order in which keywords are looked for: the narrow first.
var trades = []trade{
	{"5411", "SUPERMARCHE", 600, 11_000, 8, 22, 22, 60, plain, false, "supermarch march"},
	{"5462", "BOULANGERIE", 110, 1_600, 6, 20, 16, 70, plain, false, "boulang pain"},
	{"5812", "RESTAURANT", 1_400, 9_500, 11, 24, 12, 70, tipped, false, "bouchon restaurant table brasserie"},
	{"5814", "SANDWICHERIE", 600, 2_400, 11, 23, 9, 40, plain, false, "nouille burger pizza"},
	{"5813", "CAFE", 200, 3_200, 7, 24, 8, 50, tipped, false, "cafe bar"},
	{"5542", "STATION", 2_000, 9_500, 0, 24, 7, 20, pumped, false, "station energie carburant"},
	{"4111", "TRANSPORTS", 200, 7_400, 5, 24, 8, 6, plain, false, "transport"},
	{"5912", "PHARMACIE", 400, 6_500, 8, 20, 6, 30, plain, false, "pharmac"},
	{"5942", "LIBRAIRIE", 600, 11_000, 10, 20, 3, 15, plain, false, "librair"},
	{"5451", "FROMAGERIE", 700, 6_500, 8, 20, 2, 12, plain, false, "fromag"},
	{"5499", "EPICERIE", 600, 7_000, 8, 22, 4, 25, plain, true, "epicerie"},
	{"5712", "MEUBLES", 4_000, 80_000, 10, 20, 1, 10, staged, false, "mobilier meuble"},
	{"8043", "OPTICIEN", 2_500, 32_000, 9, 20, 1, 12, plain, false, "optique opticien"},
	{"5261", "JARDINERIE", 1_200, 18_000, 9, 20, 1, 8, plain, false, "jardin"},
	{"5661", "CHAUSSEUR", 3_500, 18_000, 10, 20, 2, 12, plain, false, "chauss"},
	{"7230", "COIFFEUR", 2_200, 9_500, 9, 20, 2, 20, tipped, false, "salon coiff"},
	{"5940", "CYCLES", 1_500, 160_000, 10, 19, 1, 6, staged, false, "cycle velo"},
	{"7832", "CINEMA", 700, 4_200, 10, 24, 3, 8, plain, false, "cinema"},
	{"7523", "PARKING", 200, 2_600, 0, 24, 5, 20, plain, false, "parking"},
	{"7011", "HOTEL", 7_500, 38_000, 0, 24, 1, 14, staged, false, "hotel"},
	{"5964", "BOUTIQUE EN LIGNE", 900, 22_000, 0, 24, 8, 40, remote, false, "ligne online"},
	{"5651", "PRET A PORTER", 1_500, 14_000, 10, 20, 5, 30, plain, false, ""},
}

var places = []string{
	"PRESQU'ILE", "BELLECOUR", "CROIX ROUSSE", "TERREAUX", "PART DIEU", "GUILLOTIERE", "GERLAND", "CONFLUENCE", "VAISE",
	"MONPLAISIR", "MONTCHAT", "SAINT JEAN", "FOURVIERE", "TETE D'OR", "BROTTEAUX", "VILLEURBANNE", "PERRACHE", "AINAY",
	"JEAN MACE", "GRANGE BLANCHE", "CALUIRE", "ECULLY", "OULLINS", "BRON", "SAXE GAMBETTA", "CORDELIERS",
}

var signs = []string{"DU MARCHE", "DE LA PLACE", "DU QUAI", "DES ARTS", "DU PARC", "CENTRALE", "DU RHONE", "DE LA SAONE", "MODERNE", "DES HALLES"}

// tradeOf guesses a partner's trade from its name.
func tradeOf(name string) *trade {
	name = plainLetters(name)
	for i := range trades {
		for keyword := range strings.FieldsSeq(trades[i].keywords) {
			if strings.Contains(name, keyword) {
				return &trades[i]
			}
		}
	}
	return &trades[len(trades)-1]
}

var withoutAccents = strings.NewReplacer("é", "e", "è", "e", "ê", "e", "É", "e", "î", "i", "â", "a", "ô", "o", "û", "u", "ç", "c", "œ", "oe")

func plainLetters(s string) string { return withoutAccents.Replace(strings.ToLower(s)) }

// shop is a place where cards are used.
type shop struct {
	trade    *trade
	merchant merchant
	desk     merchant // where its chain takes things back; may be the shop itself
	partner  bool
	regulars []int // accounts that are often seen in the partner's shops
}

// merchant is the acceptor of an event, as the wire has it.
type merchant struct {
	ID                string `json:"id"`
	AcquirerID        string `json:"acquirer_id,omitempty"`
	Network           string `json:"network,omitempty"`
	NetworkMerchantID string `json:"network_merchant_id,omitempty"`
	SubMerchantID     string `json:"sub_merchant_id,omitempty"`
	TerminalID        string `json:"terminal_id,omitempty"`
	Name              string `json:"name,omitempty"`
	MCC               string `json:"mcc,omitempty"`
	Country           string `json:"country,omitempty"`
}

var (
	acquirers = []string{"30002", "30003", "30004", "16807", "10278", "18206"}
	networks  = []string{"visa", "mastercard", "cb"}
)

// otherShops is the rest of the city: no partners.
func otherShops(rng *rand.Rand, partnerMIDs map[string]bool) (shops [][]shop) {
	for t := range trades {
		kind := make([]shop, 0, trades[t].shops)
		for range trades[t].shops {
			kind = append(kind, otherShop(rng, &trades[t], partnerMIDs))
		}
		shops = append(shops, kind)
	}
	return shops
}

func otherShop(rng *rand.Rand, t *trade, partnerMIDs map[string]bool) shop {
	m := merchant{
		AcquirerID: pick(rng, acquirers), Network: pick(rng, networks), TerminalID: terminal(rng), MCC: t.mcc, Country: "FR",
		Name: t.sign + " " + pick(rng, signs) + " " + pick(rng, places),
	}
	for m.ID == "" || partnerMIDs[m.ID] {
		m.ID = fmt.Sprintf("%010d", 1_000_000_000+rng.Int64N(3_000_000_000))
	}
	s := shop{trade: t, merchant: m, desk: m}
	s.desk.ID, s.desk.TerminalID = m.ID+"9", ""
	return s
}

func terminal(rng *rand.Rand) string { return fmt.Sprintf("T%06d", rng.IntN(1_000_000)) }

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// partnerShop is one key of a store, in every version of its partner that
// states it: [from, until) is when both are in force.
type partnerShop struct {
	shop
	from, until rules.Instant
}

// How many members are regulars of one partner, and what share of the purchases
// there are theirs: what counts visits or sums has to see somebody again.
const (
	regularsEach = 2
	regularShare = 0.7
)

// activation is an offer that members must activate, and who would.
type activation struct {
	offer    string
	regulars []int
}

// partnerShops are the keys of all stores in the catalogue, by partner.
func partnerShops(rng *rand.Rand, c *offer.Catalogue, members int) (chains [][]partnerShop, activated []activation) {
	place := map[string]int{} // of a partner among the chains
	for i := range c.Partners {
		p := &c.Partners[i]
		if _, known := place[p.ID]; !known {
			place[p.ID], chains = len(chains), append(chains, nil)
		}
		chain := &chains[place[p.ID]]
		var regulars []int
		if len(*chain) > 0 {
			regulars = (*chain)[0].regulars
		} else {
			for range regularsEach {
				regulars = append(regulars, rng.IntN(members))
			}
		}
		until := versionEnds(c, p)
		for s := range p.Stores {
			for k := range p.Stores[s].Keys {
				key := &p.Stores[s].Keys[k]
				*chain = append(*chain, partnerShop{
					shop: shopOf(rng, p, key, regulars), from: latest(key.From, p.Version.From), until: earliest(key.Until, until),
				})
			}
		}
		for o := range p.Offers {
			if p.Offers[o].Audience.Activated {
				activated = append(activated, activation{p.Offers[o].ID, regulars})
			}
		}
	}
	return slices.DeleteFunc(chains, func(chain []partnerShop) bool { return len(chain) == 0 }), activated
}

// versionEnds is when the partner's next version comes into force.
func versionEnds(c *offer.Catalogue, p *offer.Partner) rules.Instant {
	end := rules.MaxInstant
	for i := range c.Partners {
		if other := &c.Partners[i]; other.ID == p.ID && other.Version.From.After(p.Version.From) {
			end = earliest(end, other.Version.From)
		}
	}
	return end
}

func shopOf(rng *rand.Rand, p *offer.Partner, key *offer.Key, regulars []int) shop {
	t := tradeOf(p.ID + " " + p.Name)
	m := merchant{
		ID: key.MID, AcquirerID: key.AcquirerID, Network: key.Network, NetworkMerchantID: key.NetworkMerchantID,
		SubMerchantID: key.SubMerchantID, TerminalID: cmp.Or(key.TerminalID, terminal(rng)), MCC: t.mcc, Country: "FR",
		Name: strings.ToUpper(plainLetters(p.Name)),
	}
	if m.ID == "" {
		m.ID = fmt.Sprintf("%010d", 1_000_000_000+rng.Int64N(3_000_000_000))
	}
	if m.AcquirerID == "" {
		m.AcquirerID = pick(rng, acquirers)
	}
	if m.Network == "" {
		m.Network = pick(rng, networks)
	}
	s := shop{trade: t, merchant: m, partner: true, regulars: regulars}
	s.desk = merchant{
		ID: fmt.Sprintf("9%09d", rng.IntN(1_000_000_000)), AcquirerID: m.AcquirerID, Network: m.Network,
		Name: m.Name + " RETOURS", MCC: m.MCC, Country: "FR",
	}
	return s
}

func latest(a, b rules.Instant) rules.Instant {
	if a.Before(b) {
		return b
	}
	return a
}

func earliest(a, b rules.Instant) rules.Instant {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *partnerShop) open(at time.Time, hour int) bool {
	t := rules.InstantOf(at)
	return !t.Before(s.from) && t.Before(s.until) && s.trade.open(hour)
}

func (t *trade) open(hour int) bool { return hour >= t.opens && hour < t.closes }
