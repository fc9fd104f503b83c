/* spread.c - one processor or all.
 *
 * Problem: on one processor a fault costs 4 us, because the pager runs where the program stopped; but two threads that compute take twice
 * as long there.  Threads that exist say nothing: most of a server's sleep.
 * And whoever is kept on a processor cannot flee when somebody else wants it.
 * Idea: the host counts for each thread how long it ran and how long it waited for a processor.  Pinned, what waits is what more
 * processors would give; spread, what runs beyond one is what they give.  Against that stands the rate of faults, times what each costs
 * more when an idle processor must wake up for it.  A program that waits though it is alone moves, pager and all, to a processor that was
 * idle meanwhile.
 *
 * 1. The program is looked at from outside: nothing is opened or run inside it.
 * 2. Only threads that have one of our two sets are changed; what chose its own is left alone.
 * Rejected: to spread as soon as there is a second thread (a server with a sleeping one would pay twenty times for each fault); to try
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

/* FAR_NS: what a fault costs more when the pager wakes up elsewhere.  MARGIN: how much better, in processors, the other state must be.
 * THREAD_NS: looks are so much apart for each thread, so that they never cost more than a hundredth of a processor. */
enum { LOOK_NS = 100000000, IDLE_MS = 500, FAR_NS = 76000, THREADS_MAX = 4096, THREAD_NS = 2000000 };
#define MARGIN 0.15
/* HOP: it waits so much, or another processor is idle so much, in shares of the time; not more often than every HOP_NS. */
#define HOP_WAITING 0.3
#define HOP_IDLE    0.6
#define HOP_NS      500000000u

struct look {
	uint64_t now_ns, run_ns, wait_ns, faults;
	unsigned n_threads;                /* of the program, without the pager's */
	unsigned n_all;
	pid_t tid[THREADS_MAX];
	uint64_t idle[CPU_SETSIZE];        /* ticks of each processor */
};

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

static void thread_look(struct look *l, pid_t pid, const char *tid)
{
	char line[128];
	unsigned long long run, wait;
	if (l->n_all == THREADS_MAX)
		return;
	l->tid[l->n_all++] = (pid_t)strtol(tid, NULL, 10);
	if (!line_read(pid, tid, "comm", line, sizeof line) || !strncmp(line, PAGER_THREAD "\n", sizeof PAGER_THREAD))
		return;
	l->n_threads++;
	if (!line_read(pid, tid, "schedstat", line, sizeof line) || sscanf(line, "%llu %llu", &run, &wait) != 2)
		return;
	l->run_ns += run;
	l->wait_ns += wait;
}

static void idle_look(struct look *l)
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

static bool look_take(struct look *l, const struct live *live)
{
	char path[64];
	struct dirent *e;
	*l = (struct look){ .faults = live->board->kernel.faults.total };
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

enum board_pin spread_choose(enum board_pin now, double running, double waiting, double faults_per_s)
{
	double price = faults_per_s * FAR_NS * 1e-9;
	if (now == BOARD_PIN_NARROW)
		return waiting > price + MARGIN ? BOARD_PIN_WIDE : now;
	return price > (running > 1 ? running - 1 : 0) + MARGIN ? BOARD_PIN_NARROW : now;
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

static void threads_move(const struct look *l, const cpu_set_t *from, const cpu_set_t *to)
{
	for (unsigned i = 0; i < l->n_all; i++) {
		cpu_set_t set;
		CPU_ZERO(&set);
		if (sched_getaffinity(l->tid[i], sizeof set, &set) == 0 && CPU_EQUAL(&set, from))
			sched_setaffinity(l->tid[i], sizeof *to, to);
	}
}

/* A sum that fell: a thread has ended, and the look is worth nothing. */
static double share(uint64_t then, uint64_t now, uint64_t ns)
{
	return now > then && ns ? (double)(now - then) / (double)ns : 0;
}

static int only_cpu(const cpu_set_t *set)
{
	int cpu = 0;
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, set))
		cpu++;
	return cpu;
}

static void hop(struct spread *s, const struct look *l, struct board_pins *pin)
{
	double idle[CPU_SETSIZE], tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
	uint64_t ns = l->now_ns - s->then_ns;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		idle[cpu] = share(s->idle[cpu], l->idle[cpu], ns) * tick_ns;
	int here = only_cpu(&pin->here), to = spread_hop(here, &pin->before, share(s->wait_ns, l->wait_ns, ns), idle);
	if (to == here || l->now_ns - s->hop_ns < HOP_NS)
		return;
	s->left = pin->here;
	s->hop_ns = l->now_ns;
	CPU_SET(to, &pin->here);
	CPU_CLR(here, &pin->here);
}

static void decide(struct spread *s, const struct look *l, struct board_pins *pin)
{
	uint64_t ns = l->now_ns - s->then_ns;
	uint32_t now = pin->state, better = BOARD_PIN_NARROW;
	if (now == BOARD_PIN_NONE)
		return;
	if (l->n_threads > 1)
		better = spread_choose((enum board_pin)now, share(s->run_ns, l->run_ns, ns), share(s->wait_ns, l->wait_ns, ns),
		                       share(s->faults, l->faults, ns) * 1e9);
	if (!__atomic_compare_exchange_n(&pin->state, &now, better, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return; /* the program has just chosen for itself */
	if (better == BOARD_PIN_WIDE) {
		threads_move(l, &pin->here, &pin->before);
		return;
	}
	if (now == BOARD_PIN_NARROW)
		hop(s, l, pin);
	threads_move(l, &pin->before, &pin->here);
	threads_move(l, &s->left, &pin->here); /* also those that were made while the others moved */
}

int spread_step(struct spread *s, const struct live *l)
{
	struct board_pins *pin = &l->board->pin;
	struct look look;
	uint64_t now = clock_ns();
	if (pin->state == BOARD_PIN_NONE || l->board->state != BOARD_PAGING || CPU_COUNT(&pin->before) < 2)
		return IDLE_MS;
	uint64_t every_ns = s->n_threads * (uint64_t)THREAD_NS > LOOK_NS ? s->n_threads * (uint64_t)THREAD_NS : LOOK_NS;
	if (now - s->then_ns < every_ns)
		return (int)((every_ns - (now - s->then_ns)) / 1000000) + 1;
	if (look_take(&look, l)) {
		if (s->then_ns)
			decide(s, &look, pin);
		s->then_ns = look.now_ns;
		s->run_ns = look.run_ns;
		s->wait_ns = look.wait_ns;
		s->faults = look.faults;
		s->n_threads = look.n_threads;
		memcpy(s->idle, look.idle, sizeof s->idle);
	}
	return LOOK_NS / 1000000;
}
