package processor

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// Metrics are what a processor tells of itself. All shards of a process share
// them.
type Metrics struct {
	records        *prometheus.CounterVec
	fates          [rules.NumFates]prometheus.Counter // of records, without the lookup
	deadLetters    *prometheus.CounterVec
	lookAlikes     *prometheus.CounterVec
	retries        *prometheus.CounterVec
	stepSeconds    *prometheus.HistogramVec
	shardFailures  *prometheus.CounterVec
	outboxesFound  prometheus.Counter
	epoch          *prometheus.GaugeVec
	rebuilds       prometheus.Counter
	differences    prometheus.Counter
	repairs        prometheus.Counter
	restored       prometheus.Counter
	unfolded       prometheus.Counter
	catalogueWaits prometheus.Counter

	catalogueWaitSeconds prometheus.Counter
	stampAge             *prometheus.GaugeVec
	stampsOff            *prometheus.CounterVec
	budgetLeft           *prometheus.GaugeVec
	budgetHeld           *prometheus.GaugeVec
	refused              *prometheus.CounterVec
	refunds              *prometheus.CounterVec
	holdouts             *prometheus.CounterVec // by holdout and whether it holds the account out

	unknownProgrammes prometheus.Counter
	bookedAge         prometheus.Histogram
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m, r := &Metrics{}, registrar{promauto.With(registry)}
	m.ofRecords(r)
	m.ofSteps(r)
	m.ofRepairs(r)
	m.ofTime(r)
	m.ofMoney(r)
	return m
}

// registrar makes and registers metrics of this program.
type registrar struct{ promauto.Factory }

const namespace = "ristourne"

func (r registrar) counter(name, help string) prometheus.Counter {
	return r.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func (r registrar) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return r.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func (r registrar) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return r.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func (m *Metrics) ofRecords(r registrar) {
	m.records = r.counters("records_total", "Input records by fate; their sum is all that was read.", "fate")
	for fate := rules.Booked; fate < rules.NumFates; fate++ {
		m.fates[fate] = m.records.WithLabelValues(fate.String())
	}
	m.deadLetters = r.counters("dead_letters_total", "Records that broke a rule, by reason.", "reason")
	m.lookAlikes = r.counters("card_number_lookalikes_total", "Ids that look like card numbers and were accepted, by field.", "field")
	m.unknownProgrammes = r.counter("unknown_programme_enrolments_total", "Enrolments in a programme that the catalogue doesn't have. Their members earn nothing.")
	m.holdouts = r.counters("holdout_events_total", "Events of purchases that are under a holdout, by whether it holds their account out.", "holdout", "held")
}

func (m *Metrics) ofSteps(r registrar) {
	m.retries = r.counters("retries_total", "Tries of a step that failed and were repeated.", "step")
	m.stepSeconds = r.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "step_seconds", Help: "Duration of a step of a batch, tries and pauses included.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
	}, []string{"step"})
	m.shardFailures = r.counters("shard_failures_total", "Shards that stopped, or that wait for a person to act, by reason. The others go on.", "shard", "reason")
	m.outboxesFound = r.counter("outboxes_found_total", "Batches of a former owner that were delivered on acquisition.")
	m.epoch = r.gauges("shard_epoch", "Epoch by which this process has acquired a shard, until it lets it go. The owner is whoever has the highest.", "shard")
}

func (m *Metrics) ofRepairs(r registrar) {
	m.rebuilds = r.counter("rebuilds_total", "Shards rebuilt from the ledger.")
	m.differences = r.counter("rebuild_differences_total", "Accounts of which recomputing would change what is booked, found by a rebuild, which changes nothing of it. Look into each.")
	m.repairs = r.counter("repairs_total", "Accounts that a repair, approved by a person, has changed.")
	m.unfolded = r.counter("accounts_unfolded_total", "Accounts of which purchases that were put away had to be read.")
	m.restored = r.counter("accounts_restored_total", "Accounts whose state in Redis could not be read, made anew from the ledger.")
}

func (m *Metrics) ofTime(r registrar) {
	m.bookedAge = r.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "booked_age_seconds",
		Help:    "Time from the Kafka timestamp of an event or fact that belongs to an account until what it changed is booked in the ledger.",
		Buckets: prometheus.ExponentialBuckets(0.005, 1.5, 24), // to a minute
	})
	m.catalogueWaits = r.counter("catalogue_waits_total", "Purchases held back until the catalogue was complete up to their time.")
	m.catalogueWaitSeconds = r.counter("catalogue_wait_seconds_total", "How long shards have waited for a catalogue that is complete up to a purchase.")
	m.stampAge = r.gauges("arrival_less_timestamp_seconds",
		"Arrival less Kafka timestamp of the record of the last batch that was farthest off. Well over or under 0: a producer's clock is wrong.", "topic", "shard")
	m.stampsOff = r.counters("timestamps_off_total", "Records whose Kafka timestamp was more than a minute from their arrival, by topic.", "topic")
}

func (m *Metrics) ofMoney(r registrar) {
	m.budgetLeft = r.gauges("budget_left_minor", "What no shard has reserved of a budget, when this process last reserved of it, in minor units.", "budget")
	m.budgetHeld = r.gauges("budget_held_minor", "What a shard has reserved of a budget and not spent, in minor units.", "budget", "shard")
	m.refused = r.counters("budget_refusals_total", "Purchases that got less of a budget than they deserved. Budgets per store and day count under their offer.", "budget")
	m.refunds = r.counters("unlinked_refunds_minor_total",
		"Money of refunds at partners' stores that name no known purchase, in minor units, by what became of them: each change of it counts.", "was", "is", "currency")
}

func (m *Metrics) countLookAlikes(field string, n uint64) {
	m.lookAlikes.WithLabelValues(field).Add(float64(n))
}

func (m *Metrics) countFates(fates *[rules.NumFates]int64) {
	for fate := rules.Booked; fate < rules.NumFates; fate++ {
		if n := fates[fate]; n > 0 {
			m.fates[fate].Add(float64(n))
		}
	}
}

// showBooked takes the age of what has just been booked.
func (m *Metrics) showBooked(now time.Time, decisions []*rules.Decision) {
	const perSecond = 1000
	for _, d := range decisions {
		for i := range d.Set {
			m.bookedAge.Observe(float64(now.UnixMilli()-d.Set[i].Cause.RecordedAt) / perSecond)
		}
	}
}

// countRefunds counts what became of refunds without a known purchase.
func (m *Metrics) countRefunds(set []rules.SetRow) {
	for i := range set {
		for _, c := range set[i].Refunds {
			m.refunds.WithLabelValues(c.Was.String(), c.Is.String(), c.Currency.String()).Add(float64(c.AmountMinor))
		}
	}
}

// countHoldouts counts the events of purchases under each holdout.
func (m *Metrics) countHoldouts(set []rules.SetRow) {
	for i := range set {
		for _, d := range set[i].Holdouts {
			m.holdouts.WithLabelValues(d.ID, strconv.FormatBool(d.Held)).Inc()
		}
	}
}

// showBudget shows what a reservation has left. Budgets per store and day would be too
// many, and each is over with its day.
func (m *Metrics) showBudget(t *lease, d *Reserved) {
	if _, perDay := budgetLabel(t.key); !perDay && t.limitMinor > 0 {
		m.budgetLeft.WithLabelValues(string(t.key)).Set(float64(max(0, t.limitMinor-d.ReservedMinor-d.OthersMinor)))
	}
}

// countSpent counts what a saved window has taken of a budget.
func (m *Metrics) countSpent(shard int32, t *lease) {
	label, perDay := budgetLabel(t.key)
	if t.refused > 0 {
		m.refused.WithLabelValues(label).Add(float64(t.refused))
	}
	if !perDay {
		m.budgetHeld.WithLabelValues(label, strconv.Itoa(int(shard))).Set(float64(t.reservedMinor - t.spentMinor))
	}
}

// letGo takes what a shard holds out of the gauges.
func (m *Metrics) letGo(shard int32) {
	m.budgetHeld.DeletePartialMatch(prometheus.Labels{"shard": strconv.Itoa(int(shard))})
	m.epoch.DeleteLabelValues(strconv.Itoa(int(shard)))
	m.stampAge.DeletePartialMatch(prometheus.Labels{"shard": strconv.Itoa(int(shard))})
}

// budgetLabel is the name of a budget, without store and day.
func budgetLabel(key rules.BudgetKey) (label string, perDay bool) {
	const named = 3 // the form, the partner and the offer
	parts := strings.SplitN(string(key), "/", named+1)
	if parts[0] != "day" || len(parts) <= named {
		return string(key), false
	}
	return strings.Join(parts[:named], "/"), true
}

// The gauges of the shards are read when somebody asks.
var (
	lagDesc = prometheus.NewDesc("ristourne_lag_records",
		"Records of a topic that wait to be read.", []string{"topic", "shard"}, nil)
	oldestDesc = prometheus.NewDesc("ristourne_oldest_uncommitted_seconds",
		"Age of the oldest record that was read and is not committed.", []string{"shard"}, nil)
	snapshotAgeDesc = prometheus.NewDesc("ristourne_snapshot_age_seconds",
		"Time since the catalogue was last known to be complete up to now.", nil, nil)
	stalledDesc = prometheus.NewDesc("ristourne_shard_stalled_seconds",
		"Time since a shard last committed offsets, or had nothing to do.", []string{"shard"}, nil)
	shardsDesc = prometheus.NewDesc("ristourne_shards", "Shards that this process owns.", nil, nil)
)

// Describe implements prometheus.Collector.
func (p *Processor) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagDesc
	ch <- oldestDesc
	ch <- snapshotAgeDesc
	ch <- stalledDesc
	ch <- shardsDesc
	ch <- unreadDesc
}

// Collect implements prometheus.Collector.
func (p *Processor) Collect(ch chan<- prometheus.Metric) {
	now := p.ports.Now()
	shards := p.owned()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(shardsDesc, float64(len(shards)))
	if snapshot, complete := p.ports.Catalogue.Current(); snapshot != nil {
		gauge(snapshotAgeDesc, max(0, (now.Sub(complete.Time())+offer.PublicationLead).Seconds()))
	}
	p.mu.Lock()
	for shard, pulse := range p.pulses {
		gauge(stalledDesc, pulse.still(now).Seconds(), strconv.Itoa(int(shard)))
	}
	for _, of := range p.unread.partitions {
		gauge(unreadDesc, float64(of.Records()), of.Topic, strconv.Itoa(int(of.Partition)))
	}
	p.mu.Unlock()
	for _, s := range shards {
		name := strconv.Itoa(int(s.source.Shard()))
		age := 0.0
		if oldest := s.backlog.oldest(); oldest > 0 {
			age = now.Sub(rules.InstantOfMillis(oldest).Time()).Seconds()
		}
		gauge(oldestDesc, age, name)
		if meter, ok := s.source.(lagMeter); ok {
			for topic, lag := range meter.Lag() {
				gauge(lagDesc, float64(lag), p.options.Topics[topic], name)
			}
		}
	}
}
