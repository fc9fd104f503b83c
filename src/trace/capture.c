/* capture.c - a running program behind the interface of a trace.
 *
 * The pieces: capture_start.c starts the program under QEMU, capture_feed.c turns what its plugins write into items; here they
 * are a trace that waits when there is nothing, notices the end, and leaves no program behind when it is closed. */
#include "capture.h"
#include "../base/mem.h"
#include "capture_feed.h"
#include "capture_start.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N_SIGNALS = 4 };
static const int capture_signals[N_SIGNALS] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };

struct capture {
	struct trace trace; /* first */
	struct feed *feed;
	char *source;
	pid_t root;
	int root_status;    /* -1 until it has been reaped */
	struct rusage rusage;
	struct timespec started, ended;
	bool over;
	bool took_signals;
	struct sigaction before[N_SIGNALS];
};

static volatile pid_t signal_target; /* of the one capture that took the signals */

static const struct capture *capture_of(const struct trace *t) { return (const struct capture *)t; }

/* ---- signals ---- */

static void pass_on(int signal)
{
	if (signal_target > 0)
		kill(signal_target, signal);
}

static void signals_take(struct capture *c)
{
	for (unsigned i = 0; i < N_SIGNALS; i++) {
		bool passed = capture_signals[i] == SIGTERM || capture_signals[i] == SIGHUP;
		struct sigaction action = { .sa_flags = SA_RESTART };
		action.sa_handler = passed ? pass_on : SIG_IGN;
		sigaction(capture_signals[i], &action, &c->before[i]);
		if (passed && c->before[i].sa_handler == SIG_IGN)
			sigaction(capture_signals[i], &c->before[i], NULL); /* nohup: stays ignored, here as in the program */
	}
	signal_target = c->root;
	c->took_signals = true;
}

static void signals_return(struct capture *c)
{
	if (!c->took_signals)
		return;
	signal_target = 0;
	for (unsigned i = 0; i < N_SIGNALS; i++)
		sigaction(capture_signals[i], &c->before[i], NULL);
	c->took_signals = false;
}

/* ---- the stream ---- */

static void root_reap(struct capture *c, int flags)
{
	int status;
	if (c->root_status != -1 || wait4(c->root, &status, flags, &c->rusage) != c->root)
		return;
	clock_gettime(CLOCK_MONOTONIC, &c->ended);
	signal_target = 0;
	c->root_status = status;
}

/* The first program ended without a word: QEMU could not load it, or not the plugin; it has said why on standard error. */
static bool root_was_mute(const struct capture *c)
{
	const struct capture_process *p;
	return feed_processes(c->feed, &p) == 1 && p[0].host_pid == 0;
}

static void capture_fail(struct capture *c, enum pw_err err, const char *text)
{
	c->trace.error = err;
	snprintf(c->trace.why.text, sizeof(c->trace.why.text), "%s", text);
	c->over = true;
}

/* => false: the stream is over. */
static bool capture_wait(struct capture *c)
{
	if (feed_wait(c->feed))
		return true;
	root_reap(c, WNOHANG);
	bool more = feed_look(c->feed, c->root_status);
	if (c->root_status != -1 && root_was_mute(c)) {
		capture_fail(c, PW_CHILD, "QEMU ended before the program began; see its message above");
		return false;
	}
	return more;
}

static void capture_next(struct trace *t, struct trace_item *ret)
{
	struct capture *c = (struct capture *)t;
	while (!c->over) {
		switch (feed_next(c->feed, ret)) {
		case FEED_ITEM:
			t->info.records += ret->kind == TRACE_ITEM_REFS ? ret->n_refs : 1;
			return;
		case FEED_EMPTY: c->over = !capture_wait(c); break;
		case FEED_NOMEM: capture_fail(c, PW_NOMEM, "out of memory while capturing"); break;
		}
	}
	*ret = (struct trace_item){ .kind = TRACE_ITEM_END };
}

static void capture_close(struct trace *t)
{
	struct capture *c = (struct capture *)t;
	if (c->root > 0 && c->root_status == -1)
		kill(c->root, SIGKILL);
	feed_kill(c->feed);
	if (c->root > 0)
		root_reap(c, 0);
	signals_return(c);
	feed_destroy(c->feed);
	mem_free(c->source);
	mem_free(c);
}

static const struct trace_ops capture_ops = { .format = "qemu", .next = capture_next, .close = capture_close };

/* ---- opening ---- */

static char *words_join(char *const argv[])
{
	char *text = mem_strdup(argv[0]);
	for (unsigned i = 1; text && argv[i]; i++) {
		char *longer = mem_printf("%s %s", text, argv[i]);
		mem_free(text);
		text = longer;
	}
	return text;
}

static enum pw_err capture_start(struct capture *c, const struct capture_options *options, char *const argv[],
                                 struct pw_why *why)
{
	char segment[64];
	enum pw_err err = feed_create(&c->feed, why);
	if (err)
		return err;
	snprintf(segment, sizeof(segment), "/proc/%d/fd/%d", getpid(), feed_descriptor(c->feed));
	clock_gettime(CLOCK_MONOTONIC, &c->started);
	return start_program(options, argv, segment, &c->root, why);
}

enum pw_err capture_open(const struct capture_options *options, char *const argv[], struct trace **ret, struct pw_why *why)
{
	*ret = NULL;
	if (!argv || !argv[0])
		return pw_fail(why, PW_INVALID, "no program is named");
	struct capture *c = mem_zalloc(1, sizeof(*c));
	char *source = words_join(argv);
	enum pw_err err = c && source ? PW_OK : pw_fail(why, PW_NOMEM, "out of memory for starting %s", argv[0]);
	if (!err)
		err = capture_start(c, options, argv, why);
	if (err) {
		if (c)
			feed_destroy(c->feed);
		mem_free(source);
		mem_free(c);
		return err;
	}
	c->source = source;
	c->root_status = -1;
	c->trace.ops = &capture_ops;
	c->trace.info = (struct trace_info){ .format = capture_ops.format, .source = source, .progress = -1, .has_events = true };
	if (options->take_signals)
		signals_take(c);
	*ret = &c->trace;
	return PW_OK;
}

/* ---- questions ---- */

bool capture_is(const struct trace *t) { return t->ops == &capture_ops; }

void capture_outcome(const struct trace *t, struct capture_outcome *ret)
{
	const struct capture *c = capture_of(t);
	*ret = (struct capture_outcome){ .ended = c->root_status != -1 };
	if (!ret->ended)
		return;
	if (WIFSIGNALED(c->root_status))
		ret->signal = WTERMSIG(c->root_status);
	else
		ret->exit_status = WEXITSTATUS(c->root_status);
	ret->wall_s = (double)(c->ended.tv_sec - c->started.tv_sec) + (double)(c->ended.tv_nsec - c->started.tv_nsec) / 1e9;
	ret->rusage = c->rusage;
}

unsigned capture_processes(const struct trace *t, const struct capture_process **ret)
{
	return feed_processes(capture_of(t)->feed, ret);
}

void capture_signal(const struct trace *t, int signal)
{
	const struct capture *c = capture_of(t);
	if (c->root_status == -1)
		kill(c->root, signal);
}

int capture_exit_status(enum pw_err err)
{
	return err == PW_NOTFOUND ? 127 : err == PW_ACCESS ? 126 : 125;
}
