/* pager_serve.c - who answers the faults.
 *
 * Problem: a thread that faults sleeps until somebody else has brought its page.  On the same processor that takes 4 us; waking an idle
 * processor takes eighty.  But on one processor a second thread that faults only waits for the first.
 * Idea: a thread of the pager for each processor on which the program runs, which takes the processor over when the program's thread
 * stops, and gives it back.  It need not be woken, for while faults come in quick succession it never sleeps: it stands by (sched_yield),
 * and whoever runs on a processor that would be idle otherwise keeps it from falling asleep.
 *
 *      processor 0     T0 faults | serves T0's: lock, bring, unlock, wake | T0 runs on            | T0 faults | serves ...
 *      processor 1     T1 runs        | T1 faults | waits for the lock, brings, unlocks, wakes    | T1 runs on
 *
 * While one thread alone faults, the server beside it is awake alone.  Who that is shows a window of faults for which all are awake: the
 * one that served most.
 *
 * 1. One server, number 0, is always there, and serves wherever the program is.  The others are started when they are first needed.
 * 2. Who waits for a page is woken after the lock is free, if several servers are awake: it takes the processor at once.
 * 3. Who finds nothing to serve does not look again before another thread has run on its processor or a moment has passed; otherwise the
 *    server of an idle processor would take the faults of the others, and wake their threads from afar.
 * 4. A server that is awake alone calls the others as soon as another thread faults, faults become rare, or the program has moved; and now
 *    and then, for its thread may have been moved.
 * Rejected: servers that sleep until a fault wakes them (all are woken, each on its processor, for each fault); a lower scheduling class
 * for them (a server that is preempted while it holds the lock stops all; one beside a program that computes starves); all awake for a
 * lone thread (each page that is write-protected or dropped then interrupts the processors they wait on: 25 us a fault instead of 15).
 * Source: docs/DECISIONS.md has the measurements. */
#include "pager_impl.h"
#include "../base/clock.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* SWITCH_NS: a yield that takes so long let somebody else run.  LOOKS: yields without that between two looks for faults.  PATIENCE_NS: a
 * server that had nothing to do for so long sleeps.  WINDOW: faults after which it is decided who is awake; RARE_NS: faults are rare when
 * they take so long.  MIXED: so many of them come from another thread than the one before when several threads fault.  WINDOWS: as many
 * are served by one alone in a row. */
enum { FAULTS = 16, SERVED_EVERY = 64, REFUSED_MOST = 10000, SWITCH_NS = 1200, LOOKS = 60, PATIENCE_NS = 200000,
       WINDOW = 64, RARE_NS = 6400000, MIXED = 8, WINDOWS = 16 };

static void fault_refused(struct pager *p, uint64_t page, const char *why)
{
	p->refused = page == p->refused_at ? p->refused + 1 : 0;
	p->refused_at = page;
	if (p->refused > REFUSED_MOST)
		pager_stop(p, "the program was stopped: the host lets it touch a page that the kernel refuses: %s", why);
}

static void fault_ended(struct pager *p, const struct fault_report *r, uint64_t page)
{
	switch (r->outcome) {
	case FAULT_OUTCOME_RESOLVED:
		break;
	case FAULT_OUTCOME_REFUSED:
		fault_refused(p, page, r->why);
		break;
	case FAULT_OUTCOME_BUS:
	case FAULT_OUTCOME_KILLED:
		pager_stop(p, "the program was stopped: %s", *kernel_swap_why(p->kernel) ? kernel_swap_why(p->kernel) : r->why);
		break;
	}
}

static uint64_t page_of(const struct uffd_fault *f)
{
	return f->address & ~(uint64_t)(PAGER_PAGE - 1);
}

static void fault_serve(struct pager *p, const struct uffd_fault *f)
{
	uint64_t page = page_of(f);
	vaddr_t at = inside(p, page);
	enum access_kind kind = f->write ? ACCESS_STORE : ACCESS_LOAD;
	p->faults_mixed += f->thread != p->faulted;
	p->faulted = f->thread;
	enum host_touch touch = pmap_host_touch(process_pmap(p->process), vpn_of(at, 12), kind);
	if (touch == HOST_LOST)
		pager_stop(p, "the program was stopped: a page of it vanished from memory%s", "; something else dropped it");
	if (touch != HOST_FAULT)
		return;
	struct fault_report r = process_fault(p->process, 0, at, kind);
	fault_ended(p, &r, page);
	bool came = r.outcome == FAULT_OUTCOME_RESOLVED &&
	            (r.cause == FAULT_demand_zero || r.cause == FAULT_swap_in || r.cause == FAULT_file_read);
	if (!came)
		uffd_wake(&p->uffd, page, PAGER_PAGE); /* the copy that brings a page wakes by itself */
	pager_check(p);
}

static void faults_served(struct pager *p, unsigned n)
{
	p->unserved += n;
	if (p->unserved < SERVED_EVERY)
		return;
	p->unserved = 0;
	if (p->config.served)
		p->config.served(p->config.ctx);
}

/* ---- which servers are awake ---- */

/* Asked without the lock as well, for a guess. */
static bool is_shared(const struct pager *p)
{
	return __atomic_load_n(&p->n_serving, __ATOMIC_RELAXED) > 1 && !__atomic_load_n(&p->lone, __ATOMIC_RELAXED);
}

/* => the lock is held */
static void awake_set(struct pager *p, unsigned lone)
{
	__atomic_store_n(&p->lone, lone, __ATOMIC_RELAXED);
	p->n_windows = 0;
	pmap_host_quiet(p->pmap, is_shared(p));
	uffd_set_waiting(&p->uffd, !is_shared(p));
	if (lone)
		return;
	__atomic_fetch_add(&p->calls, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &p->calls, FUTEX_WAKE, PAGER_SERVERS, NULL, NULL, 0);
}

static void window_begin(struct pager *p, uint64_t now)
{
	p->n_looked = 0;
	p->window_mixed = p->faults_mixed;
	p->window_ns = now;
	for (unsigned i = 0; i < p->n_servers; i++)
		p->server[i].n_served = 0;
}

static unsigned busiest(const struct pager *p)
{
	unsigned best = 0;
	for (unsigned i = 1; i < p->n_serving; i++)
		best = p->server[i].n_served > p->server[best].n_served ? i : best;
	return best;
}

/* The server has served n more.  => the lock is held */
static void window_count(struct pager *p, struct pager_server *s, unsigned n, uint64_t now)
{
	s->n_served += n;
	p->n_looked += n;
	if (p->n_serving == 1 || p->n_looked < WINDOW)
		return;
	bool alone = p->faults_mixed - p->window_mixed < MIXED && now - p->window_ns < RARE_NS;
	if (p->lone && (!alone || ++p->n_windows == WINDOWS))
		awake_set(p, 0);
	else if (!p->lone && alone)
		awake_set(p, busiest(p) + 1);
	window_begin(p, now);
}

static void faults_serve(struct pager *p, struct pager_server *s, const struct uffd_fault *fault, unsigned n)
{
	pager_mutex_lock(p);
	uint64_t from = clock_ns();
	bool shared = is_shared(p);
	for (unsigned i = 0; i < n; i++)
		fault_serve(p, &fault[i]);
	s->served_ns = clock_ns();
	p->faults_ns += s->served_ns - from;
	faults_served(p, n);
	window_count(p, s, n, s->served_ns);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; shared && i < n; i++)
		uffd_wake(&p->uffd, page_of(&fault[i]), PAGER_PAGE);
}

/* ---- which servers there are, and where ---- */

/* Every n_serving-th processor of the set, from its own on.  One server of several keeps to what is its own; one alone goes where the
 * program is, all of it. */
static void server_place(struct pager_server *s, const cpu_set_t *where, unsigned n_serving)
{
	cpu_set_t own;
	unsigned seen = 0;
	CPU_ZERO(&own);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, where) && seen++ % n_serving == s->number)
			CPU_SET(cpu, &own);
	}
	syscall(SYS_sched_setaffinity, 0, sizeof own, &own);
}

static void *server_run(void *arg);

static bool server_start(struct pager *p, unsigned number)
{
	struct pager_server *s = &p->server[number];
	sigset_t all, before;
	*s = (struct pager_server){ .pager = p, .number = number };
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pager_enter(p);
	p->n_servers = number + 1; /* before it runs, and looks for who is missing */
	bool started = pthread_create(&s->thread, NULL, server_run, s) == 0;
	pager_leave(p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!started)
		p->n_servers = number;
	return started;
}

/* How many serve from now on is for the first of them to say. */
static void serving_set(struct pager *p, unsigned n)
{
	while (p->n_servers < n && server_start(p, p->n_servers))
		continue;
	pager_mutex_lock(p);
	__atomic_store_n(&p->n_serving, p->n_servers < n ? p->n_servers : n, __ATOMIC_RELAXED);
	window_begin(p, clock_ns());
	awake_set(p, 0);
	pthread_mutex_unlock(&p->lock);
}

/* The others rest: the first of them may, who has to know as well. */
static void others_call(struct pager *p)
{
	pager_mutex_lock(p);
	if (p->lone)
		awake_set(p, 0);
	pthread_mutex_unlock(&p->lock);
}

/* The program runs elsewhere now. */
static void server_move(struct pager_server *s, uint32_t turn)
{
	struct pager *p = s->pager;
	cpu_set_t where;
	s->turn = turn;
	p->config.where(p->config.ctx, &where);
	unsigned n = (unsigned)CPU_COUNT(&where);
	n = !n ? 1 : n < PAGER_SERVERS ? n : PAGER_SERVERS;
	if (s->number == 0)
		serving_set(p, n);
	else
		others_call(p);
	s->serves = s->number < n;
	if (s->serves)
		server_place(s, &where, n);
}

/* ---- a server ---- */

static void sleep_while(const uint32_t *word, uint32_t value)
{
	int type;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
	pthread_setcanceltype(type, &type);
}

/* => true: it may serve now */
static bool server_is_awake(struct pager_server *s)
{
	struct pager *p = s->pager;
	uint32_t turn = p->config.turn ? __atomic_load_n(p->config.turn, __ATOMIC_ACQUIRE) : 0;
	uint32_t calls = __atomic_load_n(&p->calls, __ATOMIC_ACQUIRE);
	unsigned lone = __atomic_load_n(&p->lone, __ATOMIC_RELAXED);
	if (turn != s->turn)
		server_move(s, turn);
	else if (!s->serves)
		sleep_while(p->config.turn, turn);
	else if (lone && lone != s->number + 1)
		sleep_while(&p->calls, calls);
	else
		return true;
	return false;
}

/* Nothing to serve, and others serve as well. */
static void server_stand_by(const struct pager_server *s)
{
	uint64_t now = clock_ns(), then = now;
	if (now - s->served_ns > PATIENCE_NS) {
		uffd_wait(&s->pager->uffd);
		return;
	}
	for (unsigned i = 0; i < LOOKS && now - then < SWITCH_NS; i++) {
		then = now;
		sched_yield();
		now = clock_ns();
	}
}

static void *server_run(void *arg)
{
	struct pager_server *s = arg;
	struct pager *p = s->pager;
	struct uffd_fault fault[FAULTS];
	prctl(PR_SET_NAME, PAGER_THREAD);
	pager_enter(p);
	s->serves = true;
	for (int n = 0; n >= 0 && !__atomic_load_n(&p->quit, __ATOMIC_RELAXED);) {
		if (!server_is_awake(s))
			continue;
		n = uffd_read(&p->uffd, fault, FAULTS);
		if (n > 0)
			faults_serve(p, s, fault, (unsigned)n);
		else if (is_shared(p))
			server_stand_by(s);
	}
	return NULL;
}

bool pager_serve(struct pager *p)
{
	p->n_servers = p->lone = 0;
	p->n_serving = 1;
	pmap_host_quiet(p->pmap, false);
	return server_start(p, 0);
}

void pager_serve_no_more(struct pager *p)
{
	__atomic_store_n(&p->quit, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < p->n_servers; i++) {
		pthread_cancel(p->server[i].thread);
		pthread_join(p->server[i].thread, NULL);
	}
}
