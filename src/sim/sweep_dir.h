/* sweep_dir.h - the directory of a sweep: what is finished survives whatever happens to those who work on it.
 *
 *     DIR/lock            held while a sweep works here
 *     DIR/sweep.json      the plan: which cells there are
 *     DIR/traces.txt      what is known of the traces (sweep_trace.h)
 *     DIR/recorded/       programs' recordings
 *     DIR/cells/ID.json   the result of a finished cell, as 'pageworks run --json' writes it
 *     DIR/cells/ID.failed why a cell failed, one line
 *
 * A file appears under its name whole or not at all: it is written under another name, flushed to the disk, and renamed. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stddef.h>

enum { SWEEP_PATH = 4096, SWEEP_ID = 33 };

struct sweep_dir;

/* Makes the directory when there is none, and locks it; the lock is shared by all processes forked from this one, and ends with the
 * last of them.  Temporary files of sweeps that were killed are removed.
 * => PW_BUSY: another sweep works there; PW_INVALID: a directory that holds something else. */
must_use enum pw_err sweep_dir_open(const char *path, struct sweep_dir **ret, struct pw_why *why);
/* To look only: nothing is made, locked or removed.  => PW_NOTFOUND when no sweep was ever there. */
must_use enum pw_err sweep_dir_look(const char *path, struct sweep_dir **ret, struct pw_why *why);
void sweep_dir_close(struct sweep_dir *d);

const char *sweep_dir_path(const struct sweep_dir *d);
/* => "DIR/name", "DIR/cells/ID.json", "DIR/cells/ID.failed" into buf of SWEEP_PATH bytes, returned. */
char *sweep_dir_file(const struct sweep_dir *d, const char *name, char *buf);
char *sweep_dir_result(const struct sweep_dir *d, const char *id, char *buf);
char *sweep_dir_failure(const struct sweep_dir *d, const char *id, char *buf);

/* Replaces a file.  => PW_IO or PW_NOSPACE with why; what was there before is still there. */
must_use enum pw_err sweep_dir_write(const char *path, const char *text, size_t bytes, struct pw_why *why);
/* Removes temporary files: those of one process, or all (0).  => only while nobody writes them. */
void sweep_dir_clean(const struct sweep_dir *d, long pid);
