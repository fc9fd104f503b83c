/* pagemap.h - what each page of a process is: present, swapped, of a file, part of a huge page, zeros, dirty.
 *
 * The kernel answers in three ways, and this room gives the same answer whichever is used:
 *   scan     the ioctl PAGEMAP_SCAN (Linux 6.7): runs of like pages; quick, and knows huge pages and the page of zeros
 *   words    /proc/PID/pagemap: a word for each page; everywhere, for one's own processes
 *   frames   words, and /proc/kpageflags for each frame; only root is told the frames.  Knows dirty pages, too
 * pagemap_known says which categories the way in use can tell; one that it cannot is never set. */
#pragma once
#include "procfs.h"

#define PAGEMAP_CATEGORY_LIST(X) \
	X(PRESENT, "present", "in memory") \
	X(SWAPPED, "swapped", "in swap") \
	X(FILE, "file", "a page of a file, or memory that may be shared") \
	X(HUGE, "huge", "mapped by an entry above the lowest level") \
	X(ZERO, "zero", "the kernel's page of zeros: read, never written") \
	X(DIRTY, "dirty", "its frame is marked as differing from its file or swap; certain where set, not where not")

enum pagemap_category_number {
#define X(name, word, text) PAGEMAP_##name##_NUMBER,
	PAGEMAP_CATEGORY_LIST(X)
#undef X
	PAGEMAP_CATEGORIES
};
enum pagemap_category {
#define X(name, word, text) PAGEMAP_##name = 1 << PAGEMAP_##name##_NUMBER,
	PAGEMAP_CATEGORY_LIST(X)
#undef X
};

#define PAGEMAP_SOURCE_LIST(X) X(AUTO, "auto") X(SCAN, "scan") X(WORDS, "words") X(FRAMES, "frames")
enum pagemap_source {
#define X(name, word) PAGEMAP_BY_##name,
	PAGEMAP_SOURCE_LIST(X)
#undef X
	PAGEMAP_SOURCES
};

/* Like pages side by side; those that are neither present nor swapped are in no run. */
struct pagemap_run {
	uint64_t start, end;  /* bytes */
	uint32_t is;          /* of enum pagemap_category */
};
struct pagemap_runs {
	struct pagemap_run *run; /* by address; neighbours differ or do not touch */
	uint64_t n, room;
};

/* What changed between two looks, in pages. */
struct pagemap_change {
	uint64_t arrived, left;            /* absent before, present now; the reverse */
	uint64_t swapped_out, swapped_in;  /* present before, swapped now; the reverse */
	uint64_t other;                    /* of another kind than before, such as a copy of a file's page */
};

struct pagemap;

/* Opens the pages of a process.  AUTO takes scan where it is tried and works, words otherwise.
 * => PW_UNSUPPORTED: the source asked for is not to be had here, why says so; the others as in procfs.h. */
must_use enum pw_err pagemap_open(struct procfs *proc, uint32_t pid, enum pagemap_source source, struct pagemap **ret,
                                  struct pw_why *why);
void pagemap_close(struct pagemap *p);
enum pagemap_source pagemap_source(const struct pagemap *p);
const char *pagemap_source_word(enum pagemap_source source);
uint32_t pagemap_known(const struct pagemap *p);
uint64_t pagemap_page_bytes(void);

/* Appends the runs of [start, end), which begins at or after the end of those in *runs; both are whole pages.
 * => PW_NOTFOUND: the process ended; PW_LIMIT: without scan, more than 1 TiB would have to be read page by page.  On failure *runs
 * is as it was. */
must_use enum pw_err pagemap_read(struct pagemap *p, uint64_t start, uint64_t end, struct pagemap_runs *runs, struct pw_why *why);
void pagemap_runs_fini(struct pagemap_runs *runs);
const char *pagemap_runs_flaw(const struct pagemap_runs *runs);

/* What is different within [start, end), with the categories of mask compared beside present and swapped. */
struct pagemap_change pagemap_compare(const struct pagemap_runs *before, const struct pagemap_runs *now, uint64_t start, uint64_t end,
                                      uint32_t mask);
