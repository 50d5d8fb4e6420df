# SPDX-License-Identifier: GPL-2.0-or-later
# A shell on the console, whose end is the guest's.

probe
say shell
setsid cttyhack sh
obey
