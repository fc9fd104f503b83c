/* main.c - finds the verb and hands over.
 *
 * Problem: `pageworks VERB ...` is many programs behind one name, each with its own options and help.
 * Idea: one table of verbs; the rest of the command line belongs to the verb.  A mistyped verb names the nearest one.
 * Rejected: abbreviations of verbs (a new verb would change the meaning of an old script). */
#include "cli.h"
#include "../base/text.h"
#include "../machine/cpu.h"
#include "../policy/policy.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <jansson.h>

const char *argp_program_version = "pageworks " PW_VERSION;

struct verb {
	const char *name, *title, *summary;
	int (*main)(int argc, char **argv);
};
static const struct verb verbs[] = {
#define X(name, summary) { #name, "pageworks " #name, summary, cli_##name },
	CLI_VERB_LIST(X)
#undef X
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static int main_help(void)
{
	printf("Usage: pageworks VERB [OPTION...] ...\n"
	       "A complete virtual memory system that runs as an ordinary program.\n\n");
	for (unsigned i = 0; i < VERBS; i++)
		printf("  pageworks %-8s %s\n", verbs[i].name, verbs[i].summary);
	printf("\nExamples:\n"
	       "  pageworks run -- gzip -k FILE                       every reference of gzip through a simulated MMU\n"
	       "  pageworks run --ram 8M --policy clock -- sort FILE  how sort does in 8 MiB\n"
	       "  pageworks run --frames 3 --policy fifo pages.txt    a reference string from a book\n"
	       "  pageworks run zipf:pages=1M,s=1.0,refs=50M          a generated trace\n"
	       "  pageworks record -o sort.pwt -- sort FILE           record once, run often\n"
	       "  pageworks sweep --policy lru,opt --frames 10%%..80%%:x2 sort.pwt\n"
	       "                                                      many machines side by side, continued when killed\n"
	       "  pageworks diff                                      the last run against the one before\n"
	       "\n'pageworks VERB --help' has the options of a verb, 'man pageworks' the manual.\n");
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

static const char *main_find_qemu(void)
{
	const char *path = getenv("PATH");
	static char found[4096];
	for (const char *at = path; at && *at;) {
		size_t n = strcspn(at, ":");
		snprintf(found, sizeof found, "%.*s/qemu-x86_64", (int)n, at);
		if (access(found, X_OK) == 0)
			return found;
		at += n + (at[n] == ':');
	}
	return NULL;
}

static int main_version(void)
{
	const char *qemu = main_find_qemu();
	printf("pageworks %s\n", PW_VERSION);
	printf("  captures programs: %s%s\n", qemu ? "yes, by " : "no: qemu-x86_64 is not there; install the package qemu-user",
	       qemu ? qemu : "");
	printf("  libraries: zstd %s, jansson %s\n", ZSTD_versionString(), jansson_version_str());
	printf("  policies:");
	for (unsigned i = 0; policy_at(i); i++)
		printf(" %s", policy_at(i)->name);
	printf("\n  cpus:");
	for (unsigned i = 0; cpu_at(i); i++)
		printf(" %s", cpu_at(i)->name);
	printf("\n  formats:");
	for (unsigned i = 0; ptfmt_at(i); i++)
		printf(" %s", ptfmt_at(i)->name);
	printf("\n");
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

static int main_unknown(const char *word)
{
	const char *names[VERBS];
	for (unsigned i = 0; i < VERBS; i++)
		names[i] = verbs[i].name;
	return cli_unknown(word[0] == '-' ? "option" : "verb", word, names, VERBS);
}

static int main_dispatch(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "--help";
	if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0 || strcmp(word, "-?") == 0 || strcmp(word, "-h") == 0) {
		if (argc < 2) {
			cli_error("which verb? try 'pageworks --help'");
			return CLI_FAILED;
		}
		return main_help();
	}
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		return main_version();
	for (unsigned i = 0; i < VERBS; i++)
		if (strcmp(word, verbs[i].name) == 0) {
			cli_set_verb(verbs[i].title);
			argv[1] = (char *)verbs[i].title;
			return verbs[i].main(argc - 1, argv + 1);
		}
	return main_unknown(word);
}

int main(int argc, char **argv)
{
	argp_err_exit_status = CLI_FAILED;
	return main_dispatch(argc, argv);
}
