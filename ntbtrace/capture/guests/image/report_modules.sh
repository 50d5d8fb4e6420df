#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# insmod and rmmod (by the name it is called by), and a report for `record --guest-pc`: what is where in the kernel.

say() { echo "<6>ntbtrace: $*" > /dev/kmsg; }

name=${1##*/}
name=$(echo "${name%.ko}" | tr - _)
case ${0##*/} in
insmod)
    say "loading $name"
    busybox insmod "$@" || exit
    directory=/sys/module/$name
    build=$(hexdump -v -s 16 -e '1/1 "%02x"' $directory/notes/.note.gnu.build-id 2>/dev/null)
    sections=
    for file in $directory/sections/.*text*; do
        [ -e "$file" ] && sections="$sections ${file##*/}=$(cat "$file")"
    done
    size=$(($(cat $directory/coresize) + $(cat $directory/initsize)))
    say "module $name ${build:--} $size$sections"
    ;;
rmmod)
    busybox rmmod "$@" || exit
    say "unloaded $name"
    ;;
kernel) # the helpers through which modules reach devices; fixed strings first, the guest is slow
    grep -A3 -F -e ioread -e iowrite -e memcpy -e memset -e memmove /proc/kallsyms |
        awk -v release="$(uname -r)" '
            function flush() {
                if (count) print "<6>ntbtrace: kernel " release line > "/dev/kmsg"
                close("/dev/kmsg")
                line = ""
                count = 0
            }
            $1 == "--" { name = ""; next }
            name != "" && $1 != start { line = line " " start "-" $1 ":" name; count++; name = "" }
            $2 ~ /^[tT]$/ && $3 ~ /^_*(io(read|write)|mem(cpy|set|move))[0-9a-z_]*$/ { start = $1; name = $3 }
            count == 12 { flush() }
            END { flush() }'
    ;;
esac
