/* sweep_dir.c - files that appear whole.
 *
 * Problem.  A sweep of hours may be killed at any instant, the disk may fill, two sweeps may be started in one place; a result
 * that was finished must still be there, whole, and nothing half written may ever pass for a result.
 *
 * Idea.  write under a temporary name -> fsync -> rename -> fsync of the directory: after the rename a reader sees the old file or
 * the whole new one, and after the second fsync so does a machine that lost its power.  One flock(2) keeps sweeps apart: it
 * belongs to the open file, so workers, which inherit it, keep it until the last of them is dead.
 *
 * 1. A temporary file is called ".new.PID.NAME"; only its process writes it.
 * 2. Temporary files are removed only by the holder of the lock, or by their own process.
 * 3. A directory that is not empty and has no lock file is none of ours, and nothing is written into it.
 *
 * Rejected: one database file (a damaged page would cost every cell), lock files with process numbers in their names (stale ones
 * need guessing). */
#include "sweep_dir.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 100, LOCK_PAUSE_NS = 20000000 };

#define TEMPORARY ".new."

struct sweep_dir {
	char *path;
	int lock;      /* -1: not locked */
};

const char *sweep_dir_path(const struct sweep_dir *d) { return d->path; }

char *sweep_dir_file(const struct sweep_dir *d, const char *name, char *buf)
{
	snprintf(buf, SWEEP_PATH, "%s/%s", d->path, name);
	return buf;
}

char *sweep_dir_result(const struct sweep_dir *d, const char *id, char *buf)
{
	snprintf(buf, SWEEP_PATH, "%s/cells/%s.json", d->path, id);
	return buf;
}

char *sweep_dir_failure(const struct sweep_dir *d, const char *id, char *buf)
{
	snprintf(buf, SWEEP_PATH, "%s/cells/%s.failed", d->path, id);
	return buf;
}

static enum pw_err dir_fail(const char *path, const char *what, struct pw_why *why)
{
	return pw_fail(why, errno == ENOSPC || errno == EDQUOT ? PW_NOSPACE : PW_IO, "%s: %s: %s", path, what, strerror(errno));
}

static enum pw_err dir_new(const char *path, struct sweep_dir **ret, struct pw_why *why)
{
	struct sweep_dir *d = *ret = mem_zalloc(1, sizeof *d);
	if (d) {
		d->lock = -1;
		d->path = mem_strdup(path);
	}
	if (d && d->path && strlen(path) < SWEEP_PATH - 100)
		return PW_OK;
	sweep_dir_close(d);
	*ret = NULL;
	return d ? pw_fail(why, PW_INVALID, "the directory's name is too long") : pw_fail(why, PW_NOMEM, "out of memory");
}

void sweep_dir_close(struct sweep_dir *d)
{
	if (!d)
		return;
	if (d->lock >= 0)
		close(d->lock);
	mem_free(d->path);
	mem_free(d);
}

/* => nothing is in it. */
static bool dir_is_empty(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;
	if (!dir)
		return true;
	for (const struct dirent *e; (e = readdir(dir));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return n == 0;
}

/* A sweep that was killed a moment ago may have workers that are still dying. */
static bool dir_try_lock(int fd)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_PAUSE_NS }, NULL);
	}
	errno = EWOULDBLOCK;
	return false;
}

static enum pw_err dir_lock(struct sweep_dir *d, struct pw_why *why)
{
	char name[SWEEP_PATH], holder[32] = "";
	sweep_dir_file(d, "lock", name);
	d->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (d->lock < 0)
		return dir_fail(name, "cannot be opened", why);
	if (dir_try_lock(d->lock)) {
		int n = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
		if (ftruncate(d->lock, 0) != 0 || pwrite(d->lock, holder, (size_t)n, 0) != n)
			return dir_fail(name, "cannot be written", why);
		return PW_OK;
	}
	if (errno != EWOULDBLOCK)
		return dir_fail(name, "cannot be locked", why);
	if (pread(d->lock, holder, sizeof holder - 1, 0) < 0)
		holder[0] = '\0';
	holder[strcspn(holder, "\n")] = '\0';
	return pw_fail(why, PW_BUSY, "%s: another sweep is at work there (process %s); wait for it, or give another --dir", d->path,
	               holder);
}

/* => PW_OK also when it is there already. */
static enum pw_err dir_make(const char *path, struct pw_why *why)
{
	struct stat st;
	if (mkdir(path, 0777) == 0)
		return PW_OK;
	if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return PW_OK;
	return dir_fail(path, "cannot be made", why);
}

static enum pw_err dir_prepare(struct sweep_dir *d, struct pw_why *why)
{
	char name[SWEEP_PATH];
	enum pw_err err = dir_make(d->path, why);
	if (err != PW_OK)
		return err;
	if (access(sweep_dir_file(d, "lock", name), F_OK) != 0 && !dir_is_empty(d->path))
		return pw_fail(why, PW_INVALID, "%s: holds something else than a sweep; give another --dir", d->path);
	err = dir_lock(d, why);
	if (err == PW_OK)
		err = dir_make(sweep_dir_file(d, "cells", name), why);
	if (err == PW_OK)
		err = dir_make(sweep_dir_file(d, "recorded", name), why);
	return err;
}

enum pw_err sweep_dir_open(const char *path, struct sweep_dir **ret, struct pw_why *why)
{
	enum pw_err err = dir_new(path, ret, why);
	if (err == PW_OK)
		err = dir_prepare(*ret, why);
	if (err == PW_OK) {
		sweep_dir_clean(*ret, 0);
		return PW_OK;
	}
	sweep_dir_close(*ret);
	*ret = NULL;
	return err;
}

enum pw_err sweep_dir_look(const char *path, struct sweep_dir **ret, struct pw_why *why)
{
	char name[SWEEP_PATH];
	enum pw_err err = dir_new(path, ret, why);
	if (err != PW_OK)
		return err;
	if (access(sweep_dir_file(*ret, "sweep.json", name), R_OK) == 0)
		return PW_OK;
	err = pw_fail(why, PW_NOTFOUND, "%s: %s", name, strerror(errno));
	sweep_dir_close(*ret);
	*ret = NULL;
	return err;
}

static bool write_whole(int fd, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t n = inject(INJECT_FILE_WRITE) ? (errno = ENOSPC, -1) : write(fd, text, bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		bytes -= (size_t)n;
	}
	return true;
}

static bool sync_folder(const char *file)
{
	char folder[SWEEP_PATH];
	snprintf(folder, sizeof folder, "%s", file);
	*strrchr(folder, '/') = '\0';
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL || errno == EROFS);
	if (fd >= 0)
		close(fd);
	return ok;
}

enum pw_err sweep_dir_write(const char *path, const char *text, size_t bytes, struct pw_why *why)
{
	char fresh[SWEEP_PATH];
	const char *base = strrchr(path, '/') + 1;
	snprintf(fresh, sizeof fresh, "%.*s" TEMPORARY "%ld.%s", (int)(base - path), path, (long)getpid(), base);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return dir_fail(path, "cannot be written", why);
	bool ok = write_whole(fd, text, bytes) && fsync(fd) == 0;
	int error = ok ? 0 : errno;
	if (close(fd) != 0 && ok)
		error = errno;
	if (!error && rename(fresh, path) == 0 && sync_folder(path))
		return PW_OK;
	error = error ? error : errno;
	unlink(fresh);
	errno = error;
	return dir_fail(path, "cannot be written", why);
}

static void clean_folder(const char *folder, long pid)
{
	DIR *dir = opendir(folder);
	if (!dir)
		return;
	for (const struct dirent *e; (e = readdir(dir));) {
		bool ours = strncmp(e->d_name, TEMPORARY, sizeof TEMPORARY - 1) == 0;
		if (ours && (pid == 0 || strtol(e->d_name + sizeof TEMPORARY - 1, NULL, 10) == pid))
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
}

void sweep_dir_clean(const struct sweep_dir *d, long pid)
{
	char name[SWEEP_PATH];
	clean_folder(d->path, pid);
	clean_folder(sweep_dir_file(d, "cells", name), pid);
	clean_folder(sweep_dir_file(d, "recorded", name), pid);
}
