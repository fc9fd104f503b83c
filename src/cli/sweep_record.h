/* sweep_record.h - a command recorded once, so that every cell of a sweep sees the same run of it. */
#pragma once
#include "../sim/sweep_dir.h"

struct sweep_recording {
	char *path;       /* DIR/recorded/NAME-HASH.pwt */
	bool fresh;       /* the command ran now; otherwise its recording was there */
	int exit_status, signal;
	int status;       /* after an error: the exit status that reports it */
};

/* Records a command into the directory, addresses exact to 2^granule_shift bytes, or finds it so recorded.
 * => on error nothing half recorded is left. */
must_use enum pw_err sweep_record(const struct sweep_dir *d, char *const argv[], unsigned granule_shift,
                                struct sweep_recording *ret, struct pw_why *why);
void sweep_recording_fini(struct sweep_recording *r);
