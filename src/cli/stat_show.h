/* stat_show.h - figures of this computer's memory as a block, as lines, as JSON, as a live screen. */
#pragma once
#include "../host/figures.h"
#include "../base/json.h"
#include <stdio.h>

/* What is shown at one time. */
struct stat_look {
	const struct snapshot *then, *now;   /* then NULL: since boot */
	struct figures figures;
	bool explain;                        /* formulas with their numbers, and what they mean */
};

/* Every figure in a line of its own, in groups; swap areas, pools, and what could not be read. */
void stat_block(const struct stat_look *l, FILE *out);
/* One line of the most wanted figures, and the heading above them. */
void stat_heading(const struct stat_look *l, FILE *out);
void stat_line(const struct stat_look *l, FILE *out);
/* The k-th most wanted figure: those of the line, then the others.  => every figure once for k below FIGURES. */
enum figure stat_order(unsigned k);
/* One object in one line. */
must_use enum pw_err stat_json(const struct stat_look *l, FILE *out);
/* A figure's value for people into buf, returned: "1.5 GiB", "12.3 k/s", "7.0 %", "-" when it is not known. */
char *stat_value(char *buf, size_t size, const struct figures *f, enum figure which);
/* Likewise any number of a figure's kind. */
char *stat_number(char *buf, size_t size, enum figure which, long double v);
/* The name of a figure for people: "page cache". */
const char *stat_name(char *buf, size_t size, enum figure which);
