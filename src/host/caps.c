/* caps.c - runs a probe where it can do no harm.
 *
 * Problem.  A probe may be killed (a sandbox that ends who calls what it forbids), hang (a fault nobody serves), or leave the process
 * changed.
 * Idea.  Each runs in a child of its own, which sends one answer through a pipe and ends; a child that sends none is an answer as
 * well.
 *
 * 1. The caller's process is as it was.
 * Rejected: all probes in one child (the first that is killed would take the others' answers with it). */
#include "caps.h"
#include "caps_probe.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

static const struct {
	const char *name, *title, *lost, *enable;
	void (*probe)(struct cap_result *ret);
} caps[] = {
#define X(name, title, lost, enable) { #name, title, lost, enable, probe_##name },
	CAP_LIST(X)
#undef X
};

const char *cap_name(enum cap c) { return caps[c].name; }
const char *cap_title(enum cap c) { return caps[c].title; }
const char *cap_lost(enum cap c) { return caps[c].lost; }
const char *cap_enable(enum cap c) { return caps[c].enable; }

const char *cap_answer_word(enum cap_answer a)
{
	static const char *const word[] = { "yes", "no", "broken", "?" };
	return word[a];
}

bool cap_find(const char *name, enum cap *ret)
{
	for (int c = 0; c < CAPS; c++)
		if (strcmp(caps[c].name, name) == 0) {
			*ret = (enum cap)c;
			return true;
		}
	return false;
}

void cap_say(struct cap_result *ret, enum cap_answer answer, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(ret->found, sizeof ret->found, format, args);
	va_end(args);
	ret->answer = answer;
}

void cap_refused(struct cap_result *ret, const char *what)
{
	cap_say(ret, CAP_NO, "%s: %s", what, strerror(errno));
}

static void __attribute__((noreturn)) child_probe(enum cap c, int to)
{
	struct cap_result r = { .answer = CAP_UNTOLD, .found = "the probe said nothing" };
	static const int deadly[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < sizeof deadly / sizeof *deadly; i++)
		signal(deadly[i], SIG_DFL); /* whoever called us may have handlers */
	caps[c].probe(&r);
	_exit(write(to, &r, sizeof r) != (ssize_t)sizeof r);
}

static void child_ended(int status, bool late, struct cap_result *ret)
{
	if (late)
		cap_say(ret, CAP_BROKEN, "the probe did not come back");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		cap_say(ret, CAP_NO, "a sandbox ends whoever tries it");
	else if (WIFSIGNALED(status))
		cap_say(ret, CAP_BROKEN, "the probe was ended by signal %d", WTERMSIG(status));
	else
		cap_say(ret, CAP_UNTOLD, "the probe ended with status %d", WEXITSTATUS(status));
}

void cap_probe(enum cap c, struct cap_result *ret)
{
	int fd[2], status = 0;
	*ret = (struct cap_result){ .answer = CAP_UNTOLD };
	if (pipe2(fd, O_CLOEXEC)) {
		cap_say(ret, CAP_UNTOLD, "no pipe: %s", strerror(errno));
		return;
	}
	pid_t child = fork();
	if (child == 0)
		child_probe(c, fd[1]);
	close(fd[1]);
	struct pollfd p = { .fd = fd[0], .events = POLLIN };
	bool late = child > 0 && poll(&p, 1, PATIENCE_MS) == 0;
	if (late)
		kill(child, SIGKILL);
	bool told = child > 0 && !late && read(fd[0], ret, sizeof *ret) == (ssize_t)sizeof *ret;
	close(fd[0]);
	if (child > 0)
		waitpid(child, &status, 0);
	if (child < 0)
		cap_say(ret, CAP_UNTOLD, "no process: %s", strerror(errno));
	else if (!told)
		child_ended(status, late, ret);
}
