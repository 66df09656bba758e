package processor

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"ristourne/processor/feed"
)

// A partition that no shard reads is told of when it appears, and as an error, which
// is repeated, once records lie in it: nobody is credited for them.
func TestRecordsThatNoShardReadsAreTold(t *testing.T) {
	t.Parallel()
	clock := new(handClock)
	ports := purePorts(t, aTown())
	ports.Now = clock.now
	p := newTestProcessor(t, ports)
	var log bytes.Buffer
	p.log = slog.New(slog.NewTextHandler(&log, nil))
	added := feed.Unread{Topic: "card.transactions", Partition: 2}
	for _, step := range []struct {
		after   time.Duration
		records int64
		want    string
	}{
		{0, 0, `level=WARN msg="the input topics have partitions that belong to no shard`},
		{unreadSaidEvery - 1, 0, ""},
		{1, 7, `level=ERROR msg="records lie in partitions that belong to no shard" error="7 records in partition 2 of card.transactions`},
		{unreadSaidEvery - 1, 8, ""},
		{1, 8, "8 records in partition 2 of card.transactions"},
	} {
		clock.advance(step.after)
		log.Reset()
		added.LogEnd = added.LogStart + step.records
		p.tellUnread([]feed.Unread{added})
		if told := log.String(); !strings.Contains(told, step.want) || (told == "") != (step.want == "") {
			t.Errorf("%d records after %s more are told as %q, want %q", step.records, step.after, told, step.want)
		}
	}
}
