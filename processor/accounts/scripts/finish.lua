-- finish ends a rebuild: the shard has positions again, and marks that states of older
-- generations are to be deleted.
--
-- KEYS: owner, head. ARGV: epoch, generation, positions, batch, seq.
-- Gives 'done', also where it was done before, 'fenced', or 'idle': no rebuild of
-- this generation is under way.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding')
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
if owner[2] ~= ARGV[2] then return {'idle'} end
if not owner[3] then
  local head = redis.call('HMGET', KEYS[2], 'heads', 'batch', 'seq')
  if head[1] == ARGV[3] and head[2] == ARGV[4] and head[3] == ARGV[5] then return {'done'} end
  return {'idle'}
end
redis.call('HSET', KEYS[2], 'heads', ARGV[3], 'batch', ARGV[4], 'seq', ARGV[5])
redis.call('HDEL', KEYS[1], 'rebuilding')
redis.call('HSET', KEYS[1], 'sweep', ARGV[2])
return {'done'}
