# SPDX-License-Identifier: GPL-2.0-or-later
# ntb_perf as Linux has it: port 0 copies to its peer.

probe
load_perf ntb_perf
say run
if [ "$port" = 0 ]; then
    run_perf
    say "result copied=$copied usecs=$usecs"
fi
