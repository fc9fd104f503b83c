/* survey.c - counts what is in a trace.
 *
 * Problem: the number of different pages needs a table of all of them, and a look into a table for each of a billion references
 * takes a minute.
 * Idea: in front of each process's table stands a small direct-mapped cache of pages and of the kinds of access already seen there.
 * Almost every reference ends in it.
 *
 * 1. A bit of a page in the cache is set in the table.
 * 2. Threads are counted by the number of different (process, thread) pairs that made references. */
#include "survey.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include <string.h>

enum { CACHE_PAGES = 1024 };

/* A page number, shifted, and under it one bit for each kind of access seen. */
struct space {
	uint64_t cache[CACHE_PAGES];
	struct htab pages;
};

struct survey_private {
	struct htab thread;            /* pid << 32 | tid */
	struct space **space;          /* of each process */
	unsigned room, mappings_room;
	unsigned recent;               /* process of the last references */
	uint64_t recent_thread;
};

enum pw_err survey_init(struct survey *s, unsigned page_shift)
{
	*s = (struct survey){ .page_shift = page_shift, .lowest = UINT64_MAX };
	s->own = mem_zalloc(1, sizeof *s->own);
	if (!s->own)
		return PW_NOMEM;
	s->own->recent_thread = UINT64_MAX;
	if (htab_init(&s->own->thread, 16) == PW_OK)
		return PW_OK;
	mem_free(s->own);
	s->own = NULL;
	return PW_NOMEM;
}

void survey_fini(struct survey *s)
{
	for (unsigned i = 0; i < s->n_processes; i++) {
		htab_fini(&s->own->space[i]->pages);
		mem_free(s->own->space[i]);
		mem_free(s->process[i].command);
	}
	for (unsigned i = 0; i < s->n_mappings; i++)
		mem_free(s->mapping[i].name);
	if (s->own) {
		mem_free(s->own->space);
		htab_fini(&s->own->thread);
	}
	mem_free(s->own);
	mem_free(s->process);
	mem_free(s->mapping);
	*s = (struct survey){ 0 };
}

static struct space *space_create(void)
{
	struct space *space = mem_zalloc(1, sizeof *space);
	if (!space)
		return NULL;
	for (unsigned i = 0; i < CACHE_PAGES; i++)
		space->cache[i] = UINT64_MAX << ACCESS_KINDS; /* a page that no address is in, seen by nobody */
	if (htab_init(&space->pages, 1024) == PW_OK)
		return space;
	mem_free(space);
	return NULL;
}

/* Room for one more process.  => false: out of memory. */
static bool process_room(struct survey *s)
{
	struct survey_private *own = s->own;
	if (s->n_processes < own->room)
		return true;
	unsigned room = 2 * own->room + 4;
	struct survey_process *process = mem_realloc(s->process, room, sizeof *process);
	if (!process)
		return false;
	s->process = process;
	struct space **space = mem_realloc(own->space, room, sizeof *space);
	if (!space)
		return false;
	own->space = space;
	own->room = room;
	return true;
}

/* => the index of a process, new or old; n_processes: out of memory. */
static unsigned process_of(struct survey *s, uint32_t pid)
{
	unsigned i = s->own->recent;
	if (i < s->n_processes && s->process[i].pid == pid)
		return i;
	for (i = 0; i < s->n_processes && s->process[i].pid != pid; i++)
		;
	if (i == s->n_processes) {
		struct space *space = process_room(s) ? space_create() : NULL;
		char *command = space ? mem_strdup("") : NULL;
		if (!command) {
			if (space)
				htab_fini(&space->pages);
			mem_free(space);
			return i;
		}
		s->process[i] = (struct survey_process){ .pid = pid, .command = command };
		s->own->space[i] = space;
		s->n_processes++;
	}
	return s->own->recent = i;
}

/* A page of which the cache does not know that it was accessed so.  => false: out of memory. */
static bool page_touch(struct survey *s, struct survey_process *process, struct space *space, uint64_t page, enum access_kind kind)
{
	uint64_t *seen = htab_put(&space->pages, page);
	if (!seen)
		return false;
	if (!*seen) {
		s->n_pages++;
		process->pages++;
	}
	s->pages[kind] += !(*seen >> kind & 1);
	*seen |= 1ull << kind;
	space->cache[page % CACHE_PAGES] = page << ACCESS_KINDS | *seen;
	return true;
}

static bool thread_note(struct survey *s, struct survey_process *process, uint32_t tid)
{
	uint64_t thread = (uint64_t)process->pid << 32 | tid, *known;
	if (thread == s->own->recent_thread)
		return true;
	known = htab_put(&s->own->thread, thread);
	if (!known)
		return false;
	process->threads += *known == 0;
	*known = 1;
	s->own->recent_thread = thread;
	return true;
}

/* Looks at every reference.  => false: out of memory. */
static bool take_pages(struct survey *s, unsigned at, const struct trace_item *item)
{
	struct space *space = s->own->space[at];
	uint64_t lowest = s->lowest, highest = s->highest, refs[ACCESS_KINDS + 1] = { 0 };
	for (uint64_t i = 0; i < item->n_refs; i++) {
		uint64_t address = ref_va(item->refs[i]).v, page = address >> s->page_shift;
		unsigned kind = ref_kind(item->refs[i]);
		refs[kind]++;
		lowest = address < lowest ? address : lowest;
		highest = address > highest ? address : highest;
		uint64_t known = space->cache[page % CACHE_PAGES];
		if ((known >> ACCESS_KINDS == page && known >> kind & 1) || page_touch(s, &s->process[at], space, page, kind))
			continue;
		return false;
	}
	for (int kind = 0; kind < ACCESS_KINDS; kind++)
		s->refs[kind] += refs[kind];
	s->lowest = lowest;
	s->highest = highest;
	if (!s->n_refs)
		s->first = (struct survey_ref){ item->pid, item->tid, item->refs[0] };
	s->last = (struct survey_ref){ item->pid, item->tid, item->refs[item->n_refs - 1] };
	return true;
}

static enum pw_err take_refs(struct survey *s, const struct trace_item *item)
{
	if (!item->n_refs)
		return PW_OK;
	unsigned at = process_of(s, item->pid);
	if (at == s->n_processes || !thread_note(s, &s->process[at], item->tid))
		return PW_NOMEM;
	s->skimmed |= !item->refs;
	if (item->refs && !take_pages(s, at, item))
		return PW_NOMEM;
	s->n_refs += item->n_refs;
	s->process[at].refs += item->n_refs;
	return PW_OK;
}

static bool mapping_room(struct survey *s)
{
	if (s->n_mappings < s->own->mappings_room)
		return true;
	unsigned room = 2 * s->own->mappings_room + 16;
	struct survey_mapping *mapping = mem_realloc(s->mapping, room, sizeof *mapping);
	if (!mapping)
		return false;
	s->mapping = mapping;
	s->own->mappings_room = room;
	return true;
}

/* What to call a mapping. */
static const char *name_of(const struct trace_event *e)
{
	if (*e->name)
		return e->name;
	return e->flags & TRACE_MAP_STACK ? "[stack]" : e->flags & TRACE_MAP_HEAP ? "[heap]" : "(anonymous)";
}

static enum pw_err take_mapping(struct survey *s, const struct trace_event *e)
{
	const char *name = name_of(e);
	unsigned i = 0;
	while (i < s->n_mappings && strcmp(s->mapping[i].name, name))
		i++;
	if (i == s->n_mappings) {
		char *copy = mapping_room(s) ? mem_strdup(name) : NULL;
		if (!copy)
			return PW_NOMEM;
		s->mapping[s->n_mappings++] = (struct survey_mapping){ .name = copy };
	}
	s->mapping[i].count++;
	s->mapping[i].bytes += e->bytes;
	s->mapped_bytes += e->bytes;
	return PW_OK;
}

static enum pw_err take_event(struct survey *s, const struct trace_item *item)
{
	const struct trace_event *e = &item->event;
	unsigned at = process_of(s, item->pid);
	if (at == s->n_processes)
		return PW_NOMEM;
	s->events[e->kind]++;
	s->n_events++;
	if (e->kind == TRACE_PROCESS)
		s->process[at].parent = e->other;
	if (e->kind == TRACE_LOST)
		s->lost += e->count;
	if (e->kind == TRACE_MAP)
		return take_mapping(s, e);
	if (e->kind != TRACE_EXEC)
		return PW_OK;
	char *command = mem_strdup(e->name);
	if (!command)
		return PW_NOMEM;
	mem_free(s->process[at].command);
	s->process[at].command = command;
	return PW_OK;
}

enum pw_err survey_item(struct survey *s, const struct trace_item *item)
{
	if (item->kind == TRACE_ITEM_REFS)
		return take_refs(s, item);
	return item->kind == TRACE_ITEM_EVENT ? take_event(s, item) : PW_OK;
}
