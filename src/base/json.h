/* json.h - writes JSON as it goes, without building a tree.
 *
 * Numbers are written exactly: integers in full, reals with the fewest digits that read back the same.  Strings may hold any
 * bytes: what is not UTF-8 is written as U+FFFD.  Nesting is tracked, so a missing comma cannot be written.
 *
 * The names say jsonw (writer) because the reader the project uses, jansson, owns json_object and its like in any program that
 * links both. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct jsonw {
	FILE *out;
	unsigned depth;
	bool empty[32];   /* the object or array at this depth has no member yet */
	bool array[32];   /* it is an array */
	bool compact;     /* one line */
};

void jsonw_init(struct jsonw *j, FILE *out);
/* key is NULL inside arrays and at the top. */
void jsonw_object(struct jsonw *j, const char *key);
void jsonw_array(struct jsonw *j, const char *key);
void jsonw_end(struct jsonw *j);
void jsonw_u64(struct jsonw *j, const char *key, uint64_t v);
void jsonw_i64(struct jsonw *j, const char *key, int64_t v);
void jsonw_real(struct jsonw *j, const char *key, double v);
void jsonw_bool(struct jsonw *j, const char *key, bool v);
void jsonw_string(struct jsonw *j, const char *key, const char *v);
void jsonw_hex(struct jsonw *j, const char *key, uint64_t v); /* "0x..." */
void jsonw_null(struct jsonw *j, const char *key);
/* Ends the top value with a newline.  => PW_IO when anything could not be written. */
must_use enum pw_err jsonw_finish(struct jsonw *j);
