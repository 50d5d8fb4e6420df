# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's ntb_test.sh in loopback, `count` times: both ports are in this guest.

probe
set --
for entry in /sys/bus/pci/drivers/ntb_hw_idt/*:*; do
    set -- "$@" "${entry##*/}"
done
[ $# = 2 ] || fail "devices-$#"
modules=/lib/modules/$(uname -r)
mkdir -p "$modules"
for module in /lib/modules/*.ko; do
    ln -s "$module" "$modules"
done
depmod
say run
round=0 passed=0
while [ $round -lt "$count" ]; do
    round=$((round + 1))
    timeout 120 bash /bin/ntb_test.sh -p 16 "$@" > /log 2>&1 || fail "round$round-$(tail -n 1 /log | tr ' ' -)"
    passed=$((passed + $(grep -c '^  Passed' /log)))
done
say "result rounds=$round passed=$passed"
