/* image.h - somebody's physical memory in a file.
 *
 *   raw        byte 0 of the file is physical address 0
 *   ELF core   PT_LOAD segments with physical addresses: QEMU's dump-guest-memory, kdump, /proc/vmcore; QEMU's notes say what the
 *              registers of each CPU held
 *   LiME       ranges with a header each
 *
 * What the file does not hold cannot be read; nothing in it is trusted. */
#pragma once
#include "explain.h"

struct image;

/* => PW_NOTFOUND, PW_IO, PW_INVALID with why; *ret is NULL then */
must_use enum pw_err image_open(const char *path, struct image **ret, struct pw_why *why);
void image_close(struct image *i);
struct memory_view image_view(const struct image *i);
const char *image_kind(const struct image *i); /* "raw", "ELF core", "LiME" */
uint64_t image_bytes(const struct image *i);   /* of memory that it holds */

/* What the file says of its CPUs. */
struct image_cpu {
	paddr_t root;            /* CR3, without the bits that are no address */
	const char *format;      /* by its control registers; NULL: one that is not known here */
	bool paging;             /* otherwise root means nothing */
};
unsigned image_n_cpus(const struct image *i);
struct image_cpu image_cpu_at(const struct image *i, unsigned cpu);
