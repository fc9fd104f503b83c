/* unpack.h - decompressors behind one narrow call, as a list. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unpack_kind;

struct unpack {
	const struct unpack_kind *kind;
	void *state;
	bool whole;          /* everything taken in so far is whole members: the input may end here */
	const uint8_t *in;   /* what to unpack, and how much of it is left */
	size_t in_n;
	uint8_t *out;        /* where to, and how much room is left */
	size_t out_n;
};

enum { UNPACK_MAGIC_BYTES = 6 }; /* enough of the beginning to tell the kinds apart */

/* => the kind that begins so; the last one, "plain", begins anyhow. */
const struct unpack_kind *unpack_kind_of(const uint8_t *first, size_t n);
const char *unpack_name(const struct unpack_kind *kind);

/* => PW_NOMEM and nothing is held. */
must_use enum pw_err unpack_start(struct unpack *u, const struct unpack_kind *kind);
void unpack_stop(struct unpack *u);
/* Goes on until in or out is used up.  last: nothing comes after in.  => PW_FORMAT: the data is damaged; PW_NOMEM. */
must_use enum pw_err unpack_step(struct unpack *u, bool last);
