/* pmap_host.h - the pmap contract over this computer's own MMU: pages of this very process, moved in and out through userfaultfd.
 *
 * A space is a window: its page n lies at address (n << 12) + offset of this process, in memory registered with the uffd.  Whoever
 * reads the uffd hands each fault to pmap_host_touch() first, which does what a machine does by itself (set the modified or
 * referenced bit), and goes to the kernel only when that is not enough.
 *
 * Nothing here locks: one thread at a time.  That thread never touches a page of a window that is not there. */
#pragma once
#include "pmap.h"
#include "uffd.h"

enum host_touch {
	HOST_DONE,  /* the access can be made again */
	HOST_FAULT, /* it is the kernel's */
	HOST_LOST,  /* the page is mapped, and gone from the host's memory: somebody else dropped it.  The program cannot go on */
};

struct pmap_host_counts {
	uint64_t modified_faults;   /* stores that only set a modified bit */
	uint64_t referenced_faults; /* touches of pages that were taken away to see whether they are used */
	uint64_t drops, drop_calls; /* pages given back to the host, and in how many calls */
	uint64_t rescued;           /* pages unmapped but wanted: copied aside */
};

/* For frames below n_frames; *u stays the caller's and must outlive it. */
must_use enum pw_err pmap_host_create(uint64_t n_frames, const struct uffd *u, struct pmap_sys **ret);
/* Another descriptor for the same memory, as in the child after a fork. */
void pmap_host_rebind(struct pmap_sys *sys, const struct uffd *u);
void pmap_host_window(struct pmap *p, uint64_t offset); /* 0 at first */
/* Pages come in without waking who waits for them: the caller does that.  At first they wake. */
void pmap_host_quiet(struct pmap_sys *sys, bool on);

/* A fault that was read from the uffd.  => DONE: who waits for the page has been woken */
enum host_touch pmap_host_touch(struct pmap *p, vpn_t n, enum access_kind kind);
/* Removed pages stay readable, with the bytes they had, until some have gathered: this drops them now, as before memory is given
 * back or changes hands. */
void pmap_host_flush(struct pmap_sys *sys);
/* The caller has write-protected every page of the window that is there, as a child must after a fork. */
void pmap_host_is_protected(struct pmap *p);
/* NULL, or what the host refused: memory is no longer as it should be, and the program must be stopped. */
const char *pmap_host_broken(const struct pmap_sys *sys);
void pmap_host_counts(const struct pmap_sys *sys, struct pmap_host_counts *ret);
