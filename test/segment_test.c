/* segment_test.c - x86 segmentation against the rules of the manual, for every combination of types, rings and presence.
 *
 * The rules stand here as the tables of the manual have them, as conditions on the whole; the code makes its checks one after the
 * other.  What the processor itself does in ring 3 is tested in segment_hardware_test.c. */
#include "../src/base/rng.h"
#include "../src/machine/segment.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

enum { ENTRIES = 16, BASE = 0x7000 };

/* A table in memory that may be missing or read-only. */
struct tables {
	uint64_t entry[ENTRIES];
	bool gone, fixed;
	unsigned stores;
};

static bool table_load(void *ctx, uint32_t linear, uint64_t *ret)
{
	struct tables *t = ctx;
	assert_true(linear >= BASE && linear < BASE + 8 * ENTRIES && linear % 8 == 0);
	*ret = t->entry[(linear - BASE) / 8];
	return !t->gone;
}

static bool table_store(void *ctx, uint32_t linear, uint64_t raw)
{
	struct tables *t = ctx;
	t->stores += !t->fixed;
	if (!t->fixed)
		t->entry[(linear - BASE) / 8] = raw;
	return !t->fixed;
}

static struct segment_memory memory_of(struct tables *t) { return (struct segment_memory){ table_load, table_store, t }; }

static struct segment_unit unit_of(unsigned cpl)
{
	struct segment_unit u;
	segment_unit_init(&u, cpl);
	u.gdt_base = BASE;
	u.gdt_limit = ENTRIES * 8 - 1;
	return u;
}

static struct segment_descriptor plain(unsigned type, unsigned dpl, bool present)
{
	return (struct segment_descriptor){ .type = (uint8_t)type, .dpl = (uint8_t)dpl, .present = present, .code_or_data = true,
		                            .limit = 0xfff, .big = true };
}

static void fault_is(struct segment_fault f, unsigned vector, unsigned error)
{
	assert_int_equal(f.vector, vector);
	if (vector)
		assert_int_equal(f.error, error);
	assert_int_equal(f.reason == SEGMENT_REASON_NONE, vector == 0);
}

/* ---- descriptors ---- */

/* Every bit of a descriptor is kept by unpacking and packing; the worked ones of textbooks read as they say. */
static void test_descriptors(void **state)
{
	(void)state;
	struct rng r;
	uint32_t first, last;
	rng_init(&r, 20261121);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t raw = rng_next(&r);
		struct segment_descriptor d = segment_unpack(raw);
		bool gate = !d.code_or_data && (d.type == SEGMENT_GATE_16 || d.type == SEGMENT_GATE_32);
		uint64_t meant = !gate ? UINT64_MAX : d.type == SEGMENT_GATE_32 ? ~0xe000000000ull : 0xff1fffffffffull;
		assert_int_equal(segment_pack(&d), raw & meant);
	}
	struct segment_descriptor flat = segment_unpack(0x00cf9a000000ffff), byte = segment_unpack(0x1240f23456780fffull);
	assert_true(flat.present && flat.dpl == 0 && flat.type == 10 && flat.granular && flat.big && flat.limit == 0xfffff && !flat.base);
	assert_true(segment_range(&flat, &first, &last) && first == 0 && last == UINT32_MAX);
	assert_true(byte.base == 0x12345678 && byte.limit == 0xfff && byte.dpl == 3 && byte.type == 2 && !byte.granular);
	struct segment_descriptor down = plain(6, 0, true);
	assert_true(segment_range(&down, &first, &last) && first == 0x1000 && last == UINT32_MAX);
	down.big = false;
	assert_true(segment_range(&down, &first, &last) && first == 0x1000 && last == 0xffff);
	down.limit = 0xffff;
	assert_false(segment_range(&down, &first, &last));
	down.big = down.granular = true;
	down.limit = 0xfffff;
	assert_false(segment_range(&down, &first, &last));
	struct segment_descriptor gate = segment_unpack(0x1234ec050008abcd);
	assert_true(gate.base == 0x1234abcd && gate.gate_selector == 8 && gate.gate_parameters == 5 && gate.dpl == 3 && gate.present);
}

/* ---- loading ---- */

struct combination {
	unsigned type, dpl, rpl, cpl;
	bool system, present;
};

static bool is_code(unsigned type) { return type & 8; }
static bool is_conforming(unsigned type) { return (type & 12) == 12; }

static unsigned data_vector(const struct combination *c)
{
	bool usable = !c->system && (!is_code(c->type) || c->type & 2);
	unsigned weakest = c->cpl > c->rpl ? c->cpl : c->rpl;
	if (!usable || (!is_conforming(c->type) && weakest > c->dpl))
		return 13;
	return c->present ? 0 : 11;
}

static unsigned stack_vector(const struct combination *c)
{
	if (c->system || is_code(c->type) || !(c->type & 2) || c->rpl != c->cpl || c->dpl != c->cpl)
		return 13;
	return c->present ? 0 : 12;
}

static unsigned jump_vector(const struct combination *c)
{
	if (c->system || !is_code(c->type))
		return 13;
	if (is_conforming(c->type) ? c->dpl > c->cpl : c->dpl != c->cpl || c->rpl > c->cpl)
		return 13;
	return c->present ? 0 : 11;
}

/* The stack that is popped is a right one of the ring that is returned to. */
static unsigned return_vector(const struct combination *c)
{
	if (c->system || !is_code(c->type) || c->rpl < c->cpl)
		return 13;
	if (is_conforming(c->type) ? c->dpl > c->rpl : c->dpl != c->rpl)
		return 13;
	return c->present ? 0 : 11;
}

static void combination_check(const struct combination *c)
{
	struct tables t = { 0 };
	struct segment_memory m = memory_of(&t);
	struct segment_descriptor d = plain(c->type, c->dpl, c->present), stack = plain(2, c->rpl, true);
	uint16_t selector = (uint16_t)(3 << 3 | c->rpl);
	uint32_t offset;
	d.code_or_data = !c->system;
	t.entry[3] = segment_pack(&d);
	t.entry[4] = segment_pack(&stack);
	struct segment_unit u = unit_of(c->cpl);
	fault_is(segment_load(&u, &m, SEGMENT_FS, selector), data_vector(c), 3 << 3);
	assert_int_equal(u.reg[SEGMENT_FS].selector == selector, data_vector(c) == 0);
	fault_is(segment_load(&u, &m, SEGMENT_SS, selector), stack_vector(c), 3 << 3);
	t.entry[3] = segment_pack(&d);
	t.stores = 0;
	struct segment_transfer jump = { .how = SEGMENT_JUMP, .selector = selector, .offset = 0xfff };
	bool gate = c->system && (c->type == SEGMENT_GATE_16 || c->type == SEGMENT_GATE_32);
	if (!gate) {
		fault_is(segment_far(&u, &m, &jump, &offset), jump_vector(c), 3 << 3);
		assert_int_equal(t.stores, jump_vector(c) == 0 && !(c->type & 1));
	}
	u = unit_of(c->cpl);
	u.reg[SEGMENT_FS].d.dpl = (uint8_t)c->rpl;
	u.reg[SEGMENT_GS].d = plain(14, c->cpl, true);
	struct segment_transfer back = { .how = SEGMENT_RETURN, .selector = selector, .stack = (uint16_t)(4 << 3 | c->rpl) };
	fault_is(segment_far(&u, &m, &back, &offset), return_vector(c), 3 << 3);
	if (return_vector(c) == 0) {
		assert_int_equal(u.cpl, c->rpl);
		assert_int_equal(u.reg[SEGMENT_CS].selector, selector);
		assert_int_equal(u.reg[SEGMENT_DS].usable, c->rpl == c->cpl);
		assert_true(u.reg[SEGMENT_FS].usable && u.reg[SEGMENT_GS].usable);
	}
}

static void test_every_combination(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 16 * 4 * 4 * 4 * 2 * 2; n++) {
		struct combination c = { .type = n & 15, .dpl = n >> 4 & 3, .rpl = n >> 6 & 3, .cpl = n >> 8 & 3, .system = n >> 10 & 1,
			                 .present = n >> 11 & 1 };
		combination_check(&c);
	}
}

/* ---- gates ---- */

struct gate_case {
	unsigned gate_dpl, rpl, cpl, type, dpl;
	bool gate_present, code_present, call;
};

static void gate_expect(const struct gate_case *c, unsigned *vector, unsigned *error, unsigned *ring)
{
	bool inward = !is_conforming(c->type) && c->dpl < c->cpl;
	*ring = inward ? c->dpl : c->cpl;
	*vector = 0;
	*error = 5 << 3;
	if ((c->cpl > c->rpl ? c->cpl : c->rpl) > c->gate_dpl)
		*vector = 13;
	else if (!c->gate_present)
		*vector = 11;
	if (*vector)
		return;
	*error = 6 << 3;
	if (!is_code(c->type) || c->dpl > c->cpl || (inward && !c->call))
		*vector = 13;
	else if (!c->code_present)
		*vector = 11;
}

static void gate_check(const struct gate_case *c)
{
	struct tables t = { 0 };
	struct segment_memory m = memory_of(&t);
	struct segment_unit u = unit_of(c->cpl);
	struct segment_descriptor gate = { .type = SEGMENT_GATE_32, .dpl = (uint8_t)c->gate_dpl, .present = c->gate_present,
		                           .gate_selector = 6 << 3, .base = 0x123 };
	struct segment_descriptor code = plain(c->type, c->dpl, c->code_present);
	struct segment_transfer go = { .how = c->call ? SEGMENT_CALL : SEGMENT_JUMP, .selector = (uint16_t)(5 << 3 | c->rpl), .offset = 9 };
	unsigned vector, error, ring;
	uint32_t offset = 0;
	t.entry[5] = segment_pack(&gate);
	t.entry[6] = segment_pack(&code);
	for (unsigned i = 0; i < 3; i++) {
		struct segment_descriptor stack = plain(2, i, true);
		t.entry[8 + i] = segment_pack(&stack);
		u.stack[i] = (uint16_t)((8 + i) << 3 | i);
	}
	gate_expect(c, &vector, &error, &ring);
	fault_is(segment_far(&u, &m, &go, &offset), vector, error);
	assert_int_equal(u.cpl, vector ? c->cpl : ring);
	if (vector)
		return;
	assert_int_equal(offset, 0x123);
	assert_int_equal(u.reg[SEGMENT_CS].selector, 6 << 3 | ring);
	if (ring != c->cpl)
		assert_int_equal(u.reg[SEGMENT_SS].selector, (8 + ring) << 3 | ring);
}

static void test_every_gate(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 1u << 15; n++) {
		struct gate_case c = { n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6 & 15, n >> 10 & 3, n >> 12 & 1, n >> 13 & 1, n >> 14 & 1 };
		gate_check(&c);
	}
}

/* What may be wrong with the stack of an inner ring raises #TS with its selector, and its absence #SS. */
static void test_gate_stacks(void **state)
{
	(void)state;
	static const struct { uint16_t selector; unsigned type, dpl, present, vector, error; } cases[] = {
		{ 7 << 3, 2, 0, 1, 0, 0 }, { 0, 2, 0, 1, 10, 0 }, { 30 << 3, 2, 0, 1, 10, 30 << 3 }, { 7 << 3 | 1, 2, 0, 1, 10, 7 << 3 },
		{ 7 << 3, 2, 1, 1, 10, 7 << 3 }, { 7 << 3, 0, 0, 1, 10, 7 << 3 }, { 7 << 3, 10, 0, 1, 10, 7 << 3 },
		{ 7 << 3, 2, 0, 0, 12, 7 << 3 }, { 7 << 3 | 4, 2, 0, 1, 10, 7 << 3 | 4 },
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tables t = { 0 };
		struct segment_memory m = memory_of(&t);
		struct segment_unit u = unit_of(3), before;
		struct segment_descriptor gate = { .type = SEGMENT_GATE_16, .dpl = 3, .present = true, .gate_selector = 6 << 3 };
		struct segment_descriptor code = plain(8, 0, true), stack = plain(cases[i].type, cases[i].dpl, cases[i].present);
		struct segment_transfer call = { .how = SEGMENT_CALL, .selector = 5 << 3 };
		uint32_t offset;
		t.entry[5] = segment_pack(&gate);
		t.entry[6] = segment_pack(&code);
		t.entry[7] = segment_pack(&stack);
		u.stack[0] = cases[i].selector;
		before = u;
		fault_is(segment_far(&u, &m, &call, &offset), cases[i].vector, cases[i].error);
		if (cases[i].vector)
			assert_memory_equal(&u, &before, sizeof u);
		else
			assert_int_equal(u.cpl, 0);
	}
}

/* ---- tables ---- */

static void test_tables(void **state)
{
	(void)state;
	struct tables t = { 0 };
	struct segment_memory m = memory_of(&t);
	struct segment_unit u = unit_of(0);
	struct segment_descriptor ldt = { .type = SEGMENT_LDT, .present = true, .base = BASE + 64, .limit = 15 }, data = plain(2, 0, true);
	uint32_t offset = 0;
	t.entry[2] = segment_pack(&ldt);
	t.entry[3] = segment_pack(&data);
	t.entry[9] = segment_pack(&data);
	fault_is(segment_load(&u, &m, SEGMENT_DS, 1 << 3 | 4), 13, 1 << 3 | 4); /* no LDT yet */
	fault_is(segment_load_ldt(&u, &m, 2 << 3 | 4), 13, 2 << 3 | 4);
	fault_is(segment_load_ldt(&u, &m, 3 << 3), 13, 3 << 3);
	fault_is(segment_load_ldt(&u, &m, 100 << 3), 13, 100 << 3);
	fault_is(segment_load_ldt(&u, &m, 2 << 3), 0, 0);
	fault_is(segment_load(&u, &m, SEGMENT_DS, 1 << 3 | 4), 0, 0);
	fault_is(segment_load(&u, &m, SEGMENT_DS, 2 << 3 | 4), 13, 2 << 3 | 4);
	ldt.present = false;
	t.entry[2] = segment_pack(&ldt);
	fault_is(segment_load_ldt(&u, &m, 2 << 3), 11, 2 << 3);
	fault_is(segment_load_ldt(&u, &m, 0), 0, 0);
	assert_false(u.ldt.usable);
	u.gdt_limit = 3 * 8 + 6; /* one byte short of entry 3 */
	fault_is(segment_load(&u, &m, SEGMENT_DS, 3 << 3), 13, 3 << 3);
	u.gdt_limit++;
	fault_is(segment_load(&u, &m, SEGMENT_DS, 3 << 3), 0, 0);
	fault_is(segment_load(&u, &m, SEGMENT_CS, 3 << 3), 6, 0);
	fault_is(segment_load(&u, &m, SEGMENT_SS, 0), 13, 0);
	fault_is(segment_load(&u, &m, SEGMENT_GS, 3), 0, 0);
	assert_false(u.reg[SEGMENT_GS].usable);
	fault_is(segment_access(&u, SEGMENT_GS, 0, 1, ACCESS_LOAD, &offset), 13, 0);
	struct segment_transfer null = { .how = SEGMENT_JUMP };
	fault_is(segment_far(&u, &m, &null, &offset), 13, 0);
	t.gone = true;
	fault_is(segment_load(&u, &m, SEGMENT_DS, 3 << 3), 14, 0);
	t.gone = false;
	t.fixed = true;
	t.entry[3] = segment_pack(&data);
	struct segment_unit before = u;
	fault_is(segment_load(&u, &m, SEGMENT_DS, 3 << 3), 14, 0);
	assert_memory_equal(&u, &before, sizeof u);
	u.cpl = 1;
	fault_is(segment_load_ldt(&u, &m, 2 << 3), 13, 0);
}

/* ---- accesses ---- */

/* Against a list of the offsets that are allowed, one by one. */
static void test_limits(void **state)
{
	(void)state;
	struct rng r;
	rng_init(&r, 7);
	for (unsigned i = 0; i < 200000; i++) {
		struct segment_unit u = unit_of(0);
		struct segment_descriptor d = plain((unsigned)rng_below(&r, 16), 0, true);
		enum segment_name reg = rng_below(&r, 2) ? SEGMENT_SS : SEGMENT_DS;
		enum access_kind kind = rng_below(&r, 2) ? ACCESS_LOAD : ACCESS_STORE;
		d.big = rng_below(&r, 2);
		d.granular = rng_below(&r, 2);
		d.limit = (uint32_t)rng_below(&r, d.granular ? 18 : 0x10002);
		d.base = (uint32_t)rng_next(&r);
		u.reg[reg].d = d;
		uint32_t linear = 0, bytes = 1 + (uint32_t)rng_below(&r, 4);
		uint32_t last = d.granular ? d.limit * 4096 + 4095 : d.limit, edge = rng_below(&r, 2) ? last : 0xffff;
		uint32_t offset = edge + (uint32_t)rng_below(&r, 9) - 4;
		bool down = !is_code(d.type) && d.type & 4, load = kind == ACCESS_LOAD, bit = d.type & 2;
		bool allowed = is_code(d.type) ? load && bit : load || bit;
		bool inside = true;
		for (uint64_t at = offset; at < (uint64_t)offset + bytes; at++)
			inside &= down ? at > last && at <= (d.big ? UINT32_MAX : 0xffffu) : at <= last;
		struct segment_fault f = segment_access(&u, reg, offset, bytes, kind, &linear);
		fault_is(f, allowed && inside ? 0 : !allowed || reg == SEGMENT_DS ? 13 : 12, 0);
		if (!f.vector)
			assert_int_equal(linear, (uint32_t)(d.base + offset));
	}
}

static void test_texts(void **state)
{
	(void)state;
	char text[64];
	for (unsigned i = 0; i < 32; i++) {
		struct segment_descriptor d = { .type = i & 15, .code_or_data = i >> 4 };
		assert_true(*segment_type_text(&d, text, sizeof text));
	}
	for (unsigned i = 0; i <= SEGMENT_REASON_TABLE_FAULT; i++)
		assert_true(*segment_reason_text((enum segment_reason)i));
	assert_string_equal(segment_vector_text(SEGMENT_VECTOR_GP), "#GP");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors), cmocka_unit_test(test_every_combination), cmocka_unit_test(test_every_gate),
		cmocka_unit_test(test_gate_stacks), cmocka_unit_test(test_tables), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
