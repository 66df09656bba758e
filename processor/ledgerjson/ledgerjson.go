// Package ledgerjson is the ledger in JSON, as it leaves Ristourne: the names of
// its fields are an interface.
package ledgerjson

import (
	"time"

	"ristourne/rules"
)

// stated is empty for the zero instant, which stands for none.
func stated(t rules.Instant) string {
	if t == (rules.Instant{}) {
		return ""
	}
	return t.String()
}

// orEmpty makes an absent list [] rather than null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// millis is a Kafka timestamp.
func millis(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
