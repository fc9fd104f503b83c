/* load.c - deciding who runs.
 *
 * Problem.  Processes that together use more pages than there are frames take them from each other: each fault makes the next one, and
 * all of them wait for the disk.  No replacement policy can help, because every page in memory is one that somebody is about to use.
 *
 * Idea.  Fewer processes.  At the end of each window:
 *
 *      working set of a process = its frames with a stamp of use inside the window
 *                               + its pages that were used inside it, were taken, and have not come back
 *
 *                 together more than memory, and as many pages as do not fit, and half of those that
 *                 were fetched, had been taken in the same window?
 *                      yes: suspend, until the rest fits        no: resume the first in the queue, if it fits;
 *                                                                   after LOAD_RESIDENCE windows, if it does not: make it fit
 *
 * Invariants.
 *   1. gone holds the pages that left in this window and have not come back, and whether they had been used in it.
 *   2. queue holds the suspended ones, the first one for longest; each of them is held by the scheduler.
 *   3. At least one process is not suspended.
 *
 * Rejected: the rate of faults alone (a program that starts faults as well, and nobody is to be stopped for it); comparing the time
 * between faults with the time a fault takes (the L = S criterion: with a modelled disk the answer would be that of the cost table);
 * suspending the smallest (it frees the least), or the largest (it would be the same one every time).
 *
 * Source: P. J. Denning, "Thrashing: its causes and prevention", AFIPS 33 (1968), and "Working sets past and present", IEEE TSE 6
 * (1980). */
#include "load.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	LOAD_REFS_PER_FRAME = 16, /* a window's end looks at every frame in use: let that many references pass for each */
	LOAD_AROUND = 64,         /* frames above the highest one that a fault filled, which its neighbours may have */
};

struct member {
	uint32_t pid;
	bool suspended, ended, ran; /* ran: in this window */
	uint64_t set;               /* working set, in pages: of the last window in which it ran */
	uint64_t since;             /* references made since it was let in */
};

struct load {
	struct machine *machine;
	struct kernel *kernel;
	struct sched *sched;
	uint64_t quantum, page_frames;
	uint64_t start, due;        /* of the window, in machine time */
	uint64_t seen;              /* machine time of the last step */
	uint64_t n_frames;          /* frames above were never filled by a fault */
	uint64_t majors;            /* faults when it began */
	uint64_t came_back;
	unsigned quiet;             /* windows since somebody was suspended or resumed */
	struct member *member;
	unsigned n_members;
	uint32_t *queue;            /* pids; room for all members */
	unsigned n_queue;
	struct htab gone;
	bool failed;
	struct result_load told;
};

static uint64_t page_key(uint32_t pid, vpn_t page) { return (page.v | (uint64_t)pid << 44) + 1; }
static uint32_t key_pid(uint64_t key) { return (uint32_t)((key - 1) >> 44); }

static struct member *member_of(struct load *l, uint32_t pid)
{
	for (unsigned i = 0; i < l->n_members; i++)
		if (l->member[i].pid == pid)
			return &l->member[i];
	return NULL;
}

static struct member *member_add(struct load *l, uint32_t pid)
{
	struct member *grown = mem_realloc(l->member, l->n_members + 1, sizeof *grown);
	if (grown)
		l->member = grown;
	uint32_t *queue = grown ? mem_realloc(l->queue, l->n_members + 1, sizeof *queue) : NULL;
	if (!queue)
		return NULL;
	l->queue = queue;
	l->member[l->n_members] = (struct member){ .pid = pid };
	return &l->member[l->n_members++];
}

static bool is_active(const struct member *m) { return m->ran && !m->suspended && !m->ended; }

static unsigned n_active(const struct load *l)
{
	unsigned n = 0;
	for (unsigned i = 0; i < l->n_members; i++)
		n += is_active(&l->member[i]);
	return n;
}

static uint64_t frames_of_pages(const struct load *l)
{
	struct kernel_counts c;
	kernel_counts(l->kernel, &c);
	uint64_t frames = c.resident_pages + c.free_frames;
	return l->page_frames && l->page_frames < frames ? l->page_frames : frames;
}

static uint64_t major_faults(const struct load *l)
{
	struct kernel_counts c;
	kernel_counts(l->kernel, &c);
	return c.faults.major;
}

static void window_begin(struct load *l)
{
	unsigned n = 0;
	for (unsigned i = 0; i < l->n_members; i++) {
		n += !l->member[i].suspended && !l->member[i].ended;
		l->member[i].ran = false;
	}
	uint64_t turns = LOAD_TURNS * l->quantum * (n ? n : 1), looks = LOAD_REFS_PER_FRAME * l->n_frames;
	l->start = machine_now(l->machine);
	l->due = l->start + (turns > looks ? turns : looks);
	l->majors = major_faults(l);
	l->came_back = 0;
	htab_clear(&l->gone);
}

enum pw_err load_create(struct machine *m, struct kernel *k, struct sched *s, uint64_t quantum, uint64_t page_frames,
                        struct load **ret)
{
	struct load *l = *ret = mem_zalloc(1, sizeof *l);
	if (!l)
		return PW_NOMEM;
	*l = (struct load){ .machine = m, .kernel = k, .sched = s, .quantum = quantum, .page_frames = page_frames };
	if (htab_init(&l->gone, 256) != PW_OK) {
		load_destroy(l);
		*ret = NULL;
		return PW_NOMEM;
	}
	window_begin(l);
	return PW_OK;
}

void load_destroy(struct load *l)
{
	if (!l)
		return;
	htab_fini(&l->gone);
	mem_free(l->member);
	mem_free(l->queue);
	mem_free(l);
}

/* ---- what is seen ---- */

void load_evicting(struct load *l, uint32_t pid, vpn_t page, pfn_t from)
{
	uint64_t *used = pid ? htab_put(&l->gone, page_key(pid, page)) : NULL;
	if (used)
		*used = machine_frame_last_use(l->machine, from) > l->start;
	l->failed |= pid && !used;
}

void load_installed(struct load *l, uint32_t pid, vpn_t page, pfn_t to)
{
	l->n_frames = to.v >= l->n_frames ? to.v + 1 : l->n_frames;
	l->came_back += l->gone.count && htab_delete(&l->gone, page_key(pid, page));
}

/* ---- the story ---- */

static void tell(struct load *l, uint64_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void tell(struct load *l, uint64_t at, const char *format, ...)
{
	if (l->told.n_events < RESULT_LOADS) {
		struct result_load_event *e = &l->told.event[l->told.n_events];
		va_list args;
		e->at = at;
		va_start(args, format);
		vsnprintf(e->text, sizeof e->text, format, args);
		va_end(args);
	}
	l->told.n_events++;
}

/* ---- what is done ---- */

static void queue_cut(struct load *l, uint32_t pid)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < l->n_queue; i++)
		if (l->queue[i] != pid)
			l->queue[kept++] = l->queue[i];
	l->n_queue = kept;
}

static void suspend(struct load *l, struct member *m)
{
	m->suspended = true;
	l->queue[l->n_queue++] = m->pid;
	l->told.suspensions++;
	l->quiet = 0;
	sched_hold(l->sched, m->pid);
	struct process *p = process_find(l->kernel, m->pid);
	if (p)
		l->told.swapped_pages += process_swap_out(p);
}

static void resume(struct load *l, struct member *m)
{
	m->suspended = false;
	m->since = 0;
	m->ran = true; /* its set counts from now on */
	l->told.resumptions++;
	l->quiet = 0;
	queue_cut(l, m->pid);
	sched_release(l->sched, m->pid);
}

static uint64_t sets_together(const struct load *l)
{
	uint64_t pages = 0;
	for (unsigned i = 0; i < l->n_members; i++)
		pages += is_active(&l->member[i]) ? l->member[i].set : 0;
	return pages;
}

/* Who has run longest since it was let in; of several the last one. */
static struct member *longest(struct load *l)
{
	struct member *found = NULL;
	for (unsigned i = 0; i < l->n_members; i++)
		if (is_active(&l->member[i]) && (!found || l->member[i].since >= found->since))
			found = &l->member[i];
	return found;
}

/* => until what is wanted fits beside the others, or there are no others. */
static void suspend_for(struct load *l, uint64_t wanted, uint64_t frames, unsigned leave, char *names, size_t size)
{
	size_t at = 0;
	names[0] = '\0';
	while (n_active(l) > leave && sets_together(l) + wanted > frames) {
		struct member *m = longest(l);
		suspend(l, m);
		if (at < size)
			at += (size_t)snprintf(names + at, size - at, "%s%" PRIu32, at ? ", " : "", m->pid);
	}
}

static void stop_thrashing(struct load *l, uint64_t position, uint64_t frames)
{
	uint64_t majors = major_faults(l) - l->majors, together = sets_together(l);
	unsigned n = n_active(l);
	char names[64];
	suspend_for(l, 0, frames, 1, names, sizeof names);
	l->told.detections++;
	tell(l, position, "memory thrashes: %u processes use %" PRIu64 " pages by turns, and there is room for %" PRIu64 "; %" PRIu64
	     " of %" PRIu64 " major faults brought back what had just been taken; suspended: process %s", n, together, frames,
	     l->came_back, majors, names);
}

/* Lets the first of the queue in when it fits, or when it has waited long enough.  => false: it goes on waiting */
static bool let_in(struct load *l, uint64_t position, uint64_t frames)
{
	struct member *m = l->n_queue ? member_of(l, l->queue[0]) : NULL;
	char names[64] = "";
	if (!m)
		return false;
	bool fits = sets_together(l) + m->set <= frames || !n_active(l);
	if (!fits && l->quiet < LOAD_RESIDENCE)
		return false;
	uint64_t set = m->set;
	uint32_t pid = m->pid;
	if (!fits)
		suspend_for(l, set, frames, 0, names, sizeof names);
	resume(l, m);
	if (fits)
		tell(l, position, "process %" PRIu32 " runs again: there is room for its %" PRIu64 " pages", pid, set);
	else
		tell(l, position, "process %" PRIu32 " runs again: it has waited for %d windows; suspended in its place: process %s", pid,
		     LOAD_RESIDENCE, names);
	return fits;
}

/* ---- windows ---- */

/* The working set of each process that ran. */
static void measure(struct load *l)
{
	uint64_t i = 0, key, value;
	struct member *m = NULL;
	for (unsigned n = 0; n < l->n_members; n++)
		if (l->member[n].ran)
			l->member[n].set = 0;
	uint64_t end = l->n_frames + LOAD_AROUND, all = machine_physmem(l->machine)->frames;
	for (uint64_t f = 0; f < end && f < all; f++) {
		uint32_t pid = kernel_frame_pid(l->kernel, pfn(f));
		if (!pid || machine_frame_last_use(l->machine, pfn(f)) <= l->start)
			continue;
		m = m && m->pid == pid ? m : member_of(l, pid);
		if (m && m->ran)
			m->set++;
	}
	while (htab_each(&l->gone, &i, &key, &value)) {
		m = value ? member_of(l, key_pid(key)) : NULL;
		if (m && m->ran)
			m->set++;
	}
}

static void window_end(struct load *l, uint64_t position)
{
	uint64_t frames = frames_of_pages(l), majors = major_faults(l) - l->majors;
	measure(l);
	l->quiet++;
	uint64_t together = sets_together(l), beyond = together > frames ? together - frames : 0;
	if (n_active(l) > 1 && beyond && l->came_back >= beyond && 2 * l->came_back >= majors)
		stop_thrashing(l, position, frames);
	else
		while (let_in(l, position, frames))
			;
	window_begin(l);
}

/* The scheduler let somebody run because nobody else could. */
static void take_released(struct load *l, uint64_t position)
{
	uint32_t pid = sched_take_released(l->sched);
	struct member *m = pid ? member_of(l, pid) : NULL;
	if (!m || !m->suspended)
		return;
	resume(l, m);
	tell(l, position, "process %" PRIu32 " runs again: nobody else can", pid);
}

void load_ended(struct load *l, uint32_t pid)
{
	struct member *m = member_of(l, pid);
	if (!m)
		return;
	m->ended = true;
	queue_cut(l, pid);
}

enum pw_err load_step(struct load *l, uint32_t pid, uint64_t position)
{
	uint64_t now = machine_now(l->machine);
	take_released(l, position);
	struct member *m = member_of(l, pid);
	if (!m)
		m = member_add(l, pid);
	if (!m || l->failed)
		return PW_NOMEM;
	m->ran = true;
	m->since += now - l->seen;
	l->seen = now;
	if (now >= l->due)
		window_end(l, position);
	return PW_OK;
}

void load_result(const struct load *l, struct result_load *ret)
{
	*ret = l->told;
	ret->suspended_now = l->n_queue;
}
