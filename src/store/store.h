/* store.h - slots of bytes, page-sized, below every pager.
 *
 * A store knows slots and latency, no object and no page.  read and write move real bytes; cost_ns tells how long a transfer
 * takes by the store's model, without moving anything, and advances the model's own state (a disk's head).  A run that carries
 * only addresses calls cost_ns alone.
 *
 * Kinds are named by specs: "ram", "file:PATH", "ssd", "hdd".  Adding one is a line in STORE_LIST and a file. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define STORE_LIST(X) \
	X(ram)        \
	X(file)       \
	X(ssd)        \
	X(hdd)

struct store;
enum store_direction { STORE_READ, STORE_WRITE };

struct store_ops {
	const char *name;
	const char *summary; /* one line for --help */
	/* => pages[i] is one slot's bytes; all n or none: on error the contents of pages (read) or slots (write) are undefined. */
	enum pw_err (*read)(struct store *s, uint64_t slot, uint32_t n, void *const pages[], struct pw_why *why);
	enum pw_err (*write)(struct store *s, uint64_t slot, uint32_t n, const void *const pages[], struct pw_why *why);
	void (*discard)(struct store *s, uint64_t slot, uint32_t n); /* contents no longer wanted */
	uint64_t (*cost_ns)(struct store *s, enum store_direction d, uint64_t slot, uint32_t n);
	void (*close)(struct store *s);                              /* frees s */
};
struct store {
	const struct store_ops *ops;
	uint32_t page_bytes;
	uint64_t n_slots; /* capacity; UINT64_MAX: grows as needed */
	bool keeps_data;  /* false: a model only; read and write answer PW_UNSUPPORTED */
};

/* Opens a store of a kind named by spec for pages of page_bytes. */
must_use enum pw_err store_open(const char *spec, uint32_t page_bytes, uint64_t n_slots, struct store **ret, struct pw_why *why);
void store_close(struct store *s);

/* How every caller moves bytes: as ops->read and ops->write, but a failure can be injected, and slots beyond the capacity are
 * refused with PW_NOSPACE.  => as there. */
must_use enum pw_err store_read(struct store *s, uint64_t slot, uint32_t n, void *const pages[], struct pw_why *why);
must_use enum pw_err store_write(struct store *s, uint64_t slot, uint32_t n, const void *const pages[], struct pw_why *why);

/* The i-th kind of the list, NULL past its end: for help and tests. */
const struct store_ops *store_at(unsigned i);
