/* kernel_random_test.c - random calls and accesses against a model that knows nothing of paging.
 *
 * Programs map, unmap, protect, fork, write, read, switch CPUs, are evicted and swapped, exec and exit, in any order.  The model
 * (space_model.c) says which bytes they read and what they are refused; kernel_flaw must find nothing.  The kernel stands on the
 * array or on the simulated machine with its TLBs; machines are tiny, so that nearly every step evicts something, or large.  Failures
 * are injected at random on long walks, and at the k-th allocation, frame, read and write for every k on short ones: a call that fails
 * has changed nothing.  Planted bugs show that this test sees.
 *
 *     SEED=n             one walk alone         STEPS=30000000     that many steps in all, instead of a few seconds
 */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "kernel_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct walk {
	struct world world;
	struct model model;
	struct process *process[MODEL_PROCS];
	struct rng rng;
	uint32_t next_pid;
	uint64_t seed, step, n_steps;
	unsigned check_every;     /* steps between searches for flaws */
	bool injects;             /* failures at random */
	bool failing;             /* something was or will be injected: calls may fail for it */
	uint64_t n_kills, n_errors;
	const char *doing;
	bool in_child;            /* a planted bug: failing ends the process */
};

#define walk_fail(w, ...)                                                                                       \
	do {                                                                                                    \
		inject_disarm();                                                                                \
		if ((w)->in_child)                                                                              \
			_exit(1);                                                                               \
		print_error("SEED=%lu, step %lu (%s):\n", (unsigned long)(w)->seed, (unsigned long)(w)->step, (w)->doing); \
		fail_msg(__VA_ARGS__);                                                                          \
	} while (0)

static unsigned pick(struct walk *w, unsigned n) { return (unsigned)rng_below(&w->rng, n); }

/* What a failed call may answer when memory is short or failures are injected. */
static bool is_excused(struct walk *w, enum pw_err err)
{
	if (err != PW_NOFRAMES && err != PW_NOSPACE && !(w->failing && (err == PW_NOMEM || err == PW_IO)))
		return false;
	w->n_errors++;
	return true;
}

/* => true: it succeeded */
static bool call_done(struct walk *w, enum pw_err err)
{
	if (err && !is_excused(w, err))
		walk_fail(w, "refused: %s", pw_err_text(err));
	return !err;
}

static bool any_process(const struct walk *w)
{
	for (unsigned i = 0; i < MODEL_PROCS; i++)
		if (w->process[i])
			return true;
	return false;
}

static unsigned some_process(struct walk *w)
{
	unsigned i = pick(w, MODEL_PROCS);
	while (!w->process[i])
		i = (i + 1) % MODEL_PROCS;
	return i;
}

struct range {
	unsigned first, n;
};
static struct range some_range(struct walk *w)
{
	unsigned first = pick(w, MODEL_PAGES), most = MODEL_PAGES - first;
	return (struct range){ first, 1 + pick(w, most < 20 ? most : 20) };
}

static unsigned some_prot(struct walk *w)
{
	static const unsigned prots[] = { MODEL_READ | MODEL_WRITE, MODEL_READ | MODEL_WRITE, MODEL_READ | MODEL_WRITE, MODEL_READ, 0,
		                          MODEL_READ | MODEL_EXEC, MODEL_READ | MODEL_WRITE | MODEL_EXEC };
	return prots[pick(w, sizeof prots / sizeof *prots)];
}

static void map_range(struct walk *w, unsigned process, struct range r, enum model_backing backing, unsigned prot)
{
	bool file = backing == MODEL_PRIVATE_FILE || backing == MODEL_SHARED_FILE;
	struct model_page like = { .backing = backing, .prot = prot };
	vaddr_t at;
	if (file) {
		like.object = pick(w, MODEL_FILES);
		like.index = pick(w, MODEL_FILE_PAGES);
	} else if (backing == MODEL_SHARED) {
		like.object = model_object(&w->model);
	}
	const struct process_mapping m = {
		.start = world_address(r.first), .bytes = r.n * (uint64_t)WORLD_PAGE, .fixed = true, .prot = prot, .anonymous = !file,
		.shared = backing == MODEL_SHARED || backing == MODEL_SHARED_FILE, .file_id = like.object,
		.file_bytes = WORLD_FILE_BYTES, .offset = like.index * (uint64_t)WORLD_PAGE, .name = pick(w, 2) ? "some" : "other",
	};
	if (call_done(w, process_map(w->process[process], &m, &at)))
		model_map(&w->model, process, r.first, r.n, &like);
}

static void do_map(struct walk *w)
{
	unsigned p = some_process(w);
	map_range(w, p, some_range(w), 1 + (enum model_backing)pick(w, MODEL_BACKINGS - 1), some_prot(w));
}

/* A program as it begins: code, data, a heap and something shared. */
static void map_program(struct walk *w, unsigned p)
{
	enum { RW = MODEL_READ | MODEL_WRITE };
	map_range(w, p, (struct range){ 0, 6 }, MODEL_PRIVATE_FILE, MODEL_READ | MODEL_EXEC);
	map_range(w, p, (struct range){ 6, 6 }, MODEL_PRIVATE_FILE, RW);
	map_range(w, p, (struct range){ 12, 36 }, MODEL_PRIVATE, RW);
	map_range(w, p, (struct range){ 50, 4 }, MODEL_SHARED, RW);
	map_range(w, p, (struct range){ 54, 4 }, MODEL_SHARED_FILE, RW);
}

static void start_process(struct walk *w, unsigned i)
{
	if (!call_done(w, process_create(w->world.kernel, ++w->next_pid, "walker", &w->process[i]))) {
		w->process[i] = NULL;
		return;
	}
	model_start(&w->model, i);
	map_program(w, i);
}

static void do_unmap(struct walk *w)
{
	unsigned p = some_process(w);
	struct range r = some_range(w);
	if (call_done(w, process_unmap(w->process[p], world_address(r.first), r.n * (uint64_t)WORLD_PAGE)))
		model_unmap(&w->model, p, r.first, r.n);
}

static void do_protect(struct walk *w)
{
	unsigned p = some_process(w), prot = some_prot(w);
	struct range r = some_range(w);
	bool mapped = model_is_mapped(&w->model, p, r.first, r.n);
	enum pw_err err = process_protect(w->process[p], world_address(r.first), r.n * (uint64_t)WORLD_PAGE, prot);
	if (err == PW_NOTMAPPED && !mapped)
		return;
	if (!call_done(w, err))
		return;
	if (!mapped)
		walk_fail(w, "process_protect reached over a hole");
	model_protect(&w->model, p, r.first, r.n, prot);
}

/* A move that failed may have unmapped its target: all of it or nothing. */
static void learn_target(struct walk *w, unsigned p, struct range to)
{
	bool gone = false, armed = inject_armed;
	inject_armed = false;
	for (unsigned i = to.first; i < to.first + to.n; i++) {
		const struct model_page *m = &w->model.process[p].page[i];
		if (m->backing == MODEL_NOTHING)
			continue;
		enum pw_err err = process_protect(w->process[p], world_address(i), WORLD_PAGE, m->prot);
		if ((err && err != PW_NOTMAPPED) || (gone && !err))
			walk_fail(w, "a failed move has unmapped half of its target");
		gone = err == PW_NOTMAPPED;
		if (gone)
			model_unmap(&w->model, p, i, 1);
	}
	inject_armed = armed;
}

static void do_remap(struct walk *w)
{
	unsigned p = some_process(w);
	struct range r = some_range(w), to = some_range(w);
	if (pick(w, 3) == 0 && r.first + to.n <= MODEL_PAGES)
		to.first = r.first;
	bool in_place = to.first == r.first;
	if (!model_is_mapped(&w->model, p, r.first, r.n) ||
	    (!in_place && r.first < to.first + to.n && to.first < r.first + r.n))
		return;
	if (to.n > r.n && w->model.process[p].page[r.first + r.n - 1].backing == MODEL_SHARED)
		return; /* growing shared memory beyond its end is not for the model */
	if (in_place && to.n > r.n && !model_is_free(&w->model, p, r.first + r.n, to.n - r.n))
		return;
	enum pw_err err = process_remap(w->process[p], world_address(r.first), r.n * (uint64_t)WORLD_PAGE, world_address(to.first),
	                                to.n * (uint64_t)WORLD_PAGE);
	if (call_done(w, err))
		model_move(&w->model, p, r.first, r.n, to.first, to.n);
	else if (!in_place)
		learn_target(w, p, to);
}

/* 20: COLD, 21: PAGEOUT. */
static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_WILLNEED, 20, 21, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK,
	                       MADV_WIPEONFORK, MADV_KEEPONFORK };

/* Wiping at fork is for private memory without a file alone. */
static bool advice_fits(const struct walk *w, unsigned p, struct range r, int advice)
{
	for (unsigned i = r.first; i < r.first + r.n; i++) {
		enum model_backing b = w->model.process[p].page[i].backing;
		if (advice == MADV_WIPEONFORK && b != MODEL_NOTHING && b != MODEL_PRIVATE)
			return false;
	}
	return true;
}

static void advise(struct walk *w, int advice)
{
	unsigned p = some_process(w);
	struct range r = some_range(w);
	if (!advice_fits(w, p, r, advice))
		return;
	if (call_done(w, process_advise(w->process[p], world_address(r.first), r.n * (uint64_t)WORLD_PAGE, advice)))
		model_advise(&w->model, p, r.first, r.n, advice);
}

static void do_advise(struct walk *w) { advise(w, advices[pick(w, sizeof advices / sizeof *advices)]); }
static void do_evict(struct walk *w) { advise(w, 21); }

/* Did the kernel answer as the model does?  => true: the access was made */
static bool access_judge(struct walk *w, unsigned p, unsigned page, unsigned wanted, enum pw_err err)
{
	enum model_answer may = model_asks(&w->model, p, page, wanted);
	if (!err && may != MODEL_ALLOWED)
		walk_fail(w, "page %u of %u was accessed and must not be", page, p);
	if (!err)
		return true;
	if (err == PW_CORRUPT)
		walk_fail(w, "page %u of %u has bytes that nobody wrote", page, p);
	if (may == MODEL_REFUSED && err == PW_ACCESS)
		return false;
	if (may == MODEL_BEYOND && err == PW_IO)
		return false;
	if (!is_excused(w, err))
		walk_fail(w, "page %u of %u: %s", page, p, pw_err_text(err));
	return false;
}

static void read_page(struct walk *w, unsigned p, unsigned page, bool by_cpu)
{
	struct model_words seen;
	enum pw_err err = by_cpu ? world_read(&w->world, w->process[p], pick(w, WORLD_CPUS), page, &seen)
	                         : world_copy_out(&w->world, w->process[p], page, &seen);
	if (!access_judge(w, p, page, MODEL_READ, err) || model_settles(&w->model, p, page, &seen))
		return;
	for (unsigned i = 0; i < MODEL_WORDS; i++)
		if (seen.word[i] != model_reads(&w->model, p, page)->word[i])
			walk_fail(w, "page %u of %u: word %u is %lx, not %lx", page, p, i, (unsigned long)seen.word[i],
			          (unsigned long)model_reads(&w->model, p, page)->word[i]);
}

static void do_read(struct walk *w)
{
	unsigned p = some_process(w);
	read_page(w, p, pick(w, MODEL_PAGES), pick(w, 3));
}

static void do_write(struct walk *w)
{
	unsigned p = some_process(w), page = pick(w, MODEL_PAGES), word = pick(w, MODEL_WORDS);
	uint64_t value = pick(w, 8) ? rng_next(&w->rng) : 0;
	enum pw_err err = pick(w, 3) ? world_write(&w->world, w->process[p], pick(w, WORLD_CPUS), page, word, value)
	                             : world_copy_in(&w->world, w->process[p], page, word, value);
	if (!access_judge(w, p, page, MODEL_WRITE, err))
		return;
	model_writes(&w->model, p, page, word, value);
	if (!w->model.process[p].page[page].lazy)
		return;
	bool armed = inject_armed;
	inject_armed = false; /* two answers are right until it is known which */
	read_page(w, p, page, true);
	inject_armed = armed;
}

static void do_fetch(struct walk *w)
{
	unsigned p = some_process(w), page = pick(w, MODEL_PAGES);
	access_judge(w, p, page, MODEL_EXEC, world_fetch(&w->world, w->process[p], pick(w, WORLD_CPUS), page));
}

static void do_fork(struct walk *w)
{
	unsigned parent = some_process(w), child = 0;
	while (child < MODEL_PROCS && w->process[child])
		child++;
	if (child == MODEL_PROCS)
		return;
	if (call_done(w, process_fork(w->process[parent], ++w->next_pid, &w->process[child])))
		model_fork(&w->model, parent, child);
	else
		w->process[child] = NULL;
}

static void do_exit(struct walk *w)
{
	unsigned p = some_process(w);
	process_exit(w->process[p]);
	w->process[p] = NULL;
	model_end(&w->model, p);
}

static void do_exec(struct walk *w)
{
	unsigned p = some_process(w);
	if (!call_done(w, process_exec(w->process[p], "another")))
		return;
	model_start(&w->model, p);
	map_program(w, p);
}

#define ACTION_LIST(X) \
	X(read, 80)    \
	X(write, 80)   \
	X(fetch, 15)   \
	X(map, 8)      \
	X(unmap, 4)    \
	X(protect, 5)  \
	X(advise, 8)   \
	X(evict, 6)    \
	X(remap, 5)    \
	X(fork, 4)     \
	X(exit, 2)     \
	X(exec, 1)

static void one_step(struct walk *w)
{
	unsigned total = 0, sum = 0;
#define X(name, weight) total += weight;
	ACTION_LIST(X)
#undef X
	unsigned at = pick(w, total);
#define X(name, weight)                          \
	if (at >= sum && at < sum + (weight)) {  \
		w->doing = #name;                \
		do_##name(w);                    \
	}                                        \
	sum += weight;
	ACTION_LIST(X)
#undef X
}

static void check_flaw(struct walk *w)
{
	bool armed = inject_armed;
	inject_armed = false;
	const char *flaw = kernel_flaw(w->world.kernel);
	if (!flaw && w->world.m)
		flaw = machine_flaw(w->world.m);
	inject_armed = armed;
	if (flaw)
		walk_fail(w, "%s", flaw);
}

/* A process the kernel killed is empty from then on. */
static void notice_killed(struct walk *w)
{
	for (unsigned i = 0; i < MODEL_PROCS; i++) {
		struct process_info info;
		if (!w->process[i])
			continue;
		process_describe(w->process[i], &info);
		if (!info.killed)
			continue;
		w->n_kills++;
		process_exit(w->process[i]);
		w->process[i] = NULL;
		model_end(&w->model, i);
	}
}

static void maybe_inject(struct walk *w)
{
	static const enum inject_site sites[] = { INJECT_ALLOC, INJECT_FRAME, INJECT_STORE_READ, INJECT_STORE_WRITE };
	if (!w->injects)
		return;
	inject_disarm();
	w->failing = pick(w, 4) == 0;
	if (w->failing)
		inject_arm(sites[pick(w, 4)], 1 + pick(w, 12), pick(w, 4) ? INJECT_ONCE : INJECT_FROM_THEN_ON);
}

static void walk_go(struct walk *w, uint64_t n_steps)
{
	for (w->step = 0; w->step < n_steps; w->step++) {
		maybe_inject(w);
		if (!any_process(w))
			start_process(w, 0);
		if (any_process(w))
			one_step(w);
		notice_killed(w);
		if (w->step % w->check_every == 0)
			check_flaw(w);
	}
	inject_disarm();
	check_flaw(w);
}

static void walk_open(struct walk *w, uint64_t seed, const struct world_want *want)
{
	memset(w, 0, sizeof *w);
	w->seed = seed;
	w->doing = "opening";
	w->check_every = 1;
	rng_init(&w->rng, seed);
	enum pw_err err = world_open(&w->world, want);
	if (err)
		walk_fail(w, "world_open: %s", pw_err_text(err));
	for (unsigned f = 0; f < MODEL_FILES; f++) {
		for (unsigned i = 0; i < MODEL_FILE_PAGES * MODEL_WORDS; i++) {
			uint64_t value = rng_next(&w->rng);
			w->model.file[f][i / MODEL_WORDS].word[i % MODEL_WORDS] = value;
			memcpy(w->world.file[f] + i / MODEL_WORDS * WORLD_PAGE + world_word_at(i % MODEL_WORDS), &value, 8);
		}
	}
}

/* Everything ended: nothing but the cache of files is left. */
static void walk_close(struct walk *w)
{
	inject_disarm();
	for (unsigned i = 0; i < MODEL_PROCS; i++)
		if (w->process[i])
			process_exit(w->process[i]);
	check_flaw(w);
	struct kernel_counts c;
	kernel_counts(w->world.kernel, &c);
	if (c.swap_used_slots)
		walk_fail(w, "%lu swap slots are still used after every process has ended", (unsigned long)c.swap_used_slots);
	if (c.resident_pages > MODEL_FILES * MODEL_FILE_PAGES)
		walk_fail(w, "%lu pages are left, more than files have", (unsigned long)c.resident_pages);
	world_close(&w->world);
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

static struct world_want some_machine(uint64_t seed)
{
	struct rng g;
	rng_init(&g, seed ^ 0x5eed);
	struct world_want want = {
		.machine = rng_below(&g, 3), .asid_bits = 2 * (unsigned)rng_below(&g, 3),
		.policy = some_policy(&g), .swap = rng_below(&g, 8) ? "ram" : NULL,
		.swap_slots = rng_below(&g, 3) ? 0 : 1 + rng_below(&g, 60),
		.personality = rng_below(&g, 2) ? PERSONALITY_linux : PERSONALITY_textbook,
		.cold_files = rng_below(&g, 2), .hides_recency = rng_below(&g, 4) == 0, .seed = seed,
	};
	want.n_frames = rng_below(&g, 6) ? 24 + rng_below(&g, 100) : 20000;
	if (rng_below(&g, 2)) {
		want.page_frames = rng_below(&g, 6) ? 3 + rng_below(&g, 50) : 5000;
		want.n_frames = want.page_frames + 400;
	}
	return want;
}

static void test_random_walks(void **state)
{
	static struct walk w;
	const char *one = getenv("SEED"), *steps = getenv("STEPS");
	uint64_t length = steps ? 20000 : 1500, total = steps ? strtoull(steps, NULL, 0) : 130 * length;
	uint64_t first = one ? strtoull(one, NULL, 0) : 1, kills = 0, errors = 0, evicted = 0, done = 0;
	(void)state;
	for (uint64_t seed = first; done < (one ? length : total); seed++, done += length) {
		struct world_want want = some_machine(seed);
		walk_open(&w, seed, &want);
		w.check_every = steps ? 64 : 8;
		w.injects = seed % 2;
		walk_go(&w, length);
		struct kernel_counts c;
		kernel_counts(w.world.kernel, &c);
		kills += w.n_kills;
		errors += w.n_errors;
		evicted += c.evicted;
		walk_close(&w);
	}
	print_message("%lu steps from seed %lu on: %lu pages evicted, %lu processes killed, %lu calls refused for want of memory\n",
	              (unsigned long)done, (unsigned long)first, (unsigned long)evicted, (unsigned long)kills, (unsigned long)errors);
}

/* The k-th failure of each kind, once and from then on, until the walk no longer gets that far. */
static void sweep_one(enum inject_site site, enum inject_mode mode, uint64_t seed, const struct world_want *want)
{
	static struct walk w;
	uint64_t reached = 1, k = 1;
	for (; reached >= k; k += k < 100 ? 1 : k / 8) {
		walk_open(&w, seed, want);
		w.failing = true;
		inject_arm(site, k, mode);
		walk_go(&w, 250);
		reached = inject_count(site);
		walk_close(&w);
	}
	print_message("site %d, %s: swept to %lu\n", site, mode == INJECT_ONCE ? "once" : "from then on", (unsigned long)k);
}

static void sweep(enum inject_site site, enum inject_mode mode)
{
	for (int i = 0; i < 2 * PERSONALITY_KINDS; i++) {
		enum personality personality = (enum personality)(i / 2);
		bool linux_like = personality == PERSONALITY_linux;
		const struct world_want want = {
			.machine = i % 2, .asid_bits = 2, .policy = linux_like ? "clock" : "lru", .swap = "ram",
			.personality = personality, .cold_files = true, .n_frames = linux_like ? 100 : 40,
			.page_frames = linux_like ? 14 : 0, .seed = 7,
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

/* Bugs planted into the parts below the kernel, each of a kind that kernels have had. */
static const struct pmap_ops *sound;
static const struct store_ops *sound_store;
static unsigned planted_calls;

static void bad_protect(struct pmap *p, struct vpn_range r, unsigned prot)
{
	if (planted_calls++ % 4)
		sound->protect(p, r, prot);
}
static void bad_page_protect(struct pmap_sys *s, pfn_t f, unsigned prot)
{
	if (planted_calls++ % 16)
		sound->page_protect(s, f, prot);
}
static unsigned bad_test_clear(struct pmap_sys *s, pfn_t f, unsigned mask)
{
	unsigned bits = sound->page_test_clear(s, f, mask);
	return planted_calls++ % 16 ? bits : bits & ~(unsigned)PMAP_MODIFIED;
}
static enum pw_err bad_enter(struct pmap *p, const struct pmap_mapping *m)
{
	struct pmap_mapping more = *m;
	more.prot |= planted_calls++ % 64 ? 0 : PMAP_WRITE;
	return sound->enter(p, &more);
}
static enum pw_err bad_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	enum pw_err err = sound_store->read(s, n, slot, pages, why);
	if (!err && planted_calls++ % 16 == 0)
		((uint64_t *)pages[0])[1]++;
	return err;
}
static enum pw_err bad_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	return planted_calls++ % 16 ? sound_store->write(s, n, slot, pages, why) : PW_OK;
}

#define BUG_LIST(X) \
	X(protect, "protect does not always take rights away", ops.protect = bad_protect) \
	X(page_protect, "a frame's mappings do not always go with it", ops.page_protect = bad_page_protect) \
	X(modified, "the modified bit is sometimes lost", ops.page_test_clear = bad_test_clear) \
	X(rights, "a translation sometimes allows writing", ops.enter = bad_enter) \
	X(swap_read, "swap sometimes gives a wrong word", store.read = bad_read) \
	X(swap_write, "swap sometimes forgets to write", store.write = bad_write)
enum bug {
#define X(name, text, plant) BUG_##name,
	BUG_LIST(X)
#undef X
	BUGS
};

static void plant(struct world *w, enum bug bug)
{
	static struct pmap_ops ops;
	static struct store_ops store;
	sound = w->pmap->ops;
	sound_store = w->swap->ops;
	ops = *sound;
	store = *sound_store;
#define X(name, text, plant) \
	if (bug == BUG_##name) \
		plant;
	BUG_LIST(X)
#undef X
	w->pmap->ops = &ops;
	w->swap->ops = &store;
}

/* A walk over a machine with the bug, in a process of its own: what it breaks stays there.  => found */
static bool bug_is_found(enum bug bug, bool machine)
{
	static struct walk w;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		const struct world_want want = { .machine = machine, .asid_bits = 4, .policy = "clock", .swap = "ram", .n_frames = 120,
			                         .page_frames = 40, .seed = 1 };
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		walk_open(&w, 1, &want);
		w.in_child = true;
		w.check_every = 1u << 30; /* by what programs see, not by the kernel's own word */
		if (bug < BUGS)
			plant(&w.world, bug);
		for (w.step = 0; w.step < 40000; w.step++) {
			if (!any_process(&w))
				start_process(&w, 0);
			one_step(&w);
			notice_killed(&w);
		}
		_exit(0);
	}
	int status = 0;
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status != 0;
}

static void test_planted_bugs_are_found(void **state)
{
	static const char *const texts[] = {
#define X(name, text, plant) text,
		BUG_LIST(X)
#undef X
	};
	(void)state;
	for (int machine = 0; machine < 2; machine++) {
		if (bug_is_found(BUGS, machine))
			fail_msg("without a bug one is found");
		for (int bug = 0; bug < BUGS; bug++)
			if (!bug_is_found((enum bug)bug, machine))
				fail_msg("over the %s nobody sees that %s", machine ? "machine" : "array", texts[bug]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_walks),
		cmocka_unit_test(test_sweep_once),
		cmocka_unit_test(test_sweep_for_good),
		cmocka_unit_test(test_planted_bugs_are_found),
	};
	return cmocka_run_group_tests_name("kernel_random", tests, NULL, NULL);
}
