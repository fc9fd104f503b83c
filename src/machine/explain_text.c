/* explain_text.c - a translation in words, drawn and as JSON.
 *
 * Problem: whoever asks why an address does not translate must see which bits picked which entry, and what the entry says.
 * Idea: the address is cut where the format cuts it, each part in a column with the number it means; then a line for each entry:
 *
 *      64 bits  0000000000000000 000000000 000000000 000010010 001101000 101011001111
 *               sign             3: 0      2: 0      1: 18     0: 104    offset 0xacf
 *
 * Text and JSON are told from the same struct explain. */
#include "explain.h"
#include <stdarg.h>
#include <string.h>

const char *explain_rights(unsigned rights, char buf[6])
{
	buf[0] = rights & PT_READ ? 'r' : '-';
	buf[1] = rights & PT_WRITE ? 'w' : '-';
	buf[2] = rights & PT_EXEC ? 'x' : '-';
	buf[3] = rights & PT_USER ? 'u' : 's';
	buf[4] = rights & PT_GLOBAL ? 'g' : '-';
	buf[5] = '\0';
	return buf;
}

const char *explain_flags(const struct ptfmt *f, pte_t e, char *buf, size_t size)
{
	const struct { uint64_t bit; const char *name; } flags[] = {
		{ f->valid, "valid" }, { f->leaf, "leaf" }, { f->read, "read" }, { f->write, "write" }, { f->exec, "execute" },
		{ f->noexec, "no-execute" }, { f->user, "user" }, { f->global, "global" }, { f->accessed, "accessed" },
		{ f->dirty, "dirty" }, { f->table, "table-or-page" }, { f->clean, f->write ? "clean" : "read-only" },
		{ f->nonglobal, "not-global" }, { f->noexec_system, "no-execute-by-supervisor" },
	};
	size_t at = 0;
	*buf = '\0';
	for (unsigned i = 0; i < sizeof flags / sizeof *flags && at < size; i++)
		if (e.v & flags[i].bit)
			at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? " " : "", flags[i].name);
	return buf;
}

/* ---- the drawing ---- */

struct part {
	char bits[72], meaning[40];
	int width;
};

static void part_make(struct part *p, uint64_t va, unsigned low, unsigned n, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
static void part_make(struct part *p, uint64_t va, unsigned low, unsigned n, const char *format, ...)
{
	va_list args;
	for (unsigned i = 0; i < n; i++)
		p->bits[i] = va >> (low + n - 1 - i) & 1 ? '1' : '0';
	p->bits[n] = '\0';
	va_start(args, format);
	vsnprintf(p->meaning, sizeof p->meaning, format, args);
	va_end(args);
	int meaning = (int)strlen(p->meaning);
	p->width = (int)n > meaning ? (int)n : meaning;
}

static void parts_print(const struct part *parts, unsigned n, FILE *out)
{
	fprintf(out, "  ");
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "%-*s%s", i + 1 < n ? parts[i].width : 0, parts[i].bits, i + 1 < n ? " " : "\n");
	fprintf(out, "  ");
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "%-*s%s", i + 1 < n ? parts[i].width : 0, parts[i].meaning, i + 1 < n ? " " : "\n");
}

/* The bits of the address above those that are translated: all of 64, or of 32 for a format that has no more. */
static void drawing(const struct explain *e, FILE *out)
{
	const struct ptfmt *f = e->format;
	struct part parts[PTFMT_LEVELS + 2];
	unsigned n = 0, whole = f->va_bits > 32 ? 64 : 32;
	if (f->va_bits < whole)
		part_make(&parts[n++], e->va.v, f->va_bits, whole - f->va_bits, "%s", f->sign_extended ? "sign" : "zero");
	for (unsigned level = f->levels; level-- > 0;)
		part_make(&parts[n++], e->va.v, ptfmt_level_shift(f, level), f->index_bits[level], "%u: %llu", level,
		          (unsigned long long)ptfmt_index(f, e->va, level));
	part_make(&parts[n++], e->va.v, 0, f->page_shift, "offset 0x%llx", (unsigned long long)(e->va.v & ((1ull << f->page_shift) - 1)));
	parts_print(parts, n, out);
}

/* ---- the steps ---- */

static void step_print(const struct explain *e, const struct explain_step *s, FILE *out)
{
	const struct ptfmt *f = e->format;
	char rights[6], flags[128];
	fprintf(out, "  level %u  table 0x%llx + %llu * %u = 0x%llx: ", s->level, (unsigned long long)s->table.v,
	        (unsigned long long)s->index, f->entry_bytes, (unsigned long long)s->entry_at.v);
	if (!s->present) {
		fprintf(out, "outside the memory\n");
		return;
	}
	fprintf(out, "0x%0*llx  %s\n", 2 * f->entry_bytes, (unsigned long long)s->entry.v, explain_flags(f, s->entry, flags, sizeof flags));
	if (f->hashed && !s->leaf) {
		fprintf(out, "           neither of the two groups of eight entries, the second at 0x%llx, holds the page\n",
		        (unsigned long long)s->table.v);
		return;
	}
	if (!ptfmt_valid(f, s->entry))
		return;
	unsigned long long target = ptfmt_pfn(f, s->entry).v << f->page_shift;
	if (s->leaf)
		fprintf(out, "           maps a page of 2^%u bytes at 0x%llx, %s\n", ptfmt_level_shift(f, s->level), target,
		        explain_rights(s->rights, rights));
	else if (s->level > 0)
		fprintf(out, "           points to the table of level %u at 0x%llx%s%s\n", s->level - 1, target,
		        f->rights_on_tables ? ", grants at most " : "", f->rights_on_tables ? explain_rights(s->rights, rights) : "");
}

/* The entry whose rights the access fails for: the highest one that lacks them. */
static const struct explain_step *step_to_blame(const struct explain *e, unsigned right)
{
	for (unsigned i = 0; i < e->n_steps; i++)
		if (!(e->step[i].rights & right))
			return &e->step[i];
	return &e->step[e->n_steps - 1];
}

static unsigned right_missing(enum machine_fault fault)
{
	switch (fault) {
	case MACHINE_FAULT_WRITE: return PT_WRITE;
	case MACHINE_FAULT_EXEC: return PT_EXEC;
	case MACHINE_FAULT_READ: return PT_READ;
	case MACHINE_FAULT_PRIVILEGE: return PT_USER;
	default: return 0;
	}
}

/* What would have to be different, as one sentence into buf. */
static void remedy(const struct explain *e, char *buf, size_t size)
{
	const struct ptfmt *f = e->format;
	const struct explain_step *last = e->n_steps ? &e->step[e->n_steps - 1] : NULL;
	unsigned missing = right_missing(e->fault);
	if (e->fault == MACHINE_FAULT_NONCANONICAL) {
		snprintf(buf, size, "bits %u to 63 %s", f->va_bits, f->two_roots ? "would have to be all zero or all one"
		         : f->sign_extended ? "would have to be copies of the bit below them"
		                                                                     : "would have to be zero");
	} else if (missing) {
		const struct explain_step *s = step_to_blame(e, missing);
		snprintf(buf, size, "the entry of level %u at 0x%llx would have to grant it", s->level, (unsigned long long)s->entry_at.v);
	} else if (f->hashed && e->fault == MACHINE_FAULT_NOT_PRESENT) {
		snprintf(buf, size, "one of the eight entries of its first or of its second group would have to hold the page");
	} else if (e->fault == MACHINE_FAULT_RESERVED) {
		snprintf(buf, size, "the entry of level %u at 0x%llx is damaged, or no page-table entry of this format", last->level,
		         (unsigned long long)last->entry_at.v);
	} else if (e->fault == MACHINE_FAULT_BADFRAME) {
		snprintf(buf, size, last->present ? "the memory given here would have to hold the page at 0x%llx"
		                                  : "the memory given here would have to hold the table at 0x%llx",
		         (unsigned long long)(last->present ? e->pa.v : last->table.v));
	} else {
		snprintf(buf, size, "the entry of level %u at 0x%llx would have to be valid: %s", last->level,
		         (unsigned long long)last->entry_at.v,
		         last->level == 0 ? "point to a frame" : f->leaf_levels >> last->level & 1 ? "point to a table, or to a large page"
		                                                                                   : "point to a table");
	}
}

void explain_print(const struct explain *e, FILE *out)
{
	char rights[6], text[256];
	fprintf(out, "%s 0x%llx, as a %s of the %s, root 0x%llx\n", e->format->name, (unsigned long long)e->va.v, access_name(e->kind),
	        e->user ? "user" : "supervisor", (unsigned long long)e->root.v);
	drawing(e, out);
	for (unsigned i = 0; i < e->n_steps; i++)
		step_print(e, &e->step[i], out);
	if (e->mapped)
		fprintf(out, "  physical address 0x%llx, rights of all entries together %s\n", (unsigned long long)e->pa.v,
		        explain_rights(e->rights, rights));
	if (e->fault == MACHINE_FAULT_NONE)
		return;
	remedy(e, text, sizeof text);
	fprintf(out, "  fault: %s\n  %s\n", machine_fault_text(e->fault), text);
}

/* ---- JSON ---- */

static const char *fault_name(enum machine_fault f)
{
	static const char *const names[] = {
		[MACHINE_FAULT_NONE] = "none",
#define X(name, word, text) [MACHINE_FAULT_##name] = word,
		MACHINE_FAULT_LIST(X)
#undef X
	};
	return names[f];
}

static void step_json(const struct explain *e, const struct explain_step *s, struct jsonw *j)
{
	char rights[6], flags[128];
	jsonw_object(j, NULL);
	jsonw_u64(j, "level", s->level);
	jsonw_hex(j, "table", s->table.v);
	jsonw_u64(j, "index", s->index);
	jsonw_hex(j, "entry_at", s->entry_at.v);
	jsonw_bool(j, "in_memory", s->present);
	if (s->present) {
		jsonw_hex(j, "entry", s->entry.v);
		jsonw_string(j, "flags", explain_flags(e->format, s->entry, flags, sizeof flags));
		jsonw_bool(j, "leaf", s->leaf);
		jsonw_string(j, "rights", explain_rights(s->rights, rights));
		jsonw_hex(j, "target", ptfmt_pfn(e->format, s->entry).v << e->format->page_shift);
	}
	jsonw_end(j);
}

void explain_json(const struct explain *e, const char *key, struct jsonw *j)
{
	char rights[6], text[256];
	jsonw_object(j, key);
	jsonw_string(j, "format", e->format->name);
	jsonw_hex(j, "root", e->root.v);
	jsonw_hex(j, "address", e->va.v);
	jsonw_string(j, "access", access_name(e->kind));
	jsonw_string(j, "privilege", e->user ? "user" : "supervisor");
	jsonw_array(j, "steps");
	for (unsigned i = 0; i < e->n_steps; i++)
		step_json(e, &e->step[i], j);
	jsonw_end(j);
	jsonw_string(j, "fault", fault_name(e->fault));
	if (e->mapped) {
		jsonw_hex(j, "physical", e->pa.v);
		jsonw_string(j, "rights", explain_rights(e->rights, rights));
	}
	if (e->fault != MACHINE_FAULT_NONE) {
		jsonw_string(j, "reason", machine_fault_text(e->fault));
		remedy(e, text, sizeof text);
		jsonw_string(j, "remedy", text);
	}
	jsonw_end(j);
}
