/* cli.c - messages, option checks and endings that every verb shares.
 *
 * Problem.  A wrapper around somebody's program must not lose that program's death, must say in one line what was wrong with the
 * words it was given, and must not die itself because a pipe was closed.
 *
 * Idea.  Options are checked against the parsers' own tables before argp sees them, so a mistyped one gets one line with the nearest
 * known name.  Everything printed at the end is made in memory first and written by one function that notices every error.
 *
 * 1. Each message is one line and begins with "pageworks VERB: ".
 * 2. cli_end_like raises the very signal; only when that does not end us, 128 + signal is returned.
 *
 * Rejected: argp's own messages (two lines, no suggestion). */
#include "cli.h"
#include "../base/text.h"
#include "../sim/words.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *verb_title = "pageworks";

void cli_set_verb(const char *verb) { verb_title = verb; }
const char *cli_verb(void) { return verb_title; }

int cli_error(const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", verb_title, text);
	return CLI_FAILED;
}

bool cli_colour(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
	return isatty(fileno(out)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

int cli_unknown(const char *what, const char *word, const char *const *names, unsigned n)
{
	struct pw_why why = { "" };
	words_unknown(&why, what, word, names, n);
	return cli_error("%s", why.text);
}

enum { CLI_OPTIONS_MAX = 96 };
struct option_names {
	const char *name[CLI_OPTIONS_MAX];
	bool takes[CLI_OPTIONS_MAX], may[CLI_OPTIONS_MAX]; /* needs a value; may have one, after "=" */
	unsigned n;
};

static void option_add(struct option_names *o, const char *name, bool takes, bool may)
{
	if (o->n < CLI_OPTIONS_MAX) {
		o->name[o->n] = name;
		o->may[o->n] = may;
		o->takes[o->n++] = takes;
	}
}

static void option_collect(struct option_names *o, const struct argp_option *const lists[], unsigned n_lists)
{
	option_add(o, "help", false, false);
	option_add(o, "usage", false, false);
	option_add(o, "version", false, false);
	for (unsigned i = 0; i < n_lists; i++)
		for (const struct argp_option *p = lists[i]; p->name || p->key || p->doc; p++)
			if (p->name)
				option_add(o, p->name, p->arg && !(p->flags & OPTION_ARG_OPTIONAL), p->arg);
}

/* An exact name, or the beginning of only one.  => its index, -1: none, -2: several. */
static int option_find(const struct option_names *o, const char *word, size_t length)
{
	int found = -1;
	for (unsigned i = 0; i < o->n; i++) {
		if (strncmp(o->name[i], word, length) != 0)
			continue;
		if (o->name[i][length] == '\0')
			return (int)i;
		found = found == -1 ? (int)i : -2;
	}
	return found;
}

static int option_unknown(const struct option_names *o, const char *word, size_t length, bool several)
{
	char name[64];
	snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), word);
	if (several)
		return cli_error("--%s: more than one option begins so; --help lists them", name);
	const char *near = text_nearest(name, o->name, o->n);
	if (near)
		return cli_error("--%s: no such option; did you mean --%s?", name, near);
	return cli_error("--%s: no such option; --help lists them", name);
}

static int short_option(const char *word, bool has_next, const struct argp_option *const lists[], unsigned n_lists, bool *ret_takes)
{
	*ret_takes = false;
	for (const char *c = word + 1; *c; c++) {
		const struct argp_option *found = NULL;
		for (unsigned i = 0; i < n_lists && !found; i++)
			for (const struct argp_option *p = lists[i]; p->name || p->key || p->doc; p++)
				if (p->key == *c) {
					found = p;
					break;
				}
		if (!found && *c != '?' && *c != 'V')
			return cli_error("-%c: no such option; --help lists them", *c);
		if (found && found->arg && !(found->flags & OPTION_ARG_OPTIONAL)) {
			*ret_takes = c[1] == '\0';
			if (*ret_takes && !has_next)
				return cli_error("-%c needs a value: %s", *c, found->arg);
			return CLI_OK;
		}
	}
	return CLI_OK;
}

int cli_check_options(int argc, char **argv, const struct argp_option *const lists[], unsigned n_lists)
{
	struct option_names names = { .n = 0 };
	option_collect(&names, lists, n_lists);
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		bool takes = false, has_next = i + 1 < argc;
		if (word[0] != '-' || word[1] == '\0' || strcmp(word, "--") == 0)
			return CLI_OK;
		if (word[1] != '-') {
			if (short_option(word, has_next, lists, n_lists, &takes) != CLI_OK)
				return CLI_FAILED;
			i += takes;
			continue;
		}
		size_t length = strcspn(word + 2, "=");
		int at = option_find(&names, word + 2, length);
		if (at < 0)
			return option_unknown(&names, word + 2, length, at == -2);
		bool has_value = word[2 + length] == '=';
		if (has_value && !names.may[at])
			return cli_error("--%s takes no value", names.name[at]);
		if (!has_value && names.takes[at] && !has_next)
			return cli_error("--%s needs a value", names.name[at]);
		i += !has_value && names.takes[at];
	}
	return CLI_OK;
}

int cli_end_like(int exit_status, int signal_number)
{
	if (!signal_number)
		return exit_status;
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	fflush(NULL);
	signal(signal_number, SIG_DFL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signal_number);
	return 128 + signal_number;
}

int cli_put(FILE *out, const char *text, size_t bytes)
{
	errno = 0;
	bool ok = fwrite(text, 1, bytes, out) == bytes;
	ok = fflush(out) == 0 && ok;
	int error = errno;
	if (out != stdout && out != stderr) {
		ok = fclose(out) == 0 && ok;
		error = error ? error : errno;
	}
	return ok ? 0 : error ? error : EIO;
}

int cli_not_written(const char *what, const char *name, int error)
{
	const char *shown = !name ? "standard error" : strcmp(name, "-") == 0 ? "standard output" : name;
	return cli_error("the %s could not be written to %s: %s", what, shown, strerror(error));
}

int cli_write(const char *what, const char *name, FILE *out, const char *text, size_t bytes)
{
	int error = cli_put(out, text, bytes);
	return error ? cli_not_written(what, name, error) : CLI_OK;
}
