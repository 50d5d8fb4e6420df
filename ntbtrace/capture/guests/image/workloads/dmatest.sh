# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's dmatest on the DMA engine: `count` verified copies of buffers of 2^order bytes. The NTB driver is not
# loaded: it wants a peer.

say probe
load plx_dma
load dmatest test_buf_size=$((1 << order)) iterations="$count" timeout=30000
parameters=/sys/module/dmatest/parameters
say run
echo > $parameters/channel
echo 1 > $parameters/run
timeout 240 cat $parameters/wait > /dev/null || fail dmatest-timeout
summary=$(dmesg | sed -n 's/.*dmatest: .*summary \([0-9]*\) tests, \([0-9]*\) failures.*/tests=\1 failures=\2/p' | tail -n 1)
[ -n "$summary" ] || fail dmatest-no-summary
say "result $summary"
[ "$summary" = "tests=$count failures=0" ] || fail dmatest-failures
