/* api_parts.c - policies and stores of the caller's, made to look like ours.
 *
 * Problem: the kernel trusts its policy and its store; a caller's may be wrong, and must not be able to break the kernel by it.
 *
 * Idea: keep beside the caller's policy which slots are in.  A victim that is not in, or may not go now, is not believed: the first
 * page that may go is taken instead, and the policy is told that it left.  What a store answers other than 0 is an I/O error, which
 * the kernel knows how to live with.
 *
 * 1. A caller's policy is told of each page's coming and going exactly once, whoever chose it. */
#include "api.h"
#include "../store/custom.h"

/* ---- policies ---- */

struct slot_note {
	uint64_t key;
	bool in;
};

struct custom {
	const struct policy_env *env;
	struct api_policy *policy;
	uint32_t n_slots, n_in, hand;
	struct slot_note slot[];
};

static size_t custom_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct custom) + (size_t)n_slots * sizeof(struct slot_note);
}

static void custom_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct custom *c = self;
	struct api_policy *p = env->custom;
	c->env = env;
	c->policy = p;
	c->n_slots = n_slots;
	p->state = p->theirs->create(p->theirs->ctx, n_slots);
	p->failed = !p->state;
}

static void custom_enter(void *self, uint32_t slot, uint64_t key)
{
	struct custom *c = self;
	c->slot[slot] = (struct slot_note){ key, true };
	c->n_in++;
	c->policy->theirs->enter(c->policy->state, slot, key);
}

static void custom_touch(void *self, uint32_t slot)
{
	struct custom *c = self;
	if (c->slot[slot].in)
		c->policy->theirs->touch(c->policy->state, slot);
}

static void custom_leave(void *self, uint32_t slot)
{
	struct custom *c = self;
	c->slot[slot].in = false;
	c->n_in--;
	c->policy->theirs->leave(c->policy->state, slot);
}

/* The first page that may go, from a hand that moves on. */
static uint32_t custom_any(struct custom *c)
{
	for (uint32_t i = 0; i < c->n_slots; i++) {
		uint32_t slot = c->hand;
		c->hand = c->hand + 1 < c->n_slots ? c->hand + 1 : 0;
		if (c->slot[slot].in && policy_may_evict(c->env, slot)) {
			custom_leave(c, slot);
			return slot;
		}
	}
	return POLICY_SLOT_NONE;
}

static uint32_t custom_victim(void *self)
{
	struct custom *c = self;
	if (!c->n_in)
		return POLICY_SLOT_NONE;
	uint32_t slot = c->policy->theirs->victim(c->policy->state);
	bool known = slot < c->n_slots && c->slot[slot].in;
	if (known && policy_may_evict(c->env, slot)) {
		c->slot[slot].in = false;
		c->n_in--;
		return slot;
	}
	if (known)
		c->policy->theirs->enter(c->policy->state, slot, c->slot[slot].key); /* it forgot a page that stays */
	else
		c->policy->wrong_victims++;
	return custom_any(c);
}

static const char *custom_flaw(const void *self)
{
	const struct custom *c = self;
	uint32_t n = 0;
	for (uint32_t i = 0; i < c->n_slots; i++)
		n += c->slot[i].in;
	return n == c->n_in ? NULL : "custom policy: the pages that are in were miscounted";
}

void api_policy_init(struct api_policy *p, const struct pw_policy *theirs)
{
	*p = (struct api_policy){
		.theirs = theirs,
		.ops = {
			.name = theirs->name ? theirs->name : "custom", .paper = "the caller's", .variant = "a policy of the caller's own",
			.sees = theirs->touch ? POLICY_SEES_RECENCY : POLICY_SEES_NOTHING, .bytes = custom_bytes, .init = custom_init,
			.enter = custom_enter, .touch = theirs->touch ? custom_touch : NULL, .victim = custom_victim, .leave = custom_leave,
			.flaw = custom_flaw,
		},
	};
}

void api_policy_fini(struct api_policy *p)
{
	if (p->state && p->theirs->destroy)
		p->theirs->destroy(p->state);
	p->state = NULL;
}

/* ---- stores ---- */

enum pw_err api_store_open(const struct pw_store *theirs, uint32_t page_bytes, struct store **ret, struct pw_why *why)
{
	const struct store_custom c = { .ctx = theirs->ctx, .read = theirs->read, .write = theirs->write, .discard = theirs->discard };
	if (!theirs->read || !theirs->write)
		return pw_fail(why, PW_INVALID, "a store must be able to read and to write");
	return store_custom_open(&c, page_bytes, theirs->n_slots ? theirs->n_slots : UINT64_MAX, ret, why);
}
