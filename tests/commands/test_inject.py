# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace inject`: what is asked of the recorder, and what is said to the person."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.capture.control import ANSWER, REQUEST, SOCKET, WHOLE_SWITCH
from ntbtrace.event import Inject, Status

Asked = list[tuple[int, ...]]


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], Asked]]:
    """A recorder that gives this one answer: `asked = answering(ANSWER.pack(7, Status.OK))`."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = tmp_path / "ntbtrace" / str(os.getpid())
    place.parent.mkdir(mode=0o700)
    place.mkdir()
    threads = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(10)
        listener.bind(str(place / SOCKET))
        listener.listen()

        def start(answer: bytes) -> Asked:
            asked: Asked = []

            def take() -> None:
                with listener.accept()[0] as peer:
                    asked.append(REQUEST.unpack(peer.recv(64)))
                    peer.sendall(answer)

            threads.append(threading.Thread(target=take))
            threads[-1].start()
            return asked

        yield start
        for thread in threads:
            thread.join(10)


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (("cable", "2", "out"), (2, Inject.CABLE, 0, 0)),
        (("cable", "12", "in"), (12, Inject.CABLE, 0, 1)),
        (("temperature", "85.5"), (WHOLE_SWITCH, Inject.TEMPERATURE, 0, 171)),
        (("hot-reset", "0"), (0, Inject.HOT_RESET, 0, 0)),
        (("failover", "0"), (0, Inject.FAILOVER, 0, 0)),
        (("poke", "0x3F1D4", "0x50"), (WHOLE_SWITCH, Inject.POKE, 0x3F1D4, 0x50)),
    ],
)
def test_what_is_asked(
    capsys: pytest.CaptureFixture[str],
    answering: Callable[[bytes], Asked],
    words: tuple[str, ...],
    request_: tuple[int, ...],
) -> None:
    asked = answering(ANSWER.pack(1234, Status.OK))
    assert cli.main(["inject", *words]) == 0
    assert asked == [request_]
    assert capsys.readouterr().out == f"event 1234: {words[0]} ok\n"


@pytest.mark.parametrize(
    ("words", "answer", "code", "says"),
    [
        (("temperature", "20"), ANSWER.pack(5, Status.DISABLED), 1, "event 5: temperature disabled\n"),
        (("cable", "4", "in"), ANSWER.pack(0, Status.UNKNOWN), 2, "ntbtrace: the switch has no such port\n"),
        (("poke", "0x3e00c", "1"), ANSWER.pack(0, Status.UNKNOWN), 2, "ntbtrace: the switch has no such register\n"),
        (("failover", "0"), b"", 2, "ntbtrace: the recorder does not answer: "),
        (("failover", "0"), b"\0" * 4, 2, "ntbtrace: the recorder does not answer: "),
    ],
)
def test_what_is_said(
    capsys: pytest.CaptureFixture[str],
    answering: Callable[[bytes], Asked],
    words: tuple[str, ...],
    answer: bytes,
    code: int,
    says: str,
) -> None:
    answering(answer)
    assert cli.main(["inject", *words]) == code
    captured = capsys.readouterr()
    assert (captured.out + captured.err).startswith(says)
    assert (captured.out + captured.err).count("\n") == 1


def test_no_recording_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert cli.main(["inject", "failover", "0"]) == 2
    assert capsys.readouterr().err.startswith("ntbtrace: no recording of virtual machines is running here")


WRONG = (
    "cable 2 up", "cable 32 in", "temperature 128", "temperature 20.2", "temperature nan", "poke 0x40000 1",
    "poke 0 0x100000000", "poke 0x1005 1", "explode", "",
)  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_word_is_one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(["inject", *words.split()])
    assert error.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
