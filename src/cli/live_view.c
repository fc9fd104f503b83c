/* live_view.c - seeing it run.
 *
 * Problem: a program that is paged heavily looks like one that hangs; but its terminal is its own.
 * Idea: once a second the pager is asked for its figures, and those that it gave last are shown.
 *
 * 1. Nothing is drawn on a terminal that the program writes its output to.
 * 2. Nothing here waits for the pager: it may be busy.
 * 3. Ctrl-Z gives the terminal back before it stops us; the program stops by itself. */
#include "live_view.h"
#include "cli.h"
#include "live_top.h"
#include "progress.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include <signal.h>
#include <unistd.h>

enum { EVERY_MS = 1000, FRESH_MS = 20 }; /* FRESH: so long the pager has for its figures before they are shown */

struct live_view {
	struct progress line;
	struct live_top *top;
	FILE *terminal;
	struct live_look then;
	uint64_t due_ms;
	bool asked;
};

static volatile sig_atomic_t to_stop;
static void note_stop(int signal_number) { to_stop = signal_number; }

/* Somebody pressed Ctrl-Z: the screen goes, and is back when we go on. */
static void view_stop(struct live_view *v)
{
	to_stop = 0;
	live_top_close(v->top);
	raise(SIGSTOP);
	v->top = live_top_open(v->terminal, false);
}

int live_view_may(void)
{
	if (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO))
		return cli_error("--top takes the whole terminal: send the program's output elsewhere (>FILE 2>FILE), or watch it from "
		                 "another terminal with --control");
	FILE *terminal = fopen("/dev/tty", "we");
	if (!terminal)
		return cli_error("--top: there is no terminal");
	fclose(terminal);
	return CLI_OK;
}

struct live_view *live_view_open(bool top, bool line)
{
	if (!top && (!line || !isatty(STDERR_FILENO) || isatty(STDOUT_FILENO)))
		return NULL;
	struct live_view *v = mem_zalloc(1, sizeof *v);
	if (!v)
		return NULL;
	progress_begin(&v->line, !top);
	v->due_ms = clock_ms() + EVERY_MS;
	v->terminal = top ? fopen("/dev/tty", "we") : NULL;
	v->top = v->terminal ? live_top_open(v->terminal, false) : NULL;
	if (v->top)
		signal(SIGTSTP, note_stop);
	return v;
}

static void look_show(struct live_view *v, const char *json)
{
	struct live_look now;
	char text[200];
	if (!live_look_read(json, &now))
		return;
	if (v->top)
		live_top_draw(v->top, &now);
	live_look_line(&now, &v->then, text, sizeof text);
	progress_say(&v->line, text);
	v->then = now;
}

static void view_show(struct live_view *v, live_render render, void *ctx)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return;
	enum pw_err err = render(ctx, true, memory);
	if (fclose(memory) == 0 && !err)
		look_show(v, text);
	mem_free(text);
}

int live_view_step(struct live_view *v, struct live *l, live_render render, void *ctx)
{
	uint64_t now = clock_ms();
	if (!v)
		return EVERY_MS;
	if (to_stop)
		view_stop(v);
	if (now >= v->due_ms && !v->asked) {
		if (!live_wishes(l))
			live_wish(l, BOARD_WISH_FIGURES, 0);
		v->asked = true;
		v->due_ms = now + FRESH_MS;
	} else if (now >= v->due_ms) {
		view_show(v, render, ctx);
		v->asked = false;
		v->due_ms = now + EVERY_MS - FRESH_MS;
	}
	return (int)(v->due_ms - now);
}

void live_view_close(struct live_view *v)
{
	if (!v)
		return;
	signal(SIGTSTP, SIG_DFL);
	progress_end(&v->line);
	live_top_close(v->top);
	if (v->terminal)
		fclose(v->terminal);
	mem_free(v);
}
