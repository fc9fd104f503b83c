/* gen.c - what all generators share, and the small ones.
 *
 * Problem: laws and benchmarks need streams whose behaviour is known, at speeds that do not hide what is measured.
 * Idea: a kind fills a batch with page indices in place; a second loop turns them into references.  The batch stays in the
 * first-level cache between the two, and neither loop has a branch on what the other does.
 *
 * 1. One specification gives one stream, on every machine: integers, and floating point only in basic operations.
 * 2. Page index k stands at start + k * stride.
 * 3. The addresses do not depend on writes=.
 *
 * The small kinds:
 *     seq, loop    0 1 2 ... pages-1 0 1 2 ...   (seq ends after one pass unless refs= says otherwise)
 *     random       independent, uniform
 *     phases       a window of set= pages, uniform inside; every length= references it jumps to a random place */
#include "gen.h"
#include "../base/mem.h"
#include <string.h>

static const struct gen_kind *const kinds[] = {
#define X(NAME, about) &gen_##NAME,
	TRACE_GEN_LIST(X)
#undef X
};
enum { KINDS = sizeof kinds / sizeof *kinds };

const char *gen_name(unsigned i)
{
	return i < KINDS ? kinds[i]->name : NULL;
}

const char *gen_about(unsigned i)
{
	static const char *const text[] = {
#define X(NAME, about) about,
		TRACE_GEN_LIST(X)
#undef X
	};
	return i < KINDS ? text[i] : NULL;
}

static const struct gen_kind *kind_of(const char *text)
{
	size_t length = strcspn(text, ":");
	for (unsigned i = 0; i < KINDS; i++) {
		if (strlen(kinds[i]->name) == length && !memcmp(kinds[i]->name, text, length))
			return kinds[i];
	}
	return NULL;
}

bool gen_is_spec(const char *text)
{
	return kind_of(text) != NULL;
}

static void gen_start(struct gen *g)
{
	g->done = 0;
	rng_init(&g->rng, g->seed);
	rng_init(&g->kind_rng, ~g->seed);
	g->kind->start(g);
	g->trace.info.records = 0;
	g->trace.info.progress = 0;
}

/* Turns the page indices in the batch into references. */
static void to_refs(struct gen *g, unsigned n)
{
	uint64_t start = g->start, stride = g->stride;
	if (!g->store_below) {
		for (unsigned i = 0; i < n; i++)
			g->batch[i] = ref_make(vaddr(start + g->batch[i].word * stride), ACCESS_LOAD);
		return;
	}
	struct rng r = g->kind_rng;
	for (unsigned i = 0; i < n; i++) {
		enum access_kind kind = rng_next(&r) >> 11 < g->store_below ? ACCESS_STORE : ACCESS_LOAD;
		g->batch[i] = ref_make(vaddr(start + g->batch[i].word * stride), kind);
	}
	g->kind_rng = r;
}

static void gen_next(struct trace *t, struct trace_item *ret)
{
	struct gen *g = (struct gen *)t;
	uint64_t left = g->refs - g->done;
	unsigned n = left < GEN_BATCH ? (unsigned)left : GEN_BATCH;
	if (!n)
		return;
	g->kind->fill(g, &g->batch[0].word, n);
	to_refs(g, n);
	g->done += n;
	t->info.records = g->done;
	t->info.progress = (double)g->done / (double)g->refs;
	*ret = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = 1, .tid = 1, .refs = g->batch, .n_refs = n };
}

static enum pw_err gen_rewind(struct trace *t, struct pw_why *why)
{
	(void)why;
	gen_start((struct gen *)t);
	return PW_OK;
}

static void gen_close(struct trace *t)
{
	struct gen *g = (struct gen *)t;
	if (g->kind->fini)
		g->kind->fini(g);
	mem_free(g->source);
	mem_free(g);
}

static const struct trace_ops gen_ops = { .format = "generator", .next = gen_next, .rewind = gen_rewind, .close = gen_close };

static enum pw_err common_keys(struct gen *g, struct spec *spec, struct pw_why *why)
{
	const char *name = spec->name;
	g->refs_given = spec_word(spec, "refs") != NULL;
	enum pw_err err = spec_size(spec, "pages", &g->pages, why);
	err = err ? err : spec_size(spec, "refs", &g->refs, why);
	err = err ? err : spec_size(spec, "seed", &g->seed, why);
	err = err ? err : spec_size(spec, "start", &g->start, why);
	err = err ? err : spec_size(spec, "stride", &g->stride, why);
	err = err ? err : spec_real(spec, "writes", &g->writes, why);
	if (err)
		return err;
	if (!g->pages || !g->refs || !g->stride)
		return pw_fail(why, PW_INVALID, "%s: pages, refs and stride must be at least 1", name);
	if (!(g->writes >= 0 && g->writes <= 1))
		return pw_fail(why, PW_INVALID, "%s: writes is a fraction from 0 to 1", name);
	uint64_t bytes;
	if (__builtin_mul_overflow(g->pages, g->stride, &bytes) || bytes > 1ull << 60 || g->start > 1ull << 60)
		return pw_fail(why, PW_INVALID, "%s: start and pages * stride must be at most 2^60 bytes", name);
	g->store_below = (uint64_t)(g->writes * 0x1p53);
	return PW_OK;
}

static enum pw_err gen_init(struct gen *g, struct spec *spec, struct pw_why *why)
{
	enum pw_err err = common_keys(g, spec, why);
	if (err)
		return err;
	return g->kind->init ? g->kind->init(g, spec, why) : PW_OK;
}

enum pw_err gen_open(const char *text, struct trace **ret, struct pw_why *why)
{
	struct spec spec;
	*ret = NULL;
	enum pw_err err = spec_init(&spec, text, why);
	if (err)
		return err;
	struct gen *g = mem_zalloc(1, sizeof *g);
	if (g) {
		g->kind = kind_of(text);
		g->trace.ops = &gen_ops;
		g->pages = 1 << 10;
		g->refs = 1 << 20;
		g->seed = 1;
		g->stride = 4096;
		g->source = mem_strdup(text);
	}
	err = g && g->source ? gen_init(g, &spec, why) : pw_fail(why, PW_NOMEM, "%s: out of memory", text);
	if (!err)
		err = spec_unused(&spec, g->kind->keys, why);
	spec_fini(&spec);
	if (err) {
		if (g)
			gen_close(&g->trace);
		return err;
	}
	g->trace.info = (struct trace_info){ .format = g->kind->name, .source = g->source, .refs_total = g->refs };
	gen_start(g);
	*ret = &g->trace;
	return PW_OK;
}

/* seq and loop.  The state is the position, kept in g->done, which is always that of the first page asked for. */
static void cycle_start(struct gen *g)
{
	(void)g;
}

static void cycle_fill(struct gen *g, uint64_t *page, unsigned n)
{
	uint64_t at = g->done % g->pages;
	for (unsigned i = 0; i < n; i++) {
		page[i] = at++;
		at = at == g->pages ? 0 : at;
	}
}

static enum pw_err seq_init(struct gen *g, struct spec *spec, struct pw_why *why)
{
	(void)spec;
	(void)why;
	if (!g->refs_given)
		g->refs = g->pages;
	return PW_OK;
}

const struct gen_kind gen_seq = {
	.name = "seq", .keys = GEN_KEYS, .init = seq_init, .start = cycle_start, .fill = cycle_fill,
};
const struct gen_kind gen_loop = { .name = "loop", .keys = GEN_KEYS, .start = cycle_start, .fill = cycle_fill };

static void random_fill(struct gen *g, uint64_t *page, unsigned n)
{
	struct rng r = g->rng;
	for (unsigned i = 0; i < n; i++)
		page[i] = rng_below(&r, g->pages);
	g->rng = r;
}

const struct gen_kind gen_random = { .name = "random", .keys = GEN_KEYS, .start = cycle_start, .fill = random_fill };

struct phases {
	uint64_t set, length;   /* pages of the working set, references of one phase */
	uint64_t base, left;    /* of the current phase */
};

static enum pw_err phases_init(struct gen *g, struct spec *spec, struct pw_why *why)
{
	struct phases *ph = g->state = mem_zalloc(1, sizeof *ph);
	if (!ph)
		return pw_fail(why, PW_NOMEM, "phases: out of memory");
	ph->set = g->pages / 16 ? g->pages / 16 : 1;
	ph->length = g->refs / 16 ? g->refs / 16 : 1;
	enum pw_err err = spec_size(spec, "set", &ph->set, why);
	err = err ? err : spec_size(spec, "length", &ph->length, why);
	if (!err && (!ph->set || ph->set > g->pages || !ph->length))
		err = pw_fail(why, PW_INVALID, "phases: set is from 1 to pages, length at least 1");
	return err;
}

static void phases_start(struct gen *g)
{
	struct phases *ph = g->state;
	ph->left = 0;
}

static void phases_fill(struct gen *g, uint64_t *page, unsigned n)
{
	struct phases *ph = g->state;
	for (unsigned i = 0; i < n; i++) {
		if (!ph->left) {
			ph->base = rng_below(&g->rng, g->pages - ph->set + 1);
			ph->left = ph->length;
		}
		ph->left--;
		page[i] = ph->base + rng_below(&g->rng, ph->set);
	}
}

static void state_free(struct gen *g)
{
	mem_free(g->state);
}

const struct gen_kind gen_phases = {
	.name = "phases", .keys = GEN_KEYS ", set, length", .init = phases_init, .start = phases_start, .fill = phases_fill,
	.fini = state_free,
};
