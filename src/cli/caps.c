/* caps.c - pageworks caps: what this computer lets us see and do, tried out.
 *
 * Problem.  "It does not work here" has thirty possible reasons; a user should see at one glance which, what it costs, and what
 * would help.
 * Idea.  One line for each capability; under those that are not there, what is lost and what would enable it.
 *
 * 1. With names, the exit status is an answer a script can use.
 * Rejected: a status that fails when anything is missing (nowhere is everything there). */
#include "cli.h"
#include "output.h"
#include "../base/json.h"
#include "../host/caps.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { CAPS_MISSING = 1 };
enum caps_key { KEY_JSON = 0x200, KEY_MISSING, KEY_LIST };

static const struct argp_option caps_options[] = {
	{ "missing", KEY_MISSING, NULL, 0, "only what is not there" },
	{ "list", KEY_LIST, NULL, 0, "the names and what they are, without trying any" },
	{ "output", 'o', "FILE", 0, "where the report goes (default: standard output)" },
	{ "json", KEY_JSON, "FILE", 0, "also as JSON ('-': standard output, instead of the report)" },
	{ 0 },
};

struct caps_verb {
	int argc, word_at;
	char **argv;
	bool missing, list;
	bool wanted[CAPS];
	struct cap_result result[CAPS];
	struct output text, json;
};

static error_t caps_parse(int key, char *arg, struct argp_state *state)
{
	struct caps_verb *v = state->input;
	switch (key) {
	case 'o': v->text.name = arg; break;
	case KEY_JSON: v->json.name = arg; break;
	case KEY_MISSING: v->missing = true; break;
	case KEY_LIST: v->list = true; break;
	case ARGP_KEY_ARG:
		v->word_at = state->next - 1;
		state->next = state->argc;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp caps_argp = {
	caps_options, caps_parse, "[NAME...]",
	"Tries what this computer lets pageworks see and do, on pages of its own: yes, no, or broken, which means that a call succeeds and "
	"has no effect.  Of what is not there it says what is lost and what would enable it.  Nothing is changed.\v"
	"Examples:\n"
	"  pageworks caps\n"
	"  pageworks caps --missing\n"
	"  pageworks caps perf_faults userfaultfd || echo 'not here'\n"
	"  pageworks caps --json -\n\n"
	"The exit status is 0; with names, 1 when one of them is not there; 125 when something went wrong.",
	NULL, NULL, NULL,
};

static int caps_words(struct caps_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { caps_options };
	const char *names[CAPS];
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&caps_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	for (int c = 0; c < CAPS; c++) {
		names[c] = cap_name((enum cap)c);
		v->wanted[c] = !v->word_at;
	}
	for (int i = v->word_at; i && i < argc; i++) {
		enum cap c;
		if (!cap_find(argv[i], &c))
			return cli_unknown("capability", argv[i], names, CAPS);
		v->wanted[c] = true;
	}
	return CLI_OK;
}

static enum pw_err render_text(void *ctx, FILE *out)
{
	struct caps_verb *v = ctx;
	unsigned n[4] = { 0 };
	for (int i = 0; i < CAPS; i++) {
		enum cap c = (enum cap)i;
		const struct cap_result *r = &v->result[c];
		if (!v->wanted[c])
			continue;
		if (v->list) {
			fprintf(out, "%-18s %s\n", cap_name(c), cap_title(c));
			continue;
		}
		n[r->answer]++;
		if (v->missing && r->answer == CAP_YES)
			continue;
		fprintf(out, "%-7s %-18s %s\n", cap_answer_word(r->answer), cap_name(c), cap_title(c));
		if (r->answer == CAP_YES)
			continue;
		fprintf(out, "        %-18s found   %s\n", "", r->found);
		fprintf(out, "        %-18s lost    %s\n", "", cap_lost(c));
		fprintf(out, "        %-18s needs   %s\n", "", cap_enable(c));
	}
	if (!v->list && !v->word_at)
		fprintf(out, "\n%u yes, %u no, %u silently broken, %u could not be tried\n", n[CAP_YES], n[CAP_NO], n[CAP_BROKEN],
		        n[CAP_UNTOLD]);
	return PW_OK;
}

static void json_cap(struct jsonw *j, enum cap c, const struct cap_result *r, bool list)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "name", cap_name(c));
	jsonw_string(j, "title", cap_title(c));
	if (!list) {
		jsonw_string(j, "answer", r->answer == CAP_UNTOLD ? "unknown" : cap_answer_word(r->answer));
		jsonw_string(j, "found", r->found);
	}
	jsonw_string(j, "lost_without", cap_lost(c));
	jsonw_string(j, "needs", cap_enable(c));
	jsonw_end(j);
}

static enum pw_err render_json(void *ctx, FILE *out)
{
	struct caps_verb *v = ctx;
	struct utsname u;
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "caps");
	if (uname(&u) == 0) {
		jsonw_string(&j, "kernel", u.release);
		jsonw_string(&j, "machine", u.machine);
	}
	jsonw_u64(&j, "user", geteuid());
	jsonw_array(&j, "caps");
	for (int c = 0; c < CAPS; c++)
		if (v->wanted[c] && !(v->missing && !v->list && v->result[c].answer == CAP_YES))
			json_cap(&j, (enum cap)c, &v->result[c], v->list);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}

static int caps_all(struct caps_verb *v, int argc, char **argv)
{
	int status = caps_words(v, argc, argv);
	if (status != CLI_OK)
		return status;
	if (!v->text.name && !(v->json.name && strcmp(v->json.name, "-") == 0))
		v->text.name = "-";
	if (output_open(&v->text) != CLI_OK || output_open(&v->json) != CLI_OK)
		return CLI_FAILED;
	signal(SIGPIPE, SIG_IGN);
	for (int c = 0; c < CAPS && !v->list; c++) {
		if (v->wanted[c])
			cap_probe((enum cap)c, &v->result[c]);
		if (v->wanted[c] && v->word_at && v->result[c].answer != CAP_YES)
			status = CAPS_MISSING;
	}
	if (output_write(&v->text, render_text, v) != CLI_OK || output_write(&v->json, render_json, v) != CLI_OK)
		status = CLI_FAILED;
	return status;
}

int cli_caps(int argc, char **argv)
{
	struct caps_verb v = {
		.text = { .option = "-o", .what = "report" }, .json = { .option = "--json", .what = "JSON" },
	};
	int status = caps_all(&v, argc, argv);
	output_close(&v.text);
	output_close(&v.json);
	return status;
}
