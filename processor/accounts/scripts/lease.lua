-- lease makes a command's lease last from now on, or gives it up.
--
-- KEYS: owner. ARGV: epoch, microseconds; 0: it is given up. Gives 'done' or 'fenced'.
-- A lease that was given up, or never was, is not made.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'lease_until')
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
if tonumber(ARGV[2]) == 0 then
  redis.call('HDEL', KEYS[1], 'lease_until', 'lease_by', 'lease_since')
elseif owner[2] then
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
  redis.call('HSET', KEYS[1], 'lease_until', string.format('%.0f', now + tonumber(ARGV[2])))
end
return {'done'}
