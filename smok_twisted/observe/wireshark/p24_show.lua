-- The fields of P24 and the trees of its packets (design note p24); see ``drawing.packet``.

local need = ...
if type(need) ~= "function" then return end
local drawing = need("drawing")
local generated = drawing.generated
local READS = need("p24_session").READS

local CODES = {
    [0] = "keepalive", [1] = "set network", [2] = "get network", [3] = "read holding", [4] = "read coil",
    [5] = "write holding", [6] = "write coil", [7] = "vendor", [8] = "read input",
}
local STATUS = {[0x00] = "ok", [0xFE] = "failed", [0xFF] = "not implemented"}

local add, fields = drawing.fields("p24")
add("device", "uint64", "Device id", base.HEX)
add("version", "uint32", "Version")
add("size", "uint8", "Size")
add("code", "uint8", "Command", base.DEC, CODES)
add("status", "uint8", "Status", base.HEX, STATUS)
add("register", "uint16", "Register")
add("coil", "uint16", "Coil")
add("value", "uint16", "Value", base.DEC_HEX)
add("unit", "uint8", "Unit")
add("octets", "bytes", "Octets")
add("ip", "ipv4", "Address")
add("mask", "ipv4", "Mask")
add("gateway", "ipv4", "Gateway")
add("dns", "ipv4", "DNS")
add("host", "string", "Server")
add("vendor", "string", "Vendor")
add("answered_in", "framenum", "Answered in", base.NONE, frametype.RESPONSE)
add("answers", "framenum", "Answers", base.NONE, frametype.REQUEST)
add("time", "relative_time", "Time since the command")

local experts = drawing.experts("p24", {
    {"wrong_version", "An init of another version than 0, or no init", "MALFORMED", "ERROR"},
    {"zero_length", "A packet of size 0", "MALFORMED", "ERROR"},
    {"bad_command", "A command that cannot be", "MALFORMED", "ERROR"},
    {"bad_answer", "An answer that cannot be one to its command", "MALFORMED", "ERROR"},
    {"unexpected_answer", "An answer to no command", "SEQUENCE", "ERROR"},
    {"gap", "Octets before this are not in the capture: answers can no longer be told apart", "SEQUENCE", "WARN"},
    {"joined", "The beginning is not in the capture: who answers what is a guess", "ASSUMPTION", "NOTE"},
    {"sets_network", "Hands the device to another server", "SECURITY", "WARN"},
    {"refused", "The server refuses the device", "RESPONSE_CODE", "WARN"},
    {"timeout", "Time-out on the serial line, or a MODBUS exception", "RESPONSE_CODE", "NOTE"},
    {"bus_fault", "Bad CRC or wrong answer on the serial line", "RESPONSE_CODE", "NOTE"},
    {"unsupported", "The device does not know this command", "RESPONSE_CODE", "NOTE"},
})

local KINDS = {}
local M = {name = "P24", fields = fields, experts = experts, kinds = KINDS}

-- Data of commands, after the code.
local SETTINGS = {{"ip", 4}, {"mask", 4}, {"gateway", 4}, {"dns", 4}}
local LAYOUTS = {
    [3] = {{"register", 2}, {"unit", 1}},
    [4] = {{"coil", 2}, {"unit", 1}},
    [5] = {{"register", 2}, {"value", 2}, {"unit", 1}},
    [6] = {{"coil", 2}, {"value", 1}, {"unit", 1}},
    [8] = {{"register", 2}, {"unit", 1}},
}

local function settings(tree, tvb)
    local at = drawing.layout(fields, SETTINGS, tree, tvb, 2)
    tree:add(fields["host"], tvb(at + 1))
end

-- "read holding 4089 of unit 1"; ``octets`` are a whole command.
local function words_of(code, octets)
    if not LAYOUTS[code] then
        return CODES[code]
    end
    return ("%s %d of unit %d"):format(CODES[code], octets:byte(3) * 256 + octets:byte(4), octets:byte(-1))
end

function KINDS.init(_, tvb, tree)
    drawing.layout(fields, {{"device", 8}, {"version", 4}}, tree, tvb, 0)
    return "init, device 0x" .. tvb(0, 8):bytes():tohex(true)
end

function KINDS.greeting(found, tvb, tree)
    drawing.layout(fields, {{"size", 1}, {"status", 1}}, tree, tvb, 0)
    return found.problem and "refused" or "accepted"
end

function KINDS.command(found, tvb, tree)
    drawing.layout(fields, {{"size", 1}, {"code", 1}}, tree, tvb, 0)
    if found.answered_in then
        generated(tree, fields["answered_in"], found.answered_in)
    end
    if not found.octets then
        return "command"
    end
    if found.code == 1 then
        settings(tree, tvb)
    end
    drawing.layout(fields, LAYOUTS[found.code] or {}, tree, tvb, 2)
    local value = found.code == 5 and tvb(4, 2):uint() or found.code == 6 and tvb(4, 1):uint()
    return words_of(found.code, found.octets) .. (value and (" := %d"):format(value) or "")
end

-- The data of an answer that is fine; words for the Info column.
local function result(code, tvb, tree)
    if READS[code] then
        tree:add(fields["value"], tvb(2))
        return (" = %d"):format(tvb(2):uint())
    elseif code == 7 then
        tree:add(fields["vendor"], tvb(3))
    elseif code == 2 then
        settings(tree, tvb)
    elseif tvb:len() > 2 then
        tree:add(fields["octets"], tvb(2))
    end
    return ""
end

function KINDS.answer(found, tvb, tree)
    drawing.layout(fields, {{"size", 1}, {"status", 1}}, tree, tvb, 0)
    local asked = found.asked
    if not asked or found.problem then
        if tvb:len() > 2 then
            tree:add(fields["octets"], tvb(2))
        end
        if not asked then
            return "answer"
        end
    end
    generated(tree, fields["code"], asked.code)
    generated(tree, fields["answers"], asked.frame)
    generated(tree, fields["time"], drawing.time(found.seconds))
    if LAYOUTS[asked.code] then
        generated(tree, fields[LAYOUTS[asked.code][1][1]], asked.octets:byte(3) * 256 + asked.octets:byte(4))
        generated(tree, fields["unit"], asked.octets:byte(-1))
    end
    local words = words_of(asked.code, asked.octets)
    return "answer to " .. words .. (found.problem and "" or result(asked.code, tvb, tree))
end

return M
