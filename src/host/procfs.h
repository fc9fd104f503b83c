/* procfs.h - the one door to what this computer says of itself: the files below /proc and /sys.
 *
 * A door has a root, "/" but for tests: a generated tree there gives the documented result of any kernel.  Nothing is ever written.
 * The errors of this room always mean the same, whichever file it was:
 *
 *     PW_UNSUPPORTED   absent: the thing it would be about is there, but this kernel has no such file
 *     PW_ACCESS        denied: it is there, and not for us
 *     PW_NOTFOUND      gone: no such process, or it ended while we read
 *     PW_IO            anything else */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procfs;

/* root NULL: $PAGEWORKS_HOST_ROOT, else "/".  => procfs_close releases *ret. */
must_use enum pw_err procfs_open(const char *root, struct procfs **ret, struct pw_why *why);
void procfs_close(struct procfs *p);
/* The root as given, "/" when it is this computer: for messages, and to know that figures are somebody else's. */
const char *procfs_root(const struct procfs *p);
bool procfs_is_this_computer(const struct procfs *p);

/* Reads a file whole, path without a slash before it: "proc/meminfo".  => *ret_text is followed by a NUL, belongs to the door and
 * holds until its next read. */
must_use enum pw_err procfs_read(struct procfs *p, const char *path, const char **ret_text, size_t *ret_bytes, struct pw_why *why);
/* The same of proc/PID/name; pid 0 is ourselves. */
must_use enum pw_err procfs_read_pid(struct procfs *p, uint32_t pid, const char *name, const char **ret_text, size_t *ret_bytes,
				     struct pw_why *why);
/* What a symbolic link of a process names: "exe", "cwd". */
must_use enum pw_err procfs_link_pid(struct procfs *p, uint32_t pid, const char *name, const char **ret_text, struct pw_why *why);
/* Opens a file or folder for reading, for those who map or seek: pagemap.  => *ret_fd is the caller's to close. */
must_use enum pw_err procfs_open_pid(struct procfs *p, uint32_t pid, const char *name, int *ret_fd, struct pw_why *why);
/* Who owns proc/PID: the user whose process it is. */
must_use enum pw_err procfs_owner(struct procfs *p, uint32_t pid, uid_t *ret, struct pw_why *why);
/* The names in a folder, sorted, without "." and "..".  => mem_free releases *ret, names and all. */
must_use enum pw_err procfs_list(struct procfs *p, const char *path, const char ***ret, uint32_t *ret_n, struct pw_why *why);
/* Every process there is, ascending.  => mem_free releases *ret. */
must_use enum pw_err procfs_pids(struct procfs *p, uint32_t **ret, uint32_t *ret_n, struct pw_why *why);
