/* ws.h - Denning's working set W(t, tau) of a running machine, without disturbing it.
 *
 * W(t, tau) is the number of distinct pages referenced in the last tau references.  It is sampled every tau references (less often
 * when memory is so large that looking at every frame would be felt), and read from the machine's stamps of last use, so the
 * policy's own view of recency is never consumed.  Exact for pages that came by a fault of their own; a page mapped along with
 * its neighbours (fault-around) counts by frame, so when its frame is reused within one window it counts once instead of twice. */
#pragma once
#include "../machine/machine.h"
#include "result.h"

struct ws;

/* may_return: pages may leave memory and come back (it is limited).  Otherwise a page leaves only when its mapping goes, and one
 * mapped at the same place later is another page. */
must_use enum pw_err ws_create(struct machine *m, uint64_t frames, uint64_t tau, bool may_return, struct ws **ret);
void ws_destroy(struct ws *w);
/* References until the next sample is due: run no further before ws_sample. */
uint64_t ws_due_in(const struct ws *w);
/* => a number of nothing but samples that are due. */
void ws_sample(struct ws *w);
/* A fault put this page into this frame, and it was not referenced there yet. */
enum pw_err ws_installed(struct ws *w, uint32_t pid, vpn_t page, pfn_t frame);
/* Forgets the samples so far (the warm-up is over). */
void ws_restart(struct ws *w);
/* => a last, short window is sampled when there is no sample yet. */
void ws_result(struct ws *w, struct result_working_set *ret);
