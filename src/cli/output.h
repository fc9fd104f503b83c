/* output.h - one place a verb writes to: opened before any work is done, written whole at the end. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdio.h>

struct pw_why;
struct output {
	const char *option;   /* "--csv": for messages */
	const char *what;     /* "CSV" */
	const char *name;     /* a file, "-": standard output, NULL: was not asked for */
	FILE *file;           /* while it is open */
	bool reader_may_go;   /* a pipe that nobody reads any more is no failure */
	const struct pw_why *why; /* where rendering says why it could not; NULL or nothing there: for want of memory */
};

/* Renders into memory. */
typedef enum pw_err (*output_render)(void *ctx, FILE *memory);

/* Opens what was asked for.  => CLI_FAILED, said. */
int output_open(struct output *o);
bool output_is_stdout(const struct output *o);
/* Renders, writes and closes, when it is open.  => CLI_FAILED, said; nothing is written when it could not be rendered whole. */
int output_write(struct output *o, output_render render, void *ctx);
/* A text and JSON of the same: the text goes to standard output unless it was sent elsewhere, or JSON goes there. */
int outputs_open(struct output *text, struct output *json);
int outputs_write(struct output *text, output_render render_text, struct output *json, output_render render_json, void *ctx);
/* Closes what was not written. */
void output_close(struct output *o);
