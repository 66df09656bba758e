package pipelinetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ristourne/processor/catalog"
)

// offerFiles are made-up offer files, up to the bounds of their language. They
// are written as JSON, which YAML takes in. What validate refuses is left out.
type offerFiles struct {
	chancer
	now      time.Time
	currency string // of the first programme
	points   int    // decimals; negative: none
	bodies   map[string]map[string]any
	partners []string

	programmes []string
	keys       []storeKey
	offerIDs   []string
	levels     []string
}

// storeKey is what a card message must carry to match a store.
type storeKey struct{ mid, acquirer, subMerchant, network, networkMerchantID string }

type object = map[string]any

// wholeWayCurrencies have each number of decimals that ISO 4217 knows.
var wholeWayCurrencies = []string{"EUR", "USD", "JPY", "TND", "BHD", "CLF", "UYW", "CHF", "ISK"}

func newOfferFiles(c chancer, now time.Time) *offerFiles {
	f := &offerFiles{chancer: c, now: now, bodies: map[string]map[string]any{}, points: -1}
	f.currency = pickOf(c, "EUR", "EUR", "JPY", "TND", "CLF")
	f.levels = []string{c.textOfBytes(200), "gold"}
	f.programme("cashback")
	for n := range c.between(1, 3) {
		f.partner(fmt.Sprintf("partner%d", n+1))
	}
	for n := range c.IntN(3) {
		f.campaign(fmt.Sprintf("campaign%d", n+1))
	}
	return f
}

// try keeps a file if all files together are sound with it.
func (f *offerFiles) try(name string, body object) bool {
	former, had := f.bodies[name]
	f.bodies[name] = body
	if _, err := catalog.LoadTexts("", f.texts()); err == nil {
		return true
	}
	if delete(f.bodies, name); had {
		f.bodies[name] = former
	}
	return false
}

func (f *offerFiles) texts() []catalog.Text {
	texts := make([]catalog.Text, 0, len(f.bodies))
	for name, body := range f.bodies {
		texts = append(texts, catalog.Text{Name: name, ShownAs: name, Body: f.encode(body)})
	}
	return texts
}

func (f *offerFiles) encode(body object) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // of texts, numbers, lists and maps
	}
	return text
}

// write writes the files into a folder.
func (f *offerFiles) write(t *testing.T, dir string) {
	t.Helper()
	for _, text := range f.texts() {
		if err := os.WriteFile(filepath.Join(dir, text.Name), text.Body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// with is a copy of the object with one thing more.
func with(o object, key string, value any) object {
	more := object{key: value}
	for k, v := range o {
		if k != key {
			more[k] = v
		}
	}
	return more
}

// add tries the object with each of the things, one after the other, and keeps
// those that are sound.
func (f *offerFiles) add(name string, body object, things []thing) object {
	for _, thing := range things {
		if more := with(body, thing.key, thing.value); f.try(name, more) {
			body = more
		}
	}
	return body
}

type thing struct {
	key   string
	value any
}

func (f *offerFiles) programme(id string) {
	name := id + ".yaml"
	body := object{
		"programme": id, "currency": f.currency,
		"zone": pickOf(f.chancer, "Europe/Paris", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns", "Antarctica/Troll", "Etc/GMT+12"),
	}
	if !f.try(name, body) {
		panic("the least of a programme is refused")
	}
	things := []thing{
		{"name", f.textOfBytes(200)},
		{"rounding", pickOf(f.chancer, "half_even", "half_up", "down", "up")},
		{"horizon_days", pickOf(f.chancer, 400, 400, 1, 30, 3660)},
		{"cards", pickOf(f.chancer, "linked", "all", "all")},
		{"ceiling", pickOf(f.chancer, "100%", "15%", "0.0001%")},
	}
	if f.in(20) {
		things = append(things, thing{"enrolment", "automatic"})
	}
	if f.in(60) {
		f.points = f.between(0, 4)
		things = append(things, thing{"points", object{
			"code": pickOf(f.chancer, "MILES", "AB", "P_2345678901"), "decimals": f.points, "value": f.money(f.currency, pickOf[int64](f.chancer, 0, 1, 10, 1_000_000)),
		}})
	}
	if f.in(30) {
		things = append(things, thing{"holdout", f.holdout()})
	}
	if f.in(50) {
		things = append(things, thing{"statement_text", "sepa"})
	}
	body = f.add(name, body, things)
	f.programmes = append(f.programmes, id)
	f.offers(name, body, true)
}

// money writes minor units as offer files have them.
func (f *offerFiles) money(currency string, minor int64) string {
	decimals := map[string]int{"JPY": 0, "ISK": 0, "TND": 3, "BHD": 3, "CLF": 4, "UYW": 4}
	n, known := decimals[currency]
	if !known {
		n = 2
	}
	unit := int64(1)
	for range n {
		unit *= 10
	}
	if n == 0 {
		return fmt.Sprintf("%d %s", minor, currency)
	}
	return fmt.Sprintf("%d.%0*d %s", minor/unit, n, minor%unit, currency)
}

func (f *offerFiles) anyMinor() int64 {
	return pickOf[int64](f.chancer, 1, 50, 100, 1000, 2500, 100_000, 1_000_000_000_000, 1<<53-1)
}

func (f *offerFiles) anyMoney() string { return f.money(f.currency, f.anyMinor()) }

func (f *offerFiles) percent(most int) string {
	return pickOf(f.chancer, "5%", "3%", "10%", "0.0001%", "33.3333%", fmt.Sprintf("%d%%", most))
}

func (f *offerFiles) partner(id string) {
	name := id + ".yaml"
	var stores []object
	for n := range f.between(1, 3) {
		stores = append(stores, f.store(fmt.Sprintf("%s-store%d", id, n+1)))
	}
	body := object{"partner": id, "stores": stores}
	if !f.try(name, body) {
		return
	}
	f.partners = append(f.partners, id)
	body = f.add(name, body, []thing{{"name", f.textOfBytes(200)}, {"commission", f.commission(true)}})
	f.offers(name, body, false)
}

func (f *offerFiles) store(id string) object {
	store := object{"id": id, "name": f.textOfBytes(200)}
	if f.in(30) {
		store["zone"] = pickOf(f.chancer, "America/New_York", "Pacific/Kiritimati", "Australia/Lord_Howe")
	}
	var keys []object
	for range f.between(1, 3) {
		var k storeKey
		key := object{}
		set := func(name string, part *string, most int) {
			*part = f.textOfBytes(most)
			key[name] = *part
		}
		if f.in(25) {
			set("network", &k.network, 64)
			set("network_merchant_id", &k.networkMerchantID, 64)
		} else {
			set("mid", &k.mid, 15)
			if f.in(40) {
				set("acquirer", &k.acquirer, 64)
			}
			if f.in(25) {
				set("sub_merchant", &k.subMerchant, 64)
			}
		}
		if f.in(10) {
			key["from"], key["until"] = pickOf(f.chancer, "0001-01-01", "2020-02-29"), pickOf(f.chancer, "9999-12-31", "2100-01-01 00:00:01")
		}
		keys, f.keys = append(keys, key), append(f.keys, k)
	}
	store["keys"] = keys
	return store
}

func (f *offerFiles) commission(whole bool) any {
	switch n := f.IntN(8); {
	case n < 3:
		return f.percent(100)
	case n == 3:
		return f.anyMoney()
	case n == 4:
		return object{"tiers": []object{
			{"from": f.money(f.currency, 0), "percent": f.percent(100)},
			{"from": f.money(f.currency, 1+f.Int64N(5000)), "percent": f.percent(100), "fixed": f.money(f.currency, f.Int64N(300))},
		}}
	case n == 5 && whole:
		return object{"cost_plus": pickOf(f.chancer, "100%", "125%", "800%")}
	case n == 6 && whole:
		return object{"percent": f.percent(100), "fixed": f.money(f.currency, f.Int64N(300)), "on": "sale"}
	}
	return "20%"
}

// offers adds as many sound offers to a file as were made up.
func (f *offerFiles) offers(name string, body object, own bool) {
	var sound []any
	for n := range f.between(1, 5) {
		offer := object{"id": fmt.Sprintf("offer%d", n+1), "reward": f.reward()}
		if own {
			offer["mcc"], offer["funded_by"] = pickOf[any](f.chancer, "5411", "0001-9999", []string{"5411", "5812"}), "programme"
		} else if f.in(40) {
			offer["funded_by"] = "programme"
		}
		if f.in(15) && !own {
			delete(offer, "reward")
			offer["sponsor"] = f.sponsor()
		}
		tried := with(body, "offers", append(sound[:len(sound):len(sound)], offer))
		if !f.try(name, tried) {
			continue
		}
		for range f.IntN(6) {
			more := f.condition(own)
			thought := with(offer, more.key, more.value)
			if more.key == "pays" && more.value == "voucher" {
				thought["voucher_for"] = f.textOfBytes(200)
			}
			if f.try(name, with(body, "offers", append(sound[:len(sound):len(sound)], thought))) {
				offer = thought
			}
		}
		sound = append(sound, offer)
		f.offerIDs = append(f.offerIDs, offer["id"].(string))
	}
	f.try(name, with(body, "offers", sound))
}

func (f *offerFiles) reward() any {
	switch n := f.IntN(9); {
	case n < 2:
		return f.percent(100)
	case n == 2:
		return f.anyMoney()
	case n == 3:
		return f.anyMoney() + " per full " + f.money(f.currency, f.anyMinor())
	case n == 4:
		return object{"tiers": []object{
			{"from": f.money(f.currency, 1+f.Int64N(900)), "give": f.percent(50)}, {"from": f.money(f.currency, 1000+f.Int64N(9000)), "give": f.percent(100)},
		}, "apply_to": pickOf(f.chancer, "whole", "marginal")}
	case n == 5:
		categories := object{"bread": f.percent(100)}
		for range f.IntN(4) {
			categories[f.textOfBytes(200)] = f.percent(100)
		}
		return object{"categories": categories, "rest": f.percent(10)}
	case n == 6:
		return pickOf(f.chancer, "2 points", "1000000 points", "0.5 points")
	case n == 7:
		return pickOf(f.chancer, "1 point per ", "100 points per ", "0.0001 points per 7 ") + f.currency
	}
	return "3%"
}

func (f *offerFiles) sponsor() object {
	s := object{"reward": pickOf(f.chancer, "5%", "100%", f.anyMoney())}
	if f.in(50) {
		s["first_purchases"] = pickOf(f.chancer, 1, 3, 1_000_000)
	}
	if f.in(50) {
		s["within"] = pickOf(f.chancer, "1 day", "3660 days")
	}
	if f.in(50) {
		s["caps"] = []object{f.capOf()}
	}
	return s
}

func (f *offerFiles) capOf() object {
	c := object{"per": pickOf(f.chancer, "purchase", "day", "week", "month", "quarter", "year", "life", "1 day", "30 days", "3660 days")}
	if f.in(60) {
		c["amount"] = f.anyMoney()
	} else {
		c["count"] = pickOf(f.chancer, 1, 2, 1_000_000)
	}
	return c
}

func (f *offerFiles) budget() any {
	amount := f.anyMoney()
	if f.points >= 0 && f.in(30) {
		amount = pickOf(f.chancer, "500 points", "1 point")
	}
	if f.in(50) {
		return amount
	}
	b := object{"amount": amount, "last": pickOf(f.chancer, "partial", "none")}
	if f.in(40) {
		b["per"] = "store and day"
	}
	return b
}

func (f *offerFiles) when() object {
	w := object{}
	switch f.IntN(3) {
	case 0:
		w["weekdays"] = pickOf[any](f.chancer, "mon-fri", "sat-sun", []string{"wed", "thu"})
	case 1:
		w["hours"] = pickOf[any](f.chancer, "00:00-24:00", "22:00-02:00", []string{"00:00-00:00:01", "12:00-23:59:59"})
	default:
		w["dates"] = []string{"0001-01-01 to 9999-12-30"}
	}
	return w
}

func (f *offerFiles) audience(own bool) object {
	return pickOf(f.chancer,
		object{"levels": f.levels}, object{"segments": []string{"student", f.textOfBytes(200)}}, object{"card_products": []string{"gold", f.textOfBytes(200)}},
		object{"enrolled_for": "1 day"}, object{"enrolled_within": "3660 days"}, object{"enrolled_since": "0001-01-01"}, object{"activated": true})
}

func (f *offerFiles) condition(own bool) thing {
	all := []thing{
		{"name", f.textOfBytes(200)},
		{"min_spend", f.anyMoney()},
		{"max_spend", f.money(f.currency, 1<<53-1)},
		{"when", f.when()},
		{"channels", pickOf[any](f.chancer, "online", []string{"in_store", "online", "other"})},
		{"for", f.audience(own)},
		{"first_purchase", true},
		{"lapsed", pickOf(f.chancer, "1 day", "3660 days")},
		{"every", object{"visit": pickOf(f.chancer, 2, 3, 10_000), "per": pickOf(f.chancer, "day", "week", "month", "quarter", "year", "life")}},
		{"goal", object{"spend": f.anyMoney(), "per": pickOf(f.chancer, "day", "month", "life")}},
		{"caps", []object{f.capOf(), f.capOf()}},
		{"budget", f.budget()},
		{"budgets", []any{f.budget(), f.budget()}},
		{"group", pickOf(f.chancer, "g", "h")},
		{"priority", pickOf(f.chancer, -1_000_000, 0, 1, 1_000_000)},
		{"holdout", pickOf(f.chancer, any("none"), any("0%"), f.holdout())},
		{"pays", pickOf(f.chancer, "wallet", "voucher")},
		{"commission", f.commission(false)},
		{"sponsor", f.sponsor()},
		{"from", pickOf(f.chancer, "0001-01-01", "2020-01-01")},
		{"until", pickOf(f.chancer, "9999-12-31", "2100-01-01 12:34:56")},
		{"boosts", []object{f.boost("b1"), f.boost("b2")}},
	}
	return pickOf(f.chancer, all...)
}

func (f *offerFiles) boost(id string) object {
	b := object{"id": id}
	switch f.IntN(3) {
	case 0:
		b["set"] = f.percent(100)
	case 1:
		b["add"] = f.percent(100)
	default:
		b["multiply"] = pickOf[any](f.chancer, 2, 1.5, 100)
	}
	if f.in(30) {
		b["when"] = f.when()
	}
	if f.in(30) {
		b["for"] = object{"levels": []string{"gold"}}
	}
	return b
}

func (f *offerFiles) campaign(id string) {
	name := id + ".yaml"
	body := object{"campaign": id, "boosts": []object{f.boost("c1")}}
	if !f.try(name, body) {
		body["boosts"] = []object{{"id": "c1", "multiply": 2}}
		if !f.try(name, body) {
			return
		}
	}
	things := []thing{{"name", f.textOfBytes(200)}}
	if f.in(60) {
		things = append(things, thing{"budget", f.budget()})
	}
	if f.in(30) {
		things = append(things, thing{"for", object{"levels": f.levels}}, thing{"when", f.when()})
	}
	if f.in(40) {
		things = append(things, thing{"holdout", f.holdout()})
	}
	f.add(name, body, things)
}

func (f *offerFiles) holdout() any {
	percent := pickOf(f.chancer, "0.0001%", "10%", "50%", "99.9999%")
	if f.in(50) {
		return percent
	}
	return object{"percent": percent, "salt": f.textOfBytes(200)}
}
