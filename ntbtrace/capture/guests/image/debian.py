# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages without installing them: which versions, their files, what is in them. Needs no root."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from ntbtrace.capture.guests.image.scratch import scratch
from ntbtrace.errors import SetupError

KERNEL = "linux-image-amd64"
SERIES = "6.1"  # whose NTB drivers we know
SHELLS = ("busybox-static", "bash-static")  # ours; and that of the kernel's ntb_test.sh
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


def run(argv: Sequence[str], cwd: Path | None = None, **environment: str) -> str:
    """The program's output, untranslated. Raises SetupError with the line of its complaint that says most."""
    env = {**os.environ, "LC_ALL": "C", **environment}
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, errors="replace", check=False, env=env)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        # make's own last line only says that there was an error above
        cause = next((line for line in lines if "error" in line.lower() and not line.startswith("make")), lines[-1])
        raise SetupError(f"`{' '.join(argv[:3])} ...` failed: {cause}")
    return done.stdout


def candidate(name: str) -> str:
    """The version that apt would install."""
    match = re.search(r"^\s*Candidate: (\S+)", run(["apt-cache", "policy", name]), re.MULTILINE)
    if match is None or match[1] == "(none)":
        raise SetupError(f"apt knows no package {name}: run `apt-get update` as root, on Debian 12 (bookworm)")
    return match[1]


def kernel_release() -> str:
    """What KERNEL depends on: '6.1.0-56-amd64'."""
    candidate(KERNEL)  # complains if apt has no lists
    match = re.search(r"Depends: linux-image-(\S+)", run(["apt-cache", "depends", KERNEL]))
    if match is None:
        raise SetupError(f"{KERNEL} depends on no kernel: run `apt-get update` as root, on Debian 12 (bookworm)")
    if not match[1].startswith(f"{SERIES}."):
        raise SetupError(
            f"{KERNEL} must be Linux {SERIES} of Debian 12, not {match[1]}: "
            "build it on Debian 12, or use your own kernel with --kernel and --initrd"
        )
    return match[1]


def packages() -> dict[str, str]:
    """Name and exact version of every package that the image is made of."""
    release = kernel_release()
    image = f"linux-image-{release}"
    version = candidate(image)
    common = release.removesuffix("amd64") + "common"
    names = (
        image,
        f"linux-headers-{release}",
        f"linux-headers-{common}",
        f"linux-kbuild-{SERIES}",
        f"linux-source-{SERIES}",
    )
    return {**dict.fromkeys(names, version), **{name: candidate(name) for name in SHELLS}}


def fetch(name: str, version: str, into: Path, say: Callable[[str], None]) -> Path:
    """The package's file, downloaded if it is not there yet; there it is whole, for apt writes to it beside."""
    found = _file(name, version, into)
    if found is None:
        say(f"download {name} {version} ({_megabytes(name, version)} MB)")
        with scratch(into, "part-") as place:
            run(["apt-get", "download", "-q", f"{name}={version}"], cwd=place)
            for part in place.glob("*.deb"):
                part.rename(into / part.name)
        found = _file(name, version, into)
    if found is None:
        raise SetupError(f"apt-get downloaded {name}={version}, but its file is not in {into}")
    return found


def _megabytes(name: str, version: str) -> str:
    match = re.search(r"^Size: (\d+)", run(["apt-cache", "show", f"{name}={version}"]), re.MULTILINE)
    return f"{int(match[1]) / 1e6:.0f}" if match else "?"


def _file(name: str, version: str, place: Path) -> Path | None:
    """apt's name for the file: the version with ':' escaped, then the architecture."""
    prefix = f"{name}_{quote(version, safe='+~.-')}".lower()
    return next((path for path in place.glob("*.deb") if path.name.lower().startswith(prefix + "_")), None)


def extract(package: Path, into: Path) -> None:
    run(["dpkg-deb", "-x", str(package), str(into)])
