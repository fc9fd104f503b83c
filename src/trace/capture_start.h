/* capture_start.h - starting the first program of a capture. */
#pragma once
#include "capture.h"

/* Finds the program, its QEMU and the plugin, and starts it.  segment is the path under which the plugin opens the ring.
 * => PW_NOTFOUND, PW_ACCESS, PW_UNSUPPORTED, PW_CHILD, PW_NOMEM as capture_open says; nothing runs then. */
must_use enum pw_err start_program(const struct capture_options *options, char *const argv[], const char *segment, pid_t *ret,
                                   struct pw_why *why);
