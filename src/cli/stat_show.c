/* stat_show.c - the same figures for four kinds of eyes.
 *
 * Problem.  "used" without a definition, a first line that is an average since boot, a size without its unit: each has cost people an
 * evening.
 *
 * Idea.  Available stands before used, used always has its definition beside it, every column says what it is counted in, and what
 * this kernel does not tell is a dash and, once, a sentence.
 *
 * 1. A dash is "not known", 0 is none.
 * 2. The figures of JSON have the kernel's own fields beside them, under their own names, those we do not know too. */
#include "stat_show.h"
#include <math.h>
#include <string.h>

/* Three digits and a letter: "23.5G", "512M", "0"; what is more than none never reads as 0. */
static char *brief(char *buf, size_t size, long double v, unsigned step)
{
	static const char letters[] = " kMGTPE";
	unsigned i = 0;
	if (v > 0 && v < 0.05L) {
		snprintf(buf, size, "<0.1");
		return buf;
	}
	for (; v >= 999.5L && letters[i + 1]; i++)
		v /= step;
	char letter[2] = { step == 1024 && i == 1 ? 'K' : letters[i], '\0' };
	snprintf(buf, size, v >= 99.95L || v == floorl(v) ? "%.0Lf%s" : "%.1Lf%s", v, i ? letter : "");
	return buf;
}

static char *sized(char *buf, size_t size, long double bytes, const char *behind)
{
	char short_form[24];
	brief(short_form, sizeof short_form, bytes, 1024);
	size_t n = strlen(short_form);
	bool letter = n && strchr("KMGTPE", short_form[n - 1]);
	snprintf(buf, size, "%.*s %s%s%s", (int)(n - letter), short_form, letter ? short_form + n - 1 : "", letter ? "iB" : "B", behind);
	return buf;
}

char *stat_number(char *buf, size_t size, enum figure which, long double v)
{
	char number[24];
	switch (figure_about[which].kind) {
	case FIGURE_BYTES: return sized(buf, size, v, "");
	case FIGURE_RATE_BYTES: return sized(buf, size, v, "/s");
	case FIGURE_RATE: snprintf(buf, size, "%s /s", brief(number, sizeof number, v, 1000)); break;
	case FIGURE_PORTION:
	case FIGURE_RATIO:
	case FIGURE_STALL: snprintf(buf, size, "%.1Lf %%", 100 * v); break;
	}
	return buf;
}

char *stat_value(char *buf, size_t size, const struct figures *f, enum figure which)
{
	if (f->known[which])
		return stat_number(buf, size, which, f->value[which]);
	snprintf(buf, size, "-");
	return buf;
}

const char *stat_name(char *buf, size_t size, enum figure which)
{
	snprintf(buf, size, "%s", figure_about[which].name);
	for (char *c = buf; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	return buf;
}

enum { NAME_WIDTH = 18, VALUE_WIDTH = 11 };

static void block_formula(const struct stat_look *l, enum figure i, FILE *out)
{
	const char *part = l->figures.part[i];
	enum figure_kind k = figure_about[i].kind;
	bool by_time = k == FIGURE_RATE || k == FIGURE_RATE_BYTES || k == FIGURE_STALL;
	fprintf(out, "  %*s   = ", NAME_WIDTH + 1 + VALUE_WIDTH, "");
	if (!part) {
		fprintf(out, "%s: this kernel does not tell\n", figure_about[i].formula);
		return;
	}
	int length = (int)strcspn(part, "|");
	length -= length && part[length - 1] == ' ';
	bool bracket = by_time && memchr(part, ' ', (size_t)length);
	fprintf(out, "%s%.*s%s%s = ", bracket ? "(" : "", length, part, bracket ? ")" : "", by_time ? " / seconds" : "");
	figures_explain(&l->figures, i, l->then, l->now, out);
	fputc('\n', out);
}

static void block_figure(const struct stat_look *l, enum figure i, FILE *out)
{
	char value[40], name[40];
	fprintf(out, "  %-*s %*s", NAME_WIDTH, stat_name(name, sizeof name, i), VALUE_WIDTH,
		stat_value(value, sizeof value, &l->figures, i));
	if (l->explain)
		fprintf(out, "   %s\n", figure_about[i].meaning);
	else
		fputs(i == FIGURE_used ? "   total - available\n" : "\n", out);
	if (l->explain)
		block_formula(l, i, out);
}

static const char *missing_word(enum pw_err err)
{
	return err == PW_UNSUPPORTED ? "this kernel has no such file" : err == PW_ACCESS ? "only root may read it" : pw_err_text(err);
}

static void block_areas(const struct snapshot *s, FILE *out)
{
	char used[40], all[40];
	for (uint32_t i = 0; i < s->n_swaps; i++)
		fprintf(out, "  %s: %s of %s used, %s, priority %lld\n", s->swap[i].name,
			sized(used, sizeof used, s->swap[i].used_bytes, ""), sized(all, sizeof all, s->swap[i].bytes, ""), s->swap[i].kind,
			(long long)s->swap[i].priority);
	if (!s->n_swaps && !s->missing[SNAPSHOT_swaps])
		fputs("  there is no swap area\n", out);
}

static void block_huge(const struct snapshot *s, FILE *out)
{
	char size[40];
	for (uint32_t i = 0; i < s->n_pools; i++)
		if (s->pool[i].total)
			fprintf(out, "  pool of %s pages: %llu, of them %llu free, %llu reserved, %llu surplus\n",
				sized(size, sizeof size, s->pool[i].page_bytes, ""), (unsigned long long)s->pool[i].total,
				(unsigned long long)s->pool[i].free, (unsigned long long)s->pool[i].reserved,
				(unsigned long long)s->pool[i].surplus);
	if (*s->transparent)
		fprintf(out, "  transparent: %s\n", s->transparent);
}

static void block_missing(const struct snapshot *s, FILE *out)
{
	for (unsigned i = 0; i < SNAPSHOT_SOURCES; i++)
		if (s->missing[i])
			fprintf(out, "not known here: %s (%s: %s)\n", snapshot_lost(i), snapshot_path(i), missing_word(s->missing[i]));
}

void stat_block(const struct stat_look *l, FILE *out)
{
	for (unsigned g = 0; g < FIGURE_GROUPS; g++) {
		bool flow = g >= FIGURE_GROUP_FAULTS;
		fprintf(out, "%s", figure_group_title(g));
		if (flow && l->figures.seconds > 0)
			fprintf(out, ", %s %.1f s", l->figures.since_boot ? "average since boot," : "over", l->figures.seconds);
		fputc('\n', out);
		for (unsigned i = 0; i < FIGURES; i++)
			if (figure_about[i].group == g && (l->figures.known[i] || l->figures.part[i] || l->explain))
				block_figure(l, i, out);
		if (g == FIGURE_GROUP_SWAP)
			block_areas(l->now, out);
		if (g == FIGURE_GROUP_HUGE)
			block_huge(l->now, out);
	}
	block_missing(l->now, out);
}

/* figure, heading, unit, width of the column */
#define STAT_COLUMN_LIST(X) \
	X(available, "avail", "bytes", 6) X(used, "used", "bytes", 6) X(free, "free", "bytes", 6) X(page_cache, "cache", "bytes", 6) \
	X(swap_used, "swap", "bytes", 6) X(minor_faults, "minor", "/s", 7) X(major_faults, "major", "/s", 6) \
	X(swap_in, "swpin", "/s", 6) X(swap_out, "swpout", "/s", 6) X(page_in, "in", "bytes/s", 7) X(page_out, "out", "bytes/s", 7) \
	X(scanned, "scan", "/s", 6) X(reclaimed, "steal", "/s", 6) X(efficiency, "eff", "%", 5) X(refaults, "refault", "/s", 7) \
	X(memory_some, "some", "%", 5) X(memory_full, "full", "%", 5)

struct stat_column {
	enum figure figure;
	const char *title, *unit;
	int width;
};
static const struct stat_column columns[] = {
#define X(figure, title, unit, width) { FIGURE_##figure, title, unit, width },
	STAT_COLUMN_LIST(X)
#undef X
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static bool in_line(enum figure i)
{
	for (unsigned k = 0; k < COLUMNS; k++)
		if (columns[k].figure == i)
			return true;
	return false;
}

enum figure stat_order(unsigned k)
{
	if (k < COLUMNS)
		return columns[k].figure;
	unsigned left = k - COLUMNS, i = 0;
	for (; i < FIGURES; i++)
		if (!in_line(i) && left-- == 0)
			break;
	return i;
}

void stat_heading(const struct stat_look *l, FILE *out)
{
	char total[40];
	fprintf(out, "# total %s; used is total - available; sizes are of now, the rest per second or %% of the interval before\n",
		stat_value(total, sizeof total, &l->figures, FIGURE_total));
	for (unsigned i = 0; i < COLUMNS; i++)
		fprintf(out, "%s%*s", i ? " " : "", columns[i].width, columns[i].title);
	fputc('\n', out);
	for (unsigned i = 0; i < COLUMNS; i++)
		fprintf(out, "%s%*s", i ? " " : "", columns[i].width, columns[i].unit);
	fputc('\n', out);
}

static const char *cell(char *buf, size_t size, const struct figures *f, enum figure i)
{
	enum figure_kind k = figure_about[i].kind;
	if (!f->known[i])
		return "-";
	if (k == FIGURE_BYTES || k == FIGURE_RATE_BYTES)
		return brief(buf, size, f->value[i], 1024);
	if (k == FIGURE_RATE)
		return brief(buf, size, f->value[i], 1000);
	snprintf(buf, size, "%.1Lf", 100 * f->value[i]);
	return buf;
}

void stat_line(const struct stat_look *l, FILE *out)
{
	char buf[24];
	for (unsigned i = 0; i < COLUMNS; i++)
		fprintf(out, "%s%*s", i ? " " : "", columns[i].width, cell(buf, sizeof buf, &l->figures, columns[i].figure));
	fputs(l->figures.since_boot ? "  since boot\n" : "\n", out);
}

static void json_figures(struct jsonw *j, const struct stat_look *l)
{
	jsonw_object(j, "figures");
	for (unsigned i = 0; i < FIGURES; i++) {
		long double v = l->figures.value[i];
		if (l->figures.known[i] && figure_about[i].kind == FIGURE_BYTES)
			jsonw_i64(j, figure_about[i].member, (int64_t)v);
		else if (l->figures.known[i])
			jsonw_real(j, figure_about[i].member, (double)v);
	}
	jsonw_end(j);
	if (!l->explain)
		return;
	jsonw_object(j, "formulas");
	for (unsigned i = 0; i < FIGURES; i++)
		jsonw_string(j, figure_about[i].member, figure_about[i].formula);
	jsonw_end(j);
}

static void json_pressure(struct jsonw *j, const struct snapshot *s)
{
	static const char *const of[] = { "cpu", "memory", "io" }, *const kind[] = { "some", "full" };
	jsonw_object(j, "pressure");
	for (unsigned i = 0; i < PRESSURES; i++) {
		jsonw_object(j, of[i]);
		for (unsigned k = 0; k < PRESSURE_KINDS; k++) {
			const struct pressure *p = &s->pressure[i][k];
			if (!p->known)
				continue;
			jsonw_object(j, kind[k]);
			jsonw_real(j, "avg10", p->avg10);
			jsonw_real(j, "avg60", p->avg60);
			jsonw_real(j, "avg300", p->avg300);
			jsonw_u64(j, "total_us", p->total_us);
			jsonw_end(j);
		}
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_lists(struct jsonw *j, const struct snapshot *s)
{
	jsonw_array(j, "swap_areas");
	for (uint32_t i = 0; i < s->n_swaps; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", s->swap[i].name);
		jsonw_string(j, "kind", s->swap[i].kind);
		jsonw_u64(j, "bytes", s->swap[i].bytes);
		jsonw_u64(j, "used_bytes", s->swap[i].used_bytes);
		jsonw_i64(j, "priority", s->swap[i].priority);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_array(j, "huge_pools");
	for (uint32_t i = 0; i < s->n_pools; i++) {
		jsonw_object(j, NULL);
		jsonw_u64(j, "page_bytes", s->pool[i].page_bytes);
		jsonw_u64(j, "total", s->pool[i].total);
		jsonw_u64(j, "free", s->pool[i].free);
		jsonw_u64(j, "reserved", s->pool[i].reserved);
		jsonw_u64(j, "surplus", s->pool[i].surplus);
		jsonw_end(j);
	}
	jsonw_end(j);
	if (*s->transparent)
		jsonw_string(j, "transparent_huge_pages", s->transparent);
	jsonw_object(j, "missing");
	for (unsigned i = 0; i < SNAPSHOT_SOURCES; i++)
		if (s->missing[i])
			jsonw_string(j, snapshot_path(i), missing_word(s->missing[i]));
	jsonw_end(j);
}

enum pw_err stat_json(const struct stat_look *l, FILE *out)
{
	struct jsonw j;
	jsonw_init(&j, out);
	j.compact = true;
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "stat");
	jsonw_real(&j, "time", l->now->time);
	jsonw_real(&j, "interval_s", l->figures.seconds);
	jsonw_bool(&j, "since_boot", l->figures.since_boot);
	json_figures(&j, l);
	json_pressure(&j, l->now);
	json_lists(&j, l->now);
	jsonw_object(&j, "meminfo");
	fields_json(&l->now->meminfo, &j);
	jsonw_end(&j);
	jsonw_object(&j, "vmstat");
	fields_json(&l->now->vmstat, &j);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}
