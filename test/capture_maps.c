/* capture_maps.c - see capture_maps.h. */
#include "capture_maps.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { PAGE = 4096 };

static void mapping_add(struct mappings *r, uint32_t pid, uint64_t start, uint64_t bytes)
{
	if (bytes == 0)
		return;
	assert_true(r->n < MAPPINGS);
	r->mapping[r->n++] = (struct mapping){ pid, start, start + bytes };
}

static void mapping_cut(struct mappings *r, uint32_t pid, uint64_t start, uint64_t bytes)
{
	uint64_t end = start + bytes;
	for (unsigned i = 0; i < r->n; i++) {
		struct mapping m = r->mapping[i];
		if (m.pid != pid || m.end <= start || m.start >= end)
			continue;
		r->mapping[i--] = r->mapping[--r->n];
		if (m.start < start)
			mapping_add(r, pid, m.start, start - m.start);
		if (m.end > end)
			mapping_add(r, pid, end, m.end - end);
	}
}

/* The heap that began there before goes. */
static void heap_cut(struct mappings *r, uint32_t pid, uint64_t start)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (r->mapping[i].pid == pid && r->mapping[i].start == start) {
			mapping_cut(r, pid, start, r->mapping[i].end - start);
			return;
		}
	}
}

static void mappings_copy(struct mappings *r, uint32_t from, uint32_t to)
{
	unsigned n = r->n;
	for (unsigned i = 0; i < n; i++)
		if (r->mapping[i].pid == from)
			mapping_add(r, to, r->mapping[i].start, r->mapping[i].end - r->mapping[i].start);
}

void mappings_replay(struct mappings *r, uint32_t pid, const struct trace_event *e)
{
	switch (e->kind) {
	case TRACE_EXEC:
	case TRACE_EXIT: mapping_cut(r, pid, 0, UINT64_MAX); break;
	case TRACE_MAP:
		mapping_cut(r, pid, e->start.v, e->bytes);
		mapping_add(r, pid, e->start.v, e->bytes);
		break;
	case TRACE_UNMAP: mapping_cut(r, pid, e->start.v, e->bytes); break;
	case TRACE_REMAP:
		mapping_cut(r, pid, e->start.v, e->bytes);
		mapping_cut(r, pid, e->to.v, e->to_bytes);
		mapping_add(r, pid, e->to.v, e->to_bytes);
		break;
	case TRACE_BRK:
		heap_cut(r, pid, e->start.v);
		mapping_add(r, pid, e->start.v, (e->bytes + PAGE - 1) / PAGE * PAGE);
		break;
	case TRACE_FORK: mappings_copy(r, pid, e->other); break;
	default: break;
	}
}
