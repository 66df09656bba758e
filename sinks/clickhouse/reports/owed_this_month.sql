-- What a shop owes this month
-- What does each partner owe for the month, and what will probably come to it?
-- The month is that of booking (when the clearing or refund arrived), as on an
-- invoice: a month that is over never changes, and a refund of an older purchase
-- lowers the month in which it arrives. The day given is any day of the month; the
-- partner % means all. Minor units of the currency.
WITH
    toDateTime64(toStartOfMonth(toDate({month:String})), 3, {zone:String}) AS begins,
    toDateTime64(toStartOfMonth(toDate({month:String})) + INTERVAL 1 MONTH, 3, {zone:String}) AS ends
SELECT
    partner_id,
    currency,
    uniqExactIf((account_ref, transaction_id), stage = 'confirmed') AS purchases,
    sumIf(commission_minor, stage = 'confirmed') AS owed,
    sumIf(commission_minor, stage = 'confirmed' AND commission_minor > 0) AS booked,
    sumIf(commission_minor, stage = 'confirmed' AND commission_minor < 0) AS taken_back,
    sumIf(commission_minor, stage = 'expected') AS expected
FROM ledger
WHERE role = 'partner' AND partner_id LIKE {partner:String} AND recorded_at >= begins AND recorded_at < ends
GROUP BY partner_id, currency
ORDER BY partner_id, currency
