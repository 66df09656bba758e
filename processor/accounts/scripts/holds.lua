-- KEYS: owner, outbox. ARGV: epoch, number of a batch.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch ~= ARGV[1] then return fenced(KEYS[1]) end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then return {'gone'} end
return {'done'}
