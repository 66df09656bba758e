-- begin begins a rebuild: it forgets positions, outbox and filters, and the states of
-- the generation before are out of sight at once; they are deleted when the rebuild
-- is finished. Until then there are no positions: a rebuild that breaks off begins
-- anew with whoever acquires the shard. Fates stay, as they count what came in.
--
-- KEYS: owner, head, outbox, members, known. ARGV: epoch. Gives 'done' and the new
-- generation, or 'fenced'. Repeated, it begins another one.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation')
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
local generation = tonumber(owner[2] or 0) + 1
redis.call('HSET', KEYS[1], 'generation', generation, 'rebuilding', 1)
redis.call('DEL', KEYS[2], KEYS[3])
for i = 4, 5 do
  local chunk = 0
  while redis.call('DEL', KEYS[i] .. ':' .. chunk) == 1 do chunk = chunk + 1 end
end
return {'done', tostring(generation)}
