-- Refunds that name no purchase
-- How much money was given back at each partner's stores without saying for what,
-- and how much of it was matched to a purchase? Refunds of the time given, by when
-- they happened, minor units of their own currency, since the first version of the
-- programme with unlinked_refunds. waiting are matched to none, oldest is the first
-- of them; matched have taken back what a purchase had earned. Those whose own
-- purchase is known by now, and those that waited too long, are in dropped and linked.
SELECT
    partner_id,
    currency,
    countIf(state = 'waiting') AS waiting_refunds,
    sumIf(amount_minor, state = 'waiting') AS waiting,
    minIf(occurred_at, state = 'waiting') AS oldest,
    countIf(state = 'matched') AS matched_refunds,
    sumIf(amount_minor, state = 'matched') AS matched,
    sumIf(amount_minor, state = 'linked') AS linked,
    sumIf(amount_minor, state = 'dropped') AS dropped
FROM unlinked_refunds
WHERE partner_id LIKE {partner:String}
    AND occurred_at >= toDateTime64({from:String}, 3, {zone:String}) AND occurred_at < toDateTime64({until:String}, 3, {zone:String})
GROUP BY partner_id, currency
ORDER BY partner_id, currency
