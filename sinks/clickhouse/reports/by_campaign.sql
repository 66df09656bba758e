-- Rewards, commission and margin by campaign
-- What did the purchases that a campaign touched bring, and what did they cost?
-- Purchases of the time given, confirmed lines, minor units of the currency. rewards
-- (in money; points count in the cost) and cost are those of awards that the
-- campaign raised, whole, not its extra alone (see budgets for that); commission is
-- what partners owe for those purchases. An award counts for the campaigns that its
-- newest line names: what a refund or a late event made of it. A purchase that
-- two campaigns touch is in both: campaigns must not be added up.
WITH lines AS
(
    SELECT account_ref, transaction_id, partner_id, store_id, offer_id, offer_version, beneficiary_ref, role, kind, unit, currency,
        campaign_ids, recorded_at, cause_offset, reward_minor, commission_minor, cost_minor
    FROM ledger
    WHERE stage = 'confirmed' AND transaction_id != ''
        AND purchased_at >= toDateTime64({from:String}, 3, {zone:String}) AND purchased_at < toDateTime64({until:String}, 3, {zone:String})
),
awards AS
(
    SELECT account_ref, transaction_id, currency, kind,
        argMax(campaign_ids, (recorded_at, cause_offset)) AS campaigns, sum(reward_minor) AS reward, sum(cost_minor) AS cost
    FROM lines
    GROUP BY account_ref, transaction_id, partner_id, store_id, offer_id, offer_version, beneficiary_ref, role, kind, unit, currency
    HAVING reward != 0 OR cost != 0
),
touched AS
(
    SELECT arrayJoin(campaigns) AS campaign, account_ref, transaction_id, currency,
        sumIf(reward, kind != 'points') AS money, sum(cost) AS cost
    FROM awards
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
    count() AS purchases,
    uniqExact(t.account_ref) AS members,
    sum(t.money) AS rewards,
    sum(o.commission) AS commission,
    sum(t.cost) AS cost,
    commission - cost AS margin
FROM touched AS t
LEFT JOIN owed AS o USING (account_ref, transaction_id, currency)
GROUP BY campaign, currency
ORDER BY campaign, currency
