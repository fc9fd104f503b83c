/* screen.c - a terminal drawn in place.
 *
 * Problem.  A rate that is read once a second is a flicker; whether it rises is a picture.
 *
 * Idea.  The last values of each figure as bars of eight heights, each line against its own maximum, which stands at its end:
 *
 *     major faults       12.3 /s  ▁▁▁▂▂▅█▆▃▁▁▁▁   40 /s
 *
 * 1. What is taken from the terminal is given back: the other screen, the echo, the cursor, the wrapping of long lines.
 * 2. A value that is not known leaves a gap.
 * Rejected: a curses library (one more dependency for five escape sequences). */
#include "screen.h"
#include "interrupt.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

struct screen {
	FILE *out;
	bool keys;
	struct termios before;
	char *last;                      /* the last screen, to be left behind */
	size_t last_bytes;
};

struct screen *screen_open(FILE *out, bool keys)
{
	struct screen *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return NULL;
	setlocale(LC_CTYPE, "");
	s->out = out;
	s->keys = keys && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &s->before) == 0;
	if (s->keys) {
		struct termios raw = s->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs("\033[?1049h\033[?25l\033[?7l", out);
	return s;
}

void screen_close(struct screen *s)
{
	if (!s)
		return;
	fputs("\033[?7h\033[?25h\033[?1049l", s->out);
	if (s->last) {
		fwrite(s->last, 1, s->last_bytes, s->out);
		fputs(s->last_bytes && s->last[s->last_bytes - 1] == '\n' ? "" : "\n", s->out);
	}
	fflush(s->out);
	if (s->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
	mem_free(s->last);
	mem_free(s);
}

void screen_size(const struct screen *s, unsigned *rows, unsigned *columns)
{
	struct winsize size = { .ws_row = 0 };
	bool known = ioctl(fileno(s->out), TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col;
	*rows = known ? size.ws_row : 24;
	*columns = known ? size.ws_col : 80;
}

bool screen_has_keys(const struct screen *s) { return s->keys; }

/* Every line is cleared behind its end, and what is below the last. */
void screen_put(struct screen *s, char *text, size_t bytes)
{
	fputs("\033[H", s->out);
	for (const char *at = text, *end = text + bytes; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((stop ? stop : end) - at);
		fwrite(at, 1, n, s->out);
		fputs(stop ? "\033[K\r\n" : "\033[K", s->out);
		at += n + (stop != NULL);
	}
	fputs("\033[J", s->out);
	fflush(s->out);
	mem_free(s->last);
	s->last = text;
	s->last_bytes = bytes;
}

bool screen_wait(struct screen *s, double until)
{
	double left;
	while (!interrupt_seen() && (left = until - clock_seconds()) > 0) {
		struct pollfd key = { .fd = s && s->keys ? STDIN_FILENO : -1, .events = POLLIN };
		char c;
		int n = poll(&key, 1, left > 60 ? 60000 : (int)ceil(left * 1000));
		if (n <= 0)
			continue;
		if (read(STDIN_FILENO, &c, 1) == 1 && (c == 'q' || c == 'Q'))
			return false;
		if (key.revents & (POLLHUP | POLLERR))
			s->keys = false;
	}
	return true;
}

/* ---- history ---- */

void series_add(struct series *s, double value)
{
	s->value[s->next] = (float)value;
	s->next = (s->next + 1) % SERIES_MAX;
	s->n += s->n < SERIES_MAX;
}

/* The value k intervals ago. */
static float ago(const struct series *s, unsigned k)
{
	return s->value[(s->next + SERIES_MAX - 1 - k) % SERIES_MAX];
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

double series_draw(const struct series *s, unsigned width, FILE *out)
{
	bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	unsigned n = s->n < width ? s->n : width;
	float peak = 0;
	for (unsigned k = 0; k < n; k++)
		peak = ago(s, k) > peak ? ago(s, k) : peak;
	fprintf(out, "%*s", (int)(width - n), "");
	for (unsigned k = n; k-- > 0;)
		fputs(bar(utf8, ago(s, k), peak), out);
	return peak;
}
