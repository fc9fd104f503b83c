/* trace.h - a stream of references and events, wherever it comes from.
 *
 * Files (any format, plain or compressed, sniffed by content), pipes, generators and running programs are all one type, so
 * whatever reads a trace reads them all.  The stream comes as items: a batch of references made by one thread, or one event.
 * Batches keep dispatch off the per-reference path, and are handed out without copying. */
#pragma once
#include "../base/err.h"
#include "../machine/access.h"
#include "event.h"

struct trace;

enum trace_item_kind {
	TRACE_ITEM_END,   /* nothing more comes: the end, or trace_error() says why not */
	TRACE_ITEM_REFS,
	TRACE_ITEM_EVENT,
};

struct trace_item {
	enum trace_item_kind kind;
	uint32_t pid, tid;
	const ref_t *refs;         /* REFS: valid until the next trace_next() */
	uint64_t n_refs;
	struct trace_event event;  /* EVENT */
};

struct trace_info {
	const char *format;    /* "pwt", "lackey", "din", ..., "zipf", "qemu": static */
	const char *source;    /* file name, spec string or command line: lives as long as the trace */
	uint64_t records;      /* read so far */
	uint64_t rejected;     /* records that were skipped because they made no sense, so far */
	uint64_t rejected_at;  /* line, record or offset of the first of them (see rejected_unit) */
	uint64_t refs_total;   /* references in the whole trace when known in advance, else 0 */
	double progress;       /* 0..1 of the input consumed; negative when unknown */
	unsigned granule_shift;/* addresses are exact to 2^granule_shift bytes: 0 = every bit, 12 = the 4 KiB page */
	const char *packing;   /* "plain", "gzip", "xz", "zstd"; NULL: neither file nor pipe */
	uint64_t file_bytes;   /* size of the file as it lies on disk; 0: unknown */
	uint64_t bytes;        /* of it consumed so far, unpacked */
	bool guessed;          /* the format has no mark of its own: its records look plausible, that is all */
	bool has_events;       /* mappings are in the stream; otherwise every address counts as mapped */
};

/* Opens a file name, "-" (standard input), a generator spec such as "zipf:pages=1M,s=1.0,refs=50M,seed=7", or a file whose format
 * is said instead of guessed: "champsim:FILE", "csv:FILE,address=2,op=3".
 * => on error *ret is NULL and why explains. */
must_use enum pw_err trace_open(const char *spec, struct trace **ret, struct pw_why *why);

/* Gives the next item.  After TRACE_ITEM_END it keeps giving TRACE_ITEM_END. */
void trace_next(struct trace *t, struct trace_item *ret);

/* Why the stream ended: PW_OK at a proper end.  Truncated input gives every whole record first, then PW_TRUNCATED. */
enum pw_err trace_error(const struct trace *t, struct pw_why *why);

/* The same stream again from its start, reference for reference.
 * => PW_UNSUPPORTED for pipes and running programs. */
must_use enum pw_err trace_rewind(struct trace *t, struct pw_why *why);

struct trace_info trace_describe(const struct trace *t);
/* Of that part of the trace which a process is from, where it has parts; has_events then is true of that process. */
struct trace_info trace_describe_process(const struct trace *t, uint32_t pid);
/* Does the trace come from the file that has this name now?  Whoever overwrites files asks first. */
bool trace_reads(const struct trace *t, const char *path);
void trace_close(struct trace *t);

/* For those who make traces (readers, generators, capture): a trace is this struct followed by private state. */
struct input;
struct trace_ops {
	const char *format;
	void (*next)(struct trace *t, struct trace_item *ret);
	enum pw_err (*rewind)(struct trace *t, struct pw_why *why); /* NULL: cannot */
	void (*close)(struct trace *t);                             /* frees t itself */
	struct trace_info (*of_process)(const struct trace *t, uint32_t pid); /* NULL: all processes are alike */
};
struct trace {
	const struct trace_ops *ops;
	const struct input *input; /* the bytes it is read from; NULL: none */
	struct trace_info info;
	enum pw_err error;
	struct pw_why why;
};
