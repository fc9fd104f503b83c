/* pff.c - page fault frequency: the resident set shrinks when faults are rare.
 *
 * Problem: working sets need a time for each page; how often a program faults is seen for nothing.
 * Idea: at each fault look at how long ago the one before was.  Less than the interval: the program needs more, so the page is
 * added.  Longer: every page not used since the bits were last cleared leaves, and the bits of the others are cleared.
 *
 * 1. The ring is in order of arrival.  A sweep goes along it once, at the fault that began it, and passes the newcomer over.
 * 2. arrived[slot]: the page came in since the bits were last cleared, which counts as used.
 * 3. Frames are an upper bound: where it is reached, the first page in order of arrival that was not used leaves.
 * Time is counted in references of all programs together.
 * Source: W. W. Chu, H. Opderbeck, "The page fault frequency replacement algorithm", AFIPS FJCC (1972). */
#include "drive.h"
#include "ghost.h"
#include "ring.h"

struct pff {
	const struct policy_env *env;
	struct ring ring;
	struct ring_link *link;
	uint8_t *arrived;
	uint64_t interval, last_fault;
	uint32_t newcomer, at;   /* of the sweep: whom it spares, where it is; at is the ring's head when there is none */
};

static const struct policy_param pff_param[] = {
	{ "interval", POLICY_COUNT, 1 << 16, 1, 1e15, "references between faults from which on memory is given back" },
	{ 0 },
};

static size_t pff_layout(struct pff *f, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *f + 15) & ~15ul };
	f->link = block_take(&b, (size_t)n + 1, sizeof *f->link);
	f->arrived = block_take(&b, n, 1);
	return b.used;
}

static size_t pff_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct pff f;
	(void)p;
	return pff_layout(&f, NULL, n_slots);
}

static void pff_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct pff *f = self;
	pff_layout(f, self, n_slots);
	f->env = env;
	f->interval = (uint64_t)env->params.value[0];
	ring_init(&f->ring, f->link, n_slots);
	f->at = f->ring.head;
}

static void pff_enter(void *self, uint32_t slot, uint64_t key)
{
	struct pff *f = self;
	uint64_t now = f->env->now, since = now - f->last_fault;
	(void)key;
	f->last_fault = now;
	f->arrived[slot] = true;
	ring_push_back(&f->ring, slot);
	f->newcomer = slot;
	f->at = since >= f->interval ? ring_first(&f->ring) : f->ring.head;
}

static void pff_leave(void *self, uint32_t slot)
{
	struct pff *f = self;
	if (f->at == slot)
		f->at = ring_next(&f->ring, slot);
	ring_remove(&f->ring, slot);
}

static bool pff_used(struct pff *f, uint32_t slot)
{
	bool used = policy_was_used(f->env, slot) || f->arrived[slot];
	f->arrived[slot] = false;
	return used;
}

static uint32_t pff_wake(void *self)
{
	struct pff *f = self;
	while (f->at != f->ring.head) {
		uint32_t slot = f->at;
		f->at = ring_next(&f->ring, slot);
		if (slot == f->newcomer || !policy_may_evict(f->env, slot) || pff_used(f, slot))
			continue;
		ring_remove(&f->ring, slot);
		return slot;
	}
	return POLICY_SLOT_NONE;
}

/* When nobody is unused, the bits that were cleared in looking stay so: the first in order leaves. */
static uint32_t pff_victim(void *self)
{
	struct pff *f = self;
	uint32_t first = ring_first_evictable(&f->ring, f->env);
	for (uint32_t s = ring_first(&f->ring); s != f->ring.head; s = ring_next(&f->ring, s)) {
		if (!policy_may_evict(f->env, s) || pff_used(f, s))
			continue;
		first = s;
		break;
	}
	if (first != POLICY_SLOT_NONE)
		pff_leave(f, first);
	return first;
}

static const char *pff_flaw(const void *self)
{
	const struct pff *f = self;
	return ring_has(&f->ring, f->at) ? ring_flaw(&f->ring) : "pff: the sweep is at a slot that is not in use";
}

POLICY_DRIVE_DECLARE(pff)
const struct policy_ops policy_pff = {
	.name = "pff",
	.paper = "W. W. Chu and H. Opderbeck, 1972",
	.variant = "bits are cleared when the set shrinks; arrival counts as use; frames are an upper bound",
	.sees = POLICY_SEES_BITS,
	.timed = true,
	.variable = true,
	.param = pff_param,
	.bytes = pff_bytes,
	.init = pff_init,
	.enter = pff_enter,
	.victim = pff_victim,
	.leave = pff_leave,
	.wake = pff_wake,
	.flaw = pff_flaw,
	.drive = pff_drive,
};
POLICY_DRIVE(pff)
