/* computer_origin.h - files of this computer here that become files of a simulated one.  Private to computer*.c. */
#pragma once
#include "../base/err.h"
#include <stdint.h>

/* What tells one state of a file from another. */
struct computer_origin {
	uint64_t device, inode, bytes, changed_s, changed_ns;
};

/* => PW_NOTFOUND, PW_ACCESS, PW_IO, PW_INVALID with why; otherwise *ret_fd is the caller's to close */
must_use enum pw_err origin_open(const char *path, struct computer_origin *ret, int *ret_fd, struct pw_why *why);
/* All of its bytes, the caller's to free; the file is closed in any case.  => PW_IO, PW_NOMEM with why */
must_use enum pw_err origin_read(const char *path, int fd, const struct computer_origin *o, uint8_t **ret, struct pw_why *why);
