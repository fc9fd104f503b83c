/* map.c - pageworks map: the mappings of a process, its pages, and what changes in them.
 *
 * Problem.  "What is all this memory?" has an answer in three files of the kernel that nobody reads together: which mappings there
 * are, how much of each is resident, dirty and swapped, and which pages those are; and most often the question is what happens, not
 * what is.
 *
 * Idea.  A look is a process at one moment: its mappings with figures and, where pages are asked for, runs of like pages.  One look is
 * shown; two are compared, and the faults that happened between them are counted where they happened.
 *
 *     look (mappings, [pages])  ->  --watch: faults as they come  ->  look again  ->  compare  ->  table, grid, JSON
 *
 * 1. Nothing on the host is changed; the process is not stopped, so a look is not of one instant.
 * 2. What could not be seen is said, and not shown as zero.
 *
 * Rejected: stopping the process for a consistent look (it changes what is watched); soft-dirty bits (clearing them is a write). */
#include "map.h"
#include "cli.h"
#include "interrupt.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum map_key { KEY_JSON = 0x200, KEY_SORT, KEY_GRID, KEY_ZOOM, KEY_WATCH, KEY_SOURCE };

static const struct argp_option map_options[] = {
	{ "grid", KEY_GRID, "RANGE", OPTION_ARG_OPTIONAL,
	  "a character for each page: of all resident mappings; of START-END (hexadecimal); of the mapping at an address; of those "
	  "with a name like this" },
	{ "zoom", KEY_ZOOM, "N", 0, "pages to a character of the grid (default: as many as fit a screen)" },
	{ "watch", 'w', "SECONDS", 0, "look twice, this far apart: what changed, and the faults in between" },
	{ "sort", KEY_SORT, "WHAT", 0, "address (default), size, rss, dirty, swap, huge: largest first" },
	{ "top", 'n', "N", 0, "the first N mappings only" },
	{ "all", 'a', NULL, 0, "with --watch: the mappings that did not change, too" },
	{ "source", KEY_SOURCE, "HOW", 0, "read pages by auto (default), scan (PAGEMAP_SCAN), words (pagemap), frames (for root)" },
	{ "json", KEY_JSON, "FILE", 0, "the same as JSON ('-': standard output, instead of the text)" },
	{ "output", 'o', "FILE", 0, "where the text goes (default: standard output)" },
	{ 0 },
};

/* ---- words */

static unsigned one_of(const char *what, const char *word, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return i;
	exit(cli_unknown(what, word, names, n));
}

static double seconds_parse(const char *word)
{
	char *end;
	double v = strtod(word, &end);
	if (end == word || *end || !isfinite(v) || v < 0.001 || v > 86400)
		exit(cli_error("--watch: '%s' is no time; write seconds, from 0.001 to 86400", word));
	return v;
}

static uint64_t count_parse(const char *option, const char *word)
{
	struct pw_why why;
	uint64_t n;
	if (text_size_option(option, word, &n, &why) != PW_OK)
		exit(cli_error("%s", why.text));
	if (!n || n > 1ull << 40)
		exit(cli_error("%s: a number from 1 to 1T", option));
	return n;
}

static void pid_parse(struct map *v, const struct argp_state *state, const char *word)
{
	const struct argp_option *const lists[] = { map_options };
	int at = state->next - 1;
	uint64_t pid;
	if (v->pid)
		exit(cli_error("%s: one process at a time", word));
	if (strcmp(word, "self") == 0)
		exit(cli_error("self: that would be pageworks; give the number of a process"));
	if (text_u64(word, &pid, NULL) != PW_OK || !pid || pid > INT32_MAX)
		exit(cli_error("'%s' is no process: give its number ('pageworks ps' lists them)", word));
	v->pid = (uint32_t)pid;
	if (cli_check_options(state->argc - at, state->argv + at, lists, 1) != CLI_OK)
		exit(CLI_FAILED);
}

static error_t map_parse(int key, char *arg, struct argp_state *state)
{
	static const char *const sorts[] = { "address", "size", "rss", "dirty", "swap", "huge" };
	static const char *const sources[] = {
#define X(name, word) word,
		PAGEMAP_SOURCE_LIST(X)
#undef X
	};
	struct map *v = state->input;
	switch (key) {
	case KEY_GRID: v->range = arg ? arg : ""; break;
	case KEY_ZOOM: v->zoom = count_parse("--zoom", arg); break;
	case 'w': v->watch = seconds_parse(arg); break;
	case KEY_SORT: v->sort = (enum map_sort)one_of("order", arg, sorts, 6); break;
	case 'n': v->top = count_parse("--top", arg); break;
	case 'a': v->all = true; break;
	case KEY_SOURCE: v->source = (enum pagemap_source)one_of("source of pages", arg, sources, PAGEMAP_SOURCES); break;
	case KEY_JSON: v->json.name = arg; break;
	case 'o': v->text.name = arg; break;
	case ARGP_KEY_ARG: pid_parse(v, state, arg); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp map_argp = {
	map_options, map_parse, "PID",
	"Shows the mappings of a process: how much of each is resident, dirty, swapped and in huge pages; a picture of its pages; what "
	"changes while it is watched.  Nothing needs root for processes of your own.\v"
	"Examples:\n"
	"  pageworks map $$\n"
	"  pageworks map --sort rss -n 10 $(pidof redis-server)\n"
	"  pageworks map --grid=heap $(pidof redis-server)      a character for each page of the heap\n"
	"  pageworks map --grid=7f0000000000-7f0000400000 --zoom 1 1234\n"
	"  pageworks map --watch 5 1234                         what changed in five seconds, and where it faulted\n",
	NULL, NULL, NULL,
};

/* ---- figures and ranges */

uint64_t map_dirty(const struct maps_entry *e) { return e->figure[MAPS_PRIVATE_DIRTY] + e->figure[MAPS_SHARED_DIRTY]; }

uint64_t map_huge(const struct maps_entry *e)
{
	return e->figure[MAPS_ANON_HUGE] + e->figure[MAPS_SHMEM_HUGE] + e->figure[MAPS_FILE_HUGE] + e->figure[MAPS_PRIVATE_HUGETLB] +
	       e->figure[MAPS_SHARED_HUGETLB];
}

static bool hex(const char *word, size_t n, uint64_t *ret)
{
	char *end, copy[20];
	if (!n || n >= sizeof copy || word[0] == '-' || word[0] == '+' || word[0] == ' ')
		return false;
	memcpy(copy, word, n);
	copy[n] = '\0';
	*ret = strtoull(copy, &end, 16);
	return *end == '\0';
}

/* "START-END", or an address.  => false: it is a name. */
static bool range_parse(const char *text, uint64_t *start, uint64_t *end)
{
	const char *dash = strchr(text, '-');
	if (!hex(text, dash ? (size_t)(dash - text) : strlen(text), start))
		return false;
	*end = *start;
	return !dash || hex(dash + 1, strlen(dash + 1), end);
}

static bool resident(const struct maps_entry *e)
{
	return !e->known || e->figure[MAPS_RSS] || e->figure[MAPS_SWAP] || map_huge(e);
}

bool map_in_range(const struct map *v, const struct maps_entry *e, uint64_t *start, uint64_t *end)
{
	uint64_t from, to, page = pagemap_page_bytes();
	*start = e->start;
	*end = e->end;
	if (e->end > 1ull << 63) /* the kernel's half: vsyscall has no pages of the process */
		return false;
	if (!v->range || !*v->range)
		return resident(e);
	if (!range_parse(v->range, &from, &to))
		return strstr(e->name, v->range) || (!*e->name && strcmp(v->range, "anonymous") == 0);
	if (from == to)
		return e->start <= from && from < e->end;
	from -= from % page;
	to += (page - to % page) % page;
	*start = from > e->start ? from : e->start;
	*end = to < e->end ? to : e->end;
	return *start < *end;
}

static enum pw_err range_check(const struct map *v, struct pw_why *why)
{
	uint64_t start, end;
	for (uint32_t i = 0; i < v->last->maps.n; i++)
		if (map_in_range(v, &v->last->maps.entry[i], &start, &end))
			return PW_OK;
	if (!*v->range)
		return PW_OK;
	if (range_parse(v->range, &start, &end) && end < start)
		return pw_fail(why, PW_INVALID, "--grid: '%s' ends before it begins", v->range);
	return pw_fail(why, PW_INVALID, "--grid: no mapping is called or lies at '%s'; give START-END, an address or part of a name",
	               v->range);
}

/* ---- looks */

/* Without the figures a kernel that has none still tells the mappings. */
static enum pw_err look_maps(struct map *v, struct map_look *look, struct pw_why *why)
{
	enum pw_err err = task_read(v->host, v->pid, &look->task, why);
	if (err == PW_OK)
		err = maps_read(v->host, v->pid, MAPS_DETAILED, &look->maps, why);
	v->plain = err == PW_UNSUPPORTED;
	return v->plain ? maps_read(v->host, v->pid, MAPS_PLAIN, &look->maps, why) : err;
}

/* By frames where dirty pages are to be told one by one and there is a file to them; by the usual way otherwise. */
static struct pagemap *pages_for(const struct map *v, const struct maps_entry *e)
{
	bool some = map_dirty(e) && map_dirty(e) < e->figure[MAPS_RSS] && e->figure[MAPS_RSS] > e->figure[MAPS_ANONYMOUS];
	return v->frames && some ? v->frames : v->pages;
}

static enum pw_err look_pages(struct map *v, struct map_look *look, struct pw_why *why)
{
	v->not_read = 0;
	for (uint32_t i = 0; i < look->maps.n; i++) {
		const struct maps_entry *e = &look->maps.entry[i];
		uint64_t start, end;
		if (!map_in_range(v, e, &start, &end))
			continue;
		struct pagemap *pages = pages_for(v, e);
		enum pw_err err = pagemap_read(pages, start, end, &look->runs, why);
		if (err == PW_LIMIT && pages != v->pages)
			err = pagemap_read(v->pages, start, end, &look->runs, why);
		if (err == PW_LIMIT)
			v->not_read++;
		else if (err)
			return err;
	}
	return PW_OK;
}

static void look_fini(struct map_look *look)
{
	maps_fini(&look->maps);
	pagemap_runs_fini(&look->runs);
}

static enum pw_err pages_open(struct map *v, struct pw_why *why)
{
	enum pw_err err = pagemap_open(v->host, v->pid, v->source, &v->pages, why);
	if (err == PW_OK && v->source == PAGEMAP_BY_AUTO && v->range &&
	    pagemap_open(v->host, v->pid, PAGEMAP_BY_FRAMES, &v->frames, NULL) != PW_OK)
		v->frames = NULL; /* it is for root; the grid says what is missing without it */
	return err;
}

/* ---- two looks compared */

/* The mapping of the first look that overlaps this one; the one with the same beginning before any other. */
static const struct maps_entry *entry_before(const struct maps *m, const struct maps_entry *e)
{
	const struct maps_entry *same = maps_find(m, e->start);
	for (uint32_t i = 0; !same && i < m->n && m->entry[i].start < e->end; i++)
		same = m->entry[i].end > e->start ? &m->entry[i] : NULL;
	return same;
}

static void change_add(struct map *v, const struct maps_entry *now_entry, const struct maps_entry *before)
{
	const struct maps_entry *e = now_entry ? now_entry : before;
	struct map_change *c = &v->change[v->n_changes++];
	*c = (struct map_change){ .now = now_entry, .before = before };
	uint32_t mask = PAGEMAP_FILE | (pagemap_known(v->pages) & PAGEMAP_HUGE);
	c->pages = pagemap_compare(&v->look[0].runs, &v->look[1].runs, e->start, e->end, mask);
}

static enum pw_err compare(struct map *v, struct pw_why *why)
{
	const struct maps *a = &v->look[0].maps, *b = &v->look[1].maps;
	v->change = mem_zalloc((size_t)a->n + b->n + 1, sizeof *v->change);
	if (!v->change)
		return pw_fail(why, PW_NOMEM, "out of memory for what changed");
	for (uint32_t i = 0; i < b->n; i++)
		change_add(v, &b->entry[i], entry_before(a, &b->entry[i]));
	for (uint32_t i = 0; i < a->n; i++)
		if (!entry_before(b, &a->entry[i]))
			change_add(v, NULL, &a->entry[i]);
	return PW_OK;
}

static enum pw_err second_look(struct map *v, struct pw_why *why)
{
	enum pw_err err = look_maps(v, &v->look[1], why);
	if (err == PW_OK && v->look[1].task.starttime != v->look[0].task.starttime)
		err = pw_fail(why, PW_NOTFOUND, "process %u ended while it was watched, and its number was used again", v->pid);
	if (err == PW_OK)
		err = look_pages(v, &v->look[1], why);
	v->last = &v->look[1];
	return err == PW_OK ? compare(v, why) : err;
}

static enum pw_err first_look(struct map *v, struct pw_why *why)
{
	v->last = &v->look[0];
	enum pw_err err = look_maps(v, &v->look[0], why);
	if (err == PW_OK && v->range)
		err = range_check(v, why);
	if (err == PW_OK && (v->range || v->watch > 0))
		err = pages_open(v, why);
	return err == PW_OK && v->pages ? look_pages(v, &v->look[0], why) : err;
}

/* The faults are watched from before the first look to after the second: one too many is better than one too few. */
static enum pw_err looks(struct map *v, struct pw_why *why)
{
	struct map_watch *w = NULL;
	enum pw_err err = v->watch > 0 ? map_watch_begin(v, &w, why) : PW_OK;
	if (err == PW_OK)
		err = first_look(v, why);
	if (err == PW_OK && w)
		err = map_watch_wait(w, why);
	if (err == PW_OK && w)
		err = second_look(v, why);
	if (err == PW_OK && w)
		err = map_watch_deal(w, why);
	map_watch_end(w);
	return err;
}

static int gather(struct map *v)
{
	struct pw_why why = { "" };
	enum pw_err err = procfs_open(NULL, &v->host, &why);
	interrupt_watch();
	if (err == PW_OK)
		err = looks(v, &why);
	interrupt_unwatch();
	return err == PW_OK ? CLI_OK : cli_error("%s", *why.text ? why.text : pw_err_text(err));
}

static void map_fini(struct map *v)
{
	look_fini(&v->look[0]);
	look_fini(&v->look[1]);
	pagemap_close(v->pages);
	pagemap_close(v->frames);
	procfs_close(v->host);
	mem_free(v->change);
}

static int words_check(const struct map *v)
{
	if (!v->pid)
		return cli_error("which process? give its number; 'pageworks ps' lists them");
	if (v->zoom && !v->range)
		return cli_error("--zoom is about the grid: add --grid");
	if (v->range && v->watch > 0)
		return cli_error("--grid and --watch: give one of them");
	return CLI_OK;
}

int cli_map(int argc, char **argv)
{
	const struct argp_option *const lists[] = { map_options };
	struct map v = { .text = { .option = "--output", .what = "map" }, .json = { .option = "--json", .what = "JSON" } };
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK || argp_parse(&map_argp, argc, argv, ARGP_IN_ORDER, NULL, &v) ||
	    words_check(&v) != CLI_OK)
		return CLI_FAILED;
	int status = outputs_open(&v.text, &v.json);
	if (status == CLI_OK)
		status = gather(&v);
	if (status == CLI_OK)
		status = outputs_write(&v.text, map_render_text, &v.json, map_render_json, &v);
	output_close(&v.text);
	output_close(&v.json);
	map_fini(&v);
	return status;
}
