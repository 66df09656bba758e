-- allocate gives a shard more of a budget. The budget's allocations are one hash on
-- whichever server its name leads to, so that all shards meet there; it knows no
-- epochs, and whoever is fenced is refused when it writes what it got (reserve).
--
-- KEYS: the budget's allocations: shard -> minor units that it has reserved, ever.
-- ARGV: shard, spent by it, wanted beyond that, limit of the budget, usual chunk,
-- number of shards, seconds to live, then pairs of a shard and what it is known to
-- have reserved, by its own allocation or by the ledger.
-- Gives 'done', what this shard has reserved now, and all others together.
--
-- 1. What is known of the shards makes up for what the hash has lost.
-- 2. If the shard needs more than it has, it gets that, or its share of a chunk.
-- 3. Never more than the limit leaves beside the others, never less than is spent.
--
-- A shard's number only ever grows, but for this shard's own, where others have
-- reserved what it believed to be its. Asked once more, after an answer that was
-- lost, it gives the same.
local shard, spent, want, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local chunk, shards = tonumber(ARGV[5]), tonumber(ARGV[6])
local reserved = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do reserved[flat[i]] = tonumber(flat[i + 1]) end
for i = 8, #ARGV, 2 do
  local known = tonumber(ARGV[i + 1])
  if known > (reserved[ARGV[i]] or 0) then
    reserved[ARGV[i]] = known
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
local others = 0
for of, minor in pairs(reserved) do
  if of ~= shard then others = others + minor end
end
local mine = math.max(reserved[shard] or 0, spent)
local need = spent + want
if need > mine then
  -- Small near the end: the last units must not lie idle with one shard.
  local share = math.floor((limit - others - mine) / (4 * shards))
  mine = math.max(need, mine + math.min(chunk, share))
end
mine = string.format('%.0f', math.max(spent, math.min(mine, limit - others)))
redis.call('HSET', KEYS[1], shard, mine)
redis.call('EXPIRE', KEYS[1], ARGV[7])
return {'done', mine, string.format('%.0f', others)}
