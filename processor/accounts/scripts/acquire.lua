-- acquire makes its caller the shard's owner: it raises the epoch, and every script
-- refuses the owner before from then on.
--
-- KEYS: owner, head. ARGV: microseconds of a lease, 0: none; for whom; the
-- acquirer's consumer group and process, for whom it shuts out.
-- Gives epoch, generation, positions, batch, seq, and 1 where states of older
-- generations are to be deleted; or 'leased', by whom, since and until when, in
-- microseconds. The outbox is read after it, by a call of its own: nobody else can
-- change it any more.
--
-- A lease keeps everybody else out until it is given up or has run out, so that an
-- owner doesn't break off the work of a command, and a command that has died holds
-- up nobody for long.
--
-- The epoch is raised to Redis' own microseconds at least: a Redis that was
-- emptied or set back must not give an epoch out twice, or a zombie could pass
-- for the owner. A shard without positions has no states: whatever a broken-off
-- rebuild has written is of an older generation from now on.
--
-- An answer that was lost is asked for anew, under a higher epoch.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding', 'lease_until', 'lease_by', 'lease_since', 'sweep')
local head = redis.call('HMGET', KEYS[2], 'heads', 'batch', 'seq')
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- Its holder may have lost the answer and ask again.
local again = tonumber(ARGV[1]) > 0 and owner[5] == ARGV[2]
if owner[4] and tonumber(owner[4]) > now and not again then return {'leased', owner[5] or '', owner[6] or '0', owner[4]} end
local epoch = string.format('%.0f', math.max(tonumber(owner[1] or 0) + 1, now))
local generation = tonumber(owner[2] or 0)
if owner[3] or not head[1] then
  generation = generation + 1
  redis.call('HDEL', KEYS[1], 'rebuilding')
end
redis.call('HSET', KEYS[1], 'epoch', epoch, 'generation', generation, 'group', ARGV[3], 'process', ARGV[4])
redis.call('HDEL', KEYS[1], 'lease_until', 'lease_by', 'lease_since')
if tonumber(ARGV[1]) > 0 then
  redis.call('HSET', KEYS[1], 'lease_until', string.format('%.0f', now + tonumber(ARGV[1])),
    'lease_by', ARGV[2], 'lease_since', string.format('%.0f', now))
end
return {epoch, tostring(generation), head[1] or '', head[2] or '0', head[3] or '0', owner[7] and '1' or ''}
