/* curve_sample.c - a curve from a sample: references go to shards.h instead of an exact stack.
 *
 * Where a trace has mappings, a page is a process and a page number from its mapping to its unmapping: what a fork copies, what several
 * processes share and what a copy on write makes is not followed, for that takes a kernel and memory for every page.
 *
 * 1. position counts as in curve.c. */
#include "curve_impl.h"

enum { SIFT = 1024 };

enum pw_err curve_sample_create(struct curve *c)
{
	struct shards_options o = { .pages = c->opt.sample_pages, .rate = c->opt.sample_rate, .seed = c->opt.seed,
	                            .page_shift = c->opt.page_shift };
	return shards_create(&o, &c->shards);
}

static bool all_of_programs(const ref_t *refs, uint64_t n)
{
	uint64_t seen = 0;
	for (uint64_t i = 0; i < n; i++)
		seen |= refs[i].word;
	return !(seen >> (CURVE_VA_BITS + REF_KIND_BITS));
}

static enum pw_err feed_sifted(struct curve *c, const ref_t *refs, uint64_t n, uint32_t space)
{
	ref_t sifted[SIFT];
	enum pw_err err = PW_OK;
	for (uint64_t at = 0; at < n && err == PW_OK; at += SIFT) {
		uint64_t piece = n - at < SIFT ? n - at : SIFT;
		err = shards_feed(c->shards, sifted, curve_sift(c, refs + at, piece, sifted), space);
	}
	return err;
}

void curve_sample_refs(struct curve *c, const struct trace_item *item)
{
	uint32_t space = curve_process_get(c, item->pid);
	for (uint64_t at = 0; at < item->n_refs && c->state == CURVE_GOING;) {
		uint64_t n = item->n_refs - at;
		if (c->opt.limit && n > c->opt.limit - c->position)
			n = c->opt.limit - c->position;
		if (!c->warm && n > c->opt.warmup - c->position)
			n = c->opt.warmup - c->position;
		enum pw_err err = all_of_programs(item->refs + at, n) ? shards_feed(c->shards, item->refs + at, n, space)
		                                                     : feed_sifted(c, item->refs + at, n, space);
		if (err != PW_OK)
			curve_fail(c, err, "out of memory for the sample");
		at += n;
		c->position += n;
		if (!c->warm && c->position >= c->opt.warmup) {
			c->warm = true;
			c->base_position = c->position;
			c->base_refused = c->refused;
			if (shards_forget(c->shards) != PW_OK)
				curve_fail(c, PW_NOMEM, "out of memory for the sample");
		}
		if (c->opt.limit && c->position >= c->opt.limit && c->state == CURVE_GOING)
			c->state = CURVE_ENDED;
	}
}

void curve_sample_event(struct curve *c, uint32_t pid, const struct trace_event *e)
{
	uint64_t first = e->start.v >> c->opt.page_shift, all = 1ull << DENSE_PAGE_BITS;
	uint64_t end = (e->start.v + e->bytes + (1ull << c->opt.page_shift) - 1) >> c->opt.page_shift;
	uint32_t space = curve_process_get(c, pid);
	if (c->state != CURVE_GOING)
		return;
	if (e->kind == TRACE_EXEC || e->kind == TRACE_EXIT)
		shards_drop(c->shards, space, 0, all);
	else if (e->kind == TRACE_UNMAP || e->kind == TRACE_MAP || e->kind == TRACE_REMAP)
		shards_drop(c->shards, space, first, end - first);
	else if (e->kind == TRACE_BRK)
		shards_drop(c->shards, space, end, 1ull << (40 - c->opt.page_shift)); /* above the heap's end nothing is near */
}

/* Never more than there can be. */
static uint64_t rounded(double v, uint64_t most)
{
	uint64_t n = v > 0 ? (uint64_t)(v + 0.5) : 0;
	return n < most ? n : most;
}

/* A size between two of the scale's is that of the one below, never too good, unless it holds everything. */
static unsigned cell_of(uint64_t frames, uint64_t footprint)
{
	unsigned cell = scale_cell(frames);
	return cell && scale_size(cell) > frames && frames < footprint ? cell - 1 : cell;
}

void curve_sample_line(const struct shards_result *s, struct curve_line *l, const uint64_t *size, uint64_t references)
{
	for (unsigned i = 0; i < l->n_points; i++) {
		unsigned cell = cell_of(size[i], rounded(s->pages, UINT64_MAX));
		l->point[i] = (struct curve_point){ .frames = size[i], .faults = rounded(s->faults[cell], references),
		                                    .written_back = rounded(s->written[cell], references), .error = s->error[cell] };
	}
}

void curve_sample_advise(struct curve_result *r, const struct shards_result *s)
{
	uint64_t frames[SCALE_CELLS], faults[SCALE_CELLS], n = 0;
	for (; n < SCALE_CELLS && scale_size((unsigned)n) <= r->footprint + r->footprint / 8; n++) {
		frames[n] = scale_size((unsigned)n);
		faults[n] = rounded(s->faults[n], r->references);
	}
	curve_advise(r, &(struct curve_sizes){ n, frames, faults });
}
