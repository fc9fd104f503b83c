/* lab_selector.c - the part of the command segment that is about x86: selectors, descriptors, rings, with paging below.
 *
 * Problem: on x86 an address goes through two translations, and people meet the first only as a #GP they cannot explain.
 * Idea: the session has one processor's segment registers.  Its tables are in the memory of the process that runs, where
 * "segment describe" writes them as a kernel would, and from where the unit reads them; so both translations are the real ones.
 *
 *      ds:0x10  --descriptor-->  linear 0x10010  --page tables-->  physical 0x5010
 *
 * 1. CPL is 0 after the command supervisor, 3 after user, and what jumps, calls and returns make it; accesses below ring 3 are the
 *    supervisor's for paging.
 * 2. Tables are read and written as the supervisor, whoever runs, as the processor does. */
#include "lab_segment.h"
#include <string.h>

#define U(v) ((unsigned long long)(v))

enum { READ_MOST = 4096 };

static const char *const register_words[SEGMENT_REGISTERS] = {
#define X(name, word) word,
	SEGMENT_REGISTER_LIST(X)
#undef X
};

/* ---- the unit, and its memory ---- */

/* The unit, for the process that runs.  => NULL, and the line has failed */
static struct segment_unit *unit(struct lab *l)
{
	const struct ptfmt *f = machine_format(computer_machine(l->computer));
	struct lab_segments *s = lab_segments(l);
	if (!s || !lab_running(l))
		return NULL;
	if (strncmp(f->name, "x86", 3) != 0) {
		lab_fail(l, "segment: %s has no such segments; 'machine format=x86-32' makes a machine that has", f->name);
		return NULL;
	}
	if ((s->unit.cpl < 3) != l->supervisor)
		s->unit.cpl = l->supervisor ? 0 : 3;
	return &s->unit;
}

static void supervise(struct lab *l, bool on)
{
	machine_set_supervisor(computer_machine(l->computer), l->cpu, on);
}

/* Linear addresses go around at 4 GiB.  => whether all of it was moved */
static bool linear_move(struct lab *l, uint32_t linear, enum access_kind kind, uint8_t *bytes, uint64_t n)
{
	uint64_t head = (1ull << 32) - linear;
	head = head < n ? head : n;
	return lab_move_bytes(l, lab_running(l), linear, kind, bytes, head) == head &&
	       (head == n || lab_move_bytes(l, lab_running(l), 0, kind, bytes + head, n - head) == n - head);
}

static bool table_move(struct lab *l, uint32_t linear, enum access_kind kind, uint64_t *raw)
{
	supervise(l, true);
	lab_tell(l, "  the table: ");
	bool whole = linear_move(l, linear, kind, (uint8_t *)raw, sizeof *raw);
	supervise(l, l->supervisor);
	return whole;
}

static bool table_load(void *ctx, uint32_t linear, uint64_t *ret) { return table_move(ctx, linear, ACCESS_LOAD, ret); }
static bool table_store(void *ctx, uint32_t linear, uint64_t raw) { return table_move(ctx, linear, ACCESS_STORE, &raw); }
static struct segment_memory tables(struct lab *l) { return (struct segment_memory){ table_load, table_store, l }; }

/* ---- words ---- */

static bool selector_of(struct lab *l, const char *word, uint16_t *ret)
{
	uint64_t n;
	if (!lab_number(l, "selector", word, &n))
		return false;
	if (n > UINT16_MAX) {
		lab_fail(l, "selector: %s has more than 16 bits", word);
		return false;
	}
	*ret = (uint16_t)n;
	return true;
}

static bool linear_of(struct lab *l, const char *what, const char *word, uint32_t *ret)
{
	uint64_t n;
	if (!lab_number(l, what, word, &n))
		return false;
	if (n > UINT32_MAX) {
		lab_fail(l, "%s: %s has more than 32 bits", what, word);
		return false;
	}
	*ret = (uint32_t)n;
	return true;
}

/* => SEGMENT_REGISTERS: none, and the line has failed */
static enum segment_name register_of(struct lab *l, const char *word, size_t n)
{
	for (unsigned r = 0; r < SEGMENT_REGISTERS; r++)
		if (strlen(register_words[r]) == n && memcmp(register_words[r], word, n) == 0)
			return (enum segment_name)r;
	lab_fail(l, "segment: '%.*s' is no segment register; those are es, cs, ss, ds, fs and gs", (int)n, word);
	return SEGMENT_REGISTERS;
}

bool lab_selector_is(const char *word) { return *word >= 'a' && *word <= 'z' && strchr(word, ':'); }

/* ---- telling ---- */

static void tell_descriptor(struct lab *l, const struct segment_descriptor *d)
{
	char type[64];
	uint32_t first, last;
	lab_tell(l, "  %s, DPL %u%s", segment_type_text(d, type, sizeof type), d->dpl, d->present ? "" : ", not present");
	if (!d->code_or_data && d->type != SEGMENT_LDT)
		lab_tell(l, ", leads to 0x%x:0x%x\n", d->gate_selector, d->base);
	else if (segment_range(d, &first, &last))
		lab_tell(l, ", base 0x%x, offsets 0x%x to 0x%x\n", d->base, first, last);
	else
		lab_tell(l, ", base 0x%x, no offsets at all\n", d->base);
}

static void note(struct lab *l, struct segment_fault f)
{
	l->segments->last = (struct lab_segment_last){ .refused = f.vector != SEGMENT_NO_VECTOR, .vector = f.vector, .error = f.error };
}

static void tell_fault(struct lab *l, struct segment_fault f)
{
	lab_tell(l, "%s(0x%x): %s", segment_vector_text(f.vector), f.error, segment_reason_text(f.reason));
}

/* ---- tables ---- */

enum lab_outcome lab_selector_gdt(struct lab *l, const struct lab_line *line)
{
	struct segment_unit *u = unit(l);
	uint64_t base, limit;
	if (!u || !lab_address(l, line->word[0], &base) || !lab_number(l, "limit", line->word[1], &limit))
		return LAB_ERROR;
	if (base > UINT32_MAX || limit > UINT16_MAX)
		return lab_fail(l, "segment gdt: the table has a 32-bit address and a 16-bit limit");
	u->gdt_base = (uint32_t)base;
	u->gdt_limit = (uint16_t)limit;
	lab_tell(l, "GDT: at linear 0x%x, %llu descriptors\n", u->gdt_base, U((limit + 1) / 8));
	return LAB_DONE;
}

/* => false: it is none of these */
static bool describe_flag(const char *word, struct segment_descriptor *d)
{
	static const struct { const char *word; uint8_t set, clear; } types[] = {
		{ "data", 0, SEGMENT_CODE }, { "code", SEGMENT_CODE, 0 }, { "rw", SEGMENT_WRITABLE, 0 }, { "r", 0, SEGMENT_WRITABLE },
		{ "rx", SEGMENT_READABLE, 0 }, { "x", 0, SEGMENT_READABLE }, { "down", SEGMENT_DOWN, 0 },
		{ "conforming", SEGMENT_CONFORMING, 0 },
	};
	for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].word, word) == 0) {
			d->type = (uint8_t)((d->type & ~types[i].clear) | types[i].set);
			return true;
		}
	if (strcmp(word, "pages") == 0)
		d->granular = true;
	else if (strcmp(word, "16bit") == 0)
		d->big = false;
	else if (strcmp(word, "absent") == 0)
		d->present = false;
	else if (strcmp(word, "ldt") == 0)
		*d = (struct segment_descriptor){ .type = SEGMENT_LDT, .present = d->present, .dpl = d->dpl, .base = d->base,
			                          .limit = d->limit };
	else
		return false;
	return true;
}

/* A word NAME=NUMBER, of which the number is given. */
static bool describe_value(struct lab *l, const char *word, uint32_t value, struct segment_descriptor *d)
{
	static const struct { const char *name; uint32_t most; } values[] = {
		{ "base=", UINT32_MAX }, { "offset=", UINT32_MAX }, { "limit=", 0xfffff }, { "dpl=", 3 }, { "gate=", UINT16_MAX },
	};
	unsigned i = 0;
	while (strncmp(word, values[i].name, strlen(values[i].name)) != 0)
		if (++i == sizeof values / sizeof *values) {
			lab_fail(l, "segment describe: '%s' is no word of it; see pageworks-lab(1)", word);
			return false;
		}
	if (value > values[i].most) {
		lab_fail(l, "segment describe: %s is at most 0x%x%s", word, values[i].most, i == 2 ? "; with 'pages' it counts pages" : "");
		return false;
	}
	switch (i) {
	case 0: case 1: d->base = value; break;
	case 2: d->limit = value; break;
	case 3: d->dpl = (uint8_t)value; break;
	default:
		*d = (struct segment_descriptor){ .type = SEGMENT_GATE_32, .present = d->present, .dpl = d->dpl, .base = d->base,
			                          .gate_selector = (uint16_t)value };
	}
	return true;
}

/* One word of a descriptor.  => false: the line has failed */
static bool describe_word(struct lab *l, const char *word, struct segment_descriptor *d)
{
	const char *equals = strchr(word, '=');
	uint32_t value = 0;
	if (!equals && describe_flag(word, d))
		return true;
	return (!equals || linear_of(l, word, equals + 1, &value)) && describe_value(l, word, value, d);
}

/* Where entry i of a table lies.  => false: the line has failed */
static bool entry_at(struct lab *l, const struct segment_unit *u, const char *table, uint64_t i, uint32_t *ret)
{
	uint32_t first, last = u->gdt_limit;
	bool local = strcmp(table, "ldt") == 0;
	if (!local && strcmp(table, "gdt") != 0)
		lab_fail(l, "segment describe: '%s' is no table; write gdt or ldt", table);
	else if (local && !u->ldt.usable)
		lab_fail(l, "segment describe: no LDT is loaded; 'segment ldt SELECTOR' loads one");
	else if (local ? segment_range(&u->ldt.d, &first, &last) && i * 8 + 7 > last : i * 8 + 7 > last)
		lab_fail(l, "segment describe: the table ends before entry %llu; 'segment gdt 0x1000 0xff' makes one of 32", U(i));
	else {
		*ret = (local ? u->ldt.d.base : u->gdt_base) + (uint32_t)i * 8;
		return true;
	}
	return false;
}

enum lab_outcome lab_selector_describe(struct lab *l, const struct lab_line *line)
{
	struct segment_unit *u = unit(l);
	struct segment_descriptor d = { .limit = 0xfffff, .type = SEGMENT_WRITABLE, .dpl = 3, .code_or_data = true, .present = true,
		                        .big = true };
	uint64_t i;
	uint32_t at;
	if (!u || !lab_number(l, "index", line->word[1], &i))
		return LAB_ERROR;
	if (i > 8191)
		return lab_fail(l, "segment describe: a table has at most 8192 entries");
	if (!entry_at(l, u, line->word[0], i, &at))
		return LAB_ERROR;
	for (unsigned w = 2; w < line->n; w++)
		if (!describe_word(l, line->word[w], &d))
			return LAB_ERROR;
	uint64_t raw = segment_pack(&d);
	bool stored = table_store(l, at, raw);
	note(l, (struct segment_fault){ stored ? SEGMENT_NO_VECTOR : SEGMENT_VECTOR_PF, 0, SEGMENT_REASON_NONE });
	if (!stored)
		return LAB_DONE;
	lab_tell(l, "descriptor %llu of the %s, at linear 0x%x: 0x%016llx\n", U(i), line->word[0], at, U(raw));
	tell_descriptor(l, &d);
	return LAB_DONE;
}

/* ---- loading ---- */

static void tell_selector(struct lab *l, const char *what, uint16_t selector)
{
	lab_tell(l, "%s 0x%x (entry %u of the %s, RPL %u): ", what, selector, selector >> 3, selector & 4 ? "LDT" : "GDT", selector & 3);
}

/* What came of loading a register. */
static enum lab_outcome loaded(struct lab *l, const char *what, uint16_t selector, struct segment_fault f,
                               const struct segment_register *r)
{
	note(l, f);
	tell_selector(l, what, selector);
	if (f.vector) {
		tell_fault(l, f);
		lab_tell(l, "; CPL is %u\n", l->segments->unit.cpl);
		return LAB_DONE;
	}
	l->segments->last.base = r->d.base;
	lab_tell(l, r->usable ? "loaded\n" : "null: it holds no segment now\n");
	if (r->usable)
		tell_descriptor(l, &r->d);
	return LAB_DONE;
}

enum lab_outcome lab_selector_load(struct lab *l, const struct lab_line *line)
{
	struct segment_unit *u = unit(l);
	struct segment_memory m = tables(l);
	uint16_t selector;
	enum segment_name r = u ? register_of(l, line->word[0], strlen(line->word[0])) : SEGMENT_REGISTERS;
	if (r == SEGMENT_REGISTERS || !selector_of(l, line->word[1], &selector))
		return LAB_ERROR;
	struct segment_fault f = segment_load(u, &m, r, selector);
	return loaded(l, line->word[0], selector, f, &u->reg[r]);
}

enum lab_outcome lab_selector_ldt(struct lab *l, const struct lab_line *line)
{
	struct segment_unit *u = unit(l);
	struct segment_memory m = tables(l);
	uint16_t selector;
	if (!u || !selector_of(l, line->word[0], &selector))
		return LAB_ERROR;
	struct segment_fault f = segment_load_ldt(u, &m, selector);
	return loaded(l, "LDT", selector, f, &u->ldt);
}

enum lab_outcome lab_selector_stack(struct lab *l, const struct lab_line *line)
{
	struct segment_unit *u = unit(l);
	uint64_t ring;
	uint16_t selector;
	if (!u || !lab_number(l, "ring", line->word[0], &ring) || !selector_of(l, line->word[1], &selector))
		return LAB_ERROR;
	if (ring > 2)
		return lab_fail(l, "segment stack: calls go inward, to ring 0, 1 or 2");
	u->stack[ring] = selector;
	lab_tell(l, "calls into ring %llu get SS 0x%x\n", U(ring), selector);
	return LAB_DONE;
}

/* ---- transfers ---- */

static enum lab_outcome transfer(struct lab *l, const struct lab_line *line, enum segment_how how)
{
	static const char *const words[] = { "jump to", "call of", "return to" };
	struct segment_unit *u = unit(l);
	struct segment_memory m = tables(l);
	struct segment_transfer t = { .how = how };
	char selector[32];
	const char *colon = strchr(line->word[0], ':');
	uint32_t offset = 0;
	snprintf(selector, sizeof selector, "%.*s", (int)strcspn(line->word[0], ":"), line->word[0]);
	if (!u || !selector_of(l, selector, &t.selector) || (colon && !linear_of(l, "offset", colon + 1, &t.offset)) ||
	    (line->n > 1 && !selector_of(l, line->word[1], &t.stack)))
		return LAB_ERROR;
	unsigned before = u->cpl;
	struct segment_fault f = segment_far(u, &m, &t, &offset);
	loaded(l, words[how], t.selector, f, &u->reg[SEGMENT_CS]);
	if (f.vector)
		return LAB_DONE;
	l->supervisor = u->cpl < 3;
	supervise(l, l->supervisor);
	lab_tell(l, "  goes on at cs:0x%x in ring %u", offset, u->cpl);
	lab_tell(l, u->cpl == before ? "\n" : ", came from ring %u; SS is 0x%x now\n", before, u->reg[SEGMENT_SS].selector);
	return LAB_DONE;
}

enum lab_outcome lab_selector_jump(struct lab *l, const struct lab_line *line) { return transfer(l, line, SEGMENT_JUMP); }
enum lab_outcome lab_selector_call(struct lab *l, const struct lab_line *line) { return transfer(l, line, SEGMENT_CALL); }
enum lab_outcome lab_selector_return(struct lab *l, const struct lab_line *line) { return transfer(l, line, SEGMENT_RETURN); }

/* ---- accesses ---- */

struct wanted {
	enum segment_name reg;
	uint32_t offset;
	uint64_t n, value;
	uint8_t bytes[READ_MOST];
};

/* REGISTER:OFFSET, then the number of bytes of a load, or what is stored. */
static bool wanted_read(struct lab *l, const struct lab_line *line, enum access_kind kind, struct wanted *w)
{
	const char *word = line->word[0], *colon = strchr(word, ':'), *second = line->n > 1 ? line->word[1] : NULL;
	w->reg = register_of(l, word, (size_t)(colon - word));
	w->n = kind == ACCESS_FETCH ? 1 : 8;
	if (w->reg == SEGMENT_REGISTERS || !linear_of(l, "offset", colon + 1, &w->offset))
		return false;
	if (kind == ACCESS_LOAD && second && !lab_number(l, "bytes", second, &w->n))
		return false;
	if (kind == ACCESS_STORE && *second == '"') {
		w->n = strlen(second + 1);
		memcpy(w->bytes, second + 1, w->n < READ_MOST ? w->n : READ_MOST);
	} else if (kind == ACCESS_STORE) {
		if (!lab_number(l, "value", second, &w->value))
			return false;
		memcpy(w->bytes, &w->value, sizeof w->value);
	}
	if (w->n == 0 || w->n > READ_MOST)
		lab_fail(l, "segment: from 1 to %d bytes can be accessed at once", READ_MOST);
	return w->n > 0 && w->n <= READ_MOST;
}

static void tell_value(struct lab *l, const struct wanted *w)
{
	uint64_t value = 0;
	memcpy(&value, w->bytes, w->n < 8 ? w->n : 8);
	l->segments->last.value = value;
	if (w->n <= 8)
		lab_tell(l, "  = %llu (0x%llx)\n", U(value), U(value));
	else
		lab_tell_bytes(l, w->offset, w->bytes, w->n);
}

enum lab_outcome lab_selector_access(struct lab *l, const struct lab_line *line, enum access_kind kind)
{
	struct segment_unit *u = unit(l);
	struct wanted w = { .n = 8 };
	uint32_t linear = 0;
	if (!u || !wanted_read(l, line, kind, &w))
		return LAB_ERROR;
	if (kind == ACCESS_FETCH && w.reg != SEGMENT_CS)
		return lab_fail(l, "segment fetch: instructions come from cs");
	struct segment_fault f = segment_access(u, w.reg, w.offset, (uint32_t)w.n, kind, &linear);
	note(l, f);
	lab_tell(l, "%s %s: ", access_name(kind), line->word[0]);
	if (f.vector) {
		tell_fault(l, f);
		lab_tell(l, "\n");
		if (u->reg[w.reg].usable)
			tell_descriptor(l, &u->reg[w.reg].d);
		return LAB_DONE;
	}
	lab_tell(l, "linear 0x%x = base 0x%x + 0x%x\n", linear, u->reg[w.reg].d.base, w.offset);
	bool whole = linear_move(l, linear, kind, w.bytes, w.n);
	note(l, (struct segment_fault){ whole ? SEGMENT_NO_VECTOR : SEGMENT_VECTOR_PF, 0, SEGMENT_REASON_NONE });
	l->segments->last.linear = linear;
	l->segments->last.physical = l->last.pa.v;
	if (whole && kind == ACCESS_LOAD)
		tell_value(l, &w);
	return LAB_DONE;
}

/* ---- showing ---- */

static void register_show(struct lab *l, const char *name, const struct segment_register *r)
{
	char type[64];
	uint32_t first = 0, last = 0;
	if (!r->usable) {
		fprintf(l->out, "  %-4s 0x%04x  null\n", name, r->selector);
		return;
	}
	bool any = segment_range(&r->d, &first, &last);
	fprintf(l->out, "  %-4s 0x%04x  base 0x%08x  offsets ", name, r->selector, r->d.base);
	if (any)
		fprintf(l->out, "0x%08x to 0x%08x", first, last);
	else
		fprintf(l->out, "%-24s", "none");
	fprintf(l->out, "  DPL %u  %s\n", r->d.dpl, segment_type_text(&r->d, type, sizeof type));
}

enum lab_outcome lab_selector_show(struct lab *l)
{
	const struct segment_unit *u = unit(l);
	if (!u)
		return LAB_ERROR;
	for (unsigned r = 0; r < SEGMENT_REGISTERS; r++)
		register_show(l, register_words[r], &u->reg[r]);
	register_show(l, "LDT", &u->ldt);
	fprintf(l->out, "  GDT          base 0x%08x  offsets 0x%08x to 0x%08x\n", u->gdt_base, 0, u->gdt_limit);
	fprintf(l->out, "  CPL %u; calls into rings 0, 1, 2 get SS 0x%x, 0x%x, 0x%x\n", u->cpl, u->stack[0], u->stack[1], u->stack[2]);
	return LAB_DONE;
}
