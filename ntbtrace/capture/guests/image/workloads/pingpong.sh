# SPDX-License-Identifier: GPL-2.0-or-later
# ntb_pingpong until `count`; its pauses last a second in all.

probe
counted() { [ "$(cat $debug/count)" -ge "$count" ]; }
load ntb_pingpong delay_ms=$((1000 / count))
debug=/sys/kernel/debug/ntb_pingpong/$device
say run
wait_for 240 counted || fail "pingpong-count-$(cat $debug/count)"
say "result count=$(cat $debug/count)"
