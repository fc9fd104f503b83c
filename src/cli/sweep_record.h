/* sweep_record.h - a command recorded once, so that every cell of a sweep sees the same run of it. */
#pragma once
#include "../sim/sweep_dir.h"

struct sweep_record_options {
	unsigned granule_shift;  /* addresses are kept exact to 2^this bytes */
	bool show_progress;
};

struct sweep_recording {
	char *path;       /* DIR/recorded/NAME-HASH.pwt */
	bool fresh;       /* the command ran now; otherwise its recording was there */
	int exit_status, signal; /* of the command, when it ran now */
	bool interrupted; /* somebody stopped it with that signal: there is no recording */
	int status;       /* after an error: the exit status that reports it */
};

/* Records a command into the directory, or finds it recorded with these options.  => on error nothing half recorded is left. */
must_use enum pw_err sweep_record(const struct sweep_dir *d, char *const argv[], const struct sweep_record_options *o,
                                  struct sweep_recording *ret, struct pw_why *why);
void sweep_recording_fini(struct sweep_recording *r);
