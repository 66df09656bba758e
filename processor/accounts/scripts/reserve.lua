-- reserve writes what a shard has reserved beside its account states, where save
-- finds it: a batch spends no more than stands there.
--
-- KEYS: owner, the shard's allocation of a budget. ARGV: epoch, generation, reserved,
-- spent, seconds to live. The allocation's fields are 'drawn', which is reserved,
-- 'granted', which is spent, and the generation of the states that it goes with.
-- Gives 'done', 'fenced', or 'behind': the states are not those that were acquired.
-- Repeating it changes nothing: only the owner writes here, one call at a time.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding')
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
if owner[2] ~= ARGV[2] or owner[3] then return {'behind'} end
redis.call('HSET', KEYS[2], 'drawn', ARGV[3], 'granted', ARGV[4], 'generation', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return {'done'}
