/* live_report.c - what a paged program cost.
 *
 * Problem.  A paged run and a simulated run are to be put side by side, so they must speak in the same figures.
 *
 * Idea.  The result object of `run`, with the members that a real machine does not count left out, and one more, "live", for what only
 * a real machine has.
 *
 * 1. What was not measured is absent, never zero. */
#include "live_report.h"
#include "../base/json.h"
#include "../sim/result.h"

static const char *const personalities[PERSONALITY_KINDS] = {
#define X(name, text) #name,
	PERSONALITY_LIST(X)
#undef X
};

const char *live_report_flaw(const struct live *l)
{
	const struct board *b = &l->seen;
	const struct fault_counts *f = &b->kernel.faults;
	uint64_t causes = 0;
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		causes += f->by_cause[i];
	if (*b->flaw)
		return b->flaw;
	if (f->total != f->minor + f->major || f->total != causes)
		return "the causes of faults do not add up to the faults";
	return b->kernel.resident_peak_pages * PAGER_PAGE > b->ram_peak_bytes ? "more pages were resident than --ram allows" : NULL;
}

static double mib(uint64_t bytes) { return (double)bytes / (1 << 20); }

static void write_faults(const struct board *b, FILE *out)
{
	const struct fault_counts *f = &b->kernel.faults;
	fprintf(out, "  faults %18llu   %llu minor, %llu major", (unsigned long long)f->total, (unsigned long long)f->minor,
	        (unsigned long long)f->major);
	if (f->total)
		fprintf(out, "; %.1f us each", (double)b->faults_ns / (double)f->total / 1000);
	fprintf(out, "\n");
	for (unsigned i = 0; i < FAULT_CAUSES; i++) {
		if (f->by_cause[i])
			fprintf(out, "    %-14s %16llu   %s\n", fault_cause_name(i), (unsigned long long)f->by_cause[i],
			        fault_cause_text(i));
	}
	fprintf(out, "  first writes %12llu   faults that only set a modified bit\n", (unsigned long long)b->host.modified_faults);
	if (b->host.referenced_faults)
		fprintf(out, "  touched again %11llu   faults that only set a referenced bit\n",
		        (unsigned long long)b->host.referenced_faults);
}

static void write_memory(const struct board *b, FILE *out)
{
	const struct kernel_counts *k = &b->kernel;
	fprintf(out, "  memory             %8.1f MiB allowed, %.1f MiB resident at most, %.1f MiB touched\n", mib(b->ram_bytes),
	        mib(k->resident_peak_pages * PAGER_PAGE), mib(k->touched_pages * PAGER_PAGE));
	if (b->ram_peak_bytes > b->ram_bytes)
		fprintf(out, "    at another time  %8.1f MiB allowed\n", mib(b->ram_peak_bytes));
	fprintf(out, "  evicted %17llu   %llu of them written to swap\n", (unsigned long long)k->evicted,
	        (unsigned long long)k->written_back);
	fprintf(out, "  swap %20llu   slots read, %llu written, %llu in use at most\n", (unsigned long long)k->swap_reads,
	        (unsigned long long)k->swap_writes, (unsigned long long)k->swap_peak_slots);
	if (k->readahead)
		fprintf(out, "  read ahead %14llu   pages that came in before they were asked for\n", (unsigned long long)k->readahead);
}

static void write_others(const struct board *b, FILE *out)
{
	const struct board_others *o = &b->others;
	if (!o->faults)
		return;
	fprintf(out, "  children %16llu   faults of theirs, %llu evicted", (unsigned long long)o->faults, (unsigned long long)o->evicted);
	fprintf(out, ", %llu slots read, %llu written\n", (unsigned long long)o->swap_reads, (unsigned long long)o->swap_writes);
}

static void write_mappings(const struct board *b, FILE *out)
{
	if (b->protected_bytes || b->refused_bytes || *b->orders.protect)
		fprintf(out, "  protected          %8.1f MiB of mappings that never leave memory%s\n", mib(b->protected_bytes),
		        b->protected_bytes || b->refused_bytes ? "" : ": none is called so");
	if (b->refused_bytes)
		fprintf(out, "    refused          %8.1f MiB would have been too much: paged as all others\n", mib(b->refused_bytes));
	if (b->n_mappings)
		fprintf(out, "\n  mappings                             faults     resident       mapped\n");
	for (uint32_t i = 0; i < b->n_mappings; i++) {
		const struct board_mapping *m = &b->mapping[i];
		fprintf(out, "    %-26s %12llu %8.1f MiB %8.1f MiB%s\n", m->name, (unsigned long long)m->faults.total,
		        mib(m->resident_pages * PAGER_PAGE), mib(m->bytes), m->is_protected ? "   protected" : "");
	}
}

static void json_mappings(struct jsonw *j, const struct board *b)
{
	jsonw_array(j, "mappings");
	for (uint32_t i = 0; i < b->n_mappings; i++) {
		const struct board_mapping *m = &b->mapping[i];
		jsonw_object(j, NULL);
		jsonw_string(j, "name", m->name);
		jsonw_u64(j, "bytes", m->bytes);
		result_json_faults(&m->faults, j);
		jsonw_u64(j, "resident_pages", m->resident_pages);
		jsonw_bool(j, "protected", m->is_protected);
		jsonw_end(j);
	}
	jsonw_end(j);
}

void live_report_write(const struct live_shown *s, FILE *out, bool colour)
{
	const struct live *l = s->live;
	const struct board *b = &l->seen;
	const char *bold = colour ? "\033[1m" : "", *plain = colour ? "\033[0m" : "", *flaw = s->runs ? NULL : live_report_flaw(l);
	fprintf(out, "%spageworks live:", bold);
	for (unsigned i = 0; i < s->n_command; i++)
		fprintf(out, " %s", s->command[i]);
	fprintf(out, "%s\n  %.2f s, policy %s, swap %s, %s", plain, l->wall_s, b->orders.policy, b->orders.swap,
	        personalities[b->orders.personality]);
	if (b->processes > 1)
		fprintf(out, "; %llu processes", (unsigned long long)b->processes);
	fprintf(out, "\n\n");
	if (b->state == BOARD_EMPTY) {
		fprintf(out, "  the program did not load the pager: nothing was paged\n");
		return;
	}
	write_faults(b, out);
	write_memory(b, out);
	write_others(b, out);
	write_mappings(b, out);
	if (s->runs)
		fprintf(out, "  now %21.1f MiB resident, %.1f MiB mapped, %.1f MiB in swap\n", mib(b->kernel.resident_pages * PAGER_PAGE),
		        mib(b->managed_bytes), mib(b->kernel.swap_used_slots * PAGER_PAGE));
	if (!s->runs) /* figures of one moment need not add up */
		fprintf(out, "\n  checks: %s\n", flaw ? flaw : "all passed");
}

static void json_machine(struct jsonw *j, const struct board *b)
{
	jsonw_object(j, "machine");
	jsonw_string(j, "format", "host");
	jsonw_u64(j, "page_bytes", PAGER_PAGE);
	jsonw_u64(j, "ram_bytes", b->ram_bytes);
	jsonw_string(j, "policy", b->orders.policy);
	jsonw_string(j, "refbits", "hardware");
	jsonw_string(j, "personality", personalities[b->orders.personality]);
	jsonw_string(j, "swap", b->orders.swap);
	jsonw_u64(j, "readahead_pages", b->orders.ahead);
	jsonw_end(j);
}

static void json_reclaim(struct jsonw *j, const struct board *b)
{
	const struct kernel_counts *k = &b->kernel;
	jsonw_object(j, "reclaim");
	jsonw_string(j, "policy", b->orders.policy);
	jsonw_u64(j, "evicted", k->evicted);
	jsonw_u64(j, "written_back", k->written_back);
	jsonw_u64(j, "refaults", k->refaults);
	jsonw_u64(j, "readahead", k->readahead);
	jsonw_u64(j, "faulted_around", k->faulted_around);
	jsonw_u64(j, "oom_kills", k->oom_kills);
	jsonw_u64(j, "swap_reads", k->swap_reads);
	jsonw_u64(j, "swap_writes", k->swap_writes);
	jsonw_u64(j, "swap_peak_slots", k->swap_peak_slots);
	jsonw_u64(j, "swap_used_slots", k->swap_used_slots);
	jsonw_end(j);
	jsonw_object(j, "memory");
	jsonw_u64(j, "frames", b->ram_bytes / PAGER_PAGE);
	jsonw_u64(j, "resident_peak_pages", k->resident_peak_pages);
	jsonw_u64(j, "resident_pages", k->resident_pages);
	jsonw_u64(j, "touched_pages", k->touched_pages);
	jsonw_end(j);
}

static void json_live(struct jsonw *j, const struct live *l)
{
	const struct board *b = &l->seen;
	jsonw_object(j, "live");
	jsonw_bool(j, "paged", b->state != BOARD_EMPTY);
	jsonw_i64(j, "pid", b->pid);
	jsonw_u64(j, "processes", b->processes);
	jsonw_u64(j, "managed_bytes", b->managed_bytes);
	jsonw_u64(j, "serving_ns", b->faults_ns);
	jsonw_u64(j, "modified_faults", b->host.modified_faults);
	jsonw_u64(j, "referenced_faults", b->host.referenced_faults);
	jsonw_u64(j, "drops", b->host.drops);
	jsonw_u64(j, "drop_calls", b->host.drop_calls);
	jsonw_u64(j, "rescued", b->host.rescued);
	jsonw_u64(j, "ram_peak_bytes", b->ram_peak_bytes);
	jsonw_string(j, "protect", b->orders.protect);
	jsonw_u64(j, "protected_bytes", b->protected_bytes);
	jsonw_u64(j, "protect_refused_bytes", b->refused_bytes);
	jsonw_object(j, "children");
#define X(name) jsonw_u64(j, #name, b->others.name);
	BOARD_OTHERS_LIST(X)
#undef X
	jsonw_end(j);
	jsonw_object(j, "store");
#define X(name, text) jsonw_u64(j, #name, b->store.name);
	STORE_STAT_LIST(X)
#undef X
	jsonw_end(j);
	jsonw_end(j);
}

static void json_program(struct jsonw *j, const struct live *l)
{
	jsonw_object(j, "program");
	if (l->signal) {
		jsonw_null(j, "exit_status");
		jsonw_i64(j, "signal", l->signal);
	} else {
		l->ended ? jsonw_i64(j, "exit_status", l->exit_status) : jsonw_null(j, "exit_status");
		jsonw_null(j, "signal");
	}
	jsonw_real(j, "wall_s", l->wall_s);
	jsonw_end(j);
}

enum pw_err live_report_json(const struct live_shown *s, FILE *out)
{
	struct jsonw j;
	const struct live *l = s->live;
	const char *flaw = s->runs ? NULL : live_report_flaw(l);
	jsonw_init(&j, out);
	j.compact = s->runs;
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "run");
	jsonw_array(&j, "command");
	for (unsigned i = 0; i < s->n_command; i++)
		jsonw_string(&j, NULL, s->command[i]);
	jsonw_end(&j);
	jsonw_u64(&j, "seed", l->seen.orders.seed);
	json_machine(&j, &l->seen);
	result_json_faults(&l->seen.kernel.faults, &j);
	json_reclaim(&j, &l->seen);
	json_live(&j, l);
	if (l->seen.n_mappings)
		json_mappings(&j, &l->seen);
	json_program(&j, l);
	jsonw_object(&j, "checks");
	jsonw_u64(&j, "passed", s->runs ? 0 : flaw ? 2 : 3);
	jsonw_array(&j, "failed");
	if (flaw)
		jsonw_string(&j, NULL, flaw);
	jsonw_end(&j);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}
