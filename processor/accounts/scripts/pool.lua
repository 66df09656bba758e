-- KEYS: the budget's pool. ARGV: shard, granted by it, wanted beyond that,
-- limit, usual chunk, number of shards, seconds to live, then pairs of a shard
-- and what it is known to have drawn. Gives what this shard has drawn now, and
-- all others together.
--
-- What a shard has drawn only ever grows here, but for this shard's own, where
-- others have drawn what it believed to be its.
local shard, granted, want, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local chunk, shards = tonumber(ARGV[5]), tonumber(ARGV[6])
local drawn = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do drawn[flat[i]] = tonumber(flat[i + 1]) end
for i = 8, #ARGV, 2 do
  local known = tonumber(ARGV[i + 1])
  if known > (drawn[ARGV[i]] or 0) then
    drawn[ARGV[i]] = known
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
local others = 0
for of, minor in pairs(drawn) do
  if of ~= shard then others = others + minor end
end
local mine = math.max(drawn[shard] or 0, granted)
local need = granted + want
if need > mine then
  -- Small near the end: the last units must not lie idle with one shard.
  local share = math.floor((limit - others - mine) / (4 * shards))
  mine = math.max(need, mine + math.min(chunk, share))
end
mine = string.format('%.0f', math.max(granted, math.min(mine, limit - others)))
redis.call('HSET', KEYS[1], shard, mine)
redis.call('EXPIRE', KEYS[1], ARGV[7])
return {'done', mine, string.format('%.0f', others)}
