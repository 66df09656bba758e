-- KEYS: owner, head. Gives epoch, generation, heads, batch, seq.
--
-- The epoch is raised to Redis' own microseconds at least: a Redis that was
-- emptied or set back must not give an epoch out twice, or a zombie could pass
-- for the owner. A shard without heads has no states: whatever a broken-off
-- rebuild has written is of an older generation from now on.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding')
local head = redis.call('HMGET', KEYS[2], 'heads', 'batch', 'seq')
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local epoch = string.format('%.0f', math.max(tonumber(owner[1] or 0) + 1, now))
local generation = tonumber(owner[2] or 0)
if owner[3] or not head[1] then
  generation = generation + 1
  redis.call('HDEL', KEYS[1], 'rebuilding')
end
redis.call('HSET', KEYS[1], 'epoch', epoch, 'generation', generation)
return {epoch, tostring(generation), head[1] or '', head[2] or '0', head[3] or '0'}
