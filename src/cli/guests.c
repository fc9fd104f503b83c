/* guests.c - pageworks guests: several traces as guests of one host that is short of memory.
 *
 * Problem.  Whoever puts virtual machines on a computer gives them more memory than it has, and hopes; what it costs, and what moving
 * memory between them would save, shows only when they are there.
 * Idea.  The traces are read side by side, each on a machine and kernel of its own, over one host (sim/tenants.h).  With --compare they are
 * read a second time with memory that never moves, and both stand in one table.
 *
 * 1. Both readings see the same references in the same order. */
#include "cli.h"
#include "interrupt.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "table.h"
#include "../base/json.h"
#include "../base/text.h"
#include "../sim/tenants.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum guests_key { KEY_TURN = 0x200, KEY_EVERY, KEY_STEP, KEY_COMPARE, KEY_JSON, KEY_QUIET, KEY_PROGRESS };

#define TURN_DEFAULT "100"
#define EVERY_DEFAULT "200K"
#define STEP_DEFAULT "1M"

static const struct argp_option guests_options_list[] = {
	{ .doc = "The guests:", .group = 4 },
	{ "turn", KEY_TURN, "N", 0, "references that one runs before the next one does (default " TURN_DEFAULT ": side by side)" },
	{ "every", KEY_EVERY, "N", 0, "references of all between decisions to move memory; 0: it never moves (default " EVERY_DEFAULT ")" },
	{ "step", KEY_STEP, "SIZE", 0, "at most so much moves in one of them (default " STEP_DEFAULT ")" },
	{ "compare", KEY_COMPARE, NULL, 0, "also without moving any" },
	{ .doc = "The report:", .group = 5 },
	{ "output", 'o', "FILE", 0, "write the report to FILE" },
	{ "json", KEY_JSON, "FILE", 0, "write the result as JSON to FILE ('-': standard output)" },
	{ "quiet", KEY_QUIET, NULL, 0, "no report" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ 0 },
};

/* What came of reading all traces once. */
struct outcome {
	bool there;
	struct tenants_figures all;
	struct tenant_figures of[HYPERVISOR_GUESTS];
};

struct guests_verb {
	struct machine_words words;
	struct tenants_options options;
	struct output report, json;
	const char *turn, *every, *step;
	bool compare, quiet, no_progress, listed;
	char *const *name;       /* of the traces */
	unsigned n;
	struct trace *trace[HYPERVISOR_GUESTS];
	unsigned n_open;
	struct outcome moved, fixed;
	struct progress progress;
};

static error_t guests_parse(int key, char *arg, struct argp_state *state)
{
	struct guests_verb *v = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &v->words;
		break;
	case KEY_TURN: v->turn = arg; break;
	case KEY_EVERY: v->every = arg; break;
	case KEY_STEP: v->step = arg; break;
	case KEY_COMPARE: v->compare = true; break;
	case 'o': v->report.name = arg; break;
	case KEY_JSON: v->json.name = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_PROGRESS: v->no_progress = !progress_word(arg); break;
	case ARGP_KEY_ARG:
		v->name = state->argv + state->next - 1;
		v->n = (unsigned)(state->argc - state->next + 1);
		state->next = state->argc;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child guests_children[] = { { &machine_argp, 0, NULL, 0 }, { 0 } };
static const struct argp guests_argp = {
	guests_options_list, guests_parse, "TRACE...",
	"Runs each trace as a guest of one host, in turn, and reports what they cost each other: page faults of their own kernels and of "
	"the host.  The host moves memory between them by balloons in their kernels.\v"
	"Examples:\n"
	"  pageworks guests --ram 64M --hostram 96M a.pwt b.pwt\n"
	"  pageworks guests --ram 32M --hostram 40M --compare zipf:pages=6K,refs=5M,seed=1 seq:pages=2K,refs=5M\n"
	"  pageworks guests --format sv39 --nested sv39x4 --ram 64M --hostram 96M --every 0 --json - --quiet a.pwt b.pwt\n\n"
	"--ram is what each guest believes it has, --hostram all memory of the host.",
	guests_children, NULL, NULL,
};

static int size_take(const char *option, const char *word, uint64_t least, uint64_t *ret)
{
	struct pw_why why = { "" };
	if (text_size_option(option, word, ret, &why) != PW_OK)
		return cli_error("%s", why.text);
	return *ret >= least ? CLI_OK : cli_error("%s %s: at least %llu", option, word, (unsigned long long)least);
}

static int guests_words(struct guests_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { guests_options_list, machine_options };
	if (cli_check_options(argc, argv, lists, 2) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&guests_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (!v->words.nested && (!v->words.format || strncmp(v->words.format, "x86", 3) == 0))
		v->words.nested = "ept";
	if (machine_resolve(&v->words, &v->options.run, &v->listed) != CLI_OK)
		return CLI_FAILED;
	if (v->listed)
		return CLI_OK;
	if (size_take("--turn", v->turn, 1, &v->options.turn) != CLI_OK ||
	    size_take("--every", v->every, 0, &v->options.every) != CLI_OK ||
	    size_take("--step", v->step, 1ull << v->options.run.format.page_shift, &v->options.step_bytes) != CLI_OK)
		return CLI_FAILED;
	if (!v->n)
		return cli_error("give a trace for each guest");
	if (v->n > HYPERVISOR_GUESTS)
		return cli_error("%u guests are too many; at most %d", v->n, HYPERVISOR_GUESTS);
	if (!v->options.run.nested)
		return cli_error("--format %s: say in which format the host translates: --nested sv39x4 or another",
		                 v->options.run.format.name);
	if (!v->options.run.ram_bytes)
		return cli_error("say how much memory each guest believes it has: --ram 64M");
	if (v->options.run.policy->wants_future)
		return cli_error("--policy %s must know the future, which depends on the other guests", v->options.run.policy->name);
	return CLI_OK;
}

/* ---- reading ---- */

static int traces_open(struct guests_verb *v)
{
	struct pw_why why = { "" };
	for (; v->n_open < v->n; v->n_open++) {
		enum pw_err err = trace_open(v->name[v->n_open], &v->trace[v->n_open], &why);
		if (err != PW_OK)
			return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	}
	return CLI_OK;
}

static double fraction_done(const struct guests_verb *v)
{
	double sum = 0;
	for (unsigned i = 0; i < v->n; i++) {
		double part = trace_describe(v->trace[i]).progress;
		if (part < 0)
			return -1;
		sum += part;
	}
	return sum / v->n;
}

static int traces_check(const struct guests_verb *v)
{
	struct pw_why why = { "" };
	for (unsigned i = 0; i < v->n; i++) {
		enum pw_err err = trace_error(v->trace[i], &why);
		if (err != PW_OK)
			return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	}
	return CLI_OK;
}

static int traces_read(struct guests_verb *v, const struct tenants_options *o, struct outcome *ret)
{
	struct pw_why why = { "" };
	struct tenants *t;
	enum pw_err err = tenants_create(o, v->trace, v->n, &t, &why);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	enum run_state state = RUN_GOING;
	progress_begin(&v->progress, !v->no_progress && !v->quiet);
	while (state == RUN_GOING && !interrupt_seen()) {
		progress_show(&v->progress, tenants_position(t), v->progress.on ? fraction_done(v) : -1);
		state = tenants_step(t, &why);
	}
	progress_end(&v->progress);
	if (state != RUN_FAILED) {
		ret->there = true;
		tenants_figures(t, &ret->all);
		for (unsigned i = 0; i < v->n; i++)
			tenants_figures_of(t, i, &ret->of[i]);
	}
	tenants_destroy(t);
	return state == RUN_FAILED ? cli_error("%s", why.text) : traces_check(v);
}

static int both_read(struct guests_verb *v)
{
	struct pw_why why = { "" };
	int status = traces_read(v, &v->options, &v->moved);
	if (status != CLI_OK || !v->compare || interrupt_seen())
		return status;
	for (unsigned i = 0; i < v->n; i++)
		if (trace_rewind(v->trace[i], &why) != PW_OK)
			return cli_error("--compare reads traces twice: %s", *why.text ? why.text : "one of them can be read only once");
	struct tenants_options fixed = v->options;
	fixed.every = 0;
	return traces_read(v, &fixed, &v->fixed);
}

/* ---- telling ---- */

static const char *count(char buf[32], uint64_t n) { return text_count(buf, 32, n); }

static void row(const struct guests_verb *v, struct table *t, const struct outcome *o, unsigned i)
{
	const struct tenant_figures *f = &o->of[i];
	char a[32], b[32], c[32], d[32], e[32], limit[32];
	table_add(t, TABLE_RIGHT, "%u", i + 1);
	table_add(t, TABLE_RIGHT, "%s", count(a, f->references));
	table_add(t, TABLE_RIGHT, "%s", count(b, f->kernel.faults.total));
	table_add(t, TABLE_RIGHT, "%s", count(c, f->kernel.faults.major));
	table_add(t, TABLE_RIGHT, "%s", count(d, f->memory.share.faults.total));
	table_add(t, TABLE_RIGHT, "%s", count(e, f->memory.share.faults.major));
	table_add(t, TABLE_RIGHT, "%s", text_bytes(limit, sizeof limit, f->memory.limit << v->options.run.format.page_shift));
	table_add(t, TABLE_REST, "%s", v->name[i]);
}

static uint64_t modelled_ns(const struct guests_verb *v, const struct outcome *o)
{
	uint64_t sum = o->all.host.modelled_ns;
	for (unsigned i = 0; i < v->n; i++)
		sum += o->of[i].kernel.modelled_ns;
	return sum;
}

static enum pw_err outcome_tell(const struct guests_verb *v, const struct outcome *o, const char *title, FILE *out)
{
	static const char *const heads[] = { "guest", "references", "its faults", "with I/O", "host faults", "with I/O", "may have",
	                                     "trace" };
	struct table *t;
	char a[32], b[32];
	enum pw_err err = table_create(sizeof heads / sizeof *heads, &t);
	if (err)
		return err;
	fprintf(out, "%s\n", title);
	for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++)
		table_add(t, i + 1 < sizeof heads / sizeof *heads ? TABLE_RIGHT : TABLE_REST, "%s", heads[i]);
	for (unsigned i = 0; i < v->n; i++)
		row(v, t, o, i);
	err = table_print(t, out, false);
	table_destroy(t);
	fprintf(out, "host: %s faults, %s with I/O; all faults take %.3f s by the model\n", count(a, o->all.host.faults.total),
	        count(b, o->all.host.faults.major), (double)modelled_ns(v, o) / 1e9);
	if (o->all.decisions)
		fprintf(out, "memory moved in %llu decisions: %s\n", (unsigned long long)o->all.decisions,
		        text_bytes(a, sizeof a, o->all.moved_frames << v->options.run.format.page_shift));
	return err;
}

static enum pw_err render_report(void *ctx, FILE *out)
{
	const struct guests_verb *v = ctx;
	const struct run_options *o = &v->options.run;
	char ram[32], host[32], flaw[300] = "checked: frames, balloons and faults add up";
	fprintf(out, "%u guest%s (%s over %s, %s, swap %s) of %s each on a host with %s for them%s\n\n", v->n, v->n == 1 ? "" : "s",
	        o->format.name, o->nested->name, o->policy->name, o->swap, text_bytes(ram, sizeof ram, o->ram_bytes),
	        text_bytes(host, sizeof host, v->moved.all.host_frames << o->format.page_shift), interrupt_seen() ? "; interrupted" : "");
	enum pw_err err = outcome_tell(v, &v->moved, v->options.every ? "memory moves to who needs it" : "memory does not move", out);
	if (!err && v->fixed.there) {
		fputc('\n', out);
		err = outcome_tell(v, &v->fixed, "memory does not move", out);
	}
	if (v->moved.all.flaw || v->fixed.all.flaw)
		snprintf(flaw, sizeof flaw, "NOT TO BE TRUSTED: %s", v->moved.all.flaw ? v->moved.all.flaw : v->fixed.all.flaw);
	fprintf(out, "\n%s\n", flaw);
	return err;
}

static void json_outcome(struct jsonw *j, const struct guests_verb *v, const struct outcome *o, const char *key)
{
	jsonw_object(j, key);
	jsonw_array(j, "guests");
	for (unsigned i = 0; i < v->n; i++) {
		const struct tenant_figures *f = &o->of[i];
		jsonw_object(j, NULL);
		jsonw_string(j, "source", v->name[i]);
		jsonw_u64(j, "references", f->references);
		jsonw_u64(j, "faults", f->kernel.faults.total);
		jsonw_u64(j, "faults_major", f->kernel.faults.major);
		jsonw_u64(j, "evicted", f->kernel.evicted);
		jsonw_u64(j, "host_faults", f->memory.share.faults.total);
		jsonw_u64(j, "host_faults_major", f->memory.share.faults.major);
		jsonw_u64(j, "limit_frames", f->memory.limit);
		jsonw_u64(j, "balloon_frames", f->memory.balloon);
		jsonw_u64(j, "host_resident_pages", f->memory.share.resident_pages);
		jsonw_u64(j, "host_swapped_pages", f->memory.share.swapped_pages);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_object(j, "host");
	jsonw_u64(j, "frames", o->all.host_frames);
	jsonw_u64(j, "faults", o->all.host.faults.total);
	jsonw_u64(j, "faults_major", o->all.host.faults.major);
	jsonw_u64(j, "evicted", o->all.host.evicted);
	jsonw_u64(j, "written_back", o->all.host.written_back);
	jsonw_end(j);
	jsonw_u64(j, "decisions", o->all.decisions);
	jsonw_u64(j, "moved_frames", o->all.moved_frames);
	jsonw_u64(j, "modelled_ns", modelled_ns(v, o));
	if (o->all.flaw)
		jsonw_string(j, "flaw", o->all.flaw);
	jsonw_end(j);
}

static enum pw_err render_json(void *ctx, FILE *out)
{
	const struct guests_verb *v = ctx;
	const struct run_options *o = &v->options.run;
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "guests");
	jsonw_u64(&j, "seed", o->seed);
	jsonw_object(&j, "machine");
	jsonw_string(&j, "format", o->format.name);
	jsonw_string(&j, "nested_format", o->nested->name);
	jsonw_u64(&j, "page_bytes", 1ull << o->format.page_shift);
	jsonw_u64(&j, "ram_bytes", o->ram_bytes);
	if (o->host_ram_bytes)
		jsonw_u64(&j, "host_ram_bytes", o->host_ram_bytes);
	jsonw_string(&j, "policy", o->policy->name);
	jsonw_string(&j, "swap", o->swap);
	jsonw_u64(&j, "turn", v->options.turn);
	jsonw_u64(&j, "every", v->options.every);
	jsonw_u64(&j, "step_bytes", v->options.step_bytes);
	jsonw_end(&j);
	jsonw_bool(&j, "interrupted", interrupt_seen());
	json_outcome(&j, v, &v->moved, v->options.every ? "moving" : "fixed");
	if (v->fixed.there)
		json_outcome(&j, v, &v->fixed, "fixed");
	jsonw_end(&j);
	return jsonw_finish(&j);
}

static int guests_all(struct guests_verb *v, int argc, char **argv)
{
	if (guests_words(v, argc, argv) != CLI_OK)
		return CLI_FAILED;
	if (v->listed)
		return CLI_OK;
	v->compare = v->compare && v->options.every;
	bool mute = v->quiet && !v->report.name;
	if ((mute ? output_open(&v->json) : outputs_open(&v->report, &v->json)) != CLI_OK || traces_open(v) != CLI_OK)
		return CLI_FAILED;
	interrupt_watch();
	int status = both_read(v);
	if (!v->moved.there)
		return CLI_FAILED;
	signal(SIGPIPE, SIG_IGN);
	int report = output_write(&v->report, render_report, v), json = output_write(&v->json, render_json, v);
	if (status != CLI_OK || json != CLI_OK || report != CLI_OK)
		return CLI_FAILED;
	return v->moved.all.flaw || v->fixed.all.flaw ? CLI_FAILED : CLI_OK;
}

int cli_guests(int argc, char **argv)
{
	struct guests_verb v = {
		.report = { .option = "-o", .what = "report" }, .json = { .option = "--json", .what = "JSON" },
		.turn = TURN_DEFAULT, .every = EVERY_DEFAULT, .step = STEP_DEFAULT,
	};
	int status = guests_all(&v, argc, argv);
	output_close(&v.report);
	output_close(&v.json);
	while (v.n_open > 0)
		trace_close(v.trace[--v.n_open]);
	return status != CLI_OK ? status : cli_end_like(CLI_OK, interrupt_seen());
}
