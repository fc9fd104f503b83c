/* curve.c - pageworks curve: faults in every size of memory.
 *
 * Problem.  As run, with one answer in four dresses (text with a plot, JSON, CSV, SVG), each of which may go anywhere.
 * Idea.  As run: words, outputs, trace or program, steps, result, rendering.  Every output is opened before anything starts and made in
 * memory before it is written.
 *
 * Invariants.
 *   1. Whatever ends the steps (the end, --limit, Ctrl-C, a truncated input), the curve of what was seen is printed.
 *   2. The exit status is the program's, unless pageworks itself failed: 125. */
#include "cli.h"
#include "curve_report.h"
#include "plot.h"
#include "progress.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../sim/shards.h"
#include "../sim/words.h"
#include "../trace/capture.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum curve_key {
	KEY_POLICY = 0x300, KEY_FRAMES, KEY_ALL, KEY_PAGE, KEY_LIMIT, KEY_WARMUP, KEY_TAU, KEY_SEED, KEY_JSON, KEY_CSV, KEY_SVG,
	KEY_QUIET, KEY_PROGRESS, KEY_SAMPLE,
};

static const struct argp_option curve_options_list[] = {
	{ .doc = "The curve:", .group = 1 },
	{ "policy", KEY_POLICY, "NAME,...", 0, "curves of these policies (default lru)" },
	{ "frames", KEY_FRAMES, "N,...", 0, "at these numbers of frames; N% is of the pages touched (default: eight to a doubling)" },
	{ "all", KEY_ALL, NULL, 0, "points at every number of frames there is" },
	{ "page", KEY_PAGE, "SIZE", 0, "page size, a power of two (default 4K)" },
	{ "limit", KEY_LIMIT, "N", 0, "look only at the first N references" },
	{ "warmup", KEY_WARMUP, "N", 0, "let N references pass before counting" },
	{ "tau", KEY_TAU, "N", 0, "window of the working set over time, in references (default 1M)" },
	{ "sample", KEY_SAMPLE, "N", OPTION_ARG_OPTIONAL, "estimate from a sample of N pages (8K), or of N% of all pages" },
	{ "seed", KEY_SEED, "N", 0, "of everything random (default 1)" },
	{ .doc = "The report:", .group = 2 },
	{ "output", 'o', "FILE", 0, "write the report to FILE instead of standard output (with a command: standard error)" },
	{ "json", KEY_JSON, "FILE", 0, "write the whole result as JSON to FILE ('-': standard output)" },
	{ "csv", KEY_CSV, "FILE", 0, "write the points as CSV" },
	{ "svg", KEY_SVG, "FILE", 0, "draw the curves as SVG" },
	{ "quiet", KEY_QUIET, NULL, 0, "no report" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ 0 },
};

enum { POLICIES_MAX = 32, OUTPUTS = 4 };
enum curve_output { OUT_REPORT, OUT_JSON, OUT_CSV, OUT_SVG };
static const char *const output_option[OUTPUTS] = { "-o", "--json", "--csv", "--svg" };
static const char *const output_title[OUTPUTS] = { "report", "JSON", "CSV", "SVG" };

struct curve_verb {
	const char *policy, *frames, *page, *limit, *warmup, *tau, *seed, *sample;
	struct curve_options options;
	const struct policy_ops *policies[POLICIES_MAX];
	struct curve_size *size;
	const char *name[OUTPUTS];
	FILE *out[OUTPUTS];
	bool quiet, no_progress, is_command;
	int word_at, argc;
	char **argv;
	struct trace *trace;
	struct curve *curve;
	struct progress progress;
	struct curve_result result;
	int status, signal;
};

static volatile sig_atomic_t curve_signal;
static void curve_interrupt(int signal_number) { curve_signal = signal_number; }

static error_t curve_parse_output(struct curve_verb *v, int key, char *arg)
{
	switch (key) {
	case 'o': v->name[OUT_REPORT] = arg; break;
	case KEY_JSON: v->name[OUT_JSON] = arg; break;
	case KEY_CSV: v->name[OUT_CSV] = arg; break;
	case KEY_SVG: v->name[OUT_SVG] = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_PROGRESS:
		v->no_progress = strcmp(arg, "never") == 0;
		if (!v->no_progress && strcmp(arg, "auto") != 0)
			exit(cli_unknown("--progress", arg, (const char *const[]){ "auto", "never" }, 2));
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t curve_parse(int key, char *arg, struct argp_state *state)
{
	struct curve_verb *v = state->input;
	switch (key) {
	case KEY_POLICY: v->policy = arg; break;
	case KEY_FRAMES: v->frames = arg; break;
	case KEY_ALL: v->options.all = true; break;
	case KEY_PAGE: v->page = arg; break;
	case KEY_LIMIT: v->limit = arg; break;
	case KEY_WARMUP: v->warmup = arg; break;
	case KEY_TAU: v->tau = arg; break;
	case KEY_SEED: v->seed = arg; break;
	case KEY_SAMPLE:
		v->sample = arg;
		v->options.sampled = true;
		break;
	case ARGP_KEY_ARG:
		v->word_at = state->next - 1;
		v->is_command = v->word_at > 0 && strcmp(state->argv[v->word_at - 1], "--") == 0;
		state->next = state->argc;
		break;
	default: return curve_parse_output(v, key, arg);
	}
	return 0;
}

static const struct argp curve_argp = {
	curve_options_list, curve_parse, "TRACE\n-- COMMAND [ARG...]",
	"Finds the page faults of a program, or of a recorded or generated trace, in every size of memory at once, and says how much "
	"memory it needs.\v"
	"Examples:\n"
	"  pageworks curve -- sort FILE\n"
	"  pageworks curve --policy lru,opt --svg sort.svg sort.pwt\n"
	"  pageworks curve --frames 100,1%,10% --json - --quiet zipf:pages=1M,s=1.0,refs=50M\n"
	"  pageworks curve --all --csv curve.csv pages.txt\n\n"
	"At every size the faults and write-backs are those of 'pageworks run --frames N' with the same policy.",
	NULL, NULL, NULL,
};

static int curve_number(const char *option, const char *word, uint64_t *ret)
{
	if (word && text_size(word, ret, NULL) != PW_OK)
		return cli_error("%s: '%s' is not a number", option, word);
	return CLI_OK;
}

static int curve_policy_add(struct curve_verb *v, const char *name)
{
	const char *names[POLICIES_MAX];
	unsigned n = 0;
	const struct policy_ops *p = policy_find(name);
	for (; n < POLICIES_MAX && policy_at(n); n++)
		names[n] = policy_at(n)->name;
	if (!p)
		return cli_unknown("--policy", name, names, n);
	for (unsigned i = 0; i < v->options.n_policies; i++)
		if (v->policies[i] == p)
			return CLI_OK;
	if (v->options.n_policies == POLICIES_MAX)
		return cli_error("--policy: at most %d policies at once", POLICIES_MAX);
	v->policies[v->options.n_policies++] = p;
	return CLI_OK;
}

static int curve_policies(struct curve_verb *v)
{
	char *copy = mem_strdup(v->policy ? v->policy : "lru"), *rest = copy;
	int status = copy ? CLI_OK : cli_error("out of memory for --policy");
	while (status == CLI_OK && rest)
		status = curve_policy_add(v, strsep(&rest, ","));
	mem_free(copy);
	v->options.policy = v->policies;
	return status;
}

static int curve_page(struct curve_verb *v)
{
	struct pw_why why = { "" };
	uint64_t bytes = 4096;
	if (v->page && text_size_option("--page", v->page, &bytes, &why) != PW_OK)
		return cli_error("%s", why.text);
	if (bytes < 64 || bytes > 1u << 30 || bytes & (bytes - 1))
		return cli_error("--page %s: a page size is a power of two from 64 to 1G", v->page);
	v->options.page_shift = (unsigned)__builtin_ctzll(bytes);
	return CLI_OK;
}

static int curve_experiment(struct curve_verb *v)
{
	struct curve_options *o = &v->options;
	if (curve_number("--limit", v->limit, &o->limit) != CLI_OK || curve_number("--warmup", v->warmup, &o->warmup) != CLI_OK ||
	    curve_number("--tau", v->tau, &o->tau) != CLI_OK || curve_number("--seed", v->seed, &o->seed) != CLI_OK)
		return CLI_FAILED;
	if (v->limit && !o->limit)
		return cli_error("--limit %s: nothing would be looked at", v->limit);
	if (o->limit && o->warmup >= o->limit)
		return cli_error("--warmup %s is not less than --limit %s: nothing would be counted", v->warmup, v->limit);
	if (!o->tau)
		return cli_error("--tau %s: a window has at least one reference", v->tau);
	return CLI_OK;
}

static int curve_sample(struct curve_verb *v)
{
	struct curve_options *o = &v->options;
	const char *s = v->sample;
	size_t n = s ? strlen(s) : 0;
	char *end;
	o->sample_pages = SHARDS_PAGES;
	if (n > 1 && s[n - 1] == '%') {
		o->sample_pages = 0;
		o->sample_rate = strtod(s, &end) / 100;
		if (end != s + n - 1 || !(o->sample_rate >= 1e-6 && o->sample_rate <= 1))
			return cli_error("--sample=%s: a share of all pages is from 0.0001%% to 100%%", s);
	} else if (s && (text_size(s, &o->sample_pages, NULL) != PW_OK || o->sample_pages < SHARDS_PAGES_MIN || o->sample_pages > 1u << 26)) {
		return cli_error("--sample=%s: write a number of pages from %d to 64M, or a share of all pages: 1%%", s, SHARDS_PAGES_MIN);
	}
	return CLI_OK;
}

static int curve_words(struct curve_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { curve_options_list };
	struct pw_why why = { "" };
	v->argc = argc;
	v->argv = argv;
	curve_options_init(&v->options);
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&curve_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (curve_policies(v) != CLI_OK || curve_page(v) != CLI_OK || curve_experiment(v) != CLI_OK ||
	    curve_sample(v) != CLI_OK)
		return CLI_FAILED;
	if (v->frames && curve_sizes_parse(v->frames, &v->size, &v->options.n_sizes, &why) != PW_OK)
		return cli_error("%s", why.text);
	v->options.size = v->size;
	if (v->frames && v->options.all)
		return cli_error("--frames and --all exclude each other");
	if (!v->word_at)
		return cli_error("a curve of what? give a trace, or -- and a command");
	if (!v->is_command && v->word_at + 1 < argc)
		return cli_error("%s: one trace at a time, options before it; put -- before a command: pageworks curve -- %s ...",
		                 argv[v->word_at + 1], argv[v->word_at]);
	return CLI_OK;
}

static int curve_open_outputs(struct curve_verb *v)
{
	for (unsigned i = 0; i < OUTPUTS; i++) {
		const char *name = v->name[i];
		if (!name && i == OUT_REPORT && !v->quiet)
			v->out[i] = v->is_command ? stderr : stdout;
		if (!name)
			continue;
		v->out[i] = strcmp(name, "-") == 0 ? stdout : fopen(name, "we");
		if (!v->out[i])
			return cli_error("%s: %s: %s", output_option[i], name, strerror(errno));
	}
	return CLI_OK;
}

/* => the exit status when it cannot be opened. */
static int curve_open_trace(struct curve_verb *v)
{
	struct pw_why why = { "" };
	struct capture_options co = { .seed = v->options.seed, .take_signals = true };
	enum pw_err err = v->is_command ? capture_open(&co, v->argv + v->word_at, &v->trace, &why)
	                                : trace_open(v->argv[v->word_at], &v->trace, &why);
	if (err == PW_OK)
		return CLI_OK;
	cli_error("%s", *why.text ? why.text : pw_err_text(err));
	return v->is_command ? capture_exit_status(err) : CLI_FAILED;
}

static void curve_watch_signals(void (*handler)(int))
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = handler == SIG_DFL ? 0 : (int)SA_RESETHAND };
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

static double curve_fraction(const struct curve_verb *v)
{
	double second = curve_second_pass(v->curve);
	if (second >= 0)
		return second;
	struct trace_info info = trace_describe(v->trace);
	uint64_t all = info.refs_total;
	if (v->options.limit && (!all || v->options.limit < all))
		all = v->options.limit;
	return all ? (double)curve_position(v->curve) / (double)all : info.progress;
}

static enum pw_err curve_steps(struct curve_verb *v, struct pw_why *why)
{
	enum curve_state state = CURVE_GOING;
	while (state == CURVE_GOING && !curve_signal) {
		state = curve_step(v->curve);
		if (v->progress.on)
			progress_show(&v->progress, curve_position(v->curve), curve_fraction(v));
	}
	return state == CURVE_FAILED ? curve_error(v->curve, why) : PW_OK;
}

/* A program runs to its end even when nobody looks any more. */
static void curve_let_end(struct curve_verb *v)
{
	struct capture_outcome o = { 0 };
	struct trace_item item;
	if (!v->is_command)
		return;
	do
		trace_next(v->trace, &item);
	while (item.kind != TRACE_ITEM_END);
	capture_outcome(v->trace, &o);
	v->status = o.exit_status;
	v->signal = o.signal;
}

static int curve_command(struct curve_result *r, char *const argv[], unsigned n)
{
	r->command = mem_zalloc(n, sizeof *r->command);
	for (; r->command && r->n_command < n; r->n_command++) {
		r->command[r->n_command] = mem_strdup(argv[r->n_command]);
		if (!r->command[r->n_command])
			break;
	}
	return r->n_command == n ? CLI_OK : cli_error("out of memory for the result");
}

/* Reads until the trace ends or somebody stops it.  => CLI_OK: there is a result. */
static int curve_simulate(struct curve_verb *v)
{
	struct pw_why why = { "" };
	if (!v->is_command)
		curve_watch_signals(curve_interrupt);
	enum pw_err err = curve_create(&v->options, v->trace, &v->curve, &why);
	progress_begin(&v->progress, !v->no_progress && !v->quiet);
	if (err == PW_OK)
		err = curve_steps(v, &why);
	progress_end(&v->progress);
	double seconds = progress_seconds(&v->progress);
	curve_let_end(v);
	if (!v->is_command)
		curve_watch_signals(SIG_DFL);
	if (err == PW_OK)
		err = curve_result(v->curve, &v->result, &why);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	v->result.wall_s = seconds;
	v->result.interrupted = curve_signal != 0;
	return curve_command(&v->result, v->argv + v->word_at, (unsigned)(v->argc - v->word_at));
}

static unsigned curve_columns(FILE *out)
{
	struct winsize w;
	return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col >= 40 ? w.ws_col : 80;
}

static void curve_render(struct curve_verb *v, enum curve_output which, FILE *memory)
{
	FILE *out = v->out[which];
	switch (which) {
	case OUT_REPORT: {
		struct curve_look look = { cli_colour(out), isatty(fileno(out)) && plot_unicode(), curve_columns(out) };
		curve_report_write(&v->result, &look, memory);
		break;
	}
	case OUT_JSON:
		if (curve_write_json(&v->result, memory) != PW_OK)
			fputc('\0', memory); /* its error flag says the rest */
		break;
	case OUT_CSV: curve_csv_write(&v->result, memory); break;
	case OUT_SVG: curve_svg_write(&v->result, memory); break;
	}
}

static int curve_write_one(struct curve_verb *v, enum curve_output which)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	if (memory)
		curve_render(v, which, memory);
	bool whole = memory && !ferror(memory);
	whole = memory && fclose(memory) == 0 && whole;
	int status = whole ? cli_write(output_title[which], v->name[which] ? v->name[which] : v->out[which] == stdout ? "-" : NULL,
	                               v->out[which], text, bytes)
	                   : cli_error("out of memory for the %s", output_title[which]);
	if (whole)
		v->out[which] = NULL;
	mem_free(text);
	return status;
}

static int curve_publish(struct curve_verb *v)
{
	int verdict = CLI_OK;
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, said in words */
	for (unsigned i = 0; i < OUTPUTS; i++)
		if (v->out[i] && curve_write_one(v, (enum curve_output)i) != CLI_OK)
			verdict = CLI_FAILED;
	const struct curve_result *r = &v->result;
	if (r->checks_failed)
		return v->quiet ? cli_error("%s", r->check_text) : CLI_FAILED;
	if (r->input_error != PW_OK)
		return cli_error("%s", *r->input_error_text ? r->input_error_text : pw_err_text(r->input_error));
	return verdict;
}

static void curve_close(struct curve_verb *v)
{
	for (unsigned i = 0; i < OUTPUTS; i++)
		if (v->out[i] && v->out[i] != stdout && v->out[i] != stderr)
			fclose(v->out[i]);
	curve_result_fini(&v->result);
	curve_destroy(v->curve);
	if (v->trace)
		trace_close(v->trace);
	mem_free(v->size);
}

static int curve_all(struct curve_verb *v, int argc, char **argv)
{
	if (curve_words(v, argc, argv) != CLI_OK || curve_open_outputs(v) != CLI_OK)
		return CLI_FAILED;
	int status = curve_open_trace(v);
	if (status == CLI_OK)
		status = curve_simulate(v);
	if (status == CLI_OK)
		status = curve_publish(v);
	if (curve_signal)
		v->signal = curve_signal;
	return status;
}

int cli_curve(int argc, char **argv)
{
	struct curve_verb v = { 0 };
	int status = curve_all(&v, argc, argv);
	curve_close(&v);
	if (status == CLI_FAILED || !(v.signal || v.status))
		return status;
	return cli_end_like(v.status, v.signal);
}
