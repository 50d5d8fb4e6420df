# SPDX-License-Identifier: GPL-2.0-or-later
# Ping-pong; the first port restarts `count` times, as counted by the host, which answers `again` with `reboot` or `enough`.

PINGS=5
probe
counted() { [ "$(cat $debug/count)" -ge $PINGS ]; }
load ntb_pingpong delay_ms=100
debug=/sys/kernel/debug/ntb_pingpong/$device
say run
wait_for 240 counted || fail "pingpong-count-$(cat $debug/count)"
if [ "$port" = "$first" ]; then
    say "again of=$count"
    read -r word
    [ "$word" = enough ] || reboot -f
fi
say "result count=$(cat $debug/count)"
