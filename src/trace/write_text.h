/* write_text.h - a trace as lines of text, for other tools and for people. */
#pragma once
#include "trace.h"

/* format, what it keeps of a trace. */
#define TEXT_FORMAT_LIST(X) \
	X(lackey, "addresses and kinds, as valgrind's lackey prints them; every access is one byte") \
	X(din, "addresses and kinds, for the Dinero simulators") \
	X(course, "addresses, R or W; a fetch is an R") \
	X(pages, "page numbers of 4 KiB, nothing else") \
	X(csv, "process, thread, kind and address, under a heading")

/* Goes through the list; NULL at the end. */
const char *text_format_name(unsigned i);
const char *text_format_about(unsigned i);

/* What of the trace had no place in the format. */
struct text_lost {
	uint64_t events;
	bool threads, kinds;   /* several threads became one stream; kinds of access became one */
};

struct text_writer;
/* Creates or overwrites a file; "-" is standard output.  A file that could not be written whole is removed in the end.
 * => PW_NOTFOUND: there is no such format; otherwise as sink_open(). */
must_use enum pw_err text_writer_create(const char *path, const char *format, struct text_writer **ret, struct pw_why *why);
/* => PW_IO: the writer is dead, and says the same to every later call. */
must_use enum pw_err text_write_item(struct text_writer *w, const struct trace_item *item, struct pw_why *why);
/* Writes what is left, closes the file and frees the writer, also on error. */
must_use enum pw_err text_writer_finish(struct text_writer *w, struct pw_why *why);
/* Frees the writer; a regular file is removed. */
void text_writer_remove(struct text_writer *w);
struct text_lost text_writer_lost(const struct text_writer *w);
uint64_t text_writer_bytes(const struct text_writer *w);
