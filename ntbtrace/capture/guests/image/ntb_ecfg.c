// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ntb_ecfg: extended configuration space for an IDT NT function whose host shows only the first 256 bytes.
 *
 * ntb_hw_idt reads BARSETUP0 at 0x470 before it touches the device; QEMU's x-pci-proxy-dev is a conventional PCI device
 * and never forwards that read. This module sends accesses from 0x100 on through ECFGADDR and ECFGDATA instead, the
 * chip's own indirect pair for such hosts. On x86 the accessors do not run under pci_lock, hence a lock of our own.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/spinlock.h>

#define ECFGADDR 0xF8
#define ECFGDATA 0xFC
#define MAX_BUSES 8

struct bus_entry {
	struct pci_bus *bus;
	struct pci_ops *before;
};

static struct bus_entry entries[MAX_BUSES];
static int entry_count;
static DEFINE_RAW_SPINLOCK(pair_lock);

/* What the bus had before; a bus that came since, below one of ours, took over its parent's operations. */
static struct pci_ops *ops_before(struct pci_bus *bus)
{
	int i;

	for (; bus; bus = bus->parent)
		for (i = 0; i < entry_count; i++)
			if (entries[i].bus == bus)
				return entries[i].before;
	return NULL;
}

static bool is_ntb(struct pci_ops *ops, struct pci_bus *bus, unsigned int devfn)
{
	u32 id = 0, class = 0;

	ops->read(bus, devfn, PCI_VENDOR_ID, 2, &id);
	if (id != PCI_VENDOR_ID_IDT)
		return false;
	ops->read(bus, devfn, PCI_CLASS_DEVICE, 2, &class);
	return class == PCI_CLASS_BRIDGE_OTHER;
}

/* Points ECFGADDR at the register; to be called, like the access to ECFGDATA that follows, under pair_lock. */
static int select_register(struct pci_ops *ops, struct pci_bus *bus, unsigned int devfn, int where)
{
	return ops->write(bus, devfn, ECFGADDR, 4, where & ~3);
}

static int ecfg_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	struct pci_ops *ops = ops_before(bus);
	unsigned long flags;
	int ret;

	if (where < 0x100 || !is_ntb(ops, bus, devfn))
		return ops->read(bus, devfn, where, size, value);
	raw_spin_lock_irqsave(&pair_lock, flags);
	ret = select_register(ops, bus, devfn, where);
	if (!ret)
		ret = ops->read(bus, devfn, ECFGDATA + (where & 3), size, value);
	raw_spin_unlock_irqrestore(&pair_lock, flags);
	return ret;
}

static int ecfg_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	struct pci_ops *ops = ops_before(bus);
	unsigned long flags;
	int ret;

	if (where < 0x100 || !is_ntb(ops, bus, devfn))
		return ops->write(bus, devfn, where, size, value);
	raw_spin_lock_irqsave(&pair_lock, flags);
	ret = select_register(ops, bus, devfn, where);
	if (!ret)
		ret = ops->write(bus, devfn, ECFGDATA + (where & 3), size, value);
	raw_spin_unlock_irqrestore(&pair_lock, flags);
	return ret;
}

static struct pci_ops ecfg_ops = {
	.read = ecfg_read,
	.write = ecfg_write,
};

static int take_over(struct pci_bus *bus)
{
	if (bus->ops == &ecfg_ops)
		return 0;
	if (entry_count == MAX_BUSES)
		return -ENOSPC;
	/* The entry first: from the exchange on, other CPUs look it up. */
	entries[entry_count].before = bus->ops;
	entries[entry_count++].bus = bus;
	pci_bus_set_ops(bus, &ecfg_ops);
	return 0;
}

static void give_back(struct pci_bus *bus)
{
	struct pci_bus *child;

	if (bus->ops == &ecfg_ops)
		pci_bus_set_ops(bus, ops_before(bus));
	list_for_each_entry(child, &bus->children, node)
		give_back(child);
}

static int __init ecfg_init(void)
{
	struct pci_dev *pdev = NULL;

	pci_lock_rescan_remove();
	while ((pdev = pci_get_device(PCI_VENDOR_ID_IDT, PCI_ANY_ID, pdev))) {
		if (pdev->class >> 8 != PCI_CLASS_BRIDGE_OTHER)
			continue;
		if (take_over(pdev->bus)) {
			pci_warn(pdev, "no extended configuration space: over %d buses\n", MAX_BUSES);
			continue;
		}
		pdev->cfg_size = PCI_CFG_SPACE_EXP_SIZE;
		pci_info(pdev, "extended configuration space by ECFGADDR and ECFGDATA\n");
	}
	pci_unlock_rescan_remove();
	return 0;
}

static void __exit ecfg_exit(void)
{
	struct pci_bus *root = NULL;

	pci_lock_rescan_remove();
	while ((root = pci_find_next_bus(root)))
		give_back(root);
	pci_unlock_rescan_remove();
}

module_init(ecfg_init);
module_exit(ecfg_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Extended configuration space of IDT NT functions by ECFGADDR and ECFGDATA");
