/* output.h - one place a verb writes to: opened before any work is done, written whole at the end. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdio.h>

struct output {
	const char *option;   /* "--csv": for messages */
	const char *what;     /* "CSV" */
	const char *name;     /* a file, "-": standard output, NULL: was not asked for */
	FILE *file;           /* while it is open */
};

/* Renders into memory.  => an error is taken for want of memory. */
typedef enum pw_err (*output_render)(void *ctx, FILE *memory);

/* Opens what was asked for.  => CLI_FAILED, said. */
int output_open(struct output *o);
bool output_is_stdout(const struct output *o);
/* Renders, writes and closes, when it is open.  => CLI_FAILED, said; nothing is written when it could not be rendered whole. */
int output_write(struct output *o, output_render render, void *ctx);
/* Closes what was not written. */
void output_close(struct output *o);
