/* start.h - a program with a pager inside, seen from outside: started, watched, given orders, ended. */
#pragma once
#include "board.h"
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct live {
	struct board *board;   /* shared with the program */
	struct board seen;     /* as it was when it was looked at last; reports are made from this one */
	int fd;                /* of it */
	int pidfd;             /* of the program */
	pid_t pid;
	bool ended;
	int exit_status, signal;
	double began_s, wall_s; /* its start, by the host's clock; from there to its end, or until now */
};

/* A board with orders for a program to come.  => PW_NOMEM, PW_IO */
must_use enum pw_err live_prepare(struct live *l, const struct board_orders *orders, struct pw_why *why);
/* Starts it.  => PW_NOTFOUND, PW_ACCESS: the program cannot be run; PW_UNSUPPORTED: it cannot be paged; PW_CHILD */
must_use enum pw_err live_start(struct live *l, char *const argv[], struct pw_why *why);
/* Waits at most that long, or until one of the others has something to say; -1: for ever.  => true: the program has ended */
bool live_wait(struct live *l, struct pollfd other[], unsigned n_others, int milliseconds);
enum { LIVE_OTHERS = 16 };
/* Looks at the board; so does live_wait. */
void live_refresh(struct live *l);
/* Is a wish still to be answered?  What it was answered is on the board. */
bool live_wishes(const struct live *l);
/* Asks the pager inside.  => nothing is wished at the moment */
void live_wish(struct live *l, enum board_wish kind, uint64_t ram_bytes);
void live_fini(struct live *l);
