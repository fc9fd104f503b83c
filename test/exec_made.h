/* exec_made.h - programs made by a test, and the address spaces they are loaded into. */
#pragma once
#include <elf.h>
#include <limits.h>
#include <pageworks.h>
#include <stdint.h>
#include <stddef.h>

enum { PAGE = 4096, MAPPINGS = 64 };

struct mapping {
	uint64_t start, bytes, offset; /* offset: as Linux lists it; ours do not say */
	unsigned rights;
	char name[80];
};
struct mappings {
	struct mapping at[MAPPINGS];
	unsigned n;
};

struct pw_computer *computer_of(const char *format, const char *frames);
void computer_end(struct pw_computer *c); /* => it has no flaw */
struct pw_process *process_in(struct pw_computer *c);
struct mappings mappings_of(struct pw_process *p);
const struct mapping *mapping_at(const struct mappings *all, uint64_t address);         /* NULL: none */
const struct mapping *mapping_named(const struct mappings *all, const char *name);
/* A new file.  => open */
int scratch_make(char path[PATH_MAX]);
/* Every byte that the file has of a segment, and zeros behind. */
void segment_same(struct pw_process *p, const uint8_t *file, uint64_t base, const Elf64_Phdr *s);

/* A program of three segments, with zeros behind data within a page and beyond it, 64 or 32 bits wide. */
struct made {
	uint8_t bytes[6 * PAGE];
	unsigned width;          /* 8 or 4 */
	char path[PATH_MAX];
};
enum { TEXT = 0, DATA = 1, SEGMENTS = 4 };
struct made_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, file, memory, align;
};
void made_init(struct made *m, unsigned width);
void segment_put(struct made *m, unsigned i, const struct made_segment *s);
void made_write(struct made *m, size_t n);
/* A file of the first n bytes is loaded, and gone again. */
enum pw_status made_exec(struct pw_process *p, struct made *m, size_t n, struct pw_program *at, char **why);
/* What is in memory is what the file has. */
void made_same(struct pw_process *p, const struct made *m);
