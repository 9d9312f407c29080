-- One P24 conversation: init, then commands and answers, first in first out (design note p24).

local need = ...
if type(need) ~= "function" then return end
local number = need("words").number

local INIT_OCTETS = 12
local OK, FAILED, UNSUPPORTED = 0x00, 0xFE, 0xFF

local Session = {}
Session.__index = Session

local M = {}

-- Code of a command: octets of its data, and what an answer's data must be when it is not refused.
local function any() return true end
local function nothing(data) return data == "" end
local function word(data) return #data == 2 end
local function coil(data) return data == "\0" or data == "\1" end
local function text(data) return #data > 0 and data:byte(1) == #data - 1 end
local function settings(data) return text(data:sub(17)) end
M.COMMANDS = {
    [0] = {octets = 0, fits = nothing},
    [1] = {is_setting = true, fits = any},
    [2] = {octets = 0, fits = settings},
    [3] = {octets = 3, fits = word},
    [4] = {octets = 3, fits = coil},
    [5] = {octets = 5, fits = any}, -- an answer to a write carries junk
    [6] = {octets = 4, fits = any},
    [7] = {octets = 0, fits = text},
    [8] = {octets = 3, fits = word},
}
M.READS = {[3] = true, [4] = true, [8] = true}

-- Where the beginning is not in the capture, pairs are what they look like, from the first command on.
function M.new(is_whole)
    local session = {is_joined = not is_whole, is_greeted = not is_whole, is_accepted = not is_whole, waiting = {}}
    return setmetatable(session, Session)
end

-- Answers carry no identity: where octets are missing, nothing behind them is certain.
function Session:missed(_, _)
    self.is_lost = self.is_lost or "gap"
end

function Session:length(is_device, octets, remaining)
    local octet = octets:byte(1)
    local is_init = is_device and not self.is_greeted
    if octet == 0 and not is_init then
        self.is_lost = self.is_lost or "zero_length"
    end
    if self.is_lost then
        return remaining
    end
    return is_init and INIT_OCTETS or 1 + octet
end

function Session:take(is_device, octets, frame, time)
    if self.is_lost then
        local problem = not self.is_told and self.is_lost or nil
        self.is_told = true
        return {kind = "lost", problem = problem}
    end
    local found
    if is_device then
        found = self.is_greeted and self:answer(octets, frame, time) or self:init(octets)
    else
        found = self.is_accepted and self:command(octets, frame, time) or self:greeting(octets)
    end
    found.device = self.device
    if self.is_joined and not self.is_joined_told then
        self.is_joined_told, found.problem, found.is_harmless = true, found.problem or "joined", true
    end
    if found.problem and not found.is_harmless then
        self.is_lost, self.is_told = found.problem, true
    end
    return found
end

function Session:init(octets)
    self.is_greeted, self.device = true, octets:sub(1, 8)
    return {kind = "init", problem = number(octets, 9, 4) ~= 0 and "wrong_version" or nil}
end

function Session:greeting(octets)
    self.is_accepted = true
    local is_accepted = octets == "\1\0"
    return {kind = "greeting", problem = not is_accepted and "refused" or nil, is_harmless = true}
end

function Session:command(octets, frame, time)
    local code, data = octets:byte(2), octets:sub(3)
    local shape = M.COMMANDS[code]
    local fits = shape and (shape.octets == #data or shape.is_setting and settings(data))
    if not fits then
        return {kind = "command", problem = "bad_command", code = shape and code}
    end
    local one = {kind = "command", code = code, frame = frame, time = time, octets = octets}
    if shape.is_setting then
        one.problem, one.is_harmless = "sets_network", true
    end
    table.insert(self.waiting, one)
    return one
end

local FAULTS = {["\0"] = "bus_fault", ["\1"] = "timeout"}

function Session:answer(octets, frame, time)
    local asked = table.remove(self.waiting, 1)
    if not asked then
        local problem = self.is_joined and "joined" or "unexpected_answer"
        return {kind = "answer", problem = problem, is_harmless = self.is_joined}
    end
    asked.answered_in = frame
    local found = {kind = "answer", asked = asked, seconds = time - asked.time}
    local status, data = octets:byte(2), octets:sub(3)
    if status == OK and M.COMMANDS[asked.code].fits(data) then
        return found
    end
    found.problem = status == FAILED and FAULTS[data] or status == UNSUPPORTED and data == "" and "unsupported"
    found.is_harmless = found.problem and true
    found.problem = found.problem or "bad_answer"
    return found
end

return M
