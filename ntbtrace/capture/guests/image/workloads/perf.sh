# SPDX-License-Identifier: GPL-2.0-or-later
# ntb_perf as Linux has it: the first port copies to its peer.

probe
load_perf ntb_perf
say run
if [ "$port" = "$first" ]; then
    run_perf
    say "result copied=$copied usecs=$usecs"
fi
