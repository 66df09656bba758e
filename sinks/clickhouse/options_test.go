package clickhouse

import (
	"maps"
	"testing"
)

// On a cluster a read has what was acknowledged on any replica, or fails: with
// less, a shard rebuilt through a replica that lags books lines again.
func TestReadsOfAClusterAreSequentiallyConsistent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cluster string
		quorum  int
		want    map[string]string
	}{
		{"", 0, map[string]string{}},
		{"main", 0, map[string]string{"insert_quorum": "auto", "insert_quorum_parallel": "0", "select_sequential_consistency": "1"}},
		{"main", 3, map[string]string{"insert_quorum": "3", "insert_quorum_parallel": "0", "select_sequential_consistency": "1"}},
	} {
		o := DefaultOptions()
		o.Cluster, o.InsertQuorum = c.cluster, c.quorum
		read, written := map[string]string{}, map[string]string{}
		for name, value := range o.reader(o.Database).Settings {
			if text, ok := value.(string); ok {
				read[name] = text
			}
		}
		for _, setting := range o.writer("").Settings {
			if _, asked := c.want[setting.Key]; asked || c.cluster == "" && setting.Key == "insert_quorum" {
				written[setting.Key] = setting.Value
			}
		}
		if !maps.Equal(read, c.want) || !maps.Equal(written, c.want) {
			t.Errorf("cluster %q, quorum %d: reads with %v, writes with %v, want %v", c.cluster, c.quorum, read, written, c.want)
		}
	}
}
