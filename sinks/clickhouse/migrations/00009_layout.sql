-- +goose Up

-- Over how many shards accounts are laid out: as many as the input topics had
-- partitions at the first start. One row, for good; Redis holds it too.
CREATE TABLE IF NOT EXISTS layout_log {{.OnCluster}}
(
    shards   Int32,
    begun_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {{.Engine "ReplacingMergeTree"}}
ORDER BY shards
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
