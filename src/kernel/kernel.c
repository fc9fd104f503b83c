/* kernel.c - the whole put together: made, counted, described, ended.
 *
 * Problem: many rooms, one lifetime.
 * Idea: kernel_create builds them in the order in which they need each other and ends with a machine of free frames; the pmap gets
 * its page tables from those frames.
 *
 *      frames  <-  policy (slots)  <-  reclaim  <-  page  <-  fault, space, process
 *      anons, objects, swap   <-----------------------'
 *
 * 1. Page tables come out of the same frames as pages.  table_alloc never makes room itself: that would evict pages while a pmap is
 *    in the middle of a change.  It answers PW_NOFRAMES, and whoever asked makes room and asks again. */
#include "../base/mem.h"
#include "huge.h"
#include "space.h"
#include "state.h"
#include <string.h>

struct name {
	struct name *next;
	char text[];
};

static uint64_t text_hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
	return h;
}

const char *kernel_name(struct kernel *k, const char *text)
{
	uint64_t *head = htab_put(&k->names, text_hash(text));
	if (!head)
		return NULL;
	struct name *first = (struct name *)(uintptr_t)*head;
	for (struct name *n = first; n; n = n->next) {
		if (!strcmp(n->text, text))
			return n->text;
	}
	size_t bytes = strlen(text) + 1;
	struct name *n = mem_alloc(sizeof *n + bytes);
	if (!n)
		return NULL;
	n->next = first;
	memcpy(n->text, text, bytes);
	*head = (uintptr_t)n;
	return n->text;
}

static void names_free(struct kernel *k)
{
	uint64_t i = 0, key, head;
	while (k->names.slot && htab_each(&k->names, &i, &key, &head)) {
		struct name *n = (struct name *)(uintptr_t)head;
		while (n) {
			struct name *next = n->next;
			mem_free(n);
			n = next;
		}
	}
	htab_fini(&k->names);
}

static enum pw_err env_table_alloc(void *ctx, struct pmap *owner, uint64_t n, pfn_t *ret)
{
	struct kernel *k = ctx;
	uint32_t first;
	(void)owner;
	enum pw_err err = frame_take_tables(&k->frames, n, &first);
	k->wanted_run = n;
	if (err)
		return err;
	for (uint64_t i = 0; k->config.memory && i < n; i++)
		physmem_zero(k->config.memory, pfn(first + i));
	uint64_t bytes = k->frames.n_tables << k->config.page_shift;
	if (bytes > k->counts.table_peak_bytes)
		k->counts.table_peak_bytes = bytes;
	*ret = pfn(first);
	return PW_OK;
}

static void env_table_free(void *ctx, struct pmap *owner, pfn_t first, uint64_t n)
{
	struct kernel *k = ctx;
	(void)owner;
	for (uint64_t i = 0; i < n; i++)
		frame_give(&k->frames, (uint32_t)(first.v + i));
}

static enum pw_err config_check(const struct kernel_config *c, struct pw_why *why)
{
	if (!c->n_frames)
		return pw_fail(why, PW_INVALID, "a machine needs at least one frame of memory");
	if (c->n_frames >= FRAME_NONE / 2)
		return pw_fail(why, PW_INVALID, "%llu frames are more than %u: use larger pages or less memory",
		               (unsigned long long)c->n_frames, FRAME_NONE / 2 - 1);
	if (c->memory && c->memory->frames < c->n_frames)
		return pw_fail(why, PW_INVALID, "the kernel is to use %llu frames of a memory of %llu",
		               (unsigned long long)c->n_frames, (unsigned long long)c->memory->frames);
	if (c->carries_data && !c->memory && !c->pmap->ops->page_bytes)
		return pw_fail(why, PW_INVALID, "a run that carries data needs memory to carry it in");
	if (c->va_bits > FRAME_VPN_BITS + c->page_shift)
		return pw_fail(why, PW_INVALID, "%u address bits are too many for pages of %u bytes; at most %u of them may be numbers of "
		               "pages", c->va_bits, 1u << c->page_shift, FRAME_VPN_BITS);
	if (c->carries_data && c->swap && !c->swap->keeps_data)
		return pw_fail(why, PW_UNSUPPORTED, "swap on %s keeps no bytes, and this run carries data; use ram or file:PATH",
		               c->swap->ops->name);
	if (c->swap && c->swap->page_bytes != 1ull << c->page_shift)
		return pw_fail(why, PW_INVALID, "swap has pages of %u bytes, the machine of %llu", c->swap->page_bytes,
		               1ull << c->page_shift);
	if (c->huge_shift >= FRAME_ORDERS)
		return pw_fail(why, PW_INVALID, "huge pages of 2^%u pages are too large; at most 2^%u", c->huge_shift, FRAME_ORDERS - 1);
	if (c->huge_shift && c->replacement == REPLACEMENT_local)
		return pw_fail(why, PW_UNSUPPORTED, "local replacement knows no huge pages; use one or the other");
	if (c->fragment > 100)
		return pw_fail(why, PW_INVALID, "%u percent of memory cannot be fragmented; at most 100", c->fragment);
	if (c->policy->wants_future && !c->next_use)
		return pw_fail(why, PW_INVALID, "policy %s needs to know the future: a trace that can be read twice",
		               c->policy->name);
	return PW_OK;
}

static enum pw_err rooms_init(struct kernel *k)
{
	enum pw_err err = frames_init(&k->frames, k->config.n_frames, k->config.page_frames, k->config.huge_shift);
	if (!err)
		err = objects_init(&k->objects);
	if (!err)
		err = htab_init(&k->pids, 0);
	if (!err)
		err = htab_init(&k->names, 0);
	if (!err && k->config.replacement == REPLACEMENT_local)
		err = local_create(k);
	if (!err)
		err = reclaim_init(k);
	if (!err && k->local)
		err = local_begin(k);
	if (!err)
		compact_fragment(k);
	return err;
}

enum pw_err kernel_create(const struct kernel_config *c, struct kernel **ret, struct pw_why *why)
{
	enum pw_err err = config_check(c, why);
	if (err)
		return err;
	struct kernel *k = mem_zalloc(1, sizeof *k);
	if (!k)
		return pw_fail(why, PW_NOMEM, "kernel: %s", pw_err_text(PW_NOMEM));
	k->config = *c;
	k->zero_frame = FRAME_NONE;
	anons_init(&k->anons);
	swap_init(&k->swap, c->swap);
	err = rooms_init(k);
	if (err) {
		kernel_destroy(k);
		return pw_fail(why, err, "kernel: %s", pw_err_text(err));
	}
	c->pmap->env = (struct pmap_env){ .ctx = k, .table_alloc = env_table_alloc, .table_free = env_table_free };
	*ret = k;
	return PW_OK;
}

static void process_destroy(struct process *p)
{
	if (p->alive)
		space_clear(p);
	if (p->pmap)
		pmap_unref(p->pmap);
	map_fini(&p->map);
	mem_free(p);
}

void kernel_destroy(struct kernel *k)
{
	if (!k)
		return;
	for (uint32_t i = 0; i < k->n_processes; i++)
		process_destroy(k->process[i]);
	mem_free(k->process);
	local_destroy(k);
	reclaim_fini(k);
	swap_fini(&k->swap);
	objects_fini(&k->objects);
	anons_fini(&k->anons);
	frames_fini(&k->frames);
	htab_fini(&k->pids);
	names_free(k);
	mem_free(k);
}

void kernel_counts(const struct kernel *k, struct kernel_counts *ret)
{
	*ret = k->counts;
	ret->resident_pages = k->frames.n_pages;
	ret->table_bytes = k->frames.n_tables << k->config.page_shift;
	uint64_t kept = kernel_is_linux(k) ? k->high_pages : 0;
	ret->free_frames = k->frames.n_free;
	ret->spare_frames = k->frames.n_free > kept ? k->frames.n_free - kept : 0;
	ret->balloon_frames = k->frames.n_balloon;
	ret->huge_pages = k->n_huge << k->config.huge_shift;
	ret->swap_used_slots = k->swap.used;
	ret->swap_peak_slots = k->swap.peak;
	ret->swap_reads = k->swap.reads;
	ret->swap_writes = k->swap.writes;
}

double kernel_fragmentation(const struct kernel *k) { return frames_fragmentation(&k->frames); }

static uint64_t process_host_bytes(const struct process *p)
{
	uint64_t bytes = sizeof *p + p->map.layer.bytes + p->map.tree.count * sizeof(struct entry);
	for (const struct gone *g = p->map.gone; g; g = g->next)
		bytes += sizeof *g;
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); e; e = entry_next(e))
		bytes += e->object && e->object->kind == OBJECT_SHARED ? e->object->pages.bytes / e->object->refs : 0;
	return bytes;
}

uint64_t kernel_host_bytes(const struct kernel *k)
{
	uint64_t frames = k->frames.fresh + k->frames.n - k->frames.top;
	uint64_t slots = k->frames.slots_are_frames ? frames : k->frames.slot_fresh;
	uint64_t bytes = sizeof *k + frames * sizeof(struct frame) + (k->frames.slot_frame ? 2 * slots * sizeof(uint32_t) : 0);
	bytes += (uint64_t)((double)k->policy_bytes / k->frames.n_slots * (double)slots);
	bytes += k->anons.n_chunks * (sizeof(struct anon_chunk *) + sizeof(struct anon_chunk));
	bytes += k->swap.n_owners * sizeof *k->swap.owner;
	for (uint32_t i = 0; i < k->objects.n_files; i++)
		bytes += sizeof(struct object) + k->objects.file[i]->pages.bytes;
	for (uint32_t i = 0; i < k->n_processes; i++)
		bytes += process_host_bytes(k->process[i]);
	return bytes;
}

void kernel_set_walk_source(struct kernel *k, uint64_t (*take)(void *ctx, pfn_t frame), void *ctx)
{
	k->take_walks = take;
	k->take_walks_ctx = ctx;
}

static void count_mapped(void *ctx, struct process *p, const struct space_page *page)
{
	struct mapping_info *info = ctx;
	struct pmap_mapping m;
	if (page->frame == FRAME_NONE || !pmap_extract(p->pmap, vpn(page->page), &m))
		return;
	info->resident_pages++;
	const struct frame *frame = kernel_frame(p->kernel, page->frame);
	if (frame->space == p->number + 1 && frame->vpn == page->page)
		page_take_walks(p->kernel, page->frame);
}

static void visit_gone(const struct process *p, const struct gone *g, void (*visit)(void *ctx, const struct mapping_info *m),
                       void *ctx)
{
	struct mapping_info info = {
		.pid = p->pid, .bytes = g->bytes, .name = g->name, .prot = g->prot, .faults = g->faults, .walks = g->walks,
	};
	visit(ctx, &info);
}

static void mappings_of(struct process *p, void (*visit)(void *ctx, const struct mapping_info *m), void *ctx)
{
	unsigned shift = p->kernel->config.page_shift;
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); e; e = entry_next(e)) {
		struct mapping_info info = {
			.pid = p->pid, .start = vaddr(e->node.start << shift), .bytes = entry_pages(e) << shift, .name = e->name,
			.prot = e->prot, .faults = e->faults, .alive = true, .locked = e->locked,
		};
		space_visit(p, e, e->node.start, e->node.end, count_mapped, &info);
		info.walks = e->walks;
		visit(ctx, &info);
	}
	for (const struct gone *g = p->map.gone; g; g = g->next)
		visit_gone(p, g, visit, ctx);
	if (p->map.gone_others.bytes)
		visit_gone(p, &p->map.gone_others, visit, ctx);
}

bool process_mapping_at(struct process *p, vaddr_t va, struct mapping_info *ret)
{
	unsigned shift = p->kernel->config.page_shift;
	const struct entry *e = map_find(&p->map, va.v >> shift);
	if (!e)
		return false;
	*ret = (struct mapping_info){ .pid = p->pid, .start = vaddr(e->node.start << shift), .bytes = entry_pages(e) << shift,
	                              .name = e->name, .prot = e->prot, .alive = true, .locked = e->locked };
	return true;
}

void kernel_mappings(struct kernel *k, void (*visit)(void *ctx, const struct mapping_info *m), void *ctx)
{
	for (uint32_t i = 0; i < k->n_processes; i++)
		mappings_of(k->process[i], visit, ctx);
}

const char *kernel_swap_why(const struct kernel *k)
{
	return k->swap.why.text;
}
