/* fault_tally.c - counts under names.
 *
 * Problem: a million faults have a few hundred names, each of which lives only until the next fault.
 * Idea: a hash of the name finds the row; rows that collide lie at the following hashes.
 * 1. Every fault is in one row of each table.
 * Rejected: rows by address of the name (a name may come back at another one). */
#include "fault_tally.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include <stdlib.h>
#include <string.h>

static uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 1099511628211u;
	return (h ^ 0xff) * 1099511628211u;
}

static enum pw_err table_init(struct tally_table *t)
{
	t->index = mem_zalloc(1, sizeof *t->index);
	return t->index ? htab_init(t->index, 64) : PW_NOMEM;
}

static void table_fini(struct tally_table *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		mem_free(t->row[i].name);
		mem_free(t->row[i].object);
	}
	mem_free(t->row);
	if (t->index)
		htab_fini(t->index);
	mem_free(t->index);
	*t = (struct tally_table){ 0 };
}

static struct tally_row *row_add(struct tally_table *t, uint64_t hash, const char *name, const char *object)
{
	if (t->n == t->room) {
		struct tally_row *more = mem_realloc(t->row, t->room * 2 + 64, sizeof *more);
		if (!more)
			return NULL;
		t->row = more;
		t->room = t->room * 2 + 64;
	}
	struct tally_row row = { .name = mem_strdup(name), .object = mem_strdup(object) };
	uint64_t *at = row.name && row.object ? htab_put(t->index, hash) : NULL;
	if (!at) {
		mem_free(row.name);
		mem_free(row.object);
		return NULL;
	}
	*at = t->n;
	t->row[t->n] = row;
	return &t->row[t->n++];
}

static struct tally_row *row_get(struct tally_table *t, const char *name, const char *object)
{
	uint64_t hash = hash_text(hash_text(14695981039346656037u, name), object), *at;
	for (; (at = htab_get(t->index, hash)); hash++)
		if (strcmp(t->row[*at].name, name) == 0 && strcmp(t->row[*at].object, object) == 0)
			return &t->row[*at];
	return row_add(t, hash, name, object);
}

static void row_count(struct tally_row *r, const struct fault *f)
{
	r->faults++;
	r->major += f->major;
	r->in_kernel += f->in_kernel;
	r->by_class[f->class]++;
}

enum pw_err tally_init(struct tally *t)
{
	*t = (struct tally){ 0 };
	if (table_init(&t->mappings) == PW_OK && table_init(&t->functions) == PW_OK)
		return PW_OK;
	tally_fini(t);
	return PW_NOMEM;
}

void tally_fini(struct tally *t)
{
	table_fini(&t->mappings);
	table_fini(&t->functions);
}

enum pw_err tally_add(struct tally *t, const struct fault *f)
{
	struct tally_row *mapping = row_get(&t->mappings, f->name, ""), *function = row_get(&t->functions, f->function, f->object);
	if (!mapping || !function)
		return PW_NOMEM;
	row_count(mapping, f);
	row_count(function, f);
	t->faults++;
	t->major += f->major;
	t->in_kernel += f->in_kernel;
	t->huge += f->page_bytes > 4096;
	t->by_class[f->class]++;
	t->by_access[f->access]++;
	return PW_OK;
}

static int more_faults(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;
	if (x->faults != y->faults)
		return x->faults > y->faults ? -1 : 1;
	int order = strcmp(x->object, y->object);
	return order ? order : strcmp(x->name, y->name);
}

static void table_sort(struct tally_table *t)
{
	if (t->n)
		qsort(t->row, t->n, sizeof *t->row, more_faults);
}

void tally_sort(struct tally *t)
{
	table_sort(&t->mappings);
	table_sort(&t->functions);
}

static uint64_t table_sum(const struct tally_table *t)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < t->n; i++)
		sum += t->row[i].faults;
	return sum;
}

const char *tally_flaw(const struct tally *t)
{
	uint64_t classes = 0, accesses = 0;
	for (int c = 0; c < FAULT_CLASSES; c++)
		classes += t->by_class[c];
	for (int a = 0; a <= FAULT_UNTOLD; a++)
		accesses += t->by_access[a];
	if (classes != t->faults || accesses != t->faults)
		return "the classes or the kinds of access do not add up to the faults";
	if (table_sum(&t->mappings) != t->faults || table_sum(&t->functions) != t->faults)
		return "the rows of a table do not add up to the faults";
	return NULL;
}
