-- +goose Up

-- To whom a transfer, a cheque or the money of a wallet goes, as the instruction says
-- it: personal, and nowhere else but in the events' payload. Erasing an account deletes
-- its rows here as in accounts_log; what was paid stays in instructions_log.
CREATE TABLE IF NOT EXISTS payees_log {{.OnCluster}}
(
    shard          Int32 CODEC(ZSTD(1)),
    account_ref    UUID,
    instruction_id String CODEC(ZSTD(1)),
    iban           String CODEC(ZSTD(1)),
    name           String CODEC(ZSTD(1)),
    handle         String CODEC(ZSTD(1))
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
ORDER BY (shard, account_ref, instruction_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Files of instructions for the bank. A row of state recorded is there before the file
-- is, whole, in one insert, and the file's bytes follow from it. It is sealed once no
-- other file has an instruction of it, and only then written. Those states come as rows
-- of their own, which say when and by whom alone.
CREATE TABLE IF NOT EXISTS payment_files_log {{.OnCluster}}
(
    file_id         String CODEC(ZSTD(1)),
    state           Enum8('recorded' = 1, 'withdrawn' = 2, 'sealed' = 3, 'written' = 4, 'given_up' = 5),
    at_ms           Int64 CODEC(ZSTD(1)),
    by              String CODEC(ZSTD(1)),
    format          Enum8('' = 0, 'pain.001' = 1, 'csv' = 2),
    name            String CODEC(ZSTD(1)),
    sha256          String CODEC(ZSTD(1)), -- of the file's bytes, in hex
    debtor          String CODEC(ZSTD(1)), -- JSON
    execution_date  String CODEC(ZSTD(1)),
    currency        String CODEC(ZSTD(1)),
    sum_minor       Int64 CODEC(ZSTD(1)),
    instruction_ids Array(String) CODEC(ZSTD(1))
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
ORDER BY (file_id, state)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- A row a file, with the furthest it has come: sealed stands over withdrawn,
-- what a person has given up over both.
CREATE OR REPLACE VIEW payment_files {{.OnCluster}} AS
SELECT f.file_id AS file_id, s.state AS state, f.format AS format, f.name AS name, f.sha256 AS sha256, f.debtor AS debtor,
    f.execution_date AS execution_date, f.currency AS currency, length(f.instruction_ids) AS instructions, f.sum_minor AS sum_minor,
    f.instruction_ids AS instruction_ids, f.by AS by,
    fromUnixTimestamp64Milli(greatest(0, least(f.at_ms, {{.LatestMillis}})), 'UTC') AS recorded_at,
    fromUnixTimestamp64Milli(greatest(0, least(s.at_ms, {{.LatestMillis}})), 'UTC') AS state_at
FROM (SELECT * FROM payment_files_log FINAL WHERE state = 'recorded') AS f
INNER JOIN (SELECT file_id, state, at_ms FROM payment_files_log ORDER BY file_id, state DESC, at_ms DESC LIMIT 1 BY file_id) AS s USING (file_id);
