/* live_outside.c - the same words, said to a program that runs already.
 *
 * Problem: a paged program may have been started by a service manager days ago; what one wants of it is little.
 * Idea: the words of its start mean the same to one that runs: --ram is what is in force from now on, -o and --json say where its figures
 * go.  What it answers is written as it came. */
#include "live_outside.h"
#include "cli.h"
#include "live_control.h"
#include "../base/mem.h"
#include <string.h>

struct told {
	const char *path, *word;
	struct pw_why why;
};

static enum pw_err render_told(void *ctx, FILE *memory)
{
	struct told *t = ctx;
	char *text;
	enum pw_err err = live_control_ask(t->path, t->word, &text, &t->why);
	if (err)
		return err;
	fputs(text, memory);
	mem_free(text);
	return PW_OK;
}

static int ram_change(const char *path, uint64_t ram_bytes)
{
	struct pw_why why = { "" };
	char line[64], *answer;
	snprintf(line, sizeof line, "ram=%llu", (unsigned long long)ram_bytes);
	if (live_control_ask(path, line, &answer, &why) != PW_OK)
		return cli_error("%s", why.text);
	mem_free(answer);
	return CLI_OK;
}

int live_outside(const char *path, uint64_t ram_bytes, struct output *report, struct output *json)
{
	struct told text = { path, "report", { "" } }, object = { path, "status", { "" } };
	if (!ram_bytes && !report->name && !json->name)
		report->name = "-";
	report->why = &text.why;
	json->why = &object.why;
	if (output_open(report) != CLI_OK || output_open(json) != CLI_OK)
		return CLI_FAILED;
	int status = ram_bytes ? ram_change(path, ram_bytes) : CLI_OK;
	if (status == CLI_OK)
		status = output_write(report, render_told, &text);
	if (status == CLI_OK)
		status = output_write(json, render_told, &object);
	return status;
}
