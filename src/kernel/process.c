/* process.c - processes: made, copied, replaced, ended.
 *
 * Problem: a process ends when it likes, while a CPU may still have its page tables loaded; its figures are wanted afterwards; a
 * copy of it must cost nothing until one of the two writes.
 * Idea: processes are numbered and never forgotten; what they hold goes at exit, the pmap as soon as no CPU has it loaded.  fork
 * copies the numbers of private pages, each page then having one reference more, and takes the right to write from both sides.
 *
 * 1. A process that is alive has a pmap.  A dead one has none unless it is active somewhere.
 * 2. After fork no page with two references is mapped writable.
 * 3. What fork copies of translations is a gift: any of it may be missing. */
#include "process.h"
#include "../base/mem.h"
#include "huge.h"
#include "limit.h"
#include "space.h"
#include "state.h"
#include <string.h>

/* Linux's default RLIMIT_STACK. */
#define STACK_BYTES (8ull << 20)

void process_note_resident(struct process *p)
{
	uint64_t resident = pmap_resident_pages(p->pmap);
	if (resident > p->resident_peak_pages)
		p->resident_peak_pages = resident;
}

/* A pmap, others evicted to make room for its tables if need be. */
static enum pw_err space_create(struct kernel *k, struct pmap **ret)
{
	enum pw_err err;
	while ((err = pmap_create(k->config.pmap, ret)) == PW_NOFRAMES) {
		err = k->wanted_run > 1 ? reclaim_run(k, k->wanted_run) : reclaim_one(k);
		if (err)
			return err;
	}
	return err;
}

static enum pw_err process_enroll(struct kernel *k, struct process *p)
{
	if (htab_get(&k->pids, p->pid))
		return PW_EXISTS;
	struct process **grown = mem_realloc(k->process, k->n_processes + 1, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	k->process = grown;
	uint64_t *number = htab_put(&k->pids, p->pid);
	if (!number)
		return PW_NOMEM;
	*number = p->number = k->n_processes;
	k->process[k->n_processes++] = p;
	return PW_OK;
}

enum pw_err process_create(struct kernel *k, uint32_t pid, const char *command, struct process **ret)
{
	struct process *p = mem_zalloc(1, sizeof *p);
	const char *name = p ? kernel_name(k, command) : NULL;
	if (!name) {
		mem_free(p);
		return PW_NOMEM;
	}
	*p = (struct process){ .kernel = k, .pid = pid, .command = name, .alive = true };
	for (unsigned i = 0; i < PROCESS_LIMITS; i++)
		p->limit[i] = i == PROCESS_LIMIT_stack ? STACK_BYTES : UINT64_MAX;
	map_init(&p->map);
	enum pw_err err = space_create(k, &p->pmap);
	if (!err) {
		p->pmap->owner = p;
		err = process_enroll(k, p);
		if (err)
			pmap_unref(p->pmap);
	}
	if (err)
		mem_free(p);
	else
		*ret = p;
	return err;
}

/* Undoes process_create for the last process made.  => its space is empty */
static void process_discard(struct process *p)
{
	struct kernel *k = p->kernel;
	k->n_processes--;
	htab_delete(&k->pids, p->pid);
	pmap_unref(p->pmap);
	map_fini(&p->map);
	mem_free(p);
}

struct process *process_find(struct kernel *k, uint32_t pid)
{
	const uint64_t *number = htab_get(&k->pids, pid);
	return number ? k->process[*number] : NULL;
}

/* The numbers of the private pages, each with a reference more. */
static enum pw_err layer_share(struct process *parent, struct process *child, const struct entry *e)
{
	struct kernel *k = parent->kernel;
	uint64_t at = e->node.start;
	huge_split_range(parent, at, e->node.end);
	for (uint32_t anon; (anon = pages_next(&parent->map.layer, &at, e->node.end)); at++) {
		if (anon == ANON_ZEROS && !e->has_private)
			continue;
		enum pw_err err = pages_set(&child->map.layer, at, anon);
		if (err)
			return err;
		if (anon < ANON_FIRST)
			continue;
		kernel_anon(k, anon)->refs++;
		kernel_anon(k, anon)->flags &= ~ANON_EXCLUSIVE;
	}
	pmap_protect(parent->pmap, entry_range(e), PMAP_READ | PMAP_EXEC);
	return PW_OK;
}

static enum pw_err entry_fork(struct process *parent, struct process *child, const struct entry *e)
{
	struct entry like = *e, *copy;
	like.faults = (struct fault_counts){ 0 };
	like.walks = 0;
	like.locked = false;
	enum pw_err err = map_entry_create(&like, &copy);
	if (err)
		return err;
	object_ref(copy->object);
	map_link(&child->map, copy);
	return e->shared || e->fork_wipes ? PW_OK : layer_share(parent, child, e);
}

static enum pw_err entries_fork(struct process *parent, struct process *child)
{
	struct entry *e = entry_of(itree_first(&parent->map.tree));
	for (; e; e = entry_next(e)) {
		enum pw_err err = e->fork_skips ? PW_OK : entry_fork(parent, child, e);
		if (err)
			return err;
	}
	return PW_OK;
}

struct translation_copy {
	struct process *child;
	bool stopped;
};

/* The child sees what the parent sees, without the right to write. */
static void translation_copy(void *ctx, struct process *parent, const struct space_page *page)
{
	struct translation_copy *copy = ctx;
	struct pmap_mapping m;
	if (copy->stopped || page->frame == FRAME_NONE || !pmap_extract(parent->pmap, vpn(page->page), &m))
		return;
	copy->stopped = page_translate(parent->kernel, copy->child, page->page, page->frame, m.prot & ~PMAP_WRITE, ACCESS_LOAD);
}

static void translations_fork(struct process *parent, struct process *child)
{
	struct translation_copy copy = { .child = child };
	for (struct entry *e = entry_of(itree_first(&parent->map.tree)); e; e = entry_next(e)) {
		if (e->has_private && !e->shared && !e->fork_skips && !e->fork_wipes)
			space_visit(parent, e, e->node.start, e->node.end, translation_copy, &copy);
	}
	process_note_resident(child);
}

enum pw_err process_fork(struct process *parent, uint32_t pid, struct process **ret)
{
	struct process *child;
	if (!parent->alive || parent->killed)
		return PW_INVALID;
	enum pw_err err = limit_fork(parent);
	if (!err)
		err = process_create(parent->kernel, pid, parent->command, &child);
	if (err)
		return err;
	child->parent = parent->pid;
	memcpy(child->limit, parent->limit, sizeof child->limit);
	child->heap = parent->heap;
	child->map_top = parent->map_top;
	err = entries_fork(parent, child);
	pmap_update(parent->pmap);
	if (err) {
		space_clear(child);
		process_discard(child);
		return err;
	}
	translations_fork(parent, child);
	*ret = child;
	return PW_OK;
}

/* The empty space gets a fresh pmap, so that the old page tables are given back.  Keeps the old one if there is none. */
static void space_renew(struct process *p)
{
	struct kernel *k = p->kernel;
	struct pmap *fresh, *old = p->pmap;
	if (space_create(k, &fresh))
		return;
	fresh->owner = p;
	p->pmap = fresh;
	for (unsigned cpu = 0; cpu < KERNEL_CPUS; cpu++) {
		if (k->active[cpu] == p)
			pmap_activate(fresh, cpu);
	}
	pmap_unref(old);
}

enum pw_err process_exec(struct process *p, const char *command)
{
	const char *name = kernel_name(p->kernel, command);
	if (!name)
		return PW_NOMEM;
	if (!p->alive)
		return PW_INVALID;
	p->command = name;
	p->heap = p->map_top = 0;
	space_clear(p);
	space_renew(p);
	return PW_OK;
}

void process_reap(struct process *p)
{
	struct kernel *k = p->kernel;
	if (p->alive || !p->pmap)
		return;
	for (unsigned cpu = 0; cpu < KERNEL_CPUS; cpu++) {
		if (k->active[cpu] == p)
			return;
	}
	pmap_unref(p->pmap);
	p->pmap = NULL;
}

void process_exit(struct process *p)
{
	if (!p->alive)
		return;
	space_clear(p);
	local_leave(p);
	p->alive = false;
	process_reap(p);
}

void process_activate(struct process *p, unsigned cpu)
{
	struct kernel *k = p->kernel;
	struct process *before = k->active[cpu % KERNEL_CPUS];
	if (!p->alive)
		return;
	k->active[cpu % KERNEL_CPUS] = p;
	pmap_activate(p->pmap, cpu);
	if (before && before != p)
		process_reap(before);
}

struct pmap *process_pmap(const struct process *p)
{
	return p->alive ? p->pmap : NULL;
}

void process_describe(const struct process *p, struct process_info *ret)
{
	*ret = (struct process_info){
		.pid = p->pid, .parent = p->parent, .command = p->command, .alive = p->alive, .killed = p->killed,
		.faults = p->faults, .resident_peak_pages = p->resident_peak_pages,
		.mapped_bytes = p->map.mapped_pages << p->kernel->config.page_shift,
	};
	ret->share_pages = p->share_pages;
	if (p->pmap) {
		ret->resident_pages = pmap_resident_pages(p->pmap);
		ret->table_bytes = pmap_table_bytes(p->pmap);
	}
}

struct process *kernel_process_at(const struct kernel *k, uint32_t i)
{
	return i < k->n_processes ? k->process[i] : NULL;
}
