# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU command line made fit for the device, in all spellings that QEMU takes."""

import pytest

from ntbtrace.capture.qemu_args import has_interrupts, prepare
from ntbtrace.errors import SetupError

QEMU = "qemu-system-x86_64"
DEVICE = ["-device", "x-pci-proxy-dev,id=ntb0,fd=7"]


def added(*words: str, qtest: str | None = None) -> list[str]:
    argv = prepare([QEMU, *words], [7], qtest=qtest)
    assert argv[: 1 + len(words)] == [QEMU, *words]
    return argv[1 + len(words) :]


def memory(size: str) -> list[str]:
    backend = f"memory-backend-memfd,id=ntbtrace-memory,size={size},share=on"
    return ["-object", backend, "-machine", "memory-backend=ntbtrace-memory"]


def test_a_bare_command_line_gets_all_that_is_needed() -> None:
    assert added() == ["-machine", "q35", *memory("128M"), *DEVICE]


@pytest.mark.parametrize("words", [("-M", "q35"), ("-machine", "q35,accel=tcg"), ("--machine", "type=q35"),
                                   ("-M", "pc-q35-7.2"), ("-machine", "accel=tcg,type=q35")])  # fmt: skip
def test_q35_is_left_alone(words: tuple[str, str]) -> None:
    assert added(*words) == [*memory("128M"), *DEVICE]


@pytest.mark.parametrize(("words", "size"), [(("-m", "2G"), "2G"), (("-m", "512"), "512M"), (("-m", "size=1G"), "1G"),
                                             (("--m", "1G,slots=2,maxmem=4G"), "1G")])  # fmt: skip
def test_the_size_of_memory_is_kept(words: tuple[str, str], size: str) -> None:
    assert memory(size)[1] in added(*words)


@pytest.mark.parametrize("words", [("-smp", "1"), ("-smp", "cpus=1"), ("-smp", "1,maxcpus=1"), ("-smp", "1,cores=1")])
def test_one_cpu_is_fine(words: tuple[str, str]) -> None:
    assert added(*words)[-2:] == DEVICE


@pytest.mark.parametrize("words", [("-smp", "2"), ("-smp", "cpus=2"), ("--smp", "1,maxcpus=2"), ("-smp", "cores=4")])
def test_more_cpus_are_refused(words: tuple[str, str]) -> None:
    with pytest.raises(SetupError, match="one vCPU"):
        added(*words)


@pytest.mark.parametrize("machine", ["pc", "pc-i440fx-7.2", "microvm", "type=isapc"])
def test_another_machine_is_refused(machine: str) -> None:
    with pytest.raises(SetupError, match="must be q35, not"):
        added("-M", machine)


@pytest.mark.parametrize(
    "kind",
    [
        "memory-backend-memfd,id=m,size=1G,share=on",
        "memory-backend-memfd,id=m,size=1G",  # whose default is to be shared
        "memory-backend-file,share=yes,id=m,mem-path=/dev/shm/x,size=1G",
        '{"qom-type": "memory-backend-file", "id": "m", "share": true, "size": 1073741824, "mem-path": "/dev/shm/x"}',
    ],
)
def test_shared_memory_of_ones_own_is_kept(kind: str) -> None:
    assert added("-M", "q35,memory-backend=m", "-object", kind) == DEVICE
    assert added("-M", "q35", "-object", kind, "-numa", "node,memdev=m") == DEVICE


@pytest.mark.parametrize(
    "kind",
    [
        "memory-backend-memfd,id=m,size=1G,share=off",
        "memory-backend-ram,id=m,size=1G",
        "memory-backend-file,id=m,mem-path=/x,size=1G",
        "memory-backend-ram,id=m,share=on",
        '{"qom-type": "memory-backend-memfd", "id": "m", "share": false}',
    ],
)
def test_memory_that_is_not_shared_is_refused(kind: str) -> None:
    with pytest.raises(SetupError, match="must be shared"):
        added("-M", "q35,memory-backend=m", "-object", kind)
    with pytest.raises(SetupError, match="must be shared"):
        added("-object", kind, "-numa", "node,memdev=m")


@pytest.mark.parametrize("object_", ["memory-backend-memfd,id=other", '{"qom-type', "{}"])
def test_a_backend_that_is_not_there_is_refused(object_: str) -> None:
    with pytest.raises(SetupError, match="no -object with that id"):
        added("-M", "q35,memory-backend=m", "-object", object_)


def test_memory_at_a_path_is_refused() -> None:
    with pytest.raises(SetupError, match="leave out -mem-path"):
        added("-m", "1G", "-mem-path", "/dev/hugepages")


def test_qtest_is_added_once() -> None:
    assert added(qtest="/q")[-6:-2] == ["-qtest", "unix:/q", "-qtest-log", "none"]
    assert "-qtest-log" not in added("-qtest", "unix:/own", qtest="/q")
    assert "unix:/a,,b" in added(qtest="/a,b")  # a comma would end it


def test_a_second_device_and_an_empty_line_are_refused() -> None:
    with pytest.raises(SetupError, match="leave out"):
        added(*DEVICE)
    with pytest.raises(SetupError, match="name the QEMU"):
        prepare([], [7])


def test_each_connection_is_a_device_of_its_own() -> None:
    assert prepare([QEMU], [7, 9])[-4:] == [*DEVICE, "-device", "x-pci-proxy-dev,id=ntb1,fd=9"]


@pytest.mark.parametrize(
    ("words", "there"),
    [
        ([], False),
        (["-accel", "tcg", "-M", "q35"], False),
        (["-machine", "q35,accel=tcg"], False),
        (["-accel", "kvm,kernel-irqchip=on"], True),
        (["-accel", "accel=kvm"], True),
        (["-enable-kvm"], True),
        (["--enable-kvm"], True),
        (["-M", "q35,accel=kvm:tcg"], True),
        (["-qtest", "unix:/q"], True),
    ],
)
def test_whether_interrupts_reach_it(words: list[str], there: bool) -> None:
    assert has_interrupts([QEMU, *words]) == there
