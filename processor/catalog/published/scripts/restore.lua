-- Names the newest version again, unless another one was published meanwhile.
local hash = redis.call('HGET', KEYS[1], 'hash')
if hash and hash ~= ARGV[2] then
  return 'not empty'
end
redis.call('HSET', KEYS[1], 'number', ARGV[1], 'hash', ARGV[2])
redis.call('PUBLISH', KEYS[2], ARGV[1])
return 'restored'
