-- Expected against confirmed
-- What is promised on authorizations and not yet confirmed by clearings, by month of purchase?
-- Expected lines are what authorised amounts earn beyond the cleared ones: a month
-- whose purchases are all cleared or expired shows 0. Minor units of the currency;
-- rewards are those in money, points count in the margin.
SELECT
    toStartOfMonth(purchased_at, {zone:String}) AS month,
    currency,
    sumIf(reward_minor, stage = 'confirmed' AND kind != 'points') AS rewards_confirmed,
    sumIf(reward_minor, stage = 'expected' AND kind != 'points') AS rewards_expected,
    sumIf(commission_minor, stage = 'confirmed') AS commission_confirmed,
    sumIf(commission_minor, stage = 'expected') AS commission_expected,
    sumIf(commission_minor - cost_minor, stage = 'confirmed') AS margin_confirmed,
    sumIf(commission_minor - cost_minor, stage = 'expected') AS margin_expected
FROM ledger
WHERE purchased_at >= toDateTime64({from:String}, 3, {zone:String}) AND purchased_at < toDateTime64({until:String}, 3, {zone:String})
GROUP BY month, currency
ORDER BY month, currency
