/* figures.c - formulas evaluated over a moment, or over what happened between two.
 *
 * Problem.  The kernel counts since boot, people ask about now; and "used" means five things to four tools.
 *
 * Idea.  One table; a name in a formula is looked up in the moment for a level, in the difference of two moments for the rest.
 *
 *     level  X            X of now, kB as bytes
 *     rate   X - Y        ((X now - X then) - (Y now - Y then)) / seconds
 *     ratio  X / Y        (X now - X then) / (Y now - Y then)
 *
 * Pages scanned are pgscan_anon + pgscan_file where the kernel has them (5.8 and later): those count what was searched for a cgroup at
 * its limit too, while pgscan_kswapd + pgscan_direct count the whole computer's shortage only and stay 0 in a container's.
 *
 * 1. A rate is only known when every counter is there in both moments and none went backwards.
 * 2. pgpgin and pgpgout are in KiB; nothing else of vmstat is.
 * 3. Since boot is an interval whose first moment is all zeros.
 * Rejected: the kernel's avg10 as pressure (an average over what is not our interval; the change of "total" is exact). */
#include "figures.h"
#include "formula.h"
#include <inttypes.h>
#include <string.h>

const struct figure_about figure_about[FIGURES] = {
#define X(n, m, g, k, f, w) { .name = #n, .member = m, .formula = f, .meaning = w, .group = FIGURE_GROUP_##g, .kind = FIGURE_##k },
	FIGURE_LIST(X)
#undef X
};

const char *figure_group_title(enum figure_group g)
{
	static const char *const titles[] = {
#define X(name, title) title,
		FIGURE_GROUP_LIST(X)
#undef X
	};
	return titles[g];
}

static bool is_level(enum figure_kind k) { return k == FIGURE_BYTES || k == FIGURE_PORTION; }

struct look {
	const struct snapshot *then, *now;   /* then NULL: since boot, or a level */
	bool level;
};

static bool pressure_of(const struct snapshot *s, const char *name, uint64_t *ret)
{
	static const char *const what[] = { "cpu_", "memory_", "io_" };
	for (unsigned i = 0; i < PRESSURES; i++) {
		size_t n = strlen(what[i]);
		if (strncmp(name, what[i], n) != 0)
			continue;
		const struct pressure *p = &s->pressure[i][strcmp(name + n, "full") == 0];
		*ret = p->total_us;
		return p->known;
	}
	return false;
}

static bool sum_of(const struct fields *f, const char *name, uint64_t *ret)
{
	size_t n = strlen(name) - 1;
	bool any = false;
	*ret = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (f->field[i].number && strncmp(f->field[i].name, name, n) == 0) {
			*ret += f->field[i].value;
			any = true;
		}
	return any;
}

/* A name in one moment. */
static bool moment_look(const struct snapshot *s, const char *name, uint64_t *ret)
{
	if (name[strlen(name) - 1] == '*')
		return sum_of(&s->vmstat, name, ret);
	return fields_value(&s->meminfo, name, ret) || fields_value(&s->vmstat, name, ret) || pressure_of(s, name, ret);
}

static bool look(const void *ctx, const char *name, long double *ret)
{
	const struct look *l = ctx;
	uint64_t now, then = 0;
	if (!moment_look(l->now, name, &now))
		return false;
	if (!l->level && l->then && (!moment_look(l->then, name, &then) || then > now))
		return false;
	*ret = (long double)(now - then);
	return true;
}

/* The value of a formula in the units of its kind. */
static long double scaled(enum figure_kind k, long double v, double seconds)
{
	switch (k) {
	case FIGURE_RATE: return v / seconds;
	case FIGURE_RATE_BYTES: return v * 1024 / seconds;
	case FIGURE_STALL: return v / 1e6L / seconds;
	default: return v;
	}
}

void figures_make(const struct snapshot *then, const struct snapshot *now, struct figures *ret)
{
	*ret = (struct figures){ .seconds = then ? now->clock - then->clock : now->uptime, .since_boot = !then };
	for (unsigned i = 0; i < FIGURES; i++) {
		enum figure_kind kind = figure_about[i].kind;
		struct look l = { then, now, is_level(kind) };
		long double v;
		bool known = formula_value(figure_about[i].formula, look, &l, &v, &ret->part[i]) == FORMULA_VALUE;
		ret->known[i] = known && (l.level || ret->seconds > 0);
		ret->value[i] = ret->known[i] ? scaled(kind, v, ret->seconds) : 0;
	}
}

static void word(const void *ctx, const char *name, FILE *out)
{
	const struct look *l = ctx;
	const struct field *f = fields_find(&l->now->meminfo, name);
	uint64_t now = 0, then = 0;
	if (f && l->level) {
		fputs(f->text, out);
		return;
	}
	moment_look(l->now, name, &now);
	if (l->level || !l->then || !moment_look(l->then, name, &then))
		fprintf(out, "%" PRIu64, now);
	else
		fprintf(out, "[%" PRIu64 " - %" PRIu64 "]", now, then);
}

void figures_explain(const struct figures *f, enum figure which, const struct snapshot *then, const struct snapshot *now, FILE *out)
{
	static const char *const per[] = {
		[FIGURE_RATE] = " / %.3f s", [FIGURE_RATE_BYTES] = " KiB / %.3f s", [FIGURE_STALL] = " us / %.3f s",
	};
	enum figure_kind kind = figure_about[which].kind;
	struct look l = { then, now, is_level(kind) };
	bool changes = !l.level && kind != FIGURE_RATIO;
	if (!f->part[which])
		return;
	bool bracket = changes && memchr(f->part[which], ' ', strcspn(f->part[which], "|"));
	fputs(bracket ? "(" : "", out);
	formula_print(f->part[which], word, &l, out);
	fputs(bracket ? ")" : "", out);
	if (changes)
		fprintf(out, per[kind], f->seconds);
}
