-- KEYS: owner, the shard's part of a budget. ARGV: epoch, generation, drawn,
-- granted, seconds to live.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding')
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
if owner[2] ~= ARGV[2] or owner[3] then return {'behind'} end
redis.call('HSET', KEYS[2], 'drawn', ARGV[3], 'granted', ARGV[4], 'generation', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return {'done'}
