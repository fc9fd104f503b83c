/* info.c - pageworks info: what a trace is and what is in it.
 *
 * Problem.  Somebody has a file and asks what it is: which format, of which program, how many references, how much memory they touch,
 * and is it whole?
 *
 * Idea.  One survey of the stream answers all of it.  Of a .pwt the references are not unpacked unless --full asks for it: everything
 * but kinds, pages and addresses stands beside them, and skimming costs no more than reading the file.
 *
 * 1. A trace that ends badly is described up to there; the error follows, and the status is 125.
 * 2. Text and JSON come from the same struct. */
#include "cli.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"
#include "../base/json.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../trace/pwt.h"
#include "../trace/survey.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum info_key { KEY_QUIET = 0x200, KEY_PROGRESS, KEY_JSON, KEY_FULL, KEY_LIMIT, KEY_ALL };

static const struct argp_option info_options[] = {
	{ "full", KEY_FULL, NULL, 0, "unpack the references of a .pwt too: kinds, pages, addresses" },
	{ "all", KEY_ALL, NULL, 0, "list every process and mapping, not only the largest" },
	{ "limit", KEY_LIMIT, "N", 0, "look at the first N references only" },
	{ "json", KEY_JSON, "FILE", 0, "the same as JSON ('-': standard output, instead of the text)" },
	{ "output", 'o', "FILE", 0, "where the text goes (default: standard output)" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ 0 },
};

enum { LIST_MOST = 10, LABEL = 12 };

struct info {
	const char *input;
	struct output text, json;
	bool full, all, no_progress, skim;
	uint64_t limit;
	struct trace *trace;
	struct trace_info about;
	struct pwt_outline outline;
	bool outlined, cut_by_limit;
	struct survey survey;
	enum pw_err error;       /* of the trace */
	struct pw_why why;
};

static void info_input(struct info *v, const struct argp_state *state, char *arg)
{
	const struct argp_option *const lists[] = { info_options };
	int at = state->next - 1;
	if (v->input)
		exit(cli_error("%s: one trace at a time", arg));
	v->input = arg;
	if (cli_check_options(state->argc - at, state->argv + at, lists, 1) != CLI_OK)
		exit(CLI_FAILED);
}

static error_t info_parse(int key, char *arg, struct argp_state *state)
{
	struct info *v = state->input;
	struct pw_why why;
	switch (key) {
	case 'o': v->text.name = arg; break;
	case KEY_FULL: v->full = true; break;
	case KEY_ALL: v->all = true; break;
	case KEY_JSON: v->json.name = arg; break;
	case KEY_LIMIT:
		if (text_size_option("--limit", arg, &v->limit, &why) != PW_OK)
			exit(cli_error("%s", why.text));
		break;
	case KEY_PROGRESS: v->no_progress = !progress_word(arg); break;
	case ARGP_KEY_ARG: info_input(v, state, arg); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp info_argp = {
	info_options, info_parse, "TRACE",
	"Describes a trace: its format, where it is from, how many references of which kind it holds, how much memory they touch, which "
	"processes, mappings and events, and whether it is whole.  The references of a .pwt are only unpacked when --full is given.\v"
	"Examples:\n"
	"  pageworks info sort.pwt\n"
	"  pageworks info --full --all sort.pwt\n"
	"  pageworks info --json - trace.lackey.gz\n"
	"  pageworks info champsim:core0.xz",
	NULL, NULL, NULL,
};

static int info_words(struct info *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { info_options };
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&info_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (!v->input)
		return cli_error("which trace? give a file, '-' for standard input, or a generator");
	return CLI_OK;
}

/* Reads the stream through.  => PW_NOMEM; what is wrong with the trace is in v->error. */
static enum pw_err info_survey(struct info *v)
{
	struct trace_item item;
	struct progress progress;
	unsigned granule = v->about.granule_shift;
	enum pw_err err = survey_init(&v->survey, granule > 12 ? granule : 12);
	progress_begin(&progress, !v->no_progress);
	while (err == PW_OK && !interrupt_seen()) {
		trace_next(v->trace, &item);
		if (item.kind == TRACE_ITEM_END)
			break;
		if (v->limit && item.n_refs >= v->limit - v->survey.n_refs) {
			item.n_refs = v->limit - v->survey.n_refs;
			v->cut_by_limit = true;
		}
		err = survey_item(&v->survey, &item);
		if (v->cut_by_limit)
			break;
		if (progress.on)
			progress_show(&progress, v->survey.n_refs, trace_describe(v->trace).progress);
	}
	progress_end(&progress);
	v->error = trace_error(v->trace, &v->why);
	v->about = trace_describe(v->trace);
	return err;
}

static int info_read(struct info *v)
{
	struct pw_why why = { "" };
	enum pw_err err = trace_open(v->input, &v->trace, &why);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	v->about = trace_describe(v->trace);
	if (strcmp(v->about.format, "pwt") == 0) {
		v->error = pwt_outline(v->trace, &v->outline, &v->why);
		v->outlined = v->error == PW_OK;
	}
	/* An index that is damaged does not hide what can still be read before it. */
	if (v->error != PW_OK && v->error != PW_UNSUPPORTED && trace_rewind(v->trace, &why) != PW_OK)
		return cli_error("%s", why.text);
	if (!v->full && !v->limit && pwt_skim(v->trace))
		v->skim = true;
	err = info_survey(v);
	return err == PW_OK ? CLI_OK : cli_error("%s: out of memory", v->input);
}

static void line(FILE *out, const char *label, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void line(FILE *out, const char *label, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(out, "  %-*s ", LABEL, label);
	vfprintf(out, format, args);
	fputc('\n', out);
	va_end(args);
}

/* The bytes that one reference takes in the file; 0: not known, or not all of it was read. */
static double info_bytes_each(const struct info *v)
{
	uint64_t refs = v->survey.n_refs;
	return refs && !v->cut_by_limit && !interrupt_seen() ? (double)v->about.file_bytes / (double)refs : 0;
}

static void show_file(FILE *out, const struct info *v)
{
	char a[40], b[40];
	const struct trace_info *t = &v->about;
	bool packed = t->packing && strcmp(t->packing, "plain") != 0;
	line(out, "format", "%s%s%s%s", t->format, packed ? ", packed by " : "", packed ? t->packing : "",
	     t->guessed ? "; a guess: it has no mark, but its records make sense (FORMAT:FILE says it)" : "");
	if (t->file_bytes && packed)
		line(out, "size", "%s; %s unpacked", text_bytes(a, sizeof a, t->file_bytes), text_bytes(b, sizeof b, t->bytes));
	else if (t->file_bytes || t->bytes)
		line(out, "size", "%s", text_bytes(a, sizeof a, t->file_bytes ? t->file_bytes : t->bytes));
	if (pwt_text(v->trace, "command"))
		line(out, "source", "%s", pwt_text(v->trace, "command"));
	if (pwt_text(v->trace, "machine"))
		line(out, "machine", "%s", pwt_text(v->trace, "machine"));
	if (pwt_text(v->trace, "version"))
		line(out, "written by", "pageworks %s, seed %s", pwt_text(v->trace, "version"),
		     pwt_text(v->trace, "seed") ? pwt_text(v->trace, "seed") : "unknown");
}

static double percent(uint64_t part, uint64_t all) { return all ? 100.0 * (double)part / (double)all : 0; }

static void show_refs(FILE *out, const struct info *v)
{
	char a[40], b[40];
	uint64_t refs = v->survey.n_refs;
	double each = info_bytes_each(v);
	snprintf(b, sizeof b, each > 0 ? "; %.2f bytes each" : "", each);
	line(out, "references", "%s%s%s", text_count(a, sizeof a, refs), v->cut_by_limit ? " looked at" : "", b);
	if (!v->skim)
		line(out, "kinds", "%.1f %% loads, %.1f %% stores, %.1f %% fetches", percent(v->survey.refs[ACCESS_LOAD], refs),
		     percent(v->survey.refs[ACCESS_STORE], refs), percent(v->survey.refs[ACCESS_FETCH], refs));
	if (v->outlined)
		line(out, "frames", "%s, with an index: it is whole, and can be entered in the middle",
		     text_count(a, sizeof a, v->outline.frames));
	line(out, "granule", "%s%s", text_bytes(a, sizeof a, 1ull << v->about.granule_shift),
	     v->about.granule_shift ? ": addresses are exact to that" : ": addresses are exact");
}

static void show_memory(FILE *out, const struct survey *s)
{
	char a[40], b[40], c[40], d[40], e[40];
	uint64_t size = 1ull << s->page_shift;
	if (!s->n_refs)
		return;
	line(out, "footprint", "%s pages of %s, %s", text_count(a, sizeof a, s->n_pages), text_bytes(b, sizeof b, size),
	     text_bytes(c, sizeof c, s->n_pages << s->page_shift));
	line(out, "", "%s of them loaded from, %s stored to, %s fetched from", text_count(a, sizeof a, s->pages[ACCESS_LOAD]),
	     text_count(d, sizeof d, s->pages[ACCESS_STORE]), text_count(e, sizeof e, s->pages[ACCESS_FETCH]));
	line(out, "addresses", "0x%" PRIx64 " to 0x%" PRIx64, s->lowest, s->highest);
	line(out, "first", "%s 0x%" PRIx64 " by process %u, thread %u", access_name(ref_kind(s->first.ref)), ref_va(s->first.ref).v,
	     s->first.pid,
	     s->first.tid);
	line(out, "last", "%s 0x%" PRIx64 " by process %u, thread %u", access_name(ref_kind(s->last.ref)), ref_va(s->last.ref).v,
	     s->last.pid,
	     s->last.tid);
}

static int more_refs(const void *x, const void *y)
{
	const struct survey_process *a = x, *b = y;
	return a->refs != b->refs ? (a->refs < b->refs) - (a->refs > b->refs) : (a->pid > b->pid) - (a->pid < b->pid);
}

static int more_bytes(const void *x, const void *y)
{
	const struct survey_mapping *a = x, *b = y;
	return a->bytes != b->bytes ? (a->bytes < b->bytes) - (a->bytes > b->bytes) : strcmp(a->name, b->name);
}

static void show_processes(FILE *out, const struct info *v)
{
	char a[40], b[40], pages[60];
	const struct survey *s = &v->survey;
	uint32_t threads = 0;
	for (unsigned i = 0; i < s->n_processes; i++)
		threads += s->process[i].threads;
	line(out, "processes", "%u, with %u thread%s that made references", s->n_processes, threads, threads == 1 ? "" : "s");
	for (unsigned i = 0; i < s->n_processes && s->n_processes > 1 && (v->all || i < LIST_MOST); i++) {
		const struct survey_process *p = &s->process[i];
		snprintf(pages, sizeof pages, " %9s pages", text_count(b, sizeof b, p->pages));
		line(out, "", "%-7u %15s references%s  %u thread%s  %s", p->pid, text_count(a, sizeof a, p->refs), v->skim ? "" : pages,
		     p->threads, p->threads == 1 ? " " : "s", p->command);
	}
	if (s->n_processes > LIST_MOST && !v->all)
		line(out, "", "and %u smaller ones (--all)", s->n_processes - LIST_MOST);
}

static void show_events(FILE *out, const struct info *v)
{
	static const char *const word[] = {
#define X(name, word) word,
		TRACE_EVENT_LIST(X)
#undef X
	};
	char a[40], b[40];
	const struct survey *s = &v->survey;
	fprintf(out, "  %-*s", LABEL, "events");
	const char *comma = " ";
	for (int k = 0; k < TRACE_EVENT_KINDS; k++) {
		if (s->events[k])
			fprintf(out, "%s%s %s", comma, text_count(a, sizeof a, s->events[k]), word[k]);
		comma = s->events[k] ? ", " : comma;
	}
	fputs(s->n_events ? "\n" : " none: every address counts as mapped\n", out);
	if (s->lost)
		line(out, "lost", "%s references could not be recorded", text_count(a, sizeof a, s->lost));
	if (!s->n_mappings)
		return;
	line(out, "mappings", "%s by %u names, %s", text_count(a, sizeof a, s->events[TRACE_MAP]), s->n_mappings,
	     text_bytes(b, sizeof b, s->mapped_bytes));
	for (unsigned i = 0; i < s->n_mappings && (v->all || i < LIST_MOST); i++)
		line(out, "", "%10s  %5s x  %s", text_bytes(b, sizeof b, s->mapping[i].bytes),
		     text_count(a, sizeof a, s->mapping[i].count), s->mapping[i].name);
	if (s->n_mappings > LIST_MOST && !v->all)
		line(out, "", "and %u smaller ones (--all)", s->n_mappings - LIST_MOST);
}

static void show(FILE *out, const struct info *v)
{
	char a[40], b[40];
	fprintf(out, "%s\n", v->about.source);
	show_file(out, v);
	show_refs(out, v);
	if (!v->skim)
		show_memory(out, &v->survey);
	show_processes(out, v);
	show_events(out, v);
	line(out, "records", "%s read, %s rejected", text_count(a, sizeof a, v->about.records), text_count(b, sizeof b, v->about.rejected));
	if (v->about.rejected)
		line(out, "", "the first that made no sense is number %s", text_count(a, sizeof a, v->about.rejected_at));
	if (v->skim)
		line(out, "", "--full adds kinds, pages and addresses");
	if (interrupt_seen())
		line(out, "", "interrupted: this is what was read until then");
}

static void json_footprint(struct jsonw *j, const struct survey *s)
{
	jsonw_object(j, "footprint");
	jsonw_u64(j, "page_bytes", 1ull << s->page_shift);
	jsonw_u64(j, "pages", s->n_pages);
	jsonw_u64(j, "bytes", s->n_pages << s->page_shift);
	jsonw_u64(j, "loaded", s->pages[ACCESS_LOAD]);
	jsonw_u64(j, "stored", s->pages[ACCESS_STORE]);
	jsonw_u64(j, "fetched", s->pages[ACCESS_FETCH]);
	if (s->n_refs) {
		jsonw_hex(j, "lowest", s->lowest);
		jsonw_hex(j, "highest", s->highest);
	}
	jsonw_end(j);
}

static void json_survey(struct jsonw *j, const struct survey *s, bool skim)
{
	if (!skim)
		json_footprint(j, s);
	jsonw_array(j, "processes");
	for (unsigned i = 0; i < s->n_processes; i++) {
		const struct survey_process *p = &s->process[i];
		jsonw_object(j, NULL);
		jsonw_u64(j, "pid", p->pid);
		jsonw_u64(j, "parent", p->parent);
		jsonw_string(j, "command", p->command);
		jsonw_u64(j, "references", p->refs);
		if (!skim)
			jsonw_u64(j, "pages", p->pages);
		jsonw_u64(j, "threads", p->threads);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_object(j, "events");
#define X(name, word) jsonw_u64(j, word, s->events[TRACE_##name]);
	TRACE_EVENT_LIST(X)
#undef X
	jsonw_end(j);
	jsonw_array(j, "mappings");
	for (unsigned i = 0; i < s->n_mappings; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", s->mapping[i].name);
		jsonw_u64(j, "count", s->mapping[i].count);
		jsonw_u64(j, "bytes", s->mapping[i].bytes);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_file(struct jsonw *j, const struct info *v)
{
	static const char *const keys[] = { "command", "machine", "version", "seed" };
	const struct trace_info *t = &v->about;
	jsonw_object(j, "input");
	jsonw_string(j, "source", t->source);
	jsonw_string(j, "format", t->format);
	jsonw_bool(j, "guessed", t->guessed);
	if (t->packing)
		jsonw_string(j, "packing", t->packing);
	if (t->file_bytes)
		jsonw_u64(j, "file_bytes", t->file_bytes);
	if (t->packing)
		jsonw_u64(j, "unpacked_bytes", t->bytes);
	jsonw_u64(j, "granule_bytes", 1ull << t->granule_shift);
	jsonw_bool(j, "has_events", t->has_events);
	if (v->outlined)
		jsonw_u64(j, "frames", v->outline.frames);
	jsonw_u64(j, "records", t->records);
	jsonw_u64(j, "rejected", t->rejected);
	if (t->rejected)
		jsonw_u64(j, "rejected_at", t->rejected_at);
	if (v->error && v->error != PW_UNSUPPORTED)
		jsonw_string(j, "error", v->why.text);
	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (pwt_text(v->trace, keys[i]))
			jsonw_string(j, keys[i], pwt_text(v->trace, keys[i]));
	}
	jsonw_end(j);
}

static enum pw_err info_json(FILE *out, const struct info *v)
{
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "info");
	json_file(&j, v);
	jsonw_object(&j, "references");
	jsonw_u64(&j, "total", v->survey.n_refs);
	if (!v->skim) {
		jsonw_u64(&j, "loads", v->survey.refs[ACCESS_LOAD]);
		jsonw_u64(&j, "stores", v->survey.refs[ACCESS_STORE]);
		jsonw_u64(&j, "fetches", v->survey.refs[ACCESS_FETCH]);
	}
	if (info_bytes_each(v) > 0)
		jsonw_real(&j, "bytes_each", info_bytes_each(v));
	jsonw_end(&j);
	json_survey(&j, &v->survey, v->skim);
	jsonw_end(&j);
	return jsonw_finish(&j);
}

static enum pw_err info_render_text(void *ctx, FILE *memory)
{
	show(memory, ctx);
	return PW_OK;
}

static enum pw_err info_render_json(void *ctx, FILE *memory) { return info_json(memory, ctx); }

/* The text is in the way when JSON goes to standard output. */
static int info_open_outputs(struct info *v)
{
	if (!v->text.name && !(v->json.name && strcmp(v->json.name, "-") == 0))
		v->text.name = "-";
	return output_open(&v->text) == CLI_OK && output_open(&v->json) == CLI_OK ? CLI_OK : CLI_FAILED;
}

static int info_all(struct info *v, int argc, char **argv)
{
	if (info_words(v, argc, argv) != CLI_OK || info_open_outputs(v) != CLI_OK)
		return CLI_FAILED;
	interrupt_watch();
	if (info_read(v) != CLI_OK)
		return CLI_FAILED;
	if (v->survey.n_processes)
		qsort(v->survey.process, v->survey.n_processes, sizeof *v->survey.process, more_refs);
	if (v->survey.n_mappings)
		qsort(v->survey.mapping, v->survey.n_mappings, sizeof *v->survey.mapping, more_bytes);
	signal(SIGPIPE, SIG_IGN);
	int status = output_write(&v->text, info_render_text, v);
	if (output_write(&v->json, info_render_json, v) != CLI_OK)
		status = CLI_FAILED;
	if (status == CLI_OK && v->error && v->error != PW_UNSUPPORTED)
		status = cli_error("%s", v->why.text);
	return status;
}

int cli_info(int argc, char **argv)
{
	struct info v = {
		.text = { .option = "-o", .what = "description" }, .json = { .option = "--json", .what = "JSON" },
	};
	int status = info_all(&v, argc, argv);
	output_close(&v.text);
	output_close(&v.json);
	survey_fini(&v.survey);
	if (v.trace)
		trace_close(v.trace);
	return status != CLI_OK ? status : cli_end_like(CLI_OK, interrupt_seen());
}
