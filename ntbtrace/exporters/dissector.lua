-- What follows is ntbtrace/exporters/dissector.lua; the tables above come from ntbtrace's own.

local ntb = Proto("ntb", "PCIe non-transparent bridge (ntbtrace)")

local NUMBERS = { u1 = ProtoField.uint8, ["<u2"] = ProtoField.uint16, ["<u4"] = ProtoField.uint32, ["<u8"] = ProtoField.uint64 }
local BASES = { [10] = base.DEC, [16] = base.HEX }
local NAMED = { kind = KINDS, status = STATUSES }
local INLINE, SWITCH_OWNER, DWORD_BYTES = 8, 255, 4

local f = {
  data = ProtoField.bytes("ntb.data", "Data"),
  text = ProtoField.string("ntb.text", "Text", base.UNICODE),
  cause_frame = ProtoField.framenum("ntb.cause_frame", "Caused by", base.NONE, frametype.REQUEST),
  effect_frame = ProtoField.framenum("ntb.effect_frame", "Effect", base.NONE, frametype.RESPONSE),
}
for _, item in ipairs(ITEMS) do
  local abbrev, make = "ntb." .. item.name, NUMBERS[item.type]
  item.wide = item.type == "<u8"
  if make == nil then
    f[item.name] = ProtoField.string(abbrev, item.name, base.ASCII, item.doc)
  elseif BASES[item.base] then
    f[item.name] = make(abbrev, item.name, BASES[item.base], NAMED[item.name], nil, item.doc)
  end
end
for _, row in pairs(ROWS) do
  for _, field in ipairs(row) do
    local key = "field." .. field.name
    f[key] = f[key] or ProtoField.uint32("ntb." .. key, field.name, base.HEX)
    field.shown = f[key]
  end
end
local list = {}
for _, one in pairs(f) do list[#list + 1] = one end
ntb.fields = list

-- Which frame is which event, and the frames of its effects, as far as the file has been read.
local frame_of, effects_of

function ntb.init()
  frame_of, effects_of = {}, {}
end

-- A number of 64 bits is (low, high): two numbers of Lua, which are much cheaper than Wireshark's UInt64.
local WORD = 2 ^ 32
local FORMATS = {}
for digits = 0, 16 do FORMATS[digits] = "0x%0" .. digits .. "x" end
FORMATS[0] = "0x%x"

local function hex(low, high, digits) -- at least as many digits
  if high == 0 then return string.format(FORMATS[digits or 0], low) end
  return string.format(FORMATS[math.max((digits or 0) - 8, 0)] .. "%08x", high, low)
end

local function decimal(low, high)
  return high == 0 and string.format("%d", low) or tostring(UInt64.new(low, high))
end

local function plain(text) -- a guest's control characters stay out of terminals
  return (text:gsub("%c", function(c) return string.format("\\x%02x", c:byte()) end))
end

local function named(value, names)
  local text = value < 10 and string.format("%d", value) or string.format("0x%x", value)
  return names[value] and string.format("%s(%s)", text, names[value]) or text
end

local MEMORY = { mem_read = true, mem_write = true }
local WRITES = { cfg_write = true, mmio_write = true }
local ACCESSES = { cfg_read = true, cfg_write = true, mmio_read = true, mmio_write = true }

-- The fields that lie wholly inside the access, with what stands in them.
local function covered(e)
  local found = {}
  if not ACCESSES[e.kind] then return found end
  local first = 8 * (e.offset_low % DWORD_BYTES)
  local last = first + 8 * e.size
  for _, field in ipairs(ROWS[REGISTERS[e.reg] or 0] or {}) do
    if first <= field.lsb and field.lsb + field.width <= last then
      found[#found + 1] = { field = field, value = math.floor(e.low / 2 ^ (field.lsb - first)) % 2 ^ field.width }
    end
  end
  return found
end

local BARS = {}
for bar = 0, 255 do BARS[bar] = "BAR" .. bar .. "+" end

local function place(e)
  if e.kind == "cfg_read" or e.kind == "cfg_write" then return "cfg+" .. hex(e.offset_low, e.offset_high) end
  if MEMORY[e.kind] or e.kind == "blind" then return hex(e.offset_low, e.offset_high) end
  if ACCESSES[e.kind] then return (e.bar and BARS[e.bar] or "") .. hex(e.offset_low, e.offset_high) end
end

local function value_text(e)
  if not (MEMORY[e.kind] or ACCESSES[e.kind]) then return nil end
  if e.size <= INLINE then return hex(e.low, e.high, 2 * e.size) end
  if not e.data then return nil end
  local shown = e.data:range(0, math.min(e.data:len(), MAX_BYTES)):bytes():tohex(true)
  return shown .. (e.data:len() > MAX_BYTES and "..." or "")
end

local function field_text(e, one)
  if one.value == 0 then return nil end
  if WRITES[e.kind] and one.field.access == "RW1C" then return one.field.name .. " clears " .. named(one.value, {}) end
  if WRITES[e.kind] and one.field.access == "RO" then return nil end
  return one.field.name .. "=" .. named(one.value, one.field.values)
end

local function word(data, at)
  return data:range(at, 4):le_uint(), data:range(at + 4, 4):le_uint()
end

local function u64s(data)
  local found = {}
  for at = 0, data:len() - 16, 16 do
    found[#found + 1] = hex(word(data, at)) .. "+" .. hex(word(data, at + 8))
  end
  return #found > 0 and table.concat(found, " ") or "no memory"
end

local DETAIL = {
  attach = function(e) return (IRQ_MODES[e.raw_bar] or "mode " .. e.raw_bar) .. " " .. plain(e.text or "") end,
  ram_map = function(e) return e.data and u64s(e.data) or "no memory" end,
  irq = function(e)
    if IRQ_MODES[e.raw_bar] == "MSI" then return "vector " .. decimal(e.low, e.high) end
    return "INTx " .. (e.low ~= 0 and "up" or "down")
  end,
  inject = function(e)
    local what, numbers = INJECTS[e.raw_bar], " " .. hex(e.offset_low, e.offset_high) .. " " .. hex(e.low, e.high)
    if not what then return "what " .. e.raw_bar .. numbers end
    if what == "temperature" then
      return string.format("%s %s.%d C", what, tostring(UInt64.new(e.low, e.high) / UInt64(2)), e.low % 2 * 5)
    end
    if what == "cable" then return what .. ((e.low ~= 0 or e.high ~= 0) and " in" or " out") end
    return what == "poke" and what .. numbers or what
  end,
  work = function(e) return "up to " .. hex(e.low, e.high) .. " bytes" end,
  hold = function(e)
    local ns = UInt64.new(e.low, e.high)
    return string.format("%s.%06d s", tostring(ns / UInt64(1000000000)), (ns / 1000 % 1000000):tonumber())
  end,
  blind = function(e) return hex(e.low, e.high) .. " bytes without messages from here on" end,
  lost = function(e) return decimal(e.low, e.high) .. " events" end,
}

local function summary(e, inside)
  local words = { (e.is_effect and "  " or "") .. e.kind }
  local function add(word) if word and word ~= "" then words[#words + 1] = word end end
  add(place(e))
  add(value_text(e))
  if DETAIL[e.kind] then
    add(DETAIL[e.kind](e))
  elseif e.text then
    add(plain(e.text))
  elseif e.reg then
    add((e.owner == e.port or e.owner == SWITCH_OWNER) and e.reg or e.owner .. ":" .. e.reg)
    for _, one in ipairs(inside) do add(field_text(e, one)) end
  end
  if e.cause then add("<- " .. e.cause_text) end
  if e.status and e.status ~= "ok" then add("[" .. e.status .. "]") end
  return table.concat(words, " ")
end

-- How Struct reads the items: wide ones as two halves.
local CODES = { u1 = "B", ["<u2"] = "I2", ["<u4"] = "I4", ["<u8"] = "I4I4" }
local FORMAT, index = "<", 1
for _, item in ipairs(ITEMS) do
  FORMAT, item.index = FORMAT .. (CODES[item.type] or "c" .. item.size), index
  index = index + (item.type == "<u8" and 2 or 1)
end
local INDEX = {}
for _, item in ipairs(ITEMS) do INDEX[item.name] = item.index end

-- Puts the items into the tree; returns them by name, those that the event has. Of the wide ones see the end.
-- Where nobody looks at the tree, values without their place in the packet do, and are twice as fast.
local function read_items(tvb, tree)
  local values = { Struct.unpack(FORMAT, tvb:raw(0, HEAD)) }
  local has, visible = values[INDEX.has], tree.visible
  local e = {}
  for _, item in ipairs(ITEMS) do
    if item.has == 0 or has % (2 * item.has) >= item.has then
      local value, field = values[item.index], f[item.name]
      if not NUMBERS[item.type] then value = value:match("^%Z*") end
      e[item.name] = value
      if not field then -- not shown
      elseif visible or item.wide then
        tree:add_le(field, tvb:range(item.at, item.size))
      else
        tree:add(field, value)
      end
    end
  end
  e.low, e.high = values[INDEX.value], values[INDEX.value + 1]
  e.offset_low, e.offset_high = values[INDEX.offset], values[INDEX.offset + 1]
  e.raw_bar = values[INDEX.bar]
  e.seq = values[INDEX.seq] + values[INDEX.seq + 1] * WORD
  if e.cause then
    local high = values[INDEX.cause + 1]
    e.cause, e.cause_text = e.cause + high * WORD, decimal(e.cause, high)
  end
  e.is_effect = e.kind >= FIRST_EFFECT and e.kind <= LAST_EFFECT
  e.kind = KINDS[e.kind] or "kind " .. e.kind
  if e.status then e.status = STATUSES[e.status] or "status " .. e.status end
  e.has_text = has % (2 * TEXT) >= TEXT
  return e
end

local function link(tree, e, number, visited)
  local cause = e.cause and frame_of[e.cause]
  if not visited then frame_of[e.seq] = number end
  if cause then
    tree:add(f.cause_frame, cause):set_generated()
    if not visited then
      local effects = effects_of[cause]
      if effects then effects[#effects + 1] = number else effects_of[cause] = { number } end
    end
  end
  local effects = effects_of[number]
  if not effects then return end
  for _, effect in ipairs(effects) do tree:add(f.effect_frame, effect):set_generated() end
end

function ntb.dissector(tvb, pinfo, root)
  pinfo.cols.protocol = "NTB"
  local version = tvb:range(0, 1):uint()
  if version ~= VERSION or tvb:len() < HEAD then
    pinfo.cols.info = string.format("%d bytes of layout version %d: install the dissector of the ntbtrace that wrote it "
      .. "(ntbtrace wireshark --install)", tvb:len(), version)
    return 0
  end
  local tree = root:add(ntb, tvb())
  local e = read_items(tvb, tree)
  if tvb:len() > HEAD then
    e.data = tvb:range(HEAD)
    tree:add(f.data, e.data)
  end
  if e.has_text then
    e.text = e.data and e.data:string(ENC_UTF_8) or ""
    tree:add(f.text, tvb:range(HEAD), e.text)
  end
  local inside = e.reg and covered(e) or {}
  if #inside > 0 then
    local value = tvb:range(VALUE_AT, INLINE)
    local branch = tree:add(value, e.reg)
    for _, one in ipairs(inside) do
      local leaf = branch:add(one.field.shown, value, one.value)
      local name = one.field.values[one.value]
      if name then leaf:append_text(" (" .. name .. ")") end
    end
  end
  local guest = e.port and "port " .. e.port or "-"
  pinfo.cols.src, pinfo.cols.dst = e.is_effect and "switch" or guest, e.is_effect and guest or "switch"
  link(tree, e, pinfo.number, pinfo.visited)
  pinfo.cols.info = summary(e, inside)
  return tvb:len()
end

DissectorTable.get("wtap_encap"):add((wtap_encaps or wtap).USER0, ntb)
