/* policy_test.c - laws of every policy in the list, by itself: no kernel, only slots and keys. */
#include "../src/base/rng.h"
#include "../src/policy/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SLOTS = 37, KEYS = 90, STEPS = 20000 };

/* A driver with opinions: some slots may not go, bits are set at random, the future is a function of the key and time. */
struct driver {
	const struct policy_ops *ops;
	struct policy_env env;
	void *self;
	uint32_t n_slots;
	bool in[SLOTS], pinned[SLOTS], bit[SLOTS];
	uint64_t key[SLOTS];
	uint64_t entered[SLOTS], used[SLOTS]; /* when */
	uint64_t now;
	uint64_t seed;
};

static bool driver_bit(void *ctx, uint32_t slot)
{
	struct driver *d = ctx;
	bool was = d->bit[slot];
	assert_true(slot < d->n_slots && d->in[slot]);
	d->bit[slot] = false;
	return was;
}

static bool driver_may(void *ctx, uint32_t slot)
{
	struct driver *d = ctx;
	assert_true(slot < d->n_slots && d->in[slot]);
	return !d->pinned[slot];
}

static uint64_t driver_next(void *ctx, uint64_t key)
{
	const struct driver *d = ctx;
	return key % 7 ? d->now + key * 13 % 101 : POLICY_NEVER;
}

static bool driver_modified(void *ctx, uint32_t slot);

static void driver_open(struct driver *d, const struct policy_ops *ops, uint32_t n_slots, uint64_t seed)
{
	*d = (struct driver){ .ops = ops, .n_slots = n_slots, .seed = seed };
	d->env = (struct policy_env){
		.ctx = d, .test_clear_ref = driver_bit, .may_evict = driver_may, .modified = driver_modified,
		.next_use = driver_next, .seed = seed, .params = policy_params_of(ops, NULL),
	};
	for (unsigned i = 0; ops->variable && i < POLICY_PARAMS; i++)
		d->env.params.value[i] = 20; /* windows that something happens in */
	d->self = calloc(1, ops->bytes(n_slots, &d->env.params)); /* exactly as much as it asked for: a sanitizer sees one byte more */
	assert_non_null(d->self);
	ops->init(d->self, n_slots, &d->env);
}

static void driver_close(struct driver *d)
{
	free(d->self);
}

static void driver_enter(struct driver *d, uint32_t slot, uint64_t key)
{
	d->in[slot] = d->bit[slot] = true;
	d->key[slot] = key;
	d->entered[slot] = d->used[slot] = d->env.now = ++d->now;
	if (d->ops->miss && d->now % 3)
		d->ops->miss(d->self, key); /* now and then a page comes in unasked */
	d->ops->enter(d->self, slot, key);
}

static bool driver_modified(void *ctx, uint32_t slot)
{
	const struct driver *d = ctx;
	return d->key[slot] % 3 == 0;
}

/* Whoever the policy gives up of its own accord is in, and may go. */
static void driver_wake(struct driver *d)
{
	d->env.now = d->now;
	for (uint32_t slot; d->ops->wake && (slot = d->ops->wake(d->self)) != POLICY_SLOT_NONE;) {
		assert_true(slot < d->n_slots);
		assert_true(d->in[slot]);
		assert_false(d->pinned[slot]);
		d->in[slot] = false;
	}
	assert_true(!d->ops->due || d->ops->due(d->self) > d->now);
}

/* A key is in at most one slot, as in any driver. */
static uint64_t some_key(const struct driver *d, struct rng *r)
{
	uint64_t key = rng_below(r, KEYS);
	for (uint32_t i = 0; i < d->n_slots; i++) {
		if (d->in[i] && d->key[i] == key)
			return some_key(d, r);
	}
	return key;
}

static void driver_use(struct driver *d, uint32_t slot)
{
	d->used[slot] = d->env.now = ++d->now;
	d->bit[slot] = true;
	if (d->ops->touch)
		d->ops->touch(d->self, slot);
}

static bool any_may_go(const struct driver *d)
{
	for (uint32_t i = 0; i < d->n_slots; i++) {
		if (d->in[i] && !d->pinned[i])
			return true;
	}
	return false;
}

/* The slot that has waited longest, by either clock: what fifo and lru must answer. */
static uint32_t longest(const struct driver *d, const uint64_t *since)
{
	uint32_t best = POLICY_SLOT_NONE;
	for (uint32_t i = 0; i < d->n_slots; i++) {
		if (d->in[i] && !d->pinned[i] && (best == POLICY_SLOT_NONE || since[i] < since[best]))
			best = i;
	}
	return best;
}

static uint32_t driver_victim(struct driver *d)
{
	uint32_t first = longest(d, d->entered), least = longest(d, d->used);
	d->env.now = d->now;
	uint32_t slot = d->ops->victim(d->self);
	if (slot == POLICY_SLOT_NONE) {
		if (any_may_go(d))
			fail_msg("%s, seed %lu: nobody leaves, though somebody may", d->ops->name, (unsigned long)d->seed);
		return slot;
	}
	assert_true(slot < d->n_slots);
	assert_true(d->in[slot]);
	assert_false(d->pinned[slot]);
	if (!strcmp(d->ops->name, "fifo"))
		assert_int_equal(slot, first);
	if (!strcmp(d->ops->name, "lru"))
		assert_int_equal(slot, least);
	d->in[slot] = false;
	return slot;
}

static void driver_step(struct driver *d, struct rng *r)
{
	uint32_t slot = (uint32_t)rng_below(r, d->n_slots);
	switch (rng_below(r, 10)) {
	case 0:
		driver_victim(d);
		break;
	case 1:
		d->pinned[slot] = !d->pinned[slot];
		break;
	case 2:
		if (d->in[slot])
			d->ops->leave(d->self, slot);
		d->in[slot] = false;
		break;
	case 3:
		driver_wake(d);
		break;
	case 4:
		if (d->ops->forget)
			d->ops->forget(d->self, some_key(d, r));
		break;
	default:
		if (d->in[slot])
			driver_use(d, slot);
		else
			driver_enter(d, slot, some_key(d, r));
	}
	const char *flaw = d->ops->flaw(d->self);
	if (flaw)
		fail_msg("%s, seed %lu: %s", d->ops->name, (unsigned long)d->seed, flaw);
}

static void test_random_life(void **state)
{
	(void)state;
	for (unsigned i = 0; policy_at(i); i++) {
		for (uint64_t seed = 1; seed <= 6; seed++) {
			struct driver d;
			struct rng r;
			rng_init(&r, seed);
			driver_open(&d, policy_at(i), seed == 1 ? 1 : seed == 2 ? 2 : SLOTS, seed);
			for (int step = 0; step < STEPS; step++)
				driver_step(&d, &r);
			/* Everybody leaves in the end, once. */
			memset(d.pinned, 0, sizeof d.pinned);
			while (driver_victim(&d) != POLICY_SLOT_NONE)
				;
			assert_false(any_may_go(&d));
			driver_close(&d);
		}
	}
}

/* The same seed gives the same victims; for random another seed gives others. */
static void test_repeatable(void **state)
{
	(void)state;
	for (unsigned i = 0; policy_at(i); i++) {
		struct driver a, b, c;
		unsigned differ = 0;
		driver_open(&a, policy_at(i), SLOTS, 5);
		driver_open(&b, policy_at(i), SLOTS, 5);
		driver_open(&c, policy_at(i), SLOTS, 6);
		for (uint32_t slot = 0; slot < SLOTS; slot++) {
			driver_enter(&a, slot, slot);
			driver_enter(&b, slot, slot);
			driver_enter(&c, slot, slot);
		}
		for (uint32_t n = 0; n < SLOTS; n++) {
			uint32_t victim = driver_victim(&a);
			assert_int_equal(victim, driver_victim(&b));
			differ += victim != driver_victim(&c);
		}
		assert_int_equal(differ != 0, !strcmp(policy_at(i)->name, "random"));
		driver_close(&a);
		driver_close(&b);
		driver_close(&c);
	}
}

/* Each slot is as likely as any other: 100,000 draws among 20 stay within five standard deviations of 5,000. */
static void test_random_is_uniform(void **state)
{
	enum { N = 20, DRAWS = 100000 };
	struct driver d;
	unsigned seen[N] = { 0 };
	(void)state;
	driver_open(&d, policy_find("random"), N, 77);
	for (uint32_t slot = 0; slot < N; slot++)
		driver_enter(&d, slot, slot);
	for (int i = 0; i < DRAWS; i++) {
		uint32_t slot = driver_victim(&d);
		seen[slot]++;
		driver_enter(&d, slot, slot);
	}
	for (uint32_t slot = 0; slot < N; slot++)
		assert_in_range(seen[slot], 5000 - 345, 5000 + 345);
	driver_close(&d);
}

/* The clock as books draw it: A and C are referenced, B is not. */
static void test_clock_by_hand(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d, policy_find("clock"), 4, 1);
	for (uint32_t slot = 0; slot < 4; slot++)
		driver_enter(&d, slot, slot);
	d.bit[1] = d.bit[3] = false;
	assert_int_equal(driver_victim(&d), 1); /* 0 had its bit cleared, the hand is now at 2 */
	driver_enter(&d, 1, 10);                /* comes in behind the hand */
	assert_int_equal(driver_victim(&d), 3); /* 2 is passed over */
	assert_int_equal(driver_victim(&d), 0); /* its bit is clear since the first round */
	assert_int_equal(driver_victim(&d), 2); /* 1 is new and passed over */
	assert_int_equal(driver_victim(&d), 1);
	assert_int_equal(driver_victim(&d), POLICY_SLOT_NONE);
	driver_close(&d);
}

static void test_opt_ties(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d, policy_find("opt"), 5, 1);
	driver_enter(&d, 4, 7); /* keys that are multiples of 7 are never used again */
	driver_enter(&d, 2, 14);
	driver_enter(&d, 3, 1);
	driver_enter(&d, 0, 21);
	assert_int_equal(driver_victim(&d), 0);
	assert_int_equal(driver_victim(&d), 2);
	assert_int_equal(driver_victim(&d), 4);
	assert_int_equal(driver_victim(&d), 3);
	driver_close(&d);
}

static void test_parameters(void **state)
{
	const struct policy_ops *p = NULL;
	struct policy_params q;
	struct pw_why why = { "" };
	char text[POLICY_SPEC_MAX];
	(void)state;
	assert_int_equal(policy_parse("2q:out=10%,in=0.5", &p, &q, &why), PW_OK);
	assert_string_equal(p->name, "2q");
	assert_true(q.value[0] == 0.5 && q.value[1] == 0.1);
	assert_string_equal(policy_text(text, sizeof text, p, &q), "2q:in=50%,out=10%");
	assert_int_equal(policy_parse("ws:tau=2K", &p, &q, &why), PW_OK);
	assert_true(q.value[0] == 2048);
	assert_string_equal(policy_text(text, sizeof text, p, NULL), "ws");
	static const char *const bad[] = { "2q:in=101%", "2q:in=-1%", "2q:in=x", "ws:tau=0", "ws:tau=1%", "lru:x=1", "2q:in", "2q:in=" };
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		why.text[0] = 0;
		assert_int_equal(policy_parse(bad[i], &p, &q, &why), PW_INVALID);
		assert_true(why.text[0] != 0);
	}
	assert_int_equal(policy_parse("lur", &p, &q, &why), PW_NOTFOUND);
	for (unsigned i = 0; policy_at(i); i++) {
		const struct policy_param *param = policy_at(i)->param;
		for (unsigned k = 0; param && param[k].key; k++) {
			assert_true(k < POLICY_PARAMS && *param[k].text);
			assert_in_range(param[k].initial * 1000, param[k].least * 1000, param[k].most * 1000);
		}
	}
}

static void test_list(void **state)
{
	(void)state;
	for (unsigned i = 0; policy_at(i); i++) {
		const struct policy_ops *p = policy_at(i);
		assert_ptr_equal(policy_find(p->name), p);
		assert_true(*p->paper && *p->variant);
		assert_int_equal(p->touch != NULL, p->sees >= POLICY_SEES_RECENCY);
	}
	assert_null(policy_find("lur"));
	assert_null(policy_find(""));
	assert_null(policy_at(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_random_life),
		cmocka_unit_test(test_repeatable),
		cmocka_unit_test(test_random_is_uniform),
		cmocka_unit_test(test_clock_by_hand),
		cmocka_unit_test(test_opt_ties),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
