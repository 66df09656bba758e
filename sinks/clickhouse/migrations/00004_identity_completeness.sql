-- +goose Up

-- Which installation this ledger is of: an id that Redis has too, and a
-- fingerprint of the secret under which account references are derived. Of two
-- that come first at one time, one withdraws.
CREATE TABLE IF NOT EXISTS installation_log {{.OnCluster}}
(
    id              String,
    key_fingerprint String,
    withdrawn       UInt8,
    begun_at        DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {{.Engine "ReplacingMergeTree" "withdrawn"}}
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Which topics of which Kafka cluster the offsets of a shard are of: those of
-- the highest number. topic_ids are in the order of the heads; an empty one: the
-- broker gives none. Rows of batches up to after_batch have offsets of the
-- topics before.
CREATE TABLE IF NOT EXISTS sources_log {{.OnCluster}}
(
    shard       Int32,
    number      UInt64,
    cluster_id  String,
    topics      Array(String),
    topic_ids   Array(String),
    after_batch UInt64,
    seen_at     DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
ORDER BY (shard, number, cluster_id, topic_ids)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The batch that a row was decided in, 0: before this was kept. Rows of batches
-- behind the marker are not counted in it yet.
ALTER TABLE set_log {{.OnCluster}} ADD COLUMN IF NOT EXISTS batch UInt64 CODEC(Delta(8), ZSTD(1));
ALTER TABLE accruals_log {{.OnCluster}} ADD COLUMN IF NOT EXISTS batch UInt64 CODEC(ZSTD(1));
ALTER TABLE instructions_log {{.OnCluster}} ADD COLUMN IF NOT EXISTS batch UInt64 CODEC(ZSTD(1));
ALTER TABLE results_log {{.OnCluster}} ADD COLUMN IF NOT EXISTS batch UInt64 CODEC(ZSTD(1));
ALTER TABLE referrals_told_log {{.OnCluster}} ADD COLUMN IF NOT EXISTS batch UInt64 CODEC(ZSTD(1));

-- What each table has of the shard, month by month, once the batch is booked:
-- how many rows, repeats counted once, and the sum of their SHA-256 modulo
-- 2^256, in which no order counts. counted 0: not known yet.
ALTER TABLE markers_log {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS counted UInt8,
    ADD COLUMN IF NOT EXISTS tally_table Array(LowCardinality(String)),
    ADD COLUMN IF NOT EXISTS tally_month Array(UInt32),
    ADD COLUMN IF NOT EXISTS tally_rows Array(UInt64),
    ADD COLUMN IF NOT EXISTS tally_sum Array(UInt256);
