# SPDX-License-Identifier: GPL-2.0-or-later
# What the workloads share: waiting, ntb_tool's link and messages, ntb_perf's run.

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
    left=$(($1 * 50))
    shift
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        usleep 20000
    done
}

# number FILE: its hexadecimal content as a decimal number; by one read, since the content may change until the next
number() { echo $(($(head -n 1 "$1"))); }

hash_of_input() {
    sum=$(sha256sum)
    echo "${sum%% *}"
}

# wait_link PEER Y|N: until ntb_tool sees the link to that peer so
wait_link() { timeout 120 sh -c "echo $2 > $debug/peer$1/link_event" || fail "no-link-$2-peer$1"; }

# Loads ntb_tool and waits for the link to every peer.
start_tool() {
    load ntb_tool
    debug=/sys/kernel/debug/ntb_tool/$device
    inbits=$(number $debug/msg_inbits)
    echo Y > $debug/link
    for directory in $debug/peer[0-9]*; do
        wait_link "${directory##*peer}" Y
    done
}

# send INDEX VALUE [PEER]: a message, written again while it is refused because the peer has not read the last one
send() {
    bit=$((1 << $1))
    while :; do
        echo "c $bit" > $debug/msg_sts
        echo "$2" > $debug/peer${3:-0}/msg$1
        [ $(($(number $debug/msg_sts) & bit)) -eq 0 ] && return
    done
}

inbox_is_full() { [ $(($(number $debug/msg_sts) & inbits)) -eq "$inbits" ]; }

# send_words WORD WORD WORD WORD: to peer 0
send_words() {
    for index in 0 1 2 3; do
        send $index "$1"
        shift
    done
}

# receive_words: what peer 0 sends becomes `words`
receive_words() {
    wait_for 120 inbox_is_full || fail no-messages
    words=
    for index in 0 1 2 3; do
        message=$(cat $debug/msg$index)
        words="$words ${message%%<*}"
    done
    words=${words# }
    echo "c $inbits" > $debug/msg_sts
}

exchange() {
    send_words "$@"
    receive_words
}

# together: goes on when peer 0 has come here too
together() { exchange 0 0 0 0; }

# as_words HASH: its first 128 bits
as_words() { echo "$1" | sed 's/^\(.\{8\}\)\(.\{8\}\)\(.\{8\}\)\(.\{8\}\).*/0x\1 0x\2 0x\3 0x\4/'; }

# load_perf MODULE
load_perf() {
    chunk=$order
    [ "$chunk" -le 19 ] || chunk=19
    load "$1" total_order="$order" chunk_order="$chunk"
    debug=/sys/kernel/debug/ntb_perf/$device
    [ -d "$debug" ] || debug=/sys/kernel/debug/$1/$device
}

# run_perf: sets `copied` and `usecs`
run_perf() {
    timeout 240 sh -c "echo 0 > $debug/run" || fail perf-run
    result=$(sed -n 's/.*copied \([0-9]*\) bytes in \([0-9]*\) usecs.*/copied=\1 usecs=\2/p' $debug/run)
    [ -n "$result" ] || fail perf-no-result
    eval "$result"
}
