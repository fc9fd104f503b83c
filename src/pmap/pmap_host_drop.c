/* pmap_host_drop.c - pages on their way out of a window, and bytes that are in none.
 *
 * Problem: dropping a page costs a microsecond alone, a tenth of that among sixty-four, and twenty when another thread runs.
 * Idea: pages that go are write-protected and wait in a queue; bytes still wanted when the queue is emptied are copied aside first, into
 * a staging area of which only the pages in use cost memory.
 *
 * 1. A page in the queue is write-protected before its bytes are read, which is when they are wanted: pages that go together are then
 *    protected in few calls.  Its word says that it is in the queue.
 * 2. Free staging pages: the first n_stage_clean of them cost the host nothing. */
#include "pmap_host_impl.h"
#include <string.h>

void host_check(struct host *h, enum pw_err err, const char *what)
{
	if (err && !h->broken)
		h->broken = what;
}

uint8_t *host_stage_bytes(const struct host *h, uint32_t stage) { return h->staging + ((uint64_t)stage << PAGE_SHIFT); }

/* => there is one: a frame has one at most */
static uint32_t stage_take(struct host *h)
{
	if (!h->n_stage_free)
		return h->stage_fresh++;
	if (h->n_stage_clean == h->n_stage_free)
		h->n_stage_clean--;
	return h->stage_free[--h->n_stage_free];
}

/* Pages of the staging area that nobody uses cost the host memory: beyond a few they are given back.  The first n_stage_clean of
 * the free ones, the last to be used again, cost nothing. */
void host_stage_give(struct host *h, uint32_t stage)
{
	struct iovec range[STAGE_SPARE];
	h->stage_free[h->n_stage_free++] = stage;
	if (h->n_stage_free < h->n_stage_clean + 2 * STAGE_SPARE)
		return;
	for (uint32_t i = 0; i < STAGE_SPARE; i++)
		range[i] = (struct iovec){ host_stage_bytes(h, h->stage_free[h->n_stage_clean + i]), PAGE_BYTES };
	host_check(h, uffd_drop(h->uffd, range, STAGE_SPARE), "the host would not take staging pages back");
	h->n_stage_clean += STAGE_SPARE;
}

void host_frame_to_stage(struct host *h, struct host_frame *f)
{
	f->place = PLACE_STAGED;
	f->at = stage_take(h);
}

/* ---- the queue of drops ---- */

void host_frame_protect(struct host *h, struct host_frame *f)
{
	if (f->writable)
		host_check(h, uffd_protect(h->uffd, address_of(f->space, f->vpn), PAGE_BYTES, true),
		           "the host would not write-protect a page");
	f->writable = false;
}

/* => MAPPED becomes DYING */
void host_drop_push(struct host *h, struct host_frame *f)
{
	uint32_t number = (uint32_t)(f - h->frame);
	if (h->n_drops == h->drop_max)
		pmap_host_flush(&h->sys);
	h->unprotected = h->unprotected || f->writable;
	h->drop[h->n_drops] = (struct drop){ .space = f->space, .vpn = f->vpn, .frame = number + 1 };
	host_word_set(f->space, f->vpn, WORD_DYING | (number + 1));
	f->place = PLACE_DYING;
	f->at = h->n_drops++;
}

/* => DYING becomes MAPPED, write-protected */
void host_drop_cancel(struct host *h, struct host_frame *f)
{
	struct drop *last = &h->drop[--h->n_drops];
	if (f->at != h->n_drops) {
		h->drop[f->at] = *last;
		if (last->frame)
			h->frame[last->frame - 1].at = f->at;
	}
	f->place = PLACE_MAPPED;
	f->kept = false;
	f->bits |= f->writable ? PMAP_MODIFIED : 0;
	host_word_set(f->space, f->vpn, (uint32_t)(f - h->frame) + 1);
}

/* The translation goes; the bytes stay somewhere. */
void host_frame_detach(struct host *h, struct host_frame *f)
{
	if (!is_mapped(f))
		return;
	f->space->resident--;
	host_stay_end(h, f);
	if (f->place == PLACE_MAPPED)
		host_drop_push(h, f);
	else if (f->place == PLACE_STAGED)
		host_word_set(f->space, f->vpn, 0);
	f->kept = false;
}

/* Addresses in order: libraries' sorts may allocate, which a pager must not. */
static void addresses_sort(struct drop *d, uint32_t n)
{
	uint32_t gap = 1;
	while (gap < n / 3)
		gap = 3 * gap + 1;
	for (; gap; gap /= 3) {
		for (uint32_t i = gap; i < n; i++) {
			struct drop one = d[i];
			uint64_t address = address_of(one.space, one.vpn);
			uint32_t j = i;
			for (; j >= gap && address_of(d[j - gap].space, d[j - gap].vpn) > address; j -= gap)
				d[j] = d[j - gap];
			d[j] = one;
		}
	}
}

/* How many of the drops lie together, from the first on. */
static uint32_t drops_together(const struct drop *d, uint32_t n)
{
	uint32_t count = 1;
	uint64_t first = address_of(d[0].space, d[0].vpn);
	while (count < n && address_of(d[count].space, d[count].vpn) == first + (uint64_t)count * PAGE_BYTES)
		count++;
	return count;
}

void host_drops_protect(struct host *h)
{
	struct drop pending[DROP_BATCH];
	uint32_t at = 0;
	while (h->unprotected) {
		uint32_t n = 0;
		for (; at < h->n_drops && n < DROP_BATCH; at++) {
			if (h->drop[at].frame && h->frame[h->drop[at].frame - 1].writable)
				pending[n++] = h->drop[at];
		}
		h->unprotected = at < h->n_drops;
		addresses_sort(pending, n);
		for (uint32_t i = 0, count; i < n; i += count) {
			count = drops_together(pending + i, n - i);
			uint64_t first = address_of(pending[i].space, pending[i].vpn), bytes = (uint64_t)count * PAGE_BYTES;
			host_check(h, uffd_protect(h->uffd, first, bytes, true), "the host would not write-protect pages");
			for (uint32_t k = i; k < i + count; k++)
				h->frame[pending[k].frame - 1].writable = false;
		}
	}
}

/* Copies aside what is still wanted. */
static void drops_rescue(struct host *h)
{
	for (uint32_t i = 0; i < h->n_drops; i++) {
		const struct drop *d = &h->drop[i];
		bool kept = false;
		if (d->frame) {
			struct host_frame *f = &h->frame[d->frame - 1];
			host_frame_to_stage(h, f);
			memcpy(host_stage_bytes(h, f->at), (const void *)(uintptr_t)address_of(d->space, d->vpn), PAGE_BYTES);
			kept = f->kept;
			h->counts.rescued++;
		}
		host_word_set(d->space, d->vpn, kept ? d->frame : 0);
	}
}

static void drops_send(struct host *h, const struct iovec *range, unsigned n)
{
	host_check(h, uffd_drop(h->uffd, range, n), "the host would not take pages back");
	h->counts.drop_calls++;
}

void pmap_host_flush(struct pmap_sys *sys)
{
	struct host *h = host_of(sys);
	struct iovec range[DROP_CALL];
	unsigned n = 0;
	uint64_t end = 0;
	if (!h->n_drops)
		return;
	host_drops_protect(h);
	drops_rescue(h);
	addresses_sort(h->drop, h->n_drops);
	for (uint32_t i = 0; i < h->n_drops; i++) {
		uint64_t address = address_of(h->drop[i].space, h->drop[i].vpn);
		if (n && address == end) {
			range[n - 1].iov_len += PAGE_BYTES;
		} else {
			if (n == DROP_CALL) {
				drops_send(h, range, n);
				n = 0;
			}
			range[n++] = (struct iovec){ (void *)(uintptr_t)address, PAGE_BYTES };
		}
		end = address + PAGE_BYTES;
	}
	drops_send(h, range, n);
	h->counts.drops += h->n_drops;
	h->n_drops = 0;
}
