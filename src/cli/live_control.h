/* live_control.h - a socket by which a paged program's memory is changed and looked at while it runs.
 *
 * It serves whoever has our user's rights, or root's; src/live/wish.h has the words.  Its name is gone when it is closed, and also
 * when this process is killed. */
#pragma once
#include "live_report.h"
#include "../live/start.h"
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>

enum { CONTROL_CLIENTS = 8, CONTROL_POLLS = CONTROL_CLIENTS + 1 };

struct live_control;

/* => PW_EXISTS: somebody listens there, or it is no socket; PW_INVALID: the name is too long; PW_IO, PW_CHILD */
must_use enum pw_err live_control_open(const char *path, struct live_control **ret, struct pw_why *why);
/* What to wait for, and at most how long, in milliseconds.  Returns how many were filled.  c: may be NULL, and fills none. */
unsigned live_control_polls(const struct live_control *c, struct pollfd polls[CONTROL_POLLS], int *timeout);
/* Serves whoever can be served now: does not wait. */
void live_control_step(struct live_control *c, struct live *l, live_render render, void *ctx);
/* The program has ended: who still waits is told so.  c: may be NULL. */
void live_control_close(struct live_control *c);

/* ---- from outside ---- */

/* One line, and its whole answer, a string the caller frees.  => PW_NOTFOUND: nobody listens; PW_ACCESS, PW_IO; PW_INVALID: refused;
 * all with why */
must_use enum pw_err live_control_ask(const char *path, const char *line, char **ret, struct pw_why *why);
