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
#include "options.h"
#include "progress.h"
#include "sweep_emit.h"
#include "sweep_record.h"
#include "sweep_show.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../sim/sweep_pool.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum sweep_key { KEY_DIR = 0x200, KEY_COLUMNS, KEY_SORT, KEY_PIVOT, KEY_CSV, KEY_JSON, KEY_QUIET, KEY_PROGRESS, KEY_RETRY, KEY_EMIT,
	KEY_COLLECT };

enum { COLUMNS_MAX = 32, GRID_BYTES_MAX = 1 << 20, PROGRESS_MS = 200 };

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
	bool help;
	const char *grid_name, *dir_name, *collect, *report_name, *csv_name, *json_name, *columns, *sort, *pivot;
	char *own_dir, *column_copy;
	char *column[COLUMNS_MAX];
	unsigned n_columns;
	enum sweep_emit emit;
	bool retry, quiet, no_progress, is_command;
	uint64_t jobs;
	int word_at, argc;
	char **argv;
	FILE *report, *csv, *json;
	struct sweep_dir *dir;
	struct sweep *sweep;
	struct sheet *sheet;
	struct sweep_view view;
	struct sweep_recording recording;
	struct progress progress;
	struct pool *pool;
	_Atomic float *fraction;      /* how much of each cell is done, written by its worker; NULL: not known */
	const char **spec;
	unsigned started, ended, to_run;
	struct pw_why stopped;        /* why no more cells were started */
};

static volatile sig_atomic_t sweep_signal;

static void sweep_interrupt(int signal_number) { sweep_signal = signal_number; }

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
	v->word_at = at;
	v->is_command = after_dashes;
	state->next = state->argc;
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
	case KEY_CSV: v->csv_name = arg; break;
	case KEY_JSON: v->json_name = arg; break;
	case 'o': v->report_name = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_RETRY: v->retry = true; break;
	case KEY_EMIT: v->emit = sweep_emit_kind(arg); break;
	case 'j':
		if (text_u64(arg, &v->jobs, NULL) != PW_OK || v->jobs < 1 || v->jobs > 1024)
			exit(cli_error("--jobs %s: write a number from 1 to 1024", arg));
		break;
	case KEY_PROGRESS:
		v->no_progress = strcmp(arg, "never") == 0;
		if (!v->no_progress && strcmp(arg, "auto") != 0)
			exit(cli_unknown("--progress", arg, (const char *const[]){ "auto", "never" }, 2));
		break;
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
	"  pageworks sweep --policy lru,fifo --ram 1M..64M:x2 --pivot ram,policy -- sort FILE\n"
	"  pageworks sweep --cpu skylake,zen4 --columns tlb.l2.misses,modelled.cycles a.pwt b.pwt\n"
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

static int sweep_words(struct sweep_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { sweep_options, machine_options };
	v->argc = argc;
	v->argv = argv;
	if (grid_create(&v->grid) != PW_OK)
		return cli_error("out of memory");
	if (cli_check_options(argc, argv, lists, 2) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&sweep_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (v->help)
		return CLI_OK;
	if (sweep_columns(v) != CLI_OK || sweep_view_sort(v) != CLI_OK || sweep_view_pivot(v) != CLI_OK)
		return CLI_FAILED;
	if (v->collect && (v->word_at || v->grid_name || v->emit))
		return cli_error("--collect %s takes no grid, no trace and no --emit: the directory knows them", v->collect);
	if (v->collect)
		return CLI_OK;
	if (!v->word_at)
		return cli_error("over what? give a trace, or -- and a command%s", v->grid_name ? ", after the grid" : "");
	for (int i = v->word_at; !v->is_command && i < argc; i++)
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
	const char *name = v->grid_name ? v->grid_name : v->argv[v->word_at];
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

static int sweep_open_one(const char *option, const char *name, FILE **ret)
{
	if (!name)
		return CLI_OK;
	*ret = strcmp(name, "-") == 0 ? stdout : fopen(name, "we");
	return *ret ? CLI_OK : cli_error("%s: %s: %s", option, name, strerror(errno));
}

/* The table gives way to CSV, JSON and the program on standard output. */
static int sweep_open_outputs(struct sweep_verb *v)
{
	if (sweep_open_one("-o", v->report_name, &v->report) != CLI_OK || sweep_open_one("--csv", v->csv_name, &v->csv) != CLI_OK ||
	    sweep_open_one("--json", v->json_name, &v->json) != CLI_OK)
		return CLI_FAILED;
	if (!v->report)
		v->report = v->csv == stdout || v->json == stdout || (v->is_command && !v->emit) ? stderr : stdout;
	v->view.colour = cli_colour(v->report);
	return CLI_OK;
}

static int sweep_plan(struct sweep_verb *v)
{
	struct pw_why why = { "" };
	unsigned n = v->is_command ? 1 : (unsigned)(v->argc - v->word_at);
	v->spec = mem_zalloc(n, sizeof *v->spec);
	if (!v->spec)
		return cli_error("out of memory");
	for (unsigned i = 0; i < n; i++)
		v->spec[i] = v->is_command ? v->recording.path : v->argv[v->word_at + (int)i];
	enum pw_err err = sweep_create(v->grid, v->spec, n, v->dir, &v->sweep, &why);
	if (err == PW_OK)
		err = sheet_plan_write(v->sweep, v->dir, v->argv, (unsigned)v->argc, &why);
	if (err == PW_OK)
		err = sheet_load(v->dir, v->column, v->n_columns, &v->sheet, &why);
	return err == PW_OK ? CLI_OK : cli_error("%s", *why.text ? why.text : pw_err_text(err));
}

/* What cannot be is said before anything runs: each reason once. */
static int sweep_say_impossible(const struct sweep_verb *v)
{
	unsigned n = sheet_count(v->sheet, SHEET_IMPOSSIBLE);
	const struct sheet_cell *first = NULL;
	for (unsigned i = 0; i < v->sheet->n_cells; i++) {
		const struct sheet_cell *c = &v->sheet->cell[i];
		unsigned k = 0, same = 0;
		if (c->state != SHEET_IMPOSSIBLE)
			continue;
		first = first ? first : c;
		while (k < i && !(v->sheet->cell[k].state == SHEET_IMPOSSIBLE && strcmp(v->sheet->cell[k].why, c->why) == 0))
			k++;
		if (k < i || v->quiet)
			continue;
		for (k = i; k < v->sheet->n_cells; k++)
			same += v->sheet->cell[k].state == SHEET_IMPOSSIBLE && strcmp(v->sheet->cell[k].why, c->why) == 0;
		if (n < v->sheet->n_cells)
			fprintf(stderr, "pageworks sweep: %u of %u cells cannot be: %s\n", same, v->sheet->n_cells, c->why);
	}
	return n < v->sheet->n_cells ? CLI_OK : cli_error("no cell of the grid can be: %s", first->why);
}

static void sweep_show_progress(struct sweep_verb *v)
{
	char text[160];
	double done = v->ended, seconds = progress_seconds(&v->progress);
	if (!v->progress.on)
		return;
	int n = snprintf(text, sizeof text, "%u of %u cells, %u running", v->ended, v->to_run, pool_running(v->pool));
	for (unsigned i = 0; v->fraction && i < v->sheet->n_cells; i++)
		done += v->fraction[i];
	if (done > 0 && n > 0)
		snprintf(text + n, sizeof text - (size_t)n, ", about %.0f s left", seconds / done * (v->to_run - done));
	progress_say(&v->progress, text);
}

static enum pw_err sweep_work(void *ctx, unsigned cell, struct pw_why *why)
{
	struct sweep_verb *v = ctx;
	return sweep_run_cell(v->sweep, cell, v->dir, v->fraction ? &v->fraction[cell] : NULL, why);
}

/* A cell is over.  => what it left is in the sheet; a failure is written down. */
static void sweep_take(struct sweep_verb *v, const struct pool_end *end)
{
	char path[SWEEP_PATH], line[sizeof end->why.text + 2];
	const char *id = v->sweep->cell[end->piece].id;
	struct pw_why why = { "" };
	v->ended++;
	if (v->fraction)
		v->fraction[end->piece] = 0;
	if (end->died)
		sweep_dir_clean(v->dir, end->pid);
	if (!end->died && (end->err == PW_IO || end->err == PW_NOSPACE)) {
		v->stopped = end->why;
	} else if (end->err != PW_OK) {
		int n = snprintf(line, sizeof line, "%s\n", *end->why.text ? end->why.text : pw_err_text(end->err));
		if (sweep_dir_write(sweep_dir_failure(v->dir, id, path), line, (size_t)n, &why) != PW_OK)
			v->stopped = why;
	} else {
		unlink(sweep_dir_failure(v->dir, id, path));
	}
	for (unsigned i = 0; i < v->sheet->n_cells; i++)
		if (v->sheet->cell[i].id && strcmp(v->sheet->cell[i].id, id) == 0)
			sheet_cell_load(v->sheet, v->dir, i);
}

static bool sweep_wants(const struct sweep_verb *v, unsigned cell)
{
	const struct sheet_cell *c = &v->sheet->cell[cell];
	return !c->repeated && (c->state == SHEET_MISSING || c->state == SHEET_DAMAGED || (c->state == SHEET_FAILED && v->retry));
}

static void sweep_watch_signals(void (*handler)(int))
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = handler == SIG_DFL ? 0 : (int)SA_RESETHAND };
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
}

static void sweep_loop(struct sweep_verb *v, const unsigned *list)
{
	struct pool_end end;
	while (!sweep_signal && !*v->stopped.text && (v->started < v->to_run || pool_running(v->pool))) {
		sweep_show_progress(v);
		if (v->started < v->to_run && pool_has_room(v->pool)) {
			if (pool_start(v->pool, sweep_work, v, list[v->started], &v->stopped) == PW_OK)
				v->started++;
		} else if (pool_wait(v->pool, PROGRESS_MS, &end)) {
			sweep_take(v, &end);
		}
	}
	/* What still runs is let go; what it wrote is removed with it. */
	while (pool_kill(v->pool, &end)) {
		sweep_dir_clean(v->dir, end.pid);
		sheet_cell_load(v->sheet, v->dir, end.piece);
	}
}

static int sweep_run(struct sweep_verb *v)
{
	unsigned *list = mem_zalloc(v->sheet->n_cells + 1, sizeof *list);
	unsigned jobs = (unsigned)v->jobs;
	cpu_set_t cpus;
	if (!jobs)
		jobs = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
	if (!list || pool_create(jobs, &v->pool) != PW_OK) {
		mem_free(list);
		return cli_error("out of memory");
	}
	for (unsigned i = 0; i < v->sheet->n_cells; i++)
		if (sweep_wants(v, i))
			list[v->to_run++] = i;
	size_t bytes = v->sheet->n_cells * sizeof *v->fraction;
	void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	v->fraction = shared == MAP_FAILED ? NULL : shared;
	sweep_watch_signals(sweep_interrupt);
	progress_begin(&v->progress, !v->no_progress && !v->quiet);
	sweep_loop(v, list);
	progress_end(&v->progress);
	sweep_watch_signals(SIG_DFL);
	if (v->fraction)
		munmap(v->fraction, bytes);
	mem_free(list);
	return CLI_OK;
}

static enum pw_err sweep_render(struct sweep_verb *v, FILE *out)
{
	enum pw_err err = v->pivot ? sweep_show_pivot(v->sheet, &v->view, out) : sweep_show_table(v->sheet, &v->view, out);
	if (err == PW_OK) {
		fputc('\n', out);
		sweep_show_summary(v->sheet, out);
	}
	return err;
}

enum sweep_form { FORM_TABLE, FORM_CSV, FORM_JSON, FORM_EMIT };

/* Makes one form in memory and writes it; the file is closed. */
static int sweep_write(struct sweep_verb *v, enum sweep_form form, const char *what, const char *name, FILE **file)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = *file, *memory = open_memstream(&text, &bytes);
	enum pw_err err = memory ? PW_OK : PW_NOMEM;
	*file = NULL;
	if (memory && form == FORM_TABLE)
		err = sweep_render(v, memory);
	else if (memory && form == FORM_CSV)
		sweep_show_csv(v->sheet, memory);
	else if (memory && form == FORM_JSON)
		err = sweep_show_json(v->sheet, v->dir, memory);
	else if (memory)
		sweep_emit(v->sheet, v->dir, v->emit, memory);
	if (memory && fclose(memory) != 0)
		err = PW_NOMEM;
	if (!name && out == stdout)
		name = "-";
	int status = err == PW_OK ? cli_write(what, name, out, text, bytes) : cli_error("out of memory for the %s", what);
	mem_free(text);
	return status;
}

static int sweep_publish(struct sweep_verb *v)
{
	int status = CLI_OK;
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, said in words */
	if (!v->quiet || v->report_name)
		status = sweep_write(v, FORM_TABLE, "table", v->report_name, &v->report);
	if (v->csv && sweep_write(v, FORM_CSV, "CSV", v->csv_name, &v->csv) != CLI_OK)
		status = CLI_FAILED;
	if (v->json && sweep_write(v, FORM_JSON, "JSON", v->json_name, &v->json) != CLI_OK)
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
	if (*v->stopped.text)
		return cli_error("%s; what is finished is kept, and the same command continues", v->stopped.text);
	if (sweep_signal)
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
	int status = sweep_write(v, FORM_EMIT, "list", v->report_name, &v->report);
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
	if (!v->is_command)
		return CLI_OK;
	if (grid_machines(v->grid, &machine, &n, &why) != PW_OK)
		return cli_error("%s", why.text);
	unsigned shift = sweep_granule_shift(machine, n);
	mem_free(machine);
	enum pw_err err = sweep_record(v->dir, v->argv + v->word_at, shift, &v->recording, &why);
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
	status = sweep_run(v);
	if (status == CLI_OK)
		status = sweep_publish(v);
	int verdict = sweep_verdict(v);
	return status == CLI_OK ? verdict : status;
}

static void sweep_close(struct sweep_verb *v)
{
	FILE *const files[] = { v->report, v->csv, v->json };
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
		if (files[i] && files[i] != stdout && files[i] != stderr)
			fclose(files[i]);
	pool_destroy(v->pool);
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
	struct sweep_verb v = { 0 };
	int status = sweep_all(&v, argc, argv);
	int exit_status = v.recording.exit_status, signal_number = sweep_signal ? sweep_signal : v.recording.signal;
	sweep_close(&v);
	if (signal_number || (status == CLI_OK && exit_status))
		return cli_end_like(exit_status, signal_number);
	return status;
}
