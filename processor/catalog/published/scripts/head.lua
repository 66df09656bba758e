-- Reads Redis' clock and the newest version in one step: nothing that
-- is published later comes into force within offer.PublicationLead of that time.
local time = redis.call('TIME')
local head = redis.call('HMGET', KEYS[1], 'number', 'hash')
return {time[1], time[2], head[1] or '0', head[2] or ''}
