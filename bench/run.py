# SPDX-License-Identifier: GPL-2.0-or-later
"""Every benchmark, one table; exit code 1 if a limit is missed. `make bench` runs this."""

import sys

import debugger
import query
import replay
import roundtrip
import snapshot
from table import report

if __name__ == "__main__":
    sys.exit(
        report([*roundtrip.measure(), *snapshot.measure(), *replay.measure(), *query.measure(), *debugger.measure()])
    )
