/* ps_show.c - the list of processes as a table and as JSON, and the lines that say what is not in it.
 *
 * Problem.  A table of memory is only honest with what it leaves out: processes of others, threads of the kernel, figures that were
 * hidden, shared pages that were counted twice, and what the looking itself did.
 * Idea.  Such remarks are sentences made once, shown below the table and in the JSON.
 * 1. Names are made visible in the table; in the JSON they are as they are.
 * 2. In the JSON sizes are bytes, rates are faults a second, shares parts of 1, and every figure that was read is there. */
#include "ps.h"
#include "cli.h"
#include "table.h"
#include "visible.h"
#include "remarks.h"
#include "../base/json.h"
#include "../base/text.h"
#include <inttypes.h>
#include <math.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum { USERS_KEPT = 64, TREE_DEEPEST = 40, COMMAND_WIDTH = 48 };

static const char *s(uint64_t n) { return n == 1 ? "" : "s"; }
static const char *es(uint64_t n) { return n == 1 ? "" : "es"; }

static void remark_hidden(struct remarks *m, const struct ps *v)
{
	uint32_t hidden = 0;
	char names[120] = "";
	for (uint32_t i = 0; i < v->list.n; i++)
		hidden += v->list.row[i].hidden != 0;
	for (unsigned i = 0; i < v->n_columns && hidden; i++)
		for (uint32_t k = 0; k < v->list.n && v->column[i] < PROC_FIELDS; k++)
			if (v->list.row[k].hidden >> v->column[i] & 1) {
				size_t n = strlen(names);
				snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", ps_column_name(v->column[i]));
				break;
			}
	if (hidden && *names)
		remark(m, "%s hidden for %" PRIu32 " row%s: %s", names, hidden, s(hidden),
		       geteuid() ? "other users' processes, or ones that guard their memory; root sees them" :
		       "this root may not look into them (a container, or a process that guards its memory)");
	if (v->others_invisible)
		remark(m, "only your own processes are visible: this /proc hides those of other users (hidepid, or a container)");
}

static void remark_left_out(struct remarks *m, const struct ps *v)
{
	uint32_t gone = 0;
	for (uint32_t i = 0; i < v->list.n; i++)
		gone += v->list.row[i].gone;
	if (v->cut)
		remark(m, "%" PRIu32 " more row%s (--top)", v->cut, s(v->cut));
	if (v->kernel_threads)
		remark(m, "%" PRIu32 " thread%s of the kernel or ended process%s without memory of their own left out (--all)",
		       v->kernel_threads, s(v->kernel_threads), es(v->kernel_threads));
	if (gone)
		remark(m, "%" PRIu32 " process%s ended while it was looked at: [ended]", gone, es(gone));
}

static void remark_cost(struct remarks *m, const struct ps *v)
{
	if (v->interval_was > 0)
		remark(m, "rates over %.3g s", v->interval_was);
	if (v->window_was <= 0)
		return;
	remark(m, "wss: pages used within %.3g s; clearing the reference bits took %.1f ms, reading them %.1f ms", v->window_was,
	       v->clear_seconds * 1e3, v->used_seconds * 1e3);
	remark(m, "the reference bits of %" PRIu32 " process%s were cleared: the kernel takes their pages for idle until they are used",
	       v->cleared, es(v->cleared));
}

static void remarks_make(struct remarks *m, const struct ps *v)
{
	m->n = 0;
	if (!procfs_is_this_computer(v->host))
		remark(m, "figures of another computer, from %s", procfs_root(v->host));
	if (v->by_given && ps_has_column(v, PROC_RSS))
		remark(m, "rss added up counts a shared page once for each process; pss does not");
	remark_hidden(m, v);
	remark_cost(m, v);
	remark_left_out(m, v);
}

/* ---- users */

struct user {
	uid_t uid;
	char name[40];
};

/* Each user is looked up once; beyond those kept, every time.  Users of another computer have numbers only. */
static const char *user_name(const struct ps *v, uid_t uid)
{
	static struct user kept[USERS_KEPT];
	static unsigned n;
	for (unsigned i = 0; i < n; i++)
		if (kept[i].uid == uid)
			return kept[i].name;
	struct user *u = &kept[n < USERS_KEPT ? n++ : USERS_KEPT - 1];
	const struct passwd *entry = procfs_is_this_computer(v->host) ? getpwuid(uid) : NULL;
	u->uid = uid;
	if (entry)
		snprintf(u->name, sizeof u->name, "%s", entry->pw_name);
	else
		snprintf(u->name, sizeof u->name, "%u", (unsigned)uid);
	return u->name;
}

/* ---- the table */

static const char *figure_text(const struct ps *v, const struct proclist_row *r, unsigned f, char *buf, size_t size)
{
	uint64_t value = r->value[f];
	if (!(r->known >> f & 1))
		return r->hidden >> f & 1 ? "?" : "-";
	switch (proclist_about[f].kind) {
	case PROC_BYTES: return text_bytes(buf, size, value);
	case PROC_COUNT: return text_count(buf, size, value);
	case PROC_PLAIN: snprintf(buf, size, "%" PRIu64, value); return buf;
	case PROC_SHARE: snprintf(buf, size, "%.1f %%", (double)value / 1e4); return buf;
	case PROC_FAULTS: snprintf(buf, size, "%.1f", (double)value / v->interval_was); return buf;
	}
	return "-";
}

/* The command line, in full where nothing follows; a thread of the kernel by its name in brackets. */
static void add_command(struct ps *v, struct table *t, const struct proclist_row *r, const char *indent, bool last)
{
	char shown[900], line[600];
	const char *text;
	size_t bytes = 0, n = 0;
	enum pw_err err = r->processes > 1 ? PW_NOTFOUND : procfs_read_pid(v->host, r->task.pid, "cmdline", &text, &bytes, NULL);
	for (; err == PW_OK && n < bytes && n < sizeof line - 1; n++)
		line[n] = text[n] ? text[n] : ' ';
	while (n && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	enum table_style style = last ? TABLE_REST : TABLE_LEFT;
	visible(shown, last ? sizeof shown : COMMAND_WIDTH, n ? line : r->task.name);
	table_add(t, style, n ? "%s%s" : "%s[%s]", indent, shown);
}

static void add_word(struct ps *v, struct table *t, const struct proclist_row *r, unsigned column, bool last)
{
	char name[4 * TASK_NAME], indent[2 * TREE_DEEPEST + 1];
	int depth = (int)(r->depth < TREE_DEEPEST ? r->depth : TREE_DEEPEST);
	snprintf(indent, sizeof indent, "%*s", 2 * depth, "");
	if (column == PS_USER)
		table_add(t, TABLE_LEFT, "%s", v->by_given && v->by == PROC_GROUP_NAME ? "-" : user_name(v, r->uid));
	else if (column == PS_STATE)
		table_add(t, TABLE_LEFT, "%c", r->processes > 1 ? '-' : r->task.state);
	else if (column == PS_COMMAND)
		add_command(v, t, r, indent, last);
	else if (v->by_given && v->by == PROC_GROUP_USER)
		table_add(t, TABLE_LEFT, "%" PRIu32 " process%s", r->processes, es(r->processes));
	else
		table_add(t, TABLE_LEFT, "%s%s%s", indent, visible(name, sizeof name, r->task.name), r->gone ? " [ended]" : "");
}

static void add_row(struct ps *v, struct table *t, const struct proclist_row *r)
{
	char buf[40];
	for (unsigned i = 0; i < v->n_columns; i++) {
		if (v->column[i] < PROC_FIELDS)
			table_add(t, TABLE_RIGHT, "%s", figure_text(v, r, v->column[i], buf, sizeof buf));
		else
			add_word(v, t, r, v->column[i], i + 1 == v->n_columns && !v->by_given);
	}
	if (v->by_given)
		table_add(t, TABLE_RIGHT, "%" PRIu32, r->processes);
}

enum pw_err ps_render_text(void *ctx, FILE *out)
{
	struct ps *v = ctx;
	struct table *t;
	struct remarks m;
	enum pw_err err = table_create(v->n_columns + v->by_given, &t);
	if (err)
		return err;
	for (unsigned i = 0; i < v->n_columns; i++)
		table_add(t, v->column[i] < PROC_FIELDS ? TABLE_RIGHT : TABLE_LEFT, "%s", ps_column_name(v->column[i]));
	if (v->by_given)
		table_add(t, TABLE_RIGHT, "processes");
	for (uint32_t i = 0; i < v->list.n; i++)
		add_row(v, t, &v->list.row[i]);
	err = table_print(t, out, false);
	table_destroy(t);
	remarks_make(&m, v);
	for (unsigned i = 0; i < m.n; i++)
		fprintf(out, "%s%s\n", i ? "" : "\n", m.text[i]);
	return err;
}

/* ---- JSON */

static void json_figures(struct jsonw *j, const struct ps *v, const struct proclist_row *r)
{
	for (unsigned f = 0; f < PROC_FIELDS; f++) {
		if (!(r->known >> f & 1))
			continue;
		if (proclist_about[f].kind == PROC_FAULTS)
			jsonw_real(j, proclist_about[f].name, (double)r->value[f] / v->interval_was);
		else if (proclist_about[f].kind == PROC_SHARE)
			jsonw_real(j, proclist_about[f].name, (double)r->value[f] / 1e6);
		else
			jsonw_u64(j, proclist_about[f].name, r->value[f]);
	}
	jsonw_array(j, "hidden");
	for (unsigned f = 0; f < PROC_FIELDS; f++)
		if (r->hidden >> f & 1)
			jsonw_string(j, NULL, proclist_about[f].name);
	jsonw_end(j);
}

static void json_row(struct jsonw *j, const struct ps *v, const struct proclist_row *r)
{
	bool users = v->by_given && v->by == PROC_GROUP_USER, names = v->by_given && v->by == PROC_GROUP_NAME;
	char state[2] = { r->task.state, '\0' };
	jsonw_object(j, NULL);
	if (!users)
		jsonw_string(j, "name", r->task.name);
	if (!names) {
		jsonw_string(j, "username", user_name(v, r->uid));
		jsonw_u64(j, "uid", r->uid);
	}
	if (v->by_given)
		jsonw_u64(j, "processes", r->processes);
	else
		jsonw_string(j, "state", state);
	json_figures(j, v, r);
	if (v->tree)
		jsonw_u64(j, "depth", r->depth);
	if (!v->by_given)
		jsonw_bool(j, "ended", r->gone);
	jsonw_end(j);
}

enum pw_err ps_render_json(void *ctx, FILE *out)
{
	const struct ps *v = ctx;
	struct remarks m;
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "ps");
	jsonw_string(&j, "root", procfs_root(v->host));
	jsonw_string(&j, "sort", proclist_about[v->sort].name);
	if (v->interval_was > 0)
		jsonw_real(&j, "interval_s", v->interval_was);
	if (v->window_was > 0) {
		jsonw_real(&j, "window_s", v->window_was);
		jsonw_real(&j, "clear_s", v->clear_seconds);
		jsonw_real(&j, "read_s", v->used_seconds);
	}
	jsonw_array(&j, "processes");
	for (uint32_t i = 0; i < v->list.n; i++)
		json_row(&j, v, &v->list.row[i]);
	jsonw_end(&j);
	jsonw_object(&j, "left_out");
	jsonw_u64(&j, "beyond_top", v->cut);
	jsonw_u64(&j, "kernel_threads", v->kernel_threads);
	jsonw_u64(&j, "other_users", v->others);
	jsonw_u64(&j, "ended", v->list.ended);
	jsonw_end(&j);
	remarks_make(&m, v);
	jsonw_array(&j, "remarks");
	for (unsigned i = 0; i < m.n; i++)
		jsonw_string(&j, NULL, m.text[i]);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}
