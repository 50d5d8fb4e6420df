# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading a switch profile from a TOML file (the device takes the mapping, DESIGN 2)."""

import tomllib
from pathlib import Path

from device.profile import Profile
from ntbtrace.errors import SetupError

MAX_PROFILE = 1 << 20  # bytes


def load_profile(path: Path) -> Profile:
    """The profile in the file. Raises SetupError with the file's name and what is wrong in it."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_PROFILE + 1)
        if len(text) > MAX_PROFILE:
            raise SetupError(f"profile {path} must have at most {MAX_PROFILE} bytes")
        return Profile.from_mapping(tomllib.loads(text.decode()))
    except OSError as error:
        raise SetupError(f"cannot read profile {path}: {error.strerror}") from error
    except RecursionError as error:
        raise SetupError(f"profile {path}: it is nested too deep") from error
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError and ProfileError are some
        raise SetupError(f"profile {path}: {error}") from error


def check_for_qemu(profile: Profile) -> None:
    """Raise SetupError for what `x-pci-proxy-dev` cannot carry: QEMU gives the device 32-bit BARs only (FACTS 1.1)."""
    if profile.wide_bars:
        raise SetupError(
            f"{', '.join(profile.wide_bars)}: QEMU's x-pci-proxy-dev carries 32-bit BARs only; take width = 32, "
            "or --guests simulated"
        )
