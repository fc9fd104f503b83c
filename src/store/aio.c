/* aio.c - transfers of one file, many in flight.
 *
 * Problem: a device serves 64 requests at once ten times as fast as one by one, and the host's interface for that may be missing,
 * forbidden in a container, or refuse a file system.
 * Idea: one way in, two ways out.  A transfer is a small record whose vector is shortened as its parts arrive, so continuing a short
 * transfer is the same as beginning one.  Threads read through lanes, each a queue of its own; writes behind have one more.
 *
 * 1. The bytes of a transfer with error 0 have all been moved.
 * 2. In direct mode a transfer is continued at a multiple of AIO_ALIGN, so a part of a block is moved again.
 * 3. A lane's queue is empty whenever nobody has the lane.
 * Rejected: registered buffers and files, polling, deferred work (measured: no gain at these sizes), a thread that writes. */
#include "aio.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH = 64, TRIES_MAX = 64 };

struct aio_lane {
	struct lane lane;
	struct io_uring ring;
	bool has_ring;
	struct aio_batch batch;
};
struct aio {
	int fd;
	bool direct;
	struct aio_lane lane[LANES], behind;
	uint8_t *bounce;
	size_t bounce_bytes;
	uint64_t n[2], bytes[2]; /* by direction */
};

static void lane_open(struct aio_lane *l)
{
	lane_init(&l->lane);
	l->has_ring = !io_uring_queue_init(DEPTH, &l->ring, 0);
}

static void lane_close(struct aio_lane *l)
{
	if (l->has_ring)
		io_uring_queue_exit(&l->ring);
	lane_fini(&l->lane);
}

enum pw_err aio_create(int fd, bool direct, uint32_t page_bytes, struct aio **ret)
{
	struct aio *a = mem_zalloc(1, sizeof *a);
	size_t bytes = (size_t)STORE_BATCH * page_bytes;
	uint8_t *bounce = a ? mem_reserve(LANES * bytes) : NULL;
	if (!bounce) {
		mem_free(a);
		close(fd);
		return PW_NOMEM;
	}
	a->fd = fd;
	a->direct = direct;
	a->bounce = bounce;
	a->bounce_bytes = LANES * bytes;
	for (size_t i = 0; i < LANES; i++) {
		lane_open(&a->lane[i]);
		a->lane[i].batch.bounce = bounce + i * bytes;
	}
	lane_open(&a->behind);
	*ret = a;
	return PW_OK;
}

void aio_destroy(struct aio *a)
{
	if (!a)
		return;
	for (int i = 0; i < LANES; i++)
		lane_close(&a->lane[i]);
	lane_close(&a->behind);
	mem_unreserve(a->bounce, a->bounce_bytes);
	close(a->fd);
	mem_free(a);
}

int aio_fd(const struct aio *a) { return a->fd; }
bool aio_is_direct(const struct aio *a) { return __atomic_load_n(&a->direct, __ATOMIC_RELAXED); }

struct aio_lane *aio_enter(struct aio *a)
{
	struct lane *all[LANES];
	for (int i = 0; i < LANES; i++)
		all[i] = &a->lane[i].lane;
	return (struct aio_lane *)lane_take(all);
}

struct aio_batch *aio_batch(struct aio_lane *lane) { return &lane->batch; }

void aio_leave(struct aio_lane *lane)
{
	lane_leave(&lane->lane);
}

/* The first bytes of the vector are done. */
static void op_advance(struct aio_op *op, uint64_t bytes)
{
	op->offset += bytes;
	while (op->n_vectors && bytes >= op->vector->iov_len) {
		bytes -= op->vector->iov_len;
		op->vector++;
		op->n_vectors--;
	}
	if (op->n_vectors) {
		op->vector->iov_base = (uint8_t *)op->vector->iov_base + bytes;
		op->vector->iov_len -= bytes;
	}
}

static void op_zero(struct aio_op *op)
{
	for (uint32_t i = 0; i < op->n_vectors; i++)
		memset(op->vector[i].iov_base, 0, op->vector[i].iov_len);
	op->n_vectors = 0;
}

/* The host does not take this file's transfers around its cache after all. */
static bool direct_end(struct aio *a)
{
	int flags = fcntl(a->fd, F_GETFL);
	if (!aio_is_direct(a) || flags < 0 || fcntl(a->fd, F_SETFL, flags & ~O_DIRECT))
		return false;
	__atomic_store_n(&a->direct, false, __ATOMIC_RELAXED);
	return true;
}

/* Takes in what the host answered: bytes, or a negative errno.  => the transfer is over */
static bool op_take(struct aio *a, struct aio_op *op, int64_t got)
{
	if (got == -EINTR || got == -EAGAIN || (got == -EINVAL && direct_end(a)))
		return false;
	if (got < 0 || (got == 0 && op->write)) {
		op->error = got < 0 ? (int)-got : ENOSPC;
		return true;
	}
	if (got == 0) {
		op_zero(op);
		return true;
	}
	__atomic_fetch_add(&a->bytes[op->write], (uint64_t)got, __ATOMIC_RELAXED);
	uint64_t bytes = (uint64_t)got, asked = 0;
	for (uint32_t i = 0; i < op->n_vectors; i++)
		asked += op->vector[i].iov_len;
	if (bytes < asked && bytes >= AIO_ALIGN && aio_is_direct(a))
		bytes &= ~(uint64_t)(AIO_ALIGN - 1);
	op_advance(op, bytes);
	return !op->n_vectors;
}

/* How many of its vectors go into one request; fewer when a short transfer is to be tested. */
static uint32_t op_width(const struct aio_op *op)
{
	return op->n_vectors > 1 && inject(INJECT_STORE_SHORT) ? op->n_vectors / 2 : op->n_vectors;
}

static bool op_refused(struct aio *a, struct aio_op *op)
{
	__atomic_fetch_add(&a->n[op->write], 1, __ATOMIC_RELAXED);
	op->error = inject(INJECT_STORE_DEVICE) ? EIO : 0;
	op->pending = !op->error;
	return op->error;
}

static void op_run_plainly(struct aio *a, struct aio_op *op)
{
	int64_t got;
	do {
		got = op->write ? pwritev(a->fd, op->vector, (int)op_width(op), (off_t)op->offset)
		                : preadv(a->fd, op->vector, (int)op_width(op), (off_t)op->offset);
	} while (!op_take(a, op, got < 0 ? -errno : got));
	op->pending = false;
}

/* => there is room in the queue */
static void op_queue(struct aio *a, struct aio_lane *l, struct aio_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);
	if (op->write)
		io_uring_prep_writev(sqe, a->fd, op->vector, op_width(op), op->offset);
	else
		io_uring_prep_readv(sqe, a->fd, op->vector, op_width(op), op->offset);
	io_uring_sqe_set_data(sqe, op);
}

/* Takes in every answer that is there, queueing again what is not over.  => transfers that are over */
static uint32_t lane_reap(struct aio *a, struct aio_lane *l)
{
	struct io_uring_cqe *cqe;
	uint32_t over = 0;
	while (!io_uring_peek_cqe(&l->ring, &cqe)) {
		struct aio_op *op = io_uring_cqe_get_data(cqe);
		bool ended = op_take(a, op, cqe->res);
		io_uring_cqe_seen(&l->ring, cqe);
		if (ended)
			op->pending = false;
		else
			op_queue(a, l, op);
		over += ended;
	}
	return over;
}

/* => false: the queue itself fails, and what is in it can neither be waited for nor trusted */
static bool submit(struct aio_lane *l, uint32_t wait)
{
	int got = 0;
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		got = io_uring_submit_and_wait(&l->ring, wait);
		if (got != -EINTR && got != -EAGAIN && got != -EBUSY)
			break;
	}
	return got >= 0;
}

static void ring_give_up(struct aio_lane *l, struct aio_op *op, uint32_t n)
{
	l->has_ring = false; /* left open: the host may still be at work in it */
	for (uint32_t i = 0; i < n; i++) {
		if (op[i].pending)
			op[i].error = EIO;
		op[i].pending = false;
	}
}

static void ring_run(struct aio *a, struct aio_lane *l, struct aio_op *op, uint32_t n)
{
	uint32_t next = 0, flying = 0;
	while (next < n || flying) {
		for (; next < n && flying < DEPTH; next++) {
			if (op_refused(a, &op[next]))
				continue;
			op_queue(a, l, &op[next]);
			flying++;
		}
		if (!flying)
			break;
		if (!submit(l, next < n ? (flying + 1) / 2 : flying)) {
			ring_give_up(l, op, n);
			return;
		}
		flying -= lane_reap(a, l);
	}
}

bool aio_run(struct aio *a, struct aio_lane *lane, struct aio_op *op, uint32_t n)
{
	bool ok = true;
	if (lane->has_ring && n > 1) {
		ring_run(a, lane, op, n);
	} else {
		for (uint32_t i = 0; i < n; i++) {
			if (!op_refused(a, &op[i]))
				op_run_plainly(a, &op[i]);
		}
	}
	for (uint32_t i = 0; i < n; i++)
		ok = ok && !op[i].error;
	return ok;
}

void aio_begin(struct aio *a, struct aio_op *op)
{
	if (op_refused(a, op))
		return;
	if (!a->behind.has_ring) {
		op_run_plainly(a, op);
		return;
	}
	op_queue(a, &a->behind, op);
	if (!submit(&a->behind, 0))
		ring_give_up(&a->behind, op, 1);
}

bool aio_is_done(struct aio *a, struct aio_op *op)
{
	if (op->pending) {
		lane_reap(a, &a->behind);
		if (io_uring_sq_ready(&a->behind.ring) && !submit(&a->behind, 0)) /* parts of short ones were queued again */
			ring_give_up(&a->behind, op, 1);
	}
	return !op->pending;
}

void aio_finish(struct aio *a, struct aio_op *op)
{
	while (op->pending) {
		if (!submit(&a->behind, 1))
			ring_give_up(&a->behind, op, 1);
		else
			lane_reap(a, &a->behind);
	}
}

void aio_stats(const struct aio *a, struct store_stats *sum)
{
	sum->io_reads += __atomic_load_n(&a->n[0], __ATOMIC_RELAXED);
	sum->io_writes += __atomic_load_n(&a->n[1], __ATOMIC_RELAXED);
	sum->io_read_bytes += __atomic_load_n(&a->bytes[0], __ATOMIC_RELAXED);
	sum->io_write_bytes += __atomic_load_n(&a->bytes[1], __ATOMIC_RELAXED);
	sum->direct += aio_is_direct(a);
	sum->uring += a->behind.has_ring;
}
