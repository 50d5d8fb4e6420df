# SPDX-License-Identifier: GPL-2.0-or-later
"""The switch, modelled: pure, deterministic, and never aware that it is traced (DESIGN 2).

    switch = create(DEFAULT, host)          # host: device.host.Host, the only way out
    switch.endpoints[0].attach(IrqMode.MSI) # stimuli are plain calls
    switch.target, switch.status            # what the last one was about

The same profile and the same stimuli in the same order give the same effects, byte for byte, on any machine.
The model itself is loaded when it is first used: who only reads a trace needs `device.host` alone.
"""

from typing import TYPE_CHECKING, Any

from device.host import Host

if TYPE_CHECKING:
    from device.idt.switch import IdtSwitch as Switch
    from device.profile import DEFAULT, Profile, ProfileError

__all__ = ["DEFAULT", "MODEL_VERSION", "Profile", "ProfileError", "Switch", "create", "register_table"]

MODEL_VERSION = 2  # of what the model answers: raised when that is corrected, since old traces then replay differently


def create(profile: "Profile", host: Host) -> "Switch":
    """A switch as after power-on, no guest attached."""
    from device.idt.switch import IdtSwitch

    return IdtSwitch(profile, host)


def register_table(profile: "Profile | None" = None) -> dict[str, Any]:
    """The registers of the profile's switch as JSON: what a trace carries to be decoded without today's code.

    Without a profile: all that a switch of any profile can have. No two have the same name.
    """
    from device.idt.maps import BEHIND, INBOUND, NT, SWITCH
    from device.plx.registers import PLX

    maps = [NT, SWITCH, BEHIND]
    maps += [INBOUND] if profile is None or profile.inbound_windows else []
    maps += [PLX] if profile is None or profile.dma else []
    return {"registers": [row for one in maps for row in one.export()]}


def __getattr__(name: str) -> Any:
    if name == "Switch":
        from device.idt.switch import IdtSwitch

        return IdtSwitch
    if name in ("DEFAULT", "Profile", "ProfileError"):
        from device import profile

        return getattr(profile, name)
    raise AttributeError(f"module {__name__} has no attribute {name}")
