-- KEYS: owner, then account states. ARGV: the generation of each state. Deletes
-- those of generations before the shard's. It is asked here, with each deletion:
-- a Redis that was set back has an older generation than whoever listed the keys
-- believes, and its states are the only ones.
local current = tonumber(redis.call('HGET', KEYS[1], 'generation') or 0)
local gone = 0
for i = 2, #KEYS do
  if tonumber(ARGV[i - 1]) < current then gone = gone + redis.call('UNLINK', KEYS[i]) end
end
return {'done', tostring(gone)}
