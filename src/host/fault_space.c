/* fault_space.c - what was mapped and touched, process by process.
 *
 * Problem.  A fault is an address; what it means depends on what lay there at that moment and on whether the page was there before.
 * The kernel reports mappings that appear, grow, or change rights in one and the same way, merged with their neighbours, and does not
 * report those that go.
 *
 * Idea.  Mappings are intervals; a report is compared with what was known of its range:
 *
 *     known      |---- A ----|      |-- B --|            A: same kind, same rights
 *     reported        |==================|               B: same kind, other rights
 *                     '-1-''---2--''--3--'
 *
 *     1  kept, when the report is larger than A (it grew, or was merged); the same range again is a new mapping in its place
 *     2  new
 *     3  other rights; the pages stay
 *
 * A new mapping has no pages.  Where a report covers more than what was known, the old part may have been unmapped and mapped
 * again together with the new: its pages become doubtful, except in heap and stack, which are known to grow.
 *
 * 1. Mappings of a space do not overlap.
 * 2. A fork gives the child all that the parent knows; both count one fork more, so that pages touched before are known to be
 *    shared until written.
 *
 * Rejected: reading /proc/PID/maps at each fault (it is late: the mapping may be gone); forgetting pages at each report (then a page
 * copied after a fork would count as new). */
#include "fault_space.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include "maps.h"
#include "pagemap.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_SHIFT = 12, COMM_BYTES = 16 };

struct space {
	uint32_t pid;
	char comm[COMM_BYTES];
	struct itree maps;
	struct htab pages;
	uint64_t forks;
};

struct spaces {
	struct htab by_pid;      /* pid -> index */
	struct space **space;
	uint32_t n, room;
	char **name;             /* each once */
	uint32_t n_names, room_names;
	struct htab by_text;     /* hash of a name -> index of the last one that has it */
	space_tell *tell;
	void *ctx;
};

/* ---- names */

static uint64_t name_hash(const char *s)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 1099511628211u;
	return h;
}

/* => false: out of memory.  Two names with one hash are kept apart, the second without being found again. */
static bool name_index(struct spaces *s, const char *text, uint32_t *ret)
{
	uint64_t hash = name_hash(text), *at = htab_get(&s->by_text, hash);
	if (at && strcmp(s->name[*at], text) == 0) {
		*ret = (uint32_t)*at;
		return true;
	}
	if (s->n_names == s->room_names) {
		char **more = mem_realloc(s->name, s->room_names * 2 + 64, sizeof *more);
		if (!more)
			return false;
		s->name = more;
		s->room_names = s->room_names * 2 + 64;
	}
	char *copy = mem_strdup(text);
	at = copy ? htab_put(&s->by_text, hash) : NULL;
	if (!at) {
		mem_free(copy);
		return false;
	}
	*at = *ret = s->n_names;
	s->name[s->n_names++] = copy;
	return true;
}

const char *spaces_name(const struct spaces *s, uint32_t name) { return name < s->n_names ? s->name[name] : ""; }

/* ---- one space */

static struct space_mapping *mapping_of(struct itree_node *n) { return (struct space_mapping *)n; }

static void space_clear(struct space *s)
{
	for (struct itree_node *n; (n = itree_first(&s->maps));) {
		itree_remove(&s->maps, n);
		mem_free(mapping_of(n));
	}
	htab_clear(&s->pages);
}

static void space_destroy(struct space *s)
{
	if (!s)
		return;
	space_clear(s);
	htab_fini(&s->pages);
	mem_free(s);
}

const struct space_mapping *space_find(const struct space *s, uint64_t address)
{
	return mapping_of(itree_find(&s->maps, address));
}

bool space_page(const struct space *s, uint64_t page, uint64_t *ret)
{
	uint64_t *at = htab_get(&s->pages, page);
	*ret = at ? *at : 0;
	return at != NULL;
}

enum pw_err space_touch(struct space *s, uint64_t page, uint64_t n, unsigned flags)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t *at = htab_put(&s->pages, page + i);
		if (!at)
			return PW_NOMEM;
		*at = s->forks << PAGE_FORKS_SHIFT | flags;
	}
	return PW_OK;
}

uint64_t space_forks(const struct space *s) { return s->forks; }
const char *space_comm(const struct space *s) { return s->comm; }

static void page_change(struct space *s, uint64_t page, bool forget)
{
	uint64_t *at = htab_get(&s->pages, page);
	if (at && forget)
		htab_delete(&s->pages, page);
	else if (at)
		*at |= PAGE_DOUBTFUL;
}

/* Of what is known of the pages in a range: forgets it, or marks it doubtful. */
static void pages_change(struct space *s, uint64_t start, uint64_t end, bool forget)
{
	uint64_t first = start >> PAGE_SHIFT, last = (end - 1) >> PAGE_SHIFT, key, value;
	if (last - first < s->pages.count) {
		for (uint64_t page = first; page <= last; page++)
			page_change(s, page, forget);
		return;
	}
	for (uint64_t i = 0; htab_each(&s->pages, &i, &key, &value);) {
		if (key < first || key > last)
			continue;
		page_change(s, key, forget);
		i -= forget; /* another entry may have moved to the place of the deleted one */
	}
}

/* ---- reports of mappings */

static bool same_kind(const struct space_mapping *a, const struct space_mapping *b)
{
	if (a->shared != b->shared || a->anonymous != b->anonymous || a->name != b->name)
		return false;
	return a->anonymous || (a->inode == b->inode && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	                        a->offset - a->node.start == b->offset - b->node.start);
}

static void tell(const struct spaces *s, const struct space *space, enum space_change_kind kind, uint64_t start, uint64_t end,
                 const struct space_mapping *m)
{
	if (s->tell && start < end)
		s->tell(s->ctx, space->pid, &(struct space_change){ kind, start, end, m, spaces_name(s, m->name) });
}

static bool grows(const struct spaces *s, const struct space_mapping *m)
{
	const char *name = spaces_name(s, m->name);
	return strcmp(name, "[heap]") == 0 || strcmp(name, "[stack]") == 0;
}

/* The part of the report that lies over the old mapping. */
static void overlap_settle(struct spaces *s, struct space *space, const struct space_mapping *old, const struct space_mapping *m)
{
	uint64_t start = old->node.start > m->node.start ? old->node.start : m->node.start;
	uint64_t end = old->node.end < m->node.end ? old->node.end : m->node.end;
	bool larger = m->node.start < old->node.start || m->node.end > old->node.end;
	if (!same_kind(old, m) || (old->prot == m->prot && !larger)) {
		pages_change(space, start, end, true);
		tell(s, space, SPACE_MAPPED, start, end, m);
	} else if (old->prot != m->prot) {
		tell(s, space, SPACE_PROTECTED, start, end, m);
	} else if (!grows(s, m)) {
		pages_change(space, start, end, false);
	}
}

/* Cuts [start, end) out of a mapping that overlaps it. */
static enum pw_err mapping_cut(struct space *space, struct space_mapping *old, uint64_t start, uint64_t end)
{
	if (old->node.start < start && old->node.end > end) {
		struct space_mapping *rest = mem_alloc(sizeof *rest);
		if (!rest)
			return PW_NOMEM;
		*rest = *old;
		rest->offset += end - old->node.start;
		itree_resize(&space->maps, &old->node, old->node.start, start);
		rest->node.start = end;
		itree_insert(&space->maps, &rest->node);
	} else if (old->node.start < start) {
		itree_resize(&space->maps, &old->node, old->node.start, start);
	} else if (old->node.end > end) {
		old->offset += end - old->node.start;
		itree_resize(&space->maps, &old->node, end, old->node.end);
	} else {
		itree_remove(&space->maps, &old->node);
		mem_free(old);
	}
	return PW_OK;
}

/* => m is in the space, or PW_NOMEM and m is the caller's. */
static enum pw_err space_map(struct spaces *s, struct space *space, struct space_mapping *m)
{
	uint64_t at = m->node.start;
	for (struct itree_node *n; (n = itree_at_or_after(&space->maps, at)) && n->start < m->node.end;) {
		uint64_t next = n->end;
		if (n->start > at) {
			pages_change(space, at, n->start, true);
			tell(s, space, SPACE_MAPPED, at, n->start, m);
		}
		overlap_settle(s, space, mapping_of(n), m);
		if (mapping_cut(space, mapping_of(n), m->node.start, m->node.end) != PW_OK)
			return PW_NOMEM;
		at = next;
	}
	if (at < m->node.end) {
		pages_change(space, at, m->node.end, true);
		tell(s, space, SPACE_MAPPED, at, m->node.end, m);
	}
	itree_insert(&space->maps, &m->node);
	return PW_OK;
}

static bool is_anonymous(const char *name, uint64_t inode)
{
	return inode == 0 && (strcmp(name, "//anon") == 0 || !*name || name[0] == '[');
}

static enum pw_err mapping_add(struct spaces *s, struct space *space, const struct space_mapping *m, const char *name)
{
	struct space_mapping *copy = m->node.start < m->node.end ? mem_alloc(sizeof *copy) : NULL;
	if (!copy)
		return m->node.start < m->node.end ? PW_NOMEM : PW_OK;
	*copy = *m;
	copy->anonymous = is_anonymous(name, m->inode);
	if (!name_index(s, strcmp(name, "//anon") == 0 ? "" : name, &copy->name) || space_map(s, space, copy) != PW_OK) {
		mem_free(copy);
		return PW_NOMEM;
	}
	return PW_OK;
}

/* ---- records */

static struct space *space_make(struct spaces *s, uint32_t pid)
{
	if (s->n == s->room) {
		struct space **more = mem_realloc(s->space, s->room * 2 + 16, sizeof *more);
		if (!more)
			return NULL;
		s->space = more;
		s->room = s->room * 2 + 16;
	}
	struct space *space = mem_zalloc(1, sizeof *space);
	uint64_t *at = space && htab_init(&space->pages, 64) == PW_OK ? htab_put(&s->by_pid, pid) : NULL;
	if (!at) {
		if (space)
			htab_fini(&space->pages);
		mem_free(space);
		return NULL;
	}
	itree_init(&space->maps);
	space->pid = pid;
	*at = s->n;
	s->space[s->n++] = space;
	return space;
}

struct space *spaces_get(struct spaces *s, uint32_t pid)
{
	uint64_t *at = htab_get(&s->by_pid, pid);
	return at ? s->space[*at] : space_make(s, pid);
}

static enum pw_err space_copy(struct space *to, const struct space *from)
{
	uint64_t key, value;
	space_clear(to);
	for (struct itree_node *n = itree_first(&from->maps); n; n = itree_next(n)) {
		struct space_mapping *copy = mem_alloc(sizeof *copy);
		if (!copy)
			return PW_NOMEM;
		*copy = *mapping_of(n);
		itree_insert(&to->maps, &copy->node);
	}
	for (uint64_t i = 0; htab_each(&from->pages, &i, &key, &value);) {
		uint64_t *at = htab_put(&to->pages, key);
		if (!at)
			return PW_NOMEM;
		*at = value;
	}
	memcpy(to->comm, from->comm, sizeof to->comm);
	to->forks = from->forks;
	return PW_OK;
}

static enum pw_err take_fork(struct spaces *s, const struct fault_record *r)
{
	if (r->pid == r->parent)
		return PW_OK;
	struct space *parent = spaces_get(s, r->parent), *child = spaces_get(s, r->pid);
	if (!parent || !child)
		return PW_NOMEM;
	parent->forks++;
	return space_copy(child, parent);
}

static enum pw_err take_comm(struct spaces *s, const struct fault_record *r)
{
	struct space *space = spaces_get(s, r->pid);
	if (!space)
		return PW_NOMEM;
	if (r->pid == r->tid || r->exec)
		snprintf(space->comm, sizeof space->comm, "%s", r->name);
	if (r->exec) {
		space_clear(space);
		if (s->tell)
			s->tell(s->ctx, space->pid, &(struct space_change){ .kind = SPACE_DROPPED, .name = space->comm });
	}
	return PW_OK;
}

static enum pw_err take_map(struct spaces *s, const struct fault_record *r)
{
	struct space *space = spaces_get(s, r->pid);
	struct space_mapping m = {
		.node = { .start = r->start, .end = r->start + r->bytes }, .offset = r->offset, .inode = r->inode,
		.dev_major = r->dev_major, .dev_minor = r->dev_minor, .prot = r->prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
		.shared = r->flags & MAP_SHARED,
	};
	return space ? mapping_add(s, space, &m, r->name) : PW_NOMEM;
}

enum pw_err spaces_take(struct spaces *s, const struct fault_record *r)
{
	switch (r->kind) {
	case RECORD_FORK: return take_fork(s, r);
	case RECORD_COMM: return take_comm(s, r);
	case RECORD_MAP: return take_map(s, r);
	default: return PW_OK;
	}
}

/* ---- a process that runs already */

/* What a page that is there already is taken for.  Whether a page of its own is shared with a relative from before is not known. */
static unsigned page_found(uint32_t is)
{
	if (is & PAGEMAP_SWAPPED)
		return PAGE_SWAPPED | PAGE_OWN;
	return is & (PAGEMAP_ZERO | PAGEMAP_FILE) ? PAGE_ZERO : PAGE_OWN;
}

/* => false: what was touched of this mapping is not known. */
static bool pages_take(struct space *space, struct pagemap *pages, const struct space_mapping *m)
{
	struct pagemap_runs runs = { 0 };
	bool ok = pagemap_read(pages, m->node.start, m->node.end, &runs, NULL) == PW_OK;
	for (uint64_t i = 0; ok && i < runs.n; i++)
		ok = space_touch(space, runs.run[i].start >> PAGE_SHIFT, (runs.run[i].end - runs.run[i].start) >> PAGE_SHIFT,
		                 page_found(runs.run[i].is)) == PW_OK;
	pagemap_runs_fini(&runs);
	return ok;
}

/* Only private mappings have pages of which it matters whether they were touched. */
static void pages_load(struct space *space, struct procfs *proc)
{
	struct pagemap *pages;
	if (pagemap_open(proc, space->pid, PAGEMAP_BY_AUTO, &pages, NULL) != PW_OK)
		pages = NULL;
	for (struct itree_node *n = itree_first(&space->maps); n; n = itree_next(n)) {
		struct space_mapping *m = mapping_of(n);
		m->unseen = !m->shared && m->prot && !(pages && pages_take(space, pages, m));
	}
	if (pages)
		pagemap_close(pages);
}

enum pw_err spaces_load(struct spaces *s, struct procfs *proc, uint32_t pid, const struct maps *maps)
{
	struct space *space = spaces_get(s, pid);
	if (!space)
		return PW_NOMEM;
	for (uint32_t i = 0; i < maps->n; i++) {
		const struct maps_entry *e = &maps->entry[i];
		struct space_mapping m = {
			.node = { .start = e->start, .end = e->end }, .offset = e->offset, .inode = e->inode,
			.dev_major = e->dev_major, .dev_minor = e->dev_minor, .shared = e->shared,
			.prot = (e->prot & MAPS_READ ? PROT_READ : 0u) | (e->prot & MAPS_WRITE ? PROT_WRITE : 0u) |
			        (e->prot & MAPS_EXEC ? PROT_EXEC : 0u),
		};
		enum pw_err err = mapping_add(s, space, &m, e->name);
		if (err != PW_OK)
			return err;
	}
	pages_load(space, proc);
	return PW_OK;
}

enum pw_err spaces_create(space_tell *teller, void *ctx, struct spaces **ret)
{
	struct spaces *s = *ret = mem_zalloc(1, sizeof *s);
	if (!s)
		return PW_NOMEM;
	s->tell = teller;
	s->ctx = ctx;
	if (htab_init(&s->by_pid, 16) == PW_OK && htab_init(&s->by_text, 64) == PW_OK)
		return PW_OK;
	spaces_destroy(s);
	*ret = NULL;
	return PW_NOMEM;
}

void spaces_destroy(struct spaces *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		space_destroy(s->space[i]);
	for (uint32_t i = 0; i < s->n_names; i++)
		mem_free(s->name[i]);
	mem_free(s->space);
	mem_free(s->name);
	htab_fini(&s->by_pid);
	htab_fini(&s->by_text);
	mem_free(s);
}

const char *spaces_flaw(const struct spaces *s)
{
	const char *flaw = htab_flaw(&s->by_pid);
	for (uint32_t i = 0; i < s->n && !flaw; i++) {
		flaw = itree_flaw(&s->space[i]->maps);
		flaw = flaw ? flaw : htab_flaw(&s->space[i]->pages);
	}
	return flaw;
}
