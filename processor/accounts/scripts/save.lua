-- save decides a batch: states, outbox, filters, counts, budgets and positions change
-- together or not at all. When it has answered 'done', the batch is decided, and
-- whoever owns the shard next delivers it from the outbox.
--
-- KEYS: owner, head, fates, outbox, members, known, then one of each account, then
-- the pages of each account of which some are written, then the shard's allocation of
-- each budget of which the batch has spent.
-- ARGV: epoch, generation, positions before, batch before, positions after, batch,
-- seq, outbox blob, members, known, number of fates, their names and counts,
-- seconds that budgets live, number of budgets, what is spent of each ever,
-- then pages as put_pages has them, then one value of each account.
--
-- Gives, the first that holds:
--   fenced      another owner has the shard
--   behind      Redis is older than this owner's last save, or is being rebuilt
--   done        this very save was done before, and its answer was lost
--   gap         the positions are right and the batch's number is not: a fault
--   unreserved  a budget has less reserved than the batch spends: Redis has lost that
--   done        all of it is written
-- With it come the positions and the batch that Redis has, or the budget's key and
-- what is reserved.
--
-- Nothing is written before everything is checked: Redis does not roll back.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding')
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
local head = redis.call('HMGET', KEYS[2], 'heads', 'batch')
local positions, batch = head[1] or '-1,-1,-1,-1', head[2] or '0'
if owner[2] ~= ARGV[2] or owner[3] then return {'behind', positions, batch} end
if positions == ARGV[5] and batch == ARGV[6] then return {'done'} end
if positions ~= ARGV[3] then return {'behind', positions, batch} end
if batch ~= ARGV[4] then return {'gap', positions, batch} end

local fates = tonumber(ARGV[11])
local life = 12 + 2 * fates
local budgets = tonumber(ARGV[life + 1])
local firstBudget = #KEYS - budgets
local lastAccount = firstBudget - tonumber(ARGV[life + 2 + budgets])
for i = 1, budgets do
  local allocation = redis.call('HMGET', KEYS[firstBudget + i], 'drawn', 'generation')
  if allocation[2] ~= ARGV[2] or tonumber(allocation[1]) < tonumber(ARGV[life + 1 + i]) then
    return {'unreserved', KEYS[firstBudget + i], allocation[1] or 'nothing'}
  end
end

for i = 1, budgets do
  redis.call('HSET', KEYS[firstBudget + i], 'granted', ARGV[life + 1 + i])
  redis.call('EXPIRE', KEYS[firstBudget + i], ARGV[life])
end
local values = put_pages(lastAccount + 1, life + 2 + budgets) - 1
for i = 12, life - 1, 2 do redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1]) end
for i = 7, lastAccount do redis.call('SET', KEYS[i], ARGV[values + i - 6]) end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[4], ARGV[6], ARGV[8]) end
append(KEYS[2], KEYS[5], 'members', ARGV[9])
append(KEYS[2], KEYS[6], 'known', ARGV[10])
redis.call('HSET', KEYS[2], 'heads', ARGV[5], 'batch', ARGV[6], 'seq', ARGV[7])
return {'done'}
