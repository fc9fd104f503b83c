/* grid.c - a grid read and multiplied out.
 *
 * Problem.  People compare machines along several words at once, and not every combination makes sense.
 *
 * Idea.  A block is one list of values for each word; a machine is one choice from each list.  Choices are counted like an
 * odometer:
 *
 *     policy   lru  clock  opt          lru    100
 *     frames   100  1000        =>      lru    1000      the last word turns fastest
 *                                       clock  100 ...
 *
 * Rules ("exclude policy=opt frames>20%") strike out the machines for which all their conditions hold.
 *
 * Invariants.
 *   1. block[0] is what stands before the first "[name]"; it is a grid by itself only when there are no others.
 *   2. A list is empty where a word was not given; an option's list goes before the block's, the block's before block[0]'s.
 *   3. Every value in a rule is, for words that are no numbers, one that the grid has: a mistyped rule is no silent rule.
 *
 * Rejected: nested blocks, variables, arithmetic (whoever needs them has a shell to write the file with). */
#include "grid.h"
#include "../base/mem.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { WHERE_BYTES = 256, RULE_CONDITIONS = 8 };

struct grid_block {
	struct grid_values values[GRID_WORDS];
};

enum grid_compare { GRID_EQUAL, GRID_DIFFERENT, GRID_LESS, GRID_AT_MOST, GRID_MORE, GRID_AT_LEAST };

struct grid_condition {
	enum grid_word word;
	enum grid_compare compare;
	char *value;
};

struct grid_rule {
	unsigned block;      /* 0: all blocks */
	char *where;         /* "FILE:LINE" */
	struct grid_condition condition[RULE_CONDITIONS];
	unsigned n;
};

struct grid {
	struct grid_block *block;
	unsigned n_blocks;
	struct grid_rule *rule;
	unsigned n_rules;
	struct grid_values option[GRID_WORDS];
};

static enum pw_err grid_block_add(struct grid *g)
{
	struct grid_block *more = mem_realloc(g->block, g->n_blocks + 1, sizeof *more);
	if (!more)
		return PW_NOMEM;
	g->block = more;
	g->block[g->n_blocks++] = (struct grid_block){ 0 };
	return PW_OK;
}

enum pw_err grid_create(struct grid **ret)
{
	struct grid *g = *ret = mem_zalloc(1, sizeof *g);
	if (g && grid_block_add(g) == PW_OK)
		return PW_OK;
	mem_free(g);
	*ret = NULL;
	return PW_NOMEM;
}

void grid_destroy(struct grid *g)
{
	if (!g)
		return;
	for (unsigned w = 0; w < GRID_WORDS; w++) {
		grid_values_fini(&g->option[w]);
		for (unsigned b = 0; b < g->n_blocks; b++)
			grid_values_fini(&g->block[b].values[w]);
	}
	for (unsigned r = 0; r < g->n_rules; r++) {
		for (unsigned c = 0; c < g->rule[r].n; c++)
			mem_free(g->rule[r].condition[c].value);
		mem_free(g->rule[r].where);
	}
	mem_free(g->rule);
	mem_free(g->block);
	mem_free(g);
}

enum pw_err grid_option(struct grid *g, const char *word, const char *values, struct pw_why *why)
{
	char where[WHERE_BYTES];
	enum grid_word w = grid_word_find("option", word, why);
	if (w == GRID_WORDS)
		return PW_INVALID;
	snprintf(where, sizeof where, "--%s", word);
	return grid_values_add(&g->option[w], w, where, values, why);
}

/* A comment begins with # at the start of a line or after a space. */
static void cut_comment(char *line)
{
	for (char *c = line; *c; c++)
		if (*c == '#' && (c == line || isspace((unsigned char)c[-1]))) {
			*c = '\0';
			return;
		}
}

static char *trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	size_t n = strlen(text);
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	return text;
}

/* => the length of the word with which a line of the form "word = values" begins, else 0. */
static size_t assigned_word(const char *line)
{
	size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789-_"), gap = n + strspn(line + n, " \t");
	return n && line[gap] == '=' && line[gap + 1] != '=' ? n : 0;
}

bool grid_is(const char *text)
{
	while (*text) {
		text += strspn(text, " \t\r\n");
		if (*text != '#')
			break;
		text += strcspn(text, "\n");
	}
	size_t name = *text == '[' ? strcspn(text, "]\n") : 0;
	return assigned_word(text) > 0 || (name > 1 && text[name] == ']');
}

/* What reading a file needs to know. */
struct grid_reader {
	struct grid *grid;
	char where[WHERE_BYTES]; /* "FILE:LINE" */
	struct pw_why *why;
};

static enum pw_err read_block(struct grid_reader *r, char *line)
{
	size_t n = strlen(line);
	if (n < 3 || line[n - 1] != ']')
		return pw_fail(r->why, PW_INVALID, "%s: a block begins with [NAME] on a line of its own", r->where);
	return grid_block_add(r->grid) == PW_OK ? PW_OK : pw_fail(r->why, PW_NOMEM, "%s: out of memory", r->where);
}

static enum pw_err read_values(struct grid_reader *r, char *line, size_t length)
{
	char where[WHERE_BYTES + 64];
	char *values = strchr(line, '=') + 1;
	line[length] = '\0';
	enum grid_word w = grid_word_find(r->where, line, r->why);
	if (w == GRID_WORDS)
		return PW_INVALID;
	snprintf(where, sizeof where, "%s: %s", r->where, line);
	return grid_values_add(&r->grid->block[r->grid->n_blocks - 1].values[w], w, where, values, r->why);
}

/* => the operator's length, 0: none stands here. */
static size_t compare_read(const char *text, enum grid_compare *ret)
{
	static const struct {
		const char *text;
		enum grid_compare compare;
	} list[] = { { "!=", GRID_DIFFERENT }, { "<=", GRID_AT_MOST }, { ">=", GRID_AT_LEAST }, { "=", GRID_EQUAL },
	             { "<", GRID_LESS }, { ">", GRID_MORE } };
	for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
		if (strncmp(text, list[i].text, strlen(list[i].text)) == 0) {
			*ret = list[i].compare;
			return strlen(list[i].text);
		}
	return 0;
}

/* "word=value", cut out of the line; the rule owns the value. */
static enum pw_err read_condition(struct grid_reader *r, struct grid_rule *rule, char *text)
{
	double number;
	if (rule->n == RULE_CONDITIONS)
		return pw_fail(r->why, PW_LIMIT, "%s: a rule has at most %d conditions", r->where, RULE_CONDITIONS);
	struct grid_condition *c = &rule->condition[rule->n];
	size_t length = strcspn(text, "=!<>"), skip = compare_read(text + length, &c->compare);
	if (!skip || !text[length + skip])
		return pw_fail(r->why, PW_INVALID, "%s: '%s' is no condition; write word=value, word!=value, word<value or "
		               "word>value without spaces", r->where, text);
	const char *value = text + length + skip;
	if (c->compare != GRID_EQUAL && c->compare != GRID_DIFFERENT && !grid_number(value, &number))
		return pw_fail(r->why, PW_INVALID, "%s: '%s': only numbers are less or more", r->where, text);
	c->value = mem_strdup(value);
	if (!c->value)
		return pw_fail(r->why, PW_NOMEM, "%s: out of memory", r->where);
	rule->n++;
	text[length] = '\0';
	c->word = grid_word_find(r->where, text, r->why);
	return c->word == GRID_WORDS ? PW_INVALID : PW_OK;
}

static enum pw_err read_rule(struct grid_reader *r, char *text)
{
	struct grid *g = r->grid;
	struct grid_rule *more = mem_realloc(g->rule, g->n_rules + 1, sizeof *more);
	if (!more)
		return pw_fail(r->why, PW_NOMEM, "%s: out of memory", r->where);
	g->rule = more;
	struct grid_rule *rule = &g->rule[g->n_rules++];
	*rule = (struct grid_rule){ .block = g->n_blocks - 1, .where = mem_strdup(r->where) };
	enum pw_err err = rule->where ? PW_OK : pw_fail(r->why, PW_NOMEM, "%s: out of memory", r->where);
	char *rest = NULL;
	for (char *c = strtok_r(text, " \t", &rest); c && err == PW_OK; c = strtok_r(NULL, " \t", &rest))
		err = read_condition(r, rule, c);
	if (err == PW_OK && rule->n == 0)
		return pw_fail(r->why, PW_INVALID, "%s: exclude what? write exclude word=value ...", r->where);
	return err;
}

static enum pw_err read_line(struct grid_reader *r, char *line)
{
	static const char rule[] = "exclude";
	cut_comment(line);
	line = trim(line);
	size_t length = assigned_word(line), word = strcspn(line, " \t");
	if (!*line)
		return PW_OK;
	if (*line == '[')
		return read_block(r, line);
	if (length)
		return read_values(r, line, length);
	if (word == sizeof rule - 1 && strncmp(line, rule, word) == 0)
		return read_rule(r, line + word);
	return pw_fail(r->why, PW_INVALID, "%s: '%.60s' is no line of a grid; write word = value, value, or [block], or exclude "
	               "word=value", r->where, line);
}

static const struct grid_values *values_of(const struct grid *g, unsigned block, enum grid_word w)
{
	if (g->option[w].n)
		return &g->option[w];
	return g->block[block].values[w].n ? &g->block[block].values[w] : &g->block[0].values[w];
}

/* => the grid has this value for the word somewhere. */
static bool has_value(const struct grid *g, enum grid_word w, const char *value)
{
	for (unsigned b = 0; b < g->n_blocks; b++) {
		const struct grid_values *v = values_of(g, b, w);
		for (unsigned i = 0; i < v->n; i++)
			if (strcmp(v->value[i], value) == 0)
				return true;
		if (v->n == 0 && strcmp(value, GRID_DEFAULT) == 0)
			return true;
	}
	return false;
}

static enum pw_err check_rules(const struct grid *g, struct pw_why *why)
{
	double number;
	for (unsigned r = 0; r < g->n_rules; r++)
		for (unsigned c = 0; c < g->rule[r].n; c++) {
			const struct grid_condition *at = &g->rule[r].condition[c];
			if (!grid_number(at->value, &number) && !has_value(g, at->word, at->value))
				return pw_fail(why, PW_INVALID, "%s: %s is never '%s' in this grid", g->rule[r].where,
				               grid_word_name(at->word), at->value);
		}
	return PW_OK;
}

enum pw_err grid_read(struct grid *g, const char *name, const char *text, struct pw_why *why)
{
	struct grid_reader r = { .grid = g, .why = why };
	enum pw_err err = PW_OK;
	char *copy = mem_strdup(text), *at = copy;
	if (!copy)
		return pw_fail(why, PW_NOMEM, "%s: out of memory", name);
	for (unsigned line = 1; err == PW_OK && at; line++) {
		char *this = at;
		at = strchr(at, '\n');
		if (at)
			*at++ = '\0';
		snprintf(r.where, sizeof r.where, "%s:%u", name, line);
		err = read_line(&r, this);
	}
	mem_free(copy);
	return err;
}

static bool condition_holds(const struct grid_condition *c, const struct machine_words *w)
{
	const char *value = grid_word_value(w, c->word);
	double is = 0, wanted = 0;
	value = value ? value : GRID_DEFAULT;
	bool numbers = grid_number(value, &is) && grid_number(c->value, &wanted) && !strchr(value, '%') == !strchr(c->value, '%');
	bool equal = numbers ? is == wanted : strcmp(value, c->value) == 0;
	switch (c->compare) {
	case GRID_EQUAL: return equal;
	case GRID_DIFFERENT: return !equal;
	case GRID_LESS: return numbers && is < wanted;
	case GRID_AT_MOST: return numbers && is <= wanted;
	case GRID_MORE: return numbers && is > wanted;
	case GRID_AT_LEAST: return numbers && is >= wanted;
	}
	return false;
}

static bool excluded(const struct grid *g, unsigned block, const struct machine_words *w)
{
	for (unsigned r = 0; r < g->n_rules; r++) {
		const struct grid_rule *rule = &g->rule[r];
		bool all = rule->block == 0 || rule->block == block;
		for (unsigned c = 0; all && c < rule->n; c++)
			all = condition_holds(&rule->condition[c], w);
		if (all)
			return true;
	}
	return false;
}

struct grid_list {
	struct machine_words *machine;
	unsigned n, room;
};

static enum pw_err list_add(struct grid_list *l, const struct machine_words *w, struct pw_why *why)
{
	if (l->n == GRID_MACHINES_MAX)
		return pw_fail(why, PW_LIMIT, "the grid has more than %d machines", GRID_MACHINES_MAX);
	if (l->n == l->room) {
		struct machine_words *more = mem_realloc(l->machine, l->room * 2 + 16, sizeof *more);
		if (!more)
			return pw_fail(why, PW_NOMEM, "out of memory for the grid");
		l->machine = more;
		l->room = l->room * 2 + 16;
	}
	l->machine[l->n++] = *w;
	return PW_OK;
}

/* => how many choices the block has, excluded ones too; more than the limit is given as limit + 1. */
static uint64_t block_choices(const struct grid *g, unsigned block)
{
	const uint64_t limit = 16ull * GRID_MACHINES_MAX;
	uint64_t all = 1;
	for (unsigned w = 0; w < GRID_WORDS; w++) {
		unsigned n = values_of(g, block, w)->n;
		all *= n ? n : 1;
		if (all > limit)
			return limit + 1;
	}
	return all;
}

static enum pw_err block_multiply(const struct grid *g, unsigned block, struct grid_list *l, struct pw_why *why)
{
	uint64_t all = block_choices(g, block);
	enum pw_err err = PW_OK;
	if (all > 16ull * GRID_MACHINES_MAX)
		return pw_fail(why, PW_LIMIT, "the grid has more than %d machines", GRID_MACHINES_MAX);
	for (uint64_t i = 0; i < all && err == PW_OK; i++) {
		struct machine_words words = { NULL };
		uint64_t rest = i;
		for (unsigned w = GRID_WORDS; w-- > 0;) {
			const struct grid_values *v = values_of(g, block, w);
			if (!v->n)
				continue;
			const char *value = v->value[rest % v->n];
			rest /= v->n;
			*grid_word_place(&words, w) = strcmp(value, GRID_DEFAULT) == 0 ? NULL : value;
		}
		if (!excluded(g, block, &words))
			err = list_add(l, &words, why);
	}
	return err;
}

enum pw_err grid_machines(const struct grid *g, struct machine_words **ret, unsigned *ret_n, struct pw_why *why)
{
	struct grid_list l = { NULL };
	enum pw_err err = check_rules(g, why);
	for (unsigned b = g->n_blocks > 1; b < g->n_blocks && err == PW_OK; b++)
		err = block_multiply(g, b, &l, why);
	if (err == PW_OK && l.n == 0)
		err = pw_fail(why, PW_INVALID, "the rules of the grid exclude every machine");
	if (err != PW_OK) {
		mem_free(l.machine);
		return err;
	}
	*ret = l.machine;
	*ret_n = l.n;
	return PW_OK;
}
