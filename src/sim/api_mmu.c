/* api_mmu.c - the narrowest door: an MMU for programs that have page tables of their own.
 *
 * Problem: an emulator needs translation with exact page-table formats, TLBs and faults, and nothing else.
 * Idea: the machine without a kernel.  It only ever reads tables from memory, so whoever writes that memory is the kernel.
 *
 * 1. The traps have the numbers of the machine's faults. */
#include "api.h"
#include "computer.h"
#include "../base/mem.h"
#include "../machine/explain.h"
#include <string.h>

struct pw_mmu {
	struct machine *machine;
	char *words;
	unsigned n_cpus;
	unsigned page_shift, asid_bits;
	struct { uint64_t root; bool user; } cpu[64]; /* as many as can be asked for */
};

#define X(name, word, text) _Static_assert((int)PW_TRAP_##name == (int)MACHINE_FAULT_##name, "the traps are the machine's faults");
MACHINE_FAULT_LIST(X)
#undef X

const char *pw_trap_text(enum pw_trap trap)
{
	return (unsigned)trap < MACHINE_FAULT_KINDS ? trap == PW_TRAP_NONE ? "none" : machine_fault_text((enum machine_fault)trap)
	                                            : "no trap of this library";
}

static enum pw_err words_check(const struct machine_words *w, struct pw_why *why)
{
	const struct { const char *name, *value; } others[] = {
#define X(word, argument, text) { #word, w->word },
		KERNEL_WORD_LIST(X)
#undef X
		{ "frames", w->frames }, { "ram", w->ram }, { "cost", w->cost }, { "limit", w->limit }, { "warmup", w->warmup },
		        { "tau", w->tau }, { "nested", w->nested }, { "hostram", w->hostram },
	};
	for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
		if (others[i].value)
			return pw_fail(why, PW_INVALID,
			               "%s=%s: an MMU alone has no such option; it has format, page, cpu, tlb, asids, cpus and seed",
			               others[i].name, others[i].value);
	return PW_OK;
}

static enum pw_err mmu_make(struct pw_mmu *m, const char *const *options, uint64_t bytes, struct pw_why *why)
{
	struct machine_words w;
	struct run_options o;
	enum pw_err err = api_words(options, &m->words, &w, why);
	if (!err)
		err = words_check(&w, why);
	if (!err)
		err = machine_words_resolve(&w, &o, why);
	if (err)
		return err;
	m->n_cpus = o.n_cpus;
	m->page_shift = o.format.page_shift;
	m->asid_bits = o.cpu.asid_bits;
	if (bytes >> m->page_shift == 0)
		return pw_fail(why, PW_INVALID, "memory of %llu bytes: it must hold a page of %u at least", (unsigned long long)bytes,
		               1u << m->page_shift);
	const struct machine_config c = {
		.format = &o.format, .frames = bytes >> m->page_shift, .n_cpus = o.n_cpus, .cpu = &o.cpu, .seed = o.seed,
	};
	err = machine_create(&c, &m->machine, why);
	for (unsigned i = 0; !err && i < m->n_cpus; i++) {
		m->cpu[i].user = true;
		machine_load_space(m->machine, i, pfn(0), 0);
	}
	return err;
}

enum pw_status pw_mmu_create(const char *const *options, uint64_t memory_bytes, struct pw_mmu **ret, char **why)
{
	struct pw_why because = { "" };
	*ret = NULL;
	*why = NULL;
	struct pw_mmu *m = mem_zalloc(1, sizeof *m);
	enum pw_err err = m ? mmu_make(m, options, memory_bytes, &because) : PW_NOMEM;
	if (err) {
		pw_mmu_destroy(m);
		*why = api_why(&because);
		return api_status(err, PW_E_INVALID);
	}
	*ret = m;
	return PW_SUCCESS;
}

void pw_mmu_destroy(struct pw_mmu *m)
{
	if (!m)
		return;
	if (m->machine)
		machine_destroy(m->machine);
	mem_free(m->words);
	mem_free(m);
}

void *pw_mmu_memory(struct pw_mmu *m, uint64_t *bytes)
{
	const struct physmem *p = machine_physmem(m->machine);
	if (bytes)
		*bytes = physmem_bytes(p);
	return p->bytes;
}

enum pw_status pw_mmu_load_root(struct pw_mmu *m, unsigned cpu, uint64_t root, uint16_t asid)
{
	if (cpu >= m->n_cpus)
		return PW_E_INVALID;
	if (m->asid_bits == 0) {
		asid = 0;
		machine_flush_asid(m->machine, MACHINE_CPUS_ALL, 0);
	}
	m->cpu[cpu].root = root >> m->page_shift << m->page_shift;
	machine_load_space(m->machine, cpu, pfn(root >> m->page_shift), asid);
	return PW_SUCCESS;
}

void pw_mmu_set_user(struct pw_mmu *m, unsigned cpu, bool user)
{
	if (cpu >= m->n_cpus)
		return;
	m->cpu[cpu].user = user;
	machine_set_supervisor(m->machine, cpu, !user);
}

static enum access_kind kind_of(enum pw_kind kind)
{
	return kind == PW_FETCH ? ACCESS_FETCH : kind == PW_STORE ? ACCESS_STORE : ACCESS_LOAD;
}

enum pw_trap pw_mmu_translate(struct pw_mmu *m, unsigned cpu, uint64_t address, enum pw_kind kind, uint64_t *physical)
{
	paddr_t at = paddr(0);
	if (cpu >= m->n_cpus)
		return PW_TRAP_BADFRAME;
	struct machine_stop stop = machine_translate(m->machine, cpu, vaddr(address), kind_of(kind), &at);
	if (stop.why == MACHINE_FAULTED)
		return (enum pw_trap)stop.fault;
	*physical = at.v;
	return PW_TRAP_NONE;
}

void pw_mmu_flush(struct pw_mmu *m) { machine_flush_all(m->machine); }

void pw_mmu_flush_page(struct pw_mmu *m, uint16_t asid, uint64_t address)
{
	machine_flush_range(m->machine, MACHINE_CPUS_ALL, asid, vpn_range(vpn_of(vaddr(address), m->page_shift), 1));
}

char *pw_mmu_explain(struct pw_mmu *m, unsigned cpu, uint64_t address, enum pw_kind kind)
{
	struct explain e;
	char *text = NULL;
	size_t bytes;
	FILE *memory = cpu < m->n_cpus ? open_memstream(&text, &bytes) : NULL;
	if (!memory)
		return NULL;
	const struct explain_want want = { vaddr(address), kind_of(kind), m->cpu[cpu].user };
	const struct memory_view view = memory_view_of(machine_physmem(m->machine));
	explain_walk(machine_format(m->machine), &view, paddr(m->cpu[cpu].root), &want, &e);
	explain_print(&e, memory);
	if (fclose(memory) == 0)
		return text;
	mem_free(text);
	return NULL;
}

enum pw_status pw_mmu_figure(struct pw_mmu *m, const char *name, double *ret)
{
	json_t *tree = json_object();
	machine_figures(m->machine, NULL, tree);
	return api_figure(tree, name, ret);
}
