/* exec_image.h - what an ELF file wants to be in memory: a plan, made without a kernel.  Private to the kernel room.
 *
 *      file      |header ro|   text    | rodata |  data |
 *      memory    [  rodata )[  text    )[rodata )[ data )[ bss )        a file part each, and an anonymous one for what the file
 *                                                   ^^^ pad             has no bytes for; pad: zeros in the last page of a file part
 *
 * Addresses are those of the file; a program that may be moved (ET_DYN) begins near 0. */
#pragma once
#include "../base/elf.h"
#include <stddef.h>

enum { EXEC_LOADS = 64, EXEC_PATH = 4096 };

#define EXEC_PART_LIST(X) X(text) X(data) X(rodata) X(bss) X(unused)
enum exec_part_kind {
#define X(name) EXEC_PART_##name,
	EXEC_PART_LIST(X)
#undef X
	EXEC_PART_KINDS
};
const char *exec_part_name(enum exec_part_kind kind); /* static */

struct exec_part {
	enum exec_part_kind kind;
	uint64_t start, end;     /* whole pages */
	bool zeros;              /* no bytes of the file: they begin as zeros */
	uint64_t offset;         /* in the file of start */
	uint64_t pad;            /* bytes before end that are zeros in memory, whatever the file has there */
	unsigned prot;           /* PMAP_* */
};

struct exec_image {
	struct exec_part part[2 * EXEC_LOADS]; /* in order of address, disjoint, not empty */
	unsigned n_parts;
	uint64_t align;          /* where a movable one may begin: a power of two, at least a page */
	uint64_t entry, headers; /* addresses; headers 0: the program headers are not in memory */
	unsigned n_headers, header_bytes;
	bool movable, is_64, stack_exec;
	char interpreter[EXEC_PATH]; /* "": none */
};

struct exec_limits {
	uint64_t page_bytes, top; /* programs' addresses are below top */
	bool is_64;
};

/* => PW_FORMAT, PW_UNSUPPORTED, PW_IO with why, which says "it ..."; the plan is worthless then */
must_use enum pw_err exec_image_read(const struct elf_source *file, const struct exec_limits *l, struct exec_image *ret,
                                     struct pw_why *why);
