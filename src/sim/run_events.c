/* run_events.c - what happens to address spaces, told to the kernel.
 *
 * Problem.  A trace says what a real kernel did, in that kernel's words; ours must end up with the same mappings.  A trace without
 * such events still needs an address space, and a bad trace may say anything.
 *
 * Idea.  One short function for each kind of event, found through a table.  A mapping is always placed where the trace says.  What
 * the kernel refuses is counted and the first of them is explained: nothing is skipped silently.  Two things end the run instead:
 * memory of the host, and a mapping that the page-table format cannot address, because then nothing after it means anything.
 *
 * Invariants.
 *   1. A process that forked off exists from its FORK event on; PROCESS with a parent creates nothing by itself.
 *   2. After EXEC, EXIT or a kill no CPU has the old space loaded: its next reference loads the new one.
 *
 * Rejected: letting our kernel choose addresses (the references that follow would miss them). */
#include "run_impl.h"
#include "../base/mem.h"
#include <stdio.h>
#include <string.h>

unsigned run_user_bits(const struct ptfmt *f) { return f->va_bits - (f->sign_extended && !f->two_roots); }

/* One past the highest address a program can have. */
static uint64_t run_user_top(const struct ptfmt *f) { return 1ull << run_user_bits(f); }

/* In a trace without mappings every address a program can have counts as mapped; in a textbook, as on disk already. */
static enum pw_err run_map_everything(struct run *r, struct process *p)
{
	struct process_mapping m = {
		.bytes = run_user_top(&r->opt.format), .prot = PMAP_READ | PMAP_WRITE | PMAP_EXEC, .fixed = true, .anonymous = true,
		.name = "", .on_disk = r->opt.personality == PERSONALITY_textbook && r->opt.huge == HUGE_never,
	};
	vaddr_t at;
	return process_map(p, &m, &at);
}

static enum pw_err run_process_start(struct run *r, struct run_process *p)
{
	struct trace_info info = trace_describe_process(r->trace, p->pid);
	enum pw_err err = process_create(r->kernel, p->pid, info.has_events ? "" : info.source, &p->process);
	if (err == PW_OK && !info.has_events)
		err = run_map_everything(r, p->process);
	return err;
}

static struct run_process *run_process_find(struct run *r, uint32_t pid)
{
	if (r->recent < r->n_processes && r->process[r->recent].pid == pid)
		return &r->process[r->recent];
	for (unsigned i = 0; i < r->n_processes; i++)
		if (r->process[i].pid == pid) {
			r->recent = i;
			return &r->process[i];
		}
	return NULL;
}

/* => a record without a process in the kernel; NULL: out of memory, the run has failed. */
static struct run_process *run_process_record(struct run *r, uint32_t pid, uint32_t parent)
{
	struct run_process *grown = mem_realloc(r->process, r->n_processes + 1, sizeof *grown);
	if (!grown) {
		run_fail(r, PW_NOMEM, "out of memory for process %u", pid);
		return NULL;
	}
	r->process = grown;
	r->recent = r->n_processes++;
	r->process[r->recent] = (struct run_process){ .pid = pid, .parent = parent };
	return &r->process[r->recent];
}

struct run_process *run_process_get(struct run *r, uint32_t pid)
{
	struct run_process *p = run_process_find(r, pid);
	if (!p)
		p = run_process_record(r, pid, 0);
	if (!p || p->process || p->gone)
		return p;
	enum pw_err err = run_process_start(r, p);
	if (err == PW_OK)
		return p;
	run_fail(r, err, "process %u cannot be simulated: %s%s", pid, pw_err_text(err),
	         err == PW_NOFRAMES ? "; give it more --ram" : "");
	return NULL;
}

void run_unload(struct run *r, const struct run_process *p)
{
	for (unsigned c = 0; c < r->opt.n_cpus; c++)
		if (r->on_cpu[c] == (int)(p - r->process))
			r->on_cpu[c] = -1;
}

void run_dump_root(FILE *out, uint32_t pid, const struct ptfmt *f, const struct pmap *space)
{
	fprintf(out, "pid %u format %s root 0x%llx asid %u\n", pid, f->name,
	        (unsigned long long)pfn_addr(pmap_machine_root(space), f->page_shift).v, pmap_machine_asid(space));
}

void run_dump(struct run *r)
{
	if (!r->opt.dump || r->dumped || r->state == RUN_FAILED)
		return;
	r->dumped = true;
	for (unsigned i = 0; r->opt.dump_roots && i < r->n_processes; i++) {
		struct run_process *p = &r->process[i];
		struct pmap *space = p->process && !p->gone ? process_pmap(p->process) : NULL;
		if (space)
			run_dump_root(r->opt.dump_roots, p->pid, &r->opt.format, space);
	}
	enum pw_err err = physmem_dump(machine_physmem(r->machine), r->opt.dump, &r->why);
	if (err != PW_OK) {
		r->error = err;
		r->state = RUN_FAILED;
	}
}

static enum pw_err event_process(struct run *r, struct run_process *p, const struct trace_event *e)
{
	(void)r;
	p->parent = e->other;
	return PW_OK;
}

static enum pw_err event_exec(struct run *r, struct run_process *p, const struct trace_event *e)
{
	run_unload(r, p);
	return process_exec(p->process, e->name);
}

static unsigned event_prot(const struct trace_event *e)
{
	return (e->prot & TRACE_PROT_READ ? PMAP_READ : 0) | (e->prot & TRACE_PROT_WRITE ? PMAP_WRITE : 0) |
	       (e->prot & TRACE_PROT_EXEC ? PMAP_EXEC : 0);
}

static enum pw_err event_map(struct run *r, struct run_process *p, const struct trace_event *e)
{
	uint64_t top = run_user_top(&r->opt.format);
	if (e->start.v >= top || e->bytes > top - e->start.v) {
		run_fail(r, PW_INVALID, "process %u maps 0x%llx, which --format %s cannot address: it has %u address bits; use a wider one",
		         p->pid, (unsigned long long)e->start.v, r->opt.format.name, r->opt.format.va_bits);
		return PW_OK;
	}
	char label[4200];
	unsigned prot = event_prot(e);
	struct process_mapping m = {
		.start = e->start, .bytes = e->bytes, .fixed = true, .prot = prot,
		.name = result_mapping_label(e->name, prot, label, sizeof label),
		.shared = e->flags & TRACE_MAP_SHARED, .anonymous = e->flags & TRACE_MAP_ANON,
		.stack = e->flags & (TRACE_MAP_STACK | TRACE_MAP_GROWSDOWN), .heap = e->flags & TRACE_MAP_HEAP,
		.populate = e->flags & TRACE_MAP_POPULATE, .file_id = e->file_id, .file_bytes = e->file_bytes, .offset = e->offset,
	};
	vaddr_t at;
	return process_map(p->process, &m, &at);
}

static enum pw_err event_unmap(struct run *r, struct run_process *p, const struct trace_event *e)
{
	(void)r;
	return process_unmap(p->process, e->start, e->bytes);
}

static enum pw_err event_protect(struct run *r, struct run_process *p, const struct trace_event *e)
{
	(void)r;
	return process_protect(p->process, e->start, e->bytes, event_prot(e));
}

static enum pw_err event_remap(struct run *r, struct run_process *p, const struct trace_event *e)
{
	(void)r;
	return process_remap(p->process, e->start, e->bytes, e->to, e->to_bytes);
}

static enum pw_err event_brk(struct run *r, struct run_process *p, const struct trace_event *e)
{
	(void)r;
	return process_brk(p->process, e->start, e->bytes);
}

static enum pw_err event_advise(struct run *r, struct run_process *p, const struct trace_event *e)
{
	(void)r;
	return process_advise(p->process, e->start, e->bytes, (int)e->count);
}

static enum pw_err event_fork(struct run *r, struct run_process *p, const struct trace_event *e)
{
	struct process *parent = p->process;
	uint32_t parent_pid = p->pid;
	struct run_process *child = run_process_find(r, e->other);
	if (child && (child->process || child->gone))
		return PW_EXISTS;
	if (!child)
		child = run_process_record(r, e->other, parent_pid);
	if (!child)
		return PW_OK;
	child->parent = parent_pid;
	enum pw_err err = process_fork(parent, e->other, &child->process);
	if (err == PW_NOFRAMES) {
		child->gone = child->killed = true; /* no memory for even its tables: a kernel would have refused the fork */
		return PW_OK;
	}
	return err;
}

static enum pw_err event_exit(struct run *r, struct run_process *p, const struct trace_event *e)
{
	unsigned alive = 0;
	for (unsigned i = 0; i < r->n_processes; i++)
		alive += !r->process[i].gone && r->process[i].process;
	if (alive == 1)
		run_dump(r);
	run_unload(r, p);
	if (r->load)
		load_ended(r->load, p->pid);
	process_exit(p->process);
	p->gone = p->ended = true;
	p->exit_status = (int)e->count;
	p->signal = (int)e->other;
	return PW_OK;
}

static enum pw_err event_nothing(struct run *r, struct run_process *p, const struct trace_event *e)
{
	(void)r, (void)p, (void)e;
	return PW_OK;
}

static enum pw_err event_lost(struct run *r, struct run_process *p, const struct trace_event *e)
{
	(void)p;
	r->lost += e->count;
	return PW_OK;
}

typedef enum pw_err event_handler(struct run *r, struct run_process *p, const struct trace_event *e);
static event_handler *const event_handlers[TRACE_EVENT_KINDS] = {
	[TRACE_PROCESS] = event_process, [TRACE_EXEC] = event_exec, [TRACE_MAP] = event_map, [TRACE_UNMAP] = event_unmap,
	[TRACE_PROTECT] = event_protect, [TRACE_REMAP] = event_remap, [TRACE_BRK] = event_brk, [TRACE_ADVISE] = event_advise,
	[TRACE_FORK] = event_fork, [TRACE_THREAD] = event_nothing, [TRACE_THREAD_EXIT] = event_nothing, [TRACE_EXIT] = event_exit,
	[TRACE_LOST] = event_lost,
};

static const char *event_word(enum trace_event_kind kind)
{
	static const char *const words[TRACE_EVENT_KINDS] = {
#define X(name, word) word,
		TRACE_EVENT_LIST(X)
#undef X
	};
	return words[kind];
}

/* A process that other processes made waits for its fork; every other event needs one in the kernel. */
static struct run_process *event_subject(struct run *r, uint32_t pid, const struct trace_event *e)
{
	struct run_process *p = run_process_find(r, pid);
	if (e->kind == TRACE_PROCESS && e->other)
		return p ? p : run_process_record(r, pid, e->other);
	return run_process_get(r, pid);
}

void run_event(struct run *r, uint32_t pid, const struct trace_event *e)
{
	if (e->kind >= TRACE_EVENT_KINDS)
		return;
	struct run_process *p = event_subject(r, pid, e);
	if (!p)
		return;
	if (p->gone && e->kind == TRACE_EXIT) { /* how a killed program really ended is still worth knowing */
		p->ended = true;
		p->exit_status = (int)e->count;
		p->signal = (int)e->other;
	}
	if (p->gone)
		return;
	enum pw_err err = event_handlers[e->kind](r, p, e);
	if (err == PW_NOMEM) {
		run_fail(r, err, "out of memory at a %s event of process %u", event_word(e->kind), pid);
	} else if (err != PW_OK && r->events_refused++ == 0) {
		snprintf(r->events_why, sizeof r->events_why, "%s of %llu bytes at 0x%llx in process %u: %s", event_word(e->kind),
		         (unsigned long long)e->bytes, (unsigned long long)e->start.v, pid, pw_err_text(err));
	}
}
