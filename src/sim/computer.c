/* computer.c - putting the parts together, and one access at a time.
 *
 * Problem: the lab and the library want the same machine that a run drives with a trace, but one step at a time, with real bytes
 * and with the story of each step.
 *
 * Idea: a step is a batch of one reference.  What the TLBs and walks did is the difference of the machine's own counters around
 * it, so the story cannot differ from the figures.  The bytes move afterwards, through the translation that was just made.
 *
 *      counters -> machine_run(1) -> fault? process_fault, again -> counters -> translation -> bytes
 *
 * 1. The driver's questions of the kernel (who was touched, what time is it) are answered as a run answers them.
 * 2. An access that is done is counted as one reference, however many faults it took. */
#include "computer.h"
#include "computer_origin.h"
#include "hypervisor.h"
#include "run_impl.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <string.h>
#include <unistd.h>

/* TABLE_BYTES: memory for page tables beside a given number of frames for pages. */
enum { ATTEMPTS = 64, TABLE_BYTES = 64 << 20 };

struct computer_bytes {
	uint8_t *bytes;          /* NULL: a pager's */
	uint64_t n;
	struct computer_pager pager;
	struct computer_origin origin; /* of a file of the host; zeros: it is none */
};

struct computer {
	struct run_options opt;
	struct computer_parts parts;
	uint64_t frames;         /* the kernel's */
	struct hypervisor *host; /* NULL: the machine is no guest */
	struct machine *machine;
	struct pmap_sys *pmap;
	struct store *swap;
	struct kernel *kernel;
	struct computer_bytes *file;
	uint64_t n_files;
	struct kernel_files files;
	struct computer_eviction eviction[COMPUTER_EVICTIONS];
	unsigned n_evictions;
	unsigned cpu;            /* that made the last access */
	bool host_short;         /* the host had no memory for what the kernel did in it */
};

struct kernel *computer_kernel(struct computer *c) { return c->kernel; }
struct machine *computer_machine(struct computer *c) { return c->machine; }
struct hypervisor *computer_host(struct computer *c) { return c->host; }
const struct run_options *computer_options(const struct computer *c) { return &c->opt; }
const struct physmem *computer_memory(struct computer *c) { return machine_physmem(c->machine); }
uint64_t computer_kernel_frames(const struct computer *c) { return c->frames; }

/* ---- what the kernel asks ---- */

static uint64_t answer_touched(void *ctx, const pfn_t **ret) { return machine_touched(((struct computer *)ctx)->machine, ret); }
static uint64_t answer_now(void *ctx) { return machine_now(((struct computer *)ctx)->machine); }

static uint64_t answer_last_use(void *ctx, pfn_t frame)
{
	return machine_frame_last_use(((struct computer *)ctx)->machine, frame);
}

static uint64_t answer_walks(void *ctx, pfn_t frame) { return machine_frame_take_walks(((struct computer *)ctx)->machine, frame); }

/* The kernel of a guest uses its memory. */
static void note_use(void *ctx, pfn_t f, enum access_kind kind)
{
	struct computer *c = ctx;
	if (!hypervisor_access(c->host, c->parts.guest, c->cpu, f, kind))
		c->host_short = true;
}

static void note_eviction(void *ctx, uint32_t pid, vpn_t page, pfn_t from, bool dirty)
{
	struct computer *c = ctx;
	if (c->n_evictions < COMPUTER_EVICTIONS)
		c->eviction[c->n_evictions] = (struct computer_eviction){ pid, page, from, dirty };
	c->n_evictions++;
	if (c->parts.evicting)
		c->parts.evicting(c->parts.ctx, pid, page, from, dirty);
}

/* ---- files ---- */

static enum pw_err file_add(struct computer *c, struct computer_bytes file, uint64_t *ret_id)
{
	struct computer_bytes *grown = mem_realloc(c->file, c->n_files + 1, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	c->file = grown;
	c->file[c->n_files] = file;
	*ret_id = ++c->n_files;
	return PW_OK;
}

enum pw_err computer_file(struct computer *c, const void *bytes, uint64_t n, uint64_t *ret_id)
{
	uint8_t *copy = mem_alloc(n ? n : 1);
	if (!copy)
		return PW_NOMEM;
	memcpy(copy, bytes, n);
	enum pw_err err = file_add(c, (struct computer_bytes){ .bytes = copy, .n = n }, ret_id);
	if (err)
		mem_free(copy);
	return err;
}

enum pw_err computer_file_open(struct computer *c, const char *path, uint64_t *ret_id, struct pw_why *why)
{
	struct computer_bytes file = { 0 };
	int fd;
	enum pw_err err = origin_open(path, &file.origin, &fd, why);
	if (err)
		return err;
	for (uint64_t i = 0; i < c->n_files; i++) {
		if (memcmp(&c->file[i].origin, &file.origin, sizeof file.origin) == 0) {
			close(fd);
			*ret_id = i + 1;
			return PW_OK;
		}
	}
	err = origin_read(path, fd, &file.origin, &file.bytes, why);
	file.n = file.origin.bytes;
	if (!err && file_add(c, file, ret_id) != PW_OK) {
		mem_free(file.bytes);
		err = pw_fail(why, PW_NOMEM, "%s: out of memory", path);
	}
	return err;
}

enum pw_err computer_file_paged(struct computer *c, const struct computer_pager *pager, uint64_t n, uint64_t *ret_id)
{
	return file_add(c, (struct computer_bytes){ .n = n, .pager = *pager }, ret_id);
}

bool computer_file_size(const struct computer *c, uint64_t id, uint64_t *n)
{
	if (id == 0 || id > c->n_files)
		return false;
	*n = c->file[id - 1].n;
	return true;
}

/* The part of [offset, offset + n) that the file has. */
static uint64_t file_part(const struct computer *c, uint64_t id, uint64_t offset, uint64_t n)
{
	uint64_t have = 0;
	if (!computer_file_size(c, id, &have) || offset >= have)
		return 0;
	return have - offset < n ? have - offset : n;
}

static enum pw_err file_read(void *ctx, uint64_t id, uint64_t offset, void *bytes, uint64_t n)
{
	const struct computer *c = ctx;
	uint64_t part = file_part(c, id, offset, n);
	const struct computer_bytes *f = part ? &c->file[id - 1] : NULL;
	memset((uint8_t *)bytes + part, 0, n - part);
	if (f && f->bytes)
		memcpy(bytes, f->bytes + offset, part);
	else if (f && f->pager.read(f->pager.ctx, offset, bytes, part) != 0)
		return PW_IO;
	return PW_OK;
}

static enum pw_err file_write(void *ctx, uint64_t id, uint64_t offset, const void *bytes, uint64_t n)
{
	const struct computer *c = ctx;
	uint64_t part = file_part(c, id, offset, n);
	const struct computer_bytes *f = part ? &c->file[id - 1] : NULL;
	if (f && f->bytes)
		memcpy(f->bytes + offset, bytes, part);
	else if (f && f->pager.write && f->pager.write(f->pager.ctx, offset, bytes, part) != 0)
		return PW_IO;
	return PW_OK;
}

/* ---- putting together ---- */

static enum pw_err build_machine(struct computer *c, struct pw_why *why)
{
	const struct run_options *o = &c->opt;
	bool recency = o->refbits == REFBITS_EXACT && o->policy->sees != POLICY_SEES_NOTHING;
	struct machine_config mc = {
		.format = &o->format, .frames = c->frames + c->parts.spare_frames, .n_cpus = o->n_cpus, .cpu = &o->cpu, .seed = o->seed,
		.host = c->host ? hypervisor_machine(c->host) : NULL, .log_touches = recency, .log_every = recency &&
		        o->policy->sees == POLICY_SEES_EVERY,
		.host_cpu = c->host ? hypervisor_cpu(c->host, c->parts.guest) : 0,
	};
	enum pw_err err = machine_create(&mc, &c->machine, why);
	if (!err && pmap_machine_create(c->machine, &c->pmap) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory for the machine's page tables");
	if (!err && !c->swap && strcmp(o->swap, "none") != 0)
		err = store_open(o->swap, 1u << o->format.page_shift, UINT64_MAX, &c->swap, why);
	if (!err && c->swap && !c->swap->keeps_data)
		err = pw_fail(why, PW_INVALID, "swap %s only tells how long a disk would take; bytes need one that keeps them, such as ram",
		              o->swap);
	return err;
}

static enum pw_err build_kernel(struct computer *c, struct pw_why *why)
{
	const struct run_options *o = &c->opt;
	bool recency = o->refbits == REFBITS_EXACT && o->policy->sees != POLICY_SEES_NOTHING;
	c->files = (struct kernel_files){ .read = file_read, .write = file_write, .ctx = c };
	struct kernel_config kc = {
		.pmap = c->pmap, .memory = machine_physmem(c->machine), .carries_data = true, .files = &c->files,
		.n_frames = c->frames, .page_frames = o->page_frames, .page_shift = o->format.page_shift,
		.personality = o->personality, .policy = o->policy, .policy_params = o->policy_params,
		        .policy_custom = c->parts.policy_custom,
		.va_bits = run_user_bits(&o->format), .file_cache_cold = o->cold_files,
		.replacement = o->replacement, .allocation = o->allocation,
		.overcommit = o->overcommit, .huge_shift = run_huge_shift(o), .huge = o->huge, .fragment = o->fragment,
		.swap = c->swap, .cost = &o->cost, .seed = o->seed, .ctx = c, .now = answer_now, .evicting = note_eviction,
		.used = c->host ? note_use : NULL,
		.touched = recency ? answer_touched : NULL,
		.last_use = recency && o->policy->sees == POLICY_SEES_EVERY ? NULL : answer_last_use,
	};
	enum pw_err err = kernel_create(&kc, &c->kernel, why);
	if (!err)
		kernel_set_walk_source(c->kernel, answer_walks, c);
	return err;
}

enum pw_err computer_create(const struct run_options *o, const struct computer_parts *parts, struct computer **ret,
                            struct pw_why *why)
{
	static const struct computer_parts none;
	*ret = NULL;
	parts = parts ? parts : &none;
	struct computer *c = mem_zalloc(1, sizeof *c);
	if (!c) {
		store_close(parts->swap);
		return pw_fail(why, PW_NOMEM, "out of memory for a computer");
	}
	c->opt = *o;
	c->parts = *parts;
	c->swap = parts->swap;
	c->opt.policy = parts->policy ? parts->policy : o->policy;
	c->frames = run_frames(o);
	uint64_t tables = TABLE_BYTES >> o->format.page_shift;
	if (o->page_frames && c->frames > o->page_frames + tables)
		c->frames = o->page_frames + tables;
	enum pw_err err = PW_OK;
	if (c->opt.policy->wants_future)
		err = pw_fail(why, PW_INVALID, "policy %s must know the future, which nobody has who drives a computer by hand; "
		              "'pageworks run' can read a trace twice", o->policy->name);
	else if (parts->host)
		c->host = parts->host;
	else if (o->nested)
		err = hypervisor_create(&c->opt, c->frames + parts->spare_frames, 1, &c->host, why);
	if (!err)
		err = build_machine(c, why);
	if (!err)
		err = build_kernel(c, why);
	if (err)
		computer_destroy(c);
	else
		*ret = c;
	return err;
}

void computer_destroy(struct computer *c)
{
	if (!c)
		return;
	kernel_destroy(c->kernel);
	store_close(c->swap);
	if (c->pmap)
		pmap_sys_destroy(c->pmap);
	if (c->machine)
		machine_destroy(c->machine);
	if (!c->parts.host)
		hypervisor_destroy(c->host);
	for (uint64_t i = 0; i < c->n_files; i++)
		mem_free(c->file[i].bytes);
	mem_free(c->file);
	mem_free(c);
}

/* ---- one access ---- */

/* The TLB that the last reference hit: the first whose hits grew.  => NULL: none, it was walked for */
static const char *tlb_that_hit(const struct machine *m, const uint64_t *hits_before)
{
	for (unsigned i = 0; i < machine_n_tlbs(m); i++) {
		struct tlb_counts t = machine_tlb_counts(m, i);
		if (t.hits > hits_before[i])
			return t.name;
	}
	return NULL;
}

static uint64_t walk_reads(const struct machine *m)
{
	struct machine_counts n;
	machine_counts(m, &n);
	return n.walk_references;
}

static uint64_t host_reads(const struct computer *c)
{
	struct machine_nested n = { 0 };
	if (c->host)
		machine_nested(c->machine, &n);
	return n.host_references;
}

void computer_flush(struct computer *c)
{
	machine_flush_all(c->machine);
	if (c->host)
		machine_flush_all(hypervisor_machine(c->host));
}

static void move_bytes(struct computer *c, struct computer_access *a, void *bytes, uint64_t n)
{
	uint8_t *at = machine_physmem(c->machine)->bytes + a->pa.v;
	if (a->kind == ACCESS_STORE)
		memcpy(at, bytes, n);
	else
		memcpy(bytes, at, n);
}

/* Where the access went, by the translation it used.  => false: the mapping has gone, which no access leaves behind */
static bool find_physical(struct computer *c, struct process *p, struct computer_access *a)
{
	struct pmap_mapping m;
	struct pmap *space = process_pmap(p);
	unsigned shift = c->opt.format.page_shift;
	vpn_t page = vpn_of(a->va, shift);
	if (!space || !pmap_extract(space, page, &m))
		return false;
	uint64_t frame = m.pfn.v + (page.v - m.vpn.v);
	a->pa = paddr(frame << shift | (a->va.v & ((1ull << shift) - 1)));
	return true;
}

/* The host's answer ends the access only when there is none. */
static bool host_answers(struct computer_access *a, bool served)
{
	if (!served)
		a->fault = (struct fault_report){ .outcome = FAULT_OUTCOME_KILLED, .why = "the host has no memory for its guest" };
	return served;
}

static bool serve(struct computer *c, struct process *p, unsigned cpu, const struct machine_stop *stop, struct computer_access *a)
{
	if (stop->fault == MACHINE_FAULT_HOST) {
		a->n_host_faults++;
		return host_answers(a, hypervisor_fault(c->host, c->parts.guest, cpu, stop));
	}
	if (a->n_faults++ == 0)
		a->trap = stop->fault;
	a->fault = process_fault(p, cpu, stop->va, stop->kind);
	if (c->host_short)
		return host_answers(a, false);
	if (c->parts.faulted)
		c->parts.faulted(c->parts.ctx, p, stop->va, &a->fault);
	if (a->fault.outcome != FAULT_OUTCOME_RESOLVED)
		return false;
	struct pmap_mapping m;
	struct pmap *space = process_pmap(p);
	bool tells = c->opt.refbits == REFBITS_EXACT && c->opt.policy->sees != POLICY_SEES_NOTHING;
	if (!a->fault.arrived || !space || !pmap_extract(space, vpn_of(stop->va, c->opt.format.page_shift), &m))
		return true;
	if (!c->opt.policy->arrival_counts && tells)
		machine_expect(c->machine, m.pfn);
	return true;
}

void computer_access(struct computer *c, struct process *p, unsigned cpu, vaddr_t va, enum access_kind kind, void *bytes, uint64_t n,
                     struct computer_access *ret)
{
	uint64_t hits[TLB_ARRAYS], reads = walk_reads(c->machine), of_host = host_reads(c);
	ref_t ref = ref_make(va, kind);
	*ret = (struct computer_access){ .va = va, .kind = kind };
	c->n_evictions = 0;
	c->cpu = cpu;
	c->host_short = false;
	process_activate(p, cpu);
	while (!ret->done && ret->n_faults + ret->n_host_faults < ATTEMPTS) {
		for (unsigned i = 0; i < machine_n_tlbs(c->machine); i++)
			hits[i] = machine_tlb_counts(c->machine, i).hits;
		struct machine_stop stop = machine_run(c->machine, cpu, &ref, 1);
		ret->done = stop.why == MACHINE_DONE;
		if (!ret->done && !serve(c, p, cpu, &stop, ret))
			break;
	}
	ret->walk_reads = walk_reads(c->machine) - reads;
	ret->host_reads = host_reads(c) - of_host;
	ret->tlb = ret->done ? tlb_that_hit(c->machine, hits) : NULL;
	if (ret->done && find_physical(c, p, ret) && bytes)
		move_bytes(c, ret, bytes, n);
	kernel_policy_tell(c->kernel);
	ret->n_evictions = c->n_evictions;
	memcpy(ret->eviction, c->eviction, sizeof ret->eviction);
}

enum pw_err computer_dump(struct computer *c, FILE *image, FILE *roots, struct pw_why *why)
{
	struct process *p;
	for (uint32_t i = 0; (p = kernel_process_at(c->kernel, i)); i++) {
		struct process_info info;
		process_describe(p, &info);
		if (info.alive)
			run_dump_root(roots, info.pid, &c->opt.format, process_pmap(p));
	}
	if (fflush(roots) != 0)
		return pw_fail(why, PW_IO, "the roots of the dump cannot be written");
	return physmem_dump(machine_physmem(c->machine), image, why);
}
