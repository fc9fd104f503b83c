/* elf.h - the headers of an ELF file: of 32 or 64 bits, little-endian, from wherever its bytes are.
 *
 * Nothing in the file is trusted.  What is read has been inside the file; what it says about other places in it has not been looked
 * at: elf_holds() does.  Nothing here keeps memory, so there is nothing to close.
 *
 * Source: System V Application Binary Interface, chapters 4 and 5; elf(5). */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stdint.h>

/* Where the bytes are.  read is asked for nothing beyond bytes. */
struct elf_source {
	enum pw_err (*read)(void *ctx, uint64_t at, void *to, uint64_t n);
	void *ctx;
	uint64_t bytes;          /* of the file */
};
/* A file in memory, which must outlive the source. */
struct elf_source elf_memory(const void *bytes, uint64_t n);

struct elf {
	struct elf_source from;
	bool is_64;
	unsigned type;           /* ET_* */
	uint64_t entry;
	uint64_t segments_at, sections_at;
	unsigned segment_bytes, section_bytes; /* from one to the next */
	uint32_t n_segments, n_sections;
};
struct elf_segment {
	uint32_t type, flags;    /* PT_*, PF_* */
	uint64_t offset, file_bytes;
	uint64_t vaddr, paddr, memory_bytes, align;
};
struct elf_section {
	uint32_t type, link;     /* SHT_*, a section */
	uint64_t offset, bytes;
};

/* => PW_FORMAT: it is no ELF file that can be read here; PW_IO; why says "it ...", for the caller to put the name before */
must_use enum pw_err elf_open(const struct elf_source *from, struct elf *ret, struct pw_why *why);
/* => i < n_segments, i < n_sections; PW_FORMAT: the file ends before; PW_IO */
must_use enum pw_err elf_segment(const struct elf *e, uint32_t i, struct elf_segment *ret, struct pw_why *why);
must_use enum pw_err elf_section(const struct elf *e, uint32_t i, struct elf_section *ret, struct pw_why *why);
/* Are these bytes all inside the file? */
static inline bool elf_holds(const struct elf *e, uint64_t offset, uint64_t bytes)
{
	return offset <= e->from.bytes && bytes <= e->from.bytes - offset;
}
