-- intact says whether the shard is as its owner has left it, while no record comes
-- that a save would tell it by. It reads alone.
--
-- KEYS: owner, head. ARGV: epoch, generation, positions, batch. Gives 'done', 'fenced',
-- or 'gone': Redis has forgotten some of it, the epoch perhaps.
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'rebuilding')
local head = redis.call('HMGET', KEYS[2], 'heads', 'batch')
if not owner[1] or tonumber(owner[1]) < tonumber(ARGV[1]) then return {'gone'} end
if owner[1] ~= ARGV[1] then return fenced(KEYS[1]) end
local same = (head[1] or '-1,-1,-1,-1') == ARGV[3] and (head[2] or '0') == ARGV[4]
if owner[2] ~= ARGV[2] or owner[3] or not same then return {'gone'} end
return {'done'}
