/* exec_stack.h - what a program finds on its stack when it begins: arguments, environment, and facts about itself.  Private to the
 * kernel room.
 *
 *      stack pointer -> argc | argv[0] ... NULL | envp[0] ... NULL | pairs (AT_*, value) ... AT_NULL, 0 |
 *                       16 random bytes | argument strings | environment strings | file name | a word of 0       <- top */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct exec_pair {
	uint64_t key, value;
};

struct exec_start {
	const char *file;              /* what AT_EXECFN points to */
	const char *const *argv, *const *envp; /* end with NULL */
	const struct exec_pair *pair;  /* without those that point to the stack itself, and without AT_NULL */
	unsigned n_pairs;
	uint8_t random[16];
	bool is_64;
	uint64_t top;                  /* one past the last byte; a multiple of 16 */
	uint64_t bytes_max;
};

/* *ret: the bytes from *ret_pointer up to top, to be freed with mem_free.
 * => PW_LIMIT: more than bytes_max, with why; PW_NOMEM */
must_use enum pw_err exec_stack_make(const struct exec_start *s, uint8_t **ret, uint64_t *ret_pointer, struct pw_why *why);
