/* hold.c - fork, wait, exec.
 *
 * Problem.  What a program does first happens before anybody can attach to it; and why it could not be started must reach us.
 * Idea.  Two pipes: the child reads one before it executes the program, and writes errno into the other, which closes by itself
 * when the program is executed.
 *
 * 1. When our process dies while the child waits, the child ends: its pipe is closed.
 * Rejected: ptrace (changes how the program runs, and only one can do it); SIGSTOP (seen by a shell). */
#include "hold.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void __attribute__((noreturn)) child_run(char *const argv[], int go, int failed)
{
	char byte;
	ssize_t n;
	do
		n = read(go, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		execvp(argv[0], argv);
	int error = errno;
	if (n == 1 && write(failed, &error, sizeof error) != (ssize_t)sizeof error)
		_exit(126);
	_exit(127);
}

static void close_both(int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

enum pw_err hold_start(char *const argv[], struct hold *ret, struct pw_why *why)
{
	int go[2], failed[2];
	if (pipe2(go, O_CLOEXEC))
		return pw_fail(why, PW_CHILD, "%s cannot be started: %s", argv[0], strerror(errno));
	if (pipe2(failed, O_CLOEXEC)) {
		close_both(go);
		return pw_fail(why, PW_CHILD, "%s cannot be started: %s", argv[0], strerror(errno));
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(go[1]);
		close(failed[0]);
		child_run(argv, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	*ret = (struct hold){ .pid = pid, .go = go[1], .failed = failed[0] };
	if (pid > 0)
		return PW_OK;
	int error = errno;
	close(ret->go);
	close(ret->failed);
	return pw_fail(why, PW_CHILD, "%s cannot be started: %s", argv[0], strerror(error));
}

static void hold_close(struct hold *h)
{
	close(h->go);
	close(h->failed);
}

enum pw_err hold_release(struct hold *h, const char *name, struct pw_why *why)
{
	int error = 0;
	ssize_t n = write(h->go, "", 1);
	while (n == 1 && (n = read(h->failed, &error, sizeof error)) < 0 && errno == EINTR)
		n = 1;
	hold_close(h);
	if (n == 0)
		return PW_OK;
	waitpid(h->pid, NULL, 0);
	if (error == ENOENT || error == ENOTDIR)
		return pw_fail(why, PW_NOTFOUND, "%s: no such program%s", name, strchr(name, '/') ? "" : " in PATH");
	return pw_fail(why, PW_ACCESS, "%s: cannot be executed: %s", name, strerror(error));
}

void hold_abandon(struct hold *h)
{
	hold_close(h);
	waitpid(h->pid, NULL, 0);
}
