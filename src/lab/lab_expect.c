/* lab_expect.c - the figures of a session, and conditions over them.
 *
 * Problem: a script must be able to check whatever a person can see, in words that are not a second language.
 * Idea: the figures are one tree with the names of the result object of a run, where both have them, plus "last" for the last access
 * and one object for each process; conditions are those of --fail-on.
 *
 * 1. Figures count from the last "count", or from the beginning.  What is a state, not a count, is as it is now. */
#include "lab_impl.h"
#include "lab_segment.h"
#include "../sim/expr.h"
#include "../sim/lookup.h"
#include <string.h>

enum lab_outcome lab_count(struct lab *l, const struct lab_line *line)
{
	(void)line;
	lab_guests_count(l);
	computer_base_take(l->computer, &l->base);
	lab_tell(l, "figures begin at zero here\n");
	return LAB_DONE;
}

static void put(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *last_tree(struct lab *l)
{
	const struct computer_access *a = &l->last;
	json_t *last = json_object(), *cause = json_object();
	put(last, "done", a->done);
	put(last, "refused", l->has_last && !a->done);
	put(last, "address", a->va.v);
	put(last, "physical", a->pa.v);
	put(last, "frame", a->pa.v >> lab_shift(l));
	put(last, "value", l->last_value);
	put(last, "faults", a->n_faults);
	put(last, "major", a->n_faults && a->fault.major);
	put(last, "tlb_hit", a->done && a->tlb);
	put(last, "walk_reads", a->walk_reads);
	put(last, "host_reads", a->host_reads);
	put(last, "host_faults", a->n_host_faults);
	put(last, "evicted", a->n_evictions);
	if (a->n_evictions) {
		put(last, "victim", a->eviction[0].page.v);
		put(last, "victim_dirty", a->eviction[0].dirty);
	}
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		put(cause, fault_cause_name(i), a->n_faults && a->fault.outcome == FAULT_OUTCOME_RESOLVED && a->fault.cause == i);
	json_object_set_new(last, "cause", cause);
	return last;
}

static json_t *processes_tree(struct lab *l)
{
	json_t *all = json_object();
	for (unsigned i = 0; i < l->n_processes; i++) {
		json_t *p = json_object();
		struct process_info info = { 0 };
		if (l->process[i].process)
			process_describe(l->process[i].process, &info);
		put(p, "alive", info.alive);
		put(p, "resident_pages", info.resident_pages);
		put(p, "page_table_bytes", info.table_bytes);
		put(p, "mapped_bytes", info.mapped_bytes);
		json_object_set_new(p, "faults", fault_figures(&info.faults, NULL));
		json_object_set_new(all, l->process[i].name, p);
	}
	return all;
}

json_t *lab_figures_tree(struct lab *l)
{
	json_t *root = json_object();
	if (!root)
		return NULL;
	computer_figures(l->computer, &l->base, root);
	json_object_set_new(root, "last", last_tree(l));
	json_object_set_new(root, "process", processes_tree(l));
	lab_segments_figures(l, root);
	lab_guests_figures(l, root);
	return root;
}

static bool figure_print(void *ctx, const char *path, double value)
{
	fprintf(ctx, "  %-40s %.0f\n", path, value);
	return true;
}

enum lab_outcome lab_figures(struct lab *l, const struct lab_line *line)
{
	(void)line;
	json_t *tree = lab_figures_tree(l);
	if (!tree)
		return lab_fail(l, "out of memory");
	lookup_each(tree, figure_print, l->out);
	json_decref(tree);
	return LAB_DONE;
}

/* The figures a condition names, as they are. */
static void tell_figures(struct lab *l, const char *text, const json_t *tree)
{
	static const char part[] = "abcdefghijklmnopqrstuvwxyz0123456789_.";
	char path[256];
	for (const char *at = text; *at;) {
		size_t n = strspn(at, part);
		snprintf(path, sizeof path, "%.*s", (int)(n < sizeof path ? n : sizeof path - 1), at);
		const json_t *value = n && !(*at >= '0' && *at <= '9') ? lookup(tree, path) : NULL;
		if (json_is_number(value))
			fprintf(l->out, "  %s is %lld (0x%llx)\n", path, (long long)json_integer_value(value),
			        (unsigned long long)json_integer_value(value));
		at += n + !n;
	}
}

enum lab_outcome lab_expect(struct lab *l, const struct lab_line *line)
{
	bool holds = false;
	json_t *tree = lab_figures_tree(l);
	if (!tree)
		return lab_fail(l, "out of memory");
	char text[1024];
	snprintf(text, sizeof text, "%s", line->rest);
	text[strcspn(text, "#\n")] = '\0';
	enum lab_outcome outcome = LAB_DONE;
	if (expr_test(text, tree, &holds, l->why) != PW_OK) {
		outcome = LAB_ERROR;
	} else if (holds) {
		l->right++;
		lab_tell(l, "holds: %s\n", text);
	} else {
		l->wrong++;
		fprintf(l->out, "does not hold: %s\n", text);
		tell_figures(l, text, tree);
		outcome = LAB_WRONG;
	}
	json_decref(tree);
	return outcome;
}
