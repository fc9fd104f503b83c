/* custom.h - a store whose slots somebody else keeps: a pager from outside, by two or three functions. */
#pragma once
#include "store.h"
#include <stddef.h>

/* What they answer other than 0 is an errno value. */
struct store_custom {
	void *ctx;
	int (*read)(void *ctx, uint64_t slot, void *page, size_t bytes);
	int (*write)(void *ctx, uint64_t slot, const void *page, size_t bytes);
	void (*discard)(void *ctx, uint64_t slot); /* NULL: no matter */
};

/* => PW_NOMEM */
must_use enum pw_err store_custom_open(const struct store_custom *c, uint32_t page_bytes, uint64_t n_slots, struct store **ret,
                                       struct pw_why *why);
