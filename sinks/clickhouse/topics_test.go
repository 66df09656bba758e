package clickhouse

import (
	"fmt"
	"strings"
	"testing"

	"ristourne/rules"
)

// The tables' own text says the topics in the order in which the program numbers
// them.
func TestTheTablesHaveTheTopicsInTheirOrder(t *testing.T) {
	t.Parallel()
	tables, err := migrationFiles.ReadFile("migrations/00001_tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	var named, heads []string
	for topic := range rules.NumTopics {
		named = append(named, fmt.Sprintf("'%s' = %d", topic, topic))
		heads = append(heads, positionColumn(topic))
	}
	if want := "Enum8(" + strings.Join(named, ", ") + ")"; strings.Count(string(tables), want) != 1 {
		t.Errorf("cause_topic is not %s", want)
	}
	if got := strings.Join(strings.Fields(strings.NewReplacer(" Int64,", "").Replace(string(tables))), " "); !strings.Contains(got, strings.Join(heads, " ")) {
		t.Errorf("markers_log has not the columns %s one behind the other", heads)
	}
}
