/* store.h - slots of bytes, page-sized, below every pager.
 *
 * A store knows slots and latency, no object and no page.  Transfers move real bytes; cost_ns tells how long one takes by the
 * store's model, without moving anything, and advances the model's own state (a disk's head).  A run that carries only addresses
 * calls cost_ns alone.
 *
 * Kinds are named by specs: "ram", "lz4=1G", "file:PATH", "tier:lz4=1G,file:PATH"; store(7) has them all.  Adding one is a line in
 * STORE_LIST and a file.
 *
 * Right bytes or none: every slot has a checksum of what the caller wrote (XXH3), kept in memory and verified by every read, above
 * compression, encryption, tiers and devices.  A slot that does not match is PW_CORRUPT with a line that names slot and store.
 * A slot never written, or discarded, reads as zeros; a page of one repeated 64-bit word is kept as that word by every kind.
 *
 * Threads: any number may transfer, discard, borrow, flush and ask for figures at once, as long as no slot is written or discarded
 * by one while another uses the same slot; reads of one slot may overlap.  Opening, closing and cost_ns want the store alone.
 *
 * In a fault handler: a transfer takes locks of the store (held for short copies, never across a device's read) and at most 32 KiB
 * of stack; it allocates only tables and slabs that grow with use, through mem_reserve, never the heap.  It reads and writes the
 * caller's pages while it holds them: these must not be paged by the caller itself. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_LIST(X) \
	X(ram)        \
	X(lz4)        \
	X(zstd)       \
	X(file)       \
	X(tier)       \
	X(crypt)      \
	X(fault)      \
	X(ssd)        \
	X(hdd)

/* What a store counts: pages unless its name says bytes; "now" figures fall as well as rise. */
#define STORE_STAT_LIST(X) \
	X(pages_read, "pages handed out")                                       \
	X(pages_written, "pages taken")                                         \
	X(pages_discarded, "slots given up while they held something")          \
	X(filled, "now kept as one word")                                       \
	X(stored, "now held by the kind itself")                                \
	X(mismatches, "reads refused because of a checksum")                    \
	X(failures, "transfers that failed for another reason")                 \
	X(memory_bytes, "now held in memory for contents, slack included")      \
	X(packed_bytes, "now the compressed bytes among them")                  \
	X(raw, "now kept as they are because they do not compress")             \
	X(moved, "objects moved to empty a slab")                               \
	X(file_bytes, "now taken in files or on devices")                       \
	X(io_reads, "requests to a device")                                     \
	X(io_writes, "requests to a device")                                    \
	X(io_read_bytes, "bytes they read")                                     \
	X(io_write_bytes, "bytes they wrote")                                   \
	X(cleaned, "pages moved by the cleaner of a log")                       \
	X(reclustered, "pages written anew side by side because they were read so") \
	X(demoted, "pages moved to the slower tier")                            \
	X(dropped, "pages whose copy in the slower tier was still good")        \
	X(promoted, "pages copied back to the faster tier")                     \
	X(planted, "failures planted by fault:")                                \
	X(direct, "files that bypass the page cache")                           \
	X(uring, "files that use io_uring")

struct store_stats {
#define X(name, text) uint64_t name;
	STORE_STAT_LIST(X)
#undef X
};

/* Memory of the host whose pages can change their place instead of being copied. */
struct store_memory {
	void *ctx;
	/* Pages of the range, where nothing is yet, come from now on by fill alone, and go as those of any memory (MADV_DONTNEED).
	 * => false: they come by themselves */
	bool (*claim)(void *ctx, void *at, size_t bytes);
	/* The bytes of n pages go to as many in a row, where nothing is; what the pages hold afterwards is undefined. */
	void (*fill)(void *ctx, void *to, uint32_t n, const void *const pages[]);
};

struct store;
struct door;
enum store_direction { STORE_READ, STORE_WRITE };
enum { STORE_BATCH = 256 }; /* no kind sees more slots than this in one transfer; callers may */

/* What a kind does.  The door has checked slots, found the filled and the absent ones, and verifies what is read. */
struct store_ops {
	const char *name;
	const char *summary; /* one line for --help */
	/* => pages[i] is the bytes of slot[i]; the slots differ; n <= STORE_BATCH.  On error the pages are undefined. */
	enum pw_err (*read)(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why);
	/* => likewise; on error the contents of these slots are lost. */
	enum pw_err (*write)(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why);
	void (*discard)(struct store *s, uint64_t slot, uint32_t n);       /* contents no longer wanted */
	const void *(*borrow)(struct store *s, uint64_t slot);             /* may be NULL, and may answer NULL */
	void (*lend)(struct store *s, const struct store_memory *memory);  /* may be NULL */
	enum pw_err (*flush)(struct store *s, struct pw_why *why);         /* may be NULL */
	void (*stats)(struct store *s, struct store_stats *sum);           /* adds the kind's own figures; may be NULL */
	uint64_t (*cost_ns)(struct store *s, enum store_direction d, uint64_t slot, uint32_t n);
	void (*close)(struct store *s);                                    /* frees s */
};
struct store {
	const struct store_ops *ops;
	uint32_t page_bytes;
	uint64_t n_slots; /* capacity in slots; UINT64_MAX: a model without one */
	bool keeps_data;  /* false: a model only; transfers answer PW_UNSUPPORTED */
	struct door *door;
};

/* Opens a store of a kind named by spec for pages of page_bytes, with at most n_slots slots. */
must_use enum pw_err store_open(const char *spec, uint32_t page_bytes, uint64_t n_slots, struct store **ret, struct pw_why *why);
void store_close(struct store *s);

/* Consecutive slots.  All are moved or the call fails: after a failed read the pages are undefined; after a failed write each slot
 * has its new bytes, or its old ones if the write never came to it, or answers PW_IO until it is written again or discarded.
 * => PW_NOSPACE beyond the capacity, in slots or in bytes; what other slots hold is untouched. */
must_use enum pw_err store_read(struct store *s, uint64_t slot, uint32_t n, void *const pages[], struct pw_why *why);
must_use enum pw_err store_write(struct store *s, uint64_t slot, uint32_t n, const void *const pages[], struct pw_why *why);
/* Slots in any order, no two the same: what a device can serve at once is in flight at once. */
must_use enum pw_err store_read_slots(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why);
must_use enum pw_err store_write_slots(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[],
                                       struct pw_why *why);
/* The slots read as zeros from now on, and what they took is given back. */
void store_discard(struct store *s, uint64_t slot, uint32_t n);
/* The verified bytes of a slot where they lie, without a copy, until the slot is written or discarded.  NULL: read it instead (the
 * store keeps it in another form, or has to say why not). */
const void *store_borrow(struct store *s, uint64_t slot);
/* From now on a store that keeps bytes as they are may take the pages it is given to write, instead of copying them: when a write of at
 * most STORE_BATCH slots has been done, what the pages hold is undefined; when it fails, they are as they were.  NULL: no longer.
 * Again for the child of a fork, where no claim holds.  Nobody uses the store meanwhile; *memory is copied. */
void store_lend(struct store *s, const struct store_memory *memory);
/* A barrier: every write so far has reached its medium, or the error says which did not (its bytes are still there to be read). */
must_use enum pw_err store_flush(struct store *s, struct pw_why *why);
void store_stats(struct store *s, struct store_stats *ret);

/* The i-th kind of the list, NULL past its end: for help and tests. */
const struct store_ops *store_at(unsigned i);
