package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/simulate"
	"ristourne/rules/explain"
	"ristourne/rules/offer"
)

type explainOptions struct {
	source catalogueSource
	output string
	made   simulate.MadeUp
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
			ref, err := catalog.FindOffer(loaded.Catalogue, given[0])
			if err != nil {
				return err
			}
			told, err := o.made.Explain(loaded, ref, time.Now())
			var wrong simulate.OptionError
			if errors.As(err, &wrong) {
				return usageError{fmt.Errorf("--%w", err)}
			}
			if err != nil {
				return err
			}
			return printTold(cmd.OutOrStdout(), told, o.output)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *explainOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	o.source.flags(cmd)
	f.StringVar(&o.made.Purchase, "purchase", "", "what is paid, such as \"84.50 EUR\" (needed)")
	f.StringVar(&o.made.At, "at", "", "when, on the store's clock, such as 2026-11-25T17:30; now where it is missing")
	f.StringVar(&o.made.Store, "store", "", "at which store: its id, or PARTNER/STORE for a programme's offer; the first that has the offer")
	f.StringVar(&o.made.Channel, "channel", "", "how it is bought: in_store, online or other")
	f.StringVar(&o.made.MCC, "mcc", "", "the merchant's category, four digits such as 5411")
	f.StringVar(&o.made.Country, "country", "", "in which country the merchant is, such as FR")
	f.StringVar(&o.made.Billed, "billed", "", "what a purchase in another currency is on the statement, such as \"18.40 EUR\"")
	f.StringVar(&o.made.CardProduct, "card-product", "", "with which card it is paid, in the bank's own words")
	f.StringVar(&o.made.Level, "level", "", "the member's level, such as loyal")
	f.StringArrayVar(&o.made.Segments, "segment", nil, "a segment that the member is in; again for each")
	f.StringVar(&o.made.Enrolled, "enrolled", "", "when the member enrolled, such as 2026-01-31; a year before where it is missing")
	f.BoolVar(&o.made.Activated, "activated", false, "the member has activated the offer")
	f.StringVar(&o.made.Account, "account", "", "whose purchase it is, where accounts are held out; one who isn't where it is missing")
	f.StringVar(&o.made.Items, "items", "", "the articles by category, such as \"bread 4.00 EUR, cheese 6.00 EUR\"")
	f.StringArrayVar(&o.made.Before, "before", nil, "an earlier purchase there, such as \"60 EUR on 2026-11-02\"; again for each")
	outputFlag(cmd, &o.output)
	if err := cmd.MarkFlagRequired("purchase"); err != nil {
		panic(err) // the flag was added above
	}
}

func printTold(w io.Writer, t *simulate.Told, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(t)
	}
	_, err := io.WriteString(w, textOf(t))
	return err
}

func textOf(t *simulate.Told) string {
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
	offer, others := splitOffers(t)
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
func splitOffers(t *simulate.Told) (agreed *explain.ExplainedOffer, others []*explain.ExplainedOffer) {
	for i := range t.Confirmed.Offers {
		o := &t.Confirmed.Offers[i]
		if (offer.OfferRef{Partner: o.PartnerID, Offer: o.OfferID}).String() == t.Offer {
			agreed = o
			continue
		}
		others = append(others, o)
	}
	return agreed, others
}
