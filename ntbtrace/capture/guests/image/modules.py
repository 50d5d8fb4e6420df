# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel modules: the NTB and PLX DMA drivers and the tests of both as Debian's linux-source has them, ntb_perf
mended beside it, and ntb_ecfg."""

import shutil
from pathlib import Path

from ntbtrace.capture.guests.image.debian import run

HERE = Path(__file__).parent
SOURCE = "linux-source-6.1"
DRIVERS = "drivers/ntb"
DMA = ("drivers/dma/plx_dma.c", "drivers/dma/dmatest.c", "drivers/dma/dmaengine.h")
SELFTEST = "tools/testing/selftests/ntb/ntb_test.sh"
CONFIG = ("CONFIG_NTB=m", "CONFIG_NTB_IDT=m", "CONFIG_NTB_PINGPONG=m", "CONFIG_NTB_TOOL=m", "CONFIG_NTB_PERF=m")
PATCH = "ntb_perf_fixed.patch"


def sources(root: Path, work: Path) -> Path:
    """Take what is needed out of the extracted linux-source package; returns the top of that tree."""
    archive = root / f"usr/src/{SOURCE}.tar.xz"
    members = [f"{SOURCE}/{name}" for name in (DRIVERS, *DMA, SELFTEST)]
    run(["tar", "-xf", str(archive), "-C", str(work), *members])
    return work / SOURCE


def compile_modules(root: Path, release: str, linux: Path, work: Path, into: Path) -> None:
    """Build all modules against the extracted headers; the .ko files, with DWARF, go to `into`."""
    headers = root / f"usr/src/linux-headers-{release}"
    wrapper = headers / "Makefile"  # Debian's names its other half by absolute path; ours is not installed
    wrapper.write_text(wrapper.read_text().replace("/usr/src", str(root / "usr/src")))
    flags = f"KCFLAGS=-ffile-prefix-map={work}/="  # DWARF names no directory that is gone after the build
    drivers = linux / DRIVERS
    _make(headers, drivers, flags, *CONFIG)
    dma = linux / Path(DMA[0]).parent
    (dma / "Kbuild").write_text("obj-m := plx_dma.o dmatest.o\n")
    _make(headers, dma, flags)
    own = work / "own"
    own.mkdir()
    shutil.copy(drivers / "test/ntb_perf.c", own)
    mend_perf(own)
    shutil.copy(HERE / "ntb_ecfg.c", own)
    (own / "Kbuild").write_text("obj-m := ntb_perf_fixed.o ntb_ecfg.o\n")
    _make(headers, own, flags, f"KBUILD_EXTRA_SYMBOLS={drivers / 'Module.symvers'}")
    for module in (*drivers.rglob("*.ko"), *dma.glob("*.ko"), *own.glob("*.ko")):
        shutil.copy(module, into)


def keep_sources(linux: Path, work: Path, into: Path) -> None:
    """Copy what was compiled, as DWARF names it, to `into`."""
    for top in (linux / DRIVERS, linux / Path(DMA[0]).parent, work / "own"):
        for path in top.rglob("*.[ch]"):
            copy = into / path.relative_to(work)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not path.name.endswith(".mod.c"):
                shutil.copy(path, copy)


def mend_perf(directory: Path) -> None:
    """Make ntb_perf_fixed.c of the ntb_perf.c there. Raises SetupError when the patch does not fit it."""
    # a repository around the cache would make git apply skip the file
    run(["git", "apply", str(HERE / PATCH)], cwd=directory, GIT_CEILING_DIRECTORIES=str(directory.parent))
    (directory / "ntb_perf.c").rename(directory / "ntb_perf_fixed.c")


def _make(headers: Path, directory: Path, *words: str) -> None:
    run(["make", "-C", str(headers), f"M={directory}", *words, "modules"])


def stripped(module: Path, work: Path) -> bytes:
    """The module without DWARF, for the RAM disk."""
    copy = work / f"stripped-{module.name}"
    run(["strip", "--strip-debug", "-o", str(copy), str(module)])
    return copy.read_bytes()
