/* exec_image.c - reading a program's file for what it wants to be in memory.
 *
 * Problem.  The program headers of an ELF file say which bytes belong where with which rights.  A damaged or hostile one says nonsense,
 * and once the old program is gone it is too late to find out.
 *
 * Idea.  Everything the file can say is looked at before anything is done, and becomes a short list of parts that are whole pages, in
 * order and disjoint.  Who carries the plan out needs to check nothing more of the file.
 *
 * 1. Parts are in order of address, disjoint, not empty, below the top; file parts are inside the file.
 * 2. The entry is in a part that may be executed.
 * 3. A plan that failed is not used.
 *
 * Rejected: later segments over earlier ones where they share a page, as mmap with MAP_FIXED does (it hides that a program was made for
 * smaller pages).
 * Source: System V Application Binary Interface, chapter 5, "Program Loading"; elf(5). */
#include "exec_image.h"
#include "../pmap/pmap.h"
#include <elf.h>
#include <string.h>

const char *exec_part_name(enum exec_part_kind kind)
{
	static const char *const names[] = {
#define X(name) #name,
		EXEC_PART_LIST(X)
#undef X
	};
	return names[kind];
}

struct reading {
	const struct elf *elf;
	const struct exec_limits *limits;
	struct exec_image *image;
	struct pw_why *why;
};

static uint64_t page_down(const struct reading *r, uint64_t at) { return at & ~(r->limits->page_bytes - 1); }
static uint64_t page_up(const struct reading *r, uint64_t at) { return page_down(r, at + r->limits->page_bytes - 1); }

static unsigned prot_of(uint32_t flags)
{
	return (flags & PF_R ? PMAP_READ : 0) | (flags & PF_W ? PMAP_WRITE : 0) | (flags & PF_X ? PMAP_EXEC : 0);
}

static enum exec_part_kind kind_of(unsigned prot)
{
	return prot & PMAP_EXEC ? EXEC_PART_text : prot & PMAP_WRITE ? EXEC_PART_data : prot ? EXEC_PART_rodata : EXEC_PART_unused;
}

static enum pw_err segment_check(const struct reading *r, const struct elf_segment *s)
{
	unsigned long long at = s->vaddr, page = r->limits->page_bytes;
	if (s->file_bytes > s->memory_bytes)
		return pw_fail(r->why, PW_FORMAT, "its segment at 0x%llx has more bytes in the file than in memory", at);
	if (!elf_holds(r->elf, s->offset, s->file_bytes))
		return pw_fail(r->why, PW_FORMAT, "its segment at 0x%llx reaches beyond the end of the file: it is cut off or damaged", at);
	if (s->vaddr >= r->limits->top || s->memory_bytes > r->limits->top - s->vaddr)
		return pw_fail(r->why, PW_FORMAT, "its segment at 0x%llx lies outside the addresses of programs here, which end at 0x%llx",
		               at, (unsigned long long)r->limits->top);
	if (s->align & (s->align - 1))
		return pw_fail(r->why, PW_FORMAT, "its segment at 0x%llx is aligned to 0x%llx, which is no power of two", at,
		               (unsigned long long)s->align);
	if (s->file_bytes && (s->vaddr ^ s->offset) & (page - 1))
		return pw_fail(r->why, PW_UNSUPPORTED, "its segment at 0x%llx begins at byte 0x%llx of the file, which pages of %llu bytes "
		               "cannot show there", at, (unsigned long long)s->offset, page);
	return PW_OK;
}

static enum pw_err part_add(struct reading *r, const struct exec_part *part, const struct elf_segment *s)
{
	struct exec_image *im = r->image;
	const struct exec_part *before = im->n_parts ? &im->part[im->n_parts - 1] : NULL;
	if (part->start == part->end)
		return PW_OK;
	if (before && part->start < before->end)
		return pw_fail(r->why, PW_UNSUPPORTED, "its segment at 0x%llx begins in or before the last page of the one in front of it, "
		               "pages being of %llu bytes: out of order, or made for smaller ones", (unsigned long long)s->vaddr,
		               (unsigned long long)r->limits->page_bytes);
	im->part[im->n_parts++] = *part;
	return PW_OK;
}

/* A part that the file has bytes for, and one that it has none for. */
static enum pw_err segment_load(struct reading *r, const struct elf_segment *s)
{
	enum pw_err err = segment_check(r, s);
	if (err)
		return err;
	unsigned prot = prot_of(s->flags);
	uint64_t start = page_down(r, s->vaddr), file_end = s->vaddr + s->file_bytes, end = page_up(r, s->vaddr + s->memory_bytes);
	uint64_t middle = s->file_bytes ? page_up(r, file_end) : start;
	struct exec_part file = { .kind = kind_of(prot), .start = start, .end = middle, .offset = page_down(r, s->offset), .prot = prot };
	struct exec_part zeros = { .kind = prot ? EXEC_PART_bss : EXEC_PART_unused, .start = middle, .end = end, .prot = prot,
	                           .zeros = true };
	if (s->memory_bytes > s->file_bytes && s->file_bytes)
		file.pad = middle - file_end;
	if (s->align > r->image->align)
		r->image->align = s->align;
	err = part_add(r, &file, s);
	return err ? err : part_add(r, &zeros, s);
}

static enum pw_err interpreter_take(struct reading *r, const struct elf_segment *s)
{
	char *path = r->image->interpreter;
	if (s->file_bytes < 2 || s->file_bytes > EXEC_PATH || !elf_holds(r->elf, s->offset, s->file_bytes))
		return pw_fail(r->why, PW_FORMAT, "the name of its interpreter is not in the file, or too long");
	enum pw_err err = r->elf->from.read(r->elf->from.ctx, s->offset, path, s->file_bytes);
	if (err)
		return pw_fail(r->why, err, "the name of its interpreter cannot be read");
	if (path[s->file_bytes - 1] || strlen(path) != s->file_bytes - 1)
		return pw_fail(r->why, PW_FORMAT, "the name of its interpreter does not end where it should");
	return PW_OK;
}

static enum pw_err segment_take(struct reading *r, const struct elf_segment *s, unsigned *n_loads)
{
	if (s->type == PT_INTERP)
		return interpreter_take(r, s);
	if (s->type == PT_GNU_STACK)
		r->image->stack_exec = s->flags & PF_X;
	if (s->type != PT_LOAD || !s->memory_bytes)
		return PW_OK;
	if (++*n_loads > EXEC_LOADS)
		return pw_fail(r->why, PW_UNSUPPORTED, "it has more than %d segments to load", EXEC_LOADS);
	uint64_t headers = r->elf->segments_at, bytes = (uint64_t)r->elf->n_segments * r->elf->segment_bytes;
	if (!r->image->headers && headers >= s->offset && s->file_bytes >= bytes && headers - s->offset <= s->file_bytes - bytes)
		r->image->headers = s->vaddr + (headers - s->offset);
	return segment_load(r, s);
}

static enum pw_err kind_check(const struct reading *r)
{
	const struct elf *e = r->elf;
	if (e->is_64 != r->limits->is_64)
		return pw_fail(r->why, PW_UNSUPPORTED, "it is of %d bits, and addresses here are of %d", e->is_64 ? 64 : 32,
		               r->limits->is_64 ? 64 : 32);
	if (e->type != ET_EXEC && e->type != ET_DYN)
		return pw_fail(r->why, PW_UNSUPPORTED, "it is %s, not a program", e->type == ET_REL ? "an object file for a linker" :
		               e->type == ET_CORE ? "a core dump" : "an ELF file of an unknown type");
	return PW_OK;
}

static enum pw_err entry_check(const struct reading *r)
{
	const struct exec_image *im = r->image;
	if (!im->n_parts)
		return pw_fail(r->why, PW_FORMAT, "it has nothing to load");
	for (unsigned i = 0; i < im->n_parts; i++)
		if (im->part[i].prot & PMAP_EXEC && im->entry >= im->part[i].start && im->entry < im->part[i].end)
			return PW_OK;
	return pw_fail(r->why, PW_FORMAT, "it begins at 0x%llx, where nothing of it may be executed", (unsigned long long)im->entry);
}

enum pw_err exec_image_read(const struct elf_source *file, const struct exec_limits *l, struct exec_image *ret, struct pw_why *why)
{
	struct elf e;
	struct reading r = { &e, l, ret, why };
	unsigned n_loads = 0;
	*ret = (struct exec_image){ .align = l->page_bytes };
	enum pw_err err = elf_open(file, &e, why);
	if (!err)
		err = kind_check(&r);
	if (err)
		return err;
	ret->movable = e.type == ET_DYN;
	ret->is_64 = e.is_64;
	ret->entry = e.entry;
	ret->n_headers = e.n_segments;
	ret->header_bytes = e.segment_bytes;
	for (uint32_t i = 0; !err && i < e.n_segments; i++) {
		struct elf_segment s;
		err = elf_segment(&e, i, &s, why);
		if (!err)
			err = segment_take(&r, &s, &n_loads);
	}
	return err ? err : entry_check(&r);
}
