-- Rewards, commission and margin by campaign
-- What did the purchases that a campaign touched bring, and what did they cost?
-- Purchases of the time given, confirmed lines, minor units of the currency. rewards
-- and cost are those of awards that the campaign raised, whole, not its extra alone;
-- commission is what partners owe for those purchases. A purchase that two
-- campaigns touch is in both: campaigns must not be added up.
WITH lines AS
(
    SELECT account_ref, transaction_id, campaign_ids, currency, kind, reward_minor, commission_minor, cost_minor
    FROM ledger
    WHERE stage = 'confirmed' AND transaction_id != ''
        AND purchased_at >= toDateTime64({from:String}, 3, {zone:String}) AND purchased_at < toDateTime64({until:String}, 3, {zone:String})
),
touched AS
(
    SELECT arrayJoin(campaign_ids) AS campaign, account_ref, transaction_id, currency,
        sumIf(reward_minor, kind != 'points') AS reward, sum(cost_minor) AS cost
    FROM lines
    GROUP BY campaign, account_ref, transaction_id, currency
),
owed AS
(
    SELECT account_ref, transaction_id, currency, sum(commission_minor) AS commission
    FROM lines
    GROUP BY account_ref, transaction_id, currency
)
SELECT
    t.campaign AS campaign,
    t.currency AS currency,
    countIf(t.reward != 0 OR t.cost != 0 OR o.commission != 0) AS purchases,
    uniqExact(t.account_ref) AS members,
    sum(t.reward) AS rewards,
    sum(o.commission) AS commission,
    sum(t.cost) AS cost,
    commission - cost AS margin
FROM touched AS t
LEFT JOIN owed AS o USING (account_ref, transaction_id, currency)
GROUP BY campaign, currency
ORDER BY campaign, currency
