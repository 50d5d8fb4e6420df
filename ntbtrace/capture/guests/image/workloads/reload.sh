# SPDX-License-Identifier: GPL-2.0-or-later
# The first port removes and inserts all NTB modules `count` times, and talks to the other one after each.

probe
start_tool
say run
round=0
while :; do
    if [ "$port" = "$first" ]; then
        exchange $round 0 0 0
    else
        receive_words # nothing is sent to the first port before it has asked: its driver might not be there
        [ $((${words%% *})) = $round ] || fail "round-$round-$words"
        wait_link 0 Y
        send_words $round 0 0 0
    fi
    [ $round -lt "$count" ] || break
    round=$((round + 1))
    [ "$port" = "$first" ] || continue
    for module in ntb_tool ntb_hw_idt ntb_ecfg ntb; do
        rmmod $module || fail "rmmod-$module"
    done
    load_driver
    start_tool
done
say "result reloads=$round"
