/* hold.h - a command that is started but waits, so that it can be watched from its first instruction.
 *
 * hold_start() makes the child, hold_release() lets it run the program.  Between the two there is a process to attach to. */
#pragma once
#include "../base/err.h"
#include <sys/types.h>

struct hold {
	pid_t pid;
	int go, failed;   /* our ends of two pipes */
};

/* argv: as for execvp, ended by NULL.  => PW_CHILD and nothing runs. */
must_use enum pw_err hold_start(char *const argv[], struct hold *ret, struct pw_why *why);
/* => PW_NOTFOUND, PW_ACCESS: there is no such program, it may not be executed; the child is gone then. */
must_use enum pw_err hold_release(struct hold *h, const char *name, struct pw_why *why);
/* The child ends without having run anything. */
void hold_abandon(struct hold *h);
