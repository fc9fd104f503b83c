/* map_watch.c - the faults of a process while it is watched, dealt out to its mappings.
 *
 * Problem.  The kernel counts the faults of a process, not of a mapping; which pages are new shows only where they were absent before,
 * not how often, nor whether a disk was needed.
 *
 * Idea.  The stream of fault records (host/fault_ring.h) is counted by page while it comes, so that a million faults of one page take
 * one word; when the second look has told what is mapped now, the pages are dealt out.
 *
 * 1. minor + major over all mappings and elsewhere = the faults that were seen; what was lost is counted by the kernel.
 * 2. Where the stream may not be had, the time passes all the same, and faults_why says what is missing.
 *
 * Rejected: guessing faults from pages that arrived (a page may come and go; a file's pages come sixteen at a fault). */
#include "map.h"
#include "interrupt.h"
#include "../base/clock.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include "../host/fault_ring.h"
#include <math.h>
#include <time.h>

enum { SLICE_MS = 50, MAJOR_SHIFT = 32 };

struct map_watch {
	struct map *map;
	struct rings *rings;    /* NULL: none to be had */
	struct htab faults;     /* page -> minor | major << MAJOR_SHIFT */
};

enum pw_err map_watch_begin(struct map *v, struct map_watch **ret, struct pw_why *why)
{
	struct map_watch *w = mem_zalloc(1, sizeof *w);
	*ret = w;
	if (!w || htab_init(&w->faults, 0) != PW_OK)
		return pw_fail(why, PW_NOMEM, "out of memory for the faults of process %u", v->pid);
	w->map = v;
	struct rings_options o = { .pid = v->pid };
	if (!procfs_is_this_computer(v->host))
		pw_fail(&v->faults_why, PW_UNSUPPORTED, "this is another computer");
	else if (rings_open(&o, &w->rings, &v->faults_why) != PW_OK)
		w->rings = NULL;
	v->faults_seen = w->rings;
	return PW_OK;
}

static enum pw_err faults_drain(struct map_watch *w, bool last, struct pw_why *why)
{
	struct fault_record r;
	/* Records for which there was no memory are counted as lost. */
	enum pw_err err = rings_collect(w->rings, last);
	while (rings_next(w->rings, &r)) {
		if (r.kind != RECORD_FAULT || r.pid != w->map->pid)
			continue;
		uint64_t *count = htab_put(&w->faults, r.address / pagemap_page_bytes());
		if (!count)
			return pw_fail(why, PW_NOMEM, "out of memory for the faults of process %u", w->map->pid);
		*count += r.major ? 1ull << MAJOR_SHIFT : 1;
	}
	return err == PW_NOMEM ? PW_OK : err;
}

static void pass(struct map_watch *w, double left)
{
	int ms = left * 1000 < SLICE_MS ? (int)(left * 1000) + 1 : SLICE_MS;
	if (w->rings && rings_wait(w->rings, ms))
		return;
	/* Nothing more to wait for, or interrupted. */
	struct timespec t = { 0, interrupt_seen() ? 0 : (long)ms * 1000000 };
	nanosleep(&t, NULL);
}

enum pw_err map_watch_wait(struct map_watch *w, struct pw_why *why)
{
	struct map *v = w->map;
	double began = clock_seconds(), left = v->watch;
	enum pw_err err = PW_OK;
	for (; left > 0 && !interrupt_seen() && err == PW_OK; left = began + v->watch - clock_seconds()) {
		pass(w, left);
		if (w->rings)
			err = faults_drain(w, false, why);
	}
	v->watched = clock_seconds() - began;
	return err;
}

/* The change that a page belongs to: what is mapped now before what is gone. */
static struct map_change *change_of(const struct map *v, uint64_t address)
{
	const struct maps *m = &v->look[1].maps;
	const struct maps_entry *e = maps_find(m, address);
	if (e)
		return &v->change[e - m->entry];
	for (uint32_t i = m->n; i < v->n_changes; i++)
		if (v->change[i].before->start <= address && address < v->change[i].before->end)
			return &v->change[i];
	return NULL;
}

enum pw_err map_watch_deal(struct map_watch *w, struct pw_why *why)
{
	struct map *v = w->map;
	uint64_t i = 0, page, count;
	struct rings_state state;
	if (!w->rings)
		return PW_OK;
	enum pw_err err = faults_drain(w, true, why);
	while (htab_each(&w->faults, &i, &page, &count)) {
		struct map_change *c = change_of(v, page * pagemap_page_bytes());
		if (c) {
			c->minor += (uint32_t)count;
			c->major += count >> MAJOR_SHIFT;
		} else {
			v->faults_elsewhere += (uint32_t)count + (count >> MAJOR_SHIFT);
		}
	}
	rings_state(w->rings, &state);
	v->faults_in_kernel = state.kernel;
	v->faults_lost = state.lost;
	return err;
}

void map_watch_end(struct map_watch *w)
{
	if (!w)
		return;
	rings_close(w->rings);
	htab_fini(&w->faults);
	mem_free(w);
}
