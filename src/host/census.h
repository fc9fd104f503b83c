/* census.h - all processes, or one, looked at several times: who grew, and in how many of the looks. */
#pragma once
#include "task.h"

struct census_row {
	uint32_t pid;
	char name[TASK_NAME];            /* for people: what a terminal must not see is '?' */
	uint64_t starttime;
	uint64_t rss_first, rss_last;    /* bytes */
	uint64_t majflt_first, majflt_last;
	uint32_t missed;                 /* looks before it was seen first */
	uint32_t looks, grew;            /* in how many it was seen, and in how many of them it was larger than in the one before */
	/* Of census_fill: */
	bool filled;                     /* its status could be read */
	uint64_t swap, page_tables, anonymous;   /* bytes; 0 for a kernel thread */
};

struct census {
	struct census_row *row;          /* by PID */
	uint32_t n, looks;
	uint64_t page_bytes;
};

/* One more look at pid, or at all processes when it is 0; a zeroed struct is an empty one.  Who has gone is dropped, a PID that was
 * given to another process begins anew.  => PW_NOTFOUND: pid is gone; the census is as it was. */
must_use enum pw_err census_look(struct census *c, struct procfs *p, uint32_t pid, struct pw_why *why);
/* Adds what /proc/PID/status tells.  => only memory is an error. */
must_use enum pw_err census_fill(struct census *c, struct procfs *p, struct pw_why *why);
void census_fini(struct census *c);
/* The want rows with the largest values that are not 0, largest first.  => how many there were. */
unsigned census_top(const struct census *c, uint64_t (*value)(const struct census_row *), const struct census_row **ret, unsigned want);
