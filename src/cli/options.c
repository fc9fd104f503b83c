/* options.c - the machine's words as options, and the lists of what they may be.
 *
 * Problem: every verb that builds a machine takes the same options, and their help must not differ from what is understood.
 * Idea: the options are made from the list of words of sim/words.h; what they mean is decided there.  A name of "help" prints what
 * the room that owns the names knows about them.
 * 1. Each word of the list is one long option; nothing is resolved while parsing. */
#include "options.h"
#include "cli.h"
#include "../machine/cpu.h"
#include "../store/store.h"
#include <stdio.h>
#include <string.h>

enum machine_key {
	KEY_FIRST = 0x100,
#define X(name, argument, text) KEY_##name,
	MACHINE_WORD_LIST(X)
#undef X
	KEY_END,
};

const struct argp_option machine_options[] = {
#define X(name, argument, text) { #name, KEY_##name, argument, 0, text, 0 },
	{ .doc = "The machine:", .group = 1 },
	HARDWARE_WORD_LIST(X)
	{ .doc = "The kernel:", .group = 2 },
	KERNEL_WORD_LIST(X)
	{ .doc = "The experiment:", .group = 3 },
	EXPERIMENT_WORD_LIST(X)
#undef X
	{ 0 },
};

static error_t machine_parse(int key, char *arg, struct argp_state *state)
{
	static const char *const names[] = {
#define X(name, argument, text) #name,
		MACHINE_WORD_LIST(X)
#undef X
	};
	if (key <= KEY_FIRST || key >= KEY_END)
		return ARGP_ERR_UNKNOWN;
	return machine_words_set(state->input, names[key - KEY_FIRST - 1], arg, NULL) == PW_OK ? 0 : ARGP_ERR_UNKNOWN;
}

const struct argp machine_argp = { machine_options, machine_parse, NULL, NULL, NULL, NULL, NULL };

static void list_cost(void)
{
#define X(name, value, unit, text) printf("%-16s %8u %-7s %s\n", #name, (unsigned)value, unit, text);
	COST_LIST(X)
#undef X
}

static bool is_help(const char *word) { return word && strcmp(word, "help") == 0; }

/* => true when a list was asked for, and printed. */
static bool machine_list(const struct machine_words *w)
{
	if (is_help(w->format))
		for (unsigned i = 0; ptfmt_at(i); i++)
			printf("%-16s %s (%s)\n", ptfmt_at(i)->name, ptfmt_at(i)->title, ptfmt_at(i)->manual);
	else if (is_help(w->cpu))
		for (unsigned i = 0; cpu_at(i); i++)
			printf("%-16s %s\n%17s%s\n", cpu_at(i)->name, cpu_at(i)->title, "", cpu_at(i)->source);
	else if (is_help(w->policy))
		for (unsigned i = 0; policy_at(i); i++)
			printf("%-16s %s\n%17s%s\n", policy_at(i)->name, policy_at(i)->variant, "", policy_at(i)->paper);
	else if (is_help(w->swap))
		for (unsigned i = 0; store_at(i); i++)
			printf("%-16s %s\n", store_at(i)->name, store_at(i)->summary);
	else if (is_help(w->cost))
		list_cost();
	else
		return false;
	return true;
}

int machine_resolve(const struct machine_words *w, struct run_options *ret, bool *listed)
{
	struct pw_why why = { "" };
	*listed = machine_list(w);
	if (*listed)
		return CLI_OK;
	return machine_words_resolve(w, ret, &why) == PW_OK ? CLI_OK : cli_error("%s", why.text);
}
