-- tshark -X lua_script:THIS -X lua_script1:FOLDER -X lua_script2:FILE -- each line of FILE is a function and its
-- arguments in hex; prints the results in hex.

local folder, file = ...
local loaded = {}

local function need(name)
    if not loaded[name] then
        loaded[name] = assert(loadfile(folder .. "/" .. name .. ".lua"))(need)
    end
    return loaded[name]
end

local words, hash, rabbit, chacha = need("words"), need("hash"), need("rabbit"), need("chacha")

local FUNCTIONS = {
    sha1 = hash.sha1,
    sha256 = hash.sha256,
    hmac_sha1 = function(key, message) return hash.hmac(hash.sha1, key, message) end,
    hmac_sha256 = function(key, message) return hash.hmac(hash.sha256, key, message) end,
    rabbit = function(key, data)
        return words.xor(data, rabbit.keystream(rabbit.key_setup(key), #data))
    end,
    rabbit_iv = function(key, iv, data)
        return words.xor(data, rabbit.keystream(rabbit.iv_setup(rabbit.key_setup(key), iv), #data))
    end,
    poly1305 = chacha.poly1305,
    open = function(...) return chacha.open(...) or "no" end,
}

for line in io.lines(file) do
    local name, arguments = line:match("^(%S+) (.*)$")
    local octets = {}
    for argument in arguments:gmatch("(%x*);") do
        table.insert(octets, words.from_hex(argument))
    end
    print("RESULT " .. words.to_hex(FUNCTIONS[name](table.unpack(octets))))
end
