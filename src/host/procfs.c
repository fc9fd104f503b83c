/* procfs.c - opens below a root, reads to the end, and says which of four ways it failed.
 *
 * Problem.  Files of /proc have no size, change while they are read, and belong to processes that end in between.  A tool that takes
 * "no such file" for "no such process", or the other way round, tells a wrong story; and a test can only bring about a kernel of 2018
 * or a process that vanishes when /proc is somewhere else.
 *
 * Idea.  One directory is opened, everything is opened relative to it, and one function turns errno into one of four errors.
 *
 *     open proc/PID/x   ENOENT ---> is proc/PID there?  no: gone    yes: absent
 *                       EACCES, EPERM ----------------------------> denied
 *     read              ESRCH ------------------------------------> gone
 *
 * 1. The buffer only grows; a read puts a NUL behind the last byte, so text can be scanned without a length.
 * 2. A read that returns less than the buffer is not the end; 0 is.  The kernel makes a file of seq_file in pieces.
 * 3. An empty smaps or maps of a kernel thread is not an error.
 * Rejected: fopen (a buffer and a lock for every file of a thousand processes), mmap (these files cannot be mapped), a size asked by
 * fstat (it is 0). */
#include "procfs.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROCFS_FIRST = 16384, PROCFS_PATH = 320 };

struct procfs {
	int dir;          /* the root */
	char *root;
	char *text;
	size_t room;
};

enum pw_err procfs_open(const char *root, struct procfs **ret, struct pw_why *why)
{
	const char *asked = getenv("PAGEWORKS_HOST_ROOT");
	root = root ? root : asked && *asked ? asked : "/";
	struct procfs *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return pw_fail(why, PW_NOMEM, "%s: out of memory", root);
	p->room = PROCFS_FIRST;
	p->root = mem_strdup(root);
	p->text = mem_alloc(p->room);
	p->dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum pw_err err = !p->root || !p->text ? pw_fail(why, PW_NOMEM, "%s: out of memory", root) : PW_OK;
	if (err == PW_OK && p->dir < 0)
		err = pw_fail(why, PW_IO, "%s: %s; the root of /proc and /sys must be a folder", root, strerror(errno));
	if (err != PW_OK) {
		procfs_close(p);
		return err;
	}
	*ret = p;
	return PW_OK;
}

void procfs_close(struct procfs *p)
{
	if (!p)
		return;
	if (p->dir >= 0)
		close(p->dir);
	mem_free(p->root);
	mem_free(p->text);
	mem_free(p);
}

const char *procfs_root(const struct procfs *p) { return p->root; }
bool procfs_is_this_computer(const struct procfs *p) { return strcmp(p->root, "/") == 0; }

/* The folder of a process, if path is below one: "proc/17/maps" gives "proc/17".  => false: it is not about one process. */
static bool pid_folder(const char *path, char *folder)
{
	size_t n = strlen("proc/");
	if (strncmp(path, "proc/", n) != 0)
		return false;
	size_t word = strcspn(path + n, "/");
	bool pid = strspn(path + n, "0123456789") == word || strncmp(path + n, "self/", 5) == 0;
	if (!pid || !word || n + word >= PROCFS_PATH)
		return false;
	memcpy(folder, path, n + word);
	folder[n + word] = '\0';
	return true;
}

static enum pw_err fail(const struct procfs *p, const char *path, int error, struct pw_why *why)
{
	char folder[PROCFS_PATH];
	const char *slash = p->root[strlen(p->root) - 1] == '/' ? "" : "/";
	bool pid = pid_folder(path, folder);
	if (error == ESRCH || (pid && (error == ENOENT || error == ENOTDIR) && faccessat(p->dir, folder, F_OK, 0) != 0))
		return pw_fail(why, PW_NOTFOUND, "%s%s%s: no such process, or it ended while it was read", p->root, slash, path);
	if (error == ENOENT || error == ENOTDIR)
		return pw_fail(why, PW_UNSUPPORTED, "%s%s%s: this kernel has no such file", p->root, slash, path);
	if (error == EACCES || error == EPERM)
		return pw_fail(why, PW_ACCESS, "%s%s%s: %s", p->root, slash, path,
			       !geteuid() ? "not even this root may (a container, or a process that guards itself)" :
			       pid ? "another user's process; only root may read this" : "only root may read this");
	return pw_fail(why, error == ENOMEM ? PW_NOMEM : PW_IO, "%s%s%s: %s", p->root, slash, path, strerror(error));
}

/* Makes room behind the bytes there are. */
static bool grow(struct procfs *p, size_t bytes)
{
	if (bytes + 1 < p->room)
		return true;
	char *more = mem_realloc(p->text, p->room, 2);
	if (!more)
		return false;
	p->text = more;
	p->room *= 2;
	return true;
}

/* => errno, 0 when all of it was read. */
static int read_whole(struct procfs *p, int fd, size_t *ret_bytes)
{
	size_t bytes = 0;
	for (;;) {
		if (!grow(p, bytes))
			return ENOMEM;
		if (inject(INJECT_FILE_READ))
			return EIO;
		ssize_t n = read(fd, p->text + bytes, p->room - 1 - bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		bytes += (size_t)n;
	}
	p->text[bytes] = '\0';
	*ret_bytes = bytes;
	return 0;
}

enum pw_err procfs_read(struct procfs *p, const char *path, const char **ret_text, size_t *ret_bytes, struct pw_why *why)
{
	int fd = openat(p->dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return fail(p, path, errno, why);
	int error = read_whole(p, fd, ret_bytes);
	close(fd);
	if (error)
		return fail(p, path, error, why);
	*ret_text = p->text;
	return PW_OK;
}

static const char *pid_path(char *path, uint32_t pid, const char *name)
{
	if (pid)
		snprintf(path, PROCFS_PATH, "proc/%u%s%s", pid, *name ? "/" : "", name);
	else
		snprintf(path, PROCFS_PATH, "proc/self%s%s", *name ? "/" : "", name);
	return path;
}

enum pw_err procfs_read_pid(struct procfs *p, uint32_t pid, const char *name, const char **ret_text, size_t *ret_bytes,
			    struct pw_why *why)
{
	char path[PROCFS_PATH];
	return procfs_read(p, pid_path(path, pid, name), ret_text, ret_bytes, why);
}

enum pw_err procfs_link_pid(struct procfs *p, uint32_t pid, const char *name, const char **ret_text, struct pw_why *why)
{
	char path[PROCFS_PATH];
	pid_path(path, pid, name);
	for (;;) {
		ssize_t n = readlinkat(p->dir, path, p->text, p->room);
		if (n < 0)
			return fail(p, path, errno, why);
		if ((size_t)n < p->room) {
			p->text[n] = '\0';
			*ret_text = p->text;
			return PW_OK;
		}
		if (!grow(p, (size_t)n))
			return fail(p, path, ENOMEM, why);
	}
}

enum pw_err procfs_open_pid(struct procfs *p, uint32_t pid, const char *name, int *ret_fd, struct pw_why *why)
{
	char path[PROCFS_PATH];
	int fd = openat(p->dir, pid_path(path, pid, name), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fail(p, path, errno, why);
	*ret_fd = fd;
	return PW_OK;
}

enum pw_err procfs_owner(struct procfs *p, uint32_t pid, uid_t *ret, struct pw_why *why)
{
	char path[PROCFS_PATH];
	struct stat st;
	if (fstatat(p->dir, pid_path(path, pid, ""), &st, 0) != 0)
		return fail(p, path, errno == ENOENT ? ESRCH : errno, why);
	*ret = st.st_uid;
	return PW_OK;
}

static enum pw_err folder_open(struct procfs *p, const char *path, DIR **ret, struct pw_why *why)
{
	int fd = openat(p->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		enum pw_err err = fail(p, path, errno, why);
		if (fd >= 0)
			close(fd);
		return err;
	}
	*ret = d;
	return PW_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }
static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* The names of a folder one after the other into the door's buffer, each with its NUL.  => errno. */
static int names_gather(struct procfs *p, DIR *d, uint32_t *ret_n, size_t *ret_bytes)
{
	size_t bytes = 0;
	uint32_t n = 0;
	errno = 0;
	for (struct dirent *e; (e = readdir(d)); errno = 0) {
		size_t length = strlen(e->d_name) + 1;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		while (bytes + length >= p->room)
			if (!grow(p, p->room))
				return ENOMEM;
		memcpy(p->text + bytes, e->d_name, length);
		bytes += length;
		n++;
	}
	*ret_n = n;
	*ret_bytes = bytes;
	return errno;
}

enum pw_err procfs_list(struct procfs *p, const char *path, const char ***ret, uint32_t *ret_n, struct pw_why *why)
{
	DIR *d;
	uint32_t n = 0;
	size_t bytes = 0;
	enum pw_err err = folder_open(p, path, &d, why);
	if (err != PW_OK)
		return err;
	int error = names_gather(p, d, &n, &bytes);
	closedir(d);
	const char **names = error ? NULL : mem_alloc((n + 1) * sizeof *names + bytes);
	if (!names)
		return fail(p, path, error ? error : ENOMEM, why);
	char *at = memcpy(names + n + 1, p->text, bytes);
	for (uint32_t i = 0; i < n; i++, at += strlen(at) + 1)
		names[i] = at;
	names[n] = NULL;
	qsort(names, n, sizeof *names, by_name);
	*ret = names;
	*ret_n = n;
	return PW_OK;
}

/* => 0: not the name of a process. */
static uint32_t pid_of(const char *name)
{
	uint64_t pid = 0;
	for (const char *c = name; *c; c++) {
		if (*c < '0' || *c > '9' || pid > UINT32_MAX / 10)
			return 0;
		pid = pid * 10 + (uint64_t)(*c - '0');
	}
	return pid <= UINT32_MAX ? (uint32_t)pid : 0;
}

enum pw_err procfs_pids(struct procfs *p, uint32_t **ret, uint32_t *ret_n, struct pw_why *why)
{
	DIR *d;
	uint32_t n = 0, all = 0;
	size_t bytes = 0;
	enum pw_err err = folder_open(p, "proc", &d, why);
	if (err != PW_OK)
		return err;
	int error = names_gather(p, d, &all, &bytes);
	closedir(d);
	uint32_t *pids = error ? NULL : mem_zalloc(all + 1, sizeof *pids);
	if (!pids)
		return fail(p, "proc", error ? error : ENOMEM, why);
	for (const char *at = p->text; all--; at += strlen(at) + 1)
		if (pid_of(at))
			pids[n++] = pid_of(at);
	qsort(pids, n, sizeof *pids, by_number);
	*ret = pids;
	*ret_n = n;
	return PW_OK;
}
