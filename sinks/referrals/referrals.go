// Package referrals publishes to sponsors' accounts what they get for the purchases of
// the members they referred, through a Kafka topic with the sponsor's account id
// as key: it is in the shard of that account that a referral is booked.
package referrals

import (
	"context"
	"fmt"

	"ristourne/rules"
	"ristourne/sinks/internal/topic"
)

// defaultTopic is the usual name of the topic. Only processors may write it.
const defaultTopic = "programme.referrals"

// Options say where to write. Topic is needed; it has as many partitions as the
// other topics that processors read.
type Options = topic.Options

var form = topic.Form[rules.Referral]{
	UsualBytes: 800, Check: check, Append: appendValue,
	Key: func(r *rules.Referral) string { return r.SponsorAccountID },
}

// Writer writes referrals to the topic. It may be used by many goroutines.
type Writer struct{ out *topic.Writer }

// New makes a writer; it connects with the first referral.
func New(o Options) *Writer { return &Writer{out: topic.New(o)} }

// LayOut says over how many shards accounts are laid out: referrals go to no
// partition beyond them, which nobody reads.
func (w *Writer) LayOut(shards int) { w.out.Use(shards) }

// Close waits for what is on its way.
func (w *Writer) Close() error { return w.out.Close() }

// Publish returns when every referral is acknowledged by all replicas in sync. The
// referrals of a sponsor keep their order. An error means that some may be
// written and some not: publish all again, the sponsor's account knows repeats
// by their number. A referral that its shard would refuse is refused before any is sent.
func (w *Writer) Publish(ctx context.Context, referrals []rules.Referral) error {
	messages, err := form.Messages(referrals)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := w.out.Write(ctx, messages); err != nil {
		return fmt.Errorf("publish %d referrals: %w", len(referrals), err)
	}
	return nil
}

// What a reader takes.
const (
	maxAmountMinor = 1e18 - 1
	minSecond      = -62_167_219_200 // the year 0
	maxSecond      = 253_402_300_799 // the end of 9999
)

// Check says what Publish would refuse for good.
func Check(r *rules.Referral) error { return check(r) }

// check holds back what the sponsor's shard would make a dead letter of: there
// it would be an award that somebody must notice is missing; here the shard
// stands until it is mended.
func check(r *rules.Referral) error {
	fault := ""
	switch {
	case r.ID == "":
		fault = "it has no id"
	case r.Number < 1:
		fault = fmt.Sprintf("its number %d is not over 0", r.Number)
	case r.SponsorAccountID == "" || r.BuyerAccountID == "":
		fault = "it does not name both sponsor and buyer"
	case r.SponsorAccountID == r.BuyerAccountID:
		fault = "its sponsor and its buyer are one account"
	case r.TransactionID == "" || r.OfferID == "" || r.OfferVersion == "" || r.Programme == "":
		fault = "it does not name its transaction, offer, offer version and programme"
	case !validCurrency(r.Currency):
		fault = fmt.Sprintf("its currency %q is not three letters", r.Currency.String())
	case !validInstant(r.At) || !validInstant(r.PurchasedAt):
		fault = "its instants are not within the years 0 to 9999"
	case r.Channel > rules.OtherChannel:
		fault = fmt.Sprintf("its channel %d does not exist", r.Channel)
	case !validAmounts(r.ConfirmedBasisMinor, r.ConfirmedRewardMinor, r.ExpectedBasisMinor, r.ExpectedRewardMinor,
		r.ConfirmedRewardMinor-r.LateConfirmedRewardMinor, r.ExpectedRewardMinor-r.LateExpectedRewardMinor):
		fault = "an amount of it is under 0 or too large"
	default:
		return nil
	}
	return fmt.Errorf("%w: referral %q can't be published: %s: a fault of the program; it is held back, and what comes after it in its shard", rules.ErrNeedsPerson, r.ID, fault)
}

func validCurrency(code [3]byte) bool {
	for _, c := range code {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

func validInstant(i rules.Instant) bool {
	return i.Sec >= minSecond && i.Sec <= maxSecond && i.Nsec >= 0 && i.Nsec < 1_000_000_000
}

func validAmounts(amountsMinor ...int64) bool {
	for _, minor := range amountsMinor {
		if minor < 0 || minor > maxAmountMinor {
			return false
		}
	}
	return true
}
