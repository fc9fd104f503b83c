/* block.c - planning the calls of a block.
 *
 * The problem: record exactly what a call for every access would record, in the same order, with as few calls as possible.
 *
 * The idea: walk through the block with a symbolic value for each register: a version, which changes when something unknown is
 * written, plus a constant.  An access then has a key (versions of its base and index, scale, segment) and a constant; accesses
 * with the same key differ by the difference of their constants.  The first access of a key needs a call, in which its address
 * becomes known; that call records it and everything after it that can be computed by then, up to the next access that needs a
 * call of its own:
 *
 *      fetch block      |                        one call, at the first access
 *      push  %rbp       |  rsp(0) - 8            records 4 words
 *      mov   %rsp,%rbp  |
 *      mov   %rdi,-24(%rbp)  rsp(0) - 32         (the same key: rbp is rsp(0) - 8)
 *      mov   0x2f01(%rip),%rax   a constant      (counted from the block's own address)
 *      mov   (%rax),%rdx     rax(1) + 0          one call, records 2 words, with the address of
 *      mov   %rdx,-32(%rbp)  rsp(0) - 40           the first call, which it kept in a slot
 *
 *      1.  Words of a call are consecutive in the order of the program, and calls come in that order.
 *      2.  An instruction of which nothing is known ends everything: what is pending is recorded before it, each of its accesses
 *          as it comes, and every register has a new version after it.
 *      3.  A call that records words of several accesses hangs on an instruction that makes exactly one access, or a load and a
 *          store of one address, so that it comes exactly once.
 *
 * A block is left in its middle only when an instruction of it faults; then the words of the rest are recorded although it was
 * never run.  Programs that live on such faults are rare, and their blocks end soon after. */
#include "block.h"
#include "../machine/access.h"
#include "x86.h"
#include <string.h>

enum { BLOCK_PAGE = 4096, NO_CALL = UINT32_MAX, VERSION_NONE = 0, VERSION_FIRST = 1 };

struct value {
	uint32_t version;
	int64_t add;
};

/* What the address of an access is made of, but for its constant.  No base and no index: the constant is the address. */
struct key {
	uint32_t base, index; /* versions, or VERSION_NONE */
	uint8_t scale, segment;
};

/* A key whose address some call knows. */
struct leader {
	struct key key;
	int64_t add;
	uint32_t call;
};

struct word {
	struct key key;
	int64_t add;
	uint8_t kind, bytes;
	bool constant; /* add is the address */
};

struct plan {
	struct block *block;
	uint64_t start;
	struct value reg[X86_REGS];
	uint32_t n_versions;
	struct leader leader[BLOCK_SLOTS];
	uint32_t n_leaders;
	uint32_t open;              /* the call that words are added to, or NO_CALL */
	struct leader own;          /* what the open call knows by itself */
	struct word pending[BLOCK_WORDS]; /* words that wait for a call */
	uint32_t n_pending;
	uint32_t pending_insn[BLOCK_WORDS]; /* where each could be recorded, or NO_CALL */
	bool pending_two[BLOCK_WORDS];
	bool full;                  /* more calls than there is room for */
};

static bool key_same(struct key a, struct key b)
{
	return a.base == b.base && a.index == b.index && a.scale == b.scale && a.segment == b.segment;
}

/* ---- registers ---- */

static void registers_forget(struct plan *p)
{
	for (unsigned i = 0; i < X86_REGS; i++)
		p->reg[i] = (struct value){ p->n_versions++, 0 };
}

static void registers_step(struct plan *p, const struct x86_insn *x)
{
	struct value set = { 0 };
	if (x->set != X86_NONE)
		set = (struct value){ p->reg[x->from].version, p->reg[x->from].add + x->add };
	p->reg[X86_RSP].add += x->rsp_add;
	if (x->set != X86_NONE)
		p->reg[x->set] = set;
	for (unsigned i = 0; i < X86_REGS; i++)
		if (x->written >> i & 1)
			p->reg[i] = (struct value){ p->n_versions++, 0 };
}

static struct word word_of(const struct plan *p, const struct x86_access *a)
{
	struct word w = { .kind = a->store ? ACCESS_STORE : ACCESS_LOAD, .bytes = a->bytes, .add = a->disp };
	w.key.segment = a->segment;
	if (a->base != X86_NONE) {
		w.key.base = p->reg[a->base].version;
		w.add += p->reg[a->base].add;
	}
	if (a->index != X86_NONE) {
		w.key.index = p->reg[a->index].version;
		w.key.scale = a->scale;
		w.add += (int64_t)((uint64_t)p->reg[a->index].add << a->scale);
	}
	w.constant = !w.key.base && !w.key.index && !w.key.segment;
	return w;
}

/* ---- calls ---- */

static struct block_call *call_add(struct plan *p, enum block_call_kind kind, uint32_t insn)
{
	static struct block_call spare;
	if (p->block->n_calls == BLOCK_CALLS) {
		p->full = true;
		return &spare;
	}
	struct block_call *c = &p->block->call[p->block->n_calls++];
	c->kind = kind;
	c->insn = insn;
	return c;
}

static void slice_init(struct block_call *c)
{
	memset(&c->slice, 0, sizeof(c->slice));
	c->slice.save_slot = c->slice.other_slot = BLOCK_NO_SLOT;
	c->slice.own_room = c->slice.other_room = BLOCK_PAGE; /* as long as there are no such words */
}

/* How a word follows from what a slice knows: as what, and by how much. */
enum relation { REL_NO, REL_CONSTANT, REL_OWN, REL_OTHER };

static enum relation word_relation(const struct plan *p, const struct block_slice *s, const struct word *w, int64_t *delta,
                                   uint8_t *slot)
{
	*delta = w->add;
	if (w->constant)
		return REL_CONSTANT;
	*delta = w->add - p->own.add;
	if (key_same(w->key, p->own.key))
		return REL_OWN;
	for (uint32_t i = 0; i < p->n_leaders; i++) {
		const struct leader *l = &p->leader[i];
		*delta = w->add - l->add;
		*slot = i;
		if (key_same(w->key, l->key) && (s->other_slot == i || s->other_slot == BLOCK_NO_SLOT))
			return REL_OTHER;
	}
	return REL_NO;
}

/* Widens the bytes [low, low + ...) that words of one address touch, so that the one test of the usual path covers them. */
static void range_widen(int32_t *low, int16_t *room, bool first, int64_t delta, unsigned bytes)
{
	int64_t end = first ? delta + bytes : *low + BLOCK_PAGE - *room, begin = first || delta < *low ? delta : *low;
	if ((!first && *room < 0) || delta != (int32_t)delta) {
		*room = -1;
		return;
	}
	if (delta + bytes > end)
		end = delta + bytes;
	*low = begin;
	*room = end - begin > BLOCK_PAGE ? -1 : BLOCK_PAGE - (end - begin);
}

static bool any(const int8_t *mask, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (mask[i])
			return true;
	return false;
}

/* => false: it does not follow, or there is no room. */
static bool slice_add(struct plan *p, struct block_call *c, const struct word *w)
{
	struct block_slice *s = &c->slice;
	int64_t delta;
	uint8_t slot = 0;
	enum relation relation = word_relation(p, s, w, &delta, &slot);
	if (relation == REL_NO || s->n == BLOCK_WORDS)
		return false;
	if (relation == REL_OWN)
		range_widen(&s->own_low, &s->own_room, !any(s->own, s->n), delta, w->bytes);
	if (relation == REL_OTHER) {
		range_widen(&s->other_low, &s->other_room, !any(s->other, s->n), delta, w->bytes);
		s->other_slot = slot;
		p->block->call[p->leader[slot].call].slice.save_slot = slot;
	}
	s->add[s->n] = (uint64_t)delta << REF_KIND_BITS | w->kind;
	s->own[s->n] = relation == REL_OWN ? -1 : 0;
	s->other[s->n] = relation == REL_OTHER ? -1 : 0;
	s->bytes[s->n] = w->constant ? 1 : w->bytes; /* a constant that reaches into another page is two words */
	s->n++;
	return true;
}

/* Opens a call at an instruction whose access w tells its address. */
static void slice_open(struct plan *p, uint32_t insn, const struct word *w, bool one_of_two)
{
	struct block_call *c = call_add(p, BLOCK_SLICE, insn);
	slice_init(c);
	c->one_of_two = one_of_two;
	p->open = p->full ? NO_CALL : p->block->n_calls - 1;
	p->own = (struct leader){ .key = w->key, .add = w->add, .call = p->open };
}

/* The key of the open call is known from now on. */
static void leader_add(struct plan *p)
{
	if (p->own.key.base || p->own.key.index || p->own.key.segment)
		if (p->n_leaders < BLOCK_SLOTS && p->open != NO_CALL)
			p->leader[p->n_leaders++] = p->own;
}

/* ---- pending words ---- */

static bool is_fetch(const struct word *w) { return w->kind == ACCESS_FETCH; }

static void pending_add(struct plan *p, const struct word *w, uint32_t insn, bool two)
{
	p->pending_insn[p->n_pending] = insn;
	p->pending_two[p->n_pending] = two;
	p->pending[p->n_pending++] = *w;
}

/* Tries to record all pending words in the open call, which comes after all of them. */
static bool pending_into_open(struct plan *p)
{
	struct block_call *c = &p->block->call[p->open], before = *c;
	for (uint32_t i = 0; i < p->n_pending; i++) {
		if (!slice_add(p, c, &p->pending[i])) {
			*c = before;
			return false;
		}
	}
	return true;
}

static void pending_one_by_one(struct plan *p)
{
	uint32_t last = NO_CALL;
	for (uint32_t i = 0; i < p->n_pending; i++) {
		const struct word *w = &p->pending[i];
		if (is_fetch(w))
			call_add(p, BLOCK_START, 0)->word = ref_make(vaddr((uint64_t)w->add), ACCESS_FETCH).word;
		else if (p->pending_insn[i] != last)
			call_add(p, BLOCK_EACH, p->pending_insn[i]);
		last = is_fetch(w) ? NO_CALL : p->pending_insn[i];
	}
}

/* An instruction among the pending ones on which a call for all of them can hang.  => its place, or n_pending. */
static uint32_t pending_host(const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_pending; i++) {
		bool alone = (i == 0 || p->pending_insn[i - 1] != p->pending_insn[i]) &&
		             (i + 1 == p->n_pending || p->pending_insn[i + 1] != p->pending_insn[i]);
		if (!is_fetch(&p->pending[i]) && (alone || p->pending_two[i]))
			return i;
	}
	return p->n_pending;
}

/* Records what is pending without waiting for more. */
static void pending_flush(struct plan *p)
{
	uint32_t host = p->n_pending > 1 ? pending_host(p) : p->n_pending;
	if (host < p->n_pending) {
		uint32_t n_calls = p->block->n_calls;
		slice_open(p, p->pending_insn[host], &p->pending[host], p->pending_two[host]);
		if (p->open != NO_CALL && !pending_into_open(p)) {
			p->block->n_calls = n_calls;
			host = p->n_pending;
		}
	}
	if (host == p->n_pending)
		pending_one_by_one(p);
	p->n_pending = 0;
	p->open = NO_CALL;
}

/* ---- instructions ---- */

static void step_unknown(struct plan *p, uint32_t insn)
{
	pending_flush(p);
	call_add(p, BLOCK_EACH, insn);
	registers_forget(p);
	p->open = NO_CALL;
}

/* A load and a store of one address. */
static bool is_update(const struct word *w, uint32_t n)
{
	return n == 2 && w[0].kind != w[1].kind && key_same(w[0].key, w[1].key) && w[0].add == w[1].add;
}

/* Adds all words of an instruction to the open call, or none. */
static bool open_extend(struct plan *p, const struct word *w, uint32_t n)
{
	struct block_call *c = &p->block->call[p->open], before = *c;
	for (uint32_t i = 0; i < n; i++) {
		if (!slice_add(p, c, &w[i])) {
			*c = before;
			return false;
		}
	}
	return true;
}

/* Do the words follow from what earlier calls of the block know? */
static bool follows(struct plan *p, const struct word *w, uint32_t n)
{
	static const struct block_slice empty = { .other_slot = BLOCK_NO_SLOT };
	struct leader own = p->own;
	int64_t delta;
	uint8_t slot;
	bool all = true;
	p->own = (struct leader){ .key = { .base = UINT32_MAX } };
	for (uint32_t i = 0; i < n; i++)
		all = all && word_relation(p, &empty, &w[i], &delta, &slot) != REL_NO;
	p->own = own;
	return all;
}

/* The words of one instruction of which everything is known. */
static void step_words(struct plan *p, uint32_t insn, const struct word *w, uint32_t n)
{
	bool two = is_update(w, n), host = n == 1 || two;
	if (p->open != NO_CALL && open_extend(p, w, n))
		return;
	if (p->open == NO_CALL && follows(p, w, n) && p->n_pending + n <= BLOCK_WORDS) {
		for (uint32_t i = 0; i < n; i++)
			pending_add(p, &w[i], insn, two);
		return;
	}
	p->open = NO_CALL;
	if (!host) {
		pending_flush(p);
		call_add(p, BLOCK_EACH, insn);
		return;
	}
	uint32_t n_calls = p->block->n_calls;
	slice_open(p, insn, &w[0], two);
	if (p->open != NO_CALL && (!pending_into_open(p) || !open_extend(p, w, n))) {
		p->block->n_calls = n_calls; /* no room for both: the pending words go first, in a call of their own */
		pending_flush(p);
		slice_open(p, insn, &w[0], two);
		if (p->open != NO_CALL)
			open_extend(p, w, n);
	}
	p->n_pending = 0;
	leader_add(p);
}

/* A constant that reaches into another page is two words. */
static uint32_t words_of(const struct plan *p, const struct x86_insn *x, struct word *w)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < x->n_accesses; i++) {
		w[n] = word_of(p, &x->access[i]);
		uint64_t va = w[n].add;
		bool crosses = w[n].constant && va % BLOCK_PAGE + w[n].bytes > BLOCK_PAGE;
		n++;
		if (crosses) {
			w[n] = w[n - 1];
			w[n].add = va / BLOCK_PAGE * BLOCK_PAGE + BLOCK_PAGE;
			n++;
		}
	}
	return n;
}

static void step(struct plan *p, uint32_t i, const struct qemu_plugin_insn *insn)
{
	struct x86_insn x;
	struct word w[2 * X86_ACCESSES];
	x86_decode(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn), qemu_plugin_insn_vaddr(insn), &x);
	if (!x.known) {
		step_unknown(p, i);
		return;
	}
	uint32_t n = words_of(p, &x, w);
	if (n)
		step_words(p, i, w, n);
	registers_step(p, &x);
}

/* One fetch for each page that the code of the block lies in. */
static void fetches_add(struct plan *p, uint64_t start, uint64_t end)
{
	for (uint64_t va = start; va <= end && p->n_pending < BLOCK_WORDS; va = va / BLOCK_PAGE * BLOCK_PAGE + BLOCK_PAGE) {
		struct word w = { .kind = ACCESS_FETCH, .bytes = 1, .add = (int64_t)va, .constant = true };
		pending_add(p, &w, NO_CALL, false);
	}
}

bool block_plan(struct block *b, const struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n - 1);
	struct plan p = { .block = b, .start = qemu_plugin_tb_vaddr(tb), .n_versions = VERSION_FIRST, .open = NO_CALL };
	b->n_calls = 0;
	registers_forget(&p);
	fetches_add(&p, p.start, qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last) - 1);
	for (size_t i = 0; i < n && !p.full; i++)
		step(&p, i, qemu_plugin_tb_get_insn(tb, i));
	pending_flush(&p);
	return !p.full;
}
