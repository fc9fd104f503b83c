/* spread.c - one processor or all.
 *
 * Problem: on one processor a fault costs 4 us, because the pager runs where the program stopped; but two threads that compute take twice
 * as long there, and two that fault wait for one another.  Threads that exist say nothing: most of a server's sleep.
 * And whoever is kept on a processor cannot flee when somebody else wants it.
 * Idea: the host counts for each thread how long it ran and how long it waited for a processor.  Pinned, what waits is what more
 * processors would give; spread, what runs beyond one is what they give.  Against that stands the rate of faults, times what each costs
 * more when several processors serve them.  Threads that fault at the same time the pager sees itself: the one fault is another thread's
 * than the one before.  They are dealt to the processors, one by one, for a thread that moves when it wakes up leaves the pager behind.
 * A program that waits though it is alone moves, pager and all, to a processor that was idle meanwhile.
 *
 * 1. The program is looked at from outside: nothing is opened or run inside it.
 * 2. Only threads that have a set of ours are changed; what chose its own is left alone.
 * Rejected: to spread as soon as there is a second thread (a server with a sleeping one would pay more for each fault); to try
 * both and see (what is seen in a tenth of a second is noise).
 * Source: the kernel's Documentation/scheduler/sched-stats.rst, /proc/PID/task/TID/schedstat. */
#include "spread.h"
#include "pager.h"
#include "../base/clock.h"
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FAR_NS: what a fault costs more when several processors serve.  MARGIN: how much better, in processors, the other state must be.
 * THREAD_NS: looks are so much apart for each thread, so that they never cost more than a hundredth of a processor.  DEAL_FAULTS: a second;
 * from there on faults decide where threads run.  MIXED: so many of them, at least, follow another thread's; half of that keeps them
 * spread.  ACTIVE: a thread that ran so much of the time. */
enum { LOOK_NS = 100000000, IDLE_MS = 500, FAR_NS = 3000, THREAD_NS = 2000000, DEAL_FAULTS = 10000 };
#define MARGIN 0.15
#define MIXED  0.2
#define ACTIVE 0.02
/* HOP: it waits so much, or another processor is idle so much, in shares of the time; not more often than every HOP_NS. */
#define HOP_WAITING 0.3
#define HOP_IDLE    0.6
#define HOP_NS      500000000u

static bool line_read(pid_t pid, const char *tid, const char *what, char *line, size_t size)
{
	char path[96];
	snprintf(path, sizeof path, "/proc/%d/task/%.20s/%s", pid, tid, what);
	FILE *f = fopen(path, "re");
	bool got = f && fgets(line, (int)size, f);
	if (f)
		fclose(f);
	return got;
}

static void thread_look(struct spread_look *l, pid_t pid, const char *tid)
{
	char line[128];
	unsigned long long run, wait;
	if (l->n_threads == SPREAD_THREADS)
		return;
	if (!line_read(pid, tid, "comm", line, sizeof line) || !strncmp(line, PAGER_THREAD "\n", sizeof PAGER_THREAD))
		return;
	struct spread_thread *t = &l->thread[l->n_threads++];
	*t = (struct spread_thread){ .tid = (pid_t)strtol(tid, NULL, 10) };
	if (!line_read(pid, tid, "schedstat", line, sizeof line) || sscanf(line, "%llu %llu", &run, &wait) != 2)
		return;
	t->run_ns = run;
	l->run_ns += run;
	l->wait_ns += wait;
}

static void idle_look(struct spread_look *l)
{
	char line[256];
	unsigned cpu;
	unsigned long long idle, io;
	FILE *f = fopen("/proc/stat", "re");
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "cpu%u %*u %*u %*u %llu %llu", &cpu, &idle, &io) == 3 && cpu < CPU_SETSIZE)
			l->idle[cpu] = idle + io;
	}
	if (f)
		fclose(f);
}

static bool look_take(struct spread_look *l, const struct live *live)
{
	char path[64];
	struct dirent *e;
	*l = (struct spread_look){ .faults = live->board->kernel.faults.total, .mixed = live->board->faults_mixed };
	snprintf(path, sizeof path, "/proc/%d/task", live->pid);
	DIR *d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] != '.')
			thread_look(l, live->pid, e->d_name);
	}
	if (d)
		closedir(d);
	idle_look(l);
	l->now_ns = clock_ns();
	return l->n_threads > 0;
}

enum board_pin spread_choose(enum board_pin now, const struct spread_figures *f)
{
	double price = f->faults_per_s * FAR_NS * 1e-9, more = f->running > 1 ? f->running - 1 : 0;
	bool is_wide = now == BOARD_PIN_WIDE;
	if (f->faults_per_s > DEAL_FAULTS && f->mixed > (is_wide ? MIXED / 2 : MIXED))
		return BOARD_PIN_WIDE;
	if (is_wide)
		return price > more + MARGIN ? BOARD_PIN_NARROW : now;
	return f->waiting > price + MARGIN ? BOARD_PIN_WIDE : now;
}

int spread_hop(int here, const cpu_set_t *may, double waiting, const double idle[CPU_SETSIZE])
{
	int best = here;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, may) && cpu != here && idle[cpu] > HOP_IDLE && (best == here || idle[cpu] > idle[best]))
			best = cpu;
	}
	return waiting > HOP_WAITING ? best : here;
}

/* A sum that fell: a thread has ended, and the look is worth nothing. */
static double share(uint64_t then, uint64_t now, uint64_t ns)
{
	return now > then && ns ? (double)(now - then) / (double)ns : 0;
}

static int nth_cpu(const cpu_set_t *set, unsigned n)
{
	int cpu = 0;
	while (cpu < CPU_SETSIZE - 1 && !(CPU_ISSET(cpu, set) && n-- == 0))
		cpu++;
	return cpu;
}

/* ---- moving ---- */

static bool is_ours(const struct spread *s, const struct board_pins *pin, const cpu_set_t *set)
{
	return CPU_EQUAL(set, &pin->before) || CPU_EQUAL(set, &pin->here) || CPU_EQUAL(set, &s->left) || (s->dealt && CPU_COUNT(set) == 1);
}

static void thread_move(const struct spread *s, const struct board_pins *pin, pid_t tid, const cpu_set_t *to)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (sched_getaffinity(tid, sizeof set, &set) == 0 && is_ours(s, pin, &set) && !CPU_EQUAL(&set, to))
		sched_setaffinity(tid, sizeof *to, to);
}

static void threads_move(const struct spread *s, const struct spread_look *l, const struct board_pins *pin, const cpu_set_t *to)
{
	for (unsigned i = 0; i < l->n_threads; i++)
		thread_move(s, pin, l->thread[i].tid, to);
}

/* Both lists are in the order of the host's. */
static bool has_run(const struct spread *s, const struct spread_thread *t, unsigned *at, uint64_t ns)
{
	while (*at < s->last.n_threads && s->last.thread[*at].tid != t->tid)
		++*at;
	uint64_t before = *at < s->last.n_threads ? s->last.thread[*at].run_ns : 0;
	*at = *at < s->last.n_threads ? *at : 0;
	return share(before, t->run_ns, ns) > ACTIVE;
}

/* The threads that run get a processor each, in turn. */
static void threads_deal(struct spread *s, const struct spread_look *l, const struct board_pins *pin)
{
	unsigned n = (unsigned)CPU_COUNT(&pin->before), next = 0, at = 0;
	s->dealt = true;
	for (unsigned i = 0; i < l->n_threads; i++) {
		if (!has_run(s, &l->thread[i], &at, l->now_ns - s->last.now_ns))
			continue;
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(nth_cpu(&pin->before, next++ % n), &one);
		thread_move(s, pin, l->thread[i].tid, &one);
	}
}

/* => true: it has moved */
static bool hop(struct spread *s, const struct spread_look *l, struct board_pins *pin)
{
	double idle[CPU_SETSIZE], tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
	uint64_t ns = l->now_ns - s->last.now_ns;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		idle[cpu] = share(s->last.idle[cpu], l->idle[cpu], ns) * tick_ns;
	int here = nth_cpu(&pin->here, 0), to = spread_hop(here, &pin->before, share(s->last.wait_ns, l->wait_ns, ns), idle);
	if (to == here || l->now_ns - s->hop_ns < HOP_NS)
		return false;
	s->left = pin->here;
	s->hop_ns = l->now_ns;
	CPU_SET(to, &pin->here);
	CPU_CLR(here, &pin->here);
	return true;
}

static void decide(struct spread *s, const struct spread_look *l, struct board_pins *pin)
{
	uint64_t ns = l->now_ns - s->last.now_ns;
	double faults = share(s->last.faults, l->faults, ns);
	const struct spread_figures f = {
		.running = share(s->last.run_ns, l->run_ns, ns), .waiting = share(s->last.wait_ns, l->wait_ns, ns),
		.faults_per_s = faults * 1e9,
		.mixed = faults > 0 ? share(s->last.mixed, l->mixed, ns) / faults : 0,
	};
	uint32_t now = pin->state, better = BOARD_PIN_NARROW;
	if (now == BOARD_PIN_NONE)
		return;
	if (l->n_threads > 1)
		better = spread_choose((enum board_pin)now, &f);
	if (!__atomic_compare_exchange_n(&pin->state, &now, better, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return; /* the program has just chosen for itself */
	bool moves = better != now || (now == BOARD_PIN_NARROW && hop(s, l, pin));
	if (better == BOARD_PIN_NARROW)
		threads_move(s, l, pin, &pin->here); /* at each look: also those that were made while the others moved */
	else if (f.faults_per_s > DEAL_FAULTS)
		threads_deal(s, l, pin);
	else
		threads_move(s, l, pin, &pin->before);
	if (moves)
		board_turn(pin);
}

int spread_step(struct spread *s, const struct live *l)
{
	struct board_pins *pin = &l->board->pin;
	struct spread_look look;
	uint64_t now = clock_ns();
	if (pin->state == BOARD_PIN_NONE || l->board->state != BOARD_PAGING || CPU_COUNT(&pin->before) < 2)
		return IDLE_MS;
	uint64_t every_ns = s->last.n_threads * (uint64_t)THREAD_NS > LOOK_NS ? s->last.n_threads * (uint64_t)THREAD_NS : LOOK_NS;
	if (now - s->last.now_ns < every_ns)
		return (int)((every_ns - (now - s->last.now_ns)) / 1000000) + 1;
	if (look_take(&look, l)) {
		if (s->last.now_ns)
			decide(s, &look, pin);
		s->last = look;
	}
	return LOOK_NS / 1000000;
}
