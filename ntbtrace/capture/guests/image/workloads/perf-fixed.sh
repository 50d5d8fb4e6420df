# SPDX-License-Identifier: GPL-2.0-or-later
# ntb_perf with our patch: port 0 copies to its peer.

probe
load_perf ntb_perf_fixed
say run
if [ "$port" = 0 ]; then
    run_perf
    say "result copied=$copied usecs=$usecs"
fi
