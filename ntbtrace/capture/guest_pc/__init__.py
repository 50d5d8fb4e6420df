# SPDX-License-Identifier: GPL-2.0-or-later
"""Which code of a guest made each access (`record --guest-pc`): a plugin in QEMU tells it, access by access.

plugin.c runs inside QEMU; build.py compiles it; stream.py takes its records; match.py attaches them to events;
symbols.py notes what the guest says of its kernel; guest.py is all of that for one guest.
"""
