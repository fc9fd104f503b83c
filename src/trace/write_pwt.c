/* write_pwt.c - writes .pwt, front to back, frame by frame.
 *
 * Problem: a recording must keep up with the program, survive a full disk with what it has, and end in a file that says it is
 * whole.
 * Idea: references are coded as they come, straight into the frame being filled; when it is full its three parts are packed,
 * and it goes out with one write.
 *
 *      frame header | control | codes | escapes      each part packed by itself: they have little in common
 *
 * 1. What has been written is a header and whole frames, except after a failure that could not be undone (a pipe).
 * 2. After the first failure nothing more is written, and every call repeats what went wrong.
 * 3. A frame is flushed before it could exceed a limit a reader checks.
 * Rejected: a temporary name renamed at the end (the file would vanish with a crash, and a pipe has no name). */
#include "pwt.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include "pwt_code.h"
#include "sink.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frame headers are written as they lie in memory");

enum {
	LEVEL = 1,
	EVENT_BYTES = 16 * 10,   /* of an event without its name */
	NAME_MAX_BYTES = 64 << 10,
};

struct pwt_writer {
	struct sink *sink;       /* keeps the first failure */
	uint64_t refs;           /* taken */
	bool ended;              /* the index is written */
	ZSTD_CCtx *zstd;
	struct pwt_encoder encoder;
	unsigned granule_shift;

	/* The frame being filled. */
	uint64_t first_ref;
	uint32_t n;              /* references in it */
	uint64_t run;            /* references of the current run not yet in the control part */
	uint32_t pid, tid;       /* of that run */
	bool any_run, thread_said;
	uint8_t *control, *control_end, *code, *escape, *escape_end;
	uint8_t *packed;
	size_t packed_size;

	/* The index: for each frame two numbers, bytes and references. */
	uint8_t *index;
	size_t index_bytes, index_size;
	uint64_t frames;
};

uint64_t pwt_sum(const void *head, size_t head_bytes, const void *body, size_t body_bytes)
{
	return XXH64(body, body_bytes, XXH64(head, head_bytes, 0));
}

static enum pw_err failed(const struct pwt_writer *w)
{
	return sink_error(w->sink, NULL);
}

static enum pw_err fail(struct pwt_writer *w, enum pw_err err, const char *what)
{
	return sink_fail(w->sink, err, what);
}

static enum pw_err pack(struct pwt_writer *w, const uint8_t *plain, size_t n, size_t *at, struct pwt_part *ret)
{
	*ret = (struct pwt_part){ 0 };
	if (!n)
		return PW_OK;
	size_t got = ZSTD_compressCCtx(w->zstd, w->packed + *at, w->packed_size - *at, plain, n, LEVEL);
	if (ZSTD_isError(got))
		return fail(w, PW_NOMEM, "out of memory while packing");
	if (got >= n) {
		memcpy(w->packed + *at, plain, n);
		got = n;
	}
	*ret = (struct pwt_part){ .plain_bytes = (uint32_t)n, .packed_bytes = (uint32_t)got };
	*at += got;
	return PW_OK;
}

/* Packs three parts and writes them as a frame. */
static enum pw_err put_frame(struct pwt_writer *w, uint32_t kind, const uint8_t *const plain[], const size_t bytes[])
{
	struct pwt_frame f = { .magic = PWT_FRAME_MAGIC, .kind = kind, .first_ref = w->first_ref };
	size_t at = sizeof f;
	for (int i = 0; i < PWT_PARTS; i++) {
		if (pack(w, plain[i], bytes[i], &at, &f.part[i]))
			return failed(w);
	}
	f.checksum = pwt_sum(&f, offsetof(struct pwt_frame, checksum), w->packed + sizeof f, at - sizeof f);
	memcpy(w->packed, &f, sizeof f);
	return sink_put(w->sink, w->packed, at);
}

static void frame_start(struct pwt_writer *w)
{
	w->first_ref = w->refs;
	w->n = 0;
	w->run = 0;
	w->thread_said = false;
	w->control_end = w->control;
	w->escape_end = w->escape;
	pwt_encoder_start(&w->encoder, w->granule_shift);
}

/* Puts the references counted so far into the control part. */
static void run_end(struct pwt_writer *w)
{
	if (!w->run)
		return;
	uint8_t *p = w->control_end;
	*p++ = w->thread_said ? PWT_ITEM_RUN : PWT_ITEM_THREAD;
	if (!w->thread_said) {
		p = varint_put(p, w->pid);
		p = varint_put(p, w->tid);
	}
	w->control_end = varint_put(p, w->run);
	w->thread_said = true;
	w->run = 0;
}

static enum pw_err index_add(struct pwt_writer *w, uint64_t bytes, uint64_t refs)
{
	if (w->index_bytes + 2 * PWT_ESCAPE_BYTES > w->index_size) {
		uint8_t *bigger = mem_realloc(w->index, w->index_size * 2 + 4096, 1);
		if (!bigger)
			return fail(w, PW_NOMEM, "out of memory for the index");
		w->index = bigger;
		w->index_size = w->index_size * 2 + 4096;
	}
	uint8_t *p = varint_put(w->index + w->index_bytes, bytes);
	w->index_bytes = (size_t)(varint_put(p, refs) - w->index);
	w->frames++;
	return PW_OK;
}

static enum pw_err frame_flush(struct pwt_writer *w)
{
	run_end(w);
	if (w->control_end == w->control)
		return PW_OK;
	const uint8_t *const plain[] = { w->control, w->code, w->escape };
	const size_t bytes[] = { (size_t)(w->control_end - w->control), w->n, (size_t)(w->escape_end - w->escape) };
	uint64_t before = sink_bytes(w->sink);
	if (put_frame(w, PWT_FRAME_DATA, plain, bytes) || index_add(w, sink_bytes(w->sink) - before, w->n))
		return failed(w);
	frame_start(w);
	return PW_OK;
}

/* Makes room for an item in the control part. */
static enum pw_err control_room(struct pwt_writer *w, size_t n)
{
	size_t used = (size_t)(w->control_end - w->control);
	return used + n + 2 * EVENT_BYTES > PWT_CONTROL_MAX ? frame_flush(w) : PW_OK;
}

static enum pw_err put_refs(struct pwt_writer *w, const struct trace_item *item)
{
	if (w->pid != item->pid || w->tid != item->tid || !w->any_run) {
		run_end(w);
		w->thread_said = false;
		w->any_run = true;
		w->pid = item->pid;
		w->tid = item->tid;
		if (control_room(w, EVENT_BYTES))
			return failed(w);
	}
	for (uint64_t i = 0; i < item->n_refs;) {
		uint64_t left = item->n_refs - i, room = PWT_FRAME_REFS - w->n;
		size_t n = left < room ? left : room;
		pwt_encode(&w->encoder, item->refs + i, n, w->code + w->n, &w->escape_end);
		w->n += (uint32_t)n;
		w->run += n;
		w->refs += n;
		i += n;
		if (w->n == PWT_FRAME_REFS && frame_flush(w))
			return failed(w);
	}
	return PW_OK;
}

static enum pw_err put_event(struct pwt_writer *w, const struct trace_item *item)
{
	const struct trace_event *e = &item->event;
	const char *name = e->name ? e->name : "";
	size_t length = strnlen(name, NAME_MAX_BYTES);
	run_end(w);
	if (control_room(w, EVENT_BYTES + length))
		return failed(w);
	const uint64_t member[] = { item->pid, item->tid, e->prot, e->flags, e->other, e->start.v, e->to.v, e->bytes, e->to_bytes,
		e->offset, e->count, e->file_id, e->file_bytes, length };
	uint8_t *p = varint_put(w->control_end, PWT_ITEM_EVENT + e->kind);
	for (unsigned i = 0; i < sizeof member / sizeof *member; i++)
		p = varint_put(p, member[i]);
	w->control_end = mempcpy(p, name, length);
	return PW_OK;
}

enum pw_err pwt_write_item(struct pwt_writer *w, const struct trace_item *item, struct pw_why *why)
{
	enum pw_err err = sink_error(w->sink, why);
	if (!err && item->kind == TRACE_ITEM_REFS)
		err = put_refs(w, item);
	else if (!err && item->kind == TRACE_ITEM_EVENT)
		err = put_event(w, item);
	return err ? sink_error(w->sink, why) : PW_OK;
}

/* "key=value" and its zero byte, behind *at. */
static void text_add(char *text, size_t *at, const char *key, const char *value)
{
	if (value)
		*at += (size_t)snprintf(text + *at, PWT_TEXT_MAX - *at, "%s=%s", key, value) + 1;
	if (*at > PWT_TEXT_MAX)
		*at = PWT_TEXT_MAX;
}

static enum pw_err put_header(struct pwt_writer *w, const struct pwt_options *o)
{
	char *text = mem_alloc(PWT_TEXT_MAX), seed[24];
	if (!text)
		return fail(w, PW_NOMEM, "out of memory while creating");
	size_t at = 0;
	snprintf(seed, sizeof seed, "%" PRIu64, o->seed);
	text_add(text, &at, "version", PW_VERSION);
	text_add(text, &at, "seed", seed);
	text_add(text, &at, "machine", o->machine);
	text_add(text, &at, "command", o->command);
	struct pwt_header h = {
		.version = PWT_VERSION, .granule_shift = (uint8_t)o->granule_shift, .flags = o->has_events ? PWT_FLAG_EVENTS : 0,
		.text_bytes = (uint32_t)at,
	};
	memcpy(h.magic, PWT_MAGIC, PWT_MAGIC_BYTES);
	h.sum = pwt_sum(&h, offsetof(struct pwt_header, sum), text, at);
	if (!sink_put(w->sink, &h, sizeof h))
		sink_put(w->sink, text, at);
	mem_free(text);
	return failed(w);
}

/* => false: out of memory. */
static bool writer_init(struct pwt_writer *w, const struct pwt_options *o)
{
	w->packed_size = sizeof(struct pwt_frame) + ZSTD_compressBound(PWT_CONTROL_MAX) + ZSTD_compressBound(PWT_FRAME_REFS) +
	                 ZSTD_compressBound(PWT_FRAME_REFS * PWT_ESCAPE_BYTES);
	w->control = mem_alloc(PWT_CONTROL_MAX);
	w->code = mem_alloc(PWT_FRAME_REFS);
	w->escape = mem_alloc(PWT_FRAME_REFS * PWT_ESCAPE_BYTES);
	w->packed = mem_alloc(w->packed_size);
	w->zstd = inject(INJECT_ALLOC) ? NULL : ZSTD_createCCtx();
	w->granule_shift = o->granule_shift;
	frame_start(w);
	return w->control && w->code && w->escape && w->packed && w->zstd;
}

enum pw_err pwt_writer_create(const char *path, const struct pwt_options *options, struct pwt_writer **ret, struct pw_why *why)
{
	*ret = NULL;
	if (options->granule_shift > 30)
		return pw_fail(why, PW_INVALID, "%s: granules of 2^%u bytes are too large", path, options->granule_shift);
	struct pwt_writer *w = mem_zalloc(1, sizeof *w);
	if (!w)
		return pw_fail(why, PW_NOMEM, "%s: out of memory while creating", path);
	/* The memory first: without it an old file of this name is not touched. */
	enum pw_err err = writer_init(w, options) ? sink_open(path, options->whole, &w->sink, why)
	                                          : pw_fail(why, PW_NOMEM, "%s: out of memory while creating", path);
	if (!err && put_header(w, options))
		err = sink_error(w->sink, why);
	if (err) {
		pwt_writer_remove(w);
		return err;
	}
	*ret = w;
	return PW_OK;
}

/* The index frame, and behind it what lets a reader find it from the end. */
static enum pw_err put_index(struct pwt_writer *w)
{
	struct pwt_trailer trailer = { .index_at = sink_bytes(w->sink), .refs = w->refs };
	const uint8_t *const plain[] = { w->index, w->code, w->escape };
	const size_t bytes[] = { w->index_bytes, 0, 0 };
	size_t need = sizeof(struct pwt_frame) + ZSTD_compressBound(w->index_bytes) + 2 * ZSTD_compressBound(0);
	if (need > w->packed_size) {
		uint8_t *bigger = mem_realloc(w->packed, need, 1);
		if (!bigger)
			return fail(w, PW_NOMEM, "out of memory for the index");
		w->packed = bigger;
		w->packed_size = need;
	}
	trailer.sum = pwt_sum(&trailer, offsetof(struct pwt_trailer, sum), NULL, 0);
	memcpy(trailer.magic, PWT_END_MAGIC, PWT_MAGIC_BYTES);
	if (put_frame(w, PWT_FRAME_INDEX, plain, bytes))
		return failed(w);
	return sink_put(w->sink, &trailer, sizeof trailer);
}

static void writer_free(struct pwt_writer *w)
{
	ZSTD_freeCCtx(w->zstd);
	mem_free(w->index);
	mem_free(w->packed);
	mem_free(w->escape);
	mem_free(w->code);
	mem_free(w->control);
	mem_free(w);
}

enum pw_err pwt_writer_end(struct pwt_writer *w, struct pw_why *why)
{
	if (!w->ended && !failed(w) && !frame_flush(w))
		put_index(w);
	w->ended = true;
	return sink_error(w->sink, why);
}

enum pw_err pwt_writer_finish(struct pwt_writer *w, struct pw_why *why)
{
	enum pw_err err = pwt_writer_end(w, why), close_err = sink_close(w->sink, err ? NULL : why);
	writer_free(w);
	return err ? err : close_err;
}

void pwt_writer_abandon(struct pwt_writer *w)
{
	sink_close(w->sink, NULL);
	writer_free(w);
}

void pwt_writer_remove(struct pwt_writer *w)
{
	if (w->sink)
		sink_remove(w->sink);
	writer_free(w);
}

uint64_t pwt_writer_refs(const struct pwt_writer *w)
{
	return w->refs;
}

uint64_t pwt_writer_bytes(const struct pwt_writer *w)
{
	return sink_bytes(w->sink);
}

enum pw_err trace_copy(struct trace *from, struct pwt_writer *to, uint64_t limit, struct pw_why *why)
{
	struct trace_item item;
	uint64_t stop_at = limit ? to->refs + limit : UINT64_MAX;
	for (trace_next(from, &item); item.kind != TRACE_ITEM_END && to->refs < stop_at; trace_next(from, &item)) {
		if (item.n_refs > stop_at - to->refs)
			item.n_refs = stop_at - to->refs;
		if (pwt_write_item(to, &item, why))
			return failed(to);
	}
	return trace_error(from, why);
}
