-- What the messages of one SMOK/4 session mean, taken in order (design note smok4, "Messages"). What needs no memory
-- is not here: smok4_show reads it from the octets.

local need = ...
if type(need) ~= "function" then return end
local rounds = need("rounds")
local number = need("words").number

local Messages = {}
Messages.__index = Messages

local M = {FIRST_CRITICAL = 0x80}

-- ``known`` is what conversations of this file tell each other: ``secrets``, and ``plans`` by device and number.
function M.new(known, device)
    return setmetatable({
        known = known,
        device = device,
        parts = {},
        plan = 0,
        last = {},
        waiting = {},
        new_secrets = {},
    }, Messages)
end

-- Who sends a type ("device", "server"; nil: both), its shortest and its longest body.
M.SHAPES = {
    [0x01] = {"device", 11, 11},
    [0x02] = {"server", 9, 9},
    [0x03] = {nil, 1, 3},
    [0x04] = {"device", 3, 255},
    [0x05] = {"server", 3, 3},
    [0x06] = {"server", 7, 255},
    [0x07] = {"device", 4, 255},
    [0x08] = {"device", 2, 255},
    [0x09] = {"server", 3, 255},
    [0x0A] = {"device", 2, 2},
    [0x0B] = {"server", 5, 5},
    [0x0C] = {nil, 2, 2},
    [0x0D] = {"server", 5, 255},
    [0x0E] = {"device", 4, 4},
    [0x0F] = {"server", 1, 255},
}

local function plan(self, body)
    local blocks = rounds.blocks(body)
    local plan_number, part, parts = number(body, 2, 2), body:byte(4), body:byte(5)
    if part >= parts or plan_number == 0 then
        error({problem = "bad_plan", text = ("part %d of %d of plan %d"):format(part, parts, plan_number)}, 0)
    end
    local key = plan_number .. " " .. parts
    if self.parts.key ~= key then
        self.parts = {key = key}
    end
    self.parts[part] = blocks
    local first_block = 0
    for place = 0, parts - 1 do
        if not self.parts[place] then
            return {first_block = first_block}
        end
        first_block = place < part and first_block + #self.parts[place] or first_block
    end
    self.known.plans[self.device .. plan_number] = rounds.joined(self.parts, parts)
    self.parts = {}
    return {first_block = first_block}
end

local function plan_ok(self, body)
    local plan_number, status = number(body, 2, 2), body:byte(4)
    if status == 0 and plan_number ~= self.plan then
        self.plan, self.last = plan_number, {}
        self.blocks = self.known.plans[self.device .. plan_number]
    end
    return {}
end

local function data(self, body)
    if self.plan == 0 then
        return {problem = "data_before_planok"}
    end
    if not self.blocks then
        return {problem = "plan_unknown", text = ("plan %d was told before this capture"):format(self.plan)}
    end
    return {rounds = rounds.rounds(self.blocks, self.last, body)}
end

local function request(self, body, frame, time)
    local one = {frame = frame, time = time, unit = body:byte(6), pdu = body:sub(7), txid = body:sub(2, 3)}
    self.waiting[one.txid] = one
    return {request = one, pdu = one.pdu}
end

local function response(self, body, frame, time)
    local one = self.waiting[body:sub(2, 3)]
    if not one then
        return {problem = "unasked", pdu = body:sub(4)}
    end
    self.waiting[one.txid] = nil
    one.answered_in = frame
    return {answers = one, seconds = time - one.time, pdu = body:sub(4)}
end

local function key_update(self, body)
    self.new_secrets[body:byte(2)] = body:sub(3)
    return {shown = body:sub(1, 2) .. ("\0"):rep(#body - 2)} -- the secret itself is not told
end

local function key_ok(self, body)
    table.insert(self.known.secrets, self.new_secrets[body:byte(2)])
    self.new_secrets[body:byte(2)] = nil
    return {}
end

local function servers(_, body)
    local found, at = {}, 1
    while at < #body do
        local octets = body:byte(at + 1)
        if at + octets >= #body or body:sub(at + 2, at + 1 + octets):find("[\128-\255]") then
            return {problem = "bad_message", text = "a broken string"}
        end
        table.insert(found, {at = at + 1, octets = octets})
        at = at + 1 + octets
    end
    return {servers = found}
end

local HANDLERS = {
    [0x04] = data,
    [0x06] = request,
    [0x07] = response,
    [0x09] = key_update,
    [0x0A] = key_ok,
    [0x0D] = plan,
    [0x0E] = plan_ok,
    [0x0F] = servers,
}

local PROBLEMS = {[0x04] = "bad_data", [0x0D] = "bad_plan"} -- of a wrong length

-- The problem with the outside of a body, if there is one.
local function misshapen(kind, is_device, body)
    local shape = M.SHAPES[kind]
    if not shape then
        return kind >= M.FIRST_CRITICAL and {problem = "unknown_critical"} or {problem = "skipped"}
    end
    if shape[1] and (shape[1] == "device") ~= is_device then
        return {problem = "wrong_side"}
    end
    if #body < shape[2] or #body > shape[3] or kind == 3 and #body == 2 then
        return {problem = PROBLEMS[kind] or "bad_message", text = ("a body of %d octets"):format(#body)}
    end
end

-- Octets are missing: nobody is to blame for what does not make sense from here on. With the device's, what it has
-- reported since is not known, and changes of that cannot be read.
function Messages:missed(is_device)
    self.has_missed = true
    if is_device then
        self.last = {}
    end
end

-- What one message means; ``problem`` (and ``text``) if something is wrong with it; ``is_misshapen``: it has no fields.
function Messages:take(is_device, body, frame, time)
    local kind = body:byte(1)
    local meaning = misshapen(kind, is_device, body)
    if meaning then
        meaning.is_misshapen = true
    elseif HANDLERS[kind] then
        local wrong
        meaning, wrong = rounds.caught(HANDLERS[kind], self, body, frame, time)
        meaning = meaning or wrong
        if meaning.problem and self.has_missed then
            meaning.problem = "behind_gap"
        end
    end
    return meaning or {}
end

return M
