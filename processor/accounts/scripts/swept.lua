-- KEYS: owner. ARGV: the generation up to which all older states were looked for.
-- A rebuild that has ended since leaves its own to do.
if redis.call('HGET', KEYS[1], 'sweep') == ARGV[1] then redis.call('HDEL', KEYS[1], 'sweep') end
return {'done'}
