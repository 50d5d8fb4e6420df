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

local function bits(value, lsb, width)
  return math.floor(value / 2 ^ lsb) % 2 ^ width
end

local function hex(number, digits) -- of a UInt64; at least as many digits
  local short = number:tohex(16):gsub("^0+(.)", "%1")
  return "0x" .. string.rep("0", (digits or 0) - #short) .. short
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
  for _, field in ipairs(ROWS[REGISTERS[e.reg] or 0] or {}) do
    if first <= field.lsb and field.lsb + field.width <= first + 8 * e.size then
      found[#found + 1] = { field = field, value = bits(e.low, field.lsb - first, field.width) }
    end
  end
  return found
end

local function place(e)
  if e.kind == "cfg_read" or e.kind == "cfg_write" then return "cfg+" .. hex(e.offset) end
  if MEMORY[e.kind] or e.kind == "blind" then return hex(e.offset) end
  if ACCESSES[e.kind] then return (e.bar and "BAR" .. e.bar .. "+" or "") .. hex(e.offset) end
end

local function value_text(e)
  if not (MEMORY[e.kind] or ACCESSES[e.kind]) then return nil end
  if e.size <= INLINE then return hex(e.value, 2 * e.size) end
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

local function u64s(data)
  local found = {}
  for at = 0, data:len() - 16, 16 do
    found[#found + 1] = hex(data:range(at, 8):le_uint64()) .. "+" .. hex(data:range(at + 8, 8):le_uint64())
  end
  return #found > 0 and table.concat(found, " ") or "no memory"
end

local DETAIL = {
  attach = function(e) return (IRQ_MODES[e.raw_bar] or "mode " .. e.raw_bar) .. " " .. plain(e.text or "") end,
  ram_map = function(e) return e.data and u64s(e.data) or "no memory" end,
  irq = function(e)
    if IRQ_MODES[e.raw_bar] == "MSI" then return "vector " .. tostring(e.value) end
    return "INTx " .. (e.low ~= 0 and "up" or "down")
  end,
  inject = function(e)
    return (INJECTS[e.raw_bar] or "what " .. e.raw_bar) .. " " .. hex(e.offset) .. " " .. hex(e.value)
  end,
  work = function(e) return "up to " .. hex(e.value) .. " bytes" end,
  hold = function(e)
    return string.format("%s.%06d s", tostring(e.value / UInt64(1000000000)), (e.value / 1000 % 1000000):tonumber())
  end,
  blind = function(e) return hex(e.value) .. " bytes without messages from here on" end,
  lost = function(e) return tostring(e.value) .. " events" end,
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
  if e.cause then add("<- " .. tostring(e.cause)) end
  if e.status and e.status ~= "ok" then add("[" .. e.status .. "]") end
  return table.concat(words, " ")
end

-- Puts the items into the tree; returns them by name, those that the event has.
local function read_items(tvb, tree)
  local has = tvb:range(HAS_AT, 2):le_uint()
  local e = { is_effect = false }
  for _, item in ipairs(ITEMS) do
    if item.has < 0 or bits(has, item.has, 1) == 1 then
      local range = tvb:range(item.at, item.size)
      if item.type == "<u8" then
        e[item.name] = range:le_uint64()
      elseif NUMBERS[item.type] then
        e[item.name] = range:le_uint()
      else
        e[item.name] = range:stringz()
      end
      if f[item.name] then tree:add_le(f[item.name], range) end
    end
  end
  return e, has
end

local function link(tree, e, number, visited)
  local seq, cause = tostring(e.seq), e.cause and frame_of[tostring(e.cause)]
  if not visited then frame_of[seq] = number end
  if cause then
    tree:add(f.cause_frame, cause):set_generated()
    if not visited then
      effects_of[cause] = effects_of[cause] or {}
      table.insert(effects_of[cause], number)
    end
  end
  for _, effect in ipairs(effects_of[number] or {}) do tree:add(f.effect_frame, effect):set_generated() end
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
  local e, has = read_items(tvb, tree)
  e.is_effect = e.kind >= FIRST_EFFECT and e.kind <= LAST_EFFECT
  e.kind = KINDS[e.kind] or "kind " .. e.kind
  if e.status then e.status = STATUSES[e.status] or "status " .. e.status end
  local value, offset = tvb:range(VALUE_AT, INLINE), tvb:range(OFFSET_AT, INLINE)
  e.value, e.low, e.offset_low = value:le_uint64(), value:range(0, 4):le_uint(), offset:range(0, 4):le_uint()
  e.raw_bar = tvb:range(BAR_AT, 1):uint()
  if tvb:len() > HEAD then
    e.data = tvb:range(HEAD)
    tree:add(f.data, e.data)
  end
  if bits(has, TEXT_BIT, 1) == 1 then
    e.text = e.data and e.data:string(ENC_UTF_8) or ""
    tree:add(f.text, tvb:range(HEAD), e.text)
  end
  local inside = e.reg and covered(e) or {}
  if #inside > 0 then
    local branch = tree:add(value, string.format("%s: %s", e.reg, hex(e.value, 2 * math.min(e.size, INLINE))))
    for _, one in ipairs(inside) do
      local leaf = branch:add(f["field." .. one.field.name], value, one.value)
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
