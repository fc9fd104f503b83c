/* stub.c - making the functions that record.
 *
 * The problem: a call of a block records a few words, each a sum of two or three things; a general function that looks up which
 * spends most of its time on looking up.
 *
 * The idea: translated code is made while the program runs, so what it calls can be made as well.  A stub holds its sums as
 * instructions:
 *
 *      mov   $lane, %rdi                 of a thread alone; otherwise computed from the first argument
 *      mov   (%rdi), %rax                the cursor
 *      mov   %rsi, (%rax)                the first constant: the fetch, most often
 *      mov   56(%rbp), %r8               the program's register 7 ...
 *      test  $7, %r8b                    ... is a multiple of 8, so that no word of 8 bytes reaches into another page?
 *      jne   check                       no: look whether one does, and if so go word by word, in C
 *      lea   -95(,%r8,4), %r9            a store at register 7 - 24
 *      mov   %r9, 8(%rax)
 *      add   $16, %rax
 *      mov   %rax, (%rdi)
 *      cmp   limit(%rdi), %rax
 *      jae   full
 *      ret
 *
 * The program's registers: QEMU's code keeps the address of the processor's state in %rbp, and that state begins with the general
 * registers in the order of their numbers.  Between blocks all of them are in memory; and an access may fault, so before each access
 * QEMU puts there what it still has elsewhere.  None of this is part of the plugin interface: emit.c tries it before it is used.
 *
 *      1.  A stub changes only registers that calls may change, and the lane.
 *      2.  Nothing is made twice: shape_find finds what there is.  Stubs live as long as the process.
 *      3.  Until the cursor moves nothing has happened, so the careful way begins anew. */
#include "stub.h"
#include "lane.h"
#include "x86.h"
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum {
	STUB_PAGE = 4096, STUB_CODE_BYTES = 16 << 20, STUB_HUGE = 2 << 20, STUB_SHAPES = 1 << 16,
	STUB_BYTES_MAX = 2048,   /* of the code of one */
	STUB_ADD_MAX = 1 << 28,
};

/* What tells one stub from another. */
struct shape {
	uint8_t *code;
	uint8_t kind, threads, at_zero, n_words;
	struct block_word word[BLOCK_WORDS]; /* n_words of them; a constant's add is what is added to the data as a word */
};

enum opcode { OP_COMPARE = 0x3b, OP_STORE = 0x89, OP_LOAD = 0x8b, OP_LEA = 0x8d };
enum host_register { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9 };

static struct shape **shapes; /* by hash, or NULL; STUB_SHAPES of them */
static uint32_t n_shapes;
static uint8_t *code, *code_end;
static uint8_t *careful_way, *full_way; /* what stubs jump to */
static bool threads;

/* ---- the careful way ---- */

static uint64_t word_address(const struct block_word *w, uint64_t va, const uint64_t *registers)
{
	uint64_t base = w->base == X86_NONE ? 0 : registers[w->base], index = w->index == X86_NONE ? 0 : registers[w->index];
	return (w->source == BLOCK_OWN ? va : base + (index << w->scale)) + (uint64_t)w->add;
}

/* Word by word, with each page that is touched. */
static void put_carefully(struct ring_lane *lane, const struct shape *s, uint64_t va, const uint64_t *registers, uint64_t data)
{
	for (unsigned i = 0; i < s->n_words; i++) {
		const struct block_word *w = &s->word[i];
		if (w->source == BLOCK_CONSTANT) {
			lane_put(lane, data + (uint64_t)w->add);
			continue;
		}
		uint64_t at = word_address(w, va, registers);
		lane_put(lane, at << REF_KIND_BITS | w->kind);
		if (at % STUB_PAGE + w->bytes > STUB_PAGE)
			lane_put(lane, (at / STUB_PAGE * STUB_PAGE + STUB_PAGE) << REF_KIND_BITS | w->kind);
	}
}

/* ---- instructions (Intel SDM volume 2) ---- */

static void bytes(const void *from, size_t n)
{
	memcpy(code, from, n);
	code += n;
}

#define BYTES(...) bytes((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void number(int64_t value, unsigned n) { bytes(&value, n); }

/* An instruction of 64 or 32 bits with a register and base + disp; no base that needs more (rsp, r12). */
static void op_memory(bool wide, uint8_t opcode, unsigned reg, unsigned base, int32_t disp)
{
	bool small = disp == (int8_t)disp;
	BYTES(0x40 | wide << 3 | reg >> 3 << 2 | base >> 3, opcode, (small ? 0x40 : 0x80) | (reg & 7) << 3 | (base & 7));
	number(disp, small ? 1 : 4);
}

static void op_load(unsigned reg, unsigned base, int32_t disp) { op_memory(true, OP_LOAD, reg, base, disp); }
static void op_store(unsigned reg, unsigned base, int32_t disp) { op_memory(true, OP_STORE, reg, base, disp); }
static void op_lea(bool wide, unsigned reg, unsigned base, int32_t disp) { op_memory(wide, OP_LEA, reg, base, disp); }

/* reg = (index << scale) + disp */
static void op_scale(unsigned reg, unsigned index, unsigned scale, int32_t disp)
{
	BYTES(0x48 | reg >> 3 << 2 | index >> 3 << 1, OP_LEA, (reg & 7) << 3 | 4, scale << 6 | (index & 7) << 3 | 5);
	number(disp, 4);
}

/* reg += index << scale; no register whose low bits are rbp's */
static void op_add_scaled(unsigned reg, unsigned index, unsigned scale)
{
	BYTES(0x48 | reg >> 3 << 2 | index >> 3 << 1 | reg >> 3, OP_LEA, (reg & 7) << 3 | 4, scale << 6 | (index & 7) << 3 | (reg & 7));
}

static void op_move(unsigned to, unsigned from) { BYTES(0x48 | from >> 3 << 2 | to >> 3, OP_STORE, 0xc0 | (from & 7) << 3 | (to & 7)); }

static void op_constant(unsigned reg, const void *value)
{
	BYTES(0x48 | reg >> 3, 0xb8 | (reg & 7));
	number((intptr_t)value, 8);
}

static void op_jump(const void *to)
{
	op_constant(RAX, to);
	BYTES(0xff, 0xe0);
}

/* jae, je, jne, ja: 3, 4, 5, 7.  => where the distance stands that jump_set fills in. */
static uint8_t *op_jump_if(unsigned condition)
{
	BYTES(0x0f, 0x80 | condition);
	number(0, 4);
	return code;
}

static void jump_set(uint8_t *jump, const uint8_t *to)
{
	int32_t distance = to - jump;
	memcpy(jump - 4, &distance, sizeof(distance));
}

static void op_jump_near(const uint8_t *to)
{
	BYTES(0xe9);
	number(0, 4);
	jump_set(code, to);
}

/* ---- words ---- */

/* A check that is made elsewhere, when it must be. */
struct check {
	unsigned reg;
	int64_t low, end;
	uint8_t *jump, *back;
};

struct making {
	const struct shape *shape;
	struct check check[BLOCK_WORDS];
	unsigned n_checks;
	uint8_t *careful[BLOCK_WORDS]; /* jumps to the careful way */
	unsigned n_careful;
};

static unsigned data_register(const struct shape *s) { return s->kind == BLOCK_START ? RSI : RCX; }

static bool words_same_address(const struct block_word *a, const struct block_word *b)
{
	return a->source == b->source && a->base == b->base && a->index == b->index && a->scale == b->scale;
}

/* What all words of an address have in common.  => the register that holds it. */
static unsigned make_address(const struct block_word *w)
{
	if (w->source == BLOCK_OWN)
		return RDX;
	if (w->base != X86_NONE)
		op_load(R8, RBP, w->base * 8);
	if (w->index != X86_NONE)
		op_load(R9, RBP, w->index * 8);
	if (w->index != X86_NONE && w->base != X86_NONE)
		op_add_scaled(R8, R9, w->scale);
	else if (w->index != X86_NONE)
		op_scale(R8, R9, w->scale, 0);
	return R8;
}

/* Leaves for the careful way unless all bytes that words of this address touch lie in one page. */
static void make_range_check(struct making *k, unsigned reg, int64_t low, int64_t end)
{
	op_lea(false, R9, reg, (int32_t)low);
	BYTES(0x41, 0x81, 0xe1); /* and */
	number(STUB_PAGE - 1, 4);
	BYTES(0x41, 0x81, 0xf9); /* cmp */
	number(STUB_PAGE - (end - low), 4);
	k->careful[k->n_careful++] = op_jump_if(7);
}

/* Words that lie as their width asks for reach into no other page; only if they do not, it matters where they lie. */
static void make_check(struct making *k, unsigned reg, const struct block_word *w, unsigned n)
{
	int64_t low = INT64_MAX, end = INT64_MIN;
	unsigned width = 1, odd = 0;
	for (unsigned i = 0; i < n; i++) {
		if (w[i].bytes == 1 || !words_same_address(&w[i], w))
			continue;
		low = w[i].add < low ? w[i].add : low;
		end = w[i].add + w[i].bytes > end ? w[i].add + w[i].bytes : end;
		width = w[i].bytes > width ? w[i].bytes : width;
		odd |= (unsigned)w[i].add & (w[i].bytes - 1u);
	}
	if (end < low)
		return;
	if (odd) {
		make_range_check(k, reg, low, end);
		return;
	}
	BYTES(0x40 | reg >> 3, 0xf6, 0xc0 | (reg & 7), width - 1); /* test */
	k->check[k->n_checks++] = (struct check){ .reg = reg, .low = low, .end = end, .jump = op_jump_if(5), .back = code };
}

static void make_constant(struct making *k, const struct block_word *w, unsigned at)
{
	unsigned data = data_register(k->shape);
	if (w->add)
		op_lea(true, R9, data, (int32_t)w->add);
	op_store(w->add ? R9 : data, RAX, at * 8);
}

/* Those of one address together. */
static void make_words(struct making *k)
{
	const struct block_word *w = k->shape->word;
	unsigned n = k->shape->n_words;
	for (unsigned i = 0, done = 0; i < n; i++) {
		if (done >> i & 1)
			continue;
		if (w[i].source == BLOCK_CONSTANT) {
			make_constant(k, &w[i], i);
			continue;
		}
		unsigned reg = make_address(&w[i]);
		make_check(k, reg, &w[i], n - i);
		for (unsigned j = i; j < n; j++) {
			if (!words_same_address(&w[i], &w[j]))
				continue;
			op_scale(R9, reg, REF_KIND_BITS, (int32_t)(w[j].add * (1 << REF_KIND_BITS) + w[j].kind));
			op_store(R9, RAX, j * 8);
			done |= 1u << j;
		}
	}
}

/* Moves the cursor by n words. */
static void make_end(unsigned n)
{
	op_lea(true, RAX, RAX, n * 8);
	op_store(RAX, RDI, offsetof(struct ring_lane, cursor));
	op_memory(true, OP_COMPARE, RAX, RDI, offsetof(struct ring_lane, limit));
	jump_set(op_jump_if(3), full_way);
	BYTES(0xc3);
}

static void make_lane(const struct shape *s)
{
	if (s->threads) {
		BYTES(0xc1, 0xe7, 6); /* shl: a lane has 64 bytes */
		op_constant(RAX, &lane_space.lane[0]);
		BYTES(0x48, 0x01, 0xc7); /* add */
	} else {
		op_constant(RDI, &lane_space.lane[0]);
	}
	op_load(RAX, RDI, offsetof(struct ring_lane, cursor));
}

/* Can all words be sums with constants of 32 bits, and all that hang on one address lie in a page? */
static bool shape_is_plain(const struct shape *s)
{
	for (unsigned i = 0; i < s->n_words; i++) {
		const struct block_word *w = &s->word[i];
		if (w->add >= STUB_ADD_MAX || w->add <= -STUB_ADD_MAX)
			return false;
		for (unsigned j = 0; j < i; j++) {
			int64_t distance = w->add - s->word[j].add;
			if (words_same_address(w, &s->word[j]) && w->source != BLOCK_CONSTANT &&
			    (distance > STUB_PAGE / 2 || distance < -STUB_PAGE / 2))
				return false;
		}
	}
	return true;
}

static void make_stub(struct shape *s)
{
	struct making k = { .shape = s };
	s->code = code;
	if (s->at_zero) {
		BYTES(0x48, 0x83, 0x7d, X86_RCX * 8, 0); /* cmp */
		uint8_t *is_zero = op_jump_if(4);
		BYTES(0xc3);
		jump_set(is_zero, code);
	}
	make_lane(s);
	if (shape_is_plain(s)) {
		make_words(&k);
		make_end(s->n_words);
	}
	for (unsigned i = 0; i < k.n_checks; i++) {
		jump_set(k.check[i].jump, code);
		make_range_check(&k, k.check[i].reg, k.check[i].low, k.check[i].end);
		op_jump_near(k.check[i].back);
	}
	for (unsigned i = 0; i < k.n_careful; i++)
		jump_set(k.careful[i], code);
	op_move(R8, data_register(s));
	op_constant(RSI, s);
	op_move(RCX, RBP);
	op_jump_near(careful_way);
}

/* ---- shapes ---- */

static size_t shape_bytes(unsigned n_words) { return offsetof(struct shape, word) + n_words * sizeof(struct block_word); }

/* What of a call makes its shape, and *data. */
static void shape_init(struct shape *s, const struct block_call *c, void **data)
{
	uint64_t first = 0;
	bool found = false;
	memset(s, 0, sizeof(*s));
	s->kind = c->kind;
	s->threads = threads;
	s->at_zero = c->at_zero;
	s->n_words = c->n_words;
	for (unsigned i = 0; i < c->n_words; i++) {
		struct block_word *w = &s->word[i];
		*w = c->word[i];
		if (w->source != BLOCK_CONSTANT)
			continue;
		uint64_t word = (uint64_t)w->add << REF_KIND_BITS | w->kind;
		first = found ? first : word;
		found = true;
		w->add = (int64_t)(word - first);
		w->kind = 0;
	}
	*data = (void *)(uintptr_t)first;
}

static uint32_t shape_hash(const struct shape *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint64_t h = 0, part;
	for (size_t i = offsetof(struct shape, kind); i < shape_bytes(s->n_words); i += sizeof(part)) {
		memcpy(&part, p + i, sizeof(part));
		h = (h ^ part) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h % STUB_SHAPES;
}

/* => where the shape is, or where it would be. */
static struct shape **shape_find(const struct shape *s)
{
	size_t from = offsetof(struct shape, kind);
	for (uint32_t i = shape_hash(s);; i = (i + 1) % STUB_SHAPES)
		if (!shapes[i] || memcmp((char *)shapes[i] + from, (const char *)s + from, shape_bytes(s->n_words) - from) == 0)
			return &shapes[i];
}

/* => NULL: no room. */
static uint8_t *stub_of(const struct block_call *c, void **data)
{
	struct shape s;
	shape_init(&s, c, data);
	struct shape **at = shape_find(&s);
	if (*at)
		return (*at)->code;
	size_t bytes = (shape_bytes(s.n_words) + 7) / 8 * 8;
	if (n_shapes >= STUB_SHAPES / 4 * 3 || code_end - code < (ptrdiff_t)(bytes + STUB_BYTES_MAX))
		return NULL;
	code_end -= bytes; /* code grows from the one end, shapes from the other */
	*at = memcpy(code_end, &s, shape_bytes(s.n_words));
	n_shapes++;
	make_stub(*at);
	return (*at)->code;
}

bool stub_init(void)
{
#ifdef __x86_64__
	shapes = mmap(NULL, STUB_SHAPES * sizeof(*shapes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	code = mmap(NULL, STUB_CODE_BYTES + STUB_HUGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	            -1, 0);
	if (shapes == MAP_FAILED || code == MAP_FAILED)
		return false;
	code += -(uintptr_t)code % STUB_HUGE;
	code_end = code + STUB_CODE_BYTES;
	madvise(code, STUB_CODE_BYTES, MADV_HUGEPAGE); /* all stubs fill less than one, most often */
	careful_way = code;
	op_jump((const void *)put_carefully);
	full_way = code;
	op_jump((const void *)lane_full);
	return true;
#else
	return false;
#endif
}

void stub_threads(void) { threads = true; }

qemu_plugin_vcpu_mem_cb_t stub_access(const struct block_call *c, void **data)
{
	return (qemu_plugin_vcpu_mem_cb_t)(uintptr_t)stub_of(c, data);
}

qemu_plugin_vcpu_udata_cb_t stub_start(const struct block_call *c, void **data)
{
	return (qemu_plugin_vcpu_udata_cb_t)(uintptr_t)stub_of(c, data);
}

qemu_plugin_vcpu_mem_cb_t stub_access_probe(stub_probe_t f)
{
	uint8_t *at = code;
	op_move(RDI, RBP);
	op_move(RSI, RCX);
	op_jump((const void *)(uintptr_t)f);
	return (qemu_plugin_vcpu_mem_cb_t)(uintptr_t)at;
}

qemu_plugin_vcpu_udata_cb_t stub_start_probe(stub_probe_t f)
{
	uint8_t *at = code;
	op_move(RDI, RBP);
	op_jump((const void *)(uintptr_t)f);
	return (qemu_plugin_vcpu_udata_cb_t)(uintptr_t)at;
}
