/* file.c - slots in a file or on a block device, with real bytes.
 *
 * Problem: pages that do not fit in memory go to a place of the user's choosing, which must never be one that held something else.
 * Idea: a new file, whose name is removed at once so that its space comes back however the process ends; or a file that exists
 * and is empty; or a block device, which is meant for this.  Slot s lies at byte s * page_bytes.
 *
 * 1. What lies beyond the end of the file was never written, and reads as zeros.
 * 2. Short transfers are continued, interrupted ones repeated; every other failure is PW_IO with the system's words.
 * Its modelled time is that of a solid-state disk: a latency for each transfer and a rate. */
#include "../base/mem.h"
#include "kind.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILE_BATCH = 64 };                          /* pages in one system call: below IOV_MAX everywhere */
enum { FILE_READ_NS = 80000, FILE_WRITE_NS = 20000 };
#define FILE_BYTES_PER_S (2ull << 30)

struct file {
	struct store store;
	int fd;
	bool punches; /* the file system can give back the space of discarded slots */
	char *path;
};

static enum pw_err file_fail(const struct file *f, const char *verb, uint64_t slot, int error, struct pw_why *why)
{
	return pw_fail(why, error == ENOSPC ? PW_NOSPACE : PW_IO, "store file:%s: %s of slot %llu: %s", f->path, verb,
	               (unsigned long long)slot, strerror(error));
}

/* What is left of the pages after the first done bytes of them, as an I/O vector. */
static int file_vector(const struct file *f, void *const pages[], uint32_t n, uint64_t done, struct iovec *vector)
{
	uint32_t first = (uint32_t)(done / f->store.page_bytes), skip = (uint32_t)(done % f->store.page_bytes);
	for (uint32_t i = first; i < n; i++) {
		vector[i - first] = (struct iovec){ (uint8_t *)pages[i] + skip, f->store.page_bytes - skip };
		skip = 0;
	}
	return (int)(n - first);
}

static void file_zero_rest(const struct file *f, void *const pages[], uint32_t n, uint64_t done)
{
	struct iovec vector[FILE_BATCH];
	int count = file_vector(f, pages, n, done, vector);
	for (int i = 0; i < count; i++)
		memset(vector[i].iov_base, 0, vector[i].iov_len);
}

/* => n <= FILE_BATCH.  Returns 0 or errno. */
static int file_transfer(struct file *f, enum store_direction d, uint64_t slot, uint32_t n, void *const pages[])
{
	uint64_t bytes = (uint64_t)n * f->store.page_bytes, at = slot * f->store.page_bytes;
	for (uint64_t done = 0; done < bytes;) {
		struct iovec vector[FILE_BATCH];
		int count = file_vector(f, pages, n, done, vector);
		ssize_t got = d == STORE_READ ? preadv(f->fd, vector, count, (off_t)(at + done))
		                              : pwritev(f->fd, vector, count, (off_t)(at + done));
		if (got < 0 && errno != EINTR)
			return errno;
		if (got == 0 && d == STORE_WRITE)
			return ENOSPC;
		if (got == 0) {
			file_zero_rest(f, pages, n, done);
			return 0;
		}
		done += got > 0 ? (uint64_t)got : 0;
	}
	return 0;
}

static enum pw_err file_batches(struct file *f, enum store_direction d, uint64_t slot, uint32_t n, void *const pages[],
                                struct pw_why *why)
{
	for (uint32_t i = 0; i < n; i += FILE_BATCH) {
		uint32_t part = n - i < FILE_BATCH ? n - i : FILE_BATCH;
		int error = file_transfer(f, d, slot + i, part, pages + i);
		if (error)
			return file_fail(f, d == STORE_READ ? "read" : "write", slot + i, error, why);
	}
	return PW_OK;
}

static enum pw_err file_read(struct store *s, uint64_t slot, uint32_t n, void *const pages[], struct pw_why *why)
{
	return file_batches((struct file *)s, STORE_READ, slot, n, pages, why);
}

static enum pw_err file_write(struct store *s, uint64_t slot, uint32_t n, const void *const pages[], struct pw_why *why)
{
	/* The vector of a write is only read; its type cannot say so. */
	return file_batches((struct file *)s, STORE_WRITE, slot, n, (void *const *)(uintptr_t)pages, why);
}

static void file_discard(struct store *s, uint64_t slot, uint32_t n)
{
	struct file *f = (struct file *)s;
	if (f->punches && fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(slot * s->page_bytes),
	                            (off_t)((uint64_t)n * s->page_bytes)))
		f->punches = false;
}

static uint64_t file_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	(void)slot;
	return (d == STORE_READ ? FILE_READ_NS : FILE_WRITE_NS) + store_transfer_ns(s, n, FILE_BYTES_PER_S);
}

static void file_close(struct store *s)
{
	struct file *f = (struct file *)s;
	close(f->fd);
	mem_free(f->path);
	mem_free(f);
}

static const struct store_ops file_ops = {
	.name = "file",
	.summary = "a new or empty file, or a block device: real bytes",
	.read = file_read,
	.write = file_write,
	.discard = file_discard,
	.cost_ns = file_cost_ns,
	.close = file_close,
};

/* A file that exists may be used when it is empty or a block device. */
static enum pw_err file_reopen(const char *path, int *ret_fd, bool *ret_punches, struct pw_why *why)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		pw_fail(why, PW_IO, "store file:%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return PW_IO;
	}
	*ret_punches = S_ISREG(st.st_mode);
	*ret_fd = fd;
	if (S_ISBLK(st.st_mode) || (S_ISREG(st.st_mode) && !st.st_size))
		return PW_OK;
	close(fd);
	return pw_fail(why, PW_EXISTS, "store file:%s: it exists and is not empty; name a new file, an empty one or a block device",
	               path);
}

/* A new file without a name, or an old one that holds nothing. */
static enum pw_err file_descriptor(const char *path, int *ret_fd, bool *ret_punches, struct pw_why *why)
{
	*ret_punches = true;
	*ret_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*ret_fd >= 0) {
		unlink(path);
		return PW_OK;
	}
	if (errno == EEXIST)
		return file_reopen(path, ret_fd, ret_punches, why);
	return pw_fail(why, PW_IO, "store file:%s: %s", path, strerror(errno));
}

static enum pw_err file_open(const char *args, const struct store *like, struct store **ret, struct pw_why *why)
{
	if (!*args)
		return pw_fail(why, PW_INVALID, "store file: a path is missing; write file:PATH");
	struct file *f = mem_zalloc(1, sizeof *f);
	char *path = mem_strdup(args);
	enum pw_err err = f && path ? file_descriptor(path, &f->fd, &f->punches, why)
	                            : pw_fail(why, PW_NOMEM, "store file:%s: %s", args, pw_err_text(PW_NOMEM));
	if (err) {
		mem_free(path);
		mem_free(f);
		return err;
	}
	f->store = *like;
	f->store.ops = &file_ops;
	f->store.keeps_data = true;
	if (f->store.n_slots > INT64_MAX / f->store.page_bytes)
		f->store.n_slots = INT64_MAX / f->store.page_bytes;
	f->path = path;
	*ret = &f->store;
	return PW_OK;
}

const struct store_kind store_kind_file = { .ops = &file_ops, .form = "file:PATH", .open = file_open };
