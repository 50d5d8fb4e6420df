# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages without installing them: which versions, their files, what is in them. Needs no root."""

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from ntbtrace.errors import SetupError

KERNEL = "linux-image-amd64"
TOOLS = {"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "gcc": "gcc", "make": "make", "strip": "binutils",
         "tar": "tar", "xz": "xz-utils", "git": "git"}  # fmt: skip


def require_tools() -> None:
    """Raise SetupError naming the packages that `build` needs and this machine has not."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and {"apt-get", "apt-cache", "dpkg-deb"} & set(missing):
        raise SetupError(
            f"the guest image is built from Debian packages, but there is no {missing[0]} here: "
            "build it on Debian 12, or use your own kernel with --kernel and --initrd"
        )
    if missing:
        packages = " ".join(sorted({TOOLS[tool] for tool in missing}))
        raise SetupError(f"{', '.join(missing)} missing: run `apt-get install {packages}`")


def run(argv: Sequence[str], cwd: Path | None = None) -> str:
    """The program's output. Raises SetupError with the last line of its complaint."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise SetupError(f"`{' '.join(argv[:3])} ...` failed: {words[-1]}")
    return done.stdout


def candidate(name: str) -> str:
    """The version that apt would install."""
    match = re.search(r"^\s*Candidate: (\S+)", run(["apt-cache", "policy", name]), re.MULTILINE)
    if match is None or match[1] == "(none)":
        raise SetupError(f"apt knows no package {name}: run `apt-get update` as root, on Debian 12 (bookworm)")
    return match[1]


def kernel_release() -> str:
    """What KERNEL depends on: '6.1.0-56-amd64'."""
    match = re.search(r"Depends: linux-image-(\S+)", run(["apt-cache", "depends", KERNEL]))
    if match is None:
        raise SetupError(f"apt knows no {KERNEL}: run `apt-get update` as root, on Debian 12 (bookworm)")
    return match[1]


def packages() -> dict[str, str]:
    """Name and exact version of every package that the image is made of."""
    release = kernel_release()
    image = f"linux-image-{release}"
    version = candidate(image)
    common = release.removesuffix("amd64") + "common"
    names = (image, f"linux-headers-{release}", f"linux-headers-{common}", "linux-kbuild-6.1", "linux-source-6.1")
    return {**dict.fromkeys(names, version), "busybox-static": candidate("busybox-static")}


def fetch(name: str, version: str, into: Path, say: Callable[[str], None]) -> Path:
    """The package's file, downloaded if it is not there yet."""
    found = _file(name, version, into)
    if found is None:
        say(f"download {name} {version}")
        run(["apt-get", "download", "-q", f"{name}={version}"], cwd=into)
        found = _file(name, version, into)
    if found is None:
        raise SetupError(f"apt-get downloaded {name}={version}, but its file is not in {into}")
    return found


def _file(name: str, version: str, place: Path) -> Path | None:
    """apt's name for the file: the version with ':' escaped, then the architecture."""
    prefix = f"{name}_{quote(version, safe='+~.-')}".lower()
    return next((path for path in place.glob("*.deb") if path.name.lower().startswith(prefix + "_")), None)


def extract(package: Path, into: Path) -> None:
    run(["dpkg-deb", "-x", str(package), str(into)])
