/* object.h - what can be mapped by several spaces: files, and memory shared without a file.
 *
 * A file keeps its pages for as long as the kernel lives, as a page cache does; shared memory ends with its last mapping. */
#pragma once
#include "../base/err.h"
#include "../base/htab.h"
#include "frame.h"
#include "pages.h"
#include <stdbool.h>
#include <stdint.h>

struct kernel;

enum object_kind { OBJECT_FILE, OBJECT_SHARED };

/* Words of a file's pages. */
#define FILE_PAGE_EVICTED 0x80000000u /* was in memory and had to leave */
static inline uint32_t file_page_word(uint32_t frame) { return frame + 1; }
static inline bool file_page_resident(uint32_t word) { return word && word != FILE_PAGE_EVICTED; }
static inline uint32_t file_page_frame(uint32_t word) { return word - 1; }

struct object {
	enum object_kind kind;
	uint32_t id;           /* FILE: index among the kernel's files */
	uint32_t refs;         /* mappings */
	uint64_t file_id, bytes;
	uint32_t misses;       /* FILE: recent major faults less recent hits: many, and reading around stops */
	struct pages pages;    /* FILE: file_page_word; SHARED: numbers of anonymous pages */
};

struct objects {
	struct object **file;  /* by id */
	uint32_t n_files;
	struct htab by_file_id; /* -> id */
};

must_use enum pw_err objects_init(struct objects *os);
/* => no page of any file is in memory any more */
void objects_fini(struct objects *os);
/* The file of that identity, known or new, with one more reference.  Its size is what was told last. */
must_use enum pw_err object_file(struct objects *os, uint64_t file_id, uint64_t bytes, struct object **ret);
must_use enum pw_err object_shared(uint64_t bytes, struct object **ret);
static inline struct object *object_ref(struct object *o)
{
	if (o)
		o->refs++;
	return o;
}
/* Shared memory gives its pages back with its last reference. */
void object_unref(struct kernel *k, struct object *o);
/* Pages of shared memory in [first, end) become zeros; files are left alone. */
void object_punch(struct kernel *k, struct object *o, uint64_t first, uint64_t end);
/* Pages a mapping may touch without going beyond the end, or beyond what a frame can say of itself. */
uint64_t object_n_pages(const struct object *o, unsigned page_shift);
