/* stat.c - pageworks stat: this computer's memory now, and what happens to it.
 *
 * Problem.  free shows levels, vmstat rates without faults, sar needs a daemon, and the first line of each is not about now.
 *
 * Idea.  A moment, a wait, a moment: everything shown is of the interval between, also in the first line.
 *
 *     no INTERVAL         one interval of a second, every figure in a line of its own
 *     INTERVAL [COUNT]    a live screen on a terminal, else a line for each interval
 *
 * 1. Intervals are kept on the clock: the time a look takes does not add up.
 * 2. What was printed is flushed before the next wait: a pipe sees each line when it is due.
 * Rejected: averages since boot as a first line (--since-boot asks for them by name). */
#include "cli.h"
#include "interrupt.h"
#include "output.h"
#include "stat_live.h"
#include "../base/text.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum stat_key { KEY_JSON = 0x200, KEY_EXPLAIN, KEY_SINCE_BOOT, KEY_LINES };

static const struct argp_option stat_options[] = {
	{ "explain", KEY_EXPLAIN, NULL, 0, "every figure with its meaning, its formula, and the formula with the kernel's numbers in it" },
	{ "since-boot", KEY_SINCE_BOOT, NULL, 0, "begin with averages since boot; without INTERVAL, nothing else" },
	{ "lines", KEY_LINES, NULL, 0, "a line for each interval on a terminal too" },
	{ "json", KEY_JSON, "FILE", 0, "one JSON object a line for each interval ('-': standard output, instead of the text)" },
	{ "output", 'o', "FILE", 0, "where the text goes (default: standard output)" },
	{ 0 },
};

enum { HEADING_EVERY = 20 };

struct watch {
	struct output text, json;
	bool explain, since_boot, lines, live, has_interval;
	double interval;             /* seconds */
	uint64_t count, shown;       /* count 0: without end */
	struct procfs *proc;
	struct snapshot moment[2];
	struct stat_live *screen;
};

static void stat_word(struct watch *v, const char *arg)
{
	struct pw_why why;
	char *end;
	if (!v->has_interval) {
		v->interval = strtod(arg, &end);
		if (*end || end == arg || !(v->interval >= 0.01 && v->interval <= 86400))
			exit(cli_error("'%s' is not an interval; write seconds from 0.01 to 86400", arg));
		v->has_interval = true;
		return;
	}
	if (v->count)
		exit(cli_error("%s: one INTERVAL and one COUNT, no more", arg));
	if (text_u64(arg, &v->count, &why) != PW_OK || !v->count)
		exit(cli_error("'%s' is not a count; write a number from 1", arg));
}

static error_t stat_parse(int key, char *arg, struct argp_state *state)
{
	struct watch *v = state->input;
	switch (key) {
	case 'o': v->text.name = arg; break;
	case KEY_JSON: v->json.name = arg; break;
	case KEY_EXPLAIN: v->explain = true; break;
	case KEY_SINCE_BOOT: v->since_boot = true; break;
	case KEY_LINES: v->lines = true; break;
	case ARGP_KEY_ARG: stat_word(v, arg); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp stat_argp = {
	stat_options, stat_parse, "[INTERVAL [COUNT]]",
	"Shows this computer's memory: what is available, what holds what, swap, huge pages; and what happens in an interval: faults, "
	"paging, reclaim, refaults, time lost for want of memory.  Without INTERVAL: one second, everything.  With it: a live screen on a "
	"terminal, otherwise a line every INTERVAL seconds, the first one of the first interval.  Needs no privilege, changes nothing.\v"
	"Examples:\n"
	"  pageworks stat\n"
	"  pageworks stat 1\n"
	"  pageworks stat --explain\n"
	"  pageworks stat --since-boot\n"
	"  pageworks stat --json - 5 12 >minute.jsonl",
	NULL, NULL, NULL,
};

static int stat_words(struct watch *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { stat_options };
	for (int i = 1; i < argc; i++) /* options may stand behind INTERVAL: look at every word that may be one */
		if (argv[i][0] == '-' && cli_check_options(argc - i + 1, argv + i - 1, lists, 1) != CLI_OK)
			return CLI_FAILED;
	argp_parse(&stat_argp, argc, argv, 0, NULL, v);
	if (v->explain && v->lines)
		return cli_error("--lines and --explain: lines have no room for formulas; leave one out");
	if (!v->has_interval) {
		v->interval = 1;
		v->count = 1;
	}
	return CLI_OK;
}

/* A terminal that can be drawn on; colour has no part in it. */
static bool can_draw(void)
{
	const char *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

static int stat_open(struct watch *v)
{
	struct pw_why why = { "" };
	if (!v->text.name && !(v->json.name && strcmp(v->json.name, "-") == 0))
		v->text.name = "-";
	if (v->text.name && v->json.name && strcmp(v->text.name, "-") == 0 && strcmp(v->json.name, "-") == 0)
		return cli_error("-o - and --json -: only one of them can have standard output");
	if (output_open(&v->text) != CLI_OK || output_open(&v->json) != CLI_OK)
		return CLI_FAILED;
	v->live = v->has_interval && !v->lines && !v->explain && output_is_stdout(&v->text) && can_draw();
	if (procfs_open(NULL, &v->proc, &why) != PW_OK)
		return cli_error("%s", why.text);
	return CLI_OK;
}

static void text_show(struct watch *v, const struct stat_look *l)
{
	if (v->live) {
		stat_live_draw(v->screen, l, v->interval);
		return;
	}
	if (!v->has_interval || v->explain) {
		fputs(v->shown ? "\n" : "", v->text.file);
		stat_block(l, v->text.file);
		return;
	}
	if (v->shown % HEADING_EVERY == 0)
		stat_heading(l, v->text.file);
	stat_line(l, v->text.file);
}

/* Shows the interval wherever it is wanted.  => CLI_FAILED, said: something could not be written. */
static int stat_show(struct watch *v, const struct snapshot *then, const struct snapshot *now)
{
	struct stat_look l = { .then = then, .now = now, .explain = v->explain };
	figures_make(then, now, &l.figures);
	errno = 0;
	if (v->text.file) {
		text_show(v, &l);
		if (fflush(v->text.file) != 0 || ferror(v->text.file))
			return cli_error("the text could not be written to %s: %s", v->text.name, strerror(errno));
	}
	if (v->json.file && (stat_json(&l, v->json.file) != PW_OK || fflush(v->json.file) != 0))
		return cli_error("the JSON could not be written to %s: %s", v->json.name, strerror(errno));
	v->shown++;
	return CLI_OK;
}

static int stat_take(struct watch *v, unsigned which)
{
	struct pw_why why = { "" };
	if (snapshot_take(v->proc, &v->moment[which], &why) != PW_OK)
		return cli_error("%s", why.text);
	return CLI_OK;
}

static int stat_run(struct watch *v)
{
	if (stat_take(v, 0) != CLI_OK)
		return CLI_FAILED;
	if (v->since_boot && v->moment[0].missing[SNAPSHOT_uptime])
		return cli_error("--since-boot: /proc/uptime cannot be read, so nobody knows how long that is");
	if (v->since_boot && stat_show(v, NULL, &v->moment[0]) != CLI_OK)
		return CLI_FAILED;
	if (v->since_boot && (!v->has_interval || v->count == v->shown))
		return CLI_OK;
	double due = v->moment[0].clock;
	for (unsigned now = 1; !v->count || v->shown < v->count; now ^= 1) {
		due += v->interval;
		if (!stat_live_wait(v->screen, due) || interrupt_seen())
			break;
		if (stat_take(v, now) != CLI_OK || stat_show(v, &v->moment[now ^ 1], &v->moment[now]) != CLI_OK)
			return CLI_FAILED;
		due = v->moment[now].clock > due + v->interval ? v->moment[now].clock : due; /* it slept: no burst to catch up */
	}
	return CLI_OK;
}

int cli_stat(int argc, char **argv)
{
	struct watch v = { .text = { .option = "-o", .what = "text" }, .json = { .option = "--json", .what = "JSON" } };
	int status = stat_words(&v, argc, argv);
	if (status == CLI_OK)
		status = stat_open(&v);
	if (status == CLI_OK) {
		interrupt_watch();
		v.screen = v.live ? stat_live_open() : NULL;
		v.live = v.screen != NULL;
		status = stat_run(&v);
		stat_live_close(v.screen);
		interrupt_unwatch();
	}
	output_close(&v.text);
	output_close(&v.json);
	snapshot_fini(&v.moment[0]);
	snapshot_fini(&v.moment[1]);
	procfs_close(v.proc);
	return status == CLI_OK ? cli_end_like(CLI_OK, interrupt_seen()) : status;
}
