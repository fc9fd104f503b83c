/* records.c - the loop around every reader of fixed-size records.
 *
 * Problem: as with lines, no record may cost a call, and files are cut off or are not what they were taken for.
 * Idea: the reader's own function eats records out of a large window until the batch is full; the end is looked at in here.
 *
 * 1. The reader only sees whole records.
 * 2. Each record is counted once, as good or as rejected, by whoever eats it.
 * 3. A trace of which every record was rejected is an error: its format was said, or guessed, wrongly. */
#include "records.h"
#include "../base/mem.h"
#include <inttypes.h>

void records_reject(struct records *r)
{
	if (!r->trace.info.rejected++)
		r->trace.info.rejected_at = r->record + 1;
	r->record++;
}

static void fail(struct records *r, enum pw_err err, const char *what)
{
	r->trace.error = pw_fail(&r->trace.why, err, "%s: %s; the last whole record is number %" PRIu64 " (%s, %zu bytes each)",
	                         input_name(r->in), what, r->record, r->reader->name, r->record_bytes);
}

/* No more whole records come. */
static void at_end(struct records *r, size_t left)
{
	enum pw_err err = input_error(r->in, &r->trace.why);
	if (err)
		r->trace.error = err;
	else if (left)
		fail(r, PW_TRUNCATED, "the file ends in the middle of a record");
	else if (!r->trace.info.records && r->trace.info.rejected)
		r->trace.error = pw_fail(&r->trace.why, PW_FORMAT, "%s: not one of its %" PRIu64 " records makes sense as %s %s",
		                         input_name(r->in), r->record, r->reader->name, r->reader->example);
}

/* Eats what the window shows.  => false at the end of the trace. */
static bool records_eat(struct records *r)
{
	size_t n;
	const uint8_t *p = input_peek(r->in, RECORDS_WINDOW, &n);
	size_t whole = n - n % r->record_bytes;
	if (!whole) {
		at_end(r, n);
		return false;
	}
	input_skip(r->in, (size_t)(r->eat(r, p, p + whole) - p));
	return true;
}

static void records_give(struct trace *t, struct trace_item *ret)
{
	struct records *r = (struct records *)t;
	struct batch *b = &r->batch;
	b->n = 0;
	batch_drain(b);
	while (!b->n && !t->error && records_eat(r))
		;
	t->info.progress = input_progress(r->in);
	if (!b->n)
		return;
	*ret = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = r->pid, .tid = r->tid, .refs = b->ref, .n_refs = b->n };
}

static void begin(struct records *r)
{
	r->trace.info.records = r->trace.info.rejected = r->trace.info.rejected_at = 0;
	r->record = 0;
	r->pid = r->tid = 1;
	batch_clear(&r->batch);
	if (r->start)
		r->start(r);
}

static enum pw_err records_rewind(struct trace *t, struct pw_why *why)
{
	struct records *r = (struct records *)t;
	enum pw_err err = input_rewind(r->in, why);
	if (!err)
		begin(r);
	return err;
}

static void records_close(struct trace *t)
{
	struct records *r = (struct records *)t;
	if (r->fini)
		r->fini(r);
	input_close(r->in);
	mem_free(r);
}

static const struct trace_ops records_ops = {
	.format = "records", .next = records_give, .rewind = records_rewind, .close = records_close,
};

enum pw_err records_open(struct input *in, const struct records_kind *kind, struct records **ret, struct pw_why *why)
{
	struct records *r = *ret = mem_zalloc(1, kind->bytes);
	if (!r) {
		enum pw_err err = pw_fail(why, PW_NOMEM, "%s: out of memory while opening", input_name(in));
		input_close(in);
		return err;
	}
	r->trace.ops = &records_ops;
	r->trace.input = in;
	r->trace.info = (struct trace_info){ .format = kind->reader->name, .source = input_name(in),
	                                     .granule_shift = kind->granule_shift };
	r->in = in;
	r->reader = kind->reader;
	r->record_bytes = kind->record_bytes;
	r->eat = kind->eat;
	r->start = kind->start;
	r->fini = kind->fini;
	begin(r);
	return PW_OK;
}

enum pw_err records_open_plain(struct input *in, const struct records_kind *kind, struct trace **ret, struct pw_why *why)
{
	struct records *r;
	enum pw_err err = records_open(in, kind, &r, why);
	*ret = err ? NULL : &r->trace;
	return err;
}

unsigned records_plausible(const uint8_t *first, size_t n, size_t record_bytes,
                           bool (*makes_sense)(const uint8_t *record, uint64_t number))
{
	uint64_t good = 0, records = n / record_bytes;
	for (uint64_t i = 0; i < records; i++)
		good += makes_sense(first + i * record_bytes, i);
	if (!records)
		return 0;
	/* Less than the window is the whole file; of two formats that fit, the one it is a multiple of fits better. */
	bool odd = n < RECORDS_WINDOW && n % record_bytes;
	unsigned sure = (unsigned)(READER_GUESS * good / records);
	return odd && sure ? sure - 1 : sure;
}
