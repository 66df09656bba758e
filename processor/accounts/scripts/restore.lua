-- restore writes some of what a rebuild has made, between begin and finish.
--
-- KEYS: owner, head, members, known, then one of each account, then the pages of each
-- account of which there are any.
-- ARGV: epoch, generation, members, known, pages as put_pages has them, then one value
-- of each account.
-- Gives 'done', 'fenced', or 'idle': no rebuild of this generation is under way.
-- Repeated, it appends its hashes to the filters twice, which does no harm.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding')
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
if owner[2] ~= ARGV[2] or not owner[3] then return {'idle'} end
local lastAccount = #KEYS - tonumber(ARGV[5])
local values = put_pages(lastAccount + 1, 5) - 1
for i = 5, lastAccount do redis.call('SET', KEYS[i], ARGV[values + i - 4]) end
append(KEYS[2], KEYS[3], 'members', ARGV[3])
append(KEYS[2], KEYS[4], 'known', ARGV[4])
return {'done'}
