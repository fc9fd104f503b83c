/* ws.c - the working set from stamps of last use.
 *
 * Problem.  The machine stamps frames, the working set counts pages.  While memory suffices that is the same; when a frame is given
 * to another page within a window both pages must count, and a page that leaves and returns must count once.
 *
 * Idea.  Every fault tells which page enters which frame.  At that moment the frame's stamp still belongs to the page before it:
 * if the stamp lies in the window, that page is counted now (it cannot be seen later).  At the end of the window the frames are
 * looked at, and a page already counted in this window is not counted again.
 *
 *      start = due - tau                    due
 *        |------------ window ---------------|
 *           ^ stamp of the page that left       frames with a stamp > start: counted at due
 *
 * Invariants.
 *   1. counted[page] == window only if the page was counted in the current window.
 *   2. owner[frame] is 0 or the id + 1 of the page that last came into the frame by a fault.
 *   3. No frame at or above n_seen was ever installed.
 *
 * Rejected: draining machine_touched(), which is the policy's; a set of pages kept per reference, which would cost more than
 * the translation.
 *
 * Source: P. J. Denning, The working set model for program behavior, CACM 11 (1968). */
#include "ws.h"
#include "../base/htab.h"
#include "../base/mem.h"

enum {
	WS_REFS_PER_FRAME = 64, /* a sample looks at every frame: let that many references pass for each */
	WS_AROUND = 64,         /* frames above the highest installed one that fault-around may have filled */
};

struct ws {
	struct machine *machine;
	uint64_t frames, tau;
	uint64_t due, start;    /* of the window in progress, in machine time */
	uint64_t left;          /* pages of this window that are gone from their frames already */
	uint64_t n_seen;
	uint32_t window;
	uint32_t *owner;        /* per frame */
	struct htab ids;        /* pid and page -> id */
	uint32_t *counted;      /* per id: window in which it was last counted */
	uint64_t n_ids, ids_cap;
	struct result_working_set sum;
};

static void ws_next_window(struct ws *w)
{
	uint64_t spacing = (w->n_seen + WS_AROUND) * WS_REFS_PER_FRAME;
	uint64_t windows = spacing / w->tau + 1;
	w->due = machine_now(w->machine) + windows * w->tau;
	w->start = w->due - w->tau;
	w->left = 0;
	w->window++;
}

enum pw_err ws_create(struct machine *m, uint64_t frames, uint64_t tau, struct ws **ret)
{
	*ret = NULL;
	struct ws *w = mem_zalloc(1, sizeof *w);
	if (!w)
		return PW_NOMEM;
	*w = (struct ws){ .machine = m, .frames = frames, .tau = tau, .sum.tau = tau };
	w->owner = mem_reserve(frames * sizeof *w->owner);
	if (!w->owner || htab_init(&w->ids, 1024) != PW_OK) {
		ws_destroy(w);
		return PW_NOMEM;
	}
	ws_next_window(w);
	*ret = w;
	return PW_OK;
}

void ws_destroy(struct ws *w)
{
	if (!w)
		return;
	if (w->owner)
		mem_unreserve(w->owner, w->frames * sizeof *w->owner);
	htab_fini(&w->ids);
	mem_free(w->counted);
	mem_free(w);
}

uint64_t ws_due_in(const struct ws *w)
{
	uint64_t now = machine_now(w->machine);
	return w->due > now ? w->due - now : 0;
}

/* Counts the owner of a frame referenced in the window, unless it was counted before. */
static uint64_t ws_count(struct ws *w, uint64_t frame, uint64_t start)
{
	if (machine_frame_last_use(w->machine, pfn(frame)) <= start)
		return 0;
	uint32_t owner = w->owner[frame];
	if (owner && w->counted[owner - 1] == w->window)
		return 0;
	if (owner)
		w->counted[owner - 1] = w->window;
	return 1;
}

static uint64_t ws_look(struct ws *w, uint64_t start)
{
	uint64_t pages = w->left, end = w->n_seen + WS_AROUND;
	if (end > w->frames)
		end = w->frames;
	for (uint64_t f = 0; f < end; f++)
		pages += ws_count(w, f, start);
	return pages;
}

static void ws_add(struct ws *w, uint64_t pages)
{
	w->sum.samples++;
	w->sum.sum_pages += pages;
	w->sum.last_pages = pages;
	if (pages > w->sum.peak_pages)
		w->sum.peak_pages = pages;
}

void ws_sample(struct ws *w)
{
	if (ws_due_in(w) > 0)
		return;
	ws_add(w, ws_look(w, w->start));
	ws_next_window(w);
}

static enum pw_err ws_id(struct ws *w, uint32_t pid, vpn_t page, uint32_t *ret)
{
	uint64_t key = page.v | (uint64_t)pid << 44; /* a mapped page lies in the user half: at most 44 bits of page number */
	uint64_t *id = htab_get(&w->ids, key);
	if (id) {
		*ret = (uint32_t)*id;
		return PW_OK;
	}
	if (w->n_ids == w->ids_cap) {
		uint64_t cap = w->ids_cap ? w->ids_cap * 2 : 1024;
		uint32_t *grown = mem_realloc(w->counted, cap, sizeof *grown);
		if (!grown)
			return PW_NOMEM;
		w->counted = grown;
		w->ids_cap = cap;
	}
	id = htab_put(&w->ids, key);
	if (!id)
		return PW_NOMEM;
	w->counted[w->n_ids] = 0;
	*ret = (uint32_t)(*id = w->n_ids++);
	return PW_OK;
}

enum pw_err ws_installed(struct ws *w, uint32_t pid, vpn_t page, pfn_t frame)
{
	uint32_t id;
	if (frame.v >= w->frames)
		return PW_OK;
	enum pw_err err = ws_id(w, pid, page, &id);
	if (err != PW_OK || w->owner[frame.v] == id + 1)
		return err;
	w->left += ws_count(w, frame.v, w->start);
	w->owner[frame.v] = id + 1;
	if (frame.v >= w->n_seen)
		w->n_seen = frame.v + 1;
	return PW_OK;
}

void ws_restart(struct ws *w)
{
	w->sum = (struct result_working_set){ .tau = w->tau };
	ws_next_window(w);
}

void ws_result(struct ws *w, struct result_working_set *ret)
{
	uint64_t now = machine_now(w->machine);
	if (w->sum.samples == 0)
		ws_add(w, ws_look(w, now > w->tau ? now - w->tau : 0));
	*ret = w->sum;
}
