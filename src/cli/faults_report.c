/* faults_report.c - lines, tables and JSON of page faults.
 *
 * Problem: what was not seen must be said beside what was: lost records, faults in the kernel that we may not watch, and those that
 * make no event at all.
 * Idea: three counts from three sources stand side by side: records, the kernel's event counters, getrusage of the ended command.
 * 1. A difference between two counts is printed with its reason, never adjusted.
 * Rejected: percentages of time (a fault's cost is not in its record). */
#include "faults_report.h"
#include "table.h"
#include "../base/json.h"
#include "../base/text.h"
#include <inttypes.h>
#include <string.h>

static const char *file_of(const char *path)
{
	const char *slash = path[0] == '/' ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : path;
}

void faults_heading(FILE *out)
{
	fprintf(out, "%11s %15s %-5s %-13s %-5s %-14s  %s  %s\n", "seconds", "process/thread", "fault", "class", "by a", "address",
	        "mapping+place", "function");
}

void faults_line(FILE *out, const struct fault *f)
{
	fprintf(out, "%11.6f %7u/%-7u %-5s %-13s %-5s 0x%012" PRIx64 "  %s", (double)f->time_ns / 1e9, f->pid, f->tid,
	        f->major ? "major" : "minor", fault_class_name(f->class), access_word(f->access), f->address, file_of(f->name));
	if (f->mapping)
		fprintf(out, "+0x%" PRIx64, f->address - f->mapping->node.start + (f->mapping->anonymous ? 0 : f->mapping->offset));
	fprintf(out, "  %s", *f->function ? f->function : file_of(f->object));
	if (f->ip)
		fprintf(out, "+0x%" PRIx64, f->into);
	fprintf(out, "%s%s\n", f->page_bytes > 4096 ? "  huge page" : "", f->in_kernel ? "  in a system call" : "");
}

/* ---- text */

static const char *count(char *buf, uint64_t n) { return text_count(buf, 40, n); }

static void text_head(FILE *out, const struct faults_report *r)
{
	char a[40], b[40], c[40];
	if (r->command) {
		fputs("Page faults of '", out);
		for (unsigned i = 0; i < r->n_words; i++)
			fprintf(out, "%s%s", i ? " " : "", r->command[i]);
		fputs("' and what it started", out);
	} else {
		fprintf(out, "Page faults of process %u and what it started", r->pid);
	}
	fprintf(out, ", %.3f s\n\n", r->seconds);
	if (r->blind)
		return;
	fprintf(out, "  %s faults: %s minor, %s major", count(a, r->tally.faults), count(b, r->tally.faults - r->tally.major),
	        count(c, r->tally.major));
	if (r->tally.huge)
		fprintf(out, "; %s filled a huge page", count(a, r->tally.huge));
	fprintf(out, "\n");
}

static void text_counters(FILE *out, const struct faults_report *r)
{
	char a[40], b[40];
	uint64_t counted = r->state.minor + r->state.major;
	if (!r->state.kernel)
		fputs("  only faults of the program's own instructions: those in system calls are hidden from ordinary users\n"
		      "  (root sees them, and everybody after: sysctl kernel.perf_event_paranoid=1)\n", out);
	else
		fprintf(out, "  %s of them in system calls\n", count(a, r->tally.in_kernel));
	if (r->state.lost || r->state.damaged)
		fprintf(out, "  %s records were lost, because they came faster than they were read (%s a processor for them)\n",
		        count(a, r->state.lost + r->state.damaged), text_bytes(b, sizeof b, r->state.ring_bytes));
	if (counted != r->tally.faults)
		fprintf(out, "  the kernel counted %s: %s %s\n", count(a, counted),
		        count(b, counted > r->tally.faults ? counted - r->tally.faults : r->tally.faults - counted),
		        counted > r->tally.faults ? "have no record" : "more have a record");
}

static void text_usage(FILE *out, const struct faults_report *r)
{
	char a[40], b[40];
	uint64_t own = (uint64_t)r->rusage.ru_minflt + (uint64_t)r->rusage.ru_majflt;
	fprintf(out, "  getrusage: %s minor, %s major", count(a, (uint64_t)r->rusage.ru_minflt), count(b, (uint64_t)r->rusage.ru_majflt));
	if (own > r->tally.faults && !r->blind)
		fprintf(out, "; %s more%s", count(a, own - r->tally.faults), r->state.kernel
		        ? ", from before the program began or where the kernel makes no event" : ", most of them in system calls");
	fputs("\n", out);
}

static enum pw_err text_classes(FILE *out, const struct faults_report *r, bool colour)
{
	char a[40];
	struct table *t;
	if (table_create(4, &t) != PW_OK)
		return PW_NOMEM;
	table_add(t, TABLE_RIGHT, "faults");
	table_add(t, TABLE_RIGHT, "share");
	table_add(t, TABLE_LEFT, "class");
	table_add(t, TABLE_REST, "what it is");
	for (int c = 0; c < FAULT_CLASSES; c++) {
		if (!r->tally.by_class[c])
			continue;
		table_add(t, TABLE_RIGHT, "%s", count(a, r->tally.by_class[c]));
		table_add(t, TABLE_RIGHT, "%.1f%%", 100.0 * (double)r->tally.by_class[c] / (double)r->tally.faults);
		table_add(t, TABLE_LEFT, "%s", fault_class_name((enum fault_class)c));
		table_add(t, TABLE_REST, "%s", fault_class_how((enum fault_class)c));
	}
	fputs("\n", out);
	enum pw_err err = table_print(t, out, colour);
	table_destroy(t);
	return err;
}

/* "812 first_touch, 40 copy_on_write" */
static void row_classes(const struct tally_row *row, char *buf, size_t size)
{
	size_t at = 0;
	uint64_t done[FAULT_CLASSES] = { 0 };
	char a[40];
	buf[0] = 0;
	for (int n = 0; n < 3; n++) {
		int best = -1;
		for (int c = 0; c < FAULT_CLASSES; c++)
			if (!done[c] && row->by_class[c] && (best < 0 || row->by_class[c] > row->by_class[best]))
				best = c;
		if (best < 0)
			return;
		done[best] = 1;
		at += (size_t)snprintf(buf + at, size - at, "%s%s %s", n ? ", " : "", count(a, row->by_class[best]),
		                       fault_class_name((enum fault_class)best));
	}
}

static enum pw_err text_table(FILE *out, const struct tally_table *from, const char *title, unsigned top, bool colour)
{
	char a[40], b[40], classes[256];
	struct table *t;
	if (table_create(4, &t) != PW_OK)
		return PW_NOMEM;
	table_add(t, TABLE_RIGHT, "faults");
	table_add(t, TABLE_RIGHT, "major");
	table_add(t, TABLE_LEFT, "%s", title);
	table_add(t, TABLE_REST, "classes");
	for (uint32_t i = 0; i < from->n && i < top; i++) {
		const struct tally_row *row = &from->row[i];
		row_classes(row, classes, sizeof classes);
		table_add(t, TABLE_RIGHT, "%s", count(a, row->faults));
		table_add(t, TABLE_RIGHT, "%s", count(b, row->major));
		if (!*row->object)
			table_add(t, TABLE_LEFT, "%s", row->name);
		else if (*row->name)
			table_add(t, TABLE_LEFT, "%.48s (%s)", row->name, file_of(row->object));
		else
			table_add(t, TABLE_LEFT, "(%s)", file_of(row->object));
		table_add(t, TABLE_REST, "%s", classes);
	}
	fputs("\n", out);
	enum pw_err err = table_print(t, out, colour);
	table_destroy(t);
	if (from->n > top)
		fprintf(out, "  [%u others; --top %u shows them]\n", from->n - top, from->n);
	return err;
}

enum pw_err faults_text(FILE *out, const struct faults_report *r, bool colour)
{
	text_head(out, r);
	if (r->blind) {
		text_usage(out, r);
		return PW_OK;
	}
	text_counters(out, r);
	if (r->ended)
		text_usage(out, r);
	enum pw_err err = PW_OK;
	if (r->tally.faults) {
		err = text_classes(out, r, colour);
		if (err == PW_OK)
			err = text_table(out, &r->tally.mappings, "mapping", r->top, colour);
		if (err == PW_OK)
			err = text_table(out, &r->tally.functions, "function", r->top, colour);
	}
	fprintf(out, r->flaw ? "\n  CHECK FAILED: %s\n" : "\n  checked: classes and tables add up\n", r->flaw);
	return err;
}

/* ---- JSON */

static void json_classes(struct jsonw *j, const uint64_t by_class[])
{
	jsonw_object(j, "by_class");
	for (int c = 0; c < FAULT_CLASSES; c++)
		if (by_class[c])
			jsonw_u64(j, fault_class_name((enum fault_class)c), by_class[c]);
	jsonw_end(j);
}

static void json_table(struct jsonw *j, const char *key, const struct tally_table *t)
{
	jsonw_array(j, key);
	for (uint32_t i = 0; i < t->n; i++) {
		const struct tally_row *row = &t->row[i];
		jsonw_object(j, NULL);
		jsonw_string(j, "name", row->name);
		if (*row->object)
			jsonw_string(j, "object", row->object);
		jsonw_u64(j, "faults", row->faults);
		jsonw_u64(j, "major", row->major);
		jsonw_u64(j, "in_system_calls", row->in_kernel);
		json_classes(j, row->by_class);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_faults(struct jsonw *j, const struct faults_report *r)
{
	jsonw_object(j, "faults");
	jsonw_u64(j, "total", r->tally.faults);
	jsonw_u64(j, "minor", r->tally.faults - r->tally.major);
	jsonw_u64(j, "major", r->tally.major);
	if (r->state.kernel)
		jsonw_u64(j, "in_system_calls", r->tally.in_kernel);
	if (r->state.page_size)
		jsonw_u64(j, "huge", r->tally.huge);
	json_classes(j, r->tally.by_class);
	jsonw_object(j, "by_access");
	for (int a = 0; a <= FAULT_UNTOLD; a++)
		jsonw_u64(j, a == FAULT_UNTOLD ? "unknown" : access_word((enum fault_access)a), r->tally.by_access[a]);
	jsonw_end(j);
	jsonw_end(j);
	jsonw_object(j, "seen");
	jsonw_bool(j, "system_calls", r->state.kernel);
	jsonw_u64(j, "lost", r->state.lost + r->state.damaged);
	jsonw_u64(j, "counted_minor", r->state.minor);
	jsonw_u64(j, "counted_major", r->state.major);
	jsonw_end(j);
}

static void json_program(struct jsonw *j, const struct faults_report *r)
{
	jsonw_object(j, "program");
	jsonw_real(j, "wall_s", r->seconds);
	if (r->ended) {
		jsonw_i64(j, "exit_status", r->exit_status);
		jsonw_i64(j, "signal", r->signal);
		jsonw_u64(j, "minor_faults", (uint64_t)r->rusage.ru_minflt);
		jsonw_u64(j, "major_faults", (uint64_t)r->rusage.ru_majflt);
	}
	jsonw_end(j);
}

enum pw_err faults_json(FILE *out, const struct faults_report *r)
{
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "faults");
	jsonw_u64(&j, "pid", r->pid);
	if (r->command) {
		jsonw_array(&j, "command");
		for (unsigned i = 0; i < r->n_words; i++)
			jsonw_string(&j, NULL, r->command[i]);
		jsonw_end(&j);
	}
	if (!r->blind) {
		json_faults(&j, r);
		json_table(&j, "mappings", &r->tally.mappings);
		json_table(&j, "functions", &r->tally.functions);
	}
	json_program(&j, r);
	jsonw_object(&j, "checks");
	jsonw_u64(&j, "passed", r->flaw ? 0 : 1);
	jsonw_array(&j, "failed");
	if (r->flaw)
		jsonw_string(&j, NULL, r->flaw);
	jsonw_end(&j);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}
