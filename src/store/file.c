/* file.c - slots in a file or on a block device, with real bytes.
 *
 * Problem: pages that do not fit in memory go to a place of the user's choosing, which must never be one that held something else.
 * Idea: a new file, whose name is removed at once so that its space comes back however the process ends; or a file that exists
 * and is empty; or a block device, which is meant for this.  Inside it is a log (log.h); the page cache is bypassed where the host
 * can do that, since what was evicted to make room must not take room again.
 *
 * 1. Nothing is written before the file is known to hold nothing.
 * 2. No two stores write to the same file, of whatever processes they are.
 * Its modelled time is that of a solid-state disk: a latency for each transfer and a rate. */
#include "../base/mem.h"
#include "kind.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_READ_NS = 80000, FILE_WRITE_NS = 20000 };
#define FILE_BYTES_PER_S (2ull << 30)

struct file {
	struct store store;
	char *name; /* "file:PATH" */
	struct log *log;
};
/* A file that was opened. */
struct place {
	int fd;
	bool direct, is_device;
	uint64_t bytes; /* of a device */
};

static enum pw_err file_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	return log_read(((struct file *)s)->log, n, slot, pages, why);
}

static enum pw_err file_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	return log_write(((struct file *)s)->log, n, slot, pages, why);
}

static void file_discard(struct store *s, uint64_t slot, uint32_t n)
{
	log_discard(((struct file *)s)->log, slot, n);
}

static enum pw_err file_flush(struct store *s, struct pw_why *why)
{
	return log_flush(((struct file *)s)->log, why);
}

static void file_stats(struct store *s, struct store_stats *sum)
{
	log_stats(((struct file *)s)->log, sum);
}

static uint64_t file_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	(void)slot;
	return (d == STORE_READ ? FILE_READ_NS : FILE_WRITE_NS) + store_transfer_ns(s, n, FILE_BYTES_PER_S);
}

static void file_close(struct store *s)
{
	struct file *f = (struct file *)s;
	log_destroy(f->log);
	mem_free(f->name);
	mem_free(f);
}

static const struct store_ops file_ops = {
	.name = "file",
	.summary = "a new or empty file, or a block device: a log written behind, many requests in flight",
	.read = file_read,
	.write = file_write,
	.discard = file_discard,
	.flush = file_flush,
	.stats = file_stats,
	.cost_ns = file_cost_ns,
	.close = file_close,
};

/* A file that exists may be used when it is empty or a block device. */
static enum pw_err place_check(const char *path, struct place *p, struct pw_why *why)
{
	struct stat st;
	if (fstat(p->fd, &st))
		return pw_fail(why, PW_IO, "store file:%s: %s", path, strerror(errno));
	p->is_device = S_ISBLK(st.st_mode);
	if (p->is_device && !ioctl(p->fd, BLKGETSIZE64, &p->bytes))
		return PW_OK;
	if (S_ISREG(st.st_mode) && !st.st_size)
		return PW_OK;
	return pw_fail(why, PW_EXISTS, "store file:%s: it exists and is not empty; name a new file, an empty one or a block device",
	               path);
}

/* Opens with the page cache bypassed if the host lets us, else through it. */
static int open_either(const char *path, int flags, bool *direct)
{
	int fd = *direct ? open(path, flags | O_DIRECT, 0600) : -1;
	if (fd >= 0)
		return fd;
	if (*direct && errno != EINVAL && errno != EOPNOTSUPP)
		return -1;
	*direct = false;
	if (flags & O_EXCL)
		unlink(path); /* the first attempt may have made it, and nobody else does */
	return open(path, flags, 0600);
}

/* Opens what is called so, and frees the name, unless there was no memory for one. */
static int open_named(char *name, int flags, bool *direct)
{
	int fd = name ? open_either(name, flags, direct) : -1, error = name ? errno : ENOMEM;
	if (fd >= 0 && flags & O_EXCL)
		unlink(name);
	mem_free(name);
	errno = error;
	return fd;
}

/* A new file in the folder of path that has no name, from the beginning or as good as: no two opens get the same, at whatever moment. */
static int open_nameless(const char *path, bool direct_wanted, bool *direct)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_printf("%.*s/", (int)(slash - path), path) : mem_printf(".");
	*direct = direct_wanted;
	int fd = open_named(folder, O_RDWR | O_CLOEXEC | O_TMPFILE, direct);
	for (unsigned i = 0; fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EEXIST) && i < 1000; i++) {
		*direct = direct_wanted;
		fd = open_named(mem_printf("%s.%d-%u~", path, getpid(), i), O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, direct);
	}
	return fd;
}

/* A new file without a name, or an old one that holds nothing.  An old one has one user: who comes second, as the child of a fork does,
 * gets a new file beside it. */
static enum pw_err place_open(const char *path, uint32_t page_bytes, struct place *p, struct pw_why *why)
{
	struct stat was;
	bool is_new = lstat(path, &was) && errno == ENOENT, direct = page_bytes % AIO_ALIGN == 0;
	*p = (struct place){ .direct = direct };
	p->fd = is_new ? open_nameless(path, direct, &p->direct) : open_either(path, O_RDWR | O_CLOEXEC, &p->direct);
	if (p->fd >= 0 && !is_new && flock(p->fd, LOCK_EX | LOCK_NB) < 0) {
		close(p->fd);
		if (!S_ISREG(was.st_mode))
			return pw_fail(why, PW_BUSY, "store file:%s: somebody else uses it; name a file: each gets its own", path);
		p->fd = open_nameless(path, direct, &p->direct);
	}
	if (p->fd < 0)
		return pw_fail(why, errno == ENOMEM ? PW_NOMEM : PW_IO, "store file:%s: %s", path, strerror(errno));
	enum pw_err err = place_check(path, p, why);
	if (err)
		close(p->fd);
	return err;
}

/* => owns p->fd, also on failure */
static enum pw_err file_build(struct file *f, const struct place *p, const struct store_spec *spec, struct pw_why *why)
{
	struct log_limits limits = {
		.page_bytes = f->store.page_bytes, .n_slots = f->store.n_slots, .can_allocate = !p->is_device,
		.file_bytes = p->is_device ? p->bytes : INT64_MAX,
	};
	if (spec->capacity && spec->capacity < limits.file_bytes)
		limits.file_bytes = spec->capacity;
	struct aio *a = NULL;
	enum pw_err err = aio_create(p->fd, p->direct, f->store.page_bytes, &a);
	if (err)
		return pw_fail(why, err, "store %s: %s", f->name, pw_err_text(err));
	return log_create(a, &limits, f->name, &f->log, why);
}

static enum pw_err file_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	struct place place;
	if (!*spec->args)
		return pw_fail(why, PW_INVALID, "store file: a path is missing; write file:PATH");
	struct file *f = mem_zalloc(1, sizeof *f);
	char *name = mem_printf("file:%s", spec->args);
	enum pw_err err = f && name ? place_open(spec->args, like->page_bytes, &place, why)
	                            : pw_fail(why, PW_NOMEM, "store file:%s: %s", spec->args, pw_err_text(PW_NOMEM));
	if (!err) {
		f->store = store_of_kind(like, &file_ops);
		f->name = name;
		err = file_build(f, &place, spec, why);
	}
	if (err) {
		mem_free(name);
		mem_free(f);
		return err;
	}
	*ret = &f->store;
	return PW_OK;
}

const struct store_kind store_kind_file = { .ops = &file_ops, .form = "file[=SIZE]:PATH", .sized = true, .open = file_open };
