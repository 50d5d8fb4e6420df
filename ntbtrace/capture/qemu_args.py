# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU command line made fit for `x-pci-proxy-dev`: what is missing is added, what cannot work is refused.

The device needs the q35 machine, one vCPU (with more, QEMU 7.2 loses accesses) and guest memory that is a shared memfd;
under TCG its interrupts need qtest (FACTS 1.1, 1.2).
"""

import json
from collections.abc import Sequence

from ntbtrace.errors import SetupError

MEMORY_ID = "ntbtrace-memory"
DEFAULT_MEMORY = "128M"  # QEMU's own default


def prepare(argv: Sequence[str], fds: Sequence[int], *, qtest: str | None = None) -> list[str]:
    """The command line `argv` with a device on each of the inherited `fds`, in the order of the guest's PCI slots.
    Raises SetupError, saying what must be changed.

    `qtest`: path of the socket that the server listens on, for MSI under TCG.
    """
    if not argv:
        raise SetupError("name the QEMU to run: ntbtrace exec SOCKET [SOCKET ...] -- qemu-system-x86_64 ...")
    options = _options(argv)
    added: list[str] = []
    machine = _properties(options, "machine", "M", first="type")
    if "type" not in machine:
        added += ["-machine", "q35"]
    elif not _is_q35(machine["type"]):
        raise SetupError(f"the machine must be q35, not {machine['type']}: x-pci-proxy-dev needs it (-M q35)")
    _one_cpu(options)
    added += _memory(options, machine)
    if qtest is not None and "qtest" not in options:
        added += ["-qtest", f"unix:{in_option(qtest)}", "-qtest-log", "none"]
    if any("x-pci-proxy-dev" in value for value in options.get("device", [])):
        raise SetupError("leave out -device x-pci-proxy-dev: it is added here, with the connection it needs")
    for i, fd in enumerate(fds):
        added += ["-device", f"x-pci-proxy-dev,id=ntb{i},fd={fd}"]
    return [*argv, *added]


def has_interrupts(argv: Sequence[str]) -> bool:
    """Whether the device's interrupts can reach this VM as it is: by KVM's irqfd, or by a qtest that it names."""
    options = _options(argv)
    accelerators = [
        *_properties(options, "machine", "M", first="type").get("accel", "").split(":"),
        *(pairs.get("accel", "") for pairs in _each(options, "accel", first="accel")),
    ]
    return "kvm" in accelerators or "enable-kvm" in options or "qtest" in options


def in_option(value: str) -> str:
    """`value` as a part of an option's value, where a comma would end it."""
    return value.replace(",", ",,")


def _options(argv: Sequence[str]) -> dict[str, list[str]]:
    """Every option's values, by its name without dashes; an option that has no value gets ''."""
    found: dict[str, list[str]] = {}
    words = list(argv[1:])
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("-") and word != "-":
            found.setdefault(word.lstrip("-"), []).append("" if after.startswith("-") else after)
    return found


def _pairs(value: str, first: str) -> dict[str, str]:
    """`a,b=c` as {first: a, b: c}; of the form in JSON, which QEMU takes too, what stands in it."""
    if value.startswith("{"):
        return _json_pairs(value)
    found: dict[str, str] = {}
    for i, part in enumerate(value.split(",")):
        key, equals, text = part.partition("=")
        if equals:
            found[key] = text
        elif i == 0 and part:
            found[first] = part
    return found


def _json_pairs(value: str) -> dict[str, str]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):  # QEMU will say so
        return {}
    return {key: ("off", "on")[text] if isinstance(text, bool) else str(text) for key, text in found.items()}


def _properties(options: dict[str, list[str]], *names: str, first: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        for value in options.get(name, []):
            found.update(_pairs(value, first))
    return found


def _is_q35(machine: str) -> bool:
    return machine == "q35" or machine.startswith("pc-q35")


def _one_cpu(options: dict[str, list[str]]) -> None:
    smp = _properties(options, "smp", first="cpus")
    for name, value in smp.items():
        if value != "1":
            raise SetupError(
                f"the VM must have one vCPU (-smp 1), not {name}={value}: with more, QEMU loses accesses of the device"
            )


def _memory(options: dict[str, list[str]], machine: dict[str, str]) -> list[str]:
    """What makes the guest's memory a shared memfd; nothing if the command line has done so."""
    if "mem-path" in options:
        raise SetupError(
            "leave out -mem-path: the guest's memory must be shared with the switch, and is made so here (or use "
            "-object memory-backend-file,share=on and -machine memory-backend=ID)"
        )
    backends = {
        pairs.get("id", ""): pairs
        for value in options.get("object", [])
        if (pairs := _pairs(value, "qom-type")).get("qom-type", "").startswith("memory-backend")
    }
    named = [
        f"-numa names memdev={node['memdev']}" for node in _each(options, "numa", first="type") if "memdev" in node
    ]
    if "memory-backend" in machine:
        named.append(f"-machine names memory-backend={machine['memory-backend']}")
    for words in named:
        _shared(backends, words)
    if named:
        return []
    size = _properties(options, "m", first="size").get("size", DEFAULT_MEMORY)
    size += "M" if size.isdecimal() else ""
    backend = f"memory-backend-memfd,id={MEMORY_ID},size={size},share=on"
    return ["-object", backend, "-machine", f"memory-backend={MEMORY_ID}"]


def _each(options: dict[str, list[str]], name: str, first: str) -> list[dict[str, str]]:
    return [_pairs(value, first) for value in options.get(name, [])]


def _shared(backends: dict[str, dict[str, str]], words: str) -> None:
    """Raise SetupError unless the backend at the end of `words` is there and shared."""
    chosen = words.rpartition("=")[2]
    backend = backends.get(chosen)
    if backend is None:
        raise SetupError(f"{words}, but there is no -object with that id")
    kind = backend["qom-type"]
    shared = backend.get("share", "on" if kind == "memory-backend-memfd" else "off")  # QEMU's own defaults
    if kind == "memory-backend-ram" or shared not in ("on", "yes", "true"):
        raise SetupError(
            f"memory backend {chosen} must be shared with the switch, not {kind},share={shared}: "
            "use memory-backend-memfd,share=on"
        )
