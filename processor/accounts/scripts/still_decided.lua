-- still_decided says, before something leaves for the world, whether the shard is
-- still this owner's and the batch still in its outbox. It reads alone.
--
-- KEYS: owner, outbox. ARGV: epoch, number of a batch. Gives 'done', 'fenced', or
-- 'gone': Redis has lost the batch, which will be decided anew.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch ~= ARGV[1] then return fenced(KEYS[1]) end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then return {'gone'} end
return {'done'}
