/* spread.c - one processor or all.
 *
 * Problem: on one processor a fault costs 4 us, because the pager runs where the program stopped; but two threads that compute take twice
 * as long there.  Threads that exist say nothing: most of a server's sleep.
 * Idea: the host counts for each thread how long it ran and how long it waited for a processor.  Pinned, what waits is what more
 * processors would give; spread, what runs beyond one is what they give.  Against that stands the rate of faults, times what each costs
 * more when an idle processor must wake up for it.
 *
 * 1. The program is looked at from outside: nothing is opened or run inside it.
 * 2. Only threads that have one of our two sets are changed; what chose its own is left alone.
 * Rejected: to spread as soon as there is a second thread (a server with a sleeping one would pay twenty times for each fault); to try
 * both and see (what is seen in a tenth of a second is noise).
 * Source: the kernel's Documentation/scheduler/sched-stats.rst, /proc/PID/task/TID/schedstat. */
#include "spread.h"
#include "pager.h"
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* FAR_NS: what a fault costs more when the pager wakes up elsewhere.  MARGIN: how much better, in processors, the other state must be. */
enum { LOOK_NS = 100000000, IDLE_MS = 500, FAR_NS = 76000, THREADS_MAX = 256 };
#define MARGIN 0.15

struct look {
	uint64_t now_ns, run_ns, wait_ns, faults;
	unsigned n_threads;                /* of the program, without the pager's */
	unsigned n_all;
	pid_t tid[THREADS_MAX];
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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
	l->now_ns = now_ns();
	return l->n_threads > 0;
}

enum board_pin spread_choose(enum board_pin now, double running, double waiting, double faults_per_s)
{
	double price = faults_per_s * FAR_NS * 1e-9;
	if (now == BOARD_PIN_NARROW)
		return waiting > price + MARGIN ? BOARD_PIN_WIDE : now;
	return price > (running > 1 ? running - 1 : 0) + MARGIN ? BOARD_PIN_NARROW : now;
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

static void decide(const struct spread *s, const struct look *l, struct board_pins *pin)
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
	bool wide = better == BOARD_PIN_WIDE;
	threads_move(l, wide ? &pin->here : &pin->before, wide ? &pin->before : &pin->here);
}

int spread_step(struct spread *s, const struct live *l)
{
	struct board_pins *pin = &l->board->pin;
	struct look look;
	uint64_t now = now_ns();
	if (pin->state == BOARD_PIN_NONE || l->board->state != BOARD_PAGING || CPU_COUNT(&pin->before) < 2)
		return IDLE_MS;
	if (now - s->then_ns < LOOK_NS)
		return (int)((LOOK_NS - (now - s->then_ns)) / 1000000) + 1;
	if (look_take(&look, l)) {
		if (s->then_ns)
			decide(s, &look, pin);
		*s = (struct spread){ look.now_ns, look.run_ns, look.wait_ns, look.faults };
	}
	return LOOK_NS / 1000000;
}
