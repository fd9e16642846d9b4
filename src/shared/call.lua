-- One call, counted among those of all replicas, and remembered so that it can't come again.
--
-- KEYS[1]  the bucket of its account and action
-- KEYS[2]  the nonce or signature, where the call has one
-- ARGV[1]  calls a second that are allowed
-- ARGV[2]  what it is bound to
-- ARGV[3]  how long that is remembered, in milliseconds
-- ARGV[4]  how it may come again: 'never', bound to the 'same', or to 'any'
--
-- Returns -1 for a call that came before, how many calls there were in this second for one too many, and else 0.

if KEYS[2] and not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then
    if ARGV[4] == 'never' or ARGV[4] == 'same' and redis.call('GET', KEYS[2]) ~= ARGV[2] then
        return -1
    end
end

-- The server's clock: the replicas' own differ.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local allowed = tonumber(ARGV[1])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'filled_at', 'second', 'count')
local filled_at = tonumber(bucket[2]) or now
local tokens = tonumber(bucket[1]) or allowed
tokens = math.min(allowed, tokens + math.max(0, now - filled_at) * allowed / 1000000)
local count = bucket[3] == time[1] and tonumber(bucket[4]) + 1 or 1
local enough = tokens >= 1
if enough then
    tokens = tokens - 1
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'filled_at', string.format('%.0f', math.max(now, filled_at)),
    'second', time[1], 'count', count)
-- After two seconds it would be full again.
redis.call('PEXPIRE', KEYS[1], 2000)
-- An empty bucket has seen more than `allowed` within one second, though the calendar's may have begun in between.
return enough and 0 or math.max(count, allowed + 1)
