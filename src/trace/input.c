/* input.c - a window that slides over unpacked bytes.
 *
 * Problem: readers want large pieces of contiguous bytes without copying; files are packed, pipes give dribbles.
 * Idea: packed bytes are read into one buffer and unpacked into another; a peek that asks for more than the window holds moves
 * the rest to the front and fills up behind it.  A plain file goes the same way: one copy costs little beside looking at it.
 *
 *        raw     [ done | in ............. ]          read() fills it
 *                          | unpack_step
 *        window  [ done | at ....... n | room ]       peek() shows at..n
 *
 * 1. at <= n <= capacity; offset counts the bytes skipped since the start.
 * 2. Once error is set, or end, nothing more is read; what the window holds stays.
 * 3. Bytes unpacked before an error are given out before it is noticed.
 * Rejected: mmap (no pipes, and a file that shrinks kills the process). */
#include "input.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include "unpack.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RAW_BYTES = 256 << 10, WINDOW_BYTES = 1 << 20 };

struct input {
	char *name;
	int fd;
	bool own, seekable, raw_end, end;
	off_t base;              /* where the file stood when we got it */
	uint64_t file_bytes;     /* from base on; 0: unknown */
	struct unpack unpack;    /* its in and in_n are the raw bytes not yet unpacked */
	uint8_t *raw, *window;
	uint64_t raw_bytes;      /* read so far */
	size_t at, n, capacity;
	uint64_t offset;
	enum pw_err error;
	struct pw_why why;
};

static void give_up(struct input *in, enum pw_err err, const char *what)
{
	in->end = true;
	in->error = pw_fail(&in->why, err, "%s: %s byte %llu", in->name, what, (unsigned long long)in->raw_bytes);
}

/* Reads behind the raw bytes that are left.  => the buffer has room. */
static void raw_read(struct input *in)
{
	memmove(in->raw, in->unpack.in, in->unpack.in_n);
	in->unpack.in = in->raw;
	ssize_t got;
	do {
		got = inject(INJECT_FILE_READ) ? (errno = EIO, -1)
		                               : read(in->fd, in->raw + in->unpack.in_n, RAW_BYTES - in->unpack.in_n);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		char what[100];
		snprintf(what, sizeof what, "%s, at", strerror(errno));
		give_up(in, PW_IO, what);
		return;
	}
	in->raw_end = got == 0;
	in->unpack.in_n += (size_t)got;
	in->raw_bytes += (uint64_t)got;
}

/* Looks at the first bytes and starts the unpacker they ask for. */
static enum pw_err unpack_begin(struct input *in)
{
	in->unpack.in = in->raw;
	while (in->unpack.in_n < UNPACK_MAGIC_BYTES && !in->raw_end && !in->error)
		raw_read(in);
	if (in->error)
		return in->error;
	struct unpack u;
	enum pw_err err = unpack_start(&u, unpack_kind_of(in->raw, in->unpack.in_n));
	if (err)
		return pw_fail(&in->why, err, "%s: out of memory while opening", in->name);
	u.in = in->unpack.in;
	u.in_n = in->unpack.in_n;
	in->unpack = u;
	return PW_OK;
}

/* Unpacks some more into the window. */
static void unpack_more(struct input *in)
{
	if (!in->unpack.in_n && !in->raw_end)
		raw_read(in);
	if (in->end)
		return;
	in->unpack.out = in->window + in->n;
	in->unpack.out_n = in->capacity - in->n;
	size_t in_before = in->unpack.in_n, room = in->unpack.out_n;
	enum pw_err err = unpack_step(&in->unpack, in->raw_end);
	in->n = in->capacity - in->unpack.out_n;
	if (err == PW_NOMEM)
		give_up(in, err, "out of memory while unpacking, at");
	else if (err)
		give_up(in, err, "the compressed data is damaged, at or before");
	else if (in->raw_end && in->unpack.out_n == room && in->unpack.in_n == in_before) {
		in->end = true;
		if (!in->unpack.whole || in->unpack.in_n)
			give_up(in, PW_TRUNCATED, "the compressed data ends early, at");
	}
}

/* Makes room for want bytes from at on. */
static bool window_make_room(struct input *in, size_t want)
{
	in->n -= in->at;
	memmove(in->window, in->window + in->at, in->n);
	in->at = 0;
	if (want <= in->capacity)
		return true;
	uint8_t *bigger = mem_realloc(in->window, want, 1);
	if (!bigger) {
		give_up(in, PW_NOMEM, "out of memory for a record, at");
		return false;
	}
	in->window = bigger;
	in->capacity = want;
	return true;
}

const uint8_t *input_peek(struct input *in, size_t want, size_t *ret_n)
{
	if (in->n - in->at < want && !in->end && window_make_room(in, want)) {
		while (in->n < in->capacity && !in->end && (in->n < want || in->unpack.in_n))
			unpack_more(in);
	}
	*ret_n = in->n - in->at;
	return in->window + in->at;
}

void input_skip(struct input *in, size_t n)
{
	in->at += n;
	in->offset += n;
}

enum pw_err input_error(const struct input *in, struct pw_why *why)
{
	return in->error ? pw_fail(why, in->error, "%s", in->why.text) : PW_OK;
}

static enum pw_err file_open(struct input *in, const char *name, struct pw_why *why)
{
	struct stat st;
	in->own = strcmp(name, "-") != 0;
	in->fd = in->own ? open(name, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (in->fd < 0 || fstat(in->fd, &st))
		return pw_fail(why, errno == ENOENT ? PW_NOTFOUND : errno == EACCES ? PW_ACCESS : PW_IO, "%s: %s", in->name,
		               strerror(errno));
	if (S_ISDIR(st.st_mode))
		return pw_fail(why, PW_INVALID, "%s: is a directory; a trace is a file", in->name);
	in->base = lseek(in->fd, 0, SEEK_CUR);
	in->seekable = in->base >= 0 && S_ISREG(st.st_mode);
	if (in->seekable && st.st_size > in->base)
		in->file_bytes = (uint64_t)(st.st_size - in->base);
	return PW_OK;
}

enum pw_err input_open(const char *name, struct input **ret, struct pw_why *why)
{
	*ret = NULL;
	struct input *in = mem_zalloc(1, sizeof *in);
	if (!in)
		return pw_fail(why, PW_NOMEM, "%s: out of memory while opening", name);
	in->fd = -1;
	in->capacity = WINDOW_BYTES;
	in->name = mem_strdup(strcmp(name, "-") ? name : "standard input");
	in->raw = mem_alloc(RAW_BYTES);
	in->window = mem_alloc(WINDOW_BYTES);
	enum pw_err err = in->name && in->raw && in->window ? file_open(in, name, why)
	                                                    : pw_fail(why, PW_NOMEM, "%s: out of memory while opening", name);
	if (!err && unpack_begin(in))
		err = pw_fail(why, in->error ? in->error : PW_NOMEM, "%s", in->why.text);
	if (err)
		input_close(in);
	else
		*ret = in;
	return err;
}

void input_close(struct input *in)
{
	unpack_stop(&in->unpack);
	if (in->own && in->fd >= 0)
		close(in->fd);
	mem_free(in->window);
	mem_free(in->raw);
	mem_free(in->name);
	mem_free(in);
}

enum pw_err input_rewind(struct input *in, struct pw_why *why)
{
	if (!in->seekable)
		return pw_fail(why, PW_UNSUPPORTED, "%s: cannot be read twice; save it to a file first", in->name);
	if (lseek(in->fd, in->base, SEEK_SET) < 0)
		return pw_fail(why, PW_IO, "%s: %s", in->name, strerror(errno));
	unpack_stop(&in->unpack);
	in->raw_end = in->end = false;
	in->raw_bytes = in->offset = 0;
	in->at = in->n = 0;
	in->error = PW_OK;
	if (!unpack_begin(in))
		return PW_OK;
	in->end = true;
	in->error = in->error ? in->error : PW_NOMEM;
	return pw_fail(why, in->error, "%s", in->why.text);
}

static bool is_plain(const struct input *in)
{
	return in->seekable && !strcmp(unpack_name(in->unpack.kind), "plain");
}

enum pw_err input_seek(struct input *in, uint64_t offset, struct pw_why *why)
{
	if (!is_plain(in))
		return pw_fail(why, PW_UNSUPPORTED, "%s: only a plain file can be entered in the middle", in->name);
	if (lseek(in->fd, in->base + (off_t)offset, SEEK_SET) < 0)
		return pw_fail(why, PW_IO, "%s: %s", in->name, strerror(errno));
	in->unpack.in = in->raw;
	in->unpack.in_n = 0;
	in->raw_end = in->end = false;
	in->raw_bytes = in->offset = offset;
	in->at = in->n = 0;
	in->error = PW_OK;
	return PW_OK;
}

const char *input_name(const struct input *in)
{
	return in->name;
}

const char *input_packing(const struct input *in)
{
	return unpack_name(in->unpack.kind);
}

bool input_is_file(const struct input *in, const char *path)
{
	struct stat ours, its;
	return !fstat(in->fd, &ours) && !stat(path, &its) && S_ISREG(ours.st_mode) && ours.st_dev == its.st_dev &&
	       ours.st_ino == its.st_ino;
}

uint64_t input_file_bytes(const struct input *in)
{
	return in->file_bytes;
}

uint64_t input_offset(const struct input *in)
{
	return in->offset;
}

double input_progress(const struct input *in)
{
	if (!in->file_bytes)
		return -1;
	double done = (double)(in->raw_bytes - in->unpack.in_n) / (double)in->file_bytes;
	return done < 1 ? done : 1;
}

bool input_tail(const struct input *in, void *ret, size_t n)
{
	return is_plain(in) && in->file_bytes >= n &&
	       pread(in->fd, ret, n, in->base + (off_t)(in->file_bytes - n)) == (ssize_t)n;
}
