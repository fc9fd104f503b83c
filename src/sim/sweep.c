/* sweep.c - which cells there are, and one cell run.
 *
 * Problem.  A sweep is continued after it was killed, after its grid was changed, after a trace was recorded anew: what is still
 * right must be kept, and nothing that has become wrong may be.
 *
 * Idea.  A cell is named by what its result depends on, not by its place in a grid:
 *
 *     words --resolve--> machine with everything said --+
 *     trace --contents--> identity ---------------------+--> hash = the name of the result file
 *     seed, window, version of pageworks ---------------+
 *
 * The machine goes in as the very text that stands in the result, so that a result file can be checked against its own name.
 * Building the machine also finds out which cells cannot be, before anything has run.
 *
 * 1. Cells with the same id have the same result; all but the first are "repeated".
 * 2. sweep_run_cell leaves a whole result file or none.
 *
 * Rejected: hashing the words as typed ("8M" and "8192K" would be two cells, and a preset that changed would go unnoticed). */
#include "sweep.h"
#include "../base/clock.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { FRACTION_STEPS = 64 }; /* items of the trace between two signs of progress */

void sweep_id(const char *version, const char *trace_identity, uint64_t seed, uint64_t tau, const char *machine, char ret[SWEEP_ID])
{
	char head[256];
	int n = snprintf(head, sizeof head, "pageworks %s\ntrace %s\nseed %" PRIu64 "\ntau %" PRIu64 "\n", version, trace_identity,
	                 seed, tau);
	uint64_t first = XXH3_64bits(head, (size_t)n < sizeof head ? (size_t)n : sizeof head - 1);
	XXH128_hash_t h = XXH3_128bits_withSeed(machine, strcspn(machine, "\n"), first);
	snprintf(ret, SWEEP_ID, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
}

/* What planning needs to know. */
struct planner {
	const struct grid *grid;
	struct sweep *sweep;
	struct sweep_facts *facts;
	struct machine_words *machine;
	unsigned n_machines;
	struct htab ids;
	struct pw_why *why;
};

static enum pw_err plan_memory(struct planner *p) { return pw_fail(p->why, PW_NOMEM, "out of memory for the cells"); }

static enum pw_err cell_impossible(struct planner *p, struct sweep_cell *c, const char *text)
{
	c->impossible = mem_strdup(*text ? text : "it cannot be built");
	return c->impossible ? PW_OK : plan_memory(p);
}

/* Percent of the footprint to a number of frames, at least one. */
static enum pw_err cell_frames(struct planner *p, struct sweep_cell *c)
{
	double percent;
	uint64_t pages = 0;
	struct run_options o;
	struct machine_words bare = c->words;
	struct pw_why why = { "" };
	if (!c->words.frames || !grid_percent(c->words.frames, &percent))
		return PW_OK;
	c->percent = c->words.frames;
	bare.frames = NULL;
	if (machine_words_resolve(&bare, &o, &why) != PW_OK)
		return PW_OK; /* it will be found to be impossible, with the reason */
	const struct sweep_input *t = &p->sweep->trace[c->trace];
	enum pw_err err = sweep_trace_footprint(p->facts, t->spec, t->identity, o.format.page_shift, o.limit, &pages, p->why);
	if (err != PW_OK)
		return err;
	double frames = ceil((double)pages * percent / 100 - 1e-9);
	char *text = mem_printf("%.0f", frames < 1 ? 1 : frames);
	if (!text)
		return plan_memory(p);
	p->sweep->text[p->sweep->n_texts++] = text;
	c->words.frames = text;
	return PW_OK;
}

/* => the machine as it stands in the result, in memory; NULL: out of it. */
static char *machine_text(const struct run *r, uint64_t *seed)
{
	struct result result = { .n_command = 0 };
	char *text = NULL;
	size_t bytes;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return NULL;
	run_describe(r, &result);
	*seed = result.seed;
	enum pw_err err = result_write_machine(&result, memory);
	if (fclose(memory) == 0 && err == PW_OK)
		return text;
	mem_free(text);
	return NULL;
}

static enum pw_err cell_name(struct planner *p, struct sweep_cell *c, const struct run *r, const struct run_options *o)
{
	uint64_t seed = 0;
	char *text = machine_text(r, &seed);
	if (!text)
		return plan_memory(p);
	sweep_id(PW_VERSION, p->sweep->trace[c->trace].identity, seed, o->tau, text, c->id);
	mem_free(text);
	uint64_t key = XXH3_64bits(c->id, SWEEP_ID - 1);
	uint64_t before = p->ids.count, *place = htab_put(&p->ids, key);
	if (!place)
		return plan_memory(p);
	c->repeated = p->ids.count == before;
	return PW_OK;
}

static enum pw_err plan_cell(struct planner *p, struct sweep_cell *c)
{
	struct run_options o;
	struct run *r;
	struct pw_why why = { "" };
	enum pw_err err = cell_frames(p, c);
	if (err != PW_OK)
		return err;
	if (machine_words_resolve(&c->words, &o, &why) != PW_OK)
		return cell_impossible(p, c, why.text);
	unsigned granule = p->sweep->trace[c->trace].granule_shift;
	if (o.format.page_shift < granule) {
		pw_fail(&why, PW_INVALID, "the trace's addresses are exact only to %llu bytes, too coarse for pages of %llu; record it "
		        "with --granule 1", 1ull << granule, 1ull << o.format.page_shift);
		return cell_impossible(p, c, why.text);
	}
	if (strncmp(o.swap, "file:", 5) == 0)
		return cell_impossible(p, c, "--swap file: cells run side by side and would share the file; use ram, ssd or hdd");
	if (run_create(&o, &r, &why) != PW_OK)
		return cell_impossible(p, c, why.text);
	err = cell_name(p, c, r, &o);
	run_destroy(r);
	return err;
}

static enum pw_err plan_traces(struct planner *p, const char *const specs[])
{
	enum pw_err err = PW_OK;
	for (unsigned i = 0; i < p->sweep->n_traces && err == PW_OK; i++) {
		struct sweep_input *t = &p->sweep->trace[i];
		t->spec = specs[i];
		err = sweep_trace_identity(p->facts, specs[i], t->identity, &t->granule_shift, p->why);
	}
	return err;
}

static enum pw_err plan_cells(struct planner *p)
{
	struct sweep *s = p->sweep;
	enum pw_err err = grid_machines(p->grid, &p->machine, &p->n_machines, p->why);
	if (err != PW_OK)
		return err;
	uint64_t all = (uint64_t)p->n_machines * s->n_traces;
	if (all > GRID_MACHINES_MAX)
		return pw_fail(p->why, PW_LIMIT, "%" PRIu64 " cells are too many for one sweep; at most %d", all,
		               GRID_MACHINES_MAX);
	s->cell = mem_zalloc(all, sizeof *s->cell);
	s->text = mem_zalloc(all, sizeof *s->text);
	if (!s->cell || !s->text || htab_init(&p->ids, all) != PW_OK)
		return plan_memory(p);
	for (unsigned t = 0; t < s->n_traces; t++)
		for (unsigned m = 0; m < p->n_machines && err == PW_OK; m++) {
			struct sweep_cell *c = &s->cell[s->n_cells++];
			*c = (struct sweep_cell){ .words = p->machine[m], .trace = t };
			err = plan_cell(p, c);
		}
	return err;
}

enum pw_err sweep_create(const struct grid *g, const char *const specs[], unsigned n, const struct sweep_dir *d, struct sweep **ret,
                         struct pw_why *why)
{
	struct planner p = { .grid = g, .why = why };
	struct sweep *s = p.sweep = *ret = mem_zalloc(1, sizeof *s);
	if (s)
		s->trace = mem_zalloc(n, sizeof *s->trace);
	enum pw_err err = s && s->trace ? sweep_facts_load(d, &p.facts, why) : plan_memory(&p);
	if (err == PW_OK) {
		s->n_traces = n;
		err = plan_traces(&p, specs);
	}
	if (err == PW_OK)
		err = plan_cells(&p);
	if (err == PW_OK)
		err = sweep_facts_save(p.facts, d, why);
	sweep_facts_destroy(p.facts);
	htab_fini(&p.ids);
	mem_free(p.machine);
	if (err == PW_OK)
		return PW_OK;
	sweep_destroy(s);
	*ret = NULL;
	return err;
}

void sweep_destroy(struct sweep *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n_cells; i++)
		mem_free(s->cell[i].impossible);
	for (unsigned i = 0; i < s->n_texts; i++)
		mem_free(s->text[i]);
	mem_free(s->text);
	mem_free(s->cell);
	mem_free(s->trace);
	mem_free(s);
}

/* How much of the cell is done, from 0 to 1. */
static float cell_fraction(const struct run *r, const struct trace *t, uint64_t limit)
{
	struct trace_info info = trace_describe(t);
	uint64_t all = info.refs_total;
	if (limit && (!all || limit < all))
		all = limit;
	double fraction = all ? (double)run_position(r) / (double)all : info.progress;
	return fraction < 0 ? 0 : fraction > 1 ? 1 : (float)fraction;
}

static enum pw_err cell_simulate(struct run *r, struct trace *t, uint64_t limit, _Atomic float *fraction, struct result *ret,
                                 struct pw_why *why)
{
	enum pw_err err = run_begin(r, t, why);
	for (unsigned i = 0; err == PW_OK && run_step(r) == RUN_GOING; i++)
		if (fraction && i % FRACTION_STEPS == 0)
			*fraction = cell_fraction(r, t, limit);
	if (err == PW_OK)
		err = run_error(r, why);
	if (err == PW_OK)
		err = run_result(r, ret, why);
	if (err == PW_OK && ret->input_error != PW_OK)
		err = pw_fail(why, PW_INVALID, "%s", *ret->input_error_text ? ret->input_error_text
		                                                            : pw_err_text(ret->input_error));
	if (err == PW_OK && ret->checks.n_failed)
		err = pw_fail(why, PW_INVALID, "%s", ret->checks.failed[0]);
	return err;
}

static enum pw_err cell_write(const struct result *r, const char *path, struct pw_why *why)
{
	char *text = NULL;
	size_t bytes;
	FILE *memory = open_memstream(&text, &bytes);
	enum pw_err err = memory ? result_write_json(r, memory) : PW_NOMEM;
	if (memory && fclose(memory) != 0)
		err = PW_NOMEM;
	err = err == PW_OK ? sweep_dir_write(path, text, bytes, why) : pw_fail(why, PW_NOMEM, "out of memory for the result");
	mem_free(text);
	return err;
}

enum pw_err sweep_run_cell(const struct sweep *s, unsigned cell, const struct sweep_dir *d, _Atomic float *fraction,
                           struct pw_why *why)
{
	const struct sweep_cell *c = &s->cell[cell];
	char *spec = (char *)s->trace[c->trace].spec, path[SWEEP_PATH];
	struct run_options o;
	struct run *r = NULL;
	struct trace *t = NULL;
	struct result result = { .n_command = 0 };
	double began = clock_seconds();
	enum pw_err err = machine_words_resolve(&c->words, &o, why);
	if (err == PW_OK)
		err = run_create(&o, &r, why);
	if (err == PW_OK)
		err = trace_open(spec, &t, why);
	if (err == PW_OK)
		err = cell_simulate(r, t, o.limit, fraction, &result, why);
	bool ran = err == PW_OK;
	result.program.wall_s = clock_seconds() - began;
	if (ran)
		err = result_set_command(&result, &spec, 1);
	if (err == PW_OK)
		err = cell_write(&result, sweep_dir_result(d, c->id, path), why);
	result_fini(&result);
	run_destroy(r);
	if (t)
		trace_close(t);
	/* An input that cannot be read is the cell's failure, not the directory's. */
	return !ran && (err == PW_IO || err == PW_NOSPACE) ? PW_INVALID : err;
}
