/* screen.h - a terminal that is drawn again and again, and figures with their history beside them. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct screen;

/* Takes the terminal that out writes to; keys: and standard input, if it is a terminal too, for keys.  => NULL: out of memory. */
struct screen *screen_open(FILE *out, bool keys);
/* Gives it back as it was, and leaves the last screen in the ordinary scroll.  s: may be NULL. */
void screen_close(struct screen *s);
/* Its size now, 24 x 80 when it does not say. */
void screen_size(const struct screen *s, unsigned *rows, unsigned *columns);
bool screen_has_keys(const struct screen *s);
/* Draws text, an allocated string of lines that fit: it is the screen's from now on. */
void screen_put(struct screen *s, char *text, size_t bytes);
/* Waits until the clock (CLOCK_MONOTONIC, in seconds) shows until, or a signal came.  s: may be NULL.  => false: q was pressed. */
bool screen_wait(struct screen *s, double until);

enum { SERIES_MAX = 512 };
/* The last values of a figure. */
struct series {
	float value[SERIES_MAX];   /* a ring; NAN: not known */
	unsigned n, next;
};
void series_add(struct series *s, double value);
/* The last width values as bars of eight heights against their own maximum, which is returned; older ones than there are leave room. */
double series_draw(const struct series *s, unsigned width, FILE *out);
