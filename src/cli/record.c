/* record.c - pageworks record: a program's references, or any trace, into a .pwt file.
 *
 * Problem.  A recording must not disturb the program, and a file that cost a long run must not be lost to a mistake.
 *
 * Idea.  The same stream that `run` simulates is written instead, item by item, so that running the file later gives the same
 * result as running the program live.  An existing file is not overwritten unless that is asked for.
 *
 * 1. When writing fails, the program still runs to its end; then the failure is reported.
 * 2. An interrupted recording is finished properly: the file holds what ran.
 *
 * Rejected: a simulation beside the recording (two jobs on one core make both slow; record, then run). */
#include "cli.h"
#include "interrupt.h"
#include "progress.h"
#include "source.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../trace/pwt.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum record_key { KEY_QUIET = 0x200, KEY_PROGRESS, KEY_SEED, KEY_LIMIT, KEY_GRANULE };

static const struct argp_option record_options[] = {
	{ "output", 'o', "FILE", 0, "where the trace goes ('-': standard output; default: the command's name with .pwt)" },
	{ "force", 'f', NULL, 0, "overwrite FILE" },
	{ "quiet", KEY_QUIET, NULL, 0, "say nothing about the file" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ "seed", KEY_SEED, "N", 0, "of the program's randomness, as far as it can be set (default 1)" },
	{ "limit", KEY_LIMIT, "N", 0, "record only the first N references; the program runs on to its end" },
	{ "granule", KEY_GRANULE, "SIZE", 0, "how exact addresses are kept: a power of two (default for programs 4K, the page; 1: "
	  "every bit, in a larger file)" },
	{ 0 },
};

struct record_verb {
	const char *name;
	char *own_name;
	bool force, quiet, no_progress;
	uint64_t seed, limit, granule; /* granule 0: not given */
	struct source source;
	struct pwt_writer *writer;
	struct progress progress;
	uint64_t refs, bytes;
};

static void record_number(const char *option, const char *arg, uint64_t *ret)
{
	if (text_size(arg, ret, NULL) != PW_OK)
		exit(cli_error("%s: '%s' is not a number", option, arg));
}

static error_t record_parse(int key, char *arg, struct argp_state *state)
{
	struct record_verb *v = state->input;
	switch (key) {
	case 'o': v->name = arg; break;
	case 'f': v->force = true; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_SEED: record_number("--seed", arg, &v->seed); break;
	case KEY_LIMIT: record_number("--limit", arg, &v->limit); break;
	case KEY_GRANULE:
		record_number("--granule", arg, &v->granule);
		if (v->granule == 0 || (v->granule & (v->granule - 1)) || v->granule > 1 << 30)
			exit(cli_error("--granule %s: write a power of two from 1 to 1G", arg));
		break;
	case KEY_PROGRESS: v->no_progress = !progress_word(arg); break;
	case ARGP_KEY_ARG: source_take(&v->source, state); break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp record_argp = {
	record_options, record_parse, "-- COMMAND [ARG...]\nTRACE",
	"Records every memory reference of a program, and what happens to its address spaces, into a .pwt file, which 'pageworks run' "
	"takes as it takes the program.  A trace of another format is converted.\v"
	"Examples:\n"
	"  pageworks record -o sort.pwt -- sort FILE\n"
	"  pageworks run --ram 8M --policy opt sort.pwt\n"
	"  pageworks record -o lackey.pwt trace.lackey.gz\n\n"
	"The exit status is the program's own, or 125, 126, 127 as for 'pageworks run'.",
	NULL, NULL, NULL,
};

static int record_words(struct record_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { record_options };
	v->seed = 1;
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&record_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	return source_check(&v->source, "what is to be recorded?");
}

/* The file's name, and whether it may be written. */
static int record_name(struct record_verb *v)
{
	if (!v->name) {
		if (!v->source.is_command)
			return cli_error("-o FILE: a converted trace needs a name");
		const char *word = source_words(&v->source)[0], *base = strrchr(word, '/');
		v->name = v->own_name = mem_printf("%s.pwt", base ? base + 1 : word);
		if (!v->name)
			return cli_error("out of memory");
	}
	if (!v->force && strcmp(v->name, "-") != 0 && access(v->name, F_OK) == 0)
		return cli_error("%s exists; -f overwrites it", v->name);
	if (strcmp(v->name, "-") == 0 && isatty(STDOUT_FILENO))
		return cli_error("-o -: a trace is not written to a terminal");
	return CLI_OK;
}

/* A program's addresses are kept to the page unless more is asked for: nothing that pages can use is lost, and most of the file
 * is saved.  What a trace has lost already cannot come back. */
static unsigned record_granule(const struct record_verb *v, unsigned has)
{
	uint64_t want = v->granule ? v->granule : v->source.is_command ? 4096 : 1;
	unsigned shift = (unsigned)__builtin_ctzll(want);
	return shift > has ? shift : has;
}

static int record_open_writer(struct record_verb *v)
{
	struct pw_why why = { "" };
	struct trace_info info = trace_describe(v->source.trace);
	if (trace_reads(v->source.trace, v->name))
		return cli_error("%s is read and written at once; give another name", v->name);
	struct pwt_options po = { .granule_shift = record_granule(v, info.granule_shift), .has_events = info.has_events,
	                          .command = info.source, .seed = v->seed };
	if (pwt_writer_create(v->name, &po, &v->writer, &why) != PW_OK)
		return cli_error("%s", why.text);
	return CLI_OK;
}

/* Cuts a batch at the limit.  => false: the limit was reached before it. */
static bool record_cut(const struct record_verb *v, uint64_t done, struct trace_item *item)
{
	if (!v->limit || item->kind != TRACE_ITEM_REFS)
		return true;
	if (item->n_refs > v->limit - done)
		item->n_refs = v->limit - done;
	return item->n_refs > 0;
}

/* Reads the stream to its end, and writes while that goes well. */
static int record_items(struct record_verb *v)
{
	struct pw_why why = { "" };
	struct trace_item item;
	enum pw_err err = PW_OK;
	bool writing = true;
	for (;;) {
		trace_next(v->source.trace, &item);
		if (item.kind == TRACE_ITEM_END || (interrupt_seen() && !v->source.is_command))
			break;
		writing = writing && record_cut(v, v->refs, &item);
		if (writing && err == PW_OK) {
			err = pwt_write_item(v->writer, &item, &why);
			v->refs = pwt_writer_refs(v->writer);
		}
		if (!v->source.is_command && (err != PW_OK || !writing))
			break;
		if (v->progress.on)
			progress_show(&v->progress, v->refs, trace_describe(v->source.trace).progress);
	}
	progress_end(&v->progress);
	if (err == PW_OK)
		err = trace_error(v->source.trace, &why);
	return err == PW_OK ? CLI_OK : cli_error("%s", *why.text ? why.text : pw_err_text(err));
}

/* say: what goes wrong has not been said yet. */
static int record_finish(struct record_verb *v, bool say)
{
	struct pw_why why = { "" };
	enum pw_err err = pwt_writer_end(v->writer, &why);
	v->bytes = pwt_writer_bytes(v->writer);
	if (pwt_writer_finish(v->writer, &why) != PW_OK)
		err = err == PW_OK ? PW_IO : err;
	v->writer = NULL;
	if (err == PW_OK)
		return CLI_OK;
	return say ? cli_error("%s", *why.text ? why.text : pw_err_text(err)) : CLI_FAILED;
}

static void record_say(const struct record_verb *v)
{
	char refs[40], bytes[40];
	struct trace_info info = trace_describe(v->source.trace);
	if (v->quiet || strcmp(v->name, "-") == 0)
		return;
	fprintf(stderr, "pageworks record: %s: %s references, %s (%.2f bytes each); next: pageworks run %s\n", v->name,
	        text_count(refs, sizeof refs, v->refs), text_bytes(bytes, sizeof bytes, v->bytes),
	        v->refs ? (double)v->bytes / (double)v->refs : 0.0, v->name);
	if (info.rejected)
		fprintf(stderr, "pageworks record: %s records of %s made no sense and were left out\n",
		        text_count(refs, sizeof refs, info.rejected), info.source);
}

static int record_all(struct record_verb *v, int argc, char **argv)
{
	if (record_words(v, argc, argv) != CLI_OK || record_name(v) != CLI_OK)
		return CLI_FAILED;
	int status = source_open(&v->source, v->seed);
	if (status != CLI_OK)
		return status;
	if (record_open_writer(v) != CLI_OK)
		return CLI_FAILED;
	if (!v->source.is_command)
		interrupt_watch();
	progress_begin(&v->progress, !v->no_progress && !v->quiet);
	status = record_items(v);
	signal(SIGPIPE, SIG_IGN);
	if (record_finish(v, status == CLI_OK) != CLI_OK)
		status = CLI_FAILED;
	if (status == CLI_OK)
		record_say(v);
	source_let_end(&v->source);
	return status;
}

int cli_record(int argc, char **argv)
{
	struct record_verb v = { 0 };
	int status = record_all(&v, argc, argv);
	if (v.writer)
		pwt_writer_abandon(v.writer);
	const struct capture_outcome o = v.source.outcome;
	source_close(&v.source);
	mem_free(v.own_name);
	return status != CLI_OK ? status : cli_end_like(o.exit_status, interrupt_seen() ? interrupt_seen() : o.signal);
}
