/* progress.h - a line on the terminal while something long goes on. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
	bool on, shown;
	struct timespec began, last;
	uint64_t last_count;
	double rate;           /* per second, smoothed */
};

/* What --progress WHEN says: auto or never.  => ends the process with one line when it says something else. */
bool progress_word(const char *when);
/* on: only then, and only when standard error is a terminal, anything is ever shown. */
void progress_begin(struct progress *p, bool on);
/* Cheap to call often: looks at the clock and redraws at most five times a second.  fraction: of the whole, negative: unknown. */
void progress_show(struct progress *p, uint64_t count, double fraction);
/* Likewise, with words of the caller's. */
void progress_say(struct progress *p, const char *text);
/* Clears the line. */
void progress_end(struct progress *p);
/* Seconds since the beginning, by the host's clock. */
double progress_seconds(const struct progress *p);
