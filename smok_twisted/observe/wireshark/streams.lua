-- TCP conversations, cut into packets; and what was found in each packet.
--
-- Wireshark asks for packets in any order and as often as it likes, but at first in the order of the file. Then a
-- session takes them, and what it finds is kept by frame. A session has:
--   length(is_device, octets, remaining)   octets of that side's next packet; ``octets`` are those that are here
--   take(is_device, octets, frame, time)   what is found in it; ``kind`` says what it is
--   missed(is_device, count)               so many octets of that side are not in the capture, since the last packet

local need = ...
if type(need) ~= "function" then return end

local WORD = 4294967296 -- sequence numbers wrap there

local stream_of, completeness = Field.new("tcp.stream"), Field.new("tcp.completeness")
local sequence, payload_octets = Field.new("tcp.seq"), Field.new("tcp.len")
local SYN = 1 -- bit of tcp.completeness
local LOOK_OCTETS = 272 -- the longest packet of both protocols

local Streams = {}
Streams.__index = Streams

local M = {}

-- ``key`` is the protocol's own; ``new_session(is_whole)`` makes a session; ``is_server_port(port)`` helps where a
-- conversation was there before the capture.
function M.new(key, new_session, is_server_port)
    local streams = {key = key, new_session = new_session, is_server_port = is_server_port, by_number = {}}
    return setmetatable(streams, Streams)
end

-- Of the innermost TCP, should there be several.
local function last(field)
    local found = {field()}
    return found[#found].value
end

local function endpoint(address, port)
    return tostring(address) .. " " .. port
end

-- The device dials and speaks first.
local function new_stream(streams, pinfo)
    local device = endpoint(pinfo.src, pinfo.src_port)
    if streams.is_server_port(pinfo.src_port) and not streams.is_server_port(pinfo.dst_port) then
        device = endpoint(pinfo.dst, pinfo.dst_port)
    end
    local is_whole = last(completeness) % (2 * SYN) == SYN
    return {device = device, session = streams.new_session(is_whole), frames = {}, expected = {}}
end

-- How many octets at the beginning of ``tvb`` were here before. Tells the session what is missing.
local function repeated(stream, is_device, tvb)
    local expected = stream.expected[is_device]
    if tvb:offset() == 0 then
        return 0 -- TCP has put it together itself
    end
    local begin = (last(sequence) + last(payload_octets) - tvb:reported_len()) % WORD
    local ahead = expected and (begin - expected) % WORD or 0
    if ahead == 0 or ahead >= WORD / 2 then
        stream.expected[is_device] = expected or begin
        return (WORD - ahead) % WORD
    end
    stream.session:missed(is_device, ahead)
    stream.expected[is_device] = begin
    return 0
end

local function take(stream, is_device, packet, tvb, pinfo)
    local expected = stream.expected[is_device]
    stream.expected[is_device] = expected and (expected + packet.length) % WORD
    if packet.length > tvb:len() then
        stream.session:missed(is_device, packet.length) -- a snapshot length cut it
        return {kind = "cut"}
    end
    return stream.session:take(is_device, tvb:raw(0, packet.length), pinfo.number, pinfo.abs_ts)
end

-- Calls ``show(found, tvb, pinfo, tree, number)`` for every packet that is complete in this frame; ``number`` counts
-- them from 1.
function Streams:dissect(tvb, pinfo, tree, show)
    local stream_number = last(stream_of)
    local stream = self.by_number[stream_number] or new_stream(self, pinfo)
    self.by_number[stream_number] = stream
    local packets = stream.frames[pinfo.number] or {}
    stream.frames[pinfo.number] = packets

    local is_device = endpoint(pinfo.src, pinfo.src_port) == stream.device
    local is_first_time = not pinfo.visited
    local before = is_first_time and repeated(stream, is_device, tvb) or 0
    -- TCP may come several times with one frame; this table is new each time that the frame is shown.
    local number = tonumber(pinfo.private[self.key]) or 0

    local function length(buffer, _, offset)
        local packet = packets[number + 1]
        if not packet then
            local remaining = buffer:reported_len() - offset
            packet = {length = remaining, found = {kind = "unseen"}}
            if before > 0 then
                packet = {length = math.min(before, remaining), found = {kind = "again"}}
                before = before - packet.length
            elseif is_first_time and offset < buffer:len() then
                local octets = buffer:raw(offset, math.min(buffer:len() - offset, LOOK_OCTETS))
                packet = {length = stream.session:length(is_device, octets, remaining)}
            end
            packets[number + 1] = packet
        end
        return packet.length
    end

    local function whole(buffer, info, branch)
        number = number + 1
        info.private[self.key] = tostring(number)
        local packet = packets[number]
        packet.found = packet.found or take(stream, is_device, packet, buffer, info)
        show(packet.found, buffer, info, branch, number)
        return buffer:reported_len()
    end

    dissect_tcp_pdus(tvb, tree, 1, length, whole)
end

return M
