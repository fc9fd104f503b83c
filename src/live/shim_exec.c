/* shim_exec.c - a program that becomes another one.
 *
 * Problem: many programs are started by a script that ends in exec; the marks by which the pager is loaded are gone from the
 * environment by then.
 * Idea: when the process that is paged calls exec, the two variables are put back into what it passes on.  The new image has a pager of
 * its own and goes on writing the same figures; a child, also one of vfork, has another number and passes on what it was given.
 *
 * 1. Nothing here allocates: the caller may be a child of vfork.
 * Rejected: leaving the variables in the environment (every child would be loaded with the pager, and env would show them). */
#include "shim.h"
#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static bool is_named(const char *text, const char *name)
{
	size_t n = strlen(name);
	return !strncmp(text, name, n) && text[n] == '=';
}

/* => to has room for two more than envp has */
static void environment_mark(char *const envp[], char **to, char *board, char *preload)
{
	unsigned n = 0;
	for (unsigned i = 0; envp && envp[i]; i++) {
		if (!is_named(envp[i], "LD_PRELOAD") && !is_named(envp[i], BOARD_VARIABLE))
			to[n++] = envp[i];
	}
	to[n++] = board;
	to[n++] = preload;
	to[n] = NULL;
}

static bool is_meant(void)
{
	return shim_board && !shim_board->orders.follow && shim_board->pid == getpid();
}

static int exec_marked(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	const struct board_orders *o = &shim_board->orders;
	char board[sizeof BOARD_VARIABLE + sizeof o->path], preload[sizeof "LD_PRELOAD=" + sizeof o->preload];
	unsigned n = 0;
	while (envp && envp[n])
		n++;
	char **marked = alloca((n + 3) * sizeof *marked);
	snprintf(board, sizeof board, BOARD_VARIABLE "=%s", o->path);
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", o->preload);
	environment_mark(envp, marked, board, preload);
	return (int)syscall(SYS_execveat, fd, path, argv, marked, flags);
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	shim_unpin();
	return is_meant() ? exec_marked(-100 /* AT_FDCWD */, path, argv, envp, 0) : (int)syscall(SYS_execve, path, argv, envp);
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	shim_unpin();
	return is_meant() ? exec_marked(fd, "", argv, envp, 0x1000 /* AT_EMPTY_PATH */)
	                  : (int)syscall(SYS_execveat, fd, "", argv, envp, 0x1000);
}

/* A script without "#!" is the shell's, as the C library has it. */
static int exec_shell(const char *path, char *const argv[], char *const envp[])
{
	unsigned n = 0;
	while (argv[n])
		n++;
	char **words = alloca((n + 3) * sizeof *words);
	words[0] = (char *)"/bin/sh";
	words[1] = (char *)path;
	words[2] = NULL;
	for (unsigned i = 1; i <= n; i++)
		words[i + 1] = argv[i];
	return execve(words[0], words, envp);
}

static int exec_try(const char *path, char *const argv[], char *const envp[])
{
	execve(path, argv, envp);
	return errno == ENOEXEC ? exec_shell(path, argv, envp) : -1;
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	char path[4096];
	const char *list = NULL;
	bool denied = false;
	if (strchr(file, '/'))
		return exec_try(file, argv, envp);
	for (unsigned i = 0; environ && environ[i]; i++) {
		if (is_named(environ[i], "PATH"))
			list = environ[i] + sizeof "PATH";
	}
	for (const char *p = list ? list : "/bin:/usr/bin";; p++) {
		size_t n = strcspn(p, ":");
		if (snprintf(path, sizeof path, "%.*s%s%s", (int)n, p, n ? "/" : "", file) < (int)sizeof path)
			exec_try(path, argv, envp);
		denied = denied || errno == EACCES;
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return -1;
		p += n;
		if (!*p)
			break;
	}
	errno = denied ? EACCES : ENOENT;
	return -1;
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}
