/* kind.h - how a kind of store is made, for the files of this room. */
#pragma once
#include "slots.h"
#include "store.h"
#include <stddef.h>

struct store_spec {
	const char *text;   /* as given */
	uint64_t capacity;  /* of "NAME=SIZE", 0: none given */
	const char *args;   /* what follows "NAME:" or "NAME=SIZE:", or "" */
};
struct store_kind {
	const struct store_ops *ops;
	const char *form;   /* how its spec is written */
	bool sized;         /* NAME=SIZE makes sense */
	/* like holds page_bytes and n_slots. */
	enum pw_err (*open)(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why);
};

#define X(name) extern const struct store_kind store_kind_##name;
STORE_LIST(X)
#undef X

/* A store below another: no door of its own, so its transfers go straight to its ops, in batches of at most STORE_BATCH. */
must_use enum pw_err store_open_inner(const char *spec, const struct store *like, struct store **ret, struct pw_why *why);
void store_close_inner(struct store *s);
/* What a kind that keeps bytes starts from: *like with ops, at most STORE_SLOTS_MAX slots, keeps_data. */
struct store store_of_kind(const struct store *like, const struct store_ops *ops);

/* read, write and discard of a model that keeps no bytes. */
enum pw_err store_model_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why);
enum pw_err store_model_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why);
void store_model_discard(struct store *s, uint64_t slot, uint32_t n);
/* Reads "key=value,..." into what key names.  known lists the keys for the message. */
struct store_param {
	const char *key;
	uint64_t *value;
};
enum pw_err store_params(const char *kind, const char *args, const struct store_param *param, unsigned n, struct pw_why *why);
/* Nanoseconds to move n pages of page_bytes at this rate, rounded up.  => bytes_per_s > 0 */
uint64_t store_transfer_ns(const struct store *s, uint32_t n, uint64_t bytes_per_s);

/* The door: what every kind has above it. */
enum pw_err door_open(struct store *s, const char *spec, struct pw_why *why);
void door_close(struct store *s);
