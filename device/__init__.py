# SPDX-License-Identifier: GPL-2.0-or-later
"""The switch, modelled: pure, deterministic, and never aware that it is traced (DESIGN 2).

    switch = create(DEFAULT, host)          # host: device.host.Host, the only way out
    switch.endpoints[0].attach(IrqMode.MSI) # stimuli are plain calls
    switch.target, switch.status            # what the last one was about

The same profile and the same stimuli in the same order give the same effects, byte for byte, on any machine.
"""

from typing import Any

from device.host import Host
from device.idt import maps
from device.idt.switch import IdtSwitch
from device.profile import DEFAULT, Profile, ProfileError

__all__ = ["DEFAULT", "MODEL_VERSION", "Profile", "ProfileError", "Switch", "create", "register_table"]

MODEL_VERSION = 1  # of what the model answers: raised when that is corrected, since old traces then replay differently

Switch = IdtSwitch


def create(profile: Profile, host: Host) -> Switch:
    """A switch as after power-on, no guest attached."""
    return IdtSwitch(profile, host)


def register_table(profile: Profile) -> dict[str, Any]:
    """The registers of the profile's chip as JSON: what a trace carries to be decoded without today's code."""
    return maps.register_table()
