/* pwt.h - .pwt, the native trace format: how it is laid out, and how it is written.
 *
 * A file is a header and frames.  A frame stands for itself (its dictionary starts empty), carries its own checksum, and holds
 * some hundred thousand references together with the events between them, so a file cut off anywhere gives every whole frame
 * before the cut, and a reader can start at any frame.  The last frame is the index; a file without it was not finished.
 * It is written front to back, so a pipe will do.  man/pageworks-trace.5 has every byte. */
#pragma once
#include "trace.h"
#include <stddef.h>

#define PWT_MAGIC "\x89PWT\r\n\x1a\n"      /* a text-mode transfer damages it */
#define PWT_END_MAGIC "PWT.end\n"

enum {
	PWT_VERSION = 1,
	PWT_MAGIC_BYTES = 8,
	PWT_HEADER_BYTES = 24,                 /* followed by the texts */
	PWT_TEXT_MAX = 1 << 20,
	PWT_FLAG_EVENTS = 1,                   /* in the header: mappings are in the stream */
	PWT_FRAME_MAGIC = 0x46545750,          /* "PWTF" */
	PWT_FRAME_BYTES = 48,
	PWT_FRAME_DATA = 1,
	PWT_FRAME_INDEX = 2,
	PWT_FRAME_REFS = 1 << 18,              /* the writer fills frames so far */
	PWT_FRAME_REFS_MAX = 1 << 20,          /* a reader takes no larger ones */
	PWT_CONTROL_MAX = 4 << 20,
	PWT_TRAILER_BYTES = 32,
};

/* All of these are in the file as they lie in memory, little-endian. */
struct pwt_header {
	char magic[PWT_MAGIC_BYTES];
	uint16_t version;
	uint8_t granule_shift, flags;
	uint32_t text_bytes;                   /* "key=value" and a zero byte, repeated, follow */
	uint64_t sum;                          /* pwt_sum of the header up to here and the texts */
};

/* One packed part of a frame; packed_bytes == plain_bytes means that it is stored as it is. */
struct pwt_part {
	uint32_t plain_bytes, packed_bytes;
};
enum { PWT_CONTROL, PWT_CODES, PWT_ESCAPES, PWT_PARTS };

/* A frame's header.  The parts follow, packed, in the order of the enum. */
struct pwt_frame {
	uint32_t magic, kind;
	struct pwt_part part[PWT_PARTS];       /* codes: one plain byte a reference */
	uint64_t first_ref;                    /* references in the frames before this one */
	uint64_t checksum;                     /* pwt_sum of the header up to here and of the packed parts */
};

/* The end of a finished file: lets a reader that can seek find the index frame. */
struct pwt_trailer {
	uint64_t index_at, refs, sum;          /* offset of the index frame; references in all; pwt_sum of the two */
	char magic[PWT_MAGIC_BYTES];           /* PWT_END_MAGIC */
};
_Static_assert(sizeof(struct pwt_header) == PWT_HEADER_BYTES, "the header has no padding");
_Static_assert(sizeof(struct pwt_frame) == PWT_FRAME_BYTES, "the frame header has no padding");
_Static_assert(sizeof(struct pwt_trailer) == PWT_TRAILER_BYTES, "the trailer has no padding");

/* The checksum of a head and a body: XXH64 of the body, seeded with XXH64 of the head (seed 0). */
uint64_t pwt_sum(const void *head, size_t head_bytes, const void *body, size_t body_bytes);

/* The control part is a sequence of items, in numbers of seven bits a byte, lowest first (LEB128). */
enum {
	PWT_ITEM_RUN = 0,      /* count: references of the same thread as the run before */
	PWT_ITEM_THREAD = 1,   /* pid, tid, count: references of this thread */
	PWT_ITEM_EVENT = 2,    /* 2 + the number of the event's kind: pid, tid, the members, length and bytes of the name */
};

struct pwt_options {
	unsigned granule_shift;     /* of the trace: the bits below are not stored */
	bool has_events;
	const char *command, *machine; /* for the header; NULL: not said */
	uint64_t seed;
	bool whole;                 /* a file that could not be finished is removed, instead of keeping its frames */
};
struct pwt_writer;

/* Creates or overwrites a file; "-" is standard output.  => on error *ret is NULL and why explains. */
must_use enum pw_err pwt_writer_create(const char *path, const struct pwt_options *options, struct pwt_writer **ret,
                                       struct pw_why *why);
/* Takes a batch of references or an event (END is ignored).
 * => PW_IO (disk full, closed pipe), PW_NOMEM: the writer is dead, and says the same to every later call.  A file keeps the
 * frames that were written whole, and can be read up to there. */
must_use enum pw_err pwt_write_item(struct pwt_writer *w, const struct trace_item *item, struct pw_why *why);
/* Writes what is left and the index: nothing can be added any more, and pwt_writer_bytes() is the size of the file. */
must_use enum pw_err pwt_writer_end(struct pwt_writer *w, struct pw_why *why);
/* The same unless it was done, closes the file and frees the writer, also on error. */
must_use enum pw_err pwt_writer_finish(struct pwt_writer *w, struct pw_why *why);
/* Frees a writer without finishing its file. */
void pwt_writer_abandon(struct pwt_writer *w);
/* The same, and a regular file is removed. */
void pwt_writer_remove(struct pwt_writer *w);
uint64_t pwt_writer_refs(const struct pwt_writer *w);
uint64_t pwt_writer_bytes(const struct pwt_writer *w); /* written so far */

/* Copies a trace to its end (or limit references, 0: all) into a writer.
 * => the trace's error, or the writer's; what came before it has been written. */
must_use enum pw_err trace_copy(struct trace *from, struct pwt_writer *to, uint64_t limit, struct pw_why *why);

/* What the header of a .pwt says: "command", "machine", "seed", "version".  NULL: not a .pwt, or not said. */
const char *pwt_text(const struct trace *t, const char *key);
/* From now on references are only counted: each batch is a whole run of one thread, with refs NULL.  Events and checksums are as
 * always, and all of it costs little more than reading the file.  => false: it is not a .pwt, and nothing has changed. */
bool pwt_skim(struct trace *t);
/* What the end of a finished, plain file says of it, without reading the rest. */
struct pwt_outline {
	uint64_t refs, frames, index_bytes;
};
/* => PW_UNSUPPORTED, PW_CORRUPT as pwt_seek(); otherwise the trace stands at its beginning. */
must_use enum pw_err pwt_outline(struct trace *t, struct pwt_outline *ret, struct pw_why *why);
/* Goes to the first reference of the frame that holds reference ref, in a file that has an index.
 * => *ret_ref is the number of the reference that comes next: ref or less, or the total when there is no such reference;
 *    PW_UNSUPPORTED: not a finished, plain .pwt file; PW_CORRUPT: its index is damaged, and the trace has ended. */
must_use enum pw_err pwt_seek(struct trace *t, uint64_t ref, uint64_t *ret_ref, struct pw_why *why);
