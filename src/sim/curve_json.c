/* curve_json.c - a curve as the versioned object (DESIGN: the result object).
 *
 * Fields are only ever added; a changed meaning is a new schema number. */
#include "../base/json.h"
#include "curve.h"
#include "result.h"

static void input(struct jsonw *j, const struct curve_result *r)
{
	jsonw_object(j, "input");
	jsonw_string(j, "source", r->source);
	jsonw_string(j, "format", r->format);
	jsonw_u64(j, "records", r->records);
	jsonw_u64(j, "rejected", r->rejected);
	if (r->rejected)
		jsonw_u64(j, "rejected_at", r->rejected_at);
	if (r->input_error != PW_OK)
		jsonw_string(j, "error", *r->input_error_text ? r->input_error_text : pw_err_text(r->input_error));
	jsonw_bool(j, "interrupted", r->interrupted);
	jsonw_end(j);
}

static void machine(struct jsonw *j, const struct curve_result *r)
{
	jsonw_object(j, "machine");
	jsonw_u64(j, "page_bytes", r->page_bytes);
	jsonw_string(j, "personality", "textbook");
	if (r->limit)
		jsonw_u64(j, "limit", r->limit);
	jsonw_u64(j, "warmup", r->warmup);
	jsonw_u64(j, "tau", r->tau);
	jsonw_end(j);
}

static void points(struct jsonw *j, const struct curve_result *r)
{
	jsonw_array(j, "points");
	for (unsigned i = 0; i < r->n_lines; i++)
		for (unsigned k = 0; k < r->line[i].n_points; k++) {
			const struct curve_point *p = &r->line[i].point[k];
			jsonw_object(j, NULL);
			jsonw_string(j, "policy", r->line[i].policy);
			jsonw_u64(j, "frames", p->frames);
			jsonw_u64(j, "faults", p->faults);
			jsonw_u64(j, "written_back", p->written_back);
			jsonw_real(j, "miss_ratio", r->references ? (double)p->faults / (double)r->references : 0);
			if (r->estimated)
				jsonw_real(j, "faults_error", p->error);
			jsonw_end(j);
		}
	jsonw_end(j);
}

static void working_set(struct jsonw *j, const struct curve_result *r)
{
	jsonw_object(j, "working_set");
	jsonw_array(j, "mean");
	for (unsigned i = 0; i < r->n_ws; i++) {
		jsonw_object(j, NULL);
		jsonw_u64(j, "tau", r->ws[i].tau);
		jsonw_real(j, "pages", r->ws[i].mean_pages);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_array(j, "over_time");
	for (unsigned i = 0; i < r->n_windows; i++) {
		jsonw_object(j, NULL);
		jsonw_u64(j, "at", r->window[i].at);
		jsonw_u64(j, "pages", r->window[i].pages);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_end(j);
}

static void parts(struct jsonw *j, const struct curve_result *r, const char *key, const struct curve_part *part, unsigned n)
{
	jsonw_array(j, key);
	for (unsigned i = 0; i < n; i++) {
		const struct curve_part *p = &part[i];
		jsonw_object(j, NULL);
		if (part == r->interval)
			jsonw_u64(j, "end", p->end);
		else
			jsonw_u64(j, "pid", p->pid);
		if (p->name)
			jsonw_string(j, "name", p->name);
		jsonw_u64(j, "references", p->references);
		jsonw_array(j, "points");
		for (unsigned k = 0; k < r->n_scale; k++) {
			jsonw_object(j, NULL);
			jsonw_u64(j, "frames", scale_size(k));
			jsonw_u64(j, "faults", p->faults[k]);
			jsonw_end(j);
		}
		jsonw_end(j);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void advice(struct jsonw *j, const struct curve_result *r)
{
	jsonw_array(j, "advice");
	for (unsigned i = 0; i < r->n_advice; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", r->advice[i].name);
		jsonw_u64(j, "frames", r->advice[i].frames);
		jsonw_u64(j, "bytes", r->advice[i].frames * r->page_bytes);
		jsonw_real(j, "miss_ratio", r->advice[i].miss_ratio);
		jsonw_string(j, "text", r->advice[i].text);
		jsonw_string(j, "assumes", r->advice[i].assumes);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void checks(struct jsonw *j, const struct curve_result *r)
{
	jsonw_object(j, "checks");
	jsonw_u64(j, "passed", r->checks_passed);
	jsonw_array(j, "failed");
	if (r->checks_failed)
		jsonw_string(j, NULL, r->check_text);
	jsonw_end(j);
	jsonw_end(j);
}

enum pw_err curve_write_json(const struct curve_result *r, FILE *out)
{
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", RESULT_SCHEMA);
	jsonw_string(&j, "kind", "curve");
	jsonw_array(&j, "command");
	for (unsigned i = 0; i < r->n_command; i++)
		jsonw_string(&j, NULL, r->command[i]);
	jsonw_end(&j);
	jsonw_u64(&j, "seed", r->seed);
	machine(&j, r);
	input(&j, r);
	jsonw_object(&j, "references");
	jsonw_u64(&j, "total", r->references);
	jsonw_u64(&j, "refused", r->refused);
	jsonw_u64(&j, "skipped", r->skipped);
	jsonw_u64(&j, "lost", r->lost);
	jsonw_end(&j);
	jsonw_object(&j, "memory");
	jsonw_u64(&j, "touched_pages", r->pages);
	jsonw_u64(&j, "footprint_pages", r->footprint);
	jsonw_u64(&j, "host_bytes", r->host_bytes);
	jsonw_end(&j);
	if (r->estimated) {
		jsonw_object(&j, "sample");
		jsonw_real(&j, "rate", r->sample_rate);
		jsonw_u64(&j, "references", r->sampled_references);
		jsonw_end(&j);
	}
	points(&j, r);
	working_set(&j, r);
	parts(&j, r, "processes", r->process, r->n_processes);
	parts(&j, r, "mappings", r->mapping, r->n_mappings);
	parts(&j, r, "intervals", r->interval, r->n_intervals);
	advice(&j, r);
	jsonw_object(&j, "program");
	jsonw_real(&j, "wall_s", r->wall_s);
	jsonw_end(&j);
	checks(&j, r);
	jsonw_end(&j);
	return jsonw_finish(&j);
}
