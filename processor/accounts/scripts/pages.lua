-- put_pages writes pages of accounts, whose keys are KEYS from the given one on. ARGV[at]
-- is how many accounts there are; then of each whether its pages before are to be
-- deleted (1), the number of its first page, how many there are, and the pages. It
-- gives the place behind them in ARGV.
local function put_pages(key, at)
  local accounts = tonumber(ARGV[at])
  at = at + 1
  for i = 0, accounts - 1 do
    local first, pages = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    if ARGV[at] == '1' then redis.call('DEL', KEYS[key + i]) end
    for n = 1, pages do redis.call('HSET', KEYS[key + i], string.format('%d', first + n - 1), ARGV[at + 2 + n]) end
    at = at + 3 + pages
  end
  return at
end
