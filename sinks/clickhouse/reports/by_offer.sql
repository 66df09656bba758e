-- Rewards, commission and margin by offer
-- What does each offer give, on which turnover, and what does it leave?
-- Purchases of the time given, confirmed lines, minor units of the currency.
-- An empty partner: the programme's own offers. rewards are those in money, a
-- sponsor's included; points count in the cost. turnover is what the offer's awards
-- were worked out on, once where the buyer and his sponsor have one; a purchase that
-- two offers award is in both, so turnovers of offers must not be added up. A partner's
-- commission by its own terms belongs to the purchase: it is counted once for each
-- offer that awarded the purchase, and margins of offers that share purchases
-- must not be added up either.
WITH lines AS
(
    SELECT account_ref, transaction_id, partner_id, offer_id, currency, role, kind, basis_minor, reward_minor, commission_minor, cost_minor
    FROM ledger
    WHERE stage = 'confirmed'
        AND purchased_at >= toDateTime64({from:String}, 3, {zone:String}) AND purchased_at < toDateTime64({until:String}, 3, {zone:String})
),
awards AS
(
    SELECT account_ref, transaction_id, partner_id, offer_id, currency,
        if(countIf(role = 'member') > 0, sumIf(basis_minor, role = 'member'), sumIf(basis_minor, role = 'sponsor')) AS basis, sumIf(reward_minor, kind != 'points') AS reward,
        sum(commission_minor) AS own_commission, sum(cost_minor) AS cost
    FROM lines WHERE offer_id != ''
    GROUP BY account_ref, transaction_id, partner_id, offer_id, currency
),
terms AS
(
    SELECT account_ref, transaction_id, partner_id, currency, sum(commission_minor) AS commission
    FROM lines WHERE offer_id = '' AND role = 'partner'
    GROUP BY account_ref, transaction_id, partner_id, currency
)
SELECT
    a.partner_id AS partner_id,
    a.offer_id AS offer_id,
    a.currency AS currency,
    countIf(a.basis != 0) AS purchases,
    sum(a.basis) AS turnover,
    sum(a.reward) AS rewards,
    sum(a.own_commission + t.commission) AS commission,
    sum(a.cost) AS cost,
    commission - cost AS margin
FROM awards AS a
LEFT JOIN terms AS t USING (account_ref, transaction_id, partner_id, currency)
GROUP BY partner_id, offer_id, currency
ORDER BY partner_id, offer_id, currency
