# SPDX-License-Identifier: GPL-2.0-or-later
"""Every benchmark that needs no real guests, a table each; exit code 1 if a limit is missed. `make bench` runs this.

`make bench-guest` runs guest.py, and makes the recordings of real guests that trace.py measures where they are there.
"""

import sys
import trace

import debugger
import engine
import query
import replay
import roundtrip
import snapshot
from table import report

if __name__ == "__main__":
    code = 0
    for bench in (roundtrip, engine, snapshot, replay, query, debugger, trace):
        print(f"\nbench/{bench.__name__}.py", flush=True)
        code |= report(bench.measure())
    sys.exit(code)
