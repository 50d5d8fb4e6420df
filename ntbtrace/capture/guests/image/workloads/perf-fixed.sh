# SPDX-License-Identifier: GPL-2.0-or-later
# ntb_perf with our patch: the first port copies to its peer.

probe
load_perf ntb_perf_fixed
say run
if [ "$port" = "$first" ]; then
    run_perf
    say "result copied=$copied usecs=$usecs"
fi
