-- Words of 32 bits, for ciphers and hashes. Lua 5.2 has bit32; from Lua 5.3 on there are operators, which 5.2 cannot
-- read: so they stand in a string. Arguments may be any whole numbers from 0 to 2^53; results are below 2^32.

local WORD = 4294967296 -- 2^32

local words = bit32 or load([[
    local MASK = 0xFFFFFFFF
    local function whole(x) return math.tointeger(x) & MASK end
    local words = {}
    function words.band(a, b) return whole(a) & whole(b) end
    function words.bor(a, b) return whole(a) | whole(b) end
    function words.bnot(a) return ~whole(a) & MASK end
    function words.lshift(a, n) return whole(a) << n & MASK end
    function words.rshift(a, n) return whole(a) >> n end
    function words.lrotate(a, n) a = whole(a) return (a << n | a >> 32 - n) & MASK end
    function words.bxor(a, b, ...)
        local both = whole(a) ~ whole(b)
        return ... and words.bxor(both, ...) or both
    end
    return words
]])()

local M = {
    WORD = WORD,
    band = words.band,
    bor = words.bor,
    bnot = words.bnot,
    bxor = words.bxor,
    lshift = words.lshift,
    rshift = words.rshift,
    lrotate = words.lrotate,
}

-- The number in ``size`` octets, the first the most significant; exact up to 6 octets.
function M.number(octets, at, size)
    local number = 0
    for place = at, at + size - 1 do
        number = number * 256 + octets:byte(place)
    end
    return number
end

-- The same, the first octet the least significant.
function M.number_le(octets, at, size)
    return M.number(octets:sub(at, at + size - 1):reverse(), 1, size)
end

-- A word as 4 octets, the first the most significant.
function M.octets(word)
    local low = word % 65536
    local high = (word - low) / 65536
    return string.char(math.floor(high / 256), high % 256, math.floor(low / 256), low % 256)
end

-- ``data`` XOR the beginning of ``stream``, which is at least as long.
function M.xor(data, stream)
    local found = {}
    for place = 1, #data do
        found[place] = string.char(M.bxor(data:byte(place), stream:byte(place)))
    end
    return table.concat(found)
end

-- Octets from hex digits; nil for anything else.
function M.from_hex(text)
    if #text % 2 == 1 or text:find("%X") then
        return nil
    end
    return (text:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Hex digits of octets.
function M.to_hex(octets)
    return (octets:gsub(".", function(octet) return string.format("%02x", octet:byte()) end))
end

return M
