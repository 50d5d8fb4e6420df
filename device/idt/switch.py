# SPDX-License-Identifier: GPL-2.0-or-later
"""IdtSwitch: ports and partitions, the global space, and what they share: doorbells, mapping table, switch events."""

from array import array
from hashlib import blake2b
from struct import Struct

from device.host import Host, Inject, Status
from device.idt import endpoint
from device.idt.chips import CHIPS, PARTITIONS
from device.idt.endpoint import Endpoint
from device.idt.maps import BEHIND, SWITCH
from device.idt.nt_registers import MAP_ENTRIES, PORT_INDEX
from device.idt.space import Space
from device.idt.switch_registers import BASE, END
from device.profile import Profile
from device.regmap import DWORD

SWITCH_OWNER = 0xFF
MODE_NT, STATE_ACTIVE = 3, 1

SESTS, SEMSK, SEPMSK = ((SWITCH[name].offset - BASE) >> 2 for name in ("SESTS", "SEMSK", "SEPMSK"))
# switch event: its bit in SESTS and SEMSK, its status register, its mask register
SOURCES = tuple(
    (SWITCH["SESTS"].register.field_mask(bit), (SWITCH[status].offset - BASE) >> 2, (SWITCH[mask].offset - BASE) >> 2)
    for bit, status, mask in (
        ("LINKUP", "SELINKUPSTS", "SELINKUPMSK"),
        ("LINKDN", "SELINKDNSTS", "SELINKDNMSK"),
        ("GSIGNAL", "SEGSIGSTS", "SEGSIGMSK"),
    )
)
LINKUPS, LINKDNS, GSIGNALS = (status for _, status, _ in SOURCES)
GDBELLSTS, TMPCTL, TMPSTS, TMPALARM = (
    (SWITCH[name].offset - BASE) >> 2 for name in ("GDBELLSTS", "TMPCTL", "TMPSTS", "TMPALARM")
)
TMP_PDOWN = SWITCH["TMPCTL"].register.field_mask("PDOWN")
TMP_IRQ_LSB = 24
LINKUP = SWITCH["SWPORT0STS"].register.field_mask("LINKUP")

_UNKNOWN = int(Status.UNKNOWN)
_HEAD = Struct("<4sI")
_MAGIC = b"IDT1"


class IdtSwitch(Space):
    """One switch; see device/__init__.py for what every switch offers."""

    def __init__(self, profile: Profile, host: Host) -> None:
        super().__init__(SWITCH, BASE, (END - BASE) // 4, SWITCH_OWNER)
        chip = CHIPS[profile.chip]
        self.profile = profile
        self.host = host
        self.target = 0
        self.status = 0
        self.doorbells = 0
        self.mapping = array("I", bytes(4 * MAP_ENTRIES))
        self._forget_other_ports(chip.ports)
        self._seen: tuple[tuple[int, ...], int] = ((0,) * len(SOURCES), DWORD)
        self.endpoints = {port.number: Endpoint(self, port, chip.device_id) for port in profile.ports}
        self.by_partition = {one.partition: one for one in self.endpoints.values()}
        for one in self.endpoints.values():
            self._put(f"SWPORT{one.port}STS", "MODE", MODE_NT)
            self._put(f"SWPORT{one.port}STS", "SWPART", one.partition)
            self._put(f"SWPART{one.partition}STS", "STATE", STATE_ACTIVE)
            self._put(f"SWPART{one.partition}STS", "NT", 1)
        self.reset_registers()

    def _forget_other_ports(self, ports: tuple[int, ...]) -> None:
        for place in SWITCH.places:
            if place.register.name.startswith("SWPORT") and place.number not in ports:
                number = self.index[place.name]
                self.statuses[number], self.rw[number] = _UNKNOWN, 0

    def _put(self, name: str, field: str, value: int) -> None:
        mask = SWITCH[name].register.field_mask(field)
        self.resets[self.index[name]] |= value * (mask & -mask)

    def map_target(self, entry: int) -> int:
        """The target of an entry of the mapping table."""
        return SWITCH_OWNER << 24 | BEHIND["NTMTBL0"].id + entry

    # The global space, behind GASAADDR and GASADATA

    def global_load(self, address: int) -> int:
        """Read a register of the global space; zeros, and UNKNOWN, where there is none."""
        if BASE <= address < END:
            number = (address - BASE) >> 2
            self.target, self.status = self.targets[number], self.statuses[number]
            read = self.reads[number]
            return self.regs[number] if read is None else read(number)
        function = self._function_at(address)
        if function is None:
            return 0
        return function.indirect_load((address & 0xFFF) >> 2)

    def global_save(self, address: int, value: int, lanes: int = DWORD) -> None:
        """Write a register of the global space; dropped, and UNKNOWN, where there is none."""
        if BASE <= address < END:
            number = (address - BASE) >> 2
            self.target, self.status = self.targets[number], self.statuses[number]
            write = self.writes[number]
            if write is None:
                self.store(number, value, lanes)
            else:
                write(number, value, lanes)
            return
        function = self._function_at(address)
        if function is not None:
            function.indirect_save((address & 0xFFF) >> 2, value, lanes)

    def _function_at(self, address: int) -> Endpoint | None:
        self.target, self.status = 0, _UNKNOWN
        return self.endpoints.get(PORT_INDEX.get(address >> 12, -1))

    # What the endpoints share

    def forget_ways(self) -> None:
        """A register that decides over windows has changed."""
        for one in self.endpoints.values():
            one.ways.clear()

    def message_route(self, partition: int, index: int) -> tuple[int, int]:
        """(partition, inbound register) to which SWPxMSGCTLy sends outbound message `index` of `partition`."""
        control = self.regs[self.index[f"SWP{partition}MSGCTL{index}"]]
        return control >> 4 & (PARTITIONS - 1), control & 3

    def change_doorbells(self, value: int) -> None:
        """The global doorbell register has a new value."""
        if value != self.doorbells:
            self.doorbells = self.regs[GDBELLSTS] = value
            for one in self.endpoints.values():
                one.update_interrupts()

    def signal(self, partition: int) -> None:
        """NTGSIGNAL was set by a port of this partition."""
        self.regs[GSIGNALS] |= 1 << partition
        self.update_events()

    def update_link(self, one: Endpoint) -> None:
        """The PCIe link of a port may have come up or gone down."""
        number = self.index[f"SWPORT{one.port}STS"]
        was, now = bool(self.regs[number] & LINKUP), one.attached and one.cable
        if was == now:
            return
        self.regs[number] ^= LINKUP
        self.regs[LINKUPS if now else LINKDNS] |= 1 << one.port
        self.forget_ways()
        self.update_events()

    def update_events(self) -> None:
        """Latch SEVENT in every partition that is told: of a source that is new, or on being unmasked itself."""
        regs = self.regs
        enabled = ~regs[SEMSK]
        active = tuple(regs[status] & ~regs[mask] if enabled & bit else 0 for bit, status, mask in SOURCES)
        parts = regs[SEPMSK]
        seen, seen_parts = self._seen
        self._seen = active, parts
        fresh = any(new & ~old for new, old in zip(active, seen, strict=True))
        for one in self.endpoints.values():
            told = not parts >> one.partition & 1
            if told and (fresh or (seen_parts >> one.partition & 1 and any(active))):
                one.raise_event(endpoint.SEVENT)

    def write_events(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        self.update_events()

    def read_sests(self, number: int) -> int:
        regs = self.regs
        return sum(bit for bit, status, mask in SOURCES if regs[status] & ~regs[mask])

    # What a person can do

    def inject(self, port: int, what: int, offset: int, value: int) -> None:
        """Temperature, a cable pulled or plugged, a poke into the global space; see device.host.Inject."""
        self.target = self.status = 0
        one = self.endpoints.get(port)
        if what == Inject.TEMPERATURE:
            self._measure(value & 0xFF)
        elif what == Inject.CABLE and one is not None:
            one.cable = bool(value)
            self.update_link(one)
        elif what == Inject.POKE:
            self.global_save(offset & ~3, value & DWORD)
        else:
            self.status = _UNKNOWN

    def _measure(self, temperature: int) -> None:
        """The sensor's new value, in half degrees: TMPSTS, alarms for thresholds crossed, TMPSENSOR."""
        control, status = self.regs[TMPCTL], self.regs[TMPSTS]
        if control & TMP_PDOWN:
            self.status = int(Status.DISABLED)
            return
        before, low, high = status & 0xFF, status >> 8 & 0xFF, status >> 16 & 0xFF
        low = min(low or temperature, temperature)
        self.regs[TMPSTS] = max(high, temperature) << 16 | low << 8 | temperature
        alarms = 0
        for i in range(3):
            threshold = control >> 8 * i & 0xFF
            if threshold and before < threshold <= temperature:
                alarms |= 1 << i
            elif threshold and temperature < threshold <= before:
                alarms |= 8 << i
        if alarms:
            self.regs[TMPALARM] |= alarms << TMP_IRQ_LSB
            for one in self.endpoints.values():
                one.raise_event(endpoint.TMPSENSOR)

    # State

    def snapshot(self) -> bytes:
        """Canonical bytes of everything that decides what happens next."""
        head = _HEAD.pack(_MAGIC, len(self.endpoints))
        events = Struct(f"<{len(SOURCES) + 1}I").pack(*self._seen[0], self._seen[1])
        return b"".join(
            (head, events, self.mapping.tobytes(), self.dump(), *(one.snapshot() for one in self.endpoints.values()))
        )

    def restore(self, data: bytes) -> None:
        """The inverse of snapshot. Raises ValueError for bytes of another device or profile."""
        events = Struct(f"<{len(SOURCES) + 1}I")
        sizes = (_HEAD.size, events.size, 4 * MAP_ENTRIES, END - BASE, *[endpoint.SNAPSHOT_SIZE] * len(self.endpoints))
        if len(data) != sum(sizes) or _HEAD.unpack_from(data) != (_MAGIC, len(self.endpoints)):
            raise ValueError(
                f"a snapshot of this switch must be {sum(sizes)} bytes of {_MAGIC!r} with {len(self.endpoints)} ports, "
                f"not {len(data)} bytes of {data[:4]!r}"
            )
        parts = []
        for size in sizes:
            parts.append(data[:size])
            data = data[size:]
        *seen, seen_parts = events.unpack(parts[1])
        self._seen = tuple(seen), seen_parts
        self.mapping = array("I", parts[2])
        self.load_dump(parts[3])
        self.doorbells = self.regs[GDBELLSTS]
        for one, part in zip(self.endpoints.values(), parts[4:], strict=True):
            one.restore(part)
        self.target = self.status = 0

    def digest(self) -> bytes:
        """16 bytes that stand for the state."""
        return blake2b(self.snapshot(), digest_size=16).digest()
