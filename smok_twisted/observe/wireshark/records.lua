-- Records of SMOK/4: keys from a secret, HELLO and CHOICE; and bodies from records (design note smok4, "Record").

local need = ...
if type(need) ~= "function" then return end
local words, hash, rabbit, chacha = need("words"), need("hash"), need("rabbit"), need("chacha")

local M = {}

-- Octets of a secret and of a tag; and how a record is opened.
M.SUITES = {
    [1] = {secret_octets = 20, tag_octets = 8},
    [2] = {secret_octets = 32, tag_octets = 16},
}

-- A function (seq, octets of a record) for one direction: the body, or nil when the tag does not verify.
-- ``cipher`` is B1 or B3, ``mac`` B2 or B4.
local function opener_1(cipher, mac)
    local master, salt = rabbit.key_setup(cipher:sub(1, 16)), cipher:sub(17)
    return function(seq, record)
        local number, text, tag = words.octets(seq), record:sub(2, -9), record:sub(-8)
        if hash.hmac(hash.sha1, mac, number .. record:sub(1, -9)):sub(1, 8) ~= tag then
            return nil
        end
        local state = rabbit.iv_setup(master, salt .. number)
        return words.xor(text, rabbit.keystream(state, #text))
    end
end

local function opener_2(cipher)
    return function(seq, record)
        local nonce = ("\0"):rep(8) .. words.octets(seq)
        return chacha.open(cipher, nonce, record:sub(1, 1), record:sub(2, -17), record:sub(-16))
    end
end

-- What opens the device's records, and what opens the server's. ``secret`` is as long as the suite asks.
function M.openers(suite, secret, hello, choice)
    local function b(i)
        local chosen = suite == 1 and hash.sha1 or hash.sha256
        return hash.hmac(chosen, secret, string.char(i) .. "SMOK4" .. hello .. choice)
    end
    if suite == 1 then
        return opener_1(b(1), b(2)), opener_1(b(3), b(4))
    end
    return opener_2(b(1)), opener_2(b(3))
end

-- The secrets in a file: hex digits, one a line; "#" begins a remark. Or nil and what is wrong.
function M.read_secrets(path)
    local file, reason = io.open(path, "r")
    local text
    if file then
        text, reason = file:read("*a")
        file:close()
    end
    if not text then
        return nil, reason
    end
    local secrets = {}
    for line in text:gmatch("[^\n]+") do
        local digits = line:gsub("#.*", ""):gsub("%s", "")
        local secret = words.from_hex(digits)
        if digits ~= "" and (not secret or #secret ~= 20 and #secret ~= 32) then
            return nil, path .. ": a line is no secret: hex digits, 40 for suite 1, 64 for suite 2"
        elseif digits ~= "" then
            table.insert(secrets, secret)
        end
    end
    return secrets
end

return M
