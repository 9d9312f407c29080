-- The fields of SMOK/4, by which display filters name them (design note smok4).

local need = ...
if type(need) ~= "function" then return end
local drawing = need("drawing")

local add, fields = drawing.fields("smok4")
local M = {fields = fields}

M.TABLES = {[1] = "coil", [2] = "discrete", [3] = "holding", [4] = "input"}
M.TYPES = {
    [0x01] = "LOGIN", [0x02] = "WELCOME", [0x03] = "PING", [0x04] = "DATA", [0x05] = "ACK",
    [0x06] = "MODBUS-REQ", [0x07] = "MODBUS-RSP", [0x08] = "EVENT", [0x09] = "KEYUPDATE", [0x0A] = "KEYOK",
    [0x0B] = "GOAWAY", [0x0C] = "BYE", [0x0D] = "PLAN", [0x0E] = "PLANOK", [0x0F] = "SERVERS",
}
local SUITES = {[1] = "Rabbit with HMAC-SHA1", [2] = "ChaCha20-Poly1305"}
local KINDS = {[0] = "full", [1] = "changes", [2] = "error", [3] = "same"}
local ERRORS = {
    [0x01] = "exception-1 (illegal function)", [0x02] = "exception-2 (illegal data address)",
    [0x03] = "exception-3 (illegal data value)", [0x04] = "exception-4 (server device failure)",
    [0x05] = "exception-5 (acknowledge)", [0x06] = "exception-6 (server device busy)",
    [0x08] = "exception-8 (memory parity error)", [0x0A] = "exception-10 (gateway path unavailable)",
    [0x0B] = "exception-11 (gateway target failed to respond)",
    [0xE0] = "timeout", [0xE1] = "crc", [0xE2] = "wrong-reply", [0xE3] = "bus-down",
}
local REASONS = {[0] = "done", [1] = "unknown critical message", [2] = "protocol", [3] = "replaced"}

add("device", "uint64", "Device id", base.HEX)
add("kid", "uint8", "Key slot")
add("hello.magic", "string", "Magic")
add("hello.offer", "uint8", "Offer", base.HEX)
add("hello.offer.suite1", "bool", "Suite 1", 8, nil, 0x01)
add("hello.offer.suite2", "bool", "Suite 2", 8, nil, 0x02)
add("hello.offer.unique", "bool", "Nonce is unique for good", 8, nil, 0x80)
add("hello.nonce", "uint64", "Nonce of the device", base.HEX)
add("choice.version", "uint8", "Version", base.DEC, nil, 0xF0)
add("suite", "uint8", "Suite", base.DEC, SUITES, 0x0F)
add("choice.nonce", "uint64", "Nonce of the server", base.HEX)

add("record.length", "uint8", "Length")
add("record.ciphertext", "bytes", "Ciphertext")
add("record.tag", "bytes", "Tag")
add("record.seq", "uint32", "Number of the record")
add("record.verified", "bool", "The tag verifies")
add("octets", "bytes", "Octets")
add("type", "uint8", "Type", base.HEX, M.TYPES)

add("login.flags", "uint8", "Flags", base.HEX)
add("login.flags.clock", "bool", "Has a clock", 8, nil, 0x01)
add("login.flags.keeps", "bool", "Keeps unsent batches over a reboot", 8, nil, 0x02)
add("login.max_rx", "uint8", "Longest body that it can take")
add("login.firmware", "uint16", "Firmware")
add("login.boot", "uint16", "Epoch of the batch numbers")
add("tick", "uint16", "Uptime, seconds mod 65536")
add("login.cursor", "uint16", "Newest batch that it holds")
add("welcome.time", "absolute_time", "Time of the server", base.UTC)
add("welcome.keepalive", "uint8", "Keepalive, in 10 s")
add("welcome.flags", "uint8", "Flags", base.HEX)
add("welcome.cursor", "uint16", "Newest durable batch")

add("data.batch", "uint16", "Batch")
add("data.age", "uint32", "Age, in 0.1 s")
add("data.time", "absolute_time", "Read at", base.UTC)
add("data.kind", "uint8", "Kind", base.DEC, KINDS, 0xC0)
add("data.block", "uint8", "Block", base.DEC, nil, 0x3F)
add("data.unit", "uint8", "Unit")
add("data.table", "uint8", "Table", base.DEC, M.TABLES)
add("data.address", "uint16", "Address")
add("data.value", "uint16", "Value", base.DEC_HEX)
add("data.error", "uint8", "Error", base.HEX, ERRORS)
add("ack.batch", "uint16", "Durable up to batch")

add("modbus.txid", "uint16", "Transaction")
add("modbus.deadline", "uint16", "Deadline, as tick")
add("modbus.unit", "uint8", "Unit")
add("modbus.pdu", "bytes", "PDU")
add("modbus.answered_in", "framenum", "Answered in", base.NONE, frametype.RESPONSE)
add("modbus.answers", "framenum", "Answers", base.NONE, frametype.REQUEST)
add("modbus.time", "relative_time", "Time since the request")

add("event.code", "uint8", "Event")
add("event.data", "bytes", "Data")
add("goaway.after", "uint16", "Come again after, s")
add("goaway.jitter", "uint16", "Spread over, s")
add("bye.reason", "uint8", "Reason", base.DEC, REASONS)
add("server", "string", "Address to dial")

add("plan.number", "uint16", "Plan")
add("plan.part", "uint8", "Part")
add("plan.parts", "uint8", "Parts")
add("plan.block", "uint8", "Block")
add("plan.unit", "uint8", "Unit")
add("plan.table", "uint8", "Table", base.DEC, M.TABLES)
add("plan.start", "uint16", "Start")
add("plan.count", "uint8", "Count")
add("plan.interval", "uint16", "Sample every, s")
add("plan.report", "uint16", "Send at least every, s")
add("plan.deadband", "uint8", "Deadband")
add("planok.plan", "uint16", "Plan")
add("planok.status", "uint8", "Status")

M.experts = drawing.experts("smok4", {
    {"bad_magic", "Not SMOK/4, or not its beginning: a HELLO begins with 53 34", "MALFORMED", "ERROR"},
    {"no_beginning", "The beginning is not in the capture: it cannot be opened", "UNDECODED", "NOTE"},
    {"bad_version", "Not a CHOICE of version 4", "MALFORMED", "ERROR"},
    {"bad_choice", "No CHOICE of a suite that was offered", "MALFORMED", "ERROR"},
    {"zero_length", "A record of no octets", "MALFORMED", "ERROR"},
    {"unproven", "Does not verify: no secret in smok4.secret_file opens it", "SECURITY", "ERROR"},
    {"bad_tag", "Does not verify: changed, repeated, or another record than the next one", "SECURITY", "ERROR"},
    {"no_secret", "Sealed; a file named in smok4.secret_file opens it", "UNDECODED", "NOTE"},
    {"gap", "Octets before this are not in the capture", "SEQUENCE", "WARN"},
    {"behind_gap", "Not to be understood without what is missing", "SEQUENCE", "NOTE"},
    {"bad_message", "A message that cannot be", "MALFORMED", "ERROR"},
    {"bad_plan", "A PLAN that cannot be", "MALFORMED", "ERROR"},
    {"bad_data", "DATA that cannot be", "MALFORMED", "ERROR"},
    {"data_before_planok", "DATA before PLANOK", "PROTOCOL", "ERROR"},
    {"plan_unknown", "The plan is not in the capture", "UNDECODED", "NOTE"},
    {"unasked", "An answer to no request", "SEQUENCE", "ERROR"},
    {"wrong_side", "A message of the other side", "PROTOCOL", "WARN"},
    {"unknown_critical", "An unknown message that must not be skipped", "PROTOCOL", "ERROR"},
    {"skipped", "An unknown message, skipped", "UNDECODED", "NOTE"},
})

return M
