package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/rules"
)

type explainOptions struct {
	source       catalogueSource
	output       string
	purchase, at string
	store        string
	channel, mcc string
	country      string
	billed       string
	cardProduct  string
	level        string
	segments     []string
	enrolled     string
	items        string
	before       []string
	activated    bool
	account      string
}

func newOffersExplainCommand(deps offersDeps) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain OFFER",
		Short: "Tell step by step what a purchase would earn by an offer, and why not more",
		Long: `Tell step by step what a purchase would earn by an offer: what the offer asks and
whether it holds, the rate and its boosts, the rounding, the caps with the room
left, the other offers beside it, the commission, and what the programme keeps.

OFFER is PARTNER/OFFER, programme/OFFER for the programme's own, or the id alone
where only one offer has it. The purchase is made up, for a member who is made up
too, and worked out by the rules that decide real ones; nothing is booked. What
isn't stated is unknown, and a condition on something unknown doesn't hold.

Budgets are taken to be full, but for what the purchases of --before use. Who is
held out follows from the account id: --account tells it for one account.`,
		Example: `  ristourne offers explain cafe-du-coin/everyday --catalog offers/ --purchase "84.50 EUR" --at 2026-11-25T17:30
  ristourne offers explain everyday --catalog offers/ --purchase "20 EUR" --level loyal --before "60 EUR on 2026-11-02"
  ristourne offers explain basket --catalog offers/ --purchase "11 EUR" --items "bread 4.00 EUR, cheese 6.00 EUR"
  ristourne offers explain everyday --catalog offers/ --purchase "20 EUR" --account acc-17
  ristourne offers explain programme/groceries --config ristourne.yaml --purchase "35 EUR" --mcc 5411`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := o.source.validate(); err != nil {
				return usageError{err}
			}
			loaded, err := o.source.load(cmd.Context(), deps)
			if err != nil {
				return err
			}
			told, err := explainOffer(loaded, given[0], &o, time.Now())
			if err != nil {
				return err
			}
			return told.print(cmd.OutOrStdout(), o.output)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *explainOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	o.source.flags(cmd)
	f.StringVar(&o.purchase, "purchase", "", "what is paid, such as \"84.50 EUR\" (needed)")
	f.StringVar(&o.at, "at", "", "when, on the store's clock, such as 2026-11-25T17:30; now where it is missing")
	f.StringVar(&o.store, "store", "", "at which store: its id, or PARTNER/STORE for a programme's offer; the first that has the offer")
	f.StringVar(&o.channel, "channel", "", "how it is bought: in_store, online or other")
	f.StringVar(&o.mcc, "mcc", "", "the merchant's category, four digits such as 5411")
	f.StringVar(&o.country, "country", "", "in which country the merchant is, such as FR")
	f.StringVar(&o.billed, "billed", "", "what a purchase in another currency is on the statement, such as \"18.40 EUR\"")
	f.StringVar(&o.cardProduct, "card-product", "", "with which card it is paid, in the bank's own words")
	f.StringVar(&o.level, "level", "", "the member's level, such as loyal")
	f.StringArrayVar(&o.segments, "segment", nil, "a segment that the member is in; again for each")
	f.StringVar(&o.enrolled, "enrolled", "", "when the member enrolled, such as 2026-01-31; a year before where it is missing")
	f.BoolVar(&o.activated, "activated", false, "the member has activated the offer")
	f.StringVar(&o.account, "account", "", "whose purchase it is, where accounts are held out; one who isn't where it is missing")
	f.StringVar(&o.items, "items", "", "the articles by category, such as \"bread 4.00 EUR, cheese 6.00 EUR\"")
	f.StringArrayVar(&o.before, "before", nil, "an earlier purchase there, such as \"60 EUR on 2026-11-02\"; again for each")
	outputFlag(cmd, &o.output)
	if err := cmd.MarkFlagRequired("purchase"); err != nil {
		panic(err) // the flag was added above
	}
}

// toldOffer is what is told of a made-up purchase.
type toldOffer struct {
	Offer   string   `json:"offer"`   // PARTNER/OFFER
	Amount  string   `json:"amount"`  // of the purchase
	Assumed []string `json:"assumed"` // who buys, and what isn't known of it
	*rules.Explanation
}

func explainOffer(loaded *catalog.Loaded, name string, o *explainOptions, now time.Time) (*toldOffer, error) {
	ref, err := findOffer(loaded.Catalogue, name)
	if err != nil {
		return nil, err
	}
	made, err := makePurchase(loaded, ref, o, now)
	if err != nil {
		return nil, err
	}
	explanation, err := made.explain(loaded.Snapshot)
	if err != nil {
		return nil, err
	}
	return &toldOffer{Offer: ref.String(), Amount: made.amount.String(), Assumed: made.assumed, Explanation: explanation}, nil
}

// findOffer finds the one offer that a person means, in whatever version.
func findOffer(c *rules.Catalogue, name string) (rules.OfferRef, error) {
	refs := allOffers(c)
	var found []rules.OfferRef
	for _, ref := range refs {
		if ref.String() == name || ref.Offer == name {
			found = append(found, ref)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return rules.OfferRef{}, fmt.Errorf("there is no offer %q%s: write PARTNER/OFFER, or programme/OFFER for the programme's own", name, nearOffers(refs, name))
	}
	return rules.OfferRef{}, fmt.Errorf("%s are called %q: say which one, %s", rules.Counted(len(found), "offer"), name, listRefs(found))
}

// allOffers are all offers of all versions, each once, in order.
func allOffers(c *rules.Catalogue) []rules.OfferRef {
	var refs []rules.OfferRef
	add := func(partnerID string, offers []rules.Offer) {
		for i := range offers {
			refs = append(refs, rules.OfferRef{Partner: partnerID, Offer: offers[i].ID})
		}
	}
	for i := range c.Programmes {
		add("", c.Programmes[i].Offers)
	}
	for i := range c.Partners {
		add(c.Partners[i].ID, c.Partners[i].Offers)
	}
	slices.SortFunc(refs, func(a, b rules.OfferRef) int {
		return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Offer, b.Offer))
	})
	return slices.Compact(refs)
}

// mostNamed is how many offers a message names.
const mostNamed = 5

func listRefs(refs []rules.OfferRef) string {
	texts := make([]string, 0, mostNamed)
	for _, ref := range refs[:min(len(refs), mostNamed)] {
		texts = append(texts, ref.String())
	}
	if len(refs) > mostNamed {
		texts = append(texts, "...")
	}
	return strings.Join(texts, ", ")
}

// nearOffers names what was perhaps meant: other offers of the partner, or those
// that have a part of the name in theirs.
func nearOffers(refs []rules.OfferRef, name string) string {
	partner, id, named := strings.Cut(name, "/")
	if !named {
		id = partner
	}
	var near []rules.OfferRef
	for _, ref := range refs {
		ofPartner := named && cmp.Or(ref.Partner, rules.ProgrammeWord) == partner
		if ofPartner || ref.Partner == name || len(id) > 2 && strings.Contains(ref.Offer, id) {
			near = append(near, ref)
		}
	}
	if len(near) == 0 {
		return ""
	}
	return " (did you mean " + listRefs(near) + "?)"
}

func (t *toldOffer) print(w io.Writer, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(t)
	}
	_, err := io.WriteString(w, t.text())
	return err
}

func (t *toldOffer) text() string {
	var b strings.Builder
	x := t.Explanation
	place := "at no partner's store"
	if x.Purchase.PartnerID != "" {
		place = "at store " + x.Purchase.StoreID + " of " + cmp.Or(x.Purchase.PartnerName, x.Purchase.PartnerID)
	}
	fmt.Fprintf(&b, "A purchase of %s on %s, %s\n", t.Amount, x.Purchase.LocalTime, place)
	for _, assumed := range t.Assumed {
		fmt.Fprintf(&b, "  %s\n", assumed)
	}
	offer, others := t.split()
	fmt.Fprintf(&b, "\n%s\n", offer.Text(x.Purchase.Rounding))
	if len(others) > 0 {
		b.WriteString("Beside it\n")
	}
	for _, other := range others {
		fmt.Fprintf(&b, "  %s\n", other.Headline())
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, "  All together the member gets %s.\n\n", cmp.Or(x.Confirmed.Awards(), "nothing"))
	}
	b.WriteString(x.Confirmed.MoneyText())
	if len(offer.WhyNotMore) == 0 {
		b.WriteString("\nNothing keeps it from being more: it is all that the offer gives.\n")
		return b.String()
	}
	b.WriteString("\nWhy not more?\n")
	for _, why := range offer.WhyNotMore {
		fmt.Fprintf(&b, "  - %s\n", why)
	}
	return b.String()
}

// split gives the offer that was asked for, and the others of the place.
func (t *toldOffer) split() (offer *rules.ExplainedOffer, others []*rules.ExplainedOffer) {
	for i := range t.Confirmed.Offers {
		o := &t.Confirmed.Offers[i]
		if (rules.OfferRef{Partner: o.PartnerID, Offer: o.OfferID}).String() == t.Offer {
			offer = o
			continue
		}
		others = append(others, o)
	}
	return offer, others
}
