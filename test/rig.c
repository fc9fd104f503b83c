/* rig.c - see rig.h. */
#include "rig.h"
#include "../src/base/mem.h"
#include <string.h>

enum { PAGE_SHIFT = 12 };

static enum pw_err rig_file_read(void *ctx, uint64_t file_id, uint64_t offset, void *bytes, uint64_t n)
{
	const struct rig *r = ctx;
	memset(bytes, 0, n);
	if (file_id >= RIG_FILES || offset >= RIG_FILE_BYTES)
		return PW_OK;
	uint64_t have = RIG_FILE_BYTES - offset < n ? RIG_FILE_BYTES - offset : n;
	memcpy(bytes, r->file_bytes + file_id * RIG_FILE_BYTES + offset, have);
	return PW_OK;
}

static enum pw_err rig_file_write(void *ctx, uint64_t file_id, uint64_t offset, const void *bytes, uint64_t n)
{
	struct rig *r = ctx;
	if (file_id < RIG_FILES && offset + n <= RIG_FILE_BYTES)
		memcpy(r->file_bytes + file_id * RIG_FILE_BYTES + offset, bytes, n);
	return PW_OK;
}

static uint64_t rig_touched(void *ctx, const pfn_t **ret)
{
	return pmap_model_touched(((struct rig *)ctx)->pmap, ret);
}

static uint64_t rig_next_use(void *ctx, uint32_t pid, vpn_t page)
{
	const struct rig *r = ctx;
	(void)pid;
	return page.v < r->n_pages ? r->page_next[page.v] : POLICY_NEVER;
}

/* next[i] is when page[i] comes again; page_next[p] starts as the first time p comes. */
static enum pw_err future_read(struct rig *r, const struct rig_want *want)
{
	for (uint64_t i = 0; i < want->n_refs; i++) {
		if (want->page[i] >= r->n_pages)
			r->n_pages = want->page[i] + 1;
	}
	r->next = mem_zalloc(want->n_refs + 1, sizeof *r->next);
	r->page_next = mem_zalloc(r->n_pages + 1, sizeof *r->page_next);
	if (!r->next || !r->page_next)
		return PW_NOMEM;
	for (uint64_t p = 0; p < r->n_pages; p++)
		r->page_next[p] = POLICY_NEVER;
	for (uint64_t i = want->n_refs; i-- > 0;) {
		r->next[i] = r->page_next[want->page[i]];
		r->page_next[want->page[i]] = i;
	}
	return PW_OK;
}

static enum pw_err parts_open(struct rig *r, const struct rig_want *want)
{
	enum pw_err err = pmap_model_create(want->n_frames, PAGE_SHIFT, &r->pmap);
	if (!err && want->carries_data) {
		err = physmem_init(&r->memory, want->n_frames, PAGE_SHIFT);
		r->has_memory = !err;
		r->file_bytes = mem_zalloc(RIG_FILES, RIG_FILE_BYTES);
		err = err ? err : r->file_bytes ? PW_OK : PW_NOMEM;
	}
	if (!err && want->swap)
		err = store_open(want->swap, 1u << PAGE_SHIFT, want->swap_slots ? want->swap_slots : UINT64_MAX, &r->swap, NULL);
	return err || !want->page ? err : future_read(r, want);
}

enum pw_err rig_open(struct rig *r, const struct rig_want *want)
{
	*r = (struct rig){ 0 };
	enum pw_err err = parts_open(r, want);
	r->files = (struct kernel_files){ .read = rig_file_read, .write = rig_file_write, .ctx = r };
	struct kernel_config c = {
		.pmap = r->pmap, .memory = r->has_memory ? &r->memory : NULL, .carries_data = want->carries_data,
		.n_frames = want->n_frames, .page_frames = want->page_frames, .page_shift = PAGE_SHIFT,
		.personality = want->personality, .policy = policy_find(want->policy ? want->policy : "lru"),
		.file_cache_cold = want->file_cache_cold, .files = &r->files, .swap = r->swap, .cost = &cost_default,
		.seed = want->seed, .touched = want->hides_recency ? NULL : rig_touched, .ctx = r,
		.next_use = want->page ? rig_next_use : NULL,
	};
	if (!err)
		err = kernel_create(&c, &r->kernel, NULL);
	if (err)
		rig_close(r);
	return err;
}

void rig_close(struct rig *r)
{
	kernel_destroy(r->kernel);
	if (r->pmap)
		pmap_sys_destroy(r->pmap);
	store_close(r->swap);
	if (r->has_memory)
		physmem_fini(&r->memory);
	mem_free(r->file_bytes);
	mem_free(r->next);
	mem_free(r->page_next);
	*r = (struct rig){ 0 };
}

enum fault_outcome rig_touch(struct rig *r, struct process *p, uint64_t page, enum access_kind kind, unsigned *ret_faults)
{
	pfn_t frame;
	*ret_faults = 0;
	process_activate(p, 0);
	while (*ret_faults < 8) {
		if (pmap_model_access(r->pmap, 0, vpn(page), kind, &frame))
			return FAULT_OUTCOME_RESOLVED;
		++*ret_faults;
		struct fault_report f = process_fault(p, 0, vaddr(page << PAGE_SHIFT), kind);
		if (f.outcome != FAULT_OUTCOME_RESOLVED)
			return f.outcome;
	}
	return FAULT_OUTCOME_BUS;
}

bool rig_run_trace(struct rig *r, const uint32_t *page, const bool *is_store, uint64_t n)
{
	struct process *p;
	vaddr_t at;
	const struct process_mapping all = {
		.bytes = 1ull << 46, .fixed = true, .prot = PMAP_READ | PMAP_WRITE | PMAP_EXEC, .on_disk = true, .name = "trace",
	};
	if (process_create(r->kernel, 1, "trace", &p) || process_map(p, &all, &at))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		unsigned faults;
		if (r->next)
			r->page_next[page[i]] = r->next[i];
		enum access_kind kind = is_store && is_store[i] ? ACCESS_STORE : ACCESS_LOAD;
		if (rig_touch(r, p, page[i], kind, &faults) != FAULT_OUTCOME_RESOLVED || faults > 1)
			return false;
	}
	return true;
}

struct kernel_counts rig_counts(const struct rig *r)
{
	struct kernel_counts c;
	kernel_counts(r->kernel, &c);
	return c;
}
