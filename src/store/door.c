/* door.c - what stands above every kind: checks, checksums, pages of one word, figures.
 *
 * Problem: a byte that comes back wrong must be noticed whatever went wrong below, a device, a compressor, a tier's books, this
 * project's own bugs; and each kind alone would notice only its own.
 * Idea: the caller's bytes are summed once, where they enter, and verified once, where they leave; the sums stay in memory, out of
 * reach of what they guard.  The end-to-end argument: checks further down could only be quicker, never more certain.
 * The door sees every page, so it also finds those that are one word repeated; they are kept as that word and no kind hears of them.
 *
 *     state     word            a read gives
 *     ABSENT    -               zeros
 *     FILLED    the word        the word, repeated
 *     STORED    XXH3 of it      what the kind has, if its sum is the word
 *     LOST      -               PW_IO: the write failed
 *
 * 1. A slot is STORED only after its kind has taken the bytes.
 * 2. No slot is in two threads' hands unless both read (the contract), so its state and word need no lock.
 * 3. An injected failure happens before the kind is asked, so its state is as if the device had refused.
 * Rejected: sums beside the bytes on the device (a page written to the wrong place would match), 128-bit sums (the enemy is chance).
 * Source: J. Saltzer, D. Reed, D. Clark, "End-to-end arguments in system design", ACM TOCS 2 (1984); XXH3: xxhash.h. */
#include "../base/inject.h"
#include "../base/mem.h"
#include "kind.h"
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum slot_state { SLOT_ABSENT, SLOT_FILLED, SLOT_STORED, SLOT_LOST };

struct door_leaf {
	uint64_t word[SLOTS_LEAF];
	uint8_t state[SLOTS_LEAF];
};
struct door {
	char *spec;
	struct slots slots;
	struct store_stats stats;
	uint64_t *zeros; /* a page of them, to borrow */
};

/* A batch on its way to the kind: what the door did not settle by itself. */
struct batch {
	uint32_t n;
	uint64_t slot[STORE_BATCH];
	void *page[STORE_BATCH];
	uint64_t sum[STORE_BATCH]; /* of what is written */
};

static void count(uint64_t *figure, uint64_t n)
{
	__atomic_fetch_add(figure, n, __ATOMIC_RELAXED);
}

static void uncount(uint64_t *figure, uint64_t n)
{
	__atomic_fetch_sub(figure, n, __ATOMIC_RELAXED);
}

enum pw_err door_open(struct store *s, const char *spec, struct pw_why *why)
{
	if (!s->keeps_data)
		return PW_OK;
	struct door *d = mem_zalloc(1, sizeof *d);
	s->door = d;
	if (d && (d->spec = mem_strdup(spec)) && (d->zeros = mem_zalloc(1, s->page_bytes)) &&
	    slots_init(&d->slots, s->n_slots, SLOTS_LEAF, sizeof(struct door_leaf)))
		return PW_OK;
	door_close(s);
	return pw_fail(why, PW_NOMEM, "store %s: %s", spec, pw_err_text(PW_NOMEM));
}

void door_close(struct store *s)
{
	struct door *d = s->door;
	s->door = NULL;
	if (!d)
		return;
	slots_fini(&d->slots);
	mem_free(d->zeros);
	mem_free(d->spec);
	mem_free(d);
}

static struct door_leaf *leaf_of(const struct door *d, uint64_t slot)
{
	return slots_leaf(&d->slots, slot);
}

/* => the page is one 64-bit word repeated */
static bool page_is_filled(const void *page, uint32_t bytes, uint64_t *ret)
{
	if (bytes < 16 || memcmp(page, (const char *)page + 8, 8))
		return false;
	memcpy(ret, page, 8);
	return !memcmp(page, (const char *)page + 8, bytes - 8);
}

static void page_fill(void *page, uint32_t bytes, uint64_t word)
{
	for (uint32_t at = 0; at < bytes; at += 8)
		memcpy((char *)page + at, &word, bytes - at < 8 ? bytes - at : 8);
}

static uint64_t page_sum(const struct store *s, const void *page)
{
	return XXH3_64bits(page, s->page_bytes);
}

static void slot_set(struct door *d, uint64_t slot, enum slot_state state, uint64_t word)
{
	struct door_leaf *leaf = leaf_of(d, slot);
	uint32_t i = slot % SLOTS_LEAF;
	uint64_t *const figure[] = { [SLOT_FILLED] = &d->stats.filled, [SLOT_STORED] = &d->stats.stored, [SLOT_LOST] = NULL };
	if (leaf->state[i] != state) {
		if (figure[leaf->state[i]])
			uncount(figure[leaf->state[i]], 1);
		if (figure[state])
			count(figure[state], 1);
	}
	leaf->state[i] = (uint8_t)state;
	leaf->word[i] = word;
}

static enum pw_err transfer_check(const struct store *s, enum store_direction d, uint32_t n, const uint64_t slot[],
                                  struct pw_why *why)
{
	const char *verb = d == STORE_READ ? "read" : "write";
	for (uint32_t i = 0; i < n; i++) {
		if (slot[i] >= s->n_slots)
			return pw_fail(why, PW_NOSPACE, "swap %s: slot %llu is beyond the last of %llu", verb,
			               (unsigned long long)slot[i], (unsigned long long)s->n_slots);
	}
	if (n && inject(d == STORE_READ ? INJECT_STORE_READ : INJECT_STORE_WRITE))
		return pw_fail(why, PW_IO, "swap %s: slot %llu: injected failure", verb, (unsigned long long)slot[0]);
	return PW_OK;
}

/* Reads what needs no kind, and gathers the rest. */
static enum pw_err read_settle(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct batch *rest,
                               struct pw_why *why)
{
	rest->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct door_leaf *leaf = leaf_of(s->door, slot[i]);
		uint32_t k = slot[i] % SLOTS_LEAF;
		switch (leaf ? (enum slot_state)leaf->state[k] : SLOT_ABSENT) {
		case SLOT_ABSENT:
			memset(pages[i], 0, s->page_bytes);
			break;
		case SLOT_FILLED:
			page_fill(pages[i], s->page_bytes, leaf->word[k]);
			break;
		case SLOT_STORED:
			rest->slot[rest->n] = slot[i];
			rest->page[rest->n++] = pages[i];
			break;
		case SLOT_LOST:
			return pw_fail(why, PW_IO, "store %s: slot %llu was lost when it could not be written", s->door->spec,
			               (unsigned long long)slot[i]);
		}
	}
	return PW_OK;
}

static enum pw_err read_verify(struct store *s, const struct batch *b, struct pw_why *why)
{
	for (uint32_t i = 0; i < b->n; i++) {
		if (page_sum(s, b->page[i]) == leaf_of(s->door, b->slot[i])->word[b->slot[i] % SLOTS_LEAF])
			continue;
		count(&s->door->stats.mismatches, 1);
		return pw_fail(why, PW_CORRUPT, "store %s: slot %llu: what was read is not what was written (its checksum differs)",
		               s->door->spec, (unsigned long long)b->slot[i]);
	}
	return PW_OK;
}

static enum pw_err read_batch(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	struct batch rest;
	enum pw_err err = transfer_check(s, STORE_READ, n, slot, why);
	if (!err)
		err = read_settle(s, n, slot, pages, &rest, why);
	if (!err && rest.n)
		err = s->ops->read(s, rest.n, rest.slot, rest.page, why);
	if (err)
		count(&s->door->stats.failures, 1);
	else
		err = read_verify(s, &rest, why);
	count(&s->door->stats.pages_read, n);
	return err;
}

enum pw_err store_read_slots(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	if (!s->keeps_data)
		return s->ops->read(s, n, slot, pages, why);
	for (uint32_t i = 0; i < n; i += STORE_BATCH) {
		enum pw_err err = read_batch(s, n - i < STORE_BATCH ? n - i : STORE_BATCH, slot + i, pages + i, why);
		if (err)
			return err;
	}
	return PW_OK;
}

/* The kind could not take them: nobody may ever see what became of them. */
static void write_lost(struct store *s, uint32_t n, const uint64_t slot[])
{
	for (uint32_t i = 0; i < n; i++) {
		s->ops->discard(s, slot[i], 1);
		slot_set(s->door, slot[i], SLOT_LOST, 0);
	}
}

/* Takes the pages of one word, and gathers the rest. */
static void write_settle(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct batch *rest)
{
	rest->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t word;
		if (page_is_filled(pages[i], s->page_bytes, &word)) {
			if (leaf_of(s->door, slot[i])->state[slot[i] % SLOTS_LEAF] == SLOT_STORED)
				s->ops->discard(s, slot[i], 1);
			slot_set(s->door, slot[i], SLOT_FILLED, word);
			continue;
		}
		rest->slot[rest->n] = slot[i];
		rest->sum[rest->n] = page_sum(s, pages[i]); /* now: the kind may take the page */
		rest->page[rest->n++] = (void *)(uintptr_t)pages[i]; /* is only read; the type serves both directions */
	}
}

static enum pw_err write_batch(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	struct batch rest;
	enum pw_err err = transfer_check(s, STORE_WRITE, n, slot, why);
	for (uint32_t i = 0; !err && i < n; i++) {
		if (!slots_make(&s->door->slots, slot[i]))
			err = pw_fail(why, PW_NOMEM, "store %s: slot %llu: out of memory for its checksum", s->door->spec,
			              (unsigned long long)slot[i]);
	}
	if (err)
		return err;
	write_settle(s, n, slot, pages, &rest);
	if (rest.n)
		err = s->ops->write(s, rest.n, rest.slot, (const void *const *)rest.page, why);
	if (err) {
		count(&s->door->stats.failures, 1);
		write_lost(s, rest.n, rest.slot);
		return err;
	}
	for (uint32_t i = 0; i < rest.n; i++)
		slot_set(s->door, rest.slot[i], SLOT_STORED, rest.sum[i]);
	count(&s->door->stats.pages_written, n);
	return PW_OK;
}

enum pw_err store_write_slots(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	if (!s->keeps_data)
		return s->ops->write(s, n, slot, pages, why);
	for (uint32_t i = 0; i < n; i += STORE_BATCH) {
		enum pw_err err = write_batch(s, n - i < STORE_BATCH ? n - i : STORE_BATCH, slot + i, pages + i, why);
		if (err)
			return err;
	}
	return PW_OK;
}

static uint32_t slots_from(uint64_t first, uint32_t n, uint64_t slot[STORE_BATCH])
{
	n = n < STORE_BATCH ? n : STORE_BATCH;
	for (uint32_t i = 0; i < n; i++)
		slot[i] = first > UINT64_MAX - i ? UINT64_MAX : first + i;
	return n;
}

enum pw_err store_read(struct store *s, uint64_t first, uint32_t n, void *const pages[], struct pw_why *why)
{
	uint64_t slot[STORE_BATCH];
	enum pw_err err = PW_OK;
	for (uint32_t i = 0, part; !err && i < n; i += part) {
		part = slots_from(first + i, n - i, slot);
		err = store_read_slots(s, part, slot, pages + i, why);
	}
	return err;
}

enum pw_err store_write(struct store *s, uint64_t first, uint32_t n, const void *const pages[], struct pw_why *why)
{
	uint64_t slot[STORE_BATCH];
	enum pw_err err = PW_OK;
	for (uint32_t i = 0, part; !err && i < n; i += part) {
		part = slots_from(first + i, n - i, slot);
		err = store_write_slots(s, part, slot, pages + i, why);
	}
	return err;
}

void store_discard(struct store *s, uint64_t slot, uint32_t n)
{
	if (!s->keeps_data)
		return;
	for (uint64_t i = slot; i < slot + n && i < s->n_slots; i++) {
		const struct door_leaf *leaf = leaf_of(s->door, i);
		enum slot_state state = leaf ? leaf->state[i % SLOTS_LEAF] : SLOT_ABSENT;
		if (state == SLOT_STORED)
			s->ops->discard(s, i, 1);
		if (state != SLOT_ABSENT) {
			slot_set(s->door, i, SLOT_ABSENT, 0);
			count(&s->door->stats.pages_discarded, 1);
		}
	}
}

const void *store_borrow(struct store *s, uint64_t slot)
{
	if (!s->keeps_data || slot >= s->n_slots)
		return NULL;
	const struct door_leaf *leaf = leaf_of(s->door, slot);
	uint32_t k = slot % SLOTS_LEAF;
	if (!leaf || leaf->state[k] == SLOT_ABSENT || (leaf->state[k] == SLOT_FILLED && !leaf->word[k]))
		return s->door->zeros;
	const void *page = leaf->state[k] == SLOT_STORED && s->ops->borrow ? s->ops->borrow(s, slot) : NULL;
	if (!page || page_sum(s, page) != leaf->word[k])
		return NULL;
	count(&s->door->stats.pages_read, 1);
	return page;
}

void store_lend(struct store *s, const struct store_memory *memory)
{
	if (s->ops->lend)
		s->ops->lend(s, memory);
}

enum pw_err store_flush(struct store *s, struct pw_why *why)
{
	return s->ops->flush ? s->ops->flush(s, why) : PW_OK;
}

void store_stats(struct store *s, struct store_stats *ret)
{
	*ret = s->door ? s->door->stats : (struct store_stats){ 0 };
	if (s->ops->stats)
		s->ops->stats(s, ret);
}
