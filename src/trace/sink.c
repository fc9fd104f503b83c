/* sink.c - writes that fail in words.
 *
 * Problem: a disk becomes full in the middle of a record, a pipe is closed by whoever read it; neither may kill the process, leave
 * half a record in a file, or go unnoticed.
 * Idea: SIGPIPE is held back for the time of the write, and a file is cut back to what it was before the write that failed.
 *
 * 1. A regular file holds whole puts, always.
 * 2. After the first failure nothing more is written. */
#include "sink.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct sink {
	char *path;               /* as people know it */
	int fd;
	bool own, regular, whole; /* close it; a partial write can be taken back; all or nothing */
	uint64_t bytes;
	enum pw_err error;
	struct pw_why why;
};

enum pw_err sink_fail(struct sink *s, enum pw_err err, const char *what)
{
	if (!s->error)
		s->error = pw_fail(&s->why, err, "%s: %s", s->path, what);
	return s->error;
}

/* write(2) to a pipe whose reader is gone raises SIGPIPE, also when it has written a part; a library may not kill the process, so
 * the signal is held back and, if it is ours, taken off. */
static ssize_t write_quietly(int fd, const void *p, size_t n)
{
	sigset_t pipe_only, before, pending;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	ssize_t got = inject(INJECT_FILE_WRITE) ? (errno = ENOSPC, -1) : write(fd, p, n);
	int error = errno;
	if (got < (ssize_t)n && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0 });
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return got;
}

enum pw_err sink_put(struct sink *s, const void *p, size_t n)
{
	for (size_t done = 0; done < n && !s->error;) {
		ssize_t got = write_quietly(s->fd, (const char *)p + done, n - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			const char *what = strerror(errno);
			if (s->regular && ftruncate(s->fd, (off_t)s->bytes)) {
				/* Then the file is not whole to its end, and its own checks say so to whoever reads it. */
			}
			return sink_fail(s, PW_IO, what);
		}
		done += (size_t)got;
	}
	s->bytes += s->error ? 0 : n;
	return s->error;
}

static enum pw_err sink_init(struct sink *s, const char *path)
{
	s->path = mem_strdup(strcmp(path, "-") ? path : "standard output");
	if (!s->path)
		return pw_fail(&s->why, PW_NOMEM, "%s: out of memory while creating", path);
	s->own = strcmp(path, "-") != 0;
	s->fd = s->own ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
	struct stat st;
	if (s->fd < 0 || fstat(s->fd, &st))
		return sink_fail(s, errno == EACCES ? PW_ACCESS : PW_IO, strerror(errno));
	s->regular = s->own && S_ISREG(st.st_mode);
	return PW_OK;
}

static void sink_free(struct sink *s)
{
	mem_free(s->path);
	mem_free(s);
}

enum pw_err sink_open(const char *path, bool whole, struct sink **ret, struct pw_why *why)
{
	*ret = NULL;
	struct sink *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return pw_fail(why, PW_NOMEM, "%s: out of memory while creating", path);
	s->fd = -1;
	s->whole = whole;
	enum pw_err err = sink_init(s, path);
	if (err) {
		pw_fail(why, err, "%s", s->why.text);
		if (s->own && s->fd >= 0)
			close(s->fd);
		sink_free(s);
		return err;
	}
	*ret = s;
	return PW_OK;
}

enum pw_err sink_error(const struct sink *s, struct pw_why *why)
{
	return s->error ? pw_fail(why, s->error, "%s", s->why.text) : PW_OK;
}

uint64_t sink_bytes(const struct sink *s)
{
	return s->bytes;
}

enum pw_err sink_close(struct sink *s, struct pw_why *why)
{
	if (s->own && close(s->fd))
		sink_fail(s, PW_IO, strerror(errno));
	enum pw_err err = sink_error(s, why);
	if (err && s->whole && s->regular)
		unlink(s->path);
	sink_free(s);
	return err;
}

void sink_remove(struct sink *s)
{
	if (s->own)
		close(s->fd);
	if (s->regular)
		unlink(s->path);
	sink_free(s);
}
