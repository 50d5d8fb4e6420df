# SPDX-License-Identifier: GPL-2.0-or-later
"""The DMA engine of a PLX ExpressLane switch, as drivers/dma/plx_dma.c (Linux 6.1) drives it: function 1 of a port."""
