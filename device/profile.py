# SPDX-License-Identifier: GPL-2.0-or-later
"""Profile: which chip, which of its ports have a guest, their partitions, BARs and what stands beside the registers.

Built from a mapping (the caller parses TOML) and checked whole: a profile that exists can be made into a switch.
The rules for BARs are those of ntb_hw_idt.c, chapter 4.

    inbound_windows = false                      # registers that the chip does not have (idt/inbound.py)
    [[port]]
    number = 0
    partition = 0
    dma = false                                  # a DMA engine as function 1 (plx/)
    bells = { set = 0xFFFFFFFF, see = 0xFFFFFFFF }   # doorbells that the port may set, and see
    bars = { BAR0 = "registers", BAR2 = { size = "1M", type = "lut12", width = 64 }, BAR4 = "64M" }
"""

from collections.abc import Mapping
from dataclasses import dataclass
from re import fullmatch
from typing import Any, NamedTuple

from device.idt.chips import CHIPS, PARTITIONS
from device.regmap import DWORD

REGISTERS = "registers"
REGISTERS_SIZE = 4096
INBOUND_SIZE = 8192  # of BAR0 with the inbound-window registers
BAR_COUNT = 6
MIN_APERTURE = 16  # PCI Local Bus Specification 3.0, 6.2.5.1: the smallest memory BAR; here of each window in it
MAX_WINDOW = {32: 1 << 31, 64: 1 << 40}  # by width
MAX_WINDOWS = (1 << 32) - INBOUND_SIZE  # what 32-bit BARs beside the registers can hold together
LUT_BARS = (2, 4)
WIDE_BARS = (2, 4)  # BAR0 could be wide on the chip; here it is the registers
_UNITS = {"K": 10, "M": 20, "G": 30}


class WindowType(NamedTuple):
    """A value of BARSETUP.ATRAN: how many windows the BAR is, and into how many equal parts it is cut for them."""

    atran: int
    windows: int
    parts: int


WINDOW_TYPES = {"direct": WindowType(0, 1, 1), "lut12": WindowType(1, 12, 16), "lut24": WindowType(2, 24, 32)}


class ProfileError(ValueError):
    """A profile that the chip cannot have; says what must hold."""


class Window(NamedTuple):
    """A BAR that leads to peers. `size` in bytes, `type` of WINDOW_TYPES, `width` of its address, 32 or 64."""

    size: int
    type: str = "direct"
    width: int = 32


@dataclass(frozen=True)
class PortProfile:
    """One NT port. `windows` by BAR number; `bells_set`, `bells_seen`: masks of the global doorbells."""

    number: int
    partition: int
    windows: Mapping[int, Window]
    dma: bool = False
    bells_set: int = DWORD
    bells_seen: int = DWORD


@dataclass(frozen=True)
class Profile:
    chip: str
    ports: tuple[PortProfile, ...]
    inbound_windows: bool = False

    @property
    def port_numbers(self) -> tuple[int, ...]:
        """The ports that have a guest."""
        return tuple(port.number for port in self.ports)

    @property
    def chip_ports(self) -> tuple[int, ...]:
        """All NT ports of the chip."""
        return CHIPS[self.chip].ports

    @property
    def registers_size(self) -> int:
        """Bytes of BAR0."""
        return INBOUND_SIZE if self.inbound_windows else REGISTERS_SIZE

    @property
    def dma(self) -> bool:
        """A port has a DMA engine."""
        return any(port.dma for port in self.ports)

    @property
    def wide_bars(self) -> list[str]:
        """The 64-bit BARs, as text: not every transport can carry them."""
        return [
            f"port {port.number} BAR{bar}"
            for port in self.ports
            for bar, window in port.windows.items()
            if window.width == 64
        ]

    @staticmethod
    def from_mapping(mapping: Mapping[str, Any]) -> "Profile":
        """Check and build. Raises ProfileError."""
        if not isinstance(mapping, Mapping):
            raise ProfileError(f"a profile must be a table, not {mapping!r}")
        _known(mapping, {"chip", "port", "inbound_windows"}, "the profile")
        chip = mapping.get("chip", DEFAULT_CHIP)
        if not isinstance(chip, str) or chip not in CHIPS:
            raise ProfileError(f"chip must be one of {', '.join(CHIPS)}, not {chip!r}")
        rows = mapping.get("port")
        if not isinstance(rows, list | tuple) or not rows:
            raise ProfileError("a profile must have at least one [[port]]")
        ports = tuple(_port(row, chip) for row in rows)
        for i, port in enumerate(ports):
            for j, other in enumerate(ports[:i]):
                if port.number == other.number:
                    raise ProfileError(
                        f"port {port.number} stands twice in the profile, as [[port]] {j + 1} and {i + 1}: "
                        "a port has one guest"
                    )
                if port.partition == other.partition:
                    raise ProfileError(
                        f"ports {other.number} and {port.number} are both in partition {port.partition}: "
                        "an NT port must have a partition of its own"
                    )
        return Profile(chip, ports, _flag(mapping, "inbound_windows", "the profile"))

    def to_mapping(self) -> dict[str, Any]:
        """The mapping that from_mapping takes, with sizes as numbers and no default: can be JSON."""
        mapping: dict[str, Any] = {"chip": self.chip, "port": [_port_mapping(port) for port in self.ports]}
        if self.inbound_windows:
            mapping["inbound_windows"] = True
        return mapping


def _port_mapping(port: PortProfile) -> dict[str, Any]:
    bars: dict[str, Any] = {"BAR0": REGISTERS}
    for bar, window in port.windows.items():
        plain = window == Window(window.size)
        bars[f"BAR{bar}"] = window.size if plain else window._asdict()
    mapping: dict[str, Any] = {"number": port.number, "partition": port.partition, "bars": bars}
    if port.dma:
        mapping["dma"] = True
    if (port.bells_set, port.bells_seen) != (DWORD, DWORD):
        mapping["bells"] = {"set": port.bells_set, "see": port.bells_seen}
    return mapping


def _port(row: Any, chip: str) -> PortProfile:
    if not isinstance(row, Mapping):
        raise ProfileError(f"[[port]] must be a table, not {row!r}")
    _known(row, {"number", "partition", "bars", "dma", "bells"}, "[[port]]")
    number, partition = _int(row.get("number")), _int(row.get("partition"))
    if number not in CHIPS[chip].ports:
        raise ProfileError(
            f"port number must be one of {list(CHIPS[chip].ports)} on the {chip}, not {row.get('number')!r}"
        )
    where = f"port {number}"
    if not 0 <= partition < PARTITIONS:
        raise ProfileError(f"{where}: partition must be 0 to {PARTITIONS - 1}, not {row.get('partition')!r}")
    windows = _windows(row.get("bars", DEFAULT_BARS), where)
    bells = row.get("bells", {})
    if not isinstance(bells, Mapping):
        raise ProfileError(f"{where}: bells must be a table, not {bells!r}")
    _known(bells, {"set", "see"}, f"{where}: bells")
    dma = _flag(row, "dma", where)
    return PortProfile(number, partition, windows, dma, _mask(bells, "set", where), _mask(bells, "see", where))


def _windows(bars: Any, where: str) -> dict[int, Window]:
    if not isinstance(bars, Mapping):
        raise ProfileError(f"{where}: bars must be a table, not {bars!r}")
    names = [f"BAR{bar}" for bar in range(BAR_COUNT)]
    for name in bars:
        if name not in names:
            raise ProfileError(f"{where}: a BAR is BAR0 to BAR{BAR_COUNT - 1}, not {name!r} (overlapping or absent)")
    if bars.get("BAR0") != REGISTERS:
        raise ProfileError(
            f"{where}: BAR0 must be {REGISTERS!r}, where the driver finds them, not {bars.get('BAR0')!r}"
        )
    windows: dict[int, Window] = {}
    for bar, name in enumerate(names):
        if bar and name in bars:
            if bars[name] == REGISTERS:
                raise ProfileError(f"{where}: BAR0 and {name} overlap: only BAR0 can be {REGISTERS!r}")
            windows[bar] = _window(bars[name], bar, f"{where}: {name}")
    _together(windows, where)
    return windows


def _window(value: Any, bar: int, where: str) -> Window:
    table = value if isinstance(value, Mapping) else {"size": value}
    _known(table, set(Window._fields), where)
    kind, width = table.get("type", "direct"), _int(table.get("width", 32))
    if not isinstance(kind, str) or kind not in WINDOW_TYPES:
        raise ProfileError(f"{where}: type must be one of {', '.join(WINDOW_TYPES)}, not {kind!r}")
    if kind != "direct" and bar not in LUT_BARS:
        raise ProfileError(f"{where}: a lookup table must be at {_bars(LUT_BARS)}, not at BAR{bar}")
    if width not in MAX_WINDOW:
        raise ProfileError(f"{where}: width must be 32 or 64, not {table.get('width')!r}")
    if width == 64 and bar not in WIDE_BARS:
        raise ProfileError(f"{where}: a 64-bit window must be at {_bars(WIDE_BARS)}, not at BAR{bar}")
    size, least, most = _size(table.get("size")), MIN_APERTURE * WINDOW_TYPES[kind].parts, MAX_WINDOW[width]
    if not least <= size <= most or size & (size - 1):
        raise ProfileError(
            f"{where}: the size of a {width}-bit {kind} window must be a power of two from {least} to {most} bytes "
            f"(such as '1M'), not {table.get('size')!r}"
        )
    return Window(size, kind, width)


def _together(windows: Mapping[int, Window], where: str) -> None:
    """What must hold between the BARs of a port."""
    for bar, window in windows.items():
        if window.width == 64 and bar + 1 in windows:
            raise ProfileError(f"{where}: BAR{bar} and BAR{bar + 1} overlap: a 64-bit BAR takes the next one as well")
    if [window.type for window in windows.values()].count("lut24") > 1:
        raise ProfileError(f"{where}: {_bars(LUT_BARS, 'and')} are both 'lut24': only one of them can have 24 entries")
    narrow = {bar: window.size for bar, window in windows.items() if window.width == 32}
    if (taken := sum(narrow.values())) > MAX_WINDOWS:
        raise ProfileError(
            f"{where}: its 32-bit BARs ({_bars(tuple(narrow), 'and')}) must fit below 4G together, "
            f"not take {taken:#x} bytes"
        )


def _bars(bars: tuple[int, ...], word: str = "or") -> str:
    return f" {word} ".join(f"BAR{bar}" for bar in bars)


def _size(value: Any) -> int:
    """Bytes of a number or of text such as '1M'; -1 for anything else."""
    if isinstance(value, str) and fullmatch(r"[0-9]{1,10}[KMGkmg]", value):
        return int(value[:-1]) << _UNITS[value[-1].upper()]
    return _int(value)


def _int(value: Any) -> int:
    """The value if it is a whole number, else -1 (which no setting takes)."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _flag(mapping: Mapping[str, Any], name: str, where: str) -> bool:
    value = mapping.get(name, False)
    if not isinstance(value, bool):
        raise ProfileError(f"{where}: {name} must be true or false, not {value!r}")
    return value


def _mask(bells: Mapping[str, Any], name: str, where: str) -> int:
    mask = bells.get(name, DWORD)
    if not 0 <= _int(mask) <= DWORD:
        raise ProfileError(f"{where}: bells.{name} must be a mask of 32 bits, not {mask!r}")
    return _int(mask)


def _known(mapping: Mapping[str, Any], names: set[str], where: str) -> None:
    for name in mapping:
        if name not in names:
            raise ProfileError(f"{where} has {', '.join(sorted(names))}, not {name!r}")


DEFAULT_CHIP = "89HPES24NT6AG2"
DEFAULT_BARS = {"BAR0": REGISTERS, "BAR2": "1M", "BAR3": "1M"}
DEFAULT = Profile.from_mapping({"port": [{"number": 0, "partition": 0}, {"number": 2, "partition": 1}]})
