/* block.c - planning the calls of a block.
 *
 * The problem: record exactly what a call for every access would record, in the same order, with as few calls as possible.
 *
 * The idea: walk through the block with a symbolic value for each register: a version, which changes when something unknown is
 * written, plus a constant.  The address of an access is made of versions and a constant; a moment of the block tells it when some
 * register still, or already, holds each of its versions.  References are collected as long as there is a moment at which a call
 * is possible and that tells them all; when a reference would leave none, those before it are recorded, and a new group begins.
 *
 *      push  %rbp          rsp(0) - 8        one call, at the load below: rbp holds rsp(0) - 8 then
 *      mov   %rsp,%rbp
 *      mov   %rdi,-24(%rbp)  rsp(0) - 32
 *      mov   0x2f01(%rip),%rax   a constant
 *      mov   (%rax),%rax     rax(1)          the last moment that tells rax(1), which is overwritten here
 *      mov   %rax,-32(%rbp)  rsp(0) - 40     can be told at the load, too
 *      mov   (%rax),%rdx     rax(2)          cannot: a second call
 *
 *      1.  Words of a call are consecutive in the order of the program, and calls come in that order.
 *      2.  An instruction of which nothing is known ends everything: what is pending is recorded before it, each of its accesses
 *          as it comes, and every register has a new version after it.
 *      3.  A call hangs on the start of the block, which tells fetches only, or on an instruction that makes exactly one access, or
 *          a load and a store, so that it comes exactly once; registers are as they were before that instruction.
 *      4.  Every moment of a group resolves all its words.  The last of them is taken.
 *
 * A block is left in its middle only when an access of it faults.  As its call comes late, what was done of the group before is then
 * not recorded, rather than what was never done: the simulated program must not touch what the real one could not. */
#include "block.h"
#include "../machine/access.h"
#include "x86.h"
#include <string.h>

enum { BLOCK_PAGE = 4096, VERSION_NONE = 0, VERSION_FIRST = 1, MOMENTS = 4 };

struct value {
	uint32_t version;
	int64_t add;
};

/* What the address of an access is made of, but for its constant.  No base and no index: the constant is the address. */
struct key {
	uint32_t base, index; /* versions, or VERSION_NONE */
	uint8_t scale, segment;
};

struct word {
	struct key key;
	int64_t add;
	uint8_t kind, bytes;
	uint32_t insn;
};

/* A place for a call, and what is known there. */
struct moment {
	bool start;           /* of the block; otherwise at instruction insn: */
	uint32_t insn;
	bool one_of_two;      /* of its accesses */
	bool has_own;         /* which of them does not matter: own is the address */
	struct word own;
	struct value reg[X86_REGS];
};

struct plan {
	struct block *block;
	struct value reg[X86_REGS];
	uint32_t n_versions;
	struct word pending[BLOCK_WORDS]; /* the group */
	uint32_t n_pending;
	struct moment moment[MOMENTS];    /* of the group */
	uint32_t n_moments;
	bool full;                        /* more calls than there is room for */
};

static bool key_same(struct key a, struct key b)
{
	return a.base == b.base && a.index == b.index && a.scale == b.scale && a.segment == b.segment;
}

static bool word_is_constant(const struct word *w) { return !w->key.base && !w->key.index && !w->key.segment; }

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

static struct word word_of(const struct plan *p, uint32_t insn, const struct x86_access *a)
{
	struct word w = { .kind = a->store ? ACCESS_STORE : ACCESS_LOAD, .bytes = a->bytes, .add = a->disp, .insn = insn };
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
	return w;
}

/* ---- moments ---- */

/* A register that holds the version then.  => X86_NONE for no version; false when none does. */
static bool moment_register(const struct moment *m, uint32_t version, int8_t *reg, int64_t *add)
{
	*reg = X86_NONE;
	*add = 0;
	if (version == VERSION_NONE)
		return true;
	for (unsigned i = 0; i < X86_REGS && *reg == X86_NONE; i++)
		if (m->reg[i].version == version)
			*reg = i;
	if (*reg != X86_NONE)
		*add = m->reg[*reg].add;
	return *reg != X86_NONE;
}

/* How the moment tells a word.  => false: it does not. */
static bool moment_resolve(const struct moment *m, const struct word *w, struct block_word *ret)
{
	bool constant = word_is_constant(w);
	*ret = (struct block_word){ .add = w->add, .source = BLOCK_CONSTANT, .kind = w->kind, .bytes = constant ? 1 : w->bytes,
	                            .base = X86_NONE, .index = X86_NONE };
	if (m->start)
		return w->kind == ACCESS_FETCH;
	if (constant) /* one that reaches into another page is two words */
		return true;
	if (m->has_own && key_same(w->key, m->own.key)) {
		ret->source = BLOCK_OWN;
		ret->add -= m->own.add;
		return true;
	}
	int64_t base, index;
	ret->source = BLOCK_REGISTERS;
	ret->scale = w->key.scale;
	if (w->key.segment || !moment_register(m, w->key.base, &ret->base, &base) ||
	    !moment_register(m, w->key.index, &ret->index, &index))
		return false;
	ret->add -= base + (int64_t)((uint64_t)index << w->key.scale);
	return true;
}

static bool moment_resolves(const struct moment *m, const struct word *w, uint32_t n)
{
	struct block_word ignored;
	for (uint32_t i = 0; i < n; i++)
		if (!moment_resolve(m, &w[i], &ignored))
			return false;
	return true;
}

/* Forgets the moments of the group that do not tell these words, too. */
static void moments_keep(struct plan *p, const struct word *w, uint32_t n)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < p->n_moments; i++)
		if (moment_resolves(&p->moment[i], w, n))
			p->moment[kept++] = p->moment[i];
	p->n_moments = kept;
}

static bool moments_any(const struct plan *p, const struct word *w, uint32_t n)
{
	for (uint32_t i = 0; i < p->n_moments; i++)
		if (moment_resolves(&p->moment[i], w, n))
			return true;
	return false;
}

/* Later ones know more of what is still to come. */
static void moment_add(struct plan *p, const struct moment *m)
{
	if (p->n_moments == MOMENTS) {
		memmove(&p->moment[0], &p->moment[1], (MOMENTS - 1) * sizeof(*m));
		p->n_moments--;
	}
	p->moment[p->n_moments++] = *m;
}

/* ---- groups ---- */

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
	c->one_of_two = c->at_zero = false;
	c->n_words = 0;
	return c;
}

/* Records the first n words of the group. */
static struct block_call *group_call(struct plan *p, const struct moment *m, uint32_t n)
{
	struct block_call *c = call_add(p, m->start ? BLOCK_START : BLOCK_ACCESS, m->insn);
	c->one_of_two = m->one_of_two;
	c->n_words = n;
	for (uint32_t i = 0; i < n; i++)
		moment_resolve(m, &p->pending[i], &c->word[i]);
	return c;
}

/* Records a group that waited for a moment in vain. */
static void group_each(struct plan *p)
{
	uint32_t n = 0;
	while (n < p->n_pending && p->pending[n].kind == ACCESS_FETCH)
		n++;
	if (n)
		group_call(p, &(struct moment){ .start = true }, n);
	for (uint32_t i = n; i < p->n_pending; i++)
		if (i == n || p->pending[i].insn != p->pending[i - 1].insn)
			call_add(p, BLOCK_EACH, p->pending[i].insn);
}

static void group_end(struct plan *p)
{
	if (p->n_moments)
		group_call(p, &p->moment[p->n_moments - 1], p->n_pending);
	else
		group_each(p);
	p->n_pending = p->n_moments = 0;
}

static void pending_add(struct plan *p, const struct word *w, uint32_t n)
{
	memcpy(&p->pending[p->n_pending], w, n * sizeof(*w));
	p->n_pending += n;
}

/* Can a call hang on the instruction?  Its words, of which there are more if it has more than one access, are w. */
static bool moment_init(struct moment *m, const struct plan *p, const struct x86_insn *x, const struct word *w)
{
	bool two = x->n_accesses == 2 && w[0].kind != w[1].kind;
	bool one_address = !two || (key_same(w[0].key, w[1].key) && w[0].add == w[1].add);
	*m = (struct moment){ .insn = w[0].insn, .one_of_two = two, .has_own = one_address, .own = w[0] };
	memcpy(m->reg, p->reg, sizeof(m->reg));
	return x->n_accesses == 1 || two;
}

/* The n words of an instruction of which everything is known. */
static void step_words(struct plan *p, const struct x86_insn *x, const struct word *w, uint32_t n)
{
	struct moment here;
	bool host = moment_init(&here, p, x, w);
	bool serves = host && moment_resolves(&here, p->pending, p->n_pending);
	bool waits = !host && (p->n_moments == 0 || (p->n_moments == 1 && p->moment[0].start)); /* for one that tells them all */
	if (p->n_pending + n > BLOCK_WORDS || !(serves || waits || moments_any(p, w, n))) {
		group_end(p);
		serves = host;
	} else {
		moments_keep(p, w, n);
	}
	pending_add(p, w, n);
	if (serves)
		moment_add(p, &here);
}

/* A constant that reaches into another page is two words. */
static uint32_t words_of(const struct plan *p, uint32_t insn, const struct x86_insn *x, struct word *w)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < x->n_accesses; i++) {
		w[n] = word_of(p, insn, &x->access[i]);
		uint64_t va = w[n].add;
		bool crosses = word_is_constant(&w[n]) && va % BLOCK_PAGE + w[n].bytes > BLOCK_PAGE;
		n++;
		if (crosses) {
			w[n] = w[n - 1];
			w[n].add = va / BLOCK_PAGE * BLOCK_PAGE + BLOCK_PAGE;
			n++;
		}
	}
	return n;
}

/* A string instruction that is repeated is a block that runs once for each time, and once more when nothing is left. */
static void step_repeated(struct plan *p, const struct x86_insn *x, const struct word *w, uint32_t n)
{
	struct moment here;
	moment_init(&here, p, x, w);
	group_call(p, &p->moment[0], p->n_pending)->at_zero = true;
	pending_add(p, w, n);
	group_call(p, &here, p->n_pending);
	p->n_pending = p->n_moments = 0;
}

static void step(struct plan *p, uint32_t i, const struct qemu_plugin_insn *insn)
{
	struct x86_insn x;
	struct word w[2 * X86_ACCESSES];
	x86_decode(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn), qemu_plugin_insn_vaddr(insn), &x);
	uint32_t n = words_of(p, i, &x, w);
	if (!x.known || (x.repeated && i > 0)) {
		group_end(p);
		call_add(p, BLOCK_EACH, i);
		registers_forget(p);
		return;
	}
	if (x.repeated)
		step_repeated(p, &x, w, n);
	else if (n)
		step_words(p, &x, w, n);
	registers_step(p, &x);
}

/* One fetch for each page that the code of the block lies in. */
static void fetches_add(struct plan *p, uint64_t start, uint64_t end)
{
	for (uint64_t va = start; va <= end && p->n_pending < BLOCK_WORDS / 2; va = va / BLOCK_PAGE * BLOCK_PAGE + BLOCK_PAGE)
		pending_add(p, &(struct word){ .kind = ACCESS_FETCH, .bytes = 1, .add = (int64_t)va }, 1);
}

bool block_plan(struct block *b, const struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n - 1);
	struct plan p;
	p.block = b;
	p.n_versions = VERSION_FIRST;
	p.n_pending = p.n_moments = 0;
	p.full = false;
	b->n_calls = 0;
	registers_forget(&p);
	p.moment[0] = (struct moment){ .start = true };
	p.n_moments = 1;
	fetches_add(&p, qemu_plugin_tb_vaddr(tb), qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last) - 1);
	for (size_t i = 0; i < n && !p.full; i++)
		step(&p, i, qemu_plugin_tb_get_insn(tb, i));
	group_end(&p);
	return !p.full;
}
