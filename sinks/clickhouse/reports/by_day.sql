-- Rewards, commission and margin by day
-- What did each day of purchases bring, confirmed, and what is still expected of it?
-- Days are those of the zone given. Amounts are minor units of the currency;
-- rewards are those in money, points count in the cost. margin = commission - cost.
SELECT
    toDate(purchased_at, {zone:String}) AS day,
    currency,
    uniqExactIf((account_ref, transaction_id), stage = 'confirmed' AND transaction_id != '') AS purchases,
    sumIf(reward_minor, stage = 'confirmed' AND kind != 'points') AS rewards,
    sumIf(commission_minor, stage = 'confirmed') AS commission,
    sumIf(cost_minor, stage = 'confirmed') AS cost,
    commission - cost AS margin,
    sumIf(commission_minor - cost_minor, stage = 'expected') AS expected_margin
FROM ledger
WHERE purchased_at >= toDateTime64({from:String}, 3, {zone:String}) AND purchased_at < toDateTime64({until:String}, 3, {zone:String})
GROUP BY day, currency
ORDER BY day, currency
