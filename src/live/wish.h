/* wish.h - the words that the control socket of a paged program understands, one line each.
 *
 * A connection is one line and its answer: a client writes a word and a newline, reads until the end, and has its answer.  One that
 * begins with WISH_REFUSED is a refusal and says why; otherwise it is what was asked for, or nothing where nothing was. */
#pragma once
#include "../base/err.h"
#include <stdint.h>

#define WISH_REFUSED "error: "
enum { WISH_LINE = 128 };
#define WISH_RAM_LEAST (1u << 20) /* what --ram takes, too */

/* name, whether it takes "=SIZE", what it does. */
#define WISH_LIST(X) \
	X(status, false, "the result object so far, as one line of JSON") \
	X(report, false, "the report so far, for people")                  \
	X(ram, true, "how much is resident at most from now on")
enum wish_kind {
#define X(name, sized, text) WISH_##name,
	WISH_LIST(X)
#undef X
	WISH_KINDS
};

struct wish {
	enum wish_kind kind;
	uint64_t bytes;        /* of what takes a size */
};

/* line: without its newline.  => PW_INVALID with why */
must_use enum pw_err wish_parse(const char *line, struct wish *ret, struct pw_why *why);
