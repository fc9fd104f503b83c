/* sweep_pool.c - child processes and what becomes of them.
 *
 * Problem.  One cell of a grid may need more memory than there is, or find a bug; the others must not be lost with it.  And when
 * the sweep itself is killed, its workers must not go on in secret.
 *
 * Idea.  One child for each piece of work, forked when a place is free.  It says how the work ended in one record down a pipe; a
 * pipe that ends without the record means that the child died, and waitpid says of what.  poll(2) on the pipes is the only
 * waiting.
 *
 * 1. A place is taken exactly while its child has not been waited for.
 * 2. Children get SIGKILL when the parent dies (PR_SET_PDEATHSIG), and leave the terminal's interrupts to the parent.
 *
 * Rejected: threads (one crash is the end of all), children that live on for several pieces (a leak or a wild store of one piece
 * would reach the next; a fork costs a millisecond, a cell seconds). */
#include "sweep_pool.h"
#include "../base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POOL_CHILDREN_MAX = 1024 };

struct pool_child {
	pid_t pid;      /* 0: this place is free */
	int pipe;
	unsigned piece;
};

struct pool {
	unsigned n, running;
	struct pool_child *child;
	struct pollfd *poll;
};

/* What a child says at its end: smaller than PIPE_BUF, so that it comes whole or not at all. */
struct pool_word {
	enum pw_err err;
	struct pw_why why;
};

enum pw_err pool_create(unsigned n_children, struct pool **ret)
{
	struct pool *p = *ret = mem_zalloc(1, sizeof *p);
	if (!p)
		return PW_NOMEM;
	p->n = n_children < 1 ? 1 : n_children > POOL_CHILDREN_MAX ? POOL_CHILDREN_MAX : n_children;
	p->child = mem_zalloc(p->n, sizeof *p->child);
	p->poll = mem_zalloc(p->n, sizeof *p->poll);
	if (p->child && p->poll)
		return PW_OK;
	pool_destroy(p);
	*ret = NULL;
	return PW_NOMEM;
}

void pool_destroy(struct pool *p)
{
	struct pool_end end;
	if (!p)
		return;
	while (p->child && pool_kill(p, &end))
		;
	mem_free(p->child);
	mem_free(p->poll);
	mem_free(p);
}

bool pool_has_room(const struct pool *p) { return p->running < p->n; }
unsigned pool_running(const struct pool *p) { return p->running; }

static _Noreturn void child_main(pool_work work, void *ctx, unsigned piece, int out, pid_t parent)
{
	struct pool_word word = { .why = { "" } };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	word.err = work(ctx, piece, &word.why);
	_exit(write(out, &word, sizeof word) == sizeof word ? 0 : 1);
}

enum pw_err pool_start(struct pool *p, pool_work work, void *ctx, unsigned piece, struct pw_why *why)
{
	int ends[2];
	struct pool_child *c = p->child;
	while (c->pid)
		c++;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return pw_fail(why, PW_CHILD, "no pipe for a worker: %s", strerror(errno));
	fflush(NULL);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		close(ends[0]);
		child_main(work, ctx, piece, ends[1], parent);
	}
	int error = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return pw_fail(why, PW_CHILD, "a worker cannot be started: %s", strerror(error));
	}
	*c = (struct pool_child){ .pid = pid, .pipe = ends[0], .piece = piece };
	p->running++;
	return PW_OK;
}

static void explain_death(int status, struct pw_why *why)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		pw_fail(why, PW_CHILD, "its process was killed, probably for want of memory (SIGKILL)");
	else if (WIFSIGNALED(status))
		pw_fail(why, PW_CHILD, "its process died: %s (signal %d)", strsignal(WTERMSIG(status)), WTERMSIG(status));
	else
		pw_fail(why, PW_CHILD, "its process ended with status %d and said nothing", WEXITSTATUS(status));
}

/* Takes the word of a child that has ended or is about to, and frees its place. */
static void child_end(struct pool *p, struct pool_child *c, struct pool_end *ret)
{
	struct pool_word word;
	ssize_t n;
	int status = 0;
	*ret = (struct pool_end){ .piece = c->piece, .pid = c->pid };
	do
		n = read(c->pipe, &word, sizeof word);
	while (n < 0 && errno == EINTR);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(c->pipe);
	ret->died = n != sizeof word;
	if (ret->died) {
		ret->err = PW_CHILD;
		explain_death(status, &ret->why);
	} else {
		ret->err = word.err;
		ret->why = word.why;
		ret->why.text[sizeof ret->why.text - 1] = '\0';
	}
	*c = (struct pool_child){ .pid = 0 };
	p->running--;
}

bool pool_wait(struct pool *p, int milliseconds, struct pool_end *ret)
{
	for (unsigned i = 0; i < p->n; i++)
		p->poll[i] = (struct pollfd){ .fd = p->child[i].pid ? p->child[i].pipe : -1, .events = POLLIN };
	if (poll(p->poll, p->n, milliseconds) <= 0)
		return false;
	for (unsigned i = 0; i < p->n; i++)
		if (p->poll[i].fd >= 0 && p->poll[i].revents) {
			child_end(p, &p->child[i], ret);
			return true;
		}
	return false;
}

bool pool_kill(struct pool *p, struct pool_end *ret)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->child[i].pid) {
			kill(p->child[i].pid, SIGKILL);
			child_end(p, &p->child[i], ret);
			return true;
		}
	return false;
}
