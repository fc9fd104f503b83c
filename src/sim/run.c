/* run.c - the loop between machine and kernel.
 *
 * Problem.  The machine stops at faults, the trace mixes processes and threads, and some references can never succeed: the loop must
 * restart exactly the reference that faulted, give each thread a CPU and each CPU the right address space, and end.
 *
 * Idea.
 *                         +------------------------------------------- again, from the reference that faulted
 *                         v                                                        |
 *     item of the trace: piece up to the next boundary --machine_run--> fault --process_fault--> resolved
 *                         |                                                        |
 *                         '-- done: next piece                                     +-- refused: counted, the next reference
 *                                                                                  '-- killed: the rest is skipped, counted
 *
 * A boundary is the end of the warm-up, the limit, or a sample of the working set.  A refused reference is not delivered as a
 * signal: the program that was traced handled its own, and what its handler did follows in the trace.
 *
 * Invariants.
 *   1. position = machine_now() + refused + skipped + stuck.
 *   2. on_cpu[c] names the process whose space CPU c has loaded, or -1.
 *   3. A reference is given up after RUN_FAULTS_MAX faults in a row: the loop ends whatever the kernel does.
 *
 * Rejected: a callback for each fault from inside the machine (arrows would point both ways), one kernel thread per traced
 * thread (the order would no longer be that of the trace). */
#include "run_impl.h"
#include "check.h"
#include "hypervisor.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RUN_FAULTS_MAX = 64 };

#define RUN_UNLIMITED_BYTES (64ull << 30)
#define RUN_FRAMES_MAX (1ull << 24)
#define RUN_TAU (1 << 20)
#define RUN_SCAN (4 << 20)
enum { RUN_SCAN_PAGES = 4096 }; /* that Linux's khugepaged looks at each time it wakes */

void run_options_init(struct run_options *o)
{
	*o = (struct run_options){ .format = *ptfmt_at(0), .cpu = *cpu_at(0), .n_cpus = 1, .policy = &policy_lru,
	                           .swap = "ssd", .cost = cost_default, .seed = 1, .tau = RUN_TAU, .scan = RUN_SCAN };
	o->cpu_name = o->cpu.name;
}

unsigned run_huge_shift(const struct run_options *o)
{
	bool can = o->format.levels > 1 && o->format.leaf_levels >> 1 & 1;
	return o->huge != HUGE_never && can ? o->format.index_bits[0] : 0;
}

enum run_state run_fail(struct run *r, enum pw_err err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(r->why.text, sizeof r->why.text, format, args);
	va_end(args);
	r->error = err;
	return r->state = RUN_FAILED;
}

/* The kernel's two questions to the machine and to the future. */
static uint64_t run_touched(void *ctx, const pfn_t **ret)
{
	struct run *r = ctx;
	return machine_touched(r->machine, ret);
}

static uint64_t run_next_use(void *ctx, uint32_t pid, vpn_t page)
{
	struct run *r = ctx;
	uint64_t next = future_next(r->future, pid, page, r->position + r->in_fault);
	return next == UINT64_MAX ? POLICY_NEVER : next + 1 - (r->position - machine_now(r->machine)); /* in the machine's time */
}

static uint64_t run_take_walks(void *ctx, pfn_t frame)
{
	struct run *r = ctx;
	return machine_frame_take_walks(r->machine, frame);
}

static uint64_t run_now(void *ctx)
{
	const struct run *r = ctx;
	return machine_now(r->machine);
}

/* The kernel of a guest uses its memory.  What the host cannot give ends the run at the next boundary. */
static void run_used(void *ctx, pfn_t f, enum access_kind kind)
{
	struct run *r = ctx;
	if (!hypervisor_access(r->host, r->guest, r->cpu, f, kind) && r->host_short == UINT64_MAX)
		r->host_short = f.v << r->opt.format.page_shift;
}

static uint64_t run_last_use(void *ctx, pfn_t frame)
{
	struct run *r = ctx;
	return machine_frame_last_use(r->machine, frame);
}

static void run_evicting(void *ctx, uint32_t pid, vpn_t page, pfn_t from, bool dirty)
{
	const struct run *r = ctx;
	(void)dirty;
	if (r->load)
		load_evicting(r->load, pid, page, from);
}

/* Exact recency is logged only for those who look at it: the log costs time on every reference that misses the first TLB. */
static bool run_wants_recency(const struct run_options *o)
{
	return o->refbits == REFBITS_EXACT && o->policy->sees != POLICY_SEES_NOTHING;
}

static bool run_wants_every(const struct run_options *o)
{
	return run_wants_recency(o) && o->policy->sees == POLICY_SEES_EVERY;
}

uint64_t run_frames(const struct run_options *o)
{
	unsigned shift = o->format.page_shift;
	if (o->ram_bytes)
		return o->ram_bytes >> shift;
	uint64_t room = RUN_UNLIMITED_BYTES >> shift;
	uint64_t addressable = o->format.pa_bits >= 64 ? UINT64_MAX : 1ull << (o->format.pa_bits - shift);
	uint64_t frames = o->page_frames + (room > RUN_FRAMES_MAX ? RUN_FRAMES_MAX : room);
	return frames < addressable ? frames : addressable;
}

/* The next-use index may take three quarters of what the host has. */
static uint64_t run_future_bytes(void)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), size = (uint64_t)sysconf(_SC_PAGESIZE);
	return pages * size / 4 * 3;
}

static enum pw_err run_build_machine(struct run *r, struct pw_why *why)
{
	r->physical_frames = run_frames(&r->opt);
	enum pw_err err = PW_OK;
	if (r->opt.nested && !r->host)
		err = hypervisor_create(&r->opt, r->physical_frames, 1, &r->host, why);
	if (err != PW_OK)
		return err;
	struct machine_config mc = {
		.format = &r->opt.format, .frames = r->physical_frames, .n_cpus = r->opt.n_cpus, .cpu = &r->opt.cpu,
		.log_touches = run_wants_recency(&r->opt), .log_every = run_wants_every(&r->opt), .seed = r->opt.seed,
		.host = r->host ? hypervisor_machine(r->host) : NULL,
		.host_cpu = r->host ? hypervisor_cpu(r->host, r->guest) : 0,
	};
	err = machine_create(&mc, &r->machine, why);
	if (err != PW_OK)
		return err;
	err = pmap_machine_create(r->machine, &r->pmap);
	if (err != PW_OK)
		return pw_fail(why, err, "out of memory for the machine's page tables");
	if (strcmp(r->opt.swap, "none") == 0)
		return PW_OK;
	return store_open(r->opt.swap, 1u << r->opt.format.page_shift, UINT64_MAX, &r->swap, why);
}

static enum pw_err run_build_kernel(struct run *r, struct pw_why *why)
{
	struct kernel_config kc = {
		.pmap = r->pmap, .memory = machine_physmem(r->machine), .n_frames = r->physical_frames,
		.page_frames = r->opt.page_frames, .page_shift = r->opt.format.page_shift, .personality = r->opt.personality,
		.policy = r->opt.policy, .policy_params = r->opt.policy_params,
		.swap = r->swap, .cost = &r->opt.cost, .seed = r->opt.seed, .ctx = r,
		.va_bits = run_user_bits(&r->opt.format), .file_cache_cold = r->opt.cold_files,
		.replacement = r->opt.replacement, .allocation = r->opt.allocation,
		.overcommit = r->opt.overcommit, .huge_shift = run_huge_shift(&r->opt), .huge = r->opt.huge, .fragment = r->opt.fragment,
		.touched = run_wants_recency(&r->opt) ? run_touched : NULL, .now = run_now,
		.used = r->host ? run_used : NULL, .last_use = run_wants_every(&r->opt) ? NULL : run_last_use,
		.next_use = r->opt.policy->wants_future ? run_next_use : NULL,
		.evicting = r->opt.load_control ? run_evicting : NULL,
	};
	enum pw_err err = kernel_create(&kc, &r->kernel, why);
	if (err == PW_OK)
		kernel_set_walk_source(r->kernel, run_take_walks, r);
	return err;
}

enum pw_err run_create(const struct run_options *o, struct run **ret, struct pw_why *why)
{
	return run_create_guest(o, NULL, 0, ret, why);
}

enum pw_err run_create_guest(const struct run_options *o, struct hypervisor *host, unsigned guest, struct run **ret, struct pw_why *why)
{
	*ret = NULL;
	struct run *r = mem_zalloc(1, sizeof *r);
	if (!r)
		return pw_fail(why, PW_NOMEM, "out of memory for the run");
	r->host = host;
	r->host_is_shared = host;
	r->guest = guest;
	r->opt = *o;
	if (o->policy->wants_future)
		r->opt.refbits = REFBITS_EXACT; /* who knows the future must know the past */
	for (unsigned i = 0; i < RUN_CPUS_MAX; i++)
		r->on_cpu[i] = -1;
	r->host_short = UINT64_MAX;
	enum pw_err err = run_build_machine(r, why);
	if (err == PW_OK)
		err = run_build_kernel(r, why);
	if (err == PW_OK && (htab_init(&r->threads, 64) != PW_OK ||
	                     ws_create(r->machine, r->physical_frames, o->tau, o->page_frames || o->ram_bytes, &r->ws) != PW_OK))
		err = pw_fail(why, PW_NOMEM, "out of memory for the run");
	if (err != PW_OK) {
		run_destroy(r);
		return err;
	}
	*ret = r;
	return PW_OK;
}

enum pw_err run_begin(struct run *r, struct trace *t, struct pw_why *why)
{
	struct trace_info info = trace_describe(t);
	r->trace = t;
	if (r->opt.quantum) {
		enum pw_err err = sched_create(t, r->opt.quantum, r->opt.n_cpus, &r->sched, why);
		if (err != PW_OK)
			return err;
		r->trace = t = sched_trace(r->sched);
	}
	if (r->opt.load_control &&
	    load_create(r->machine, r->kernel, r->sched, r->opt.quantum, r->opt.page_frames, &r->load) != PW_OK)
		return pw_fail(why, PW_NOMEM, "out of memory for load control");
	r->policy_due = kernel_policy_due(r->kernel);
	r->policy_due += r->policy_due == 0;
	r->scan_due = r->opt.huge != HUGE_never && r->opt.scan ? r->opt.scan : UINT64_MAX;
	if (r->opt.format.page_shift < info.granule_shift)
		return pw_fail(why, PW_UNSUPPORTED, "%s: its addresses are exact only to %llu bytes, too coarse for pages of %llu; "
		               "record it with --granule 1", info.source, 1ull << info.granule_shift,
		               1ull << r->opt.format.page_shift);
	if (!r->opt.policy->wants_future)
		return PW_OK;
	enum pw_err err = future_create(t, r->opt.format.page_shift, r->opt.limit, run_future_bytes(), &r->future, why);
	if (err == PW_UNSUPPORTED)
		return pw_fail(why, err, "--policy %s must know the future, and this input can be read only once; make a file of it with "
		               "'pageworks record -o FILE -- COMMAND' and run that", r->opt.policy->name);
	return err;
}

void run_destroy(struct run *r)
{
	if (!r)
		return;
	ws_destroy(r->ws);
	load_destroy(r->load);
	htab_fini(&r->threads);
	if (r->kernel)
		kernel_destroy(r->kernel);
	if (r->swap)
		store_close(r->swap);
	if (r->pmap)
		pmap_sys_destroy(r->pmap);
	if (r->machine)
		machine_destroy(r->machine);
	if (!r->host_is_shared)
		hypervisor_destroy(r->host);
	future_destroy(r->future);
	sched_destroy(r->sched);
	run_base_drop(&r->base);
	mem_free(r->process);
	mem_free(r);
}

/* Threads get CPUs in turn, in the order in which they are first seen. */
static int run_cpu_of(struct run *r, uint32_t pid, uint32_t tid)
{
	if (r->opt.n_cpus == 1)
		return 0;
	if (r->sched)
		return (int)sched_cpu(r->sched);
	uint64_t key = (uint64_t)pid << 32 | tid, *cpu = htab_get(&r->threads, key);
	if (cpu)
		return (int)*cpu;
	cpu = htab_put(&r->threads, key);
	if (!cpu)
		return -1;
	*cpu = r->n_threads++ % r->opt.n_cpus;
	return (int)*cpu;
}

/* The kernel serves an event on the CPU of the thread it is of, if that has one already. */
static void run_event_cpu(struct run *r, uint32_t pid, uint32_t tid)
{
	const uint64_t *cpu = r->n_threads ? htab_get(&r->threads, (uint64_t)pid << 32 | tid) : NULL;
	if (r->sched)
		machine_kernel_on(r->machine, sched_cpu(r->sched));
	else if (cpu)
		machine_kernel_on(r->machine, (unsigned)*cpu);
}

static void run_note_refusal(struct run *r, struct run_process *p, const struct machine_stop *stop, const char *text)
{
	p->refused++;
	r->refused++;
	if (r->n_refusals < RESULT_REFUSALS)
		r->refusal[r->n_refusals++] = (struct result_refusal){
			.pid = p->pid, .address = stop->va.v, .at = r->position, .kind = stop->kind, .why = text ? text : "" };
}

static enum run_state run_host_short(struct run *r, uint64_t at)
{
	return run_fail(r, PW_NOFRAMES, "the host has no memory for its guest's address 0x%llx; give it more with --hostram, or a --swap",
	                (unsigned long long)at);
}

/* Tells the working set which page came into which frame, and the machine if the policy knows of the reference to come. */
static void run_note_install(struct run *r, struct run_process *p, vaddr_t va, bool arrived)
{
	struct pmap_mapping m;
	struct pmap *space = process_pmap(p->process);
	vpn_t page = vpn_of(va, r->opt.format.page_shift);
	if (!space || !pmap_extract(space, page, &m))
		return;
	if (ws_installed(r->ws, p->pid, page, m.pfn) != PW_OK)
		run_fail(r, PW_NOMEM, "out of memory for the working set");
	if (r->load)
		load_installed(r->load, p->pid, page, m.pfn);
	if (arrived && !r->opt.policy->arrival_counts && run_wants_recency(&r->opt))
		machine_expect(r->machine, m.pfn);
}

/* The space of a killed process is gone already or goes now. */
static void run_kill(struct run *r, struct run_process *p)
{
	struct process_info info;
	process_describe(p->process, &info);
	run_unload(r, p);
	if (info.alive)
		process_exit(p->process);
	p->gone = p->killed = true;
	if (r->load)
		load_ended(r->load, p->pid);
}

enum run_next { RUN_RETRY, RUN_SKIP, RUN_DEAD };

/* The host serves its guest.  When it cannot there is no going on: a guest without memory is not a program without memory. */
static enum run_next run_host_fault(struct run *r, unsigned cpu, const struct machine_stop *stop)
{
	if (hypervisor_fault(r->host, r->guest, cpu, stop))
		return RUN_RETRY;
	run_host_short(r, stop->host_at.v);
	return RUN_DEAD;
}

static enum run_next run_fault(struct run *r, struct run_process *p, unsigned cpu, const struct machine_stop *stop)
{
	if (stop->fault == MACHINE_FAULT_HOST)
		return run_host_fault(r, cpu, stop);
	r->in_fault = true;
	struct fault_report report = process_fault(p->process, cpu, stop->va, stop->kind);
	r->in_fault = false;
	switch (report.outcome) {
	case FAULT_OUTCOME_RESOLVED:
		run_note_install(r, p, stop->va, report.arrived);
		return RUN_RETRY;
	case FAULT_OUTCOME_KILLED:
		run_kill(r, p);
		return RUN_DEAD;
	case FAULT_OUTCOME_REFUSED:
	case FAULT_OUTCOME_BUS:
		break;
	}
	run_note_refusal(r, p, stop, report.why);
	return RUN_SKIP;
}

/* How far the machine may run before something is due. */
static uint64_t run_piece(const struct run *r, uint64_t n)
{
	uint64_t due = ws_due_in(r->ws);
	n = n < due ? n : due;
	due = r->scan_due - r->position;
	n = n < due ? n : due;
	due = r->policy_due - machine_now(r->machine);
	n = n < due ? n : due;
	if (r->opt.limit && n > r->opt.limit - r->position)
		n = r->opt.limit - r->position;
	if (r->position < r->opt.warmup && n > r->opt.warmup - r->position)
		n = r->opt.warmup - r->position;
	return n;
}

/* The policy hears of every reference before the machine's log is full, and is woken in time. */
static void run_policy_boundary(struct run *r)
{
	uint64_t now = machine_now(r->machine);
	if (run_wants_every(&r->opt) || r->policy_due <= now)
		kernel_policy_tell(r->kernel);
	if (!r->opt.policy->due)
		return;
	r->policy_due = kernel_policy_due(r->kernel);
	r->policy_due = r->policy_due > now ? r->policy_due : now + 1; /* whatever it says, there is progress */
}

static void run_boundary(struct run *r)
{
	if (r->host_short != UINT64_MAX)
		run_host_short(r, r->host_short);
	run_policy_boundary(r);
	if (r->scan_due <= r->position) {
		kernel_promote(r->kernel, RUN_SCAN_PAGES);
		r->scan_due = r->position + r->opt.scan;
	}
	if (ws_due_in(r->ws) == 0)
		ws_sample(r->ws);
	if (r->opt.warmup && r->position >= r->opt.warmup && !r->base.taken) {
		if (run_base_take(r) != PW_OK)
			run_fail(r, PW_NOMEM, "out of memory at the end of the warm-up");
		ws_restart(r->ws);
	}
	if (r->opt.limit && r->position >= r->opt.limit && r->state == RUN_GOING)
		r->state = RUN_ENDED;
}

/* Runs references of one thread until they are done, the process is dead or the run is over.  => how many were dealt with. */
static uint64_t run_piecewise(struct run *r, struct run_process *p, unsigned cpu, const ref_t *refs, uint64_t n)
{
	uint64_t at = 0;
	unsigned faults = 0;
	r->cpu = cpu;
	while (at < n && r->state == RUN_GOING) {
		struct machine_stop stop = machine_run(r->machine, cpu, refs + at, run_piece(r, n - at));
		at += stop.done;
		r->position += stop.done;
		p->references += stop.done;
		faults = stop.done ? 0 : faults;
		if (stop.why == MACHINE_FAULTED) {
			enum run_next next = ++faults > RUN_FAULTS_MAX ? RUN_SKIP : run_fault(r, p, cpu, &stop);
			if (next == RUN_DEAD)
				break;
			if (next == RUN_SKIP) {
				r->stuck += faults > RUN_FAULTS_MAX;
				faults = 0;
				at++;
				r->position++;
			}
		}
		run_boundary(r);
	}
	return at;
}

static void run_skip(struct run *r, struct run_process *p, uint64_t n)
{
	while (n > 0 && r->state == RUN_GOING) {
		uint64_t piece = run_piece(r, n);
		p->skipped += piece;
		r->skipped += piece;
		r->position += piece;
		n -= piece;
		run_boundary(r);
	}
}

static void run_refs(struct run *r, const struct trace_item *item)
{
	struct run_process *p = run_process_get(r, item->pid);
	if (!p)
		return;
	int cpu = run_cpu_of(r, item->pid, item->tid);
	if (cpu < 0) {
		run_fail(r, PW_NOMEM, "out of memory for threads");
		return;
	}
	uint64_t done = 0;
	if (!p->gone) {
		int index = (int)(p - r->process);
		if (r->on_cpu[cpu] != index) {
			process_activate(p->process, (unsigned)cpu);
			r->on_cpu[cpu] = index;
		}
		done = run_piecewise(r, p, (unsigned)cpu, item->refs, item->n_refs);
	}
	if (p->gone)
		run_skip(r, p, item->n_refs - done);
	if (r->load && load_step(r->load, item->pid, r->position) != PW_OK)
		run_fail(r, PW_NOMEM, "out of memory for load control");
}

enum run_state run_step(struct run *r)
{
	struct trace_item item;
	if (r->state != RUN_GOING)
		return r->state;
	trace_next(r->trace, &item);
	switch (item.kind) {
	case TRACE_ITEM_REFS:
		run_refs(r, &item);
		break;
	case TRACE_ITEM_EVENT:
		run_event_cpu(r, item.pid, item.tid);
		run_event(r, item.pid, &item.event);
		if (r->host_short != UINT64_MAX)
			run_host_short(r, r->host_short);
		break;
	case TRACE_ITEM_END:
		r->state = RUN_ENDED;
		break;
	}
	if (r->state == RUN_ENDED && r->opt.policy->variable)
		kernel_policy_tell(r->kernel); /* who need not stay leaves */
	if (r->state == RUN_ENDED)
		run_dump(r);
	return r->state;
}

enum pw_err run_error(const struct run *r, struct pw_why *why)
{
	if (why)
		*why = r->why;
	return r->error;
}

uint64_t run_position(const struct run *r) { return r->position; }
