-- +goose Up

-- Whether a refund that named no purchase was matched to the purchase when it was
-- told: a reason of the sponsor's lines. 0 in rows that were there before.
ALTER TABLE referrals_told_log {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS matched_refund UInt8 CODEC(ZSTD(1)) AFTER late_expected_reward_minor;
