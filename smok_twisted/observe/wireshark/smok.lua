-- Wireshark and tshark read P24 and SMOK/4 with this; see docs/operating.rst, "Captures".
--
--   tshark -X lua_script:smok.lua -o smok4.secret_file:cellar.secret -r cellar.pcap
--
-- What a protocol means is in plain Lua (``..._session`` and what it needs), what one sees of it in ``..._show``.

local folder = debug.getinfo(1, "S").source:match("^@(.*[/\\])") or ""
local loaded = {}

-- The module of that name, beside this file.
local function need(name)
    if loaded[name] == nil then
        loaded[name] = assert(loadfile(folder .. name .. ".lua"))(need)
    end
    return loaded[name]
end

local drawing, streams = need("drawing"), need("streams")
local tcp_ports = DissectorTable.get("tcp.port")

-- A protocol over TCP. ``new_session(is_whole)`` makes what ``streams`` needs, ``begin`` runs before each capture.
local function protocol(key, port, view, new_session, begin)
    local proto = Proto(key, view.name)
    drawing.register(proto, view.fields, view.experts)
    proto.prefs.ports = Pref.range("TCP ports", port, "where the server listens", 65535)
    local ports, conversations = port, nil

    function proto.prefs_changed()
        if proto.prefs.ports ~= ports then
            tcp_ports:remove(ports, proto)
            ports = proto.prefs.ports
            tcp_ports:add(ports, proto)
        end
    end

    function proto.init()
        begin()
        conversations = streams.new(key, new_session, function(one) return drawing.in_range(ports, one) end)
    end

    function proto.dissector(tvb, pinfo, tree)
        conversations:dissect(tvb, pinfo, tree, function(...) drawing.packet(view, proto, ...) end)
    end

    tcp_ports:add(ports, proto)
    return proto
end

-- SMOK/4

local records, smok4_session, smok4_show = need("records"), need("smok4_session"), need("smok4_show")
local smok4, known

local function begin_smok4()
    local path = smok4.prefs.secret_file
    local secrets, reason = {}, nil
    if path ~= "" then
        secrets, reason = records.read_secrets(path)
    end
    if reason then
        report_failure("smok4.secret_file: " .. reason)
    end
    known = {secrets = secrets or {}, plans = {}}
end

local function new_smok4(is_whole) return smok4_session.new(known, is_whole) end
smok4 = protocol("smok4", "2406", smok4_show, new_smok4, begin_smok4)
smok4.prefs.secret_file = Pref.string(
    "Secret file", "", "secrets of devices in hex, one a line; the file of `smok agent` is one"
)

-- On another port it is known by its HELLO, which nothing follows before the server's answer.
smok4:register_heuristic("tcp", function(tvb, pinfo, tree)
    local is_hello = tvb:len() == 20 and tvb:raw(0, 2) == "S4" and tvb(2, 1):bitfield(6, 2) > 0
    if is_hello then
        pinfo.conversation = smok4
        smok4.dissector(tvb, pinfo, tree)
    end
    return is_hello
end)

-- P24

local p24_session, p24_show = need("p24_session"), need("p24_show")
protocol("p24", "2405", p24_show, p24_session.new, function() end)
