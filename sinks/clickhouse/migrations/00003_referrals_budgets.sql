-- +goose Up

-- From when a wallet's money can be spent, and from when it no longer can: exact
-- instants, both parts 0 where the line states none. Lines that were there
-- before are of kinds that state none, and every one of them is the account's
-- own or a partner's: their beneficiary_ref is right as it stands.
ALTER TABLE accruals_log {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS usable_sec Int64 CODEC(ZSTD(1)) AFTER purchased_nsec,
    ADD COLUMN IF NOT EXISTS usable_nsec Int32 CODEC(ZSTD(1)) AFTER usable_sec,
    ADD COLUMN IF NOT EXISTS expires_sec Int64 CODEC(ZSTD(1)) AFTER usable_nsec,
    ADD COLUMN IF NOT EXISTS expires_nsec Int32 CODEC(ZSTD(1)) AFTER expires_sec;

-- A referral is a fact, but its offset counts on a topic of its own: the tables
-- keep it apart, the views of ledger lines call it a fact.
ALTER TABLE accruals_log {{.OnCluster}} MODIFY COLUMN cause_kind Enum8('event' = 1, 'fact' = 2, 'result' = 3, 'referral' = 4);
ALTER TABLE set_log {{.OnCluster}} MODIFY COLUMN cause_kind Enum8('event' = 1, 'fact' = 2, 'result' = 3, 'referral' = 4);
ALTER TABLE instructions_log {{.OnCluster}} MODIFY COLUMN cause_kind Enum8('event' = 1, 'fact' = 2, 'result' = 3, 'referral' = 4);

-- What purchases have of budgets: one row for each change. The sum of
-- change_minor is what a budget has given; the newest row of a (budget,
-- account_ref, transaction_id) is what that purchase has of it.
--
-- Newest is by (seq, batch, place). seq, of the shard's last set row after the
-- batch, is never used again once rows of that set are stored, and they are
-- stored before these. A batch number may be: when Redis loses decisions that
-- were only partly booked. Among batches that add nothing to the set it decides.
CREATE TABLE IF NOT EXISTS grants_log {{.OnCluster}}
(
    shard           Int32 CODEC(ZSTD(1)),
    budget          String CODEC(ZSTD(1)),
    account_ref     UUID,
    transaction_id  String CODEC(ZSTD(1)),
    unit            LowCardinality(String),
    target_minor    Int64 CODEC(ZSTD(1)),
    granted_minor   Int64 CODEC(ZSTD(1)),
    change_minor    Int64 CODEC(ZSTD(1)),
    seq             UInt64 CODEC(ZSTD(1)),
    batch           UInt64 CODEC(ZSTD(1)),
    place           Int32 CODEC(ZSTD(1)), -- in the batch's grants, from 0
    cause_kind      Enum8('event' = 1, 'fact' = 2, 'result' = 3, 'referral' = 4),
    cause_id        String CODEC(ZSTD(1)),
    cause_partition Int32 CODEC(ZSTD(1)),
    cause_offset    Int64 CODEC(ZSTD(1)),
    recorded_ms     Int64 CODEC(ZSTD(1))
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC'))
PRIMARY KEY (shard, budget, account_ref)
ORDER BY (shard, budget, account_ref, transaction_id, seq, batch, place, target_minor, granted_minor, change_minor)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- What accounts have told their sponsors' accounts, each number of it; the
-- highest number of a key holds. account_ref is the buyer's. The sponsor need
-- not be a member, so no map may know him: his id stands here, as it does in the
-- payload of the buyer's enrolment in set_log.
CREATE TABLE IF NOT EXISTS referrals_told_log {{.OnCluster}}
(
    shard                  Int32 CODEC(ZSTD(1)),
    account_ref            UUID,
    transaction_id         String CODEC(ZSTD(1)),
    partner_id             LowCardinality(String),
    offer_id               LowCardinality(String),
    sponsor_account_id     String CODEC(ZSTD(1)),
    number                 Int64 CODEC(ZSTD(1)),
    fact_id                String CODEC(ZSTD(1)),
    store_id               LowCardinality(String),
    offer_version          LowCardinality(String),
    programme              LowCardinality(String),
    currency               LowCardinality(String),
    purchased_at           DateTime64(3, 'UTC') CODEC(ZSTD(1)), -- held within 1970 to 2105
    purchased_sec          Int64 CODEC(ZSTD(1)),
    purchased_nsec         Int32 CODEC(ZSTD(1)),
    at                     DateTime64(3, 'UTC') CODEC(ZSTD(1)), -- held within 1970 to 2105
    at_sec                 Int64 CODEC(ZSTD(1)),
    at_nsec                Int32 CODEC(ZSTD(1)),
    channel                Enum8('' = 0, 'in_store' = 1, 'online' = 2, 'other' = 3),
    mcc                    LowCardinality(String),
    confirmed_basis_minor  Int64 CODEC(ZSTD(1)),
    confirmed_reward_minor Int64 CODEC(ZSTD(1)),
    expected_basis_minor   Int64 CODEC(ZSTD(1)),
    expected_reward_minor  Int64 CODEC(ZSTD(1)),
    cause_kind             Enum8('event' = 1, 'fact' = 2, 'result' = 3, 'referral' = 4),
    cause_id               String CODEC(ZSTD(1)),
    cause_partition        Int32 CODEC(ZSTD(1)),
    cause_offset           Int64 CODEC(ZSTD(1)),
    recorded_ms            Int64 CODEC(ZSTD(1)),
    INDEX by_offset cause_offset TYPE minmax GRANULARITY 1
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC'))
PRIMARY KEY (shard, account_ref)
ORDER BY (shard, account_ref, transaction_id, partner_id, offer_id, sponsor_account_id, number,
    confirmed_basis_minor, confirmed_reward_minor, expected_basis_minor, expected_reward_minor)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- The views that were there, with what is new. A view keeps the types that it
-- was made with, so those that show the kind of a cause are made anew too.

-- usable_from and expires_at: NULL where the line states none; held within 1970
-- to 2105, the _sec and _nsec beside them are exact.
CREATE OR REPLACE VIEW ledger {{.OnCluster}} AS
SELECT
    lower(hex(accrual_id)) AS accrual_id,
    shard, programme, account_ref, beneficiary_ref, role, transaction_id,
    partner_id, store_id, offer_id, offer_version, campaign_ids,
    stage, kind, unit, basis_minor, reward_minor, commission_minor, cost_minor, currency,
    purchased_at, purchased_sec, purchased_nsec,
    if(usable_sec = 0 AND usable_nsec = 0, NULL, fromUnixTimestamp64Milli(
        least(greatest(usable_sec, 0), intDiv({{.LatestMillis}}, 1000)) * 1000 + intDiv(usable_nsec, 1000000), 'UTC')) AS usable_from,
    usable_sec, usable_nsec,
    if(expires_sec = 0 AND expires_nsec = 0, NULL, fromUnixTimestamp64Milli(
        least(greatest(expires_sec, 0), intDiv({{.LatestMillis}}, 1000)) * 1000 + intDiv(expires_nsec, 1000000), 'UTC')) AS expires_at,
    expires_sec, expires_nsec,
    fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC') AS recorded_at,
    CAST(if(cause_kind = 'referral', 'fact', toString(cause_kind)), 'Enum8(\'event\' = 1, \'fact\' = 2, \'result\' = 3)') AS cause_kind,
    cause_id, cause_partition, cause_offset,
    level, channel, mcc, reasons, engine
FROM accruals_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

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
    l.purchased_at AS purchased_at, l.usable_from AS usable_from, l.expires_at AS expires_at, l.recorded_at AS recorded_at,
    l.cause_kind AS cause_kind, l.cause_id AS cause_id, l.cause_partition AS cause_partition,
    l.cause_offset AS cause_offset, l.level AS level, l.channel AS channel, l.mcc AS mcc,
    l.reasons AS reasons, l.engine AS engine,
    l.account_ref AS account_ref, l.beneficiary_ref AS beneficiary_ref, l.shard AS shard,
    l.purchased_sec AS purchased_sec, l.purchased_nsec AS purchased_nsec,
    l.usable_sec AS usable_sec, l.usable_nsec AS usable_nsec, l.expires_sec AS expires_sec, l.expires_nsec AS expires_nsec
FROM ledger AS l
LEFT ANY JOIN accounts AS a ON a.account_ref = l.account_ref
LEFT ANY JOIN accounts AS b ON b.account_ref = l.beneficiary_ref;

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

-- Every change of what a purchase has of a budget: sum change_minor. granted_minor
-- is what the purchase has after it, target_minor what it would have if budgets
-- had no end; neither is to be summed over the changes of a purchase.
CREATE OR REPLACE VIEW grants {{.OnCluster}} AS
SELECT shard, budget, account_ref, transaction_id, unit, target_minor, granted_minor, change_minor,
    seq, batch, place, cause_kind, cause_id, cause_partition, cause_offset,
    fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC') AS recorded_at
FROM grants_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- What holds of what buyers' accounts (account_ref) told their sponsors' ones:
-- the awards on each purchase before the caps that a sponsor's account keeps.
-- What was booked of it is in ledger, role sponsor.
CREATE OR REPLACE VIEW referrals_told {{.OnCluster}} AS
SELECT shard, account_ref, transaction_id, partner_id, store_id, offer_id, offer_version, number, fact_id, programme, currency,
    purchased_at, purchased_sec, purchased_nsec, at, at_sec, at_nsec, channel, mcc,
    confirmed_basis_minor, confirmed_reward_minor, expected_basis_minor, expected_reward_minor,
    cause_kind, cause_id, cause_partition, cause_offset,
    fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC') AS recorded_at
FROM referrals_told_log
ORDER BY number DESC
LIMIT 1 BY account_ref, transaction_id, partner_id, offer_id, sponsor_account_id;
