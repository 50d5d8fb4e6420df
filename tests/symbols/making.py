# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a module's file as a guest would load it, and a trace whose accesses it made."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ntbtrace.event import Kind
from ntbtrace.symbols.module import ModuleCode, read_module
from ntbtrace.trace.frame import Annotation
from ntbtrace.trace.guest_symbols import Boot, Function, GuestSymbols, Module, encode_symbols
from ntbtrace.trace.sites import UNKNOWN, Chain, Sites, Via, encode_sites
from ntbtrace.trace.summary import Rows
from tests.trace.making import small_writer, traffic

SOURCE = """\
extern void iowrite32(unsigned value, void *where);
extern unsigned ioread32(void *where);
static inline __attribute__((always_inline)) void put(void *base, int at, unsigned value)
{
	iowrite32(value, (char *)base + at);
}
__attribute__((noinline)) unsigned sum(void *base)
{
	unsigned total = 0;
	for (int i = 0; i < 8; i++)
		total += ioread32((char *)base + i);
	put(base, 8, total);
	return total;
}
static inline __attribute__((always_inline)) void both(void *base)
{
	put(base, 0, 1);
	if (sum(base) > 3)
		put(base, 4, 2);
}
__attribute__((cold, noinline)) void refuse(void *base) { put(base, 12, 7); put(base, 16, 8); }
int work(void *base)
{
	both(base);
	if (sum(base) == 77)
		refuse(base);
	return sum(base) + 1;
}
__attribute__((section(".init.text"))) int start(void *base)
{
	put(base, 20, 9);
	return work(base) + 2;
}
"""
TOOLS = ("gcc", "ld", "objdump", "addr2line")
BASES = {".text": 0xFFFF_FFFF_C000_0000, ".text.unlikely": 0xFFFF_FFFF_C000_4000, ".init.text": 0xFFFF_FFFF_C000_8000}
HELPER = Function(0xFFFF_FFFF_8100_0000, 0xFFFF_FFFF_8100_0010, "iowrite32")
READY, GONE = 400, 900  # seqs at which the module's .init.text goes, and the module itself
EVENTS = 1200


def make_module(directory: Path, *flags: str, name: str = "demo", more: str = "") -> Path:
    """DIRECTORY/NAME.ko, compiled. Skips where there is no compiler, but not in CI."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"no {' '.join(missing)} here: `apt-get install gcc binutils`")
    directory.mkdir(parents=True, exist_ok=True)
    source = directory / f"{name}.c"
    source.write_text(SOURCE + more)
    flags = flags or ("-g",)
    words = ["gcc", "-c", "-O2", "-fno-asynchronous-unwind-tables", "-mcmodel=kernel", "-fno-pie", *flags, source.name]
    subprocess.run([*words, "-o", f"{name}.o"], cwd=directory, check=True)
    subprocess.run(["ld", "-r", "--build-id=sha1", "-o", f"{name}.ko", f"{name}.o"], cwd=directory, check=True)
    return directory / f"{name}.ko"


def instructions(path: Path, section: str) -> list[tuple[int, str]]:
    """Offset and text of each."""
    argv = ["objdump", "-d", "-r", "--no-show-raw-insn", "-j", section, str(path)]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [(int(one[0], 16), one[1]) for one in re.findall(r"^ *([0-9a-f]+):\t(.*)$", text, re.M)]


def calls(path: Path) -> dict[str, list[int]]:
    """Offsets of the calls in each section of BASES."""
    return {section: [at for at, text in instructions(path, section) if text.startswith("call")] for section in BASES}


def guest_symbols(code: ModuleCode, port: int = 0, build_id: str | None = None) -> GuestSymbols:
    module = Module("demo", code.build_id if build_id is None else build_id, 0x2000, dict(BASES), 0, READY, GONE)
    return GuestSymbols(port, [Boot(0, "6.1.0-demo", [HELPER], [module])])


def chains(path: Path) -> list[Chain]:
    """Some that demo.ko can have made: through the helper, from each call; one unknown."""
    sites = [BASES[section] + at for section, offsets in calls(path).items() for at in offsets]
    outer = sites[-1]
    helper = HELPER.start + 9
    return [UNKNOWN, *(Chain(Via.PLUGIN, (helper, site, outer)) for site in sites), Chain(Via.PLUGIN, (helper,))]


def annotated(path: Path, module: Path, build_id: str | None = None) -> Path:
    """A trace at `path`: access number n was made by chains()[n % how many]."""
    made, symbols = chains(module), guest_symbols(read_module(module), build_id=build_id)

    def annotate(first_seq: int, rows: Rows) -> Iterator[Annotation]:
        where = np.flatnonzero(np.isin(rows["kind"], (Kind.MMIO_READ, Kind.MMIO_WRITE)) & (rows["endpoint"] == 0))
        if len(where):
            yield encode_sites(first_seq, Sites(where, (where + first_seq) % len(made), made))
        yield encode_symbols(symbols, first_seq)

    writer = small_writer(path)
    writer.annotator = annotate
    for event in traffic(EVENTS):
        writer.append(event)
    writer.close()
    assert (writer.error, writer.annotator_error) == (None, None)
    return path
