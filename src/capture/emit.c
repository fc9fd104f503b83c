/* emit.c - which calls translated code makes.
 *
 * Two ways: a call for each access, which needs nothing but the plugin interface; or a few calls for each block (block.h), of stubs
 * that know the program's registers (stub.h).  Where QEMU keeps those is no part of the interface, so it is tried: the first blocks
 * are recorded in the plain way, and each access whose address block.c could tell is compared with what the registers say.  When
 * enough of them agree, the other way is taken from then on; when one does not, never.
 *
 *      1.  The usual path of a call has one branch for "this access may reach into another page", one for "the stage is full".
 *      2.  An access that does reach into another page gives a second reference, to the first byte there. */
#include "emit.h"
#include "lane.h"
#include "stub.h"
#include "x86.h"
#include <sys/mman.h>

enum { PAGE_BYTES = 4096, ACCESS_MAX = 16, INFO_STORE_SHIFT = 17, TRIED_ENOUGH = 256 };

static enum { WAY_PLAIN, WAY_TRYING, WAY_STUBS } way;
static qemu_plugin_vcpu_mem_cb_t each_access;

/* ---- one access ---- */

/* May an access of at most 16 bytes at va reach into the next page? */
static inline __attribute__((always_inline)) bool may_cross(uint64_t va)
{
	return __builtin_expect(va % PAGE_BYTES > PAGE_BYTES - ACCESS_MAX, 0);
}

/* What seldom follows an access: it touches a second page; the stage is full. */
static __attribute__((noinline, cold)) void put_rest(struct ring_lane *lane, qemu_plugin_meminfo_t info, uint64_t va,
                                                     uint64_t kind)
{
	if (lane_is_full(lane, lane->cursor))
		lane_full(lane);
	if (va % PAGE_BYTES + (1u << qemu_plugin_mem_size_shift(info)) > PAGE_BYTES)
		lane_put(lane, ref_make(vaddr(va / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES), kind).word);
}

static inline __attribute__((always_inline)) void put_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, uint64_t kind)
{
	struct ring_lane *lane = lane_of(vcpu);
	ref_t *at = lane->cursor;
	at->word = va << REF_KIND_BITS | kind;
	lane_move(lane, at + 1);
	if (lane_is_full(lane, at + 1) || may_cross(va))
		put_rest(lane, info, va, kind);
}

/* QEMU says in one bit of info whether an access is a store.  Which one is no part of the interface: it is tried at the start. */
static void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	(void)userdata;
	put_access(vcpu, info, va, info >> INFO_STORE_SHIFT & 1);
}

static void on_access_unknown(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	(void)userdata;
	put_access(vcpu, info, va, qemu_plugin_mem_is_store(info) ? ACCESS_STORE : ACCESS_LOAD);
}

static void on_start(unsigned vcpu, void *userdata) { lane_put(lane_of(vcpu), (uintptr_t)userdata); }

static void register_access(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t f, enum qemu_plugin_mem_rw rw, void *data)
{
	qemu_plugin_register_vcpu_mem_cb(insn, f, QEMU_PLUGIN_CB_NO_REGS, rw, data);
}

/* The address of the last byte of the block. */
static uint64_t block_last(const struct qemu_plugin_tb *tb)
{
	const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, qemu_plugin_tb_n_insns(tb) - 1);
	return qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last) - 1;
}

static void emit_plain(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	for (uint64_t va = qemu_plugin_tb_vaddr(tb); va <= block_last(tb); va = va / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_start, QEMU_PLUGIN_CB_NO_REGS, (void *)ref_make(vaddr(va), ACCESS_FETCH).word);
	for (size_t i = 0; i < n; i++)
		register_access(qemu_plugin_tb_get_insn(tb, i), each_access, QEMU_PLUGIN_MEM_RW, NULL);
}

/* ---- trying ---- */

static qemu_plugin_vcpu_mem_cb_t try_access, try_first;
static qemu_plugin_vcpu_udata_cb_t try_start;
static uint64_t start_registers[X86_REGS];
static uint32_t n_agreed, n_differed;

/* Can the registers be there at all? */
static bool registers_readable(const uint64_t *registers)
{
	static const uint64_t *readable;
	uintptr_t page = (uintptr_t)registers / PAGE_BYTES * PAGE_BYTES;
	unsigned char in_memory[2];
	if (registers != readable && (uintptr_t)registers % sizeof(*registers) == 0 &&
	    mincore((void *)page, (uintptr_t)(registers + X86_REGS) - page, in_memory) == 0)
		readable = registers;
	return registers == readable;
}

/* An access that can be compared, in one word: disp (32 bits), scale, index, base (8 each).  => NULL: it cannot. */
static void *comparable(const struct x86_insn *x)
{
	const struct x86_access *a = &x->access[0];
	bool tells = x->known && x->n_accesses == 1 && !a->segment && a->base != X86_NONE && a->disp == (int32_t)a->disp;
	uint64_t parts = (uint64_t)a->scale << 16 | (uint64_t)(uint8_t)a->index << 8 | 1u << 7 | (uint8_t)a->base;
	return tells ? (void *)(uintptr_t)((uint64_t)a->disp << 32 | parts) : NULL;
}

static void compare(const uint64_t *registers, void *data, uint64_t va)
{
	uint64_t parts = (uintptr_t)data, base = registers[parts & 15];
	int8_t index = (int8_t)(parts >> 8);
	uint64_t scaled = index == X86_NONE ? 0 : registers[index & 15] << (parts >> 16 & 3);
	if (base + scaled + (uint64_t)((int64_t)parts >> 32) == va)
		n_agreed++;
	else
		n_differed++;
}

static void on_try_start(const uint64_t *registers, void *data, uint64_t va)
{
	(void)data, (void)va;
	if (registers_readable(registers))
		memcpy(start_registers, registers, sizeof(start_registers));
	else
		n_differed++;
}

/* Of the first instruction of a block: the registers at the start are those before it. */
static void on_try_first(const uint64_t *registers, void *data, uint64_t va)
{
	(void)registers;
	compare(start_registers, data, va);
}

static void on_try_access(const uint64_t *registers, void *data, uint64_t va)
{
	if (registers_readable(registers))
		compare(registers, data, va);
	else
		n_differed++;
}

static void emit_trying(struct qemu_plugin_tb *tb)
{
	emit_plain(tb);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, try_start, QEMU_PLUGIN_CB_NO_REGS, NULL);
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		struct x86_insn x;
		x86_decode(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn), qemu_plugin_insn_vaddr(insn), &x);
		void *data = comparable(&x);
		if (data)
			register_access(insn, i ? try_access : try_first, QEMU_PLUGIN_MEM_RW, data);
	}
}

/* ---- blocks ---- */

/* => false: there is no room for a stub. */
static bool emit_stubs(struct qemu_plugin_tb *tb, const struct block *b)
{
	static struct {
		qemu_plugin_vcpu_mem_cb_t access;
		qemu_plugin_vcpu_udata_cb_t start;
		void *data;
	} stub[BLOCK_CALLS];
	for (uint32_t i = 0; i < b->n_calls; i++) {
		const struct block_call *c = &b->call[i];
		stub[i].access = c->kind == BLOCK_ACCESS ? stub_access(c, &stub[i].data) : each_access;
		stub[i].start = c->kind == BLOCK_START ? stub_start(c, &stub[i].data) : on_start;
		if (!stub[i].access || !stub[i].start)
			return false;
	}
	for (uint32_t i = 0; i < b->n_calls; i++) {
		const struct block_call *c = &b->call[i];
		/* Of a load and a store one is asked for.  Which one QEMU 7.2 then reports is not what it says, but it is one. */
		enum qemu_plugin_mem_rw rw = c->one_of_two ? QEMU_PLUGIN_MEM_R : QEMU_PLUGIN_MEM_RW;
		if (c->kind == BLOCK_START)
			qemu_plugin_register_vcpu_tb_exec_cb(tb, stub[i].start, QEMU_PLUGIN_CB_NO_REGS, stub[i].data);
		else
			register_access(qemu_plugin_tb_get_insn(tb, c->insn), stub[i].access, rw, stub[i].data);
	}
	return true;
}

void emit_block(struct qemu_plugin_tb *tb)
{
	static struct block b;
	if (way == WAY_TRYING && n_differed)
		way = WAY_PLAIN;
	else if (way == WAY_TRYING && n_agreed >= TRIED_ENOUGH)
		way = WAY_STUBS;
	if (way == WAY_TRYING)
		emit_trying(tb);
	else if (way == WAY_PLAIN || !block_plan(&b, tb) || !emit_stubs(tb, &b))
		emit_plain(tb);
}

void emit_threads(void) { stub_threads(); }

static bool info_store_bit_known(void)
{
	for (unsigned i = 0; i < 32; i++)
		if (qemu_plugin_mem_is_store(1u << i) != (i == INFO_STORE_SHIFT))
			return false;
	return true;
}

void emit_init(bool plain)
{
	each_access = info_store_bit_known() ? on_access : on_access_unknown;
	n_agreed = n_differed = 0;
	way = plain || !stub_init() ? WAY_PLAIN : WAY_TRYING;
	if (way == WAY_PLAIN)
		return;
	try_start = stub_start_probe(on_try_start);
	try_first = stub_access_probe(on_try_first);
	try_access = stub_access_probe(on_try_access);
}
