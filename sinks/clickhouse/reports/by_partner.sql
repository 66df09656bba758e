-- Rewards, commission and margin by partner
-- Which partners earn the programme money, and which cost it?
-- Purchases of the time given, confirmed lines, minor units of the currency. rewards
-- are those in money, sponsors' included; points count in the cost. An empty
-- partner: the programme's own offers, and adjustments. members are buyers.
-- margin_percent is the share of the commission that the rewards leave.
SELECT
    partner_id,
    currency,
    uniqExactIf((account_ref, transaction_id), transaction_id != '') AS purchases,
    uniqExact(account_ref) AS members,
    sumIf(reward_minor, kind != 'points') AS rewards,
    sum(commission_minor) AS commission,
    sum(cost_minor) AS cost,
    commission - cost AS margin,
    if(commission = 0, NULL, round(100 * margin / commission, 1)) AS margin_percent
FROM ledger
WHERE stage = 'confirmed'
    AND purchased_at >= toDateTime64({from:String}, 3, {zone:String}) AND purchased_at < toDateTime64({until:String}, 3, {zone:String})
GROUP BY partner_id, currency
ORDER BY margin DESC, partner_id, currency
