/* ws.c - the working set from stamps of last use.
 *
 * Problem.  The machine stamps frames, the working set counts pages.  While memory suffices that is the same; when a frame is given
 * to another page within a window both pages must count, and a page that leaves and returns must count once.
 *
 * Idea.  Every fault tells which page enters which frame.  At that moment the frame's stamp still belongs to the page before it:
 * if the stamp lies in the window, that page is noted as gone (it cannot be seen later).  At the end of the window the frames are
 * looked at; a page that is noted as gone, or that came into another frame meanwhile, is not counted again.
 *
 *      start = due - tau                    due
 *        |------------ window ---------------|
 *           ^ stamp of the page that left       frames with a stamp > start: counted at due
 *
 * Invariants.
 *   1. owner[frame] is the key of the page that last came into the frame by a fault, or 0.  Where no page can come back nobody
 *      keeps it: frames then count as pages, and one reused counts twice.
 *   2. gone holds the pages of this window that no frame shows any more; placed holds, for the pages that came since the window
 *      began, the frame they came into last.  Both are empty while the window has not begun.
 *   3. No frame at or above n_seen was ever installed.
 *   4. While no frame was used twice (the kernel gives freed frames first) no page can be in its second frame, and nothing is noted.
 *
 * Rejected: draining machine_touched(), which is the policy's; a number for each page ever seen, which would cost more memory than
 * the simulated frame itself.
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
	uint64_t due, start;     /* of the window in progress, in machine time */
	uint64_t gone_unnamed;   /* pages gone that came without a fault of their own */
	uint64_t n_seen;
	bool reuse;              /* a frame was given to a second page: from now on pages may come back elsewhere */
	uint64_t *owner;         /* per frame; NULL: no page ever comes back */
	struct htab gone, placed;
	struct result_working_set sum;
};

/* A mapped page lies in the user half, so its number has at most 44 bits; no key is 0. */
static uint64_t ws_key(uint32_t pid, vpn_t page) { return (page.v | (uint64_t)pid << 44) + 1; }

static void ws_next_window(struct ws *w)
{
	uint64_t spacing = (w->n_seen + WS_AROUND) * WS_REFS_PER_FRAME;
	uint64_t windows = spacing / w->tau + 1;
	w->due = machine_now(w->machine) + windows * w->tau;
	w->start = w->due - w->tau;
	w->gone_unnamed = 0;
	htab_clear(&w->gone);
	htab_clear(&w->placed);
}

enum pw_err ws_create(struct machine *m, uint64_t frames, uint64_t tau, bool may_return, struct ws **ret)
{
	*ret = NULL;
	struct ws *w = mem_zalloc(1, sizeof *w);
	if (!w)
		return PW_NOMEM;
	*w = (struct ws){ .machine = m, .frames = frames, .tau = tau, .sum.tau = tau };
	w->owner = may_return ? mem_reserve(frames * sizeof *w->owner) : NULL;
	if ((may_return && !w->owner) || htab_init(&w->gone, 256) != PW_OK || htab_init(&w->placed, 256) != PW_OK) {
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
	htab_fini(&w->gone);
	htab_fini(&w->placed);
	mem_free(w);
}

uint64_t ws_due_in(const struct ws *w)
{
	uint64_t now = machine_now(w->machine);
	return w->due > now ? w->due - now : 0;
}

/* Did this frame's page see a reference after start, and will no other frame and no note tell of it? */
static bool ws_shows(struct ws *w, uint64_t frame, uint64_t start)
{
	if (machine_frame_last_use(w->machine, pfn(frame)) <= start)
		return false;
	uint64_t key = w->owner ? w->owner[frame] : 0;
	if (!key)
		return true;
	const uint64_t *place = w->placed.count ? htab_get(&w->placed, key) : NULL;
	return !(place && *place != frame) && !(w->gone.count && htab_get(&w->gone, key));
}

static uint64_t ws_look(struct ws *w, uint64_t start)
{
	uint64_t pages = w->gone.count + w->gone_unnamed, end = w->n_seen + WS_AROUND;
	if (end > w->frames)
		end = w->frames;
	for (uint64_t f = 0; f < end; f++)
		pages += ws_shows(w, f, start);
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

/* Inside the window: the page that was in the frame is noted, if it counts, and so is where the new one is. */
static enum pw_err ws_replace(struct ws *w, uint64_t frame, uint64_t key)
{
	uint64_t old = w->owner[frame];
	if (!w->reuse)
		return PW_OK;
	if (ws_shows(w, frame, w->start)) {
		if (!old)
			w->gone_unnamed++;
		else if (!htab_put(&w->gone, old))
			return PW_NOMEM;
	}
	uint64_t *place = htab_put(&w->placed, key);
	if (!place)
		return PW_NOMEM;
	*place = frame;
	return PW_OK;
}

enum pw_err ws_installed(struct ws *w, uint32_t pid, vpn_t page, pfn_t frame)
{
	uint64_t key = ws_key(pid, page);
	if (frame.v >= w->frames)
		return PW_OK;
	if (frame.v >= w->n_seen)
		w->n_seen = frame.v + 1;
	if (!w->owner) {
		w->gone_unnamed += ws_shows(w, frame.v, w->start);
		return PW_OK;
	}
	if (w->owner[frame.v] == key)
		return PW_OK;
	w->reuse = w->reuse || w->owner[frame.v] || machine_frame_last_use(w->machine, frame);
	if (machine_now(w->machine) >= w->start) {
		enum pw_err err = ws_replace(w, frame.v, key);
		if (err != PW_OK)
			return err;
	}
	w->owner[frame.v] = key;
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
