-- Rewards, commission and margin by store
-- How do the stores of a partner compare?
-- Purchases of the time given, confirmed lines, minor units of the currency. The
-- partner % means all. Lines without a store (the programme's own offers, adjustments)
-- stand under an empty one. rewards are those in money; points count in the cost.
SELECT
    partner_id,
    store_id,
    currency,
    uniqExactIf((account_ref, transaction_id), transaction_id != '') AS purchases,
    sumIf(reward_minor, kind != 'points') AS rewards,
    sum(commission_minor) AS commission,
    sum(cost_minor) AS cost,
    commission - cost AS margin
FROM ledger
WHERE stage = 'confirmed' AND partner_id LIKE {partner:String}
    AND purchased_at >= toDateTime64({from:String}, 3, {zone:String}) AND purchased_at < toDateTime64({until:String}, 3, {zone:String})
GROUP BY partner_id, store_id, currency
ORDER BY partner_id, store_id, currency
