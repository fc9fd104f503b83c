/* elf.c - ELF headers, read.
 *
 * Problem.  Three parts of the house read ELF files: memory images (segments by physical address), programs to be loaded (segments by
 * virtual address) and symbol tables (sections); each must survive any file, and each file comes in two widths.
 *
 * Idea.  One reader turns both widths into one structure, member by member, and asks for bytes only after it has seen that the file has
 * them.  What a header means is the caller's.
 *
 * 1. No byte is asked of the source beyond its end.
 * 2. A table is read with the stride that the file gives, which is at least the size of what is read.
 *
 * Rejected: libelf (LGPL-3 or GPL-2, for two structures that do not change); a pointer into the file (nothing in it need be aligned,
 * and not every source is memory). */
#include "elf.h"
#include <elf.h>
#include <string.h>

static enum pw_err memory_read(void *ctx, uint64_t at, void *to, uint64_t n)
{
	memcpy(to, (const uint8_t *)ctx + at, n);
	return PW_OK;
}

struct elf_source elf_memory(const void *bytes, uint64_t n)
{
	return (struct elf_source){ memory_read, (void *)bytes, n };
}

/* => what: where the file would end if it does */
static enum pw_err get(const struct elf_source *s, uint64_t at, void *to, uint64_t n, const char *what, struct pw_why *why)
{
	if (at > s->bytes || n > s->bytes - at)
		return pw_fail(why, PW_FORMAT, "it ends within its ELF %s", what);
	enum pw_err err = s->read(s->ctx, at, to, n);
	return err ? pw_fail(why, err, "its ELF %s cannot be read", what) : PW_OK;
}

/* Both widths have the same members; only their sizes differ. */
#define HEADER_TAKE(e, h) \
	do { \
		(e)->type = (h).e_type; \
		(e)->entry = (h).e_entry; \
		(e)->segments_at = (h).e_phoff; \
		(e)->sections_at = (h).e_shoff; \
		(e)->segment_bytes = (h).e_phentsize; \
		(e)->section_bytes = (h).e_shentsize; \
		(e)->n_segments = (h).e_phnum; \
		(e)->n_sections = (h).e_shnum; \
	} while (0)

static enum pw_err header_read(struct elf *e, struct pw_why *why)
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;
	enum pw_err err = e->is_64 ? get(&e->from, 0, &wide, sizeof wide, "header", why)
				   : get(&e->from, 0, &narrow, sizeof narrow, "header", why);
	if (err)
		return err;
	if (e->is_64)
		HEADER_TAKE(e, wide);
	else
		HEADER_TAKE(e, narrow);
	if (e->n_segments && e->segment_bytes < (e->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return pw_fail(why, PW_FORMAT, "its ELF program headers make no sense: they are of %u bytes each", e->segment_bytes);
	if (e->n_sections && e->section_bytes < (e->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)))
		return pw_fail(why, PW_FORMAT, "its ELF section headers make no sense: they are of %u bytes each", e->section_bytes);
	return PW_OK;
}

/* With PN_XNUM program headers or more, their number stands in the first section header. */
static enum pw_err many_segments(struct elf *e, struct pw_why *why)
{
	Elf64_Shdr wide;
	Elf32_Shdr narrow;
	if (e->n_segments != PN_XNUM || !e->sections_at)
		return PW_OK;
	enum pw_err err = e->is_64 ? get(&e->from, e->sections_at, &wide, sizeof wide, "section headers", why)
				   : get(&e->from, e->sections_at, &narrow, sizeof narrow, "section headers", why);
	if (!err)
		e->n_segments = e->is_64 ? wide.sh_info : narrow.sh_info;
	return err;
}

enum pw_err elf_open(const struct elf_source *from, struct elf *ret, struct pw_why *why)
{
	uint8_t ident[EI_NIDENT] = { 0 };
	*ret = (struct elf){ .from = *from };
	enum pw_err err = get(from, 0, ident, from->bytes < sizeof ident ? from->bytes : sizeof ident, "header", why);
	if (err)
		return err;
	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return pw_fail(why, PW_FORMAT, "it is no ELF file");
	if (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32)
		return pw_fail(why, PW_FORMAT, "its ELF header says neither 32 nor 64 bits");
	if (ident[EI_DATA] != ELFDATA2LSB)
		return pw_fail(why, PW_FORMAT, "it is big-endian; only little-endian ELF files are read");
	ret->is_64 = ident[EI_CLASS] == ELFCLASS64;
	err = header_read(ret, why);
	return err ? err : many_segments(ret, why);
}

/* The i-th record of a table, of the size that the file's class has. */
static enum pw_err record_get(const struct elf *e, uint64_t table, uint32_t i, uint32_t stride, void *record, size_t size, const char *what,
                              struct pw_why *why)
{
	uint64_t at = table + (uint64_t)i * stride;
	return get(&e->from, at < table ? UINT64_MAX : at, record, size, what, why);
}

#define SEGMENT_OF(p) \
	((struct elf_segment){ (p).p_type, (p).p_flags, (p).p_offset, (p).p_filesz, (p).p_vaddr, (p).p_paddr, (p).p_memsz, (p).p_align })

enum pw_err elf_segment(const struct elf *e, uint32_t i, struct elf_segment *ret, struct pw_why *why)
{
	union { Elf64_Phdr wide; Elf32_Phdr narrow; } p;
	enum pw_err err = record_get(e, e->segments_at, i, e->segment_bytes, &p, e->is_64 ? sizeof p.wide : sizeof p.narrow,
	                             "program headers", why);
	if (!err)
		*ret = e->is_64 ? SEGMENT_OF(p.wide) : SEGMENT_OF(p.narrow);
	return err;
}

#define SECTION_OF(s) ((struct elf_section){ (s).sh_type, (s).sh_link, (s).sh_offset, (s).sh_size })

enum pw_err elf_section(const struct elf *e, uint32_t i, struct elf_section *ret, struct pw_why *why)
{
	union { Elf64_Shdr wide; Elf32_Shdr narrow; } s;
	enum pw_err err = record_get(e, e->sections_at, i, e->section_bytes, &s, e->is_64 ? sizeof s.wide : sizeof s.narrow,
	                             "section headers", why);
	if (!err)
		*ret = e->is_64 ? SECTION_OF(s.wide) : SECTION_OF(s.narrow);
	return err;
}
