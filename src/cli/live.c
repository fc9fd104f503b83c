/* live.c - pageworks live: a real program, really paged.
 *
 * Problem.  Somebody's program needs more memory than it is to have.  It should run as if it had it, end as it would natively, and
 * leave nothing behind, however it or we end.
 *
 * Idea.  Words are checked, the host is asked whether it lets us, outputs are opened; then the program starts with a pager inside, and
 * we wait.  Its figures are in a page shared with it, so they are there also when it is killed.
 *
 * 1. The program starts only when nothing else can fail any more.
 * 2. The exit status is the program's; 125 when the pager had to stop it, with the reason in one line.
 * 3. Ctrl-C is the program's to handle; TERM and HUP are passed on to it.
 * 4. With --control and no command it talks to the one that runs.
 *
 * Rejected: --ram without a default (a guess would page programs that fit, or none). */
#include "cli.h"
#include "keep.h"
#include "live_control.h"
#include "live_outside.h"
#include "live_report.h"
#include "live_view.h"
#include "output.h"
#include "progress.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../live/spread.h"
#include "../live/wish.h"
#include "../pmap/uffd.h"
#include "../store/store.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum live_key {
	KEY_FIRST = 0x200, KEY_RAM = KEY_FIRST, KEY_POLICY, KEY_SWAP, KEY_AHEAD, KEY_JSON, KEY_QUIET, KEY_FOLLOW, KEY_SEED,
	KEY_PERSONALITY, KEY_LEAST, KEY_HINT, KEY_NO_PIN, KEY_SLOTS, KEY_CONTROL, KEY_TOP, KEY_PROGRESS, KEY_PROTECT,
	KEY_END,
};

static const struct argp_option live_options[] = {
	{ .doc = "Memory:", .group = 1 },
	{ "ram", KEY_RAM, "SIZE", 0, "how much of the program's heap and anonymous memory is resident at most" },
	{ "policy", KEY_POLICY, "NAME", 0, "who leaves when room is needed (default fifo for stores in memory, clock for others)" },
	{ "swap", KEY_SWAP, "STORE", 0, "where the rest is: ram, file:PATH, ... (default ram)" },
	{ "swap-size", KEY_SLOTS, "SIZE", 0, "at most so much of it (default: as much as there is)" },
	{ "readahead", KEY_AHEAD, "N", 0, "pages fetched ahead of sequential faults at most (default 64; 0: none)" },
	{ "personality", KEY_PERSONALITY, "NAME", 0, "linux: evicts ahead of need, in batches (default); textbook: one page, when needed" },
	{ "protect", KEY_PROTECT, "PATTERN", 0, "mappings of such names never leave memory: heap, anon:OBJECT, anon:* (may be repeated)" },
	{ "least", KEY_LEAST, "SIZE", 0, "anonymous mappings smaller than this are left alone (default 64K)" },
	{ "seed", KEY_SEED, "N", 0, "of policies that throw dice (default 1)" },
	{ .doc = "The program:", .group = 2 },
	{ "follow", KEY_FOLLOW, NULL, 0, "programs it starts are paged as well, each with as much memory" },
	{ "no-pin", KEY_NO_PIN, NULL, 0, "do not keep program and pager on one processor" },
	{ "attach-hint", KEY_HINT, NULL, 0, "say what this computer lacks for paging programs, and what to do" },
	{ "control", KEY_CONTROL, "PATH", 0, "a socket through which --ram can be changed and figures be seen while it runs; without a "
		"command: change (--ram) or show them" },
	{ .doc = "The report:", .group = 3 },
	{ "output", 'o', "FILE", 0, "write the report to FILE instead of standard error" },
	{ "json", KEY_JSON, "FILE", 0, "write the result as JSON to FILE ('-': standard output)" },
	{ "quiet", KEY_QUIET, NULL, 0, "no report, no line while it runs" },
	{ "top", KEY_TOP, NULL, 0, "show how it fares on the whole terminal; with --control alone: how one that runs does" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: a line on the terminal while it runs, unless the program writes there; never" },
	{ 0 },
};

struct live_verb {
	struct board_orders orders;
	struct output report, json;
	const char *personality, *control_path;
	const char *starts;      /* an option that was given and means something only with a command */
	bool quiet, hint, top, line;
	char *const *command;
	unsigned n_command;
	struct live live;
	struct live_control *control;
	struct live_view *view;
	int status, signal;
};

static void word_copy(char *to, size_t size, const char *what, const char *word)
{
	if (snprintf(to, size, "%s", word) >= (int)size)
		exit(cli_error("%s: longer than %zu bytes", what, size - 1));
}

/* One more word of a list with commas. */
static void word_add(char *to, size_t size, const char *what, const char *word)
{
	size_t n = strlen(to);
	if (!*word || strlen(word) > 100)
		exit(cli_error("%s '%.100s': a pattern has 1 to 100 bytes", what, word));
	if (snprintf(to + n, size - n, "%s%s", n ? "," : "", word) >= (int)(size - n))
		exit(cli_error("%s: all of them together are longer than %zu bytes", what, size - 1));
}

static void word_size(const char *what, const char *word, uint64_t *ret)
{
	struct pw_why why = { "" };
	if (text_size_option(what, word, ret, &why) != PW_OK)
		exit(cli_error("%s", why.text));
}

static const char *option_name(int key)
{
	const struct argp_option *o = live_options;
	while (o->key != key)
		o++;
	return o->name;
}

static bool needs_command(int key)
{
	return key >= KEY_FIRST && key != KEY_RAM && key != KEY_JSON && key != KEY_QUIET && key != KEY_CONTROL && key != KEY_TOP &&
	       key < KEY_END;
}

static error_t live_parse(int key, char *arg, struct argp_state *state)
{
	struct live_verb *v = state->input;
	uint64_t n = 0;
	if (needs_command(key))
		v->starts = option_name(key);
	switch (key) {
	case KEY_RAM: word_size("--ram", arg, &v->orders.ram_bytes); break;
	case KEY_LEAST: word_size("--least", arg, &v->orders.map_least); break;
	case KEY_SEED: word_size("--seed", arg, &v->orders.seed); break;
	case KEY_SLOTS:
		word_size("--swap-size", arg, &n);
		v->orders.slots = n / PAGER_PAGE;
		break;
	case KEY_AHEAD:
		word_size("--readahead", arg, &n);
		v->orders.ahead = n > 4096 ? 4096 : (uint32_t)n;
		break;
	case KEY_POLICY: word_copy(v->orders.policy, sizeof v->orders.policy, "--policy", arg); break;
	case KEY_SWAP: word_copy(v->orders.swap, sizeof v->orders.swap, "--swap", arg); break;
	case KEY_PERSONALITY: v->personality = arg; break;
	case KEY_PROTECT: word_add(v->orders.protect, sizeof v->orders.protect, "--protect", arg); break;
	case KEY_FOLLOW: v->orders.follow = true; break;
	case KEY_NO_PIN: v->orders.pin = false; break;
	case KEY_HINT: v->hint = true; break;
	case KEY_CONTROL: v->control_path = arg; break;
	case KEY_TOP: v->top = true; break;
	case KEY_PROGRESS: v->line = progress_word(arg); break;
	case 'o': v->report.name = arg; break;
	case KEY_JSON: v->json.name = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case ARGP_KEY_ARG:
		v->command = state->argv + state->next - 1;
		v->n_command = (unsigned)(state->argc - state->next + 1);
		state->next = state->argc;
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp live_argp = {
	live_options, live_parse, "--ram SIZE -- COMMAND [ARG...]\n--control PATH [--ram SIZE]",
	"Runs an unmodified program whose heap and anonymous memory may be far larger than the memory it is given: what does not fit is "
	"kept in a store, by our own kernel, on this computer's own MMU.\v"
	"Examples:\n"
	"  pageworks live --ram 256M -- sort FILE\n"
	"  pageworks live --ram 64M --policy sieve -- python3 SCRIPT\n"
	"  pageworks live --ram 1G --swap file:/var/tmp/swap -- redis-server\n"
	"  pageworks live --ram 4G --control /run/job.sock -- COMMAND\n"
	"  pageworks live --control /run/job.sock --ram 2G    (while it runs)\n"
	"  pageworks live --attach-hint\n\n"
	"The exit status is the program's own (128+N and the same signal when a signal killed it); 125: pageworks failed, or had to stop "
	"the program; 126: the command cannot be executed, 127: it was not found.",
	NULL, NULL, NULL,
};

static int live_personality(struct live_verb *v)
{
	static const char *const names[PERSONALITY_KINDS] = {
#define X(name, text) #name,
		PERSONALITY_LIST(X)
#undef X
	};
	for (unsigned i = 0; i < PERSONALITY_KINDS; i++) {
		if (!strcmp(names[i], v->personality)) {
			v->orders.personality = i;
			return CLI_OK;
		}
	}
	return cli_unknown("personality", v->personality, names, PERSONALITY_KINDS);
}

/* The policy and the store are opened for a moment: what is wrong with them is said before anything runs. */
static int live_try(struct live_verb *v)
{
	struct pw_why why = { "" };
	const struct policy_ops *policy;
	struct policy_params params;
	struct store *store;
	if (policy_parse(v->orders.policy, &policy, &params, &why) != PW_OK)
		return cli_error("--policy: %s", why.text);
	if (policy->wants_future)
		return cli_error("--policy %s must know the future, which a running program does not tell", policy->name);
	enum pw_err err = store_open(v->orders.swap, PAGER_PAGE, v->orders.slots ? v->orders.slots : UINT64_MAX, &store, &why);
	if (err)
		return cli_error("--swap: %s", *why.text ? why.text : pw_err_text(err));
	bool keeps = store->keeps_data;
	store_close(store);
	return keeps ? CLI_OK : cli_error("--swap %s: it models time and keeps no bytes; use ram or file:PATH", v->orders.swap);
}

static int live_words(struct live_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { live_options };
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&live_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (v->hint)
		return CLI_OK;
	if (v->orders.ram_bytes && v->orders.ram_bytes < WISH_RAM_LEAST)
		return cli_error("--ram %llu: at least 1M is needed", (unsigned long long)v->orders.ram_bytes);
	if (!v->n_command && v->control_path)
		return v->starts ? cli_error("--%s: without a command nothing is started; --control takes --ram, -o and --json", v->starts)
		                 : CLI_OK;
	if (!v->n_command)
		return cli_error("which program? give -- and a command");
	if (!v->orders.ram_bytes)
		return cli_error("how much memory is it to have? give --ram SIZE");
	if (!*v->orders.policy)
		word_copy(v->orders.policy, sizeof v->orders.policy, "--policy", strstr(v->orders.swap, "file") ? "clock" : "fifo");
	return live_personality(v) == CLI_OK ? live_try(v) : CLI_FAILED;
}

static int live_show_hint(void)
{
	char text[2048];
	uffd_explain(text, sizeof text);
	return cli_write("hint", "-", stdout, text, strlen(text));
}

static int live_may(void)
{
	struct pw_why why = { "" };
	struct uffd u;
	if (uffd_open(&u, &why) != PW_OK)
		return cli_error("%s (pageworks live --attach-hint says more)", why.text);
	uffd_close(&u);
	return CLI_OK;
}

static volatile sig_atomic_t passed_to;

static void pass_on(int signal_number)
{
	if (passed_to > 0)
		kill(passed_to, signal_number);
}

static void signals_pass(const struct live *l)
{
	struct sigaction pass = { .sa_handler = pass_on }, ignore = { .sa_handler = SIG_IGN };
	passed_to = (sig_atomic_t)l->pid;
	sigaction(SIGTERM, &pass, NULL);
	sigaction(SIGHUP, &pass, NULL);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGQUIT, &ignore, NULL);
}

static enum pw_err render_report(void *ctx, FILE *memory)
{
	const struct live_verb *v = ctx;
	struct live_shown s = { &v->live, v->command, v->n_command, false };
	live_report_write(&s, memory, cli_colour(v->report.file));
	return PW_OK;
}

static enum pw_err render_json(void *ctx, FILE *memory)
{
	const struct live_verb *v = ctx;
	struct live_shown s = { &v->live, v->command, v->n_command, false };
	return live_report_json(&s, memory);
}

static enum pw_err render_answer(void *ctx, bool json, FILE *memory)
{
	struct live_verb *v = ctx;
	struct live_shown s = { &v->live, v->command, v->n_command, true };
	live_refresh(&v->live);
	if (json)
		return live_report_json(&s, memory);
	live_report_write(&s, memory, false);
	return PW_OK;
}

static void live_keep(struct live_verb *v)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return;
	enum pw_err err = render_json(v, memory);
	if (fclose(memory) == 0 && err == PW_OK)
		keep_result(text, bytes);
	mem_free(text);
}

static int live_publish(struct live_verb *v)
{
	const char *flaw = live_report_flaw(&v->live);
	signal(SIGPIPE, SIG_IGN);
	int status = v->quiet && !v->report.name ? CLI_OK : output_write(&v->report, render_report, v);
	if (output_write(&v->json, render_json, v) != CLI_OK)
		status = CLI_FAILED;
	live_keep(v);
	if (v->live.seen.state == BOARD_STOPPED)
		return cli_error("%s", v->live.seen.why);
	if (v->live.seen.state == BOARD_EMPTY)
		cli_error("the program did not load the pager: nothing of it was paged");
	return flaw && v->quiet ? cli_error("%s", flaw) : flaw ? CLI_FAILED : status;
}

/* Until the program's end. */
static void live_watch(struct live_verb *v)
{
	struct pollfd polls[CONTROL_POLLS];
	struct spread spread = { 0 };
	bool ended = false;
	while (!ended) {
		int timeout = live_view_step(v->view, &v->live, render_answer, v), look = spread_step(&spread, &v->live);
		timeout = look < timeout ? look : timeout;
		unsigned n = live_control_polls(v->control, polls, &timeout);
		ended = live_wait(&v->live, polls, n, timeout);
		if (v->control && !ended)
			live_control_step(v->control, &v->live, render_answer, v);
	}
	live_control_close(v->control);
	live_view_close(v->view);
	v->control = NULL;
	v->view = NULL;
}

static int live_run(struct live_verb *v)
{
	struct pw_why why = { "" };
	v->report.file = stderr;
	if (output_open(&v->report) != CLI_OK || output_open(&v->json) != CLI_OK)
		return CLI_FAILED;
	enum pw_err err = live_prepare(&v->live, &v->orders, &why);
	if (!err && v->control_path)
		err = live_control_open(v->control_path, &v->control, &why);
	if (err)
		return cli_error("%s", why.text);
	err = live_start(&v->live, v->command, &why);
	if (err) {
		cli_error("%s", why.text);
		return err == PW_NOTFOUND ? CLI_NOT_FOUND : err == PW_ACCESS ? CLI_NOT_EXECUTABLE : CLI_FAILED;
	}
	signals_pass(&v->live);
	live_watch(v);
	passed_to = 0;
	v->status = v->live.exit_status;
	v->signal = v->live.signal;
	return live_publish(v);
}

static int live_all(struct live_verb *v, int argc, char **argv)
{
	if (live_words(v, argc, argv) != CLI_OK)
		return CLI_FAILED;
	if (v->hint)
		return live_show_hint();
	if (!v->n_command)
		return live_outside(v->control_path, v->orders.ram_bytes, v->top, &v->report, &v->json);
	if (v->top && live_view_may() != CLI_OK)
		return CLI_FAILED;
	v->view = live_view_open(v->top, v->line && !v->quiet);
	v->orders.attend = v->control_path || v->view;
	return live_may() == CLI_OK ? live_run(v) : CLI_FAILED;
}

int cli_live(int argc, char **argv)
{
	struct live_verb v = {
		.orders = { .swap = "ram", .ahead = 64, .map_least = 65536, .seed = 1, .pin = true },
		.report = { .option = "-o", .what = "report" }, .json = { .option = "--json", .what = "JSON" },
		.personality = "linux", .line = true, .live = { .fd = -1, .pid = -1, .pidfd = -1 },
	};
	int status = live_all(&v, argc, argv);
	output_close(&v.report);
	output_close(&v.json);
	live_control_close(v.control);
	live_view_close(v.view);
	live_fini(&v.live);
	if (status != CLI_OK || !(v.signal || v.status))
		return status;
	return cli_end_like(v.status, v.signal);
}
