/* sweep_crew.h - those who work on the cells of a sweep that are not done. */
#pragma once
#include "sweep_sheet.h"

struct sweep_crew {
	const struct sweep *sweep;
	struct sheet *sheet;          /* of this sweep; kept up to date */
	const struct sweep_dir *dir;  /* locked */
	unsigned jobs;                /* cells at the same time; 0: one for each CPU */
	bool retry;                   /* also those that failed before */
	bool show_progress;
};

/* Runs cells, each in a process of its own, until there are no more, a signal comes (interrupt.h), or the directory cannot be written.
 * => an error and why, when it had to stop for a reason of its own; whatever was finished is in the directory and in the sheet. */
must_use enum pw_err sweep_crew_run(const struct sweep_crew *crew, struct pw_why *why);
