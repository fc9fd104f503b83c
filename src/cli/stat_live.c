/* stat_live.c - a terminal drawn in place.
 *
 * Problem.  A rate that is read once a second is a flicker; whether it rises is a picture.
 *
 * Idea.  The last values of each figure as bars of eight heights, each line against its own maximum, which stands at its end:
 *
 *     major faults       12.3 /s  ▁▁▁▂▂▅█▆▃▁▁▁▁   40 /s
 *
 * 1. What is taken from the terminal is given back: the other screen, the echo, the cursor, the wrapping of long lines.
 * 2. A screen too low shows the first figures and says how many it does not show; it never scrolls.
 * 3. A value that is not known leaves a gap.
 * Rejected: a curses library (one more dependency for five escape sequences). */
#include "stat_live.h"
#include "interrupt.h"
#include "../base/mem.h"
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { HISTORY = 512, LABEL_WIDTH = 33, PEAK_WIDTH = 12 };

struct stat_live {
	float value[FIGURES][HISTORY];   /* a ring; NAN: not known */
	unsigned n, next;
	bool keys, utf8;
	struct termios before;
	char *last;                      /* the last screen, to be left behind */
	size_t last_bytes;
};

struct stat_live *stat_live_open(void)
{
	struct stat_live *v = mem_zalloc(1, sizeof *v);
	if (!v)
		return NULL;
	setlocale(LC_CTYPE, "");
	v->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	v->keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &v->before) == 0;
	if (v->keys) {
		struct termios raw = v->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs("\033[?1049h\033[?25l\033[?7l", stdout);
	return v;
}

void stat_live_close(struct stat_live *v)
{
	if (!v)
		return;
	fputs("\033[?7h\033[?25h\033[?1049l", stdout);
	if (v->last) {
		fwrite(v->last, 1, v->last_bytes, stdout);
		fputs(v->last_bytes && v->last[v->last_bytes - 1] == '\n' ? "" : "\n", stdout);
	}
	fflush(stdout);
	if (v->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &v->before);
	mem_free(v->last);
	mem_free(v);
}

static void remember(struct stat_live *v, const struct figures *f)
{
	for (unsigned i = 0; i < FIGURES; i++)
		v->value[i][v->next] = f->known[i] ? (float)f->value[i] : NAN;
	v->next = (v->next + 1) % HISTORY;
	v->n += v->n < HISTORY;
}

/* The value k intervals ago. */
static float ago(const struct stat_live *v, enum figure i, unsigned k)
{
	return v->value[i][(v->next + HISTORY - 1 - k) % HISTORY];
}

static const char *bar(bool utf8, float v, float peak)
{
	static const char *const fine[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const plain[] = { ".", ":", "-", "=", "+", "*", "%", "#" };
	if (isnan(v))
		return " ";
	unsigned height = peak > 0 ? (unsigned)(v / peak * 7.999F) : 0;
	return (utf8 ? fine : plain)[height < 8 ? height : 7];
}

static void spark(const struct stat_live *v, enum figure i, unsigned width, FILE *out)
{
	unsigned n = v->n < width ? v->n : width;
	float peak = 0;
	for (unsigned k = 0; k < n; k++)
		peak = ago(v, i, k) > peak ? ago(v, i, k) : peak;
	fprintf(out, "%*s", (int)(width - n), "");
	for (unsigned k = n; k-- > 0;)
		fputs(bar(v->utf8, ago(v, i, k), peak), out);
	char text[40];
	fprintf(out, " %s", stat_number(text, sizeof text, i, (long double)peak));
}

static void headline(const struct stat_live *v, const struct stat_look *l, double every, FILE *out)
{
	char total[40], clock[16] = "";
	time_t now = (time_t)l->now->time;
	struct tm tm;
	if (localtime_r(&now, &tm))
		strftime(clock, sizeof clock, "%H:%M:%S", &tm);
	fprintf(out, "pageworks stat, every %g s%s; %s; total %s; used = total - available\n", every, v->keys ? ", q ends" : "", clock,
		stat_value(total, sizeof total, &l->figures, FIGURE_total));
}

/* One screen of rows x columns: what lines have first, so that a low window shows the most wanted figures. */
static void screen(const struct stat_live *v, const struct stat_look *l, double every, unsigned rows, unsigned wide, FILE *out)
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
			spark(v, i, width < HISTORY ? width : HISTORY, out);
		fputc('\n', out);
		shown++;
	}
	if (left)
		fprintf(out, "%u more in a higher window, or without INTERVAL", left);
}

/* Puts a made screen onto the terminal: every line is cleared behind its end, and what is below the last. */
static void put(const char *text, size_t bytes)
{
	fputs("\033[H", stdout);
	for (const char *at = text, *end = text + bytes; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((stop ? stop : end) - at);
		fwrite(at, 1, n, stdout);
		fputs(stop ? "\033[K\r\n" : "\033[K", stdout);
		at += n + (stop != NULL);
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}

void stat_live_draw(struct stat_live *v, const struct stat_look *l, double every)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	char *text = NULL;
	size_t bytes = 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_row || !size.ws_col)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	remember(v, &l->figures);
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return;
	screen(v, l, every, size.ws_row, size.ws_col, memory);
	if (fclose(memory) == 0) {
		put(text, bytes);
		mem_free(v->last);
		v->last = text;
		v->last_bytes = bytes;
	} else {
		mem_free(text);
	}
}

static double clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool stat_live_wait(struct stat_live *v, double until)
{
	double left;
	while (!interrupt_seen() && (left = until - clock_now()) > 0) {
		struct pollfd key = { .fd = v && v->keys ? STDIN_FILENO : -1, .events = POLLIN };
		char c;
		int n = poll(&key, 1, left > 60 ? 60000 : (int)ceil(left * 1000));
		if (n <= 0)
			continue;
		if (read(STDIN_FILENO, &c, 1) == 1 && (c == 'q' || c == 'Q'))
			return false;
		if (key.revents & (POLLHUP | POLLERR))
			v->keys = false;
	}
	return true;
}
