-- fenced is the answer to whoever is not the shard's owner: the owner's epoch, and
-- who that is, as far as it has said.
local function fenced(owner)
  local by = redis.call('HMGET', owner, 'epoch', 'group', 'process')
  return {'fenced', by[1] or 'none', by[2] or '', by[3] or ''}
end

