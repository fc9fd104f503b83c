/* stat_live.h - a screen that is drawn again and again: figures with the history of each beside it. */
#pragma once
#include "stat_show.h"

struct stat_live;

/* Takes the terminal: standard output for the screen, standard input, if it is one too, for keys.  => NULL: out of memory. */
struct stat_live *stat_live_open(void);
/* Gives it back as it was, and leaves the last screen in the ordinary scroll. */
void stat_live_close(struct stat_live *v);
/* Keeps the figures and draws.  every: seconds, for the headline. */
void stat_live_draw(struct stat_live *v, const struct stat_look *l, double every);
/* Waits until the clock shows until, or a signal came.  => false: somebody pressed q. */
bool stat_live_wait(struct stat_live *v, double until);
