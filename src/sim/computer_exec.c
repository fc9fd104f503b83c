/* computer_exec.c - programs of this computer here, loaded into a simulated one.
 *
 * Problem.  A loaded program must stay as it is while somebody rebuilds it on the disk, and two processes of one program share its pages.
 * Idea.  A file is read whole, once, and known by what stat says of it: the same state of the same file is the same file there.
 *
 * 1. Nothing but regular files is read, and none is waited for.
 * Rejected: mapping the file (whoever truncates it would kill us with SIGBUS). */
#include "computer.h"
#include "computer_origin.h"
#include "../base/inject.h"
#include "../base/locate.h"
#include "../base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST (1ll << 30)

static enum pw_err open_failed(const char *path, int error, struct pw_why *why)
{
	enum pw_err err = error == ENOENT || error == ENOTDIR ? PW_NOTFOUND : error == EACCES ? PW_ACCESS : PW_IO;
	return pw_fail(why, err, "%s: %s", path, strerror(error));
}

enum pw_err origin_open(const char *path, struct computer_origin *ret, int *ret_fd, struct pw_why *why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return open_failed(path, errno, why);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_MOST) {
		close(fd);
		return pw_fail(why, PW_INVALID, "%s: not a file of 1 byte to 1 GiB", path);
	}
	*ret = (struct computer_origin){ st.st_dev, st.st_ino, (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec,
		                         (uint64_t)st.st_mtim.tv_nsec };
	*ret_fd = fd;
	return PW_OK;
}

enum pw_err origin_read(const char *path, int fd, const struct computer_origin *o, uint8_t **ret, struct pw_why *why)
{
	uint8_t *bytes = *ret = mem_alloc(o->bytes);
	uint64_t done = 0;
	while (bytes && done < o->bytes) {
		ssize_t got = inject(INJECT_FILE_READ) ? -1 : read(fd, bytes + done, o->bytes - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (uint64_t)got;
	}
	close(fd);
	if (bytes && done == o->bytes)
		return PW_OK;
	mem_free(bytes);
	*ret = NULL;
	return pw_fail(why, bytes ? PW_IO : PW_NOMEM, "%s: %s", path, bytes ? "it cannot be read to its end" : "out of memory");
}

/* ---- programs ---- */

static enum pw_err program_open(void *ctx, const char *path, struct exec_file *ret, struct pw_why *why)
{
	struct computer *c = ctx;
	enum pw_err err = computer_file_open(c, path, &ret->id, why);
	ret->path = path;
	if (!err && !computer_file_size(c, ret->id, &ret->bytes))
		err = PW_NOTFOUND;
	return err;
}

enum pw_err computer_exec(struct computer *c, struct process *p, const char *path, const char *const *argv,
                          const char *const *envp, struct process_begin *ret, struct pw_why *why)
{
	static const char *const nothing[] = { NULL };
	const char *const alone[] = { path, NULL };
	char found[PATH_MAX];
	struct process_program program = {
		.argv = argv ? argv : alone, .envp = envp ? envp : nothing, .find = program_open, .ctx = c,
	};
	bool whole = strchr(path, '/') || !locate_program(NULL, path, found, NULL);
	enum pw_err err = program_open(c, whole ? path : found, &program.file, why);
	return err ? err : process_exec_file(p, &program, ret, why);
}
