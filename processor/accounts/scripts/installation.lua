-- KEYS: installation. ARGV: id, fingerprint of the key, 1: the ledger has this
-- id. Gives what stands then. What the ledger has never had gives way.
local held = redis.call('HMGET', KEYS[1], 'id', 'key', 'confirmed')
if not held[1] or not held[3] and ARGV[3] == '1' and held[1] ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'id', ARGV[1], 'key', ARGV[2])
  held[1], held[2] = ARGV[1], ARGV[2]
end
if ARGV[3] == '1' and held[1] == ARGV[1] then redis.call('HSET', KEYS[1], 'confirmed', 1) end
return {'done', held[1], held[2]}
