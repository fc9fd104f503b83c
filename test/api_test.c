/* api_test.c - the public header as a program that links the library uses it. */
#include <pageworks.h>
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void a_run_gives_its_result(void **state)
{
	(void)state;
	const char *const options[] = { "frames=100", "policy=clock", "tlb=l1d=16/4,l2=64/fa", NULL };
	char *result, *why;
	assert_int_equal(pw_run("zipf:pages=1K,s=1.0,refs=100K", options, &result, &why), PW_SUCCESS);
	assert_null(why);
	json_t *tree = json_loads(result, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(tree);
	assert_string_equal(json_string_value(json_object_get(tree, "pageworks")), pw_version());
	assert_int_equal(json_integer_value(json_object_get(json_object_get(tree, "references"), "total")), 100 * 1024);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(tree, "machine"), "page_frames")), 100);
	json_decref(tree);
	pw_free(result);
}

static void refuses(const char *trace, const char *option, enum pw_status status, const char *word)
{
	const char *const options[] = { option, NULL };
	char *result, *why;
	assert_int_equal(pw_run(trace, options, &result, &why), status);
	assert_null(result);
	assert_non_null(why);
	if (!strstr(why, word) || strchr(why, '\n'))
		fail_msg("%s: '%s' was to be one line with '%s'", option, why, word);
	pw_free(why);
}

static void nonsense_is_explained(void **state)
{
	(void)state;
	refuses("seq:pages=4", "policy=lur", PW_E_INVALID, "did you mean 'lru'");
	refuses("seq:pages=4", "polcy=lru", PW_E_INVALID, "did you mean 'policy'");
	refuses("seq:pages=4", "frames", PW_E_INVALID, "name=value");
	refuses("seq:pages=4", "ram=4K", PW_E_INVALID, "too small");
	refuses("seq:pages=4", "swap=file:/no/such/place", PW_E_INVALID, "/no/such/place");
	refuses("/no/such/file", "seed=1", PW_E_INPUT, "/no/such/file");
}

static void no_options_is_the_default_machine(void **state)
{
	(void)state;
	char *result, *why;
	assert_int_equal(pw_run("seq:pages=4", NULL, &result, &why), PW_SUCCESS);
	assert_non_null(strstr(result, "\"x86-64\""));
	pw_free(result);
	pw_free(why);
}


/* ---- computers ---- */

static struct pw_computer *computer(const char *const *options, const struct pw_parts *parts)
{
	struct pw_computer *c;
	char *why;
	enum pw_status status = pw_computer_create(options, parts, &c, &why);
	if (status != PW_SUCCESS)
		fail_msg("%s", why);
	assert_null(why);
	return c;
}

static double figure(struct pw_computer *c, const char *name)
{
	double value = -1;
	assert_int_equal(pw_figure(c, name, &value), PW_SUCCESS);
	return value;
}

static void done(struct pw_computer *c)
{
	const char *flaw = pw_computer_flaw(c);
	if (flaw)
		fail_msg("%s", flaw);
	pw_computer_destroy(c);
}

static void bytes_survive_everything(void **state)
{
	(void)state;
	const char *const options[] = { "frames=3", "policy=clock", NULL };
	struct pw_computer *c = computer(options, NULL);
	struct pw_process *p, *q;
	char text[12] = "";
	uint64_t at, value;
	assert_int_equal(pw_process_create(c, "p", &p), PW_SUCCESS);
	assert_int_equal(pw_map(p, 0x10000, 1 << 16, PW_READ | PW_WRITE, NULL, NULL), PW_SUCCESS);
	assert_int_equal(pw_write(p, 0x10ffc, "across pages", 12), PW_SUCCESS);
	for (uint64_t i = 2; i < 16; i++)
		assert_int_equal(pw_write(p, 0x10000 + i * 4096, &i, 8), PW_SUCCESS);
	assert_int_equal(pw_process_fork(p, &q), PW_SUCCESS);
	assert_int_equal(pw_write(q, 0x10ffc, "ACROSS", 6), PW_SUCCESS);
	assert_int_equal(pw_read(p, 0x10ffc, text, 12), PW_SUCCESS);
	assert_memory_equal(text, "across pages", 12);
	assert_int_equal(pw_copy(p, 0x12000, q, 0x10ffc, 12), PW_SUCCESS);
	assert_int_equal(pw_read(p, 0x12000, text, 12), PW_SUCCESS);
	assert_memory_equal(text, "ACROSS pages", 12);
	for (uint64_t i = 3; i < 16; i++) {
		assert_int_equal(pw_read(q, 0x10000 + i * 4096, &value, 8), PW_SUCCESS);
		assert_int_equal(value, i);
	}
	assert_true(figure(c, "faults.major") > 0 && figure(c, "swap.writes") > 0);
	pw_process_exit(q);
	assert_int_equal(pw_map(p, PW_ANYWHERE, 5000, PW_READ, NULL, &at), PW_SUCCESS);
	assert_int_equal(pw_read(p, at + 8184, &value, 8), PW_SUCCESS);
	assert_int_equal(value, 0);
	done(c);
}

static void refused_arguments(void **state)
{
	(void)state;
	struct pw_computer *c = computer(NULL, NULL);
	struct pw_process *p;
	struct pw_step step;
	double value;
	uint64_t byte = 0;
	assert_int_equal(pw_process_create(c, NULL, &p), PW_SUCCESS);
	assert_int_equal(pw_map(p, 0x1001, 4096, PW_READ, NULL, NULL), PW_E_INVALID);
	assert_int_equal(pw_map(p, 0x1000, 0, PW_READ, NULL, NULL), PW_E_INVALID);
	assert_int_equal(pw_map(p, 0x1000, UINT64_MAX - 100, PW_READ, NULL, NULL), PW_E_INVALID);
	assert_int_equal(pw_map(p, 0x1000, 4096, 64, NULL, NULL), PW_E_INVALID);
	const struct pw_mapping nothing = { .file = 7 };
	assert_int_equal(pw_map(p, 0x1000, 4096, PW_READ, &nothing, NULL), PW_E_INVALID);
	assert_int_equal(pw_unmap(p, 1, 4096), PW_E_INVALID);
	assert_int_equal(pw_process_move(p, 1), PW_E_INVALID);
	assert_int_equal(pw_read(p, 0x1000, &byte, 1), PW_E_REFUSED);
	assert_int_equal(pw_map(p, 0x1000, 4096, PW_READ, NULL, NULL), PW_SUCCESS);
	assert_int_equal(pw_write(p, 0x1000, &byte, 1), PW_E_REFUSED);
	assert_int_equal(pw_step(p, 0x1000, PW_FETCH, &step), PW_E_REFUSED);
	assert_true(!step.done && step.why && step.trap);
	assert_int_equal(pw_step(p, 0x1000, (enum pw_kind)9, &step), PW_E_INVALID);
	assert_int_equal(pw_step(p, 0x1000, PW_LOAD, &step), PW_SUCCESS);
	assert_true(step.done && step.faults == 1 && strcmp(step.cause, "demand_zero") == 0);
	assert_int_equal(pw_step(p, 0x1234, PW_LOAD, &step), PW_SUCCESS);
	assert_true(step.done && step.tlb && !step.walk_reads && !step.faults && !step.trap);
	assert_int_equal(step.physical & 4095, 0x234);
	assert_int_equal(pw_figure(c, "faults.totla", &value), PW_E_INVALID);
	char *text = pw_figures(c);
	json_t *tree = json_loads(text, 0, NULL);
	assert_non_null(tree);
	json_decref(tree);
	pw_free(text);
	done(c);
	const char *const wrong[] = { "policy=opt", "swap=ssd", "frames=0", "nonsense=1", "frames" };
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const char *const options[] = { wrong[i], NULL };
		char *why;
		assert_int_equal(pw_computer_create(options, NULL, &c, &why), PW_E_INVALID);
		assert_null(c);
		assert_true(why && *why && !strchr(why, '\n'));
		pw_free(why);
	}
}

/* ---- parts of the caller's own ---- */

struct liar {
	uint32_t n_slots, calls;
};

static void *liar_create(void *ctx, uint32_t n_slots)
{
	struct liar *l = ctx;
	l->n_slots = n_slots;
	return l;
}

static void *nothing_create(void *ctx, uint32_t n_slots)
{
	(void)ctx, (void)n_slots;
	return NULL;
}

static void liar_enter(void *self, uint32_t slot, uint64_t key) { (void)self, (void)slot, (void)key; }
static void liar_leave(void *self, uint32_t slot) { (void)self, (void)slot; }
static uint32_t liar_victim(void *self) { return ((struct liar *)self)->calls++ * 2654435761u; }

/* A policy that answers nonsense costs faults, and no byte. */
static void a_lying_policy_does_no_harm(void **state)
{
	(void)state;
	struct liar liar = { 0 };
	const struct pw_policy policy = {
		.name = "liar", .ctx = &liar, .create = liar_create, .enter = liar_enter, .leave = liar_leave, .victim = liar_victim,
	};
	const struct pw_parts parts = { .policy = &policy };
	const char *const options[] = { "frames=4", NULL };
	struct pw_computer *c = computer(options, &parts);
	struct pw_process *p;
	assert_int_equal(pw_process_create(c, "p", &p), PW_SUCCESS);
	assert_int_equal(pw_map(p, 0, 1 << 20, PW_READ | PW_WRITE, NULL, NULL), PW_SUCCESS);
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t value, page = i * 7 % 100;
		assert_int_equal(pw_write(p, page * 4096, &page, 8), PW_SUCCESS);
		page = i * 3 % 100;
		assert_int_equal(pw_read(p, page * 4096, &value, 8), PW_SUCCESS);
		assert_true(value == page || value == 0);
	}
	assert_true(figure(c, "policy.wrong_victims") > 100);
	done(c);
	char *why;
	const struct pw_policy none = { .create = nothing_create, .enter = liar_enter, .leave = liar_leave, .victim = liar_victim };
	const struct pw_policy half = { .create = liar_create };
	const struct pw_parts no_state = { .policy = &none }, no_victim = { .policy = &half };
	assert_int_equal(pw_computer_create(options, &no_state, &c, &why), PW_E_MEMORY);
	pw_free(why);
	assert_int_equal(pw_computer_create(options, &no_victim, &c, &why), PW_E_INVALID);
	pw_free(why);
	const char *const both[] = { "policy=lru", NULL };
	assert_int_equal(pw_computer_create(both, &parts, &c, &why), PW_E_INVALID);
	pw_free(why);
}

/* A store and a pager that fail now and then. */
struct moody {
	unsigned calls;
	unsigned char slot[64][4096];
};

static int moody_read(void *ctx, uint64_t slot, void *page, size_t bytes)
{
	struct moody *m = ctx;
	if (++m->calls % 5 == 0)
		return EIO;
	memcpy(page, m->slot[slot], bytes);
	return 0;
}

static int moody_write(void *ctx, uint64_t slot, const void *page, size_t bytes)
{
	struct moody *m = ctx;
	if (++m->calls % 7 == 0)
		return ENOSPC;
	memcpy(m->slot[slot], page, bytes);
	return 0;
}

static int moody_make(void *ctx, uint64_t offset, void *bytes, size_t n)
{
	struct moody *m = ctx;
	memset(bytes, (int)(offset >> 12), n);
	return ++m->calls % 3 == 0 ? EIO : 0;
}

static void failing_stores_and_pagers(void **state)
{
	(void)state;
	struct moody moody = { 0 };
	const struct pw_store store = { .ctx = &moody, .read = moody_read, .write = moody_write, .n_slots = 64 };
	const struct pw_pager pager = { .ctx = &moody, .read = moody_make }, useless = { .ctx = &moody };
	const struct pw_parts parts = { .swap = &store };
	const char *const options[] = { "frames=4", "policy=fifo", NULL };
	struct pw_computer *c = computer(options, &parts);
	struct pw_process *p;
	uint64_t file, at, io = 0, right = 0;
	assert_int_equal(pw_file_paged(c, &useless, 4096, &file), PW_E_INVALID);
	assert_int_equal(pw_file_paged(c, &pager, 100 * 4096, &file), PW_SUCCESS);
	const struct pw_mapping map = { .file = file };
	assert_int_equal(pw_process_create(c, "p", &p), PW_SUCCESS);
	assert_int_equal(pw_map(p, PW_ANYWHERE, 101 * 4096, PW_READ, &map, &at), PW_SUCCESS);
	assert_int_equal(pw_map(p, 0, 32 * 4096, PW_READ | PW_WRITE, NULL, NULL), PW_SUCCESS);
	bool written[32] = { false };
	for (uint64_t i = 0; i < 2000; i++) {
		uint64_t page = i * 13 % 32, value = 0;
		unsigned char byte = 0;
		enum pw_status status = pw_read(p, at + i % 100 * 4096, &byte, 1);
		assert_true(status == PW_E_IO || (status == PW_SUCCESS && byte == i % 100));
		status = i % 2 ? pw_write(p, page * 4096, &page, 8) : pw_read(p, page * 4096, &value, 8);
		assert_true(status == PW_SUCCESS || status == PW_E_IO || status == PW_E_FULL);
		io += status == PW_E_IO;
		written[page] |= i % 2 && status == PW_SUCCESS;
		if (!(i % 2) && status == PW_SUCCESS)
			assert_int_equal(value, written[page] ? page : 0);
		right += status == PW_SUCCESS;
		if (status == PW_E_FULL)
			break;
	}
	assert_true(io > 10 && right > 100);
	unsigned char byte;
	assert_int_equal(pw_read(p, at + 100 * 4096, &byte, 1), PW_E_REFUSED);
	done(c);
}

struct seen {
	unsigned faults, refused, evictions;
	struct pw_process *last;
};

static void see(void *ctx, const struct pw_event *e)
{
	struct seen *s = ctx;
	s->faults += e->kind == PW_EVENT_FAULT;
	s->refused += e->kind == PW_EVENT_REFUSED;
	s->evictions += e->kind == PW_EVENT_EVICTION;
	assert_true(e->kind != PW_EVENT_FAULT || e->cause);
	assert_true(e->kind != PW_EVENT_REFUSED || e->why);
	s->last = e->process;
}

static void events_add_up(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	const struct pw_parts parts = { .watch = see, .watch_ctx = &seen };
	const char *const options[] = { "frames=2", "cpus=2", NULL };
	struct pw_computer *c = computer(options, &parts);
	struct pw_process *p;
	struct pw_step step;
	assert_int_equal(pw_process_create(c, "p", &p), PW_SUCCESS);
	assert_int_equal(pw_process_move(p, 1), PW_SUCCESS);
	assert_int_equal(pw_map(p, 0, 1 << 16, PW_READ | PW_WRITE, NULL, NULL), PW_SUCCESS);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(pw_step(p, i % 16 * 4096, PW_STORE, &step), PW_SUCCESS);
	assert_int_equal(pw_step(p, 1 << 20, PW_STORE, &step), PW_E_REFUSED);
	assert_ptr_equal(seen.last, p);
	assert_int_equal(seen.faults, figure(c, "faults.total"));
	assert_int_equal(seen.refused, figure(c, "faults.protection"));
	assert_int_equal(seen.evictions, figure(c, "reclaim.evicted"));
	done(c);
}

/* ---- the MMU alone ---- */

static void the_mmu_alone(void **state)
{
	(void)state;
	const char *const options[] = { "format=x86-32", "tlb=l1=4/fa", "asids=4", NULL };
	struct pw_mmu *m;
	char *why;
	uint64_t bytes, physical = 0;
	double value;
	assert_int_equal(pw_mmu_create(options, 16 * 4096, &m, &why), PW_SUCCESS);
	uint32_t *memory = pw_mmu_memory(m, &bytes);
	assert_int_equal(bytes, 16 * 4096);
	memory[1024 + 1] = 0x2007;           /* the root in frame 1, one table in frame 2 */
	memory[2048 + 3] = 0x5005;           /* a page in frame 5, read-only, the user's */
	memory[2048 + 4] = 0x6003;           /* one in frame 6, the supervisor's */
	assert_int_equal(pw_mmu_load_root(m, 0, 0x1000, 1), PW_SUCCESS);
	assert_int_equal(pw_mmu_load_root(m, 1, 0x1000, 1), PW_E_INVALID);
	assert_int_equal(pw_mmu_translate(m, 0, 0x403123, PW_LOAD, &physical), PW_TRAP_NONE);
	assert_int_equal(physical, 0x5123);
	assert_int_equal(pw_mmu_translate(m, 0, 0x403123, PW_STORE, &physical), PW_TRAP_WRITE);
	assert_int_equal(pw_mmu_translate(m, 0, 0x404000, PW_LOAD, &physical), PW_TRAP_PRIVILEGE);
	assert_int_equal(pw_mmu_translate(m, 0, 0x405000, PW_LOAD, &physical), PW_TRAP_NOT_PRESENT);
	assert_int_equal(pw_mmu_translate(m, 9, 0x403123, PW_LOAD, &physical), PW_TRAP_BADFRAME);
	assert_true(memory[2048 + 3] & 0x20);
	pw_mmu_set_user(m, 0, false);
	assert_int_equal(pw_mmu_translate(m, 0, 0x404000, PW_LOAD, &physical), PW_TRAP_NONE);
	/* A changed entry is seen after a flush, not before. */
	assert_int_equal(pw_mmu_translate(m, 0, 0x403000, PW_LOAD, &physical), PW_TRAP_NONE);
	memory[2048 + 3] = 0x7005;
	assert_int_equal(pw_mmu_translate(m, 0, 0x403000, PW_LOAD, &physical), PW_TRAP_NONE);
	assert_int_equal(physical, 0x5000);
	pw_mmu_flush_page(m, 1, 0x403000);
	assert_int_equal(pw_mmu_translate(m, 0, 0x403000, PW_LOAD, &physical), PW_TRAP_NONE);
	assert_int_equal(physical, 0x7000);
	pw_mmu_flush(m);
	char *story = pw_mmu_explain(m, 0, 0x405000, PW_LOAD);
	assert_non_null(strstr(story, "not present"));
	pw_free(story);
	assert_null(pw_mmu_explain(m, 5, 0, PW_LOAD));
	assert_int_equal(pw_mmu_figure(m, "references.total", &value), PW_SUCCESS);
	assert_int_equal(value, 5);
	assert_int_equal(pw_mmu_figure(m, "nothing", &value), PW_E_INVALID);
	pw_mmu_destroy(m);
	const char *const wrong[] = { "policy=lru", "frames=4", "format=none", "tlb=x" };
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const char *const one[] = { wrong[i], NULL };
		assert_int_equal(pw_mmu_create(one, 1 << 20, &m, &why), PW_E_INVALID);
		assert_null(m);
		pw_free(why);
	}
	assert_int_equal(pw_mmu_create(NULL, 100, &m, &why), PW_E_INVALID);
	pw_free(why);
}

/* ---- memory of this process ---- */

static void refused_regions(void **state)
{
	(void)state;
	struct moody moody = { 0 };
	const struct pw_store store = { .ctx = &moody, .read = moody_read, .write = moody_write },
	        half = { .ctx = &moody, .read = moody_read };
	const struct pw_pager useless = { .ctx = &moody };
	const struct pw_region_backing two = { .swap = "ram", .store = &store }, broken = { .store = &half }, empty = { .pager = &useless },
	                               unknown = { .swap = "rma" };
	const struct { uint64_t bytes, ram; const char *policy; const struct pw_region_backing *backing; } wrong[] = {
		{ 0, 1 << 20, NULL, NULL }, { 1 << 20, 100, NULL, NULL }, { 1 << 20, 1 << 20, "fofi", NULL },
		        { 1 << 20, 1 << 20, "opt", NULL },
		{ 1 << 20, 1 << 20, "lru", NULL }, { 1 << 20, 1 << 20, NULL, &two }, { 1 << 20, 1 << 20, NULL, &broken },
		{ 1 << 20, 1 << 20, NULL, &empty }, { 1 << 20, 1 << 20, NULL, &unknown },
	};
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct pw_region *r;
		char *why;
		assert_int_equal(pw_region_create(wrong[i].bytes, wrong[i].ram, wrong[i].policy, wrong[i].backing, &r, &why), PW_E_INVALID);
		assert_null(r);
		assert_true(why && *why && !strchr(why, '\n'));
		pw_free(why);
	}
}

/* Random stores and loads against an array, in a thirty-second of the memory, over several stores. */
static void a_region_keeps_its_bytes(void **state)
{
	(void)state;
	enum { PAGES = 2048 };
	const char *const swaps[] = { "ram", "lz4" };
	static uint64_t model[PAGES];
	for (unsigned s = 0; s < sizeof swaps / sizeof *swaps; s++) {
		const struct pw_region_backing backing = { .swap = swaps[s] };
		struct pw_region *r;
		char *why;
		double value;
		enum pw_status status = pw_region_create(PAGES * 4096, 64 * 4096, s ? "clock" : NULL, &backing, &r, &why);
		if (status == PW_E_REFUSED) {
			print_message("%s\n", why);
			pw_free(why);
			skip();
		}
		assert_int_equal(status, PW_SUCCESS);
		volatile uint64_t *memory = pw_region_memory(r);
		uint64_t x = 7;
		memset(model, 0, sizeof model);
		for (unsigned i = 0; i < 20000; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			uint64_t page = (x >> 33) % PAGES;
			if (x >> 62)
				memory[page * 512 + page % 512] = model[page] = x;
			else
				assert_int_equal(memory[page * 512 + page % 512], model[page]);
		}
		assert_int_equal(pw_region_figure(r, "memory.resident_pages", &value), PW_SUCCESS);
		assert_true(value <= 64);
		assert_int_equal(pw_region_figure(r, "swap.reads", &value), PW_SUCCESS);
		assert_true(value > 1000);
		assert_int_equal(pw_region_figure(r, "nothing", &value), PW_E_INVALID);
		assert_int_equal(pw_region_resize(r, 1 << 30), PW_E_INVALID);
		pw_region_destroy(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_gives_its_result), cmocka_unit_test(nonsense_is_explained),
		cmocka_unit_test(no_options_is_the_default_machine), cmocka_unit_test(bytes_survive_everything),
		cmocka_unit_test(refused_arguments), cmocka_unit_test(a_lying_policy_does_no_harm),
		cmocka_unit_test(failing_stores_and_pagers), cmocka_unit_test(events_add_up), cmocka_unit_test(the_mmu_alone),
		cmocka_unit_test(refused_regions), cmocka_unit_test(a_region_keeps_its_bytes),
	};
	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
