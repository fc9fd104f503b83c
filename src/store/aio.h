/* aio.h - transfers of one file, many in flight.
 *
 * Through io_uring where the host allows it, otherwise by preadv and pwritev one after another; callers see no difference but time.
 * Transfers that move only a part are continued, interrupted ones repeated; a read beyond the end gives zeros.  Bypasses the page
 * cache when the file was opened so, and stops doing so when the host refuses that. */
#pragma once
#include "lane.h"
#include "store.h"
#include <sys/uio.h>

/* A transfer of a contiguous part of the file. */
struct aio_op {
	bool write;
	uint64_t offset;
	struct iovec *vector; /* both are used up while the transfer goes on */
	uint32_t n_vectors;
	int error;            /* 0, or an errno */
	bool pending;
};

struct aio;
/* What one thread has in its hands: a queue of the host, and room for the transfers of a batch, which is too much for a stack. */
struct aio_lane;
struct aio_batch {
	struct aio_op op[STORE_BATCH];
	struct iovec vector[STORE_BATCH];
	uint32_t first[STORE_BATCH];
	uint8_t *bounce; /* STORE_BATCH pages, aligned */
};

enum { AIO_ALIGN = 4096 }; /* addresses, offsets and lengths are multiples of it while the file is direct */

/* => owns fd, also on failure; PW_NOMEM */
enum pw_err aio_create(int fd, bool direct, uint32_t page_bytes, struct aio **ret);
void aio_destroy(struct aio *a); /* => nothing is pending; closes fd */
int aio_fd(const struct aio *a);
bool aio_is_direct(const struct aio *a);

struct aio_lane *aio_enter(struct aio *a);
struct aio_batch *aio_batch(struct aio_lane *lane);
void aio_leave(struct aio_lane *lane);
/* Makes every transfer and waits for all.  => each op's error; false when any has one */
bool aio_run(struct aio *a, struct aio_lane *lane, struct aio_op *op, uint32_t n);

/* Begins a transfer on the lane that writes behind, and ends one.  => callers take turns */
void aio_begin(struct aio *a, struct aio_op *op);
bool aio_is_done(struct aio *a, struct aio_op *op); /* without waiting */
void aio_finish(struct aio *a, struct aio_op *op);
void aio_stats(const struct aio *a, struct store_stats *sum);
