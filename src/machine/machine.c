/* machine.c - building a machine, running references on it, and what it tells about frames.
 *
 * The inner loop is the reason this room exists.  It does for each reference what a TLB hit does, and nothing else: compare one
 * word, store the time.  Kinds are counted afterwards for the whole batch.  Anything unusual leaves the loop for the MMU, which
 * does references completely until one is an ordinary hit again.
 *
 * Rejected: searching the ways of the set on every reference (as slow again, and with full associativity hopeless); keeping
 * lists by recency in the TLB or among frames (a hit would be several stores); a callback on faults (the arrow would point up). */
#include "machine.h"
#include "../base/mem.h"
#include "mmu.h"
#include "nested.h"
#include <stdlib.h>

const char *machine_fault_text(enum machine_fault f)
{
	static const char *const text[] = {
		"none",
#define X(name, word, text) word,
		MACHINE_FAULT_LIST(X)
#undef X
	};
	return f < MACHINE_FAULT_KINDS ? text[f] : "unknown";
}

static enum pw_err cpu_init(struct machine *m, struct cpu *c, uint64_t seed, struct pw_why *why)
{
	mmu_quick_clear(c);
	c->user = true;
	c->upper = PFN_NONE;
	for (unsigned level = 1; level < m->top; level++)
		if (pwc_init(&c->pwc[level], m->model.pwc_entries[level]) != PW_OK)
			return pw_fail(why, PW_NOMEM, "no memory for a page-walk cache");
	return tlb_bank_init(&c->tlb, &m->model, &m->format, seed, why);
}

static enum pw_err machine_fill(struct machine *m, struct pw_why *why)
{
	const struct machine_config *c = &m->config;
	m->cpu = mem_zalloc(c->n_cpus, sizeof *m->cpu);
	m->frame = mem_reserve(c->frames * sizeof *m->frame);
	m->every = c->log_every ? mem_reserve(MACHINE_LOG * sizeof *m->every) : NULL;
	if (!m->cpu || !m->frame || (c->log_every && !m->every) ||
	    physmem_init(&m->mem, c->frames, m->format.page_shift) != PW_OK)
		return pw_fail(why, PW_NOMEM, "no host memory for a machine of %llu frames", (unsigned long long)c->frames);
	uint64_t seed = c->seed;
	for (unsigned i = 0; i < c->n_cpus; i++) {
		enum pw_err err = cpu_init(m, &m->cpu[i], splitmix64(&seed), why);
		if (err != PW_OK)
			return err;
	}
	return PW_OK;
}

enum pw_err machine_create(const struct machine_config *c, struct machine **ret, struct pw_why *why)
{
	*ret = NULL;
	if (c->frames == 0 || c->n_cpus == 0 || c->n_cpus > 64)
		return pw_fail(why, PW_INVALID, "a machine needs frames, and 1 to 64 CPUs");
	if (c->frames > UINT32_MAX)
		return pw_fail(why, PW_INVALID, "a machine has at most 2^32 - 1 frames");
	if (c->frames > 1ull << (c->format->pa_bits - c->format->page_shift))
		return pw_fail(why, PW_INVALID, "%s addresses at most 2^%u bytes of physical memory", c->format->name,
			       c->format->pa_bits);
	if (c->cpu->asid_bits && c->cpu->asid_bits < 16 && (1u << c->cpu->asid_bits) - 1 < c->n_cpus)
		return pw_fail(why, PW_INVALID, "%u CPUs run as many address spaces at once, which tags of %u bits cannot tell apart; "
			       "use more bits, or 0", c->n_cpus, c->cpu->asid_bits);
	enum pw_err fits = c->host ? nested_check(c, why) : PW_OK;
	if (fits != PW_OK)
		return fits;
	struct machine *m = mem_zalloc(1, sizeof *m);
	if (!m)
		return pw_fail(why, PW_NOMEM, "no host memory for a machine");
	m->config = *c;
	m->format = *c->format;
	m->model = *c->cpu;
	m->config.log_touches = c->log_touches && !c->log_every;
	m->config.format = &m->format;
	m->config.cpu = &m->model;
	m->serve = mmu_instance(&m->format);
	m->top = m->format.levels - m->format.top_in_registers;
	m->keep = ~(((1ull << m->format.page_shift) - 1) << REF_KIND_BITS);
	enum pw_err err = machine_fill(m, why);
	if (err != PW_OK) {
		machine_destroy(m);
		return err;
	}
	*ret = m;
	return PW_OK;
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	for (unsigned i = 0; m->cpu && i < m->config.n_cpus; i++) {
		tlb_bank_fini(&m->cpu[i].tlb);
		for (unsigned level = 0; level < PTFMT_LEVELS; level++)
			pwc_fini(&m->cpu[i].pwc[level]);
	}
	physmem_fini(&m->mem);
	if (m->frame)
		mem_unreserve(m->frame, m->config.frames * sizeof *m->frame);
	if (m->every)
		mem_unreserve(m->every, MACHINE_LOG * sizeof *m->every);
	mem_free(m->cpu);
	mem_free(m);
}

/* ---- running ---- */

/* How many of refs[0 .. n) are quick hits before the first that is not; each is stamped with its time and, if observed, logged. */
static inline __attribute__((always_inline)) uint64_t run_quick(struct machine *m, struct cpu *c, const ref_t *refs, uint64_t n,
								uint64_t now, const bool observed)
{
	const uint64_t keep = m->keep;
	uint64_t *const stamp = c->tlb.stamp;
	uint64_t i = 0;
	for (; i < n; i++) {
		uint64_t slot = quick_slot(c, keep, refs[i]);
		if (slot == QUICK_NONE)
			break;
		stamp[slot] = now + i;
		if (observed)
			m->every[m->log_n++] = tlb_entry_pfn(c->tlb.entry[slot]);
	}
	return i;
}

__attribute__((target_clones("avx2", "default"), optimize("O3"))) static void count_kinds(struct machine *m, const ref_t *refs, uint64_t n)
{
	uint64_t stores = 0, fetches = 0;
	for (uint64_t i = 0; i < n; i++) {
		stores += refs[i].word & 1;
		fetches += refs[i].word >> 1 & 1;
	}
	m->counts.references[ACCESS_LOAD] += n - stores - fetches;
	m->counts.references[ACCESS_STORE] += stores;
	m->counts.references[ACCESS_FETCH] += fetches;
}

static struct machine_stop stop_at(const struct cpu *c, vaddr_t va, enum access_kind kind, enum machine_fault fault)
{
	struct machine_stop stop = { .why = MACHINE_FAULTED, .va = va, .kind = kind, .fault = fault };
	if (fault == MACHINE_FAULT_HOST) {
		stop.host_at = c->stop.at;
		stop.host_kind = c->stop.kind;
		stop.host_fault = c->stop.fault;
	}
	return stop;
}

static inline __attribute__((always_inline)) struct machine_stop run(struct machine *m, unsigned cpu, const ref_t *refs, uint64_t n,
								     const bool observed)
{
	struct cpu *c = &m->cpu[cpu];
	struct machine_stop stop = { .why = MACHINE_DONE };
	const uint64_t begin = m->now + 1;
	uint64_t i = 0;
	while ((i += run_quick(m, c, refs + i, n - i, begin + i, observed)) < n) {
		const struct served s = m->serve(m, c, refs + i, observed ? 1 : n - i, begin + i);
		if (observed && s.done && (begin + i != m->expected_at || tlb_entry_pfn(s.last).v != m->expected.v))
			m->every[m->log_n++] = tlb_entry_pfn(s.last);
		i += s.done;
		if (s.fault != MACHINE_FAULT_NONE) {
			stop = stop_at(c, ref_va(refs[i]), ref_kind(refs[i]), s.fault);
			break;
		}
	}
	stop.done = i;
	m->now += i;
	count_kinds(m, refs, i);
	return stop;
}

struct machine_stop machine_run(struct machine *m, unsigned cpu, const ref_t *refs, uint64_t n)
{
	m->kernel_cpu = cpu;
	if (m->config.host)
		nested_follow(m);
	if (!m->config.log_every)
		return run(m, cpu, refs, n, false);
	uint64_t room = MACHINE_LOG - m->log_n;
	return run(m, cpu, refs, n < room ? n : room, true);
}

struct machine_stop machine_translate(struct machine *m, unsigned cpu, vaddr_t va, enum access_kind kind, paddr_t *ret)
{
	const ref_t ref = ref_make(va, kind);
	const struct served s = m->serve(m, &m->cpu[cpu], &ref, 1, m->now + 1);
	if (s.fault != MACHINE_FAULT_NONE)
		return stop_at(&m->cpu[cpu], va, kind, s.fault);
	m->now++;
	m->counts.references[kind]++;
	uint64_t page = 1ull << ptfmt_level_shift(&m->format, tlb_entry_level(s.last));
	*ret = paddr_add(pfn_addr(tlb_entry_pfn(s.last), m->format.page_shift), va.v & (page - 1));
	return (struct machine_stop){ .why = MACHINE_DONE, .done = 1 };
}

/* One reference for each page the bytes lie on; here (at most) the bytes of one page. */
static struct machine_stop move_in_page(struct machine *m, unsigned cpu, vaddr_t va, enum access_kind kind, void *bytes,
					uint64_t n)
{
	paddr_t at;
	struct machine_stop stop = machine_translate(m, cpu, va, kind, &at);
	if (stop.why == MACHINE_FAULTED)
		return stop;
	if (kind == ACCESS_STORE)
		memcpy(m->mem.bytes + at.v, bytes, n);
	else
		memcpy(bytes, m->mem.bytes + at.v, n);
	stop.done = n;
	return stop;
}

static struct machine_stop move(struct machine *m, unsigned cpu, vaddr_t va, enum access_kind kind, uint8_t *bytes, uint64_t n)
{
	uint64_t page = 1ull << m->format.page_shift, done = 0;
	if (m->config.host)
		nested_follow(m);
	while (done < n) {
		vaddr_t at = vaddr_add(va, done);
		uint64_t part = page - (at.v & (page - 1));
		if (part > n - done)
			part = n - done;
		struct machine_stop stop = move_in_page(m, cpu, at, kind, bytes + done, part);
		if (stop.why == MACHINE_FAULTED) {
			stop.done = done;
			return stop;
		}
		done += part;
	}
	return (struct machine_stop){ .why = MACHINE_DONE, .done = n };
}

struct machine_stop machine_read(struct machine *m, unsigned cpu, vaddr_t va, void *bytes, uint64_t n)
{
	return move(m, cpu, va, ACCESS_LOAD, bytes, n);
}

struct machine_stop machine_write(struct machine *m, unsigned cpu, vaddr_t va, const void *bytes, uint64_t n)
{
	return move(m, cpu, va, ACCESS_STORE, (uint8_t *)bytes, n); /* a store only reads them */
}

/* ---- registers and flushes ---- */

/* => how many entries went, here and below */
static uint64_t flush_cpu(struct machine *m, struct cpu *c, const uint16_t *asid)
{
	struct tlb_bank *b = &c->tlb;
	uint64_t n = 0;
	for (uint32_t slot = 0; slot < b->n_slots; slot++)
		if (b->tag[slot] && (!asid || (uint16_t)(b->tag[slot] >> 3) == *asid)) {
			mmu_retire(m, c, slot);
			n++;
		}
	mmu_pwc_flush(c, asid);
	m->counts.flushes++;
	m->changes++;
	return n;
}

void machine_load_space(struct machine *m, unsigned cpu, pfn_t root, uint16_t asid)
{
	struct cpu *c = &m->cpu[cpu];
	if (c->has_space && c->root.v == root.v && c->asid == asid)
		return;
	m->counts.context_switches += c->has_space;
	if (m->model.asid_bits == 0 && c->has_space)
		flush_cpu(m, c, &c->asid);
	m->changes += c->root.v != root.v;
	c->root = root;
	c->asid = asid;
	c->has_space = true;
	mmu_quick_clear(c);
}

void machine_load_upper(struct machine *m, unsigned cpu, pfn_t root)
{
	m->cpu[cpu].upper = root;
}

void machine_set_supervisor(struct machine *m, unsigned cpu, bool on)
{
	m->cpu[cpu].user = !on;
	mmu_quick_clear(&m->cpu[cpu]);
}

/* Every array is probed for every page size in use: cheap for short ranges, and long ones look at each slot once instead. */
static uint64_t flush_page(struct machine *m, struct cpu *c, uint16_t asid, vaddr_t va)
{
	struct tlb_bank *b = &c->tlb;
	uint64_t n = 0;
	for (unsigned used = b->levels_used; used; used &= used - 1)
		for (unsigned i = 0; i < b->n_arrays; i++) {
			uint32_t slot = tlb_probe(b, &b->array[i], va, asid, (unsigned)__builtin_ctz(used));
			if (slot != TLB_SLOT_NONE) {
				mmu_retire(m, c, slot);
				n++;
			}
		}
	return n;
}

static uint64_t flush_slots(struct machine *m, struct cpu *c, uint16_t asid, struct vpn_range r)
{
	struct tlb_bank *b = &c->tlb;
	uint64_t n = 0;
	for (uint32_t slot = 0; slot < b->n_slots; slot++) {
		if (b->tag[slot] == 0 || (uint16_t)(b->tag[slot] >> 3) != asid)
			continue;
		unsigned level = (unsigned)(b->tag[slot] & 7) - 1;
		unsigned up = b->level_shift[level] - m->format.page_shift;
		uint64_t first = b->tag[slot] >> 19 << up, end = first + (1ull << up);
		uint64_t mask = (1ull << (64 - 19 + up)) - 1; /* tags keep the low bits of page numbers */
		uint64_t from = r.first.v & mask;
		if (up > 18 || (first < from + r.count && end > from)) {
			mmu_retire(m, c, slot);
			n++;
		}
	}
	return n;
}

static uint64_t flush_range(struct machine *m, struct cpu *c, uint16_t asid, struct vpn_range r)
{
	uint64_t entries = 0;
	if (r.count > 32)
		entries = flush_slots(m, c, asid, r);
	else
		for (uint64_t n = 0; n < r.count; n++)
			entries += flush_page(m, c, asid, vpn_addr(vpn_add(r.first, n), m->format.page_shift));
	mmu_pwc_flush(c, &asid);
	return entries;
}

/* The CPU has been flushed, of so many entries; loaded: it might have used them at once.  => whether that took an interrupt */
static bool shot(struct machine *m, unsigned cpu, bool loaded, uint64_t entries)
{
	if (cpu == m->kernel_cpu)
		return false;
	m->counts.shootdown_entries += entries;
	m->counts.shootdown_interrupts += loaded;
	m->counts.shootdown_deferred += !loaded;
	return loaded;
}

static bool has_loaded(const struct cpu *c, uint16_t asid) { return c->has_space && c->asid == asid; }

void machine_flush_range(struct machine *m, uint64_t cpus, uint16_t asid, struct vpn_range r)
{
	bool shootdown = false;
	for (unsigned i = 0; i < m->config.n_cpus; i++)
		if (cpus >> i & 1)
			shootdown |= shot(m, i, has_loaded(&m->cpu[i], asid), flush_range(m, &m->cpu[i], asid, r));
	m->counts.shootdowns += shootdown;
	m->counts.flushes++;
	m->changes++;
}

void machine_flush_asid(struct machine *m, uint64_t cpus, uint16_t asid)
{
	bool shootdown = false;
	for (unsigned i = 0; i < m->config.n_cpus; i++)
		if (cpus >> i & 1)
			shootdown |= shot(m, i, has_loaded(&m->cpu[i], asid), flush_cpu(m, &m->cpu[i], &asid));
	m->counts.shootdowns += shootdown;
}

void machine_flush_all(struct machine *m)
{
	bool shootdown = false;
	for (unsigned i = 0; i < m->config.n_cpus; i++)
		shootdown |= m->cpu[i].has_space && shot(m, i, true, flush_cpu(m, &m->cpu[i], NULL));
	m->counts.shootdowns += shootdown;
}

void mmu_forget(struct machine *m)
{
	for (unsigned i = 0; i < m->config.n_cpus; i++)
		flush_cpu(m, &m->cpu[i], NULL);
}

void machine_kernel_on(struct machine *m, unsigned cpu) { m->kernel_cpu = cpu; }

/* ---- what frames were used for ---- */

uint64_t machine_frame_last_use(struct machine *m, pfn_t f)
{
	mmu_settle(m);
	return m->frame[f.v].last_use;
}

uint64_t machine_frame_take_walks(struct machine *m, pfn_t f)
{
	uint64_t walks = m->frame[f.v].walks;
	if (walks)
		m->frame[f.v].walks = 0; /* a page of zeros that nobody needs is not made */
	return walks;
}

struct touch {
	uint64_t when, frame;
};

static int touch_order(const void *a, const void *b)
{
	const struct touch *x = a, *y = b;
	return x->when < y->when ? -1 : x->when > y->when;
}

/* Few frames were touched since the last drain when memory is short: then insertion is best. */
static void sort_few(struct machine *m)
{
	struct frame_use *use = m->frame;
	for (uint64_t i = 1; i < m->log_n; i++) {
		uint32_t f = use[i].log;
		uint64_t when = use[f].last_use, j = i;
		for (; j > 0 && use[use[j - 1].log].last_use > when; j--)
			use[j].log = use[j - 1].log;
		use[j].log = f;
	}
}

static bool sort_many(struct machine *m)
{
	uint64_t n = m->log_n;
	struct touch *t = mem_zalloc(n, sizeof *t);
	if (!t)
		return false;
	for (uint64_t i = 0; i < n; i++)
		t[i] = (struct touch){ m->frame[m->frame[i].log].last_use, m->frame[i].log };
	qsort(t, n, sizeof *t, touch_order);
	for (uint64_t i = 0; i < n; i++)
		m->frame[i].log = (uint32_t)t[i].frame;
	mem_free(t);
	return true;
}

void machine_expect(struct machine *m, pfn_t f)
{
	m->expected = f;
	m->expected_at = m->now + 1;
	if (m->config.log_touches)
		m->frame[f.v].last_use = m->now + 1; /* its stamp will bring no news */
}

static void drain_begin(struct machine *m)
{
	mmu_settle(m);
	for (uint64_t i = 0; i < m->log_n; i++)
		m->frame[m->frame[i].log].logged = 0;
	m->drained = m->now;
	if (m->log_n <= 64 || !sort_many(m))
		sort_few(m); /* without memory slowly, but rightly */
}

uint64_t machine_touched(struct machine *m, const pfn_t **ret)
{
	uint64_t n = 0;
	if (m->config.log_every) {
		n = m->log_n;
		m->log_n = 0;
		*ret = m->every;
		return n;
	}
	if (m->log_told == 0)
		drain_begin(m);
	while (n < TOUCHED_PORTION && m->log_told < m->log_n)
		m->told[n++] = pfn(m->frame[m->log_told++].log);
	if (n == 0)
		m->log_n = m->log_told = 0;
	*ret = m->told;
	return n;
}

uint64_t machine_now(const struct machine *m) { return m->now; }
struct physmem *machine_physmem(struct machine *m) { return &m->mem; }
const struct ptfmt *machine_format(const struct machine *m) { return &m->format; }
unsigned machine_n_cpus(const struct machine *m) { return m->config.n_cpus; }
unsigned machine_n_tlbs(const struct machine *m) { return m->cpu[0].tlb.n_groups; }
const struct cpu_model *machine_cpu_model(const struct machine *m) { return &m->model; }
bool machine_software_ad(const struct machine *m) { return m->model.software_ad || !m->format.ad_by_hardware; }

void machine_nested(const struct machine *m, struct machine_nested *ret)
{
	*ret = m->nested;
}

void machine_counts(const struct machine *m, struct machine_counts *ret)
{
	*ret = m->counts;
	for (unsigned from = 0; from < PTFMT_LEVELS; from++)
		for (unsigned to = 0; to <= from; to++) {
			uint64_t n = m->walked[from][to];
			ret->walks += n;
			if (from + 1 < m->top)
				ret->pwc_hits[from + 1] += n;
			for (unsigned level = to; level <= from; level++)
				ret->walk_level[level] += n;
		}
}

/* References of a kind that a rank did not know: their search ended behind it. */
static uint64_t rank_missed(const struct tlb_bank *b, unsigned kind, unsigned rank)
{
	uint64_t n = 0;
	for (unsigned end = rank + 1; end <= b->depth[kind]; end++)
		n += b->ended[kind][end];
	return n;
}

/* Who looks at a rank is whoever found nothing in the rank before it; every reference looks at the first. */
struct tlb_counts machine_tlb_counts(const struct machine *m, unsigned i)
{
	struct tlb_counts t = { .name = m->cpu[0].tlb.group[i] };
	for (unsigned n = 0; n < m->config.n_cpus; n++)
		for (unsigned kind = 0; kind < ACCESS_KINDS; kind++) {
			const struct tlb_bank *b = &m->cpu[n].tlb;
			for (unsigned rank = 0; rank < b->depth[kind]; rank++) {
				if (!(b->rank[kind][rank].groups >> i & 1))
					continue;
				t.misses += rank_missed(b, kind, rank);
				t.accesses += rank > 0 ? rank_missed(b, kind, rank - 1) : n == 0 ? m->counts.references[kind] : 0;
			}
		}
	t.hits = t.accesses - t.misses;
	return t;
}
