/* diff.c - pageworks diff: two results side by side.
 *
 * Problem.  The question after a change is always the same: what became better, what worse, and was it even the same machine?
 *
 * Idea.  Results are JSON objects; every figure has a path.  The figures people ask for first are a list here, with their names and
 * units; --all compares every number there is.  Members of "machine" that differ are shown before anything else.
 *
 * 1. A row appears when at least one side has the figure; a side without it shows "-".
 * 2. The same rows go to the table and to --json.
 *
 * Rejected: judging by colour which direction is good (fewer evictions of less memory is not progress). */
#include "cli.h"
#include "keep.h"
#include "../sim/lookup.h"
#include "../base/json.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum diff_unit { UNIT_COUNT, UNIT_PAGES, UNIT_BYTES, UNIT_SECONDS, UNIT_NS };

/* path, name, unit.  "*" stands for every member there. */
#define DIFF_ROW_LIST(X) \
	X("references.total", "references", UNIT_COUNT) \
	X("faults.total", "faults", UNIT_COUNT) \
	X("faults.minor", "minor faults", UNIT_COUNT) \
	X("faults.major", "major faults", UNIT_COUNT) \
	X("faults.protection", "accesses refused", UNIT_COUNT) \
	X("faults.by_cause.*", "  ", UNIT_COUNT) \
	X("reclaim.evicted", "evictions", UNIT_COUNT) \
	X("reclaim.written_back", "written back", UNIT_COUNT) \
	X("reclaim.refaults", "refaults", UNIT_COUNT) \
	X("memory.resident_peak_pages", "resident at peak", UNIT_PAGES) \
	X("memory.touched_pages", "ever resident", UNIT_PAGES) \
	X("memory.working_set.mean_pages", "working set, mean", UNIT_PAGES) \
	X("memory.working_set.peak_pages", "working set, peak", UNIT_PAGES) \
	X("memory.page_table_bytes", "page tables", UNIT_BYTES) \
	X("tlb.*.misses", "TLB misses in ", UNIT_COUNT) \
	X("walks.count", "page walks", UNIT_COUNT) \
	X("walks.memory_references", "entries read", UNIT_COUNT) \
	X("modelled.seconds", "modelled time", UNIT_SECONDS) \
	X("modelled.effective_access_ns", "modelled access", UNIT_NS)

struct diff_row {
	const char *path, *name;
	enum diff_unit unit;
};
static const struct diff_row diff_rows[] = {
#define X(path, name, unit) { path, name, unit },
	DIFF_ROW_LIST(X)
#undef X
};

static const struct argp_option diff_options[] = {
	{ "json", 'j', NULL, 0, "write one JSON object instead of a table" },
	{ "all", 'a', NULL, 0, "every figure of the two results, not only the usual ones" },
	{ 0 },
};

struct diff {
	const char *name[2];
	json_t *side[2];
	unsigned n_names;
	bool json, all;
	struct jsonw out;
	unsigned rows;
	uint64_t page_bytes[2];
};

static error_t diff_parse(int key, char *arg, struct argp_state *state)
{
	struct diff *d = state->input;
	switch (key) {
	case 'j': d->json = true; break;
	case 'a': d->all = true; break;
	case ARGP_KEY_ARG:
		if (d->n_names == 2)
			exit(cli_error("%s: two results are compared, not three", arg));
		d->name[d->n_names++] = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp diff_argp = {
	diff_options, diff_parse, "[A [B]]",
	"Compares two results of 'pageworks run --json FILE'.  With one name it is compared with the last run, with none the last run is "
	"compared with the one before.\v"
	"Examples:\n"
	"  pageworks run --policy fifo sort.pwt; pageworks run --policy lru sort.pwt; pageworks diff\n"
	"  pageworks diff before.json after.json\n\n"
	"The exit status is 0, also when the results differ; 125 when they cannot be compared.",
	NULL, NULL, NULL,
};

/* A is the older one: with one name the named file, with none the run before the last. */
static int diff_names(struct diff *d, char paths[2][4096])
{
	static const char *const kept[2] = { "previous.json", "last.json" };
	for (unsigned i = d->n_names; i < 2; i++) {
		if (!keep_path(kept[i], paths[i], sizeof paths[i]))
			return cli_error("there is no home directory where runs are kept; name two results");
		d->name[i] = paths[i];
	}
	return CLI_OK;
}

static int diff_load(struct diff *d, unsigned i)
{
	json_error_t error;
	bool is_stdin = strcmp(d->name[i], "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(d->name[i], "re");
	if (!f && i >= d->n_names)
		return cli_error("%s: no run is kept there yet; the last two runs are compared when no names are given", d->name[i]);
	if (!f)
		return cli_error("%s: %m", d->name[i]);
	d->side[i] = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
	if (!is_stdin)
		fclose(f);
	if (!d->side[i])
		return cli_error("%s: line %d: not JSON: %s", d->name[i], error.line, error.text);
	if (!json_is_string(json_object_get(d->side[i], "pageworks")))
		return cli_error("%s: not a result of pageworks: it has no member 'pageworks'", d->name[i]);
	if (json_integer_value(json_object_get(d->side[i], "schema")) != 1)
		return cli_error("%s: its schema number is not 1, the one this version reads", d->name[i]);
	d->page_bytes[i] = (uint64_t)json_integer_value(lookup(d->side[i], "machine.page_bytes"));
	return CLI_OK;
}

static const char *diff_kind(const struct diff *d, unsigned i)
{
	const char *kind = json_string_value(json_object_get(d->side[i], "kind"));
	return kind ? kind : "?";
}

/* TLBs as --tlb writes them: each name once, by its first array. */
static void word_of_tlb(const json_t *tlb, char *buf, size_t size)
{
	size_t i, at = 0;
	json_t *t;
	const char *last = "";
	json_array_foreach(tlb, i, t) {
		const char *name = json_string_value(json_object_get(t, "name"));
		const char *order = json_string_value(json_object_get(t, "replacement"));
		if (!name || strcmp(name, last) == 0 || at >= size)
			continue;
		int n = snprintf(buf + at, size - at, "%s%s=%lld/%lld%s%s", at ? "," : "", name,
		                 (long long)json_integer_value(json_object_get(t, "entries")),
		                 (long long)json_integer_value(json_object_get(t, "ways")),
		                 order && strcmp(order, "lru") != 0 ? ":" : "", order && strcmp(order, "lru") != 0 ? order : "");
		at += n > 0 ? (size_t)n : 0;
		last = name;
	}
}

/* A value of any kind as a word. */
static void word_of(const json_t *v, char *buf, size_t size)
{
	if (json_is_object(json_array_get(v, 0))) {
		word_of_tlb(v, buf, size);
		return;
	}
	char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	const char *plain = json_string_value(v);
	snprintf(buf, size, "%s", plain ? plain : text ? text : "-");
	mem_free(text);
}

static void diff_machine_row(struct diff *d, const char *key, const json_t *a, const json_t *b)
{
	char x[200], y[200];
	word_of(a, x, sizeof x);
	word_of(b, y, sizeof y);
	if (d->json) {
		jsonw_object(&d->out, NULL);
		jsonw_string(&d->out, "path", key);
		jsonw_string(&d->out, "a", x);
		jsonw_string(&d->out, "b", y);
		jsonw_end(&d->out);
	} else {
		printf("  %-24s %s -> %s\n", key, x, y);
	}
}

/* Members that are not the same on both sides; those of objects by their path. */
static void diff_members(struct diff *d, const json_t *a, const json_t *b, const char *prefix)
{
	const char *key;
	json_t *value;
	char path[200];
	json_object_foreach((json_t *)a, key, value) {
		const json_t *other = json_object_get(b, key);
		bool inside = json_is_object(value) && json_is_object(other) && !*prefix;
		snprintf(path, sizeof path, "%s%s%s", prefix, key, inside ? "." : "");
		if (json_equal(value, other))
			continue;
		if (inside)
			diff_members(d, value, other, path);
		else
			diff_machine_row(d, path, value, other);
	}
	json_object_foreach((json_t *)b, key, value) {
		snprintf(path, sizeof path, "%s%s", prefix, key);
		if (!json_object_get(a, key))
			diff_machine_row(d, path, NULL, value);
	}
}

/* What is not the same about the machines, and about what ran on them. */
static void diff_machines(struct diff *d)
{
	const json_t *a = json_object_get(d->side[0], "command"), *b = json_object_get(d->side[1], "command");
	if (d->json)
		jsonw_array(&d->out, "machine");
	if (!json_equal(a, b))
		diff_machine_row(d, "command", a, b);
	diff_members(d, json_object_get(d->side[0], "machine"), json_object_get(d->side[1], "machine"), "");
	if (d->json)
		jsonw_end(&d->out);
}

static const char *value_text(char *buf, size_t size, const struct diff *d, unsigned i, const json_t *v, enum diff_unit unit)
{
	double x = json_number_value(v);
	uint64_t n = x > 0 ? (uint64_t)(x + 0.5) : 0;
	if (!json_is_number(v))
		snprintf(buf, size, "-");
	else if (unit == UNIT_PAGES)
		text_bytes(buf, size, n * d->page_bytes[i]);
	else if (unit == UNIT_BYTES)
		text_bytes(buf, size, n);
	else if (unit == UNIT_SECONDS)
		snprintf(buf, size, "%.4f s", x);
	else if (unit == UNIT_NS || !json_is_integer(v))
		snprintf(buf, size, "%.3f%s", x, unit == UNIT_NS ? " ns" : "");
	else
		text_count(buf, size, n);
	return buf;
}

static const char *delta_text(char *buf, size_t size, const struct diff *d, double delta, bool whole, enum diff_unit unit)
{
	char n[60];
	double magnitude = fabs(delta);
	uint64_t count = (uint64_t)(magnitude + 0.5);
	if (unit == UNIT_PAGES && d->page_bytes[0] == d->page_bytes[1])
		text_bytes(n, sizeof n, count * d->page_bytes[0]);
	else if (unit == UNIT_BYTES)
		text_bytes(n, sizeof n, count);
	else if (whole)
		text_count(n, sizeof n, count);
	else
		snprintf(n, sizeof n, "%.4f", magnitude);
	snprintf(buf, size, "%s%s", delta == 0 ? "" : delta < 0 ? "-" : "+", delta == 0 ? "=" : n);
	return buf;
}

static void diff_row_json(struct diff *d, const char *path, const json_t *a, const json_t *b)
{
	double x = json_number_value(a), y = json_number_value(b);
	bool whole = json_is_integer(a) && json_is_integer(b);
	jsonw_object(&d->out, NULL);
	jsonw_string(&d->out, "path", path);
	for (unsigned i = 0; i < 2; i++) {
		const json_t *v = i ? b : a;
		if (json_is_integer(v))
			jsonw_u64(&d->out, i ? "b" : "a", (uint64_t)json_integer_value(v));
		else if (json_is_number(v))
			jsonw_real(&d->out, i ? "b" : "a", json_number_value(v));
	}
	if (whole)
		jsonw_i64(&d->out, "delta", json_integer_value(b) - json_integer_value(a));
	else if (json_is_number(a) && json_is_number(b))
		jsonw_real(&d->out, "delta", y - x);
	if (json_is_number(a) && json_is_number(b) && x != 0)
		jsonw_real(&d->out, "ratio", y / x);
	jsonw_end(&d->out);
}

static void diff_row(struct diff *d, const char *path, const char *name, enum diff_unit unit)
{
	const json_t *a = lookup(d->side[0], path), *b = lookup(d->side[1], path);
	char x[60], y[60], delta[62], ratio[30] = "";
	double p = json_number_value(a), q = json_number_value(b);
	bool both = json_is_number(a) && json_is_number(b);
	if ((!json_is_number(a) && !json_is_number(b)) || (p == 0 && q == 0 && !d->json))
		return;
	d->rows++;
	if (d->json) {
		diff_row_json(d, path, a, b);
		return;
	}
	if (both && p != 0 && q != p)
		snprintf(ratio, sizeof ratio, "%.3fx", q / p);
	printf("%-26s %20s %20s %20s %10s\n", name, value_text(x, sizeof x, d, 0, a, unit), value_text(y, sizeof y, d, 1, b, unit),
	       both ? delta_text(delta, sizeof delta, d, q - p, json_is_integer(a) && json_is_integer(b), unit) : "", ratio);
}

/* A row whose path has a star: one for each member of either side. */
struct star {
	struct diff *d;
	const struct diff_row *row;
	const json_t *not_in;   /* members of this side were shown already */
	size_t head;            /* length of the path before the star */
};

static bool star_visit(void *ctx, const char *path, double value)
{
	struct star *s = ctx;
	const char *tail = s->row->path + s->head + 1;
	size_t n = strlen(path), t = strlen(tail);
	char name[100];
	(void)value;
	if (strncmp(path, s->row->path, s->head) != 0 || n < s->head + t || strcmp(path + n - t, tail) != 0)
		return true;
	if (s->not_in && lookup(s->not_in, path))
		return true;
	snprintf(name, sizeof name, "%s%.*s", s->row->name, (int)(n - t - s->head), path + s->head);
	diff_row(s->d, path, name, s->row->unit);
	return true;
}

static void diff_star(struct diff *d, const struct diff_row *row)
{
	struct star s = { d, row, NULL, (size_t)(strchr(row->path, '*') - row->path) };
	lookup_each(d->side[0], star_visit, &s);
	s.not_in = d->side[0];
	lookup_each(d->side[1], star_visit, &s);
}

struct every {
	struct diff *d;
	const json_t *not_in;
};

static bool every_visit(void *ctx, const char *path, double value)
{
	struct every *e = ctx;
	(void)value;
	if (!e->not_in || !lookup(e->not_in, path))
		diff_row(e->d, path, path, UNIT_COUNT);
	return true;
}

static void diff_figures(struct diff *d)
{
	struct every e = { d, NULL };
	if (d->json)
		jsonw_array(&d->out, "figures");
	if (d->all) {
		lookup_each(d->side[0], every_visit, &e);
		e.not_in = d->side[0];
		lookup_each(d->side[1], every_visit, &e);
	}
	for (size_t i = 0; !d->all && i < sizeof diff_rows / sizeof *diff_rows; i++) {
		if (strchr(diff_rows[i].path, '*'))
			diff_star(d, &diff_rows[i]);
		else
			diff_row(d, diff_rows[i].path, diff_rows[i].name, diff_rows[i].unit);
	}
	if (d->json)
		jsonw_end(&d->out);
}

static int diff_print(struct diff *d)
{
	if (d->json) {
		jsonw_init(&d->out, stdout);
		jsonw_object(&d->out, NULL);
		jsonw_string(&d->out, "pageworks", PW_VERSION);
		jsonw_u64(&d->out, "schema", 1);
		jsonw_string(&d->out, "kind", "diff");
		jsonw_string(&d->out, "a", d->name[0]);
		jsonw_string(&d->out, "b", d->name[1]);
	} else {
		printf("A: %s\nB: %s\n", d->name[0], d->name[1]);
	}
	diff_machines(d);
	if (!d->json)
		printf("\n%-26s %20s %20s %20s %10s\n", "", "A", "B", "B - A", "B / A");
	diff_figures(d);
	bool ok = true;
	if (d->json) {
		jsonw_end(&d->out);
		ok = jsonw_finish(&d->out) == PW_OK;
	}
	ok = fflush(stdout) == 0 && !ferror(stdout) && ok;
	return ok ? CLI_OK : cli_error("the comparison could not be written to standard output: %m");
}

static int diff_all(struct diff *d, int argc, char **argv)
{
	const struct argp_option *const lists[] = { diff_options };
	static char paths[2][4096];
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&diff_argp, argc, argv, 0, NULL, d);
	if (diff_names(d, paths) != CLI_OK || diff_load(d, 0) != CLI_OK || diff_load(d, 1) != CLI_OK)
		return CLI_FAILED;
	if (strcmp(diff_kind(d, 0), diff_kind(d, 1)) != 0)
		return cli_error("%s is the result of a %s, %s of a %s: they cannot be compared", d->name[0], diff_kind(d, 0), d->name[1],
		                 diff_kind(d, 1));
	return diff_print(d);
}

int cli_diff(int argc, char **argv)
{
	struct diff d = { .n_names = 0 };
	signal(SIGPIPE, SIG_IGN);
	int status = diff_all(&d, argc, argv);
	for (unsigned i = 0; i < 2; i++)
		json_decref(d.side[i]);
	return status;
}
