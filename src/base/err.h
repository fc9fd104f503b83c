/* err.h - what can go wrong, as one list.
 *
 * A fault is a value the machine returns; an error is one of these; a bug is an assert.  Memory and I/O fail as errors, never
 * as asserts.  A call that returns a pw_err has changed nothing when it fails, unless its comment says exactly what. */
#pragma once
#include <stddef.h>

#define PW_ERR_LIST(X) \
	X(OK, "success") \
	X(NOMEM, "out of host memory") \
	X(NOFRAMES, "out of simulated memory") \
	X(NOSPACE, "no space left in the store or address space") \
	X(IO, "input/output error") \
	X(INVALID, "invalid argument") \
	X(NOTMAPPED, "address is not mapped") \
	X(ACCESS, "access is not permitted") \
	X(EXISTS, "already exists") \
	X(NOTFOUND, "not found") \
	X(FORMAT, "malformed input") \
	X(TRUNCATED, "input ends in the middle of a record") \
	X(UNSUPPORTED, "not supported") \
	X(CORRUPT, "checksum does not match") \
	X(CHILD, "the program could not be started") \
	X(BUSY, "in use") \
	X(LIMIT, "a limit was reached")

enum pw_err {
#define X(name, text) PW_##name,
	PW_ERR_LIST(X)
#undef X
	PW_ERR_COUNT
};

#define must_use __attribute__((warn_unused_result))

/* The sentence of an error: static, never NULL. */
const char *pw_err_text(enum pw_err err);

/* The one clear line that explains an error to a person: what, where, and what would be right.  A callee fills it, the caller
 * prints it; both may keep it in automatic storage.  An empty text means nobody explained. */
struct pw_why {
	char text[480];
};

/* => why may be NULL.  Returns err, so that "return pw_fail(why, PW_IO, ...)" is the usual form. */
enum pw_err pw_fail(struct pw_why *why, enum pw_err err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
