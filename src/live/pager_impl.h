/* pager_impl.h - what the two files of a pager share: pager.c, which serves, and pager_care.c, which is asked. */
#pragma once
#include "pager.h"
#include <pthread.h>
#include <signal.h>

struct pager {
	struct pager_config config;
	struct uffd uffd;
	struct pmap_sys *pmap;
	struct kernel *kernel;
	struct process *process;
	uint64_t range[2];           /* of the arena, in addresses */
	uint64_t ram_bytes, ram_peak_bytes, mapped_bytes, faults_ns, refused_bytes;
	uint64_t refused_at;         /* page of the last fault that was refused */
	unsigned refused, unserved;
	pthread_mutex_t lock;
	sigset_t signals;            /* of who holds the lock */
	pthread_t thread;
	bool quit;                   /* atomic */
	struct store *child_swap;    /* during a fork; NULL: there is none, child_why says why */
	struct pw_why child_why;
};

static inline vaddr_t inside(const struct pager *p, uint64_t at) { return vaddr(at - p->range[0]); }
static inline uint64_t outside(const struct pager *p, vaddr_t at) { return at.v + p->range[0]; }
static inline uint64_t whole_pages(uint64_t bytes) { return (bytes + PAGER_PAGE - 1) & ~(uint64_t)(PAGER_PAGE - 1); }

void pager_lock(struct pager *p);
void pager_unlock(struct pager *p);
/* Stops the program when the host refused what memory cannot do without.  => the lock is held, as for all below */
void pager_check(struct pager *p);
/* How many frames hold pages when so much may be resident. */
uint64_t pager_frames_of(const struct pager *p, uint64_t ram_bytes);
/* How much may be protected when so much may be resident. */
void pager_protect_limit(struct pager *p, uint64_t ram_bytes);
/* What is called so stays, if that is not too much. */
void pager_protect_named(struct pager *p, uint64_t at, uint64_t bytes, const char *name);
/* A mapping has grown: it may be too much now. */
void pager_protect_again(struct pager *p, uint64_t at, uint64_t bytes);
/* Advice about pages that may be protected, which the program does not know. */
must_use enum pw_err pager_protect_advise(struct pager *p, vaddr_t at, uint64_t bytes, int advice);
