-- What holdouts show
-- Did an offer, a campaign or the programme bring anything? Members who were eligible
-- but for the draw, by the draw: held are those who were held out, others got it.
-- Purchases with events of the time given, as their newest event was decided;
-- turnover is what was cleared less what was given back, minor units of its own
-- currency. Who bought nothing is in no row: held_percent (of the members) below the
-- share that was agreed says that it brought members. What an offer asks of the
-- amount, of the number of visits and of activation makes nobody ineligible here.
WITH purchases AS
(
    SELECT account_ref, transaction_id, currency,
        argMax(holdouts, seq) AS under, argMax(held_out, seq) AS held,
        sum(multiIf(type IN ('clearing', 'chargeback_reversal'), amount_minor, type IN ('refund', 'chargeback'), -amount_minor, 0)) AS turnover
    FROM events
    WHERE notEmpty(holdouts)
        AND occurred_at >= toDateTime64({from:String}, 3, {zone:String}) AND occurred_at < toDateTime64({until:String}, 3, {zone:String})
    GROUP BY account_ref, transaction_id, currency
),
draws AS
(
    SELECT arrayJoin(under) AS holdout, has(held, holdout) AS is_held, currency, account_ref, turnover
    FROM purchases
)
SELECT
    holdout,
    currency,
    uniqExactIf(account_ref, is_held) AS held_members,
    uniqExactIf(account_ref, NOT is_held) AS other_members,
    round(100 * held_members / (held_members + other_members), 2) AS held_percent,
    countIf(is_held) AS held_purchases,
    countIf(NOT is_held) AS other_purchases,
    sumIf(turnover, is_held) AS held_turnover,
    sumIf(turnover, NOT is_held) AS other_turnover
FROM draws
GROUP BY holdout, currency
ORDER BY holdout, currency
