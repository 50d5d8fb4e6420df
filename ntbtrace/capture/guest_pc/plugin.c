// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which code of the guest made each access of a device: a plugin for QEMU's TCG, x86-64, one vCPU.
 *
 *     -plugin FILE.so,fd=N,low=ADDRESS,high=ADDRESS
 *
 * It writes a record (struct record) to file descriptor N for every access to a device in that range of physical
 * addresses: after the device's reply, before the vCPU's next access. Only kernel code is looked at, and only once a
 * kernel module runs: until then it costs nothing.
 *
 * The access mostly stands in a helper of the kernel (ioread32), so its callers matter more. Calls made by modules are
 * kept on shadow stacks, one for each kernel stack; a call tells its stack by where it pushes its return address. A
 * frame that is not certain ends the chain.
 *
 * The declarations are those of QEMU's plugin API, version 1 (QEMU 4.2 to 8), of which Debian ships no header.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct qemu_info qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
enum { CB_NO_REGS = 0 };
enum { MEM_W = 2, MEM_RW = 3 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned, void *), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      void (*cb)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *), int flags, int rw,
				      void *data);
void qemu_plugin_reset(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *address);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *address);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

#define KERNEL 0xffff800000000000ull
#define MODULES 0xffffffffc0000000ull /* up to the end; Documentation/x86/x86_64/mm.rst */
#define MODULES_END 0xffffffffff000000ull
#define STACK_BITS 14 /* a kernel stack has 16 KiB and is aligned to that */

#define HELPER 512 /* bytes of code that a helper (memcpy_toio) has at most */

enum { FRAMES = 11, STACKS = 256, DEPTH = 64, BUCKETS = 4096 };

struct record { /* stream.py: RECORD */
	uint64_t physical;
	uint8_t size, store, depth, zero[5];
	uint64_t frames[FRAMES];
};

enum end { OTHER, CALL, RETURN, JUMP, JUMP_ANYWHERE };

/* A translated block in module space. */
struct block {
	struct block *next;
	uint64_t start, last, behind; /* first and last instruction, the address behind it */
	uint64_t target; /* of a direct jump or call, else 0 */
	enum end end;
};

struct call {
	uint64_t slot; /* where the return address was pushed */
	uint64_t site, back; /* the call, and where it returns to */
	bool doubtful; /* it may have returned unseen */
};

struct stack {
	uint64_t key; /* of the kernel stack */
	unsigned depth;
	struct call calls[DEPTH];
};

static int out = -1;
static uint64_t low, high = ~0ull;
static struct block *blocks[BUCKETS];
static struct stack stacks[STACKS];
static unsigned used, oldest;
static struct stack *current; /* NULL: not known */
static struct block *latest; /* block of a module that began last */
static const struct block *calling; /* it, until its call has pushed */

static bool in_modules(uint64_t address)
{
	return address >= MODULES && address < MODULES_END;
}

/* Instructions */

static size_t skip_prefixes(const uint8_t *code, size_t size, bool *segment)
{
	size_t i = 0;

	for (; i < size; i++) {
		uint8_t byte = code[i];

		if (byte == 0x64 || byte == 0x65)
			*segment = true;
		else if (!(byte == 0x66 || byte == 0xf2 || byte == 0xf3 || byte == 0xf0 || byte == 0x2e ||
			   byte == 0x3e || byte == 0x26 || byte == 0x36 || (byte & 0xf0) == 0x40))
			break;
	}
	return i;
}

/* A plain move through a register, or a string instruction: all that drivers and the kernel's helpers use on devices. */
static bool may_touch_device(const uint8_t *code, size_t size)
{
	bool segment = false;
	size_t i = skip_prefixes(code, size, &segment);
	uint8_t op, modrm;

	if (segment || i >= size)
		return false;
	op = code[i++];
	if (op == 0xa4 || op == 0xa5 || op == 0xaa || op == 0xab || op == 0xac || op == 0xad)
		return true;
	if (op == 0x0f && i < size) {
		op = code[i++];
		if (op == 0x38 && i < size) {
			op = code[i++];
			if (op != 0xf0 && op != 0xf1)
				return false;
		} else if (op != 0xb6 && op != 0xb7 && op != 0xbe && op != 0xbf && op != 0xc3) {
			return false;
		}
	} else if (!(op >= 0x88 && op <= 0x8b) && op != 0xc6 && op != 0xc7 && op != 0x63) {
		return false;
	}
	if (i >= size)
		return false;
	modrm = code[i++];
	if (modrm >= 0xc0 || (modrm & 0xc7) == 0x05) /* a register; relative to the instruction */
		return false;
	return (modrm & 7) != 4 || (i < size && (code[i] & 7) != 4); /* the stack */
}

static void set_end(struct block *block, const uint8_t *code, size_t size)
{
	bool segment = false;
	size_t i = skip_prefixes(code, size, &segment);
	int32_t distance;
	uint8_t op, more;

	block->end = OTHER;
	block->target = 0;
	if (i >= size)
		return;
	op = code[i];
	more = i + 1 < size ? code[i + 1] : 0;
	if (op == 0xe8 || op == 0xe9 || (op == 0x0f && (more & 0xf0) == 0x80)) {
		memcpy(&distance, code + size - 4, 4);
		block->target = block->behind + distance;
		block->end = op == 0xe8 ? CALL : JUMP;
	} else if (op == 0xeb || (op & 0xf0) == 0x70) {
		block->target = block->behind + (int8_t)code[size - 1];
		block->end = JUMP;
	} else if (op == 0xff && (more & 0x38) == 0x10) {
		block->end = CALL;
	} else if (op == 0xff && (more & 0x38) == 0x20) {
		block->end = JUMP_ANYWHERE;
	} else if (op == 0xc3 || op == 0xc2) {
		block->end = RETURN;
	}
}

/* Calls */

static struct stack *stack_of(uint64_t slot)
{
	uint64_t key = slot >> STACK_BITS;
	struct stack *stack;

	if (current && current->key == key)
		return current;
	for (unsigned i = 0; i < used; i++)
		if (stacks[i].key == key)
			return &stacks[i];
	if (used < STACKS) {
		stack = &stacks[used++];
	} else { /* an empty one, or the one that has been here for longest */
		stack = NULL;
		for (unsigned i = 0; i < STACKS && !stack; i++)
			if (!stacks[i].depth)
				stack = &stacks[i];
		if (!stack)
			stack = &stacks[oldest++ % STACKS];
	}
	stack->key = key;
	stack->depth = 0;
	return stack;
}

/*
 * A block's last instruction, a call, pushes its return address. QEMU also comes here when it pushes the state of an
 * interrupt that is taken behind that call; that is not ours.
 */
static void on_call(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t slot, void *data)
{
	const struct block *block = data;
	struct stack *stack;

	(void)cpu, (void)info;
	if (calling != block)
		return;
	calling = NULL;
	stack = stack_of(slot);
	while (stack->depth && stack->calls[stack->depth - 1].slot <= slot)
		stack->depth--; /* what was there before is gone */
	if (stack->depth == DEPTH) {
		memmove(stack->calls, stack->calls + 1, (DEPTH - 1) * sizeof(stack->calls[0]));
		stack->depth--;
	}
	stack->calls[stack->depth++] = (struct call){ slot, block->last, block->behind, false };
	current = stack;
}

static bool returns_to(const struct stack *stack, uint64_t address)
{
	return stack->depth && stack->calls[stack->depth - 1].back == address;
}

static bool leads_to(const struct block *from, const struct block *to)
{
	switch (from->end) {
	case JUMP:
		return to->start == from->target || to->start == from->behind;
	case CALL:
		return to->start == from->target;
	case OTHER:
		return to->start == from->behind || to->start == from->start;
	case JUMP_ANYWHERE:
		return true;
	default:
		return false;
	}
}

static void on_block(unsigned cpu, void *data)
{
	struct block *block = data;
	struct stack *found = NULL;
	unsigned many = 0;

	(void)cpu;
	if (!latest || !leads_to(latest, block)) { /* a return, another task, an interrupt, or the kernel called */
		for (unsigned i = 0; i < used; i++)
			if (returns_to(&stacks[i], block->start)) {
				found = &stacks[i];
				many++;
			}
		if (many == 1) {
			found->depth--;
			current = found;
		} else {
			current = NULL;
			for (unsigned i = 0; many && i < used; i++)
				if (returns_to(&stacks[i], block->start))
					stacks[i].calls[stacks[i].depth - 1].doubtful = true;
		}
	}
	calling = latest = block;
}

/* Accesses */

static void send(const struct record *record)
{
	const char *data = (const char *)record;
	size_t left = sizeof(*record);

	while (left && out >= 0) {
		ssize_t done = write(out, data, left);

		if (done <= 0) {
			close(out); /* the recorder is gone */
			out = -1;
			return;
		}
		data += done;
		left -= done;
	}
}

static void add_callers(struct record *record, const struct stack *stack)
{
	for (unsigned i = stack ? stack->depth : 0; i-- && record->depth < FRAMES && !stack->calls[i].doubtful;)
		record->frames[record->depth++] = stack->calls[i].site;
}

static void on_access(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
	uint64_t pc = (uintptr_t)data;
	struct qemu_plugin_hwaddr *address;
	struct record record;

	(void)cpu;
	if (vaddr < KERNEL || out < 0)
		return;
	address = qemu_plugin_get_hwaddr(info, vaddr);
	if (!address || !qemu_plugin_hwaddr_is_io(address))
		return;
	record = (struct record){ .physical = qemu_plugin_hwaddr_phys_addr(address), .depth = 1, .frames = { pc } };
	if (record.physical < low || record.physical >= high)
		return;
	record.size = 1 << qemu_plugin_mem_size_shift(info);
	record.store = qemu_plugin_mem_is_store(info);
	if (in_modules(pc)) {
		add_callers(&record, current);
	} else if (latest && latest->end == JUMP && pc - latest->target < HELPER) {
		record.frames[record.depth++] = latest->last; /* a tail call of this helper, no jump to a thunk */
		add_callers(&record, current);
	} else if (latest && latest->end == CALL && current && current->depth &&
		   current->calls[current->depth - 1].site == latest->last) {
		add_callers(&record, current);
	}
	send(&record);
}

/* Translation */

static struct block *block_of(struct qemu_plugin_tb *tb, size_t count)
{
	struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, count - 1);
	struct block block = { .start = qemu_plugin_tb_vaddr(tb), .last = qemu_plugin_insn_vaddr(insn) };
	struct block **bucket = &blocks[block.start / 4 % BUCKETS], *found;

	block.behind = block.last + qemu_plugin_insn_size(insn);
	set_end(&block, qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn));
	for (found = *bucket; found; found = found->next)
		if (found->start == block.start && found->last == block.last && found->behind == block.behind &&
		    found->end == block.end && found->target == block.target)
			return found;
	found = malloc(sizeof(*found));
	if (!found)
		abort();
	block.next = *bucket;
	*found = block;
	*bucket = found;
	return found;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);
	uint64_t start = qemu_plugin_tb_vaddr(tb);

	(void)id;
	if (start < KERNEL || !count)
		return;
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (may_touch_device(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn)))
			qemu_plugin_register_vcpu_mem_cb(insn, on_access, CB_NO_REGS, MEM_RW,
							 (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
	}
	if (in_modules(start)) {
		struct block *block = block_of(tb, count);

		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_NO_REGS, block);
		if (block->end == CALL)
			qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, count - 1), on_call, CB_NO_REGS, MEM_W,
							 block);
	}
}

static void watch(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
}

/* Until a module runs nothing is instrumented; then all that was translated is thrown away. */
static void on_early_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static bool asked;

	if (!asked && in_modules(qemu_plugin_tb_vaddr(tb))) {
		asked = true;
		qemu_plugin_reset(id, watch);
	}
}

static bool option(const char *argument, const char *name, uint64_t *value)
{
	size_t length = strlen(name);
	char *end;

	if (strncmp(argument, name, length) || argument[length] != '=')
		return false;
	*value = strtoull(argument + length + 1, &end, 0);
	return !*end;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	static const char hello[8] = "NTBPC1\n"; /* stream.py: HELLO */
	uint64_t number = 0;

	(void)info;
	for (int i = 0; i < argc; i++)
		if (option(argv[i], "fd", &number))
			out = number;
		else if (!option(argv[i], "low", &low) && !option(argv[i], "high", &high))
			return -1;
	if (out < 0 || write(out, hello, sizeof(hello)) != sizeof(hello))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_early_translation);
	return 0;
}
