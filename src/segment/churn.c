/* churn.c - a workload for placement.
 *
 * Problem: which fit is best depends on the requests; the folklore (first and best fit do better than worst fit) should be something
 * that can be seen.
 * Idea: requests with independent sizes and lives, as in Knuth's simulations.  A ring of lists, one for each step that a life can
 * reach into the future, says who goes next.
 *
 *      ring    step   step+1   step+2 ...  around after the longest life
 *               |        |
 *               17-4-9   12                 segments by number: next[] links those that end in the same step
 *
 * 1. Two numbers are drawn for every request, refused or not.
 *
 * Source: Knuth, The Art of Computer Programming 1, 2.5, exercise 42 and the simulations before it. */
#include "churn.h"
#include "../base/mem.h"
#include "../base/rng.h"

enum { CHURN_STEPS = 1 << 24, OWNER = 1, NOBODY = 0 };

struct churn_run {
	const struct churn *c;
	struct segmem *memory;
	struct rng rng;
	uint64_t span;           /* of a life: 1 to span steps */
	uint32_t *ends;          /* [step % (span + 1)]: the first of those that end then; numbers begin at 1 */
	uint32_t *next;          /* [number] */
	struct churn_result *result;
};

static enum pw_err churn_check(const struct segmem_config *memory, const struct churn *c, struct pw_why *why)
{
	if (c->steps == 0 || c->steps > CHURN_STEPS)
		return pw_fail(why, PW_INVALID, "from 1 to %d segments can be asked for", CHURN_STEPS);
	if (c->smallest == 0 || c->smallest > c->largest || c->largest > memory->bytes)
		return pw_fail(why, PW_INVALID, "sizes go from 1 byte to all of memory, the smallest first");
	if (!(c->load > 0 && c->load <= 100))
		return pw_fail(why, PW_INVALID, "the load is a part of memory, above 0 and up to 100 times");
	return PW_OK;
}

static void lives_end(struct churn_run *r, uint64_t step)
{
	uint32_t *first = &r->ends[step % (r->span + 1)];
	for (uint32_t n = *first; n != NOBODY; n = r->next[n])
		segmem_drop(r->memory, OWNER, n);
	*first = NOBODY;
}

/* => PW_NOMEM; being refused is no error here */
static enum pw_err ask(struct churn_run *r, uint64_t step)
{
	const struct churn *c = r->c;
	struct segmem_entry e = { .owner = OWNER, .number = (uint32_t)step + 1, .rights = SEGMEM_READ | SEGMEM_WRITE, .ring = 3 };
	e.limit = c->smallest + rng_below(&r->rng, c->largest - c->smallest + 1);
	uint64_t life = 1 + rng_below(&r->rng, r->span);
	enum pw_err err = segmem_make(r->memory, &e, NULL);
	r->result->requests++;
	if (err == PW_NOSPACE) {
		r->result->refused++;
		return PW_OK;
	}
	if (err)
		return err;
	uint32_t *first = &r->ends[(step + life) % (r->span + 1)];
	r->next[e.number] = *first;
	*first = e.number;
	return PW_OK;
}

static void measure(struct churn_run *r)
{
	const struct placement *p = segmem_placement(r->memory);
	struct placement_holes holes = placement_holes(p);
	r->result->used += 1 - (double)p->free / (double)p->bytes;
	r->result->fragmentation += holes.fragmentation;
	r->result->holes += (double)holes.n;
	r->result->segments += (double)p->pieces.count;
}

static enum pw_err churn_steps(struct churn_run *r)
{
	uint64_t steps = r->c->steps, settled = steps / 2;
	enum pw_err err = PW_OK;
	for (uint64_t step = 0; step < steps && !err; step++) {
		lives_end(r, step);
		err = ask(r, step);
		if (step >= settled)
			measure(r);
	}
	double measured = (double)(steps - settled);
	r->result->used /= measured;
	r->result->fragmentation /= measured;
	r->result->holes /= measured;
	r->result->segments /= measured;
	r->result->counts = *segmem_counts(r->memory);
	r->result->refused_fragmented = r->result->counts.refused_fragmented;
	return err;
}

enum pw_err churn_run(const struct segmem_config *memory, const struct churn *c, struct churn_result *ret, struct pw_why *why)
{
	struct churn_run r = { .c = c, .result = ret };
	*ret = (struct churn_result){ 0 };
	enum pw_err err = churn_check(memory, c, why);
	if (err || (err = segmem_create(memory, &r.memory, why)) != PW_OK)
		return err;
	double mean = ((double)c->smallest + (double)c->largest) / 2, span = 2 * c->load * (double)memory->bytes / mean;
	rng_init(&r.rng, c->seed);
	r.span = span < 1 ? 1 : span > (double)c->steps ? c->steps : (uint64_t)span;
	r.ends = mem_zalloc(r.span + 1, sizeof *r.ends);
	r.next = mem_zalloc(c->steps + 1, sizeof *r.next);
	err = r.ends && r.next ? churn_steps(&r) : PW_NOMEM;
	if (err)
		pw_fail(why, err, "out of memory for %llu segments", (unsigned long long)c->steps);
	mem_free(r.ends);
	mem_free(r.next);
	segmem_destroy(r.memory);
	return err;
}
