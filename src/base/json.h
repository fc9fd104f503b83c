/* json.h - writes JSON as it goes, without building a tree.
 *
 * Numbers are written exactly: integers in full, reals with the fewest digits that read back the same.  Strings may hold any
 * bytes: what is not UTF-8 is written as U+FFFD.  Nesting is tracked, so a missing comma cannot be written. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	unsigned depth;
	bool empty[32];   /* the object or array at this depth has no member yet */
	bool compact;     /* one line */
};

void json_init(struct json *j, FILE *out);
/* key is NULL inside arrays and at the top. */
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end(struct json *j);
void json_u64(struct json *j, const char *key, uint64_t v);
void json_i64(struct json *j, const char *key, int64_t v);
void json_real(struct json *j, const char *key, double v);
void json_bool(struct json *j, const char *key, bool v);
void json_string(struct json *j, const char *key, const char *v);
void json_hex(struct json *j, const char *key, uint64_t v); /* "0x..." */
void json_null(struct json *j, const char *key);
/* Ends the top value with a newline.  => PW_IO when anything could not be written. */
must_use enum pw_err json_finish(struct json *j);
