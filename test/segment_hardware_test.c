/* segment_hardware_test.c - our segment registers against those of the processor this runs on.
 *
 * Problem: the manual can be read wrongly, and a model by the same hand would be wrong in the same way.
 * Idea: Linux lets a program write its own LDT (modify_ldt).  Random descriptors are written there and read back raw; our unit gets
 * the same eight bytes.  Then both load selectors and access memory: the processor in a stub of 32-bit code, where segments count,
 * from which a signal handler comes back with the number of the exception, its error code and the address of a page fault.
 *
 *      64-bit test --far return--> stub: load register, access, far jump back
 *                                    \ #GP, #NP, #SS, #PF -> signal -> siglongjmp
 *
 * It needs an x86-64 Linux with modify_ldt; all descriptors there have DPL 3, so privilege is tested elsewhere (segment_test.c). */
#include "../src/base/rng.h"
#include "../src/machine/segment.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#ifdef __x86_64__
#include <asm/ldt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define SEED 20261121u
enum { ENTRIES = 12, CODE_ENTRY = 12, ALL = 13, AREA = 1 << 17, ROUNDS = 60, TRIES = 60, USER_DS = 0x2b, USER_CS = 0x33 };

/* What the processor said: vector 0 is no exception. */
struct said {
	int vector;
	unsigned error;
	uint64_t address;
};

static struct {
	sigjmp_buf back;
	struct said said;
	uint8_t *area;           /* below 4 GiB, the middle of the segments' memory */
	uint8_t *stub;
	uint64_t ldt[ALL];
	struct segment_unit unit;
} lab;

static void trapped(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *u = context;
	(void)signal;
	lab.said = (struct said){ (int)u->uc_mcontext.gregs[REG_TRAPNO], (unsigned)u->uc_mcontext.gregs[REG_ERR],
		                  (uint64_t)info->si_addr };
	siglongjmp(lab.back, 1);
}

/* ---- the stub ---- */

static const uint8_t prefixes[SEGMENT_REGISTERS] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };

/* mov eax to a register; an access at ecx through it; ss and ds back; far jump to 64-bit code, which returns. */
static void stub_write(enum segment_name r, bool access, enum access_kind kind, unsigned bytes)
{
	uint8_t *at = lab.stub;
	uint8_t *back = lab.stub + 128;
	uint32_t target = (uint32_t)(uintptr_t)back;
	*at++ = 0x8e, *at++ = (uint8_t)(0xc0 | r << 3);
	if (access) {
		*at++ = prefixes[r];
		if (bytes == 2)
			*at++ = 0x66;
		*at++ = (uint8_t)((kind == ACCESS_STORE ? 0x88 : 0x8a) | (bytes > 1));
		*at++ = 0x11; /* edx, [ecx] */
	}
	static const uint8_t restore[] = { 0xbe, USER_DS, 0, 0, 0, 0x8e, 0xd6 }; /* mov esi, USER_DS; mov ss, esi */
	memcpy(at, restore, sizeof restore);
	at += sizeof restore;
	*at++ = 0xea;
	memcpy(at, &target, 4);
	at[4] = USER_CS, at[5] = 0;
	static const uint8_t home[] = { 0x4c, 0x89, 0xc4, 0x41, 0xff, 0xe1 }; /* mov rsp, r8; jmp r9 */
	memcpy(back, home, sizeof home);
}

/* => what came of it: nothing, or an exception */
static struct said stub_run(uint16_t selector, uint32_t offset)
{
	lab.said = (struct said){ 0 };
	if (sigsetjmp(lab.back, 1) == 0) {
		uint64_t code = CODE_ENTRY << 3 | 7, stub = (uintptr_t)lab.stub, a = selector, c = offset, d = 0;
		__asm__ volatile("movq %%rsp, %%r8\n\t"
		                 "leaq 1f(%%rip), %%r9\n\t"
		                 "pushq %[code]\n\t"
		                 "pushq %[stub]\n\t"
		                 "lretq\n"
		                 "1:"
		                 : "+a"(a), "+c"(c), "+d"(d)
		                 : [code] "r"(code), [stub] "r"(stub)
		                 : "r8", "r9", "r10", "r11", "rsi", "rdi", "cc", "memory");
	}
	unsigned flat = USER_DS, null = 0;
	__asm__ volatile("movl %0, %%ss; movl %1, %%es; movl %1, %%ds; movl %1, %%gs" : : "r"(flat), "r"(null));
	return lab.said;
}

/* ---- tables ---- */

static bool table_load(void *ctx, uint32_t linear, uint64_t *ret)
{
	(void)ctx;
	assert_true(linear % 8 == 0 && linear / 8 < ALL);
	*ret = lab.ldt[linear / 8];
	return true;
}

static bool table_store(void *ctx, uint32_t linear, uint64_t raw)
{
	(void)ctx;
	lab.ldt[linear / 8] = raw;
	return true;
}

static const struct segment_memory table = { table_load, table_store, NULL };

/* => false: this kernel does not take such a descriptor */
static bool entry_write(unsigned i, const struct user_desc *like)
{
	struct user_desc d = *like;
	d.entry_number = i;
	return syscall(SYS_modify_ldt, 0x11, &d, sizeof d) == 0;
}

/* A segment that begins in or near the area. */
static void entry_random(struct rng *r, unsigned i)
{
	struct user_desc d = { .base_addr = (uint32_t)(uintptr_t)lab.area + (uint32_t)rng_below(r, AREA) };
	d.limit = (unsigned)rng_below(r, rng_below(r, 3) ? AREA / 2 : 1 << 20);
	d.limit_in_pages = rng_below(r, 4) == 0;
	d.limit = d.limit_in_pages && rng_below(r, 3) ? d.limit % 40 : d.limit;
	d.seg_32bit = rng_below(r, 4) != 0;
	d.contents = (unsigned)rng_below(r, 4);
	d.read_exec_only = rng_below(r, 3) == 0;
	d.seg_not_present = d.contents == 3 || rng_below(r, 8) == 0;
	d.useable = rng_below(r, 2);
	entry_write(i, &d);
}

static void table_read_back(void)
{
	memset(lab.ldt, 0, sizeof lab.ldt);
	assert_int_equal(syscall(SYS_modify_ldt, 0, lab.ldt, sizeof lab.ldt), sizeof lab.ldt);
}

/* ---- comparing ---- */

static bool in_area(uint32_t linear, unsigned bytes)
{
	uint64_t start = (uintptr_t)lab.area;
	return linear >= start && (uint64_t)linear + bytes <= start + 4 * AREA;
}

static void compare(const struct segment_fault *ours, const struct said *theirs, uint16_t selector)
{
	if (ours->vector != (enum segment_vector)theirs->vector || (ours->vector && ours->error != theirs->error))
		print_error("selector 0x%x, descriptor 0x%016llx: ours %s(0x%x), %s; the processor's vector %d, error 0x%x\n", selector,
		            (unsigned long long)(selector >> 3 < ALL ? lab.ldt[selector >> 3] : 0), segment_vector_text(ours->vector),
		            ours->error, segment_reason_text(ours->reason), theirs->vector, theirs->error);
	assert_int_equal(ours->vector, theirs->vector);
	if (ours->vector)
		assert_int_equal(ours->error, theirs->error);
}

struct tally {
	unsigned fine, refused, limits, page_faults;
};

/* An offset near an edge of the segment, or anywhere. */
static uint32_t offset_pick(struct rng *r, const struct segment_descriptor *d)
{
	uint32_t first, last, edges[4];
	segment_range(d, &first, &last);
	edges[0] = first, edges[1] = last, edges[2] = 0xffff, edges[3] = (uint32_t)(uintptr_t)lab.area + 4 * AREA - d->base;
	if (rng_below(r, 8) == 0)
		return (uint32_t)rng_next(r);
	if (rng_below(r, 3) == 0)
		return (uint32_t)rng_below(r, 2 * AREA);
	return edges[rng_below(r, 4)] + (uint32_t)rng_below(r, 9) - 4;
}

static void access_compare(struct rng *r, enum segment_name reg, uint16_t selector, struct tally *n)
{
	static const enum access_kind kinds[] = { ACCESS_LOAD, ACCESS_LOAD, ACCESS_STORE };
	unsigned bytes = 1u << rng_below(r, 3);
	enum access_kind kind = kinds[rng_below(r, 3)];
	uint32_t offset = offset_pick(r, &lab.unit.reg[reg].d), linear = 0;
	struct segment_fault ours = segment_access(&lab.unit, reg, offset, bytes, kind, &linear);
	if (offset + bytes - 1 < offset || (!ours.vector && linear + bytes - 1 < linear))
		return; /* around the end of 4 GiB: processors differ */
	if (!ours.vector && kind == ACCESS_STORE && !in_area(linear, bytes))
		return; /* it would be stored */
	stub_write(reg, true, kind, bytes);
	struct said theirs = stub_run(selector, offset);
	if (!ours.vector && !in_area(linear, bytes) && theirs.vector == SEGMENT_VECTOR_PF) {
		assert_in_range(theirs.address, linear, linear + bytes - 1);
		n->page_faults++;
	} else {
		compare(&ours, &theirs, selector);
	}
	n->fine += ours.vector == SEGMENT_NO_VECTOR;
	n->limits += ours.reason == SEGMENT_REASON_LIMIT;
}

static void selector_compare(struct rng *r, struct tally *n)
{
	static const enum segment_name regs[] = { SEGMENT_ES, SEGMENT_DS, SEGMENT_GS, SEGMENT_SS };
	enum segment_name reg = regs[rng_below(r, 4)];
	uint16_t selector = (uint16_t)(rng_below(r, ENTRIES + 3) << 3 | 4 | (rng_below(r, 5) ? 3 : rng_below(r, 4)));
	if (rng_below(r, 20) == 0)
		selector = (uint16_t)rng_below(r, 4);
	stub_write(reg, false, ACCESS_LOAD, 0);
	struct said theirs = stub_run(selector, 0);
	struct segment_fault ours = segment_load(&lab.unit, &table, reg, selector);
	compare(&ours, &theirs, selector);
	n->refused += ours.vector != SEGMENT_NO_VECTOR;
	if (!ours.vector)
		access_compare(r, reg, selector, n);
}

/* LAR, LSL, VERR and VERW tell rights and limits without a fault. */
static void decode_compare(unsigned i)
{
	struct segment_descriptor d = segment_unpack(lab.ldt[i]);
	uint32_t first, last;
	uint64_t limit = 0, rights = 0, selector = i << 3 | 7;
	uint8_t has_limit, has_rights, readable, writable;
	__asm__ volatile("lslq %2, %0; setz %1" : "+r"(limit), "=q"(has_limit) : "r"(selector) : "cc");
	__asm__ volatile("larq %2, %0; setz %1" : "+r"(rights), "=q"(has_rights) : "r"(selector) : "cc");
	__asm__ volatile("verr %w1; setz %0" : "=q"(readable) : "r"(selector) : "cc");
	__asm__ volatile("verw %w1; setz %0" : "=q"(writable) : "r"(selector) : "cc");
	assert_int_equal(segment_pack(&d), lab.ldt[i]);
	assert_int_equal(has_limit, d.code_or_data);
	assert_int_equal(has_rights, d.code_or_data);
	if (!d.code_or_data)
		return;
	struct segment_descriptor up = d;
	up.type &= (uint8_t)~SEGMENT_DOWN;
	segment_range(&up, &first, &last);
	assert_int_equal(limit, last);
	assert_int_equal(rights & 0x00f0ff00u, (uint32_t)(lab.ldt[i] >> 32) & 0x00f0ff00u); /* 19:16 are undefined */
	bool is_code = d.type & SEGMENT_CODE;
	assert_int_equal(readable, !is_code || d.type & SEGMENT_READABLE);
	assert_int_equal(writable, !is_code && d.type & SEGMENT_WRITABLE);
}

/* ---- the whole ---- */

static void *low_memory(size_t bytes, int rights)
{
	void *at = mmap(NULL, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	return at == MAP_FAILED ? NULL : at;
}

/* => false: this kernel or this sandbox has no LDTs */
static bool lab_open(void)
{
	static char stack[1 << 16];
	struct user_desc code = { .limit = 0xfffff, .limit_in_pages = 1, .seg_32bit = 1, .contents = 2, .useable = 1 };
	lab.area = low_memory(4 * AREA, PROT_READ | PROT_WRITE);
	lab.stub = low_memory(4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (!lab.area || !lab.stub || !entry_write(CODE_ENTRY, &code))
		return false;
	stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	assert_int_equal(sigaltstack(&alternative, NULL), 0);
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
	segment_unit_init(&lab.unit, 3);
	lab.unit.ldt = (struct segment_register){ .usable = true, .d = { .limit = ALL * 8 - 1, .type = SEGMENT_LDT, .present = true } };
	return true;
}

static void test_as_the_processor(void **state)
{
	(void)state;
	struct rng r;
	struct tally n = { 0 };
	if (!lab_open())
		skip();
	print_message("seed %u\n", SEED);
	rng_init(&r, SEED);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < ENTRIES; i++)
			entry_random(&r, i);
		table_read_back();
		for (unsigned i = 0; i < ALL; i++)
			decode_compare(i);
		for (unsigned i = 0; i < TRIES; i++)
			selector_compare(&r, &n);
	}
	print_message("%u accesses made, %u of them page faults; %u selectors refused, %u offsets\n", n.fine, n.page_faults, n.refused,
	              n.limits);
	assert_true(n.fine > 500 && n.refused > 500 && n.limits > 200 && n.page_faults > 10);
}
#else
static void test_as_the_processor(void **state)
{
	(void)state;
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_as_the_processor) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
