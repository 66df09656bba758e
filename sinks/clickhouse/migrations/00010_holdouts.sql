-- +goose Up

-- The holdouts that an event's purchase is under, as it was decided with the row:
-- ids of offers (partner/offer, programme/offer), campaigns and programmes; and
-- those of them that hold its account out. Most rows have none.
ALTER TABLE set_log {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS holdouts Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS held_out Array(LowCardinality(String)) CODEC(ZSTD(1));

-- Events and facts of members, without their payload.
CREATE OR REPLACE VIEW events {{.OnCluster}} AS
SELECT shard, account_ref, seq, cause_kind, cause_id, cause_partition, cause_offset,
    fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC') AS recorded_at,
    fate, type, transaction_id, amount_minor, currency, occurred_at, occurred_sec, occurred_nsec,
    merchant_id, mcc, partner_id, store_id, holdouts, held_out
FROM set_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;
