# SPDX-License-Identifier: GPL-2.0-or-later
"""A module's file: functions and lines as addr2line has them; what is wrong with a file is one clear line."""

import re
import subprocess
from pathlib import Path
from random import Random

import pytest

from ntbtrace.errors import NtbTraceError
from ntbtrace.symbols import cache as on_disk
from ntbtrace.symbols.cache import cached_module
from ntbtrace.symbols.find import ModuleFiles
from ntbtrace.symbols.module import ModuleCode, read_module
from tests.symbols.making import BASES, instructions, make_module


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/ntbtrace"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_module(tmp_path_factory.mktemp("demo"))


def addr2line(path: Path, section: str, offsets: list[int]) -> dict[int, list[tuple[str, str]]]:
    argv = ["addr2line", "-e", str(path), "-j", section, "-f", "-i", "-a", *map(hex, offsets)]
    found: dict[int, list[str]] = {}
    for line in subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines():
        if line.startswith("0x"):
            words = found.setdefault(int(line, 16), [])
        else:
            words.append(re.sub(r" \(discriminator.*", "", line.rpartition("/")[2]))
    return {at: list(zip(words[::2], words[1::2], strict=True)) for at, words in found.items()}


def agrees_with_addr2line(path: Path) -> int:
    """At every instruction of a function; returns how many were compared."""
    code, compared = read_module(path), 0
    for section in code.sections:
        offsets = [at for at, _ in instructions(path, section)]
        expected = addr2line(path, section, offsets) if offsets else {}
        for at in offsets:
            places = code.places(section, at)
            if places:  # else padding between two
                assert [(p.function, f"{p.file.rpartition('/')[2]}:{p.line}") for p in places] == expected[at], hex(at)
                compared += 1
    return compared


@pytest.mark.parametrize("flags", [("-gdwarf-5",), ("-gdwarf-4",), ("-gdwarf-5", "-ffunction-sections")], ids=" ".join)
def test_functions_and_lines_are_those_of_addr2line(flags: tuple[str, ...], tmp_path: Path) -> None:
    assert agrees_with_addr2line(make_module(tmp_path, *flags)) > 50


def test_inlined_functions_are_in_the_chain(demo: Path) -> None:
    code = read_module(demo)
    places = [code.places(".text", at) for at, text in instructions(demo, ".text") if text.startswith("call")]
    assert ["put", "both", "work"] in [[place.function for place in one] for one in places]
    assert all(one[-1].offset is not None and all(p.offset is None for p in one[:-1]) for one in places)


def test_without_dwarf_functions_are_known_and_lines_are_not(tmp_path: Path) -> None:
    code = read_module(make_module(tmp_path, "-g0"))
    ((place,),) = [code.places(".init.text", 3)]
    assert place == ("start", 3, "", 0)
    assert code.tables is None
    assert code.places(".init.text", 5000) == code.places(".data", 0) == []


def test_any_damage_is_one_line_or_harmless(demo: Path, tmp_path: Path) -> None:
    whole, random = demo.read_bytes(), Random(1)
    refused: list[str] = []
    path = tmp_path / "hostile.ko"
    cut = [whole[: len(whole) * i // 80] for i in range(80)]
    flipped = []
    for _ in range(300):
        bad = bytearray(whole)
        for _ in range(random.randrange(1, 6)):
            bad[random.randrange(len(bad))] = random.randrange(256)
        flipped.append(bytes(bad))
    for data in (*cut, *flipped, b"", b"\x7fELF", random.randbytes(5000)):
        path.write_bytes(data)
        try:
            code = read_module(path)
            for section in code.sections:
                for at in (0, 7, 1 << 40):
                    code.places(section, at)
        except NtbTraceError as error:
            refused.append(str(error))
    assert len(refused) > 90
    assert [
        line for line in refused if not re.fullmatch(r".*hostile\.ko cannot be read as a kernel module: .+", line)
    ] == []


def test_dwarf_that_runs_in_circles_ends(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ntbtrace.symbols.dwarf.MAX_DIES", 5)
    with pytest.raises(NtbTraceError, match="its DWARF runs in circles"):
        read_module(demo)


def test_a_module_is_read_once(demo: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_module(demo)
    assert cached_module(demo, first.build_id) == first
    (entry,) = (own_cache / "symbols").iterdir()
    assert entry.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(on_disk, "read_module", lambda path: pytest.fail("it is in the cache"))
    assert cached_module(demo, first.build_id) == first
    for damage in (b"", b"x" * 100, entry.read_bytes()[:-9]):
        entry.write_bytes(damage)
        monkeypatch.setattr(on_disk, "read_module", read_module)
        assert cached_module(demo, first.build_id) == first


def test_a_cache_that_cannot_be_written_is_no_error(demo: Path, own_cache: Path) -> None:
    own_cache.parent.mkdir(parents=True, exist_ok=True)
    own_cache.write_text("a file")
    assert isinstance(cached_module(demo, read_module(demo).build_id), ModuleCode)


def test_a_file_is_found_by_name_and_taken_by_build_id(demo: Path, tmp_path: Path) -> None:
    build_id = read_module(demo).build_id
    (tmp_path / "lib/extra").mkdir(parents=True)
    (tmp_path / "lib/extra/demo.ko").write_bytes(demo.read_bytes())
    make_module(tmp_path / "other", more="int another(void) { return 5; }")
    files = ModuleFiles([tmp_path / "other", tmp_path / "lib"])
    found = files.find("demo", build_id)
    assert found is not None
    assert set(BASES) <= set(found.sections)
    assert files.problems == {}
    for directories, wanted, says in (
        ([tmp_path / "other"], build_id, r"other/demo\.ko \(build-id [0-9a-f]{12}\) is of another build"),
        ([tmp_path / "lib"], "", "the guest told no build-id of it"),
        ([tmp_path / "cache"], build_id, "there is none in"),
        ([], build_id, "there is none in the guest cache"),
    ):
        (tmp_path / "cache").mkdir(exist_ok=True)
        files = ModuleFiles(directories)
        assert files.find("demo", wanted) is None
        assert re.search(says, files.problems["demo"]), files.problems
    (tmp_path / "lib/extra/demo.ko").write_bytes(b"\x7fELF")
    files = ModuleFiles([tmp_path / "lib"])
    assert files.find("demo", build_id) is None
    assert "cannot be read as a kernel module" in files.problems["demo"]
    with pytest.raises(NtbTraceError, match="--symbols nowhere: there is no such directory"):
        ModuleFiles([Path("nowhere")])
