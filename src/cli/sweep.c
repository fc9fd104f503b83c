/* sweep.c - pageworks sweep: a grid of machines over traces.
 *
 * Problem.  Comparing hundreds of machines takes hours in which anything may happen, and is only worth something when none of the
 * figures was lost, none is stale, and it can be read.
 *
 * Idea.  Plan first, so that what cannot work is said before hours are spent; then work that is safe after each cell; then a view
 * of what lies in the directory, which is the same view whoever put it there.
 *
 *     words, grid --> directory, locked --> recording --> plan --> table of what is there --> workers --> table
 *                                                                       '--> --emit: commands for a cluster --> --collect: table
 *
 * Invariants.
 *   1. A cell that is done is never run again; one that failed only with --retry.
 *   2. However the sweep ends, all finished cells are in the directory, and the table of them is printed if there is time for it.
 *   3. A full disk ends the sweep; a cell that fails does not.
 *
 * Rejected: a --resume option (the same command continues), a scheduler for many machines (they have one). */
#include "cli.h"
#include "interrupt.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "source.h"
#include "sweep_crew.h"
#include "sweep_emit.h"
#include "sweep_record.h"
#include "sweep_show.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum sweep_key { KEY_DIR = 0x200, KEY_COLUMNS, KEY_SORT, KEY_PIVOT, KEY_CSV, KEY_JSON, KEY_QUIET, KEY_PROGRESS, KEY_RETRY, KEY_EMIT,
	KEY_COLLECT };

enum { COLUMNS_MAX = 32, GRID_BYTES_MAX = 1 << 20, REASONS_MAX = 8 };

#define SWEEP_COLUMNS "faults.total,reclaim.written_back,walks.count,modelled.cycles"

static const struct argp_option sweep_options[] = {
	{ .doc = "The sweep (every word of a machine takes several values: lru,clock 1M..64M:x2 10%,50%):", .group = 4 },
	{ "dir", KEY_DIR, "DIR", 0, "where results are kept (default: the name of grid, trace or command, with .sweep)" },
	{ "jobs", 'j', "N", 0, "cells at the same time (default: one for each CPU)" },
	{ "retry", KEY_RETRY, NULL, 0, "run cells that failed before once more" },
	{ "emit", KEY_EMIT, "KIND", 0, "run nothing; write what is missing as commands: slurm (a job array), parallel (GNU parallel)" },
	{ "collect", KEY_COLLECT, "DIR", 0, "run nothing; show what is in DIR, and what is missing or damaged" },
	{ .doc = "The report:", .group = 5 },
	{ "columns", KEY_COLUMNS, "FIGURE,...", 0, "figures of the results (default " SWEEP_COLUMNS ")" },
	{ "sort", KEY_SORT, "FIGURE", 0, "best first by this column (default the first); -FIGURE: largest first; grid: no order" },
	{ "pivot", KEY_PIVOT, "ROWS,COLUMNS", 0, "one table for each figure, such as policy,frames" },
	{ "output", 'o', "FILE", 0, "write the table, or what --emit makes, to FILE" },
	{ "csv", KEY_CSV, "FILE", 0, "write the cells as CSV ('-': standard output)" },
	{ "json", KEY_JSON, "FILE", 0, "write the cells as JSON ('-': standard output)" },
	{ "quiet", KEY_QUIET, NULL, 0, "no table" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ 0 },
};

struct sweep_verb {
	struct grid *grid;
	struct machine_words listed;  /* a word whose value is "help" */
	bool help, has_words;
	const char *grid_name, *dir_name, *collect, *columns, *sort, *pivot;
	char *own_dir, *column_copy;
	char *column[COLUMNS_MAX];
	unsigned n_columns;
	enum sweep_emit emit;
	bool retry, quiet, no_progress;
	uint64_t jobs;
	struct source source;         /* never opened here: the command is recorded, the traces are read by the cells */
	struct output report, csv, json;
	struct sweep_dir *dir;
	struct sweep *sweep;
	struct sheet *sheet;
	struct sweep_view view;
	struct sweep_recording recording;
	const char **spec;
	enum pw_err stop;             /* why the crew ended early */
	struct pw_why stopped;
};

static char *sweep_read_file(const char *name, struct pw_why *why)
{
	FILE *f = fopen(name, "re");
	char *text = f ? mem_alloc(GRID_BYTES_MAX + 1) : NULL;
	size_t n = text ? fread(text, 1, GRID_BYTES_MAX + 1, f) : 0;
	if (!f || (text && ferror(f)))
		pw_fail(why, PW_IO, "%s: %s", name, strerror(errno));
	else if (!text)
		pw_fail(why, PW_NOMEM, "%s: out of memory", name);
	else if (n > GRID_BYTES_MAX)
		pw_fail(why, PW_INVALID, "%s: is too large for a grid", name);
	else if (memchr(text, '\0', n))
		pw_fail(why, PW_INVALID, "%s: is no grid: it holds zero bytes", name);
	bool ok = text && !*why->text;
	if (f)
		fclose(f);
	if (ok) {
		text[n] = '\0';
		return text;
	}
	mem_free(text);
	return NULL;
}

/* The first word is a grid when it looks like one. */
static bool sweep_is_grid(const char *name)
{
	struct stat st;
	char head[4096];
	if (stat(name, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	size_t length = strlen(name);
	if (length > 5 && strcmp(name + length - 5, ".grid") == 0)
		return true;
	FILE *f = fopen(name, "re");
	size_t n = f ? fread(head, 1, sizeof head - 1, f) : 0;
	if (f)
		fclose(f);
	head[n] = '\0';
	return strlen(head) == n && grid_is(head);
}

static void sweep_word(struct sweep_verb *v, enum grid_word word, const char *arg)
{
	struct pw_why why = { "" };
	v->has_words = true;
	if (strcmp(arg, "help") == 0) {
		*grid_word_place(&v->listed, word) = arg;
		v->help = true;
	} else if (grid_option(v->grid, grid_word_name(word), arg, &why) != PW_OK) {
		exit(cli_error("%s", why.text));
	}
}

static enum sweep_emit sweep_emit_kind(const char *arg)
{
	if (strcmp(arg, "slurm") == 0)
		return EMIT_SLURM;
	if (strcmp(arg, "parallel") != 0)
		exit(cli_unknown("--emit", arg, (const char *const[]){ "slurm", "parallel" }, 2));
	return EMIT_PARALLEL;
}

static void sweep_first_word(struct sweep_verb *v, char *arg, struct argp_state *state)
{
	int at = state->next - 1;
	bool after_dashes = at > 0 && strcmp(state->argv[at - 1], "--") == 0;
	if (!after_dashes && !v->grid_name && sweep_is_grid(arg)) {
		const struct argp_option *const lists[] = { sweep_options, machine_options };
		v->grid_name = arg;
		if (cli_check_options(state->argc - at, state->argv + at, lists, 2) != CLI_OK)
			exit(CLI_FAILED);
		return;
	}
	source_take(&v->source, state);
}

static error_t sweep_parse_machine(int key, char *arg, struct argp_state *state)
{
	if (!arg)
		return ARGP_ERR_UNKNOWN;
	for (const struct argp_option *o = machine_options; o->name || o->doc; o++)
		if (o->name && o->key == key) {
			sweep_word(state->input, grid_word_find("option", o->name, NULL), arg);
			return 0;
		}
	return ARGP_ERR_UNKNOWN;
}

static error_t sweep_parse(int key, char *arg, struct argp_state *state)
{
	struct sweep_verb *v = state->input;
	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = v; break;
	case KEY_DIR: v->dir_name = arg; break;
	case KEY_COLLECT: v->collect = arg; break;
	case KEY_COLUMNS: v->columns = arg; break;
	case KEY_SORT: v->sort = arg; break;
	case KEY_PIVOT: v->pivot = arg; break;
	case KEY_CSV: v->csv.name = arg; break;
	case KEY_JSON: v->json.name = arg; break;
	case 'o': v->report.name = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_RETRY: v->retry = true; break;
	case KEY_EMIT: v->emit = sweep_emit_kind(arg); break;
	case 'j':
		if (text_u64(arg, &v->jobs, NULL) != PW_OK || v->jobs < 1 || v->jobs > 1024)
			exit(cli_error("--jobs %s: write a number from 1 to 1024", arg));
		break;
	case KEY_PROGRESS: v->no_progress = !progress_word(arg); break;
	case ARGP_KEY_ARG: sweep_first_word(v, arg, state); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp sweep_machine_argp = { machine_options, sweep_parse_machine, NULL, NULL, NULL, NULL, NULL };
static const struct argp_child sweep_children[] = { { &sweep_machine_argp, 0, NULL, 0 }, { 0 } };
static const struct argp sweep_argp = {
	sweep_options, sweep_parse, "[GRID] TRACE...\n[GRID] -- COMMAND [ARG...]\n--collect DIR",
	"Runs every machine of a grid over every trace, on all CPUs, and shows the figures side by side.  What is finished is kept "
	"in a directory: the same command continues where it was stopped or killed.\v"
	"Examples:\n"
	"  pageworks sweep --policy lru,clock,opt --frames 10%..80%:x2 sort.pwt\n"
	"  pageworks sweep --policy lru,fifo --ram 1M..64M:x2 --pivot ram,policy -- ls\n"
	"  pageworks sweep --cpu skylake,zen4 --columns tlb.l2.misses a.pwt b.pwt\n"
	"  pageworks sweep machines.grid --csv cells.csv sort.pwt\n"
	"  pageworks sweep --emit slurm -o job.sh machines.grid sort.pwt; sbatch job.sh\n"
	"  pageworks sweep --collect machines.sweep --pivot policy,frames\n\n"
	"The exit status is 0 when every cell that can be is done (or, after --, the program's own), else 125.",
	sweep_children, NULL, NULL,
};

static int sweep_columns(struct sweep_verb *v)
{
	v->column_copy = mem_strdup(v->columns ? v->columns : SWEEP_COLUMNS);
	if (!v->column_copy)
		return cli_error("out of memory");
	char *rest = NULL;
	for (char *c = strtok_r(v->column_copy, ",", &rest); c; c = strtok_r(NULL, ",", &rest)) {
		if (v->n_columns == COLUMNS_MAX)
			return cli_error("--columns: at most %d figures", COLUMNS_MAX);
		v->column[v->n_columns++] = c;
	}
	return v->n_columns ? CLI_OK : cli_error("--columns: which figures? such as faults.total,tlb.l2.misses");
}

static int sweep_view_sort(struct sweep_verb *v)
{
	v->view.descending = v->sort && *v->sort == '-';
	const char *name = v->sort ? v->sort + v->view.descending : v->column[0];
	v->view.sort = v->n_columns;
	if (strcmp(name, "grid") == 0)
		return CLI_OK;
	for (unsigned i = 0; i < v->n_columns; i++)
		if (strcmp(v->column[i], name) == 0) {
			v->view.sort = i;
			return CLI_OK;
		}
	return cli_unknown("--sort", name, (const char *const *)v->column, v->n_columns);
}

static int sweep_view_pivot(struct sweep_verb *v)
{
	char name[64];
	struct pw_why why = { "" };
	v->view.rows = v->view.columns = AXIS_NONE;
	if (!v->pivot)
		return CLI_OK;
	size_t n = strcspn(v->pivot, ",");
	if (!v->pivot[n] || strchr(v->pivot + n + 1, ','))
		return cli_error("--pivot %s: write ROWS,COLUMNS, such as policy,frames", v->pivot);
	snprintf(name, sizeof name, "%.*s", (int)n, v->pivot);
	v->view.rows = axis_find(name, &why);
	if (v->view.rows != AXES)
		v->view.columns = axis_find(v->pivot + n + 1, &why);
	if (v->view.rows == AXES || v->view.columns == AXES)
		return cli_error("%s", why.text);
	if (v->view.rows == v->view.columns)
		return cli_error("--pivot %s: rows and columns are the same word", v->pivot);
	return CLI_OK;
}

static int sweep_check_collect(const struct sweep_verb *v)
{
	if (v->source.word_at || v->grid_name || v->has_words || v->emit || v->dir_name || v->retry)
		return cli_error("--collect %s takes no grid, no trace and no word of a machine: the directory knows them", v->collect);
	return CLI_OK;
}

static int sweep_words(struct sweep_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { sweep_options, machine_options };
	v->source.argc = argc;
	v->source.argv = argv;
	if (grid_create(&v->grid) != PW_OK)
		return cli_error("out of memory");
	if (cli_check_options(argc, argv, lists, 2) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&sweep_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (v->help)
		return CLI_OK;
	if (sweep_columns(v) != CLI_OK || sweep_view_sort(v) != CLI_OK || sweep_view_pivot(v) != CLI_OK)
		return CLI_FAILED;
	if (v->collect)
		return sweep_check_collect(v);
	if (v->emit && (v->csv.name || v->json.name))
		return cli_error("--emit only writes commands; when they have run, --collect gives CSV and JSON");
	if (!v->source.word_at)
		return source_check(&v->source, v->grid_name ? "the grid over what?" : "over what?");
	if (v->emit && v->source.is_command && !v->report.name)
		return cli_error("--emit beside a command needs -o FILE, as standard output is the command's");
	for (int i = v->source.word_at; !v->source.is_command && i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1])
			return cli_error("%s: options stand before the traces", argv[i]);
	return CLI_OK;
}

static int sweep_read_grid(struct sweep_verb *v)
{
	struct pw_why why = { "" };
	if (!v->grid_name)
		return CLI_OK;
	char *text = sweep_read_file(v->grid_name, &why);
	if (!text)
		return cli_error("%s", why.text);
	enum pw_err err = grid_read(v->grid, v->grid_name, text, &why);
	mem_free(text);
	return err == PW_OK ? CLI_OK : cli_error("%s", why.text);
}

/* "NAME.sweep" beside which everything else is left alone. */
static int sweep_dir_default(struct sweep_verb *v)
{
	const char *name = v->grid_name ? v->grid_name : source_words(&v->source)[0];
	const char *base = name;
	size_t n = strcspn(base, ":");
	for (size_t i = 0; i < n; i++)
		if (name[i] == '/' && name[i + 1])
			base = name + i + 1;
	n -= (size_t)(base - name);
	for (size_t i = n; i-- > 1;)
		if (base[i] == '.') {
			n = i;
			break;
		}
	v->own_dir = mem_printf("%.*s.sweep", (int)n, base);
	v->dir_name = v->own_dir;
	return v->own_dir ? CLI_OK : cli_error("out of memory");
}

/* The table gives way to CSV, JSON and the program on standard output. */
static int sweep_open_outputs(struct sweep_verb *v)
{
	if (output_open(&v->report) != CLI_OK || output_open(&v->csv) != CLI_OK || output_open(&v->json) != CLI_OK)
		return CLI_FAILED;
	bool taken = output_is_stdout(&v->csv) || output_is_stdout(&v->json) || v->source.is_command;
	if (!v->report.name)
		v->report.file = taken ? stderr : stdout;
	v->view.colour = cli_colour(v->report.file);
	return CLI_OK;
}

static int sweep_plan(struct sweep_verb *v)
{
	struct pw_why why = { "" };
	bool command = v->source.is_command;
	unsigned n = command ? 1 : source_n_words(&v->source);
	v->spec = mem_zalloc(n, sizeof *v->spec);
	if (!v->spec)
		return cli_error("out of memory");
	for (unsigned i = 0; i < n; i++)
		v->spec[i] = command ? v->recording.path : source_words(&v->source)[i];
	enum pw_err err = sweep_create(v->grid, v->spec, n, v->dir, &v->sweep, &why);
	if (err == PW_OK)
		err = sheet_plan_write(v->sweep, v->dir, v->source.argv, (unsigned)v->source.argc, &why);
	if (err == PW_OK)
		err = sheet_load(v->dir, v->column, v->n_columns, &v->sheet, &why);
	return err == PW_OK ? CLI_OK : cli_error("%s", *why.text ? why.text : pw_err_text(err));
}

/* => how many cells from the first one on are impossible for the same reason; 0: one before it was. */
static unsigned sweep_same_reason(const struct sheet *s, unsigned first)
{
	unsigned same = 0;
	for (unsigned i = 0; i < s->n_cells; i++)
		if (s->cell[i].state == SHEET_IMPOSSIBLE && strcmp(s->cell[i].why, s->cell[first].why) == 0) {
			if (i < first)
				return 0;
			same++;
		}
	return same;
}

/* What cannot be is said before anything runs: each reason once, and not too many. */
static int sweep_say_impossible(const struct sweep_verb *v)
{
	const struct sheet *s = v->sheet;
	unsigned said = 0, told = 0, all = sheet_count(s, SHEET_IMPOSSIBLE);
	for (unsigned i = 0; i < s->n_cells && told < all; i++) {
		unsigned same = s->cell[i].state == SHEET_IMPOSSIBLE ? sweep_same_reason(s, i) : 0;
		if (!same)
			continue;
		if (all == s->n_cells)
			return cli_error("no cell of the grid can be: %s", s->cell[i].why);
		if (v->quiet)
			return CLI_OK;
		if (said++ == REASONS_MAX) {
			fprintf(stderr, "pageworks sweep: %u more cells cannot be, for other reasons; the table has them\n", all - told);
			return CLI_OK;
		}
		fprintf(stderr, "pageworks sweep: %u of %u cells cannot be: %s\n", same, s->n_cells, s->cell[i].why);
		told += same;
	}
	return CLI_OK;
}

static enum pw_err sweep_render_table(void *ctx, FILE *out)
{
	const struct sweep_verb *v = ctx;
	enum pw_err err = v->pivot ? sweep_show_pivot(v->sheet, &v->view, out) : sweep_show_table(v->sheet, &v->view, out);
	if (err == PW_OK) {
		fputc('\n', out);
		sweep_show_summary(v->sheet, out);
		if (sheet_count(v->sheet, SHEET_DONE) > 1)
			fprintf(out, "*: the least %s\n", v->pivot ? "of its column" : "of its trace");
	}
	return err;
}

static enum pw_err sweep_render_csv(void *ctx, FILE *out)
{
	const struct sweep_verb *v = ctx;
	sweep_show_csv(v->sheet, out);
	return PW_OK;
}

static enum pw_err sweep_render_json(void *ctx, FILE *out)
{
	const struct sweep_verb *v = ctx;
	return sweep_show_json(v->sheet, v->dir, out);
}

static enum pw_err sweep_render_emitted(void *ctx, FILE *out)
{
	const struct sweep_verb *v = ctx;
	sweep_emit(v->sheet, v->dir, v->emit, out);
	return PW_OK;
}

static int sweep_publish(struct sweep_verb *v)
{
	int status = CLI_OK;
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, said in words */
	if (!v->quiet || v->report.name)
		status = output_write(&v->report, sweep_render_table, v);
	if (output_write(&v->csv, sweep_render_csv, v) != CLI_OK || output_write(&v->json, sweep_render_json, v) != CLI_OK)
		status = CLI_FAILED;
	for (unsigned c = 0; c < v->n_columns; c++) {
		bool any = sheet_count(v->sheet, SHEET_DONE) == 0;
		for (unsigned i = 0; i < v->sheet->n_cells && !any; i++)
			any = v->sheet->cell[i].figure[c] != NULL;
		if (!any)
			status = cli_error("--columns %s: no result has this figure%s%s", v->column[c],
			                   *v->sheet->near ? "; did you mean " : "", v->sheet->near);
	}
	return status;
}

/* How it ended, in one line, when it is not whole. */
static int sweep_verdict(const struct sweep_verb *v)
{
	unsigned missing = sheet_count(v->sheet, SHEET_MISSING), failed = sheet_count(v->sheet, SHEET_FAILED);
	unsigned damaged = sheet_count(v->sheet, SHEET_DAMAGED);
	if (v->stop != PW_OK)
		return cli_error("%s; what is finished is kept, and the same command continues", v->stopped.text);
	if (interrupt_seen())
		return cli_error("stopped with %u cell%s to do; what is finished is in %s, and the same command continues",
		                 missing + damaged, missing + damaged == 1 ? "" : "s", sweep_dir_path(v->dir));
	if (missing || damaged)
		return cli_error("%s: %u missing, %u damaged; run them, or the sweep again", sweep_dir_path(v->dir), missing,
		                 damaged);
	if (failed)
		return cli_error("%u cell%s failed; --retry runs %s again", failed, failed == 1 ? "" : "s",
		                 failed == 1 ? "it" : "them");
	return CLI_OK;
}

static int sweep_emit_all(struct sweep_verb *v)
{
	unsigned n = sweep_emit_count(v->sheet);
	bool lines = !strchr(sweep_dir_path(v->dir), '\n');
	for (unsigned i = 0; i < v->sheet->n_traces; i++)
		lines = lines && !strchr(v->sheet->trace[i], '\n');
	if (!lines && v->emit == EMIT_PARALLEL)
		return cli_error("--emit parallel: a name with a line break in it cannot be in a list of one command a line");
	signal(SIGPIPE, SIG_IGN);
	int status = output_write(&v->report, sweep_render_emitted, v);
	if (status == CLI_OK && !v->quiet)
		fprintf(stderr, "pageworks sweep: %u cell%s to run; then: pageworks sweep --collect %s\n", n, n == 1 ? "" : "s",
		        sweep_dir_path(v->dir));
	return status;
}

static int sweep_collect(struct sweep_verb *v)
{
	struct pw_why why = { "" };
	if (sweep_open_outputs(v) != CLI_OK)
		return CLI_FAILED;
	if (sweep_dir_look(v->collect, &v->dir, &why) != PW_OK ||
	    sheet_load(v->dir, v->column, v->n_columns, &v->sheet, &why) != PW_OK)
		return cli_error("%s", why.text);
	int status = sweep_publish(v), verdict = sweep_verdict(v);
	return status == CLI_OK ? verdict : status;
}

/* Recordings keep addresses to the page: the smallest that the grid has. */
static unsigned sweep_granule_shift(const struct machine_words *machine, unsigned n)
{
	unsigned shift = 12;
	for (unsigned i = 0; i < n; i++) {
		struct run_options o;
		struct machine_words w = machine[i];
		w.frames = NULL; /* may be in percent, of what is not known yet */
		if (machine_words_resolve(&w, &o, NULL) == PW_OK && o.format.page_shift < shift)
			shift = o.format.page_shift;
	}
	return shift;
}

static int sweep_record_command(struct sweep_verb *v)
{
	struct pw_why why = { "" };
	struct machine_words *machine;
	unsigned n;
	if (!v->source.is_command)
		return CLI_OK;
	if (grid_machines(v->grid, &machine, &n, &why) != PW_OK)
		return cli_error("%s", why.text);
	struct sweep_record_options o = { .granule_shift = sweep_granule_shift(machine, n),
	                                  .show_progress = !v->no_progress && !v->quiet };
	mem_free(machine);
	enum pw_err err = sweep_record(v->dir, source_words(&v->source), &o, &v->recording, &why);
	if (err == PW_OK)
		return CLI_OK;
	cli_error("%s", *why.text ? why.text : pw_err_text(err));
	return v->recording.status;
}

static int sweep_all(struct sweep_verb *v, int argc, char **argv)
{
	struct pw_why why = { "" };
	if (sweep_words(v, argc, argv) != CLI_OK)
		return CLI_FAILED;
	if (v->help)
		return machine_resolve(&v->listed, &(struct run_options){ .n_cpus = 0 }, &v->help);
	if (v->collect)
		return sweep_collect(v);
	if (sweep_read_grid(v) != CLI_OK || (!v->dir_name && sweep_dir_default(v) != CLI_OK) || sweep_open_outputs(v) != CLI_OK)
		return CLI_FAILED;
	if (sweep_dir_open(v->dir_name, &v->dir, &why) != PW_OK)
		return cli_error("%s", why.text);
	int status = sweep_record_command(v);
	if (status != CLI_OK || sweep_plan(v) != CLI_OK || sweep_say_impossible(v) != CLI_OK)
		return status != CLI_OK ? status : CLI_FAILED;
	if (v->emit)
		return sweep_emit_all(v);
	struct sweep_crew crew = { .sweep = v->sweep, .sheet = v->sheet, .dir = v->dir, .jobs = (unsigned)v->jobs, .retry = v->retry,
	                           .show_progress = !v->no_progress && !v->quiet };
	v->stop = sweep_crew_run(&crew, &v->stopped);
	status = sweep_publish(v);
	int verdict = sweep_verdict(v);
	return status == CLI_OK ? verdict : status;
}

static void sweep_close(struct sweep_verb *v)
{
	output_close(&v->report);
	output_close(&v->csv);
	output_close(&v->json);
	sheet_destroy(v->sheet);
	sweep_destroy(v->sweep);
	sweep_dir_close(v->dir);
	grid_destroy(v->grid);
	sweep_recording_fini(&v->recording);
	mem_free(v->spec);
	mem_free(v->column_copy);
	mem_free(v->own_dir);
}

int cli_sweep(int argc, char **argv)
{
	struct sweep_verb v = {
		.report = { .option = "-o", .what = "table" }, .csv = { .option = "--csv", .what = "CSV" },
		.json = { .option = "--json", .what = "JSON" },
	};
	int status = sweep_all(&v, argc, argv);
	struct sweep_recording r = v.recording;
	sweep_close(&v);
	if (interrupt_seen())
		return cli_end_like(0, interrupt_seen());
	if (r.interrupted || (status == CLI_OK && (r.exit_status || r.signal)))
		return cli_end_like(r.exit_status, r.signal);
	return status;
}
