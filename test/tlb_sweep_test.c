/* tlb_sweep_test.c - the table of `pageworks tlb` against runs of single TLBs, and its stacks against TLBs written the obvious way. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/sim/tlb_spaces.h"
#include "../src/sim/tlb_sweep.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

enum { ITEMS_MAX = 4096, REFS_MAX = 64 };

/* ---- a program made up from a seed, as a trace ---- */

struct script {
	struct trace trace;
	struct trace_item item[ITEMS_MAX];
	ref_t refs[ITEMS_MAX][REFS_MAX];
	unsigned n, at;
};

static void script_next(struct trace *t, struct trace_item *ret)
{
	struct script *s = (struct script *)t;
	*ret = s->at < s->n ? s->item[s->at++] : (struct trace_item){ .kind = TRACE_ITEM_END };
}

static enum pw_err script_rewind(struct trace *t, struct pw_why *why)
{
	(void)why;
	((struct script *)t)->at = 0;
	return PW_OK;
}

static void script_close(struct trace *t) { free(t); }

static struct trace_item *script_event(struct script *s, uint32_t pid, enum trace_event_kind kind)
{
	struct trace_item *i = &s->item[s->n++];
	*i = (struct trace_item){ .kind = TRACE_ITEM_EVENT, .pid = pid, .tid = 1, .event = { .kind = kind, .name = "" } };
	return i;
}

enum { ARENA_PAGES = 2048, PAGE = 4096 };
#define ARENA 0x7f0000200000ull

/* Somewhere in the arena: mostly in its first pages, so that there is something to hit. */
static uint64_t script_page(struct rng *r)
{
	uint64_t n = rng_below(r, 4) ? 96 : ARENA_PAGES;
	return rng_below(r, n);
}

static void script_refs(struct script *s, struct rng *r, uint32_t pid)
{
	struct trace_item *i = &s->item[s->n];
	ref_t *refs = s->refs[s->n++];
	unsigned n = 1 + (unsigned)rng_below(r, REFS_MAX);
	*i = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = pid, .tid = 1, .refs = refs, .n_refs = n };
	uint64_t page = script_page(r);
	for (unsigned k = 0; k < n; k++) {
		if (rng_below(r, 3) == 0)
			page = script_page(r);
		refs[k] = ref_make(vaddr(ARENA + page * PAGE + rng_below(r, PAGE)), (enum access_kind)rng_below(r, ACCESS_KINDS));
	}
}

static void script_range(struct rng *r, struct trace_event *e)
{
	uint64_t first = script_page(r), n = 1 + rng_below(r, rng_below(r, 8) ? 12 : ARENA_PAGES);
	e->start = vaddr(ARENA + first * PAGE);
	e->bytes = (n < ARENA_PAGES - first ? n : ARENA_PAGES - first) * PAGE;
}

/* Rights that programs ask for. */
static uint32_t script_prot(struct rng *r, bool some)
{
	static const uint32_t prots[] = { 1, 3, 5, 7, 0 };
	return prots[rng_below(r, some ? 4 : 5)];
}

static void script_map(struct script *s, struct rng *r, uint32_t pid, bool whole)
{
	struct trace_event *e = &script_event(s, pid, TRACE_MAP)->event;
	script_range(r, e);
	if (whole) {
		e->start = vaddr(ARENA);
		e->bytes = ARENA_PAGES * PAGE;
	}
	e->prot = whole ? 7 : script_prot(r, true);
	e->flags = TRACE_MAP_ANON;
	if (rng_below(r, 4) == 0) {
		e->flags = rng_below(r, 2) ? TRACE_MAP_SHARED : 0;
		e->file_id = 1 + rng_below(r, 3);
		e->file_bytes = ARENA_PAGES * PAGE;
	}
}

/* The processes that live, of at most PIDS that ever do. */
enum { PIDS = 24, ALIVE_MAX = 4 };
struct alive {
	uint32_t pid[ALIVE_MAX];
	unsigned n, used;
};

/* What happens to the space of a process, or to the process. */
static void script_happening(struct script *s, struct rng *r, uint32_t pid, struct alive *alive)
{
	static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_WILLNEED, MADV_DONTFORK };
	struct trace_event *e;
	switch (rng_below(r, 9)) {
	case 0:
	case 1:
		script_map(s, r, pid, false);
		break;
	case 2:
		script_range(r, &script_event(s, pid, TRACE_UNMAP)->event);
		break;
	case 3:
	case 4:
		e = &script_event(s, pid, TRACE_PROTECT)->event;
		script_range(r, e);
		e->prot = script_prot(r, false);
		break;
	case 5:
		e = &script_event(s, pid, TRACE_ADVISE)->event;
		script_range(r, e);
		e->count = (uint64_t)advices[rng_below(r, 4)];
		break;
	case 6:
		e = &script_event(s, pid, TRACE_REMAP)->event;
		script_range(r, e);
		e->to = vaddr(ARENA + (ARENA_PAGES + rng_below(r, 64)) * PAGE);
		e->to_bytes = e->bytes;
		break;
	case 7:
		if (alive->n == ALIVE_MAX || alive->used == PIDS)
			break;
		alive->pid[alive->n++] = ++alive->used;
		script_event(s, pid, TRACE_FORK)->event.other = alive->used;
		break;
	case 8:
		if (rng_below(r, 2)) {
			script_event(s, pid, TRACE_EXEC)->event.name = "/bin/other";
			script_map(s, r, pid, true);
		} else if (alive->n > 1) {
			script_event(s, pid, TRACE_EXIT);
			for (unsigned i = 0; i < alive->n; i++)
				if (alive->pid[i] == pid)
					alive->pid[i] = alive->pid[--alive->n];
		}
		break;
	}
}

static struct trace *script_make(uint64_t seed)
{
	static const struct trace_ops ops = { "script", script_next, script_rewind, script_close };
	struct script *s = calloc(1, sizeof *s);
	struct rng r;
	struct alive alive = { { 1 }, 1, 1 };
	assert_non_null(s);
	rng_init(&r, seed);
	s->trace.ops = &ops;
	s->trace.info = (struct trace_info){ .format = "script", .source = "script", .progress = -1, .has_events = true };
	script_event(s, 1, TRACE_PROCESS);
	script_map(s, &r, 1, true);
	while (s->n < ITEMS_MAX - 16) {
		uint32_t pid = alive.pid[rng_below(&r, alive.n)];
		for (uint64_t items = 1 + rng_below(&r, 12); items > 0; items--)
			script_refs(s, &r, pid);
		script_happening(s, &r, pid, &alive);
	}
	return &s->trace;
}

/* ---- the two sides ---- */

static struct result run_on(struct trace *t, const struct run_options *o)
{
	struct pw_why why = { "" };
	struct run *r;
	struct result result;
	if (run_create(o, &r, &why) != PW_OK || run_begin(r, t, &why) != PW_OK)
		fail_msg("%s", why.text);
	while (run_step(r) == RUN_GOING)
		;
	if (run_error(r, &why) != PW_OK || run_result(r, &result, &why) != PW_OK)
		fail_msg("%s", why.text);
	if (result.checks.n_failed)
		fail_msg("%s", result.checks.failed[0]);
	run_destroy(r);
	assert_int_equal(trace_rewind(t, NULL), PW_OK);
	return result;
}

static struct result run_of(struct trace *t, const struct run_options *o, uint32_t entries, uint32_t ways)
{
	struct pw_why why = { "" };
	struct run_options with = *o;
	char spec[32];
	snprintf(spec, sizeof spec, "l1=%u/%u", entries, ways);
	assert_int_equal(tlb_parse(spec, with.cpu.tlb, &with.cpu.n_tlbs, &why), PW_OK);
	return run_on(t, &with);
}

static struct tlb_result sweep_of(struct trace *t, const struct tlb_options *o)
{
	struct pw_why why = { "" };
	struct tlb_sweep *s;
	struct tlb_result result;
	if (tlb_sweep_create(o, &s, &why) != PW_OK || tlb_sweep_begin(s, t, &why) != PW_OK)
		fail_msg("%s", why.text);
	while (tlb_sweep_step(s) == RUN_GOING)
		;
	if (tlb_sweep_error(s, &why) != PW_OK || tlb_sweep_result(s, &result, &why) != PW_OK)
		fail_msg("%s", why.text);
	if (result.head.checks.n_failed)
		fail_msg("%s", result.head.checks.failed[0]);
	tlb_sweep_destroy(s);
	assert_int_equal(trace_rewind(t, NULL), PW_OK);
	return result;
}

static const struct tlb_shape shapes[] = {
	{ 4, 1 },  { 4, 4 },   { 6, 2 },   { 16, 4 },  { 20, 20 }, { 63, 3 },
	{ 64, 64 }, { 96, 6 }, { 192, 24 }, { 512, 1 }, { 512, 8 }, { 1024, 1024 },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };
/* Numbers of sets that are powers of two are followed in another way. */
static const struct tlb_shape power_shapes[SHAPES] = {
	{ 4, 1 },  { 4, 4 },  { 8, 2 },    { 16, 4 },  { 16, 1 }, { 32, 32 },
	{ 64, 2 }, { 96, 6 }, { 192, 24 }, { 512, 1 }, { 512, 8 }, { 1024, 1024 },
};

static struct tlb_options options_make(void)
{
	struct tlb_options o = { .n_sizes = 1, .page_bytes = { PAGE }, .n_shapes = SHAPES, .threads = 1, .tables_only = true };
	run_options_init(&o.run);
	memcpy(o.shape, shapes, sizeof shapes);
	return o;
}

/* Points first, first + step... of the first page size are what runs with those TLBs count: misses, walks, what they read at each
 * level. */
static void compare_with_runs(const char *what, struct trace *t, const struct tlb_options *o, unsigned first,
                              unsigned step)
{
	struct tlb_result swept = sweep_of(t, o);
	for (unsigned i = first; i < o->n_shapes; i += step) {
		const struct tlb_point *p = &swept.size[0].point[i];
		struct result r = run_of(t, &o->run, p->shape.entries, p->shape.ways);
		if (r.refs.total != swept.head.refs.total || r.refs.refused != swept.head.refs.refused)
			fail_msg("%s: %llu references, a run has %llu", what, (unsigned long long)swept.head.refs.total,
			         (unsigned long long)r.refs.total);
		if (r.tlb[0].misses != p->misses || r.mach.walks != p->misses || r.mach.walk_references != p->reads)
			fail_msg("%s %u/%u: %llu misses reading %llu, a run has %llu reading %llu", what, p->shape.entries, p->shape.ways,
			         (unsigned long long)p->misses, (unsigned long long)p->reads, (unsigned long long)r.tlb[0].misses,
			         (unsigned long long)r.mach.walk_references);
		for (unsigned level = 0; level < PTFMT_LEVELS; level++)
			assert_int_equal(r.mach.walk_level[level], p->by_level[level]);
		result_fini(&r);
	}
	tlb_result_fini(&swept);
}

static void made_up_programs_equal_runs(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		char what[32];
		struct trace *t = script_make(seed);
		struct tlb_options o = options_make();
		snprintf(what, sizeof what, "seed %llu", (unsigned long long)seed);
		o.run.personality = seed % 3 ? PERSONALITY_textbook : PERSONALITY_linux;
		o.run.warmup = seed % 4 ? 0 : 20000;
		o.run.limit = seed % 5 ? 0 : 70000;
		if (seed % 6 == 5)
			o.run.cpu.asid_bits = 2; /* three spaces at once: they run out */
		if (seed % 4 == 1)
			o.run.cpu = *cpu_find("zen3");
		if (seed % 2)
			memcpy(o.shape, power_shapes, sizeof power_shapes);
		compare_with_runs(what, t, &o, seed % 3, 3);
		trace_close(t);
	}
}

static void generated_traces_equal_runs(void **state)
{
	static const char *const specs[] = {
		"zipf:pages=3k,s=1.0,refs=60k,writes=0.3", "random:pages=900,refs=40k", "loop:pages=65,refs=40k",
		"phases:pages=2k,refs=60k", "stack:pages=2k,refs=40k", "seq:pages=1,refs=10",
	};
	static const unsigned shifts[] = { 12, 14, 16, 21, 30 };
	(void)state;
	for (unsigned i = 0; i < sizeof specs / sizeof *specs; i++) {
		struct pw_why why = { "" };
		struct trace *t;
		if (trace_open(specs[i], &t, &why) != PW_OK)
			fail_msg("%s", why.text);
		struct tlb_options o = options_make();
		compare_with_runs(specs[i], t, &o, i % 4, 4);
		for (unsigned k = i % 2; k < sizeof shifts / sizeof *shifts; k += 2) {
			o.page_bytes[0] = 1ull << shifts[k];
			assert_int_equal(ptfmt_flat_make(shifts[k], 32, &o.run.format, &why), PW_OK);
			o.run.personality = k % 2 ? PERSONALITY_linux : PERSONALITY_textbook;
			compare_with_runs(specs[i], t, &o, (i + k) % 5, 5);
		}
		trace_close(t);
	}
}

/* Larger pages beside smaller ones count what runs with such pages count, where no kernel takes anything away. */
static void page_sizes_at_once_equal_runs(void **state)
{
	struct pw_why why = { "" };
	struct trace *t;
	(void)state;
	assert_int_equal(trace_open("zipf:pages=5k,s=0.8,refs=50k", &t, &why), PW_OK);
	struct tlb_options o = options_make(), one = options_make();
	o.n_sizes = 4;
	for (unsigned i = 0; i < 4; i++)
		o.page_bytes[i] = (uint64_t[]){ 1 << 12, 1 << 14, 1 << 16, 1 << 21 }[i];
	o.threads = 3;
	struct tlb_result swept = sweep_of(t, &o);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(ptfmt_flat_make((unsigned)__builtin_ctzll(o.page_bytes[i]), 32, &one.run.format, &why), PW_OK);
		for (unsigned k = i; k < SHAPES; k += 3) {
			struct result r = run_of(t, &one.run, shapes[k].entries, shapes[k].ways);
			assert_int_equal(r.tlb[0].misses, swept.size[i].point[k].misses);
			result_fini(&r);
		}
	}
	tlb_result_fini(&swept);
	trace_close(t);
}

/* ---- real CPUs, and large pages ---- */

static void compare_cpu(const char *what, const struct tlb_cpu *c, const struct result *r)
{
	if (c->walks != r->mach.walks || c->reads != r->mach.walk_references || c->n_tlbs != r->n_tlbs)
		fail_msg("%s: %llu walks read %llu, a run has %llu that read %llu", what, (unsigned long long)c->walks,
		         (unsigned long long)c->reads, (unsigned long long)r->mach.walks, (unsigned long long)r->mach.walk_references);
	for (unsigned i = 0; i < c->n_tlbs; i++) {
		assert_string_equal(c->tlb[i].name, r->tlb[i].name);
		assert_int_equal(c->tlb[i].accesses, r->tlb[i].accesses);
		assert_int_equal(c->tlb[i].misses, r->tlb[i].misses);
	}
	assert_int_equal(c->cycles, r->times.translation);
}

static void real_cpus_equal_runs(void **state)
{
	(void)state;
	for (uint64_t seed = 21; seed <= 24; seed++) {
		char what[64];
		struct pw_why why = { "" };
		struct trace *t = script_make(seed);
		struct tlb_options o = options_make();
		o.n_shapes = 1;
		o.tables_only = false;
		o.run.warmup = seed % 2 ? 0 : 20000;
		o.run.tlb_spec = seed % 2 ? "l1=16/4,l2=64/8:plru" : "l1d=8/fa,l1i=8/2,l2=96/6";
		assert_int_equal(tlb_parse(o.run.tlb_spec, o.run.cpu.tlb, &o.run.cpu.n_tlbs, &why), PW_OK);
		struct tlb_result swept = sweep_of(t, &o);
		for (unsigned i = seed % 2; i < swept.n_cpus; i += 2) {
			struct run_options with = o.run;
			bool given = strcmp(swept.cpu[i].name, "--tlb") == 0;
			if (!given)
				with.cpu = *cpu_find(swept.cpu[i].name);
			if (with.cpu.software_ad)
				continue;
			snprintf(what, sizeof what, "seed %llu, %s", (unsigned long long)seed, swept.cpu[i].name);
			struct result r = run_on(t, &with);
			compare_cpu(what, &swept.cpu[i], &r);
			result_fini(&r);
		}
		tlb_result_fini(&swept);
		trace_close(t);
	}
}

/* What is said of large pages is what a run with such pages counts, and what not touching them costs is counted right. */
static void ledger_tells_the_truth(void **state)
{
	static const struct {
		const char *spec;
		enum tlb_verdict verdict;
	} cases[] = {
		{ "zipf:pages=4k,s=0.6,refs=80k", TLB_VERDICT_pays },
		{ "random:pages=4k,refs=60k,stride=64K", TLB_VERDICT_pays_dearly },
		{ "loop:pages=40,refs=1M", TLB_VERDICT_no },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pw_why why = { "" };
		struct trace *t;
		struct tlb_options o = options_make();
		assert_int_equal(trace_open(cases[i].spec, &t, &why), PW_OK);
		o.n_shapes = 1;
		o.tables_only = false;
		o.run.tlb_spec = "l1=64/4,l2=1536/12";
		assert_int_equal(tlb_parse(o.run.tlb_spec, o.run.cpu.tlb, &o.run.cpu.n_tlbs, &why), PW_OK);
		struct tlb_result swept = sweep_of(t, &o);
		struct tlb_ledger *g = &swept.ledger;
		assert_true(g->present);
		assert_int_equal(g->total.verdict, cases[i].verdict);
		assert_int_equal(g->n_rows, 1);
		struct result small = run_on(t, &o.run);
		assert_int_equal(ptfmt_flat_make(21, 32, &o.run.format, &why), PW_OK);
		struct result large = run_on(t, &o.run);
		assert_int_equal(g->total.walks, small.mach.walks);
		assert_int_equal(g->total.large_walks, large.mach.walks);
		assert_int_equal(g->total.touched_pages, small.kernel.touched_pages);
		assert_int_equal(g->total.large_pages, large.kernel.touched_pages);
		assert_int_equal(g->total.bloat_bytes, (large.kernel.touched_pages * 512 - small.kernel.touched_pages) * PAGE);
		assert_int_equal(g->large.tlb[1].misses, large.tlb[1].misses);
		result_fini(&small);
		result_fini(&large);
		tlb_result_fini(&swept);
		trace_close(t);
	}
}

/* ---- stacks against TLBs written the obvious way ---- */

/* One TLB of one shape: sets of ways in order of time, an empty way is 0. */
struct plain_tlb {
	struct tlb_shape shape;
	uint32_t page[1024];
	uint64_t when[1024], misses;
};

static void plain_look(struct plain_tlb *t, uint32_t page, uint64_t number, uint64_t now)
{
	uint32_t ways = t->shape.ways, base = (uint32_t)(number % (t->shape.entries / ways)) * ways, victim = base;
	for (uint32_t i = base; i < base + ways; i++) {
		if (t->page[i] == page) {
			t->when[i] = now;
			return;
		}
		if (t->when[i] < t->when[victim])
			victim = i;
	}
	t->misses++;
	t->page[victim] = page;
	t->when[victim] = now;
}

static void plain_lose(struct plain_tlb *t, uint32_t page)
{
	for (uint32_t i = 0; i < t->shape.entries; i++)
		if (!page || t->page[i] == page)
			t->page[i] = 0, t->when[i] = 0;
}

enum { PLAIN_PAGES = 1500, PLAIN_WORDS = 60000 };

static void stacks_equal_plain_tlbs_with_holes(void **state)
{
	static const uint8_t shifts[] = { 12, 14 };
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct tlb_pages pages;
		struct tlb_stack *stack;
		struct plain_tlb *plain = calloc(SHAPES, sizeof *plain);
		uint32_t *word = malloc(2 * PLAIN_WORDS * sizeof *word), space, n = 0;
		struct rng r;
		unsigned size = seed & 1, n_shapes = SHAPES;
		struct tlb_shape shape[TLB_SHAPES];
		memcpy(shape, seed & 2 ? power_shapes : shapes, sizeof shapes);
		for (; seed > 3 && n_shapes < 70; n_shapes++) /* more than share a word */
			shape[n_shapes] = (struct tlb_shape){ 4 * n_shapes, seed & 2 ? 4 * n_shapes : n_shapes };
		rng_init(&r, seed);
		assert_int_equal(tlb_pages_init(&pages, ptfmt_at(0), shifts, 2), PW_OK);
		assert_int_equal(tlb_pages_space(&pages, &space), PW_OK);
		for (uint32_t id; pages.n <= PLAIN_PAGES;)
			assert_int_equal(tlb_pages_get(&pages, space, rng_below(&r, 4 * PLAIN_PAGES), &id), PW_OK);
		struct tlb_stack_config c = { .pages = &pages, .size = size, .cpu = cpu_at(0), .shape = shape, .n_shapes = n_shapes };
		assert_int_equal(tlb_stack_create(&c, &stack), PW_OK);
		for (unsigned k = 0; k < SHAPES; k++)
			plain[k].shape = shape[k];
		uint64_t holes = 2 + rng_below(&r, 30);
		for (unsigned i = 0; i < PLAIN_WORDS; i++) {
			uint32_t id = 1 + (uint32_t)rng_below(&r, rng_below(&r, 3) ? 90 : PLAIN_PAGES);
			uint32_t page = size ? pages.group[1][id] : id;
			bool hole = rng_below(&r, 100) < holes, all = rng_below(&r, 20000) == 0;
			for (unsigned k = 0; k < SHAPES; k++)
				if (all || hole)
					plain_lose(&plain[k], all ? 0 : page);
				else
					plain_look(&plain[k], page, tlb_key_page(pages.group_key[size][page]), i + 1);
			if (all || hole)
				word[n++] = all ? TLB_LOG_ALL : TLB_LOG_HOLE;
			if (!all)
				word[n++] = id;
		}
		struct tlb_batch batch = { .page = word, .n_pages = n };
		tlb_stack_eat(stack, &batch);
		for (unsigned k = 0; k < SHAPES; k++) {
			uint64_t misses = tlb_stack_misses(stack, shape[k].entries / shape[k].ways, shape[k].ways);
			if (misses != plain[k].misses)
				fail_msg("seed %llu, %u/%u: %llu misses, plainly %llu", (unsigned long long)seed, shape[k].entries,
				         shape[k].ways, (unsigned long long)misses, (unsigned long long)plain[k].misses);
		}
		tlb_stack_destroy(stack);
		tlb_pages_fini(&pages);
		free(word);
		free(plain);
	}
}

/* ---- causes, and running out of memory ---- */

static void causes_are_what_they_say(void **state)
{
	struct pw_why why = { "" };
	struct trace *t;
	struct tlb_options o = options_make();
	(void)state;
	assert_int_equal(trace_open("loop:pages=65,refs=6500", &t, &why), PW_OK);
	struct tlb_result r = sweep_of(t, &o);
	for (unsigned k = 0; k < SHAPES; k++) {
		const struct tlb_point *p = &r.size[0].point[k];
		bool fits = p->shape.entries >= 65;
		assert_int_equal(r.size[0].cold, 65);
		assert_int_equal(r.size[0].flushed, 0);
		/* A loop one page too large misses always with LRU over all entries, and less often in sets: conflict below zero. */
		assert_int_equal(p->capacity, fits ? 0 : r.head.refs.total - 65);
		if (p->shape.entries == p->shape.ways)
			assert_int_equal(p->conflict, 0);
		if (p->shape.entries == 63 && p->shape.ways == 3)
			assert_true(p->conflict < 0);
	}
	tlb_result_fini(&r);
	trace_close(t);
}

static void memory_may_run_out_anywhere(void **state)
{
	(void)state;
	struct trace *t = script_make(3);
	struct tlb_options o = options_make();
	o.n_shapes = 3;
	o.run.limit = 3000;
	o.tables_only = false;
	unsigned failed = 0;
	for (uint64_t k = 1;; k += 1 + k / 4) {
		struct pw_why why = { "" };
		struct tlb_sweep *s;
		struct tlb_result result = { 0 };
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		enum pw_err err = tlb_sweep_create(&o, &s, &why);
		if (err == PW_OK)
			err = tlb_sweep_begin(s, t, &why);
		while (err == PW_OK && tlb_sweep_step(s) == RUN_GOING)
			;
		if (err == PW_OK)
			err = tlb_sweep_error(s, &why);
		if (err == PW_OK)
			err = tlb_sweep_result(s, &result, &why);
		bool reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		failed += err != PW_OK;
		tlb_result_fini(&result);
		tlb_sweep_destroy(s);
		assert_int_equal(trace_rewind(t, NULL), PW_OK);
		if (!reached)
			break;
	}
	assert_true(failed > 10);
	trace_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_equal_plain_tlbs_with_holes),
		cmocka_unit_test(made_up_programs_equal_runs),
		cmocka_unit_test(generated_traces_equal_runs),
		cmocka_unit_test(page_sizes_at_once_equal_runs),
		cmocka_unit_test(real_cpus_equal_runs),
		cmocka_unit_test(ledger_tells_the_truth),
		cmocka_unit_test(causes_are_what_they_say),
		cmocka_unit_test(memory_may_run_out_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
