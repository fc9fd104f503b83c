/* result.c - the result object as a value: checks, names, end.
 *
 * Problem.  Several views read one result; what they share belongs to it.
 * Idea.  The few things that are computed from it (times, names of mappings) are computed here, once.
 *
 * 1. result_fini leaves a result that may be finished again.
 * 2. A failed check beyond RESULT_CHECKS_FAILED is counted, its sentence is not kept. */
#include "result.h"
#include "../base/mem.h"
#include <stdarg.h>
#include <string.h>

void result_fini(struct result *r)
{
	for (unsigned i = 0; i < r->n_command; i++)
		mem_free(r->command[i]);
	for (unsigned i = 0; i < r->n_processes; i++) {
		mem_free(r->process[i].command);
		mem_free(r->process[i].killed_why);
	}
	for (unsigned i = 0; i < r->n_mappings; i++) {
		mem_free(r->mapping[i].name);
		mem_free(r->mapping[i].file);
	}
	mem_free(r->command);
	mem_free(r->process);
	mem_free(r->mapping);
	mem_free(r->source);
	*r = (struct result){ 0 };
}

enum pw_err result_set_command(struct result *r, char *const argv[], unsigned n)
{
	r->command = mem_zalloc(n + 1, sizeof *r->command);
	if (!r->command)
		return PW_NOMEM;
	for (unsigned i = 0; i < n; i++, r->n_command++) {
		r->command[i] = mem_strdup(argv[i]);
		if (!r->command[i])
			return PW_NOMEM;
	}
	return PW_OK;
}

void result_check(struct result *r, bool ok, const char *format, ...)
{
	struct result_checks *c = &r->checks;
	if (ok) {
		c->passed++;
		return;
	}
	if (c->n_failed < RESULT_CHECKS_FAILED) {
		va_list args;
		va_start(args, format);
		vsnprintf(c->failed[c->n_failed], sizeof c->failed[0], format, args);
		va_end(args);
	}
	c->n_failed++;
}

double result_ns(const struct result *r, uint64_t cycles)
{
	return (double)cycles * 1000.0 / (double)(r->machine.cost.clock_mhz ? r->machine.cost.clock_mhz : 1);
}

const char *result_mapping_label(const char *raw, unsigned prot, char *buf, size_t size)
{
	if (*raw != '/')
		return raw;
	snprintf(buf, size, "%s %s", raw, prot & PMAP_EXEC ? "text" : prot & PMAP_WRITE ? "data" : "rodata");
	return buf;
}

enum pw_err result_mapping_name(const char *label, char **ret_name, char **ret_file)
{
	const char *base = strrchr(label, '/'), *kind = strrchr(label, ' ');
	*ret_file = NULL;
	*ret_name = mem_strdup(!*label ? "anonymous" : *label == '/' ? base + 1 : label);
	if (!*ret_name || *label != '/' || !kind)
		return *ret_name ? PW_OK : PW_NOMEM;
	*ret_file = mem_printf("%.*s", (int)(kind - label), label);
	if (*ret_file)
		return PW_OK;
	mem_free(*ret_name);
	*ret_name = NULL;
	return PW_NOMEM;
}
