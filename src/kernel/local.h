/* local.h - local replacement: each process has frames of its own, and gives up its own pages.
 *
 * The kernel goes on seeing one policy; behind it stands one instance for each process that has faulted.  A page belongs to the process
 * that brought it in, as long as that lives; what it leaves behind to others belongs to nobody, and goes first. */
#pragma once
#include "kernel.h"

struct local;

/* Puts itself in the place of the configured policy, before that is made; and begins, when it has been.  => PW_NOMEM */
must_use enum pw_err local_create(struct kernel *k);
must_use enum pw_err local_begin(struct kernel *k);
void local_destroy(struct kernel *k);

/* The process that faults is about to get a page: frames are divided anew if it is time.  => PW_NOMEM */
must_use enum pw_err local_prepare(struct kernel *k);
/* Has it used up its share, so that it has to give up a page for another? */
bool local_is_full(const struct kernel *k);
/* A process ends, or is suspended: its share is divided among the others. */
void local_leave(struct process *p);
