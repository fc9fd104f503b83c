/* input.h - the bytes of a trace, from a file or a pipe, unpacked on the way.
 *
 * gzip, xz and zstd are recognised by their first bytes, whatever the name says; several members one after the other are one
 * stream, as their own tools read them.  Whoever reads looks at bytes in place and says how many are done with. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input;

/* Opens a file, or "-" for standard input.  => on error *ret is NULL and why explains. */
must_use enum pw_err input_open(const char *name, struct input **ret, struct pw_why *why);
void input_close(struct input *in);

/* The bytes that come next, at least want of them unless the input ends before: *ret_n says how many there are.
 * => valid until the next peek; fewer than want means the end or an error, and input_error() knows which. */
const uint8_t *input_peek(struct input *in, size_t want, size_t *ret_n);
/* => n is at most what the last peek gave. */
void input_skip(struct input *in, size_t n);

/* => PW_OK; PW_TRUNCATED: the packed data ends early; PW_FORMAT, PW_IO, PW_NOMEM.  All bytes before it can still be peeked. */
enum pw_err input_error(const struct input *in, struct pw_why *why);

must_use enum pw_err input_rewind(struct input *in, struct pw_why *why); /* PW_UNSUPPORTED for pipes */
/* Goes to an offset of a plain file.  => PW_UNSUPPORTED for pipes and packed files, and nothing has changed. */
must_use enum pw_err input_seek(struct input *in, uint64_t offset, struct pw_why *why);
const char *input_name(const struct input *in);    /* "standard input" for "-"; lives as long as the input */
const char *input_packing(const struct input *in); /* "plain", "gzip", "xz" or "zstd" */
bool input_is_file(const struct input *in, const char *path); /* the very file that has this name now */
uint64_t input_file_bytes(const struct input *in); /* of the file as it lies there, from where we got it; 0: unknown */
uint64_t input_offset(const struct input *in);     /* unpacked bytes skipped so far */
double input_progress(const struct input *in);     /* 0..1 of the file read; negative when its size is unknown */
/* The last n bytes of the file, when it is a plain one in which one can seek; otherwise false. */
bool input_tail(const struct input *in, void *ret, size_t n);
