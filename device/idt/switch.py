# SPDX-License-Identifier: GPL-2.0-or-later
"""IdtSwitch: ports and partitions, the global space, and what the NT functions share.

`endpoints` are the NT functions by port; `functions` all by (port, function), a DMA engine (plx/) being function 1.
Switch events stand in events.py, the temperature sensor in temperature.py; doorbells are in the global register
GDBELLSTS (doorbells.py), the mapping table of requester ids is `mapping` (link.py). To be looked at:
state.py, views.py, obstacles.py, sources.py.
"""

import json
from array import array
from hashlib import blake2b
from struct import Struct

from device.host import Host, Inject, Status
from device.idt.chips import CHIPS, PARTITIONS
from device.idt.endpoint import Endpoint
from device.idt.events import FAILOVERS, Events
from device.idt.maps import SWITCH, SWITCH_OWNER
from device.idt.nt_registers import MAP_ENTRIES, MESSAGES, PORT_INDEX
from device.idt.obstacles import Obstacles
from device.idt.sources import Sources
from device.idt.switch_registers import BASE, END
from device.idt.temperature import ROOM, Temperature
from device.plx.engine import Engine
from device.plx.function import FUNCTION
from device.profile import Profile
from device.regmap import DWORD
from device.space import from_bytes, to_bytes

MODE_NT, STATE_ACTIVE = 3, 1  # ntb_hw_idt.h: IDT_SWPORTxSTS_MODE_NT, IDT_SWPARTxSTS_STATE_ACT
ROUTES = [[(SWITCH[f"SWP{part}MSGCTL{y}"].offset - BASE) >> 2 for y in MESSAGES] for part in range(PARTITIONS)]
ROUTE_REG, ROUTE_PART = (SWITCH["SWP0MSGCTL0"].register.field_mask(name) for name in ("REG", "PART"))

_UNKNOWN = int(Status.UNKNOWN)
_HEAD = Struct("<4s8sI")  # magic, digest of the profile, what the temperature sensor feels
_MAGIC = b"IDT1"


class IdtSwitch(Events, Temperature, Obstacles, Sources):
    """One switch; see device/__init__.py for what every switch offers."""

    profile: Profile

    def __init__(self, profile: Profile, host: Host) -> None:
        super().__init__(self, SWITCH, BASE, (END - BASE) // 4, SWITCH_OWNER)
        chip = CHIPS[profile.chip]
        self.profile = profile
        self.host = host
        self.target = 0
        self.status = 0
        self.felt = ROOM
        self.mapping = array("I", bytes(4 * MAP_ENTRIES))
        self._profile_digest = blake2b(json.dumps(profile.to_mapping()).encode(), digest_size=8).digest()
        self._without_ports_but(chip.ports)
        self.endpoints = {port.number: Endpoint(self, port, chip.device_id) for port in profile.ports}
        self.functions: dict[tuple[int, int], Endpoint | Engine] = {(n, 0): one for n, one in self.endpoints.items()}
        for port in profile.ports:
            if port.dma:
                reach = self.endpoints[port.number].reach
                self.functions[port.number, FUNCTION] = Engine(self, port.number, reach)
        self.by_partition = {one.partition: one for one in self.endpoints.values()}
        for one in self.endpoints.values():
            self.set_reset(f"SWPORT{one.port}STS", "MODE", MODE_NT, SWITCH)
            self.set_reset(f"SWPORT{one.port}STS", "SWPART", one.partition, SWITCH)
            self.set_reset(f"SWPART{one.partition}STS", "STATE", STATE_ACTIVE, SWITCH)
            self.set_reset(f"SWPART{one.partition}STS", "NT", 1, SWITCH)
        self.reset_registers()
        self.measure()

    def _without_ports_but(self, ports: tuple[int, ...]) -> None:
        """The table has the ports of the whole family; those that this chip lacks are holes."""
        for place in SWITCH.places:
            if place.register.name.startswith("SWPORT") and place.number not in ports:
                number = self.index[place.name]
                self.targets[number], self.statuses[number], self.rw[number] = 0, _UNKNOWN, 0

    # The global space, behind GASAADDR and GASADATA

    def global_load(self, address: int) -> int:
        """Read a register of the global space; zeros, and UNKNOWN, where there is none."""
        if BASE <= address < END:
            return self.load((address - BASE) >> 2)
        function = self._function_at(address)
        return 0 if function is None else function.indirect_load(address)

    def global_save(self, address: int, value: int, lanes: int = DWORD) -> None:
        """Write a register of the global space; dropped, and UNKNOWN, where there is none."""
        if BASE <= address < END:
            self.save((address - BASE) >> 2, value, lanes)
            return
        function = self._function_at(address)
        if function is not None:
            function.indirect_save(address, value, lanes)

    def _function_at(self, address: int) -> Endpoint | None:
        self.target, self.status = 0, _UNKNOWN
        return self.endpoints.get(PORT_INDEX.get(address >> 12, -1))

    # What the functions share

    def message_route(self, partition: int, index: int) -> tuple[int, int]:
        """(partition, inbound register) to which SWPxMSGCTLy sends outbound message `index` of `partition`."""
        control = self.regs[ROUTES[partition][index]]
        return (control & ROUTE_PART) // (ROUTE_PART & -ROUTE_PART), control & ROUTE_REG

    # What a person can do

    def inject(self, port: int, what: int, offset: int, value: int) -> None:
        """What device.host.Inject names; UNKNOWN for anything else."""
        self.target = self.status = 0
        one = self.endpoints.get(port)
        if what == Inject.TEMPERATURE:
            self.inject_temperature(value)
        elif what == Inject.CABLE and one is not None:
            one.cable = bool(value)
            self.update_link(one)
        elif what == Inject.HOT_RESET and one is not None:
            one.hot_reset()
            engine = self.functions.get((port, FUNCTION))
            if engine is not None:
                engine.reset()
        elif what == Inject.FAILOVER and one is not None:
            self.happen(FAILOVERS, one.partition)
        elif what == Inject.POKE:
            self.global_save(offset & ~3, value & DWORD)
        else:
            self.status = _UNKNOWN

    # State

    def snapshot(self) -> bytes:
        """Canonical bytes of everything that decides what happens next."""
        return b"".join(
            (
                _HEAD.pack(_MAGIC, self._profile_digest, self.felt),
                to_bytes(self.mapping),
                to_bytes(self.regs),
                *(one.snapshot() for one in self.functions.values()),
            )
        )

    def restore(self, data: bytes) -> None:
        """The inverse of snapshot. Raises ValueError for bytes of another device, model or profile."""
        sizes = (_HEAD.size, 4 * MAP_ENTRIES, END - BASE, *[one.snapshot_size for one in self.functions.values()])
        head = _HEAD.pack(_MAGIC, self._profile_digest, 0)[:-4]
        if len(data) != sum(sizes) or not data.startswith(head):
            raise ValueError(
                f"a snapshot of this switch must be {sum(sizes)} bytes that begin with {head.hex()}, "
                f"not {len(data)} bytes that begin with {data[: len(head)].hex()}"
            )
        parts = []
        at = 0
        for size in sizes:
            parts.append(data[at : at + size])
            at += size
        self.felt = _HEAD.unpack(parts[0])[2]
        self.mapping = from_bytes(parts[1])
        self.regs = from_bytes(parts[2])
        for one, part in zip(self.functions.values(), parts[3:], strict=True):
            one.restore(part)
        self.target = self.status = 0

    def digest(self) -> bytes:
        """16 bytes that stand for the state."""
        return blake2b(self.snapshot(), digest_size=16).digest()
