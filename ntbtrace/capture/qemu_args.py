# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU command line made fit for `x-pci-proxy-dev`: what is missing is added, what cannot work is refused.

The device needs the q35 machine, one vCPU (with more, QEMU 7.2 loses accesses) and guest memory that is a shared memfd;
under TCG its interrupts need qtest (FACTS 1.1, 1.2).
"""

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
        added += ["-qtest", f"unix:{qtest}", "-qtest-log", "none"]
    if any("x-pci-proxy-dev" in value for value in options.get("device", [])):
        raise SetupError("leave out -device x-pci-proxy-dev: it is added here, with the connection it needs")
    for i, fd in enumerate(fds):
        added += ["-device", f"x-pci-proxy-dev,id=ntb{i},fd={fd}"]
    return [*argv, *added]


def _options(argv: Sequence[str]) -> dict[str, list[str]]:
    """Every option's values, by its name without dashes; an option that has no value gets ''."""
    found: dict[str, list[str]] = {}
    words = list(argv[1:])
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("-") and word != "-":
            found.setdefault(word.lstrip("-"), []).append("" if after.startswith("-") else after)
    return found


def _pairs(value: str, first: str) -> dict[str, str]:
    """`a,b=c` as {first: a, b: c}."""
    found: dict[str, str] = {}
    for i, part in enumerate(value.split(",")):
        key, equals, text = part.partition("=")
        if equals:
            found[key] = text
        elif i == 0 and part:
            found[first] = part
    return found


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
    backends = {
        pairs.get("id", ""): pairs
        for value in options.get("object", [])
        if (pairs := _pairs(value, "qom-type")).get("qom-type", "").startswith("memory-backend")
    }
    chosen = machine.get("memory-backend")
    if chosen is None:
        size = _properties(options, "m", first="size").get("size", DEFAULT_MEMORY)
        size += "M" if size.isdecimal() else ""
        backend = f"memory-backend-memfd,id={MEMORY_ID},size={size},share=on"
        return ["-object", backend, "-machine", f"memory-backend={MEMORY_ID}"]
    backend_options = backends.get(chosen)
    if backend_options is None:
        raise SetupError(f"-machine names memory-backend={chosen}, but there is no -object with that id")
    kind, shared = backend_options["qom-type"], backend_options.get("share", "off")
    if kind == "memory-backend-ram" or shared not in ("on", "yes", "true"):
        raise SetupError(
            f"memory backend {chosen} must be shared with the switch, not {kind},share={shared}: "
            "use memory-backend-memfd,share=on"
        )
    return []
