# SPDX-License-Identifier: GPL-2.0-or-later
"""Profile: which chip, which of its ports have a guest, their partitions and their BARs.

Built from a mapping (the caller parses TOML) and checked whole: a profile that exists can be made into a switch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from re import fullmatch
from typing import Any

from device.idt.chips import CHIPS, PARTITIONS

REGISTERS = "registers"
REGISTERS_SIZE = 4096
BAR_COUNT = 6
MIN_WINDOW = 16  # PCI Local Bus Specification 3.0, 6.2.5.1: the smallest memory BAR
MAX_WINDOW = 1 << 31  # what a 32-bit BAR can hold
MAX_WINDOWS = (1 << 32) - REGISTERS_SIZE  # what 32-bit BARs beside the registers can hold together
_UNITS = {"K": 10, "M": 20, "G": 30}


class ProfileError(ValueError):
    """A profile that the chip cannot have; says what must hold."""


@dataclass(frozen=True)
class PortProfile:
    """One NT port. `windows`: size in bytes of the direct 32-bit window at each BAR number (BAR0 is the registers)."""

    number: int
    partition: int
    windows: Mapping[int, int]


@dataclass(frozen=True)
class Profile:
    chip: str
    ports: tuple[PortProfile, ...]

    @property
    def port_numbers(self) -> tuple[int, ...]:
        """The ports that have a guest."""
        return tuple(port.number for port in self.ports)

    @property
    def chip_ports(self) -> tuple[int, ...]:
        """All NT ports of the chip."""
        return CHIPS[self.chip].ports

    @staticmethod
    def from_mapping(mapping: Mapping[str, Any]) -> "Profile":
        """Check and build. Raises ProfileError."""
        if not isinstance(mapping, Mapping):
            raise ProfileError(f"a profile must be a table, not {mapping!r}")
        _known(mapping, {"chip", "port"}, "the profile")
        chip = mapping.get("chip", DEFAULT_CHIP)
        if not isinstance(chip, str) or chip not in CHIPS:
            raise ProfileError(f"chip must be one of {', '.join(CHIPS)}, not {chip!r}")
        rows = mapping.get("port")
        if not isinstance(rows, list | tuple) or not rows:
            raise ProfileError("a profile must have at least one [[port]]")
        ports = tuple(_port(row, chip) for row in rows)
        for i, port in enumerate(ports):
            for other in ports[:i]:
                if port.number == other.number:
                    raise ProfileError(f"port {port.number} stands twice in the profile")
                if port.partition == other.partition:
                    raise ProfileError(
                        f"ports {other.number} and {port.number} are both in partition {port.partition}: "
                        "an NT port must have a partition of its own"
                    )
        return Profile(chip, ports)

    def to_mapping(self) -> dict[str, Any]:
        """The mapping that from_mapping takes, with sizes as numbers: can be JSON."""
        return {
            "chip": self.chip,
            "port": [
                {
                    "number": port.number,
                    "partition": port.partition,
                    "bars": {"BAR0": REGISTERS, **{f"BAR{bar}": size for bar, size in port.windows.items()}},
                }
                for port in self.ports
            ],
        }


def _port(row: Any, chip: str) -> PortProfile:
    if not isinstance(row, Mapping):
        raise ProfileError(f"[[port]] must be a table, not {row!r}")
    _known(row, {"number", "partition", "bars"}, "[[port]]")
    number, partition = _int(row.get("number")), _int(row.get("partition"))
    if number not in CHIPS[chip].ports:
        raise ProfileError(
            f"port number must be one of {list(CHIPS[chip].ports)} on the {chip}, not {row.get('number')!r}"
        )
    if not 0 <= partition < PARTITIONS:
        raise ProfileError(f"port {number}: partition must be 0 to {PARTITIONS - 1}, not {row.get('partition')!r}")
    bars = row.get("bars", DEFAULT_BARS)
    if not isinstance(bars, Mapping):
        raise ProfileError(f"port {number}: bars must be a table, not {bars!r}")
    names = [f"BAR{bar}" for bar in range(BAR_COUNT)]
    windows: dict[int, int] = {}
    for name, size in sorted(bars.items(), key=lambda item: str(item[0])):
        if name not in names:
            raise ProfileError(
                f"port {number}: a BAR is BAR0 to BAR{BAR_COUNT - 1}, not {name!r} (overlapping or absent)"
            )
        if name == "BAR0":
            if size != REGISTERS:
                raise ProfileError(f"port {number}: BAR0 must be {REGISTERS!r}, not {size!r}")
        elif size == REGISTERS:
            raise ProfileError(f"port {number}: BAR0 and {name} overlap: only BAR0 can be {REGISTERS!r}")
        else:
            windows[names.index(name)] = _size(size, f"port {number}: {name}")
    if "BAR0" not in bars:
        raise ProfileError(f"port {number}: BAR0 must be {REGISTERS!r}: the driver finds the registers there")
    if sum(windows.values()) > MAX_WINDOWS:
        raise ProfileError(
            f"port {number}: its BARs must fit below 4G together, not take {sum(windows.values()):#x} bytes"
        )
    return PortProfile(number, partition, windows)


def _size(value: Any, where: str) -> int:
    number = _int(value)
    if isinstance(value, str) and fullmatch(r"[0-9]{1,10}[KMGkmg]", value):
        number = int(value[:-1]) << _UNITS[value[-1].upper()]
    if not MIN_WINDOW <= number <= MAX_WINDOW or number & (number - 1):
        raise ProfileError(
            f"{where}: a window must be a power of two from {MIN_WINDOW} bytes to 2G (such as '1M'), not {value!r}"
        )
    return number


def _int(value: Any) -> int:
    """The value if it is a whole number, else -1 (which no setting takes)."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _known(mapping: Mapping[str, Any], names: set[str], where: str) -> None:
    for name in mapping:
        if name not in names:
            raise ProfileError(f"{where} has {', '.join(sorted(names))}, not {name!r}")


DEFAULT_CHIP = "89HPES24NT6AG2"
DEFAULT_BARS = {"BAR0": REGISTERS, "BAR2": "1M", "BAR3": "1M"}
DEFAULT = Profile.from_mapping({"port": [{"number": 0, "partition": 0}, {"number": 2, "partition": 1}]})
