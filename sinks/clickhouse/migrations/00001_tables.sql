-- +goose Up

-- What was written. A table whose name ends in _log keeps every row it was ever
-- given until ClickHouse merges repeats away: it is read through the view of the
-- same name without _log (00002), never directly, or a replay counts twice.
--
-- Each statement can run again, and in two processes at once: CREATE ... IF NOT
-- EXISTS, ALTER ... ADD COLUMN IF NOT EXISTS and the like. Nothing is dropped.
--
-- fsync_after_insert: offsets are committed once an insert is acknowledged, so
-- an acknowledged row must outlive a power cut. min_age_to_force_merge_*: a
-- month that is over becomes one part, on which FINAL costs nothing.

-- Ledger lines. No personal id is in it: whose a line is, is said by references
-- that only the map (accounts_log) can resolve.
--
-- The sort key: by shard, so that a rebuild reads its shard alone; by partner,
-- so that a shop's page reads some of each shard's granules alone; the amounts, so that
-- two contents of one accrual id never collapse into one and hide; the id last.
-- All of it follows from the line itself, never from when it was inserted. There
-- is no index on transaction_id: it would cost as much as all the rest of an
-- insert, and set_log's leads from a transaction to its account and partner.
CREATE TABLE IF NOT EXISTS accruals_log {{.OnCluster}}
(
    shard            Int32 CODEC(ZSTD(1)),
    programme        LowCardinality(String),
    account_ref      UUID,                    -- whose purchase it is
    beneficiary_ref  UUID,                    -- whose money it is; zero for role partner
    role             Enum8('member' = 1, 'sponsor' = 2, 'partner' = 3),
    transaction_id   String CODEC(ZSTD(1)),
    partner_id       LowCardinality(String),
    store_id         LowCardinality(String),
    offer_id         LowCardinality(String),
    offer_version    LowCardinality(String),
    campaign_ids     Array(LowCardinality(String)),
    stage            Enum8('expected' = 1, 'confirmed' = 2),
    kind             Enum8('cash' = 1, 'points' = 2, 'wallet' = 3, 'voucher' = 4, 'commission' = 5),
    unit             LowCardinality(String),
    basis_minor      Int64 CODEC(ZSTD(1)),
    reward_minor     Int64 CODEC(ZSTD(1)),
    commission_minor Int64 CODEC(ZSTD(1)),
    cost_minor       Int64 CODEC(ZSTD(1)),
    currency         LowCardinality(String),
    -- For dates and charts: milliseconds, held within 1970 to 2105, where every
    -- date function of ClickHouse is right. The exact instant stands beside it.
    purchased_at     DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    purchased_sec    Int64 CODEC(ZSTD(1)),    -- seconds since 1970, any year
    purchased_nsec   Int32 CODEC(ZSTD(1)),
    recorded_ms      Int64 CODEC(ZSTD(1)),    -- Kafka timestamp of the cause
    cause_kind       Enum8('event' = 1, 'fact' = 2, 'result' = 3),
    cause_id         String CODEC(ZSTD(1)),
    cause_partition  Int32 CODEC(ZSTD(1)),
    cause_offset     Int64 CODEC(ZSTD(1)),
    level            LowCardinality(String),
    channel          Enum8('' = 0, 'in_store' = 1, 'online' = 2, 'other' = 3),
    mcc              LowCardinality(String),
    reasons          Array(LowCardinality(String)),
    engine           LowCardinality(String),
    accrual_id       FixedString(16) CODEC(NONE)
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(purchased_at)
PRIMARY KEY (shard, partner_id, account_ref)
ORDER BY (shard, partner_id, account_ref, basis_minor, reward_minor, commission_minor, cost_minor, accrual_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- The events and facts of every account's set: from them, in the order of seq,
-- the states of a shard are rebuilt.
CREATE TABLE IF NOT EXISTS set_log {{.OnCluster}}
(
    shard           Int32 CODEC(ZSTD(1)),
    account_ref     UUID,
    seq             UInt64 CODEC(Delta(8), ZSTD(1)),
    cause_kind      Enum8('event' = 1, 'fact' = 2, 'result' = 3),
    cause_id        String CODEC(ZSTD(1)),
    cause_partition Int32 CODEC(ZSTD(1)),
    cause_offset    Int64 CODEC(ZSTD(1)),
    recorded_ms     Int64 CODEC(ZSTD(1)),
    fate            Enum8('booked' = 1, 'no_change' = 2, 'waiting' = 3, 'duplicate' = 4, 'declined' = 5,
                          'no_member' = 6, 'unmatched' = 7, 'too_late' = 8, 'dead_letter' = 9),
    type            LowCardinality(String),
    transaction_id  String CODEC(ZSTD(1)),
    amount_minor    Int64 CODEC(ZSTD(1)),
    currency        LowCardinality(String),
    occurred_at     DateTime64(3, 'UTC') CODEC(ZSTD(1)), -- held within 1970 to 2105, as purchased_at
    occurred_sec    Int64 CODEC(ZSTD(1)),
    occurred_nsec   Int32 CODEC(ZSTD(1)),
    merchant_id     String CODEC(ZSTD(1)),
    mcc             LowCardinality(String),
    partner_id      LowCardinality(String),
    store_id        LowCardinality(String),
    payload         String CODEC(ZSTD(1)),
    INDEX by_transaction transaction_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC'))
PRIMARY KEY (shard, account_ref, seq)
ORDER BY (shard, account_ref, seq, cause_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- What the bank was told to pay or take back. Direction, amount and currency
-- are in the sort key so that two amounts of one id never hide in a merge.
CREATE TABLE IF NOT EXISTS instructions_log {{.OnCluster}}
(
    shard           Int32 CODEC(ZSTD(1)),
    account_ref     UUID,
    instruction_id  String CODEC(ZSTD(1)),
    direction       Enum8('credit' = 1, 'debit' = 2),
    amount_minor    Int64 CODEC(ZSTD(1)),
    currency        LowCardinality(String),
    statement_text  String CODEC(ZSTD(1)),
    programme       LowCardinality(String),
    cycle           LowCardinality(String),
    reason          LowCardinality(String),
    created_ms      Int64 CODEC(ZSTD(1)),
    cause_topic     Enum8('facts' = 0, 'referrals' = 1, 'results' = 2, 'transactions' = 3),
    cause_kind      Enum8('event' = 1, 'fact' = 2, 'result' = 3),
    cause_id        String CODEC(ZSTD(1)),
    cause_partition Int32 CODEC(ZSTD(1)),
    cause_offset    Int64 CODEC(ZSTD(1)),
    recorded_ms     Int64 CODEC(ZSTD(1)),
    INDEX by_offset cause_offset TYPE minmax GRANULARITY 1
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(greatest(0, least(created_ms, {{.LatestMillis}})), 'UTC'))
PRIMARY KEY (shard, account_ref)
ORDER BY (shard, account_ref, direction, amount_minor, currency, instruction_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- The bank's words on instructions.
CREATE TABLE IF NOT EXISTS results_log {{.OnCluster}}
(
    shard           Int32 CODEC(ZSTD(1)),
    account_ref     UUID,
    instruction_id  String CODEC(ZSTD(1)),
    status          Enum8('accepted' = 1, 'settled' = 2, 'rejected' = 3),
    reason          String CODEC(ZSTD(1)),
    at              DateTime64(3, 'UTC') CODEC(ZSTD(1)), -- held within 1970 to 2105
    at_sec          Int64 CODEC(ZSTD(1)),
    at_nsec         Int32 CODEC(ZSTD(1)),
    cause_id        String CODEC(ZSTD(1)),
    cause_partition Int32 CODEC(ZSTD(1)),
    cause_offset    Int64 CODEC(ZSTD(1)),
    recorded_ms     Int64 CODEC(ZSTD(1))
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(greatest(0, least(recorded_ms, {{.LatestMillis}})), 'UTC'))
PRIMARY KEY (shard, account_ref, instruction_id)
ORDER BY (shard, account_ref, instruction_id, cause_partition, cause_offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- The map from references to personal ids: the only table that holds them, but for
-- set_log.payload and the sponsors of referrals_told_log, which no view shows.
-- DELETE FROM accounts_log WHERE account_ref = ... makes an account anonymous
-- everywhere, and every sum stays. The newest row with a member id stands.
CREATE TABLE IF NOT EXISTS accounts_log {{.OnCluster}}
(
    shard       Int32 CODEC(ZSTD(1)),
    account_ref UUID,
    account_id  String CODEC(ZSTD(1)),
    member_id   String CODEC(ZSTD(1)),
    recorded_ms Int64 CODEC(ZSTD(1)),
    version     UInt64 CODEC(ZSTD(1)),
    INDEX by_account account_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{.Engine "ReplacingMergeTree" "version"}}
ORDER BY (shard, account_ref)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Up to where each shard is booked: the last row of every batch, inserted when
-- all its other rows are acknowledged. Heads are next offsets, -1: none.
CREATE TABLE IF NOT EXISTS markers_log {{.OnCluster}}
(
    shard             Int32,
    batch             UInt64,
    facts_head        Int64,
    referrals_head    Int64,
    results_head      Int64,
    transactions_head Int64,
    last_seq          UInt64,
    booked_at         DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {{.Engine "ReplacingMergeTree" "batch"}}
ORDER BY shard
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Every catalogue that was ever published, chained by content hash. previous is
-- in the key so that a fork stays to be seen.
CREATE TABLE IF NOT EXISTS catalogue_versions_log {{.OnCluster}}
(
    hash           String,
    previous       String,
    effective_sec  Int64,
    effective_nsec Int32,
    published_sec  Int64,
    published_nsec Int32,
    body           String CODEC(ZSTD(3))
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
ORDER BY (hash, previous)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
