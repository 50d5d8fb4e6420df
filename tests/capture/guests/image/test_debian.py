# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages by way of a stand-in apt, which speaks the user's language unless it is asked not to."""

import os
from pathlib import Path

import pytest

from ntbtrace.capture.guests.image import debian
from ntbtrace.errors import SetupError

RELEASE, VERSION = "6.1.0-56-amd64", "6.1.192-2"

APT_CACHE = """#!/bin/sh
case $1/$VERSION in
policy/no-lists) exit 0 ;;
*/no-lists) echo "E: No packages found" >&2; exit 100 ;;
esac
[ "$LC_ALL" = C ] && depends=Depends candidate=Candidate || depends='Hängt ab von' candidate=Installationskandidat
case $1 in
depends) echo "linux-image-amd64"; echo "  $depends: linux-image-$RELEASE" ;;
policy) case $2 in busybox-static) v=1:1.35.0-4 ;; bash-static) v=5.2.15-2+b13 ;; *) v=$VERSION ;; esac
    echo "$2:"; echo "  $candidate: $v" ;;
show) echo "Package: x"; echo "Size: 139331676" ;;
esac
"""
APT_GET = """#!/bin/sh
echo "$@" >> "$CALLS"
name=${3%%=*} version=${3#*=}
file=${name}_$(echo "$version" | sed s/:/%3a/)_amd64.deb
printf half > "$file"
[ -n "$OFFLINE" ] && { echo "W: noise" >&2; echo "E: Failed to fetch $name  Connection failed" >&2; exit 100; }
printf whole > "$file"
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with apt-cache and apt-get in front of PATH; returns the log of apt-get's calls."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("apt-cache", APT_CACHE), ("apt-get", APT_GET)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("RELEASE", RELEASE)
    monkeypatch.setenv("VERSION", VERSION)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


@pytest.mark.usefixtures("apt")
def test_names_and_exact_versions() -> None:
    assert debian.packages() == {
        "linux-image-6.1.0-56-amd64": VERSION,
        "linux-headers-6.1.0-56-amd64": VERSION,
        "linux-headers-6.1.0-56-common": VERSION,
        "linux-kbuild-6.1": VERSION,
        "linux-source-6.1": VERSION,
        "busybox-static": "1:1.35.0-4",
        "bash-static": "5.2.15-2+b13",
    }


@pytest.mark.usefixtures("apt")
def test_another_debian_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE", "6.12.48+deb13-amd64")
    with pytest.raises(SetupError, match=r"must be Linux 6\.1 of Debian 12, not 6\.12\.48.*--kernel"):
        debian.packages()


@pytest.mark.usefixtures("apt")
@pytest.mark.parametrize("version", ["(none)", "no-lists"])
def test_apt_without_lists_says_what_to_run(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("VERSION", version)
    with pytest.raises(SetupError, match="apt-get update"):
        debian.packages()


def test_a_package_is_downloaded_once(apt: Path, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    said: list[str] = []
    for _ in range(2):
        file = debian.fetch("busybox-static", "1:1.35.0-4", packages, said.append)
        assert file.read_text() == "whole"
    assert said == ["download busybox-static 1:1.35.0-4 (139 MB)"]
    assert apt.read_text() == "download -q busybox-static=1:1.35.0-4\n"
    assert list(packages.iterdir()) == [file]


@pytest.mark.usefixtures("apt")
def test_half_a_download_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.setenv("OFFLINE", "1")
    with pytest.raises(SetupError, match=r"^`apt-get download -q \.\.\.` failed: E: Failed to fetch busybox-static"):
        debian.fetch("busybox-static", "1:1.35.0-4", packages, lambda line: None)
    assert not list(packages.iterdir())


def test_missing_tools_name_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in debian.TOOLS.keys() - {"make", "strip"}:
        (tmp_path / tool).write_text("")
        (tmp_path / tool).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"^make, strip missing: run `apt-get install binutils make`$"):
        debian.require_tools()
    (tmp_path / "apt-cache").unlink()
    with pytest.raises(SetupError, match=r"no apt-cache here: build it on Debian 12, or .*--kernel"):
        debian.require_tools()


def test_of_a_failed_make_the_compilers_complaint_is_told() -> None:
    script = "echo 'objtool: error while loading libelf.so.1' >&2; echo 'make[1]: *** [x.o] Error 127' >&2; exit 2"
    with pytest.raises(SetupError, match=r"failed: objtool: error while loading libelf\.so\.1$"):
        debian.run(["sh", "-c", script])
