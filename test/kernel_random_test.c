/* kernel_random_test.c - random calls and accesses against a model that knows nothing of paging.
 *
 * The model keeps every byte of every page of every process in plain arrays.  After each step the kernel must have the same bytes
 * behind the same rights, and kernel_flaw must find nothing.  Machines are tiny, so that nearly every step evicts something.  The
 * same walk is made with the k-th allocation, frame, read or write failing, for every k: a call that fails has changed nothing. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

enum { PAGE = 4096, SPAN = 48, BASE = 1000, PROCS = 4, FILE_PAGES = RIG_FILE_BYTES / PAGE, FILES = 3, OBJECTS = 200 };

enum backing { NOTHING, PRIVATE_ANON, PRIVATE_FILE, SHARED_ANON, SHARED_FILE };

struct model_page {
	enum backing backing;
	unsigned prot;
	bool own;             /* private: bytes are its own */
	bool lazy;            /* MADV_FREE: own bytes may have become zeros */
	uint32_t object, index;
	uint8_t bytes[PAGE];
};
struct model_process {
	struct process *p;    /* NULL: no such process */
	struct model_page page[SPAN];
};
struct world {
	struct rig rig;
	struct rng rng;
	struct model_process proc[PROCS];
	uint32_t next_pid, next_object;
	uint8_t file[FILES][FILE_PAGES * PAGE];
	uint8_t object[OBJECTS][SPAN * PAGE];
	uint64_t seed, step;
	uint64_t n_kills, n_errors;
	const char *doing;
};

#define world_fail(w, ...)                                                                                      \
	do {                                                                                                    \
		inject_disarm();                                                                                \
		print_error("seed %lu, step %lu (%s):\n", (unsigned long)(w)->seed, (unsigned long)(w)->step, (w)->doing); \
		fail_msg(__VA_ARGS__);                                                                          \
	} while (0)

static uint64_t pick(struct world *w, uint64_t n) { return rng_below(&w->rng, n); }
static vaddr_t address(uint64_t i) { return vaddr((BASE + i) * (uint64_t)PAGE); }

/* The bytes the model says a page has. */
static const uint8_t *truth(struct world *w, const struct model_page *m)
{
	static const uint8_t zeros[PAGE];
	if (m->backing == SHARED_ANON)
		return w->object[m->object] + (size_t)m->index * PAGE;
	if (m->own)
		return m->bytes;
	if (m->backing == PRIVATE_FILE || m->backing == SHARED_FILE)
		return w->file[m->object] + (size_t)m->index * PAGE;
	return zeros;
}

static bool beyond_end(const struct model_page *m)
{
	return (m->backing == PRIVATE_FILE || m->backing == SHARED_FILE) && m->index >= FILE_PAGES;
}

static bool is_zero(const uint8_t *bytes)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, PAGE - 1);
}

/* A process the kernel killed is empty from then on. */
static void notice_killed(struct world *w)
{
	for (unsigned i = 0; i < PROCS; i++) {
		struct process_info info;
		if (!w->proc[i].p)
			continue;
		process_describe(w->proc[i].p, &info);
		if (!info.killed)
			continue;
		w->n_kills++;
		process_exit(w->proc[i].p);
		w->proc[i].p = NULL;
	}
}

/* What a failed call may answer while failures are injected or memory is short. */
static bool is_excused(struct world *w, enum pw_err err)
{
	if (err != PW_NOMEM && err != PW_NOFRAMES && err != PW_IO && err != PW_NOSPACE)
		return false;
	w->n_errors++;
	return true;
}

static struct model_process *some_process(struct world *w)
{
	for (;;) {
		struct model_process *p = &w->proc[pick(w, PROCS)];
		if (p->p)
			return p;
	}
}

static bool any_process(const struct world *w)
{
	for (unsigned i = 0; i < PROCS; i++) {
		if (w->proc[i].p)
			return true;
	}
	return false;
}

struct range {
	uint64_t first, count;
};
static struct range some_range(struct world *w)
{
	uint64_t first = pick(w, SPAN), most = SPAN - first;
	return (struct range){ first, 1 + pick(w, most < 12 ? most : 12) };
}

static unsigned some_prot(struct world *w)
{
	static const unsigned prots[] = { PMAP_READ | PMAP_WRITE, PMAP_READ | PMAP_WRITE, PMAP_READ | PMAP_WRITE, PMAP_READ, 0,
		                          PMAP_READ | PMAP_EXEC, PMAP_READ | PMAP_WRITE | PMAP_EXEC };
	return prots[pick(w, sizeof prots / sizeof *prots)];
}

static void map_range(struct world *w, struct model_process *p, struct range r, enum backing b, unsigned prot)
{
	bool file = b == PRIVATE_FILE || b == SHARED_FILE;
	uint32_t object = file ? (uint32_t)pick(w, FILES) : w->next_object % OBJECTS;
	uint32_t offset = file ? (uint32_t)pick(w, FILE_PAGES) : 0;
	vaddr_t at;
	if (b == SHARED_ANON && w->next_object + 1 >= OBJECTS)
		return;
	const struct process_mapping m = {
		.start = address(r.first), .bytes = r.count * PAGE, .fixed = true, .prot = prot, .anonymous = !file,
		.shared = b == SHARED_ANON || b == SHARED_FILE, .file_id = object, .file_bytes = RIG_FILE_BYTES,
		.offset = offset * (uint64_t)PAGE, .name = pick(w, 2) ? "some" : "other",
	};
	enum pw_err err = process_map(p->p, &m, &at);
	if (err) {
		if (!is_excused(w, err))
			world_fail(w, "process_map: %s", pw_err_text(err));
		return;
	}
	if (b == SHARED_ANON)
		w->next_object++;
	for (uint64_t i = 0; i < r.count; i++) {
		struct model_page *page = &p->page[r.first + i];
		*page = (struct model_page){ .backing = b, .prot = m.prot, .object = object, .index = offset + (uint32_t)i };
	}
}

static void do_map(struct world *w)
{
	struct model_process *p = some_process(w);
	struct range r = some_range(w);
	map_range(w, p, r, 1 + (enum backing)pick(w, 4), some_prot(w));
}

/* A program as it begins: code, data, a heap and something shared. */
static void map_program(struct world *w, struct model_process *p)
{
	enum { RW = PMAP_READ | PMAP_WRITE };
	map_range(w, p, (struct range){ 0, 6 }, PRIVATE_FILE, PMAP_READ | PMAP_EXEC);
	map_range(w, p, (struct range){ 6, 6 }, PRIVATE_FILE, RW);
	map_range(w, p, (struct range){ 12, 24 }, PRIVATE_ANON, RW);
	map_range(w, p, (struct range){ 38, 4 }, SHARED_ANON, RW);
	map_range(w, p, (struct range){ 42, 4 }, SHARED_FILE, RW);
}

static void start_process(struct world *w, unsigned i)
{
	enum pw_err err = process_create(w->rig.kernel, ++w->next_pid, "walker", &w->proc[i].p);
	memset(w->proc[i].page, 0, sizeof w->proc[i].page);
	if (!err) {
		map_program(w, &w->proc[i]);
		return;
	}
	w->proc[i].p = NULL;
	if (!is_excused(w, err))
		world_fail(w, "process_create: %s", pw_err_text(err));
}

static void do_unmap(struct world *w)
{
	struct model_process *p = some_process(w);
	struct range r = some_range(w);
	enum pw_err err = process_unmap(p->p, address(r.first), r.count * PAGE);
	if (err) {
		if (!is_excused(w, err))
			world_fail(w, "process_unmap: %s", pw_err_text(err));
		return;
	}
	memset(&p->page[r.first], 0, r.count * sizeof p->page[0]);
}

static bool all_mapped(const struct model_process *p, struct range r)
{
	for (uint64_t i = 0; i < r.count; i++) {
		if (p->page[r.first + i].backing == NOTHING)
			return false;
	}
	return true;
}

static void do_protect(struct world *w)
{
	struct model_process *p = some_process(w);
	struct range r = some_range(w);
	unsigned prot = some_prot(w);
	enum pw_err err = process_protect(p->p, address(r.first), r.count * PAGE, prot);
	if (err == PW_NOTMAPPED && !all_mapped(p, r))
		return;
	if (err) {
		if (!is_excused(w, err))
			world_fail(w, "process_protect: %s", pw_err_text(err));
		return;
	}
	if (!all_mapped(p, r))
		world_fail(w, "process_protect reached over a hole");
	for (uint64_t i = 0; i < r.count; i++)
		p->page[r.first + i].prot = prot;
}

static bool overlap(struct range a, struct range b)
{
	return a.first < b.first + b.count && b.first < a.first + a.count;
}

/* A move that failed may have unmapped its target: all of it or nothing. */
static void learn_target(struct world *w, struct model_process *p, struct range to)
{
	bool gone = false, armed = inject_armed;
	inject_armed = false;
	for (uint64_t i = to.first; i < to.first + to.count; i++) {
		struct model_page *m = &p->page[i];
		if (m->backing == NOTHING)
			continue;
		enum pw_err err = process_protect(p->p, address(i), PAGE, m->prot);
		if (err && err != PW_NOTMAPPED)
			world_fail(w, "process_protect: %s", pw_err_text(err));
		if (gone && !err)
			world_fail(w, "a failed move has unmapped half of its target");
		gone = err == PW_NOTMAPPED;
		if (gone)
			*m = (struct model_page){ 0 };
	}
	inject_armed = armed;
}

/* Moves or resizes what lies in one run of pages of the same backing. */
static void do_remap(struct world *w)
{
	struct model_process *p = some_process(w);
	struct range r = some_range(w), to = some_range(w);
	if (pick(w, 3) == 0 && r.first + to.count <= SPAN)
		to.first = r.first;
	bool in_place = to.first == r.first;
	if (!all_mapped(p, r) || (!in_place && overlap(r, to)))
		return;
	if (to.count > r.count && p->page[r.first + r.count - 1].backing == SHARED_ANON)
		return; /* growing shared memory beyond its end is not for the model */
	for (uint64_t i = r.count; in_place && i < to.count; i++) {
		if (p->page[r.first + i].backing != NOTHING)
			return;
	}
	enum pw_err err = process_remap(p->p, address(r.first), r.count * PAGE, address(to.first), to.count * PAGE);
	if (err) {
		if (!is_excused(w, err))
			world_fail(w, "process_remap: %s", pw_err_text(err));
		if (!in_place)
			learn_target(w, p, to);
		return;
	}
	static struct model_page moved[SPAN];
	memset(moved, 0, sizeof moved);
	uint64_t keep = r.count < to.count ? r.count : to.count;
	memcpy(moved, &p->page[r.first], keep * sizeof *moved);
	for (uint64_t i = keep; i < to.count; i++) {
		const struct model_page *last = &moved[keep - 1];
		moved[i] = (struct model_page){ .backing = last->backing, .prot = last->prot, .object = last->object,
			                        .index = last->index + (uint32_t)(i - keep + 1) };
	}
	memset(&p->page[r.first], 0, r.count * sizeof *moved);
	memcpy(&p->page[to.first], moved, to.count * sizeof *moved);
}

static void advise_page(struct model_page *m, int advice)
{
	if (m->backing != PRIVATE_ANON && m->backing != PRIVATE_FILE)
		return;
	if (advice == MADV_DONTNEED)
		m->own = m->lazy = false;
	else if (advice == MADV_FREE)
		m->lazy = m->own;
}

static void do_advise(struct world *w)
{
	static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_WILLNEED, 20, 21 };
	struct model_process *p = some_process(w);
	struct range r = some_range(w);
	int advice = advices[pick(w, sizeof advices / sizeof *advices)];
	enum pw_err err = process_advise(p->p, address(r.first), r.count * PAGE, advice);
	if (err) {
		if (!is_excused(w, err))
			world_fail(w, "process_advise: %s", pw_err_text(err));
		return;
	}
	for (uint64_t i = 0; i < r.count; i++)
		advise_page(&p->page[r.first + i], advice);
}

/* Bytes of a page whose own ones may have become zeros: whichever it is becomes the truth. */
static void learn_lazy(struct world *w, struct model_page *m, const uint8_t *seen)
{
	if (m->lazy && is_zero(seen)) {
		memset(m->bytes, 0, PAGE);
	} else if (memcmp(seen, truth(w, m), PAGE)) {
		for (unsigned i = 0; i < PAGE; i++) {
			if (seen[i] != truth(w, m)[i])
				world_fail(w, "byte %u is %u, not %u (backing %d, own %d, lazy %d)", i, seen[i], truth(w, m)[i],
				           m->backing, m->own, m->lazy);
		}
	}
}

static void do_load(struct world *w)
{
	struct model_process *p = some_process(w);
	uint64_t i = pick(w, SPAN);
	struct model_page *m = &p->page[i];
	uint8_t seen[PAGE];
	enum pw_err err = process_copy_out(p->p, address(i), seen, PAGE, NULL);
	bool may = m->backing != NOTHING && m->prot & (PMAP_READ | PMAP_WRITE) && !beyond_end(m);
	if (!err && !may)
		world_fail(w, "page %lu was read and must not be", (unsigned long)i);
	if (!err)
		learn_lazy(w, m, seen);
	else if (may && !is_excused(w, err))
		world_fail(w, "page %lu cannot be read: %s", (unsigned long)i, pw_err_text(err));
}

static void model_store(struct world *w, struct model_page *m, unsigned at, const uint8_t *bytes, unsigned n)
{
	if (m->backing == SHARED_ANON) {
		memcpy(w->object[m->object] + (size_t)m->index * PAGE + at, bytes, n);
	} else if (m->backing == SHARED_FILE) {
		memcpy(w->file[m->object] + (size_t)m->index * PAGE + at, bytes, n);
	} else {
		memcpy(m->bytes, truth(w, m), PAGE);
		memcpy(m->bytes + at, bytes, n);
		m->own = true;
	}
}

/* After a store into a page that might have become zeros: both outcomes are right, but no mixture. */
static void settle_lazy(struct world *w, struct model_process *p, uint64_t i, unsigned at, const uint8_t *bytes, unsigned n)
{
	struct model_page *m = &p->page[i];
	uint8_t seen[PAGE], zeroed[PAGE] = { 0 };
	memcpy(zeroed + at, bytes, n);
	bool armed = inject_armed;
	inject_armed = false;
	enum pw_err err = process_copy_out(p->p, address(i), seen, PAGE, NULL);
	inject_armed = armed;
	if (err)
		world_fail(w, "a page just written cannot be read: %s", pw_err_text(err));
	if (!memcmp(seen, zeroed, PAGE))
		memcpy(m->bytes, zeroed, PAGE);
	m->lazy = false;
}

/* A store as the machine makes it: through the translation, into the frame, noticed by the kernel in the modified bit alone. */
static enum pw_err machine_store(struct world *w, struct model_process *p, uint64_t i, unsigned at, const uint8_t *bytes,
                                 unsigned n)
{
	unsigned faults;
	pfn_t frame;
	enum fault_outcome o = rig_touch(&w->rig, p->p, BASE + i, ACCESS_STORE, &faults);
	if (o != FAULT_OUTCOME_RESOLVED)
		return o == FAULT_OUTCOME_REFUSED ? PW_ACCESS : o == FAULT_OUTCOME_BUS ? PW_IO : PW_NOFRAMES;
	if (!pmap_model_access(w->rig.pmap, 0, vpn(BASE + i), ACCESS_STORE, &frame))
		world_fail(w, "a page just stored to is gone");
	memcpy((uint8_t *)physmem_frame(&w->rig.memory, frame) + at, bytes, n);
	return PW_OK;
}

static void do_store(struct world *w)
{
	struct model_process *p = some_process(w);
	uint64_t i = pick(w, SPAN);
	struct model_page *m = &p->page[i];
	uint8_t bytes[64];
	unsigned at = (unsigned)pick(w, PAGE - sizeof bytes), n = 1 + (unsigned)pick(w, sizeof bytes);
	for (unsigned j = 0; j < n; j++)
		bytes[j] = (uint8_t)rng_next(&w->rng);
	enum pw_err err = pick(w, 2) ? process_copy_in(p->p, vaddr(address(i).v + at), bytes, n, NULL)
	                             : machine_store(w, p, i, at, bytes, n);
	bool may = m->backing != NOTHING && m->prot & PMAP_WRITE && !beyond_end(m);
	if (!err && !may)
		world_fail(w, "page %lu was written and must not be", (unsigned long)i);
	if (err) {
		if (may && !is_excused(w, err))
			world_fail(w, "page %lu cannot be written: %s", (unsigned long)i, pw_err_text(err));
		return;
	}
	bool lazy = m->lazy;
	model_store(w, m, at, bytes, n);
	if (lazy && m->prot & PMAP_READ)
		settle_lazy(w, p, i, at, bytes, n);
}

/* An access as the machine makes it: only its outcome can be seen. */
static void do_touch(struct world *w)
{
	struct model_process *p = some_process(w);
	uint64_t i = pick(w, SPAN);
	const struct model_page *m = &p->page[i];
	unsigned faults;
	bool fetch = pick(w, 4) == 0;
	unsigned need = fetch ? PMAP_EXEC : PMAP_READ | PMAP_WRITE;
	enum fault_outcome o = rig_touch(&w->rig, p->p, BASE + i, fetch ? ACCESS_FETCH : ACCESS_LOAD, &faults);
	bool may = m->backing != NOTHING && m->prot & need;
	if (o == FAULT_OUTCOME_RESOLVED && (!may || beyond_end(m)))
		world_fail(w, "page %lu was accessed and must not be", (unsigned long)i);
	if (o == FAULT_OUTCOME_REFUSED && may)
		world_fail(w, "page %lu was refused", (unsigned long)i);
	if (o == FAULT_OUTCOME_BUS && !(may && beyond_end(m)))
		w->n_errors++;
	else if (o == FAULT_OUTCOME_KILLED)
		w->n_errors++;
}

static void do_fork(struct world *w)
{
	struct model_process *parent = some_process(w);
	for (unsigned i = 0; i < PROCS; i++) {
		if (w->proc[i].p)
			continue;
		enum pw_err err = process_fork(parent->p, ++w->next_pid, &w->proc[i].p);
		if (err) {
			w->proc[i].p = NULL;
			if (!is_excused(w, err))
				world_fail(w, "process_fork: %s", pw_err_text(err));
			return;
		}
		memcpy(w->proc[i].page, parent->page, sizeof parent->page);
		return;
	}
}

static void do_exit(struct world *w)
{
	struct model_process *p = some_process(w);
	process_exit(p->p);
	p->p = NULL;
	for (unsigned i = 0; !any_process(w) && i < PROCS; i++)
		start_process(w, i);
}

static void do_exec(struct world *w)
{
	struct model_process *p = some_process(w);
	enum pw_err err = process_exec(p->p, "another");
	if (err) {
		if (!is_excused(w, err))
			world_fail(w, "process_exec: %s", pw_err_text(err));
		return;
	}
	memset(p->page, 0, sizeof p->page);
	map_program(w, p);
}

#define ACTION_LIST(X) \
	X(load, 90)    \
	X(store, 90)   \
	X(touch, 40)   \
	X(map, 8)     \
	X(unmap, 4)    \
	X(protect, 5)  \
	X(advise, 8)   \
	X(remap, 5)    \
	X(fork, 4)     \
	X(exit, 2)     \
	X(exec, 1)

static void one_step(struct world *w)
{
	unsigned total = 0;
#define X(name, weight) total += weight;
	ACTION_LIST(X)
#undef X
	unsigned at = (unsigned)pick(w, total), sum = 0;
#define X(name, weight)                          \
	if (at >= sum && at < sum + (weight)) {  \
		w->doing = #name;                \
		do_##name(w);                    \
	}                                        \
	sum += weight;
	ACTION_LIST(X)
#undef X
}

static void check_flaw(struct world *w)
{
	bool armed = inject_armed;
	inject_armed = false;
	const char *flaw = kernel_flaw(w->rig.kernel);
	inject_armed = armed;
	if (flaw)
		world_fail(w, "%s", flaw);
}

static void world_walk(struct world *w, uint64_t n_steps)
{
	for (w->step = 0; w->step < n_steps; w->step++) {
		notice_killed(w);
		while (!any_process(w))
			start_process(w, 0);
		one_step(w);
		notice_killed(w);
		check_flaw(w);
	}
}

static void world_open(struct world *w, uint64_t seed, const struct rig_want *want)
{
	memset(w, 0, sizeof *w);
	w->seed = seed;
	w->doing = "opening";
	rng_init(&w->rng, seed);
	enum pw_err err = rig_open(&w->rig, want);
	if (err)
		world_fail(w, "rig_open: %s", pw_err_text(err));
	for (unsigned f = 0; f < FILES; f++) {
		for (unsigned i = 0; i < RIG_FILE_BYTES; i++)
			w->file[f][i] = (uint8_t)rng_next(&w->rng);
		memcpy(w->rig.file_bytes + (size_t)f * RIG_FILE_BYTES, w->file[f], RIG_FILE_BYTES);
	}
}

/* Everything ended: nothing but the cache of files is left. */
static void world_close(struct world *w)
{
	inject_disarm();
	for (unsigned i = 0; i < PROCS; i++) {
		if (w->proc[i].p)
			process_exit(w->proc[i].p);
	}
	check_flaw(w);
	struct kernel_counts c = rig_counts(&w->rig);
	if (c.swap_used_slots)
		world_fail(w, "%lu swap slots are still used after every process has ended", (unsigned long)c.swap_used_slots);
	if (c.resident_pages > FILES * FILE_PAGES)
		world_fail(w, "%lu pages are left, more than files have", (unsigned long)c.resident_pages);
	rig_close(&w->rig);
}

static const char *some_policy(struct rng *g)
{
	unsigned n = 0;
	while (policy_at(n))
		n++;
	const struct policy_ops *p;
	do {
		p = policy_at((unsigned)rng_below(g, n));
	} while (p->wants_future);
	return p->name;
}

static struct rig_want some_machine(uint64_t seed)
{
	struct rng g;
	rng_init(&g, seed ^ 0x5eed);
	struct rig_want want = {
		.policy = some_policy(&g), .swap = rng_below(&g, 8) ? "ram" : NULL,
		.swap_slots = rng_below(&g, 3) ? 0 : 1 + rng_below(&g, 60),
		.personality = rng_below(&g, 2) ? PERSONALITY_linux : PERSONALITY_textbook, .carries_data = true,
		.file_cache_cold = rng_below(&g, 2), .hides_recency = rng_below(&g, 4) == 0, .seed = seed,
	};
	want.n_frames = 6 + rng_below(&g, 40);
	if (rng_below(&g, 2)) {
		want.page_frames = 3 + rng_below(&g, 30);
		want.n_frames = want.page_frames + 40;
	}
	return want;
}

static void test_random_walks(void **state)
{
	static struct world w;
	const char *env = getenv("SEED");
	uint64_t first = env ? strtoull(env, NULL, 0) : 1, last = env ? first : 150, kills = 0, errors = 0, evicted = 0;
	(void)state;
	for (uint64_t seed = first; seed <= last; seed++) {
		struct rig_want want = some_machine(seed);
		world_open(&w, seed, &want);
		world_walk(&w, 800);
		kills += w.n_kills;
		errors += w.n_errors;
		evicted += rig_counts(&w.rig).evicted;
		world_close(&w);
	}
	print_message("%lu walks: %lu pages evicted, %lu processes killed, %lu calls refused for want of memory\n",
	              (unsigned long)(last - first + 1), (unsigned long)evicted, (unsigned long)kills, (unsigned long)errors);
}

/* The k-th failure of each kind, once and from then on, until the walk no longer gets that far. */
static void sweep_one(enum inject_site site, enum inject_mode mode, uint64_t seed, const struct rig_want *want)
{
	static struct world w;
	uint64_t reached = 1, k = 1;
	for (; reached >= k; k += k < 100 ? 1 : k / 8) {
		world_open(&w, seed, want);
		inject_arm(site, k, mode);
		world_walk(&w, 250);
		reached = inject_count(site);
		world_close(&w);
	}
	print_message("site %d, %s: swept to %lu\n", site, mode == INJECT_ONCE ? "once" : "from then on", (unsigned long)k);
}

static void sweep(enum inject_site site, enum inject_mode mode)
{
	for (int i = 0; i < PERSONALITY_KINDS; i++) {
		const struct rig_want want = {
			.policy = i ? "clock" : "lru", .swap = "ram", .personality = (enum personality)i, .carries_data = true,
			.file_cache_cold = true, .n_frames = i ? 40 : 14, .page_frames = i ? 14 : 0, .seed = 7,
		};
		sweep_one(site, mode, 100 + (uint64_t)site, &want);
	}
}

static void test_sweep_once(void **state)
{
	(void)state;
	sweep(INJECT_ALLOC, INJECT_ONCE);
	sweep(INJECT_FRAME, INJECT_ONCE);
	sweep(INJECT_STORE_READ, INJECT_ONCE);
	sweep(INJECT_STORE_WRITE, INJECT_ONCE);
}

static void test_sweep_for_good(void **state)
{
	(void)state;
	sweep(INJECT_STORE_READ, INJECT_FROM_THEN_ON);
	sweep(INJECT_STORE_WRITE, INJECT_FROM_THEN_ON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_walks),
		cmocka_unit_test(test_sweep_once),
		cmocka_unit_test(test_sweep_for_good),
	};
	return cmocka_run_group_tests_name("kernel_random", tests, NULL, NULL);
}
