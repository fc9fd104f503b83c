/* faults_trace.c - from watched faults to a .pwt file.
 *
 * Problem.  A simulator must take every reference of the trace, so what it refers to must be mapped by then, with the right to do
 * it; but mappings are only seen as far as the kernel reports them.
 *
 * Idea.  Mappings are retold as they are heard.  A fault where nothing is known to be mapped, or not with the right it needs, gets a
 * page of anonymous memory first: the fault did happen, so something was there.
 *
 * 1. The first failure to write is kept; after it nothing is written.
 * 2. A process ends in the trace when its last thread does.
 *
 * Rejected: no events at all (a child's faults would look like its parent's, and mappings would have no names). */
#include "faults_trace.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include "../trace/pwt.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Mappings above are the kernel's (vsyscall). */
#define USER_TOP (1ull << 47)
enum { THREADS_UNKNOWN = 1 << 30 };

struct faults_trace {
	struct pwt_writer *writer;
	struct htab threads;      /* pid -> how many there are */
	uint64_t refs;
	enum pw_err error;
	struct pw_why why;
};

static void put(struct faults_trace *t, const struct trace_item *item)
{
	if (t->error == PW_OK)
		t->error = pwt_write_item(t->writer, item, &t->why);
}

static void put_event(struct faults_trace *t, uint32_t pid, uint32_t tid, struct trace_event event)
{
	event.name = event.name ? event.name : "";
	put(t, &(struct trace_item){ .kind = TRACE_ITEM_EVENT, .pid = pid, .tid = tid, .event = event });
}

/* The process is there from its first sign on. */
static void meet(struct faults_trace *t, uint32_t pid, uint32_t parent, uint64_t threads)
{
	uint64_t *at = htab_get(&t->threads, pid);
	if (at)
		return;
	at = htab_put(&t->threads, pid);
	if (!at) {
		t->error = t->error != PW_OK ? t->error : pw_fail(&t->why, PW_NOMEM, "out of memory for the trace");
		return;
	}
	*at = threads;
	put_event(t, pid, pid, (struct trace_event){ .kind = TRACE_PROCESS, .other = parent });
}

enum pw_err faults_trace_create(const char *path, const char *command, uint32_t pid, struct faults_trace **ret,
                                struct pw_why *why)
{
	struct faults_trace *t = *ret = mem_zalloc(1, sizeof *t);
	struct pwt_options po = { .has_events = true, .command = command };
	if (!t || htab_init(&t->threads, 16) != PW_OK) {
		mem_free(t);
		*ret = NULL;
		return pw_fail(why, PW_NOMEM, "out of memory for the trace");
	}
	enum pw_err err = pwt_writer_create(path, &po, &t->writer, why);
	if (err != PW_OK) {
		htab_fini(&t->threads);
		mem_free(t);
		*ret = NULL;
		return err;
	}
	if (pid)
		meet(t, pid, 0, 1);
	return PW_OK;
}

/* ---- mappings */

static uint64_t file_size(uint32_t pid, const char *name, uint64_t least)
{
	struct stat st;
	char *path = mem_printf("/proc/%u/root%s", pid, name);
	bool ok = path && (stat(path, &st) == 0 || stat(name, &st) == 0) && st.st_size > 0;
	mem_free(path);
	return ok ? (uint64_t)st.st_size : least;
}

static struct trace_event map_event(uint32_t pid, const struct space_change *c)
{
	const struct space_mapping *m = c->mapping;
	struct trace_event e = {
		.kind = TRACE_MAP, .start = vaddr(c->start), .bytes = c->end - c->start, .name = c->name,
		.prot = (m->prot & PROT_READ ? TRACE_PROT_READ : 0u) | (m->prot & PROT_WRITE ? TRACE_PROT_WRITE : 0u) |
		        (m->prot & PROT_EXEC ? TRACE_PROT_EXEC : 0u),
		.flags = TRACE_MAP_FIXED | (m->shared ? TRACE_MAP_SHARED : 0u) | (m->anonymous ? TRACE_MAP_ANON : 0u),
	};
	if (c->kind == SPACE_PROTECTED)
		return (struct trace_event){ .kind = TRACE_PROTECT, .start = e.start, .bytes = e.bytes, .prot = e.prot };
	if (!m->anonymous) {
		e.offset = m->offset + (c->start - m->node.start);
		e.file_bytes = file_size(pid, c->name, e.offset + e.bytes);
		e.file_id = m->inode ^ (uint64_t)m->dev_major << 52 ^ (uint64_t)m->dev_minor << 40;
		e.file_id += e.file_id == 0;
	}
	return e;
}

void faults_trace_change(struct faults_trace *t, uint32_t pid, const struct space_change *c)
{
	meet(t, pid, 0, THREADS_UNKNOWN);
	if (c->kind == SPACE_DROPPED)
		put_event(t, pid, pid, (struct trace_event){ .kind = TRACE_EXEC, .name = c->name });
	else if (c->end <= USER_TOP)
		put_event(t, pid, pid, map_event(pid, c));
}

/* ---- processes */

static void task_fork(struct faults_trace *t, const struct fault_record *r)
{
	uint64_t *threads;
	meet(t, r->parent, 0, THREADS_UNKNOWN);
	if (r->pid != r->parent) {
		put_event(t, r->parent, r->parent, (struct trace_event){ .kind = TRACE_FORK, .other = r->pid });
		meet(t, r->pid, r->parent, 1);
		return;
	}
	threads = htab_get(&t->threads, r->pid);
	*(threads ? threads : &(uint64_t){ 0 }) += 1;
	put_event(t, r->pid, r->tid, (struct trace_event){ .kind = TRACE_THREAD });
}

static void task_exit(struct faults_trace *t, const struct fault_record *r)
{
	uint64_t *threads = htab_get(&t->threads, r->pid);
	if (!threads || *threads == 0)
		return;
	--*threads;
	put_event(t, r->pid, r->tid, (struct trace_event){ .kind = *threads ? TRACE_THREAD_EXIT : TRACE_EXIT });
}

void faults_trace_task(struct faults_trace *t, const struct fault_record *r)
{
	switch (r->kind) {
	case RECORD_FORK: task_fork(t, r); break;
	case RECORD_EXIT: task_exit(t, r); break;
	case RECORD_LOST: put_event(t, r->pid, r->tid, (struct trace_event){ .kind = TRACE_LOST, .count = r->count }); break;
	default: break;
	}
}

/* ---- faults */

static enum access_kind kind_of(const struct fault *f)
{
	if (f->access == FAULT_FETCH)
		return ACCESS_FETCH;
	if (f->access != FAULT_UNTOLD)
		return f->access == FAULT_STORE ? ACCESS_STORE : ACCESS_LOAD;
	return f->mapping && f->mapping->prot & PROT_WRITE && f->class != FAULT_file_cached ? ACCESS_STORE : ACCESS_LOAD;
}

static bool may(const struct space_mapping *m, enum access_kind kind)
{
	static const uint32_t right[] = { [ACCESS_LOAD] = PROT_READ, [ACCESS_STORE] = PROT_WRITE, [ACCESS_FETCH] = PROT_EXEC };
	return m && m->prot & right[kind];
}

void faults_trace_fault(struct faults_trace *t, const struct fault *f)
{
	enum access_kind kind = kind_of(f);
	ref_t ref = ref_make(vaddr(f->address), kind);
	if (f->address >= USER_TOP)
		return;
	meet(t, f->pid, 0, THREADS_UNKNOWN);
	if (!may(f->mapping, kind))
		put_event(t, f->pid, f->tid, (struct trace_event){
			.kind = TRACE_MAP, .start = vaddr(f->address & ~4095ull), .bytes = 4096, .name = "",
			.prot = TRACE_PROT_READ | TRACE_PROT_WRITE | TRACE_PROT_EXEC, .flags = TRACE_MAP_FIXED | TRACE_MAP_ANON });
	put(t, &(struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = f->pid, .tid = f->tid, .refs = &ref, .n_refs = 1 });
	t->refs += t->error == PW_OK;
}

uint64_t faults_trace_refs(const struct faults_trace *t) { return t->refs; }

enum pw_err faults_trace_finish(struct faults_trace *t, struct pw_why *why)
{
	struct pw_why last = { "" };
	enum pw_err err = pwt_writer_finish(t->writer, &last);
	if (t->error != PW_OK)
		err = pw_fail(why, t->error, "%s", t->why.text);
	else if (err != PW_OK)
		pw_fail(why, err, "%s", last.text);
	htab_fini(&t->threads);
	mem_free(t);
	return err;
}

void faults_trace_remove(struct faults_trace *t)
{
	pwt_writer_remove(t->writer);
	htab_fini(&t->threads);
	mem_free(t);
}
