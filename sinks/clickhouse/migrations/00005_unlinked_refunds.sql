-- +goose Up

-- What a record has changed of the account's refunds that name no purchase that
-- is known: for each the refund's event_id, what it is now (waiting, matched,
-- linked, dropped), and while it is matched, to which purchase. Most rows have none.
ALTER TABLE set_log {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS unlinked_events Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS unlinked_states Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS unlinked_to Array(LowCardinality(String)) CODEC(ZSTD(1));

-- Refunds at partners' stores that name no known purchase, as they are now. Of
-- those whose purchase has become known (linked), or that waited too long
-- (dropped), the last state is kept. An id that was dropped and sent again is
-- what came last.
CREATE OR REPLACE VIEW unlinked_refunds {{.OnCluster}} AS
SELECT
    c.shard AS shard, c.account_ref AS account_ref, c.event_id AS event_id, e.transaction_id AS transaction_id,
    c.state AS state, c.matched_transaction_id AS matched_transaction_id,
    e.partner_id AS partner_id, e.store_id AS store_id, e.amount_minor AS amount_minor, e.currency AS currency,
    e.occurred_at AS occurred_at,
    fromUnixTimestamp64Milli(greatest(0, least(c.changed_ms, {{.LatestMillis}})), 'UTC') AS changed_at
FROM
(
    SELECT shard, account_ref, event_id, argMax(new_state, seq) AS state, argMax(new_to, seq) AS matched_transaction_id,
        argMax(recorded_ms, seq) AS changed_ms
    FROM (SELECT * FROM set_log FINAL WHERE notEmpty(unlinked_events))
    ARRAY JOIN unlinked_events AS event_id, unlinked_states AS new_state, unlinked_to AS new_to
    GROUP BY shard, account_ref, event_id
) AS c
INNER JOIN
(
    SELECT s.account_ref AS account_ref, s.cause_id AS cause_id,
        argMax(s.transaction_id, s.seq) AS transaction_id, argMax(s.partner_id, s.seq) AS partner_id,
        argMax(s.store_id, s.seq) AS store_id, argMax(s.amount_minor, s.seq) AS amount_minor,
        argMax(s.currency, s.seq) AS currency, argMax(s.occurred_at, s.seq) AS occurred_at
    FROM set_log AS s FINAL
    WHERE s.cause_kind = 'event' AND s.type = 'refund' AND s.partner_id != ''
    GROUP BY s.account_ref, s.cause_id
) AS e ON e.account_ref = c.account_ref AND e.cause_id = c.event_id;
