/* walk_space.c - leaves to ranges.
 *
 * Problem: a kernel maps millions of pages; a person wants the dozen ranges they make.
 * Idea: leaves come by rising address, so neighbours with the same rights grow one range until something differs.  A range says how many
 * pages of each size it has, because that is what else one would ask.
 *
 * 1. Ranges are of effective rights: all entries on the way together. */
#include "walk_space.h"
#include "../base/text.h"
#include <inttypes.h>
#include <string.h>

enum { TROUBLES_SHOWN = 20 };

struct range {
	uint64_t start, bytes, pages[PTFMT_LEVELS];
	unsigned rights;
};

struct space {
	const struct ptfmt *f;
	FILE *out;               /* text, or: */
	struct jsonw *j;
	bool pages;
	uint64_t wanted;         /* --find */
	bool finding;
	struct range range;
	uint64_t n_ranges, n_leaves, bytes, n_found, n_troubles;
};

/* ---- ranges ---- */

static void sizes_text(const struct ptfmt *f, const uint64_t pages[], char *buf, size_t size)
{
	char bytes[32];
	size_t at = 0;
	*buf = '\0';
	for (unsigned level = 0; level < f->levels && at < size; level++)
		if (pages[level])
			at += (size_t)snprintf(buf + at, size - at, "%s%" PRIu64 " of %s", at ? ", " : "", pages[level],
			                       text_bytes(bytes, sizeof bytes, 1ull << ptfmt_level_shift(f, level)));
}

static void range_tell(struct space *s)
{
	const struct range *r = &s->range;
	char rights[6], size[32], pages[128];
	if (!r->bytes)
		return;
	s->n_ranges++;
	if (s->out) {
		sizes_text(s->f, r->pages, pages, sizeof pages);
		fprintf(s->out, "%016" PRIx64 "-%016" PRIx64 " %10s  %s  %s\n", r->start, r->start + r->bytes,
		        text_bytes(size, sizeof size, r->bytes), explain_rights(r->rights, rights), pages);
		return;
	}
	jsonw_object(s->j, NULL);
	jsonw_hex(s->j, "start", r->start);
	jsonw_u64(s->j, "bytes", r->bytes);
	jsonw_string(s->j, "rights", explain_rights(r->rights, rights));
	jsonw_array(s->j, "pages");
	for (unsigned level = 0; level < s->f->levels; level++)
		jsonw_u64(s->j, NULL, r->pages[level]);
	jsonw_end(s->j);
	jsonw_end(s->j);
}

static void range_grow(struct space *s, const struct explain_leaf *leaf)
{
	struct range *r = &s->range;
	if (!r->bytes || r->start + r->bytes != leaf->va.v || r->rights != leaf->rights) {
		range_tell(s);
		*r = (struct range){ .start = leaf->va.v, .rights = leaf->rights };
	}
	r->bytes += leaf->bytes;
	r->pages[leaf->level]++;
}

/* ---- pages ---- */

static void page_tell(struct space *s, const struct explain_leaf *leaf, uint64_t offset)
{
	char rights[6], flags[128], size[32];
	if (s->out) {
		fprintf(s->out, "%016" PRIx64 " -> %012" PRIx64 " %8s  %s  %s\n", leaf->va.v + offset, leaf->pa.v + offset,
		        text_bytes(size, sizeof size, leaf->bytes), explain_rights(leaf->rights, rights),
		        explain_flags(s->f, leaf->entry, flags, sizeof flags));
		return;
	}
	jsonw_object(s->j, NULL);
	jsonw_hex(s->j, "address", leaf->va.v + offset);
	jsonw_hex(s->j, "physical", leaf->pa.v + offset);
	jsonw_u64(s->j, "page_bytes", leaf->bytes);
	jsonw_string(s->j, "rights", explain_rights(leaf->rights, rights));
	jsonw_hex(s->j, "entry", leaf->entry.v);
	jsonw_string(s->j, "flags", explain_flags(s->f, leaf->entry, flags, sizeof flags));
	jsonw_end(s->j);
}

static bool leaf_take(void *ctx, const struct explain_leaf *leaf)
{
	struct space *s = ctx;
	s->n_leaves++;
	s->bytes += leaf->bytes;
	if (s->finding) {
		if (s->wanted - leaf->pa.v < leaf->bytes) {
			s->n_found++;
			page_tell(s, leaf, s->wanted - leaf->pa.v);
		}
	} else if (s->pages) {
		page_tell(s, leaf, 0);
	} else {
		range_grow(s, leaf);
	}
	return !s->out || !ferror(s->out);
}

/* Told as they come; in JSON they are only counted while another list is open. */
static bool trouble_take(void *ctx, enum explain_trouble t, vaddr_t va, unsigned level, paddr_t at, pte_t e)
{
	struct space *s = ctx;
	if (s->n_troubles++ < TROUBLES_SHOWN && s->out) {
		range_tell(s);
		s->range.bytes = 0;
		fprintf(s->out, "%016" PRIx64 "  damaged: the entry of level %u at 0x%" PRIx64 " (0x%" PRIx64 ") %s\n", va.v, level, at.v,
		        e.v,
		        explain_trouble_text(t));
	}
	return true;
}

static void space_list(struct space *s, const struct memory_view *m, paddr_t root)
{
	const struct explain_visitor v = { leaf_take, trouble_take, s };
	explain_space(s->f, m, root, &v);
	range_tell(s);
}

/* The JSON array of troubles, in a pass of its own. */
static bool leaf_ignore(void *ctx, const struct explain_leaf *leaf)
{
	(void)ctx, (void)leaf;
	return true;
}

static bool trouble_json(void *ctx, enum explain_trouble t, vaddr_t va, unsigned level, paddr_t at, pte_t e)
{
	struct space *s = ctx;
	jsonw_object(s->j, NULL);
	jsonw_hex(s->j, "address", va.v);
	jsonw_u64(s->j, "level", level);
	jsonw_hex(s->j, "entry_at", at.v);
	jsonw_hex(s->j, "entry", e.v);
	jsonw_string(s->j, "trouble", explain_trouble_text(t));
	jsonw_end(s->j);
	return ++s->n_troubles < 10000;
}

static void troubles_json(const struct space *told, const struct memory_view *m, paddr_t root)
{
	struct space s = { .f = told->f, .j = told->j };
	const struct explain_visitor v = { leaf_ignore, trouble_json, &s };
	jsonw_u64(s.j, "n_troubles", told->n_troubles);
	jsonw_array(s.j, "troubles");
	if (told->n_troubles)
		explain_space(s.f, m, root, &v);
	jsonw_end(s.j);
}

/* ---- the doors ---- */

enum pw_err walk_space_print(const struct ptfmt *f, const struct memory_view *m, paddr_t root, bool pages, FILE *out)
{
	struct space s = { .f = f, .out = out, .pages = pages };
	char size[32];
	space_list(&s, m, root);
	if (s.n_troubles > TROUBLES_SHOWN)
		fprintf(out, "... and %" PRIu64 " more entries are damaged\n", s.n_troubles - TROUBLES_SHOWN);
	if (pages)
		fprintf(out, "%" PRIu64 " pages, %s\n", s.n_leaves, text_bytes(size, sizeof size, s.bytes));
	else
		fprintf(out, "%" PRIu64 " ranges, %" PRIu64 " pages, %s\n", s.n_ranges, s.n_leaves, text_bytes(size, sizeof size, s.bytes));
	return PW_OK;
}

void walk_space_json(const struct ptfmt *f, const struct memory_view *m, paddr_t root, bool pages, struct jsonw *j)
{
	struct space s = { .f = f, .j = j, .pages = pages };
	jsonw_array(j, pages ? "pages" : "ranges");
	space_list(&s, m, root);
	jsonw_end(j);
	jsonw_u64(j, "n_pages", s.n_leaves);
	jsonw_u64(j, "mapped_bytes", s.bytes);
	troubles_json(&s, m, root);
}

enum pw_err walk_find_print(const struct ptfmt *f, const struct memory_view *m, paddr_t root, paddr_t wanted, FILE *out)
{
	struct space s = { .f = f, .out = out, .finding = true, .wanted = wanted.v };
	space_list(&s, m, root);
	fprintf(out, "%" PRIu64 " address%s map 0x%" PRIx64 "\n", s.n_found, s.n_found == 1 ? "" : "es", wanted.v);
	return PW_OK;
}

void walk_find_json(const struct ptfmt *f, const struct memory_view *m, paddr_t root, paddr_t wanted, struct jsonw *j)
{
	struct space s = { .f = f, .j = j, .finding = true, .wanted = wanted.v };
	jsonw_hex(j, "find", wanted.v);
	jsonw_array(j, "found");
	space_list(&s, m, root);
	jsonw_end(j);
	troubles_json(&s, m, root);
}
