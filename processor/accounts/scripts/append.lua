-- append adds hashes (8 bytes each) to a filter, which is cut into values of
-- 1 MiB so that none grows without bound. Their names are made here, under the
-- shard's hash tag, because only Redis knows which of them has room. The count
-- in the head tells a reader how many hashes there must be.
local chunkBytes = 1048576
local function append(head, filter, kind, hashes)
  if #hashes == 0 then return end
  local count = tonumber(redis.call('HGET', head, kind) or 0)
  redis.call('HINCRBY', head, kind, #hashes / 8)
  local chunk = math.floor(count * 8 / chunkBytes)
  while #hashes > 0 do
    local name = filter .. ':' .. chunk
    local room = chunkBytes - redis.call('STRLEN', name)
    if room > 0 then
      redis.call('APPEND', name, string.sub(hashes, 1, room))
      hashes = string.sub(hashes, room + 1)
    end
    chunk = chunk + 1
  end
end
