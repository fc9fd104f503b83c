/* live_view.h - what is seen of a paged program by whoever started it: a line on the terminal, or a whole screen. */
#pragma once
#include "live_report.h"
#include "../live/start.h"
#include <stdbool.h>

struct live_view;

/* => CLI_FAILED, said: a screen would be drawn over what the program writes, or there is no terminal. */
int live_view_may(void);
/* top: a screen; else line: a line on standard error, if that is a terminal and the program's standard output is none.
 * => NULL: nothing is shown */
struct live_view *live_view_open(bool top, bool line);
/* Shows what is to be shown, once a second.  Returns how many milliseconds the next time is away.  v: may be NULL. */
int live_view_step(struct live_view *v, struct live *l, live_render render, void *ctx);
/* Leaves the terminal as it was.  v: may be NULL. */
void live_view_close(struct live_view *v);
