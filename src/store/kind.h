/* kind.h - how a kind of store is made, for the files of this room. */
#pragma once
#include "store.h"

struct store_kind {
	const struct store_ops *ops;
	const char *form;     /* how its spec is written */
	/* args is what follows "name:", or "".  like holds page_bytes and n_slots. */
	enum pw_err (*open)(const char *args, const struct store *like, struct store **ret, struct pw_why *why);
};

#define X(name) extern const struct store_kind store_kind_##name;
STORE_LIST(X)
#undef X

/* read, write and discard of a model that keeps no bytes. */
enum pw_err store_model_read(struct store *s, uint64_t slot, uint32_t n, void *const pages[], struct pw_why *why);
enum pw_err store_model_write(struct store *s, uint64_t slot, uint32_t n, const void *const pages[], struct pw_why *why);
void store_model_discard(struct store *s, uint64_t slot, uint32_t n);
/* Reads "key=value,..." into what key names.  known lists the keys for the message. */
struct store_param {
	const char *key;
	uint64_t *value;
};
enum pw_err store_params(const char *kind, const char *args, const struct store_param *param, unsigned n, struct pw_why *why);
/* Nanoseconds to move n pages of page_bytes at this rate, rounded up.  => bytes_per_s > 0 */
uint64_t store_transfer_ns(const struct store *s, uint32_t n, uint64_t bytes_per_s);
