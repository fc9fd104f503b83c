/* ps.c - pageworks ps: the processes of this computer by their memory.
 *
 * Problem.  "Which process uses the memory" has as many answers as there are words for use, and the better the answer, the more it
 * costs to get: asking every process for its unique memory takes a busy machine longer than the person wants to wait.
 *
 * Idea.  Sort and cut on what is cheap, then ask the dear questions of the rows that are left:
 *
 *     read stat of all -> (a second look) -> leave out -> [fill what is sorted or added up by] -> sort -> cut -> fill the rest -> show
 *
 * 1. Nothing on the host is changed, but by --wss, which says what it changes and what it cost.
 * 2. A figure that is not known is shown as "-", one that is hidden from us as "?", and a line below says why.
 *
 * Rejected: a default of the unique memory, which would make the cost the user's surprise; estimates where the kernel says nothing. */
#include "ps.h"
#include "cli.h"
#include "interrupt.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <errno.h>
#include <math.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum ps_key { KEY_JSON = 0x200, KEY_FULL, KEY_SORT, KEY_REVERSE, KEY_TREE, KEY_BY, KEY_INTERVAL, KEY_WSS };

static const struct argp_option ps_options[] = {
	{ "top", 'n', "N", 0, "the first N rows only" },
	{ "sort", KEY_SORT, "FIELD", 0, "largest first (default: rss; minflt_s with --interval, wss with --wss)" },
	{ "reverse", KEY_REVERSE, NULL, 0, "smallest first" },
	{ "fields", 'f', "LIST", 0, "columns, with commas; 'help' lists them" },
	{ "full", KEY_FULL, NULL, 0, "also swap, pss, uss and huge_share: the kernel walks the page tables of each row shown" },
	{ "user", 'u', "NAME", 0, "processes of this user (name or number) only" },
	{ "by", KEY_BY, "WHAT", 0, "add up: user, name" },
	{ "tree", KEY_TREE, NULL, 0, "children below their parents" },
	{ "all", 'a', NULL, 0, "threads of the kernel too, which have no memory of their own" },
	{ "interval", 'i', "SECONDS", 0, "look twice, this far apart: faults a second" },
	{ "wss", KEY_WSS, "SECONDS", 0,
	  "the memory each row uses within this time. It clears the rows' reference bits (/proc/PID/clear_refs): the kernel forgets which "
	  "of their pages were in use, and may for a while reclaim the wrong ones" },
	{ "json", KEY_JSON, "FILE", 0, "the same as JSON ('-': standard output, instead of the table)" },
	{ "output", 'o', "FILE", 0, "where the table goes (default: standard output)" },
	{ 0 },
};

/* ---- columns */

const char *ps_column_name(unsigned column)
{
	static const char *const word[] = {
#define X(name, word, others, text) word,
		PS_WORD_LIST(X)
#undef X
	};
	return column < PROC_FIELDS ? proclist_about[column].name : word[column - PROC_FIELDS];
}

const char *ps_column_others(unsigned column)
{
	static const char *const others[] = {
#define X(name, word, others, text) others,
		PS_WORD_LIST(X)
#undef X
	};
	return column < PROC_FIELDS ? proclist_about[column].others : others[column - PROC_FIELDS];
}

const char *ps_column_text(unsigned column)
{
	static const char *const texts[] = {
#define X(name, word, others, text) text,
		PS_WORD_LIST(X)
#undef X
	};
	return column < PROC_FIELDS ? proclist_about[column].text : texts[column - PROC_FIELDS];
}

bool ps_has_column(const struct ps *v, unsigned column)
{
	for (unsigned i = 0; i < v->n_columns; i++)
		if (v->column[i] == column)
			return true;
	return false;
}

static int column_find(const char *name)
{
	int field = proclist_find(name);
	for (unsigned c = PROC_FIELDS; field < 0 && c < PS_COLUMNS; c++)
		if (strcasecmp(ps_column_name(c), name) == 0 || proclist_listed(ps_column_others(c), name))
			return (int)c;
	return field;
}

static int column_unknown(const char *what, const char *name)
{
	const char *names[PS_COLUMNS];
	for (unsigned c = 0; c < PS_COLUMNS; c++)
		names[c] = ps_column_name(c);
	return cli_unknown(what, name, names, PS_COLUMNS);
}

static int column_add(struct ps *v, unsigned column)
{
	if (ps_has_column(v, column))
		return CLI_OK;
	if (v->n_columns == PS_SHOWN_MAX)
		return cli_error("--fields: more than %d columns", PS_SHOWN_MAX);
	v->column[v->n_columns++] = column;
	return CLI_OK;
}

static void columns_list(void)
{
	static const char *const cost[] = { "", "[a file more] ", "[a file more] ", "[walks page tables] ", "", "" };
	for (unsigned c = 0; c < PS_COLUMNS; c++) {
		const char *others = ps_column_others(c), *dear = c < PROC_FIELDS ? cost[proclist_about[c].source] : "";
		printf("%-12s %s%s", ps_column_name(c), dear, ps_column_text(c));
		printf(*others ? " (also: %s)\n" : "\n", others);
	}
	exit(fflush(stdout) == 0 ? CLI_OK : CLI_FAILED);
}

static void columns_parse(struct ps *v, const char *list)
{
	if (strcmp(list, "help") == 0)
		columns_list();
	v->n_columns = 0;
	for (const char *at = list;; at++) {
		char name[40];
		size_t n = strcspn(at, ",");
		snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), at);
		int column = column_find(name);
		if (column < 0)
			exit(column_unknown("field", name));
		if (column_add(v, (unsigned)column) != CLI_OK)
			exit(CLI_FAILED);
		at += n;
		if (!*at)
			return;
	}
}

/* ---- words */

static double seconds_parse(const char *option, const char *word)
{
	char *end;
	double v = strtod(word, &end);
	if (end == word || *end || !isfinite(v) || v < 0.001 || v > 86400)
		exit(cli_error("%s: '%s' is no time; write seconds, from 0.001 to 86400", option, word));
	return v;
}

static void pid_add(struct ps *v, const struct argp_state *state, const char *word)
{
	const struct argp_option *const lists[] = { ps_options };
	int at = state->next - 1;
	uint64_t pid;
	if (text_u64(word, &pid, NULL) != PW_OK || !pid || pid > INT32_MAX)
		exit(cli_error("'%s' is no process: give its number", word));
	uint32_t *more = mem_realloc(v->pid, v->n_pids + 1, sizeof *more);
	if (!more)
		exit(cli_error("out of memory"));
	v->pid = more;
	v->pid[v->n_pids++] = (uint32_t)pid;
	if (cli_check_options(state->argc - at, state->argv + at, lists, 1) != CLI_OK)
		exit(CLI_FAILED);
}

static void sort_parse(struct ps *v, const char *word)
{
	int field = proclist_find(word);
	const char *names[PROC_FIELDS];
	for (unsigned f = 0; f < PROC_FIELDS; f++)
		names[f] = proclist_about[f].name;
	if (field < 0)
		exit(cli_unknown("field to sort by", word, names, PROC_FIELDS));
	v->sort = (enum proclist_field)field;
	v->sort_given = true;
}

static void by_parse(struct ps *v, const char *word)
{
	static const char *const names[] = { "user", "name" };
	v->by_given = true;
	v->by = strcmp(word, "user") == 0 ? PROC_GROUP_USER : PROC_GROUP_NAME;
	if (strcmp(word, names[v->by]) != 0)
		exit(cli_unknown("sum", word, names, 2));
}

static error_t ps_parse(int key, char *arg, struct argp_state *state)
{
	struct ps *v = state->input;
	struct pw_why why;
	switch (key) {
	case 'n':
		if (text_size_option("--top", arg, &v->top, &why) != PW_OK)
			exit(cli_error("%s", why.text));
		if (!v->top)
			exit(cli_error("--top: no rows are too few"));
		break;
	case 'f': columns_parse(v, arg); break;
	case 'u': v->user = arg; break;
	case 'a': v->all = true; break;
	case 'i': v->interval = seconds_parse("--interval", arg); break;
	case 'o': v->text.name = arg; break;
	case KEY_SORT: sort_parse(v, arg); break;
	case KEY_REVERSE: v->reversed = true; break;
	case KEY_FULL: v->full = true; break;
	case KEY_TREE: v->tree = true; break;
	case KEY_BY: by_parse(v, arg); break;
	case KEY_WSS: v->window = seconds_parse("--wss", arg); break;
	case KEY_JSON: v->json.name = arg; break;
	case ARGP_KEY_ARG: pid_add(v, state, arg); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp ps_argp = {
	ps_options, ps_parse, "[PID...]",
	"Lists processes by their memory: all that are yours to see, or those named.  The columns are named as psutil and /proc name "
	"them; '-' is a figure that this kernel does not tell, '?' one that is hidden from you.\v"
	"Examples:\n"
	"  pageworks ps -n 10                          the ten largest\n"
	"  pageworks ps -n 10 --full                   with what is shared fairly divided, and what ending them would free\n"
	"  pageworks ps --sort majflt_s --interval 2   who waits for pages from disk, now\n"
	"  pageworks ps --by user --fields user,rss,pss,swap\n"
	"  pageworks ps --tree --user daemon\n"
	"  pageworks ps --wss 5 $(pidof redis-server)  how much of it is in use\n",
	NULL, NULL, NULL,
};

/* Words that make no sense together. */
static int words_check(const struct ps *v)
{
	if (v->tree && v->by_given)
		return cli_error("--tree and --by: a sum has no parent; give one of them");
	if (v->tree && v->top)
		return cli_error("--tree and --top: a tree cut off is none; give one of them");
	if (!v->interval && (ps_has_column(v, PROC_MINFLT_RATE) || ps_has_column(v, PROC_MAJFLT_RATE) ||
	                     (v->sort_given && proclist_about[v->sort].source == PROC_BY_TWO_LOOKS)))
		return cli_error("faults a second need two looks: add --interval SECONDS");
	if (!v->window && (ps_has_column(v, PROC_WSS) || (v->sort_given && v->sort == PROC_WSS)))
		return cli_error("the working set needs a window: add --wss SECONDS, which clears reference bits");
	return CLI_OK;
}

static void columns_default(struct ps *v)
{
	static const unsigned sums[] = { PROC_RSS, PROC_MINFLT, PROC_MAJFLT };
	static const unsigned each[] = { PROC_PID, PS_USER, PROC_VMS, PROC_RSS, PROC_MINFLT, PROC_MAJFLT };
	static const unsigned full[] = { PROC_SWAP, PROC_PSS, PROC_USS, PROC_HUGE_SHARE };
	bool given = v->n_columns;
	if (!given && v->by_given)
		v->column[v->n_columns++] = v->by == PROC_GROUP_USER ? PS_USER : PS_NAME;
	for (unsigned i = 0; !given && i < (v->by_given ? 3 : 6); i++)
		v->column[v->n_columns++] = v->by_given ? sums[i] : each[i];
	/* A list that was given may be full; what was asked for beside it then has no room, and is in the JSON. */
	for (unsigned i = 0; v->full && i < 4 && v->n_columns < PS_SHOWN_MAX - 4; i++)
		if (!ps_has_column(v, full[i]))
			v->column[v->n_columns++] = full[i];
	for (unsigned f = PROC_MINFLT_RATE; v->interval && f <= PROC_MAJFLT_RATE; f++)
		if (!ps_has_column(v, f))
			v->column[v->n_columns++] = f;
	if (v->window && !ps_has_column(v, PROC_WSS))
		v->column[v->n_columns++] = PROC_WSS;
	if (!given && !v->by_given)
		v->column[v->n_columns++] = PS_NAME;
	if (!v->sort_given)
		v->sort = v->interval ? PROC_MINFLT_RATE : PROC_RSS;
}

/* ---- gathering */

/* => how long it really was: somebody who interrupts wants to see what there is by now. */
static double wait_for(double seconds)
{
	double began = clock_seconds(), left = seconds;
	while (left > 0 && !interrupt_seen()) {
		struct timespec t = { (time_t)left, (long)((left - floor(left)) * 1e9) };
		nanosleep(&t, NULL);
		left = began + seconds - clock_seconds();
	}
	return clock_seconds() - began;
}

static bool keep_own_memory(const struct proclist_row *r, const void *ctx) { (void)ctx; return r->task.vsize > 0; }
static bool keep_living(const struct proclist_row *r, const void *ctx) { (void)ctx; return !r->gone; }
static bool keep_user(const struct proclist_row *r, const void *ctx) { return r->uid == *(const uid_t *)ctx; }

static int user_find(const char *name, uid_t *ret)
{
	uint64_t number;
	struct passwd *entry = getpwnam(name);
	if (entry)
		*ret = entry->pw_uid;
	else if (text_u64(name, &number, NULL) == PW_OK && number < UINT32_MAX)
		*ret = (uid_t)number;
	else
		return cli_error("--user: there is no user '%s' here", name);
	return CLI_OK;
}

static int leave_out(struct ps *v)
{
	uint32_t n = v->list.n;
	uid_t uid;
	if (!v->all && !v->n_pids)
		proclist_keep(&v->list, keep_own_memory, NULL);
	v->kernel_threads = n - v->list.n;
	n = v->list.n;
	if (v->user) {
		if (user_find(v->user, &uid) != CLI_OK)
			return CLI_FAILED;
		proclist_keep(&v->list, keep_user, &uid);
	}
	v->others = n - v->list.n;
	return CLI_OK;
}

static enum pw_err working_sets(struct ps *v, struct pw_why *why)
{
	double began = clock_seconds();
	enum pw_err err = proclist_clear(v->host, &v->list, why);
	v->clear_seconds = clock_seconds() - began;
	if (err)
		return err;
	for (uint32_t i = 0; i < v->list.n; i++)
		v->cleared += !v->list.row[i].gone && !(v->list.row[i].hidden >> PROC_WSS & 1) && v->list.row[i].task.vsize;
	v->window_was = wait_for(v->window);
	began = clock_seconds();
	err = proclist_used(v->host, &v->list, why);
	v->used_seconds = clock_seconds() - began;
	return err;
}

static enum pw_err source_fill(struct ps *v, enum proclist_source source, struct pw_why *why)
{
	return source == PROC_BY_CLEARING ? working_sets(v, why) : proclist_fill(v->host, &v->list, source, why);
}

/* Is any column shown, or thing sorted by, of this source? */
static bool source_wanted(const struct ps *v, enum proclist_source source)
{
	if (v->json.name && v->full && (source == PROC_BY_STATM || source == PROC_BY_STATUS || source == PROC_BY_ROLLUP))
		return true;
	for (unsigned i = 0; i < v->n_columns; i++)
		if (v->column[i] < PROC_FIELDS && proclist_about[v->column[i]].source == source)
			return true;
	return proclist_about[v->sort].source == source;
}

/* Fills in what is wanted: of all sources but one that was done before, or of that one alone. */
static enum pw_err sources_fill(struct ps *v, bool before_the_cut, struct pw_why *why)
{
	static const enum proclist_source source[] = { PROC_BY_STATM, PROC_BY_STATUS, PROC_BY_ROLLUP, PROC_BY_CLEARING };
	enum pw_err err = PW_OK;
	for (unsigned i = 0; i < 4 && err == PW_OK; i++) {
		bool early = v->by_given || (v->top && proclist_about[v->sort].source == source[i]);
		if (early == before_the_cut && source_wanted(v, source[i]))
			err = source_fill(v, source[i], why);
	}
	return err;
}

static void cut(struct ps *v)
{
	if (v->top && v->list.n > v->top) {
		v->cut = v->list.n - (uint32_t)v->top;
		v->list.n = (uint32_t)v->top;
	}
}

/* A process that has ended would make the sums unknown. */
static void add_up(struct ps *v)
{
	uint32_t n = v->list.n;
	proclist_keep(&v->list, keep_living, NULL);
	v->list.ended += n - v->list.n;
	proclist_add_up(&v->list, v->by);
}

static enum pw_err gather_rest(struct ps *v, struct pw_why *why)
{
	enum pw_err err = PW_OK;
	if (v->interval) {
		v->interval_was = wait_for(v->interval);
		err = proclist_again(v->host, &v->list, why);
	}
	if (err == PW_OK)
		err = sources_fill(v, true, why);
	if (err == PW_OK && v->by_given)
		add_up(v);
	proclist_sort(&v->list, v->sort, v->reversed);
	cut(v);
	if (err == PW_OK)
		err = sources_fill(v, false, why);
	proclist_sort(&v->list, v->sort, v->reversed);
	return err == PW_OK && v->tree ? proclist_tree(&v->list, why) : err;
}

static int gather(struct ps *v)
{
	struct pw_why why = { "" };
	enum pw_err err = procfs_open(NULL, &v->host, &why);
	if (err == PW_OK)
		err = proclist_read(v->host, v->pid, v->n_pids, &v->list, &why);
	if (err)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	v->others_invisible = !v->n_pids && geteuid() != 0 && v->list.n && procfs_is_this_computer(v->host);
	for (uint32_t i = 0; i < v->list.n; i++)
		v->others_invisible = v->others_invisible && v->list.row[i].uid == geteuid();
	if (leave_out(v) != CLI_OK)
		return CLI_FAILED;
	interrupt_watch();
	err = gather_rest(v, &why);
	interrupt_unwatch();
	return err == PW_OK ? CLI_OK : cli_error("%s", *why.text ? why.text : pw_err_text(err));
}

int cli_ps(int argc, char **argv)
{
	const struct argp_option *const lists[] = { ps_options };
	struct ps v = { .text = { .option = "--output", .what = "table" }, .json = { .option = "--json", .what = "JSON" } };
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK || argp_parse(&ps_argp, argc, argv, ARGP_IN_ORDER, NULL, &v) ||
	    words_check(&v) != CLI_OK)
		return CLI_FAILED;
	columns_default(&v);
	int status = outputs_open(&v.text, &v.json);
	if (status == CLI_OK)
		status = gather(&v);
	if (status == CLI_OK)
		status = outputs_write(&v.text, ps_render_text, &v.json, ps_render_json, &v);
	output_close(&v.text);
	output_close(&v.json);
	proclist_fini(&v.list);
	procfs_close(v.host);
	mem_free(v.pid);
	return status;
}
