/* ram.c - slots in the memory of the host.
 *
 * Problem: tests, the library and machines that compress or lend memory want a swap place without a device.
 * Idea: an array of pointers to pages, grown by doubling; a slot costs a page only while it holds something.
 *
 * 1. page[i] is NULL for a slot never written or discarded: it reads as zeros.
 * 2. A write that fails for lack of memory leaves pages of the host in some slots and zeros in others, as the contract allows.
 * Its time is that of copying memory at bytes_per_s. */
#include "../base/mem.h"
#include "kind.h"
#include <string.h>

struct ram {
	struct store store;
	uint8_t **page;
	uint64_t n_pages;
	uint64_t bytes_per_s;
};

static enum pw_err ram_grow(struct ram *r, uint64_t to)
{
	if (to <= r->n_pages)
		return PW_OK;
	uint64_t n = r->n_pages ? r->n_pages : 64;
	while (n < to)
		n *= 2;
	uint8_t **page = mem_realloc(r->page, n, sizeof *page);
	if (!page)
		return PW_NOMEM;
	memset(page + r->n_pages, 0, (n - r->n_pages) * sizeof *page);
	r->page = page;
	r->n_pages = n;
	return PW_OK;
}

static enum pw_err ram_read(struct store *s, uint64_t slot, uint32_t n, void *const pages[], struct pw_why *why)
{
	struct ram *r = (struct ram *)s;
	(void)why;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *from = slot + i < r->n_pages ? r->page[slot + i] : NULL;
		if (from)
			memcpy(pages[i], from, s->page_bytes);
		else
			memset(pages[i], 0, s->page_bytes);
	}
	return PW_OK;
}

static enum pw_err ram_write(struct store *s, uint64_t slot, uint32_t n, const void *const pages[], struct pw_why *why)
{
	struct ram *r = (struct ram *)s;
	enum pw_err err = ram_grow(r, slot + n);
	for (uint32_t i = 0; !err && i < n; i++) {
		uint8_t **to = &r->page[slot + i];
		if (!*to)
			*to = mem_alloc(s->page_bytes);
		if (*to)
			memcpy(*to, pages[i], s->page_bytes);
		else
			err = PW_NOMEM;
	}
	return err ? pw_fail(why, err, "store ram: slot %llu: %s", (unsigned long long)slot, pw_err_text(err)) : PW_OK;
}

static void ram_discard(struct store *s, uint64_t slot, uint32_t n)
{
	struct ram *r = (struct ram *)s;
	for (uint64_t i = slot; i < slot + n && i < r->n_pages; i++) {
		mem_free(r->page[i]);
		r->page[i] = NULL;
	}
}

static uint64_t ram_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	(void)d, (void)slot;
	return store_transfer_ns(s, n, ((struct ram *)s)->bytes_per_s);
}

static void ram_close(struct store *s)
{
	struct ram *r = (struct ram *)s;
	for (uint64_t i = 0; i < r->n_pages; i++)
		mem_free(r->page[i]);
	mem_free(r->page);
	mem_free(r);
}

static const struct store_ops ram_ops = {
	.name = "ram",
	.summary = "memory of this computer, at the speed of a copy",
	.read = ram_read,
	.write = ram_write,
	.discard = ram_discard,
	.cost_ns = ram_cost_ns,
	.close = ram_close,
};

static enum pw_err ram_open(const char *args, const struct store *like, struct store **ret, struct pw_why *why)
{
	uint64_t bytes_per_s = 8ull << 30;
	const struct store_param param[] = { { "bytes_per_s", &bytes_per_s } };
	enum pw_err err = store_params("ram", args, param, 1, why);
	struct ram *r = err ? NULL : mem_zalloc(1, sizeof *r);
	if (!r)
		return err ? err : pw_fail(why, PW_NOMEM, "store ram: %s", pw_err_text(PW_NOMEM));
	r->store = *like;
	r->store.ops = &ram_ops;
	r->store.keeps_data = true;
	r->bytes_per_s = bytes_per_s;
	*ret = &r->store;
	return PW_OK;
}

const struct store_kind store_kind_ram = { .ops = &ram_ops, .form = "ram", .open = ram_open };
