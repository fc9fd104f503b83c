/* output.c - opened early, written at once.
 *
 * Problem: a full disk or a mistyped folder should be found before hours of work, and what is written should be all or nothing.
 * Idea: every output is a struct; rendering goes to memory first.
 * 1. After output_write or output_close the file is closed, unless it is a standard stream.
 * Rejected: rendering straight into the file (a reader of a pipe would see half of it before the first error). */
#include "output.h"
#include "cli.h"
#include "../base/mem.h"
#include <errno.h>
#include <string.h>

int output_open(struct output *o)
{
	if (!o->name)
		return CLI_OK;
	o->file = strcmp(o->name, "-") == 0 ? stdout : fopen(o->name, "we");
	return o->file ? CLI_OK : cli_error("%s: %s: %s", o->option, o->name, strerror(errno));
}

bool output_is_stdout(const struct output *o) { return o->file == stdout; }

int output_write(struct output *o, output_render render, void *ctx)
{
	char *text = NULL;
	size_t bytes = 0;
	if (!o->file)
		return CLI_OK;
	FILE *memory = open_memstream(&text, &bytes);
	bool whole = memory && render(ctx, memory) == PW_OK && !ferror(memory);
	whole = memory && fclose(memory) == 0 && whole;
	int status;
	if (whole) {
		const char *name = o->name ? o->name : output_is_stdout(o) ? "-" : NULL;
		int error = cli_put(o->file, text, bytes);
		o->file = NULL;
		status = !error || (error == EPIPE && o->reader_may_go) ? CLI_OK : cli_not_written(o->what, name, error);
	} else {
		status = o->why && *o->why->text ? cli_error("%s", o->why->text) : cli_error("out of memory for the %s", o->what);
	}
	mem_free(text);
	return status;
}

int outputs_open(struct output *text, struct output *json)
{
	if (!text->name && (!json->name || strcmp(json->name, "-") != 0))
		text->name = "-";
	int status = output_open(text);
	return status == CLI_OK ? output_open(json) : status;
}

int outputs_write(struct output *text, output_render render_text, struct output *json, output_render render_json, void *ctx)
{
	int status = output_write(text, render_text, ctx);
	return status == CLI_OK ? output_write(json, render_json, ctx) : status;
}

void output_close(struct output *o)
{
	if (o->file && o->file != stdout && o->file != stderr)
		fclose(o->file);
	o->file = NULL;
}
