-- Budgets
-- What has each budget given, to how many purchases, and what did it refuse?
-- Minor units of the unit (a currency, or points in their scale). granted is what
-- purchases have of the budget now, over all time: what was given less what was
-- given back (given_back). refused is what purchases would have in addition if the
-- budget had no end. purchases and members are those that have something of it.
-- budget is a name such as campaign/spring, offer/PARTNER/OFFER or
-- day/PARTNER/OFFER/STORE/2026-11-27, or a pattern with %.
WITH purchases_of AS
(
    SELECT budget, unit, account_ref, transaction_id,
        sum(change_minor) AS has, sumIf(change_minor, change_minor < 0) AS back, argMax(target_minor, (seq, batch, place)) AS target
    FROM grants
    WHERE budget LIKE {budget:String}
    GROUP BY budget, unit, account_ref, transaction_id
)
SELECT
    budget,
    unit,
    sum(has) AS granted,
    -sum(back) AS given_back,
    sum(target) - granted AS refused,
    countIf(has > 0) AS purchases,
    uniqExactIf(account_ref, has > 0) AS members
FROM purchases_of
GROUP BY budget, unit
ORDER BY budget, unit
