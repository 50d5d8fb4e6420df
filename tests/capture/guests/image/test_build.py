# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache: what an image is found by, and that half an image is none. The build itself: tests/real/test_image.py."""

import os
import shutil
import stat
from importlib import import_module
from pathlib import Path

import pytest

from ntbtrace.capture.guests.image import GuestImage, debian
from ntbtrace.errors import SetupError

module = import_module("ntbtrace.capture.guests.image.build")  # the package's `build` is its function

VERSIONS = {"linux-image-6.1.0-56-amd64": "6.1.192-2"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a copy of our own files, and a build that needs nothing but makes an image."""
    own = tmp_path / "own"
    shutil.copytree(module.HERE, own, ignore=shutil.ignore_patterns("__pycache__"))

    def make(versions: dict[str, str], packages: Path, work: Path, say: object) -> Path:
        made = work / "image"
        made.mkdir()
        (made / module.RELEASE).write_text(next(iter(versions.values())))
        return made

    monkeypatch.setattr(module, "HERE", own)
    monkeypatch.setattr(module, "_make", make)
    monkeypatch.setattr(debian, "require_tools", lambda: None)
    monkeypatch.setattr(debian, "packages", lambda: VERSIONS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ntbtrace"


def build() -> GuestImage:
    return module.build(lambda line: None)


def test_nothing_is_found_before_the_first_build(cache: Path) -> None:
    assert module.find() is None
    assert not cache.exists()


def test_what_was_built_is_found_and_not_built_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build()
    assert module.find() == built
    monkeypatch.setattr(module, "_make", None)
    assert build() == built


@pytest.mark.parametrize("name", ["init", "ntb_ecfg.c", "ntb_perf_fixed.patch", "modules.py", "workloads/tool.sh"])
def test_a_change_of_our_own_files_needs_another_image(cache: Path, name: str) -> None:
    built = build()
    before = (module.HERE / name).read_text()
    (module.HERE / name).write_text(before + "\n")
    assert module.find() is None
    assert build() != built
    (module.HERE / name).write_text(before)
    assert module.find() == built


def test_of_two_kernels_the_one_that_was_asked_for_last_is_found(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = build()
    monkeypatch.setattr(debian, "packages", lambda: {"linux-image-6.1.0-57-amd64": "6.1.200-1"})
    new = build()
    assert old != new
    for path in (old, new):  # times far apart, whatever the clock's grain
        os.utime(path.directory / module.RELEASE, (1, 1))
    monkeypatch.setattr(debian, "packages", lambda: VERSIONS)
    assert build() == old
    assert module.find() == old


def test_an_image_that_another_build_made_meanwhile_is_taken(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = module._make

    def slow(versions: dict[str, str], packages: Path, work: Path, say: object) -> Path:
        monkeypatch.setattr(module, "_make", make)
        other.append(build())
        (other[0].directory / "first").touch()
        return make(versions, packages, work, lambda line: None)

    other: list[GuestImage] = []
    monkeypatch.setattr(module, "_make", slow)
    mine = build()
    assert [mine] == other
    assert (mine.directory / "first").exists()


def test_a_build_that_fails_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(versions: dict[str, str], packages: Path, work: Path, say: object) -> Path:
        (work / "image").mkdir()
        raise SetupError("no compiler")

    monkeypatch.setattr(module, "_make", fail)
    with pytest.raises(SetupError):
        build()
    assert module.find() is None
    assert sorted(path.name for path in cache.rglob("*")) == ["images", "packages"]


def test_half_an_image_is_replaced(cache: Path) -> None:
    built = build()
    (built.directory / module.RELEASE).unlink()
    assert module.find() is None
    assert build() == built


def test_force_builds_anew(cache: Path) -> None:
    built = build()
    (built.directory / "stale").touch()
    assert module.build(lambda line: None, force=True) == built
    assert not (built.directory / "stale").exists()


def test_a_cache_where_make_cannot_build_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a b"))
    monkeypatch.setattr(debian, "require_tools", lambda: None)
    with pytest.raises(SetupError, match=r"no blanks.* XDG_CACHE_HOME"):
        build()


def test_the_cache_is_the_owners_alone(cache: Path) -> None:
    cache.mkdir(parents=True, mode=0o755)
    build()
    for path in (cache, cache / "packages", cache / "images"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
