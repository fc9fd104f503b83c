/* custom.c - slots that somebody else keeps.
 *
 * Problem: a program wants its pages to go where it says: over a network, into a database, into its own cache.
 * Idea: a page at a time, through functions that know nothing of stores.  Its time is not modelled: it is what it is. */
#include "custom.h"
#include "../base/mem.h"
#include "kind.h"
#include <string.h>

struct custom {
	struct store store;
	struct store_custom theirs;
};

static enum pw_err custom_failed(const char *verb, uint64_t slot, int error, struct pw_why *why)
{
	return pw_fail(why, PW_IO, "store: %s slot %llu: %s", verb, (unsigned long long)slot, strerror(error));
}

static enum pw_err custom_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	const struct store_custom *t = &((struct custom *)s)->theirs;
	for (uint32_t i = 0; i < n; i++) {
		int error = t->read(t->ctx, slot[i], pages[i], s->page_bytes);
		if (error)
			return custom_failed("reading", slot[i], error, why);
	}
	return PW_OK;
}

static enum pw_err custom_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	const struct store_custom *t = &((struct custom *)s)->theirs;
	for (uint32_t i = 0; i < n; i++) {
		int error = t->write(t->ctx, slot[i], pages[i], s->page_bytes);
		if (error)
			return custom_failed("writing", slot[i], error, why);
	}
	return PW_OK;
}

static void custom_discard(struct store *s, uint64_t slot, uint32_t n)
{
	const struct store_custom *t = &((struct custom *)s)->theirs;
	for (uint32_t i = 0; t->discard && i < n; i++)
		t->discard(t->ctx, slot + i);
}

static uint64_t custom_cost(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	(void)s, (void)d, (void)slot, (void)n;
	return 0;
}

static void custom_close(struct store *s) { mem_free(s); }

static const struct store_ops custom_ops = {
	.name = "custom", .summary = "slots that somebody else keeps", .read = custom_read, .write = custom_write,
	.discard = custom_discard, .cost_ns = custom_cost, .close = custom_close,
};

enum pw_err store_custom_open(const struct store_custom *c, uint32_t page_bytes, uint64_t n_slots, struct store **ret,
                              struct pw_why *why)
{
	const struct store like = { .page_bytes = page_bytes, .n_slots = n_slots };
	struct custom *s = mem_zalloc(1, sizeof *s);
	*ret = NULL;
	if (!s)
		return pw_fail(why, PW_NOMEM, "out of memory for a store");
	s->store = store_of_kind(&like, &custom_ops);
	s->theirs = *c;
	enum pw_err err = door_open(&s->store, "custom", why);
	if (err)
		custom_close(&s->store);
	else
		*ret = &s->store;
	return err;
}
