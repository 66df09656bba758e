-- KEYS: owner, head, fates, outbox, members, known, then one of each account,
-- then the shard's part of each budget of which the batch has granted.
-- ARGV: epoch, generation, heads before, batch before, heads after, batch,
-- seq, outbox blob, members, known, number of fates, their names and counts,
-- seconds that budgets live, number of budgets, what is granted of each ever,
-- then one value of each account.
--
-- Nothing is written before everything is checked: Redis does not roll back.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding')
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
local head = redis.call('HMGET', KEYS[2], 'heads', 'batch')
local heads, batch = head[1] or '-1,-1,-1,-1', head[2] or '0'
if owner[2] ~= ARGV[2] or owner[3] then return {'behind', heads, batch} end
if heads == ARGV[5] and batch == ARGV[6] then return {'done'} end
if heads ~= ARGV[3] then return {'behind', heads, batch} end
if batch ~= ARGV[4] then return {'gap', heads, batch} end

local fates = tonumber(ARGV[11])
local life = 12 + 2 * fates
local budgets = tonumber(ARGV[life + 1])
local parts = #KEYS - budgets
for i = 1, budgets do
  local part = redis.call('HMGET', KEYS[parts + i], 'drawn', 'generation')
  if part[2] ~= ARGV[2] or tonumber(part[1]) < tonumber(ARGV[life + 1 + i]) then
    return {'undrawn', KEYS[parts + i], part[1] or 'nothing'}
  end
end

for i = 1, budgets do
  redis.call('HSET', KEYS[parts + i], 'granted', ARGV[life + 1 + i])
  redis.call('EXPIRE', KEYS[parts + i], ARGV[life])
end
local values = life + 1 + budgets
for i = 12, life - 1, 2 do redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1]) end
for i = 7, parts do redis.call('SET', KEYS[i], ARGV[values + i - 6]) end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[4], ARGV[6], ARGV[8]) end
append(KEYS[2], KEYS[5], 'members', ARGV[9])
append(KEYS[2], KEYS[6], 'known', ARGV[10])
redis.call('HSET', KEYS[2], 'heads', ARGV[5], 'batch', ARGV[6], 'seq', ARGV[7])
return {'done'}
