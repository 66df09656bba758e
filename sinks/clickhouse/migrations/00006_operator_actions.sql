-- +goose Up

-- What people decided at the command line that the stream would never do by
-- itself: who, when and why. A row is written before the deed, and another one
-- after it, so that a deed that broke off is seen too.
CREATE TABLE IF NOT EXISTS operator_actions_log {{.OnCluster}}
(
    at_ms   Int64 CODEC(ZSTD(1)), -- by the clock of the machine where the command ran
    action  LowCardinality(String),
    shard   Int32 CODEC(ZSTD(1)),
    number  Int64 CODEC(ZSTD(1)), -- of a repair: it is part of the ids that the repair made
    by      String CODEC(ZSTD(1)),
    reason  String CODEC(ZSTD(1)),
    details String CODEC(ZSTD(1)) -- JSON
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
ORDER BY (at_ms, action, shard, number, by, reason, details)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW operator_actions {{.OnCluster}} AS
SELECT fromUnixTimestamp64Milli(greatest(0, least(at_ms, {{.LatestMillis}})), 'UTC') AS at,
    action, shard, number, by, reason, details
FROM operator_actions_log FINAL;
