/* fault.c - a store that fails as told.
 *
 * Problem: what a pager does when a disk breaks, fills up, dawdles or lies is seen once in years, and then it is too late to learn
 * that it does the wrong thing.
 * Idea: a store in front of another that plants failures, at random from a seed, one in so many pages; named by a spec like any
 * other, so that tests and users plant the same:  fault:flip=1000,after=5000,file:PATH
 *
 *     read_eio, write_eio   one transfer in N is refused
 *     short                 one in N moves its first half, then is refused
 *     nospace               one write in N is told that the store is full
 *     slow, slow_ns         one transfer in N takes slow_ns longer (10 ms)
 *     flip                  in one page read of N one bit is wrong: the door must notice
 *     after, seed           the first pages are left alone; of everything random
 *
 * 1. What is not failed on purpose is passed on unchanged.
 * Rejected: wrong bytes on writing (the same as on reading, seen later). */
#include "../base/mem.h"
#include "../base/rng.h"
#include "../base/text.h"
#include "kind.h"
#include <pthread.h>
#include <string.h>
#include <time.h>

#define FAULT_KEY_LIST(X) X(read_eio) X(write_eio) X(short) X(nospace) X(slow) X(slow_ns) X(flip) X(after) X(seed)
enum fault_key {
#define X(name) FAULT_##name,
	FAULT_KEY_LIST(X)
#undef X
	FAULT_KEYS
};

struct fault {
	struct store store, *below;
	uint64_t of[FAULT_KEYS];
	pthread_mutex_t lock; /* of the three below */
	struct rng rng;
	uint64_t pages, planted;
};

/* Is it the turn of this failure for one of n pages? */
static bool fault_hit(struct fault *f, enum fault_key key, uint32_t n)
{
	bool hit = false;
	pthread_mutex_lock(&f->lock);
	if (f->of[key] && f->pages >= f->of[FAULT_after])
		hit = rng_below(&f->rng, f->of[key]) < n;
	f->planted += hit;
	pthread_mutex_unlock(&f->lock);
	return hit;
}

static void fault_pass(struct fault *f, uint32_t n)
{
	if (fault_hit(f, FAULT_slow, 1)) {
		struct timespec t = { (time_t)(f->of[FAULT_slow_ns] / 1000000000), (long)(f->of[FAULT_slow_ns] % 1000000000) };
		nanosleep(&t, NULL);
	}
	pthread_mutex_lock(&f->lock);
	f->pages += n;
	pthread_mutex_unlock(&f->lock);
}

static void flip_one(struct fault *f, uint32_t n, void *const pages[])
{
	pthread_mutex_lock(&f->lock);
	uint64_t bit = rng_below(&f->rng, (uint64_t)n * f->store.page_bytes * 8), byte = bit / 8;
	pthread_mutex_unlock(&f->lock);
	((uint8_t *)pages[byte / f->store.page_bytes])[byte % f->store.page_bytes] ^= (uint8_t)(1 << bit % 8);
}

static enum pw_err refuse(enum pw_err err, const char *what, uint64_t slot, struct pw_why *why)
{
	return pw_fail(why, err, "store fault: slot %llu: %s, as planted", (unsigned long long)slot, what);
}

static enum pw_err fault_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	struct fault *f = (struct fault *)s;
	bool refused = fault_hit(f, FAULT_read_eio, 1), cut = fault_hit(f, FAULT_short, 1), flipped = fault_hit(f, FAULT_flip, n);
	fault_pass(f, n);
	if (refused)
		return refuse(PW_IO, "a read is refused", slot[0], why);
	enum pw_err err = f->below->ops->read(f->below, cut ? n / 2 : n, slot, pages, why);
	if (!err && cut)
		return refuse(PW_IO, "a read ends half way", slot[n / 2], why);
	if (!err && flipped)
		flip_one(f, n, pages);
	return err;
}

static enum pw_err fault_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	struct fault *f = (struct fault *)s;
	bool refused = fault_hit(f, FAULT_write_eio, 1), cut = fault_hit(f, FAULT_short, 1), full = fault_hit(f, FAULT_nospace, 1);
	fault_pass(f, n);
	if (refused || full)
		return refuse(refused ? PW_IO : PW_NOSPACE, refused ? "a write is refused" : "no space is left", slot[0], why);
	enum pw_err err = f->below->ops->write(f->below, cut ? n / 2 : n, slot, pages, why);
	return !err && cut ? refuse(PW_IO, "a write ends half way", slot[n / 2], why) : err;
}

static void fault_discard(struct store *s, uint64_t slot, uint32_t n)
{
	struct store *below = ((struct fault *)s)->below;
	below->ops->discard(below, slot, n);
}

static enum pw_err fault_flush(struct store *s, struct pw_why *why)
{
	struct store *below = ((struct fault *)s)->below;
	return below->ops->flush ? below->ops->flush(below, why) : PW_OK;
}

static void fault_stats(struct store *s, struct store_stats *sum)
{
	struct fault *f = (struct fault *)s;
	pthread_mutex_lock(&f->lock);
	sum->planted += f->planted;
	pthread_mutex_unlock(&f->lock);
	if (f->below->ops->stats)
		f->below->ops->stats(f->below, sum);
}

static uint64_t fault_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	struct store *below = ((struct fault *)s)->below;
	return below->ops->cost_ns(below, d, slot, n);
}

static void fault_close(struct store *s)
{
	struct fault *f = (struct fault *)s;
	store_close_inner(f->below);
	pthread_mutex_destroy(&f->lock);
	mem_free(f);
}

static const struct store_ops fault_ops = {
	.name = "fault",
	.summary = "another store, with failures planted: fault:flip=1000,STORE",
	.read = fault_read,
	.write = fault_write,
	.discard = fault_discard,
	.flush = fault_flush,
	.stats = fault_stats,
	.cost_ns = fault_cost_ns,
	.close = fault_close,
};

/* Reads one "key=N," if it is one of ours.  => what follows, NULL: it is none, and the store's spec begins here */
static const char *key_read(struct fault *f, const char *text, enum pw_err *err, struct pw_why *why)
{
	static const char *const keys[] = {
#define X(name) #name,
		FAULT_KEY_LIST(X)
#undef X
	};
	size_t length = strcspn(text, "=,:");
	for (int i = 0; text[length] == '=' && i < FAULT_KEYS; i++) {
		if (strlen(keys[i]) != length || memcmp(keys[i], text, length))
			continue;
		char word[24], what[40] = "store fault: ";
		size_t digits = strcspn(text + length + 1, ",");
		memcpy(word, text + length + 1, digits < sizeof word ? digits : sizeof word - 1);
		word[digits < sizeof word ? digits : sizeof word - 1] = 0;
		strncat(what, keys[i], sizeof what - strlen(what) - 1);
		*err = text_size_option(what, word, &f->of[i], why);
		text += length + 1 + digits;
		return text + (*text == ',');
	}
	return NULL;
}

static enum pw_err fault_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	struct fault planned = { .of = { [FAULT_slow_ns] = 10000000, [FAULT_seed] = 1 } };
	const char *at = spec->args;
	enum pw_err err = PW_OK;
	for (const char *next; !err && (next = key_read(&planned, at, &err, why)); at = next)
		;
	if (!err && !*at)
		err = pw_fail(why, PW_INVALID, "store fault: the store that is to fail is missing; write fault:read_eio=1000,ram");
	if (!err)
		err = store_open_inner(at, like, &planned.below, why);
	struct fault *f = err ? NULL : mem_alloc(sizeof *f);
	if (!f) {
		store_close_inner(planned.below);
		return err ? err : pw_fail(why, PW_NOMEM, "store fault: %s", pw_err_text(PW_NOMEM));
	}
	*f = planned;
	f->store = *f->below;
	f->store.ops = &fault_ops;
	pthread_mutex_init(&f->lock, NULL);
	rng_init(&f->rng, f->of[FAULT_seed]);
	*ret = &f->store;
	return PW_OK;
}

const struct store_kind store_kind_fault = { .ops = &fault_ops, .form = "fault:KEY=N,...,STORE", .open = fault_open };
