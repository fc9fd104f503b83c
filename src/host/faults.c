/* faults.c - from records to explained faults.
 *
 * Problem.  A record is numbers; a person wants "sort, 0x7f.., first touch, [heap], in memset".
 *
 * Idea.  Records other than faults keep the picture of the address spaces up to date; a fault is looked up in that picture twice,
 * with its address and with its instruction's.  The instruction's mapping is a file, which gives its symbols and the bytes that tell load
 * from store.
 *
 * 1. Each fault is classified by the state before it, and remembered after it.
 * 2. A file's symbols are read once, also when there are none.
 *
 * Rejected: names from /proc at the end (short-lived programs would have none). */
#include "faults.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "maps.h"
#include "symbols.h"
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

struct faults {
	struct faults_options options;
	struct rings *rings;
	struct spaces *spaces;
	struct object {
		bool tried;
		struct symbols *symbols;
	} *object;               /* by name of the mapping */
	uint32_t n_objects;
	uint64_t began_ns, loaded_ns;
	uint64_t forgotten;      /* records whose meaning was lost for want of memory */
};

/* What is mapped in a process that runs already.  It is looked up after the rings are open: what happens meanwhile is in both. */
static enum pw_err faults_load(struct faults *f, struct pw_why *why)
{
	struct maps maps;
	struct procfs *proc;
	uint32_t pid = f->options.rings.pid;
	f->loaded_ns = clock_ns();
	enum pw_err err = procfs_open("/", &proc, why);
	if (err != PW_OK)
		return err;
	err = maps_read(proc, pid, MAPS_PLAIN, &maps, why);
	if (err == PW_OK) {
		err = spaces_load(f->spaces, proc, pid, &maps);
		maps_fini(&maps);
		if (err != PW_OK)
			pw_fail(why, err, "out of memory for the mappings of process %u", pid);
	}
	procfs_close(proc);
	return err;
}

enum pw_err faults_open(const struct faults_options *o, struct faults **ret, struct pw_why *why)
{
	struct faults *f = *ret = mem_zalloc(1, sizeof *f);
	if (!f)
		return pw_fail(why, PW_NOMEM, "out of memory");
	f->options = *o;
	f->began_ns = clock_ns();
	enum pw_err err = rings_open(&o->rings, &f->rings, why);
	if (err == PW_OK && spaces_create(o->tell, o->ctx, &f->spaces) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory");
	if (err == PW_OK && !o->rings.at_exec)
		err = faults_load(f, why);
	if (err != PW_OK) {
		faults_close(f);
		*ret = NULL;
	}
	return err;
}

void faults_close(struct faults *f)
{
	if (!f)
		return;
	rings_close(f->rings);
	spaces_destroy(f->spaces);
	for (uint32_t i = 0; i < f->n_objects; i++)
		symbols_close(f->object[i].symbols);
	mem_free(f->object);
	mem_free(f);
}

bool faults_wait(struct faults *f, int milliseconds) { return rings_wait(f->rings, milliseconds); }
enum pw_err faults_collect(struct faults *f, bool last) { return rings_collect(f->rings, last); }
void faults_state(const struct faults *f, struct rings_state *ret)
{
	rings_state(f->rings, ret);
	ret->damaged += f->forgotten;
}
const char *faults_flaw(const struct faults *f) { return spaces_flaw(f->spaces); }

/* ---- the instruction */

static struct object *object_slot(struct faults *f, uint32_t name)
{
	if (name >= f->n_objects) {
		uint32_t n = (name + 16) * 2;
		struct object *more = mem_realloc(f->object, n, sizeof *more);
		if (!more)
			return NULL;
		memset(more + f->n_objects, 0, (n - f->n_objects) * sizeof *more);
		f->object = more;
		f->n_objects = n;
	}
	return &f->object[name];
}

/* The file as the process sees it, which may live in a container; the same name here, when the process is gone. */
static struct symbols *object_symbols(struct faults *f, uint32_t pid, uint32_t name)
{
	char path[4200];
	const char *text = spaces_name(f->spaces, name);
	struct object *o = text[0] == '/' ? object_slot(f, name) : NULL;
	if (!o || o->tried)
		return o ? o->symbols : NULL;
	o->tried = true;
	snprintf(path, sizeof path, "/proc/%u/root%s", pid, text);
	if (symbols_open(path, &o->symbols) != PW_OK && symbols_open(text, &o->symbols) != PW_OK)
		o->symbols = NULL;
	return o->symbols;
}

/* Code without a file (a JIT's, the vdso): from the process, if it is still there. */
static size_t code_peek(uint32_t pid, uint64_t ip, uint8_t *code)
{
	struct iovec to = { code, FAULT_CODE_BYTES }, from = { (void *)ip, FAULT_CODE_BYTES };
	ssize_t n = process_vm_readv((pid_t)pid, &to, 1, &from, 1, 0);
	return n > 0 ? (size_t)n : 0;
}

static void fault_instruction(struct faults *f, const struct space *space, const struct fault_record *r, struct fault *ret)
{
	uint8_t code[FAULT_CODE_BYTES] = { 0 };
	ret->ip = r->has_regs ? r->reg[RECORD_IP] : r->in_kernel ? 0 : r->ip;
	ret->object = r->in_kernel && !r->has_regs ? "[kernel]" : "[unknown]";
	ret->function = "";
	ret->access = FAULT_UNTOLD;
	const struct space_mapping *m = ret->ip ? space_find(space, ret->ip) : NULL;
	if (!m)
		return;
	const char *name = spaces_name(f->spaces, m->name);
	ret->object = *name ? name : "[anonymous]";
	ret->into = ret->ip - m->node.start + m->offset;
	struct symbols *s = object_symbols(f, r->pid, m->name);
	uint64_t into;
	const char *function = s ? symbols_at(s, ret->into, &into) : NULL;
	size_t n = s ? symbols_bytes(s, ret->into, code, sizeof code) : r->in_kernel ? 0 : code_peek(r->pid, ret->ip, code);
	ret->access = access_of(code, n, r);
	if (function) {
		ret->function = function;
		ret->into = into;
	}
}

/* ---- the fault */

static const char *mapping_name(const struct faults *f, const struct space_mapping *m)
{
	const char *name = m ? spaces_name(f->spaces, m->name) : "[unknown]";
	return *name ? name : m->shared ? "[anonymous shared]" : "[anonymous]";
}

static bool fault_explain(struct faults *f, const struct fault_record *r, struct fault *ret)
{
	struct space *space = spaces_get(f->spaces, r->pid);
	if (!space) {
		f->forgotten++;
		return false;
	}
	*ret = (struct fault){
		.time_ns = r->time_ns > f->began_ns ? r->time_ns - f->began_ns : 0, .pid = r->pid, .tid = r->tid, .address = r->address,
		.page_bytes = r->page_bytes, .major = r->major, .in_kernel = r->in_kernel, .comm = space_comm(space),
	};
	fault_instruction(f, space, r, ret);
	ret->mapping = space_find(space, r->address);
	ret->name = mapping_name(f, ret->mapping);
	ret->class = fault_classify(f->spaces, space, ret->mapping, r, ret->access);
	if (fault_remember(space, ret->mapping, r, ret->access, ret->class) != PW_OK)
		f->forgotten++;
	return true;
}

/* What /proc already said of a mapping is not heard again. */
static bool is_stale(const struct faults *f, const struct fault_record *r)
{
	return r->kind == RECORD_MAP && r->pid == f->options.rings.pid && r->time_ns < f->loaded_ns;
}

bool faults_next(struct faults *f, struct fault *ret)
{
	struct fault_record r;
	while (rings_next(f->rings, &r)) {
		if (r.kind == RECORD_FAULT) {
			if (fault_explain(f, &r, ret))
				return true;
			continue;
		}
		if (!is_stale(f, &r) && spaces_take(f->spaces, &r) != PW_OK)
			f->forgotten++;
		if (f->options.task && r.kind != RECORD_MAP && r.kind != RECORD_OTHER)
			f->options.task(f->options.ctx, &r);
	}
	return false;
}
