# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables against ntb_hw_idt.h and ntb_hw_idt.c: every offset, mask, value and port list that the driver names.

The driver's sources are not in this repository. They are taken from where NTBTRACE_IDT_HEADER points, from the guest
image (in CI it is built for that) and the package it was made of, or from Debian's linux-source-6.1 where it is
installed.
"""

import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from device.idt.chips import CHIPS, FAMILY_PORTS, PARTITIONS
from device.idt.maps import BEHIND, NT, SWITCH
from device.idt.nt_registers import BARS, MAP_ENTRIES, MESSAGES
from device.profile import BAR_COUNT
from device.regmap import Register
from ntbtrace.capture.guests import image

pytestmark = pytest.mark.timeout(400)  # in CI the image is built here

HEADER, DRIVER = "ntb_hw_idt.h", "ntb_hw_idt.c"
INSIDE = "linux-source-6.1/drivers/ntb/hw/idt"
TARBALL = Path("/usr/src/linux-source-6.1.tar.xz")

# A port's registers in the global space are its NT registers; one has another name there.
ALIASES = {"PCIECMDSTS": "PCICMDSTS"}
# Whose fields a name in the header's second half means, where it is not the register's own name.
ROWS = {
    "BARSETUP": NT["BARSETUP0"], "NTMTBLDATA": BEHIND["NTMTBL0"], "SWPARTxSTS": SWITCH["SWPART0STS"],
    "SWPORTxSTS": SWITCH["SWPORT0STS"], "SWPxMSGCTL": SWITCH["SWP0MSGCTL0"],
}  # fmt: skip
# What is no field of a register, and what it is compared with instead (None: it is about the driver only).
OTHERS = {
    "DBELL_MASK": 0xFFFF_FFFF,
    "OUTMSG_MASK": NT["MSGSTS"].register.field_mask("OUTMSG"),
    "INMSG_MASK": NT["MSGSTS"].register.field_mask("INMSG"),
    "MSG_CNT": len(MESSAGES), "BAR_CNT": len(BARS), "MTBL_ENTRY_CNT": MAP_ENTRIES, "MAX_NR_PARTS": PARTITIONS,
    "MAX_NR_PEERS": PARTITIONS, "REG_ALIGN": 4, "PCIE_REGSIZE": 4, "REG_PCI_MAX": 0xFFF, "REG_SW_MAX": 0x3FFFF,
    "MAX_NR_PORTS": None, "MAX_NR_MWS": None, "TRANS_ALIGN": None, "DIR_SIZE_ALIGN": None,
    "TEMP_MIN_MDEG": None, "TEMP_MAX_MDEG": None, "TEMP_MIN_OFFSET": None, "TEMP_MAX_OFFSET": None,
    "BARSETUP_TYPE_FLD": None,  # 0, while TYPE_MASK is 0x6; the driver never shifts by it
}  # fmt: skip


def sources(name: str) -> Iterator[str]:
    """The text of one of the driver's files, from each place that has it."""
    if given := os.environ.get("NTBTRACE_IDT_HEADER"):
        yield Path(given).with_name(name).read_text()
    made = image.build(print) if os.environ.get("CI") == "true" else image.find()
    if made is not None:
        if name == HEADER:
            yield made.driver_header.read_text()
        for package in sorted((made.directory.parent.parent / "packages").glob("linux-source-6.1_*.deb")):
            yield from in_package(package, name)
    if TARBALL.is_file():
        with TARBALL.open("rb") as tarball:
            yield from in_tarball(tarball, name)


def in_package(package: Path, name: str) -> Iterator[str]:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpack:
        assert unpack.stdout is not None
        try:
            with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
                for member in archive:
                    if member.name.endswith(TARBALL.name):
                        inside = archive.extractfile(member)
                        assert inside is not None
                        yield from in_tarball(inside, name)
        finally:
            unpack.kill()


def in_tarball(tarball: IO[bytes], name: str) -> Iterator[str]:
    with tarfile.open(fileobj=tarball, mode="r|xz") as archive:
        for member in archive:
            if member.name == f"{INSIDE}/{name}":
                inside = archive.extractfile(member)
                assert inside is not None
                yield inside.read().decode()


def source(name: str) -> str:
    for text in sources(name):
        return text
    pytest.skip(f"no {name} here: run `ntbtrace guest build`, or set NTBTRACE_IDT_HEADER to the path of {HEADER}")


@pytest.fixture(scope="module")
def header() -> str:
    return source(HEADER)


@pytest.fixture(scope="module")
def driver() -> str:
    return source(DRIVER)


def defines(text: str) -> dict[str, int]:
    """Name without IDT_: number; what is an expression (NTINTMSK_ALL, MSG_MASK) is left out."""
    found = re.findall(r"^#define IDT_(\w+)\s+(?:\(\(u32\))?(-?(?:0x[0-9A-Fa-f]+|\d+))U?\)?\s*$", text, re.MULTILINE)
    return {name: int(number, 0) for name, number in found}


def is_offset(name: str) -> bool:
    return name.startswith(("NT_", "SW_"))


def test_every_offset_is_a_rows(header):
    offsets = {name: value for name, value in defines(header).items() if is_offset(name)}
    assert len(offsets) == header.count("#define IDT_NT_") + header.count("#define IDT_SW_") > 400
    wrong = []
    for name, offset in offsets.items():
        space, short = name.split("_", 1)
        if match := re.fullmatch(r"NTP(\d+)_(\w+)", short):
            port, short = int(match[1]), ALIASES.get(match[2], match[2])
            here = 0x1000 + 0x2000 * port + NT[short].offset if port in FAMILY_PORTS and short in NT.by_name else None
        else:
            table = NT if space == "NT" else SWITCH
            here = table[short].offset if short in table.by_name else None
        if here != offset:
            wrong.append(f"IDT_{name} is {offset:#x}, here {'not a row' if here is None else hex(here)}")
    assert not wrong


def test_every_field_mask_and_value_is_a_rows(header):
    wrong, checked = [], 0
    for name, value in defines(header).items():
        if is_offset(name):
            continue
        if name in OTHERS:
            if OTHERS[name] not in (None, value):
                wrong.append(f"IDT_{name} is {value:#x}, here {OTHERS[name]:#x}")
            continue
        checked += 1
        if fault := field_fault(name, value):
            wrong.append(f"IDT_{name} = {value:#x}: {fault}")
    assert not wrong
    assert checked > 100


def field_fault(name: str, value: int) -> str:
    """What does not agree: NAME_FIELD_MASK, NAME_FIELD_FLD, NAME_FLAG and NAME_FIELD_VALUE; '' when all is well."""
    register, _, rest = name.partition("_")
    if register not in ROWS and register not in NT.by_name and register not in SWITCH.by_name:
        return f"{register} is not a row"
    row = (ROWS.get(register) or NT.by_name.get(register) or SWITCH[register]).register
    field_name, _, what = rest.partition("_")
    field = next((one for one in row.fields if one.name == field_name), None)
    if field is None:
        return f"{row.name} has no field {field_name}"
    if what in ("MASK", "") or (what in field.values.values() and field.width == 1):
        return "" if field.mask == value else f"the mask here is {field.mask:#x}"
    if what == "FLD":
        return "" if field.lsb == value else f"the field here begins at {field.lsb}"
    named = {text: number << field.lsb for number, text in field.values.items()}
    what = what.removeprefix("S") if what not in named else what
    return "" if named.get(what) == value else f"the values here are {named}"


def test_a_wrong_offset_or_mask_would_be_found():
    assert field_fault("NTCTL_CPEN", 0x2) == ""
    assert field_fault("NTCTL_CPEN", 0x4)
    assert field_fault("BARSETUP_TPART_FLD", 12)
    assert field_fault("BARSETUP_ATRAN_LUT24", 0x800)
    assert field_fault("NTCTL_NEW", 0x10)
    assert field_fault("NEWREG_FIELD", 1)
    assert defines("#define IDT_NT_NEW\t\t0x00500U\n#define IDT_DBELL_MASK\t\t((u32)0xFFFFFFFFU)\n") == {
        "NT_NEW": 0x500, "DBELL_MASK": 0xFFFF_FFFF,
    }  # fmt: skip


def test_the_chips_are_the_drivers(header, driver):
    ids = {name: int(number, 16) for name, number in re.findall(r"PCI_DEVICE_ID_IDT_(\w+)\s+0x(\w+)", header)}
    ports = {
        name: tuple(int(number) for number in listed.split(","))
        for name, listed in re.findall(r'\.name = "(\w+)",\s*\.port_cnt = \d+, \.ports = \{([\d, ]+)\}', driver)
    }
    assert {name: chip.device_id for name, chip in CHIPS.items()} == ids
    assert {name: chip.ports for name, chip in CHIPS.items()} == ports
    assert len(BARS) == BAR_COUNT


@pytest.mark.parametrize("table", [NT, SWITCH, BEHIND], ids=lambda table: table.space)
def test_functions_that_sources_name_are_the_drivers(table, driver):
    named = {name for row in table.rows for name in re.findall(r"\bidt_\w+", row.source)}
    assert not [name for name in named if not re.search(rf"\b{name}\(", driver)]


@pytest.mark.parametrize("table", [NT, SWITCH, BEHIND], ids=lambda table: table.space)
def test_names_of_the_header_that_sources_name_exist(table, header):
    def names(row: Register) -> list[str]:
        return [name.replace("x", "0") for name in re.findall(r"\bIDT_\w+", row.source) if not name.endswith("_")]

    known = {name.replace("x", "0") for name in re.findall(r"\bIDT_\w+", header)}
    assert not [name for row in table.rows for name in names(row) if name not in known]
