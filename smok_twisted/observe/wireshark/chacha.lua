-- ChaCha20-Poly1305 (RFC 8439): opens what is sealed. Section numbers are the RFC's.

local need = ...
if type(need) ~= "function" then return end
local words = need("words")
local bxor, lrotate = words.bxor, words.lrotate
local WORD = words.WORD

local M = {}

-- Section 2.1: the quarter round, on four places of ``s``.
local function quarter(s, a, b, c, d)
    s[a] = (s[a] + s[b]) % WORD
    s[d] = lrotate(bxor(s[d], s[a]), 16)
    s[c] = (s[c] + s[d]) % WORD
    s[b] = lrotate(bxor(s[b], s[c]), 12)
    s[a] = (s[a] + s[b]) % WORD
    s[d] = lrotate(bxor(s[d], s[a]), 8)
    s[c] = (s[c] + s[d]) % WORD
    s[b] = lrotate(bxor(s[b], s[c]), 7)
end

local ROUNDS = {
    {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}, {4, 8, 12, 16},
    {1, 6, 11, 16}, {2, 7, 12, 13}, {3, 8, 9, 14}, {4, 5, 10, 15},
}

-- Section 2.3: 64 octets of keystream.
local function block(key, counter, nonce)
    local begin = "expand 32-byte k" .. key .. words.octets(counter):reverse() .. nonce
    local first, s = {}, {}
    for place = 1, 16 do
        first[place] = words.number_le(begin, 4 * place - 3, 4)
        s[place] = first[place]
    end
    for _ = 1, 10 do
        for _, places in ipairs(ROUNDS) do
            quarter(s, table.unpack(places))
        end
    end
    for place = 1, 16 do
        s[place] = words.octets((s[place] + first[place]) % WORD):reverse()
    end
    return table.concat(s)
end

-- Section 2.4; the counter begins with 1, as in section 2.8.
local function crypt(key, nonce, data)
    local blocks = {}
    for counter = 1, math.ceil(#data / 64) do
        blocks[counter] = block(key, counter, nonce)
    end
    return words.xor(data, table.concat(blocks))
end

-- Section 2.5 counts modulo 2^130 - 5. Ten limbs of 13 bits, the lowest first: products and their sums stay exact.
local LIMBS, LIMB = 10, 8192

local function to_limbs(octets)
    local limbs, bits, held, place = {}, 0, 0, 1
    for limb = 1, LIMBS do
        while bits < 13 and place <= #octets do
            held = held + octets:byte(place) * 2 ^ bits
            bits, place = bits + 8, place + 1
        end
        limbs[limb] = held % LIMB
        held, bits = math.floor(held / LIMB), math.max(bits - 13, 0)
    end
    return limbs
end

-- Carries from limb to limb; what leaves the highest comes back times 5, as 2^130 is 5.
local function carried(limbs)
    local carry = 0
    for limb = 1, LIMBS do
        local sum = limbs[limb] + carry
        limbs[limb] = sum % LIMB
        carry = math.floor(sum / LIMB)
    end
    limbs[1] = limbs[1] + 5 * carry
    return limbs
end

local function times(a, r)
    local product = {}
    for limb = 1, LIMBS do
        local sum = 0
        for other = 1, LIMBS do
            local wraps = other > limb
            sum = sum + a[other] * r[limb - other + 1 + (wraps and LIMBS or 0)] * (wraps and 5 or 1)
        end
        product[limb] = sum
    end
    return carried(carried(product))
end

-- Below 2^130 - 5: adding 5 runs over exactly when it was not.
local function reduced(limbs)
    carried(carried(limbs))
    local minus, carry = {}, 5
    for limb = 1, LIMBS do
        local sum = limbs[limb] + carry
        minus[limb] = sum % LIMB
        carry = math.floor(sum / LIMB)
    end
    return carry > 0 and minus or limbs
end

-- 16 octets: the low 128 bits of the limbs, plus ``s``.
local function to_octets(limbs, s)
    local found, bits, held, limb, carry = {}, 0, 0, 1, 0
    for place = 1, 16 do
        while bits < 8 do
            held = held + limbs[limb] * 2 ^ bits
            bits, limb = bits + 13, limb + 1
        end
        local sum = held % 256 + s:byte(place) + carry
        found[place] = string.char(sum % 256)
        carry = math.floor(sum / 256)
        held, bits = math.floor(held / 256), bits - 8
    end
    return table.concat(found)
end

-- Section 2.5: the tag of a message under a one-time key of 32 octets.
function M.poly1305(key, message)
    local r = {key:byte(1, 16)}
    for _, place in ipairs({4, 8, 12, 16}) do
        r[place] = r[place] % 16
    end
    for _, place in ipairs({5, 9, 13}) do
        r[place] = r[place] - r[place] % 4
    end
    local factor, sum = to_limbs(string.char(table.unpack(r))), to_limbs("")
    for at = 1, #message, 16 do
        for limb, more in ipairs(to_limbs(message:sub(at, at + 15) .. "\1")) do
            sum[limb] = sum[limb] + more
        end
        sum = times(sum, factor)
    end
    return to_octets(reduced(sum), key:sub(17))
end

local function filled(octets)
    return octets .. ("\0"):rep(-#octets % 16)
end

-- Section 2.8: what ``text`` hides, or nil when ``tag`` is not the right one.
function M.open(key, nonce, aad, text, tag)
    local lengths = words.octets(#aad):reverse() .. ("\0"):rep(4) .. words.octets(#text):reverse() .. ("\0"):rep(4)
    local once = block(key, 0, nonce):sub(1, 32)
    if M.poly1305(once, filled(aad) .. filled(text) .. lengths) ~= tag then
        return nil
    end
    return crypt(key, nonce, text)
end

return M
