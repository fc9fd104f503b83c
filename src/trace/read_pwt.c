/* read_pwt.c - reads .pwt (see pwt.h, and pageworks-trace(5) for every byte).
 *
 * Problem: decoding must cost less than simulating, and a damaged or cut-off file must give all that can be trusted and then
 * say where it ends.
 * Idea: a frame is taken whole: its checksum is verified before a byte of it is believed, its parts are unpacked, and the
 * control part is walked item by item.  References are decoded into a batch that stays in the first-level cache.
 *
 * 1. Nothing of a frame is given out unless its checksum is right; sizes are checked before memory is asked for.
 * 2. A trace without an index frame at its end is PW_TRUNCATED, after every whole frame was given.
 * 3. A file from a newer version, or with frames of an unknown kind, is refused with that reason, not called damaged.
 * Rejected: going on after a damaged frame (what is missing would change the meaning of what follows). */
#include "pwt.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include "pwt_code.h"
#include "reader.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

enum { BATCH = 4096, CODE_SLACK = 8 };

struct reader_state {
	struct trace trace;
	struct input *in;
	ZSTD_DCtx *zstd;
	char *text;                 /* of the header */
	size_t text_bytes;
	unsigned granule_shift;
	bool ended;                 /* the index frame has been read */
	bool skim;                  /* references are counted, not unpacked */
	uint64_t first_frame_at;    /* offset behind the header */
	uint64_t refs;              /* of the frames begun so far */

	uint8_t *plain[PWT_PARTS];
	size_t plain_size[PWT_PARTS];
	struct pwt_decoder decoder;
	const uint8_t *item, *item_end;
	const uint8_t *code, *code_end;
	uint64_t run;               /* references left of the current run */
	uint32_t pid, tid;
	char *name;                 /* of the last event; NULL before the first */
	ref_t batch[BATCH];
};

static enum pw_err fail_at(struct reader_state *r, enum pw_err err, const char *what)
{
	r->trace.error = pw_fail(&r->trace.why, err, "%s: %s at byte %" PRIu64 ", after %" PRIu64 " references", input_name(r->in),
	                         what, input_offset(r->in), r->trace.info.records);
	return err;
}

/* The next n bytes, or NULL: why not is in the trace's error. */
static const uint8_t *take(struct reader_state *r, size_t n)
{
	size_t got;
	const uint8_t *p = input_peek(r->in, n, &got);
	if (got >= n)
		return p;
	enum pw_err err = input_error(r->in, &r->trace.why);
	if (err)
		r->trace.error = err;
	else
		fail_at(r, PW_TRUNCATED, got ? "the file ends in the middle of a frame" : "the file ends without its end mark");
	return NULL;
}

static bool room_make(struct reader_state *r, int part, size_t bytes)
{
	if (bytes <= r->plain_size[part])
		return true;
	uint8_t *bigger = mem_realloc(r->plain[part], bytes, 1);
	if (!bigger) {
		fail_at(r, PW_NOMEM, "out of memory for a frame");
		return false;
	}
	r->plain[part] = bigger;
	r->plain_size[part] = bytes;
	return true;
}

static bool unpack_part(struct reader_state *r, int part, struct pwt_part size, const uint8_t *packed)
{
	if (!room_make(r, part, size.plain_bytes + CODE_SLACK))
		return false;
	size_t got = size.packed_bytes;
	if (r->skim && part != PWT_CONTROL)
		got = size.plain_bytes;
	else if (size.packed_bytes == size.plain_bytes)
		memcpy(r->plain[part], packed, got);
	else
		got = ZSTD_decompressDCtx(r->zstd, r->plain[part], size.plain_bytes, packed, size.packed_bytes);
	if (got == size.plain_bytes)
		return true;
	fail_at(r, PW_CORRUPT, "a frame cannot be unpacked");
	return false;
}

/* Whether the sizes in a frame's header are such as a writer makes. */
static bool frame_is_sane(const struct pwt_frame *f)
{
	const struct pwt_part *p = f->part;
	for (int i = 0; i < PWT_PARTS; i++) {
		if (p[i].packed_bytes > p[i].plain_bytes)
			return false;
	}
	return p[PWT_CONTROL].plain_bytes <= PWT_CONTROL_MAX && p[PWT_CODES].plain_bytes <= PWT_FRAME_REFS_MAX &&
	       p[PWT_ESCAPES].plain_bytes <= (uint64_t)p[PWT_CODES].plain_bytes * PWT_ESCAPE_BYTES;
}

/* Looks at the frame that comes next, whole, with its checksum verified.  => its bytes, or NULL. */
static const uint8_t *frame_take(struct reader_state *r, struct pwt_frame *ret, size_t *ret_bytes)
{
	const uint8_t *p = take(r, sizeof *ret);
	if (!p)
		return NULL;
	memcpy(ret, p, sizeof *ret);
	if (ret->magic != PWT_FRAME_MAGIC || !frame_is_sane(ret)) {
		fail_at(r, PW_CORRUPT, "what should be a frame is none");
		return NULL;
	}
	size_t body = (size_t)ret->part[PWT_CONTROL].packed_bytes + ret->part[PWT_CODES].packed_bytes +
	              ret->part[PWT_ESCAPES].packed_bytes;
	p = take(r, sizeof *ret + body);
	if (p && pwt_sum(ret, offsetof(struct pwt_frame, checksum), p + sizeof *ret, body) != ret->checksum) {
		fail_at(r, PW_CORRUPT, "the checksum of a frame does not match");
		return NULL;
	}
	*ret_bytes = sizeof *ret + body;
	return p;
}

static bool frame_unpack(struct reader_state *r, const struct pwt_frame *f, const uint8_t *packed)
{
	for (int i = 0; i < PWT_PARTS; i++) {
		if (!unpack_part(r, i, f->part[i], packed))
			return false;
		packed += f->part[i].packed_bytes;
	}
	r->item = r->plain[PWT_CONTROL];
	r->item_end = r->item + f->part[PWT_CONTROL].plain_bytes;
	r->code = r->plain[PWT_CODES];
	r->code_end = r->code + f->part[PWT_CODES].plain_bytes;
	pwt_decoder_start(&r->decoder, r->granule_shift, r->plain[PWT_ESCAPES], f->part[PWT_ESCAPES].plain_bytes);
	r->run = 0;
	r->pid = r->tid = 0;
	r->refs = f->first_ref + f->part[PWT_CODES].plain_bytes;
	return true;
}

static bool trailer_is_whole(const struct pwt_trailer *t)
{
	return !memcmp(t->magic, PWT_END_MAGIC, PWT_MAGIC_BYTES) && pwt_sum(t, offsetof(struct pwt_trailer, sum), NULL, 0) == t->sum;
}

/* Behind the index comes the trailer, and then nothing. */
static void end_check(struct reader_state *r, size_t index_bytes)
{
	struct pwt_trailer trailer;
	size_t want = index_bytes + sizeof trailer, got;
	const uint8_t *p = input_peek(r->in, want + 1, &got);
	if (got > want) {
		fail_at(r, PW_FORMAT, "something follows the end of the trace that begins");
		return;
	}
	/* Looking for more may have met an error of the file or of what it is packed in. */
	r->trace.error = input_error(r->in, &r->trace.why);
	if (r->trace.error || (got < want && !take(r, want)))
		return;
	memcpy(&trailer, p + index_bytes, sizeof trailer);
	if (trailer_is_whole(&trailer) && trailer.refs == r->refs)
		r->ended = true;
	else
		fail_at(r, PW_CORRUPT, "the end mark is damaged, behind the index");
}

/* Gets the next frame ready.  => false: there is none, for a good or a bad reason. */
static bool frame_next(struct reader_state *r)
{
	struct pwt_frame f;
	size_t bytes;
	const uint8_t *p = r->ended ? NULL : frame_take(r, &f, &bytes);
	if (!p)
		return false;
	if (f.first_ref != r->refs)
		fail_at(r, PW_CORRUPT, "a frame is missing or out of order");
	else if (f.kind == PWT_FRAME_INDEX)
		end_check(r, bytes);
	else if (f.kind != PWT_FRAME_DATA)
		fail_at(r, PW_UNSUPPORTED, "a frame is of a kind that this version does not know");
	if (r->ended || r->trace.error)
		return false;
	bool good = frame_unpack(r, &f, p + sizeof f);
	input_skip(r->in, good ? bytes : 0);
	return good;
}

static bool get(struct reader_state *r, uint64_t *ret)
{
	const uint8_t *p = varint_get(r->item, r->item_end, ret);
	r->item = p ? p : r->item_end;
	return p != NULL;
}

static bool get_thread(struct reader_state *r)
{
	uint64_t pid, tid;
	if (!get(r, &pid) || !get(r, &tid) || pid > UINT32_MAX || tid > UINT32_MAX)
		return false;
	r->pid = (uint32_t)pid;
	r->tid = (uint32_t)tid;
	return true;
}

/* Copies the name of an event, which must not change when the frame does.  => false: it is cut off, or no memory. */
static bool get_name(struct reader_state *r, uint64_t length)
{
	if (length > (size_t)(r->item_end - r->item))
		return false;
	char *name = mem_realloc(r->name, length + 1, 1);
	if (!name) {
		fail_at(r, PW_NOMEM, "out of memory for a name");
		return false;
	}
	memcpy(name, r->item, length);
	name[length] = 0;
	r->name = name;
	r->item += length;
	return true;
}

static bool get_event(struct reader_state *r, uint64_t kind, struct trace_item *ret)
{
	enum { PROT, FLAGS, OTHER, START, TO, BYTES, TO_BYTES, OFFSET, COUNT, FILE_ID, FILE_BYTES, LENGTH, MEMBERS };
	uint64_t m[MEMBERS], before_pid = r->pid, before_tid = r->tid;
	if (kind >= TRACE_EVENT_KINDS || !get_thread(r))
		return false;
	for (int i = 0; i < MEMBERS; i++) {
		if (!get(r, &m[i]))
			return false;
	}
	if (!get_name(r, m[LENGTH]))
		return false;
	*ret = (struct trace_item){
		.kind = TRACE_ITEM_EVENT, .pid = r->pid, .tid = r->tid,
		.event = { .kind = (enum trace_event_kind)kind, .prot = (uint32_t)m[PROT], .flags = (uint32_t)m[FLAGS],
			.other = (uint32_t)m[OTHER], .start = vaddr(m[START]), .to = vaddr(m[TO]), .bytes = m[BYTES],
			.to_bytes = m[TO_BYTES], .offset = m[OFFSET], .count = m[COUNT], .file_id = m[FILE_ID],
			.file_bytes = m[FILE_BYTES], .name = r->name },
	};
	/* The thread of a run is that of the run before, whatever events say. */
	r->pid = (uint32_t)before_pid;
	r->tid = (uint32_t)before_tid;
	return true;
}

/* Reads one item of the control part.  => false: it makes no sense.  An event is in *ret, a run in r->run. */
static bool item_next(struct reader_state *r, struct trace_item *ret)
{
	uint64_t tag;
	if (!get(r, &tag))
		return false;
	if (tag >= PWT_ITEM_EVENT)
		return get_event(r, tag - PWT_ITEM_EVENT, ret);
	if (tag == PWT_ITEM_THREAD && !get_thread(r))
		return false;
	return get(r, &r->run) && r->run <= (uint64_t)(r->code_end - r->code);
}

static bool run_give(struct reader_state *r, struct trace_item *ret)
{
	size_t n = r->run < BATCH || r->skim ? r->run : BATCH;
	if (!r->skim && !pwt_decode(&r->decoder, r->code, n, r->batch))
		return false;
	r->code += n;
	r->run -= n;
	r->trace.info.records += n;
	*ret = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = r->pid, .tid = r->tid,
	                            .refs = r->skim ? NULL : r->batch, .n_refs = n };
	return true;
}

static void pwt_next(struct trace *t, struct trace_item *ret)
{
	struct reader_state *r = (struct reader_state *)t;
	bool good = true;
	while (good && ret->kind == TRACE_ITEM_END) {
		if (r->run)
			good = run_give(r, ret);
		else if (r->item < r->item_end)
			good = item_next(r, ret);
		else if (r->code < r->code_end)
			good = false; /* references of no run */
		else if (!frame_next(r))
			break;
	}
	t->info.progress = input_progress(r->in);
	if (!good && !t->error)
		fail_at(r, PW_CORRUPT, "the frame before contradicts itself");
}

static void state_reset(struct reader_state *r)
{
	r->ended = false;
	r->refs = r->run = 0;
	r->item = r->item_end = NULL;
	r->code = r->code_end = NULL;
	r->trace.info.records = 0;
}

static enum pw_err pwt_rewind(struct trace *t, struct pw_why *why)
{
	struct reader_state *r = (struct reader_state *)t;
	enum pw_err err = input_rewind(r->in, why);
	if (err)
		return err;
	state_reset(r);
	size_t n;
	for (uint64_t left = r->first_frame_at; left; left -= n) {
		input_peek(r->in, 1, &n);
		n = n < left ? n : left;
		if (!n)
			return input_error(r->in, why) ? input_error(r->in, why)
			                               : pw_fail(why, PW_TRUNCATED, "%s: has become shorter", input_name(r->in));
		input_skip(r->in, n);
	}
	return PW_OK;
}

static void pwt_close(struct trace *t)
{
	struct reader_state *r = (struct reader_state *)t;
	for (int i = 0; i < PWT_PARTS; i++)
		mem_free(r->plain[i]);
	ZSTD_freeDCtx(r->zstd);
	mem_free(r->text);
	mem_free(r->name);
	input_close(r->in);
	mem_free(r);
}

static const struct trace_ops pwt_ops = { .format = "pwt", .next = pwt_next, .rewind = pwt_rewind, .close = pwt_close };

static enum pw_err header_read(struct reader_state *r, struct pw_why *why)
{
	struct pwt_header h;
	size_t n;
	const char *name = input_name(r->in);
	const uint8_t *p = input_peek(r->in, sizeof h, &n);
	if (n < sizeof h)
		return pw_fail(why, PW_TRUNCATED, "%s: ends within the header of a .pwt trace", name);
	memcpy(&h, p, sizeof h);
	if (h.version != PWT_VERSION)
		return pw_fail(why, PW_UNSUPPORTED, "%s: is .pwt version %u; this pageworks reads version %d: use a newer one", name,
		               h.version, PWT_VERSION);
	if (h.text_bytes > PWT_TEXT_MAX || h.granule_shift > 30)
		return pw_fail(why, PW_CORRUPT, "%s: the header of the .pwt trace is damaged", name);
	p = input_peek(r->in, sizeof h + h.text_bytes, &n);
	if (n < sizeof h + h.text_bytes)
		return pw_fail(why, PW_TRUNCATED, "%s: ends within the header of a .pwt trace", name);
	if (pwt_sum(&h, offsetof(struct pwt_header, sum), p + sizeof h, h.text_bytes) != h.sum)
		return pw_fail(why, PW_CORRUPT, "%s: the checksum of the .pwt header does not match", name);
	r->text = mem_alloc(h.text_bytes + 1);
	if (!r->text)
		return pw_fail(why, PW_NOMEM, "%s: out of memory while opening", name);
	memcpy(r->text, p + sizeof h, h.text_bytes);
	r->text[h.text_bytes] = 0;
	r->text_bytes = h.text_bytes;
	r->granule_shift = r->trace.info.granule_shift = h.granule_shift;
	r->trace.info.has_events = h.flags & PWT_FLAG_EVENTS;
	r->first_frame_at = sizeof h + h.text_bytes;
	input_skip(r->in, r->first_frame_at);
	return PW_OK;
}

static bool trailer_read(const struct reader_state *r, struct pwt_trailer *ret)
{
	return input_tail(r->in, ret, sizeof *ret) && trailer_is_whole(ret);
}

/* Walks the index up to the frame that holds reference ref.  => false: the index makes no sense. */
static bool index_find(struct reader_state *r, uint64_t ref, uint64_t *ret_at, uint64_t *ret_first)
{
	uint64_t bytes, refs, at = r->first_frame_at, first = 0;
	while (r->item < r->item_end) {
		if (!get(r, &bytes) || !get(r, &refs))
			return false;
		if (ref < first + refs)
			break;
		at += bytes;
		first += refs;
	}
	*ret_at = at;
	*ret_first = first;
	return true;
}

/* Gets the index ready to be walked.  => false: why not is in the trace's error. */
static bool index_open(struct reader_state *r, const struct pwt_trailer *trailer)
{
	struct pwt_frame f;
	size_t bytes;
	r->trace.error = input_seek(r->in, trailer->index_at, &r->trace.why);
	const uint8_t *p = r->trace.error ? NULL : frame_take(r, &f, &bytes);
	return p && f.kind == PWT_FRAME_INDEX && frame_unpack(r, &f, p + sizeof f);
}

static enum pw_err index_damaged(struct reader_state *r, struct pw_why *why)
{
	if (!r->trace.error)
		fail_at(r, PW_CORRUPT, "the index is damaged");
	return trace_error(&r->trace, why);
}

static enum pw_err seek(struct reader_state *r, const struct pwt_trailer *trailer, uint64_t ref, uint64_t *ret_ref,
                        struct pw_why *why)
{
	uint64_t at;
	if (!index_open(r, trailer) || !index_find(r, ref, &at, ret_ref))
		return index_damaged(r, why);
	state_reset(r);
	r->refs = r->trace.info.records = *ret_ref;
	return input_seek(r->in, at, why);
}

static unsigned pwt_begins(const uint8_t *first, size_t n)
{
	return n >= PWT_MAGIC_BYTES && !memcmp(first, PWT_MAGIC, PWT_MAGIC_BYTES) ? READER_SURE : 0;
}

static enum pw_err pwt_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	*ret = NULL;
	struct reader_state *r = mem_zalloc(1, sizeof *r);
	if (!r) {
		enum pw_err err = pw_fail(why, PW_NOMEM, "%s: out of memory while opening", input_name(in));
		input_close(in);
		return err;
	}
	r->in = in;
	r->trace.input = in;
	r->trace.ops = &pwt_ops;
	r->trace.info = (struct trace_info){ .format = "pwt", .source = input_name(in) };
	r->zstd = inject(INJECT_ALLOC) ? NULL : ZSTD_createDCtx();
	enum pw_err err = r->zstd ? header_read(r, why) : pw_fail(why, PW_NOMEM, "%s: out of memory while opening", input_name(in));
	if (err) {
		pwt_close(&r->trace);
		return err;
	}
	struct pwt_trailer trailer;
	if (trailer_read(r, &trailer))
		r->trace.info.refs_total = trailer.refs;
	*ret = &r->trace;
	return PW_OK;
}

const struct reader reader_pwt = { .name = "pwt", .example = "(pageworks record)", .begins = pwt_begins, .open = pwt_open };

const char *pwt_text(const struct trace *t, const char *key)
{
	if (t->ops != &pwt_ops)
		return NULL;
	const struct reader_state *r = (const struct reader_state *)t;
	size_t length = strlen(key);
	for (const char *p = r->text, *end = p + r->text_bytes; p < end; p += strlen(p) + 1) {
		if (!strncmp(p, key, length) && p[length] == '=')
			return p + length + 1;
	}
	return NULL;
}

bool pwt_skim(struct trace *t)
{
	struct reader_state *r = (struct reader_state *)t;
	if (t->ops != &pwt_ops)
		return false;
	r->skim = true;
	return true;
}

static enum pw_err trailer_need(struct trace *t, struct pwt_trailer *ret, struct pw_why *why)
{
	if (t->ops == &pwt_ops && trailer_read((struct reader_state *)t, ret))
		return PW_OK;
	return pw_fail(why, PW_UNSUPPORTED, "%s: only a finished, plain .pwt file can be entered in the middle", t->info.source);
}

enum pw_err pwt_seek(struct trace *t, uint64_t ref, uint64_t *ret_ref, struct pw_why *why)
{
	struct pwt_trailer trailer;
	enum pw_err err = trailer_need(t, &trailer, why);
	return err ? err : seek((struct reader_state *)t, &trailer, ref, ret_ref, why);
}

enum pw_err pwt_outline(struct trace *t, struct pwt_outline *ret, struct pw_why *why)
{
	struct pwt_trailer trailer;
	struct reader_state *r = (struct reader_state *)t;
	enum pw_err err = trailer_need(t, &trailer, why);
	if (err)
		return err;
	uint64_t bytes, refs, sum = 0;
	*ret = (struct pwt_outline){ .index_bytes = input_file_bytes(r->in) - trailer.index_at };
	bool good = index_open(r, &trailer);
	while (good && r->item < r->item_end) {
		good = get(r, &bytes) && get(r, &refs);
		sum += refs;
		ret->frames++;
	}
	if (!good || sum != trailer.refs)
		return index_damaged(r, why);
	ret->refs = sum;
	return trace_rewind(t, why);
}
