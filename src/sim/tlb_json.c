/* tlb_json.c - the result of `pageworks tlb` as JSON and as CSV.
 *
 * Problem.  As with the result of a run, scripts and later versions read it; points are looked up by page size and shape.
 *
 * Idea.  The members of the head are those of a run; "points" is flat, one element for each page size and shape, and CSV is the same
 * table.
 *
 * Invariants.
 *   1. Two sweeps with the same seed write the same bytes, but for program.wall_s.
 *   2. A member is only ever added. */
#include "../base/json.h"
#include "../base/mem.h"
#include "tlb_result.h"

void tlb_result_fini(struct tlb_result *r)
{
	for (unsigned i = 0; i < r->n_sizes; i++) {
		for (unsigned j = 0; j < r->size[i].n_lines; j++)
			mem_free(r->size[i].line[j].miss);
		mem_free(r->size[i].line);
		mem_free(r->size[i].point);
	}
	for (unsigned i = 0; i < r->ledger.n_rows; i++)
		mem_free(r->ledger.row[i].name);
	mem_free(r->ledger.row);
	result_fini(&r->head);
	*r = (struct tlb_result){ 0 };
}

static void json_point(struct jsonw *j, const struct tlb_result *r, const struct tlb_size *z, const struct tlb_point *p)
{
	jsonw_object(j, NULL);
	jsonw_u64(j, "page_bytes", z->page_bytes);
	jsonw_u64(j, "entries", p->shape.entries);
	jsonw_u64(j, "ways", p->shape.ways);
	jsonw_u64(j, "misses", p->misses);
	jsonw_u64(j, "walks", p->misses);
	jsonw_u64(j, "cold", z->cold);
	jsonw_u64(j, "flushed", z->flushed);
	jsonw_u64(j, "capacity", p->capacity);
	jsonw_i64(j, "conflict", p->conflict);
	jsonw_u64(j, "memory_references", p->reads);
	jsonw_array(j, "by_level");
	for (unsigned level = 0; level < r->head.machine.format.levels; level++)
		jsonw_u64(j, NULL, p->by_level[level]);
	jsonw_end(j);
	jsonw_end(j);
}

/* Whether a pair of sets and ways is one of the points already. */
static bool is_point(const struct tlb_size *z, uint32_t sets, uint32_t ways)
{
	for (unsigned i = 0; i < z->n_points; i++)
		if (z->point[i].shape.entries == sets * ways && z->point[i].shape.ways == ways)
			return true;
	return false;
}

static void json_line(struct jsonw *j, const struct tlb_size *z, const struct tlb_line *l)
{
	for (uint32_t w = 1; w <= l->ways; w++) {
		if (is_point(z, l->sets, w))
			continue;
		jsonw_object(j, NULL);
		jsonw_u64(j, "page_bytes", z->page_bytes);
		jsonw_u64(j, "entries", (uint64_t)l->sets * w);
		jsonw_u64(j, "ways", w);
		jsonw_u64(j, "misses", l->miss[w - 1]);
		jsonw_u64(j, "walks", l->miss[w - 1]);
		jsonw_end(j);
	}
}

static void json_sizes(struct jsonw *j, const struct tlb_result *r)
{
	jsonw_array(j, "page_sizes");
	for (unsigned i = 0; i < r->n_sizes; i++) {
		jsonw_object(j, NULL);
		jsonw_u64(j, "page_bytes", r->size[i].page_bytes);
		jsonw_u64(j, "leaf_level", r->size[i].leaf);
		jsonw_u64(j, "pages", r->size[i].pages);
		jsonw_u64(j, "cold", r->size[i].cold);
		jsonw_u64(j, "flushed", r->size[i].flushed);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_cpu(struct jsonw *j, const char *key, const struct tlb_result *r, const struct tlb_cpu *c)
{
	jsonw_object(j, key);
	jsonw_string(j, "cpu", c->name);
	jsonw_array(j, "tlb");
	for (unsigned i = 0; i < c->n_tlbs; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", c->tlb[i].name);
		jsonw_u64(j, "accesses", c->tlb[i].accesses);
		jsonw_u64(j, "hits", c->tlb[i].hits);
		jsonw_u64(j, "misses", c->tlb[i].misses);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_u64(j, "walks", c->walks);
	jsonw_u64(j, "memory_references", c->reads);
	jsonw_array(j, "by_level");
	for (unsigned level = 0; level < r->head.machine.format.levels; level++)
		jsonw_u64(j, NULL, c->by_level[level]);
	jsonw_end(j);
	jsonw_u64(j, "translation_cycles", c->cycles);
	jsonw_end(j);
}

static void json_row(struct jsonw *j, const char *key, const struct tlb_row *r, bool is_total)
{
	static const char *const verdicts[TLB_VERDICTS] = {
#define X(name, word, text) #name,
		TLB_VERDICT_LIST(X)
#undef X
	};
	jsonw_object(j, key);
	if (!is_total) {
		jsonw_u64(j, "pid", r->pid);
		jsonw_string(j, "name", r->name);
	}
	jsonw_u64(j, "touched_pages", r->touched_pages);
	jsonw_u64(j, "large_pages", r->large_pages);
	jsonw_u64(j, "bloat_bytes", r->bloat_bytes);
	jsonw_u64(j, "walks", r->walks);
	jsonw_u64(j, "walks_with_large_pages", r->large_walks);
	jsonw_i64(j, "saved_cycles_low", r->saved_low);
	jsonw_i64(j, "saved_cycles", r->saved);
	jsonw_i64(j, "saved_cycles_high", r->saved_high);
	jsonw_string(j, "verdict", verdicts[r->verdict]);
	jsonw_end(j);
}

static void json_ledger(struct jsonw *j, const struct tlb_result *r)
{
	const struct tlb_ledger *g = &r->ledger;
	if (!g->present)
		return;
	jsonw_object(j, "ledger");
	jsonw_u64(j, "large_bytes", g->large_bytes);
	jsonw_string(j, "cpu", r->cpu[g->cpu].name);
	jsonw_u64(j, "total_cycles_low", g->total_low);
	jsonw_u64(j, "total_cycles", g->total_cycles);
	jsonw_u64(j, "total_cycles_high", g->total_high);
	jsonw_array(j, "read_cycles");
	jsonw_u64(j, NULL, g->read_low);
	jsonw_u64(j, NULL, g->read);
	jsonw_u64(j, NULL, g->read_high);
	jsonw_end(j);
	jsonw_i64(j, "saved_lower_level_cycles", g->saved_lower);
	json_cpu(j, "with_large_pages", r, &g->large);
	json_row(j, "total", &g->total, true);
	jsonw_array(j, "mappings");
	for (unsigned i = 0; i < g->n_rows; i++)
		json_row(j, NULL, &g->row[i], false);
	jsonw_end(j);
	jsonw_end(j);
}

static void json_machine(struct jsonw *j, const struct result_machine *m)
{
	jsonw_object(j, "machine");
	jsonw_string(j, "format", m->format.name);
	jsonw_u64(j, "page_bytes", 1ull << m->format.page_shift);
	jsonw_u64(j, "levels", m->format.levels);
	jsonw_u64(j, "address_bits", m->format.va_bits);
	jsonw_string(j, "cpu", m->cpu_name);
	jsonw_u64(j, "asid_bits", m->cpu.asid_bits);
	jsonw_array(j, "walk_cache_entries");
	for (unsigned i = 0; i < m->format.levels; i++)
		jsonw_u64(j, NULL, m->cpu.pwc_entries[i]);
	jsonw_end(j);
	jsonw_string(j, "personality", m->personality == PERSONALITY_linux ? "linux" : "textbook");
	jsonw_object(j, "cost");
#define X(name, value, unit, text) jsonw_u64(j, #name, m->cost.name);
	COST_LIST(X)
#undef X
	jsonw_end(j);
	if (m->quantum)
		jsonw_u64(j, "quantum", m->quantum);
	jsonw_u64(j, "limit", m->limit);
	jsonw_u64(j, "warmup", m->warmup);
	jsonw_end(j);
}

static void json_input(struct jsonw *j, const struct result *r)
{
	jsonw_object(j, "input");
	jsonw_string(j, "source", r->source);
	jsonw_string(j, "format", r->format);
	jsonw_u64(j, "records", r->records);
	jsonw_u64(j, "rejected", r->rejected);
	jsonw_u64(j, "events_refused", r->events_refused);
	jsonw_bool(j, "interrupted", r->interrupted);
	if (r->input_error != PW_OK)
		jsonw_string(j, "error", *r->input_error_text ? r->input_error_text : pw_err_text(r->input_error));
	jsonw_end(j);
	jsonw_object(j, "references");
	jsonw_u64(j, "total", r->refs.total);
	jsonw_u64(j, "loads", r->refs.kind[ACCESS_LOAD]);
	jsonw_u64(j, "stores", r->refs.kind[ACCESS_STORE]);
	jsonw_u64(j, "fetches", r->refs.kind[ACCESS_FETCH]);
	jsonw_u64(j, "refused", r->refs.refused);
	jsonw_u64(j, "skipped", r->refs.skipped);
	jsonw_u64(j, "lost", r->refs.lost);
	jsonw_end(j);
}

static void json_ending(struct jsonw *j, const struct result *r)
{
	jsonw_object(j, "program");
	if (r->program.present && r->program.ended) {
		if (r->program.signal)
			jsonw_i64(j, "signal", r->program.signal);
		else
			jsonw_i64(j, "exit_status", r->program.exit_status);
	}
	jsonw_real(j, "wall_s", r->program.wall_s);
	jsonw_end(j);
	jsonw_object(j, "checks");
	jsonw_u64(j, "passed", r->checks.passed);
	jsonw_array(j, "failed");
	for (unsigned i = 0; i < r->checks.n_failed && i < RESULT_CHECKS_FAILED; i++)
		jsonw_string(j, NULL, r->checks.failed[i]);
	jsonw_end(j);
	jsonw_end(j);
}

enum pw_err tlb_result_write_json(const struct tlb_result *r, bool all, FILE *out)
{
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", RESULT_SCHEMA);
	jsonw_string(&j, "kind", "tlb");
	jsonw_array(&j, "command");
	for (unsigned i = 0; i < r->head.n_command; i++)
		jsonw_string(&j, NULL, r->head.command[i]);
	jsonw_end(&j);
	jsonw_u64(&j, "seed", r->head.seed);
	json_machine(&j, &r->head.machine);
	json_input(&j, &r->head);
	json_sizes(&j, r);
	jsonw_array(&j, "points");
	for (unsigned i = 0; i < r->n_sizes; i++) {
		for (unsigned k = 0; k < r->size[i].n_points; k++)
			json_point(&j, r, &r->size[i], &r->size[i].point[k]);
		for (unsigned k = 0; all && k < r->size[i].n_lines; k++)
			json_line(&j, &r->size[i], &r->size[i].line[k]);
	}
	jsonw_end(&j);
	if (r->n_cpus) {
		jsonw_array(&j, "cpus");
		for (unsigned i = 0; i < r->n_cpus; i++)
			json_cpu(&j, NULL, r, &r->cpu[i]);
		jsonw_end(&j);
	}
	json_ledger(&j, r);
	json_ending(&j, &r->head);
	jsonw_end(&j);
	return jsonw_finish(&j);
}

enum pw_err tlb_result_write_csv(const struct tlb_result *r, bool all, FILE *out)
{
	fprintf(out, "page_bytes,entries,ways,references,misses,cold,flushed,capacity,conflict,memory_references\n");
	for (unsigned i = 0; i < r->n_sizes; i++) {
		const struct tlb_size *z = &r->size[i];
		for (unsigned k = 0; k < z->n_points; k++) {
			const struct tlb_point *p = &z->point[k];
			fprintf(out, "%llu,%u,%u,%llu,%llu,%llu,%llu,%llu,%lld,%llu\n", (unsigned long long)z->page_bytes, p->shape.entries,
			        p->shape.ways, (unsigned long long)r->head.refs.total, (unsigned long long)p->misses,
			        (unsigned long long)z->cold, (unsigned long long)z->flushed, (unsigned long long)p->capacity,
			        (long long)p->conflict, (unsigned long long)p->reads);
		}
		for (unsigned k = 0; all && k < z->n_lines; k++)
			for (uint32_t w = 1; w <= z->line[k].ways; w++)
				if (!is_point(z, z->line[k].sets, w))
					fprintf(out, "%llu,%llu,%u,%llu,%llu,%llu,%llu,,,\n", (unsigned long long)z->page_bytes,
					        (unsigned long long)z->line[k].sets * w, w, (unsigned long long)r->head.refs.total,
					        (unsigned long long)z->line[k].miss[w - 1], (unsigned long long)z->cold,
					        (unsigned long long)z->flushed);
	}
	return ferror(out) ? PW_IO : PW_OK;
}
