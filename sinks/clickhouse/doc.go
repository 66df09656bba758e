// Package clickhouse is the ledger in ClickHouse: its tables, the booking of
// decisions, the reads from which a shard is rebuilt, and the queries and
// reports that people ask.
//
// # Replays
//
// Booking is at least once: an insert whose answer was lost is sent again, and
// after a crash the outbox is booked again in other batches. Each table is a
// ReplacingMergeTree whose sort key ends in the row's own identity, so repeats
// merge away in the background; until then the views (named as the tables,
// without _log) collapse them with FINAL. Repeats of a row always lie in one
// table partition, as partitions come from the row's own instants. So FINAL
// merges within a partition alone, and one that ClickHouse has merged into a
// single part (which it is told to do an hour after the last insert) is read as
// it is: what costs is the month that is being written.
//
// What must not change between repeats of one id (the amounts) stands in the
// sort key before it: two contents never collapse into one, and
// [Ledger.Conflicts] finds them.
//
// # Instants
//
// ClickHouse's Date ends in 2149, its DateTime in 2106, and both begin in 1970;
// beyond, they wrap silently. So an instant is stored as exact seconds and
// nanoseconds, and beside it, for dates and charts, a DateTime64(3) that is held
// within 1970 to 2105: a purchase of the year 9999 shows as the last
// millisecond of 2105, and its exact instant is never lost.
//
// # Replicas
//
// [Options.Cluster] makes the migrations create ReplicatedReplacingMergeTree
// tables ON CLUSTER, at the server's default_replica_path. Every replica is
// then a whole copy, and one word holds for all of them: an insert is
// acknowledged when a majority of the replicas has it ([Options.InsertQuorum]
// names another number), inserts into a table follow one another
// (insert_quorum_parallel 0), and a read has all that was acknowledged or fails
// (select_sequential_consistency 1), and is tried again. Fewer than a majority
// would let a read miss what another replica has acknowledged.
//
// # Number of partitions
//
// The shard is part of the sort key. A change of the topics' number of
// partitions moves accounts to other shards, and then the _log tables must be
// copied into new ones with the new shard numbers before a shard is rebuilt.
package clickhouse
