# SPDX-License-Identifier: GPL-2.0-or-later
# ntb_tool, both guests in step: bells and their masks, messages, the link, every window.

probe
start_tool
say run
peer=$(cat $debug/peer0/port)
if [ "$port" = "$first" ]; then actors="$port $peer"; else actors="$peer $port"; fi

own_bell_rings() { [ $(($(number $debug/db) & own)) -ne 0 ]; }
clear_own_bell() {
    echo "c $own" > $debug/db
    own_bell_rings && fail bell-not-cleared
}

# Each rings at the other, which has masked all bells and is interrupted when it unmasks its own.
own=$((1 << port))
all=$(number $debug/db_valid_mask)
echo "s $all" > $debug/db_mask
[ $(number $debug/db_mask) = "$all" ] || fail db-mask-not-set
together
echo "s $((1 << peer))" > $debug/peer_db
wait_for 60 own_bell_rings || fail no-bell
together
echo "c $own" > $debug/db_mask
clear_own_bell
echo "c $all" > $debug/db_mask

greeting() { printf '0x%08x 0x%08x 0x%08x 0x%08x' $((0x5a000000 + ($1 << 8))) $((0x5a000001 + ($1 << 8))) \
    $((0x5a000002 + ($1 << 8))) $((0x5a000003 + ($1 << 8))); }

# Masked messages arrive, and interrupt when they are unmasked.
echo "s $inbits" > $debug/msg_mask
together
send_words $(greeting "$port")
wait_for 120 inbox_is_full || fail no-messages
echo "c $inbits" > $debug/msg_mask
receive_words
[ "$words" = "$(greeting "$peer")" ] || fail "messages-$words"

# A second message to a register that is full is refused, and the first one stays. First the first port sends, then the other one.
was_refused() { [ $(($(number $debug/msg_sts) & 1)) -ne 0 ]; }
for actor in $actors; do
    together
    if [ "$port" = $actor ]; then
        send 0 0x5b000001
        echo 0x5b000002 > $debug/peer0/msg0
        was_refused || fail message-not-refused
        echo "c 1" > $debug/msg_sts
        was_refused && fail refusal-not-cleared
        echo "s $((1 << peer))" > $debug/peer_db
    else
        wait_for 60 own_bell_rings || fail no-bell
        clear_own_bell
        message=$(cat $debug/msg0)
        [ $((${message%%<*})) = $((0x5b000001)) ] || fail "message-$message-overwritten"
        echo "c $((inbits & -inbits))" > $debug/msg_sts
    fi
done

# The first port takes the link down and up again, then the other one; messages pass all the while.
for actor in $actors; do
    together
    if [ "$port" = $actor ]; then
        echo N > $debug/link
        wait_link 0 N
        together
        echo Y > $debug/link
    else
        wait_link 0 N
        together
    fi
    wait_link 0 Y
done

# field NAME FILE: a number out of what ntb_tool says of a window
field() { sed -n "s/^$1[ \t]*\(0x[0-9a-f]*\).*/\1/p" "$2"; }

fresh() { dd if=/dev/urandom of="$1" bs="$2" count=1 2>/dev/null; }

# window INDEX: each guest has a buffer there; `/sent` and `/seen` get the hashes of what was written, and of what the
# peer's writing left in the buffer.
window() {
    here=$debug/peer0/mw$1 there=$debug/peer0/peer_mw$1
    echo $((1 << order)) > $debug/peer0/mw_trans$1 || fail "window$1-buffer"
    address=$(field 'DMA Address' $debug/peer0/mw_trans$1)
    size=$(field 'Window Size' $debug/peer0/mw_trans$1)
    exchange $((address >> 32)) $((address & 0xffffffff)) $((size)) 0
    set -- "$1" $words
    echo "$(($2 << 32 | $3)):$(($4))" > $debug/peer0/peer_mw_trans$1 || fail "window$1-translation"
    together

    fresh /data $(($4))
    dd if=/data of=$there bs=$(($4)) 2>/dev/null || fail "window$1-write"
    hash=$(hash_of_input < /data)
    echo "$hash" >> /sent
    exchange $(as_words "$hash")
    hash=$(dd if=$here bs=$((size)) count=1 2>/dev/null | hash_of_input)
    echo "$hash" >> /seen
    [ "$words" = "$(as_words "$hash")" ] || fail "window$1-written-differs"

    dd if=$there of=/back bs=$(($4)) count=1 2>/dev/null || fail "window$1-read"
    cmp -s /data /back || fail "window$1-read-back-differs"
    together
    fresh $here $((size))
    exchange $(as_words "$(dd if=$here bs=$((size)) count=1 2>/dev/null | hash_of_input)")
    hash=$(dd if=$there bs=$(($4)) count=1 2>/dev/null | hash_of_input)
    [ "$words" = "$(as_words "$hash")" ] || fail "window$1-read-differs"
    together
    echo 0:0 > $debug/peer0/peer_mw_trans$1 # removing ntb_tool with a translation set is an oops
    echo 0 > $debug/peer0/mw_trans$1
}

windows=0
while [ -e $debug/peer0/mw_trans$windows ]; do
    window $windows
    windows=$((windows + 1))
done
[ $windows -gt 0 ] || fail no-windows
say "result bells=ok masks=ok messages=ok link=ok windows=$windows sent=$(hash_of_input < /sent) seen=$(hash_of_input < /seen)"
