# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest image, really built and really booted."""

import subprocess
from pathlib import Path

import pytest

from ntbtrace.capture.guests import image
from ntbtrace.capture.guests.qemu import PROGRAM

QEMU = (
    PROGRAM, "-M", "q35", "-accel", "tcg", "-m", "512M", "-smp", "1", "-nodefaults", "-no-user-config",
    "-no-reboot", "-display", "none", "-serial", "stdio",
)  # fmt: skip


def test_a_second_build_gives_the_same_bytes(
    guest_image: image.GuestImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = guest_image.directory.parent.parent / "packages"
    (tmp_path / "ntbtrace").mkdir()
    (tmp_path / "ntbtrace" / "packages").symlink_to(packages)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    second = image.build(said.append)
    assert not [line for line in said if line.startswith("download")]
    assert second.directory != guest_image.directory
    assert image.find() == second
    for path in guest_image.directory.rglob("*"):
        if path.is_file():
            assert (second.directory / path.relative_to(guest_image.directory)).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize("word", ["poweroff", "reboot"])
def test_without_the_device_it_says_so_and_obeys(guest_image: image.GuestImage, word: str) -> None:
    """On a bare command line: whole lines of its own, whatever the kernel's defaults for its log."""
    argv = [*QEMU, "-kernel", str(guest_image.kernel), "-initrd", str(guest_image.initrd)]
    argv += ["-append", "console=ttyS0 ntbtrace.workload=pingpong ntbtrace.port=2"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace") as guest:
        assert guest.stdin is not None
        assert guest.stdout is not None
        try:
            said = []
            for line in guest.stdout:
                if line.startswith("ntbtrace: "):
                    said.append(line.strip())
                    if line.startswith("ntbtrace: fail"):
                        print(word, file=guest.stdin, flush=True)
            assert guest.wait(timeout=60) == 0
        finally:
            guest.kill()
    assert said == ["ntbtrace: boot workload=pingpong port=2", "ntbtrace: probe", "ntbtrace: fail reason=no-device"]
