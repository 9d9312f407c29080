-- The trees of SMOK/4's packets; see ``drawing.packet``.

local need = ...
if type(need) ~= "function" then return end
local drawing, data, words = need("drawing"), need("smok4_data"), need("words")
local of_smok4 = need("smok4_fields")
local fields, experts, generated = of_smok4.fields, of_smok4.experts, drawing.generated

local KINDS = {}
local M = {name = "SMOK/4", fields = fields, experts = experts, kinds = KINDS}

-- Fields that follow the type, with their sizes.
local LAYOUTS = {
    [0x01] = {
        {"login.flags", 1, {"clock", "keeps"}}, {"login.max_rx", 1}, {"login.firmware", 2}, {"login.boot", 2},
        {"tick", 2}, {"login.cursor", 2},
    },
    [0x02] = {{"welcome.time", 4}, {"welcome.keepalive", 1}, {"welcome.flags", 1}, {"welcome.cursor", 2}},
    [0x04] = {{"data.batch", 2}},
    [0x05] = {{"ack.batch", 2}},
    [0x06] = {{"modbus.txid", 2}, {"modbus.deadline", 2}, {"modbus.unit", 1}},
    [0x07] = {{"modbus.txid", 2}},
    [0x08] = {{"event.code", 1}},
    [0x09] = {{"kid", 1}},
    [0x0A] = {{"kid", 1}},
    [0x0B] = {{"goaway.after", 2}, {"goaway.jitter", 2}},
    [0x0C] = {{"bye.reason", 1}},
    [0x0D] = {{"plan.number", 2}, {"plan.part", 1}, {"plan.parts", 1}},
    [0x0E] = {{"planok.plan", 2}, {"planok.status", 1}},
}

-- Wireshark's own dissector reads the PDU; it wants a header, and port 502 to tell requests from answers. The device's
-- port on the other side keeps apart the devices of one address.
local modbus = Dissector.get("mbtcp")
local function hand_to_modbus(pinfo, tree, txid, unit, pdu, is_request)
    local header = txid .. "\0\0" .. words.octets(1 + #pdu):sub(3) .. string.char(unit)
    local octets = ByteArray.new(header .. pdu, true):tvb("MODBUS, with an MBAP header")
    local source, target = pinfo.src_port, pinfo.dst_port
    pinfo.src_port = is_request and target or 502
    pinfo.dst_port = is_request and 502 or source
    pcall(modbus.call, modbus, octets, pinfo, tree)
    pinfo.src_port = source
    pinfo.dst_port = target
end

-- By type: what is behind the fixed fields; answers words for the Info column.
local MORE = {}

MORE[0x03] = function(tree, tvb)
    if tvb:len() == 3 then
        tree:add(fields["tick"], tvb(1, 2))
    end
end

MORE[0x04] = function(tree, tvb, meaning, pinfo)
    if meaning.rounds then
        data.rounds(tree, tvb, meaning.rounds, pinfo.abs_ts)
    elseif tvb:len() > 3 then
        tree:add(fields["octets"], tvb(3))
    end
    return ("batch %d"):format(tvb(1, 2):uint())
end

MORE[0x05] = function(_, tvb) return ("up to batch %d"):format(tvb(1, 2):uint()) end

MORE[0x06] = function(tree, tvb, meaning, pinfo)
    local request = meaning.request
    tree:add(fields["modbus.pdu"], tvb(6))
    if request.answered_in then
        generated(tree, fields["modbus.answered_in"], request.answered_in)
    end
    hand_to_modbus(pinfo, tree, request.txid, request.unit, request.pdu, true)
    return ("unit %d, function %d"):format(request.unit, request.pdu:byte(1))
end

MORE[0x07] = function(tree, tvb, meaning, pinfo)
    local request = meaning.answers
    tree:add(fields["modbus.pdu"], tvb(3))
    if request then
        generated(tree, fields["modbus.unit"], request.unit)
        generated(tree, fields["modbus.answers"], request.frame)
        generated(tree, fields["modbus.time"], drawing.time(meaning.seconds))
        hand_to_modbus(pinfo, tree, request.txid, request.unit, meaning.pdu, false)
    end
    local code = meaning.pdu:byte(1)
    return code > 127 and ("function %d refused"):format(code - 128) or ("function %d"):format(code)
end

MORE[0x08] = function(tree, tvb)
    if tvb:len() > 2 then
        tree:add(fields["event.data"], tvb(2))
    end
    return ("code %d"):format(tvb(1, 1):uint())
end

MORE[0x09] = function(tree, tvb)
    tree:add(tvb(2), ("Secret: %d octets, not shown"):format(tvb:len() - 2))
    return ("slot %d"):format(tvb(1, 1):uint())
end

MORE[0x0C] = function(_, tvb) return ("reason %d"):format(tvb(1, 1):uint()) end

MORE[0x0D] = function(tree, tvb, meaning)
    if meaning.first_block then
        data.plan(tree, tvb, meaning.first_block)
    end
    return ("plan %d"):format(tvb(1, 2):uint())
end

MORE[0x0E] = function(_, tvb) return ("plan %d, status %d"):format(tvb(1, 2):uint(), tvb(3, 1):uint()) end

MORE[0x0F] = function(tree, tvb, meaning)
    for _, one in ipairs(meaning.servers or {}) do
        if one.octets > 0 then
            tree:add(fields["server"], tvb(one.at, one.octets))
        end
    end
end

-- The meaning of a record; answers words for the Info column.
local function message(tree, found, pinfo)
    local kind, meaning = found.body:byte(1), found.meaning
    local tvb = ByteArray.new(meaning.shown or found.body, true):tvb("Opened record")
    local name = of_smok4.TYPES[kind] or ("type 0x%02x"):format(kind)
    local branch = tree:add(tvb(), "Message: " .. name)
    branch:add(fields["type"], tvb(0, 1))
    local wrong = meaning.problem and drawing.tell(experts, branch, meaning.problem, meaning.text)
    local more
    if not meaning.is_misshapen then
        drawing.layout(fields, LAYOUTS[kind] or {}, branch, tvb, 1)
        more = MORE[kind] and MORE[kind](branch, tvb, meaning, pinfo)
    elseif tvb:len() > 1 then
        branch:add(fields["octets"], tvb(1))
    end
    return name .. (more and ", " .. more or "") .. (wrong and ": " .. wrong or "")
end

local HELLO = {
    {"hello.magic", 2}, {"hello.offer", 1, {"suite1", "suite2", "unique"}}, {"kid", 1}, {"device", 8},
    {"hello.nonce", 8},
}

function KINDS.hello(_, tvb, tree)
    drawing.layout(fields, HELLO, tree, tvb, 0)
    return "HELLO, device 0x" .. tvb(4, 8):bytes():tohex(true)
end

function KINDS.choice(_, tvb, tree)
    drawing.layout(fields, {{"choice.version", 1}}, tree, tvb, 0)
    drawing.layout(fields, {{"suite", 1}, {"choice.nonce", 8}}, tree, tvb, 0)
    return "CHOICE, suite " .. tvb(0, 1):bitfield(4, 4)
end

function KINDS.record(found, tvb, tree, pinfo)
    local octets = tvb(0, 1):uint()
    tree:add(fields["record.length"], tvb(0, 1))
    tree:add(fields["record.ciphertext"], tvb(1, octets))
    tree:add(fields["record.tag"], tvb(1 + octets, found.tag_octets))
    generated(tree, fields["record.seq"], found.seq)
    if found.is_verified ~= nil then
        generated(tree, fields["record.verified"], found.is_verified)
    end
    return found.body and message(tree, found, pinfo) or ("record of %d octets"):format(octets)
end

return M
