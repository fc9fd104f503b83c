/* curve_parts.c - the curve of lru, divided: by process, by mapping, by time.
 *
 * Problem.  Whose pages are missed, and when?  An exact curve for each mapping and interval would be as much again for each.
 * Idea.  The engine counts every fault at its depth in the class of its page, at the sizes of scale.h, where it is exact.  A class is a
 * mapping's name in a process.  Time is cut into equal intervals; when there are too many, neighbours are joined and the intervals
 * are twice as long from then on, so that neither the length of the trace nor memory needs to be known before.
 *
 * 1. At each scale size the parts add up to the whole; curve_result checks it. */
#include "curve_impl.h"
#include "result.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_LENGTH (1ull << 14)

/* What all classes have counted so far. */
static void counted_now(const struct curve *c, struct curve_cells *ret)
{
	*ret = (struct curve_cells){ 0 };
	for (unsigned i = 0; i < c->lru.n_classes; i++) {
		ret->always += c->lru.class[i].always;
		ret->references += c->lru.class[i].references;
		for (unsigned k = 0; k < SCALE_CELLS; k++)
			ret->cell[k] += c->lru.class[i].cell[k];
	}
}

static void cells_add(struct curve_cells *to, const struct curve_cells *from, int sign)
{
	to->always += (uint64_t)sign * from->always;
	to->references += (uint64_t)sign * from->references;
	for (unsigned k = 0; k < SCALE_CELLS; k++)
		to->cell[k] += (uint64_t)sign * from->cell[k];
}

uint64_t curve_parts_due(const struct curve *c) { return c->interval_end - c->lru.now; }

void curve_parts_restart(struct curve *c)
{
	c->interval_length = c->interval_length ? c->interval_length : FIRST_LENGTH;
	c->interval_end = c->lru.now + c->interval_length;
	c->n_intervals = 0;
	c->interval_before = (struct curve_cells){ 0 };
}

static void join(struct curve *c)
{
	for (unsigned i = 0; i < CURVE_INTERVALS / 2; i++) {
		struct curve_interval_cells *a = &c->interval[2 * i], *b = &c->interval[2 * i + 1];
		cells_add(&a->cells, &b->cells, 1);
		a->end = b->end;
		c->interval[i] = *a;
	}
	c->n_intervals = CURVE_INTERVALS / 2;
	c->interval_length *= 2;
}

/* The interval in progress ends here. */
void curve_parts_cut(struct curve *c)
{
	struct curve_cells now;
	if (c->n_intervals == CURVE_INTERVALS)
		join(c);
	struct curve_interval_cells *v = &c->interval[c->n_intervals++];
	counted_now(c, &now);
	v->end = c->position;
	v->cells = now;
	cells_add(&v->cells, &c->interval_before, -1);
	c->interval_before = now;
	c->interval_end = c->lru.now + c->interval_length;
}

/* => faults at n scale sizes, NULL: out of memory */
static uint64_t *faults_of(const uint64_t *cell, uint64_t always, unsigned n)
{
	uint64_t *faults = mem_alloc((n + 1) * sizeof *faults), sum = always;
	if (!faults)
		return NULL;
	for (unsigned k = SCALE_CELLS; k-- > 0;) {
		if (k < n)
			faults[k] = sum;
		sum += cell[k];
	}
	return faults;
}

static struct curve_part *part_add(struct curve_part **list, unsigned *n)
{
	struct curve_part *grown = mem_realloc(*list, *n + 1, sizeof *grown);
	if (!grown)
		return NULL;
	*list = grown;
	grown[*n] = (struct curve_part){ .name = NULL };
	return &grown[(*n)++];
}

static enum pw_err part_mapping(const struct curve *c, struct curve_result *r, unsigned i)
{
	const struct lru_class *l = &c->lru.class[i];
	struct curve_part *p = part_add(&r->mapping, &r->n_mappings);
	if (!p)
		return PW_NOMEM;
	p->pid = c->class[i].pid;
	p->references = l->references;
	p->faults = faults_of(l->cell, l->always, r->n_scale);
	char *file = NULL;
	enum pw_err err = result_mapping_name(c->class[i].name, &p->name, &file);
	mem_free(file);
	return err == PW_OK && !p->faults ? PW_NOMEM : err;
}

static enum pw_err part_process(const struct curve *c, struct curve_result *r, uint32_t pid)
{
	for (unsigned i = 0; i < r->n_processes; i++)
		if (r->process[i].pid == pid)
			return PW_OK;
	struct curve_part *p = part_add(&r->process, &r->n_processes);
	struct curve_cells sum = { 0 };
	if (!p)
		return PW_NOMEM;
	for (unsigned i = 0; i < c->lru.n_classes; i++) {
		if (c->class[i].pid != pid)
			continue;
		sum.always += c->lru.class[i].always;
		sum.references += c->lru.class[i].references;
		for (unsigned k = 0; k < SCALE_CELLS; k++)
			sum.cell[k] += c->lru.class[i].cell[k];
	}
	p->pid = pid;
	p->references = sum.references;
	p->faults = faults_of(sum.cell, sum.always, r->n_scale);
	return p->faults ? PW_OK : PW_NOMEM;
}

static enum pw_err part_interval(struct curve_result *r, const struct curve_interval_cells *v)
{
	struct curve_part *p = part_add(&r->interval, &r->n_intervals);
	if (!p)
		return PW_NOMEM;
	p->end = v->end;
	p->references = v->cells.references;
	p->faults = faults_of(v->cells.cell, v->cells.always, r->n_scale);
	return p->faults ? PW_OK : PW_NOMEM;
}

enum pw_err curve_parts_result(struct curve *c, struct curve_result *r)
{
	enum pw_err err = PW_OK;
	while (r->n_scale < SCALE_CELLS && (!r->n_scale || scale_size(r->n_scale - 1) < r->footprint))
		r->n_scale++;
	if (c->position > (c->n_intervals ? c->interval[c->n_intervals - 1].end : c->base_position))
		curve_parts_cut(c);
	for (unsigned i = 0; i < c->lru.n_classes && err == PW_OK; i++) {
		err = part_mapping(c, r, i);
		if (err == PW_OK)
			err = part_process(c, r, c->class[i].pid);
	}
	for (unsigned i = 0; i < c->n_intervals && err == PW_OK; i++)
		err = part_interval(r, &c->interval[i]);
	return err;
}

static void parts_drop(struct curve_part *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		mem_free(p[i].name);
		mem_free(p[i].faults);
	}
	mem_free(p);
}

void curve_parts_drop(struct curve_result *r)
{
	parts_drop(r->mapping, r->n_mappings);
	parts_drop(r->process, r->n_processes);
	parts_drop(r->interval, r->n_intervals);
}
