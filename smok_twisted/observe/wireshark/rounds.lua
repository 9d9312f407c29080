-- PLAN and DATA of SMOK/4, from octets to plain tables (design note smok4, "PLAN", "DATA"). Places in octets count
-- from 0, as Wireshark's do; ``octets`` are whole bodies, type included.

local need = ...
if type(need) ~= "function" then return end
local words = need("words")
local number = words.number

local M = {BLOCK_OCTETS = 10, FULL = 0, CHANGES = 1, ERROR = 2, SAME = 3}

local MOST_BLOCKS, LAST_BIT_TABLE, LAST_TABLE = 64, 2, 4
local FIRST_OWN_ERROR, LAST_OWN_ERROR = 0xE0, 0xE3

-- A problem of the octets; ``M.caught`` takes it.
local function wrong(name, text)
    error({problem = name, text = text}, 0)
end

-- The results of ``decode(...)``; or nil and the problem.
function M.caught(decode, ...)
    local results = {pcall(decode, ...)}
    if results[1] then
        return table.unpack(results, 2)
    end
    if type(results[2]) ~= "table" then
        error(results[2], 0) -- a fault of this program
    end
    return nil, results[2]
end

local function block(octets, at)
    local one = {unit = octets:byte(at + 1), table = octets:byte(at + 2), start = number(octets, at + 3, 2)}
    one.count, one.interval = octets:byte(at + 5), number(octets, at + 6, 2)
    one.is_bits = one.table <= LAST_BIT_TABLE
    local most = one.is_bits and 255 or 120
    if one.table < 1 or one.table > LAST_TABLE or one.count < 1 or one.count > most or one.interval == 0
        or one.start + one.count > 65536 then
        wrong("bad_plan", "a block that cannot be")
    end
    return one
end

-- The blocks of one PLAN record.
function M.blocks(octets)
    if #octets < 5 or (#octets - 5) % M.BLOCK_OCTETS > 0 then
        wrong("bad_plan", ("a PLAN of %d octets"):format(#octets))
    end
    local found = {}
    for at = 5, #octets - 1, M.BLOCK_OCTETS do
        table.insert(found, block(octets, at))
    end
    return found
end

-- ``parts`` are lists of blocks, from 0 to ``count`` - 1; one list.
function M.joined(parts, count)
    local whole = {}
    for part = 0, count - 1 do
        for _, one in ipairs(parts[part]) do
            table.insert(whole, one)
        end
    end
    if #whole > MOST_BLOCKS then
        wrong("bad_plan", ("a plan of %d blocks"):format(#whole))
    end
    return whole
end

local function octet(octets, at)
    return octets:byte(at + 1) or wrong("bad_data", "a round is cut short")
end

-- LEB128: the number, and where it ends.
local function varint(octets, at)
    local found = 0
    for place = 0, 4 do
        local one = octet(octets, at + place)
        found = found + one % 128 * 128 ^ place
        if one < 128 then
            return found, at + place + 1
        end
    end
    wrong("bad_data", "a varint of more than five octets")
end

local function bit(octets, at, place)
    return math.floor(octet(octets, at + math.floor(place / 8)) / 2 ^ (place % 8)) % 2
end

local function full(shape, octets, at)
    local values = {}
    for place = 1, shape.count do
        if shape.is_bits then
            values[place] = bit(octets, at, place - 1)
        else
            values[place] = octet(octets, at + 2 * place - 2) * 256 + octet(octets, at + 2 * place - 1)
        end
    end
    return values, at + (shape.is_bits and math.ceil(shape.count / 8) or 2 * shape.count)
end

local function changes(shape, last, octets, at)
    local values, bitmap = {}, at
    local places = 8 * math.ceil(shape.count / 8)
    at = at + places / 8
    for place = 1, places do
        local is_changed = bit(octets, bitmap, place - 1) == 1
        if is_changed and place > shape.count then
            wrong("bad_data", ("changes beyond the %d values of a block"):format(shape.count))
        end
        values[place] = last[place]
        if is_changed and shape.is_bits then
            values[place] = 1 - last[place]
        elseif is_changed then
            local zigzag
            zigzag, at = varint(octets, at)
            local delta = zigzag % 2 == 0 and zigzag / 2 or -(zigzag + 1) / 2
            values[place] = (last[place] + delta) % 65536
        end
    end
    return values, at
end

local function report(blocks, last, octets, at)
    local first = octet(octets, at)
    local one = {at = at, kind = math.floor(first / 64), number = first % 64}
    one.block = blocks[one.number + 1] or wrong("bad_data", ("the plan has no block %d"):format(one.number))
    at = at + 1
    if one.kind == M.ERROR then
        one.error, at = octet(octets, at), at + 1
        if one.error == 0 or one.error > 127 and (one.error < FIRST_OWN_ERROR or one.error > LAST_OWN_ERROR) then
            wrong("bad_data", ("an unknown error 0x%02x"):format(one.error))
        end
    elseif one.kind == M.FULL then
        one.values, at = full(one.block, octets, at)
    elseif not last[one.number] then
        wrong("bad_data", ("block %d: changes before any values"):format(one.number))
    elseif one.kind == M.SAME then
        one.values = last[one.number]
    else
        one.values, at = changes(one.block, last[one.number], octets, at)
    end
    last[one.number] = one.values or last[one.number]
    one.octets = at - one.at
    return one, at
end

-- The rounds of a DATA body: age in 0.1 s, and reports. ``last`` holds the values last reported for each block.
function M.rounds(blocks, last, octets)
    local found, at = {}, 3
    while at < #octets do
        local round = {at = at, reports = {}}
        round.age, at = varint(octets, at)
        local count = octet(octets, at)
        at = at + 1
        for place = 1, count do
            round.reports[place], at = report(blocks, last, octets, at)
        end
        round.octets = at - round.at
        table.insert(found, round)
    end
    return found
end

return M
