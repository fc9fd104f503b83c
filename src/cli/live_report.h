/* live_report.h - what a paged program cost, for people and as the result object. */
#pragma once
#include "../live/pager.h"
#include "../live/start.h"
#include <stdbool.h>
#include <stdio.h>

struct live_shown {
	const struct live *live;
	char *const *command;
	unsigned n_command;
	bool runs;                /* it has not ended: figures of this moment, JSON on one line */
};

/* Renders one of both, of a moment of a program that runs.  json: the result object, on one line; else the report. */
typedef enum pw_err (*live_render)(void *ctx, bool json, FILE *out);

void live_report_write(const struct live_shown *s, FILE *out, bool colour);
/* => PW_IO */
must_use enum pw_err live_report_json(const struct live_shown *s, FILE *out);
/* The sums that must hold.  NULL, or the first that does not: static or the board's. */
const char *live_report_flaw(const struct live *l);
