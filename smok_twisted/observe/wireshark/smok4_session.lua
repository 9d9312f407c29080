-- One SMOK/4 conversation: HELLO and CHOICE in the clear, then records, opened if a secret is known.

local need = ...
if type(need) ~= "function" then return end
local records, messages = need("records"), need("smok4_messages")

local HELLO_OCTETS, CHOICE_OCTETS = 20, 9
local MAGIC, VERSION = "S4", 4
local MOST_BODY_OCTETS = 255
local TRIES_AT_MOST = 20000 -- records that are tried behind one gap

local Session = {}
Session.__index = Session

local M = {}

-- ``known``: see ``smok4_messages``. ``is_whole``: its beginning is in the capture.
function M.new(known, is_whole)
    local sides = {[true] = {seq = 0}, [false] = {seq = 0}}
    return setmetatable({known = known, is_whole = is_whole, sides = sides}, Session)
end

-- From here on this side cannot be understood; its next packet says why.
local function lose(side, problem)
    if not side.is_lost then
        side.is_lost, side.untold = problem, problem
    end
end

-- Behind a gap nobody knows where a record begins, or which one it is. But one often begins where a segment does.
function Session:missed(is_device, count)
    local side = self.sides[is_device]
    if not side.open or side.is_lost then
        return lose(side, "gap")
    end
    side.untold = "gap"
    side.search = side.search or {unread = 0, tries = TRIES_AT_MOST}
    side.search.unread = side.search.unread + count
    self.messages:missed(is_device)
end

-- The number of the record that ``octets`` begin with, if there is one that its tag proves.
function Session:searched(side, octets)
    local search, tag_octets = side.search, self.suite.tag_octets
    local size = 1 + octets:byte(1) + tag_octets
    local fewest = math.ceil(search.unread / (1 + MOST_BODY_OCTETS + tag_octets))
    local most = math.floor(search.unread / (2 + tag_octets))
    for seq = side.seq + fewest, size <= #octets and side.seq + most or 0 do
        search.tries = search.tries - 1
        if search.tries < 0 then
            return lose(side, "gap")
        end
        if side.open(seq, octets:sub(1, size)) then
            return seq
        end
    end
end

-- What is wrong with the next packet, seen from its first octet.
function Session:wrong(side, is_device, octet)
    if side.opening and octet == 0 then
        return "zero_length"
    elseif side.opening then
        return not self.suite and "bad_choice" or nil -- a record, and no CHOICE
    elseif is_device then
        return octet ~= MAGIC:byte(1) and (self.is_whole and "bad_magic" or "no_beginning") or nil
    elseif not self.sides[true].opening and not self.is_whole then
        return "no_beginning"
    end
    return math.floor(octet / 16) ~= VERSION and "bad_version" or nil
end

function Session:length(is_device, octets, remaining)
    local side = self.sides[is_device]
    if side.search and not side.is_lost then
        local seq = self:searched(side, octets)
        if not seq then
            return remaining
        end
        side.seq, side.search = seq, nil
    end
    local problem = self:wrong(side, is_device, octets:byte(1))
    if problem then
        lose(side, problem)
    end
    if side.is_lost then
        return remaining
    end
    if not side.opening then
        return is_device and HELLO_OCTETS or CHOICE_OCTETS
    end
    return 1 + octets:byte(1) + self.suite.tag_octets
end

function Session:take(is_device, octets, frame, time)
    local side = self.sides[is_device]
    local found = {kind = "lost", device = self.device}
    if side.is_lost or side.search then
        if side.search then
            side.search.unread = side.search.unread + #octets
        end
    elseif side.opening then
        found = self:record(side, is_device, octets, frame, time)
    else
        side.opening = octets
        found = is_device and self:hello(side, octets) or self:choice(side, octets)
    end
    found.problem = found.problem or side.untold
    side.untold = nil -- it is told once
    return found
end

function Session:hello(side, octets)
    if octets:sub(1, 2) ~= MAGIC then
        lose(side, self.is_whole and "bad_magic" or "no_beginning")
        return {kind = "lost"}
    end
    self.device = octets:sub(5, 12)
    self.messages = messages.new(self.known, self.device)
    return {kind = "hello"}
end

function Session:choice(side, octets)
    local hello = self.sides[true].opening
    self.suite_number = octets:byte(1) % 16
    self.suite = hello and records.SUITES[self.suite_number]
    if not self.suite then
        lose(side, "bad_choice")
    end
    return {kind = "choice", device = self.device}
end

-- The device's first record shows which secret is the right one.
function Session:prove(record)
    for _, secret in ipairs(self.known.secrets) do
        if #secret == self.suite.secret_octets then
            local hello, choice = self.sides[true].opening, self.sides[false].opening
            local of_device, of_server = records.openers(self.suite_number, secret, hello, choice)
            if of_device(0, record) then
                self.sides[true].open, self.sides[false].open = of_device, of_server
                return nil
            end
        end
    end
    return #self.known.secrets > 0 and "unproven" or "no_secret"
end

function Session:record(side, is_device, octets, frame, time)
    local found = {kind = "record", tag_octets = self.suite.tag_octets, seq = side.seq, device = self.device}
    if is_device and side.seq == 0 then
        found.problem = self:prove(octets)
    end
    if side.open then
        found.body = side.open(side.seq, octets)
        found.is_verified = found.body ~= nil
        if found.body then
            found.meaning = self.messages:take(is_device, found.body, frame, time)
        else
            lose(side, "bad_tag")
        end
    end
    side.seq = side.seq + 1
    return found
end

return M
