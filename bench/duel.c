/* duel.c - how fast policies are alone, reading the stream included.
 *
 *     duel make FILE [PAGES REFS]     a zipf(1.0) stream of dense page numbers (1M pages, 50M references), as FILE and, for
 *                                     libCacheSim, FILE.oracleGeneral
 *     duel run FILE FRAMES POLICY     "refs N seconds S faults N": FRAMES is a count or a percentage of the pages, S is time of the
 *                                     processor, on one core, the best of three
 *
 * The stream is written in a word for each reference, as duel_feed takes it; for a policy that knows the future the next uses are
 * found before the clock starts, as libCacheSim finds them in its traces. */
#include "../src/base/mem.h"
#include "../src/base/text.h"
#include "../src/sim/duel.h"
#include "../src/trace/trace.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PASSES = 3, CHUNK = 1 << 15 };

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int complain(const char *what)
{
	fprintf(stderr, "bench/duel: %s\n", what);
	return 1;
}

struct stream {
	uint32_t *ref;
	uint64_t *next;
	uint64_t n;
	uint32_t n_pages;
};

/* Pages of a generated trace lie together, so subtracting the first is nearly dense. */
static int stream_generate(struct stream *s, const char *pages, const char *refs)
{
	struct pw_why why = { "" };
	struct trace *t;
	struct trace_item item;
	char spec[120];
	uint64_t room = 0, first = UINT64_MAX, most;
	snprintf(spec, sizeof spec, "zipf:pages=%s,s=1.0,refs=%s,seed=7", pages, refs);
	if (text_size(refs, &most, &why) != PW_OK || trace_open(spec, &t, &why) != PW_OK)
		return complain(why.text);
	s->ref = mem_alloc(most * sizeof *s->ref);
	uint32_t *id = NULL;
	for (trace_next(t, &item); s->ref && item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		for (uint64_t i = 0; item.kind == TRACE_ITEM_REFS && i < item.n_refs && s->n < most; i++) {
			uint64_t page = ref_va(item.refs[i]).v >> 12;
			if (first == UINT64_MAX)
				first = page & ~((1ull << 30) - 1);
			page -= first;
			if (page >= room) {
				uint32_t *grown = mem_realloc(id, page * 2 + 2, sizeof *id);
				if (!grown)
					return complain("out of memory");
				memset(grown + room, 0, (page * 2 + 2 - room) * sizeof *id);
				id = grown;
				room = page * 2 + 2;
			}
			id[page] = id[page] ? id[page] : ++s->n_pages;
			s->ref[s->n++] = duel_ref(id[page] - 1, ref_kind(item.refs[i]) == ACCESS_STORE);
		}
	}
	mem_free(id);
	trace_close(t);
	return s->ref ? 0 : complain("out of memory");
}

static int stream_foresee(struct stream *s)
{
	uint64_t *soonest = mem_alloc(s->n_pages * sizeof *soonest);
	s->next = mem_alloc(s->n * sizeof *s->next);
	if (!soonest || !s->next)
		return complain("out of memory");
	memset(soonest, 0xff, s->n_pages * sizeof *soonest);
	for (uint64_t i = s->n; i-- > 0;) {
		s->next[i] = soonest[s->ref[i] >> 1];
		soonest[s->ref[i] >> 1] = i + 1;
	}
	mem_free(soonest);
	return 0;
}

/* Records of libCacheSim's format: time, object, size, time of next use or -1. */
static int write_oracle(const struct stream *s, const char *path)
{
	FILE *f = fopen(path, "we");
	bool ok = f != NULL;
	for (uint64_t i = 0; ok && i < s->n; i++) {
		char record[24];
		uint32_t at = (uint32_t)(i / 1000), size = 1;
		uint64_t object = (s->ref[i] >> 1) + 1;
		int64_t next = s->next[i] == POLICY_NEVER ? -1 : (int64_t)s->next[i];
		memcpy(record, &at, 4);
		memcpy(record + 4, &object, 8);
		memcpy(record + 12, &size, 4);
		memcpy(record + 16, &next, 8);
		ok = fwrite(record, sizeof record, 1, f) == 1;
	}
	ok = f && fclose(f) == 0 && ok;
	return ok ? 0 : complain("a stream could not be written");
}

static int make(const char *path, const char *pages, const char *refs)
{
	struct stream s = { 0 };
	char oracle[4096];
	snprintf(oracle, sizeof oracle, "%s.oracleGeneral", path);
	if (stream_generate(&s, pages, refs) != 0 || stream_foresee(&s) != 0)
		return 1;
	FILE *f = fopen(path, "we");
	bool ok = f && fwrite(s.ref, sizeof *s.ref, s.n, f) == s.n;
	ok = f && fclose(f) == 0 && ok;
	if (!ok)
		return complain("a stream could not be written");
	printf("refs %" PRIu64 " pages %u\n", s.n, s.n_pages);
	return write_oracle(&s, oracle);
}

static int stream_load(struct stream *s, const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f || fseek(f, 0, SEEK_END) != 0)
		return complain("the stream could not be opened");
	s->n = (uint64_t)ftell(f) / sizeof *s->ref;
	s->ref = mem_alloc(s->n * sizeof *s->ref);
	rewind(f);
	bool ok = s->ref && fread(s->ref, sizeof *s->ref, s->n, f) == s->n;
	fclose(f);
	for (uint64_t i = 0; ok && i < s->n; i++)
		s->n_pages = s->ref[i] >> 1 < s->n_pages ? s->n_pages : (s->ref[i] >> 1) + 1;
	return ok ? 0 : complain("the stream could not be read");
}

/* One duel over the file, read as it goes. */
static int run_once(const struct stream *s, const char *path, const struct duel_cell *cell, double *took, struct duel_result *ret)
{
	static uint32_t chunk[CHUNK];
	struct duel *d;
	FILE *f = fopen(path, "re");
	if (!f || duel_create(cell, 1, 1, &d, NULL) != PW_OK)
		return complain("the duel could not begin");
	bool future = duel_wants_future(d);
	double began = cpu_s();
	enum pw_err err = PW_OK;
	size_t n;
	for (uint64_t at = 0; !err && (n = fread(chunk, sizeof *chunk, CHUNK, f)) > 0; at += n)
		err = duel_feed(d, chunk, future ? s->next + at : NULL, n);
	duel_result(d, 0, ret);
	*took = cpu_s() - began;
	duel_destroy(d);
	fclose(f);
	return err ? complain("out of memory") : 0;
}

static int run(const char *path, const char *frames, const char *policy)
{
	struct stream s = { 0 };
	struct duel_cell cell = { .seed = 1 };
	struct pw_why why = { "" };
	struct duel_result r;
	double best = 1e9, took;
	if (policy_parse(policy, &cell.policy, &cell.params, &why) != PW_OK)
		return complain(why.text);
	if (stream_load(&s, path) != 0 || (cell.policy->wants_future && stream_foresee(&s) != 0))
		return 1;
	uint32_t number = (uint32_t)strtoul(frames, NULL, 10);
	cell.frames = strchr(frames, '%') ? (uint32_t)((uint64_t)s.n_pages * number / 100) : number;
	for (int i = 0; i < PASSES; i++) {
		if (run_once(&s, path, &cell, &took, &r) != 0)
			return 1;
		best = took < best ? took : best;
	}
	printf("refs %" PRIu64 " seconds %.6f faults %" PRIu64 " frames %u\n", r.references, best, r.faults, cell.frames);
	return 0;
}

int main(int argc, char **argv)
{
	if ((argc == 3 || argc == 5) && strcmp(argv[1], "make") == 0)
		return make(argv[2], argc == 5 ? argv[3] : "1M", argc == 5 ? argv[4] : "50M");
	if (argc == 5 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: duel make FILE [PAGES REFS] | run FILE FRAMES POLICY\n");
	return 2;
}
