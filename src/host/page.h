/* page.h - everything this computer says of one page of a process.
 *
 * The word of /proc/PID/pagemap; and where the kernel tells us the frame, what /proc/kpageflags and /proc/kpagecount say of it. */
#pragma once
#include "procfs.h"
#include <stddef.h>

/* bit of kpageflags, word. */
#define PAGE_FLAG_LIST(X) \
	X(0, "locked") X(1, "error") X(2, "referenced") X(3, "uptodate") X(4, "dirty") X(5, "lru") X(6, "active") X(7, "slab") \
	X(8, "writeback") X(9, "reclaim") X(10, "buddy") X(11, "mmap") X(12, "anonymous") X(13, "swapcache") X(14, "swapbacked") \
	X(15, "compound-head") X(16, "compound-tail") X(17, "hugetlb") X(18, "unevictable") X(19, "hwpoison") X(20, "nopage") \
	X(21, "ksm") X(22, "thp") X(23, "offline") X(24, "zero") X(25, "idle") X(26, "page-table")

struct page_story {
	bool present, swapped, file, exclusive, soft_dirty, guarded; /* guarded: write-protected by a userfaultfd */
	bool frame_known;        /* present, and we are told: */
	uint64_t frame;
	unsigned swap_type;      /* swapped, and told likewise; zeros otherwise */
	uint64_t swap_offset;
	bool flags_known, count_known;
	uint64_t flags, count;   /* count: how often the frame is mapped */
};

/* => the errors of procfs.h; frames are left out without an error when they are not told */
must_use enum pw_err page_read(struct procfs *p, uint32_t pid, uint64_t address, struct page_story *ret, struct pw_why *why);
/* The words of the flags that are set.  => buf */
const char *page_flags_text(uint64_t flags, char *buf, size_t size);
