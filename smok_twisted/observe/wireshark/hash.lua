-- SHA-1 and SHA-256 (FIPS 180-4) and HMAC (RFC 2104), on strings of octets.

local need = ...
if type(need) ~= "function" then return end -- Wireshark itself loads every file that lies in its plugin folder
local words = need("words")
local band, bor, bxor, bnot = words.band, words.bor, words.bxor, words.bnot
local lrotate, rshift, number = words.lrotate, words.rshift, words.number
local WORD = words.WORD

local M = {BLOCK_OCTETS = 64}

-- FIPS 180-4, 5.1.1: a one bit, zeros, and the length in bits.
local function padded(message)
    local zeros = -(#message + 9) % M.BLOCK_OCTETS
    local bits = words.octets(0) .. words.octets(8 * #message)
    return message .. "\128" .. ("\0"):rep(zeros) .. bits
end

-- ``step`` on the words of every block, beginning with ``state``; the digest.
local function digest(message, state, step)
    message = padded(message)
    for at = 1, #message, M.BLOCK_OCTETS do
        local w = {}
        for t = 0, 15 do
            w[t] = number(message, at + 4 * t, 4)
        end
        for place, word in ipairs({step(w, table.unpack(state))}) do
            state[place] = (state[place] + word) % WORD
        end
    end
    for place, word in ipairs(state) do
        state[place] = words.octets(word)
    end
    return table.concat(state)
end

-- 4.1.1 and 4.2.1: the function and the constant of each twenty rounds.
local function parity(b, c, d) return bxor(b, c, d) end
local function choose(b, c, d) return bxor(band(b, c), band(bnot(b), d)) end
local function majority(b, c, d) return bxor(band(b, c), band(b, d), band(c, d)) end
local SHA1 = {
    [0] = {choose, 0x5A827999},
    {parity, 0x6ED9EBA1},
    {majority, 0x8F1BBCDC},
    {parity, 0xCA62C1D6},
}

local function sha1_step(w, a, b, c, d, e)
    for t = 16, 79 do
        w[t] = lrotate(bxor(w[t - 3], w[t - 8], w[t - 14], w[t - 16]), 1)
    end
    for t = 0, 79 do
        local mix, constant = table.unpack(SHA1[math.floor(t / 20)])
        local sum = (lrotate(a, 5) + mix(b, c, d) + e + constant + w[t]) % WORD
        a, b, c, d, e = sum, a, lrotate(b, 30), c, d
    end
    return a, b, c, d, e
end

-- 20 octets.
function M.sha1(message)
    return digest(message, {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}, sha1_step)
end

-- The first 32 bits behind the point of the square or cube roots of the first primes (4.2.2, 5.3.3).
local function of_roots(count, exponent)
    local found, candidate = {}, 2
    while #found < count do
        local is_prime = true
        for divisor = 2, math.floor(math.sqrt(candidate)) do
            is_prime = is_prime and candidate % divisor ~= 0
        end
        if is_prime then
            table.insert(found, math.floor(candidate ^ exponent % 1 * WORD))
        end
        candidate = candidate + 1
    end
    return found
end

local SHA256 = of_roots(64, 1 / 3)
local SHA256_BEGIN = of_roots(8, 1 / 2)

local function rotated(word, first, second, third)
    return bxor(lrotate(word, 32 - first), lrotate(word, 32 - second), lrotate(word, 32 - third))
end

local function sigma(word, first, second, shift)
    return bxor(lrotate(word, 32 - first), lrotate(word, 32 - second), rshift(word, shift))
end

local function sha256_step(w, a, b, c, d, e, f, g, h)
    for t = 16, 63 do
        w[t] = (sigma(w[t - 2], 17, 19, 10) + w[t - 7] + sigma(w[t - 15], 7, 18, 3) + w[t - 16]) % WORD
    end
    for t = 0, 63 do
        local first = h + rotated(e, 6, 11, 25) + choose(e, f, g) + SHA256[t + 1] + w[t]
        local second = rotated(a, 2, 13, 22) + majority(a, b, c)
        a, b, c, d, e, f, g, h = (first + second) % WORD, a, b, c, (d + first) % WORD, e, f, g
    end
    return a, b, c, d, e, f, g, h
end

-- 32 octets.
function M.sha256(message)
    return digest(message, {table.unpack(SHA256_BEGIN)}, sha256_step)
end

-- RFC 2104; ``hash`` is one of the above, ``key`` at most a block.
function M.hmac(hash, key, message)
    key = key .. ("\0"):rep(M.BLOCK_OCTETS - #key)
    local inner = words.xor(key, ("\54"):rep(M.BLOCK_OCTETS))
    local outer = words.xor(key, ("\92"):rep(M.BLOCK_OCTETS))
    return hash(outer .. hash(inner .. message))
end

return M
