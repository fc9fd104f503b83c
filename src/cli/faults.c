/* faults.c - pageworks faults: every page fault of a process as it happens, and why.
 *
 * Problem.  A program must be watched from its first instruction, undisturbed, and its status, output and signals stay its own.
 *
 * Idea.  The command is started but held until the events are there; then we only read.  When it has ended, what is left in the
 * rings is read, and the tables are made.
 *
 * 1. The command's standard output is its own: everything of ours goes to standard error or to a file.
 * 2. A command ends us as it ended; watching ends with it, also when it leaves processes behind.
 *
 * Rejected: waiting for everything the command left in the background (a daemon would never let us end). */
#include "cli.h"
#include "faults_report.h"
#include "faults_trace.h"
#include "interrupt.h"
#include "output.h"
#include "source.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../host/hold.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum faults_key { KEY_JSON = 0x200, KEY_QUIET, KEY_SUMMARY, KEY_TOP, KEY_REPORT, KEY_FOR };

static const struct argp_option faults_options[] = {
	{ "summary", KEY_SUMMARY, NULL, 0, "no line for each fault, only the tables at the end" },
	{ "top", KEY_TOP, "N", 0, "rows of a table (default 15)" },
	{ "for", KEY_FOR, "SECONDS", 0, "watch a process for so long (default: until it ends, or Ctrl-C)" },
	{ "output", 'o', "FILE", 0, "write the faults as a trace that 'pageworks run' and 'curve' read" },
	{ "force", 'f', NULL, 0, "overwrite FILE" },
	{ "report", KEY_REPORT, "FILE", 0, "where lines and tables go (default: standard error for a command, standard output for "
	  "a PID)" },
	{ "json", KEY_JSON, "FILE", 0, "also the tables, as JSON ('-': standard output)" },
	{ "quiet", KEY_QUIET, NULL, 0, "neither lines nor tables" },
	{ 0 },
};

struct faults_verb {
	struct source source;        /* the words */
	const char *trace_name;
	bool force, quiet, summary, no_lines;
	double seconds;              /* 0: no limit */
	struct output text, json;
	struct hold hold;
	bool held, running;          /* the command waits; runs */
	struct faults *faults;
	struct faults_trace *trace;
	struct faults_report report;
};

/* ---- words */

static void faults_seconds(struct faults_verb *v, const char *arg)
{
	char *end;
	v->seconds = strtod(arg, &end);
	if (end == arg || *end || !(v->seconds > 0 && v->seconds < 1e9))
		exit(cli_error("--for: '%s' is not a number of seconds", arg));
}

static error_t faults_parse(int key, char *arg, struct argp_state *state)
{
	struct faults_verb *v = state->input;
	uint64_t n;
	switch (key) {
	case 'o': v->trace_name = arg; break;
	case 'f': v->force = true; break;
	case KEY_SUMMARY: v->summary = true; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_REPORT: v->text.name = arg; break;
	case KEY_JSON: v->json.name = arg; break;
	case KEY_FOR: faults_seconds(v, arg); break;
	case KEY_TOP:
		if (text_u64(arg, &n, NULL) != PW_OK || n == 0 || n > UINT32_MAX)
			exit(cli_error("--top: '%s' is not a number of rows", arg));
		v->report.top = (unsigned)n;
		break;
	case ARGP_KEY_ARG: source_take(&v->source, state); break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp faults_argp = {
	faults_options, faults_parse, "PID\n-- COMMAND [ARG...]",
	"Shows every page fault of a process, or of a command and all it starts: when, where, in which mapping, by which function, minor "
	"or major, and why it happened, as far as that can be known.  One's own processes need no privilege.\v"
	"Examples:\n"
	"  pageworks faults -- sort FILE\n"
	"  pageworks faults --summary -- python3 -c 'print(sum(range(10**6)))'\n"
	"  pageworks faults --for 10 1234\n"
	"  pageworks faults --quiet -o sort.pwt -- sort FILE; pageworks curve sort.pwt\n\n"
	"The classes and how each is told are in pageworks-faults(1).  The exit status of a command is its own, or 125, 126, 127 as for "
	"'pageworks run'.",
	NULL, NULL, NULL,
};

static int faults_words(struct faults_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { faults_options };
	uint64_t pid;
	v->report.top = 15;
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&faults_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (!v->source.word_at)
		return cli_error("whose faults? give a process number, or -- and a command");
	char *const *words = source_words(&v->source);
	if (v->source.is_command) {
		v->report.command = words;
		v->report.n_words = source_n_words(&v->source);
		return v->seconds > 0 ? cli_error("--for is for processes that run already; a command is watched until it ends") : CLI_OK;
	}
	if (text_u64(words[0], &pid, NULL) != PW_OK || pid == 0 || pid > INT32_MAX)
		return cli_error("'%s' is not a process number; put -- before a command: %s -- %s", words[0], cli_verb(), words[0]);
	if (source_n_words(&v->source) > 1)
		return cli_error("%s: one process at a time, options before it", words[1]);
	v->report.pid = (uint32_t)pid;
	return CLI_OK;
}

/* ---- outputs */

static int faults_outputs(struct faults_verb *v)
{
	bool json_there = v->json.name && strcmp(v->json.name, "-") == 0;
	if (v->trace_name && !v->force && strcmp(v->trace_name, "-") != 0 && access(v->trace_name, F_OK) == 0)
		return cli_error("%s exists; -f overwrites it", v->trace_name);
	if (v->trace_name && strcmp(v->trace_name, "-") == 0 && (isatty(STDOUT_FILENO) || json_there))
		return cli_error("-o -: a trace is not written to a terminal, nor where JSON goes");
	bool taken = json_there || (v->trace_name && strcmp(v->trace_name, "-") == 0);
	if (!v->text.name && !v->source.is_command && !taken)
		v->text.name = "-";
	if (!v->quiet && output_open(&v->text) != CLI_OK)
		return CLI_FAILED;
	if (!v->quiet && !v->text.file)
		v->text.file = stderr;
	return output_open(&v->json);
}

static void tell_trace(void *ctx, uint32_t pid, const struct space_change *change)
{
	struct faults_verb *v = ctx;
	if (v->trace)
		faults_trace_change(v->trace, pid, change);
}

static void tell_task(void *ctx, const struct fault_record *r)
{
	struct faults_verb *v = ctx;
	if (v->trace)
		faults_trace_task(v->trace, r);
}

/* ---- the command */

static pid_t passed_to;

static void pass_on(int signal_number)
{
	int error = errno;
	if (passed_to > 0)
		kill(passed_to, signal_number);
	errno = error;
}

/* A terminal sends Ctrl-C to the command as well; other ends are passed on to it. */
static void faults_signals(pid_t pid)
{
	struct sigaction pass = { .sa_handler = pass_on, .sa_flags = SA_RESTART }, now;
	passed_to = pid;
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	sigaction(SIGTERM, &pass, NULL);
	if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &pass, NULL);
}

static int faults_exit_status(enum pw_err err)
{
	return err == PW_NOTFOUND ? CLI_NOT_FOUND : err == PW_ACCESS ? CLI_NOT_EXECUTABLE : CLI_FAILED;
}

static int faults_trace_open(struct faults_verb *v)
{
	struct pw_why why = { "" };
	char *const *words = source_words(&v->source);
	if (!v->trace_name)
		return CLI_OK;
	if (faults_trace_create(v->trace_name, words[0], v->held ? v->report.pid : 0, &v->trace, &why) != PW_OK)
		return cli_error("%s", why.text);
	return CLI_OK;
}

static int faults_start(struct faults_verb *v)
{
	struct pw_why why = { "" };
	char *const *words = source_words(&v->source);
	if (v->source.is_command) {
		if (hold_start(words, &v->hold, &why) != PW_OK)
			return cli_error("%s", why.text);
		v->held = true;
		v->report.pid = (uint32_t)v->hold.pid;
	}
	if (faults_trace_open(v) != CLI_OK)
		return CLI_FAILED;
	struct faults_options o = {
		.rings = { .pid = v->report.pid, .at_exec = v->held }, .tell = tell_trace, .task = tell_task, .ctx = v,
	};
	enum pw_err err = faults_open(&o, &v->faults, &why);
	v->report.blind = v->held && !v->trace && (err == PW_ACCESS || err == PW_UNSUPPORTED);
	if (err != PW_OK) {
		cli_error("%s%s", why.text, v->report.blind ? "; only the totals of getrusage are counted"
		          : v->held ? "" : "; 'pageworks map --watch' and 'ps --interval' count faults without watching them");
		if (!v->report.blind)
			return CLI_FAILED;
	}
	if (!v->held) {
		interrupt_watch();
		return CLI_OK;
	}
	faults_signals(v->hold.pid);
	v->held = false;
	err = hold_release(&v->hold, words[0], &why);
	if (err != PW_OK) {
		cli_error("%s", why.text);
		return faults_exit_status(err);
	}
	v->running = true;
	return CLI_OK;
}

/* Has the command ended?  Then its figures are taken. */
static bool faults_reap(struct faults_verb *v)
{
	int status;
	if (!v->running || wait4(v->hold.pid, &status, WNOHANG, &v->report.rusage) != v->hold.pid)
		return false;
	passed_to = 0;
	v->running = false;
	v->report.ended = true;
	v->report.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	v->report.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return true;
}

/* ---- watching */

static void faults_drain(struct faults_verb *v, bool last)
{
	struct fault f;
	if (faults_collect(v->faults, last) != PW_OK) {
		/* What found no memory is counted as lost, and said in the report. */
	}
	while (faults_next(v->faults, &f)) {
		if (tally_add(&v->report.tally, &f) != PW_OK)
			v->report.flaw = "memory ran out, and faults are missing in the tables";
		if (v->trace)
			faults_trace_fault(v->trace, &f);
		if (v->text.file && !v->summary && !v->no_lines) {
			if (v->report.tally.faults == 1)
				faults_heading(v->text.file);
			faults_line(v->text.file, &f);
		}
	}
	/* Nobody reads the lines any more: the command goes on. */
	if (v->text.file && (fflush(v->text.file) != 0 || ferror(v->text.file)))
		v->no_lines = true;
}

static bool faults_over(struct faults_verb *v, double began, bool more)
{
	if (v->source.is_command)
		return faults_reap(v);
	return !more || interrupt_seen() || (v->seconds > 0 && clock_seconds() - began >= v->seconds) ||
	       (kill((pid_t)v->report.pid, 0) && errno == ESRCH);
}

static void faults_watch(struct faults_verb *v)
{
	double began = clock_seconds();
	for (bool over = false; !over;) {
		double left = v->seconds > 0 ? v->seconds - (clock_seconds() - began) : 1;
		int wait_ms = left > 0.05 ? 50 : left > 0 ? (int)(left * 1000) : 0;
		bool more = faults_wait(v->faults, wait_ms);
		over = faults_over(v, began, more);
		if (!over && !more && v->source.is_command)
			usleep(1000);
		faults_drain(v, over);
	}
	v->report.seconds = clock_seconds() - began;
	faults_state(v->faults, &v->report.state);
	if (!v->report.flaw)
		v->report.flaw = tally_flaw(&v->report.tally);
	if (!v->report.flaw)
		v->report.flaw = faults_flaw(v->faults);
	tally_sort(&v->report.tally);
}

/* The totals of a command whose faults may not be watched one by one. */
static void faults_wait_blindly(struct faults_verb *v)
{
	double began = clock_seconds();
	while (!faults_reap(v))
		usleep(5000);
	v->report.seconds = clock_seconds() - began;
}

static enum pw_err render_text(void *ctx, FILE *memory)
{
	struct faults_verb *v = ctx;
	return faults_text(memory, &v->report, cli_colour(v->text.file ? v->text.file : stderr));
}

static enum pw_err render_json(void *ctx, FILE *memory)
{
	struct faults_verb *v = ctx;
	return faults_json(memory, &v->report);
}

static int faults_end_trace(struct faults_verb *v)
{
	struct pw_why why = { "" };
	char refs[40];
	if (!v->trace)
		return CLI_OK;
	uint64_t n = faults_trace_refs(v->trace);
	enum pw_err err = faults_trace_finish(v->trace, &why);
	v->trace = NULL;
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	if (!v->quiet && strcmp(v->trace_name, "-") != 0)
		fprintf(stderr, "%s: %s: %s faults; next: pageworks curve %s\n", cli_verb(), v->trace_name,
		        text_count(refs, sizeof refs, n), v->trace_name);
	return CLI_OK;
}

static int faults_all(struct faults_verb *v, int argc, char **argv)
{
	if (faults_words(v, argc, argv) != CLI_OK || faults_outputs(v) != CLI_OK)
		return CLI_FAILED;
	if (tally_init(&v->report.tally) != PW_OK)
		return cli_error("out of memory");
	int status = faults_start(v);
	if (status != CLI_OK)
		return status;
	signal(SIGPIPE, SIG_IGN);
	if (v->report.blind)
		faults_wait_blindly(v);
	else
		faults_watch(v);
	if (v->text.file && !v->no_lines)
		status = output_write(&v->text, render_text, v);
	if (output_write(&v->json, render_json, v) != CLI_OK)
		status = CLI_FAILED;
	if (faults_end_trace(v) != CLI_OK)
		status = CLI_FAILED;
	return status == CLI_OK && v->report.flaw ? cli_error("%s", v->report.flaw) : status;
}

int cli_faults(int argc, char **argv)
{
	struct faults_verb v = {
		.text = { .option = "--report", .what = "report", .reader_may_go = true }, .json = { .option = "--json", .what = "JSON" },
	};
	int status = faults_all(&v, argc, argv);
	if (v.held)
		hold_abandon(&v.hold);
	if (v.trace)
		faults_trace_remove(v.trace);
	output_close(&v.text);
	output_close(&v.json);
	faults_close(v.faults);
	tally_fini(&v.report.tally);
	if (status != CLI_OK)
		return status;
	return v.report.ended ? cli_end_like(v.report.exit_status, v.report.signal) : CLI_OK;
}
