-- Writes one version: only onto the one it was made for, and only
-- as long as nothing in it comes into force within the lead. A client that
-- doesn't know whether its first try succeeded tries again and is told so.
local number, hash = ARGV[1], ARGV[2]
local before_number, before_hash = ARGV[3], ARGV[4]
local head = redis.call('HMGET', KEYS[1], 'number', 'hash')
if head[2] == hash then
  return 'published'
end
if (head[1] or '0') ~= before_number or (head[2] or '') ~= before_hash then
  return 'lost'
end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if before_number ~= '0' and tonumber(ARGV[5]) < now_ms + tonumber(ARGV[6]) then
  return 'late'
end
redis.call('HSET', KEYS[2], number, ARGV[7])
redis.call('HSET', KEYS[1], 'number', number, 'hash', hash, 'at_ms', string.format('%.0f', now_ms))
redis.call('PUBLISH', KEYS[3], number)
return 'published'
