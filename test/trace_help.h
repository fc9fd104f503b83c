/* trace_help.h - what the tests of traces share: temporary files, packed bytes, whole streams in memory.
 *
 * Failures end the test through cmocka; tests that use temp_file() have temp_begin and temp_end as their group's fixtures. */
#pragma once
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/trace/trace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

int temp_begin(void **state); /* a folder of its own */
int temp_end(void **state);   /* removed with all that is in it */
/* => the path, to be freed; each call makes another file. */
char *temp_file(const void *bytes, size_t n);
char *temp_path(void);        /* a name for a new file */
uint8_t *file_read(const char *path, size_t *ret_n);

enum pack { PACK_NONE, PACK_GZIP, PACK_XZ, PACK_ZSTD };
uint8_t *bytes_pack(enum pack how, const uint8_t *bytes, size_t n, size_t *ret_n);

/* A trace as a whole: all references with their threads, and all events with the references before them. */
struct stream_event {
	uint64_t after;          /* references before it */
	uint32_t pid, tid;
	struct trace_event event; /* its name is a copy */
};
struct stream {
	ref_t *refs;
	uint32_t *pid, *tid;
	uint64_t n_refs, room;
	struct stream_event *events;
	uint64_t n_events;
};
struct trace *open_or_fail(const char *name);
struct stream stream_read(struct trace *t);
void stream_add(struct stream *s, const struct trace_item *item);
void stream_free(struct stream *s);
bool stream_differs(const struct stream *a, const struct stream *b);
/* "1.1 L 1000" a line: pid, tid, kind, address. */
char *stream_text(struct trace *t);
/* Opens and reads with the k-th operation of a site failing, for every k: an error or the whole stream, nothing between, no leak. */
void stream_sweep(const char *name, enum inject_site site, enum pw_err expected);
