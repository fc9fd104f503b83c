/* exec.c - a process gets a new program.
 *
 * Problem.  execve destroys a program to make another; what can go wrong must go wrong before.
 *
 * Idea.  Three phases over one context.  Read: files become plans (exec_image.c), and each part gets its place.  Prepare: entries,
 * references to objects, the bytes of the stack, everything that needs memory of the host or could be refused.  Commit: the old entries
 * go, the new ones are linked, and a few pages are written: the zeros behind data in the last page of a file, and the stack.
 *
 * 1. Until commit the process is as it was.
 * 2. Entries of the context are disjoint, in whichever order; each holds one reference to its object, until it is linked.
 * 3. After commit only memory can fail, and the process is dead then, as under Linux.
 *
 * Rejected: a second process that takes the first one's place (its number, and who holds it, would have to change hands).
 * Source: System V Application Binary Interface, chapter 5; execve(2); Linux's choice of places, without its randomization. */
#include "exec.h"
#include "exec_image.h"
#include "exec_stack.h"
#include "../base/mem.h"
#include "../base/rng.h"
#include "limit.h"
#include "space.h"
#include "state.h"
#include <elf.h>
#include <string.h>

/* Linux: a stack begins with 128 KiB beside the arguments, which may be a quarter of its limit; 100 clock ticks in a second. */
enum { ENTRIES = 4 * EXEC_LOADS + 8, STACK_FIRST = 128 << 10, PAIRS = 16, CLOCK_TICKS = 100 };
#define SPACE_LEAST (16ull << 20)
#define STACK_MOST(top) ((top) / 6)

struct exec {
	struct process *process;
	struct kernel *kernel;
	const struct process_program *program;
	struct pw_why *why;
	struct exec_limits limits;
	struct exec_file interpreter_file;
	struct exec_image image, interpreter;
	uint64_t base, interpreter_base;
	uint64_t stack_top, stack_room, guard, heap; /* addresses; room: what the stack may grow to */
	struct entry *entry[ENTRIES];
	unsigned n_entries;
	struct {
		uint64_t end, bytes;
	} pad[ENTRIES];          /* bytes before the end of a part to be made zeros */
	unsigned n_pads;
	uint8_t *stack;          /* its first bytes */
	uint64_t pointer;
};

static const char *path_end(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* ---- read ---- */

struct object_bytes {
	const struct kernel *kernel;
	uint64_t id;
};

static enum pw_err object_read(void *ctx, uint64_t at, void *to, uint64_t n)
{
	const struct object_bytes *o = ctx;
	const struct kernel_files *files = o->kernel->config.files;
	return files->read(files->ctx, o->id, at, to, n);
}

static enum pw_err image_read(struct exec *x, const struct exec_file *f, struct exec_image *ret)
{
	struct object_bytes bytes = { x->kernel, f->id };
	const struct elf_source source = { object_read, &bytes, f->bytes };
	struct pw_why inner = { "" };
	char head[2] = "";
	if (f->bytes >= 2 && object_read(&bytes, 0, head, 2) == PW_OK && memcmp(head, "#!", 2) == 0)
		return pw_fail(x->why, PW_UNSUPPORTED, "%s: it is a script; the program to load is the one its first line names", f->path);
	enum pw_err err = exec_image_read(&source, &x->limits, ret, &inner);
	return err ? pw_fail(x->why, err, "%s: %s", f->path, inner.text) : PW_OK;
}

static enum pw_err interpreter_read(struct exec *x)
{
	const char *path = x->image.interpreter;
	if (!*path || !x->program->find)
		return PW_OK;
	enum pw_err err = x->program->find(x->program->ctx, path, &x->interpreter_file, x->why);
	if (!err)
		err = image_read(x, &x->interpreter_file, &x->interpreter);
	if (!err && *x->interpreter.interpreter)
		err = pw_fail(x->why, PW_UNSUPPORTED, "%s: it is an interpreter that needs an interpreter itself", path);
	return err;
}

static void limits_set(struct exec *x)
{
	unsigned bits = x->kernel->config.va_bits ? x->kernel->config.va_bits : 47;
	x->limits = (struct exec_limits){
		.page_bytes = kernel_page_bytes(x->kernel), .is_64 = bits > 32, .top = 1ull << (bits > 62 ? 62 : bits),
	};
}

/* ---- places ---- */

static uint64_t page_up(const struct exec *x, uint64_t bytes)
{
	return (bytes + x->limits.page_bytes - 1) & ~(x->limits.page_bytes - 1);
}

static uint64_t image_end(const struct exec_image *im) { return im->part[im->n_parts - 1].end; }

/* From the top down: a page that stays free, the stack's room, a gap as below every stack that grows, and a page nobody may touch. */
static enum pw_err stack_place(struct exec *x)
{
	uint64_t page = x->limits.page_bytes, top = x->limits.top, room = x->process->limit[PROCESS_LIMIT_stack];
	if (top < SPACE_LEAST || page > top / 256)
		return pw_fail(x->why, PW_UNSUPPORTED, "a space of %llu bytes with pages of %llu is too small for programs",
		               (unsigned long long)top, (unsigned long long)page);
	room = room > STACK_MOST(top) ? STACK_MOST(top) : room;
	x->stack_top = top - page;
	x->stack_room = room & ~(page - 1);
	x->guard = x->stack_top - x->stack_room - page_up(x, STACK_GAP_BYTES) - page;
	return PW_OK;
}

/* Where a plan goes: where it says, or at or below the place proposed. */
static enum pw_err image_place(struct exec *x, const struct exec_image *im, const char *path, uint64_t proposed, uint64_t *ret)
{
	*ret = im->movable ? proposed & ~(im->align - 1) : 0;
	uint64_t first = *ret + im->part[0].start, end = image_end(im);
	if (first < x->limits.page_bytes || end > x->guard - *ret || (im->movable && *ret == 0))
		return pw_fail(x->why, PW_NOSPACE, "%s: it takes the addresses from 0x%llx to 0x%llx, and the stack's begin at 0x%llx",
		               path, (unsigned long long)first, (unsigned long long)(*ret + end), (unsigned long long)x->guard);
	return PW_OK;
}

static enum pw_err images_place(struct exec *x)
{
	enum pw_err err = image_place(x, &x->image, x->program->file.path, (x->limits.top - x->limits.page_bytes) / 3 * 2, &x->base);
	if (err)
		return err;
	x->heap = image_end(&x->image) + x->base + x->limits.page_bytes;
	if (!x->interpreter.n_parts)
		return PW_OK;
	uint64_t end = image_end(&x->interpreter);
	return image_place(x, &x->interpreter, x->interpreter_file.path, end < x->guard ? x->guard - end : 0, &x->interpreter_base);
}

/* ---- prepare ---- */

static bool is_taken(const struct exec *x, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < x->n_entries; i++)
		if (x->entry[i]->node.start < end && start < x->entry[i]->node.end)
			return true;
	return false;
}

/* One more entry; like has pages as its bounds, and no name and object yet.  file NULL: anonymous. */
static enum pw_err entry_prepare(struct exec *x, struct entry like, const char *name, const struct exec_file *file, uint64_t pad)
{
	struct kernel *k = x->kernel;
	struct entry *e;
	if (is_taken(x, like.node.start, like.node.end))
		return pw_fail(x->why, PW_NOSPACE, "%s: two parts of it want to be at 0x%llx", x->program->file.path,
		               (unsigned long long)(like.node.start << k->config.page_shift));
	like.name = kernel_name(k, name);
	like.anonymous = !file;
	enum pw_err err = like.name ? PW_OK : PW_NOMEM;
	if (!err && file)
		err = object_file(&k->objects, file->id, file->bytes, &like.object);
	if (!err) {
		err = map_entry_create(&like, &e);
		if (err)
			object_unref(k, like.object);
	}
	if (err)
		return pw_fail(x->why, err, "out of memory for a program");
	if (pad) {
		x->pad[x->n_pads].end = like.node.end << k->config.page_shift;
		x->pad[x->n_pads++].bytes = pad;
	}
	x->entry[x->n_entries++] = e;
	return PW_OK;
}

static enum pw_err image_prepare(struct exec *x, const struct exec_image *im, const struct exec_file *f, uint64_t base)
{
	unsigned shift = x->kernel->config.page_shift;
	enum pw_err err = PW_OK;
	for (unsigned i = 0; !err && i < im->n_parts; i++) {
		const struct exec_part *part = &im->part[i];
		char name[80];
		struct entry like = {
			.node = { .start = (base + part->start) >> shift, .end = (base + part->end) >> shift }, .prot = part->prot,
			.first_index = part->offset >> shift,
		};
		snprintf(name, sizeof name, "%.60s:%s", path_end(f->path), exec_part_name(part->kind));
		err = entry_prepare(x, like, name, part->zeros ? NULL : f, part->pad);
	}
	return err;
}

/* Pages nobody may touch, or that are the process's own from the start. */
static enum pw_err anonymous_prepare(struct exec *x, const char *name, uint64_t start, uint64_t end, const struct entry *like)
{
	struct entry e = *like;
	e.node.start = start >> x->kernel->config.page_shift;
	e.node.end = end >> x->kernel->config.page_shift;
	return entry_prepare(x, e, name, NULL, 0);
}

static enum pw_err rest_prepare(struct exec *x)
{
	enum { RW = PMAP_READ | PMAP_WRITE };
	uint64_t page = x->limits.page_bytes, bytes = page_up(x, x->stack_top - x->pointer + STACK_FIRST);
	const struct entry guard = { .prot = 0 }, heap = { .prot = RW, .heap = true };
	const struct entry stack = { .prot = RW | (x->image.stack_exec ? PMAP_EXEC : 0), .stack = true };
	enum pw_err err = anonymous_prepare(x, "[guard]", x->heap - page, x->heap, &guard);
	if (!err)
		err = anonymous_prepare(x, "[heap]", x->heap, x->heap + page, &heap);
	if (!err)
		err = anonymous_prepare(x, "[guard]", x->guard, x->guard + page, &guard);
	bytes = bytes < x->stack_room ? bytes : x->stack_room;
	return err ? err : anonymous_prepare(x, "[stack]", x->stack_top - bytes, x->stack_top, &stack);
}

static enum pw_err stack_prepare(struct exec *x)
{
	const struct exec_image *im = &x->image;
	const struct exec_pair pair[] = {
		{ AT_PAGESZ, x->limits.page_bytes }, { AT_CLKTCK, CLOCK_TICKS }, { AT_PHDR, im->headers ? x->base + im->headers : 0 },
		{ AT_PHENT, im->header_bytes }, { AT_PHNUM, im->n_headers }, { AT_BASE, x->interpreter_base }, { AT_FLAGS, 0 },
		{ AT_ENTRY, x->base + im->entry }, { AT_UID, 0 }, { AT_EUID, 0 }, { AT_GID, 0 }, { AT_EGID, 0 }, { AT_SECURE, 0 },
		{ AT_HWCAP, 0 },
	};
	struct exec_start s = {
		.file = x->program->file.path, .argv = x->program->argv, .envp = x->program->envp, .pair = pair,
		.n_pairs = sizeof pair / sizeof *pair, .is_64 = im->is_64, .top = x->stack_top, .bytes_max = x->stack_room / 4,
	};
	struct rng r;
	rng_init(&r, x->kernel->config.seed ^ x->process->pid);
	for (unsigned i = 0; i < sizeof s.random; i++)
		s.random[i] = (uint8_t)rng_below(&r, 256);
	return exec_stack_make(&s, &x->stack, &x->pointer, x->why);
}

static enum pw_err exec_prepare(struct exec *x)
{
	enum pw_err err = stack_prepare(x);
	if (!err)
		err = image_prepare(x, &x->image, &x->program->file, x->base);
	if (!err && x->interpreter.n_parts)
		err = image_prepare(x, &x->interpreter, &x->interpreter_file, x->interpreter_base);
	if (!err)
		err = rest_prepare(x);
	if (!err && limit_exec(x->process, x->entry, x->n_entries))
		err = pw_fail(x->why, PW_LIMIT, "%s: a limit of the process, or on what memory may be promised, forbids it",
		              x->program->file.path);
	return err;
}

/* Undoes prepare. */
static void exec_drop(struct exec *x)
{
	for (unsigned i = 0; i < x->n_entries; i++) {
		object_unref(x->kernel, x->entry[i]->object);
		mem_free(x->entry[i]);
	}
	mem_free(x->stack);
}

/* ---- commit ---- */

/* Zeros at the end of a part, whatever its rights are. */
static enum pw_err part_pad(struct exec *x, uint64_t end, uint64_t bytes)
{
	static const uint8_t zeros[4096];
	unsigned shift = x->kernel->config.page_shift;
	struct entry *e = map_find(&x->process->map, (end - 1) >> shift);
	unsigned prot = e->prot;
	uint64_t start = e->node.start << shift;
	enum pw_err err = PW_OK;
	e->prot |= PMAP_READ | PMAP_WRITE;
	while (!err && bytes > 0) {
		uint64_t part = bytes < sizeof zeros ? bytes : sizeof zeros;
		err = process_copy_in(x->process, vaddr(end - bytes), zeros, part, x->why);
		bytes -= part;
	}
	if (!err && (prot & (PMAP_READ | PMAP_WRITE)) != (PMAP_READ | PMAP_WRITE))
		err = process_protect(x->process, vaddr(start), end - start, prot);
	return err;
}

static enum pw_err pages_write(struct exec *x)
{
	enum pw_err err = PW_OK;
	for (unsigned i = 0; !err && i < x->n_pads; i++)
		err = part_pad(x, x->pad[i].end, x->pad[i].bytes);
	return err ? err : process_copy_in(x->process, vaddr(x->pointer), x->stack, x->stack_top - x->pointer, x->why);
}

static enum pw_err exec_commit(struct exec *x)
{
	struct process *p = x->process;
	enum pw_err err = process_exec(p, path_end(x->program->file.path));
	if (err)
		return pw_fail(x->why, err, "out of memory for a program");
	for (unsigned i = 0; i < x->n_entries; i++)
		map_link(&p->map, x->entry[i]);
	p->heap = x->heap;
	p->map_top = x->interpreter.n_parts ? x->interpreter_base + x->interpreter.part[0].start : x->guard;
	err = pages_write(x);
	x->n_entries = 0;
	if (!err)
		return PW_OK;
	space_clear(p);
	if (x->why) {
		struct pw_why inner = *x->why;
		pw_fail(x->why, err, "the process is ended: the first pages of %.100s could not be brought in: %.300s",
		        path_end(x->program->file.path), inner.text);
	}
	p->killed = p->killed ? p->killed : "the first pages of its program could not be brought into memory";
	return err == PW_IO ? err : PW_NOFRAMES;
}

enum pw_err process_exec_file(struct process *p, const struct process_program *program, struct process_begin *ret, struct pw_why *why)
{
	struct kernel *k = p->kernel;
	struct exec *x = mem_zalloc(1, sizeof *x);
	if (!x)
		return pw_fail(why, PW_NOMEM, "out of memory for a program");
	*x = (struct exec){ .process = p, .kernel = k, .program = program, .why = why };
	enum pw_err err = PW_OK;
	if (!p->alive || p->killed)
		err = pw_fail(why, PW_INVALID, "the process has ended");
	else if (!k->config.carries_data || !k->config.files)
		err = pw_fail(why, PW_UNSUPPORTED, "this run carries addresses only: no file can be read");
	limits_set(x);
	if (!err)
		err = image_read(x, &program->file, &x->image);
	if (!err)
		err = interpreter_read(x);
	if (!err)
		err = stack_place(x);
	if (!err)
		err = images_place(x);
	if (!err)
		err = exec_prepare(x);
	if (!err)
		err = exec_commit(x);
	if (!err)
		*ret = (struct process_begin){
			.program_entry = vaddr(x->base + x->image.entry), .program_base = vaddr(x->base),
			.interpreter_base = vaddr(x->interpreter_base), .stack = vaddr(x->pointer), .heap = vaddr(x->heap),
			.entry = vaddr(x->interpreter.n_parts ? x->interpreter_base + x->interpreter.entry : x->base + x->image.entry),
		};
	exec_drop(x);
	mem_free(x);
	return err;
}

/* ---- the heap ---- */

vaddr_t process_heap_start(const struct process *p) { return vaddr(p->heap); }

enum pw_err process_heap(struct process *p, vaddr_t end)
{
	if (!p->heap || end.v < p->heap)
		return PW_INVALID;
	return process_brk(p, vaddr(p->heap), end.v - p->heap);
}
