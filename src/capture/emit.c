/* emit.c - recording, as cheaply as it can be done.
 *
 * Everything here runs billions of times, so there is one function for each shape of a call, without branches on the shape:
 * the words of a slice are computed four at a time, always four or eight of them, and the cursor moves by as many as count; what
 * was written beyond is overwritten by the next call.  (A chunk counts as full RING_SLACK_WORDS before its end for this.)
 *
 *      1.  The usual path of each function calls nothing and has one branch for "some access may reach into another page",
 *          one for "the chunk is full".
 *      2.  An access that does reach into another page gives a second reference, to the first byte there.
 *
 * Of a slice of four words, the usual path reads one line of the cache. */
#include "emit.h"
#include "lane.h"
#include <string.h>
#include <sys/mman.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { PAGE_BYTES = 4096, ACCESS_MAX = 16, INFO_STORE_SHIFT = 17, ARENA_BYTES = 1 << 20, SHAPES = 8 };

static bool plain_only;
static qemu_plugin_vcpu_mem_cb_t each_access;
static const qemu_plugin_vcpu_mem_cb_t *slice_shapes;

/* ---- one access ---- */

/* May an access of at most 8 bytes at va reach into the next page? */
static inline __attribute__((always_inline)) bool may_cross(uint64_t va)
{
	return __builtin_expect(va % PAGE_BYTES > PAGE_BYTES - ACCESS_MAX, 0);
}

/* What seldom follows an access: it touches a second page; the chunk is full. */
static __attribute__((noinline, cold)) void put_rest(struct ring_lane *lane, qemu_plugin_meminfo_t info, uint64_t va,
                                                     uint64_t kind)
{
	if (lane_is_full(lane->cursor))
		lane_full(lane);
	if (va % PAGE_BYTES + (1u << qemu_plugin_mem_size_shift(info)) > PAGE_BYTES)
		lane_put(lane, ref_make(vaddr(va / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES), kind).word);
}

/* One reference, after a word that needs no address if before: the two commonest things a call records. */
static inline __attribute__((always_inline)) void put_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va,
                                                             uint64_t kind, const uint64_t *before, bool one_byte)
{
	struct ring_lane *lane = lane_of(vcpu);
	ref_t *at = lane->cursor;
	if (before)
		(at++)->word = *before;
	at->word = va << REF_KIND_BITS | kind;
	lane_move(lane, at + 1);
	if (lane_is_full(at + 1) || (!one_byte && may_cross(va)))
		put_rest(lane, info, va, kind);
}

/* QEMU says in one bit of info whether an access is a store.  Which one is no part of the interface: it is tried at the start. */
static void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	(void)userdata;
	put_access(vcpu, info, va, info >> INFO_STORE_SHIFT & 1, NULL, false);
}

static void on_access_unknown(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	(void)userdata;
	put_access(vcpu, info, va, qemu_plugin_mem_is_store(info) ? ACCESS_STORE : ACCESS_LOAD, NULL, false);
}

/* name, kind, is there a word before, is it one byte */
#define ACCESS_SHAPES(X) \
	X(on_load, ACCESS_LOAD, 0, 0) \
	X(on_store, ACCESS_STORE, 0, 0) \
	X(on_word_load, ACCESS_LOAD, 1, 0) \
	X(on_word_store, ACCESS_STORE, 1, 0) \
	X(on_load_byte, ACCESS_LOAD, 0, 1) \
	X(on_store_byte, ACCESS_STORE, 0, 1) \
	X(on_word_load_byte, ACCESS_LOAD, 1, 1) \
	X(on_word_store_byte, ACCESS_STORE, 1, 1)

#define X(name, kind, has_word, one_byte) \
	static void name(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata) \
	{ \
		uint64_t before = (uintptr_t)userdata; \
		put_access(vcpu, info, va, kind, (has_word) ? &before : NULL, one_byte); \
	}
ACCESS_SHAPES(X)
#undef X

static const qemu_plugin_vcpu_mem_cb_t access_shapes[] = {
#define X(name, kind, has_word, one_byte) name,
	ACCESS_SHAPES(X)
#undef X
};

static void on_start(unsigned vcpu, void *userdata) { lane_put(lane_of(vcpu), (uintptr_t)userdata); }

/* ---- slices ---- */

/* Word by word, with each page that is touched. */
static __attribute__((noinline, cold)) void put_slice_carefully(struct ring_lane *lane, const struct block_slice *s, uint64_t va)
{
	for (unsigned i = 0; i < s->n; i++) {
		uint64_t base = s->own[i] ? va << REF_KIND_BITS : s->other[i] ? lane->saved[s->other_slot] : 0;
		uint64_t word = base + s->add[i], at = word >> REF_KIND_BITS;
		lane_put(lane, word);
		if (at % PAGE_BYTES + s->bytes[i] > PAGE_BYTES)
			lane_put(lane, ref_make(vaddr(at / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES), word & 3).word);
	}
}

static inline __attribute__((always_inline)) bool range_may_cross(uint64_t va, int32_t low, int16_t room)
{
	return __builtin_expect((int32_t)(((uint32_t)va + (uint32_t)low) % PAGE_BYTES) > room, 0);
}

/* Four words of a slice: for any CPU, and for those that widen and mask four at a time. */
static inline __attribute__((always_inline)) void four_any(ref_t *at, const uint64_t *add, const int8_t *own, uint64_t va4,
                                                           const int8_t *other, uint64_t kept)
{
	for (unsigned i = 0; i < 4; i++)
		at[i].word = add[i] + (va4 & (uint64_t)(int64_t)own[i]) + (other ? kept & (uint64_t)(int64_t)other[i] : 0);
}

#ifdef __x86_64__
__attribute__((target("avx2"), always_inline)) static inline __m256i masked_avx2(const int8_t *mask, uint64_t word)
{
	int32_t four;
	memcpy(&four, mask, sizeof(four));
	return _mm256_and_si256(_mm256_cvtepi8_epi64(_mm_cvtsi32_si128(four)), _mm256_set1_epi64x((int64_t)word));
}

__attribute__((target("avx2"), always_inline)) static inline void four_avx2(ref_t *at, const uint64_t *add, const int8_t *own,
                                                                           uint64_t va4, const int8_t *other, uint64_t kept)
{
	__m256i w = _mm256_add_epi64(_mm256_load_si256((const __m256i *)add), masked_avx2(own, va4));
	if (other)
		w = _mm256_add_epi64(w, masked_avx2(other, kept));
	_mm256_storeu_si256((__m256i *)at, w);
}
#endif

#define SLICE_FUNCTION(name, how, four, eight, use_other, save) \
	how static void name(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata) \
	{ \
		struct ring_lane *lane = lane_of(vcpu); \
		const struct block_slice *s = userdata; \
		uint64_t va4 = va << REF_KIND_BITS, kept = (use_other) ? lane->saved[s->other_slot] : 0; \
		ref_t *at = lane->cursor, *next = at + s->n; \
		(void)info; \
		if (save) \
			lane->saved[s->save_slot] = va4; \
		if (range_may_cross(va, s->own_low, s->own_room) || \
		    ((use_other) && range_may_cross(kept >> REF_KIND_BITS, s->other_low, s->other_room))) { \
			put_slice_carefully(lane, s, va); \
			return; \
		} \
		four(at, s->add, s->own, va4, (use_other) ? s->other : NULL, kept); \
		if (eight) \
			four(at + 4, s->add + 4, s->own + 4, va4, (use_other) ? s->other + 4 : NULL, kept); \
		lane_move(lane, next); \
		if (lane_is_full(next)) \
			lane_full(lane); \
	}

/* All shapes, compiled for a kind of CPU. */
#define SLICE_SHAPES(suffix, how, four) \
	SLICE_FUNCTION(on_slice_4##suffix, how, four, 0, 0, 0) \
	SLICE_FUNCTION(on_slice_8##suffix, how, four, 1, 0, 0) \
	SLICE_FUNCTION(on_slice_4_other##suffix, how, four, 0, 1, 0) \
	SLICE_FUNCTION(on_slice_8_other##suffix, how, four, 1, 1, 0) \
	SLICE_FUNCTION(on_slice_4_save##suffix, how, four, 0, 0, 1) \
	SLICE_FUNCTION(on_slice_8_save##suffix, how, four, 1, 0, 1) \
	SLICE_FUNCTION(on_slice_4_other_save##suffix, how, four, 0, 1, 1) \
	SLICE_FUNCTION(on_slice_8_other_save##suffix, how, four, 1, 1, 1) \
	static const qemu_plugin_vcpu_mem_cb_t slice_shapes##suffix[SHAPES] = { \
		on_slice_4##suffix, on_slice_8##suffix, on_slice_4_other##suffix, on_slice_8_other##suffix, \
		on_slice_4_save##suffix, on_slice_8_save##suffix, on_slice_4_other_save##suffix, on_slice_8_other_save##suffix, \
	};

SLICE_SHAPES(_any, , four_any)
#ifdef __x86_64__
SLICE_SHAPES(_avx2, __attribute__((target("avx2"))), four_avx2)
#endif

/* ---- translation ---- */

/* Slices live as long as QEMU may run the code that names them: for ever.  QEMU translates one block at a time. */
static struct block_slice *slice_keep(const struct block_slice *s)
{
	static char *arena;
	static size_t left;
	if (left < sizeof(*s)) {
		arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		left = arena == MAP_FAILED ? 0 : ARENA_BYTES;
		if (!left)
			return NULL;
	}
	struct block_slice *kept = (struct block_slice *)arena;
	*kept = *s;
	arena += sizeof(*s);
	left -= sizeof(*s);
	return kept;
}

static void register_access(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t f, enum qemu_plugin_mem_rw rw, void *data)
{
	qemu_plugin_register_vcpu_mem_cb(insn, f, QEMU_PLUGIN_CB_NO_REGS, rw, data);
}

/* A slice of one or two words may need no memory of its own.  => false: it does. */
static bool emit_small(struct qemu_plugin_insn *insn, const struct block_call *c)
{
	const struct block_slice *s = &c->slice;
	unsigned last = s->n - 1;
	if (s->n > 2 || c->one_of_two || s->save_slot != BLOCK_NO_SLOT || s->other_slot != BLOCK_NO_SLOT || !s->own[last] ||
	    (s->n == 2 && s->own[0]))
		return false;
	unsigned shape = (unsigned)((s->add[last] & 3) == ACCESS_STORE) | (unsigned)(s->n == 2) << 1 |
	                 (unsigned)(s->bytes[last] == 1) << 2;
	register_access(insn, access_shapes[shape], QEMU_PLUGIN_MEM_RW, (void *)s->add[0]);
	return true;
}

/* => false: no memory. */
static bool emit_slice(struct qemu_plugin_insn *insn, const struct block_call *c)
{
	unsigned shape = (c->slice.n > 4) | (c->slice.other_slot != BLOCK_NO_SLOT) << 1 | (c->slice.save_slot != BLOCK_NO_SLOT) << 2;
	struct block_slice *s = slice_keep(&c->slice);
	if (!s)
		return false;
	/* Of a load and a store one is asked for.  Which one QEMU 7.2 then reports is not what it says, but it is one. */
	register_access(insn, slice_shapes[shape], c->one_of_two ? QEMU_PLUGIN_MEM_R : QEMU_PLUGIN_MEM_RW, s);
	return true;
}

static void emit_plain(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n - 1);
	uint64_t end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last) - 1;
	for (uint64_t va = qemu_plugin_tb_vaddr(tb); va <= end; va = va / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_start, QEMU_PLUGIN_CB_NO_REGS, (void *)ref_make(vaddr(va), ACCESS_FETCH).word);
	for (size_t i = 0; i < n; i++)
		register_access(qemu_plugin_tb_get_insn(tb, i), each_access, QEMU_PLUGIN_MEM_RW, NULL);
}

void emit_block(struct qemu_plugin_tb *tb)
{
	static struct block b;
	if (plain_only || !block_plan(&b, tb)) {
		emit_plain(tb);
		return;
	}
	for (uint32_t i = 0; i < b.n_calls; i++) {
		const struct block_call *c = &b.call[i];
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, c->insn);
		if (c->kind == BLOCK_START)
			qemu_plugin_register_vcpu_tb_exec_cb(tb, on_start, QEMU_PLUGIN_CB_NO_REGS, (void *)c->word);
		else if (c->kind == BLOCK_EACH)
			register_access(insn, each_access, QEMU_PLUGIN_MEM_RW, NULL);
		else if (!emit_small(insn, c))
			emit_slice(insn, c);
	}
}

static bool info_store_bit_known(void)
{
	for (unsigned i = 0; i < 32; i++)
		if (qemu_plugin_mem_is_store(1u << i) != (i == INFO_STORE_SHIFT))
			return false;
	return true;
}

void emit_init(bool plain)
{
	plain_only = plain;
	each_access = info_store_bit_known() ? on_access : on_access_unknown;
	slice_shapes = slice_shapes_any;
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		slice_shapes = slice_shapes_avx2;
#endif
}
