# SPDX-License-Identifier: GPL-2.0-or-later
# Bells, messages and window writes from both sides at once, `count` of each.

probe
start_tool
say run
own=$((1 << port))
other=$((1 << $(cat $debug/peer0/port)))
here=$debug/peer0/mw0 there=$debug/peer0/peer_mw0
echo 4096 > $debug/peer0/mw_trans0
address=$(sed -n 's/^DMA Address[ \t]*\(0x[0-9a-f]*\).*/\1/p' $debug/peer0/mw_trans0)
exchange $((address >> 32)) $((address & 0xffffffff)) 0 0
set -- $words
echo "$(($1 << 32 | $2)):4096" > $debug/peer0/peer_mw_trans0
echo "c $own" > $debug/db_mask
together

each() {
    i=0
    while [ $i -lt "$count" ]; do
        "$1" $i || exit 1
        i=$((i + 1))
    done
}
ring() {
    echo "s $other" > $debug/peer_db
    echo "c $own" > $debug/db
}
say_number() { send 0 "$1"; }
message_is_in() { [ $(($(number $debug/msg_sts) & inbits & -inbits)) -ne 0 ]; }
hear_number() { # each arrives, once and in order
    until message_is_in; do :; done
    message=$(cat $debug/msg0)
    echo "c $((inbits & -inbits))" > $debug/msg_sts
    [ $((${message%%<*})) = "$1" ]
}
block() { printf '%0256d' $(($1 << 8 | port)); }
fill() { block "$1" > $there; }

jobs=
for job in ring say_number hear_number fill; do
    each $job &
    jobs="$jobs $!"
done
for job in $jobs; do
    wait "$job" || fail storm
done
together
last=$(block $((count - 1)) | hash_of_input)
exchange $(as_words "$last")
[ "$words" = "$(as_words "$(dd if=$here bs=256 count=1 2>/dev/null | hash_of_input)")" ] || fail window-differs
echo 0:0 > $debug/peer0/peer_mw_trans0
echo 0 > $debug/peer0/mw_trans0
say "result bells=$count messages=$count blocks=$count"
