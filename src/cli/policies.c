/* policies.c - pageworks policies: which replacement policies there are, what each sees and costs, and what may be chosen about it.
 *
 * Problem.  A person choosing among two dozen policies wants to know which of them a real kernel could run, what they cost, and where
 * to read about them, and must find out which parameters a policy takes.
 *
 * Idea.  Everything is in the policies' own tables.  Without a name a line for each; with names everything about those.
 *
 * 1. Text and JSON say the same. */
#include "cli.h"
#include "output.h"
#include "../base/json.h"
#include "../policy/policy.h"
#include <stdlib.h>
#include <string.h>

enum policies_key { KEY_JSON = 0x200 };
enum { NAMES_MAX = 64, MANY = 1 << 20 };

struct policies {
	const struct policy_ops *chosen[NAMES_MAX];
	unsigned n_chosen;
	struct output text, json;
};

static const struct argp_option policies_options[] = {
	{ "json", KEY_JSON, "FILE", 0, "the same as JSON ('-': standard output, instead of the text)" },
	{ "output", 'o', "FILE", 0, "where the text goes (default: standard output)" },
	{ 0 },
};

static const char *sees_word(const struct policy_ops *p)
{
	static const char *const words[] = { "nothing", "bits", "recency", "every" };
	return words[p->sees];
}

static const char *sees_text(const struct policy_ops *p)
{
	static const char *const text[] = {
		"nothing: which pages come and go, no reference",
		"bits: was a page used since this was last asked? A kernel sees that",
		"recency: the order in which pages were last used, which no hardware shows",
		"every: each single reference, which no hardware shows",
	};
	return text[p->sees];
}

/* Its own memory for each of many frames, as it is without choosing parameters. */
static double bytes_a_frame(const struct policy_ops *p)
{
	struct policy_params params = policy_params_of(p, NULL);
	return (double)(p->bytes(2 * MANY, &params) - p->bytes(MANY, &params)) / MANY;
}

static void add_policy(struct policies *v, const char *name)
{
	const char *names[NAMES_MAX];
	unsigned n = 0;
	for (; n < NAMES_MAX && policy_at(n); n++)
		names[n] = policy_at(n)->name;
	const struct policy_ops *p = policy_find(name);
	if (!p)
		exit(cli_unknown("policy", name, names, n));
	if (v->n_chosen == NAMES_MAX)
		exit(cli_error("more than %d names", NAMES_MAX));
	v->chosen[v->n_chosen++] = p;
}

static error_t policies_parse(int key, char *arg, struct argp_state *state)
{
	const struct argp_option *const lists[] = { policies_options };
	struct policies *v = state->input;
	int at = state->next - 1;
	switch (key) {
	case 'o': v->text.name = arg; break;
	case KEY_JSON: v->json.name = arg; break;
	case ARGP_KEY_ARG:
		add_policy(v, arg);
		if (cli_check_options(state->argc - at, state->argv + at, lists, 1) != CLI_OK)
			exit(CLI_FAILED);
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp policies_argp = {
	policies_options, policies_parse, "[NAME...]",
	"Lists the replacement policies, or describes those named and the parameters they take.\v"
	"Examples:\n"
	"  pageworks policies\n"
	"  pageworks policies arc 2q\n"
	"  pageworks run --frames 1000 --policy 2q:in=20%,out=100% sort.pwt\n",
	NULL, NULL, NULL,
};

static const struct policy_ops *shown_at(const struct policies *v, unsigned i)
{
	if (!v->n_chosen)
		return policy_at(i);
	return i < v->n_chosen ? v->chosen[i] : NULL;
}

static enum pw_err render_table(void *ctx, FILE *out)
{
	const struct policies *v = ctx;
	fprintf(out, "%-14s %-8s %-7s %-9s %11s  %s\n", "policy", "sees", "future", "set", "bytes/frame", "paper");
	for (unsigned i = 0; shown_at(v, i); i++) {
		const struct policy_ops *p = shown_at(v, i);
		fprintf(out, "%-14s %-8s %-7s %-9s %11.1f  %s\n", p->name, sees_word(p), p->wants_future ? "needed" : "",
		        p->variable ? "its own" : "", bytes_a_frame(p), p->paper);
	}
	fprintf(out, "\nsees: what it must be told of references; nothing and bits are what real hardware gives.\n"
	             "set: frames are only an upper bound, the policy itself says how many pages stay.\n"
	             "'pageworks policies NAME' tells more, and which parameters there are.\n");
	return PW_OK;
}

static void render_value(FILE *out, const struct policy_param *param, double value)
{
	bool share = param->kind == POLICY_SHARE;
	fprintf(out, "%.15g%s", value * (share ? 100 : 1), share ? "%" : "");
}

static void render_params(FILE *out, const struct policy_ops *p)
{
	for (unsigned i = 0; p->param && p->param[i].key; i++) {
		const struct policy_param *param = &p->param[i];
		fprintf(out, "  %-12s %s=", i ? "" : "parameters", param->key);
		render_value(out, param, param->initial);
		fprintf(out, "  %s (from ", param->text);
		render_value(out, param, param->least);
		fprintf(out, " to ");
		render_value(out, param, param->most);
		fprintf(out, ")\n");
	}
}

static enum pw_err render_details(void *ctx, FILE *out)
{
	const struct policies *v = ctx;
	for (unsigned i = 0; shown_at(v, i); i++) {
		const struct policy_ops *p = shown_at(v, i);
		fprintf(out, "%s%s\n  %-12s %s\n  %-12s %s\n", i ? "\n" : "", p->name, "paper", p->paper, "variant", p->variant);
		fprintf(out, "  %-12s %s\n", "sees", sees_text(p));
		if (p->sees > POLICY_SEES_BITS && !p->wants_future)
			fprintf(out, "  %-12s with --refbits hardware a touch is noticed when the page would leave\n", "");
		if (p->sees == POLICY_SEES_BITS && !p->arrival_counts)
			fprintf(out, "  %-12s with --refbits hardware the arrival of a page sets its bit, too\n", "");
		if (p->wants_future)
			fprintf(out, "  %-12s needed: runs on traces that can be read twice\n", "future");
		if (p->variable)
			fprintf(out, "  %-12s the policy says how many pages stay; frames are an upper bound\n", "set");
		fprintf(out, "  %-12s %.1f bytes for each frame\n", "memory", bytes_a_frame(p));
		render_params(out, p);
	}
	return PW_OK;
}

static void render_policy_json(struct jsonw *j, const struct policy_ops *p)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "name", p->name);
	jsonw_string(j, "paper", p->paper);
	jsonw_string(j, "variant", p->variant);
	jsonw_string(j, "sees", sees_word(p));
	jsonw_bool(j, "arrival_counts", p->arrival_counts);
	jsonw_bool(j, "needs_future", p->wants_future);
	jsonw_bool(j, "variable_allocation", p->variable);
	jsonw_real(j, "bytes_per_frame", bytes_a_frame(p));
	jsonw_array(j, "parameters");
	for (unsigned i = 0; p->param && p->param[i].key; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", p->param[i].key);
		jsonw_string(j, "kind", p->param[i].kind == POLICY_SHARE ? "share" : "count");
		jsonw_real(j, "default", p->param[i].initial);
		jsonw_real(j, "least", p->param[i].least);
		jsonw_real(j, "most", p->param[i].most);
		jsonw_string(j, "text", p->param[i].text);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_end(j);
}

static enum pw_err render_json(void *ctx, FILE *out)
{
	const struct policies *v = ctx;
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "policies");
	jsonw_array(&j, "policies");
	for (unsigned i = 0; shown_at(v, i); i++)
		render_policy_json(&j, shown_at(v, i));
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}

int cli_policies(int argc, char **argv)
{
	const struct argp_option *const lists[] = { policies_options };
	struct policies v = {
		.text = { .option = "--output", .what = "list" }, .json = { .option = "--json", .what = "JSON" },
	};
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	if (argp_parse(&policies_argp, argc, argv, 0, NULL, &v))
		return CLI_FAILED;
	int status = outputs_open(&v.text, &v.json);
	if (status == CLI_OK)
		status = outputs_write(&v.text, v.n_chosen ? render_details : render_table, &v.json, render_json, &v);
	output_close(&v.text);
	output_close(&v.json);
	return status;
}
