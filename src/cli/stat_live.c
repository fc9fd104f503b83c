/* stat_live.c - the figures of this computer on a screen, the most wanted first.
 *
 * Idea.  The lines of `stat` with the history of each figure, drawn by screen.c.
 * 1. A screen too low shows the first figures and says how many it does not show; it never scrolls. */
#include "stat_live.h"
#include "screen.h"
#include "../base/mem.h"
#include <math.h>
#include <time.h>

enum { LABEL_WIDTH = 33, PEAK_WIDTH = 12 };

struct stat_live {
	struct screen *screen;
	struct series history[FIGURES];
};

struct stat_live *stat_live_open(void)
{
	struct stat_live *v = mem_zalloc(1, sizeof *v);
	if (v)
		v->screen = screen_open(stdout, true);
	if (v && v->screen)
		return v;
	mem_free(v);
	return NULL;
}

void stat_live_close(struct stat_live *v)
{
	if (!v)
		return;
	screen_close(v->screen);
	mem_free(v);
}

static void spark(const struct stat_live *v, enum figure i, unsigned width, FILE *out)
{
	char text[40];
	double peak = series_draw(&v->history[i], width, out);
	fprintf(out, " %s", stat_number(text, sizeof text, i, (long double)peak));
}

static void headline(const struct stat_live *v, const struct stat_look *l, double every, FILE *out)
{
	char total[40], clock[16] = "";
	time_t now = (time_t)l->now->time;
	struct tm tm;
	if (localtime_r(&now, &tm))
		strftime(clock, sizeof clock, "%H:%M:%S", &tm);
	fprintf(out, "pageworks stat, every %g s%s; %s; total %s; used = total - available\n", every,
	        screen_has_keys(v->screen) ? ", q ends" : "", clock, stat_value(total, sizeof total, &l->figures, FIGURE_total));
}

/* One screen of rows x columns: what lines have first, so that a low window shows the most wanted figures. */
static void lines(const struct stat_live *v, const struct stat_look *l, double every, unsigned rows, unsigned wide, FILE *out)
{
	char name[40], value[40];
	unsigned width = wide > LABEL_WIDTH + PEAK_WIDTH ? wide - LABEL_WIDTH - PEAK_WIDTH : 0, shown = 2, left = 0;
	headline(v, l, every, out);
	for (unsigned k = 0; k < FIGURES; k++) {
		enum figure i = stat_order(k);
		if (!l->figures.part[i] || i == FIGURE_total)
			continue;
		left += shown >= rows;
		if (shown >= rows)
			continue;
		fprintf(out, "%-20s %11s ", stat_name(name, sizeof name, i), stat_value(value, sizeof value, &l->figures, i));
		if (width)
			spark(v, i, width < SERIES_MAX ? width : SERIES_MAX, out);
		fputc('\n', out);
		shown++;
	}
	if (left)
		fprintf(out, "%u more in a higher window, or without INTERVAL", left);
}

void stat_live_draw(struct stat_live *v, const struct stat_look *l, double every)
{
	unsigned rows, columns;
	char *text = NULL;
	size_t bytes = 0;
	screen_size(v->screen, &rows, &columns);
	for (unsigned i = 0; i < FIGURES; i++)
		series_add(&v->history[i], l->figures.known[i] ? (double)l->figures.value[i] : NAN);
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return;
	lines(v, l, every, rows, columns, memory);
	if (fclose(memory) == 0)
		screen_put(v->screen, text, bytes);
	else
		mem_free(text);
}

bool stat_live_wait(struct stat_live *v, double until)
{
	return screen_wait(v ? v->screen : NULL, until);
}
