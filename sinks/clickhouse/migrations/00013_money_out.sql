-- +goose Up

-- Lines that take back what was not spent in time.
ALTER TABLE accruals_log {{.OnCluster}}
    MODIFY COLUMN role Enum8('member' = 1, 'sponsor' = 2, 'partner' = 3, 'expiry' = 4);

-- By which way an instruction is paid; empty in rows that were there before, which
-- were all for the card's account. Account numbers and names are not kept here.
ALTER TABLE instructions_log {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS method Enum8('' = 0, 'card' = 1, 'transfer' = 2, 'cheque' = 3, 'e_wallet' = 4) AFTER reason;
CREATE OR REPLACE VIEW instructions {{.OnCluster}} AS
SELECT shard, account_ref, instruction_id, direction, amount_minor, currency, statement_text,
    programme, cycle, reason, method,
    fromUnixTimestamp64Milli(greatest(0, least(created_ms, {{.LatestMillis}})), 'UTC') AS created_at,
    cause_topic, cause_kind, cause_id, cause_partition, cause_offset
FROM instructions_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;
