/* kernel_world.c - see kernel_world.h. */
#include "kernel_world.h"
#include "../src/base/mem.h"
#include <string.h>

enum { PAGE_SHIFT = 12, FAULTS_MAX = 16 };

static const unsigned word_at[MODEL_WORDS] = { 0, 8, 2504, WORLD_PAGE - 8 };
unsigned world_word_at(unsigned word) { return word_at[word]; }

static enum pw_err file_read(void *ctx, uint64_t id, uint64_t offset, void *bytes, uint64_t n)
{
	const struct world *w = ctx;
	memset(bytes, 0, n);
	if (id < MODEL_FILES && offset < WORLD_FILE_BYTES)
		memcpy(bytes, w->file[id] + offset, WORLD_FILE_BYTES - offset < n ? WORLD_FILE_BYTES - offset : n);
	return PW_OK;
}

static enum pw_err file_write(void *ctx, uint64_t id, uint64_t offset, const void *bytes, uint64_t n)
{
	struct world *w = ctx;
	if (id < MODEL_FILES && offset + n <= WORLD_FILE_BYTES)
		memcpy(w->file[id] + offset, bytes, n);
	return PW_OK;
}

static uint64_t world_touched(void *ctx, const pfn_t **ret)
{
	struct world *w = ctx;
	return w->m ? machine_touched(w->m, ret) : pmap_model_touched(w->pmap, ret);
}

/* As x86-64, but for three levels, the lowest of few entries. */
static struct ptfmt small_format(void)
{
	struct ptfmt f = *ptfmt_find("x86-64");
	f.name = "x86-64 of small tables";
	f.levels = 3;
	f.va_bits = PAGE_SHIFT + WORLD_HUGE_SHIFT + 9 + 9;
	f.index_bits[0] = WORLD_HUGE_SHIFT;
	f.index_bits[3] = 0;
	f.leaf_levels = 3;
	f.reserved_leaf[1] = 0;
	f.reserved_table[2] = f.reserved_table[3];
	return f;
}

static enum pw_err machine_open(struct world *w, const struct world_want *want)
{
	struct cpu_model cpu = { .name = "small", .pwc_entries = { 0, 2, 1 }, .asid_bits = want->asid_bits };
	struct ptfmt format = small_format();
	enum pw_err err = tlb_parse("l1d=8/2,l1i=2/fa,l2=12/3", cpu.tlb, &cpu.n_tlbs, NULL);
	const struct machine_config c = {
		.format = &format, .frames = want->n_frames, .n_cpus = WORLD_CPUS, .cpu = &cpu, .log_touches = !want->hides_recency,
		.seed = want->seed,
	};
	if (!err)
		err = machine_create(&c, &w->m, NULL);
	return err ? err : pmap_machine_create(w->m, &w->pmap);
}

static enum pw_err array_open(struct world *w, const struct world_want *want)
{
	enum pw_err err = pmap_model_create(want->n_frames, PAGE_SHIFT, &w->pmap);
	return err ? err : physmem_init(&w->array_memory, want->n_frames, PAGE_SHIFT);
}

static struct physmem *memory_of(struct world *w) { return w->m ? machine_physmem(w->m) : &w->array_memory; }

static enum pw_err parts_open(struct world *w, const struct world_want *want)
{
	enum pw_err err = want->machine ? machine_open(w, want) : array_open(w, want);
	if (!err && want->swap)
		err = store_open(want->swap, WORLD_PAGE, want->swap_slots ? want->swap_slots : UINT64_MAX, &w->swap, NULL);
	if (err)
		return err;
	w->files = (struct kernel_files){ .read = file_read, .write = file_write, .ctx = w };
	const struct kernel_config c = {
		.pmap = w->pmap, .memory = memory_of(w), .carries_data = true, .n_frames = want->n_frames,
		.page_frames = want->page_frames, .page_shift = PAGE_SHIFT, .personality = want->personality,
		.policy = policy_find(want->policy), .file_cache_cold = want->cold_files, .files = &w->files, .swap = w->swap,
		.cost = &cost_default, .seed = want->seed, .touched = want->hides_recency ? NULL : world_touched, .ctx = w,
		.overcommit = want->overcommit, .va_bits = 31, .replacement = want->replacement, .allocation = want->allocation,
		.huge_shift = want->machine && want->replacement == REPLACEMENT_global ? WORLD_HUGE_SHIFT : 0,
		.huge = want->huge, .fragment = want->fragment,
	};
	return kernel_create(&c, &w->kernel, NULL);
}

enum pw_err world_open(struct world *w, const struct world_want *want)
{
	memset(w, 0, sizeof *w);
	enum pw_err err = parts_open(w, want);
	if (err)
		world_close(w);
	return err;
}

void world_close(struct world *w)
{
	kernel_destroy(w->kernel);
	if (w->pmap)
		pmap_sys_destroy(w->pmap);
	store_close(w->swap);
	if (w->m)
		machine_destroy(w->m);
	else
		physmem_fini(&w->array_memory);
	memset(w, 0, sizeof *w);
}

/* Bytes of one page, as the CPU moves them.  => false: it faulted and nothing was moved */
static bool cpu_move(struct world *w, unsigned cpu, uint64_t page, unsigned at, enum access_kind kind, void *bytes, unsigned n)
{
	vaddr_t va = vaddr_add(world_address(page), at);
	pfn_t frame;
	if (w->m && kind == ACCESS_FETCH) {
		ref_t r = ref_make(va, kind);
		return machine_run(w->m, cpu, &r, 1).why == MACHINE_DONE;
	}
	if (w->m)
		return (kind == ACCESS_STORE ? machine_write(w->m, cpu, va, bytes, n) : machine_read(w->m, cpu, va, bytes, n)).why ==
		       MACHINE_DONE;
	if (!pmap_model_access(w->pmap, cpu, vpn(WORLD_BASE + page), kind, &frame))
		return false;
	uint8_t *there = (uint8_t *)physmem_frame(&w->array_memory, frame) + at;
	if (kind == ACCESS_STORE)
		memcpy(there, bytes, n);
	else
		memcpy(bytes, there, n);
	return true;
}

static enum pw_err cpu_access(struct world *w, struct process *p, unsigned cpu, uint64_t page, unsigned at, enum access_kind kind,
                              void *bytes, unsigned n)
{
	process_activate(p, cpu);
	for (unsigned faults = 0; faults < FAULTS_MAX; faults++) {
		if (cpu_move(w, cpu, page, at, kind, bytes, n))
			return PW_OK;
		switch (process_fault(p, cpu, vaddr_add(world_address(page), at), kind).outcome) {
		case FAULT_OUTCOME_RESOLVED:
			break;
		case FAULT_OUTCOME_REFUSED:
			return PW_ACCESS;
		case FAULT_OUTCOME_BUS:
			return PW_IO;
		case FAULT_OUTCOME_KILLED:
			return PW_NOFRAMES;
		}
	}
	return PW_BUSY;
}

static enum pw_err words_from(uint8_t bytes[WORLD_PAGE], struct model_words *ret)
{
	for (unsigned i = 0; i < MODEL_WORDS; i++) {
		memcpy(&ret->word[i], bytes + word_at[i], 8);
		memset(bytes + word_at[i], 0, 8);
	}
	return memcmp(bytes, bytes + 1, WORLD_PAGE - 1) ? PW_CORRUPT : PW_OK;
}

enum pw_err world_read(struct world *w, struct process *p, unsigned cpu, uint64_t page, struct model_words *ret)
{
	uint8_t bytes[WORLD_PAGE];
	enum pw_err err = cpu_access(w, p, cpu, page, 0, ACCESS_LOAD, bytes, WORLD_PAGE);
	return err ? err : words_from(bytes, ret);
}

enum pw_err world_write(struct world *w, struct process *p, unsigned cpu, uint64_t page, unsigned word, uint64_t value)
{
	return cpu_access(w, p, cpu, page, word_at[word], ACCESS_STORE, &value, sizeof value);
}

enum pw_err world_fetch(struct world *w, struct process *p, unsigned cpu, uint64_t page)
{
	uint8_t byte;
	return cpu_access(w, p, cpu, page, 0, ACCESS_FETCH, &byte, 1);
}

enum pw_err world_copy_out(struct world *w, struct process *p, uint64_t page, struct model_words *ret)
{
	uint8_t bytes[WORLD_PAGE];
	(void)w;
	enum pw_err err = process_copy_out(p, world_address(page), bytes, WORLD_PAGE, NULL);
	return err ? err : words_from(bytes, ret);
}

enum pw_err world_copy_in(struct world *w, struct process *p, uint64_t page, unsigned word, uint64_t value)
{
	(void)w;
	return process_copy_in(p, vaddr_add(world_address(page), word_at[word]), &value, sizeof value, NULL);
}
