-- +goose Up

-- What was billed to partners. A booking month is closed by one insert of one block:
-- row 0 is the closing, the others are its invoices, so that they are there together or
-- not at all. Each closing has a position of its own and inserts under it
-- (insert_deduplication_token): of two that are made at once, the server takes the first
-- and drops the second. Nothing is ever changed or deleted here.
CREATE TABLE IF NOT EXISTS invoices_log {{.OnCluster}}
(
    position         UInt64,
    row              UInt32,             -- in its closing; 0: the closing itself
    attempt          String,             -- whose insert it came with
    programme        String,
    partner_id       String,             -- of row 0: empty for all partners
    month            String,             -- such as 2026-02: whose bookings it is for
    closed_in        String,             -- the month that was closed
    from_ms          Int64,              -- that month, [from, until)
    until_ms         Int64,
    number           String,
    type             UInt16,             -- UNTDID 1001: 380 invoice, 381 credit note
    issued_on        String,
    corrects         String,             -- number of the document that it corrects
    currency         String,
    commission_minor Int64,              -- what is owed, of a credit note under 0
    net_minor        Int64,
    vat_minor        Int64,
    gross_minor      Int64,
    closed_ms        Int64,
    by               String,
    reason           String,
    document         String CODEC(ZSTD(3)),
    sha256           FixedString(32)     -- of document
)
ENGINE = {{.Engine "MergeTree"}}
ORDER BY (position, row, attempt)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;

-- Amounts are what the partner owes: those of credit notes are under 0, so that sums are
-- right. commission_minor is the part of net_minor that stands in the ledger too.
CREATE OR REPLACE VIEW invoices {{.OnCluster}} AS
SELECT number, type, issued_on, programme, partner_id, month, closed_in, corrects, currency,
    commission_minor, net_minor, vat_minor, gross_minor,
    fromUnixTimestamp64Milli(greatest(0, least(closed_ms, {{.LatestMillis}})), 'UTC') AS closed_at, by, reason, document
FROM invoices_log WHERE row > 0;
