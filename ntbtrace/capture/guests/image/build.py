# SPDX-License-Identifier: GPL-2.0-or-later
"""Building the guest image, and finding it again: cached by what it is made of.

The cache ($XDG_CACHE_HOME/ntbtrace, else ~/.cache/ntbtrace) holds the downloaded packages and one image per content:
the exact package versions together with our own files. A change of either makes a new image.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from ntbtrace.capture.guests.image import cpio, debian, modules
from ntbtrace.capture.guests.image.scratch import scratch
from ntbtrace.errors import NtbTraceError, SetupError
from ntbtrace.places import cache, images

HERE = Path(__file__).parent
RELEASE = "release"  # the file that holds the kernel's release


@dataclass(frozen=True)
class GuestImage:
    """`kernel` and `initrd` for QEMU; `modules` holds the .ko files with DWARF, `source` what they were made of;
    `release`: the kernel's.
    """

    directory: Path
    release: str

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd.gz"

    @property
    def modules(self) -> Path:
        return self.directory / "modules"

    @property
    def source(self) -> Path:
        return self.directory / "source"

    @property
    def driver_header(self) -> Path:
        """The chip's reference: ntb_hw_idt.h of the drivers that were built."""
        return self.directory / "ntb_hw_idt.h"


def _own_files() -> list[Path]:
    return sorted(path for path in (*HERE.iterdir(), *_workloads()) if path.is_file())


def _workloads() -> list[Path]:
    return sorted((HERE / "workloads").glob("*.sh"))


def _own_key() -> str:
    return _hash([path.read_bytes() for path in _own_files()])


def _hash(parts: list[bytes]) -> str:
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def find() -> GuestImage | None:
    """The image of our own files as they are, the latest `build` gave if there are several; asks no package manager."""
    made = images().glob(f"{_own_key()}-*/{RELEASE}")
    latest = max(made, key=lambda path: path.stat().st_mtime, default=None)
    return _load(latest.parent) if latest else None


def _load(directory: Path) -> GuestImage | None:
    try:
        release = (directory / RELEASE).read_text()
    except OSError:
        return None
    return GuestImage(directory, release)


def build(say: Callable[[str], None], *, force: bool = False) -> GuestImage:
    """Make the image, or find it made. `say` gets a line per step. Raises SetupError when something is missing."""
    debian.require_tools()
    place = cache()
    if re.search(r"[\s:]", str(place)):
        raise SetupError(f"the cache's path must have no blanks and colons, for make, not {place}: set XDG_CACHE_HOME")
    place.parent.mkdir(parents=True, exist_ok=True)
    for directory in (place, place / "packages", images()):
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    versions = debian.packages()
    name = f"{_own_key()}-{_hash([f'{key}={value}'.encode() for key, value in sorted(versions.items())])}"
    directory = images() / name
    found = _load(directory)
    if found is None or force:
        with scratch(place, "build-") as work:
            made = _make(versions, place / "packages", work, say)
            if directory.exists() and (force or _load(directory) is None):
                directory.rename(work / "before")
            try:
                made.rename(directory)
            except OSError as error:  # another build was first
                if _load(directory) is None:
                    raise SetupError(f"cannot keep the image in {directory}: {error.strerror}") from error
        found = _load(directory)
        if found is None:
            raise NtbTraceError(f"the image in {directory} vanished: another build removed it; run this again")
    (directory / RELEASE).touch()  # the one that `find` is to give
    say(f"guest image of kernel {found.release}: {found.directory}")
    return found


def _make(versions: dict[str, str], packages: Path, work: Path, say: Callable[[str], None]) -> Path:
    root, made = work / "root", work / "image"
    made.mkdir(mode=0o700)
    (made / "modules").mkdir()
    for name, version in versions.items():
        package = debian.fetch(name, version, packages, say)
        say(f"extract {name}")
        debian.extract(package, root)
    release = next(name for name in versions if name.startswith("linux-image-")).removeprefix("linux-image-")
    say(f"take the drivers and their tests from {modules.SOURCE}")
    linux = modules.sources(root, work)
    say("compile the NTB and DMA drivers, ntb_perf_fixed and ntb_ecfg")
    modules.compile_modules(root, release, linux, work, made / "modules")
    modules.keep_sources(linux, work, made / "source")
    shutil.copy(linux / modules.DRIVERS / "hw/idt/ntb_hw_idt.h", made)
    shutil.copy(root / f"boot/vmlinuz-{release}", made / "vmlinuz")
    say("write the initial RAM disk")
    (made / "initrd.gz").write_bytes(cpio.archive(_files(root, linux, made / "modules", work)))
    (made / RELEASE).write_text(release)  # the last one: with it the image is whole
    return made


def _files(root: Path, linux: Path, built: Path, work: Path) -> list[cpio.Entry]:
    directories = ("bin", "dev", "lib", "lib/modules", "proc", "sys", "workloads")
    return [
        *map(cpio.directory, directories),
        cpio.character_device("dev/console", 5, 1),
        cpio.executable("bin/busybox", (root / "bin/busybox").read_bytes()),
        cpio.executable("bin/bash", (root / "bin/bash-static").read_bytes()),
        cpio.executable("bin/report_modules", (HERE / "report_modules.sh").read_bytes()),
        cpio.executable("bin/ntb_test.sh", (linux / modules.SELFTEST).read_bytes()),
        cpio.executable("init", (HERE / "init").read_bytes()),
        *(cpio.executable(f"workloads/{path.name}", path.read_bytes()) for path in _workloads()),
        *(
            cpio.executable(f"lib/modules/{module.name}", modules.stripped(module, work))
            for module in sorted(built.glob("*.ko"))
        ),
    ]
