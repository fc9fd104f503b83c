/* tlb.c - pageworks tlb: every TLB and page size at once.
 *
 * Problem.  As with `run`, the verb stands between a person, a program that must not notice, and a reading that may be stopped at any
 * time; what was seen until then is worth a table.
 *
 * Idea.  The phases of run.c: words, files, models, program, steps, rendering.  The machine's words are those of `run`, less those
 * that make no sense for a memory without limit.
 *
 * 1. A program runs to its end whatever happens to its observation, and its status is ours.
 * 2. The report goes to standard output, or, beside a running program or a table on standard output, to standard error. */
#include "cli.h"
#include "interrupt.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "source.h"
#include "tlb_report.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../sim/tlb_sweep.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum tlb_key { KEY_PAGE = 0x200, KEY_ENTRIES, KEY_WAYS, KEY_ALL, KEY_TABLES_ONLY, KEY_JOBS, KEY_JSON, KEY_CSV, KEY_QUIET, KEY_PROGRESS };

#define PAGES_DEFAULT   "4K,16K,64K,2M,1G"
#define ENTRIES_DEFAULT "16,32,64,128,256,512,1024,2048,4096"
#define WAYS_DEFAULT    "2,4,8,16,fa"

static const struct argp_option tlb_options_list[] = {
	{ .doc = "The table:", .group = 1 },
	{ "page", KEY_PAGE, "LIST", 0, "page sizes (default " PAGES_DEFAULT ", as far as the format's page allows)" },
	{ "entries", KEY_ENTRIES, "LIST", 0, "numbers of entries (default " ENTRIES_DEFAULT ")" },
	{ "ways", KEY_WAYS, "LIST", 0, "ways, fa: fully associative (default " WAYS_DEFAULT ")" },
	{ "all", KEY_ALL, NULL, 0, "in JSON and CSV, every number of ways of every number of sets that was followed" },
	{ "tables-only", KEY_TABLES_ONLY, NULL, 0, "no real CPUs side by side, no ledger of large pages: faster" },
	{ .doc = "The report:", .group = 4 },
	{ "output", 'o', "FILE", 0, "write the report to FILE" },
	{ "json", KEY_JSON, "FILE", 0, "write the whole result as JSON to FILE ('-': standard output)" },
	{ "csv", KEY_CSV, "FILE", 0, "write the table as CSV to FILE ('-': standard output)" },
	{ "quiet", KEY_QUIET, NULL, 0, "no report" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ "jobs", KEY_JOBS, "N", 0, "threads (default: one for each CPU)" },
	{ 0 },
};

/* Of the machine's options, those that mean something here. */
enum { MACHINE_OPTIONS_MAX = 32 };
static struct argp_option tlb_machine_options[MACHINE_OPTIONS_MAX];

static void machine_options_choose(void)
{
	static const char *const words[] = { "format", "cpu", "tlb", "asids", "personality", "files", "quantum", "cost", "seed",
	                                     "limit", "warmup" };
	unsigned n = 0;
	for (const struct argp_option *o = machine_options; o->name || o->doc; o++)
		for (unsigned i = 0; o->name && n < MACHINE_OPTIONS_MAX - 1 && i < sizeof words / sizeof *words; i++)
			if (strcmp(o->name, words[i]) == 0)
				tlb_machine_options[n++] = *o;
}

struct tlb_verb {
	struct machine_words words;
	struct tlb_options options;
	const char *page, *entries, *ways;
	struct output report, json, csv;
	struct source source;
	bool all, quiet, no_progress, listed;
	uint64_t jobs;
	struct tlb_sweep *sweep;
	struct progress progress;
	struct tlb_result result;
	int status, signal;
};

static error_t tlb_parse_option(int key, char *arg, struct argp_state *state)
{
	struct tlb_verb *v = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &v->words;
		break;
	case 'o': v->report.name = arg; break;
	case KEY_PAGE: v->page = arg; break;
	case KEY_ENTRIES: v->entries = arg; break;
	case KEY_WAYS: v->ways = arg; break;
	case KEY_ALL: v->all = true; break;
	case KEY_TABLES_ONLY: v->options.tables_only = true; break;
	case KEY_JSON: v->json.name = arg; break;
	case KEY_CSV: v->csv.name = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_JOBS:
		if (text_u64(arg, &v->jobs, NULL) != PW_OK || v->jobs < 1 || v->jobs > 64)
			exit(cli_error("--jobs %s: write a number from 1 to 64", arg));
		break;
	case KEY_PROGRESS: v->no_progress = !progress_word(arg); break;
	case ARGP_KEY_ARG: source_take(&v->source, state); break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t tlb_parse_machine(int key, char *arg, struct argp_state *state) { return machine_argp.parser(key, arg, state); }

static const struct argp tlb_machine_argp = { tlb_machine_options, tlb_parse_machine, NULL, NULL, NULL, NULL, NULL };
static const struct argp_child tlb_children[] = { { &tlb_machine_argp, 0, "The machine:", 2 }, { 0 } };
static const struct argp tlb_argp = {
	tlb_options_list, tlb_parse_option, "TRACE...\n-- COMMAND [ARG...]",
	"Counts the misses of every size and shape of TLB, for several page sizes at once, in one reading of a program or a trace.\v"
	"Examples:\n"
	"  pageworks tlb -- sort FILE\n"
	"  pageworks tlb --page 4K,2M --entries 64,1536 --ways 4,12 sort.pwt\n"
	"  pageworks tlb --all --csv table.csv zipf:pages=1M,s=1.0,refs=50M\n"
	"  pageworks tlb --json - --quiet sort.pwt\n\n"
	"The exit status is the program's own, or 125, 126, 127 as for 'pageworks run'.",
	tlb_children, NULL, NULL,
};

/* Calls for each word of a comma-separated list.  => CLI_FAILED, said, when one is refused or there are none. */
static int each_word(const char *option, const char *list, int (*take)(struct tlb_verb *v, const char *word), struct tlb_verb *v)
{
	char copy[512];
	int n = snprintf(copy, sizeof copy, "%s", list);
	if (n <= 0 || n >= (int)sizeof copy)
		return cli_error("%s: write a list of at most %zu characters, as in 4,8", option, sizeof copy - 1);
	char *rest = copy;
	for (char *word; (word = strsep(&rest, ","));)
		if (take(v, word) != CLI_OK)
			return CLI_FAILED;
	return CLI_OK;
}

static int take_page(struct tlb_verb *v, const char *word)
{
	struct tlb_options *o = &v->options;
	struct pw_why why = { "" };
	uint64_t bytes = 0;
	if (text_size_option("--page", word, &bytes, &why) != PW_OK)
		return cli_error("%s", why.text);
	if (bytes < 16 || bytes & (bytes - 1) || bytes > 1ull << 40)
		return cli_error("--page %s: a page size is a power of two from 16 to 1T", word);
	if (o->n_sizes == TLB_SIZES)
		return cli_error("--page: at most %d page sizes at once", TLB_SIZES);
	unsigned at = o->n_sizes;
	for (unsigned i = 0; i < at; i++)
		if (o->page_bytes[i] == bytes)
			return cli_error("--page: %s stands twice", word);
	for (o->n_sizes++; at > 0 && o->page_bytes[at - 1] > bytes; at--)
		o->page_bytes[at] = o->page_bytes[at - 1];
	o->page_bytes[at] = bytes;
	return CLI_OK;
}

/* The default list is cut to what the format's page allows; a size that was asked for is refused. */
static int pages_fit(struct tlb_verb *v)
{
	struct tlb_options *o = &v->options;
	uint64_t least = 1ull << o->run.format.page_shift;
	while (!v->page && o->n_sizes > 1 && o->page_bytes[0] < least)
		memmove(o->page_bytes, o->page_bytes + 1, --o->n_sizes * sizeof *o->page_bytes);
	char a[32], b[32];
	if (o->page_bytes[0] < least)
		return cli_error("--page: pages of %s are of %s, none is %s; --format flat takes any size", o->run.format.name,
		                 text_bytes(a, sizeof a, least), text_bytes(b, sizeof b, o->page_bytes[0]));
	return CLI_OK;
}

static uint64_t list_number(const char *word)
{
	uint64_t n = 0;
	return text_size(word, &n, NULL) == PW_OK && n <= 1 << 16 ? n : 0;
}

static int add_shape(struct tlb_verb *v, uint64_t entries, uint64_t ways)
{
	struct tlb_options *o = &v->options;
	if (ways > entries || entries % ways)
		return CLI_OK;
	for (unsigned i = 0; i < o->n_shapes; i++)
		if (o->shape[i].entries == entries && o->shape[i].ways == ways)
			return CLI_OK;
	if (o->n_shapes == TLB_SHAPES)
		return cli_error("--entries and --ways: at most %d shapes at once", TLB_SHAPES);
	o->shape[o->n_shapes++] = (struct tlb_shape){ (uint32_t)entries, (uint32_t)ways };
	return CLI_OK;
}

/* Every number of entries with every number of ways that divides it; fully associative always, as conflicts are told by it. */
static int take_entries(struct tlb_verb *v, const char *word)
{
	char copy[512], *rest = copy;
	uint64_t entries = list_number(word);
	if (!entries)
		return cli_error("--entries %s: write numbers from 1 to 64K, as in 64,1536", word);
	if (snprintf(copy, sizeof copy, "%s", v->ways) >= (int)sizeof copy)
		return cli_error("--ways: write a list of at most %zu characters", sizeof copy - 1);
	for (char *one; (one = strsep(&rest, ","));) {
		uint64_t ways = strcmp(one, "fa") == 0 ? entries : list_number(one);
		if (!ways)
			return cli_error("--ways %s: write numbers, or fa for fully associative, as in 4,12,fa", one);
		if (add_shape(v, entries, ways) != CLI_OK)
			return CLI_FAILED;
	}
	return add_shape(v, entries, entries);
}

/* A flat table has the smallest of the page sizes. */
static int tlb_resolve(struct tlb_verb *v)
{
	char page[32];
	if (each_word("--page", v->page ? v->page : PAGES_DEFAULT, take_page, v) != CLI_OK)
		return CLI_FAILED;
	if (v->words.format && strcmp(v->words.format, "flat") == 0) {
		snprintf(page, sizeof page, "%llu", (unsigned long long)v->options.page_bytes[0]);
		v->words.page = page;
	}
	int status = machine_resolve(&v->words, &v->options.run, &v->listed);
	v->words.page = NULL;
	if (status != CLI_OK || v->listed)
		return status;
	v->ways = v->ways ? v->ways : WAYS_DEFAULT;
	v->options.threads = (unsigned)v->jobs;
	status = each_word("--entries", v->entries ? v->entries : ENTRIES_DEFAULT, take_entries, v);
	return status == CLI_OK ? pages_fit(v) : status;
}

static int tlb_words(struct tlb_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { tlb_options_list, tlb_machine_options };
	machine_options_choose();
	if (cli_check_options(argc, argv, lists, 2) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&tlb_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (tlb_resolve(v) != CLI_OK)
		return CLI_FAILED;
	if (v->listed)
		return CLI_OK;
	v->source.quantum = v->options.run.quantum;
	if (source_is_several(&v->source) && !v->source.quantum)
		v->source.quantum = v->options.run.quantum = RUN_QUANTUM;
	return source_check(&v->source, "what is to be looked at?");
}

/* The report stands on standard output unless something else does. */
static int tlb_open_outputs(struct tlb_verb *v)
{
	if (output_open(&v->json) != CLI_OK || output_open(&v->csv) != CLI_OK)
		return CLI_FAILED;
	v->report.file = v->source.is_command || output_is_stdout(&v->json) || output_is_stdout(&v->csv) ? stderr : stdout;
	return output_open(&v->report);
}

static enum run_state tlb_steps(struct tlb_verb *v)
{
	enum run_state state = RUN_GOING;
	while (state == RUN_GOING && !interrupt_seen()) {
		uint64_t at = tlb_sweep_position(v->sweep);
		if (v->progress.on)
			progress_show(&v->progress, at, source_fraction(&v->source, at, v->options.run.limit));
		state = tlb_sweep_step(v->sweep);
	}
	return state;
}

static void tlb_take_outcome(struct tlb_verb *v)
{
	const struct capture_outcome *o = &v->source.outcome;
	struct result_program *p = &v->result.head.program;
	p->wall_s = progress_seconds(&v->progress);
	if (!v->source.is_command)
		return;
	*p = (struct result_program){ true, o->ended, o->exit_status, o->signal, o->wall_s };
	v->status = o->exit_status;
	v->signal = o->signal;
}

/* => CLI_OK: there is a result. */
static int tlb_simulate(struct tlb_verb *v)
{
	struct pw_why why = { "" };
	if (!v->source.is_command)
		interrupt_watch();
	enum pw_err err = tlb_sweep_begin(v->sweep, v->source.trace, &why);
	progress_begin(&v->progress, !v->no_progress && !v->quiet);
	enum run_state state = err == PW_OK ? tlb_steps(v) : RUN_FAILED;
	if (err == PW_OK && state == RUN_FAILED)
		err = tlb_sweep_error(v->sweep, &why);
	progress_end(&v->progress);
	source_let_end(&v->source);
	if (!v->source.is_command)
		interrupt_unwatch();
	if (err == PW_OK)
		err = tlb_sweep_result(v->sweep, &v->result, &why);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	tlb_take_outcome(v);
	v->result.head.interrupted = interrupt_seen() != 0;
	if (result_set_command(&v->result.head, source_words(&v->source), source_n_words(&v->source)) != PW_OK)
		return cli_error("out of memory for the result");
	return CLI_OK;
}

static enum pw_err render_report(void *ctx, FILE *memory)
{
	const struct tlb_verb *v = ctx;
	tlb_report_write(&v->result, memory, cli_colour(v->report.file));
	return PW_OK;
}

static enum pw_err render_json(void *ctx, FILE *memory)
{
	const struct tlb_verb *v = ctx;
	return tlb_result_write_json(&v->result, v->all, memory);
}

static enum pw_err render_csv(void *ctx, FILE *memory)
{
	const struct tlb_verb *v = ctx;
	return tlb_result_write_csv(&v->result, v->all, memory);
}

static int tlb_publish(struct tlb_verb *v)
{
	const struct result *h = &v->result.head;
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, said in words */
	int reported = v->quiet && !v->report.name ? CLI_OK : output_write(&v->report, render_report, v);
	int json = output_write(&v->json, render_json, v), csv = output_write(&v->csv, render_csv, v);
	if (reported != CLI_OK || json != CLI_OK || csv != CLI_OK)
		return CLI_FAILED;
	if (h->checks.n_failed)
		return v->quiet ? cli_error("%s", h->checks.failed[0]) : CLI_FAILED;
	if (h->input_error != PW_OK)
		return cli_error("%s", *h->input_error_text ? h->input_error_text : pw_err_text(h->input_error));
	return CLI_OK;
}

static void tlb_close(struct tlb_verb *v)
{
	output_close(&v->report);
	output_close(&v->json);
	output_close(&v->csv);
	tlb_result_fini(&v->result);
	tlb_sweep_destroy(v->sweep);
	source_close(&v->source);
}

static int tlb_all(struct tlb_verb *v, int argc, char **argv)
{
	struct pw_why why = { "" };
	if (tlb_words(v, argc, argv) != CLI_OK)
		return CLI_FAILED;
	if (v->listed)
		return CLI_OK;
	if (tlb_open_outputs(v) != CLI_OK)
		return CLI_FAILED;
	enum pw_err err = tlb_sweep_create(&v->options, &v->sweep, &why);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	int status = source_open(&v->source, v->options.run.seed);
	if (status != CLI_OK)
		return status;
	status = tlb_simulate(v);
	if (status == CLI_OK)
		status = tlb_publish(v);
	if (interrupt_seen())
		v->signal = interrupt_seen();
	return status;
}

int cli_tlb(int argc, char **argv)
{
	struct tlb_verb *v = mem_zalloc(1, sizeof *v); /* large: not for the stack */
	if (!v)
		return cli_error("out of memory");
	v->source.several = true;
	v->report = (struct output){ .option = "-o", .what = "report" };
	v->json = (struct output){ .option = "--json", .what = "JSON" };
	v->csv = (struct output){ .option = "--csv", .what = "CSV" };
	int status = tlb_all(v, argc, argv);
	int own = v->status, signal_number = v->signal;
	tlb_close(v);
	mem_free(v);
	if (status == CLI_FAILED || !(own || signal_number))
		return status;
	return cli_end_like(own, signal_number);
}
