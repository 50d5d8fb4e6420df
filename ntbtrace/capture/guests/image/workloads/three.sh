# SPDX-License-Identifier: GPL-2.0-or-later
# Each guest rings and sends to each other one, and checks who sent what came. A guest sends in the message register of
# its own number, so that two senders never meet in one.

probe
start_tool
say run
number_of() { # of a port, from 0: how many stand before it
    before=0
    for entry in "$port" $(cat $debug/peer[0-9]*/port); do
        [ "$entry" -ge "$1" ] || before=$((before + 1))
    done
    echo $before
}
bell() { echo $((1 << 8 * $(number_of "$1") + $(number_of "$2"))); } # bell FROM TO
self=$(number_of "$port")
peers=0 expected=0 inbox=0
for directory in $debug/peer[0-9]*; do
    other=$(cat $directory/port)
    index=${directory##*peer}
    echo "s $(bell "$port" "$other")" > $debug/peer_db
    send "$self" $((0x73000000 | port << 8 | other)) "$index"
    expected=$((expected | $(bell "$other" "$port")))
    inbox=$((inbox | (inbits & -inbits) << $(number_of "$other")))
    peers=$((peers + 1))
done
bells_are_in() { [ $(($(number $debug/db) & expected)) = $expected ]; }
messages_are_in() { [ $(($(number $debug/msg_sts) & inbox)) = $inbox ]; }
wait_for 120 bells_are_in || fail no-bells
wait_for 120 messages_are_in || fail no-messages
for directory in $debug/peer[0-9]*; do
    other=$(cat $directory/port)
    message=$(cat $debug/msg$(number_of "$other"))
    wanted=$(printf '0x%08x<-%d' $((0x73000000 | other << 8 | port)) "${directory##*peer}")
    [ "$message" = "$wanted" ] || fail "message-$message-not-$wanted"
done
echo "c $expected" > $debug/db
echo "c $inbox" > $debug/msg_sts
say "result peers=$peers bells=ok messages=ok"
