/* live_top.c - the screen of a paged program.
 *
 * Problem: whether a program fits its memory shows in rates, and in what they do over a minute.
 * Idea: a line for each figure, with its history; what never happened has no line.
 *
 *      pageworks live, every second: sort FILE (pid 4711), 64 s
 *      resident        62.3 MiB   ▇▇▇▇▇▇▇▇▇▇▇▇   62.3 MiB
 *      faults           1,234 /s      ▁▁▃▇▃▁▁    4,711 /s
 *        swap_in          980 /s         ▇▃▁▁    3,021 /s
 *
 * 1. A screen too low shows the first lines; it never scrolls. */
#include "live_top.h"
#include "screen.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../live/pager.h"
#include <math.h>
#include <string.h>

enum { LABEL_WIDTH = 18, VALUE_WIDTH = 13 };
enum unit { UNIT_BYTES, UNIT_RATE, UNIT_BYTE_RATE, UNIT_PERCENT, UNIT_RATIO };

/* Lines: name, unit, this moment's value; a, b: before and now, per: 1 / seconds between them. */
#define TOP_LIST(X) \
	X("allowed", UNIT_BYTES, b->ram_bytes) \
	X("resident", UNIT_BYTES, b->resident_pages * PAGER_PAGE) \
	X("mapped", UNIT_BYTES, b->mapped_bytes) \
	X("swapped", UNIT_BYTES, b->swapped_pages * PAGER_PAGE) \
	X("serving faults", UNIT_PERCENT, (b->serving_ns - a->serving_ns) * per / 1e7) \
	X("evicted", UNIT_RATE, (b->evicted - a->evicted) * per) \
	X("pages in", UNIT_RATE, (b->pages_in - a->pages_in) * per) \
	X("pages out", UNIT_RATE, (b->pages_out - a->pages_out) * per) \
	X("device reads", UNIT_BYTE_RATE, (b->device_in_bytes - a->device_in_bytes) * per) \
	X("device writes", UNIT_BYTE_RATE, (b->device_out_bytes - a->device_out_bytes) * per) \
	X("store in memory", UNIT_BYTES, b->store_bytes) \
	X("store in files", UNIT_BYTES, b->file_bytes) \
	X("compression", UNIT_RATIO, live_look_ratio(b)) \
	X("first writes", UNIT_RATE, (b->first_writes - a->first_writes) * per) \
	X("touched again", UNIT_RATE, (b->retouched - a->retouched) * per) \
	X("faults", UNIT_RATE, (b->faults - a->faults) * per)

struct line {
	const char *name;
	enum unit unit;
};
static const struct line line[] = {
#define X(name, unit, value) { name, unit },
	TOP_LIST(X)
#undef X
};
enum { LINES = sizeof line / sizeof *line };

struct live_top {
	struct screen *screen;
	struct live_look then;
	double value[LINES + FAULT_CAUSES];
	struct series history[LINES + FAULT_CAUSES];
	bool ever[LINES + FAULT_CAUSES];     /* it was once not 0 */
};

struct live_top *live_top_open(FILE *out, bool keys)
{
	struct live_top *t = mem_zalloc(1, sizeof *t);
	if (t)
		t->screen = screen_open(out, keys);
	if (t && t->screen)
		return t;
	mem_free(t);
	return NULL;
}

void live_top_close(struct live_top *t)
{
	if (t)
		screen_close(t->screen);
	mem_free(t);
}

static void values_make(struct live_top *t, const struct live_look *b)
{
	const struct live_look *a = &t->then; /* at first: its beginning */
	double seconds = b->wall_s - a->wall_s, per = seconds > 0 ? 1 / seconds : 0;
	const double value[] = {
#define X(name, unit, made) made,
		TOP_LIST(X)
#undef X
	};
	memcpy(t->value, value, sizeof value);
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		t->value[LINES + i] = (b->cause[i] - a->cause[i]) * per;
	for (unsigned i = 0; i < LINES + FAULT_CAUSES; i++) {
		series_add(&t->history[i], t->value[i]);
		t->ever[i] = t->ever[i] || t->value[i] > 0;
	}
	t->then = *b;
}

static char *value_text(char *buf, size_t size, enum unit unit, double v)
{
	char part[32];
	uint64_t whole = v > 0 ? (uint64_t)(v + 0.5) : 0;
	switch (unit) {
	case UNIT_BYTES: return text_bytes(buf, size, whole);
	case UNIT_RATE: snprintf(buf, size, "%s /s", text_count(part, sizeof part, whole)); break;
	case UNIT_BYTE_RATE: snprintf(buf, size, "%s/s", text_bytes(part, sizeof part, whole)); break;
	case UNIT_PERCENT: snprintf(buf, size, "%.1f %%", v); break;
	case UNIT_RATIO: snprintf(buf, size, "%.2f : 1", v); break;
	}
	return buf;
}

static void line_draw(const struct live_top *t, unsigned i, unsigned columns, FILE *out)
{
	char text[48];
	enum unit unit = i < LINES ? line[i].unit : UNIT_RATE;
	const char *name = i < LINES ? line[i].name : fault_cause_name(i - LINES);
	unsigned taken = LABEL_WIDTH + 2 * VALUE_WIDTH + 2, width = columns > taken ? columns - taken : 0;
	fprintf(out, "%s%-*s%*s ", i < LINES ? "" : "  ", LABEL_WIDTH - (i < LINES ? 0 : 2), name, VALUE_WIDTH,
	        value_text(text, sizeof text, unit, t->value[i]));
	if (width)
		fprintf(out, " %s", value_text(text, sizeof text, unit,
		        series_draw(&t->history[i], width < SERIES_MAX ? width : SERIES_MAX, out)));
	fputc('\n', out);
}

static void lines_draw(const struct live_top *t, const struct live_look *now, FILE *out)
{
	unsigned rows, columns, shown = 1;
	screen_size(t->screen, &rows, &columns);
	fprintf(out, "pageworks live, every second%s: pid %.0f, %.0f s: %.*s\n", screen_has_keys(t->screen) ? ", q ends" : "", now->pid,
	        now->wall_s, (int)(columns > 60 ? columns - 60 : 0), now->command);
	for (unsigned i = 0; i < LINES + FAULT_CAUSES; i++) {
		if (t->ever[i] && ++shown < rows)
			line_draw(t, i, columns, out);
	}
}

void live_top_draw(struct live_top *t, const struct live_look *now)
{
	char *text = NULL;
	size_t bytes = 0;
	values_make(t, now);
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return;
	lines_draw(t, now, memory);
	if (fclose(memory) == 0)
		screen_put(t->screen, text, bytes);
	else
		mem_free(text);
}

bool live_top_wait(struct live_top *t, double until)
{
	return screen_wait(t->screen, until);
}
