# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces for other programs: pcapng, the Wireshark dissector and the scapy layers that read it."""
