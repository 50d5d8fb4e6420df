# SPDX-License-Identifier: GPL-2.0-or-later
# ntb_perf with our patch: the first port copies to its peer, first itself, then with its DMA engine.

probe
load plx_dma
load_perf ntb_perf_fixed
say run
if [ "$port" = "$first" ]; then
    run_perf
    trapped=$usecs
    echo Y > /sys/module/ntb_perf_fixed/parameters/use_dma
    run_perf
    say "result copied=$copied usecs=$trapped dma_usecs=$usecs"
fi
