/* sched_test.c - several traces as one, and turns: nothing is lost, nothing changes its order within a process, and what must come first
 * does.
 *
 * References name themselves: the address is the process and how many it made before.  Scripts of processes that fork, exit and wait are
 * made at random; what a scheduler makes of them is held against rules, not against another scheduler. */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/sim/sched.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { PROCS = 8, ITEMS = 200, BATCH = 50 };

/* ---- a trace that is a script ---- */

struct script {
	struct trace trace;
	struct trace_item item[ITEMS];
	unsigned n, at;
	uint64_t made[PROCS + 1];  /* references of each process so far */
	ref_t batch[BATCH];
};

static void script_next(struct trace *t, struct trace_item *ret)
{
	struct script *s = (struct script *)t;
	if (s->at == s->n)
		return;
	*ret = s->item[s->at++];
	if (ret->kind != TRACE_ITEM_REFS)
		return;
	memset(s->batch, 0xff, sizeof s->batch); /* whoever still reads what was there before will notice */
	for (uint64_t i = 0; i < ret->n_refs; i++)
		s->batch[i] = ref_make(vaddr((uint64_t)ret->pid << 32 | s->made[ret->pid]++), ACCESS_LOAD);
	ret->refs = s->batch;
}

static enum pw_err script_rewind(struct trace *t, struct pw_why *why)
{
	struct script *s = (struct script *)t;
	(void)why;
	s->at = 0;
	memset(s->made, 0, sizeof s->made);
	return PW_OK;
}

static void script_close(struct trace *t) { mem_free(t); }

static const struct trace_ops script_ops = { .format = "script", .next = script_next, .rewind = script_rewind, .close = script_close };

static struct script *script_new(void)
{
	struct script *s = mem_zalloc(1, sizeof *s);
	assert_non_null(s);
	s->trace.ops = &script_ops;
	s->trace.info = (struct trace_info){ .format = "script", .source = "script", .has_events = true };
	return s;
}

static void add_refs(struct script *s, uint32_t pid, uint64_t n)
{
	s->item[s->n++] = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = pid, .tid = pid, .n_refs = n };
}

static void add_event(struct script *s, uint32_t pid, enum trace_event_kind kind, uint32_t other)
{
	s->item[s->n++] = (struct trace_item){ .kind = TRACE_ITEM_EVENT, .pid = pid, .tid = pid,
	                                       .event = { .kind = kind, .other = other, .name = "name" } };
}

/* Process 1 and what it forks; some end, and their parents go on. */
static struct script *script_random(uint64_t seed)
{
	struct script *s = script_new();
	struct rng rng;
	uint32_t born = 1;
	bool alive[PROCS + 1] = { false, true };
	rng_init(&rng, seed);
	add_event(s, 1, TRACE_PROCESS, 0);
	while (s->n < ITEMS - 3) {
		uint32_t pid = 1 + (uint32_t)rng_below(&rng, born);
		unsigned what = (unsigned)rng_below(&rng, 12);
		if (!alive[pid])
			continue;
		if (what == 0 && born < PROCS) {
			born++;
			if (rng_below(&rng, 2)) /* recordings have it before the fork as well */
				add_event(s, born, TRACE_PROCESS, pid);
			add_event(s, pid, TRACE_FORK, born);
			alive[born] = true;
		} else if (what == 1 && pid > 1) {
			add_event(s, pid, TRACE_EXIT, 0);
			alive[pid] = false;
		} else {
			add_refs(s, pid, 1 + rng_below(&rng, BATCH));
		}
	}
	return s;
}

/* ---- the rules ---- */

struct referee {
	uint64_t made[PROCS + 1];
	bool forked[PROCS + 1], ended[PROCS + 1];
	unsigned items[PROCS + 1];    /* handed out */
	uint64_t total;
};

/* What a process had seen of others in the script by its k-th item: it may not do that item before it has. */
static void check_item(const struct script *s, struct referee *r, const struct trace_item *item)
{
	uint32_t pid = item->pid;
	if (item->kind == TRACE_ITEM_EVENT) {
		assert_string_equal(item->event.name, "name");
		if (item->event.kind == TRACE_FORK)
			r->forked[item->event.other] = true;
		if (item->event.kind == TRACE_EXIT)
			r->ended[pid] = true;
		return;
	}
	for (unsigned i = 0; i < s->n; i++)
		if (s->item[i].kind == TRACE_ITEM_EVENT && s->item[i].event.kind == TRACE_FORK && s->item[i].event.other == pid)
			assert_true(r->forked[pid]);
	for (uint64_t i = 0; i < item->n_refs; i++)
		assert_int_equal(ref_va(item->refs[i]).v, (uint64_t)pid << 32 | r->made[pid]++);
	r->total += item->n_refs;
	/* Children that ended before this in the script have ended. */
	uint64_t made = 0;
	uint32_t child[PROCS + 1] = { 0 };
	for (unsigned i = 0; i < s->n && made < r->made[pid]; i++) {
		const struct trace_item *q = &s->item[i];
		if (q->kind == TRACE_ITEM_REFS && q->pid == pid)
			made += q->n_refs;
		if (q->kind == TRACE_ITEM_EVENT && q->event.kind == TRACE_FORK && q->pid == pid)
			child[q->event.other] = 1;
		if (q->kind == TRACE_ITEM_EVENT && q->event.kind == TRACE_EXIT && child[q->pid])
			assert_true(r->ended[q->pid]);
	}
}

static uint64_t script_refs(const struct script *s)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < s->n; i++)
		n += s->item[i].n_refs;
	return n;
}

static void play(struct script *script, uint64_t quantum, unsigned n_cpus, bool holds, uint64_t seed)
{
	struct pw_why why = { "" };
	struct sched *s;
	struct referee r = { .total = 0 };
	struct trace_item item;
	struct rng rng;
	unsigned items = 0;
	rng_init(&rng, seed);
	assert_int_equal(sched_create(&script->trace, quantum, n_cpus, &s, &why), PW_OK);
	for (trace_next(sched_trace(s), &item); item.kind != TRACE_ITEM_END; trace_next(sched_trace(s), &item), items++) {
		assert_true(sched_cpu(s) < n_cpus);
		assert_true(item.kind == TRACE_ITEM_EVENT || (item.n_refs > 0 && item.n_refs <= quantum));
		check_item(script, &r, &item);
		uint32_t pid = 1 + (uint32_t)rng_below(&rng, PROCS);
		if (holds && rng_below(&rng, 2))
			sched_hold(s, pid);
		else if (holds)
			sched_release(s, pid);
	}
	assert_int_equal(r.total, script_refs(script));
	assert_int_equal(trace_error(sched_trace(s), &why), PW_OK);
	assert_int_equal(trace_rewind(sched_trace(s), &why), PW_OK);
	if (!holds) { /* the same again */
		unsigned again = 0;
		for (trace_next(sched_trace(s), &item); item.kind != TRACE_ITEM_END; trace_next(sched_trace(s), &item))
			again++;
		assert_int_equal(again, items);
	}
	sched_destroy(s);
}

static void turns_keep_the_order_that_matters(void **state)
{
	static const uint64_t quanta[] = { 1, 7, 64, 100000 };
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++)
		for (unsigned i = 0; i < 4; i++)
			for (unsigned n_cpus = 1; n_cpus <= 3; n_cpus++)
				for (unsigned holds = 0; holds < 2; holds++) {
					struct script *s = script_random(seed);
					play(s, quanta[i], n_cpus, holds, seed);
					trace_close(&s->trace);
				}
}

/* ---- turns, exactly ---- */

static struct trace *open_mix(const char *const spec[], unsigned n)
{
	struct pw_why why = { "" };
	struct trace *part[4], *mix;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(trace_open(spec[i], &part[i], &why), PW_OK);
	assert_int_equal(trace_mix(part, n, &mix, &why), PW_OK);
	return mix;
}

static void a_turn_is_a_quantum(void **state)
{
	static const char *const specs[] = { "seq:pages=10000", "seq:pages=9000", "seq:pages=500" };
	struct trace *mix = open_mix(specs, 3);
	struct pw_why why = { "" };
	struct sched_counts c;
	struct sched *s;
	struct trace_item item;
	uint32_t order[32];
	uint64_t length[32];
	unsigned n = 0, exits = 0;
	(void)state;
	assert_int_equal(sched_create(mix, 1000, 1, &s, &why), PW_OK);
	for (trace_next(sched_trace(s), &item); item.kind != TRACE_ITEM_END; trace_next(sched_trace(s), &item)) {
		if (item.kind == TRACE_ITEM_EVENT) {
			assert_int_equal(item.event.kind, TRACE_EXIT);
			exits++;
			continue;
		}
		if (n && order[n - 1] == item.pid && length[n - 1] < 1000) {
			length[n - 1] += item.n_refs;
			continue;
		}
		assert_true(n < 32);
		order[n] = item.pid;
		length[n++] = item.n_refs;
	}
	assert_int_equal(n, 20);
	assert_int_equal(exits, 3); /* generators know no events: each ends with its last reference */
	for (unsigned i = 0; i < n; i++) {
		uint32_t want = i < 3 ? i + 1 : i < 19 ? (i - 3) % 2 + 1 : 1; /* 1 2 3, then 1 2 1 2 ..., at last 1 alone */
		assert_int_equal(order[i], want);
		assert_int_equal(length[i], i == 2 ? 500 : 1000);
	}
	sched_counts(s, &c);
	assert_int_equal(c.preemptions, 19); /* 2 ends with its quantum, which is found out at its next turn; 1 then has no rival */
	assert_int_equal(c.waits, 0);
	sched_destroy(s);
	trace_close(mix);
}

static void cpus_move_together(void **state)
{
	static const char *const specs[] = { "seq:pages=4096", "seq:pages=4096", "seq:pages=4096" };
	struct trace *mix = open_mix(specs, 3);
	struct pw_why why = { "" };
	struct sched *s;
	struct trace_item item;
	uint64_t done[2] = { 0 };
	(void)state;
	assert_int_equal(sched_create(mix, 2048, 2, &s, &why), PW_OK);
	for (trace_next(sched_trace(s), &item); item.kind != TRACE_ITEM_END; trace_next(sched_trace(s), &item)) {
		done[sched_cpu(s)] += item.n_refs;
		if (done[0] + done[1] < 2 * 4096)
			assert_true(done[0] <= done[1] + 1024 && done[1] <= done[0] + 1024);
	}
	assert_int_equal(done[0] + done[1], 3 * 4096);
	sched_destroy(s);
	trace_close(mix);
}

static void who_is_held_does_not_run(void **state)
{
	static const char *const specs[] = { "seq:pages=5000", "seq:pages=5000" };
	struct trace *mix = open_mix(specs, 2);
	struct pw_why why = { "" };
	struct sched *s;
	struct trace_item item;
	uint64_t done[3] = { 0 };
	(void)state;
	assert_int_equal(sched_create(mix, 100, 1, &s, &why), PW_OK);
	trace_next(sched_trace(s), &item);
	assert_int_equal(item.pid, 1);
	done[1] += item.n_refs;
	sched_hold(s, 1);
	while (trace_next(sched_trace(s), &item), item.kind != TRACE_ITEM_END) {
		if (item.pid == 1) /* only because nobody else is left */
			assert_int_equal(done[2], 5000);
		done[item.pid] += item.n_refs;
	}
	assert_int_equal(done[1], 5000);
	assert_int_equal(sched_take_released(s), 1);
	assert_int_equal(sched_take_released(s), 0);
	sched_destroy(s);
	trace_close(mix);
}

/* ---- parts ---- */

static void parts_are_told_apart(void **state)
{
	struct script *a = script_new(), *b = script_new();
	struct pw_why why = { "" };
	struct trace *mix;
	struct trace_item item;
	unsigned seen[16] = { 0 };
	(void)state;
	a->trace.info.has_events = false;
	add_refs(a, 1, 10);
	add_refs(a, 3, 10);
	add_event(b, 1, TRACE_PROCESS, 0);
	add_event(b, 1, TRACE_FORK, 7);
	add_refs(b, 7, 10);
	b->trace.info.has_events = true;
	assert_int_equal(trace_mix((struct trace *[]){ &a->trace, &b->trace }, 2, &mix, &why), PW_OK);
	assert_int_equal(trace_parts(mix), 2);
	for (trace_next(mix, &item); item.kind != TRACE_ITEM_END; trace_next(mix, &item)) {
		assert_true(item.pid < 16);
		seen[item.pid]++;
		if (item.kind == TRACE_ITEM_EVENT && item.event.kind == TRACE_FORK)
			assert_int_equal(item.event.other, 7);
	}
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 2); /* what b calls 1 */
	assert_int_equal(seen[3], 1);
	assert_int_equal(seen[7], 1);
	assert_false(trace_describe_process(mix, 1).has_events);
	assert_true(trace_describe_process(mix, 2).has_events);
	trace_close(mix);
}

/* ---- memory ---- */

static bool plays_with_failing(uint64_t k)
{
	struct script *a = script_random(3), *b = script_random(4);
	struct pw_why why = { "" };
	struct trace *mix;
	struct sched *s = NULL;
	struct trace_item item;
	inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
	enum pw_err err = trace_mix((struct trace *[]){ &a->trace, &b->trace }, 2, &mix, &why);
	if (!err)
		err = sched_create(mix, 30, 2, &s, &why);
	while (!err && (trace_next(sched_trace(s), &item), item.kind != TRACE_ITEM_END))
		;
	if (!err)
		err = trace_error(sched_trace(s), &why);
	bool reached = inject_count(INJECT_ALLOC) >= k;
	inject_disarm();
	assert_int_equal(err, reached ? PW_NOMEM : PW_OK);
	sched_destroy(s);
	if (mix)
		trace_close(mix);
	return reached;
}

static void every_allocation_may_fail(void **state)
{
	uint64_t k = 1;
	(void)state;
	while (plays_with_failing(k))
		k++;
	assert_true(k > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_is_a_quantum),        cmocka_unit_test(cpus_move_together),
		cmocka_unit_test(who_is_held_does_not_run),   cmocka_unit_test(turns_keep_the_order_that_matters),
		cmocka_unit_test(parts_are_told_apart),       cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
