/* kernel_walk.c - see kernel_walk.h.  An action is a function and a line of ACTION_LIST. */
#include "kernel_walk.h"
#include "../src/base/inject.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

/* Says where; the test's own message follows. */
void walk_fail_at(const struct walk *w)
{
	inject_disarm();
	if (w->in_child)
		_exit(1);
	print_error("SEED=%lu, step %lu (%s):\n", (unsigned long)w->seed, (unsigned long)w->step, w->doing);
}

#define walk_fail(w, ...)              \
	do {                           \
		walk_fail_at(w);       \
		fail_msg(__VA_ARGS__); \
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

/* 20: COLD, 21: PAGEOUT, 25: COLLAPSE, 102: GUARD_INSTALL, 103: GUARD_REMOVE. */
static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_WILLNEED, 20, 21, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK,
	                       MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_HUGEPAGE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, 25, 102, 103 };

/* Not all advice is for all memory. */
static bool advice_fits(const struct walk *w, unsigned p, struct range r, int advice)
{
	for (unsigned i = r.first; i < r.first + r.n; i++) {
		const struct model_page *m = &w->model.process[p].page[i];
		bool anonymous = m->backing == MODEL_NOTHING || m->backing == MODEL_PRIVATE;
		if ((advice == MADV_WIPEONFORK && !anonymous) || (advice > 100 && (!anonymous || m->locked)))
			return false;
		if (m->locked && (advice == MADV_DONTNEED || advice == MADV_FREE || advice == 20 || advice == 21))
			return false;
	}
	return true;
}

static void advise(struct walk *w, int advice)
{
	unsigned p = some_process(w);
	struct range r = some_range(w);
	enum pw_err err = process_advise(w->process[p], world_address(r.first), r.n * (uint64_t)WORLD_PAGE, advice);
	if (err == PW_INVALID && !advice_fits(w, p, r, advice))
		return;
	if (call_done(w, err))
		model_advise(&w->model, p, r.first, r.n, advice);
}

static void do_advise(struct walk *w) { advise(w, advices[pick(w, sizeof advices / sizeof *advices)]); }
static void do_evict(struct walk *w) { advise(w, 21); }
/* Locking copies pages of a private file that could be written: stores to the file are not seen there any more, which a failed call
 * leaves undecided. */
static bool lock_is_plain(const struct walk *w, unsigned p, struct range r)
{
	for (unsigned i = r.first; i < r.first + r.n; i++) {
		const struct model_page *m = &w->model.process[p].page[i];
		if (m->backing == MODEL_NOTHING || (m->backing == MODEL_PRIVATE_FILE && m->prot & MODEL_WRITE && !m->own))
			return false;
	}
	return true;
}

static void do_lock(struct walk *w)
{
	unsigned p = some_process(w);
	struct range r = some_range(w);
	r.n = r.n < 5 ? r.n : 5;
	bool lock = pick(w, 2);
	if (!lock_is_plain(w, p, r))
		return;
	enum pw_err err = process_lock(w->process[p], world_address(r.first), r.n * (uint64_t)WORLD_PAGE, lock);
	if (call_done(w, err) || err != PW_NOMEM) /* had it been memory for entries, nothing would have been done */
		model_lock(&w->model, p, r.first, r.n, lock && !err);
}
static void do_sync(struct walk *w)
{
	unsigned p = some_process(w);
	struct range r = some_range(w);
	if (model_is_mapped(&w->model, p, r.first, r.n))
		call_done(w, process_sync(w->process[p], world_address(r.first), r.n * (uint64_t)WORLD_PAGE));
}
static void do_promote(struct walk *w) { kernel_promote(w->world.kernel, 8 * WORLD_HUGE_PAGES); }

static void frame_lent(void *ctx, pfn_t f, bool taken) { (void)ctx, (void)f, (void)taken; }

/* Some of memory goes, or comes back; nobody may notice. */
static void do_balloon(struct walk *w)
{
	struct kernel_counts k;
	kernel_counts(w->world.kernel, &k);
	uint64_t most = (k.free_frames + k.resident_pages + k.balloon_frames) / 3;
	call_done(w, kernel_balloon(w->world.kernel, pick(w, (unsigned)most + 1), frame_lent, NULL));
}

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
			walk_fail(w, "page %u of %u (backing %d, own %d, lazy %d, locked %d): word %u is %lx, not %lx", page, p,
			          w->model.process[p].page[page].backing, w->model.process[p].page[page].own,
			          w->model.process[p].page[page].lazy, w->model.process[p].page[page].locked, i,
			          (unsigned long)seen.word[i], (unsigned long)model_reads(&w->model, p, page)->word[i]);
}

static void do_read(struct walk *w)
{
	unsigned p = some_process(w);
	read_page(w, p, pick(w, MODEL_PAGES), pick(w, 3));
}

/* A store that failed may have copied a private file's page already, which then sees no store to the file: it is made sure of. */
static void copy_surely(struct walk *w, unsigned p, unsigned page)
{
	const struct model_page *m = &w->model.process[p].page[page];
	struct process_info info;
	process_describe(w->process[p], &info);
	if (info.killed || m->backing != MODEL_PRIVATE_FILE || m->own || model_asks(&w->model, p, page, MODEL_WRITE) != MODEL_ALLOWED)
		return;
	bool armed = inject_armed;
	inject_armed = false;
	uint64_t value = model_reads(&w->model, p, page)->word[0];
	if (!world_write(&w->world, w->process[p], 0, page, 0, value))
		model_writes(&w->model, p, page, 0, value);
	inject_armed = armed;
}

static void do_write(struct walk *w)
{
	unsigned p = some_process(w), page = pick(w, MODEL_PAGES), word = pick(w, MODEL_WORDS);
	uint64_t value = pick(w, 8) ? rng_next(&w->rng) : 0;
	enum pw_err err = pick(w, 3) ? world_write(&w->world, w->process[p], pick(w, WORLD_CPUS), page, word, value)
	                             : world_copy_in(&w->world, w->process[p], page, word, value);
	if (!access_judge(w, p, page, MODEL_WRITE, err)) {
		copy_surely(w, p, page);
		return;
	}
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
	X(promote, 4)  \
	X(balloon, 1)  \
	X(lock, 5)     \
	X(sync, 2)     \
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

void walk_step(struct walk *w)
{
	maybe_inject(w);
	if (!any_process(w))
		start_process(w, 0);
	if (any_process(w))
		one_step(w);
	notice_killed(w);
}

void walk_go(struct walk *w, uint64_t n_steps)
{
	for (w->step = 0; w->step < n_steps; w->step++) {
		walk_step(w);
		if (w->step % w->check_every == 0)
			check_flaw(w);
	}
	inject_disarm();
	check_flaw(w);
}

void walk_open(struct walk *w, uint64_t seed, const struct world_want *want)
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

void walk_close(struct walk *w)
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
