/* pager_impl.h - what the files of a pager share: pager.c, which maps, pager_serve.c, which answers faults, and pager_care.c, which is
 * asked. */
#pragma once
#include "pager.h"
#include <pthread.h>
#include <signal.h>

enum { PAGER_SERVERS = 8 };

/* A thread that answers faults. */
struct pager_server {
	struct pager *pager;
	pthread_t thread;
	unsigned number;
	bool serves;                 /* it is needed now */
	uint32_t turn;               /* of config.turn, when that was decided */
	uint64_t served_ns;          /* when it last had something to do */
	unsigned n_served;           /* faults, since the pager last looked who serves most */
};

struct pager {
	struct pager_config config;
	struct uffd uffd;
	struct pmap_sys *pmap;
	struct kernel *kernel;
	struct process *process;
	uint64_t range[2];           /* of the arena, in addresses */
	uint64_t ram_bytes, ram_peak_bytes, mapped_bytes, faults_ns, faults_mixed, refused_bytes;
	uint32_t faulted;            /* thread of the last fault */
	uint64_t refused_at;         /* page of the last fault that was refused */
	unsigned refused, unserved;
	pthread_mutex_t lock;
	sigset_t signals;            /* of who holds the lock */
	struct pager_server server[PAGER_SERVERS];
	unsigned n_servers;          /* started; the first one alone starts others */
	unsigned n_serving;          /* of them: those of the processors the program runs on */
	unsigned lone;               /* the number, plus one, of the only one of these that is awake; 0: all are */
	uint32_t calls;              /* a futex: who rests is called */
	unsigned n_looked, n_windows; /* faults in this window; windows served alone */
	uint64_t window_ns, window_mixed; /* when it began, and faults_mixed then */
	bool quit;                   /* atomic */
	struct store *child_swap;    /* during a fork; NULL: there is none, child_why says why */
	struct pw_why child_why;
};

static inline vaddr_t inside(const struct pager *p, uint64_t at) { return vaddr(at - p->range[0]); }
static inline uint64_t outside(const struct pager *p, vaddr_t at) { return at.v + p->range[0]; }
static inline uint64_t whole_pages(uint64_t bytes) { return (bytes + PAGER_PAGE - 1) & ~(uint64_t)(PAGER_PAGE - 1); }

/* pager_serve.c: servers, which use the mutex alone; no signal comes to them.  => false: none could be started */
must_use bool pager_serve(struct pager *p);
void pager_serve_no_more(struct pager *p);

/* Marks for allocators. */
void pager_enter(struct pager *p);
void pager_leave(struct pager *p);
void pager_mutex_lock(struct pager *p);
void pager_lock(struct pager *p);
void pager_unlock(struct pager *p);
/* The end of the program.  It does not return.  format: with one %s, for detail */
void pager_stop(struct pager *p, const char *format, const char *detail);
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
