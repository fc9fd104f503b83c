/* start.c - from a command line to a program with a pager inside.
 *
 * Problem: everything that can be wrong should be found before the program runs, each with its own sentence; the program is to see
 * the environment, descriptors and signals it would see natively; and it must not outlive us.
 * Idea: a page of shared memory carries the orders in and the figures out.  The program opens it through /proc, by a name in a
 * variable that the shim takes away again before the program's first instruction; it inherits no descriptor.
 *
 * 1. An executable that the dynamic linker does not load cannot be paged, and is not started.
 * 2. execve's errno comes back through a pipe that closes by itself when execve succeeds.
 * 3. The program dies with us. */
#include "start.h"
#include "../base/clock.h"
#include "../base/elf.h"
#include "../base/locate.h"
#include "../base/mem.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHIM_NAME "pageworks-live.so"

enum pw_err live_prepare(struct live *l, const struct board_orders *orders, struct pw_why *why)
{
	*l = (struct live){ .fd = memfd_create("pageworks-live", MFD_CLOEXEC | MFD_ALLOW_SEALING), .pid = -1, .pidfd = -1 };
	if (l->fd < 0 || ftruncate(l->fd, sizeof *l->board) < 0) {
		int error = errno;
		live_fini(l);
		return pw_fail(why, PW_IO, "no shared memory for the program's orders: %s", strerror(error));
	}
	void *at = mmap(NULL, sizeof *l->board, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
	if (at == MAP_FAILED) {
		live_fini(l);
		return pw_fail(why, PW_NOMEM, "no shared memory for the program's orders");
	}
	fcntl(l->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL); /* nobody makes it shorter under our eyes */
	l->board = at;
	l->board->magic = BOARD_MAGIC;
	l->board->orders = *orders;
	return PW_OK;
}

/* ---- what is to be run ---- */

static enum pw_err find_program(const char *name, char *ret, struct pw_why *why)
{
	if (!strchr(name, '/'))
		return locate_program(NULL, name, ret, NULL) ? PW_OK : pw_fail(why, PW_NOTFOUND, "%s: no such program in PATH", name);
	if (snprintf(ret, PATH_MAX, "%s", name) >= PATH_MAX || access(ret, F_OK) != 0)
		return pw_fail(why, PW_NOTFOUND, "%s: no such program", name);
	return locate_is_program(ret) ? PW_OK : pw_fail(why, PW_ACCESS, "%s: not an executable file", name);
}

static enum pw_err fd_read(void *ctx, uint64_t at, void *to, uint64_t n)
{
	return pread(*(const int *)ctx, to, n, (off_t)at) == (ssize_t)n ? PW_OK : PW_IO;
}

/* Has the image a program header that names a dynamic linker? */
static bool is_dynamic(const struct elf *e)
{
	struct elf_segment s;
	for (uint32_t i = 0; i < e->n_segments && elf_segment(e, i, &s, NULL) == PW_OK; i++)
		if (s.type == PT_INTERP)
			return true;
	return false;
}

static enum pw_err check_image(const char *path, struct pw_why *why)
{
	struct elf e;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return PW_OK; /* executable and not readable: execve knows better */
	bool there = fstat(fd, &st) == 0;
	const struct elf_source bytes = { fd_read, &fd, there ? (uint64_t)st.st_size : 0 };
	bool is_elf = elf_open(&bytes, &e, NULL) == PW_OK, dynamic = is_elf && is_dynamic(&e);
	bool other_user = there && ((st.st_mode & S_ISUID && st.st_uid != geteuid()) || (st.st_mode & S_ISGID && st.st_gid != getegid()));
	close(fd);
	if (is_elf && !e.is_64)
		return pw_fail(why, PW_UNSUPPORTED, "%s: a 32-bit program cannot be paged", path);
	if (is_elf && !dynamic)
		return pw_fail(why, PW_UNSUPPORTED, "%s: statically linked, so no pager can be loaded into it", path);
	if (other_user)
		return pw_fail(why, PW_UNSUPPORTED, "%s: runs with another user's rights (setuid), so no pager can be loaded", path);
	return PW_OK;
}

static enum pw_err find_shim(char *ret, struct pw_why *why)
{
	if (locate_own(SHIM_NAME, PW_LIBEXECDIR, ret))
		return PW_OK;
	return pw_fail(why, PW_UNSUPPORTED, "the library " SHIM_NAME " is neither beside this command nor in %s: build or install "
	               "pageworks whole", PW_LIBEXECDIR);
}

/* ---- in the child ---- */

static void child_run(const struct live *l, const char *path, char *const argv[], pid_t parent, int report)
{
	const struct board_orders *o = &l->board->orders;
	l->board->pid = getpid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && setenv(BOARD_VARIABLE, o->path, 1) == 0 && setenv("LD_PRELOAD", o->preload, 1) == 0)
		execv(path, argv);
	int error = errno;
	ssize_t n = write(report, &error, sizeof error);
	_exit(n == sizeof error ? 125 : 126);
}

static enum pw_err child_start(struct live *l, const char *path, char *const argv[], struct pw_why *why)
{
	int report[2], error = 0;
	if (pipe2(report, O_CLOEXEC) < 0)
		return pw_fail(why, PW_CHILD, "cannot make a pipe: %s", strerror(errno));
	pid_t parent = getpid();
	l->began_s = clock_seconds();
	l->pid = fork();
	if (l->pid == 0)
		child_run(l, path, argv, parent, report[1]);
	close(report[1]);
	ssize_t n = l->pid < 0 ? 0 : read(report[0], &error, sizeof error);
	close(report[0]);
	if (l->pid < 0)
		return pw_fail(why, PW_CHILD, "cannot start a process: %s", strerror(errno));
	if (n != sizeof error) {
		l->pidfd = (int)syscall(SYS_pidfd_open, l->pid, 0);
		return PW_OK;
	}
	waitpid(l->pid, NULL, 0);
	l->pid = -1;
	return pw_fail(why, error == ENOENT ? PW_NOTFOUND : PW_ACCESS, "%s: %s", path, strerror(error));
}

/* What the program's environment is to hold while it starts, and afterwards. */
static enum pw_err environment_plan(struct live *l, const char *shim, struct pw_why *why)
{
	struct board_orders *o = &l->board->orders;
	const char *before = getenv("LD_PRELOAD");
	size_t n = before ? strlen(before) : 0;
	snprintf(o->path, sizeof o->path, "/proc/%d/fd/%d", getpid(), l->fd);
	int written = snprintf(o->preload, sizeof o->preload, "%s%s%s", shim, n ? ":" : "", n ? before : "");
	if (n >= sizeof o->preload_before || written >= (int)sizeof o->preload)
		return pw_fail(why, PW_LIMIT, "LD_PRELOAD is too long: at most %zu bytes can be kept", sizeof o->preload_before - 1);
	memcpy(o->preload_before, before ? before : "", n + 1);
	o->preload_was_set = before;
	return PW_OK;
}

enum pw_err live_start(struct live *l, char *const argv[], struct pw_why *why)
{
	char path[PATH_MAX], shim[PATH_MAX];
	enum pw_err err = find_program(argv[0], path, why);
	if (!err)
		err = check_image(path, why);
	if (!err)
		err = find_shim(shim, why);
	if (!err)
		err = environment_plan(l, shim, why);
	return err ? err : child_start(l, path, argv, why);
}

/* ---- while it runs ---- */

static void take_status(struct live *l, int status)
{
	l->ended = true;
	l->wall_s = clock_seconds() - l->began_s;
	if (WIFSIGNALED(status))
		l->signal = WTERMSIG(status);
	else
		l->exit_status = WEXITSTATUS(status);
}

bool live_wait(struct live *l, struct pollfd other[], unsigned n_others, int milliseconds)
{
	int status;
	struct pollfd until[LIVE_OTHERS + 1];
	if (l->ended)
		return true;
	memcpy(until, other, n_others * sizeof *other);
	until[n_others] = (struct pollfd){ .fd = l->pidfd, .events = POLLIN };
	if (l->pidfd >= 0)
		poll(until, n_others + 1, milliseconds);
	memcpy(other, until, n_others * sizeof *other);
	if (waitpid(l->pid, &status, l->pidfd >= 0 ? WNOHANG : 0) == l->pid)
		take_status(l, status);
	live_refresh(l);
	return l->ended;
}

void live_refresh(struct live *l)
{
	if (!l->ended)
		l->wall_s = clock_seconds() - l->began_s;
	board_read(l->board, &l->seen);
}

bool live_wishes(const struct live *l)
{
	return __atomic_load_n(&l->board->wish.answered, __ATOMIC_ACQUIRE) != l->board->wish.asked;
}

void live_wish(struct live *l, enum board_wish kind, uint64_t ram_bytes)
{
	struct board_wishes *w = &l->board->wish;
	w->kind = kind;
	w->ram_bytes = ram_bytes;
	__atomic_fetch_add(&w->asked, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &w->asked, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void live_fini(struct live *l)
{
	if (l->pid > 0 && !l->ended) {
		kill(l->pid, SIGKILL);
		waitpid(l->pid, NULL, 0);
	}
	if (l->board)
		munmap(l->board, sizeof *l->board);
	if (l->fd >= 0)
		close(l->fd);
	if (l->pidfd >= 0)
		close(l->pidfd);
	*l = (struct live){ .fd = -1, .pid = -1, .pidfd = -1 };
}
