/* start.h - a program with a pager inside, seen from outside: started, watched, given orders, ended. */
#pragma once
#include "board.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct live {
	struct board *board;   /* shared with the program */
	int fd;                /* of it */
	pid_t pid;
	bool ended;
	int exit_status, signal;
	double wall_s;         /* from its start to its end */
};

/* A board with orders for a program to come.  => PW_NOMEM, PW_IO */
must_use enum pw_err live_prepare(struct live *l, const struct board_orders *orders, struct pw_why *why);
/* Starts it.  => PW_NOTFOUND, PW_ACCESS: the program cannot be run; PW_UNSUPPORTED: it cannot be paged; PW_CHILD */
must_use enum pw_err live_start(struct live *l, char *const argv[], struct pw_why *why);
/* Waits at most that long.  => true: the program has ended */
bool live_wait(struct live *l, unsigned milliseconds);
void live_fini(struct live *l);
