/* progress.c - how far, how fast, how long yet.
 *
 * Problem: a long run should show that it lives, without costing anything and without writing into anybody's file.
 * Idea: one line, redrawn in place, at most five times a second, only on a terminal.
 * 1. Nothing is written unless standard error is a terminal and progress was wanted; progress_end leaves an empty line. */
#include "progress.h"
#include "cli.h"
#include "../base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool progress_word(const char *when)
{
	static const char *const known[] = { "auto", "never" };
	if (strcmp(when, known[0]) != 0 && strcmp(when, known[1]) != 0)
		exit(cli_unknown("--progress", when, known, 2));
	return strcmp(when, known[0]) == 0;
}

static double seconds_between(const struct timespec *a, const struct timespec *b)
{
	return (double)(b->tv_sec - a->tv_sec) + (double)(b->tv_nsec - a->tv_nsec) * 1e-9;
}

void progress_begin(struct progress *p, bool on)
{
	*p = (struct progress){ .on = on && isatty(STDERR_FILENO) };
	clock_gettime(CLOCK_MONOTONIC, &p->began);
	p->last = p->began;
}

double progress_seconds(const struct progress *p)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return seconds_between(&p->began, &now);
}

static void progress_draw(const struct progress *p, uint64_t count, double fraction)
{
	char n[32];
	double elapsed = progress_seconds(p);
	fprintf(stderr, "\r\033[K%s references, %.1f M/s", text_count(n, sizeof n, count), p->rate * 1e-6);
	if (fraction > 0 && fraction <= 1)
		fprintf(stderr, ", %.0f %%, about %.0f s left", fraction * 100, elapsed / fraction - elapsed);
	fflush(stderr);
}

void progress_show(struct progress *p, uint64_t count, double fraction)
{
	struct timespec now;
	if (!p->on)
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	double since = seconds_between(&p->last, &now);
	if (since < 0.2)
		return;
	double rate = (double)(count - p->last_count) / since;
	p->rate = p->rate > 0 ? 0.7 * p->rate + 0.3 * rate : rate;
	p->last = now;
	p->last_count = count;
	p->shown = true;
	progress_draw(p, count, fraction);
}

void progress_say(struct progress *p, const char *text)
{
	struct timespec now;
	if (!p->on)
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (p->shown && seconds_between(&p->last, &now) < 0.2)
		return;
	p->last = now;
	p->shown = true;
	fprintf(stderr, "\r\033[K%s", text);
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
