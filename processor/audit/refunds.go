package audit

import (
	"fmt"
	"maps"
	"slices"

	"ristourne/rules"
)

// UnlinkedRefund is what has become of a refund that names no purchase.
type UnlinkedRefund struct {
	State     string
	MatchedTo string
	Minor     int64
}

// seeRefunds keeps how the pure engine has matched refunds last. The sandbox's
// event ids are unique over all accounts.
func (b *Books) seeRefunds(changes []rules.RefundChange) {
	for _, c := range changes {
		b.RefundsDue[c.EventID] = UnlinkedRefund{c.Is.String(), c.MatchedTo, c.AmountMinor}
	}
}

// checkRefunds compares what each refund without a link is matched to. Which of
// those that are linked by now were waiting before depends on the order of
// arrival, and so does whether they ever were.
func (b *Books) checkRefunds() Finding {
	f := Finding{What: "refunds without a link are matched as by the pure engine"}
	counts, minor := map[string]int{}, map[string]int64{}
	ids := maps.Clone(b.Refunds)
	maps.Copy(ids, b.RefundsDue)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		has, due := standing(b.Refunds[id]), standing(b.RefundsDue[id])
		if has != due {
			f.Differences = append(f.Differences, fmt.Sprintf("refund %s: ClickHouse has %+v, the pure engine %+v", id, has, due))
		}
		counts[due.State]++
		minor[due.State] += due.Minor
	}
	matched, waiting := rules.RefundMatched.String(), rules.RefundWaiting.String()
	f.Detail = fmt.Sprintf("%s of %s EUR matched, %s of %s EUR wait",
		Grouped(int64(counts[matched])), Cents(minor[matched]), Grouped(int64(counts[waiting])), Cents(minor[waiting]))
	return f
}

// standing is a refund as long as it has no purchase of its own.
func standing(r UnlinkedRefund) UnlinkedRefund {
	if r.State != rules.RefundMatched.String() && r.State != rules.RefundWaiting.String() {
		return UnlinkedRefund{}
	}
	return r
}
