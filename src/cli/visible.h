/* visible.h - names that strangers chose, made fit for a terminal. */
#pragma once
#include <stddef.h>

/* Writes text into buf so that it stays on one line and moves no cursor: a control character or a byte that is no UTF-8 becomes
 * \n, \t, \x1b and the like, a backslash becomes two.  What does not fit ends in "...".  => buf. */
char *visible(char *buf, size_t size, const char *text);
