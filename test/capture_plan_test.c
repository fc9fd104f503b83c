/* capture_plan_test.c - how blocks of code are recorded, without QEMU: plans of known code, stubs against the obvious way, and that
 * the registers are believed only after they have been tried.
 *
 * QEMU's part is played here: its registering functions note what they are given, and a stub is called as translated code calls it,
 * with the address of the registers in %rbp. */
#include "../src/base/rng.h"
#include "../src/capture/emit.h"
#include "../src/capture/lane.h"
#include "../src/capture/stub.h"
#include "../src/capture/x86.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

enum { PAGE = 4096, WORDS = 64, ROUNDS = 20000, SEED = 20261121, CALLS = 64 };

/* ---- what lane.c and QEMU would be ---- */

struct ring_space lane_space __attribute__((aligned(RING_SPACE_BYTES)));
static ref_t stage[2][WORDS];
static unsigned n_full;

void lane_full(struct ring_lane *lane)
{
	lane->limit = &stage[lane - lane_space.lane][WORDS]; /* as if it had been emptied, but for what is to be looked at */
	n_full++;
}

struct qemu_plugin_insn {
	uint64_t va;
	const uint8_t *code;
	size_t bytes;
};
struct qemu_plugin_tb {
	struct qemu_plugin_insn insn[16];
	size_t n;
};

static struct registered {
	const struct qemu_plugin_insn *insn; /* NULL: start of the block */
	qemu_plugin_vcpu_mem_cb_t access;
	qemu_plugin_vcpu_udata_cb_t start;
	void *data;
} registered[CALLS];
static unsigned n_registered;

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags,
                                          void *data)
{
	(void)tb, (void)flags;
	registered[n_registered++] = (struct registered){ .start = cb, .data = data };
}

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t cb, enum qemu_plugin_cb_flags flags,
                                      enum qemu_plugin_mem_rw rw, void *data)
{
	(void)flags, (void)rw;
	registered[n_registered++] = (struct registered){ .insn = insn, .access = cb, .data = data };
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb) { return tb->n; }
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb) { return tb->insn[0].va; }
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i) { return (void *)&tb->insn[i]; }
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn) { return insn->code; }
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn) { return insn->bytes; }
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn) { return insn->va; }
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info) { return info & 3; }
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info) { return info >> 17 & 1; }

/* ---- code ---- */

/* A block of instructions, each a string of its bytes in hexadecimal. */
static void block_of(struct qemu_plugin_tb *tb, uint64_t va, const char *const *text)
{
	static uint8_t code[16][16];
	memset(tb, 0, sizeof(*tb));
	for (; text[tb->n]; tb->n++) {
		struct qemu_plugin_insn *insn = &tb->insn[tb->n];
		*insn = (struct qemu_plugin_insn){ .va = va, .code = code[tb->n], .bytes = strlen(text[tb->n]) / 2 };
		for (size_t i = 0; i < insn->bytes; i++)
			code[tb->n][i] = (uint8_t)strtoul((char[]){ text[tb->n][2 * i], text[tb->n][2 * i + 1], 0 }, NULL, 16);
		va += insn->bytes;
	}
}

static void call_say(const struct block_call *c, char *out, size_t size)
{
	if (c->kind == BLOCK_START)
		snprintf(out, size, "start%s %u ", c->at_zero ? " at zero" : "", c->n_words);
	else if (c->kind == BLOCK_EACH)
		snprintf(out, size, "each %u ", c->insn);
	else
		snprintf(out, size, "access%s %u:%u ", c->one_of_two ? " of two" : "", c->insn, c->n_words);
}

/* Plans a block.  => its calls: "start 1", "access 2:3" (3 words at instruction 2), "each 1", in a row. */
static const char *plan_of(const char *const *text)
{
	static char out[512];
	static struct block b;
	struct qemu_plugin_tb tb;
	size_t n = 0;
	block_of(&tb, 0x401000, text);
	assert_true(block_plan(&b, &tb));
	for (uint32_t i = 0; i < b.n_calls; i++) {
		call_say(&b.call[i], out + n, sizeof(out) - n);
		n += strlen(out + n);
	}
	out[n - 1] = 0;
	return out;
}

#define PLAN(...) plan_of((const char *const[]){ __VA_ARGS__, NULL })

static void test_plans(void **state)
{
	(void)state;
	assert_string_equal(PLAN("90"), "start 1");
	/* push rbp; mov rsp,rbp; mov rdi,-24(rbp); mov 0x2f01(rip),rax; mov (rax),rax; mov rax,-32(rbp); mov (rax),rdx */
	assert_string_equal(PLAN("55", "4889e5", "48897de8", "488b05012f0000", "488b00", "488945e0", "488b10"), "access 4:6 access 6:1");
	assert_string_equal(PLAN("48ff4708", "488b07"), "access 1:4");           /* dec 8(rdi); mov (rdi),rax */
	assert_string_equal(PLAN("ff5030"), "access of two 0:3");                /* call *48(rax) */
	assert_string_equal(PLAN("f3a4"), "start at zero 1 access of two 0:3");  /* rep movsb */
	assert_string_equal(PLAN("f3ab"), "start at zero 1 access 0:2");         /* rep stosl */
	assert_string_equal(PLAN("55", "f3ab"), "access 0:2 each 1");            /* push rbp; rep stosl: the first time */
	assert_string_equal(PLAN("a4", "488b07"), "access of two 0:3 access 1:1"); /* movsb, which changes rdi */
}

static void test_plans_of_what_is_hard(void **state)
{
	(void)state;
	assert_string_equal(PLAN("0fa2", "488b07"), "start 1 each 0 access 1:1"); /* cpuid: nothing known */
	assert_string_equal(PLAN("0f1007", "90"), "start 1 each 0");             /* movups: two loads, nowhere to hang a call on */
	assert_string_equal(PLAN("0f1007", "488b07"), "access 1:4");             /* but on a later access */
	assert_string_equal(PLAN("0f1007", "bf01000000", "488b06"), "start 1 each 0 access 2:1"); /* unless rdi is lost before it */
	assert_string_equal(PLAN("64488b042528000000", "488b07"), "access 0:3"); /* mov fs:40,rax: only there is it known */
	assert_string_equal(PLAN("488b05f10f0000"), "access 0:2");               /* mov 0xff1(rip),rax: in one page */
	assert_string_equal(PLAN("488b05f20f0000", "c3"), "access 1:4");         /* reaches into the next; ret */
}

/* ---- stubs ---- */

void stub_call(const void *stub, const uint64_t *registers, unsigned vcpu, uint64_t va, void *data);

#ifdef __x86_64__
__asm__(".text\n.globl stub_call\nstub_call:\n"
        "push %rbp\nmov %rsi, %rbp\nmov %rdi, %rax\nmov %edx, %edi\nmov %rcx, %rdx\nmov %r8, %rcx\nmov %r8, %rsi\n"
        "call *%rax\npop %rbp\nret\n"
        ".section .note.GNU-stack,\"\",@progbits\n.text\n");
#else
void stub_call(const void *stub, const uint64_t *registers, unsigned vcpu, uint64_t va, void *data)
{
	(void)stub, (void)registers, (void)vcpu, (void)va, (void)data;
	abort();
}
#endif

static void lanes_init(unsigned room)
{
	for (unsigned i = 0; i < 2; i++) {
		lane_space.lane[i].cursor = stage[i];
		lane_space.lane[i].limit = stage[i] + room;
	}
	n_full = 0;
}

static int64_t any_add(struct rng *r)
{
	static const int64_t big[] = { INT32_MAX, INT32_MIN, 1ll << 40, PAGE, -PAGE, 1 << 28 };
	return rng_below(r, 20) ? (int64_t)rng_below(r, 64) * (rng_below(r, 2) ? 8 : 1) - 100 : big[rng_below(r, 6)];
}

static struct block_word any_word(struct rng *r)
{
	static const uint64_t code = 0x401000;
	struct block_word w = { .source = rng_below(r, 3), .kind = rng_below(r, 3), .bytes = 1 << rng_below(r, 4), .add = any_add(r),
	                        .base = X86_NONE, .index = X86_NONE };
	if (w.source == BLOCK_CONSTANT) {
		w.add += code;
		w.bytes = 1;
	} else if (w.source == BLOCK_REGISTERS) {
		w.base = (int8_t)rng_below(r, 3) - 1; /* few, so that words share them */
		w.index = w.base < 0 || rng_below(r, 3) == 0 ? (int8_t)rng_below(r, X86_REGS) : X86_NONE;
		w.scale = w.index >= 0 ? rng_below(r, 4) : 0;
	}
	return w;
}

/* The words of a call, and each page they touch, as their definition says.  => how many. */
static unsigned words_expected(const struct block_call *c, const uint64_t *reg, uint64_t va, uint64_t *word)
{
	unsigned n = 0;
	for (unsigned i = 0; i < c->n_words; i++) {
		const struct block_word *w = &c->word[i];
		uint64_t at = (uint64_t)w->add;
		if (w->source == BLOCK_OWN)
			at += va;
		if (w->source == BLOCK_REGISTERS)
			at += (w->base >= 0 ? reg[w->base] : 0) + ((w->index >= 0 ? reg[w->index] : 0) << w->scale);
		word[n++] = at << REF_KIND_BITS | w->kind;
		if (at % PAGE + w->bytes > PAGE)
			word[n++] = (at / PAGE + 1) * PAGE << REF_KIND_BITS | w->kind;
	}
	return n;
}

static void compare_with_definition(struct rng *r, unsigned vcpu, unsigned round)
{
	struct block_call c = { .kind = BLOCK_ACCESS, .n_words = 1 + rng_below(r, BLOCK_WORDS) };
	uint64_t reg[X86_REGS], va = rng_next(r) >> 20, want[2 * BLOCK_WORDS];
	void *data = NULL;
	for (unsigned i = 0; i < c.n_words; i++)
		c.word[i] = any_word(r);
	for (unsigned i = 0; i < X86_REGS; i++)
		reg[i] = (rng_next(r) >> 20) & (rng_below(r, 2) ? ~7ull : ~0ull);
	if (rng_below(r, 4) == 0)
		reg[0] = (reg[0] | (PAGE - 1)) - rng_below(r, 70); /* the end of a page */
	bool full = rng_below(r, 8) == 0;
	lanes_init(full ? c.n_words : WORDS);
	qemu_plugin_vcpu_mem_cb_t stub = stub_access(&c, &data);
	assert_non_null(stub);
	stub_call((const void *)(uintptr_t)stub, reg, vcpu, va, data);
	unsigned n = words_expected(&c, reg, va, want);
	if (lane_space.lane[vcpu].cursor != stage[vcpu] + n || memcmp(stage[vcpu], want, n * sizeof(*want)) != 0)
		fail_msg("seed %d, round %u: a stub of %u words records others than it should", SEED, round, c.n_words);
	assert_int_equal(n_full, full);
}

static void needs_stubs(void)
{
	static int there = -1;
	if (there < 0)
		there = stub_init();
	if (!there) {
		print_message("no stubs on this processor, or no executable memory\n");
		skip();
	}
}

static void test_stubs_record_what_they_should(void **state)
{
	(void)state;
	needs_stubs();
	struct rng r;
	rng_init(&r, SEED);
	for (unsigned round = 0; round < ROUNDS; round++)
		compare_with_definition(&r, 0, round);
	stub_threads();
	for (unsigned round = 0; round < ROUNDS / 4; round++)
		compare_with_definition(&r, round % 2, round);
}

static void test_start_at_zero(void **state)
{
	(void)state;
	needs_stubs();
	struct block_call c = { .kind = BLOCK_START, .at_zero = true, .n_words = 1, .word = { { .add = 0x401000, .kind = ACCESS_FETCH,
	                        .bytes = 1, .base = X86_NONE, .index = X86_NONE } } };
	uint64_t reg[X86_REGS] = { [X86_RCX] = 1ull << 40 };
	void *data = NULL;
	const void *stub = (const void *)(uintptr_t)stub_start(&c, &data);
	lanes_init(WORDS);
	stub_call(stub, reg, 0, 0, data);
	assert_ptr_equal(lane_space.lane[0].cursor, stage[0]);
	reg[X86_RCX] = 0;
	stub_call(stub, reg, 0, 0, data);
	assert_ptr_equal(lane_space.lane[0].cursor, stage[0] + 1);
	assert_int_equal(stage[0][0].word, ref_make(vaddr(0x401000), ACCESS_FETCH).word);
}

/* The same shape is made once, wherever its code lies. */
static void test_stubs_are_shared(void **state)
{
	(void)state;
	needs_stubs();
	struct block_call c = { .kind = BLOCK_START, .n_words = 1, .word = { { .kind = ACCESS_FETCH, .bytes = 1, .base = X86_NONE,
	                        .index = X86_NONE } } };
	void *data[2];
	c.word[0].add = 0x401000;
	qemu_plugin_vcpu_udata_cb_t a = stub_start(&c, &data[0]);
	c.word[0].add = 0x7f0000401000;
	assert_ptr_equal(stub_start(&c, &data[1]), a);
	assert_ptr_not_equal(data[0], data[1]);
}

/* ---- trying ---- */

/* Translates and runs mov 8(%rdi),%rax; mov (%rsi),%rcx so often.  shift: what QEMU would report is so much off.
 * => how many calls the block had at last. */
static unsigned run_block(unsigned times, uint64_t shift)
{
	struct qemu_plugin_tb tb;
	uint64_t reg[X86_REGS] = { [X86_RSI] = 0x500000, [X86_RDI] = 0x600000 };
	block_of(&tb, 0x401000, (const char *const[]){ "488b4708", "488b0e", NULL });
	for (unsigned i = 0; i < times; i++) {
		lanes_init(WORDS);
		n_registered = 0;
		emit_block(&tb);
		for (unsigned j = 0; j < n_registered; j++) {
			const struct registered *c = &registered[j];
			uint64_t va = (c->insn == &tb.insn[0] ? reg[X86_RDI] + 8 : reg[X86_RSI]) + shift;
			stub_call(c->insn ? (const void *)(uintptr_t)c->access : (const void *)(uintptr_t)c->start, reg, 0, va, c->data);
		}
		assert_ptr_equal(lane_space.lane[0].cursor, stage[0] + 3);
	}
	return n_registered;
}

static void test_registers_are_tried(void **state)
{
	(void)state;
	needs_stubs();
	emit_init(false);
	assert_int_equal(run_block(1, 0), 6);    /* a fetch, two accesses; the start and two accesses to be compared */
	assert_int_equal(run_block(1000, 0), 1); /* believed */
	emit_init(true);
	assert_int_equal(run_block(1000, 0), 3); /* asked for the plain way */
	emit_init(false);
	run_block(2, 8);
	assert_int_equal(run_block(1000, 0), 3); /* not believed any more, whatever comes */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plans), cmocka_unit_test(test_plans_of_what_is_hard), cmocka_unit_test(test_registers_are_tried),
		cmocka_unit_test(test_start_at_zero), cmocka_unit_test(test_stubs_are_shared),
		cmocka_unit_test(test_stubs_record_what_they_should),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
