-- Shows the frames of docs/wire.md in Wireshark and tshark, for example by
-- tshark -X lua_script:docs/peers/npipes.lua -d tcp.port==7000,npipes -r capture.pcap
-- Each direction of a TCP stream is a stream of frames. Without TCP (link type USER0), each packet is one.

local OVERHEAD = 12 -- what a frame has besides its payload
-- A message length is the payload's plus `extra`.
local dialects = {
    { name = "documented", little = true, extra = 12 },
    { name = "npipes-1.0.1", little = false, extra = 8 },
    { name = "little-after-itself", little = true, extra = 8 },
    { name = "big-whole-packet", little = false, extra = 12 },
}

local npipes = Proto("npipes", "npipes frame")
local WRONG, RIGHT, NONE = 0, 1, 2
local statuses = { [WRONG] = "wrong", [RIGHT] = "right", [NONE] = "none was computed" }
local fields = {
    message_length = ProtoField.uint32("npipes.message_length", "Message length"),
    data_length = ProtoField.uint32("npipes.data_length", "Data length"),
    dialect = ProtoField.string("npipes.dialect", "Dialect"),
    payload = ProtoField.bytes("npipes.payload", "Payload"),
    crc = ProtoField.uint32("npipes.crc32", "CRC-32", base.HEX),
    status = ProtoField.uint8("npipes.crc32.status", "CRC-32 status", base.DEC, statuses),
}
npipes.fields = fields
local function problem(name, text, group, severity)
    return ProtoExpert.new("npipes." .. name, text, expert.group[group], expert.severity[severity])
end
local corrupt = problem("corrupt", "The CRC-32 is wrong", "CHECKSUM", "ERROR")
local refused = problem("refused", "The lengths are wrong, the stream is over", "MALFORMED", "ERROR")
local after = problem("after", "Not decoded: the stream was over", "UNDECODED", "NOTE")
local truncated = problem("truncated", "The end is inside a frame", "MALFORMED", "ERROR")
local partial = problem("partial", "Not decoded: the packet was not captured whole", "UNDECODED", "WARN")
npipes.experts = { corrupt, refused, after, truncated, partial }

local choices = { { 1, "detect", 0 } }
for number, dialect in ipairs(dialects) do choices[number + 1] = { number + 1, dialect.name, number } end
npipes.prefs.dialect = Pref.enum("Dialect", 0, "The dialect that the receivers expect", choices, false)
npipes.prefs.limit = Pref.uint("Longest payload", 16 * 1024 * 1024, "A data length above it is wrong")

local tcp = {}
for _, name in ipairs({ "stream", "seq", "len", "flags.fin", "flags.reset" }) do tcp[name] = Field.new("tcp." .. name) end

-- By direction: the dialect, the number of the packet with wrong lengths, and the frame that is not whole.
local directions
function npipes.init() directions = {} end
local function direction_of(pinfo)
    local stream = tcp.stream()
    local key = stream and ("%s %s %s"):format(stream.value, pinfo.src, pinfo.src_port) or pinfo.number
    directions[key] = directions[key] or {}
    return directions[key]
end

-- Lua 5.2 has bit32 and cannot parse the operators of later versions, which have no bit32.
local operators = "return function(a, b) return a ~ b end, function(a, n) return a >> n end"
local xor, shift
if bit32 then xor, shift = bit32.bxor, bit32.rshift else xor, shift = load(operators)() end
local remainders = {}
for byte = 0, 255 do
    local crc = byte
    for _ = 1, 8 do crc = crc % 2 == 1 and xor(shift(crc, 1), 0xEDB88320) or shift(crc, 1) end
    remainders[byte] = crc
end
local function crc32(bytes)
    local crc = 0xFFFFFFFF
    for at = 1, #bytes do crc = xor(remainders[xor(crc % 256, bytes:byte(at))], shift(crc, 8)) end
    return xor(crc, 0xFFFFFFFF)
end
local function number(range, dialect) return dialect.little and range:le_uint() or range:uint() end
local function add(tree, field, range, dialect) tree[dialect.little and "add_le" or "add"](tree, field, range) end

-- Returns the size of the frame with this header, or nil for wrong lengths, and the dialect.
local function measure(header, direction)
    local expected = dialects[npipes.prefs.dialect] or direction.dialect
    for _, dialect in ipairs(expected and { expected } or dialects) do
        local length = number(header(4, 4), dialect)
        if length <= npipes.prefs.limit and number(header(0, 4), dialect) == length + dialect.extra then
            direction.dialect = dialect
            return length + OVERHEAD, dialect
        end
    end
    return nil, expected or dialects[1]
end

local function show(tree, range, dialect)
    local item = tree:add(npipes, range)
    add(item, fields.message_length, range(0, 4), dialect)
    add(item, fields.data_length, range(4, 4), dialect)
    item:add(fields.dialect, dialect.name):set_generated()
    return item
end

local function show_frame(tree, frame, dialect)
    local item, length = show(tree, frame, dialect), frame:len() - OVERHEAD
    item:append_text((", %d bytes of payload"):format(length))
    if length > 0 then item:add(fields.payload, frame(8, length)) end
    add(item, fields.crc, frame(8 + length, 4), dialect)
    local sent, computed = number(frame(8 + length, 4), dialect), length > 0 and crc32(frame:raw(8, length)) or 0
    local status = sent == computed and RIGHT or sent == 0 and NONE or WRONG
    item:add(fields.status, status):set_generated()
    if status == WRONG then
        item:add_proto_expert_info(corrupt, ("The CRC-32 is %08x, that of the payload %08x"):format(sent, computed))
    end
end

-- Lets TCP call again when there is more, and remembers that a frame is open.
local function wait(direction, tvb, at, size, pinfo, tree)
    if tvb:captured_len() < tvb:reported_len() or not tcp.stream() then
        return tree:add(npipes, tvb(at)):add_proto_expert_info(tcp.stream() and partial or truncated)
    end
    local had = tvb:len() - at
    pinfo.desegment_offset = at
    pinfo.desegment_len = size and size - had or DESEGMENT_ONE_MORE_SEGMENT
    if not pinfo.visited then direction.open = { size = size, had = had, seq = tcp.seq().value + tcp.len().value } end
end

function npipes.dissector(tvb, pinfo, tree)
    local direction, at = direction_of(pinfo), 0
    pinfo.cols.protocol = "npipes"
    if not pinfo.visited then direction.open = nil end
    if direction.over and pinfo.number > direction.over then
        return tree:add(npipes, tvb()):add_proto_expert_info(after)
    end
    while at < tvb:len() do
        local rest, size, dialect = tvb(at), nil, nil
        if rest:len() >= 8 then size, dialect = measure(rest, direction) end
        if dialect and not size then
            direction.over = pinfo.number
            return show(tree, rest, dialect):add_proto_expert_info(refused)
        end
        if not size or size > rest:len() then return wait(direction, tvb, at, size, pinfo, tree) end
        show_frame(tree, rest(0, size), dialect)
        at = at + size
    end
end

-- TCP calls no dissector for a FIN without data.
local ending = Proto("npipes_end", "The end of a stream of npipes frames")
function ending.dissector(_, pinfo, tree)
    if not tcp.stream() or not (tcp["flags.fin"]().value or tcp["flags.reset"]().value) then return end
    local open = direction_of(pinfo).open
    if not open then return end
    local arrived = open.had + tcp.seq().value + tcp.len().value - open.seq
    local text = ("The stream ends inside a frame: %d bytes of %s have arrived"):format(arrived, open.size or "a header of 8")
    tree:add(npipes, "npipes frame"):add_proto_expert_info(truncated, text)
end
register_postdissector(ending)
DissectorTable.get("tcp.port"):add_for_decode_as(npipes)
DissectorTable.get("wtap_encap"):add(wtap.USER0, npipes)
