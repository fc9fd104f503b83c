/* lab.c - the session: lines to commands, and back again.
 *
 * Problem: a person who explores wants to take back a step, and to see what would have happened otherwise; a machine with caches,
 * queues and swap has no way to run backwards.
 *
 * Idea: nothing here depends on the host, so the session is its lines.  The lines that changed it are kept; going back N steps is
 * building the first machine again and running all lines but the last N, silently.
 *
 *      history:   process p | map any 4K rw | write 0 5 | fork q | write 0 6
 *                                                        ^ at: after "undo"; "step" runs the next again, a new line forgets it
 *
 * 1. A line enters the history when it was carried out; a line that is an error has changed nothing.
 * 2. While lines are run again nothing is printed, and nothing outside the session is written.
 *
 * Rejected: snapshots of the machine (every room would have to know how to copy itself). */
#include "lab_impl.h"
#include "lab_segment.h"
#include "../base/mem.h"
#include "../sim/words.h"
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

struct lab_command {
	const char *name, *usage, *summary;
	unsigned least, most;
	bool changes;
	lab_handler *handler;
};

static const struct lab_command commands[] = {
#define X(name, usage, summary, least, most, changes) { #name, usage, summary, least, most, changes, lab_##name },
	LAB_COMMAND_LIST(X)
#undef X
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

const char *lab_command(unsigned i, const char **usage, const char **summary)
{
	if (i >= N_COMMANDS)
		return NULL;
	*usage = commands[i].usage;
	*summary = commands[i].summary;
	return commands[i].name;
}

/* ---- completion ---- */

static const char *machine_argument(unsigned i)
{
	static const char *const words[] = {
#define X(name, argument, text) #name "=",
		MACHINE_WORD_LIST(X)
#undef X
	};
	return i < sizeof words / sizeof *words ? words[i] : NULL;
}

static const char *map_argument(unsigned i)
{
	static const char *const words[] = { "any", "r", "rw", "rx", "rwx", "none", "called", "file", "shared", "stack", "heap", "disk" };
	return i < sizeof words / sizeof *words ? words[i] : NULL;
}

static const char *help_argument(unsigned i) { return i < N_COMMANDS ? commands[i].name : NULL; }
static const char *explain_argument(unsigned i) { return i == 0 ? "last" : NULL; }

static const char *touch_argument(unsigned i)
{
	static const char *const words[] = { "load", "store", "fetch", "times" };
	return i < sizeof words / sizeof *words ? words[i] : NULL;
}

const char *lab_argument(const char *command, unsigned i)
{
	static const struct { const char *command; const char *(*word)(unsigned i); } sources[] = {
		{ "machine", machine_argument }, { "map", map_argument }, { "advise", lab_advice_word }, { "show", lab_show_word },
		{ "help", help_argument }, { "touch", touch_argument }, { "explain", explain_argument },
		{ "segment", lab_segment_word },
	};
	for (unsigned s = 0; s < sizeof sources / sizeof *sources; s++)
		if (strcmp(sources[s].command, command) == 0)
			return sources[s].word(i);
	return NULL;
}

/* ---- what handlers say ---- */

enum lab_outcome lab_fail(struct lab *l, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (l->why)
		vsnprintf(l->why->text, sizeof l->why->text, format, args);
	va_end(args);
	return LAB_ERROR;
}

enum lab_outcome lab_fail_err(struct lab *l, enum pw_err err)
{
	return l->why && *l->why->text ? LAB_ERROR : lab_fail(l, "%s", pw_err_text(err));
}

void lab_tell(struct lab *l, const char *format, ...)
{
	if (l->opt.quiet || l->replaying)
		return;
	va_list args;
	va_start(args, format);
	vfprintf(l->out, format, args);
	va_end(args);
}

bool lab_number(struct lab *l, const char *what, const char *word, uint64_t *ret)
{
	if (text_size(word, ret, NULL) == PW_OK)
		return true;
	lab_fail(l, "%s: '%s' is not a number; write one such as 4096, 0x1000 or 4K", what, word);
	return false;
}

unsigned lab_shift(const struct lab *l) { return computer_options(l->computer)->format.page_shift; }

struct named {
	const char *name;
	size_t length;
	uint32_t pid;
	uint64_t start;
	bool found;
};

static void named_visit(void *ctx, const struct mapping_info *m)
{
	struct named *n = ctx;
	if (m->alive && m->pid == n->pid && strlen(m->name) == n->length && memcmp(m->name, n->name, n->length) == 0 &&
	    (!n->found || m->start.v < n->start)) {
		n->start = m->start.v;
		n->found = true;
	}
}

bool lab_address(struct lab *l, const char *word, uint64_t *ret)
{
	if (isdigit((unsigned char)*word))
		return lab_number(l, "address", word, ret);
	const struct lab_process *p = l->current < l->n_processes ? &l->process[l->current] : NULL;
	struct named n = { .name = word, .length = strcspn(word, "+"), .pid = p ? p->pid : 0 };
	uint64_t add = 0;
	if (p)
		kernel_mappings(computer_kernel(l->computer), named_visit, &n);
	if (!n.found) {
		lab_fail(l, "address: '%s' is neither a number nor the name of a mapping here; 'show maps' lists them", word);
		return false;
	}
	if (word[n.length] && !lab_number(l, "address", word + n.length + 1, &add))
		return false;
	*ret = n.start + add;
	return true;
}

/* ---- lines ---- */

/* Cuts a copy of the line into words; a word in double quotes keeps its blanks and its first quote, to be known by.
 * => false, and why is filled */
static bool line_cut(char *copy, struct lab_line *line, struct pw_why *why)
{
	char *at = copy;
	line->n = 0;
	for (;;) {
		at += strspn(at, " \t\r\n");
		if (!*at || *at == '#')
			return true;
		if (line->n == LAB_WORDS) {
			pw_fail(why, PW_INVALID, "more than %d words in a line", LAB_WORDS);
			return false;
		}
		line->word[line->n++] = at;
		char *end = *at == '"' ? strchr(at + 1, '"') : at + strcspn(at, " \t\r\n");
		if (!end) {
			pw_fail(why, PW_INVALID, "a text has no second '\"': %s", at);
			return false;
		}
		bool last = !*end;
		*end = '\0';
		at = end + !last;
	}
}

static const struct lab_command *command_find(const char *word)
{
	for (unsigned i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, word) == 0)
			return &commands[i];
	return NULL;
}

static enum lab_outcome command_unknown(struct lab *l, const char *word)
{
	const char *names[N_COMMANDS], *near;
	for (unsigned i = 0; i < N_COMMANDS; i++)
		names[i] = commands[i].name;
	near = text_nearest(word, names, N_COMMANDS);
	if (near)
		return lab_fail(l, "'%s' is no command; did you mean '%s'?", word, near);
	return lab_fail(l, "'%s' is no command; 'help' lists them", word);
}

/* What was undone is forgotten, the line is remembered.  => false: no memory; the history is as before */
static bool history_add(struct lab *l, const char *text)
{
	unsigned room = l->at + 1 > l->n_history ? l->at + 1 : l->n_history; /* what was undone is still there, to be freed */
	char **grown = mem_realloc(l->history, room, sizeof *grown), *copy = mem_strdup(text);
	if (grown)
		l->history = grown;
	if (!grown || !copy) {
		mem_free(copy);
		return false;
	}
	for (unsigned i = l->at + 1; i < l->n_history; i++)
		mem_free(l->history[i]);
	if (l->at < l->n_history)
		mem_free(l->history[l->at]);
	l->history[l->at++] = copy;
	l->n_history = l->at;
	return true;
}

/* keep: a line that changes the session goes into its history. */
static enum lab_outcome command_run(struct lab *l, const struct lab_command *c, const struct lab_line *line, const char *text, bool keep)
{
	if (line->n < c->least || line->n > c->most)
		return lab_fail(l, "%s takes other words: %s %s", c->name, c->name, c->usage);
	keep = keep && c->changes && !l->replaying;
	if (keep && !history_add(l, text))
		return lab_fail(l, "out of memory");
	enum lab_outcome outcome = c->handler(l, line);
	if (keep && outcome == LAB_ERROR) {
		mem_free(l->history[--l->at]);
		l->n_history = l->at;
	}
	return outcome;
}

static enum lab_outcome line_run(struct lab *l, const char *text, bool keep)
{
	struct lab_line line;
	enum lab_outcome outcome = LAB_ERROR;
	char *copy = mem_strdup(text);
	if (!copy)
		return lab_fail(l, "out of memory");
	if (line_cut(copy, &line, l->why)) {
		outcome = LAB_DONE;
		if (line.n) {
			const char *name = line.word[0];
			const struct lab_command *c = command_find(name);
			line.rest = text + (name - copy) + strlen(name);
			line.rest += strspn(line.rest, " \t");
			line.n--;
			memmove(line.word, line.word + 1, line.n * sizeof *line.word);
			outcome = c ? command_run(l, c, &line, text, keep) : command_unknown(l, name);
		}
	}
	mem_free(copy);
	return outcome;
}

enum lab_outcome lab_execute(struct lab *l, const char *text, struct pw_why *why)
{
	struct pw_why ignored;
	l->why = why ? why : &ignored;
	*l->why->text = '\0';
	enum lab_outcome outcome = line_run(l, text, true);
	l->why = NULL;
	return outcome;
}

/* ---- back and forth ---- */

/* The first machine again, then the first n lines. */
static enum lab_outcome replay(struct lab *l, unsigned n)
{
	struct pw_why *why = l->why;
	lab_machine_drop(l);
	if (lab_machine_default(l, why) != PW_OK)
		return LAB_ERROR;
	l->replaying = true;
	for (unsigned i = 0; i < n; i++)
		lab_execute(l, l->history[i], NULL);
	l->replaying = false;
	l->why = why;
	l->at = n;
	return LAB_DONE;
}

static bool steps_wanted(struct lab *l, const struct lab_line *line, uint64_t *ret)
{
	*ret = 1;
	return line->n == 0 || lab_number(l, "steps", line->word[0], ret);
}

enum lab_outcome lab_undo(struct lab *l, const struct lab_line *line)
{
	uint64_t n;
	if (!steps_wanted(l, line, &n))
		return LAB_ERROR;
	if (n > l->at)
		return lab_fail(l, "there are only %u steps to go back", l->at);
	enum lab_outcome outcome = replay(l, l->at - (unsigned)n);
	if (outcome == LAB_DONE)
		lab_tell(l, "back after step %u%s%s\n", l->at, l->at ? ": " : "", l->at ? l->history[l->at - 1] : "");
	return outcome;
}

enum lab_outcome lab_back(struct lab *l, const struct lab_line *line) { return lab_undo(l, line); }

enum lab_outcome lab_step(struct lab *l, const struct lab_line *line)
{
	uint64_t n;
	if (!steps_wanted(l, line, &n))
		return LAB_ERROR;
	if (l->at == l->n_history)
		return lab_fail(l, "there is no step to go forward: nothing has been undone");
	for (; n > 0 && l->at < l->n_history; n--) {
		const char *text = l->history[l->at++];
		lab_tell(l, "step %u: %s\n", l->at, text);
		if (line_run(l, text, false) == LAB_ERROR) {
			l->at--;
			return LAB_ERROR;
		}
	}
	return LAB_DONE;
}

enum lab_outcome lab_history(struct lab *l, const struct lab_line *line)
{
	(void)line;
	for (unsigned i = 0; i < l->n_history; i++)
		fprintf(l->out, "%4u%c %s\n", i + 1, i + 1 == l->at ? '*' : i < l->at ? ' ' : '-', l->history[i]);
	if (l->at < l->n_history)
		fprintf(l->out, "steps marked - have been undone; 'step' goes forward\n");
	return LAB_DONE;
}

struct lab *lab_copy(struct lab *l)
{
	struct lab *copy;
	struct lab_options o = l->opt;
	o.quiet = true;
	if (lab_create(&o, &copy, l->why) != PW_OK)
		return NULL;
	copy->replaying = true;
	for (unsigned i = 0; i < l->at; i++)
		lab_execute(copy, l->history[i], NULL);
	copy->replaying = false;
	return copy;
}

/* ---- small commands ---- */

enum lab_outcome lab_say(struct lab *l, const struct lab_line *line)
{
	fprintf(l->out, "%s\n", line->rest);
	return LAB_DONE;
}

enum lab_outcome lab_quit(struct lab *l, const struct lab_line *line)
{
	(void)l;
	(void)line;
	return LAB_QUIT;
}

enum lab_outcome lab_help(struct lab *l, const struct lab_line *line)
{
	const struct lab_command *only = line->n ? command_find(line->word[0]) : NULL;
	if (line->n && !only)
		return command_unknown(l, line->word[0]);
	for (unsigned i = 0; i < N_COMMANDS; i++)
		if (!only || only == &commands[i])
			fprintf(l->out, "  %-10s %-40s %s\n", commands[i].name, commands[i].usage, commands[i].summary);
	if (!only)
		fprintf(l->out,
		        "Numbers may be decimal, 0x..., or sizes such as 4K; addresses also NAME+NUMBER, by the name of a mapping.\n");
	return LAB_DONE;
}

/* ---- the whole ---- */

enum pw_err lab_create(const struct lab_options *o, struct lab **ret, struct pw_why *why)
{
	*ret = NULL;
	struct lab *l = mem_zalloc(1, sizeof *l);
	if (!l)
		return pw_fail(why, PW_NOMEM, "out of memory for the lab");
	l->opt = *o;
	l->out = o->out;
	enum pw_err err = htab_init(&l->page_index, 64);
	err = err ? pw_fail(why, err, "out of memory for the lab") : lab_machine_default(l, why);
	if (err)
		lab_destroy(l);
	else
		*ret = l;
	return err;
}

void lab_destroy(struct lab *l)
{
	if (!l)
		return;
	lab_machine_drop(l);
	htab_fini(&l->page_index);
	for (unsigned i = 0; i < l->n_history; i++)
		mem_free(l->history[i]);
	mem_free(l->history);
	mem_free(l);
}

void lab_score(const struct lab *l, uint64_t *ret_right, uint64_t *ret_wrong)
{
	*ret_right = l->right;
	*ret_wrong = l->wrong;
}
