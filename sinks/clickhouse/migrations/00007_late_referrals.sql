-- +goose Up

-- How much of what a purchase gives its buyer's sponsor came with late events: room
-- in the sponsor's caps that others keep. 0 in rows that were there before.
ALTER TABLE referrals_told_log {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS late_confirmed_reward_minor Int64 CODEC(ZSTD(1)) AFTER expected_reward_minor,
    ADD COLUMN IF NOT EXISTS late_expected_reward_minor Int64 CODEC(ZSTD(1)) AFTER late_confirmed_reward_minor;
