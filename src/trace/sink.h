/* sink.h - where a trace is written: a file, a pipe, standard output.
 *
 * Every failure is kept and repeated, so that a writer that is built on a sink needs no state of its own for it. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink;

/* Creates or overwrites a file; "-" is standard output.  whole: a file that could not be written whole is removed in the end.
 * => on error *ret is NULL and why explains. */
must_use enum pw_err sink_open(const char *path, bool whole, struct sink **ret, struct pw_why *why);
/* Writes all of it, or, of a regular file, nothing: what was written before is kept.
 * => PW_IO, once and for ever: every later call answers the same.  A closed pipe raises no signal. */
enum pw_err sink_put(struct sink *s, const void *p, size_t n);
/* Makes the sink fail for a reason of its writer's: "PATH: what".  => err. */
enum pw_err sink_fail(struct sink *s, enum pw_err err, const char *what);
enum pw_err sink_error(const struct sink *s, struct pw_why *why);
uint64_t sink_bytes(const struct sink *s);   /* written so far */
/* Closes and frees.  => what went wrong, now or before.  Nothing of a sink is ever removed that is not a regular file. */
enum pw_err sink_close(struct sink *s, struct pw_why *why);
/* Closes, frees, and removes the file if it is a regular one that we wrote. */
void sink_remove(struct sink *s);
