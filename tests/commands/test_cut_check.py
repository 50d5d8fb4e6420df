# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace cut` keeps what was asked for, whole and able to replay; `ntbtrace check` finds what is wrong."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntbtrace import cli
from ntbtrace.event import Event, Kind
from ntbtrace.replay.player import Player
from ntbtrace.trace import FORMAT_VERSION, BlockInfo, open_trace
from ntbtrace.trace.frame import encode_frame, read_frame
from ntbtrace.trace.index import Index, encode_index
from ntbtrace.trace.summary import encode_summary
from tests.support import events, random_accesses, rewrite, simulate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cut") / "run.ntbt"
    return simulate(path, "perf", roll_every=15, after=random_accesses(4, 800, roll_every=50))


def cut(run: Path, path: Path, *words: object) -> list[Event]:
    """What is in the file that the command made; it replays, and check finds nothing."""
    assert cli.main(["cut", str(run), "-o", str(path), "--overwrite", *map(str, words)]) == 0
    assert cli.main(["check", str(path)]) == 0
    with open_trace(path) as trace:
        assert trace.closed
        assert Player(trace).run() is None
        return list(trace)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_part_is_there_with_its_seqs(run: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = events(run)
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first, len(whole) + 5))
    kept = cut(run, tmp_path / "a.ntbt", "--from", first, "--to", last)
    assert kept == whole[kept[0].seq : kept[-1].seq + 1]
    assert kept[0].seq <= first
    assert kept[-1].seq >= min(last, len(whole) - 1)


def test_the_neighbourhood_of_what_matters(run: Path, tmp_path: Path) -> None:
    whole = events(run)
    with open_trace(run) as trace:
        found = list(trace.where("reg == OUTDBELLSET and kind == mmio_write"))
    kept = cut(run, tmp_path / "a.ntbt", "--where", "reg == OUTDBELLSET and kind == mmio_write", "--before", 30)
    seqs = {event.seq for event in kept}
    assert len(kept) < len(whole)
    for event in found:
        assert seqs >= set(range(max(event.seq - 30, 0), event.seq + 1))
    assert [event for event in whole if event.seq in seqs] == kept


def test_times(run: Path, tmp_path: Path) -> None:
    whole = events(run)
    first, last = whole[len(whole) // 3].t, whole[len(whole) // 2].t
    kept = cut(run, tmp_path / "a.ntbt", "--from", f"{first}ns", "--to", f"{last / 1000:.3f}us")
    assert kept[0].t <= first
    assert kept[-1].t >= last
    assert len(kept) < len(whole)
    assert [event for event in kept if first <= event.t <= last] == [e for e in whole if first <= e.t <= last]
    assert cut(run, tmp_path / "a.ntbt", "--from", "0.0s", "--to", "99999s") == whole


def test_cut_parts_merge_again(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.ntbt", tmp_path / "b.ntbt"
    last = cut(run, first, "--to", 100)[-1].seq
    cut(run, second, "--from", last)
    assert cli.main(["merge", str(second), str(first), "-o", str(tmp_path / "c.ntbt")]) == 0
    assert events(tmp_path / "c.ntbt") == events(run)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert cli.main([*map(str, words)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_what_cannot_be_cut_is_said(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.ntbt"
    assert "nothing of" in refused(capsys, "cut", run, "-o", out, "--where", "size == 77")
    assert "--from must not be behind" in refused(capsys, "cut", run, "-o", out, "--from", 9, "--to", 8)
    assert "--from must not be behind" in refused(capsys, "cut", run, "-o", out, "--from", 10**9)
    assert "go with --where" in refused(capsys, "cut", run, "-o", out, "--before", 9)
    assert "--from must not be behind" in refused(capsys, "cut", run, "-o", out, "--from", "9000s")
    assert "did you mean" in refused(capsys, "cut", run, "-o", out, "--where", "reg == NTCTLL")
    assert "is the trace itself" in refused(capsys, "cut", run, "-o", run, "--overwrite")
    assert not out.exists()
    out.touch()
    assert "exists" in refused(capsys, "cut", run, "-o", out)


def check(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    capsys.readouterr()
    assert cli.main(["check", str(path)]) == 1
    return capsys.readouterr().out


def test_a_whole_trace_is_well(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert cli.main(["check", str(run)]) == 0
    assert f"{len(events(run)):,} events in" in capsys.readouterr().out


def test_damage_is_found_and_the_rest_is_read(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "a.ntbt", bytearray(run.read_bytes())
    with open_trace(run) as trace:
        infos = [trace.blocks[1], trace.blocks[3]]
    for info in infos:
        data[(info.offset or 0) + info.length // 2] ^= 0x10
    path.write_bytes(data)
    said = check(capsys, path).splitlines()
    assert len(said) == 2
    assert all(f"byte {info.offset}" in line for info, line in zip(infos, said, strict=True))


def test_a_cut_off_file_is_said(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    path.write_bytes(run.read_bytes()[:-100])
    assert "the file is cut off" in check(capsys, path)


def without_index(run: Path) -> tuple[bytes, list[BlockInfo]]:
    with open_trace(run) as trace:
        last = trace.blocks[-1]
        return run.read_bytes()[: (last.offset or 0) + last.length], list(trace.blocks)


def with_index(path: Path, data: bytes, blocks: list[BlockInfo]) -> Path:
    path.write_bytes(data + encode_index(Index(blocks, closed=True, salvaged=False, lost=0), len(data)))
    return path


def test_a_block_that_is_not_in_the_index_is_found(
    capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path
) -> None:
    data, blocks = without_index(run)
    left_out = blocks.pop(2)
    said = check(capsys, with_index(tmp_path / "a.ntbt", data, blocks))
    assert said.startswith(f"{tmp_path}/a.ntbt: byte {left_out.offset}: a block that the index does not have\n")
    assert f"note: {left_out.count} events are left out" in said


def test_bytes_that_are_nothing_are_found(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    data, blocks = without_index(run)
    hole, last = len(data) - blocks[-1].length, blocks.pop()
    blocks.append(replace(last, offset=hole + 9))
    said = check(capsys, with_index(tmp_path / "a.ntbt", data[:hole] + b"nine bytes"[:9] + data[hole:], blocks))
    assert f"byte {hole}: a block should begin here" in said


def test_a_summary_that_lies_is_found(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    data, blocks = without_index(run)
    lie = replace(blocks[0], targets=blocks[0].targets - {max(blocks[0].targets)})
    offset = blocks[0].offset or 0
    with run.open("rb") as file:
        frame = read_frame(run, file.fileno(), offset, len(data))
    assert frame is not None
    made = encode_frame(frame.type, encode_summary(lie), bytes(frame.body))
    shift = len(made) - frame.length
    lie = replace(lie, length=len(made))
    blocks = [lie, *(replace(info, offset=(info.offset or 0) + shift) for info in blocks[1:])]
    data = data[:offset] + made + data[offset + frame.length :]
    said = check(capsys, with_index(tmp_path / "a.ntbt", data, blocks))
    assert said == f"events 0 to {lie.last_seq}: the block's summary does not say what is in it\n"


def test_a_damaged_index_is_said(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "a.ntbt", bytearray(run.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    assert "wrong checksum" in check(capsys, path)


def test_what_is_no_fault_is_a_note(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    path.write_bytes(run.read_bytes()[:-100])
    assert cli.main(["salvage", str(path)]) == 0
    capsys.readouterr()
    assert cli.main(["check", str(path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("all well")
    assert said[1].startswith("note: the recording was not closed, but salvaged")


WRONG = {
    "a time before that of": lambda e: e._replace(t=0) if e.seq == 700 else e,
    "an effect whose cause is not": lambda e: e._replace(cause=e.seq - 3) if e.kind == Kind.IRQ and e.seq > 9 else e,
    "a cause where there can be none": lambda e: e._replace(cause=4) if e.seq == 6 else e,
    "work that nothing has started": lambda e: e._replace(kind=Kind.WORK) if e.seq == 700 else e,
}


@pytest.mark.parametrize("what", WRONG)
def test_what_no_recorder_writes_is_found(
    capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path, what: str
) -> None:
    assert what in check(capsys, rewrite(run, tmp_path / "a.ntbt", WRONG[what]))


@pytest.mark.parametrize("changed", [False, True])
def test_repacked_is_the_same_and_smaller(
    capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path, changed: bool
) -> None:
    """Also of a trace with gaps."""
    source = run
    if changed:
        source = tmp_path / "gaps.ntbt"
        cut(run, source, "--where", "reg in (OUTDBELLSET, NTMTBLADDR)")
    path = tmp_path / "a.ntbt"
    assert cli.main(["repack", str(source), "-o", str(path)]) == 0
    assert "% of" in capsys.readouterr().out
    assert path.stat().st_size < source.stat().st_size
    assert events(path) == events(source)
    with open_trace(path) as trace, open_trace(source) as before:
        assert trace.header == before.header
        assert len(trace.blocks) <= len(before.blocks)
        assert Player(trace).run() is None
    assert cli.main(["check", str(path)]) == 0
    assert "exists" in refused(capsys, "repack", source, "-o", path)
    assert "is the trace itself" in refused(capsys, "repack", path, "-o", path, "--overwrite")


def test_the_golden_recordings_repack(tmp_path: Path) -> None:
    for number, path in enumerate(sorted((Path(__file__).parents[2] / "traces").glob("**/*.ntbt"))):
        made = tmp_path / f"{number}.ntbt"
        assert cli.main(["repack", str(path), "-o", str(made)]) == 0
        assert events(made) == events(path)
        with open_trace(made) as trace, open_trace(path) as before:
            assert trace.format_version == FORMAT_VERSION
            assert trace.header == before.header
            snapshots = {info.first_seq: before.block(i).snapshot for i, info in enumerate(before.blocks)}
            for i, info in enumerate(trace.blocks):
                assert trace.block(i).snapshot == snapshots[info.first_seq]
            if path.parent.name != "v1":  # of another model
                assert Player(trace).run() == Player(before).run()
