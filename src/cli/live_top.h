/* live_top.h - a screen that shows how a paged program fares, drawn anew with each look. */
#pragma once
#include "live_look.h"
#include <stdio.h>

struct live_top;

/* Takes the terminal that out writes to; keys: q may be pressed.  => NULL: out of memory */
struct live_top *live_top_open(FILE *out, bool keys);
void live_top_draw(struct live_top *t, const struct live_look *now);
/* Until the clock (CLOCK_MONOTONIC, seconds) shows until, or a signal came.  => false: q was pressed */
bool live_top_wait(struct live_top *t, double until);
/* Gives the terminal back, with the last screen left in it.  t: may be NULL. */
void live_top_close(struct live_top *t);
