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
#include "interrupt.h"
#include "output.h"
#include "plot.h"
#include "progress.h"
#include "source.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../sim/shards.h"
#include "../sim/words.h"
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
	{ "sample", KEY_SAMPLE, "N", OPTION_ARG_OPTIONAL,
	  "estimate from a sample of N pages (8K), in 2 MiB and 400 bytes a page, or of N% of all" },
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
struct curve_verb {
	const char *policy, *frames, *page, *limit, *warmup, *tau, *seed, *sample;
	struct curve_options options;
	struct curve_policy policies[POLICIES_MAX];
	char *policy_words;       /* holds their names */
	struct curve_size *size;
	struct output out[OUTPUTS];
	bool quiet, no_progress;
	struct source source;
	struct curve *curve;
	struct progress progress;
	struct curve_result result;
};

static error_t curve_parse_output(struct curve_verb *v, int key, char *arg)
{
	switch (key) {
	case 'o': v->out[OUT_REPORT].name = arg; break;
	case KEY_JSON: v->out[OUT_JSON].name = arg; break;
	case KEY_CSV: v->out[OUT_CSV].name = arg; break;
	case KEY_SVG: v->out[OUT_SVG].name = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_PROGRESS: v->no_progress = !progress_word(arg); break;
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
	case ARGP_KEY_ARG: source_take(&v->source, state); break;
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
	"  pageworks curve --frames 100,1%,10% --json - --quiet zipf:pages=1M\n"
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
	struct pw_why why = { "" };
	struct curve_policy p = { .name = name };
	if (v->options.n_policies == POLICIES_MAX)
		return cli_error("--policy: at most %d policies at once", POLICIES_MAX);
	if (policy_parse(name, &p.ops, &p.params, &why) != PW_OK) {
		const char *names[POLICIES_MAX];
		unsigned n = 0;
		for (; n < POLICIES_MAX && policy_at(n); n++)
			names[n] = policy_at(n)->name;
		return policy_find(name) || strchr(name, ':') ? cli_error("--policy: %s", why.text) : cli_unknown("--policy", name, names, n);
	}
	v->policies[v->options.n_policies++] = p;
	return CLI_OK;
}

/* "lru,2q:in=25%,out=50%,arc": what has a value but no name of its own belongs to the policy before. */
static char *curve_policy_end(char *word)
{
	char *end = strchr(word, ',');
	while (end) {
		size_t next = strcspn(end + 1, ",:=");
		if (end[1 + next] != '=')
			break;
		end = strchr(end + 1, ',');
	}
	return end;
}

static int curve_policies(struct curve_verb *v)
{
	char *rest = v->policy_words = mem_strdup(v->policy ? v->policy : "lru");
	int status = rest ? CLI_OK : cli_error("out of memory for --policy");
	while (status == CLI_OK && rest) {
		char *end = curve_policy_end(rest);
		if (end)
			*end = '\0';
		status = curve_policy_add(v, rest);
		rest = end ? end + 1 : NULL;
	}
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
	return source_check(&v->source, "a curve of what?");
}

/* The report gives way to a program and to the other forms on standard output. */
static int curve_open_outputs(struct curve_verb *v)
{
	bool taken = v->source.is_command;
	for (unsigned i = 0; i < OUTPUTS; i++) {
		if (output_open(&v->out[i]) != CLI_OK)
			return CLI_FAILED;
		taken = taken || (i != OUT_REPORT && output_is_stdout(&v->out[i]));
	}
	if (!v->out[OUT_REPORT].name && !v->quiet)
		v->out[OUT_REPORT].file = taken ? stderr : stdout;
	return CLI_OK;
}

static double curve_fraction(const struct curve_verb *v)
{
	double second = curve_second_pass(v->curve);
	if (second >= 0)
		return second;
	return source_fraction(&v->source, curve_position(v->curve), v->options.limit);
}

static enum pw_err curve_steps(struct curve_verb *v, struct pw_why *why)
{
	enum curve_state state = CURVE_GOING;
	while (state == CURVE_GOING && !interrupt_seen()) {
		state = curve_step(v->curve);
		if (v->progress.on)
			progress_show(&v->progress, curve_position(v->curve), curve_fraction(v));
	}
	return state == CURVE_FAILED ? curve_error(v->curve, why) : PW_OK;
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
	if (!v->source.is_command)
		interrupt_watch();
	enum pw_err err = curve_create(&v->options, v->source.trace, &v->curve, &why);
	progress_begin(&v->progress, !v->no_progress && !v->quiet);
	if (err == PW_OK)
		err = curve_steps(v, &why);
	progress_end(&v->progress);
	double seconds = progress_seconds(&v->progress);
	source_let_end(&v->source);
	if (!v->source.is_command)
		interrupt_unwatch();
	if (err == PW_OK)
		err = curve_result(v->curve, &v->result, &why);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	v->result.wall_s = seconds;
	v->result.interrupted = interrupt_seen() != 0;
	return curve_command(&v->result, source_words(&v->source), source_n_words(&v->source));
}

static unsigned curve_columns(FILE *out)
{
	struct winsize w;
	return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col >= 40 ? w.ws_col : 80;
}

static enum pw_err curve_render_report(void *ctx, FILE *memory)
{
	const struct curve_verb *v = ctx;
	FILE *out = v->out[OUT_REPORT].file;
	struct curve_look look = { cli_colour(out), isatty(fileno(out)) && plot_unicode(), curve_columns(out) };
	curve_report_write(&v->result, &look, memory);
	return PW_OK;
}

static enum pw_err curve_render_json(void *ctx, FILE *memory)
{
	const struct curve_verb *v = ctx;
	return curve_write_json(&v->result, memory);
}

static enum pw_err curve_render_csv(void *ctx, FILE *memory)
{
	const struct curve_verb *v = ctx;
	curve_csv_write(&v->result, memory);
	return PW_OK;
}

static enum pw_err curve_render_svg(void *ctx, FILE *memory)
{
	const struct curve_verb *v = ctx;
	curve_svg_write(&v->result, memory);
	return PW_OK;
}

static int curve_publish(struct curve_verb *v)
{
	static const output_render render[OUTPUTS] = { curve_render_report, curve_render_json, curve_render_csv, curve_render_svg };
	int verdict = CLI_OK;
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, said in words */
	for (unsigned i = 0; i < OUTPUTS; i++)
		if (output_write(&v->out[i], render[i], v) != CLI_OK)
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
		output_close(&v->out[i]);
	curve_result_fini(&v->result);
	curve_destroy(v->curve);
	source_close(&v->source);
	mem_free(v->size);
	mem_free(v->policy_words);
}

static int curve_all(struct curve_verb *v, int argc, char **argv)
{
	if (curve_words(v, argc, argv) != CLI_OK || curve_open_outputs(v) != CLI_OK)
		return CLI_FAILED;
	int status = source_open(&v->source, v->options.seed);
	if (status == CLI_OK)
		status = curve_simulate(v);
	if (status == CLI_OK)
		status = curve_publish(v);
	return status;
}

int cli_curve(int argc, char **argv)
{
	struct curve_verb v = { .out = {
		[OUT_REPORT] = { .option = "-o", .what = "report" }, [OUT_JSON] = { .option = "--json", .what = "JSON" },
		[OUT_CSV] = { .option = "--csv", .what = "CSV" }, [OUT_SVG] = { .option = "--svg", .what = "SVG" },
	} };
	int status = curve_all(&v, argc, argv);
	const struct capture_outcome o = v.source.outcome;
	int signal_number = interrupt_seen() ? interrupt_seen() : o.signal;
	curve_close(&v);
	if (status == CLI_FAILED || !(signal_number || o.exit_status))
		return status;
	return cli_end_like(o.exit_status, signal_number);
}
