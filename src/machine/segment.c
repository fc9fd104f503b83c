/* segment.c - the checks of x86 segmentation, in the order in which the processor makes them.
 *
 * Problem: which exception a bad selector raises, and with which error code, depends on the register, the instruction and the first
 * check that fails; an operating system's handlers rely on it.
 *
 * Idea: one function fetches a descriptor, and each instruction is a list of checks over it, as its page in the manual has them.
 * Faults are values; a register, or the accessed bit in a table, is only written when everything has been checked.
 *
 *      63      56  55  54  53  52  51      48  47  46  45  44  43    40  39       32
 *     +----------+---+---+---+---+-----------+---+-------+---+---------+-----------+
 *     | base     | G |D/B| L |AVL| limit     | P |  DPL  | S | type    | base      |
 *     |    31:24 |   |   |   |   |     19:16 |   |       |   |         |     23:16 |
 *     +----------+---+---+---+---+-----------+---+-------+---+---------+-----------+
 *      31                         16  15                                          0
 *     +-----------------------------+---------------------------------------------+
 *     | base 15:0                   | limit 15:0                                  |
 *     +-----------------------------+---------------------------------------------+
 *     A call gate: bits 63:48 offset 31:16, P, DPL, S = 0, type, 36:32 parameters, 31:16 selector, 15:0 offset 15:0.
 *
 * 1. What faults changes nothing, but for the accessed bit of a code segment whose stack's table turns out not to be writable.
 * 2. The RPL of what CS holds is CPL, and so is that of SS once it has been loaded.
 *
 * An access that reaches from the end of a segment of 4 GiB around to its start faults here; processors may let it.
 * Source: Intel SDM 3A, chapters 3 and 5 (5.3 limits, 5.5 to 5.8 privilege); 2A and 2B, MOV, LLDT, JMP, CALL, RET. */
#include "segment.h"
#include <stddef.h>
#include <stdio.h>

#define FIELD(raw, high, low) ((uint32_t)((raw) >> (low) & ((1ull << ((high) - (low) + 1)) - 1)))

/* ---- descriptors ---- */

static bool is_gate(const struct segment_descriptor *d)
{
	return !d->code_or_data && (d->type == SEGMENT_GATE_16 || d->type == SEGMENT_GATE_32);
}

struct segment_descriptor segment_unpack(uint64_t raw)
{
	struct segment_descriptor d = {
		.base = FIELD(raw, 39, 16) | FIELD(raw, 63, 56) << 24, .limit = FIELD(raw, 15, 0) | FIELD(raw, 51, 48) << 16,
		.type = (uint8_t)FIELD(raw, 43, 40), .code_or_data = FIELD(raw, 44, 44), .dpl = (uint8_t)FIELD(raw, 46, 45),
		.present = FIELD(raw, 47, 47), .available = FIELD(raw, 52, 52), .wide = FIELD(raw, 53, 53), .big = FIELD(raw, 54, 54),
		.granular = FIELD(raw, 55, 55),
	};
	if (!is_gate(&d))
		return d;
	return (struct segment_descriptor){
		.base = FIELD(raw, 15, 0) | (d.type == SEGMENT_GATE_32 ? FIELD(raw, 63, 48) << 16 : 0), .type = d.type, .dpl = d.dpl,
		.present = d.present, .gate_selector = (uint16_t)FIELD(raw, 31, 16), .gate_parameters = (uint8_t)FIELD(raw, 36, 32),
	};
}

uint64_t segment_pack(const struct segment_descriptor *d)
{
	uint64_t raw = (uint64_t)d->type << 40 | (uint64_t)d->code_or_data << 44 | (uint64_t)d->dpl << 45 | (uint64_t)d->present << 47;
	if (is_gate(d))
		return raw | FIELD(d->base, 15, 0) | (uint64_t)d->gate_selector << 16 | (uint64_t)d->gate_parameters << 32 |
		       (d->type == SEGMENT_GATE_32 ? (uint64_t)FIELD(d->base, 31, 16) << 48 : 0);
	return raw | FIELD(d->limit, 15, 0) | (uint64_t)FIELD(d->limit, 19, 16) << 48 | (uint64_t)FIELD(d->base, 23, 0) << 16 |
	       (uint64_t)FIELD(d->base, 31, 24) << 56 | (uint64_t)d->available << 52 | (uint64_t)d->wide << 53 |
	       (uint64_t)d->big << 54 | (uint64_t)d->granular << 55;
}

static bool is_code(const struct segment_descriptor *d) { return d->code_or_data && d->type & SEGMENT_CODE; }
static bool is_data(const struct segment_descriptor *d) { return d->code_or_data && !(d->type & SEGMENT_CODE); }
static bool is_conforming(const struct segment_descriptor *d) { return is_code(d) && d->type & SEGMENT_CONFORMING; }
static bool is_readable(const struct segment_descriptor *d) { return is_data(d) || (is_code(d) && d->type & SEGMENT_READABLE); }
static bool is_writable(const struct segment_descriptor *d) { return is_data(d) && d->type & SEGMENT_WRITABLE; }
static bool goes_down(const struct segment_descriptor *d) { return is_data(d) && d->type & SEGMENT_DOWN; }

const char *segment_type_text(const struct segment_descriptor *d, char *buf, unsigned size)
{
	static const char *const system[16] = {
		"reserved", "16-bit task, available", "LDT", "16-bit task, busy", "16-bit call gate", "task gate", "16-bit interrupt gate",
		"16-bit trap gate", "reserved", "32-bit task, available", "reserved", "32-bit task, busy", "32-bit call gate", "reserved",
		"32-bit interrupt gate", "32-bit trap gate",
	};
	if (!d->code_or_data)
		snprintf(buf, size, "%s", system[d->type & 15]);
	else if (is_code(d))
		snprintf(buf, size, "code, %s%s%s", d->type & SEGMENT_READABLE ? "execute/read" : "execute-only",
		         is_conforming(d) ? ", conforming" : "", d->type & SEGMENT_ACCESSED ? ", accessed" : "");
	else
		snprintf(buf, size, "data, %s%s%s", d->type & SEGMENT_WRITABLE ? "read/write" : "read-only",
		         goes_down(d) ? ", expand-down" : "", d->type & SEGMENT_ACCESSED ? ", accessed" : "");
	return buf;
}

bool segment_range(const struct segment_descriptor *d, uint32_t *ret_first, uint32_t *ret_last)
{
	uint32_t last = d->granular ? d->limit << 12 | 0xfff : d->limit, top = d->big ? UINT32_MAX : 0xffff;
	*ret_first = goes_down(d) ? last + 1 : 0;
	*ret_last = goes_down(d) ? top : last;
	return !goes_down(d) || last < top;
}

/* ---- faults ---- */

const char *segment_vector_text(enum segment_vector v)
{
	switch (v) {
#define X(name, number, word) case SEGMENT_VECTOR_##name: return word;
	SEGMENT_VECTOR_LIST(X)
#undef X
	default: return "no fault";
	}
}

const char *segment_reason_text(enum segment_reason r)
{
	static const char *const texts[] = {
		[SEGMENT_REASON_NONE] = "nothing is wrong",
#define X(name, text) [SEGMENT_REASON_##name] = text,
		SEGMENT_REASON_LIST(X)
#undef X
	};
	return texts[r];
}

static const struct segment_fault fine = { SEGMENT_NO_VECTOR, 0, SEGMENT_REASON_NONE };

static struct segment_fault fault(enum segment_vector v, uint16_t selector, enum segment_reason r)
{
	return (struct segment_fault){ v, selector & 0xfffcu, r };
}
#define GP(selector, reason) fault(SEGMENT_VECTOR_GP, selector, SEGMENT_REASON_##reason)

/* ---- tables ---- */

/* A descriptor on its way into a register. */
struct fetched {
	uint16_t selector;
	uint32_t at;             /* its linear address */
	uint64_t raw;
	struct segment_descriptor d;
};

static bool is_null(uint16_t selector) { return selector < 4; }
static unsigned rpl_of(uint16_t selector) { return selector & 3; }

/* vector: what a selector beyond its table raises */
static struct segment_fault fetch(const struct segment_unit *u, const struct segment_memory *m, uint16_t selector,
                                  enum segment_vector vector, struct fetched *ret)
{
	bool local = selector & 4;
	uint32_t at = selector & 0xfff8u, base = u->gdt_base, first, last = u->gdt_limit;
	if (local && !u->ldt.usable)
		return fault(vector, selector, SEGMENT_REASON_NO_LDT);
	if (local) {
		base = u->ldt.d.base;
		segment_range(&u->ldt.d, &first, &last);
	}
	if (at + 7 > last)
		return fault(vector, selector, SEGMENT_REASON_TABLE);
	*ret = (struct fetched){ .selector = selector, .at = base + at };
	if (!m->load(m->ctx, ret->at, &ret->raw))
		return fault(SEGMENT_VECTOR_PF, 0, SEGMENT_REASON_TABLE_FAULT);
	ret->d = segment_unpack(ret->raw);
	return fine;
}

/* Everything has been checked: the register takes it, and the table learns that it has been used. */
static struct segment_fault take(struct segment_register *r, const struct segment_memory *m, struct fetched *f, uint16_t selector)
{
	if (f->d.code_or_data && !(f->d.type & SEGMENT_ACCESSED)) {
		f->d.type |= SEGMENT_ACCESSED;
		if (!m->store(m->ctx, f->at, segment_pack(&f->d)))
			return fault(SEGMENT_VECTOR_PF, 0, SEGMENT_REASON_TABLE_FAULT);
	}
	*r = (struct segment_register){ .selector = selector, .usable = true, .d = f->d };
	return fine;
}

/* ---- loading ---- */

/* A stack segment for a ring; bad: what anything but its absence raises. */
static struct segment_fault stack_fetch(const struct segment_unit *u, const struct segment_memory *m, uint16_t selector, unsigned ring,
                                        enum segment_vector bad, struct fetched *ret)
{
	struct segment_fault f;
	if (is_null(selector))
		return fault(bad, bad == SEGMENT_VECTOR_TS ? selector : 0, SEGMENT_REASON_NULL_SELECTOR);
	f = fetch(u, m, selector, bad, ret);
	if (f.vector)
		return f;
	if (rpl_of(selector) != ring)
		return fault(bad, selector, SEGMENT_REASON_PRIVILEGE);
	if (!is_writable(&ret->d))
		return fault(bad, selector, SEGMENT_REASON_KIND);
	if (ret->d.dpl != ring)
		return fault(bad, selector, SEGMENT_REASON_PRIVILEGE);
	return ret->d.present ? fine : fault(SEGMENT_VECTOR_SS, selector, SEGMENT_REASON_NOT_PRESENT);
}

static struct segment_fault data_fetch(const struct segment_unit *u, const struct segment_memory *m, uint16_t selector,
                                       struct fetched *ret)
{
	struct segment_fault f = fetch(u, m, selector, SEGMENT_VECTOR_GP, ret);
	if (f.vector)
		return f;
	if (!is_readable(&ret->d))
		return GP(selector, KIND);
	if (!is_conforming(&ret->d) && (rpl_of(selector) > ret->d.dpl || u->cpl > ret->d.dpl))
		return GP(selector, PRIVILEGE);
	return ret->d.present ? fine : fault(SEGMENT_VECTOR_NP, selector, SEGMENT_REASON_NOT_PRESENT);
}

struct segment_fault segment_load(struct segment_unit *u, const struct segment_memory *m, enum segment_name r, uint16_t selector)
{
	struct fetched got;
	if (r == SEGMENT_CS)
		return fault(SEGMENT_VECTOR_UD, 0, SEGMENT_REASON_MOVE_TO_CS);
	if (is_null(selector) && r != SEGMENT_SS) {
		u->reg[r] = (struct segment_register){ .selector = selector };
		return fine;
	}
	struct segment_fault f = r == SEGMENT_SS ? stack_fetch(u, m, selector, u->cpl, SEGMENT_VECTOR_GP, &got)
	                                         : data_fetch(u, m, selector, &got);
	return f.vector ? f : take(&u->reg[r], m, &got, selector);
}

struct segment_fault segment_load_ldt(struct segment_unit *u, const struct segment_memory *m, uint16_t selector)
{
	struct fetched got;
	if (u->cpl != 0)
		return GP(0, PRIVILEGE);
	if (is_null(selector)) {
		u->ldt = (struct segment_register){ .selector = selector };
		return fine;
	}
	if (selector & 4)
		return GP(selector, IN_LDT);
	struct segment_fault f = fetch(u, m, selector, SEGMENT_VECTOR_GP, &got);
	if (f.vector)
		return f;
	if (got.d.code_or_data || got.d.type != SEGMENT_LDT)
		return GP(selector, KIND);
	if (!got.d.present)
		return fault(SEGMENT_VECTOR_NP, selector, SEGMENT_REASON_NOT_PRESENT);
	return take(&u->ldt, m, &got, selector);
}

/* ---- far transfers ---- */

/* One on its way: the code segment, the stack that goes with it if the ring changes, and the ring. */
struct transfer {
	struct fetched code, stack;
	bool new_stack;
	unsigned ring;
	uint32_t offset;
};

static struct segment_fault code_absent(const struct fetched *code)
{
	return code->d.present ? fine : fault(SEGMENT_VECTOR_NP, code->selector, SEGMENT_REASON_NOT_PRESENT);
}

static struct segment_fault code_fetch(const struct segment_unit *u, const struct segment_memory *m, uint16_t selector,
                                       struct fetched *ret)
{
	return is_null(selector) ? GP(0, NULL_SELECTOR) : fetch(u, m, selector, SEGMENT_VECTOR_GP, ret);
}

/* Straight to a code segment: the ring stays. */
static struct segment_fault go_direct(const struct segment_unit *u, const struct transfer *t)
{
	const struct fetched *code = &t->code;
	bool allowed = is_conforming(&code->d) ? code->d.dpl <= u->cpl : rpl_of(code->selector) <= u->cpl && code->d.dpl == u->cpl;
	return allowed ? code_absent(code) : GP(code->selector, PRIVILEGE);
}

/* t->code is the gate; it becomes the code segment that the gate leads to. */
static struct segment_fault go_gate(const struct segment_unit *u, const struct segment_memory *m, enum segment_how how, struct transfer *t)
{
	const struct fetched gate = t->code;
	struct segment_fault f;
	if (gate.d.dpl < u->cpl || rpl_of(gate.selector) > gate.d.dpl)
		return GP(gate.selector, PRIVILEGE);
	if (!gate.d.present)
		return fault(SEGMENT_VECTOR_NP, gate.selector, SEGMENT_REASON_NOT_PRESENT);
	f = code_fetch(u, m, gate.d.gate_selector, &t->code);
	if (f.vector)
		return f;
	const struct segment_descriptor *code = &t->code.d;
	bool inward = !is_conforming(code) && code->dpl < u->cpl;
	t->offset = gate.d.base;
	if (!is_code(code))
		return GP(t->code.selector, KIND);
	if (code->dpl > u->cpl || (how == SEGMENT_JUMP && inward))
		return GP(t->code.selector, PRIVILEGE);
	f = code_absent(&t->code);
	if (f.vector || !inward)
		return f;
	t->ring = code->dpl;
	t->new_stack = true;
	return stack_fetch(u, m, u->stack[t->ring], t->ring, SEGMENT_VECTOR_TS, &t->stack);
}

static struct segment_fault go_back(const struct segment_unit *u, const struct segment_memory *m, uint16_t stack, struct transfer *t)
{
	const struct fetched *code = &t->code;
	unsigned ring = rpl_of(code->selector);
	if (!is_code(&code->d))
		return GP(code->selector, KIND);
	if (ring < u->cpl || (is_conforming(&code->d) ? code->d.dpl > ring : code->d.dpl != ring))
		return GP(code->selector, PRIVILEGE);
	struct segment_fault f = code_absent(code);
	if (f.vector || ring == u->cpl)
		return f;
	t->ring = ring;
	t->new_stack = true;
	return stack_fetch(u, m, stack, ring, SEGMENT_VECTOR_GP, &t->stack);
}

static struct segment_fault offset_check(const struct transfer *t)
{
	uint32_t first, last;
	segment_range(&t->code.d, &first, &last);
	return t->offset <= last ? fine : GP(0, LIMIT);
}

/* What the inner ring used and the outer may not is taken from it. */
static void data_forget(struct segment_unit *u)
{
	for (unsigned r = 0; r < SEGMENT_REGISTERS; r++) {
		const struct segment_register *g = &u->reg[r];
		if (r != SEGMENT_CS && r != SEGMENT_SS && g->usable && !is_conforming(&g->d) && g->d.dpl < u->cpl)
			u->reg[r] = (struct segment_register){ 0 };
	}
}

static struct segment_fault transfer_finish(struct segment_unit *u, const struct segment_memory *m, struct transfer *t)
{
	struct segment_unit after = *u;
	struct segment_fault f = offset_check(t);
	if (!f.vector)
		f = take(&after.reg[SEGMENT_CS], m, &t->code, (uint16_t)((t->code.selector & 0xfffcu) | t->ring));
	if (!f.vector && t->new_stack)
		f = take(&after.reg[SEGMENT_SS], m, &t->stack, t->stack.selector);
	if (f.vector)
		return f;
	bool outward = t->ring > u->cpl;
	after.cpl = t->ring;
	*u = after;
	if (outward)
		data_forget(u);
	return fine;
}

struct segment_fault segment_far(struct segment_unit *u, const struct segment_memory *m, const struct segment_transfer *t,
                                 uint32_t *ret_offset)
{
	struct transfer go = { .ring = u->cpl, .offset = t->offset };
	struct segment_fault f = code_fetch(u, m, t->selector, &go.code);
	if (f.vector)
		return f;
	if (t->how == SEGMENT_RETURN)
		f = go_back(u, m, t->stack, &go);
	else if (is_gate(&go.code.d))
		f = go_gate(u, m, t->how, &go);
	else
		f = is_code(&go.code.d) ? go_direct(u, &go) : GP(t->selector, KIND);
	if (!f.vector)
		f = transfer_finish(u, m, &go);
	if (!f.vector)
		*ret_offset = go.offset;
	return f;
}

/* ---- accesses ---- */

static struct segment_fault kind_check(const struct segment_register *g, enum access_kind kind)
{
	if (!g->usable)
		return GP(0, UNUSABLE);
	if (kind == ACCESS_STORE && !is_writable(&g->d))
		return GP(0, WRITE);
	if (kind == ACCESS_LOAD && !is_readable(&g->d))
		return GP(0, READ);
	if (kind == ACCESS_FETCH && !is_code(&g->d))
		return GP(0, KIND);
	return fine;
}

struct segment_fault segment_access(const struct segment_unit *u, enum segment_name r, uint32_t offset, uint32_t bytes,
                                    enum access_kind kind, uint32_t *ret)
{
	const struct segment_register *g = &u->reg[r];
	struct segment_fault f = kind_check(g, kind);
	uint32_t first, last;
	if (f.vector)
		return f;
	if (!segment_range(&g->d, &first, &last) || offset < first || offset > last || bytes - 1 > last - offset)
		return fault(r == SEGMENT_SS ? SEGMENT_VECTOR_SS : SEGMENT_VECTOR_GP, 0, SEGMENT_REASON_LIMIT);
	*ret = g->d.base + offset;
	return fine;
}

/* ---- the beginning ---- */

void segment_unit_init(struct segment_unit *u, unsigned cpl)
{
	*u = (struct segment_unit){ .cpl = cpl };
	for (unsigned r = 0; r < SEGMENT_REGISTERS; r++) {
		struct segment_descriptor flat = { .limit = 0xfffff, .granular = true, .big = true, .present = true, .code_or_data = true,
			                           .dpl = (uint8_t)cpl, .type = SEGMENT_ACCESSED | SEGMENT_WRITABLE };
		flat.type |= r == SEGMENT_CS ? SEGMENT_CODE : 0;
		u->reg[r] = (struct segment_register){ .selector = (uint16_t)cpl, .usable = true, .d = flat };
	}
}
