/* pmap_host_test.c - the kernel over this computer's own MMU behaves as it does over the array.
 *
 * Two kernels are given the same random history of mappings, protections, forks, exits, loads and stores; one stands on pmap_model,
 * the specification, the other on pmap_host: its spaces are windows of this process, its program is a thread that really touches
 * them and faults.  Every answer and every byte must be the same, and where no page is shared and none read ahead, every count of
 * faults too. */
#include "../src/base/rng.h"
#include "../src/kernel/kernel.h"
#include "../src/pmap/pmap_host.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGEOUT = 21 /* MADV_PAGEOUT of Linux 5.4 */ };
enum { PAGES = 48, SPACES = 4, STEPS = 3000, PAGE = 4096, SIZE = PAGES * PAGE };
#define BASE 0x10000ull /* first page of the playground */
#define REFUSED 0xdeadull

struct world {
	struct pmap_sys *pmap;
	struct physmem memory;
	struct store *swap;
	struct kernel *kernel;
	struct process *process[SPACES];
	/* The host's. */
	bool is_host, ahead;
	struct uffd uffd;
	uint8_t *window[SPACES];
	unsigned prot[SPACES][PAGES];
};

/* ---- the program: a thread that does one access when told to ---- */

static struct {
	pthread_t thread;
	int order, done;
	volatile uint64_t *at;
	uint64_t value;
	bool store, refused, quit;
	sigjmp_buf out;
} prog;

static void prog_segv(int sig)
{
	(void)sig;
	siglongjmp(prog.out, 1);
}

static void *prog_run(void *arg)
{
	uint64_t word;
	(void)arg;
	while (read(prog.order, &word, sizeof word) == sizeof word && !prog.quit) {
		if (sigsetjmp(prog.out, 1))
			prog.refused = true;
		else if (prog.store)
			*prog.at = prog.value;
		else
			prog.value = *prog.at;
		word = 1;
		if (write(prog.done, &word, sizeof word) != sizeof word)
			break;
	}
	return NULL;
}

static void prog_start(void)
{
	struct sigaction act = { .sa_handler = prog_segv };
	sigaction(SIGSEGV, &act, NULL);
	prog.order = eventfd(0, EFD_CLOEXEC);
	prog.done = eventfd(0, EFD_CLOEXEC);
	prog.quit = false;
	assert_int_equal(pthread_create(&prog.thread, NULL, prog_run, NULL), 0);
}

static void prog_stop(void)
{
	uint64_t word = 1;
	prog.quit = true;
	assert_int_equal(write(prog.order, &word, sizeof word), sizeof word);
	pthread_join(prog.thread, NULL);
	close(prog.order);
	close(prog.done);
	signal(SIGSEGV, SIG_DFL);
}

static void host_serve(struct world *w, unsigned space, const struct uffd_fault *f)
{
	uint64_t page = BASE + (f->address - (uintptr_t)w->window[space]) / PAGE;
	enum access_kind kind = f->write ? ACCESS_STORE : ACCESS_LOAD;
	enum host_touch t = pmap_host_touch(process_pmap(w->process[space]), vpn(page), kind);
	assert_int_not_equal(t, HOST_LOST);
	if (t == HOST_DONE)
		return;
	struct fault_report r = process_fault(w->process[space], 0, vaddr(page << 12), kind);
	if (r.outcome != FAULT_OUTCOME_RESOLVED)
		fail_msg("page %llu, %s: the kernel says %s", (unsigned long long)page - BASE, f->write ? "store" : "load", r.why);
	uffd_wake(&w->uffd, f->address & ~(uint64_t)(PAGE - 1), PAGE);
}

static uint64_t host_access(struct world *w, unsigned space, uint64_t offset, bool store, uint64_t value)
{
	uint64_t word = 1;
	prog.at = (volatile uint64_t *)(w->window[space] + offset);
	prog.store = store;
	prog.value = value;
	prog.refused = false;
	assert_int_equal(write(prog.order, &word, sizeof word), sizeof word);
	for (;;) {
		struct pollfd fds[2] = { { .fd = w->uffd.fd, .events = POLLIN }, { .fd = prog.done, .events = POLLIN } };
		struct uffd_fault fault[4];
		assert_true(poll(fds, 2, 10000) > 0);
		int n = fds[0].revents ? uffd_read(&w->uffd, fault, 4) : 0;
		for (int i = 0; i < n; i++)
			host_serve(w, space, &fault[i]);
		if (!n && fds[1].revents && read(prog.done, &word, sizeof word) == sizeof word)
			return prog.refused ? REFUSED : prog.value;
	}
}

/* ---- the worlds ---- */

static void world_open(struct world *w, bool host, const char *policy, uint64_t frames, bool ahead)
{
	struct pw_why why = { "" };
	*w = (struct world){ .is_host = host, .ahead = ahead };
	if (host) {
		assert_int_equal(uffd_open(&w->uffd, &why), PW_OK);
		assert_int_equal(fcntl(w->uffd.fd, F_SETFL, O_NONBLOCK), 0);
		assert_int_equal(pmap_host_create(frames, &w->uffd, &w->pmap), PW_OK);
		for (unsigned i = 0; i < SPACES; i++) {
			w->window[i] = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
			assert_int_equal(uffd_register(&w->uffd, (uintptr_t)w->window[i], SIZE), PW_OK);
		}
	} else {
		assert_int_equal(pmap_model_create(frames + 512, 12, &w->pmap), PW_OK);
		assert_int_equal(physmem_init(&w->memory, frames + 512, 12), PW_OK);
	}
	assert_int_equal(store_open("ram", PAGE, UINT64_MAX, &w->swap, &why), PW_OK);
	struct kernel_config k = {
		.pmap = w->pmap, .memory = host ? NULL : &w->memory, .carries_data = true, .n_frames = host ? frames : frames + 512,
		.page_frames = frames, .page_shift = 12, .personality = ahead ? PERSONALITY_linux : PERSONALITY_textbook,
		.policy = policy_find(policy), .ahead = ahead ? 16 : 0, .slots_stay = ahead, .swap = w->swap,
		.cost = &cost_default, .seed = 3,
	};
	assert_int_equal(kernel_create(&k, &w->kernel, &why), PW_OK);
}

static void space_open(struct world *w, unsigned space, struct process *p)
{
	w->process[space] = p;
	if (w->is_host)
		pmap_host_window(process_pmap(p), (uintptr_t)w->window[space] - (BASE << 12));
}

static void world_close(struct world *w)
{
	kernel_destroy(w->kernel);
	pmap_sys_destroy(w->pmap);
	store_close(w->swap);
	for (unsigned i = 0; i < SPACES && w->is_host; i++)
		munmap(w->window[i], SIZE);
	if (w->is_host)
		uffd_close(&w->uffd);
	else
		physmem_fini(&w->memory);
}

/* The rights of the window follow those of the map, as a pager's program sees to: the kernel lets go first. */
static void window_follow(struct world *w, unsigned space)
{
	if (!w->is_host)
		return;
	pmap_host_flush(w->pmap);
	assert_null(pmap_host_broken(w->pmap));
	for (unsigned i = 0; i < PAGES; i++) {
		struct mapping_info m;
		bool mapped = w->process[space] && process_mapping_at(w->process[space], vaddr((BASE + i) << 12), &m);
		unsigned prot = !mapped ? PROT_NONE : m.prot & PMAP_WRITE ? PROT_READ | PROT_WRITE : m.prot ? PROT_READ : PROT_NONE;
		if (prot == w->prot[space][i])
			continue;
		w->prot[space][i] = prot;
		mprotect(w->window[space] + i * PAGE, PAGE, (int)prot);
	}
}

struct step {
	unsigned what, space, other, prot;
	uint64_t page, count, value;
};

static struct step step_make(struct rng *rng)
{
	struct step s = { .what = (unsigned)rng_below(rng, 100), .space = (unsigned)rng_below(rng, SPACES),
	                  .other = (unsigned)rng_below(rng, SPACES), .page = rng_below(rng, PAGES), .value = rng_next(rng) | 1 };
	s.count = 1 + rng_below(rng, PAGES - s.page);
	s.prot = PMAP_READ | (rng_below(rng, 5) ? PMAP_WRITE : 0);
	return s;
}

static uint64_t step_access(struct world *w, const struct step *s, bool store)
{
	uint64_t offset = s->page * PAGE + s->value % 500 * 8, word = s->value;
	vaddr_t at = vaddr((BASE << 12) + offset);
	if (w->is_host)
		return host_access(w, s->space, offset, store, s->value);
	enum pw_err err = store ? process_copy_in(w->process[s->space], at, &word, sizeof word, NULL)
	                        : process_copy_out(w->process[s->space], at, &word, sizeof word, NULL);
	return err ? REFUSED : word;
}

/* Each page of the step accessed, in order.  => the words, folded */
static uint64_t step_sweep(struct world *w, const struct step *s, bool store)
{
	uint64_t sum = 0;
	for (uint64_t i = 0; i < s->count; i++) {
		struct step one = *s;
		one.page += i;
		one.value += i * 4000;
		if (w->is_host && (!i || !w->ahead))
			pmap_host_flush(w->pmap); /* a page on its way out can be read without a fault */
		sum = sum * 31 + step_access(w, &one, store);
	}
	return sum;
}

/* Pages are written, sent away, and read in order, as a stream is recognized by. */
static uint64_t step_stream(struct world *w, const struct step *s)
{
	uint64_t sum = step_sweep(w, s, true);
	enum pw_err err = process_advise(w->process[s->space], vaddr((BASE + s->page) << 12), s->count << 12, PAGEOUT);
	sum = sum * 31 + err;
	return sum * 31 + step_sweep(w, s, false);
}

static uint64_t step_take(struct world *w, const struct step *s, bool sharing, uint32_t *next_pid)
{
	struct process **p = &w->process[s->space], *child;
	vaddr_t at = vaddr((BASE + s->page) << 12), got;
	uint64_t bytes = s->count << 12, answer = 0;
	if (!*p)
		return 0;
	if (s->what < 6) {
		const struct process_mapping m = { .start = at, .bytes = bytes, .prot = s->prot, .fixed = true, .anonymous = true,
		                                   .shared = sharing && s->value & 2, .name = "playground" };
		answer = process_map(*p, &m, &got);
	} else if (s->what < 8) {
		answer = process_unmap(*p, at, bytes);
	} else if (s->what < 11) {
		answer = process_protect(*p, at, bytes, s->value & 4 ? s->prot : 0);
	} else if (s->what < 13) {
		answer = process_advise(*p, at, bytes, s->value & 2 ? MADV_DONTNEED : PAGEOUT);
	} else if (s->what < 15 && s->page + 2 * s->count < PAGES) {
		answer = process_remap(*p, at, bytes, vaddr_add(at, bytes), bytes);
	} else if (s->what < 17 && sharing && !w->process[s->other]) {
		answer = process_fork(*p, ++*next_pid, &child);
		space_open(w, s->other, child);
		window_follow(w, s->other);
	} else if (s->what < 18 && s->space > 0) {
		process_exit(*p);
		*p = NULL;
	} else if (s->what >= 97) {
		return step_stream(w, s);
	} else {
		return step_access(w, s, s->what < 55);
	}
	window_follow(w, s->space);
	return answer;
}

static void worlds_agree(struct world *model, struct world *host, bool counts, const char *what, unsigned step)
{
	struct kernel_counts x, y;
	const char *flaw = kernel_flaw(host->kernel);
	for (unsigned i = 0; !flaw && i < SPACES; i++)
		flaw = host->process[i] ? pmap_flaw(process_pmap(host->process[i])) : NULL;
	if (flaw || pmap_host_broken(host->pmap))
		fail_msg("%s, step %u: %s", what, step, flaw ? flaw : pmap_host_broken(host->pmap));
	kernel_counts(model->kernel, &x);
	kernel_counts(host->kernel, &y);
	if (counts && (x.faults.total != y.faults.total || x.evicted != y.evicted))
		fail_msg("%s, step %u: faults %llu and %llu, evicted %llu and %llu, resident %llu and %llu", what, step,
		         (unsigned long long)x.faults.total,
		         (unsigned long long)y.faults.total, (unsigned long long)x.evicted, (unsigned long long)y.evicted,
		         (unsigned long long)x.resident_pages, (unsigned long long)y.resident_pages);
}

static void history(const char *policy, uint64_t frames, bool sharing, bool ahead, uint64_t seed)
{
	char what[128];
	struct world model, host;
	struct rng rng;
	uint32_t pids[2] = { SPACES, SPACES };
	bool counts = !sharing && !ahead && !strcmp(policy, "fifo");
	snprintf(what, sizeof what, "%s frames=%llu sharing=%d ahead=%d seed=%llu", policy, (unsigned long long)frames, sharing, ahead,
	         (unsigned long long)seed);
	world_open(&model, false, policy, frames, ahead);
	world_open(&host, true, policy, frames, ahead);
	for (unsigned i = 0; i < (sharing ? 1 : 2); i++) {
		struct world *const both[] = { &model, &host };
		for (unsigned j = 0; j < 2; j++) {
			struct process *p;
			assert_int_equal(process_create(both[j]->kernel, i + 1, "first", &p), PW_OK);
			space_open(both[j], i, p);
		}
	}
	rng_init(&rng, seed);
	for (unsigned n = 0; n < STEPS; n++) {
		struct step s = step_make(&rng);
		uint64_t x = step_take(&model, &s, sharing, &pids[0]), y = step_take(&host, &s, sharing, &pids[1]);
		if (counts)
			pmap_host_flush(host.pmap); /* a page on its way out can be read without a fault */
		if (x != y)
			fail_msg("%s, step %u (%u, page %llu): the model says %#llx, the host %#llx", what, n, s.what,
			         (unsigned long long)s.page, (unsigned long long)x, (unsigned long long)y);
		if (n % 16 == 0)
			worlds_agree(&model, &host, counts, what, n);
	}
	worlds_agree(&model, &host, counts, what, STEPS);
	if (ahead && frames >= 2 * PAGES) {
		struct kernel_counts c;
		kernel_counts(host.kernel, &c);
		if (c.readahead < 50)
			fail_msg("%s: only %llu pages were read ahead", what, (unsigned long long)c.readahead);
	}
	world_close(&model);
	world_close(&host);
}

static void host_or_skip(void)
{
	struct uffd u;
	struct pw_why why = { "" };
	if (uffd_open(&u, &why)) {
		print_message("SKIP: %s\n", why.text);
		skip();
	}
	uffd_close(&u);
}

static void same_history_same_answers(void **state)
{
	(void)state;
	static const char *const policies[] = { "fifo", "clock", "lru", "random", "second-chance", "sieve" };
	host_or_skip();
	prog_start();
	for (uint64_t i = 0; i < 6; i++) {
		history(policies[i], 6, false, false, 100 + i);
		history(policies[i], 30, false, false, 200 + i);
		history(policies[i], 20, true, false, 300 + i);
		history(policies[i], 100, i % 2, true, 400 + i);
	}
	history("fifo", 200, false, false, 7);
	history("fifo", 3, false, false, 8);
	history("clock", 12, true, true, 9);
	prog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_history_same_answers),
	};
	return cmocka_run_group_tests_name("pmap_host", tests, NULL, NULL);
}
