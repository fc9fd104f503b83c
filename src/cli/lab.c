/* lab.c - pageworks lab: a machine to take apart, at a prompt or from script files.
 *
 * Problem: a person wants to type, with history and completion; a course wants files that are lessons and tests at once.
 * Idea: both are lines given to the same session.  A script is told as it runs: its comments are the text, its commands stand behind
 * a prompt, what they print follows; so reading the output is reading the lesson.
 *
 * 1. Every script begins with a fresh session.
 * 2. A line that makes no sense ends a script (125, with FILE:LINE); an expectation that does not hold is counted, and the script goes
 *    on (124 at the end).  At a prompt neither ends anything. */
#include "cli.h"
#include "interrupt.h"
#include "scenario.h"
#include "../base/json.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../lab/lab.h"
#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum lab_key { KEY_SEED = 0x200, KEY_QUIET, KEY_STEP, KEY_LIST };
enum { LAB_SCRIPTS = 64 };

static const struct argp_option lab_options[] = {
	{ "execute", 'e', "LINE", 0, "carry out this line; may be given several times, instead of scripts" },
	{ "list", KEY_LIST, NULL, 0, "list the scenarios that come with pageworks" },
	{ "step", KEY_STEP, NULL, 0, "wait for Enter before each command of a script" },
	{ "seed", KEY_SEED, "N", 0, "of everything random (default 1)" },
	{ "quiet", KEY_QUIET, NULL, 0, "only what show, walk, explain and say print, and what fails" },
	{ 0 },
};

struct lab_verb {
	const char *script[LAB_SCRIPTS], *line[LAB_SCRIPTS];
	unsigned n_scripts, n_lines;
	bool step, quiet, list;
	uint64_t seed;
	struct lab *lab;
	uint64_t right, wrong;
	/* At a prompt. */
	EditLine *edit;
	History *history;
	const char *prompt;
	/* Without a terminal, or from a script. */
	FILE *in;
	const char *name;        /* of the script; NULL: standard input */
	unsigned number;         /* of the line */
	char *buffer;
	size_t buffer_bytes;
};

static error_t lab_parse(int key, char *arg, struct argp_state *state)
{
	struct lab_verb *v = state->input;
	struct pw_why why;
	switch (key) {
	case 'e':
		if (v->n_lines == LAB_SCRIPTS)
			exit(cli_error("--execute: at most %d lines; put them into a file", LAB_SCRIPTS));
		v->line[v->n_lines++] = arg;
		break;
	case KEY_LIST: v->list = true; break;
	case KEY_STEP: v->step = true; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_SEED:
		if (text_size_option("--seed", arg, &v->seed, &why) != PW_OK)
			exit(cli_error("%s", why.text));
		break;
	case ARGP_KEY_ARG:
		if (v->n_scripts == LAB_SCRIPTS)
			exit(cli_error("%s: at most %d scripts at a time", arg, LAB_SCRIPTS));
		v->script[v->n_scripts++] = arg;
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp lab_argp = {
	lab_options, lab_parse, "[SCRIPT...]",
	"A small computer to take apart: machines, processes and mappings are made by hand, memory is accessed a step at a time, and every "
	"table, TLB, frame and queue can be looked at.  Without a script it asks for commands; 'help' lists them.  A script is a file of "
	"such commands, or the name of a scenario that comes with pageworks.\v"
	"Examples:\n"
	"  pageworks lab                           at a prompt\n"
	"  pageworks lab --list                    the scenarios\n"
	"  pageworks lab belady                    one of them, told\n"
	"  pageworks lab --step copy-on-write      the same, a command at a time\n"
	"  pageworks lab --quiet exercise.lab      a test: status 124 when an expectation does not hold\n"
	"  pageworks lab -e 'process p' -e 'map 0x1000 8K rw' -e 'write 0x1000 7' -e 'walk 0x1000'",
	NULL, NULL, NULL,
};

/* ---- where lines come from ---- */

/* => NULL: there are no more; valid until the next call */
static const char *line_read(struct lab_verb *v, const char *prompt)
{
	if (v->edit) {
		int n = 0;
		v->prompt = prompt;
		return el_gets(v->edit, &n);
	}
	if (v->in == stdin && isatty(0)) {
		fputs(prompt, stdout);
		fflush(stdout);
	}
	ssize_t n = getline(&v->buffer, &v->buffer_bytes, v->in);
	if (n < 0)
		return NULL;
	v->number++;
	v->buffer[strcspn(v->buffer, "\n")] = '\0';
	return v->buffer;
}

/* The answer to a question of the quiz: the next line, whoever writes it. */
static const char *answer_read(void *ctx, const char *prompt)
{
	struct lab_verb *v = ctx;
	fflush(stdout);
	return v->edit || v->in ? line_read(v, prompt) : NULL;
}

static bool interrupted(void *ctx)
{
	(void)ctx;
	return interrupt_seen() != 0;
}

static int session_begin(struct lab_verb *v)
{
	struct pw_why why = { "" };
	struct lab_options o = { .out = stdout, .answer = answer_read, .interrupted = interrupted, .ctx = v, .seed = v->seed,
		                 .quiet = v->quiet };
	lab_destroy(v->lab);
	return lab_create(&o, &v->lab, &why) == PW_OK ? CLI_OK : cli_error("%s", why.text);
}

static void session_end(struct lab_verb *v)
{
	uint64_t right = 0, wrong = 0;
	if (v->lab)
		lab_score(v->lab, &right, &wrong);
	v->right += right;
	v->wrong += wrong;
	lab_destroy(v->lab);
	v->lab = NULL;
}

/* ---- scripts ---- */

/* A comment is text for the reader, a command is shown before what it prints. */
static void line_tell(struct lab_verb *v, const char *text)
{
	const char *at = text + strspn(text, " \t");
	if (v->quiet)
		return;
	if (*at == '#')
		printf("%s\n", at + 1 + (at[1] == ' '));
	else if (!*at)
		putchar('\n');
	else
		printf("lab> %s\n", at);
}

static bool is_command(const char *text)
{
	text += strspn(text, " \t");
	return *text && *text != '#';
}

/* Waits for Enter.  => false: whoever sits there has gone, or had enough */
static bool step_wait(const struct lab_verb *v, const char *text)
{
	if (!v->step || !is_command(text))
		return true;
	fflush(stdout);
	char key;
	ssize_t n;
	do
		n = read(0, &key, 1);
	while (n == 1 && key != '\n' && key != 'q');
	return n == 1 && key == '\n';
}

/* => CLI_FAILED: said; *ret_quit: the script is to end */
static int script_line(struct lab_verb *v, const char *text, bool *ret_quit)
{
	struct pw_why why;
	line_tell(v, text);
	if (!step_wait(v, text)) {
		*ret_quit = true;
		return CLI_OK;
	}
	/* Lines of a quiz's answers reuse the buffer. */
	char *copy = mem_strdup(text);
	if (!copy)
		return cli_error("out of memory");
	unsigned number = v->number;
	enum lab_outcome outcome = lab_execute(v->lab, copy, &why);
	mem_free(copy);
	*ret_quit = outcome == LAB_QUIT;
	if (outcome != LAB_ERROR)
		return CLI_OK;
	fflush(stdout);
	return v->name ? cli_error("%s:%u: %s", v->name, number, why.text) : cli_error("line %u: %s", number, why.text);
}

static int stream_run(struct lab_verb *v)
{
	const char *text;
	bool quit = false;
	int status = session_begin(v);
	while (status == CLI_OK && !quit && !interrupt_seen() && (text = line_read(v, "lab> ")))
		status = script_line(v, text, &quit);
	if (status == CLI_OK && ferror(v->in))
		status = cli_error("%s: %s", v->name ? v->name : "standard input", strerror(errno));
	session_end(v);
	return status;
}

static int script_run(struct lab_verb *v, const char *name)
{
	char path[SCENARIO_PATH];
	const char *found = scenario_find(name, path);
	if (!found)
		return CLI_FAILED;
	v->name = found;
	v->number = 0;
	v->in = strcmp(found, "-") == 0 ? stdin : fopen(found, "r");
	if (!v->in)
		return cli_error("%s: %s", found, strerror(errno));
	int status = stream_run(v);
	if (v->in != stdin)
		fclose(v->in);
	v->in = NULL;
	return status;
}

static int lines_run(struct lab_verb *v)
{
	bool quit = false;
	int status = session_begin(v);
	for (v->number = 1; status == CLI_OK && !quit && v->number <= v->n_lines; v->number++)
		status = script_line(v, v->line[v->number - 1], &quit);
	session_end(v);
	return status;
}

/* ---- at a prompt ---- */

static char *edit_prompt(EditLine *e)
{
	struct lab_verb *v;
	el_get(e, EL_CLIENTDATA, &v);
	return (char *)v->prompt;
}

/* The words that may stand where the cursor is: commands first, then what may follow the command.  => NULL past the end */
static const char *candidate(const char *command, unsigned i)
{
	const char *usage, *summary;
	return command ? lab_argument(command, i) : lab_command(i, &usage, &summary);
}

/* How much of the words that begin with part they all have in common.  => how many there are */
static unsigned candidates_common(const char *command, const char *part, size_t n, char *common, size_t size)
{
	unsigned found = 0;
	const char *word;
	for (unsigned i = 0; (word = candidate(command, i)); i++) {
		if (strncmp(word, part, n) != 0)
			continue;
		if (!found++)
			snprintf(common, size, "%s", word);
		size_t same = 0;
		while (common[same] && common[same] == word[same])
			same++;
		common[same] = '\0';
	}
	return found;
}

static void candidates_print(const char *command, const char *part, size_t n)
{
	const char *word;
	putchar('\n');
	for (unsigned i = 0; (word = candidate(command, i)); i++)
		if (strncmp(word, part, n) == 0)
			printf("%s  ", word);
	putchar('\n');
	fflush(stdout);
}

static unsigned char edit_complete(EditLine *e, int key)
{
	const LineInfo *info = el_line(e);
	const char *word = info->cursor, *start = info->buffer + strspn(info->buffer, " ");
	char command[64], common[64] = "";
	(void)key;
	while (word > info->buffer && word[-1] != ' ')
		word--;
	size_t n = (size_t)(info->cursor - word);
	bool first = word <= start;
	snprintf(command, sizeof command, "%.*s", (int)strcspn(start, " "), start);
	unsigned found = candidates_common(first ? NULL : command, word, n, common, sizeof common);
	if (!found)
		return CC_REFRESH_BEEP;
	if (strlen(common) > n && el_insertstr(e, common + n) != 0)
		return CC_ERROR;
	if (found == 1 && common[strlen(common) - 1] != '=')
		return el_insertstr(e, " ") == 0 ? CC_REFRESH : CC_ERROR;
	if (found > 1 && strlen(common) == n) {
		candidates_print(first ? NULL : command, word, n);
		return CC_REDISPLAY;
	}
	return CC_REFRESH;
}

static int edit_begin(struct lab_verb *v)
{
	HistEvent event;
	v->history = history_init();
	v->edit = el_init("pageworks", stdin, stdout, stderr);
	if (!v->edit || !v->history)
		return cli_error("the terminal cannot be used for editing lines");
	history(v->history, &event, H_SETSIZE, 1000);
	el_set(v->edit, EL_CLIENTDATA, v);
	el_set(v->edit, EL_PROMPT, edit_prompt);
	el_set(v->edit, EL_EDITOR, "emacs");
	el_set(v->edit, EL_HIST, history, v->history);
	el_set(v->edit, EL_ADDFN, "lab-complete", "complete a word", edit_complete);
	el_set(v->edit, EL_BIND, "^I", "lab-complete", NULL);
	el_source(v->edit, NULL);
	return CLI_OK;
}

static void edit_end(struct lab_verb *v)
{
	if (v->edit)
		el_end(v->edit);
	if (v->history)
		history_end(v->history);
	v->edit = NULL;
	v->history = NULL;
}

static int prompt_run(struct lab_verb *v)
{
	struct pw_why why;
	HistEvent event;
	const char *text;
	int status = edit_begin(v);
	if (status == CLI_OK)
		status = session_begin(v);
	if (status == CLI_OK)
		printf("A small computer, with nothing on it yet.  'help' lists the commands, 'quit' ends.\n");
	while (status == CLI_OK && (text = line_read(v, "lab> "))) {
		char *copy = mem_strdup(text);
		if (!copy)
			break;
		if (is_command(copy))
			history(v->history, &event, H_ENTER, copy);
		enum lab_outcome outcome = lab_execute(v->lab, copy, &why);
		mem_free(copy);
		if (outcome == LAB_QUIT)
			break;
		if (outcome == LAB_ERROR)
			printf("%s\n", why.text);
	}
	session_end(v);
	edit_end(v);
	v->wrong = 0;
	return status;
}

/* ---- the verb ---- */

static int lab_work(struct lab_verb *v)
{
	if (v->list)
		return scenario_list();
	if (v->n_lines && v->n_scripts)
		return cli_error("--execute and %s: either lines or scripts", v->script[0]);
	if (v->n_lines)
		return lines_run(v);
	if (!v->n_scripts && isatty(0) && isatty(1))
		return prompt_run(v);
	if (!v->n_scripts)
		return script_run(v, "-");
	int status = CLI_OK;
	for (unsigned i = 0; status == CLI_OK && i < v->n_scripts && !interrupt_seen(); i++)
		status = script_run(v, v->script[i]);
	return status;
}

int cli_lab(int argc, char **argv)
{
	const struct argp_option *const lists[] = { lab_options };
	struct lab_verb v = { .seed = 1 };
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&lab_argp, argc, argv, 0, NULL, &v);
	interrupt_watch();
	int status = lab_work(&v);
	mem_free(v.buffer);
	if (fflush(stdout) != 0 && status == CLI_OK)
		status = cli_error("standard output: %s", strerror(errno));
	int seen = interrupt_seen();
	interrupt_unwatch();
	if (seen)
		return cli_end_like(0, seen);
	if (status == CLI_OK && v.wrong) {
		fprintf(stderr, "pageworks lab: %llu of %llu expectations do not hold\n", (unsigned long long)v.wrong,
		        (unsigned long long)(v.wrong + v.right));
		status = CLI_FAIL_ON;
	}
	return status;
}
