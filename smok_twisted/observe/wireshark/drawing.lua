-- What both protocols' trees and columns need of Wireshark.

local need = ...
if type(need) ~= "function" then return end

local M = {}

-- Makes ProtoFields: ``add(name, kind, label, ...)`` as ``ProtoField.kind(prefix.name, label, ...)``. The second
-- result has them by name.
function M.fields(prefix)
    local by_name = {}
    local function add(name, kind, label, ...)
        by_name[name] = ProtoField[kind](prefix .. "." .. name, label, ...)
    end
    return add, by_name
end

-- Expert infos by the name of a problem. ``rows``: name, text, group, severity.
function M.experts(prefix, rows)
    local by_name = {}
    for _, row in ipairs(rows) do
        local name, text, group, severity = table.unpack(row)
        local expert_info = ProtoExpert.new(prefix .. "." .. name, text, expert.group[group], expert.severity[severity])
        by_name[name] = {info = expert_info, text = text}
    end
    return by_name
end

-- Registers what the above made.
function M.register(proto, fields, experts)
    local infos = {}
    for name, one in pairs(experts) do
        infos[name] = one.info
    end
    proto.fields, proto.experts = fields, infos
end

-- Puts the problem into the tree; answers words for the Info column.
function M.tell(experts, tree, problem, text)
    local one = experts[problem]
    local words = text and one.text .. ": " .. text or one.text
    tree:add_proto_expert_info(one.info, words)
    return words
end

-- What is said of packets that no session looked at.
local REST = {
    cut = "cut short by the capture",
    again = "sent again",
    lost = "octets that cannot be understood",
    unseen = "octets that were not looked at",
}

-- Tree and columns of one packet (see ``streams``). ``view``: the protocol's ``name``, ``fields`` (by name; "octets"
-- and "device" are among them), ``experts``, and ``kinds``: functions (found, tvb, tree, pinfo) that draw a packet
-- of that kind and answer words for the Info column.
function M.packet(view, proto, found, tvb, pinfo, tree, number)
    local branch = tree:add(proto, tvb())
    local draw, text = view.kinds[found.kind], REST[found.kind]
    if draw then
        text = draw(found, tvb, branch, pinfo)
    else
        branch:add(view.fields["octets"], tvb())
    end
    if found.device then
        M.generated(branch, view.fields["device"], M.u64(found.device))
    end
    if found.problem then
        text = text .. ": " .. M.tell(view.experts, branch, found.problem)
    end
    branch:append_text(", " .. text)
    local before = number > 1 and pinfo.private[view.name] .. "; " or ""
    pinfo.private[view.name] = before .. text
    pinfo.cols.protocol = view.name
    pinfo.cols.info = before .. text
end

-- Fields of fixed size one behind the other; ``layout`` has names, sizes, and for octets of flags the names of those.
-- Where it ended.
function M.layout(fields, layout, tree, tvb, at)
    for _, row in ipairs(layout) do
        local name, octets, flags = table.unpack(row)
        local item = tree:add(fields[name], tvb(at, octets))
        for _, flag in ipairs(flags or {}) do
            item:add(fields[name .. "." .. flag], tvb(at, octets))
        end
        at = at + octets
    end
    return at
end

-- A field that is not in the octets.
function M.generated(tree, field, value)
    return tree:add(field, value):set_generated()
end

-- Seconds as Wireshark keeps times, to the microsecond.
function M.time(seconds)
    local microseconds = math.floor(seconds * 1000000 + 0.5)
    local rest = microseconds % 1000000
    return NSTime.new((microseconds - rest) / 1000000, rest * 1000)
end

-- 8 octets as a number.
function M.u64(octets)
    return ByteArray.new(octets, true):tvb("id")(0, 8):uint64()
end

-- Whether a port is in a text like "2405,3000-3010".
function M.in_range(text, port)
    for part in text:gmatch("[^,%s]+") do
        local first, last = part:match("^(%d+)%-?(%d*)$")
        if first and port >= tonumber(first) and port <= (tonumber(last) or tonumber(first)) then
            return true
        end
    end
    return false
end

return M
