/* sweep_sheet.c - the plan written and read, results gathered.
 *
 * Problem.  What a sweep has found lies in many files, some of which were left by a cluster's nodes, and any of which may be
 * missing, cut off, or the result of something else.
 *
 * Idea.  The plan says which cells there are.  A cell's file is read whole, and must be a result whose machine, seed, version and
 * window give the very id it is called by; then the figures asked for are taken out of it, and the rest is let go.
 *
 * 1. A cell is DONE only when its file is a whole result of this very cell, without an error of its input or a failed check.
 * 2. The words of a cell live in the plan, which the sheet holds.
 *
 * Rejected: a table that is kept beside the results and updated (it can fall behind them). */
#include "sweep_sheet.h"
#include "../sim/lookup.h"
#include "../base/json.h"
#include "../base/mem.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const state_names[SHEET_STATES] = {
#define X(name, text) text,
	SHEET_STATE_LIST(X)
#undef X
};

const char *sheet_state_name(enum sheet_state state) { return state_names[state]; }

static void plan_cell(struct jsonw *j, const struct sweep_cell *c)
{
	jsonw_object(j, NULL);
	jsonw_u64(j, "trace", c->trace);
	if (*c->id)
		jsonw_string(j, "id", c->id);
	jsonw_object(j, "words");
	for (unsigned w = 0; w < GRID_WORDS; w++)
		if (grid_word_value(&c->words, w))
			jsonw_string(j, grid_word_name(w), grid_word_value(&c->words, w));
	jsonw_end(j);
	if (c->percent)
		jsonw_string(j, "percent", c->percent);
	if (c->repeated)
		jsonw_bool(j, "repeated", true);
	if (c->impossible)
		jsonw_string(j, "impossible", c->impossible);
	jsonw_end(j);
}

static enum pw_err plan_text(const struct sweep *s, char *const argv[], unsigned argc, FILE *out)
{
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", RESULT_SCHEMA);
	jsonw_string(&j, "kind", "sweep-plan");
	jsonw_array(&j, "command");
	for (unsigned i = 0; i < argc; i++)
		jsonw_string(&j, NULL, argv[i]);
	jsonw_end(&j);
	jsonw_array(&j, "traces");
	for (unsigned i = 0; i < s->n_traces; i++) {
		jsonw_object(&j, NULL);
		jsonw_string(&j, "source", s->trace[i].spec);
		jsonw_string(&j, "identity", s->trace[i].identity);
		jsonw_end(&j);
	}
	jsonw_end(&j);
	jsonw_array(&j, "cells");
	for (unsigned i = 0; i < s->n_cells; i++)
		plan_cell(&j, &s->cell[i]);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}

enum pw_err sheet_plan_write(const struct sweep *s, const struct sweep_dir *d, char *const argv[], unsigned argc, struct pw_why *why)
{
	char path[SWEEP_PATH], *text = NULL;
	size_t bytes;
	FILE *memory = open_memstream(&text, &bytes);
	enum pw_err err = memory ? plan_text(s, argv, argc, memory) : PW_NOMEM;
	if (memory && fclose(memory) != 0)
		err = PW_NOMEM;
	err = err == PW_OK ? sweep_dir_write(sweep_dir_file(d, "sweep.json", path), text, bytes, why)
	                   : pw_fail(why, PW_NOMEM, "out of memory for the plan");
	mem_free(text);
	return err;
}

static enum pw_err plan_wrong(const char *path, const char *what, struct pw_why *why)
{
	return pw_fail(why, PW_FORMAT, "%s: %s; start the sweep again and it is written anew", path, what);
}

static bool sheet_traces(struct sheet *s)
{
	size_t i;
	json_t *list = json_object_get(s->plan, "traces"), *t;
	s->n_traces = (unsigned)json_array_size(list);
	s->trace = mem_zalloc(s->n_traces + 1, sizeof *s->trace);
	s->identity = mem_zalloc(s->n_traces + 1, sizeof *s->identity);
	if (!s->trace || !s->identity)
		return false;
	json_array_foreach(list, i, t) {
		s->trace[i] = json_string_value(json_object_get(t, "source"));
		s->identity[i] = json_string_value(json_object_get(t, "identity"));
		if (!s->trace[i] || !s->identity[i])
			return false;
	}
	return true;
}

static bool sheet_cell_plan(const struct sheet *s, struct sheet_cell *c, const json_t *from)
{
	const json_t *words = json_object_get(from, "words");
	json_int_t trace = json_integer_value(json_object_get(from, "trace"));
	const char *impossible = json_string_value(json_object_get(from, "impossible"));
	if (trace < 0 || trace >= (json_int_t)s->n_traces || !json_is_object(words))
		return false;
	c->trace = (unsigned)trace;
	for (unsigned w = 0; w < GRID_WORDS; w++)
		c->word[w] = json_string_value(json_object_get(words, grid_word_name(w)));
	c->percent = json_string_value(json_object_get(from, "percent"));
	c->id = json_string_value(json_object_get(from, "id"));
	c->repeated = json_is_true(json_object_get(from, "repeated"));
	c->state = impossible ? SHEET_IMPOSSIBLE : SHEET_MISSING;
	c->why = impossible ? mem_strdup(impossible) : NULL;
	c->figure = mem_zalloc(s->n_columns + 1, sizeof *c->figure);
	return c->figure && (impossible ? c->why != NULL : c->id && strlen(c->id) == SWEEP_ID - 1 && !strchr(c->id, '/'));
}

static bool sheet_cells(struct sheet *s)
{
	size_t i;
	json_t *list = json_object_get(s->plan, "cells"), *from;
	unsigned n = (unsigned)json_array_size(list);
	s->cell = mem_zalloc(n + 1, sizeof *s->cell);
	if (!s->cell)
		return false;
	json_array_foreach(list, i, from) {
		s->n_cells++;
		if (!sheet_cell_plan(s, &s->cell[i], from))
			return false;
	}
	for (unsigned w = 0; w < GRID_WORDS; w++)
		for (unsigned k = 1; k < n && !s->varies[w]; k++)
			s->varies[w] = strcmp(sheet_label(&s->cell[0], w), sheet_label(&s->cell[k], w)) != 0;
	return n > 0;
}

const char *sheet_label(const struct sheet_cell *c, enum grid_word word)
{
	if (word == GRID_WORD_frames && c->percent)
		return c->percent;
	return c->word[word] ? c->word[word] : GRID_DEFAULT;
}

enum pw_err sheet_load(const struct sweep_dir *d, char **columns, unsigned n, struct sheet **ret, struct pw_why *why)
{
	char path[SWEEP_PATH];
	json_error_t error;
	struct sheet *s = *ret = mem_zalloc(1, sizeof *s);
	if (!s)
		return pw_fail(why, PW_NOMEM, "out of memory for the table");
	s->column = columns;
	s->n_columns = n;
	s->plan = json_load_file(sweep_dir_file(d, "sweep.json", path), 0, &error);
	const char *kind = json_string_value(json_object_get(s->plan, "kind"));
	enum pw_err err = PW_OK;
	if (!s->plan)
		err = plan_wrong(path, error.text, why);
	else if (!kind || strcmp(kind, "sweep-plan") != 0)
		err = plan_wrong(path, "is no plan of a sweep", why);
	else if (!sheet_traces(s) || !sheet_cells(s))
		err = plan_wrong(path, "is damaged", why);
	if (err != PW_OK) {
		sheet_destroy(s);
		*ret = NULL;
		return err;
	}
	for (unsigned i = 0; i < s->n_cells; i++)
		sheet_cell_load(s, d, i);
	return PW_OK;
}

static void cell_forget(const struct sheet *s, struct sheet_cell *c)
{
	for (unsigned i = 0; c->figure && i < s->n_columns; i++) {
		json_decref(c->figure[i]);
		c->figure[i] = NULL;
	}
	mem_free(c->why);
	c->why = NULL;
}

void sheet_destroy(struct sheet *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n_cells; i++) {
		cell_forget(s, &s->cell[i]);
		mem_free(s->cell[i].figure);
	}
	mem_free(s->cell);
	mem_free(s->trace);
	mem_free(s->identity);
	json_decref(s->plan);
	mem_free(s);
}

static void cell_set(struct sheet_cell *c, enum sheet_state state, const char *why)
{
	c->state = state;
	mem_free(c->why);
	c->why = mem_strdup(why);
}

/* => the id that this result should be called by. */
static bool result_id(const json_t *result, const char *identity, char ret[SWEEP_ID])
{
	const char *version = json_string_value(json_object_get(result, "pageworks"));
	json_t *machine = json_pack("{s:O}", "machine", json_object_get(result, "machine"));
	char *text = machine ? json_dumps(machine, JSON_PRESERVE_ORDER) : NULL;
	json_t *tau = lookup(result, "memory.working_set.tau_references");
	if (text && version)
		sweep_id(version, identity, (uint64_t)json_integer_value(json_object_get(result, "seed")),
		         (uint64_t)json_integer_value(tau), text, ret);
	mem_free(text);
	json_decref(machine);
	return text && version;
}

/* What a result says against itself, or NULL. */
static const char *result_complaint(const json_t *result)
{
	const json_t *input = json_object_get(result, "input"), *failed = lookup(result, "checks.failed");
	if (json_array_size(failed))
		return json_string_value(json_array_get(failed, 0));
	return json_string_value(json_object_get(input, "error"));
}

static void cell_take(struct sheet *s, struct sheet_cell *c, const json_t *result)
{
	char id[SWEEP_ID];
	const char *kind = json_string_value(json_object_get(result, "kind")), *complaint = result_complaint(result);
	if (!kind || strcmp(kind, "run") != 0) {
		cell_set(c, SHEET_DAMAGED, "its file is no result");
	} else if (!result_id(result, s->identity[c->trace], id) || strcmp(id, c->id) != 0) {
		cell_set(c, SHEET_DAMAGED, "its file is the result of something else");
	} else if (json_is_true(lookup(result, "input.interrupted"))) {
		cell_set(c, SHEET_DAMAGED, "its run was interrupted");
	} else if (complaint) {
		cell_set(c, SHEET_FAILED, complaint);
	} else {
		c->state = SHEET_DONE;
		for (unsigned i = 0; i < s->n_columns; i++) {
			c->figure[i] = json_incref(lookup(result, s->column[i]));
			if (!json_is_number(c->figure[i])) {
				json_decref(c->figure[i]);
				c->figure[i] = NULL;
				lookup_nearest(result, s->column[i], s->near, sizeof s->near);
			}
		}
	}
}

/* One line in a file says why a cell failed. */
static void cell_load_failure(struct sheet_cell *c, const char *path)
{
	char line[512] = "";
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(line, sizeof line, f))
		line[strcspn(line, "\n")] = '\0';
	fclose(f);
	cell_set(c, SHEET_FAILED, *line ? line : "it does not say why");
}

void sheet_cell_load(struct sheet *s, const struct sweep_dir *d, unsigned cell)
{
	char path[SWEEP_PATH], text[400];
	struct sheet_cell *c = &s->cell[cell];
	struct stat st;
	json_error_t error;
	if (c->state == SHEET_IMPOSSIBLE)
		return;
	cell_forget(s, c);
	c->state = SHEET_MISSING;
	if (stat(sweep_dir_result(d, c->id, path), &st) != 0) {
		cell_load_failure(c, sweep_dir_failure(d, c->id, path));
		return;
	}
	json_t *result = st.st_size ? json_load_file(path, 0, &error) : NULL;
	if (result) {
		cell_take(s, c, result);
	} else if (!st.st_size) {
		cell_set(c, SHEET_DAMAGED, "its file is empty: its run began and did not end");
	} else {
		snprintf(text, sizeof text, "its file is cut off or no JSON (line %d: %s)", error.line, error.text);
		cell_set(c, SHEET_DAMAGED, text);
	}
	json_decref(result);
}

unsigned sheet_count(const struct sheet *s, enum sheet_state state)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->n_cells; i++)
		n += s->cell[i].state == state;
	return n;
}
