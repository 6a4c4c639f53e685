-- SPDX-License-Identifier: Apache-2.0
-- For wrk: the published example of a call, from somebody new each time.
--
--     wrk -s calls.lua URL -- NAME KEY
--
-- NAME is part of every address, so that no run repeats another's; KEY goes as x-api-key. The last
-- line: calls answered 200, others, errors, microseconds of the run, p50, p99 and the slowest in
-- microseconds.

local head, tail, number

local body_head = '{"name":"John Doe","email":"'
local body_tail = '@example.com","phone":1234567890,"timezone":"+05:30","callList":[{' ..
    '"webinar":"Introduction to Digital Marketing","webinarId":"634fc35ddaf58580e2418c40",' ..
    '"webinarLink":"https://meet.google.com/abc-defg-hij",' ..
    '"webinarFromTime":"2024-03-15T10:00:00.000Z","webinarToTime":"2024-03-15T11:00:00.000Z",' ..
    '"webinarFromTimeInCreatorTimezone":"2024-03-15T15:30:00.000Z",' ..
    '"webinarToTimeInCreatorTimezone":"2024-03-15T16:30:00.000Z","creatorTimezone":"+05:30"}],' ..
    '"mangoes":"mango1, mango2, mango3"}'
local number_form = "%09d"

function init(args)
    local name = args[1]
    local length = #body_head + #name + #string.format(number_form, 0) + #body_tail

    wrk.method = "POST"
    wrk.headers["x-api-key"] = args[2]
    wrk.headers["Content-Type"] = "application/json"
    -- Made once, for a body as long as all of them; then only the number changes.
    head = wrk.format(nil, nil, nil, string.rep(" ", length)):sub(1, -1 - length) ..
        body_head .. name
    tail = body_tail
    number = 0
end

function request()
    number = number + 1
    return head .. string.format(number_form, number) .. tail
end

function done(summary, latency)
    local errors = summary.errors

    io.write(string.format("%d %d %d %d %d %d %d\n", summary.requests - errors.status,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        summary.duration, latency:percentile(50), latency:percentile(99), latency.max))
end
