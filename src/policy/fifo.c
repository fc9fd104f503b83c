/* fifo.c - first in, first out.
 *
 * Problem: choose a victim knowing nothing but the order of arrival.
 * Idea: a queue.  It is the baseline every other policy must beat, and the one that shows Belady's anomaly: more memory can
 * give more faults, because the pages that n frames hold need not be among those that n + 1 frames hold.
 *
 * 1. The ring is in order of arrival; the oldest that may go is the victim.
 * Source: L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5 (1966). */
#include "drive.h"
#include "ring.h"

struct fifo {
	const struct policy_env *env;
	struct ring ring;
	struct ring_link link[];
};

static size_t fifo_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct fifo) + ring_bytes(n_slots);
}

static void fifo_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct fifo *f = self;
	f->env = env;
	ring_init(&f->ring, f->link, n_slots);
}

static void fifo_enter(void *self, uint32_t slot, uint64_t key)
{
	(void)key;
	ring_push_back(&((struct fifo *)self)->ring, slot);
}

static uint32_t fifo_victim(void *self)
{
	struct fifo *f = self;
	return ring_take_first(&f->ring, f->env);
}

static void fifo_leave(void *self, uint32_t slot)
{
	ring_remove(&((struct fifo *)self)->ring, slot);
}

static const char *fifo_flaw(const void *self)
{
	return ring_flaw(&((const struct fifo *)self)->ring);
}

POLICY_DRIVE_DECLARE(fifo)
const struct policy_ops policy_fifo = {
	.name = "fifo",
	.paper = "L. A. Belady, 1966",
	.variant = "the page that came in first leaves first, whether used since or not",
	.sees = POLICY_SEES_NOTHING,
	.bytes = fifo_bytes,
	.init = fifo_init,
	.enter = fifo_enter,
	.victim = fifo_victim,
	.leave = fifo_leave,
	.flaw = fifo_flaw,
	.drive = fifo_drive,
};
POLICY_DRIVE(fifo)
