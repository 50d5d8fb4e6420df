# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors a user can meet: each is one clear line with the next step to take."""


class NtbTraceError(Exception):
    """Anything the user can mend: printed as one line, exit code 2. A developer sees the rest with --debug."""


class TraceFormatError(NtbTraceError):
    """A trace file that is damaged, of another kind, or of a newer version; says where."""


class SetupError(NtbTraceError):
    """Something this machine or its user has to provide: a program, a package, a socket, a profile."""


class ProtocolError(NtbTraceError):
    """A peer that broke the wire protocol: ends its connection, becomes a `fault` in the trace."""
