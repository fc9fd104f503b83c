/* pmap_host_guess.c - will a page that is read now be written before it leaves?
 *
 * Problem: a page that comes in write-protected and is written costs a second fault; one that comes in writable and is not written
 * costs a write to the store, for nobody can tell any more that it was only read.
 * Idea: as processors guess branches: what this page did last time picks a share, and the share says how often pages like it were
 * written lately.
 *
 *      bit of the page:  did it end its last stay written?       0      1
 *      share of written among pages that came in protected     0.02   0.71   -> more than half: let it be written at once
 *
 * 1. Only stays that began protected by a read teach the shares: of the others nobody knows how they would have ended.
 * 2. Each page allowed ahead of time leaves its bit as it was.
 * 3. One in ASK_EVERY of them comes in protected all the same, so that a program that stops writing is noticed.
 * Rejected: a count for each page alone (a gigabyte written once was written back fifteen times more before all of it was asked
 * again).
 * Source: T.-Y. Yeh and Y. N. Patt, "Two-level adaptive training branch prediction", MICRO-24 (1991), for the two levels. */
#include "pmap_host_impl.h"

enum { SHARE_ONE = 1 << 16, SHARE_SHIFT = 5, ASK_EVERY = 16 };

static bool bit_of(const struct chunk *c, uint64_t vpn)
{
	return c->written[(vpn & (CHUNK_PAGES - 1)) / 64] >> (vpn % 64) & 1;
}

static void bit_set(struct chunk *c, uint64_t vpn, bool value)
{
	uint64_t *word = &c->written[(vpn & (CHUNK_PAGES - 1)) / 64], mask = 1ull << (vpn % 64);
	*word = value ? *word | mask : *word & ~mask;
}

bool host_stay_begin(struct host *h, struct host_frame *f, bool store)
{
	bool may = f->prot & PMAP_WRITE, bit = bit_of(host_chunk_find(f->space, f->vpn), f->vpn);
	f->stay = STAY_TOLD;
	if (store || !may)
		return store && may;
	bool likely = h->written_share[bit] > SHARE_ONE / 2;
	bool asks = !likely || ++h->n_guesses % ASK_EVERY == 0;
	f->stay = asks ? STAY_ASKED : STAY_GUESSED;
	return !asks;
}

void host_stay_end(struct host *h, struct host_frame *f)
{
	struct chunk *c = host_chunk_find(f->space, f->vpn);
	bool written = f->bits & PMAP_MODIFIED;
	if (f->stay == STAY_GUESSED)
		return;
	if (f->stay == STAY_ASKED) {
		int32_t *share = &h->written_share[bit_of(c, f->vpn)];
		*share += ((written ? SHARE_ONE : 0) - *share) >> SHARE_SHIFT;
	}
	bit_set(c, f->vpn, written);
}
