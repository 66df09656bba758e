package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"ristourne/processor/audit"
	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

// How often progress is shown, on a terminal and elsewhere, and how often the
// ledger is asked for its sums.
const (
	showEvery   = 500 * time.Millisecond
	printEvery  = 5 * time.Second
	ledgerEvery = 2 * time.Second
)

// gauge is what the processors and the ledger tell of themselves at a moment.
type gauge struct {
	at      time.Time
	records float64 // that came to a fate
	lag     float64
	dead    map[string]float64 // by reason

	counts clickhouse.Counts
	totals []clickhouse.Total
}

// showProgress shows how it goes until ctx ends, and once more then.
func (s *sandbox) showProgress(ctx context.Context) error {
	every := printEvery
	if s.out.live {
		every = showEvery
	}
	s.out.say("")
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	first := s.gauge(ctx)
	before := first
	var asked time.Time
	for {
		ended := false
		select {
		case <-ctx.Done():
			ended = true
		case <-ticker.C:
		}
		// The last look is taken when ctx has ended.
		looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		now := s.gauge(looking)
		now.counts, now.totals = before.counts, before.totals
		if time.Since(asked) > ledgerEvery || ended {
			asked = time.Now()
			// A look that fails shows the numbers of the one before; the balance
			// sheet will not be so lenient.
			if counts, err := s.ledger.Counts(looking); err == nil {
				now.counts = counts
			}
			if totals, err := s.ledger.Totals(looking); err == nil {
				now.totals = totals
			}
		}
		cancel()
		if ended {
			before = first // the rate of the whole
		}
		if s.out.live {
			s.out.show(s.block(now, before))
		} else {
			s.out.show([]string{s.line(now, before)})
		}
		if ended {
			return nil
		}
		before = now
	}
}

// gauge asks the processors for their metrics.
func (s *sandbox) gauge(ctx context.Context) gauge {
	g := gauge{at: time.Now(), dead: map[string]float64{}}
	for _, p := range s.running {
		families, err := scrape(ctx, p.metrics)
		if err != nil {
			continue // it is busy or about to end; another look will tell
		}
		for _, m := range families["ristourne_records_total"] {
			g.records += m.value
		}
		for _, m := range families["ristourne_lag_records"] {
			g.lag += m.value
		}
		for _, m := range families["ristourne_dead_letters_total"] {
			g.dead[m.labels["reason"]] += m.value
		}
	}
	return g
}

type metric struct {
	labels map[string]string
	value  float64
}

// scrape reads counters and gauges.
func scrape(ctx context.Context, address string) (map[string][]metric, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	all := make(map[string][]metric, len(families))
	for name, family := range families {
		for _, m := range family.GetMetric() {
			labels := make(map[string]string, len(m.GetLabel()))
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			all[name] = append(all[name], metric{labels, m.GetCounter().GetValue() + m.GetGauge().GetValue()})
		}
	}
	return all, nil
}

// block is the progress on a terminal.
func (s *sandbox) block(now, before gauge) []string {
	reward := sumOf(now.totals)
	return []string{
		s.when(now.at),
		fmt.Sprintf("  in        %s records, %s/s, %s at partner shops; %s wait to be read",
			audit.Grouped(s.sent.records.Load()), audit.Grouped(int64(rate(now, before))), audit.Grouped(s.sent.hits.Load()), audit.Grouped(int64(now.lag))),
		fmt.Sprintf("  accruals  %s lines; rewards %s EUR confirmed, %s EUR expected; commission %s EUR",
			audit.Grouped(int64(now.counts.Accruals)), audit.Cents(reward[rules.Confirmed].RewardMinor), audit.Cents(reward[rules.Expected].RewardMinor),
			audit.Cents(reward[rules.Confirmed].CommissionMinor)),
		fmt.Sprintf("  credits   %s instructions: %s EUR credited, %s EUR taken back",
			audit.Grouped(int64(now.counts.Instructions)), audit.Cents(now.counts.CreditMinor), audit.Cents(now.counts.DebitMinor)),
		"  dead      " + deadLine(now.dead),
	}
}

// line is the progress where nothing can be written over.
func (s *sandbox) line(now, before gauge) string {
	reward := sumOf(now.totals)
	return fmt.Sprintf("%s  %s records in (%s/s), lag %s, %s accruals, %s EUR confirmed, %s credits, %s dead letters",
		s.calendar.at(now.at).Format("2006-01-02"), audit.Grouped(s.sent.records.Load()), audit.Grouped(int64(rate(now, before))),
		audit.Grouped(int64(now.lag)), audit.Grouped(int64(now.counts.Accruals)), audit.Cents(reward[rules.Confirmed].RewardMinor),
		audit.Grouped(int64(now.counts.Instructions)), audit.Grouped(int64(total(now.dead))))
}

// when says where the calendar and the clock are.
func (s *sandbox) when(now time.Time) string {
	elapsed := now.Sub(s.calendar.started)
	clock := fmt.Sprintf("%s of traffic, Ctrl-C ends it", elapsed.Round(time.Second))
	if s.duration > 0 {
		clock = fmt.Sprintf("%s of %s", min(elapsed, s.duration).Round(time.Second), s.duration)
	}
	if s.calendar.endless && elapsed > s.calendar.span {
		return "It is today in Lyon: purchases are made now and cleared within minutes. " + clock
	}
	at := s.calendar.at(now)
	return fmt.Sprintf("It is %s in Lyon, day %d of %d. %s", at.Format("Mon 2 Jan 2006"),
		min(s.days, int(at.Sub(s.calendar.begin)/(24*time.Hour))+1), s.days, clock)
}

// rate is records a second between two looks.
func rate(now, before gauge) float64 {
	if now.records < before.records { // a processor did not answer
		return 0
	}
	return (now.records - before.records) / now.at.Sub(before.at).Seconds()
}

func total(byReason map[string]float64) (sum float64) {
	for _, n := range byReason {
		sum += n
	}
	return sum
}

// deadLine is the dead letters by reason, the most frequent first.
func deadLine(byReason map[string]float64) string {
	if len(byReason) == 0 {
		return "no letters yet"
	}
	reasons := slices.SortedFunc(maps.Keys(byReason), func(a, b string) int {
		return cmp.Or(cmp.Compare(byReason[b], byReason[a]), cmp.Compare(a, b))
	})
	listed := make([]string, len(reasons))
	for i, reason := range reasons {
		listed[i] = fmt.Sprintf("%s %d", reason, int64(byReason[reason]))
	}
	return fmt.Sprintf("%s letters: %s", audit.Grouped(int64(total(byReason))), strings.Join(listed, ", "))
}

// sumOf adds totals up by stage. The sandbox's catalogue is in one currency.
func sumOf(totals []clickhouse.Total) map[rules.Stage]clickhouse.Total {
	sums := make(map[rules.Stage]clickhouse.Total)
	for _, t := range totals {
		sum := sums[t.Stage]
		sum.RewardMinor += t.RewardMinor
		sum.CommissionMinor += t.CommissionMinor
		sum.CostMinor += t.CostMinor
		sums[t.Stage] = sum
	}
	return sums
}
