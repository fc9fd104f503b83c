/* run.c - pageworks run: simulate a trace or a program, and report.
 *
 * Problem.  The verb stands between a person, a program that must not notice, and a simulation that may be stopped at any time; each
 * way to end has its exit status.
 *
 * Idea.  Phases over one context: read the words, open what will be written (a full disk or a wrong name is found before a program
 * runs), build the machine, start the program, step until the end, then render the one result into everything that was asked for.
 *
 *     words -> outputs -> machine -> trace or program -> steps -> result -> report, JSON, kept copy -> --fail-on -> exit status
 *
 * Invariants.
 *   1. The program is started only when nothing else can fail any more but memory.
 *   2. Whatever ends the steps, the report of what ran is printed.
 *   3. The exit status is the program's, unless pageworks itself failed (125) or the program was content and --fail-on was not (124).
 *
 * Rejected: stopping the program at --limit (it would not end as it does natively): it runs on, unobserved, to its end. */
#include "cli.h"
#include "expr.h"
#include "keep.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../trace/capture.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum run_key { KEY_JSON = 0x200, KEY_QUIET, KEY_PROGRESS, KEY_DUMP, KEY_FAIL_ON, KEY_FAIL_STATUS };

static const struct argp_option run_options_list[] = {
	{ .doc = "The report:", .group = 4 },
	{ "output", 'o', "FILE", 0, "write the report to FILE instead of standard error" },
	{ "json", KEY_JSON, "FILE", 0, "write the whole result as JSON to FILE ('-': standard output)" },
	{ "quiet", KEY_QUIET, NULL, 0, "no report" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ "dump", KEY_DUMP, "FILE", 0, "write physical memory as a raw image at the end, and its page-table roots to FILE.roots" },
	{ "fail-on", KEY_FAIL_ON, "EXPR", 0, "exit with status 124 when EXPR holds: 'faults.major>1000 || tlb.l2.misses>1%*references.total'" },
	{ "fail-status", KEY_FAIL_STATUS, "N", 0, "use status N instead of 124" },
	{ 0 },
};

struct run_verb {
	struct machine_words words;
	struct run_options options;
	const char *report_name, *json_name, *dump_name, *fail_on;
	FILE *report, *json, *dump, *roots;
	bool quiet, no_progress, is_command, listed;
	uint64_t fail_status;
	int word_at;              /* index of the trace's or command's first word */
	char **argv;
	int argc;
	struct trace *trace;
	struct run *run;
	struct progress progress;
	struct result result;
	int status, signal;       /* how to end */
};

static volatile sig_atomic_t run_signal;

static void run_interrupt(int signal_number) { run_signal = signal_number; }

static error_t run_parse(int key, char *arg, struct argp_state *state)
{
	struct run_verb *v = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &v->words;
		break;
	case 'o': v->report_name = arg; break;
	case KEY_JSON: v->json_name = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_DUMP: v->dump_name = arg; break;
	case KEY_FAIL_ON: v->fail_on = arg; break;
	case KEY_FAIL_STATUS:
		if (text_u64(arg, &v->fail_status, NULL) != PW_OK || v->fail_status < 1 || v->fail_status > 255)
			exit(cli_error("--fail-status %s: a status is a number from 1 to 255", arg));
		break;
	case KEY_PROGRESS:
		v->no_progress = strcmp(arg, "never") == 0;
		if (!v->no_progress && strcmp(arg, "auto") != 0)
			exit(cli_unknown("--progress", arg, (const char *const[]){ "auto", "never" }, 2));
		break;
	case ARGP_KEY_ARG:
		v->word_at = state->next - 1;
		v->is_command = v->word_at > 0 && strcmp(state->argv[v->word_at - 1], "--") == 0;
		state->next = state->argc;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child run_children[] = { { &machine_argp, 0, NULL, 0 }, { 0 } };
static const struct argp run_argp = {
	run_options_list, run_parse, "TRACE\n-- COMMAND [ARG...]",
	"Simulates every memory reference of a program, or of a recorded or generated trace, on a machine with real page tables and a "
	"kernel that serves its faults, and reports what happened.\v"
	"Examples:\n"
	"  pageworks run -- gzip -k FILE\n"
	"  pageworks run --ram 8M --policy clock -- sort FILE\n"
	"  pageworks run --personality linux -- python3 -c 'print(1)'\n"
	"  pageworks run --frames 3 --policy fifo pages.txt\n"
	"  pageworks run --tlb l1d=64/4,l2=1536/12 zipf:pages=1M,s=1.0,refs=50M\n"
	"  pageworks run --json - --quiet sort.pwt\n\n"
	"The exit status is the program's own (128+N and the same signal when a signal killed it); 124: --fail-on held, 125: pageworks "
	"failed, 126: the command cannot be executed, 127: it was not found.",
	run_children, NULL, NULL,
};

static int run_words(struct run_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { run_options_list, machine_options };
	struct pw_why why = { "" };
	v->argc = argc;
	v->argv = argv;
	v->fail_status = CLI_FAIL_ON;
	if (cli_check_options(argc, argv, lists, 2) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&run_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (machine_resolve(&v->words, &v->options, &v->listed) != CLI_OK)
		return CLI_FAILED;
	if (v->listed)
		return CLI_OK;
	if (!v->word_at)
		return cli_error("what is to be run? give a trace, or -- and a command");
	if (!v->is_command && v->word_at + 1 < argc)
		return cli_error("%s: one trace at a time, options before it; put -- before a command: pageworks run -- %s ...",
		                 argv[v->word_at + 1], argv[v->word_at]);
	if (v->fail_on && expr_check(v->fail_on, &why) != PW_OK)
		return cli_error("--fail-on: %s", why.text);
	if (v->dump_name && !v->options.ram_bytes)
		return cli_error("--dump %s: the image has the size of memory, so say how much there is: --ram SIZE", v->dump_name);
	if (v->is_command && v->options.policy->wants_future)
		return cli_error("--policy %s must know the future: first 'pageworks record -o FILE -- %s ...', then 'pageworks run "
		                 "--policy %s FILE'", v->options.policy->name, argv[v->word_at], v->options.policy->name);
	return CLI_OK;
}

static int run_open_one(const char *option, const char *name, FILE **ret)
{
	if (!name)
		return CLI_OK;
	*ret = strcmp(name, "-") == 0 ? stdout : fopen(name, "we");
	if (!*ret)
		return cli_error("%s: %s: %s", option, name, strerror(errno));
	return CLI_OK;
}

static int run_open_outputs(struct run_verb *v)
{
	char roots[4096];
	v->report = stderr;
	if (run_open_one("-o", v->report_name, &v->report) != CLI_OK || run_open_one("--json", v->json_name, &v->json) != CLI_OK ||
	    run_open_one("--dump", v->dump_name, &v->dump) != CLI_OK)
		return CLI_FAILED;
	if (v->dump) {
		snprintf(roots, sizeof roots, "%s.roots", v->dump_name);
		if (run_open_one("--dump", roots, &v->roots) != CLI_OK)
			return CLI_FAILED;
	}
	v->options.dump = v->dump;
	v->options.dump_roots = v->roots;
	return CLI_OK;
}

/* => the exit status when it cannot be opened. */
static int run_open_trace(struct run_verb *v)
{
	struct pw_why why = { "" };
	enum pw_err err;
	if (v->is_command) {
		struct capture_options co = { .seed = v->options.seed, .take_signals = true };
		err = capture_open(&co, v->argv + v->word_at, &v->trace, &why);
	} else {
		err = trace_open(v->argv[v->word_at], &v->trace, &why);
	}
	if (err == PW_OK)
		return CLI_OK;
	cli_error("%s", *why.text ? why.text : pw_err_text(err));
	return v->is_command ? capture_exit_status(err) : CLI_FAILED;
}

static void run_watch_signals(void (*handler)(int))
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = handler == SIG_DFL ? 0 : (int)SA_RESETHAND };
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

static double run_fraction(const struct run_verb *v)
{
	struct trace_info info = trace_describe(v->trace);
	uint64_t all = info.refs_total;
	if (v->options.limit && (!all || v->options.limit < all))
		all = v->options.limit;
	return all ? (double)run_position(v->run) / (double)all : info.progress;
}

static enum run_state run_steps(struct run_verb *v)
{
	enum run_state state = RUN_GOING;
	while (state == RUN_GOING && !run_signal) {
		state = run_step(v->run);
		if (v->progress.on)
			progress_show(&v->progress, run_position(v->run), run_fraction(v));
	}
	return state;
}

/* A program runs to its end even when nobody looks any more. */
static void run_let_end(struct run_verb *v)
{
	struct trace_item item;
	do
		trace_next(v->trace, &item);
	while (item.kind != TRACE_ITEM_END);
}

static void run_take_outcome(struct run_verb *v)
{
	struct capture_outcome o = { 0 };
	struct result_program *p = &v->result.program;
	p->wall_s = progress_seconds(&v->progress);
	if (!v->is_command)
		return;
	capture_outcome(v->trace, &o);
	*p = (struct result_program){ true, o.ended, o.exit_status, o.signal, o.wall_s };
	v->status = o.exit_status;
	v->signal = o.signal;
}

/* Runs until the trace ends or somebody stops it.  => CLI_OK: there is a result. */
static int run_simulate(struct run_verb *v)
{
	struct pw_why why = { "" };
	if (!v->is_command)
		run_watch_signals(run_interrupt);
	enum pw_err err = run_begin(v->run, v->trace, &why);
	progress_begin(&v->progress, !v->no_progress && !v->quiet);
	enum run_state state = err == PW_OK ? run_steps(v) : RUN_FAILED;
	progress_end(&v->progress);
	if (err == PW_OK && state == RUN_FAILED)
		err = run_error(v->run, &why);
	if (v->is_command)
		run_let_end(v);
	if (!v->is_command)
		run_watch_signals(SIG_DFL);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	if (run_result(v->run, &v->result, &why) != PW_OK)
		return cli_error("%s", why.text);
	run_take_outcome(v);
	v->result.interrupted = run_signal != 0;
	if (result_set_command(&v->result, v->argv + v->word_at, (unsigned)(v->argc - v->word_at)) != PW_OK)
		return cli_error("out of memory for the result");
	return CLI_OK;
}

static int run_write_report(struct run_verb *v)
{
	char *text = NULL;
	size_t bytes = 0;
	if (v->quiet && !v->report_name)
		return CLI_OK;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return cli_error("out of memory for the report");
	report_write(&v->result, memory, cli_colour(v->report));
	bool whole = fclose(memory) == 0;
	int status = whole ? cli_write("report", v->report_name, v->report, text, bytes) : cli_error("out of memory for the report");
	mem_free(text);
	v->report = NULL;
	return status;
}

static int run_fail_on(struct run_verb *v, const char *text, size_t bytes)
{
	struct pw_why why = { "" };
	bool holds = false;
	if (!v->fail_on)
		return CLI_OK;
	json_t *tree = json_loadb(text, bytes, 0, NULL);
	if (!tree)
		return cli_error("--fail-on: out of memory");
	enum pw_err err = expr_test(v->fail_on, tree, &holds, &why);
	json_decref(tree);
	if (err != PW_OK)
		return cli_error("--fail-on: %s", why.text);
	if (!holds)
		return CLI_OK;
	cli_error("--fail-on '%s' holds", v->fail_on);
	return (int)v->fail_status;
}

/* => the JSON in memory, or NULL. */
static char *run_json_text(const struct result *r, size_t *bytes)
{
	char *text = NULL;
	FILE *memory = open_memstream(&text, bytes);
	if (!memory)
		return NULL;
	enum pw_err err = result_write_json(r, memory);
	if (fclose(memory) == 0 && err == PW_OK)
		return text;
	mem_free(text);
	return NULL;
}

static int run_write_json(struct run_verb *v)
{
	size_t bytes = 0;
	char *text = run_json_text(&v->result, &bytes);
	if (!text)
		return cli_error("out of memory for the result");
	int status = v->json ? cli_write("JSON", v->json_name, v->json, text, bytes) : CLI_OK;
	v->json = NULL;
	keep_result(text, bytes);
	int held = run_fail_on(v, text, bytes);
	mem_free(text);
	return status != CLI_OK ? status : held;
}

static int run_close_dump(struct run_verb *v)
{
	bool ok = true;
	for (unsigned i = 0; i < 2; i++) {
		FILE **f = i ? &v->roots : &v->dump;
		if (*f) {
			ok = !ferror(*f) && ok;
			ok = fclose(*f) == 0 && ok;
		}
		*f = NULL;
	}
	return ok ? CLI_OK : cli_error("--dump: %s could not be written: %s", v->dump_name, strerror(errno));
}

/* Everything the result is asked for.  => our own verdict: CLI_OK, 125, or the status of --fail-on. */
static int run_publish(struct run_verb *v)
{
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, said in words */
	int dumped = run_close_dump(v);
	int reported = run_write_report(v);
	int verdict = run_write_json(v);
	if (dumped != CLI_OK || reported != CLI_OK)
		return CLI_FAILED;
	if (v->result.checks.n_failed)
		return v->quiet ? cli_error("%s", v->result.checks.failed[0]) : CLI_FAILED;
	if (v->result.input_error != PW_OK)
		return cli_error("%s", *v->result.input_error_text ? v->result.input_error_text : pw_err_text(v->result.input_error));
	return verdict;
}

static void run_close(struct run_verb *v)
{
	if (v->report && v->report != stderr && v->report != stdout)
		fclose(v->report);
	if (v->json && v->json != stdout)
		fclose(v->json);
	if (v->dump)
		fclose(v->dump);
	if (v->roots)
		fclose(v->roots);
	result_fini(&v->result);
	run_destroy(v->run);
	if (v->trace)
		trace_close(v->trace);
}

static int run_all(struct run_verb *v, int argc, char **argv)
{
	struct pw_why why = { "" };
	if (run_words(v, argc, argv) != CLI_OK)
		return CLI_FAILED;
	if (v->listed)
		return CLI_OK;
	if (run_open_outputs(v) != CLI_OK)
		return CLI_FAILED;
	enum pw_err err = run_create(&v->options, &v->run, &why);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	int status = run_open_trace(v);
	if (status != CLI_OK)
		return status;
	status = run_simulate(v);
	if (status == CLI_OK)
		status = run_publish(v);
	if (run_signal)
		v->signal = run_signal;
	return status;
}

int cli_run(int argc, char **argv)
{
	struct run_verb v = { 0 };
	int status = run_all(&v, argc, argv);
	run_close(&v);
	if (status == CLI_FAILED || !(v.signal || v.status))
		return status;
	return cli_end_like(v.status, v.signal);
}
