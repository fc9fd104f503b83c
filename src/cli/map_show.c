/* map_show.c - mappings as a table and as JSON: one look, or what two of them differ in.
 *
 * Problem.  A process has hundreds of mappings, of which ten matter; and of a process that is watched, most did not change.
 * Idea.  Everything by address unless another order is asked for; of two looks only what changed; below it sums, and what could not be
 * seen.
 * 1. The JSON has all mappings, and of each every figure that the kernel told under the kernel's own name.
 * 2. Names are made visible in the text; in the JSON they are as the kernel wrote them. */
#include "map.h"
#include "cli.h"
#include "table.h"
#include "visible.h"
#include "remarks.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_SHOWN = 400 };

static const char *s(uint64_t n) { return n == 1 ? "" : "s"; }

static void remark_watched(struct remarks *m, const struct map *v)
{
	char a[40], b[40];
	const struct task *x = &v->look[0].task, *y = &v->look[1].task;
	remark(m, "watched for %.3g s: %s minor and %s major faults by the process's own count", v->watched,
	       text_count(a, sizeof a, y->minflt - x->minflt), text_count(b, sizeof b, y->majflt - x->majflt));
	if (*v->faults_why.text)
		remark(m, "where it faulted is not known: %s", v->faults_why.text);
	if (v->faults_seen && !v->faults_in_kernel)
		remark(m, "faults that system calls caused are not among those of the mappings: the kernel shows them to root only");
	if (v->faults_elsewhere)
		remark(m, "%" PRIu64 " fault%s in mappings that came and went in between", v->faults_elsewhere, s(v->faults_elsewhere));
	if (v->faults_lost)
		remark(m, "%" PRIu64 " fault%s came too fast to be seen", v->faults_lost, s(v->faults_lost));
}

static void remarks_make(struct remarks *m, const struct map *v)
{
	m->n = 0;
	if (!procfs_is_this_computer(v->host))
		remark(m, "figures of another computer, from %s", procfs_root(v->host));
	if (v->plain)
		remark(m, "this kernel has no smaps: what is resident is not known");
	if (!v->last->maps.n)
		remark(m, "no mappings: a thread of the kernel, or a process that has ended");
	if (v->not_read)
		remark(m, "%" PRIu32 " mapping%s of more than 1T not looked into: without PAGEMAP_SCAN pages are read one by one",
		       v->not_read, s(v->not_read));
	if (v->watch > 0)
		remark_watched(m, v);
}

/* ---- one look */

static uint64_t order_value(enum map_sort by, const struct maps_entry *e)
{
	switch (by) {
	case MAP_BY_SIZE: return e->end - e->start;
	case MAP_BY_RSS: return e->figure[MAPS_RSS];
	case MAP_BY_DIRTY: return map_dirty(e);
	case MAP_BY_SWAP: return e->figure[MAPS_SWAP];
	case MAP_BY_HUGE: return map_huge(e);
	case MAP_BY_ADDRESS: break;
	}
	return 0;
}

static int compare(const void *x, const void *y, void *ctx)
{
	const struct maps_entry *a = *(const struct maps_entry *const *)x, *b = *(const struct maps_entry *const *)y;
	uint64_t v = order_value(*(const enum map_sort *)ctx, a), w = order_value(*(const enum map_sort *)ctx, b);
	return v != w ? (v < w) - (v > w) : (a->start > b->start) - (a->start < b->start);
}

/* => the mappings in the order asked for; mem_free releases it. */
static const struct maps_entry **ordered(const struct map *v)
{
	const struct maps *m = &v->last->maps;
	enum map_sort by = v->sort;
	const struct maps_entry **order = mem_zalloc(m->n + 1, sizeof *order);
	for (uint32_t i = 0; order && i < m->n; i++)
		order[i] = &m->entry[i];
	if (order && m->n)
		qsort_r(order, m->n, sizeof *order, compare, &by);
	return order;
}

static void add_bytes(struct table *t, bool known, uint64_t bytes)
{
	char buf[40];
	if (!known)
		table_add(t, TABLE_RIGHT, "-");
	else if (!bytes)
		table_add(t, TABLE_RIGHT, ".");
	else
		table_add(t, TABLE_RIGHT, "%s", text_bytes(buf, sizeof buf, bytes));
}

static bool is_known(const struct maps_entry *e, enum maps_figure f) { return e->known >> f & 1; }

static void add_mapping(struct table *t, const struct maps_entry *e)
{
	char prot[5], name[NAME_MAX_SHOWN];
	table_add(t, TABLE_RIGHT, "%" PRIx64, e->start);
	add_bytes(t, true, e->end - e->start);
	add_bytes(t, is_known(e, MAPS_RSS), e->figure[MAPS_RSS]);
	add_bytes(t, is_known(e, MAPS_PRIVATE_DIRTY), map_dirty(e));
	add_bytes(t, is_known(e, MAPS_SWAP), e->figure[MAPS_SWAP]);
	add_bytes(t, is_known(e, MAPS_ANON_HUGE), map_huge(e));
	table_add(t, TABLE_LEFT, "%s", maps_prot_text(prot, e));
	table_add(t, TABLE_REST, "%s", visible(name, sizeof name, e->name));
}

static void add_sum(struct table *t, const struct map *v)
{
	const struct maps *m = &v->last->maps;
	uint64_t size = 0, dirty = 0, huge = 0;
	bool known = !v->plain && m->n;
	for (uint32_t i = 0; i < m->n; i++) {
		size += m->entry[i].end - m->entry[i].start;
		dirty += map_dirty(&m->entry[i]);
		huge += map_huge(&m->entry[i]);
	}
	table_add(t, TABLE_RIGHT, "all");
	add_bytes(t, true, size);
	add_bytes(t, known, maps_sum(m, MAPS_RSS));
	add_bytes(t, known, dirty);
	add_bytes(t, known, maps_sum(m, MAPS_SWAP));
	add_bytes(t, known, huge);
	table_add(t, TABLE_LEFT, "%s", "");
	table_add(t, TABLE_REST, "%" PRIu32 " mapping%s", m->n, s(m->n));
}

static enum pw_err render_look(const struct map *v, FILE *out)
{
	static const char *const heads[] = { "address", "size", "rss", "dirty", "swap", "huge" };
	struct table *t;
	const struct maps_entry **order = ordered(v);
	enum pw_err err = order ? table_create(8, &t) : PW_NOMEM;
	if (err == PW_OK) {
		for (unsigned i = 0; i < 6; i++)
			table_add(t, TABLE_RIGHT, "%s", heads[i]);
		table_add(t, TABLE_LEFT, "%s", "prot");
		table_add(t, TABLE_REST, "name");
		for (uint32_t i = 0; i < v->last->maps.n && (!v->top || i < v->top); i++)
			add_mapping(t, order[i]);
		if (v->top && v->top < v->last->maps.n) {
			table_add(t, TABLE_RIGHT, "...");
			for (unsigned i = 1; i < 7; i++)
				table_add(t, TABLE_LEFT, "%s", "");
			table_add(t, TABLE_REST, "%" PRIu64 " more (--top)", v->last->maps.n - v->top);
		}
		add_sum(t, v);
		err = table_print(t, out, false);
		table_destroy(t);
	}
	mem_free(order);
	return err;
}

/* ---- two looks */

static int64_t growth(const struct map_change *c, uint64_t (*value)(const struct maps_entry *))
{
	return (int64_t)((c->now ? value(c->now) : 0) - (c->before ? value(c->before) : 0));
}
static uint64_t size_of(const struct maps_entry *e) { return e->end - e->start; }
static uint64_t rss_of(const struct maps_entry *e) { return e->figure[MAPS_RSS]; }
static uint64_t swap_of(const struct maps_entry *e) { return e->figure[MAPS_SWAP]; }

static bool changed(const struct map_change *c)
{
	const struct pagemap_change *p = &c->pages;
	return !c->now || !c->before || growth(c, size_of) || growth(c, rss_of) || growth(c, map_dirty) || growth(c, swap_of) ||
	       p->arrived || p->left || p->swapped_out || p->swapped_in || p->other || c->minor || c->major;
}

static void add_growth(struct table *t, int64_t bytes)
{
	char buf[40];
	if (!bytes)
		table_add(t, TABLE_RIGHT, ".");
	else
		table_add(t, TABLE_RIGHT, "%c%s", bytes < 0 ? '-' : '+', text_bytes(buf, sizeof buf, (uint64_t)llabs(bytes)));
}

static void add_count(struct table *t, bool known, uint64_t n)
{
	char buf[40];
	table_add(t, TABLE_RIGHT, "%s", !known ? "-" : n ? text_count(buf, sizeof buf, n) : ".");
}

static void add_change(struct table *t, const struct map *v, const struct map_change *c)
{
	const struct maps_entry *e = c->now ? c->now : c->before;
	char name[NAME_MAX_SHOWN];
	table_add(t, TABLE_RIGHT, "%" PRIx64, e->start);
	add_growth(t, growth(c, size_of));
	add_growth(t, growth(c, rss_of));
	add_growth(t, growth(c, map_dirty));
	add_count(t, true, c->pages.arrived);
	add_count(t, true, c->pages.left);
	add_count(t, true, c->pages.swapped_out);
	add_count(t, true, c->pages.swapped_in);
	add_count(t, v->faults_seen, c->minor);
	add_count(t, v->faults_seen, c->major);
	table_add(t, TABLE_REST, "%s%s", !c->now ? "(gone) " : !c->before ? "(new) " : "",
	          *e->name ? visible(name, sizeof name, e->name) : "anonymous");
}

static enum pw_err render_changes(const struct map *v, FILE *out)
{
	static const char *const heads[] = { "address", "size", "rss", "dirty", "arrived", "left", "to swap", "from swap", "minflt",
		"majflt" };
	struct table *t;
	uint64_t shown = 0;
	enum pw_err err = table_create(11, &t);
	if (err)
		return err;
	for (unsigned i = 0; i < 10; i++)
		table_add(t, TABLE_RIGHT, "%s", heads[i]);
	table_add(t, TABLE_REST, "name");
	for (uint32_t i = 0; i < v->n_changes; i++)
		if ((v->all || changed(&v->change[i])) && (!v->top || shown < v->top)) {
			add_change(t, v, &v->change[i]);
			shown++;
		}
	if (shown)
		err = table_print(t, out, false);
	else
		fprintf(out, "nothing changed\n");
	table_destroy(t);
	return err;
}

enum pw_err map_render_text(void *ctx, FILE *out)
{
	struct map *v = ctx;
	char name[4 * TASK_NAME];
	struct remarks m;
	fprintf(out, "process %" PRIu32 ", %s\n", v->pid, visible(name, sizeof name, v->last->task.name));
	enum pw_err err = v->range ? map_render_grid(v, out) : v->watch > 0 ? render_changes(v, out) : render_look(v, out);
	remarks_make(&m, v);
	for (unsigned i = 0; i < m.n; i++)
		fprintf(out, "%s%s\n", i ? "" : "\n", m.text[i]);
	return err;
}

/* ---- JSON */

/* The kernel's own figures under its own names, kB as they are. */
static void json_smaps(struct jsonw *j, const struct maps *m, const struct maps_entry *e)
{
	jsonw_object(j, "smaps");
	for (unsigned f = 0; f < MAPS_FIGURES; f++)
		if (is_known(e, f))
			jsonw_u64(j, maps_figure_word(f), e->figure[f] / 1024);
	for (uint32_t i = 0; i < e->n_more; i++) {
		const struct maps_more *more = &m->more[e->first_more + i];
		char number[24];
		uint64_t value;
		size_t n = strlen(more->value), digits = strspn(more->value, "0123456789");
		bool plain = digits && digits < sizeof number && (digits == n || strcmp(more->value + digits, " kB") == 0);
		snprintf(number, sizeof number, "%.*s", plain ? (int)digits : 0, more->value);
		if (plain && text_u64(number, &value, NULL) == PW_OK)
			jsonw_u64(j, more->key, value);
		else
			jsonw_string(j, more->key, more->value);
	}
	jsonw_end(j);
}

static void json_entry(struct jsonw *j, const struct maps *m, const struct maps_entry *e)
{
	char text[40];
	jsonw_hex(j, "start", e->start);
	jsonw_hex(j, "end", e->end);
	jsonw_u64(j, "bytes", e->end - e->start);
	jsonw_string(j, "prot", maps_prot_text(text, e));
	jsonw_string(j, "name", e->name);
	jsonw_u64(j, "offset", e->offset);
	snprintf(text, sizeof text, "%02" PRIx32 ":%02" PRIx32, e->dev_major, e->dev_minor);
	jsonw_string(j, "device", text);
	jsonw_u64(j, "inode", e->inode);
	if (is_known(e, MAPS_RSS)) {
		jsonw_u64(j, "rss", e->figure[MAPS_RSS]);
		jsonw_u64(j, "dirty", map_dirty(e));
		jsonw_u64(j, "swap", e->figure[MAPS_SWAP]);
		jsonw_u64(j, "huge", map_huge(e));
	}
	json_smaps(j, m, e);
}

static void json_change(struct jsonw *j, const struct map *v, const struct map_change *c)
{
	const struct maps *m = c->now ? &v->look[1].maps : &v->look[0].maps;
	jsonw_object(j, NULL);
	json_entry(j, m, c->now ? c->now : c->before);
	jsonw_object(j, "change");
	jsonw_string(j, "mapping", !c->now ? "gone" : !c->before ? "new" : "kept");
	jsonw_i64(j, "bytes", growth(c, size_of));
	jsonw_i64(j, "rss", growth(c, rss_of));
	jsonw_i64(j, "dirty", growth(c, map_dirty));
	jsonw_i64(j, "swap", growth(c, swap_of));
	jsonw_u64(j, "pages_arrived", c->pages.arrived);
	jsonw_u64(j, "pages_left", c->pages.left);
	jsonw_u64(j, "pages_to_swap", c->pages.swapped_out);
	jsonw_u64(j, "pages_from_swap", c->pages.swapped_in);
	jsonw_u64(j, "pages_other", c->pages.other);
	if (v->faults_seen) {
		jsonw_u64(j, "minflt", c->minor);
		jsonw_u64(j, "majflt", c->major);
	}
	jsonw_end(j);
	jsonw_end(j);
}

static void json_mappings(struct jsonw *j, const struct map *v)
{
	jsonw_array(j, "mappings");
	for (uint32_t i = 0; i < v->n_changes; i++)
		json_change(j, v, &v->change[i]);
	for (uint32_t i = 0; i < v->last->maps.n && v->watch <= 0; i++) {
		jsonw_object(j, NULL);
		json_entry(j, &v->last->maps, &v->last->maps.entry[i]);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_watched(struct jsonw *j, const struct map *v)
{
	const struct task *a = &v->look[0].task, *b = &v->look[1].task;
	if (v->watch <= 0)
		return;
	jsonw_real(j, "watched_s", v->watched);
	jsonw_u64(j, "minflt", b->minflt - a->minflt);
	jsonw_u64(j, "majflt", b->majflt - a->majflt);
}

enum pw_err map_render_json(void *ctx, FILE *out)
{
	const struct map *v = ctx;
	struct jsonw j;
	struct remarks m;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "map");
	jsonw_string(&j, "root", procfs_root(v->host));
	jsonw_u64(&j, "pid", v->pid);
	jsonw_string(&j, "name", v->last->task.name);
	jsonw_u64(&j, "page_bytes", pagemap_page_bytes());
	json_watched(&j, v);
	json_mappings(&j, v);
	if (v->pages)
		jsonw_string(&j, "source", pagemap_source_word(pagemap_source(v->pages)));
	if (v->range)
		map_json_pages(v, &j);
	remarks_make(&m, v);
	jsonw_array(&j, "remarks");
	for (unsigned i = 0; i < m.n; i++)
		jsonw_string(&j, NULL, m.text[i]);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}
