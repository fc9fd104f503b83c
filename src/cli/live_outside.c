/* live_outside.c - the same words, said to a program that runs already.
 *
 * Problem: a paged program may have been started by a service manager days ago; what one wants of it is little.
 * Idea: the words of its start mean the same to one that runs: --ram is what is in force from now on, -o and --json say where its figures
 * go.  What it answers is written as it came. */
#include "live_outside.h"
#include "cli.h"
#include "interrupt.h"
#include "live_control.h"
#include "live_top.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include <unistd.h>

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

/* => false: it is no more, or answers what we do not understand; why says so */
static bool look(const char *path, struct live_look *ret, struct pw_why *why)
{
	char *text;
	if (live_control_ask(path, "status", &text, why) != PW_OK)
		return false;
	bool is = live_look_read(text, ret);
	if (!is)
		pw_fail(why, PW_FORMAT, "--control %s: what answers is no paged program", path);
	mem_free(text);
	return is;
}

static int watch(const char *path)
{
	struct pw_why why = { "" };
	struct live_look now;
	if (!isatty(STDOUT_FILENO))
		return cli_error("--top draws on a terminal, and standard output is none; --json - gives figures");
	if (!look(path, &now, &why))
		return cli_error("%s", why.text);
	interrupt_watch();
	struct live_top *top = live_top_open(stdout, true);
	if (!top)
		return cli_error("%s", pw_err_text(PW_NOMEM));
	double due = clock_seconds();
	do {
		live_top_draw(top, &now);
		due = clock_seconds() > due + 2 ? clock_seconds() + 1 : due + 1;
	} while (live_top_wait(top, due) && !interrupt_seen() && look(path, &now, &why));
	live_top_close(top);
	interrupt_unwatch();
	return cli_end_like(CLI_OK, interrupt_seen());
}

int live_outside(const char *path, uint64_t ram_bytes, bool top, struct output *report, struct output *json)
{
	struct told text = { path, "report", { "" } }, object = { path, "status", { "" } };
	if (!ram_bytes && !top && !report->name && !json->name)
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
	return status == CLI_OK && top ? watch(path) : status;
}
