/* maps.h - the mappings of a process of this computer, as /proc/PID/maps and /proc/PID/smaps tell them.
 *
 * One parser for both files: smaps is maps with lines of figures after each mapping.  Addresses are bytes, figures are bytes (the
 * kernel's kB times 1024).  A name stands as the kernel wrote it: a newline in it is \012, a file that was removed ends in
 * " (deleted)"; neither can be undone for certain, because the kernel escapes no backslash. */
#pragma once
#include "procfs.h"
#include <stddef.h>

/* name, the kernel's word.  Figures of smaps the project knows; others are kept under the kernel's own word. */
#define MAPS_FIGURE_LIST(X) \
	X(SIZE, "Size") X(PAGE, "KernelPageSize") X(MMU_PAGE, "MMUPageSize") X(RSS, "Rss") X(PSS, "Pss") X(PSS_DIRTY, "Pss_Dirty") \
	X(SHARED_CLEAN, "Shared_Clean") X(SHARED_DIRTY, "Shared_Dirty") \
	X(PRIVATE_CLEAN, "Private_Clean") X(PRIVATE_DIRTY, "Private_Dirty") \
	X(REFERENCED, "Referenced") X(ANONYMOUS, "Anonymous") X(KSM, "KSM") X(LAZY_FREE, "LazyFree") \
	X(ANON_HUGE, "AnonHugePages") X(SHMEM_HUGE, "ShmemPmdMapped") X(FILE_HUGE, "FilePmdMapped") \
	X(SHARED_HUGETLB, "Shared_Hugetlb") X(PRIVATE_HUGETLB, "Private_Hugetlb") \
	X(SWAP, "Swap") X(SWAP_PSS, "SwapPss") X(LOCKED, "Locked")

enum maps_figure {
#define X(name, word) MAPS_##name,
	MAPS_FIGURE_LIST(X)
#undef X
	MAPS_FIGURES
};

enum maps_prot { MAPS_READ = 1, MAPS_WRITE = 2, MAPS_EXEC = 4 };

/* A line of smaps that is no figure of the list: "VmFlags" "rd wr mr", or whatever a later kernel adds. */
struct maps_more {
	const char *key, *value;
};

struct maps_entry {
	uint64_t start, end;              /* [start, end) */
	uint64_t offset, inode;
	uint32_t dev_major, dev_minor;
	unsigned prot;                    /* of enum maps_prot */
	bool shared;                      /* else private: written pages become copies */
	const char *name;                 /* "": anonymous; "[heap]", "[anon:NAME]", a path; never NULL */
	uint32_t known;                   /* bit f: figure f was there */
	uint64_t figure[MAPS_FIGURES];    /* 0 when it was not */
	uint32_t first_more, n_more;      /* in maps.more */
};

struct maps {
	char *text;                       /* owns every string below */
	struct maps_entry *entry;         /* by address, without overlap */
	struct maps_more *more;
	uint32_t n, n_more, room, more_room;
};

enum maps_detail { MAPS_PLAIN, MAPS_DETAILED, MAPS_ROLLUP };

/* Reads a text of either file.  => maps_fini releases *ret; on failure there is nothing to release.  PW_FORMAT names the line;
 * PW_TRUNCATED: the text ends within a line. */
must_use enum pw_err maps_parse(const char *text, size_t bytes, struct maps *ret, struct pw_why *why);
/* Reads "maps", "smaps" or "smaps_rollup" (one entry over all) of a process.  => errors as procfs.h has them. */
must_use enum pw_err maps_read(struct procfs *p, uint32_t pid, enum maps_detail detail, struct maps *ret, struct pw_why *why);
void maps_fini(struct maps *m);
/* The mapping that holds an address, or NULL: it is in none. */
const struct maps_entry *maps_find(const struct maps *m, uint64_t address);
/* The kernel's word for a figure: "Rss". */
const char *maps_figure_word(enum maps_figure f);
/* "rw-p" into buf of at least 5 bytes, returned. */
char *maps_prot_text(char *buf, const struct maps_entry *e);
/* The sum of a figure over all mappings. */
uint64_t maps_sum(const struct maps *m, enum maps_figure f);
/* NULL, or a sentence naming the broken invariant. */
const char *maps_flaw(const struct maps *m);
