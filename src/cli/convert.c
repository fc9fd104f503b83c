/* convert.c - pageworks convert: a trace of one format as a trace of another.
 *
 * Problem.  Traces come in every format there is; whatever reads them often wants them small, fast and with one meaning, and other
 * tools want them back as text.  A file that looks like a whole trace and is not would spoil everything that is computed from it.
 *
 * Idea.  One loop from a reader to a writer.  A conversion costs little to do again, so one that fails, or is interrupted, takes its
 * file away; --partial keeps what could be read, for input that is damaged for good.
 *
 * 1. After a failure there is no output file, unless --partial was given.
 * 2. What the new format cannot say is said on standard error.
 * 3. The input is never overwritten by its own conversion. */
#include "cli.h"
#include "interrupt.h"
#include "progress.h"
#include "../base/text.h"
#include "../trace/pwt.h"
#include "../trace/write_text.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum convert_key { KEY_QUIET = 0x200, KEY_PROGRESS, KEY_TO, KEY_LIMIT, KEY_GRANULE, KEY_PARTIAL };

static const struct argp_option convert_options[] = {
	{ "output", 'o', "FILE", 0, "where the trace goes (default, and '-': standard output)" },
	{ "to", KEY_TO, "FORMAT", 0, "pwt (default); or lines of text: lackey, din, course, pages, csv ('help' says what they keep)" },
	{ "force", 'f', NULL, 0, "overwrite FILE" },
	{ "limit", KEY_LIMIT, "N", 0, "only the first N references" },
	{ "granule", KEY_GRANULE, "SIZE", 0, "how exact addresses are kept: a power of two (default: as in the input; 4K, the page, makes "
	  "small files)" },
	{ "partial", KEY_PARTIAL, NULL, 0, "when the input is cut off or damaged, keep what could be read" },
	{ "quiet", KEY_QUIET, NULL, 0, "say nothing about the file" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ 0 },
};

struct convert {
	const char *input, *name, *to;
	bool force, partial, quiet, no_progress, listed;
	uint64_t limit, granule;
	struct trace *trace;
	struct pwt_writer *pwt;       /* one of the two */
	struct text_writer *text;
	uint64_t refs, bytes;
	struct text_lost lost;
};

static void convert_number(const char *option, const char *arg, uint64_t *ret)
{
	struct pw_why why;
	if (text_size_option(option, arg, ret, &why) != PW_OK)
		exit(cli_error("%s", why.text));
}

static void convert_input(struct convert *c, const struct argp_state *state, char *arg)
{
	const struct argp_option *const lists[] = { convert_options };
	int at = state->next - 1;
	if (at > 0 && strcmp(state->argv[at - 1], "--") == 0)
		exit(cli_error("%s: to record a program: pageworks record -o FILE -- %s ...", arg, arg));
	if (c->input)
		exit(cli_error("%s: one trace at a time", arg));
	c->input = arg;
	if (cli_check_options(state->argc - at, state->argv + at, lists, 1) != CLI_OK)
		exit(CLI_FAILED);
}

static error_t convert_parse(int key, char *arg, struct argp_state *state)
{
	struct convert *c = state->input;
	switch (key) {
	case 'o': c->name = arg; break;
	case 'f': c->force = true; break;
	case KEY_TO: c->to = arg; break;
	case KEY_QUIET: c->quiet = true; break;
	case KEY_PARTIAL: c->partial = true; break;
	case KEY_LIMIT: convert_number("--limit", arg, &c->limit); break;
	case KEY_GRANULE:
		convert_number("--granule", arg, &c->granule);
		if (c->granule == 0 || (c->granule & (c->granule - 1)) || c->granule > 1 << 30)
			exit(cli_error("--granule %s: write a power of two from 1 to 1G", arg));
		break;
	case KEY_PROGRESS: c->no_progress = !progress_word(arg); break;
	case ARGP_KEY_ARG: convert_input(c, state, arg); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp convert_argp = {
	convert_options, convert_parse, "TRACE",
	"Turns a trace of any format, or a generator, into pageworks' own format (.pwt: small, fast to read, checked), or into lines of "
	"text that other tools read.  The format of TRACE is found by looking at it; FORMAT:TRACE says it.\v"
	"Examples:\n"
	"  pageworks convert trace.lackey.gz -o trace.pwt\n"
	"  pageworks convert champsim:core0.xz -o core0.pwt --granule 4K\n"
	"  pageworks convert csv:requests.csv,address=2,op=3 -o requests.pwt\n"
	"  pageworks convert trace.pwt --to din | dineroIV -informat d ...\n"
	"  zstd -dc big.trace.zst | pageworks convert - -o big.pwt",
	NULL, NULL, NULL,
};

static int convert_formats(struct convert *c)
{
	printf("%-8s everything, in little space: references, threads, mappings and other events\n", "pwt");
	for (unsigned i = 0; text_format_name(i); i++)
		printf("%-8s %s\n", text_format_name(i), text_format_about(i));
	c->listed = true;
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

static int convert_check_format(const char *to)
{
	const char *names[16] = { "pwt" };
	unsigned n = 1;
	if (strcmp(to, "pwt") == 0)
		return CLI_OK;
	for (; text_format_name(n - 1) && n < 16; n++) {
		names[n] = text_format_name(n - 1);
		if (strcmp(names[n], to) == 0)
			return CLI_OK;
	}
	return cli_unknown("--to", to, names, n);
}

static int convert_words(struct convert *c, int argc, char **argv)
{
	const struct argp_option *const lists[] = { convert_options };
	c->to = "pwt";
	c->name = "-";
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&convert_argp, argc, argv, ARGP_IN_ORDER, NULL, c);
	if (strcmp(c->to, "help") == 0)
		return convert_formats(c);
	if (convert_check_format(c->to) != CLI_OK)
		return CLI_FAILED;
	if (c->granule && strcmp(c->to, "pwt") != 0)
		return cli_error("--granule: lines of text keep addresses as they are; only .pwt has a granule");
	if (!c->input)
		return cli_error("what is to be converted? give a trace: a file, '-' for standard input, or a generator");
	return CLI_OK;
}

/* Whether the output may be written. */
static int convert_check_output(const struct convert *c)
{
	bool out = strcmp(c->name, "-") == 0;
	if (out && strcmp(c->to, "pwt") == 0 && isatty(STDOUT_FILENO))
		return cli_error("a .pwt trace is not written to a terminal; give -o FILE, or --to FORMAT for text");
	if (!out && access(c->name, F_OK) == 0) {
		if (trace_reads(c->trace, c->name))
			return cli_error("%s is read and written at once; give another name", c->name);
		if (!c->force)
			return cli_error("%s exists; -f overwrites it", c->name);
	}
	return CLI_OK;
}

static int convert_open(struct convert *c)
{
	struct pw_why why = { "" };
	enum pw_err err = trace_open(c->input, &c->trace, &why);
	if (err == PW_OK && convert_check_output(c) != CLI_OK)
		return CLI_FAILED;
	if (err == PW_OK && strcmp(c->to, "pwt") != 0) {
		err = text_writer_create(c->name, c->to, &c->text, &why);
	} else if (err == PW_OK) {
		struct trace_info info = trace_describe(c->trace);
		unsigned shift = c->granule ? (unsigned)__builtin_ctzll(c->granule) : 0;
		const char *command = pwt_text(c->trace, "command");
		struct pwt_options o = { .granule_shift = shift > info.granule_shift ? shift : info.granule_shift,
		                         .has_events = info.has_events, .command = command ? command : info.source,
		                         .machine = pwt_text(c->trace, "machine"), .whole = true };
		const char *seed = pwt_text(c->trace, "seed");
		o.seed = seed ? strtoull(seed, NULL, 10) : 0;
		err = pwt_writer_create(c->name, &o, &c->pwt, &why);
	}
	return err == PW_OK ? CLI_OK : cli_error("%s", *why.text ? why.text : pw_err_text(err));
}

static enum pw_err convert_item(struct convert *c, const struct trace_item *item, struct pw_why *why)
{
	return c->text ? text_write_item(c->text, item, why) : pwt_write_item(c->pwt, item, why);
}

/* Reads the stream and writes it, until one of the two ends.  *ret_reading: what went wrong was the reading. */
static enum pw_err convert_items(struct convert *c, bool *ret_reading, struct pw_why *why)
{
	struct trace_item item;
	struct progress progress;
	enum pw_err err = PW_OK;
	progress_begin(&progress, !c->no_progress && !c->quiet);
	*ret_reading = false;
	while (err == PW_OK && !interrupt_seen() && (!c->limit || c->refs < c->limit)) {
		trace_next(c->trace, &item);
		if (item.kind == TRACE_ITEM_END) {
			err = trace_error(c->trace, why);
			*ret_reading = err != PW_OK;
			break;
		}
		if (c->limit && item.n_refs > c->limit - c->refs)
			item.n_refs = c->limit - c->refs;
		err = convert_item(c, &item, why);
		c->refs += item.n_refs;
		if (progress.on)
			progress_show(&progress, c->refs, trace_describe(c->trace).progress);
	}
	progress_end(&progress);
	return err;
}

static void convert_remove(struct convert *c)
{
	if (c->text)
		text_writer_remove(c->text);
	if (c->pwt)
		pwt_writer_remove(c->pwt);
	c->text = NULL;
	c->pwt = NULL;
}

static enum pw_err convert_finish(struct convert *c, struct pw_why *why)
{
	enum pw_err err;
	if (c->text) {
		c->lost = text_writer_lost(c->text);
		c->bytes = text_writer_bytes(c->text);
		err = text_writer_finish(c->text, why);
	} else {
		struct pw_why end_why;
		err = pwt_writer_end(c->pwt, &end_why); /* finishing says the same again */
		c->bytes = pwt_writer_bytes(c->pwt);
		err = pwt_writer_finish(c->pwt, why);
	}
	c->text = NULL;
	c->pwt = NULL;
	return err;
}

static void convert_say(const struct convert *c)
{
	char refs[40], bytes[40], number[40];
	struct trace_info info = trace_describe(c->trace);
	if (c->quiet)
		return;
	if (strcmp(c->name, "-") != 0)
		fprintf(stderr, "pageworks convert: %s: %s references, %s (%.2f bytes each), from %s%s\n", c->name,
		        text_count(refs, sizeof refs, c->refs), text_bytes(bytes, sizeof bytes, c->bytes),
		        c->refs ? (double)c->bytes / (double)c->refs : 0.0, info.format,
		        info.guessed ? ", as it looks (FORMAT:FILE says it)" : "");
	if (info.rejected)
		fprintf(stderr, "pageworks convert: %s records of %s made no sense and were left out, the first is number %s\n",
		        text_count(refs, sizeof refs, info.rejected), info.source,
		        text_count(number, sizeof number, info.rejected_at));
	if (c->lost.events || c->lost.threads || c->lost.kinds)
		fprintf(stderr, "pageworks convert: lost, because %s cannot say it:%s%s%s%s\n", c->to, c->lost.events ? " events" : "",
		        c->lost.events && c->lost.threads ? "," : "", c->lost.threads ? " which thread" : "",
		        !c->lost.kinds ? "" : c->lost.events || c->lost.threads ? ", kinds of access" : " kinds of access");
}

static int convert_all(struct convert *c, int argc, char **argv)
{
	struct pw_why why = { "" };
	bool reading;
	if (convert_words(c, argc, argv) != CLI_OK)
		return CLI_FAILED;
	if (c->listed)
		return CLI_OK;
	if (convert_open(c) != CLI_OK)
		return CLI_FAILED;
	interrupt_watch();
	enum pw_err err = convert_items(c, &reading, &why), read_err = reading ? err : PW_OK;
	if ((err != PW_OK || interrupt_seen()) && !(c->partial && (reading || interrupt_seen()))) {
		convert_remove(c);
		if (err == PW_OK && !c->quiet && strcmp(c->name, "-") != 0)
			cli_error("interrupted: %s is not kept (--partial keeps it)", c->name);
		return err == PW_OK ? CLI_OK : cli_error("%s", *why.text ? why.text : pw_err_text(err));
	}
	struct pw_why finish_why = { "" };
	err = convert_finish(c, &finish_why);
	if (err != PW_OK)
		return cli_error("%s", *finish_why.text ? finish_why.text : pw_err_text(err));
	convert_say(c);
	return read_err == PW_OK ? CLI_OK : cli_error("%s", *why.text ? why.text : pw_err_text(read_err));
}

int cli_convert(int argc, char **argv)
{
	struct convert c = { 0 };
	int status = convert_all(&c, argc, argv);
	convert_remove(&c);
	if (c.trace)
		trace_close(c.trace);
	return status != CLI_OK ? status : cli_end_like(CLI_OK, interrupt_seen());
}
