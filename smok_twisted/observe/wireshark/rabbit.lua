-- The Rabbit stream cipher (RFC 4503), in the RFC's order of octets. Section numbers are the RFC's.

local need = ...
if type(need) ~= "function" then return end
local words = need("words")
local bxor, lrotate, lshift, rshift = words.bxor, words.lrotate, words.lshift, words.rshift
local WORD = words.WORD

local STEPS = {
    [0] = 0x4D34D34D, 0xD34D34D3, 0x34D34D34, 0x4D34D34D, 0xD34D34D3, 0x34D34D34, 0x4D34D34D, 0xD34D34D3,
} -- A0..A7 of section 2.5

local M = {}

-- Section 2.6: both halves of a square, XORed. A number holds 53 bits, so the square is put together from parts.
local function g(u)
    local low = u % 65536
    local high = (u - low) / 65536
    local middle = 2 * high * low
    local middle_low = middle % 65536
    local lower = low * low + middle_low * 65536
    local upper = high * high + (middle - middle_low) / 65536 + math.floor(lower / WORD)
    return bxor(lower % WORD, upper)
end

-- Sections 2.5 and 2.6: one iteration, in place.
local function iterate(state)
    local x, c, carry = state.x, state.c, state.carry
    local t = {}
    for j = 0, 7 do
        local sum = c[j] + STEPS[j] + carry
        carry = sum >= WORD and 1 or 0
        c[j] = sum % WORD
        t[j] = g((x[j] + c[j]) % WORD)
    end
    state.carry = carry
    for j = 0, 7 do
        local before, second = t[(j + 7) % 8], t[(j + 6) % 8]
        if j % 2 == 0 then
            x[j] = (t[j] + lrotate(before, 16) + lrotate(second, 16)) % WORD
        else
            x[j] = (t[j] + lrotate(before, 8) + second) % WORD
        end
    end
end

-- Section 2.3. ``key`` has 16 octets.
function M.key_setup(key)
    local k = {}
    for j = 0, 7 do
        k[j] = words.number(key, 15 - 2 * j, 2)
    end
    local state = {x = {}, c = {}, carry = 0}
    for j = 0, 7 do
        local following, fourth, fifth = k[(j + 1) % 8], k[(j + 4) % 8], k[(j + 5) % 8]
        if j % 2 == 0 then
            state.x[j], state.c[j] = following * 65536 + k[j], fourth * 65536 + fifth
        else
            state.x[j], state.c[j] = fifth * 65536 + fourth, k[j] * 65536 + following
        end
    end
    for _ = 1, 4 do
        iterate(state)
    end
    for j = 0, 7 do
        state.c[j] = bxor(state.c[j], state.x[(j + 4) % 8])
    end
    return state
end

-- Section 2.4: another state, from the one after the key setup. ``iv`` has 8 octets.
function M.iv_setup(master, iv)
    local high, low = words.number(iv, 1, 4), words.number(iv, 5, 4)
    local odd_halves = high - high % 65536 + rshift(low, 16)
    local even_halves = lshift(high, 16) + low % 65536
    local parts = {[0] = low, odd_halves, high, even_halves}
    local state = {x = {}, c = {}, carry = master.carry}
    for j = 0, 7 do
        state.x[j], state.c[j] = master.x[j], bxor(master.c[j], parts[j % 4])
    end
    for _ = 1, 4 do
        iterate(state)
    end
    return state
end

-- Section 2.7: a block of 16 octets.
local function extract(x)
    local block = {}
    for place, j in ipairs({6, 4, 2, 0}) do
        local word = bxor(x[j], rshift(x[(j + 5) % 8], 16), lshift(x[(j + 3) % 8], 16))
        block[place] = words.octets(word)
    end
    return table.concat(block)
end

-- At least so many octets of keystream; ``state`` moves on.
function M.keystream(state, octets)
    local blocks = {}
    for place = 1, math.ceil(octets / 16) do
        iterate(state)
        blocks[place] = extract(state.x)
    end
    return table.concat(blocks)
end

return M
