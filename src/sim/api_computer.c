/* api_computer.c - the second door: a computer driven from outside.
 *
 * Problem: programs hold handles for years; what they point to must be able to change, and a wrong argument must be an answer, not a
 * crash.
 * Idea: a thin room over computer.h.  Handles are records of ours that point inward; every call checks what it is given, and turns
 * what the kernel says into one of a few statuses.
 *
 * 1. process[pid - 1] is the handle of a process that lives, or NULL; numbers are never used again.
 * 2. The last thing an access did is its story: pw_step shows it, pw_read and pw_write make a status of it. */
#include "api.h"
#include "computer.h"
#include "lookup.h"
#include "../base/mem.h"
#include <string.h>

struct pw_process {
	struct pw_computer *computer;
	struct process *process;
	uint32_t pid;
	unsigned cpu;
};

struct pw_computer {
	struct computer *c;
	char *words;             /* the options point into it */
	struct api_policy policy;
	const struct pw_parts parts; /* zeros: none are the caller's */
	struct pw_process **process;
	uint32_t n_processes;
	unsigned page_shift;
};

/* ---- watching ---- */

static struct pw_process *handle_of(const struct pw_computer *c, uint32_t pid)
{
	return pid && pid <= c->n_processes ? c->process[pid - 1] : NULL;
}

static void tell_fault(void *ctx, struct process *p, vaddr_t va, const struct fault_report *f)
{
	const struct pw_computer *c = ctx;
	struct process_info info;
	process_describe(p, &info);
	bool served = f->outcome == FAULT_OUTCOME_RESOLVED;
	const struct pw_event e = {
		.kind = served ? PW_EVENT_FAULT : PW_EVENT_REFUSED, .process = handle_of(c, info.pid), .address = va.v,
		.cause = served ? fault_cause_name(f->cause) : NULL, .major = served && f->major, .why = f->why,
	};
	c->parts.watch(c->parts.watch_ctx, &e);
}

static void tell_eviction(void *ctx, uint32_t pid, vpn_t page, pfn_t from, bool dirty)
{
	const struct pw_computer *c = ctx;
	const struct pw_event e = {
		.kind = PW_EVENT_EVICTION, .process = handle_of(c, pid), .address = page.v << c->page_shift, .frame = from.v,
		        .dirty = dirty,
	};
	c->parts.watch(c->parts.watch_ctx, &e);
}

/* ---- putting together ---- */

static enum pw_err parts_check(const struct pw_parts *p, const struct machine_words *w, struct pw_why *why)
{
	const struct pw_policy *o = p->policy;
	if (o && (!o->create || !o->enter || !o->leave || !o->victim))
		return pw_fail(why, PW_INVALID, "a policy needs create, enter, leave and victim");
	if (o && w->policy)
		return pw_fail(why, PW_INVALID, "policy=%s: there is a policy of your own already", w->policy);
	if (p->swap && w->swap)
		return pw_fail(why, PW_INVALID, "swap=%s: there is a store of your own already", w->swap);
	return PW_OK;
}

static enum pw_err computer_make(struct pw_computer *c, const char *const *options, struct pw_why *why)
{
	struct machine_words w;
	struct run_options o;
	struct store *swap = NULL;
	enum pw_err err = api_words(options, &c->words, &w, why);
	if (!err)
		err = parts_check(&c->parts, &w, why);
	if (!err && !w.swap)
		w.swap = "ram";
	if (!err)
		err = machine_words_resolve(&w, &o, why);
	if (!err && c->parts.swap)
		err = api_store_open(c->parts.swap, 1u << o.format.page_shift, &swap, why);
	if (err)
		return err;
	c->page_shift = o.format.page_shift;
	struct computer_parts parts = { .swap = swap, .ctx = c };
	if (c->parts.policy) {
		api_policy_init(&c->policy, c->parts.policy);
		parts.policy = &c->policy.ops;
		parts.policy_custom = &c->policy;
	}
	if (c->parts.watch) {
		parts.faulted = tell_fault;
		parts.evicting = tell_eviction;
	}
	err = computer_create(&o, &parts, &c->c, why);
	return !err && c->policy.failed ? pw_fail(why, PW_NOMEM, "the policy of your own could not be created") : err;
}

enum pw_status pw_computer_create(const char *const *options, const struct pw_parts *parts, struct pw_computer **ret, char **why)
{
	struct pw_why because = { "" };
	const struct pw_computer fresh = { .parts = parts ? *parts : (struct pw_parts){ 0 } };
	*ret = NULL;
	*why = NULL;
	struct pw_computer *c = mem_alloc(sizeof *c);
	enum pw_err err = c ? PW_OK : PW_NOMEM;
	if (c) {
		memcpy(c, &fresh, sizeof fresh);
		err = computer_make(c, options, &because);
	}
	if (err) {
		pw_computer_destroy(c);
		*why = api_why(&because);
		return api_status(err, PW_E_INVALID);
	}
	*ret = c;
	return PW_SUCCESS;
}

void pw_computer_destroy(struct pw_computer *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n_processes; i++)
		mem_free(c->process[i]);
	mem_free(c->process);
	computer_destroy(c->c);
	api_policy_fini(&c->policy);
	mem_free(c->words);
	mem_free(c);
}

const char *pw_computer_flaw(struct pw_computer *c)
{
	const char *flaw = kernel_flaw(computer_kernel(c->c));
	return flaw ? flaw : machine_flaw(computer_machine(c->c));
}

/* ---- processes ---- */

/* What the kernel answers to a call that changes a space. */
static enum pw_status space_status(enum pw_err err)
{
	switch (err) {
	case PW_OK: return PW_SUCCESS;
	case PW_NOMEM: return PW_E_MEMORY;
	case PW_NOFRAMES:
	case PW_NOSPACE: return PW_E_FULL;
	case PW_IO: return PW_E_IO;
	case PW_ACCESS: return PW_E_REFUSED;
	default: return PW_E_INVALID;
	}
}

/* A handle with the next number, not yet in the list.  => NULL: no memory */
static struct pw_process *handle_make(struct pw_computer *c)
{
	struct pw_process **grown = mem_realloc(c->process, c->n_processes + 1, sizeof *grown);
	if (grown)
		c->process = grown;
	struct pw_process *p = grown ? mem_zalloc(1, sizeof *p) : NULL;
	if (p) {
		p->computer = c;
		p->pid = c->n_processes + 1;
	}
	return p;
}

static enum pw_status handle_keep(struct pw_process *p, enum pw_err err, struct pw_process **ret)
{
	if (err) {
		mem_free(p);
		return space_status(err);
	}
	p->computer->process[p->computer->n_processes++] = p;
	*ret = p;
	return PW_SUCCESS;
}

enum pw_status pw_process_create(struct pw_computer *c, const char *name, struct pw_process **ret)
{
	*ret = NULL;
	struct pw_process *p = handle_make(c);
	if (!p)
		return PW_E_MEMORY;
	return handle_keep(p, process_create(computer_kernel(c->c), p->pid, name ? name : "", &p->process), ret);
}

enum pw_status pw_process_fork(struct pw_process *parent, struct pw_process **ret)
{
	*ret = NULL;
	struct pw_process *p = handle_make(parent->computer);
	if (!p)
		return PW_E_MEMORY;
	p->cpu = parent->cpu;
	return handle_keep(p, process_fork(parent->process, p->pid, &p->process), ret);
}

void pw_process_exit(struct pw_process *p)
{
	process_exit(p->process);
	p->computer->process[p->pid - 1] = NULL;
	mem_free(p);
}

enum pw_status pw_process_move(struct pw_process *p, unsigned cpu)
{
	if (cpu >= machine_n_cpus(computer_machine(p->computer->c)))
		return PW_E_INVALID;
	p->cpu = cpu;
	return PW_SUCCESS;
}

/* ---- programs ---- */

static enum pw_status exec_status(enum pw_err err)
{
	switch (err) {
	case PW_FORMAT:
	case PW_UNSUPPORTED:
	case PW_NOTFOUND:
	case PW_ACCESS:
	case PW_IO: return PW_E_INPUT;
	case PW_LIMIT: return PW_E_FULL;
	default: return space_status(err);
	}
}

enum pw_status pw_process_exec(struct pw_process *p, const char *path, const char *const *argv, const char *const *envp,
                               struct pw_program *ret, char **why)
{
	struct pw_why because = { "" };
	struct process_begin b;
	*why = NULL;
	enum pw_err err = computer_exec(p->computer->c, p->process, path, argv, envp, &b, &because);
	if (err) {
		*why = api_why(&because);
		return exec_status(err);
	}
	if (ret)
		*ret = (struct pw_program){
			.entry = b.entry.v, .stack = b.stack.v, .heap = b.heap.v, .program_entry = b.program_entry.v,
			.program_base = b.program_base.v, .interpreter_base = b.interpreter_base.v,
		};
	return PW_SUCCESS;
}

enum pw_status pw_process_heap(struct pw_process *p, uint64_t end)
{
	enum pw_err err = process_heap(p->process, vaddr(end));
	return err == PW_LIMIT ? PW_E_FULL : space_status(err);
}

/* ---- mappings and files ---- */

static unsigned prot_of(unsigned rights)
{
	return (rights & PW_READ ? PMAP_READ : 0) | (rights & PW_WRITE ? PMAP_WRITE : 0) | (rights & PW_EXEC ? PMAP_EXEC : 0);
}

static unsigned rights_of(unsigned prot)
{
	return (prot & PMAP_READ ? PW_READ : 0) | (prot & PMAP_WRITE ? PW_WRITE : 0) | (prot & PMAP_EXEC ? PW_EXEC : 0);
}

struct listing {
	uint32_t pid;
	void (*visit)(void *ctx, const struct pw_mapping_info *m);
	void *ctx;
};

static void mapping_tell(void *ctx, const struct mapping_info *m)
{
	const struct listing *l = ctx;
	const struct pw_mapping_info told = { m->start.v, m->bytes, rights_of(m->prot), m->name, m->resident_pages, m->faults.total };
	if (m->alive && m->pid == l->pid)
		l->visit(l->ctx, &told);
}

void pw_mappings(struct pw_process *p, void (*visit)(void *ctx, const struct pw_mapping_info *m), void *ctx)
{
	struct listing l = { p->pid, visit, ctx };
	kernel_mappings(computer_kernel(p->computer->c), mapping_tell, &l);
}

static bool is_aligned(const struct pw_process *p, uint64_t address)
{
	return (address & ((1ull << p->computer->page_shift) - 1)) == 0;
}

enum pw_status pw_map(struct pw_process *p, uint64_t address, uint64_t bytes, unsigned rights, const struct pw_mapping *mapping,
                      uint64_t *ret)
{
	static const struct pw_mapping plain;
	uint64_t page = 1ull << p->computer->page_shift;
	mapping = mapping ? mapping : &plain;
	struct process_mapping m = {
		.start = vaddr(address), .fixed = address != PW_ANYWHERE, .shared = mapping->shared, .stack = mapping->stack,
		.anonymous = mapping->file == 0, .file_id = mapping->file, .offset = mapping->offset,
		.name = mapping->name ? mapping->name : "",
		.prot = prot_of(rights),
	};
	if (bytes == 0 || bytes > UINT64_MAX - page || (m.fixed && !is_aligned(p, address)) || !is_aligned(p, mapping->offset) ||
	    rights & ~(unsigned)(PW_READ | PW_WRITE | PW_EXEC))
		return PW_E_INVALID;
	if (mapping->file && !computer_file_size(p->computer->c, mapping->file, &m.file_bytes))
		return PW_E_INVALID;
	m.bytes = (bytes + page - 1) / page * page;
	if (!m.fixed)
		m.start = vaddr(0);
	vaddr_t at = m.start;
	enum pw_err err = process_map(p->process, &m, &at);
	if (!err && ret)
		*ret = at.v;
	return space_status(err);
}

enum pw_status pw_unmap(struct pw_process *p, uint64_t address, uint64_t bytes)
{
	return space_status(process_unmap(p->process, vaddr(address), bytes));
}

enum pw_status pw_protect(struct pw_process *p, uint64_t address, uint64_t bytes, unsigned rights)
{
	return space_status(process_protect(p->process, vaddr(address), bytes, prot_of(rights)));
}

enum pw_status pw_advise(struct pw_process *p, uint64_t address, uint64_t bytes, int advice)
{
	return space_status(process_advise(p->process, vaddr(address), bytes, advice));
}

enum pw_status pw_file_create(struct pw_computer *c, const void *bytes, uint64_t n, uint64_t *ret)
{
	return space_status(computer_file(c->c, bytes, n, ret));
}

enum pw_status pw_file_paged(struct pw_computer *c, const struct pw_pager *pager, uint64_t bytes, uint64_t *ret)
{
	const struct computer_pager inner = { pager->read, pager->write, pager->ctx };
	if (!pager->read)
		return PW_E_INVALID;
	return space_status(computer_file_paged(c->c, &inner, bytes, ret));
}

/* ---- accesses ---- */

static enum pw_status access_status(const struct computer_access *a)
{
	if (a->done)
		return PW_SUCCESS;
	switch (a->fault.outcome) {
	case FAULT_OUTCOME_KILLED: return PW_E_FULL;
	case FAULT_OUTCOME_BUS: return a->fault.io ? PW_E_IO : PW_E_REFUSED;
	default: return PW_E_REFUSED;
	}
}

/* Moves bytes page by page. */
static enum pw_status bytes_move(struct pw_process *p, uint64_t address, enum access_kind kind, uint8_t *bytes, uint64_t n)
{
	uint64_t page = 1ull << p->computer->page_shift;
	while (n > 0) {
		struct computer_access a;
		uint64_t part = page - (address & (page - 1));
		part = part < n ? part : n;
		computer_access(p->computer->c, p->process, p->cpu, vaddr(address), kind, bytes, part, &a);
		if (!a.done)
			return access_status(&a);
		address += part;
		bytes += part;
		n -= part;
	}
	return PW_SUCCESS;
}

enum pw_status pw_read(struct pw_process *p, uint64_t address, void *bytes, uint64_t n)
{
	return bytes_move(p, address, ACCESS_LOAD, bytes, n);
}

enum pw_status pw_write(struct pw_process *p, uint64_t address, const void *bytes, uint64_t n)
{
	return bytes_move(p, address, ACCESS_STORE, (uint8_t *)bytes, n); /* a store only reads them */
}

enum pw_status pw_copy(struct pw_process *to, uint64_t to_address, struct pw_process *from, uint64_t from_address, uint64_t n)
{
	uint8_t buffer[4096];
	enum pw_status status = PW_SUCCESS;
	for (uint64_t done = 0, part; status == PW_SUCCESS && done < n; done += part) {
		part = n - done < sizeof buffer ? n - done : sizeof buffer;
		status = pw_read(from, from_address + done, buffer, part);
		if (status == PW_SUCCESS)
			status = pw_write(to, to_address + done, buffer, part);
	}
	return status;
}

enum pw_status pw_step(struct pw_process *p, uint64_t address, enum pw_kind kind, struct pw_step *ret)
{
	static const enum access_kind kinds[] = { ACCESS_LOAD, ACCESS_STORE, ACCESS_FETCH };
	struct computer_access a;
	*ret = (struct pw_step){ .done = false };
	if ((unsigned)kind >= sizeof kinds / sizeof *kinds)
		return PW_E_INVALID;
	computer_access(p->computer->c, p->process, p->cpu, vaddr(address), kinds[kind], NULL, 0, &a);
	*ret = (struct pw_step){
		.done = a.done, .physical = a.done ? a.pa.v : 0, .tlb = a.tlb, .walk_reads = a.walk_reads, .faults = a.n_faults,
		.trap = a.n_faults ? machine_fault_text(a.trap) : NULL, .evictions = a.n_evictions, .why = a.done ? NULL : a.fault.why,
	};
	if (a.n_faults && a.fault.outcome == FAULT_OUTCOME_RESOLVED) {
		ret->cause = fault_cause_name(a.fault.cause);
		ret->major = a.fault.major;
	}
	return access_status(&a);
}

/* ---- figures ---- */

static json_t *figures_tree(struct pw_computer *c)
{
	json_t *root = json_object();
	computer_figures(c->c, NULL, root);
	if (c->parts.policy)
		json_object_set_new(root, "policy", json_pack("{sI}", "wrong_victims", (json_int_t)c->policy.wrong_victims));
	return root;
}

enum pw_status api_figure(json_t *tree, const char *name, double *ret)
{
	const json_t *value = tree ? lookup(tree, name) : NULL;
	enum pw_status status = !tree ? PW_E_MEMORY : json_is_number(value) ? PW_SUCCESS : PW_E_INVALID;
	if (status == PW_SUCCESS)
		*ret = json_number_value(value);
	json_decref(tree);
	return status;
}

enum pw_status pw_figure(struct pw_computer *c, const char *name, double *ret) { return api_figure(figures_tree(c), name, ret); }

char *pw_figures(struct pw_computer *c)
{
	json_t *tree = figures_tree(c);
	char *text = NULL;
	size_t bytes;
	FILE *memory = tree ? open_memstream(&text, &bytes) : NULL;
	int failed = memory ? json_dumpf(tree, memory, JSON_INDENT(2)) : -1;
	if (memory && (fputc('\n', memory) == EOF || fclose(memory) != 0))
		failed = -1;
	json_decref(tree);
	if (failed) {
		mem_free(text);
		return NULL;
	}
	return text;
}
