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
 * Of a slice, the usual path reads one line of the cache (two when it uses a kept address). */
#include "emit.h"
#include "lane.h"
#include <string.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 4096, ACCESS_MAX = 16, INFO_STORE_SHIFT = 17, ARENA_BYTES = 1 << 20, SHAPES = 8 };

static bool plain_only;
static qemu_plugin_vcpu_mem_cb_t each_access;
static const qemu_plugin_vcpu_mem_cb_t *slice_shapes;

/* ---- one access ---- */

/* The second page of an access that may lie in two. */
static __attribute__((noinline, cold)) void put_crossing(struct ring_lane *lane, qemu_plugin_meminfo_t info, uint64_t va,
                                                         uint64_t kind)
{
	if (va % PAGE_BYTES + (1u << qemu_plugin_mem_size_shift(info)) > PAGE_BYTES)
		lane_put(lane, ref_make(vaddr(va / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES), kind).word);
}

static inline __attribute__((always_inline)) void put_access(struct ring_lane *lane, qemu_plugin_meminfo_t info, uint64_t va,
                                                             uint64_t kind)
{
	lane_put(lane, va << REF_KIND_BITS | kind);
	if (__builtin_expect(va % PAGE_BYTES > PAGE_BYTES - ACCESS_MAX, 0))
		put_crossing(lane, info, va, kind);
}

/* QEMU says in one bit of info whether an access is a store.  Which one is no part of the interface, so it is tried at the start. */
static void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	(void)userdata;
	put_access(lane_of(vcpu), info, va, info >> INFO_STORE_SHIFT & 1);
}

static void on_access_unknown(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	(void)userdata;
	put_access(lane_of(vcpu), info, va, qemu_plugin_mem_is_store(info) ? ACCESS_STORE : ACCESS_LOAD);
}

static void on_load(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	(void)userdata;
	put_access(lane_of(vcpu), info, va, ACCESS_LOAD);
}

static void on_store(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	(void)userdata;
	put_access(lane_of(vcpu), info, va, ACCESS_STORE);
}

/* A word that needs no address, then an access: the commonest block there is. */
static inline __attribute__((always_inline)) void put_pair(struct ring_lane *lane, uint64_t first, qemu_plugin_meminfo_t info,
                                                           uint64_t va, uint64_t kind)
{
	ref_t *at = lane->cursor;
	at[0].word = first;
	at[1].word = va << REF_KIND_BITS | kind;
	lane_advance(lane, at + 2);
	if (__builtin_expect(va % PAGE_BYTES > PAGE_BYTES - ACCESS_MAX, 0))
		put_crossing(lane, info, va, kind);
}

static void on_word_load(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	put_pair(lane_of(vcpu), (uintptr_t)userdata, info, va, ACCESS_LOAD);
}

static void on_word_store(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata)
{
	put_pair(lane_of(vcpu), (uintptr_t)userdata, info, va, ACCESS_STORE);
}

static void on_start(unsigned vcpu, void *userdata) { lane_put(lane_of(vcpu), (uintptr_t)userdata); }

/* ---- slices ---- */

/* Word by word, with each page that is touched. */
static __attribute__((noinline, cold)) void put_slice_carefully(struct ring_lane *lane, const struct block_slice *s, uint64_t va)
{
	for (unsigned i = 0; i < s->n; i++) {
		uint64_t base = s->own[i] ? va << REF_KIND_BITS : s->other[i] ? lane->saved[s->other_slot] : s->origin;
		uint64_t word = base + (int64_t)s->add[i], at = word >> REF_KIND_BITS;
		lane_put(lane, word);
		if (at % PAGE_BYTES + s->bytes[i] > PAGE_BYTES)
			lane_put(lane, ref_make(vaddr(at / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES), word & 3).word);
	}
}

static inline __attribute__((always_inline)) bool may_cross(uint64_t va, int32_t low, int16_t room)
{
	return (int32_t)(((uint32_t)va + (uint32_t)low) % PAGE_BYTES) > room;
}

typedef int64_t four_words __attribute__((vector_size(32)));
typedef int64_t four_words_anywhere __attribute__((vector_size(32), aligned(8)));
typedef int32_t four_adds __attribute__((vector_size(16), aligned(4)));
typedef int8_t four_masks __attribute__((vector_size(4), aligned(1)));

/* The words [first, first + 4) of a slice. */
#define SLICE_FOUR(at, s, va4, first, use_other, kept) \
	do { \
		const int64_t origin = (int64_t)(s)->origin; \
		four_words w = __builtin_convertvector(*(const four_adds *)&(s)->add[first], four_words) + origin; \
		w += __builtin_convertvector(*(const four_masks *)&(s)->own[first], four_words) & ((int64_t)(va4) - origin); \
		if (use_other) \
			w += __builtin_convertvector(*(const four_masks *)&(s)->other[first], four_words) & ((int64_t)(kept) - origin); \
		*(four_words_anywhere *)&(at)[first] = w; \
	} while (0)

#define SLICE_FUNCTION(name, how, eight, use_other, save) \
	how static void name(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *userdata) \
	{ \
		(void)info; \
		struct ring_lane *lane = lane_of(vcpu); \
		const struct block_slice *s = userdata; \
		uint64_t va4 = va << REF_KIND_BITS, kept = (use_other) ? lane->saved[s->other_slot] : 0; \
		ref_t *at = lane->cursor; \
		if (save) \
			lane->saved[s->save_slot] = va4; \
		if (__builtin_expect(may_cross(va, s->own_low, s->own_room) || \
		                     ((use_other) && may_cross(kept >> REF_KIND_BITS, s->other_low, s->other_room)), 0)) { \
			put_slice_carefully(lane, s, va); \
			return; \
		} \
		SLICE_FOUR(at, s, va4, 0, use_other, kept); \
		if (eight) \
			SLICE_FOUR(at, s, va4, 4, use_other, kept); \
		lane_advance(lane, at + s->n); \
	}

/* All shapes, compiled for a kind of CPU. */
#define SLICE_SHAPES(suffix, how) \
	SLICE_FUNCTION(on_slice_4##suffix, how, 0, 0, 0) \
	SLICE_FUNCTION(on_slice_8##suffix, how, 1, 0, 0) \
	SLICE_FUNCTION(on_slice_4_other##suffix, how, 0, 1, 0) \
	SLICE_FUNCTION(on_slice_8_other##suffix, how, 1, 1, 0) \
	SLICE_FUNCTION(on_slice_4_save##suffix, how, 0, 0, 1) \
	SLICE_FUNCTION(on_slice_8_save##suffix, how, 1, 0, 1) \
	SLICE_FUNCTION(on_slice_4_other_save##suffix, how, 0, 1, 1) \
	SLICE_FUNCTION(on_slice_8_other_save##suffix, how, 1, 1, 1) \
	static const qemu_plugin_vcpu_mem_cb_t slice_shapes##suffix[SHAPES] = { \
		on_slice_4##suffix, on_slice_8##suffix, on_slice_4_other##suffix, on_slice_8_other##suffix, \
		on_slice_4_save##suffix, on_slice_8_save##suffix, on_slice_4_other_save##suffix, on_slice_8_other_save##suffix, \
	};

SLICE_SHAPES(_any, )
#ifdef __x86_64__
SLICE_SHAPES(_avx2, __attribute__((target("avx2"))))
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
	void *word = (void *)(s->origin + (int64_t)s->add[0]);
	if (s->n == 1)
		register_access(insn, c->store ? on_store : on_load, QEMU_PLUGIN_MEM_RW, NULL);
	else
		register_access(insn, c->store ? on_word_store : on_word_load, QEMU_PLUGIN_MEM_RW, word);
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
