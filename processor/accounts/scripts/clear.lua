-- clear deletes batches from the outbox when they are booked, sent and committed.
--
-- KEYS: owner, outbox. ARGV: epoch, number of the last batch to delete. Gives 'done'
-- or 'fenced'. Repeated, it finds nothing to delete.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch ~= ARGV[1] then return fenced(KEYS[1]) end
for _, batch in ipairs(redis.call('HKEYS', KEYS[2])) do
  if tonumber(batch) <= tonumber(ARGV[2]) then redis.call('HDEL', KEYS[2], batch) end
end
return {'done'}
