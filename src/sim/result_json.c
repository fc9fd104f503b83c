/* result_json.c - the versioned result object, written.
 *
 * Problem.  Every other view, script and later version of pageworks reads this object, so its shape is a promise.
 *
 * Idea.  One function for each member, in the order of the design; what was not modelled in a run is absent, never zero.
 *
 * Invariants.
 *   1. Two runs with the same seed write the same bytes, but for program.wall_s.
 *   2. Counts are integers, addresses are "0x..." strings, sizes are bytes.
 *   3. A member is only ever added; a changed meaning is a new schema number. */
#include "result.h"
#include "../base/json.h"
#include <string.h>

void result_json_faults(const struct fault_counts *f, struct jsonw *j)
{
	jsonw_object(j, "faults");
	jsonw_u64(j, "total", f->total);
	jsonw_u64(j, "minor", f->minor);
	jsonw_u64(j, "major", f->major);
	jsonw_u64(j, "protection", f->protection);
	jsonw_object(j, "by_cause");
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		jsonw_u64(j, fault_cause_name(i), f->by_cause[i]);
	jsonw_end(j);
	jsonw_end(j);
}

static void json_geometry(struct jsonw *j, const struct ptfmt *format, const struct tlb_geometry *g)
{
	static const char *const replace[TLB_REPLACE_KINDS] = {
#define X(name) #name,
		TLB_REPLACE_LIST(X)
#undef X
	};
	jsonw_object(j, NULL);
	jsonw_string(j, "name", g->name);
	jsonw_u64(j, "level", g->level);
	jsonw_bool(j, "loads", g->kinds & TLB_LOADS);
	jsonw_bool(j, "stores", g->kinds & TLB_STORES);
	jsonw_bool(j, "fetches", g->kinds & TLB_FETCHES);
	jsonw_array(j, "page_bytes");
	for (unsigned level = 0; level < format->levels; level++)
		if (g->page_levels >> level & 1 && format->leaf_levels >> level & 1)
			jsonw_u64(j, NULL, 1ull << ptfmt_level_shift(format, level));
	jsonw_end(j);
	jsonw_u64(j, "entries", g->entries);
	jsonw_u64(j, "ways", g->ways);
	jsonw_string(j, "replacement", replace[g->replace]);
	jsonw_end(j);
}

static void json_cpu(struct jsonw *j, const struct result_machine *m)
{
	jsonw_u64(j, "cpus", m->n_cpus);
	jsonw_string(j, "cpu", m->cpu_name);
	jsonw_u64(j, "asid_bits", m->cpu.asid_bits);
	jsonw_array(j, "tlb");
	for (unsigned i = 0; i < m->cpu.n_tlbs; i++)
		json_geometry(j, &m->format, &m->cpu.tlb[i]);
	jsonw_end(j);
	jsonw_array(j, "walk_cache_entries");
	for (unsigned i = 0; i < m->format.levels; i++)
		jsonw_u64(j, NULL, m->cpu.pwc_entries[i]);
	jsonw_end(j);
}

static void json_cost(struct jsonw *j, const struct cost_model *c)
{
	jsonw_object(j, "cost");
#define X(name, value, unit, text) jsonw_u64(j, #name, c->name);
	COST_LIST(X)
#undef X
	jsonw_end(j);
}

static void json_machine(struct jsonw *j, const struct result *r)
{
	static const char *const personalities[PERSONALITY_KINDS] = {
#define X(name, text) #name,
		PERSONALITY_LIST(X)
#undef X
	};
	static const char *const huge_words[HUGE_KINDS] = {
#define X(name, text) #name,
		HUGE_LIST(X)
#undef X
	};
	const struct result_machine *m = &r->machine;
	jsonw_object(j, "machine");
	jsonw_string(j, "format", m->format.name);
	jsonw_u64(j, "page_bytes", 1ull << m->format.page_shift);
	jsonw_u64(j, "levels", m->format.levels);
	jsonw_u64(j, "address_bits", m->format.va_bits);
	if (m->page_frames)
		jsonw_u64(j, "page_frames", m->page_frames);
	if (m->ram_bytes)
		jsonw_u64(j, "ram_bytes", m->ram_bytes);
	jsonw_u64(j, "physical_bytes", m->physical_frames << m->format.page_shift);
	if (m->nested) {
		jsonw_string(j, "nested_format", m->nested->name);
		jsonw_u64(j, "nested_tlb_entries", m->nested_tlb);
		if (m->host_ram_bytes)
			jsonw_u64(j, "host_ram_bytes", m->host_ram_bytes);
	}
	json_cpu(j, m);
	jsonw_string(j, "policy", m->policy_spec);
	if (m->replacement == REPLACEMENT_local) {
		jsonw_string(j, "replacement", "local");
		jsonw_string(j, "allocation", m->allocation == ALLOCATION_equal ? "equal" : "proportional");
	}
	jsonw_string(j, "refbits", m->refbits == REFBITS_EXACT ? "exact" : "hardware");
	jsonw_string(j, "personality", personalities[m->personality]);
	jsonw_string(j, "files", m->cold_files ? "cold" : "cached");
	if (m->overcommit != OVERCOMMIT_always)
		jsonw_string(j, "overcommit", m->overcommit == OVERCOMMIT_never ? "never" : "heuristic");
	if (m->huge != HUGE_never) {
		jsonw_string(j, "huge", huge_words[m->huge]);
		jsonw_u64(j, "huge_page_bytes", 1ull << (m->format.page_shift + m->format.index_bits[0]));
		jsonw_u64(j, "fragment_percent", m->fragment);
		jsonw_u64(j, "scan", m->scan);
	}
	jsonw_string(j, "swap", m->swap);
	json_cost(j, &m->cost);
	if (m->quantum)
		jsonw_u64(j, "quantum", m->quantum);
	if (m->load_control)
		jsonw_string(j, "load_control", "thrashing");
	jsonw_u64(j, "limit", m->limit);
	jsonw_u64(j, "warmup", m->warmup);
	jsonw_end(j);
}

enum pw_err result_write_machine(const struct result *r, FILE *out)
{
	struct jsonw j;
	jsonw_init(&j, out);
	j.compact = true;
	jsonw_object(&j, NULL);
	json_machine(&j, r);
	jsonw_end(&j);
	return jsonw_finish(&j);
}

static void json_input(struct jsonw *j, const struct result *r)
{
	jsonw_object(j, "input");
	jsonw_string(j, "source", r->source);
	jsonw_string(j, "format", r->format);
	jsonw_u64(j, "records", r->records);
	jsonw_u64(j, "rejected", r->rejected);
	if (r->rejected)
		jsonw_u64(j, "rejected_at", r->rejected_at);
	jsonw_u64(j, "events_refused", r->events_refused);
	if (r->events_refused)
		jsonw_string(j, "events_refused_first", r->events_why);
	jsonw_bool(j, "interrupted", r->interrupted);
	if (r->input_error != PW_OK)
		jsonw_string(j, "error", *r->input_error_text ? r->input_error_text : pw_err_text(r->input_error));
	jsonw_end(j);
}

static void json_references(struct jsonw *j, const struct result_refs *n)
{
	jsonw_object(j, "references");
	jsonw_u64(j, "total", n->total);
	jsonw_u64(j, "loads", n->kind[ACCESS_LOAD]);
	jsonw_u64(j, "stores", n->kind[ACCESS_STORE]);
	jsonw_u64(j, "fetches", n->kind[ACCESS_FETCH]);
	jsonw_u64(j, "refused", n->refused);
	jsonw_u64(j, "skipped", n->skipped);
	jsonw_u64(j, "lost", n->lost);
	jsonw_end(j);
}

static void json_reclaim(struct jsonw *j, const struct result *r)
{
	const struct kernel_counts *k = &r->kernel;
	jsonw_object(j, "reclaim");
	jsonw_string(j, "policy", r->machine.policy_spec);
	jsonw_u64(j, "evicted", k->evicted);
	jsonw_u64(j, "written_back", k->written_back);
	jsonw_u64(j, "refaults", k->refaults);
	jsonw_u64(j, "readahead", k->readahead);
	jsonw_u64(j, "readahead_used", k->readahead_used);
	jsonw_u64(j, "faulted_around", k->faulted_around);
	jsonw_u64(j, "oom_kills", k->oom_kills);
	jsonw_u64(j, "swap_reads", k->swap_reads);
	jsonw_u64(j, "swap_writes", k->swap_writes);
	jsonw_u64(j, "swap_peak_slots", k->swap_peak_slots);
	jsonw_end(j);
}

static void json_memory(struct jsonw *j, const struct result *r)
{
	const struct kernel_counts *k = &r->kernel;
	jsonw_object(j, "memory");
	jsonw_u64(j, "frames", r->machine.page_frames ? r->machine.page_frames : r->machine.physical_frames);
	jsonw_u64(j, "resident_peak_pages", k->resident_peak_pages);
	jsonw_u64(j, "resident_pages", k->resident_pages);
	jsonw_u64(j, "touched_pages", k->touched_pages);
	jsonw_u64(j, "page_table_bytes", k->table_peak_bytes);
	jsonw_object(j, "working_set");
	jsonw_u64(j, "tau_references", r->ws.tau);
	jsonw_u64(j, "samples", r->ws.samples);
	jsonw_real(j, "mean_pages", r->ws.samples ? (double)r->ws.sum_pages / (double)r->ws.samples : 0);
	jsonw_u64(j, "peak_pages", r->ws.peak_pages);
	jsonw_u64(j, "last_pages", r->ws.last_pages);
	jsonw_end(j);
	jsonw_end(j);
}

static void json_huge(struct jsonw *j, const struct result *r)
{
	const struct kernel_counts *k = &r->kernel;
	if (r->machine.huge == HUGE_never)
		return;
	jsonw_object(j, "huge");
#define X(name, text) jsonw_u64(j, #name, k->huge.name);
	HUGE_COUNT_LIST(X)
#undef X
	jsonw_u64(j, "resident_pages", k->huge_pages);
	jsonw_u64(j, "resident_peak_pages", k->huge_peak_pages);
	jsonw_real(j, "fragmentation", r->fragmentation);
	jsonw_end(j);
}

static void json_translation(struct jsonw *j, const struct result *r)
{
	const struct machine_counts *m = &r->mach;
	jsonw_array(j, "tlb");
	for (unsigned i = 0; i < r->n_tlbs; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", r->tlb[i].name);
		jsonw_u64(j, "accesses", r->tlb[i].accesses);
		jsonw_u64(j, "hits", r->tlb[i].hits);
		jsonw_u64(j, "misses", r->tlb[i].misses);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_object(j, "walks");
	jsonw_u64(j, "count", m->walks);
	jsonw_u64(j, "memory_references", m->walk_references);
	jsonw_array(j, "by_level");
	for (unsigned i = 0; i < r->machine.format.levels; i++)
		jsonw_u64(j, NULL, m->walk_level[i]);
	jsonw_end(j);
	jsonw_array(j, "walk_cache_hits");
	for (unsigned i = 0; i < r->machine.format.levels; i++)
		jsonw_u64(j, NULL, m->pwc_hits[i]);
	jsonw_end(j);
	jsonw_u64(j, "dirty_updates", m->dirty_updates);
	jsonw_u64(j, "context_switches", m->context_switches);
	jsonw_u64(j, "flushes", m->flushes);
	jsonw_end(j);
}

static void json_scheduler(struct jsonw *j, const struct result *r)
{
	if (!r->machine.quantum)
		return;
	jsonw_object(j, "scheduler");
#define X(name, text) jsonw_u64(j, #name, r->sched.name);
	SCHED_COUNT_LIST(X)
#undef X
	jsonw_end(j);
}

static void json_load(struct jsonw *j, const struct result *r)
{
	const struct result_load *l = &r->load;
	if (!r->machine.load_control)
		return;
	jsonw_object(j, "load_control");
	jsonw_u64(j, "detections", l->detections);
	jsonw_u64(j, "suspensions", l->suspensions);
	jsonw_u64(j, "resumptions", l->resumptions);
	jsonw_u64(j, "swapped_pages", l->swapped_pages);
	jsonw_u64(j, "suspended_at_end", l->suspended_now);
	jsonw_array(j, "events");
	for (unsigned i = 0; i < l->n_events && i < RESULT_LOADS; i++) {
		jsonw_object(j, NULL);
		jsonw_u64(j, "reference", l->event[i].at);
		jsonw_string(j, "what", l->event[i].text);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_end(j);
}

static void json_shootdowns(struct jsonw *j, const struct result *r)
{
	const struct machine_counts *m = &r->mach;
	if (r->machine.n_cpus == 1)
		return;
	jsonw_object(j, "shootdowns");
	jsonw_u64(j, "count", m->shootdowns);
	jsonw_u64(j, "interrupts", m->shootdown_interrupts);
	jsonw_u64(j, "deferred", m->shootdown_deferred);
	jsonw_u64(j, "entries", m->shootdown_entries);
	jsonw_end(j);
}

/* A guest's host: what both stages cost together, and what the host did for it. */
static void json_nested(struct jsonw *j, const struct result *r)
{
	const struct result_nested *n = &r->nested;
	if (!n->present)
		return;
	jsonw_object(j, "nested");
	jsonw_u64(j, "translations", n->both.translations);
	jsonw_u64(j, "host_references", n->both.host_references);
	jsonw_u64(j, "combined_references", n->both.host_references + r->mach.walk_references);
	jsonw_u64(j, "combined_references_most", n->both.most);
	jsonw_u64(j, "fractured", n->both.fractured);
	jsonw_u64(j, "tlb_accesses", n->tlb_accesses);
	jsonw_u64(j, "tlb_hits", n->tlb_hits);
	jsonw_u64(j, "host_faults", n->kernel.faults.total);
	jsonw_u64(j, "host_faults_major", n->kernel.faults.major);
	jsonw_u64(j, "host_evicted", n->kernel.evicted);
	jsonw_u64(j, "host_written_back", n->kernel.written_back);
	jsonw_u64(j, "host_resident_peak_pages", n->kernel.resident_peak_pages);
	jsonw_u64(j, "host_table_bytes", n->kernel.table_peak_bytes);
	jsonw_end(j);
}

static void json_modelled(struct jsonw *j, const struct result *r)
{
	const struct result_times *t = &r->times;
	jsonw_object(j, "modelled");
	jsonw_u64(j, "cycles", t->total);
	jsonw_u64(j, "reference_cycles", t->reference);
	jsonw_u64(j, "translation_cycles", t->translation);
	jsonw_u64(j, "fault_cycles", t->fault);
	jsonw_u64(j, "context_switch_cycles", t->context_switch);
	if (r->machine.n_cpus > 1)
		jsonw_u64(j, "shootdown_cycles", t->shootdown);
	jsonw_real(j, "seconds", result_ns(r, t->total) / 1e9);
	if (r->refs.total)
		jsonw_real(j, "effective_access_ns", result_ns(r, t->total) / (double)r->refs.total);
	jsonw_end(j);
}

static void json_processes(struct jsonw *j, const struct result *r)
{
	jsonw_array(j, "processes");
	for (unsigned i = 0; i < r->n_processes; i++) {
		const struct result_process *p = &r->process[i];
		jsonw_object(j, NULL);
		jsonw_u64(j, "pid", p->pid);
		if (p->parent)
			jsonw_u64(j, "parent", p->parent);
		jsonw_string(j, "command", p->command);
		jsonw_u64(j, "references", p->references);
		jsonw_u64(j, "refused", p->refused);
		jsonw_u64(j, "skipped", p->skipped);
		result_json_faults(&p->faults, j);
		jsonw_u64(j, "resident_peak_pages", p->resident_peak_pages);
		if (p->share_pages)
			jsonw_u64(j, "share_pages", p->share_pages);
		jsonw_bool(j, "killed_for_memory", p->killed);
		if (p->killed_why)
			jsonw_string(j, "killed_why", p->killed_why);
		if (p->ended && p->signal)
			jsonw_i64(j, "signal", p->signal);
		else if (p->ended)
			jsonw_i64(j, "exit_status", p->exit_status);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_mappings(struct jsonw *j, const struct result *r)
{
	jsonw_array(j, "mappings");
	for (unsigned i = 0; i < r->n_mappings; i++) {
		const struct result_mapping *m = &r->mapping[i];
		char prot[4] = { m->prot & PMAP_READ ? 'r' : '-', m->prot & PMAP_WRITE ? 'w' : '-', m->prot & PMAP_EXEC ? 'x' : '-' };
		jsonw_object(j, NULL);
		jsonw_u64(j, "pid", m->pid);
		jsonw_hex(j, "start", m->start);
		jsonw_u64(j, "bytes", m->bytes);
		jsonw_string(j, "name", m->name);
		if (m->file)
			jsonw_string(j, "file", m->file);
		jsonw_string(j, "rights", prot);
		result_json_faults(&m->faults, j);
		jsonw_u64(j, "tlb_misses", m->tlb_misses);
		jsonw_u64(j, "resident_pages", m->resident_pages);
		jsonw_bool(j, "alive", m->alive);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_refusals(struct jsonw *j, const struct result *r)
{
	if (!r->n_refusals)
		return;
	jsonw_array(j, "refused_first");
	for (unsigned i = 0; i < r->n_refusals; i++) {
		const struct result_refusal *f = &r->refusal[i];
		jsonw_object(j, NULL);
		jsonw_u64(j, "pid", f->pid);
		jsonw_hex(j, "address", f->address);
		jsonw_string(j, "access", access_name(f->kind));
		jsonw_u64(j, "reference", f->at);
		jsonw_string(j, "why", f->why);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_program(struct jsonw *j, const struct result *r)
{
	const struct result_program *p = &r->program;
	jsonw_object(j, "program");
	if (p->present && p->ended) {
		if (p->signal) {
			jsonw_null(j, "exit_status");
			jsonw_i64(j, "signal", p->signal);
		} else {
			jsonw_i64(j, "exit_status", p->exit_status);
			jsonw_null(j, "signal");
		}
	}
	jsonw_real(j, "wall_s", p->wall_s);
	jsonw_end(j);
}

static void json_checks(struct jsonw *j, const struct result_checks *c)
{
	jsonw_object(j, "checks");
	jsonw_u64(j, "passed", c->passed);
	jsonw_array(j, "failed");
	for (unsigned i = 0; i < c->n_failed && i < RESULT_CHECKS_FAILED; i++)
		jsonw_string(j, NULL, c->failed[i]);
	if (c->n_failed > RESULT_CHECKS_FAILED)
		jsonw_string(j, NULL, "and more of them");
	jsonw_end(j);
	jsonw_end(j);
}

enum pw_err result_write_json(const struct result *r, FILE *out)
{
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", RESULT_SCHEMA);
	jsonw_string(&j, "kind", "run");
	jsonw_array(&j, "command");
	for (unsigned i = 0; i < r->n_command; i++)
		jsonw_string(&j, NULL, r->command[i]);
	jsonw_end(&j);
	jsonw_u64(&j, "seed", r->seed);
	json_machine(&j, r);
	json_input(&j, r);
	json_references(&j, &r->refs);
	result_json_faults(&r->kernel.faults, &j);
	json_refusals(&j, r);
	json_reclaim(&j, r);
	json_memory(&j, r);
	json_huge(&j, r);
	json_translation(&j, r);
	json_shootdowns(&j, r);
	json_scheduler(&j, r);
	json_load(&j, r);
	json_nested(&j, r);
	json_modelled(&j, r);
	json_processes(&j, r);
	json_mappings(&j, r);
	json_program(&j, r);
	json_checks(&j, &r->checks);
	jsonw_end(&j);
	return jsonw_finish(&j);
}
