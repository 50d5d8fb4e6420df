# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's ntb_test.sh in loopback, `count` times: both ports are in this guest.

# program NAME: from the input, in place of busybox's
program() {
    rm -f "/bin/$1"
    cat > "/bin/$1"
    chmod +x "/bin/$1"
}

# busybox's takes no hexadecimal number
program cmp <<'EOF'
#!/bin/sh
[ "$1" = -n ] && limit=$(($2)) && shift 2
busybox cmp ${limit:+-n $limit} "$@"
EOF
# busybox's wants to remove ntb too, which ntb_hw_idt uses
program modprobe <<'EOF'
#!/bin/sh
[ "$1" = -r ] && exec rmmod "$2"
module=$1
shift
exec insmod "/lib/modules/$module.ko" "$@"
EOF

probe
set --
for entry in /sys/bus/pci/drivers/ntb_hw_idt/*:*; do
    set -- "$@" "${entry##*/}"
done
[ $# = 2 ] || fail "devices-$#"
say run
round=0 passed=0
while [ $round -lt "$count" ]; do
    round=$((round + 1))
    timeout 120 bash /bin/ntb_test.sh -p 16 "$@" > /log 2>&1 || fail "round$round-$(tail -n 1 /log | tr ' ' -)"
    passed=$((passed + $(grep -c '^  Passed' /log)))
done
say "result rounds=$round passed=$passed"
