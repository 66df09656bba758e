-- +goose Up

-- What to read. FINAL collapses repeats while reading; repeats of a row always
-- lie in one table partition, so partitions need no merging with one another,
-- and one that ClickHouse has merged into a single part is read as it is.

-- Ledger lines without personal ids: for every sum. Amounts are signed
-- differences in minor units. purchased_at is held within 1970 to 2105;
-- purchased_sec and purchased_nsec are exact.
CREATE OR REPLACE VIEW ledger {{.OnCluster}} AS
SELECT
    lower(hex(accrual_id)) AS accrual_id,
    shard, programme, account_ref, beneficiary_ref, role, transaction_id,
    partner_id, store_id, offer_id, offer_version, campaign_ids,
    stage, kind, unit, basis_minor, reward_minor, commission_minor, cost_minor, currency,
    purchased_at, purchased_sec, purchased_nsec,
    fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC') AS recorded_at,
    cause_kind, cause_id, cause_partition, cause_offset,
    level, channel, mcc, reasons, engine
FROM accruals_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- The map, one row a reference. Empty ids: not stated, or erased.
CREATE OR REPLACE VIEW accounts {{.OnCluster}} AS
SELECT shard, account_ref, account_id, member_id,
    fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC') AS recorded_at
FROM accounts_log FINAL;

-- Accruals with every field of the contract by its name. The ids come through
-- the map and are empty once erased. It joins the map: for sums over many lines
-- take ledger.
CREATE OR REPLACE VIEW accruals {{.OnCluster}} AS
SELECT
    l.accrual_id AS accrual_id, l.programme AS programme,
    a.account_id AS account_id,
    if(l.role = 'sponsor', b.member_id, a.member_id) AS member_id,
    if(l.role = 'partner', toString(l.partner_id), b.account_id) AS beneficiary_id,
    l.role AS role, l.transaction_id AS transaction_id, l.partner_id AS partner_id, l.store_id AS store_id,
    l.offer_id AS offer_id, l.offer_version AS offer_version, l.campaign_ids AS campaign_ids,
    l.stage AS stage, l.kind AS kind, l.unit AS unit,
    l.basis_minor AS basis_minor, l.reward_minor AS reward_minor, l.commission_minor AS commission_minor,
    l.cost_minor AS cost_minor, l.currency AS currency,
    l.purchased_at AS purchased_at, l.recorded_at AS recorded_at,
    l.cause_kind AS cause_kind, l.cause_id AS cause_id, l.cause_partition AS cause_partition,
    l.cause_offset AS cause_offset, l.level AS level, l.channel AS channel, l.mcc AS mcc,
    l.reasons AS reasons, l.engine AS engine,
    l.account_ref AS account_ref, l.beneficiary_ref AS beneficiary_ref, l.shard AS shard,
    l.purchased_sec AS purchased_sec, l.purchased_nsec AS purchased_nsec
FROM ledger AS l
LEFT ANY JOIN accounts AS a ON a.account_ref = l.account_ref
LEFT ANY JOIN accounts AS b ON b.account_ref = l.beneficiary_ref;

-- Events and facts of members, without their payload.
CREATE OR REPLACE VIEW events {{.OnCluster}} AS
SELECT shard, account_ref, seq, cause_kind, cause_id, cause_partition, cause_offset,
    fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC') AS recorded_at,
    fate, type, transaction_id, amount_minor, currency, occurred_at, occurred_sec, occurred_nsec,
    merchant_id, mcc, partner_id, store_id
FROM set_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW instructions {{.OnCluster}} AS
SELECT shard, account_ref, instruction_id, direction, amount_minor, currency, statement_text,
    programme, cycle, reason,
    fromUnixTimestamp64Milli(greatest(0, least(created_ms, {{.LatestMillis}})), 'UTC') AS created_at,
    cause_topic, cause_kind, cause_id, cause_partition, cause_offset
FROM instructions_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW results {{.OnCluster}} AS
SELECT shard, account_ref, instruction_id, status, reason, at, at_sec, at_nsec,
    cause_id, cause_partition, cause_offset,
    fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC') AS recorded_at
FROM results_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW markers {{.OnCluster}} AS
SELECT shard, batch, facts_head, referrals_head, results_head, transactions_head, last_seq, booked_at
FROM markers_log FINAL;

CREATE OR REPLACE VIEW catalogue_versions {{.OnCluster}} AS
SELECT hash, previous, effective_sec, effective_nsec, published_sec, published_nsec, body
FROM catalogue_versions_log FINAL;
